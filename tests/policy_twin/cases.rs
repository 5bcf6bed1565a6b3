//! Cases with a known answer: the rules one by one, and each trap that other engines fell into.

use serde_json::{Value, json};

use crate::{ask, twin};

const ME: &str = "arn:aws:iam::111111111111:user/me";
const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/r/s";
const ROLE: &str = "arn:aws:iam::111111111111:role/r";
const FEDERATED: &str = "arn:aws:sts::111111111111:federated-user/f";
const ROOT: &str = "arn:aws:iam::111111111111:root";
const MINE: &str = "arn:aws:s3:::mine/x";
const THEIRS: &str = "222222222222";

fn policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow(action: &str, resource: &str) -> Value {
    policy(json!({"Effect": "Allow", "Action": action, "Resource": resource}))
}

fn allow_if(condition: Value) -> Value {
    policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}))
}

fn deny_if(condition: Value) -> Value {
    policy(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition},
    ]))
}

fn grant(principal: Value) -> Value {
    policy(
        json!({"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*"}),
    )
}

fn trust(principal: Value) -> Value {
    policy(json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}))
}

fn ask_as(principal: &str, action: &str, resource: &str, context: Value, policies: Value) -> Value {
    let mut request =
        json!({"principal": principal, "action": action, "resource": resource, "context": context});
    if principal == SESSION {
        request["role_arn"] = json!(ROLE);
    }
    if principal == FEDERATED {
        request["began_by"] = json!(ME);
        request["began_by_id"] = json!("AIDAME00000000000000");
    }
    json!({"request": request, "policies": policies})
}

#[track_caller]
fn expect(expected: &str, case: &Value) {
    assert_eq!(ask::outcome(case), expected, "{case:#}");
    assert_eq!(twin::decide(case), expected, "the twin: {case:#}");
}

#[track_caller]
fn me(expected: &str, action: &str, resource: &str, context: Value, identity: Value) {
    expect(expected, &ask_as(ME, action, resource, context, json!({ "identity": [identity] })));
}

#[track_caller]
fn condition(expected: bool, context: Value, condition: Value) {
    let (yes, no) =
        if expected { ("allowed", "explicitDeny") } else { ("implicitDeny", "allowed") };
    me(yes, "s3:GetObject", MINE, context.clone(), allow_if(condition.clone()));
    me(no, "s3:GetObject", MINE, context, deny_if(condition));
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let deny = json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"});
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        me("explicitDeny", "s3:GetObject", MINE, json!({}), policy(statements.clone()));
        me("allowed", "iam:GetUser", "*", json!({}), policy(statements));
    }
    let full = policy(allow.clone());
    let no = policy(deny.clone());
    let (mut everyone, mut resource) = (deny.clone(), allow.clone());
    everyone["Principal"] = json!("*");
    resource["Principal"] = json!("*");
    for (slot, value) in [
        ("boundary", json!([full, no])),
        ("session", json!([full, no])),
        ("scp", json!([[full], [full, no]])),
        ("rcp", json!([[policy(everyone.clone())]])),
        ("resource", policy(json!([resource, everyone]))),
        ("endpoint", json!([policy(json!([resource, everyone]))])),
    ] {
        let mut policies = json!({ "identity": [full] });
        policies[slot] = value;
        expect("explicitDeny", &ask_as(ME, "s3:GetObject", MINE, json!({}), policies));
    }
}

#[test]
fn actions() {
    for (pattern, action, expected) in [
        ("S3:getobject", "s3:GetObject", "allowed"),
        ("s3:Get*", "s3:GetObject", "allowed"),
        ("s3:*Object", "s3:GetObject", "allowed"),
        ("s3:?etObject", "s3:GetObject", "allowed"),
        ("*:*", "s3:GetObject", "allowed"),
        ("s3:Get", "s3:GetObject", "implicitDeny"),
        ("s3:GetObject", "s3:GetObjectAcl", "implicitDeny"),
        ("s3:Get.bject", "s3:GetObject", "implicitDeny"),
        ("s3:Get Object", "s3:Get Object", "implicitDeny"),
        ("s3:GetObject,s3-x", "s3:GetObject", "implicitDeny"),
        ("iam:GetObject", "s3:GetObject", "implicitDeny"),
    ] {
        me(expected, action, MINE, json!({}), allow(pattern, "*"));
    }
    let not =
        |action: &str| policy(json!({"Effect": "Allow", "NotAction": action, "Resource": "*"}));
    me("implicitDeny", "s3:GetObject", MINE, json!({}), not("S3:*"));
    me("allowed", "iam:GetUser", "*", json!({}), not("s3:*"));
    me("allowed", "s3:GetObject", MINE, json!({}), not("s3:Get Object"));
}

#[test]
fn resources() {
    let not =
        |resource: &str| policy(json!({"Effect": "Allow", "Action": "*", "NotResource": resource}));
    let user = "arn:aws:iam::111111111111:user/me";
    me("implicitDeny", "iam:GetUser", user, json!({}), not("arn:aws:iam::*:user/*"));
    me(
        "allowed",
        "iam:GetUser",
        "arn:aws:iam::111111111111:role/me",
        json!({}),
        not("arn:aws:iam::*:user/*"),
    );
    me("allowed", "iam:ListUsers", "*", json!({}), not("arn:aws:iam::*:user/*"));
    me("implicitDeny", "iam:ListUsers", "*", json!({}), not("*"));
    me(
        "implicitDeny",
        "iam:ListUsers",
        "*",
        json!({}),
        allow("*", "arn:aws:iam::111111111111:user/*"),
    );
    me("allowed", "iam:ListUsers", "*", json!({}), allow("*", "*"));
    me(
        "implicitDeny",
        "s3:GetObject",
        "arn:aws:s3:::mineX/x",
        json!({}),
        allow("*", "arn:aws:s3:::mine./x"),
    );
    me("implicitDeny", "s3:GetObject", MINE, json!({}), allow("*", "arn:aws:s3:::Mine/*"));
    me("implicitDeny", "s3:GetObject", MINE, json!({}), allow("*", "arn:aws:s3:*:x"));
    me("allowed", "s3:GetObject", MINE, json!({}), allow("*", "arn:aws:s3:*"));
    me(
        "implicitDeny",
        "s3:GetObject",
        "arn:aws:s3:::b/mine/x",
        json!({}),
        allow("*", "arn:aws:s3:::mine/x"),
    );
}

#[test]
fn variables() {
    let own = allow("iam:GetUser", "arn:aws:iam::*:user/${aws:username}");
    let user = |name: &str| format!("arn:aws:iam::111111111111:user/{name}");
    me("allowed", "iam:GetUser", &user("me"), json!({"aws:username": "me"}), own.clone());
    me("allowed", "iam:GetUser", &user("me"), json!({"AWS:UserName": "me"}), own.clone());
    me("implicitDeny", "iam:GetUser", &user("you"), json!({"aws:username": "me"}), own.clone());
    me("implicitDeny", "iam:GetUser", &user("you"), json!({"aws:username": "*"}), own.clone());
    me("allowed", "iam:GetUser", &user("*"), json!({"aws:username": "*"}), own.clone());
    me("implicitDeny", "iam:GetUser", &user(""), json!({}), own.clone());
    me("implicitDeny", "iam:GetUser", &user("me"), json!({"aws:username": ["me"]}), own.clone());
    let mut old = own;
    old["Version"] = json!("2008-10-17");
    me("implicitDeny", "iam:GetUser", &user("me"), json!({"aws:username": "me"}), old.clone());
    me("allowed", "iam:GetUser", &user("${aws:username}"), json!({"aws:username": "me"}), old);
    let team = allow("s3:GetObject", "arn:aws:s3:::b/${aws:PrincipalTag/team, 'company-wide'}/*");
    me("allowed", "s3:GetObject", "arn:aws:s3:::b/company-wide/x", json!({}), team.clone());
    me(
        "allowed",
        "s3:GetObject",
        "arn:aws:s3:::b/red/x",
        json!({"aws:PrincipalTag/Team": "red"}),
        team.clone(),
    );
    me(
        "implicitDeny",
        "s3:GetObject",
        "arn:aws:s3:::b/company-wide/x",
        json!({"aws:PrincipalTag/Team": "red"}),
        team,
    );
    condition(true, json!({"k": "*"}), json!({"StringLike": {"k": "${*}"}}));
    condition(false, json!({"k": "x"}), json!({"StringLike": {"k": "${*}"}}));
}

#[test]
fn traps_of_conditions() {
    condition(
        true,
        json!({"aws:PrincipalArn": "boop"}),
        json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
    );
    condition(true, json!({}), json!({"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}));
    condition(
        false,
        json!({}),
        json!({"ForAllValues:StringEquals": {"aws:TagKeys": "team"}, "Null": {"aws:TagKeys": "false"}}),
    );
    condition(false, json!({}), json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": "team"}}));
    condition(
        true,
        json!({"aws:TagKeys": ["team", "x"]}),
        json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": "team"}}),
    );
    condition(
        false,
        json!({"aws:TagKeys": ["team"]}),
        json!({"StringEquals": {"aws:TagKeys": "team"}}),
    );
    condition(
        true,
        json!({"aws:SourceIp": "10.0.0.1"}),
        json!({"IpAddress": {"aws:SourceIp": "10.0.0.1"}}),
    );
    condition(
        false,
        json!({"aws:SourceIp": "10.0.0.2"}),
        json!({"IpAddress": {"aws:SourceIp": "10.0.0.1"}}),
    );
    condition(
        false,
        json!({"aws:SourceIp": "::1"}),
        json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
    );
    condition(false, json!({}), json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}));
    condition(true, json!({}), json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}));
    condition(true, json!({"k": "TRUE"}), json!({"Bool": {"k": true}}));
    condition(true, json!({"k": "7"}), json!({"NumericEquals": {"k": 7}}));
    condition(false, json!({"k": "subject"}), json!({"StringEquals": {"k": "sub"}}));
    condition(false, json!({"k": "abc"}), json!({"StringEquals": {"k": "a*"}}));
    condition(
        true,
        json!({"AWS:requesttag/TEAM": "red"}),
        json!({"StringEquals": {"aws:RequestTag/team": "red"}}),
    );
    condition(false, json!({"k": "b"}), json!({"StringNotEquals": {"k": ["a", "b"]}}));
    condition(true, json!({"k": "c"}), json!({"StringNotEquals": {"k": ["a", "b"]}}));
    condition(false, json!({"k": "a", "l": "x"}), json!({"StringEquals": {"k": "a", "l": "y"}}));
    condition(
        true,
        json!({"k": "arn:aws:sns:r:1:a:b"}),
        json!({"ArnLike": {"k": "arn:aws:sns:*:*:*"}}),
    );
    condition(false, json!({"k": "arn:aws:sns:r:1:a"}), json!({"ArnLike": {"k": "arn:aws:sns:*"}}));
}

#[test]
fn a_failing_condition_of_an_allow_is_no_deny() {
    let condition = json!({"StringEquals": {"k": "v"}});
    let policies = json!({"identity": [allow_if(condition), allow("s3:*", "*")]});
    expect("allowed", &ask_as(ME, "s3:GetObject", MINE, json!({}), policies));
}

#[test]
fn what_a_resource_policy_makes_up_for_within_the_account() {
    // Who calls; whom the policy names; allowed without identity, boundary and session Allows.
    for (caller, named, identity, boundary, session) in [
        (SESSION, json!({"AWS": ROLE}), true, false, false),
        (SESSION, json!({"AWS": SESSION}), true, true, true),
        (ME, json!({"AWS": ME}), true, true, true),
        (FEDERATED, json!({"AWS": ME}), true, false, false),
        (FEDERATED, json!({"AWS": FEDERATED}), true, true, true),
        (ME, json!({"AWS": "111111111111"}), false, false, false),
        (SESSION, json!({"AWS": ROOT}), false, false, false),
        (SESSION, json!("*"), true, true, true),
        (ME, json!({"AWS": "*"}), true, true, true),
    ] {
        let (full, none) = (json!([allow("*", "*")]), json!([]));
        let resource = grant(named.clone());
        for (lacking, expected) in
            [("identity", identity), ("boundary", boundary), ("session", session)]
        {
            let mut policies =
                json!({"identity": full, "boundary": full, "session": full, "resource": resource});
            policies[lacking] = none.clone();
            let expected = if expected { "allowed" } else { "implicitDeny" };
            expect(expected, &ask_as(caller, "s3:GetObject", MINE, json!({}), policies));
        }
    }
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let full = allow("*", "*");
    for (identity, boundary, resource, expected) in [
        (json!([full]), json!(null), grant(json!({"AWS": "111111111111"})), "allowed"),
        (json!([full]), json!(null), grant(json!({"AWS": ME})), "allowed"),
        (json!([full]), json!(null), json!(null), "implicitDeny"),
        (json!([]), json!(null), grant(json!({"AWS": ME})), "implicitDeny"),
        (json!([full]), json!([]), grant(json!({"AWS": ME})), "implicitDeny"),
        (json!([full]), json!(null), grant(json!({"AWS": THEIRS})), "implicitDeny"),
    ] {
        let policies = json!({"identity": identity, "boundary": boundary, "resource": resource});
        let mut case = ask_as(ME, "s3:GetObject", MINE, json!({}), policies);
        case["request"]["resource_account"] = json!(THEIRS);
        expect(expected, &case);
        case["request"]["resource_account"] = json!(null);
        case["request"]["resource"] =
            json!("arn:aws:s3:::mine/x".replace(":::", &format!("::{THEIRS}:")));
        expect(expected, &case);
    }
}

#[test]
fn trust_policies() {
    let may = json!([allow("sts:AssumeRole", "*")]);
    for (caller, named, identity, expected) in [
        (ME, json!({"AWS": ME}), json!([]), "allowed"),
        (ME, json!({"AWS": "111111111111"}), json!([]), "implicitDeny"),
        (ME, json!({"AWS": "111111111111"}), may.clone(), "allowed"),
        (ME, json!({"AWS": ROOT}), may.clone(), "allowed"),
        (ME, json!({"AWS": THEIRS}), may.clone(), "implicitDeny"),
        (ME, json!({"Service": "ec2.amazonaws.com"}), may.clone(), "implicitDeny"),
        (SESSION, json!({"AWS": ROLE}), json!([]), "allowed"),
        (SESSION, json!({"AWS": ME}), may.clone(), "implicitDeny"),
        ("ec2.amazonaws.com", json!({"Service": "ec2.amazonaws.com"}), json!(null), "allowed"),
        ("s3.amazonaws.com", json!({"Service": "ec2.amazonaws.com"}), json!(null), "implicitDeny"),
        ("*", json!({"AWS": "111111111111"}), json!(null), "implicitDeny"),
    ] {
        let policies = json!({"identity": identity, "resource": trust(named), "trust": true});
        expect(expected, &ask_as(caller, "sts:AssumeRole", ROLE, json!({}), policies));
    }
    let nobody = json!({"identity": may, "trust": true});
    expect("implicitDeny", &ask_as(ME, "sts:AssumeRole", ROLE, json!({}), nobody));
    let provider = "arn:aws:iam::111111111111:saml-provider/idp";
    let mut saml = json!({"identity": null, "trust": true});
    saml["resource"] = policy(json!({
        "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithSAML",
        "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    }));
    let context = json!({"SAML:aud": "https://signin.aws.amazon.com/saml"});
    expect("allowed", &ask_as(provider, "sts:AssumeRoleWithSAML", ROLE, context, saml.clone()));
    expect("implicitDeny", &ask_as(provider, "sts:AssumeRoleWithSAML", ROLE, json!({}), saml));
}

#[test]
fn a_principal_made_again_does_not_inherit_trust() {
    for (bound, id, expected) in [
        (json!("AIDAME00000000000000"), "AIDAME00000000000000", "allowed"),
        (json!("AIDAME00000000000000"), "AIDAMEAGAIN000000000", "implicitDeny"),
        (json!(null), "AIDAME00000000000000", "implicitDeny"),
    ] {
        let policies = json!({"resource": trust(json!({ "AWS": ME })), "trust": true, "bindings": { ME: bound }});
        let mut case = ask_as(ME, "sts:AssumeRole", ROLE, json!({}), policies);
        case["request"]["id"] = json!(id);
        expect(expected, &case);
    }
}

#[test]
fn root_anonymous_and_organisation() {
    let deny = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    expect(
        "allowed",
        &ask_as(ROOT, "iam:GetUser", "*", json!({}), json!({"identity": [deny], "boundary": []})),
    );
    expect(
        "implicitDeny",
        &ask_as(ROOT, "iam:GetUser", "*", json!({}), json!({"scp": [[allow("s3:*", "*")]]})),
    );
    expect(
        "explicitDeny",
        &ask_as(ROOT, "iam:GetUser", "*", json!({}), json!({"scp": [[allow("*", "*"), deny]]})),
    );
    let full = json!([allow("*", "*")]);
    let levels = json!({"identity": full, "scp": [full, [allow("s3:*", "*")]]});
    expect("allowed", &ask_as(ME, "s3:GetObject", MINE, json!({}), levels.clone()));
    expect("implicitDeny", &ask_as(ME, "iam:GetUser", "*", json!({}), levels));
    expect(
        "implicitDeny",
        &ask_as(ME, "s3:GetObject", MINE, json!({}), json!({"identity": full, "scp": [[]]})),
    );
    expect(
        "allowed",
        &ask_as(
            ME,
            "s3:GetObject",
            MINE,
            json!({}),
            json!({"identity": full, "scp": [], "rcp": [[]]}),
        ),
    );
    expect(
        "allowed",
        &ask_as("*", "s3:GetObject", MINE, json!({}), json!({"resource": grant(json!("*"))})),
    );
    expect(
        "implicitDeny",
        &ask_as(
            "*",
            "s3:GetObject",
            MINE,
            json!({}),
            json!({"resource": grant(json!({ "AWS": ME }))}),
        ),
    );
    expect(
        "implicitDeny",
        &ask_as("*", "s3:GetObject", MINE, json!({}), json!({ "identity": full })),
    );
    let nobody = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    expect(
        "implicitDeny",
        &ask_as("*", "s3:GetObject", MINE, json!({}), json!({ "resource": nobody })),
    );
}

#[test]
fn sessions() {
    let (full, s3) = (json!([allow("*", "*")]), allow("s3:*", "*"));
    let with = |session: Value| json!({"identity": full, "session": session});
    expect("allowed", &ask_as(SESSION, "s3:GetObject", MINE, json!({}), with(json!([s3]))));
    expect("implicitDeny", &ask_as(SESSION, "iam:GetUser", "*", json!({}), with(json!([s3]))));
    expect(
        "allowed",
        &ask_as(SESSION, "iam:GetUser", "*", json!({}), with(json!([s3, allow("iam:*", "*")]))),
    );
    expect("implicitDeny", &ask_as(FEDERATED, "s3:GetObject", MINE, json!({}), with(json!(null))));
    expect("allowed", &ask_as(FEDERATED, "s3:GetObject", MINE, json!({}), with(json!([s3]))));
    let deny = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    for action in ["sts:GetCallerIdentity", "STS:getcalleridentity"] {
        expect(
            "allowed",
            &ask_as(SESSION, action, "*", json!({}), json!({"identity": [deny], "session": []})),
        );
    }
    expect("allowed", &ask_as(ME, "sts:GetSessionToken", "*", json!({}), json!({})));
    expect(
        "explicitDeny",
        &ask_as(ME, "sts:GetSessionToken", "*", json!({}), json!({ "identity": [deny] })),
    );
}

#[test]
fn not_principal() {
    let deny_but = |entries: Value| {
        policy(json!([
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "NotPrincipal": {"AWS": entries}, "Action": "*", "Resource": "*"},
        ]))
    };
    for (caller, entries, boundary, expected) in [
        (ME, json!([ROOT, ME]), json!(null), "allowed"),
        (ME, json!([ME]), json!(null), "explicitDeny"),
        (ME, json!([ROOT, ME]), json!([allow("*", "*")]), "explicitDeny"),
        (SESSION, json!([ROOT, ROLE, SESSION]), json!(null), "allowed"),
        (SESSION, json!([ROOT, ROLE]), json!(null), "explicitDeny"),
        ("*", json!([ROOT]), json!(null), "explicitDeny"),
    ] {
        let policies = json!({"resource": deny_but(entries), "boundary": boundary});
        expect(expected, &ask_as(caller, "s3:GetObject", MINE, json!({}), policies));
    }
    let allow_but = policy(
        json!({"Effect": "Allow", "NotPrincipal": {"AWS": ROOT}, "Action": "*", "Resource": "*"}),
    );
    expect(
        "implicitDeny",
        &ask_as(ME, "s3:GetObject", MINE, json!({}), json!({ "resource": allow_but })),
    );
    expect(
        "allowed",
        &ask_as("*", "s3:GetObject", MINE, json!({}), json!({ "resource": allow_but })),
    );
}
