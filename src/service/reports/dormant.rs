//! Users who have a credential that was not used for some time, whatever they do with their others: CIS asks of each
//! password and each access key. And of those who have none any more, how long they had not been used when they were
//! taken away.
//!
//! A credential that was never used is idle since it was made.

use serde_json::json;

use super::named::{Act, DAY, Scene, Table};
use super::people::{self, UNKNOWN, or_unknown};
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::change::Change;
use crate::identity::id::UniqueId;
use crate::service::fault::Fault;

/// Days after which unused credentials are to be disabled (CIS AWS Foundations 5.0, 1.11).
const IDLE: u32 = 45;

const COLUMNS: &[&str] = &[
    "user",
    "state",
    "created",
    "last_used",
    "idle_days",
    "password",
    "active_keys",
    "unused",
    "disabled",
    "disabled_by",
    "event",
    "days_over",
];

/// Makes the table.
///
/// # Errors
/// Whatever keeps account or activity book from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let limit = u64::from(scene.days.unwrap_or(IDLE));
    let (mut rows, mut dormant, mut disabled, mut unknown) = (Vec::new(), 0u64, 0u64, 0u64);
    let people = people::all(scene)?;
    let last_used = people::used(scene, &people)?;
    for person in people {
        if person.id == UniqueId::root() {
            continue;
        }
        let used = person.last_used(scene, &last_used);
        // Of who has no credentials left, up to when they were taken away.
        let act = match person.has_credentials() {
            true => None,
            false if person.unknown => None,
            false => taken_away(scene, &person.id)?,
        };
        if !person.has_credentials() && act.is_none() {
            // It has none that are known, but may have others.
            if person.unknown {
                unknown += 1;
                rows.push(json!({
                    "user": person.called,
                    "state": UNKNOWN,
                    "created": person.created.to_string(),
                    "last_used": or_unknown(used.map(|at| at.to_string())),
                    "idle_days": UNKNOWN,
                    "password": or_unknown(person.signs_in),
                    "active_keys": UNKNOWN,
                    "unused": UNKNOWN,
                    "disabled": null,
                    "disabled_by": null,
                    "event": null,
                    "days_over": null,
                }));
            }
            continue;
        }
        let until = act.as_ref().map_or(scene.at, |act| act.at);
        let days = |since: Timestamp| until.seconds().saturating_sub(since.seconds()) / DAY;
        let credentials = person.credentials(scene, &last_used).into_iter();
        let credentials =
            credentials.map(|one| (days(one.last_used.unwrap_or(one.since)), one.what));
        let unused: Vec<(u64, String)> = credentials.filter(|(idle, _)| *idle >= limit).collect();
        let longest = unused.iter().map(|(idle, _)| *idle).max();
        // Of credentials that are gone nobody knows which was used when.
        let gone = || Some(days(used.unwrap_or(person.created))).filter(|idle| *idle >= limit);
        let Some(idle) = longest.or_else(|| act.as_ref().and_then(|_| gone())) else { continue };
        let unused: Vec<String> = unused.into_iter().map(|(_, what)| what).collect();
        match act {
            None => dormant += 1,
            Some(_) => disabled += 1,
        }
        rows.push(json!({
            "user": person.called,
            "state": if act.is_none() { "dormant" } else { "disabled" },
            "created": person.created.to_string(),
            "last_used": used.map(|at| at.to_string()),
            "idle_days": idle,
            "password": or_unknown(person.signs_in),
            "active_keys": person.keys.iter().filter(|key| key.active).count(),
            "unused": unused,
            "disabled": act.as_ref().map(|act| act.at.to_string()),
            "disabled_by": act.as_ref().map(|act| act.by.clone()),
            "event": act.as_ref().map(|act| act.event),
            "days_over": idle - limit,
        }));
    }
    let summary = json!({
        "idle_after_days": limit,
        "dormant": dormant,
        "disabled_late": disabled,
        "unknown": unknown,
        "note": (unknown > 0).then_some(people::WHY_UNKNOWN),
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}

/// The last event that took a credential from a user, or made it useless.
fn taken_away(scene: &Scene<'_>, user: &UniqueId) -> Result<Option<Act>, Fault> {
    let takes = |event: &Event| {
        event.changes.iter().any(|change| match change {
            Change::LoginProfileDeleted(c) => c.user == *user,
            Change::AccessKeyStatusSet(c) => !c.active && event.origin.target == *user,
            Change::AccessKeyDeleted(_) => event.origin.target == *user,
            _ => false,
        })
    };
    let found = people::newest(scene, user, &takes)?;
    found.map(|(position, _)| scene.act(position)).transpose()
}
