//! The floor: the least work that gives the right answers to this workload and to no other.
//!
//! For each principal a hash table from the action to the statements that name it, wildcards expanded
//! over the 96 actions that exist; for each statement the literal pieces of its patterns and its one
//! condition. It knows nothing of letter case, variables, reasons, types of policies or accounts, and
//! allocates nothing.

use std::collections::HashMap;

use super::workload::{Answer, Condition, Principal, Request, SERVICES};

/// A principal's statements by action.
pub struct Floor {
    by_action: HashMap<Box<str>, Box<[Row]>>,
}

struct Row {
    deny: bool,
    patterns: Box<[Box<[Box<str>]>]>,
    condition: Option<Condition>,
}

impl Floor {
    /// Compiles a principal.
    pub fn new(principal: &Principal) -> Floor {
        let mut by_action: HashMap<Box<str>, Vec<Row>> = HashMap::new();
        for statement in principal.policies.iter().flat_map(|policy| &policy.statements) {
            for (prefix, _, names) in &SERVICES {
                for name in names {
                    let action = format!("{prefix}:{name}");
                    let named =
                        statement.actions.iter().any(|pattern| match pattern.strip_suffix('*') {
                            Some(beginning) => action.starts_with(beginning),
                            None => *pattern == action,
                        });
                    if named {
                        let pieces =
                            |pattern: &String| pattern.split('*').map(Into::into).collect();
                        by_action.entry(action.into()).or_default().push(Row {
                            deny: statement.deny,
                            patterns: statement.resources.iter().map(pieces).collect(),
                            condition: statement.condition.clone(),
                        });
                    }
                }
            }
        }
        Floor {
            by_action: by_action.into_iter().map(|(action, rows)| (action, rows.into())).collect(),
        }
    }

    /// The answer.
    pub fn decide(&self, request: &Request) -> Answer {
        let mut answer = Answer::ImplicitDeny;
        let Some(rows) = self.by_action.get(&*request.action) else { return answer };
        for row in rows {
            if row.patterns.iter().any(|pieces| fits(pieces, &request.resource))
                && row.condition.as_ref().is_none_or(|condition| holds(condition, request))
            {
                if row.deny {
                    return Answer::ExplicitDeny;
                }
                answer = Answer::Allowed;
            }
        }
        answer
    }
}

fn fits(pieces: &[Box<str>], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return false };
    let Some(mut text) = text.strip_prefix(&**first) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for piece in middle {
        match text.find(&**piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(&**last)
}

fn holds(condition: &Condition, request: &Request) -> bool {
    match condition {
        Condition::Region(regions) => regions.contains(&request.keys.region),
        Condition::Network(second) => {
            let mut octets = request.keys.address.split('.').map(|octet| octet.parse::<u8>().ok());
            octets.next() == Some(Some(10)) && octets.next() == Some(Some(*second))
        }
    }
}
