//! Replay and what-if: recorded decisions decided again in one go, held against deciding each by itself, and
//! changes that are tried, held against making them.

use std::collections::BTreeMap;

use domesday::service::activity::receipt::{Kind, Receipt};
use domesday::service::audit::replay::decide::decided;
use domesday::service::audit::replay::{Replay, replay};
use serde_json::Value;

use super::log::{ask, history};
use super::reports::settle;
use super::world::World;

fn count(answer: &Value, name: &str) -> u64 {
    answer[name].as_u64().unwrap_or_else(|| panic!("{name}: {answer}"))
}

#[test]
fn whatever_was_decided_is_decided_so_again() {
    for seed in 310..313 {
        let world = history(seed, 150);
        settle(&world);
        let answer = ask(&world, "replay", &[], None);
        let naive = world.receipts();
        let mut same = 0;
        for (number, receipt) in &naive {
            match replay(&world.service, receipt).unwrap() {
                Replay::Same => same += 1,
                Replay::NoDecision => {}
                other => panic!("receipt {number}: {other:?}"),
            }
        }
        assert!(same > 150);
        // The question itself leaves a receipt before it is answered.
        let last = answer["last_receipt"].as_u64().unwrap();
        let known = naive.iter().filter(|(number, _)| *number <= last).count() as u64;
        assert_eq!(count(&answer, "receipts"), known);
        assert_eq!(count(&answer, "different") + count(&answer, "evaluator_changed"), 0);
        assert_eq!(count(&answer, "erased"), 0);
        assert_eq!(answer["truncated"], false);
        let of_ann = ask(&world, "replay", &[("principal", "ann")], None);
        assert!(count(&of_ann, "receipts") > 10 && count(&of_ann, "receipts") < known);
    }
}

#[test]
fn a_wrong_answer_is_found_and_another_evaluator_told_apart() {
    let world = World::new(314);
    let ann = world.user("ann");
    world.allow("ann", "iam:GetUser", "*");
    world.ok(&ann, "GetUser", &[("UserName", "ann")]);
    settle(&world);
    let (_, honest) =
        world.receipts().into_iter().rfind(|(_, receipt)| receipt.action == "iam:GetUser").unwrap();
    assert_eq!(replay(&world.service, &honest).unwrap(), Replay::Same);
    let book = world.service.activity();
    let forged = Receipt { kind: Kind::ExplicitDeny, request: "forged".into(), ..honest.clone() };
    let older = Receipt { evaluator: 0, request: "older".into(), ..forged.clone() };
    book.note_durably(forged, Vec::new()).unwrap();
    book.note_durably(older, Vec::new()).unwrap();
    let answer = ask(&world, "replay", &[], None);
    assert_eq!(count(&answer, "different"), 1);
    assert_eq!(count(&answer, "evaluator_changed"), 1);
    let listed = answer["differences"].as_array().unwrap();
    let requests: Vec<&str> = listed.iter().map(|one| one["request"].as_str().unwrap()).collect();
    assert_eq!(requests, ["forged", "older"]);
    assert_eq!(listed[0]["then"], "explicitDeny");
    assert_eq!(listed[0]["again"], "allowed");
    assert_eq!(listed[0]["principal"]["name"], "user/ann");
    assert_eq!(listed[0]["event"], honest.position);
    assert_eq!(listed[1]["evaluator_changed"], true);
    let few = ask(&world, "replay", &[("limit", "1")], None);
    assert_eq!(few["differences"].as_array().unwrap().len(), 1);
    assert_eq!(few["truncated"], true);
    // The forgeries are not to fail the world's own replay at its end.
    let mut world = world;
    world.replays = false;
}

/// Every recorded decision that was not about the audit, by its receipt, as it would come out now.
fn outcomes_now(world: &World) -> BTreeMap<u64, String> {
    let answer = ask(world, "replay", &[("now", "true"), ("limit", "1000")], None);
    let mut outcomes = BTreeMap::new();
    let differing: BTreeMap<u64, String> = answer["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["receipt"].as_u64().unwrap(), one["again"].as_str().unwrap().to_owned()))
        .collect();
    for (number, receipt) in world.receipts() {
        if let Some(then) = decided(receipt.kind) {
            let then = if then == Kind::Allowed { "allowed" } else { "denied" };
            let again = differing.get(&number).cloned().unwrap_or_else(|| then.to_owned());
            outcomes.insert(number, if again == "allowed" { again } else { "denied".to_owned() });
        }
    }
    outcomes
}

#[test]
fn at_the_head_what_is_no_longer_allowed_differs() {
    let world = World::new(315);
    let ann = world.user("ann");
    let ben = world.user("ben");
    world.allow("ann", "iam:GetUser", "*");
    world.allow("ben", "iam:GetUser", "*");
    world.ok(&ann, "GetUser", &[("UserName", "ann")]);
    world.refused(&ann, "ListUsers", &[], "AccessDenied");
    world.ok(&ben, "GetUser", &[("UserName", "ben")]);
    settle(&world);
    let now = ("now", "true");
    let none = ask(&world, "replay", &[now, ("principal", "ann")], None);
    assert_eq!(count(&none, "different"), 0);
    let position = format!("@{}", world.head());
    world.ok(&world.admin, "DeleteUserPolicy", &[("UserName", "ann"), ("PolicyName", "allow")]);
    let one = ask(&world, "replay", &[now, ("principal", "ann")], None);
    assert_eq!(count(&one, "different"), 1);
    assert_eq!(one["differences"][0]["action"], "iam:GetUser");
    assert_eq!(one["differences"][0]["again"], "implicitDeny");
    // As of before, it is as it was.
    let then = ask(&world, "replay", &[now, ("principal", "ann")], Some(&position));
    assert_eq!(count(&then, "different"), 0);
    // Whoever is gone is allowed nothing.
    let admin = &world.admin;
    world.ok(admin, "DeleteUserPolicy", &[("UserName", "ben"), ("PolicyName", "allow")]);
    let key = [("UserName", "ben"), ("AccessKeyId", ben.id.as_str())];
    world.ok(admin, "DeleteAccessKey", &key);
    world.ok(admin, "DeleteUser", &[("UserName", "ben")]);
    let gone = ask(&world, "replay", &[now, ("principal", "ben")], None);
    assert_eq!(gone["differences"][0]["again"], "gone");
}

#[test]
fn what_a_change_would_have_done_is_what_making_it_does() {
    let shared = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["iam:Create*","iam:Tag*"],"Resource":"*"}]}"#;
    let less = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"}]}"#;
    // What is tried, and the operations that do it.
    type Made<'a> = (&'a str, Vec<(&'a str, &'a str)>);
    let policy = |world: &World| format!("arn:aws:iam::{}:policy/some", world.digits);
    for case in 0..7usize {
        let world = history(320, 120);
        let admin = world.admin.clone();
        let arn = policy(&world);
        let wide = less.replace("iam:CreateUser", "iam:*");
        world.ok(&admin, "CreatePolicy", &[("PolicyName", "some"), ("PolicyDocument", &wide)]);
        world.ok(&admin, "CreateGroup", &[("GroupName", "crew")]);
        for user in ["ann", "ben"] {
            world.ok(&admin, "AddUserToGroup", &[("GroupName", "crew"), ("UserName", user)]);
        }
        // Ben has nothing but the managed policy.
        world.ok(&admin, "DeleteUserPolicy", &[("UserName", "ben"), ("PolicyName", "allow")]);
        world.ok(&admin, "AttachUserPolicy", &[("UserName", "ben"), ("PolicyArn", &arn)]);
        let eve = world.user("eve");
        world.refused(&eve, "GetUser", &[("UserName", "ann")], "AccessDenied");
        settle(&world);
        let (tried, made): (Vec<(&str, &str)>, Made<'_>) = match case {
            0 => (
                vec![("attach", deny), ("to", "user/ann")],
                (
                    "PutUserPolicy",
                    vec![("UserName", "ann"), ("PolicyName", "x"), ("PolicyDocument", deny)],
                ),
            ),
            1 => (
                vec![("attach", deny), ("to", "group/crew")],
                (
                    "PutGroupPolicy",
                    vec![("GroupName", "crew"), ("PolicyName", "x"), ("PolicyDocument", deny)],
                ),
            ),
            2 => (
                vec![("attach", shared), ("to", "eve")],
                ("AttachUserPolicy", vec![("UserName", "eve"), ("PolicyArn", shared)]),
            ),
            3 => (
                vec![("detach", &arn), ("from", "ben")],
                ("DetachUserPolicy", vec![("UserName", "ben"), ("PolicyArn", &arn)]),
            ),
            4 => (
                vec![("detach", "allow"), ("from", "user/ann")],
                ("DeleteUserPolicy", vec![("UserName", "ann"), ("PolicyName", "allow")]),
            ),
            5 => (
                vec![("version", less), ("of", &arn)],
                (
                    "CreatePolicyVersion",
                    vec![("PolicyArn", &arn), ("PolicyDocument", less), ("SetAsDefault", "true")],
                ),
            ),
            _ => (
                vec![("detach", "all"), ("from", "role/deploy")],
                ("DeleteRolePolicy", vec![("RoleName", "deploy"), ("PolicyName", "all")]),
            ),
        };
        let before = outcomes_now(&world);
        let head = world.head();
        let mut asked = tried.clone();
        asked.push(("limit", "1000"));
        let answer = ask(&world, "what-if", &asked, None);
        assert_eq!(world.head(), head, "nothing is changed");
        let last = *before.keys().last().unwrap();
        world.ok(&admin, made.0, &made.1);
        let after = outcomes_now(&world);
        let mut expected = BTreeMap::new();
        for (number, outcome) in before.iter().filter(|(number, _)| **number <= last) {
            if after[number] != *outcome {
                expected.insert(*number, after[number].clone());
            }
        }
        let decisions = answer["decisions"].as_array().unwrap();
        let found: BTreeMap<u64, String> = decisions
            .iter()
            .map(|one| {
                let with = if one["with"] == "allowed" { "allowed" } else { "denied" };
                (one["receipt"].as_u64().unwrap(), with.to_owned())
            })
            .filter(|(number, _)| *number <= last)
            .collect();
        assert_eq!(found, expected, "case {case}: {tried:?}");
        assert!(!expected.is_empty(), "case {case} shows nothing");
        let of = |what: &str| found.values().filter(|found| *found == what).count() as u64;
        assert_eq!(count(&answer, "would_deny"), of("denied"));
        assert_eq!(count(&answer, "would_allow"), of("allowed"));
        if case == 0 {
            let none = ask(&world, "what-if", &[tried[0], tried[1], ("over", "2030-01-01")], None);
            assert_eq!(count(&none, "examined"), 0);
        }
    }
}

#[test]
fn what_cannot_be_tried_says_why() {
    use domesday::service::audit::{self, Question};
    let world = World::new(330);
    world.user("ann");
    let refused = |given: &[(&str, &str)]| {
        let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let caller = world.caller(&world.admin).unwrap();
        let outcome = Question::parse("what-if", &given)
            .and_then(|question| audit::run(&world.service, &caller, question, None));
        outcome.unwrap_err().code
    };
    let none = "arn:aws:iam::aws:policy/Nothing";
    assert_eq!(refused(&[]), "ValidationError");
    assert_eq!(refused(&[("attach", none)]), "ValidationError");
    assert_eq!(refused(&[("attach", none), ("to", "ann")]), "NoSuchEntity");
    assert_eq!(refused(&[("attach", "{"), ("to", "ann")]), "MalformedPolicyDocument");
    assert_eq!(refused(&[("detach", "none"), ("from", "ann")]), "NoSuchEntity");
    assert_eq!(refused(&[("attach", "{}"), ("to", "nobody")]), "NoSuchEntity");
    assert_eq!(refused(&[("version", "{}"), ("of", none)]), "MalformedPolicyDocument");
    let both = [("attach", none), ("to", "ann"), ("detach", none), ("from", "ann")];
    assert_eq!(refused(&both), "ValidationError");
}
