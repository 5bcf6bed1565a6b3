//! One thing as it was, and the events that made it so.

use serde_json::{Value, json};

use super::{changed, log, names};
use crate::identity::Event;
use crate::identity::arn;
use crate::identity::change::PolicyRef;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::postings::{Of, Order, Sought, Term};
use crate::projection::sealing::NameKind;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, View, trust};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::imports::gate;
use crate::service::mfa::{self, Device};
use crate::service::operations::shapes::policy_arn;
use crate::service::target::find_policy;

/// Shows a user, group, role, policy, access key, multi-factor device or event.
pub fn show(
    service: &Service,
    account: AccountId,
    view: &View,
    thing: &str,
) -> Result<Value, Fault> {
    if let Some(position) = thing.strip_prefix('@') {
        return event(service, account, view, position);
    }
    let directory = Directory::new(view, account);
    let (id, mut shown) = if let Some((policy, arn)) = policy_named(service, directory, thing)? {
        show_policy(service, directory, &policy, &arn)?
    } else if let Some(key) = UniqueId::parse(thing)
        && key.kind() == Some(IdKind::AccessKey)
    {
        show_key(directory, &key)?
    } else if let Some(device) = device_named(directory, thing)? {
        show_device(directory, device)?
    } else {
        match names::one(directory, thing) {
            Ok(found) => (Some(found.id.clone()), show_principal(directory, &found)?),
            Err(fault) => return gone(account, view, thing, fault),
        }
    };
    // Policies that every account shares have no id of their own, and no events in the account.
    let events = match &id {
        Some(id) => events_of(account, view, id)?,
        None => Vec::new(),
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("events".into(), json!(events));
    }
    Ok(shown)
}

/// A policy by its ARN, by `policy/NAME` or, where no principal has the name, by the name alone; the
/// account's own before those that every account shares.
fn policy_named(
    service: &Service,
    directory: Directory<'_>,
    thing: &str,
) -> Result<Option<(PolicyRef, String)>, Fault> {
    if thing.starts_with("arn:") {
        return Ok(find_policy(&directory, thing)?.map(|policy| (policy, thing.to_owned())));
    }
    let id = UniqueId::parse(thing).filter(|id| id.kind() == Some(IdKind::Policy));
    let name = match thing.strip_prefix("policy/") {
        Some(name) => name,
        None if id.is_some() => thing,
        None if thing.contains('/') || names::exists(directory, thing)? => return Ok(None),
        None => thing,
    };
    let own = match directory.find_id(NameKind::Policy, name)? {
        None => id,
        found => found,
    };
    if let Some(id) = own
        && directory.reader.get(directory.account, &POLICIES, &id)?.is_some()
    {
        let policy = PolicyRef(id.to_string());
        let arn = policy_arn(directory, &policy)?;
        return Ok(Some((policy, arn)));
    }
    let Directory { reader, account } = directory;
    let shared = service.documents().all_shared(reader, account)?;
    let found = shared.into_iter().find(|shared| shared.name == name);
    Ok(found.map(|shared| (PolicyRef(shared.arn.clone()), shared.arn)))
}

/// What bore a name once and is not there at the moment of the view: its ids, and their events.
fn gone(account: AccountId, view: &View, thing: &str, fault: Fault) -> Result<Value, Fault> {
    if fault.status != 404 {
        return Err(fault);
    }
    let mut ids = Vec::new();
    for id in names::all_ids(view, account, thing)? {
        let events = events_of(account, view, &id)?;
        if !events.is_empty() {
            ids.push(json!({ "id": id.as_str(), "events": events }));
        }
    }
    if ids.is_empty() {
        return Err(fault);
    }
    Ok(json!({ "kind": "gone", "name": thing, "bore_the_name": ids }))
}

fn event(
    service: &Service,
    account: AccountId,
    view: &View,
    position: &str,
) -> Result<Value, Fault> {
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
    let mut shown = log::entry(service.activity(), view, position, &frame, &event)?;
    let mut changed = changed::of(service, position, &frame, &event)?;
    changed::with_lines(view, &mut changed)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("changed".into(), changed.into());
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
    let mut inline = Vec::new();
    for row in reader.list(account, &INLINE_POLICIES, &found.id)? {
        let document = document(directory.document(&row.document)?);
        inline.push(json!({ "name": row.name, "document": document }));
    }
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
            let profile = reader.get(account, &LOGIN_PROFILES, &found.id)?;
            let devices: Vec<String> = mfa::list(directory, Some(&found.id))?
                .into_iter()
                .map(|device| device.serial)
                .collect();
            let untold = match &row {
                None => false,
                Some(row) => gate::has_unknown_credentials(reader, account, row.created)?,
            };
            let unknown: &[&str] = match untold {
                true => &["access keys", "password", "multi-factor devices"],
                false => &[],
            };
            json!({
                "created": row.as_ref().map(|row| row.created.to_string()),
                "boundary": boundary(directory, row.and_then(|row| row.boundary))?,
                "groups": groups,
                "access_keys": keys,
                "can_sign_in": (profile.is_some() || !untold).then_some(profile.is_some()),
                "unknown_of_before": unknown,
                "password_set": profile.as_ref().map(|row| row.password_set.to_string()),
                "password_reset_required": profile.map(|row| row.reset_required),
                "mfa_devices": devices,
            })
        }
        "role" => {
            let row = reader.get(account, &ROLES, &found.id)?;
            let trust = match &row {
                None => None,
                Some(row) => Some(document(trust::shown(directory, &row.trust)?)),
            };
            json!({
                "created": row.as_ref().map(|row| row.created.to_string()),
                "boundary": boundary(directory, row.and_then(|row| row.boundary))?,
                "trust": trust,
            })
        }
        "group" => {
            let members = directory.those::<UserRow>(&directory.members(&found.id)?)?;
            let members: Vec<String> = members.into_iter().map(|user| user.name).collect();
            json!({ "members": members })
        }
        _ => json!({}),
    };
    if let (Some(fields), Value::Object(extra)) = (shown.as_object_mut(), extra) {
        fields.extend(extra);
    }
    Ok(shown)
}

/// A policy document as the JSON that it is.
fn document(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn boundary(directory: Directory<'_>, policy: Option<PolicyRef>) -> Result<Option<String>, Fault> {
    policy.map(|policy| policy_arn(directory, &policy)).transpose()
}

fn show_policy(
    service: &Service,
    directory: Directory<'_>,
    policy: &PolicyRef,
    arn: &str,
) -> Result<(Option<UniqueId>, Value), Fault> {
    let digits = directory.digits()?;
    let found =
        service.documents().managed(directory.reader, directory.account, &digits, policy)?;
    let found = found.ok_or_else(|| crate::service::fault::NO_POLICY.with(&[arn]))?;
    let mut owners = Vec::new();
    for row in directory.reader.list(directory.account, &ATTACHED_TO, policy)? {
        let owner = names::by_id(directory, &row.owner)?;
        owners.push(owner.map_or_else(|| row.owner.to_string(), |owner| owner.called()));
    }
    let id = UniqueId::parse(&policy.0);
    let (text, versions) = match &id {
        None => {
            let Directory { reader, account } = directory;
            let shared = service.documents().shared(reader, account, policy)?;
            (shared.map(|shared| shared.document), vec![found.version.clone()])
        }
        Some(id) => {
            let rows = directory.reader.list(directory.account, &POLICY_VERSIONS, id)?;
            let default = rows
                .iter()
                .find(|row| found.version.strip_prefix('v') == Some(&row.version.to_string()));
            let text = default.map(|row| directory.document(&row.document)).transpose()?;
            (text, rows.iter().map(|row| format!("v{}", row.version)).collect())
        }
    };
    let shown = json!({
        "kind": "policy",
        "arn": found.arn,
        "version": found.version,
        "versions": versions,
        "document": text.map(document),
        "attached_to": owners,
    });
    Ok((id, shown))
}

fn show_key(directory: Directory<'_>, key: &UniqueId) -> Result<(Option<UniqueId>, Value), Fault> {
    let row = directory
        .reader
        .get(directory.account, &ACCESS_KEYS, key)?
        .ok_or_else(|| crate::service::fault::NO_ACCESS_KEY.with(&[key.as_str()]))?;
    let owner = names::by_id(directory, &row.owner)?;
    let shown = json!({
        "kind": "access key",
        "id": row.id.as_str(),
        "owner": owner.map(|owner| owner.called()),
        "active": row.active,
        "created": row.created.to_string(),
    });
    Ok((Some(row.id), shown))
}

/// A multi-factor device by its serial number, by `mfa/NAME` or by its id.
fn device_named(directory: Directory<'_>, thing: &str) -> Result<Option<Device>, Fault> {
    if let Some(id) = UniqueId::parse(thing).filter(|id| id.kind() == Some(IdKind::MfaDevice)) {
        return Ok(mfa::by_id(directory, &id)?);
    }
    let digits = directory.digits()?;
    Ok(match thing.strip_prefix("mfa/") {
        Some(name) => mfa::by_serial(directory, &arn::iam(&digits, "mfa", "/", name))?,
        None => mfa::by_serial(directory, thing)?,
    })
}

fn show_device(
    directory: Directory<'_>,
    device: Device,
) -> Result<(Option<UniqueId>, Value), Fault> {
    let Device { row, name, serial } = device;
    let owner = match &row.enabled {
        None => None,
        Some(enabled) => names::by_id(directory, &enabled.owner)?.map(|owner| owner.called()),
    };
    let shown = json!({
        "kind": "multi-factor device",
        "id": row.id.as_str(),
        "name": name,
        "arn": serial,
        "created": row.created.to_string(),
        "owner": owner,
        "enabled": row.enabled.map(|enabled| enabled.since.to_string()),
    });
    Ok((Some(row.id), shown))
}

/// The positions of the events about an id, up to the view.
pub fn events_of(account: AccountId, view: &View, id: &UniqueId) -> Result<Vec<u64>, Fault> {
    let ids = [id.clone()];
    let all = [vec![Term::new(Of::About, id.as_str())]];
    let last = view.position_of(account)?;
    let sought = Sought { all: &all, first: 1, last, order: Order::Oldest, steps: u64::MAX };
    let mut positions = Vec::new();
    view.postings(account, &sought, &mut |position| {
        let bytes = view.ledger().event(position)?;
        let event = Event::decode(Frame::read(position, &bytes)?.body)?;
        if log::concerns(&event, &ids) {
            positions.push(position);
        }
        Ok(true)
    })?;
    Ok(positions)
}
