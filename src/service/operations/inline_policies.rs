//! Inline policies of users, groups and roles: four operations, written once, one row a kind.

use serde::{Deserialize, Serialize};

use super::boundaries::bounded;
use super::shapes::{changeable, need, page, shown_document};
use crate::identity::change::{InlinePolicyDeleted, InlinePolicyPut};
use crate::identity::id::UniqueId;
use crate::policy::{Document, DocumentKind};
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::{GroupRow, INLINE_POLICIES, InlinePolicyRow, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

/// Characters that do not count towards the size of a policy.
fn counted(document: &str) -> usize {
    document.chars().filter(|character| !character.is_whitespace()).count()
}

fn put<P: Principal>(
    to: &mut Writing<'_, '_>,
    owner: &str,
    name: String,
    document: &str,
    limit: usize,
) -> Result<(), Fault> {
    let found = changeable::<P>(to, owner)?;
    let id = found.row.id().clone();
    Document::parse_new(document, DocumentKind::Identity)?;
    // The aggregate size of all inline policies of an entity is bounded (IAM quotas). What is repeated of elsewhere was
    // allowed there.
    if !to.tx.is_repeated() && size(to, &id, &name)? + counted(document) > limit {
        let limit = limit.to_string();
        return Err(fault::INLINE_TOO_LARGE.with(&[&limit, P::ARN_TYPE, &found.name]));
    }
    let document = to.tx.keep_content(document.as_bytes());
    let old = to.tx.get(to.tx.account(), &INLINE_POLICIES, &(id.clone(), name.clone()))?;
    if old.is_some_and(|old| old.document == document) {
        return Ok(());
    }
    Ok(to.tx.record(InlinePolicyPut { owner: id, name, document })?)
}

/// The size of an owner's inline policies but for one.
fn size(to: &Writing<'_, '_>, owner: &UniqueId, but: &str) -> Result<usize, Fault> {
    let mut size = 0;
    for other in to.tx.list(to.tx.account(), &INLINE_POLICIES, owner)? {
        if other.name != but {
            size += counted(&to.directory().document(&other.document)?);
        }
    }
    Ok(size)
}

fn find<P: Principal>(
    directory: Directory<'_>,
    owner: &str,
    name: &str,
) -> Result<(String, UniqueId, InlinePolicyRow), Fault> {
    let found = need::<P>(directory, owner)?;
    let id = found.row.id().clone();
    let key = (id.clone(), name.to_owned());
    let row = directory.reader.get(directory.account, &INLINE_POLICIES, &key)?;
    let row = row.ok_or_else(|| fault::NO_INLINE_POLICY.with(&[P::ARN_TYPE, name]))?;
    Ok((found.name, id, row))
}

fn delete<P: Principal>(to: &mut Writing<'_, '_>, owner: &str, name: &str) -> Result<(), Fault> {
    changeable::<P>(to, owner)?;
    let (_, owner, row) = find::<P>(to.directory(), owner, name)?;
    Ok(to.tx.record(InlinePolicyDeleted { owner, name: row.name })?)
}

/// A page of names.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyNames {
    policy_names: Vec<String>,
    is_truncated: bool,
    marker: Option<String>,
}

fn list<P: Principal>(
    at: &Reading<'_>,
    owner: &str,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<PolicyNames, Fault> {
    let id = need::<P>(at.directory, owner)?.row.id().clone();
    let rows = at.directory.reader.list(at.directory.account, &INLINE_POLICIES, &id)?;
    let names: Vec<String> = rows.into_iter().map(|row| row.name).collect();
    let paged = page(names, Clone::clone, max_items, marker)?;
    Ok(PolicyNames {
        policy_names: paged.items,
        is_truncated: paged.is_truncated,
        marker: paged.marker,
    })
}

macro_rules! kinds {
    ($( $row:ident, $owner:ident, $limit:literal, $target:path: $put:ident $get:ident $got:ident $list:ident $delete:ident; )*) => {
        $(
            #[doc = concat!("`", stringify!($put), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $put {
                $owner: String,
                policy_name: String,
                policy_document: String,
            }

            impl Write for $put {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    put::<$row>(to, &self.$owner, self.policy_name, &self.policy_document, $limit)
                }
            }

            #[doc = concat!("`", stringify!($get), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $get {
                $owner: String,
                policy_name: String,
            }

            #[doc = concat!("What `", stringify!($get), "` answers.")]
            #[derive(Serialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $got {
                $owner: String,
                policy_name: String,
                policy_document: String,
            }

            impl Read for $get {
                fn read(self, at: &Reading<'_>) -> Result<$got, Fault> {
                    let (owner, _, row) =
                        find::<$row>(at.directory, &self.$owner, &self.policy_name)?;
                    Ok($got {
                        $owner: owner,
                        policy_name: row.name,
                        policy_document: shown_document(at.directory, &row.document)?,
                    })
                }
            }

            #[doc = concat!("`", stringify!($list), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $list {
                $owner: String,
                marker: Option<String>,
                max_items: Option<usize>,
            }

            impl Read for $list {
                fn read(self, at: &Reading<'_>) -> Result<PolicyNames, Fault> {
                    list::<$row>(at, &self.$owner, self.max_items, self.marker.as_deref())
                }
            }

            #[doc = concat!("`", stringify!($delete), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $delete {
                $owner: String,
                policy_name: String,
            }

            impl Write for $delete {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    delete::<$row>(to, &self.$owner, &self.policy_name)
                }
            }
        )*

        operations! { Iam:
            $(
                write $put on |op, scene| $target(scene, &op.$owner) => (),
                read $get on |op, scene| target::named::<$row>(scene, &op.$owner) => $got,
                read $list on |op, scene| target::named::<$row>(scene, &op.$owner) => PolicyNames,
                write $delete on |op, scene| $target(scene, &op.$owner) => (),
            )*
        }
    };
}

// The number is the quota of characters, white space not counted; after it, what writing is judged on: the
// boundary of a user or role is part of that.
kinds! {
    UserRow, user_name, 2_048, bounded::<UserRow>: PutUserPolicy GetUserPolicy GetUserPolicyResult ListUserPolicies DeleteUserPolicy;
    GroupRow, group_name, 5_120, target::named::<GroupRow>: PutGroupPolicy GetGroupPolicy GetGroupPolicyResult ListGroupPolicies DeleteGroupPolicy;
    RoleRow, role_name, 10_240, bounded::<RoleRow>: PutRolePolicy GetRolePolicy GetRolePolicyResult ListRolePolicies DeleteRolePolicy;
}
