//! An account read whole: for questions about everybody in it.
//!
//! To judge one principal takes some ten rows under as many keys; to judge all ten thousand of an account one by one
//! seeks a hundred thousand times. [`Whole`] reads a table of the account in one pass, once it was asked for more than
//! a few rows of it, and answers from memory then. What it shows is what its reader shows, which must not change
//! meanwhile: a view, the past, or a transaction that is done with recording.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ProjectionError;
use super::orders::Order;
use super::view::{EachRow, Reader, TableNumber};
use crate::ledger::AccountId;
use crate::store::keys::SubjectKeys;

/// Questions about a table that are passed on before it is read.
pub const FEW: usize = 64;

/// A table of an account: keys within the account, and rows, by key.
struct Rows {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the rows stand whose keys begin with the same text part, mostly an id.
    parts: HashMap<Vec<u8>, Range<usize>>,
}

/// The first text part of a key, with what ends it.
fn first_part(key: &[u8]) -> Option<&[u8]> {
    key.split_inclusive(|byte| *byte == 0).next().filter(|part| part.ends_with(&[0]))
}

impl Rows {
    fn new(rows: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let mut parts: HashMap<Vec<u8>, Range<usize>> = HashMap::new();
        for (number, (key, _)) in rows.iter().enumerate() {
            if let Some(part) = first_part(key) {
                let range = parts.entry(part.to_vec()).or_insert(number..number);
                range.end = number + 1;
            }
        }
        Rows { rows, parts }
    }

    /// The rows whose keys begin so.
    fn under(&self, prefix: &[u8]) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
        let within = match first_part(prefix) {
            Some(part) => self.parts.get(part).cloned().unwrap_or_default(),
            None => 0..self.rows.len(),
        };
        let rows = self.rows.get(within).unwrap_or_default();
        let first = rows.partition_point(|(key, _)| key.as_slice() < prefix);
        rows.iter().skip(first).take_while(move |(key, _)| key.starts_with(prefix))
    }
}

/// A row of some account that was asked for.
type Asked = (AccountId, Vec<u8>);

/// What is known of a table.
enum Table {
    /// How often it was asked.
    Asked(usize),
    Read(Arc<Rows>),
}

/// A reader that holds the tables of one account.
pub struct Whole<'a> {
    reader: &'a dyn Reader,
    account: AccountId,
    tables: Mutex<HashMap<u8, Table>>,
    /// Single rows of other accounts, such as the catalogue of shared policies, which all principals ask for.
    others: Mutex<HashMap<Asked, Option<Vec<u8>>>>,
}

impl<'a> Whole<'a> {
    /// Nothing is read yet.
    pub fn new(reader: &'a dyn Reader, account: AccountId) -> Self {
        Whole { reader, account, tables: Mutex::default(), others: Mutex::default() }
    }

    /// The table that a key belongs to, if it is worth being read.
    fn table(&self, account: AccountId, key: &[u8]) -> Result<Option<Arc<Rows>>, ProjectionError> {
        let Some(number) = key.first().copied().filter(|_| account == self.account) else {
            return Ok(None);
        };
        match self.tables.lock().entry(number).or_insert(Table::Asked(0)) {
            Table::Read(rows) => return Ok(Some(rows.clone())),
            Table::Asked(FEW) => {}
            Table::Asked(times) => {
                *times += 1;
                return Ok(None);
            }
        }
        let mut rows = Vec::new();
        self.reader.scan(account, &[number], &mut |key, row| {
            rows.push((key.to_vec(), row.to_vec()));
            Ok(true)
        })?;
        let rows = Arc::new(Rows::new(rows));
        self.tables.lock().insert(number, Table::Read(rows.clone()));
        Ok(Some(rows))
    }
}

impl Reader for Whole<'_> {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        if let Some(rows) = self.table(account, key)? {
            // No key is the beginning of another.
            let found = rows.under(key).next().filter(|(known, _)| known == key);
            return Ok(found.map(|(_, row)| row.clone()));
        }
        if account == self.account {
            return self.reader.row(account, key);
        }
        let asked: Asked = (account, key.to_vec());
        if let Some(row) = self.others.lock().get(&asked) {
            return Ok(row.clone());
        }
        let row = self.reader.row(account, key)?;
        self.others.lock().insert(asked, row.clone());
        Ok(row)
    }

    fn scan(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachRow<'_>,
    ) -> Result<(), ProjectionError> {
        let Some(rows) = self.table(account, prefix)? else {
            return self.reader.scan(account, prefix, each);
        };
        for (key, row) in rows.under(prefix) {
            if !each(key, row)? {
                break;
            }
        }
        Ok(())
    }

    fn content(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ProjectionError> {
        self.reader.content(hash)
    }

    fn secret(&self, commitment: &[u8; 32]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.reader.secret(commitment)
    }

    fn keys(&self) -> &SubjectKeys {
        self.reader.keys()
    }

    fn order(
        &self,
        account: AccountId,
        table: TableNumber,
    ) -> Result<Option<Order>, ProjectionError> {
        self.reader.order(account, table)
    }

    fn keep_order(
        &self,
        account: AccountId,
        table: TableNumber,
        ids: &Order,
    ) -> Result<(), ProjectionError> {
        self.reader.keep_order(account, table, ids)
    }
}
