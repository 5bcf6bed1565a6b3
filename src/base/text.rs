//! Small text forms that several layers share.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Reads lower- or upper-case hexadecimal.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Reads standard base64 with padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

/// Base32 (RFC 4648), as authenticators take a seed.
pub fn base32(bytes: &[u8]) -> String {
    data_encoding::BASE32.encode(bytes)
}

/// Reads base32.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE32.decode(text.as_bytes()).ok()
}

/// URL-safe base64 without padding.
pub fn base64_url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Reads URL-safe base64 without padding.
pub fn from_base64_url(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// Percent-encodes all but the unreserved characters of RFC 3986 (`A-Z a-z 0-9 - . _ ~`), upper-case
/// hexadecimal: the form of SigV4 and of policy documents in IAM answers.
pub fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                text.push('%');
                text.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
            }
        }
    }
    text
}

/// Undoes percent-encoding; a `%` that no two hexadecimal digits follow is an error. `+` stays `+`.
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let pair = [*rest.next()?, *rest.next()?];
            bytes.extend(data_encoding::HEXLOWER_PERMISSIVE.decode(&pair).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// A cell of a CSV file: quoted where needed, and guarded so that no spreadsheet takes it for a formula.
///
/// Source: OWASP, "CSV Injection": cells that begin with `=`, `+`, `-`, `@`, a tab or a carriage return.
pub fn csv_cell(text: &str) -> String {
    let guarded = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_round_trips() {
        let text = "a b/ü~%+";
        let encoded = percent_encode(text.as_bytes());
        assert_eq!(encoded, "a%20b%2F%C3%BC~%25%2B");
        assert_eq!(percent_decode(&encoded).unwrap(), text.as_bytes());
        assert_eq!(percent_decode("%4"), None);
        assert_eq!(percent_decode("%zz"), None);
    }
}
