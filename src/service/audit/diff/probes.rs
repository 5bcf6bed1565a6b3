//! What a changed principal is asked on both sides, and what it answers.

use std::collections::BTreeSet;

use super::Member;
use super::vocabulary::{Actions, Vocabulary};
use crate::policy::{Context, Outcome, Request, decide, explore};
use crate::service::authorize::Grants;
use crate::service::fault::Fault;
use crate::service::grounds::{Gathering, Ground, Grounds};
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
    /// Actions that no policy on either side tells apart.
    pub actions: Actions,
    /// A resource pattern.
    pub resource: String,
    /// What was held before.
    pub before: Held,
    /// What is held after.
    pub after: Held,
}

/// What came out of comparing a principal.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Where it holds something else.
    pub answers: Vec<Answer>,
    /// The action patterns of the statements that it was asked about.
    pub patterns: BTreeSet<String>,
    /// Whether there was more to ask.
    pub truncated: bool,
}

/// A principal on one side; of one that does not exist there, nothing.
pub struct Side<'a> {
    gathering: &'a Gathering<'a>,
    grounds: Grounds,
    supposed: Option<Supposed>,
    /// Whether any policy has conditions or variables, or may name principals: so that it matters who asks.
    hangs: bool,
}

impl<'a> Side<'a> {
    /// Of a user or role.
    ///
    /// # Errors
    /// Whatever keeps its policies or tags from being read.
    pub fn of(gathering: &'a Gathering<'a>, member: Option<&Member>) -> Result<Self, Fault> {
        let Some(Member { found, grounds, .. }) = member else {
            let grounds = Grounds::default();
            return Ok(Side { gathering, grounds, supposed: None, hangs: false });
        };
        let hangs = gathering.hangs(grounds)?;
        let digits = gathering.digits();
        let supposed = match hangs {
            true => Supposed::of_found(gathering.directory(), digits, found)?,
            false => Supposed::untagged(digits, found),
        };
        Ok(Side { gathering, grounds: grounds.clone(), supposed, hangs })
    }

    /// Whether it is decided upon as another one is, under the same organization.
    pub fn decides_as(&self, other: &Side<'_>) -> bool {
        self.supposed.is_some() == other.supposed.is_some()
            && self.grounds == other.grounds
            && self.is_named_as(other)
    }

    /// Whether it matters who asks: then nobody else is decided upon alike.
    pub fn hangs(&self) -> bool {
        self.hangs
    }

    /// Whether names and tags make no difference.
    fn is_named_as(&self, other: &Side<'_>) -> bool {
        let named = |side: &Side<'_>| {
            let supposed = side.supposed.as_ref();
            supposed.map(|one| (one.arn.clone(), one.tags.clone()))
        };
        !self.hangs && !other.hangs || named(self) == named(other)
    }

    /// A resource pattern with what is known of the principal put in.
    fn resource(&self, pattern: &str) -> Option<String> {
        if !pattern.contains("${") {
            return Some(pattern.to_owned());
        }
        let name = self.supposed.as_ref().map_or("", |supposed| supposed.name.as_str());
        let filled = pattern.replace("${aws:username}", name);
        (!filled.contains("${")).then_some(filled)
    }
}

/// A side with its policies compiled.
struct Judged<'a> {
    side: &'a Side<'a>,
    grants: Grants,
    context: Context<'static>,
}

impl<'a> Judged<'a> {
    fn new(side: &'a Side<'a>) -> Result<Self, Fault> {
        let grants = match side.supposed.is_some() {
            true => side.gathering.grants(&side.grounds)?,
            false => Grants::default(),
        };
        let context = side.supposed.as_ref().map(Supposed::context).unwrap_or_default();
        Ok(Judged { side, grants, context })
    }

    /// The action patterns of all that judges it, whether written as such or as all but these.
    fn distinguished(&self) -> impl Iterator<Item = String> {
        let Grants { identity, boundary, organization, .. } = &self.grants;
        let sets = [identity].into_iter().chain(boundary);
        let sets = sets.chain(&organization.scp).chain(&organization.rcp);
        sets.flat_map(|set| set.attached())
            .flat_map(|attached| attached.document.statements())
            .flat_map(|statement| statement.distinguished_actions())
    }

    fn may(&self, action: &str, resource: &str) -> bool {
        self.grants.identity.may_allow(action, resource)
    }

    fn held(&self, action: &str, resource: &str) -> Held {
        let Some(supposed) = &self.side.supposed else { return Held::No };
        if !self.may(action, resource) {
            return Held::No;
        }
        let policies = self.grants.policies_on(action, None);
        let request = Request::new(supposed.principal(), action, resource, &self.context);
        if !self.side.hangs {
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
}

/// Compares what a principal holds on both sides.
///
/// # Errors
/// Whatever keeps its policies from being read.
pub fn compare(
    sides: &[Side<'_>; 2],
    is_same_organization: bool,
    vocabulary: &mut Vocabulary,
    budget: &mut usize,
) -> Result<Compared, Fault> {
    let [before, after] = sides;
    // Where what bounds it changed, or who it is, all its statements may mean something else.
    let is_same_frame = is_same_organization
        && before.grounds.boundary == after.grounds.boundary
        && before.grounds.is_service_linked == after.grounds.is_service_linked
        && before.is_named_as(after);
    let holds = |side: &Side<'_>, ground: &Ground| side.grounds.identity.contains(ground);
    let is_changed =
        |ground: &Ground| !(is_same_frame && holds(before, ground) && holds(after, ground));
    let mut compared = Compared::default();
    let mut resources = BTreeSet::new();
    for side in sides {
        for ground in &side.grounds.identity {
            let Some(document) = side.gathering.document(ground)? else { continue };
            let is_changed = is_changed(ground);
            for statement in document.statements() {
                if is_changed {
                    compared.patterns.extend(statement.written_actions());
                }
                let named = statement.written_resources();
                resources.extend(named.iter().filter_map(|pattern| side.resource(pattern)));
            }
        }
    }
    compared.truncated = resources.len() > RESOURCES;
    let (before, after) = (Judged::new(before)?, Judged::new(after)?);
    let written = before.distinguished().chain(after.distinguished()).collect();
    let parts = vocabulary.parts(&compared.patterns, &written);
    for part in parts.iter() {
        let Some(one) = part.minimum() else { continue };
        // What holds for one of them holds for all.
        let action = vocabulary.name(one);
        for resource in resources.iter().take(RESOURCES) {
            if !before.may(&action, resource) && !after.may(&action, resource) {
                continue;
            }
            match budget.checked_sub(1) {
                None => {
                    compared.truncated = true;
                    return Ok(compared);
                }
                Some(left) => *budget = left,
            }
            let (held, holds) = (before.held(&action, resource), after.held(&action, resource));
            if held != holds {
                compared.answers.push(Answer {
                    actions: part.clone(),
                    resource: resource.clone(),
                    before: held,
                    after: holds,
                });
            }
        }
    }
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_certain_is_most() {
        assert!(Held::Yes > Held::Conditionally && Held::Conditionally > Held::No);
    }
}
