//! What policies could grant at all, on whatever resource and under whatever conditions: the actions and
//! services that reports list for somebody, used or not.
//!
//! An action counts as granted if a statement allows it and none denies it everywhere and always. That is
//! what AWS says of its own reports: only permissions policies count, no boundaries, no organisations, no
//! resource's policies (IAM API Reference, GenerateServiceLastAccessedDetails).

use std::collections::HashMap;

use super::arn::Fit;
use super::context::Context;
use super::document::Statement;
use super::grammar::Effect;
use super::pattern::Glob;
use super::set::PolicySet;

/// The grants of some policies, by service.
#[derive(Debug, Default)]
pub struct Reach<'a> {
    /// Allowed actions whose service is written out.
    by_service: HashMap<&'a str, Vec<&'a Glob>>,
    /// Allowed actions of services that a wildcard stands for.
    of_any: Vec<&'a Glob>,
    /// What allows all but some actions.
    all_but: Vec<&'a Statement>,
    /// What denies on every resource, without conditions.
    denies: Vec<&'a Statement>,
}

/// The service that a pattern writes out.
fn service_of(glob: &Glob) -> Option<&str> {
    glob.literal().split_once(':').map(|(service, _)| service)
}

impl PolicySet {
    /// What the policies could grant.
    pub fn reach(&self) -> Reach<'_> {
        let mut reach = Reach::default();
        for (_, statement) in self.each() {
            let (not, actions) = statement.actions();
            match statement.effect() {
                Effect::Deny if is_everywhere(statement) => reach.denies.push(statement),
                Effect::Deny => {}
                Effect::Allow if not => reach.all_but.push(statement),
                Effect::Allow => {
                    for glob in actions {
                        match service_of(glob) {
                            Some(service) => {
                                reach.by_service.entry(service).or_default().push(glob)
                            }
                            None => reach.of_any.push(glob),
                        }
                    }
                }
            }
        }
        reach
    }
}

fn is_everywhere(statement: &Statement) -> bool {
    let all = match statement.resources() {
        Some((false, globs)) => globs.iter().any(|glob| glob.literal().1 == Fit::Any),
        _ => false,
    };
    all && statement.is_unconditional()
}

impl Reach<'_> {
    /// The services that the policies write out, in lower case and in no order.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.by_service.keys().copied()
    }

    /// Whether an action (`service:name`, lower case) is granted.
    pub fn grants(&self, action: &str) -> bool {
        let nothing = Context::new();
        let fits = |glob: &&Glob| glob.matches(action, &nothing).holds;
        let service = action.split_once(':').map_or("", |(service, _)| service);
        let own = self.by_service.get(service).into_iter().flatten();
        let allowed = own.chain(&self.of_any).any(fits)
            || self.all_but.iter().any(|statement| statement.names(action));
        allowed && !self.denies.iter().any(|statement| statement.names(action))
    }

    /// Whether some action of a service (lower case) is granted, of those that are known of it, given in
    /// lower case and without the service, and of those that the policies themselves write.
    pub fn grants_some(
        &self,
        service: &str,
        known: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> bool {
        let reachable = self.by_service.contains_key(service)
            || !self.of_any.is_empty()
            || !self.all_but.is_empty();
        if !reachable {
            return false;
        }
        if known.into_iter().any(|name| self.grants(&format!("{service}:{}", name.as_ref()))) {
            return true;
        }
        // A pattern stands for an action of this service that nobody has heard of: its own text does, since
        // a wildcard fits itself.
        let own = self.by_service.get(service).into_iter().flatten();
        own.into_iter().any(|glob| match glob {
            Glob::Exact(text) => self.grants(text),
            pattern => self.grants(&format!("{}*", pattern.literal())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Document, DocumentKind, Label};

    fn set(statements: &str) -> PolicySet {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let document = Document::parse(&text, DocumentKind::Identity).unwrap();
        PolicySet::of(document.into(), Label::new("p", "", ""))
    }

    fn statement(effect: &str, actions: &str, more: &str) -> String {
        format!(r#"{{"Effect":"{effect}","Resource":"*",{actions}{more}}}"#)
    }

    #[test]
    fn what_is_allowed_and_not_denied_everywhere_is_granted() {
        let allow = statement("Allow", r#""Action":["s3:Get*","iam:*","Notes:Read"]"#, "");
        let deny = statement("Deny", r#""Action":["iam:*","s3:GetObjectAcl"]"#, "");
        let set = set(&format!("{allow},{deny}"));
        let reach = set.reach();
        assert!(reach.grants("s3:getobject") && reach.grants("notes:read"));
        assert!(!reach.grants("s3:getobjectacl") && !reach.grants("s3:putobject"));
        assert!(!reach.grants("iam:getuser") && !reach.grants("ec2:runinstances"));
        assert!(reach.grants_some("s3", ["putobject", "getobject"]));
        assert!(reach.grants_some("notes", ["none"; 0]) && !reach.grants_some("iam", ["getuser"]));
        assert!(!reach.grants_some("ec2", ["runinstances"]));
        let mut services: Vec<&str> = reach.services().collect();
        services.sort_unstable();
        assert_eq!(services, ["iam", "notes", "s3"]);
    }

    #[test]
    fn a_denial_that_may_not_apply_takes_nothing_away() {
        let allow = statement("Allow", r#""Action":"s3:*""#, "");
        let condition = r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#;
        let sometimes = statement("Deny", r#""Action":"s3:*""#, condition);
        let somewhere = r#"{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::secret/*"}"#;
        for deny in [sometimes.as_str(), somewhere] {
            let set = set(&format!("{allow},{deny}"));
            assert!(set.reach().grants("s3:getobject"), "{deny}");
        }
    }

    #[test]
    fn wildcards_reach_every_service() {
        for actions in [r#""Action":"*""#, r#""NotAction":"iam:*""#] {
            let set = set(&statement("Allow", actions, ""));
            let reach = set.reach();
            assert!(reach.grants_some("sqs", ["listqueues"]), "{actions}");
            assert!(reach.grants("sns:listtopics") && reach.services().next().is_none());
        }
        let set = set(&statement("Allow", r#""NotAction":"iam:*""#, ""));
        assert!(!set.reach().grants_some("iam", ["getuser"]));
    }
}
