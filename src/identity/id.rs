//! Unique ids and account digits.

use std::fmt;

use bincode::{Decode, Encode};

use crate::base::random::{Random, RandomError, random_text};

/// What a unique id names; each kind has AWS's four-letter prefix.
///
/// Source: IAM User Guide, "IAM identifiers", unique ID prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// IAM user, `AIDA`.
    User,
    /// User group, `AGPA`.
    Group,
    /// Role, `AROA`.
    Role,
    /// Managed policy, `ANPA`.
    Policy,
    /// Instance profile, `AIPA`.
    InstanceProfile,
    /// Access key, `AKIA`.
    AccessKey,
    /// Access key of temporary credentials, `ASIA`.
    SessionKey,
    /// Service-specific credential, `ACCA`.
    ServiceCredential,
    /// Multi-factor device, `AMFA`: AWS shows none, so the prefix is our own.
    MfaDevice,
}

impl IdKind {
    /// Every kind.
    pub const ALL: [IdKind; 9] = [
        IdKind::User,
        IdKind::Group,
        IdKind::Role,
        IdKind::Policy,
        IdKind::InstanceProfile,
        IdKind::AccessKey,
        IdKind::SessionKey,
        IdKind::ServiceCredential,
        IdKind::MfaDevice,
    ];

    /// The prefix.
    pub const fn prefix(self) -> &'static str {
        match self {
            IdKind::User => "AIDA",
            IdKind::Group => "AGPA",
            IdKind::Role => "AROA",
            IdKind::Policy => "ANPA",
            IdKind::InstanceProfile => "AIPA",
            IdKind::AccessKey => "AKIA",
            IdKind::SessionKey => "ASIA",
            IdKind::ServiceCredential => "ACCA",
            IdKind::MfaDevice => "AMFA",
        }
    }
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters after the prefix: AWS's ids have 21 in all, access key ids 20.
const ENTITY_TAIL: usize = 17;
const KEY_TAIL: usize = 16;

/// A unique id such as `AIDACKCEVSQ6C2EXAMPLE`: never given twice, so that a recreated name is not
/// mistaken for the old one. The account's root user has the id `root`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct UniqueId(String);

impl UniqueId {
    /// A fresh id.
    pub fn generate(kind: IdKind, random: &dyn Random) -> Result<Self, RandomError> {
        let tail = match kind {
            IdKind::AccessKey | IdKind::SessionKey => KEY_TAIL,
            _ => ENTITY_TAIL,
        };
        Ok(UniqueId(format!("{}{}", kind.prefix(), random_text(random, ALPHABET, tail)?)))
    }

    /// The id of an account's root user and of the account as a subject.
    pub fn root() -> Self {
        UniqueId("root".into())
    }

    /// From text that is an id already: letters and digits, at most 24; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 24 && text.bytes().all(|b| b.is_ascii_alphanumeric()))
            .then(|| UniqueId(text.to_owned()))
    }

    /// What it names, by its prefix.
    pub fn kind(&self) -> Option<IdKind> {
        IdKind::ALL.into_iter().find(|kind| self.0.starts_with(kind.prefix()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for UniqueId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Fresh account digits: 12, the first not zero.
pub fn new_account_digits(random: &dyn Random) -> Result<String, RandomError> {
    Ok(random_text(random, b"123456789", 1)? + &random_text(random, b"0123456789", 11)?)
}

/// Whether text is a 12-digit account id.
pub fn is_account_digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn ids_have_the_shape_of_aws() {
        let random = SeededRandom::new(3);
        for kind in IdKind::ALL {
            let id = UniqueId::generate(kind, &random).unwrap();
            let length = match kind {
                IdKind::AccessKey | IdKind::SessionKey => 20,
                _ => 21,
            };
            assert_eq!((id.as_str().len(), id.kind()), (length, Some(kind)));
            assert_eq!(UniqueId::parse(id.as_str()), Some(id));
        }
        assert!(is_account_digits(&new_account_digits(&random).unwrap()));
        assert_eq!(UniqueId::parse("AIDA/../x"), None);
    }
}
