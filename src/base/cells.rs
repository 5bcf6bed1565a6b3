//! Rows as text: the cells of tables and of CSV files, made alike wherever rows are written.

use serde_json::Value;

use super::text::csv_cell;

/// A field of a row as a text, by its path: `actor.name`. Empty where there is none.
pub fn cell(row: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(row, |value, name| value.get(name));
    found.map(text).unwrap_or_default()
}

/// A value as a text. Control characters are shown as escapes: names and agents come from strangers.
pub fn text(value: &Value) -> String {
    let plain = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    shown(&plain)
}

/// A text with its control characters as escapes, so that no terminal obeys them.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}

/// A row as a line of a CSV file, without the end of the line.
pub fn csv_line(row: &Value, columns: &[&str]) -> String {
    let cells: Vec<String> = columns.iter().map(|column| csv_cell(&cell(row, column))).collect();
    cells.join(",")
}

/// A value as JSON in lines.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
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
        assert_eq!(csv_line(&row, &["list", "a.b", "none"]), "\"p, q\",x\\u{1b}[31m,");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("\t=1+1"), "'\t=1+1");
        assert_eq!(csv_cell("\r=1"), "\"'\r=1\"");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
