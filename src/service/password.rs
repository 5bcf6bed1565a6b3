//! A password that an operation sets: held to AWS's rules, hashed before the single writer takes the
//! operation.
//!
//! Hashing takes tens of milliseconds and 19 MiB. Inside the writer it would hold up everybody who
//! changes anything; so the service asks each operation for the password that it sets
//! ([`super::operation::Write::password`]) and hashes it on a thread of its own, few at a time and only
//! for a caller who may set it. The plain text stays until the writer has held it to the rules, which
//! depend on the account.

use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;

use super::fault::{self, Fault};
use super::founding::hash_password;
use crate::base::random::Random;
use crate::base::secret::Secret;

/// Passwords that are hashed at once: whoever may set them takes neither all cores nor much memory.
pub static HASHERS: Semaphore = Semaphore::const_new(2);

/// Characters that a password has at least, where the account has no rules of its own.
///
/// Source: IAM User Guide, "Default password policy".
const SHORTEST: usize = 8;
/// Of upper-case letters, lower-case letters, digits and symbols, so many kinds at least.
const KINDS: usize = 3;
/// What counts as a symbol.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// A password on its way from a request to its hash.
#[derive(Clone, Debug)]
pub struct Password {
    plain: Secret<String>,
    hash: Option<Secret<String>>,
}

impl Password {
    /// Hashes it with argon2id. Takes tens of milliseconds: not for async threads, nor the writer.
    ///
    /// # Errors
    /// `ServiceFailure` if there is no randomness.
    pub fn hash(&mut self, random: &dyn Random) -> Result<(), Fault> {
        self.hash = Some(hash_password(&self.plain, random)?);
        Ok(())
    }

    /// The hash in PHC form.
    ///
    /// # Errors
    /// `ServiceUnavailable` if it was not made because the caller could not set a password when it asked,
    /// but can by now.
    pub fn hashed(&self) -> Result<&Secret<String>, Fault> {
        self.hash.as_ref().ok_or_else(|| Fault::unavailable("permissions changed meanwhile"))
    }

    /// Holds it to the rules that AWS has where an account sets none: long enough, mixed, and none of
    /// `names` - the account's name and its root user's e-mail address.
    ///
    /// # Errors
    /// `PasswordPolicyViolation`, which tells the first rule that is broken.
    pub fn check(&self, names: &[&str]) -> Result<(), Fault> {
        let plain = self.plain.expose();
        if plain.chars().count() < SHORTEST {
            return Err(fault::PASSWORD_SHORT.with(&[&SHORTEST.to_string()]));
        }
        let kinds: [fn(char) -> bool; 4] = [
            |character| character.is_ascii_uppercase(),
            |character| character.is_ascii_lowercase(),
            |character| character.is_ascii_digit(),
            |character| SYMBOLS.contains(character),
        ];
        if kinds.iter().filter(|kind| plain.contains(**kind)).count() < KINDS {
            return Err(fault::PASSWORD_PLAIN.with(&[&KINDS.to_string(), SYMBOLS]));
        }
        if names.iter().any(|name| name.to_lowercase() == plain.to_lowercase()) {
            return Err(fault::PASSWORD_NAME.with(&[]));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Password { plain: Secret::deserialize(from)?, hash: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(plain: &str) -> Password {
        Password { plain: Secret::new(plain.to_owned()), hash: None }
    }

    #[test]
    fn rules_are_held() {
        let names = ["Example Corp 1", "Root+1@example.com"];
        for good in ["Abcdefg1", "abcdefg1!", "ABCDEFG1'", "Abcdefg|", "Äbcdefg1A"] {
            assert_eq!(password(good).check(&names), Ok(()), "{good}");
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
            let refused = password(bad).check(&names).unwrap_err();
            assert_eq!((refused.code, refused.status), ("PasswordPolicyViolation", 400), "{bad}");
            assert!(bad.is_empty() || !refused.message.contains(bad), "it tells the password");
        }
    }

    #[test]
    fn neither_text_nor_hash_is_printed() {
        let mut password = password("Abcdefg1");
        assert_eq!(password.hashed().unwrap_err().code, "ServiceUnavailable");
        password.hash(&crate::base::random::SeededRandom::new(1)).unwrap();
        let hash = password.hashed().unwrap().expose().clone();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let printed = format!("{password:?}");
        assert!(!printed.contains("Abcdefg1") && !printed.contains("argon2"), "{printed}");
    }
}
