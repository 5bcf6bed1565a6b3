//! The report of `policy test` in the form that CI servers read: a `testsuite` a file, a `testcase` a case.
//!
//! There is no standard but what Ant's JUnit task wrote and everybody reads; this is the part that all
//! readers share: <https://llg.cubic.org/docs/junit/>.

use serde_json::Value;

use super::print;

/// The report of these rows, which are in the order of their files.
pub fn report(rows: &[Value]) -> String {
    let failed = |row: &Value| row.get("passed") != Some(&Value::Bool(true));
    let counts = |rows: &[Value]| {
        let failures = rows.iter().filter(|row| failed(row)).count();
        format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", rows.len())
    };
    let mut lines = vec![
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        format!("<testsuites name=\"domesday policy test\" {}>", counts(rows)),
    ];
    for suite in rows.chunk_by(|one, other| one.get("file") == other.get("file")) {
        let file = suite.first().map(|row| escaped(&print::cell(row, "file"))).unwrap_or_default();
        lines.push(format!("  <testsuite name=\"{file}\" {}>", counts(suite)));
        for row in suite {
            let cell = |name| escaped(&print::cell(row, name));
            let head = format!(
                "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"",
                cell("name"),
                cell("line")
            );
            if !failed(row) {
                lines.push(format!("{head}/>"));
                continue;
            }
            lines.push(format!("{head}>"));
            lines.push(format!(
                "      <failure message=\"{}, but expected {}\" type=\"difference\">{}: {} {}</failure>",
                cell("decision"),
                cell("expected"),
                cell("question"),
                cell("because"),
                cell("decided_by"),
            ));
            lines.push("    </testcase>".to_owned());
        }
        lines.push("  </testsuite>".to_owned());
    }
    lines.push("</testsuites>".to_owned());
    lines.join("\n")
}

/// A text in an attribute or element. Control characters have become escapes before.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // Not characters to XML 1.0.
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_stays_text() {
        let row = serde_json::json!({
            "file": "a<b>.jsonl", "line": 3, "name": "\"quoted\" & \u{1}", "passed": false,
            "decision": "allowed", "expected": "explicitDeny", "question": "x", "because": null,
            "decided_by": [],
        });
        let report = report(&[row]);
        assert!(report.contains("name=\"&quot;quoted&quot; &amp; \\u{1}\""), "{report}");
        assert!(report.contains("a&lt;b&gt;.jsonl"));
        assert!(report.contains("tests=\"1\" failures=\"1\""));
    }
}
