//! `log`: the history, page after page up to a limit.

use clap::Args;
use serde_json::{Value, json};

use super::door::{Door, moment};
use super::options::{AtMoment, Output, RangeOptions};
use super::{Failure, print};
use crate::base::notice::notice;

/// Events that are shown if nothing is said.
const USUAL: usize = 1_000;
/// Events that are asked for at once.
const PAGE: usize = 1_000;

/// Columns of tables and CSV.
const COLUMNS: [&str; 10] = [
    "position",
    "happened_at",
    "operation",
    "outcome",
    "actor.name",
    "person.name",
    "session",
    "target.name",
    "address",
    "ticket",
];

/// `log`
#[derive(Args, Debug, Default)]
pub struct LogOptions {
    /// Done by
    #[arg(long)]
    pub principal: Option<String>,
    /// Done by this person, under whichever roles: chains of roles are followed to who began them
    #[arg(long)]
    pub person: Option<String>,
    /// About this user, group, role, policy, access key or device
    #[arg(long)]
    pub target: Option<String>,
    /// Of this operation
    #[arg(long)]
    pub operation: Option<String>,
    /// What was done (success), what policies refused (denied), or who read the history (read)
    #[arg(long, value_name = "success|denied|read")]
    pub outcome: Option<String>,
    /// For this ticket: the session tag `ticket`, or the application id of the SDK
    #[arg(long)]
    pub ticket: Option<String>,
    /// What happened in it
    #[command(flatten)]
    pub range: RangeOptions,
    /// Which come first
    #[arg(long, value_name = "newest|oldest")]
    pub order: Option<String>,
    /// At most so many; 1000 unless told
    #[arg(long)]
    pub limit: Option<usize>,
    /// Where an earlier answer ended: its `next`
    #[arg(long)]
    pub cursor: Option<String>,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

impl RangeOptions {
    /// As parameters of a question.
    pub fn parameters(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut parameters = Vec::new();
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if let Some(text) = text {
                parameters.push((name.to_owned(), moment(text)?.to_string()));
            }
        }
        parameters.extend(self.during.clone().map(|during| ("during".to_owned(), during)));
        Ok(parameters)
    }
}

/// Parameters that were given, of those that may be left out.
pub fn given(pairs: &[(&str, &Option<String>)]) -> Vec<(String, String)> {
    let given = |(name, value): &(&str, &Option<String>)| {
        Option::clone(value).map(|value| ((*name).to_owned(), value))
    };
    pairs.iter().filter_map(given).collect()
}

/// Of whom no name is known, the id is told in its place.
fn name_by_id(event: &mut Value) {
    for role in ["actor", "person", "target"] {
        let Some(fields) = event.get_mut(role).and_then(Value::as_object_mut) else { continue };
        if fields.get("name").is_none_or(Value::is_null) {
            let id = fields.get("id").cloned().unwrap_or_default();
            fields.insert("name".to_owned(), id);
        }
    }
}

/// Prints the history. NDJSON and CSV leave page by page; tables and JSON when all is there.
pub fn log(door: &Door, output: Output, options: &LogOptions) -> Result<u8, Failure> {
    let mut parameters = given(&[
        ("principal", &options.principal),
        ("person", &options.person),
        ("target", &options.target),
        ("operation", &options.operation),
        ("outcome", &options.outcome),
        ("ticket", &options.ticket),
        ("order", &options.order),
    ]);
    parameters.extend(options.range.parameters()?);
    let mut left = options.limit.unwrap_or(USUAL);
    let mut next = options.cursor.clone();
    let (mut all, mut position, mut is_first) = (Vec::new(), Value::Null, true);
    let mut known_since = Value::Null;
    while left > 0 {
        let mut page = parameters.clone();
        page.push(("limit".into(), left.min(PAGE).to_string()));
        page.extend(next.clone().map(|next| ("cursor".into(), next)));
        let mut answer = door.ask("events", page, options.at.at.as_deref())?;
        let mut events = match answer.get_mut("events").map(Value::take) {
            Some(Value::Array(events)) => events,
            _ => Vec::new(),
        };
        left = left.saturating_sub(events.len());
        if matches!(output, Output::Table | Output::Csv) {
            events.iter_mut().for_each(name_by_id);
        }
        position = answer.get("position").cloned().unwrap_or_default();
        known_since = answer.get("known_since").cloned().unwrap_or_default();
        next = answer.get("next").and_then(Value::as_str).map(str::to_owned);
        match output {
            Output::Ndjson => print::rows(output, &events, &COLUMNS)?,
            Output::Csv => print::csv_rows(&events, &COLUMNS, is_first)?,
            _ => all.extend(events),
        }
        is_first = false;
        if next.is_none() || door.wants_evidence() {
            break;
        }
    }
    match output {
        Output::Json => {
            let whole = json!({
                "events": all, "next": next, "position": position, "known_since": known_since,
            });
            print::object(output, &whole)?;
        }
        Output::Table | Output::Junit => print::rows(output, &all, &COLUMNS)?,
        Output::Ndjson | Output::Csv => {}
    }
    if let Some(since) = known_since.as_str().filter(|_| output != Output::Json) {
        notice(format_args!("what is known of the account begins at {since}"));
    }
    if let Some(next) = next.filter(|_| output != Output::Json) {
        match door.wants_evidence() {
            // Of one question: a page holds 1000 at most, whatever the limit.
            true => notice(format_args!(
                "there may be more than this evidence holds: go on with --cursor {next}"
            )),
            false => notice(format_args!(
                "there may be more: go on with --cursor {next}, or give a greater --limit"
            )),
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_name_is_told_by_the_id() {
        let mut event = json!({
            "actor": { "id": "AIDA1", "name": null },
            "person": { "id": "AIDA2", "name": "user/ann" },
            "target": null,
        });
        name_by_id(&mut event);
        assert_eq!(event["actor"]["name"], "AIDA1");
        assert_eq!(event["person"]["name"], "user/ann");
        assert_eq!(event["target"], Value::Null);
    }
}
