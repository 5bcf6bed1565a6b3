//! Records that cannot follow what was known before them: others are missing.
//!
//! What a record says is believed. If something was made that is there already, it must have gone before; if
//! something went that still had something, it must have lost that before. So much is made up for, with the event of
//! the record, and told. Where a record tells too little - something was attached to a user of whom nothing is
//! known - nothing is made up, and that is told; and so it is of whoever acts and is not known.

use super::enact::{Act, Name};
use crate::base::time::Timestamp;
use crate::identity::arn::Arn;
use crate::identity::change::*;
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::Transaction;
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::mfa;

/// How a record that was refused is taken all the same.
pub enum Taken {
    /// With this missing before it, and about whom.
    Missing(String, UniqueId),
    /// It is about a credential of before the account's history begins, of which nobody knows.
    Unknown(UniqueId),
}

/// Runs a record that was refused, making up for what must have happened before.
///
/// # Errors
/// Failures of the service alone.
pub fn take(
    service: &Service,
    tx: &mut Transaction<'_>,
    act: &Act,
    caller: &Caller,
    (refusal, baseline): (&Fault, Option<Timestamp>),
) -> Result<Taken, Fault> {
    let account = tx.account();
    let about = act.about(&*tx, account)?;
    let told = about.clone().unwrap_or_else(UniqueId::root);
    if baseline.is_some_and(|since| is_of_before(tx, act, refusal, since).unwrap_or(false)) {
        learn(tx, act, about.as_ref())?;
        return Ok(Taken::Unknown(told));
    }
    let name = &act.record.name;
    let mut what = refusal.message.clone();
    let makes_room = match refusal.code {
        "EntityAlreadyExists" => {
            what = format!("{what} It must have gone before.");
            make_room(tx, act, about.as_ref())?
        }
        "DeleteConflict" => {
            what = format!("{what} It must have lost them before.");
            let id = about.as_ref().filter(|_| name.starts_with("Delete"));
            match (id, name.as_str()) {
                (Some(policy), "DeletePolicyVersion") => other_default(tx, policy)?,
                (Some(id), _) => strip(tx, id)?,
                (None, _) => false,
            }
        }
        "LimitExceeded" if name == "AddRoleToInstanceProfile" => {
            what = format!("{what} The role in it must have been removed before.");
            about.as_ref().map_or(Ok(false), |profile| empty(tx, profile))?
        }
        "NoSuchEntity" => {
            what = format!("{what} It must have been made, or put there, before.");
            false
        }
        _ => false,
    };
    if makes_room {
        match act.run(service, tx, caller) {
            Ok(about) => return Ok(Taken::Missing(what, about)),
            // It makes no sense all the same; what was made up for stands, since the record says so.
            Err(fault) if fault.is_sender() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Taken::Missing(what, told))
}

/// A user or role of the account that acted although nothing tells of it: the record that made it is missing.
pub struct Stranger {
    /// Its unique id.
    pub id: UniqueId,
    /// Its name, where the record says it.
    pub name: Option<Name>,
    /// What is missing.
    pub what: String,
}

/// Whoever made a request, if that is nobody who is known.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn stranger(tx: &Transaction<'_>, act: &Act, digits: &str) -> Result<Option<Stranger>, Fault> {
    let (who, id, account) = (&act.record.who, act.record.actor(), tx.account());
    if who.account.as_deref() != Some(digits) {
        return Ok(None);
    }
    let (kind, word, is_known) = match id.kind() {
        Some(IdKind::User) => (NameKind::User, "user", tx.get(account, &USERS, &id)?.is_some()),
        Some(IdKind::Role) => (NameKind::Role, "role", tx.get(account, &ROLES, &id)?.is_some()),
        _ => return Ok(None),
    };
    let name = who.user_name.as_deref();
    // Where a record of its creation did not tell its id, it goes by its name.
    let find = |name: &str| Directory::new(tx, account).find_id(kind, name);
    if is_known || name.map(find).transpose()?.flatten().is_some() {
        return Ok(None);
    }
    let called = name.unwrap_or(id.as_str());
    let what = format!(
        "The {word} {called} ({id}), who asked for it, is not known: it must have been made before."
    );
    let name = name.map(|name| (kind, name.to_lowercase()));
    Ok(Some(Stranger { id, name, what }))
}

/// Acts on credentials and settings that a snapshot does not tell.
const UNTOLD: &[&str] = &[
    "UpdateAccessKey",
    "DeleteAccessKey",
    "UpdateLoginProfile",
    "ChangePassword",
    "DeleteLoginProfile",
    "EnableMFADevice",
    "ResyncMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "TagMFADevice",
    "UntagMFADevice",
    "UpdateServiceSpecificCredential",
    "ResetServiceSpecificCredential",
    "DeleteServiceSpecificCredential",
    "DeleteAccountAlias",
    "DeleteAccountPasswordPolicy",
    "RemoveRoleFromInstanceProfile",
    "DeleteInstanceProfile",
    "AddRoleToInstanceProfile",
];

/// Whether what is not found may have been there before the account's history begins: something of a user who was,
/// or something that belongs to nobody.
fn is_of_before(
    tx: &Transaction<'_>,
    act: &Act,
    refusal: &Fault,
    since: Timestamp,
) -> Result<bool, Fault> {
    if refusal.code != "NoSuchEntity" || !UNTOLD.contains(&act.record.name.as_str()) {
        return Ok(false);
    }
    let own = (act.record.who.kind == "IAMUser").then(|| act.record.actor());
    let user = match act.text("UserName") {
        Some(name) => Directory::new(tx, tx.account()).find_id(NameKind::User, name)?,
        None if act.text("SerialNumber").is_none() => own,
        None => None,
    };
    let row = user.map(|user| tx.get(tx.account(), &USERS, &user)).transpose()?.flatten();
    Ok(match (row, act.text("UserName")) {
        (Some(row), _) => row.created <= since,
        (None, Some(_)) => false,
        (None, None) => true,
    })
}

/// Takes in what a record tells of a credential of before: that a user has a password, or a device.
fn learn(tx: &mut Transaction<'_>, act: &Act, about: Option<&UniqueId>) -> Result<(), Fault> {
    let user = match about {
        Some(user) if user.kind() == Some(IdKind::User) => user.clone(),
        _ if act.record.name == "ChangePassword" => act.record.actor(),
        _ => return Ok(()),
    };
    if tx.get(tx.account(), &USERS, &user)?.is_none() {
        return Ok(());
    }
    match act.record.name.as_str() {
        "UpdateLoginProfile" | "ChangePassword" => {
            let reset_required = act.text("PasswordResetRequired") == Some("true");
            Ok(tx.record(LoginProfileCreated { user, commitment: NEVER_HERE, reset_required })?)
        }
        "EnableMFADevice" => {
            let serial = act.text("SerialNumber").unwrap_or_default();
            let Some(arn) = Arn::parse(serial).filter(|arn| arn.kind() == "mfa") else {
                return Ok(());
            };
            let (path, name) = (arn.path().to_owned(), arn.name().to_owned());
            let device = tx.new_id(IdKind::MfaDevice)?;
            tx.record(MfaDeviceCreated {
                device: device.clone(),
                name: tx.seal(&device, "name", &name)?,
                name_tag: tx.name_tag(NameKind::MfaDevice, &mfa::full_name(&path, &name))?,
                path,
                commitment: NEVER_HERE,
            })?;
            Ok(tx.record(MfaDeviceEnabled { device, owner: user, step: 0, ahead: 0 })?)
        }
        _ => Ok(()),
    }
}

/// Takes away what stands where something was made; whether there was something to take away.
fn make_room(tx: &mut Transaction<'_>, act: &Act, about: Option<&UniqueId>) -> Result<bool, Fault> {
    let account = tx.account();
    let taken = match (act.record.name.as_str(), act.text("NewUserName"), act.text("NewGroupName"))
    {
        ("CreateLoginProfile", ..) => {
            let Some(user) = about.cloned() else { return Ok(false) };
            tx.record(LoginProfileDeleted { user })?;
            return Ok(true);
        }
        ("CreateVirtualMFADevice", ..) => {
            let path = act.text("Path").unwrap_or("/");
            let name = act.text("VirtualMFADeviceName").unwrap_or_default();
            let full_name = mfa::full_name(path, name);
            Directory::new(&*tx, account).find_id(NameKind::MfaDevice, &full_name)?
        }
        ("EnableMFADevice", ..) => {
            let serial = act.text("SerialNumber").unwrap_or_default();
            let device = mfa::by_serial(Directory::new(&*tx, account), serial)?;
            let Some(device) = device else { return Ok(false) };
            tx.record(MfaDeviceDeactivated { device: device.row.id })?;
            return Ok(true);
        }
        ("CreateServiceLinkedRole", ..) => match act.answered.ids.first() {
            Some(_) => {
                let answer = act.record.answer();
                let name = answer.get("role").and_then(|role| role.get("roleName")?.as_str());
                let directory = Directory::new(&*tx, account);
                name.map(|name| directory.find_id(NameKind::Role, name)).transpose()?.flatten()
            }
            None => None,
        },
        ("UpdateUser", Some(name), _) => {
            Directory::new(&*tx, account).find_id(NameKind::User, name)?
        }
        ("UpdateGroup", _, Some(name)) => {
            Directory::new(&*tx, account).find_id(NameKind::Group, name)?
        }
        (
            "CreateUser" | "CreateGroup" | "CreateRole" | "CreatePolicy" | "CreateInstanceProfile",
            ..,
        ) => about.cloned(),
        _ => None,
    };
    let Some(id) = taken else { return Ok(false) };
    strip(tx, &id)?;
    match id.kind() {
        Some(IdKind::User) => tx.record(UserDeleted { user: id })?,
        Some(IdKind::Group) => tx.record(GroupDeleted { group: id })?,
        Some(IdKind::Role) => tx.record(RoleDeleted { role: id })?,
        Some(IdKind::Policy) => tx.record(PolicyDeleted { policy: id })?,
        Some(IdKind::InstanceProfile) => tx.record(InstanceProfileDeleted { profile: id })?,
        Some(IdKind::MfaDevice) => tx.record(MfaDeviceDeleted { device: id })?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Makes the newest other version of a policy its default one.
fn other_default(tx: &mut Transaction<'_>, policy: &UniqueId) -> Result<bool, Fault> {
    let account = tx.account();
    let Some(row) = tx.get(account, &POLICIES, policy)? else { return Ok(false) };
    let versions = tx.list(account, &POLICY_VERSIONS, policy)?;
    let other = versions.iter().map(|one| one.version).filter(|one| *one != row.default_version);
    let Some(version) = other.max() else { return Ok(false) };
    tx.record(DefaultVersionSet { policy: policy.clone(), version })?;
    Ok(true)
}

/// Takes the role out of an instance profile.
fn empty(tx: &mut Transaction<'_>, profile: &UniqueId) -> Result<bool, Fault> {
    let row = tx.get(tx.account(), &INSTANCE_PROFILES, profile)?;
    let Some(role) = row.and_then(|row| row.role) else { return Ok(false) };
    tx.record(ProfileRoleRemoved { profile: profile.clone(), role })?;
    Ok(true)
}

/// Takes from something all that must be gone before it can go; whether there was anything.
pub fn strip(tx: &mut Transaction<'_>, id: &UniqueId) -> Result<bool, Fault> {
    let account = tx.account();
    let mut changes: Vec<Change> = Vec::new();
    let kind = id.kind();
    if matches!(kind, Some(IdKind::User | IdKind::Group | IdKind::Role)) {
        for row in tx.list(account, &ATTACHED, id)? {
            changes.push(PolicyDetached { owner: id.clone(), policy: row.policy }.into());
        }
        for row in tx.list(account, &INLINE_POLICIES, id)? {
            changes.push(InlinePolicyDeleted { owner: id.clone(), name: row.name }.into());
        }
    }
    match kind {
        Some(IdKind::User) => {
            for row in tx.list(account, &GROUPS_OF, id)? {
                changes.push(MemberRemoved { group: row.group, user: row.user }.into());
            }
            for key in tx.list(account, &KEYS_OF, id)? {
                changes.push(AccessKeyDeleted { key }.into());
            }
            for credential in tx.list(account, &SERVICE_CREDENTIALS_OF, id)? {
                changes.push(ServiceCredentialDeleted { credential }.into());
            }
            for device in tx.list(account, &MFA_DEVICES_OF, id)? {
                changes.push(MfaDeviceDeactivated { device }.into());
            }
            if tx.get(account, &LOGIN_PROFILES, id)?.is_some() {
                changes.push(LoginProfileDeleted { user: id.clone() }.into());
            }
        }
        Some(IdKind::Group) => {
            for row in tx.list(account, &MEMBERS, id)? {
                changes.push(MemberRemoved { group: row.group, user: row.user }.into());
            }
        }
        Some(IdKind::Role) => {
            for profile in tx.list(account, &PROFILES_OF, id)? {
                changes.push(ProfileRoleRemoved { profile, role: id.clone() }.into());
            }
        }
        Some(IdKind::Policy) => {
            let policy = PolicyRef(id.to_string());
            for row in tx.list(account, &ATTACHED_TO, &policy)? {
                changes.push(PolicyDetached { owner: row.owner, policy: policy.clone() }.into());
            }
            for row in tx.list(account, &BOUNDS, &policy)? {
                changes.push(BoundaryCleared { owner: row.owner }.into());
            }
            let default = tx.get(account, &POLICIES, id)?.map(|row| row.default_version);
            for row in tx.list(account, &POLICY_VERSIONS, id)? {
                if Some(row.version) != default {
                    let (policy, version) = (id.clone(), row.version);
                    changes.push(PolicyVersionDeleted { policy, version }.into());
                }
            }
        }
        Some(IdKind::InstanceProfile) => {
            empty(tx, id)?;
        }
        Some(IdKind::MfaDevice) => {
            let row = tx.get(account, &MFA_DEVICES, id)?;
            if row.is_some_and(|row| row.enabled.is_some()) {
                changes.push(MfaDeviceDeactivated { device: id.clone() }.into());
            }
        }
        _ => {}
    }
    let any = !changes.is_empty() || !tx.is_unchanged();
    changes.into_iter().try_for_each(|change| tx.record(change))?;
    Ok(any)
}
