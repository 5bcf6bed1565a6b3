//! The account, its login profiles and instance profiles, and the answer that tells all of it.

use std::collections::BTreeSet;

use domesday::identity::event::Event;
use domesday::ledger::Frame;
use domesday::projection::Reader;
use domesday::projection::directory::Directory;
use domesday::projection::sealing::{open_secret, unseal};
use domesday::projection::tables::{LOGIN_PROFILES, UserRow};
use domesday::projection::view::ReadTables;
use domesday::service::limits::{Type, model};
use domesday::service::operation::Api;
use domesday::service::subject_of;
use serde_json::{Value, json};

use super::world::World;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}"#;
const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:DeleteUser","Resource":"*"}]}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

fn role(world: &World, name: &str) {
    let parameters = [("RoleName", name), ("AssumeRolePolicyDocument", TRUST)];
    world.ok(&world.admin, "CreateRole", &parameters);
}

/// The hash of a user's password, as it is stored; `None` if there is none.
fn stored_hash(world: &World, user: &str) -> Option<String> {
    let now = world.service.now();
    let account = world.caller(&world.admin).unwrap().account;
    let id = Directory::new(&now, account).find::<UserRow>(user).unwrap().unwrap().row.id;
    let row = now.get(account, &LOGIN_PROFILES, &id).unwrap()?;
    let secret = open_secret(&now, account, &id, "password", &row.commitment).unwrap();
    secret.map(|secret| secret.expose().clone())
}

#[test]
fn a_password_is_set_changed_and_gone() {
    let world = World::new(31);
    let admin = &world.admin;
    let alice = world.user("alice");
    let of = ("UserName", "alice");
    let first = ("Password", "correct Horse 1");
    world.refused(admin, "GetLoginProfile", &[of], "NoSuchEntity");
    world.refused(admin, "UpdateLoginProfile", &[of, first], "NoSuchEntity");
    world.refused(admin, "CreateLoginProfile", &[of], "ValidationError");
    let short = [of, ("Password", "Abc1!")];
    world.refused(admin, "CreateLoginProfile", &short, "PasswordPolicyViolation");
    let email = [of, ("Password", "Root@example.com")];
    world.refused(admin, "CreateLoginProfile", &email, "PasswordPolicyViolation");
    let nobody = [("UserName", "nobody"), first];
    world.refused(admin, "CreateLoginProfile", &nobody, "NoSuchEntity");
    world.refused(&alice, "CreateLoginProfile", &[of, first], "AccessDenied");
    assert_eq!(stored_hash(&world, "alice"), None);

    let reset = ("PasswordResetRequired", "true");
    let made = world.ok(admin, "CreateLoginProfile", &[of, first, reset]);
    assert_eq!(made["LoginProfile"]["UserName"], "alice");
    assert_eq!(made["LoginProfile"]["PasswordResetRequired"], true);
    assert_eq!(world.ok(admin, "GetLoginProfile", &[of]), made);
    let hash = stored_hash(&world, "alice").unwrap();
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    world.refused(admin, "CreateLoginProfile", &[of, first], "EntityAlreadyExists");
    let message = world.refused(admin, "DeleteUser", &[of], "DeleteConflict");
    assert!(!message.is_empty());

    // What stays as it is does not happen; a new password replaces the old one for good.
    let head = world.head();
    world.ok(admin, "UpdateLoginProfile", &[of, reset]);
    assert_eq!(world.head(), head);
    world.refused(
        admin,
        "UpdateLoginProfile",
        &[of, ("Password", "longbutplain")],
        "PasswordPolicyViolation",
    );
    let second = [of, ("Password", "other Horse 2"), ("PasswordResetRequired", "false")];
    world.ok(admin, "UpdateLoginProfile", &second);
    assert_ne!(stored_hash(&world, "alice").unwrap(), hash);
    let now = world.ok(admin, "GetLoginProfile", &[of]);
    assert_eq!(now["LoginProfile"]["PasswordResetRequired"], false);
    assert_eq!(now["LoginProfile"]["CreateDate"], made["LoginProfile"]["CreateDate"]);

    // A user about itself, when it may.
    world.allow("alice", "iam:*LoginProfile", "arn:aws:iam::*:user/alice");
    assert_eq!(world.ok(&alice, "GetLoginProfile", &[]), now);
    world.ok(&alice, "DeleteLoginProfile", &[]);
    assert_eq!(stored_hash(&world, "alice"), None);
    world.refused(admin, "DeleteLoginProfile", &[of], "NoSuchEntity");
    world.ok(&alice, "CreateLoginProfile", &[first]);
    assert!(stored_hash(&world, "alice").is_some());
}

#[test]
fn neither_password_nor_hash_is_in_the_ledger() {
    let world = World::new(32);
    world.user("alice");
    let of = ("UserName", "alice");
    world.ok(&world.admin, "CreateLoginProfile", &[of, ("Password", "correct Horse 1")]);
    let changed = [of, ("Password", "other Horse 2")];
    world.ok(&world.admin, "UpdateLoginProfile", &changed);
    let now = world.service.now();
    let mut opened = Vec::new();
    for position in 1..=world.head() {
        let bytes = world.service.ledger().event(position).unwrap();
        let frame = Frame::read(position, &bytes).unwrap();
        let event = Event::decode(frame.body).unwrap();
        let mut told = format!("{event:?}{}", String::from_utf8_lossy(&bytes));
        // The parameters are sealed: what is in them is looked at, too.
        if let Some(sealed) = &event.origin.parameters {
            let subject = subject_of(&event.origin.target);
            let account = frame.header.account;
            let plain = unseal(now.keys(), account, &subject, "parameters", sealed).unwrap();
            told += &plain.unwrap();
            opened.push(event.origin.operation.clone());
        }
        for secret in ["Horse", "argon2"] {
            assert!(!told.contains(secret), "event {position} tells {secret}: {told}");
        }
    }
    let expected = ["CreateUser", "CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile"];
    assert_eq!(opened, expected);
}

#[test]
fn an_instance_profile_holds_one_role_that_may_be_passed() {
    let world = World::new(33);
    let admin = &world.admin;
    role(&world, "web");
    role(&world, "db");
    let profile = ("InstanceProfileName", "machines");
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")];
    let made =
        world.ok(admin, "CreateInstanceProfile", &[profile, ("Path", "/eu/"), tag[0], tag[1]]);
    let made = &made["InstanceProfile"];
    assert_eq!(made["Arn"], format!("arn:aws:iam::{}:instance-profile/eu/machines", world.digits));
    assert!(made["InstanceProfileId"].as_str().unwrap().starts_with("AIPA"));
    assert_eq!(made["Tags"], json!([{"Key": "team", "Value": "red"}]));
    assert_eq!(made["Roles"], json!([]));
    let again = [("InstanceProfileName", "MACHINES")];
    world.refused(admin, "CreateInstanceProfile", &again, "EntityAlreadyExists");

    // Filling it takes the right to pass the role to machines.
    let alice = world.user("alice");
    let web = [profile, ("RoleName", "web")];
    world.allow("alice", "iam:AddRoleToInstanceProfile", "*");
    let message = world.refused(&alice, "AddRoleToInstanceProfile", &web, "AccessDenied");
    assert!(message.contains("iam:PassRole") && message.contains("role/web"), "{message}");
    let pass = |service: &str| {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}]}}"#
        );
        let of = [("UserName", "alice"), ("PolicyName", "pass"), ("PolicyDocument", &document)];
        world.ok(admin, "PutUserPolicy", &of);
    };
    pass("lambda.amazonaws.com");
    world.refused(&alice, "AddRoleToInstanceProfile", &web, "AccessDenied");
    pass("ec2.amazonaws.com");
    world.ok(&alice, "AddRoleToInstanceProfile", &web);
    for name in ["web", "db"] {
        let other = [profile, ("RoleName", name)];
        let message = world.refused(admin, "AddRoleToInstanceProfile", &other, "LimitExceeded");
        assert_eq!(message, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1");
    }
    let got = world.ok(admin, "GetInstanceProfile", &[profile]);
    assert_eq!(got["InstanceProfile"]["Roles"][0]["RoleName"], "web");

    // Lists.
    world.ok(admin, "CreateInstanceProfile", &[("InstanceProfileName", "another")]);
    let names = |answer: Value| -> Vec<String> {
        let list = answer["InstanceProfiles"].as_array().unwrap().clone();
        list.iter().map(|one| one["InstanceProfileName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(world.ok(admin, "ListInstanceProfiles", &[])), ["another", "machines"]);
    let prefix = [("PathPrefix", "/eu/")];
    assert_eq!(names(world.ok(admin, "ListInstanceProfiles", &prefix)), ["machines"]);
    let first = world.ok(admin, "ListInstanceProfiles", &[("MaxItems", "1")]);
    assert_eq!(first["IsTruncated"], true);
    let marker = [("Marker", first["Marker"].as_str().unwrap())];
    assert_eq!(names(world.ok(admin, "ListInstanceProfiles", &marker)), ["machines"]);
    let for_role =
        |name| names(world.ok(admin, "ListInstanceProfilesForRole", &[("RoleName", name)]));
    assert_eq!((for_role("web"), for_role("db")), (vec!["machines".to_owned()], vec![]));

    // Leaving, in the order that AWS asks for.
    world.refused(admin, "DeleteRole", &[("RoleName", "web")], "DeleteConflict");
    world.refused(admin, "DeleteInstanceProfile", &[profile], "DeleteConflict");
    let wrong = [profile, ("RoleName", "db")];
    world.refused(admin, "RemoveRoleFromInstanceProfile", &wrong, "NoSuchEntity");
    let full = world.moment(&format!("@{}", world.head()));
    world.ok(admin, "RemoveRoleFromInstanceProfile", &web);
    world.ok(admin, "DeleteInstanceProfile", &[profile]);
    world.ok(admin, "DeleteRole", &[("RoleName", "web")]);
    world.refused(admin, "GetInstanceProfile", &[profile], "NoSuchEntity");
    let then = world.ask(admin, "GetInstanceProfile", &[profile], full).unwrap();
    assert_eq!(then, got);
}

#[test]
fn an_alias_is_unique_and_replaced() {
    let world = World::new(34);
    let admin = &world.admin;
    let aliases = || world.ok(admin, "ListAccountAliases", &[])["AccountAliases"].take();
    let alias = |name: &'static str| [("AccountAlias", name)];
    assert_eq!(aliases(), json!([]));
    for bad in ["ab", "Upper", "-x-", "a--b"] {
        world.refused(admin, "CreateAccountAlias", &alias(bad), "ValidationError");
    }
    world.refused(admin, "CreateAccountAlias", &alias("123456789012"), "ValidationError");
    world.ok(admin, "CreateAccountAlias", &alias("example-corp"));
    world.refused(admin, "CreateAccountAlias", &alias("example-corp"), "EntityAlreadyExists");
    world.ok(admin, "CreateAccountAlias", &alias("example"));
    assert_eq!(aliases(), json!(["example"]));
    world.refused(admin, "DeleteAccountAlias", &alias("example-corp"), "NoSuchEntity");

    // Another account in the same store: what is taken is taken, what was given up is free.
    let founding = domesday::service::founding::Founding {
        root_email: Some("other@example.com".into()),
        admin: Some("admin".into()),
        ..Default::default()
    };
    let (_, key, _) = world.service.found(founding, "test").unwrap().admin.unwrap();
    let other = super::world::Key::long_term(&key);
    world.refused(&other, "CreateAccountAlias", &alias("example"), "EntityAlreadyExists");
    world.refused(&other, "DeleteAccountAlias", &alias("example"), "NoSuchEntity");
    world.ok(&other, "CreateAccountAlias", &alias("example-corp"));
    world.ok(admin, "DeleteAccountAlias", &alias("example"));
    assert_eq!(aliases(), json!([]));
    world.ok(&other, "CreateAccountAlias", &alias("example"));
}

#[test]
fn the_summary_counts_and_names_what_the_model_names() {
    let world = World::new(35);
    let admin = &world.admin;
    let summary = || world.ok(admin, "GetAccountSummary", &[])["SummaryMap"].take();
    let before = summary();
    let model = model(Api::Iam).unwrap();
    let Some(Type::String(keys)) = model.types.get("summaryKeyType") else { panic!("no keys") };
    let told: BTreeSet<_> = before.as_object().unwrap().keys().collect();
    assert_eq!(told, keys.values.iter().collect());
    world.user("alice");
    role(&world, "web");
    world.ok(admin, "CreateGroup", &[("GroupName", "readers")]);
    world.ok(admin, "CreateInstanceProfile", &[("InstanceProfileName", "machines")]);
    world.ok(admin, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", ALLOW)]);
    world.ok(admin, "AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", READ_ONLY)]);
    let bound = [("RoleName", "web"), ("PermissionsBoundary", READ_ONLY)];
    world.ok(admin, "PutRolePermissionsBoundary", &bound);
    let after = summary();
    let grown = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    for name in ["Users", "Roles", "Groups", "InstanceProfiles", "Policies", "PolicyVersionsInUse"]
    {
        assert_eq!(grown(name), 1, "{name}");
    }
    assert_eq!((&after["UsersQuota"], &after["AccountPasswordPresent"]), (&json!(5000), &json!(1)));
    assert_eq!(after["AccountAccessKeysPresent"], 0);
}

#[test]
fn the_details_tell_everything_page_by_page() {
    let world = World::new(36);
    let admin = &world.admin;
    world.user("alice");
    world.allow("alice", "iam:GetUser", "*");
    world.ok(admin, "CreateGroup", &[("GroupName", "readers")]);
    world.ok(admin, "AddUserToGroup", &[("GroupName", "readers"), ("UserName", "alice")]);
    world.ok(admin, "AttachGroupPolicy", &[("GroupName", "readers"), ("PolicyArn", READ_ONLY)]);
    let inline = [("GroupName", "readers"), ("PolicyName", "more"), ("PolicyDocument", ALLOW)];
    world.ok(admin, "PutGroupPolicy", &inline);
    role(&world, "web");
    let bound = [("RoleName", "web"), ("PermissionsBoundary", DENY_ALL)];
    world.ok(admin, "PutRolePermissionsBoundary", &bound);
    world.ok(
        admin,
        "TagRole",
        &[("RoleName", "web"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")],
    );
    let profile = ("InstanceProfileName", "machines");
    world.ok(admin, "CreateInstanceProfile", &[profile]);
    world.ok(admin, "AddRoleToInstanceProfile", &[profile, ("RoleName", "web")]);
    let policy =
        world.ok(admin, "CreatePolicy", &[("PolicyName", "Mine"), ("PolicyDocument", ALLOW)]);
    let arn = policy["Policy"]["Arn"].as_str().unwrap();
    world.ok(admin, "CreatePolicyVersion", &[("PolicyArn", arn), ("PolicyDocument", DENY)]);
    world.ok(admin, "AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", arn)]);

    let all = world.ok(admin, "GetAccountAuthorizationDetails", &[]);
    let user = &all["UserDetailList"][1];
    assert_eq!((&user["UserName"], &user["GroupList"]), (&json!("alice"), &json!(["readers"])));
    assert_eq!(user["AttachedManagedPolicies"], json!([{"PolicyName": "Mine", "PolicyArn": arn}]));
    assert_eq!(user["UserPolicyList"][0]["PolicyName"], "allow");
    let group = &all["GroupDetailList"][0];
    let shown = world.ok(admin, "GetGroupPolicy", &inline[..2])["PolicyDocument"].take();
    assert!(shown.as_str().unwrap().starts_with("%7B%22Version%22"), "{shown}");
    assert_eq!(group["GroupPolicyList"], json!([{"PolicyName": "more", "PolicyDocument": shown}]));
    assert_eq!(group["AttachedManagedPolicies"][0]["PolicyName"], "ReadOnlyAccess");
    let web = &all["RoleDetailList"][0];
    assert_eq!(web["InstanceProfileList"][0]["InstanceProfileName"], "machines");
    assert_eq!(web["PermissionsBoundary"]["PermissionsBoundaryArn"], DENY_ALL);
    assert_eq!(web["Tags"], json!([{"Key": "team", "Value": "red"}]));
    assert!(web["RoleLastUsed"].is_object());
    let names = |answer: &Value| -> Vec<String> {
        let list = answer["Policies"].as_array().unwrap().clone();
        list.iter().map(|one| one["PolicyName"].as_str().unwrap().to_owned()).collect()
    };
    // The account's own, then the shared ones that grant or bound.
    let expected = ["Mine", "AdministratorAccess", "AWSDenyAll", "ReadOnlyAccess"];
    assert_eq!(names(&all), expected);
    let mine = &all["Policies"][0];
    let versions: Vec<_> = mine["PolicyVersionList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["VersionId"].as_str().unwrap(), &version["IsDefaultVersion"]))
        .collect();
    assert_eq!(versions, [("v2", &json!(false)), ("v1", &json!(true))]);
    assert_eq!(mine["PolicyVersionList"][1]["Document"], shown);
    for policy in all["Policies"].as_array().unwrap() {
        assert!(policy["PolicyId"].as_str().unwrap().starts_with("ANPA"));
        assert!(policy["PolicyVersionList"][0]["Document"].as_str().unwrap().starts_with("%7B"));
    }

    // Filtered.
    let filter = [("Filter.member.1", "LocalManagedPolicy"), ("Filter.member.2", "Group")];
    let some = world.ok(admin, "GetAccountAuthorizationDetails", &filter);
    assert_eq!(names(&some), ["Mine"]);
    assert_eq!(some["GroupDetailList"], all["GroupDetailList"]);
    assert_eq!((&some["UserDetailList"], &some["RoleDetailList"]), (&json!([]), &json!([])));
    let shared = [("Filter.member.1", "AWSManagedPolicy")];
    let shared = world.ok(admin, "GetAccountAuthorizationDetails", &shared);
    assert_eq!(names(&shared), expected[1..]);
    let wrong = [("Filter.member.1", "Alien")];
    world.refused(admin, "GetAccountAuthorizationDetails", &wrong, "ValidationError");

    // One by one, the pages are the whole.
    let lists = ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];
    let mut joined = json!({});
    for list in lists {
        joined[list] = json!([]);
    }
    let (mut marker, mut pages) = (None::<String>, 0);
    loop {
        let mut parameters = vec![("MaxItems", "1")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let mut page = world.ok(admin, "GetAccountAuthorizationDetails", &parameters);
        pages += 1;
        for list in lists {
            let mut more = std::mem::take(page[list].as_array_mut().unwrap());
            joined[list].as_array_mut().unwrap().append(&mut more);
        }
        assert_eq!(page["IsTruncated"].as_bool().unwrap(), page["Marker"].is_string());
        marker = page["Marker"].as_str().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(pages, 8);
    for list in lists {
        assert_eq!(joined[list], all[list], "{list}");
    }
}
