//! Login profiles: the passwords with which users sign in.
//!
//! An event holds a commitment to the password's hash; the hash itself lies with the secrets, and goes
//! with the password.

use serde::{Deserialize, Serialize};

use super::shapes::{named_or_own, need};
use crate::base::time::Timestamp;
use crate::identity::change::{
    Commitment, LoginProfileCreated, LoginProfileDeleted, LoginProfileUpdated,
};
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::{LOGIN_PROFILES, LoginProfileRow, UserRow};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::password::Password;
use crate::service::target;

operations! { Iam:
    write CreateLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => LoginProfileAnswer,
    read GetLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => LoginProfileAnswer,
    write UpdateLoginProfile on |op, scene| target::named::<UserRow>(scene, &op.user_name) => (),
    write DeleteLoginProfile on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => (),
}

/// A user's login profile, which must exist.
fn profile(directory: Directory<'_>, user: &Named<UserRow>) -> Result<LoginProfileRow, Fault> {
    let found = directory.reader.get(directory.account, &LOGIN_PROFILES, &user.row.id)?;
    found.ok_or_else(|| fault::NO_LOGIN_PROFILE.with(&[&user.name]))
}

/// Holds a password to the account's rules and keeps its hash.
fn keep(
    to: &mut Writing<'_, '_>,
    user: &UniqueId,
    password: &Password,
) -> Result<Commitment, Fault> {
    let directory = to.directory();
    let account = directory.account_row()?;
    let account = account.ok_or_else(|| Fault::internal("a user without an account"))?;
    let root = UniqueId::root();
    let name = directory.open(&root, "account name", &account.name)?;
    let email = directory.open(&root, "email", &account.email)?;
    password.check(&[&name, &email])?;
    Ok(to.tx.keep_secret(user, "password", password.hashed()?)?)
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
        let commitment = keep(to, &user.row.id, &password)?;
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

    fn password(&mut self) -> Option<&mut Password> {
        self.password.as_mut()
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
        let commitment = match &self.password {
            None => None,
            Some(password) => Some(keep(to, &user.row.id, password)?),
        };
        let reset_required =
            self.password_reset_required.filter(|required| *required != old.reset_required);
        if commitment.is_none() && reset_required.is_none() {
            return Ok(());
        }
        if commitment.is_some() {
            to.tx.drop_secret(&old.commitment);
        }
        Ok(to.tx.record(LoginProfileUpdated { user: user.row.id, commitment, reset_required })?)
    }

    fn password(&mut self) -> Option<&mut Password> {
        self.password.as_mut()
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
        to.tx.drop_secret(&old.commitment);
        Ok(to.tx.record(LoginProfileDeleted { user: user.row.id })?)
    }
}
