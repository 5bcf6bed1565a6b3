//! The credential report, now and at any moment.

use domesday::base::time::Timestamp;
use domesday::identity::id::UniqueId;
use domesday::projection::directory::Directory;
use domesday::projection::tables::UserRow;
use domesday::service::activity::receipt::LastUsed;
use domesday::service::activity::usage::{SIGN_IN, Use, principal_key};
use domesday::service::audit::{self, Question};
use domesday::service::moment::Moment;
use domesday::service::reports::credential::COLUMNS;
use serde_json::Value;

use super::world::World;

/// Waits until everything that was noted is on disk: what the audit notes is, and all before it.
pub fn settle(world: &World) {
    let admin = world.caller(&world.admin).unwrap();
    audit::run(&world.service, &admin, Question::Head, None).unwrap();
}

/// A user signs in with its password; the root user without a name.
fn sign_in(world: &World, user: Option<&str>) -> String {
    let account = world.caller(&world.admin).unwrap().account;
    let now = world.service.now();
    let id = user.map_or_else(UniqueId::root, |name| {
        Directory::new(&now, account).find::<UserRow>(name).unwrap().unwrap().row.id
    });
    let at = world.service.clock().now();
    let last = LastUsed { at, service: SIGN_IN.into(), region: String::new() };
    world.service.activity().note_used(vec![Use::of(principal_key(account, &id), last)]).unwrap();
    shown(at)
}

fn shown(at: Timestamp) -> String {
    at.to_string().replace('Z', "+00:00")
}

/// The lines of a report, apart.
fn lines(answer: &Value) -> Vec<Vec<String>> {
    let bytes: Vec<u8> = serde_json::from_value(answer["Content"].clone()).unwrap();
    assert_ne!(bytes.last(), Some(&b'\n'));
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    csv.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn report(world: &World, moment: Option<Moment>) -> Vec<Vec<String>> {
    lines(&world.ask(&world.admin, "GetCredentialReport", &[], moment).unwrap())
}

fn cell<'a>(lines: &'a [Vec<String>], user: &str, column: &str) -> &'a str {
    let line = lines.iter().find(|line| line[0] == user).unwrap_or_else(|| panic!("no {user}"));
    &line[COLUMNS.iter().position(|name| *name == column).unwrap()]
}

#[test]
fn every_column_says_what_it_knows() {
    let world = World::new(81);
    let admin = &world.admin;
    let now = || shown(world.service.clock().now());
    let founded = now();
    let alice = world.user("alice");
    let created = shown(world.service.clock().now().plus_seconds(-1));
    let first = now();
    let of = ("UserName", "alice");
    let second = world.ok(admin, "CreateAccessKey", &[of])["AccessKey"]["AccessKeyId"].clone();
    let later = now();
    let second = ("AccessKeyId", second.as_str().unwrap());
    world.ok(admin, "UpdateAccessKey", &[of, second, ("Status", "Inactive")]);
    world.refused(&alice, "ListUsers", &[], "AccessDenied");
    let used = now();
    world.ok(admin, "CreateUser", &[("UserName", "Bob,=+@-"), ("Path", "/a/")]);
    let bob = now();
    let password = [("UserName", "Bob,=+@-"), ("Password", "Correct-Horse-7")];
    world.ok(admin, "CreateLoginProfile", &password);
    let set = now();
    settle(&world);
    world.ok(admin, "GenerateCredentialReport", &[]);
    let lines = report(&world, None);

    assert_eq!(lines[0], COLUMNS);
    let users: Vec<&str> = lines.iter().map(|line| line[0].as_str()).collect();
    assert_eq!(users, ["user", "<root_account>", "admin", "alice", "Bob,=+@-"]);
    let arn = |rest: &str| format!("arn:aws:iam::{}:{rest}", world.digits);
    let cells =
        |line: &str| line.replace("; ", ",").split(',').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        lines[1],
        cells(&format!(
            "<root_account>,{},{founded},not_supported,no_information,not_supported,not_supported,false,\
             false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
            arn("root")
        ))
    );
    assert_eq!(
        lines[3],
        cells(&format!(
            "alice,{},{created},false,N/A,N/A,N/A,false,true,{first},{used},us-east-1,iam,\
             false,{later},N/A,N/A,N/A,false,N/A,false,N/A",
            arn("user/alice")
        ))
    );
    let of_bob = [&arn("user/a/Bob,=+@-"), &bob, "true", "no_information", &set, "N/A", "false"];
    assert_eq!(lines[4][1..8], of_bob);
    // The administrator's own key was used all along.
    assert_eq!(cell(&lines, "admin", "access_key_1_last_used_service"), "iam");
}

#[test]
fn a_report_stands_for_four_hours_and_shows_what_was_when_it_was_generated() {
    let world = World::new(82);
    let admin = &world.admin;
    world.refused(admin, "GetCredentialReport", &[], "ReportNotPresent");
    let alice = world.user("alice");
    world.refused(&alice, "GenerateCredentialReport", &[], "AccessDenied");
    world.refused(&alice, "GetCredentialReport", &[], "AccessDenied");
    let password = [("UserName", "alice"), ("Password", "Correct-Horse-7")];
    world.ok(admin, "CreateLoginProfile", &password);
    let signed_in = sign_in(&world, Some("alice"));
    let root_signed_in = sign_in(&world, None);
    settle(&world);
    let started = world.ok(admin, "GenerateCredentialReport", &[]);
    assert_eq!(started["State"], "STARTED");
    assert!(started["Description"].as_str().unwrap().starts_with("No report exists."));
    let generated = world.service.clock().now();
    let answer = world.ok(admin, "GetCredentialReport", &[]);
    let first = lines(&answer);
    assert_eq!(answer["ReportFormat"], "text/csv");
    assert_eq!(answer["GeneratedTime"], generated.to_string());
    assert_eq!(cell(&first, "alice", "password_last_used"), signed_in);
    assert_eq!(cell(&first, "<root_account>", "password_last_used"), root_signed_in);

    // Neither who comes, nor who goes, nor what is used makes a difference: to the last letter.
    world.clock.advance(3_600);
    world.user("bob");
    world.refused(&alice, "ListUsers", &[], "AccessDenied");
    sign_in(&world, Some("alice"));
    world.ok(admin, "DeleteLoginProfile", &[("UserName", "alice")]);
    settle(&world);
    let complete = world.ok(admin, "GenerateCredentialReport", &[]);
    assert_eq!(
        (complete["State"].as_str(), &complete["Description"]),
        (Some("COMPLETE"), &Value::Null)
    );
    assert_eq!(world.ok(admin, "GetCredentialReport", &[]), answer);

    // After four hours it has expired; a clock that was set back makes none of tomorrow.
    world.clock.set(generated.plus_seconds(4 * 3_600 - 1));
    assert_eq!(world.ok(admin, "GetCredentialReport", &[]), answer);
    world.refused(admin, "GetCredentialReport", &[], "ReportExpired");
    world.clock.set(generated.plus_seconds(-5 * 3_600));
    world.refused(admin, "GetCredentialReport", &[], "ReportExpired");
    world.clock.set(generated.plus_seconds(5 * 3_600));
    assert_eq!(world.ok(admin, "GenerateCredentialReport", &[])["State"], "STARTED");
    let second = report(&world, None);
    assert_eq!(second.len(), first.len() + 1);
    assert_eq!(cell(&second, "alice", "password_enabled"), "false");
    assert_ne!(cell(&second, "alice", "access_key_1_last_used_date"), "N/A");

    // Of any moment, without having been generated.
    let then = world.moment(&generated.to_string());
    assert_eq!(report(&world, then), first);
    let shown = world.ask(admin, "GenerateCredentialReport", &[], then).unwrap();
    assert_eq!(shown["State"], "COMPLETE");
    let refused = world.ask(admin, "GetCredentialReport", &[], world.moment("2025-01-01"));
    assert_eq!(refused.unwrap_err().code, "NoSuchEntity");
}

#[test]
fn a_report_waits_for_another_one_and_then_says_so() {
    let world = World::new(83);
    let reports = domesday::service::reports::Reports::new(
        world.service.projections().clone(),
        std::sync::Arc::new(domesday::base::random::SeededRandom::new(1)),
    );
    let turn = reports.turn().unwrap();
    assert_eq!(reports.turn().err().unwrap().code, "ReportInProgress");
    drop(turn);
    assert!(reports.turn().is_ok());
}

#[test]
fn when_a_password_was_last_used_is_told_of_who_has_one() {
    let world = World::new(84);
    let admin = &world.admin;
    world.ok(admin, "CreateUser", &[("UserName", "alice")]);
    let of = ("UserName", "alice");
    let before = world.head();
    world.ok(admin, "CreateLoginProfile", &[of, ("Password", "Correct-Horse-7")]);
    let used = |moment| {
        let get = world.ask(admin, "GetUser", &[of], moment).unwrap()["User"].take();
        let listed = world.ask(admin, "ListUsers", &[], moment).unwrap()["Users"].take();
        assert_eq!(listed[1]["UserName"], "alice");
        assert_eq!(listed[1]["PasswordLastUsed"], get["PasswordLastUsed"]);
        assert_eq!(listed[0]["PasswordLastUsed"], Value::Null);
        get["PasswordLastUsed"].as_str().map(str::to_owned)
    };
    assert_eq!(used(None), None);
    let at = sign_in(&world, Some("alice")).replace("+00:00", "Z");
    settle(&world);
    assert_eq!(used(None), Some(at.clone()));
    world.clock.advance(120);
    let between = world.service.clock().now();
    world.clock.advance(300);
    sign_in(&world, Some("alice"));
    settle(&world);
    assert_ne!(used(None), Some(at.clone()));
    assert_eq!(used(world.moment(&between.to_string())), Some(at));
    assert_eq!(used(world.moment(&format!("@{before}"))), None);
}
