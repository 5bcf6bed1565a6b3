//! Who changed what, when, from where: the history, page by page.
//!
//! - [`cursor`]: where a page ended. [`sieve`]: which events pass. [`entry`](mod@entry): one event as JSON.
//!
//! Pages are read from the end that is asked for, and cost what is on them: what a filter says is looked up
//! among the postings ([`crate::projection::postings`]), dates are places in the account's sequence, and what
//! passes is read. What no posting tells is tried event by event, and a page that has tried enough of them
//! ends with a cursor, even if nothing has passed yet: it must not cost a ledger.

pub mod cursor;
pub mod entry;
pub mod sieve;

use serde_json::{Value, json};

pub use self::cursor::Cursor;
pub use self::entry::entry;
pub use self::sieve::{Sieve, concerns};
use super::{changed, names, requests};
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
pub use crate::projection::postings::Order;
use crate::projection::postings::{Ended, Sought};
use crate::projection::{Cut, ProjectionError, View};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::imports::gate;
use crate::service::moment::Moment;

/// Events of a page, at most.
pub const LARGEST: usize = 1_000;
/// Events of a page, if nothing is said.
pub const USUAL: usize = 100;
/// Events that are read for one page.
const EXAMINED: usize = 5_000;
/// Steps among postings for one page.
const STEPS: u64 = 20_000;

/// What a page is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Events: what was done.
    #[default]
    Done,
    /// Requests that were denied.
    Denied,
    /// Questions to the audit side that were answered.
    Read,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this principal, under whichever id bore the name.
    pub principal: Option<String>,
    /// Done by this person, under whichever roles.
    pub person: Option<String>,
    /// About this user, group, role, policy, key or device.
    pub target: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// What was done, what was denied, or what was read.
    pub sort: Sort,
    /// For this ticket.
    pub ticket: Option<String>,
    /// What happened at or after this time, or after so many events.
    pub from: Option<Moment>,
    /// What happened before this time, or within the first so many events.
    pub to: Option<Moment>,
    /// Which come first.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
    /// Where to go on.
    pub cursor: Option<Cursor>,
}

impl Filter {
    /// The ids that were given names for, each standing for every id that bore the name: those who did it,
    /// the persons behind them, and those it was about.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn ids(
        &self,
        view: &View,
        account: AccountId,
    ) -> Result<[Option<Vec<UniqueId>>; 3], ProjectionError> {
        let ids = |name: &Option<String>| {
            name.as_ref().map(|name| names::all_ids(view, account, name)).transpose()
        };
        Ok([ids(&self.principal)?, ids(&self.person)?, ids(&self.target)?])
    }

    /// Whether an event of this position that happened at this instant is within the range.
    pub fn covers(&self, position: u64, at: Timestamp) -> bool {
        let after = self.from.is_none_or(|from| {
            from.time.is_none_or(|time| at >= time)
                && from.position.is_none_or(|first| position > first)
        });
        let before = self.to.is_none_or(|to| {
            to.time.is_none_or(|time| at < time) && to.position.is_none_or(|last| position <= last)
        });
        after && before
    }

    /// Which come first: a cursor stays with what the first page was asked.
    pub fn order(&self) -> Order {
        self.cursor.map_or(self.order, |cursor| cursor.order)
    }

    /// The first and the last position that the range covers, of what a view shows of an account: times never
    /// run backwards in one.
    pub fn bounds(&self, view: &View, account: AccountId) -> Result<(u64, u64), ProjectionError> {
        let end = view.position_of(account)?;
        let before = |time: Timestamp| match time.micros().checked_sub(1) {
            None => Ok(0),
            Some(micros) => view.ledger().cut_at(account, Timestamp::from_micros(micros), end),
        };
        let (mut first, mut last) = (1, end);
        if let Some(Moment { time, position }) = self.from {
            let by_time = time.map(before).transpose()?.unwrap_or(0);
            first = by_time.max(position.unwrap_or(0)).saturating_add(1);
        }
        if let Some(Moment { time, position }) = self.to {
            let by_time = time.map(before).transpose()?.unwrap_or(u64::MAX);
            last = last.min(by_time).min(position.unwrap_or(u64::MAX));
        }
        Ok((first, last))
    }
}

/// A page of the log.
#[derive(Debug)]
pub struct Page {
    /// Its entries, in the order that was asked for.
    pub events: Vec<Value>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
    /// The events of the ledger that the pages show.
    pub position: u64,
    /// Since when the account is known, if the range begins before that.
    pub known_since: Option<Timestamp>,
}

impl Page {
    /// As JSON.
    pub fn shown(self) -> Value {
        json!({
            "events": self.events,
            "next": self.next.map(|next| next.to_string()),
            "position": self.position,
            "known_since": self.known_since.map(|since| since.to_precise()),
        })
    }
}

/// The events, or the denied requests, of an account that pass a filter. An event comes with what it changed
/// (`changed`) while the changes of those that do are `told` at most: to tell it costs more than all else.
///
/// # Errors
/// Whatever keeps ledger, rows or activity book from being read.
pub fn page(
    service: &Service,
    account: AccountId,
    view: &View,
    filter: &Filter,
    told: usize,
) -> Result<Page, Fault> {
    let pinned = filter.cursor.map(|cursor| {
        let Cut { position, time } = view.cut();
        view.projections().at(Cut { position: position.min(cursor.position), time })
    });
    let view = pinned.as_ref().unwrap_or(view);
    let known_since = gate::known_of_range(view, account, filter.from, filter.to)?;
    let page = match filter.sort {
        Sort::Done => events(service, account, view, filter, told),
        Sort::Denied | Sort::Read => requests::page(service, account, view, filter),
    };
    Ok(Page { known_since, ..page? })
}

fn events(
    service: &Service,
    account: AccountId,
    view: &View,
    filter: &Filter,
    mut told: usize,
) -> Result<Page, Fault> {
    let sieve = Sieve::new(service.activity(), account, view, filter)?;
    let (mut first, mut last) = filter.bounds(view, account)?;
    let order = filter.order();
    match (filter.cursor, order) {
        (None, _) => {}
        (Some(cursor), Order::Newest) => last = last.min(cursor.at),
        (Some(cursor), Order::Oldest) => first = first.max(cursor.at),
    }
    let (mut found, mut examined, mut next) = (Vec::new(), 0, None);
    let mut each = |position: u64| -> Result<bool, ProjectionError> {
        if found.len() >= filter.limit.clamp(1, LARGEST) || examined >= EXAMINED {
            next = Some(position);
            return Ok(false);
        }
        examined += 1;
        let bytes = view.ledger().event(position)?;
        if let Some(event) = sieve.passes(position, &Frame::read(position, &bytes)?)? {
            found.push((position, bytes, event));
        }
        Ok(true)
    };
    let terms = sieve.terms()?;
    match terms.is_empty() {
        true => sequence(view, account, (first, last), order, &mut each)?,
        false => {
            let sought = Sought { all: &terms, first, last, order, steps: STEPS };
            if let Ended::At(position) = view.postings(account, &sought, &mut each)? {
                next = Some(position);
            }
        }
    }
    let position = view.cut().position;
    let mut events = Vec::with_capacity(found.len());
    for (position, bytes, event) in found {
        let frame = Frame::read(position, &bytes).map_err(ProjectionError::from)?;
        let mut shown = entry(service.activity(), view, position, &frame, &event)?;
        if let Some(left) = told.checked_sub(event.changes.len())
            && let Some(fields) = shown.as_object_mut()
        {
            told = left;
            let changed = changed::of(service, position, &frame, &event)?;
            fields.insert("changed".into(), changed.into());
        }
        events.push(shown);
    }
    let next = next.map(|at| Cursor { order, at, position, receipts: 0 });
    Ok(Page { events, next, position, known_since: None })
}

/// Hands out the positions of an account's events, one after the other; `false` stops.
fn sequence(
    view: &View,
    account: AccountId,
    (first, last): (u64, u64),
    order: Order,
    each: &mut dyn FnMut(u64) -> Result<bool, ProjectionError>,
) -> Result<(), ProjectionError> {
    let ledger = view.ledger();
    if first > last {
        return Ok(());
    }
    let mut low = ledger.events_of(account, first - 1)? + 1;
    let mut high = ledger.events_of(account, last)?;
    while low <= high {
        let sequence = if order == Order::Newest { high } else { low };
        match order {
            Order::Newest => high -= 1,
            Order::Oldest => low += 1,
        }
        let Some(position) = ledger.position(account, sequence)? else { break };
        if !each(position)? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_start_and_not_their_end() {
        let moment = |text| Some(Moment::parse(text).unwrap());
        let day = Timestamp::parse("2026-03-02").unwrap();
        let filter = |from, to| Filter { from, to, ..Filter::default() };
        let days = filter(moment("2026-03-02"), moment("2026-03-03"));
        assert!(days.covers(1, day) && !days.covers(1, day.plus_seconds(86_400)));
        assert!(!days.covers(1, day.plus_seconds(-1)));
        // After the first three events and within the first five: the fourth and the fifth.
        let positions = filter(moment("@3"), moment("@5"));
        let covered: Vec<u64> =
            (1..9).filter(|position| positions.covers(*position, day)).collect();
        assert_eq!(covered, [4, 5]);
        assert!(filter(None, None).covers(1, day));
    }
}
