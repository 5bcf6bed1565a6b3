//! AWS's managed policies as they came in with an account, beside those of the catalogue.

use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, record};

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

#[test]
fn answers_name_the_policies_whose_text_they_assume() {
    let import = Import::new(2);
    let same = import.world.ok(
        &import.world.admin,
        "GetPolicyVersion",
        &[
            ("PolicyArn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess"),
            ("VersionId", &version_of(&import, "IAMReadOnlyAccess")),
        ],
    );
    let mut told = aws("IAMReadOnlyAccess", "ANPAREADONLY000000001", "v1", "iam:Get*");
    // The very text of the catalogue: told all the same.
    told["PolicyVersionList"][0]["Document"] = same["PolicyVersion"]["Document"].clone();
    let mut details = snapshot(&["IAMReadOnlyAccess"], &[told]);
    let mut bob = details["UserDetailList"][0].clone();
    bob["UserName"] = "bob".into();
    bob["UserId"] = "AIDABOB0000000000001".into();
    bob["Arn"] = format!("arn:aws:iam::{DIGITS}:user/bob").into();
    details["UserDetailList"].as_array_mut().unwrap().push(bob);
    import.snapshot(&details, SINCE).unwrap();
    let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let attach = json!({ "userName": "ann", "policyArn": arn });
    import
        .trail(&[record("a", "2026-03-01T09:00:00Z", "AttachUserPolicy", attach, Value::Null)])
        .unwrap();
    import.act("import-complete", json!({})).unwrap();
    let asked = |name: &str, who: Option<&str>, at: Option<&str>| {
        let mut parameters = vec![("action", "s3:GetObject"), ("resource", "arn:aws:s3:::b/k")];
        parameters.extend(who.map(|who| ("principal", who)));
        import.question(DIGITS, name, &parameters, at).unwrap()
    };
    for (name, who, at, assumed) in [
        ("can", Some("ann"), None, json!([arn])),
        ("can", Some("ann"), Some("2026-02-15"), Value::Null),
        ("can", Some("bob"), None, Value::Null),
        ("can", Some("root"), None, Value::Null),
        ("access", Some("ann"), None, json!([arn])),
        ("who-can", None, None, json!([arn])),
        ("who-can", None, Some("2026-02-15"), Value::Null),
    ] {
        let answer = asked(name, who, at);
        assert_eq!(answer["assumed"], assumed, "{name} {who:?} {at:?}: {answer:#}");
    }
    assert_eq!(asked("can", Some("ann"), None)["decision"], "allowed");
}

fn version_of(import: &Import, name: &str) -> String {
    let arn = format!("arn:aws:iam::aws:policy/{name}");
    let got = import.world.ok(&import.world.admin, "GetPolicy", &[("PolicyArn", &arn)]);
    got["Policy"]["DefaultVersionId"].as_str().unwrap().to_owned()
}
