//! Whom roles trust, on both sides.
//!
//! Who may take on a role hangs on its trust policy, and on the other side of it may stand anybody: a user, everybody who
//! was given `sts:AssumeRole`, another account. So it is told of the role, as what `sts:AssumeRole` on it hangs on, with
//! the statements of both sides.

use super::{Changed, Member};
use crate::policy::{Document, Effect};
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::grounds::Gathering;

/// What stands for a role that is not there, or trusts nobody.
const NOBODY: &str = "nobody";

/// How whom a role trusts differs between the sides, if it does.
///
/// # Errors
/// If a trust policy cannot be read.
pub fn changed(
    documents: &Documents,
    sides: &[Gathering<'_>; 2],
    both: &[Option<Member>; 2],
) -> Result<Option<Changed>, Fault> {
    let [before, after] = both;
    let trust = |member: &Option<Member>| member.as_ref().and_then(|member| member.trust.clone());
    let Some(role) = after.as_ref().or(before.as_ref()).filter(|role| role.trust.is_some()) else {
        return Ok(None);
    };
    if trust(before) == trust(after) {
        return Ok(None);
    }
    let told = |side: usize| -> Result<Vec<String>, Fault> {
        let (Some(gathering), Some(Some(member))) = (sides.get(side), both.get(side)) else {
            return Ok(vec![NOBODY.to_owned()]);
        };
        let Some(trust) = &member.trust else { return Ok(vec![NOBODY.to_owned()]) };
        Ok(terms(&*documents.trust(gathering.directory().reader, trust)?))
    };
    let (before, after) = (told(0)?, told(1)?);
    let actions = ["sts:AssumeRole".to_owned()].into();
    let resource = role.found.arn.clone();
    Ok((before != after).then_some(Changed { actions, resource, before, after }))
}

/// The statements of a trust policy, a line each.
fn terms(document: &Document) -> Vec<String> {
    let line = |statement: &crate::policy::Statement| {
        let effect = match statement.effect() {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        let actions = statement.written_actions().join(", ");
        let whom = statement.written_principals().join(", ");
        match statement.written_conditions() {
            none if none.is_empty() => format!("{effect} {actions} to {whom}"),
            conditions => format!("{effect} {actions} to {whom} if {}", conditions.join(" and ")),
        }
    };
    let lines: Vec<String> = document.statements().iter().map(line).collect();
    if lines.is_empty() { vec![NOBODY.to_owned()] } else { lines }
}
