//! Records of one second, in an order that makes sense, and what is missing when there is none.

use serde_json::{Value, json};

use super::Import;

pub const DIGITS: &str = "123456789012";

/// A record of a change.
pub fn record(id: &str, time: &str, name: &str, asked: Value, answered: Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": { "type": "Root", "principalId": DIGITS, "arn": format!("arn:aws:iam::{DIGITS}:root"), "accountId": DIGITS },
        "eventTime": time,
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "requestParameters": asked,
        "responseElements": answered,
        "eventID": id,
        "readOnly": false,
        "recipientAccountId": DIGITS,
    })
}

pub fn user(name: &str) -> Value {
    json!({ "userName": name })
}

pub fn made(name: &str, id: &str) -> Value {
    json!({ "user": { "userName": name, "userId": id, "createDate": "Jul 10, 2023 12:23:05 PM" } })
}

pub fn attach(name: &str) -> Value {
    json!({ "userName": name, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess" })
}

const T: &str = "2026-05-01T10:00:00Z";

pub fn empty(import: &Import, records: &[Value]) -> Value {
    let path = import.file("trail.json", json!(records).to_string());
    let body = json!({ "paths": [path], "from_empty": true, "account": DIGITS });
    import.act("import-cloudtrail", body).unwrap()
}

pub fn show(import: &Import, thing: &str) -> Result<Value, domesday::service::fault::Fault> {
    import.question(DIGITS, "show", &[("thing", thing)], None)
}

#[test]
fn a_second_is_put_in_order() {
    let import = Import::new(1);
    // An old user goes and one of the same name comes, all in a second and in no order.
    let records = [
        record(
            "a",
            "2026-05-01T09:00:00Z",
            "CreateUser",
            user("ann"),
            made("ann", "AIDAOLD0000000000001"),
        ),
        record("b", "2026-05-01T09:00:00Z", "AttachUserPolicy", attach("ann"), Value::Null),
        record("c", T, "AttachUserPolicy", attach("ann"), Value::Null),
        record("d", T, "CreateUser", user("ann"), made("ann", "AIDANEW0000000000002")),
        record("e", T, "DeleteUser", user("ann"), Value::Null),
        record("f", T, "DetachUserPolicy", attach("ann"), Value::Null),
        // And one lives for a second.
        record("g", T, "DeleteUser", user("bob"), Value::Null),
        record("h", T, "DetachUserPolicy", attach("bob"), Value::Null),
        record("i", T, "AttachUserPolicy", attach("bob"), Value::Null),
        record("j", T, "CreateUser", user("bob"), made("bob", "AIDABOB0000000000003")),
        // A clock that is behind: the key is older than its user.
        record(
            "k",
            T,
            "CreateAccessKey",
            user("eve"),
            json!({ "accessKey": { "accessKeyId": "AKIAEVE0000000000000" } }),
        ),
        record(
            "l",
            "2026-05-01T10:00:02Z",
            "CreateUser",
            user("eve"),
            made("eve", "AIDAEVE0000000000004"),
        ),
    ];
    let report = empty(&import, &records);
    assert_eq!((&report["missing"], &report["replayed"]), (&0.into(), &12.into()), "{report:#}");
    import.act("import-complete", json!({ "account": DIGITS })).unwrap();
    let ann = show(&import, "user/ann").unwrap();
    assert_eq!(ann["id"], "AIDANEW0000000000002");
    assert_eq!(ann["attached_policies"], json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]));
    assert_eq!(ann["created"], T);
    assert_eq!(show(&import, "bob").unwrap()["kind"], "gone");
    assert_eq!(show(&import, "user/eve").unwrap()["access_keys"], json!(["AKIAEVE0000000000000"]));
    let old =
        import.question(DIGITS, "show", &[("thing", "user/ann")], Some("2026-05-01T09:30:00Z"));
    assert_eq!(old.unwrap()["id"], "AIDAOLD0000000000001");
    // Before the first record nobody knows.
    let before = import.question(DIGITS, "show", &[("thing", "user/ann")], Some("2026-05-01"));
    assert_eq!(before.unwrap_err().code, "BeforeBaseline");
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn whoever_acts_and_is_not_known_is_missed_once() {
    let import = Import::new(7);
    let by = |mut record: Value, name: &str, id: &str| {
        record["userIdentity"] = json!({
            "type": "IAMUser", "principalId": id, "accountId": DIGITS, "userName": name,
            "arn": format!("arn:aws:iam::{DIGITS}:user/{name}"),
        });
        record
    };
    let group = |name: &str| json!({ "groupName": name });
    let create = |id: &str, time: &str| {
        let group_id = format!("AGPA{id:0>17}").to_uppercase();
        let made = json!({ "group": { "groupName": id, "groupId": group_id } });
        record(id, time, "CreateGroup", group(id), made)
    };
    let (eve, amy) = ("AIDAEVE0000000000004", "AIDAAMY0000000000005");
    let records = [
        // Made in the very second in which she acts.
        by(create("a", T), "amy", amy),
        record("b", T, "CreateUser", user("amy"), made("amy", amy)),
        // Nothing ever tells of her; of her second act it is known.
        by(create("c", "2026-05-01T10:00:10Z"), "eve", eve),
        by(create("d", "2026-05-01T10:00:20Z"), "eve", eve),
        // Of another account, and so nobody who could be missed.
        {
            let mut record = by(create("e", "2026-05-01T10:00:30Z"), "fay", "AIDAFAY0000000000006");
            record["userIdentity"]["accountId"] = json!("999999999999");
            record
        },
    ];
    let report = empty(&import, &records);
    assert_eq!((&report["missing"], &report["replayed"]), (&1.into(), &5.into()), "{report:#}");
    let missing = &report["missing_records"][0];
    assert_eq!(missing["record"], "c");
    assert!(missing["missing"].as_str().unwrap().starts_with("The user eve (AIDAEVE"), "{missing}");
    import.act("import-complete", json!({ "account": DIGITS })).unwrap();
    let of_amy = import.question(DIGITS, "events", &[("principal", amy)], None).unwrap();
    assert_eq!(of_amy["events"][0]["operation"], "CreateGroup");
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn what_cannot_follow_tells_that_records_are_missing_and_the_rest_goes_on() {
    let import = Import::new(2);
    let records = [
        record(
            "a",
            "2026-05-01T09:00:00Z",
            "CreateUser",
            user("ann"),
            made("ann", "AIDAOLD0000000000001"),
        ),
        record("b", "2026-05-01T09:00:01Z", "AttachUserPolicy", attach("ann"), Value::Null),
        record(
            "c",
            "2026-05-01T09:00:01Z",
            "CreateLoginProfile",
            user("ann"),
            json!({ "loginProfile": user("ann") }),
        ),
        // Deleted with what it had: three records are missing, two of them in between.
        record("d", "2026-05-01T09:10:00Z", "DeleteUser", user("ann"), Value::Null),
        record(
            "e",
            "2026-05-01T09:20:00Z",
            "CreateUser",
            user("bob"),
            made("bob", "AIDABOB0000000000002"),
        ),
        record(
            "f",
            "2026-05-01T09:30:00Z",
            "CreateUser",
            user("bob"),
            made("bob", "AIDABOB0000000000003"),
        ),
        record("g", "2026-05-01T09:40:00Z", "DetachUserPolicy", attach("bob"), Value::Null),
        record("h", "2026-05-01T09:50:00Z", "DeleteUser", user("carl"), Value::Null),
        record("i", "2026-05-01T09:55:00Z", "CreateUser", user("dora"), Value::Null),
        record("j", "2026-05-01T09:56:00Z", "UploadSSHPublicKey", user("bob"), json!({})),
        record(
            "k",
            "2026-05-01T09:57:00Z",
            "TagUser",
            json!({ "userName": "bob", "tags": [{ "key": "k", "value": "v" }] }),
            Value::Null,
        ),
    ];
    let report = empty(&import, &records);
    let missing: Vec<&str> = report["missing_records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["record"].as_str().unwrap())
        .collect();
    assert_eq!(missing, ["d", "f", "g", "h", "i"], "{report:#}");
    assert_eq!((&report["replayed"], &report["not_kept"]), (&11.into(), &1.into()));
    assert_eq!(report["found"]["not_kept"]["UploadSSHPublicKey"], 1);
    let status = import.act("import-status", json!({ "account": DIGITS })).unwrap();
    assert_eq!((&status["missing"], &status["state"]), (&5.into(), &"open".into()));
    assert!(status["missing_records"][0]["missing"].as_str().unwrap().contains("before"));
    import.act("import-complete", json!({ "account": DIGITS })).unwrap();
    assert_eq!(show(&import, "ann").unwrap()["kind"], "gone");
    let bob = show(&import, "user/bob").unwrap();
    assert_eq!(
        (&bob["id"], &bob["tags"][0]["value"]),
        (&"AIDABOB0000000000003".into(), &"v".into())
    );
    assert!(show(&import, "dora").is_err());
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn late_records_are_kept_and_change_nothing_and_a_dropped_import_begins_anew() {
    let import = Import::new(3);
    let first = record("a", T, "CreateUser", user("ann"), made("ann", "AIDAANN0000000000001"));
    empty(&import, std::slice::from_ref(&first));
    let late = record(
        "b",
        "2026-04-01T00:00:00Z",
        "CreateUser",
        user("bob"),
        made("bob", "AIDABOB0000000000002"),
    );
    let report = import.trail(&[late.clone(), first.clone()]).unwrap();
    assert_eq!(
        (&report["late"], &report["replayed"], &report["already_in"]),
        (&1.into(), &0.into(), &1.into())
    );
    // It is named, and where it was found out and later.
    let status = import.act("import-status", json!({})).unwrap();
    for told in [&report, &status] {
        let doubtful = &told["doubtful_records"][0];
        assert_eq!((&doubtful["record"], &doubtful["at"]), (&"b".into(), &late["eventTime"]));
        assert!(doubtful["doubt"].as_str().unwrap().contains("begin anew"), "{told:#}");
    }
    let again = import.trail(std::slice::from_ref(&late)).unwrap();
    assert_eq!((&again["late"], &again["already_in"]), (&0.into(), &1.into()));
    import.act("import-drop", json!({})).unwrap();
    let refused = import.act("import-cloudtrail", json!({ "paths": ["/"], "account": DIGITS }));
    assert_eq!(refused.unwrap_err().code, "NoSuchEntity");
    // In a fresh account it has its place.
    let report = empty(&import, &[first, late]);
    assert_eq!((&report["late"], &report["replayed"]), (&0.into(), &2.into()));
    import.act("import-complete", json!({})).unwrap();
    assert_eq!(show(&import, "user/bob").unwrap()["created"], "2026-04-01T00:00:00Z");
    assert!(import.act("import-drop", json!({})).is_err());
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn drift_is_listed_field_by_field_and_must_be_accepted() {
    let import = Import::new(4);
    empty(
        &import,
        &[record("a", T, "CreateUser", user("ann"), made("ann", "AIDAANN0000000000001"))],
    );
    let details = json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ann", "UserId": "AIDAANN0000000000001",
            "Arn": format!("arn:aws:iam::{DIGITS}:user/ann"), "CreateDate": T,
            "UserPolicyList": [{ "PolicyName": "p", "PolicyDocument": { "Version": "2012-10-17", "Statement": { "Effect": "Deny", "Action": "*", "Resource": "*" } } }],
            "AttachedManagedPolicies": [{ "PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess" }],
            "Tags": [{ "Key": "team", "Value": "red" }],
        }],
        "GroupDetailList": [{
            "Path": "/", "GroupName": "ops", "GroupId": "AGPAOPS0000000000001",
            "Arn": format!("arn:aws:iam::{DIGITS}:group/ops"), "CreateDate": T,
        }],
        "RoleDetailList": [], "Policies": [], "IsTruncated": false,
    });
    let compared = import.snapshot(&details, T).unwrap();
    let fields: Vec<String> = compared["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!("{} {}", one["entity"].as_str().unwrap(), one["field"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        fields,
        ["group/ops exists", "user/ann attached policy", "user/ann inline policy", "user/ann tag"]
    );
    assert_eq!(compared["completed"], false);
    let path = import.file("details.json", details.to_string());
    let body = json!({ "path": path, "accept_drift": true });
    let accepted = import.act("import-authorization-details", body).unwrap();
    assert_eq!((&accepted["completed"], &accepted["differences"]), (&true.into(), &4.into()));
    let status = import.act("import-status", json!({})).unwrap();
    assert_eq!((&status["state"], &status["differences"]), (&"completed".into(), &4.into()));
}
