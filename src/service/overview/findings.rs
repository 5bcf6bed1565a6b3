//! What to mend first: what an account's credentials and policies leave open.
//!
//! The thresholds are those of the CIS AWS Foundations Benchmark where it has one (keys of 90 days, 1.13;
//! unused credentials, 1.11; root, 1.3 to 1.6).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Glance;
use super::lists::{Facts, per_user};
use crate::base::time::Timestamp;
use crate::identity::change::DocumentHash;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::lint::{self, Kind, Options};
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::projection::whole::Whole;
use crate::service::activity::ActivityBook;
use crate::service::documents::text_of;
use crate::service::fault::Fault;
use crate::service::imports::gate::has_unknown_root;
use crate::service::mfa;

/// Days after which a key is old and a credential unused.
pub const OLD: i64 = 90;
/// Names that a finding holds at most.
const NAMED: usize = 5;
/// Seconds that findings of the present are kept while nothing changes: use goes on without events.
const KEPT: u64 = 60;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The root user was used within [`OLD`] days.
    RootUsed,
    /// The root user has no MFA device.
    RootWithoutMfa,
    /// The root user has access keys.
    RootKeys,
    /// Users who sign in without a second factor.
    UsersWithoutMfa,
    /// Active keys older than [`OLD`] days.
    OldKeys,
    /// Users whose credentials were not used for [`OLD`] days.
    UnusedUsers,
    /// Policies that allow everything.
    WidePolicies,
}

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub wrong: Wrong,
    /// How many.
    pub count: usize,
    /// Some of them: users by name, those first of whom it is wrong for longest; policies by ARN or, if inline, name.
    pub names: Vec<String>,
}

/// The findings of a moment ago: of each account those of the present, and those of the past that was looked at last.
#[derive(Default)]
pub struct Findings(Mutex<HashMap<(AccountId, bool), Kept>>);

struct Kept {
    position: u64,
    at: Timestamp,
    findings: Arc<Vec<Finding>>,
}

#[derive(Default)]
struct Gathering {
    count: usize,
    names: Vec<String>,
}

impl Gathering {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name.to_owned());
        }
    }

    fn finding(self, wrong: Wrong) -> Option<Finding> {
        (self.count > 0).then_some(Finding { wrong, count: self.count, names: self.names })
    }
}

/// Users of whom something is wrong, and since when.
type Users = Vec<(Timestamp, UniqueId)>;

/// Names those of whom it is wrong for longest: opening all names would take longer than finding out.
fn longest(directory: Directory<'_>, mut users: Users) -> Result<Gathering, Fault> {
    let count = users.len();
    users.sort_unstable();
    let ids: Vec<UniqueId> = users.into_iter().take(NAMED).map(|(_, id)| id).collect();
    let named = directory.those::<UserRow>(&ids)?;
    Ok(Gathering { count, names: named.into_iter().map(|user| user.name).collect() })
}

impl Glance<'_> {
    /// What to mend, gravest first.
    ///
    /// # Errors
    /// A refusal of `iam:GetCredentialReport` or `iam:GetAccountAuthorizationDetails`, and whatever keeps
    /// the rows from being read.
    pub fn findings(&self) -> Result<Arc<Vec<Finding>>, Fault> {
        self.may("iam:GetCredentialReport")?;
        self.may("iam:GetAccountAuthorizationDetails")?;
        let account = self.caller.account;
        let (of, position) = ((account, self.is_past), self.shown.position_of(account)?);
        let kept = &self.service.findings().0;
        // The past is asked of an instant; of the present nobody tells the seconds apart.
        let holds = |at: Timestamp| match self.is_past {
            true => at == self.until(),
            false => self.until().seconds().abs_diff(at.seconds()) < KEPT,
        };
        if let Some(one) = kept.lock().get(&of)
            && one.position == position
            && holds(one.at)
        {
            return Ok(one.findings.clone());
        }
        let findings = Arc::new(self.gather()?);
        let at = self.until();
        kept.lock().insert(of, Kept { position, at, findings: findings.clone() });
        Ok(findings)
    }

    fn gather(&self) -> Result<Vec<Finding>, Fault> {
        let whole = Whole::new(&self.shown, self.caller.account);
        let directory = Directory::new(&whole, self.caller.account);
        let Directory { reader, account } = directory;
        let book = self.service.activity();
        let until = self.until();
        let long_ago = until.plus_seconds(-OLD * 86_400);
        let root = UniqueId::root();
        let mut found = Vec::new();

        let root_keys = reader.list(account, &KEYS_OF, &root)?;
        let person = ActivityBook::person(account, &root);
        let mut root_used = None;
        for id in root_keys.iter().chain([&person]) {
            root_used = root_used.max(book.last_used(id, until)?.map(|used| used.at));
        }
        let one = |name: &str| Gathering { count: 1, names: vec![name.to_owned()] };
        if let Some(at) = root_used.filter(|at| *at > long_ago) {
            found.extend(one(&at.to_string()).finding(Wrong::RootUsed));
        }
        let untold = has_unknown_root(reader, account)?;
        if !untold && !mfa::has_any(&self.shown, account, &root)? {
            found.extend(Gathering { count: 1, names: Vec::new() }.finding(Wrong::RootWithoutMfa));
        }
        let mut keys = Gathering::default();
        root_keys.iter().for_each(|key| keys.add(key.as_str()));
        found.extend(keys.finding(Wrong::RootKeys));

        let facts = Facts::new(directory, book, until)?;
        let users = UserRow::read_all(directory)?;
        let ids: Vec<UniqueId> = users.iter().map(|row| row.id.clone()).collect();
        let held = facts.held(&ids)?;
        let (devices, oldest) = (per_user(directory, &MFA_DEVICES_OF)?, held.oldest_keys());
        let [mut bare, mut old, mut unused] = <[Users; 3]>::default();
        let mut maybe_unused = Vec::new();
        for row in users {
            let (password, oldest) = (held.has_password(&row.id), oldest.get(&row.id));
            // Of an imported user nobody knows all devices.
            if password && !facts.unknown(&row) && !devices.contains_key(&row.id) {
                bare.push((row.created, row.id.clone()));
            }
            if let Some(created) = oldest.filter(|created| **created < long_ago) {
                old.push((*created, row.id.clone()));
            }
            if (password || oldest.is_some()) && row.created < long_ago {
                maybe_unused.push((row.created, row.id));
            }
        }
        let ids: Vec<UniqueId> = maybe_unused.iter().map(|(_, id)| id.clone()).collect();
        let last = facts.last_activities(&ids, &held)?;
        for (created, id) in maybe_unused {
            let last = last.get(&id).copied();
            if last.is_none_or(|last| last < long_ago) {
                unused.push((last.unwrap_or(created), id));
            }
        }
        found.extend(longest(directory, bare)?.finding(Wrong::UsersWithoutMfa));
        found.extend(longest(directory, old)?.finding(Wrong::OldKeys));
        found.extend(longest(directory, unused)?.finding(Wrong::UnusedUsers));
        found.extend(self.wide(directory)?.finding(Wrong::WidePolicies));
        Ok(found)
    }

    /// Policies of the account that allow every action, and are attached to somebody.
    fn wide(&self, directory: Directory<'_>) -> Result<Gathering, Fault> {
        let Directory { reader, account } = directory;
        let digits = directory.digits()?;
        let mut judged: HashMap<DocumentHash, bool> = HashMap::new();
        let mut is_wide = |hash: &DocumentHash| -> Result<bool, Fault> {
            if let Some(known) = judged.get(hash) {
                return Ok(*known);
            }
            let wide = allows_everything(&text_of(reader, hash)?);
            judged.insert(*hash, wide);
            Ok(wide)
        };
        let mut found = Gathering::default();
        let attached: HashSet<String> =
            reader.list(account, &ATTACHED_TO, &())?.into_iter().map(|row| row.policy.0).collect();
        for row in reader.list(account, &POLICIES, &())? {
            let version = (row.id.clone(), row.default_version);
            if attached.contains(row.id.as_str())
                && let Some(version) = reader.get(account, &POLICY_VERSIONS, &version)?
                && is_wide(&version.document)?
            {
                found.add(&crate::identity::arn::iam(&digits, "policy", &row.path, &row.name));
            }
        }
        for row in reader.list(account, &INLINE_POLICIES, &())? {
            if is_wide(&row.document)? {
                found.add(&row.name);
            }
        }
        Ok(found)
    }
}

/// Whether a document allows every action of every service.
fn allows_everything(text: &str) -> bool {
    let options = Options { kind: Some(Kind::Identity), ..Options::default() };
    lint::lint(text, &options).iter().any(|finding| finding.code == "allow-all-actions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_allows_everything_is_found() {
        let document = |effect, action| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"*"}}}}"#
            )
        };
        assert!(allows_everything(&document("Allow", "*")));
        assert!(!allows_everything(&document("Allow", "iam:*")));
        assert!(!allows_everything(&document("Deny", "*")));
        assert!(!allows_everything("no policy"));
    }
}
