//! The one place that knows bincode, so that it can be replaced: bodies of changes and values of rows.
//!
//! bincode's standard configuration describes nothing about itself; what is read must therefore be
//! exactly what was written: every byte consumed, sizes bounded. `tests/golden.rs` freezes the bytes.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Decode, Encode};

/// The largest value that is decoded, in bytes.
const LIMIT: usize = 1 << 20;

fn configuration() -> Configuration<LittleEndian, Varint, Limit<LIMIT>> {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Bytes that are not what their type says.
#[derive(Debug, Clone, thiserror::Error)]
#[error("stored bytes do not decode as {what}: {why}")]
pub struct CodecError {
    /// The type that was expected.
    pub what: &'static str,
    /// The reason.
    pub why: String,
}

/// Encodes a value.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::encode_to_vec(value, configuration())
        .map_err(|error| CodecError { what: std::any::type_name::<T>(), why: error.to_string() })
}

/// Decodes a value that fills the bytes exactly.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let fail = |why: String| CodecError { what: std::any::type_name::<T>(), why };
    let (value, read) = bincode::decode_from_slice::<T, _>(bytes, configuration())
        .map_err(|error| fail(error.to_string()))?;
    if read == bytes.len() {
        Ok(value)
    } else {
        Err(fail(format!("{} bytes are left over", bytes.len() - read)))
    }
}

/// Decodes a value that lies at the beginning of the bytes and may refer to them. What follows it comes back.
pub fn borrow<'a, T: BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), CodecError> {
    let fail = |why: String| CodecError { what: std::any::type_name::<T>(), why };
    let (value, read) = bincode::borrow_decode_from_slice::<T, _>(bytes, configuration())
        .map_err(|error| fail(error.to_string()))?;
    let rest = bytes.get(read..).ok_or_else(|| fail("more was read than there is".to_owned()))?;
    Ok((value, rest))
}

/// The length of a list, a text or bytes, and what follows it.
pub fn length(bytes: &[u8]) -> Result<(usize, &[u8]), CodecError> {
    match bytes.split_first() {
        // Small numbers are their own byte.
        Some((first, rest)) if *first <= 250 => Ok((usize::from(*first), rest)),
        _ => {
            let (length, rest) = borrow::<u64>(bytes)?;
            Ok((usize::try_from(length).unwrap_or(usize::MAX), rest))
        }
    }
}

/// A text's bytes, and what follows it: for passing over many of them.
pub fn text(bytes: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    let (length, rest) = length(bytes)?;
    rest.split_at_checked(length)
        .ok_or_else(|| CodecError { what: "a text", why: "it is cut short".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_left_over_are_an_error() {
        let mut bytes = encode(&(7u32, "x".to_string())).unwrap();
        assert_eq!(decode::<(u32, String)>(&bytes).unwrap(), (7, "x".to_string()));
        bytes.push(0);
        assert!(decode::<(u32, String)>(&bytes).is_err());
        assert!(decode::<(u32, String)>(&bytes[..2]).is_err());
    }

    #[test]
    fn texts_are_passed_over_whatever_their_length() {
        for size in [0, 1, 250, 251, 70_000] {
            let of = "x".repeat(size);
            let mut bytes = encode(&of).unwrap();
            bytes.extend(b"rest");
            assert_eq!(text(&bytes).unwrap(), (of.as_bytes(), &b"rest"[..]));
            assert_eq!(borrow::<&str>(&bytes).unwrap(), (of.as_str(), &b"rest"[..]));
            bytes.truncate(bytes.len() - 5);
            assert!(size == 0 || text(&bytes).is_err());
        }
        assert!(text(&[]).is_err() && text(&[251, 1]).is_err() && text(&[253; 9]).is_err());
    }
}
