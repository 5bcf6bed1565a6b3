//! The store on RocksDB.
//!
//! Its defaults are not good enough for a ledger (measured): after one flipped bit in the write-ahead
//! log the default recovery mode opens and silently drops every later, acknowledged write. So:
//!
//! - `TolerateCorruptedTailRecords`: a torn tail after a crash is legal, damage in the middle refuses.
//! - `track_and_verify_wals` and `track_and_verify_wals_in_manifest`: a damaged or missing older log
//!   refuses instead of opening with a hole. The first has no setter in the binding and is given as text.
//! - `paranoid_checks`, block checksums, no recycled logs, no unordered or pipelined writes.
//!
//! A flipped bit in the manifest can send RocksDB into an endless loop at open (measured with 11.8.1); its
//! checksums are therefore looked at first (see `store::manifest`).
//!
//! No setting notices that the newest log is gone; the HEAD file does (see [`super::head`]).

use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, Options, ReadOptions, SliceTransform, WriteBatch, WriteOptions,
};

use super::{
    Batch, Clearings, Cursor, Durability, Family, Row, Store, StoreError, VERSION, Walk, manifest,
    same_stem, stem,
};

/// Write-ahead log kept before memtables are flushed: bounds recovery to well under a second.
const WAL_BYTES: u64 = 64 << 20;
const MEMTABLE_BYTES: usize = 16 << 20;
const CACHE_BYTES: usize = 64 << 20;
/// What a device must take to count as having room: a log, a manifest and some to go on.
const ROOM_BYTES: usize = 4 << 20;

/// A store in a folder of its own, open in one process at a time.
pub struct RocksStore {
    path: PathBuf,
    families: &'static [Family],
    cache: Cache,
    clearings: Clearings,
    // `None` only while the store is being reopened, or after that failed.
    db: RwLock<Option<DB>>,
}

impl RocksStore {
    /// Opens the folder, founding the store if it is empty.
    pub fn open(path: &Path, families: &'static [Family]) -> Result<Self, StoreError> {
        manifest::check(path)?;
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let db = open_db(path, families, &cache)?;
        Ok(RocksStore {
            path: path.to_owned(),
            families,
            cache,
            clearings: Clearings::default(),
            db: RwLock::new(Some(db)),
        })
    }

    fn with<T>(&self, body: impl FnOnce(&DB) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Recursive: a comparison walks two families at once on one thread.
        match self.db.read_recursive().as_ref() {
            Some(db) => body(db),
            None => Err(StoreError::Failed("it is closed; it will be opened again".into())),
        }
    }
}

fn open_db(path: &Path, families: &[Family], cache: &Cache) -> Result<DB, StoreError> {
    // From text first: this call makes a new Options and would drop what was set before.
    let mut options = Options::get_options_from_string(
        &mut Options::default(),
        "track_and_verify_wals=true;max_manifest_file_size=16777216",
    )
    .map_err(classify)?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_max_open_files(512);
    options.set_bytes_per_sync(1 << 20);
    let descriptors: Vec<_> = std::iter::once("default")
        .chain(families.iter().map(|family| family.name()))
        .map(|name| {
            let versioned = [Family::RowsA.name(), Family::RowsB.name()].contains(&name);
            ColumnFamilyDescriptor::new(name, family_options(cache, versioned))
        })
        .collect();
    DB::open_cf_descriptors(&options, path, descriptors).map_err(|error| {
        let text = error.to_string();
        if text.contains("lock file") || text.contains("LOCK") {
            StoreError::InUse(path.to_owned())
        } else {
            classify(error)
        }
    })
}

fn family_options(cache: &Cache, versioned: bool) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(16 << 10);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(6);
    let mut options = Options::default();
    if versioned {
        // One filter entry a row and not one a version: a row is sought without knowing its version.
        blocks.set_bloom_filter(10.0, false);
        blocks.set_whole_key_filtering(false);
        let has_version: fn(&[u8]) -> bool = |key| key.len() > VERSION;
        options.set_prefix_extractor(SliceTransform::create("stem", stem, Some(has_version)));
    }
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn classify(error: rocksdb::Error) -> StoreError {
    let text = error.to_string();
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        StoreError::NoSpace(text)
    } else if error.kind() == rocksdb::ErrorKind::Corruption {
        StoreError::Damaged(text)
    } else {
        StoreError::Failed(text)
    }
}

fn handle(db: &DB, family: Family) -> Result<&rocksdb::ColumnFamily, StoreError> {
    db.cf_handle(family.name())
        .ok_or_else(|| StoreError::Failed(format!("this store has no family {}", family.name())))
}

impl Store for RocksStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|db| db.get_cf(handle(db, family)?, key).map_err(classify))
    }

    fn version(&self, family: Family, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.with(|db| {
            let mut options = ReadOptions::default();
            options.set_prefix_same_as_start(true);
            let iterator = db.raw_iterator_cf_opt(handle(db, family)?, options);
            let mut cursor = RocksCursor { iterator };
            cursor.seek(key)?;
            Ok(same_stem(key, cursor.current()))
        })
    }

    fn walk(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        self.with(|db| {
            let mut options = ReadOptions::default();
            // Past the rows of one stem: the filters must not have a say.
            options.set_total_order_seek(true);
            let iterator = db.raw_iterator_cf_opt(handle(db, family)?, options);
            walk(&mut RocksCursor { iterator })
        })
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.with(|db| {
            let mut writes = WriteBatch::default();
            for (family, key, value) in batch.rows() {
                let family = handle(db, *family)?;
                match value {
                    Some(value) => writes.put_cf(family, key, value),
                    None => writes.delete_cf(family, key),
                }
            }
            let mut options = WriteOptions::default();
            options.set_sync(durability == Durability::Synced);
            db.write_opt(writes, &options).map_err(classify)
        })
    }

    fn cleared(&self, family: Family) -> u64 {
        self.clearings.of(family)
    }

    fn clear(&self, family: Family) -> Result<(), StoreError> {
        self.clearings.begin(family);
        self.with(|db| {
            let family = handle(db, family)?;
            // The end of a range deletion is exclusive; no key of ours is this long.
            db.delete_range_cf(family, vec![], vec![0xff; 1024]).map_err(classify)?;
            db.flush_cf(family).map_err(classify)
        })
    }

    fn has_room(&self) -> bool {
        // Beside the store, so that RocksDB never meets the file.
        let probe = self.path.with_extension("room");
        let outcome = std::fs::write(&probe, vec![0; ROOM_BYTES]);
        let removed = std::fs::remove_file(&probe);
        outcome.is_ok() && removed.is_ok()
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write();
        *db = None;
        manifest::check(&self.path)?;
        *db = Some(open_db(&self.path, self.families, &self.cache)?);
        Ok(())
    }
}

struct RocksCursor<'a> {
    iterator: DBRawIterator<'a>,
}

impl RocksCursor<'_> {
    /// An iterator that failed looks exhausted: the status tells them apart.
    fn checked(&self) -> Result<(), StoreError> {
        if self.iterator.valid() { Ok(()) } else { self.iterator.status().map_err(classify) }
    }
}

impl Cursor for RocksCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.iterator.seek(key);
        self.checked()
    }

    fn seek_back(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.iterator.seek_for_prev(key);
        self.checked()
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        if self.iterator.valid() {
            self.iterator.next();
        }
        self.checked()
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.iterator.item()
    }
}
