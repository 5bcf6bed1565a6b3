//! The pen: the one thread that writes the activity book.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dropped;
use super::queue::{Note, Queue};
use super::receipt::Receipt;
use super::segment::{self, Tip};
use super::steps::Steps;
use super::usage::Use;
use super::{CLEAN, Shared};
use crate::base::clock::Clock;
use crate::base::notice::notice;
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::ProjectionError;
use crate::store::head::{Head, HeadFile};
use crate::store::reserve::Reserve;
use crate::store::{Batch, Durability, Family, Store, StoreError};

/// How often old segments are looked for, in seconds, and how many are removed in one commit.
const FORGET_EVERY: u64 = 600;
const FORGET_AT_ONCE: usize = 1_000;
/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Spans of which it is remembered that their first use is kept; beyond it all are looked for again.
const REMEMBERED: usize = 20_000;
/// Notes in one commit after the disk was full.
const PORTION: usize = 50;

/// Where the book is kept.
pub struct Disk {
    /// Its rows.
    pub store: Arc<dyn Store>,
    /// Its HEAD.
    pub head: Arc<dyn HeadFile>,
    /// What is given free for receipts when there is no other room.
    pub reserve: Arc<Reserve>,
}

/// The writer's side: the end of the chain.
pub struct Pen {
    disk: Disk,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    tip: Tip,
    forgot: Timestamp,
    /// The last steps of devices that were written.
    steps: Steps,
    /// Keys of spans whose first use is kept.
    used: HashSet<Vec<u8>>,
}

impl Pen {
    /// Finds the end of the chain, and refuses a book that is short of its HEAD.
    pub fn load(
        disk: Disk,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Self, ProjectionError> {
        let tip = segment::last(disk.store.as_ref())?;
        let kept = match disk.head.read()? {
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
        let (forgot, steps, used) = (Timestamp::EPOCH, Steps::default(), HashSet::new());
        Ok(Pen { disk, clock, shared, tip, forgot, steps, used })
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
        self.disk.store.commit(&batch, Durability::Synced)?;
        self.disk.head.write(&Head { position: tip.number, root: [0; 32], tip: tip.chain })?;
        self.tip = tip;
        Ok(())
    }

    /// Writes until the queue is closed and empty, then marks the stop as clean.
    pub fn run(mut self, queue: &Queue) {
        let mut tried = Instant::now();
        loop {
            // A spent reserve is restored even if nobody asks anything: writes wait for that.
            let spent = self.disk.reserve.is_spent();
            let Some(group) = queue.take(spent.then_some(RETRY)) else { break };
            if spent && tried.elapsed() >= RETRY {
                if let Err(error) = self.disk.reserve.restore() {
                    notice(format_args!("{error}"));
                }
                tried = Instant::now();
            }
            if !group.is_empty() {
                self.commit(&group);
                self.forget();
            }
        }
        let mut batch = Batch::default();
        batch.put(Family::Meta, CLEAN, *b"1");
        if self.shared.failing.load(Ordering::Relaxed) {
            notice(format_args!(
                "the newest receipts could not be kept; the next start records that"
            ));
        } else if let Err(error) = self.disk.store.commit(&batch, Durability::Synced) {
            notice(format_args!("the activity book was not closed cleanly: {error}"));
        }
    }

    /// Writes a group, and tries again while the disk is full: meanwhile new requests are refused. After
    /// any other failure nobody knows what is durable: no receipt is kept, and no request answered, any
    /// more.
    fn commit(&mut self, group: &[Note]) {
        let outcome = loop {
            let receipts = group.iter().filter_map(|note| note.receipt.as_ref());
            let dropped = group.iter().filter_map(|note| note.dropped);
            let outcome = self.drop_all(dropped).and_then(|()| {
                let (batch, first) = self.beside(group)?;
                self.write(receipts, batch)?;
                self.remember(first);
                Ok(())
            });
            let Err(error) = outcome else { break Ok(()) };
            let failure = match error.store_error() {
                Some(full @ StoreError::NoSpace(_)) => match self.wait_for_room(full) {
                    // What is too much for the room there is must not use all of it up in vain.
                    Ok(()) if group.len() > PORTION => {
                        return group.chunks(PORTION).for_each(|part| self.commit(part));
                    }
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Some(other) => other.clone(),
                None => StoreError::Failed(error.to_string()),
            };
            notice(format_args!("the activity book failed, and with it every request: {failure}"));
            break Err(failure);
        };
        if outcome.is_ok() {
            let codes = group.iter().filter_map(|note| note.code.as_ref());
            codes.for_each(|code| {
                self.steps.advance(&code.device, code.step);
            });
        }
        self.shared.failing.store(outcome.is_err(), Ordering::Relaxed);
        for done in group.iter().filter_map(|note| note.done.as_ref()) {
            let _ = done.send(outcome.clone());
        }
    }

    /// Opens the store again once there is room, if need be that of the reserve. Until then it stays as it
    /// is, so that sessions can be read.
    fn wait_for_room(&self, full: &StoreError) -> Result<(), StoreError> {
        if self.disk.reserve.spend()? {
            notice(format_args!("receipts are kept on the reserve: {full}"));
        } else {
            self.shared.failing.store(true, Ordering::Relaxed);
            notice(format_args!("receipts wait for the disk: {full}"));
        }
        loop {
            if self.disk.store.has_room() {
                match self.disk.store.reopen() {
                    Err(StoreError::NoSpace(_)) => {}
                    outcome => return outcome,
                }
            }
            if self.shared.closing.load(Ordering::Relaxed) {
                return Err(full.clone());
            }
            self.shared.failing.store(true, Ordering::Relaxed);
            std::thread::sleep(RETRY);
        }
    }

    /// Removes segments that are older than the retention, now and then.
    fn forget(&mut self) {
        let days = self.shared.days.load(Ordering::Relaxed);
        let now = self.clock.now();
        // In either direction: a clock that jumped ahead may come back.
        if days == 0 || now.seconds().abs_diff(self.forgot.seconds()) < FORGET_EVERY {
            return;
        }
        let store = self.disk.store.as_ref();
        let mut batch = Batch::default();
        let outcome =
            segment::forget(store, now, days, FORGET_AT_ONCE, &mut batch).and_then(|count| {
                store.commit(&batch, Durability::Buffered)?;
                Ok(count)
            });
        match outcome {
            // The rest with the next group.
            Ok(FORGET_AT_ONCE) => {}
            Ok(_) => self.forgot = now,
            Err(error) => {
                self.forgot = now;
                notice(format_args!("old receipts were not removed: {error}"));
            }
        }
    }

    /// Forgets what imports told of accounts.
    fn drop_all(
        &mut self,
        mut accounts: impl Iterator<Item = AccountId>,
    ) -> Result<(), ProjectionError> {
        accounts.try_for_each(|account| {
            dropped::forget(self.disk.store.as_ref(), account)?;
            // Spans that were taken may be free.
            self.used.clear();
            Ok(())
        })
    }

    /// What a group writes beside its receipts, and the spans that it is the first to use something in. A
    /// device's steps go forward, in whichever order they come.
    fn beside(&self, group: &[Note]) -> Result<(Batch, Vec<Vec<u8>>), ProjectionError> {
        let mut batch = Batch::default();
        let mut first: BTreeMap<Vec<u8>, &Use> = BTreeMap::new();
        let mut codes: BTreeMap<&UniqueId, u64> = BTreeMap::new();
        for note in group {
            if let Some((key, session)) = &note.session {
                batch.put(Family::Sessions, key.clone(), session.clone());
            }
            if let Some(begun) = &note.begun {
                batch.put(Family::Sessions, begun.clone(), Vec::new());
            }
            if let Some(code) = &note.code {
                let last = codes.entry(&code.device).or_insert(code.step);
                *last = code.step.max(*last);
            }
            for used in &note.used {
                let key = used.key();
                if !self.used.contains(&key) {
                    let earliest = first.entry(key).or_insert(used);
                    if used.at() < earliest.at() {
                        *earliest = used;
                    }
                }
            }
        }
        for (device, step) in codes {
            if self.steps.last(device).is_none_or(|last| last < step) {
                batch.put(Family::Steps, device.as_str().as_bytes(), step.to_be_bytes());
            }
        }
        let receipts = group.iter().filter(|note| note.receipt.is_some()).count() as u64;
        let by = self.tip.number + receipts.max(1);
        for (key, used) in &first {
            if self.disk.store.get(Family::LastUsed, key)?.is_none() {
                batch.put(Family::LastUsed, key.as_slice(), used.value(by)?);
            }
        }
        Ok((batch, first.into_keys().collect()))
    }

    fn remember(&mut self, spans: Vec<Vec<u8>>) {
        if self.used.len() + spans.len() > REMEMBERED {
            self.used.clear();
        }
        self.used.extend(spans);
    }
}
