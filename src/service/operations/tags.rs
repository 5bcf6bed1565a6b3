//! Tags of users, roles, managed policies, instance profiles and multi-factor devices: three operations, written once, one
//! row a kind.

use serde::{Deserialize, Serialize};

use super::instance_profiles;
use super::mfa_devices;
use super::policies;
use super::shapes::{Tag, check_tags, need, page, pairs};
use crate::identity::arn::Arn;
use crate::identity::change::{Tagged, Untagged};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::Transaction;
use crate::projection::directory::Directory;
use crate::projection::fold::same_key;
use crate::projection::sealing::tag_field;
use crate::projection::tables::{InstanceProfileRow, MfaDeviceRow, PolicyRow, RoleRow, UserRow};
use crate::service::documents::Documents;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target::{self, Scene, Target};

/// Sets an owner's tags; those of the same key are replaced.
pub fn set(
    tx: &mut Transaction<'_>,
    owner: &UniqueId,
    tags: Vec<(String, String)>,
) -> Result<(), Fault> {
    if tags.is_empty() {
        return Ok(());
    }
    let mut sealed = Vec::with_capacity(tags.len());
    for (key, value) in tags {
        let value = tx.seal(owner, &tag_field(&key), &value)?;
        sealed.push((key, value));
    }
    Ok(tx.record(Tagged { owner: owner.clone(), tags: sealed })?)
}

/// What can have tags. `named` is what a request calls it by: its name, or a policy's ARN.
trait Taggable {
    /// What it is; whether its keys differ by case hangs on that.
    const KIND: IdKind;
    /// What a request about it is judged on.
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault>;
    /// Its unique id, to be changed.
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault>;
    /// Its tags.
    fn tags(
        directory: Directory<'_>,
        _: &Documents,
        named: &str,
    ) -> Result<Vec<(String, String)>, Fault> {
        Ok(directory.tags(&Self::owner(directory, named)?)?)
    }
}

impl Taggable for UserRow {
    const KIND: IdKind = IdKind::User;
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault> {
        target::named::<UserRow>(scene, named)
    }
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault> {
        Ok(need::<UserRow>(directory, named)?.row.id)
    }
}

impl Taggable for RoleRow {
    const KIND: IdKind = IdKind::Role;
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault> {
        target::named::<RoleRow>(scene, named)
    }
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault> {
        Ok(need::<RoleRow>(directory, named)?.row.id)
    }
}

impl Taggable for PolicyRow {
    const KIND: IdKind = IdKind::Policy;
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault> {
        target::policy(scene, named)
    }
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault> {
        Ok(policies::own(directory, named)?.id)
    }
    /// A policy that every account shares has none.
    fn tags(
        directory: Directory<'_>,
        documents: &Documents,
        named: &str,
    ) -> Result<Vec<(String, String)>, Fault> {
        match policies::find(directory, documents, named)? {
            policies::Managed::Own(row) => Ok(directory.tags(&row.id)?),
            policies::Managed::Shared(_) => Ok(Vec::new()),
        }
    }
}

impl Taggable for InstanceProfileRow {
    const KIND: IdKind = IdKind::InstanceProfile;
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault> {
        instance_profiles::named(scene, named)
    }
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault> {
        Ok(instance_profiles::existing(directory, named)?.id)
    }
}

impl Taggable for MfaDeviceRow {
    const KIND: IdKind = IdKind::MfaDevice;
    fn target(scene: &Scene<'_>, named: &str) -> Result<Target, Fault> {
        mfa_devices::device(scene, named)
    }
    fn owner(directory: Directory<'_>, named: &str) -> Result<UniqueId, Fault> {
        if Arn::parse(named).is_none_or(|arn| arn.kind() != "mfa") {
            return Err(fault::BAD_ARN.with(&[named]));
        }
        Ok(mfa_devices::existing(directory, named)?.row.id)
    }
}

fn tag<T: Taggable>(to: &mut Writing<'_, '_>, named: &str, tags: &[Tag]) -> Result<(), Fault> {
    let owner = T::owner(to.directory(), named)?;
    let mut tags = pairs(tags);
    let already = to.directory().tags(&owner)?;
    check_tags(&tags, &already, T::KIND)?;
    // What is so already is not something that happened.
    tags.retain(|tag| !already.contains(tag));
    set(to.tx, &owner, tags)
}

/// Keys that are not there are passed over.
fn untag<T: Taggable>(to: &mut Writing<'_, '_>, named: &str, keys: &[String]) -> Result<(), Fault> {
    let owner = T::owner(to.directory(), named)?;
    let already = to.directory().tags(&owner)?.into_iter().map(|(key, _)| key);
    let is_named = |key: &String| keys.iter().any(|gone| same_key(Some(T::KIND), gone, key));
    let keys: Vec<String> = already.filter(is_named).collect();
    if keys.is_empty() {
        return Ok(());
    }
    Ok(to.tx.record(Untagged { owner, keys })?)
}

/// A page of tags.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagsPage {
    tags: Vec<Tag>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Keys may differ by case alone.
fn tag_key(tag: &Tag) -> String {
    format!("{}\0{}", tag.key.to_lowercase(), tag.key)
}

fn list<T: Taggable>(
    at: &Reading<'_>,
    named: &str,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<TagsPage, Fault> {
    let tags = T::tags(at.directory, at.documents, named)?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    let paged = page(tags, tag_key, max_items, marker)?;
    Ok(TagsPage { tags: paged.items, is_truncated: paged.is_truncated, marker: paged.marker })
}

macro_rules! kinds {
    ($( $row:ident, $owner:ident: $tag:ident $untag:ident $list:ident; )*) => {
        $(
            #[doc = concat!("`", stringify!($tag), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $tag {
                $owner: String,
                #[serde(default)]
                tags: Vec<Tag>,
            }

            impl Write for $tag {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    tag::<$row>(to, &self.$owner, &self.tags)
                }
            }

            #[doc = concat!("`", stringify!($untag), "`")]
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $untag {
                $owner: String,
                #[serde(default)]
                tag_keys: Vec<String>,
            }

            impl Write for $untag {
                fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
                    untag::<$row>(to, &self.$owner, &self.tag_keys)
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
                fn read(self, at: &Reading<'_>) -> Result<TagsPage, Fault> {
                    list::<$row>(at, &self.$owner, self.max_items, self.marker.as_deref())
                }
            }
        )*

        operations! { Iam:
            $(
                write $tag on |op, scene| {
                    let target = <$row as Taggable>::target(scene, &op.$owner)?;
                    Ok(target.requesting(&pairs(&op.tags)))
                } => (),
                write $untag on |op, scene| {
                    Ok(<$row as Taggable>::target(scene, &op.$owner)?.naming(&op.tag_keys))
                } => (),
                read $list on |op, scene| <$row as Taggable>::target(scene, &op.$owner) => TagsPage,
            )*
        }
    };
}

kinds! {
    UserRow, user_name: TagUser UntagUser ListUserTags;
    RoleRow, role_name: TagRole UntagRole ListRoleTags;
    PolicyRow, policy_arn: TagPolicy UntagPolicy ListPolicyTags;
    InstanceProfileRow, instance_profile_name: TagInstanceProfile UntagInstanceProfile ListInstanceProfileTags;
    MfaDeviceRow, serial_number: TagMFADevice UntagMFADevice ListMFADeviceTags;
}
