//! AWS's managed policies as they came in with an account, beside those of the catalogue.

use serde_json::{Value, json};

use super::Import;
use super::order::DIGITS;

const SINCE: &str = "2026-02-01";

/// A managed policy of AWS's with a text of its own.
fn aws(name: &str, id: &str, version: &str, action: &str) -> Value {
    json!({
        "PolicyName": name, "PolicyId": id, "Arn": format!("arn:aws:iam::aws:policy/{name}"), "Path": "/",
        "DefaultVersionId": version, "AttachmentCount": 1, "IsAttachable": true,
        "CreateDate": "2015-01-01", "UpdateDate": "2025-01-01",
        "PolicyVersionList": [{
            "VersionId": version, "IsDefaultVersion": true, "CreateDate": "2025-01-01",
            "Document": { "Version": "2012-10-17", "Statement": [
                { "Effect": "Allow", "Action": action, "Resource": "*" },
            ] },
        }],
    })
}

/// Ann, with these managed policies of AWS's attached and those carried.
fn snapshot(attached: &[&str], carried: &[Value]) -> Value {
    let attached: Vec<Value> = attached
        .iter()
        .map(|name| json!({ "PolicyName": name, "PolicyArn": format!("arn:aws:iam::aws:policy/{name}") }))
        .collect();
    json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ann", "UserId": "AIDAANN0000000000001",
            "Arn": format!("arn:aws:iam::{DIGITS}:user/ann"), "CreateDate": "2026-01-01", "GroupList": [],
            "AttachedManagedPolicies": attached,
        }],
        "GroupDetailList": [], "RoleDetailList": [], "Policies": carried,
    })
}

#[test]
fn lists_show_the_text_that_came_in() {
    let import = Import::new(1);
    let carried = [
        aws("IAMReadOnlyAccess", "ANPAREADONLY000000001", "v99", "iam:Get*"),
        aws("LongGoneAccess", "ANPALONGGONE000000001", "v3", "s3:*"),
    ];
    import.snapshot(&snapshot(&["IAMReadOnlyAccess", "LongGoneAccess"], &carried), SINCE).unwrap();
    import.act("import-complete", json!({})).unwrap();
    let admin = import.admin(DIGITS);
    let world = &import.world;
    let listed = world.ok(&admin, "ListPolicies", &[("Scope", "AWS"), ("MaxItems", "1000")]);
    let mut policies = listed["Policies"].as_array().unwrap().clone();
    let marker = listed["Marker"].as_str().unwrap();
    let rest = [("Scope", "AWS"), ("MaxItems", "1000"), ("Marker", marker)];
    let rest = world.ok(&admin, "ListPolicies", &rest);
    policies.extend(rest["Policies"].as_array().unwrap().clone());
    for (name, version) in [("IAMReadOnlyAccess", "v99"), ("LongGoneAccess", "v3")] {
        let named = |policy: &&Value| policy["PolicyName"] == name;
        let found: Vec<&Value> = policies.iter().filter(named).collect();
        assert_eq!(found.len(), 1, "{name}");
        let arn = format!("arn:aws:iam::aws:policy/{name}");
        let got = world.ok(&admin, "GetPolicy", &[("PolicyArn", &arn)]);
        for field in ["PolicyId", "DefaultVersionId", "Arn", "CreateDate", "UpdateDate"] {
            assert_eq!(found[0][field], got["Policy"][field], "{name}, {field}");
        }
        assert_eq!(found[0]["DefaultVersionId"], version);
        let shown = import.question(DIGITS, "show", &[("thing", name)], None).unwrap();
        assert_eq!(shown["arn"], arn.as_str());
    }
    // The account beside it has the catalogue alone.
    let own = world.user("own");
    world.allow("own", "iam:ListPolicies", "*");
    let query = [("Scope", "AWS"), ("PathPrefix", "/"), ("MaxItems", "1000")];
    let own = world.ok(&own, "ListPolicies", &query).to_string();
    assert!(!own.contains("LongGoneAccess") && !own.contains("v99"));
}
