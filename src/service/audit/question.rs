//! A question, read from its name and its parameters.
//!
//! Each question is the last part of a path (`/audit/v1/NAME`) with parameters named as the flags of the
//! command; both doors, the network's and the command line's, hand them to [`Question::parse`].

use super::{can, diff, log, proofs, who_can};
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// Questions about the whole store: where there are several accounts, none need be named for them.
pub const OF_THE_STORE: &[&str] = &["checkpoint", "head", "key"];

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
    /// Who could do something?
    WhoCan(who_can::Ask),
    /// What was gained and lost?
    Diff(diff::Ask),
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
            "events" => Question::Events(log::Filter {
                principal: read.take("principal")?,
                person: read.take("person")?,
                target: read.take("target")?,
                operation: read.take("operation")?,
                denied: match read.take("outcome")?.as_deref() {
                    None | Some("success") => false,
                    Some("denied") => true,
                    Some(_) => {
                        return Err(Fault::validation("`outcome` is `success` or `denied`."));
                    }
                },
                ticket: read.take("ticket")?,
                from: read.take_moment("from")?,
                to: read.take_moment("to")?,
                limit: match read.take("limit")? {
                    None => log::LIMIT,
                    Some(text) => text
                        .parse::<usize>()
                        .map_err(|_| Fault::validation("`limit` is a number."))?
                        .min(log::LIMIT),
                },
            }),
            "show" => Question::Show { thing: read.need("thing")? },
            "can" => Question::Can(can::Ask {
                principal: read.need("principal")?,
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
            }),
            "who-can" => Question::WhoCan(who_can::Ask {
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
            }),
            "diff" => Question::Diff(diff::Ask {
                from: read
                    .take_moment("from")?
                    .ok_or_else(|| Fault::validation("`from` is missing."))?,
                to: read.take_moment("to")?,
                principal: read.take("principal")?,
            }),
            "organization" => Question::Organization,
            "key" => Question::Key,
            "checkpoint" => Question::Checkpoint,
            name if name.starts_with("proofs/") => Question::Proof(proofs::position(name)?),
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

    /// What the caller must be allowed.
    pub fn action(&self) -> &'static str {
        match self {
            Question::Can(_) => "domesday:Evaluate",
            Question::WhoCan(_) | Question::Diff(_) => "domesday:SearchAccess",
            _ => "domesday:ReadLedger",
        }
    }
}

struct Parameters {
    left: Vec<(String, String)>,
}

impl Parameters {
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
        assert_eq!(parse("access", &[]).unwrap_err().code, "InvalidAction");
        assert!(parse("events", &[("from", "soon")]).is_err());
        assert!(parse("events", &[("outcome", "maybe")]).is_err());
        let range = [("from", "@3"), ("to", "2026-03-01"), ("outcome", "denied")];
        let Question::Events(filter) = parse("events", &range).unwrap() else { panic!() };
        assert!(filter.denied && filter.from.unwrap().position == Some(3));
        assert!(parse("show", &[("thing", "a"), ("thing", "b")]).is_err());
    }
}
