//! What the actions of a statement stand for, and those that stand for nothing.

use super::super::catalogue::{self, Named};
use super::super::grammar::{Spot, StatementParts};
use super::{Linter, is_all};

/// What an entry of `Action` stands for.
pub(super) enum Meaning {
    /// Every action there is.
    Everything,
    /// Actions of a service that the catalogue does not have.
    Foreign,
    /// Nothing that anybody could ask for.
    Nothing,
    /// These actions.
    Known(Vec<Named>),
}

/// The `Action` or `NotAction` of a statement.
pub(super) struct Actions<'p> {
    pub not: bool,
    pub entries: Vec<(&'p Spot, Meaning)>,
}

impl Actions<'_> {
    /// The actions that are named; `None` if others may be meant as well.
    pub fn all_known(&self) -> Option<Vec<Named>> {
        let mut all = Vec::new();
        for (_, meaning) in &self.entries {
            match meaning {
                Meaning::Everything | Meaning::Foreign => return None,
                Meaning::Nothing => {}
                Meaning::Known(known) => all.extend(known),
            }
        }
        (!self.not).then_some(all)
    }
}

/// `iam:CreateUser`.
pub(super) fn full_name(named: &Named) -> String {
    format!("{}:{}", named.service.prefix, named.action.name)
}

impl Linter<'_> {
    /// Reads the actions of a statement.
    pub(super) fn actions<'p>(&mut self, statement: &'p StatementParts) -> Actions<'p> {
        let Some(choice) = &statement.action else {
            return Actions { not: false, entries: Vec::new() };
        };
        let not = choice.not;
        let entries = choice.entries.iter().map(|spot| (spot, self.meaning(spot, not))).collect();
        Actions { not, entries }
    }

    fn meaning(&mut self, spot: &Spot, not: bool) -> Meaning {
        let Spot { text, at } = spot;
        let effect = if not { "excludes nothing" } else { "matches nothing" };
        if text.contains(|character: char| character == ',' || character.is_whitespace()) {
            let message =
                format!("\"{text}\" {effect}: no action has a space or comma in its name");
            let advice = "write each action as a text of its own in an array";
            self.warn(*at, "impossible-action", message, advice);
            return Meaning::Nothing;
        }
        let (prefix, name) = text.split_once(':').unwrap_or((text, "*"));
        if is_all(prefix) {
            return Meaning::Everything;
        }
        let Some(service) = catalogue::service(prefix) else {
            if !self.is_trusted(prefix) {
                let advice = self.suggest(
                    prefix,
                    catalogue::prefixes(),
                    |near| format!("{near}:{name}"),
                    "if it is a service of your own, say so with --service",
                );
                let message = format!("no service is called {prefix}");
                self.warn(*at, "unknown-service", message, advice);
            }
            return Meaning::Foreign;
        };
        let known = catalogue::expand(text);
        if !known.is_empty() {
            return Meaning::Known(known);
        }
        let names = service.actions.iter().map(|action| action.name);
        let whole = |near: &str| format!("{}:{near}", service.prefix);
        if name.contains(['*', '?']) {
            let stem = name.trim_matches(['*', '?']);
            let advice = self.suggest(stem, names, whole, "remove it, or correct the pattern");
            let message = format!("\"{text}\" {effect}: {prefix} has no action like that");
            self.warn(*at, "empty-wildcard", message, advice);
        } else {
            let otherwise = format!("look for the action among those of {prefix}, or remove it");
            let advice = self.suggest(name, names, whole, &otherwise);
            let message = format!("\"{text}\" {effect}: {prefix} has no such action");
            self.warn(*at, "unknown-action", message, advice);
        }
        Meaning::Nothing
    }
}
