//! Policies that users have by themselves: attached, inline, or as a member of no group at all. Whoever gets
//! permissions through groups and roles alone is not in it.

use serde_json::{Value, json};

use super::named::{Scene, Table};
use crate::projection::directory::Directory;
use crate::projection::row::{Key, Table as Rows};
use crate::projection::tables::{ATTACHED, INLINE_POLICIES, UserRow};
use crate::projection::view::ReadTables;
use crate::service::fault::Fault;
use crate::service::operations::shapes::policy_arn;

const COLUMNS: &[&str] = &["user", "kind", "policy", "since", "by", "person", "ticket", "event"];

/// Makes the table.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let directory = scene.directory();
    let Directory { reader, account } = directory;
    let (mut rows, mut users, mut with) = (Vec::new(), 0u64, 0u64);
    for user in directory.all::<UserRow>()? {
        let before = rows.len();
        let called = format!("user/{}", user.name);
        for row in reader.list(account, &ATTACHED, &user.row.id)? {
            let policy = policy_arn(directory, &row.policy)?;
            let key = (row.owner, row.policy);
            rows.push(grant(scene, &called, "attached", policy, since(scene, &ATTACHED, &key)?)?);
        }
        for row in reader.list(account, &INLINE_POLICIES, &user.row.id)? {
            let key = (user.row.id.clone(), row.name.clone());
            let since = since(scene, &INLINE_POLICIES, &key)?;
            rows.push(grant(scene, &called, "inline", row.name, since)?);
        }
        users += 1;
        with += u64::from(rows.len() > before);
    }
    let summary = json!({ "users": users, "with_direct_grants": with, "grants": rows.len() });
    Ok(Table { columns: COLUMNS, rows, summary })
}

/// The event since which a row is there without a break.
fn since<K: Key, V: bincode::Encode + bincode::Decode<()>>(
    scene: &Scene<'_>,
    table: &Rows<K, V>,
    key: &K,
) -> Result<Option<u64>, Fault> {
    let (mut since, mut ended) = (None, false);
    scene.view.versions(scene.account, &table.key(key), &mut |_, position, row| {
        // From the newest on: up to the version before which it was not there.
        ended |= row.is_none();
        if !ended {
            since = Some(position);
        }
        Ok(())
    })?;
    Ok(since)
}

fn grant(
    scene: &Scene<'_>,
    user: &str,
    kind: &str,
    policy: String,
    since: Option<u64>,
) -> Result<Value, Fault> {
    let act = since.map(|position| scene.act(position)).transpose()?;
    let act = act.as_ref();
    Ok(json!({
        "user": user,
        "kind": kind,
        "policy": policy,
        "since": act.map(|act| act.at.to_string()),
        "by": act.map(|act| act.by.clone()),
        "person": act.and_then(|act| act.person.clone()),
        "ticket": act.and_then(|act| act.ticket.clone()),
        "event": since,
    }))
}
