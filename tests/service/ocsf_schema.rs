//! A validator for OCSF events: required and unknown attributes, types, enumerated values, constraints, and
//! `type_uid`, by the schema in `fixtures/ocsf`. What a profile adds counts only where the event declares it.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use regex::Regex;
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let packed = include_bytes!("../../fixtures/ocsf/schema.json.gz");
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// What is wrong with an event, one sentence each.
pub fn problems(event: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let class = event["class_uid"].to_string();
    let Some(class) = SCHEMA["classes"].get(&class) else {
        return vec![format!("class {class} is not in the schema")];
    };
    let profiles: Vec<&str> = event["metadata"]["profiles"]
        .as_array()
        .map(|profiles| profiles.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for profile in &profiles {
        if !class["profiles"].as_array().unwrap().iter().any(|known| known == profile) {
            found.push(format!("the class has no profile {profile}"));
        }
    }
    object("", event, class, &profiles, &mut found);
    let (uid, activity) = (event["class_uid"].as_u64(), event["activity_id"].as_u64());
    if event["type_uid"].as_u64() != Some(uid.unwrap() * 100 + activity.unwrap_or_default()) {
        found.push("type_uid is not class_uid * 100 + activity_id".into());
    }
    if event["metadata"]["version"] != SCHEMA["version"] {
        found.push("metadata.version is not the schema's".into());
    }
    found
}

fn object(path: &str, value: &Value, of: &Value, profiles: &[&str], found: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return found.push(format!("{path} is no object"));
    };
    let attributes = of["attributes"].as_object().unwrap();
    let declared = |attribute: &Value| match attribute.get("profile").and_then(Value::as_str) {
        Some(profile) => profiles.contains(&profile),
        None => true,
    };
    for (name, attribute) in attributes {
        if attribute["requirement"] == "required"
            && declared(attribute)
            && !fields.contains_key(name)
        {
            found.push(format!("{path}.{name} is required"));
        }
    }
    for (name, value) in fields {
        let at = format!("{path}.{name}");
        match attributes.get(name) {
            None => found.push(format!("{at} is unknown")),
            Some(attribute) if !declared(attribute) => found.push(format!("{at} needs a profile")),
            Some(attribute) => match (attribute["is_array"] == true, value) {
                (true, Value::Array(items)) => {
                    items.iter().for_each(|item| typed(&at, item, attribute, profiles, found));
                }
                (true, _) => found.push(format!("{at} is no list")),
                (false, value) => typed(&at, value, attribute, profiles, found),
            },
        }
    }
    for (rule, names) in of["constraints"].as_object().unwrap() {
        let names = names.as_array().unwrap();
        let there = names.iter().filter(|name| fields.contains_key(name.as_str().unwrap())).count();
        let holds = match rule.as_str() {
            "at_least_one" => there >= 1,
            "just_one" => there == 1,
            other => panic!("{other} is no rule that is known here"),
        };
        if !holds {
            found.push(format!("{path}: {rule} of {names:?}"));
        }
    }
}

fn typed(at: &str, value: &Value, attribute: &Value, profiles: &[&str], found: &mut Vec<String>) {
    let name = attribute["type"].as_str().unwrap();
    if let Some(enumerated) = attribute.get("enum").and_then(Value::as_array) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !enumerated.iter().any(|known| *known == text) {
            found.push(format!("{at} is {value}, which is none of its values"));
        }
    }
    if let Some(of) = SCHEMA["objects"].get(name) {
        // What the schema has no words for.
        if name != "object" {
            object(at, value, of, profiles, found);
        }
        return;
    }
    let kind = &SCHEMA["types"][name];
    let base = kind.get("type").and_then(Value::as_str).unwrap_or(name);
    let base = SCHEMA["types"][base].get("type").and_then(Value::as_str).unwrap_or(base);
    let fits = match base {
        "string_t" => value.is_string(),
        "integer_t" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long_t" => value.is_i64() || value.is_u64(),
        "boolean_t" => value.is_boolean(),
        "float_t" => value.is_number(),
        "json_t" => true,
        other => panic!("{other} is no type that is known here"),
    };
    if !fits {
        found.push(format!("{at} is {value}, which is no {name}"));
    }
    if let (Some(pattern), Some(text)) = (kind.get("regex").and_then(Value::as_str), value.as_str())
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        found.push(format!("{at} is {text:?}, which is no {name}"));
    }
    if let (Some(most), Some(text)) = (kind.get("max_len").and_then(Value::as_u64), value.as_str())
        && text.len() as u64 > most
    {
        found.push(format!("{at} is longer than a {name}"));
    }
}

#[test]
fn the_validator_sees_each_kind_of_mistake() {
    let good = serde_json::json!({
        "activity_id": 1, "category_uid": 3, "class_uid": 3001, "severity_id": 1, "time": 1,
        "type_uid": 300_101, "metadata": { "version": "1.8.0", "product": { "name": "x" } },
        "user": { "uid": "u" }, "src_endpoint": { "ip": "10.0.0.1", "name": "n" },
    });
    assert_eq!(problems(&good), Vec::<String>::new());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        change(&mut event);
        problems(&event)
    };
    let seen = |problems: Vec<String>, words: &str| {
        assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
    };
    seen(with(&|event| event["type_uid"] = 1.into()), "type_uid");
    seen(with(&|event| event["user"] = serde_json::json!({ "type_id": 1 })), "at_least_one");
    seen(with(&|event| event["wrong"] = 1.into()), ".wrong is unknown");
    seen(with(&|event| event["activity_id"] = 77.into()), "none of its values");
    seen(with(&|event| event["time"] = "now".into()), "no timestamp_t");
    seen(with(&|event| event["src_endpoint"]["ip"] = "somewhere".into()), "no ip_t");
    seen(with(&|event| event["cloud"] = serde_json::json!({ "provider": "x" })), "needs a profile");
    seen(
        with(&|event| event["metadata"]["profiles"] = serde_json::json!(["cloud"])),
        ".cloud is required",
    );
    seen(with(&|event| event["metadata"]["version"] = "1.0.0".into()), "metadata.version");
    seen(with(&|event| drop(event.as_object_mut().unwrap().remove("user"))), ".user is required");
    seen(with(&|event| event["class_uid"] = 1.into()), "class 1");
}
