//! Who signs in with a second factor: the root user and every user, with a password or without.

use serde_json::json;

use super::named::{Scene, Table};
use super::people::{self, or_unknown};
use crate::service::fault::Fault;

const COLUMNS: &[&str] =
    &["user", "created", "password_set", "signs_in", "devices", "mfa_since", "covered"];

/// Makes the table. Whoever cannot sign in needs no second factor, and is covered. Of users of before an imported
/// account's history begins, what the trail does not tell is `unknown`.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let (mut rows, mut sign_in, mut covered, mut unknown) = (Vec::new(), 0u64, 0u64, 0u64);
    for person in people::all(scene)? {
        let signs_in = person.signs_in;
        let is_covered = match (signs_in, person.devices.is_empty()) {
            (_, false) | (Some(false), _) => Some(true),
            // It may have a device that is not known, too.
            (Some(true), true) => Some(false).filter(|_| !person.unknown),
            (None, true) => None,
        };
        sign_in += u64::from(signs_in == Some(true));
        covered += u64::from(signs_in == Some(true) && is_covered == Some(true));
        unknown += u64::from(signs_in.is_none() || is_covered.is_none());
        let since = person.devices.first().map(|at| at.to_string());
        rows.push(json!({
            "user": person.called,
            "created": person.created.to_string(),
            "password_set": person.password_set(),
            "signs_in": or_unknown(signs_in),
            "devices": or_unknown(person.device_count()),
            "mfa_since": or_unknown(person.device_count().map(|_| since)),
            "covered": or_unknown(is_covered),
        }));
    }
    let summary = json!({
        "sign_in": sign_in,
        "with_second_factor": covered,
        "without": rows.iter().filter(|row| row.get("covered") == Some(&false.into())).count(),
        "unknown": unknown,
        "note": (unknown > 0).then_some(people::WHY_UNKNOWN),
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}
