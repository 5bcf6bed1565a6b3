//! `check`: proofs, evidence and checkpoints, by a key alone.

use std::path::Path;

use serde_json::{Value, json};

use super::options::{CheckOptions, Output};
use super::{Failure, files, print};
use crate::base::cells::shown;
use crate::base::text::hex;
use crate::identity::Event;
use crate::ledger::checkpoint::{CheckpointError, PROOF_MARK, ProofFile, SignedCheckpoint};
use crate::ledger::frame::MAX_FRAME;
use crate::ledger::note::{NoteError, VerifierKey};
use crate::ledger::{AccountId, Frame};
use crate::service::audit::evidence::check::{self as evidence, CheckError, Proven, SeenEvent};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// What was found: JSON for scripts, lines for people.
struct Found {
    json: Value,
    lines: Vec<String>,
}

/// Why nothing was.
enum NotFound {
    /// The file is none of those that are checked (exit 2).
    Unreadable(String),
    /// It does not hold (exit 1).
    Broken(String),
}

impl From<CheckpointError> for NotFound {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Form(_) | CheckpointError::Note(NoteError::Form(_)) => {
                NotFound::Unreadable(error.to_string())
            }
            error => NotFound::Broken(error.to_string()),
        }
    }
}

impl From<CheckError> for NotFound {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Unreadable(what) => NotFound::Unreadable(what),
            CheckError::Broken(what) => NotFound::Broken(what),
        }
    }
}

/// Checks a file. Exit 1 if it does not hold.
pub fn check(output: Output, options: &CheckOptions) -> Result<u8, Failure> {
    let key: VerifierKey =
        options.key.parse().map_err(|error: NoteError| Failure::new(format!("--key: {error}")))?;
    if options.file.is_dir() {
        return super::export::check(output, &options.file, &key);
    }
    let text = files::read(&options.file, LARGEST)?;
    let event = options.event.as_deref();
    let outcome = match text.trim_start().as_bytes().first() {
        Some(b'{') => of_evidence(&text, &key, event),
        _ if text.starts_with(PROOF_MARK) => of_proof(&text, &key, event),
        _ => of_checkpoint(&text, &key, event),
    };
    match outcome {
        Ok(Found { json, lines }) => {
            match output {
                Output::Table => lines.iter().try_for_each(|line| print::line(line))?,
                other => print::object(other, &json)?,
            }
            Ok(0)
        }
        Err(NotFound::Broken(why)) => {
            let why = format!("it does not hold: {why}");
            match output {
                Output::Table => print::line(&why)?,
                other => print::object(other, &json!({ "holds": false, "why": why }))?,
            }
            Ok(1)
        }
        Err(NotFound::Unreadable(why)) => {
            Err(Failure::new(format!("{}: {why}", options.file.display())))
        }
    }
}

fn nothing_besides(event: Option<&Path>) -> Result<(), NotFound> {
    match event {
        None => Ok(()),
        Some(_) => Err(NotFound::Unreadable("--event goes with a proof of one event".into())),
    }
}

fn of_checkpoint(text: &str, key: &VerifierKey, event: Option<&Path>) -> Result<Found, NotFound> {
    nothing_besides(event)?;
    let signed: SignedCheckpoint = text.parse()?;
    signed.check(key)?;
    let (size, root) = (signed.checkpoint.size, hex(&signed.checkpoint.root));
    Ok(Found {
        json: json!({ "holds": true, "origin": key.name(), "size": size, "root": root }),
        lines: vec![
            format!("signed by {}: a checkpoint of {size} events, root {root}", key.name()),
            "not shown: that the ledger has continued it since (`domesday verify --since`)".into(),
        ],
    })
}

fn of_proof(text: &str, key: &VerifierKey, event: Option<&Path>) -> Result<Found, NotFound> {
    let file: ProofFile = text.parse()?;
    let given = event.map(|path| {
        files::read_bytes(path, MAX_FRAME as u64)
            .map_err(|failure| NotFound::Unreadable(failure.message))
    });
    let entry = match (given.transpose()?, &file.entry) {
        (Some(given), _) => given,
        (None, Some(held)) => held.clone(),
        (None, None) => {
            let lacks = "the file does not hold the event: give its bytes by --event";
            return Err(NotFound::Unreadable(lacks.into()));
        }
    };
    file.check(&entry, key)?;
    let position = file.index + 1;
    let frame = Frame::read(position, &entry).map_err(|error| {
        NotFound::Broken(format!("the entry is in the tree, and is no event of a ledger: {error}"))
    })?;
    let (size, root) = (file.checkpoint.checkpoint.size, &file.checkpoint.checkpoint.root);
    let operation = Event::decode(frame.body).ok().map(|event| event.origin.operation);
    let header = frame.header;
    Ok(Found {
        json: json!({
            "holds": true,
            "origin": key.name(),
            "event": position,
            "operation": operation,
            "actor": header.actor.as_str(),
            "recorded_at": header.recorded_at.to_string(),
            "happened_at": header.happened_at.to_string(),
            "size": size,
            "root": hex(root),
        }),
        lines: vec![
            format!(
                "event @{position} is in the ledger {}, unaltered: {} by {}, recorded {}",
                key.name(),
                operation.as_deref().unwrap_or("an operation of a newer version"),
                header.actor.as_str(),
                header.recorded_at
            ),
            format!("it is among the {size} events with the root {}, signed by the key", hex(root)),
            "not shown: that the ledger has continued since (`domesday verify --since`), and that its \
             clock was right"
                .into(),
        ],
    })
}

fn of_evidence(text: &str, key: &VerifierKey, event: Option<&Path>) -> Result<Found, NotFound> {
    nothing_besides(event)?;
    let proven = evidence::check(text, key)?;
    Ok(Found { json: evidence_json(key, &proven), lines: evidence_lines(key, &proven) })
}

/// How the question would be asked again, of the same events. Whoever asked it wrote the parameters.
fn question(proven: &Proven) -> String {
    let parameters = proven.parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let words = std::iter::once(proven.question.clone()).chain(parameters);
    shown(&words.collect::<Vec<_>>().join(" "))
}

fn evidence_json(key: &VerifierKey, proven: &Proven) -> Value {
    let events: Vec<Value> = proven
        .events
        .iter()
        .map(|SeenEvent { event, shown }| match shown {
            None => json!({ "event": event, "shown": false }),
            Some(shown) => json!({
                "event": event,
                "shown": true,
                "operation": shown.operation,
                "actor": shown.actor,
                "recorded_at": shown.recorded_at.to_string(),
                "happened_at": shown.happened_at.to_string(),
            }),
        })
        .collect();
    json!({
        "holds": true,
        "origin": key.name(),
        "question": { "name": proven.question, "parameters": proven.parameters },
        "account": proven.account,
        "moment": proven.moment,
        "answered": proven.answered,
        "answer": proven.answer,
        "cut": proven.cut,
        "events": events,
        "size": proven.checkpoint.size,
        "root": hex(&proven.checkpoint.root),
    })
}

fn evidence_lines(key: &VerifierKey, proven: &Proven) -> Vec<String> {
    let mut lines = vec![
        format!("shown, if the key is that of the ledger {}:", key.name()),
        format!(
            "  it had {} events when it signed its checkpoint, root {}",
            proven.checkpoint.size,
            hex(&proven.checkpoint.root)
        ),
        format!(
            "  it gave this answer to `{}` in account {}{}, of its first {} events",
            question(proven),
            proven.account,
            proven.moment.as_ref().map(|moment| format!(" at {moment}")).unwrap_or_default(),
            proven.cut
        ),
        format!("  all {} events that the answer names are in it, unaltered:", proven.events.len()),
    ];
    for SeenEvent { event, shown } in &proven.events {
        lines.push(match shown {
            None => {
                format!("    @{event} (another account's, by its hash alone)")
            }
            Some(shown) => format!(
                "    @{event} {} {} by {}{}",
                shown.recorded_at,
                shown.operation.as_deref().unwrap_or("an operation of a newer version"),
                shown.actor,
                if shown.account == AccountId::SYSTEM { " (for all accounts)" } else { "" }
            ),
        });
    }
    lines.push("not shown by any hash:".to_owned());
    lines.push(format!(
        "  that the answer follows from the events: ask again with `--at @{}`, or replay it",
        proven.cut
    ));
    lines.push("  that the answer leaves nothing out".to_owned());
    lines.push(format!("  the time, {}: it is that of the ledger's clock", proven.answered));
    lines
}
