//! Joiners, movers and leavers: who was created in a stretch of time, what users were given and lost by it, and
//! who left - with the time that it took from leaving until nothing opened anything any more.
//!
//! When somebody left is what the tag `leave-date` (or `left`) of the user says, a date or an RFC 3339 time, as
//! the people who know such things set it; where there is none, the first of the events in a row that took
//! away credentials, groups or policies. Disabled is a user from the event on after which it has neither a
//! password nor an active key; a deleted one is.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::named::{Act, Scene, Table};
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::{Change, PolicyRef};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::Frame;
use crate::projection::Cut;
use crate::projection::directory::Directory;
use crate::service::fault::Fault;
use crate::service::imports::baseline;
use crate::service::operations::shapes::policy_arn;

const COLUMNS: &[&str] = &[
    "at",
    "user",
    "movement",
    "what",
    "by",
    "person",
    "ticket",
    "left",
    "left_by",
    "hours_to_disable",
    "event",
];

/// Tags that say when somebody left.
const LEFT: [&str; 2] = ["leave-date", "left"];

/// What is known of a user on the way through the events.
#[derive(Default)]
struct User {
    password: bool,
    keys: BTreeSet<UniqueId>,
    groups: BTreeSet<UniqueId>,
    /// Says when it left.
    tagged: Option<Timestamp>,
    /// The first of the takings since something was last given.
    taking: Option<Timestamp>,
}

impl User {
    fn opens_something(&self) -> bool {
        self.password || !self.keys.is_empty()
    }
}

/// One thing that happened to a user.
struct Step {
    movement: &'static str,
    what: String,
    left: Option<(Timestamp, &'static str)>,
}

/// Makes the table. The whole history up to the end of the range is read: who was disabled when follows from
/// what was there before.
///
/// # Errors
/// Whatever keeps the ledger from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let (first, last) = scene.bounds()?;
    let mut going =
        Going { scene, users: HashMap::new(), owners: HashMap::new(), rows: Vec::new() };
    let end = last.min(scene.view.position_of(scene.account)?);
    scene.events((1, end), &mut |position, frame, event| {
        going.event(position, frame, &event, position >= first)
    })?;
    let count = |movement: &str| {
        let is = |row: &&Value| row.get("movement").is_some_and(|found| found == movement);
        going.rows.iter().filter(is).count()
    };
    let summary = json!({
        "joined": count(JOINED),
        "moved": count(MOVED),
        "disabled": count(DISABLED),
        "left": count(DELETED),
    });
    Ok(Table { columns: COLUMNS, rows: going.rows, summary })
}

const JOINED: &str = "joined";
const MOVED: &str = "moved";
const DISABLED: &str = "disabled";
const ENABLED: &str = "enabled";
const DELETED: &str = "deleted";

/// On the way through the events.
struct Going<'a> {
    scene: &'a Scene<'a>,
    users: HashMap<UniqueId, User>,
    /// Whose an access key is.
    owners: HashMap<UniqueId, UniqueId>,
    rows: Vec<Value>,
}

impl Going<'_> {
    fn event(
        &mut self,
        position: u64,
        frame: &Frame<'_>,
        event: &Event,
        is_told: bool,
    ) -> Result<(), Fault> {
        let at = frame.header.happened_at;
        // Whoever was there when the account's history begins had not joined then.
        let is_told = is_told && event.origin.operation != baseline::OPERATION;
        for change in &event.changes {
            let steps = self.change(position, at, change, is_told)?;
            if !is_told || steps.is_empty() {
                continue;
            }
            let act = self.scene.act_of(position, frame, event)?;
            for (user, step) in steps {
                let called = self.scene.called(&user, position)?;
                self.rows.push(row(&called, &step, &act));
            }
        }
        Ok(())
    }

    /// Takes a change in, and says what happened to whom.
    fn change(
        &mut self,
        position: u64,
        at: Timestamp,
        change: &Change,
        is_told: bool,
    ) -> Result<Vec<(UniqueId, Step)>, Fault> {
        let one = |user: &UniqueId, movement, what: String| {
            vec![(user.clone(), Step { movement, what, left: None })]
        };
        Ok(match change {
            Change::UserCreated(c) => {
                self.users.insert(c.user.clone(), User::default());
                one(&c.user, JOINED, "created".to_owned())
            }
            Change::UserDeleted(c) => {
                let user = self.users.remove(&c.user).unwrap_or_default();
                let left = left(&user);
                vec![(c.user.clone(), Step { movement: DELETED, what: "deleted".into(), left })]
            }
            Change::MemberAdded(c) => {
                let user = self.users.entry(c.user.clone()).or_default();
                user.taking = None;
                user.groups.insert(c.group.clone());
                let what = self.told(is_told, || self.scene.called(&c.group, position))?;
                one(&c.user, MOVED, format!("+ {what}"))
            }
            Change::MemberRemoved(c) => {
                let user = self.users.entry(c.user.clone()).or_default();
                user.taking.get_or_insert(at);
                user.groups.remove(&c.group);
                let what = self.told(is_told, || self.scene.called(&c.group, position))?;
                one(&c.user, MOVED, format!("- {what}"))
            }
            Change::PolicyAttached(c) => {
                self.given(&c.owner);
                let what = self.told(is_told, || self.policy(&c.policy, position))?;
                self.of_owner(&c.owner, format!("+ {what}"))
            }
            Change::PolicyDetached(c) => {
                self.taken(&c.owner, at);
                let what = self.told(is_told, || self.policy(&c.policy, position))?;
                self.of_owner(&c.owner, format!("- {what}"))
            }
            Change::InlinePolicyPut(c) => {
                self.given(&c.owner);
                self.of_owner(&c.owner, format!("+ inline policy {}", c.name))
            }
            Change::InlinePolicyDeleted(c) => {
                self.taken(&c.owner, at);
                self.of_owner(&c.owner, format!("- inline policy {}", c.name))
            }
            Change::BoundarySet(c) => {
                let what = self.told(is_told, || self.policy(&c.policy, position))?;
                self.of_owner(&c.owner, format!("boundary {what}"))
            }
            Change::BoundaryCleared(c) => self.of_owner(&c.owner, "no boundary".to_owned()),
            Change::Tagged(c) if c.owner.kind() == Some(IdKind::User) => {
                self.tagged(&c.owner, position)?;
                Vec::new()
            }
            Change::Untagged(c) if c.owner.kind() == Some(IdKind::User) => {
                self.tagged(&c.owner, position)?;
                Vec::new()
            }
            Change::LoginProfileCreated(c) => self.opens(&c.user, |user| user.password = true),
            Change::LoginProfileDeleted(c) => {
                self.closes(&c.user, at, "password removed", |user| user.password = false)
            }
            Change::AccessKeyCreated(c) => {
                self.owners.insert(c.key.clone(), c.owner.clone());
                self.opens(&c.owner, |user| {
                    user.keys.insert(c.key.clone());
                })
            }
            Change::AccessKeyStatusSet(c) => match self.owners.get(&c.key).cloned() {
                None => Vec::new(),
                Some(owner) if c.active => self.opens(&owner, |user| {
                    user.keys.insert(c.key.clone());
                }),
                Some(owner) => self.closes(&owner, at, "access key deactivated", |user| {
                    user.keys.remove(&c.key);
                }),
            },
            Change::AccessKeyDeleted(c) => match self.owners.remove(&c.key) {
                None => Vec::new(),
                Some(owner) => self.closes(&owner, at, "access key deleted", |user| {
                    user.keys.remove(&c.key);
                }),
            },
            _ => Vec::new(),
        })
    }

    /// A name, where somebody will read it.
    fn told(
        &self,
        is_told: bool,
        name: impl FnOnce() -> Result<String, Fault>,
    ) -> Result<String, Fault> {
        if is_told { name() } else { Ok(String::new()) }
    }

    fn policy(&self, policy: &PolicyRef, position: u64) -> Result<String, Fault> {
        let then = self.scene.view.projections().at(Cut { position, time: None });
        policy_arn(Directory::new(&then, self.scene.account), policy)
    }

    fn given(&mut self, owner: &UniqueId) {
        if let Some(user) = self.users.get_mut(owner) {
            user.taking = None;
        }
    }

    fn taken(&mut self, owner: &UniqueId, at: Timestamp) {
        if let Some(user) = self.users.get_mut(owner) {
            user.taking.get_or_insert(at);
        }
    }

    /// A step of an owner, or of every user in it.
    fn of_owner(&self, owner: &UniqueId, what: String) -> Vec<(UniqueId, Step)> {
        let step = |what: String| Step { movement: MOVED, what, left: None };
        if owner.kind() != Some(IdKind::Group) {
            let is_user = self.users.contains_key(owner);
            return is_user.then(|| (owner.clone(), step(what))).into_iter().collect();
        }
        let members = self.users.iter().filter(|(_, user)| user.groups.contains(owner));
        let mut members: Vec<&UniqueId> = members.map(|(id, _)| id).collect();
        members.sort();
        members.into_iter().map(|id| (id.clone(), step(format!("{what} (group)")))).collect()
    }

    fn tagged(&mut self, owner: &UniqueId, position: u64) -> Result<(), Fault> {
        let then = self.scene.view.projections().at(Cut { position, time: None });
        let tags = Directory::new(&then, self.scene.account).tags(owner)?;
        let says = |(key, value): &(String, String)| {
            let is_it = LEFT.iter().any(|known| key.eq_ignore_ascii_case(known));
            is_it.then(|| Timestamp::parse(value)).flatten()
        };
        if let Some(user) = self.users.get_mut(owner) {
            user.tagged = tags.iter().find_map(says);
        }
        Ok(())
    }

    fn opens(&mut self, owner: &UniqueId, give: impl FnOnce(&mut User)) -> Vec<(UniqueId, Step)> {
        let Some(user) = self.users.get_mut(owner) else { return Vec::new() };
        let before = user.opens_something();
        give(user);
        user.taking = None;
        let step = Step { movement: ENABLED, what: "has credentials".into(), left: None };
        if before { Vec::new() } else { vec![(owner.clone(), step)] }
    }

    fn closes(
        &mut self,
        owner: &UniqueId,
        at: Timestamp,
        what: &str,
        take: impl FnOnce(&mut User),
    ) -> Vec<(UniqueId, Step)> {
        let Some(user) = self.users.get_mut(owner) else { return Vec::new() };
        let before = user.opens_something();
        take(user);
        user.taking.get_or_insert(at);
        if !before || user.opens_something() {
            return Vec::new();
        }
        let step = Step { movement: DISABLED, what: what.to_owned(), left: left(user) };
        vec![(owner.clone(), step)]
    }
}

/// When a user left, and what says so.
fn left(user: &User) -> Option<(Timestamp, &'static str)> {
    let tagged = user.tagged.map(|at| (at, "tag"));
    tagged.or_else(|| user.taking.map(|at| (at, "first revocation")))
}

fn row(user: &str, step: &Step, act: &Act) -> Value {
    let hours =
        step.left.map(|(left, _)| act.at.seconds().saturating_sub(left.seconds()).div_ceil(3_600));
    json!({
        "at": act.at.to_string(),
        "user": user,
        "movement": step.movement,
        "what": step.what,
        "by": act.by,
        "person": act.person,
        "ticket": act.ticket,
        "left": step.left.map(|(at, _)| at.to_string()),
        "left_by": step.left.map(|(_, by)| by),
        "hours_to_disable": hours,
        "event": act.event,
    })
}
