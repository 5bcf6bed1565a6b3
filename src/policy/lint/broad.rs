//! Statements that grant more than anybody is likely to mean.
//!
//! Only documents that grant by themselves are searched: a boundary or a service control policy with
//! `"Action": "*"` is how those are written.

use std::collections::BTreeSet;

use super::super::catalogue::Named;
use super::super::grammar::{Effect, Spot};
use super::actions::Meaning;
use super::{Kind, Linter, Looked, is_all, some_of};

impl Linter<'_> {
    pub(super) fn broad(&mut self, looked: &Looked<'_>) {
        let parts = looked.parts;
        if parts.effect != Effect::Allow || !self.kind.grants() {
            return;
        }
        if looked.actions.not {
            let at = parts.action.as_ref().map_or(parts.start, |action| action.at);
            self.warn(
                at,
                "allow-not-action",
                "NotAction with Allow grants every other action, also of services that do not exist yet",
                "list what is to be allowed in Action, or deny what is not",
            );
        }
        for (spot, meaning) in &looked.actions.entries {
            if matches!(meaning, Meaning::Everything) && !looked.actions.not {
                let advice = "list the services or actions that are needed";
                let message = format!("\"{}\" grants every action of every service", spot.text);
                self.warn(spot.at, "allow-all-actions", message, advice);
            }
        }
        let Some(resource) = &parts.resource else { return };
        if resource.not {
            self.warn(
                resource.at,
                "allow-not-resource",
                "NotResource with Allow grants every other resource, also those that do not exist yet",
                "list what is to be allowed in Resource, or deny what is not",
            );
            return;
        }
        // A policy on a resource can only be about that resource.
        if self.kind != Kind::Resource {
            self.everywhere(looked, &resource.entries);
        }
    }

    /// Actions that change things, allowed on all things.
    fn everywhere(&mut self, looked: &Looked<'_>, resources: &[Spot]) {
        if looked.actions.not {
            return;
        }
        let named: Vec<&Named> = looked
            .actions
            .entries
            .iter()
            .filter_map(|(_, meaning)| match meaning {
                Meaning::Known(known) => Some(known),
                _ => None,
            })
            .flatten()
            .collect();
        let passes =
            |named: &Named| named.service.prefix == "iam" && named.action.name == "PassRole";
        let conditions = &looked.parts.conditions;
        let bound = conditions.iter().any(|c| c.key.eq_ignore_ascii_case("iam:PassedToService"));
        if !bound
            && named.iter().any(|named| passes(named))
            && let Some(spot) = resources.iter().find(|spot| is_every_role(&spot.text))
        {
            let message =
                format!("iam:PassRole on \"{}\" gives away any role of the account", spot.text);
            let advice =
                "name the roles that may be passed, or add the condition iam:PassedToService";
            self.warn(spot.at, "pass-any-role", message, advice);
        }
        let Some(spot) = resources.iter().find(|spot| is_all(&spot.text)) else { return };
        if !conditions.is_empty() {
            return;
        }
        let changing: BTreeSet<(&str, &str)> = named
            .iter()
            .filter(|named| !passes(named))
            .filter(|Named { action, .. }| action.level.changes() && !action.uses.is_empty())
            .map(|named| (named.service.prefix, named.action.name))
            .collect();
        if !changing.is_empty() {
            let names: Vec<String> =
                changing.iter().map(|(prefix, name)| format!("{prefix}:{name}")).collect();
            let message = format!("{} may change every resource there is", some_of(&names));
            let advice = "name the resources, or say by a condition which are meant";
            self.warn(spot.at, "write-on-all-resources", message, advice);
        }
    }
}

/// Whether a resource stands for all roles of an account.
fn is_every_role(resource: &str) -> bool {
    let tail = resource.splitn(6, ':').nth(5);
    is_all(resource) || tail.is_some_and(|tail| is_all(tail) || matches!(tail, "role*" | "role/*"))
}
