//! Checks a file of evidence, without ledger and server: everything that follows from its hashes and the key.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Evidence, FORMAT, MOST_EVENTS, Named, named, statement};
use crate::base::text::from_base64;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::frame::{self, Hash, Header};
use crate::ledger::note::{Note, VerifierKey};
use crate::ledger::proof::{MOST_HASHES, check_consistency, check_inclusion};
use crate::ledger::tree::leaf_hash;
use crate::ledger::{AccountId, Frame};

/// Why a file is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error("this is no evidence: {0}")]
    Unreadable(String),
    /// It can, and something in it does not hold.
    #[error("{0}")]
    Broken(String),
}

/// What a file proves, to whoever trusts the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The name of the question.
    pub question: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// The account that it was asked in.
    pub account: String,
    /// The moment that it was asked of, if one was given.
    pub moment: Option<String>,
    /// When the ledger says that it answered.
    pub answered: String,
    /// The answer.
    pub answer: Value,
    /// The events that it was made of.
    pub cut: u64,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The events that the answer names.
    pub events: Vec<SeenEvent>,
}

/// An event that is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenEvent {
    /// Its position.
    pub event: u64,
    /// What it says, unless only its hash is shown.
    pub shown: Option<ShownEvent>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEvent {
    /// Whose history it is part of.
    pub account: AccountId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it took effect.
    pub happened_at: Timestamp,
    /// The unique id of who did it.
    pub actor: String,
    /// The operation; `None` if a newer version wrote it.
    pub operation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    parameters: Vec<(String, String)>,
    account: String,
    moment: Option<String>,
    answered: String,
}

fn unreadable(what: impl ToString) -> CheckError {
    CheckError::Unreadable(what.to_string())
}

fn broken(what: impl Into<String>) -> CheckError {
    CheckError::Broken(what.into())
}

fn bytes(text: &str) -> Result<Vec<u8>, CheckError> {
    from_base64(text).ok_or_else(|| unreadable("something in it is not base64"))
}

fn hash(text: &str) -> Result<Hash, CheckError> {
    Hash::try_from(bytes(text)?.as_slice()).map_err(|_| unreadable("a hash has not 32 bytes"))
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, CheckError> {
    texts.iter().take(MOST_HASHES + 1).map(|text| hash(text)).collect()
}

/// Checks the text of a file by the ledger's key.
///
/// # Errors
/// If it cannot be read, or anything in it does not hold.
pub fn check(text: &str, key: &VerifierKey) -> Result<Proven, CheckError> {
    let file: Evidence = serde_json::from_str(text).map_err(unreadable)?;
    if file.format != FORMAT {
        return Err(unreadable(format!("its format is not {FORMAT}")));
    }
    if file.events.len() > MOST_EVENTS {
        return Err(unreadable(format!("it has more than {MOST_EVENTS} events")));
    }
    let asked: Asked = serde_json::from_str(file.question.get()).map_err(unreadable)?;
    let answer: Value = serde_json::from_str(file.answer.get()).map_err(unreadable)?;
    let signed: SignedCheckpoint = file.checkpoint.parse().map_err(unreadable)?;
    let note: Note = file.statement.parse().map_err(unreadable)?;

    signed.check(key).map_err(|error| broken(format!("the checkpoint: {error}")))?;
    let checkpoint = signed.checkpoint;
    key.check(&note).map_err(|error| broken(format!("the statement about the answer: {error}")))?;
    let said = (&*file.question, &*file.answer);
    if note.text() != statement(&checkpoint.origin, file.cut.size, said, &file.events) {
        return Err(broken(
            "question, answer or which events are shown is not what the ledger signed: it was altered",
        ));
    }
    let (old, new) = ((file.cut.size, &hash(&file.cut.root)?), (checkpoint.size, &checkpoint.root));
    check_consistency(old, new, &hashes(&file.consistency)?).map_err(|error| {
        broken(format!(
            "the events of the answer are not shown to be the beginning of the checkpoint's: {error}"
        ))
    })?;
    let events = check_events(&file, &checkpoint)?;
    let shown: BTreeSet<u64> = events.iter().map(|event| event.event).collect();
    let wanted = named(&answer);
    if let Some(missing) = wanted.difference(&shown).next() {
        return Err(broken(format!("the answer names event @{missing}, which is not in the file")));
    }
    if let Some(more) = shown.difference(&wanted).next() {
        return Err(broken(format!(
            "event @{more} is in the file, and the answer does not name it"
        )));
    }
    if let Some(beyond) = wanted.last().filter(|last| **last > file.cut.size) {
        return Err(broken(format!(
            "the answer names event @{beyond}, which is later than the answer"
        )));
    }
    Ok(Proven {
        question: asked.name,
        parameters: asked.parameters,
        account: asked.account,
        moment: asked.moment,
        answered: asked.answered,
        answer,
        cut: file.cut.size,
        checkpoint,
        events,
    })
}

/// Checks each event by itself, that it is in the tree, and that those of an account follow each other.
fn check_events(file: &Evidence, checkpoint: &Checkpoint) -> Result<Vec<SeenEvent>, CheckError> {
    let mut seen = Vec::with_capacity(file.events.len());
    let mut before = 0;
    let mut accounts: BTreeMap<AccountId, (Header, Hash)> = BTreeMap::new();
    for Named { event, frame, leaf, inclusion } in &file.events {
        let event = *event;
        let wrong = |what: &dyn std::fmt::Display| broken(format!("event @{event}: {what}"));
        if event <= before {
            return Err(unreadable("its events are not in order"));
        }
        before = event;
        let frame = frame.as_deref().map(bytes).transpose()?;
        let leaf = match (&frame, leaf) {
            (Some(frame), None) => leaf_hash(frame),
            (None, Some(leaf)) => hash(leaf)?,
            _ => return Err(unreadable("an event has neither frame nor leaf, or both")),
        };
        let proof = hashes(inclusion)?;
        check_inclusion(&leaf, event - 1, checkpoint.size, &proof, &checkpoint.root)
            .map_err(|error| wrong(&format!("it is not shown to be in the ledger: {error}")))?;
        let shown = match &frame {
            None => None,
            Some(bytes) => {
                let frame = Frame::read(event, bytes).map_err(|error| wrong(&error))?;
                follow(&frame, &mut accounts).map_err(|what| wrong(&what))?;
                let header = frame.header;
                Some(ShownEvent {
                    account: header.account,
                    recorded_at: header.recorded_at,
                    happened_at: header.happened_at,
                    actor: header.actor.as_str().to_owned(),
                    operation: Event::decode(frame.body).ok().map(|event| event.origin.operation),
                })
            }
        };
        seen.push(SeenEvent { event, shown });
    }
    Ok(seen)
}

/// That an event can come after the one before it of its account; if it is the very next, that its chain goes
/// on from there.
fn follow(
    frame: &Frame<'_>,
    accounts: &mut BTreeMap<AccountId, (Header, Hash)>,
) -> Result<(), &'static str> {
    let header = frame.header;
    let Some((last, chain)) = accounts.insert(header.account, (header, frame.chain)) else {
        return Ok(());
    };
    let later = header.sequence > last.sequence
        && header.recorded_at >= last.recorded_at
        && header.happened_at >= last.happened_at;
    match (later, header.sequence - last.sequence.min(header.sequence)) {
        (false, _) => Err("it is not later in its account than the one before it"),
        (true, 1) if frame::link(&chain, &frame.digest) != frame.chain => {
            Err("it does not follow the chain of its account")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::base::crypto::SecretKey;
    use crate::base::secret::Secret;
    use crate::base::signature::public_key;
    use crate::base::text::base64;
    use crate::base::time::Timestamp;
    use crate::ledger::Actor;
    use crate::ledger::tree::node_hash;

    fn seed() -> SecretKey {
        Secret::new([3; 32])
    }

    fn key() -> VerifierKey {
        VerifierKey::new("ledger", public_key(&seed())).unwrap()
    }

    fn frame(sequence: u64, previous: &Hash) -> (Vec<u8>, Hash) {
        let header = Header {
            account: AccountId([1; 16]),
            sequence,
            recorded_at: Timestamp::EPOCH,
            happened_at: Timestamp::EPOCH,
            actor: Actor::system(),
        };
        frame::encode(&header, b"body", previous).unwrap()
    }

    /// A file about two events that are all of a ledger, the second with this frame.
    fn file(second: &[u8]) -> Value {
        let (first, _) = frame(1, &[0; 32]);
        let leaves = [leaf_hash(&first), leaf_hash(second)];
        let root = node_hash(&leaves[0], &leaves[1]);
        let checkpoint = Checkpoint { origin: "ledger".into(), size: 2, root };
        let question = json!({
            "name": "head", "parameters": [], "account": "1", "moment": null, "answered": "now",
        });
        let answer = json!({ "events": [1, 2] });
        let events = json!([
            { "event": 1, "frame": base64(&first), "inclusion": [base64(&leaves[1])] },
            { "event": 2, "frame": base64(second), "inclusion": [base64(&leaves[0])] },
        ]);
        let mut file = json!({
            "format": FORMAT,
            "question": question,
            "answer": answer,
            "cut": { "size": 2, "root": base64(&root) },
            "events": events,
            "consistency": [],
            "checkpoint": checkpoint.sign(&seed()).unwrap().to_string(),
        });
        sign(&mut file);
        file
    }

    /// Signs what a file says.
    fn sign(file: &mut Value) {
        let raw = |value: &Value| serde_json::value::to_raw_value(value).unwrap();
        let said = (&*raw(&file["question"]), &*raw(&file["answer"]));
        let events: Vec<Named> = serde_json::from_value(file["events"].clone()).unwrap();
        let text = statement("ledger", 2, said, &events);
        file["statement"] = Note::sign(text, "ledger", &seed()).unwrap().to_string().into();
    }

    #[test]
    fn events_of_an_account_must_follow_each_other() {
        let chain = frame(1, &[0; 32]).1;
        let whole = file(&frame(2, &chain).0);
        assert_eq!(check(&whole.to_string(), &key()).unwrap().events.len(), 2);
        for wrong in [frame(2, &[7; 32]), frame(1, &chain)] {
            let outcome = check(&file(&wrong.0).to_string(), &key());
            assert!(matches!(outcome, Err(CheckError::Broken(_))), "{outcome:?}");
        }
        // With others between them, that one follows the other cannot be seen.
        assert!(check(&file(&frame(3, &[7; 32]).0).to_string(), &key()).is_ok());
    }

    #[test]
    fn a_file_with_anything_missing_or_more_is_none() {
        let whole = file(&frame(2, &frame(1, &[0; 32]).1).0);
        let fields: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
        for name in &fields {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name);
            assert!(check(&less.to_string(), &key()).is_err(), "{name}");
            let mut null = whole.clone();
            null[name] = Value::Null;
            assert!(check(&null.to_string(), &key()).is_err(), "{name}");
        }
        let mut more = whole;
        more["more"] = json!(1);
        assert!(matches!(check(&more.to_string(), &key()), Err(CheckError::Unreadable(_))));
    }

    #[test]
    fn a_file_shows_the_events_that_the_answer_names_and_no_other() {
        let mut whole = file(&frame(2, &frame(1, &[0; 32]).1).0);
        whole["answer"] = json!({ "events": [2] });
        sign(&mut whole);
        let outcome = check(&whole.to_string(), &key()).unwrap_err().to_string();
        assert!(outcome.contains("@1 is in the file"), "{outcome}");
        whole["events"].as_array_mut().unwrap().remove(0);
        sign(&mut whole);
        assert_eq!(check(&whole.to_string(), &key()).unwrap().events.len(), 1);
    }

    #[test]
    fn a_file_with_too_many_events_is_none() {
        let whole = file(&frame(2, &frame(1, &[0; 32]).1).0);
        let outcome = |events: usize| {
            let mut many = whole.clone();
            many["events"] = vec![whole["events"][0].clone(); events].into();
            check(&many.to_string(), &key()).unwrap_err().to_string()
        };
        // With as many as there may be it is read, and found wrong in another way: they are all the same.
        assert!(!outcome(MOST_EVENTS).contains("more than"));
        assert!(outcome(MOST_EVENTS + 1).contains("more than 10000 events"));
    }

    proptest! {
        #[test]
        fn no_file_stops_the_check(
            place: prop::sample::Index,
            length in 0usize..40,
            text in "\\PC{0,60}|[0-9A-Za-z+/=\\[\\]{}\",:]{0,60}",
        ) {
            let whole = file(&frame(2, &frame(1, &[0; 32]).1).0).to_string();
            let characters: Vec<char> = whole.chars().collect();
            let at = place.index(characters.len());
            let before = characters[..at].iter().copied();
            let altered: String = before
                .chain(text.chars())
                .chain(characters.iter().skip(at + length).copied())
                .collect();
            prop_assume!(altered != whole);
            // Only white space may differ.
            if check(&altered, &key()).is_ok() {
                let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                prop_assert_eq!(read(&altered), read(&whole));
            }
            let _ = check(&text, &key());
        }
    }
}
