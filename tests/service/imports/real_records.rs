//! The habits of real records, of attacks that were rehearsed in accounts of AWS: what a trail of a few records says
//! of an account of which nothing else is known.

use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, record};

/// As AWS wrote it, but for who and where.
fn by_christophe(mut record: Value) -> Value {
    record["userIdentity"] = json!({
        "type": "IAMUser", "principalId": "AIDACHRISTOPHE0000001", "accountId": DIGITS,
        "arn": format!("arn:aws:iam::{DIGITS}:user/christophe"), "accessKeyId": "AKIACHRISTOPHE000001", "userName": "christophe",
    });
    record
}

fn other_source(mut record: Value, source: &str) -> Value {
    record["eventSource"] = source.into();
    record
}

#[test]
fn rehearsed_attacks_read_as_they_were() {
    let import = Import::new(1);
    let t = "2024-08-01T13:33:28Z";
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::193672423079:root"},"Action":"sts:AssumeRole"}]}"#;
    let encoded = domesday::base::text::percent_encode(trust.as_bytes());
    let profile = json!({ "loginProfile": { "createDate": "Aug 1, 2024 1:42:21 PM", "passwordResetRequired": false, "userName": "mallory" } });
    let mut failed = record(
        "g",
        "2024-08-01T13:42:22Z",
        "DeleteLoginProfile",
        json!({ "userName": "mallory" }),
        Value::Null,
    );
    failed["errorCode"] = "EntityTemporarilyUnmodifiableException".into();
    let mut login = other_source(
        record(
            "h",
            "2024-08-02T08:53:24Z",
            "ConsoleLogin",
            Value::Null,
            json!({ "ConsoleLogin": "Success" }),
        ),
        "signin.amazonaws.com",
    );
    login["additionalEventData"] = json!({ "MFAUsed": "No" });
    let mut federation = other_source(
        record(
            "i",
            "2024-11-30T08:43:17Z",
            "GetFederationToken",
            json!({ "name": "someone" }),
            json!({
                "credentials": { "accessKeyId": "ASIAFEDERATED0000001", "expiration": "Nov 30, 2024, 8:43:17 PM", "sessionToken": "t" },
                "federatedUser": { "federatedUserId": format!("{DIGITS}:someone") },
            }),
        ),
        "sts.amazonaws.com",
    );
    federation["readOnly"] = false.into();
    let records: Vec<Value> = [
        // A user, its policy and its key in one second, the last first.
        record("a", t, "AttachUserPolicy", json!({ "policyArn": admin, "userName": "mallory" }), Value::Null),
        record("b", t, "CreateAccessKey", json!({ "userName": "mallory" }), json!({
            "accessKey": { "accessKeyId": "AKIAMALLORY000000001", "createDate": "Aug 1, 2024 1:33:28 PM", "status": "Active", "userName": "mallory" },
        })),
        record("c", t, "CreateUser", json!({ "userName": "mallory", "tags": [{ "key": "Rehearsal", "value": "true" }] }), json!({
            "user": { "arn": format!("arn:aws:iam::{DIGITS}:user/mallory"), "createDate": "Aug 1, 2024 1:33:28 PM", "path": "/", "userId": "AIDAMALLORY000000001", "userName": "mallory" },
        })),
        // A role that trusts another account, bounded, and its policy in the same second.
        record("d", t, "AttachRolePolicy", json!({ "policyArn": admin, "roleName": "backdoor" }), Value::Null),
        record("e", t, "CreateRole", json!({ "assumeRolePolicyDocument": trust, "permissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll", "roleName": "backdoor" }), json!({
            "role": { "roleId": "AROABACKDOOR000000001", "roleName": "backdoor", "assumeRolePolicyDocument": encoded },
        })),
        record("f", "2024-08-01T13:42:21Z", "CreateLoginProfile", json!({ "passwordResetRequired": false, "userName": "mallory" }), profile),
        failed,
        login,
        federation,
        // About whom nothing is known.
        record("j", "2024-08-28T09:54:40Z", "UpdateLoginProfile", json!({ "userName": "victim" }), Value::Null),
        record("k", "2024-08-28T13:29:57Z", "UpdateAssumeRolePolicy", json!({ "policyDocument": trust, "roleName": "unknown" }), Value::Null),
    ]
    .into_iter()
    .map(by_christophe)
    .collect();
    let path = import
        .file("trail.ndjson", records.iter().map(|one| format!("{one}\n")).collect::<String>());
    let body = json!({ "paths": [path], "from_empty": true, "account": DIGITS });
    let report = import.act("import-cloudtrail", body).unwrap();
    let missing: Vec<&Value> =
        report["missing_records"].as_array().unwrap().iter().map(|one| &one["record"]).collect();
    assert_eq!(missing, ["c", "j", "k"], "{report:#}");
    assert_eq!(
        (&report["found"]["failed"], &report["sign_ins"], &report["sessions"]),
        (&1.into(), &1.into(), &1.into())
    );
    import.act("import-complete", json!({})).unwrap();
    let asked = [("principal", "mallory"), ("action", "iam:CreateUser"), ("resource", "*")];
    let answer = import.question(DIGITS, "can", &asked, Some("2024-08-01T13:33:28Z")).unwrap();
    assert_eq!(answer["decision"], "allowed");
    let statement = &answer["statements"][0];
    let event = import
        .question(DIGITS, "show", &[("thing", &format!("@{}", statement["event"]))], None)
        .unwrap();
    assert_eq!((&event["operation"], &event["request"]), (&"AttachUserPolicy".into(), &"a".into()));
    assert_eq!(event["credential"], "AKIACHRISTOPHE000001");
    let asked = [("principal", "role/backdoor"), ("action", "iam:CreateUser"), ("resource", "*")];
    assert_eq!(import.question(DIGITS, "can", &asked, None).unwrap()["decision"], "explicitDeny");
    let mallory = import.question(DIGITS, "show", &[("thing", "user/mallory")], None).unwrap();
    assert_eq!(
        (&mallory["can_sign_in"], &mallory["tags"][0]["key"]),
        (&true.into(), &"Rehearsal".into())
    );
}
