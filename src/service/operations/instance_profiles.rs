//! Instance profiles: what hands a role to a machine. Each holds one role at most.

use serde::{Deserialize, Serialize};

use super::shapes::{Role, Tag, changeable, check_tags, need, page, pairs, quota, shown_tags};
use super::tags;
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::{
    InstanceProfileCreated, InstanceProfileDeleted, ProfileRoleAdded, ProfileRoleRemoved,
};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    Counted, INSTANCE_PROFILES, InstanceProfileRow, PROFILES_OF, RoleRow,
};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target::{self, Scene, Target};

operations! { Iam:
    write CreateInstanceProfile on |op, scene| {
        let path = op.path.as_deref().unwrap_or("/");
        Ok(new(scene, path, &op.instance_profile_name)?.making(&pairs(&op.tags), "iam:TagInstanceProfile"))
    } => InstanceProfileAnswer,
    read GetInstanceProfile on |op, scene| named(scene, &op.instance_profile_name) => InstanceProfileAnswer,
    read ListInstanceProfiles on |op, scene| new(scene, op.path_prefix.as_deref().unwrap_or("/"), "") => InstanceProfilesPage,
    read ListInstanceProfilesForRole on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => InstanceProfilesPage,
    write DeleteInstanceProfile on |op, scene| named(scene, &op.instance_profile_name) => (),
    write AddRoleToInstanceProfile on |op, scene| {
        // Whoever fills a profile hands the role to every machine that it is given to.
        let role = target::unnamed::<RoleRow>(scene, &op.role_name)?;
        let passed = role.key("iam:PassedToService", "ec2.amazonaws.com");
        Ok(named(scene, &op.instance_profile_name)?.and("iam:PassRole", passed))
    } => (),
    write RemoveRoleFromInstanceProfile on |op, scene| named(scene, &op.instance_profile_name) => (),
}

/// Instance profiles that an account may have (IAM User Guide, quotas).
pub const PROFILES_QUOTA: usize = 1_000;
/// Roles that an instance profile may hold; not adjustable.
const ROLES_QUOTA: usize = 1;

/// The instance profile of a name, if there is one.
pub fn find(directory: Directory<'_>, name: &str) -> Result<Option<InstanceProfileRow>, Fault> {
    let Some(id) = directory.find_id(NameKind::InstanceProfile, name)? else { return Ok(None) };
    Ok(directory.reader.get(directory.account, &INSTANCE_PROFILES, &id)?)
}

/// The instance profile of a name, which must exist.
pub fn existing(directory: Directory<'_>, name: &str) -> Result<InstanceProfileRow, Fault> {
    find(directory, name)?.ok_or_else(|| fault::NO_INSTANCE_PROFILE.with(&[name]))
}

/// What a request about an instance profile is judged on.
pub fn named(scene: &Scene<'_>, name: &str) -> Result<Target, Fault> {
    let target = match find(scene.directory, name)? {
        None => new(scene, "/", name)?,
        Some(row) => {
            let arn = arn_of(&scene.directory.digits()?, &row);
            Target::on(arn, &row.id).tagged(scene.directory.tags(&row.id)?)
        }
    };
    Ok(target.called(format!("instance profile {name}")))
}

fn new(scene: &Scene<'_>, path: &str, name: &str) -> Result<Target, Fault> {
    let arn = arn::iam(&scene.directory.digits()?, "instance-profile", path, name);
    Ok(Target::on(arn, &UniqueId::root()))
}

fn arn_of(digits: &str, row: &InstanceProfileRow) -> String {
    arn::iam(digits, "instance-profile", &row.path, &row.name)
}

/// An instance profile in an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceProfile {
    path: String,
    instance_profile_name: String,
    instance_profile_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    roles: Vec<Role>,
    tags: Option<Vec<Tag>>,
}

impl InstanceProfile {
    /// With tags, as Get shows it: a list even if there are none.
    pub fn full(directory: Directory<'_>, row: &InstanceProfileRow) -> Result<Self, Fault> {
        let made = InstanceProfile::created(directory, row)?;
        Ok(InstanceProfile { tags: Some(made.tags.unwrap_or_default()), ..made })
    }

    /// With tags if there are any, as Create shows it.
    pub fn created(directory: Directory<'_>, row: &InstanceProfileRow) -> Result<Self, Fault> {
        let tags = shown_tags(directory, &row.id)?;
        Ok(InstanceProfile { tags, ..InstanceProfile::brief(directory, row)? })
    }

    /// Without them, as lists show it.
    pub fn brief(directory: Directory<'_>, row: &InstanceProfileRow) -> Result<Self, Fault> {
        let mut roles = Vec::new();
        if let Some(role) = &row.role
            && let Some(role) = directory.by_id::<RoleRow>(role)?
        {
            roles.push(Role::bare(directory, &role)?);
        }
        Ok(InstanceProfile {
            path: row.path.clone(),
            instance_profile_name: row.name.clone(),
            instance_profile_id: row.id.clone(),
            arn: arn_of(&directory.digits()?, row),
            create_date: row.created,
            roles,
            tags: None,
        })
    }
}

/// The instance profiles that hold a role, in the order of their names.
pub fn holding(
    directory: Directory<'_>,
    role: &UniqueId,
) -> Result<Vec<InstanceProfileRow>, Fault> {
    let Directory { reader, account } = directory;
    let mut rows = Vec::new();
    for id in reader.list(account, &PROFILES_OF, role)? {
        rows.extend(reader.get(account, &INSTANCE_PROFILES, &id)?);
    }
    rows.sort_by_key(name_key);
    Ok(rows)
}

fn name_key(row: &InstanceProfileRow) -> String {
    row.name.to_lowercase()
}

/// An instance profile.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceProfileAnswer {
    instance_profile: InstanceProfile,
}

/// `CreateInstanceProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateInstanceProfile {
    instance_profile_name: String,
    path: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Write for CreateInstanceProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<InstanceProfileAnswer, Fault> {
        let name = self.instance_profile_name;
        let wanted = pairs(&self.tags);
        check_tags(&wanted, &[], IdKind::InstanceProfile)?;
        if to.directory().find_id(NameKind::InstanceProfile, &name)?.is_some() {
            return Err(fault::INSTANCE_PROFILE_EXISTS.with(&[&name]));
        }
        let count = || to.directory().how_many(Counted::InstanceProfiles);
        quota(to.tx, count, PROFILES_QUOTA, "InstanceProfilesPerAccount")?;
        let profile = to.tx.new_id(IdKind::InstanceProfile)?;
        to.tx.record(InstanceProfileCreated {
            profile: profile.clone(),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            name_tag: to.tx.name_tag(NameKind::InstanceProfile, &name)?,
            name: name.clone(),
        })?;
        tags::set(to.tx, &profile, wanted)?;
        to.concerns = Some(profile);
        let directory = to.directory();
        let made = existing(directory, &name)?;
        Ok(InstanceProfileAnswer { instance_profile: InstanceProfile::created(directory, &made)? })
    }
}

/// `GetInstanceProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetInstanceProfile {
    instance_profile_name: String,
}

impl Read for GetInstanceProfile {
    fn read(self, at: &Reading<'_>) -> Result<InstanceProfileAnswer, Fault> {
        let found = existing(at.directory, &self.instance_profile_name)?;
        Ok(InstanceProfileAnswer { instance_profile: InstanceProfile::full(at.directory, &found)? })
    }
}

/// A page of instance profiles.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceProfilesPage {
    instance_profiles: Vec<InstanceProfile>,
    is_truncated: bool,
    marker: Option<String>,
}

fn page_of(
    directory: Directory<'_>,
    rows: Vec<InstanceProfileRow>,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<InstanceProfilesPage, Fault> {
    let paged = page(rows, name_key, max_items, marker)?;
    let mut instance_profiles = Vec::with_capacity(paged.items.len());
    for row in &paged.items {
        instance_profiles.push(InstanceProfile::brief(directory, row)?);
    }
    Ok(InstanceProfilesPage {
        instance_profiles,
        is_truncated: paged.is_truncated,
        marker: paged.marker,
    })
}

/// `ListInstanceProfiles`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInstanceProfiles {
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

impl Read for ListInstanceProfiles {
    fn read(self, at: &Reading<'_>) -> Result<InstanceProfilesPage, Fault> {
        let Directory { reader, account } = at.directory;
        let mut rows = reader.list(account, &INSTANCE_PROFILES, &())?;
        if let Some(prefix) = &self.path_prefix {
            rows.retain(|row| row.path.starts_with(prefix));
        }
        page_of(at.directory, rows, self.max_items, self.marker.as_deref())
    }
}

/// `ListInstanceProfilesForRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInstanceProfilesForRole {
    role_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

impl Read for ListInstanceProfilesForRole {
    fn read(self, at: &Reading<'_>) -> Result<InstanceProfilesPage, Fault> {
        let role = need::<RoleRow>(at.directory, &self.role_name)?.row.id;
        let rows = holding(at.directory, &role)?;
        page_of(at.directory, rows, self.max_items, self.marker.as_deref())
    }
}

/// `DeleteInstanceProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteInstanceProfile {
    instance_profile_name: String,
}

impl Write for DeleteInstanceProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let row = existing(to.directory(), &self.instance_profile_name)?;
        if row.role.is_some() {
            return Err(fault::MUST_LEAVE_PROFILES.with(&[]));
        }
        Ok(to.tx.record(InstanceProfileDeleted { profile: row.id })?)
    }
}

/// `AddRoleToInstanceProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AddRoleToInstanceProfile {
    instance_profile_name: String,
    role_name: String,
}

impl Write for AddRoleToInstanceProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let row = existing(to.directory(), &self.instance_profile_name)?;
        let role = changeable::<RoleRow>(to, &self.role_name)?.row.id;
        // AWS refuses the role that is in it already in the same words.
        let held = usize::from(row.role.is_some());
        if held >= ROLES_QUOTA {
            let name = "InstanceSessionsPerInstanceProfile";
            return Err(fault::QUOTA.with(&[name, &ROLES_QUOTA.to_string()]));
        }
        Ok(to.tx.record(ProfileRoleAdded { profile: row.id, role })?)
    }
}

/// `RemoveRoleFromInstanceProfile`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemoveRoleFromInstanceProfile {
    instance_profile_name: String,
    role_name: String,
}

impl Write for RemoveRoleFromInstanceProfile {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let row = existing(to.directory(), &self.instance_profile_name)?;
        let role = changeable::<RoleRow>(to, &self.role_name)?;
        if row.role.as_ref() != Some(&role.row.id) {
            return Err(fault::ROLE_NOT_IN_PROFILE.with(&[&role.name, &row.name]));
        }
        Ok(to.tx.record(ProfileRoleRemoved { profile: row.id, role: role.row.id })?)
    }
}
