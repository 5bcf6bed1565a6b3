//! May a principal do something, and why: the decision, the statements that made it, and what the answer
//! hangs on.

use serde_json::{Value, json};

use super::names;
use crate::identity::arn::Arn;
use crate::identity::id::UniqueId;
use crate::identity::{arn, codec};
use crate::ledger::AccountId;
use crate::policy::{Context, Deciding, Decision, Exploration, Need, Outcome, PolicyType};
use crate::projection::directory::Directory;
use crate::projection::history::{History, Past};
use crate::projection::sealing::NameKind;
use crate::projection::tables::{ATTACHED, BOUNDS, INLINE_POLICIES, ORGANIZATION, ROLES, RoleRow};
use crate::projection::{ProjectionError, View};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::imports::gate::Unknown;
use crate::service::supposed::{Supposed, set_tags, tags_of, trust_on};
use crate::service::target::find_policy;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who: `alice`, `role/deploy`, an ARN, an id, `root`.
    pub principal: String,
    /// `iam:CreateUser`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys and values that are known; a key given twice has both values.
    pub context: Vec<(String, String)>,
}

/// Refuses what is no action's name.
pub fn check_action(action: &str) -> Result<(), Fault> {
    match action.contains(':') && !action.contains(['*', '?', ' ']) {
        true => Ok(()),
        false => Err(Fault::validation("An action is written SERVICE:NAME, without wildcards.")),
    }
}

/// Decides, and says why.
pub fn can(service: &Service, account: AccountId, view: &View, ask: &Ask) -> Result<Value, Fault> {
    check_action(&ask.action)?;
    let directory = Directory::new(view, account);
    let digits = directory.digits()?;
    let closed = directory.is_closed()?;
    let root = ask.principal == "root" || ask.principal == arn::root(&digits);
    let found = if root { None } else { Some(names::one(directory, &ask.principal)?) };
    let supposed = match &found {
        None => Supposed::root(&digits),
        Some(found) => Supposed::of_found(directory, &digits, found)?
            .ok_or_else(|| Fault::validation("A group is no principal: ask of its members."))?,
    };
    if closed {
        let who = found.map_or_else(|| arn::root(&digits), |found| found.arn);
        let why = "the account is closed: nothing that it asks for is allowed until it is reopened";
        return Ok(without_policies(&who, ask, view, word(Outcome::ImplicitDeny), why));
    }
    let grants = supposed.grants(service.documents(), &directory)?;
    let tags = tags_of(directory, &ask.resource)?;
    let mut context = supposed.context();
    set_tags(&mut context, tags.as_deref().unwrap_or_default());
    let mut context = known(&ask.context, context);
    let trust = trust_on(service.documents(), directory, &ask.action, &ask.resource)?;
    let policies = grants.policies_on(&ask.action, trust.as_ref());
    let asked = (ask.action.as_str(), ask.resource.as_str());
    let explored = supposed.explore(asked, &policies, &mut context, tags.is_some());
    let history = History::new(view);
    let past = history.at(view.cut().position);
    let conditional = explored.is_conditional();
    let statements = explored
        .decision
        .deciding()
        .map(|deciding| statement(&past, account, &deciding, found.as_ref()))
        .collect::<Result<Vec<_>, Fault>>()?;
    let [needs, almost] = would_change(&explored, &ask.action, &ask.resource);
    let missing: Vec<&str> = if conditional { explored.missing_keys } else { Vec::new() };
    Ok(json!({
        "principal": found.map_or_else(|| arn::root(&digits), |found| found.arn),
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "decision": word(explored.decision.outcome),
        "conditional": conditional,
        "missing_context": missing,
        "because": because(&explored.decision, &ask.action),
        "statements": statements,
        "needs": needs,
        "almost": almost,
    }))
}

/// The answer of what is not known: neither yes nor no.
pub fn unknown(ask: &Ask, view: &View, why: &Unknown) -> Value {
    without_policies(&ask.principal, ask, view, "unknown", &why.sentence())
}

/// An answer that no statement takes part in.
fn without_policies(who: &str, ask: &Ask, view: &View, decision: &str, why: &str) -> Value {
    json!({
        "principal": who,
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "decision": decision,
        "conditional": false,
        "missing_context": [],
        "because": why,
        "statements": [],
        "needs": [],
        "almost": [],
    })
}

/// What would turn a denial into an Allow, all of it together; and the statements that would give a missing
/// Allow if their conditions held.
pub fn would_change(explored: &Exploration<'_>, action: &str, resource: &str) -> [Vec<String>; 2] {
    let place = |deciding: &Deciding<'_>| {
        let Deciding { label, statement, .. } = deciding;
        let version = if label.version.is_empty() { "" } else { " " };
        format!("statement {} of {}{version}{}", statement.index(), label.policy, label.version)
    };
    let asked = format!("{action} on {resource}");
    let need = |need: &Need<'_>| match need {
        Need::Without(deciding) => format!("{} must no longer deny {asked}", place(deciding)),
        Need::Allow(kind) => format!("{} {} must allow {asked}", kind.article(), kind.noun()),
    };
    let almost = |(deciding, unmet): &(Deciding<'_>, Vec<String>)| {
        format!("{} does, under conditions that do not hold: {}", place(deciding), unmet.join(", "))
    };
    [explored.needs.iter().map(need).collect(), explored.almost.iter().map(almost).collect()]
}

/// An outcome, as answers spell it.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ImplicitDeny => "implicitDeny",
        Outcome::ExplicitDeny => "explicitDeny",
    }
}

/// Why, in a sentence.
pub fn because(decision: &Decision<'_>, action: &str) -> String {
    decision.because(action).unwrap_or_else(|| "every policy that has a say allows it".to_owned())
}

/// The keys that follow from who asks, and those that were given, which win.
pub fn known(asked: &[(String, String)], mut context: Context<'static>) -> Context<'static> {
    let mut given: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in asked {
        match given.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some((_, values)) => values.push(value.clone()),
            None => given.push((key.clone(), vec![value.clone()])),
        }
    }
    for (key, mut values) in given {
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => context.set(key, value),
            (last, _) => {
                values.extend(last);
                context.set_many(key, values);
            }
        }
    }
    context
}

/// A statement that decided, and the newest event that brought its policy to the principal.
fn statement(
    past: &Past<'_>,
    account: AccountId,
    deciding: &Deciding<'_>,
    found: Option<&names::Found>,
) -> Result<Value, Fault> {
    let mut shown = shown(deciding);
    if let Value::Object(shown) = &mut shown {
        let event = brought_by(past, account, deciding, found.map(|found| &found.id))?;
        shown.insert("event".into(), event.into());
    }
    Ok(shown)
}

/// A statement that decided.
pub fn shown(deciding: &Deciding<'_>) -> Value {
    let start = deciding.statement.start();
    json!({
        "policy_type": deciding.policy_type.noun(),
        "policy": &*deciding.label.policy,
        "version": &*deciding.label.version,
        "via": &*deciding.label.via,
        "statement": deciding.statement.index(),
        "sid": deciding.statement.sid(),
        "line": start.line,
        "column": start.column,
    })
}

/// The newest event that brought the policy of a deciding statement: that put or attached it to the principal
/// itself or to the group that it came by, set it over the account, or wrote the role's trust policy.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn brought_by(
    past: &Past<'_>,
    account: AccountId,
    deciding: &Deciding<'_>,
    id: Option<&UniqueId>,
) -> Result<Option<u64>, Fault> {
    let directory = Directory::new(past, account);
    let label = deciding.label;
    match deciding.policy_type {
        PolicyType::Scp | PolicyType::Rcp => {
            return Ok(past.written_at(account, &ORGANIZATION.key(&()))?);
        }
        PolicyType::Trust => return trusted_since(past, account, &label.policy),
        _ => {}
    }
    let owner = match (label.via.strip_prefix("group "), id) {
        (Some(group), _) => directory.find_id(NameKind::Group, group)?,
        (None, id) => id.cloned(),
    };
    let Some(owner) = owner else { return Ok(None) };
    if label.version.is_empty() {
        let key = INLINE_POLICIES.key(&(owner, label.policy.to_string()));
        return Ok(past.written_at(account, &key)?);
    }
    let Some(policy) = find_policy(&directory, &label.policy)? else { return Ok(None) };
    let key = match deciding.policy_type {
        PolicyType::Boundary => BOUNDS.key(&(policy, owner)),
        _ => ATTACHED.key(&(owner, policy)),
    };
    Ok(past.written_at(account, &key)?)
}

/// The event that wrote the trust policy of a role.
fn trusted_since(past: &Past<'_>, account: AccountId, arn: &str) -> Result<Option<u64>, Fault> {
    let directory = Directory::new(past, account);
    let Some(role) = Arn::parse(arn) else { return Ok(None) };
    let Some(id) = directory.find_id(NameKind::Role, role.name())? else { return Ok(None) };
    let (mut since, mut trust) = (None, None);
    for (position, row) in past.versions(account, &ROLES.key(&id))? {
        let Some(row) = row else { break };
        let row: RoleRow = codec::decode(&row).map_err(ProjectionError::from)?;
        if trust.as_ref().is_some_and(|trust| *trust != row.trust) {
            break;
        }
        (since, trust) = (Some(position), Some(row.trust));
    }
    Ok(since)
}
