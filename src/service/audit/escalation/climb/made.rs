//! Users, roles and managed policies that are not there and could be made: under which names it is worth to try.
//!
//! What may be made, and what may be done with it then, hangs on its ARN. So the names are made from the patterns
//! by which policies speak of them: of `role/app-*` comes `app-new`, of a name without wildcards itself.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::world::{Attachable, Deed};
use super::{Climb, Fact};
use crate::identity::change::PolicyRef;
use crate::policy::{Context, Document, PolicySet, Statement, Values};
use crate::service::fault::Fault;
use crate::service::supposed::Kind;

/// Names that are tried of one kind.
const NAMES: usize = 30;
/// Patterns of which two at once are tried to be met.
const PAIRED: usize = 8;
/// Boundaries that are tried of those that conditions name, and of the account's own policies besides.
const BOUNDARIES: usize = 20;
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
    /// only be made with a boundary are made with each that may be put; a policy allows everything.
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
            let (names, bounds) = self.names(thing, actors)?;
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
                    // Without a boundary is best; which of those that may be put helps, is seen when it is made.
                    if self.make_one(actor, (thing, kind, name), None)? {
                        continue;
                    }
                    for bound in &bounds {
                        self.make_one(actor, (thing, kind, name), Some(bound))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What they could be called, the usual first; and what they may have to be bounded by, what helps first.
    fn names(
        &mut self,
        thing: Thing,
        actors: &[usize],
    ) -> Result<(Vec<String>, Vec<Attachable>), Fault> {
        let world = self.world;
        let (mut all, mut named) = (BTreeSet::new(), BTreeSet::new());
        for &actor in actors {
            let member = self.member(actor)?;
            let context = member.supposed.context();
            for facts in self.tries(actor)? {
                let grants = self.grants_after(actor, &facts)?;
                let sets = std::iter::once(&grants.identity).chain(&grants.boundary);
                let sets: Vec<&PolicySet> = sets.chain(&grants.organization.scp).collect();
                all.extend(names(thing, &sets, &context, &world.unused));
                named.extend(named_policies(thing, &grants.identity, &member.supposed.digits));
            }
        }
        all.remove(&world.unused);
        let names = std::iter::once(world.unused.clone()).chain(all).collect();
        let mut bounds = self.attachable.to_vec();
        if thing != Thing::Policy {
            for arn in named.into_iter().take(BOUNDARIES) {
                bounds.extend(world.by_arn(&arn)?);
            }
            bounds.extend(world.boundaries(BOUNDARIES)?.iter().cloned());
        }
        let mut told = BTreeSet::new();
        bounds.retain(|one| told.insert(one.arn().to_owned()));
        Ok((names, bounds))
    }

    /// Tries to make a user or role, perhaps bounded; whether there is no more to try under this name.
    fn make_one(
        &mut self,
        actor: usize,
        (thing, kind, name): (Thing, Kind, &str),
        boundary: Option<&Attachable>,
    ) -> Result<bool, Fault> {
        let Some(number) = self.makeable((thing, kind, name), boundary)? else { return Ok(true) };
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
        boundary: Option<&Attachable>,
    ) -> Result<Option<usize>, Fault> {
        let bound = boundary.map(|one| one.arn().to_owned());
        let key = (format!("{} {name}", thing.creating()), bound);
        if let Some(known) = self.makeable.get(&key) {
            return Ok(*known);
        }
        let number = self.world.made(kind, name, boundary)?.map(|member| {
            self.made.push(Rc::new(member));
            self.world.members.len() + self.made.len() - 1
        });
        self.makeable.insert(key, number);
        Ok(number)
    }
}

/// The names, paths in front, by which policies tell apart what may be made or used: by the resources that statements name,
/// or do not, whether they allow or deny; of policies that are attached, by conditions on their ARN; and by two such
/// patterns at once. In `context` is what variables stand for, and `word` stands for anything.
fn names(
    thing: Thing,
    policies: &[&PolicySet],
    context: &Context<'_>,
    word: &str,
) -> BTreeSet<String> {
    let (_, before) = thing.about();
    let mut patterns = BTreeSet::new();
    for statement in statements(thing, policies) {
        let conditions = statement.written_conditions();
        let operands = conditions.iter().flat_map(|one| one.split([' ', ',']).map(str::to_owned));
        for pattern in statement.distinguished_resources().chain(operands) {
            patterns.extend(pattern.split_once(before).map(|(_, named)| named.to_owned()));
        }
    }
    let both = patterns.iter().take(PAIRED).flat_map(|one| {
        let others = patterns.iter().take(PAIRED).filter(move |other| *other != one);
        others.filter_map(move |other| {
            let (start, rest) = one.split_once('*')?;
            // `app-*` and `*-dev` are both met by `app-new-dev`.
            (rest.is_empty() && other.starts_with('*')).then(|| format!("{start}{other}"))
        })
    });
    let all = patterns.iter().cloned().chain(both);
    all.filter_map(|pattern| name(&pattern, context, word)).collect()
}

/// The ARNs of managed policies that conditions on making something name: AWS's, and the account's, also where the
/// account is left open.
fn named_policies(thing: Thing, policies: &PolicySet, digits: &str) -> BTreeSet<String> {
    let conditions = statements(thing, &[policies]).flat_map(|one| one.written_conditions());
    let words =
        conditions.flat_map(|one| one.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>());
    let arns =
        words.map(|word| word.replacen("arn:aws:iam::*:", &format!("arn:aws:iam::{digits}:"), 1));
    arns.filter(|arn| arn.contains(":policy/") && !arn.contains(['*', '?', '$'])).collect()
}

/// The statements that have a say in a new one and in what comes of it.
fn statements<'p>(
    thing: Thing,
    policies: &[&'p PolicySet],
) -> impl Iterator<Item = &'p Statement> + use<'p> {
    let (actions, _) = thing.about();
    let documents: Vec<&'p Document> =
        policies.iter().flat_map(|set| set.attached()).map(|one| &*one.document).collect();
    let statements = documents.into_iter().flat_map(|document| document.statements());
    statements.filter(move |statement| actions.iter().any(|action| statement.names(action)))
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
