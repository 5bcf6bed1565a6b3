//! One event as it is shown: its sealed parts opened, its names as they were.

use serde_json::{Value, json};

use crate::identity::Event;
use crate::identity::change::{Change, Sealed};
use crate::identity::id::UniqueId;
use crate::ledger::Frame;
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};
use crate::service::activity::ActivityBook;
use crate::service::audit::names;
use crate::service::subject_of;

/// One event as JSON.
///
/// # Errors
/// Whatever keeps the rows, the keys or the activity book from being read.
pub fn entry(
    activity: &ActivityBook,
    view: &View,
    position: u64,
    frame: &Frame<'_>,
    event: &Event,
) -> Result<Value, ProjectionError> {
    let header = &frame.header;
    let account = header.account;
    let origin = &event.origin;
    let open = |id: &UniqueId, field: &str, sealed: &Option<Sealed>| match sealed {
        None => Ok::<_, ProjectionError>(None),
        Some(sealed) => {
            let text = sealing::unseal(view.keys(), account, &subject_of(id), field, sealed)?;
            Ok(Some(text.unwrap_or_else(|| ERASED.to_owned())))
        }
    };
    let actor = &origin.actor;
    let parameters = open(&origin.target, "parameters", &origin.parameters)?;
    let parameters =
        parameters.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    // Names as they were: by now they may be other ones, or nobody's.
    let at = |position| view.projections().at(Cut { position, time: None });
    let (after, before) = (at(position), at(position.saturating_sub(1)));
    let name = |id: &UniqueId| -> Result<Option<String>, ProjectionError> {
        if id.as_str() == "operator" {
            return Ok(Some("operator".to_owned()));
        }
        let found = match names::by_id(Directory::new(&after, account), id)? {
            None => names::by_id(Directory::new(&before, account), id)?,
            found => found,
        };
        Ok(found.map(|found| found.called()))
    };
    let person = names::person(activity, actor, origin.credential.as_ref())?;
    let actor_name = name(actor)?;
    let person_name = if person == *actor { actor_name.clone() } else { name(&person)? };
    Ok(json!({
        "position": position,
        "recorded_at": header.recorded_at.to_precise(),
        "happened_at": header.happened_at.to_precise(),
        "operation": origin.operation,
        "outcome": "success",
        "actor": { "id": actor.as_str(), "name": actor_name, "account": origin.actor_account },
        "person": { "id": person.as_str(), "name": person_name },
        "session": open(actor, "session", &origin.session)?,
        "source_identity": open(actor, "source identity", &origin.source_identity)?,
        "credential": origin.credential.as_ref().map(UniqueId::as_str),
        "address": open(actor, "address", &origin.address)?,
        "agent": open(actor, "agent", &origin.agent)?,
        "ticket": origin.ticket,
        "request": origin.request,
        "target": { "id": origin.target.as_str(), "name": name(&origin.target)? },
        "parameters": parameters,
        "changes": event.changes.iter().map(Change::name).collect::<Vec<_>>(),
    }))
}
