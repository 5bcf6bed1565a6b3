//! The one function that turns changes into rows: while a request is decided, while rows are rebuilt,
//! and in tests.
//!
//! It sees the rows as they were and writes what they are from this event on. It needs no keys: rows
//! carry the sealed bytes of the event.

mod imports;

use bincode::{Decode, Encode};

use super::ProjectionError;
use super::row::{Key, Table};
use super::tables::*;
use crate::base::time::Timestamp;
use crate::identity::change::{Change, NameTag, PolicyRef};
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;

/// The event that a change belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Whose history it is part of.
    pub account: AccountId,
    /// Where it stands in the store.
    pub position: u64,
    /// When it took effect.
    pub at: Timestamp,
}

/// Rows that can be read and superseded.
pub trait RowsMut {
    /// The bytes of a row as it stands.
    fn row(&self, account: AccountId, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError>;
    /// Supersedes a row by another one, or by none.
    fn put(&mut self, account: AccountId, key: Vec<u8>, row: Option<Vec<u8>>);
}

struct Folding<'a> {
    meta: &'a Meta,
    change: &'static str,
    rows: &'a mut dyn RowsMut,
}

impl Folding<'_> {
    fn put<K: Key, V: Encode + Decode<()>>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        row: &V,
    ) -> Result<(), ProjectionError> {
        self.put_in(self.meta.account, table, key, row)
    }

    /// Into an index over all accounts.
    fn put_global<K: Key, V: Encode + Decode<()>>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        row: &V,
    ) -> Result<(), ProjectionError> {
        self.put_in(AccountId::SYSTEM, table, key, row)
    }

    fn put_in<K: Key, V: Encode + Decode<()>>(
        &mut self,
        account: AccountId,
        table: &Table<K, V>,
        key: &K,
        row: &V,
    ) -> Result<(), ProjectionError> {
        self.rows.put(account, table.key(key), Some(codec::encode(row)?));
        Ok(())
    }

    fn remove<K: Key, V: Encode + Decode<()>>(&mut self, table: &Table<K, V>, key: &K) {
        self.rows.put(self.meta.account, table.key(key), None);
    }

    fn remove_global<K: Key, V: Encode + Decode<()>>(&mut self, table: &Table<K, V>, key: &K) {
        self.rows.put(AccountId::SYSTEM, table.key(key), None);
    }

    fn find<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, ProjectionError> {
        let bytes = self.rows.row(self.meta.account, &table.key(key))?;
        Ok(bytes.map(|bytes| codec::decode(&bytes)).transpose()?)
    }

    /// A row that the change speaks of; that it is not there means that the ledger was not written by
    /// this vocabulary.
    fn need<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<V, ProjectionError> {
        self.find(table, key)?.ok_or_else(|| self.unfit(format!("no such row in {}", table.name)))
    }

    fn unfit(&self, what: String) -> ProjectionError {
        ProjectionError::Unfit { change: self.change, position: self.meta.position, what }
    }

    fn update<K: Key, V: Encode + Decode<()>>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        alter: impl FnOnce(&mut V),
    ) -> Result<(), ProjectionError> {
        let mut row = self.need(table, key)?;
        alter(&mut row);
        self.put(table, key, &row)
    }

    /// One more of what is counted.
    fn more(&mut self, counted: Counted) -> Result<(), ProjectionError> {
        let count = self.count(counted)?;
        self.put(&COUNTS, &counted, &(count + 1))
    }

    /// One fewer of what is counted.
    fn fewer(&mut self, counted: Counted) -> Result<(), ProjectionError> {
        let count = self.count(counted)?;
        self.put(&COUNTS, &counted, &count.saturating_sub(1))
    }

    fn count(&self, counted: Counted) -> Result<u64, ProjectionError> {
        Ok(self.find(&COUNTS, &counted)?.unwrap_or(0))
    }

    /// Moves an entity in the name index. Names differ in case only for the same tag, which then stays.
    fn rename(
        &mut self,
        id: &UniqueId,
        old: &NameTag,
        new: &NameTag,
    ) -> Result<(), ProjectionError> {
        if old != new {
            self.remove(&NAMES, old);
        }
        self.put(&NAMES, new, id)
    }

    fn set_boundary(
        &mut self,
        owner: &UniqueId,
        policy: Option<&PolicyRef>,
    ) -> Result<(), ProjectionError> {
        let old = if owner.kind() == Some(IdKind::Role) {
            let mut row = self.need(&ROLES, owner)?;
            let old = std::mem::replace(&mut row.boundary, policy.cloned());
            self.put(&ROLES, owner, &row)?;
            old
        } else {
            let mut row = self.need(&USERS, owner)?;
            let old = std::mem::replace(&mut row.boundary, policy.cloned());
            self.put(&USERS, owner, &row)?;
            old
        };
        if let Some(old) = old {
            self.remove(&BOUNDS, &(old, owner.clone()));
        }
        if let Some(policy) = policy {
            let row = AttachmentRow { owner: owner.clone(), policy: policy.clone() };
            self.put(&BOUNDS, &(policy.clone(), owner.clone()), &row)?;
        }
        Ok(())
    }
}

/// Folds one change into the rows.
pub fn fold(change: &Change, meta: &Meta, rows: &mut dyn RowsMut) -> Result<(), ProjectionError> {
    let mut to = Folding { meta, change: change.name(), rows };
    match change {
        Change::AccountFounded(c) => {
            let row = AccountRow {
                digits: c.digits.clone(),
                name: c.name.clone(),
                email: c.email.clone(),
                created: meta.at,
                alias: None,
                root_password: None,
                root_password_set: None,
                email_tag: c.email_tag,
                closed: None,
            };
            to.put(&ACCOUNT, &(), &row)?;
            to.put_global(&EMAILS, &c.email_tag, &meta.account)
        }
        Change::AccountRegistered(c) => to.put_global(&ACCOUNTS, &c.digits, &c.account),
        Change::RootPasswordSet(c) => to.update(&ACCOUNT, &(), |row| {
            row.root_password = Some(c.commitment);
            row.root_password_set = Some(meta.at);
        }),
        Change::RootEmailChanged(c) => {
            let row = to.need(&ACCOUNT, &())?;
            to.remove_global(&EMAILS, &row.email_tag);
            let (email, email_tag) = (c.email.clone(), c.email_tag);
            to.put(&ACCOUNT, &(), &AccountRow { email, email_tag, ..row })?;
            to.put_global(&EMAILS, &c.email_tag, &meta.account)
        }
        Change::RootRecoveryIssued(c) => {
            let row =
                RootRecoveryRow { commitment: c.commitment, issued: meta.at, expires: c.expires };
            to.put(&ROOT_RECOVERY, &(), &row)
        }
        Change::RootRecoveryUsed(_) => {
            to.remove(&ROOT_RECOVERY, &());
            Ok(())
        }
        Change::AccountClosed(_) => to.update(&ACCOUNT, &(), |row| row.closed = Some(meta.at)),
        Change::AccountReopened(_) => to.update(&ACCOUNT, &(), |row| row.closed = None),
        Change::AccountAliasCreated(c) => {
            let row = to.need(&ACCOUNT, &())?;
            if let Some(old) = &row.alias {
                to.remove_global(&ALIASES, old);
            }
            to.put(&ACCOUNT, &(), &AccountRow { alias: Some(c.alias.clone()), ..row })?;
            to.put_global(&ALIASES, &c.alias, &meta.account)
        }
        Change::AccountAliasDeleted(c) => {
            to.update(&ACCOUNT, &(), |row| row.alias = None)?;
            to.remove_global(&ALIASES, &c.alias);
            Ok(())
        }
        Change::CatalogueInstalled(c) => {
            let row = CatalogueRow {
                manifest: c.manifest,
                policies: c.policies,
                source: c.source.clone(),
            };
            to.put_global(&CATALOGUE, &(), &row)
        }
        Change::CheckpointKeyMade(c) => {
            let row = CheckpointKeyRow {
                number: c.number,
                origin: c.origin.clone(),
                public_key: c.public_key,
                commitment: c.commitment,
                event: meta.position,
                made: meta.at,
            };
            to.put_global(&CHECKPOINT_KEYS, &c.number, &row)
        }

        Change::UserCreated(c) => {
            to.more(Counted::Users)?;
            let row = UserRow {
                id: c.user.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                created: meta.at,
                boundary: None,
            };
            to.put(&USERS, &c.user, &row)?;
            to.put(&NAMES, &c.name_tag, &c.user)
        }
        Change::UserRenamed(c) => {
            let old = to.need(&USERS, &c.user)?;
            to.rename(&c.user, &old.name_tag, &c.name_tag)?;
            let row =
                UserRow { path: c.path.clone(), name: c.name.clone(), name_tag: c.name_tag, ..old };
            to.put(&USERS, &c.user, &row)
        }
        Change::UserDeleted(c) => {
            to.fewer(Counted::Users)?;
            let row = to.need(&USERS, &c.user)?;
            if let Some(boundary) = row.boundary {
                to.remove(&BOUNDS, &(boundary, c.user.clone()));
            }
            to.remove(&NAMES, &row.name_tag);
            to.remove(&USERS, &c.user);
            to.remove(&TAGS, &c.user);
            Ok(())
        }

        Change::GroupCreated(c) => {
            to.more(Counted::Groups)?;
            let row = GroupRow {
                id: c.group.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                created: meta.at,
            };
            to.put(&GROUPS, &c.group, &row)?;
            to.put(&NAMES, &c.name_tag, &c.group)
        }
        Change::GroupRenamed(c) => {
            let old = to.need(&GROUPS, &c.group)?;
            to.rename(&c.group, &old.name_tag, &c.name_tag)?;
            let row = GroupRow {
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                ..old
            };
            to.put(&GROUPS, &c.group, &row)
        }
        Change::GroupDeleted(c) => {
            to.fewer(Counted::Groups)?;
            let row = to.need(&GROUPS, &c.group)?;
            to.remove(&NAMES, &row.name_tag);
            to.remove(&GROUPS, &c.group);
            Ok(())
        }
        Change::MemberAdded(c) => {
            let row = MemberRow { group: c.group.clone(), user: c.user.clone() };
            to.put(&MEMBERS, &(c.group.clone(), c.user.clone()), &row)?;
            to.put(&GROUPS_OF, &(c.user.clone(), c.group.clone()), &row)
        }
        Change::MemberRemoved(c) => {
            to.remove(&MEMBERS, &(c.group.clone(), c.user.clone()));
            to.remove(&GROUPS_OF, &(c.user.clone(), c.group.clone()));
            Ok(())
        }

        Change::RoleCreated(c) => {
            to.more(Counted::Roles)?;
            let row = RoleRow {
                id: c.role.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                created: meta.at,
                trust: c.trust.clone(),
                description: c.description.clone(),
                max_session: c.max_session,
                boundary: None,
            };
            to.put(&ROLES, &c.role, &row)?;
            to.put(&NAMES, &c.name_tag, &c.role)
        }
        Change::RoleUpdated(c) => to.update(&ROLES, &c.role, |row| {
            row.description = c.description.clone();
            row.max_session = c.max_session;
        }),
        Change::TrustUpdated(c) => to.update(&ROLES, &c.role, |row| row.trust = c.trust.clone()),
        Change::RoleDeleted(c) => {
            to.fewer(Counted::Roles)?;
            let row = to.need(&ROLES, &c.role)?;
            if let Some(boundary) = row.boundary {
                to.remove(&BOUNDS, &(boundary, c.role.clone()));
            }
            to.remove(&NAMES, &row.name_tag);
            to.remove(&ROLES, &c.role);
            to.remove(&TAGS, &c.role);
            Ok(())
        }

        Change::PolicyCreated(c) => {
            to.more(Counted::Policies)?;
            let row = PolicyRow {
                id: c.policy.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                description: c.description.clone(),
                created: meta.at,
                updated: meta.at,
                default_version: 1,
                latest_version: 1,
            };
            to.put(&POLICIES, &c.policy, &row)?;
            to.put(&NAMES, &c.name_tag, &c.policy)?;
            let version = PolicyVersionRow { version: 1, document: c.document, created: meta.at };
            to.put(&POLICY_VERSIONS, &(c.policy.clone(), 1), &version)
        }
        Change::PolicyVersionCreated(c) => {
            to.update(&POLICIES, &c.policy, |row| {
                row.updated = meta.at;
                row.latest_version = row.latest_version.max(c.version);
                if c.default {
                    row.default_version = c.version;
                }
            })?;
            let version =
                PolicyVersionRow { version: c.version, document: c.document, created: meta.at };
            to.put(&POLICY_VERSIONS, &(c.policy.clone(), c.version), &version)
        }
        Change::PolicyVersionDeleted(c) => {
            to.update(&POLICIES, &c.policy, |row| row.updated = meta.at)?;
            to.remove(&POLICY_VERSIONS, &(c.policy.clone(), c.version));
            Ok(())
        }
        Change::DefaultVersionSet(c) => to.update(&POLICIES, &c.policy, |row| {
            row.updated = meta.at;
            row.default_version = c.version;
        }),
        Change::PolicyDeleted(c) => {
            to.fewer(Counted::Policies)?;
            let row = to.need(&POLICIES, &c.policy)?;
            to.remove(&NAMES, &row.name_tag);
            to.remove(&POLICIES, &c.policy);
            to.remove(&POLICY_VERSIONS, &(c.policy.clone(), row.default_version));
            to.remove(&TAGS, &c.policy);
            Ok(())
        }

        Change::PolicyAttached(c) => {
            let row = AttachmentRow { owner: c.owner.clone(), policy: c.policy.clone() };
            to.put(&ATTACHED, &(c.owner.clone(), c.policy.clone()), &row)?;
            to.put(&ATTACHED_TO, &(c.policy.clone(), c.owner.clone()), &row)
        }
        Change::PolicyDetached(c) => {
            to.remove(&ATTACHED, &(c.owner.clone(), c.policy.clone()));
            to.remove(&ATTACHED_TO, &(c.policy.clone(), c.owner.clone()));
            Ok(())
        }
        Change::InlinePolicyPut(c) => {
            let row = InlinePolicyRow { name: c.name.clone(), document: c.document };
            to.put(&INLINE_POLICIES, &(c.owner.clone(), c.name.clone()), &row)
        }
        Change::InlinePolicyDeleted(c) => {
            to.remove(&INLINE_POLICIES, &(c.owner.clone(), c.name.clone()));
            Ok(())
        }
        Change::OrganizationPoliciesSet(c) => {
            let row = OrganizationRow {
                service_control: c.service_control.clone(),
                resource_control: c.resource_control.clone(),
            };
            to.put(&ORGANIZATION, &(), &row)
        }
        Change::BoundarySet(c) => to.set_boundary(&c.owner, Some(&c.policy)),
        Change::BoundaryCleared(c) => to.set_boundary(&c.owner, None),

        Change::Tagged(c) => {
            let mut tags = to.find(&TAGS, &c.owner)?.unwrap_or_default();
            for (key, value) in &c.tags {
                tags.retain(|(other, _): &(String, _)| !same_key(c.owner.kind(), other, key));
                tags.push((key.clone(), value.clone()));
            }
            to.put(&TAGS, &c.owner, &tags)
        }
        Change::Untagged(c) => to.update(&TAGS, &c.owner, |tags| {
            tags.retain(|(key, _)| !c.keys.iter().any(|gone| same_key(c.owner.kind(), gone, key)));
        }),

        Change::AccessKeyCreated(c) => {
            let row = AccessKeyRow {
                id: c.key.clone(),
                owner: c.owner.clone(),
                active: true,
                created: meta.at,
                commitment: c.commitment,
            };
            to.put(&ACCESS_KEYS, &c.key, &row)?;
            to.put(&KEYS_OF, &(c.owner.clone(), c.key.clone()), &c.key)?;
            to.put_global(&KEY_ACCOUNTS, &c.key, &meta.account)
        }
        Change::AccessKeyStatusSet(c) => {
            to.update(&ACCESS_KEYS, &c.key, |row| row.active = c.active)
        }
        Change::AccessKeyDeleted(c) => {
            let row = to.need(&ACCESS_KEYS, &c.key)?;
            to.remove(&ACCESS_KEYS, &c.key);
            to.remove(&KEYS_OF, &(row.owner, c.key.clone()));
            to.remove_global(&KEY_ACCOUNTS, &c.key);
            Ok(())
        }

        Change::LoginProfileCreated(c) => {
            let row = LoginProfileRow {
                created: meta.at,
                password_set: meta.at,
                commitment: c.commitment,
                reset_required: c.reset_required,
            };
            to.put(&LOGIN_PROFILES, &c.user, &row)
        }
        Change::LoginProfileUpdated(c) => to.update(&LOGIN_PROFILES, &c.user, |row| {
            if let Some(commitment) = c.commitment {
                row.commitment = commitment;
                row.password_set = meta.at;
            }
            row.reset_required = c.reset_required.unwrap_or(row.reset_required);
        }),
        Change::LoginProfileDeleted(c) => {
            to.remove(&LOGIN_PROFILES, &c.user);
            to.remove(&OLD_PASSWORDS, &c.user);
            Ok(())
        }
        Change::OldPasswordKept(c) => {
            let mut old = to.find(&OLD_PASSWORDS, &c.user)?.unwrap_or_default();
            old.insert(0, c.commitment);
            to.put(&OLD_PASSWORDS, &c.user, &old)
        }
        Change::OldPasswordsForgotten(c) => to.update(&OLD_PASSWORDS, &c.user, |old| {
            old.retain(|commitment| !c.commitments.contains(commitment));
        }),
        Change::PasswordPolicySet(c) => {
            let row = PasswordPolicyRow {
                minimum_length: c.minimum_length,
                symbols: c.symbols,
                numbers: c.numbers,
                uppercase: c.uppercase,
                lowercase: c.lowercase,
                users_may_change: c.users_may_change,
                max_age_days: c.max_age_days,
                reuse_prevention: c.reuse_prevention,
                hard_expiry: c.hard_expiry,
            };
            to.put(&PASSWORD_POLICY, &(), &row)
        }
        Change::PasswordPolicyDeleted(_) => {
            to.remove(&PASSWORD_POLICY, &());
            Ok(())
        }

        Change::InstanceProfileCreated(c) => {
            to.more(Counted::InstanceProfiles)?;
            let row = InstanceProfileRow {
                id: c.profile.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                created: meta.at,
                role: None,
            };
            to.put(&INSTANCE_PROFILES, &c.profile, &row)?;
            to.put(&NAMES, &c.name_tag, &c.profile)
        }
        Change::InstanceProfileDeleted(c) => {
            to.fewer(Counted::InstanceProfiles)?;
            let row = to.need(&INSTANCE_PROFILES, &c.profile)?;
            to.remove(&NAMES, &row.name_tag);
            to.remove(&INSTANCE_PROFILES, &c.profile);
            to.remove(&TAGS, &c.profile);
            Ok(())
        }
        Change::ProfileRoleAdded(c) => {
            to.update(&INSTANCE_PROFILES, &c.profile, |row| row.role = Some(c.role.clone()))?;
            to.put(&PROFILES_OF, &(c.role.clone(), c.profile.clone()), &c.profile)
        }
        Change::ProfileRoleRemoved(c) => {
            to.update(&INSTANCE_PROFILES, &c.profile, |row| row.role = None)?;
            to.remove(&PROFILES_OF, &(c.role.clone(), c.profile.clone()));
            Ok(())
        }

        Change::ServiceCredentialCreated(c) => {
            let row = ServiceCredentialRow {
                id: c.credential.clone(),
                owner: c.owner.clone(),
                service: c.service.clone(),
                alias: c.alias.clone(),
                active: true,
                created: meta.at,
                expires: c.expires,
                commitment: c.commitment,
            };
            to.put(&SERVICE_CREDENTIALS, &c.credential, &row)?;
            let owned = (c.owner.clone(), c.credential.clone());
            to.put(&SERVICE_CREDENTIALS_OF, &owned, &c.credential)?;
            to.put_global(&SERVICE_CREDENTIAL_ACCOUNTS, &c.credential, &meta.account)
        }
        Change::ServiceCredentialStatusSet(c) => {
            to.update(&SERVICE_CREDENTIALS, &c.credential, |row| row.active = c.active)
        }
        Change::ServiceCredentialReset(c) => {
            to.update(&SERVICE_CREDENTIALS, &c.credential, |row| row.commitment = c.commitment)
        }
        Change::ServiceCredentialDeleted(c) => {
            let row = to.need(&SERVICE_CREDENTIALS, &c.credential)?;
            to.remove(&SERVICE_CREDENTIALS, &c.credential);
            to.remove(&SERVICE_CREDENTIALS_OF, &(row.owner, c.credential.clone()));
            to.remove_global(&SERVICE_CREDENTIAL_ACCOUNTS, &c.credential);
            Ok(())
        }

        Change::MfaDeviceCreated(c) => {
            to.more(Counted::MfaDevices)?;
            let row = MfaDeviceRow {
                id: c.device.clone(),
                path: c.path.clone(),
                name: c.name.clone(),
                name_tag: c.name_tag,
                created: meta.at,
                commitment: c.commitment,
                step: 0,
                enabled: None,
            };
            to.put(&MFA_DEVICES, &c.device, &row)?;
            to.put(&NAMES, &c.name_tag, &c.device)
        }
        Change::MfaDeviceEnabled(c) => {
            to.more(Counted::MfaDevicesInUse)?;
            let (owner, since) = (c.owner.clone(), meta.at);
            to.update(&MFA_DEVICES, &c.device, |row| {
                row.step = c.step;
                row.enabled = Some(MfaDeviceOwner { owner, since, ahead: c.ahead });
            })?;
            to.put(&MFA_DEVICES_OF, &(c.owner.clone(), c.device.clone()), &c.device)
        }
        Change::MfaDeviceResynced(c) => to.update(&MFA_DEVICES, &c.device, |row| {
            row.step = c.step;
            if let Some(enabled) = &mut row.enabled {
                enabled.ahead = c.ahead;
            }
        }),
        Change::MfaDeviceDeactivated(c) => {
            to.fewer(Counted::MfaDevicesInUse)?;
            let row = to.need(&MFA_DEVICES, &c.device)?;
            if let Some(enabled) = &row.enabled {
                to.remove(&MFA_DEVICES_OF, &(enabled.owner.clone(), c.device.clone()));
            }
            to.put(&MFA_DEVICES, &c.device, &MfaDeviceRow { enabled: None, ..row })
        }
        Change::MfaDeviceDeleted(c) => {
            to.fewer(Counted::MfaDevices)?;
            let row = to.need(&MFA_DEVICES, &c.device)?;
            to.remove(&NAMES, &row.name_tag);
            to.remove(&MFA_DEVICES, &c.device);
            to.remove(&TAGS, &c.device);
            Ok(())
        }

        Change::ImportBegun(_)
        | Change::BaselineTaken(_)
        | Change::EntityDated(_)
        | Change::PolicyImported(_)
        | Change::SharedPolicyImported(_)
        | Change::RecordReplayed(_)
        | Change::LateEvidence(_)
        | Change::ImportCompleted(_)
        | Change::ImportDropped(_)
        | Change::EvidenceContradicted(_)
        | Change::OrderAmbiguous(_)
        | Change::RecordSaid(_) => imports::fold(change, &mut to),
    }
}

/// Whether two tag keys of an owner of this kind are one: those of users and roles (and, as the same guide
/// says, of role sessions) without regard to case, those of all else to the letter.
///
/// Source: IAM User Guide, "Tags for IAM resources", case sensitivity.
pub fn same_key(owner: Option<IdKind>, one: &str, other: &str) -> bool {
    match owner {
        Some(IdKind::User | IdKind::Role) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}
