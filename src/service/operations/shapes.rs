//! Shapes that many answers share, in AWS's own field names; and pages.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::base::text::{base64_url, from_base64_url, percent_encode};
use crate::base::time::Timestamp;
use crate::identity::arn::{self, Arn};
use crate::identity::change::{PolicyRef, Trust};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::directory::{Directory, Named, Principal};
use crate::projection::fold::same_key;
use crate::projection::tables::{GroupRow, LOGIN_PROFILES, POLICIES, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Transaction, trust};
use crate::service::Writing;
use crate::service::activity::usage::principal_key;
use crate::service::caller::Caller;
use crate::service::fault::{self, Fault};
use crate::service::operation::Reading;

/// A tag in a request or an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

/// The tags of a request as pairs.
pub fn pairs(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// Checks the tags of a request: no key twice, no reserved one, at most 50 with those that the owner has
/// already.
pub fn check_tags(
    tags: &[(String, String)],
    already: &[(String, String)],
    kind: IdKind,
) -> Result<(), Fault> {
    let same_key = |one: &str, other: &str| same_key(Some(kind), one, other);
    for (number, (key, _)) in tags.iter().enumerate() {
        if key.to_lowercase().starts_with("aws:") {
            return Err(fault::RESERVED_TAG.with(&[key]));
        }
        if tags.iter().take(number).any(|(other, _)| same_key(other, key)) {
            return Err(fault::DUPLICATE_TAG_KEYS.with(&[]));
        }
    }
    let kept =
        already.iter().filter(|(old, _)| !tags.iter().any(|(new, _)| same_key(old, new))).count();
    if kept + tags.len() > 50 {
        return Err(fault::TOO_MANY_TAGS.with(&[]));
    }
    Ok(())
}

/// The tags of an entity as an answer shows them; `None` if it has none.
pub fn shown_tags(directory: Directory<'_>, owner: &UniqueId) -> Result<Option<Vec<Tag>>, Fault> {
    let tags = directory.tags(owner)?;
    Ok((!tags.is_empty())
        .then(|| tags.into_iter().map(|(key, value)| Tag { key, value }).collect()))
}

/// A permissions boundary as an answer shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPermissionsBoundary {
    /// Always `Policy`: that is what AWS sends, although the model's only value is another.
    pub permissions_boundary_type: &'static str,
    /// The policy's ARN.
    pub permissions_boundary_arn: String,
}

/// The ARN of a managed policy; the bare reference if it no longer exists.
pub fn policy_arn(directory: Directory<'_>, policy: &PolicyRef) -> Result<String, Fault> {
    if policy.is_shared() {
        return Ok(policy.0.clone());
    }
    let Some(id) = UniqueId::parse(&policy.0) else { return Ok(policy.0.clone()) };
    Ok(match directory.reader.get(directory.account, &POLICIES, &id)? {
        Some(row) => arn::iam(&directory.digits()?, "policy", &row.path, &row.name),
        None => policy.0.clone(),
    })
}

/// A boundary as an answer shows it.
pub fn shown_boundary(
    directory: Directory<'_>,
    boundary: Option<&PolicyRef>,
) -> Result<Option<AttachedPermissionsBoundary>, Fault> {
    let Some(policy) = boundary else { return Ok(None) };
    Ok(Some(AttachedPermissionsBoundary {
        permissions_boundary_type: "Policy",
        permissions_boundary_arn: policy_arn(directory, policy)?,
    }))
}

/// A policy document as IAM answers show it: percent-encoded (RFC 3986).
pub fn shown_document(directory: Directory<'_>, hash: &[u8; 32]) -> Result<String, Fault> {
    Ok(percent_encode(directory.document(hash)?.as_bytes()))
}

/// A trust policy as IAM answers show it, those whom it names called as they are by now.
pub fn shown_trust(directory: Directory<'_>, policy: &Trust) -> Result<String, Fault> {
    Ok(percent_encode(trust::shown(directory, policy)?.as_bytes()))
}

/// A user in an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct User {
    path: String,
    user_name: String,
    user_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_last_used: Option<Timestamp>,
    permissions_boundary: Option<AttachedPermissionsBoundary>,
    tags: Option<Vec<Tag>>,
}

/// When the password of a user, or of the root user, was last used to sign in, as of the moment shown.
pub fn password_last_used(at: &Reading<'_>, id: &UniqueId) -> Result<Option<Timestamp>, Fault> {
    let Directory { reader, account } = at.directory;
    // Most users have none, which is known without reading the activity book.
    if *id != UniqueId::root() && reader.get(account, &LOGIN_PROFILES, id)?.is_none() {
        return Ok(None);
    }
    let used = at.activity.last_used(&principal_key(account, id), at.instant)?;
    Ok(used.map(|used| used.at))
}

impl User {
    /// With boundary and tags, as Get and Create show it.
    pub fn full(directory: Directory<'_>, user: &Named<UserRow>) -> Result<Self, Fault> {
        Ok(User {
            permissions_boundary: shown_boundary(directory, user.row.boundary.as_ref())?,
            tags: shown_tags(directory, &user.row.id)?,
            ..User::brief(user)
        })
    }

    /// Without them, as lists show it.
    pub fn brief(user: &Named<UserRow>) -> Self {
        User {
            path: user.row.path.clone(),
            user_name: user.name.clone(),
            user_id: user.row.id.clone(),
            arn: user.arn.clone(),
            create_date: user.row.created,
            password_last_used: None,
            permissions_boundary: None,
            tags: None,
        }
    }

    /// And when its password was last used, as Get and List show it.
    pub fn with_password_last_used(self, password_last_used: Option<Timestamp>) -> Self {
        User { password_last_used, ..self }
    }
}

/// A user group in an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    path: String,
    group_name: String,
    group_id: UniqueId,
    arn: String,
    create_date: Timestamp,
}

impl Group {
    /// As every answer shows it.
    pub fn of(group: &Named<GroupRow>) -> Self {
        Group {
            path: group.row.path.clone(),
            group_name: group.name.clone(),
            group_id: group.row.id.clone(),
            arn: group.arn.clone(),
            create_date: group.row.created,
        }
    }
}

/// When a role was last used.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleLastUsed {
    /// When.
    pub last_used_date: Option<Timestamp>,
    /// Where.
    pub region: Option<String>,
}

/// A role in an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    path: String,
    role_name: String,
    role_id: UniqueId,
    arn: String,
    create_date: Timestamp,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<AttachedPermissionsBoundary>,
    tags: Option<Vec<Tag>>,
    role_last_used: Option<RoleLastUsed>,
}

impl Role {
    /// With all that belongs to it, as Get shows it.
    pub fn full(directory: Directory<'_>, role: &Named<RoleRow>) -> Result<Self, Fault> {
        let Role { description, max_session_duration, .. } = Role::brief(directory, role)?;
        Ok(Role { description, max_session_duration, ..Role::created(directory, role)? })
    }

    /// With boundary and tags, as Create shows it.
    pub fn created(directory: Directory<'_>, role: &Named<RoleRow>) -> Result<Self, Fault> {
        Ok(Role {
            permissions_boundary: shown_boundary(directory, role.row.boundary.as_ref())?,
            tags: shown_tags(directory, &role.row.id)?,
            ..Role::bare(directory, role)?
        })
    }

    /// With description and longest session, as lists show it.
    pub fn brief(directory: Directory<'_>, role: &Named<RoleRow>) -> Result<Self, Fault> {
        let description = match &role.row.description {
            Some(sealed) => Some(directory.open(&role.row.id, "description", sealed)?),
            None => None,
        };
        let max_session_duration = Some(role.row.max_session);
        Ok(Role { description, max_session_duration, ..Role::bare(directory, role)? })
    }

    /// As an instance profile shows it.
    pub fn bare(directory: Directory<'_>, role: &Named<RoleRow>) -> Result<Self, Fault> {
        Ok(Role {
            path: role.row.path.clone(),
            role_name: role.name.clone(),
            role_id: role.row.id.clone(),
            arn: role.arn.clone(),
            create_date: role.row.created,
            assume_role_policy_document: shown_trust(directory, &role.row.trust)?,
            description: None,
            max_session_duration: None,
            permissions_boundary: None,
            tags: None,
            role_last_used: None,
        })
    }

    /// As the change of a description shows it.
    pub fn without_max_session(mut self) -> Self {
        self.max_session_duration = None;
        self
    }

    /// And when it was last used.
    pub fn with_last_used(mut self, last_used: RoleLastUsed) -> Self {
        self.role_last_used = Some(last_used);
        self
    }
}

/// A page and how to go on.
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more.
    pub is_truncated: bool,
    /// Goes on after this page.
    pub marker: Option<String>,
}

/// Cuts a page out of items in a stable order; `key` names an item. A marker holds the key of the last
/// item shown, so that items made or deleted between two pages neither repeat nor hide others.
pub fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<Paged<T>, Fault> {
    let after = marker.map(read_marker).transpose()?;
    let mut rest: Vec<(String, T)> = items
        .into_iter()
        .map(|item| (key(&item), item))
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .collect();
    rest.sort_by(|(one, _), (other, _)| one.cmp(other));
    let limit = limit(max_items);
    let is_truncated = rest.len() > limit;
    rest.truncate(limit);
    let marker = match rest.last() {
        Some((key, _)) if is_truncated => Some(base64_url(key.as_bytes())),
        _ => None,
    };
    Ok(Paged { items: rest.into_iter().map(|(_, item)| item).collect(), is_truncated, marker })
}

/// How many elements a page has: as many as were asked for, within AWS's bounds.
fn limit(max_items: Option<usize>) -> usize {
    max_items.unwrap_or(100).clamp(1, 1_000)
}

/// The key after which a page begins.
fn read_marker(marker: &str) -> Result<String, Fault> {
    from_base64_url(marker)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| fault::BAD_MARKER.with(&[]))
}

/// As [`page`] with [`name_key`], of users, groups or roles whose ids are in the order of their names already: only the
/// page's own are read.
pub fn page_of_named<P: Principal>(
    directory: Directory<'_>,
    ids: &[UniqueId],
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<Paged<Named<P>>, Fault> {
    let rest = match marker {
        None => ids,
        Some(marker) => after::<P>(directory, ids, &read_marker(marker)?)?,
    };
    let limit = limit(max_items);
    let is_truncated = rest.len() > limit;
    let items = directory.those::<P>(rest.get(..limit).unwrap_or(rest))?;
    let last = items.last().filter(|_| is_truncated);
    let marker = last.map(|item| base64_url(name_key(item).as_bytes()));
    Ok(Paged { items, is_truncated, marker })
}

/// Those that come after a key, by bisection: names are sealed, and opening all of them takes long.
fn after<'a, P: Principal>(
    directory: Directory<'_>,
    mut ids: &'a [UniqueId],
    key: &str,
) -> Result<&'a [UniqueId], Fault> {
    let (mut first, all) = (0, ids);
    while let Some((before, [middle, beyond @ ..])) = ids.split_at_checked(ids.len() / 2) {
        let is_after = directory.by_id::<P>(middle)?.is_some_and(|named| *name_key(&named) > *key);
        if is_after {
            ids = before;
        } else {
            first += before.len() + 1;
            ids = beyond;
        }
    }
    Ok(all.get(first..).unwrap_or_default())
}

/// A page of all users, groups or roles under a path.
pub fn page_of_all<P: Principal>(
    directory: Directory<'_>,
    path_prefix: Option<&str>,
    max_items: Option<usize>,
    marker: Option<&str>,
) -> Result<Paged<Named<P>>, Fault> {
    let ids = directory.ids::<P>()?;
    let Some(prefix) = path_prefix.filter(|prefix| *prefix != "/") else {
        return page_of_named(directory, &ids, max_items, marker);
    };
    let rows = P::read_all(directory)?;
    let under = rows.iter().filter(|row| row.path().starts_with(prefix)).map(Principal::id);
    let under: HashSet<&UniqueId> = under.collect();
    let ids: Vec<UniqueId> = ids.iter().filter(|id| under.contains(id)).cloned().collect();
    page_of_named(directory, &ids, max_items, marker)
}

/// The key by which named entities are paged: the order of their names.
pub fn name_key<P: Principal>(named: &Named<P>) -> String {
    [&named.name.to_lowercase(), "\0", named.row.id().as_str()].concat()
}

/// Finds what a request names, or says in AWS's words that it does not exist.
pub fn need<P: Principal>(directory: Directory<'_>, name: &str) -> Result<Named<P>, Fault> {
    let sentence = match P::ARN_TYPE {
        "user" => fault::NO_USER,
        "group" => fault::NO_GROUP,
        _ => fault::NO_ROLE,
    };
    directory.find::<P>(name)?.ok_or_else(|| sentence.with(&[name]))
}

/// The user, group or role that a request is to change, by its name.
///
/// # Errors
/// `NoSuchEntity`; `UnmodifiableEntity` of a service's role, unless an act of elsewhere is repeated.
pub fn changeable<P: Principal>(to: &Writing<'_, '_>, name: &str) -> Result<Named<P>, Fault> {
    let found = need::<P>(to.directory(), name)?;
    match arn::is_of_a_service(&found.arn) && !to.tx.is_repeated() {
        true => Err(fault::PROTECTED_ROLE.with(&[&found.name])),
        false => Ok(found),
    }
}

/// The user that a request names or, where it names none, the caller's own.
pub fn named_or_own(
    directory: Directory<'_>,
    caller: &Caller,
    name: Option<&str>,
) -> Result<Named<UserRow>, Fault> {
    let Some(name) = name else {
        let (id, arn) = caller.own_user()?;
        let own = directory.by_id::<UserRow>(id)?;
        let name = Arn::parse(arn).map_or(arn, |arn| arn.name());
        return own.ok_or_else(|| fault::NO_USER.with(&[name]));
    };
    need(directory, name)
}

/// A quota: how many there may be, and what AWS calls it. What is repeated of elsewhere was allowed there, and is not
/// counted.
pub fn quota(
    tx: &Transaction<'_>,
    count: impl FnOnce() -> Result<usize, ProjectionError>,
    limit: usize,
    name: &str,
) -> Result<(), Fault> {
    if !tx.is_repeated() && count()? >= limit {
        return Err(fault::QUOTA.with(&[name, &limit.to_string()]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_up_and_survive_changes() {
        let all: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let got = page(all.clone(), Clone::clone, Some(10), marker.as_deref()).unwrap();
            seen.extend(got.items);
            if !got.is_truncated {
                assert!(got.marker.is_none());
                break;
            }
            marker = got.marker;
        }
        assert_eq!(seen, all);
        assert!(page(all, Clone::clone, None, Some("%%%")).is_err());
    }
}
