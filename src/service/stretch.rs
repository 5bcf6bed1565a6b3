//! A stretch of one account's events: what an export holds, or a diff searches; and its frames, read in order.
//!
//! An account's events bear sequences without gaps, and neither `happened_at` nor positions ever decrease
//! among them. So whatever the ends of a range are given by, it is one stretch, and its completeness can be
//! seen: no number is missing, and each chain hash follows from the one before.

use std::collections::VecDeque;

use crate::base::time::Timestamp;
use crate::ledger::{AccountId, Ledger, frame};
use crate::projection::{ProjectionError, View};
use crate::service::moment::Moment;

/// Frames that are fetched at once.
const STRETCH: u64 = 1_000;

/// A stretch of an account's events, by sequence; empty if `last` is less than `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Whose events.
    pub account: AccountId,
    /// The sequence of the first one.
    pub first: u64,
    /// The sequence of the last one.
    pub last: u64,
    /// The account's events that whoever asked could see: those after `last` came after the range.
    pub seen: u64,
}

impl Range {
    /// The events that a view shows, from one moment on and before another: times compare with
    /// `happened_at`, positions are numbers of events.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn of(
        view: &View,
        account: AccountId,
        from: Option<Moment>,
        to: Option<Moment>,
    ) -> Result<Self, ProjectionError> {
        let ledger = view.ledger();
        let cut = view.position_of(account)?;
        let seen = ledger.events_of(account, cut)?;
        // Events before an instant, that instant not among them.
        let before = |time: Timestamp| -> Result<u64, ProjectionError> {
            let Some(last) = time.micros().checked_sub(1) else { return Ok(0) };
            let position = ledger.cut_at(account, Timestamp::from_micros(last), cut)?;
            Ok(ledger.events_of(account, position)?)
        };
        let within = |position| ledger.events_of(account, position);
        let (mut skipped, mut last) = (0, seen);
        if let Some(from) = from {
            for count in
                [from.time.map(before).transpose()?, from.position.map(within).transpose()?]
            {
                skipped = skipped.max(count.unwrap_or(0));
            }
        }
        if let Some(to) = to {
            for count in [to.time.map(before).transpose()?, to.position.map(within).transpose()?] {
                last = last.min(count.unwrap_or(u64::MAX));
            }
        }
        Ok(Range { account, first: skipped + 1, last: last.max(skipped), seen })
    }

    /// Events in it.
    pub fn count(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }

    /// The frames, in order.
    pub fn frames<'a>(&self, ledger: &'a Ledger) -> Frames<'a> {
        let Range { account, first, last, .. } = *self;
        Frames { ledger, account, next: first, last, fetched: VecDeque::new() }
    }
}

/// A frame and its position.
pub type Placed = (u64, Vec<u8>);

/// The frames of a range, fetched stretch by stretch.
pub struct Frames<'a> {
    ledger: &'a Ledger,
    account: AccountId,
    next: u64,
    last: u64,
    fetched: VecDeque<Placed>,
}

impl Frames<'_> {
    /// The next one.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read, a missing event included.
    pub fn pop(&mut self) -> Result<Option<Placed>, ProjectionError> {
        self.fetch()?;
        Ok(self.fetched.pop_front())
    }

    /// Looks at the next one.
    ///
    /// # Errors
    /// Those of [`pop`](Self::pop).
    pub fn peek(&mut self) -> Result<Option<&Placed>, ProjectionError> {
        self.fetch()?;
        Ok(self.fetched.front())
    }

    /// At most so many of the next ones; none at the end.
    ///
    /// # Errors
    /// Those of [`pop`](Self::pop).
    pub fn some(&mut self, most: usize) -> Result<Vec<Placed>, ProjectionError> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(frame) = self.pop()?
        {
            taken.push(frame);
        }
        Ok(taken)
    }

    fn fetch(&mut self) -> Result<(), ProjectionError> {
        if !self.fetched.is_empty() || self.next > self.last {
            return Ok(());
        }
        let until = self.last.min(self.next + STRETCH - 1);
        let place = |sequence| -> Result<u64, ProjectionError> {
            let found = self.ledger.position(self.account, sequence)?;
            found.ok_or_else(|| {
                let what = format!("event {sequence} of account {} is missing", self.account);
                crate::store::StoreError::Damaged(what).into()
            })
        };
        let (first, last) = (place(self.next)?, place(until)?);
        let fetched = &mut self.fetched;
        if last - first > 4 * STRETCH {
            // Where others' events lie between in numbers, each of the account's own is fetched by itself.
            for sequence in self.next..=until {
                let position = place(sequence)?;
                fetched.push_back((position, self.ledger.event(position)?));
            }
        } else {
            // Whoever opens them checks them, on a thread of its own.
            self.ledger.read_unchecked(first, &mut |position, bytes| {
                if frame::account(bytes) == Some(self.account) {
                    fetched.push_back((position, bytes.to_vec()));
                }
                Ok(position < last)
            })?;
        }
        self.next = until + 1;
        Ok(())
    }
}
