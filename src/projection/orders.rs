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
/// What an order costs beside its ids, in ids.
const ORDER: usize = 8;

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
    fn place(&mut self, is_newest: bool) -> &mut Option<(u64, Order)> {
        if is_newest { &mut self.newest } else { &mut self.past }
    }

    fn cost(&self) -> usize {
        [&self.newest, &self.past].into_iter().flatten().map(|(_, ids)| ids.len() + ORDER).sum()
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
    /// table, `is_live` whether the rows that it was read from are those that views read; they are asked where whoever
    /// changes that cannot have told us yet, or waits to.
    pub fn keep(
        &self,
        table: &[u8],
        position: u64,
        ids: &Order,
        is_newest: impl Fn() -> bool,
        is_live: impl Fn() -> bool,
    ) {
        let mut orders = self.0.lock();
        let is_newest = is_newest();
        if !is_live() {
            return;
        }
        // What is replaced does not count.
        if let Some(kept) = orders.get_mut(table) {
            *kept.place(is_newest) = None;
        }
        let cost = ids.len() + ORDER;
        if orders.values().map(Kept::cost).sum::<usize>() + cost > IDS {
            orders.clear();
        }
        if cost <= IDS {
            let kept = orders.entry(table.to_vec()).or_default();
            *kept.place(is_newest) = Some((position, ids.clone()));
        }
    }

    /// A commit touched a table: what was its newest order is none any more.
    pub fn touch(&self, table: &[u8]) {
        let mut orders = self.0.lock();
        if let Some(kept) = orders.get_mut(table) {
            kept.newest = None;
            if kept.past.is_none() {
                orders.remove(table);
            }
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
    fn what_is_kept_is_bounded_in_whatever_order_it_comes() {
        let orders = Orders::default();
        let sizes = [IDS / 2, 10, IDS / 8, IDS / 4, IDS / 3, 0, IDS / 2];
        for (number, size) in (0..20_u8).zip(sizes.into_iter().cycle()) {
            for is_newest in [false, true] {
                orders.keep(&[number % 5], 1, &ids(size / 2 + 1), || is_newest, || true);
                let kept: usize = orders.0.lock().values().map(Kept::cost).sum();
                assert!(kept <= IDS, "{kept}");
                assert!(orders.of(&[number % 5], 1).is_some());
            }
        }
        orders.keep(&[99], 1, &ids(IDS), || true, || true);
        assert!(orders.of(&[99], 1).is_none());
    }

    #[test]
    fn an_order_of_rows_that_no_view_reads_any_more_is_not_kept() {
        let orders = Orders::default();
        for is_newest in [false, true] {
            orders.keep(&[1], 7, &ids(3), || is_newest, || false);
            assert!(orders.of(&[1], 7).is_none());
        }
        orders.keep(&[1], 7, &ids(3), || true, || true);
        orders.touch(&[1]);
        assert!(orders.0.lock().is_empty(), "nothing is left of what a commit touched");
    }
}
