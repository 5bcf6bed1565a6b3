//! Who changed what, when, from where.

use serde_json::{Value, json};

use super::names;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::{self, Sealed};
use crate::identity::event::Origin;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};
use crate::service::activity::ActivityBook;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::subject_of;

/// Events that one answer holds at most; `from` goes on.
pub const LIMIT: usize = 10_000;

/// Events that are looked at for one page of the newest.
const SEARCHED: u64 = 20_000;
/// Events that are read at once for it.
const STRETCH: u64 = 1_000;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this principal, under whichever id bore the name.
    pub principal: Option<String>,
    /// Done by this person, under whichever roles.
    pub person: Option<String>,
    /// About this principal.
    pub target: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// What was denied, instead of what was done.
    pub denied: bool,
    /// For this ticket.
    pub ticket: Option<String>,
    /// Recorded at or after this time, or after so many events.
    pub from: Option<Moment>,
    /// Recorded before this time, or within the first so many events.
    pub to: Option<Moment>,
    /// At most so many, the newest.
    pub limit: usize,
}

impl Filter {
    /// The ids that were given names for, each standing for every id that bore the name: those who did it,
    /// the persons behind them, and those it was about.
    pub fn ids(
        &self,
        view: &View,
        account: AccountId,
    ) -> Result<[Option<Vec<UniqueId>>; 3], ProjectionError> {
        let ids = |name: &Option<String>| {
            name.as_ref().map(|name| names::all_ids(view, account, name)).transpose()
        };
        Ok([ids(&self.principal)?, ids(&self.person)?, ids(&self.target)?])
    }

    /// Whether an event of this position, recorded at this instant, is within the range.
    pub fn covers(&self, position: u64, at: Timestamp) -> bool {
        let after = self.from.is_none_or(|from| {
            from.time.is_none_or(|time| at >= time)
                && from.position.is_none_or(|first| position > first)
        });
        let before = self.to.is_none_or(|to| {
            to.time.is_none_or(|time| at < time) && to.position.is_none_or(|last| position <= last)
        });
        after && before
    }
}

/// A filter made ready for an account: names resolved to the ids that bore them.
pub struct Sieve<'a> {
    activity: &'a ActivityBook,
    account: AccountId,
    filter: &'a Filter,
    principals: Option<Vec<UniqueId>>,
    persons: Option<Vec<UniqueId>>,
    targets: Option<Vec<UniqueId>>,
}

impl<'a> Sieve<'a> {
    /// Resolves the filter's names.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn new(
        activity: &'a ActivityBook,
        account: AccountId,
        view: &View,
        filter: &'a Filter,
    ) -> Result<Self, ProjectionError> {
        let [principals, persons, targets] = filter.ids(view, account)?;
        Ok(Sieve { activity, account, filter, principals, persons, targets })
    }

    /// The event of a frame, if it passes.
    ///
    /// # Errors
    /// If it cannot be decoded, or the activity book cannot be read.
    pub fn passes(
        &self,
        position: u64,
        frame: &Frame<'_>,
    ) -> Result<Option<Event>, ProjectionError> {
        let (header, filter) = (&frame.header, self.filter);
        let by_header = header.account == self.account
            && filter.covers(position, header.recorded_at)
            && self
                .principals
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id.as_str() == header.actor.as_str()));
        if !by_header {
            return Ok(None);
        }
        // Ids stand in the body as they are: where none does, nothing needs to be decoded.
        let may_concern = |ids: &Vec<UniqueId>| {
            ids.iter().any(|id| memchr::memmem::find(frame.body, id.as_str().as_bytes()).is_some())
        };
        if self.targets.as_ref().is_some_and(|ids| !may_concern(ids)) {
            return Ok(None);
        }
        let event = Event::decode(frame.body)?;
        let by_operation = filter
            .operation
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&event.origin.operation));
        let by_ticket = filter.ticket.is_none() || filter.ticket == event.origin.ticket;
        let by_person = match &self.persons {
            None => true,
            Some(ids) => {
                let Origin { actor, credential, .. } = &event.origin;
                ids.contains(&names::person(self.activity, actor, credential.as_ref())?)
            }
        };
        let passes = by_operation
            && by_ticket
            && by_person
            && self.targets.as_ref().is_none_or(|ids| concerns(&event, ids));
        Ok(passes.then_some(event))
    }
}

/// The events of an account that pass a filter, oldest first.
pub fn events(
    activity: &ActivityBook,
    account: AccountId,
    view: &View,
    filter: &Filter,
) -> Result<Value, Fault> {
    let sieve = Sieve::new(activity, account, view, filter)?;
    let last = view.position_of(account)?;
    let mut shown = std::collections::VecDeque::new();
    let mut failed: Option<ProjectionError> = None;
    view.ledger().read(1, &mut |position, frame| {
        if position > last {
            return Ok(false);
        }
        let step = sieve.passes(position, frame).and_then(|event| {
            if let Some(event) = event {
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

/// The newest events of an account that pass a filter, newest first, and where to go on. Reads backwards,
/// stretch by stretch, and at most `SEARCHED` events: a page must not cost a ledger.
pub fn newest(
    activity: &ActivityBook,
    account: AccountId,
    view: &View,
    filter: &Filter,
    before: Option<u64>,
) -> Result<(Vec<Value>, Option<u64>), Fault> {
    let sieve = Sieve::new(activity, account, view, filter)?;
    let last = view.position_of(account)?;
    let cut = before.map_or(last, |before| last.min(before.saturating_sub(1)));
    let mut sequence = view.ledger().events_of(account, cut)?;
    let oldest = sequence.saturating_sub(SEARCHED);
    let mut shown = Vec::new();
    let mut next = None;
    while sequence > oldest && shown.len() < filter.limit {
        let from = sequence.saturating_sub(STRETCH).max(oldest);
        let found = passing(&sieve, view, account, from + 1..=sequence)?;
        for (position, bytes) in found.into_iter().rev() {
            next = Some(position);
            let frame = Frame::read(position, &bytes)?;
            let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
            shown.push(entry(view, position, &frame, &event)?);
            if shown.len() == filter.limit {
                return Ok((shown, next.filter(|position| *position > 1)));
            }
        }
        sequence = from;
        next = view.ledger().position(account, from + 1)?;
    }
    Ok((shown, next.filter(|_| sequence > 0)))
}

/// Those of an account's events, by their sequences, that pass.
fn passing(
    sieve: &Sieve<'_>,
    view: &View,
    account: AccountId,
    sequences: std::ops::RangeInclusive<u64>,
) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let ledger = view.ledger();
    let ends = [*sequences.start(), *sequences.end()];
    let [Some(first), Some(last)] =
        [ledger.position(account, ends[0])?, ledger.position(account, ends[1])?]
    else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    // Where others' events lie between in numbers, each of the account's own is fetched by itself.
    if last - first > 4 * STRETCH {
        for sequence in sequences {
            let Some(position) = ledger.position(account, sequence)? else { break };
            let bytes = ledger.event(position)?;
            if sieve.passes(position, &Frame::read(position, &bytes)?)?.is_some() {
                found.push((position, bytes));
            }
        }
        return Ok(found);
    }
    let mut positions = Vec::new();
    let mut failed: Option<ProjectionError> = None;
    ledger.read(first, &mut |position, frame| {
        match sieve.passes(position, frame) {
            Ok(Some(_)) => positions.push(position),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
        Ok(position < last && failed.is_none())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    for position in positions {
        found.push((position, ledger.event(position)?));
    }
    Ok(found)
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
        let found = match names::by_id(Directory::new(&after, account), id)? {
            None => names::by_id(Directory::new(&before, account), id)?,
            found => found,
        };
        Ok(found.map(|found| found.called()))
    };
    let actor_name = match actor.as_str() {
        "operator" => Some("operator".to_owned()),
        _ => name(actor)?,
    };
    Ok(json!({
        "position": position,
        "recorded_at": header.recorded_at.to_precise(),
        "happened_at": header.happened_at.to_precise(),
        "operation": origin.operation,
        "outcome": "success",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_start_and_not_their_end() {
        let moment = |text| Some(Moment::parse(text).unwrap());
        let day = Timestamp::parse("2026-03-02").unwrap();
        let filter = |from, to| Filter { from, to, ..Filter::default() };
        let days = filter(moment("2026-03-02"), moment("2026-03-03"));
        assert!(days.covers(1, day) && !days.covers(1, day.plus_seconds(86_400)));
        assert!(!days.covers(1, day.plus_seconds(-1)));
        // After the first three events and within the first five: the fourth and the fifth.
        let positions = filter(moment("@3"), moment("@5"));
        let covered: Vec<u64> =
            (1..9).filter(|position| positions.covers(*position, day)).collect();
        assert_eq!(covered, [4, 5]);
        assert!(filter(None, None).covers(1, day));
    }
}
