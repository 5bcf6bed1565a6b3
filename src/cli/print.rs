//! Answers on stdout: a table for people, JSON for scripts, NDJSON and CSV for what lists things.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::options::Output;

/// Prints rows with these columns, given as the path of a field: `actor.name`.
pub fn rows(output: Output, rows: &[Value], columns: &[&str]) {
    match output {
        Output::Json => println!("{}", pretty(&Value::Array(rows.to_vec()))),
        Output::Ndjson => rows.iter().for_each(|row| println!("{row}")),
        Output::Csv => {
            println!("{}", columns.join(","));
            for row in rows {
                let cells: Vec<String> =
                    columns.iter().map(|column| csv_cell(&cell(row, column))).collect();
                println!("{}", cells.join(","));
            }
        }
        Output::Table => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(columns.iter().map(|column| column.to_uppercase()));
            for row in rows {
                table.add_row(columns.iter().map(|column| cell(row, column)));
            }
            println!("{table}");
        }
    }
}

/// Prints one object: its fields, a line each, or as JSON.
pub fn object(output: Output, value: &Value) {
    let fields = match (output, value) {
        (Output::Json, _) => return println!("{}", pretty(value)),
        (Output::Ndjson, _) => return println!("{value}"),
        (_, Value::Object(fields)) => fields,
        (_, other) => return println!("{other}"),
    };
    if output == Output::Csv {
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        return rows(output, std::slice::from_ref(value), &names);
    }
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    for (name, field) in fields {
        println!("{name:width$}  {}", text(field));
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn cell(row: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(row, |value, name| value.get(name));
    found.map(text).unwrap_or_default()
}

/// Control characters are shown as escapes: names and agents come from strangers.
fn text(value: &Value) -> String {
    let plain = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    plain
        .chars()
        .map(|character| {
            if character.is_control() {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}

/// Quotes where needed, and keeps spreadsheets from reading a value as a formula.
fn csv_cell(text: &str) -> String {
    let guarded = match text.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_safe_for_terminals_and_spreadsheets() {
        let row = serde_json::json!({ "a": { "b": "x\u{1b}[31m" }, "list": ["p", "q"] });
        assert_eq!(cell(&row, "a.b"), "x\\u{1b}[31m");
        assert_eq!(cell(&row, "list"), "p, q");
        assert_eq!(cell(&row, "none.such"), "");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
