//! The book: one writer that appends and any number of readers.
//!
//! The commit, strictly in this order, and what a crash after each step leaves:
//!
//! 1. [`LedgerWriter::stage`] frames events in memory. Crash: nothing happened.
//! 2. [`LedgerWriter::commit`] writes frames, indexes, tiles and the caller's rows in one synced batch.
//!    Crash: the log is ahead of HEAD by events nobody was told of; the next open verifies them and
//!    moves HEAD.
//! 3. HEAD is written and synced. Crash: as if it had been answered.
//! 4. The new head is published to readers; only then may the caller answer.
//!
//! After a failed commit the writer refuses all work until it is opened again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::frame::{self, Actor, Frame, Hash, Header};
use super::hashes::TileCache;
use super::log::{EventLog, LocalLog, Visit};
use super::tree::{self, Tree};
use super::{AccountId, LedgerError, damaged};
use crate::base::clock::Clock;
use crate::base::time::Timestamp;
use crate::store::head::{Head, HeadFile};
use crate::store::{self, Batch, Family, Store, StoreError};

/// How many of the newest events an open reads and checks.
pub const CHECKED_ON_OPEN: u64 = 10_000;

/// The readers' side of a ledger. Cheap to clone; sees what was acknowledged.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    published: Arc<RwLock<Head>>,
    edge: Arc<RwLock<Tree>>,
    tiles: Arc<TileCache>,
}

/// What is appended: the frame's parts that the writer does not set itself.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose history it belongs to.
    pub account: AccountId,
    /// When it took effect; `None` for now. Never before the account's newest event.
    pub happened_at: Option<Timestamp>,
    /// Who did it.
    pub actor: Actor,
    /// What changed.
    pub body: Vec<u8>,
}

/// The newest event of an account, as its chain continues from it.
#[derive(Clone, Copy, Debug)]
struct Tip {
    sequence: u64,
    chain: Hash,
    recorded_at: Timestamp,
    happened_at: Timestamp,
}

impl Tip {
    const NONE: Tip = Tip {
        sequence: 0,
        chain: [0; 32],
        recorded_at: Timestamp::EPOCH,
        happened_at: Timestamp::EPOCH,
    };
}

/// The one writer.
pub struct LedgerWriter {
    store: Arc<dyn Store>,
    log: Box<dyn EventLog>,
    head_file: Arc<dyn HeadFile>,
    clock: Arc<dyn Clock>,
    published: Arc<RwLock<Head>>,
    /// A copy of the tree as of the published head, or of a later one that is durable.
    edge: Arc<RwLock<Tree>>,
    head: Head,
    tree: Tree,
    tips: HashMap<AccountId, Tip>,
    frames: Vec<Vec<u8>>,
    rows: Batch,
    failed: bool,
}

/// Accounts whose newest event is kept at hand; beyond it they are read again.
const TIPS_KEPT: usize = 10_000;

impl LedgerWriter {
    /// Opens a ledger: compares the log with HEAD, checks the newest events, root and tip, and takes in
    /// what is durable but was never acknowledged.
    pub fn open(
        store: Arc<dyn Store>,
        head_file: Arc<dyn HeadFile>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let log = Box::new(LocalLog::new(store.clone()));
        let mut writer = LedgerWriter {
            store,
            log,
            head_file,
            clock,
            published: Arc::new(RwLock::new(NOTHING)),
            edge: Arc::default(),
            head: NOTHING,
            tree: Tree::default(),
            tips: HashMap::new(),
            frames: Vec::new(),
            rows: Batch::default(),
            failed: false,
        };
        writer.load(|_| {})?;
        Ok(writer)
    }

    /// The readers' side.
    pub fn reader(&self) -> Ledger {
        Ledger {
            store: self.store.clone(),
            published: self.published.clone(),
            edge: self.edge.clone(),
            tiles: Arc::default(),
        }
    }

    /// Starts over from what is stored, after a failed commit and a reopened store. Staged events are
    /// forgotten, durable ones taken in.
    /// `then` is called before readers know of them.
    pub fn recover(&mut self, then: impl FnOnce(&Head)) -> Result<(), LedgerError> {
        self.load(then)
    }

    fn load(&mut self, then: impl FnOnce(&Head)) -> Result<(), LedgerError> {
        self.tips.clear();
        self.frames.clear();
        self.rows = Batch::default();
        let found = self.log.head()?;
        let known = match self.head_file.read()? {
            Some(head) => head,
            // HEAD is written before the first event can be: without it nobody knows what is missing.
            None if found > 0 => {
                return Err(StoreError::Damaged(format!(
                    "HEAD is lost, and {found} events are here: restore HEAD from a backup"
                ))
                .into());
            }
            None => {
                self.head_file.write(&NOTHING)?;
                NOTHING
            }
        };
        if found < known.position {
            return Err(LedgerError::Short { acknowledged: known.position, found });
        }
        // Before the tree: an altered event is named by its position, not by the root that it spoils.
        let tip = check_newest(self.store.as_ref(), self.log.as_ref(), &known, found)?;
        let mut tree = Tree::load(self.store.as_ref(), known.position)?;
        if tree.root() != known.root {
            return Err(damaged(known.position, "the tree does not have the root that HEAD names"));
        }
        if found > known.position {
            // Durable, never acknowledged. Their tiles were written with them; append writes the same.
            let mut tiles = Batch::default();
            self.log.read(known.position + 1, &mut |_, bytes| {
                tree.append(tree::leaf_hash(bytes), &mut tiles);
                Ok(true)
            })?;
        }
        let head = Head { position: found, root: tree.root(), tip };
        if head != known {
            self.head_file.write(&head)?;
        }
        self.tree = tree;
        self.head = head;
        self.failed = false;
        then(&head);
        self.publish(head);
        Ok(())
    }

    /// Where the next staged event of this account will stand, and the instant it will bear.
    pub fn next(&mut self, account: AccountId) -> Result<(u64, Timestamp), LedgerError> {
        let tip = self.tip(account)?;
        let recorded_at = self.clock.now().max(tip.recorded_at).max(tip.happened_at);
        Ok((self.head.position + self.frames.len() as u64 + 1, recorded_at))
    }

    /// When an event of this account takes effect that is said to have at an instant: never before its newest one.
    pub fn not_before(
        &mut self,
        account: AccountId,
        happened_at: Timestamp,
    ) -> Result<Timestamp, LedgerError> {
        Ok(happened_at.max(self.tip(account)?.happened_at))
    }

    /// Frames an event; it is durable after the next [`commit`](Self::commit). `recorded_at` is what
    /// [`next`](Self::next) gave.
    pub fn stage(&mut self, entry: &Entry, recorded_at: Timestamp) -> Result<u64, LedgerError> {
        let tip = self.tip(entry.account)?;
        let header = Header {
            account: entry.account,
            sequence: tip.sequence + 1,
            recorded_at: recorded_at.max(tip.recorded_at),
            happened_at: entry.happened_at.unwrap_or(recorded_at).max(tip.happened_at),
            actor: entry.actor,
        };
        let (bytes, chain) = frame::encode(&header, &entry.body, &tip.chain)?;
        self.tree.append(tree::leaf_hash(&bytes), &mut self.rows);
        self.frames.push(bytes);
        let position = self.head.position + self.frames.len() as u64;
        self.rows.put(
            Family::Sequences,
            sequence_key(entry.account, header.sequence),
            position.to_be_bytes(),
        );
        self.tips.insert(
            entry.account,
            Tip {
                sequence: header.sequence,
                chain,
                recorded_at: header.recorded_at,
                happened_at: header.happened_at,
            },
        );
        self.head.tip = chain;
        Ok(position)
    }

    /// Events staged and not yet committed.
    pub fn staged(&self) -> usize {
        self.frames.len()
    }

    /// Makes the staged events and these rows durable, moves HEAD and publishes it to readers.
    pub fn commit(&mut self, rows: Batch) -> Result<Head, LedgerError> {
        self.commit_then(rows, |_| {})
    }

    /// As [`commit`](Self::commit); `then` is called when all of it is durable and no reader knows of it
    /// yet.
    pub fn commit_then(
        &mut self,
        rows: Batch,
        then: impl FnOnce(&Head),
    ) -> Result<Head, LedgerError> {
        if self.failed {
            self.frames.clear();
            self.rows = Batch::default();
            return Err(LedgerError::Store(StoreError::Failed(
                "an earlier commit failed; the ledger must be opened again".into(),
            )));
        }
        let frames = std::mem::take(&mut self.frames);
        let count = frames.len() as u64;
        let mut batch = std::mem::take(&mut self.rows);
        batch.extend(rows);
        let head = Head {
            position: self.head.position + count,
            root: self.tree.root(),
            tip: self.head.tip,
        };
        // Until the last step has worked, nobody knows what is durable.
        self.failed = true;
        self.log.append(self.head.position, frames, batch)?;
        if count > 0 {
            self.head_file.write(&head)?;
        }
        self.failed = false;
        self.head = head;
        then(&head);
        self.publish(head);
        // Only now: the tip of an account with a staged event is nowhere else.
        if self.tips.len() > TIPS_KEPT {
            self.tips.clear();
        }
        Ok(head)
    }

    /// Shows readers a head, and the edge of the tree before it: whoever knows the head finds its hashes.
    fn publish(&self, head: Head) {
        self.edge.write().copy_from(&self.tree);
        *self.published.write() = head;
    }

    fn tip(&mut self, account: AccountId) -> Result<Tip, LedgerError> {
        if let Some(tip) = self.tips.get(&account) {
            return Ok(*tip);
        }
        let tip = match last_sequence(self.store.as_ref(), account, u64::MAX)? {
            None => Tip::NONE,
            Some((_, position)) => {
                let bytes = read_frame(self.store.as_ref(), position)?;
                let frame = Frame::read(position, &bytes)?;
                Tip {
                    sequence: frame.header.sequence,
                    chain: frame.chain,
                    recorded_at: frame.header.recorded_at,
                    happened_at: frame.header.happened_at,
                }
            }
        };
        self.tips.insert(account, tip);
        Ok(tip)
    }
}

/// The head of a ledger without events; its root is that of the empty tree.
const NOTHING: Head = Head {
    position: 0,
    root: [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ],
    tip: [0; 32],
};

/// Reads the newest events, checks digests, chains and indexes, and returns the last chain hash.
fn check_newest(
    store: &dyn Store,
    log: &dyn EventLog,
    known: &Head,
    found: u64,
) -> Result<Hash, LedgerError> {
    let from = found.saturating_sub(CHECKED_ON_OPEN).min(known.position.saturating_sub(1)) + 1;
    let mut chains: HashMap<AccountId, Hash> = HashMap::new();
    let mut last = [0; 32];
    let mut next = from;
    log.read(from, &mut |position, bytes| {
        let frame = Frame::read(position, bytes)?;
        let Header { account, sequence, .. } = frame.header;
        let previous = match chains.get(&account) {
            Some(chain) => *chain,
            None => chain_before(store, account, sequence)?,
        };
        if frame::link(&previous, &frame.digest) != frame.chain {
            return Err(damaged(position, "the event does not follow its account's chain"));
        }
        if sequence_position(store, account, sequence)? != Some(position) {
            return Err(damaged(position, "the account's index does not name this event"));
        }
        if position == known.position && frame.chain != known.tip {
            return Err(damaged(position, "the newest event is not the one that HEAD names"));
        }
        chains.insert(account, frame.chain);
        last = frame.chain;
        next = position + 1;
        Ok(true)
    })?;
    if next != found + 1 {
        return Err(damaged(next, "the newest events cannot be read"));
    }
    Ok(last)
}

fn chain_before(store: &dyn Store, account: AccountId, sequence: u64) -> Result<Hash, LedgerError> {
    if sequence <= 1 {
        return Ok([0; 32]);
    }
    let position = sequence_position(store, account, sequence - 1)?.ok_or_else(|| {
        damaged(1, format!("event {} of account {account} is missing", sequence - 1))
    })?;
    let bytes = read_frame(store, position)?;
    Ok(Frame::read(position, &bytes)?.chain)
}

/// The key of [`Family::Sequences`].
pub fn sequence_key(account: AccountId, sequence: u64) -> Vec<u8> {
    [account.0.as_slice(), &sequence.to_be_bytes()].concat()
}

fn sequence_position(
    store: &dyn Store,
    account: AccountId,
    sequence: u64,
) -> Result<Option<u64>, LedgerError> {
    let value = store.get(Family::Sequences, &sequence_key(account, sequence))?;
    value.map(|bytes| to_position(&bytes)).transpose()
}

fn to_position(bytes: &[u8]) -> Result<u64, LedgerError> {
    <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes).map_err(|_| {
        LedgerError::Store(StoreError::Damaged("an index row holds no position".into()))
    })
}

fn read_frame(store: &dyn Store, position: u64) -> Result<Vec<u8>, LedgerError> {
    store
        .get(Family::Events, &position.to_be_bytes())?
        .ok_or_else(|| damaged(position, "the event is missing"))
}

/// The newest event of an account with a sequence of at most `limit`: sequence and position.
fn last_sequence(
    store: &dyn Store,
    account: AccountId,
    limit: u64,
) -> Result<Option<(u64, u64)>, LedgerError> {
    let found = store::walk(store, Family::Sequences, |cursor| {
        cursor.seek_back(&sequence_key(account, limit))?;
        Ok(cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec())))
    })?;
    let Some((key, value)) = found else { return Ok(None) };
    let Some(sequence) = key.strip_prefix(account.0.as_slice()) else { return Ok(None) };
    Ok(Some((to_position(sequence)?, to_position(&value)?)))
}

impl Ledger {
    /// The readers' side of a tree whose full tiles are in a store that nobody writes to: that of a mirror.
    pub fn of_tree(store: Arc<dyn Store>, tree: Tree) -> Self {
        let head = Head { position: tree.size(), root: tree.root(), tip: [0; 32] };
        let (published, edge) = (Arc::new(RwLock::new(head)), Arc::new(RwLock::new(tree)));
        Ledger { store, published, edge, tiles: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn set_head(&self, position: u64, root: Hash) {
        *self.published.write() = Head { position, root, tip: [0; 32] };
    }

    /// What has been acknowledged.
    pub fn head(&self) -> Head {
        *self.published.read()
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The growing edge of the tree, at the acknowledged head or later.
    pub(super) fn edge(&self) -> &RwLock<Tree> {
        &self.edge
    }

    /// Tiles that were read a moment ago.
    pub(super) fn tile_cache(&self) -> &TileCache {
        &self.tiles
    }

    /// The stored bytes of one event.
    pub fn event(&self, position: u64) -> Result<Vec<u8>, LedgerError> {
        read_frame(self.store.as_ref(), position)
    }

    /// Reads events in order, from position `from` up to the acknowledged head.
    pub fn read(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, &Frame<'_>) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let head = self.head().position;
        LocalLog::new(self.store.clone()).read(from, &mut |position, bytes| {
            Ok(position <= head && visit(position, &Frame::read(position, bytes)?)?)
        })
    }

    /// As [`read`](Self::read), but that nothing is checked: for whoever hands the bytes on to others who
    /// read them as frames.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    pub fn read_unchecked(&self, from: u64, visit: Visit<'_>) -> Result<(), LedgerError> {
        let head = self.head().position;
        LocalLog::new(self.store.clone())
            .read(from, &mut |position, bytes| Ok(position <= head && visit(position, bytes)?))
    }

    /// The position of an account's event.
    pub fn position(&self, account: AccountId, sequence: u64) -> Result<Option<u64>, LedgerError> {
        Ok(sequence_position(self.store.as_ref(), account, sequence)?
            .filter(|position| *position <= self.head().position))
    }

    /// How many events an account has among the first `cut` of the store.
    pub fn events_of(&self, account: AccountId, cut: u64) -> Result<u64, LedgerError> {
        self.partition(account, |position, _| Ok(position <= cut))
    }

    /// The position of the account's last event that had happened at `time`, among the first `cut`
    /// events of the store; 0 if there is none.
    pub fn cut_at(
        &self,
        account: AccountId,
        time: Timestamp,
        cut: u64,
    ) -> Result<u64, LedgerError> {
        let sequence = self.partition(account, |position, ledger| {
            if position > cut {
                return Ok(false);
            }
            let bytes = ledger.event(position)?;
            Ok(Frame::read(position, &bytes)?.header.happened_at <= time)
        })?;
        Ok(self.position(account, sequence)?.unwrap_or(0))
    }

    /// The greatest sequence of an account for which `holds`, which must not turn true again once false.
    fn partition(
        &self,
        account: AccountId,
        holds: impl Fn(u64, &Ledger) -> Result<bool, LedgerError>,
    ) -> Result<u64, LedgerError> {
        let (mut low, mut high) = match last_sequence(self.store.as_ref(), account, u64::MAX)? {
            None => return Ok(0),
            Some((sequence, _)) => (0, sequence),
        };
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let position =
                sequence_position(self.store.as_ref(), account, middle)?.ok_or_else(|| {
                    damaged(1, format!("event {middle} of account {account} is missing"))
                })?;
            if holds(position, self)? {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::store::faulty::{FaultyStore, Plan};
    use crate::store::head::MemoryHead;
    use crate::store::memory::MemoryStore;

    fn entry(account: u8, text: &str) -> Entry {
        Entry {
            account: AccountId([account; 16]),
            happened_at: None,
            actor: Actor::system(),
            body: text.as_bytes().to_vec(),
        }
    }

    fn append(writer: &mut LedgerWriter, account: u8, text: &str) -> Head {
        let (_, at) = writer.next(AccountId([account; 16])).unwrap();
        writer.stage(&entry(account, text), at).unwrap();
        writer.commit(Batch::default()).unwrap()
    }

    fn parts() -> (Arc<FaultyStore>, Arc<MemoryHead>, Arc<SimulatedClock>) {
        (
            Arc::new(FaultyStore::new(Arc::new(MemoryStore::default()))),
            Arc::new(MemoryHead::default()),
            Arc::new(SimulatedClock::new(Timestamp::from_seconds(1000))),
        )
    }

    #[test]
    fn the_empty_head_has_the_empty_root() {
        assert_eq!(NOTHING.root, tree::empty_root());
    }

    #[test]
    fn appends_survive_reopening_and_times_never_run_backwards() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store.clone(), head.clone(), clock.clone()).unwrap();
        for n in 0..700 {
            clock.set(Timestamp::from_seconds(if n % 3 == 0 { 500 } else { 1000 + n }));
            append(&mut writer, (n % 3) as u8 + 1, "change");
        }
        let before = writer.reader().head();
        let mut writer = LedgerWriter::open(store, head, clock).unwrap();
        assert_eq!(writer.reader().head(), before);
        append(&mut writer, 1, "after");
        let reader = writer.reader();
        let mut times: HashMap<AccountId, Timestamp> = HashMap::new();
        reader
            .read(1, &mut |_, frame| {
                let last = times.insert(frame.header.account, frame.header.recorded_at);
                assert!(last.is_none_or(|last| last <= frame.header.recorded_at));
                Ok(true)
            })
            .unwrap();
        let account = AccountId([2; 16]);
        assert_eq!(reader.events_of(account, 5).unwrap(), 2);
        let cut = reader.cut_at(account, Timestamp::from_seconds(1010), 701).unwrap();
        let bytes = reader.event(cut).unwrap();
        assert_eq!(Frame::read(cut, &bytes).unwrap().header.happened_at.seconds(), 1010);
        assert_eq!(reader.cut_at(account, Timestamp::from_seconds(1010), 8).unwrap(), 8);
        assert_eq!(reader.cut_at(account, Timestamp::EPOCH, 701).unwrap(), 0);
    }

    #[test]
    fn a_short_ledger_refuses_and_a_longer_one_is_taken_in() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store.clone(), head.clone(), clock.clone()).unwrap();
        append(&mut writer, 1, "one");
        let after_one = head.read().unwrap().unwrap();
        append(&mut writer, 1, "two");
        let after_two = head.read().unwrap().unwrap();
        // HEAD fell behind: a crash between the batch and HEAD.
        head.write(&after_one).unwrap();
        let writer = LedgerWriter::open(store.clone(), head.clone(), clock.clone()).unwrap();
        assert_eq!(writer.reader().head(), after_two);
        assert_eq!(head.read().unwrap(), Some(after_two));
        // The log fell behind: acknowledged events are gone.
        let mut batch = Batch::default();
        batch.delete(Family::Events, 2u64.to_be_bytes());
        store.commit(&batch, crate::store::Durability::Synced).unwrap();
        let opened = LedgerWriter::open(store, head, clock);
        assert!(matches!(opened.err(), Some(LedgerError::Short { acknowledged: 2, found: 1 })));
    }

    #[test]
    fn a_lost_head_is_not_taken_for_a_new_one() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store.clone(), head, clock.clone()).unwrap();
        append(&mut writer, 1, "one");
        let opened = LedgerWriter::open(store, Arc::new(MemoryHead::default()), clock);
        assert!(opened.is_err_and(|error| error.is_damage()));
    }

    #[test]
    fn more_accounts_than_are_kept_at_hand_stay_chained() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store, head, clock).unwrap();
        let change = |writer: &mut LedgerWriter, number: usize| {
            let mut account = [0xaa; 16];
            account[..8].copy_from_slice(&number.to_be_bytes());
            let entry = Entry { account: AccountId(account), ..entry(1, "change") };
            let (_, at) = writer.next(entry.account).unwrap();
            writer.stage(&entry, at).unwrap();
        };
        for round in 0..2 {
            (0..TIPS_KEPT + 2).for_each(|number| change(&mut writer, number));
            // The first account again, in the same batch as before.
            change(&mut writer, 0);
            assert_eq!(writer.staged(), TIPS_KEPT + 3, "round {round}");
            writer.commit(Batch::default()).unwrap();
        }
        super::super::verify::verify(&writer.reader(), [7; 32], &mut |_, _| Ok(())).unwrap();
    }

    #[test]
    fn a_failed_commit_stops_the_writer_until_it_recovers() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store.clone(), head, clock).unwrap();
        append(&mut writer, 1, "one");
        let reader = writer.reader();
        for plan in [
            Plan::Refuse(StoreError::NoSpace("test".into())),
            Plan::WriteAndFail(StoreError::Failed("lost sync".into())),
        ] {
            let wrote = matches!(plan, Plan::WriteAndFail(_));
            let before = reader.head();
            store.plan(plan);
            let (_, at) = writer.next(AccountId([1; 16])).unwrap();
            writer.stage(&entry(1, "lost"), at).unwrap();
            assert!(writer.commit(Batch::default()).is_err());
            assert_eq!(reader.head(), before, "nothing is published that was not acknowledged");
            store.plan(Plan::Work);
            assert!(writer.commit(Batch::default()).is_err(), "no second chance without recovery");
            writer.recover(|_| {}).unwrap();
            assert_eq!(reader.head().position, before.position + u64::from(wrote));
            append(&mut writer, 1, "goes on");
        }
    }

    #[test]
    fn an_altered_event_is_found_on_open() {
        let (store, head, clock) = parts();
        let mut writer = LedgerWriter::open(store.clone(), head.clone(), clock.clone()).unwrap();
        for n in 0..10 {
            append(&mut writer, 1, &format!("change {n}"));
        }
        let bytes = writer.reader().event(4).unwrap();
        for bit in (0..bytes.len() * 8).step_by(7) {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let mut batch = Batch::default();
            batch.put(Family::Events, 4u64.to_be_bytes(), altered);
            store.commit(&batch, crate::store::Durability::Synced).unwrap();
            let opened = LedgerWriter::open(store.clone(), head.clone(), clock.clone());
            assert!(opened.is_err_and(|error| error.is_damage()), "bit {bit}");
        }
    }
}
