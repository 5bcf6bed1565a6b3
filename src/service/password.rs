//! Passwords on their way in: compared and hashed before the single writer takes the operation, and verified
//! for whoever shows one.
//!
//! A hash takes tens of milliseconds and 19 MiB. Inside the writer it would hold up everybody who changes
//! anything; so the service asks each operation whether it has something to hash
//! ([`super::operation::Write::hashing`]) and lets it do so on a thread of its own, few at a time
//! ([`HASHERS`]) and only for a caller who may. What is compared there - an old password with the present one,
//! a new one with those that must not come again - is kept by the commitments that it was compared with. The
//! writer looks at those that are in the rows by then: what was not compared meanwhile is asked again, never
//! let through.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;

use super::caller::Caller;
use super::fault::{self, Fault};
use super::founding::hash_password;
use super::guesses::Guesses;
use super::operation::{Prepared, Writing};
use super::{Call, Service, password_policy};
use crate::base::crypto;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::identity::change::{Commitment, NEVER_HERE};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCOUNT, LOGIN_PROFILES, LoginProfileRow};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, sealing};

/// Passwords that are hashed at once: whoever may set or show them takes neither all cores nor much memory.
pub static HASHERS: Semaphore = Semaphore::const_new(2);

/// The longest password that is compared, in bytes: the model's 128 characters take up to twice as many.
const LONGEST: usize = 256;

/// An operation with something to hash before the writer takes it.
pub trait Hashing {
    /// Hashes and compares, and keeps what came of it. Takes long: not for async threads, nor the writer.
    fn hash(&mut self, ahead: &Ahead<'_>) -> Result<(), Fault>;
}

/// What there is to hash with, before the writer.
pub struct Ahead<'a> {
    /// The caller's account, as it is now; the writer may find it changed.
    pub directory: Directory<'a>,
    /// Who asks.
    pub caller: &'a Caller,
    /// For salts.
    pub random: &'a dyn Random,
    /// How often somebody was wrong.
    pub guesses: &'a Guesses,
}

impl Service {
    /// Lets an operation hash what it has to hash. Whoever may not do it costs no hash: what is judged here
    /// is for that alone, the writer decides.
    pub(super) async fn hash(
        self: &Arc<Self>,
        call: Call,
        mut prepared: Prepared,
    ) -> Result<(Call, Prepared), Fault> {
        let has_some = match &mut prepared {
            Prepared::Write(operation) => operation.hashing().is_some(),
            _ => false,
        };
        if !has_some {
            return Ok((call, prepared));
        }
        let permit = HASHERS.acquire().await.map_err(Fault::internal)?;
        let service = self.clone();
        let hashing = move || {
            let _permit = permit;
            let now = service.now();
            let target = prepared.target(&service.scene(&now, &call.caller))?;
            let action = format!("{}:{}", call.api.prefix(), call.operation);
            let judge = service.judge(&now, now.cut().position);
            let refused = judge.judge(&call.caller, &action, &target)?.refusal.is_some();
            if let Prepared::Write(operation) = &mut prepared
                && let Some(hashing) = operation.hashing()
                && !refused
            {
                hashing.hash(&Ahead {
                    directory: Directory::new(&now, call.caller.account),
                    caller: &call.caller,
                    random: service.random(),
                    guesses: service.guesses(),
                })?;
            }
            Ok((call, prepared))
        };
        tokio::task::spawn_blocking(hashing).await.map_err(Fault::internal)?
    }
}

/// What compares with nothing: who has no password is answered as late as who has another one.
static NOBODYS: LazyLock<Option<Secret<String>>> = LazyLock::new(|| {
    let nobody = Secret::new("nobody's password".to_owned());
    crypto::hash_password(&nobody, &crate::base::random::SeededRandom::new(0)).ok()
});

/// Whether a password is that of a user or the root user (`root`). Whoever has none, or does not exist, is
/// answered as late as whoever has another one; any id will do for a name that nobody bears.
///
/// Blocks for tens of milliseconds: not for async threads, and only with a permit of [`HASHERS`]. Whoever is
/// asked by strangers counts their tries ([`Guesses`]).
pub fn verify(
    reader: &dyn Reader,
    account: AccountId,
    owner: &UniqueId,
    password: &Secret<String>,
) -> Result<bool, Fault> {
    let commitment = match *owner == UniqueId::root() {
        true => reader.get(account, &ACCOUNT, &())?.and_then(|row| row.root_password),
        false => reader.get(account, &LOGIN_PROFILES, owner)?.map(|row| row.commitment),
    };
    matches(reader, account, owner, commitment.as_ref(), password)
}

/// Whether a password is the one whose hash was committed to.
fn matches(
    reader: &dyn Reader,
    account: AccountId,
    owner: &UniqueId,
    commitment: Option<&Commitment>,
    password: &Secret<String>,
) -> Result<bool, Fault> {
    let hash = match commitment {
        None => None,
        Some(commitment) => sealing::open_secret(reader, account, owner, "password", commitment)?,
    };
    let is_short = password.expose().len() <= LONGEST;
    let known = hash.is_some() && is_short;
    let hash = hash.filter(|_| is_short).or_else(|| NOBODYS.clone());
    let hash = hash.ok_or_else(|| Fault::internal("nothing to compare a password with"))?;
    let shown = if is_short { password.clone() } else { Secret::new(String::new()) };
    let is_it = crypto::verify_password(&shown, hash.expose()).map_err(Fault::internal)?;
    Ok(is_it && known)
}

/// A password that an operation sets, on its way from a request to its hash.
#[derive(Clone, Debug)]
pub struct Password {
    plain: Secret<String>,
    hash: Option<Secret<String>>,
    /// What it was compared with, and whether it is that.
    compared: Vec<(Commitment, bool)>,
}

impl Password {
    /// Compares it with those that its user must not take again, and hashes it, unless it breaks a rule.
    pub fn hash(&mut self, ahead: &Ahead<'_>, user: &UniqueId) -> Result<(), Fault> {
        let directory = ahead.directory;
        if password_policy::check(directory, self.plain.expose()).is_err() {
            return Ok(());
        }
        for commitment in password_policy::forbidden(directory, user)? {
            let Directory { reader, account } = directory;
            let is_it = matches(reader, account, user, Some(&commitment), &self.plain)?;
            self.compared.push((commitment, is_it));
            if is_it {
                return Ok(());
            }
        }
        self.hash = Some(hash_password(&self.plain, ahead.random)?);
        Ok(())
    }

    /// Holds it to the account's rules and keeps its hash for its user.
    ///
    /// # Errors
    /// `PasswordPolicyViolation`, which tells what is missing; `ServiceUnavailable` if rules or permissions
    /// changed since it was hashed, so that it is to be asked again.
    pub fn keep(&self, to: &mut Writing<'_, '_>, user: &UniqueId) -> Result<Commitment, Fault> {
        if to.tx.is_repeated() {
            return Ok(NEVER_HERE);
        }
        password_policy::check(to.directory(), self.plain.expose())?;
        for commitment in password_policy::forbidden(to.directory(), user)? {
            match self.compared.iter().find(|(compared, _)| *compared == commitment) {
                Some((_, true)) => return Err(fault::PASSWORD_USED.with(&[])),
                Some((_, false)) => {}
                None => return Err(changed()),
            }
        }
        Ok(to.tx.keep_secret(user, "password", self.hash.as_ref().ok_or_else(changed)?)?)
    }

    /// Whether it is the same as one that was shown.
    pub fn is(&self, shown: &Shown) -> bool {
        crypto::equal(self.plain.expose().as_bytes(), shown.plain.expose().as_bytes())
    }
}

fn changed() -> Fault {
    Fault::unavailable("what it depends on changed meanwhile")
}

/// A password that somebody shows as the present one.
#[derive(Clone, Debug)]
pub struct Shown {
    plain: Secret<String>,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Compared with this one, and whether it is that.
    Compared(Commitment, bool),
    /// It was too early for another try.
    TooEarly(u64),
}

impl Shown {
    /// Compares it with the present one of its user; whether it is that. A try too many is not compared.
    pub fn compare(&mut self, ahead: &Ahead<'_>, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = ahead.directory;
        let Some(profile) = reader.get(account, &LOGIN_PROFILES, user)? else { return Ok(false) };
        if let Err(wait) = ahead.guesses.begin(account, user, ahead.caller.at) {
            self.outcome = Some(Outcome::TooEarly(wait));
            return Ok(false);
        }
        let commitment = profile.commitment;
        let is_it = matches(reader, account, user, Some(&commitment), &self.plain)?;
        if is_it {
            ahead.guesses.succeeded(account, user);
        }
        self.outcome = Some(Outcome::Compared(commitment, is_it));
        Ok(is_it)
    }

    /// Whether it was found to be the password of a profile.
    ///
    /// # Errors
    /// `AccessDenied` if it is another one, `LimitExceeded` after too many of them, `ServiceUnavailable` if
    /// the password was changed since it was compared.
    pub fn check(&self, profile: &LoginProfileRow) -> Result<(), Fault> {
        match self.outcome {
            Some(Outcome::TooEarly(wait)) => {
                Err(fault::TOO_MANY_GUESSES.with(&[&wait.to_string()]))
            }
            Some(Outcome::Compared(compared, is_it)) if compared == profile.commitment => {
                if is_it {
                    Ok(())
                } else {
                    Err(fault::WRONG_PASSWORD.with(&[]))
                }
            }
            _ => Err(changed()),
        }
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Password { plain: Secret::deserialize(from)?, hash: None, compared: Vec::new() })
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Shown { plain: Secret::deserialize(from)?, outcome: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_text_nor_hash_is_printed() {
        let plain = Secret::new("Abcdefg1".to_owned());
        let random = crate::base::random::SeededRandom::new(1);
        let hash = hash_password(&plain, &random).unwrap();
        assert!(hash.expose().starts_with("$argon2id$"), "{}", hash.expose());
        let shown = Shown { plain: plain.clone(), outcome: None };
        let password = Password { plain, hash: Some(hash), compared: Vec::new() };
        assert!(password.is(&shown));
        let printed = format!("{password:?}{shown:?}");
        assert!(!printed.contains("Abcdefg1") && !printed.contains("argon2"), "{printed}");
    }
}
