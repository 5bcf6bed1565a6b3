//! scratchstack-aspen: it reads the documents themselves.
//!
//! It compiles nothing beforehand: each pattern becomes a regular expression at each comparison, so that the
//! requests it is asked are bounded. Where it departs from AWS by its own design (the first statement of a
//! document that applies decides for the document; actions are compared with regard to case), the workload
//! has no request that would tell.

use std::net::Ipv4Addr;
use std::str::FromStr;

use scratchstack_arn::Arn;
use scratchstack_aspen::{Context, Decision, Policy, PolicySet, PolicySource};
use scratchstack_aws_principal::{Principal, SessionData, SessionValue, User};

use super::{Engine, Outcome};
use crate::workload::{self, Answer, Workload};

/// Of each workload; a minute's worth all together.
const MOST: usize = 200;

struct Compiled {
    principals: Vec<PolicySet>,
    requests: Vec<(usize, Context)>,
}

pub fn build(workload: &Workload) -> Outcome<Box<dyn Engine>> {
    let principals = workload.principals.iter().map(policies).collect::<Outcome<_>>()?;
    let actors = workload.principals.iter();
    let actors = actors
        .map(|principal| Ok(Principal::from(vec![User::from_str(&principal.arn)?.into()])))
        .collect::<Outcome<Vec<_>>>()?;
    let mut requests = Vec::new();
    for request in workload.requests.iter().take(MOST) {
        let (service, name) = request.action.split_once(':').ok_or("an action has a service")?;
        let keys = &request.keys;
        let address: Ipv4Addr = keys.address.parse()?;
        let session = SessionData::from([
            ("aws:RequestedRegion", SessionValue::String(keys.region.to_owned())),
            ("aws:SourceIp", SessionValue::IpAddr(address.into())),
        ]);
        let context = Context::builder()
            .service(service)
            .api(name)
            .actor(actors[request.principal].clone())
            .resources(vec![Arn::from_str(&request.resource)?])
            .session_data(session)
            .build()?;
        requests.push((request.principal, context));
    }
    Ok(Box::new(Compiled { principals, requests }))
}

impl Engine for Compiled {
    fn most(&self) -> usize {
        MOST
    }

    fn decide(&self, request: usize) -> Outcome<Answer> {
        let (principal, context) = &self.requests[request];
        let (decision, _) = self.principals[*principal].evaluate(context)?;
        Ok(match decision {
            Decision::Allow => Answer::Allowed,
            Decision::Deny => Answer::ExplicitDeny,
            Decision::DefaultDeny => Answer::ImplicitDeny,
        })
    }
}

fn policies(principal: &workload::Principal) -> Outcome<PolicySet> {
    let mut set = PolicySet::new();
    for policy in &principal.policies {
        let source = PolicySource::new_entity_inline(&principal.arn, "", &policy.name);
        set.add_policy(source, Policy::from_str(&policy.document().to_string())?);
    }
    Ok(set)
}
