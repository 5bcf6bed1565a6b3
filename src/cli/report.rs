//! `report NAME`: reports for auditors. What a report was made from stands above its table; beside CSV and
//! NDJSON, whose rows are for other programs, it goes to stderr.

use clap::Args;
use serde_json::Value;

use super::door::Door;
use super::options::{AtMoment, Output, RangeOptions};
use super::{Failure, print};
use crate::base::notice::notice;
use crate::service::reports::named::Name;

/// `report`
#[derive(Args, Debug, Default)]
pub struct ReportOptions {
    /// credential, mfa-coverage, keys, dormant, root-usage, privileged, direct-grants, joiner-mover-leaver or
    /// password-policy
    pub name: String,
    /// Of root-usage, joiner-mover-leaver and password-policy: over which time
    #[command(flatten)]
    pub range: RangeOptions,
    /// Of dormant: days without use; 45 unless told
    #[arg(long, value_name = "DAYS", conflicts_with = "older_than")]
    pub days: Option<u32>,
    /// Of keys: only those older than so many days, such as 90d
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<String>,
    /// What the activity book knew after so many receipts, to generate a report again; all unless told
    #[arg(long, value_name = "RECEIPTS")]
    pub activity: Option<u64>,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

/// Prints a report.
pub fn report(door: &Door, output: Output, options: &ReportOptions) -> Result<u8, Failure> {
    let name = Name::parse(&options.name)?;
    let mut parameters = options.range.parameters()?;
    let days = options.days.map(|days| days.to_string());
    let activity = options.activity.map(|number| number.to_string());
    parameters.extend(super::log::given(&[
        ("days", &days),
        ("older-than", &options.older_than),
        ("activity", &activity),
    ]));
    let question = format!("reports/{}", name.text());
    let answer = door.ask(&question, parameters, options.at.at.as_deref())?;
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let columns: Vec<String> =
        list("columns").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    match output {
        Output::Json => print::object(output, &answer)?,
        Output::Table | Output::Junit => {
            for line in above(&answer) {
                print::line(&line)?;
            }
            print::line("")?;
            print::rows(output, &list("rows"), &columns)?;
        }
        other => {
            for line in above(&answer) {
                notice(format_args!("{line}"));
            }
            print::rows(other, &list("rows"), &columns)?;
        }
    }
    Ok(0)
}

/// What a report was made from, in lines.
fn above(answer: &Value) -> Vec<String> {
    let text = |name: &str| print::cell(answer, name);
    let mut lines = vec![
        text("title"),
        format!("account {}, as of {}", text("account"), text("as_of")),
        format!(
            "ledger @{} root {}, activity book {} receipts, {}",
            text("position"),
            text("root"),
            text("activity"),
            text("generator")
        ),
        format!("again: {}", text("again")),
    ];
    if answer.get("known_since").is_some_and(|since| !since.is_null()) {
        lines.push(format!("what is known of the account begins at {}", text("known_since")));
    }
    for one in answer.get("controls").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!("for {} {}", print::cell(one, "framework"), print::cell(one, "ids")));
    }
    if let Some(summary) = answer.get("summary").and_then(Value::as_object) {
        let parts: Vec<String> = summary
            .keys()
            .map(|name| format!("{name} {}", print::cell(answer, &format!("summary.{name}"))))
            .collect();
        lines.push(parts.join(", "));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_was_made_from_is_told() {
        let answer = serde_json::json!({
            "title": "T", "account": "1", "as_of": "then", "position": 7, "root": "ab", "activity": 3,
            "generator": "g", "again": "domesday report keys --at @7 --activity 3",
            "controls": [{ "framework": "SOC 2", "ids": ["CC6.1"] }], "summary": { "keys": 2 },
        });
        let lines = above(&answer);
        assert_eq!(lines[2], "ledger @7 root ab, activity book 3 receipts, g");
        assert_eq!(lines[4..], ["for SOC 2 CC6.1", "keys 2"]);
    }
}
