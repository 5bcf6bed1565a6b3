//! What a trail or a snapshot leaves in doubt is told, and decided the same way every time: two records with one id,
//! names that pass on within a second, things that a file has twice, ranges of before anything is known.

use domesday::service::exports::sink::Folder;
use domesday::service::exports::{self, Ask};
use domesday::service::moment::Moment;
use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, attach, empty, made, record, show, user};

const T: &str = "2026-05-01T09:00:00Z";
const LATER: &str = "2026-05-01T10:00:00Z";
const ANN: &str = "AIDAANN0000000000001";
const BEN: &str = "AIDABEN0000000000002";

fn ann() -> Value {
    record("a", T, "CreateUser", user("ann"), made("ann", ANN))
}

fn doubtful(report: &Value) -> Vec<&str> {
    let list = report["doubtful_records"].as_array().unwrap();
    list.iter().map(|one| one["record"].as_str().unwrap()).collect()
}

/// Time, id, operation and doubt of each record that is doubtful, as a report or the status lists them.
fn listed(answer: &Value) -> Vec<[&str; 4]> {
    let list = answer["doubtful_records"].as_array().unwrap().iter();
    list.map(|one| ["at", "record", "operation", "doubt"].map(|key| one[key].as_str().unwrap()))
        .collect()
}

#[test]
fn of_two_records_with_one_id_that_differ_one_is_taken_and_the_other_told_once() {
    let import = Import::new(41);
    let attached = |policy: &str, time: &str| {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        let asked = json!({ "userName": "ann", "policyArn": arn });
        record("b", time, "AttachUserPolicy", asked, Value::Null)
    };
    // The same one again, written otherwise, contradicts nothing; nor does it count.
    let mut same = attached("ReadOnlyAccess", LATER);
    same["requestParameters"] =
        json!({ "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess", "userName": "ann" });
    let other = attached("IAMFullAccess", LATER);
    let elsewhen = attached("IAMFullAccess", "2026-05-01T11:00:00Z");
    let trail = [ann(), attached("ReadOnlyAccess", LATER), same, other, elsewhen];
    let report = empty(&import, &trail);
    assert_eq!(
        (&report["replayed"], &report["contradictory"]),
        (&2.into(), &2.into()),
        "{report:#}"
    );
    assert_eq!(doubtful(&report), ["b", "b"]);
    // Again: nothing comes in, and what is in doubt stays so.
    let head = import.world.head();
    let again = import.trail(&trail).unwrap();
    assert_eq!((&again["replayed"], &again["contradictory"]), (&0.into(), &2.into()), "{again:#}");
    assert_eq!(import.world.head(), head);
    let status = import.act("import-status", json!({})).unwrap();
    assert_eq!(status["contradictory"], 2);
    assert_eq!(listed(&status), listed(&report));
    // Nor does one of a later run pass as known that says something else than what was taken.
    let mut by_another = attached("ReadOnlyAccess", LATER);
    by_another["sourceIPAddress"] = json!("203.0.113.99");
    let later = import.trail(&[ann(), by_another.clone()]).unwrap();
    assert_eq!(
        (&later["already_in"], &later["contradictory"]),
        (&1.into(), &1.into()),
        "{later:#}"
    );
    let head = import.world.head();
    import.trail(&[by_another]).unwrap();
    assert_eq!(import.world.head(), head);
    let status = import.act("import-status", json!({})).unwrap();
    assert_eq!(status["contradictory"], 3);
    import.act("import-complete", json!({})).unwrap();
    let shown = show(&import, "user/ann").unwrap();
    assert_eq!(shown["attached_policies"].as_array().unwrap().len(), 1, "{shown}");
    domesday::service::audit::verify::verify(&import.world.service).unwrap();
}

#[test]
fn a_contradiction_takes_no_time_from_the_records_of_its_second() {
    let import = Import::new(53);
    let again = |id: &str| {
        record(id, "2026-05-01T10:00:00.900Z", "CreateUser", user("eve"), made("eve", BEN))
    };
    let trail = [
        ann(),
        record("b", "2026-05-01T10:00:00.100Z", "AttachUserPolicy", attach("ann"), Value::Null),
        again("b"),
    ];
    let report = empty(&import, &trail);
    assert_eq!(
        (&report["replayed"], &report["contradictory"]),
        (&2.into(), &1.into()),
        "{report:#}"
    );
    import.act("import-complete", json!({})).unwrap();
    let events = import.question(DIGITS, "events", &[("operation", "AttachUserPolicy")], None);
    assert_eq!(events.unwrap()["events"][0]["happened_at"], "2026-05-01T10:00:00.100000Z");
}

#[test]
fn whom_a_record_means_is_in_doubt_where_a_renaming_passes_the_name_on() {
    let renamed = |id: &str, time: &str| {
        let asked = json!({ "userName": "ann", "newUserName": "anna" });
        record(id, time, "UpdateUser", asked, Value::Null)
    };
    let new = |time: &str| record("d", time, "CreateUser", user("ann"), made("ann", BEN));
    let given = |time: &str| record("c", time, "AttachUserPolicy", attach("ann"), Value::Null);
    let all_at_once = [ann(), renamed("b", LATER), given(LATER), new(LATER)];
    let report = empty(&Import::new(42), &all_at_once);
    assert_eq!((&report["ambiguous"], &report["missing"]), (&1.into(), &0.into()), "{report:#}");
    assert_eq!(doubtful(&report), ["c"]);
    // With a time of its own, without a renaming, or with nobody else of the name there is no doubt.
    let clear = [
        vec![ann(), renamed("b", LATER), given("2026-05-01T10:00:01Z"), new(LATER)],
        vec![ann(), renamed("b", LATER), given("2026-05-01T09:59:59Z"), new(LATER)],
        vec![
            ann(),
            record("b", LATER, "DeleteUser", user("ann"), Value::Null),
            given(LATER),
            new(LATER),
        ],
        vec![ann(), renamed("b", LATER), given(LATER)],
    ];
    for (seed, trail) in (43..).zip(clear) {
        let import = Import::new(seed);
        let report = empty(&import, &trail);
        assert_eq!(
            (&report["ambiguous"], &report["missing"]),
            (&0.into(), &0.into()),
            "{report:#}"
        );
    }
    // The history keeps the doubt.
    let import = Import::new(48);
    let report = empty(&import, &all_at_once);
    let status = import.act("import-status", json!({})).unwrap();
    assert_eq!(status["ambiguous"], 1);
    assert_eq!(listed(&status), listed(&report));
    // Also of a record that waits for one of the next second: it happened no earlier than that.
    let arn = format!("arn:aws:iam::{DIGITS}:policy/p");
    let made_later = {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
        let asked = json!({ "policyName": "p", "policyDocument": text });
        let made = json!({ "policy": {
            "policyName": "p", "policyId": "ANPAP0000000000000001", "arn": arn, "defaultVersionId": "v1",
            "path": "/",
        } });
        record("e", "2026-05-01T10:00:01Z", "CreatePolicy", asked, made)
    };
    let given = json!({ "userName": "ann", "policyArn": arn });
    let given = record("c", LATER, "AttachUserPolicy", given, Value::Null);
    let import = Import::new(49);
    let report = empty(&import, &[ann(), renamed("b", LATER), given, new(LATER), made_later]);
    assert_eq!((&report["ambiguous"], &report["missing"]), (&1.into(), &0.into()), "{report:#}");
    let status = import.act("import-status", json!({})).unwrap();
    assert_eq!(listed(&status), listed(&report));
    assert_eq!(listed(&status)[0][..2], ["2026-05-01T10:00:00Z", "c"]);
    import.act("import-complete", json!({})).unwrap();
    let events = import.question(DIGITS, "events", &[("operation", "AttachUserPolicy")], None);
    let happened = events.unwrap()["events"][0]["happened_at"].clone();
    assert_eq!(happened, "2026-05-01T10:00:01.000000Z");
}

fn snapshot(user_: Value) -> Value {
    json!({
        "UserDetailList": [user_], "GroupDetailList": [], "Policies": [],
        "RoleDetailList": [{
            "Path": "/", "RoleName": "app", "RoleId": "AROAAPP0000000000001", "CreateDate": T,
            "Arn": format!("arn:aws:iam::{DIGITS}:role/app"),
            "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole",
            }] },
            "InstanceProfileList": [{
                "Path": "/", "InstanceProfileName": "app", "InstanceProfileId": "AIPAAPP0000000000001",
                "CreateDate": T,
            }],
        }],
    })
}

fn detail(name: &str, id: &str, created: &str) -> Value {
    let arn = format!("arn:aws:iam::{DIGITS}:user/{name}");
    json!({ "Path": "/", "UserName": name, "UserId": id, "Arn": arn, "CreateDate": created })
}

#[test]
fn a_snapshot_that_has_something_twice_is_refused() {
    let policy = |name: &str, versions: Value| {
        let arn = format!("arn:aws:iam::{DIGITS}:policy/{name}");
        json!({
            "PolicyName": name, "PolicyId": "ANPARULES00000000001", "Arn": arn, "Path": "/",
            "DefaultVersionId": "v1", "CreateDate": T, "PolicyVersionList": versions,
        })
    };
    let version = |id: &str, is_default: bool| {
        let statement = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        json!({ "VersionId": id, "Document": document, "CreateDate": T, "IsDefaultVersion": is_default })
    };
    let one = snapshot(detail("ann", ANN, T));
    let with = |list: &str, more: Value| {
        let mut twice = one.clone();
        twice[list].as_array_mut().unwrap().push(more);
        twice
    };
    let mut profile = one["RoleDetailList"][0].clone();
    profile["RoleName"] = "other".into();
    profile["RoleId"] = "AROAAPP0000000000002".into();
    for (details, word) in [
        (with("UserDetailList", detail("ben", ANN, T)), "the id \"AIDAANN"),
        (with("UserDetailList", detail("Ann", BEN, T)), "the name \"ann\""),
        (with("RoleDetailList", profile), "the id \"AIPAAPP"),
        (
            with("Policies", policy("rules", json!([version("v1", true), version("v1", true)]))),
            "the version \"v1\"",
        ),
        (
            with("Policies", policy("rules", json!([version("v1", false), version("v2", true)]))),
            "IsDefaultVersion of v1",
        ),
    ] {
        let import = Import::new(50);
        let head = import.world.head();
        let refused = import.snapshot(&details, LATER).unwrap_err();
        assert!(refused.message.contains(word), "{word}: {}", refused.message);
        assert_eq!(import.world.head(), head);
    }
    assert!(Import::new(50).snapshot(&one, LATER).is_ok());
}

#[test]
fn drift_tells_dates_arns_and_instance_profiles() {
    let import = Import::new(51);
    import.snapshot(&snapshot(detail("ann", ANN, T)), LATER).unwrap();
    let mut other = snapshot(detail("ann", ANN, "2026-05-01T09:00:06Z"));
    other["UserDetailList"][0]["Arn"] = format!("arn:aws-cn:iam::{DIGITS}:user/ann").into();
    let role = &mut other["RoleDetailList"][0];
    role["CreateDate"] = "2026-05-01T09:00:05Z".into();
    role["InstanceProfileList"][0]["Path"] = "/x/".into();
    let compared = import.snapshot(&other, LATER).unwrap();
    let told: Vec<String> = compared["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["entity"], one["field"]).replace('"', ""))
        .collect();
    // Both sides of a set are told; five seconds are no difference.
    let expected = [
        "role/app instance profile",
        "role/app instance profile",
        "user/ann arn",
        "user/ann created",
    ];
    assert_eq!(told, expected, "{compared:#}");
    // What was compared with nothing does not differ in nothing.
    let done = import.act("import-complete", json!({})).unwrap();
    assert_eq!((&done["compared"], &done["differences"]), (&false.into(), &Value::Null));
}

#[test]
fn a_range_of_before_the_account_is_known_is_unknown_and_one_that_begins_there_says_since_when() {
    let import = Import::new(52);
    import.snapshot(&snapshot(detail("ann", ANN, T)), LATER).unwrap();
    import.act("import-complete", json!({})).unwrap();
    let ranges =
        [("2026-04-01", "2026-05-01"), ("2026-04-01", "2026-06-01"), ("2026-05-02", "2026-06-01")];
    let expected = [Err("BeforeBaseline"), Ok(true), Ok(false)];
    let caller = import.operator(DIGITS);
    for ((from, to), expected) in ranges.into_iter().zip(expected) {
        let range = [("from", from), ("to", to)];
        for question in ["events", "reports/joiner-mover-leaver", "reports/root-usage"] {
            let answer = import.question(DIGITS, question, &range, None);
            let told = answer.map(|answer| !answer["known_since"].is_null());
            assert_eq!(told.map_err(|fault| fault.code), expected, "{question} {from}");
        }
        let ask = [("kind", "ndjson"), ("from", from), ("to", to)];
        let ask = ask.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ask = Ask::parse(&ask).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Folder::new(&folder.path().join("out")).unwrap();
        let written = exports::run(&import.world.service, &caller, &ask, None, &mut sink);
        let told = written.map(|manifest| manifest.known_since.is_some());
        assert_eq!(told.map_err(|fault| fault.code), expected, "export {from}");
    }
    // By positions of the ledger it is known what came when.
    let from = Moment::parse("@1").unwrap().to_string();
    let answer = import.question(DIGITS, "events", &[("from", &from)], None).unwrap();
    assert_eq!(answer["known_since"], Value::Null);
}

#[test]
fn what_two_records_of_one_second_set_differently_is_in_doubt() {
    let put = |id: &str, time: &str, effect: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"s3:Get*","Resource":"*"}}]}}"#
        );
        let asked = json!({ "userName": "ann", "policyName": "p", "policyDocument": text });
        record(id, time, "PutUserPolicy", asked, Value::Null)
    };
    let tag = |id: &str, key: &str| {
        let asked = json!({ "userName": "ann", "tags": [{ "key": key, "value": id }] });
        record(id, LATER, "TagUser", asked, Value::Null)
    };
    let untag = |id: &str, key: &str| {
        let asked = json!({ "userName": "ann", "tagKeys": [key] });
        record(id, LATER, "UntagUser", asked, Value::Null)
    };
    let both = |one: Value, other: Value| {
        let report = empty(&Import::new(50), &[ann(), one, other]);
        assert_eq!(report["missing"], 0, "{report:#}");
        doubtful(&report).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(both(put("b", LATER, "Allow"), put("c", LATER, "Deny")), ["b", "c"]);
    assert_eq!(both(tag("b", "team"), tag("c", "Team")), ["b", "c"]);
    assert_eq!(both(tag("b", "team"), untag("c", "team")), ["b", "c"]);
    let none: [&str; 0] = [];
    assert_eq!(both(put("b", LATER, "Allow"), put("c", LATER, "Allow")), none);
    assert_eq!(both(put("b", LATER, "Allow"), put("c", "2026-05-01T10:00:01Z", "Deny")), none);
    assert_eq!(both(tag("b", "team"), tag("c", "cost")), none);
}

#[test]
fn what_is_done_by_a_name_comes_before_it_is_given_up() {
    let group = json!({ "groupName": "admins" });
    let made_group =
        json!({ "group": { "groupId": "AGPAADMINS00000000001", "groupName": "admins" } });
    let member = json!({ "groupName": "admins", "userName": "ann" });
    let renamed = json!({ "userName": "ann", "newUserName": "ann2" });
    let records = [
        ann(),
        record("b", "2026-05-01T09:30:00Z", "CreateGroup", group, made_group),
        record("c", "2026-05-01T09:30:01Z", "AddUserToGroup", member.clone(), Value::Null),
        record("e", LATER, "RemoveUserFromGroup", member, Value::Null),
        record("d", LATER, "UpdateUser", renamed, Value::Null),
    ];
    let import = Import::new(51);
    let report = empty(&import, &records);
    assert_eq!((&report["missing"], &report["ambiguous"]), (&0.into(), &0.into()), "{report:#}");
    import.act("import-complete", json!({})).unwrap();
    assert_eq!(show(&import, "user/ann2").unwrap()["groups"], json!([]));
}

#[test]
fn what_was_made_with_the_id_of_another_one_is_told() {
    let zed = record("b", LATER, "CreateUser", user("zed"), made("zed", ANN));
    let import = Import::new(52);
    let report = empty(&import, &[ann(), zed]);
    assert_eq!(report["missing"], 1, "{report:#}");
    let missing = report["missing_records"][0]["missing"].as_str().unwrap();
    assert!(missing.contains(ANN) && missing.contains("another one's"), "{missing}");
}

#[test]
fn a_services_own_role_that_is_there_already_misses_nothing() {
    let name = "AWSServiceRoleForBatch";
    let arn = format!("arn:aws:iam::{DIGITS}:role/aws-service-role/batch.amazonaws.com/{name}");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"batch.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = json!({
        "path": "/aws-service-role/batch.amazonaws.com/", "roleName": name, "roleId": "AROABATCH00000000001",
        "arn": arn, "assumeRolePolicyDocument": trust,
    });
    let made = |id: &str, time: &str| {
        let asked = json!({ "aWSServiceName": "batch.amazonaws.com" });
        record(id, time, "CreateServiceLinkedRole", asked, json!({ "role": role }))
    };
    let report = empty(&Import::new(53), &[ann(), made("b", LATER), made("c", LATER)]);
    assert_eq!((&report["missing"], &report["unchanged"]), (&0.into(), &1.into()), "{report:#}");
}
