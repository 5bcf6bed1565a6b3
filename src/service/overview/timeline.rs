//! How much happened when: events and denials of an account, counted by ten minutes.
//!
//! Counting reads each event once, goes on where it stopped, and keeps one small row for ten minutes in which
//! something happened, so its memory grows with time and not with what happens. It is made from the ledger and
//! the activity book and lost with the process. A page waits for at most `AT_ONCE` of each to be counted; the rest is counted while
//! the next pages are shown.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::Change;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::{ProjectionError, View};
use crate::service::activity::ActivityBook;
use crate::service::activity::receipt::Kind;

/// Events, and receipts, that one page waits for.
const AT_ONCE: u64 = 20_000;
/// Seconds that are counted together.
const SLOT: u64 = 600;
/// Slots that are shown at least, so that a young ledger is not one wide bar.
const LEAST: u64 = 36;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u32,
    /// Of those, by the root user.
    pub root: u32,
    /// Of those, that changed who may do what.
    pub privileged: u32,
    /// Requests that were denied.
    pub denied: u32,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.events = self.events.saturating_add(other.events);
        self.root = self.root.saturating_add(other.root);
        self.privileged = self.privileged.saturating_add(other.privileged);
        self.denied = self.denied.saturating_add(other.denied);
    }
}

/// A stretch of time and what was counted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its start.
    pub from: Timestamp,
    /// Its end, which is not part of it.
    pub to: Timestamp,
    /// What happened.
    pub counts: Counts,
}

/// The counts so far.
#[derive(Default)]
pub struct Timeline {
    accounts: Mutex<HashMap<AccountId, Slots>>,
    denials: Mutex<Denials>,
}

#[derive(Default)]
struct Slots {
    /// Events of the account that were counted.
    sequence: u64,
    first: Option<Timestamp>,
    slots: BTreeMap<u64, Counts>,
}

#[derive(Default)]
struct Denials {
    /// Receipts that were looked at.
    number: u64,
    slots: HashMap<AccountId, BTreeMap<u64, u32>>,
}

/// Whether an event changes who may do what.
pub fn is_privileged(event: &Event) -> bool {
    event.changes.iter().any(|change| {
        matches!(
            change,
            Change::InlinePolicyPut(_)
                | Change::InlinePolicyDeleted(_)
                | Change::PolicyAttached(_)
                | Change::PolicyDetached(_)
                | Change::PolicyVersionCreated(_)
                | Change::DefaultVersionSet(_)
                | Change::BoundarySet(_)
                | Change::BoundaryCleared(_)
                | Change::RoleCreated(_)
                | Change::TrustUpdated(_)
                | Change::MemberAdded(_)
                | Change::MemberRemoved(_)
                | Change::OrganizationPoliciesSet(_)
        )
    })
}

impl Timeline {
    /// An account's whole time up to `until`, in at most `bars` stretches of equal length, oldest first;
    /// empty before its first event. `false` says that counting is not done yet.
    ///
    /// # Errors
    /// Whatever keeps the ledger or the activity book from being read.
    pub fn bars(
        &self,
        view: &View,
        book: &ActivityBook,
        account: AccountId,
        until: Timestamp,
        bars: u64,
    ) -> Result<(Vec<Bar>, bool), ProjectionError> {
        let is_counted = self.count_events(view, account)?;
        let is_looked_at = self.count_denials(book)?;
        let accounts = self.accounts.lock();
        let Some((slots, first)) =
            accounts.get(&account).and_then(|slots| Some((slots, slots.first?)))
        else {
            return Ok((Vec::new(), is_counted));
        };
        let end = until.seconds() / SLOT + 1;
        let start = (first.seconds() / SLOT).min(end.saturating_sub(LEAST));
        let width = end.saturating_sub(start).div_ceil(bars.max(1)).max(1);
        let mut out: Vec<Bar> = (start..end.max(start + 1))
            .step_by(usize::try_from(width).unwrap_or(usize::MAX))
            .map(|slot| Bar {
                from: Timestamp::from_seconds(slot * SLOT),
                to: Timestamp::from_seconds((slot + width) * SLOT),
                counts: Counts::default(),
            })
            .collect();
        let denials = self.denials.lock();
        let denied = denials.slots.get(&account).into_iter().flatten();
        let denied =
            denied.map(|(slot, denied)| (*slot, Counts { denied: *denied, ..Counts::default() }));
        let counted = slots.slots.iter().map(|(slot, counts)| (*slot, *counts));
        for (slot, counts) in counted.chain(denied) {
            let index =
                slot.checked_sub(start).and_then(|slots| usize::try_from(slots / width).ok());
            if let Some(bar) = index.and_then(|index| out.get_mut(index)) {
                bar.counts.add(counts);
            }
        }
        Ok((out, is_counted && is_looked_at))
    }

    fn count_events(&self, view: &View, account: AccountId) -> Result<bool, ProjectionError> {
        let ledger = view.ledger();
        let last = ledger.events_of(account, ledger.head().position)?;
        let mut accounts = self.accounts.lock();
        let slots = accounts.entry(account).or_default();
        let until = last.min(slots.sequence + AT_ONCE);
        while slots.sequence < until {
            let sequence = slots.sequence + 1;
            let Some(position) = ledger.position(account, sequence)? else { break };
            let bytes = ledger.event(position)?;
            let frame = Frame::read(position, &bytes)?;
            let event = Event::decode(frame.body)?;
            let at = frame.header.recorded_at;
            slots.first.get_or_insert(at);
            slots.slots.entry(at.seconds() / SLOT).or_default().add(Counts {
                events: 1,
                root: u32::from(event.origin.actor == UniqueId::root()),
                privileged: u32::from(is_privileged(&event)),
                denied: 0,
            });
            slots.sequence = sequence;
        }
        Ok(slots.sequence >= last)
    }

    fn count_denials(&self, book: &ActivityBook) -> Result<bool, ProjectionError> {
        let mut denials = self.denials.lock();
        let Denials { number, slots } = &mut *denials;
        let (mut looked, mut is_done) = (0, true);
        book.receipts(*number + 1, &mut |of, receipt| {
            if looked >= AT_ONCE {
                is_done = false;
                return Ok(false);
            }
            looked += 1;
            *number = of;
            let denied =
                [Kind::ImplicitDeny, Kind::ExplicitDeny, Kind::Refused, Kind::SignInFailed];
            if denied.contains(&receipt.kind) {
                let slot = receipt.at.seconds() / SLOT;
                let count = slots.entry(receipt.account).or_default().entry(slot).or_default();
                *count = count.saturating_add(1);
            }
            Ok(true)
        })?;
        Ok(is_done)
    }
}
