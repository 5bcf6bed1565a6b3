//! Statements, and entries in them, that others make idle.
//!
//! One pattern covers another if it matches the other's text, whose wildcards then count as plain
//! characters: what it matches of them it matches of all that they stand for. That is not every case, but
//! never a wrong one.

use std::collections::BTreeSet;

use super::super::context::Context;
use super::super::grammar::{Choice, Effect, Spot, StatementParts};
use super::super::pattern::{Glob, Syntax};
use super::super::principal::Scheme;
use super::{Linter, is_all};

/// A pattern and its text.
struct Pattern {
    text: String,
    /// The fields of an ARN, or the whole.
    fields: Vec<Glob>,
}

impl Pattern {
    fn action(text: &str) -> Pattern {
        let text = text.to_ascii_lowercase();
        Pattern { fields: vec![compile(&text)], text }
    }

    fn resource(text: &str) -> Pattern {
        // Every field but the last keeps its wildcards to itself.
        let fields =
            if is_all(text) { Vec::new() } else { text.splitn(6, ':').map(compile).collect() };
        Pattern { text: text.to_owned(), fields }
    }

    fn covers(&self, other: &Pattern) -> bool {
        if self.text == other.text || is_all(&self.text) {
            return true;
        }
        if is_all(&other.text) || !self.text.contains(['*', '?']) {
            return false;
        }
        // A `?` would match the text of a star, but not all that a star stands for.
        if self.text.contains('?') && other.text.contains('*') || self.text.contains("${") {
            return false;
        }
        if self.fields.len() == 1 {
            return self.covers_text(0, &other.text);
        }
        let mut texts = other.text.splitn(6, ':');
        let fit = (0..self.fields.len())
            .all(|at| texts.next().is_some_and(|text| self.covers_text(at, text)));
        fit && texts.next().is_none()
    }

    fn covers_text(&self, at: usize, text: &str) -> bool {
        self.fields.get(at).is_some_and(|glob| glob.matches(text, &Context::new()).holds)
    }
}

fn compile(text: &str) -> Glob {
    Glob::compile(text, Syntax { wildcards: true, variables: false })
}

/// An element with its `Not`.
struct Set {
    not: bool,
    patterns: Vec<Pattern>,
}

impl Set {
    fn of(choice: &Choice<Spot>, pattern: impl Fn(&str) -> Pattern) -> Set {
        let patterns = choice.entries.iter().map(|spot| pattern(&spot.text)).collect();
        Set { not: choice.not, patterns }
    }

    fn covers(&self, other: &Set) -> bool {
        match (self.not, other.not) {
            (false, false) => other
                .patterns
                .iter()
                .all(|one| self.patterns.iter().any(|pattern| pattern.covers(one))),
            (false, true) => self.patterns.iter().any(|pattern| is_all(&pattern.text)),
            // Whatever this leaves out, the other leaves out as well.
            (true, true) => self
                .patterns
                .iter()
                .all(|one| other.patterns.iter().any(|pattern| pattern.covers(one))),
            (true, false) => false,
        }
    }
}

/// A statement in a form that can be compared.
struct Comparable<'p> {
    effect: Effect,
    principals: Option<(bool, BTreeSet<&'p str>)>,
    actions: Set,
    resources: Option<Set>,
    conditions: BTreeSet<String>,
}

impl<'p> Comparable<'p> {
    fn of(statement: &'p StatementParts) -> Option<Comparable<'p>> {
        let principals = statement.principal.as_ref().map(|principal| {
            let names = principal.entries.iter().map(|(scheme, spot)| match scheme {
                Scheme::Everyone => "*",
                _ => spot.text.as_str(),
            });
            (principal.not, names.collect())
        });
        let conditions = statement.conditions.iter().map(|part| {
            let mut operands: Vec<&str> =
                part.operands.iter().map(|spot| spot.text.as_str()).collect();
            operands.sort_unstable();
            format!(
                "{}\n{}\n{}",
                part.operator_spot.text,
                part.key.to_lowercase(),
                operands.join("\n")
            )
        });
        Some(Comparable {
            effect: statement.effect,
            principals,
            actions: Set::of(statement.action.as_ref()?, Pattern::action),
            resources: statement.resource.as_ref().map(|choice| Set::of(choice, Pattern::resource)),
            conditions: conditions.collect(),
        })
    }

    /// Whether this statement applies wherever the other does.
    fn covers(&self, other: &Comparable<'_>) -> bool {
        let principals = match (&self.principals, &other.principals) {
            (Some((false, ours)), Some((false, theirs))) => {
                ours.contains("*") || theirs.is_subset(ours)
            }
            (ours, theirs) => ours == theirs,
        };
        let resources = match (&self.resources, &other.resources) {
            (Some(ours), Some(theirs)) => ours.covers(theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        principals
            && self.conditions.is_subset(&other.conditions)
            && resources
            && self.actions.covers(&other.actions)
    }
}

impl Linter<'_> {
    pub(super) fn statements(&mut self, statements: &[StatementParts]) {
        let compared: Vec<Option<Comparable<'_>>> = statements.iter().map(Comparable::of).collect();
        for (index, (statement, ours)) in statements.iter().zip(&compared).enumerate() {
            self.entries(statement);
            let Some(ours) = ours else { continue };
            let others = compared.iter().enumerate().filter(|(at, _)| *at != index);
            let covering = others.filter_map(|(at, other)| Some((at, other.as_ref()?)));
            // A Deny matters more than what merely says the same.
            let found = covering
                .filter(|(at, other)| {
                    let same = other.effect == ours.effect;
                    let denied = other.effect == Effect::Deny && ours.effect == Effect::Allow;
                    // Of two that say the same the first stays.
                    (denied || same)
                        && other.covers(ours)
                        && (denied || *at < index || !ours.covers(other))
                })
                .min_by_key(|(at, other)| (other.effect == ours.effect, *at));
            let Some((at, other)) = found else { continue };
            let which = name(statements, at);
            let start = statement.start;
            if other.effect != ours.effect {
                let message = format!("whatever this statement allows, {which} denies");
                self.warn(start, "unreachable-allow", message, "remove it, or narrow the Deny");
            } else if ours.covers(other) {
                let message = format!("{which} says the same");
                self.warn(start, "duplicate-statement", message, "remove one of them");
            } else {
                let message = format!("{which} already says all of this");
                self.warn(start, "shadowed-statement", message, "remove this statement");
            }
        }
    }

    /// Entries that another of the same element makes idle.
    fn entries(&mut self, statement: &StatementParts) {
        type Read = fn(&str) -> Pattern;
        let read: [Read; 2] = [Pattern::action, Pattern::resource];
        for (element, pattern) in [&statement.action, &statement.resource].into_iter().zip(read) {
            let Some(choice) = element else { continue };
            let patterns: Vec<Pattern> =
                choice.entries.iter().map(|spot| pattern(&spot.text)).collect();
            let wild: Vec<usize> = (0..patterns.len())
                .filter(|at| patterns.get(*at).is_some_and(|one| one.text.contains(['*', '?'])))
                .collect();
            let mut seen = BTreeSet::new();
            for (at, (spot, ours)) in choice.entries.iter().zip(&patterns).enumerate() {
                let again = !seen.insert(&ours.text);
                let covered = wild.iter().filter(|other| **other != at).find_map(|other| {
                    patterns
                        .get(*other)
                        .filter(|other| other.text != ours.text && other.covers(ours))
                });
                let message = match covered {
                    _ if again => format!("\"{}\" is written twice", spot.text),
                    Some(other) => {
                        format!("\"{}\" is already part of \"{}\"", spot.text, other.text)
                    }
                    None => continue,
                };
                self.warn(spot.at, "redundant-entry", message, "remove it");
            }
        }
    }
}

/// How to speak of a statement.
fn name(statements: &[StatementParts], at: usize) -> String {
    let sid = statements.get(at).and_then(|statement| statement.sid.as_ref());
    match sid.filter(|sid| !sid.text.is_empty()) {
        Some(sid) => format!("statement {} ({})", at + 1, sid.text),
        None => format!("statement {}", at + 1),
    }
}
