//! Sets of actions, by numbers.
//!
//! A pattern such as `ec2:*` stands for hundreds of actions, and most policies say the same of all of them. So
//! actions are numbered, what a pattern stands for is a set of bits that is looked up once an answer, and
//! actions that no statement in question tells apart are asked about as one ([`Vocabulary::parts`]).

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::OnceLock;

use fixedbitset::FixedBitSet;

use crate::policy::catalogue::{self, Named};

/// Actions, by their numbers in a [`Vocabulary`].
pub type Actions = FixedBitSet;

/// What the evaluator, and what judges besides policies, tells apart by name: both actions of STS need no policy,
/// and resource control policies do not reach IAM.
const TOLD_APART: [&str; 3] = ["sts:GetCallerIdentity", "sts:GetSessionToken", "iam:*"];

/// The actions of the catalogue.
struct Known {
    all: Vec<Named>,
    numbers: HashMap<(&'static str, &'static str), usize>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let all = catalogue::expand("*");
        let number =
            |(number, named): (usize, &Named)| ((named.service.prefix, named.action.name), number);
        Known { numbers: all.iter().enumerate().map(number).collect(), all }
    })
}

/// Patterns that were asked for, and those of the statements that parted them.
type Asked = (BTreeSet<String>, Statements);

/// The action patterns of statements.
pub type Statements = BTreeSet<BTreeSet<String>>;

/// The numbers of actions, for one answer: those of the catalogue, and patterns of services that it does not know,
/// each of which stands for itself.
#[derive(Default)]
pub struct Vocabulary {
    own: Vec<String>,
    patterns: HashMap<String, Rc<Actions>>,
    parted: HashMap<Asked, Rc<[Actions]>>,
}

impl Vocabulary {
    /// What a pattern stands for; never nothing.
    pub fn stands_for(&mut self, pattern: &str) -> Rc<Actions> {
        if let Some(known) = self.patterns.get(pattern) {
            return known.clone();
        }
        let named = catalogue::expand(pattern);
        let numbers = &known().numbers;
        let numbers = named
            .iter()
            .filter_map(|one| numbers.get(&(one.service.prefix, one.action.name)).copied());
        let mut actions: Actions = numbers.collect();
        if actions.is_clear() {
            actions = std::iter::once(known().all.len() + self.own.len()).collect();
            self.own.push(pattern.to_owned());
        }
        let actions = Rc::new(actions);
        self.patterns.insert(pattern.to_owned(), actions.clone());
        actions
    }

    /// `s3:GetObject`; a pattern as it was given, if it stands for itself.
    pub fn name(&self, action: usize) -> Cow<'_, str> {
        match known().all.get(action) {
            Some(named) => format!("{}:{}", named.service.prefix, named.action.name).into(),
            None => {
                let own = self.own.get(action.saturating_sub(known().all.len()));
                own.map_or("", String::as_str).into()
            }
        }
    }

    /// The prefix of an action's service, and how many actions that has; `None` for what stands for itself.
    pub fn service(&self, action: usize) -> Option<(&'static str, usize)> {
        let service = known().all.get(action)?.service;
        Some((service.prefix, service.actions.len()))
    }

    /// The actions that some of the `asked` patterns stand for, parted so that none of the `statements`, each of which
    /// holds for all actions of its patterns or for all others, holds for some actions of a part and not for others:
    /// policies of those statements decide the same on all of it.
    pub fn parts(&mut self, asked: &BTreeSet<String>, statements: &Statements) -> Rc<[Actions]> {
        let key = (asked.clone(), statements.clone());
        if let Some(parts) = self.parted.get(&key) {
            return parts.clone();
        }
        let mut all = Actions::default();
        for pattern in asked {
            all.union_with(&self.stands_for(pattern));
        }
        // Which patterns hold for one that stands for itself is not known by numbers: it is a part of its own.
        let known = known().all.len();
        let own = all.ones().filter(|action| *action >= known);
        let mut parts: Vec<Actions> = own.map(|action| std::iter::once(action).collect()).collect();
        let fixed = parts.len();
        all.set_range(known.min(all.len()).., false);
        parts.push(all);
        let alone = TOLD_APART.map(|pattern| BTreeSet::from([pattern.to_owned()]));
        for statement in statements.iter().chain(&alone) {
            let mut about = Actions::default();
            for pattern in statement {
                about.union_with(&self.stands_for(pattern));
            }
            // Of each part, what the statement is about leaves together.
            for number in fixed..parts.len() {
                let Some(part) = parts.get_mut(number).filter(|part| !part.is_disjoint(&about))
                else {
                    continue;
                };
                let mut left = part.clone();
                left.intersect_with(&about);
                part.difference_with(&about);
                match part.is_clear() {
                    true => *part = left,
                    false => parts.push(left),
                }
            }
        }
        parts.retain(|part| !part.is_clear());
        parts.sort_by_key(Actions::minimum);
        let parts: Rc<[Actions]> = parts.into();
        self.parted.insert(key, parts.clone());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> BTreeSet<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    #[test]
    fn patterns_stand_for_what_is_known() {
        let mut words = Vocabulary::default();
        let get_object = words.stands_for("s3:getobject");
        assert_eq!(get_object.count_ones(..), 1);
        assert_eq!(words.name(get_object.minimum().unwrap()), "s3:GetObject");
        assert!(get_object.is_subset(&words.stands_for("s3:get*")));
        assert!(words.stands_for("s3:get*").is_subset(&words.stands_for("*")));
        let notes = words.stands_for("notes:*");
        assert_eq!(words.name(notes.minimum().unwrap()), "notes:*");
        assert_eq!(words.service(notes.minimum().unwrap()), None);
        assert_ne!(words.stands_for("notes:read"), notes);
        assert_eq!(words.stands_for("notes:*"), notes);
    }

    #[test]
    fn parts_are_what_no_statement_tells_apart() {
        let mut words = Vocabulary::default();
        let statements =
            |all: &[&[&str]]| all.iter().map(|one| set(one)).collect::<BTreeSet<BTreeSet<_>>>();
        let sizes = |parts: Rc<[Actions]>| {
            let mut sizes: Vec<_> = parts.iter().map(|part| part.count_ones(..)).collect();
            sizes.sort_unstable();
            sizes
        };
        let [all, gets] = ["s3:*", "s3:Get*"].map(|of| words.stands_for(of).count_ones(..));
        let sorted = |mut all: Vec<usize>| {
            all.sort_unstable();
            all
        };
        let asked = set(&["s3:*", "notes:read"]);
        let parts = words.parts(&asked, &statements(&[&["s3:Get*", "ec2:*"], &["*"]]));
        assert_eq!(sizes(parts), sorted(vec![1, gets, all - gets]));
        // What one statement names together is one part, however many patterns it takes; but what stands for itself,
        // for which patterns hold that no number tells.
        let parts = words.parts(&asked, &statements(&[&["s3:Get*", "s3:*", "notes:read"]]));
        assert_eq!(sizes(parts), sorted(vec![1, all]));
        // The evaluator knows two actions of STS by name, and resource control policies do not reach IAM.
        assert_eq!(words.parts(&set(&["sts:*"]), &statements(&[])).len(), 3);
        let parts = words.parts(&set(&["iam:Get*", "s3:Get*"]), &statements(&[&["*:Get*"]]));
        assert_eq!(parts.len(), 2);
        assert_eq!(words.parts(&set(&["*"]), &statements(&[])).len(), 4);
    }
}
