//! What the managed policies of every account grant: an auditor reads everything at any time and changes nothing.

use domesday::policy::catalogue;
use domesday::service::audit::escalation::{self, Goal};
use domesday::service::audit::evidence;
use domesday::service::audit::{self, Question};
use domesday::service::exports::{self, Kind};
use domesday::service::fault::Fault;
use domesday::service::reports::named::Name;
use serde_json::{Value, json};

use super::exports::Held;
use super::world::{Key, World};

const AUDITOR: &str = "arn:aws:iam::aws:policy/DomesdayAuditor";
const REVIEWER: &str = "arn:aws:iam::aws:policy/DomesdayReviewer";

/// A user whom nothing but a policy was attached to.
fn holder(world: &World, name: &str, policy: &str) -> Key {
    let key = world.user(name);
    let attach = [("UserName", name), ("PolicyArn", policy)];
    world.ok(&world.admin, "AttachUserPolicy", &attach);
    key
}

/// Every question there is, with parameters that it takes.
fn questions() -> Vec<(String, Vec<(String, String)>)> {
    let who = ("principal", "admin");
    let what = [("action", "iam:CreateUser"), ("resource", "*")];
    let attach = ("attach", AUDITOR);
    let mut all: Vec<(String, Vec<(&str, &str)>)> = vec![
        ("head".into(), vec![]),
        ("events".into(), vec![("outcome", "denied")]),
        ("events".into(), vec![("person", "admin")]),
        ("show".into(), vec![("thing", "user/admin")]),
        ("can".into(), vec![who, what[0], what[1]]),
        ("access".into(), vec![who, what[0], what[1]]),
        ("who-can".into(), vec![what[0], what[1], ("escalation", "true")]),
        ("who-can".into(), vec![what[0], what[1], ("during", "2026")]),
        ("diff".into(), vec![("from", "@2")]),
        ("replay".into(), vec![]),
        ("replay".into(), vec![("now", "true")]),
        ("what-if".into(), vec![attach, ("to", "user/admin")]),
        ("organization".into(), vec![]),
        ("key".into(), vec![]),
        ("checkpoint".into(), vec![]),
        ("proofs/2".into(), vec![]),
    ];
    all.extend(Name::ALL.iter().map(|name| (format!("reports/{}", name.text()), vec![])));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    all.into_iter().map(|(name, given)| (name, given.into_iter().map(owned).collect())).collect()
}

/// Asks as somebody, also for evidence, now and of a moment before.
fn ask(
    world: &World,
    key: &Key,
    name: &str,
    given: &[(String, String)],
) -> Vec<Result<Value, Fault>> {
    let past = world.moment(&format!("@{}", world.head() - 1));
    let question = || Question::parse(name, given).unwrap();
    let caller = world.caller(key).unwrap();
    vec![
        audit::run(&world.service, &caller, question(), None),
        audit::run(&world.service, &caller, question(), past),
        evidence::run(&world.service, &caller, name, given, None),
    ]
}

/// A row for each question that there is: a new one must be asked here, too.
fn row(question: &Question) -> usize {
    match question {
        Question::Head => 0,
        Question::Events(_) => 1,
        Question::Show { .. } => 2,
        Question::Can(_) => 3,
        Question::Access(_) => 4,
        Question::WhoCan(_) => 5,
        Question::Diff(_) => 6,
        Question::Replay(_) => 7,
        Question::WhatIf(_) => 8,
        Question::Report(_) => 9,
        Question::Organization => 10,
        Question::Key => 11,
        Question::Checkpoint => 12,
        Question::Proof(_) => 13,
    }
}

#[test]
fn an_auditor_asks_every_question_and_exports_everything() {
    let world = World::new(801);
    let auditor = holder(&world, "auditor", AUDITOR);
    let nobody = world.user("nobody");
    let mut asked = [false; 14];
    for (name, given) in questions() {
        asked[row(&Question::parse(&name, &given).unwrap())] = true;
        for answer in ask(&world, &auditor, &name, &given) {
            answer.unwrap_or_else(|fault| panic!("{name} {given:?}: {fault}"));
        }
        for answer in ask(&world, &nobody, &name, &given) {
            assert_eq!(answer.unwrap_err().code, "AccessDenied", "{name}");
        }
    }
    assert_eq!(asked, [true; 14]);
    let export = |key: &Key, kind: Kind, at: Option<&str>| {
        let receipts = !matches!(kind, Kind::Csv | Kind::AuthorizationDetails);
        let ask = exports::Ask { kind, from: None, to: None, receipts };
        let (caller, mut held) = (world.caller(key).unwrap(), Held::default());
        let at = at.and_then(|at| world.moment(at));
        exports::run(&world.service, &caller, &ask, at, &mut held)
    };
    for kind in Kind::ALL {
        for at in [None, Some("@5")] {
            export(&auditor, kind, at).unwrap_or_else(|fault| panic!("{}: {fault}", kind.name()));
            assert_eq!(export(&nobody, kind, at).unwrap_err().code, "AccessDenied");
        }
    }
    let reviewer = holder(&world, "reviewer", REVIEWER);
    for (name, given) in questions() {
        assert!(ask(&world, &reviewer, &name, &given).into_iter().all(|one| one.is_ok()), "{name}");
    }
    assert_eq!(export(&reviewer, Kind::Csv, None).unwrap_err().code, "AccessDenied");
}

#[test]
fn an_auditor_reads_all_of_iam_and_changes_nothing() {
    let world = World::new(802);
    let auditor = holder(&world, "auditor", AUDITOR);
    let of = ("UserName", "admin");
    for (operation, parameters) in [
        ("GetCallerIdentity", &[][..]),
        ("ListUsers", &[]),
        ("GetUser", &[of]),
        ("ListAccessKeys", &[of]),
        ("GenerateCredentialReport", &[]),
        ("GetAccountAuthorizationDetails", &[]),
    ] {
        world.ok(&auditor, operation, parameters);
    }
    world.ask(&auditor, "ListUsers", &[], world.moment("@4")).unwrap();
    let head = world.head();
    for (operation, parameters) in [
        ("CreateUser", &[("UserName", "eve")][..]),
        ("DeleteUser", &[of]),
        ("CreateAccessKey", &[of]),
        ("AttachUserPolicy", &[("UserName", "auditor"), ("PolicyArn", REVIEWER)]),
        ("DetachUserPolicy", &[("UserName", "auditor"), ("PolicyArn", AUDITOR)]),
        ("TagUser", &[of, ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")]),
        ("CreateGroup", &[("GroupName", "g")]),
        ("UpdateAccountPasswordPolicy", &[]),
    ] {
        world.refused(&auditor, operation, parameters, "AccessDenied");
    }
    assert_eq!(world.head(), head);

    // Of each action that the catalogue knows: what reads is allowed, what changes something is not.
    let can = |who: &str, action: &str| {
        let given = [("principal", who), ("action", action), ("resource", "*")];
        super::log::ask(&world, "can", &given, None)["decision"] == "allowed"
    };
    for prefix in ["iam", "domesday"] {
        for action in &catalogue::service(prefix).unwrap().actions {
            let name = format!("{prefix}:{}", action.name);
            assert_eq!(can("auditor", &name), !action.level.changes(), "{name}");
        }
    }
    let account = world.caller(&world.admin).unwrap().account;
    let (view, goal) = (world.service.now(), Goal::administrator(&world.digits));
    let found = escalation::paths(world.service.documents(), &view, account, &goal, &[]).unwrap();
    let told: Vec<String> = found.ways.iter().map(|way| way.who.called()).collect();
    assert_eq!(told, ["root", "user/admin"]);
}

#[test]
fn the_policies_are_managed_policies_like_others() {
    let world = World::new(803);
    let admin = &world.admin;
    for (arn, name) in [(AUDITOR, "DomesdayAuditor"), (REVIEWER, "DomesdayReviewer")] {
        let policy = world.ok(admin, "GetPolicy", &[("PolicyArn", arn)])["Policy"].take();
        assert_eq!((&policy["PolicyName"], &policy["Arn"]), (&json!(name), &json!(arn)));
        assert_eq!(policy["DefaultVersionId"], "v1");
        assert!(policy["PolicyId"].as_str().unwrap().starts_with("ANPA"));
        let version = [("PolicyArn", arn), ("VersionId", "v1")];
        let version = world.ok(admin, "GetPolicyVersion", &version);
        assert!(version["PolicyVersion"]["Document"].as_str().unwrap().contains("domesday"));
        for scope in ["AWS", "All"] {
            let (mut marker, mut found) = (String::new(), false);
            loop {
                let mut given = vec![("Scope", scope), ("MaxItems", "1000")];
                if !marker.is_empty() {
                    given.push(("Marker", &marker));
                }
                let page = world.ok(admin, "ListPolicies", &given);
                let policies = page["Policies"].as_array().unwrap();
                found |= policies.iter().any(|policy| policy["Arn"] == arn);
                match page["Marker"].as_str() {
                    Some(next) => marker = next.to_owned(),
                    None => break,
                }
            }
            assert!(found, "{name} in {scope}");
        }
    }
    // To groups and roles, too; it is there before anybody attached it.
    world.ok(admin, "CreateGroup", &[("GroupName", "auditors")]);
    let attach = [("GroupName", "auditors"), ("PolicyArn", AUDITOR)];
    world.ok(admin, "AttachGroupPolicy", &attach);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    world.ok(admin, "CreateRole", &[("RoleName", "audit"), ("AssumeRolePolicyDocument", trust)]);
    world.ok(admin, "AttachRolePolicy", &[("RoleName", "audit"), ("PolicyArn", AUDITOR)]);
    let then = world.moment("@3");
    assert!(world.ask(admin, "GetPolicy", &[("PolicyArn", AUDITOR)], then).is_ok());
}
