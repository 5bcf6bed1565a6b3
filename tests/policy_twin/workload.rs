//! The workload that engines are measured on is the published one, and both its floor and the evaluator
//! give every answer that is right.

use domesday::policy::{
    Attached, Context, Document, DocumentKind, Label, Outcome, Policies, PolicySet, Principal,
    Request, decide, explore,
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
