//! Those who stand on the same grounds on both sides: what they are asked, once for all of them.
//!
//! Thousands of principals mostly stand on a few grounds. Their policies are compiled once, and what is to be asked
//! is found out once. Where no statement about an action reads who somebody is, the answer of one is the answer of all;
//! where some do - by `${aws:username}`, or `aws:PrincipalTag/team` -, it is that of all who have the same name, or are
//! of the same team.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::patterns::Patterns;
use super::person::{Person, Values, read_by};
use super::probes::{Answer, Budget, Held, Judge, Part, Terms, named, statements, weight};
use super::vocabulary::{Actions, Vocabulary};
use super::{Changed, Member, Permission, Told};
use crate::service::authorize::Grants;
use crate::service::fault::Fault;
use crate::service::grounds::{Gathering, Ground, Grounds};

/// Classes that are remembered: most of an account are of a few.
const CLASSES: usize = 16;
/// Outcomes of one class that are remembered, by who was asked.
const REMEMBERED: usize = 64;

/// The classes that were met, and what is common to all of a comparison.
pub struct Classes<'a> {
    sides: &'a [Gathering<'a>; 2],
    is_same_organization: bool,
    known: VecDeque<Class>,
    vocabulary: Vocabulary,
    budget: Budget,
}

impl<'a> Classes<'a> {
    /// None is known yet.
    pub fn new(sides: &'a [Gathering<'a>; 2], is_same_organization: bool) -> Self {
        let known = VecDeque::new();
        let (vocabulary, budget) = (Vocabulary::default(), Budget::new());
        Classes { sides, is_same_organization, known, vocabulary, budget }
    }

    /// What somebody gained and lost, and whether there was more to ask. `None` of whom nothing can have changed.
    ///
    /// # Errors
    /// Whatever keeps its policies or tags from being read.
    pub fn compare(
        &mut self,
        both: &[Option<Member>; 2],
    ) -> Result<Option<(Arc<Told>, bool)>, Fault> {
        if self.is_same_organization && self.is_unchanged(both)? {
            return Ok(None);
        }
        if self.budget.is_spent() {
            return Ok(Some((Arc::default(), true)));
        }
        let place = match self.known.iter().position(|class| class.is_of(both)) {
            Some(place) => place,
            None => {
                if self.known.len() == CLASSES {
                    self.known.pop_front();
                }
                self.known.push_back(Class::new(self.sides, both)?);
                self.known.len() - 1
            }
        };
        let Some(class) = self.known.get_mut(place) else { return Ok(None) };
        let person = |side: usize| -> Result<Option<Person>, Fault> {
            match (self.sides.get(side), both.get(side)) {
                (Some(side), Some(Some(member))) => Person::of(side, member, &class.reads),
                _ => Ok(None),
            }
        };
        let people = [person(0)?, person(1)?];
        // Where what bounds it changed, or who it is, all its statements may mean something else.
        let is_same_frame = self.is_same_organization
            && class.is_bounded_alike()
            && Values::of(&people, &class.reads).are_alike();
        class.compare(self.sides, &people, is_same_frame, &mut self.vocabulary, &mut self.budget)
    }

    /// Whether somebody stands on the same grounds on both sides, and is called and tagged the same where that matters.
    fn is_unchanged(&self, both: &[Option<Member>; 2]) -> Result<bool, Fault> {
        let ([before, after], [Some(earlier), Some(later)]) = (self.sides, both) else {
            return Ok(false);
        };
        let is_alike = earlier.grounds == later.grounds
            && earlier.found.name == later.found.name
            && earlier.found.arn == later.found.arn;
        if !is_alike || !before.reads_tags(&earlier.grounds)? {
            return Ok(is_alike);
        }
        let tags = [(before, earlier), (after, later)]
            .map(|(side, member)| side.directory().tags(&member.found.id));
        let [earlier, later] = tags;
        Ok(earlier? == later?)
    }
}

/// What a class stands on: nothing on a side where its members do not exist.
type Standing = [Option<Grounds>; 2];

/// Those who stand on the same grounds on both sides.
struct Class {
    kind: &'static str,
    standing: Standing,
    judging: [Grants; 2],
    /// What of a principal any statement reads.
    reads: BTreeSet<String>,
    /// What is asked where only some statements changed, and where all may mean something else.
    asked: [Option<Asked>; 2],
}

/// What a class is asked.
struct Asked {
    patterns: Patterns,
    parts: Vec<Part>,
    /// What of a principal any statement about these parts reads.
    reads: BTreeSet<String>,
    remembered: HashMap<Values, (Arc<Told>, bool)>,
}

impl Class {
    fn new(sides: &[Gathering<'_>; 2], both: &[Option<Member>; 2]) -> Result<Self, Fault> {
        let ([before, after], [earlier, later]) = (sides, both);
        let grants = |side: &Gathering<'_>, member: &Option<Member>| {
            let grounds = member.as_ref().map(|member| side.grants(&member.grounds));
            grounds.unwrap_or_else(|| Ok(Grants::default()))
        };
        let judging = [grants(before, earlier)?, grants(after, later)?];
        let reads = judging.iter().flat_map(statements).flat_map(read_by).collect();
        let (kind, standing) = Class::key(both);
        Ok(Class {
            kind,
            standing: standing.map(|grounds| grounds.cloned()),
            judging,
            reads,
            asked: [None, None],
        })
    }

    fn key(both: &[Option<Member>; 2]) -> (&'static str, [Option<&Grounds>; 2]) {
        let [earlier, later] = both;
        let kind = earlier.as_ref().or(later.as_ref()).map_or("", |member| member.found.kind);
        (kind, [earlier, later].map(|member| member.as_ref().map(|member| &member.grounds)))
    }

    fn is_of(&self, both: &[Option<Member>; 2]) -> bool {
        let [before, after] = &self.standing;
        Class::key(both) == (self.kind, [before.as_ref(), after.as_ref()])
    }

    fn is_bounded_alike(&self) -> bool {
        let [Some(before), Some(after)] = &self.standing else { return true };
        before.boundary == after.boundary && before.is_service_linked == after.is_service_linked
    }

    fn compare(
        &mut self,
        sides: &[Gathering<'_>; 2],
        people: &[Option<Person>; 2],
        is_same_frame: bool,
        vocabulary: &mut Vocabulary,
        budget: &mut Budget,
    ) -> Result<Option<(Arc<Told>, bool)>, Fault> {
        let [some, all] = &mut self.asked;
        let place = if is_same_frame { some } else { all };
        if place.is_none() {
            let about = (&self.standing, &self.judging);
            *place = Asked::new(sides, about, is_same_frame, vocabulary, budget)?;
        }
        // It costs too much even to find out what there is to ask.
        let Some(asked) = place else { return Ok(Some((Arc::default(), true))) };
        let [before, after] = &self.judging;
        Ok(Some(asked.ask([before, after], people, vocabulary, budget)))
    }
}

impl Asked {
    /// What is asked are the actions of the statements that changed, or of all; `None` if that is too much to look at.
    fn new(
        sides: &[Gathering<'_>; 2],
        (standing, judging): (&Standing, &[Grants; 2]),
        is_same_frame: bool,
        vocabulary: &mut Vocabulary,
        budget: &mut Budget,
    ) -> Result<Option<Self>, Fault> {
        let holds = |ground: &Ground| {
            let on = |side: &Option<Grounds>| {
                side.as_ref().is_some_and(|side| side.identity.contains(ground))
            };
            standing.iter().all(on)
        };
        let (mut patterns, mut first) = (BTreeSet::new(), BTreeSet::new());
        for (side, grounds) in sides.iter().zip(standing) {
            for ground in grounds.iter().flat_map(|grounds| &grounds.identity) {
                if is_same_frame && holds(ground) {
                    continue;
                }
                let Some(document) = side.document(ground)? else { continue };
                for statement in document.statements() {
                    patterns.extend(statement.written_actions());
                    first.extend(named(statement));
                }
            }
        }
        let written = judging.iter().flat_map(statements);
        let written = written.map(|statement| statement.distinguished_actions().collect());
        let parts = vocabulary.parts(&patterns, &written.collect());
        let [before, after] = judging;
        let (judges, weights) = (Judge::all([before, after]), [before, after].map(weight));
        // Each statement is looked at for each part, and each part was made by looking at each.
        if budget.spend(4 * judges.len() * parts.len()).is_none() {
            return Ok(None);
        }
        let part = |actions: &Actions| {
            let one = vocabulary.name(actions.minimum()?).into_owned();
            Some(Part::new(actions.clone(), one, (&judges, weights), &first))
        };
        let parts: Vec<Part> = parts.iter().filter_map(part).collect();
        let reads = parts.iter().flat_map(Part::reads).cloned().collect();
        let patterns = Patterns::new(patterns, vocabulary);
        Ok(Some(Asked { patterns, parts, reads, remembered: HashMap::new() }))
    }

    fn ask(
        &mut self,
        judging: [&Grants; 2],
        people: &[Option<Person>; 2],
        vocabulary: &Vocabulary,
        budget: &mut Budget,
    ) -> (Arc<Told>, bool) {
        let values = Values::of(people, &self.reads);
        if let Some(known) = self.remembered.get(&values) {
            return known.clone();
        }
        let mut is_truncated = false;
        let mut answers = Vec::new();
        for part in &mut self.parts {
            let Some((found, was_more)) = part.ask(judging, people, budget) else {
                is_truncated = true;
                break;
            };
            is_truncated |= was_more;
            answers.push((&part.actions, found));
        }
        let told = (Arc::new(together(&answers, &self.patterns, vocabulary)), is_truncated);
        if self.remembered.len() < REMEMBERED {
            self.remembered.insert(values, told.clone());
        }
        told
    }
}

/// Where the sides differ, put together by resource to what was gained, lost and put under other conditions.
fn together(
    answers: &[(&Actions, Rc<[Answer]>)],
    patterns: &Patterns,
    vocabulary: &Vocabulary,
) -> Told {
    let mut gained = ByResource::<bool>::default();
    let mut lost = ByResource::<bool>::default();
    let mut changed = ByResource::<[&Terms; 2]>::default();
    for (actions, answers) in answers {
        for Answer { resource, before, after } in answers.iter() {
            // What was certain and hangs on conditions since is lost under conditions.
            let is_conditional = after.is_conditional();
            match (before, after) {
                (Held::Under(before), Held::Under(after)) => {
                    changed.add(resource, [before, after], actions);
                }
                _ if after.rank() > before.rank() => gained.add(resource, is_conditional, actions),
                _ => lost.add(resource, is_conditional, actions),
            }
        }
    }
    let permissions = |all: ByResource<'_, bool>| {
        let all = all.once();
        let permission = |(resource, conditional, actions): (&str, bool, Actions)| Permission {
            actions: patterns.of(&actions, vocabulary),
            resource: resource.to_owned(),
            conditional,
        };
        all.into_iter().map(permission).collect()
    };
    let term = |terms: &Terms| terms.iter().cloned().collect();
    let changed = changed.once().into_iter();
    let changed = changed.map(|(resource, [before, after], actions)| Changed {
        actions: patterns.of(&actions, vocabulary),
        resource: resource.to_owned(),
        before: term(before),
        after: term(after),
    });
    Told { gained: permissions(gained), lost: permissions(lost), changed: changed.collect() }
}

/// Actions by resource pattern, and by how they are held.
struct ByResource<'a, How>(BTreeMap<(&'a str, How), Actions>);

impl<How> Default for ByResource<'_, How> {
    fn default() -> Self {
        ByResource(BTreeMap::new())
    }
}

impl<'a, How: Ord + Copy> ByResource<'a, How> {
    fn add(&mut self, resource: &'a str, how: How, actions: &Actions) {
        self.0.entry((resource, how)).or_default().union_with(actions);
    }

    /// Everything, but what is held for all resources in the very same way not again of some.
    fn once(self) -> Vec<(&'a str, How, Actions)> {
        let all = &self.0;
        let mut told = Vec::with_capacity(all.len());
        for ((resource, how), actions) in all {
            let mut actions = actions.clone();
            if let Some(known) = all.get(&("*", *how)).filter(|_| *resource != "*") {
                actions.difference_with(known);
            }
            if !actions.is_clear() {
                told.push((*resource, *how, actions));
            }
        }
        told
    }
}
