//! Which permissions were gained and lost between two states of an account, by principal, action and resource
//! pattern, and by which events. Not a text diff: what the evaluator decides on both sides is compared.
//!
//! The two states are two readers: two moments of the ledger, or the present and what a change would make of
//! it ([`crate::service::dry_run`]). A principal is looked at if a change between them may concern it (`whom`; of
//! many changes everybody is), and compared if anything that judges it is not the same on both sides
//! ([`grounds`](crate::service::grounds)); those who stand on the same grounds are compared as one, as far as
//! policies do not read who they are (`class`, `person`). What it is asked are the actions that its changed statements
//! are about, each on the resources that the statements about it name (`probes`): a resource pattern is asked for as it
//! is written, so that an answer speaks of all that it stands for; and of actions that no statement tells apart one is
//! asked for all (`vocabulary`). What comes out is put together again to patterns (`patterns`), with the events
//! that brought it about (`responsible`).
//!
//! Permissions that hang on context which nobody gave count as *conditional*: from none to conditional is
//! a gain under conditions, from conditional to certain is a gain. What is conditional on both sides, but not under the
//! same conditions, is *changed*: which of them let more through is for people to say. Roles that somebody could
//! assume are principals of their own. That policies give `sts:AssumeRole` is told like other actions; whom a role trusts
//! is told of the role, as *changed*, with the statements of both sides, and where one principal is asked about, of
//! that one as well (`trust`).

mod class;
mod patterns;
mod person;
mod probes;
mod responsible;
mod trust;
mod vocabulary;
mod whom;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use self::class::Classes;
use self::responsible::{Responsible, stretch};
pub use self::whom::{Whom, each_owner};
use super::names;
use crate::identity::change::Trust;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{ORGANIZATION, OrganizationRow, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, View, Whole};
use crate::service::Service;
use crate::service::audit::names::Found;
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::grounds::{Gathering, Grounds};
use crate::service::moment::Moment;
use crate::service::work;

/// Events between two moments, and owners of what they change, up to which it pays to look first whom they concern.
const FEW: usize = 5_000;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// Actions, as patterns.
    pub actions: Arc<[String]>,
    /// A resource pattern.
    pub resource: String,
    /// Whether it is so only under conditions.
    pub conditional: bool,
}

/// Permissions that are held under other conditions than before; or a role that is assumed so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Changed {
    /// Actions, as patterns.
    pub actions: Arc<[String]>,
    /// A resource pattern.
    pub resource: String,
    /// On what they hung, as `Allow if IpAddress aws:SourceIp 10.0.0.0/8`.
    pub before: Vec<String>,
    /// On what they hang.
    pub after: Vec<String>,
}

/// What was gained and lost, the same for all who gained and lost the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// Gained.
    pub gained: Vec<Permission>,
    /// Lost.
    pub lost: Vec<Permission>,
    /// Held under other conditions.
    pub changed: Vec<Changed>,
}

/// What a principal gained and lost.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Who.
    pub principal: Found,
    /// What.
    pub told: Arc<Told>,
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

impl Differences {
    /// Adds what somebody gained and lost by what is none of its own, and the ids that it came by.
    fn add(&mut self, principal: Found, (more, by): (Told, Vec<UniqueId>)) {
        if more == Told::default() {
            return;
        }
        let known = self.principals.iter().position(|one| one.principal.id == principal.id);
        let mut all = match known {
            Some(place) => self.principals.swap_remove(place),
            None => Difference { principal, told: Arc::default(), closure: Vec::new() },
        };
        let mut told = Told::clone(&all.told);
        // Its own policies may have come to say so, too.
        let is_new = |known: &[Permission], one: &Permission| {
            !known.iter().any(|known| trust::covers(known, one))
        };
        told.gained.extend(more.gained.into_iter().filter(|one| is_new(&all.told.gained, one)));
        told.lost.extend(more.lost.into_iter().filter(|one| is_new(&all.told.lost, one)));
        told.changed.extend(more.changed);
        all.told = Arc::new(told);
        all.closure.extend(by);
        self.principals.push(all);
    }
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
    whom: &Whom,
) -> Result<Differences, Fault> {
    let wholes = [before, after].map(|reader| Whole::new(reader, account));
    let is_large = match whom {
        Whom::Everybody => true,
        Whom::These(ids) => Directory::new(after, account).is_most_of(ids.len())?,
    };
    // To read an account whole is worth it for many.
    let [before, after]: [&dyn Reader; 2] = match &wholes {
        [before, after] if is_large => [before, after],
        _ => [before, after],
    };
    let read = |reader| {
        let gathering = Gathering::new(documents, Directory::new(reader, account))?;
        let members = members_of(&gathering, whom)?;
        Ok::<_, Fault>((gathering, members))
    };
    // Reading either side takes as long as comparing them.
    let (earlier, later) = work::both(|| read(before), || read(after))?;
    let ((earlier, members_before), (later, members_after)) = (earlier?, later?);
    let sides = [earlier, later];
    // A renamed principal is one principal, under its newest name.
    let mut members: HashMap<UniqueId, [Option<Member>; 2]> = HashMap::new();
    for (side, all) in [members_before, members_after].into_iter().enumerate() {
        for member in all {
            let both = members.entry(member.found.id.clone()).or_default();
            if let Some(place) = both.get_mut(side) {
                *place = Some(member);
            }
        }
    }
    let mut members: Vec<[Option<Member>; 2]> = members.into_values().collect();
    members.sort_by_cached_key(|[earlier, later]| {
        let member = later.as_ref().or(earlier.as_ref());
        member.map(|member| (member.found.kind, member.found.name.to_lowercase()))
    });
    let organization = [organization(before, account)?, organization(after, account)?];
    let is_same_organization = organization[0] == organization[1];
    let mut differences = Differences { examined: members.len(), ..Differences::default() };
    let mut classes = Classes::new(&sides, is_same_organization);
    for both in members {
        let (mut told, is_truncated) = classes.compare(&both)?.unwrap_or_default();
        differences.truncated |= is_truncated;
        if let Some(trust) = trust::changed(documents, &sides, &both)? {
            let mut with = Told::clone(&told);
            with.changed.push(trust);
            told = Arc::new(with);
        }
        if *told == Told::default() {
            continue;
        }
        let mut closure = Vec::new();
        let mut principal = None;
        for member in both.into_iter().flatten() {
            closure.extend(member.closure);
            principal = Some(member.found);
        }
        closure.sort();
        closure.dedup();
        let Some(principal) = principal else { continue };
        differences.principals.push(Difference { principal, told, closure });
    }
    Ok(differences)
}

/// A user or role on one side.
struct Member {
    found: Found,
    grounds: Grounds,
    closure: Vec<UniqueId>,
    /// Of a role.
    trust: Option<Trust>,
}

fn members_of(gathering: &Gathering<'_>, whom: &Whom) -> Result<Vec<Member>, Fault> {
    let directory = gathering.directory();
    if directory.is_closed()? {
        return Ok(Vec::new());
    }
    let (users, roles) = match whom {
        Whom::Everybody => (directory.all::<UserRow>()?, directory.all::<RoleRow>()?),
        Whom::These(ids) => {
            let is_role = |id: &UniqueId| id.kind() == Some(IdKind::Role);
            let (roles, users): (Vec<_>, Vec<_>) = ids.iter().cloned().partition(is_role);
            (directory.those::<UserRow>(&users)?, directory.those::<RoleRow>(&roles)?)
        }
    };
    let mut members = Vec::with_capacity(users.len() + roles.len());
    for user in users {
        let mut closure = Vec::new();
        let grounds = gathering.of_user(&user.row, &mut closure)?;
        let found = Found { kind: "user", id: user.row.id, name: user.name, arn: user.arn };
        members.push(Member { found, grounds, closure, trust: None });
    }
    for role in roles {
        let mut closure = Vec::new();
        let grounds = gathering.of_role(&role.row, &mut closure)?;
        let found = Found { kind: "role", id: role.row.id, name: role.name, arn: role.arn };
        members.push(Member { found, grounds, closure, trust: Some(role.row.trust) });
    }
    Ok(members)
}

/// The organisation's policies over an account.
fn organization(reader: &dyn Reader, account: AccountId) -> Result<OrganizationRow, Fault> {
    Ok(reader.get(account, &ORGANIZATION, &())?.unwrap_or_default())
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
            Some(found.or_else(|_| names::one(Directory::new(&before, account), name))?)
        }
    };
    let only_one = || only.as_ref().map(|found| Whom::These([found.id.clone()].into()));
    let (ledger, events) = (after.ledger(), stretch(account, &before, after)?);
    let compare = |whom: &Whom| between(service.documents(), account, &before, after, whom);
    let (mut found, responsible) = if events.last < events.first + FEW as u64 {
        let responsible = Responsible::of_stretch(ledger, events)?;
        let whom = match only_one() {
            Some(only) => only,
            // One event of an import may be about thousands.
            None if responsible.owners().count() > FEW => Whom::Everybody,
            None => Whom::concerned(responsible.owners(), account, [&before, after])?,
        };
        (compare(&whom)?, responsible)
    } else {
        let whom = only_one().unwrap_or(Whom::Everybody);
        let found = || compare(&whom);
        let (found, responsible) = work::both(found, || Responsible::of_stretch(ledger, events))?;
        (found?, responsible?)
    };
    if let Some(principal) = only {
        let readers: [&dyn Reader; 2] = [&before, after];
        let by_trust = trust::towards(service.documents(), readers, account, &principal.id)?;
        found.add(principal, by_trust);
    }
    let shown = found.principals.iter().map(|one| shown(one, &responsible.of(&one.closure)));
    Ok(json!({
        "from": ask.from.to_string(),
        "to": ask.to.map_or_else(|| format!("@{}", after.cut().position), |to| to.to_string()),
        "examined": found.examined,
        "truncated": found.truncated || responsible.truncated,
        "principals": shown.collect::<Vec<_>>(),
    }))
}

/// A principal's difference as JSON.
fn shown(one: &Difference, events: &[u64]) -> Value {
    let mut shown = json!({ "principal": one.principal.arn, "name": one.principal.called() });
    told_shown(&one.told, &mut shown);
    set(&mut shown, "events", json!(events));
    shown
}

/// Differences as JSON, those who gain and lose the same together.
pub fn shown_together(all: &[Difference]) -> Vec<Value> {
    let mut together: Vec<(&Told, Vec<String>)> = Vec::new();
    let (mut places, mut known) = (HashMap::new(), HashMap::new());
    for one in all {
        let next = together.len();
        // Most have the very lists of somebody before them, which need not be read to be known.
        let mut by_content = || *places.entry(&*one.told).or_insert(next);
        let place = *known.entry(Arc::as_ptr(&one.told)).or_insert_with(&mut by_content);
        match together.get_mut(place) {
            Some((_, names)) => names.push(one.principal.called()),
            None => together.push((&one.told, vec![one.principal.called()])),
        }
    }
    let shown = |(told, names): (&Told, Vec<String>)| {
        let mut shown = json!({ "names": names });
        told_shown(told, &mut shown);
        shown
    };
    together.into_iter().map(shown).collect()
}

fn told_shown(told: &Told, into: &mut Value) {
    let permission = |permission: &Permission| {
        json!({
            "actions": permission.actions[..],
            "resource": permission.resource,
            "conditional": permission.conditional,
        })
    };
    let changed = |changed: &Changed| {
        json!({
            "actions": changed.actions[..],
            "resource": changed.resource,
            "before": changed.before,
            "after": changed.after,
        })
    };
    set(into, "gained", told.gained.iter().map(permission).collect());
    set(into, "lost", told.lost.iter().map(permission).collect());
    set(into, "changed", told.changed.iter().map(changed).collect());
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
