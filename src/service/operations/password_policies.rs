//! The account's own rules for passwords. What they demand is in [`crate::service::password_policy`].

use serde::{Deserialize, Serialize};

use crate::identity::change::{PasswordPolicyDeleted, PasswordPolicySet};
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::password_policy;
use crate::service::target::Target;

operations! { Iam:
    write UpdateAccountPasswordPolicy on |op, scene| Ok(Target::any()) => (),
    read GetAccountPasswordPolicy on |op, scene| Ok(Target::any()) => GetAccountPasswordPolicyResult,
    write DeleteAccountPasswordPolicy on |op, scene| Ok(Target::any()) => (),
}

/// Characters that a password has at least, where rules do not say how many.
const DEFAULT_LENGTH: u32 = 6;

/// `UpdateAccountPasswordPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateAccountPasswordPolicy {
    minimum_password_length: Option<u32>,
    #[serde(default)]
    require_symbols: bool,
    #[serde(default)]
    require_numbers: bool,
    #[serde(default)]
    require_uppercase_characters: bool,
    #[serde(default)]
    require_lowercase_characters: bool,
    #[serde(default)]
    allow_users_to_change_password: bool,
    max_password_age: Option<u32>,
    password_reuse_prevention: Option<u32>,
    hard_expiry: Option<bool>,
}

impl Write for UpdateAccountPasswordPolicy {
    /// What is not given becomes what it is by default, whatever it was before.
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        Ok(to.tx.record(PasswordPolicySet {
            minimum_length: self.minimum_password_length.unwrap_or(DEFAULT_LENGTH),
            symbols: self.require_symbols,
            numbers: self.require_numbers,
            uppercase: self.require_uppercase_characters,
            lowercase: self.require_lowercase_characters,
            users_may_change: self.allow_users_to_change_password,
            max_age_days: self.max_password_age,
            reuse_prevention: self.password_reuse_prevention,
            hard_expiry: self.hard_expiry,
        })?)
    }
}

/// `GetAccountPasswordPolicy`
#[derive(Deserialize)]
pub struct GetAccountPasswordPolicy {}

/// The account's own rules.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccountPasswordPolicyResult {
    password_policy: PasswordPolicy,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PasswordPolicy {
    minimum_password_length: u32,
    require_symbols: bool,
    require_numbers: bool,
    require_uppercase_characters: bool,
    require_lowercase_characters: bool,
    allow_users_to_change_password: bool,
    expire_passwords: bool,
    max_password_age: Option<u32>,
    password_reuse_prevention: Option<u32>,
    hard_expiry: Option<bool>,
}

impl Read for GetAccountPasswordPolicy {
    fn read(self, at: &Reading<'_>) -> Result<GetAccountPasswordPolicyResult, Fault> {
        let Some(row) = password_policy::of(at.directory)? else {
            return Err(fault::NO_PASSWORD_POLICY.with(&[&at.directory.digits()?]));
        };
        Ok(GetAccountPasswordPolicyResult {
            password_policy: PasswordPolicy {
                minimum_password_length: row.minimum_length,
                require_symbols: row.symbols,
                require_numbers: row.numbers,
                require_uppercase_characters: row.uppercase,
                require_lowercase_characters: row.lowercase,
                allow_users_to_change_password: row.users_may_change,
                expire_passwords: row.max_age_days.is_some(),
                max_password_age: row.max_age_days,
                password_reuse_prevention: row.reuse_prevention,
                hard_expiry: row.hard_expiry,
            },
        })
    }
}

/// `DeleteAccountPasswordPolicy`
#[derive(Deserialize)]
pub struct DeleteAccountPasswordPolicy {}

impl Write for DeleteAccountPasswordPolicy {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        if password_policy::of(to.directory())?.is_none() {
            return Err(fault::NO_PASSWORD_POLICY.with(&[&to.directory().digits()?]));
        }
        Ok(to.tx.record(PasswordPolicyDeleted {})?)
    }
}
