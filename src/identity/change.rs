//! What can happen: the past-tense kinds of change that an event's body is made of.
//!
//! Each change is stored as kind (u16 big-endian), version (u16), length (u32) and its fields encoded
//! by [`super::codec`]. Kinds are our own numbers and are never used again; a released struct of a
//! (kind, version) is frozen: a new field means a new version beside it and an upcast here when it is
//! read. An unknown kind or version refuses the ledger: skipping one would fold to a wrong state.
//!
//! Principals are named by unique id. What belongs to a person - names, e-mail addresses, values of
//! tags - is [`Sealed`] under the key of its subject, so that it can be erased while every hash stands.

use bincode::{Decode, Encode};

use super::codec::{self, CodecError};
use super::concerned::Concerned;
pub use super::field::{
    Commitment, DocumentHash, NEVER_HERE, NameTag, PolicyRef, Sealed, Tag, Trust,
};
use super::id::UniqueId;
use super::kinds::changes;
use crate::base::time::Timestamp;
use crate::ledger::AccountId;

changes! {
    /// An account began, with its root user.
    1 v 1 AccountFounded {
        /// The 12 digits that people see.
        digits: String,
        /// Its display name, sealed for the account.
        name: Sealed,
        /// The root user's e-mail address, sealed for the account.
        email: Sealed,
        /// Finds the account by the root user's e-mail address, under the system account's key.
        email_tag: NameTag,
    }
    /// The root user's password was set.
    2 v 1 RootPasswordSet {
        /// Commits to the password hash.
        commitment: Commitment,
    }
    /// The account took an alias.
    3 v 1 AccountAliasCreated {
        /// The alias, unique in the store.
        alias: String,
    }
    /// The account gave up its alias.
    4 v 1 AccountAliasDeleted {
        /// The alias.
        alias: String,
    }
    /// The managed policies that every account shares were installed or renewed (system account).
    5 v 1 CatalogueInstalled {
        /// BLAKE3 of the catalogue, kept by content.
        manifest: [u8; 32],
        /// Policies in it.
        policies: u32,
        /// Where it came from, in words.
        source: String,
    }
    /// The store took an account in (system account): the index over all accounts.
    6 v 1 AccountRegistered {
        /// The account.
        account: AccountId,
        /// Its digits.
        digits: String,
    }
    /// The root user took another e-mail address.
    7 v 1 RootEmailChanged {
        /// The address, sealed for the account.
        email: Sealed,
        /// Finds the account by it, under the system account's key.
        email_tag: NameTag,
    }
    /// The operator was given a code with which the root user sets a new password; one issued before is void.
    8 v 1 RootRecoveryIssued {
        /// Commits to the hash of the code.
        commitment: Commitment,
        /// From when on it is not accepted.
        expires: Timestamp,
    }
    /// The code was used.
    9 v 1 RootRecoveryUsed {}

    /// A user was created.
    10 v 1 UserCreated {
        /// Its unique id.
        user: UniqueId,
        /// Its path, `/` or `/division/`.
        path: String,
        /// Its name, sealed for the user.
        name: Sealed,
        /// Finds it by name.
        name_tag: NameTag,
    }
    /// A user took another name or path.
    11 v 1 UserRenamed {
        /// The user.
        user: UniqueId,
        /// The new path.
        path: String,
        /// The new name.
        name: Sealed,
        /// Finds it by the new name.
        name_tag: NameTag,
    }
    /// A user was deleted.
    12 v 1 UserDeleted {
        /// The user.
        user: UniqueId,
    }

    /// A user group was created.
    20 v 1 GroupCreated {
        /// Its unique id.
        group: UniqueId,
        /// Its path.
        path: String,
        /// Its name, sealed for the group.
        name: Sealed,
        /// Finds it by name.
        name_tag: NameTag,
    }
    /// A user group took another name or path.
    21 v 1 GroupRenamed {
        /// The group.
        group: UniqueId,
        /// The new path.
        path: String,
        /// The new name.
        name: Sealed,
        /// Finds it by the new name.
        name_tag: NameTag,
    }
    /// A user group was deleted.
    22 v 1 GroupDeleted {
        /// The group.
        group: UniqueId,
    }
    /// A user joined a group.
    23 v 1 MemberAdded {
        /// The group.
        group: UniqueId,
        /// The user.
        user: UniqueId,
    }
    /// A user left a group.
    24 v 1 MemberRemoved {
        /// The group.
        group: UniqueId,
        /// The user.
        user: UniqueId,
    }

    /// A role was created.
    30 v 1 RoleCreated {
        /// Its unique id.
        role: UniqueId,
        /// Its path.
        path: String,
        /// Its name, sealed for the role.
        name: Sealed,
        /// Finds it by name.
        name_tag: NameTag,
        /// Who may assume it.
        trust: Trust,
        /// Its description, if any, sealed for the role.
        description: Option<Sealed>,
        /// The longest session, in seconds.
        max_session: u32,
    }
    /// A role's description or longest session was set.
    31 v 1 RoleUpdated {
        /// The role.
        role: UniqueId,
        /// Its description from now on, sealed for the role.
        description: Option<Sealed>,
        /// The longest session from now on, in seconds.
        max_session: u32,
    }
    /// A role's trust policy was replaced.
    32 v 1 TrustUpdated {
        /// The role.
        role: UniqueId,
        /// Who may assume it from now on.
        trust: Trust,
    }
    /// A role was deleted.
    33 v 1 RoleDeleted {
        /// The role.
        role: UniqueId,
    }

    /// A managed policy was created, with its version 1 as the default.
    40 v 1 PolicyCreated {
        /// Its unique id.
        policy: UniqueId,
        /// Its path.
        path: String,
        /// Its name; names of policies stand in ARNs and are not sealed.
        name: String,
        /// Finds it by name.
        name_tag: NameTag,
        /// Its description, if any.
        description: Option<String>,
        /// The document of version 1.
        document: DocumentHash,
    }
    /// A managed policy got a further version.
    41 v 1 PolicyVersionCreated {
        /// The policy.
        policy: UniqueId,
        /// The number of the version.
        version: u32,
        /// Its document.
        document: DocumentHash,
        /// Whether it became the default.
        default: bool,
    }
    /// A version of a managed policy was deleted.
    42 v 1 PolicyVersionDeleted {
        /// The policy.
        policy: UniqueId,
        /// The number of the version.
        version: u32,
    }
    /// Another version of a managed policy became the default.
    43 v 1 DefaultVersionSet {
        /// The policy.
        policy: UniqueId,
        /// The number of the version.
        version: u32,
    }
    /// A managed policy was deleted, with its last version.
    44 v 1 PolicyDeleted {
        /// The policy.
        policy: UniqueId,
    }

    /// A managed policy was attached to a user, group or role.
    50 v 1 PolicyAttached {
        /// To whom.
        owner: UniqueId,
        /// Which policy.
        policy: PolicyRef,
    }
    /// A managed policy was detached.
    51 v 1 PolicyDetached {
        /// From whom.
        owner: UniqueId,
        /// Which policy.
        policy: PolicyRef,
    }
    /// An inline policy was written.
    52 v 1 InlinePolicyPut {
        /// The user, group or role that it is part of.
        owner: UniqueId,
        /// Its name.
        name: String,
        /// Its document.
        document: DocumentHash,
    }
    /// An inline policy was deleted.
    53 v 1 InlinePolicyDeleted {
        /// The user, group or role that it was part of.
        owner: UniqueId,
        /// Its name.
        name: String,
    }
    /// A user or role got a permissions boundary.
    54 v 1 BoundarySet {
        /// The user or role.
        owner: UniqueId,
        /// The policy that bounds it.
        policy: PolicyRef,
    }
    /// A permissions boundary was removed.
    55 v 1 BoundaryCleared {
        /// The user or role.
        owner: UniqueId,
    }

    /// Tags were set; those of the same key (without regard to case) were replaced.
    60 v 1 Tagged {
        /// The user, role, policy or instance profile.
        owner: UniqueId,
        /// The tags, values sealed for the owner.
        tags: Vec<Tag>,
    }
    /// Tags were removed.
    61 v 1 Untagged {
        /// The user, role, policy or instance profile.
        owner: UniqueId,
        /// Their keys.
        keys: Vec<String>,
    }

    /// An access key was created, active.
    70 v 1 AccessKeyCreated {
        /// Its id, `AKIA...`.
        key: UniqueId,
        /// The user, or the root user.
        owner: UniqueId,
        /// Commits to the secret.
        commitment: Commitment,
    }
    /// An access key was activated or deactivated.
    71 v 1 AccessKeyStatusSet {
        /// The key.
        key: UniqueId,
        /// Whether it works from now on.
        active: bool,
    }
    /// An access key was deleted.
    72 v 1 AccessKeyDeleted {
        /// The key.
        key: UniqueId,
    }

    /// A user got a password for sign-in.
    80 v 1 LoginProfileCreated {
        /// The user.
        user: UniqueId,
        /// Commits to the password hash.
        commitment: Commitment,
        /// Whether the next sign-in must set a new one.
        reset_required: bool,
    }
    /// A user's password, or the duty to reset it, was changed.
    81 v 1 LoginProfileUpdated {
        /// The user.
        user: UniqueId,
        /// Commits to the password hash from now on; `None` if it stayed.
        commitment: Option<Commitment>,
        /// Whether the next sign-in must set a new one; `None` if that stayed.
        reset_required: Option<bool>,
    }
    /// A user's password was removed.
    82 v 1 LoginProfileDeleted {
        /// The user.
        user: UniqueId,
    }

    /// The account's own rules for passwords were set, all of them at once.
    83 v 1 PasswordPolicySet {
        /// Characters that a password has at least.
        minimum_length: u32,
        /// Whether it needs a symbol.
        symbols: bool,
        /// Whether it needs a digit.
        numbers: bool,
        /// Whether it needs an upper-case letter.
        uppercase: bool,
        /// Whether it needs a lower-case letter.
        lowercase: bool,
        /// Whether every user may change its own.
        users_may_change: bool,
        /// Days after which it must be changed; `None` for never.
        max_age_days: Option<u32>,
        /// How many of the last ones cannot be used again; `None` for none.
        reuse_prevention: Option<u32>,
        /// Whether one that is too old can be reset by an administrator alone; `None` if that was not said.
        hard_expiry: Option<bool>,
    }
    /// The account gave up its own rules for passwords.
    84 v 1 PasswordPolicyDeleted {}
    /// The hash of a user's last password was kept when it got another one, to be compared with those to come.
    85 v 1 OldPasswordKept {
        /// The user.
        user: UniqueId,
        /// Commits to the password hash.
        commitment: Commitment,
    }
    /// Hashes of passwords that a user had long ago were removed.
    86 v 1 OldPasswordsForgotten {
        /// The user.
        user: UniqueId,
        /// What committed to them.
        commitments: Vec<Commitment>,
    }

    /// An instance profile was created.
    90 v 1 InstanceProfileCreated {
        /// Its unique id.
        profile: UniqueId,
        /// Its path.
        path: String,
        /// Its name.
        name: String,
        /// Finds it by name.
        name_tag: NameTag,
    }
    /// An instance profile was deleted.
    91 v 1 InstanceProfileDeleted {
        /// The profile.
        profile: UniqueId,
    }
    /// A role was put into an instance profile.
    92 v 1 ProfileRoleAdded {
        /// The profile.
        profile: UniqueId,
        /// The role.
        role: UniqueId,
    }
    /// A role was taken out of an instance profile.
    93 v 1 ProfileRoleRemoved {
        /// The profile.
        profile: UniqueId,
        /// The role.
        role: UniqueId,
    }

    /// The organisation's policies over the account were replaced.
    110 v 1 OrganizationPoliciesSet {
        /// Service control policies, name and document, by level, root first.
        service_control: Vec<Vec<(String, DocumentHash)>>,
        /// Resource control policies likewise.
        resource_control: Vec<Vec<(String, DocumentHash)>>,
    }

    /// A user got a credential for one service, active.
    130 v 1 ServiceCredentialCreated {
        /// Its id, `ACCA...`.
        credential: UniqueId,
        /// The user.
        owner: UniqueId,
        /// The service that it is for.
        service: String,
        /// Its public part, which holds the user's name; sealed for the user.
        alias: Sealed,
        /// Commits to the hash of the secret.
        commitment: Commitment,
        /// From when on it is not accepted.
        expires: Option<Timestamp>,
    }
    /// A service-specific credential was activated or deactivated.
    131 v 1 ServiceCredentialStatusSet {
        /// The credential.
        credential: UniqueId,
        /// Whether it works from now on.
        active: bool,
    }
    /// A service-specific credential got another secret.
    132 v 1 ServiceCredentialReset {
        /// The credential.
        credential: UniqueId,
        /// Commits to the hash of the secret from now on.
        commitment: Commitment,
    }
    /// A service-specific credential was deleted.
    133 v 1 ServiceCredentialDeleted {
        /// The credential.
        credential: UniqueId,
    }

    /// A virtual multi-factor device was created, nobody's yet.
    140 v 1 MfaDeviceCreated {
        /// Its unique id.
        device: UniqueId,
        /// Its path.
        path: String,
        /// Its name, sealed for the device: people call devices after themselves.
        name: Sealed,
        /// Finds it by path and name.
        name_tag: NameTag,
        /// Commits to the seed of its codes.
        commitment: Commitment,
    }
    /// A multi-factor device became a user's, or the root user's.
    141 v 1 MfaDeviceEnabled {
        /// The device.
        device: UniqueId,
        /// The user, or the root user.
        owner: UniqueId,
        /// The step of the later code that showed that the owner has it; none up to it are accepted.
        step: u64,
        /// Steps that its clock is ahead.
        ahead: i32,
    }
    /// A multi-factor device's clock was compared anew.
    142 v 1 MfaDeviceResynced {
        /// The device.
        device: UniqueId,
        /// The step of the later code; none up to it are accepted.
        step: u64,
        /// Steps that its clock is ahead.
        ahead: i32,
    }
    /// A multi-factor device became nobody's.
    143 v 1 MfaDeviceDeactivated {
        /// The device.
        device: UniqueId,
    }
    /// A virtual multi-factor device was deleted.
    144 v 1 MfaDeviceDeleted {
        /// The device.
        device: UniqueId,
    }
    /// The account was closed: nothing of it is accepted and nothing in it changes.
    150 v 1 AccountClosed {}
    /// The account was reopened.
    151 v 1 AccountReopened {}

    /// The ledger got a key that signs its checkpoints from this event on (system account).
    160 v 1 CheckpointKeyMade {
        /// Its number, from 1: a later one takes the place of those before it.
        number: u32,
        /// The ledger's name in its checkpoints, the same for all its keys.
        origin: String,
        /// The public half, an Ed25519 key.
        public_key: [u8; 32],
        /// Commits to the seed of the private half.
        commitment: Commitment,
    }

    /// An account's history began to come in from elsewhere: nothing is answered from it until it is completed.
    170 v 1 ImportBegun {
        /// The import's id.
        import: [u8; 16],
        /// BLAKE3 of the file that the account begins with; `None` where it begins empty.
        baseline: Option<DocumentHash>,
    }
    /// All that the account begins with is in.
    171 v 1 BaselineTaken {
        /// Users, groups, roles and policies in it.
        entities: u32,
    }
    /// Something that came in had been made before.
    172 v 1 EntityDated {
        /// The user, group, role or instance profile.
        id: UniqueId,
        /// When it was made.
        created: Timestamp,
    }
    /// A managed policy came in with the versions that it had.
    173 v 1 PolicyImported {
        /// Its unique id.
        policy: UniqueId,
        /// Its path.
        path: String,
        /// Its name.
        name: String,
        /// Finds it by name.
        name_tag: NameTag,
        /// Its description, if any.
        description: Option<String>,
        /// When it was created.
        created: Timestamp,
        /// When it last changed.
        updated: Timestamp,
        /// Number, document and time of each version.
        versions: Vec<(u32, DocumentHash, Timestamp)>,
        /// The number of the default version.
        default: u32,
    }
    /// A policy that every account shares came in with a text that the catalogue does not have.
    174 v 1 SharedPolicyImported {
        /// Its ARN.
        policy: PolicyRef,
        /// Its unique id where it came from.
        id: String,
        /// The name of its default version, `v12`.
        version: String,
        /// That version's document.
        document: DocumentHash,
        /// When it was created.
        created: Timestamp,
        /// When it last changed.
        updated: Timestamp,
    }
    /// A record of elsewhere was replayed; what it changed stands beside it.
    175 v 1 RecordReplayed {
        /// The record's own id.
        record: String,
        /// The time that it bears.
        at: Timestamp,
        /// Why it cannot follow what was known before it, so that records are missing; sealed for the target.
        missing: Option<Sealed>,
    }
    /// A record came too late to be replayed in its place: it changed nothing.
    176 v 1 LateEvidence {
        /// The record's own id.
        record: String,
        /// The time that it bears.
        at: Timestamp,
    }
    /// The history from elsewhere is complete; what happens from now on happens here.
    177 v 1 ImportCompleted {
        /// BLAKE3 of the file that the outcome was compared with, if it was.
        compared: Option<DocumentHash>,
        /// In how much they differed.
        differences: u32,
        /// In what, as JSON; sealed for the account.
        drift: Option<Sealed>,
    }
    /// The history from elsewhere was given up: nothing will be answered from it.
    178 v 1 ImportDropped {}
    /// A record bears the id of another one that is in the history, and says something else: it changed nothing.
    179 v 1 EvidenceContradicted {
        /// The id that both bear.
        record: String,
        /// The time that this one bears.
        at: Timestamp,
        /// What this one says, as of [`RecordSaid`].
        content: DocumentHash,
    }
    /// The name that a replayed record is about passed on in the record's own second: it may mean either of two.
    180 v 1 OrderAmbiguous {
        /// The record's own id.
        record: String,
    }
    /// What a record says that was replayed or kept: another one with its id is held against it.
    181 v 1 RecordSaid {
        /// The record's own id.
        record: String,
        /// BLAKE3 of that under the account's key, since it says names and addresses.
        content: DocumentHash,
    }
}

/// Why stored changes cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// A kind or version that this release does not know.
    #[error(
        "change kind {kind} version {version} is not known to this version of domesday; a newer one \
         wrote this ledger"
    )]
    Unknown {
        /// The kind.
        kind: u16,
        /// The version.
        version: u16,
    },
    /// Fields that do not decode.
    #[error(transparent)]
    Fields(#[from] CodecError),
    /// The list of changes ends early or late.
    #[error("the list of changes is cut short")]
    Framing,
}

/// Appends a change to a body.
pub fn write(change: &Change, body: &mut Vec<u8>) -> Result<(), ChangeError> {
    let (kind, version, fields) = change.fields()?;
    let length = u32::try_from(fields.len()).map_err(|_| ChangeError::Framing)?;
    body.extend_from_slice(&kind.to_be_bytes());
    body.extend_from_slice(&version.to_be_bytes());
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&fields);
    Ok(())
}

/// Reads all changes of a list.
pub fn read_all(mut rest: &[u8]) -> Result<Vec<Change>, ChangeError> {
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (kind, after) = rest.split_first_chunk::<2>().ok_or(ChangeError::Framing)?;
        let (version, after) = after.split_first_chunk::<2>().ok_or(ChangeError::Framing)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or(ChangeError::Framing)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (fields, after) = after.split_at_checked(length).ok_or(ChangeError::Framing)?;
        let (kind, version) = (u16::from_be_bytes(*kind), u16::from_be_bytes(*version));
        changes.push(Change::from_fields(kind, version, fields)?);
        rest = after;
    }
    Ok(changes)
}
