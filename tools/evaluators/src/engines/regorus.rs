//! regorus, an engine for Rego: one module, compiled once for its virtual machine; the statements are data.
//!
//! - A principal's data is its statements by action, wildcards expanded over the actions that exist, as
//!   one would lay out data for Rego: the look-up by action is the only index that a policy in Rego has.
//! - A resource's pattern is split at its wildcards: comparing the pieces takes Rego's cheapest functions,
//!   while `glob.match` and `regex.match` compile their pattern or look it up among compiled ones.
//! - All machines share the program; each principal has a machine, which holds its data, and a lock, since
//!   a machine is changed by running.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine as Rego, Value};
use serde_json::{Value as Json, json};

use super::{Engine, Outcome, every_action, named};
use crate::workload::{Answer, Condition, Principal, Statement, Workload};

const MODULE: &str = r#"
package authorization

import rego.v1

default answer := "implicit"

answer := "deny" if denied

answer := "allow" if {
    not denied
    allowed
}

denied if {
    some statement in data.denies[input.action]
    fits(statement)
    holds(statement)
}

allowed if {
    some statement in data.allows[input.action]
    fits(statement)
    holds(statement)
}

fits(statement) if input.resource in statement.exact

fits(statement) if {
    some beginning in statement.beginnings
    startswith(input.resource, beginning)
}

fits(statement) if {
    some pattern in statement.patterns
    startswith(input.resource, pattern.first)
    after := trim_prefix(input.resource, pattern.first)
    endswith(after, pattern.last)
    contains(trim_suffix(after, pattern.last), pattern.middle)
}

holds(statement) if statement.condition == "none"

holds(statement) if {
    statement.condition == "region"
    input.region in statement.regions
}

holds(statement) if {
    statement.condition == "network"
    net.cidr_contains(statement.network, input.address)
}
"#;
const ENTRY: &str = "data.authorization.answer";
/// The machine's own limit, 25,000 instructions, is meant for policies of strangers.
const INSTRUCTIONS: usize = 100_000_000;

struct Compiled {
    principals: Vec<Mutex<RegoVM>>,
    requests: Vec<(usize, Value)>,
}

pub fn build(workload: &Workload) -> Outcome<Box<dyn Engine>> {
    let mut rego = Rego::new();
    rego.add_policy("authorization.rego".to_owned(), MODULE.to_owned())?;
    let policy: CompiledPolicy = rego.compile_with_entrypoint(&ENTRY.into())?;
    let program = Compiler::compile_from_policy(&policy, &[ENTRY])?;
    let mut principals = Vec::new();
    for principal in &workload.principals {
        let mut machine = RegoVM::new_with_policy(policy.clone());
        machine.load_program(program.clone());
        machine.set_max_instructions(INSTRUCTIONS);
        machine.set_data(Value::from_json_str(&data(principal)?.to_string())?)?;
        principals.push(Mutex::new(machine));
    }
    let mut requests = Vec::new();
    for request in &workload.requests {
        let input = json!({
            "action": request.action,
            "resource": request.resource,
            "region": request.keys.region,
            "address": request.keys.address,
        });
        requests.push((request.principal, Value::from_json_str(&input.to_string())?));
    }
    Ok(Box::new(Compiled { principals, requests }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> Outcome<Answer> {
        let (principal, input) = &self.requests[request];
        let mut machine =
            self.principals[*principal].lock().unwrap_or_else(PoisonError::into_inner);
        machine.set_input(input.clone());
        let answer = machine.execute_entry_point_by_index(0)?;
        match &**answer.as_string()? {
            "allow" => Ok(Answer::Allowed),
            "deny" => Ok(Answer::ExplicitDeny),
            "implicit" => Ok(Answer::ImplicitDeny),
            other => Err(format!("no such answer: {other}").into()),
        }
    }
}

/// A principal's statements by effect and action.
fn data(principal: &Principal) -> Outcome<Json> {
    let mut by_action: [BTreeMap<String, Vec<Json>>; 2] = Default::default();
    for statement in principal.policies.iter().flat_map(|policy| &policy.statements) {
        let json = row(statement)?;
        for action in every_action() {
            if statement.actions.iter().any(|pattern| named(pattern, &action)) {
                let rows = by_action[usize::from(statement.deny)].entry(action).or_default();
                rows.push(json.clone());
            }
        }
    }
    let [allows, denies] = by_action;
    Ok(json!({"allows": allows, "denies": denies}))
}

fn row(statement: &Statement) -> Outcome<Json> {
    let (mut exact, mut beginnings, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    for pattern in &statement.resources {
        match *pattern.split('*').collect::<Vec<_>>() {
            [whole] => exact.push(whole),
            [beginning, ""] => beginnings.push(beginning),
            [first, last] => patterns.push(json!({"first": first, "middle": "", "last": last})),
            [first, middle, last] => {
                patterns.push(json!({"first": first, "middle": middle, "last": last}));
            }
            _ => return Err(format!("{pattern}: more than two wildcards").into()),
        }
    }
    let mut row = json!({"condition": "none", "exact": exact, "beginnings": beginnings, "patterns": patterns});
    match &statement.condition {
        None => {}
        Some(Condition::Region(regions)) => {
            row["condition"] = json!("region");
            row["regions"] = json!(regions);
        }
        Some(Condition::Network(second)) => {
            row["condition"] = json!("network");
            row["network"] = json!(format!("10.{second}.0.0/16"));
        }
    }
    Ok(row)
}
