//! The events between two moments that change who may do what, and whose permissions each has a say in.

use std::collections::{HashMap, HashSet};

use super::whom::each_owner;
use crate::identity::Event;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame, Ledger};
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
    /// Whose permissions any of the events is about.
    owners: HashSet<String>,
    /// Whether there were more events than are searched.
    pub truncated: bool,
}

impl Responsible {
    /// Those of a stretch of events, or the first of them.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn of_stretch(ledger: &Ledger, range: Range) -> Result<Self, Fault> {
        let last = range.last.min(range.first.saturating_add(SEARCHED - 1));
        let mut responsible =
            Responsible { truncated: last < range.last, ..Responsible::default() };
        let mut frames = Range { last, seen: last, ..range }.frames(ledger);
        while let Some((position, bytes)) = frames.pop()? {
            let frame = Frame::read(position, &bytes)?;
            responsible.add(position, &Event::decode(frame.body).map_err(ProjectionError::from)?);
        }
        Ok(responsible)
    }

    /// Whose permissions any of the events is about, unless there were too many.
    pub fn owners(&self) -> impl Iterator<Item = &str> {
        self.owners.iter().map(String::as_str)
    }

    fn add(&mut self, position: u64, event: &Event) {
        for change in &event.changes {
            each_owner(change, &mut |id| {
                if !self.owners.contains(id) {
                    self.owners.insert(id.to_owned());
                }
            });
        }
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

/// The events of an account between two views, in either order.
///
/// # Errors
/// Whatever keeps the ledger from being read.
pub fn stretch(account: AccountId, before: &View, after: &View) -> Result<Range, Fault> {
    let ledger = after.ledger();
    let first = ledger.events_of(account, before.position_of(account)?)?;
    let last = ledger.events_of(account, after.position_of(account)?)?;
    let (first, last) = (first.min(last), first.max(last));
    Ok(Range { account, first: first + 1, last, seen: last })
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
