//! Larkfield's trail, of which the README's tour for auditors tells: see fixtures/trail/make.py.

use serde_json::{Value, json};

use std::collections::BTreeSet;

use domesday::service::exports::Kind;

use super::{Import, oldest_first};
use crate::exports::{given_to, lines, records};
use crate::ocsf_schema;

const DIGITS: &str = "210987654321";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/trail");

#[test]
fn the_trail_of_a_company_tells_what_happened() {
    let import = Import::new(1);
    let file = |name: &str| json!(format!("{FOLDER}/{name}"));
    let body = json!({ "path": file("before.json"), "at": "2026-03-01" });
    import.act("import-authorization-details", body).unwrap();
    let report = import.act("import-cloudtrail", json!({ "paths": [file("AWSLogs")] })).unwrap();
    let found = &report["found"];
    assert_eq!(
        (&found["files"], &found["failed"], &found["reads"]),
        (&5.into(), &1.into(), &5.into())
    );
    assert_eq!(
        (&report["replayed"], &report["unknown_credentials"]),
        (&14.into(), &1.into()),
        "{report:#}"
    );
    assert_eq!((&report["sign_ins"], &report["sessions"]), (&2.into(), &1.into()));
    // The one hole: `backup` went, though it still had a policy.
    let missing = report["missing_records"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{report:#}");
    assert_eq!(missing[0]["at"], "2026-03-10T07:46:03Z");
    assert!(missing[0]["missing"].as_str().unwrap().contains("detach"));
    let body = json!({ "path": file("after.json") });
    let done = import.act("import-authorization-details", body).unwrap();
    assert_eq!((&done["differences"], &done["completed"]), (&0.into(), &true.into()), "{done:#}");

    let ask = |name: &str, asked: &[(&str, &str)], at: Option<&str>| {
        import.question(DIGITS, name, asked, at).unwrap()
    };
    let may = |who: &str, at: &str| {
        let asked = [("principal", who), ("action", "iam:CreateUser"), ("resource", "*")];
        ask("can", &asked, Some(at))["decision"].clone()
    };
    assert_eq!(may("ben", "2026-03-09T22:00:00Z"), "implicitDeny");
    assert_eq!(may("ben", "2026-03-09T22:20:00Z"), "allowed");
    assert_eq!(may("backup", "2026-03-09T22:20:00Z"), "allowed");
    assert_eq!(may("ben", "2026-03-11"), "implicitDeny");
    assert_eq!(may("ben", "2026-02-01"), "unknown");
    // Who was behind the role that did it.
    let log = ask("events", &[("person", "ben"), ("target", "ben")], None);
    let log = oldest_first(&log);
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!((&log[0]["operation"], &log[0]["session"]), (&"PutUserPolicy".into(), &"ci".into()));
    assert_eq!(log[0]["actor"]["name"], "role/release");
    let log = oldest_first(&ask("events", &[("ticket", "HR-2291")], None));
    let names: Vec<&Value> = log.iter().map(|event| &event["operation"]).collect();
    assert_eq!(names, ["CreateUser", "AddUserToGroup", "CreateLoginProfile"]);
    // What the shop may since March the fifth, by groups, and which event made it so.
    let gained =
        ask("diff", &[("from", "2026-03-05"), ("to", "2026-03-06"), ("principal", "ben")], None);
    assert!(gained.to_string().contains("s3:DeleteObject"), "{gained:#}");
    // Of Ben's older keys and his password nobody knows; Dan's are known from the first.
    let ben = ask("show", &[("thing", "user/ben")], None);
    assert_eq!(
        (&ben["can_sign_in"], &ben["unknown_of_before"][1]),
        (&Value::Null, &"password".into())
    );
    let dan = ask("show", &[("thing", "user/dan")], None);
    assert_eq!((&dan["can_sign_in"], &dan["unknown_of_before"]), (&true.into(), &json!([])));
    let cora = [("thing", "user/cora")];
    assert_eq!(
        ask("show", &cora, Some("2026-03-19"))["arn"],
        format!("arn:aws:iam::{DIGITS}:user/contractors/cora")
    );
    assert_eq!(ask("show", &cora, None)["kind"], "gone");
}

/// Every eventID below a folder of trails.
fn ids_below(folder: &std::path::Path, ids: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            ids_below(&path, ids);
            continue;
        }
        let mut text = String::new();
        let file = std::fs::File::open(&path).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
        let trail: Value = serde_json::from_str(&text).unwrap();
        let records = trail["Records"].as_array().unwrap().iter();
        ids.extend(records.map(|record| record["eventID"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn what_came_in_goes_out_again_as_what_it_was() {
    let import = Import::new(2);
    let file = |name: &str| json!(format!("{FOLDER}/{name}"));
    let body = json!({ "path": file("before.json"), "at": "2026-03-01" });
    import.act("import-authorization-details", body).unwrap();
    import.act("import-cloudtrail", json!({ "paths": [file("AWSLogs")] })).unwrap();
    let operator = import.operator(DIGITS);
    let given = |kind| given_to(&import.world, &operator, kind);
    // Half a history is no state of an account.
    let refused = given(Kind::AuthorizationDetails).unwrap_err();
    assert_eq!((refused.code, refused.status), ("ImportIncomplete", 409));
    let body = json!({ "path": file("after.json") });
    import.act("import-authorization-details", body).unwrap();
    given(Kind::AuthorizationDetails).unwrap();

    let mut known = BTreeSet::new();
    ids_below(std::path::Path::new(&format!("{FOLDER}/AWSLogs")), &mut known);
    let records = records(&given(Kind::CloudTrail).unwrap());
    let named = |name: &str| records.iter().filter(|one| one["eventName"] == name).count();
    assert_eq!(named("CompleteImport"), 1);
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        records.iter().partition(|one| one["eventSource"] == "iam.amazonaws.com");
    let names: Vec<&Value> = own.iter().map(|one| &one["eventName"]).collect();
    assert_eq!(own.len(), 14, "{names:?}");
    for record in own {
        assert!(known.contains(record["eventID"].as_str().unwrap()), "{record:#}");
        assert_eq!(record.get("requestID"), None, "{record:#}");
    }
    for record in others {
        assert_eq!(record["eventType"], "AwsServiceEvent", "{record:#}");
    }
    let events = lines(&given(Kind::Ocsf).unwrap()["events.ocsf.ndjson"]);
    assert!(events.len() > 14);
    for event in events {
        assert_eq!(ocsf_schema::problems(&event), Vec::<String>::new(), "{event:#}");
    }
}
