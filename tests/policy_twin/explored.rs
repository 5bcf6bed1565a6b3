//! What decisions say beyond their outcome: statements, gates, sentences, open questions.

use domesday::policy::{Effect, Need, Outcome, PolicyType, decide, explore};
use serde_json::{Value, json};

use crate::ask::with_case;

const ME: &str = "arn:aws:iam::111111111111:user/me";

fn case(action: &str, context: Value, policies: Value) -> Value {
    json!({"request": {"principal": ME, "action": action, "resource": "*", "context": context}, "policies": policies})
}

fn policy(statement: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

fn full() -> Value {
    policy(json!({"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}))
}

#[test]
fn denials_name_the_policy_type() {
    let deny = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    let deny_all =
        policy(json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}));
    let trust_deny = policy(json!({"Effect": "Deny", "Principal": "*", "Action": "*"}));
    for (slot, value, blocked_by, tail) in [
        (
            "identity",
            json!([]),
            PolicyType::Identity,
            "because no identity-based policy allows the iam:GetUser action",
        ),
        (
            "boundary",
            json!([]),
            PolicyType::Boundary,
            "because no permissions boundary allows the iam:GetUser action",
        ),
        (
            "session",
            json!([]),
            PolicyType::Session,
            "because no session policy allows the iam:GetUser action",
        ),
        (
            "scp",
            json!([[]]),
            PolicyType::Scp,
            "because no service control policy allows the iam:GetUser action",
        ),
        (
            "endpoint",
            json!([]),
            PolicyType::Endpoint,
            "because no VPC endpoint policy allows the iam:GetUser action",
        ),
        (
            "trust",
            json!(true),
            PolicyType::Trust,
            "because no role trust policy allows the iam:GetUser action",
        ),
        (
            "identity",
            json!([deny]),
            PolicyType::Identity,
            "with an explicit deny in an identity-based policy",
        ),
        (
            "boundary",
            json!([deny]),
            PolicyType::Boundary,
            "with an explicit deny in a permissions boundary",
        ),
        (
            "session",
            json!([deny]),
            PolicyType::Session,
            "with an explicit deny in a session policy",
        ),
        (
            "scp",
            json!([[deny]]),
            PolicyType::Scp,
            "with an explicit deny in a service control policy",
        ),
        (
            "rcp",
            json!([[deny_all]]),
            PolicyType::Rcp,
            "with an explicit deny in a resource control policy",
        ),
        (
            "resource",
            deny_all.clone(),
            PolicyType::Resource,
            "with an explicit deny in a resource-based policy",
        ),
        (
            "endpoint",
            json!([deny_all]),
            PolicyType::Endpoint,
            "with an explicit deny in a VPC endpoint policy",
        ),
    ] {
        let mut policies = json!({ "identity": [full()] });
        policies[slot] = value;
        with_case(&case("iam:GetUser", json!({}), policies), |request, policies| {
            let decision = decide(request, policies);
            assert_eq!(decision.blocked_by, Some(blocked_by));
            assert_eq!(decision.because("iam:GetUser").as_deref(), Some(tail));
        });
    }
    let policies = json!({"identity": [full()], "resource": trust_deny, "trust": true});
    with_case(&case("sts:AssumeRole", json!({}), policies), |request, policies| {
        let tail = decide(request, policies).because("sts:AssumeRole");
        assert_eq!(tail.as_deref(), Some("with an explicit deny in the role trust policy"));
    });
    let mut across = case("iam:GetUser", json!({}), json!({ "identity": [full()] }));
    across["request"]["resource_account"] = json!("222222222222");
    with_case(&across, |request, policies| {
        let tail = decide(request, policies).because("iam:GetUser");
        assert_eq!(
            tail.as_deref(),
            Some("because no resource-based policy allows the iam:GetUser action")
        );
    });
}

#[test]
fn deciding_statements_and_gates() {
    let two = policy(json!([
        {"Sid": "Get", "Effect": "Allow", "Action": "iam:Get*", "Resource": "*"},
        {"Sid": "Other", "Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Sid": "No", "Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"},
    ]));
    let policies = json!({"identity": [two, full()], "boundary": [full()]});
    with_case(&case("iam:GetUser", json!({}), policies.clone()), |request, policies| {
        let decision = decide(request, policies);
        let sids: Vec<_> =
            decision.deciding().map(|d| (d.policy_type, d.statement.sid().unwrap())).collect();
        assert_eq!(
            sids,
            [
                (PolicyType::Identity, "Get"),
                (PolicyType::Identity, "All"),
                (PolicyType::Boundary, "All")
            ]
        );
        assert_eq!(decision.of(PolicyType::Boundary), Some(Outcome::Allowed));
        assert_eq!(decision.of(PolicyType::Scp), None);
    });
    with_case(&case("iam:GetRole", json!({}), policies), |request, policies| {
        let decision = decide(request, policies);
        assert_eq!(decision.outcome, Outcome::ExplicitDeny);
        let [only] = decision.deciding().collect::<Vec<_>>()[..] else { panic!("one statement") };
        assert_eq!(
            (only.statement.index(), only.statement.effect(), &*only.label.policy),
            (2, Effect::Deny, "p")
        );
        assert_eq!(decision.of(PolicyType::Identity), Some(Outcome::ExplicitDeny));
        assert_eq!(decision.of(PolicyType::Boundary), Some(Outcome::Allowed));
    });
}

#[test]
fn unknown_keys_make_an_answer_conditional() {
    let with_mfa = policy(json!({
        "Effect": "Allow", "Action": "iam:*", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }));
    let office = policy(json!({
        "Effect": "Deny", "Action": "iam:*", "Resource": "*",
        "Condition": {"NotIpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}},
    }));
    let other = policy(
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:username}/*"}),
    );
    for (context, identity, action, now, conditional, open, missing) in [
        (
            json!({}),
            json!([with_mfa, other]),
            "iam:GetUser",
            Outcome::ImplicitDeny,
            true,
            1,
            vec!["aws:MultiFactorAuthPresent", "aws:username"],
        ),
        (
            json!({"aws:MultiFactorAuthPresent": null}),
            json!([with_mfa]),
            "iam:GetUser",
            Outcome::ImplicitDeny,
            false,
            0,
            vec![],
        ),
        (
            json!({"aws:multifactorauthpresent": "false"}),
            json!([with_mfa]),
            "iam:GetUser",
            Outcome::ImplicitDeny,
            false,
            0,
            vec![],
        ),
        (
            json!({}),
            json!([with_mfa]),
            "s3:GetObject",
            Outcome::ImplicitDeny,
            false,
            0,
            vec!["aws:MultiFactorAuthPresent"],
        ),
        (
            json!({}),
            json!([full(), with_mfa]),
            "iam:GetUser",
            Outcome::Allowed,
            false,
            1,
            vec!["aws:MultiFactorAuthPresent"],
        ),
        (
            json!({}),
            json!([full(), office]),
            "iam:GetUser",
            Outcome::ExplicitDeny,
            true,
            1,
            vec!["aws:SourceIp"],
        ),
        (
            json!({"aws:SourceIp": "10.1.1.1"}),
            json!([full(), office]),
            "iam:GetUser",
            Outcome::Allowed,
            false,
            0,
            vec![],
        ),
    ] {
        with_case(&case(action, context, json!({ "identity": identity })), |request, policies| {
            let explored = explore(request, policies);
            assert_eq!(explored.decision.outcome, now);
            assert_eq!(explored.is_conditional(), conditional);
            assert_eq!(explored.open.len(), open);
            assert_eq!(explored.missing_keys, missing);
        });
    }
}

#[test]
fn an_unknown_variable_is_open_too_and_organisation_keys_are_apart() {
    let own = policy(
        json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:iam::*:user/${aws:username}"}),
    );
    let scp = policy(json!({
        "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"aws:PrincipalOrgID": "true"}},
    }));
    let mut case = case("iam:GetUser", json!({}), json!({"identity": [own], "scp": [[scp]]}));
    case["request"]["resource"] = json!("arn:aws:iam::111111111111:user/me");
    with_case(&case, |request, policies| {
        let explored = explore(request, policies);
        assert_eq!((explored.best, explored.worst), (Outcome::Allowed, Outcome::ImplicitDeny));
        assert_eq!(explored.missing_keys, ["aws:username"]);
        assert_eq!(explored.missing_organization_keys, ["aws:PrincipalOrgID"]);
    });
}

#[test]
fn a_denial_says_all_that_is_needed_and_what_comes_near() {
    let no =
        policy(json!({"Sid": "No", "Effect": "Deny", "Action": "iam:GetUser", "Resource": "*"}));
    let office = policy(json!({
        "Sid": "Office", "Effect": "Allow", "Action": "iam:*", "Resource": "*",
        "Condition": {
            "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
            "StringEquals": {"aws:RequestedRegion": "us-east-1"},
        },
    }));
    let policies = json!({"identity": [no, office], "boundary": [], "scp": [[full()], []]});
    let context = json!({"aws:SourceIp": "11.0.0.1", "aws:RequestedRegion": "us-east-1"});
    with_case(&case("iam:GetUser", context.clone(), policies), |request, policies| {
        let explored = explore(request, policies);
        let needs: Vec<String> = explored
            .needs
            .iter()
            .map(|need| match need {
                Need::Without(deciding) => deciding.statement.sid().unwrap().to_owned(),
                Need::Allow(kind) => kind.noun().to_owned(),
            })
            .collect();
        let kinds =
            ["No", "service control policy", "identity-based policy", "permissions boundary"];
        assert_eq!(needs, kinds);
        let [(near, unmet)] = &explored.almost[..] else { panic!("one comes near") };
        assert_eq!(near.statement.sid(), Some("Office"));
        assert_eq!(unmet, &["IpAddress aws:SourceIp"]);
    });
    // What is needed is enough, and nothing is needed for an Allow.
    let enough =
        json!({"identity": [office, full()], "boundary": [full()], "scp": [[full()], [full()]]});
    with_case(&case("iam:GetUser", context, enough), |request, policies| {
        let explored = explore(request, policies);
        assert_eq!(explored.decision.outcome, Outcome::Allowed);
        assert!(explored.needs.is_empty() && explored.almost.is_empty());
    });
}
