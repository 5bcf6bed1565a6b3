//! What somebody's policies are after some facts.

use std::collections::BTreeSet;
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

    /// The sets of facts that a step of a member is tried with.
    pub(super) fn tries(&self, member: usize) -> Result<Vec<Vec<usize>>, Fault> {
        let changes = self.changes_of(member)?;
        let mut tries = vec![Vec::new()];
        tries.extend(changes.iter().cloned());
        if changes.len() > 1 {
            let all: BTreeSet<usize> = changes.into_iter().flatten().collect();
            tries.push(all.into_iter().collect());
        }
        Ok(tries)
    }
}
