//! What an event changed: of which thing which field, from what, to what.
//!
//! The changes are folded again on the state before them, which says which rows they touched; each row is
//! told in fields, before and after, and those that differ are what changed. Rows that only help to find
//! others say nothing of their own. Policy documents are told by their hash; [`with_lines`] adds what was
//! taken out of them and put in, line by line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names;
use crate::base::text::{from_hex, hex};
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::{DocumentHash, PolicyRef, Sealed};
use crate::identity::codec;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::fold::Meta;
use crate::projection::row::Table;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::projection::{Cut, Overlay, ProjectionError, Reader, Transaction};
use crate::service::Service;
use crate::service::documents::text_of;
use crate::service::fault::Fault;
use crate::service::operations::service_credentials::alias_field;
use crate::service::operations::shapes::policy_arn;

/// Documents of one event whose lines are compared.
const COMPARED: usize = 20;

/// What an event changed, as a list of `entity`, `field`, `before` and `after`.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn of(
    service: &Service,
    position: u64,
    frame: &Frame<'_>,
    event: &Event,
) -> Result<Vec<Value>, Fault> {
    let account = frame.header.account;
    let view = |position| service.projections().at(Cut { position, time: None }).passing();
    let (before, after) = (view(position.saturating_sub(1)), view(position));
    let staged = Overlay::default();
    let meta = Meta { account, position, at: frame.header.happened_at };
    let mut tx = Transaction::new(&before, &staged, service.random(), meta);
    for change in &event.changes {
        tx.record(change.clone())?;
    }
    let (_, done) = tx.finish();
    let sides = [Directory::new(&before, account), Directory::new(&after, account)];
    let mut changed = Vec::new();
    for (stored, row) in done.rows() {
        let Some((owner, key)) = stored.split_first_chunk::<16>() else { continue };
        let old = before.row(AccountId(*owner), key)?;
        let [was, is] =
            [told(sides[0], key, old.as_deref())?, told(sides[1], key, row.as_deref())?];
        compare(sides, was, is, &mut changed)?;
    }
    Ok(changed)
}

/// A row in fields, and whose they are.
struct Told {
    of: UniqueId,
    fields: BTreeMap<String, Value>,
}

fn compare(
    sides: [Directory<'_>; 2],
    was: Option<Told>,
    is: Option<Told>,
    changed: &mut Vec<Value>,
) -> Result<(), Fault> {
    let Some(id) = is.as_ref().or(was.as_ref()).map(|told| told.of.clone()) else { return Ok(()) };
    let [was, is] = [was, is].map(|told| told.map(|told| told.fields).unwrap_or_default());
    let mut entity = None;
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for field in names {
        let [before, after] = [was.get(field), is.get(field)];
        if before == after {
            continue;
        }
        if entity.is_none() {
            entity = Some(entity_of(sides, &id)?);
        }
        changed.push(json!({
            "entity": entity,
            "field": field,
            "before": before,
            "after": after,
        }));
    }
    Ok(())
}

/// What an id is and is called, after the event or, if it is gone, before it.
fn entity_of(sides: [Directory<'_>; 2], id: &UniqueId) -> Result<Value, Fault> {
    let mut name = None;
    for directory in [sides[1], sides[0]] {
        name = name.or(called(directory, id)?);
    }
    let kind = match id.kind() {
        Some(IdKind::User) => "user",
        Some(IdKind::Group) => "group",
        Some(IdKind::Role) => "role",
        Some(IdKind::Policy) => "policy",
        Some(IdKind::InstanceProfile) => "instance profile",
        Some(IdKind::AccessKey | IdKind::SessionKey) => "access key",
        Some(IdKind::ServiceCredential) => "service-specific credential",
        Some(IdKind::MfaDevice) => "multi-factor device",
        None => "account",
    };
    Ok(json!({ "kind": kind, "id": id.as_str(), "name": name }))
}

/// `user/alice`, `policy/deploy`; `None` for what has no name, or is not there.
fn called(directory: Directory<'_>, id: &UniqueId) -> Result<Option<String>, Fault> {
    let Directory { reader, account } = directory;
    Ok(match id.kind() {
        Some(IdKind::Policy) => {
            reader.get(account, &POLICIES, id)?.map(|row| format!("policy/{}", row.name))
        }
        Some(IdKind::InstanceProfile) => {
            let row = reader.get(account, &INSTANCE_PROFILES, id)?;
            row.map(|row| format!("instance-profile/{}", row.name))
        }
        _ => names::by_id(directory, id)?.map(|found| found.called()),
    })
}

/// The text parts of a row's key.
fn parts(key: &[u8]) -> Vec<&str> {
    key.get(1..)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter_map(|part| std::str::from_utf8(part).ok())
        .collect()
}

fn read<K, V: bincode::Decode<()>>(_: &Table<K, V>, row: &[u8]) -> Result<V, ProjectionError> {
    Ok(codec::decode(row)?)
}

/// A document, by the BLAKE3 of its text.
fn document(hash: &DocumentHash) -> Value {
    json!(hex(hash))
}

fn time(at: Timestamp) -> Value {
    json!(at.to_string())
}

/// Tells a row in fields; `None` if there is none, or it only helps to find others.
fn told(directory: Directory<'_>, key: &[u8], row: Option<&[u8]>) -> Result<Option<Told>, Fault> {
    let (Some(row), Some(number)) = (row, key.first()) else { return Ok(None) };
    let parts = parts(key);
    let owner = parts.first().and_then(|id| UniqueId::parse(id)).unwrap_or_else(UniqueId::root);
    let open = |id: &UniqueId, field: &str, sealed: &Sealed| -> Result<Value, Fault> {
        Ok(json!(directory.open(id, field, sealed)?))
    };
    let policy =
        |policy: &PolicyRef| -> Result<Value, Fault> { Ok(json!(policy_arn(directory, policy)?)) };
    let boundary = |bound: &Option<PolicyRef>| bound.as_ref().map(policy).transpose();
    let somebody = |id: &UniqueId| -> Result<Value, Fault> {
        Ok(json!(called(directory, id)?.unwrap_or_else(|| id.to_string())))
    };
    let status = |active: bool| json!(if active { "active" } else { "inactive" });
    let mut fields: Vec<(String, Value)> = Vec::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            fields.push((name.to_owned(), value));
        }
    };
    let of = match *number {
        n if n == ACCOUNT.number => {
            let row = read(&ACCOUNT, row)?;
            let root = UniqueId::root();
            add("digits", json!(row.digits));
            add("name", open(&root, "account name", &row.name)?);
            add("root_email", open(&root, "email", &row.email)?);
            add("alias", json!(row.alias));
            add("root_password_set", json!(row.root_password_set.map(|at| at.to_string())));
            add("closed", json!(row.closed.map(|at| at.to_string())));
            root
        }
        n if n == USERS.number => {
            let row = read(&USERS, row)?;
            add("name", open(&row.id, "name", &row.name)?);
            add("path", json!(row.path));
            add("boundary", json!(boundary(&row.boundary)?));
            row.id
        }
        n if n == GROUPS.number => {
            let row = read(&GROUPS, row)?;
            add("name", open(&row.id, "name", &row.name)?);
            add("path", json!(row.path));
            row.id
        }
        n if n == ROLES.number => {
            let row = read(&ROLES, row)?;
            add("name", open(&row.id, "name", &row.name)?);
            add("path", json!(row.path));
            add("trust", document(&row.trust.document));
            if let Some(text) = &row.description {
                add("description", open(&row.id, "description", text)?);
            }
            add("max_session", json!(row.max_session));
            add("boundary", json!(boundary(&row.boundary)?));
            row.id
        }
        n if n == POLICIES.number => {
            let row = read(&POLICIES, row)?;
            add("name", json!(row.name));
            add("path", json!(row.path));
            add("description", json!(row.description));
            add("default_version", json!(format!("v{}", row.default_version)));
            row.id
        }
        n if n == POLICY_VERSIONS.number => {
            let row = read(&POLICY_VERSIONS, row)?;
            add(&format!("version v{}", row.version), document(&row.document));
            owner
        }
        n if n == INLINE_POLICIES.number => {
            let row = read(&INLINE_POLICIES, row)?;
            add(&format!("inline policy {}", row.name), document(&row.document));
            owner
        }
        n if n == ATTACHED.number => {
            let row = read(&ATTACHED, row)?;
            add("attached policy", policy(&row.policy)?);
            row.owner
        }
        n if n == MEMBERS.number => {
            let row = read(&MEMBERS, row)?;
            add("member", somebody(&row.user)?);
            row.group
        }
        n if n == TAGS.number => {
            for (key, value) in directory_tags(directory, &owner, &read(&TAGS, row)?)? {
                add(&format!("tag {key}"), json!(value));
            }
            owner
        }
        n if n == ACCESS_KEYS.number => {
            let row = read(&ACCESS_KEYS, row)?;
            add("owner", somebody(&row.owner)?);
            add("status", status(row.active));
            row.id
        }
        n if n == LOGIN_PROFILES.number => {
            let row = read(&LOGIN_PROFILES, row)?;
            add("password_set", time(row.password_set));
            add("password_reset_required", json!(row.reset_required));
            owner
        }
        n if n == OLD_PASSWORDS.number => {
            add("passwords_remembered", json!(read(&OLD_PASSWORDS, row)?.len()));
            owner
        }
        n if n == INSTANCE_PROFILES.number => {
            let row = read(&INSTANCE_PROFILES, row)?;
            add("name", json!(row.name));
            add("path", json!(row.path));
            add("role", json!(row.role.as_ref().map(somebody).transpose()?));
            row.id
        }
        n if n == MFA_DEVICES.number => {
            let row = read(&MFA_DEVICES, row)?;
            add("name", open(&row.id, "name", &row.name)?);
            if let Some(enabled) = &row.enabled {
                add("owner", somebody(&enabled.owner)?);
                add("clock_ahead", json!(enabled.ahead));
            }
            row.id
        }
        n if n == SERVICE_CREDENTIALS.number => {
            let row = read(&SERVICE_CREDENTIALS, row)?;
            add("owner", somebody(&row.owner)?);
            add("service", json!(row.service));
            add("alias", open(&row.owner, &alias_field(&row.id), &row.alias)?);
            add("status", status(row.active));
            // A keyed hash: it tells that the secret is another one, and nothing of it.
            add("secret", json!(hex(&row.commitment)));
            row.id
        }
        n if n == PASSWORD_POLICY.number => {
            let row = read(&PASSWORD_POLICY, row)?;
            for (name, value) in password_policy(&row) {
                add(&format!("password policy {name}"), value);
            }
            UniqueId::root()
        }
        n if n == ROOT_RECOVERY.number => {
            add("root_recovery_until", time(read(&ROOT_RECOVERY, row)?.expires));
            UniqueId::root()
        }
        n if n == ORGANIZATION.number => {
            let row = read(&ORGANIZATION, row)?;
            for (kind, levels) in
                [("service", &row.service_control), ("resource", &row.resource_control)]
            {
                for (level, policies) in levels.iter().enumerate() {
                    for (name, hash) in policies {
                        add(&format!("{kind} control policy {level} {name}"), document(hash));
                    }
                }
            }
            UniqueId::root()
        }
        n if n == CATALOGUE.number => {
            add("shared_policies", json!(read(&CATALOGUE, row)?.policies));
            UniqueId::root()
        }
        _ => return Ok(None),
    };
    Ok(Some(Told { of, fields: fields.into_iter().collect() }))
}

/// The rules for passwords by their names, as AWS has them.
pub fn password_policy(row: &PasswordPolicyRow) -> [(&'static str, Value); 9] {
    [
        ("minimum_length", json!(row.minimum_length)),
        ("require_symbols", json!(row.symbols)),
        ("require_numbers", json!(row.numbers)),
        ("require_uppercase", json!(row.uppercase)),
        ("require_lowercase", json!(row.lowercase)),
        ("users_may_change", json!(row.users_may_change)),
        ("max_age_days", json!(row.max_age_days)),
        ("reuse_prevention", json!(row.reuse_prevention)),
        ("hard_expiry", json!(row.hard_expiry)),
    ]
}

/// Tags as a row has them, their values opened.
fn directory_tags(
    directory: Directory<'_>,
    owner: &UniqueId,
    tags: &[(String, Sealed)],
) -> Result<Vec<(String, String)>, Fault> {
    let open = |(key, value): &(String, Sealed)| {
        let field = crate::projection::sealing::tag_field(key);
        Ok((key.clone(), directory.open(owner, &field, value)?))
    };
    tags.iter().map(open).collect()
}

/// Adds to what changed, where it is a policy document, the lines that were taken out and put in.
///
/// # Errors
/// Whatever keeps the documents from being read.
pub fn with_lines(reader: &dyn Reader, changed: &mut [Value]) -> Result<(), Fault> {
    let mut left = COMPARED;
    for one in changed {
        let text = |side: &str| -> Result<Option<String>, Fault> {
            let hash = one.get(side).and_then(Value::as_str).filter(|text| text.len() == 64);
            let hash = hash.and_then(from_hex).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            hash.map(|hash| text_of(reader, &hash)).transpose()
        };
        let field = one.get("field").and_then(Value::as_str).unwrap_or_default();
        let is_document = field == "trust"
            || ["version ", "inline policy ", "service control", "resource control"]
                .iter()
                .any(|start| field.starts_with(start));
        if !is_document || left == 0 {
            continue;
        }
        left -= 1;
        let lines = lines(
            &pretty(text("before")?.unwrap_or_default()),
            &pretty(text("after")?.unwrap_or_default()),
        );
        if let Some(fields) = one.as_object_mut() {
            fields.insert("lines".into(), lines.into());
        }
    }
    Ok(())
}

/// A document in lines; one that is no JSON as it stands.
fn pretty(text: String) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(&text);
    parsed.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or(text)
}

/// The lines of two texts: `- ` before what was taken out, `+ ` before what was put in, two spaces before what
/// stayed.
pub fn lines(before: &str, after: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(before, after);
    diff.iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => "- ",
                similar::ChangeTag::Insert => "+ ",
                similar::ChangeTag::Equal => "  ",
            };
            format!("{sign}{}", change.value().trim_end_matches('\n'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_what_was_taken_out_and_put_in() {
        assert_eq!(lines("a\nb\n", "a\nc\n"), ["  a", "- b", "+ c"]);
        assert_eq!(lines("", "x"), ["+ x"]);
        assert_eq!(pretty(r#"{"a":1}"#.into()), "{\n  \"a\": 1\n}");
        assert_eq!(pretty("no".into()), "no");
    }
}
