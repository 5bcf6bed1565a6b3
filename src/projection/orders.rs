//! Orders at hand: the users, groups or roles of an account in the order of their names, kept until a commit touches
//! one of them.
//!
//! Names are sealed, so that no index can hold their order: whoever wants the first fifty of ten thousand has to open
//! all of them. What is kept of that is the order, and no name: unique ids, as a view at some position found them.
//! [`Recent`](super::recent::Recent) says what is the newest and what is not, and keeps of the past, which never
//! changes, the order that was asked for last.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::id::UniqueId;

/// Unique ids in the order of the names that they stand for.
pub type Order = Arc<[UniqueId]>;

/// Ids that are kept at most, of all accounts; beyond it all orders are dropped. 28 bytes each: 5.6 MB.
const IDS: usize = 200_000;

/// The orders of one ledger, by the account and the table.
#[derive(Default)]
pub struct Orders(Mutex<HashMap<Vec<u8>, Kept>>);

#[derive(Default)]
struct Kept {
    /// What every view from this position on finds.
    newest: Option<(u64, Order)>,
    /// What views at this very position find.
    past: Option<(u64, Order)>,
}

impl Kept {
    fn ids(&self) -> usize {
        [&self.newest, &self.past].into_iter().flatten().map(|(_, ids)| ids.len()).sum()
    }
}

impl Orders {
    /// The order that a view at `position` finds in a table; `None` if nobody remembers.
    pub fn of(&self, table: &[u8], position: u64) -> Option<Order> {
        let orders = self.0.lock();
        let kept = orders.get(table)?;
        let newest = kept.newest.as_ref().filter(|(since, _)| *since <= position);
        let found = newest.or_else(|| kept.past.as_ref().filter(|(at, _)| *at == position));
        found.map(|(_, ids)| ids.clone())
    }

    /// Keeps the order that a view at `position` found. `is_newest` says whether no commit after it has touched the
    /// table; it is asked while no commit can tell us otherwise.
    pub fn keep(&self, table: &[u8], position: u64, ids: &Order, is_newest: impl Fn() -> bool) {
        let mut orders = self.0.lock();
        let others = |(key, kept): (&Vec<u8>, &Kept)| if key == table { 0 } else { kept.ids() };
        // An order of now and one of the past, of about as many.
        let needed = ids.len().saturating_mul(2);
        if needed > IDS {
            return;
        }
        if orders.iter().map(others).sum::<usize>() + needed > IDS {
            orders.clear();
        }
        let kept = orders.entry(table.to_vec()).or_default();
        let place = if is_newest() { &mut kept.newest } else { &mut kept.past };
        *place = Some((position, ids.clone()));
    }

    /// A commit touched a table: what was its newest order is none any more.
    pub fn touch(&self, table: &[u8]) {
        if let Some(kept) = self.0.lock().get_mut(table) {
            kept.newest = None;
        }
    }

    /// Forgets all.
    pub fn forget(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Order {
        std::iter::repeat_n(UniqueId::root(), count).collect()
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let orders = Orders::default();
        for number in 0..20_u8 {
            orders.keep(&[number], 1, &ids(IDS / 8), || number % 2 == 0);
            let kept: usize = orders.0.lock().values().map(Kept::ids).sum();
            assert!(kept <= IDS, "{kept}");
            assert!(orders.of(&[number], 1).is_some());
        }
        orders.keep(&[99], 1, &ids(IDS), || true);
        assert!(orders.of(&[99], 1).is_none());
    }
}
