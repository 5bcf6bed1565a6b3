//! Where a page ended: a place in the log that stays the same place while the ledger grows.
//!
//! A cursor names the page's last event, and how long ledger and activity book were when the first page was
//! read: the pages after it show the log as it was then, names included.

use std::fmt;

use crate::projection::postings::Order;

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which events come first.
    pub order: Order,
    /// The next page begins at this position or, of what changed nothing, at this receipt.
    pub at: u64,
    /// Events of the ledger that count.
    pub position: u64,
    /// Receipts that count.
    pub receipts: u64,
}

impl Cursor {
    /// Reads one; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let order = match parts.next()? {
            "n" => Order::Newest,
            "o" => Order::Oldest,
            _ => return None,
        };
        let mut number = || {
            let part = parts.next()?;
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| is_number)
        };
        let cursor = Cursor { order, at: number()?, position: number()?, receipts: number()? };
        parts.next().is_none().then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::Newest => 'n',
            Order::Oldest => 'o',
        };
        write!(f, "{order}-{}-{}-{}", self.at, self.position, self.receipts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { order: Order::Oldest, at: 7, position: 900, receipts: 12 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(Cursor::parse("n-1-2-0").map(|cursor| cursor.order), Some(Order::Newest));
        for wrong in ["", "n", "n-1-2", "n-1-2-3-4", "x-1-2-3", "n-+1-2-3", "n--1-2-3", "n-1-2-a"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }
}
