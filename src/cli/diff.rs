//! `diff`: permissions gained and lost between two moments.

use serde_json::{Value, json};

use super::door::{Door, moment};
use super::options::{DiffOptions, Output};
use super::{Failure, print};
use crate::base::notice::notice;

/// Prints who gained and lost what. Exit 1 if anybody did, or if not everything was compared.
pub fn diff(door: &Door, output: Output, options: &DiffOptions) -> Result<u8, Failure> {
    let mut parameters = vec![("from".to_owned(), moment(&options.from)?.to_string())];
    if let Some(to) = &options.to {
        parameters.push(("to".to_owned(), moment(to)?.to_string()));
    }
    parameters.extend(options.principal.clone().map(|name| ("principal".to_owned(), name)));
    let answer = door.ask("diff", parameters, None)?;
    let principals =
        answer.get("principals").and_then(Value::as_array).cloned().unwrap_or_default();
    match output {
        Output::Json => print::object(output, &answer)?,
        Output::Ndjson => print::rows(output, &principals, &[])?,
        _ => {
            let rows: Vec<Value> = principals.iter().flat_map(rows).collect();
            let columns =
                ["name", "change", "actions", "resource", "conditional", "conditions", "events"];
            print::rows(output, &rows, &columns)?;
        }
    }
    let is_truncated = answer.get("truncated") == Some(&Value::Bool(true));
    if is_truncated {
        notice(format_args!(
            "not everything was compared: ask of fewer principals, or a shorter time"
        ));
    }
    Ok(u8::from(!principals.is_empty() || is_truncated))
}

/// One row a permission.
fn rows(principal: &Value) -> Vec<Value> {
    let of = |change: &'static str| {
        let all = principal.get(change).and_then(Value::as_array).cloned().unwrap_or_default();
        all.into_iter().map(move |mut permission| {
            let conditions = conditions(&permission);
            if let Some(fields) = permission.as_object_mut() {
                fields.insert("change".to_owned(), json!(change));
                if !conditions.is_empty() {
                    fields.insert("conditional".to_owned(), json!(true));
                }
                fields.insert("conditions".to_owned(), json!(conditions));
                for name in ["name", "events"] {
                    let value = principal.get(name).cloned().unwrap_or_default();
                    fields.insert(name.to_owned(), value);
                }
            }
            permission
        })
    };
    of("gained").chain(of("lost")).chain(of("changed")).collect()
}

/// `was Allow if ..., is Allow if ...` of what is held under other conditions; nothing of what was gained or lost.
fn conditions(permission: &Value) -> String {
    let of = |side| {
        let all = permission.get(side)?.as_array()?.iter().filter_map(Value::as_str);
        Some(all.collect::<Vec<_>>().join("; "))
    };
    match (of("before"), of("after")) {
        (Some(before), Some(after)) => format!("was {before}; is {after}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_is_a_row() {
        let permission = json!({ "actions": ["s3:*"], "resource": "*", "conditional": false });
        let principal = json!({ "name": "user/a", "events": [7], "gained": [permission], "lost": [permission] });
        let rows = rows(&principal);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1]["change"], "lost");
        assert_eq!(rows[1]["name"], "user/a");
        assert_eq!(rows[1]["conditions"], "");
    }

    #[test]
    fn what_is_held_under_other_conditions_is_a_row_with_both() {
        let changed = json!({
            "actions": ["s3:*"],
            "resource": "*",
            "before": ["Allow if Bool aws:MultiFactorAuthPresent true"],
            "after": ["Allow if Bool aws:MultiFactorAuthPresent false"],
        });
        let principal = json!({ "name": "user/a", "events": [7], "gained": [], "lost": [], "changed": [changed] });
        let rows = rows(&principal);
        assert_eq!((rows.len(), &rows[0]["conditional"]), (1, &json!(true)));
        let told = "was Allow if Bool aws:MultiFactorAuthPresent true; is Allow if Bool aws:MultiFactorAuthPresent false";
        assert_eq!(rows[0]["conditions"], told);
    }
}
