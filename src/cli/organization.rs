//! `organization set|show`: the service and resource control policies over an account.
//!
//! The file that is set has the form of a policy test case's: `{"scp": [[POLICY...] for each level],
//! "rcp": ...}`, where a policy is a document, `{"file": "p.json"}` beside that file, or
//! `{"name": ..., "policy": ...}` around one. What is shown can be set again.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::door::Door;
use super::options::{OrganizationCommand, Output};
use super::{Failure, files, print};

/// The largest file that is read, in bytes: 70 documents of 5,120 characters, and white space.
const LIMIT: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    #[serde(default)]
    scp: Vec<Vec<Box<RawValue>>>,
    #[serde(default)]
    rcp: Vec<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    policy: Box<RawValue>,
}

/// Runs one of them.
pub fn run(door: &Door, output: Output, command: &OrganizationCommand) -> Result<u8, Failure> {
    match command {
        OrganizationCommand::Set { file } => {
            let path = Path::new(file);
            let text = files::read(path, LIMIT)?;
            let levels: Levels = serde_json::from_str(&text)
                .map_err(|error| Failure::new(format!("{file}: {error}")))?;
            let body = json!({
                "scp": documents(path, "scp", &levels.scp)?,
                "rcp": documents(path, "rcp", &levels.rcp)?,
            });
            print::object(output, &door.act("organization-set", &body)?)?;
        }
        OrganizationCommand::Show { at } => {
            let shown = door.ask("organization", Vec::new(), at.at.as_deref())?;
            match output {
                // A table says nothing about documents.
                Output::Table => print::object(Output::Json, &shown)?,
                output => print::object(output, &shown)?,
            }
        }
    }
    Ok(0)
}

/// Each policy's name and the text of its document, as it was written.
fn documents(
    beside: &Path,
    kind: &str,
    levels: &[Vec<Box<RawValue>>],
) -> Result<Vec<Vec<Value>>, Failure> {
    let one = |level: usize, number: usize, policy: &RawValue| {
        let (name, document) =
            if let Ok(Named { name, policy }) = serde_json::from_str(policy.get()) {
                (name, policy.get().to_owned())
            } else if let Ok(InFile { file }) = serde_json::from_str(policy.get()) {
                let path = beside.parent().unwrap_or(Path::new("")).join(&file);
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                (stem.unwrap_or(file), files::read(&path, LIMIT)?)
            } else {
                (format!("{kind}-{}-{}", level + 1, number + 1), policy.get().to_owned())
            };
        Ok(json!({ "name": name, "document": document }))
    };
    let level = |(level, policies): (usize, &Vec<Box<RawValue>>)| {
        policies.iter().enumerate().map(|(number, policy)| one(level, number, policy)).collect()
    };
    levels.iter().enumerate().map(level).collect()
}
