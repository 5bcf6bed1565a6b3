//! From bytes to a [`Form`]: the `application/x-www-form-urlencoded` body of an AWS Query request,
//! or the query of a presigned one.
//!
//! Decoding is strict where a signature is lenient: an escape that is none, or text that is not
//! UTF-8, refuses the request. A name given twice does too, in the query and the body together, so
//! that nobody downstream has to choose. The parameters that carry the signature itself
//! (`X-Amz-...`, only in the query) are left out.

use crate::base::form_tree::{Form, FormError};
use crate::base::text::percent_decode;

/// The largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The most parameters of one request.
pub const MAX_PARAMETERS: usize = 4_000;

/// A request whose parameters cannot be read. All of these are the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A body larger than [`MAX_BODY_BYTES`].
    #[error("The request body is larger than {MAX_BODY_BYTES} bytes.")]
    TooLarge,
    /// More parameters than [`MAX_PARAMETERS`].
    #[error("The request has more than {MAX_PARAMETERS} parameters.")]
    TooMany,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("A parameter holds a percent sign that two hexadecimal digits do not follow.")]
    BadEscape,
    /// Bytes that are not text.
    #[error("A parameter is not valid UTF-8.")]
    NotUtf8,
    /// Names that do not fit together.
    #[error("The parameters are malformed: {0}.")]
    Malformed(#[from] FormError),
}

impl ParseError {
    /// AWS's error code.
    pub fn code(&self) -> &'static str {
        match self {
            ParseError::TooLarge => "RequestEntityTooLarge",
            ParseError::BadEscape | ParseError::NotUtf8 => "MalformedQueryString",
            ParseError::TooMany | ParseError::Malformed(_) => "MalformedInput",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            ParseError::TooLarge => 413,
            _ => 400,
        }
    }
}

/// Reads a request's parameters from its query and its body, `Action` and `Version` among them.
///
/// # Errors
/// Everything that makes them unreadable; see [`ParseError`].
pub fn parse(query: &str, body: &[u8]) -> Result<Form, ParseError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ParseError::TooLarge);
    }
    let body = std::str::from_utf8(body).map_err(|_| ParseError::NotUtf8)?;
    let pairs = |text| str::split(text, '&').filter(|pair| !pair.is_empty());
    if pairs(query).count() + pairs(body).count() > MAX_PARAMETERS {
        return Err(ParseError::TooMany);
    }
    let mut form = Form::default();
    for pair in pairs(query) {
        let (name, value) = decode_pair(pair)?;
        if !name.starts_with("X-Amz-") {
            form.insert(&name, value)?;
        }
    }
    for pair in pairs(body) {
        let (name, value) = decode_pair(pair)?;
        form.insert(&name, value)?;
    }
    Ok(form)
}

fn decode_pair(pair: &str) -> Result<(String, String), ParseError> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((decode(name)?, decode(value)?))
}

fn decode(text: &str) -> Result<String, ParseError> {
    let bytes = percent_decode(&text.replace('+', " ")).ok_or(ParseError::BadEscape)?;
    String::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_body_is_decoded() {
        let form = parse("", b"Action=GetUser&UserName=a+b%2B%C3%BC&Empty=&Bare&&").unwrap();
        assert_eq!(form.text_of("Action"), Some("GetUser"));
        assert_eq!(form.text_of("UserName"), Some("a b+\u{fc}"));
        assert_eq!(form.text_of("Empty"), Some(""));
        assert_eq!(form.text_of("Bare"), Some(""));
    }

    #[test]
    fn a_query_is_decoded_without_its_signature() {
        let form = parse("Action=GetUser&X-Amz-Signature=0", b"UserName=alice").unwrap();
        assert_eq!(form.names().collect::<Vec<_>>(), ["Action", "UserName"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refused = |query: &str, body: &[u8]| {
            let error = parse(query, body).unwrap_err();
            (error.code(), error.status())
        };
        assert_eq!(refused("", b"A=%4"), ("MalformedQueryString", 400));
        assert_eq!(refused("", b"A=%zz"), ("MalformedQueryString", 400));
        assert_eq!(refused("", b"A=%ff"), ("MalformedQueryString", 400));
        assert_eq!(refused("", b"A=\xff"), ("MalformedQueryString", 400));
        assert_eq!(refused("", b"A=1&A=2"), ("MalformedInput", 400));
        assert_eq!(refused("A=1", b"%41=2"), ("MalformedInput", 400));
        assert_eq!(refused("", b"=1"), ("MalformedInput", 400));
        assert_eq!(refused("", &vec![b'a'; MAX_BODY_BYTES + 1]), ("RequestEntityTooLarge", 413));
    }

    #[test]
    fn parameters_are_counted() {
        let body = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|n| format!("P{n}=1")).collect();
            pairs.join("&").into_bytes()
        };
        assert_eq!(parse("", &body(MAX_PARAMETERS)).unwrap().names().count(), MAX_PARAMETERS);
        assert_eq!(parse("A=1", &body(MAX_PARAMETERS)), Err(ParseError::TooMany));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("", &body);
        }

        #[test]
        fn what_was_encoded_is_read_again(value in ".{0,40}") {
            let body = format!("A.B={}", crate::base::text::percent_encode(value.as_bytes()));
            let form = parse("", body.as_bytes()).unwrap();
            prop_assert_eq!(form.get("A").and_then(|a| a.text_of("B")), Some(value.as_str()));
        }
    }

    /// A typed value of the vectors.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Typed {
        Text(String),
        Number(f64),
        Bool(bool),
        List(Vec<Typed>),
        Map(Vec<(String, Typed)>),
        Struct(Vec<(String, Typed)>),
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        body: String,
        value: Typed,
    }

    fn assert_holds(form: &Form, value: &Typed, name: &str) {
        match value {
            Typed::Text(text) => assert_eq!(form.text(), Some(text.as_str()), "{name}"),
            Typed::Number(number) => assert_eq!(form.read::<f64>(), Ok(*number), "{name}"),
            Typed::Bool(bool) => assert_eq!(form.read::<bool>(), Ok(*bool), "{name}"),
            Typed::List(list) => {
                let elements = form.elements().unwrap();
                assert_eq!(elements.len(), list.len(), "{name}");
                for ((_, element), value) in elements.iter().zip(list) {
                    assert_holds(element, value, name);
                }
            }
            Typed::Map(map) => {
                let entries = form.entries().unwrap();
                assert_eq!(entries.len(), map.len(), "{name}");
                for ((key, value), (expected_key, expected)) in entries.iter().zip(map) {
                    assert_eq!(key, expected_key, "{name}");
                    assert_holds(value, expected, name);
                }
            }
            Typed::Struct(fields) => {
                for (field, value) in fields {
                    let child = form.get(field).unwrap_or_else(|| panic!("{name}: no {field}"));
                    assert_holds(child, value, &format!("{name} {field}"));
                }
            }
        }
    }

    #[test]
    fn the_published_bodies_hold_what_was_put_in() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/query_inputs.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            let vector: Vector = serde_json::from_str(line).unwrap();
            let mut form = parse("", vector.body.as_bytes()).unwrap();
            assert!(form.take_text("Action").is_some(), "{}", vector.name);
            assert_eq!(form.take_text("Version").as_deref(), Some("2020-01-08"));
            assert_holds(&form, &vector.value, &vector.name);
        }
        assert!(text.lines().count() >= 20);
    }
}
