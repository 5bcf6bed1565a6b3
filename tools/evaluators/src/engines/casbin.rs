//! casbin: a rule for each statement, an enforcer for each principal.
//!
//! - A rule holds a statement's actions and resources as lists in one column, because casbin tries every
//!   rule in turn: a rule for each pair would be several times the work.
//! - The matcher calls native functions; the pattern functions that casbin brings either know only a last
//!   `*` or compile the pattern anew each time.
//! - A condition is a column too, and the values it looks at are one argument of the request.
//! - `enforce_ex` names the rules that decided: where it denies and names none, nothing denied.

use std::net::Ipv4Addr;

use casbin::function_map::OperatorFunction;
use casbin::rhai::{Dynamic, ImmutableString};
use casbin::{CoreApi, DefaultModel, EnforceArgs, Enforcer, EventData, Logger, MgmtApi};

use super::{Engine, Outcome};
use crate::workload::{Answer, Condition, Principal, Statement, Workload};

const MODEL: &str = r#"
[request_definition]
r = act, obj, ctx

[policy_definition]
p = act, obj, cond, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = among(r.act, p.act) && among(r.obj, p.obj) && holds(r.ctx, p.cond)
"#;

struct Compiled {
    principals: Vec<Enforcer>,
    requests: Vec<(usize, Asked)>,
}

/// The arguments of a request. Their strings are shared, so that handing them over copies no text.
struct Asked([Dynamic; 3]);

impl EnforceArgs for &Asked {
    fn try_into_vec(self) -> casbin::Result<Vec<Dynamic>> {
        Ok(self.0.to_vec())
    }

    fn cache_key(&self) -> u64 {
        // Only a caching enforcer asks, and this is none.
        0
    }
}

pub fn build(workload: &Workload) -> Outcome<Box<dyn Engine>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let principals = workload.principals.iter();
    let principals = principals
        .map(|principal| Ok(runtime.block_on(enforcer(principal))?))
        .collect::<Outcome<_>>()?;
    let requests = workload.requests.iter().map(|request| {
        let context = format!("{} {}", request.keys.region, request.keys.address);
        let arguments = [&request.action, &request.resource, &context];
        (request.principal, Asked(arguments.map(|text| Dynamic::from(text.clone()))))
    });
    Ok(Box::new(Compiled { principals, requests: requests.collect() }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> Outcome<Answer> {
        let (principal, asked) = &self.requests[request];
        Ok(match self.principals[*principal].enforce_ex(asked)? {
            (true, _) => Answer::Allowed,
            (false, rules) if rules.is_empty() => Answer::ImplicitDeny,
            (false, _) => Answer::ExplicitDeny,
        })
    }
}

/// Logs nothing. The logger that an enforcer has at first keeps a thread of its own, even while it is off.
struct Quiet;

impl Logger for Quiet {
    fn enable_log(&mut self, _: bool) {}

    fn is_enabled(&self) -> bool {
        false
    }

    fn print_enforce_log(&self, _: Vec<String>, _: bool, _: bool) {}

    fn print_mgmt_log(&self, _: &EventData) {}

    fn print_explain_log(&self, _: Vec<String>) {}

    fn print_status_log(&self, _: bool) {}
}

async fn enforcer(principal: &Principal) -> casbin::Result<Enforcer> {
    let mut enforcer = Enforcer::new(DefaultModel::from_str(MODEL).await?, ()).await?;
    enforcer.set_logger(Box::new(Quiet));
    enforcer.add_function(
        "among",
        OperatorFunction::Arg2(|text, patterns| with(&text, &patterns, among).into()),
    );
    enforcer.add_function(
        "holds",
        OperatorFunction::Arg2(|context, condition| with(&context, &condition, holds).into()),
    );
    let statements = principal.policies.iter().flat_map(|policy| &policy.statements);
    enforcer.add_policies(statements.map(rule).collect()).await?;
    Ok(enforcer)
}

fn rule(statement: &Statement) -> Vec<String> {
    let condition = match &statement.condition {
        None => String::new(),
        Some(Condition::Region([one, other])) => format!("region {one} {other}"),
        Some(Condition::Network(second)) => format!("network 10.{second}.0.0 16"),
    };
    let effect = if statement.deny { "deny" } else { "allow" };
    vec![statement.actions.join(" "), statement.resources.join(" "), condition, effect.to_owned()]
}

/// Calls a function on the text of two arguments; what is no text fits nothing.
fn with(one: &Dynamic, other: &Dynamic, function: fn(&str, &str) -> bool) -> bool {
    match (one.read_lock::<ImmutableString>(), other.read_lock::<ImmutableString>()) {
        (Some(one), Some(other)) => function(&one, &other),
        _ => false,
    }
}

fn among(text: &str, patterns: &str) -> bool {
    patterns.split(' ').any(|pattern| fits(pattern, text))
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

fn holds(context: &str, condition: &str) -> bool {
    let Some((region, address)) = context.split_once(' ') else { return false };
    let mut words = condition.split(' ');
    match words.next() {
        Some("region") => words.any(|word| word == region),
        Some("network") => {
            let network: Option<Ipv4Addr> = words.next().and_then(|word| word.parse().ok());
            let bits: Option<u32> = words.next().and_then(|word| word.parse().ok());
            let (Some(network), Some(bits), Ok(address)) = (network, bits, address.parse()) else {
                return false;
            };
            let differ = network.to_bits() ^ Ipv4Addr::to_bits(address);
            differ.leading_zeros() >= bits
        }
        other => other == Some(""),
    }
}
