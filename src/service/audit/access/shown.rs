//! Spans and their bounds as JSON: each event with who did it, with what, from where, for which ticket.

use serde_json::{Map, Value, json};

use super::line::{Asked, Epoch, Line};
use super::span::{Bound, Cause, Span};
use crate::identity::Event;
use crate::identity::change::Change;
use crate::identity::id::IdKind;
use crate::ledger::Frame;
use crate::policy::Deciding;
use crate::projection::ProjectionError;
use crate::projection::directory::Directory;
use crate::service::audit::can::{brought_by, shown};
use crate::service::audit::log;
use crate::service::fault::Fault;

/// A span: how it held, from when to when, and what began and ended it. `brief` leaves out who did it.
///
/// # Errors
/// Whatever keeps the events from being read.
pub fn span(line: &Line<'_>, span: &Span, brief: bool) -> Result<Map<String, Value>, Fault> {
    let to = span.to.as_ref();
    let bound_of = |one: &Bound| bound(line, one, brief);
    let mut fields = Map::new();
    for (name, value) in [
        ("state", span.held.word().into()),
        ("missing_context", span.held.keys().into()),
        ("from", span.from.point.at.to_precise().into()),
        ("to", to.map(|to| to.point.at.to_precise()).into()),
        ("still", to.is_none().into()),
        ("opened_by", bound_of(&span.from)?),
        ("closed_by", to.map(bound_of).transpose()?.into()),
    ] {
        fields.insert(name.to_owned(), value);
    }
    Ok(fields)
}

/// The statements that decided where a span of a principal itself begins, each with the event that brought it.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn statements(
    line: &Line<'_>,
    epochs: &[Epoch],
    asked: Asked<'_>,
    span: &Span,
) -> Result<Vec<Value>, Fault> {
    let Bound { point, cause, .. } = &span.from;
    let position = match cause {
        Cause::Event(position) => *position,
        _ => point.position,
    };
    let there = |epoch: &&Epoch| epoch.until.is_none_or(|until| until > position);
    let someone = epochs.iter().find(there).and_then(|epoch| epoch.someone.as_ref());
    let Some(someone) = someone else { return Ok(Vec::new()) };
    let past = line.history.at(position);
    let directory = Directory::new(&past, line.account);
    let ground = line.ground(directory, asked.action, asked.resource)?;
    let at = (!ground.clock(someone, asked).is_opaque).then_some(point.at);
    let one = |deciding: &Deciding<'_>| -> Result<Value, Fault> {
        let event = brought_by(&past, line.account, deciding, someone.supposed.id.as_ref())?;
        let mut shown = shown(deciding);
        if let Value::Object(shown) = &mut shown {
            shown.insert("event".into(), event.into());
        }
        Ok(shown)
    };
    line.decide(someone, &ground, asked, at, |_, explored| {
        let deciding: Vec<Deciding<'_>> = match explored.decision.is_allowed() {
            true => explored.decision.deciding().collect(),
            // A yes under conditions is a no by itself: what could allow it is what is open.
            false => explored.open.clone(),
        };
        deciding.iter().map(one).collect()
    })
}

fn bound(line: &Line<'_>, bound: &Bound, brief: bool) -> Result<Value, Fault> {
    let Bound { point, cause, because } = bound;
    let mut fields = match cause {
        Cause::Event(position) => event(line, *position, brief)?,
        Cause::Clock(conditions) => fields(json!({ "conditions": conditions })),
        Cause::Baseline => Map::new(),
    };
    fields.insert("at".into(), point.at.to_precise().into());
    fields.insert("because".into(), because.as_str().into());
    Ok(Value::Object(fields))
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn event(line: &Line<'_>, position: u64, brief: bool) -> Result<Map<String, Value>, Fault> {
    let view = line.history.view();
    if position == 0 {
        return Ok(Map::new());
    }
    let mut shown = fields(json!({ "event": position }));
    let bytes = view.ledger().event(position)?;
    let frame = Frame::read(position, &bytes)?;
    let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
    shown.insert("operation".into(), event.origin.operation.as_str().into());
    // Of what was done in another account (the store's own: shared policies) no more is told.
    if brief || frame.header.account != line.account {
        return Ok(shown);
    }
    let mut entry = fields(log::entry(line.service.activity(), view, position, &frame, &event)?);
    for name in ["actor", "person", "session", "address", "ticket"] {
        shown.insert(name.to_owned(), entry.remove(name).unwrap_or_default());
    }
    shown.insert("mfa".into(), mfa(line, &event)?.into());
    Ok(shown)
}

/// Whether a second factor was given; `None` if that is not known, as of the acts of whoever has the machine, and of
/// records that do not tell.
fn mfa(line: &Line<'_>, event: &Event) -> Result<Option<bool>, Fault> {
    match &event.origin.credential {
        None => Ok(None),
        Some(key) if key.kind() == Some(IdKind::SessionKey) => {
            let session = line.service.activity().session(key)?;
            let replayed = |change: &Change| matches!(change, Change::RecordReplayed(_));
            Ok(match event.changes.iter().any(replayed) {
                true => session.and_then(|session| session.mfa),
                false => session.map(|session| session.mfa == Some(true)),
            })
        }
        // Requests that a long-term key signs have no second factor.
        Some(_) => Ok(Some(false)),
    }
}
