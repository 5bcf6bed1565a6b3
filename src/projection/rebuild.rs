//! Rebuilding the rows from the events, and comparing the two.
//!
//! There are two sides of rows; a record in the meta family says which one is live. A rebuild clears the
//! other side, folds every event into it, compares, and then moves the record in one synced batch: killed
//! at any moment, it leaves either the old rows live or the new ones, never half of them.

use std::collections::HashMap;

use super::fold::{self, Meta, RowsMut};
use super::tables::FORMAT;
use super::{ProjectionError, Projections};
use super::{postings, row};
use crate::identity::Event;
use crate::ledger::{AccountId, Frame, Ledger};
use crate::store::{self, Batch, Cursor, Durability, Family, Store, StoreError};

const LIVE: &[u8] = b"live rows";
const ROWS_FORMAT: &[u8] = b"rows format";
/// In each side of the rows, after all of them: the last position that was folded.
const APPLIED: [u8; 17] = [0xff; 17];
/// Rows that are folded in memory before they are written.
const FLUSH_ROWS: usize = 20_000;
/// Rows that are kept to be read again, some 200 bytes each.
const RECENT_ROWS: usize = 200_000;

/// The side that the store's record names as the live one.
pub fn recorded_side(store: &dyn Store) -> Result<Family, StoreError> {
    match store.get(Family::Meta, LIVE)?.as_deref() {
        None | Some(b"a") => Ok(Family::RowsA),
        Some(b"b") => Ok(Family::RowsB),
        Some(_) => Err(StoreError::Damaged("the record of the live rows is unreadable".into())),
    }
}

fn other(side: Family) -> Family {
    if side == Family::RowsA { Family::RowsB } else { Family::RowsA }
}

/// Adds to a commit the note that its side holds all rows up to this position.
pub fn note_applied(batch: &mut Batch, side: Family, position: u64) {
    batch.put(side, APPLIED, position.to_be_bytes());
}

fn applied(store: &dyn Store, side: Family) -> Result<u64, StoreError> {
    match store.get(side, &APPLIED)? {
        None => Ok(0),
        Some(bytes) => {
            <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_be_bytes).map_err(|_| {
                StoreError::Damaged("the record of the folded position is unreadable".into())
            })
        }
    }
}

/// Whether the live rows can be served: in this release's format, and folded up to the head.
pub fn rows_are_current(ledger: &Ledger) -> Result<bool, ProjectionError> {
    let store = ledger.store().as_ref();
    let head = ledger.head().position;
    let format = store.get(Family::Meta, ROWS_FORMAT)?;
    if head == 0 {
        return Ok(true);
    }
    Ok(format.as_deref() == Some(&FORMAT.to_be_bytes())
        && applied(store, recorded_side(store)?)? == head)
}

/// Marks a new store's rows as being in this release's format.
pub fn note_format(batch: &mut Batch) {
    batch.put(Family::Meta, ROWS_FORMAT, FORMAT.to_be_bytes());
}

/// How rebuilt and live rows compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Versions of rows compared.
    pub rows: u64,
    /// Versions that only one side has, or that differ.
    pub different: u64,
    /// The first difference: the table's number and the position.
    pub first: Option<(u8, u64)>,
}

/// Folds the events of positions `from` to the head into the side that is not live. From 1 it is cleared
/// first. Calls `progress` with each position.
pub fn fold_aside(
    ledger: &Ledger,
    from: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, ProjectionError> {
    let store = ledger.store().as_ref();
    let side = other(recorded_side(store)?);
    if from <= 1 {
        store.clear(side)?;
    } else if applied(store, side)? + 1 != from {
        return Err(ProjectionError::Unfit {
            change: "rebuild",
            position: from,
            what: "the rows aside are not folded up to the event before".into(),
        });
    }
    let mut builder = Builder { store, side, recent: HashMap::new(), batch: Batch::default() };
    let mut last = from.saturating_sub(1);
    let mut failed = None;
    ledger.read(from, &mut |position, frame| {
        if let Err(error) = builder.event(position, frame) {
            failed = Some(error);
            return Ok(false);
        }
        last = position;
        progress(position);
        Ok(true)
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    builder.flush(last)?;
    Ok(last)
}

/// Compares the side that is not live, folded up to `position`, with the live rows up to there.
pub fn compare(ledger: &Ledger, position: u64) -> Result<Comparison, ProjectionError> {
    let store = ledger.store().as_ref();
    let live = recorded_side(store)?;
    let mut comparison = Comparison::default();
    store::walk_through(store, live, |one| {
        store::walk_through(store, other(live), |two| {
            one.seek(&[])?;
            two.seek(&[])?;
            loop {
                skip(one, position)?;
                skip(two, position)?;
                let order = match (one.current(), two.current()) {
                    (None, None) => return Ok(()),
                    (Some(_), None) => std::cmp::Ordering::Less,
                    (None, Some(_)) => std::cmp::Ordering::Greater,
                    (Some((one, _)), Some((two, _))) => one.cmp(two),
                };
                let same = order.is_eq()
                    && one.current().map(|(_, value)| value)
                        == two.current().map(|(_, value)| value);
                comparison.rows += 1;
                if !same {
                    comparison.different += 1;
                    let at = if order.is_gt() { two.current() } else { one.current() };
                    let place =
                        at.and_then(|(key, _)| Some((*key.get(16)?, row::split_stored(key)?.1)));
                    comparison.first = comparison.first.or(place);
                }
                if order.is_le() {
                    one.advance()?;
                }
                if order.is_ge() {
                    two.advance()?;
                }
            }
        })
    })?;
    Ok(comparison)
}

/// Moves past the note of the folded position and past versions later than `position`.
fn skip(cursor: &mut dyn Cursor, position: u64) -> Result<(), StoreError> {
    while let Some((key, _)) = cursor.current() {
        let later = row::split_stored(key).is_some_and(|(_, version)| version > position);
        if key != APPLIED && !later {
            return Ok(());
        }
        cursor.advance()?;
    }
    Ok(())
}

/// Makes the other side live. It must be folded to the head, and nothing may be appended meanwhile. The
/// side that was live stays until the next fold aside, for the views that still read it.
pub fn swap(projections: &Projections) -> Result<(), ProjectionError> {
    let ledger = projections.ledger();
    let store = ledger.store().as_ref();
    let old = recorded_side(store)?;
    let head = ledger.head().position;
    if applied(store, other(old))? != head {
        return Err(ProjectionError::Unfit {
            change: "rebuild",
            position: head,
            what: "the new rows are not folded up to the head".into(),
        });
    }
    let mut batch = Batch::default();
    let name: &[u8] = if old == Family::RowsA { b"b" } else { b"a" };
    batch.put(Family::Meta, LIVE, name);
    note_format(&mut batch);
    store.commit(&batch, Durability::Synced)?;
    projections.swapped(other(old), head);
    Ok(())
}

/// Clears the side that is not live.
pub fn discard(ledger: &Ledger) -> Result<(), ProjectionError> {
    let store = ledger.store().as_ref();
    Ok(store.clear(other(recorded_side(store)?))?)
}

struct Builder<'a> {
    store: &'a dyn Store,
    side: Family,
    /// The newest rows, by account and key: all that are not written yet, and more.
    recent: HashMap<Vec<u8>, Option<Vec<u8>>>,
    batch: Batch,
}

impl Builder<'_> {
    fn event(&mut self, position: u64, frame: &Frame<'_>) -> Result<(), ProjectionError> {
        let event = Event::decode(frame.body)?;
        let meta = Meta { account: frame.header.account, position, at: frame.header.happened_at };
        let mut rows = EventRows { builder: self, written: Vec::new() };
        for change in &event.changes {
            fold::fold(change, &meta, &mut rows)?;
        }
        // A row that one event wrote twice has one version: the last.
        let written = rows.written;
        for prefix in written {
            if let Some(row) = self.recent.get(&prefix) {
                let key = [prefix.as_slice(), &(!position).to_be_bytes()].concat();
                self.batch.put(self.side, key, row::stored_value(row.as_deref()));
            }
        }
        let at = (frame.header.account, position);
        postings::write(at, frame.header.actor, &event, self.side, &mut self.batch);
        if self.batch.rows().len() >= FLUSH_ROWS {
            self.flush(position)?;
        }
        Ok(())
    }

    fn flush(&mut self, position: u64) -> Result<(), ProjectionError> {
        note_applied(&mut self.batch, self.side, position);
        self.store.commit(&std::mem::take(&mut self.batch), Durability::Buffered)?;
        if self.recent.len() > RECENT_ROWS {
            self.recent.clear();
        }
        Ok(())
    }
}

struct EventRows<'a, 'b> {
    builder: &'a mut Builder<'b>,
    written: Vec<Vec<u8>>,
}

impl RowsMut for EventRows<'_, '_> {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        let prefix = row::stored_prefix(account, key);
        if let Some(row) = self.builder.recent.get(&prefix) {
            return Ok(row.clone());
        }
        let sought = row::stored_key(account, key, u64::MAX);
        let newest = self.builder.store.version(self.builder.side, &sought)?;
        match newest {
            None => Ok(None),
            Some((_, value)) => Ok(row::read_value(&value)?.map(<[u8]>::to_vec)),
        }
    }

    fn put(&mut self, account: AccountId, key: Vec<u8>, row: Option<Vec<u8>>) {
        let prefix = row::stored_prefix(account, &key);
        self.builder.recent.insert(prefix.clone(), row);
        if !self.written.contains(&prefix) {
            self.written.push(prefix);
        }
    }
}
