//! A ledger in a temporary folder, and events of the size that the API makes.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::Outcome;
use domesday::base::clock::SystemClock;
use domesday::base::crypto;
use domesday::base::random::{OsRandom, Random, SeededRandom};
use domesday::identity::Event;
use domesday::identity::change::{Sealed, UserCreated, UserRenamed};
use domesday::identity::event::Origin;
use domesday::identity::id::UniqueId;
use domesday::ledger::{AccountId, Actor, Entry, LedgerWriter};
use domesday::projection::fold::Meta;
use domesday::projection::{Overlay, Projections, Transaction, rebuild};
use domesday::store::head::DiskHead;
use domesday::store::keys::SubjectKeys;
use domesday::store::rocks::{Memory, RocksStore};
use domesday::store::{Batch, Family, Store};

/// The one account that made-up events belong to.
pub const ACCOUNT: AccountId = AccountId([7; 16]);

/// A ledger by itself, without a service, as the service keeps it on disk.
pub struct Scratch {
    /// The folder; removed when this is dropped, after the store in it is closed.
    pub store: Arc<RocksStore>,
    /// The one writer.
    pub writer: LedgerWriter,
    /// What views are made from; nothing is sealed with its keys.
    pub projections: Arc<Projections>,
    _folder: TempDir,
}

impl Scratch {
    /// An empty ledger.
    pub fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(open_store(folder.path())?);
        let head = Arc::new(DiskHead::open(&folder.path().join("HEAD"))?);
        let writer = LedgerWriter::open(store.clone(), head, Arc::new(SystemClock))?;
        let keys = Arc::new(SubjectKeys::in_memory(crypto::new_key(&OsRandom)?));
        let projections = Projections::new(writer.reader(), keys)?;
        Ok(Scratch { store, writer, projections, _folder: folder })
    }

    /// One group commit as the service's writer makes it: each event decided on the overlay of those
    /// before it, folded, encoded, framed, chained and put into the tree; then all of them with their
    /// rows in one synced batch, and HEAD synced.
    pub fn commit_with_rows(&mut self, events: Vec<Event>) -> Outcome<()> {
        let (view, side) = (self.projections.now(), self.projections.live_side());
        let (mut overlay, mut batch) = (Overlay::default(), Batch::default());
        for Event { origin, changes } in events {
            let (position, at) = self.writer.next(ACCOUNT)?;
            let meta = Meta { account: ACCOUNT, position, at };
            let mut tx = Transaction::new(&view, &overlay, &OsRandom, meta);
            for change in changes {
                tx.record(change)?;
            }
            let (changes, done) = tx.finish();
            let position = self.writer.stage(&entry(&Event { origin, changes })?, at)?;
            overlay.absorb(done, position, side, &mut batch);
        }
        let position = view.cut().position + self.writer.staged() as u64;
        rebuild::note_applied(&mut batch, side, position);
        let recent = self.projections.recent();
        self.writer.commit_then(batch, |head| recent.take_in(head.position, &overlay))?;
        Ok(())
    }

    /// Appends events without rows; they are folded later.
    pub fn commit_alone(&mut self, events: &[Event]) -> Outcome<()> {
        for event in events {
            let (_, at) = self.writer.next(ACCOUNT)?;
            self.writer.stage(&entry(event)?, at)?;
        }
        self.writer.commit(Batch::default())?;
        Ok(())
    }

    /// The stored bytes of all events.
    pub fn frames(&self) -> Outcome<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        self.store.walk(Family::Events, &mut |cursor| {
            cursor.seek(&[])?;
            while let Some((_, frame)) = cursor.current() {
                frames.push(frame.to_vec());
                cursor.advance()?;
            }
            Ok(())
        })?;
        Ok(frames)
    }
}

/// The store of a ledger, with the options that the program uses.
pub fn open_store(folder: &Path) -> Outcome<RocksStore> {
    Ok(RocksStore::open(&folder.join("ledger"), Family::LEDGER, Memory::Serving)?)
}

fn entry(event: &Event) -> Outcome<Entry> {
    let body = event.encode()?;
    Ok(Entry { account: ACCOUNT, happened_at: None, actor: Actor::operator(), body })
}

/// Makes events up. What would be sealed is random, so that nothing compresses better than real data.
pub struct Invention {
    random: SeededRandom,
    numbers: u64,
}

impl Invention {
    /// The same events for the same seed.
    pub fn new(seed: u64) -> Self {
        Invention { random: SeededRandom::new(seed), numbers: seed | 1 }
    }

    /// A number below `bound`, which must not be 0; evenly enough for choosing what to read (xorshift).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.numbers ^= self.numbers << 13;
        self.numbers ^= self.numbers >> 7;
        self.numbers ^= self.numbers << 17;
        self.numbers % bound.max(1)
    }

    /// The event of CreateUser, for the user of a number.
    pub fn user_created(&self, number: u64) -> Outcome<Event> {
        let user = user_id(number)?;
        let name_tag = name_tag(number);
        let change =
            UserCreated { user: user.clone(), path: "/".into(), name: self.sealed(8)?, name_tag };
        Ok(Event { origin: self.origin("CreateUser", user)?, changes: vec![change.into()] })
    }

    /// The event of UpdateUser that moves the user of a number to another path.
    pub fn user_moved(&self, number: u64, times: u64) -> Outcome<Event> {
        let user = user_id(number)?;
        let change = UserRenamed {
            user: user.clone(),
            path: format!("/division-{}/", times % 100),
            name: self.sealed(8)?,
            name_tag: name_tag(number),
        };
        Ok(Event { origin: self.origin("UpdateUser", user)?, changes: vec![change.into()] })
    }

    /// What a request by an SDK leaves: key, address, agent, parameters.
    fn origin(&self, operation: &str, target: UniqueId) -> Outcome<Origin> {
        Ok(Origin {
            operation: operation.into(),
            request: "00000000-0000-4000-8000-000000000000".into(),
            credential: UniqueId::parse("AKIABENCHMARKBENCHMA"),
            actor: UniqueId::parse("AIDABENCHMARKBENCHMAR").unwrap_or_else(UniqueId::root),
            actor_account: None,
            address: Some(self.sealed(9)?),
            agent: Some(self.sealed(80)?),
            session: None,
            source_identity: None,
            target,
            parameters: Some(self.sealed(40)?),
            ticket: None,
        })
    }

    /// Random bytes as long as a text of `length` bytes is once sealed: 24 of nonce, 16 of tag.
    fn sealed(&self, length: usize) -> Outcome<Sealed> {
        let mut bytes = vec![0; length + 40];
        self.random.fill(&mut bytes)?;
        Ok(Sealed(bytes))
    }
}

/// The unique id of the user of a number.
pub fn user_id(number: u64) -> Outcome<UniqueId> {
    // Spread over the key space, as random ids are.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    UniqueId::parse(&format!("AIDA{spread:016X}Z")).ok_or_else(|| "no unique id".into())
}

fn name_tag(number: u64) -> [u8; 32] {
    crypto::content_hash(&number.to_be_bytes())
}
