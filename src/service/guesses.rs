//! How often somebody may be wrong: about a password, about a code of a second factor.
//!
//! The first five tries are free. After them the next is heard half a minute later, and after each that was
//! wrong twice as long, up to an hour; what is tried in between is neither looked at nor counted, so that
//! nobody is kept out for longer than that by whoever else is trying. A success ends the count, and so does a
//! day without a try.
//!
//! A try is counted before it is looked at: many at once are as slow as one after the other. The counts are
//! kept in memory alone. They are of things that exist - users, devices - so that strangers cannot add to them.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

/// Tries before the first pause.
const FREE: u32 = 5;
/// The first pause, in seconds.
const FIRST_PAUSE: u64 = 30;
/// The longest pause.
const LONGEST_PAUSE: u64 = 3_600;
/// After so many seconds without a try, nothing is held against anybody.
const FORGOTTEN: u64 = 86_400;
/// Counts that are kept; beyond it those whose pauses are over are dropped.
const KEPT: usize = 100_000;

/// The tries at everything that was tried lately.
#[derive(Default)]
pub struct Guesses(Mutex<HashMap<(AccountId, UniqueId), Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    last: Timestamp,
}

impl Tries {
    /// Seconds that the next try must come after the last.
    fn pause(self) -> u64 {
        match self.count.checked_sub(FREE) {
            None => 0,
            Some(over) => FIRST_PAUSE.saturating_mul(1 << over.min(16)).min(LONGEST_PAUSE),
        }
    }

    /// Seconds that it is too early.
    fn early(self, at: Timestamp) -> u64 {
        let since = at.seconds().saturating_sub(self.last.seconds());
        self.pause().saturating_sub(since)
    }
}

impl Guesses {
    /// Counts a try at what a user or device holds secret.
    ///
    /// # Errors
    /// The seconds to wait, if it is too early for another one; then it is not counted.
    pub fn begin(&self, account: AccountId, whose: &UniqueId, at: Timestamp) -> Result<(), u64> {
        let mut all = self.0.lock();
        if all.len() >= KEPT {
            all.retain(|_, tries| tries.early(at) > 0);
        }
        let tries = all.entry((account, whose.clone())).or_insert(Tries { count: 0, last: at });
        let idle = at.seconds().abs_diff(tries.last.seconds());
        if idle >= FORGOTTEN {
            *tries = Tries { count: 0, last: at };
        }
        // A clock that went back keeps nobody out for longer than a pause.
        tries.last = tries.last.min(at);
        match tries.early(at) {
            0 => {
                tries.count = tries.count.saturating_add(1);
                tries.last = at;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// It was right: what was wrong before does not count any more.
    pub fn succeeded(&self, account: AccountId, whose: &UniqueId) {
        self.0.lock().remove(&(account, whose.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_an_hour_and_end_with_a_success() {
        let guesses = Guesses::default();
        let (account, alice) = (AccountId([1; 16]), UniqueId::parse("AIDAALICE").unwrap());
        let at = |seconds| Timestamp::from_seconds(1_000_000 + seconds);
        let begin = |seconds| guesses.begin(account, &alice, at(seconds));
        for _ in 0..5 {
            assert_eq!(begin(0), Ok(()));
        }
        // What comes too early neither counts nor makes the pause longer.
        assert_eq!(begin(0), Err(30));
        assert_eq!(begin(29), Err(1));
        assert_eq!(begin(30), Ok(()));
        assert_eq!(begin(30), Err(60));
        let mut now = 90;
        let mut pause = 0;
        for _ in 0..20 {
            assert_eq!(begin(now), Ok(()));
            pause = begin(now).unwrap_err();
            now += pause;
        }
        assert_eq!(pause, 3_600);
        // Another user is not kept waiting, nor is this one after a success or a day.
        let bob = UniqueId::parse("AIDABOB").unwrap();
        assert_eq!(guesses.begin(account, &bob, at(now)), Ok(()));
        assert_eq!(begin(now), Ok(()));
        assert!(begin(now).is_err());
        guesses.succeeded(account, &alice);
        for _ in 0..5 {
            assert_eq!(begin(now), Ok(()));
        }
        assert!(begin(now).is_err());
        assert_eq!(begin(now + 86_400), Ok(()));
        // A clock that went back a year does not lock anybody out for a year.
        for _ in 0..4 {
            assert_eq!(begin(now + 86_400), Ok(()));
        }
        assert_eq!(guesses.begin(account, &alice, Timestamp::from_seconds(0)), Ok(()));
    }
}
