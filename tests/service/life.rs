//! A user's life, and what each instant of it looked like.

use super::world::{Key, World};

#[test]
fn joiner_mover_leaver_and_every_instant_between() {
    let world = World::new(1);
    let admin = &world.admin;
    let before = world.head();
    let alice = world.user("alice");
    world.refused(&alice, "CreateUser", &[("UserName", "eve")], "AccessDenied");
    world.refused(admin, "CreateUser", &[("UserName", "ALICE")], "EntityAlreadyExists");
    world.allow("alice", "iam:CreateUser", "*");
    let allowed = world.head();
    world.ok(&alice, "CreateUser", &[("UserName", "bob")]);

    // Leaving, in the order that AWS asks for.
    world.refused(admin, "DeleteUser", &[("UserName", "alice")], "DeleteConflict");
    let of = ("UserName", "alice");
    world.ok(admin, "DeleteAccessKey", &[of, ("AccessKeyId", &alice.id)]);
    world.refused(admin, "DeleteUser", &[of], "DeleteConflict");
    world.ok(admin, "DeleteUserPolicy", &[of, ("PolicyName", "allow")]);
    let then = world.clock_text();
    world.ok(admin, "DeleteUser", &[of]);
    world.refused(admin, "GetUser", &[of], "NoSuchEntity");
    assert!(world.caller(&alice).is_err());

    // And every instant is still there.
    let at =
        |moment: &str, operation: &str| world.ask(admin, operation, &[of], world.moment(moment));
    assert_eq!(at(&format!("@{before}"), "GetUser").unwrap_err().code, "NoSuchEntity");
    assert_eq!(at(&format!("@{allowed}"), "GetUser").unwrap()["User"]["UserName"], "alice");
    let policies = at(&format!("@{allowed}"), "ListUserPolicies").unwrap();
    assert_eq!(policies["PolicyNames"][0], "allow");
    assert_eq!(at(&then, "GetUser").unwrap()["User"]["UserName"], "alice");
    let policies = at(&then, "ListUserPolicies").unwrap();
    assert_eq!(policies["PolicyNames"].as_array().unwrap().len(), 0);
    // A date as it was known before: nothing of it.
    assert_eq!(at(&format!("{then}@{before}"), "GetUser").unwrap_err().code, "NoSuchEntity");
    // The past is read-only.
    assert_eq!(at("@3", "DeleteUser").unwrap_err().code, "AccessDenied");
}

#[test]
fn the_past_is_read_with_the_rights_of_now() {
    let world = World::new(2);
    let alice = world.user("alice");
    world.allow("alice", "iam:GetUser", "*");
    let of = [("UserName", "alice")];
    world.ok(&alice, "GetUser", &of);
    let moment = world.moment(&format!("@{}", world.head()));
    // Reading the past is a permission of its own.
    assert_eq!(world.ask(&alice, "GetUser", &of, moment).unwrap_err().code, "AccessDenied");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetUser","domesday:TimeTravel"],"Resource":"*"}]}"#;
    let put = [("UserName", "alice"), ("PolicyName", "allow"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutUserPolicy", &put);
    world.ask(&alice, "GetUser", &of, moment).unwrap();
    // What was allowed then and is not now is not allowed of then.
    world.ok(&world.admin, "DeleteUserPolicy", &put[..2]);
    assert_eq!(world.ask(&alice, "GetUser", &of, moment).unwrap_err().code, "AccessDenied");
}

#[test]
fn a_denial_explains_itself_and_its_message_opens_for_its_account_only() {
    let world = World::new(3);
    let alice = world.user("alice");
    let message = world.refused(&alice, "CreateUser", &[("UserName", "eve")], "AccessDenied");
    let expected = format!(
        "User: arn:aws:iam::{0}:user/alice is not authorized to perform: iam:CreateUser on \
         resource: arn:aws:iam::{0}:user/eve because no identity-based policy allows the \
         iam:CreateUser action",
        world.digits
    );
    assert!(message.starts_with(&expected), "{message}");
    let encoded = message.rsplit(' ').next().unwrap();
    let decode = [("EncodedMessage", encoded)];
    world.refused(&alice, "DecodeAuthorizationMessage", &decode, "AccessDenied");
    let decoded = world.ok(&world.admin, "DecodeAuthorizationMessage", &decode);
    let text = decoded["DecodedMessage"].as_str().unwrap();
    let message: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(message["allowed"], false);
    assert_eq!(message["context"]["action"], "iam:CreateUser");
    let garbled = [("EncodedMessage", "AAAA")];
    let code = "InvalidAuthorizationMessageException";
    world.refused(&world.admin, "DecodeAuthorizationMessage", &garbled, code);
}

#[test]
fn what_is_gone_is_judged_as_it_was() {
    let world = World::new(7);
    let auditor = world.user("auditor");
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::{}:user/staff/*"}},{{"Effect":"Allow","Action":"domesday:TimeTravel","Resource":"*"}}]}}"#,
        world.digits
    );
    let put = [("UserName", "auditor"), ("PolicyName", "p"), ("PolicyDocument", &document)];
    world.ok(&world.admin, "PutUserPolicy", &put);
    let of = ("UserName", "bob");
    world.ok(&world.admin, "CreateUser", &[of, ("Path", "/staff/")]);
    let moment = world.moment(&format!("@{}", world.head()));
    world.ask(&auditor, "GetUser", &[of], moment).unwrap();
    // Gone: its path was that of then. There again elsewhere: both paths must be allowed.
    world.ok(&world.admin, "DeleteUser", &[of]);
    world.ask(&auditor, "GetUser", &[of], moment).unwrap();
    world.ok(&world.admin, "CreateUser", &[of, ("Path", "/bosses/")]);
    let fault = world.ask(&auditor, "GetUser", &[of], moment).unwrap_err();
    assert_eq!(fault.code, "AccessDenied");
}

#[test]
fn indexes_over_all_accounts_are_read_at_a_date() {
    let world = World::new(8);
    let before = world.clock_text();
    world.clock.advance(10);
    let alice = world.user("alice");
    let between = world.clock_text();
    world.clock.advance(10);
    let key = [("AccessKeyId", alice.id.as_str())];
    world.ok(&world.admin, "DeleteAccessKey", &[("UserName", "alice"), key[0]]);
    let at = |moment: &str| world.ask(&world.admin, "GetAccessKeyInfo", &key, world.moment(moment));
    assert_eq!(at(&before).unwrap_err().code, "ValidationError");
    assert_eq!(at(&between).unwrap()["Account"], world.digits.as_str());
    let now = world.clock_text();
    assert_eq!(at(&now).unwrap_err().code, "ValidationError");
}

#[test]
fn a_refused_write_leaves_its_receipt() {
    use domesday::service::activity::receipt::Kind;
    let world = World::new(6);
    let alice = world.user("alice");
    world.refused(&alice, "CreateUser", &[("UserName", "eve")], "AccessDenied");
    std::thread::sleep(std::time::Duration::from_millis(150));
    let mut denied = Vec::new();
    for (_, receipt) in world.receipts() {
        if receipt.kind == Kind::ImplicitDeny {
            denied.push((receipt.action, receipt.credential.unwrap().to_string()));
        }
    }
    assert_eq!(denied, [("iam:CreateUser".to_owned(), alice.id)]);
}

#[test]
fn a_read_leaves_one_receipt_whether_from_disk_or_from_memory() {
    let world = World::new(7);
    let alice = world.user("alice");
    let receipts = || {
        std::thread::sleep(std::time::Duration::from_millis(150));
        let mut asked = world.receipts();
        asked.retain(|(_, receipt)| receipt.action == "iam:GetUser");
        asked
    };
    let name = [("UserName", "alice")];
    for times in 1..4 {
        world.ok(&world.admin, "GetUser", &name);
        let refused = world.refused(&alice, "GetUser", &name, "AccessDenied");
        assert!(refused.contains("is not authorized to perform: iam:GetUser"), "{refused}");
        assert_eq!(receipts().len(), 2 * times);
    }
}

#[test]
fn keys_are_used_stopped_and_counted() {
    let world = World::new(4);
    let alice = world.user("alice");
    let key = ("AccessKeyId", alice.id.as_str());
    let of = ("UserName", "alice");
    let used = world.ok(&world.admin, "GetAccessKeyLastUsed", &[key]);
    assert_eq!(used["AccessKeyLastUsed"]["ServiceName"], "N/A");
    world.ok(&alice, "GetCallerIdentity", &[]);
    std::thread::sleep(std::time::Duration::from_millis(150));
    let used = world.ok(&world.admin, "GetAccessKeyLastUsed", &[key]);
    assert_eq!(used["AccessKeyLastUsed"]["ServiceName"], "sts");
    world.ok(&world.admin, "UpdateAccessKey", &[of, key, ("Status", "Inactive")]);
    assert!(world.caller(&alice).is_err());
    world.ok(&world.admin, "UpdateAccessKey", &[of, key, ("Status", "Active")]);
    assert!(world.caller(&alice).is_ok());
    world.ok(&world.admin, "CreateAccessKey", &[of]);
    let message = world.refused(&world.admin, "CreateAccessKey", &[of], "LimitExceeded");
    assert_eq!(message, "Cannot exceed quota for AccessKeysPerUser: 2");
    // A key of somebody else is not found.
    let wrong = [("UserName", "admin"), key];
    world.refused(&world.admin, "DeleteAccessKey", &wrong, "NoSuchEntity");
}

#[test]
fn limits_are_told_all_at_once() {
    let world = World::new(5);
    let long = "x".repeat(65);
    let parameters = [("UserName", long.as_str()), ("Path", "nope"), ("Tags.member.1.Key", "")];
    let message = world.refused(&world.admin, "CreateUser", &parameters, "ValidationError");
    assert!(message.contains("validation errors detected"), "{message}");
    assert_eq!(world.head(), World::new(5).head(), "a refusal leaves no event");
    let unknown = Key::long_term("AKIAUNKNOWNUNKNOWN00");
    assert!(world.caller(&unknown).is_err());
}

impl World {
    fn clock_text(&self) -> String {
        self.service.clock().now().to_string()
    }
}

#[test]
fn a_name_that_passed_to_another_is_not_the_callers() {
    let world = World::new(9);
    let admin = &world.admin;
    let alice = world.user("alice");
    world.allow("alice", "iam:*", "arn:aws:iam::*:user/${aws:username}");
    let then = world.moment(&format!("@{}", world.head()));
    // A request that waits while its caller is renamed and the name given away.
    let caller = world.caller(&alice).unwrap();
    world.ok(admin, "UpdateUser", &[("UserName", "alice"), ("NewUserName", "bob")]);
    let of = [("UserName", "alice")];
    world.ok(admin, "CreateUser", &of);
    for parameters in [&[][..], &of[..]] {
        let mut form = domesday::base::form_tree::Form::default();
        for (name, value) in parameters {
            form.insert(name, (*value).to_owned()).unwrap();
        }
        let call = domesday::service::Call {
            api: domesday::service::operation::Api::Iam,
            operation: "CreateAccessKey".into(),
            form,
            caller: caller.clone(),
            moment: None,
            region: "us-east-1".into(),
        };
        let refused = world.service.execute_blocking(call).err().unwrap();
        assert_eq!(refused.code, "InvalidClientTokenId");
    }
    assert_eq!(world.ok(admin, "ListAccessKeys", &of)["AccessKeyMetadata"], serde_json::json!([]));
    assert_eq!(world.ok(&alice, "GetUser", &[])["User"]["UserName"], "bob");

    // Nor was it the caller's before.
    let made = world.ok(admin, "CreateAccessKey", &of);
    let young = Key::long_term(made["AccessKey"]["AccessKeyId"].as_str().unwrap());
    world.allow("alice", "*", "*");
    world.ok(&young, "GetUser", &[]);
    assert_eq!(world.ask(&young, "GetUser", &[], then).unwrap_err().code, "NoSuchEntity");
}

#[test]
fn who_is_renamed_is_judged_by_its_tags_under_both_names() {
    let world = World::new(10);
    let admin = &world.admin;
    let alice = world.user("alice");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},{"Effect":"Deny","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/chief","Condition":{"StringEquals":{"iam:ResourceTag/rank":"low"}}}]}"#;
    let put = [("UserName", "alice"), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(admin, "PutUserPolicy", &put);
    for (name, team) in [("red", "red"), ("blue", "blue")] {
        let tags = [
            ("UserName", name),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", team),
            ("Tags.member.2.Key", "rank"),
            ("Tags.member.2.Value", "low"),
        ];
        world.ok(admin, "CreateUser", &tags);
    }
    let rename = |old, new| [("UserName", old), ("NewUserName", new)];
    world.refused(&alice, "UpdateUser", &rename("blue", "green"), "AccessDenied");
    world.refused(&alice, "UpdateUser", &rename("red", "chief"), "AccessDenied");
    world.ok(&alice, "UpdateUser", &rename("red", "crimson"));
    world.ok(&alice, "UpdateUser", &[("UserName", "crimson"), ("NewPath", "/staff/")]);
    world.ok(admin, "GetUser", &[("UserName", "crimson")]);
}
