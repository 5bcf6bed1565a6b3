//! One thing as it was, and the events that made it so.

use serde_json::{Value, json};

use super::{log, names};
use crate::identity::Event;
use crate::identity::change::PolicyRef;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, View};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::operations::shapes::policy_arn;
use crate::service::target::find_policy;

/// Shows a user, group, role, policy, access key or event.
pub fn show(
    service: &Service,
    account: AccountId,
    view: &View,
    thing: &str,
) -> Result<Value, Fault> {
    if let Some(position) = thing.strip_prefix('@') {
        return event(account, view, position);
    }
    let directory = Directory::new(view, account);
    let (id, mut shown) = if thing.starts_with("arn:")
        && let Some(policy) = find_policy(&directory, thing)?
    {
        show_policy(service, directory, &policy, thing)?
    } else if let Some(key) = UniqueId::parse(thing)
        && key.kind() == Some(IdKind::AccessKey)
    {
        show_key(directory, &key)?
    } else {
        let found = names::one(directory, thing)?;
        (found.id.clone(), show_principal(directory, &found)?)
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("events".into(), json!(events_of(account, view, &id)?));
    }
    Ok(shown)
}

fn event(account: AccountId, view: &View, position: &str) -> Result<Value, Fault> {
    let none = || Fault::new("NoSuchEntity", 404, format!("There is no event @{position} here."));
    let position: u64 = position.parse().map_err(|_| none())?;
    if position == 0 || position > view.cut().position {
        return Err(none());
    }
    let bytes = view.ledger().event(position)?;
    let frame = Frame::read(position, &bytes)?;
    // Another account's events are not there for this one.
    if frame.header.account != account {
        return Err(none());
    }
    let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
    let mut shown = log::entry(view, position, &frame, &event)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("digest".into(), crate::base::text::hex(&frame.digest).into());
        fields.insert("chain".into(), crate::base::text::hex(&frame.chain).into());
        let changes: Vec<String> =
            event.changes.iter().map(|change| format!("{change:?}")).collect();
        fields.insert("details".into(), json!(changes));
    }
    Ok(shown)
}

fn show_principal(directory: Directory<'_>, found: &names::Found) -> Result<Value, Fault> {
    let account = directory.account;
    let reader = directory.reader;
    let mut attached = Vec::new();
    for row in reader.list(account, &ATTACHED, &found.id)? {
        attached.push(policy_arn(directory, &row.policy)?);
    }
    let inline: Vec<String> = reader
        .list(account, &INLINE_POLICIES, &found.id)?
        .into_iter()
        .map(|row| row.name)
        .collect();
    let tags: Vec<Value> = directory
        .tags(&found.id)?
        .into_iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    let mut shown = json!({
        "kind": found.kind,
        "id": found.id.as_str(),
        "name": found.name,
        "arn": found.arn,
        "attached_policies": attached,
        "inline_policies": inline,
        "tags": tags,
    });
    let extra = match found.kind {
        "user" => {
            let row = reader.get(account, &USERS, &found.id)?;
            let groups: Vec<String> =
                directory.groups_of(&found.id)?.into_iter().map(|group| group.name).collect();
            let keys: Vec<String> = reader
                .list(account, &KEYS_OF, &found.id)?
                .into_iter()
                .map(|id| id.to_string())
                .collect();
            json!({
                "created": row.as_ref().map(|row| row.created.to_string()),
                "boundary": boundary(directory, row.and_then(|row| row.boundary))?,
                "groups": groups,
                "access_keys": keys,
                "can_sign_in": reader.get(account, &LOGIN_PROFILES, &found.id)?.is_some(),
            })
        }
        "role" => {
            let row = reader.get(account, &ROLES, &found.id)?;
            let trust = match &row {
                None => None,
                Some(row) => Some(directory.document(&row.trust.document)?),
            };
            json!({
                "created": row.as_ref().map(|row| row.created.to_string()),
                "boundary": boundary(directory, row.and_then(|row| row.boundary))?,
                "trust": trust,
            })
        }
        "group" => {
            let members: Vec<String> =
                directory.members(&found.id)?.into_iter().map(|user| user.name).collect();
            json!({ "members": members })
        }
        _ => json!({}),
    };
    if let (Some(fields), Value::Object(extra)) = (shown.as_object_mut(), extra) {
        fields.extend(extra);
    }
    Ok(shown)
}

fn boundary(directory: Directory<'_>, policy: Option<PolicyRef>) -> Result<Option<String>, Fault> {
    policy.map(|policy| policy_arn(directory, &policy)).transpose()
}

fn show_policy(
    service: &Service,
    directory: Directory<'_>,
    policy: &PolicyRef,
    arn: &str,
) -> Result<(UniqueId, Value), Fault> {
    let digits = directory.digits()?;
    let found =
        service.documents().managed(directory.reader, directory.account, &digits, policy)?;
    let found = found.ok_or_else(|| crate::service::fault::NO_POLICY.with(&[arn]))?;
    let owners: Vec<String> = directory
        .reader
        .list(directory.account, &ATTACHED_TO, policy)?
        .into_iter()
        .map(|row| row.owner.to_string())
        .collect();
    let shown = json!({
        "kind": "policy",
        "arn": found.arn,
        "version": found.version,
        "statements": found.document.statements().len(),
        "attached_to": owners,
    });
    Ok((UniqueId::parse(&policy.0).unwrap_or_else(UniqueId::root), shown))
}

fn show_key(directory: Directory<'_>, key: &UniqueId) -> Result<(UniqueId, Value), Fault> {
    let row = directory
        .reader
        .get(directory.account, &ACCESS_KEYS, key)?
        .ok_or_else(|| crate::service::fault::NO_ACCESS_KEY.with(&[key.as_str()]))?;
    let owner = names::by_id(directory, &row.owner)?;
    let shown = json!({
        "kind": "access key",
        "id": row.id.as_str(),
        "owner": owner.map(|owner| format!("{}/{}", owner.kind, owner.name)),
        "active": row.active,
        "created": row.created.to_string(),
    });
    Ok((row.id, shown))
}

/// The positions of the events about an id, up to the view.
pub fn events_of(account: AccountId, view: &View, id: &UniqueId) -> Result<Vec<u64>, Fault> {
    let last = view.position_of(account)?;
    let ids = [id.clone()];
    let mut positions = Vec::new();
    let mut failed: Option<ProjectionError> = None;
    view.ledger().read(1, &mut |position, frame| {
        if position > last {
            return Ok(false);
        }
        if frame.header.account == account {
            match Event::decode(frame.body) {
                Ok(event) if log::concerns(&event, &ids) => positions.push(position),
                Ok(_) => {}
                Err(error) => failed = Some(error.into()),
            }
        }
        Ok(failed.is_none())
    })?;
    failed.map_or(Ok(positions), |error| Err(error.into()))
}
