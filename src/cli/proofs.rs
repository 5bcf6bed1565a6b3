//! `key`, `checkpoint`, `prove`, and what `verify --since` sends.

use std::path::Path;

use serde_json::{Value, json};

use super::door::Door;
use super::options::{AtMoment, KeyCommand, KeyOptions, Output, VerifyOptions};
use super::{Failure, files, print};
use crate::ledger::note;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Prints the key that signs now; as JSON, all of them. `rotate` makes a new one first.
pub fn key(door: &Door, output: Output, options: &KeyOptions) -> Result<u8, Failure> {
    let keys = match options.command {
        None => door.ask("key", Vec::new(), None)?,
        Some(KeyCommand::Rotate) => door.act("key-rotate", &json!({}))?,
    };
    match output {
        Output::Table => print::line(text(&keys, "vkey"))?,
        Output::Json => print::object(output, &keys)?,
        other => {
            let rows = keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
            print::rows(other, &rows, &["number", "vkey", "event", "made"])?;
        }
    }
    Ok(0)
}

/// Prints a checkpoint as it is signed.
pub fn checkpoint(door: &Door, output: Output, at: &AtMoment) -> Result<u8, Failure> {
    let signed = door.ask("checkpoint", Vec::new(), at.at.as_deref())?;
    match output {
        Output::Table => print::line(text(&signed, "checkpoint").trim_end_matches('\n'))?,
        other => print::object(other, &signed)?,
    }
    Ok(0)
}

/// Prints or writes the proof of an event.
pub fn prove(door: &Door, output: Output, event: &str, file: Option<&Path>) -> Result<u8, Failure> {
    let position = event.strip_prefix('@').unwrap_or(event);
    if position.is_empty() || !position.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::new(format!(
            "{event:?} names no event: write its position, as 7 or @7"
        )));
    }
    let proof = door.ask(&format!("proofs/{position}"), Vec::new(), None)?;
    match (file, output) {
        (Some(file), _) => files::write(file, text(&proof, "proof").as_bytes())?,
        (None, Output::Table) => print::line(text(&proof, "proof").trim_end_matches('\n'))?,
        (None, other) => print::object(other, &proof)?,
    }
    Ok(0)
}

/// What `verify` is to check besides.
pub fn since(options: &VerifyOptions) -> Result<Value, Failure> {
    let Some(file) = &options.since else { return Ok(json!({})) };
    let note = files::read(file, note::MOST_BYTES as u64)?;
    Ok(json!({ "since": note, "key": options.key }))
}
