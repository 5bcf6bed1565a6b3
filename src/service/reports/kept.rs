//! Reports of a moment ago, packed: whoever turns the pages of one looks at the same rows, and nobody makes them anew.
//!
//! A report follows from its [`Source`] alone, so that what is kept is what would be made. It lies in memory, bounded in
//! bytes and in number; what came first is the first to go. Names in it are open: whatever erases somebody must empty it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::named::{Name, Table, Window};
use crate::base::time::Timestamp;
use crate::ledger::AccountId;
use crate::projection::Cut;
use crate::service::fault::Fault;
use crate::service::moment::Range;

/// Bytes that are kept of all reports together: some thirty thousand rows.
const BYTES: usize = 8 << 20;
/// Reports that are kept: most first pages are the only ones that somebody looks at.
const REPORTS: usize = 64;
/// Bytes that a row has beside its text.
const ROW: usize = 16;
/// Bytes that a report has beside its rows and its summary.
const REPORT: usize = 1 << 10;

/// All that a report follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whose report.
    pub account: AccountId,
    /// Which.
    pub name: Name,
    /// Over which time.
    pub range: Range,
    /// Days from which on something is old or not used.
    pub days: Option<u32>,
    /// The events that count.
    pub cut: Cut,
    /// As of when.
    pub at: Timestamp,
    /// Receipts that count.
    pub number: u64,
    /// Receipts that were forgotten by then, since they were old.
    pub forgotten: u64,
}

/// A report's table whose rows are texts: as values they would take ten times the room.
pub struct Packed {
    columns: &'static [&'static str],
    rows: Vec<Box<str>>,
    summary: Value,
    /// About what it takes in memory.
    bytes: usize,
}

impl Packed {
    /// Packs a table.
    ///
    /// # Errors
    /// If a row has no form in JSON.
    pub fn new(table: &Table) -> Result<Self, Fault> {
        let pack = |row: &Value| {
            let cells: Vec<_> = table.columns.iter().map(|name| row.get(name)).collect();
            serde_json::to_string(&cells).map(String::into_boxed_str).map_err(Fault::internal)
        };
        let rows: Vec<Box<str>> = table.rows.iter().map(pack).collect::<Result<_, _>>()?;
        let text: usize = rows.iter().map(|row| row.len() + ROW).sum();
        let bytes = REPORT + table.summary.to_string().len() + text;
        Ok(Packed { columns: table.columns, rows, summary: table.summary.clone(), bytes })
    }

    /// The table with the rows of a window.
    ///
    /// # Errors
    /// If memory is damaged.
    pub fn table(&self, window: Window) -> Result<Table, Fault> {
        let unpack = |row: &str| -> Result<Value, Fault> {
            let cells: Vec<Value> = serde_json::from_str(row).map_err(Fault::internal)?;
            let names = self.columns.iter().map(|name| (*name).to_owned());
            Ok(Value::Object(names.zip(cells).collect::<Map<_, _>>()))
        };
        let rows = self.rows.iter().skip(window.first).take(window.most);
        let rows = rows.map(|row| unpack(row)).collect::<Result<_, _>>()?;
        Ok(Table { columns: self.columns, rows, summary: self.summary.clone() })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// What is kept.
#[derive(Default)]
pub struct Kept(Mutex<Shelf>);

/// Reports, the newest last.
#[derive(Default)]
struct Shelf {
    reports: VecDeque<(Source, Arc<Packed>)>,
    bytes: usize,
}

impl Shelf {
    fn find(&self, source: &Source) -> Option<Arc<Packed>> {
        let mut reports = self.reports.iter().rev();
        reports.find(|(of, _)| of == source).map(|(_, packed)| packed.clone())
    }

    fn put(&mut self, source: Source, packed: Arc<Packed>) {
        self.bytes += packed.bytes;
        self.reports.push_back((source, packed));
        while self.bytes > BYTES || self.reports.len() > REPORTS {
            let Some((_, oldest)) = self.reports.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

impl Kept {
    /// The report that follows from this: what is kept or, where nothing is, what is made now. That is kept, unless it
    /// is so large that nothing else would be.
    ///
    /// # Errors
    /// Those of making it.
    pub fn or_make(
        &self,
        source: Source,
        make: impl FnOnce() -> Result<Table, Fault>,
    ) -> Result<Arc<Packed>, Fault> {
        if let Some(packed) = self.0.lock().find(&source) {
            return Ok(packed);
        }
        let packed = Arc::new(Packed::new(&make()?)?);
        let mut shelf = self.0.lock();
        // Whoever asked at the same time made the same.
        if packed.bytes <= BYTES && shelf.find(&source).is_none() {
            shelf.put(source, packed.clone());
        }
        Ok(packed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(number: u64) -> Source {
        Source {
            account: AccountId::SYSTEM,
            name: Name::Keys,
            range: Range::default(),
            days: None,
            cut: Cut { position: 1, time: None },
            at: Timestamp::EPOCH,
            number,
            forgotten: 0,
        }
    }

    fn table(rows: usize, length: usize) -> Table {
        let row = |n: usize| json!({ "user": "u".repeat(length), "n": n, "steps": [n, null] });
        let columns = &["user", "n", "steps"];
        Table { columns, rows: (0..rows).map(row).collect(), summary: json!({ "rows": rows }) }
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let made = table(7, 3);
        let packed = Packed::new(&made).unwrap();
        let text = |rows: &[Value]| serde_json::to_string(rows).unwrap();
        for (first, most) in [(0, 7), (5, 5), (2, 3), (7, 1)] {
            let part = packed.table(Window { first, most }).unwrap();
            assert_eq!(text(&part.rows), text(&made.rows[first..(first + most).min(7)]));
            assert_eq!(part.summary, made.summary);
        }
        assert_eq!(packed.len(), 7);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_came_last_stays() {
        let kept = Kept::default();
        let is_kept = |number| {
            let again = kept.or_make(source(number), || Err(Fault::internal("made again")));
            again.is_ok()
        };
        for number in 0..9 {
            kept.or_make(source(number), || Ok(table(1_000, 2_000))).unwrap();
            assert!(is_kept(number));
        }
        assert!(!is_kept(0), "nine of two megabytes are not kept");
        kept.or_make(source(9), || Ok(table(5_000, 2_000))).unwrap();
        assert!(!is_kept(9), "nor is one that is too large");
        assert!(is_kept(8), "for which the others stay");
    }

    #[test]
    fn reports_without_rows_are_bounded_too() {
        let kept = Kept::default();
        for number in 0..1_000 {
            kept.or_make(source(number), || Ok(table(0, 0))).unwrap();
        }
        let shelf = kept.0.lock();
        assert_eq!(shelf.reports.len(), REPORTS);
        let held: usize = shelf.reports.iter().map(|(_, packed)| packed.bytes).sum();
        assert!(held == shelf.bytes && held >= REPORTS * REPORT);
    }
}
