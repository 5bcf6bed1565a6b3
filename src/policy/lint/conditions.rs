//! Conditions that no request can meet, or that every request does.

use super::super::catalogue::{self, ConditionKey, KeyType};
use super::super::condition;
use super::super::grammar::{ConditionParts, Effect, Spot};
use super::super::moment;
use super::actions::{Meaning, full_name};
use super::{Kind, Linter, Looked, is_key, some_of, variables};
use crate::base::text;

/// What an operator compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compares {
    Text { wildcards: bool },
    Arns,
    Numbers,
    Dates,
    Bools,
    Bytes,
    Addresses,
    Presence,
}

/// An operator's name, taken apart as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named<'n> {
    /// Without set operator and `IfExists`.
    base: &'n str,
    compares: Compares,
    /// `ForAllValues` or `ForAnyValue`.
    set: Option<&'n str>,
    if_exists: bool,
    negated: bool,
}

impl<'n> Named<'n> {
    fn of(name: &'n str) -> Named<'n> {
        let (set, base) = match name.split_once(':') {
            Some((set, base)) => (Some(set), base),
            None => (None, name),
        };
        let (base, if_exists) = match base.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (base, false),
        };
        let compares = if base.starts_with("String") {
            Compares::Text { wildcards: base.ends_with("Like") }
        } else if base.starts_with("Arn") {
            Compares::Arns
        } else if base.starts_with("Numeric") {
            Compares::Numbers
        } else if base.starts_with("Date") {
            Compares::Dates
        } else if base.ends_with("IpAddress") {
            Compares::Addresses
        } else if base.starts_with("Binary") {
            Compares::Bytes
        } else if base == "Bool" {
            Compares::Bools
        } else {
            Compares::Presence
        };
        Named { base, compares, set, if_exists, negated: base.contains("Not") }
    }

    /// Whether values of this type can be compared so; if not, the operators to use.
    fn misfit(self, key: &ConditionKey) -> Option<&'static str> {
        let fits = match (self.compares, key.key_type) {
            (Compares::Presence, _) => true,
            (Compares::Text { .. }, KeyType::Text | KeyType::Arn | KeyType::Binary) => true,
            // Many a key that is listed as a text has an ARN in it.
            (Compares::Arns, KeyType::Arn | KeyType::Text) => true,
            (Compares::Numbers, KeyType::Number) | (Compares::Dates, KeyType::Date) => true,
            (Compares::Numbers, KeyType::Date) => key.is("aws:EpochTime"),
            (Compares::Bools, KeyType::Bool) | (Compares::Addresses, KeyType::Address) => true,
            (Compares::Bytes, KeyType::Binary | KeyType::Text) => true,
            _ => false,
        };
        let right = match key.key_type {
            KeyType::Text => "a String... operator",
            KeyType::Arn => "an Arn... operator",
            KeyType::Bool => "Bool",
            KeyType::Number => "a Numeric... operator",
            KeyType::Date => "a Date... operator",
            KeyType::Address => "IpAddress or NotIpAddress",
            KeyType::Binary => "BinaryEquals",
        };
        (!fits).then_some(right)
    }

    /// What is wrong with a value, and what would be right.
    fn unreadable(self, value: &str) -> Option<&'static str> {
        let holds_variable = variables(value).flatten().any(is_key);
        let (sound, right) = match self.compares {
            Compares::Text { .. } => (true, ""),
            Compares::Arns => (
                holds_variable || value.split(':').count() >= 6,
                "write six fields: arn:aws:iam::123456789012:role/*",
            ),
            Compares::Numbers => (condition::number(value).is_some(), "write a number: 3600"),
            Compares::Dates => {
                (moment::parse(value).is_some(), "write 2026-03-01T12:00:00Z or seconds")
            }
            Compares::Bools => {
                (holds_variable || condition::boolean(value).is_some(), "write true or false")
            }
            Compares::Presence => (condition::boolean(value).is_some(), "write true or false"),
            Compares::Bytes => (text::from_base64(value).is_some(), "write base64"),
            Compares::Addresses => {
                (condition::network(value).is_some(), "write 203.0.113.0/24 or 2001:db8::/32")
            }
        };
        (!sound).then_some(right)
    }
}

impl Linter<'_> {
    pub(super) fn conditions(&mut self, looked: &Looked<'_>) {
        for part in &looked.parts.conditions {
            let named = Named::of(&part.operator_spot.text);
            for operand in &part.operands {
                self.operand(operand, named, looked);
            }
            let Some(key) = self.known_key(&part.key, part.key_at) else { continue };
            if let Some(right) = named.misfit(key) {
                let message =
                    format!("{} is not for values such as those of {}", named.base, key.name);
                self.warn(
                    part.operator_spot.at,
                    "operator-of-another-type",
                    message,
                    format!("use {right}"),
                );
            }
            self.quantity(part, named, key, looked);
            self.carried(part, named, key, looked);
        }
    }

    fn operand(&mut self, operand: &Spot, named: Named<'_>, looked: &Looked<'_>) {
        let Spot { text, at } = operand;
        if let Some(right) = named.unreadable(text) {
            let message =
                format!("{} cannot read \"{text}\", so that nothing equals it", named.base);
            self.warn(*at, "unreadable-value", message, right);
            return;
        }
        let literal_star = text.replace("${*}", "").contains('*');
        if named.compares == (Compares::Text { wildcards: false }) && literal_star {
            let like = if named.negated { "StringNotLike" } else { "StringLike" };
            let message =
                format!("to {}, the * in \"{text}\" is a star and no wildcard", named.base);
            self.warn(
                *at,
                "wildcard-as-text",
                message,
                format!("use {like}, or write ${{*}} if a star is meant"),
            );
        }
        if matches!(named.compares, Compares::Text { .. } | Compares::Arns | Compares::Bools) {
            self.variables(operand, looked, 0);
        }
    }

    /// The condition key of this name; tells of one that does not exist. Keys of identity providers, and
    /// of services that the user vouches for, are anybody's.
    pub(super) fn known_key(&mut self, name: &str, at: usize) -> Option<&'static ConditionKey> {
        let found = catalogue::condition_key(name);
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        if found.is_none() && !prefix.contains('.') && !self.is_trusted(prefix) {
            let names = catalogue::condition_keys().map(|key| key.name);
            let advice = self.suggest(
                name,
                names,
                ToOwned::to_owned,
                "look for it among the global keys and those of the service",
            );
            self.warn(
                at,
                "unknown-key",
                format!("no request carries a condition key {name}"),
                advice,
            );
        }
        found
    }

    /// Keys with one value and operators for several, and the reverse.
    fn quantity(
        &mut self,
        part: &ConditionParts,
        named: Named<'_>,
        key: &ConditionKey,
        looked: &Looked<'_>,
    ) {
        let at = part.operator_spot.at;
        let presence = named.compares == Compares::Presence;
        match (named.set, key.many) {
            _ if presence => {}
            (None, true) => self.warn(
                at,
                "several-values",
                format!("{} has several values, which {} never matches", key.name, named.base),
                format!("write ForAnyValue:{0} or ForAllValues:{0}", part.operator_spot.text),
            ),
            (Some(set), false) => self.warn(
                at,
                "single-value",
                format!("{} has one value; {set} is for keys with several", key.name),
                format!("write {}", named.base),
            ),
            (Some("ForAllValues"), true) if !guarded(part, looked) => {
                let effect = match looked.parts.effect {
                    Effect::Allow => "allows",
                    Effect::Deny => "denies",
                };
                self.warn(
                    at,
                    "for-all-of-nothing",
                    format!(
                        "ForAllValues also {effect} requests without any value of {}",
                        key.name
                    ),
                    format!("add \"Null\": {{\"{}\": \"false\"}} unless that is meant", part.key),
                );
            }
            _ => {}
        }
    }

    /// Keys that requests for the actions do not carry.
    fn carried(
        &mut self,
        part: &ConditionParts,
        named: Named<'_>,
        key: &ConditionKey,
        looked: &Looked<'_>,
    ) {
        if catalogue::is_global(key) {
            return;
        }
        let Some(known) = looked.actions.all_known() else { return };
        if known.is_empty() {
            return;
        }
        let carried = |one: &catalogue::Named| one.service.carries(one.action, key.name);
        let missing_is_no =
            !named.negated && !named.if_exists && named.compares != Compares::Presence;
        if !known.iter().any(carried) {
            let outcome = match (missing_is_no, named.set, looked.parts.effect) {
                (true, set, effect) if set != Some("ForAllValues") => match effect {
                    Effect::Allow => "the statement never allows anything",
                    Effect::Deny => "the statement never denies anything",
                },
                _ => "the condition says nothing",
            };
            let message = format!("no action of the statement carries {}: {outcome}", part.key);
            let advice = "remove the condition, or use a key that the actions carry";
            self.warn(part.key_at, "key-not-carried", message, advice);
            return;
        }
        // A trust policy's actions are one request; others' are separate ones.
        if !missing_is_no || named.set == Some("ForAllValues") || self.kind == Kind::Trust {
            return;
        }
        let lacking: Vec<String> = looked
            .actions
            .entries
            .iter()
            .filter(|(spot, _)| !spot.text.contains(['*', '?']))
            .filter_map(|(_, meaning)| match meaning {
                Meaning::Known(known) => Some(known),
                _ => None,
            })
            .flatten()
            .filter(|one| !carried(one))
            .map(full_name)
            .collect();
        if !lacking.is_empty() {
            let effect = match looked.parts.effect {
                Effect::Allow => "allowed",
                Effect::Deny => "denied",
            };
            let message =
                format!("{} never {effect} here: no {} is carried", some_of(&lacking), part.key);
            let advice = "give these actions a statement of their own";
            self.warn(part.key_at, "key-not-carried-by-some", message, advice);
        }
    }
}

/// Whether the statement also asks that the key be there.
fn guarded(part: &ConditionParts, looked: &Looked<'_>) -> bool {
    looked.parts.conditions.iter().any(|other| {
        other.key.eq_ignore_ascii_case(&part.key)
            && other.operator_spot.text.ends_with("Null")
            && other.operands.iter().any(|spot| condition::boolean(&spot.text) == Some(false))
    })
}
