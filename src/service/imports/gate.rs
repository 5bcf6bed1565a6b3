//! What is not known of an account whose history came from elsewhere.
//!
//! Until the import is complete nothing is answered, also not at an earlier position: half a history would answer
//! no where it does not know. Nor does anybody know how things stood before the history begins.

use crate::base::time::Timestamp;
use crate::ledger::AccountId;
use crate::projection::tables::{IMPORT, ImportStage};
use crate::projection::view::ReadTables;
use crate::projection::{Cut, ProjectionError, Reader, View};
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// Why an account's state is not known at the instant of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The history was not complete at the view's position.
    Incomplete,
    /// The view shows a time before the history begins, which is this.
    BeforeBaseline(Timestamp),
    /// The history was given up.
    Dropped,
}

impl Unknown {
    /// In a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Unknown::Incomplete => {
                "unknown: the import of the account's history is not complete at that moment \
                                    (`domesday import status`)"
                    .to_owned()
            }
            Unknown::BeforeBaseline(since) => {
                format!("unknown: what is known of the account begins at {since}")
            }
            Unknown::Dropped => {
                "unknown: the import of the account's history was given up".to_owned()
            }
        }
    }
}

impl From<Unknown> for Fault {
    fn from(unknown: Unknown) -> Self {
        let code = match unknown {
            Unknown::Incomplete => "ImportIncomplete",
            Unknown::BeforeBaseline(_) => "BeforeBaseline",
            Unknown::Dropped => "ImportDropped",
        };
        Fault::new(code, 409, unknown.sentence())
    }
}

/// Why the account is not known at the instant of a view; `None` if it is, and for accounts that began here.
pub fn unknown(view: &View, account: AccountId) -> Result<Option<Unknown>, ProjectionError> {
    // What is so now says whether it came from elsewhere at all; most accounts did not.
    let Some(row) = view.projections().now().get(account, &IMPORT, &())? else { return Ok(None) };
    if row.stage == ImportStage::Dropped {
        return Ok(Some(Unknown::Dropped));
    }
    let Cut { position, time } = view.cut();
    let then = view.projections().at(Cut { position, time: None }).get(account, &IMPORT, &())?;
    if then.is_none_or(|row| row.stage != ImportStage::Completed) {
        return Ok(Some(Unknown::Incomplete));
    }
    let before = time.is_some_and(|time| time < row.since);
    Ok(before.then_some(Unknown::BeforeBaseline(row.since)))
}

/// Since when an account is known, if its history came from elsewhere.
pub fn known_since(view: &View, account: AccountId) -> Result<Option<Timestamp>, ProjectionError> {
    Ok(view.projections().now().get(account, &IMPORT, &())?.map(|row| row.since))
}

/// Since when an account is known, of a range of its history that begins before that; `None` if all of it is known.
///
/// # Errors
/// [`Unknown::BeforeBaseline`] of a range that ends before: that nothing is known of it does not say that nothing
/// happened.
pub fn known_of_range(
    view: &View,
    account: AccountId,
    from: Option<Moment>,
    to: Option<Moment>,
) -> Result<Option<Timestamp>, Fault> {
    let Some(since) = known_since(view, account)? else { return Ok(None) };
    if to.and_then(|to| to.time).is_some_and(|time| time <= since) {
        return Err(Unknown::BeforeBaseline(since).into());
    }
    let begins_before = from
        .is_none_or(|from| from.position.is_none() && from.time.is_none_or(|time| time < since));
    Ok(begins_before.then_some(since))
}

/// Refuses what asks of an account that is not known at the instant of a view.
///
/// # Errors
/// [`Unknown`] as a refusal.
pub fn check(view: &View, account: AccountId) -> Result<(), Fault> {
    unknown(view, account)?.map_or(Ok(()), |unknown| Err(unknown.into()))
}

/// Whether a user is of before an account's history begins: passwords, access keys and second factors that it had by
/// then are not known.
pub fn has_unknown_credentials(
    reader: &dyn Reader,
    account: AccountId,
    created: Timestamp,
) -> Result<bool, ProjectionError> {
    Ok(credentials_known_since(reader, account)?.is_some_and(|since| created <= since))
}

/// Whether an account's history came from elsewhere: no snapshot and no trail tells how its root user came by its
/// password, keys and second factors, also where the trail begins with the account itself.
pub fn has_unknown_root(reader: &dyn Reader, account: AccountId) -> Result<bool, ProjectionError> {
    Ok(reader.get(account, &IMPORT, &())?.is_some())
}

/// Since when users are created with all that is known of their credentials, if the account's history begins with a
/// snapshot: of those that are older it tells none.
pub fn credentials_known_since(
    reader: &dyn Reader,
    account: AccountId,
) -> Result<Option<Timestamp>, ProjectionError> {
    let row = reader.get(account, &IMPORT, &())?;
    Ok(row.filter(|row| row.baseline.is_some()).map(|row| row.since))
}

/// Whether an account's history is still coming in, as a reader of the present sees it.
pub fn is_pending(reader: &dyn Reader, account: AccountId) -> Result<bool, ProjectionError> {
    let row = reader.get(account, &IMPORT, &())?;
    Ok(row.is_some_and(|row| row.stage != ImportStage::Completed))
}
