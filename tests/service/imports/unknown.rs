//! What a snapshot does not tell of credentials is unknown, until the trail tells it.

use serde_json::{Value, json};

use super::Import;
use super::order::{DIGITS, record};

fn user(name: &str) -> Value {
    json!({
        "Path": "/", "UserName": name, "UserId": id(name), "Arn": format!("arn:aws:iam::{DIGITS}:user/{name}"),
        "CreateDate": "2026-01-01", "GroupList": [],
    })
}

fn id(name: &str) -> String {
    format!("AIDA{:0>17}", name.to_uppercase())
}

fn signed_in(event: &str, time: &str, name: &str) -> Value {
    let mut record =
        record(event, time, "ConsoleLogin", Value::Null, json!({ "ConsoleLogin": "Success" }));
    record["eventSource"] = "signin.amazonaws.com".into();
    record["userIdentity"] = json!({
        "type": "IAMUser", "principalId": id(name), "accountId": DIGITS, "userName": name,
        "arn": format!("arn:aws:iam::{DIGITS}:user/{name}"),
    });
    record
}

/// Of ann the trail tells nothing; of ben all; cy signs in; dee did, and lost the password; eve is made by the trail.
fn company() -> Import {
    let import = Import::new(1);
    let users: Vec<Value> = ["ann", "ben", "cy", "dee"].map(user).to_vec();
    let details = json!({
        "UserDetailList": users, "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
    });
    import.snapshot(&details, "2026-02-01").unwrap();
    let serial = format!("arn:aws:iam::{DIGITS}:mfa/ben");
    let ben = json!({ "userName": "ben" });
    let key = |id: &str| json!({ "accessKey": { "userName": "ben", "accessKeyId": id, "status": "Active" } });
    let device = json!({ "virtualMFADevice": { "serialNumber": serial } });
    let enabled = json!({ "userName": "ben", "serialNumber": serial });
    let eve = json!({ "user": { "userName": "eve", "userId": id("eve") } });
    let at = |minute: u32| format!("2026-03-01T09:{minute:02}:00Z");
    import
        .trail(&[
            record("a", &at(0), "CreateLoginProfile", ben.clone(), json!({ "loginProfile": ben })),
            record("b", &at(1), "CreateAccessKey", ben.clone(), key("AKIABEN0000000000001")),
            record("c", &at(2), "CreateAccessKey", ben.clone(), key("AKIABEN0000000000002")),
            record(
                "d",
                &at(3),
                "CreateVirtualMFADevice",
                json!({ "virtualMFADeviceName": "ben" }),
                device,
            ),
            record("e", &at(4), "EnableMFADevice", enabled, Value::Null),
            signed_in("f", &at(5), "cy"),
            signed_in("g", &at(6), "dee"),
            record("h", &at(7), "DeleteLoginProfile", json!({ "userName": "dee" }), Value::Null),
            record("i", &at(8), "CreateUser", json!({ "userName": "eve" }), eve),
        ])
        .unwrap();
    import.act("import-complete", json!({})).unwrap();
    import
}

fn rows(import: &Import, report: &str, at: Option<&str>) -> Vec<Value> {
    let answer = import.question(DIGITS, &format!("reports/{report}"), &[], at).unwrap();
    let noted = answer["summary"]["note"].is_string();
    assert!(noted || report == "credential", "{answer:#}");
    answer["rows"].as_array().unwrap().clone()
}

fn of<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    let is = |row: &&Value| row["user"] == name || row["user"] == format!("user/{name}");
    rows.iter().filter(is).collect()
}

#[test]
fn the_credential_report_has_no_information() {
    let import = company();
    // As AWS's own call answers it, now; and as of a moment before the trail told of ben.
    let admin = import.admin(DIGITS);
    import.world.ok(&admin, "GenerateCredentialReport", &[]);
    let live = import.world.ok(&admin, "GetCredentialReport", &[]);
    let live: Vec<u8> = serde_json::from_value(live["Content"].clone()).unwrap();
    let live = String::from_utf8(live).unwrap();
    let line = |name: &str| live.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let nothing = ",no_information".repeat(19);
    assert!(line("ann").ends_with(&format!("+00:00{nothing}")), "{}", line("ann"));
    assert!(line("cy").contains(",no_information,2026-03-01T09:05:00+00:00,no_information,"));
    assert!(line("eve").ends_with(&format!(
        "+00:00,false,N/A,N/A,N/A,false{}{}",
        ",false,N/A,N/A,N/A,N/A".repeat(2),
        ",false,N/A".repeat(2)
    )));
    assert!(line("<root_account>").contains("not_supported,no_information,no_information,"));
    let now = rows(&import, "credential", None);
    let ben = of(&now, "ben")[0];
    let known = ["password_enabled", "mfa_active", "access_key_1_active", "access_key_2_active"];
    assert_eq!(known.map(|field| &ben[field]), [&json!("true"); 4]);
    let before = rows(&import, "credential", Some("2026-02-15"));
    let ben = of(&before, "ben")[0];
    assert_eq!(known.map(|field| &ben[field]), [&json!("no_information"); 4]);
}

#[test]
fn reports_say_that_they_do_not_know() {
    let import = company();
    let mfa = rows(&import, "mfa-coverage", None);
    let of_mfa = |name: &str| {
        let row = of(&mfa, name)[0];
        ["signs_in", "devices", "covered"].map(|field| row[field].clone())
    };
    let unknown = || json!("unknown");
    assert_eq!(of_mfa("ann"), [unknown(), unknown(), unknown()]);
    assert_eq!(of_mfa("ben"), [json!(true), json!(1), json!(true)]);
    assert_eq!(of_mfa("cy"), [json!(true), unknown(), unknown()]);
    assert_eq!(of_mfa("dee"), [json!(false), unknown(), json!(true)]);
    assert_eq!(of_mfa("eve"), [json!(false), json!(0), json!(true)]);
    let keys = rows(&import, "keys", None);
    let ids = |name: &str| -> Vec<String> {
        of(&keys, name).iter().map(|row| row["access_key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("ann"), ["unknown"]);
    // Nobody has more than two.
    assert_eq!(ids("ben"), ["AKIABEN0000000000001", "AKIABEN0000000000002"]);
    assert_eq!(of(&keys, "ben")[0]["other_active_keys"], 1);
    assert_eq!(ids("eve"), [""; 0]);
    let dormant = rows(&import, "dormant", None);
    let state =
        |name: &str| of(&dormant, name).iter().map(|row| row["state"].clone()).collect::<Vec<_>>();
    assert_eq!(state("ann"), ["unknown"]);
    assert_eq!(of(&dormant, "ann")[0]["last_used"], "unknown");
    assert_eq!((state("ben"), state("cy")), (vec![json!("dormant")], vec![json!("dormant")]));
    assert_eq!(of(&dormant, "dee")[0]["password"], false);
    assert!(state("eve").is_empty());
}

#[test]
fn what_began_before_the_history_is_not_told_as_if_it_began_with_it() {
    let import = company();
    let ask = |name: &str| import.question(DIGITS, &format!("reports/{name}"), &[], None).unwrap();
    let moves = ask("joiner-mover-leaver");
    assert_eq!(moves["summary"]["joined"], 1, "{moves:#}");
    let joined = |row: &&Value| row["movement"] == "joined";
    let found: Vec<&Value> = moves["rows"].as_array().unwrap().iter().filter(joined).collect();
    assert_eq!(found[0]["user"], "user/eve");
    assert_eq!(ask("password-policy")["rows"][0]["own_rules"], "unknown");
    // A trail that begins with its account does not tell how its root user came by its password either.
    let import = Import::new(2);
    let time = "2026-03-01T09:00:00Z";
    let mut by_another = record(
        "b",
        "2026-03-01T10:00:00Z",
        "CreateUser",
        json!({ "userName": "zoe" }),
        json!({ "user": { "userName": "zoe", "userId": id("zoe") } }),
    );
    let mut by_root = by_another.clone();
    (by_root["eventID"], by_root["eventTime"]) = ("a".into(), time.into());
    by_root["requestParameters"]["userName"] = "ann".into();
    by_root["responseElements"] = json!({ "user": { "userName": "ann", "userId": id("ann") } });
    for (record, account) in [(&mut by_root, DIGITS), (&mut by_another, "999999999999")] {
        record["recipientAccountId"] = DIGITS.into();
        record["userIdentity"] = json!({
            "type": "Root", "principalId": account, "accountId": account,
            "arn": format!("arn:aws:iam::{account}:root"), "accessKeyId": "ASIAOFANOTHER0000001",
            "sessionContext": { "attributes": { "mfaAuthenticated": "true" } },
        });
    }
    by_root["userIdentity"]["accessKeyId"] = "ASIAOFITSOWN00000001".into();
    super::order::empty(&import, &[by_root, by_another]);
    import.act("import-complete", json!({})).unwrap();
    let ask = |name: &str| import.question(DIGITS, &format!("reports/{name}"), &[], None).unwrap();
    let mfa = ask("mfa-coverage");
    let root = of(mfa["rows"].as_array().unwrap(), "root")[0];
    assert_eq!((&root["signs_in"], &root["covered"]), (&json!("unknown"), &json!("unknown")));
    assert_eq!(ask("password-policy")["rows"][0]["own_rules"], false);
    // The root user of another account has the same id, and is another one.
    let usage = ask("root-usage");
    assert_eq!(usage["summary"]["changes"], 1, "{usage:#}");
    assert!(usage["summary"]["note"].is_string());
    let session = |key: &str| {
        let key = domesday::identity::id::UniqueId::parse(key).unwrap();
        import.world.service.activity().session(&key).unwrap().is_some()
    };
    assert_eq!([session("ASIAOFITSOWN00000001"), session("ASIAOFANOTHER0000001")], [true, false]);
}
