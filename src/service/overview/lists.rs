//! Lists of users, groups, roles and policies, searched, sorted and cut into pages.

use std::collections::HashMap;

use super::Glance;
use crate::base::time::Timestamp;
use crate::identity::change::PolicyRef;
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named, Principal};
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

/// What is known of all users' credentials, read at once.
pub struct Credentials {
    passwords: HashMap<UniqueId, LoginProfileRow>,
    keys: HashMap<UniqueId, Vec<AccessKeyRow>>,
    devices: HashMap<UniqueId, usize>,
    groups: HashMap<UniqueId, usize>,
    /// See [`credentials_known_since`].
    known_since: Option<Timestamp>,
}

impl Credentials {
    /// Reads them.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn read(directory: Directory<'_>) -> Result<Self, Fault> {
        let Directory { reader, account } = directory;
        let mut keys: HashMap<UniqueId, Vec<AccessKeyRow>> = HashMap::new();
        for key in reader.list(account, &ACCESS_KEYS, &())? {
            keys.entry(key.owner.clone()).or_default().push(key);
        }
        let mut groups = HashMap::new();
        for member in reader.list(account, &GROUPS_OF, &())? {
            *groups.entry(member.user).or_default() += 1;
        }
        let mut devices = HashMap::new();
        for device in reader.list(account, &MFA_DEVICES, &())? {
            if let Some(enabled) = device.enabled {
                *devices.entry(enabled.owner).or_default() += 1;
            }
        }
        let mut passwords = HashMap::new();
        for user in directory.all::<UserRow>()? {
            if let Some(row) = reader.get(account, &LOGIN_PROFILES, &user.row.id)? {
                passwords.insert(user.row.id, row);
            }
        }
        let known_since = credentials_known_since(reader, account)?;
        Ok(Credentials { passwords, keys, devices, groups, known_since })
    }

    /// Of one user; when it was last active is asked of the activity book.
    ///
    /// # Errors
    /// If the activity book cannot be read.
    pub fn facts(
        &self,
        book: &ActivityBook,
        directory: Directory<'_>,
        row: &UserRow,
        until: Timestamp,
    ) -> Result<UserFacts, Fault> {
        let user = &row.id;
        let unknown = self.known_since.is_some_and(|since| row.created <= since);
        let keys = self.keys.get(user).map(Vec::as_slice).unwrap_or_default();
        let active: Vec<&AccessKeyRow> = keys.iter().filter(|key| key.active).collect();
        let password = self.passwords.contains_key(user);
        let mut last_activity = None;
        let person = ActivityBook::person(directory.account, user);
        let used = keys.iter().map(|key| &key.id).chain((password || unknown).then_some(&person));
        for id in used {
            last_activity = last_activity.max(book.last_used(id, until)?.map(|used| used.at));
        }
        Ok(UserFacts {
            groups: self.groups.get(user).copied().unwrap_or(0),
            mfa: self.devices.get(user).copied().unwrap_or(0),
            password,
            oldest_key: active.iter().map(|key| key.created).min(),
            active_keys: active.len(),
            last_activity,
            unknown,
        })
    }
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

    /// Users.
    ///
    /// # Errors
    /// A refusal of `iam:ListUsers`, and whatever keeps the rows from being read.
    pub fn users(&self, wanted: &Wanted) -> Result<Page<UserLine>, Fault> {
        self.may_list("iam:ListUsers", "user")?;
        let withheld = self.withheld("iam:GetCredentialReport")?;
        let directory = self.directory();
        let found = matching::<UserRow>(directory, wanted)?;
        let credentials = match &withheld {
            None => Some(Credentials::read(directory)?),
            Some(_) => None,
        };
        let book = self.service.activity();
        let line = |user: &Named<UserRow>| {
            let facts = credentials
                .as_ref()
                .map(|credentials| credentials.facts(book, directory, &user.row, self.until()));
            Ok(UserLine {
                name: user.name.clone(),
                path: user.row.path.clone(),
                created: user.row.created,
                facts: facts.transpose()?,
            })
        };
        let by_facts = ["activity", "mfa", "key", "groups"].contains(&wanted.sort.as_str());
        if by_facts && credentials.is_some() {
            let mut lines = found.iter().map(line).collect::<Result<Vec<_>, Fault>>()?;
            let facts = |line: &UserLine| line.facts.clone().unwrap_or_default();
            match wanted.sort.as_str() {
                "activity" => lines.sort_by_key(|line| facts(line).last_activity),
                "mfa" => lines.sort_by_key(|line| facts(line).mfa),
                "key" => lines.sort_by_key(|line| facts(line).oldest_key),
                _ => lines.sort_by_key(|line| facts(line).groups),
            }
            return Ok(cut(lines, wanted, withheld));
        }
        let mut found = found;
        if wanted.sort == "created" {
            found.sort_by_key(|user| user.row.created);
        }
        let Page { lines, total, page, withheld } = cut(found, wanted, withheld);
        let lines = lines.iter().map(line).collect::<Result<Vec<_>, Fault>>()?;
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
            found.sort_by_key(|group| group.row.created);
        }
        let Page { lines, total, page, withheld } = cut(found, wanted, withheld);
        let line = |group: Named<GroupRow>| {
            let facts = match &withheld {
                Some(_) => None,
                None => {
                    let Directory { reader, account } = directory;
                    let members = reader.list(account, &MEMBERS, &group.row.id)?.len();
                    Some((members, policies_of(directory, &group.row.id)?))
                }
            };
            let Named { name, row, .. } = group;
            Ok(GroupLine { name, path: row.path, created: row.created, facts })
        };
        let lines = lines.into_iter().map(line).collect::<Result<Vec<_>, Fault>>()?;
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
            found.sort_by_key(|role| role.row.created);
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
        let lines = lines.into_iter().map(line).collect::<Result<Vec<_>, Fault>>()?;
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
            Ok(reader.list(account, &ATTACHED_TO, policy)?.len())
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

/// Those whose name holds what is searched, in the order of their names.
fn matching<P: Principal>(
    directory: Directory<'_>,
    wanted: &Wanted,
) -> Result<Vec<Named<P>>, Fault> {
    let mut all = directory.all::<P>()?;
    let search = wanted.search.to_lowercase();
    all.retain(|named| named.name.to_lowercase().contains(&search));
    Ok(all)
}

/// Managed and inline policies of an owner.
fn policies_of(directory: Directory<'_>, owner: &UniqueId) -> Result<usize, Fault> {
    let Directory { reader, account } = directory;
    Ok(reader.list(account, &ATTACHED, owner)?.len()
        + reader.list(account, &INLINE_POLICIES, owner)?.len())
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
