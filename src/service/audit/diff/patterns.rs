//! Putting single actions together again: to the patterns that policies wrote, to whole services, to
//! everything.

use std::collections::{BTreeMap, BTreeSet};

use super::probes::expand;
use crate::policy::catalogue;

/// The patterns that policies wrote, and what each stands for.
pub struct Patterns<'a>(Vec<(&'a str, BTreeSet<String>)>);

impl<'a> Patterns<'a> {
    /// Looks up what patterns stand for; the widest first.
    pub fn new(written: &'a [String]) -> Self {
        let with_wildcards = written.iter().filter(|pattern| pattern.contains(['*', '?']));
        let mut known: Vec<(&str, BTreeSet<String>)> =
            with_wildcards.map(|pattern| (pattern.as_str(), expand(pattern))).collect();
        known.sort_by_key(|(_, actions)| std::cmp::Reverse(actions.len()));
        Patterns(known)
    }

    /// The fewest patterns that stand for exactly these actions, as far as the written ones and whole
    /// services do.
    pub fn of(&self, actions: &BTreeSet<String>) -> Vec<String> {
        let mut left = actions.clone();
        let mut patterns = Vec::new();
        for (pattern, stands_for) in &self.0 {
            if stands_for.is_subset(&left) && !stands_for.is_empty() {
                left.retain(|action| !stands_for.contains(action));
                patterns.push(spelled(pattern, stands_for));
            }
        }
        let mut services: BTreeMap<&str, usize> = BTreeMap::new();
        for action in &left {
            let service = action.split_once(':').map_or("", |(service, _)| service);
            *services.entry(service).or_default() += 1;
        }
        let whole: Vec<String> = services
            .into_iter()
            .filter(|(service, count)| {
                let known = catalogue::service(service).map_or(0, |known| known.actions.len());
                *count > 1 && *count == known
            })
            .map(|(service, _)| service.to_owned())
            .collect();
        for service in whole {
            left.retain(|action| action.split_once(':').map_or("", |(of, _)| of) != service);
            patterns.push(format!("{service}:*"));
        }
        patterns.extend(left);
        patterns.sort();
        patterns
    }
}

/// A pattern as people write it: documents keep actions in lower case, the catalogue knows them better.
fn spelled(pattern: &str, stands_for: &BTreeSet<String>) -> String {
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    let first = stands_for.first().and_then(|action| action.get(..literal.len()));
    match first.filter(|first| first.eq_ignore_ascii_case(literal)) {
        Some(first) => format!("{first}{}", pattern.get(literal.len()..).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_put_together_to_what_was_written() {
        let written = ["s3:get*".to_owned(), "sts:*".to_owned(), "*".to_owned()];
        let patterns = Patterns::new(&written);
        let mut actions = expand("s3:get*");
        actions.insert("s3:PutObject".into());
        assert_eq!(patterns.of(&actions), ["s3:Get*", "s3:PutObject"]);
        actions.remove("s3:GetObject");
        assert!(patterns.of(&actions).len() > 5);
        assert_eq!(patterns.of(&expand("sts:*")), ["sts:*"]);
        assert_eq!(Patterns::new(&[]).of(&expand("sts:*")), ["sts:*"]);
        assert_eq!(patterns.of(&expand("*")), ["*"]);
    }
}
