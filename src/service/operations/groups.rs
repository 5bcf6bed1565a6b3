//! User groups and who is in them.

use serde::{Deserialize, Serialize};

use super::shapes::{Group, User, name_key, need, page, page_of_all, page_of_named, quota};
use crate::identity::change::{
    GroupCreated, GroupDeleted, GroupRenamed, MemberAdded, MemberRemoved,
};
use crate::identity::id::IdKind;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    ATTACHED, Counted, GROUPS_OF, GroupRow, INLINE_POLICIES, MEMBERS, UserRow,
};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

operations! { Iam:
    write CreateGroup on |op, scene| target::new::<GroupRow>(scene, op.path.as_deref(), &op.group_name) => CreateGroupResult,
    read GetGroup on |op, scene| target::named::<GroupRow>(scene, &op.group_name) => GetGroupResult,
    read ListGroups on |op, scene| target::new::<GroupRow>(scene, op.path_prefix.as_deref(), "") => GroupsPage,
    read ListGroupsForUser on |op, scene| target::named::<UserRow>(scene, &op.user_name) => GroupsPage,
    write UpdateGroup on |op, scene| {
        let new = (op.new_path.as_deref(), op.new_group_name.as_deref());
        target::renamed::<GroupRow>(scene, "iam:UpdateGroup", &op.group_name, new)
    } => (),
    write DeleteGroup on |op, scene| target::named::<GroupRow>(scene, &op.group_name) => (),
    write AddUserToGroup on |op, scene| target::named::<GroupRow>(scene, &op.group_name) => (),
    write RemoveUserFromGroup on |op, scene| target::named::<GroupRow>(scene, &op.group_name) => (),
}

/// Groups that an account may have (IAM User Guide, quotas).
const GROUPS_QUOTA: usize = 300;
/// Groups that a user may be in; not adjustable.
const MEMBERSHIPS_QUOTA: usize = 10;

/// `CreateGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateGroup {
    path: Option<String>,
    group_name: String,
}

/// The new group.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateGroupResult {
    group: Group,
}

impl Write for CreateGroup {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<CreateGroupResult, Fault> {
        if to.directory().find_id(NameKind::Group, &self.group_name)?.is_some() {
            return Err(fault::GROUP_EXISTS.with(&[&self.group_name]));
        }
        quota(
            to.tx,
            || to.directory().how_many(Counted::Groups),
            GROUPS_QUOTA,
            "GroupsPerAccount",
        )?;
        let group = to.tx.new_id(IdKind::Group)?;
        to.tx.record(GroupCreated {
            group: group.clone(),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            name: to.tx.seal(&group, "name", &self.group_name)?,
            name_tag: to.tx.name_tag(NameKind::Group, &self.group_name)?,
        })?;
        to.concerns = Some(group);
        let made = need::<GroupRow>(to.directory(), &self.group_name)?;
        Ok(CreateGroupResult { group: Group::of(&made) })
    }
}

/// `GetGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetGroup {
    group_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A group and a page of its users.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetGroupResult {
    group: Group,
    users: Vec<User>,
    is_truncated: bool,
    marker: Option<String>,
}

impl Read for GetGroup {
    fn read(self, at: &Reading<'_>) -> Result<GetGroupResult, Fault> {
        let group = need::<GroupRow>(at.directory, &self.group_name)?;
        let users = at.directory.members(&group.row.id)?;
        let paged =
            page_of_named::<UserRow>(at.directory, &users, self.max_items, self.marker.as_deref())?;
        Ok(GetGroupResult {
            group: Group::of(&group),
            users: paged.items.iter().map(User::brief).collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// A page of groups.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupsPage {
    groups: Vec<Group>,
    is_truncated: bool,
    marker: Option<String>,
}

/// `ListGroups`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListGroups {
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

impl Read for ListGroups {
    fn read(self, at: &Reading<'_>) -> Result<GroupsPage, Fault> {
        let (prefix, marker) = (self.path_prefix.as_deref(), self.marker.as_deref());
        let paged = page_of_all::<GroupRow>(at.directory, prefix, self.max_items, marker)?;
        Ok(GroupsPage {
            groups: paged.items.iter().map(Group::of).collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// `ListGroupsForUser`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListGroupsForUser {
    user_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

impl Read for ListGroupsForUser {
    fn read(self, at: &Reading<'_>) -> Result<GroupsPage, Fault> {
        let user = need::<UserRow>(at.directory, &self.user_name)?;
        let groups = at.directory.groups_of(&user.row.id)?;
        let paged = page(groups, name_key, self.max_items, self.marker.as_deref())?;
        Ok(GroupsPage {
            groups: paged.items.iter().map(Group::of).collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }
}

/// `UpdateGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateGroup {
    group_name: String,
    new_path: Option<String>,
    new_group_name: Option<String>,
}

impl Write for UpdateGroup {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let group = need::<GroupRow>(to.directory(), &self.group_name)?;
        let name = self.new_group_name.unwrap_or_else(|| group.name.clone());
        let path = self.new_path.unwrap_or_else(|| group.row.path.clone());
        if name == group.name && path == group.row.path {
            return Ok(());
        }
        let holder = to.directory().find_id(NameKind::Group, &name)?;
        if holder.is_some_and(|holder| holder != group.row.id) {
            return Err(fault::GROUP_EXISTS.with(&[&name]));
        }
        Ok(to.tx.record(GroupRenamed {
            group: group.row.id.clone(),
            path,
            name: to.tx.seal(&group.row.id, "name", &name)?,
            name_tag: to.tx.name_tag(NameKind::Group, &name)?,
        })?)
    }
}

/// `DeleteGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteGroup {
    group_name: String,
}

impl Write for DeleteGroup {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let group = need::<GroupRow>(to.directory(), &self.group_name)?.row.id;
        let account = to.tx.account();
        if to.tx.count(account, &MEMBERS, &group)? > 0 {
            return Err(fault::MUST_REMOVE_USERS.with(&[]));
        }
        if to.tx.count(account, &ATTACHED, &group)? > 0 {
            return Err(fault::MUST_DETACH_POLICIES.with(&[]));
        }
        if to.tx.count(account, &INLINE_POLICIES, &group)? > 0 {
            return Err(fault::MUST_DELETE_POLICIES.with(&[]));
        }
        Ok(to.tx.record(GroupDeleted { group })?)
    }
}

/// `AddUserToGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AddUserToGroup {
    group_name: String,
    user_name: String,
}

impl Write for AddUserToGroup {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let group = need::<GroupRow>(to.directory(), &self.group_name)?.row.id;
        let user = need::<UserRow>(to.directory(), &self.user_name)?.row.id;
        let account = to.tx.account();
        if to.tx.get(account, &MEMBERS, &(group.clone(), user.clone()))?.is_some() {
            return Ok(());
        }
        quota(
            to.tx,
            || to.tx.count(account, &GROUPS_OF, &user),
            MEMBERSHIPS_QUOTA,
            "GroupsPerUser",
        )?;
        Ok(to.tx.record(MemberAdded { group, user })?)
    }
}

/// `RemoveUserFromGroup`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemoveUserFromGroup {
    group_name: String,
    user_name: String,
}

impl Write for RemoveUserFromGroup {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        // The user is looked for first, and who is not in the group need not leave it: so AWS answers.
        let user = need::<UserRow>(to.directory(), &self.user_name)?.row.id;
        let group = need::<GroupRow>(to.directory(), &self.group_name)?.row.id;
        if to.tx.get(to.tx.account(), &MEMBERS, &(group.clone(), user.clone()))?.is_none() {
            return Ok(());
        }
        Ok(to.tx.record(MemberRemoved { group, user })?)
    }
}
