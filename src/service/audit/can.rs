//! May a principal do something, and why: the decision, the statements that made it, and what the answer
//! hangs on.

use serde_json::{Value, json};

use super::{names, show};
use crate::identity::change::Change;
use crate::identity::{Event, arn};
use crate::ledger::{AccountId, Frame};
use crate::policy::{
    self, Context, Deciding, Decision, Exploration, Need, Outcome, Request, explore,
};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::{ProjectionError, View};
use crate::service::Service;
use crate::service::authorize::{Grants, trust_of};
use crate::service::fault::Fault;
use crate::service::operations::sts::{NEED_TRUST, find_role};
use crate::service::organization::resource_control_reaches;

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

/// Decides, and says why.
pub fn can(service: &Service, account: AccountId, view: &View, ask: &Ask) -> Result<Value, Fault> {
    if !ask.action.contains(':') || ask.action.contains(['*', '?', ' ']) {
        return Err(Fault::validation("An action is written SERVICE:NAME, without wildcards."));
    }
    let directory = Directory::new(view, account);
    let digits = directory.digits()?;
    let root = ask.principal == "root" || ask.principal == arn::root(&digits);
    let mut context = known(ask, &digits);
    let (grants, found) = if root {
        (Grants::of_root(service.documents(), &directory)?, None)
    } else {
        let found = names::one(directory, &ask.principal)?;
        let grants = match found.kind {
            "user" => Grants::of_user(service.documents(), &directory, &found.id)?,
            "role" => Grants::of_role(service.documents(), &directory, &found.id)?,
            _ => return Err(Fault::validation("A group is no principal: ask of its members.")),
        };
        for (key, value) in directory.tags(&found.id)? {
            context.set(format!("aws:PrincipalTag/{key}"), value);
        }
        (grants, Some(found))
    };
    let session_arn = found
        .as_ref()
        .map(|found| arn::assumed_role(&digits, &found.name, "session"))
        .unwrap_or_default();
    let principal = match &found {
        None => policy::Principal::Root { account: &digits },
        Some(found) if found.kind == "user" => {
            context.set("aws:PrincipalType", "User");
            context.set("aws:PrincipalArn", found.arn.clone());
            context.set("aws:username", found.name.clone());
            context.set("aws:userid", found.id.to_string());
            policy::Principal::User { account: &digits, id: found.id.as_str(), arn: &found.arn }
        }
        Some(found) => {
            context.set("aws:PrincipalType", "AssumedRole");
            context.set("aws:PrincipalArn", found.arn.clone());
            context.set_absent("aws:username");
            policy::Principal::RoleSession {
                account: &digits,
                role_id: found.id.as_str(),
                role_arn: &found.arn,
                session_arn: &session_arn,
            }
        }
    };
    // A role of this account must trust whoever assumes it; of others nothing is told here.
    let trusting = NEED_TRUST.iter().any(|action| action.eq_ignore_ascii_case(&ask.action));
    let role = if trusting { find_role(directory, &ask.resource)? } else { None };
    let trust = match role.filter(|(owner, _)| *owner == account) {
        None => None,
        Some((_, role)) => Some(service.documents().trust(view, &role.row.trust)?),
    };
    let trust = trust_of(&ask.resource, trust);
    let mut policies = match &trust {
        Some(trust) => grants.policies_and_trust(Some(trust)),
        None => grants.policies(),
    };
    if resource_control_reaches(&ask.action) {
        policies.rcp = &grants.organization.rcp;
    }
    let request = Request::new(principal, &ask.action, &ask.resource, &context);
    let explored = explore(&request, &policies);
    let conditional = explored.is_conditional();
    let statements = explored
        .decision
        .deciding()
        .map(|deciding| statement(account, view, &deciding, found.as_ref()))
        .collect::<Result<Vec<_>, Fault>>()?;
    let [needs, almost] = would_change(&explored, ask);
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

/// What would turn a denial into an Allow, all of it together; and the statements that would give a missing
/// Allow if their conditions held.
fn would_change(explored: &Exploration<'_>, ask: &Ask) -> [Vec<String>; 2] {
    let place = |deciding: &Deciding<'_>| {
        let Deciding { label, statement, .. } = deciding;
        let version = if label.version.is_empty() { "" } else { " " };
        format!("statement {} of {}{version}{}", statement.index(), label.policy, label.version)
    };
    let asked = format!("{} on {}", ask.action, ask.resource);
    let need = |need: &Need<'_>| match need {
        Need::Without(deciding) => format!("{} must no longer deny {asked}", place(deciding)),
        Need::Allow(kind) => format!("{} {} must allow {asked}", kind.article(), kind.noun()),
    };
    let almost = |(deciding, unmet): &(Deciding<'_>, Vec<String>)| {
        format!("{} does, under conditions that do not hold: {}", place(deciding), unmet.join(", "))
    };
    [explored.needs.iter().map(need).collect(), explored.almost.iter().map(almost).collect()]
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ImplicitDeny => "implicitDeny",
        Outcome::ExplicitDeny => "explicitDeny",
    }
}

fn because(decision: &Decision<'_>, action: &str) -> String {
    decision.because(action).unwrap_or_else(|| "every policy that has a say allows it".to_owned())
}

/// The keys that are known whoever asks, and those that were given.
fn known(ask: &Ask, digits: &str) -> Context<'static> {
    let mut context = Context::new();
    context.set("aws:PrincipalAccount", digits.to_owned());
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:ViaAWSService", "false");
    let mut given: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in &ask.context {
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
    account: AccountId,
    view: &View,
    deciding: &Deciding<'_>,
    found: Option<&names::Found>,
) -> Result<Value, Fault> {
    let start = deciding.statement.start();
    Ok(json!({
        "policy_type": deciding.policy_type.noun(),
        "policy": &*deciding.label.policy,
        "version": &*deciding.label.version,
        "via": &*deciding.label.via,
        "statement": deciding.statement.index(),
        "sid": deciding.statement.sid(),
        "line": start.line,
        "column": start.column,
        "event": match found {
            None => None,
            Some(found) => brought_by(account, view, deciding, found)?,
        },
    }))
}

/// The newest event that put or attached the policy of a deciding statement to the principal itself or to
/// the group that brought it.
fn brought_by(
    account: AccountId,
    view: &View,
    deciding: &Deciding<'_>,
    found: &names::Found,
) -> Result<Option<u64>, Fault> {
    let directory = Directory::new(view, account);
    let owner = match deciding.label.via.strip_prefix("group ") {
        None => found.id.clone(),
        Some(group) => match directory.find_id(NameKind::Group, group)? {
            Some(group) => group,
            None => return Ok(None),
        },
    };
    for position in show::events_of(account, view, &owner)?.into_iter().rev() {
        let bytes = view.ledger().event(position)?;
        let frame = Frame::read(position, &bytes)?;
        let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
        for change in &event.changes {
            let named = match change {
                Change::InlinePolicyPut(c) if c.owner == owner => c.name.clone(),
                Change::PolicyAttached(c) if c.owner == owner => {
                    crate::service::operations::shapes::policy_arn(directory, &c.policy)?
                }
                Change::BoundarySet(c) if c.owner == owner => {
                    crate::service::operations::shapes::policy_arn(directory, &c.policy)?
                }
                _ => continue,
            };
            if named == *deciding.label.policy {
                return Ok(Some(position));
            }
        }
    }
    Ok(None)
}
