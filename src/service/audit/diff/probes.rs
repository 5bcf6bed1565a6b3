//! What is asked about one set of actions that no statement tells apart, on both sides, and what is answered.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::person::{Person, Values};
use super::vocabulary::Actions;
use crate::policy::{
    Deciding, Effect, Outcome, PolicySet, PolicyType, Request, Statement, certain, range,
};
use crate::service::authorize::Grants;

/// Resource patterns that one principal is asked for, of one set of actions.
const RESOURCES: usize = 300;
/// Answers of one set of actions that are remembered, by who was asked.
const REMEMBERED: usize = 64;

/// How much may still be looked at for one answer: patterns of policies, which take some 50 nanoseconds each.
#[derive(Debug)]
pub struct Budget(usize);

/// What a question takes besides.
const QUESTION: usize = 20;
/// How often all is looked at where something hangs on what nobody knows.
const PASSES: usize = 4;

impl Budget {
    /// Of an answer that is begun.
    pub fn new() -> Self {
        Budget(60_000_000)
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// Takes something off; `None` if there is not as much left, and then nothing is left for others either.
    pub fn spend(&mut self, patterns: usize) -> Option<()> {
        let left = self.0.checked_sub(patterns);
        self.0 = left.unwrap_or(0);
        left.map(drop)
    }
}

/// On what something hangs: the open statements with their conditions, once each.
pub type Terms = BTreeSet<String>;

/// What is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Not.
    No,
    /// Under conditions.
    Under(Terms),
    /// For certain.
    Yes,
}

impl Held {
    /// Under conditions is more than not, and less than for certain.
    pub fn rank(&self) -> u8 {
        match self {
            Held::No => 0,
            Held::Under(_) => 1,
            Held::Yes => 2,
        }
    }

    /// Whether it is so under conditions.
    pub fn is_conditional(&self) -> bool {
        matches!(self, Held::Under(_))
    }
}

/// What came out of one question, where the sides differ.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A resource pattern.
    pub resource: String,
    /// What was held before.
    pub before: Held,
    /// What is held after.
    pub after: Held,
}

/// Answers, and whether there was more to ask.
pub type Answers = (Rc<[Answer]>, bool);

/// A set of actions that no statement on either side tells apart, and what is asked about it.
pub struct Part {
    /// The actions.
    pub actions: Actions,
    /// One of them: what holds for it holds for all.
    action: String,
    /// The patterns of the statements about it, with their variables; those of statements that changed come first.
    resources: Vec<Rc<str>>,
    /// What of a principal these statements read, by its names in lower case.
    reads: BTreeSet<String>,
    /// How much there is to look at on each side.
    weights: [usize; 2],
    remembered: HashMap<Values, Answers>,
}

impl Part {
    /// Looks which of all statements judge these actions. What those that changed name is to be asked `first`.
    pub fn new(
        actions: Actions,
        action: String,
        (judging, weights): (&[Judge<'_>], [usize; 2]),
        first: &BTreeSet<String>,
    ) -> Self {
        let lower = action.to_ascii_lowercase();
        let (mut resources, mut others, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        let mut reads = BTreeSet::new();
        for judge in judging.iter().filter(|judge| judge.statement.names(&lower)) {
            for pattern in judge.named.iter().filter(|pattern| seen.insert(Rc::clone(pattern))) {
                match first.contains(&**pattern) {
                    true => resources.push(Rc::clone(pattern)),
                    false => others.push(Rc::clone(pattern)),
                }
            }
            reads.extend(judge.reads.iter().cloned());
        }
        resources.extend(others);
        Part { actions, action, resources, reads, weights, remembered: HashMap::new() }
    }

    /// What of a principal the statements about these actions read.
    pub fn reads(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// Asks one principal on both sides, unless somebody was asked for whom the statements about these actions read
    /// the same. `None` if too much was asked.
    pub fn ask(
        &mut self,
        judging: [&Grants; 2],
        both: &[Option<Person>; 2],
        budget: &mut Budget,
    ) -> Option<Answers> {
        let values = Values::of(both, &self.reads);
        if let Some(known) = self.remembered.get(&values) {
            return Some(known.clone());
        }
        budget.spend(self.resources.len())?;
        let (mut resources, mut seen) = (Vec::new(), HashSet::new());
        for pattern in &self.resources {
            let filled = both.iter().flatten().filter_map(|person| person.filled(pattern));
            resources.extend(filled.filter(|resource| seen.insert(resource.clone())));
        }
        let is_truncated = resources.len() > RESOURCES;
        let mut answers = Vec::new();
        for resource in resources.into_iter().take(RESOURCES) {
            let [before, after] = both;
            let [earlier, later] = judging;
            let [weight_before, weight_after] = self.weights;
            let before = self.held((earlier, weight_before), before.as_ref(), &resource, budget)?;
            let after = self.held((later, weight_after), after.as_ref(), &resource, budget)?;
            if before != after {
                answers.push(Answer { resource, before, after });
            }
        }
        let answers: Answers = (answers.into(), is_truncated);
        if self.remembered.len() < REMEMBERED {
            self.remembered.insert(values, answers.clone());
        }
        Some(answers)
    }

    fn held(
        &self,
        (grants, weight): (&Grants, usize),
        person: Option<&Person>,
        resource: &str,
        budget: &mut Budget,
    ) -> Option<Held> {
        budget.spend(QUESTION)?;
        // What needs no policy that allows it is no permission.
        let may = || grants.identity.may_allow(&self.action, resource);
        let Some(person) = person.filter(|_| may()) else { return Some(Held::No) };
        budget.spend(weight)?;
        let policies = grants.policies_on(&self.action, None);
        let request = Request::new(person.principal(), &self.action, resource, person.context());
        if let Some(outcome) = certain(&request, &policies) {
            return Some(if outcome == Outcome::Allowed { Held::Yes } else { Held::No });
        }
        budget.spend(PASSES * weight)?;
        let ([best, worst], open) = range(&request, &policies);
        Some(match (best, worst) {
            (_, Outcome::Allowed) => Held::Yes,
            (Outcome::Allowed, _) => {
                Held::Under(open.iter().map(|open| term(open, grants)).collect())
            }
            _ => Held::No,
        })
    }
}

/// A statement that judges somebody, on either side.
pub struct Judge<'a> {
    statement: &'a Statement,
    /// The patterns of resources that tell what it is about.
    named: Vec<Rc<str>>,
    /// What of a principal it reads.
    reads: Vec<String>,
}

impl<'a> Judge<'a> {
    /// All of both sides; one that stands on both, once.
    pub fn all(judging: [&'a Grants; 2]) -> Vec<Self> {
        let mut seen = HashSet::new();
        let all = judging.into_iter().flat_map(statements);
        let all = all.filter(|statement| seen.insert(std::ptr::from_ref::<Statement>(statement)));
        all.map(|statement| Judge {
            statement,
            named: named(statement).map(Rc::from).collect(),
            reads: super::person::read_by(statement).collect(),
        })
        .collect()
    }
}

/// The patterns of resources that tell what a statement is about.
pub fn named(statement: &Statement) -> impl Iterator<Item = String> {
    statement.written_resources().into_iter().chain(statement.distinguished_resources())
}

/// The sets of policies that judge somebody.
fn sets(grants: &Grants) -> impl Iterator<Item = &PolicySet> {
    let Grants { identity, boundary, organization, .. } = grants;
    let sets = std::iter::once(identity).chain(boundary);
    sets.chain(&organization.scp).chain(&organization.rcp)
}

/// All their statements.
pub fn statements(grants: &Grants) -> impl Iterator<Item = &Statement> {
    let attached = sets(grants).flat_map(|set| set.attached());
    attached.flat_map(|attached| attached.document.statements())
}

/// How much there is to look at in them.
pub fn weight(grants: &Grants) -> usize {
    sets(grants).map(PolicySet::weight).sum()
}

/// `Allow if IpAddress aws:SourceIp 10.0.0.0/8`.
fn term(open: &Deciding<'_>, grants: &Grants) -> String {
    let effect = match open.statement.effect() {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    let of = match open.policy_type {
        PolicyType::Identity => String::new(),
        // Every level must allow: on which one it stands makes a difference.
        PolicyType::Scp => {
            let holds = |set: &PolicySet| {
                let documents = set.attached().iter().map(|attached| &attached.document);
                let mut statements = documents.flat_map(|document| document.statements());
                statements.any(|statement| std::ptr::eq(statement, open.statement))
            };
            let level = grants.organization.scp.iter().position(holds).map_or(0, |level| level + 1);
            format!(" of a service control policy of level {level}")
        }
        other => format!(" of {} {}", other.article(), other.noun()),
    };
    let resources = open.statement.distinguished_resources();
    let variable = resources.filter(|pattern| pattern.contains("${"));
    let mut conditions = open.statement.written_conditions();
    conditions.extend(variable.map(|pattern| format!("Resource {pattern}")));
    format!("{effect}{of} if {}", conditions.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_certain_is_most() {
        let under = Held::Under(Terms::new());
        assert!(Held::Yes.rank() > under.rank() && under.rank() > Held::No.rank());
    }

    #[test]
    fn no_more_is_spent_than_there_is() {
        let mut budget = Budget(3);
        assert_eq!([budget.spend(2), budget.spend(2), budget.spend(1)], [Some(()), None, None]);
        assert!(budget.is_spent());
    }
}
