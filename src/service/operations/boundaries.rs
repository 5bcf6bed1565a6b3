//! Permissions boundaries of users and roles: two operations, written once, one row a kind.

use serde::Deserialize;

use super::policies;
use super::shapes::{changeable, policy_arn};
use crate::identity::change::{BoundaryCleared, BoundarySet, PolicyRef};
use crate::projection::directory::Principal;
use crate::projection::tables::{GroupRow, RoleRow, UserRow};
use crate::service::fault::{self, Fault};
use crate::service::operation::{Write, Writing, operations};
use crate::service::target::{self, Scene, Target};

/// What a managed policy may be bound to.
pub trait Bounded: Principal {
    /// The policy that bounds it.
    fn boundary(&self) -> Option<&PolicyRef>;
}

impl Bounded for UserRow {
    fn boundary(&self) -> Option<&PolicyRef> {
        self.boundary.as_ref()
    }
}

impl Bounded for RoleRow {
    fn boundary(&self) -> Option<&PolicyRef> {
        self.boundary.as_ref()
    }
}

/// Groups are never bounded.
impl Bounded for GroupRow {
    fn boundary(&self) -> Option<&PolicyRef> {
        None
    }
}

/// A user, group or role by its name, with the condition key that tells which boundary it has: so may
/// somebody be allowed to manage the permissions of only those who are bounded.
pub fn bounded<P: Bounded>(scene: &Scene<'_>, name: &str) -> Result<Target, Fault> {
    let found = scene.directory.find::<P>(name)?;
    let boundary = match found.as_ref().and_then(|found| found.row.boundary()) {
        Some(policy) => Some(policy_arn(scene.directory, policy)?),
        None => None,
    };
    let target = target::named::<P>(scene, name)?;
    Ok(target.key_if("iam:PermissionsBoundary", boundary.as_deref()))
}

/// The policy of an ARN that is to bound somebody.
pub fn policy(to: &Writing<'_, '_>, arn: &str) -> Result<PolicyRef, Fault> {
    policies::attachable(to, arn)?.ok_or_else(|| fault::NO_BOUNDARY_POLICY.with(&[arn]))
}

fn put<P: Bounded>(to: &mut Writing<'_, '_>, name: &str, arn: &str) -> Result<(), Fault> {
    let found = changeable::<P>(to, name)?;
    let policy = policy(to, arn)?;
    if found.row.boundary() == Some(&policy) {
        return Ok(());
    }
    Ok(to.tx.record(BoundarySet { owner: found.row.id().clone(), policy })?)
}

/// Without a boundary there is nothing to do.
fn clear<P: Bounded>(to: &mut Writing<'_, '_>, name: &str) -> Result<(), Fault> {
    let found = changeable::<P>(to, name)?;
    if found.row.boundary().is_none() {
        return Ok(());
    }
    Ok(to.tx.record(BoundaryCleared { owner: found.row.id().clone() })?)
}

macro_rules! kinds {
    ($( $row:ident, $owner:ident: $put:ident $delete:ident; )*) => {
        $(
            #[doc = concat!("`", stringify!($put), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $put {
                $owner: String,
                permissions_boundary: String,
            }

            impl Write for $put {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    put::<$row>(to, &self.$owner, &self.permissions_boundary)
                }
            }

            #[doc = concat!("`", stringify!($delete), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $delete {
                $owner: String,
            }

            impl Write for $delete {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    clear::<$row>(to, &self.$owner)
                }
            }
        )*

        operations! { Iam:
            $(
                write $put on |op, scene| {
                    let target = target::named::<$row>(scene, &op.$owner)?;
                    Ok(target.key("iam:PermissionsBoundary", op.permissions_boundary.as_str()))
                } => (),
                write $delete on |op, scene| bounded::<$row>(scene, &op.$owner) => (),
            )*
        }
    };
}

kinds! {
    UserRow, user_name: PutUserPermissionsBoundary DeleteUserPermissionsBoundary;
    RoleRow, role_name: PutRolePermissionsBoundary DeleteRolePermissionsBoundary;
}
