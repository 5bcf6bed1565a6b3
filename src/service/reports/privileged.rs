//! Who is an administrator, or can become one: not whose policies are called so, but whom the evaluator allows
//! to grant anything to anybody, and who gets there by steps that it allows, each named
//! ([`crate::service::audit::escalation`]).

use serde_json::json;

use super::named::{Scene, Table};
use crate::service::audit::escalation::{self, Goal, Step, Way};
use crate::service::fault::Fault;

const COLUMNS: &[&str] = &["principal", "arn", "how", "steps", "conditional", "missing_context"];
const IS: &str = "is";
const BECOMES: &str = "can become";

/// Makes the table.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let goal = Goal::administrator(&scene.directory().digits()?);
    let documents = scene.service.documents();
    let mut found = escalation::paths(documents, scene.view, scene.account, &goal, &[])?;
    found.ways.sort_by_cached_key(|way| way.who.called());
    let count = |how: &str| found.ways.iter().filter(|way| self::how(way) == how).count();
    let summary = json!({
        "administrators": count(IS),
        "can_become": count(BECOMES),
        "conditional": found.ways.iter().filter(|way| !way.missing().is_empty()).count(),
        "examined": found.examined,
        "truncated": found.truncated,
    });
    let rows = found.ways.iter().map(row).collect();
    Ok(Table { columns: COLUMNS, rows, summary })
}

fn how(way: &Way) -> &'static str {
    if way.steps.is_empty() { IS } else { BECOMES }
}

fn row(way: &Way) -> serde_json::Value {
    let told = |step: &Step| format!("{}: {} on {}: {}", step.by, step.action, step.on, step.gives);
    let steps = way.steps.iter().map(told);
    let missing = way.missing();
    json!({
        "principal": way.who.called(),
        "arn": way.who.arn,
        "how": how(way),
        "steps": steps.collect::<Vec<_>>(),
        "conditional": !missing.is_empty(),
        "missing_context": missing,
    })
}
