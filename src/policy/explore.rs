//! What a decision would be with other context.
//!
//! A question asked about somebody else (`can`, the simulators) rarely comes with every context key.
//! The decision is then made once as if the unknown keys were missing, and, where a statement hangs on
//! one, twice more: as if the unknown keys had the values that allow most, and those that allow least.
//! If these differ, the answer is conditional. Keys are assumed independent of each other, so an
//! answer may be called conditional although no real request could turn it; the reverse cannot be.

use super::context::{Context, Key, Lookup};
use super::decide::{
    Assume, Deciding, Decision, Outcome, PolicyType, decide_assuming, decide_noting_open, lacking,
};
use super::grammar::Effect;
use super::request::{Policies, Request};
use super::set::PolicySet;

/// What stands between a request and an Allow.
#[derive(Clone, Copy, Debug)]
pub enum Need<'a> {
    /// The statement that denies must go, or no longer fit the request.
    Without(Deciding<'a>),
    /// A policy of this type must allow the action on the resource.
    Allow(PolicyType),
}

/// A decision and what it hangs on.
#[derive(Clone, Debug)]
pub struct Exploration<'a> {
    /// The decision with the context as it is.
    pub decision: Decision<'a>,
    /// The most favourable outcome that unknown keys could bring.
    pub best: Outcome,
    /// The least favourable one.
    pub worst: Outcome,
    /// For a denial: what would have to be otherwise, all of it together.
    pub needs: Vec<Need<'a>>,
    /// For a denial that lacks an Allow: the statements that would give one if their conditions held,
    /// with the conditions (operator and key) that do not.
    pub almost: Vec<(Deciding<'a>, Vec<String>)>,
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
    let [best, worst] = extremes(request, policies, &decision, &open);
    let (mut needs, mut almost) = (Vec::new(), Vec::new());
    if !decision.is_allowed() {
        let lacking = lacking(request, policies);
        almost = nearly(request, policies, &lacking);
        needs.extend(decision.deciding().map(Need::Without));
        needs.extend(lacking.into_iter().map(Need::Allow));
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
        needs,
        almost,
        open,
        missing_keys: missing(request.context(), own.into_iter().flatten()),
        missing_organization_keys: missing(request.context(), organization),
        decision,
    }
}

/// The most and the least favourable outcome that unknown keys could bring.
fn extremes(
    request: &Request<'_>,
    policies: &Policies<'_>,
    decision: &Decision<'_>,
    open: &[Deciding<'_>],
) -> [Outcome; 2] {
    if open.is_empty() {
        return [decision.outcome; 2];
    }
    [Assume::Best, Assume::Worst].map(|assume| decide_assuming(request, policies, assume).0.outcome)
}

/// The most and the least favourable outcome that unknown keys could bring, and the statements by which they do:
/// what [`explore`] says of a request, without reasons. One that would allow what is allowed for certain has no say.
pub fn range<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
) -> ([Outcome; 2], Vec<Deciding<'a>>) {
    let (decision, mut open) = decide_assuming(request, policies, Assume::Missing);
    let extremes = extremes(request, policies, &decision, &open);
    if !open.is_empty() {
        let certain = decide_assuming(request, policies, Assume::Nothing).0;
        open.retain(|one| {
            one.statement.effect() == Effect::Deny
                || certain.of(one.policy_type) != Some(Outcome::Allowed)
        });
    }
    (extremes, open)
}

/// As [`explore`] of a request that is allowed whatever the unknown keys are, at the cost of deciding it; the
/// missing keys are not looked for, since nothing hangs on them. `None` of any other, which has to be explored.
pub fn explore_certain<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
) -> Option<Exploration<'a>> {
    let (decision, hangs) = decide_noting_open(request, policies);
    (decision.is_allowed() && !hangs).then(|| Exploration {
        best: decision.outcome,
        worst: decision.outcome,
        needs: Vec::new(),
        almost: Vec::new(),
        open: Vec::new(),
        missing_keys: Vec::new(),
        missing_organization_keys: Vec::new(),
        decision,
    })
}

/// What a request comes to whatever the keys are that its context lacks, at the cost of deciding it; `None`
/// where it may hang on one of them.
pub fn certain(request: &Request<'_>, policies: &Policies<'_>) -> Option<Outcome> {
    let (decision, hangs) = decide_noting_open(request, policies);
    (!hangs).then_some(decision.outcome)
}

/// The statements of the lacking types that only their conditions keep from allowing.
fn nearly<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
    lacking: &[PolicyType],
) -> Vec<(Deciding<'a>, Vec<String>)> {
    let probe = request.probe(false);
    let of = |policy_type| -> Vec<&'a PolicySet> {
        match policy_type {
            PolicyType::Identity => policies.identity.into_iter().collect(),
            PolicyType::Boundary => policies.boundary.into_iter().collect(),
            PolicyType::Session => policies.session.into_iter().collect(),
            PolicyType::Endpoint => policies.endpoint.into_iter().collect(),
            PolicyType::Trust | PolicyType::Resource => policies.resource.into_iter().collect(),
            PolicyType::Scp => policies.scp.iter().collect(),
            PolicyType::Rcp => Vec::new(),
        }
    };
    let mut found = Vec::new();
    for policy_type in lacking.iter().copied() {
        let named = policy_type.names_principals();
        for (attached, statement) in of(policy_type).into_iter().flat_map(PolicySet::each) {
            if statement.effect() == Effect::Allow
                && statement.names(probe.action)
                && statement.covers(&probe, None).holds
                && statement.grants_to(&probe, named).is_some()
            {
                let deciding = Deciding { policy_type, label: &attached.label, statement };
                found.push((deciding, statement.unmet(&probe)));
            }
        }
    }
    found.retain(|(_, unmet)| !unmet.is_empty());
    found
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
