//! What a changed principal is asked on both sides, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Expanded;
use crate::policy::catalogue;
use crate::policy::{Context, Document, Outcome, Request, decide, explore};
use crate::projection::directory::Directory;
use crate::service::audit::names::Found;
use crate::service::authorize::Grants;
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::supposed::Supposed;

/// Questions of one answer, both sides counted once.
pub const BUDGET: usize = 3_000_000;
/// Resource patterns that one principal is asked for.
const RESOURCES: usize = 300;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Not.
    No,
    /// Under conditions.
    Conditionally,
    /// For certain.
    Yes,
}

/// What came out of one question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `s3:GetObject`
    pub action: String,
    /// A resource pattern.
    pub resource: String,
    /// What was held before.
    pub before: Held,
    /// What is held after.
    pub after: Held,
    /// The action patterns of statements that the question came from.
    pub patterns: Vec<String>,
}

/// A principal on one side.
pub struct Side {
    supposed: Option<Supposed>,
    grants: Grants,
    context: Context<'static>,
    /// Whether any policy has conditions or variables, so that exploring pays.
    hangs: bool,
}

impl Side {
    /// Of a user or role; `None` for one that does not exist on this side.
    ///
    /// # Errors
    /// Whatever keeps its policies from being read.
    pub fn of(
        documents: &Documents,
        directory: Directory<'_>,
        found: Option<&Found>,
    ) -> Result<Self, Fault> {
        let digits = directory.digits()?;
        let supposed = match found {
            None => None,
            Some(found) => Supposed::of_found(directory, &digits, found)?,
        };
        let grants = match &supposed {
            None => Grants::default(),
            Some(supposed) => supposed.grants(documents, &directory)?,
        };
        let context = supposed.as_ref().map(Supposed::context).unwrap_or_default();
        let organization = &grants.organization;
        let sets = [&grants.identity].into_iter().chain(&grants.boundary);
        let hangs = sets
            .chain(&organization.scp)
            .chain(&organization.rcp)
            .flat_map(|set| set.attached())
            .flat_map(|attached| attached.document.statements())
            .any(|statement| statement.is_conditional());
        Ok(Side { supposed, grants, context, hangs })
    }

    fn documents(&self) -> impl Iterator<Item = &Arc<Document>> {
        self.grants.identity.attached().iter().map(|attached| &attached.document)
    }

    fn bounds(&self) -> Vec<*const Document> {
        let attached = self.grants.boundary.iter().flat_map(|set| set.attached());
        attached.map(|attached| Arc::as_ptr(&attached.document)).collect()
    }

    fn may(&self, action: &str, resource: &str) -> bool {
        self.supposed.is_some() && self.grants.identity.may_allow(action, resource)
    }

    fn held(&self, action: &str, resource: &str) -> Held {
        let Some(supposed) = &self.supposed else { return Held::No };
        if !self.may(action, resource) {
            return Held::No;
        }
        let policies = self.grants.policies_on(action, None);
        let request = Request::new(supposed.principal(), action, resource, &self.context);
        if !self.hangs {
            return match decide(&request, &policies).outcome {
                Outcome::Allowed => Held::Yes,
                _ => Held::No,
            };
        }
        let explored = explore(&request, &policies);
        match (explored.best, explored.worst) {
            (_, Outcome::Allowed) => Held::Yes,
            (Outcome::Allowed, _) => Held::Conditionally,
            _ => Held::No,
        }
    }

    /// A resource pattern with what is known of the principal put in.
    fn resource(&self, pattern: &str) -> Option<String> {
        let name = self.supposed.as_ref().map_or("", |supposed| supposed.name.as_str());
        let filled = pattern.replace("${aws:username}", name);
        (!filled.contains("${")).then_some(filled)
    }
}

/// Compares what a principal holds on both sides. `false` beside it says that not everything was asked.
pub fn compare(
    sides: &[Side; 2],
    is_same_organization: bool,
    budget: &mut usize,
) -> (Vec<Answer>, bool) {
    let [before, after] = sides;
    // Where what bounds it changed, or who it is, all its statements may mean something else.
    let is_same_frame = is_same_organization
        && before.bounds() == after.bounds()
        && before.supposed.as_ref().map(|one| (&one.arn, &one.tags))
            == after.supposed.as_ref().map(|one| (&one.arn, &one.tags));
    let holds = |side: &Side, document: &Arc<Document>| {
        side.documents().any(|other| Arc::ptr_eq(other, document))
    };
    let changed = |document: &Arc<Document>| {
        !(is_same_frame && holds(before, document) && holds(after, document))
    };
    let mut patterns = BTreeSet::new();
    let mut resources = BTreeSet::new();
    let mut is_whole = true;
    for side in sides {
        for document in side.documents() {
            for statement in document.statements() {
                if changed(document) {
                    patterns.extend(statement.written_actions());
                }
                let written = statement.written_resources();
                resources.extend(written.iter().filter_map(|pattern| side.resource(pattern)));
            }
        }
    }
    if resources.len() > RESOURCES {
        is_whole = false;
    }
    let resources: Vec<String> = resources.into_iter().take(RESOURCES).collect();
    let mut expanded = Expanded::new();
    for pattern in patterns {
        let actions = expand(&pattern);
        expanded.insert(pattern, actions);
    }
    let actions: BTreeSet<&String> = expanded.values().flatten().collect();
    let mut answers = Vec::new();
    for action in actions {
        for resource in &resources {
            if !before.may(action, resource) && !after.may(action, resource) {
                continue;
            }
            match budget.checked_sub(1) {
                None => return (answers, false),
                Some(left) => *budget = left,
            }
            let (held, holds) = (before.held(action, resource), after.held(action, resource));
            if held != holds {
                let of = |(pattern, actions): (&String, &BTreeSet<String>)| {
                    actions.contains(action).then(|| pattern.clone())
                };
                answers.push(Answer {
                    action: action.clone(),
                    resource: resource.clone(),
                    before: held,
                    after: holds,
                    patterns: expanded.iter().filter_map(of).collect(),
                });
            }
        }
    }
    (answers, is_whole)
}

/// The actions that a pattern stands for, as far as the catalogue knows them; a pattern of a service that it
/// does not know stands for itself.
pub fn expand(pattern: &str) -> BTreeSet<String> {
    let named = catalogue::expand(pattern);
    if named.is_empty() {
        return BTreeSet::from([pattern.to_owned()]);
    }
    named.iter().map(|one| format!("{}:{}", one.service.prefix, one.action.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_what_is_known() {
        assert!(expand("s3:getobject").contains("s3:GetObject"));
        assert!(expand("s3:get*").len() > 10);
        assert_eq!(expand("notes:*"), BTreeSet::from(["notes:*".to_owned()]));
        assert!(Held::Yes > Held::Conditionally && Held::Conditionally > Held::No);
    }
}
