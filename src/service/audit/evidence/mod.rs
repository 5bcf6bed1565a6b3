//! Evidence: an answer in a file that shows by itself what it rests on.
//!
//! The file is one JSON object:
//!
//! | field | what |
//! |---|---|
//! | `format` | `domesday-evidence@v1` |
//! | `question` | name, parameters, account, moment, and when it was answered |
//! | `answer` | the answer, as it was given |
//! | `cut` | `size`: the events that the answer was made of; `root` of the tree over them |
//! | `events` | those that the answer names: `event`, its `frame` - or the `leaf` hash of one that is another account's - and `inclusion`, which proves that it is in the checkpoint's tree |
//! | `consistency` | proves that the events of the cut are the beginning of the checkpoint's |
//! | `checkpoint` | the signed checkpoint |
//! | `statement` | a note by the same key over the hashes of question and answer, and over which events are shown: that the ledger gave all of it |
//!
//! Bytes are base64. [`check`] reads it, with the ledger's key from elsewhere and nothing else.

pub mod check;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{Question, answer};
use crate::base::crypto::sha256;
use crate::base::text::base64;
use crate::ledger::tree::leaf_hash;
use crate::ledger::{AccountId, Frame};
use crate::service::Service;
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// What the files are.
pub const FORMAT: &str = "domesday-evidence@v1";
/// The most events that an answer with evidence may name.
pub const MOST_EVENTS: usize = 10_000;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    format: String,
    question: Box<RawValue>,
    answer: Box<RawValue>,
    cut: Cut,
    events: Vec<Named>,
    consistency: Vec<String>,
    checkpoint: String,
    statement: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    size: u64,
    root: String,
}

/// An event that the answer names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    event: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frame: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
    inclusion: Vec<String>,
}

/// The positions that an answer names: numbers called `event` or, in entries of a log, `position`, and lists of
/// numbers called `events`.
pub fn named(answer: &Value) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    collect(answer, &mut found);
    found.remove(&0);
    found
}

/// As [`named`], refused where evidence could not hold them all.
fn held(answer: &Value) -> Result<BTreeSet<u64>, Fault> {
    let named = named(answer);
    if named.len() > MOST_EVENTS {
        return Err(Fault::validation(format!(
            "The answer names {} events, and evidence holds {MOST_EVENTS} at most: ask for less of it.",
            named.len()
        )));
    }
    Ok(named)
}

fn collect(value: &Value, found: &mut BTreeSet<u64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("event" | "position", Value::Number(number)) => found.extend(number.as_u64()),
                    ("events", Value::Array(items)) => {
                        found.extend(items.iter().filter_map(Value::as_u64));
                        collect(field, found);
                    }
                    _ => collect(field, found),
                }
            }
        }
        _ => {}
    }
}

/// What the ledger signs besides its checkpoints: never to be taken for one, since its first line is no
/// ledger's name. That a frame was taken out afterwards, and its hash put in, is to be seen: so it covers the positions
/// of the events whose frames are shown.
fn statement(
    origin: &str,
    size: u64,
    (question, answer): (&RawValue, &RawValue),
    events: &[Named],
) -> String {
    let hash = |text: &str| base64(&sha256(text.as_bytes()));
    let shown = events.iter().filter(|named| named.frame.is_some());
    let shown: String = shown.map(|named| format!("{}\n", named.event)).collect();
    let (question, answer) = (hash(question.get()), hash(answer.get()));
    format!("{FORMAT}\n{origin}\n{size}\n{question}\n{answer}\n{}\n", hash(&shown))
}

fn encoded(hashes: &[[u8; 32]]) -> Vec<String> {
    hashes.iter().map(|hash| base64(hash)).collect()
}

/// Answers a question, as [`super::run`] does, with the evidence beside the answer: `answer`, and the text of
/// the file as `evidence`.
///
/// # Errors
/// Those of the question, and an answer that names too many events.
pub fn run(
    service: &Arc<Service>,
    caller: &Caller,
    name: &str,
    parameters: &[(String, String)],
    moment: Option<Moment>,
) -> Result<Value, Fault> {
    let question = Question::parse(name, parameters)?;
    let (answer, cut) = answer(service, caller, question, moment)?;
    let named = held(&answer)?;
    let cut = named.last().copied().unwrap_or(0).max(cut);
    let checkpoint = service.checkpoint_covering(cut)?;
    let (ledger, size) = (service.ledger(), checkpoint.checkpoint.size);
    let mut events = Vec::with_capacity(named.len());
    for event in named {
        let frame = ledger.event(event)?;
        let owner = Frame::read(event, &frame)?.header.account;
        let shown = owner == caller.account || owner == AccountId::SYSTEM;
        events.push(Named {
            event,
            frame: shown.then(|| base64(&frame)),
            leaf: (!shown).then(|| base64(&leaf_hash(&frame))),
            inclusion: encoded(&ledger.prove_inclusion(event, size)?),
        });
    }
    let question = json!({
        "name": name,
        "parameters": parameters,
        "account": caller.digits,
        "moment": moment.map(|moment| moment.to_string()),
        "answered": service.clock().now().to_string(),
    });
    let raw = |value: &Value| to_raw_value(value).map_err(Fault::internal);
    let (question, answered) = (raw(&question)?, raw(&answer)?);
    let origin = &checkpoint.checkpoint.origin;
    let statement = statement(origin, cut, (&question, &answered), &events);
    let file = Evidence {
        format: FORMAT.to_owned(),
        question,
        answer: answered,
        cut: Cut { size: cut, root: base64(&ledger.root_at(cut)?) },
        events,
        consistency: encoded(&ledger.prove_consistency(cut, size)?),
        statement: service.sign_beside(&checkpoint, statement)?.to_string(),
        checkpoint: checkpoint.to_string(),
    };
    let text = serde_json::to_string(&file).map_err(Fault::internal)?;
    Ok(json!({ "answer": answer, "evidence": text + "\n" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found_wherever_they_are_named() {
        let answer = json!({
            "event": 7,
            "statements": [{ "event": 3, "line": 90 }, { "event": null }],
            "events": [5, 9, { "position": 11, "events": [12] }],
            "position": 0,
            "size": 80,
            "text": "event 81",
        });
        assert_eq!(named(&answer).into_iter().collect::<Vec<_>>(), [3, 5, 7, 9, 11, 12]);
        assert!(named(&json!([1, 2, "event"])).is_empty());
    }
    #[test]
    fn an_answer_that_names_too_many_events_has_no_evidence() {
        let naming = |most: usize| json!({ "events": (1..=most).collect::<Vec<_>>() });
        assert_eq!(held(&naming(MOST_EVENTS)).unwrap().len(), MOST_EVENTS);
        let refused = held(&naming(MOST_EVENTS + 1)).unwrap_err();
        assert_eq!(refused.code, "ValidationError");
        assert!(refused.message.contains("10001 events"), "{refused}");
    }
}
