//! Who changed what, when, from where.

use serde_json::{Value, json};

use super::names;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::{self, Sealed};
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{ProjectionError, Reader, View, sealing};
use crate::service::fault::Fault;
use crate::service::{Service, subject_of};

/// Events that one answer holds at most; `from` goes on.
pub const LIMIT: usize = 10_000;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this principal, under whichever id bore the name.
    pub principal: Option<String>,
    /// About this principal.
    pub target: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Recorded at or after.
    pub from: Option<Timestamp>,
    /// Recorded before.
    pub to: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// The events of an account that pass a filter, oldest first.
pub fn events(
    _: &Service,
    account: AccountId,
    view: &View,
    filter: &Filter,
) -> Result<Value, Fault> {
    let ids = |name: &Option<String>| match name {
        None => Ok(None),
        Some(name) => names::all_ids(view, account, name).map(Some),
    };
    let (principals, targets) = (ids(&filter.principal)?, ids(&filter.target)?);
    let last = view.position_of(account)?;
    let mut shown = std::collections::VecDeque::new();
    let mut failed: Option<ProjectionError> = None;
    view.ledger().read(1, &mut |position, frame| {
        if position > last {
            return Ok(false);
        }
        let header = &frame.header;
        let wanted = header.account == account
            && filter.from.is_none_or(|from| header.recorded_at >= from)
            && filter.to.is_none_or(|to| header.recorded_at < to)
            && principals
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id.as_str() == header.actor.as_str()));
        if !wanted {
            return Ok(true);
        }
        let step = Event::decode(frame.body).map_err(ProjectionError::from).and_then(|event| {
            let by_operation = filter
                .operation
                .as_ref()
                .is_none_or(|name| name.eq_ignore_ascii_case(&event.origin.operation));
            if by_operation && targets.as_ref().is_none_or(|ids| concerns(&event, ids)) {
                shown.push_back(entry(view, position, frame, &event)?);
                if shown.len() > filter.limit {
                    shown.pop_front();
                }
            }
            Ok(())
        });
        failed = step.err();
        Ok(failed.is_none())
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(json!({ "events": shown })),
    }
}

/// Whether an event is about one of these ids. Ids are never given twice, so finding their bytes in the
/// stored changes is enough.
pub fn concerns(event: &Event, ids: &[UniqueId]) -> bool {
    if ids.contains(&event.origin.target) {
        return true;
    }
    let mut body = Vec::new();
    event.changes.iter().any(|one| {
        body.clear();
        let written = change::write(one, &mut body).is_ok();
        written
            && ids.iter().any(|id| {
                let id = id.as_str().as_bytes();
                body.windows(id.len()).any(|window| window == id)
            })
    })
}

/// One event as JSON, its sealed parts opened.
pub fn entry(
    view: &View,
    position: u64,
    frame: &Frame<'_>,
    event: &Event,
) -> Result<Value, ProjectionError> {
    let header = &frame.header;
    let account = header.account;
    let origin = &event.origin;
    let directory = Directory::new(view, account);
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
    let name = |id: &UniqueId| -> Result<Option<String>, ProjectionError> {
        Ok(names::by_id(directory, id)?.map(|found| format!("{}/{}", found.kind, found.name)))
    };
    let actor_name = match actor.as_str() {
        "operator" => None,
        _ => name(actor)?,
    };
    Ok(json!({
        "position": position,
        "recorded_at": header.recorded_at.to_precise(),
        "happened_at": header.happened_at.to_precise(),
        "operation": origin.operation,
        "actor": { "id": actor.as_str(), "name": actor_name, "account": origin.actor_account },
        "session": open(actor, "session", &origin.session)?,
        "source_identity": open(actor, "source identity", &origin.source_identity)?,
        "credential": origin.credential.as_ref().map(UniqueId::as_str),
        "address": open(actor, "address", &origin.address)?,
        "agent": open(actor, "agent", &origin.agent)?,
        "ticket": origin.ticket,
        "request": origin.request,
        "target": { "id": origin.target.as_str(), "name": name(&origin.target)? },
        "parameters": parameters,
        "changes": event.changes.iter().map(change::Change::name).collect::<Vec<_>>(),
    }))
}
