//! The cases in `fixtures/policy-tests`, which are put to the program elsewhere: the twin must give the
//! answers that they expect as well.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{ask, twin};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy-tests")
}

/// Documents as they are, without names and files around them.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Object(members) => match (members.get("file"), members.get("policy")) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(folder().join(file.as_str().unwrap())).unwrap();
                serde_json::from_str(&text).unwrap()
            }
            (_, Some(policy)) => plain(policy),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// A case in the form that library and twin are asked in here.
fn spelled_out(mut case: Value) -> Value {
    let text =
        |case: &Value, key: &str| case["request"][key].as_str().unwrap_or_default().to_owned();
    let principal = text(&case, "principal");
    let account = principal.split(':').nth(4).unwrap_or_default().to_owned();
    if let Some((_, name)) = principal.split_once(":assumed-role/") {
        let (role, _) = name.split_once('/').unwrap();
        case["request"]["role_arn"] = json!(format!("arn:aws:iam::{account}:role/{role}"));
    }
    if principal.contains(":role/") {
        let role = principal.rsplit('/').next().unwrap();
        case["request"]["principal"] =
            json!(format!("arn:aws:sts::{account}:assumed-role/{role}/unnamed"));
        case["request"]["role_arn"] = json!(principal);
    }
    if text(&case, "began_by").ends_with(":root") {
        case["request"]["began_by_id"] = json!(account);
    }
    if principal == "accounts.google.com" {
        case["request"]["federated"] = json!(true);
    }
    // Values are texts in the form that is asked here.
    let as_text = |value: &mut Value| {
        if value.is_number() || value.is_boolean() {
            *value = json!(value.to_string());
        }
    };
    for value in case["request"]["context"].as_object_mut().into_iter().flat_map(|m| m.values_mut())
    {
        match value {
            Value::Array(values) => values.iter_mut().for_each(as_text),
            value => as_text(value),
        }
    }
    let action = text(&case, "action");
    let Value::Object(policies) = case["policies"].take() else { panic!("no policies") };
    let own = !policies.get("resource").unwrap_or(&Value::Null).is_null();
    case["policies"] = policies.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    let assuming = action.starts_with("sts:AssumeRole") || action == "sts:TagSession";
    case["policies"]["trust"] = json!(own && assuming);
    case["policies"]["must_allow"] = json!(own && action.starts_with("kms:"));
    case
}

#[test]
fn the_suite_is_answered_alike() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let case = spelled_out(serde_json::from_str(line).unwrap());
            let answers = (ask::outcome(&case), twin::decide(&case));
            let expected = case["expected"].as_str().unwrap();
            if answers != (expected, expected) {
                wrong.push(format!("{answers:?} instead of {expected}: {case}"));
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases, 340, "a new case counts here, too");
}
