//! Answers on stdout: a table for people, JSON for scripts, NDJSON and CSV for what lists things.

use std::io::{ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::Failure;
use super::options::Output;
pub use crate::base::cells::cell;
use crate::base::cells::{csv_line, pretty, shown, text};
use crate::base::text::csv_cell;

/// Prints text and a line end. A reader that has gone (`domesday log | head -1`) has read all it wanted.
///
/// # Errors
/// If stdout takes nothing more, such as for want of space.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints rows with these columns, given as the path of a field: `actor.name`.
///
/// # Errors
/// Those of [`line()`].
pub fn rows(output: Output, rows: &[Value], columns: &[&str]) -> Result<(), Failure> {
    match output {
        Output::Json => line(&pretty(&Value::Array(rows.to_vec()))),
        Output::Ndjson => rows.iter().try_for_each(|row| line(&row.to_string())),
        Output::Csv => csv_rows(rows, columns, true),
        Output::Table | Output::Junit => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(columns.iter().map(|column| heading(column)));
            for row in rows {
                table.add_row(columns.iter().map(|column| cell(row, column)));
            }
            line(&table.trim_fmt())
        }
    }
}

/// Prints rows as CSV; the names of the columns only where the first rows are printed.
///
/// # Errors
/// Those of [`line()`].
pub fn csv_rows(rows: &[Value], columns: &[&str], with_names: bool) -> Result<(), Failure> {
    if with_names {
        line(&columns.join(","))?;
    }
    rows.iter().try_for_each(|row| line(&csv_line(row, columns)))
}

/// `actor.name` stands under `ACTOR`.
fn heading(column: &str) -> String {
    column.trim_end_matches(".name").to_uppercase().replace('_', " ")
}

/// Prints one object: its fields, a line each, or as JSON.
///
/// # Errors
/// Those of [`line()`].
pub fn object(output: Output, value: &Value) -> Result<(), Failure> {
    match output {
        Output::Json => return line(&pretty(value)),
        Output::Ndjson => return line(&value.to_string()),
        Output::Table | Output::Csv | Output::Junit => {}
    }
    let mut fields = Vec::new();
    flatten("", value, &mut fields);
    if output == Output::Csv {
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let cells: Vec<String> = fields.iter().map(|(_, text)| csv_cell(text)).collect();
        line(&names.join(","))?;
        return line(&cells.join(","));
    }
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    fields.iter().try_for_each(|(name, text)| line(format!("{name:width$}  {text}").trim_end()))
}

/// The fields of an object and of the objects in it, by their paths.
fn flatten(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) if path.is_empty() || !is_document(inner) => {
            for (name, field) in inner {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, field, fields);
            }
        }
        other => fields.push((shown(path), text(other))),
    }
}

/// A policy document is one value, whatever is in it.
fn is_document(object: &serde_json::Map<String, Value>) -> bool {
    object.contains_key("Statement")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_headings() {
        assert_eq!(heading("recorded_at"), "RECORDED AT");
        assert_eq!(heading("actor.name"), "ACTOR");
    }

    #[test]
    fn objects_are_flat_and_documents_whole() {
        let value = serde_json::json!({
            "a": { "b": 1, "c\n": null }, "d": [1, 2], "trust": { "Statement": [] },
        });
        let mut fields = Vec::new();
        flatten("", &value, &mut fields);
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let document = r#"{"Statement":[]}"#;
        assert_eq!(fields, [("a.b", "1"), ("a.c\\n", ""), ("d", "1, 2"), ("trust", document)]);
    }
}
