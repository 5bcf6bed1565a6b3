//! A filter made ready for an account: names resolved to the ids that bore them.

use super::Filter;
use crate::identity::Event;
use crate::identity::event::Origin;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::postings::{Of, Term};
use crate::projection::{ProjectionError, View};
use crate::service::activity::ActivityBook;
use crate::service::audit::names;

/// Terms that are looked up for one part of a filter; of more, such as the sessions of somebody who began
/// thousands, the events are read one by one.
const MOST: usize = 1_000;

/// A filter, resolved.
pub struct Sieve<'a> {
    activity: &'a ActivityBook,
    account: AccountId,
    filter: &'a Filter,
    principals: Option<Vec<UniqueId>>,
    persons: Option<Vec<UniqueId>>,
    targets: Option<Vec<UniqueId>>,
    /// A target that is no unique id: the ARN of a policy that every account shares.
    shared: Option<&'a str>,
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
        let shared =
            filter.target.as_deref().filter(|target| target.starts_with("arn:aws:iam::aws:"));
        Ok(Sieve { activity, account, filter, principals, persons, targets, shared })
    }

    /// What postings say of the events that pass: one list a part of the filter, each with terms of which an
    /// event has one. Parts that postings do not tell are left out.
    ///
    /// # Errors
    /// If the activity book cannot be read.
    pub fn terms(&self) -> Result<Vec<Vec<Term>>, ProjectionError> {
        let filter = self.filter;
        let of = |kind, ids: &[UniqueId]| -> Vec<Term> {
            ids.iter().map(|id| Term::new(kind, id.as_str())).collect()
        };
        let mut all = Vec::new();
        all.extend(self.principals.as_ref().map(|ids| of(Of::Actor, ids)));
        if let Some(ids) = &self.targets {
            let mut terms = of(Of::About, ids);
            terms.extend(self.shared.map(|arn| Term::new(Of::About, arn)));
            all.push(terms);
        }
        if let Some(ids) = &self.persons {
            let mut terms = of(Of::Actor, ids);
            if let Some(sessions) = self.activity.begun_by(self.account, ids, MOST)? {
                terms.extend(of(Of::Session, &sessions));
                all.push(terms);
            }
        }
        let of =
            |kind, text: &Option<String>| text.as_ref().map(|text| vec![Term::new(kind, text)]);
        all.extend(of(Of::Operation, &filter.operation));
        all.extend(of(Of::Ticket, &filter.ticket));
        all.retain(|terms| terms.len() <= MOST);
        Ok(all)
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
            && filter.covers(position, header.happened_at)
            && self
                .principals
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id.as_str() == header.actor.as_str()));
        if !by_header {
            return Ok(None);
        }
        let event = Event::decode(frame.body)?;
        let by_operation = filter
            .operation
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&event.origin.operation));
        let by_ticket = filter.ticket.is_none() || filter.ticket == event.origin.ticket;
        let by_target = || match &self.targets {
            None => true,
            Some(ids) => concerns(&event, ids) || self.shared.is_some_and(|arn| names(&event, arn)),
        };
        let passes = by_operation && by_ticket && by_target() && self.is_by_person(&event)?;
        Ok(passes.then_some(event))
    }

    fn is_by_person(&self, event: &Event) -> Result<bool, ProjectionError> {
        let Some(ids) = &self.persons else { return Ok(true) };
        let Origin { actor, credential, .. } = &event.origin;
        Ok(ids.contains(&names::person(self.activity, actor, credential.as_ref())?))
    }
}

/// Whether an event is about one of these ids.
pub fn concerns(event: &Event, ids: &[UniqueId]) -> bool {
    ids.contains(&event.origin.target) || ids.iter().any(|id| names(event, id.as_str()))
}

/// Whether a change of an event names an id or a shared policy.
fn names(event: &Event, id: &str) -> bool {
    event.changes.iter().any(|change| {
        let mut found = false;
        change.each_id(&mut |named| found |= named == id);
        found
    })
}
