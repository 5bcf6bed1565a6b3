//! Roles and their trust policies.

use serde::{Deserialize, Serialize};

use super::shapes::{
    Role, RoleLastUsed, Tag, changeable, check_tags, need, page_of_all, pairs, quota,
};
use super::{boundaries, tags};
use crate::identity::arn::{Arn, OF_SERVICES};
use crate::identity::change::{
    BoundarySet, RoleCreated, RoleDeleted, RoleUpdated, Trust, TrustUpdated,
};
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::policy::{Document, DocumentError, DocumentKind};
use crate::projection::Transaction;
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    ACCOUNTS, ATTACHED, Counted, INLINE_POLICIES, PROFILES_OF, RoleRow, UserRow,
};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

operations! { Iam:
    write CreateRole on |op, scene| {
        Ok(target::new::<RoleRow>(scene, op.path.as_deref(), &op.role_name)?
            .key_if("iam:PermissionsBoundary", op.permissions_boundary.as_deref())
            .making(&pairs(&op.tags), "iam:TagRole"))
    } => CreateRoleResult,
    read GetRole on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => GetRoleResult,
    read ListRoles on |op, scene| target::new::<RoleRow>(scene, op.path_prefix.as_deref(), "") => ListRolesResult,
    write UpdateRole on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => UpdateRoleResult,
    write UpdateRoleDescription on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => UpdateRoleDescriptionResult,
    write UpdateAssumeRolePolicy on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => (),
    write DeleteRole on |op, scene| target::named::<RoleRow>(scene, &op.role_name) => (),
}

/// Roles that an account may have.
const ROLES_QUOTA: usize = 1_000;
/// Characters of a trust policy, white space not counted.
const TRUST_QUOTA: usize = 2_048;

/// Reads a trust policy to be saved and finds the unique ids behind its users and roles.
fn trust(to: &mut Writing<'_, '_>, text: &str) -> Result<Trust, Fault> {
    let document = Document::parse_new(text, DocumentKind::Trust)?;
    let size = text.chars().filter(|character| !character.is_whitespace()).count();
    if size > TRUST_QUOTA && !to.tx.is_repeated() {
        return Err(fault::QUOTA.with(&["ACLSizePerRole", &TRUST_QUOTA.to_string()]));
    }
    let mut principals = Vec::new();
    for arn in document.principals() {
        match resolve(to.tx, arn)? {
            Some(id) => principals.push((arn.to_owned(), id)),
            // Elsewhere it was found; here it goes by its name.
            None if to.tx.is_repeated() => {}
            None => return Err(DocumentError::invalid_principal(arn).into()),
        }
    }
    principals.sort();
    principals.dedup();
    Ok(Trust { document: to.tx.keep_content(text.as_bytes()), principals })
}

/// The unique id of a user or role ARN, in whichever account of the store.
pub fn resolve(tx: &Transaction<'_>, text: &str) -> Result<Option<UniqueId>, Fault> {
    let Some(arn) = Arn::parse(text) else { return Ok(None) };
    let digits = arn.account.to_owned();
    let account: Option<AccountId> = tx.get(AccountId::SYSTEM, &ACCOUNTS, &digits)?;
    let Some(account) = account else { return Ok(None) };
    let directory = Directory::new(tx, account);
    Ok(match arn.kind() {
        "user" => directory
            .find::<UserRow>(arn.name())?
            .filter(|user| user.arn == text)
            .map(|user| user.row.id),
        "role" => directory
            .find::<RoleRow>(arn.name())?
            .filter(|role| role.arn == text)
            .map(|role| role.row.id),
        _ => None,
    })
}

/// `CreateRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRole {
    role_name: String,
    path: Option<String>,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// The new role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRoleResult {
    role: Role,
}

impl Write for CreateRole {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<CreateRoleResult, Fault> {
        let tags = pairs(&self.tags);
        check_tags(&tags, &[], IdKind::Role)?;
        // Organizations do not bind the roles of AWS's services: whoever could make one would be free of them.
        let is_reserved = self.path.as_deref().is_some_and(|path| path.starts_with(OF_SERVICES));
        if is_reserved && !to.tx.is_repeated() {
            return Err(fault::RESERVED_PATH.with(&[OF_SERVICES]));
        }
        if to.directory().find_id(NameKind::Role, &self.role_name)?.is_some() {
            return Err(fault::ROLE_EXISTS.with(&[&self.role_name]));
        }
        quota(to.tx, || to.directory().how_many(Counted::Roles), ROLES_QUOTA, "RolesPerAccount")?;
        let trust = trust(to, &self.assume_role_policy_document)?;
        let boundary = match &self.permissions_boundary {
            None => None,
            Some(arn) => Some(boundaries::policy(to, arn)?),
        };
        let role = to.tx.new_id(IdKind::Role)?;
        let description = match &self.description {
            None => None,
            Some(text) => Some(to.tx.seal(&role, "description", text)?),
        };
        to.tx.record(RoleCreated {
            role: role.clone(),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            name: to.tx.seal(&role, "name", &self.role_name)?,
            name_tag: to.tx.name_tag(NameKind::Role, &self.role_name)?,
            trust,
            description,
            max_session: self.max_session_duration.unwrap_or(3_600),
        })?;
        if let Some(policy) = boundary {
            to.tx.record(BoundarySet { owner: role.clone(), policy })?;
        }
        tags::set(to.tx, &role, tags)?;
        to.concerns = Some(role);
        let directory = to.directory();
        let made = need::<RoleRow>(directory, &self.role_name)?;
        Ok(CreateRoleResult { role: Role::created(directory, &made)? })
    }
}

/// `GetRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRole {
    role_name: String,
}

/// A role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRoleResult {
    role: Role,
}

/// When a role was last used, as of the moment shown.
pub fn last_used(at: &Reading<'_>, role: &UniqueId) -> Result<RoleLastUsed, Fault> {
    let used = at.activity.last_used(role, at.instant)?;
    Ok(used.map_or_else(RoleLastUsed::default, |used| RoleLastUsed {
        last_used_date: Some(used.at),
        region: Some(used.region).filter(|region| !region.is_empty()),
    }))
}

impl Read for GetRole {
    fn read(self, at: &Reading<'_>) -> Result<GetRoleResult, Fault> {
        let role = need::<RoleRow>(at.directory, &self.role_name)?;
        let used = last_used(at, &role.row.id)?;
        Ok(GetRoleResult { role: Role::full(at.directory, &role)?.with_last_used(used) })
    }
}

/// `ListRoles`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListRoles {
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of roles.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListRolesResult {
    roles: Vec<Role>,
    is_truncated: bool,
    marker: Option<String>,
}

impl Read for ListRoles {
    fn read(self, at: &Reading<'_>) -> Result<ListRolesResult, Fault> {
        let (prefix, marker) = (self.path_prefix.as_deref(), self.marker.as_deref());
        let paged = page_of_all::<RoleRow>(at.directory, prefix, self.max_items, marker)?;
        let mut roles = Vec::with_capacity(paged.items.len());
        for role in &paged.items {
            roles.push(Role::brief(at.directory, role)?);
        }
        Ok(ListRolesResult { roles, is_truncated: paged.is_truncated, marker: paged.marker })
    }
}

/// `UpdateRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateRole {
    role_name: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
}

/// Nothing but success; AWS answers with an empty result element.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateRoleResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<String>,
}

/// Sets a role's description, longest session, or both; what is left out stays.
fn update(
    to: &mut Writing<'_, '_>,
    name: &str,
    description: Option<&str>,
    max_session: Option<u32>,
) -> Result<(), Fault> {
    let row = need::<RoleRow>(to.directory(), name)?.row;
    let description = match description {
        None => row.description,
        Some("") => None,
        Some(text) => Some(to.tx.seal(&row.id, "description", text)?),
    };
    Ok(to.tx.record(RoleUpdated {
        role: row.id,
        description,
        max_session: max_session.unwrap_or(row.max_session),
    })?)
}

impl Write for UpdateRole {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<UpdateRoleResult, Fault> {
        update(to, &self.role_name, self.description.as_deref(), self.max_session_duration)?;
        Ok(UpdateRoleResult { nothing: None })
    }
}

/// `UpdateRoleDescription`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateRoleDescription {
    role_name: String,
    description: String,
}

/// The role as it is now.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateRoleDescriptionResult {
    role: Role,
}

impl Write for UpdateRoleDescription {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<UpdateRoleDescriptionResult, Fault> {
        update(to, &self.role_name, Some(&self.description), None)?;
        let directory = to.directory();
        let role = need::<RoleRow>(directory, &self.role_name)?;
        let role = Role::full(directory, &role)?.without_max_session();
        Ok(UpdateRoleDescriptionResult { role })
    }
}

/// `UpdateAssumeRolePolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateAssumeRolePolicy {
    role_name: String,
    policy_document: String,
}

impl Write for UpdateAssumeRolePolicy {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let row = changeable::<RoleRow>(to, &self.role_name)?.row;
        let trust = trust(to, &self.policy_document)?;
        if trust == row.trust {
            return Ok(());
        }
        Ok(to.tx.record(TrustUpdated { role: row.id, trust })?)
    }
}

/// `DeleteRole`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteRole {
    role_name: String,
}

impl Write for DeleteRole {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let role = changeable::<RoleRow>(to, &self.role_name)?.row.id;
        let account = to.tx.account();
        if to.tx.count(account, &PROFILES_OF, &role)? > 0 {
            return Err(fault::MUST_LEAVE_PROFILES.with(&[]));
        }
        if to.tx.count(account, &ATTACHED, &role)? > 0 {
            return Err(fault::MUST_DETACH_POLICIES.with(&[]));
        }
        if to.tx.count(account, &INLINE_POLICIES, &role)? > 0 {
            return Err(fault::MUST_DELETE_POLICIES.with(&[]));
        }
        Ok(to.tx.record(RoleDeleted { role })?)
    }
}
