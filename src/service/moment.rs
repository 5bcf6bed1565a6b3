//! Moments: an instant, a date, a position, or a date as it was known at a position.

use crate::base::time::Timestamp;
use crate::projection::Cut;

/// What can be asked of: `2026-03-01T12:00:00Z`, `2026-03-01`, `@1234`, `2026-03-01@1234`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What had happened by then.
    pub time: Option<Timestamp>,
    /// As known after so many events.
    pub position: Option<u64>,
}

/// Text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no moment: write an RFC 3339 time, a date (2026-03-01), a position (@1234), both \
     (2026-03-01@1234), or on the command line an age (90d, 3h)"
)]
pub struct NoMoment(String);

impl Moment {
    /// Reads the forms of the HTTP interface.
    pub fn parse(text: &str) -> Result<Self, NoMoment> {
        let wrong = || NoMoment(text.chars().take(80).collect());
        let (time, position) = match text.split_once('@') {
            Some((time, position)) => (time, Some(position)),
            None => (text, None),
        };
        let position = match position {
            None => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| wrong())?)
            }
            Some(_) => return Err(wrong()),
        };
        let time = match time {
            "" => None,
            time => Some(Timestamp::parse(time).ok_or_else(wrong)?),
        };
        if time.is_none() && position.is_none() {
            return Err(wrong());
        }
        Ok(Moment { time, position })
    }

    /// Reads those, and ages before `now`: `45s`, `30m`, `3h`, `90d`, `2w`.
    pub fn parse_with_age(text: &str, now: Timestamp) -> Result<Self, NoMoment> {
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Moment::parse(text),
        };
        let digits = text.get(..text.len() - 1).unwrap_or_default();
        let wrong = || NoMoment(text.chars().take(80).collect());
        let count: i64 = digits.parse().map_err(|_| wrong())?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let time = now.plus_seconds(-count.saturating_mul(unit));
        Ok(Moment { time: Some(time), position: None })
    }

    /// The cut of a ledger whose head is at `head`.
    pub fn cut(&self, head: u64) -> Cut {
        Cut { position: self.position.unwrap_or(head).min(head), time: self.time }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(time) = self.time {
            write!(f, "{}", time.to_precise())?;
        }
        if let Some(position) = self.position {
            write!(f, "@{position}")?;
        }
        Ok(())
    }
}

/// A stretch of time, or of positions: from one moment up to another one, which is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// At or after this time, or after so many events.
    pub from: Option<Moment>,
    /// Before this time, or within the first so many events.
    pub to: Option<Moment>,
}

impl Range {
    /// A day, month, quarter or year: `2026-03-01`, `2026-03`, `2026-Q1`, `2026`. `None` for anything else.
    pub fn during(text: &str) -> Option<Self> {
        let year: u32 = text.get(..4).filter(|year| is_digits(year))?.parse().ok()?;
        let first = |year: u32, month: u32| {
            // Months count on into the next year.
            let (year, month) = (year + (month - 1) / 12, (month - 1) % 12 + 1);
            Timestamp::parse(&format!("{year:04}-{month:02}-01"))
        };
        let [from, to] = match text.get(4..)?.as_bytes() {
            [] => [first(year, 1)?, first(year, 13)?],
            [b'-', b'Q' | b'q', quarter @ b'1'..=b'4'] => {
                let month = u32::from(quarter - b'1') * 3 + 1;
                [first(year, month)?, first(year, month + 3)?]
            }
            [b'-', digits @ ..] if digits.len() == 2 => {
                let month = text.get(5..).filter(|month| is_digits(month))?.parse().ok()?;
                let begins = (1..=12).contains(&month).then(|| first(year, month))??;
                [begins, first(year, month + 1)?]
            }
            _ if text.len() == 10 => {
                let day = Timestamp::parse(text)?;
                [day, day.plus_seconds(86_400)]
            }
            _ => return None,
        };
        let at = |time| Some(Moment { time: Some(time), position: None });
        Some(Range { from: at(from), to: at(to) })
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let day = Timestamp::parse("2026-03-01").unwrap();
        let read = |text| Moment::parse(text).unwrap();
        assert_eq!(read("@12"), Moment { time: None, position: Some(12) });
        assert_eq!(read("2026-03-01"), Moment { time: Some(day), position: None });
        assert_eq!(read("2026-03-01@7"), Moment { time: Some(day), position: Some(7) });
        assert_eq!(read("2026-03-01T01:00:00+01:00").time, Some(day));
        let age = Moment::parse_with_age("2d", day.plus_seconds(2 * 86_400)).unwrap();
        assert_eq!(age.time, Some(day));
        for wrong in ["", "@", "@x", "@-1", "@1@2", "yesterday", "2026-13-01", "d", "-3d", "3y"] {
            assert!(Moment::parse_with_age(wrong, day).is_err(), "{wrong}");
        }
        assert_eq!(read("@99").cut(10).position, 10);
    }

    #[test]
    fn stretches_end_where_the_next_begins() {
        let ends = |text: &str| {
            let range = Range::during(text)?;
            Some([range.from?.time?.to_string(), range.to?.time?.to_string()])
        };
        for (text, from, to) in [
            ("2026", "2026-01-01", "2027-01-01"),
            ("2026-Q1", "2026-01-01", "2026-04-01"),
            ("2026-q4", "2026-10-01", "2027-01-01"),
            ("2026-02", "2026-02-01", "2026-03-01"),
            ("2026-12", "2026-12-01", "2027-01-01"),
            ("2024-02-29", "2024-02-29", "2024-03-01"),
        ] {
            let expected = [from, to].map(|day| format!("{day}T00:00:00Z"));
            assert_eq!(ends(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "26",
            "2026-",
            "2026-Q5",
            "2026-13",
            "2026-00",
            "2026-2",
            "2025-02-29",
            "+026",
            "2026-Q",
            "9999-99-99",
        ] {
            assert_eq!(ends(text), None, "{text}");
        }
    }
}
