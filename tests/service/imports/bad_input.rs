//! Files that are not as they should be: told by line and record, and nothing half brought in.

use std::io::Write;

use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, record};

fn records(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let name = format!("u{number}");
            let made = json!({ "user": { "userId": format!("AIDA{number:017}") } });
            record(
                &format!("e{number}"),
                "2026-05-01T09:00:00Z",
                "CreateUser",
                json!({ "userName": name }),
                made,
            )
        })
        .collect()
}

fn refused(import: &Import, path: &str) -> String {
    let head = import.world.head();
    let body = json!({ "paths": [path], "from_empty": true, "account": DIGITS });
    let fault = import.act("import-cloudtrail", body).unwrap_err();
    assert_eq!(fault.code, "ValidationError", "{fault}");
    assert_eq!(import.world.head(), head, "nothing came in");
    fault.message
}

#[test]
fn a_bad_file_brings_nothing_in_and_says_where_it_is_bad() {
    let import = Import::new(1);
    let whole = json!({ "Records": records(20) }).to_string();
    for cut in [1, 12, 100, whole.len() / 2, whole.len() - 1] {
        let message = refused(&import, &import.file("cut.json", &whole[..cut]));
        assert!(message.contains("cut.json, line 1, record"), "{message}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(whole.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let message = refused(&import, &import.file("cut.json.gz", &packed[..packed.len() / 2]));
    assert!(message.contains("cut.json.gz"), "{message}");
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    refused(&import, &import.file("flipped.json.gz", &flipped));
    for (content, word) in [
        ("<html>", "'<'"),
        ("eventTime,eventName\n", "'e'"),
        ("{\"a\":1}", "eventTime"),
        ("\u{0}\u{1}", "the byte 0"),
        ("{\"Records\":[{\"eventTime\":5}]}", "record 1"),
        ("[1,2]", "'1'"),
    ] {
        let message = refused(&import, &import.file("foreign.json", content));
        assert!(message.contains(word), "{content}: {message}");
    }
    let twice = r#"{"Records":[],"more":1,"Records":[]}"#;
    let message = refused(&import, &import.file("twice.json", twice));
    assert!(message.contains("one list of records"), "{message}");
    assert!(refused(&import, &import.file("empty.json.gz", "")).contains("cut short"));
    let mut future = records(1);
    future[0]["eventTime"] = "2999-01-01T00:00:00Z".into();
    let message = refused(&import, &import.file("future.json", json!(future).to_string()));
    assert!(message.contains("still to come"), "{message}");
    assert!(refused(&import, import.folder.path().join("none").to_str().unwrap()).contains("none"));
    // One bad record among many: all of them are named, by their lines.
    let mut lines: Vec<String> = records(5).iter().map(Value::to_string).collect();
    lines[2] = "{\"eventTime\":\"2026-05-01T09:00:00Z\"".into();
    lines[2] += ",\"eventName\":\"X\"}";
    lines[4] = "{}".into();
    let message = refused(&import, &import.file("lines.ndjson", lines.join("\n")));
    assert!(
        message.contains("line 3, record 3") && message.contains("line 5, record 5"),
        "{message}"
    );
}

#[test]
fn what_is_hostile_in_a_record_changes_nothing_else() {
    let import = Import::new(2);
    let alice = import.world.user("alice");
    let deep = "[".repeat(40) + &"]".repeat(40);
    let trail = [
        // A name that is a path, one that is endless, an id of another kind, a key that is somebody's here.
        record(
            "a",
            "2026-05-01T09:00:00Z",
            "CreateUser",
            json!({ "userName": "../../x y" }),
            json!({ "user": { "userId": "AIDA00000000000000001" } }),
        ),
        record(
            "b",
            "2026-05-01T09:00:01Z",
            "CreateUser",
            json!({ "userName": "x".repeat(100_000) }),
            json!({ "user": { "userId": "AIDA00000000000000002" } }),
        ),
        record(
            "c",
            "2026-05-01T09:00:02Z",
            "CreateUser",
            json!({ "userName": "eve" }),
            json!({ "user": { "userId": "AIDA00000000000000003" } }),
        ),
        record(
            "d",
            "2026-05-01T09:00:03Z",
            "CreateAccessKey",
            json!({ "userName": "eve" }),
            json!({ "accessKey": { "accessKeyId": alice.id } }),
        ),
        record(
            "e",
            "2026-05-01T09:00:04Z",
            "PutUserPolicy",
            json!({ "userName": "eve", "policyName": "p", "policyDocument": deep }),
            Value::Null,
        ),
        record(
            "f",
            "2026-05-01T09:00:05Z",
            "PutUserPolicy",
            json!({ "userName": "eve", "policyName": "p", "policyDocument": { "a": 1 } }),
            Value::Null,
        ),
        record("g", "2026-05-01T09:00:06Z", "DeleteUser", json!("eve"), Value::Null),
        record("h", "2026-05-01T09:00:07Z", "GetUser", json!({ "userName": "eve" }), Value::Null),
        record(
            "i",
            "2026-05-01T09:00:08Z",
            "CreateUser",
            json!({ "userName": "zoe" }),
            json!({ "user": { "userId": "../../../etc/passwd" } }),
        ),
    ];
    let path = import.file("trail.json", json!(trail).to_string());
    let body = json!({ "paths": [path], "from_empty": true, "account": DIGITS });
    let report = import.act("import-cloudtrail", body).unwrap();
    let missing: Vec<&str> = report["missing_records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["record"].as_str().unwrap())
        .collect();
    let mut missing = missing;
    missing.sort_unstable();
    assert_eq!(missing, ["a", "b", "d", "e", "f", "g", "h", "i"], "{report:#}");
    import.act("import-complete", json!({})).unwrap();
    // The key still is whose it was.
    import.world.allow("alice", "iam:GetUser", "*");
    import.world.ok(&alice, "GetUser", &[]);
    let users = import.world.ok(&import.admin(DIGITS), "ListUsers", &[]);
    let names: Vec<&str> = users["Users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["UserName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["auditor", "eve"]);
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn a_bad_snapshot_is_refused_whole() {
    let import = Import::new(3);
    let good = json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ann", "UserId": "AIDAANN0000000000001", "Arn": format!("arn:aws:iam::{DIGITS}:user/ann"),
            "CreateDate": "2026-01-01T00:00:00+00:00", "GroupList": [],
        }],
        "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
    });
    let bad = |alter: &dyn Fn(&mut Value)| {
        let mut details = good.clone();
        alter(&mut details);
        let head = import.world.head();
        let fault = import.snapshot(&details, "2026-02-01").unwrap_err();
        assert_eq!(import.world.head(), head);
        fault.message
    };
    let user = |field: &'static str, value: Value| {
        move |details: &mut Value| details["UserDetailList"][0][field] = value.clone()
    };
    assert!(bad(&user("UserName", "a b".into())).contains("is no name"));
    assert!(bad(&user("UserId", "AROAX".into())).contains("AIDA"));
    assert!(bad(&user("Path", "x".into())).contains("is no path"));
    assert!(bad(&user("CreateDate", "soon".into())).contains("is no date"));
    assert!(bad(&user("CreateDate", "2026-03-01".into())).contains("--at"));
    assert!(bad(&user("GroupList", json!(["ops"]))).contains("is not in the file"));
    let policy =
        json!([{ "PolicyArn": format!("arn:aws:iam::{DIGITS}:policy/p"), "PolicyName": "p" }]);
    assert!(bad(&user("AttachedManagedPolicies", policy)).contains("is not in the file"));
    let inline = json!([{ "PolicyName": "p", "PolicyDocument": "{\"Statement\":7}" }]);
    assert!(bad(&user("UserPolicyList", inline)).contains("user/ann, p"));
    assert!(bad(&|details| details["IsTruncated"] = true.into()).contains("one page"));
    assert!(
        bad(&|details| drop(details.as_object_mut().unwrap().remove("RoleDetailList")))
            .contains("RoleDetailList")
    );
    assert!(bad(&|details| *details = json!([])).contains("line 1"));
    let cut = import.file("cut.json", &good.to_string()[..90]);
    let body = json!({ "path": cut, "at": "2026-02-01" });
    let fault = import.act("import-authorization-details", body).unwrap_err();
    assert!(fault.message.contains("line 1"), "{fault}");
    // A trail alone does not say what there was.
    let fault = import.trail(&records(1)).unwrap_err();
    assert!(fault.message.contains("--from-empty"), "{fault}");
    // The world's own account is not one to be brought in.
    let own = import.world.digits.clone();
    let text = good.to_string().replace(DIGITS, &own);
    let fault = import.snapshot(&serde_json::from_str(&text).unwrap(), "2026-02-01").unwrap_err();
    assert!(fault.message.contains("began here"), "{fault}");
    import.snapshot(&good, "2026-02-01").unwrap();
}

#[test]
fn what_was_used_is_told_of_a_trail_that_came_in_and_forgotten_with_it() {
    let import = Import::new(4);
    let details = json!({
        "UserDetailList": [{
            "Path": "/", "UserName": "ann", "UserId": "AIDAANN0000000000001",
            "Arn": format!("arn:aws:iam::{DIGITS}:user/ann"), "CreateDate": "2026-01-01", "GroupList": [],
        }],
        "GroupDetailList": [], "Policies": [],
        "RoleDetailList": [{
            "Path": "/", "RoleName": "ops", "RoleId": "AROAOPS0000000000001",
            "Arn": format!("arn:aws:iam::{DIGITS}:role/ops"), "CreateDate": "2026-01-01",
            "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole",
            }] },
            "RoleLastUsed": { "LastUsedDate": "2026-01-20", "Region": "us-east-1" },
        }],
    });
    import.snapshot(&details, "2026-02-01").unwrap();
    let by_ann = |id: &str, name: &str, source: &str, answered: Value| {
        let mut record = record(id, "2026-03-01T09:00:00Z", name, Value::Null, answered);
        record["eventSource"] = format!("{source}.amazonaws.com").into();
        record["userIdentity"] = json!({
            "type": "IAMUser", "principalId": "AIDAANN0000000000001", "accountId": DIGITS, "userName": "ann",
            "arn": format!("arn:aws:iam::{DIGITS}:user/ann"), "accessKeyId": "AKIAANN0000000000001",
        });
        record
    };
    let began = json!({
        "credentials": { "accessKeyId": "ASIAANN0000000000001", "expiration": "Mar 1, 2026, 10:00:00 AM" },
        "assumedRoleUser": { "assumedRoleId": "AROAOPS0000000000001:s" },
    });
    let trail = [
        by_ann("a", "GetUser", "iam", Value::Null),
        by_ann("b", "ConsoleLogin", "signin", json!({ "ConsoleLogin": "Success" })),
        by_ann("c", "AssumeRole", "sts", began),
    ];
    let book = import.world.service.activity();
    let id = |text: &str| domesday::identity::id::UniqueId::parse(text).unwrap();
    let told = || {
        book.settle().unwrap();
        let now = import.world.service.clock().now();
        let used = ["AKIAANN0000000000001", "AIDAANN0000000000001", "AROAOPS0000000000001"]
            .map(|of| book.last_used(&id(of), now).unwrap().is_some());
        (used, book.session(&id("ASIAANN0000000000001")).unwrap().is_some())
    };
    let role_alone = ([false, false, true], false);
    assert_eq!(told(), role_alone);
    // All is read before one bad record refuses it, again and again.
    let mut bad = trail.to_vec();
    bad.push(json!({ "eventTime": 5 }));
    for _ in 0..2 {
        import.trail(&bad).unwrap_err();
        assert_eq!(told(), role_alone);
    }
    let report = import.trail(&trail).unwrap();
    assert_eq!((&report["sessions"], &report["sign_ins"]), (&json!(1), &json!(1)), "{report:#}");
    assert_eq!(told(), ([true; 3], true));
    // What is dropped leaves nothing, and what was seen here stays.
    let own = import.world.user("own");
    import.world.allow("own", "iam:GetUser", "*");
    import.world.ok(&own, "GetUser", &[]);
    let account = import.operator(DIGITS).account;
    import.act("import-drop", json!({})).unwrap();
    assert_eq!(told(), ([false; 3], false));
    let by = book.begun_by(account, &[id("AIDAANN0000000000001")], 10);
    assert_eq!(by.unwrap().unwrap(), []);
    let now = import.world.service.clock().now();
    assert!(book.last_used(&id(&own.id), now).unwrap().is_some());
}
