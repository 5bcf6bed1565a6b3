//! What events change of what principals are judged by.

use std::collections::VecDeque;

use crate::identity::Event;
use crate::identity::change::Change;
use crate::ledger::{AccountId, Ledger};
use crate::projection::ProjectionError;

/// What an event touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Things of an account, by their ids.
    Ids(AccountId, Vec<String>),
    /// What everybody in an account is judged by.
    Account(AccountId),
    /// What everybody is judged by.
    All,
}

impl Touched {
    /// What an event touched.
    pub fn of(account: AccountId, event: &Event) -> Self {
        let mut ids = Vec::new();
        for change in &event.changes {
            match change {
                Change::CatalogueInstalled(_) => return Touched::All,
                Change::OrganizationPoliciesSet(_)
                | Change::PasswordPolicySet(_)
                | Change::PasswordPolicyDeleted(_) => return Touched::Account(account),
                change => change.each_id(&mut |id| ids.push(id.to_owned())),
            }
        }
        Touched::Ids(account, ids)
    }
}

/// Events that are read at once.
const AHEAD: usize = 2_000;

/// What the events of a ledger touched, one after the other.
pub struct Events<'a> {
    ledger: &'a Ledger,
    /// The last position that was handed out or passed over.
    position: u64,
    ahead: VecDeque<(u64, Touched)>,
    read: u64,
}

impl<'a> Events<'a> {
    /// From the first event after a position on.
    pub fn after(ledger: &'a Ledger, position: u64) -> Self {
        Events { ledger, position, ahead: VecDeque::new(), read: position }
    }

    /// Where they are.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on to a position, handing out what was touched on the way.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn advance(
        &mut self,
        to: u64,
        each: &mut dyn FnMut(&Touched),
    ) -> Result<(), ProjectionError> {
        while self.position < to {
            if self.ahead.is_empty() && !self.fill()? {
                break;
            }
            match self.ahead.front() {
                Some((position, touched)) if *position <= to => {
                    each(touched);
                    self.position = *position;
                    self.ahead.pop_front();
                }
                _ => break,
            }
        }
        self.position = self.position.max(to);
        Ok(())
    }

    /// Reads further events; whether there were any.
    fn fill(&mut self) -> Result<bool, ProjectionError> {
        let (ahead, read) = (&mut self.ahead, &mut self.read);
        let mut failed: Option<ProjectionError> = None;
        self.ledger.read(*read + 1, &mut |position, frame| {
            match Event::decode(frame.body) {
                Ok(event) => ahead.push_back((position, Touched::of(frame.header.account, &event))),
                Err(error) => failed = Some(error.into()),
            }
            *read = position;
            Ok(failed.is_none() && ahead.len() < AHEAD)
        })?;
        failed.map_or(Ok(!self.ahead.is_empty()), Err)
    }
}
