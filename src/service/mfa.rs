//! Second factors: which codes of virtual multi-factor devices are accepted.
//!
//! A device is a seed from which codes follow with the time (see [`crate::base::totp`]), and is a user's or the
//! root user's once two codes in a row have shown that they have it. [`check`] is the one place where a code is
//! accepted afterwards, for whoever is shown one.
//!
//! A code is good for the step that it is of, one before and one after, by the device's own clock: how far that
//! is ahead is found out when the device is enabled or resynchronised. It is good once (see
//! [`super::activity`]), and tries are counted by device (see [`super::guesses`]).
//!
//! Source: RFC 6238, sections 5.2 and 6; IAM User Guide, "Assign a virtual MFA device" and "Resynchronize
//! virtual and hardware MFA devices".

use super::fault::{Fault, MFA_NEEDS_BOTH, MFA_NO_DEVICE, MFA_TOO_EARLY, MFA_WRONG_CODE};
use super::operation::Prepared;
use super::{Call, Service};
use crate::base::secret::Secret;
use crate::base::text::from_base32;
use crate::base::time::Timestamp;
use crate::base::totp;
use crate::identity::arn::{self, Arn};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{MFA_DEVICES, MFA_DEVICES_OF, MfaDeviceRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader, View, sealing};

/// What a device's seed is called among its secrets.
pub const SEED: &str = "mfa seed";
/// Steps before and after the present one whose codes are accepted.
const WINDOW: u64 = 1;
/// Steps before and after the present one in which two codes in a row are looked for: with twelve digits there
/// is room for clocks that are far off.
const WIDE_WINDOW: u64 = 60;
/// A clock that is off by no more steps than this is taken to be right: somebody was slow to type.
const PUNCTUAL: i64 = 2;

/// A code that was accepted: it is used up, and to be noted so ([`super::activity::ActivityBook`]) before
/// anybody is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The device that showed it.
    pub device: UniqueId,
    /// The step that it was of.
    pub step: u64,
}

/// Why a code is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// The user has no such device, or none at all.
    #[error("the user has no such device")]
    NoDevice,
    /// It is another one, or was used before.
    #[error("the code is wrong, or was used before")]
    Wrong,
    /// After too many that were wrong, it is too early for another one by so many seconds.
    #[error("too many codes were wrong: try again in {0} seconds")]
    TooEarly(u64),
    /// The store.
    #[error(transparent)]
    Failed(#[from] ProjectionError),
}

/// A device with its name opened.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its row.
    pub row: MfaDeviceRow,
    /// Its name.
    pub name: String,
    /// Its serial number: a virtual device has its ARN for that.
    pub serial: String,
}

/// A device of a directory's account by its id.
pub fn by_id(directory: Directory<'_>, id: &UniqueId) -> Result<Option<Device>, ProjectionError> {
    let row = directory.reader.get(directory.account, &MFA_DEVICES, id)?;
    row.map(|row| opened(directory, row)).transpose()
}

fn opened(directory: Directory<'_>, row: MfaDeviceRow) -> Result<Device, ProjectionError> {
    let name = directory.open(&row.id, "name", &row.name)?;
    let serial = arn::iam(&directory.digits()?, "mfa", &row.path, &name);
    Ok(Device { row, name, serial })
}

/// A device of a directory's account by its serial number, to the letter.
pub fn by_serial(
    directory: Directory<'_>,
    serial: &str,
) -> Result<Option<Device>, ProjectionError> {
    let Some(parsed) = Arn::parse(serial).filter(|arn| arn.kind() == "mfa") else {
        return Ok(None);
    };
    let name = full_name(parsed.path(), parsed.name());
    let Some(id) = directory.find_id(NameKind::MfaDevice, &name)? else { return Ok(None) };
    Ok(by_id(directory, &id)?.filter(|device| device.serial == serial))
}

/// What a device is found by: names are unique with their paths.
pub fn full_name(path: &str, name: &str) -> String {
    format!("{path}{name}")
}

/// All devices, or those of one owner.
pub fn list(
    directory: Directory<'_>,
    owner: Option<&UniqueId>,
) -> Result<Vec<Device>, ProjectionError> {
    let Directory { reader, account } = directory;
    let Some(owner) = owner else {
        let rows = reader.list(account, &MFA_DEVICES, &())?;
        return rows.into_iter().map(|row| opened(directory, row)).collect();
    };
    let mut devices = Vec::new();
    for id in reader.list(account, &MFA_DEVICES_OF, owner)? {
        devices.extend(by_id(directory, &id)?);
    }
    Ok(devices)
}

/// The seed of a device; `None` if it was erased.
fn seed(
    directory: Directory<'_>,
    device: &MfaDeviceRow,
) -> Result<Option<Secret<Vec<u8>>>, ProjectionError> {
    let Directory { reader, account } = directory;
    let text = sealing::open_secret(reader, account, &device.id, SEED, &device.commitment)?;
    Ok(text.and_then(|text| from_base32(text.expose())).map(Secret::new))
}

/// Whether a user or the root user (`root`) has a second factor at all.
pub fn has_any(
    reader: &dyn Reader,
    account: AccountId,
    owner: &UniqueId,
) -> Result<bool, ProjectionError> {
    Ok(reader.count(account, &MFA_DEVICES_OF, owner)? > 0)
}

/// Checks a code of a user, or of the root user (`root`): of the device of a serial number or, without one, of
/// any device that is the user's. What is accepted is claimed: the same code is wrong from then on.
pub fn check(
    service: &Service,
    reader: &dyn Reader,
    (account, owner): (AccountId, &UniqueId),
    serial: Option<&str>,
    code: &str,
    at: Timestamp,
) -> Result<Accepted, NotAccepted> {
    let directory = Directory::new(reader, account);
    let mut devices = list(directory, Some(owner))?;
    devices.retain(|device| serial.is_none_or(|serial| serial == device.serial));
    let mut refused = NotAccepted::NoDevice;
    for Device { row, .. } in &devices {
        let Some(enabled) = &row.enabled else { continue };
        if let Err(wait) = service.guesses().begin(account, &row.id, at) {
            if !matches!(refused, NotAccepted::Wrong) {
                refused = NotAccepted::TooEarly(wait);
            }
            continue;
        }
        refused = NotAccepted::Wrong;
        let Some(seed) = seed(directory, row)? else { continue };
        let now = totp::step_at(at).saturating_add_signed(i64::from(enabled.ahead));
        let steps = now.saturating_sub(WINDOW)..=now.saturating_add(WINDOW);
        let Some(step) = totp::find(&seed, code, steps) else { continue };
        if service.activity().claim_step(&row.id, step, row.step)? {
            for Device { row, .. } in &devices {
                service.guesses().succeeded(account, &row.id);
            }
            return Ok(Accepted { device: row.id.clone(), step });
        }
    }
    Err(refused)
}

impl Service {
    /// The second factor that came with a request; `None` without one.
    ///
    /// # Errors
    /// `AccessDenied` if it is not accepted.
    pub(super) fn second_factor(
        &self,
        call: &Call,
        now: &View,
        prepared: &Prepared,
    ) -> Result<Option<Accepted>, Fault> {
        let given = match prepared {
            Prepared::Issue(operation) => operation.second_factor(),
            _ => (None, None),
        };
        let caller = &call.caller;
        match given {
            (None, None) => Ok(None),
            (Some(serial), Some(code)) => {
                let whose = (caller.account, &caller.principal_id());
                Ok(Some(check(self, now, whose, Some(serial), code, caller.at)?))
            }
            _ => Err(MFA_NEEDS_BOTH.with(&[])),
        }
    }
}

/// Where a device's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The step of the later of two codes.
    pub step: u64,
    /// Steps that it is ahead.
    pub ahead: i32,
}

/// Finds out where a device's clock stands by two codes in a row, both of them after the step `last`; `None` if
/// they are no such codes. Twelve digits are not guessed: tries are not counted.
pub fn clock(
    directory: Directory<'_>,
    device: &MfaDeviceRow,
    codes: [&str; 2],
    at: Timestamp,
    last: u64,
) -> Result<Option<Clock>, ProjectionError> {
    let Some(seed) = seed(directory, device)? else { return Ok(None) };
    let now = totp::step_at(at);
    let first = now.saturating_sub(WIDE_WINDOW).max(last.saturating_add(1));
    let [earlier, later] = codes;
    let mut found: Option<Clock> = None;
    for step in first..=now.saturating_add(WIDE_WINDOW) {
        let pair = totp::find(&seed, earlier, step..=step).is_some()
            & totp::find(&seed, later, step + 1..=step + 1).is_some();
        let ahead = (step + 1).cast_signed() - now.cast_signed();
        let is_nearer = found.is_none_or(|found| ahead.abs() < i64::from(found.ahead).abs());
        if pair && is_nearer {
            found = Some(Clock { step: step + 1, ahead: i32::try_from(ahead).unwrap_or(0) });
        }
    }
    let punctual = |clock: Clock| match i64::from(clock.ahead).abs() <= PUNCTUAL {
        true => Clock { ahead: 0, ..clock },
        false => clock,
    };
    Ok(found.map(punctual))
}

impl From<NotAccepted> for Fault {
    /// As STS says it.
    fn from(refused: NotAccepted) -> Self {
        match refused {
            NotAccepted::NoDevice => MFA_NO_DEVICE.with(&[]),
            NotAccepted::Wrong => MFA_WRONG_CODE.with(&[]),
            NotAccepted::TooEarly(wait) => MFA_TOO_EARLY.with(&[&wait.to_string()]),
            NotAccepted::Failed(error) => error.into(),
        }
    }
}
