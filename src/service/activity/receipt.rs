//! Receipts: what was asked, what was decided, and enough to decide it again.

use bincode::{Decode, Encode};

use crate::base::time::Timestamp;
use crate::identity::change::Sealed;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

/// The version of the evaluator that decided; goes up when a decision could come out otherwise.
pub const EVALUATOR: u16 = 1;

/// What a receipt attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Kind {
    /// A request that was allowed.
    Allowed,
    /// A request that was denied because nothing allowed it.
    ImplicitDeny,
    /// A request that a statement denied.
    ExplicitDeny,
    /// Temporary credentials were issued.
    Issued,
    /// Somebody read the audit side of the service.
    AuditRead,
    /// The service stopped uncleanly before; receipts of the last moments may be missing.
    Gap,
    /// Temporary credentials that policies allowed and that were refused all the same: to the root user,
    /// or for want of a second factor.
    Refused,
    /// Somebody signed in to the console.
    SignedIn,
    /// Somebody tried to, in vain.
    SignInFailed,
    /// A session of the console was ended, or all of a principal.
    SignedOut,
}

/// A receipt as it is stored. Values that tell of a person are sealed: those of the request for the
/// caller, the resource's name for the resource.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Receipt {
    /// What it attests.
    pub kind: Kind,
    /// When the request was received.
    pub at: Timestamp,
    /// The account whose resource was asked for; its chain of receipts.
    pub account: AccountId,
    /// The id that the answer bore.
    pub request: String,
    /// The caller's account and unique id.
    pub principal: (AccountId, UniqueId),
    /// The access key, long-term or of a session, that signed.
    pub credential: Option<UniqueId>,
    /// `iam:CreateUser`.
    pub action: String,
    /// The unique id of the resource, or `root` for what has none.
    pub resource: UniqueId,
    /// The resource's ARN, sealed for it.
    pub resource_arn: Sealed,
    /// The condition keys that tell nothing of a person, and their values.
    pub context: Vec<(String, Vec<String>)>,
    /// The others, as JSON, sealed for the caller.
    pub personal: Sealed,
    /// The events that the decision saw.
    pub position: u64,
    /// [`EVALUATOR`] at the time.
    pub evaluator: u16,
    /// The statements that decided: policy, version, index of the statement.
    pub deciding: Vec<(String, String, u32)>,
    /// The type of policy that blocked, in AWS's words; where no policy did, the refusal itself.
    pub blocked_by: Option<String>,
}

/// When and where something was last used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LastUsed {
    /// The instant.
    pub at: Timestamp,
    /// `iam`, `sts`, ...
    pub service: String,
    /// The region in the credential scope.
    pub region: String,
}
