//! `policy lint` and `policy test`: for who writes policies, and for their CI. They ask no server and open
//! no ledger: what they say depends on the files alone.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::options::{Common, Output};
use super::{Failure, policy_test, print};
use crate::policy::lint::{self, Kind, Severity};

/// `policy ...`
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// What AWS would refuse in policy documents, and what is suspicious (exit 1: errors)
    Lint(LintOptions),
    /// Unit tests for policies: one JSON case a line (exit 1: an answer differs)
    Test {
        /// Files of cases; - for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// `policy lint`
#[derive(Args, Debug)]
pub struct LintOptions {
    /// Policy documents; - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the documents are for; else guessed: with Principal trust or resource, otherwise identity
    #[arg(long, value_enum)]
    pub kind: Option<KindName>,
    /// A service of your own, whose actions and condition keys are not looked up; may be repeated
    #[arg(long = "service", value_name = "PREFIX")]
    pub services: Vec<String>,
    /// Exit with 1 for warnings, too
    #[arg(long)]
    pub strict: bool,
}

/// What a document is for, as it is named on the command line.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindName {
    /// A managed or inline policy of a user, group or role
    Identity,
    /// A role's trust policy
    Trust,
    /// A policy on any other resource
    Resource,
    /// A service control policy
    Scp,
    /// A resource control policy
    Rcp,
    /// A permissions boundary
    Boundary,
    /// A policy passed when a session is made
    Session,
    /// A VPC endpoint policy
    Endpoint,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Kind {
        match name {
            KindName::Identity => Kind::Identity,
            KindName::Trust => Kind::Trust,
            KindName::Resource => Kind::Resource,
            KindName::Scp => Kind::Scp,
            KindName::Rcp => Kind::Rcp,
            KindName::Boundary => Kind::Boundary,
            KindName::Session => Kind::Session,
            KindName::Endpoint => Kind::Endpoint,
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// If a file cannot be read, or is not what it should be.
pub fn run(common: &Common, command: &PolicyCommand) -> Result<u8, Failure> {
    match command {
        PolicyCommand::Lint(options) => lint_files(common.output, options),
        PolicyCommand::Test { files } => policy_test::run(common.output, files),
    }
}

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// If it cannot be read, is longer than so many bytes, or is not UTF-8.
pub(super) fn text_of(path: &std::path::Path, most: u64) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?)
    };
    let mut bytes = Vec::new();
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(wrong(format!("longer than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("not UTF-8 from byte {at} on"))
    })
}

fn lint_files(output: Output, options: &LintOptions) -> Result<u8, Failure> {
    /// More than any document that can be saved.
    const MOST_BYTES: u64 = 1 << 20;
    let how = lint::Options {
        kind: options.kind.map(Kind::from),
        services: options.services.iter().map(|service| service.to_lowercase()).collect(),
    };
    let mut rows = Vec::new();
    let (mut errors, mut warnings) = (0usize, 0usize);
    for path in &options.files {
        let text = text_of(path, MOST_BYTES)?;
        for finding in lint::lint(&text, &how) {
            match finding.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            rows.push(json!({
                "file": path.display().to_string(),
                "line": finding.position.line,
                "column": finding.position.column,
                "severity": finding.severity.name(),
                "code": finding.code,
                "message": finding.message,
                "advice": finding.advice,
            }));
        }
    }
    if output == Output::Table {
        for row in &rows {
            print::line(&sentence(row))?;
        }
        let files = options.files.len();
        print::line(&format!(
            "{files} file{}: {errors} error{}, {warnings} warning{}",
            plural(files),
            plural(errors),
            plural(warnings)
        ))?;
    } else {
        let columns = ["file", "line", "column", "severity", "code", "message", "advice"];
        print::rows(output, &rows, &columns)?;
    }
    Ok(u8::from(errors > 0 || (options.strict && warnings > 0)))
}

/// As compilers write it, so that editors can follow; what to do stands on a line of its own.
fn sentence(row: &Value) -> String {
    let cell = |name| print::cell(row, name);
    let advice = match cell("advice") {
        advice if advice.is_empty() => advice,
        advice => format!("\n    {advice}"),
    };
    format!(
        "{}:{}:{}: {} {}: {}{advice}",
        cell("file"),
        cell("line"),
        cell("column"),
        cell("severity"),
        cell("code"),
        cell("message"),
    )
}

/// The ending of a noun after a number.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
