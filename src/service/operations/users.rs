//! Users.

use serde::{Deserialize, Serialize};

use super::shapes::{
    Tag, User, check_tags, named_or_own, need, page_of_all, pairs, password_last_used, quota,
};
use super::{boundaries, tags};
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::{BoundarySet, UserCreated, UserDeleted, UserRenamed};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::directory::Directory;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{
    ATTACHED, Counted, GROUPS_OF, INLINE_POLICIES, KEYS_OF, LOGIN_PROFILES, MFA_DEVICES_OF,
    SERVICE_CREDENTIALS_OF, UserRow,
};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, Write, Writing, operations};
use crate::service::target;

operations! { Iam:
    write CreateUser on |op, scene| {
        Ok(target::new::<UserRow>(scene, op.path.as_deref(), &op.user_name)?
            .key_if("iam:PermissionsBoundary", op.permissions_boundary.as_deref())
            .making(&pairs(&op.tags), "iam:TagUser"))
    } => UserAnswer,
    read GetUser on |op, scene| target::user_or_self(scene, op.user_name.as_deref()) => GetUserResult,
    read ListUsers on |op, scene| target::new::<UserRow>(scene, op.path_prefix.as_deref(), "") => ListUsersResult,
    write UpdateUser on |op, scene| {
        let new = (op.new_path.as_deref(), op.new_user_name.as_deref());
        target::renamed::<UserRow>(scene, "iam:UpdateUser", &op.user_name, new)
    } => (),
    write DeleteUser on |op, scene| target::named::<UserRow>(scene, &op.user_name) => (),
}

/// Users that an account may have (IAM User Guide, quotas).
const USERS_QUOTA: usize = 5_000;

/// `CreateUser`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateUser {
    user_name: String,
    path: Option<String>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// A user.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserAnswer {
    user: User,
}

impl Write for CreateUser {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<UserAnswer, Fault> {
        let tags = pairs(&self.tags);
        check_tags(&tags, &[], IdKind::User)?;
        if to.directory().find_id(NameKind::User, &self.user_name)?.is_some() {
            return Err(fault::USER_EXISTS.with(&[&self.user_name]));
        }
        quota(to.tx, || to.directory().how_many(Counted::Users), USERS_QUOTA, "UsersPerAccount")?;
        let boundary = match &self.permissions_boundary {
            None => None,
            Some(arn) => Some(boundaries::policy(to, arn)?),
        };
        let user = to.tx.new_id(IdKind::User)?;
        to.tx.record(UserCreated {
            user: user.clone(),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            name: to.tx.seal(&user, "name", &self.user_name)?,
            name_tag: to.tx.name_tag(NameKind::User, &self.user_name)?,
        })?;
        if let Some(policy) = boundary {
            to.tx.record(BoundarySet { owner: user.clone(), policy })?;
        }
        tags::set(to.tx, &user, tags)?;
        to.concerns = Some(user.clone());
        let directory = to.directory();
        let made = need::<UserRow>(directory, &self.user_name)?;
        Ok(UserAnswer { user: User::full(directory, &made)? })
    }
}

/// `GetUser`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetUser {
    user_name: Option<String>,
}

/// A user, or the root user.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetUserResult {
    user: UserOrRoot,
}

#[derive(Serialize)]
#[serde(untagged)]
enum UserOrRoot {
    User(User),
    Root(RootUser),
}

/// The root user in an answer: its path and name do not exist.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootUser {
    user_id: String,
    arn: String,
    create_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_last_used: Option<Timestamp>,
}

impl RootUser {
    /// That of an account.
    pub fn of(directory: Directory<'_>) -> Result<Self, Fault> {
        let created = directory.account_row()?.map(|row| row.created);
        let digits = directory.digits()?;
        Ok(RootUser {
            arn: arn::root(&digits),
            user_id: digits,
            create_date: created.unwrap_or_default(),
            password_last_used: None,
        })
    }
}

impl Read for GetUser {
    fn read(self, at: &Reading<'_>) -> Result<GetUserResult, Fault> {
        if self.user_name.is_none() && at.caller.is_root() {
            let used = password_last_used(at, &UniqueId::root())?;
            let root = RootUser::of(at.directory)?;
            let root = RootUser { password_last_used: used, ..root };
            return Ok(GetUserResult { user: UserOrRoot::Root(root) });
        }
        let user = named_or_own(at.directory, at.caller, self.user_name.as_deref())?;
        let used = password_last_used(at, &user.row.id)?;
        let user = User::full(at.directory, &user)?.with_password_last_used(used);
        Ok(GetUserResult { user: UserOrRoot::User(user) })
    }
}

/// `ListUsers`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListUsers {
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// A page of users.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListUsersResult {
    users: Vec<User>,
    is_truncated: bool,
    marker: Option<String>,
}

impl Read for ListUsers {
    fn read(self, at: &Reading<'_>) -> Result<ListUsersResult, Fault> {
        let (prefix, marker) = (self.path_prefix.as_deref(), self.marker.as_deref());
        let paged = page_of_all::<UserRow>(at.directory, prefix, self.max_items, marker)?;
        let mut users = Vec::with_capacity(paged.items.len());
        for user in &paged.items {
            let used = password_last_used(at, &user.row.id)?;
            users.push(User::brief(user).with_password_last_used(used));
        }
        Ok(ListUsersResult { users, is_truncated: paged.is_truncated, marker: paged.marker })
    }
}

/// `UpdateUser`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateUser {
    user_name: String,
    new_path: Option<String>,
    new_user_name: Option<String>,
}

impl Write for UpdateUser {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = need::<UserRow>(to.directory(), &self.user_name)?;
        let name = self.new_user_name.unwrap_or_else(|| user.name.clone());
        let path = self.new_path.unwrap_or_else(|| user.row.path.clone());
        if name == user.name && path == user.row.path {
            return Ok(());
        }
        let holder = to.directory().find_id(NameKind::User, &name)?;
        if holder.is_some_and(|holder| holder != user.row.id) {
            return Err(fault::USER_EXISTS.with(&[&name]));
        }
        Ok(to.tx.record(UserRenamed {
            user: user.row.id.clone(),
            path,
            name: to.tx.seal(&user.row.id, "name", &name)?,
            name_tag: to.tx.name_tag(NameKind::User, &name)?,
        })?)
    }
}

/// `DeleteUser`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteUser {
    user_name: String,
}

impl Write for DeleteUser {
    fn write(self, to: &mut Writing<'_, '_>) -> Result<(), Fault> {
        let user = need::<UserRow>(to.directory(), &self.user_name)?.row.id;
        let account = to.tx.account();
        if to.tx.get(account, &LOGIN_PROFILES, &user)?.is_some() {
            return Err(fault::MUST_DELETE_LOGIN.with(&[]));
        }
        if to.tx.count(account, &KEYS_OF, &user)? > 0 {
            return Err(fault::MUST_DELETE_KEYS.with(&[]));
        }
        if to.tx.count(account, &MFA_DEVICES_OF, &user)? > 0 {
            return Err(fault::MUST_DELETE_MFA.with(&[]));
        }
        if to.tx.count(account, &SERVICE_CREDENTIALS_OF, &user)? > 0 {
            return Err(fault::MUST_DELETE_SERVICE_CREDENTIALS.with(&[]));
        }
        if to.tx.count(account, &GROUPS_OF, &user)? > 0 {
            return Err(fault::MUST_LEAVE_GROUPS.with(&[]));
        }
        if to.tx.count(account, &ATTACHED, &user)? > 0 {
            return Err(fault::MUST_DETACH_POLICIES.with(&[]));
        }
        if to.tx.count(account, &INLINE_POLICIES, &user)? > 0 {
            return Err(fault::MUST_DELETE_POLICIES.with(&[]));
        }
        Ok(to.tx.record(UserDeleted { user })?)
    }
}
