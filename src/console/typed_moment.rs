//! Moments as people type them: `@42`, `2026-03-01`, `2026-03-01 17:00`, `90d`, `yesterday`, `last friday
//! 17:00`. Times are UTC.

use super::words;
use crate::base::time::Timestamp;
use crate::service::moment::{Moment, Range};

const DAY: u64 = 86_400;
const DAYS: [&str; 7] =
    ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

/// Reads a moment; `None` is now.
///
/// # Errors
/// A sentence that says what may be typed.
pub fn read(text: &str, now: Timestamp) -> Result<Option<Moment>, String> {
    let text = text.trim();
    let lower = text.to_lowercase();
    if lower == "now" {
        return Ok(None);
    }
    let moment = match by_name(&lower, now).or_else(|| spaced(&lower)) {
        Some(time) => Moment { time: Some(time), position: None },
        None => Moment::parse_with_age(text, now).map_err(|error| error.to_string())?,
    };
    match moment.time.is_some_and(|time| time > now) {
        true => Err(words::not_yet(&moment.to_string())),
        false => Ok(Some(moment)),
    }
}

/// Reads the two ends of a range, or the stretch of time that stands instead of them. What is empty bounds nothing.
///
/// # Errors
/// A sentence that says what may be typed.
pub fn range([from, to, during]: [&str; 3], now: Timestamp) -> Result<Range, String> {
    let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { read(text, now) };
    match (end(from)?, end(to)?, during.trim()) {
        (from, to, "") => Ok(Range { from, to }),
        (None, None, during) => stretch(during, now),
        _ => Err(words::DURING_ALONE.to_owned()),
    }
}

/// Reads a stretch of time: a day by its name or date, a month, a quarter, a year.
///
/// # Errors
/// A sentence that says what may be typed.
fn stretch(text: &str, now: Timestamp) -> Result<Range, String> {
    let text = text.trim();
    if let Some(range) = Range::during(text) {
        return Ok(range);
    }
    let day = by_name(&text.to_lowercase(), now).filter(|day| day.seconds() % DAY == 0);
    let day = day.ok_or_else(|| words::no_stretch(text))?;
    let moment = |time| Some(Moment { time: Some(time), position: None });
    Ok(Range { from: moment(day), to: moment(Timestamp::from_seconds(day.seconds() + DAY)) })
}

/// `2026-03-01 17:00` and `2026-03-01T17:00`, as browsers send it.
fn spaced(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once([' ', 't'])?;
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    Timestamp::parse(&format!("{date}T{time}{seconds}Z"))
}

/// A day by its name, and perhaps a time: `yesterday`, `friday 9:30`.
fn by_name(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.strip_prefix("last ").unwrap_or(text);
    let (day, time) = text.split_once(' ').unwrap_or((text, ""));
    let today = now.seconds() / DAY;
    let ago = match day {
        "today" => 0,
        "yesterday" => 1,
        _ => {
            let named = u64::try_from(DAYS.iter().position(|name| *name == day)?).ok()?;
            // The first day of the epoch was a Thursday. The same day of the week is a week ago.
            match (today + 7 - named % 7) % 7 {
                0 => 7,
                days => days,
            }
        }
    };
    let seconds = match time {
        "" => 0,
        time => {
            let (hours, minutes) = time.split_once(':').unwrap_or((time, "0"));
            let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?
        }
    };
    Some(Timestamp::from_seconds(today.checked_sub(ago)? * DAY + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<String> {
        // A Tuesday.
        let now = Timestamp::parse("2026-11-24T18:00:00Z").unwrap();
        match read(text, now) {
            Ok(Some(moment)) => Some(moment.to_string()),
            Ok(None) => Some("now".into()),
            Err(_) => None,
        }
    }

    #[test]
    fn days_have_names() {
        let of = |day: &str| Some(format!("2026-11-{day}.000000Z"));
        assert_eq!(at("last Friday"), of("20T00:00:00"));
        assert_eq!(at("friday 17:00"), of("20T17:00:00"));
        assert_eq!(at("tuesday"), of("17T00:00:00"));
        assert_eq!(at("monday 9"), of("23T09:00:00"));
        assert_eq!(at("yesterday"), of("23T00:00:00"));
        assert_eq!(at("today 08:15"), of("24T08:15:00"));
        assert_eq!(at("2026-11-20 17:00"), of("20T17:00:00"));
        assert_eq!(at("2026-11-20T17:00"), of("20T17:00:00"));
        assert_eq!(at("2026-11-20T17:00:00Z"), of("20T17:00:00"));
        assert_eq!(at("2d"), of("22T18:00:00"));
        assert_eq!(at("@12"), Some("@12".into()));
        assert_eq!(at("now"), Some("now".into()));
        for wrong in
            ["", "2999-01-01", "today 23:59", "someday", "friday 25:00", "last", "2026-13-01"]
        {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_stretch_stands_instead_of_its_ends() {
        let now = Timestamp::parse("2026-11-24T18:00:00Z").unwrap();
        let of = |typed| {
            let Range { from, to } = range(typed, now).ok()?;
            Some([from, to].map(|end| end.map_or_else(String::new, |end| end.to_string())))
        };
        let day = |from: &str, to: &str| {
            Some([from, to].map(|day| format!("2026-11-{day}T00:00:00.000000Z")))
        };
        assert_eq!(of(["", "", "last friday"]), day("20", "21"));
        assert_eq!(of(["", "", "today"]), day("24", "25"));
        assert_eq!(of(["", "", "2026-11-03"]), day("03", "04"));
        assert_eq!(of(["@3", "", ""]), Some(["@3".to_owned(), String::new()]));
        assert_eq!(of(["", "", ""]), Some([String::new(), String::new()]));
        for wrong in
            [["@3", "", "today"], ["", "", "friday 9:00"], ["", "", "soon"], ["soon", "", ""]]
        {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
