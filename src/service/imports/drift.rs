//! A second snapshot, held against what the replay came to: equal, or in what they differ.
//!
//! Only what a snapshot tells is compared. Documents are compared as the JSON that they are; instance profiles, which
//! it tells of in their roles alone, by the roles that they hold; dates to some seconds. That AWS has renewed a policy of its own is no
//! drift of the account's.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use serde_json::{Value, json};

use super::baseline::same_json;
use super::details::{
    Attached, Boundary, GroupDetail, ManagedDetail, PolicyDetail, RoleDetail, UserDetail, document,
    each,
};
use crate::base::time::Timestamp;
use crate::identity::arn::{self, AWS_POLICIES};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::{
    ATTACHED, GroupRow, INLINE_POLICIES, POLICIES, POLICY_VERSIONS, PolicyRow, RoleRow, UserRow,
};
use crate::projection::view::ReadTables;
use crate::projection::{View, trust};
use crate::service::fault::Fault;
use crate::service::operations::instance_profiles;
use crate::service::operations::shapes::{Tag, policy_arn};

/// Differences that are listed; all are counted.
const LISTED: usize = 1_000;

/// In what a replayed account and a snapshot differ.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// In how much.
    pub differences: u32,
    /// In what, the first of it: entity, field, and both sides.
    pub list: Vec<Value>,
    /// Entities that were compared.
    pub compared: u32,
}

/// Compares an account with a snapshot.
///
/// # Errors
/// A file that cannot be read, and failures of the store.
pub fn compare(view: &View, account: AccountId, path: &Path) -> Result<Drift, Fault> {
    let directory = Directory::new(view, account);
    let mut comparison = Comparison {
        directory,
        digits: directory.digits()?,
        drift: Drift::default(),
        seen: HashSet::new(),
        hasher: RandomState::new(),
    };
    each(path, &mut |policy: ManagedDetail| comparison.policy(&policy))?;
    each(path, &mut |group: GroupDetail| comparison.group(&group))?;
    each(path, &mut |role: RoleDetail| comparison.role(&role))?;
    each(path, &mut |user: UserDetail| comparison.user(&user))?;
    comparison.others()?;
    Ok(comparison.drift)
}

struct Comparison<'a> {
    directory: Directory<'a>,
    /// The account's.
    digits: String,
    drift: Drift,
    /// Hashes of the ids that the snapshot has.
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// Seconds by which a date of the account may differ from that of the record that it was replayed from: a record has
/// the time of the request.
const SECONDS: u64 = 5;

/// What users, groups and roles have in common, as a snapshot tells it.
struct Told<'a> {
    id: &'a str,
    arn: &'a str,
    called: String,
    path: &'a str,
    inline: &'a [PolicyDetail],
    attached: &'a [Attached],
    boundary: Option<&'a Boundary>,
    tags: &'a [Tag],
}

impl Comparison<'_> {
    fn differ(&mut self, entity: &str, field: &str, replayed: Value, real: Value) {
        self.drift.differences = self.drift.differences.saturating_add(1);
        if self.drift.list.len() < LISTED {
            self.drift.list.push(json!({
                "entity": entity, "field": field, "replayed": replayed, "real": real,
            }));
        }
    }

    fn field<T: PartialEq + serde::Serialize>(
        &mut self,
        entity: &str,
        field: &str,
        replayed: T,
        real: T,
    ) {
        if replayed != real {
            self.differ(entity, field, json!(replayed), json!(real));
        }
    }

    /// Dates, which have whole seconds.
    fn date(&mut self, entity: &str, field: &str, replayed: Timestamp, real: &str) {
        let same = Timestamp::parse(real)
            .is_some_and(|real| replayed.seconds().abs_diff(real.seconds()) <= SECONDS);
        if !same {
            self.differ(entity, field, json!(replayed), json!(real));
        }
    }

    /// The ARN of what has this path and name.
    fn arn(&mut self, entity: &str, kind: &str, (path, name): (&str, &str), real: &str) {
        let replayed = arn::iam(&self.digits, kind, path, name);
        self.field(entity, "arn", replayed.as_str(), real);
    }

    /// The sets that differ, each member told once.
    fn sets(
        &mut self,
        entity: &str,
        field: &str,
        replayed: &BTreeSet<String>,
        real: &BTreeSet<String>,
    ) {
        for only in replayed.difference(real) {
            self.differ(entity, field, json!(only), Value::Null);
        }
        for only in real.difference(replayed) {
            self.differ(entity, field, Value::Null, json!(only));
        }
    }

    fn documents(&mut self, entity: &str, field: &str, replayed: &str, real: &Value) {
        let real = document(real).unwrap_or_default();
        if !same_json(replayed, &real) {
            let shown = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            self.differ(entity, field, shown(replayed), shown(&real));
        }
    }

    fn entity<P: Principal>(&mut self, told: &Told<'_>) -> Result<Option<P>, Fault> {
        self.drift.compared += 1;
        self.seen.insert(self.hasher.hash_one(told.id));
        let called = told.called.as_str();
        let id = UniqueId::parse(told.id);
        let found = id.map(|id| self.directory.by_id::<P>(&id)).transpose()?.flatten();
        let Some(found) = found else {
            self.differ(called, "exists", json!(false), json!(true));
            return Ok(None);
        };
        let id = found.row.id().clone();
        let name = called.split_once('/').map_or(called, |(_, name)| name);
        self.field(called, "name", found.name.as_str(), name);
        self.field(called, "path", found.row.path(), told.path);
        self.arn(called, P::ARN_TYPE, (told.path, name), told.arn);
        let Directory { reader, account } = self.directory;
        let mut attached = BTreeSet::new();
        for row in reader.list(account, &ATTACHED, &id)? {
            attached.insert(policy_arn(self.directory, &row.policy)?);
        }
        let real = told.attached.iter().map(|attached| attached.policy_arn.clone()).collect();
        self.sets(called, "attached policy", &attached, &real);
        let mut inline = BTreeMap::new();
        for row in reader.list(account, &INLINE_POLICIES, &id)? {
            inline.insert(row.name, self.directory.document(&row.document)?);
        }
        let names = inline.keys().cloned().collect();
        let real = told.inline.iter().map(|policy| policy.policy_name.clone()).collect();
        self.sets(called, "inline policy", &names, &real);
        for policy in told.inline {
            if let Some(text) = inline.get(&policy.policy_name) {
                let field = format!("inline policy {}", policy.policy_name);
                self.documents(called, &field, text, &policy.policy_document);
            }
        }
        let tag = |(key, value): (String, String)| format!("{key}={value}");
        let tags = self.directory.tags(&id)?.into_iter().map(tag).collect();
        let real = told.tags.iter().map(|one| tag((one.key.clone(), one.value.clone()))).collect();
        self.sets(called, "tag", &tags, &real);
        Ok(Some(found.row))
    }

    fn boundary(
        &mut self,
        told: &Told<'_>,
        replayed: Option<&crate::identity::change::PolicyRef>,
    ) -> Result<(), Fault> {
        let replayed = replayed.map(|policy| policy_arn(self.directory, policy)).transpose()?;
        let real = told.boundary.map(|boundary| boundary.permissions_boundary_arn.clone());
        self.field(&told.called, "permissions boundary", replayed, real);
        Ok(())
    }

    fn user(&mut self, user: &UserDetail) -> Result<(), Fault> {
        let told = Told {
            id: &user.user_id,
            arn: &user.arn,
            called: format!("user/{}", user.user_name),
            path: &user.path,
            inline: &user.user_policy_list,
            attached: &user.attached_managed_policies,
            boundary: user.permissions_boundary.as_ref(),
            tags: &user.tags,
        };
        let Some(row) = self.entity::<UserRow>(&told)? else { return Ok(()) };
        self.date(&told.called, "created", row.created, &user.create_date);
        self.boundary(&told, row.boundary.as_ref())?;
        let groups = self.directory.groups_of(&row.id)?;
        let groups = groups.into_iter().map(|group| group.name).collect();
        self.sets(&told.called, "group", &groups, &user.group_list.iter().cloned().collect());
        Ok(())
    }

    fn group(&mut self, group: &GroupDetail) -> Result<(), Fault> {
        let told = Told {
            id: &group.group_id,
            arn: &group.arn,
            called: format!("group/{}", group.group_name),
            path: &group.path,
            inline: &group.group_policy_list,
            attached: &group.attached_managed_policies,
            boundary: None,
            tags: &[],
        };
        let Some(row) = self.entity::<GroupRow>(&told)? else { return Ok(()) };
        self.date(&told.called, "created", row.created, &group.create_date);
        Ok(())
    }

    fn role(&mut self, role: &RoleDetail) -> Result<(), Fault> {
        let told = Told {
            id: &role.role_id,
            arn: &role.arn,
            called: format!("role/{}", role.role_name),
            path: &role.path,
            inline: &role.role_policy_list,
            attached: &role.attached_managed_policies,
            boundary: role.permissions_boundary.as_ref(),
            tags: &role.tags,
        };
        let Some(row) = self.entity::<RoleRow>(&told)? else { return Ok(()) };
        self.date(&told.called, "created", row.created, &role.create_date);
        self.boundary(&told, row.boundary.as_ref())?;
        let trust = trust::shown(self.directory, &row.trust)?;
        self.documents(&told.called, "trust policy", &trust, &role.assume_role_policy_document);
        let profiles = instance_profiles::holding(self.directory, &row.id)?;
        let shown = |path: &str, name: &str, id: &str| format!("{path}{name} {id}");
        let profiles = profiles.iter().map(|one| shown(&one.path, &one.name, one.id.as_str()));
        let profiles = profiles.collect();
        let real = role.instance_profile_list.iter();
        let real =
            real.map(|one| shown(&one.path, &one.instance_profile_name, &one.instance_profile_id));
        self.sets(&told.called, "instance profile", &profiles, &real.collect());
        Ok(())
    }

    fn policy(&mut self, policy: &ManagedDetail) -> Result<(), Fault> {
        if policy.arn.starts_with(AWS_POLICIES) {
            return Ok(());
        }
        self.drift.compared += 1;
        self.seen.insert(self.hasher.hash_one(policy.policy_id.as_str()));
        let called = format!("policy/{}", policy.policy_name);
        let Directory { reader, account } = self.directory;
        let id = UniqueId::parse(&policy.policy_id);
        let row = id.as_ref().map(|id| reader.get(account, &POLICIES, id)).transpose()?.flatten();
        let Some(row) = row else {
            self.differ(&called, "exists", json!(false), json!(true));
            return Ok(());
        };
        let PolicyRow { id, path, name, default_version, created, .. } = row;
        self.field(&called, "name", name.as_str(), &policy.policy_name);
        self.field(&called, "path", path.as_str(), &policy.path);
        self.arn(&called, "policy", (&policy.path, &policy.policy_name), &policy.arn);
        self.date(&called, "created", created, &policy.create_date);
        let default = format!("v{default_version}");
        self.field(&called, "default version", default.as_str(), &policy.default_version_id);
        let mut versions = BTreeMap::new();
        for version in reader.list(account, &POLICY_VERSIONS, &id)? {
            let text = self.directory.document(&version.document)?;
            versions.insert(format!("v{}", version.version), (text, version.created));
        }
        let names = versions.keys().cloned().collect();
        let real = policy.policy_version_list.iter().map(|one| one.version_id.clone()).collect();
        self.sets(&called, "version", &names, &real);
        for version in &policy.policy_version_list {
            if let Some((text, created)) = versions.get(&version.version_id) {
                let field = format!("version {}", version.version_id);
                self.documents(&called, &field, text, &version.document);
                self.date(&called, &format!("{field} created"), *created, &version.create_date);
            }
        }
        Ok(())
    }

    /// What the replay came to and the snapshot does not have.
    fn others(&mut self) -> Result<(), Fault> {
        let directory = self.directory;
        let mut others = Vec::new();
        for user in directory.all::<UserRow>()? {
            others.push((user.row.id, format!("user/{}", user.name)));
        }
        for group in directory.all::<GroupRow>()? {
            others.push((group.row.id, format!("group/{}", group.name)));
        }
        for role in directory.all::<RoleRow>()? {
            others.push((role.row.id, format!("role/{}", role.name)));
        }
        for policy in directory.reader.list(directory.account, &POLICIES, &())? {
            others.push((policy.id, format!("policy/{}", policy.name)));
        }
        others.retain(|(id, _)| !self.seen.contains(&self.hasher.hash_one(id.as_str())));
        for (_, called) in others {
            self.differ(&called, "exists", json!(true), json!(false));
        }
        Ok(())
    }
}
