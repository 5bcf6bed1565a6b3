//! Lists of users, groups, roles and policies, searched, sorted and cut into pages.

use std::collections::{HashMap, HashSet};

use bincode::{Decode, Encode};

use super::Glance;
use crate::base::time::Timestamp;
use crate::identity::change::PolicyRef;
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named, Principal};
use crate::projection::row::{Key, Table, first_id};
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::activity::ActivityBook;
use crate::service::fault::Fault;
use crate::service::imports::gate::{credentials_known_since, has_unknown_credentials};
use crate::service::target::Target;

/// Lines of a page.
pub const PAGE: usize = 50;

/// What part of a list is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Part of a name, without regard to case.
    pub search: String,
    /// The column to sort by; anything that is none sorts by name.
    pub sort: String,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// The page, from 0.
    pub page: usize,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<L> {
    /// Its lines.
    pub lines: Vec<L>,
    /// How many there are on all pages.
    pub total: usize,
    /// Which page this is.
    pub page: usize,
    /// Why the facts about the lines are not shown; `None` if they are.
    pub withheld: Option<String>,
}

/// A user in a list.
#[derive(Clone, Debug)]
pub struct UserLine {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// What else matters, if it may be shown.
    pub facts: Option<UserFacts>,
}

/// What matters about a user.
#[derive(Clone, Debug, Default)]
pub struct UserFacts {
    /// Groups that it is in.
    pub groups: usize,
    /// MFA devices.
    pub mfa: usize,
    /// Whether it has a password.
    pub password: bool,
    /// When its oldest active key was created.
    pub oldest_key: Option<Timestamp>,
    /// Active keys.
    pub active_keys: usize,
    /// When password or key was last used.
    pub last_activity: Option<Timestamp>,
    /// Whether it may have credentials that are not known: it is of before its account's history begins.
    pub unknown: bool,
}

/// A user group in a list.
#[derive(Clone, Debug)]
pub struct GroupLine {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// Members, and policies, if they may be shown.
    pub facts: Option<(usize, usize)>,
}

/// A role in a list.
#[derive(Clone, Debug)]
pub struct RoleLine {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// When it was created.
    pub created: Timestamp,
    /// Policies, and when it was last used, if they may be shown.
    pub facts: Option<(usize, Option<Timestamp>)>,
}

/// A managed policy in a list.
#[derive(Clone, Debug)]
pub struct PolicyLine {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether every account shares it.
    pub is_shared: bool,
    /// Users, groups and roles that it is attached to.
    pub attached: usize,
    /// When a version of it was last made.
    pub updated: Timestamp,
}

/// What matters about users, read of those of whom it is asked.
pub struct Facts<'a> {
    directory: Directory<'a>,
    book: &'a ActivityBook,
    until: Timestamp,
    /// See [`credentials_known_since`].
    known_since: Option<Timestamp>,
}

impl<'a> Facts<'a> {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn new(
        directory: Directory<'a>,
        book: &'a ActivityBook,
        until: Timestamp,
    ) -> Result<Self, Fault> {
        let known_since = credentials_known_since(directory.reader, directory.account)?;
        Ok(Facts { directory, book, until, known_since })
    }

    /// Whether a user may have credentials that are not known.
    pub fn unknown(&self, row: &UserRow) -> bool {
        self.known_since.is_some_and(|since| row.created <= since)
    }

    fn groups(&self, user: &UniqueId) -> Result<usize, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.count(account, &GROUPS_OF, user)?)
    }

    fn mfa(&self, user: &UniqueId) -> Result<usize, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.count(account, &MFA_DEVICES_OF, user)?)
    }

    fn password(&self, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.row(account, &LOGIN_PROFILES.key(user))?.is_some())
    }

    fn keys(&self, user: &UniqueId) -> Result<Vec<AccessKeyRow>, Fault> {
        let Directory { reader, account } = self.directory;
        let mut keys = Vec::new();
        for id in reader.list(account, &KEYS_OF, user)? {
            keys.extend(reader.get(account, &ACCESS_KEYS, &id)?);
        }
        Ok(keys)
    }

    /// When password or key of each of many users was last used, of those who used any: the activity book is read
    /// once.
    ///
    /// # Errors
    /// Whatever keeps the rows or the activity book from being read.
    pub fn last_activities(
        &self,
        users: &[UniqueId],
        held: &Held,
    ) -> Result<HashMap<UniqueId, Timestamp>, Fault> {
        let asked: HashSet<&UniqueId> = users.iter().collect();
        let mut unknown = Vec::new();
        if self.known_since.is_some() {
            let rows = UserRow::read_all(self.directory)?;
            unknown.extend(rows.into_iter().filter(|row| self.unknown(row)).map(|row| row.id));
        }
        // What is used, and whose that is.
        let mut owners: Vec<(UniqueId, &UniqueId)> = Vec::with_capacity(users.len());
        for key in &held.keys {
            owners.extend(asked.get(&key.owner).map(|owner| (key.id.clone(), *owner)));
        }
        for id in held.passwords.iter().chain(&unknown).filter_map(|id| asked.get(id)) {
            owners.push((ActivityBook::person(self.directory.account, id), *id));
        }
        owners.sort_unstable();
        let ids = owners.iter().map(|(id, _)| id.clone()).collect();
        let mut last = HashMap::with_capacity(users.len());
        for (id, used) in self.book.all_last_used(ids, self.until)? {
            let found = owners.binary_search_by(|(known, _)| known.cmp(&id));
            if let Some((_, owner)) = found.ok().and_then(|place| owners.get(place)) {
                let known = last.entry((*owner).clone()).or_insert(used.at);
                *known = used.at.max(*known);
            }
        }
        Ok(last)
    }

    /// The keys of some users, and who of them has a password.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn held(&self, users: &[UniqueId]) -> Result<Held, Fault> {
        let directory = self.directory;
        if directory.is_most_of(users.len())? {
            let mut passwords = Vec::with_capacity(users.len());
            let Directory { reader, account } = directory;
            reader.scan(account, &LOGIN_PROFILES.prefix(&()), &mut |key, _| {
                passwords.extend(first_id(key));
                Ok(true)
            })?;
            let keys = reader.list(account, &ACCESS_KEYS, &())?;
            return Ok(Held { keys, passwords });
        }
        let mut held = Held::default();
        for user in users {
            held.keys.extend(self.keys(user)?);
            if self.password(user)? {
                held.passwords.push(user.clone());
            }
        }
        held.passwords.sort_unstable();
        Ok(held)
    }

    fn last_used(
        &self,
        row: &UserRow,
        password: bool,
        mut used: Vec<UniqueId>,
    ) -> Result<Option<Timestamp>, Fault> {
        if password || self.unknown(row) {
            used.push(ActivityBook::person(self.directory.account, &row.id));
        }
        let mut last = None;
        for id in used {
            last = last.max(self.book.last_used(&id, self.until)?.map(|used| used.at));
        }
        Ok(last)
    }

    /// All of it, of one user.
    ///
    /// # Errors
    /// Whatever keeps the rows or the activity book from being read.
    pub fn of(&self, row: &UserRow) -> Result<UserFacts, Fault> {
        let (keys, password) = (self.keys(&row.id)?, self.password(&row.id)?);
        let active = || keys.iter().filter(|key| key.active);
        let ids = keys.iter().map(|key| key.id.clone()).collect();
        Ok(UserFacts {
            groups: self.groups(&row.id)?,
            mfa: self.mfa(&row.id)?,
            password,
            oldest_key: active().map(|key| key.created).min(),
            active_keys: active().count(),
            last_activity: self.last_used(row, password, ids)?,
            unknown: self.unknown(row),
        })
    }
}

/// What users authenticate by: of those who were asked about, and maybe others.
#[derive(Default)]
pub struct Held {
    /// Their keys.
    keys: Vec<AccessKeyRow>,
    /// Those who have a password, in the order of their ids.
    passwords: Vec<UniqueId>,
}

impl Held {
    /// Whether a user has a password.
    pub fn has_password(&self, user: &UniqueId) -> bool {
        self.passwords.binary_search(user).is_ok()
    }

    /// When the oldest of the active keys of each user was created, of those who have any.
    pub fn oldest_keys(&self) -> HashMap<&UniqueId, Timestamp> {
        let mut oldest = HashMap::new();
        for key in self.keys.iter().filter(|key| key.active) {
            let known = oldest.entry(&key.owner).or_insert(key.created);
            *known = key.created.min(*known);
        }
        oldest
    }
}

/// How many rows each user has in a table whose keys begin with the user's id, of those who have any: it is read
/// once.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn per_user<K: Key, V: Encode + Decode<()>>(
    directory: Directory<'_>,
    table: &Table<K, V>,
) -> Result<HashMap<UniqueId, usize>, Fault> {
    let mut counts = HashMap::new();
    directory.reader.scan(directory.account, &table.prefix(&()), &mut |key, _| {
        if let Some(id) = first_id(key) {
            *counts.entry(id).or_default() += 1;
        }
        Ok(true)
    })?;
    Ok(counts)
}

impl Glance<'_> {
    /// The account that is looked at.
    pub fn directory(&self) -> Directory<'_> {
        Directory::new(&self.shown, self.caller.account)
    }

    /// The instant up to which use counts.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    fn may_list(&self, action: &str, kind: &str) -> Result<(), Fault> {
        let arn = crate::identity::arn::iam(&self.caller.digits, kind, "/", "");
        self.may_on(action, &Target::on(arn, &UniqueId::root()))
    }

    /// Why facts are not shown, if they are not.
    fn withheld(&self, action: &str) -> Result<Option<String>, Fault> {
        match self.may(action) {
            Ok(()) => Ok(None),
            Err(fault) if fault.code == "AccessDenied" => Ok(Some(fault.message)),
            Err(fault) => Err(fault),
        }
    }

    fn facts<'b>(&'b self, directory: Directory<'b>) -> Result<Facts<'b>, Fault> {
        Facts::new(directory, self.service.activity(), self.until())
    }

    /// Users.
    ///
    /// # Errors
    /// A refusal of `iam:ListUsers`, and whatever keeps the rows from being read.
    pub fn users(&self, wanted: &Wanted) -> Result<Page<UserLine>, Fault> {
        self.may_list("iam:ListUsers", "user")?;
        let withheld = self.withheld("iam:GetCredentialReport")?;
        let directory = self.directory();
        let mut found = matching::<UserRow>(directory, wanted)?;
        // What is not sorted by is read of the page's users alone.
        match wanted.sort.as_str() {
            "created" => by_creation::<UserRow>(directory, &mut found)?,
            "activity" if withheld.is_none() => {
                let facts = self.facts(directory)?;
                let last = facts.last_activities(&found, &facts.held(&found)?)?;
                found.sort_by_cached_key(|id| last.get(id).copied());
            }
            "mfa" if withheld.is_none() => {
                let devices = per_user(directory, &MFA_DEVICES_OF)?;
                found.sort_by_cached_key(|id| devices.get(id).copied());
            }
            "groups" if withheld.is_none() => {
                let groups = per_user(directory, &GROUPS_OF)?;
                found.sort_by_cached_key(|id| groups.get(id).copied());
            }
            "key" if withheld.is_none() => {
                let held = self.facts(directory)?.held(&found)?;
                let oldest = held.oldest_keys();
                found.sort_by_cached_key(|id| oldest.get(id).copied());
            }
            _ => {}
        }
        let facts = match &withheld {
            None => Some(self.facts(directory)?),
            Some(_) => None,
        };
        let Page { lines, total, page, withheld } = cut(found, wanted, withheld);
        let line = |user: Named<UserRow>| {
            let facts = facts.as_ref().map(|facts| facts.of(&user.row)).transpose()?;
            let Named { name, row, .. } = user;
            Ok(UserLine { name, path: row.path, created: row.created, facts })
        };
        let lines = directory.those(&lines)?.into_iter().map(line);
        let lines = lines.collect::<Result<Vec<_>, Fault>>()?;
        Ok(Page { lines, total, page, withheld })
    }

    /// Whether a user may have credentials that are not known.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn has_unknown_credentials(&self, user: &str) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory();
        let found = self.directory().find::<UserRow>(user)?;
        let unknown =
            |user: Named<UserRow>| has_unknown_credentials(reader, account, user.row.created);
        Ok(found.map(unknown).transpose()?.unwrap_or(false))
    }

    /// User groups.
    ///
    /// # Errors
    /// A refusal of `iam:ListGroups`, and whatever keeps the rows from being read.
    pub fn groups(&self, wanted: &Wanted) -> Result<Page<GroupLine>, Fault> {
        self.may_list("iam:ListGroups", "group")?;
        let withheld = self.withheld("iam:GetAccountAuthorizationDetails")?;
        let directory = self.directory();
        let mut found = matching::<GroupRow>(directory, wanted)?;
        if wanted.sort == "created" {
            by_creation::<GroupRow>(directory, &mut found)?;
        }
        let Page { lines, total, page, withheld } = cut(found, wanted, withheld);
        let line = |group: Named<GroupRow>| {
            let facts = match &withheld {
                Some(_) => None,
                None => {
                    let Directory { reader, account } = directory;
                    let members = reader.count(account, &MEMBERS, &group.row.id)?;
                    Some((members, policies_of(directory, &group.row.id)?))
                }
            };
            let Named { name, row, .. } = group;
            Ok(GroupLine { name, path: row.path, created: row.created, facts })
        };
        let lines = directory.those(&lines)?.into_iter().map(line);
        let lines = lines.collect::<Result<Vec<_>, Fault>>()?;
        Ok(Page { lines, total, page, withheld })
    }

    /// Roles.
    ///
    /// # Errors
    /// A refusal of `iam:ListRoles`, and whatever keeps the rows from being read.
    pub fn roles(&self, wanted: &Wanted) -> Result<Page<RoleLine>, Fault> {
        self.may_list("iam:ListRoles", "role")?;
        let withheld = self.withheld("iam:GetAccountAuthorizationDetails")?;
        let directory = self.directory();
        let mut found = matching::<RoleRow>(directory, wanted)?;
        if wanted.sort == "created" {
            by_creation::<RoleRow>(directory, &mut found)?;
        }
        let Page { lines, total, page, withheld } = cut(found, wanted, withheld);
        let line = |role: Named<RoleRow>| {
            let facts = match &withheld {
                Some(_) => None,
                None => {
                    let used = self.service.activity().last_used(&role.row.id, self.until())?;
                    Some((policies_of(directory, &role.row.id)?, used.map(|used| used.at)))
                }
            };
            let Named { name, row, .. } = role;
            Ok(RoleLine { name, path: row.path, created: row.created, facts })
        };
        let lines = directory.those(&lines)?.into_iter().map(line);
        let lines = lines.collect::<Result<Vec<_>, Fault>>()?;
        Ok(Page { lines, total, page, withheld })
    }

    /// Managed policies: the account's own, those that every account shares, or (`attached`) whichever are
    /// attached.
    ///
    /// # Errors
    /// A refusal of `iam:ListPolicies`, and whatever keeps the rows from being read.
    pub fn policies(&self, wanted: &Wanted, scope: &str) -> Result<Page<PolicyLine>, Fault> {
        self.may_list("iam:ListPolicies", "policy")?;
        let directory = self.directory();
        let Directory { reader, account } = directory;
        let digits = directory.digits()?;
        let attached = |policy: &PolicyRef| -> Result<usize, Fault> {
            Ok(reader.count(account, &ATTACHED_TO, policy)?)
        };
        let search = wanted.search.to_lowercase();
        let mut lines = Vec::new();
        if scope != "shared" {
            for row in reader.list(account, &POLICIES, &())? {
                if row.name.to_lowercase().contains(&search) {
                    lines.push(PolicyLine {
                        arn: crate::identity::arn::iam(&digits, "policy", &row.path, &row.name),
                        attached: attached(&PolicyRef(row.id.to_string()))?,
                        name: row.name,
                        is_shared: false,
                        updated: row.updated,
                    });
                }
            }
        }
        if scope != "own" {
            for policy in self.service.documents().all_shared(reader, account)? {
                if policy.name.to_lowercase().contains(&search) {
                    lines.push(PolicyLine {
                        attached: attached(&PolicyRef(policy.arn.clone()))?,
                        name: policy.name,
                        arn: policy.arn,
                        is_shared: true,
                        updated: policy.updated,
                    });
                }
            }
        }
        if scope == "attached" {
            lines.retain(|line| line.attached > 0);
        }
        lines.sort_by_key(|line| line.name.to_lowercase());
        match wanted.sort.as_str() {
            "attached" => lines.sort_by_key(|line| line.attached),
            "updated" => lines.sort_by_key(|line| line.updated),
            _ => {}
        }
        Ok(cut(lines, wanted, None))
    }
}

/// The ids of those whose name holds what is searched, in the order of their names.
fn matching<P: Principal>(
    directory: Directory<'_>,
    wanted: &Wanted,
) -> Result<Vec<UniqueId>, Fault> {
    let search = wanted.search.to_lowercase();
    if search.is_empty() {
        return Ok(directory.ids::<P>()?.to_vec());
    }
    let found = directory.all_named::<P>(|name| name.to_lowercase().contains(&search))?;
    Ok(found.into_iter().map(|named| named.row.id().clone()).collect())
}

fn by_creation<P: Principal>(
    directory: Directory<'_>,
    found: &mut [UniqueId],
) -> Result<(), Fault> {
    let rows = P::read_all(directory)?;
    let created: HashMap<&UniqueId, Timestamp> =
        rows.iter().map(|row| (row.id(), row.created())).collect();
    found.sort_by_key(|id| created.get(id).copied());
    Ok(())
}

/// Managed and inline policies of an owner.
fn policies_of(directory: Directory<'_>, owner: &UniqueId) -> Result<usize, Fault> {
    let Directory { reader, account } = directory;
    Ok(reader.count(account, &ATTACHED, owner)? + reader.count(account, &INLINE_POLICIES, owner)?)
}

/// The page of a sorted list; a page beyond the last is the last.
fn cut<L>(mut lines: Vec<L>, wanted: &Wanted, withheld: Option<String>) -> Page<L> {
    if wanted.descending {
        lines.reverse();
    }
    let total = lines.len();
    let page = wanted.page.min(total.saturating_sub(1) / PAGE);
    let lines = lines.into_iter().skip(page * PAGE).take(PAGE).collect();
    Page { lines, total, page, withheld }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_and_the_last_one_is_the_limit() {
        let wanted = |page, descending| Wanted { page, descending, ..Wanted::default() };
        let all: Vec<usize> = (0..120).collect();
        let last = cut(all.clone(), &wanted(9, false), None);
        assert_eq!((last.page, last.total, last.lines.len()), (2, 120, 20));
        assert_eq!(cut(all, &wanted(0, true), None).lines.first(), Some(&119));
        assert_eq!(cut(Vec::<u8>::new(), &wanted(3, false), None).page, 0);
    }
}
