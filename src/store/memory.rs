//! The store without a disk: the same families, orders and atomicity in ordered maps.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Batch, Clearings, Cursor, Durability, Family, Store, StoreError, Walk};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store that lives and dies with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    families: RwLock<BTreeMap<Family, Rows>>,
    clearings: Clearings,
}

impl Store for MemoryStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        // Also within a walk of the same thread.
        Ok(self.families.read_recursive().get(&family).and_then(|rows| rows.get(key)).cloned())
    }

    fn walk(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        let families = self.families.read_recursive();
        let empty = Rows::new();
        let rows = families.get(&family).unwrap_or(&empty);
        walk(&mut MemoryCursor { rows, at: None })
    }

    fn commit(&self, batch: &Batch, _: Durability) -> Result<(), StoreError> {
        let mut families = self.families.write();
        for (family, key, value) in batch.rows() {
            let rows = families.entry(*family).or_default();
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn clear(&self, family: Family) -> Result<(), StoreError> {
        self.clearings.begin(family);
        self.families.write().remove(&family);
        Ok(())
    }

    fn cleared(&self, family: Family) -> u64 {
        self.clearings.of(family)
    }

    fn has_room(&self) -> bool {
        true
    }

    fn reopen(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemoryCursor<'a> {
    rows: &'a Rows,
    at: Option<(&'a Vec<u8>, &'a Vec<u8>)>,
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.at = self.rows.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).next();
        Ok(())
    }

    fn seek_back(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.at = self.rows.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        Ok(())
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        if let Some((key, _)) = self.at {
            let after = (Bound::Excluded(key.as_slice()), Bound::Unbounded);
            self.at = self.rows.range::<[u8], _>(after).next();
        }
        Ok(())
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        self.at.map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}
