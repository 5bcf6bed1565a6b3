//! Access keys: how old each is, whether it is overdue for rotation, and when it was last used.

use serde_json::{Map, Value, json};

use super::named::{Scene, Table};
use super::people::{self, UNKNOWN, or_unknown};
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

/// Makes the table; where days are given, of the keys that are older only. Whoever may have keys that are not known
/// has a line for these.
///
/// # Errors
/// Whatever keeps account or activity book from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let old = u64::from(scene.days.unwrap_or(OLD));
    let (mut rows, mut count, mut active, mut overdue) = (Vec::new(), 0u64, 0u64, 0u64);
    let mut unknown = 0u64;
    let people = people::all(scene)?;
    let last_used = people::used(scene, &people)?;
    for person in people {
        let others = person.may_have_other_keys();
        unknown += u64::from(others);
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
            let used = last_used.get(&key.id);
            rows.push(json!({
                "user": person.called,
                "access_key": key.id.as_str(),
                "status": if key.active { "active" } else { "inactive" },
                "created": key.created.to_string(),
                "age_days": age,
                "overdue": key.active && is_old,
                "other_active_keys": or_unknown((!others).then_some(of_person - usize::from(key.active))),
                "last_used": used.map(|used| used.at.to_string()),
                "last_used_service": used.map(|used| &used.service),
            }));
        }
        if others {
            let mut row: Map<String, Value> =
                COLUMNS.iter().map(|name| ((*name).to_owned(), UNKNOWN.into())).collect();
            row.insert("user".to_owned(), person.called.into());
            rows.push(row.into());
        }
    }
    let summary = json!({
        "keys": count,
        "active": active,
        "overdue": overdue,
        "overdue_after_days": old,
        "users_who_may_have_others": unknown,
        "note": (unknown > 0).then_some(people::WHY_UNKNOWN),
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}
