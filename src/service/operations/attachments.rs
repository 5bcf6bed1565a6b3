//! Managed policies attached to users, groups and roles: three operations, written once, one row a
//! kind; and the same seen from the policy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::boundaries::{Bounded, bounded};
use super::policies::{self, Usage};
use super::shapes::{changeable, need, page, policy_arn, quota};
use crate::identity::arn::Arn;
use crate::identity::change::{PolicyAttached, PolicyDetached, PolicyRef};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::{ATTACHED, ATTACHED_TO, BOUNDS, GroupRow, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

/// Managed policies that may be attached to one user, group or role (IAM User Guide, quotas).
const ATTACHED_QUOTA: usize = 10;

fn attach<P: Bounded>(
    to: &mut Writing<'_, '_>,
    owner: &str,
    arn: &str,
    quota_name: &str,
) -> Result<(), Fault> {
    let owner = changeable::<P>(to, owner)?.row.id().clone();
    let policy = policies::attachable(to, arn)?;
    let policy = policy.ok_or_else(|| fault::NO_ATTACHABLE_POLICY.with(&[arn]))?;
    let account = to.tx.account();
    if to.tx.get(account, &ATTACHED, &(owner.clone(), policy.clone()))?.is_some() {
        return Ok(());
    }
    quota(to.tx, || to.tx.count(account, &ATTACHED, &owner), ATTACHED_QUOTA, quota_name)?;
    Ok(to.tx.record(PolicyAttached { owner, policy })?)
}

/// A shared policy can be detached also when the catalogue no longer has it.
fn detach<P: Bounded>(to: &mut Writing<'_, '_>, owner: &str, arn: &str) -> Result<(), Fault> {
    let owner = changeable::<P>(to, owner)?.row.id().clone();
    policies::check_arn(arn)?;
    let found = target::find_policy(&to.directory(), arn)?;
    let policy = found.ok_or_else(|| fault::NOT_ATTACHED.with(&[arn]))?;
    if to.tx.get(to.tx.account(), &ATTACHED, &(owner.clone(), policy.clone()))?.is_none() {
        return Err(fault::NOT_ATTACHED.with(&[arn]));
    }
    Ok(to.tx.record(PolicyDetached { owner, policy })?)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

impl AttachedPolicy {
    fn key(&self) -> String {
        format!("{}\0{}", self.policy_name.to_lowercase(), self.policy_arn)
    }
}

/// The policies attached to somebody, in the order of their names.
pub(super) fn attached(
    directory: Directory<'_>,
    owner: &UniqueId,
) -> Result<Vec<AttachedPolicy>, Fault> {
    let mut attached = Vec::new();
    for row in directory.reader.list(directory.account, &ATTACHED, owner)? {
        let policy_arn = policy_arn(directory, &row.policy)?;
        let Some(parsed) = Arn::parse(&policy_arn) else { continue };
        attached.push(AttachedPolicy { policy_name: parsed.name().to_owned(), policy_arn });
    }
    attached.sort_by_key(AttachedPolicy::key);
    Ok(attached)
}

/// A page of the policies attached to somebody.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicies {
    attached_policies: Vec<AttachedPolicy>,
    is_truncated: bool,
    marker: Option<String>,
}

fn list<P: Bounded>(
    at: &Reading<'_>,
    owner: &str,
    path_prefix: Option<&str>,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<AttachedPolicies, Fault> {
    let id = need::<P>(at.directory, owner)?.row.id().clone();
    let mut attached = attached(at.directory, &id)?;
    if let Some(prefix) = path_prefix {
        attached.retain(|policy| {
            Arn::parse(&policy.policy_arn).is_some_and(|arn| arn.path().starts_with(prefix))
        });
    }
    let paged = page(attached, AttachedPolicy::key, max_items, marker)?;
    Ok(AttachedPolicies {
        attached_policies: paged.items,
        is_truncated: paged.is_truncated,
        marker: paged.marker,
    })
}

macro_rules! kinds {
    ($( $row:ident, $owner:ident, $quota:literal: $attach:ident $detach:ident $list:ident; )*) => {
        $(
            #[doc = concat!("`", stringify!($attach), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $attach {
                $owner: String,
                policy_arn: String,
            }

            impl Write for $attach {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    attach::<$row>(to, &self.$owner, &self.policy_arn, $quota)
                }
            }

            #[doc = concat!("`", stringify!($detach), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $detach {
                $owner: String,
                policy_arn: String,
            }

            impl Write for $detach {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    detach::<$row>(to, &self.$owner, &self.policy_arn)
                }
            }

            #[doc = concat!("`", stringify!($list), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $list {
                $owner: String,
                path_prefix: Option<String>,
                marker: Option<String>,
                max_items: Option<usize>,
            }

            impl Read for $list {
                fn read(self, at: &Reading<'_>) -> Result<AttachedPolicies, Fault> {
                    let (prefix, marker) = (self.path_prefix.as_deref(), self.marker.as_deref());
                    list::<$row>(at, &self.$owner, prefix, self.max_items, marker)
                }
            }
        )*

        operations! { Iam:
            $(
                write $attach on |op, scene| {
                    let target = bounded::<$row>(scene, &op.$owner)?;
                    Ok(target.key("iam:PolicyARN", op.policy_arn.as_str()))
                } => (),
                write $detach on |op, scene| {
                    let target = bounded::<$row>(scene, &op.$owner)?;
                    Ok(target.key("iam:PolicyARN", op.policy_arn.as_str()))
                } => (),
                read $list on |op, scene| target::named::<$row>(scene, &op.$owner) => AttachedPolicies,
            )*
            read ListEntitiesForPolicy on |op, scene| target::policy(scene, &op.policy_arn) => ListEntitiesForPolicyResult,
        }
    };
}

kinds! {
    UserRow, user_name, "PoliciesPerUser": AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies;
    GroupRow, group_name, "PoliciesPerGroup": AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies;
    RoleRow, role_name, "PoliciesPerRole": AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies;
}

/// The kinds that a request about entities may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum EntityFilter {
    User,
    Role,
    Group,
    /// In the model, but no policy is attached to a policy.
    LocalManagedPolicy,
    /// Likewise.
    #[serde(rename = "AWSManagedPolicy")]
    AwsManagedPolicy,
}

/// `ListEntitiesForPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListEntitiesForPolicy {
    policy_arn: String,
    entity_filter: Option<EntityFilter>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<Usage>,
    marker: Option<String>,
    max_items: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyGroup {
    group_name: String,
    group_id: UniqueId,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyUser {
    user_name: String,
    user_id: UniqueId,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyRole {
    role_name: String,
    role_id: UniqueId,
}

/// Those whom a policy is attached to or bounds: one page over groups, users and roles together.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListEntitiesForPolicyResult {
    policy_groups: Vec<PolicyGroup>,
    policy_users: Vec<PolicyUser>,
    policy_roles: Vec<PolicyRole>,
    is_truncated: bool,
    marker: Option<String>,
}

/// A user, group or role that a policy is used for.
struct Entity {
    filter: EntityFilter,
    path: String,
    name: String,
    id: UniqueId,
}

impl Entity {
    fn of<P: Principal>(
        directory: Directory<'_>,
        id: &UniqueId,
        filter: EntityFilter,
    ) -> Result<Option<Self>, Fault> {
        let found = directory.by_id::<P>(id)?;
        Ok(found.map(|found| Entity {
            filter,
            path: found.row.path().to_owned(),
            name: found.name,
            id: id.clone(),
        }))
    }

    fn find(directory: Directory<'_>, id: &UniqueId) -> Result<Option<Self>, Fault> {
        match id.kind() {
            Some(IdKind::User) => Entity::of::<UserRow>(directory, id, EntityFilter::User),
            Some(IdKind::Group) => Entity::of::<GroupRow>(directory, id, EntityFilter::Group),
            Some(IdKind::Role) => Entity::of::<RoleRow>(directory, id, EntityFilter::Role),
            _ => Ok(None),
        }
    }

    /// Groups first, then users, then roles, each in the order of their names.
    fn key(&self) -> String {
        let rank = match self.filter {
            EntityFilter::Group => 0,
            EntityFilter::User => 1,
            _ => 2,
        };
        format!("{rank}{}\0{}", self.name.to_lowercase(), self.id)
    }
}

impl Read for ListEntitiesForPolicy {
    fn read(self, at: &Reading<'_>) -> Result<ListEntitiesForPolicyResult, Fault> {
        let Directory { reader, account } = at.directory;
        // Existence first; a shared policy is attached by its ARN, a customer's by its unique id.
        policies::find(at.directory, at.documents, &self.policy_arn)?;
        let policy = target::find_policy(&at.directory, &self.policy_arn)?;
        let policy: PolicyRef = policy.ok_or_else(|| fault::NO_POLICY.with(&[&self.policy_arn]))?;
        // Who is bounded by a policy that is attached as well is listed once.
        let mut owners = BTreeSet::new();
        if self.policy_usage_filter != Some(Usage::PermissionsBoundary) {
            let rows = reader.list(account, &ATTACHED_TO, &policy)?;
            owners.extend(rows.into_iter().map(|row| row.owner));
        }
        if self.policy_usage_filter != Some(Usage::PermissionsPolicy) {
            let rows = reader.list(account, &BOUNDS, &policy)?;
            owners.extend(rows.into_iter().map(|row| row.owner));
        }
        let mut entities = Vec::new();
        for owner in owners {
            entities.extend(Entity::find(at.directory, &owner)?.filter(|entity| {
                self.entity_filter.is_none_or(|filter| filter == entity.filter)
                    && self
                        .path_prefix
                        .as_ref()
                        .is_none_or(|prefix| entity.path.starts_with(prefix))
            }));
        }
        let paged = page(entities, Entity::key, self.max_items, self.marker.as_deref())?;
        let mut answer = ListEntitiesForPolicyResult {
            policy_groups: Vec::new(),
            policy_users: Vec::new(),
            policy_roles: Vec::new(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        };
        for Entity { filter, name, id, .. } in paged.items {
            match filter {
                EntityFilter::Group => {
                    answer.policy_groups.push(PolicyGroup { group_name: name, group_id: id });
                }
                EntityFilter::User => {
                    answer.policy_users.push(PolicyUser { user_name: name, user_id: id });
                }
                _ => answer.policy_roles.push(PolicyRole { role_name: name, role_id: id }),
            }
        }
        Ok(answer)
    }
}
