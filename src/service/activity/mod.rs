//! The activity book: receipts of every decision, sessions and last-used facts, in a store of its own
//! with a retention of its own.
//!
//! | family | key | value |
//! |---|---|---|
//! | receipts | number of its last receipt, u64 big-endian | a `segment` |
//! | sessions | session access key id | [`session::StoredSession`] |
//! | sessions | see [`begun`] | empty |
//! | sessions | `ended`, zero, session access key id or principal | the instant at which it, or all, ended |
//! | last-used | see [`usage`] | [`receipt::LastUsed`] |
//! | steps | id of a multi-factor device | the last step whose code was accepted, u64 big-endian |
//!
//! Receipts are numbered from 1 and chained in segments, one a commit; whoever goes through them reads them
//! where they lie ([`stored`]). A HEAD file of its own remembers how many receipts there were and the last
//! chain hash, since a database cannot notice that its newest rows are gone; a book short of it does not open.
//!
//! One thread writes (the `pen`). What must be durable before its answer (issued credentials, audit
//! reads) waits for a sync; the rest is on disk within 100 ms. The `queue` is bounded: when the disk is
//! slow, callers wait. When the disk is full, a reserve is given free for further receipts; when that is
//! used up, too, requests are refused rather than left without a receipt.

pub mod begun;
mod dropped;
pub mod facts;
mod pen;
mod queue;
pub mod receipt;
mod segment;
pub mod session;
mod steps;
pub mod stored;
pub mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use self::facts::Sessions;
use self::pen::{Disk, Pen};
use self::queue::{Note, Queue, Refused};
use self::receipt::{Kind, LastUsed, Receipt};
pub use self::segment::Visit;
use self::session::{Session, StoredSession, open_session, seal_session};
use self::steps::Claims;
use self::stored::Stored;
use self::usage::{Asked, Use};
use super::fault::Fault;
use super::mfa::Accepted;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::time::Timestamp;
use crate::identity::change::Sealed;
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::{ProjectionError, sealing};
use crate::store::head::HeadFile;
use crate::store::keys::SubjectKeys;
use crate::store::reserve::Reserve;
use crate::store::{Batch, Family, Store, StoreError};

const CLEAN: &[u8] = b"stopped cleanly";

/// A handle to the activity book; the last one dropped stops the writer.
pub struct ActivityBook {
    store: Arc<dyn Store>,
    keys: Arc<SubjectKeys>,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    sessions: Sessions,
    claims: Claims,
}

/// What the handle and the writer both look at.
#[derive(Default)]
struct Shared {
    /// Whether receipts cannot be kept now.
    failing: AtomicBool,
    /// What cannot be written now never will be.
    closing: AtomicBool,
    /// For how many days receipts are kept; 0 for ever.
    days: AtomicI64,
}

/// A receipt, and what was used by the request that it is of.
pub type Noted = (Receipt, Vec<Use>);

impl ActivityBook {
    /// Opens the book and starts its writer. After an unclean stop the gap is recorded.
    pub fn open(
        store: Arc<dyn Store>,
        head: Arc<dyn HeadFile>,
        keys: Arc<SubjectKeys>,
        reserve: &Arc<Reserve>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProjectionError> {
        let shared = Arc::<Shared>::default();
        let disk = Disk { store: store.clone(), head, reserve: reserve.clone() };
        let mut pen = Pen::load(disk, clock.clone(), shared.clone())?;
        begun::note_all(store.as_ref())?;
        let clean = store.get(Family::Meta, CLEAN)?.is_some();
        let mut batch = Batch::default();
        batch.delete(Family::Meta, CLEAN);
        let gap = (!clean && pen.number() > 0).then(|| gap(clock.now()));
        match pen.write(gap.iter(), batch.clone()) {
            Err(error) if error.is_no_space() && reserve.spend()? => {
                store.reopen()?;
                pen.write(gap.iter(), batch)?;
            }
            outcome => outcome?,
        }
        let queue = Arc::new(Queue::default());
        let notes = queue.clone();
        let writer = std::thread::Builder::new()
            .name("activity".into())
            .spawn(move || pen.run(&notes))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let writer = Mutex::new(Some(writer));
        let (sessions, claims) = (Sessions::default(), Claims::default());
        Ok(ActivityBook { store, keys, queue, writer, shared, sessions, claims })
    }

    /// Keeps receipts for so many days only, from now on; 0 for ever, which is how a book opens. Segments
    /// whose last receipt is older are removed, a day or two later, since a clock must prove itself first;
    /// what was last used when is not forgotten with them.
    pub fn keep_days(&self, days: u32) {
        self.shared.days.store(i64::from(days), Ordering::Relaxed);
    }

    /// Writes a receipt and last-used facts within 100 ms. Waits while the queue is full.
    pub fn note(&self, (receipt, used): Noted) -> Result<(), Fault> {
        self.send(Note { receipt: Some(receipt), used, ..Note::default() })
    }

    /// As [`note`](Self::note), but never waits: a full queue gives the receipt back.
    pub fn note_now(&self, (receipt, used): Noted) -> Result<Option<Noted>, Fault> {
        self.check()?;
        let note = Note { receipt: Some(receipt), used, ..Note::default() };
        match self.queue.try_push(note) {
            Ok(()) => Ok(None),
            Err(Refused::Full(note)) => {
                let Note { receipt, used, .. } = *note;
                Ok(receipt.map(|receipt| (receipt, used)))
            }
            Err(Refused::Closed) => Err(closed()),
        }
    }

    /// Writes that something was used within 100 ms. Waits while the queue is full.
    pub fn note_used(&self, used: Vec<Use>) -> Result<(), Fault> {
        self.send(Note { used, ..Note::default() })
    }

    /// Writes a receipt and returns once it is durable.
    pub fn note_durably(&self, receipt: Receipt, used: Vec<Use>) -> Result<(), Fault> {
        self.wait(Note { receipt: Some(receipt), used, ..Note::default() })
    }

    /// Returns once it is durable, and all that was noted before, that a code was accepted and is used up.
    pub fn spend(&self, code: &Accepted) -> Result<(), Fault> {
        self.wait(Note { code: Some(code.clone()), ..Note::default() })
    }

    /// Stores a session with the receipt of its issue and what was used for it, and that the code is used up
    /// which it was issued for, and returns once all are durable: only then may its credentials leave.
    pub fn keep_session(
        &self,
        session: &Session,
        (receipt, used): Noted,
        code: Option<&Accepted>,
        random: &dyn Random,
    ) -> Result<(), Fault> {
        let stored = seal_session(&self.keys, session, random)?;
        // The principal's key may be new.
        self.keys.sync()?;
        let bytes = codec::encode(&stored).map_err(Fault::internal)?;
        self.wait(Note {
            receipt: Some(receipt),
            session: Some((session.key.as_str().as_bytes().to_vec(), bytes)),
            begun: Some(begun::row(&session.key, session.began_with.as_ref(), &session.began_by)),
            code: code.cloned(),
            used,
            ..Note::default()
        })
    }

    /// Writes within 100 ms that there was a session elsewhere, of which nobody here has the credentials.
    pub fn note_session(&self, session: &Session, random: &dyn Random) -> Result<(), Fault> {
        let stored = seal_session(&self.keys, session, random)?;
        let bytes = codec::encode(&stored).map_err(Fault::internal)?;
        let row = session.key.as_str().as_bytes().to_vec();
        let begun = begun::row(&session.key, session.began_with.as_ref(), &session.began_by);
        self.send(Note { session: Some((row, bytes)), begun: Some(begun), ..Note::default() })
    }

    /// Opens sessions anew when they are asked for: what was noted of some was noted again, and is durable.
    pub fn forget_opened_sessions(&self) {
        self.sessions.clear();
    }

    /// Forgets what an import told of an account, and returns once that is durable.
    pub fn forget_import(&self, account: AccountId) -> Result<(), Fault> {
        self.wait(Note { dropped: Some(account), ..Note::default() })?;
        self.sessions.clear();
        Ok(())
    }

    /// Returns once all that was noted before is durable.
    pub fn settle(&self) -> Result<(), Fault> {
        self.wait(Note::default())
    }

    /// Ends sessions of the console for good, and returns once that is durable.
    pub fn end_sessions(&self, ended: &Ended, receipt: Receipt) -> Result<(), Fault> {
        let at = codec::encode(&receipt.at).map_err(Fault::internal)?;
        self.wait(Note {
            receipt: Some(receipt),
            session: Some((ended.row(), at)),
            ..Note::default()
        })
    }

    /// Whether a session of the console was ended before its time.
    pub fn is_ended(&self, session: &Session) -> Result<bool, ProjectionError> {
        let ended = |ended: Ended| self.store.get(Family::Sessions, &ended.row());
        if ended(Ended::One(session.key.clone()))?.is_some() {
            return Ok(true);
        }
        let all = ended(Ended::AllOf((session.account, session.principal.clone())))?;
        let all: Option<Timestamp> = all.map(|bytes| codec::decode(&bytes)).transpose()?;
        Ok(all.is_some_and(|at| session.issued < at))
    }

    /// Under what the use of a person's password is noted. The root users of all accounts share one id.
    pub fn person(account: AccountId, id: &UniqueId) -> UniqueId {
        usage::principal_key(account, id)
    }

    fn wait(&self, mut note: Note) -> Result<(), Fault> {
        let (done, outcome) = mpsc::sync_channel(1);
        note.done = Some(done);
        self.send(note)?;
        match outcome.recv() {
            Ok(result) => Ok(result?),
            Err(_) => Err(closed()),
        }
    }

    /// Whether receipts can be kept; asked before a write, so that none is done and then called failed.
    ///
    /// # Errors
    /// `ServiceUnavailable` while they cannot.
    pub fn check(&self) -> Result<(), Fault> {
        if self.shared.failing.load(Ordering::Relaxed) {
            return Err(Fault::unavailable("receipts cannot be kept"));
        }
        Ok(())
    }

    fn send(&self, note: Note) -> Result<(), Fault> {
        self.check()?;
        self.queue.push(note).map_err(|_| closed())
    }

    /// The session of an access key id.
    pub fn session(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError> {
        if let Some(session) = self.session_at_hand(key)? {
            return Ok(Some(session));
        }
        let Some(bytes) = self.store.get(Family::Sessions, key.as_str().as_bytes())? else {
            return Ok(None);
        };
        let session = open_session(&self.keys, key, &codec::decode(&bytes)?)?.map(Arc::new);
        session.iter().for_each(|session| self.sessions.keep(session));
        Ok(session)
    }

    /// The session of an access key id, if it was used a moment ago and its principal was not erased
    /// since.
    pub fn session_at_hand(&self, key: &UniqueId) -> Result<Option<Arc<Session>>, ProjectionError> {
        let Some(session) = self.sessions.get(key) else { return Ok(None) };
        let subject = sealing::subject(session.account, &session.principal);
        Ok(self.keys.get(&subject)?.map(|_| session))
    }

    /// Who began a session, and with which access key, itself perhaps a session's; `None` for an access key
    /// that is no session's.
    pub fn began(
        &self,
        key: &UniqueId,
    ) -> Result<Option<(UniqueId, Option<UniqueId>)>, ProjectionError> {
        let bytes = self.store.get(Family::Sessions, key.as_str().as_bytes())?;
        let stored: Option<StoredSession> = bytes.map(|bytes| codec::decode(&bytes)).transpose()?;
        Ok(stored.map(|stored| (stored.began_by.1, stored.began_with)))
    }

    /// The access keys of all sessions that principals of an account began, and that were begun by these;
    /// `None` if there are more than `most`.
    pub fn begun_by(
        &self,
        account: AccountId,
        principals: &[UniqueId],
        most: usize,
    ) -> Result<Option<Vec<UniqueId>>, ProjectionError> {
        begun::by(self.store.as_ref(), account, principals, most)
    }

    /// A session as it is stored, what tells of a person sealed; `None` for an access key that is no session's.
    pub fn stored_session(&self, key: &UniqueId) -> Result<Option<StoredSession>, ProjectionError> {
        let bytes = self.store.get(Family::Sessions, key.as_str().as_bytes())?;
        Ok(bytes.map(|bytes| codec::decode(&bytes)).transpose()?)
    }

    /// When something was last used, at or before an instant.
    pub fn last_used(
        &self,
        id: &UniqueId,
        until: Timestamp,
    ) -> Result<Option<LastUsed>, ProjectionError> {
        usage::last_used(self.store.as_ref(), id, until.into())
    }

    /// When each of many things was last used, at or before an instant, of those that were: the book is read once.
    pub fn all_last_used(
        &self,
        ids: Vec<UniqueId>,
        until: Timestamp,
    ) -> Result<Vec<(UniqueId, LastUsed)>, ProjectionError> {
        usage::all_last_used(self.store.as_ref(), ids, until.into())
    }

    /// What a principal asked for at or before an instant, of one service or of all; it is named by
    /// [`usage::principal_key`].
    pub fn asked(
        &self,
        principal: &UniqueId,
        service: Option<&str>,
        until: Timestamp,
    ) -> Result<Vec<Asked>, ProjectionError> {
        usage::asked(self.store.as_ref(), principal, service, until.into())
    }

    /// Reads receipts in order from a number on, checking the chain. `false` stops. Those older than the
    /// retention are gone.
    pub fn receipts(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, &Stored<'_>) -> Result<bool, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        self.bytes_of_receipts(from, &mut |number, bytes| visit(number, &Stored::read(bytes)?))
    }

    /// The same, not yet read: what [`Stored::read`] takes.
    pub fn bytes_of_receipts(&self, from: u64, visit: Visit<'_>) -> Result<(), ProjectionError> {
        segment::read(self.store.as_ref(), from, visit)
    }

    /// The same backwards, from the last with a number of at most `to`.
    pub fn receipts_back(
        &self,
        to: u64,
        visit: &mut dyn FnMut(u64, &Stored<'_>) -> Result<bool, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        segment::read_back(self.store.as_ref(), to, visit)
    }

    /// How many receipts were forgotten, since they were older than the retention.
    pub fn forgotten(&self) -> Result<u64, ProjectionError> {
        segment::forgotten(self.store.as_ref())
    }

    /// The number of the last receipt that is written; 0 if there is none.
    pub fn number(&self) -> Result<u64, ProjectionError> {
        Ok(segment::last(self.store.as_ref())?.number)
    }

    /// Writes what is queued, marks the stop as clean, and ends the writer. A full disk is not waited for.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            let _ = writer.join();
        }
    }
}

/// Which sessions of the console are ended.
pub enum Ended {
    /// One, by its access key id.
    One(UniqueId),
    /// All of a principal's that were begun before.
    AllOf((AccountId, UniqueId)),
}

impl Ended {
    fn row(&self) -> Vec<u8> {
        match self {
            Ended::One(key) => [b"ended\0", key.as_str().as_bytes()].concat(),
            Ended::AllOf((account, id)) => {
                [b"ended\0", account.0.as_slice(), id.as_str().as_bytes()].concat()
            }
        }
    }
}

fn closed() -> Fault {
    Fault::unavailable("the activity book is closed")
}

impl Drop for ActivityBook {
    fn drop(&mut self) {
        self.close();
    }
}

fn gap(at: Timestamp) -> Receipt {
    Receipt {
        kind: Kind::Gap,
        at,
        account: AccountId::SYSTEM,
        request: String::new(),
        principal: (AccountId::SYSTEM, UniqueId::root()),
        credential: None,
        action: String::new(),
        resource: UniqueId::root(),
        resource_arn: Sealed(Vec::new()),
        context: Vec::new(),
        personal: Sealed(Vec::new()),
        position: 0,
        evaluator: receipt::EVALUATOR,
        deciding: Vec::new(),
        blocked_by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::base::crypto::new_key;
    use crate::base::random::SeededRandom;
    use crate::store::head::MemoryHead;
    use crate::store::memory::MemoryStore;
    use crate::store::{self, Durability};

    fn receipt(request: &str) -> Receipt {
        Receipt { kind: Kind::Allowed, request: request.into(), ..gap(Timestamp::EPOCH) }
    }

    fn kinds(book: &ActivityBook) -> Vec<Kind> {
        let mut kinds = Vec::new();
        book.receipts(1, &mut |_, receipt| {
            kinds.push(receipt.kind);
            Ok(true)
        })
        .unwrap();
        kinds
    }

    #[test]
    fn receipts_survive_and_gaps_are_recorded() {
        let random = SeededRandom::new(1);
        let store = Arc::new(MemoryStore::default());
        let keys = Arc::new(SubjectKeys::in_memory(new_key(&random).unwrap()));
        let clock = Arc::new(SimulatedClock::new(Timestamp::from_seconds(7200)));
        let (head, reserve) = (Arc::new(MemoryHead::default()), Arc::new(Reserve::default()));
        let try_open = || {
            ActivityBook::open(store.clone(), head.clone(), keys.clone(), &reserve, clock.clone())
        };
        let open = || try_open().unwrap();
        let book = open();
        let key = UniqueId::parse("AKIAEXAMPLE").unwrap();
        let used = |seconds| LastUsed {
            at: Timestamp::from_seconds(seconds),
            service: "iam".into(),
            region: "us-east-1".into(),
        };
        let note = |seconds| (receipt("r"), vec![Use::of(key.clone(), used(seconds))]);
        for seconds in [100, 200, 4000, 9000] {
            book.note(note(seconds)).unwrap();
        }
        book.note_durably(receipt("last"), Vec::new()).unwrap();
        let at = |seconds| book.last_used(&key, Timestamp::from_seconds(seconds)).unwrap();
        assert_eq!(at(10_000), Some(used(9000)));
        assert_eq!(at(8999), Some(used(4000)));
        // The second within a quarter of an hour does not count, nor does it after the book was opened anew.
        assert_eq!(at(300), Some(used(100)));
        assert_eq!(at(50), None);
        book.close();
        assert!(book.note((receipt("late"), Vec::new())).is_err());
        assert_eq!(kinds(&open()), [Kind::Allowed; 5]);
        let book = open();
        let at = |seconds| book.last_used(&key, Timestamp::from_seconds(seconds)).unwrap();
        book.note_durably(receipt("again"), note(9_100).1).unwrap();
        book.note_durably(receipt("later"), note(9_901).1).unwrap();
        assert_eq!((at(9_900), at(9_901)), (Some(used(9_000)), Some(used(9_901))));
        book.close();
        // The last open was closed by its drop; spoil the mark as a crash would.
        let mut batch = Batch::default();
        batch.delete(Family::Meta, CLEAN);
        store.commit(&batch, Durability::Synced).unwrap();
        assert_eq!(kinds(&open()).last(), Some(&Kind::Gap));

        let mut batch = Batch::default();
        let (key, mut altered) = store::walk(store.as_ref(), Family::Receipts, |cursor| {
            cursor.seek(&[])?;
            Ok(cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
        })
        .unwrap();
        altered[60] ^= 1;
        batch.put(Family::Receipts, key, altered);
        store.commit(&batch, Durability::Synced).unwrap();
        assert!(open().receipts(1, &mut |_, _| Ok(true)).is_err());

        // The newest receipt is gone: the book does not open.
        let mut batch = Batch::default();
        batch.delete(Family::Receipts, 8u64.to_be_bytes());
        store.commit(&batch, Durability::Synced).unwrap();
        assert!(try_open().is_err_and(|error| error.is_damage()));
    }

    /// A book on a clock of its own, whose receipts are named by their number.
    struct Aging {
        store: Arc<MemoryStore>,
        clock: Arc<SimulatedClock>,
        head: Arc<MemoryHead>,
        keys: Arc<SubjectKeys>,
    }

    impl Aging {
        fn new() -> Self {
            let random = SeededRandom::new(1);
            Aging {
                store: Arc::default(),
                clock: Arc::new(SimulatedClock::new(Timestamp::parse("2026-01-01").unwrap())),
                head: Arc::default(),
                keys: Arc::new(SubjectKeys::in_memory(new_key(&random).unwrap())),
            }
        }

        fn open(&self) -> ActivityBook {
            let (head, reserve) = (self.head.clone(), Arc::new(Reserve::default()));
            let (keys, clock) = (self.keys.clone(), self.clock.clone());
            let book = ActivityBook::open(self.store.clone(), head, keys, &reserve, clock).unwrap();
            book.keep_days(30);
            book
        }

        /// Writes a receipt, and another, after which the removal that followed the first is over.
        fn write(&self, book: &ActivityBook) {
            for _ in 0..2 {
                let receipt = Receipt { at: self.clock.now(), ..receipt("r") };
                book.note_durably(receipt, Vec::new()).unwrap();
            }
        }

        fn pass(&self, book: &ActivityBook, days: i64) {
            for _ in 0..days {
                self.clock.advance(86_400);
                self.write(book);
            }
        }

        fn numbers(&self, book: &ActivityBook) -> Vec<u64> {
            let mut numbers = Vec::new();
            book.receipts(1, &mut |number, _| {
                numbers.push(number);
                Ok(true)
            })
            .unwrap();
            numbers
        }
    }

    #[test]
    fn old_segments_go_and_the_chain_goes_on() {
        let world = Aging::new();
        let book = world.open();
        world.write(&book);
        world.clock.advance(40 * 86_400);
        world.write(&book);
        // Nothing shows yet that the forty days have passed.
        assert_eq!(world.numbers(&book), [1, 2, 3, 4]);
        world.pass(&book, 1);
        assert_eq!(world.numbers(&book), [3, 4, 5, 6]);
        book.close();
        let book = world.open();
        assert_eq!(world.numbers(&book), [3, 4, 5, 6]);
        world.write(&book);
        assert_eq!(world.numbers(&book).len(), 6);
        // The first segment that is left cannot be removed unnoticed.
        let mut batch = Batch::default();
        batch.delete(Family::Receipts, 3u64.to_be_bytes());
        world.store.commit(&batch, Durability::Synced).unwrap();
        assert!(book.receipts(1, &mut |_, _| Ok(true)).is_err());
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_takes_no_receipt_with_it() {
        let world = Aging::new();
        let mut book = world.open();
        world.pass(&book, 10);
        let all = world.numbers(&book).len();
        assert_eq!(all, 20);
        let before = world.clock.now();
        for (there, year) in ["2099-01-01", "1970-01-02", "2199-01-01"].iter().enumerate() {
            // A start during the jump makes no difference, nor do hours.
            book.close();
            world.clock.set(Timestamp::parse(year).unwrap());
            book = world.open();
            for _ in 0..20 {
                world.clock.advance(3_600);
                world.write(&book);
            }
            assert_eq!(world.numbers(&book).len(), all + 40 * (there + 1), "{year}");
            world.clock.set(before);
        }
        // Twenty days on, all are kept; those of the jumps go when those around them do.
        world.pass(&book, 20);
        assert_eq!(world.numbers(&book).first(), Some(&1));
        world.pass(&book, 9);
        let first = *world.numbers(&book).first().unwrap();
        assert!((3..=20).contains(&first), "{first}");
        world.pass(&book, 30);
        let first = *world.numbers(&book).first().unwrap();
        assert!(first > 20 + 120, "{first}");
        assert!(world.numbers(&book).len() >= 60);
    }
}
