//! Who could do something: every principal of the account that policies allow it, by itself or through roles
//! that it can assume, one after another.
//!
//! Each principal is decided on as `can` decides. From the roles that could, the search goes backwards: who
//! could assume one of them, and who could assume those. First along what is certain, then along what hangs on
//! context that nobody gave, so that whoever is found at all is found by the surest way and, among those, by
//! the shortest. Root users cannot assume roles. Roles of other accounts are not known here; who of other accounts
//! could come in by the roles that were found is told by [`super::outsiders`].
//!
//! With a range, the question is of all who could within it ([`super::access::everybody`]); with escalation, also
//! of those who could after granting themselves more ([`super::escalation`]).
//!
//! Cost: what every principal stands on is gathered once, and every document is asked once whether it could allow
//! what is asked; policies are compiled only of those who have one that could. Whether one can assume a role is only
//! asked of those whom the role's trust policy names, and of those whose own policies allow `sts:AssumeRole` on it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::access::everybody;
use super::can::known;
use super::escalation::world::EVERYTHING;
use super::escalation::{self, Goal};
use super::names::Found;
use super::outsiders::{self, Entrance};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Attached, Document, Label, PolicySet};
use crate::projection::directory::Directory;
use crate::projection::tables::{RoleRow, UserRow};
use crate::projection::{View, Whole};
use crate::service::Service;
use crate::service::authorize::{Grants, trust_of};
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::grounds::{Gathering, Ground, Grounds};
use crate::service::moment::Range;
use crate::service::supposed::{Could, Kind, Supposed, needs_trust, set_tags, tags_of, trust_on};

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
    found: Found,
    grounds: Grounds,
    /// Of a role.
    trust: Option<Trust>,
    judged: OnceCell<Judged>,
}

impl Member {
    fn new(found: Found, grounds: Grounds, trust: Option<Trust>) -> Self {
        Member { found, grounds, trust, judged: OnceCell::new() }
    }

    /// With its tags and its policies compiled, which most are never asked for.
    fn judged(&self, gathering: &Gathering<'_>) -> Result<&Judged, Fault> {
        if let Some(judged) = self.judged.get() {
            return Ok(judged);
        }
        let digits = gathering.digits();
        let supposed = match self.is_root() {
            true => Supposed::root(digits),
            false => Supposed::of_found(gathering.directory(), digits, &self.found)?
                .ok_or_else(|| Fault::internal("a group is no principal"))?,
        };
        let grants = gathering.grants(&self.grounds)?;
        Ok(self.judged.get_or_init(|| Judged { supposed, grants }))
    }

    fn is_root(&self) -> bool {
        self.found.id == UniqueId::root()
    }
}

/// What judging somebody takes.
struct Judged {
    supposed: Supposed,
    grants: Grants,
}

/// Whom a role trusts.
struct Trust {
    document: Arc<Document>,
    /// The unique ids that it names.
    named: HashSet<String>,
    /// Whether it names others by more than their account.
    others: bool,
}

impl Trust {
    fn of(document: Arc<Document>) -> Self {
        let named = document.named_ids().map(str::to_owned).collect();
        Trust { named, others: document.names_others(), document }
    }

    /// Whether somebody might be trusted who has no permission of its own to assume the role.
    fn may_name(&self, id: &UniqueId) -> bool {
        self.others || self.named.contains(id.as_str())
    }
}

/// What a document says to the question, under whatever conditions.
#[derive(Clone, Copy, Default)]
struct Says {
    /// That it is allowed.
    yes: bool,
    /// That some role may be assumed.
    assume: bool,
}

/// What all documents say that somebody stands on, each asked once.
struct Sayings<'a> {
    gathering: &'a Gathering<'a>,
    asked: (&'a str, &'a str),
    known: HashMap<Ground, Says>,
}

impl Sayings<'_> {
    fn of(&mut self, grounds: &Grounds) -> Result<Says, Fault> {
        let mut all = Says::default();
        for ground in &grounds.identity {
            let says = match self.known.get(ground) {
                Some(says) => *says,
                None => {
                    let says = self.ask(ground)?;
                    self.known.insert(ground.clone(), says);
                    says
                }
            };
            all.yes |= says.yes;
            all.assume |= says.assume;
        }
        Ok(all)
    }

    fn ask(&self, ground: &Ground) -> Result<Says, Fault> {
        let Some(document) = self.gathering.document(ground)? else { return Ok(Says::default()) };
        let set = PolicySet::of(document, Label::default());
        let (action, resource) = self.asked;
        Ok(Says {
            yes: set.may_allow(action, resource),
            assume: set.may_allow_within(ASSUME, "arn:aws:iam::"),
        })
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
    let whole = Whole::new(view, account);
    let gathering = Gathering::new(service.documents(), Directory::new(&whole, account))?;
    let search = Search { documents: service.documents(), gathering: &gathering, ask };
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
    let outsiders = search.outsiders(&members, &found)?;
    let principals: Vec<Value> = principals.into_iter().map(|(_, shown)| shown).collect();
    let mut answer = json!({
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "examined": members.len(),
        "principals": principals,
        "outsiders": outsiders,
    });
    if let (Value::Object(fields), true) = (&mut answer, ask.escalation) {
        let goal = Goal::of(&ask.action, &ask.resource);
        let documents = service.documents();
        let ways = escalation::paths(documents, view, account, &goal, &ask.context)?;
        let arn = |number: &usize| members.get(*number).map(|member| member.found.arn.as_str());
        let by_arn: HashMap<&str, &Way> =
            found.iter().filter_map(|(number, way)| Some((arn(number)?, way))).collect();
        // Who could anyway, as surely, needs no steps to be told.
        let already = |way: &escalation::Way| {
            let known = by_arn.get(way.who.arn.as_str());
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
    let (via, missing) = behind(way, members, found);
    json!({
        "principal": member.found.arn,
        "name": member.found.called(),
        "via": via,
        "conditional": way.conditional,
        "missing_context": missing,
    })
}

/// The roles on a way, and the keys that all of it hangs on.
fn behind(
    way: &Way,
    members: &[Member],
    found: &HashMap<usize, Way>,
) -> (Vec<String>, Vec<String>) {
    let (mut via, mut missing) = (Vec::new(), way.missing.clone());
    let mut next = way.through;
    while let Some((number, role)) = next.and_then(|number| Some((number, members.get(number)?))) {
        via.push(role.found.called());
        let step = found.get(&number);
        missing.extend(step.into_iter().flat_map(|step| step.missing.clone()));
        next = step.and_then(|step| step.through);
    }
    missing.sort();
    missing.dedup();
    (via, missing)
}

/// A search in one account at one moment.
struct Search<'a> {
    documents: &'a Documents,
    gathering: &'a Gathering<'a>,
    ask: &'a Ask,
}

impl<'a> Search<'a> {
    /// The root user, all users, all roles; nobody while the account is closed.
    fn members(&self) -> Result<Vec<Member>, Fault> {
        let directory = self.gathering.directory();
        if directory.is_closed()? {
            return Ok(Vec::new());
        }
        let mut members =
            vec![Member::new(Found::root(self.gathering.digits()), Grounds::default(), None)];
        for user in directory.all::<UserRow>()? {
            let grounds = self.gathering.of_user(&user.row, &mut Vec::new())?;
            let found = Found { kind: "user", id: user.row.id, name: user.name, arn: user.arn };
            members.push(Member::new(found, grounds, None));
        }
        for role in directory.all::<RoleRow>()? {
            let grounds = self.gathering.of_role(&role.row, &mut Vec::new())?;
            let trust = Trust::of(self.documents.trust(directory.reader, &role.row.trust)?);
            let found = Found { kind: "role", id: role.row.id, name: role.name, arn: role.arn };
            members.push(Member::new(found, grounds, Some(trust)));
        }
        Ok(members)
    }

    fn run(&self, members: &[Member]) -> Result<HashMap<usize, Way>, Fault> {
        let mut found: HashMap<usize, Way> = HashMap::new();
        let directory = self.gathering.directory();
        let asked = (self.ask.action.as_str(), self.ask.resource.as_str());
        let trust = trust_on(self.documents, directory, asked.0, asked.1)?;
        let tags = tags_of(directory, asked.1)?;
        let mut sayings = Sayings { gathering: self.gathering, asked, known: HashMap::new() };
        let mut permitted = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let says = sayings.of(&member.grounds)?;
            permitted.extend(says.assume.then_some(number));
            if !says.yes && trust.is_none() && !member.is_root() {
                continue;
            }
            let judged = member.judged(self.gathering)?;
            let could = could(judged, asked, trust.as_ref(), &self.ask.context, tags.as_deref());
            if let Some((conditional, missing)) = could {
                found.insert(number, Way { through: None, missing, conditional });
            }
        }
        let by_id = members.iter().map(|member| member.found.id.to_string());
        let by_id = by_id.enumerate().map(|(number, id)| (id, number)).collect();
        let asking = Asking { by_id, permitted, everybody: members.len() };
        for certain in [true, false] {
            // Behind a role that is certain there may be others who could assume it under conditions.
            let mut queue: Vec<usize> = (0..members.len())
                .filter(|number| found.get(number).is_some_and(|way| !certain || !way.conditional))
                .collect();
            let mut at = 0;
            while let Some(role) = queue.get(at).copied() {
                at += 1;
                queue.extend(self.assumers((members, &asking), role, certain, &mut found)?);
            }
        }
        Ok(found)
    }

    /// Who of other accounts could, as the roles that were found; or could assume the role that is asked about.
    fn outsiders(
        &self,
        members: &[Member],
        found: &HashMap<usize, Way>,
    ) -> Result<Vec<Value>, Fault> {
        let directory = self.gathering.directory();
        let is_asked_about = |member: &Member| {
            needs_trust(&self.ask.action) && member.found.arn == self.ask.resource
        };
        let mut entrances = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let Some(trust) = &member.trust else { continue };
            // Most roles trust nobody else.
            if trust.document.outsiders(self.gathering.digits()).is_empty() {
                continue;
            }
            let tags = || directory.tags(&member.found.id);
            let (arn, trust) = (member.found.arn.as_str(), &trust.document);
            if is_asked_about(member) {
                let (conditional, missing) = (false, Vec::new());
                let via = Vec::new();
                entrances.push(Entrance { arn, trust, tags: tags()?, via, conditional, missing });
            }
            if let Some(way) = found.get(&number) {
                let (mut via, missing) = behind(way, members, found);
                via.insert(0, member.found.called());
                let conditional = way.conditional;
                entrances.push(Entrance { arn, trust, tags: tags()?, via, conditional, missing });
            }
        }
        let Some(root) = members.first().filter(|_| !entrances.is_empty()) else {
            return Ok(Vec::new());
        };
        let everything = self.documents.own(EVERYTHING)?;
        let everything = Attached::new(everything, Label::default());
        let grants = outsiders::grants(&root.judged(self.gathering)?.grants, everything);
        let judging = (self.gathering.digits(), &grants);
        Ok(outsiders::who_could(&entrances, judging, &self.ask.context))
    }

    /// Who could assume a role and was not found by as sure a way.
    fn assumers(
        &self,
        (members, asking): (&[Member], &Asking),
        role: usize,
        certain: bool,
        found: &mut HashMap<usize, Way>,
    ) -> Result<Vec<usize>, Fault> {
        let Some(target) = members.get(role) else { return Ok(Vec::new()) };
        let Some(trust) = &target.trust else { return Ok(Vec::new()) };
        let asked = (ASSUME, target.found.arn.as_str());
        let policy = trust_of(asked.1, Some(trust.document.clone()));
        let tags = self.gathering.directory().tags(&target.found.id)?;
        let mut new = Vec::new();
        for number in asking.about(trust) {
            let Some(member) = members.get(number) else { continue };
            let better = found.get(&number).is_none_or(|way| certain && way.conditional);
            if number == role || member.is_root() || !better {
                continue;
            }
            let judged = member.judged(self.gathering)?;
            let may_allow = || judged.grants.identity.may_allow(ASSUME, asked.1);
            if !trust.may_name(&member.found.id) && !may_allow() {
                continue;
            }
            match could(judged, asked, policy.as_ref(), &self.ask.context, Some(&tags)) {
                // What is certain in itself is no more so than the role behind it.
                Some((conditional, missing)) if !certain || !conditional => {
                    let conditional = !certain;
                    found.insert(number, Way { through: Some(role), missing, conditional });
                    new.push(number);
                }
                _ => {}
            }
        }
        Ok(new)
    }
}

/// Whether somebody could, for certain or under conditions, and the keys that it hangs on.
fn could(
    Judged { supposed, grants }: &Judged,
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
