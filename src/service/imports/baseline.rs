//! What an account begins with: the users, groups, roles and policies of a snapshot.
//!
//! The whole file is looked at first, and all that is wrong with it told, before anything is written. Then policies,
//! groups, roles and users come in, each as an event of its own at the time of the snapshot; who is there already,
//! by its unique id, is passed over, so that a run that was broken off goes on. Trust policies are bound to the
//! users and roles that they name in the end, when all of these are there.
//!
//! The snapshot does not tell passwords, access keys, second factors and other credentials, nor the descriptions
//! and longest sessions of roles: they are not known, until records tell.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use super::details::{
    Attached, Boundary, GroupDetail, ManagedDetail, PolicyDetail, RoleDetail, UserDetail, document,
    each,
};
use crate::base::time::Timestamp;
use crate::identity::arn::{AWS_POLICIES, Arn};
use crate::identity::change::{
    BaselineTaken, BoundarySet, DocumentHash, EntityDated, GroupCreated, InlinePolicyPut,
    InstanceProfileCreated, MemberAdded, PolicyAttached, PolicyImported, PolicyRef,
    ProfileRoleAdded, RoleCreated, SharedPolicyImported, Trust, TrustUpdated, UserCreated,
};
use crate::identity::id::{IdKind, UniqueId, is_account_digits};
use crate::ledger::AccountId;
use crate::policy::{Document, DocumentKind};
use crate::projection::Transaction;
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    GROUPS, GroupRow, INSTANCE_PROFILES, POLICIES, ROLES, SHARED_POLICIES, USERS,
};
use crate::projection::view::ReadTables;
use crate::service::activity::receipt::LastUsed;
use crate::service::activity::usage::Use;
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::operations::shapes::pairs;
use crate::service::operations::{roles, tags};
use crate::service::target::find_policy;
use crate::service::writer::{Act, Turn};
use crate::service::{Service, origin};

/// Problems that are told at once.
const TOLD: usize = 100;
/// Entities of one commit.
const GROUP: usize = 200;
/// The longest session of a role where nobody says.
const SESSION: u32 = 3_600;

/// What a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The account's 12 digits, from its ARNs.
    pub digits: String,
    /// Users, groups, roles, and policies of its own.
    pub entities: u32,
    /// The latest date in it.
    pub latest: Timestamp,
}

/// Looks at a whole snapshot.
///
/// # Errors
/// All that is wrong with it.
pub fn survey(path: &Path) -> Result<Contents, Fault> {
    let mut survey = Survey { file: path.display().to_string(), ..Survey::default() };
    each(path, &mut |policy: ManagedDetail| survey.policy(&policy))?;
    each(path, &mut |group: GroupDetail| survey.group(&group))?;
    each(path, &mut |role: RoleDetail| survey.role(&role))?;
    each(path, &mut |user: UserDetail| survey.user(&user))?;
    survey.finish()
}

#[derive(Default)]
struct Survey {
    file: String,
    contents: Contents,
    wrong: Vec<String>,
    more: usize,
    /// Hashes of the ARNs of policies and the names of groups that others may name: a few bytes each.
    known: HashSet<u64>,
    /// Hashes of the ids and names that something has.
    had: HashSet<u64>,
    hasher: RandomState,
}

impl Survey {
    fn wrong(&mut self, what: &str, why: &str) {
        if self.wrong.len() < TOLD {
            self.wrong.push(format!("{what}: {why}"));
        } else {
            self.more += 1;
        }
    }

    fn entity(
        &mut self,
        kind: IdKind,
        (arn, id): (&str, &str),
        (path, name): (&str, &str),
        made: &str,
    ) {
        self.contents.entities = self.contents.entities.saturating_add(1);
        let what = cut(arn);
        match Arn::parse(arn) {
            Some(parsed) if is_account_digits(parsed.account) => {
                if self.contents.digits.is_empty() {
                    self.contents.digits = parsed.account.to_owned();
                } else if self.contents.digits != parsed.account {
                    let other = format!("it is of another account than {}", self.contents.digits);
                    self.wrong(&what, &other);
                }
            }
            _ => self.wrong(&what, "it is no ARN of an account"),
        }
        if UniqueId::parse(id).is_none_or(|id| id.kind() != Some(kind)) {
            self.wrong(
                &what,
                &format!("{:?} is no id that begins with {}", cut(id), kind.prefix()),
            );
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            self.wrong(&what, &format!("{:?} is no name", cut(name)));
        }
        let ends = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
        if !ends || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wrong(&what, &format!("{:?} is no path", cut(path)));
        }
        self.once(&what, "", ("id", id));
        self.once(&what, kind.prefix(), ("name", &name.to_lowercase()));
        self.date(&what, made);
    }

    /// Something that only one may have, of all that are alike.
    fn once(&mut self, what: &str, alike: &str, (field, text): (&str, &str)) {
        if !self.had.insert(self.hasher.hash_one((alike, field, text))) {
            let text = cut(text);
            self.wrong(what, &format!("the {field} {text:?} is that of another one before it"));
        }
    }

    fn date(&mut self, what: &str, text: &str) {
        match Timestamp::parse(text) {
            Some(at) => self.contents.latest = self.contents.latest.max(at),
            None => self.wrong(what, &format!("{:?} is no date", cut(text))),
        }
    }

    fn text(&mut self, what: &str, value: &serde_json::Value, kind: DocumentKind) {
        let parsed = document(value).map(|text| Document::parse(&text, kind).map(drop));
        match parsed {
            Some(Ok(())) => {}
            Some(Err(error)) => self.wrong(what, &error.to_string()),
            None => self.wrong(what, "its document is neither an object nor a text"),
        }
    }

    fn names(&mut self, what: &str, attached: &[Attached], boundary: Option<&Boundary>) {
        let arns = attached.iter().map(|attached| &attached.policy_arn);
        for arn in arns.chain(boundary.map(|boundary| &boundary.permissions_boundary_arn)) {
            let known =
                arn.starts_with(AWS_POLICIES) || self.known.contains(&self.hasher.hash_one(arn));
            if !known {
                self.wrong(what, &format!("its policy {:?} is not in the file", cut(arn)));
            }
        }
    }

    fn inline(&mut self, what: &str, policies: &[PolicyDetail]) {
        for policy in policies {
            self.once(what, &format!("inline policy of {what}"), ("name", &policy.policy_name));
            let what = format!("{what}, {}", cut(&policy.policy_name));
            self.text(&what, &policy.policy_document, DocumentKind::Identity);
        }
    }

    fn policy(&mut self, policy: &ManagedDetail) -> Result<(), Fault> {
        let what = cut(&policy.arn);
        if !policy.arn.starts_with(AWS_POLICIES) {
            let names = (policy.path.as_str(), policy.policy_name.as_str());
            self.entity(
                IdKind::Policy,
                (&policy.arn, &policy.policy_id),
                names,
                &policy.create_date,
            );
        }
        self.known.insert(self.hasher.hash_one(&policy.arn));
        for version in &policy.policy_version_list {
            self.text(
                &format!("{what} {}", cut(&version.version_id)),
                &version.document,
                DocumentKind::Identity,
            );
            self.date(&what, &version.create_date);
            self.once(&what, &format!("version of {what}"), ("version", &version.version_id));
            let is_default = version.version_id == policy.default_version_id;
            if version.is_default_version.is_some_and(|said| said != is_default) {
                let version = cut(&version.version_id);
                self.wrong(
                    &what,
                    &format!("IsDefaultVersion of {version} is not what DefaultVersionId says"),
                );
            }
            if number(&version.version_id).is_none() {
                self.wrong(&what, "a version is called otherwise than v1, v2, ...");
            }
        }
        if !policy.policy_version_list.iter().any(|one| one.version_id == policy.default_version_id)
        {
            self.wrong(&what, "its default version is not among its versions");
        }
        Ok(())
    }

    fn group(&mut self, group: &GroupDetail) -> Result<(), Fault> {
        let names = (group.path.as_str(), group.group_name.as_str());
        self.entity(IdKind::Group, (&group.arn, &group.group_id), names, &group.create_date);
        self.known.insert(self.hasher.hash_one(group.group_name.to_lowercase()));
        self.names(&cut(&group.arn), &group.attached_managed_policies, None);
        self.inline(&cut(&group.arn), &group.group_policy_list);
        Ok(())
    }

    fn role(&mut self, role: &RoleDetail) -> Result<(), Fault> {
        let what = cut(&role.arn);
        let names = (role.path.as_str(), role.role_name.as_str());
        self.entity(IdKind::Role, (&role.arn, &role.role_id), names, &role.create_date);
        self.text(&what, &role.assume_role_policy_document, DocumentKind::Trust);
        self.names(&what, &role.attached_managed_policies, role.permissions_boundary.as_ref());
        self.inline(&what, &role.role_policy_list);
        for profile in &role.instance_profile_list {
            let id = UniqueId::parse(&profile.instance_profile_id);
            if id.is_none_or(|id| id.kind() != Some(IdKind::InstanceProfile)) {
                self.wrong(&what, "an instance profile has no id that begins with AIPA");
            }
            self.once(&what, "", ("id", &profile.instance_profile_id));
            let name = profile.instance_profile_name.to_lowercase();
            self.once(&what, IdKind::InstanceProfile.prefix(), ("name", &name));
            self.date(&what, &profile.create_date);
        }
        Ok(())
    }

    fn user(&mut self, user: &UserDetail) -> Result<(), Fault> {
        let what = cut(&user.arn);
        let names = (user.path.as_str(), user.user_name.as_str());
        self.entity(IdKind::User, (&user.arn, &user.user_id), names, &user.create_date);
        self.names(&what, &user.attached_managed_policies, user.permissions_boundary.as_ref());
        self.inline(&what, &user.user_policy_list);
        for group in &user.group_list {
            if !self.known.contains(&self.hasher.hash_one(group.to_lowercase())) {
                self.wrong(&what, &format!("its group {:?} is not in the file", cut(group)));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Contents, Fault> {
        if self.contents.digits.is_empty() && self.wrong.is_empty() {
            self.wrong.push("nothing in it belongs to an account".to_owned());
        }
        if self.wrong.is_empty() {
            return Ok(self.contents);
        }
        if self.more > 0 {
            self.wrong.push(format!("and {} more", self.more));
        }
        let wrong = self.wrong.join("\n  ");
        Err(Fault::validation(format!("{}: nothing was imported.\n  {wrong}", self.file)))
    }
}

/// As much of a text as a message repeats.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The number in `v3`; they begin with 1.
pub fn number(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.parse().ok().filter(|number| *number > 0)
}

fn date(text: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse(text).ok_or_else(|| Fault::validation(format!("{:?} is no date.", cut(text))))
}

fn text_of(value: &serde_json::Value) -> Result<String, Fault> {
    document(value).ok_or_else(|| Fault::validation("A document is neither an object nor a text."))
}

fn id_of(text: &str) -> Result<UniqueId, Fault> {
    UniqueId::parse(text).ok_or_else(|| Fault::validation(format!("{:?} is no id.", cut(text))))
}

/// Brings a snapshot in that was looked at. Returns how many entities came in.
///
/// # Errors
/// What keeps it from being written; what was written stays, and the same command goes on.
pub fn write(
    service: &Arc<Service>,
    account: AccountId,
    caller: &Caller,
    path: &Path,
    at: Timestamp,
    contents: &Contents,
) -> Result<u32, Fault> {
    let baseline = Baseline { service, account, caller, at };
    let mut written = 0;
    written += baseline.list::<ManagedDetail>(path, policy)?;
    written += baseline.list::<GroupDetail>(path, group)?;
    written += baseline.list::<RoleDetail>(path, role)?;
    written += baseline.list::<UserDetail>(path, user)?;
    baseline.list::<RoleDetail>(path, bind_trust)?;
    let entities = contents.entities;
    let caller = caller.clone();
    service.act(move |_, turn| {
        let act = Act { account, actor: caller.actor(), happened_at: Some(at) };
        turn.perform(&act, |tx| {
            tx.record(BaselineTaken { entities })?;
            Ok(((), origin(tx, &caller, OPERATION, UniqueId::root(), None)?))
        })
    })?;
    Ok(written)
}

/// What the events of a baseline are called.
pub const OPERATION: &str = "ImportAuthorizationDetails";

struct Baseline<'a> {
    service: &'a Arc<Service>,
    account: AccountId,
    caller: &'a Caller,
    at: Timestamp,
}

/// Brings one entity in; the id that it is about, or `None` if it is there already.
type Bring<T> = fn(&mut Transaction<'_>, T) -> Result<Option<UniqueId>, Fault>;

impl Baseline<'_> {
    fn list<T: super::details::Listed + Send + 'static>(
        &self,
        path: &Path,
        bring: Bring<T>,
    ) -> Result<u32, Fault> {
        let mut waiting: Vec<T> = Vec::with_capacity(GROUP);
        let mut written = 0;
        each(path, &mut |entity: T| {
            waiting.push(entity);
            if waiting.len() == GROUP {
                written += self.commit(std::mem::take(&mut waiting), bring)?;
            }
            Ok(())
        })?;
        Ok(written + self.commit(waiting, bring)?)
    }

    fn commit<T: Send + 'static>(&self, entities: Vec<T>, bring: Bring<T>) -> Result<u32, Fault> {
        let (account, caller, at) = (self.account, self.caller.clone(), self.at);
        let act = Act { account, actor: caller.actor(), happened_at: Some(at) };
        self.service.act(move |_: &Service, turn: &mut Turn<'_>| {
            let mut written = 0;
            for entity in entities {
                let brought = turn.perform(&act, |tx| {
                    let id = bring(tx, entity)?;
                    let about = id.clone().unwrap_or_else(UniqueId::root);
                    Ok((id, origin(tx, &caller, OPERATION, about, None)?))
                })?;
                written += u32::from(brought.is_some());
            }
            Ok(written)
        })
    }
}

fn keep(tx: &mut Transaction<'_>, value: &serde_json::Value) -> Result<DocumentHash, Fault> {
    Ok(tx.keep_content(text_of(value)?.as_bytes()))
}

fn policy(tx: &mut Transaction<'_>, detail: ManagedDetail) -> Result<Option<UniqueId>, Fault> {
    let updated = detail.update_date.as_deref().unwrap_or(&detail.create_date);
    let (created, updated) = (date(&detail.create_date)?, date(updated)?);
    if detail.arn.starts_with(AWS_POLICIES) {
        return shared(tx, detail, (created, updated));
    }
    let policy = id_of(&detail.policy_id)?;
    let account = tx.account();
    if tx.get(account, &POLICIES, &policy)?.is_some() {
        return Ok(None);
    }
    free(tx, NameKind::Policy, &detail.policy_name)?;
    let mut versions = Vec::new();
    for version in &detail.policy_version_list {
        let number = number(&version.version_id).unwrap_or_default();
        versions.push((number, keep(tx, &version.document)?, date(&version.create_date)?));
    }
    versions.sort_unstable();
    tx.record(PolicyImported {
        policy: policy.clone(),
        path: detail.path,
        name_tag: tx.name_tag(NameKind::Policy, &detail.policy_name)?,
        name: detail.policy_name,
        description: detail.description.filter(|text| !text.is_empty()),
        created,
        updated,
        versions,
        default: number(&detail.default_version_id).unwrap_or_default(),
    })?;
    Ok(Some(policy))
}

/// A shared policy comes in only where its text is another one than the catalogue's.
fn shared(
    tx: &mut Transaction<'_>,
    detail: ManagedDetail,
    (created, updated): (Timestamp, Timestamp),
) -> Result<Option<UniqueId>, Fault> {
    let policy = PolicyRef(detail.arn);
    let account = tx.account();
    let versions = detail.policy_version_list;
    let default = versions.into_iter().find(|one| one.version_id == detail.default_version_id);
    let Some(default) = default else { return Ok(None) };
    let text = text_of(&default.document)?;
    // Also where the catalogue says the same: that it was so is known of what came in alone.
    if tx.get(account, &SHARED_POLICIES, &policy)?.is_some() {
        return Ok(None);
    }
    let document = tx.keep_content(text.as_bytes());
    let (id, version) = (detail.policy_id, default.version_id);
    tx.record(SharedPolicyImported { policy, id, version, document, created, updated })?;
    Ok(Some(UniqueId::root()))
}

/// Whether two documents say the same, however they are written.
pub fn same_json(one: &str, other: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || parse(one).is_some_and(|one| parse(other) == Some(one))
}

/// Refuses a name that something else has: the file names two things alike.
fn free(tx: &Transaction<'_>, kind: NameKind, name: &str) -> Result<(), Fault> {
    match Directory::new(tx, tx.account()).find_id(kind, name)? {
        None => Ok(()),
        Some(id) => Err(Fault::validation(format!(
            "The file has the {kind:?} {name} twice, also as {id}: drop the import (`domesday import drop`)."
        ))),
    }
}

/// What users, groups and roles have in common.
fn grants(
    tx: &mut Transaction<'_>,
    owner: &UniqueId,
    inline: Vec<PolicyDetail>,
    attached: Vec<Attached>,
    boundary: Option<Boundary>,
) -> Result<(), Fault> {
    for policy in inline {
        let document = keep(tx, &policy.policy_document)?;
        let (owner, name) = (owner.clone(), policy.policy_name);
        tx.record(InlinePolicyPut { owner, name, document })?;
    }
    for attached in attached {
        let policy = reference(tx, &attached.policy_arn)?;
        tx.record(PolicyAttached { owner: owner.clone(), policy })?;
    }
    if let Some(boundary) = boundary {
        let policy = reference(tx, &boundary.permissions_boundary_arn)?;
        tx.record(BoundarySet { owner: owner.clone(), policy })?;
    }
    Ok(())
}

fn reference(tx: &Transaction<'_>, arn: &str) -> Result<PolicyRef, Fault> {
    let found = find_policy(&Directory::new(tx, tx.account()), arn)?;
    found.ok_or_else(|| Fault::validation(format!("The policy {:?} is not in the file.", cut(arn))))
}

fn group(tx: &mut Transaction<'_>, detail: GroupDetail) -> Result<Option<UniqueId>, Fault> {
    let group = id_of(&detail.group_id)?;
    if tx.get(tx.account(), &GROUPS, &group)?.is_some() {
        return Ok(None);
    }
    free(tx, NameKind::Group, &detail.group_name)?;
    tx.record(GroupCreated {
        group: group.clone(),
        path: detail.path,
        name: tx.seal(&group, "name", &detail.group_name)?,
        name_tag: tx.name_tag(NameKind::Group, &detail.group_name)?,
    })?;
    tx.record(EntityDated { id: group.clone(), created: date(&detail.create_date)? })?;
    grants(tx, &group, detail.group_policy_list, detail.attached_managed_policies, None)?;
    Ok(Some(group))
}

fn user(tx: &mut Transaction<'_>, detail: UserDetail) -> Result<Option<UniqueId>, Fault> {
    let user = id_of(&detail.user_id)?;
    let account = tx.account();
    if tx.get(account, &USERS, &user)?.is_some() {
        return Ok(None);
    }
    free(tx, NameKind::User, &detail.user_name)?;
    tx.record(UserCreated {
        user: user.clone(),
        path: detail.path,
        name: tx.seal(&user, "name", &detail.user_name)?,
        name_tag: tx.name_tag(NameKind::User, &detail.user_name)?,
    })?;
    tx.record(EntityDated { id: user.clone(), created: date(&detail.create_date)? })?;
    tags::set(tx, &user, pairs(&detail.tags))?;
    let (inline, attached) = (detail.user_policy_list, detail.attached_managed_policies);
    grants(tx, &user, inline, attached, detail.permissions_boundary)?;
    for name in detail.group_list {
        let found = Directory::new(&*tx, account).find::<GroupRow>(&name)?;
        let found = found.ok_or_else(|| {
            Fault::validation(format!("The group {:?} is not in the file.", cut(&name)))
        })?;
        tx.record(MemberAdded { group: found.row.id, user: user.clone() })?;
    }
    Ok(Some(user))
}

/// A trust policy, bound to the users and roles of its principals that are there.
pub fn trust(tx: &mut Transaction<'_>, text: &str) -> Result<Trust, Fault> {
    let document = Document::parse(text, DocumentKind::Trust)?;
    let mut principals = Vec::new();
    for arn in document.principals() {
        principals.extend(roles::resolve(tx, arn)?.map(|id| (arn.to_owned(), id)));
    }
    principals.sort();
    principals.dedup();
    Ok(Trust { document: tx.keep_content(text.as_bytes()), principals })
}

fn role(tx: &mut Transaction<'_>, detail: RoleDetail) -> Result<Option<UniqueId>, Fault> {
    let role = id_of(&detail.role_id)?;
    let account = tx.account();
    if tx.get(account, &ROLES, &role)?.is_some() {
        return Ok(None);
    }
    free(tx, NameKind::Role, &detail.role_name)?;
    let trust = trust(tx, &text_of(&detail.assume_role_policy_document)?)?;
    tx.record(RoleCreated {
        role: role.clone(),
        path: detail.path,
        name: tx.seal(&role, "name", &detail.role_name)?,
        name_tag: tx.name_tag(NameKind::Role, &detail.role_name)?,
        trust,
        description: None,
        max_session: SESSION,
    })?;
    tx.record(EntityDated { id: role.clone(), created: date(&detail.create_date)? })?;
    tags::set(tx, &role, pairs(&detail.tags))?;
    let (inline, attached) = (detail.role_policy_list, detail.attached_managed_policies);
    grants(tx, &role, inline, attached, detail.permissions_boundary)?;
    for profile in detail.instance_profile_list {
        let id = id_of(&profile.instance_profile_id)?;
        if tx.get(account, &INSTANCE_PROFILES, &id)?.is_some() {
            continue;
        }
        let name = profile.instance_profile_name;
        free(tx, NameKind::InstanceProfile, &name)?;
        let name_tag = tx.name_tag(NameKind::InstanceProfile, &name)?;
        let (path, created) = (profile.path, date(&profile.create_date)?);
        tx.record(InstanceProfileCreated { profile: id.clone(), path, name, name_tag })?;
        tx.record(EntityDated { id: id.clone(), created })?;
        tx.record(ProfileRoleAdded { profile: id, role: role.clone() })?;
    }
    Ok(Some(role))
}

/// Binds the trust of a role whose principals were not all there when it came in.
fn bind_trust(tx: &mut Transaction<'_>, detail: RoleDetail) -> Result<Option<UniqueId>, Fault> {
    let role = id_of(&detail.role_id)?;
    let Some(row) = tx.get(tx.account(), &ROLES, &role)? else { return Ok(None) };
    let trust = trust(tx, &text_of(&detail.assume_role_policy_document)?)?;
    if trust == row.trust {
        return Ok(None);
    }
    tx.record(TrustUpdated { role: role.clone(), trust })?;
    Ok(Some(role))
}

/// When the roles of a snapshot were last used, for the activity book.
///
/// # Errors
/// Those of [`each`], and a book that is closed.
pub fn note_uses(service: &Service, account: AccountId, path: &Path) -> Result<(), Fault> {
    let mut uses = Vec::new();
    each(path, &mut |detail: RoleDetail| {
        let Some(used) = detail.role_last_used else { return Ok(()) };
        let at = used.last_used_date.as_deref().and_then(Timestamp::parse);
        if let (Some(at), Some(role)) = (at, UniqueId::parse(&detail.role_id)) {
            let (service, region) = (String::new(), used.region.unwrap_or_default());
            uses.push(Use::of(role, LastUsed { at, service, region }).told_by(account));
        }
        if uses.len() >= GROUP {
            service.activity().note_used(std::mem::take(&mut uses))?;
        }
        Ok(())
    })?;
    service.activity().note_used(uses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbered_from_one() {
        assert_eq!(
            ["v1", "v12", "v0", "1", "v", "v-1"].map(number),
            [Some(1), Some(12), None, None, None, None]
        );
    }
}
