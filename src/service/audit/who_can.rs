//! Who could do something: every principal of the account that policies allow it, by itself or through roles
//! that it can assume, one after another.
//!
//! Each principal is decided on as `can` decides. From the roles that could, the search goes backwards: who
//! could assume one of them, and who could assume those. First along what is certain, then along what hangs on
//! context that nobody gave, so that whoever is found at all is found by the surest way and, among those, by
//! the shortest. Roles of other accounts are not known here, and root users cannot assume roles.
//!
//! With a range, the question is of all who could within it ([`super::access::everybody`]); with escalation, also
//! of those who could after granting themselves more ([`super::escalation`]).
//!
//! Cost: the policies of every principal are gathered once. Whether one can assume a role is only asked of
//! those whom the role's trust policy names, and of those whose own policies allow `sts:AssumeRole` on it.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::access::everybody;
use super::can::known;
use super::escalation::{self, Goal};
use super::names::Found;
use crate::ledger::AccountId;
use crate::policy::PolicySet;
use crate::projection::View;
use crate::projection::directory::Directory;
use crate::projection::tables::{RoleRow, UserRow};
use crate::service::Service;
use crate::service::authorize::{Grants, trust_of};
use crate::service::fault::Fault;
use crate::service::moment::Range;
use crate::service::supposed::{Could, Kind, Supposed, set_tags, tags_of, trust_on};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// `iam:CreateUser`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys and values that are known; a key given twice has both values.
    pub context: Vec<(String, String)>,
    /// Who could at any time within, and when; neither end for the moment of the question alone.
    pub range: Range,
    /// Also who could after granting itself more.
    pub escalation: bool,
}

const ASSUME: &str = "sts:AssumeRole";

/// Somebody of the account.
struct Member {
    supposed: Supposed,
    /// Of a role.
    trust: Option<Trust>,
}

/// Whom a role trusts.
struct Trust {
    policy: PolicySet,
    /// The unique ids that it names.
    named: HashSet<String>,
    /// Whether it names others by more than their account.
    others: bool,
}

impl Trust {
    /// Whether somebody might be trusted who has no permission of its own to assume the role.
    fn may_name(&self, supposed: &Supposed) -> bool {
        self.others || supposed.id.as_ref().is_some_and(|id| self.named.contains(id.as_str()))
    }
}

/// Whom it is worth asking whether they could assume a role.
struct Asking {
    by_id: HashMap<String, usize>,
    /// Those whose own policies allow it of some role.
    permitted: Vec<usize>,
    everybody: usize,
}

impl Asking {
    fn of(members: &[Member], all: &[Grants]) -> Self {
        let id = |(number, member): (usize, &Member)| {
            Some((member.supposed.id.as_ref()?.to_string(), number))
        };
        let permits = |grants: &Grants| grants.identity.may_allow_within(ASSUME, "arn:aws:iam::");
        let permitted = all.iter().enumerate().filter(|(_, grants)| permits(grants));
        Asking {
            by_id: members.iter().enumerate().filter_map(id).collect(),
            permitted: permitted.map(|(number, _)| number).collect(),
            everybody: members.len(),
        }
    }

    /// In the order of the members.
    fn about(&self, trust: &Trust) -> Vec<usize> {
        if trust.others {
            return (0..self.everybody).collect();
        }
        let named = trust.named.iter().filter_map(|id| self.by_id.get(id).copied());
        let mut about: Vec<usize> = self.permitted.iter().copied().chain(named).collect();
        about.sort_unstable();
        about.dedup();
        about
    }
}

/// How somebody could.
#[derive(Clone, Debug)]
struct Way {
    /// The role to assume; `None` for who could by itself.
    through: Option<usize>,
    /// The keys that it hangs on, of this step alone.
    missing: Vec<String>,
    conditional: bool,
}

/// Answers.
pub fn who_can(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
) -> Result<Value, Fault> {
    super::can::check_action(&ask.action)?;
    if ask.range != Range::default() {
        return everybody::who_could(service, account, view, ask);
    }
    let search = Search { service, directory: Directory::new(view, account), ask };
    let members = search.members()?;
    let found = search.run(&members)?;
    let mut principals: Vec<(usize, Value)> = found
        .iter()
        .filter_map(|(number, way)| {
            let member = members.get(*number)?;
            Some((*number, shown(member, way, &members, &found)))
        })
        .collect();
    principals.sort_by_key(|(number, _)| *number);
    let principals: Vec<Value> = principals.into_iter().map(|(_, shown)| shown).collect();
    let mut answer = json!({
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "examined": members.len(),
        "principals": principals,
    });
    if let (Value::Object(fields), true) = (&mut answer, ask.escalation) {
        let goal = Goal::of(&ask.action, &ask.resource);
        let documents = service.documents();
        let ways = escalation::paths(documents, view, account, &goal, &ask.context)?;
        // Who could anyway, as surely, needs no steps to be told.
        let already = |way: &escalation::Way| {
            let number = members.iter().position(|member| member.supposed.arn == way.who.arn);
            let known = number.and_then(|number| found.get(&number));
            known.is_some_and(|known| !known.conditional || !way.missing().is_empty())
        };
        let could = ways.ways.iter().filter(|way| !already(way)).map(escalation::Way::shown);
        fields.insert("could".to_owned(), could.collect());
        fields.insert("truncated".to_owned(), ways.truncated.into());
    }
    Ok(answer)
}

/// Somebody who could, with the roles on the way and all that it hangs on.
fn shown(member: &Member, way: &Way, members: &[Member], found: &HashMap<usize, Way>) -> Value {
    let (mut via, mut missing) = (Vec::new(), way.missing.clone());
    let mut next = way.through;
    while let Some((number, role)) = next.and_then(|number| Some((number, members.get(number)?))) {
        via.push(role.supposed.called());
        let step = found.get(&number);
        missing.extend(step.into_iter().flat_map(|step| step.missing.clone()));
        next = step.and_then(|step| step.through);
    }
    missing.sort();
    missing.dedup();
    json!({
        "principal": member.supposed.arn,
        "name": member.supposed.called(),
        "via": via,
        "conditional": way.conditional,
        "missing_context": missing,
    })
}

/// A search in one account at one moment.
struct Search<'a> {
    service: &'a Service,
    directory: Directory<'a>,
    ask: &'a Ask,
}

impl Search<'_> {
    /// The root user, all users, all roles; nobody while the account is closed.
    fn members(&self) -> Result<Vec<Member>, Fault> {
        if self.directory.account_row()?.is_some_and(|row| row.closed.is_some()) {
            return Ok(Vec::new());
        }
        let digits = self.directory.digits()?;
        let mut members = vec![Member { supposed: Supposed::root(&digits), trust: None }];
        for user in self.directory.all::<UserRow>()? {
            let found = Found { kind: "user", id: user.row.id, name: user.name, arn: user.arn };
            let supposed = Supposed::of_found(self.directory, &digits, &found)?;
            members.extend(supposed.map(|supposed| Member { supposed, trust: None }));
        }
        for role in self.directory.all::<RoleRow>()? {
            let document =
                self.service.documents().trust(self.directory.reader, &role.row.trust)?;
            let (named, others) =
                (document.named_ids().map(str::to_owned).collect(), document.names_others());
            let policy = trust_of(&role.arn, Some(document));
            let trust = policy.map(|policy| Trust { policy, named, others });
            let found = Found { kind: "role", id: role.row.id, name: role.name, arn: role.arn };
            let supposed = Supposed::of_found(self.directory, &digits, &found)?;
            members.extend(supposed.map(|supposed| Member { supposed, trust }));
        }
        Ok(members)
    }

    fn run(&self, members: &[Member]) -> Result<HashMap<usize, Way>, Fault> {
        let mut found: HashMap<usize, Way> = HashMap::new();
        let mut all: Vec<Grants> = Vec::with_capacity(members.len());
        let documents = self.service.documents();
        let trust = trust_on(documents, self.directory, &self.ask.action, &self.ask.resource)?;
        let tags = tags_of(self.directory, &self.ask.resource)?;
        for (number, member) in members.iter().enumerate() {
            let grants = member.supposed.grants(documents, &self.directory)?;
            let asked = (self.ask.action.as_str(), self.ask.resource.as_str());
            let (given, tags) = (self.ask.context.as_slice(), tags.as_deref());
            let could = could(&member.supposed, &grants, asked, trust.as_ref(), given, tags);
            if let Some((conditional, missing)) = could {
                found.insert(number, Way { through: None, missing, conditional });
            }
            all.push(grants);
        }
        let asking = Asking::of(members, &all);
        for certain in [true, false] {
            // Behind a role that is certain there may be others who could assume it under conditions.
            let mut queue: Vec<usize> = (0..members.len())
                .filter(|number| found.get(number).is_some_and(|way| !certain || !way.conditional))
                .collect();
            let mut at = 0;
            while let Some(role) = queue.get(at).copied() {
                at += 1;
                for number in self.assumers((members, &all, &asking), role, certain, &mut found) {
                    queue.push(number);
                }
            }
        }
        Ok(found)
    }

    /// Who could assume a role and was not found by as sure a way.
    fn assumers(
        &self,
        (members, all, asking): (&[Member], &[Grants], &Asking),
        role: usize,
        certain: bool,
        found: &mut HashMap<usize, Way>,
    ) -> Vec<usize> {
        let Some(target) = members.get(role) else { return Vec::new() };
        let Some(trust) = &target.trust else { return Vec::new() };
        let asked = (ASSUME, target.supposed.arn.as_str());
        let mut new = Vec::new();
        for number in asking.about(trust) {
            let (Some(member), Some(grants)) = (members.get(number), all.get(number)) else {
                continue;
            };
            let better = found.get(&number).is_none_or(|way| certain && way.conditional);
            if number == role || member.supposed.kind == Kind::Root || !better {
                continue;
            }
            if !trust.may_name(&member.supposed) && !grants.identity.may_allow(ASSUME, asked.1) {
                continue;
            }
            let (given, tags) = (self.ask.context.as_slice(), Some(&target.supposed.tags[..]));
            let could = could(&member.supposed, grants, asked, Some(&trust.policy), given, tags);
            match could {
                // What is certain in itself is no more so than the role behind it.
                Some((conditional, missing)) if !certain || !conditional => {
                    let conditional = !certain;
                    found.insert(number, Way { through: Some(role), missing, conditional });
                    new.push(number);
                }
                _ => {}
            }
        }
        new
    }
}

/// Whether somebody could, for certain or under conditions, and the keys that it hangs on.
fn could(
    supposed: &Supposed,
    grants: &Grants,
    (action, resource): (&str, &str),
    trust: Option<&PolicySet>,
    given: &[(String, String)],
    tags: Option<&[(String, String)]>,
) -> Option<(bool, Vec<String>)> {
    if trust.is_none()
        && supposed.kind != Kind::Root
        && !grants.identity.may_allow(action, resource)
    {
        return None;
    }
    let mut context = supposed.context();
    set_tags(&mut context, tags.unwrap_or_default());
    let mut context = known(given, context);
    let policies = grants.policies_on(action, trust);
    let explored = supposed.explore((action, resource), &policies, &mut context, tags.is_some());
    match Could::of(&explored, &context) {
        Could::No => None,
        Could::Under(missing) => Some((true, missing)),
        Could::Yes => Some((false, Vec::new())),
    }
}
