//! What changes are made of besides ids, times and numbers: sealed texts, hashes, references, trust.

use bincode::{Decode, Encode};

use super::id::UniqueId;

/// Text sealed under the key of the subject that it belongs to; see [`crate::base::crypto`].
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sealed(pub Vec<u8>);

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sealed({} bytes)", self.0.len())
    }
}

/// A keyed hash under the account's key: finds a name without telling it.
pub type NameTag = [u8; 32];

/// BLAKE3 of a policy document, which is kept once by its content.
pub type DocumentHash = [u8; 32];

/// A keyed hash of a secret under the account's key: proves which secret it was, tells nothing of it.
pub type Commitment = [u8; 32];

/// Instead of a commitment: the secret was made elsewhere and never was here. Nothing opens it.
pub const NEVER_HERE: Commitment = [0; 32];

/// A managed policy: the unique id of a customer's, or the ARN of one that every account shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PolicyRef(pub String);

impl PolicyRef {
    /// Whether it is one of the policies that every account shares.
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("arn:")
    }
}

/// A trust policy: its document, and the unique ids behind the user and role ARNs that it names, so
/// that a recreated name does not inherit the trust.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trust {
    /// The document as the client sent it.
    pub document: DocumentHash,
    /// ARN as written, and the unique id it meant when the policy was saved.
    pub principals: Vec<(String, UniqueId)>,
}

/// A tag: the key in clear, since policies test it; the value sealed.
pub type Tag = (String, Sealed);
