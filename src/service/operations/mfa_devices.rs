//! Virtual multi-factor devices: made with a seed that is shown once, made a user's by two codes in a row.
//!
//! The seed lies with the secrets, sealed for the device; an event holds a commitment to it. Codes are checked
//! in [`crate::service::mfa`].
//!
//! Devices that are things, with a serial number of their maker, and FIDO keys are not in this release: none can
//! be enabled.
//!
//! Whoever has a device of its own must have shown a code of it to add another or to take one away: a stolen
//! password or key is not enough to get rid of the second factor. Source: what AWS answers then, as its users
//! report it ([`fault::MFA_NOT_SHOWN`]); IAM User Guide, "Allows IAM users to self-manage an MFA device".

use serde::{Deserialize, Serialize};

use super::shapes::{Tag, User, check_tags, named_or_own, page, pairs, quota};
use super::tags;
use super::users::RootUser;
use crate::base::qr;
use crate::base::random::random_bytes;
use crate::base::secret::Secret;
use crate::base::text::{base32, base64, percent_encode};
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::{
    MfaDeviceCreated, MfaDeviceDeactivated, MfaDeviceDeleted, MfaDeviceEnabled, MfaDeviceResynced,
};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{Counted, MfaDeviceOwner, MfaDeviceRow, UserRow};
use crate::service::caller::Caller;
use crate::service::fault::{self, Fault};
use crate::service::mfa::{self, Device};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target::{self, Scene, Target};

operations! { Iam:
    write CreateVirtualMFADevice on |op, scene| {
        let path = op.path.as_deref().unwrap_or("/");
        let serial = arn::iam(&scene.directory.digits()?, "mfa", path, &op.virtual_mfa_device_name);
        Ok(Target::on(serial, &UniqueId::root()).making(&pairs(&op.tags), "iam:TagMFADevice"))
    } => CreateVirtualMFADeviceResult,
    write EnableMFADevice on |op, scene| holder(scene, Some(&op.user_name)) => (),
    write ResyncMFADevice on |op, scene| holder(scene, Some(&op.user_name)) => (),
    write DeactivateMFADevice on |op, scene| holder(scene, op.user_name.as_deref()) => (),
    write DeleteVirtualMFADevice on |op, scene| device(scene, &op.serial_number) => (),
    read GetMFADevice on |op, scene| holder(scene, op.user_name.as_deref()) => GetMFADeviceResult,
    read ListMFADevices on |op, scene| holder(scene, op.user_name.as_deref()) => ListMFADevicesResult,
    read ListVirtualMFADevices on |op, scene| {
        // What AWS's denials name; policies that are asked for it say `*` or this.
        let all = arn::iam(&scene.directory.digits()?, "mfa", "/", "");
        Ok(Target::on(all, &UniqueId::root()))
    } => ListVirtualMFADevicesResult,
}

/// Devices that a user, or the root user, may have (IAM User Guide, quotas); not adjustable.
const DEVICES_QUOTA: usize = 8;
/// Devices that an account may have, somebody's or not: as many as users (likewise).
const ACCOUNT_QUOTA: usize = 5_000;
/// Characters of a serial number, by the model.
const LONGEST_SERIAL: usize = 256;
/// Bytes of a seed, as AWS's have: 64 characters of base32.
const SEED_BYTES: usize = 40;
/// Whose devices these are, to authenticators.
const ISSUER: &str = "domesday";
/// What the root user calls itself where a user must be named; whoever makes a user of that name must not get its
/// devices.
const ROOT: &str = "root";

/// A device as a resource, by its serial number. One that does not exist is judged by that.
pub fn device(scene: &Scene<'_>, serial: &str) -> Result<Target, Fault> {
    Ok(match mfa::by_serial(scene.directory, serial)? {
        None => Target::on(serial, &UniqueId::root()),
        Some(found) => {
            let tags = scene.directory.tags(&found.row.id)?;
            Target::on(found.serial, &found.row.id).tagged(tags)
        }
    })
}

/// Whose devices a request is about: what is judged.
fn holder(scene: &Scene<'_>, name: Option<&str>) -> Result<Target, Fault> {
    match name {
        Some(ROOT) if scene.caller.is_root() => target::account(scene),
        name => target::user_or_self(scene, name),
    }
}

/// Whose devices a request is about: its id, and what it is called.
fn owner(
    directory: Directory<'_>,
    caller: &Caller,
    name: Option<&str>,
) -> Result<(UniqueId, String), Fault> {
    if caller.is_root() && name.is_none_or(|name| name == ROOT) {
        return Ok((UniqueId::root(), ROOT.to_owned()));
    }
    let user = named_or_own(directory, caller, name)?;
    Ok((user.row.id, user.name))
}

/// A device that must exist.
pub fn existing(directory: Directory<'_>, serial: &str) -> Result<Device, Fault> {
    mfa::by_serial(directory, serial)?.ok_or_else(|| fault::NO_MFA_DEVICE.with(&[serial]))
}

/// A device of an owner, which must be that.
fn of_owner(
    directory: Directory<'_>,
    serial: &str,
    owner: &UniqueId,
) -> Result<(Device, MfaDeviceOwner), Fault> {
    let device = existing(directory, serial)?;
    let enabled = device.row.enabled.clone().filter(|enabled| enabled.owner == *owner);
    let enabled = enabled.ok_or_else(|| fault::MFA_NOT_OF_USER.with(&[]))?;
    Ok((device, enabled))
}

/// The step of the later of two codes in a row, and how far the device's clock is ahead. Of a device elsewhere
/// neither is known.
fn clock(
    to: &Writing<'_, '_>,
    device: &MfaDeviceRow,
    codes: [&str; 2],
    last: u64,
) -> Result<(u64, i32), Fault> {
    if to.tx.is_repeated() {
        return Ok((0, 0));
    }
    let clock = mfa::clock(to.directory(), device, codes, to.caller.at, last)?;
    let clock = clock.ok_or_else(|| fault::MFA_WRONG_CODES.with(&[]))?;
    Ok((clock.step, clock.ahead))
}

/// Refuses whoever has a second factor and has not shown it to change its own.
fn check_shown(to: &Writing<'_, '_>, owner: &UniqueId) -> Result<(), Fault> {
    let is_own = to.caller.principal_id() == *owner && !to.tx.is_repeated();
    let has_shown = to.caller.session().is_some_and(|session| session.mfa == Some(true));
    if is_own && !has_shown && mfa::has_any(&*to.tx, to.tx.account(), owner)? {
        return Err(fault::MFA_NOT_SHOWN.with(&[]));
    }
    Ok(())
}

/// `CreateVirtualMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateVirtualMFADevice {
    path: Option<String>,
    #[serde(rename = "VirtualMFADeviceName")]
    virtual_mfa_device_name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// A new device, with its seed.
#[derive(Serialize)]
pub struct CreateVirtualMFADeviceResult {
    #[serde(rename = "VirtualMFADevice")]
    virtual_mfa_device: VirtualMFADevice,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VirtualMFADevice {
    serial_number: String,
    base32_string_seed: Option<String>,
    #[serde(rename = "QRCodePNG")]
    qr_code_png: Option<String>,
    user: Option<UserOrRoot>,
    enable_date: Option<Timestamp>,
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum UserOrRoot {
    User(User),
    Root(RootUser),
}

impl Write for CreateVirtualMFADevice {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<CreateVirtualMFADeviceResult, Fault> {
        let tags = pairs(&self.tags);
        check_tags(&tags, &[], IdKind::MfaDevice)?;
        let name = self.virtual_mfa_device_name;
        let path = self.path.unwrap_or_else(|| "/".to_owned());
        let full_name = mfa::full_name(&path, &name);
        check_serial(&path, &arn::iam(&to.directory().digits()?, "mfa", &path, &name))?;
        if to.directory().find_id(NameKind::MfaDevice, &full_name)?.is_some() {
            return Err(fault::MFA_DEVICE_EXISTS.with(&[]));
        }
        let count = || to.directory().how_many(Counted::MfaDevices);
        quota(to.tx, count, ACCOUNT_QUOTA, "VirtualMFADevicesPerAccount")?;
        let device = to.tx.new_id(IdKind::MfaDevice)?;
        let seed = Secret::new(base32(&random_bytes::<SEED_BYTES>(to.tx.random())?));
        let commitment = to.tx.keep_secret(&device, mfa::SEED, &seed)?;
        to.tx.record(MfaDeviceCreated {
            device: device.clone(),
            path,
            name: to.tx.seal(&device, "name", &name)?,
            name_tag: to.tx.name_tag(NameKind::MfaDevice, &full_name)?,
            commitment,
        })?;
        tags::set(to.tx, &device, tags)?;
        to.concerns = Some(device.clone());
        let directory = to.directory();
        let made = mfa::by_id(directory, &device)?;
        let made = made.ok_or_else(|| Fault::internal("a new device is not there"))?;
        let account = directory.account_row()?;
        let called = account.map(|account| account.alias.unwrap_or(account.digits));
        let picture = qr::picture(&uri(&name, &called.unwrap_or_default(), &seed));
        Ok(CreateVirtualMFADeviceResult {
            virtual_mfa_device: VirtualMFADevice {
                serial_number: made.serial,
                base32_string_seed: Some(base64(seed.expose().as_bytes())),
                qr_code_png: Some(base64(&picture.map_err(Fault::internal)?)),
                user: None,
                enable_date: None,
                tags: (!self.tags.is_empty()).then_some(self.tags),
            },
        })
    }
}

/// Whether a device could be named in a request by the serial number that path and name make: the model allows
/// longer ones, and more characters in a path, than in a serial number.
fn check_serial(path: &str, serial: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=/:,.@-".contains(c);
    match path.chars().all(fits) {
        false => Err(fault::MFA_BAD_PATH.with(&[])),
        true if serial.len() > LONGEST_SERIAL => Err(fault::MFA_LONG_SERIAL.with(&[])),
        true => Ok(()),
    }
}

/// What the QR code of a device says: the form that authenticators take
/// (github.com/google/google-authenticator, "Key Uri Format"), its label as AWS's.
fn uri(name: &str, account: &str, seed: &Secret<String>) -> String {
    let label = percent_encode(format!("{name}@{account}").as_bytes());
    format!("otpauth://totp/{ISSUER}:{label}?secret={}&issuer={ISSUER}", seed.expose())
}

/// `EnableMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnableMFADevice {
    user_name: String,
    serial_number: String,
    authentication_code1: String,
    authentication_code2: String,
}

impl Write for EnableMFADevice {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (owner, _) = owner(to.directory(), to.caller, Some(&self.user_name))?;
        let is_virtual =
            arn::Arn::parse(&self.serial_number).is_some_and(|arn| arn.kind() == "mfa");
        if !is_virtual {
            return Err(fault::MFA_NOT_VIRTUAL.with(&[&self.serial_number]));
        }
        let device = existing(to.directory(), &self.serial_number)?.row;
        if device.enabled.is_some() {
            return Err(fault::MFA_DEVICE_IN_USE.with(&[]));
        }
        check_shown(to, &owner)?;
        let count = || Ok(mfa::list(to.directory(), Some(&owner))?.len());
        quota(to.tx, count, DEVICES_QUOTA, "MFADevicesPerUser")?;
        let codes = [self.authentication_code1.as_str(), &self.authentication_code2];
        // A device that was somebody's before does not take that one's codes again.
        let last = to.facts.last_step(&device.id)?.max(device.step);
        let (step, ahead) = clock(to, &device, codes, last)?;
        Ok(to.tx.record(MfaDeviceEnabled { device: device.id, owner, step, ahead })?)
    }
}

/// `ResyncMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResyncMFADevice {
    user_name: String,
    serial_number: String,
    authentication_code1: String,
    authentication_code2: String,
}

impl Write for ResyncMFADevice {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (owner, _) = owner(to.directory(), to.caller, Some(&self.user_name))?;
        let (Device { row, .. }, _) = of_owner(to.directory(), &self.serial_number, &owner)?;
        let codes = [self.authentication_code1.as_str(), &self.authentication_code2];
        let last = to.facts.last_step(&row.id)?.max(row.step);
        let (step, ahead) = clock(to, &row, codes, last)?;
        Ok(to.tx.record(MfaDeviceResynced { device: row.id, step, ahead })?)
    }
}

/// `DeactivateMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeactivateMFADevice {
    user_name: Option<String>,
    serial_number: String,
}

impl Write for DeactivateMFADevice {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let (owner, _) = owner(to.directory(), to.caller, self.user_name.as_deref())?;
        let (Device { row, .. }, _) = of_owner(to.directory(), &self.serial_number, &owner)?;
        check_shown(to, &owner)?;
        Ok(to.tx.record(MfaDeviceDeactivated { device: row.id })?)
    }
}

/// `DeleteVirtualMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteVirtualMFADevice {
    serial_number: String,
}

impl Write for DeleteVirtualMFADevice {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let Device { row, .. } = existing(to.directory(), &self.serial_number)?;
        if row.enabled.is_some() {
            return Err(fault::MUST_DEACTIVATE.with(&[]));
        }
        to.tx.drop_secret(&row.commitment);
        Ok(to.tx.record(MfaDeviceDeleted { device: row.id })?)
    }
}

/// `GetMFADevice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetMFADevice {
    serial_number: String,
    user_name: Option<String>,
}

/// A device, and whose it is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetMFADeviceResult {
    user_name: String,
    serial_number: String,
    enable_date: Timestamp,
}

impl Read for GetMFADevice {
    fn read(self, at: &Reading<'_>) -> Result<GetMFADeviceResult, Fault> {
        let (owner, user_name) = owner(at.directory, at.caller, self.user_name.as_deref())?;
        let (device, enabled) = of_owner(at.directory, &self.serial_number, &owner)?;
        let (serial_number, enable_date) = (device.serial, enabled.since);
        Ok(GetMFADeviceResult { user_name, serial_number, enable_date })
    }
}

/// `ListMFADevices`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMFADevices {
    user_name: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of a user's devices.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMFADevicesResult {
    #[serde(rename = "MFADevices")]
    mfa_devices: Vec<MFADevice>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MFADevice {
    user_name: String,
    serial_number: String,
    enable_date: Timestamp,
}

impl Read for ListMFADevices {
    fn read(self, at: &Reading<'_>) -> Result<ListMFADevicesResult, Fault> {
        let (owner, user_name) = owner(at.directory, at.caller, self.user_name.as_deref())?;
        let devices = mfa::list(at.directory, Some(&owner))?;
        let paged = page(devices, serial_key, self.max_items, self.marker.as_deref())?;
        let shown = paged.items.into_iter().filter_map(|device| {
            let enable_date = device.row.enabled?.since;
            Some(MFADevice {
                user_name: user_name.clone(),
                serial_number: device.serial,
                enable_date,
            })
        });
        Ok(ListMFADevicesResult {
            mfa_devices: shown.collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

fn serial_key(device: &Device) -> String {
    device.serial.to_lowercase()
}

/// Which devices are listed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum AssignmentStatus {
    Assigned,
    Unassigned,
    #[default]
    Any,
}

/// `ListVirtualMFADevices`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListVirtualMFADevices {
    #[serde(default)]
    assignment_status: AssignmentStatus,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of devices, without their seeds and tags.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListVirtualMFADevicesResult {
    #[serde(rename = "VirtualMFADevices")]
    virtual_mfa_devices: Vec<VirtualMFADevice>,
    is_truncated: bool,
    marker: Option<String>,
}

impl Read for ListVirtualMFADevices {
    fn read(self, at: &Reading<'_>) -> Result<ListVirtualMFADevicesResult, Fault> {
        let mut devices = mfa::list(at.directory, None)?;
        devices.retain(|device| match self.assignment_status {
            AssignmentStatus::Assigned => device.row.enabled.is_some(),
            AssignmentStatus::Unassigned => device.row.enabled.is_none(),
            AssignmentStatus::Any => true,
        });
        let paged = page(devices, serial_key, self.max_items, self.marker.as_deref())?;
        let shown = paged.items.into_iter().map(|device| {
            let enabled = device.row.enabled.as_ref();
            let user =
                enabled.map(|enabled| holder_of(at.directory, &enabled.owner)).transpose()?;
            Ok(VirtualMFADevice {
                serial_number: device.serial,
                base32_string_seed: None,
                qr_code_png: None,
                user: user.flatten(),
                enable_date: enabled.map(|enabled| enabled.since),
                tags: None,
            })
        });
        Ok(ListVirtualMFADevicesResult {
            virtual_mfa_devices: shown.collect::<Result<_, Fault>>()?,
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// Whose a device is, as an answer shows it.
fn holder_of(directory: Directory<'_>, owner: &UniqueId) -> Result<Option<UserOrRoot>, Fault> {
    if *owner == UniqueId::root() {
        return Ok(Some(UserOrRoot::Root(RootUser::of(directory)?)));
    }
    let user = directory.by_id::<UserRow>(owner)?;
    Ok(user.map(|user| UserOrRoot::User(User::brief(&user))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_says_what_authenticators_take() {
        let seed = Secret::new("GEZDGNBVGY3TQOJQ".to_owned());
        assert_eq!(
            uri("alice+1", "acme", &seed),
            "otpauth://totp/domesday:alice%2B1%40acme?secret=GEZDGNBVGY3TQOJQ&issuer=domesday"
        );
    }
}
