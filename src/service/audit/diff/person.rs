//! Who is asked, on one side: what policies can read of a principal.

use std::collections::BTreeSet;

use super::Member;
use crate::policy::{Context, Principal, Statement, Values as Known};
use crate::service::fault::Fault;
use crate::service::grounds::Gathering;
use crate::service::supposed::{Kind, Supposed, is_of_principal, is_tag_of_principal};

/// A principal on one side, and what requests of it carry.
pub struct Person {
    supposed: Supposed,
    context: Context<'static>,
}

impl Person {
    /// Of a user or role, whose tags are read if any of its policies asks for them. Of the tags that policies `read`
    /// a user has those that it has.
    ///
    /// # Errors
    /// Whatever keeps its policies or tags from being read.
    pub fn of(
        gathering: &Gathering<'_>,
        member: &Member,
        read: &BTreeSet<String>,
    ) -> Result<Option<Self>, Fault> {
        let digits = gathering.digits();
        let supposed = match read.iter().any(|key| is_tag_of_principal(key)) {
            true => Supposed::of_found(gathering.directory(), digits, &member.found)?,
            false => Supposed::untagged(digits, &member.found),
        };
        let Some(supposed) = supposed else { return Ok(None) };
        let mut context = supposed.context();
        if supposed.kind == Kind::User {
            for key in read.iter().filter(|key| is_tag_of_principal(key)) {
                if context.get(key).is_none() {
                    context.set_absent(key.clone());
                }
            }
        }
        Ok(Some(Person { supposed, context }))
    }

    /// As policies judge it.
    pub fn principal(&self) -> Principal<'_> {
        self.supposed.principal()
    }

    /// What requests of it carry.
    pub fn context(&self) -> &Context<'static> {
        &self.context
    }

    /// A resource pattern with what is known of the principal put in, and `*` for what nobody knows; `None` if it is
    /// known to stand for nothing.
    pub fn filled(&self, pattern: &str) -> Option<String> {
        let (mut filled, mut rest) = (String::new(), pattern);
        while let Some((literal, variable)) = rest.split_once("${") {
            let (inner, after) = variable.split_once('}')?;
            let (key, default) = inner.split_once(',').unwrap_or((inner, ""));
            let default =
                default.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            filled.push_str(literal);
            match (self.context.get(key.trim()), default) {
                (Some(Known::One(value)), _) => filled.push_str(value),
                (_, Some(default)) => filled.push_str(default),
                (None, None) => filled.push('*'),
                (Some(_), None) => return None,
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// What policies read of somebody, on both sides: of whom they read the same, they decide the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Values([Vec<Option<String>>; 2]);

impl Values {
    /// The values of these keys.
    pub fn of(both: &[Option<Person>; 2], keys: &BTreeSet<String>) -> Self {
        let [before, after] = both;
        let values = |person: &Option<Person>| {
            let value = |key: &String| match person.as_ref()?.context.get(key) {
                Some(Known::One(value)) => Some(value.to_string()),
                _ => None,
            };
            keys.iter().map(value).collect()
        };
        Values([values(before), values(after)])
    }

    /// Whether they are the same on both sides.
    pub fn are_alike(&self) -> bool {
        let Values([before, after]) = self;
        before == after
    }
}

/// The condition keys by which a statement tells the principals of an account apart, in lower case.
pub fn read_by(statement: &Statement) -> impl Iterator<Item = String> {
    let keys = statement.context_keys().filter(|key| is_of_principal(key));
    let named = ["aws:PrincipalArn", "aws:userid"].into_iter();
    let named = named.filter(|_| statement.names_somebody());
    keys.chain(named).map(str::to_ascii_lowercase)
}
