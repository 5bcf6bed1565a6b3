//! The disk. Ordered families of byte rows with get, scan and an atomic, synced commit; and the
//! HEAD file, which remembers outside the database how much was acknowledged.
//!
//! [`Store`] has three bodies: [`rocks::RocksStore`] for the disk, [`memory::MemoryStore`] with the
//! same behaviour for `--data memory:` and for tests, and [`faulty::FaultyStore`] around either, which
//! fails on demand. Nothing above this module names RocksDB.

pub mod faulty;
pub mod head;
pub mod keys;
mod manifest;
pub mod memory;
pub mod reserve;
pub mod rocks;

use std::path::PathBuf;

/// A set of rows with an order of its own. The discriminants are only names in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Position (u64 big-endian) to the frame of the event.
    Events,
    /// Account (16 bytes) and its sequence (u64 big-endian) to position.
    Sequences,
    /// Full tiles of the Merkle tree: level (1 byte), index (u64 big-endian) to 256 hashes.
    Tiles,
    /// BLAKE3 of content to content: policy documents and other payloads too large for an event.
    Blobs,
    /// Projection rows; one of the two sides is live, the other is where a rebuild writes.
    RowsA,
    /// The other side.
    RowsB,
    /// Commitment to sealed secret (access-key secrets, password hashes). Not derived from events.
    Secrets,
    /// Which side of the rows is live, and the format of the store.
    Meta,
    /// Activity book: sequence (u64 big-endian) to receipt frame.
    Receipts,
    /// Activity book: session access key id to session descriptor.
    Sessions,
    /// Activity book: subject to the last-used facts kept of it.
    LastUsed,
    /// Activity book: multi-factor device to the step of its last code.
    Steps,
}

impl Family {
    /// The families of an identity ledger.
    pub const LEDGER: &'static [Family] = &[
        Family::Events,
        Family::Sequences,
        Family::Tiles,
        Family::Blobs,
        Family::RowsA,
        Family::RowsB,
        Family::Secrets,
        Family::Meta,
    ];
    /// The families of an activity book.
    pub const ACTIVITY: &'static [Family] =
        &[Family::Receipts, Family::Sessions, Family::LastUsed, Family::Steps, Family::Meta];

    /// The name on disk; never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Events => "events",
            Family::Sequences => "sequences",
            Family::Tiles => "tiles",
            Family::Blobs => "blobs",
            Family::RowsA => "rows-a",
            Family::RowsB => "rows-b",
            Family::Secrets => "secrets",
            Family::Meta => "meta",
            Family::Receipts => "receipts",
            Family::Sessions => "sessions",
            Family::LastUsed => "last-used",
            Family::Steps => "steps",
        }
    }
}

/// Counts the clearings of each family.
#[derive(Debug, Default)]
struct Clearings(parking_lot::RwLock<std::collections::BTreeMap<Family, u64>>);

impl Clearings {
    fn begin(&self, family: Family) {
        *self.0.write().entry(family).or_default() += 1;
    }

    fn of(&self, family: Family) -> u64 {
        self.0.read().get(&family).copied().unwrap_or(0)
    }
}

/// Rows to write together: all of them or none.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    rows: Vec<BatchRow>,
}

/// One row of a [`Batch`]: where, and the value or its removal.
pub type BatchRow = (Family, Vec<u8>, Option<Vec<u8>>);

impl Batch {
    /// Writes a row.
    pub fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.rows.push((family, key.into(), Some(value.into())));
    }

    /// Removes a row, if it is there.
    pub fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.rows.push((family, key.into(), None));
    }

    /// What the batch does, in order.
    pub fn rows(&self) -> &[BatchRow] {
        &self.rows
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends all rows of another batch.
    pub fn extend(&mut self, other: Batch) {
        self.rows.extend(other.rows);
    }
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the write-ahead log was synced to the device.
    Synced,
    /// After the operating system has it: lost with the machine, not with the process.
    Buffered,
}

/// What can go wrong with the disk.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The device is full. Nothing was acknowledged; the store must be reopened before it writes again.
    #[error("no space left on the device that holds the store: {0}")]
    NoSpace(String),
    /// Another process has the store open.
    #[error("{0} is in use by another process (a running server?): use --endpoint, or stop it")]
    InUse(PathBuf),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A read, write or sync failed. After a failed sync nothing may be acknowledged any more.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A walk over one family. Errors never look like the end.
pub trait Cursor {
    /// Moves to the first row whose key is at or after `key`.
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError>;
    /// Moves to the last row whose key is at or before `key`.
    fn seek_back(&mut self, key: &[u8]) -> Result<(), StoreError>;
    /// Moves to the next row.
    fn advance(&mut self) -> Result<(), StoreError>;
    /// The row the cursor stands on; `None` before the first move and past the ends.
    fn current(&self) -> Option<(&[u8], &[u8])>;
}

/// What is done with a cursor; it may not outlive the call.
pub type Walk<'a> = &'a mut dyn FnMut(&mut dyn Cursor) -> Result<(), StoreError>;

/// Ordered families of rows with atomic commits.
pub trait Store: Send + Sync {
    /// The value of one row.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The first row at or after `key` whose key differs from it in the last [`VERSION`] bytes at most:
    /// the newest version of something at or before one.
    fn version(&self, family: Family, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut found = None;
        self.walk(family, &mut |cursor| {
            cursor.seek(key)?;
            found = same_stem(key, cursor.current());
            Ok(())
        })?;
        Ok(found)
    }
    /// Walks a family on one consistent state of it.
    fn walk(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError>;
    /// The same for whoever goes once through very much: what it reads does not drive from the cache what others read
    /// all the time.
    fn walk_through(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        self.walk(family, walk)
    }
    /// Writes a batch atomically.
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;
    /// Removes all rows of a family. Not atomic: a reader that must not see half of it compares
    /// [`cleared`](Self::cleared) before and after.
    fn clear(&self, family: Family) -> Result<(), StoreError>;
    /// How often a clearing of the family has begun since the store was made or opened by this process.
    fn cleared(&self, family: Family) -> u64;
    /// Whether the device has room again, after it was full. Tried by writing, which is all that tells.
    fn has_room(&self) -> bool;
    /// Closes and opens the store again, after a full device has room.
    fn reopen(&self) -> Result<(), StoreError>;
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Bytes at the end of a key of the row families that tell its versions apart.
pub const VERSION: usize = 8;

/// What all versions of a row have in common in their keys.
fn stem(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<VERSION>().map_or(key, |(stem, _)| stem)
}

fn same_stem(key: &[u8], row: Option<(&[u8], &[u8])>) -> Option<Row> {
    let (found, value) = row?;
    (stem(found) == stem(key)).then(|| (found.to_vec(), value.to_vec()))
}

/// Runs a walk that returns a value.
pub fn walk<T>(
    store: &dyn Store,
    family: Family,
    body: impl FnOnce(&mut dyn Cursor) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    returned(body, |walk| store.walk(family, walk))
}

/// Runs a [`Store::walk_through`] that returns a value.
pub fn walk_through<T>(
    store: &dyn Store,
    family: Family,
    body: impl FnOnce(&mut dyn Cursor) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    returned(body, |walk| store.walk_through(family, walk))
}

fn returned<T>(
    body: impl FnOnce(&mut dyn Cursor) -> Result<T, StoreError>,
    run: impl FnOnce(Walk<'_>) -> Result<(), StoreError>,
) -> Result<T, StoreError> {
    let mut body = Some(body);
    let mut result = None;
    run(&mut |cursor| {
        if let Some(body) = body.take() {
            result = Some(body(cursor)?);
        }
        Ok(())
    })?;
    result.ok_or_else(|| StoreError::Failed("a walk did not run".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The law both stores keep: the same commits give the same reads.
    fn exercise(store: &dyn Store) {
        let mut batch = Batch::default();
        for key in [b"a1".to_vec(), b"a3".to_vec(), b"b".to_vec()] {
            batch.put(Family::Blobs, key.clone(), key);
        }
        store.commit(&batch, Durability::Synced).unwrap();
        assert_eq!(store.get(Family::Blobs, b"a3").unwrap().unwrap(), b"a3");
        assert_eq!(store.get(Family::Meta, b"a3").unwrap(), None);
        let seen = walk(store, Family::Blobs, |cursor| {
            let mut seen = Vec::new();
            cursor.seek(b"a2")?;
            while let Some((key, _)) = cursor.current() {
                seen.push(key.to_vec());
                cursor.advance()?;
            }
            cursor.seek_back(b"a2")?;
            seen.push(cursor.current().unwrap().0.to_vec());
            cursor.seek_back(b"a")?;
            assert!(cursor.current().is_none());
            cursor.seek_back(b"zz")?;
            seen.push(cursor.current().unwrap().0.to_vec());
            Ok(seen)
        })
        .unwrap();
        assert_eq!(seen, [b"a3".to_vec(), b"b".to_vec(), b"a1".to_vec(), b"b".to_vec()]);
        let mut batch = Batch::default();
        batch.delete(Family::Blobs, b"b".to_vec());
        store.commit(&batch, Durability::Buffered).unwrap();
        store.reopen().unwrap();
        assert_eq!(store.get(Family::Blobs, b"b").unwrap(), None);
        store.clear(Family::Blobs).unwrap();
        assert_eq!(store.get(Family::Blobs, b"a1").unwrap(), None);

        // Versions of three rows, one of whose keys is the beginning of another.
        let key = |stem: &str, version: u64| [stem.as_bytes(), &version.to_be_bytes()].concat();
        let mut batch = Batch::default();
        for (stem, version) in [("row", 3), ("row", 7), ("row-", 5), ("s", 1)] {
            batch.put(Family::RowsA, key(stem, version), format!("{stem}{version}"));
        }
        store.commit(&batch, Durability::Synced).unwrap();
        let version = |stem: &str, at: u64| {
            let found = store.version(Family::RowsA, &key(stem, at)).unwrap();
            found.map(|(_, value)| String::from_utf8(value).unwrap())
        };
        assert_eq!(version("row", 0).as_deref(), Some("row3"));
        assert_eq!(version("row", 4).as_deref(), Some("row7"));
        assert_eq!(version("row", 8), None);
        assert_eq!(version("row-", 1).as_deref(), Some("row-5"));
        assert_eq!(version("no", 1), None);
        // And a walk still sees all of them, in order.
        let all = walk(store, Family::RowsA, |cursor| {
            let mut all = Vec::new();
            cursor.seek(b"row")?;
            while let Some((_, value)) = cursor.current() {
                all.push(value.to_vec());
                cursor.advance()?;
            }
            Ok(all)
        });
        assert_eq!(
            all.unwrap(),
            ["row3", "row7", "row-5", "s1"].map(|text| text.as_bytes().to_vec())
        );
    }

    #[test]
    fn memory_and_disk_behave_alike() {
        exercise(&memory::MemoryStore::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let store = rocks::RocksStore::open(&path, Family::LEDGER, rocks::Memory::Serving).unwrap();
        exercise(&store);
        assert!(matches!(
            rocks::RocksStore::open(&path, Family::LEDGER, rocks::Memory::Serving),
            Err(StoreError::InUse(_))
        ));
    }
}
