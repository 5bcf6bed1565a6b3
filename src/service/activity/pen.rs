//! The pen: the one thread that writes the activity book.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::queue::{Note, Queue};
use super::receipt::Receipt;
use super::segment::{self, Tip};
use super::{CLEAN, Shared, used_key};
use crate::base::clock::Clock;
use crate::base::time::Timestamp;
use crate::identity::codec;
use crate::projection::ProjectionError;
use crate::store::head::{Head, HeadFile};
use crate::store::{Batch, Durability, Family, Store, StoreError};

/// How often old segments are looked for, in seconds, and how many are removed in one commit.
const FORGET_EVERY: i64 = 600;
const FORGET_AT_ONCE: usize = 1_000;
/// Between two attempts on a full disk.
const RETRY: Duration = Duration::from_millis(500);

/// The writer's side: the end of the chain.
pub struct Pen {
    store: Arc<dyn Store>,
    head: Arc<dyn HeadFile>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    tip: Tip,
    forgot: Timestamp,
}

impl Pen {
    /// Finds the end of the chain, and refuses a book that is short of its HEAD.
    pub fn load(
        store: Arc<dyn Store>,
        head: Arc<dyn HeadFile>,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Self, ProjectionError> {
        let tip = segment::last(store.as_ref())?;
        let kept = match head.read()? {
            None if tip.number > 0 => {
                let lost = "the activity book's HEAD (ACTIVITY) is lost: restore it from a backup";
                return Err(StoreError::Damaged(lost.into()).into());
            }
            None => 0,
            Some(known) if tip.number == known.position && tip.chain != known.tip => tip.number + 1,
            Some(known) => known.position,
        };
        if tip.number < kept {
            return Err(StoreError::Damaged(format!(
                "the activity book is short: {kept} receipts were kept, {} of them are here",
                tip.number
            ))
            .into());
        }
        Ok(Pen { store, head, clock, shared, tip, forgot: Timestamp::EPOCH })
    }

    /// Receipts so far.
    pub fn number(&self) -> u64 {
        self.tip.number
    }

    /// Writes receipts beside what is in the batch. Rows first, then HEAD: a crash between them leaves the
    /// book ahead, which is fine.
    pub fn write<'a>(
        &mut self,
        receipts: impl Iterator<Item = &'a Receipt>,
        mut batch: Batch,
    ) -> Result<(), ProjectionError> {
        let tip = segment::write(self.tip, receipts, &mut batch)?;
        self.store.commit(&batch, Durability::Synced)?;
        self.head.write(&Head { position: tip.number, root: [0; 32], tip: tip.chain })?;
        self.tip = tip;
        Ok(())
    }

    /// Writes until the queue is closed and empty, then marks the stop as clean.
    pub fn run(mut self, queue: &Queue) {
        while let Some(group) = queue.take() {
            self.commit(&group);
            self.forget();
        }
        let mut batch = Batch::default();
        batch.put(Family::Meta, CLEAN, *b"1");
        if let Err(error) = self.store.commit(&batch, Durability::Synced) {
            eprintln!("domesday: the activity book was not closed cleanly: {error}");
        }
    }

    /// Writes a group, and tries again while the disk is full: meanwhile new requests are refused. After
    /// any other failure nobody knows what is durable: no receipt is kept, and no request answered, any
    /// more.
    fn commit(&mut self, group: &[Note]) {
        let done = || group.iter().filter_map(|note| note.done.as_ref());
        loop {
            let receipts = group.iter().filter_map(|note| note.receipt.as_ref());
            let outcome = beside(group).and_then(|batch| self.write(receipts, batch));
            let Err(error) = outcome else { break };
            self.shared.failing.store(true, Ordering::Relaxed);
            let failure = match error.store_error() {
                Some(StoreError::NoSpace(_)) => None,
                Some(other) => Some(other.clone()),
                None => Some(StoreError::Failed(error.to_string())),
            };
            if let Some(failure) = failure {
                eprintln!(
                    "domesday: the activity book failed, and with it every request: {failure}"
                );
                for done in done() {
                    let _ = done.send(Err(failure.clone()));
                }
                return;
            }
            eprintln!("domesday: receipts wait for the disk: {error}");
            // Closed only when there is room to open it again: until then sessions can be read.
            std::thread::sleep(RETRY);
            if self.store.has_room()
                && let Err(error) = self.store.reopen()
            {
                eprintln!("domesday: the activity book does not open: {error}");
            }
        }
        self.shared.failing.store(false, Ordering::Relaxed);
        for done in done() {
            let _ = done.send(Ok(()));
        }
    }

    /// Removes segments that are older than the retention, now and then.
    fn forget(&mut self) {
        let days = self.shared.days.load(Ordering::Relaxed);
        let now = self.clock.now();
        if days == 0 || now < self.forgot.plus_seconds(FORGET_EVERY) {
            return;
        }
        let limit = now.plus_seconds(-days * 86_400);
        let mut batch = Batch::default();
        let outcome = segment::forget(self.store.as_ref(), limit, FORGET_AT_ONCE, &mut batch)
            .and_then(|count| {
                self.store.commit(&batch, Durability::Buffered)?;
                Ok(count)
            });
        match outcome {
            // The rest with the next group.
            Ok(FORGET_AT_ONCE) => {}
            Ok(_) => self.forgot = now,
            Err(error) => {
                self.forgot = now;
                eprintln!("domesday: old receipts were not removed: {error}");
            }
        }
    }
}

/// What a group writes beside its receipts. Of uses of one thing in one hour the last is kept.
fn beside(group: &[Note]) -> Result<Batch, ProjectionError> {
    let mut batch = Batch::default();
    let mut used = BTreeMap::new();
    for note in group {
        if let Some((key, session)) = &note.session {
            batch.put(Family::Sessions, key.as_str().as_bytes(), session.clone());
        }
        for (id, last) in &note.used {
            used.insert(used_key(id, last.at), last);
        }
    }
    for (key, last) in used {
        batch.put(Family::LastUsed, key, codec::encode(last)?);
    }
    Ok(batch)
}
