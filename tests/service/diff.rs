//! Permissions gained and lost: between moments, by what would be done, and held against deciding one by one.

use std::collections::BTreeSet;

use domesday::base::form_tree::Form;
use domesday::base::random::SeededRandom;
use domesday::ledger::AccountId;
use domesday::projection::directory::Directory;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::service::Call;
use domesday::service::audit::diff::Whom;
use domesday::service::audit::{self, Question, names};
use domesday::service::fault::Fault;
use domesday::service::operation::Api;
use serde_json::Value;

use super::access;
use super::world::World;

fn diff(world: &World, parameters: &[(&str, &str)]) -> Value {
    try_diff(world, parameters).unwrap()
}

fn try_diff(world: &World, parameters: &[(&str, &str)]) -> Result<Value, Fault> {
    let given: Vec<_> =
        parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let question = Question::parse("diff", &given).unwrap();
    let caller = world.caller(&world.admin).unwrap();
    audit::run(&world.service, &caller, question, None)
}

/// `user/alice + s3:Get* on *` for each permission, conditional ones with a question mark; and
/// `user/alice ~ s3:Get* on *: Allow if ... -> Allow if ...` for each that is held under other conditions.
fn lines(answer: &Value) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for principal in answer["principals"].as_array().unwrap() {
        for (member, sign) in [("gained", '+'), ("lost", '-')] {
            for permission in principal[member].as_array().unwrap() {
                let actions: Vec<&str> = permission["actions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|a| a.as_str().unwrap())
                    .collect();
                let mark = if permission["conditional"] == true { "?" } else { "" };
                lines.insert(format!(
                    "{} {sign}{mark} {} on {}",
                    principal["name"].as_str().unwrap(),
                    actions.join(","),
                    permission["resource"].as_str().unwrap()
                ));
            }
        }
        let words = |value: &Value, joint: &str| {
            let all: Vec<&str> = value.as_array().unwrap().iter().flat_map(Value::as_str).collect();
            all.join(joint)
        };
        for changed in principal["changed"].as_array().unwrap() {
            lines.insert(format!(
                "{} ~ {} on {}: {} -> {}",
                principal["name"].as_str().unwrap(),
                words(&changed["actions"], ","),
                changed["resource"].as_str().unwrap(),
                words(&changed["before"], "; "),
                words(&changed["after"], "; "),
            ));
        }
    }
    lines
}

/// The same of a dry run.
fn tried_lines(answer: &Value) -> BTreeSet<String> {
    let of = |alike: &Value, name: &Value| {
        let mut one = alike.clone();
        one["name"] = name.clone();
        one
    };
    let together = answer["together"].as_array().unwrap().iter();
    let principals: Vec<Value> = together
        .flat_map(|alike| alike["names"].as_array().unwrap().iter().map(|name| of(alike, name)))
        .collect();
    lines(&serde_json::json!({ "principals": principals }))
}

fn here(world: &World) -> String {
    format!("@{}", world.head())
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

const READ: &str =
    r#"{"Effect":"Allow","Action":["s3:Get*","notes:Read"],"Resource":"arn:aws:s3:::a/*"}"#;

#[test]
fn what_groups_policies_boundaries_and_conditions_do_is_told_with_its_events() {
    let world = World::new(81);
    let admin = &world.admin;
    for user in ["alice", "bob"] {
        world.ok(admin, "CreateUser", &[("UserName", user)]);
    }
    world.ok(admin, "CreateGroup", &[("GroupName", "readers")]);
    let read = document(READ);
    world.ok(
        admin,
        "PutGroupPolicy",
        &[("GroupName", "readers"), ("PolicyName", "read"), ("PolicyDocument", &read)],
    );
    let start = here(&world);
    world.ok(admin, "AddUserToGroup", &[("GroupName", "readers"), ("UserName", "alice")]);
    let joined = world.head();
    let answer = diff(&world, &[("from", &start)]);
    let gained = "user/alice + notes:read,s3:Get* on arn:aws:s3:::a/*";
    assert_eq!(lines(&answer), BTreeSet::from([gained.to_owned()]));
    assert_eq!(answer["principals"][0]["events"], serde_json::json!([joined]));
    assert_eq!(answer["examined"], 1, "nobody else could have gained anything");
    // The other way round it is lost; nothing changes from a moment to itself.
    let back = [("from", here(&world)), ("to", start.clone())];
    let back: Vec<_> = back.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let lost = "user/alice - notes:read,s3:Get* on arn:aws:s3:::a/*";
    assert_eq!(lines(&diff(&world, &back)), BTreeSet::from([lost.to_owned()]));
    assert!(lines(&diff(&world, &[("from", &here(&world))])).is_empty());

    // A boundary takes away what it does not hold.
    let narrow = document(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
    let made =
        world.ok(admin, "CreatePolicy", &[("PolicyName", "narrow"), ("PolicyDocument", &narrow)]);
    let arn = made["Policy"]["Arn"].as_str().unwrap();
    let from = here(&world);
    world.ok(
        admin,
        "PutUserPermissionsBoundary",
        &[("UserName", "alice"), ("PermissionsBoundary", arn)],
    );
    let answer = lines(&diff(&world, &[("from", &from), ("principal", "alice")]));
    assert_eq!(answer.len(), 1, "{answer:?}");
    let lost = answer.first().unwrap();
    assert!(lost.starts_with("user/alice - ") && lost.contains("notes:read"), "{lost}");
    assert!(lost.contains("s3:GetBucketAcl") && !lost.contains("s3:GetObject,"), "{lost}");
    world.ok(admin, "DeleteUserPermissionsBoundary", &[("UserName", "alice")]);
    assert!(lines(&diff(&world, &[("from", &from)])).is_empty());

    // From certain to conditional is a loss under conditions.
    let from = here(&world);
    let with_mfa =
        READ.replace("}", r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#);
    world.ok(
        admin,
        "PutGroupPolicy",
        &[
            ("GroupName", "readers"),
            ("PolicyName", "read"),
            ("PolicyDocument", &document(&with_mfa)),
        ],
    );
    let lost = "user/alice -? notes:read,s3:Get* on arn:aws:s3:::a/*";
    assert_eq!(lines(&diff(&world, &[("from", &from)])), BTreeSet::from([lost.to_owned()]));

    // Whoever is gone has lost everything, and can still be asked about.
    let from = here(&world);
    world.ok(admin, "RemoveUserFromGroup", &[("GroupName", "readers"), ("UserName", "alice")]);
    world.ok(admin, "DeleteUser", &[("UserName", "alice")]);
    let lost = "user/alice - notes:read,s3:Get* on arn:aws:s3:::a/*".replace(" - ", " -? ");
    let answer = lines(&diff(&world, &[("from", &from), ("principal", "user/alice")]));
    let certain = lost.replace(" -? ", " - ");
    assert!(answer == BTreeSet::from([lost]) || answer == BTreeSet::from([certain]), "{answer:?}");
}

#[test]
fn everything_is_told_as_everything() {
    let world = World::new(82);
    let admin = &world.admin;
    world.ok(admin, "CreateUser", &[("UserName", "alice")]);
    let from = here(&world);
    let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    world.ok(admin, "AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", arn)]);
    let gained = "user/alice + * on *";
    assert_eq!(lines(&diff(&world, &[("from", &from)])), BTreeSet::from([gained.to_owned()]));
}

#[test]
fn a_dry_run_tells_what_would_be_and_changes_nothing() {
    let world = World::new(83);
    let admin = &world.admin;
    world.ok(admin, "CreateUser", &[("UserName", "alice")]);
    let key = world.user("bob");
    let allow = document(r#"{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}"#);
    let try_it = |key: &super::world::Key, operation: &str, fields: &[(&str, &str)]| {
        let mut form = Form::default();
        for (name, value) in fields {
            form.insert(name, (*value).to_owned()).unwrap();
        }
        world.service.dry_run(&Call {
            api: Api::Iam,
            operation: operation.to_owned(),
            form,
            caller: world.caller(key).unwrap(),
            moment: None,
            region: "us-east-1".to_owned(),
        })
    };
    let put = [("UserName", "alice"), ("PolicyName", "send"), ("PolicyDocument", allow.as_str())];
    let before = world.head();
    let answer = try_it(admin, "PutUserPolicy", &put).unwrap();
    let gained = BTreeSet::from(["user/alice + sqs:SendMessage on *".to_owned()]);
    assert_eq!(tried_lines(&answer), gained);
    assert_eq!(world.head(), before);
    assert!(!world.refused(admin, "GetUserPolicy", &put[..2], "NoSuchEntity").is_empty());
    // What is done is what was said.
    let from = here(&world);
    world.ok(admin, "PutUserPolicy", &put);
    assert_eq!(lines(&diff(&world, &[("from", &from)])), gained);
    // What would be refused is refused, and who may not search does not learn it.
    assert_eq!(try_it(admin, "PutUserPolicy", &put[1..]).unwrap_err().code, "ValidationError");
    assert_eq!(try_it(&key, "PutUserPolicy", &put).unwrap_err().code, "AccessDenied");
    assert_eq!(
        try_it(admin, "CreateUser", &[("UserName", "x")]).unwrap_err().code,
        "ValidationError"
    );
    let account = world.service.now().get(AccountId::SYSTEM, &ACCOUNTS, &world.digits);
    assert!(account.unwrap().is_some());
}

#[test]
fn those_who_would_gain_and_lose_the_same_are_told_together() {
    let world = World::new(84);
    let admin = &world.admin;
    world.ok(admin, "CreateGroup", &[("GroupName", "all")]);
    for number in 0..40 {
        let name = format!("user-{number:02}");
        let team = if number % 2 == 0 { "red" } else { "blue" };
        let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", team)];
        world.ok(admin, "CreateUser", &[&[("UserName", name.as_str())][..], &tag].concat());
        world.ok(admin, "AddUserToGroup", &[("GroupName", "all"), ("UserName", &name)]);
    }
    let try_it = |statement: &str| {
        let mut form = Form::default();
        let text = document(statement);
        for (name, value) in
            [("GroupName", "all"), ("PolicyName", "some"), ("PolicyDocument", &text)]
        {
            form.insert(name, value.to_owned()).unwrap();
        }
        let answer = world.service.dry_run(&Call {
            api: Api::Iam,
            operation: "PutGroupPolicy".to_owned(),
            form,
            caller: world.caller(admin).unwrap(),
            moment: None,
            region: "us-east-1".to_owned(),
        });
        answer.unwrap()
    };
    let sizes = |answer: &Value| {
        let together = answer["together"].as_array().unwrap().iter();
        together.map(|alike| alike["names"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    let plain = r#"{"Effect":"Allow","Action":["sqs:*","ec2:*"],"Resource":"*"}"#;
    assert_eq!(sizes(&try_it(plain)), [40]);
    // What hangs on who somebody is is not taken from anybody else.
    let own =
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::homes/${aws:username}/*"}"#;
    let own = try_it(own);
    assert_eq!(sizes(&own), [1; 40]);
    let homes = tried_lines(&own);
    assert!(homes.contains("user/user-07 + s3:* on arn:aws:s3:::homes/user-07/*"), "{homes:?}");
    let red = r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*",
        "Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}"#;
    let red = try_it(red);
    assert_eq!(sizes(&red), [20]);
    assert!(tried_lines(&red).contains("user/user-08 + sqs:* on *"));
}

#[test]
fn whatever_decides_otherwise_is_told() {
    // Random policies before and after; each decision on each of a few actions and resources is compared with
    // what the answer says.
    let mut told = 0;
    for seed in 0..12_u64 {
        let world = World::new(900 + seed);
        let admin = &world.admin;
        world.ok(admin, "CreateUser", &[("UserName", "alice")]);
        let mut number = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |many: u64| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number % many
        };
        let actions = ["s3:GetObject", "s3:Get*", "s3:*", "*", "sqs:SendMessage", "sqs:*"];
        let resources = ["*", "arn:aws:s3:::a/*", "arn:aws:s3:::a/b", "arn:aws:sqs:*:*:q"];
        let mut write = |name: &str| {
            let mut statements = Vec::new();
            for _ in 0..=draw(3) {
                let effect = if draw(4) == 0 { "Deny" } else { "Allow" };
                let action = actions[usize::try_from(draw(6)).unwrap()];
                let resource = resources[usize::try_from(draw(4)).unwrap()];
                statements.push(format!(
                    r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#
                ));
            }
            let text = document(&statements.join(","));
            world.ok(
                admin,
                "PutUserPolicy",
                &[("UserName", "alice"), ("PolicyName", name), ("PolicyDocument", &text)],
            );
        };
        write("one");
        write("two");
        let from = here(&world);
        write("one");
        let answer = diff(&world, &[("from", &from)]);
        let can = |moment: Option<&str>, action: &str, resource: &str| {
            let given = [("principal", "alice"), ("action", action), ("resource", resource)];
            let given: Vec<_> =
                given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let question = Question::parse("can", &given).unwrap();
            let caller = world.caller(admin).unwrap();
            let moment = moment.and_then(|text| world.moment(text));
            let answer = audit::run(&world.service, &caller, question, moment).unwrap();
            answer["decision"] == "allowed"
        };
        let says = |member: &str, action: &str, resource: &str| {
            answer["principals"].as_array().unwrap().iter().any(|one| {
                one[member].as_array().unwrap().iter().any(|permission| {
                    let on = permission["resource"].as_str().unwrap();
                    let fits = permission["actions"].as_array().unwrap().iter().any(|pattern| {
                        domesday::policy::catalogue::expand(pattern.as_str().unwrap()).iter().any(
                            |one| format!("{}:{}", one.service.prefix, one.action.name) == action,
                        )
                    });
                    let is_in = on.strip_suffix('*').is_some_and(|on| resource.starts_with(on));
                    fits && (on == resource || is_in)
                })
            })
        };
        for action in
            ["s3:GetObject", "s3:PutObject", "s3:GetBucketAcl", "sqs:SendMessage", "iam:GetUser"]
        {
            for resource in resources {
                let (before, after) =
                    (can(Some(&from), action, resource), can(None, action, resource));
                let (gained, lost) =
                    (says("gained", action, resource), says("lost", action, resource));
                let is_named =
                    |text: &str| format!("seed {seed}: {action} on {resource} {text}\n{answer:#}");
                match (before, after) {
                    (false, true) => assert!(gained, "{}", is_named("was gained")),
                    (true, false) => assert!(lost, "{}", is_named("was lost")),
                    // What is said of everything may not hold of what a denial names besides.
                    _ => assert!(!(gained && lost && resource == "*"), "{}", is_named("is both")),
                }
                told += usize::from(before != after);
            }
        }
    }
    assert!(told > 20, "{told} differences are too few to tell anything");
}

#[test]
fn conditions_that_change_are_told_with_both() {
    let world = World::new(86);
    let admin = &world.admin;
    world.ok(admin, "CreateUser", &[("UserName", "alice")]);
    let put = |statements: &[(&str, &str)]| {
        let one = |(effect, condition): &(&str, &str)| {
            format!(
                r#"{{"Effect":"{effect}","Action":"sqs:*","Resource":"*","Condition":{{{condition}}}}}"#
            )
        };
        let text = document(&statements.iter().map(one).collect::<Vec<_>>().join(","));
        let put = [("UserName", "alice"), ("PolicyName", "p"), ("PolicyDocument", text.as_str())];
        let from = here(&world);
        world.ok(admin, "PutUserPolicy", &put);
        lines(&diff(&world, &[("from", &from)]))
    };
    let address = |networks: &str| format!(r#""IpAddress":{{"aws:SourceIp":[{networks}]}}"#);
    let near = address(r#""10.0.0.0/8","192.0.2.0/24""#);
    assert_eq!(put(&[("Allow", &near)]), BTreeSet::from(["user/alice +? sqs:* on *".to_owned()]));
    // In another order, and once more.
    let again = address(r#""192.0.2.0/24","10.0.0.0/8""#);
    assert!(put(&[("Allow", &again), ("Allow", &near)]).is_empty());
    let told = "user/alice ~ sqs:* on *: Allow if IpAddress aws:SourceIp 10.0.0.0/8, 192.0.2.0/24 -> \
        Allow if IpAddress aws:SourceIp 0.0.0.0/0";
    let wide = address(r#""0.0.0.0/0""#);
    assert_eq!(put(&[("Allow", &wide)]), BTreeSet::from([told.to_owned()]));
    // A denial under conditions joins.
    let without_mfa = r#""Bool":{"aws:MultiFactorAuthPresent":"false"}"#;
    let told = "user/alice ~ sqs:* on *: Allow if IpAddress aws:SourceIp 0.0.0.0/0 -> \
        Allow if IpAddress aws:SourceIp 0.0.0.0/0; Deny if Bool aws:MultiFactorAuthPresent false";
    let both = [("Allow", wide.as_str()), ("Deny", without_mfa)];
    assert_eq!(put(&both), BTreeSet::from([told.to_owned()]));
}

#[test]
fn what_conditions_hide_is_told() {
    let world = World::new(87);
    let admin = &world.admin;
    for name in ["alice", "bob", "carol"] {
        world.ok(admin, "CreateUser", &[("UserName", name)]);
    }
    let put = |user: &str, name: &str, statements: &str| {
        let text = document(statements);
        let put = [("UserName", user), ("PolicyName", name), ("PolicyDocument", text.as_str())];
        let from = here(&world);
        world.ok(admin, "PutUserPolicy", &put);
        lines(&diff(&world, &[("from", &from)]))
    };
    // An Allow that hung on the address does so no more, behind a denial that still hangs on something else.
    put(
        "alice",
        "one",
        r#"{"Effect":"Deny","Action":"*","Resource":"*",
            "Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}},
           {"Effect":"Allow","Action":"sqs:*","Resource":"*",
            "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#,
    );
    let told = "user/alice ~ sqs:* on *: Allow if IpAddress aws:SourceIp 10.0.0.0/8; \
        Deny if BoolIfExists aws:MultiFactorAuthPresent false -> \
        Deny if BoolIfExists aws:MultiFactorAuthPresent false";
    let all = r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#;
    assert_eq!(put("alice", "two", all), BTreeSet::from([told.to_owned()]));
    // What is certain of some resource is told beside what is conditional of all.
    let both = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"},
        {"Effect":"Allow","Action":"s3:GetObject","Resource":"*",
         "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;
    let told = ["+ s3:GetObject on arn:aws:s3:::a/*", "+? s3:GetObject on *"];
    let told = told.map(|line| format!("user/bob {line}"));
    assert_eq!(put("bob", "one", both), BTreeSet::from(told));
    // Variables that a principal does not have a value for, with a default and without; and one of the request.
    let variables = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":[
        "arn:aws:s3:::b/${aws:PrincipalTag/team, 'none'}/*", "arn:aws:s3:::c/${aws:PrincipalTag/team}/*",
        "arn:aws:s3:::d/${aws:SourceVpc}/*"]}"#;
    let told = ["+ s3:GetObject on arn:aws:s3:::b/none/*", "+? s3:GetObject on arn:aws:s3:::d/*/*"];
    let told = told.map(|line| format!("user/carol {line}"));
    assert_eq!(put("carol", "one", variables), BTreeSet::from(told));
    // One value with a comma is not two.
    let tagged = |values: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"sns:*","Resource":"*",
                "Condition":{{"StringEquals":{{"aws:RequestTag/x":{values}}}}}}}"#
        )
    };
    put("carol", "two", &tagged(r#""a, b""#));
    assert_eq!(put("carol", "two", &tagged(r#"["a","b"]"#)).len(), 1);
}

#[test]
fn whatever_some_context_decides_otherwise_is_told() {
    // Random policies with conditions; each decision in each of a few contexts.
    let (mut told, mut changed) = (0, 0);
    for seed in 0..12_u64 {
        let world = World::new(1_000 + seed);
        let admin = &world.admin;
        world.ok(admin, "CreateUser", &[("UserName", "alice")]);
        let mut number = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |many: usize| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            usize::try_from(number % many as u64).unwrap()
        };
        let actions = ["s3:GetObject", "s3:*", "*", "sqs:SendMessage"];
        let resources = ["*", "arn:aws:s3:::a/*", "arn:aws:s3:::a/${aws:username}"];
        let conditions = [
            "",
            r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#,
            r#""IpAddress":{"aws:SourceIp":"0.0.0.0/0"}"#,
            r#""Bool":{"aws:MultiFactorAuthPresent":"true"}"#,
            r#""Bool":{"aws:MultiFactorAuthPresent":"false"}"#,
        ];
        let mut write = |name: &str| {
            let mut statements = Vec::new();
            for _ in 0..=draw(2) {
                statements.push(format!(
                    r#"{{"Effect":"{}","Action":"{}","Resource":"{}","Condition":{{{}}}}}"#,
                    if draw(4) == 0 { "Deny" } else { "Allow" },
                    actions[draw(actions.len())],
                    resources[draw(resources.len())],
                    conditions[draw(conditions.len())],
                ));
            }
            let text = document(&statements.join(","));
            let put = [("UserName", "alice"), ("PolicyName", name), ("PolicyDocument", &text)];
            world.ok(admin, "PutUserPolicy", &put);
        };
        write("one");
        write("two");
        let from = here(&world);
        write("one");
        let answer = diff(&world, &[("from", &from)]);
        let can = |moment: Option<&str>, asked: (&str, &str), context: (&str, bool)| {
            let given = [
                ("principal", "alice".to_owned()),
                ("action", asked.0.to_owned()),
                ("resource", asked.1.to_owned()),
                ("context", format!("aws:SourceIp={}", context.0)),
                ("context", format!("aws:MultiFactorAuthPresent={}", context.1)),
            ];
            let given: Vec<_> = given.map(|(k, v)| (k.to_owned(), v)).to_vec();
            let question = Question::parse("can", &given).unwrap();
            let moment = moment.and_then(|text| world.moment(text));
            let caller = world.caller(admin).unwrap();
            audit::run(&world.service, &caller, question, moment).unwrap()["decision"] == "allowed"
        };
        let all = answer["principals"].as_array().unwrap();
        let permissions =
            |member: &'static str| all.iter().flat_map(move |one| one[member].as_array().unwrap());
        changed += permissions("changed").count();
        let is_told = |(action, resource): (&str, &str)| {
            ["gained", "lost", "changed"].into_iter().flat_map(permissions).any(|one| {
                let on = one["resource"].as_str().unwrap();
                let is_in = on.strip_suffix('*').is_some_and(|on| resource.starts_with(on));
                let patterns = one["actions"].as_array().unwrap().iter().flat_map(Value::as_str);
                let names = |pattern: &str| {
                    domesday::policy::catalogue::expand(pattern)
                        .iter()
                        .any(|one| format!("{}:{}", one.service.prefix, one.action.name) == action)
                };
                (on == resource || is_in) && patterns.into_iter().any(names)
            })
        };
        for action in ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"] {
            for resource in ["*", "arn:aws:s3:::a/*", "arn:aws:s3:::a/alice", "arn:aws:s3:::b"] {
                let asked = (action, resource);
                for address in ["10.0.0.1", "192.0.2.1"] {
                    for mfa in [true, false] {
                        let sides = [Some(from.as_str()), None];
                        let [before, after] = sides.map(|at| can(at, asked, (address, mfa)));
                        let why = format!("seed {seed}: {asked:?}, {address}, {mfa}: {answer:#}");
                        assert!(before == after || is_told(asked), "{why}");
                        told += usize::from(before != after);
                    }
                }
            }
        }
    }
    assert!(told > 100 && changed > 5, "{told} differences, {changed} of conditions alone");
}

#[test]
fn a_policy_concerns_all_whom_it_is_attached_to_or_bounds_and_nobody_else() {
    let world = World::new(85);
    let admin = &world.admin;
    let wide = document(r#"{"Effect":"Allow","Action":["s3:GetObject","sqs:*"],"Resource":"*"}"#);
    let made = world.ok(admin, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", &wide)]);
    let policy = ("PolicyArn", made["Policy"]["Arn"].as_str().unwrap());
    for user in ["attached", "bounded", "member", "other"] {
        world.ok(admin, "CreateUser", &[("UserName", user)]);
    }
    world.ok(admin, "CreateGroup", &[("GroupName", "g")]);
    world.ok(admin, "AddUserToGroup", &[("GroupName", "g"), ("UserName", "member")]);
    world.ok(admin, "AttachGroupPolicy", &[("GroupName", "g"), policy]);
    world.ok(admin, "AttachUserPolicy", &[("UserName", "attached"), policy]);
    let all = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    for user in ["bounded", "other"] {
        world.ok(admin, "AttachUserPolicy", &[("UserName", user), all]);
    }
    let boundary = ("PermissionsBoundary", policy.1);
    world.ok(admin, "PutUserPermissionsBoundary", &[("UserName", "bounded"), boundary]);
    let from = here(&world);
    let narrow = document(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
    let version = [policy, ("PolicyDocument", &*narrow), ("SetAsDefault", "true")];
    world.ok(admin, "CreatePolicyVersion", &version);
    let answer = diff(&world, &[("from", &from)]);
    let lost = ["attached", "bounded", "member"].map(|user| format!("user/{user} - sqs:* on *"));
    assert_eq!(lines(&answer), BTreeSet::from(lost));
    assert_eq!(answer["examined"], 3);
    // The text of a policy that all accounts share comes into an account with a snapshot of it.
    let (now, account) = (world.service.now(), world.caller(admin).unwrap().account);
    let whom = Whom::concerned([all.1].into_iter(), account, [&now, &now]).unwrap();
    let Whom::These(ids) = whom else { panic!("not everybody has it: {whom:?}") };
    let called = |id| names::by_id(Directory::new(&now, account), id).unwrap().unwrap().name;
    let mut holders: Vec<String> = ids.iter().map(called).collect();
    holders.sort();
    holders.retain(|name| name != "admin");
    assert_eq!(holders, ["bounded", "other"]);
    // What concerns everybody is asked of everybody.
    let from = here(&world);
    world.ok(admin, "UpdateAccountPasswordPolicy", &[("AllowUsersToChangePassword", "true")]);
    let answer = diff(&world, &[("from", &from)]);
    assert!(answer["examined"].as_u64().unwrap() >= 5, "{answer:#}");
    let own = "user/attached + iam:ChangePassword on arn:aws:iam::*:user/attached";
    assert!(lines(&answer).iter().any(|line| line.starts_with(own)), "{answer:#}");
}

#[test]
fn nobody_whom_a_change_concerns_is_passed_over() {
    // Of every two moments of random histories, what is told of everybody is what is told of each alone.
    let (mut told, mut passed_over) = (0, 0);
    for seed in 0..3 {
        let world = World::new(950 + seed);
        let random = SeededRandom::new(seed);
        let mut moments = vec![world.head()];
        for _ in 0..80 {
            access::act(&world, &random);
            if world.head() > moments.last().unwrap() + 5 {
                moments.push(world.head());
            }
        }
        let all = ["u0", "u1", "r0", "r1", "r2"];
        for (number, from) in moments.iter().enumerate() {
            // To the next moments, and to the last one; and back.
            for to in moments.iter().skip(number + 1).take(1).chain(moments.last()) {
                let [from, to] = [from, to].map(|position| format!("@{position}"));
                for ends in [[("from", &*from), ("to", &*to)], [("from", &*to), ("to", &*from)]] {
                    let answer = diff(&world, &ends);
                    let mut one_by_one = BTreeSet::new();
                    for name in all {
                        let given = [ends[0], ends[1], ("principal", name)];
                        one_by_one.extend(
                            try_diff(&world, &given).map(|one| lines(&one)).into_iter().flatten(),
                        );
                    }
                    // Of one alone it is told besides which roles it could assume since they trust it.
                    let by_trust = |line: &String| {
                        let on = line.rsplit(" sts:AssumeRole on ").next();
                        on.is_some_and(|on| on.starts_with("arn:") && !line.contains('~'))
                    };
                    one_by_one.retain(|line| !by_trust(line));
                    let together: BTreeSet<String> =
                        lines(&answer).into_iter().filter(|line| !by_trust(line)).collect();
                    assert_eq!(together, one_by_one, "seed {seed}, {ends:?}");
                    told += together.len();
                    passed_over += usize::from(answer["examined"].as_u64().unwrap() < 5);
                }
            }
        }
    }
    assert!(told > 60 && passed_over > 15, "{told} differences, {passed_over} of fewer than all");
}

#[test]
fn a_password_that_must_be_changed_lets_its_user_change_it() {
    let world = World::new(84);
    world.ok(&world.admin, "CreateUser", &[("UserName", "alice")]);
    let from = here(&world);
    let profile =
        [("UserName", "alice"), ("Password", "Domesday-1086"), ("PasswordResetRequired", "true")];
    world.ok(&world.admin, "CreateLoginProfile", &profile);
    let answer = diff(&world, &[("from", &from)]);
    let gained = "user/alice + iam:ChangePassword on arn:aws:iam::*:user/alice";
    assert!(lines(&answer).contains(gained), "{answer:#}");
    assert_eq!(answer["principals"][0]["events"], serde_json::json!([world.head()]));
}

#[test]
fn whom_a_role_trusts_is_told_of_the_role_with_both_sides() {
    let world = World::new(371);
    world.user("mallory");
    let trust = |principal: &str, more: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"{more}}}]}}"#
        )
    };
    let to = world.head();
    let machines = trust(r#"{"Service":"ec2.amazonaws.com"}"#, "");
    let make = [("RoleName", "vault"), ("AssumeRolePolicyDocument", machines.as_str())];
    let arn = world.ok(&world.admin, "CreateRole", &make)["Role"]["Arn"].clone();
    let arn = arn.as_str().unwrap();
    let told = |from: u64| lines(&diff(&world, &[("from", &format!("@{from}"))]));
    // What that means for one who is asked about.
    let hers = |from: u64| {
        lines(&diff(&world, &[("from", &format!("@{from}")), ("principal", "mallory")]))
    };
    let hers_is =
        |sign: &str| BTreeSet::from([format!("user/mallory {sign} sts:AssumeRole on {arn}")]);
    let line = |before: &str, after: &str| {
        BTreeSet::from([format!("role/vault ~ sts:AssumeRole on {arn}: {before} -> {after}")])
    };
    let ec2 = "Allow sts:assumerole to ec2.amazonaws.com";
    assert_eq!(told(to), line("nobody", ec2));
    assert_eq!(hers(to), BTreeSet::new());
    let update = |text: &str| {
        let before = world.head();
        let ask = [("RoleName", "vault"), ("PolicyDocument", text)];
        world.ok(&world.admin, "UpdateAssumeRolePolicy", &ask);
        before
    };
    let mallory = format!("arn:aws:iam::{}:user/mallory", world.digits);
    let from = update(&trust(&format!(r#"{{"AWS":"{mallory}"}}"#), ""));
    let found = told(from);
    let found = found.first().unwrap();
    assert!(
        found.contains(&format!("{ec2} -> Allow sts:assumerole to {mallory} (AIDA")),
        "{found}"
    );
    let answer = diff(&world, &[("from", &format!("@{from}"))]);
    assert_eq!(answer["principals"][0]["events"], serde_json::json!([from + 1]));
    assert_eq!(hers(from), hers_is("+"));
    let asked = [("from", &*format!("@{from}")), ("principal", "mallory")];
    assert_eq!(diff(&world, &asked)["principals"][0]["events"], serde_json::json!([from + 1]));
    // Another account, everybody, and a second factor that is not asked for any more.
    let foreign = trust(r#"{"AWS":"arn:aws:iam::999999999999:root"}"#, "");
    let from = update(&foreign);
    assert!(told(from).first().unwrap().ends_with("to account 999999999999"));
    assert_eq!(hers(from), hers_is("-"));
    let mfa = r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;
    let from = update(&trust(r#""*""#, mfa));
    assert_eq!(hers(from), hers_is("+?"));
    let from = update(&trust(r#""*""#, ""));
    let guarded = "Allow sts:assumerole to * if Bool aws:MultiFactorAuthPresent true";
    assert_eq!(told(from), line(guarded, "Allow sts:assumerole to *"));
    assert_eq!(hers(from), hers_is("+"));
    // The same once more is no difference.
    let from = update(&trust(r#""*""#, ""));
    assert_eq!(told(from), BTreeSet::new());
    let from = world.head();
    world.ok(&world.admin, "DeleteRole", &[("RoleName", "vault")]);
    assert_eq!(told(from), line("Allow sts:assumerole to *", "nobody"));
    assert_eq!(hers(from), hers_is("-"));
    // Where the account is trusted, it hangs on her own policies.
    let root = trust(&format!(r#"{{"AWS":"{}"}}"#, world.digits), "");
    let make = [("RoleName", "vault"), ("AssumeRolePolicyDocument", root.as_str())];
    let from = world.head();
    world.ok(&world.admin, "CreateRole", &make);
    assert_eq!(hers(from), BTreeSet::new());
    world.allow("mallory", "sts:AssumeRole", arn);
    assert_eq!(hers(from), hers_is("+"), "once, though role and policy are new");
}
