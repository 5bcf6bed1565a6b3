//! Larkfield's trail, of which the README's tour for auditors tells: see fixtures/trail/make.py.

use serde_json::{Value, json};

use super::{Import, oldest_first};

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
