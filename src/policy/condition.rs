//! The `Condition` element: operators, compiled with their operands when a document is parsed.
//!
//! Conditions of a statement are ANDed, keys under an operator are ANDed, values of a key are ORed;
//! a negated operator is true when none of its values match. What is missing or unreadable follows
//! these rules, chosen so that a Deny does not fall silent:
//!
//! | | plain | negated | `...IfExists` | `ForAllValues:` | `ForAnyValue:` | `Null` |
//! |---|---|---|---|---|---|---|
//! | key missing | false | true | true | true | false | compares with `"true"` |
//! | value is no number, date, address, ARN ... | false | true | as plain or negated | each value | each value | - |
//! | several values | false | false | false | each value | each value | present |
//!
//! `IfExists` changes nothing inside a set operator, and a set operator nothing about `Null`. An
//! operator that is not in the table below is refused when the document is parsed, never skipped.

use std::net::IpAddr;

use ipnet::IpNet;

use super::arn::{Arn, ArnGlob};
use super::clock;
use super::context::{Context, Key, Lookup};
use super::moment::{self, Moment};
use super::pattern::{Glob, Syntax, Truth};
use crate::base::text;

/// How numbers and dates are compared with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, operand: &T) -> bool {
        match self {
            Order::Equal => value == operand,
            Order::Less => value < operand,
            Order::LessOrEqual => value <= operand,
            Order::Greater => value > operand,
            Order::GreaterOrEqual => value >= operand,
        }
    }
}

/// The families of operators, without negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text { wildcards: bool, ignore_case: bool },
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Null,
}

const EXACT: Family = Family::Text { wildcards: false, ignore_case: false };
const CASELESS: Family = Family::Text { wildcards: false, ignore_case: true };
const LIKE: Family = Family::Text { wildcards: true, ignore_case: false };

/// Every operator: its name, its family, and whether it is negated.
const OPERATORS: [(&str, Family, bool); 27] = [
    ("StringEquals", EXACT, false),
    ("StringNotEquals", EXACT, true),
    ("StringEqualsIgnoreCase", CASELESS, false),
    ("StringNotEqualsIgnoreCase", CASELESS, true),
    ("StringLike", LIKE, false),
    ("StringNotLike", LIKE, true),
    ("NumericEquals", Family::Number(Order::Equal), false),
    ("NumericNotEquals", Family::Number(Order::Equal), true),
    ("NumericLessThan", Family::Number(Order::Less), false),
    ("NumericLessThanEquals", Family::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Family::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Family::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Family::Date(Order::Equal), false),
    ("DateNotEquals", Family::Date(Order::Equal), true),
    ("DateLessThan", Family::Date(Order::Less), false),
    ("DateLessThanEquals", Family::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Family::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Family::Date(Order::GreaterOrEqual), false),
    ("Bool", Family::Bool, false),
    ("BinaryEquals", Family::Binary, false),
    ("IpAddress", Family::Address, false),
    ("NotIpAddress", Family::Address, true),
    ("ArnEquals", Family::Arn, false),
    ("ArnNotEquals", Family::Arn, true),
    ("ArnLike", Family::Arn, false),
    ("ArnNotLike", Family::Arn, true),
    ("Null", Family::Null, false),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// The key has one value.
    Single,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// The name of an operator, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    family: Family,
    negated: bool,
    quantifier: Quantifier,
    if_exists: bool,
}

impl Operator {
    /// `None` for a name that is no operator.
    pub fn parse(name: &str) -> Option<Operator> {
        let (quantifier, name) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantifier::All, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantifier::Any, rest)
        } else {
            (Quantifier::Single, name)
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (_, family, negated) = *OPERATORS.iter().find(|(known, ..)| *known == name)?;
        if if_exists && family == Family::Null {
            return None;
        }
        Some(Operator { family, negated, quantifier, if_exists })
    }

    /// Whether AWS refuses a document for this operand.
    pub fn refuses(self, operand: &str) -> bool {
        matches!(self.family, Family::Date(_)) && moment::parse(operand).is_none()
    }
}

/// Operands, read once. One that cannot be read equals nothing and is left out.
#[derive(Debug)]
enum Test {
    Text {
        ignore_case: bool,
        globs: Box<[Glob]>,
    },
    Arn(Box<[ArnGlob]>),
    Number(Order, Box<[f64]>),
    Date(Order, Box<[Moment]>),
    Bool(Box<[Glob]>),
    Binary(Box<[Vec<u8>]>),
    Address(Box<[IpNet]>),
    /// The wanted answers to "is the key missing?".
    Null(Box<[bool]>),
}

/// One key under one operator.
#[derive(Debug)]
pub(super) struct Condition {
    key: Key,
    family: Family,
    negated: bool,
    quantifier: Quantifier,
    if_exists: bool,
    test: Test,
    /// As they were written, in order, once each.
    operands: Box<[Box<str>]>,
}

impl Condition {
    pub fn compile<'t>(
        operator: Operator,
        key: &str,
        operands: impl Iterator<Item = &'t str>,
        variables: bool,
    ) -> Condition {
        let plain = Syntax { wildcards: false, variables };
        let mut written: Vec<&str> = operands.collect();
        let operands = written.iter().copied();
        let test = match operator.family {
            Family::Text { wildcards, ignore_case } => {
                let syntax = Syntax { wildcards, variables };
                let globs = operands.map(|text| Glob::compile(text, syntax)).collect();
                Test::Text { ignore_case, globs }
            }
            Family::Arn => {
                Test::Arn(operands.map(|text| ArnGlob::operand(text, variables)).collect())
            }
            Family::Number(order) => Test::Number(order, operands.filter_map(number).collect()),
            Family::Date(order) => Test::Date(order, operands.filter_map(moment::parse).collect()),
            Family::Bool => Test::Bool(operands.map(|text| Glob::compile(text, plain)).collect()),
            Family::Binary => Test::Binary(operands.filter_map(text::from_base64).collect()),
            Family::Address => Test::Address(operands.filter_map(network).collect()),
            Family::Null => Test::Null(operands.filter_map(boolean).collect()),
        };
        let Operator { family, negated, quantifier, if_exists } = operator;
        written.sort_unstable();
        written.dedup();
        let operands = written.into_iter().map(Into::into).collect();
        Condition { key: Key::new(key), family, negated, quantifier, if_exists, test, operands }
    }

    pub fn holds(&self, context: &Context<'_>) -> Truth {
        let found = context.look(&self.key);
        if let Test::Null(wanted) = &self.test {
            return match found {
                Lookup::Missing { open } => Truth { holds: wanted.contains(&true), open },
                _ => wanted.contains(&false).into(),
            };
        }
        let one = |value: &str| self.value_holds(value, context);
        match (self.quantifier, found) {
            (Quantifier::Single, Lookup::One(value)) => one(value),
            (Quantifier::Single, Lookup::Many(_)) => Truth::NO,
            (Quantifier::Single, Lookup::Missing { open }) => {
                Truth { holds: self.if_exists || self.negated, open }
            }
            (Quantifier::All | Quantifier::Any, Lookup::One(value)) => one(value),
            (Quantifier::All, Lookup::Many(values)) => {
                values.iter().fold(Truth::YES, |all, value| all.and(one(value)))
            }
            (Quantifier::Any, Lookup::Many(values)) => {
                values.iter().fold(Truth::NO, |any, value| any.or(one(value)))
            }
            (Quantifier::All, Lookup::Missing { open }) => Truth { holds: true, open },
            (Quantifier::Any, Lookup::Missing { open }) => Truth { holds: false, open },
        }
    }

    fn value_holds(&self, value: &str, context: &Context<'_>) -> Truth {
        let equal = self.matches_any(value, context);
        if self.negated { equal.not() } else { equal }
    }

    /// Whether the value matches one of the operands.
    fn matches_any(&self, value: &str, context: &Context<'_>) -> Truth {
        let any = |truths: &mut dyn Iterator<Item = Truth>| {
            let mut any = Truth::NO;
            for truth in truths {
                any = any.or(truth);
                if any == Truth::YES {
                    break;
                }
            }
            any
        };
        match &self.test {
            Test::Text { ignore_case: false, globs } => {
                any(&mut globs.iter().map(|glob| glob.matches(value, context)))
            }
            Test::Text { ignore_case: true, globs } => {
                any(&mut globs.iter().map(|glob| glob.matches_ignoring_case(value, context)))
            }
            Test::Arn(globs) => match Arn::parse(value) {
                Some(arn) => any(&mut globs.iter().map(|glob| glob.matches(Some(&arn), context))),
                None => Truth::NO,
            },
            Test::Number(order, operands) => number(value)
                .is_some_and(|value| operands.iter().any(|operand| order.holds(&value, operand)))
                .into(),
            Test::Date(order, operands) => moment::parse(value)
                .is_some_and(|value| operands.iter().any(|operand| order.holds(&value, operand)))
                .into(),
            Test::Bool(globs) if boolean(value).is_some() => {
                any(&mut globs.iter().map(|glob| glob.matches_ignoring_case(value, context)))
            }
            Test::Bool(_) | Test::Null(_) => Truth::NO,
            Test::Binary(operands) => {
                text::from_base64(value).is_some_and(|value| operands.contains(&value)).into()
            }
            Test::Address(networks) => value
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(&address)))
                .into(),
        }
    }

    /// The operator and the key, as in `StringEquals aws:RequestedRegion`; of operators that mean the
    /// same, the first.
    pub fn name(&self) -> String {
        let quantifier = match self.quantifier {
            Quantifier::Single => "",
            Quantifier::All => "ForAllValues:",
            Quantifier::Any => "ForAnyValue:",
        };
        let if_exists = if self.if_exists { "IfExists" } else { "" };
        let known = OPERATORS
            .iter()
            .find(|(_, family, negated)| *family == self.family && *negated == self.negated);
        let operator = known.map_or("", |(name, ..)| name);
        format!("{quantifier}{operator}{if_exists} {}", self.key.name)
    }

    /// The same with its operands, as in `StringEquals aws:RequestedRegion eu-west-1, eu-west-2`.
    pub fn written(&self) -> String {
        let quoted = |operand: &str| match operand.contains([',', '"', ' ']) {
            true => format!("{operand:?}"),
            false => operand.to_owned(),
        };
        let operands: Vec<String> = self.operands.iter().map(|operand| quoted(operand)).collect();
        format!("{} {}", self.name(), operands.join(", "))
    }

    /// At which seconds of the clock the condition turns, if it is about the time of the request; `None` if
    /// that cannot be told, since the time is compared as text or put into a pattern.
    ///
    /// Requests know the time in whole seconds.
    pub fn turns(&self) -> Option<Vec<i64>> {
        let is_time = |key: &Key| clock::KEYS.contains(&&*key.lower);
        if self.keys().skip(1).any(is_time) {
            return None;
        }
        let of = |order: Order, (not_before, after): (i64, i64)| match order {
            Order::Less | Order::GreaterOrEqual => vec![not_before],
            Order::LessOrEqual | Order::Greater => vec![after],
            Order::Equal => vec![not_before, after],
        };
        match &self.test {
            _ if !is_time(&self.key) => Some(Vec::new()),
            Test::Date(order, moments) => {
                Some(moments.iter().flat_map(|moment| of(*order, moment.seconds())).collect())
            }
            Test::Number(order, numbers) => {
                let seconds = |number: &f64| {
                    let whole = number.ceil() as i64;
                    let after = number.floor() as i64;
                    of(*order, (whole, after.saturating_add(1)))
                };
                Some(numbers.iter().flat_map(seconds).collect())
            }
            Test::Null(_) => Some(Vec::new()),
            _ => None,
        }
    }

    /// The key itself and the keys of variables in the operands.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let (globs, arns): (&[Glob], &[ArnGlob]) = match &self.test {
            Test::Text { globs, .. } | Test::Bool(globs) => (globs, &[]),
            Test::Arn(arns) => (&[], arns),
            _ => (&[], &[]),
        };
        let variables = globs.iter().flat_map(Glob::keys);
        std::iter::once(&self.key).chain(variables).chain(arns.iter().flat_map(ArnGlob::keys))
    }
}

/// A decimal number as JSON writes it, a plus sign allowed; not `inf`, `nan` or hexadecimal.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sound = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    sound.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A CIDR range, or an address, which is a range of one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<'static> {
        let mut context = Context::new();
        for (key, value) in [
            ("k:s", "Red"),
            ("k:n", "10"),
            ("k:d", "2026-03-01T12:00:00Z"),
            ("k:b", "TRUE"),
            ("k:ip", "10.1.2.3"),
            ("k:ip6", "2001:db8::1"),
            ("k:arn", "arn:aws:iam::123456789012:role/a/b"),
            ("k:bin", "AQI="),
            ("k:odd", "boop"),
            ("aws:username", "Red"),
        ] {
            context.set(key, value);
        }
        context.set_many("k:many", ["a", "b"]);
        context
    }

    fn holds(operator: &str, key: &str, operands: &[&str]) -> bool {
        let operator = Operator::parse(operator).unwrap_or_else(|| panic!("{operator}"));
        Condition::compile(operator, key, operands.iter().copied(), true).holds(&context()).holds
    }

    #[test]
    fn each_operator_says_yes_and_no() {
        for (operator, key, yes, no) in [
            ("StringEquals", "k:s", "Red", "red"),
            ("StringNotEquals", "k:s", "red", "Red"),
            ("StringEqualsIgnoreCase", "k:s", "rED", "r*"),
            ("StringNotEqualsIgnoreCase", "k:s", "blue", "rED"),
            ("StringLike", "k:s", "R?d*", "r*"),
            ("StringNotLike", "k:s", "r*", "R*"),
            ("StringEquals", "k:s", "${aws:username}", "${aws:userid}"),
            ("NumericEquals", "k:n", "10.0", "11"),
            ("NumericNotEquals", "k:n", "11", "1e1"),
            ("NumericLessThan", "k:n", "10.5", "10"),
            ("NumericLessThanEquals", "k:n", "10", "9"),
            ("NumericGreaterThan", "k:n", "9", "10"),
            ("NumericGreaterThanEquals", "k:n", "10", "11"),
            ("DateEquals", "k:d", "1772366400", "2026-03-01"),
            ("DateNotEquals", "k:d", "2026-03-01", "2026-03-01T13:00:00+01:00"),
            ("DateLessThan", "k:d", "2026-03-02", "2026-03-01"),
            ("DateLessThanEquals", "k:d", "1772366400", "1772366399"),
            ("DateGreaterThan", "k:d", "1960-01-01", "2026-04"),
            ("DateGreaterThanEquals", "k:d", "1772366400", "1772366401"),
            ("Bool", "k:b", "true", "false"),
            ("BinaryEquals", "k:bin", "AQI=", "AQM="),
            ("IpAddress", "k:ip", "10.0.0.0/8", "10.1.2.4"),
            ("IpAddress", "k:ip6", "2001:db8::/32", "0.0.0.0/0"),
            ("IpAddress", "k:ip", "10.1.2.3", "::/0"),
            ("NotIpAddress", "k:ip", "10.1.2.4/32", "10.0.0.9/8"),
            ("ArnLike", "k:arn", "arn:aws:iam::*:role/*", "arn:aws:iam::*"),
            ("ArnEquals", "k:arn", "arn:aws:iam::123456789012:role/?/b", "arn:*:role/a/b"),
            ("ArnNotLike", "k:arn", "arn:aws:iam::1:*", "arn:aws:iam::*:role/*"),
            ("ArnNotEquals", "k:arn", "arn:aws:iam:*:role/a/b", "arn:aws:*::*:*"),
            ("Null", "k:s", "false", "true"),
            ("Null", "k:gone", "TRUE", "false"),
            ("ForAllValues:StringEquals", "k:s", "Red", "red"),
            ("ForAnyValue:StringLike", "k:many", "a", "c"),
        ] {
            assert!(holds(operator, key, &[yes]), "{operator} {yes}");
            assert!(!holds(operator, key, &[no]), "{operator} {no}");
        }
    }

    #[test]
    fn values_are_alternatives_and_negation_is_none_of_them() {
        assert!(holds("StringEquals", "k:s", &["x", "Red"]));
        assert!(!holds("StringNotEquals", "k:s", &["x", "Red"]));
        assert!(holds("StringNotEquals", "k:s", &["x", "y"]));
        assert!(!holds("StringEquals", "k:s", &[]) && holds("StringNotEquals", "k:s", &[]));
    }

    #[test]
    fn missing_keys() {
        for (operator, expected) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("NumericLessThan", false),
            ("NotIpAddress", true),
            ("ForAllValues:StringEquals", true),
            ("ForAllValues:StringNotEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", false),
        ] {
            assert_eq!(holds(operator, "k:gone", &["1"]), expected, "{operator}");
        }
    }

    #[test]
    fn several_values() {
        assert!(!holds("StringEquals", "k:many", &["a", "b"]));
        assert!(!holds("StringNotEquals", "k:many", &["x"]));
        assert!(holds("ForAllValues:StringEquals", "k:many", &["a", "b", "c"]));
        assert!(!holds("ForAllValues:StringEquals", "k:many", &["a"]));
        assert!(holds("ForAnyValue:StringEquals", "k:many", &["a"]));
        assert!(holds("ForAnyValue:StringNotEquals", "k:many", &["a"]));
        assert!(!holds("ForAnyValue:StringNotEquals", "k:many", &["a", "b"]));
        assert!(holds("Null", "k:many", &["false"]));
    }

    #[test]
    fn a_value_that_cannot_be_read_is_not_equal() {
        for (operator, operand) in [
            ("NumericEquals", "1"),
            ("NumericLessThan", "1"),
            ("DateLessThan", "2026-01-01"),
            ("Bool", "boop"),
            ("IpAddress", "0.0.0.0/0"),
            ("ArnLike", "arn:*:*:*:*:*"),
            ("BinaryEquals", "AQI="),
        ] {
            assert!(!holds(operator, "k:odd", &[operand]), "{operator}");
        }
        for (operator, operand) in [
            ("ArnNotLike", "arn:*:*:*:*:*"),
            ("NumericNotEquals", "1"),
            ("DateNotEquals", "2026-01-01"),
            ("NotIpAddress", "0.0.0.0/0"),
        ] {
            assert!(holds(operator, "k:odd", &[operand]), "{operator}");
        }
        assert!(
            !holds("NumericEquals", "k:n", &["ten"])
                && !holds("IpAddress", "k:ip", &["10.0.0.0/33"])
        );
    }

    #[test]
    fn unknown_operators_are_unknown() {
        for name in [
            "StringEqual",
            "stringequals",
            "ForAnyValue::StringEquals",
            "NullIfExists",
            "",
            "IfExists",
            "BoolNot",
        ] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
        assert!(Operator::parse("ForAllValues:StringLikeIfExists").is_some());
    }

    #[test]
    fn only_unknown_keys_leave_a_condition_open() {
        let operator = Operator::parse("StringEquals").unwrap();
        let condition = Condition::compile(operator, "k:gone", ["${aws:userid}"].into_iter(), true);
        assert_eq!(condition.holds(&context()), Truth { holds: false, open: true });
        let mut context = context();
        context.set_absent("k:gone");
        assert_eq!(condition.holds(&context), Truth::NO);
        assert_eq!(
            condition.keys().map(|key| &*key.name).collect::<Vec<_>>(),
            ["k:gone", "aws:userid"]
        );
    }
}
