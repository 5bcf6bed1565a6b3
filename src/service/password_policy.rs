//! What an account demands of its users' passwords: by its own rules, or by AWS's where it has none.
//!
//! Length and kinds of characters are demanded of whatever is set from then on; age is told of a password as it
//! stands ([`standing`]): rules that are made today may find that it is too old today. None of this is about the
//! root user's password.
//!
//! Source: IAM User Guide, "Set an account password policy for IAM users", "Default password policy" among it;
//! API reference, `UpdateAccountPasswordPolicy` and `PasswordPolicy`.

use std::sync::Arc;

use super::documents::Documents;
use super::fault::{self, Fault};
use crate::base::time::Timestamp;
use crate::identity::change::Commitment;
use crate::identity::id::UniqueId;
use crate::policy::{Attached, Document, Label};
use crate::projection::ProjectionError;
use crate::projection::directory::Directory;
use crate::projection::tables::{
    LOGIN_PROFILES, LoginProfileRow, OLD_PASSWORDS, PASSWORD_POLICY, PasswordPolicyRow,
};
use crate::projection::view::ReadTables;

/// Characters that a password has at least, where the account has no rules of its own.
const SHORTEST: u32 = 8;
/// Of upper-case letters, lower-case letters, digits and symbols, so many kinds at least, likewise.
const KINDS: usize = 3;
/// What counts as a symbol.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";
/// Passwords whose hashes are kept, the present one among them: as many as a rule can forbid to use again.
pub const REMEMBERED: usize = 24;

const SECONDS_OF_DAY: i64 = 86_400;

/// A kind of characters: whether one is of it, and what a password lacks that has none.
type Kind = (fn(char) -> bool, &'static str);

const UPPERCASE: Kind = (
    |character| character.is_ascii_uppercase(),
    "Password should have at least one uppercase letter",
);
const LOWERCASE: Kind = (
    |character| character.is_ascii_lowercase(),
    "Password should have at least one lowercase letter",
);
const NUMBER: Kind =
    (|character| character.is_ascii_digit(), "Password should have at least one number");
const SYMBOL: Kind =
    (|character| SYMBOLS.contains(character), "Password should have at least one symbol");

/// The account's own rules; `None` if AWS's apply.
pub fn of(directory: Directory<'_>) -> Result<Option<PasswordPolicyRow>, ProjectionError> {
    directory.reader.get(directory.account, &PASSWORD_POLICY, &())
}

/// Holds a password to the rules of a directory's account, those about earlier passwords aside.
///
/// # Errors
/// `PasswordPolicyViolation`, which tells what is missing.
pub fn check(directory: Directory<'_>, password: &str) -> Result<(), Fault> {
    let [name, email] = names(directory)?;
    hold(password, of(directory)?.as_ref(), &[&name, &email])
}

/// Holds a root user's password to AWS's rules: the account's own are for its users.
///
/// # Errors
/// As [`check`].
pub fn check_root(directory: Directory<'_>, password: &str) -> Result<(), Fault> {
    let [name, email] = names(directory)?;
    hold(password, None, &[&name, &email])
}

/// What no password may be: the account's name, and its root user's e-mail address.
fn names(directory: Directory<'_>) -> Result<[String; 2], Fault> {
    let account = directory.account_row()?;
    let account = account.ok_or_else(|| Fault::internal("a user without an account"))?;
    let root = UniqueId::root();
    let name = directory.open(&root, "account name", &account.name)?;
    Ok([name, directory.open(&root, "email", &account.email)?])
}

/// `names` are what a password must not be: the account's name and its root user's e-mail address.
fn hold(password: &str, policy: Option<&PasswordPolicyRow>, names: &[&str]) -> Result<(), Fault> {
    let shortest = policy.map_or(SHORTEST, |policy| policy.minimum_length);
    let length = u32::try_from(password.chars().count()).unwrap_or(u32::MAX);
    if length < shortest {
        return Err(fault::PASSWORD_SHORT.with(&[&shortest.to_string()]));
    }
    let demanded = match policy {
        None => [true; 4],
        Some(policy) => [policy.uppercase, policy.lowercase, policy.numbers, policy.symbols],
    };
    let kinds = [UPPERCASE, LOWERCASE, NUMBER, SYMBOL].into_iter().zip(demanded);
    let missing: Vec<&str> = kinds
        .filter(|((is_of_kind, _), demanded)| *demanded && !password.contains(*is_of_kind))
        .map(|((_, lack), _)| lack)
        .collect();
    let may_lack = if policy.is_none() { 4 - KINDS } else { 0 };
    if let Some(lacking) = missing.len().checked_sub(may_lack).filter(|lacking| *lacking > 0) {
        let missing = missing.join(", ");
        return Err(match policy {
            None => fault::PASSWORD_PLAIN.with(&[&lacking.to_string(), &missing]),
            Some(_) => fault::PASSWORD_LACKS.with(&[&missing]),
        });
    }
    if names.iter().any(|name| name.to_lowercase() == password.to_lowercase()) {
        return Err(fault::PASSWORD_NAME.with(&[]));
    }
    Ok(())
}

/// What commits to the hashes of passwords that a user must not take again, the present one first.
pub fn forbidden(
    directory: Directory<'_>,
    user: &UniqueId,
) -> Result<Vec<Commitment>, ProjectionError> {
    let Directory { reader, account } = directory;
    let last = of(directory)?.and_then(|policy| policy.reuse_prevention).unwrap_or(0);
    let Some(profile) = reader.get(account, &LOGIN_PROFILES, user)? else { return Ok(Vec::new()) };
    let old = reader.get(account, &OLD_PASSWORDS, user)?.unwrap_or_default();
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    Ok(std::iter::once(profile.commitment).chain(old).take(last).collect())
}

/// What can be done with a user's password at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It opens the console.
    Good,
    /// It is good for nothing but to set another one: an administrator demanded that.
    ResetRequired,
    /// Likewise: it is too old.
    Expired,
    /// It is too old, and only an administrator can set another one.
    ExpiredHard,
}

/// How a password stands: the one place that says so.
pub fn standing(
    profile: &LoginProfileRow,
    policy: Option<&PasswordPolicyRow>,
    at: Timestamp,
) -> Standing {
    let is_old = expires(profile, policy).is_some_and(|end| end <= at);
    let is_hard = policy.is_some_and(|policy| policy.hard_expiry == Some(true));
    match (is_old, profile.reset_required) {
        (true, _) if is_hard => Standing::ExpiredHard,
        (_, true) => Standing::ResetRequired,
        (true, false) => Standing::Expired,
        (false, false) => Standing::Good,
    }
}

/// From when on a password is too old; `None` for never.
pub fn expires(profile: &LoginProfileRow, policy: Option<&PasswordPolicyRow>) -> Option<Timestamp> {
    let days = policy.and_then(|policy| policy.max_age_days)?;
    Some(profile.password_set.plus_seconds(i64::from(days) * SECONDS_OF_DAY))
}

/// How the password of a user stands; `None` if there is none.
pub fn standing_of(
    directory: Directory<'_>,
    user: &UniqueId,
    at: Timestamp,
) -> Result<Option<Standing>, ProjectionError> {
    let profile = directory.reader.get(directory.account, &LOGIN_PROFILES, user)?;
    let policy = of(directory)?;
    Ok(profile.map(|profile| standing(&profile, policy.as_ref(), at)))
}

/// What a user may do to itself without a policy that says so, in the words of the policy that AWS keeps for
/// the purpose, `IAMUserChangePassword`.
const OWN_PASSWORD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ChangePassword","Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:user/*/${aws:username}"]},{"Effect":"Allow","Action":"iam:GetAccountPasswordPolicy","Resource":"*"}]}"#;

/// Whether a user may change its own password by the account's rules, or because it must.
pub fn may_change_own(directory: Directory<'_>, user: &UniqueId) -> Result<bool, ProjectionError> {
    Ok(of(directory)?.is_some_and(|policy| policy.users_may_change)
        || directory
            .reader
            .get(directory.account, &LOGIN_PROFILES, user)?
            .is_some_and(|profile| profile.reset_required))
}

/// What judges a user besides its policies: it may change its password if the account's rules let everybody
/// do so, or if it must be changed at the next sign-in. It is a grant like any other: denials and boundaries
/// have their say.
pub fn grant(
    documents: &Documents,
    directory: Directory<'_>,
    user: &UniqueId,
) -> Result<Option<Attached>, Fault> {
    if !may_change_own(directory, user)? {
        return Ok(None);
    }
    let label = Label::new("password policy", "", "account");
    Ok(Some(Attached::new(own_password(documents)?, label)))
}

/// What lets a user change its own password.
pub fn own_password(documents: &Documents) -> Result<Arc<Document>, Fault> {
    documents.own(OWN_PASSWORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> PasswordPolicyRow {
        PasswordPolicyRow {
            minimum_length: 6,
            symbols: false,
            numbers: false,
            uppercase: false,
            lowercase: false,
            users_may_change: false,
            max_age_days: None,
            reuse_prevention: None,
            hard_expiry: None,
        }
    }

    #[test]
    fn the_default_rules_are_held() {
        let names = ["Example Corp 1", "Root+1@example.com"];
        for good in ["Abcdefg1", "abcdefg1!", "ABCDEFG1'", "Abcdefg|", "Äbcdefg1A"] {
            assert_eq!(hold(good, None, &names), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Abcde1!",
            "abcdefgh",
            "abcdefg1",
            "ABCDEFG1",
            // Neither an accented letter nor a quotation mark is of a kind.
            "Ébcdefg\"1",
            "root+1@example.com",
            "Root+1@example.com",
            "EXAMPLE corp 1",
        ] {
            let refused = hold(bad, None, &names).unwrap_err();
            assert_eq!((refused.code, refused.status), ("PasswordPolicyViolation", 400), "{bad}");
            assert!(bad.is_empty() || !refused.message.contains(bad), "it tells the password");
        }
        assert_eq!(
            hold("abcdefg1", None, &names).unwrap_err().message,
            "Password should meet 1 more of the following requirements: Password should have at \
             least one uppercase letter, Password should have at least one symbol"
        );
    }

    #[test]
    fn an_accounts_own_rules_take_their_place() {
        assert_eq!(hold("abcdef", Some(&policy()), &[]), Ok(()));
        assert!(hold("abcde", Some(&policy()), &[]).is_err());
        let strict = PasswordPolicyRow {
            minimum_length: 10,
            symbols: true,
            numbers: true,
            uppercase: true,
            lowercase: true,
            ..policy()
        };
        assert_eq!(hold("Abcdefgh1!", Some(&strict), &[]), Ok(()));
        for bad in ["Abcdefg1!", "abcdefgh1!", "ABCDEFGH1!", "Abcdefghi!", "Abcdefghi1"] {
            assert!(hold(bad, Some(&strict), &[]).is_err(), "{bad}");
        }
        assert_eq!(
            hold("abcdefghij", Some(&strict), &[]).unwrap_err().message,
            "Password should have at least one uppercase letter, Password should have at least one \
             number, Password should have at least one symbol"
        );
    }

    #[test]
    fn a_password_ages_by_the_rules_of_the_day() {
        let at = |days: i64| Timestamp::EPOCH.plus_seconds(days * SECONDS_OF_DAY);
        let profile = |reset_required| LoginProfileRow {
            created: at(0),
            password_set: at(10),
            commitment: [0; 32],
            reset_required,
        };
        let aging = PasswordPolicyRow { max_age_days: Some(90), ..policy() };
        let hard = PasswordPolicyRow { hard_expiry: Some(true), ..aging.clone() };
        let stands = |reset, policy: Option<&PasswordPolicyRow>, day| {
            standing(&profile(reset), policy, at(day))
        };
        assert_eq!(stands(false, None, 5_000), Standing::Good);
        assert_eq!(stands(true, None, 11), Standing::ResetRequired);
        assert_eq!(stands(false, Some(&aging), 99), Standing::Good);
        assert_eq!(stands(false, Some(&aging), 100), Standing::Expired);
        assert_eq!(stands(true, Some(&aging), 100), Standing::ResetRequired);
        assert_eq!(stands(true, Some(&hard), 99), Standing::ResetRequired);
        assert_eq!(stands(true, Some(&hard), 100), Standing::ExpiredHard);
        let never = PasswordPolicyRow { max_age_days: None, ..hard };
        assert_eq!(stands(false, Some(&never), 5_000), Standing::Good);
        assert_eq!(expires(&profile(false), Some(&aging)), Some(at(100)));
    }
}
