//! Projections: changes folded to rows, read at any instant.
//!
//! A row is never overwritten, only superseded: its key ends in the complement of the position that
//! wrote it, so the newest version at or before a cut is the first one found. A [`View`] is a store and
//! a cut; "now" is the view at the head, the past is the same code with a smaller number.
//!
//! - [`row`]: tables, keys and the encoding of rows.
//! - [`view`]: [`Reader`], what can be read, and [`View`], which reads a store at a cut.
//! - [`projections`]: what views are made from; [`recent`]: the newest rows, kept in memory; [`orders`]: orders of names.
//! - [`whole`]: a reader of all that an account has, for questions about everybody.
//! - [`history`]: a reader that moves through time, and knows until when what it read holds.
//! - [`tables`]: the tables and what their rows hold.
//! - [`fold`]: the one function that turns changes into rows.
//! - [`trust`]: a trust policy as it is shown.
//! - [`transaction`]: the overlay in which an operation is decided, folding as it records.
//! - [`directory`]: questions in the terms of identity: the user of this name, the members of a group.
//! - [`sealing`]: names and values sealed under the key of their subject.
//! - [`postings`]: at which positions somebody did something, about whom, for which ticket.
//! - [`rebuild`]: folds a ledger anew, into the side of the rows that is not live.

pub mod directory;
pub mod fold;
pub mod history;
pub mod orders;
pub mod postings;
pub mod projections;
pub mod rebuild;
pub mod recent;
pub mod row;
pub mod sealing;
pub mod tables;
pub mod transaction;
pub mod trust;
pub mod view;
pub mod whole;

pub use history::History;
pub use projections::Projections;
pub use transaction::{Answered, Overlay, Transaction};
pub use view::{Cut, Reader, View};
pub use whole::Whole;

use crate::identity::change::ChangeError;
use crate::identity::codec::CodecError;
use crate::ledger::LedgerError;
use crate::store::StoreError;

/// What can go wrong between events and rows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProjectionError {
    /// The ledger or the disk.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A body that this version cannot read.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A row that does not decode.
    #[error("a projection row is damaged ({0}); run `domesday rebuild`")]
    Row(#[from] CodecError),
    /// A change that does not fit the state before it: it names something that is not there.
    #[error("change {change} at event {position} does not fit the state before it: {what}")]
    Unfit {
        /// The kind of change.
        change: &'static str,
        /// The event.
        position: u64,
        /// What is missing.
        what: String,
    },
    /// Content that an event names by its hash is not in the store, or is not what the hash says.
    #[error(
        "the content {hash} that an event names is missing or altered; restore it from a backup"
    )]
    Content {
        /// BLAKE3, hexadecimal.
        hash: String,
    },
    /// A view whose rows were removed by two rebuilds since it was made.
    #[error("the rows were rebuilt while they were read; ask again")]
    Outlived,
    /// Asked of memory alone, and not there: to be asked again of the disk, off the async threads.
    #[error("what was asked for is not in memory")]
    NotAtHand,
    /// A key or sealed value that does not open.
    #[error(transparent)]
    Crypto(#[from] crate::base::crypto::CryptoError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] crate::base::random::RandomError),
}

impl From<StoreError> for ProjectionError {
    fn from(error: StoreError) -> Self {
        ProjectionError::Ledger(LedgerError::Store(error))
    }
}

impl ProjectionError {
    /// Whether stored data is damaged, as opposed to a disk that refuses for now.
    pub fn is_damage(&self) -> bool {
        match self {
            ProjectionError::Ledger(error) => error.is_damage(),
            ProjectionError::Random(_) | ProjectionError::Outlived | ProjectionError::NotAtHand => {
                false
            }
            _ => true,
        }
    }

    /// Whether it is the device that is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self.store_error(), Some(StoreError::NoSpace(_)))
    }

    /// The error of the disk underneath, if it is one.
    pub fn store_error(&self) -> Option<&StoreError> {
        match self {
            ProjectionError::Ledger(LedgerError::Store(error)) => Some(error),
            _ => None,
        }
    }
}
