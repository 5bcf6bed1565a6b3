//! Who tried what in vain: the requests that were denied, from their receipts.
//!
//! The ledger holds what changed; a request that was refused changed nothing and is found in the activity
//! book. A receipt is written shortly after its answer, so the newest attempts may be a moment late.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::log::Filter;
use super::names;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};
use crate::service::activity::receipt::{Kind, Receipt};
use crate::service::evaluation::keys::ASKED_BY;
use crate::service::fault::Fault;
use crate::service::{Service, subject_of};

/// The denied requests for an account's resources that pass a filter, oldest first.
pub fn attempts(
    service: &Service,
    account: AccountId,
    view: &View,
    filter: &Filter,
) -> Result<Value, Fault> {
    let [principals, persons, targets] = filter.ids(view, account)?;
    let cut = view.cut();
    let mut shown = VecDeque::new();
    service.activity().receipts(1, &mut |number, receipt| {
        let outcome = match receipt.kind {
            Kind::ImplicitDeny => "implicitDeny",
            Kind::ExplicitDeny => "explicitDeny",
            Kind::Refused => "refused",
            Kind::SignInFailed => "signInFailed",
            _ => return Ok(true),
        };
        let among =
            |ids: &Option<Vec<UniqueId>>, id| ids.as_ref().is_none_or(|ids| ids.contains(id));
        // A denied request comes after the events that its decision saw: it is the next thing to happen.
        let wanted = receipt.account == account
            && receipt.position <= cut.position
            && cut.time.is_none_or(|time| receipt.at <= time)
            && filter.covers(receipt.position.saturating_add(1), receipt.at)
            && among(&principals, &receipt.principal.1)
            && among(&targets, &receipt.resource)
            && filter.operation.as_ref().is_none_or(|name| is_operation(&receipt.action, name));
        let wanted = wanted
            && match &persons {
                None => true,
                Some(ids) => {
                    let (_, actor) = &receipt.principal;
                    let activity = service.activity();
                    ids.contains(&names::person(activity, actor, receipt.credential.as_ref())?)
                }
            };
        if wanted {
            let entry = entry(view, number, outcome, &receipt)?;
            if filter
                .ticket
                .as_ref()
                .is_none_or(|ticket| entry.get("ticket").is_some_and(|found| found == ticket))
            {
                shown.push_back(entry);
                if shown.len() > filter.limit {
                    shown.pop_front();
                }
            }
        }
        Ok(true)
    })?;
    Ok(json!({ "events": shown }))
}

/// `CreateUser` and `iam:CreateUser` both name the action `iam:CreateUser`.
fn is_operation(action: &str, name: &str) -> bool {
    let bare = action.split_once(':').map_or(action, |(_, bare)| bare);
    action.eq_ignore_ascii_case(name) || bare.eq_ignore_ascii_case(name)
}

/// One receipt in the form of the log's events, its sealed parts opened.
fn entry(
    view: &View,
    number: u64,
    outcome: &str,
    receipt: &Receipt,
) -> Result<Value, ProjectionError> {
    let (home, actor) = &receipt.principal;
    let sealed = &receipt.personal;
    let personal =
        sealing::unseal(view.keys(), *home, &subject_of(actor), "receipt context", sealed)?;
    let personal: Option<Value> =
        personal.as_deref().and_then(|personal| serde_json::from_str(personal).ok());
    let key = |name: &str| match &personal {
        None => Some(ERASED.to_owned()),
        Some(personal) => personal.get(name)?.get(0)?.as_str().map(str::to_owned),
    };
    let resource = subject_of(&receipt.resource);
    let arn = &receipt.resource_arn;
    let arn = sealing::unseal(view.keys(), receipt.account, &resource, "receipt resource", arn)?;
    let cut = Cut { position: receipt.position, time: None };
    let then = view.projections().at(cut);
    let found = match *home == receipt.account {
        true => names::by_id(Directory::new(&then, *home), actor)?,
        // Another account's principal is known here by its ARN alone.
        false => None,
    };
    Ok(json!({
        "receipt": number,
        "position": receipt.position,
        "recorded_at": receipt.at.to_precise(),
        "operation": receipt.action,
        "outcome": outcome,
        "blocked_by": receipt.blocked_by,
        "actor": {
            "id": actor.as_str(),
            "name": found.map(|found| found.called()).or_else(|| key("aws:PrincipalArn")),
        },
        "source_identity": key("aws:SourceIdentity"),
        "credential": receipt.credential.as_ref().map(UniqueId::as_str),
        "asked_by": asked_by(receipt),
        "address": key("aws:SourceIp"),
        "agent": key("aws:UserAgent"),
        "ticket": key("aws:PrincipalTag/ticket"),
        "request": receipt.request,
        "target": {
            "id": receipt.resource.as_str(),
            "name": arn.unwrap_or_else(|| ERASED.to_owned()),
        },
        "statements": receipt
            .deciding
            .iter()
            .map(|(policy, version, index)| {
                json!({ "policy": policy, "version": version, "statement": index })
            })
            .collect::<Vec<_>>(),
    }))
}

/// The unique id of whoever asked about the actor, where the actor did not ask itself.
fn asked_by(receipt: &Receipt) -> Option<&str> {
    let (_, values) = receipt.context.iter().find(|(key, _)| key == ASKED_BY)?;
    values.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_with_or_without_its_service() {
        assert!(is_operation("iam:CreateUser", "createuser"));
        assert!(is_operation("iam:CreateUser", "iam:CreateUser"));
        assert!(!is_operation("iam:CreateUser", "sts:CreateUser"));
        assert!(!is_operation("iam:CreateUser", "CreateUse"));
    }
}
