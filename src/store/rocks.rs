//! The store on RocksDB.
//!
//! Its defaults are not good enough for a ledger (measured): after one flipped bit in the write-ahead
//! log the default recovery mode opens and silently drops every later, acknowledged write. So:
//!
//! - `TolerateCorruptedTailRecords`: a torn tail after a crash is legal, damage in the middle refuses.
//! - `track_and_verify_wals` and `track_and_verify_wals_in_manifest`: a damaged or missing older log
//!   refuses instead of opening with a hole. The first has no setter in the binding and is given as text.
//! - `paranoid_checks`, block checksums, no recycled logs, no unordered or pipelined writes.
//! - `avoid_flush_during_recovery`: opening writes the logs out as tables by default, which is more than a
//!   device that was full may have room for.
//!
//! A flipped bit in the manifest can send RocksDB into an endless loop at open (measured with 11.8.1); its
//! checksums are therefore looked at first (see `store::manifest`).
//!
//! No setting notices that the newest log is gone; the HEAD file does (see [`super::head`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::RwLock;
use rocksdb::properties::SIZE_ALL_MEM_TABLES;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, Options, ReadOptions, SliceTransform, WriteBatch, WriteBufferManager,
    WriteOptions,
};

use super::{
    Batch, Clearings, Cursor, Durability, Family, Row, Store, StoreError, VERSION, Walk, manifest,
    same_stem, stem,
};

/// Write-ahead log kept before memtables are flushed: bounds recovery to well under a second.
const WAL_BYTES: u64 = 64 << 20;
/// The activity book writes its tables in small portions: on a full device there is only a reserve for them.
const ACTIVITY_MEMTABLE_BYTES: usize = 4 << 20;
/// What a device must take besides what memory holds to count as having room: a log, a manifest and some to
/// go on.
const ROOM_BYTES: usize = 4 << 20;

/// How long a write that RocksDB holds up waits until it is tried again.
const WAIT: Duration = Duration::from_millis(2);
/// How long opening again waits for readers.
const PATIENCE: Duration = Duration::from_millis(100);
/// So many of these are a second, after which the device may be full.
const WAITS_PER_PROBE: u32 = 500;

/// How much memory a store may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// What somebody who serves takes, for what is read all the time.
    #[default]
    Serving,
    /// What somebody takes who goes once through much and ends: no more for much than for little.
    Passing,
}

impl Memory {
    /// Bytes of blocks that were read, and of memtables: these count as part of it, so that memory has one bound
    /// however much is written.
    fn cache(self) -> usize {
        match self {
            Memory::Serving => 64 << 20,
            Memory::Passing => 8 << 20,
        }
    }

    /// Bytes of the memtables of all families together; beyond it the oldest are written as tables.
    fn memtables(self) -> usize {
        self.cache() / 2
    }

    /// Bytes of one memtable.
    fn memtable(self) -> usize {
        self.cache() / 4
    }
}

/// A store in a folder of its own, open in one process at a time.
pub struct RocksStore {
    path: PathBuf,
    families: &'static [Family],
    memory: Memory,
    cache: Cache,
    memtables: WriteBufferManager,
    clearings: Clearings,
    // Or why it could not be opened again.
    db: RwLock<Result<DB, StoreError>>,
}

impl RocksStore {
    /// Opens the folder, founding the store if it is empty.
    pub fn open(
        path: &Path,
        families: &'static [Family],
        memory: Memory,
    ) -> Result<Self, StoreError> {
        manifest::check(path)?;
        // A probe that a kill left behind.
        let _ = std::fs::remove_file(probe(path));
        let cache = Cache::new_lru_cache(memory.cache());
        let memtables = WriteBufferManager::new_write_buffer_manager_with_cache(
            memory.memtables(),
            false,
            cache.clone(),
        );
        let db = open_db(path, families, (memory, &cache, &memtables))?;
        Ok(RocksStore {
            path: path.to_owned(),
            families,
            memory,
            cache,
            memtables,
            clearings: Clearings::default(),
            db: RwLock::new(Ok(db)),
        })
    }

    fn with<T>(&self, body: impl FnOnce(&DB) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Recursive: a comparison walks two families at once on one thread.
        match self.db.read_recursive().as_ref() {
            Ok(db) => body(db),
            Err(why) => Err(why.clone()),
        }
    }
}

/// Where room is tried: beside the store, so that RocksDB never meets the file.
fn probe(store: &Path) -> PathBuf {
    store.with_extension("room")
}

/// What memory holds that is only in the logs: opening the store may write it out as tables.
fn unwritten(db: &DB, families: &[Family]) -> Result<usize, StoreError> {
    families.iter().try_fold(0, |sum, family| {
        let held = db.property_int_value_cf(handle(db, *family)?, SIZE_ALL_MEM_TABLES);
        let held = held.map_err(classify)?.unwrap_or(0);
        Ok(sum + usize::try_from(held).unwrap_or(usize::MAX))
    })
}

fn open_db(
    path: &Path,
    families: &[Family],
    (memory, cache, memtables): (Memory, &Cache, &WriteBufferManager),
) -> Result<DB, StoreError> {
    // From text first: this call makes a new Options and would drop what was set before.
    let mut options = Options::get_options_from_string(
        &mut Options::default(),
        "track_and_verify_wals=true;max_manifest_file_size=16777216;avoid_flush_during_recovery=true",
    )
    .map_err(classify)?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_write_buffer_manager(memtables);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_max_open_files(512);
    options.set_bytes_per_sync(1 << 20);
    let memtable = match families.contains(&Family::Receipts) {
        true => ACTIVITY_MEMTABLE_BYTES.min(memory.memtable()),
        false => memory.memtable(),
    };
    let descriptors: Vec<_> = std::iter::once("default")
        .chain(families.iter().map(|family| family.name()))
        .map(|name| {
            let versioned = [Family::RowsA.name(), Family::RowsB.name()].contains(&name);
            ColumnFamilyDescriptor::new(name, family_options(cache, memtable, versioned))
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

fn family_options(cache: &Cache, memtable: usize, versioned: bool) -> Options {
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
    options.set_write_buffer_size(memtable);
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

impl RocksStore {
    fn walk_with(
        &self,
        mut options: ReadOptions,
        family: Family,
        walk: Walk<'_>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            // Past the rows of one stem: the filters must not have a say.
            options.set_total_order_seek(true);
            let iterator = db.raw_iterator_cf_opt(handle(db, family)?, options);
            walk(&mut RocksCursor { iterator })
        })
    }
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
        self.walk_with(ReadOptions::default(), family, walk)
    }

    fn walk_through(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        self.walk_with(options, family, walk)
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        // RocksDB holds writes up until tables are written; on a full device that is for ever.
        options.set_no_slowdown(true);
        let mut waits = 0;
        loop {
            let written = self.with(|db| {
                let mut writes = WriteBatch::default();
                for (family, key, value) in batch.rows() {
                    let family = handle(db, *family)?;
                    match value {
                        Some(value) => writes.put_cf(family, key, value),
                        None => writes.delete_cf(family, key),
                    }
                }
                match db.write_opt(writes, &options) {
                    Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => Ok(false),
                    outcome => outcome.map(|()| true).map_err(classify),
                }
            })?;
            if written {
                return Ok(());
            }
            waits += 1;
            if waits % WAITS_PER_PROBE == 0 && !self.has_room() {
                return Err(StoreError::NoSpace("tables cannot be written".into()));
            }
            std::thread::sleep(WAIT);
        }
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
        let probe = probe(&self.path);
        let unwritten = self.with(|db| unwritten(db, self.families)).unwrap_or(0);
        let outcome = std::fs::write(&probe, vec![0; ROOM_BYTES + unwritten]);
        let removed = std::fs::remove_file(&probe);
        outcome.is_ok() && removed.is_ok()
    }

    fn reopen(&self) -> Result<(), StoreError> {
        // A long walk, such as a verification's, is not waited for: who waits keeps all others waiting.
        let Some(mut db) = self.db.try_write_for(PATIENCE) else {
            return Err(StoreError::NoSpace("it cannot be opened again while it is read".into()));
        };
        // Closed first: the folder is locked.
        *db = Err(StoreError::Failed("it is closed".into()));
        *db = manifest::check(&self.path).and_then(|()| {
            open_db(&self.path, self.families, (self.memory, &self.cache, &self.memtables))
        });
        db.as_ref().map(|_| ()).map_err(StoreError::clone)
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
