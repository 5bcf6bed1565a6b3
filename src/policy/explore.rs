//! What a decision would be with other context.
//!
//! A question asked about somebody else (`can`, the simulators) rarely comes with every context key.
//! The decision is then made once as if the unknown keys were missing, and, where a statement hangs on
//! one, twice more: as if the unknown keys had the values that allow most, and those that allow least.
//! If these differ, the answer is conditional. Keys are assumed independent of each other, so an
//! answer may be called conditional although no real request could turn it; the reverse cannot be.

use super::context::{Context, Key, Lookup};
use super::decide::{Assume, Deciding, Decision, Outcome, decide_assuming};
use super::request::{Policies, Request};
use super::set::PolicySet;

/// A decision and what it hangs on.
#[derive(Clone, Debug)]
pub struct Exploration<'a> {
    /// The decision with the context as it is.
    pub decision: Decision<'a>,
    /// The most favourable outcome that unknown keys could bring.
    pub best: Outcome,
    /// The least favourable one.
    pub worst: Outcome,
    /// The statements about this principal, action and resource that hang on unknown keys.
    pub open: Vec<Deciding<'a>>,
    /// Every key that any policy refers to, for whatever action, and that the context neither has nor
    /// marks as absent; alphabetical, once each. Without those of SCPs and RCPs.
    pub missing_keys: Vec<&'a str>,
    /// The same for SCPs and RCPs, which AWS's simulator does not list.
    pub missing_organization_keys: Vec<&'a str>,
}

impl Exploration<'_> {
    /// Whether another value of an unknown key could turn yes into no or no into yes.
    pub fn is_conditional(&self) -> bool {
        (self.best == Outcome::Allowed) != (self.worst == Outcome::Allowed)
    }
}

/// Decides a request and explores what the keys that its context lacks could change.
pub fn explore<'a>(request: &Request<'_>, policies: &Policies<'a>) -> Exploration<'a> {
    let (decision, open) = decide_assuming(request, policies, Assume::Missing);
    let (mut best, mut worst) = (decision.outcome, decision.outcome);
    if !open.is_empty() {
        best = decide_assuming(request, policies, Assume::Best).0.outcome;
        worst = decide_assuming(request, policies, Assume::Worst).0.outcome;
    }
    let own = [
        policies.identity,
        policies.boundary,
        policies.resource,
        policies.session,
        policies.endpoint,
    ];
    let organization = policies.scp.iter().chain(policies.rcp);
    Exploration {
        best,
        worst,
        open,
        missing_keys: missing(request.context(), own.into_iter().flatten()),
        missing_organization_keys: missing(request.context(), organization),
        decision,
    }
}

fn missing<'a>(context: &Context<'_>, sets: impl Iterator<Item = &'a PolicySet>) -> Vec<&'a str> {
    let unknown = |key: &&Key| matches!(context.look(key), Lookup::Missing { open: true });
    let mut keys: Vec<&Key> = sets
        .flat_map(PolicySet::attached)
        .flat_map(|attached| attached.document.keys())
        .filter(unknown)
        .collect();
    keys.sort_by(|one, other| one.lower.cmp(&other.lower));
    keys.dedup_by(|one, other| one.lower == other.lower);
    keys.into_iter().map(|key| &*key.name).collect()
}
