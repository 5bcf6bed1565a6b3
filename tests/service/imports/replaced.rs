//! Names that pass from one to another, versions in whatever order, sessions and trust: what a trail says of one must not
//! land on another.

use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, attach, empty, made, record, show, user};

const OLD: &str = "AIDAOLD0000000000001";
const NEW: &str = "AIDANEW0000000000002";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn at(second: &str) -> String {
    format!("2026-05-01T10:00:{second}Z")
}

fn put(name: &str, policy: &str) -> Value {
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    json!({ "userName": name, "policyName": policy, "policyDocument": document })
}

fn begun() -> Vec<Value> {
    let time = "2026-05-01T09:00:00Z";
    vec![
        record("a", time, "CreateUser", user("ann"), made("ann", OLD)),
        record("b", time, "PutUserPolicy", put("ann", "old"), Value::Null),
    ]
}

fn completed(import: &Import) -> Value {
    import.act("import-complete", json!({ "account": DIGITS })).unwrap();
    show(import, "user/ann").unwrap()
}

#[test]
fn what_is_given_to_a_name_in_the_second_of_its_change_of_hands_is_the_new_ones() {
    let import = Import::new(31);
    let (gone, now) = (json!({ "userName": "ann", "policyName": "old" }), at("00"));
    let mut records = begun();
    records.extend([
        record("c", &now, "PutUserPolicy", put("ann", "new"), Value::Null),
        record("d", &now, "AttachUserPolicy", attach("ann"), Value::Null),
        record("e", &now, "CreateUser", user("ann"), made("ann", NEW)),
        record("f", &now, "DeleteUser", user("ann"), Value::Null),
        record("g", &now, "DeleteUserPolicy", gone, Value::Null),
    ]);
    let report = empty(&import, &records);
    assert_eq!((&report["missing"], &report["replayed"]), (&0.into(), &7.into()), "{report:#}");
    let ann = completed(&import);
    assert_eq!((&ann["id"], &ann["attached_policies"]), (&NEW.into(), &json!([READ_ONLY])));
    assert_eq!(ann["inline_policies"].as_array().unwrap().len(), 1, "{ann}");
}

#[test]
fn what_follows_a_change_of_hands_of_which_records_are_missing_is_the_new_ones() {
    // Without any record of the old one's end, and with one but for what had to go before.
    for (number, deleted) in [(32, false), (33, true)] {
        let import = Import::new(number);
        let mut records = begun();
        records.extend([
            record("c", &at("00"), "CreateUser", user("ann"), made("ann", NEW)),
            record("d", &at("01"), "AttachUserPolicy", attach("ann"), Value::Null),
            record("e", &at("02"), "PutUserPolicy", put("ann", "new"), Value::Null),
            record("z", &at("30"), "CreateUser", user("bob"), made("bob", "AIDABOB0000000000003")),
        ]);
        if deleted {
            records.push(record("f", &at("00"), "DeleteUser", user("ann"), Value::Null));
        }
        let report = empty(&import, &records);
        assert_eq!(report["missing"], 1, "{report:#}");
        let ann = completed(&import);
        assert_eq!((&ann["id"], &ann["attached_policies"]), (&NEW.into(), &json!([READ_ONLY])));
        let inline = ann["inline_policies"].to_string();
        assert!(inline.contains("new") && !inline.contains("old"), "{ann}");
    }
}

#[test]
fn fractions_of_a_second_tell_the_order() {
    let import = Import::new(37);
    let gone = json!({ "userName": "ann", "policyName": "new" });
    let mut records = begun();
    records.extend([
        record("c", &at("00.400"), "PutUserPolicy", put("ann", "new"), Value::Null),
        record("d", &at("00.300"), "DeleteUserPolicy", gone, Value::Null),
        record("e", &at("00.200"), "PutUserPolicy", put("ann", "new"), Value::Null),
    ]);
    assert_eq!(empty(&import, &records)["missing"], 0);
    let ann = completed(&import);
    assert!(ann["inline_policies"].to_string().contains("new"), "{ann}");
}

#[test]
fn versions_keep_their_numbers_whatever_order_their_records_have() {
    // In one second, and with a clock that is behind.
    for (number, times) in [(34, ["00", "00", "00"]), (35, ["02", "01", "00"])] {
        let import = Import::new(number);
        let arn = format!("arn:aws:iam::{DIGITS}:policy/rules");
        let document = |action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:{action}","Resource":"*"}}]}}"#
            )
        };
        let made = json!({ "policy": { "policyName": "rules", "policyId": "ANPARULES00000000001", "arn": arn } });
        let asked = json!({ "policyName": "rules", "policyDocument": document("One") });
        let mut records = vec![record("a", "2026-05-01T09:00:00Z", "CreatePolicy", asked, made)];
        for (version, (second, action)) in times.iter().zip(["Two", "Three", "Four"]).enumerate() {
            let asked = json!({ "policyArn": arn, "policyDocument": document(action), "setAsDefault": true });
            let answered = json!({ "policyVersion": { "versionId": format!("v{}", version + 2), "isDefaultVersion": true } });
            let id = ["z", "y", "x"][version];
            records.push(record(id, &at(second), "CreatePolicyVersion", asked, answered));
        }
        let report = empty(&import, &records);
        assert_eq!(report["missing"], 0, "{report:#}");
        import.act("import-complete", json!({ "account": DIGITS })).unwrap();
        let shown = show(&import, &arn).unwrap();
        assert_eq!(shown["version"], "v4", "{shown}");
        let text = shown.to_string();
        assert!(["v1", "v2", "v3", "v4"].iter().all(|version| text.contains(version)), "{shown}");
        assert!(!text.contains("v5") && text.contains("s3:Four"), "{shown}");
    }
}

#[test]
fn trust_sessions_and_second_factors_are_those_of_the_trail() {
    let import = Import::new(36);
    let time = "2026-05-01T09:00:00Z";
    let role = format!("arn:aws:iam::{DIGITS}:role/release");
    let ann = format!("arn:aws:iam::{DIGITS}:user/ann");
    let trust = |who: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"sts:AssumeRole"}}]}}"#
        )
    };
    let asked = json!({ "roleName": "release", "assumeRolePolicyDocument": trust(&ann) });
    let answered =
        json!({ "role": { "roleName": "release", "roleId": "AROARELEASE000000001", "arn": role } });
    let mut assumed = record(
        "c",
        &at("00"),
        "AssumeRole",
        json!({ "roleArn": role, "roleSessionName": "night" }),
        json!({
            "credentials": { "accessKeyId": "ASIANIGHT00000000001", "expiration": "May 1, 2026, 11:00:00 AM" },
            "assumedRoleUser": { "assumedRoleId": "AROARELEASE000000001:night", "arn": "x" },
        }),
    );
    assumed["eventSource"] = "sts.amazonaws.com".into();
    assumed["readOnly"] = true.into();
    assumed["userIdentity"] = json!({ "type": "IAMUser", "principalId": OLD, "arn": ann, "accountId": DIGITS,
        "accessKeyId": "AKIAANN0000000000001", "userName": "ann" });
    let mut acted = record("d", &at("05"), "PutUserPolicy", put("ann", "more"), Value::Null);
    acted["userIdentity"] = json!({
        "type": "AssumedRole", "principalId": "AROARELEASE000000001:night", "accountId": DIGITS,
        "arn": "x", "accessKeyId": "ASIANIGHT00000000001",
        "sessionContext": {
            "sessionIssuer": { "type": "Role", "principalId": "AROARELEASE000000001", "userName": "release" },
            "attributes": { "mfaAuthenticated": "true", "creationDate": at("00") },
        },
    });
    let asked_again = json!({ "roleName": "release", "policyDocument": trust(&format!("arn:aws:iam::{DIGITS}:root")) });
    let records = [
        record("a", time, "CreateUser", user("ann"), made("ann", OLD)),
        record("b", time, "CreateRole", asked, answered),
        // What the session did stands before what began it.
        acted,
        assumed,
        record("e", "2026-05-01T12:00:00Z", "UpdateAssumeRolePolicy", asked_again, Value::Null),
    ];
    let report = empty(&import, &records);
    assert_eq!((&report["missing"], &report["sessions"]), (&0.into(), &1.into()), "{report:#}");
    import.act("import-complete", json!({ "account": DIGITS })).unwrap();
    let can = |moment: &str| {
        let what =
            [("principal", "ann"), ("action", "sts:AssumeRole"), ("resource", role.as_str())];
        import.question(DIGITS, "can", &what, Some(moment)).unwrap()["decision"].clone()
    };
    // The role trusted ann by name, and trusts the account alone since.
    assert_eq!(can("2026-05-01T11:00:00Z"), "allowed");
    assert_eq!(can("2026-05-01T12:00:01Z"), "implicitDeny");
    let events = import.question(DIGITS, "events", &[("person", "ann")], None).unwrap();
    assert!(events.to_string().contains("PutUserPolicy"), "{events:#}");
    let what = [("principal", "ann"), ("action", "s3:GetObject"), ("resource", "*")];
    let intervals = import.question(DIGITS, "access", &what, None).unwrap();
    let opened = |interval: &Value| interval["opened_by"]["session"] == "night";
    let interval = intervals["intervals"].as_array().unwrap().iter().find(|one| opened(one));
    assert_eq!(interval.unwrap()["opened_by"]["mfa"], true, "{intervals:#}");
}

#[test]
fn whether_a_console_session_had_a_second_factor_is_told_by_its_requests() {
    let acted = |id: &str, minute: &str, key: &str, mfa: Option<bool>| {
        let mut acted = record(id, &at(minute), "PutUserPolicy", put("ann", id), Value::Null);
        acted["userIdentity"] = json!({
            "type": "IAMUser", "principalId": OLD, "accountId": DIGITS, "userName": "ann",
            "arn": format!("arn:aws:iam::{DIGITS}:user/ann"), "accessKeyId": key,
        });
        if let Some(mfa) = mfa {
            acted["userIdentity"]["sessionContext"] = json!({
                "attributes": { "mfaAuthenticated": mfa.to_string(), "creationDate": at("00") },
            });
        }
        acted
    };
    let told = [(Some(true), json!(true)), (Some(false), json!(false)), (None, Value::Null)];
    for (seed, (said, expected)) in (38..).zip(told) {
        let records = [
            record("a", "2026-05-01T09:00:00Z", "CreateUser", user("ann"), made("ann", OLD)),
            acted("b", "01", "ASIACONSOLE000000001", said),
        ];
        let import = Import::new(seed);
        let report = empty(&import, &records);
        // It is no session that STS began.
        assert_eq!((&report["missing"], &report["sessions"]), (&0.into(), &0.into()), "{report:#}");
        import.act("import-complete", json!({ "account": DIGITS })).unwrap();
        let what = [("principal", "ann"), ("action", "s3:GetObject"), ("resource", "*")];
        let intervals = import.question(DIGITS, "access", &what, None).unwrap();
        let last = intervals["intervals"].as_array().unwrap().last().unwrap();
        assert_eq!(last["opened_by"]["mfa"], expected, "{intervals:#}");
    }
}
