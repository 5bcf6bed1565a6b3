//! Verification: reads every stored byte of the ledger and says what is wrong and where.
//!
//! Checked: positions without gaps, digests, one chain per account with sequences without gaps, times
//! that never decrease, the account index both ways, every tile of the tree, its root and HEAD. What the
//! bodies mean, the rows and the blobs are checked by the layers that know them.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::book::{Ledger, sequence_key};
use super::frame::{self, Frame, Hash, Header};
use super::log::{EventLog, LocalLog};
use super::tree::{self, Tree};
use super::{AccountId, LedgerError, damaged};
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::store::head::Head;
use crate::store::{Batch, Family, StoreError};

/// What a clean verification saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events read.
    pub events: u64,
    /// Accounts with at least one event, the system account included.
    pub accounts: usize,
    /// The root that was recomputed.
    pub root: Hash,
}

#[derive(Clone, Copy)]
struct Last {
    sequence: u64,
    chain: Hash,
    recorded_at: Timestamp,
    happened_at: Timestamp,
}

/// Verifies the whole ledger up to its head. `seen` is called with each position and frame, in order,
/// after the frame was found sound: for the layer above and for progress. `salt` is random, drawn for
/// this run: the index is compared by sums under it, which nobody could prepare for.
///
/// One thread reads and hashes ahead, another sums up the index; the rest is done on this one.
pub fn verify(
    ledger: &Ledger,
    salt: [u8; 32],
    seen: &mut dyn FnMut(u64, &Frame<'_>) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    let head = ledger.head();
    std::thread::scope(|scope| {
        // Dropped when this closure ends, well or not: then nobody reads ahead any more.
        let (chunks, read) = sync_channel(AHEAD);
        let reading = beside(scope, move || read_ahead(ledger, head.position, &chunks))?;
        let summing = beside(scope, move || sum_index(ledger, head.position, salt))?;
        let mut checks = Checks::new(salt);
        for chunk in &read {
            checks.chunk(ledger, &chunk, seen)?;
        }
        joined(reading)?;
        checks.end(&head)?;
        check_index(ledger, head.position, &checks.index, &joined(summing)?)?;
        Ok(Verified { events: head.position, accounts: checks.accounts.len(), root: head.root })
    })
}

/// Frames in a chunk, and chunks that are read ahead.
const CHUNK: usize = 1_024;
const AHEAD: usize = 4;

/// Frames one after another, and where each ends; with their hashes as leaves of the tree.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    frames: Vec<(usize, Hash)>,
}

impl Chunk {
    fn frames(&self) -> impl Iterator<Item = (&[u8], Hash)> {
        let starts = std::iter::once(0).chain(self.frames.iter().map(|(end, _)| *end));
        let frame = |(start, (end, leaf)): (usize, &(usize, Hash))| {
            (self.bytes.get(start..*end).unwrap_or_default(), *leaf)
        };
        starts.zip(&self.frames).map(frame)
    }
}

/// Reads all frames up to the head, until nobody takes them any more. The store is not held while they
/// wait to be taken.
fn read_ahead(ledger: &Ledger, head: u64, to: &SyncSender<Chunk>) -> Result<(), LedgerError> {
    let log = LocalLog::new(ledger.store().clone());
    let mut next = 1;
    while next <= head {
        let mut chunk = Chunk::default();
        log.read(next, &mut |position, frame| {
            if position > head {
                return Ok(false);
            }
            chunk.bytes.extend_from_slice(frame);
            chunk.frames.push((chunk.bytes.len(), tree::leaf_hash(frame)));
            Ok(chunk.frames.len() < CHUNK)
        })?;
        next += chunk.frames.len() as u64;
        if chunk.frames.is_empty() || to.send(chunk).is_err() {
            break;
        }
    }
    Ok(())
}

fn beside<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, StoreError> {
    let thread = Builder::new().name("verify".into()).spawn_scoped(scope, body);
    thread.map_err(|error| StoreError::Failed(error.to_string()))
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, LedgerError>>) -> Result<T, LedgerError> {
    let failed = |_| StoreError::Failed("a thread of the verification failed".into());
    thread.join().map_err(failed)?
}

/// What is known of the events so far.
struct Checks {
    accounts: HashMap<AccountId, Last>,
    tree: Tree,
    tiles: Batch,
    newest: Hash,
    index: IndexSum,
}

impl Checks {
    fn new(salt: [u8; 32]) -> Self {
        Checks {
            accounts: HashMap::new(),
            tree: Tree::default(),
            tiles: Batch::default(),
            newest: [0; 32],
            index: IndexSum::new(salt),
        }
    }

    fn chunk(
        &mut self,
        ledger: &Ledger,
        chunk: &Chunk,
        seen: &mut dyn FnMut(u64, &Frame<'_>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        for (bytes, leaf) in chunk.frames() {
            let position = self.tree.size() + 1;
            let frame = Frame::read(position, bytes)?;
            check_in_account(position, &frame, &mut self.accounts)?;
            let Header { account, sequence, .. } = frame.header;
            self.index.add(&sequence_key(account, sequence), &position.to_be_bytes());
            self.newest = frame.chain;
            self.tree.append(leaf, &mut self.tiles);
            if !self.tiles.is_empty() {
                check_tiles(ledger, position, &self.tiles)?;
                self.tiles = Batch::default();
            }
            seen(position, &frame)?;
        }
        Ok(())
    }

    /// That they are all, and those that HEAD names.
    fn end(&self, head: &Head) -> Result<(), LedgerError> {
        if self.tree.size() != head.position {
            let found = self.tree.size();
            return Err(LedgerError::Short { acknowledged: head.position, found });
        }
        let root = self.tree.root();
        if root != head.root {
            let [root, named] = [hex(&root), hex(&head.root)];
            let what = format!("the tree's root is {root}, HEAD says {named}");
            return Err(damaged(head.position, what));
        }
        if self.newest != head.tip {
            return Err(damaged(head.position, "the newest event is not the one that HEAD names"));
        }
        Ok(())
    }
}

fn check_in_account(
    position: u64,
    frame: &Frame<'_>,
    accounts: &mut HashMap<AccountId, Last>,
) -> Result<(), LedgerError> {
    let header = &frame.header;
    let last = accounts.entry(header.account).or_insert(Last {
        sequence: 0,
        chain: [0; 32],
        recorded_at: Timestamp::EPOCH,
        happened_at: Timestamp::EPOCH,
    });
    if header.sequence != last.sequence + 1 {
        return Err(damaged(
            position,
            format!("the account's event {} follows its event {}", header.sequence, last.sequence),
        ));
    }
    if frame::link(&last.chain, &frame.digest) != frame.chain {
        return Err(damaged(position, "the event does not follow its account's chain"));
    }
    if header.recorded_at < last.recorded_at || header.happened_at < last.happened_at {
        return Err(damaged(position, "the event is older than the one before it"));
    }
    *last = Last {
        sequence: header.sequence,
        chain: frame.chain,
        recorded_at: header.recorded_at,
        happened_at: header.happened_at,
    };
    Ok(())
}

fn check_tiles(ledger: &Ledger, position: u64, tiles: &Batch) -> Result<(), LedgerError> {
    for (family, key, expected) in tiles.rows() {
        let found = ledger.store().get(*family, key)?;
        if found != *expected {
            return Err(damaged(position, "a tile of the tree is not what its events give"));
        }
    }
    Ok(())
}

/// The sum, under a key of this run alone, of what an index names: equal sums are equal sets.
struct IndexSum {
    key: [u8; 32],
    sum: u128,
    count: u64,
}

impl IndexSum {
    fn new(key: [u8; 32]) -> Self {
        IndexSum { key, sum: 0, count: 0 }
    }

    fn add(&mut self, index_key: &[u8], position: &[u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(index_key).update(position);
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(bytes));
        self.count += 1;
    }
}

/// What the index names, summed up.
fn sum_index(ledger: &Ledger, head: u64, salt: [u8; 32]) -> Result<IndexSum, LedgerError> {
    let mut found = IndexSum::new(salt);
    each_index_row(ledger, head, &mut |key, _, value| {
        found.add(key, value);
        Ok(())
    })?;
    Ok(found)
}

/// Every index row must name an event that says the same, and every event must have one: the rows that were
/// `found` must add up to those `expected`. Only if they do not is each looked at, to say which is wrong.
fn check_index(
    ledger: &Ledger,
    head: u64,
    expected: &IndexSum,
    found: &IndexSum,
) -> Result<(), LedgerError> {
    if (found.sum, found.count) == (expected.sum, expected.count) {
        return Ok(());
    }
    each_index_row(ledger, head, &mut |key, position, _| {
        let bytes = ledger.event(position)?;
        let header = Frame::read(position, &bytes)?.header;
        if sequence_key(header.account, header.sequence) == key {
            Ok(())
        } else {
            Err(damaged(position, "the account's index names another event"))
        }
    })?;
    Err(damaged(head, format!("the index names {} of {} events", found.count, expected.count)))
}

/// What is done with an index row: its key, the position it names, and its value.
type EachIndexRow<'a> = &'a mut dyn FnMut(&[u8], u64, &[u8]) -> Result<(), LedgerError>;

/// Visits each index row up to the head.
fn each_index_row(ledger: &Ledger, head: u64, visit: EachIndexRow<'_>) -> Result<(), LedgerError> {
    let mut outcome = Ok(());
    ledger.store().walk_through(Family::Sequences, &mut |cursor| {
        cursor.seek(&[])?;
        while let Some((key, value)) = cursor.current() {
            let position = <[u8; 8]>::try_from(value).map(u64::from_be_bytes);
            outcome = match position {
                Err(_) => Err(damaged(head, "an index row holds no position")),
                Ok(position) if position > head => Ok(()),
                Ok(position) => visit(key, position, value),
            };
            if outcome.is_err() {
                return Ok(());
            }
            cursor.advance()?;
        }
        Ok(())
    })?;
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::ledger::{Actor, Entry, LedgerWriter};
    use crate::store::head::MemoryHead;
    use crate::store::memory::MemoryStore;
    use crate::store::{Durability, Store};

    #[test]
    fn any_altered_row_is_found() {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(SimulatedClock::new(Timestamp::from_seconds(5)));
        let mut writer =
            LedgerWriter::open(store.clone(), Arc::new(MemoryHead::default()), clock).unwrap();
        for n in 0u32..600 {
            let account = AccountId([(n % 4) as u8; 16]);
            let (_, at) = writer.next(account).unwrap();
            let body = n.to_be_bytes().to_vec();
            let entry = Entry { account, happened_at: None, actor: Actor::operator(), body };
            writer.stage(&entry, at).unwrap();
        }
        writer.commit(Batch::default()).unwrap();
        let ledger = writer.reader();
        let verified = verify(&ledger, [7; 32], &mut |_, _| Ok(())).unwrap();
        assert_eq!((verified.events, verified.accounts), (600, 4));

        let mut rows = Vec::new();
        for family in [Family::Events, Family::Sequences, Family::Tiles] {
            store
                .walk(family, &mut |cursor| {
                    cursor.seek(&[])?;
                    while let Some((key, value)) = cursor.current() {
                        rows.push((family, key.to_vec(), value.to_vec()));
                        cursor.advance()?;
                    }
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(rows.len(), 600 + 600 + 2);
        for (number, (family, key, value)) in rows.iter().enumerate().step_by(29) {
            for damage in 0..2 {
                let mut batch = Batch::default();
                if damage == 0 {
                    batch.delete(*family, key.clone());
                } else {
                    let mut altered = value.clone();
                    let at = number % altered.len();
                    altered[at] ^= 0x10;
                    batch.put(*family, key.clone(), altered);
                }
                store.commit(&batch, Durability::Synced).unwrap();
                let outcome = verify(&ledger, [7; 32], &mut |_, _| Ok(()));
                assert!(outcome.is_err_and(|error| error.is_damage()), "{family:?} {key:?}");
                let mut batch = Batch::default();
                batch.put(*family, key.clone(), value.clone());
                store.commit(&batch, Durability::Synced).unwrap();
            }
        }
        assert_eq!(verify(&ledger, [7; 32], &mut |_, _| Ok(())).unwrap(), verified);
    }
}
