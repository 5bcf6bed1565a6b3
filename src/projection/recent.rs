//! Rows at hand: what the newest views read a moment ago, kept in memory until a commit touches it.
//!
//! A request reads some twenty rows - the key, its owner, the owner's groups and policies, the target -
//! and most of them are those of the request before. What is kept here is not a second state: an entry
//! says what *every* view from position `since` on reads, and a commit replaces it before its head is
//! published. Older views do not use it and read the store.
//!
//! The law that makes it safe, shard by shard: a reader may keep what it read at position `p` only if no
//! commit after `p` has touched the shard (`touched <= p`); a commit touches the shards of the rows it
//! writes, and of the beginnings of their keys that scans ask for, while readers still see the old head.
//! So whatever is kept was the newest when it was kept, and goes when it no longer is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Overlay;
use super::orders::{Order, Orders};
use crate::ledger::AccountId;

/// Rows under one prefix: keys within the account, and bytes.
pub type Scanned = Arc<[(Vec<u8>, Vec<u8>)]>;

const SHARDS: usize = 64;
/// Bytes of keys and rows in a shard; beyond it the shard starts over. All shards: 16 MiB.
const SHARD_BYTES: usize = 256 << 10;
/// What an entry costs beside its bytes, roughly.
const ENTRY_BYTES: usize = 96;
/// The longest scan that is kept: longer ones are listings, not lookups.
pub const SCAN_ROWS: usize = 64;
/// The account and the table's number, with which every stored key begins.
const TABLE: usize = 17;

/// The rows at hand of one ledger.
pub struct Recent {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    accounts: Mutex<Accounts>,
    orders: Orders,
}

/// The last position whose commit wrote a row of an account.
#[derive(Default)]
struct Accounts {
    touched: HashMap<AccountId, u64>,
    /// Of those that are not in the map.
    others: u64,
}

/// Accounts that are remembered; beyond it all count as touched.
const ACCOUNTS: usize = 100_000;

#[derive(Default)]
struct Shard {
    /// The last position whose commit wrote something that belongs here.
    touched: u64,
    bytes: usize,
    rows: HashMap<Vec<u8>, Entry<Option<Vec<u8>>>>,
    scans: HashMap<Vec<u8>, Entry<Scanned>>,
}

struct Entry<T> {
    since: u64,
    value: T,
}

impl Recent {
    /// Nothing at hand yet of a ledger that is at `position`: all that was written before counts as
    /// touched there, since nobody here saw it.
    pub fn new(position: u64) -> Self {
        let shard = || Mutex::new(Shard { touched: position, ..Shard::default() });
        Recent {
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            accounts: Mutex::new(Accounts { touched: HashMap::new(), others: position }),
            orders: Orders::default(),
        }
    }

    /// What a view at `position` reads as the row of this account and key: `Some(None)` for a row that
    /// is not there, `None` if nobody remembers.
    pub fn row(&self, stored: &[u8], position: u64) -> Option<Option<Vec<u8>>> {
        self.with(stored, |shard| current(&shard.rows, stored, position).cloned())?
    }

    /// What a view at `position` reads as the rows whose keys begin so.
    pub fn scan(&self, start: &[u8], position: u64) -> Option<Scanned> {
        self.with(start, |shard| current(&shard.scans, start, position).cloned())?
    }

    /// Keeps what a view at `position` read as a row; `since` is the version that it found, 0 for none.
    pub fn keep_row(&self, stored: &[u8], position: u64, since: u64, row: Option<&[u8]>) {
        let bytes = stored.len() + row.map_or(0, <[u8]>::len);
        self.keep(stored, position, bytes, |shard| {
            let entry = Entry { since, value: row.map(<[u8]>::to_vec) };
            shard.rows.entry(stored.to_vec()).or_insert(entry);
        });
    }

    /// Keeps what a view at `position` read as all rows whose keys begin so, if a commit can find it by
    /// the keys it writes; `since` is the newest version among them, of those that are gone included.
    pub fn keep_scan(&self, start: &[u8], position: u64, since: u64, rows: &Scanned) {
        if rows.len() > SCAN_ROWS || !beginnings(start).any(|beginning| beginning == start) {
            return;
        }
        let bytes =
            rows.iter().map(|(key, row)| ENTRY_BYTES + key.len() + row.len()).sum::<usize>();
        self.keep(start, position, start.len() + bytes, |shard| {
            let entry = Entry { since, value: rows.clone() };
            shard.scans.entry(start.to_vec()).or_insert(entry);
        });
    }

    /// The ids that a view at `position` reads in a table, which `start` is the beginning of, in the order of the names
    /// that they stand for; `None` if nobody remembers.
    pub fn order(&self, start: &[u8], position: u64) -> Option<Order> {
        self.orders.of(start, position)
    }

    /// Keeps the order in which a view at `position` found the ids of a table, if the rows that it reads are live.
    pub fn keep_order(&self, start: &[u8], position: u64, ids: &Order, is_live: impl Fn() -> bool) {
        let is_newest = || self.with(start, |shard| shard.touched <= position).unwrap_or(false);
        self.orders.keep(start, position, ids, is_newest, is_live);
    }

    /// The sealed secret of a commitment: as [`row`](Self::row).
    pub fn secret(&self, commitment: &[u8; 32], position: u64) -> Option<Option<Vec<u8>>> {
        self.row(&secret_key(commitment), position)
    }

    /// Keeps what a view at `position` read as the secret of a commitment.
    pub fn keep_secret(&self, commitment: &[u8; 32], position: u64, secret: Option<&[u8]>) {
        self.keep_row(&secret_key(commitment), position, position, secret);
    }

    /// Takes in what a commit up to `position` wrote. To be called before its head is published.
    pub fn take_in(&self, position: u64, staged: &Overlay) {
        self.touch(position, staged);
        for (commitment, secret) in staged.secrets() {
            self.replace(position, &secret_key(commitment), secret);
        }
        for (stored, row) in staged.rows() {
            self.replace(position, stored, row);
            for start in beginnings(stored) {
                self.with(start, |shard| {
                    shard.touched = shard.touched.max(position);
                    shard.scans.remove(start);
                });
            }
            // The shard knows by now: an order that is read meanwhile is kept before this, or not as the newest.
            stored.get(..TABLE).into_iter().for_each(|table| self.orders.touch(table));
        }
    }

    /// Whether no commit after `position` has written a row of the account.
    pub fn unchanged_since(&self, account: AccountId, position: u64) -> bool {
        let accounts = self.accounts.lock();
        accounts.touched.get(&account).copied().unwrap_or(accounts.others) <= position
    }

    fn touch(&self, position: u64, staged: &Overlay) {
        let mut accounts = self.accounts.lock();
        let mut last = None;
        for (stored, _) in staged.rows() {
            let account = stored.first_chunk::<16>().map(|bytes| AccountId(*bytes));
            if account != last {
                accounts.touched.extend(account.map(|account| (account, position)));
                last = account;
            }
        }
        if accounts.touched.len() > ACCOUNTS {
            *accounts = Accounts { touched: HashMap::new(), others: position };
        }
    }

    fn replace(&self, position: u64, stored: &[u8], row: &Option<Vec<u8>>) {
        self.with(stored, |shard| {
            shard.touched = shard.touched.max(position);
            if let Some(entry) = shard.rows.get_mut(stored) {
                *entry = Entry { since: position, value: row.clone() };
            }
        });
    }

    /// Forgets everything, and keeps nothing that is read of before `position`: the ledger was opened again
    /// there, or its rows were rebuilt.
    pub fn forget(&self, position: u64) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            *shard = Shard { touched: shard.touched.max(position), ..Shard::default() };
        }
        self.orders.forget();
        *self.accounts.lock() = Accounts { touched: HashMap::new(), others: position };
    }

    fn keep(&self, key: &[u8], position: u64, bytes: usize, insert: impl FnOnce(&mut Shard)) {
        let bytes = bytes + ENTRY_BYTES;
        self.with(key, |shard| {
            if shard.touched > position || bytes > SHARD_BYTES / 4 {
                return;
            }
            if shard.bytes + bytes > SHARD_BYTES {
                *shard = Shard { touched: shard.touched, ..Shard::default() };
            }
            shard.bytes += bytes;
            insert(shard);
        });
    }

    fn with<T>(&self, key: &[u8], body: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let number = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).ok()?;
        Some(body(&mut self.shards.get(number)?.lock()))
    }
}

/// Where a secret stands among the rows; no row has a key that ends in a keyed hash of a secret.
fn secret_key(commitment: &[u8; 32]) -> [u8; 33] {
    let mut key = [0xff; 33];
    key.iter_mut().skip(1).zip(commitment).for_each(|(place, byte)| *place = *byte);
    key
}

fn current<'a, T>(
    entries: &'a HashMap<Vec<u8>, Entry<T>>,
    key: &[u8],
    position: u64,
) -> Option<&'a T> {
    entries.get(key).filter(|entry| entry.since <= position).map(|entry| &entry.value)
}

/// The beginnings of a stored key that scans may ask for: its table, and each part that ends in a zero.
/// A fixed part that holds a zero yields more than that, which costs a lookup and nothing else.
fn beginnings(stored: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = stored.iter().enumerate().skip(TABLE).filter(|(_, byte)| **byte == 0);
    std::iter::once(TABLE)
        .chain(ends.map(|(place, _)| place + 1))
        .filter_map(|length| stored.get(..length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Vec<u8> {
        [[7; 16].as_slice(), &[3], text.as_bytes()].concat()
    }

    fn write(recent: &Recent, position: u64, key: &[u8], row: Option<&[u8]>) {
        recent.take_in(position, &Overlay::of_row(key, row));
    }

    #[test]
    fn a_commit_replaces_what_later_views_read_and_older_views_ask_the_store() {
        let recent = Recent::new(0);
        let key = stored("alice\0x\0");
        assert_eq!(recent.row(&key, 5), None);
        recent.keep_row(&key, 5, 3, Some(b"old"));
        assert_eq!(recent.row(&key, 3), Some(Some(b"old".to_vec())));
        assert_eq!(recent.row(&key, 2), None);
        write(&recent, 8, &key, Some(b"new"));
        assert_eq!(recent.row(&key, 7), None);
        assert_eq!(recent.row(&key, 8), Some(Some(b"new".to_vec())));
        write(&recent, 9, &key, None);
        assert_eq!(recent.row(&key, 9), Some(None));
    }

    #[test]
    fn what_was_read_before_a_commit_is_not_kept_after_it() {
        let recent = Recent::new(0);
        let (key, start) = (stored("alice\0x\0"), stored("alice\0"));
        write(&recent, 8, &key, Some(b"new"));
        recent.keep_row(&key, 7, 3, Some(b"old"));
        assert_eq!(recent.row(&key, 8), None);
        let rows: Scanned = Arc::new([]);
        recent.keep_scan(&start, 7, 3, &rows);
        assert_eq!(recent.scan(&start, 8), None);
        recent.keep_scan(&start, 8, 8, &rows);
        assert_eq!(recent.scan(&start, 9), Some(rows));
        recent.forget(20);
        recent.keep_row(&key, 19, 3, None);
        assert_eq!((recent.row(&key, 20), recent.scan(&start, 20)), (None, None));
    }

    #[test]
    fn what_a_view_of_before_the_opening_reads_is_not_kept() {
        let recent = Recent::new(9);
        let (key, rows): (_, Scanned) = (stored("alice\0"), Arc::new([]));
        recent.keep_row(&key, 8, 0, None);
        recent.keep_scan(&key, 8, 0, &rows);
        assert_eq!((recent.row(&key, 9), recent.scan(&key, 9)), (None, None));
        assert!(!recent.unchanged_since(AccountId([7; 16]), 8));
        recent.keep_row(&key, 9, 0, None);
        assert_eq!(recent.row(&key, 9), Some(None));
    }

    #[test]
    fn a_commit_drops_every_scan_that_its_rows_belong_to() {
        let rows: Scanned = Arc::new([(b"k".to_vec(), b"row".to_vec())]);
        for start in [stored(""), stored("alice\0"), stored("alice\0x\0")] {
            let recent = Recent::new(0);
            recent.keep_scan(&start, 5, 3, &rows);
            assert!(recent.scan(&start, 6).is_some());
            write(&recent, 6, &stored("bob\0x\0"), None);
            assert_eq!(recent.scan(&start, 6).is_some(), start != stored(""));
            write(&recent, 7, &stored("alice\0x\0"), Some(b"other"));
            assert!(recent.scan(&start, 7).is_none());
        }
        // A prefix that ends inside a part could not be found again, and is not kept.
        let recent = Recent::new(0);
        recent.keep_scan(&stored("ali"), 5, 3, &rows);
        assert!(recent.scan(&stored("ali"), 5).is_none());
    }

    #[test]
    fn accounts_are_unchanged_until_a_commit_writes_a_row_of_theirs() {
        let recent = Recent::new(0);
        let (mine, other) = (AccountId([7; 16]), AccountId([8; 16]));
        assert!(recent.unchanged_since(mine, 0));
        write(&recent, 5, &stored("a\0"), None);
        assert!(!recent.unchanged_since(mine, 4) && recent.unchanged_since(mine, 5));
        assert!(recent.unchanged_since(other, 0));
        recent.forget(9);
        assert!(!recent.unchanged_since(other, 8) && recent.unchanged_since(mine, 9));
    }

    #[test]
    fn an_order_holds_until_a_commit_touches_its_table_and_in_the_past_where_it_was_read() {
        use crate::identity::id::UniqueId;
        let order = |count| -> Order { std::iter::repeat_n(UniqueId::root(), count).collect() };
        let recent = Recent::new(0);
        let table = stored("");
        assert!(recent.order(&table, 5).is_none());
        recent.keep_order(&table, 5, &order(1), || true);
        let found = |position| recent.order(&table, position).map(|ids| ids.len());
        assert_eq!([4, 5, 9].map(found), [None, Some(1), Some(1)]);
        write(&recent, 10, &[[7; 16].as_slice(), &[4], b"a\0"].concat(), None);
        assert_eq!(found(10), Some(1));
        write(&recent, 11, &stored("a\0"), Some(b"row"));
        assert_eq!([5, 10, 11].map(found), [None; 3]);
        // Who read it before the commit keeps it for that position alone.
        recent.keep_order(&table, 10, &order(2), || true);
        assert_eq!([9, 10, 11].map(found), [None, Some(2), None]);
        recent.keep_order(&table, 11, &order(3), || true);
        assert_eq!([10, 11, 12].map(found), [Some(2), Some(3), Some(3)]);
        recent.forget(20);
        recent.keep_order(&table, 19, &order(4), || true);
        assert_eq!([11, 19, 20].map(found), [None, Some(4), None]);
    }

    #[test]
    fn a_removed_secret_is_gone() {
        let recent = Recent::new(0);
        recent.keep_secret(&[1; 32], 5, Some(b"sealed"));
        assert_eq!(recent.secret(&[1; 32], 6), Some(Some(b"sealed".to_vec())));
        recent.take_in(7, &Overlay::of_secret([1; 32], None));
        assert_eq!(recent.secret(&[1; 32], 7), Some(None));
        assert_eq!(recent.secret(&[2; 32], 7), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let recent = Recent::new(0);
        for number in 0..100_000 {
            recent.keep_row(&stored(&format!("{number}\0")), 1, 1, Some(&[0; 500]));
        }
        let bytes = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            assert!(shard.bytes <= SHARD_BYTES && shard.rows.len() * 600 <= SHARD_BYTES);
            shard.bytes
        };
        assert!(recent.shards.iter().map(bytes).sum::<usize>() > 1 << 20);
        recent.keep_row(&stored("large\0"), 1, 1, Some(&vec![0; SHARD_BYTES]));
        assert_eq!(recent.row(&stored("large\0"), 1), None);
    }
}
