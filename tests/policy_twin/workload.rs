//! The workload that engines are measured on is the published one, and both its floor and the evaluator
//! give every answer that is right.

use domesday::policy::{
    Attached, Context, Document, DocumentKind, Label, Outcome, Policies, PolicySet, Principal,
    Request, decide, explore, explore_certain,
};

#[path = "../../tools/evaluators/src/floor.rs"]
mod floor;
#[path = "../../tools/evaluators/src/workload.rs"]
#[allow(clippy::module_inception, clippy::cast_possible_truncation)]
mod workload;

use workload::{Answer, SEED, STANDARD, Workload, digests};

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Allowed => Answer::Allowed,
        Outcome::ImplicitDeny => Answer::ImplicitDeny,
        Outcome::ExplicitDeny => Answer::ExplicitDeny,
    }
}

fn agree(workload: &Workload) {
    let floors: Vec<_> = workload.principals.iter().map(floor::Floor::new).collect();
    let sets: Vec<PolicySet> = workload
        .principals
        .iter()
        .map(|principal| {
            let parse = |policy: &workload::Policy| {
                let text = policy.document().to_string();
                let document = Document::parse_new(&text, DocumentKind::Identity).unwrap();
                Attached::new(document.into(), Label::new(&policy.name, "", ""))
            };
            principal.policies.iter().map(parse).collect()
        })
        .collect();
    for request in &workload.requests {
        let mut context = Context::new();
        context.set("aws:RequestedRegion", request.keys.region);
        context.set("aws:SourceIp", request.keys.address.as_str());
        let arn = &workload.principals[request.principal].arn;
        let caller = Principal::User { account: "111122223333", id: "", arn };
        let asked = Request::new(caller, &request.action, &request.resource, &context);
        let identity = Some(&sets[request.principal]);
        let policies = Policies { identity, ..Policies::default() };
        let decision = decide(&asked, &policies);
        assert_eq!(floors[request.principal].decide(request), request.expected, "{request:?}");
        assert_eq!(answer(decision.outcome), request.expected, "{request:?}");
        // No key is unknown, so that every yes is certain.
        let certain = explore_certain(&asked, &policies).is_some();
        assert_eq!(certain, request.expected == Answer::Allowed, "{request:?}");
        // With the index and without it: the same statements in the same order.
        let places = |decision: &domesday::policy::Decision<'_>| {
            let place = |one: domesday::policy::Deciding<'_>| {
                (one.label.policy.clone(), one.statement.index())
            };
            decision.deciding().map(place).collect::<Vec<_>>()
        };
        assert_eq!(places(&decision), places(&explore(&asked, &policies).decision), "{request:?}");
    }
}

#[test]
fn every_answer_to_the_standard_workload_is_right() {
    let workload = Workload::new(SEED, 1_000, 30_000);
    let found = digests(&workload);
    for (found, known) in found.iter().zip(STANDARD) {
        assert!(found.starts_with(known), "{found} {known}");
    }
    agree(&workload);
}

#[test]
fn every_answer_is_right_with_other_seeds_and_sizes() {
    agree(&Workload::new(1086, 200, 6_000));
    for statements in [10, 100, 1_000] {
        agree(&Workload::growth(SEED, statements));
    }
}

/// Statements whose product would be millions of items: the index stays in proportion to them, and right.
#[test]
fn an_index_does_not_grow_with_the_product_of_statements() {
    let mut statements: Vec<String> = (0..1_500)
        .map(|n| {
            format!(r#"{{"Effect":"Allow","Action":"s3:Get{n}","Resource":"arn:aws:s3:::b{n}/*"}}"#)
        })
        .collect();
    statements.extend((0..1_500).map(|n| {
        format!(r#"{{"Effect":"Deny","Action":"s3:G*","Resource":"arn:aws:s3:::d{n}/*"}}"#)
    }));
    // Small documents, so that they are indexed together.
    let set: PolicySet = statements
        .chunks(30)
        .map(|chunk| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, chunk.join(","));
            let document = Document::parse(&text, DocumentKind::Identity).unwrap();
            Attached::new(document.into(), Label::default())
        })
        .collect();
    let context = Context::new();
    let arn = "arn:aws:iam::111122223333:user/u";
    let caller = Principal::User { account: "111122223333", id: "", arn };
    let policies = Policies { identity: Some(&set), ..Policies::default() };
    for (action, resource, expected) in [
        ("s3:Get7", "arn:aws:s3:::b7/x", Outcome::Allowed),
        ("S3:GET1499", "arn:aws:s3:::b1499/x", Outcome::Allowed),
        ("s3:Get7", "arn:aws:s3:::b8/x", Outcome::ImplicitDeny),
        ("s3:Get1499", "arn:aws:s3:::d1499/x", Outcome::ExplicitDeny),
        ("s3:Get12345", "arn:aws:s3:::d123/x", Outcome::ExplicitDeny),
        ("s3:Put7", "arn:aws:s3:::b7/x", Outcome::ImplicitDeny),
    ] {
        let asked = Request::new(caller, action, resource, &context);
        assert_eq!(decide(&asked, &policies).outcome, expected, "{action} {resource}");
        assert_eq!(explore(&asked, &policies).decision.outcome, expected, "{action} {resource}");
    }
    // The largest part of what a set prints is its index.
    assert!(format!("{set:?}").len() < 20_000_000);
}
