//! The ledger: an append-only book of hashed, framed bodies. It knows nothing of identities.
//!
//! - [`frame`] is the stored form of one event and the only description of it.
//! - [`tree`] is the Merkle tree (RFC 6962) over all frames of a store, kept as full tiles.
//! - [`log`] is the ordered log underneath: local today, a replicated engine tomorrow.
//! - [`book`] ties them together: one writer that appends, any number of readers, HEAD.
//! - [`proof`] says what proves that an event is in the tree, or that one tree is the beginning of another,
//!   and checks it; [`hashes`] reads roots, proofs and tiles of the stored tree at any size.
//! - [`note`] is the form of signed notes, [`checkpoint`] that of a signed head and of files with proofs;
//!   [`tile_path`] names tiles as C2SP tlog-tiles does.
//! - [`verify`] reads every byte and says what is wrong and where.
//!
//! Each account has its own hash chain, so that its history verifies without another tenant's data;
//! one tree covers all accounts in commit order.

pub mod book;
pub mod checkpoint;
pub mod frame;
pub mod hashes;
pub mod log;
pub mod note;
pub mod proof;
pub mod tile_path;
pub mod tree;
pub mod verify;

pub use book::{Entry, Ledger, LedgerWriter};
pub use frame::{Actor, Frame};

use std::fmt;

use bincode::{Decode, Encode};

use crate::base::text::hex;
use crate::store::StoreError;

/// An account of the ledger: 128 random bits. The 12 digits that people see are an attribute of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountId(pub [u8; 16]);

impl AccountId {
    /// The account of the store itself: founding, managed-policy catalogues, operator acts.
    pub const SYSTEM: AccountId = AccountId([0; 16]);
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can be wrong with a ledger.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Fewer events are stored than were acknowledged.
    #[error(
        "the ledger is short: HEAD says that {acknowledged} events were acknowledged, {found} are \
         here; restore the missing files from a backup, do not start without them"
    )]
    Short {
        /// Position in HEAD.
        acknowledged: u64,
        /// Events found.
        found: u64,
    },
    /// An event, a hash or an index is not what it must be.
    #[error("the ledger is damaged at event {position}: {what}")]
    Damaged {
        /// The first position at which it shows.
        position: u64,
        /// What does not hold.
        what: String,
    },
    /// Another writer got there first.
    #[error("the log is at {found}, not at {expected}: another writer appended")]
    Conflict {
        /// Where the writer believed the log to be.
        expected: u64,
        /// Where it is.
        found: u64,
    },
    /// A proof of what the ledger does not hold, or not yet.
    #[error("there is no such proof: {0}")]
    NoProof(#[from] proof::ProofError),
    /// A body that does not fit into a frame.
    #[error("an event of {bytes} bytes is larger than a frame may be (65,535)")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
    },
}

impl LedgerError {
    /// Whether the ledger is damaged or short, as opposed to a disk that refuses for now.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            LedgerError::Short { .. }
                | LedgerError::Damaged { .. }
                | LedgerError::Store(StoreError::Damaged(_))
        )
    }
}

pub(crate) fn damaged(position: u64, what: impl Into<String>) -> LedgerError {
    LedgerError::Damaged { position, what: what.into() }
}
