//! Instants: microseconds since the Unix epoch, and their text forms.

use std::fmt;

use bincode::{Decode, Encode};
use jiff::fmt::temporal::DateTimePrinter;

/// An instant, in microseconds since 1970-01-01T00:00:00Z. Ordered, copied, eight bytes when stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(u64);

const MICROS_PER_SECOND: u64 = 1_000_000;
/// What is later than texts tell.
const LATEST: &str = "9999-12-31T23:59:59Z";

impl Timestamp {
    /// The epoch itself.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Timestamp(micros)
    }

    /// From whole seconds since the epoch; saturates.
    pub const fn from_seconds(seconds: u64) -> Self {
        Timestamp(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / MICROS_PER_SECOND
    }

    /// This instant moved by whole seconds, saturating at both ends of the range.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        let micros = seconds.unsigned_abs().saturating_mul(MICROS_PER_SECOND);
        if seconds < 0 {
            Timestamp(self.0.saturating_sub(micros))
        } else {
            Timestamp(self.0.saturating_add(micros))
        }
    }

    /// Reads RFC 3339 (`2026-03-01T12:00:00Z`, any offset, optional fraction) or a bare date
    /// (`2026-03-01`, its start in UTC). `None` for anything else and for dates before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let instant = match text.as_bytes() {
            [_, _, _, _, _, _, _, _, _, _] => format!("{text}T00:00:00Z"),
            // An offset is less than a day.
            [.., b'Z' | b'z'] => text.to_owned(),
            [.., b'+' | b'-', tens, ones, b':', _, _] if (*tens, *ones) < (b'2', b'4') => {
                text.to_owned()
            }
            _ => return None,
        };
        let instant = instant.parse::<jiff::Timestamp>().ok()?;
        u64::try_from(instant.as_microsecond()).ok().map(Timestamp)
    }

    /// Reads the basic form of SigV4 (`20260301T120000Z`).
    pub fn parse_basic(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
            return None;
        }
        let part = |from: usize, to: usize| text.get(from..to);
        let extended = format!(
            "{}-{}-{}T{}:{}:{}Z",
            part(0, 4)?,
            part(4, 6)?,
            part(6, 8)?,
            part(9, 11)?,
            part(11, 13)?,
            part(13, 15)?
        );
        Self::parse(&extended)
    }

    /// The basic form of SigV4 (`20260301T120000Z`).
    pub fn to_basic(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    /// RFC 3339 with microseconds, for listings in which seconds are too coarse.
    pub fn to_precise(self) -> String {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_microsecond(micros) {
            Ok(instant) => PRINTER.timestamp_to_string(&instant),
            Err(_) => LATEST.replace('Z', ".999999Z"),
        }
    }
}

/// ISO 8601 in whole seconds with `Z`, the form of every date in the IAM and STS answers.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.seconds()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => f.write_str(LATEST),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_forms_of_aws() {
        let noon = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        assert_eq!(noon.to_string(), "2026-03-01T12:00:00Z");
        assert_eq!(noon.to_basic(), "20260301T120000Z");
        assert_eq!(Timestamp::parse_basic("20260301T120000Z"), Some(noon));
        assert_eq!(Timestamp::parse("2026-03-01T13:00:00+01:00"), Some(noon));
        assert_eq!(Timestamp::parse("2026-03-01").unwrap(), noon.plus_seconds(-12 * 3600));
        assert_eq!(noon.to_precise(), "2026-03-01T12:00:00.000000Z");
        let later = Timestamp::from_micros(noon.micros() + 1_020);
        assert_eq!(later.to_precise(), "2026-03-01T12:00:00.001020Z");
        let latest = Timestamp::from_micros(u64::MAX);
        assert_eq!(latest.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(latest.to_precise(), "9999-12-31T23:59:59.999999Z");
        for wrong in [
            "",
            "1969-12-31",
            "2026-02-30",
            "yesterday",
            "20260301",
            "2026-03-01T25:00:00Z",
            "2026-03-01T12:00:00+24:00",
            "2026-03-01T12:00:00",
        ] {
            assert_eq!(Timestamp::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Timestamp::parse_basic("20260301T120000+"), None);
    }
}
