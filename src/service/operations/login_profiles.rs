//! Login profiles: the passwords with which users sign in.
//!
//! An event holds a commitment to the password's hash; the hash itself lies with the secrets. When another
//! password takes its place it stays as long as the account's rules could ask for it, and all go with the
//! profile.

use serde::{Deserialize, Serialize};

use super::shapes::{named_or_own, need};
use crate::base::time::Timestamp;
use crate::identity::change::{
    Commitment, LoginProfileCreated, LoginProfileDeleted, LoginProfileUpdated, OldPasswordKept,
    OldPasswordsForgotten,
};
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::{LOGIN_PROFILES, LoginProfileRow, OLD_PASSWORDS, UserRow};
use crate::projection::view::ReadTables;
use crate::service::caller::Caller;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::password::{Ahead, Hashing, Password, Shown};
use crate::service::password_policy::REMEMBERED;
use crate::service::target;

operations! { Iam:
    write CreateLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => LoginProfileAnswer,
    read GetLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => LoginProfileAnswer,
    write UpdateLoginProfile on |op, scene| target::named::<UserRow>(scene, &op.user_name) => (),
    write ChangePassword on |op, scene| {
        own_user(scene.caller)?;
        target::user_or_self(scene, None)
    } => (),
    write DeleteLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
}

/// A user's login profile, which must exist.
fn profile(directory: Directory<'_>, user: &Named<UserRow>) -> Result<LoginProfileRow, Fault> {
    let found = directory.reader.get(directory.account, &LOGIN_PROFILES, &user.row.id)?;
    found.ok_or_else(|| fault::NO_LOGIN_PROFILE.with(&[&user.name]))
}

/// Gives a user who has a password another one, and keeps the old one's hash while rules may ask for it.
fn replace(
    to: &mut Writing<'_, '_>,
    user: &UniqueId,
    old: &LoginProfileRow,
    password: &Password,
    reset_required: Option<bool>,
) -> Result<(), Fault> {
    let commitment = password.keep(to, user)?;
    to.tx.record(OldPasswordKept { user: user.clone(), commitment: old.commitment })?;
    let kept = to.tx.get(to.tx.account(), &OLD_PASSWORDS, user)?.unwrap_or_default();
    let commitments: Vec<Commitment> = kept.into_iter().skip(REMEMBERED - 1).collect();
    commitments.iter().for_each(|forgotten| to.tx.drop_secret(forgotten));
    if !commitments.is_empty() {
        to.tx.record(OldPasswordsForgotten { user: user.clone(), commitments })?;
    }
    let (user, commitment) = (user.clone(), Some(commitment));
    Ok(to.tx.record(LoginProfileUpdated { user, commitment, reset_required })?)
}

/// A login profile.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoginProfileAnswer {
    login_profile: LoginProfile,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoginProfile {
    user_name: String,
    create_date: Timestamp,
    password_reset_required: bool,
}

/// `CreateLoginProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateLoginProfile {
    user_name: Option<String>,
    password: Option<Password>,
    #[serde(default)]
    password_reset_required: bool,
}

impl Write for CreateLoginProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<LoginProfileAnswer, Fault> {
        let user = named_or_own(to.directory(), to.caller, self.user_name.as_deref())?;
        // The model lets it be left out for sessions over member accounts alone, which there are none of.
        let password = self.password.ok_or_else(|| fault::PASSWORD_MISSING.with(&[]))?;
        if to.tx.get(to.tx.account(), &LOGIN_PROFILES, &user.row.id)?.is_some() {
            return Err(fault::LOGIN_PROFILE_EXISTS.with(&[&user.name]));
        }
        let commitment = password.keep(to, &user.row.id)?;
        to.tx.record(LoginProfileCreated {
            user: user.row.id,
            commitment,
            reset_required: self.password_reset_required,
        })?;
        Ok(LoginProfileAnswer {
            login_profile: LoginProfile {
                user_name: user.name,
                create_date: to.tx.at(),
                password_reset_required: self.password_reset_required,
            },
        })
    }

    fn hashing(&mut self) -> Option<&mut dyn Hashing> {
        self.password.is_some().then_some(self)
    }
}

impl Hashing for CreateLoginProfile {
    fn hash(&mut self, ahead: &Ahead<'_>) -> Result<(), Fault> {
        let Ahead { directory, caller, .. } = ahead;
        let Ok(user) = named_or_own(*directory, caller, self.user_name.as_deref()) else {
            return Ok(());
        };
        self.password.iter_mut().try_for_each(|password| password.hash(ahead, &user.row.id))
    }
}

/// `GetLoginProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetLoginProfile {
    user_name: Option<String>,
}

impl Read for GetLoginProfile {
    fn read(self, at: &Reading<'_>) -> Result<LoginProfileAnswer, Fault> {
        let user = named_or_own(at.directory, at.caller, self.user_name.as_deref())?;
        let row = profile(at.directory, &user)?;
        Ok(LoginProfileAnswer {
            login_profile: LoginProfile {
                user_name: user.name,
                create_date: row.created,
                password_reset_required: row.reset_required,
            },
        })
    }
}

/// `UpdateLoginProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateLoginProfile {
    user_name: String,
    password: Option<Password>,
    password_reset_required: Option<bool>,
}

impl Write for UpdateLoginProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = need::<UserRow>(to.directory(), &self.user_name)?;
        let old = profile(to.directory(), &user)?;
        let reset_required =
            self.password_reset_required.filter(|required| *required != old.reset_required);
        match (&self.password, reset_required) {
            (Some(password), _) => replace(to, &user.row.id, &old, password, reset_required),
            (None, None) => Ok(()),
            (None, Some(_)) => {
                let (user, commitment) = (user.row.id, None);
                Ok(to.tx.record(LoginProfileUpdated { user, commitment, reset_required })?)
            }
        }
    }

    fn hashing(&mut self) -> Option<&mut dyn Hashing> {
        self.password.is_some().then_some(self)
    }
}

impl Hashing for UpdateLoginProfile {
    fn hash(&mut self, ahead: &Ahead<'_>) -> Result<(), Fault> {
        let Some(user) = ahead.directory.find::<UserRow>(&self.user_name)? else { return Ok(()) };
        self.password.iter_mut().try_for_each(|password| password.hash(ahead, &user.row.id))
    }
}

/// `ChangePassword`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangePassword {
    old_password: Shown,
    new_password: Password,
}

/// Whoever calls, if it is a user.
fn own_user(caller: &Caller) -> Result<&UniqueId, Fault> {
    let own = caller.own_user().map_err(|_| fault::NOT_A_USER.with(&[]))?;
    Ok(own.0)
}

impl Write for ChangePassword {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = named_or_own(to.directory(), to.caller, None)?;
        let old = profile(to.directory(), &user)?;
        if !to.tx.is_repeated() {
            self.old_password.check(&old)?;
        }
        // It is no change, and would end the duty to make one.
        if self.new_password.is(&self.old_password) {
            return Err(fault::PASSWORD_USED.with(&[]));
        }
        let reset_required = old.reset_required.then_some(false);
        replace(to, &user.row.id, &old, &self.new_password, reset_required)
    }

    fn hashing(&mut self) -> Option<&mut dyn Hashing> {
        Some(self)
    }
}

impl Hashing for ChangePassword {
    fn hash(&mut self, ahead: &Ahead<'_>) -> Result<(), Fault> {
        let user = own_user(ahead.caller)?;
        match self.old_password.compare(ahead, user)? {
            true => self.new_password.hash(ahead, user),
            false => Ok(()),
        }
    }
}

/// `DeleteLoginProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteLoginProfile {
    user_name: Option<String>,
}

impl Write for DeleteLoginProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = named_or_own(to.directory(), to.caller, self.user_name.as_deref())?;
        let old = profile(to.directory(), &user)?;
        let kept = to.tx.get(to.tx.account(), &OLD_PASSWORDS, &user.row.id)?.unwrap_or_default();
        kept.iter().chain([&old.commitment]).for_each(|commitment| to.tx.drop_secret(commitment));
        Ok(to.tx.record(LoginProfileDeleted { user: user.row.id })?)
    }
}
