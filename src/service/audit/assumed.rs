//! Texts that an answer takes from the catalogue of today, since the import of the account does not tell them.
//!
//! A snapshot carries the text of each managed policy of AWS's that it uses; one that the trail attaches later is in
//! neither, and AWS's text of that day is not known. So answers name such policies: what they say stands on a guess.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names;
use crate::identity::change::PolicyRef;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::View;
use crate::projection::directory::Directory;
use crate::projection::tables::{ATTACHED, BOUNDS, IMPORT, SHARED_POLICIES};
use crate::projection::view::ReadTables;
use crate::service::documents::Catalogue;
use crate::service::fault::Fault;
use crate::service::operations::account::policies_in_use;

/// What the ARNs of AWS's managed policies begin with.
const AWS: &str = "arn:aws:iam::aws:policy/";

/// Names in an answer, as `assumed`, the ARNs of policies whose text is assumed: of those that are attached or bound
/// at the moment of the view, to a principal or its groups or else to anybody, and those whose statements the answer
/// shows. Nothing is added where there are none.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn note(
    view: &View,
    account: AccountId,
    principal: Option<&str>,
    answer: &mut Value,
) -> Result<(), Fault> {
    let directory = Directory::new(view, account);
    if view.get(account, &IMPORT, &())?.is_none() {
        return Ok(());
    }
    let mut policies = BTreeSet::new();
    told(answer, &mut policies);
    let holders = principal.map(|name| holders(directory, name)).transpose()?;
    for policy in policies_in_use(directory)? {
        if is_held(view, account, holders.as_deref(), &policy)? {
            policies.insert(policy.0);
        }
    }
    let mut assumed = Vec::new();
    for arn in policies {
        let policy = PolicyRef(arn);
        let is_aws = policy.0.starts_with(AWS) && !Catalogue::is_own(&policy.0);
        if is_aws && view.get(account, &SHARED_POLICIES, &policy)?.is_none() {
            assumed.push(policy.0);
        }
    }
    if let (Some(fields), false) = (answer.as_object_mut(), assumed.is_empty()) {
        fields.insert("assumed".to_owned(), assumed.into());
    }
    Ok(())
}

/// A principal and its groups.
fn holders(directory: Directory<'_>, name: &str) -> Result<Vec<UniqueId>, Fault> {
    let found = match names::one(directory, name) {
        Ok(found) => found.id,
        // The root user has no policies.
        Err(fault) if fault.is_sender() => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let groups = directory.groups_of(&found)?;
    Ok(groups.into_iter().map(|group| group.row.id).chain([found]).collect())
}

fn is_held(
    view: &View,
    account: AccountId,
    holders: Option<&[UniqueId]>,
    policy: &PolicyRef,
) -> Result<bool, Fault> {
    let Some(holders) = holders else { return Ok(true) };
    for id in holders {
        if view.get(account, &ATTACHED, &(id.clone(), policy.clone()))?.is_some()
            || view.get(account, &BOUNDS, &(policy.clone(), id.clone()))?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The policies whose statements an answer shows.
fn told(answer: &Value, policies: &mut BTreeSet<String>) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("policy", Value::String(arn)) => drop(policies.insert(arn.clone())),
                    _ => told(value, policies),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| told(value, policies)),
        _ => {}
    }
}
