//! Reading rows: the trait that every question is asked of, and the view of a store at a cut.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bincode::{Decode, Encode};
use parking_lot::Mutex;

use super::orders::Order;
use super::recent::SCAN_ROWS;
use super::row::{self, Key, Table};
use super::tables::CATALOGUE;
use super::{ProjectionError, Projections};
use crate::base::crypto::content_hash;
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::codec;
use crate::ledger::{AccountId, Frame, Ledger};
use crate::store::keys::SubjectKeys;
use crate::store::{Cursor, Family, Store, StoreError, Walk};

/// What a scan does with each row: its key within the account, and its bytes. `false` stops it.
pub type EachRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, ProjectionError>;

/// What is done with each version of a row: its key within the account, its position, and its bytes, `None` for
/// gone.
pub type EachVersion<'a> =
    &'a mut dyn FnMut(&[u8], u64, Option<&[u8]>) -> Result<(), ProjectionError>;

/// The number of a table: the first byte of its keys.
pub type TableNumber = u8;

/// Where rows, contents and secrets are read from: a view, or a transaction on top of one.
pub trait Reader: Sync {
    /// The bytes of one row.
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError>;
    /// All rows whose keys begin so, in the order of their keys.
    fn scan(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachRow<'_>,
    ) -> Result<(), ProjectionError>;
    /// Content by its BLAKE3.
    fn content(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ProjectionError>;
    /// A sealed secret by its commitment.
    fn secret(&self, commitment: &[u8; 32]) -> Result<Option<Vec<u8>>, ProjectionError>;
    /// The keys of the subjects.
    fn keys(&self) -> &SubjectKeys;
    /// The unique ids of a table of the account in the order of the names that they stand for, if that is at hand.
    fn order(&self, _: AccountId, _: TableNumber) -> Result<Option<Order>, ProjectionError> {
        Ok(None)
    }
    /// Keeps such an order, as it was read here.
    fn keep_order(&self, _: AccountId, _: TableNumber, _: &Order) -> Result<(), ProjectionError> {
        Ok(())
    }
}

/// Typed reading, for everything that is a [`Reader`].
pub trait ReadTables: Reader {
    /// One row of a table.
    fn get<K: Key, V: Encode + Decode<()>>(
        &self,
        account: AccountId,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, ProjectionError> {
        let bytes = self.row(account, &table.key(key))?;
        bytes.map(|bytes| codec::decode(&bytes)).transpose().map_err(ProjectionError::Row)
    }

    /// The rows of a table whose keys begin with these parts; `&()` for all.
    fn list<K: Key, V: Encode + Decode<()>, P: Key>(
        &self,
        account: AccountId,
        table: &Table<K, V>,
        parts: &P,
    ) -> Result<Vec<V>, ProjectionError> {
        let mut rows = Vec::new();
        self.scan(account, &table.prefix(parts), &mut |_, bytes| {
            rows.push(codec::decode(bytes)?);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// How many rows of a table have keys that begin with these parts.
    fn count<K: Key, V: Encode + Decode<()>, P: Key>(
        &self,
        account: AccountId,
        table: &Table<K, V>,
        parts: &P,
    ) -> Result<usize, ProjectionError> {
        let mut rows = 0;
        self.scan(account, &table.prefix(parts), &mut |_, _| {
            rows += 1;
            Ok(true)
        })?;
        Ok(rows)
    }
}

impl<R: Reader + ?Sized> ReadTables for R {}

/// The instant that a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Only the first so many events of the store.
    pub position: u64,
    /// And of those only what had happened by then; each account is cut at its own last such event.
    pub time: Option<Timestamp>,
}

/// A store as it stood at a cut. Cheap to make; reads what was acknowledged.
pub struct View {
    projections: Arc<Projections>,
    cut: Cut,
    rows: Family,
    /// Clearings of that side before this view; one more, and what it reads may be half gone.
    cleared: u64,
    cuts: Mutex<HashMap<AccountId, u64>>,
    /// Rows that may still be read, of a view that reads memory alone.
    at_hand: Option<AtomicUsize>,
    /// Whether what it reads of the disk is kept for the next one.
    keeps: bool,
}

/// Rows that a request may read without leaving the async threads: some twenty are usual.
const AT_HAND_ROWS: usize = 256;

/// Older versions that are stepped over before it pays to seek.
const STEPS: usize = 4;

impl View {
    pub(super) fn new(projections: Arc<Projections>, cut: Cut) -> Self {
        let store = projections.ledger().store();
        let mut rows = projections.live_side();
        let mut cleared = store.cleared(rows);
        // A swap between the two lines above would have us count from too late.
        while projections.live_side() != rows {
            rows = projections.live_side();
            cleared = store.cleared(rows);
        }
        let cut = Cut { position: cut.position.min(projections.ledger().head().position), ..cut };
        let cuts = Mutex::new(HashMap::new());
        View { projections, cut, rows, cleared, cuts, at_hand: None, keeps: true }
    }

    /// A view that keeps nothing of what it reads: for whoever reads through a whole account once, and would
    /// only push out what others ask for again.
    pub fn passing(self) -> Self {
        View { keeps: false, ..self }
    }

    pub(super) fn at_hand(self) -> Self {
        View { at_hand: Some(AtomicUsize::new(AT_HAND_ROWS)), ..self }
    }

    /// The instant shown.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// What it was made from, to make another one.
    pub fn projections(&self) -> &Arc<Projections> {
        &self.projections
    }

    /// The ledger underneath.
    pub fn ledger(&self) -> &Ledger {
        self.projections.ledger()
    }

    fn store(&self) -> &dyn Store {
        self.ledger().store().as_ref()
    }

    /// Whether the cut of a row depends on the event that wrote it: the indexes over all accounts, at a
    /// date, follow the owner of each row, since each account is cut at its own last event.
    fn follows_owner(&self, account: AccountId) -> bool {
        account == AccountId::SYSTEM && self.cut.time.is_some()
    }

    /// The newest version of a row that can be shown.
    fn newest(&self, account: AccountId) -> Result<u64, ProjectionError> {
        if self.follows_owner(account) { Ok(self.cut.position) } else { self.position_of(account) }
    }

    /// Whether a version that is not too new is shown: of an index row, whether its event had happened.
    fn shows(&self, account: AccountId, version: u64) -> Result<bool, ProjectionError> {
        let Some(time) = self.cut.time.filter(|_| account == AccountId::SYSTEM) else {
            return Ok(true);
        };
        let bytes = self.ledger().event(version)?;
        Ok(Frame::read(version, &bytes)?.header.happened_at <= time)
    }

    /// The last event of an account that this view shows.
    pub fn position_of(&self, account: AccountId) -> Result<u64, ProjectionError> {
        let Some(time) = self.cut.time else { return Ok(self.cut.position) };
        if let Some(position) = self.cuts.lock().get(&account) {
            return Ok(*position);
        }
        let position = self.ledger().cut_at(account, time, self.cut.position)?;
        self.cuts.lock().insert(account, position);
        Ok(position)
    }
}

impl Reader for View {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        if self.follows_owner(account) {
            // No key is the beginning of another: what the scan finds is this row or nothing.
            let mut found = None;
            self.scan(account, key, &mut |_, row| {
                found = Some(row.to_vec());
                Ok(false)
            })?;
            // The shared policies of before the first ones that were installed are not known: they are taken
            // to have been those.
            if found.is_none() && key == CATALOGUE.key(&()) {
                found = self.oldest(account, key)?;
            }
            return Ok(found);
        }
        let position = self.position_of(account)?;
        let stored = row::stored_prefix(account, key);
        if let Some(row) = self.projections.recent().row(&stored, position) {
            self.spend(1)?;
            return Ok(row);
        }
        self.may_read_disk()?;
        let sought = row::stored_key(account, key, position);
        let found = self.store().version(self.rows, &sought)?;
        self.still_whole()?;
        let (since, row) = match &found {
            None => (0, None),
            Some((found, value)) => {
                let since = row::split_stored(found).map_or(position, |(_, version)| version);
                (since, row::read_value(value)?)
            }
        };
        if self.keeps {
            self.projections.recent().keep_row(&stored, position, since, row);
        }
        Ok(row.map(<[u8]>::to_vec))
    }

    fn scan(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachRow<'_>,
    ) -> Result<(), ProjectionError> {
        let position = self.newest(account)?;
        let start = row::stored_prefix(account, prefix);
        if self.follows_owner(account) {
            return self.scan_store(account, &start, position, each).map(drop);
        }
        if let Some(rows) = self.projections.recent().scan(&start, position) {
            self.spend(rows.len().max(1))?;
            for (key, row) in rows.iter() {
                if !each(key, row)? {
                    break;
                }
            }
            return Ok(());
        }
        self.may_read_disk()?;
        let mut seen = Vec::new();
        let mut whole = true;
        let since = self.scan_store(account, &start, position, &mut |key, row| {
            // Long scans are read through and not kept.
            if self.keeps && seen.len() <= SCAN_ROWS {
                seen.push((key.to_vec(), row.to_vec()));
            }
            whole = each(key, row)?;
            Ok(whole)
        })?;
        if self.keeps && whole && seen.len() <= SCAN_ROWS {
            self.projections.recent().keep_scan(&start, position, since, &seen.into());
        }
        Ok(())
    }

    fn content(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ProjectionError> {
        self.may_read_disk()?;
        let found = self.store().get(Family::Blobs, hash)?;
        found
            .filter(|content| content_hash(content) == *hash)
            .ok_or_else(|| ProjectionError::Content { hash: hex(hash) })
    }

    fn secret(&self, commitment: &[u8; 32]) -> Result<Option<Vec<u8>>, ProjectionError> {
        let recent = self.projections.recent();
        if let Some(secret) = recent.secret(commitment, self.cut.position) {
            return Ok(secret);
        }
        self.may_read_disk()?;
        let secret = self.store().get(Family::Secrets, commitment)?;
        recent.keep_secret(commitment, self.cut.position, secret.as_deref());
        Ok(secret)
    }

    fn keys(&self) -> &SubjectKeys {
        self.projections.keys()
    }

    fn order(
        &self,
        account: AccountId,
        table: TableNumber,
    ) -> Result<Option<Order>, ProjectionError> {
        let start = row::stored_prefix(account, &[table]);
        Ok(self.projections.recent().order(&start, self.position_of(account)?))
    }

    fn keep_order(
        &self,
        account: AccountId,
        table: TableNumber,
        ids: &Order,
    ) -> Result<(), ProjectionError> {
        if self.keeps {
            let start = row::stored_prefix(account, &[table]);
            let (position, is_live) =
                (self.position_of(account)?, || self.rows == self.projections.live_side());
            self.projections.recent().keep_order(&start, position, ids, is_live);
        }
        Ok(())
    }
}

impl View {
    /// Whether the disk may be read.
    fn may_read_disk(&self) -> Result<(), ProjectionError> {
        if self.at_hand.is_some() { Err(ProjectionError::NotAtHand) } else { Ok(()) }
    }

    /// Counts rows that were found in memory.
    fn spend(&self, rows: usize) -> Result<(), ProjectionError> {
        let Some(left) = &self.at_hand else { return Ok(()) };
        let enough = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(rows));
        enough.map(drop).map_err(|_| ProjectionError::NotAtHand)
    }

    /// Whoever reads while its rows are being removed - an old view, after two rebuilds - is told so, and
    /// never that a row is not there.
    fn still_whole(&self) -> Result<(), ProjectionError> {
        if self.store().cleared(self.rows) == self.cleared {
            Ok(())
        } else {
            Err(ProjectionError::Outlived)
        }
    }

    /// Every version that this view shows of the rows whose keys begin so, of each row the newest first.
    ///
    /// # Errors
    /// Those of reading, and of `each`.
    pub fn versions(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachVersion<'_>,
    ) -> Result<(), ProjectionError> {
        self.may_read_disk()?;
        let newest = self.newest(account)?;
        let start = row::stored_prefix(account, prefix);
        let mut outcome = Ok(());
        self.store().walk(self.rows, &mut |cursor| {
            outcome = self.walk_versions(cursor, account, (&start, newest), each);
            Ok(())
        })?;
        self.still_whole()?;
        outcome
    }

    fn walk_versions(
        &self,
        cursor: &mut dyn Cursor,
        account: AccountId,
        (start, newest): (&[u8], u64),
        each: EachVersion<'_>,
    ) -> Result<(), ProjectionError> {
        cursor.seek(start)?;
        while let Some((stored, value)) = cursor.current().filter(|(key, _)| key.starts_with(start))
        {
            let Some((prefix, version)) = row::split_stored(stored) else {
                return Err(StoreError::Damaged("a row key is too short".into()).into());
            };
            let key = prefix.get(16..).unwrap_or_default();
            if version <= newest && self.shows(account, version)? {
                each(key, version, row::read_value(value)?)?;
            }
            cursor.advance()?;
        }
        Ok(())
    }

    /// Walks the rows as they are stored, of whichever position.
    pub(super) fn walk_rows(
        &self,
        walk: &mut dyn FnMut(&mut dyn Cursor) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        self.may_read_disk()?;
        let mut outcome = Ok(());
        self.store().walk(self.rows, &mut |cursor| {
            outcome = walk(cursor);
            Ok(())
        })?;
        self.still_whole()?;
        outcome
    }

    /// The first version that a row ever had, among the events of the view.
    fn oldest(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.may_read_disk()?;
        let start = row::stored_prefix(account, key);
        let position = self.cut.position;
        let mut outcome = Ok(None);
        self.store().walk(self.rows, &mut |cursor| {
            outcome = (|| {
                let mut oldest = None;
                cursor.seek(&row::stored_key(account, key, position))?;
                while let Some((stored, value)) = cursor.current() {
                    if row::split_stored(stored).is_none_or(|(prefix, _)| prefix != start) {
                        break;
                    }
                    oldest = row::read_value(value)?.map(<[u8]>::to_vec);
                    cursor.advance()?;
                }
                Ok(oldest)
            })();
            Ok(())
        })?;
        self.still_whole()?;
        outcome
    }

    /// Whether a scan goes through a whole table. (Where rows follow their owners, single rows are scanned for, too.)
    fn is_long(&self, account: AccountId, start: &[u8]) -> bool {
        start.len() == row::stored_prefix(account, &[0]).len() && !self.follows_owner(account)
    }

    /// Scans what is stored, and returns the newest version that it met.
    fn scan_store(
        &self,
        account: AccountId,
        start: &[u8],
        position: u64,
        each: EachRow<'_>,
    ) -> Result<u64, ProjectionError> {
        let mut outcome = Ok(0);
        let walk: Walk<'_> = &mut |cursor| {
            let shows = &|version| self.shows(account, version);
            outcome = scan_cut(cursor, start, position, shows, each);
            Ok(())
        };
        match self.is_long(account, start) {
            true => self.store().walk_through(self.rows, walk),
            false => self.store().walk(self.rows, walk),
        }?;
        self.still_whole()?;
        outcome
    }
}

/// Visits the newest version at or before `position` that `shows` lets through, of every row under `start`.
/// Returns the newest version met, of rows that are gone included.
fn scan_cut(
    cursor: &mut dyn Cursor,
    start: &[u8],
    position: u64,
    shows: &dyn Fn(u64) -> Result<bool, ProjectionError>,
    each: EachRow<'_>,
) -> Result<u64, ProjectionError> {
    cursor.seek(start)?;
    let mut newest = 0;
    let mut done: Vec<u8> = Vec::new();
    loop {
        let Some((stored, value)) = cursor.current() else { return Ok(newest) };
        if !stored.starts_with(start) {
            return Ok(newest);
        }
        let Some((prefix, version)) = row::split_stored(stored) else {
            return Err(StoreError::Damaged("a row key is too short".into()).into());
        };
        if version > position {
            // A later version: go to the newest one that the cut shows.
            let sought = [prefix, &(!position).to_be_bytes()].concat();
            step_or_seek(cursor, &sought)?;
            continue;
        }
        if !shows(version)? {
            cursor.advance()?;
            continue;
        }
        newest = newest.max(version);
        if let Some(row) = row::read_value(value)? {
            let key = prefix.get(16..).unwrap_or_default();
            if !each(key, row)? {
                return Ok(newest);
            }
        }
        done.clear();
        done.extend_from_slice(prefix);
        // Past the oldest version that can be.
        done.extend_from_slice(&[0xff; 8]);
        done.push(0);
        step_or_seek(cursor, &done)?;
    }
}

/// Moves forward to `key`, which is near more often than not.
fn step_or_seek(cursor: &mut dyn Cursor, key: &[u8]) -> Result<(), StoreError> {
    for _ in 0..STEPS {
        cursor.advance()?;
        match cursor.current() {
            Some((found, _)) if found < key => {}
            _ => return Ok(()),
        }
    }
    cursor.seek(key)
}
