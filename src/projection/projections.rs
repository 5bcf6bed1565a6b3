//! The projections of one ledger: what views are made from, and what they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::recent::Recent;
use super::{Cut, ProjectionError, View, rebuild};
use crate::ledger::{AccountId, Ledger};
use crate::store::Family;
use crate::store::keys::SubjectKeys;

/// A ledger's rows, the keys that open what is sealed in them, and the rows at hand. Shared by all who
/// read.
pub struct Projections {
    ledger: Ledger,
    keys: Arc<SubjectKeys>,
    recent: Recent,
    /// Whether the second side of the rows is the live one; the store has the record.
    second: AtomicBool,
}

impl Projections {
    /// The projections of a ledger whose rows are current.
    pub fn new(ledger: Ledger, keys: Arc<SubjectKeys>) -> Result<Arc<Self>, ProjectionError> {
        let side = rebuild::recorded_side(ledger.store().as_ref())?;
        let second = AtomicBool::new(side == Family::RowsB);
        let recent = Recent::new(ledger.head().position);
        Ok(Arc::new(Projections { ledger, keys, recent, second }))
    }

    /// The view at the head.
    pub fn now(self: &Arc<Self>) -> View {
        self.at(Cut { position: self.ledger.head().position, time: None })
    }

    /// The view at a cut; positions beyond the head are the head.
    pub fn at(self: &Arc<Self>, cut: Cut) -> View {
        View::new(self.clone(), cut)
    }

    /// The view at the head that reads no disk: what is not in memory is
    /// [`NotAtHand`](ProjectionError::NotAtHand), and so is more than a small request reads.
    pub fn at_hand(self: &Arc<Self>) -> View {
        View::at_hand(self.now())
    }

    /// The ledger underneath.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The subject keys.
    pub fn keys(&self) -> &Arc<SubjectKeys> {
        &self.keys
    }

    /// The newest rows in memory.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Whether no commit after `position` has written a row of the account.
    pub fn unchanged_since(&self, account: AccountId, position: u64) -> bool {
        self.recent.unchanged_since(account, position)
    }

    /// The side of the rows that is read and written.
    pub fn live_side(&self) -> Family {
        if self.second.load(Ordering::Acquire) { Family::RowsB } else { Family::RowsA }
    }

    /// Says that the record of the live side was moved, at the head `position`. Nothing that was read of
    /// the other side is at hand any more; nor is what views of this head read kept, since they may still
    /// read that side.
    pub(super) fn swapped(&self, side: Family, position: u64) {
        self.second.store(side == Family::RowsB, Ordering::Release);
        self.recent.forget(position.saturating_add(1));
    }
}
