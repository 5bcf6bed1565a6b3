//! The ordered log underneath a ledger.
//!
//! This trait is what an engine of more than one machine will implement later; it is trusted for order
//! and availability only. Chains, tree and proofs live above it. There is no delete and no truncate.

use std::sync::Arc;

use super::LedgerError;
use crate::store::{self, Batch, Durability, Family, Store, StoreError};

/// What a reader does with each event: position and frame. `false` stops the reading.
pub type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<bool, LedgerError>;

/// One ordered log of frames, positions from 1 without gaps.
pub trait EventLog: Send + Sync {
    /// Events in the log.
    fn head(&self) -> Result<u64, LedgerError>;
    /// Appends frames after position `expected`, together with the rows that follow from them, and
    /// returns once all of it is durable. [`LedgerError::Conflict`] if the log is elsewhere.
    fn append(&self, expected: u64, frames: Vec<Vec<u8>>, rows: Batch) -> Result<(), LedgerError>;
    /// Reads on from position `from` to the end, in order; a gap is an error. Call again with the next
    /// position to follow a growing log.
    fn read(&self, from: u64, visit: Visit<'_>) -> Result<(), LedgerError>;
}

/// The log in a local store: frames and rows in one synced batch.
pub struct LocalLog {
    store: Arc<dyn Store>,
}

impl LocalLog {
    /// The log of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        LocalLog { store }
    }
}

impl EventLog for LocalLog {
    fn head(&self) -> Result<u64, LedgerError> {
        let last = store::walk(self.store.as_ref(), Family::Events, |cursor| {
            cursor.seek_back(&u64::MAX.to_be_bytes())?;
            Ok(cursor.current().map(|(key, _)| key.to_vec()))
        })?;
        last.map_or(Ok(0), |key| position_of(&key))
    }

    fn append(&self, expected: u64, frames: Vec<Vec<u8>>, rows: Batch) -> Result<(), LedgerError> {
        let found = self.head()?;
        if found != expected {
            return Err(LedgerError::Conflict { expected, found });
        }
        let mut batch = rows;
        for (position, frame) in (expected + 1..).zip(frames) {
            batch.put(Family::Events, position.to_be_bytes(), frame);
        }
        Ok(self.store.commit(&batch, Durability::Synced)?)
    }

    fn read(&self, from: u64, visit: Visit<'_>) -> Result<(), LedgerError> {
        let mut outcome = Ok(());
        self.store.walk_through(Family::Events, &mut |cursor| {
            let mut expected = from.max(1);
            cursor.seek(&expected.to_be_bytes())?;
            while let Some((key, frame)) = cursor.current() {
                let step = position_of(key).and_then(|position| {
                    if position != expected {
                        return Err(super::damaged(
                            expected,
                            format!("events {expected} to {} are missing", position - 1),
                        ));
                    }
                    visit(position, frame)
                });
                match step {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => {
                        outcome = Err(error);
                        return Ok(());
                    }
                }
                expected += 1;
                cursor.advance()?;
            }
            Ok(())
        })?;
        outcome
    }
}

fn position_of(key: &[u8]) -> Result<u64, LedgerError> {
    <[u8; 8]>::try_from(key).map(u64::from_be_bytes).map_err(|_| {
        LedgerError::Store(StoreError::Damaged("a key of the event family is no position".into()))
    })
}
