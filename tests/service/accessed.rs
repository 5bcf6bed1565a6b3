//! When services were last accessed, by whom, and which policies let them.

use domesday::service::evaluation;
use domesday::service::moment::Moment;
use serde_json::{Value, json};

use super::reports::settle;
use super::world::{Key, World};

fn generate(world: &World, arn: &str, level: &str) -> String {
    let parameters = [("Arn", arn), ("Granularity", level)];
    let made = world.ok(&world.admin, "GenerateServiceLastAccessedDetails", &parameters);
    made["JobId"].as_str().unwrap().to_owned()
}

/// All services of a job, by their namespaces, page by page.
fn services(world: &World, job: &str) -> Vec<Value> {
    let mut services = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut parameters = vec![("JobId", job), ("MaxItems", "150")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let answer = world.ok(&world.admin, "GetServiceLastAccessedDetails", &parameters);
        assert_eq!(answer["JobStatus"], "COMPLETED");
        services.extend(answer["ServicesLastAccessed"].as_array().unwrap().iter().cloned());
        marker = answer["Marker"].as_str().map(str::to_owned);
        assert_eq!(answer["IsTruncated"], marker.is_some());
        if marker.is_none() {
            return services;
        }
    }
}

fn names(services: &[Value]) -> Vec<&str> {
    services.iter().map(|service| service["ServiceNamespace"].as_str().unwrap()).collect()
}

fn of<'a>(services: &'a [Value], namespace: &str) -> &'a Value {
    services.iter().find(|one| one["ServiceNamespace"] == namespace).unwrap()
}

/// A gateway asks about a user.
fn gateway_asks(world: &World, user: &str, action: &str, context: Value) -> bool {
    world.clock.advance(1);
    let request = json!({
        "subject": { "type": "user", "id": user },
        "action": { "name": action },
        "resource": { "type": "arn", "id": "arn:aws:s3:::things/1" },
        "context": context,
    });
    let caller = world.caller(&world.admin).unwrap();
    let answer = evaluation::run(&world.service, &caller, "", &request, false, None).unwrap();
    answer["decision"].as_bool().unwrap()
}

fn put(world: &World, user: &str, document: &str) {
    let parameters = [("UserName", user), ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutUserPolicy", &parameters);
}

const SOME: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["s3:Get*","iam:List*","iam:GetUser","notes:Read","sqs:*"],"Resource":"*"},
    {"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}"#;

#[test]
fn services_are_those_of_the_policies_with_every_attempt() {
    let world = World::new(91);
    let alice = world.user("alice");
    let arn = format!("arn:aws:iam::{}:user/alice", world.digits);
    put(&world, "alice", SOME);
    world.ok(&alice, "ListUsers", &[]);
    let listed = world.service.clock().now();
    let before = generate(&world, &arn, "ACTION_LEVEL");
    // A denied attempt counts, and so does what a gateway asked for.
    world.refused(&alice, "CreateUser", &[("UserName", "eve")], "AccessDenied");
    let denied = world.service.clock().now();
    assert!(gateway_asks(
        &world,
        "alice",
        "s3:GetObject",
        json!({"aws:RequestedRegion": "eu-west-1"})
    ));
    let got = world.service.clock().now();
    assert!(gateway_asks(&world, "alice", "notes:Read", json!({})));
    assert!(!gateway_asks(&world, "alice", "ec2:RunInstances", json!({})));
    settle(&world);

    let found = services(&world, &generate(&world, &arn, "SERVICE_LEVEL"));
    // Neither what is denied everywhere nor what no policy allows, however often it was tried.
    assert_eq!(names(&found), ["iam", "notes", "s3"]);
    let iam = of(&found, "iam");
    assert_eq!(iam["ServiceName"], "AWS Identity and Access Management (IAM)");
    assert_eq!(iam["LastAuthenticated"], denied.to_string());
    assert_eq!(iam["LastAuthenticatedEntity"], arn.as_str());
    assert_eq!(iam["LastAuthenticatedRegion"], "us-east-1");
    assert_eq!(iam["TotalAuthenticatedEntities"], 1);
    assert_eq!(iam["TrackedActionsLastAccessed"], Value::Null);
    let s3 = of(&found, "s3");
    assert_eq!(
        (&s3["LastAuthenticated"], &s3["LastAuthenticatedRegion"]),
        (&json!(got.to_string()), &json!("eu-west-1"))
    );
    assert_eq!(
        (
            of(&found, "notes")["ServiceName"].as_str(),
            of(&found, "notes")["LastAuthenticatedRegion"].as_str()
        ),
        (Some("notes"), None)
    );

    let found = services(&world, &generate(&world, &arn, "ACTION_LEVEL"));
    let actions = of(&found, "iam")["TrackedActionsLastAccessed"].as_array().unwrap();
    let action = |name: &str| actions.iter().find(|one| one["ActionName"] == name);
    assert_eq!(action("ListUsers").unwrap()["LastAccessedTime"], listed.to_string());
    assert_eq!(action("ListUsers").unwrap()["LastAccessedEntity"], arn.as_str());
    assert_eq!(action("GetUser").unwrap()["LastAccessedTime"], Value::Null);
    assert!(action("CreateUser").is_none(), "no policy allows it");
    assert_eq!(of(&found, "notes")["TrackedActionsLastAccessed"][0]["ActionName"], "Read");

    // A job shows what was when it was generated: the same again and again.
    let then = services(&world, &before);
    assert_eq!(of(&then, "iam")["LastAuthenticated"], listed.to_string());
    assert_eq!(of(&then, "s3")["LastAuthenticated"], Value::Null);
    world.ok(&world.admin, "DeleteUserPolicy", &[("UserName", "alice"), ("PolicyName", "p")]);
    assert_eq!(services(&world, &before), then);
    assert!(services(&world, &generate(&world, &arn, "SERVICE_LEVEL")).is_empty());

    // It is its owner's alone; and it can be of the past.
    put(
        &world,
        "alice",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    );
    let job = ("JobId", before.as_str());
    world.refused(&alice, "GetServiceLastAccessedDetails", &[job], "NoSuchEntity");
    let past = world.ask(
        &world.admin,
        "GenerateServiceLastAccessedDetails",
        &[("Arn", &arn)],
        Some(Moment::parse(&listed.to_string()).unwrap()),
    );
    let past = services(&world, past.unwrap()["JobId"].as_str().unwrap());
    assert_eq!(names(&past), ["iam", "notes", "s3"]);
    assert_eq!(of(&past, "s3")["LastAuthenticated"], Value::Null);
    world.clock.advance(86_401);
    world.refused(&world.admin, "GetServiceLastAccessedDetails", &[job], "NoSuchEntity");
}

#[test]
fn members_and_those_a_policy_is_attached_to_are_told_apart() {
    let world = World::new(92);
    let admin = &world.admin;
    let arn = |rest: &str| format!("arn:aws:iam::{}:{rest}", world.digits);
    let users: Vec<Key> = ["ann", "bob", "cid"].map(|name| world.user(name)).into();
    world.ok(admin, "CreateGroup", &[("GroupName", "team")]);
    for name in ["ann", "bob"] {
        world.ok(admin, "AddUserToGroup", &[("GroupName", "team"), ("UserName", name)]);
    }
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:List*","s3:*"],"Resource":"*"}]}"#;
    let made = [("PolicyName", "lists"), ("PolicyDocument", document)];
    let policy =
        world.ok(admin, "CreatePolicy", &made)["Policy"]["Arn"].as_str().unwrap().to_owned();
    let policy = policy.as_str();
    world.ok(admin, "AttachGroupPolicy", &[("GroupName", "team"), ("PolicyArn", policy)]);
    world.ok(admin, "AttachUserPolicy", &[("UserName", "cid"), ("PolicyArn", policy)]);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    world.ok(admin, "CreateRole", &[("RoleName", "deploy"), ("AssumeRolePolicyDocument", trust)]);
    world.ok(admin, "AttachRolePolicy", &[("RoleName", "deploy"), ("PolicyArn", policy)]);
    let role = arn("role/deploy");
    let assume = [("RoleArn", role.as_str()), ("RoleSessionName", "s1")];
    let session = Key::of(&world.ok(admin, "AssumeRole", &assume));
    world.ok(&users[1], "ListUsers", &[]);
    world.ok(&users[2], "ListUsers", &[]);
    world.ok(&users[0], "ListGroups", &[]);
    world.ok(&session, "ListRoles", &[]);
    settle(&world);

    let details = |job: &str, namespace: &str| -> Vec<(String, String, bool)> {
        let parameters = [("JobId", job), ("ServiceNamespace", namespace)];
        let answer = world.ok(admin, "GetServiceLastAccessedDetailsWithEntities", &parameters);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entities = answer["EntityDetailsList"].as_array().unwrap().iter();
        entities
            .map(|one| {
                let info = &one["EntityInfo"];
                (text(&info["Name"]), text(&info["Type"]), one["LastAuthenticated"].is_string())
            })
            .collect()
    };
    let entity = |name: &str, kind: &str, used: bool| (name.to_owned(), kind.to_owned(), used);
    let group = generate(&world, &arn("group/team"), "SERVICE_LEVEL");
    let found = services(&world, &group);
    assert_eq!(names(&found), ["iam", "s3"]);
    assert_eq!(of(&found, "iam")["LastAuthenticatedEntity"], arn("user/ann"));
    assert_eq!(of(&found, "iam")["TotalAuthenticatedEntities"], 2);
    let newest_first = [entity("ann", "USER", true), entity("bob", "USER", true)];
    assert_eq!(details(&group, "iam"), newest_first);
    let never = [entity("ann", "USER", false), entity("bob", "USER", false)];
    assert_eq!(details(&group, "s3"), never);
    assert!(details(&group, "ec2").is_empty());

    let job = generate(&world, policy, "SERVICE_LEVEL");
    let found = services(&world, &job);
    assert_eq!(of(&found, "iam")["LastAuthenticatedEntity"], arn("role/deploy"));
    assert_eq!(of(&found, "iam")["TotalAuthenticatedEntities"], 4);
    let all: Vec<String> = details(&job, "iam").into_iter().map(|(name, ..)| name).collect();
    assert_eq!(all, ["deploy", "ann", "cid", "bob"]);
    assert_eq!(
        details(&generate(&world, &role, "SERVICE_LEVEL"), "iam"),
        [entity("deploy", "ROLE", true)]
    );
    // The administrator, by a policy that every account shares: every service that there is.
    let shared = generate(&world, "arn:aws:iam::aws:policy/AdministratorAccess", "ACTION_LEVEL");
    let found = services(&world, &shared);
    assert!(found.len() > 450 && names(&found).is_sorted());
    assert_eq!(of(&found, "iam")["LastAuthenticatedEntity"], arn("user/admin"));

    // Which policies grant what.
    let ask = |arn: &str, namespaces: &[&str]| {
        let numbered: Vec<String> =
            (1..=namespaces.len()).map(|n| format!("ServiceNamespaces.member.{n}")).collect();
        let mut parameters = vec![("Arn", arn)];
        parameters.extend(numbered.iter().map(String::as_str).zip(namespaces.iter().copied()));
        let mut answer = world.ok(admin, "ListPoliciesGrantingServiceAccess", &parameters);
        answer["PoliciesGrantingServiceAccess"].take()
    };
    put(&world, "ann", SOME);
    let found = ask(&arn("user/ann"), &["s3", "sqs", "iam"]);
    let inline = json!({
        "PolicyName": "p", "PolicyType": "INLINE", "PolicyArn": null,
        "EntityType": "USER", "EntityName": "ann",
    });
    let managed = json!({
        "PolicyName": "lists", "PolicyType": "MANAGED", "PolicyArn": policy,
        "EntityType": null, "EntityName": null,
    });
    assert_eq!(found[0], json!({ "ServiceNamespace": "s3", "Policies": [inline, managed] }));
    assert_eq!(found[1], json!({ "ServiceNamespace": "sqs", "Policies": [] }));
    assert_eq!(found[2]["ServiceNamespace"], "iam");
    assert_eq!(ask(&arn("group/team"), &["s3"])[0]["Policies"], json!([managed]));
    assert_eq!(ask(&role, &["s3"])[0]["Policies"], json!([managed]));

    let many: Vec<String> = (0..101).map(|number| format!("service-{number}")).collect();
    let mut parameters = vec![("Arn".to_owned(), role.clone())];
    let numbered = (1..).map(|number| format!("ServiceNamespaces.member.{number}"));
    parameters.extend(numbered.zip(many));
    let page = |marker: Option<&Value>| {
        let marker =
            marker.map(|marker| ("Marker".to_owned(), marker.as_str().unwrap().to_owned()));
        let all = parameters.iter().chain(&marker);
        let all: Vec<(&str, &str)> = all.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        world.ok(admin, "ListPoliciesGrantingServiceAccess", &all)
    };
    let first = page(None);
    assert_eq!(first["IsTruncated"], true);
    let last = page(Some(&first["Marker"]));
    assert_eq!(last["IsTruncated"], false);
    assert_eq!(last["PoliciesGrantingServiceAccess"][0]["ServiceNamespace"], "service-100");

    // What is not there, and what is no such ARN.
    for (wrong, code) in [
        (arn("user/nobody"), "NoSuchEntity"),
        (arn("user/x/ann"), "NoSuchEntity"),
        (arn("policy/none"), "NoSuchEntity"),
        (arn("instance-profile/x"), "InvalidInput"),
        ("arn:aws:s3:::bucket-of-nobody".to_owned(), "InvalidInput"),
    ] {
        let parameters = [("Arn", wrong.as_str())];
        world.refused(admin, "GenerateServiceLastAccessedDetails", &parameters, code);
    }
    let parameters = [("Arn", policy), ("ServiceNamespaces.member.1", "s3")];
    world.refused(admin, "ListPoliciesGrantingServiceAccess", &parameters, "InvalidInput");
    world.refused(
        &users[2],
        "GenerateServiceLastAccessedDetails",
        &[("Arn", &role)],
        "AccessDenied",
    );
}

#[test]
fn who_asks_all_day_writes_little_and_every_instant_is_told_alike() {
    let world = World::new(93);
    let alice = world.user("alice");
    world.allow("alice", "iam:ListUsers", "*");
    let start = world.service.clock().now();
    let mut told = Vec::new();
    for _ in 0..40 {
        world.clock.advance(240);
        world.ok(&alice, "ListUsers", &[]);
        settle(&world);
        let used = [("AccessKeyId", alice.id.as_str())];
        let moment = world.service.clock().now();
        let used = |moment| {
            let answer = world.ask(&world.admin, "GetAccessKeyLastUsed", &used, moment).unwrap();
            answer["AccessKeyLastUsed"]["LastUsedDate"].as_str().unwrap().to_owned()
        };
        told.push((moment, used(None)));
        for (moment, told) in &told {
            assert_eq!(used(world.moment(&moment.to_string())), *told);
        }
    }
    let mut distinct: Vec<&String> = told.iter().map(|(_, told)| told).collect();
    distinct.dedup();
    let quarters = (world.service.clock().now().seconds() - start.seconds()) / 900 + 1;
    assert!(u64::try_from(distinct.len()).unwrap() <= quarters, "{distinct:?}");
    assert!(distinct.len() >= 10);
}
