//! Verification: reads every stored byte of the ledger and says what is wrong and where.
//!
//! Checked: positions without gaps, digests, one chain per account with sequences without gaps, times
//! that never decrease, the account index both ways, every tile of the tree, its root and HEAD. What the
//! bodies mean, the rows and the blobs are checked by the layers that know them.

use std::collections::HashMap;

use super::book::Ledger;
use super::frame::{self, Frame, Hash};
use super::tree::{self, Tree};
use super::{AccountId, LedgerError, damaged};
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::store::{self, Batch, Family};

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
/// after the frame was found sound: for the layer above and for progress.
pub fn verify(
    ledger: &Ledger,
    seen: &mut dyn FnMut(u64, &Frame<'_>) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    let head = ledger.head();
    let mut accounts: HashMap<AccountId, Last> = HashMap::new();
    let mut tree = Tree::default();
    let mut tiles = Batch::default();
    let mut newest = [0; 32];
    ledger.read(1, &mut |position, frame| {
        if position > head.position {
            return Ok(false);
        }
        check_in_account(position, frame, &mut accounts)?;
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
    check_index(ledger, head.position, &accounts)?;
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

/// Every index row must name an event that says the same; together with the chains' counts this makes
/// the index complete.
fn check_index(
    ledger: &Ledger,
    head: u64,
    accounts: &HashMap<AccountId, Last>,
) -> Result<(), LedgerError> {
    let expected: u64 = accounts.values().map(|last| last.sequence).sum();
    let rows = store::walk(ledger.store().as_ref(), Family::Sequences, |cursor| {
        let mut rows = Vec::new();
        cursor.seek(&[])?;
        while let Some((key, value)) = cursor.current() {
            rows.push((key.to_vec(), value.to_vec()));
            cursor.advance()?;
        }
        Ok(rows)
    })?;
    let mut counted = 0;
    for (key, value) in rows {
        let position = <[u8; 8]>::try_from(value.as_slice())
            .map(u64::from_be_bytes)
            .map_err(|_| damaged(head, "an index row holds no position"))?;
        if position > head {
            continue;
        }
        let bytes = ledger.event(position)?;
        let header = Frame::read(position, &bytes)?.header;
        if super::book::sequence_key(header.account, header.sequence) != key {
            return Err(damaged(position, "the account's index names another event"));
        }
        counted += 1;
    }
    if counted != expected {
        return Err(damaged(head, format!("the index names {counted} of {expected} events")));
    }
    Ok(())
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
        let verified = verify(&ledger, &mut |_, _| Ok(())).unwrap();
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
                let outcome = verify(&ledger, &mut |_, _| Ok(()));
                assert!(outcome.is_err_and(|error| error.is_damage()), "{family:?} {key:?}");
                let mut batch = Batch::default();
                batch.put(*family, key.clone(), value.clone());
                store.commit(&batch, Durability::Synced).unwrap();
            }
        }
        assert_eq!(verify(&ledger, &mut |_, _| Ok(())).unwrap(), verified);
    }
}
