//! The account's rules for passwords over time: those that stood at the beginning of the time that is asked
//! for, and each change in it. Where the account has no rules of its own, AWS's apply.

use serde_json::{Value, json};

use super::named::{Scene, Table};
use super::people::UNKNOWN;
use crate::identity::codec;
use crate::projection::tables::{PASSWORD_POLICY, PasswordPolicyRow};
use crate::service::audit::changed::password_policy;
use crate::service::fault::Fault;
use crate::service::imports::gate::credentials_known_since;

const COLUMNS: &[&str] = &[
    "from",
    "event",
    "by",
    "person",
    "ticket",
    "own_rules",
    "minimum_length",
    "require_symbols",
    "require_numbers",
    "require_uppercase",
    "require_lowercase",
    "users_may_change",
    "max_age_days",
    "reuse_prevention",
    "hard_expiry",
];

/// Makes the table.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let (first, last) = scene.bounds()?;
    let mut versions: Vec<(u64, Option<PasswordPolicyRow>)> = Vec::new();
    scene.view.versions(scene.account, &PASSWORD_POLICY.key(&()), &mut |_, position, row| {
        versions.push((position, row.map(codec::decode).transpose()?));
        Ok(())
    })?;
    versions.reverse();
    let before = versions.iter().rposition(|(position, _)| *position < first);
    let mut rows = Vec::new();
    if before.is_none() {
        let mut unchanged = rules(None, &None);
        // A snapshot does not tell the account's own rules.
        let is_unknown =
            credentials_known_since(scene.directory().reader, scene.account)?.is_some();
        if let (true, Some(fields)) = (is_unknown, unchanged.as_object_mut()) {
            fields.insert("own_rules".to_owned(), UNKNOWN.into());
        }
        rows.push(unchanged);
    }
    for (position, row) in versions.iter().skip(before.unwrap_or(0)) {
        if *position > last && *position >= first {
            break;
        }
        rows.push(rules(Some(scene.act(*position)?), row));
    }
    let summary = json!({ "changes": rows.len().saturating_sub(1) });
    Ok(Table { columns: COLUMNS, rows, summary })
}

fn rules(act: Option<super::named::Act>, row: &Option<PasswordPolicyRow>) -> Value {
    let act = act.as_ref();
    let mut shown = json!({
        "from": act.map(|act| act.at.to_string()),
        "event": act.map(|act| act.event),
        "by": act.map(|act| act.by.clone()),
        "person": act.and_then(|act| act.person.clone()),
        "ticket": act.and_then(|act| act.ticket.clone()),
        "own_rules": row.is_some(),
    });
    if let (Some(fields), Some(row)) = (shown.as_object_mut(), row) {
        fields.extend(password_policy(row).map(|(name, value)| (name.to_owned(), value)));
    }
    shown
}
