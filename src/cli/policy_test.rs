//! `policy test`: decides each case and compares with what it expects.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::options::Output;
use super::policy::{plural, text_of};
use super::policy_case::{Case, Reader};
use super::{Failure, policy_junit, print};
use crate::policy::{Deciding, Effect, Outcome, explore};

/// The longest file of cases.
const MOST_BYTES: u64 = 64 << 20;
/// Most cases of one run.
const MOST_CASES: usize = 100_000;

/// Decides every case of the files and prints the answers.
///
/// # Errors
/// If a file cannot be read or a case is not understood: nothing has been printed then.
pub fn run(output: Output, files: &[PathBuf]) -> Result<u8, Failure> {
    let mut rows = Vec::new();
    let mut documents = HashMap::new();
    for path in files {
        let text = text_of(path, MOST_BYTES)?;
        let before = rows.len();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if rows.len() == MOST_CASES {
                return Err(Failure::new(format!("more than {MOST_CASES} cases")));
            }
            let case = Reader::new(path, index + 1, line, &mut documents).case()?;
            let mut row = decide(&case)?;
            if let Some(row) = row.as_object_mut() {
                row.insert("file".to_owned(), json!(path.display().to_string()));
                row.insert("line".to_owned(), json!(index + 1));
            }
            rows.push(row);
        }
        // A test that tests nothing, such as one of an empty file, must not pass.
        if rows.len() == before {
            return Err(Failure::new(format!("{}: there is no case in it", path.display())));
        }
    }
    let different = rows.iter().filter(|row| row.get("passed") != Some(&Value::Bool(true))).count();
    match output {
        Output::Junit => print::line(&policy_junit::report(&rows))?,
        Output::Table => {
            for row in &rows {
                print::line(&sentence(row))?;
            }
            let cases = rows.len();
            let verb = if different == 1 { "differs" } else { "differ" };
            print::line(&format!("{cases} case{}, {different} {verb}", plural(cases)))?;
        }
        Output::Json | Output::Ndjson | Output::Csv => {
            let columns = [
                "file",
                "line",
                "name",
                "passed",
                "decision",
                "expected",
                "because",
                "decided_by",
                "missing_context",
            ];
            print::rows(output, &rows, &columns)?;
        }
    }
    Ok(u8::from(different > 0))
}

fn decide(case: &Case) -> Result<Value, Failure> {
    let row = case.ask(|request, policies| {
        let found = explore(request, policies);
        let decision = &found.decision;
        let passed = decision.outcome == case.expected;
        let because = decision.because(case.action());
        let missing: Vec<&str> =
            found.missing_keys.iter().chain(&found.missing_organization_keys).copied().collect();
        let almost = found.almost.iter().map(|(deciding, unmet)| {
            format!("{} would allow, but for {}", in_words(deciding), unmet.join(" and "))
        });
        json!({
            "name": case.name,
            "question": case.question(),
            "passed": passed,
            "decision": name(decision.outcome),
            "expected": name(case.expected),
            "blocked_by": decision.blocked_by.map(|policy_type| policy_type.noun()),
            "because": because,
            "decided_by": decision.deciding().map(|one| in_words(&one)).collect::<Vec<_>>(),
            "statements": decision.deciding().map(|one| statement(&one)).collect::<Vec<_>>(),
            "almost": almost.collect::<Vec<_>>(),
            // Keys that policies ask for and the case does not give: the first thing to look at.
            "missing_context": missing,
        })
    });
    row.ok_or_else(|| Failure::new(format!("the case {} names no caller", case.name)))
}

/// The name of an outcome, as cases write it.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ImplicitDeny => "implicitDeny",
        Outcome::ExplicitDeny => "explicitDeny",
    }
}

fn statement(deciding: &Deciding<'_>) -> Value {
    let statement = deciding.statement;
    json!({
        "policy_type": deciding.policy_type.noun(),
        "policy": &*deciding.label.policy,
        "statement": statement.index() + 1,
        "sid": statement.sid(),
        "effect": match statement.effect() {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        },
        "line": statement.start().line,
    })
}

fn in_words(deciding: &Deciding<'_>) -> String {
    let statement = deciding.statement;
    let sid = match statement.sid() {
        Some(sid) if !sid.is_empty() => format!(" ({sid})"),
        _ => String::new(),
    };
    let (noun, policy) = (deciding.policy_type.noun(), &deciding.label.policy);
    format!("{noun} {policy}, statement {}{sid}", statement.index() + 1)
}

/// A case in a line; where it differs, both answers and what to look at on lines below.
fn sentence(row: &Value) -> String {
    let cell = |name| print::cell(row, name);
    let by = match (cell("decided_by"), cell("because")) {
        (by, why) if by.is_empty() => why,
        (by, _) => format!("by {by}"),
    };
    if row.get("passed") == Some(&Value::Bool(true)) {
        return format!("ok  {}: {} {by}", cell("name"), cell("decision")).trim_end().to_owned();
    }
    let mut lines = vec![
        format!("NO  {}: {}, but expected {}", cell("name"), cell("decision"), cell("expected")),
        format!("    {}:{}: {}", cell("file"), cell("line"), cell("question")),
    ];
    lines.extend((!by.is_empty()).then(|| format!("    {} {by}", cell("decision"))));
    let almost = cell("almost");
    lines.extend((!almost.is_empty()).then(|| format!("    {almost}")));
    let missing = cell("missing_context");
    lines.extend(
        (!missing.is_empty()).then(|| format!("    asked for and not in the context: {missing}")),
    );
    lines.join("\n")
}
