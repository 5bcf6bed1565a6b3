//! The floor as an engine.

use super::Engine;
use crate::floor::Floor;
use crate::workload::{Answer, Request, Workload};

struct Compiled {
    principals: Vec<Floor>,
    requests: Vec<Request>,
}

pub fn build(workload: &Workload) -> Result<Box<dyn Engine>, Box<dyn std::error::Error>> {
    let principals = workload.principals.iter().map(Floor::new).collect();
    Ok(Box::new(Compiled { principals, requests: workload.requests.clone() }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> Answer {
        let request = &self.requests[request];
        self.principals[request.principal].decide(request)
    }
}
