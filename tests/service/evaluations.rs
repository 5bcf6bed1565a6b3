//! Decisions about others, and the credentials by which gateways ask for them.

use domesday::base::secret::Secret;
use domesday::service::activity::receipt::Receipt;
use domesday::service::audit::verify;
use domesday::service::authenticate::{self, Arrival};
use domesday::service::caller::Caller;
use domesday::service::evaluation;
use domesday::service::evaluation::keys::ASKED_BY;
use domesday::service::fault::Fault;
use serde_json::{Value, json};

use super::world::{Key, World};

impl World {
    fn bearer(&self, token: &str) -> Option<Caller> {
        let arrival = Arrival { at: self.service.clock().now(), ..Arrival::default() };
        let token = Secret::new(token.to_owned());
        authenticate::bearer(&self.service.now(), &token, arrival).ok()
    }

    fn evaluations(&self, key: &Key, request: Value, moment: Option<&str>) -> Result<Value, Fault> {
        let caller = self.caller(key).unwrap();
        let moment = moment.and_then(|moment| self.moment(moment));
        evaluation::run(&self.service, &caller, "us-east-1", &request, true, moment)
    }

    /// What the administrator is answered about one subject, action and resource.
    fn evaluate(&self, subject: (&str, &str), action: &str, id: &str, context: Value) -> Value {
        let request = json!({
            "subject": { "type": subject.0, "id": subject.1 },
            "action": { "name": action },
            "resource": { "type": "document", "id": id },
            "context": context,
        });
        self.evaluations(&self.admin, request, None).unwrap()
    }

    fn put(&self, user: &str, name: &str, statements: Value) {
        let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let parameters = [("UserName", user), ("PolicyName", name), ("PolicyDocument", &document)];
        self.ok(&self.admin, "PutUserPolicy", &parameters);
    }

    fn noted(&self) -> Vec<Receipt> {
        // Noted within 100 ms, of real time.
        std::thread::sleep(std::time::Duration::from_millis(300));
        self.receipts().into_iter().map(|(_, receipt)| receipt).collect()
    }
}

fn decided(answer: &Value) -> (bool, &str) {
    (answer["decision"].as_bool().unwrap(), answer["context"]["id"].as_str().unwrap_or("error"))
}

#[test]
fn a_bearer_dies_at_once_with_status_reset_end_and_deletion() {
    let world = World::new(31);
    world.user("gate");
    let gate = ("UserName", "gate");
    let own = ("ServiceName", "domesday");
    let make = |parameters: &[(&str, &str)]| {
        let made = world.ok(&world.admin, "CreateServiceSpecificCredential", parameters);
        let made = made["ServiceSpecificCredential"].clone();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("ServiceSpecificCredentialId"), text("ServiceCredentialSecret"))
    };
    let (id, token) = make(&[gate, own]);
    assert!(world.bearer(&token).unwrap().arn().ends_with(":user/gate"));
    let mut wrong = token.clone();
    wrong.pop();
    for wrong in [&wrong, &format!("{token}x"), &token.replace("ACCA", "AIDA"), "", "domesday_"] {
        assert!(world.bearer(wrong).is_none(), "{wrong}");
    }
    // A caller who is known already, such as one whose request waits for the writer.
    let waiting = world.bearer(&token).unwrap();
    let stands = || waiting.still_stands(&world.service.now()).unwrap();
    let credential = ("ServiceSpecificCredentialId", id.as_str());
    for status in ["Inactive", "Active"] {
        let parameters = [gate, credential, ("Status", status)];
        world.ok(&world.admin, "UpdateServiceSpecificCredential", &parameters);
        assert_eq!(world.bearer(&token).is_some(), status == "Active");
        assert_eq!(stands(), status == "Active");
    }
    let reset = world.ok(&world.admin, "ResetServiceSpecificCredential", &[gate, credential]);
    let reset = reset["ServiceSpecificCredential"]["ServiceCredentialSecret"].as_str().unwrap();
    assert!(world.bearer(&token).is_none() && world.bearer(reset).is_some());

    let (_, short) = make(&[gate, own, ("CredentialAgeDays", "1")]);
    assert!(world.bearer(&short).is_some());
    let listed = || world.ok(&world.admin, "ListServiceSpecificCredentials", &[gate]).to_string();
    assert!(!listed().contains("Expired"));
    world.clock.advance(86_400);
    assert!(world.bearer(&short).is_none() && world.bearer(reset).is_some());
    assert!(listed().contains("Expired"));

    world.refused(&world.admin, "DeleteUser", &[gate], "DeleteConflict");
    world.ok(&world.admin, "DeleteServiceSpecificCredential", &[gate, credential]);
    assert!(world.bearer(reset).is_none() && !stands());

    // One of another service opens nothing here.
    let (_, foreign) = make(&[gate, ("ServiceName", "bedrock.amazonaws.com")]);
    assert!(foreign.starts_with("ABSK") && world.bearer(&foreign).is_none());
    verify::verify(&world.service).unwrap();
}

#[test]
fn secrets_of_credentials_are_in_no_event() {
    let world = World::new(32);
    world.user("gate");
    let gate = ("UserName", "gate");
    let mut secrets = Vec::new();
    for (service, field) in
        [("domesday", "ServiceCredentialSecret"), ("codecommit.amazonaws.com", "ServicePassword")]
    {
        let parameters = [gate, ("ServiceName", service)];
        let made = world.ok(&world.admin, "CreateServiceSpecificCredential", &parameters);
        let secret = made["ServiceSpecificCredential"][field].as_str().unwrap().to_owned();
        secrets.push(secret.rsplit('_').next().unwrap().to_owned());
    }
    let mut seen = 0;
    for position in 1..=world.head() {
        let event = world.service.ledger().event(position).unwrap();
        for secret in &secrets {
            assert!(!event.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
        seen += usize::from(event.windows(8).any(|part| part == b"domesday"));
    }
    assert!(seen > 0, "the search finds what is there");
}

#[test]
fn a_subject_is_judged_by_its_own_policies_and_only_the_caller_needs_to_be_allowed() {
    let world = World::new(33);
    let gate = world.user("gate");
    world.user("alice");
    world.put(
        "alice",
        "read",
        json!([
            { "Effect": "Allow", "Action": "docs:Read", "Resource": "arn:aws:docs:*:*:document/*" },
            { "Effect": "Deny", "Action": "docs:*", "Resource": "arn:aws:docs:*:*:document/secret" },
        ]),
    );
    let request = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "docs:Read" },
        "resource": { "type": "document", "id": "7" },
    });
    let refused = world.evaluations(&gate, request.clone(), None).unwrap_err();
    assert_eq!((refused.code, refused.status), ("AccessDenied", 403));
    let ledger = format!("arn:aws:domesday::{}:ledger", world.digits);
    world.allow("gate", "domesday:Evaluate", &ledger);
    let allowed = world.evaluations(&gate, request.clone(), None).unwrap();
    assert_eq!(decided(&allowed), (true, "allowed"));
    assert_eq!(allowed["context"]["statements"][0]["policy"], "read");

    let ask = |subject, action, id| world.evaluate(subject, action, id, json!({}));
    let alice = ("user", "alice");
    assert_eq!(decided(&ask(alice, "docs:Read", "secret")), (false, "explicitDeny"));
    assert_eq!(decided(&ask(alice, "docs:Write", "7")), (false, "implicitDeny"));
    // The gateway's own permissions are not the subject's, nor the other way round.
    assert_eq!(decided(&ask(("user", "gate"), "docs:Read", "7")), (false, "implicitDeny"));
    let root = format!("arn:aws:iam::{}:root", world.digits);
    assert!(ask(("user", &root), "docs:Read", "7")["decision"].as_bool().unwrap());
    for unknown in [("user", "eve"), ("role", "alice"), ("session", "ASIAAAAAAAAAAAAAAAAA")] {
        let answer = ask(unknown, "docs:Read", "7");
        assert_eq!(answer["context"]["error"]["status"], 404, "{unknown:?}");
        assert_eq!(answer["decision"], false);
    }

    // The past: alice had no policy, and the caller must be allowed to see it.
    let before = world.head();
    let then = format!("@{}", before - 2);
    let refused = world.evaluations(&gate, request.clone(), Some(&then)).unwrap_err();
    assert!(refused.message.contains("domesday:TimeTravel"), "{refused}");
    let past = world.evaluations(&world.admin, request.clone(), Some(&then)).unwrap();
    assert_eq!(decided(&past), (false, "implicitDeny"));
    let present = world.evaluations(&world.admin, request, Some(&format!("@{before}"))).unwrap();
    assert_eq!(decided(&present), (true, "allowed"));
}

#[test]
fn what_is_unknown_and_decides_is_a_no_that_says_what_it_hangs_on() {
    let world = World::new(34);
    world.user("alice");
    let on = |condition: Value| json!([{ "Effect": "Allow", "Action": "docs:Read", "Resource": "*", "Condition": condition }]);
    let ask = |context| world.evaluate(("user", "alice"), "docs:Read", "7", context);
    world.put("alice", "p", on(json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } })));
    let answer = ask(json!({}));
    assert_eq!(decided(&answer), (false, "conditional"));
    assert_eq!(answer["context"]["missing_context"], json!(["aws:SourceIp"]));
    assert_eq!(decided(&ask(json!({ "aws:SourceIp": "10.1.1.1" }))), (true, "allowed"));
    assert_eq!(decided(&ask(json!({ "aws:SourceIp": "11.1.1.1" }))), (false, "implicitDeny"));
    assert_eq!(decided(&ask(json!({ "aws:SourceIp": null }))), (false, "implicitDeny"));

    // An Allow that another value of an unknown key would take away is none.
    world.put("alice", "p", on(json!({ "StringNotEquals": { "docs:level": "top" } })));
    assert_eq!(decided(&ask(json!({}))), (false, "conditional"));
    assert_eq!(decided(&ask(json!({ "level": { "nested": 1 } }))), (false, "conditional"));
    assert_eq!(decided(&ask(json!({ "level": "low" }))), (true, "allowed"));
    assert_eq!(decided(&ask(json!({ "level": "top" }))), (false, "implicitDeny"));
    assert_eq!(decided(&ask(json!({ "level": null }))), (true, "allowed"));

    // Whether alice has a tag is known, whatever the caller says.
    world.put("alice", "p", on(json!({ "Null": { "aws:PrincipalTag/team": "true" } })));
    assert_eq!(decided(&ask(json!({}))), (true, "allowed"));
    let tag = [("UserName", "alice"), ("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "x")];
    world.ok(&world.admin, "TagUser", &tag);
    assert_eq!(decided(&ask(json!({}))), (false, "implicitDeny"));

    // The clock is the service's, unless another time is asked for.
    world.put(
        "alice",
        "p",
        on(json!({ "DateLessThan": { "aws:CurrentTime": "2027-01-01T00:00:00Z" } })),
    );
    assert_eq!(decided(&ask(json!({}))), (true, "allowed"));
    assert_eq!(decided(&ask(json!({ "time": "2028-01-01T00:00:00Z" }))), (false, "implicitDeny"));
}

#[test]
fn nobody_says_what_the_service_knows_itself() {
    let world = World::new(35);
    world.user("alice");
    let refused = |part: &str, attributes: Value| {
        let mut request = json!({
            "subject": { "type": "user", "id": "alice" },
            "action": { "name": "iam:GetUser" },
            "resource": { "type": "user", "id": "alice" },
        });
        match part {
            "context" => request["context"] = attributes.clone(),
            part => request[part]["properties"] = attributes.clone(),
        }
        match world.evaluations(&world.admin, request, None) {
            Ok(answer) => panic!("{part} {attributes}: {answer}"),
            Err(fault) => assert_eq!(fault.status, 400, "{part} {attributes}"),
        }
    };
    for key in [
        "aws:PrincipalTag/admin",
        "AWS:PRINCIPALTAG/admin",
        "aws:userid",
        "aws:username",
        "aws:PrincipalArn",
        "aws:SourceIdentity",
        "aws:CurrentTime",
        "aws:ResourceTag/owner",
        "domesday:AskedBy",
    ] {
        for part in ["context", "subject", "resource", "action"] {
            refused(part, json!({ key: "x" }));
            refused(part, json!({ key: null }));
        }
    }
    refused("resource", json!({ "tags": { "owner": "alice" } }));
    refused("context", json!({ "aws:SourceIp": "10.0.0.1", "AWS:SourceIp": "10.0.0.2" }));
    refused("context", json!({ "time": "soon" }));
    refused("context", json!({ "a": vec!["x"; 101] }));
    refused("context", json!({ "a": "x".repeat(1_025) }));
    let many: serde_json::Map<_, _> = (0..101).map(|n| (format!("k{n}"), json!(n))).collect();
    refused("context", Value::Object(many));
}

#[test]
fn roles_and_sessions_are_subjects() {
    let world = World::new(36);
    let alice = world.user("alice");
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": world.digits },
    }]});
    let role = [("RoleName", "reader"), ("AssumeRolePolicyDocument", &trust.to_string())];
    world.ok(&world.admin, "CreateRole", &role);
    let all = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "docs:*", "Resource": "*" },
    ]})
    .to_string();
    let policy = [("RoleName", "reader"), ("PolicyName", "all"), ("PolicyDocument", &all)];
    world.ok(&world.admin, "PutRolePolicy", &policy);
    let arn = format!("arn:aws:iam::{}:role/reader", world.digits);
    world.allow("alice", "sts:AssumeRole", "*");
    let less = all.replace("docs:*", "docs:Read");
    let assume = [("RoleArn", arn.as_str()), ("RoleSessionName", "s1"), ("Policy", &less)];
    let session = Key::of(&world.ok(&alice, "AssumeRole", &assume));

    let ask = |subject, action| decided(&world.evaluate(subject, action, "7", json!({}))).0;
    for id in ["reader", &arn] {
        assert!(ask(("role", id), "docs:Write"));
    }
    // A session has no more than its session policy leaves.
    assert!(ask(("session", &session.id), "docs:Read"));
    assert!(!ask(("session", &session.id), "docs:Write"));
    let assumed = format!("arn:aws:sts::{}:assumed-role/reader/s1", world.digits);
    let by_arn = json!({
        "subject": { "type": "session", "id": assumed },
        "action": { "name": "docs:Read" },
        "resource": { "type": "document", "id": "7" },
    });
    assert_eq!(world.evaluations(&world.admin, by_arn, None).unwrap_err().status, 400);
    world.clock.advance(3_600);
    let ended = world.evaluate(("session", &session.id), "docs:Read", "7", json!({}));
    assert_eq!(ended["context"]["error"]["status"], 404);

    // Whether a role may be assumed, its trust policy has a say in.
    let assume = |id: &str| {
        json!({
            "subject": { "type": "user", "id": id },
            "action": { "name": "sts:AssumeRole" },
            "resource": { "type": "arn", "id": arn },
        })
    };
    let decision =
        |id| world.evaluations(&world.admin, assume(id), None).unwrap()["decision"].clone();
    world.user("bob");
    assert_eq!((decision("alice"), decision("bob")), (json!(true), json!(false)));
}

#[test]
fn several_are_answered_in_order_until_the_semantic_ends() {
    let world = World::new(37);
    world.user("alice");
    let even = "arn:aws:docs:*:*:document/even";
    world.allow("alice", "docs:Read", even);
    let ask = |semantic: &str, ids: &[&str]| {
        let resource = |id: &&str| json!({ "resource": { "type": "document", "id": id } });
        let request = json!({
            "subject": { "type": "user", "id": "alice" },
            "action": { "name": "docs:Read" },
            "options": { "evaluations_semantic": semantic },
            "evaluations": ids.iter().map(resource).collect::<Vec<_>>(),
        });
        let answer = world.evaluations(&world.admin, request, None).unwrap();
        let answers = answer["evaluations"].as_array().unwrap().clone();
        answers.iter().map(|answer| answer["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let mixed = ["even", "odd", "even"];
    assert_eq!(ask("execute_all", &mixed), [true, false, true]);
    assert_eq!(ask("deny_on_first_deny", &mixed), [true, false]);
    assert_eq!(ask("permit_on_first_permit", &mixed), [true]);
    assert_eq!(ask("permit_on_first_permit", &["odd", "even", "odd"]), [false, true]);

    // Each overrides what it names, as a whole; one that is wrong is a no of its own.
    let request = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "docs:Write" },
        "evaluations": [
            { "action": { "name": "docs:Read" }, "resource": { "type": "document", "id": "even" } },
            { "resource": { "type": "document", "id": "even" } },
            { "action": { "name": "docs:Read" } },
            { "subject": { "id": "alice" }, "resource": { "type": "document", "id": "even" } },
            7,
        ],
    });
    let answer = world.evaluations(&world.admin, request, None).unwrap();
    let answers = answer["evaluations"].as_array().unwrap();
    let decisions: Vec<_> = answers.iter().map(|answer| answer["decision"] == true).collect();
    assert_eq!(decisions, [true, false, false, false, false]);
    for wrong in &answers[2..] {
        assert_eq!(wrong["context"]["error"]["status"], 400, "{wrong}");
    }

    // None at all is the single form, and there may be only so many.
    let mut single = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "docs:Read" },
        "resource": { "type": "document", "id": "even" },
        "evaluations": [],
    });
    let answer = world.evaluations(&world.admin, single.clone(), None).unwrap();
    assert_eq!(answer["decision"], true);
    single["evaluations"] = json!(vec![json!({}); 101]);
    assert_eq!(world.evaluations(&world.admin, single.clone(), None).unwrap_err().status, 400);
    single["evaluations"] = json!({});
    assert_eq!(world.evaluations(&world.admin, single, None).unwrap_err().status, 400);
}

/// Whatever these tests evaluate is decided again from its receipt when their worlds end.
#[test]
fn receipts_tell_who_asked_from_whom_it_was_about() {
    let world = World::new(38);
    let gate = world.user("gate");
    world.user("alice");
    world.allow("gate", "domesday:Evaluate", "*");
    world.put(
        "alice",
        "p",
        json!([{ "Effect": "Allow", "Action": "docs:Read", "Resource": "*",
        "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } } }]),
    );
    let id = |name: &str| {
        let user = world.ok(&world.admin, "GetUser", &[("UserName", name)]);
        user["User"]["UserId"].as_str().unwrap().to_owned()
    };
    let (gate_id, alice_id) = (id("gate"), id("alice"));
    let request = json!({
        "subject": { "type": "user", "id": "alice" },
        "resource": { "type": "document", "id": "7" },
        "evaluations": [
            { "action": { "name": "docs:Read" } },
            { "action": { "name": "docs:Read" }, "context": { "aws:SourceIp": "10.1.1.1" } },
        ],
    });
    world.evaluations(&gate, request, None).unwrap();
    let receipts = world.noted();
    let own = receipts.iter().find(|receipt| receipt.action == "domesday:Evaluate").unwrap();
    assert_eq!(own.principal.1.as_str(), gate_id);
    assert!(own.context.iter().all(|(key, _)| key != ASKED_BY));
    let about: Vec<_> = receipts.iter().filter(|receipt| receipt.action == "docs:Read").collect();
    assert_eq!(about.len(), 2);
    for receipt in &about {
        assert_eq!(receipt.principal.1.as_str(), alice_id);
        assert_eq!(receipt.request, own.request);
        assert!(receipt.context.contains(&(ASKED_BY.to_owned(), vec![gate_id.clone()])));
    }
    assert_eq!(about[0].blocked_by.as_deref(), Some("unknown context"));
    assert_eq!(about[1].blocked_by, None);
}
