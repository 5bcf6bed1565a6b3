//! The tables and what their rows hold.
//!
//! Rows are derived: when one of these types or numbers changes, [`FORMAT`] goes up and the rows are
//! folded anew at the next open. Rows repeat in their values what their keys say, so that no key needs
//! to be read back.

use bincode::{Decode, Encode};

use super::row::Table;
use crate::base::time::Timestamp;
use crate::identity::change::{Commitment, DocumentHash, NameTag, PolicyRef, Sealed, Tag, Trust};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

/// The format of all rows together.
pub const FORMAT: u32 = 6;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountRow {
    /// The 12 digits.
    pub digits: String,
    /// Display name, sealed for the account.
    pub name: Sealed,
    /// The root user's e-mail address, sealed for the account.
    pub email: Sealed,
    /// When it was founded.
    pub created: Timestamp,
    /// Its alias.
    pub alias: Option<String>,
    /// Commits to the root user's password hash.
    pub root_password: Option<Commitment>,
    /// When that was last set.
    pub root_password_set: Option<Timestamp>,
    /// Where the index over all accounts has the e-mail address.
    pub email_tag: NameTag,
    /// When it was closed, if it is.
    pub closed: Option<Timestamp>,
}

/// A code with which the root user sets a new password.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RootRecoveryRow {
    /// Commits to the hash of the code.
    pub commitment: Commitment,
    /// When it was issued.
    pub issued: Timestamp,
    /// From when on it is not accepted.
    pub expires: Timestamp,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UserRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name, sealed for it.
    pub name: Sealed,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// When it was created.
    pub created: Timestamp,
    /// The policy that bounds it.
    pub boundary: Option<PolicyRef>,
}

/// A user group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name, sealed for it.
    pub name: Sealed,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// When it was created.
    pub created: Timestamp,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RoleRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name, sealed for it.
    pub name: Sealed,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// When it was created.
    pub created: Timestamp,
    /// Who may assume it.
    pub trust: Trust,
    /// Its description, sealed for it.
    pub description: Option<Sealed>,
    /// The longest session, in seconds.
    pub max_session: u32,
    /// The policy that bounds it.
    pub boundary: Option<PolicyRef>,
}

/// A customer's managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PolicyRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// Its description.
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When a version was last created, deleted or made the default.
    pub updated: Timestamp,
    /// The number of the default version.
    pub default_version: u32,
    /// The highest number that a version ever had.
    pub latest_version: u32,
}

/// A version of a customer's managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PolicyVersionRow {
    /// Its number.
    pub version: u32,
    /// Its document.
    pub document: DocumentHash,
    /// When it was created.
    pub created: Timestamp,
}

/// An inline policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InlinePolicyRow {
    /// Its name.
    pub name: String,
    /// Its document.
    pub document: DocumentHash,
}

/// That a managed policy is attached to, or bounds, a user, group or role; stored from both sides.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AttachmentRow {
    /// The user, group or role.
    pub owner: UniqueId,
    /// The policy.
    pub policy: PolicyRef,
}

/// That a user is in a group; stored from both sides.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberRow {
    /// The group.
    pub group: UniqueId,
    /// The user.
    pub user: UniqueId,
}

/// An access key; stored by its id and by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccessKeyRow {
    /// Its id.
    pub id: UniqueId,
    /// The user, or `root`.
    pub owner: UniqueId,
    /// Whether it works.
    pub active: bool,
    /// When it was created.
    pub created: Timestamp,
    /// Commits to the secret.
    pub commitment: Commitment,
}

/// A user's credential for one service; stored by its id and by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ServiceCredentialRow {
    /// Its id.
    pub id: UniqueId,
    /// The user.
    pub owner: UniqueId,
    /// The service that it is for.
    pub service: String,
    /// Its public part, sealed for the user.
    pub alias: Sealed,
    /// Whether it works, if it has not expired.
    pub active: bool,
    /// When it was created.
    pub created: Timestamp,
    /// From when on it is not accepted.
    pub expires: Option<Timestamp>,
    /// Commits to the hash of the secret.
    pub commitment: Commitment,
}

impl ServiceCredentialRow {
    /// Whether its time is over at an instant.
    pub fn is_expired(&self, at: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= at)
    }

    /// Whether it is accepted at an instant.
    pub fn is_good(&self, at: Timestamp) -> bool {
        self.active && !self.is_expired(at)
    }
}

/// A user's password for sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LoginProfileRow {
    /// When the profile was created.
    pub created: Timestamp,
    /// When the password was last set.
    pub password_set: Timestamp,
    /// Commits to the password hash.
    pub commitment: Commitment,
    /// Whether the next sign-in must set a new one.
    pub reset_required: bool,
}

/// The account's own rules for passwords.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PasswordPolicyRow {
    /// Characters that a password has at least.
    pub minimum_length: u32,
    /// Whether it needs a symbol.
    pub symbols: bool,
    /// Whether it needs a digit.
    pub numbers: bool,
    /// Whether it needs an upper-case letter.
    pub uppercase: bool,
    /// Whether it needs a lower-case letter.
    pub lowercase: bool,
    /// Whether every user may change its own.
    pub users_may_change: bool,
    /// Days after which it must be changed.
    pub max_age_days: Option<u32>,
    /// How many of the last ones cannot be used again.
    pub reuse_prevention: Option<u32>,
    /// Whether one that is too old can be reset by an administrator alone.
    pub hard_expiry: Option<bool>,
}

/// A virtual multi-factor device; stored by its id and, if it is somebody's, by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MfaDeviceRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name, sealed for it.
    pub name: Sealed,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// When it was created.
    pub created: Timestamp,
    /// Commits to the seed of its codes.
    pub commitment: Commitment,
    /// The last step whose code was seen when its clock was compared, whoever had it then; the activity book
    /// knows of later ones.
    pub step: u64,
    /// Whose it is.
    pub enabled: Option<MfaDeviceOwner>,
}

/// Whose a multi-factor device is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MfaDeviceOwner {
    /// The user, or `root`.
    pub owner: UniqueId,
    /// Since when.
    pub since: Timestamp,
    /// Steps that its clock is ahead.
    pub ahead: i32,
}

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InstanceProfileRow {
    /// Its unique id.
    pub id: UniqueId,
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where the name index has it.
    pub name_tag: NameTag,
    /// When it was created.
    pub created: Timestamp,
    /// The role in it.
    pub role: Option<UniqueId>,
}

/// What is counted, since an account may have only so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Users.
    Users,
    /// User groups.
    Groups,
    /// Roles.
    Roles,
    /// Customers' managed policies.
    Policies,
    /// Instance profiles.
    InstanceProfiles,
    /// Multi-factor devices.
    MfaDevices,
    /// Multi-factor devices that are somebody's.
    MfaDevicesInUse,
}

/// The managed policies that every account shares, as of an event of the system account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CatalogueRow {
    /// The catalogue's content.
    pub manifest: [u8; 32],
    /// Policies in it.
    pub policies: u32,
    /// Where it came from.
    pub source: String,
}

/// The organisation's policies over an account: name and document, by level, root first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct OrganizationRow {
    /// Service control policies.
    pub service_control: Vec<Vec<(String, DocumentHash)>>,
    /// Resource control policies.
    pub resource_control: Vec<Vec<(String, DocumentHash)>>,
}

/// A key that signs checkpoints (system account).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckpointKeyRow {
    /// Its number, from 1.
    pub number: u32,
    /// The ledger's name in its checkpoints.
    pub origin: String,
    /// The public half.
    pub public_key: [u8; 32],
    /// Commits to the seed of the private half.
    pub commitment: Commitment,
    /// The event that made it: from so many events on, checkpoints are signed by it.
    pub event: u64,
    /// When it was made.
    pub made: Timestamp,
}

/// That an account's history came from elsewhere, and how far that is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportRow {
    /// The import's id.
    pub import: [u8; 16],
    /// BLAKE3 of the file that it began with.
    pub baseline: Option<DocumentHash>,
    /// The time that the history begins at.
    pub since: Timestamp,
    /// How far it is.
    pub stage: ImportStage,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ImportStage {
    /// What the account begins with is coming in.
    Begun,
    /// What it begins with is in; records may follow.
    Based,
    /// It is complete.
    Completed,
    /// It was given up.
    Dropped,
}

/// The default version of a policy that every account shares, as it came in with an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SharedPolicyRow {
    /// Its ARN.
    pub policy: PolicyRef,
    /// Its unique id where it came from.
    pub id: String,
    /// The name of the version.
    pub version: String,
    /// The version's document.
    pub document: DocumentHash,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// The account itself.
pub const ACCOUNT: Table<(), AccountRow> = Table::new(1, "account");
/// Name tag to unique id, for everything that has a name.
pub const NAMES: Table<NameTag, UniqueId> = Table::new(2, "names");
/// Users by unique id.
pub const USERS: Table<UniqueId, UserRow> = Table::new(3, "users");
/// User groups by unique id.
pub const GROUPS: Table<UniqueId, GroupRow> = Table::new(4, "groups");
/// Roles by unique id.
pub const ROLES: Table<UniqueId, RoleRow> = Table::new(5, "roles");
/// Customers' managed policies by unique id.
pub const POLICIES: Table<UniqueId, PolicyRow> = Table::new(6, "policies");
/// Their versions, by policy and number.
pub const POLICY_VERSIONS: Table<(UniqueId, u32), PolicyVersionRow> =
    Table::new(7, "policy versions");
/// Inline policies, by owner and name.
pub const INLINE_POLICIES: Table<(UniqueId, String), InlinePolicyRow> =
    Table::new(8, "inline policies");
/// Managed policies attached, by owner.
pub const ATTACHED: Table<(UniqueId, PolicyRef), AttachmentRow> =
    Table::new(9, "attached policies");
/// The same, by policy.
pub const ATTACHED_TO: Table<(PolicyRef, UniqueId), AttachmentRow> =
    Table::new(10, "policy attachments");
/// Users and roles that a policy bounds, by policy.
pub const BOUNDS: Table<(PolicyRef, UniqueId), AttachmentRow> = Table::new(11, "boundaries");
/// Members of groups, by group.
pub const MEMBERS: Table<(UniqueId, UniqueId), MemberRow> = Table::new(12, "members");
/// Groups of users, by user.
pub const GROUPS_OF: Table<(UniqueId, UniqueId), MemberRow> = Table::new(13, "groups of users");
/// Tags by owner.
pub const TAGS: Table<UniqueId, Vec<Tag>> = Table::new(14, "tags");
/// Access keys by id.
pub const ACCESS_KEYS: Table<UniqueId, AccessKeyRow> = Table::new(15, "access keys");
/// Access keys by owner and id.
pub const KEYS_OF: Table<(UniqueId, UniqueId), UniqueId> = Table::new(16, "keys of owners");
/// Login profiles by user.
pub const LOGIN_PROFILES: Table<UniqueId, LoginProfileRow> = Table::new(17, "login profiles");
/// Instance profiles by unique id.
pub const INSTANCE_PROFILES: Table<UniqueId, InstanceProfileRow> =
    Table::new(18, "instance profiles");
/// Instance profiles by the role in them.
pub const PROFILES_OF: Table<(UniqueId, UniqueId), UniqueId> = Table::new(19, "profiles of roles");
/// How many there are of what is counted: a quota must not cost more the fuller an account is.
pub const COUNTS: Table<Counted, u64> = Table::new(20, "counts");
/// The organisation's policies over the account.
pub const ORGANIZATION: Table<(), OrganizationRow> = Table::new(24, "organisation policies");
/// Service-specific credentials by id.
pub const SERVICE_CREDENTIALS: Table<UniqueId, ServiceCredentialRow> =
    Table::new(50, "service-specific credentials");
/// Service-specific credentials by owner and id.
pub const SERVICE_CREDENTIALS_OF: Table<(UniqueId, UniqueId), UniqueId> =
    Table::new(51, "service-specific credentials of users");
/// The account's own rules for passwords.
pub const PASSWORD_POLICY: Table<(), PasswordPolicyRow> = Table::new(53, "password policy");
/// What commits to the hashes of the passwords that a user had before, the latest first.
pub const OLD_PASSWORDS: Table<UniqueId, Vec<Commitment>> = Table::new(54, "old passwords");
/// Virtual multi-factor devices by unique id.
pub const MFA_DEVICES: Table<UniqueId, MfaDeviceRow> = Table::new(55, "multi-factor devices");
/// Multi-factor devices by owner and unique id.
pub const MFA_DEVICES_OF: Table<(UniqueId, UniqueId), UniqueId> =
    Table::new(56, "multi-factor devices of owners");
/// The code that was issued to recover the root user, while it was not used.
pub const ROOT_RECOVERY: Table<(), RootRecoveryRow> = Table::new(57, "root recovery");
/// Where the account's history came from, if from elsewhere.
pub const IMPORT: Table<(), ImportRow> = Table::new(70, "import");
/// The records that were replayed or kept, by their own ids, and the times that they bear.
pub const IMPORTED_RECORDS: Table<String, Timestamp> = Table::new(71, "imported records");
/// What each of them says ([`RecordSaid`](crate::identity::change::RecordSaid)).
pub const RECORD_CONTENTS: Table<String, DocumentHash> = Table::new(73, "contents of records");
/// What the imported records have one under that contradicts another: its id, and what it says.
pub fn contradiction(record: &str, content: &DocumentHash) -> String {
    format!("{record} {}", crate::base::text::hex(content))
}
/// Shared managed policies as they came in with the account, by their ARNs.
pub const SHARED_POLICIES: Table<PolicyRef, SharedPolicyRow> =
    Table::new(72, "imported shared policies");

/// Accounts by digits (index over all accounts).
pub const ACCOUNTS: Table<String, AccountId> = Table::new(30, "accounts");
/// Accounts by alias (index over all accounts).
pub const ALIASES: Table<String, AccountId> = Table::new(31, "aliases");
/// Accounts by the root user's e-mail address (index over all accounts).
pub const EMAILS: Table<NameTag, AccountId> = Table::new(32, "root e-mail addresses");
/// Accounts by access key id (index over all accounts).
pub const KEY_ACCOUNTS: Table<UniqueId, AccountId> = Table::new(33, "accounts of access keys");
/// Accounts by the id of a service-specific credential (index over all accounts).
pub const SERVICE_CREDENTIAL_ACCOUNTS: Table<UniqueId, AccountId> =
    Table::new(52, "accounts of service-specific credentials");
/// Keys that sign checkpoints, by their numbers (system account).
pub const CHECKPOINT_KEYS: Table<u32, CheckpointKeyRow> = Table::new(60, "checkpoint keys");
/// The shared managed policies (system account).
pub const CATALOGUE: Table<(), CatalogueRow> = Table::new(34, "managed policy catalogue");
