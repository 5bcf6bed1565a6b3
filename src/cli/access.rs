//! `access`: when a principal could do something; `who-can`: who could, now, at a moment, or in a stretch of time.

use serde_json::{Value, json};

use super::door::{Door, moment};
use super::options::{AccessOptions, Output, RangeOptions, WhoCanOptions};
use super::{Failure, print};
use crate::base::notice::notice;

/// Prints the intervals, those through roles after those by itself.
pub fn access(door: &Door, output: Output, options: &AccessOptions) -> Result<u8, Failure> {
    let mut parameters = vec![
        ("principal".to_owned(), options.principal.clone()),
        ("action".to_owned(), options.action.clone()),
        ("resource".to_owned(), options.resource.clone()),
    ];
    parameters.extend(options.context.iter().map(|pair| ("context".to_owned(), pair.clone())));
    parameters.extend(range(&options.range)?);
    let answer = door.ask("access", parameters, options.at.at.as_deref())?;
    if output == Output::Json {
        print::object(output, &answer)?;
        return Ok(0);
    }
    let all = ["intervals", "through_roles"].into_iter().flat_map(|name| list(&answer, name));
    let all: Vec<Value> = match output {
        Output::Ndjson => all.collect(),
        _ => all.map(told).collect(),
    };
    let columns = ["name", "id", "via", "state", "from", "to", "opened", "closed"];
    print::rows(output, &all, &columns)?;
    tell_assumed(&answer);
    Ok(0)
}

/// Prints who could; with a range, one row an interval.
pub fn who_can(door: &Door, output: Output, options: &WhoCanOptions) -> Result<u8, Failure> {
    let mut parameters = vec![
        ("action".to_owned(), options.action.clone()),
        ("resource".to_owned(), options.resource.clone()),
    ];
    parameters.extend(options.context.iter().map(|pair| ("context".to_owned(), pair.clone())));
    let range = range(&options.range)?;
    let is_of_range = !range.is_empty();
    parameters.extend(range);
    if options.escalation {
        parameters.push(("escalation".to_owned(), "true".to_owned()));
    }
    let answer = door.ask("who-can", parameters, options.at.at.as_deref())?;
    if output == Output::Json && (is_of_range || options.escalation) {
        print::object(output, &answer)?;
        return Ok(0);
    }
    if is_of_range {
        let all: Vec<Value> = list(&answer, "intervals").map(told).collect();
        let columns = ["name", "id", "via", "state", "from", "to", "opened", "closed"];
        print::rows(output, &all, &columns)?;
        tell_assumed(&answer);
        return Ok(0);
    }
    let could = list(&answer, "could").map(|mut one| {
        let steps: Vec<String> = list(&one, "steps").map(|step| step_told(&step)).collect();
        if let Some(fields) = one.as_object_mut() {
            fields.insert("steps".to_owned(), json!(steps));
        }
        one
    });
    let principals = list(&answer, "principals").chain(list(&answer, "outsiders"));
    let principals: Vec<Value> = principals.chain(could).collect();
    let mut columns = vec!["name", "via", "conditional", "missing_context"];
    if options.escalation {
        columns.push("steps");
    }
    print::rows(output, &principals, &columns)?;
    tell_assumed(&answer);
    if answer.get("truncated") == Some(&Value::Bool(true)) {
        notice(format_args!("not every way was followed: ask of a narrower action or resource"));
    }
    Ok(0)
}

/// On which texts an answer stands that an import did not tell, in a sentence.
pub fn assumed(answer: &Value) -> Option<String> {
    let policies: Vec<Value> = list(answer, "assumed").collect();
    let names: Vec<&str> = policies.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| {
        format!("assumed: {} as the catalogue has it; the import does not tell", names.join(", "))
    })
}

fn tell_assumed(answer: &Value) {
    if let Some(assumed) = assumed(answer) {
        notice(format_args!("{assumed}"));
    }
}

fn list(value: &Value, name: &str) -> impl Iterator<Item = Value> + use<> {
    value.get(name).and_then(Value::as_array).cloned().unwrap_or_default().into_iter()
}

fn range(options: &RangeOptions) -> Result<Vec<(String, String)>, Failure> {
    let mut parameters = Vec::new();
    for (name, text) in [("from", &options.from), ("to", &options.to)] {
        if let Some(text) = text {
            parameters.push((name.to_owned(), moment(text)?.to_string()));
        }
    }
    parameters.extend(options.during.clone().map(|text| ("during".to_owned(), text)));
    Ok(parameters)
}

/// `iam:PutUserPolicy by user/alice on arn:...: an inline policy of user/alice allows everything`
fn step_told(step: &Value) -> String {
    let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} by {} on {}: {}", text("action"), text("by"), text("on"), text("gives"))
}

/// An interval with its bounds in words.
fn told(mut interval: Value) -> Value {
    let [opened, closed] = ["opened_by", "closed_by"]
        .map(|name| interval.get(name).filter(|bound| !bound.is_null()).map(bound_told));
    if let Some(fields) = interval.as_object_mut() {
        let still = fields.get("still") == Some(&Value::Bool(true));
        if still {
            fields.insert("to".to_owned(), json!("still"));
        }
        fields.insert("opened".to_owned(), json!(opened));
        fields.insert("closed".to_owned(), json!(closed));
    }
    interval
}

/// `@7 AttachUserPolicy by user/admin (no MFA) from 10.1.2.3 for OPS-1`, or the condition.
fn bound_told(bound: &Value) -> String {
    let text = |path: &str| bound.pointer(path).and_then(Value::as_str);
    let Some(event) = bound.get("event").and_then(Value::as_u64) else {
        let conditions: Vec<String> = list(bound, "conditions").map(|one| cell(&one)).collect();
        return match conditions.is_empty() {
            true => text("/because").unwrap_or_default().to_owned(),
            false => conditions.join(", "),
        };
    };
    let mut told = format!("@{event} {}", text("/operation").unwrap_or_default());
    if let Some(actor) = text("/actor/name") {
        told += &format!(" by {actor}");
        let person = text("/person/name").filter(|person| *person != actor);
        told += &person.map(|person| format!(" ({person})")).unwrap_or_default();
        told += match bound.get("mfa") {
            Some(Value::Bool(true)) => " with MFA",
            Some(Value::Bool(false)) => " without MFA",
            _ => "",
        };
    }
    for (word, path) in [("from", "/address"), ("for", "/ticket")] {
        told += &text(path).map(|text| format!(" {word} {text}")).unwrap_or_default();
    }
    told
}

fn cell(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_in_words() {
        let event = json!({
            "event": 7, "operation": "AttachUserPolicy", "actor": { "name": "role/ops" },
            "person": { "name": "user/admin" }, "mfa": true, "address": "10.1.2.3", "ticket": "OPS-1",
        });
        assert_eq!(
            bound_told(&event),
            "@7 AttachUserPolicy by role/ops (user/admin) with MFA from 10.1.2.3 for OPS-1"
        );
        let condition = "DateLessThan aws:CurrentTime of statement 0 of p";
        assert_eq!(bound_told(&json!({ "conditions": [condition] })), condition);
        let open = json!({ "opened_by": event, "closed_by": null, "still": true, "to": null });
        let told = told(open);
        assert_eq!((&told["to"], &told["closed"]), (&json!("still"), &Value::Null));
    }
}
