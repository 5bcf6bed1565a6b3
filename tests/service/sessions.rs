//! Roles, trust and temporary credentials.

use domesday::base::secret::Secret;
use domesday::service::activity::receipt::{Kind, Receipt};
use domesday::service::founding::Founding;
use serde_json::Value;

use super::world::{Key, World};

fn trust(world: &World, principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:{principal}"}},"Action":["sts:AssumeRole","sts:TagSession"]{condition}}}]}}"#,
        world.digits
    )
}

fn role(world: &World, name: &str, trust: &str) -> String {
    let parameters = [("RoleName", name), ("AssumeRolePolicyDocument", trust)];
    let made = world.ok(&world.admin, "CreateRole", &parameters);
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

#[test]
fn a_role_is_assumed_with_its_external_id_and_its_session_is_bound() {
    let world = World::new(11);
    let alice = world.user("alice");
    let condition = r#","Condition":{"StringEquals":{"sts:ExternalId":"xyz"}}"#;
    let arn = role(&world, "deploy", &trust(&world, "user/alice", condition));
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#;
    let put = [("RoleName", "deploy"), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutRolePolicy", &put);

    let ask = [("RoleArn", arn.as_str()), ("RoleSessionName", "work")];
    world.refused(&alice, "AssumeRole", &ask, "AccessDenied");
    let with_id = [ask[0], ask[1], ("ExternalId", "xyz")];
    let answer = world.ok(&alice, "AssumeRole", &with_id);
    let session = Key::of(&answer);
    let me = world.ok(&session, "GetCallerIdentity", &[]);
    let expected = format!("arn:aws:sts::{}:assumed-role/deploy/work", world.digits);
    assert_eq!(me["Arn"], expected);
    world.ok(&session, "CreateUser", &[("UserName", "made-by-role")]);

    // A session policy narrows; the union of both never widens.
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;
    let narrow = [ask[0], ask[1], with_id[2], ("Policy", policy)];
    let narrow = Key::of(&world.ok(&alice, "AssumeRole", &narrow));
    world.ok(&narrow, "ListUsers", &[]);
    let message = world.refused(&narrow, "CreateUser", &[("UserName", "no")], "AccessDenied");
    assert!(message.contains("because no session policy allows"), "{message}");

    // The token is bound to its key, and dies with its time and its role.
    let swapped = Key { token: narrow.token.clone(), ..session.clone() };
    assert!(world.caller(&swapped).is_err());
    assert!(world.caller(&Key { token: None, ..session.clone() }).is_err());
    assert!(world.caller(&Key { token: session.token.clone(), ..world.admin.clone() }).is_err());
    world.clock.advance(3_601);
    assert!(world.caller(&session).unwrap_err().contains("expired"));
    let session = Key::of(&world.ok(&alice, "AssumeRole", &with_id));
    let of = [("RoleName", "deploy"), ("PolicyName", "p")];
    world.ok(&world.admin, "DeleteRolePolicy", &of);
    world.refused(&session, "CreateUser", &[("UserName", "no")], "AccessDenied");
    world.ok(&world.admin, "DeleteRole", &of[..1]);
    assert!(world.caller(&session).is_err());
}

#[test]
fn a_recreated_name_does_not_inherit_trust() {
    let world = World::new(12);
    let alice = world.user("alice");
    let arn = role(&world, "r", &trust(&world, "user/alice", ""));
    let ask = [("RoleArn", arn.as_str()), ("RoleSessionName", "s1")];
    world.ok(&alice, "AssumeRole", &ask);
    let of = ("UserName", "alice");
    world.ok(&world.admin, "DeleteAccessKey", &[of, ("AccessKeyId", &alice.id)]);
    world.ok(&world.admin, "DeleteUser", &[of]);
    let again = world.user("alice");
    world.refused(&again, "AssumeRole", &ask, "AccessDenied");
    let message = world.refused(
        &world.admin,
        "CreateRole",
        &[("RoleName", "r2"), ("AssumeRolePolicyDocument", &trust(&world, "user/nobody", ""))],
        "MalformedPolicyDocument",
    );
    assert!(message.contains("Invalid principal in policy"), "{message}");
}

#[test]
fn session_tags_are_seen_and_pass_on() {
    let world = World::new(13);
    let alice = world.user("alice");
    world.allow("alice", "sts:*", "*");
    let first = role(&world, "first", &trust(&world, "root", ""));
    let second = role(&world, "second", &trust(&world, "role/first", ""));
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}]}"#;
    let put = [("RoleName", "second"), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutRolePolicy", &put);
    let ask = [
        ("RoleArn", first.as_str()),
        ("RoleSessionName", "one"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
    ];
    let plain = Key::of(&world.ok(&alice, "AssumeRole", &ask));
    let passing = [ask[0], ask[1], ask[2], ask[3], ("TransitiveTagKeys.member.1", "team")];
    let passing = Key::of(&world.ok(&alice, "AssumeRole", &passing));
    let next = [("RoleArn", second.as_str()), ("RoleSessionName", "two")];
    let plain = Key::of(&world.ok(&plain, "AssumeRole", &next));
    world.refused(&plain, "ListUsers", &[], "AccessDenied");
    let passing = Key::of(&world.ok(&passing, "AssumeRole", &next));
    world.ok(&passing, "ListUsers", &[]);
    let long = [next[0], next[1], ("DurationSeconds", "3601")];
    world.refused(&passing, "AssumeRole", &long, "AccessDenied");
}

#[test]
fn a_session_token_without_mfa_calls_no_iam() {
    let world = World::new(14);
    let session = Key::of(&world.ok(&world.admin, "GetSessionToken", &[]));
    world.ok(&session, "GetCallerIdentity", &[]);
    world.refused(&session, "ListUsers", &[], "AccessDenied");
    world.refused(&session, "GetSessionToken", &[], "AccessDenied");
    // It dies with the key that began it.
    let of = [("UserName", "admin"), ("AccessKeyId", &world.admin.id), ("Status", "Inactive")];
    world.ok(&world.admin, "UpdateAccessKey", &of);
    assert!(world.caller(&session).is_err());
}

/// What an asker is told of a role: the denial, and what it decodes to, without what differs on each call.
fn told(world: &World, asker: &Key, account: &str, name: &str) -> (String, Value) {
    let arn = format!("arn:aws:iam::{account}:role/{name}");
    let ask = [("RoleArn", arn.as_str()), ("RoleSessionName", "s1")];
    let message = world.refused(asker, "AssumeRole", &ask, "AccessDenied");
    let (sentence, encoded) =
        message.split_once(" Encoded authorization failure message: ").unwrap();
    let decoded = world.ok(asker, "DecodeAuthorizationMessage", &[("EncodedMessage", encoded)]);
    let decoded = decoded["DecodedMessage"].as_str().unwrap().replace(&arn, "ROLE");
    let mut decoded: Value = serde_json::from_str(&decoded).unwrap();
    let items = &mut decoded["context"]["conditions"]["items"];
    let times = ["aws:CurrentTime", "aws:EpochTime"];
    let kept = items.as_array().unwrap().iter();
    let kept = kept.filter(|item| !times.contains(&item["key"].as_str().unwrap()));
    let kept: Vec<Value> = kept.cloned().collect();
    *items = kept.into();
    (sentence.replace(&arn, "ROLE"), decoded)
}

#[test]
fn a_role_that_does_not_exist_is_not_told_from_one_that_trusts_nobody() {
    let world = World::new(15);
    let founding = Founding {
        root_email: Some("other@example.com".into()),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let other = world.service.found(founding, "test").unwrap();
    let (digits, other) = (other.digits, Key::long_term(&other.admin.unwrap().1));
    let ec2 = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    role(&world, "closed", ec2);
    let (sentence, decoded) = told(&world, &world.admin, &world.digits, "closed");
    assert!(sentence.ends_with("because no role trust policy allows the sts:AssumeRole action"));
    assert_eq!(told(&world, &world.admin, &world.digits, "missing"), (sentence, decoded));
    std::thread::sleep(std::time::Duration::from_millis(150));
    let assumed = |(_, receipt): &(u64, Receipt)| receipt.action == "sts:AssumeRole";
    let last = world.receipts().into_iter().rfind(assumed);
    let last = last.map(|(_, receipt)| (receipt.kind, receipt.blocked_by));
    assert_eq!(last, Some((Kind::ImplicitDeny, Some("role trust policy".into()))));

    // Nor across accounts, where neither tags nor denials of a role show, nor which accounts there are.
    let tag = [("RoleName", "closed"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "x")];
    world.ok(&world.admin, "TagRole", &tag);
    let deny = ec2.replace(r#"[{"Effect"#, &format!(
        r#"[{{"Effect":"Deny","Principal":{{"AWS":"arn:aws:iam::{digits}:root"}},"Action":"sts:AssumeRole"}},{{"Effect"#
    ));
    role(&world, "denying", &deny);
    let missing = told(&world, &other, &world.digits, "missing");
    assert!(missing.0.ends_with("because no role trust policy allows the sts:AssumeRole action"));
    assert_eq!(told(&world, &other, &world.digits, "closed"), missing);
    assert_eq!(told(&world, &other, &world.digits, "denying"), missing);
    let nowhere = told(&world, &other, "000000000001", "missing");
    let nowhere = serde_json::to_string(&nowhere).unwrap().replace("000000000001", &world.digits);
    assert_eq!(nowhere, serde_json::to_string(&missing).unwrap());

    // Whom a role trusts gets in.
    let open = trust(&world, "root", "").replace(&world.digits, &digits);
    let arn = role(&world, "open", &open);
    world.ok(&other, "AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "s1")]);
}

#[test]
fn what_a_session_carries_on_must_be_allowed_at_each_step() {
    let world = World::new(16);
    let all = r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#;
    let trusting = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":{actions}}}]}}"#,
            world.digits
        )
    };
    let first = role(&world, "first", &trusting(all));
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}"#;
    let put = [("RoleName", "first"), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutRolePolicy", &put);
    let ask = [("RoleArn", first.as_str()), ("RoleSessionName", "one")];
    let named = [ask[0], ask[1], ("SourceIdentity", "carol")];
    let named = Key::of(&world.ok(&world.admin, "AssumeRole", &named));
    let tags = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")];
    let passing = [ask[0], ask[1], tags[0], tags[1], ("TransitiveTagKeys.member.1", "team")];
    let passing = Key::of(&world.ok(&world.admin, "AssumeRole", &passing));

    let plain = role(&world, "plain", &trusting(r#""sts:AssumeRole""#));
    let plain = [("RoleArn", plain.as_str()), ("RoleSessionName", "two")];
    let every = role(&world, "every", &trusting(all));
    let every = [("RoleArn", every.as_str()), ("RoleSessionName", "two")];
    for (session, action) in [(named, "sts:SetSourceIdentity"), (passing, "sts:TagSession")] {
        let message = world.refused(&session, "AssumeRole", &plain, "AccessDenied");
        let because = format!("because no role trust policy allows the {action} action");
        assert!(message.contains(&because), "{message}");
        world.ok(&session, "AssumeRole", &every);
    }
    let bare = Key::of(&world.ok(&world.admin, "AssumeRole", &ask));
    world.ok(&bare, "AssumeRole", &plain);

    // Receipts say what credentials were issued by, not what else had to be allowed.
    let mut issued = Vec::new();
    for (_, receipt) in world.receipts() {
        issued.extend((receipt.kind == Kind::Issued).then_some(receipt.action));
    }
    assert_eq!(issued, ["sts:AssumeRole"; 6]);
}

#[test]
fn whether_a_role_can_be_assumed_hangs_on_its_trust() {
    use domesday::service::audit::{Question, run};
    let world = World::new(17);
    let alice = world.user("alice");
    world.user("bob");
    world.allow("alice", "sts:AssumeRole", "*");
    world.allow("bob", "sts:AssumeRole", "*");
    let arn = role(&world, "deploy", &trust(&world, "user/alice", ""));
    let ask_can = |principal: &str, action: &str, resource: &str| {
        let parameters = [("principal", principal), ("action", action), ("resource", resource)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let question = Question::parse("can", &parameters).unwrap();
        let caller = world.caller(&world.admin).unwrap();
        run(&world.service, &caller, question, None).unwrap()
    };
    let can_on = |principal: &str, action: &str, resource: &str| {
        let answer = ask_can(principal, action, resource);
        (answer["decision"].as_str().unwrap().to_owned(), answer["because"].clone())
    };
    let can = |principal: &str, action: &str| can_on(principal, action, &arn);
    assert_eq!(can("alice", "sts:AssumeRole").0, "allowed");
    let (decision, because) = can("bob", "sts:assumerole");
    assert_eq!(decision, "implicitDeny");
    assert_eq!(because, "because no role trust policy allows the sts:assumerole action");
    world.allow("bob", "iam:GetRole", "*");
    assert_eq!(can("bob", "iam:GetRole").0, "allowed");
    // A role that is not there trusts nobody, and root assumes none, whomever it trusts.
    let none = format!("{arn}-gone");
    let ask = [("RoleArn", none.as_str()), ("RoleSessionName", "work")];
    world.refused(&alice, "AssumeRole", &ask, "AccessDenied");
    assert_eq!(can_on("alice", "sts:AssumeRole", &none).0, "implicitDeny");
    assert_eq!(can_on("alice", "iam:GetRole", &none).0, "implicitDeny");
    assert_eq!(can_on("bob", "iam:GetRole", &none).0, "allowed");
    let all = role(&world, "all", &trust(&world, "root", ""));
    assert_eq!(can_on("alice", "sts:AssumeRole", &all).0, "allowed");
    assert_eq!(can_on("root", "sts:AssumeRole", &all).0, "implicitDeny");
    assert_eq!(can_on("root", "sts:AssumeRole", &none).0, "implicitDeny");
    assert_eq!(can_on("root", "iam:GetRole", &all).0, "allowed");
    // Whom a role of another account trusts is not known here, but whoever may assume none, assumes none.
    let foreign = "arn:aws:iam::999999999999:role/theirs";
    world.user("cleo");
    let conditional = |who: &str| ask_can(who, "sts:AssumeRole", foreign)["conditional"] == true;
    assert_eq!(
        [conditional("alice"), conditional("cleo"), conditional("root")],
        [true, false, false]
    );
}

#[test]
fn the_log_follows_chains_of_roles_to_the_person() {
    use domesday::service::audit::{Question, run};
    let world = World::new(13);
    let [alice, bob] = [world.user("alice"), world.user("bob")];
    let may = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:CreateUser","sts:AssumeRole"],"Resource":"*"}]}"#;
    let made = |name: &str, principal: &str| {
        let arn = role(&world, name, &trust(&world, principal, ""));
        let put = [("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", may)];
        world.ok(&world.admin, "PutRolePolicy", &put);
        arn
    };
    let first = made("first", "root");
    let second = made("second", "role/first");
    world.allow("alice", "sts:AssumeRole", "*");
    world.allow("bob", "sts:AssumeRole", "*");
    let assume = |key: &Key, role: &str| {
        let ask = [("RoleArn", role), ("RoleSessionName", "work")];
        Key::of(&world.ok(key, "AssumeRole", &ask))
    };
    let of_bob = assume(&bob, &first);
    let of_alice = assume(&assume(&alice, &first), &second);
    world.ok(&of_bob, "CreateUser", &[("UserName", "by-bob")]);
    world.ok(&of_alice, "CreateUser", &[("UserName", "by-alice")]);
    world.refused(&of_alice, "DeleteUser", &[("UserName", "by-bob")], "AccessDenied");

    let operator = domesday::service::caller::Caller {
        account: world.caller(&world.admin).unwrap().account,
        ..world.service.operator("1@test", domesday::ledger::AccountId::SYSTEM).unwrap()
    };
    let found = |parameters: &[(&str, &str)]| {
        let owned: Vec<_> =
            parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let question = Question::parse("events", &owned).unwrap();
        let answer = run(&world.service, &operator, question, None).unwrap();
        let events = answer["events"].as_array().unwrap().clone();
        let target =
            |event: &serde_json::Value| event["target"]["name"].as_str().unwrap().to_owned();
        events.iter().map(target).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("person", "alice")]), ["user/by-alice"]);
    assert_eq!(found(&[("person", "user/bob")]), ["user/by-bob"]);
    // The role did it, but no person is a role.
    assert_eq!(found(&[("principal", "role/second")]), ["user/by-alice"]);
    assert!(found(&[("person", "role/second")]).is_empty());
    assert!(found(&[("person", "role/first")]).is_empty());
    // Receipts of denials are written a moment after their answers.
    let denied = [("person", "alice"), ("outcome", "denied")];
    let waited = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Some(found(&denied)).filter(|found| !found.is_empty())
    });
    assert_eq!(waited.unwrap().len(), 1);
    assert!(found(&[("person", "bob"), ("outcome", "denied")]).is_empty());
}

#[test]
fn credentials_that_are_refused_leave_no_receipt_of_an_allowed_request() {
    let world = World::new(18);
    let alice = world.user("alice");
    world.allow("alice", "sts:*", "*");
    let arn = role(&world, "deploy", &trust(&world, "root", ""));
    let ask = [("RoleArn", arn.as_str()), ("RoleSessionName", "s1")];
    let with_mfa = [ask[0], ask[1], ("SerialNumber", "GAHT12345678"), ("TokenCode", "123456")];
    let message = world.refused(&alice, "AssumeRole", &with_mfa, "AccessDenied");
    world.refused(&alice, "GetSessionToken", &with_mfa[2..], "AccessDenied");
    let root = ("AKIAROOTROOTROOTROOT".to_owned(), Secret::new("s".repeat(40)));
    let founding = Founding {
        root_email: Some("root@b.example".into()),
        root_key: Some(root.clone()),
        ..Founding::default()
    };
    let digits = world.service.found(founding, "test").unwrap().digits;
    let root = Key::long_term(&root.0);
    let document = trust(&world, "root", "").replace(&world.digits, &digits);
    let own = [("RoleName", "own"), ("AssumeRolePolicyDocument", &document)];
    let own = world.ok(&root, "CreateRole", &own)["Role"]["Arn"].as_str().unwrap().to_owned();
    let own = [("RoleArn", own.as_str()), ask[1]];
    let not_root = world.refused(&root, "AssumeRole", &own, "AccessDenied");
    world.ok(&alice, "AssumeRole", &ask);
    world.ok(&alice, "GetSessionToken", &[]);
    world.service.close();
    let mut kinds = Vec::new();
    for (_, receipt) in world.receipts() {
        if receipt.action.starts_with("sts:") {
            kinds.push((receipt.kind, receipt.action, receipt.blocked_by));
        }
    }
    let receipt = |kind, action: &str, why: Option<&str>| {
        (kind, format!("sts:{action}"), why.map(str::to_owned))
    };
    let refused = Kind::Refused;
    assert_eq!(
        kinds,
        [
            receipt(refused, "AssumeRole", Some(&message)),
            receipt(refused, "GetSessionToken", Some(&message)),
            receipt(refused, "AssumeRole", Some(&not_root)),
            receipt(Kind::Issued, "AssumeRole", None),
            receipt(Kind::Allowed, "AssumeRole", None),
            receipt(Kind::Issued, "GetSessionToken", None),
            receipt(Kind::Allowed, "GetSessionToken", None),
        ]
    );
}

#[test]
fn a_trust_policy_is_shown_with_those_whom_it_trusts_as_they_are_called_now() {
    let world = World::new(18);
    let here = &world.digits;
    world.user("alice");
    let id = world.ok(&world.admin, "GetUser", &[("UserName", "alice")]);
    let id = id["User"]["UserId"].as_str().unwrap().to_owned();
    role(&world, "deploy", &trust(&world, "user/alice", ""));
    let shown = || {
        let role = world.ok(&world.admin, "GetRole", &[("RoleName", "deploy")]);
        role["Role"]["AssumeRolePolicyDocument"].as_str().unwrap().to_owned()
    };
    let named = |principal: &str| {
        let text = trust(&world, "user/alice", "");
        let text = text.replace(&format!("arn:aws:iam::{here}:user/alice"), principal);
        domesday::base::text::percent_encode(text.as_bytes())
    };
    let alice = format!("arn:aws:iam::{here}:user/alice");
    assert_eq!(shown(), named(&alice));
    world.ok(&world.admin, "UpdateUser", &[("UserName", "alice"), ("NewUserName", "alex")]);
    assert_eq!(shown(), named(&format!("arn:aws:iam::{here}:user/alex")));
    let keys = world.ok(&world.admin, "ListAccessKeys", &[("UserName", "alex")]);
    for key in keys["AccessKeyMetadata"].as_array().unwrap() {
        let ask = [("UserName", "alex"), ("AccessKeyId", key["AccessKeyId"].as_str().unwrap())];
        world.ok(&world.admin, "DeleteAccessKey", &ask);
    }
    world.ok(&world.admin, "DeleteUser", &[("UserName", "alex")]);
    world.user("alice");
    assert_eq!(shown(), named(&id), "it does not trust the new one, and does not look so");
}
