//! The request context: condition keys and their values.
//!
//! Key names are compared without regard to case, the tag part of `aws:RequestTag/Team` included.
//! A key holds one value or a list of values; the two are different types to the condition
//! operators, so a list with a single member is still a list. A key that is not in the context is
//! *unknown*: [`super::explore()`] reports what it could change. A key marked
//! [absent](Context::set_absent) is known not to be there (`aws:username` of a role session); it
//! evaluates as a missing key, and nothing is left open about it.

use std::borrow::Cow;

/// The name of a condition key as a policy spells it, with the form that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub name: Box<str>,
    pub lower: Box<str>,
}

impl Key {
    pub fn new(name: &str) -> Self {
        Key { name: name.into(), lower: name.to_ascii_lowercase().into() }
    }
}

/// The value of a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// A single-valued key.
    One(Cow<'a, str>),
    /// A multi-valued key, such as `aws:TagKeys`; no members count as a missing key.
    Many(Vec<Cow<'a, str>>),
    /// Known not to be in the request.
    Absent,
}

/// What the context knows of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup<'c> {
    /// One value.
    One(&'c str),
    /// At least one value of a multi-valued key.
    Many(&'c [Cow<'c, str>]),
    /// No value; `open` when nobody said so, that is, when another request might carry one.
    Missing { open: bool },
}

/// Condition keys and values of one request; built once, read by every policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// Sorted by the lower-case name, which comes first.
    entries: Vec<(Cow<'a, str>, Cow<'a, str>, Values<'a>)>,
}

impl<'a> Context<'a> {
    /// A context without keys.
    pub fn new() -> Self {
        Context::default()
    }

    /// Sets a single-valued key; replaces what the key had.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.put(name.into(), Values::One(value.into()));
    }

    /// Sets a multi-valued key; replaces what the key had.
    pub fn set_many<V: Into<Cow<'a, str>>>(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        values: impl IntoIterator<Item = V>,
    ) {
        self.put(name.into(), Values::Many(values.into_iter().map(Into::into).collect()));
    }

    /// Marks a key as known not to be in the request.
    pub fn set_absent(&mut self, name: impl Into<Cow<'a, str>>) {
        self.put(name.into(), Values::Absent);
    }

    /// The value of a key, its name in any case.
    pub fn get(&self, name: &str) -> Option<&Values<'a>> {
        self.entry(&name.to_ascii_lowercase())
    }

    /// All keys in alphabetical order, as they were spelled, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Values<'a>)> {
        self.entries.iter().map(|(_, name, values)| (name.as_ref(), values))
    }

    pub(super) fn look(&self, key: &Key) -> Lookup<'_> {
        match self.entry(&key.lower) {
            Some(Values::One(value)) => Lookup::One(value),
            Some(Values::Many(values)) if !values.is_empty() => Lookup::Many(values),
            Some(Values::Many(_) | Values::Absent) => Lookup::Missing { open: false },
            None => Lookup::Missing { open: true },
        }
    }

    fn entry(&self, lower: &str) -> Option<&Values<'a>> {
        let at = self.entries.binary_search_by(|(key, _, _)| key.as_ref().cmp(lower)).ok()?;
        self.entries.get(at).map(|(_, _, values)| values)
    }

    fn put(&mut self, name: Cow<'a, str>, values: Values<'a>) {
        let lower = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            name.clone()
        };
        match self.entries.binary_search_by(|(key, _, _)| key.cmp(&lower)) {
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    *entry = (lower, name, values);
                }
            }
            Err(at) => self.entries.insert(at, (lower, name, values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_the_last_value_stays() {
        let mut context = Context::new();
        context.set("aws:SourceIp", "10.0.0.1");
        context.set("aws:RequestTag/Team", "red");
        context.set("AWS:SOURCEIP", "10.0.0.2");
        assert_eq!(context.get("aws:sourceip"), Some(&Values::One("10.0.0.2".into())));
        assert!(matches!(context.look(&Key::new("aws:requesttag/TEAM")), Lookup::One("red")));
        assert_eq!(context.iter().count(), 2);
    }

    #[test]
    fn an_empty_list_and_a_marked_key_are_missing_but_not_open() {
        let mut context = Context::new();
        context.set_many("aws:TagKeys", Vec::<String>::new());
        context.set_absent("aws:username");
        for (name, expected) in
            [("aws:TagKeys", false), ("aws:username", false), ("aws:Other", true)]
        {
            match context.look(&Key::new(name)) {
                Lookup::Missing { open } => assert_eq!(open, expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
