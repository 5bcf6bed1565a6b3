//! How far an import is, read from the account's own events.

use serde_json::{Value, json};

use super::replay::{AMBIGUOUS, CONTRADICTED, LATE, LISTED, MISSING_FIELD};
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::Change;
use crate::ledger::AccountId;
use crate::projection::directory::ERASED;
use crate::projection::tables::{ImportRow, ImportStage};
use crate::projection::{ProjectionError, Reader, View, sealing};
use crate::service::fault::Fault;
use crate::service::subject_of;

/// What is in by now, before which records others are missing, and which are doubtful.
///
/// # Errors
/// Events that cannot be read.
pub fn status(
    view: &View,
    account: AccountId,
    digits: &str,
    row: &ImportRow,
) -> Result<Value, Fault> {
    let (mut entities, mut records, mut late, mut missing) = (0u64, 0u64, 0u64, 0u64);
    let (mut contradictory, mut ambiguous, mut differences) = (0u64, 0u64, None);
    let (mut list, mut doubts) = (Vec::new(), Vec::new());
    let mut until = row.since;
    let ledger = view.ledger();
    let count = ledger.events_of(account, view.cut().position)?;
    for sequence in 1..=count {
        let Some(position) = ledger.position(account, sequence)? else { break };
        let bytes = ledger.event(position)?;
        let frame = crate::ledger::Frame::read(position, &bytes)?;
        let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
        let mut doubt = |at: Timestamp, record: &str, why: &str| {
            if doubts.len() < LISTED {
                doubts.push(told((position, at, record), &event, "doubt", why));
            }
        };
        for change in &event.changes {
            match change {
                Change::RecordReplayed(c) => {
                    records += 1;
                    until = until.max(c.at);
                    let Some(sealed) = &c.missing else { continue };
                    missing += 1;
                    if list.len() < LISTED {
                        let subject = subject_of(&event.origin.target);
                        let what = sealing::unseal_once(
                            view.keys(),
                            account,
                            &subject,
                            MISSING_FIELD,
                            sealed,
                        )?;
                        let what = what.unwrap_or_else(|| ERASED.to_owned());
                        list.push(told((position, c.at, &c.record), &event, "missing", &what));
                    }
                }
                Change::LateEvidence(c) => {
                    late += 1;
                    doubt(c.at, &c.record, LATE);
                }
                Change::EvidenceContradicted(c) => {
                    contradictory += 1;
                    doubt(c.at, &c.record, CONTRADICTED);
                }
                Change::OrderAmbiguous(c) => {
                    ambiguous += 1;
                    // What is replayed may happen later than its record says: it waited for another one.
                    let replayed = event.changes.iter().find_map(|change| match change {
                        Change::RecordReplayed(replayed) if replayed.record == c.record => {
                            Some(replayed.at)
                        }
                        _ => None,
                    });
                    doubt(replayed.unwrap_or(frame.header.happened_at), &c.record, AMBIGUOUS);
                }
                Change::BaselineTaken(c) => entities = u64::from(c.entities),
                Change::ImportCompleted(c) => differences = c.compared.map(|_| c.differences),
                _ => {}
            }
        }
    }
    Ok(json!({
        "account": digits,
        "state": match row.stage {
            ImportStage::Begun => "begun",
            ImportStage::Based => "open",
            ImportStage::Completed => "completed",
            ImportStage::Dropped => "dropped",
        },
        "since": row.since.to_string(),
        "begins_empty": row.baseline.is_none(),
        "entities": entities,
        "records": records,
        "until": until.to_string(),
        "late": late,
        "contradictory": contradictory,
        "ambiguous": ambiguous,
        "differences": differences,
        "missing": missing,
        "missing_records": list,
        "doubtful_records": doubts,
    }))
}

/// A record in a list of what is to be looked at, and the event that was made of it.
fn told(
    (position, at, record): (u64, Timestamp, &str),
    event: &Event,
    why: &str,
    what: &str,
) -> Value {
    json!({
        "event": position,
        "at": at.to_string(),
        "record": record,
        "operation": event.origin.operation,
        why: what,
    })
}
