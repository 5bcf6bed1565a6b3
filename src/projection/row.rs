//! Tables, keys and the encoding of rows.
//!
//! | part of the stored key | size | what |
//! |---|---|---|
//! | account | 16 | whose row it is; zeros for indexes over all accounts |
//! | table | 1 | its number |
//! | key | | text parts, each ended by a zero byte; fixed parts as they are |
//! | position | 8 | complement of the event's position, big-endian: newest first |
//!
//! The value is one byte, 0 for "gone" and 1 for "here", and then the row encoded by the codec.

use std::marker::PhantomData;

use bincode::{Decode, Encode};

use super::ProjectionError;
use super::tables::Counted;
use crate::identity::change::{NameTag, PolicyRef};
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;

/// A set of rows of one type.
pub struct Table<K, V> {
    /// Its number in the stored keys.
    pub number: u8,
    /// Its name, for messages.
    pub name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: Encode + Decode<()>> Table<K, V> {
    /// Declares a table.
    pub const fn new(number: u8, name: &'static str) -> Self {
        Table { number, name, types: PhantomData }
    }

    /// The key of a row within its account.
    pub fn key(&self, key: &K) -> Vec<u8> {
        let mut bytes = vec![self.number];
        key.write(&mut bytes);
        bytes
    }

    /// The start of the keys of all rows that begin with these parts.
    pub fn prefix<P: Key>(&self, parts: &P) -> Vec<u8> {
        let mut bytes = vec![self.number];
        parts.write(&mut bytes);
        bytes
    }
}

/// The id that a row's key begins with, after the table's number; `None` if it begins with anything else.
pub fn first_id(key: &[u8]) -> Option<UniqueId> {
    let part = key.get(1..)?.split(|byte| *byte == 0).next()?;
    UniqueId::parse(std::str::from_utf8(part).ok()?)
}

/// Something that can be (part of) a key.
pub trait Key {
    /// Appends the parts.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// Text parts end in a zero byte, so that no key is the beginning of another; zeros and ones inside
/// are escaped in an order-preserving way.
fn write_text(text: &str, bytes: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            0 => bytes.extend_from_slice(&[1, 1]),
            1 => bytes.extend_from_slice(&[1, 2]),
            other => bytes.push(other),
        }
    }
    bytes.push(0);
}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}
}

impl Key for String {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(self, bytes);
    }
}

impl Key for UniqueId {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(self.as_str(), bytes);
    }
}

impl Key for PolicyRef {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(&self.0, bytes);
    }
}

impl Key for NameTag {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
}

impl Key for u32 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_be_bytes());
    }
}

impl Key for Counted {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(match self {
            Counted::Users => 1,
            Counted::Groups => 2,
            Counted::Roles => 3,
            Counted::Policies => 4,
            Counted::InstanceProfiles => 5,
            Counted::MfaDevices => 6,
            Counted::MfaDevicesInUse => 7,
        });
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.0.write(bytes);
        self.1.write(bytes);
    }
}

/// The stored key without its position.
pub fn stored_prefix(account: AccountId, key: &[u8]) -> Vec<u8> {
    [account.0.as_slice(), key].concat()
}

/// The stored key of one version.
pub fn stored_key(account: AccountId, key: &[u8], position: u64) -> Vec<u8> {
    [account.0.as_slice(), key, &(!position).to_be_bytes()].concat()
}

/// A stored key apart: account and key together, and the position.
pub fn split_stored(stored: &[u8]) -> Option<(&[u8], u64)> {
    let (prefix, position) = stored.split_last_chunk::<8>()?;
    Some((prefix, !u64::from_be_bytes(*position)))
}

/// The stored value of a row, or of its absence.
pub fn stored_value(row: Option<&[u8]>) -> Vec<u8> {
    match row {
        None => vec![0],
        Some(row) => [&[1], row].concat(),
    }
}

/// What a stored value says.
pub fn read_value(stored: &[u8]) -> Result<Option<&[u8]>, ProjectionError> {
    match stored.split_first() {
        Some((0, [])) => Ok(None),
        Some((1, row)) => Ok(Some(row)),
        _ => Err(ProjectionError::Row(codec::CodecError {
            what: "row",
            why: "its first byte is neither 0 nor 1".into(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_their_parts_and_none_begins_another() {
        let key = |a: &str, b: &str| {
            let mut bytes = Vec::new();
            (a.to_string(), b.to_string()).write(&mut bytes);
            bytes
        };
        let parts = ["", "\0", "\u{1}", "a", "a\0", "a\u{1}b", "ab", "b"];
        let keys: Vec<_> =
            parts.iter().flat_map(|a| parts.iter().map(move |b| key(a, b))).collect();
        assert!(keys.is_sorted());
        for (n, one) in keys.iter().enumerate() {
            for (m, other) in keys.iter().enumerate() {
                assert!(n == m || !other.starts_with(one));
            }
        }
    }

    #[test]
    fn newer_versions_sort_first() {
        let account = AccountId([3; 16]);
        assert!(stored_key(account, b"k", 9) < stored_key(account, b"k", 8));
        assert_eq!(
            split_stored(&stored_key(account, b"k", 9)),
            Some((stored_prefix(account, b"k").as_slice(), 9))
        );
        assert!(
            read_value(&[]).is_err() && read_value(&[2]).is_err() && read_value(&[0, 0]).is_err()
        );
    }
}
