//! A question, read from its name and its parameters.
//!
//! Each question is the last part of a path (`/audit/v1/NAME`) with parameters named as the flags of the
//! command; both doors, the network's and the command line's, hand them to [`Question::parse`].

use super::{access, can, diff, log, proofs, replay, who_can};
use crate::service::fault::Fault;
use crate::service::moment::{Moment, Range};
use crate::service::reports::named::{self, Name};

/// Before the name of a report.
const REPORTS: &str = "reports/";

/// Questions about the whole store: where there are several accounts, none need be named for them.
const OF_THE_STORE: &[&str] = &["checkpoint", "head", "key"];

/// Whether a question, by its name, is an operator's about the whole store: no account is named, or the system account
/// by its digits, which can also be asked for its history - the acts on the store, and who read it.
pub fn is_of_the_store(name: &str, account: Option<&str>) -> bool {
    match account {
        None => OF_THE_STORE.contains(&name),
        Some(proofs::SYSTEM_DIGITS) => OF_THE_STORE.contains(&name) || name == "events",
        Some(_) => false,
    }
}

/// A question, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How long the ledger is, and its root.
    Head,
    /// Events, filtered.
    Events(log::Filter),
    /// One thing.
    Show {
        /// `user/alice`, an ARN, an id, `@7`.
        thing: String,
    },
    /// May a principal do something?
    Can(can::Ask),
    /// When could a principal do something?
    Access(access::Ask),
    /// Who could do something?
    WhoCan(who_can::Ask),
    /// What was gained and lost?
    Diff(diff::Ask),
    /// Were recorded decisions right, or would they be made so today?
    Replay(replay::Ask),
    /// What would a change have done?
    WhatIf(replay::what_if::Ask),
    /// A report by its name.
    Report(named::Ask),
    /// The organisation's policies over the account.
    Organization,
    /// The keys by which checkpoints are checked.
    Key,
    /// The newest checkpoint, or the one at a position.
    Checkpoint,
    /// A proof of one event, by its position.
    Proof(u64),
}

impl Question {
    /// Reads a question from the last part of its path and its parameters, named as the flags.
    ///
    /// # Errors
    /// Unknown questions and parameters, and missing ones.
    pub fn parse(name: &str, parameters: &[(String, String)]) -> Result<Self, Fault> {
        let mut read = Parameters { left: parameters.to_vec() };
        let question = match name {
            "head" => Question::Head,
            "events" => Question::Events(read.log()?),
            "show" => Question::Show { thing: read.need("thing")? },
            "can" => Question::Can(can::Ask {
                principal: read.need("principal")?,
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
            }),
            "access" => Question::Access(access::Ask {
                principal: read.need("principal")?,
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
                range: read.take_range()?,
            }),
            "who-can" => Question::WhoCan(read.who_can()?),
            "diff" => Question::Diff(diff::Ask {
                from: read
                    .take_moment("from")?
                    .ok_or_else(|| Fault::validation("`from` is missing."))?,
                to: read.take_moment("to")?,
                principal: read.take("principal")?,
            }),
            "replay" => Question::Replay(read.replay()?),
            "what-if" => Question::WhatIf(read.what_if()?),
            "organization" => Question::Organization,
            "key" => Question::Key,
            "checkpoint" => Question::Checkpoint,
            name if name.starts_with("proofs/") => Question::Proof(proofs::position(name)?),
            name if name.starts_with(REPORTS) => {
                let name = Name::parse(name.strip_prefix(REPORTS).unwrap_or_default())?;
                Question::Report(read.report(name)?)
            }
            other => {
                return Err(Fault::new(
                    "InvalidAction",
                    400,
                    format!("There is no question {other:?} in this release."),
                ));
            }
        };
        match read.left.first() {
            None => Ok(question),
            Some((name, _)) => {
                Err(Fault::validation(format!("The question knows no parameter {name:?}.")))
            }
        }
    }

    /// Whether it may be about everybody, or all of a stretch of time: then it takes its turn.
    pub fn is_long(&self) -> bool {
        matches!(
            self,
            Question::Access(_)
                | Question::WhoCan(_)
                | Question::Diff(_)
                | Question::Replay(_)
                | Question::WhatIf(_)
                | Question::Report(_)
        )
    }

    /// What the caller must be allowed.
    pub fn action(&self) -> &'static str {
        match self {
            Question::Can(_) => "domesday:Evaluate",
            Question::Access(_) | Question::WhoCan(_) | Question::Diff(_) | Question::WhatIf(_) => {
                "domesday:SearchAccess"
            }
            _ => "domesday:ReadLedger",
        }
    }

    /// Of a report, some rows of it; any other question as it is.
    #[must_use]
    pub fn part(self, window: named::Window) -> Self {
        match self {
            Question::Report(ask) => Question::Report(named::Ask { window: Some(window), ..ask }),
            other => other,
        }
    }

    /// Whether it asks about the past without a moment beside it.
    pub fn is_of_the_past(&self) -> bool {
        match self {
            Question::WhoCan(ask) => ask.range != Range::default(),
            other => matches!(other, Question::Access(_) | Question::Diff(_)),
        }
    }

    /// Whether it is about what an account is like at one moment, and has no answer where there is none yet.
    pub fn is_of_the_account(&self) -> bool {
        match self {
            Question::Show { .. } | Question::Can(_) | Question::Report(_) => true,
            Question::WhoCan(ask) => ask.range == Range::default(),
            _ => false,
        }
    }
}

struct Parameters {
    left: Vec<(String, String)>,
}

impl Parameters {
    fn log(&mut self) -> Result<log::Filter, Fault> {
        let Range { from, to } = self.take_range()?;
        Ok(log::Filter {
            principal: self.take("principal")?,
            person: self.take("person")?,
            target: self.take("target")?,
            operation: self.take("operation")?,
            sort: self.one_of(
                "outcome",
                &[
                    ("success", log::Sort::Done),
                    ("denied", log::Sort::Denied),
                    ("read", log::Sort::Read),
                ],
            )?,
            ticket: self.take("ticket")?,
            from,
            to,
            order: self.one_of(
                "order",
                &[("newest", log::Order::Newest), ("oldest", log::Order::Oldest)],
            )?,
            limit: self.limit(log::USUAL, log::LARGEST)?,
            cursor: match self.take("cursor")? {
                None => None,
                Some(text) => Some(log::Cursor::parse(&text).ok_or_else(|| {
                    Fault::validation("`cursor` is the `next` of a page, as it was given.")
                })?),
            },
        })
    }

    fn who_can(&mut self) -> Result<who_can::Ask, Fault> {
        let ask = who_can::Ask {
            action: self.need("action")?,
            resource: self.need("resource")?,
            context: self.take_all_pairs("context")?,
            range: self.take_range()?,
            escalation: self.take_flag("escalation")?,
        };
        if ask.escalation && ask.range != Range::default() {
            return Err(Fault::validation(
                "`escalation` is of one moment: give `at` instead of `from`, `to` or `during`.",
            ));
        }
        Ok(ask)
    }

    fn report(&mut self, name: Name) -> Result<named::Ask, Fault> {
        let number = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| Fault::validation(format!("`{name}` is a number."))),
        };
        let days = match (self.take("days")?, self.take("older-than")?) {
            (None, None) => None,
            (Some(days), None) => number("days", Some(days))?,
            (None, Some(age)) => number("older-than", Some(age.trim_end_matches('d').to_owned()))?,
            _ => return Err(Fault::validation("Give `days` or `older-than`.")),
        };
        let days = days.map(|days| u32::try_from(days).unwrap_or(u32::MAX));
        let activity = number("activity", self.take("activity")?)?;
        Ok(named::Ask { name, range: self.take_range()?, days, activity, window: None })
    }

    fn replay(&mut self) -> Result<replay::Ask, Fault> {
        let Range { from, to } = self.take_range()?;
        Ok(replay::Ask {
            from,
            to,
            now: self.take_flag("now")?,
            principal: self.take("principal")?,
            limit: self.limit(replay::USUAL, replay::LARGEST)?,
        })
    }

    fn what_if(&mut self) -> Result<replay::what_if::Ask, Fault> {
        use replay::what_if::{Ask, Candidate};
        let names = ["attach", "to", "detach", "from", "version", "of"];
        let mut given = Vec::new();
        for name in names {
            given.push(self.take(name)?);
        }
        let candidate = match <[Option<String>; 6]>::try_from(given) {
            Ok([Some(policy), Some(to), None, None, None, None]) => {
                Candidate::Attach { policy, to }
            }
            Ok([None, None, Some(policy), Some(from), None, None]) => {
                Candidate::Detach { policy, from }
            }
            Ok([None, None, None, None, Some(document), Some(of)]) => {
                Candidate::Version { document, of }
            }
            _ => {
                return Err(Fault::validation(
                    "Give one change: `attach` and `to`, `detach` and `from`, or `version` and `of`.",
                ));
            }
        };
        let over = self.take_moment("over")?;
        Ok(Ask { candidate, over, limit: self.limit(replay::USUAL, replay::LARGEST)? })
    }

    /// How many; the usual number if nothing is said, and never more than the largest.
    fn limit(&mut self, usual: usize, largest: usize) -> Result<usize, Fault> {
        match self.take("limit")? {
            None => Ok(usual),
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if limit > 0 => Ok(limit.min(largest)),
                _ => Err(Fault::validation("`limit` is a number from 1.")),
            },
        }
    }

    /// One of some words; the first if nothing is said.
    fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<T, Fault> {
        let given = self.take(name)?;
        let found = match &given {
            None => words.first(),
            Some(given) => words.iter().find(|(word, _)| word == given),
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            Fault::validation(format!("`{name}` is {}.", words.join(" or ")))
        })
    }

    fn take(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let mut found: Vec<String> =
            self.left.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect();
        match (found.pop(), found.is_empty()) {
            (value, true) => Ok(value),
            _ => Err(Fault::validation(format!("`{name}` is given more than once."))),
        }
    }

    fn need(&mut self, name: &str) -> Result<String, Fault> {
        self.take(name)?.ok_or_else(|| Fault::validation(format!("`{name}` is missing.")))
    }

    fn take_moment(&mut self, name: &str) -> Result<Option<Moment>, Fault> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        Moment::parse(&text)
            .map(Some)
            .map_err(|error| Fault::validation(format!("`{name}`: {error}")))
    }

    fn take_flag(&mut self, name: &str) -> Result<bool, Fault> {
        match self.take(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Fault::validation(format!("`{name}` is `true` or `false`."))),
        }
    }

    /// `from` and `to`, or `during`.
    fn take_range(&mut self) -> Result<Range, Fault> {
        let (from, to) = (self.take_moment("from")?, self.take_moment("to")?);
        match self.take("during")? {
            None => Ok(Range { from, to }),
            Some(_) if from.is_some() || to.is_some() => {
                Err(Fault::validation("`during` stands instead of `from` and `to`."))
            }
            Some(text) => Range::during(&text).ok_or_else(|| {
                Fault::validation(
                    "`during` is a day, month, quarter or year: 2026-03-01, 2026-03, 2026-Q1, 2026.",
                )
            }),
        }
    }

    fn take_all_pairs(&mut self, name: &str) -> Result<Vec<(String, String)>, Fault> {
        self.left
            .extract_if(.., |(key, _)| key == name)
            .map(|(_, pair)| {
                pair.split_once('=')
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .ok_or_else(|| Fault::validation(format!("`{name}` is KEY=VALUE.")))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, parameters: &[(&str, &str)]) -> Result<Question, Fault> {
        let owned: Vec<_> =
            parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Question::parse(name, &owned)
    }

    #[test]
    fn questions_are_read_whole_or_refused() {
        assert_eq!(parse("head", &[]).unwrap(), Question::Head);
        let can = [("principal", "alice"), ("action", "iam:GetUser"), ("resource", "*")];
        assert!(matches!(parse("can", &can).unwrap(), Question::Can(_)));
        assert_eq!(parse("can", &can[..2]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("head", &[("x", "y")]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("proofs/7", &[]).unwrap(), Question::Proof(7));
        assert_eq!(parse("proofs/0", &[]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("proofs/alice", &[]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("wonders", &[]).unwrap_err().code, "InvalidAction");
        let during = [can[0], can[1], can[2], ("during", "2026-Q1")];
        let Question::Access(ask) = parse("access", &during).unwrap() else { panic!() };
        assert_eq!(ask.range.to.unwrap().to_string(), "2026-04-01T00:00:00.000000Z");
        let both = [can[0], can[1], can[2], ("during", "2026"), ("from", "@1")];
        assert_eq!(parse("access", &both).unwrap_err().code, "ValidationError");
        let climbing = [can[1], can[2], ("escalation", "true"), ("during", "2026")];
        assert!(parse("who-can", &climbing[..3]).is_ok());
        assert_eq!(parse("who-can", &climbing).unwrap_err().code, "ValidationError");
        assert!(parse("events", &[("from", "soon")]).is_err());
        assert!(parse("events", &[("outcome", "maybe")]).is_err());
        let range = [("from", "@3"), ("to", "2026-03-01"), ("outcome", "denied")];
        let Question::Events(filter) = parse("events", &range).unwrap() else { panic!() };
        assert!(filter.sort == log::Sort::Denied && filter.from.unwrap().position == Some(3));
        assert!(parse("show", &[("thing", "a"), ("thing", "b")]).is_err());
        let month = [("during", "2026-03"), ("order", "oldest"), ("limit", "99999")];
        let Question::Events(filter) = parse("events", &month).unwrap() else { panic!() };
        assert_eq!((filter.order, filter.limit), (log::Order::Oldest, log::LARGEST));
        assert!(filter.from.unwrap().time < filter.to.unwrap().time);
        assert!(parse("events", &[("limit", "0")]).is_err());
        assert!(parse("events", &[("cursor", "x")]).is_err());
        assert!(parse("events", &[("during", "2026-03"), ("from", "@1")]).is_err());
    }
}
