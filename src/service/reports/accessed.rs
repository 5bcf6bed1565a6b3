//! When services were last accessed: which ones an entity's policies let it use, and when it last asked for
//! them, whether it was allowed or not.
//!
//! A report is about a user, a role, a group (its members) or a managed policy (whoever it is attached to,
//! through groups as well). Services come from the policies, by [`crate::policy::Reach`]; the rest from the
//! activity book. What counts as an access: every request to this service, by its own action, and every
//! decision that a gateway asked for, by the action that it asked about.
//!
//! A job is the name of a question and of the state that it is asked of ([`Pinned`]); the answer is computed
//! page by page, when it is asked for. So jobs are small, are done at once, and say the same each time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Pinned;
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::PolicyRef;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::policy::{Label, PolicySet, Reach, catalogue};
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::{ATTACHED_TO, MEMBERS, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::service::activity::facts::Facts;
use crate::service::activity::receipt::LastUsed;
use crate::service::activity::usage::principal_key;
use crate::service::authorize::Grants;
use crate::service::documents::Documents;
use crate::service::fault::{self, Fault};

/// How long a job is remembered.
const LIFE_SECONDS: u64 = 86_400;
/// Jobs of an account that are remembered: one for each user and role that it may have, nearly. Beyond it
/// the oldest is forgotten.
const OF_ACCOUNT: usize = 5_000;
/// Jobs of all accounts; beyond it, the oldest of the account that has most.
const OF_ALL: usize = 20_000;

/// Whom a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(UniqueId),
    /// A role.
    Role(UniqueId),
    /// The members of a group.
    Group(UniqueId),
    /// Whoever a managed policy is attached to.
    Policy(PolicyRef),
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// In which account.
    pub account: AccountId,
    /// Who asked, and alone may fetch the answer.
    pub owner: UniqueId,
    /// About whom.
    pub subject: Subject,
    /// Whether actions are told apart.
    pub by_action: bool,
    /// The state that it is asked of.
    pub pinned: Pinned,
    /// When.
    pub created: Timestamp,
}

/// The jobs that are remembered.
#[derive(Default)]
pub struct Jobs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Arc<Job>>,
    /// The ids of an account's jobs, the oldest first.
    accounts: HashMap<AccountId, VecDeque<String>>,
}

impl Kept {
    fn forget_oldest(&mut self, account: AccountId) {
        if let Some(id) = self.accounts.get_mut(&account).and_then(VecDeque::pop_front) {
            self.by_id.remove(&id);
        }
    }

    fn oldest(&self, account: AccountId) -> Option<&Arc<Job>> {
        self.by_id.get(self.accounts.get(&account)?.front()?)
    }
}

fn is_over(job: &Job, now: Timestamp) -> bool {
    now.seconds().abs_diff(job.created.seconds()) > LIFE_SECONDS
}

impl Jobs {
    /// Remembers a job by its id.
    pub fn add(&self, id: String, job: Job) {
        let (account, now) = (job.account, job.created);
        let mut kept = self.0.lock();
        let full = |kept: &Kept| {
            kept.accounts.get(&account).is_some_and(|ids| ids.len() >= OF_ACCOUNT)
                || kept.oldest(account).is_some_and(|oldest| is_over(oldest, now))
        };
        while full(&kept) {
            kept.forget_oldest(account);
        }
        if kept.by_id.len() >= OF_ALL {
            let most = kept.accounts.iter().max_by_key(|(_, ids)| ids.len());
            if let Some(most) = most.map(|(account, _)| *account) {
                kept.forget_oldest(most);
            }
        }
        kept.accounts.entry(account).or_default().push_back(id.clone());
        kept.by_id.insert(id, Arc::new(job));
    }

    /// A job of whoever began it: "the JobId must be used by the same role within a session, or by the same
    /// user" (IAM API Reference).
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn get(
        &self,
        id: &str,
        account: AccountId,
        owner: &UniqueId,
        now: Timestamp,
    ) -> Result<Arc<Job>, Fault> {
        let job = self.0.lock().by_id.get(id).cloned();
        let mine =
            |job: &Arc<Job>| job.account == account && job.owner == *owner && !is_over(job, now);
        job.filter(mine).ok_or_else(|| fault::NO_JOB.with(&[id]))
    }
}

/// A user or role that could have used a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// `USER` or `ROLE`.
    pub kind: &'static str,
    /// Its unique id.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
}

impl Entity {
    fn find<P: Principal>(
        directory: Directory<'_>,
        kind: &'static str,
        id: &UniqueId,
    ) -> Result<Option<Self>, Fault> {
        let Some(row) = P::read(directory, id)? else { return Ok(None) };
        let (name, path) = (directory.name_once(&row)?, row.path().to_owned());
        Ok(Some(Entity { kind, id: id.clone(), name, path }))
    }
}

/// The last access to something, and whose it was: the place among the entities.
#[derive(Clone, Debug)]
pub struct Access {
    /// When and where.
    pub last: LastUsed,
    /// By whom.
    pub entity: usize,
}

/// What the entities of a report did with a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceUse {
    /// The last access.
    pub last: Option<Access>,
    /// How many of the entities tried.
    pub entities: usize,
    /// The last access by action, in lower case; with the action as it was spelled.
    pub actions: BTreeMap<String, (String, Access)>,
}

fn newer(one: &mut Option<Access>, other: &Access) {
    if one.as_ref().is_none_or(|one| one.last.at < other.last.at) {
        *one = Some(other.clone());
    }
}

/// A report being made.
pub struct Report<'a> {
    job: &'a Job,
    directory: Directory<'a>,
    activity: &'a dyn Facts,
    /// The users and roles that it is about, in the order of their names.
    pub entities: Vec<Entity>,
    digits: String,
    policies: PolicySet,
}

impl<'a> Report<'a> {
    /// The report of a job; `directory` shows the account as the job pinned it.
    pub fn new(
        job: &'a Job,
        directory: Directory<'a>,
        documents: &Documents,
        activity: &'a dyn Facts,
    ) -> Result<Self, Fault> {
        let entities = entities(directory, &job.subject)?;
        let policies = policies(documents, directory, &job.subject)?;
        let digits = directory.digits()?;
        Ok(Report { job, directory, activity, entities, digits, policies })
    }

    /// The ARN of one of the entities.
    pub fn arn(&self, entity: &Entity) -> String {
        arn::iam(&self.digits, &entity.kind.to_ascii_lowercase(), &entity.path, &entity.name)
    }

    /// What its policies could grant.
    pub fn reach(&self) -> Reach<'_> {
        self.policies.reach()
    }

    /// What the entities used: of one service, or of all.
    pub fn uses(&self, service: Option<&str>) -> Result<BTreeMap<String, ServiceUse>, Fault> {
        let mut uses: BTreeMap<String, ServiceUse> = BTreeMap::new();
        for (number, entity) in self.entities.iter().enumerate() {
            let key = principal_key(self.directory.account, &entity.id);
            let mut seen = None;
            for asked in self.activity.asked(&key, service, self.job.pinned.at)? {
                let used = uses.entry(asked.last.service.clone()).or_default();
                // They come in the order of services.
                if seen.replace(asked.last.service.clone()).as_ref() != Some(&asked.last.service) {
                    used.entities += 1;
                }
                let access = Access { last: asked.last, entity: number };
                newer(&mut used.last, &access);
                let lower = asked.action.to_ascii_lowercase();
                match used.actions.get_mut(&lower) {
                    Some((_, known)) if known.last.at >= access.last.at => {}
                    _ => drop(used.actions.insert(lower, (asked.action, access))),
                }
            }
        }
        Ok(uses)
    }

    /// When each of the entities last accessed a service.
    pub fn accesses(&self, service: &str) -> Result<Vec<(&Entity, Option<Timestamp>)>, Fault> {
        let mut accesses = Vec::with_capacity(self.entities.len());
        for entity in &self.entities {
            let key = principal_key(self.directory.account, &entity.id);
            let asked = self.activity.asked(&key, Some(service), self.job.pinned.at)?;
            accesses.push((entity, asked.into_iter().map(|asked| asked.last.at).max()));
        }
        Ok(accesses)
    }
}

/// Whether some action of a service is granted. Those of services that AWS does not have are known by the
/// policies that write them, and by who asked for them.
pub fn grants_service(reach: &Reach<'_>, service: &str, used: Option<&ServiceUse>) -> bool {
    let asked = used.into_iter().flat_map(|used| used.actions.keys().cloned());
    match catalogue::service(service) {
        None => reach.grants_some(service, asked),
        Some(known) => reach
            .grants_some(service, known.actions.iter().map(|one| one.name.to_ascii_lowercase())),
    }
}

/// The services that are granted, by namespace.
pub fn granted_services(reach: &Reach<'_>, uses: &BTreeMap<String, ServiceUse>) -> Vec<String> {
    let known = catalogue::prefixes().map(str::to_owned);
    let others = reach.services().map(str::to_owned).chain(uses.keys().cloned());
    let all: BTreeSet<String> = known.chain(others).collect();
    all.into_iter().filter(|service| grants_service(reach, service, uses.get(service))).collect()
}

/// The actions of a service that are granted, as they are spelled: all of AWS's that are known, and of other
/// services those that were asked for.
pub fn granted_actions(
    reach: &Reach<'_>,
    service: &str,
    used: Option<&ServiceUse>,
) -> BTreeMap<String, String> {
    let known = catalogue::service(service).into_iter().flat_map(|service| &service.actions);
    let known = known.map(|action| (action.name.to_ascii_lowercase(), action.name.to_owned()));
    let asked = used.into_iter().flat_map(|used| &used.actions);
    let mut all: BTreeMap<_, _> =
        asked.map(|(lower, (spelled, _))| (lower.clone(), spelled.clone())).collect();
    all.extend(known);
    all.retain(|lower, _| reach.grants(&format!("{service}:{lower}")));
    all
}

/// What AWS calls a service; others are called by their namespace.
pub fn service_name(service: &str) -> String {
    catalogue::service(service).map_or(service, |known| known.name).to_owned()
}

fn policies(
    documents: &Documents,
    directory: Directory<'_>,
    subject: &Subject,
) -> Result<PolicySet, Fault> {
    Ok(match subject {
        Subject::User(id) => Grants::of_user(documents, &directory, id)?.identity,
        Subject::Role(id) => Grants::of_role(documents, &directory, id)?.identity,
        Subject::Group(id) => Grants::of_group(documents, &directory, id)?.identity,
        Subject::Policy(policy) => {
            let (reader, account) = (directory.reader, directory.account);
            let found = documents.managed(reader, account, &directory.digits()?, policy)?;
            match found {
                None => PolicySet::default(),
                Some(found) => {
                    let label = Label::new(&found.arn, &found.version, "");
                    PolicySet::of(found.document, label)
                }
            }
        }
    })
}

fn entities(directory: Directory<'_>, subject: &Subject) -> Result<Vec<Entity>, Fault> {
    let mut found = Vec::new();
    add_entities(directory, subject, &mut found)?;
    // Somebody may have a policy several times over.
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.dedup_by(|one, other| one.id == other.id);
    found.sort_by_cached_key(|entity| (entity.name.to_lowercase(), entity.id.clone()));
    Ok(found)
}

fn add_entities(
    directory: Directory<'_>,
    subject: &Subject,
    found: &mut Vec<Entity>,
) -> Result<(), Fault> {
    let Directory { reader, account } = directory;
    match subject {
        Subject::User(id) => {
            found.extend(Entity::find::<UserRow>(directory, "USER", id)?);
        }
        Subject::Role(id) => {
            found.extend(Entity::find::<RoleRow>(directory, "ROLE", id)?);
        }
        Subject::Group(id) => {
            for member in reader.list(account, &MEMBERS, id)? {
                add_entities(directory, &Subject::User(member.user), found)?;
            }
        }
        Subject::Policy(policy) => {
            for attached in reader.list(account, &ATTACHED_TO, policy)? {
                let subject = match attached.owner.kind() {
                    Some(IdKind::Role) => Subject::Role(attached.owner),
                    Some(IdKind::Group) => Subject::Group(attached.owner),
                    _ => Subject::User(attached.owner),
                };
                add_entities(directory, &subject, found)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::Cut;

    fn job(account: u8, second: u64) -> Job {
        let created = Timestamp::from_seconds(second);
        let cut = Cut { position: 1, time: None };
        Job {
            account: AccountId([account; 16]),
            owner: UniqueId::root(),
            subject: Subject::User(UniqueId::root()),
            by_action: false,
            pinned: Pinned { cut, at: created },
            created,
        }
    }

    fn has(jobs: &Jobs, id: &str, account: u8, second: u64) -> bool {
        let at = Timestamp::from_seconds(second);
        jobs.get(id, AccountId([account; 16]), &UniqueId::root(), at).is_ok()
    }

    #[test]
    fn jobs_are_their_owners_for_a_day() {
        let jobs = Jobs::default();
        jobs.add("a".into(), job(1, 1_000_000));
        assert!(has(&jobs, "a", 1, 1_000_000 + LIFE_SECONDS));
        assert!(!has(&jobs, "a", 1, 1_000_001 + LIFE_SECONDS) && !has(&jobs, "a", 2, 1_000_000));
        let other = UniqueId::parse("AIDAOTHEROTHEROTHER12").unwrap();
        let at = Timestamp::from_seconds(1_000_000);
        assert!(jobs.get("a", AccountId([1; 16]), &other, at).is_err());
        // The next one lets go of what is over.
        jobs.add("b".into(), job(1, 1_000_001 + LIFE_SECONDS));
        assert_eq!(jobs.0.lock().by_id.len(), 1);
    }

    #[test]
    fn jobs_are_bounded_and_nobody_pushes_out_others() {
        let jobs = Jobs::default();
        jobs.add("mine".into(), job(1, 0));
        for number in 0..OF_ALL + 10 {
            let account = 2 + u8::try_from(number % 5).unwrap();
            jobs.add(format!("{number}"), job(account, 1));
        }
        let kept = jobs.0.lock();
        assert_eq!(kept.by_id.len(), OF_ALL);
        assert!(kept.accounts.values().all(|ids| ids.len() <= OF_ACCOUNT));
        assert_eq!(kept.accounts.values().map(VecDeque::len).sum::<usize>(), OF_ALL);
        drop(kept);
        assert!(has(&jobs, "mine", 1, 1) && !has(&jobs, "0", 2, 1));
        assert!(has(&jobs, &format!("{}", OF_ALL + 9), 6, 1));
    }
}
