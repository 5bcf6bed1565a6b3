//! What somebody's policies are after some facts.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::world::Attachable;
use super::{Climb, Fact, Known, Owner};
use crate::policy::{Attached, Label, PolicySet};
use crate::service::authorize::Grants;
use crate::service::fault::Fault;
use crate::service::supposed::Kind;

impl Climb<'_, '_> {
    /// The groups that a member is in, whatever anybody brings about.
    fn own_groups(&self, member: usize) -> Result<Vec<usize>, Fault> {
        match &self.member(member)?.supposed {
            supposed if supposed.kind == Kind::User => match &supposed.id {
                Some(id) => self.world.groups_of(id),
                None => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    /// The groups of a member, those that it joined among them.
    pub(super) fn groups_of(&self, member: usize) -> Result<Vec<usize>, Fault> {
        let mut groups = self.own_groups(member)?;
        groups.extend(self.known.iter().filter_map(|known| match known.fact {
            Fact::Joined(who, group) if who == member => Some(group),
            _ => None,
        }));
        Ok(groups)
    }

    /// The facts that change the policies of a member, each with those that make it one of this member's: what
    /// changed a group is so only after the member joined it.
    fn changes_of(&self, member: usize) -> Result<Vec<Vec<usize>>, Fault> {
        if self.known.len() == 1 {
            return Ok(Vec::new());
        }
        let base = self.member(member)?.grants.clone();
        let own = self.own_groups(member)?;
        let mut joined = Vec::new();
        for (number, known) in self.known.iter().enumerate() {
            if let Fact::Joined(who, group) = known.fact
                && who == member
            {
                joined.push((number, group, self.world.group_grants(self.group(group)?)?));
            }
        }
        let is_in = |set: &PolicySet, arn: &str| {
            set.attached().iter().any(|attached| *attached.label.policy == *arn)
        };
        // `None`: it changes nothing; the number of a fact that it needs, if it needs one.
        let of_owner = |owner: &Owner| match owner {
            Owner::Member(other) => (*other == member).then_some(None),
            Owner::Group(group) if own.contains(group) => Some(None),
            Owner::Group(group) => {
                let join = joined.iter().find(|(_, other, _)| other == group);
                join.map(|(number, ..)| Some(*number))
            }
        };
        let of_version = |arn: &str| {
            let mut sets = std::iter::once(&base.identity).chain(&base.boundary);
            if sets.any(|set| is_in(set, arn)) {
                return Some(None);
            }
            let join = joined.iter().find(|(.., grants)| is_in(&grants.identity, arn));
            join.map(|(number, ..)| Some(*number))
        };
        let needs = |fact: &Fact| match fact {
            Fact::Inline(owner) | Fact::Attached(owner, _) => of_owner(owner),
            Fact::Version(arn, _) => of_version(arn),
            Fact::Free(other) | Fact::Bounded(other, _) | Fact::Joined(other, _) => {
                (*other == member).then_some(None)
            }
            Fact::Acts(_) | Fact::Trusts(_) | Fact::Made(_) | Fact::Drawn(_) => None,
        };
        let numbered = self.known.iter().enumerate();
        let changes = numbered.filter_map(|(number, known)| {
            let need = needs(&known.fact)?;
            Some(need.into_iter().chain([number]).collect())
        });
        Ok(changes.collect())
    }

    /// The policies of a member after some facts.
    pub(super) fn grants_after(
        &mut self,
        number: usize,
        facts: &[usize],
    ) -> Result<Rc<Grants>, Fault> {
        let key = (number, facts.to_vec());
        if let Some(grants) = self.grants.get(&key) {
            return Ok(grants.clone());
        }
        let member = self.member(number)?;
        if facts.is_empty() {
            return Ok(member.grants.clone());
        }
        let mut grants = Grants::clone(&member.grants);
        {
            let mut identity = grants.identity.attached().to_vec();
            let known = || facts.iter().filter_map(|fact| self.known.get(*fact));
            // What changed a group reaches whoever joins it, whichever was first.
            let is_joining = |known: &&Known| matches!(known.fact, Fact::Joined(..));
            for fact in known().filter(is_joining).chain(known().filter(|one| !is_joining(one))) {
                match &fact.fact {
                    Fact::Inline(owner) => {
                        let via = self.via(*owner)?;
                        let is_inline =
                            |label: &Label| label.version.is_empty() && *label.via == *via;
                        identity.retain(|attached| !is_inline(&attached.label));
                        identity.push(self.world.allow_all("a new inline policy", "", &via));
                    }
                    Fact::Attached(owner, policy) => {
                        let via = self.via(*owner)?;
                        identity.extend(self.policy(*policy).map(|one| {
                            let Label { policy, version, .. } = &one.attached.label;
                            let label = Label::new(policy, version, &via);
                            Attached::new(one.attached.document.clone(), label)
                        }));
                    }
                    Fact::Version(arn, version) => {
                        let Some(document) = self.versions.get(&(arn.clone(), *version)) else {
                            continue;
                        };
                        let put = |attached: &mut Attached| {
                            if *attached.label.policy == **arn {
                                attached.document = document.clone();
                            }
                        };
                        identity.iter_mut().for_each(put);
                        let bounds = grants.boundary.as_ref().map(|set| set.attached().to_vec());
                        grants.boundary = bounds.map(|mut bounds| {
                            bounds.iter_mut().for_each(put);
                            PolicySet::new(bounds)
                        });
                    }
                    Fact::Free(_) => grants.boundary = None,
                    Fact::Bounded(_, policy) => {
                        let bound = |one: &Attachable| PolicySet::new([one.attached.clone()]);
                        grants.boundary = self.policy(*policy).map(bound);
                    }
                    Fact::Joined(_, group) => {
                        let group = self.world.group_grants(self.group(*group)?)?;
                        identity.extend(group.identity.attached().iter().cloned());
                    }
                    Fact::Acts(_) | Fact::Trusts(_) | Fact::Made(_) | Fact::Drawn(_) => {}
                }
            }
            grants.identity = PolicySet::new(identity);
        }
        let grants = Rc::new(grants);
        self.grants.insert(key, grants.clone());
        Ok(grants)
    }

    fn via(&self, owner: Owner) -> Result<String, Fault> {
        Ok(match owner {
            Owner::Group(group) => format!("group {}", self.group(group)?.name),
            Owner::Member(member) => self.member(member)?.supposed.called().replacen('/', " ", 1),
        })
    }

    /// The sets of facts that a step of a member is tried with: none, each alone, and all together. Of those that stand
    /// in one another's place only one counts: the best where there is one, or else each in its turn.
    pub(super) fn tries(&self, member: usize) -> Result<Vec<Vec<usize>>, Fault> {
        let changes = self.changes_of(member)?;
        let mut tries = vec![Vec::new()];
        tries.extend(changes.iter().cloned());
        if changes.len() < 2 {
            return Ok(tries);
        }
        let all: BTreeSet<usize> = changes.into_iter().flatten().collect();
        let mut places: BTreeMap<Place<'_>, Vec<usize>> = BTreeMap::new();
        for number in &all {
            let fact = self.known.get(*number).map(|known| &known.fact);
            if let Some((place, is_best)) = fact.and_then(Place::of) {
                let rivals = places.entry(place).or_default();
                match is_best {
                    true => rivals.insert(0, *number),
                    false => rivals.push(*number),
                }
            }
        }
        let rivals: BTreeSet<usize> = places.values().flatten().copied().collect();
        let first: BTreeSet<usize> =
            places.values().filter_map(|rivals| rivals.first().copied()).collect();
        let chosen: BTreeSet<usize> = all.difference(&rivals).chain(&first).copied().collect();
        tries.push(chosen.iter().copied().collect());
        for rivals in places.values() {
            let best = rivals.first().and_then(|best| self.known.get(*best));
            if best.and_then(|best| Place::of(&best.fact)).is_some_and(|(_, is_best)| is_best) {
                continue;
            }
            for rival in rivals.iter().skip(1) {
                let others = chosen.iter().filter(|number| !rivals.contains(number));
                let with: BTreeSet<usize> = others.chain([rival]).copied().collect();
                tries.push(with.into_iter().collect());
            }
        }
        Ok(tries)
    }
}

/// What of somebody's policies there is only one of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place<'f> {
    /// The boundary.
    Boundary,
    /// The version of a managed policy that counts.
    Version(&'f str),
}

impl<'f> Place<'f> {
    /// The place of a fact, and whether nothing better can come to stand there.
    fn of(fact: &'f Fact) -> Option<(Self, bool)> {
        match fact {
            Fact::Free(_) => Some((Place::Boundary, true)),
            Fact::Bounded(..) => Some((Place::Boundary, false)),
            Fact::Version(arn, version) => Some((Place::Version(arn), version.is_none())),
            _ => None,
        }
    }
}
