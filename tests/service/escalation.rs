//! Privilege escalation: each known step, and random accounts in which every way that is told is gone for real,
//! and whoever gets there by doing all it can is told of.

use std::collections::{BTreeMap, BTreeSet};

use domesday::base::random::{Random, SeededRandom, random_bytes};
use domesday::identity::change::{RoleCreated, Trust};
use domesday::identity::id::UniqueId;
use domesday::ledger::Actor;
use domesday::projection::sealing::NameKind;
use domesday::service::audit::escalation::{self, Goal, Way, Ways};
use domesday::service::audit::{self, Question};
use domesday::service::origin;
use domesday::service::writer::Act;
use serde_json::Value;

use super::world::{Key, World};

const ACTION: &str = "iam:CreateGroup";
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn arn(world: &World, what: &str) -> String {
    format!("arn:aws:iam::{}:{what}", world.digits)
}

fn paths(world: &World) -> Ways {
    let account = world.caller(&world.admin).unwrap().account;
    let goal = Goal::of(ACTION, &arn(world, "group/goal"));
    let (view, documents) = (world.service.now(), world.service.documents());
    escalation::paths(documents, &view, account, &goal, &[]).unwrap()
}

fn way<'a>(ways: &'a Ways, name: &str) -> Option<&'a Way> {
    ways.ways.iter().find(|way| way.who.called() == name)
}

/// The actions of somebody's way.
fn steps(world: &World, name: &str) -> Option<Vec<String>> {
    let ways = paths(world);
    let steps = &way(&ways, name)?.steps;
    Some(steps.iter().map(|step| format!("{} {}", step.by, step.action)).collect())
}

fn statement(effect: &str, actions: &[&str], resource: &str) -> String {
    let actions =
        actions.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(",");
    format!(r#"{{"Effect":"{effect}","Action":[{actions}],"Resource":"{resource}"}}"#)
}

fn document(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn put(world: &World, kind: &str, name: &str, text: &str) {
    let member = format!("{kind}Name");
    let parameters = [(member.as_str(), name), ("PolicyName", "own"), ("PolicyDocument", text)];
    world.ok(&world.admin, &format!("Put{kind}Policy"), &parameters);
}

fn trust(by: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{by}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

#[test]
fn each_known_step_is_found_and_named() {
    let world = World::new(70);
    let admin = &world.admin;
    let of = |name: &str| arn(&world, &format!("user/{name}"));
    let allow = |name: &str, action: &str, resource: &str| {
        world.user(name);
        put(&world, "User", name, &document(&[statement("Allow", &[action], resource)]));
    };
    for (name, action) in [("a1", "iam:PutUserPolicy"), ("a2", "iam:AttachUserPolicy")] {
        allow(name, action, &of(name));
        assert_eq!(
            steps(&world, &format!("user/{name}")).unwrap(),
            [format!("user/{name} {action}")]
        );
    }
    // On somebody else it helps nobody who cannot act as that one.
    allow("a3", "iam:PutUserPolicy", &of("a1"));
    assert_eq!(steps(&world, "user/a3"), None);
    // Groups: an own one, and one that is joined.
    world.ok(admin, "CreateGroup", &[("GroupName", "staff")]);
    world.ok(admin, "CreateGroup", &[("GroupName", "chiefs")]);
    put(&world, "Group", "chiefs", ALL);
    allow("a4", "iam:PutGroupPolicy", &arn(&world, "group/staff"));
    assert_eq!(steps(&world, "user/a4"), None);
    world.ok(admin, "AddUserToGroup", &[("GroupName", "staff"), ("UserName", "a4")]);
    assert_eq!(steps(&world, "user/a4").unwrap(), ["user/a4 iam:PutGroupPolicy"]);
    allow("a5", "iam:AddUserToGroup", &arn(&world, "group/chiefs"));
    assert_eq!(steps(&world, "user/a5").unwrap(), ["user/a5 iam:AddUserToGroup"]);
    // Versions of a policy that is attached.
    let own =
        document(&[statement("Allow", &["iam:CreatePolicyVersion"], &arn(&world, "policy/v"))]);
    let made = [("PolicyName", "v"), ("PolicyDocument", own.as_str())];
    world.ok(admin, "CreatePolicy", &made);
    let policy = arn(&world, "policy/v");
    world.user("a6");
    world.ok(admin, "AttachUserPolicy", &[("UserName", "a6"), ("PolicyArn", &policy)]);
    assert_eq!(steps(&world, "user/a6").unwrap(), ["user/a6 iam:CreatePolicyVersion"]);
    // Others' credentials.
    for (name, action) in [("a7", "iam:CreateAccessKey"), ("a8", "iam:CreateLoginProfile")] {
        allow(name, action, &of("admin"));
        assert_eq!(
            steps(&world, &format!("user/{name}")).unwrap(),
            [format!("user/{name} {action}")]
        );
    }
    allow("a9", "iam:UpdateLoginProfile", &of("admin"));
    assert_eq!(steps(&world, "user/a9"), None, "the administrator has no password");
    // A second and a third key: there is no room for one more.
    world.ok(admin, "CreateAccessKey", &[("UserName", "admin")]);
    assert_eq!(steps(&world, "user/a7"), None);
    // Roles: whose policies can be changed, and who can be made to trust.
    let role = [("RoleName", "deploy"), ("AssumeRolePolicyDocument", &*trust(&of("a3")))];
    world.ok(admin, "CreateRole", &role);
    put(&world, "User", "a3", &document(&[statement("Allow", &["iam:PutRolePolicy"], "*")]));
    assert_eq!(
        steps(&world, "user/a3").unwrap(),
        ["user/a3 sts:AssumeRole", "user/a3 iam:PutRolePolicy"]
    );
    let role = [("RoleName", "chief"), ("AssumeRolePolicyDocument", &*trust(&of("admin")))];
    world.ok(admin, "CreateRole", &role);
    put(&world, "Role", "chief", ALL);
    allow("b1", "iam:UpdateAssumeRolePolicy", &arn(&world, "role/chief"));
    assert_eq!(
        steps(&world, "user/b1").unwrap(),
        ["user/b1 iam:UpdateAssumeRolePolicy", "user/b1 sts:AssumeRole"]
    );
    let shown = way(&paths(&world), "user/b1").unwrap().shown();
    assert_eq!(shown["steps"][1]["on"], arn(&world, "role/chief"));
}

#[test]
fn boundaries_denials_and_the_organisation_bind_after_a_grant() {
    let world = World::new(71);
    let admin = &world.admin;
    let of = |name: &str| arn(&world, &format!("user/{name}"));
    let narrow = document(&[statement(
        "Allow",
        &["iam:PutUserPolicy", "iam:DeleteUserPermissionsBoundary"],
        "*",
    )]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "narrow"), ("PolicyDocument", &narrow)]);
    let narrow = arn(&world, "policy/narrow");
    world.user("c1");
    put(&world, "User", "c1", &document(&[statement("Allow", &["iam:PutUserPolicy"], &of("c1"))]));
    assert_eq!(steps(&world, "user/c1").unwrap().len(), 1);
    let bound = [("UserName", "c1"), ("PermissionsBoundary", narrow.as_str())];
    world.ok(admin, "PutUserPermissionsBoundary", &bound);
    // It can remove the boundary, but only with what it grants itself first.
    assert_eq!(
        steps(&world, "user/c1").unwrap(),
        ["user/c1 iam:PutUserPolicy", "user/c1 iam:DeleteUserPermissionsBoundary"]
    );
    let tight = document(&[statement("Allow", &["iam:PutUserPolicy"], "*")]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "tight"), ("PolicyDocument", &tight)]);
    let tight = arn(&world, "policy/tight");
    let bound = [("UserName", "c1"), ("PermissionsBoundary", tight.as_str())];
    world.ok(admin, "PutUserPermissionsBoundary", &bound);
    assert_eq!(steps(&world, "user/c1"), None);
    // A denial by a group that it cannot change.
    world.user("c2");
    put(&world, "User", "c2", &document(&[statement("Allow", &["iam:PutUserPolicy"], &of("c2"))]));
    world.ok(admin, "CreateGroup", &[("GroupName", "held")]);
    put(
        &world,
        "Group",
        "held",
        &document(&[statement(
            "Deny",
            &[ACTION, "iam:Put*Group*", "iam:RemoveUserFromGroup"],
            "*",
        )]),
    );
    assert_eq!(steps(&world, "user/c2").unwrap().len(), 1);
    world.ok(admin, "AddUserToGroup", &[("GroupName", "held"), ("UserName", "c2")]);
    let ways = paths(&world);
    // By itself never; as another user, whose credentials it can then make.
    let longer = &way(&ways, "user/c2").unwrap().steps;
    assert!(longer.len() > 1 && longer.last().unwrap().action != "iam:PutUserPolicy", "{longer:?}");
    // Conditions: a second factor that nobody gave.
    world.user("c3");
    let mfa = format!(
        r#"{{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"{}","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}"#,
        of("c3")
    );
    put(&world, "User", "c3", &document(&[mfa]));
    let ways = paths(&world);
    let c3 = way(&ways, "user/c3").unwrap();
    assert_eq!(c3.missing(), ["aws:MultiFactorAuthPresent"]);
    // `who-can` tells it beside those who can.
    let goal = arn(&world, "group/goal");
    let asked = [("action", ACTION), ("resource", &*goal), ("escalation", "true")];
    let given: Vec<_> = asked.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let caller = world.caller(admin).unwrap();
    let question = Question::parse("who-can", &given).unwrap();
    let answer = audit::run(&world.service, &caller, question, None).unwrap();
    let names = |list: &str| -> BTreeSet<String> {
        let all = answer[list].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("principals"), ["root", "user/admin"].map(str::to_owned).into());
    assert_eq!(names("could"), ["user/c2", "user/c3"].map(str::to_owned).into());
    // The organisation has the last word, for everybody.
    let scp = document(&[statement("Deny", &[ACTION], "*"), statement("Allow", &["*"], "*")]);
    let body = serde_json::json!({ "scp": [[{ "name": "no groups", "document": scp }]] });
    let operator = world.service.operator("test", caller.account).unwrap();
    audit::act(&world.service, &operator, "organization-set", body).unwrap();
    assert!(paths(&world).ways.is_empty());
}

const USERS: [&str; 3] = ["u0", "u1", "u2"];
const ROLES: [&str; 3] = ["r0", "r1", "r2"];
const GROUPS: [&str; 2] = ["g0", "g1"];
const POLICIES: [&str; 2] = ["p0", "p1"];
/// What is not there, and may be made.
const MADE: [&str; 5] = ["user/made", "role/made", "user/new", "role/new", "policy/made"];

/// A small account with random permissions to grant; the keys of its users.
fn random_world(seed: u64) -> (World, BTreeMap<String, Key>) {
    let world = World::new(7_000 + seed);
    let admin = &world.admin;
    let random = SeededRandom::new(seed);
    let byte = || usize::from(random_bytes::<1>(&random as &dyn Random).unwrap()[0]);
    let resources = || {
        let all = [
            USERS.map(|name| format!("user/{name}")).to_vec(),
            ROLES.map(|name| format!("role/{name}")).to_vec(),
            GROUPS.map(|name| format!("group/{name}")).to_vec(),
            POLICIES.map(|name| format!("policy/{name}")).to_vec(),
            MADE.map(str::to_owned).to_vec(),
            vec!["user/*".to_owned(), "role/*".to_owned(), "*".to_owned(), "*".to_owned()],
        ];
        let all = all.concat();
        let one = &all[byte() % all.len()];
        if one == "*" { "*".to_owned() } else { arn(&world, one) }
    };
    let actions = [
        "iam:PutUserPolicy",
        "iam:PutRolePolicy",
        "iam:PutGroupPolicy",
        "iam:AttachUserPolicy",
        "iam:AttachRolePolicy",
        "iam:AttachGroupPolicy",
        "iam:AddUserToGroup",
        "iam:CreatePolicyVersion",
        "iam:SetDefaultPolicyVersion",
        "iam:DeleteUserPermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
        "iam:PutRolePermissionsBoundary",
        "iam:UpdateAssumeRolePolicy",
        "sts:AssumeRole",
        "iam:CreateAccessKey",
        "iam:CreateUser",
        "iam:CreateRole",
        "iam:CreatePolicy",
        "s3:*",
        "iam:*",
    ];
    // In every other account, much can be made.
    let makers = [
        "iam:CreateRole",
        "iam:CreateUser",
        "iam:PutRolePolicy",
        "iam:AttachUserPolicy",
        "iam:AttachRolePolicy",
        "iam:CreateAccessKey",
        "sts:AssumeRole",
    ];
    let makes = || {
        let some: Vec<&str> = makers.into_iter().filter(|_| byte() % 3 > 0).collect();
        let kind = ["role/m*", "user/m*", MADE[0], MADE[1]][byte() % 4];
        document(&[statement("Allow", &some, &arn(&world, kind))])
    };
    let text = || {
        if seed % 2 == 1 && byte() % 3 > 0 {
            return makes();
        }
        let statements: Vec<String> = (0..=byte() % 2)
            .map(|_| {
                let effect = if byte() % 8 == 0 { "Deny" } else { "Allow" };
                // All of IAM would make everybody an administrator.
                let action = actions[byte() % (actions.len() - usize::from(effect == "Allow"))];
                statement(effect, &[action], &resources())
            })
            .collect();
        document(&statements)
    };
    let mut keys = BTreeMap::new();
    for user in USERS {
        keys.insert(format!("user/{user}"), world.user(user));
    }
    for role in ROLES {
        let by = match byte() % 3 {
            0 => arn(&world, "root"),
            1 => arn(&world, &format!("user/{}", USERS[byte() % 3])),
            _ => arn(&world, "user/admin"),
        };
        let parameters = [("RoleName", role), ("AssumeRolePolicyDocument", &*trust(&by))];
        world.ok(admin, "CreateRole", &parameters);
        put(&world, "Role", role, &text());
    }
    for policy in POLICIES {
        let made = text();
        world.ok(admin, "CreatePolicy", &[("PolicyName", policy), ("PolicyDocument", &made)]);
        let (more, arn) = (text(), arn(&world, &format!("policy/{policy}")));
        if byte() % 2 == 0 {
            world.ok(
                admin,
                "CreatePolicyVersion",
                &[("PolicyArn", &arn), ("PolicyDocument", &more)],
            );
        }
    }
    for group in GROUPS {
        world.ok(admin, "CreateGroup", &[("GroupName", group)]);
        put(&world, "Group", group, &text());
    }
    let wide = document(&[statement("Allow", &["*"], "*")]);
    put(&world, "Role", ROLES[2], &wide);
    for user in USERS {
        if byte() % 3 > 0 {
            put(&world, "User", user, &text());
        }
        let policy = arn(&world, &format!("policy/{}", POLICIES[byte() % 2]));
        match byte() % 4 {
            0 => drop(world.ok(
                admin,
                "AttachUserPolicy",
                &[("UserName", user), ("PolicyArn", &policy)],
            )),
            1 => drop(world.ok(
                admin,
                "PutUserPermissionsBoundary",
                &[("UserName", user), ("PermissionsBoundary", &policy)],
            )),
            _ => {}
        }
        if byte() % 3 == 0 {
            let group = GROUPS[byte() % 2];
            world.ok(admin, "AddUserToGroup", &[("GroupName", group), ("UserName", user)]);
        }
    }
    (world, keys)
}

fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

/// Does what a step says with the key of whoever takes it; what can be acted as is added to the keys.
fn perform(
    world: &World,
    keys: &mut BTreeMap<String, Key>,
    (by, action, on, gives): (&str, &str, &str, &str),
) -> bool {
    let Some(key) = keys.get(by).cloned() else { return false };
    let operation = action.split_once(':').unwrap().1;
    let of = name(on);
    let kind = ["User", "Role", "Group"].into_iter().find(|kind| operation.contains(kind));
    let member = format!("{}Name", kind.unwrap_or("User"));
    let member = (member.as_str(), of);
    let ask = |operation: &str, parameters: &[(&str, &str)]| {
        let answer = world.ask(&key, operation, parameters, None);
        if let Err(fault) = &answer {
            assert!(fault.is_sender(), "{operation}: {fault}");
        }
        answer.ok()
    };
    match operation {
        "PutUserPolicy" | "PutRolePolicy" | "PutGroupPolicy" => {
            let list = format!("List{}Policies", kind.unwrap());
            let Ok(names) = world.ask(&world.admin, &list, &[member], None) else { return false };
            let names = names["PolicyNames"].as_array().unwrap().iter();
            let names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
            let each = |policy: &str| {
                let put = [member, ("PolicyName", policy), ("PolicyDocument", ALL)];
                ask(operation, &put).is_some()
            };
            each("new") && names.iter().all(|name| each(name))
        }
        "AttachUserPolicy" | "AttachRolePolicy" | "AttachGroupPolicy" => {
            let policy = gives.split(' ').next().unwrap();
            ask(operation, &[member, ("PolicyArn", policy)]).is_some()
        }
        "AddUserToGroup" => {
            let user = gives.split(' ').next().unwrap();
            ask(operation, &[("GroupName", of), ("UserName", name(user))]).is_some()
        }
        "CreatePolicyVersion" => {
            let new = [("PolicyArn", on), ("PolicyDocument", ALL), ("SetAsDefault", "true")];
            ask(operation, &new).is_some()
        }
        "SetDefaultPolicyVersion" => {
            let version = gives.split(' ').nth(2).unwrap();
            ask(operation, &[("PolicyArn", on), ("VersionId", version)]).is_some()
        }
        "DeleteUserPermissionsBoundary" | "DeleteRolePermissionsBoundary" => {
            ask(operation, &[member]).is_some()
        }
        "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
            let policy = gives.rsplit(' ').next().unwrap();
            ask(operation, &[member, ("PermissionsBoundary", policy)]).is_some()
        }
        "UpdateAssumeRolePolicy" => {
            ask(operation, &[("RoleName", of), ("PolicyDocument", &trust("*"))]).is_some()
        }
        "CreatePolicy" => ask(operation, &[("PolicyName", of), ("PolicyDocument", ALL)]).is_some(),
        "CreateUser" | "CreateRole" => {
            let mut made = vec![member];
            let trust = trust("*");
            made.extend(
                (operation == "CreateRole").then_some(("AssumeRolePolicyDocument", &*trust)),
            );
            let boundary = gives.split_once(" with the boundary ");
            made.extend(boundary.map(|(_, arn)| ("PermissionsBoundary", arn)));
            ask(operation, &made).is_some()
        }
        "AssumeRole" => match ask(operation, &[("RoleArn", on), ("RoleSessionName", "climb")]) {
            None => false,
            Some(answer) => {
                keys.insert(format!("role/{of}"), Key::of(&answer));
                true
            }
        },
        "CreateAccessKey" => match ask(operation, &[member]) {
            None => false,
            Some(answer) => {
                let id = answer["AccessKey"]["AccessKeyId"].as_str().unwrap();
                keys.insert(format!("user/{of}"), Key::long_term(id));
                true
            }
        },
        "CreateLoginProfile" | "UpdateLoginProfile" => {
            // Whoever has the password has the user; a key stands for the browser.
            let password = [member, ("Password", "Correct-Horse-9")];
            if ask(operation, &password).is_none() {
                return false;
            }
            let made = world.ok(&world.admin, "CreateAccessKey", &[member]);
            let id = made["AccessKey"]["AccessKeyId"].as_str().unwrap();
            keys.insert(format!("user/{of}"), Key::long_term(id));
            true
        }
        other => panic!("{other}"),
    }
}

/// Whether one of these keys is good for the goal.
fn reached(world: &World, keys: &BTreeMap<String, Key>) -> bool {
    keys.values().any(|key| world.ask(key, "CreateGroup", &[("GroupName", "goal")], None).is_ok())
}

fn capital(kind: &str) -> &'static str {
    if kind == "user" { "User" } else { "Role" }
}

/// Everything that somebody might try in a random account.
fn menu(world: &World) -> Vec<(String, String, String)> {
    let mut menu = Vec::new();
    let mut add = |action: &str, on: String, gives: &str| {
        menu.push((action.to_owned(), on, gives.to_owned()));
    };
    let drawn = arn(world, "policy/made");
    add("iam:CreatePolicy", drawn.clone(), "");
    let attached = [ADMINISTRATOR, &drawn].map(|policy| format!("{policy} is attached"));
    let made = |kind: &str| {
        let of_kind = MADE.into_iter().filter(move |name| name.starts_with(kind));
        of_kind.map(|name| name.split_once('/').unwrap().1).collect::<Vec<_>>()
    };
    for kind in ["user", "role"] {
        for one in made(kind) {
            add(&format!("iam:Create{}", capital(kind)), arn(world, &format!("{kind}/{one}")), "");
        }
    }
    let users = [&USERS[..], &made("user")].concat();
    let roles = [&ROLES[..], &made("role")].concat();
    for (kind, names) in [("User", &users[..]), ("Role", &roles[..]), ("Group", &GROUPS[..])] {
        for one in names {
            let on = arn(world, &format!("{}/{one}", kind.to_lowercase()));
            add(&format!("iam:Put{kind}Policy"), on.clone(), "");
            for attached in &attached {
                add(&format!("iam:Attach{kind}Policy"), on.clone(), attached);
            }
            if kind != "Group" {
                add(&format!("iam:Delete{kind}PermissionsBoundary"), on.clone(), "");
                for policy in [ADMINISTRATOR, &drawn] {
                    add(&format!("iam:Put{kind}PermissionsBoundary"), on.clone(), policy);
                }
            }
            if kind == "Role" {
                add("iam:UpdateAssumeRolePolicy", on.clone(), "");
                add("sts:AssumeRole", on.clone(), "");
            }
            if kind == "User" {
                add("iam:CreateAccessKey", on, "");
            }
        }
    }
    add("iam:CreateAccessKey", arn(world, "user/admin"), "");
    for (group, user) in GROUPS.iter().flat_map(|group| users.iter().map(move |user| (group, user)))
    {
        let gives = format!("user/{user} is in group/{group}");
        add("iam:AddUserToGroup", arn(world, &format!("group/{group}")), &gives);
    }
    for policy in POLICIES {
        add("iam:CreatePolicyVersion", arn(world, &format!("policy/{policy}")), "");
    }
    menu
}

#[test]
fn every_way_can_be_gone_and_whoever_gets_there_is_told() {
    let (mut gone, mut refused, mut made, mut lengths) = (0, 0, 0, BTreeSet::new());
    for seed in 0..14 {
        let (world, keys) = random_world(seed);
        let ways = paths(&world);
        assert!(!ways.truncated);
        drop(world);
        for way in ways.ways.iter().filter(|way| !way.steps.is_empty()) {
            let called = way.who.called();
            let (world, mut held) = random_world(seed);
            // A role is taken on by somebody whom it trusts; here an administrator sees to it.
            if let Some(role) = called.strip_prefix("role/") {
                held.insert(called.clone(), session(&world, role));
            }
            held.retain(|name, _| *name == called);
            for step in &way.steps {
                let step = (&*step.by, &*step.action, &*step.on, &*step.gives);
                assert!(
                    perform(&world, &mut held, step),
                    "seed {seed}: {called}: {step:?} of {way:?}"
                );
            }
            assert!(reached(&world, &held), "seed {seed}: {way:?}");
            gone += 1;
            made += usize::from(way.steps.iter().any(|step| step.gives.contains(" is made")));
            lengths.insert(way.steps.len());
        }
        for user in keys.keys() {
            if way(&ways, user).is_some() {
                continue;
            }
            // Nobody told of it: it tries everything, again and again, and does not get there.
            let (world, mut held) = random_world(seed);
            held.retain(|name, _| name == user);
            let mut done = BTreeSet::new();
            loop {
                let before = done.len();
                for (action, on, gives) in menu(&world) {
                    for by in held.keys().cloned().collect::<Vec<_>>() {
                        let deed = (by.clone(), action.clone(), on.clone(), gives.clone());
                        if !done.contains(&deed)
                            && perform(&world, &mut held, (&by, &action, &on, &gives))
                        {
                            done.insert(deed);
                        }
                    }
                }
                assert!(!reached(&world, &held), "seed {seed}: {user} gets there: {done:?}");
                if done.len() == before {
                    break;
                }
            }
            refused += 1;
        }
    }
    let enough = gone > 5 && refused > 3 && made > 0 && lengths.len() > 1;
    assert!(enough, "{gone} {refused} {made} {lengths:?}");
}

/// A session of a role whose trust is widened for it and put back.
fn session(world: &World, role: &str) -> Key {
    let admin = &world.admin;
    let got = world.ok(admin, "GetRole", &[("RoleName", role)]);
    let was = got["Role"]["AssumeRolePolicyDocument"].as_str().unwrap();
    let was = percent_decoded(was);
    world.ok(
        admin,
        "UpdateAssumeRolePolicy",
        &[("RoleName", role), ("PolicyDocument", &trust("*"))],
    );
    let on = arn(world, &format!("role/{role}"));
    let answer = world.ok(admin, "AssumeRole", &[("RoleArn", &on), ("RoleSessionName", "climb")]);
    world.ok(admin, "UpdateAssumeRolePolicy", &[("RoleName", role), ("PolicyDocument", &was)]);
    Key::of(&answer)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut left = text.as_bytes();
    while let Some((first, rest)) = left.split_first() {
        match first {
            b'%' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                left = &rest[2..];
            }
            _ => {
                bytes.push(*first);
                left = rest;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn administrators_and_who_can_become_one() {
    let world = World::new(72);
    world.user("plain");
    world.user("helpdesk");
    let keys = document(&[statement("Allow", &["iam:CreateAccessKey"], "*")]);
    put(&world, "User", "helpdesk", &keys);
    let power = "arn:aws:iam::aws:policy/PowerUserAccess";
    world.user("power");
    world.ok(&world.admin, "AttachUserPolicy", &[("UserName", "power"), ("PolicyArn", power)]);
    let account = world.caller(&world.admin).unwrap().account;
    let (view, goal) = (world.service.now(), Goal::administrator(&world.digits));
    let found = escalation::paths(world.service.documents(), &view, account, &goal, &[]).unwrap();
    let told: Vec<(String, usize)> =
        found.ways.iter().map(|way| (way.who.called(), way.steps.len())).collect();
    let expected = [("root", 0), ("user/admin", 0), ("user/helpdesk", 1)];
    assert_eq!(told, expected.map(|(name, steps)| (name.to_owned(), steps)));
    let _: Value = found.ways[2].shown();
}

#[test]
fn what_is_not_there_yet_is_made() {
    let world = World::new(73);
    let admin = &world.admin;
    let allow = |name: &str, statements: &[String]| {
        world.user(name);
        put(&world, "User", name, &document(statements));
    };
    let may = |actions: &[&str], on: &str| statement("Allow", actions, &arn(&world, on));
    // A role under the name that policies speak of; nothing with a part of it alone.
    let all = ["iam:CreateRole", "iam:PutRolePolicy", "sts:AssumeRole"];
    allow("d1", &[may(&all, "role/team/app-*")]);
    let by = |name: &str, steps: &[&str]| -> Vec<String> {
        steps.iter().map(|step| format!("{name} {step}")).collect()
    };
    let made =
        ["user/d1 iam:CreateRole", "user/d1 sts:AssumeRole", "role/app-new iam:PutRolePolicy"];
    let ways = paths(&world);
    let steps_of = &way(&ways, "user/d1").unwrap().steps;
    assert_eq!(steps_of[0].on, arn(&world, "role/team/app-new"));
    assert_eq!(steps(&world, "user/d1").unwrap()[..2], made[..2]);
    for left_out in 0..2 {
        let name = format!("d2{left_out}");
        let mut some = all.to_vec();
        some.remove(left_out);
        allow(&name, &[may(&some, "role/team/app-*")]);
        assert_eq!(steps(&world, &format!("user/{name}")), None, "without {}", all[left_out]);
    }
    // Whoever makes the role says whom it trusts: no permission of its own is needed to take it on.
    allow("d3", &[may(&["iam:CreateRole", "iam:AttachRolePolicy"], "role/exact")]);
    let expected = ["iam:CreateRole", "sts:AssumeRole", "iam:AttachRolePolicy"];
    assert_eq!(steps(&world, "user/d3").unwrap(), by("user/d3", &expected));
    world.ok(
        admin,
        "CreateRole",
        &[("RoleName", "exact"), ("AssumeRolePolicyDocument", &*trust(&arn(&world, "user/admin")))],
    );
    assert_eq!(steps(&world, "user/d3"), None, "there is such a role, and it trusts somebody else");
    // A user, under a name with the maker's own in it.
    let user = ["iam:CreateUser", "iam:AttachUserPolicy", "iam:CreateAccessKey"];
    allow("d4", &[may(&user, "user/${aws:username}-*")]);
    let expected = ["iam:CreateUser", "iam:CreateAccessKey", "iam:AttachUserPolicy"];
    assert_eq!(steps(&world, "user/d4").unwrap(), by("user/d4", &expected));
    allow(
        "d5",
        &[
            may(&["iam:CreateUser", "iam:CreateAccessKey"], "user/app-*"),
            may(&["iam:AddUserToGroup"], "group/*"),
        ],
    );
    assert_eq!(steps(&world, "user/d5"), None, "no group helps");
    world.ok(admin, "CreateGroup", &[("GroupName", "chiefs")]);
    put(&world, "Group", "chiefs", ALL);
    // It joins the group itself, which is shorter.
    assert_eq!(steps(&world, "user/d5").unwrap(), ["user/d5 iam:AddUserToGroup"]);
    // With a boundary alone: one that allows the goal helps, another does not.
    let bounded = |name: &str, boundary: &str| {
        let condition = format!(
            r#"{{"Effect":"Allow","Action":["iam:CreateRole","iam:PutRolePolicy"],"Resource":"*","Condition":{{"StringLike":{{"iam:PermissionsBoundary":"arn:aws:iam::*:policy/{boundary}"}}}}}}"#
        );
        allow(name, &[condition]);
    };
    let [wide, tight] = [
        document(&[statement("Allow", &["iam:*"], "*")]),
        document(&[statement("Allow", &["s3:*"], "*")]),
    ];
    world.ok(admin, "CreatePolicy", &[("PolicyName", "wide"), ("PolicyDocument", &wide)]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "tight"), ("PolicyDocument", &tight)]);
    bounded("d6", "wide");
    bounded("d7", "tight");
    let ways = paths(&world);
    let d6 = way(&ways, "user/d6").unwrap();
    let wide = arn(&world, "policy/wide");
    assert_eq!(
        d6.steps[0].gives,
        format!("role/new, which trusts everybody, is made with the boundary {wide}")
    );
    assert!(d6.missing().is_empty(), "{d6:?}");
    assert!(way(&ways, "user/d7").is_none());
    // Where only policies of some name may be attached, one of that name is made.
    let drawn = |name: &str, actions: &str| {
        let condition = format!(
            r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*","Condition":{{"ArnLikeIfExists":{{"iam:PolicyARN":"{}"}}}}}}"#,
            arn(&world, "policy/app-*")
        );
        allow(name, &[condition]);
    };
    drawn("d8", r#""iam:CreatePolicy","iam:AttachUserPolicy""#);
    drawn("d9", r#""iam:AttachUserPolicy""#);
    let ways = paths(&world);
    let d8 = &way(&ways, "user/d8").unwrap().steps;
    assert_eq!(d8[0].on, arn(&world, "policy/app-new"));
    assert_eq!((d8.len(), &*d8[1].action), (2, "iam:AttachUserPolicy"));
    assert!(way(&ways, "user/d9").is_none());
    // Any boundary that must be put can be put, and taken away again, or rewritten.
    let make = r#"{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"TIGHT"}}}"#
        .replace("TIGHT", &arn(&world, "policy/tight"));
    let put_it = statement("Allow", &["iam:PutRolePolicy"], "*");
    let more = |action: &str| statement("Allow", &[action], "*");
    allow("e1", &[make.clone(), put_it.clone(), more("iam:DeleteRolePermissionsBoundary")]);
    allow("e2", &[make.clone(), put_it.clone(), more("iam:CreatePolicyVersion")]);
    allow("e3", &[make.clone(), put_it.clone()]);
    let power =
        make.replace(&arn(&world, "policy/tight"), "arn:aws:iam::aws:policy/PowerUserAccess");
    allow("e4", &[power, put_it.clone()]);
    // Names that only boundaries and denials tell, and two patterns at once.
    let own = document(&[statement("Allow", &["iam:*", "sts:*"], &arn(&world, "role/team-*"))]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "team"), ("PolicyDocument", &own)]);
    allow("e5", &[statement("Allow", &all, "*")]);
    let bound = [("UserName", "e5"), ("PermissionsBoundary", &*arn(&world, "policy/team"))];
    world.ok(admin, "PutUserPermissionsBoundary", &bound);
    let denied = r#"{"Effect":"Deny","Action":"iam:CreateRole","NotResource":"ROLE"}"#
        .replace("ROLE", &arn(&world, "role/only-*"));
    allow(
        "e6",
        &[statement("Allow", &["iam:CreateRole"], "*"), denied, may(&all[1..], "role/only-*")],
    );
    allow(
        "e7",
        &[may(&all[..1], "role/app-*"), may(&all[1..2], "role/*-dev"), more("sts:AssumeRole")],
    );
    // Another boundary than AdministratorAccess, and the one of several that helps.
    allow("e8", &[statement("Allow", &["iam:*"], "*").replace("iam:*", "iam:CreateUser"), may(&[ACTION], "group/*"),
        r#"{"Effect":"Allow","Action":"iam:PutUserPermissionsBoundary","Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"WIDE"}}}"#.replace("WIDE", &wide)]);
    let only = document(&[statement("Allow", &["iam:PutUserPermissionsBoundary"], "*")]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "only"), ("PolicyDocument", &only)]);
    let bound = [("UserName", "e8"), ("PermissionsBoundary", &*arn(&world, "policy/only"))];
    world.ok(admin, "PutUserPermissionsBoundary", &bound);
    let ways = paths(&world);
    let actions = |name: &str| -> Vec<&str> {
        let way = way(&ways, name).unwrap_or_else(|| panic!("{name}"));
        assert!(way.missing().is_empty(), "{way:?}");
        way.steps.iter().map(|step| step.action.split_once(':').unwrap().1).collect()
    };
    assert!(actions("user/e1").contains(&"DeleteRolePermissionsBoundary"));
    assert!(actions("user/e2").contains(&"CreatePolicyVersion"));
    assert!(way(&ways, "user/e3").is_none());
    assert!(way(&ways, "user/e4").is_none(), "PowerUserAccess allows no iam:CreateGroup");
    let on = |name: &str| way(&ways, name).unwrap().steps[0].on.clone();
    assert_eq!(on("user/e5"), arn(&world, "role/team-new"));
    assert_eq!(on("user/e6"), arn(&world, "role/only-new"));
    assert_eq!(on("user/e7"), arn(&world, "role/app-new-dev"));
    assert_eq!(actions("user/e8"), ["PutUserPermissionsBoundary"]);
    let s3 = Goal::of("s3:GetObject", "arn:aws:s3:::b/k");
    let account = world.caller(admin).unwrap().account;
    let (view, documents) = (world.service.now(), world.service.documents());
    let found = escalation::paths(documents, &view, account, &s3, &[]).unwrap();
    assert!(way(&found, "user/e4").is_some());
    // Boundaries stand in one another's place: that a worse one may be put as well hides nothing.
    allow(
        "h1",
        &[statement(
            "Allow",
            &["iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"],
            &arn(&world, "user/h1"),
        )],
    );
    let bound = [("UserName", "h1"), ("PermissionsBoundary", &*arn(&world, "policy/both"))];
    let both = document(&[statement("Allow", &["iam:PutUser*"], "*")]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "both"), ("PolicyDocument", &both)]);
    let never = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/never":"x"}}}]}"#;
    world.ok(admin, "CreatePolicy", &[("PolicyName", "never"), ("PolicyDocument", never)]);
    world.ok(admin, "PutUserPermissionsBoundary", &bound);
    let ways = paths(&world);
    let h1 = way(&ways, "user/h1").unwrap();
    assert!(h1.missing().is_empty() && h1.steps.len() == 2, "{h1:?}");
    // Nobody hides a way by a name.
    world.ok(
        admin,
        "CreateRole",
        &[
            ("RoleName", "App-New"),
            ("AssumeRolePolicyDocument", &*trust(&arn(&world, "user/admin"))),
        ],
    );
    assert_eq!(
        way(&paths(&world), "user/d1").unwrap().steps[0].on,
        arn(&world, "role/team/app-new2")
    );
}

#[test]
fn organizations_bind_roles_under_every_path_that_can_be_made() {
    let world = World::new(74);
    let path = [
        ("RoleName", "x"),
        ("Path", "/aws-service-role/x/"),
        ("AssumeRolePolicyDocument", &*trust("*")),
    ];
    world.refused(&world.admin, "CreateRole", &path, "InvalidInput");
    // One that came from elsewhere is its service's alone.
    let account = world.caller(&world.admin).unwrap().account;
    let role = UniqueId::parse("AROASERVICE000000001").unwrap();
    let act = Act { account, actor: Actor::operator(), happened_at: None };
    let made = role.clone();
    world
        .service
        .act(move |service, turn| {
            turn.perform(&act, |tx| {
                let trust = trust("*");
                let document = tx.keep_content(trust.as_bytes());
                tx.record(RoleCreated {
                    role: made.clone(),
                    path: "/aws-service-role/x.amazonaws.com/".to_owned(),
                    name: tx.seal(&made, "name", "linked")?,
                    name_tag: tx.name_tag(NameKind::Role, "linked")?,
                    trust: Trust { document, principals: Vec::new() },
                    description: None,
                    max_session: 3_600,
                })?;
                let caller = service.operator("test", account)?;
                let by = origin(tx, &caller, "CreateServiceLinkedRole", made.clone(), None)?;
                Ok(((), by))
            })
        })
        .unwrap();
    let name = ("RoleName", "linked");
    let policy = ("PolicyArn", ADMINISTRATOR);
    let boundary = ("PermissionsBoundary", ADMINISTRATOR);
    let inline = ("PolicyName", "p");
    let text = ("PolicyDocument", ALL);
    let trusting = trust("*");
    world.ok(&world.admin, "CreateInstanceProfile", &[("InstanceProfileName", "p")]);
    for (operation, parameters) in [
        ("AttachRolePolicy", vec![name, policy]),
        ("DetachRolePolicy", vec![name, policy]),
        ("PutRolePolicy", vec![name, inline, text]),
        ("DeleteRolePolicy", vec![name, inline]),
        ("PutRolePermissionsBoundary", vec![name, boundary]),
        ("DeleteRolePermissionsBoundary", vec![name]),
        ("UpdateAssumeRolePolicy", vec![name, ("PolicyDocument", &*trusting)]),
        ("AddRoleToInstanceProfile", vec![name, ("InstanceProfileName", "p")]),
        ("DeleteRole", vec![name]),
    ] {
        world.refused(&world.admin, operation, &parameters, "UnmodifiableEntity");
    }
    // Nor does anybody climb by it.
    let steps = ["iam:CreateRole", "iam:PutRolePolicy", "sts:AssumeRole"];
    world.user("f1");
    let on = arn(&world, "role/aws-service-role/*");
    put(&world, "User", "f1", &document(&[statement("Allow", &steps, &on)]));
    assert!(way(&paths(&world), "user/f1").is_none());
}

#[test]
fn a_password_is_no_way_past_a_second_factor() {
    let world = World::new(75);
    world.user("guarded");
    put(&world, "User", "guarded", ALL);
    world.ok(
        &world.admin,
        "CreateLoginProfile",
        &[("UserName", "guarded"), ("Password", "Correct-Horse-9")],
    );
    world.user("g1");
    let on = arn(&world, "user/guarded");
    put(&world, "User", "g1", &document(&[statement("Allow", &["iam:UpdateLoginProfile"], &on)]));
    assert_eq!(steps(&world, "user/g1").unwrap(), ["user/g1 iam:UpdateLoginProfile"]);
    super::factors::give(&world, "guarded");
    assert_eq!(steps(&world, "user/g1"), None);
}
