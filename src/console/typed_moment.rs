//! Moments as people type them: `@42`, `2026-03-01`, `2026-03-01 17:00`, `90d`, `yesterday`, `last friday
//! 17:00`. Times are UTC.

use super::words;
use crate::base::time::Timestamp;
use crate::service::moment::Moment;

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
}
