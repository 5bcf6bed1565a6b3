//! Users, roles and managed policies that are not there and could be made: under which names it is worth to try.
//!
//! What may be made, and what may be done with it then, hangs on its ARN. So the names are made from the patterns
//! by which policies speak of them: of `role/app-*` comes `app-new`, of a name without wildcards itself.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::world::{Attachable, Deed};
use super::{Climb, Fact};
use crate::identity::change::PolicyRef;
use crate::policy::{Context, Effect, PolicySet, Values};
use crate::service::fault::Fault;
use crate::service::supposed::Kind;

/// Names that are tried of one kind.
const NAMES: usize = 10;
/// The longest name of a user or role, in characters (IAM User Guide, "IAM and AWS STS quotas"); a policy's may be
/// longer.
const LONGEST: usize = 64;

/// What is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    User,
    Role,
    Policy,
}

impl Thing {
    /// The action that makes one.
    fn creating(self) -> &'static str {
        match self {
            Thing::User => "iam:CreateUser",
            Thing::Role => "iam:CreateRole",
            Thing::Policy => "iam:CreatePolicy",
        }
    }

    /// What has a say in a new one and in what comes of it, and what stands before its name.
    fn about(self) -> (&'static [&'static str], &'static str) {
        match self {
            Thing::User => (
                &[
                    "iam:createuser",
                    "iam:putuserpolicy",
                    "iam:attachuserpolicy",
                    "iam:createaccesskey",
                    "iam:createloginprofile",
                ],
                ":user/",
            ),
            Thing::Role => (
                &["iam:createrole", "iam:putrolepolicy", "iam:attachrolepolicy", "sts:assumerole"],
                ":role/",
            ),
            Thing::Policy => (
                &[
                    "iam:createpolicy",
                    "iam:attachuserpolicy",
                    "iam:attachrolepolicy",
                    "iam:attachgrouppolicy",
                ],
                ":policy/",
            ),
        }
    }
}

impl Climb<'_, '_> {
    /// What can be made, under names that the policies of those who can be acted as speak of. Users and roles that may
    /// only be made with a boundary get one under which the goal may be reached; a policy allows everything.
    pub(super) fn make(&mut self, actors: &[usize]) -> Result<(), Fault> {
        for thing in [Thing::User, Thing::Role, Thing::Policy] {
            let mut makers = Vec::new();
            for &actor in actors {
                if self.has(actor, thing.creating())? {
                    makers.push(actor);
                }
            }
            if makers.is_empty() {
                continue;
            }
            let names = self.names(thing, actors)?;
            self.was_cut |= names.len() > NAMES;
            for actor in makers {
                for name in names.iter().take(NAMES) {
                    let kind = match thing {
                        Thing::User => Kind::User,
                        Thing::Role => Kind::Role,
                        Thing::Policy => {
                            self.make_policy(actor, name)?;
                            continue;
                        }
                    };
                    let bounds = (0..self.attachable.len()).map(Some);
                    for bound in std::iter::once(None).chain(bounds) {
                        if self.make_one(actor, (thing, kind, name), bound)? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What they could be called: the usual first.
    fn names(&mut self, thing: Thing, actors: &[usize]) -> Result<Vec<String>, Fault> {
        let mut all = BTreeSet::new();
        for &actor in actors {
            let member = self.member(actor)?;
            let context = member.supposed.context();
            for facts in self.tries(actor)? {
                let grants = self.grants_after(actor, &facts)?;
                all.extend(names(thing, &grants.identity, &context, &self.world.unused));
            }
        }
        let usual = &self.world.unused;
        all.remove(usual);
        Ok(std::iter::once(usual.clone()).chain(all).collect())
    }

    /// Tries to make a user or role, perhaps bounded by one of the policies that can be attached; whether there is no
    /// more to try under this name.
    fn make_one(
        &mut self,
        actor: usize,
        (thing, kind, name): (Thing, Kind, &str),
        bound: Option<usize>,
    ) -> Result<bool, Fault> {
        let boundary = bound.and_then(|number| self.attachable.get(number));
        let Some(number) = self.makeable((thing, kind, name), bound)? else { return Ok(true) };
        let member = self.member(number)?;
        let arn = boundary.map(Attachable::arn);
        let deed = Deed {
            action: thing.creating(),
            resource: &member.supposed.arn,
            tags: Some(&[]),
            keys: &[("iam:PermissionsBoundary", arn)],
            trust: None,
        };
        let trusting = if thing == Thing::Role { ", which trusts everybody," } else { "" };
        let bounded = arn.map_or(String::new(), |arn| format!(" with the boundary {arn}"));
        let gives = format!("{}{trusting} is made{bounded}", member.supposed.called());
        self.attempt(actor, deed, (Fact::Made(number), gives), None)?;
        Ok(self.is_known(&Fact::Made(number)))
    }

    /// Tries to make a managed policy that allows everything.
    fn make_policy(&mut self, actor: usize, name: &str) -> Result<(), Fault> {
        let Some(arn) = self.world.unused_policy(name)? else { return Ok(()) };
        let known = self.policies.iter().position(|one| one.arn() == arn);
        let number = known.unwrap_or_else(|| {
            let attached = self.world.allow_all(&arn, "v1", "");
            self.policies.push(Attachable { policy: PolicyRef(arn.clone()), attached });
            self.policies.len() - 1
        });
        let deed = Deed {
            action: Thing::Policy.creating(),
            resource: &arn,
            tags: Some(&[]),
            keys: &[],
            trust: None,
        };
        let gives = "a policy that allows everything".to_owned();
        self.attempt(actor, deed, (Fact::Drawn(number), gives), None)
    }

    /// The number of what would be made; `None` where it cannot be.
    fn makeable(
        &mut self,
        (thing, kind, name): (Thing, Kind, &str),
        bound: Option<usize>,
    ) -> Result<Option<usize>, Fault> {
        let key = (format!("{} {name}", thing.creating()), bound);
        if let Some(known) = self.makeable.get(&key) {
            return Ok(*known);
        }
        let boundary = bound.and_then(|number| self.attachable.get(number));
        let number = self.world.made(kind, name, boundary)?.map(|member| {
            self.made.push(Rc::new(member));
            self.world.members.len() + self.made.len() - 1
        });
        self.makeable.insert(key, number);
        Ok(number)
    }
}

/// The names, paths in front, under which policies let something be made or used: by the resources that they name and, of
/// policies that are attached, by conditions on their ARN. In `context` is what variables stand for, and `word` stands
/// for anything.
fn names(
    thing: Thing,
    policies: &PolicySet,
    context: &Context<'_>,
    word: &str,
) -> BTreeSet<String> {
    let (actions, before) = thing.about();
    let documents = policies.attached().iter().map(|attached| &attached.document);
    let statements = documents.flat_map(|document| document.statements());
    let about = statements.filter(|statement| {
        statement.effect() == Effect::Allow && actions.iter().any(|action| statement.names(action))
    });
    let mut found = BTreeSet::new();
    for statement in about {
        let conditions = statement.written_conditions();
        let operands = conditions.iter().flat_map(|one| one.split([' ', ',']));
        let resources = statement.written_resources();
        for pattern in resources.iter().map(String::as_str).chain(operands) {
            let named = pattern.split_once(before).map(|(_, named)| named);
            found.extend(named.and_then(|named| name(named, context, word)));
        }
    }
    found
}

/// A name that a pattern matches; `None` where none can be made of it.
fn name(pattern: &str, context: &Context<'_>, word: &str) -> Option<String> {
    let mut name = String::new();
    let mut left = pattern;
    while let Some((literal, rest)) = left.split_once("${") {
        let (key, rest) = rest.split_once('}')?;
        let Some(Values::One(value)) = context.get(key) else { return None };
        name.push_str(literal);
        name.push_str(value);
        left = rest;
    }
    name.push_str(left);
    let name = name.replace('*', word).replace('?', "x");
    let bare = name.rsplit('/').next().unwrap_or_default();
    let fits = |one: char| one.is_ascii_alphanumeric() || "+=,.@_-".contains(one);
    let is_name = (1..=LONGEST).contains(&bare.len()) && bare.chars().all(fits);
    let is_path = name.len() <= 512 && name.chars().all(|one| fits(one) || one == '/');
    (is_name && is_path).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_a_pattern_says() {
        let mut context = Context::new();
        context.set("aws:username", "ann");
        let named = |pattern| name(pattern, &context, "new");
        assert_eq!(named("*").as_deref(), Some("new"));
        assert_eq!(named("team/app-*").as_deref(), Some("team/app-new"));
        assert_eq!(named("deploy").as_deref(), Some("deploy"));
        assert_eq!(named("a?-${aws:username}-*").as_deref(), Some("ax-ann-new"));
        for wrong in ["", "team/", "${aws:PrincipalTag/team}-*", "${aws:username", "a b"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(named(&"n".repeat(65)), None);
    }
}
