//! Dates in conditions: ISO 8601 in the forms AWS accepts, or seconds since 1970.
//!
//! AWS is generous: `2017`, alone, is a number of seconds, but `2017-07`, `01T` and
//! `2016-12-13t2:00:00.5+23` are dates. A date without a zone is UTC.

/// An instant: whole seconds since 1970 (negative before) and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64, u32);

impl Moment {
    /// The first whole second that is not before it, and the first that is after it.
    pub fn seconds(self) -> (i64, i64) {
        let Moment(second, nanos) = self;
        let after = second.saturating_add(1);
        (if nanos == 0 { second } else { after }, after)
    }
}

/// Reads a date; `None` is what AWS refuses too.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once(['t', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    if time.is_none() && !date.contains('-') {
        return i64::try_from(number(date, 19)?).ok().map(|seconds| Moment(seconds, 0));
    }
    let days = days(date)?;
    let (seconds, nanos) = match time {
        Some(time) => time_of_day(time)?,
        None => (0, 0),
    };
    Some(Moment(days * 86_400 + seconds, nanos))
}

/// Days since 1970 of `[-]year[-month[-day]]`.
fn days(date: &str) -> Option<i64> {
    let (negative, date) = match date.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, date),
    };
    let mut parts = date.split('-');
    let mut year = i64::try_from(number(parts.next()?, 9)?).ok()?;
    if negative {
        year = -year;
    }
    if !(-292_275_054..=292_278_993).contains(&year) {
        return None;
    }
    let month = within(parts.next(), 1, 1..=12)?;
    let day = within(parts.next(), 1, 1..=31)?;
    if parts.next().is_some() {
        return None;
    }
    // The proleptic Gregorian calendar in eras of 400 years that begin on 1 March, so that the
    // leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Seconds (less the zone's offset) and nanoseconds of `[h[:m[:s[.fraction]]]][zone]`.
fn time_of_day(time: &str) -> Option<(i64, u32)> {
    let (clock, offset) = match time.find(['z', 'Z', '+', '-']) {
        None => (time, 0),
        Some(at) => {
            let (clock, zone) = time.split_at_checked(at)?;
            (clock, zone_offset(zone)?)
        }
    };
    let mut parts = clock.split(':');
    let hours = match parts.next() {
        Some("") => 0,
        part => within(part, 0, 0..=23)?,
    };
    let minutes = within(parts.next(), 0, 0..=59)?;
    let (seconds, nanos) = match parts.next() {
        None => (0, 0),
        Some(part) => match part.split_once('.') {
            None => (within(Some(part), 0, 0..=59)?, 0),
            Some((whole, fraction)) => {
                let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
                let nanos = number(fraction, 9)? * 10u64.pow(9 - digits);
                (within(Some(whole), 0, 0..=59)?, u32::try_from(nanos).ok()?)
            }
        },
    };
    if parts.next().is_some() {
        return None;
    }
    Some((hours * 3600 + minutes * 60 + seconds - offset, nanos))
}

/// Seconds east of Greenwich of `Z`, `+hh`, `+hh:mm` or `+hhmm`.
fn zone_offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("z" | "Z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    if !matches!(minutes.len(), 0 | 2) {
        return None;
    }
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    Some(sign * (within(Some(hours), 0, 0..=23)? * 3600 + within(Some(minutes), 0, 0..=59)? * 60))
}

fn within(part: Option<&str>, absent: i64, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let Some(part) = part else { return Some(absent) };
    i64::try_from(number(part, 9)?).ok().filter(|value| range.contains(value))
}

/// One to `longest` ASCII digits.
fn number(text: &str, longest: usize) -> Option<u64> {
    let sound = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_aws_accepts() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1772366400", 1_772_366_400, 0),
            ("2026-03-01T12:00:00Z", 1_772_366_400, 0),
            ("2026-03-01t12:00Z", 1_772_366_400, 0),
            ("2026-03-01T13:00:00.25+01:00", 1_772_366_400, 250_000_000),
            ("2026-03-01T07:00:00-0500", 1_772_366_400, 0),
            ("2026-03-01T12", 1_772_366_400, 0),
            ("2026-03-01", 1_772_323_200, 0),
            ("2026-03", 1_772_323_200, 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
            ("1969-12-31T23:59:59Z", -1, 0),
            ("1600-01-01", -11_676_096_000, 0),
        ] {
            assert_eq!(parse(text), Some(Moment(seconds, nanos)), "{text}");
        }
        for text in ["01T", "-292275054", "2016-12-13t2:00:00.593194+23"] {
            assert!(parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn refuses_what_aws_refuses() {
        for text in [
            "",
            "b",
            "sdfdsf",
            "234-13",
            "2016-12-13t2:00:00.593194+1",
            "9223372036854775808",
            "2026-01-32",
            "2016-12-13t2:00:00.1999999999+10:59",
            "2026-01-01-01",
            "2026-01-01T24:00",
            "2026-01-01T00:60",
            "-",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T1:2:3:4",
            "+5",
            "2026-+1",
            "12.5",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
