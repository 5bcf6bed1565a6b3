//! What is asked about one set of actions that no statement tells apart, on both sides, and what is answered.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::person::{Person, Values};
use super::vocabulary::Actions;
use crate::policy::{Deciding, Effect, Outcome, PolicyType, Request, Statement, certain, range};
use crate::service::authorize::Grants;

/// Resource patterns that one principal is asked for, of one set of actions.
const RESOURCES: usize = 300;
/// Answers of one set of actions that are remembered, by who was asked.
const REMEMBERED: usize = 64;

/// How much may still be asked for one answer: questions, of which one that hangs on what nobody knows counts as many
/// as there are statements to look at.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// Of an answer that is begun.
    pub fn new() -> Self {
        Budget(1_000_000)
    }

    /// Takes something off; `None` if there is not as much left.
    fn spend(&mut self, questions: usize) -> Option<()> {
        self.0 = self.0.checked_sub(questions)?;
        Some(())
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
    /// The patterns of the statements about it, with their variables.
    resources: BTreeSet<String>,
    /// What of a principal these statements read, by its names in lower case.
    reads: BTreeSet<String>,
    remembered: HashMap<Values, Answers>,
}

impl Part {
    /// Looks what judges these actions.
    pub fn new(actions: Actions, action: String, judging: [&Grants; 2]) -> Self {
        let (mut resources, mut reads) = (BTreeSet::new(), BTreeSet::new());
        for statement in judging.into_iter().flat_map(statements) {
            if statement.is_about(&action) {
                resources.extend(statement.written_resources());
                resources.extend(statement.distinguished_resources());
                reads.extend(super::person::read_by(statement));
            }
        }
        Part { actions, action, resources, reads, remembered: HashMap::new() }
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
        let filled = |person: &Person| {
            let all = self.resources.iter().filter_map(|pattern| person.filled(pattern));
            all.collect::<Vec<_>>()
        };
        let resources: BTreeSet<String> = both.iter().flatten().flat_map(filled).collect();
        let is_truncated = resources.len() > RESOURCES;
        let mut answers = Vec::new();
        for resource in resources.into_iter().take(RESOURCES) {
            let [before, after] = both;
            let [earlier, later] = judging;
            let before = self.held(earlier, before.as_ref(), &resource, budget)?;
            let after = self.held(later, after.as_ref(), &resource, budget)?;
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
        grants: &Grants,
        person: Option<&Person>,
        resource: &str,
        budget: &mut Budget,
    ) -> Option<Held> {
        // What needs no policy that allows it is no permission.
        let may = || grants.identity.may_allow(&self.action, resource);
        let Some(person) = person.filter(|_| may()) else { return Some(Held::No) };
        budget.spend(1)?;
        let policies = grants.policies_on(&self.action, None);
        let request = Request::new(person.principal(), &self.action, resource, person.context());
        if let Some(outcome) = certain(&request, &policies) {
            return Some(if outcome == Outcome::Allowed { Held::Yes } else { Held::No });
        }
        budget.spend(statements(grants).count())?;
        let ([best, worst], open) = range(&request, &policies);
        Some(match (best, worst) {
            (_, Outcome::Allowed) => Held::Yes,
            (Outcome::Allowed, _) => Held::Under(open.iter().map(term).collect()),
            _ => Held::No,
        })
    }
}

/// All statements that judge somebody.
pub fn statements(grants: &Grants) -> impl Iterator<Item = &Statement> {
    let Grants { identity, boundary, organization, .. } = grants;
    let sets = std::iter::once(identity).chain(boundary);
    let sets = sets.chain(&organization.scp).chain(&organization.rcp);
    let documents = sets.flat_map(|set| set.attached()).map(|attached| &attached.document);
    documents.flat_map(|document| document.statements())
}

/// `Allow if IpAddress aws:SourceIp 10.0.0.0/8`.
fn term(open: &Deciding<'_>) -> String {
    let effect = match open.statement.effect() {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    let of = match open.policy_type {
        PolicyType::Identity => String::new(),
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
        assert_eq!([budget.spend(2), budget.spend(2), budget.spend(1)], [Some(()), None, Some(())]);
    }
}
