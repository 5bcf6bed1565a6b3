//! Which permissions were gained and lost between two states of an account, by principal, action and resource
//! pattern, and by which events. Not a text diff: what the evaluator decides on both sides is compared.
//!
//! The two states are two readers: two moments of the ledger, or the present and what a change would make of
//! it ([`crate::service::dry_run`]). A principal is looked at if a change between them may concern it (`whom`; of
//! many changes everybody is), and compared if anything that judges it is not the same on both sides
//! ([`grounds`](crate::service::grounds)). What it is asked are the actions that its changed statements
//! are about, each on the resources that its statements name (`probes`): a resource pattern is asked for as it is
//! written, so that an answer speaks of all that it stands for; and of actions that no policy tells apart one is
//! asked for all (`vocabulary`). What comes out is put together again to patterns (`patterns`), with the events
//! that brought it about (`responsible`).
//!
//! Permissions that hang on context which nobody gave count as *conditional*: from none to conditional is
//! a gain under conditions, from conditional to certain is a gain. Roles that somebody could assume are
//! principals of their own, and `sts:AssumeRole` on them is an action like others.

mod patterns;
mod probes;
mod responsible;
mod vocabulary;
mod whom;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use self::patterns::Patterns;
use self::probes::{Compared, Held, Side};
use self::responsible::{Responsible, stretch};
use self::vocabulary::{Actions, Vocabulary};
pub use self::whom::{Whom, each_owner};
use super::names;
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
    pub gained: Arc<[Permission]>,
    /// Lost.
    pub lost: Arc<[Permission]>,
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

/// What came out for one principal, and comes out for all that are decided upon as it is: for the members of a group,
/// mostly. Whoever it matters of who they are is like nobody else.
struct Known<'a> {
    held: [Side<'a>; 2],
    gained: Arc<[Permission]>,
    lost: Arc<[Permission]>,
    truncated: bool,
}

/// Outcomes that are remembered: somebody who is like none of the last few is compared anew.
const KNOWN: usize = 16;

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
    let (mut vocabulary, mut budget) = (Vocabulary::default(), probes::BUDGET);
    let mut known: VecDeque<Known<'_>> = VecDeque::new();
    for both in members {
        let [earlier, later] = &both;
        let held = [Side::of(&sides[0], earlier.as_ref())?, Side::of(&sides[1], later.as_ref())?];
        if is_same_organization && held[0].decides_as(&held[1]) {
            continue;
        }
        let alike = |known: &&Known<'_>| {
            known.held.iter().zip(&held).all(|(one, other)| one.decides_as(other))
        };
        let (gained, lost) = match known.iter().rev().find(alike) {
            Some(known) => {
                differences.truncated |= known.truncated;
                (known.gained.clone(), known.lost.clone())
            }
            None => {
                let compared =
                    probes::compare(&held, is_same_organization, &mut vocabulary, &mut budget)?;
                let truncated = compared.truncated;
                differences.truncated |= truncated;
                let [gained, lost] = permissions(compared, &mut vocabulary).map(Arc::from);
                let told = (Arc::clone(&gained), Arc::clone(&lost));
                if !held.iter().any(Side::hangs) {
                    if known.len() == KNOWN {
                        known.pop_front();
                    }
                    known.push_back(Known { held, gained, lost, truncated });
                }
                told
            }
        };
        if gained.is_empty() && lost.is_empty() {
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
        differences.principals.push(Difference { principal, gained, lost, closure });
    }
    Ok(differences)
}

/// A user or role on one side.
struct Member {
    found: Found,
    grounds: Grounds,
    closure: Vec<UniqueId>,
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
        members.push(Member { found, grounds, closure });
    }
    for role in roles {
        let mut closure = Vec::new();
        let grounds = gathering.of_role(&role.row, &mut closure)?;
        let found = Found { kind: "role", id: role.row.id, name: role.name, arn: role.arn };
        members.push(Member { found, grounds, closure });
    }
    Ok(members)
}

/// The organisation's policies over an account.
fn organization(reader: &dyn Reader, account: AccountId) -> Result<OrganizationRow, Fault> {
    Ok(reader.get(account, &ORGANIZATION, &())?.unwrap_or_default())
}

/// What was held before and after, put together to permissions gained and lost.
fn permissions(compared: Compared, vocabulary: &mut Vocabulary) -> [Vec<Permission>; 2] {
    let mut gained: BTreeMap<(String, bool), Actions> = BTreeMap::new();
    let mut lost = gained.clone();
    for answer in compared.answers {
        let (into, conditional) = match answer.after > answer.before {
            true => (&mut gained, answer.after == Held::Conditionally),
            // What was certain and hangs on conditions since is lost under conditions.
            false => (&mut lost, answer.after == Held::Conditionally),
        };
        into.entry((answer.resource, conditional)).or_default().union_with(&answer.actions);
    }
    let patterns = Patterns::new(compared.patterns, vocabulary);
    [gained, lost].map(|all| {
        // What holds for every resource is not said again of some.
        let everywhere = |conditional| all.get(&("*".to_owned(), conditional)).cloned();
        let everywhere = [everywhere(false), everywhere(true)];
        let mut permissions = Vec::new();
        for ((resource, conditional), mut actions) in all {
            if resource != "*" {
                for known in everywhere.iter().flatten() {
                    actions.difference_with(known);
                }
            }
            if !actions.is_clear() {
                let actions = patterns.of(&actions, vocabulary);
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
            let found = found.or_else(|_| names::one(Directory::new(&before, account), name))?;
            Some(Whom::These([found.id].into()))
        }
    };
    let (ledger, events) = (after.ledger(), stretch(account, &before, after)?);
    let compare = |whom: &Whom| between(service.documents(), account, &before, after, whom);
    let (found, responsible) = if events.last < events.first + FEW as u64 {
        let responsible = Responsible::of_stretch(ledger, events)?;
        let whom = match only {
            Some(only) => only,
            // One event of an import may be about thousands.
            None if responsible.owners().count() > FEW => Whom::Everybody,
            None => Whom::concerned(responsible.owners(), account, [&before, after])?,
        };
        (compare(&whom)?, responsible)
    } else {
        let whom = only.unwrap_or(Whom::Everybody);
        let found = || compare(&whom);
        let (found, responsible) = work::both(found, || Responsible::of_stretch(ledger, events))?;
        (found?, responsible?)
    };
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
    json!({
        "principal": one.principal.arn,
        "name": one.principal.called(),
        "gained": permissions_shown(&one.gained),
        "lost": permissions_shown(&one.lost),
        "events": events,
    })
}

/// Differences as JSON, those who gain and lose the same together.
pub fn shown_together(all: &[Difference]) -> Vec<Value> {
    let mut together: Vec<(&Difference, Vec<String>)> = Vec::new();
    let (mut places, mut known) = (HashMap::new(), HashMap::new());
    for one in all {
        let next = together.len();
        let mut by_content = || *places.entry((&one.gained, &one.lost)).or_insert(next);
        // Most have the very lists of somebody before them, which need not be read to be known.
        let lists = (Arc::as_ptr(&one.gained), Arc::as_ptr(&one.lost));
        let place = *known.entry(lists).or_insert_with(&mut by_content);
        match together.get_mut(place) {
            Some((_, names)) => names.push(one.principal.called()),
            None => together.push((one, vec![one.principal.called()])),
        }
    }
    let shown = |(one, names): (&Difference, Vec<String>)| {
        json!({
            "names": names,
            "gained": permissions_shown(&one.gained),
            "lost": permissions_shown(&one.lost),
        })
    };
    together.into_iter().map(shown).collect()
}

fn permissions_shown(all: &[Permission]) -> Vec<Value> {
    let one = |permission: &Permission| {
        json!({
            "actions": permission.actions,
            "resource": permission.resource,
            "conditional": permission.conditional,
        })
    };
    all.iter().map(one).collect()
}
