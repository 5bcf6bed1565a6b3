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

#[test]
fn those_of_other_accounts_are_told_by_whom_roles_trust() {
    let world = World::new(57);
    let make = |name: &str, statements: &str, action: Option<&str>| {
        let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let made = [("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
        world.ok(&world.admin, "CreateRole", &made);
        let Some(action) = action else { return };
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        );
        let put = [("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", &document)];
        world.ok(&world.admin, "PutRolePolicy", &put);
    };
    let aws = |effect: &str, whom: &str, more: &str| {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":"{whom}"}},"Action":"sts:AssumeRole"{more}}}"#
        )
    };
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    make("open", &aws("Allow", &root("222222222222"), ""), Some("s3:Get*"));
    let external = r#","Condition":{"StringEquals":{"sts:ExternalId":"x"}}"#;
    make("keyed", &aws("Allow", &root("333333333333"), external), Some("s3:*"));
    // Who is denied by name is not trusted, whatever else is said.
    let both = [aws("Allow", "*", ""), aws("Deny", &root("444444444444"), "")].join(",");
    let only =
        r#","Condition":{"StringEquals":{"aws:PrincipalAccount":["444444444444","555555555555"]}}"#;
    let some = [aws("Allow", &root("444444444444"), ""), aws("Allow", &root("555555555555"), "")];
    let some = [some.join(","), aws("Deny", &root("444444444444"), "")].join(",");
    make("some", &some, Some("s3:GetObject"));
    make("none", &aws("Allow", &root("666666666666"), ""), Some("sqs:*"));
    let web = r#"{"Effect":"Allow","Principal":{"Federated":"ci.example.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"ci.example.com:sub":"x"}}}"#;
    make("web", web, Some("s3:GetObject"));
    let service = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
    make("machine", service, Some("s3:GetObject"));
    // Through two roles, the second of which trusts the first.
    make("hop", &aws("Allow", &root("777777777777"), ""), None);
    role(&world, "behind", "role/hop", "", Some("s3:GetObject"));

    let outsiders = |action: &str, resource: &str| -> Vec<(String, String, bool)> {
        let answer = ask(&world, action, resource, None);
        rows(&serde_json::json!({ "principals": answer["outsiders"] }))
    };
    let row = |name: &str, via: &str, conditional| (name.to_owned(), via.to_owned(), conditional);
    let expected = vec![
        row(&root("222222222222"), "role/open", false),
        row(&root("333333333333"), "role/keyed", true),
        row(&root("555555555555"), "role/some", false),
        row(&root("777777777777"), "role/hop role/behind", false),
        row("ci.example.com", "role/web", true),
    ];
    assert_eq!(outsiders("s3:GetObject", "arn:aws:s3:::b/k"), expected);
    let none = format!("arn:aws:iam::{}:role/none", world.digits);
    assert_eq!(outsiders("sts:AssumeRole", &none), [row(&root("666666666666"), "", false)]);
    // Everybody, under a condition on the account that it hangs on.
    make("all", &aws("Allow", "*", only), Some("sns:Publish"));
    assert_eq!(outsiders("sns:Publish", "*"), [row("*", "role/all", true)]);
    make("most", &both, Some("sns:Subscribe"));
    // As every role here: so whoever comes in by another one does, too, a step longer.
    let all = outsiders("sns:Subscribe", "*");
    assert_eq!(all[0], row("*", "role/most", false));
    assert_eq!(all[1], row(&root("222222222222"), "role/open role/most", false));
    // The organization of the roles' account has a say, that of the outsiders is not known.
    let deny = serde_json::json!({ "rcp": [[{ "name": "own alone", "document":
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"222222222222"}}}]}"# }]] });
    let account = world.caller(&world.admin).unwrap().account;
    let operator = world.service.operator("test", account).unwrap();
    domesday::service::audit::act(&world.service, &operator, "organization-set", deny).unwrap();
    let left =
        [row(&root("222222222222"), "role/open", false), row("ci.example.com", "role/web", true)];
    assert_eq!(outsiders("s3:GetObject", "arn:aws:s3:::b/k"), left);
}
