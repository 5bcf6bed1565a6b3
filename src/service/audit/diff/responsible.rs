//! The events between two moments that change who may do what, and whose permissions each has a say in.

use std::collections::HashMap;

use crate::identity::Event;
use crate::identity::change::{Change, MemberAdded, MemberRemoved, PolicyAttached, PolicyDetached};
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::{ProjectionError, View};
use crate::service::fault::Fault;
use crate::service::overview::timeline::is_privileged;
use crate::service::stretch::Range;

/// Events between the two moments that are searched.
const SEARCHED: u64 = 50_000;
/// Events that one principal is shown with.
const EVENTS: usize = 50;

/// Events by whom they are about.
#[derive(Debug, Default)]
pub struct Responsible {
    /// Those that have a say in what everybody may do.
    of_all: Vec<u64>,
    by_id: HashMap<String, Vec<u64>>,
    /// Whether there were more events than are searched.
    pub truncated: bool,
}

impl Responsible {
    /// Those between two views, in either order.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn between(account: AccountId, before: &View, after: &View) -> Result<Self, Fault> {
        let ledger = after.ledger();
        let first = ledger.events_of(account, before.position_of(account)?)?;
        let last = ledger.events_of(account, after.position_of(account)?)?;
        let (first, last) = (first.min(last), first.max(last));
        let truncated = last > first + SEARCHED;
        let mut responsible = Responsible { truncated, ..Responsible::default() };
        let searched = last.min(first + SEARCHED);
        let range = Range { account, first: first + 1, last: searched, seen: searched };
        let mut frames = range.frames(ledger);
        while let Some((position, bytes)) = frames.pop()? {
            let frame = Frame::read(position, &bytes)?;
            responsible.add(position, &Event::decode(frame.body).map_err(ProjectionError::from)?);
        }
        Ok(responsible)
    }

    fn add(&mut self, position: u64, event: &Event) {
        if is_of_all(event) {
            self.of_all.push(position);
        } else if is_privileged(event) || makes_or_ends(event) {
            let mut note = |id: &str| {
                let events = self.by_id.entry(id.to_owned()).or_default();
                if events.last() != Some(&position) {
                    events.push(position);
                }
            };
            event.changes.iter().for_each(|change| each_owner(change, &mut note));
        }
    }

    /// Those that are responsible for what a principal may do, which its permissions came by these ids: the first
    /// of them, in order.
    pub fn of(&self, closure: &[UniqueId]) -> Vec<u64> {
        let own = closure.iter().filter_map(|id| self.by_id.get(id.as_str())).flatten();
        let mut events: Vec<u64> = own.chain(&self.of_all).copied().collect();
        events.sort_unstable();
        events.dedup();
        events.truncate(EVENTS);
        events
    }
}

/// Hands out the ids of those whose own permissions a change is about: a policy that is attached to one is the same
/// as before for all others who have it, and a group that somebody joins for its other members.
fn each_owner<'a>(change: &'a Change, each: &mut dyn FnMut(&'a str)) {
    match change {
        Change::PolicyAttached(PolicyAttached { owner, .. })
        | Change::PolicyDetached(PolicyDetached { owner, .. }) => each(owner.as_str()),
        Change::MemberAdded(MemberAdded { user, .. })
        | Change::MemberRemoved(MemberRemoved { user, .. }) => each(user.as_str()),
        Change::BoundarySet(set) => each(set.owner.as_str()),
        // Whom a role trusts is no permission of theirs.
        Change::RoleCreated(made) => each(made.role.as_str()),
        Change::TrustUpdated(updated) => each(updated.role.as_str()),
        other => other.each_id(each),
    }
}

/// Whether an event has a say in what everybody may do.
fn is_of_all(event: &Event) -> bool {
    use crate::identity::change::Change::*;
    event.changes.iter().any(|change| {
        matches!(
            change,
            OrganizationPoliciesSet(_)
                | PasswordPolicySet(_)
                | PasswordPolicyDeleted(_)
                | AccountClosed(_)
                | AccountReopened(_)
        )
    })
}

/// Whether an event makes, renames, tags or ends a principal: policies may go by either.
fn makes_or_ends(event: &Event) -> bool {
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
