//! Who could do something: by themselves, through roles, under conditions; and how long the answer takes.

use std::time::Instant;

use domesday::projection::Cut;
use domesday::service::audit::{can, who_can};
use domesday::service::moment::Range;
use serde_json::Value;

use super::world::World;

fn ask(world: &World, action: &str, resource: &str, position: Option<u64>) -> Value {
    let account = world.caller(&world.admin).unwrap().account;
    let ask = who_can::Ask {
        action: action.into(),
        resource: resource.into(),
        context: vec![],
        range: Range::default(),
        escalation: false,
    };
    let position = position.unwrap_or_else(|| world.head());
    let view = world.service.projections().at(Cut { position, time: None });
    who_can::who_can(&world.service, account, &view, &ask).unwrap()
}

/// Name, roles on the way, whether it is conditional.
fn rows(answer: &Value) -> Vec<(String, String, bool)> {
    let row = |one: &Value| {
        let via: Vec<&str> =
            one["via"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
        (one["name"].as_str().unwrap().to_owned(), via.join(" "), one["conditional"] == true)
    };
    answer["principals"].as_array().unwrap().iter().map(row).collect()
}

fn role(world: &World, name: &str, trusted: &str, condition: &str, action: Option<&str>) -> String {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:{trusted}"}},"Action":"sts:AssumeRole"{condition}}}]}}"#,
        world.digits
    );
    let parameters = [("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
    let made = world.ok(&world.admin, "CreateRole", &parameters);
    if let Some(action) = action {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        );
        let put = [("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", &document)];
        world.ok(&world.admin, "PutRolePolicy", &put);
    }
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

#[test]
fn everybody_is_found_by_the_surest_way() {
    let world = World::new(51);
    for user in ["direct", "named", "delegated", "idle", "chained", "office", "denied"] {
        world.user(user);
    }
    world.allow("direct", "s3:GetObject", "arn:aws:s3:::b/*");
    let reader = role(&world, "reader", "user/named", "", Some("s3:Get*"));
    // The account is trusted: an own permission is needed as well.
    let shared = role(&world, "shared", "root", "", Some("s3:*"));
    world.allow("delegated", "sts:AssumeRole", &shared);
    // Two steps: chained -> first -> reader does not hold, since reader trusts only a user; first -> second.
    let first = role(&world, "first", "user/chained", "", Some("sts:AssumeRole"));
    let second = role(&world, "second", "role/first", "", Some("s3:GetObject"));
    // Under a condition that nobody can settle.
    let external = r#","Condition":{"StringEquals":{"sts:ExternalId":"x"}}"#;
    role(&world, "partner", "user/office", external, Some("s3:GetObject"));
    // A denial of its own does not keep somebody from a role, one of the role's does.
    let none = role(&world, "none", "user/denied", "", None);
    assert!([reader, first, second, none].iter().all(|arn| arn.starts_with("arn:")));

    let before = world.head();
    let answer = ask(&world, "s3:GetObject", "arn:aws:s3:::b/k", None);
    let found = rows(&answer);
    let expected = [
        ("root", "", false),
        ("user/admin", "", false),
        ("user/direct", "", false),
        ("user/named", "role/reader", false),
        ("user/delegated", "role/shared", false),
        ("user/chained", "role/first role/second", false),
        ("user/office", "role/partner", true),
        ("role/first", "role/second", false),
        ("role/reader", "", false),
        ("role/shared", "", false),
        ("role/second", "", false),
        ("role/partner", "", false),
    ];
    for (name, via, conditional) in expected {
        let wanted = (name.to_owned(), via.to_owned(), conditional);
        // `first` may assume anything, `shared` with it: as short a way as over `second`.
        let close = |one: &(String, String, bool)| one.0 == name && one.2 == conditional;
        let chained = ["user/chained", "role/first"].contains(&name);
        assert!(
            found.contains(&wanted) || (chained && found.iter().any(close)),
            "{wanted:?} {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let office =
        answer["principals"].as_array().unwrap().iter().find(|p| p["name"] == "user/office");
    assert_eq!(office.unwrap()["missing_context"], serde_json::json!(["sts:ExternalId"]));

    // Whoever is found by itself is whoever `can` says may, at any moment.
    let gone = [("RoleName", "reader"), ("PolicyName", "p")];
    world.ok(&world.admin, "DeleteRolePolicy", &gone);
    let now = rows(&ask(&world, "s3:GetObject", "arn:aws:s3:::b/k", None));
    assert!(!now.iter().any(|(name, ..)| name == "user/named" || name == "role/reader"));
    assert_eq!(rows(&ask(&world, "s3:GetObject", "arn:aws:s3:::b/k", Some(before))), found);
    let account = world.caller(&world.admin).unwrap().account;
    for (name, via, conditional) in now {
        let asked = can::Ask {
            principal: name.clone(),
            action: "s3:GetObject".into(),
            resource: "arn:aws:s3:::b/k".into(),
            context: vec![],
        };
        let can = can::can(&world.service, account, &world.service.now(), &asked).unwrap();
        assert_eq!(via.is_empty() && !conditional, can["decision"] == "allowed", "{name}");
    }
}

/// As many users as an account may have, a tenth of them in a group that may assume roles. A debug build has
/// ten times the second that a release has.
#[test]
fn a_full_account_is_answered_at_once() {
    let world = World::new(52);
    let principals = 5_000;
    world.ok(&world.admin, "CreateGroup", &[("GroupName", "staff")]);
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","sts:AssumeRole"],"Resource":"*"}]}"#;
    let put = [("GroupName", "staff"), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutGroupPolicy", &put);
    for number in 0..principals - 1 {
        let name = format!("u{number}");
        world.ok(&world.admin, "CreateUser", &[("UserName", &name)]);
        if number % 10 == 0 {
            world.ok(
                &world.admin,
                "AddUserToGroup",
                &[("GroupName", "staff"), ("UserName", &name)],
            );
        }
    }
    for number in 0..20 {
        role(&world, &format!("r{number}"), "root", "", Some("dynamodb:GetItem"));
    }
    // Roles that each trust somebody by name: nobody else is asked about them.
    for number in 0..200 {
        let trusted = format!("user/u{}", number + 1);
        role(&world, &format!("n{number}"), &trusted, "", Some("dynamodb:GetItem"));
    }
    let began = Instant::now();
    let answer = ask(&world, "dynamodb:GetItem", "*", None);
    let took = began.elapsed();
    let found = rows(&answer);
    assert_eq!(found.len(), 2 + 220 + 500 + 180, "root, admin, roles, staff and the named");
    println!("{} principals in {took:?}", answer["examined"]);
    assert!(took.as_secs_f64() < 10.0, "{took:?}");
}
