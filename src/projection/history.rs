//! Rows through time: every version of what is asked for, read once, and until when each answer holds.
//!
//! A question about a stretch of time is one question asked at many positions, and most of what it reads is
//! the same at most of them. A [`History`] reads all versions of a row, or of all rows under a prefix, when
//! they are first asked for. A [`Past`] reads it at one position, and notes the next position at which anything
//! that it was asked for is another. So whoever computes something from a `Past` knows until when it holds, and
//! goes on there: the cost follows the events that touch what was read, and no list of tables has to be kept
//! in step with what a decision reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::view::EachRow;
use super::{ProjectionError, Reader, View};
use crate::ledger::AccountId;
use crate::store::keys::SubjectKeys;

/// Bytes of rows that are kept; beyond it all are dropped and read again as they are asked for.
const KEPT_BYTES: usize = 64 << 20;

/// The rows under one prefix, with all their versions.
#[derive(Default)]
struct Strand {
    /// By key; the versions by position.
    rows: BTreeMap<Vec<u8>, BTreeMap<u64, Option<Vec<u8>>>>,
    /// Every position at which one of them changed, ascending.
    changes: Vec<u64>,
}

impl Strand {
    /// The newest version of each row at a position, of those that are there.
    fn at(&self, position: u64) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.rows.iter().filter_map(move |(key, versions)| {
            let (_, row) = versions.range(..=position).next_back()?;
            row.as_ref().map(|row| (key, row))
        })
    }

    fn next_change(&self, position: u64) -> Option<u64> {
        let after = self.changes.partition_point(|change| *change <= position);
        self.changes.get(after).copied()
    }
}

/// Strands by what they hold rows of: an account, and how the keys begin.
type Strands = HashMap<(AccountId, Vec<u8>), Arc<Strand>>;

/// A version of a row: its position, and the row unless it was taken away.
pub type Version = (u64, Option<Vec<u8>>);

/// What was read already.
#[derive(Default)]
struct Kept {
    strands: Strands,
    bytes: usize,
}

/// A view's rows through time, up to its cut. For one question.
pub struct History<'v> {
    view: &'v View,
    kept: Mutex<Kept>,
}

impl<'v> History<'v> {
    /// The history of what a view shows.
    pub fn new(view: &'v View) -> Self {
        History { view, kept: Mutex::default() }
    }

    /// The view.
    pub fn view(&self) -> &'v View {
        self.view
    }

    /// The rows as they were after so many events.
    pub fn at(&self, position: u64) -> Past<'_> {
        Past { history: self, position, until: Mutex::new(None) }
    }

    fn strand(&self, account: AccountId, prefix: &[u8]) -> Result<Arc<Strand>, ProjectionError> {
        let name = (account, prefix.to_vec());
        if let Some(strand) = self.kept.lock().strands.get(&name) {
            return Ok(strand.clone());
        }
        let mut strand = Strand::default();
        let mut bytes = prefix.len();
        self.view.versions(account, prefix, &mut |key, version, row| {
            bytes += key.len() + row.map_or(0, <[u8]>::len);
            strand.changes.push(version);
            let row = row.map(<[u8]>::to_vec);
            strand.rows.entry(key.to_vec()).or_default().insert(version, row);
            Ok(())
        })?;
        strand.changes.sort_unstable();
        strand.changes.dedup();
        let strand = Arc::new(strand);
        let mut kept = self.kept.lock();
        if kept.bytes > KEPT_BYTES {
            *kept = Kept::default();
        }
        kept.bytes += bytes;
        kept.strands.insert(name, strand.clone());
        Ok(strand)
    }
}

/// A [`History`] at one position.
pub struct Past<'h> {
    history: &'h History<'h>,
    position: u64,
    until: Mutex<Option<u64>>,
}

impl Past<'_> {
    /// After how many events.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next position at which something that was read here is another; `None` if nothing of it changed
    /// up to the cut of the view.
    pub fn until(&self) -> Option<u64> {
        *self.until.lock()
    }

    /// The event that wrote the row that stands at this position.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn written_at(
        &self,
        account: AccountId,
        key: &[u8],
    ) -> Result<Option<u64>, ProjectionError> {
        let strand = self.read(account, key)?;
        let versions = strand.rows.get(key);
        let newest = versions.and_then(|versions| versions.range(..=self.position).next_back());
        Ok(newest.and_then(|(version, row)| row.as_ref().map(|_| *version)))
    }

    /// The versions of a row up to this position, the newest first.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn versions(
        &self,
        account: AccountId,
        key: &[u8],
    ) -> Result<Vec<Version>, ProjectionError> {
        let strand = self.read(account, key)?;
        let versions = strand.rows.get(key).into_iter();
        let until_here = versions.flat_map(|versions| versions.range(..=self.position).rev());
        Ok(until_here.map(|(version, row)| (*version, row.clone())).collect())
    }

    fn read(&self, account: AccountId, prefix: &[u8]) -> Result<Arc<Strand>, ProjectionError> {
        let strand = self.history.strand(account, prefix)?;
        let next = strand.next_change(self.position);
        let mut until = self.until.lock();
        *until = match (*until, next) {
            (Some(until), Some(next)) => Some(until.min(next)),
            (until, next) => until.or(next),
        };
        Ok(strand)
    }
}

impl Reader for Past<'_> {
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        Ok(self.read(account, key)?.at(self.position).next().map(|(_, row)| row.clone()))
    }

    fn scan(
        &self,
        account: AccountId,
        prefix: &[u8],
        each: EachRow<'_>,
    ) -> Result<(), ProjectionError> {
        for (key, row) in self.read(account, prefix)?.at(self.position) {
            if !each(key, row)? {
                break;
            }
        }
        Ok(())
    }

    fn content(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ProjectionError> {
        self.history.view.content(hash)
    }

    fn secret(&self, commitment: &[u8; 32]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.history.view.secret(commitment)
    }

    fn keys(&self) -> &SubjectKeys {
        self.history.view.keys()
    }
}
