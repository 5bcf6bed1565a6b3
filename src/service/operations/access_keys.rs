//! Access keys, of users and of the root user.

use serde::{Deserialize, Serialize};

use super::shapes::{named_or_own, page, quota};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::identity::change::{AccessKeyCreated, AccessKeyDeleted, AccessKeyStatusSet};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::Transaction;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCESS_KEYS, AccessKeyRow, KEY_ACCOUNTS, KEYS_OF, UserRow};
use crate::projection::view::ReadTables;
use crate::service::caller::Caller;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::sts::new_secret;
use crate::service::target::{self, Scene, Target};

operations! { Iam:
    write CreateAccessKey on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => CreateAccessKeyResult,
    read ListAccessKeys on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => ListAccessKeysResult,
    write UpdateAccessKey on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
    write DeleteAccessKey on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
    read GetAccessKeyLastUsed on |op, scene| owner_of_key(scene, &op.access_key_id) => GetAccessKeyLastUsedResult,
}

/// Keys that a user may have; not adjustable.
const KEYS_QUOTA: usize = 2;

/// Whose keys a request is about: the named user's, or the caller's own.
fn owner(
    directory: Directory<'_>,
    caller: &Caller,
    name: Option<&str>,
) -> Result<(UniqueId, Option<String>), Fault> {
    if name.is_none() && caller.is_root() {
        return Ok((UniqueId::root(), None));
    }
    let user = named_or_own(directory, caller, name)?;
    Ok((user.row.id, Some(user.name)))
}

/// A denial names the key, and says neither whose it is nor whether it exists.
fn owner_of_key(scene: &Scene<'_>, key: &str) -> Result<Target, Fault> {
    let target = match find_key(scene.directory, key)? {
        Some(row) => match scene.directory.by_id::<UserRow>(&row.owner)? {
            Some(user) => target::existing(scene, &user)?,
            None => target::account(scene)?,
        },
        None => Target::any(),
    };
    Ok(target.called(format!("access key {key}")))
}

fn find_key(directory: Directory<'_>, key: &str) -> Result<Option<AccessKeyRow>, Fault> {
    let Some(id) = UniqueId::parse(key) else { return Ok(None) };
    Ok(directory.reader.get(directory.account, &ACCESS_KEYS, &id)?)
}

/// The key, if it is this owner's.
fn owned_key(directory: Directory<'_>, owner: &UniqueId, key: &str) -> Result<AccessKeyRow, Fault> {
    find_key(directory, key)?
        .filter(|row| row.owner == *owner)
        .ok_or_else(|| fault::NO_ACCESS_KEY.with(&[key]))
}

/// Makes a key for an owner who may have one more.
pub fn make(tx: &mut Transaction<'_>, owner: &UniqueId) -> Result<(String, Secret<String>), Fault> {
    let count = || tx.count(tx.account(), &KEYS_OF, owner);
    quota(tx, count, KEYS_QUOTA, "AccessKeysPerUser")?;
    let key = tx.new_id(IdKind::AccessKey)?;
    // Only a key of elsewhere can be one that somebody has already.
    if tx.is_repeated() && tx.get(AccountId::SYSTEM, &KEY_ACCOUNTS, &key)?.is_some() {
        let known = format!("The access key {key} is somebody's here already.");
        return Err(Fault::new("EntityAlreadyExists", 409, known));
    }
    let secret = new_secret(tx.random())?;
    let commitment = tx.keep_secret(owner, key.as_str(), &secret)?;
    tx.record(AccessKeyCreated { key: key.clone(), owner: owner.clone(), commitment })?;
    Ok((key.to_string(), secret))
}

/// `CreateAccessKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAccessKey {
    user_name: Option<String>,
}

/// The new key; its secret is shown once.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAccessKeyResult {
    access_key: NewAccessKey,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewAccessKey {
    user_name: String,
    access_key_id: String,
    status: &'static str,
    secret_access_key: String,
    create_date: Timestamp,
}

impl Write for CreateAccessKey {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<CreateAccessKeyResult, Fault> {
        let (owner, name) = owner(to.directory(), to.caller, self.user_name.as_deref())?;
        let (key, secret) = make(to.tx, &owner)?;
        Ok(CreateAccessKeyResult {
            access_key: NewAccessKey {
                user_name: name.unwrap_or_default(),
                access_key_id: key,
                status: "Active",
                secret_access_key: secret.expose().clone(),
                create_date: to.tx.at(),
            },
        })
    }
}

/// `ListAccessKeys`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAccessKeys {
    user_name: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAccessKeysResult {
    access_key_metadata: Vec<AccessKeyMetadata>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKeyMetadata {
    user_name: Option<String>,
    access_key_id: UniqueId,
    status: &'static str,
    create_date: Timestamp,
}

impl Read for ListAccessKeys {
    fn read(self, at: &Reading<'_>) -> Result<ListAccessKeysResult, Fault> {
        let (owner, name) = owner(at.directory, at.caller, self.user_name.as_deref())?;
        let mut keys = Vec::new();
        for id in at.directory.reader.list(at.directory.account, &KEYS_OF, &owner)? {
            keys.extend(at.directory.reader.get(at.directory.account, &ACCESS_KEYS, &id)?);
        }
        // The older one first.
        let key = |row: &AccessKeyRow| format!("{:020}{}", row.created.micros(), row.id);
        let paged = page(keys, key, self.max_items, self.marker.as_deref())?;
        Ok(ListAccessKeysResult {
            access_key_metadata: paged
                .items
                .into_iter()
                .map(|row| AccessKeyMetadata {
                    user_name: name.clone(),
                    access_key_id: row.id,
                    status: if row.active { "Active" } else { "Inactive" },
                    create_date: row.created,
                })
                .collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// `UpdateAccessKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateAccessKey {
    user_name: Option<String>,
    access_key_id: String,
    status: String,
}

impl Write for UpdateAccessKey {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (owner, _) = owner(to.directory(), to.caller, self.user_name.as_deref())?;
        let row = owned_key(to.directory(), &owner, &self.access_key_id)?;
        // The model knows a further value, `Expired`, which nobody can set.
        let active = match self.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            other => return Err(fault::KEY_EXPIRY.with(&[other])),
        };
        if row.active == active {
            return Ok(());
        }
        Ok(to.tx.record(AccessKeyStatusSet { key: row.id, active })?)
    }
}

/// `DeleteAccessKey`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteAccessKey {
    user_name: Option<String>,
    access_key_id: String,
}

impl Write for DeleteAccessKey {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (owner, _) = owner(to.directory(), to.caller, self.user_name.as_deref())?;
        let row = owned_key(to.directory(), &owner, &self.access_key_id)?;
        to.tx.drop_secret(&row.commitment);
        Ok(to.tx.record(AccessKeyDeleted { key: row.id })?)
    }
}

/// `GetAccessKeyLastUsed`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccessKeyLastUsed {
    access_key_id: String,
}

/// When and where a key was last used.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccessKeyLastUsedResult {
    user_name: Option<String>,
    access_key_last_used: AccessKeyLastUsed,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKeyLastUsed {
    last_used_date: Option<Timestamp>,
    service_name: String,
    region: String,
}

impl Read for GetAccessKeyLastUsed {
    fn read(self, at: &Reading<'_>) -> Result<GetAccessKeyLastUsedResult, Fault> {
        // What other accounts have is not told apart from what nobody has.
        let row = find_key(at.directory, &self.access_key_id)?
            .ok_or_else(|| fault::UNKNOWN_KEY_USE.with(&[&at.caller.arn(), &self.access_key_id]))?;
        let user = at.directory.by_id::<UserRow>(&row.owner)?;
        let used = at.activity.last_used(&row.id, at.instant)?;
        // Of some services no region is known.
        let text = |text: Option<String>| {
            text.filter(|text| !text.is_empty()).unwrap_or_else(|| "N/A".to_owned())
        };
        Ok(GetAccessKeyLastUsedResult {
            user_name: user.map(|user| user.name),
            access_key_last_used: AccessKeyLastUsed {
                last_used_date: used.as_ref().map(|used| used.at),
                service_name: text(used.as_ref().map(|used| used.service.clone())),
                region: text(used.map(|used| used.region)),
            },
        })
    }
}
