//! The floor as an engine.

use super::{Engine, Outcome};
use crate::floor::Floor;
use crate::workload::{Answer, Request, Workload};

struct Compiled {
    principals: Vec<Floor>,
    requests: Vec<Request>,
}

pub fn build(workload: &Workload) -> Outcome<Box<dyn Engine>> {
    let principals = workload.principals.iter().map(Floor::new).collect();
    Ok(Box::new(Compiled { principals, requests: workload.requests.clone() }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> Outcome<Answer> {
        let request = &self.requests[request];
        Ok(self.principals[request.principal].decide(request))
    }
}
