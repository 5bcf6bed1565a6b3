//! A question in a line, as a command would ask it: for the receipt that it was asked.

use std::fmt::Display;

use super::Question;
use super::replay::what_if::Candidate;
use crate::service::moment::{Moment, Range};

/// Characters of a question that its receipt keeps.
const LONGEST: usize = 500;

/// `access alice iam:GetUser * --from 2026-01-01T00:00:00Z`. The document of a candidate policy is left out.
pub fn line(question: &Question, at: Option<&Moment>) -> String {
    let mut line = Line(String::new());
    match question {
        Question::Head => line.words(&["head"]),
        Question::Organization => line.words(&["organization"]),
        Question::Key => line.words(&["key"]),
        Question::Checkpoint => line.words(&["checkpoint"]),
        Question::Proof(position) => line.words(&["prove", &format!("@{position}")]),
        Question::Show { thing } => line.words(&["show", thing]),
        Question::Events(filter) => {
            line.words(&["log"]);
            line.given("principal", &filter.principal);
            line.given("person", &filter.person);
            line.given("target", &filter.target);
            line.given("operation", &filter.operation);
            line.given("ticket", &filter.ticket);
            line.range(Range { from: filter.from, to: filter.to });
        }
        Question::Can(ask) => line.words(&["can", &ask.principal, &ask.action, &ask.resource]),
        Question::Access(ask) => {
            line.words(&["access", &ask.principal, &ask.action, &ask.resource]);
            line.range(ask.range);
        }
        Question::WhoCan(ask) => {
            line.words(&["who-can", &ask.action, &ask.resource]);
            line.range(ask.range);
            line.words(if ask.escalation { &["--escalation"] } else { &[] });
        }
        Question::Diff(ask) => {
            line.words(&["diff"]);
            line.given("principal", &ask.principal);
            line.range(Range { from: Some(ask.from), to: ask.to });
        }
        Question::Replay(ask) => {
            line.words(&["replay"]);
            line.given("principal", &ask.principal);
            line.range(Range { from: ask.from, to: ask.to });
        }
        Question::WhatIf(ask) => {
            line.words(&match &ask.candidate {
                Candidate::Attach { to, .. } => ["what-if", "--attach", "--to", to],
                Candidate::Detach { from, .. } => ["what-if", "--detach", "--from", from],
                Candidate::Version { of, .. } => ["what-if", "--version", "--of", of],
            });
            line.given("over", &ask.over);
        }
        Question::Report(ask) => {
            line.words(&["report", ask.name.text()]);
            line.range(ask.range);
        }
    }
    line.given("at", &at);
    line.0.chars().take(LONGEST).collect()
}

struct Line(String);

impl Line {
    fn words(&mut self, words: &[&str]) {
        for word in words {
            let space = if self.0.is_empty() { "" } else { " " };
            self.0 += &format!("{space}{word}");
        }
    }

    fn given(&mut self, name: &str, value: &Option<impl Display>) {
        if let Some(value) = value {
            self.0 += &format!(" --{name} {value}");
        }
    }

    fn range(&mut self, range: Range) {
        self.given("from", &range.from);
        self.given("to", &range.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_told_as_it_would_be_asked() {
        let told = |name: &str, parameters: &[(&str, &str)], at: Option<&str>| {
            let owned: Vec<_> =
                parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let at = at.map(|at| Moment::parse(at).unwrap());
            line(&Question::parse(name, &owned).unwrap(), at.as_ref())
        };
        let who = [("action", "iam:GetUser"), ("resource", "*"), ("escalation", "true")];
        assert_eq!(told("who-can", &who, Some("@7")), "who-can iam:GetUser * --escalation --at @7");
        let log = [("outcome", "read"), ("person", "ann"), ("from", "@3")];
        assert_eq!(told("events", &log, None), "log --person ann --from @3");
        let what = [("attach", "{...}"), ("to", "ann"), ("over", "@2")];
        assert_eq!(told("what-if", &what, None), "what-if --attach --to ann --over @2");
        assert_eq!(told("reports/keys", &[], None), "report keys");
        assert_eq!(told("show", &[("thing", &"x".repeat(900))], None).len(), LONGEST);
    }
}
