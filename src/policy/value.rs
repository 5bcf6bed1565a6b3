//! The types that values of condition keys have, for whoever makes a context by hand: a value that its
//! type cannot be compared as would only ever be unequal, without a word.

use std::net::IpAddr;

use super::condition::{boolean, number};
use super::moment;
use crate::base::text::from_base64;

/// The type of a value; see `ContextKeyType` in the IAM API Reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Any text.
    Text,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Bool,
    /// An address, not a range.
    Address,
    /// Base64.
    Binary,
    /// ISO 8601, or seconds since 1970.
    Date,
}

impl ValueType {
    /// Whether the operators for this type can read the value.
    pub fn reads(self, value: &str) -> bool {
        match self {
            ValueType::Text => true,
            ValueType::Number => number(value).is_some(),
            ValueType::Bool => boolean(value).is_some(),
            ValueType::Address => value.parse::<IpAddr>().is_ok(),
            ValueType::Binary => from_base64(value).is_some(),
            ValueType::Date => moment::parse(value).is_some(),
        }
    }

    /// What such a value is, in words.
    pub fn noun(self) -> &'static str {
        match self {
            ValueType::Text => "a text",
            ValueType::Number => "a number",
            ValueType::Bool => "true or false",
            ValueType::Address => "an IP address",
            ValueType::Binary => "base64",
            ValueType::Date => "a date (ISO 8601, or seconds since 1970)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_its_values_and_no_others() {
        for (value_type, good, bad) in [
            (ValueType::Number, "-1.5e3", "ten"),
            (ValueType::Bool, "TRUE", "yes"),
            (ValueType::Address, "2001:db8::1", "10.0.0.0/8"),
            (ValueType::Binary, "AQI=", "not base64!"),
            (ValueType::Date, "2026-03-01T12:00:00Z", "yesterday"),
        ] {
            assert!(value_type.reads(good) && !value_type.reads(bad), "{}", value_type.noun());
        }
        assert!(ValueType::Text.reads(""));
    }
}
