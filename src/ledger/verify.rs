//! Verification: reads every stored byte of the ledger and says what is wrong and where.
//!
//! Checked: positions without gaps, digests, one chain per account with sequences without gaps, times
//! that never decrease, the account index both ways, every tile of the tree, its root and HEAD. What the
//! bodies mean, the rows and the blobs are checked by the layers that know them.

use std::collections::HashMap;

use super::book::{Ledger, sequence_key};
use super::frame::{self, Frame, Hash, Header};
use super::tree::{self, Tree};
use super::{AccountId, LedgerError, damaged};
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::store::{Batch, Family};

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
pub fn verify(
    ledger: &Ledger,
    salt: [u8; 32],
    seen: &mut dyn FnMut(u64, &Frame<'_>) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    let head = ledger.head();
    let mut accounts: HashMap<AccountId, Last> = HashMap::new();
    let mut tree = Tree::default();
    let mut tiles = Batch::default();
    let mut newest = [0; 32];
    let mut index = IndexSum::new(salt);
    ledger.read(1, &mut |position, frame| {
        if position > head.position {
            return Ok(false);
        }
        check_in_account(position, frame, &mut accounts)?;
        let Header { account, sequence, .. } = frame.header;
        index.add(&sequence_key(account, sequence), &position.to_be_bytes());
        newest = frame.chain;
        tree.append(tree::leaf_hash(frame.bytes), &mut tiles);
        if !tiles.is_empty() {
            check_tiles(ledger, position, &tiles)?;
            tiles = Batch::default();
        }
        seen(position, frame)?;
        Ok(true)
    })?;
    if tree.size() != head.position {
        return Err(LedgerError::Short { acknowledged: head.position, found: tree.size() });
    }
    if tree.root() != head.root {
        return Err(damaged(
            head.position,
            format!("the tree's root is {}, HEAD says {}", hex(&tree.root()), hex(&head.root)),
        ));
    }
    if newest != head.tip {
        return Err(damaged(head.position, "the newest event is not the one that HEAD names"));
    }
    check_index(ledger, head.position, &index)?;
    Ok(Verified { events: head.position, accounts: accounts.len(), root: head.root })
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

/// Every index row must name an event that says the same, and every event must have one: the rows must
/// add up to `expected`. Only if they do not is each looked at, to say which is wrong.
fn check_index(ledger: &Ledger, head: u64, expected: &IndexSum) -> Result<(), LedgerError> {
    let mut found = IndexSum::new(expected.key);
    each_index_row(ledger, head, &mut |key, _, value| {
        found.add(key, value);
        Ok(())
    })?;
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
    ledger.store().walk(Family::Sequences, &mut |cursor| {
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
