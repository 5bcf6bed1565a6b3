//! Which permissions were gained and lost between two states of an account, by principal, action and resource
//! pattern, and by which events. Not a text diff: what the evaluator decides on both sides is compared.
//!
//! The two states are two readers: two moments of the ledger, or the present and what a change would make of
//! it ([`crate::service::dry_run`]). A principal is looked at if anything that judges it is not the same on
//! both sides (`footing`). What it is asked are the actions that its changed statements are about, each on
//! the resources that its statements name (`probes`): a resource pattern is asked for as it is written, so
//! that an answer speaks of all that it stands for. What comes out is put together again to patterns
//! (`patterns`).
//!
//! Permissions that hang on context which nobody gave count as *conditional*: from none to conditional is
//! a gain under conditions, from conditional to certain is a gain. Roles that somebody could assume are
//! principals of their own, and `sts:AssumeRole` on them is an action like others.

mod footing;
mod patterns;
mod probes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use self::footing::Footing;
use self::patterns::Patterns;
use self::probes::{Held, Side};
use super::{log, names};
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::tables::{RoleRow, UserRow};
use crate::projection::{ProjectionError, Reader, View};
use crate::service::Service;
use crate::service::audit::names::Found;
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::overview::timeline::is_privileged;

/// Events between the two moments that are searched for those responsible.
const SEARCHED: u64 = 50_000;
/// Events that one principal is shown with.
const EVENTS: usize = 50;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The first moment.
    pub from: Moment,
    /// The second; `None` for the moment of the question.
    pub to: Option<Moment>,
    /// Only this principal.
    pub principal: Option<String>,
}

/// Permissions of one kind: actions on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Actions, as patterns.
    pub actions: Vec<String>,
    /// A resource pattern.
    pub resource: String,
    /// Whether it is so only under conditions.
    pub conditional: bool,
}

/// What a principal gained and lost.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Who.
    pub principal: Found,
    /// Gained.
    pub gained: Vec<Permission>,
    /// Lost.
    pub lost: Vec<Permission>,
    /// The ids that its permissions came by on either side: its own, its groups', its policies'.
    pub closure: Vec<UniqueId>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Differences {
    /// Who gained or lost something, by kind and name.
    pub principals: Vec<Difference>,
    /// Principals that were looked at.
    pub examined: usize,
    /// Whether there was more to ask than is asked for one answer: what is not listed may differ, too.
    pub truncated: bool,
}

/// Compares two states of an account.
///
/// # Errors
/// Whatever keeps either from being read.
pub fn between(
    documents: &Documents,
    account: AccountId,
    before: &dyn Reader,
    after: &dyn Reader,
    only: Option<&UniqueId>,
) -> Result<Differences, Fault> {
    let sides = [before, after].map(|reader| Directory::new(reader, account));
    // A renamed principal is one principal, under its newest name.
    let mut members: HashMap<UniqueId, [Option<Found>; 2]> = HashMap::new();
    for (side, directory) in sides.into_iter().enumerate() {
        for found in members_of(directory)? {
            if only.is_none_or(|only| *only == found.id) {
                let both = members.entry(found.id.clone()).or_default();
                if let Some(place) = both.get_mut(side) {
                    *place = Some(found);
                }
            }
        }
    }
    let mut members: Vec<(UniqueId, [Option<Found>; 2])> = members.into_iter().collect();
    members.sort_by_cached_key(|(_, [earlier, later])| {
        later.as_ref().or(earlier.as_ref()).map(|found| (found.kind, found.name.to_lowercase()))
    });
    let organization = [footing::organization(sides[0])?, footing::organization(sides[1])?];
    let is_same_organization = organization[0] == organization[1];
    let mut differences = Differences::default();
    let mut budget = probes::BUDGET;
    for (id, both) in members {
        differences.examined += 1;
        let of = |side: usize| -> Result<Option<Footing>, Fault> {
            match (both.get(side), sides.get(side)) {
                (Some(Some(_)), Some(directory)) => Ok(Some(Footing::of(*directory, &id)?)),
                _ => Ok(None),
            }
        };
        let footings = [of(0)?, of(1)?];
        if footings[0] == footings[1] && is_same_organization {
            continue;
        }
        let held = [
            Side::of(documents, sides[0], both[0].as_ref())?,
            Side::of(documents, sides[1], both[1].as_ref())?,
        ];
        let (found, is_whole) = probes::compare(&held, is_same_organization, &mut budget);
        differences.truncated |= !is_whole;
        let [gained, lost] = permissions(found);
        let [earlier, later] = both;
        let Some(principal) = later.or(earlier) else { continue };
        if gained.is_empty() && lost.is_empty() {
            continue;
        }
        let mut closure: Vec<UniqueId> =
            footings.into_iter().flatten().flat_map(Footing::closure).collect();
        closure.push(id);
        closure.sort();
        closure.dedup();
        differences.principals.push(Difference { principal, gained, lost, closure });
    }
    Ok(differences)
}

fn members_of(directory: Directory<'_>) -> Result<Vec<Found>, Fault> {
    let users = directory.all::<UserRow>()?.into_iter();
    let users = users.map(|named| ("user", named.row.id, named.name, named.arn));
    let roles = directory.all::<RoleRow>()?.into_iter();
    let roles = roles.map(|named| ("role", named.row.id, named.name, named.arn));
    let found = |(kind, id, name, arn)| Found { kind, id, name, arn };
    Ok(users.chain(roles).map(found).collect())
}

/// What was held before and after, put together to permissions gained and lost.
fn permissions(found: Vec<probes::Answer>) -> [Vec<Permission>; 2] {
    let mut gained: BTreeMap<(String, bool), BTreeSet<String>> = BTreeMap::new();
    let mut lost = gained.clone();
    let mut written = BTreeSet::new();
    for answer in found {
        let (into, conditional) = match (answer.before, answer.after) {
            (before, after) if before == after => continue,
            (before, after) if after > before => (&mut gained, after == Held::Conditionally),
            // What was certain and hangs on conditions since is lost under conditions.
            (_, after) => (&mut lost, after == Held::Conditionally),
        };
        into.entry((answer.resource, conditional)).or_default().insert(answer.action);
        written.extend(answer.patterns);
    }
    let written: Vec<String> = written.into_iter().collect();
    let patterns = Patterns::new(&written);
    [gained, lost].map(|all| {
        // What holds for every resource is not said again of some.
        let everywhere = |conditional| all.get(&("*".to_owned(), conditional)).cloned();
        let everywhere = [everywhere(false), everywhere(true)];
        let mut permissions = Vec::new();
        for ((resource, conditional), mut actions) in all {
            if resource != "*" {
                for known in everywhere.iter().flatten() {
                    actions.retain(|action| !known.contains(action));
                }
            }
            if !actions.is_empty() {
                let actions = patterns.of(&actions);
                permissions.push(Permission { actions, resource, conditional });
            }
        }
        permissions
    })
}

/// Answers the question.
///
/// # Errors
/// Names that are nobody's on either side, and whatever keeps the ledger from being read.
pub fn diff(service: &Service, account: AccountId, view: &View, ask: &Ask) -> Result<Value, Fault> {
    let before = service.at(&ask.from)?;
    let later = ask.to.map(|moment| service.at(&moment)).transpose()?;
    let after = later.as_ref().unwrap_or(view);
    let only = match &ask.principal {
        None => None,
        Some(name) => {
            let found = names::one(Directory::new(after, account), name);
            Some(found.or_else(|_| names::one(Directory::new(&before, account), name))?.id)
        }
    };
    let found = between(service.documents(), account, &before, after, only.as_ref())?;
    let (events, is_whole) = events_between(account, &before, after)?;
    let shown = found.principals.iter().map(|one| {
        let responsible: Vec<u64> = events
            .iter()
            .filter(|(_, event)| is_of_all(event) || log::concerns(event, &one.closure))
            .map(|(position, _)| *position)
            .take(EVENTS)
            .collect();
        shown(one, &responsible)
    });
    Ok(json!({
        "from": ask.from.to_string(),
        "to": ask.to.map_or_else(|| format!("@{}", after.cut().position), |to| to.to_string()),
        "examined": found.examined,
        "truncated": found.truncated || !is_whole,
        "principals": shown.collect::<Vec<_>>(),
    }))
}

/// A principal's difference as JSON.
pub fn shown(one: &Difference, events: &[u64]) -> Value {
    let permissions = |all: &[Permission]| -> Vec<Value> {
        let one = |permission: &Permission| {
            json!({
                "actions": permission.actions,
                "resource": permission.resource,
                "conditional": permission.conditional,
            })
        };
        all.iter().map(one).collect()
    };
    json!({
        "principal": one.principal.arn,
        "name": one.principal.called(),
        "gained": permissions(&one.gained),
        "lost": permissions(&one.lost),
        "events": events,
    })
}

type Dated = (u64, crate::identity::Event);

/// The events between two views that change who may do what, and whether those are all.
fn events_between(
    account: AccountId,
    before: &View,
    after: &View,
) -> Result<(Vec<Dated>, bool), Fault> {
    let ledger = after.ledger();
    let first = ledger.events_of(account, before.position_of(account)?)?;
    let last = ledger.events_of(account, after.position_of(account)?)?;
    let (first, last) = (first.min(last), first.max(last));
    let mut events = Vec::new();
    for sequence in first + 1..=last.min(first + SEARCHED) {
        let Some(position) = ledger.position(account, sequence)? else { break };
        let bytes = ledger.event(position)?;
        let frame = Frame::read(position, &bytes)?;
        let event = crate::identity::Event::decode(frame.body).map_err(ProjectionError::from)?;
        if is_privileged(&event) || makes_or_ends(&event) || is_of_all(&event) {
            events.push((position, event));
        }
    }
    Ok((events, last <= first + SEARCHED))
}

/// Whether an event has a say in what everybody may do.
fn is_of_all(event: &crate::identity::Event) -> bool {
    use crate::identity::change::Change::*;
    event.changes.iter().any(|change| {
        matches!(
            change,
            OrganizationPoliciesSet(_) | PasswordPolicySet(_) | PasswordPolicyDeleted(_)
        )
    })
}

/// Whether an event makes, renames, tags or ends a principal: policies may go by either.
fn makes_or_ends(event: &crate::identity::Event) -> bool {
    use crate::identity::change::Change::*;
    event.changes.iter().any(|change| {
        matches!(
            change,
            UserCreated(_)
                | UserRenamed(_)
                | UserDeleted(_)
                | RoleDeleted(_)
                | GroupDeleted(_)
                | PolicyDeleted(_)
                | Tagged(_)
                | Untagged(_)
                // Whoever must change its password may.
                | LoginProfileCreated(_)
                | LoginProfileUpdated(_)
                | LoginProfileDeleted(_)
        )
    })
}

/// The statements' own patterns by document are many and alike; what each stands for is looked up once.
type Expanded = HashMap<String, BTreeSet<String>>;
