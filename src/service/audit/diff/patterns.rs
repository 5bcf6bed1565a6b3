//! Putting single actions together again: to the patterns that policies wrote, to whole services, to
//! everything.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::vocabulary::{Actions, Vocabulary};

/// Sets of actions of which it is remembered how they are put: most of a class differ in few actions.
const REMEMBERED: usize = 256;

/// The patterns that policies wrote, and what each stands for.
pub struct Patterns {
    written: Vec<(String, Rc<Actions>)>,
    put: RefCell<HashMap<Actions, Arc<[String]>>>,
}

impl Patterns {
    /// Looks up what patterns stand for; the widest first.
    pub fn new(written: BTreeSet<String>, vocabulary: &mut Vocabulary) -> Self {
        let with_wildcards = written.into_iter().filter(|pattern| pattern.contains(['*', '?']));
        let mut known: Vec<(String, Rc<Actions>)> = with_wildcards
            .map(|pattern| {
                let actions = vocabulary.stands_for(&pattern);
                (pattern, actions)
            })
            .collect();
        known.sort_by_cached_key(|(_, actions)| std::cmp::Reverse(actions.count_ones(..)));
        Patterns { written: known, put: RefCell::default() }
    }

    /// The fewest patterns that stand for exactly these actions, as far as the written ones and whole
    /// services do.
    pub fn of(&self, actions: &Actions, vocabulary: &Vocabulary) -> Arc<[String]> {
        if let Some(known) = self.put.borrow().get(actions) {
            return known.clone();
        }
        let patterns: Arc<[String]> = self.put_together(actions, vocabulary).into();
        let mut put = self.put.borrow_mut();
        if put.len() < REMEMBERED {
            put.insert(actions.clone(), patterns.clone());
        }
        patterns
    }

    fn put_together(&self, actions: &Actions, vocabulary: &Vocabulary) -> Vec<String> {
        let mut left = actions.clone();
        let mut patterns = Vec::new();
        for (pattern, stands_for) in &self.written {
            if stands_for.is_subset(&left) {
                left.difference_with(stands_for);
                let first = stands_for.minimum().map(|first| vocabulary.name(first));
                patterns.push(spelled(pattern, first.as_deref()));
            }
        }
        let mut services: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for action in left.ones() {
            match vocabulary.service(action) {
                Some((service, _)) => services.entry(service).or_default().push(action),
                None => patterns.push(vocabulary.name(action).into_owned()),
            }
        }
        for (service, actions) in services {
            let all = actions.first().and_then(|action| vocabulary.service(*action));
            match actions.len() > 1 && all.is_some_and(|(_, all)| all == actions.len()) {
                true => patterns.push(format!("{service}:*")),
                false => {
                    let names = actions.into_iter().map(|action| vocabulary.name(action));
                    patterns.extend(names.map(|name| name.into_owned()));
                }
            }
        }
        patterns.sort();
        patterns
    }
}

/// A pattern as people write it: documents keep actions in lower case, the catalogue knows them better.
fn spelled(pattern: &str, first: Option<&str>) -> String {
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    let first = first.and_then(|action| action.get(..literal.len()));
    match first.filter(|first| first.eq_ignore_ascii_case(literal)) {
        Some(first) => format!("{first}{}", pattern.get(literal.len()..).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(patterns: &Patterns, actions: &Actions, words: &Vocabulary) -> Vec<String> {
        patterns.of(actions, words).to_vec()
    }

    #[test]
    fn actions_are_put_together_to_what_was_written() {
        let mut words = Vocabulary::default();
        let written = ["s3:get*", "sts:*", "*"].map(str::to_owned);
        let patterns = Patterns::new(BTreeSet::from(written), &mut words);
        let mut actions = Actions::clone(&words.stands_for("s3:get*"));
        actions.union_with(&words.stands_for("s3:PutObject"));
        for _ in 0..2 {
            assert_eq!(put(&patterns, &actions, &words), ["s3:Get*", "s3:PutObject"]);
        }
        actions.difference_with(&words.stands_for("s3:GetObject"));
        assert!(put(&patterns, &actions, &words).len() > 5);
        let (sts, all) = (words.stands_for("sts:*"), words.stands_for("*"));
        assert_eq!(put(&patterns, &sts, &words), ["sts:*"]);
        let none = Patterns::new(BTreeSet::new(), &mut words);
        assert_eq!(put(&none, &sts, &words), ["sts:*"]);
        assert_eq!(put(&patterns, &all, &words), ["*"]);
    }
}
