//! `replay` and `what-if`: recorded decisions, decided again.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::door::{Door, moment};
use super::log::given;
use super::options::{AtMoment, Output, RangeOptions};
use super::{Failure, files, print};
use crate::base::notice::notice;

/// Bytes of a policy at most: far more than any quota allows.
const LARGEST: u64 = 1 << 20;

/// `replay`
#[derive(Args, Debug, Default)]
pub struct ReplayOptions {
    /// Of which requests
    #[command(flatten)]
    pub range: RangeOptions,
    /// As they would be decided now (or --at), instead of on the state that each decision saw
    #[arg(long)]
    pub now: bool,
    /// Of this principal alone
    #[arg(long)]
    pub principal: Option<String>,
    /// Differences that are listed; 100 unless told
    #[arg(long)]
    pub limit: Option<usize>,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

/// `what-if`
#[derive(Args, Debug, Default)]
pub struct WhatIfOptions {
    /// A policy that would be attached: a file, or an ARN
    #[arg(long, value_name = "FILE|ARN", requires = "to", conflicts_with_all = ["detach", "version"])]
    pub attach: Option<String>,
    /// To this user, group or role
    #[arg(long, value_name = "PRINCIPAL")]
    pub to: Option<String>,
    /// A policy that would be taken away: an ARN, or the name of an inline policy
    #[arg(long, value_name = "POLICY", requires = "from", conflicts_with = "version")]
    pub detach: Option<String>,
    /// From this user, group or role
    #[arg(long, value_name = "PRINCIPAL")]
    pub from: Option<String>,
    /// A file with what would become a policy's default version
    #[arg(long, value_name = "FILE", requires = "of")]
    pub version: Option<String>,
    /// Of this policy
    #[arg(long, value_name = "POLICY-ARN")]
    pub of: Option<String>,
    /// Over the requests since then: a moment, or an age (90d); all that are kept unless told
    #[arg(long, value_name = "MOMENT")]
    pub over: Option<String>,
    /// Decisions that are listed; 100 unless told
    #[arg(long)]
    pub limit: Option<usize>,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

fn limit(limit: Option<usize>) -> Option<(String, String)> {
    limit.map(|limit| ("limit".to_owned(), limit.to_string()))
}

/// Prints what came out otherwise. Exit 1 if anything did.
pub fn replay(door: &Door, output: Output, options: &ReplayOptions) -> Result<u8, Failure> {
    let mut parameters = given(&[("principal", &options.principal)]);
    parameters.extend(options.range.parameters()?);
    parameters.extend(options.now.then(|| ("now".to_owned(), "true".to_owned())));
    parameters.extend(limit(options.limit));
    let answer = door.ask("replay", parameters, options.at.at.as_deref())?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let differences = list(&answer, "differences");
    match output {
        Output::Json => print::object(output, &answer)?,
        Output::Table => {
            print::line(&format!(
                "{} receipts: {} decided as recorded, {} otherwise, {} otherwise by another evaluator; \
                 {} cannot be decided (erased), {} are of no decision, {} gaps",
                count("receipts"),
                count("same"),
                count("different"),
                count("evaluator_changed"),
                count("erased"),
                count("without_decision"),
                count("gaps")
            ))?;
            if !differences.is_empty() {
                print::rows(output, &differences, &DIFFERENCES)?;
            }
        }
        other => print::rows(other, &differences, &DIFFERENCES)?,
    }
    tell_of_more(&answer);
    Ok(u8::from(count("different") + count("evaluator_changed") > 0))
}

const DIFFERENCES: [&str; 8] =
    ["receipt", "at", "event", "principal.name", "action", "resource", "then", "again"];
const DECISIONS: [&str; 8] =
    ["receipt", "at", "principal.name", "action", "resource", "recorded", "without", "with"];

/// Prints what a change would have denied or allowed. Exit 1 if anything.
pub fn what_if(door: &Door, output: Output, options: &WhatIfOptions) -> Result<u8, Failure> {
    let mut parameters = given(&[
        ("to", &options.to),
        ("detach", &options.detach),
        ("from", &options.from),
        ("of", &options.of),
    ]);
    if let Some(policy) = &options.attach {
        let policy = match policy.starts_with("arn:") {
            true => policy.clone(),
            false => files::read(Path::new(policy), LARGEST)?,
        };
        parameters.push(("attach".to_owned(), policy));
    }
    if let Some(file) = &options.version {
        parameters.push(("version".to_owned(), files::read(Path::new(file), LARGEST)?));
    }
    if let Some(over) = &options.over {
        parameters.push(("over".to_owned(), moment(over)?.to_string()));
    }
    parameters.extend(limit(options.limit));
    let answer = door.ask("what-if", parameters, options.at.at.as_deref())?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let decisions = list(&answer, "decisions");
    match output {
        Output::Json => print::object(output, &answer)?,
        Output::Table => {
            print::line(&format!(
                "{} recorded requests: {} would be denied, {} newly allowed; {} cannot be decided (erased), \
                 {} of who is gone",
                count("examined"),
                count("would_deny"),
                count("would_allow"),
                count("erased"),
                count("gone")
            ))?;
            if !decisions.is_empty() {
                print::rows(output, &decisions, &DECISIONS)?;
            }
        }
        other => print::rows(other, &decisions, &DECISIONS)?,
    }
    tell_of_more(&answer);
    Ok(u8::from(count("would_deny") + count("would_allow") > 0))
}

fn list(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn tell_of_more(answer: &Value) {
    if answer.get("truncated") == Some(&Value::Bool(true)) {
        notice(format_args!("there are more than are listed: give a greater --limit"));
    }
}
