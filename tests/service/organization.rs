//! The organisation's policies bind an account from the event that set them on, and not before.

use domesday::ledger::AccountId;
use domesday::projection::Cut;
use domesday::service::audit::{self, Question, can::Ask};
use domesday::service::organization;
use serde_json::{Value, json};

use super::world::{Key, World};

fn account(world: &World) -> AccountId {
    world.caller(&world.admin).unwrap().account
}

fn set(world: &World, scp: &[&[&str]], rcp: &[&str]) {
    let policy = |text: &&str| json!({ "name": "p", "document": text });
    let scp: Vec<Value> = scp.iter().map(|level| level.iter().map(policy).collect()).collect();
    let rcp: Vec<Value> = rcp.iter().map(policy).collect();
    let rcp = if rcp.is_empty() { json!([]) } else { json!([rcp]) };
    let body = json!({ "scp": scp, "rcp": rcp });
    organization::set(&world.service, account(world), &body, "0@test").unwrap();
}

const FULL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const NO_USERS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}]}"#;
const NO_ROLES: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}"#;

#[test]
fn levels_bind_from_their_event_on() {
    let world = World::new(41);
    let create = |name: &str| world.ok(&world.admin, "CreateUser", &[("UserName", name)]);
    create("before");
    let before = world.head();

    // A denial on any level; the message names the kind of policy.
    set(&world, &[&[FULL], &[FULL, NO_USERS]], &[]);
    let message = world.refused(&world.admin, "CreateUser", &[("UserName", "x")], "AccessDenied");
    assert!(message.contains("with an explicit deny in a service control policy"), "{message}");
    world.ok(&world.admin, "ListUsers", &[]);

    // The root user is bound as well.
    let ask = |principal: &str, position: Option<u64>| {
        let ask = Ask {
            principal: principal.into(),
            action: "iam:CreateUser".into(),
            resource: "*".into(),
            context: vec![],
        };
        let position = position.unwrap_or_else(|| world.head());
        let view = world.service.projections().at(Cut { position, time: None });
        audit::can::can(&world.service, account(&world), &view, &ask).unwrap()["decision"].clone()
    };
    assert_eq!(ask("root", None), "explicitDeny");
    assert_eq!(ask("admin", None), "explicitDeny");
    assert_eq!(
        (ask("root", Some(before)), ask("admin", Some(before))),
        ("allowed".into(), "allowed".into())
    );

    // A level without policies allows nothing; without levels there is no organisation.
    set(&world, &[&[FULL], &[]], &[]);
    let message = world.refused(&world.admin, "ListUsers", &[], "AccessDenied");
    assert!(message.contains("because no service control policy allows"), "{message}");
    set(&world, &[], &[]);
    create("after");
}

#[test]
fn resource_control_reaches_sts_and_not_iam() {
    let world = World::new(42);
    let alice = world.user("alice");
    world.allow("alice", "sts:AssumeRole", "*");
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"sts:AssumeRole"}}]}}"#,
        world.digits
    );
    let parameters = [("RoleName", "r"), ("AssumeRolePolicyDocument", trust.as_str())];
    let made = world.ok(&world.admin, "CreateRole", &parameters);
    let arn = made["Role"]["Arn"].as_str().unwrap();
    let assume = [("RoleArn", arn), ("RoleSessionName", "work")];
    let _: Key = Key::of(&world.ok(&alice, "AssumeRole", &assume));
    set(&world, &[], &[NO_ROLES]);
    let message = world.refused(&alice, "AssumeRole", &assume, "AccessDenied");
    assert!(message.contains("with an explicit deny in a resource control policy"), "{message}");
    world.ok(&world.admin, "ListUsers", &[]);
}

#[test]
fn what_is_shown_can_be_set_and_wrong_bodies_change_nothing() {
    let world = World::new(43);
    set(&world, &[&[FULL, NO_USERS]], &[NO_ROLES]);
    let head = world.head();
    let view = world.service.projections().now();
    let shown = organization::show(&view, account(&world)).unwrap();
    assert_eq!(shown["scp"][0][1]["policy"]["Statement"][0]["Action"], "iam:CreateUser");
    assert_eq!(shown["rcp"][0][0]["name"], "p");
    for (body, what) in [
        (json!({ "scp": {} }), "levels"),
        (json!({ "scp": [[{ "name": "p" }]] }), "a name and a document"),
        (json!({ "scp": [[{ "name": "p", "document": "{" }]] }), "line 1"),
        (json!({ "rcp": [[{ "name": "p", "document": FULL }]] }), "p, line"),
        (json!({ "scp": vec![json!([]); 8] }), "at most 7 levels"),
        (json!({ "spc": [] }), "no member"),
        (json!({ "scp": [vec![json!({ "name": "p", "document": FULL }); 6]] }), "at most 5"),
        (
            json!({ "scp": [[{ "name": "p", "document": format!("{FULL}{}", " ".repeat(5_120)) }]] }),
            "longer",
        ),
    ] {
        let refused = organization::set(&world.service, account(&world), &body, "0@test");
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
    assert_eq!(world.head(), head);
    assert_eq!(Question::parse("organization", &[]).unwrap(), Question::Organization);
}

#[test]
fn simulations_are_bound_by_the_levels_of_their_moment() {
    let world = World::new(43);
    world.user("alice");
    world.allow("alice", "*", "*");
    let before = world.moment(&format!("@{}", world.head()));
    set(&world, &[&[FULL], &[FULL, NO_USERS]], &[]);
    let alice = format!("arn:aws:iam::{}:user/alice", world.digits);
    let simulate = |moment, exclusion: &[(&str, &str)]| {
        let action = ("ActionNames.member.1", "iam:CreateUser");
        let asked = [("PolicySourceArn", alice.as_str()), action];
        let parameters = [&asked[..], exclusion].concat();
        let answer = world.ask(&world.admin, "SimulatePrincipalPolicy", &parameters, moment);
        let mut answer = answer.unwrap();
        let result = answer["EvaluationResults"][0].take();
        let allowed = result["OrganizationsDecisionDetail"]["AllowedByOrganizations"].clone();
        (result["EvalDecision"].clone(), allowed)
    };
    assert_eq!(simulate(None, &[]), ("explicitDeny".into(), false.into()));
    assert_eq!(simulate(before, &[]), ("allowed".into(), Value::Null));
    let without = [("PolicyExclusionList.member.1.PolicyType", "scp")];
    assert_eq!(simulate(None, &without), ("allowed".into(), Value::Null));
    set(&world, &[&[FULL], &[FULL]], &[]);
    assert_eq!(simulate(None, &[]), ("allowed".into(), true.into()));
}
