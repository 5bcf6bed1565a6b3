//! domesday's evaluator, in the process.

use std::sync::Arc;

use domesday::policy::{
    Attached, Context, Document, DocumentKind, Label, Outcome, Policies, PolicySet, Principal,
    Request, decide,
};

use super::Engine;
use crate::workload::{self, Answer, Workload};

/// Policies and requests, compiled.
pub struct Compiled {
    principals: Vec<(String, PolicySet)>,
    requests: Vec<(workload::Request, Context<'static>)>,
}

/// Reads a principal's policies and compiles them together.
pub fn compile(principal: &workload::Principal) -> Result<PolicySet, Box<dyn std::error::Error>> {
    let attach = |policy: &workload::Policy| {
        let text = policy.document().to_string();
        let document = Document::parse(&text, DocumentKind::Identity).map_err(|e| e.to_string())?;
        Ok(Attached::new(Arc::new(document), Label::new(&policy.name, "", "")))
    };
    let attached: Result<Vec<Attached>, String> = principal.policies.iter().map(attach).collect();
    Ok(PolicySet::new(attached?))
}

/// The engine.
pub fn build(workload: &Workload) -> Result<Box<dyn Engine>, Box<dyn std::error::Error>> {
    let principals = workload.principals.iter();
    let principals = principals
        .map(|principal| Ok((principal.arn.clone(), compile(principal)?)))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    let requests = workload.requests.iter().map(|request| {
        let mut context = Context::new();
        context.set("aws:RequestedRegion", request.keys.region);
        context.set("aws:SourceIp", request.keys.address.clone());
        (request.clone(), context)
    });
    Ok(Box::new(Compiled { principals, requests: requests.collect() }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> super::Outcome<Answer> {
        let (request, context) = &self.requests[request];
        let (arn, set) = &self.principals[request.principal];
        let caller = Principal::User { account: "111122223333", id: "", arn };
        let asked = Request::new(caller, &request.action, &request.resource, context);
        let policies = Policies { identity: Some(set), ..Policies::default() };
        Ok(match decide(&asked, &policies).outcome {
            Outcome::Allowed => Answer::Allowed,
            Outcome::ImplicitDeny => Answer::ImplicitDeny,
            Outcome::ExplicitDeny => Answer::ExplicitDeny,
        })
    }
}
