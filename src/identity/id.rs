//! Unique ids and account digits.

use std::fmt;

use arrayvec::ArrayString;
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
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

/// Characters of the longest id.
const LONGEST: usize = 24;

/// A unique id such as `AIDACKCEVSQ6C2EXAMPLE`: never given twice, so that a recreated name is not
/// mistaken for the old one. The account's root user has the id `root`.
///
/// Ids are in every row and event, and are read by the million: they need no memory of their own. Stored, one is a
/// text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(ArrayString<LONGEST>);

impl Encode for UniqueId {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.as_str().encode(encoder)
    }
}

impl<C> Decode<C> for UniqueId {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = usize::try_from(u64::decode(decoder)?).unwrap_or(usize::MAX);
        decoder.claim_bytes_read(length)?;
        let mut bytes = [0; LONGEST];
        let too_long = DecodeError::Other("a unique id is too long");
        let bytes = bytes.get_mut(..length).ok_or(too_long)?;
        decoder.reader().read(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|inner| DecodeError::Utf8 { inner })?;
        UniqueId::of(text).ok_or(DecodeError::Other("a unique id is too long"))
    }
}

bincode::impl_borrow_decode!(UniqueId);

impl UniqueId {
    /// A fresh id.
    pub fn generate(kind: IdKind, random: &dyn Random) -> Result<Self, RandomError> {
        let tail = match kind {
            IdKind::AccessKey | IdKind::SessionKey => KEY_TAIL,
            _ => ENTITY_TAIL,
        };
        let mut text = ArrayString::new();
        // No kind has more characters than fit.
        let _ = text.try_push_str(kind.prefix());
        let _ = text.try_push_str(&random_text(random, ALPHABET, tail)?);
        Ok(UniqueId(text))
    }

    /// From text that fits.
    fn of(text: &str) -> Option<Self> {
        ArrayString::from(text).ok().map(UniqueId)
    }

    /// The id of an account's root user and of the account as a subject.
    pub fn root() -> Self {
        UniqueId::of("root").unwrap_or(UniqueId(ArrayString::new_const()))
    }

    /// From text that is an id already: letters and digits, at most 24; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then(|| UniqueId::of(text)).flatten()
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
    use crate::identity::codec;

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
        assert_eq!(UniqueId::root().as_str(), "root");
    }

    #[test]
    fn stored_an_id_is_a_text() {
        let (stored, root) = (codec::encode(&"root".to_owned()).unwrap(), UniqueId::root());
        assert_eq!(codec::encode(&root).unwrap(), stored);
        assert_eq!(codec::decode::<UniqueId>(&stored).unwrap(), root);
        for text in ["x".repeat(24), String::new()] {
            let stored = codec::encode(&text).unwrap();
            assert_eq!(codec::decode::<UniqueId>(&stored).unwrap().as_str(), text);
        }
        let longer = codec::encode(&"x".repeat(25)).unwrap();
        assert!(codec::decode::<UniqueId>(&longer).is_err());
        assert!(codec::decode::<UniqueId>(&stored[..3]).is_err());
    }
}
