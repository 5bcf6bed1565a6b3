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
    let mut rows = Vec::new();
    credential::each(of, &mut |cells| {
        let cells = credential::COLUMNS.iter().zip(cells);
        let row: Map<String, Value> =
            cells.map(|(name, cell)| ((*name).to_owned(), cell.into())).collect();
        rows.push(Value::Object(row));
        Ok(())
    })?;
    let summary = json!({ "users": rows.len().saturating_sub(1) });
    Ok(Table { columns: &credential::COLUMNS, rows, summary })
}
