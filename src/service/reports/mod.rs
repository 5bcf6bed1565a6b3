//! Reports over an account: those that AWS generates first and hands out then, and those that auditors ask for
//! by name.
//!
//! - [`credential`]: who has which credentials, as one table.
//! - [`accessed`]: which services an entity may use, and when it last did.
//! - [`named`]: the reports by name, what they have in common, and the controls that they answer; one file each.
//!
//! - `kept`: those of a moment ago, for whoever turns their pages.
//!
//! Nothing that was generated is stored. Every state of the ledger can be read again, and facts of use are
//! never replaced; so what was generated is named by the instant at which it was ([`Pinned`]) and computed,
//! to the same bytes, whenever it is asked for. A restart forgets the names: AWS's errors for what does not
//! exist then say that it is to be generated again.

pub mod accessed;
pub mod credential;
mod direct_grants;
mod dormant;
mod kept;
mod keys;
mod listing;
mod mfa_coverage;
mod movements;
pub mod named;
mod password_history;
mod people;
mod privileged;
mod root_usage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use self::accessed::Jobs;
use self::kept::Kept;
use super::fault::{self, Fault};
use crate::base::random::{Random, random_uuid};
use crate::base::time::Timestamp;
use crate::ledger::AccountId;
use crate::projection::{Cut, Projections, View};

/// How long a credential report stands before another can be generated, and no longer: four hours (IAM User
/// Guide, "Generate credential reports").
const CREDENTIAL_REPORT_SECONDS: u64 = 4 * 3_600;
/// How long a report waits for another one to be written. One at a time: together they must not take all
/// memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// A state of the account as it was at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Which events it shows.
    pub cut: Cut,
    /// Up to when what was used counts.
    pub at: Timestamp,
}

/// What was generated: names only.
pub struct Reports {
    projections: Arc<Projections>,
    credential: Mutex<HashMap<AccountId, Pinned>>,
    random: Arc<dyn Random>,
    writing: Mutex<()>,
    /// Jobs about services last accessed.
    pub jobs: Jobs,
    /// Reports by name of a moment ago.
    kept: Kept,
}

impl Reports {
    /// Nothing generated yet.
    pub fn new(projections: Arc<Projections>, random: Arc<dyn Random>) -> Self {
        Reports {
            projections,
            random,
            credential: Mutex::default(),
            writing: Mutex::default(),
            jobs: Jobs::default(),
            kept: Kept::default(),
        }
    }

    /// The state that was pinned.
    pub fn view(&self, pinned: &Pinned) -> View {
        self.projections.at(pinned.cut).passing()
    }

    /// An id for a job.
    pub fn new_id(&self) -> Result<String, Fault> {
        Ok(random_uuid(&*self.random)?)
    }

    /// Generates an account's credential report, unless the last one still stands; whether it did.
    pub fn generate_credential(&self, account: AccountId, now: Pinned) -> bool {
        let mut generated = self.credential.lock();
        if generated.get(&account).is_some_and(|last| stands(last, now.at)) {
            return false;
        }
        generated.insert(account, now);
        true
    }

    /// The credential report that stands.
    ///
    /// # Errors
    /// `ReportNotPresent` and `ReportExpired`.
    pub fn credential(&self, account: AccountId, now: Timestamp) -> Result<Pinned, Fault> {
        match self.credential.lock().get(&account) {
            None => Err(fault::REPORT_NOT_PRESENT.with(&[])),
            Some(last) if !stands(last, now) => Err(fault::REPORT_EXPIRED.with(&[])),
            Some(last) => Ok(*last),
        }
    }

    /// The turn to write a credential report.
    ///
    /// # Errors
    /// `ReportInProgress` if others are written for long.
    pub fn turn(&self) -> Result<MutexGuard<'_, ()>, Fault> {
        self.writing.try_lock_for(PATIENCE).ok_or_else(|| fault::REPORT_IN_PROGRESS.with(&[]))
    }
}

/// Whether a report has not expired; one of a time that has not come, by a clock that was set back, has.
fn stands(last: &Pinned, now: Timestamp) -> bool {
    now.seconds().abs_diff(last.at.seconds()) <= CREDENTIAL_REPORT_SECONDS
}
