//! The one function that decides.
//!
//! First every statement of every policy is looked at; one Deny that applies ends the matter,
//! wherever it stands. Then each type of policy that applies is a gate that needs an Allow:
//!
//! - **SCP**: every level. Binds root users too. **RCP**: only denies.
//! - **Same account**: an Allow of the identity side *or* of the resource's policy. What an Allow of
//!   the resource's policy makes up for depends on how it names the caller:
//!
//!   | names | missing identity Allow | missing boundary Allow | missing session Allow |
//!   |---|---|---|---|
//!   | the account or its root | no | no | no |
//!   | the session's role; the user behind a federated session | yes | no | no |
//!   | the user, the session itself, everyone | yes | yes | yes |
//!
//!   Role trust policies and KMS keys must allow in any case.
//! - **Across accounts**: identity side, boundary and session must allow, *and* the resource's
//!   policy; nothing makes up for anything.
//! - **Root** has an implicit Allow and neither boundary nor identity policies.
//! - **Services, federated and anonymous callers** have the resource's policy only.
//! - A **GetFederationToken** session without session policies has no identity permissions.
//! - `sts:GetCallerIdentity` is always allowed, against any Deny; `sts:GetSessionToken` needs no
//!   Allow, but a Deny holds.
//!
//! Sources differ on which missing gate AWS names when several are missing. Here: SCP first, then
//! the caller's side, then the resource's, except that a trust policy comes before the identity side.

use smallvec::SmallVec;

use super::document::{Probe, Statement};
use super::grammar::{DocumentKind, Effect};
use super::index::Item;
use super::pattern::Truth;
use super::principal::{Principal, Reach};
use super::request::{Policies, Request};
use super::set::{Label, PolicySet};

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every gate allowed and nothing denied.
    Allowed,
    /// A gate lacked an Allow.
    ImplicitDeny,
    /// A statement denied.
    ExplicitDeny,
}

/// The types of policies, in the order in which explicit denials are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyType {
    /// Resource control policies.
    Rcp,
    /// Service control policies.
    Scp,
    /// A role's trust policy.
    Trust,
    /// Any other policy on a resource.
    Resource,
    /// Policies of users, groups and roles.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// Policies passed when the session was made.
    Session,
    /// The policy of a VPC endpoint.
    Endpoint,
}

impl PolicyType {
    const COUNT: usize = 8;

    /// Whether the statements say whom they are about, so that one that does not is about nobody.
    pub(super) fn names_principals(self) -> bool {
        matches!(
            self,
            PolicyType::Rcp | PolicyType::Trust | PolicyType::Resource | PolicyType::Endpoint
        )
    }

    /// What goes before [`PolicyType::noun`]: a role has one trust policy.
    pub fn article(self) -> &'static str {
        match self {
            PolicyType::Trust => "the",
            PolicyType::Identity => "an",
            _ => "a",
        }
    }

    /// What AWS's denial messages call a policy of this type.
    pub fn noun(self) -> &'static str {
        match self {
            PolicyType::Rcp => "resource control policy",
            PolicyType::Scp => "service control policy",
            PolicyType::Trust => "role trust policy",
            PolicyType::Resource => "resource-based policy",
            PolicyType::Identity => "identity-based policy",
            PolicyType::Boundary => "permissions boundary",
            PolicyType::Session => "session policy",
            PolicyType::Endpoint => "VPC endpoint policy",
        }
    }
}

/// A statement that decided.
#[derive(Clone, Copy, Debug)]
pub struct Deciding<'a> {
    /// The type of its policy.
    pub policy_type: PolicyType,
    /// The policy, as the caller labelled it.
    pub label: &'a Label,
    /// The statement: its index, Sid and position.
    pub statement: &'a Statement,
}

/// Where a statement that decided stands: what is needed of it while deciding.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    policy_type: PolicyType,
    set: &'a PolicySet,
    number: u32,
}

impl<'a> Place<'a> {
    fn is(&self, other: &Place<'_>) -> bool {
        self.number == other.number && std::ptr::eq(self.set, other.set)
    }

    fn look(&self) -> Option<Deciding<'a>> {
        let (attached, statement) = self.set.find(self.number)?;
        Some(Deciding { policy_type: self.policy_type, label: &attached.label, statement })
    }
}

/// A decision rarely has more, and then pays for an allocation.
type Places<'a> = SmallVec<[Place<'a>; 2]>;

/// What was decided, and by what.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The answer.
    pub outcome: Outcome,
    /// The type of policy that denied, or the first gate that lacked an Allow.
    pub blocked_by: Option<PolicyType>,
    by_type: [Option<Outcome>; PolicyType::COUNT],
    places: Places<'a>,
}

impl<'a> Decision<'a> {
    /// With an explicit denial the denying statements only; with an Allow every allowing statement;
    /// with an implicit denial none. In the order of types, policies and statements.
    pub fn deciding(&self) -> impl Iterator<Item = Deciding<'a>> {
        self.places.iter().filter_map(Place::look)
    }

    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// What the policies of one type say by themselves; `None` where the type does not apply.
    pub fn of(&self, policy_type: PolicyType) -> Option<Outcome> {
        self.by_type.get(policy_type as usize).copied().flatten()
    }

    /// The end of AWS's denial message, such as `because no identity-based policy allows the
    /// iam:CreateUser action` or `with an explicit deny in a session policy`; `None` if allowed.
    /// It follows "... is not authorized to perform: ACTION on resource: ARN".
    pub fn because(&self, action: &str) -> Option<String> {
        let policy_type = self.blocked_by?;
        let noun = policy_type.noun();
        match self.outcome {
            Outcome::Allowed => None,
            Outcome::ImplicitDeny => Some(format!("because no {noun} allows the {action} action")),
            Outcome::ExplicitDeny => {
                Some(format!("with an explicit deny in {} {noun}", policy_type.article()))
            }
        }
    }
}

/// What to make of a statement that hangs on keys nobody supplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assume {
    /// They are missing.
    Missing,
    /// They have whatever values allow most.
    Best,
    /// They have whatever values allow least.
    Worst,
    /// What hangs on them does not apply, whether it allows or denies.
    Nothing,
}

impl Assume {
    fn applies(self, truth: Truth, effect: Effect) -> bool {
        match (self, effect) {
            (Assume::Missing, _) => truth.holds,
            _ if !truth.open => truth.holds,
            (Assume::Nothing, _) => false,
            (Assume::Best, Effect::Allow) | (Assume::Worst, Effect::Deny) => true,
            (Assume::Best, Effect::Deny) | (Assume::Worst, Effect::Allow) => false,
        }
    }
}

/// Decides a request. Pure: the same arguments give the same answer for ever.
pub fn decide<'a>(request: &Request<'_>, policies: &Policies<'a>) -> Decision<'a> {
    Scan::new(request, policies, Assume::Missing).decide(request, policies)
}

/// The decision under an assumption, and the statements that hang on keys nobody supplied.
pub(super) fn decide_assuming<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
    assume: Assume,
) -> (Decision<'a>, Vec<Deciding<'a>>) {
    let mut scan = Scan::new(request, policies, assume);
    let mut open = Places::new();
    scan.open = Some(&mut open);
    let decision = scan.decide(request, policies);
    (decision, open.iter().filter_map(Place::look).collect())
}

/// The decision, and whether a statement that may be about the request hangs on keys nobody supplied. Found
/// by the index, at the cost of deciding: a yes may be mistaken, a no is not.
pub(super) fn decide_noting_open<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
) -> (Decision<'a>, bool) {
    let mut scan = Scan::new(request, policies, Assume::Missing);
    let decision = scan.decide(request, policies);
    (decision, scan.hangs)
}

/// Every type of policy whose Allow is missing, whether or not something denies.
pub(super) fn lacking(request: &Request<'_>, policies: &Policies<'_>) -> Vec<PolicyType> {
    let mut scan = Scan::new(request, policies, Assume::Missing);
    let gates = scan.gates(request.principal(), policies);
    gates.missing(request, policies).collect()
}

/// Which gates allow.
struct Gates {
    identity: bool,
    boundary: bool,
    session: bool,
    scp: bool,
    endpoint: bool,
    resource: Option<Reach>,
    resource_type: PolicyType,
}

impl Gates {
    /// The gates that lack an Allow, the one that is named first.
    fn missing(
        &self,
        request: &Request<'_>,
        policies: &Policies<'_>,
    ) -> impl Iterator<Item = PolicyType> + use<> {
        let named = self.resource.is_some();
        let member = request.principal().account().is_some();
        let same = request.is_same_account();
        let free = request.asks("sts:getsessiontoken") && member;
        let makes_up = |reach| !member || (same && self.resource >= Some(reach));
        let trust = named || !(same && policies.resource_must_allow);
        [
            (self.scp || !member, PolicyType::Scp),
            (trust, self.resource_type),
            (self.identity || makes_up(Reach::Entity), PolicyType::Identity),
            (self.boundary || makes_up(Reach::Direct), PolicyType::Boundary),
            (self.session || makes_up(Reach::Direct), PolicyType::Session),
            (named || same || !trust, self.resource_type),
            (self.endpoint, PolicyType::Endpoint),
        ]
        .into_iter()
        .filter(move |(passes, _)| !free && !passes)
        .map(|(_, policy_type)| policy_type)
    }
}

/// What the policies of one type came to.
#[derive(Clone, Copy)]
struct Tally {
    granted: Option<Reach>,
    denied: bool,
}

/// One pass over all policies.
struct Scan<'r, 'a> {
    probe: Probe<'r>,
    assume: Assume,
    allows: Places<'a>,
    denies: Places<'a>,
    by_type: [Option<Outcome>; PolicyType::COUNT],
    /// Where statements are collected that hang on keys nobody supplied. They are looked for among all
    /// statements; a decision alone takes those that the index names.
    open: Option<&'r mut Places<'a>>,
    /// Whether something that the index named hangs on keys nobody supplied.
    hangs: bool,
}

impl<'r, 'a> Scan<'r, 'a> {
    fn new(request: &'r Request<'_>, policies: &Policies<'_>, assume: Assume) -> Self {
        let caller = request.principal();
        let bounded =
            policies.boundary.is_some() && caller.account().is_some() && !caller.is_root();
        Scan {
            probe: request.probe(bounded),
            assume,
            allows: Places::new(),
            denies: Places::new(),
            by_type: [None; PolicyType::COUNT],
            open: None,
            hangs: false,
        }
    }

    fn decide(&mut self, request: &Request<'_>, policies: &Policies<'a>) -> Decision<'a> {
        let mut blocked_by = None;
        let mut outcome = Outcome::Allowed;
        let mut places = Places::new();
        if !request.asks("sts:getcalleridentity") {
            let gates = self.gates(request.principal(), policies);
            if let Some(first) = self.denies.first() {
                blocked_by = Some(first.policy_type);
                outcome = Outcome::ExplicitDeny;
                places = std::mem::take(&mut self.denies);
            } else if let Some(gate) = gates.missing(request, policies).next() {
                blocked_by = Some(gate);
                outcome = Outcome::ImplicitDeny;
            } else {
                places = std::mem::take(&mut self.allows);
            }
        }
        Decision { outcome, blocked_by, by_type: self.by_type, places }
    }

    fn gates(&mut self, caller: &Principal<'_>, policies: &Policies<'a>) -> Gates {
        let member = caller.account().is_some();
        let root = caller.is_root();
        let resource_type = match policies.resource {
            Some(set) if set.kind() != Some(DocumentKind::Trust) => PolicyType::Resource,
            None if !policies.resource_must_allow => PolicyType::Resource,
            _ => PolicyType::Trust,
        };
        let federated = matches!(caller, Principal::FederatedUser { .. });
        let mut gates = Gates {
            identity: root,
            boundary: true,
            // What a session of GetFederationToken was not passed, it does not have.
            session: policies.session.is_some() || !federated,
            scp: true,
            endpoint: true,
            resource: None,
            resource_type,
        };
        self.levels(PolicyType::Rcp, policies.rcp);
        if member {
            gates.scp = self.levels(PolicyType::Scp, policies.scp);
        }
        if let Some(resource) = policies.resource {
            gates.resource = self.gate(resource_type, resource).granted;
        }
        if member && !root {
            match policies.identity {
                Some(identity) => {
                    gates.identity = self.gate(PolicyType::Identity, identity).granted.is_some();
                }
                None => self.note(PolicyType::Identity, false, false),
            }
            if let Some(boundary) = policies.boundary {
                gates.boundary = self.gate(PolicyType::Boundary, boundary).granted.is_some();
            }
        }
        match policies.session {
            Some(session) if member => {
                gates.session = self.gate(PolicyType::Session, session).granted.is_some();
            }
            None if federated => self.note(PolicyType::Session, false, false),
            _ => {}
        }
        if let Some(endpoint) = policies.endpoint {
            gates.endpoint = self.gate(PolicyType::Endpoint, endpoint).granted.is_some();
        }
        gates
    }

    /// An organisation's policies: every level must allow, and an RCP level always does.
    fn levels(&mut self, policy_type: PolicyType, levels: &'a [PolicySet]) -> bool {
        let (mut all_allow, mut denied) = (true, false);
        for level in levels {
            let tally = self.scan(policy_type, level);
            all_allow &= tally.granted.is_some() || policy_type == PolicyType::Rcp;
            denied |= tally.denied;
        }
        if !levels.is_empty() {
            self.note(policy_type, all_allow, denied);
        }
        all_allow
    }

    fn gate(&mut self, policy_type: PolicyType, set: &'a PolicySet) -> Tally {
        let tally = self.scan(policy_type, set);
        self.note(policy_type, tally.granted.is_some(), tally.denied);
        tally
    }

    fn note(&mut self, policy_type: PolicyType, allowed: bool, denied: bool) {
        if let Some(slot) = self.by_type.get_mut(policy_type as usize) {
            *slot = Some(match (denied, allowed) {
                (true, _) => Outcome::ExplicitDeny,
                (false, true) => Outcome::Allowed,
                (false, false) => Outcome::ImplicitDeny,
            });
        }
    }

    fn scan(&mut self, policy_type: PolicyType, set: &'a PolicySet) -> Tally {
        let mut tally = Tally { granted: None, denied: false };
        if self.open.is_some() {
            for (number, statement) in set.statements() {
                let truth = statement.applies(&self.probe);
                if truth != Truth::NO {
                    let place = Place { policy_type, set, number };
                    self.weigh(&mut tally, place, statement, truth);
                }
            }
            return tally;
        }
        let probe = self.probe;
        let resource = probe.resource.map(|arn| arn.text);
        let named = policy_type.names_principals();
        set.candidates(probe.action, resource, |number, item| {
            let place = Place { policy_type, set, number };
            if !item.asks() && !named {
                match item.denies() {
                    true => self.deny(&mut tally, place),
                    false => self.allow(&mut tally, place, Reach::Direct),
                }
            } else if let Some((_, statement)) = set.find(number) {
                let truth = asked(statement, item, &probe);
                self.hangs |= truth.open;
                if truth.holds {
                    self.weigh(&mut tally, place, statement, Truth::YES);
                }
            }
        });
        tally
    }

    /// What a statement that fits the request comes to for the caller.
    fn weigh(&mut self, tally: &mut Tally, place: Place<'a>, statement: &Statement, truth: Truth) {
        let named = place.policy_type.names_principals();
        let effect = statement.effect();
        let reach = match effect {
            Effect::Allow => statement.grants_to(&self.probe, named),
            Effect::Deny => statement.denies_to(&self.probe, named).then_some(Reach::Direct),
        };
        let Some(reach) = reach else { return };
        if let (true, Some(open)) = (truth.open, &mut self.open) {
            open.push(place);
        }
        match effect {
            _ if !self.assume.applies(truth, effect) => {}
            Effect::Allow => self.allow(tally, place, reach),
            Effect::Deny => self.deny(tally, place),
        }
    }

    fn allow(&mut self, tally: &mut Tally, place: Place<'a>, reach: Reach) {
        tally.granted = tally.granted.max(Some(reach));
        insert(&mut self.allows, place);
    }

    fn deny(&mut self, tally: &mut Tally, place: Place<'a>) {
        tally.denied = true;
        insert(&mut self.denies, place);
    }
}

/// What the index could not say: whether the statement fits.
fn asked(statement: &Statement, item: &Item, probe: &Probe<'_>) -> Truth {
    if item.asks_action() && !statement.names(probe.action) {
        return Truth::NO;
    }
    let covers = item.asks_resource().map(|pattern| statement.covers(probe, pattern));
    match covers.unwrap_or(Truth::YES) {
        covers if covers != Truth::NO && item.asks_rest() => {
            covers.and(statement.conditions_hold(probe))
        }
        covers => covers,
    }
}

/// Once each, in the order of the set; a long list comes by another one.
fn insert<'a>(places: &mut Places<'a>, place: Place<'a>) {
    let mut at = places.len();
    while let Some(before) = at.checked_sub(1).and_then(|before| places.get(before)) {
        if before.is(&place) {
            return;
        }
        if before.number < place.number || !std::ptr::eq(before.set, place.set) {
            break;
        }
        at -= 1;
    }
    places.insert(at, place);
}
