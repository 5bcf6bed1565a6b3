//! How somebody climbs: what it can bring about step by step, until it reaches a goal or nothing new comes of
//! any step.
//!
//! What was brought about are [`Fact`]s: that somebody else can be acted as, that policies now allow
//! everything, that a boundary is gone. Each fact has the step that brought it and the facts which that step
//! needed, so that of all that was tried only the way to the goal is told. Facts are found in rounds, each
//! from those of the rounds before: a way found first has the fewest rounds.
//!
//! Facts only add up; what was granted is never taken back. Yet more policies can mean more denials (a group
//! that is joined), so that each step is tried with the policies as they were, with each fact alone, and with
//! all facts together; of boundaries and versions that stand in one another's place, with one at a time.

mod after;
mod made;

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::world::{Attachable, Deed, Group, Managed, Member, World};
use super::{Goal, Step};
use crate::identity::arn;
use crate::policy::Document;
use crate::service::authorize::Grants;
use crate::service::fault::Fault;
use crate::service::supposed::{Could, Kind};

/// What the ARNs of users, groups, roles and policies begin with.
const IAM: &str = "arn:aws:iam::";

/// Questions for one principal.
const BUDGET: usize = 100_000;

/// Who has policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A member, by number.
    Member(usize),
    /// A group, by number.
    Group(usize),
}

/// What was brought about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A member can be acted as.
    Acts(usize),
    /// Inline policies that allow everything stand in place of all that an owner had.
    Inline(Owner),
    /// A managed policy was attached: of those that can be, by number; those that were made come after the others.
    Attached(Owner, usize),
    /// Another version of a managed policy (its ARN) counts: an older one, or a new one that allows everything.
    Version(String, Option<u32>),
    /// A member has no boundary.
    Free(usize),
    /// A member is bounded by another managed policy: of those that can be attached, by number.
    Bounded(usize, usize),
    /// A member is in a group.
    Joined(usize, usize),
    /// A role trusts everybody.
    Trusts(usize),
    /// A member that was not there was made.
    Made(usize),
    /// A managed policy that was not there was made, and allows everything: of those that could be, by number.
    Drawn(usize),
}

struct Known {
    fact: Fact,
    step: Option<Step>,
    /// Earlier facts that the step needed.
    needs: Vec<usize>,
}

/// What somebody was found to be able to.
struct Able {
    needs: Vec<usize>,
    missing: Vec<String>,
}

/// The steps to the goal, and the keys that the goal itself hangs on after them.
pub type Climbed = (Vec<Step>, Vec<String>);

/// The climb of one principal.
pub struct Climb<'w, 'a> {
    world: &'w World<'a>,
    goal: &'w Goal,
    /// Policies that can be attached.
    attachable: &'w [Attachable],
    /// Members that reach the goal by themselves, for certain.
    winners: &'w BTreeSet<usize>,
    /// Whether only what is certain counts.
    certain: bool,
    known: Vec<Known>,
    numbers: HashMap<Fact, usize>,
    fresh: Vec<Known>,
    versions: HashMap<(String, Option<u32>), Arc<Document>>,
    grants: HashMap<(usize, Vec<usize>), Rc<Grants>>,
    /// Users and roles that are not there and could be made, numbered after all members; by ARN and boundary.
    made: Vec<Rc<Member>>,
    makeable: HashMap<(String, Option<String>), Option<usize>>,
    /// Managed policies that could be made.
    policies: Vec<Attachable>,
    left: usize,
    /// Whether there were more names to make something under than are tried.
    was_cut: bool,
    /// Whether something hung on what nobody knows.
    was_open: bool,
}

impl<'w, 'a> Climb<'w, 'a> {
    /// Prepares a climb.
    pub fn new(
        world: &'w World<'a>,
        goal: &'w Goal,
        attachable: &'w [Attachable],
        winners: &'w BTreeSet<usize>,
        certain: bool,
    ) -> Self {
        Climb {
            world,
            goal,
            attachable,
            winners,
            certain,
            known: Vec::new(),
            numbers: HashMap::new(),
            fresh: Vec::new(),
            versions: HashMap::new(),
            grants: HashMap::new(),
            made: Vec::new(),
            makeable: HashMap::new(),
            policies: Vec::new(),
            left: BUDGET,
            was_cut: false,
            was_open: false,
        }
    }

    /// Whether something that was tried hung on context that nobody gave: without that, a climb that counts
    /// only what is certain has found all there is.
    pub fn was_open(&self) -> bool {
        self.was_open
    }

    /// Whether there was more to try than is tried for one principal.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0 || self.was_cut
    }

    /// The steps to the goal, and the keys that the goal itself hangs on then.
    ///
    /// # Errors
    /// Whatever keeps the account from being read.
    pub fn run(&mut self, start: usize) -> Result<Option<Climbed>, Fault> {
        self.known.push(Known { fact: Fact::Acts(start), step: None, needs: Vec::new() });
        self.numbers.insert(Fact::Acts(start), 0);
        loop {
            if let Some(way) = self.won()? {
                return Ok(Some(way));
            }
            let actors = self.actors();
            for &actor in &actors {
                self.grant_to(actor, &actors)?;
            }
            self.make(&actors)?;
            for &actor in &actors {
                self.take_over(actor, true)?;
            }
            let winners = self.winners;
            let wins = |known: &Known| matches!(&known.fact, Fact::Acts(m) if winners.contains(m));
            if !self.fresh.iter().any(wins) {
                for &actor in &actors {
                    self.take_over(actor, false)?;
                }
            }
            let fresh = std::mem::take(&mut self.fresh);
            if fresh.is_empty() || self.left == 0 {
                return Ok(None);
            }
            for known in fresh {
                self.numbers.insert(known.fact.clone(), self.known.len());
                self.known.push(known);
            }
        }
    }

    fn actors(&self) -> Vec<usize> {
        let acts = self.known.iter().filter_map(|known| match known.fact {
            Fact::Acts(member) => Some(member),
            _ => None,
        });
        acts.collect()
    }

    fn member(&self, number: usize) -> Result<Rc<Member>, Fault> {
        let made = || self.made.get(number.checked_sub(self.world.members.len())?);
        let found = self.world.members.get(number).or_else(made);
        found.cloned().ok_or_else(|| Fault::internal("no such member"))
    }

    fn group(&self, number: usize) -> Result<&'w Group, Fault> {
        self.world.groups.get(number).ok_or_else(|| Fault::internal("no such group"))
    }

    fn is_known(&self, fact: &Fact) -> bool {
        self.numbers.contains_key(fact) || self.fresh.iter().any(|known| known.fact == *fact)
    }

    /// Whether the goal is reached, and how.
    fn won(&mut self) -> Result<Option<Climbed>, Fault> {
        for actor in self.actors() {
            let asks: Vec<Deed<'w>> = self.goal.deeds();
            if let Some(able) = self.able(actor, &asks)? {
                return Ok(Some((self.steps(able.needs), able.missing)));
            }
        }
        Ok(None)
    }

    /// The steps to some facts, in order.
    fn steps(&self, needs: Vec<usize>) -> Vec<Step> {
        let (mut all, mut left) = (Vec::new(), needs);
        while let Some(number) = left.pop() {
            if !all.contains(&number) {
                all.push(number);
                left.extend(self.known.get(number).into_iter().flat_map(|known| &known.needs));
            }
        }
        all.sort_unstable();
        let known = all.into_iter().filter_map(|number| self.known.get(number));
        known.filter_map(|known| known.step.clone()).collect()
    }

    /// Whether a member could do all of some deeds, and what that needs and hangs on.
    fn able(&mut self, member: usize, deeds: &[Deed<'_>]) -> Result<Option<Able>, Fault> {
        let supposed = &self.member(member)?.supposed.clone();
        let acts = self.numbers.get(&Fact::Acts(member)).copied();
        for facts in self.tries(member)? {
            let grants = self.grants_after(member, &facts)?;
            let mut missing = Vec::new();
            let mut is_able = true;
            for deed in deeds {
                if self.left == 0 {
                    return Ok(None);
                }
                self.left -= 1;
                match self.world.could(supposed, &grants, *deed) {
                    Could::Yes => {}
                    Could::Under(keys) if !self.certain => missing.extend(keys),
                    Could::Under(_) => (self.was_open, is_able) = (true, false),
                    Could::No => is_able = false,
                }
                if !is_able {
                    break;
                }
            }
            if is_able {
                let needs = acts.into_iter().chain(facts).collect();
                return Ok(Some(Able { needs, missing }));
            }
        }
        Ok(None)
    }

    /// Whether a member has an action at all on what IAM keeps: every step is on a user, a role, a group or a policy.
    fn has(&mut self, member: usize, action: &str) -> Result<bool, Fault> {
        if self.member(member)?.supposed.kind == Kind::Root {
            return Ok(true);
        }
        for facts in self.tries(member)? {
            if self.grants_after(member, &facts)?.identity.may_allow_within(action, IAM) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tries a step, and notes what comes of it.
    fn attempt(
        &mut self,
        actor: usize,
        deed: Deed<'_>,
        (fact, gives): (Fact, String),
        also: Option<usize>,
    ) -> Result<(), Fault> {
        if self.is_known(&fact) {
            return Ok(());
        }
        let Some(Able { mut needs, missing }) = self.able(actor, &[deed])? else { return Ok(()) };
        needs.extend(also);
        let step = Step {
            by: self.member(actor)?.supposed.called(),
            action: deed.action.to_owned(),
            on: deed.resource.to_owned(),
            gives,
            missing,
        };
        self.fresh.push(Known { fact, step: Some(step), needs });
        Ok(())
    }

    /// What somebody could grant to those who can be acted as.
    fn grant_to(&mut self, actor: usize, targets: &[usize]) -> Result<(), Fault> {
        for &target in targets {
            let kind = self.member(target)?.supposed.kind;
            if kind == Kind::Root {
                continue;
            }
            self.grant_owner(actor, target, kind == Kind::User)?;
            let groups = self.groups_of(target)?;
            self.grant_versions(actor, target, &groups)?;
            if kind == Kind::User {
                self.grant_groups(actor, target, &groups)?;
            }
        }
        Ok(())
    }

    /// Policies and the boundary of a user or role itself.
    fn grant_owner(&mut self, actor: usize, target: usize, is_user: bool) -> Result<(), Fault> {
        let member = self.member(target)?;
        let (arn, tags) = (member.supposed.arn.as_str(), Some(&member.supposed.tags[..]));
        if arn::is_of_a_service(arn) {
            return Ok(());
        }
        let called = member.supposed.called();
        let boundary = match &member.boundary {
            Some(policy) => Some(self.world.arn(policy)?),
            None => None,
        };
        let bounded = ("iam:PermissionsBoundary", boundary.as_deref());
        let kind = if is_user { "User" } else { "Role" };
        let put = format!("iam:Put{kind}Policy");
        let deed = Deed { action: &put, resource: arn, tags, keys: &[bounded], trust: None };
        if self.has(actor, &put)? {
            let gives = format!("an inline policy of {called} allows everything");
            let fact = Fact::Inline(Owner::Member(target));
            self.attempt(actor, deed, (fact, gives), None)?;
        }
        let attach = format!("iam:Attach{kind}Policy");
        if self.has(actor, &attach)? && self.may_attach(&member)? {
            for (number, policy, made) in self.to_attach() {
                let keys = [bounded, ("iam:PolicyARN", Some(&*policy))];
                let deed = Deed { action: &attach, keys: &keys, ..deed };
                let gives = format!("{policy} is attached to {called}");
                let fact = Fact::Attached(Owner::Member(target), number);
                self.attempt(actor, deed, (fact, gives), made)?;
            }
        }
        if member.boundary.is_some() {
            let gives = format!("{called} has no boundary");
            let delete = format!("iam:Delete{kind}PermissionsBoundary");
            let deed = Deed { action: &delete, ..deed };
            self.attempt(actor, deed, (Fact::Free(target), gives), None)?;
            let put = format!("iam:Put{kind}PermissionsBoundary");
            for (number, policy, made) in self.to_attach() {
                let gives = format!("the boundary of {called} is {policy}");
                let keys = [("iam:PermissionsBoundary", Some(&*policy))];
                let deed = Deed { action: &put, keys: &keys, ..deed };
                self.attempt(actor, deed, (Fact::Bounded(target, number), gives), made)?;
            }
        }
        Ok(())
    }

    /// A policy that can be attached, by number.
    fn policy(&self, number: usize) -> Option<&Attachable> {
        let made = || self.policies.get(number.checked_sub(self.attachable.len())?);
        self.attachable.get(number).or_else(made)
    }

    /// The policies that can be attached by now: number, ARN and, of one that was made, that fact.
    fn to_attach(&self) -> Vec<(usize, String, Option<usize>)> {
        let there = self.attachable.iter().enumerate();
        let there = there.map(|(number, one)| (number, one.arn().to_owned(), None));
        let made = self.policies.iter().enumerate().filter_map(|(number, one)| {
            let fact = *self.numbers.get(&Fact::Drawn(number))?;
            Some((self.attachable.len() + number, one.arn().to_owned(), Some(fact)))
        });
        there.chain(made).collect()
    }

    fn may_attach(&self, member: &Member) -> Result<bool, Fault> {
        member.supposed.id.as_ref().map_or(Ok(true), |id| self.world.may_attach(id))
    }

    /// Versions of the account's own policies that are attached to somebody, or bound it.
    fn grant_versions(
        &mut self,
        actor: usize,
        target: usize,
        groups: &[usize],
    ) -> Result<(), Fault> {
        let (create, set) = ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion");
        let has = [self.has(actor, create)?, self.has(actor, set)?];
        if has == [false, false] {
            return Ok(());
        }
        for Managed { arn, tags, has_room, others } in
            self.world.managed_of(&*self.member(target)?, groups)?
        {
            let deed =
                Deed { action: create, resource: &arn, tags: Some(&tags), keys: &[], trust: None };
            if has_room && has[0] {
                let everything = self.world.everything.clone();
                self.versions.insert((arn.clone(), None), everything);
                let gives = "a new version of it allows everything".to_owned();
                self.attempt(actor, deed, (Fact::Version(arn.clone(), None), gives), None)?;
            }
            for (version, document) in others.into_iter().filter(|_| has[1]) {
                self.versions.insert((arn.clone(), Some(version)), document);
                let gives = format!("its version v{version} counts");
                let fact = Fact::Version(arn.clone(), Some(version));
                self.attempt(actor, Deed { action: set, ..deed }, (fact, gives), None)?;
            }
        }
        Ok(())
    }

    /// The groups of a user, and further ones.
    fn grant_groups(&mut self, actor: usize, target: usize, groups: &[usize]) -> Result<(), Fault> {
        let world = self.world;
        let (put, attach, add) =
            ("iam:PutGroupPolicy", "iam:AttachGroupPolicy", "iam:AddUserToGroup");
        let of = |group: &'w Group, action: &'static str| Deed {
            action,
            resource: &group.arn,
            tags: Some(&group.tags),
            keys: &[],
            trust: None,
        };
        for &number in groups {
            let group = self.group(number)?;
            if self.has(actor, put)? {
                let gives = format!("an inline policy of group/{} allows everything", group.name);
                let fact = Fact::Inline(Owner::Group(number));
                self.attempt(actor, of(group, put), (fact, gives), None)?;
            }
            if self.has(actor, attach)? && world.may_attach(&group.id)? {
                for (policy, arn, made) in self.to_attach() {
                    let keys = [("iam:PolicyARN", Some(&*arn))];
                    let deed = Deed { keys: &keys, ..of(group, attach) };
                    let gives = format!("{arn} is attached to group/{}", group.name);
                    let fact = Fact::Attached(Owner::Group(number), policy);
                    self.attempt(actor, deed, (fact, gives), made)?;
                }
            }
        }
        let user = &self.member(target)?.supposed;
        let may_join = match &user.id {
            _ if world.groups.is_empty() => false,
            Some(id) => world.may_join(id)?,
            None => true,
        };
        if may_join && self.has(actor, add)? {
            for (number, group) in world.groups.iter().enumerate() {
                if !groups.contains(&number) {
                    let gives = format!("{} is in group/{}", user.called(), group.name);
                    let fact = Fact::Joined(target, number);
                    self.attempt(actor, of(group, add), (fact, gives), None)?;
                }
            }
        }
        Ok(())
    }

    /// Whom somebody could come to act as: of those who reach the goal by themselves, or of all others.
    fn take_over(&mut self, actor: usize, winning: bool) -> Result<(), Fault> {
        const ASSUME: &str = "sts:AssumeRole";
        const TRUST: &str = "iam:UpdateAssumeRolePolicy";
        const KEY: &str = "iam:CreateAccessKey";
        const PROFILES: [&str; 2] = ["iam:CreateLoginProfile", "iam:UpdateLoginProfile"];
        let world = self.world;
        let is_root = self.member(actor)?.supposed.kind == Kind::Root;
        let assumes = !is_root && self.has(actor, ASSUME)?;
        let trusts = self.has(actor, TRUST)?;
        let keys = self.has(actor, KEY)?;
        let profiles = [self.has(actor, PROFILES[0])?, self.has(actor, PROFILES[1])?];
        let everybody = assumes || trusts || keys || profiles[0] || profiles[1];
        let mut targets = match everybody {
            true => (1..world.members.len()).collect(),
            false => world.may_trust(&self.member(actor)?.supposed),
        };
        targets.extend(self.known.iter().filter_map(|known| match known.fact {
            Fact::Trusts(role) if !everybody => Some(role),
            Fact::Made(member) => Some(member),
            _ => None,
        }));
        targets.retain(|target| self.winners.contains(target) == winning);
        for target in targets {
            let member = self.member(target)?;
            if self.is_known(&Fact::Acts(target)) {
                continue;
            }
            let (arn, tags) = (member.supposed.arn.as_str(), Some(&member.supposed.tags[..]));
            let deed = Deed { action: ASSUME, resource: arn, tags, keys: &[], trust: None };
            let gives = |word: &str| format!("{word} {}", member.supposed.called());
            let acts = || (Fact::Acts(target), gives("acts as"));
            let made = self.numbers.get(&Fact::Made(target)).copied();
            match &member.trust {
                Some(trust) => {
                    let opened = self.numbers.get(&Fact::Trusts(target)).copied();
                    let may = assumes || trust.may_name(&self.member(actor)?.supposed);
                    if !is_root && may {
                        let deed = Deed { trust: Some(&trust.policy), ..deed };
                        self.attempt(actor, deed, acts(), made)?;
                    }
                    if !is_root && opened.is_some() {
                        let deed = Deed { trust: Some(&world.trust_all), ..deed };
                        self.attempt(actor, deed, acts(), opened)?;
                    }
                    let may_be_opened = made.is_none() && !arn::is_of_a_service(arn);
                    if trusts && may_be_opened && !self.is_known(&Fact::Acts(target)) {
                        let deed = Deed { action: TRUST, ..deed };
                        let opens = (Fact::Trusts(target), gives("everybody is trusted by"));
                        self.attempt(actor, deed, opens, None)?;
                    }
                }
                None if member.supposed.kind == Kind::User => {
                    let id = member.supposed.id.as_ref();
                    if keys && id.map_or(Ok(true), |id| world.may_have_key(id))? {
                        let deed = Deed { action: KEY, ..deed };
                        self.attempt(actor, deed, acts(), made)?;
                    }
                    let has_factor = id.map_or(Ok(false), |id| world.has_factor(id))?;
                    if has_factor {
                        continue;
                    }
                    let profile = usize::from(id.map_or(Ok(false), |id| world.has_password(id))?);
                    if profiles.get(profile).is_some_and(|has| *has) {
                        let action = PROFILES.get(profile).copied().unwrap_or_default();
                        let deed = Deed { action, ..deed };
                        self.attempt(actor, deed, acts(), made)?;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}
