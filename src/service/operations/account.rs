//! The account itself: its alias, and a summary of what is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::instance_profiles::PROFILES_QUOTA;
use super::shapes::page;
use crate::identity::change::{AccountAliasCreated, AccountAliasDeleted, PolicyRef};
use crate::identity::id::{UniqueId, is_account_digits};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{ALIASES, ATTACHED_TO, BOUNDS, Counted, KEYS_OF};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::mfa;
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target::Target;

operations! { Iam:
    write CreateAccountAlias on |op, scene| Ok(Target::any()) => (),
    read ListAccountAliases on |op, scene| Ok(Target::any()) => ListAccountAliasesResult,
    write DeleteAccountAlias on |op, scene| Ok(Target::any()) => (),
    read GetAccountSummary on |op, scene| Ok(Target::any()) => GetAccountSummaryResult,
}

/// `CreateAccountAlias`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAccountAlias {
    account_alias: String,
}

impl Write for CreateAccountAlias {
    /// An account has one alias: a new one takes the place of the old.
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let alias = self.account_alias;
        // On the sign-in page, an id of twelve digits and an alias go into the same field.
        if is_account_digits(&alias) {
            return Err(fault::ALIAS_IS_DIGITS.with(&[]));
        }
        if to.tx.get(AccountId::SYSTEM, &ALIASES, &alias)?.is_some() {
            return Err(fault::ALIAS_EXISTS.with(&[&alias]));
        }
        Ok(to.tx.record(AccountAliasCreated { alias })?)
    }
}

/// `DeleteAccountAlias`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteAccountAlias {
    account_alias: String,
}

impl Write for DeleteAccountAlias {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let alias = self.account_alias;
        let row = to.directory().account_row()?;
        if row.and_then(|row| row.alias).as_ref() != Some(&alias) {
            return Err(fault::NO_ALIAS.with(&[&alias]));
        }
        Ok(to.tx.record(AccountAliasDeleted { alias })?)
    }
}

/// `ListAccountAliases`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAccountAliases {
    marker: Option<String>,
    max_items: Option<usize>,
}

/// The alias, if there is one.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAccountAliasesResult {
    account_aliases: Vec<String>,
    is_truncated: bool,
    marker: Option<String>,
}

impl Read for ListAccountAliases {
    fn read(self, at: &Reading<'_>) -> Result<ListAccountAliasesResult, Fault> {
        let row = at.directory.account_row()?;
        let aliases = row.and_then(|row| row.alias).into_iter().collect();
        let paged = page(aliases, Clone::clone, self.max_items, self.marker.as_deref())?;
        Ok(ListAccountAliasesResult {
            account_aliases: paged.items,
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// `GetAccountSummary`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccountSummary {}

/// How many there are of everything, and how many there may be.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccountSummaryResult {
    summary_map: BTreeMap<&'static str, usize>,
}

/// What an account may have, as AWS tells it (IAM User Guide, quotas). Sizes are characters.
const QUOTAS: &[(&str, usize)] = &[
    ("AccessKeysPerUserQuota", 2),
    ("AssumeRolePolicySizeQuota", 2_048),
    ("AttachedPoliciesPerGroupQuota", 10),
    ("AttachedPoliciesPerRoleQuota", 10),
    ("AttachedPoliciesPerUserQuota", 10),
    ("GroupPolicySizeQuota", 5_120),
    ("GroupsPerUserQuota", 10),
    ("GroupsQuota", 300),
    ("InstanceProfilesQuota", PROFILES_QUOTA),
    ("PoliciesQuota", 1_500),
    ("PolicySizeQuota", 6_144),
    ("PolicyVersionsInUseQuota", 10_000),
    ("RolePolicySizeQuota", 10_240),
    ("RolesQuota", 1_000),
    ("ServerCertificatesQuota", 20),
    ("SigningCertificatesPerUserQuota", 2),
    ("UserPolicySizeQuota", 2_048),
    ("UsersQuota", 5_000),
    ("VersionsPerPolicyQuota", 5),
    // Session tokens here work in every region: AWS's version 2.
    ("GlobalEndpointTokenVersion", 2),
];

/// What no account has here: certificates, identity providers.
const NONE: &[&str] = &["AccountSigningCertificatesPresent", "Providers", "ServerCertificates"];

/// The managed policies that grant or bound in an account, shared ones included.
pub fn policies_in_use(directory: Directory<'_>) -> Result<BTreeSet<PolicyRef>, Fault> {
    let Directory { reader, account } = directory;
    let attached = reader.list(account, &ATTACHED_TO, &())?.into_iter();
    let bounding = reader.list(account, &BOUNDS, &())?.into_iter();
    Ok(attached.chain(bounding).map(|row| row.policy).collect())
}

impl Read for GetAccountSummary {
    fn read(self, at: &Reading<'_>) -> Result<GetAccountSummaryResult, Fault> {
        let Directory { reader, account } = at.directory;
        let mut summary: BTreeMap<_, _> = QUOTAS.iter().copied().collect();
        summary.extend(NONE.iter().map(|name| (*name, 0)));
        for (name, counted) in [
            ("Users", Counted::Users),
            ("Groups", Counted::Groups),
            ("Roles", Counted::Roles),
            ("Policies", Counted::Policies),
            ("InstanceProfiles", Counted::InstanceProfiles),
            ("MFADevices", Counted::MfaDevices),
            ("MFADevicesInUse", Counted::MfaDevicesInUse),
        ] {
            summary.insert(name, at.directory.how_many(counted)?);
        }
        // Of each policy in use, shared ones included, it is the default version.
        summary.insert("PolicyVersionsInUse", policies_in_use(at.directory)?.len());
        // Of the root user: whether, not how many.
        let keys = reader.count(account, &KEYS_OF, &UniqueId::root())?;
        summary.insert("AccountAccessKeysPresent", keys.min(1));
        let has_factor = mfa::has_any(reader, account, &UniqueId::root())?;
        summary.insert("AccountMFAEnabled", usize::from(has_factor));
        let password = at.directory.account_row()?.and_then(|row| row.root_password);
        summary.insert("AccountPasswordPresent", usize::from(password.is_some()));
        Ok(GetAccountSummaryResult { summary_map: summary })
    }
}
