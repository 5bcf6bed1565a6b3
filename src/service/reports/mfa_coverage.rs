//! Who signs in with a second factor: the root user and every user, with a password or without.

use serde_json::json;

use super::named::{Scene, Table};
use super::people;
use crate::service::fault::Fault;

const COLUMNS: &[&str] =
    &["user", "created", "password_set", "signs_in", "devices", "mfa_since", "covered"];

/// Makes the table. Whoever cannot sign in needs no second factor, and is covered.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let (mut rows, mut sign_in, mut covered) = (Vec::new(), 0u64, 0u64);
    for person in people::all(scene)? {
        let signs_in = person.password.is_some();
        let is_covered = !signs_in || !person.devices.is_empty();
        sign_in += u64::from(signs_in);
        covered += u64::from(signs_in && is_covered);
        rows.push(json!({
            "user": person.called,
            "created": person.created.to_string(),
            "password_set": person.password.map(|at| at.to_string()),
            "signs_in": signs_in,
            "devices": person.devices.len(),
            "mfa_since": person.devices.first().map(|at| at.to_string()),
            "covered": is_covered,
        }));
    }
    let summary = json!({
        "sign_in": sign_in,
        "with_second_factor": covered,
        "without": sign_in - covered,
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}
