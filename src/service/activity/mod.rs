//! The activity book: receipts of every decision, sessions and last-used facts, in a store of its own
//! with a retention of its own.
//!
//! | family | key | value |
//! |---|---|---|
//! | receipts | number, u64 big-endian, from 1 | chain hash (32 bytes), then the receipt by the codec |
//! | sessions | session access key id | [`session::StoredSession`] |
//! | last-used | id, zero, complement of the hour | [`receipt::LastUsed`] in that hour |
//!
//! A HEAD file of its own remembers how many receipts there were and the last chain hash, since a database
//! cannot notice that its newest rows are gone; a book short of it does not open.
//!
//! The chain hash is BLAKE3 of the previous one (zeros for the first) and the encoded receipt.
//!
//! One thread writes. What must be durable before its answer (issued credentials, audit reads) waits
//! for a sync; the rest is on disk within 100 ms. The queue is bounded: when the disk is slow, callers
//! wait. When the disk is full, a reserve is given free for further receipts; when that is used up, too,
//! requests are refused rather than left without a receipt.

pub mod receipt;
pub mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::receipt::{Kind, LastUsed, Receipt};
use self::session::{Personal, Session, StoredSession};
use super::fault::Fault;
use crate::base::clock::Clock;
use crate::base::crypto::content_hash;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::identity::change::Sealed;
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::{ProjectionError, sealing};
use crate::store::head::{Head, HeadFile};
use crate::store::keys::SubjectKeys;
use crate::store::reserve::Reserve;
use crate::store::{self, Batch, Durability, Family, Store, StoreError};

/// Receipts that may wait to be written.
const QUEUE: usize = 10_000;
/// How long a receipt may wait for its sync.
const LINGER: Duration = Duration::from_millis(50);
/// Receipts in one batch.
const BATCH: usize = 2_000;
/// Receipts in one batch after the disk was full.
const PORTION: usize = 50;
/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_millis(500);
const CLEAN: &[u8] = b"stopped cleanly";

/// A handle to the activity book; the last one dropped stops the writer.
pub struct ActivityBook {
    store: Arc<dyn Store>,
    keys: Arc<SubjectKeys>,
    queue: Mutex<Option<SyncSender<Note>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    state: Arc<State>,
}

/// What the handle and the writer tell each other.
#[derive(Default)]
struct State {
    /// Receipts cannot be kept now.
    failing: AtomicBool,
    /// What cannot be written now never will be.
    closing: AtomicBool,
}

/// One thing to write.
struct Note {
    receipt: Option<Receipt>,
    session: Option<(UniqueId, Vec<u8>)>,
    used: Vec<(UniqueId, LastUsed)>,
    done: Option<SyncSender<Result<(), StoreError>>>,
}

impl ActivityBook {
    /// Opens the book and starts its writer. After an unclean stop the gap is recorded.
    pub fn open(
        store: Arc<dyn Store>,
        head: Arc<dyn HeadFile>,
        keys: Arc<SubjectKeys>,
        reserve: &Arc<Reserve>,
        clock: &dyn Clock,
    ) -> Result<Self, ProjectionError> {
        let mut pen = Pen::load(store.clone(), head, reserve.clone())?;
        let clean = store.get(Family::Meta, CLEAN)?.is_some();
        let mut batch = Batch::default();
        batch.delete(Family::Meta, CLEAN);
        if !clean && pen.number > 0 {
            pen.write(&gap(clock.now()), &mut batch)?;
        }
        match pen.commit_batch(&batch) {
            Err(StoreError::NoSpace(_)) if reserve.spend()? => {
                store.reopen()?;
                pen.commit_batch(&batch)?;
            }
            outcome => outcome?,
        }
        let (queue, notes) = mpsc::sync_channel(QUEUE);
        let state = Arc::new(State::default());
        let shared = state.clone();
        let writer = std::thread::Builder::new()
            .name("activity".into())
            .spawn(move || pen.run(&notes, &shared))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(ActivityBook {
            store,
            keys,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            state,
        })
    }

    /// Writes a receipt and last-used facts within 100 ms. Waits while the queue is full.
    pub fn note(&self, receipt: Receipt, used: Vec<(UniqueId, LastUsed)>) -> Result<(), Fault> {
        self.send(Note { receipt: Some(receipt), session: None, used, done: None })
    }

    /// Writes a receipt and returns once it is durable.
    pub fn note_durably(
        &self,
        receipt: Receipt,
        used: Vec<(UniqueId, LastUsed)>,
    ) -> Result<(), Fault> {
        self.wait(Note { receipt: Some(receipt), session: None, used, done: None })
    }

    /// Stores a session with the receipt of its issue, and returns once both are durable: only then may
    /// its credentials leave.
    pub fn keep_session(
        &self,
        session: &Session,
        receipt: Receipt,
        random: &dyn Random,
    ) -> Result<(), Fault> {
        let stored = seal_session(&self.keys, session, random)?;
        // The principal's key may be new.
        self.keys.sync()?;
        let bytes = codec::encode(&stored).map_err(Fault::internal)?;
        self.wait(Note {
            receipt: Some(receipt),
            session: Some((session.key.clone(), bytes)),
            used: Vec::new(),
            done: None,
        })
    }

    fn wait(&self, mut note: Note) -> Result<(), Fault> {
        let (done, outcome) = mpsc::sync_channel(1);
        note.done = Some(done);
        self.send(note)?;
        match outcome.recv() {
            Ok(result) => Ok(result?),
            Err(_) => Err(Fault::unavailable("the activity book is closed")),
        }
    }

    /// Whether receipts can be kept; asked before a write, so that none is done and then called failed.
    ///
    /// # Errors
    /// `ServiceUnavailable` while they cannot.
    pub fn check(&self) -> Result<(), Fault> {
        if self.state.failing.load(Ordering::Relaxed) {
            return Err(Fault::unavailable("receipts cannot be kept"));
        }
        Ok(())
    }

    fn send(&self, note: Note) -> Result<(), Fault> {
        self.check()?;
        let queue = self.queue.lock().clone();
        queue
            .and_then(|queue| queue.send(note).ok())
            .ok_or_else(|| Fault::unavailable("the activity book is closed"))
    }

    /// The session of an access key id.
    pub fn session(&self, key: &UniqueId) -> Result<Option<Session>, ProjectionError> {
        match self.store.get(Family::Sessions, key.as_str().as_bytes())? {
            None => Ok(None),
            Some(bytes) => open_session(&self.keys, key, &codec::decode(&bytes)?),
        }
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

    /// When something was last used, at or before an instant.
    pub fn last_used(
        &self,
        id: &UniqueId,
        until: Timestamp,
    ) -> Result<Option<LastUsed>, ProjectionError> {
        let prefix = used_prefix(id);
        let rows = store::walk(self.store.as_ref(), Family::LastUsed, |cursor| {
            let mut rows = Vec::new();
            cursor.seek(&used_key(id, until))?;
            // The hour of the instant may hold a later use; the hour before it does not.
            while let Some((key, value)) = cursor.current() {
                if rows.len() == 2 || !key.starts_with(&prefix) {
                    break;
                }
                rows.push(value.to_vec());
                cursor.advance()?;
            }
            Ok(rows)
        })?;
        for row in rows {
            let used: LastUsed = codec::decode(&row)?;
            if used.at <= until {
                return Ok(Some(used));
            }
        }
        Ok(None)
    }

    /// Reads receipts in order from a number on, checking the chain. `false` stops.
    pub fn receipts(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, Receipt) -> Result<bool, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        let mut previous: Option<[u8; 32]> = (from <= 1).then_some([0; 32]);
        let mut outcome = Ok(());
        self.store.walk(Family::Receipts, &mut |cursor| {
            cursor.seek(&from.to_be_bytes())?;
            while let Some((key, value)) = cursor.current() {
                let step = read_receipt(key, value, &mut previous)
                    .and_then(|(number, receipt)| visit(number, receipt));
                match step {
                    Ok(true) => cursor.advance()?,
                    Ok(false) => return Ok(()),
                    Err(error) => {
                        outcome = Err(error);
                        return Ok(());
                    }
                }
            }
            Ok(())
        })?;
        outcome
    }

    /// Writes what is queued, marks the stop as clean, and ends the writer. A full disk is not waited for.
    pub fn close(&self) {
        self.state.closing.store(true, Ordering::Relaxed);
        drop(self.queue.lock().take());
        if let Some(writer) = self.writer.lock().take() {
            let _ = writer.join();
        }
    }
}

impl Drop for ActivityBook {
    fn drop(&mut self) {
        self.close();
    }
}

fn read_receipt(
    key: &[u8],
    value: &[u8],
    previous: &mut Option<[u8; 32]>,
) -> Result<(u64, Receipt), ProjectionError> {
    let damaged = || StoreError::Damaged("the activity book's receipts were altered".into());
    let number = <[u8; 8]>::try_from(key).map(u64::from_be_bytes).map_err(|_| damaged())?;
    let (chain, body) = value.split_first_chunk::<32>().ok_or_else(damaged)?;
    if previous.is_some_and(|previous| chained(&previous, body) != *chain) {
        return Err(damaged().into());
    }
    *previous = Some(*chain);
    Ok((number, codec::decode(body)?))
}

fn chained(previous: &[u8; 32], body: &[u8]) -> [u8; 32] {
    content_hash(&[previous.as_slice(), body].concat())
}

fn used_prefix(id: &UniqueId) -> Vec<u8> {
    [id.as_str().as_bytes(), &[0]].concat()
}

fn used_key(id: &UniqueId, at: Timestamp) -> Vec<u8> {
    [used_prefix(id).as_slice(), &(!(at.seconds() / 3600)).to_be_bytes()].concat()
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

/// The field under which a session's personal part is sealed.
fn session_field(key: &str) -> String {
    format!("session {key}")
}

fn seal_session(
    keys: &SubjectKeys,
    session: &Session,
    random: &dyn Random,
) -> Result<StoredSession, ProjectionError> {
    let personal = Personal {
        name: session.name.clone(),
        secret: session.secret.expose().clone(),
        inline_policy: session.inline_policy.clone(),
        tags: session.tags.clone(),
        source_identity: session.source_identity.clone(),
    };
    let plain = Secret::new(crate::base::text::base64(&codec::encode(&personal)?));
    let sealed = sealing::seal(
        keys,
        random,
        session.account,
        &session.principal,
        &session_field(session.key.as_str()),
        plain.expose(),
    )?;
    Ok(StoredSession {
        account: session.account,
        principal: session.principal.clone(),
        token_hash: session.token_hash,
        issued: session.issued,
        expires: session.expires,
        managed_policies: session.managed_policies.clone(),
        transitive: session.transitive.clone(),
        began_with: session.began_with.clone(),
        began_by: session.began_by.clone(),
        mfa: session.mfa,
        personal: sealed.0,
    })
}

fn open_session(
    keys: &SubjectKeys,
    key: &UniqueId,
    stored: &StoredSession,
) -> Result<Option<Session>, ProjectionError> {
    let field = session_field(key.as_str());
    let sealed = Sealed(stored.personal.clone());
    let Some(plain) = sealing::unseal(keys, stored.account, &stored.principal, &field, &sealed)?
    else {
        return Ok(None);
    };
    let plain = Secret::new(plain);
    let bytes = crate::base::text::from_base64(plain.expose())
        .ok_or(crate::base::crypto::CryptoError::DoesNotOpen)?;
    let personal: Personal = codec::decode(&bytes)?;
    Ok(Some(Session {
        key: key.clone(),
        account: stored.account,
        principal: stored.principal.clone(),
        name: personal.name,
        secret: Secret::new(personal.secret),
        token_hash: stored.token_hash,
        issued: stored.issued,
        expires: stored.expires,
        inline_policy: personal.inline_policy,
        managed_policies: stored.managed_policies.clone(),
        tags: personal.tags,
        transitive: stored.transitive.clone(),
        source_identity: personal.source_identity,
        began_with: stored.began_with.clone(),
        began_by: stored.began_by.clone(),
        mfa: stored.mfa,
    }))
}

/// The writer's side: the end of the chain.
struct Pen {
    store: Arc<dyn Store>,
    head: Arc<dyn HeadFile>,
    number: u64,
    chain: [u8; 32],
    reserve: Arc<Reserve>,
}

impl Pen {
    fn load(
        store: Arc<dyn Store>,
        head: Arc<dyn HeadFile>,
        reserve: Arc<Reserve>,
    ) -> Result<Self, ProjectionError> {
        let last = store::walk(store.as_ref(), Family::Receipts, |cursor| {
            cursor.seek_back(&u64::MAX.to_be_bytes())?;
            Ok(cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec())))
        })?;
        let (number, chain) = match last {
            None => (0, [0; 32]),
            Some((key, value)) => {
                let mut chain = None;
                let (number, _) = read_receipt(&key, &value, &mut chain)?;
                (number, chain.unwrap_or_default())
            }
        };
        let kept = match head.read()? {
            None if number > 0 => {
                let lost = "the activity book's HEAD (ACTIVITY) is lost: restore it from a backup";
                return Err(StoreError::Damaged(lost.into()).into());
            }
            None => 0,
            Some(known) if number == known.position && chain != known.tip => number + 1,
            Some(known) => known.position,
        };
        if number < kept {
            return Err(StoreError::Damaged(format!(
                "the activity book is short: {kept} receipts were kept, {number} of them are here"
            ))
            .into());
        }
        Ok(Pen { store, head, number, chain, reserve })
    }

    /// Rows first, then HEAD: a crash between them leaves the book ahead, which is fine.
    fn commit_batch(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch, Durability::Synced)?;
        self.head.write(&Head { position: self.number, root: [0; 32], tip: self.chain })
    }

    fn write(&mut self, receipt: &Receipt, batch: &mut Batch) -> Result<(), ProjectionError> {
        let body = codec::encode(receipt)?;
        self.number += 1;
        self.chain = chained(&self.chain, &body);
        batch.put(
            Family::Receipts,
            self.number.to_be_bytes(),
            [self.chain.as_slice(), &body].concat(),
        );
        Ok(())
    }

    fn run(mut self, notes: &Receiver<Note>, state: &State) {
        let mut restoring = Instant::now();
        loop {
            // A spent reserve is restored even if nobody asks anything: writes wait for that.
            let first = match self.reserve.is_spent() {
                true => notes.recv_timeout(RETRY),
                false => notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            if self.reserve.is_spent() && restoring.elapsed() >= RETRY {
                if let Err(error) = self.reserve.restore() {
                    eprintln!("domesday: {error}");
                }
                restoring = Instant::now();
            }
            let mut group = match first {
                Ok(first) => vec![first],
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let deadline = Instant::now() + LINGER;
            while group.len() < BATCH && group.iter().all(|note| note.done.is_none()) {
                match notes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(note) => group.push(note),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            // Whatever queued up meanwhile shares the sync.
            while group.len() < BATCH
                && let Ok(note) = notes.try_recv()
            {
                group.push(note);
            }
            self.commit(&group, state);
        }
        let mut batch = Batch::default();
        batch.put(Family::Meta, CLEAN, *b"1");
        if state.failing.load(Ordering::Relaxed) {
            eprintln!(
                "domesday: the newest receipts could not be kept; the next start records that"
            );
        } else if let Err(error) = self.store.commit(&batch, Durability::Synced) {
            eprintln!("domesday: the activity book was not closed cleanly: {error}");
        }
    }

    /// Writes a group, and tries again while the disk is full: meanwhile new requests are refused. After
    /// any other failure nobody knows what is durable: no receipt is kept, and no request answered, any
    /// more.
    fn commit(&mut self, group: &[Note], state: &State) {
        let (number, chain) = (self.number, self.chain);
        let outcome = loop {
            let outcome = self
                .batch(group)
                .and_then(|batch| self.commit_batch(&batch).map_err(ProjectionError::from));
            let Err(error) = outcome else { break Ok(()) };
            (self.number, self.chain) = (number, chain);
            let failure = match error.store_error() {
                Some(full @ StoreError::NoSpace(_)) => match self.wait_for_room(full, state) {
                    // What is too much for the room there is must not use all of it up in vain.
                    Ok(()) if group.len() > PORTION => {
                        return group.chunks(PORTION).for_each(|part| self.commit(part, state));
                    }
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Some(other) => other.clone(),
                None => StoreError::Failed(error.to_string()),
            };
            eprintln!("domesday: the activity book failed, and with it every request: {failure}");
            break Err(failure);
        };
        state.failing.store(outcome.is_err(), Ordering::Relaxed);
        for done in group.iter().filter_map(|note| note.done.as_ref()) {
            let _ = done.send(outcome.clone());
        }
    }

    /// Opens the store again once there is room, if need be that of the reserve. Until then it stays as it
    /// is, so that sessions can be read.
    fn wait_for_room(&self, full: &StoreError, state: &State) -> Result<(), StoreError> {
        if self.reserve.spend()? {
            eprintln!("domesday: receipts are kept on the reserve: {full}");
        } else {
            state.failing.store(true, Ordering::Relaxed);
            eprintln!("domesday: receipts wait for the disk: {full}");
        }
        loop {
            if self.store.has_room() {
                match self.store.reopen() {
                    Err(StoreError::NoSpace(_)) => {}
                    outcome => return outcome,
                }
            }
            if state.closing.load(Ordering::Relaxed) {
                return Err(full.clone());
            }
            state.failing.store(true, Ordering::Relaxed);
            std::thread::sleep(RETRY);
        }
    }

    fn batch(&mut self, group: &[Note]) -> Result<Batch, ProjectionError> {
        let mut batch = Batch::default();
        for note in group {
            if let Some(receipt) = &note.receipt {
                self.write(receipt, &mut batch)?;
            }
            if let Some((key, session)) = &note.session {
                batch.put(Family::Sessions, key.as_str().as_bytes(), session.clone());
            }
            for (id, used) in &note.used {
                batch.put(Family::LastUsed, used_key(id, used.at), codec::encode(used)?);
            }
        }
        Ok(batch)
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
        let clock = SimulatedClock::new(Timestamp::from_seconds(7200));
        let head = Arc::new(MemoryHead::default());
        let reserve = Arc::default();
        let try_open =
            || ActivityBook::open(store.clone(), head.clone(), keys.clone(), &reserve, &clock);
        let open = || try_open().unwrap();
        let book = open();
        let key = UniqueId::parse("AKIAEXAMPLE").unwrap();
        let used = |seconds| LastUsed {
            at: Timestamp::from_seconds(seconds),
            service: "iam".into(),
            region: "us-east-1".into(),
        };
        for seconds in [100, 200, 4000, 9000] {
            book.note(receipt("r"), vec![(key.clone(), used(seconds))]).unwrap();
        }
        book.note_durably(receipt("last"), Vec::new()).unwrap();
        let at = |seconds| book.last_used(&key, Timestamp::from_seconds(seconds)).unwrap();
        assert_eq!(at(10_000), Some(used(9000)));
        assert_eq!(at(8999), Some(used(4000)));
        assert_eq!(at(300), Some(used(200)));
        assert_eq!(at(50), None);
        book.close();
        assert!(book.note(receipt("late"), Vec::new()).is_err());
        assert_eq!(kinds(&open()), [Kind::Allowed; 5]);
        // The last open was closed by its drop; spoil the mark as a crash would.
        let mut batch = Batch::default();
        batch.delete(Family::Meta, CLEAN);
        store.commit(&batch, Durability::Synced).unwrap();
        assert_eq!(kinds(&open()).last(), Some(&Kind::Gap));

        let mut batch = Batch::default();
        let value = store.get(Family::Receipts, &2u64.to_be_bytes()).unwrap().unwrap();
        let mut altered = value;
        altered[40] ^= 1;
        batch.put(Family::Receipts, 2u64.to_be_bytes(), altered);
        store.commit(&batch, Durability::Synced).unwrap();
        assert!(open().receipts(1, &mut |_, _| Ok(true)).is_err());

        // The newest receipt is gone: the book does not open.
        let mut batch = Batch::default();
        batch.delete(Family::Receipts, 6u64.to_be_bytes());
        store.commit(&batch, Durability::Synced).unwrap();
        assert!(try_open().is_err_and(|error| error.is_damage()));
    }
}
