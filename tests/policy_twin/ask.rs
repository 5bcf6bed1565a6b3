//! A test case, in the form of the policy test file with a few more fields, put to the library.
//!
//! Beyond the documented form a case may have `request.id` (the caller's unique id), `request.role_arn`,
//! `request.began_by` (ARN of the user behind a federated session) and `began_by_id`; and
//! `policies.trust` (the resource policy is a trust policy), `policies.must_allow` and
//! `policies.bindings` (ARN to unique id, `null` for gone).

use std::sync::Arc;

use domesday::policy::{
    Attached, Binding, Context, Decision, Document, DocumentKind, Label, Outcome, Policies,
    PolicySet, Principal, Request, decide, explore, explore_certain,
};
use serde_json::Value;

/// The caller of a case.
pub fn principal(request: &Value) -> Principal<'_> {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let arn = text("principal");
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, account, resource] = fields[..] else {
        return match arn {
            "*" => Principal::Anonymous,
            provider if request["federated"] == true => Principal::Federated(provider),
            service => Principal::Service(service),
        };
    };
    match (service, resource.split('/').next().unwrap_or_default()) {
        ("iam", "root") => Principal::Root { account },
        ("iam", "user") => Principal::User { account, id: text("id"), arn },
        ("sts", "assumed-role") => Principal::RoleSession {
            account,
            role_id: text("id"),
            role_arn: text("role_arn"),
            session_arn: arn,
        },
        ("sts", "federated-user") => Principal::FederatedUser {
            account,
            user_id: text("began_by_id"),
            user_arn: text("began_by"),
            arn,
        },
        _ => Principal::Federated(arn),
    }
}

/// The context of a case; `null` marks a key as absent.
pub fn context(request: &Value) -> Context<'_> {
    let mut context = Context::new();
    for (key, value) in request["context"].as_object().into_iter().flatten() {
        match value {
            Value::Array(values) => {
                context.set_many(key.as_str(), values.iter().filter_map(Value::as_str));
            }
            Value::Null => context.set_absent(key.as_str()),
            value => context.set(key.as_str(), value.as_str().unwrap()),
        }
    }
    context
}

fn parse(document: &Value, kind: DocumentKind, bindings: &Value) -> Document {
    let resolve = |arn: &str| match bindings.get(arn)? {
        Value::String(id) => Some(Binding::Id(id.clone())),
        _ => Some(Binding::Gone),
    };
    Document::parse_resolved(&document.to_string(), kind, &resolve)
        .unwrap_or_else(|error| panic!("{}: {document}", error.detail()))
}

fn set<'d>(
    documents: impl IntoIterator<Item = &'d Value>,
    kind: DocumentKind,
    bindings: &Value,
) -> PolicySet {
    let attach = |document| {
        Attached::new(Arc::new(parse(document, kind, bindings)), Label::new("p", "", ""))
    };
    documents.into_iter().map(attach).collect()
}

fn list(value: &Value, kind: DocumentKind, bindings: &Value) -> Option<PolicySet> {
    match value {
        Value::Null => None,
        Value::Array(documents) => Some(set(documents, kind, bindings)),
        document => Some(set([document], kind, bindings)),
    }
}

fn levels(value: &Value, kind: DocumentKind) -> Vec<PolicySet> {
    let levels = value.as_array().into_iter().flatten();
    levels.filter_map(|level| list(level, kind, &Value::Null)).collect()
}

/// Runs `with` over the request and policies of a case.
pub fn with_case<R>(case: &Value, with: impl FnOnce(&Request<'_>, &Policies<'_>) -> R) -> R {
    let policies = &case["policies"];
    let bindings = &policies["bindings"];
    let resource_kind =
        if policies["trust"] == true { DocumentKind::Trust } else { DocumentKind::Resource };
    let unbound = |name: &str, kind| list(&policies[name], kind, &Value::Null);
    let identity = unbound("identity", DocumentKind::Identity);
    let boundary = unbound("boundary", DocumentKind::Identity);
    let session = unbound("session", DocumentKind::Session);
    let endpoint = list(&policies["endpoint"], DocumentKind::Endpoint, bindings);
    let resource = &policies["resource"];
    let resource = resource.is_object().then(|| set([resource], resource_kind, bindings));
    let scp = levels(&policies["scp"], DocumentKind::Scp);
    let rcp = levels(&policies["rcp"], DocumentKind::Rcp);
    let set = Policies {
        identity: identity.as_ref(),
        boundary: boundary.as_ref(),
        resource: resource.as_ref(),
        session: session.as_ref(),
        scp: &scp,
        rcp: &rcp,
        endpoint: endpoint.as_ref(),
        resource_must_allow: policies["must_allow"] == true || policies["trust"] == true,
    };
    let request = &case["request"];
    let context = context(request);
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let mut asked = Request::new(principal(request), text("action"), text("resource"), &context);
    if let Some(account) = request["resource_account"].as_str() {
        asked = asked.owned_by(account);
    }
    with(&asked, &set)
}

/// The name of an outcome in test files.
pub fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ImplicitDeny => "implicitDeny",
        Outcome::ExplicitDeny => "explicitDeny",
    }
}

/// The library's outcome of a case; also checks what must be true of any decision.
pub fn outcome(case: &Value) -> &'static str {
    with_case(case, |request, policies| {
        let decision = decide(request, policies);
        sound(&decision);
        certain(request, policies);
        name(decision.outcome)
    })
}

/// What is found to be certain by the index alone, looking at every statement finds, too.
fn certain(request: &Request<'_>, policies: &Policies<'_>) {
    let Some(certain) = explore_certain(request, policies) else { return };
    let explored = explore(request, policies);
    assert!(explored.open.is_empty() && explored.needs.is_empty() && explored.almost.is_empty());
    for outcome in [explored.decision.outcome, explored.best, explored.worst] {
        assert_eq!(outcome, Outcome::Allowed);
    }
    assert!(certain.decision.is_allowed() && !certain.is_conditional());
    let places = |decision: &Decision<'_>| {
        let each = decision.deciding();
        each.map(|one| (one.policy_type, one.statement.index())).collect::<Vec<_>>()
    };
    assert_eq!(places(&certain.decision), places(&explored.decision));
}

fn sound(decision: &Decision<'_>) {
    use domesday::policy::Effect;
    match decision.outcome {
        Outcome::Allowed => {
            assert!(decision.blocked_by.is_none() && decision.because("a:B").is_none());
            assert!(decision.deciding().all(|d| d.statement.effect() == Effect::Allow));
        }
        Outcome::ImplicitDeny => {
            assert!(decision.deciding().next().is_none() && decision.blocked_by.is_some())
        }
        Outcome::ExplicitDeny => {
            assert!(decision.deciding().next().is_some());
            assert!(decision.deciding().all(|d| d.statement.effect() == Effect::Deny));
            let blocked_by = decision.blocked_by.unwrap();
            assert_eq!(decision.of(blocked_by), Some(Outcome::ExplicitDeny));
        }
    }
}
