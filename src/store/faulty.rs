//! A store that fails on demand, to test what the layers above do then.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Batch, Durability, Family, Row, Store, StoreError, Walk};

/// Wraps a store and fails its commits as planned. A failed commit leaves no row behind, except where
/// the plan says that it was written and only the answer was lost.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
}

/// What the next commits do.
#[derive(Debug, Clone, Default)]
pub enum Plan {
    /// They work.
    #[default]
    Work,
    /// They fail with this error and write nothing.
    Refuse(StoreError),
    /// The given number work, and all later ones fail with this error.
    RefuseAfter(u64, StoreError),
    /// They write, and fail all the same: the sync that was lost.
    WriteAndFail(StoreError),
}

impl FaultyStore {
    /// A wrapper that works until told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        FaultyStore { inner, plan: Mutex::new(Plan::Work) }
    }

    /// Sets what happens from now on.
    pub fn plan(&self, plan: Plan) {
        *self.plan.lock() = plan;
    }
}

impl Store for FaultyStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(family, key)
    }

    fn version(&self, family: Family, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.inner.version(family, key)
    }

    fn walk(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        self.inner.walk(family, walk)
    }

    fn walk_through(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        self.inner.walk_through(family, walk)
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut plan = self.plan.lock();
        match &mut *plan {
            Plan::Work => self.inner.commit(batch, durability),
            Plan::Refuse(error) => Err(error.clone()),
            Plan::RefuseAfter(0, error) => Err(error.clone()),
            Plan::RefuseAfter(left, _) => {
                *left -= 1;
                self.inner.commit(batch, durability)
            }
            Plan::WriteAndFail(error) => {
                self.inner.commit(batch, durability)?;
                Err(error.clone())
            }
        }
    }

    fn clear(&self, family: Family) -> Result<(), StoreError> {
        self.inner.clear(family)
    }

    fn cleared(&self, family: Family) -> u64 {
        self.inner.cleared(family)
    }

    fn has_room(&self) -> bool {
        matches!(*self.plan.lock(), Plan::Work) && self.inner.has_room()
    }

    fn reopen(&self) -> Result<(), StoreError> {
        if let Plan::Refuse(error) = &*self.plan.lock() {
            return Err(error.clone());
        }
        self.inner.reopen()
    }
}
