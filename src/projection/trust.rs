//! A role's trust policy as it is shown. It trusts unique ids: a principal that was renamed since is shown by its new ARN,
//! and of one that was deleted the id is left, so that nobody takes a new user of its name for the one who was trusted.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal".

use serde_json::Value;

use super::ProjectionError;
use super::directory::Directory;
use super::tables::{RoleRow, UserRow};
use crate::identity::arn::Arn;
use crate::identity::change::Trust;
use crate::identity::id::IdKind;

/// The document of a trust policy, as it was sent as long as all whom it names are called what they were.
///
/// # Errors
/// If the document is missing, or whatever keeps the rows from being read.
pub fn shown(directory: Directory<'_>, trust: &Trust) -> Result<String, ProjectionError> {
    let text = directory.document(&trust.document)?;
    let digits = directory.digits()?;
    let mut called = Vec::new();
    for (arn, id) in &trust.principals {
        // Of other accounts' nothing is known here.
        if Arn::parse(arn).is_none_or(|arn| arn.account != digits) {
            continue;
        }
        let now = match id.kind() {
            Some(IdKind::Role) => directory.by_id::<RoleRow>(id)?.map(|role| role.arn),
            _ => directory.by_id::<UserRow>(id)?.map(|user| user.arn),
        };
        let now = now.unwrap_or_else(|| id.to_string());
        if now != *arn {
            called.push((arn.as_str(), now));
        }
    }
    if called.is_empty() {
        return Ok(text);
    }
    let Ok(mut document) = serde_json::from_str::<Value>(&text) else { return Ok(text) };
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    for statement in statements {
        for element in ["Principal", "NotPrincipal"] {
            if let Some(named) = statement.get_mut(element).and_then(|named| named.get_mut("AWS")) {
                rename(named, &called);
            }
        }
    }
    Ok(document.to_string())
}

/// Puts other names in the place of some.
fn rename(named: &mut Value, called: &[(&str, String)]) {
    match named {
        Value::String(text) => {
            if let Some((_, now)) = called.iter().find(|(was, _)| *was == text.as_str()) {
                text.clone_from(now);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| rename(one, called)),
        _ => {}
    }
}
