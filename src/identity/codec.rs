//! The one place that knows bincode, so that it can be replaced: bodies of changes and values of rows.
//!
//! bincode's standard configuration describes nothing about itself; what is read must therefore be
//! exactly what was written: every byte consumed, sizes bounded. `tests/golden.rs` freezes the bytes.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

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
}
