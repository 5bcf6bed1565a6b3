//! Everything that an account may do, in one answer: users, groups, roles and managed policies with
//! their documents. Audit tools read an account by this one operation.

use serde::{Deserialize, Serialize};

use super::account::policies_in_use;
use super::attachments::{AttachedPolicy, attached};
use super::instance_profiles::{self, InstanceProfile};
use super::policies::{Managed, Policy};
use super::policy_versions::PolicyVersion;
use super::roles;
use super::shapes::{
    AttachedPermissionsBoundary, RoleLastUsed, Tag, name_key, page, shown_boundary, shown_document,
    shown_tags, shown_trust,
};
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::{
    GroupRow, INLINE_POLICIES, InlinePolicyRow, POLICIES, POLICY_VERSIONS, RoleRow, UserRow,
};
use crate::projection::view::ReadTables;
use crate::service::fault::Fault;
use crate::service::operation::{Read, Reading, operations};
use crate::service::target::Target;

operations! { Iam:
    read GetAccountAuthorizationDetails on |op, scene| Ok(Target::any()) => GetAccountAuthorizationDetailsResult,
}

/// What a request may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    User,
    Group,
    Role,
    LocalManagedPolicy,
    #[serde(rename = "AWSManagedPolicy")]
    AwsManagedPolicy,
}

/// `GetAccountAuthorizationDetails`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccountAuthorizationDetails {
    #[serde(default)]
    filter: Vec<Kind>,
    max_items: Option<usize>,
    marker: Option<String>,
}

/// One page over users, groups, roles and policies together.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetAccountAuthorizationDetailsResult {
    user_detail_list: Vec<UserDetail>,
    group_detail_list: Vec<GroupDetail>,
    role_detail_list: Vec<RoleDetail>,
    policies: Vec<ManagedPolicyDetail>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDetail {
    policy_name: String,
    policy_document: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserDetail {
    path: String,
    user_name: String,
    user_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    user_policy_list: Vec<PolicyDetail>,
    group_list: Vec<String>,
    attached_managed_policies: Vec<AttachedPolicy>,
    permissions_boundary: Option<AttachedPermissionsBoundary>,
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupDetail {
    path: String,
    group_name: String,
    group_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    group_policy_list: Vec<PolicyDetail>,
    attached_managed_policies: Vec<AttachedPolicy>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoleDetail {
    path: String,
    role_name: String,
    role_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    assume_role_policy_document: String,
    instance_profile_list: Vec<InstanceProfile>,
    role_policy_list: Vec<PolicyDetail>,
    attached_managed_policies: Vec<AttachedPolicy>,
    permissions_boundary: Option<AttachedPermissionsBoundary>,
    tags: Option<Vec<Tag>>,
    role_last_used: RoleLastUsed,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedPolicyDetail {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    description: Option<String>,
    create_date: Timestamp,
    update_date: Timestamp,
    policy_version_list: Vec<PolicyVersion>,
}

/// The inline policies of a user, group or role, in the order of their names.
fn inline(directory: Directory<'_>, owner: &UniqueId) -> Result<Vec<PolicyDetail>, Fault> {
    let rows = directory.reader.list(directory.account, &INLINE_POLICIES, owner)?;
    let detail = |row: InlinePolicyRow| {
        let policy_document = shown_document(directory, &row.document)?;
        Ok(PolicyDetail { policy_name: row.name, policy_document })
    };
    rows.into_iter().map(detail).collect()
}

impl UserDetail {
    fn of(directory: Directory<'_>, user: Named<UserRow>) -> Result<Self, Fault> {
        let id = user.row.id;
        let groups = directory.groups_of(&id)?;
        Ok(UserDetail {
            user_policy_list: inline(directory, &id)?,
            group_list: groups.into_iter().map(|group| group.name).collect(),
            attached_managed_policies: attached(directory, &id)?,
            permissions_boundary: shown_boundary(directory, user.row.boundary.as_ref())?,
            tags: shown_tags(directory, &id)?,
            path: user.row.path,
            user_name: user.name,
            user_id: id,
            arn: user.arn,
            create_date: user.row.created,
        })
    }
}

impl GroupDetail {
    fn of(directory: Directory<'_>, group: Named<GroupRow>) -> Result<Self, Fault> {
        Ok(GroupDetail {
            group_policy_list: inline(directory, &group.row.id)?,
            attached_managed_policies: attached(directory, &group.row.id)?,
            path: group.row.path,
            group_name: group.name,
            group_id: group.row.id,
            arn: group.arn,
            create_date: group.row.created,
        })
    }
}

impl RoleDetail {
    fn of(at: &Reading<'_>, role: Named<RoleRow>) -> Result<Self, Fault> {
        let directory = at.directory;
        let id = role.row.id;
        let mut profiles = Vec::new();
        for row in instance_profiles::holding(directory, &id)? {
            profiles.push(InstanceProfile::brief(directory, &row)?);
        }
        Ok(RoleDetail {
            assume_role_policy_document: shown_trust(directory, &role.row.trust)?,
            instance_profile_list: profiles,
            role_policy_list: inline(directory, &id)?,
            attached_managed_policies: attached(directory, &id)?,
            permissions_boundary: shown_boundary(directory, role.row.boundary.as_ref())?,
            tags: shown_tags(directory, &id)?,
            role_last_used: roles::last_used(at, &id)?,
            path: role.row.path,
            role_name: role.name,
            role_id: id,
            arn: role.arn,
            create_date: role.row.created,
        })
    }
}

impl ManagedPolicyDetail {
    fn of(directory: Directory<'_>, policy: &Managed) -> Result<Self, Fault> {
        let mut versions = Vec::new();
        match policy {
            Managed::Own(row) => {
                for version in
                    directory.reader.list(directory.account, &POLICY_VERSIONS, &row.id)?
                {
                    versions.push(PolicyVersion::with_document(directory, row, &version)?);
                }
                // The newest first.
                versions.reverse();
            }
            Managed::Shared(shared) => versions.push(PolicyVersion::of_shared(shared)),
        }
        let shown = Policy::full(directory, policy)?;
        Ok(ManagedPolicyDetail {
            policy_name: shown.policy_name,
            policy_id: shown.policy_id,
            arn: shown.arn,
            path: shown.path,
            default_version_id: shown.default_version_id,
            attachment_count: shown.attachment_count,
            permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
            is_attachable: shown.is_attachable,
            description: shown.description,
            create_date: shown.create_date,
            update_date: shown.update_date,
            policy_version_list: versions,
        })
    }
}

/// What a page is cut out of, before the costly details are read.
enum Item {
    User(Named<UserRow>),
    Group(Named<GroupRow>),
    Role(Named<RoleRow>),
    Policy(Managed),
}

impl Item {
    /// Users, groups, roles, the account's policies, shared ones; each in the order of their names.
    fn key(&self) -> String {
        match self {
            Item::User(user) => format!("1{}", name_key(user)),
            Item::Group(group) => format!("2{}", name_key(group)),
            Item::Role(role) => format!("3{}", name_key(role)),
            Item::Policy(Managed::Own(row)) => format!("4{}\0{}", row.name.to_lowercase(), row.id),
            Item::Policy(Managed::Shared(shared)) => {
                format!("5{}\0{}", shared.name.to_lowercase(), shared.arn)
            }
        }
    }
}

/// The shared policies that grant or bound in the account: AWS, too, leaves out the unused ones.
fn shared_in_use(at: &Reading<'_>) -> Result<Vec<Managed>, Fault> {
    let used = policies_in_use(at.directory)?;
    let Directory { reader, account } = at.directory;
    let shared = used.iter().filter(|policy| policy.is_shared());
    let found = shared.map(|policy| at.documents.shared(reader, account, policy));
    Ok(found
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(Managed::Shared)
        .collect())
}

impl GetAccountAuthorizationDetails {
    fn items(&self, at: &Reading<'_>) -> Result<Vec<Item>, Fault> {
        let wants = |kind| self.filter.is_empty() || self.filter.contains(&kind);
        let Directory { reader, account } = at.directory;
        let mut items = Vec::new();
        if wants(Kind::User) {
            items.extend(at.directory.all()?.into_iter().map(Item::User));
        }
        if wants(Kind::Group) {
            items.extend(at.directory.all()?.into_iter().map(Item::Group));
        }
        if wants(Kind::Role) {
            items.extend(at.directory.all()?.into_iter().map(Item::Role));
        }
        if wants(Kind::LocalManagedPolicy) {
            let rows = reader.list(account, &POLICIES, &())?;
            items.extend(rows.into_iter().map(Managed::Own).map(Item::Policy));
        }
        if wants(Kind::AwsManagedPolicy) {
            items.extend(shared_in_use(at)?.into_iter().map(Item::Policy));
        }
        Ok(items)
    }
}

impl Read for GetAccountAuthorizationDetails {
    fn read(self, at: &Reading<'_>) -> Result<GetAccountAuthorizationDetailsResult, Fault> {
        let paged = page(self.items(at)?, Item::key, self.max_items, self.marker.as_deref())?;
        let mut answer = GetAccountAuthorizationDetailsResult {
            user_detail_list: Vec::new(),
            group_detail_list: Vec::new(),
            role_detail_list: Vec::new(),
            policies: Vec::new(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        };
        for item in paged.items {
            match item {
                Item::User(user) => {
                    answer.user_detail_list.push(UserDetail::of(at.directory, user)?);
                }
                Item::Group(group) => {
                    answer.group_detail_list.push(GroupDetail::of(at.directory, group)?);
                }
                Item::Role(role) => answer.role_detail_list.push(RoleDetail::of(at, role)?),
                Item::Policy(policy) => {
                    answer.policies.push(ManagedPolicyDetail::of(at.directory, &policy)?);
                }
            }
        }
        Ok(answer)
    }
}
