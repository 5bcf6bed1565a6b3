//! The credential report among the reports by name: AWS's table, as of any moment.

use serde_json::{Map, Value, json};

use super::credential::{self, Of};
use super::named::{Scene, Table};
use crate::service::fault::Fault;

/// Makes the table.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let of = Of { directory: scene.directory(), activity: &scene.facts, until: scene.at };
    let mut text = Vec::new();
    credential::write(of, &mut text)?;
    let mut rows = Vec::new();
    for record in csv::Reader::from_reader(text.as_slice()).records() {
        let record = record.map_err(Fault::internal)?;
        let cells = credential::COLUMNS.iter().zip(record.iter());
        let row: Map<String, Value> =
            cells.map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
        rows.push(Value::Object(row));
    }
    let summary = json!({ "users": rows.len().saturating_sub(1) });
    Ok(Table { columns: &credential::COLUMNS, rows, summary })
}
