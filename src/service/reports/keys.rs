//! Access keys: how old each is, whether it is overdue for rotation, and when it was last used.

use serde_json::json;

use super::named::{Scene, Table};
use super::people;
use crate::service::activity::facts::Facts;
use crate::service::fault::Fault;

/// Days after which a key is overdue (CIS AWS Foundations 5.0, 1.13).
const OLD: u32 = 90;

const COLUMNS: &[&str] = &[
    "user",
    "access_key",
    "status",
    "created",
    "age_days",
    "overdue",
    "other_active_keys",
    "last_used",
    "last_used_service",
];

/// Makes the table; where days are given, of the keys that are older only.
///
/// # Errors
/// Whatever keeps account or activity book from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let old = u64::from(scene.days.unwrap_or(OLD));
    let (mut rows, mut count, mut active, mut overdue) = (Vec::new(), 0u64, 0u64, 0u64);
    let mut unknown = 0u64;
    for person in people::all(scene)? {
        unknown += u64::from(person.unknown);
        let of_person = person.keys.iter().filter(|key| key.active).count();
        for key in &person.keys {
            let age = scene.days_since(key.created);
            let is_old =
                scene.at.seconds().saturating_sub(key.created.seconds()) > old * super::named::DAY;
            count += 1;
            active += u64::from(key.active);
            overdue += u64::from(key.active && is_old);
            if scene.days.is_some() && !is_old {
                continue;
            }
            let used = scene.facts.last_used(&key.id, scene.at)?;
            rows.push(json!({
                "user": person.called,
                "access_key": key.id.as_str(),
                "status": if key.active { "active" } else { "inactive" },
                "created": key.created.to_string(),
                "age_days": age,
                "overdue": key.active && is_old,
                "other_active_keys": of_person - usize::from(key.active),
                "last_used": used.as_ref().map(|used| used.at.to_string()),
                "last_used_service": used.map(|used| used.service),
            }));
        }
    }
    let summary = json!({
        "keys": count,
        "active": active,
        "overdue": overdue,
        "overdue_after_days": old,
        "users_who_may_have_others": unknown,
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}
