//! When a decision may turn although nothing happens: the seconds at which conditions on the time of the
//! request begin or cease to hold.
//!
//! Between two of them a decision is the same at every second, all else being equal. Conditions on other
//! times, such as the age of a session, are about the session: nobody knows them of a request that nobody
//! made, and they stay unknown.

use super::decide::{Deciding, PolicyType};
use super::document::Statement;
use super::request::Policies;
use super::set::{Attached, PolicySet};

/// The keys of the time of the request, in lower case.
pub(super) const KEYS: [&str; 2] = ["aws:currenttime", "aws:epochtime"];

/// A second at which a condition of a statement turns.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Seconds since 1970; may be before.
    pub second: i64,
    /// The statement.
    pub statement: Deciding<'a>,
    /// Operator and key of the condition.
    pub condition: String,
}

/// What policies have to do with the time of a request.
#[derive(Clone, Debug, Default)]
pub struct Clock<'a> {
    /// The seconds at which a decision may turn, in their order.
    pub turns: Vec<Turn<'a>>,
    /// Whether some statement uses the time in a way that has no such seconds: as text, or in a pattern.
    pub is_opaque: bool,
}

impl<'a> Policies<'a> {
    /// What the statements about an action have to do with the time of the request.
    pub fn clock(&self, action: &str) -> Clock<'a> {
        let action = action.to_ascii_lowercase();
        let resource = match self.resource_must_allow {
            true => PolicyType::Trust,
            false => PolicyType::Resource,
        };
        let single = [
            (PolicyType::Identity, self.identity),
            (PolicyType::Boundary, self.boundary),
            (resource, self.resource),
            (PolicyType::Session, self.session),
            (PolicyType::Endpoint, self.endpoint),
        ];
        let mut clock = Clock::default();
        for (policy_type, set) in single {
            set.into_iter().for_each(|set| clock.look_at(policy_type, set, &action));
        }
        for (policy_type, levels) in [(PolicyType::Scp, self.scp), (PolicyType::Rcp, self.rcp)] {
            levels.iter().for_each(|set| clock.look_at(policy_type, set, &action));
        }
        clock.turns.sort_by_key(|turn| turn.second);
        clock
    }
}

impl<'a> Clock<'a> {
    fn look_at(&mut self, policy_type: PolicyType, set: &'a PolicySet, action: &str) {
        for (attached, statement) in set.each() {
            if statement.is_conditional() && statement.names(action) {
                self.take(policy_type, attached, statement);
            }
        }
    }

    fn take(&mut self, policy_type: PolicyType, attached: &'a Attached, statement: &'a Statement) {
        let Some(turns) = statement.turns() else {
            self.is_opaque = true;
            return;
        };
        self.turns.extend(turns.into_iter().map(|(second, condition)| {
            let statement = Deciding { policy_type, label: &attached.label, statement };
            Turn { second, statement, condition }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Context, Document, DocumentKind, Label, Principal, Request, decide};
    use super::*;

    fn set(condition: &str) -> PolicySet {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{condition}}}]}}"#
        );
        let document = Document::parse(&text, DocumentKind::Identity).unwrap();
        PolicySet::of(document.into(), Label::new("p", "", "user a"))
    }

    fn seconds(condition: &str) -> Option<Vec<i64>> {
        let set = set(condition);
        let policies = Policies { identity: Some(&set), ..Policies::default() };
        assert!(policies.clock("ec2:Run").turns.is_empty());
        let clock = policies.clock("s3:GetObject");
        (!clock.is_opaque).then(|| clock.turns.iter().map(|turn| turn.second).collect())
    }

    #[test]
    fn every_turn_of_a_decision_is_foretold() {
        let operators = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan"];
        for operator in operators.into_iter().chain(["GreaterThanEquals"]) {
            for (family, key, operands) in [
                ("Date", "aws:CurrentTime", ["1970-01-01T00:00:10Z", "1970-01-01T00:00:10.5Z"]),
                ("Date", "aws:EpochTime", ["10", "1970-01-01T00:00:12Z"]),
                ("Numeric", "aws:EpochTime", ["10", "10.5"]),
            ] {
                for operand in operands {
                    let condition = format!(r#"{{"{family}{operator}":{{"{key}":"{operand}"}}}}"#);
                    let told = seconds(&condition).unwrap();
                    let set = set(&condition);
                    let policies = Policies { identity: Some(&set), ..Policies::default() };
                    let at = |second: i64| {
                        let mut context = Context::new();
                        context.set("aws:CurrentTime", format!("1970-01-01T00:00:{second:02}Z"));
                        context.set("aws:EpochTime", second.to_string());
                        let principal =
                            Principal::User { account: "123456789012", id: "A", arn: "" };
                        let request = Request::new(principal, "s3:GetObject", "*", &context);
                        decide(&request, &policies).outcome
                    };
                    for second in 1..30 {
                        let turns = at(second) != at(second - 1);
                        assert!(!turns || told.contains(&second), "{condition} at {second}");
                    }
                    assert!(told.len() <= 2, "{condition}: {told:?}");
                }
            }
        }
    }

    #[test]
    fn time_as_text_has_no_turns() {
        assert_eq!(seconds(r#"{"StringLike":{"aws:CurrentTime":"2026-*"}}"#), None);
        assert_eq!(seconds(r#"{"StringEquals":{"s3:prefix":"${aws:EpochTime}"}}"#), None);
        assert_eq!(seconds(r#"{"Null":{"aws:CurrentTime":"false"}}"#), Some(Vec::new()));
        assert_eq!(seconds(r#"{"DateLessThan":{"aws:TokenIssueTime":"10"}}"#), Some(Vec::new()));
        let both = r#"{"DateLessThan":{"aws:currenttime":["20","5"]}}"#;
        assert_eq!(seconds(both), Some(vec![5, 20]));
    }
}
