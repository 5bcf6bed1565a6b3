//! Requests that changed nothing: who tried what in vain, and who read the history, from their receipts.
//!
//! The ledger holds what changed; a request that was refused, or that only read, is found in the activity
//! book. The receipt of a denial is written shortly after its answer, so the newest attempts may be a moment
//! late; that of a reading is durable before the answer, which therefore stands in its own list.

use serde_json::{Value, json};

use super::ASKED;
use super::log::{Cursor, Filter, LARGEST, Order, Page, Sort};
use super::names;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};
use crate::service::activity::ActivityBook;
use crate::service::activity::receipt::{Kind, Receipt};
use crate::service::activity::stored::Stored;
use crate::service::evaluation::keys::ASKED_BY;
use crate::service::fault::Fault;
use crate::service::{Service, subject_of};

/// Receipts that are read for one page.
const EXAMINED: usize = 20_000;

/// The requests for an account's resources, of the sort that is asked for, that pass a filter.
///
/// # Errors
/// Whatever keeps rows or activity book from being read.
pub fn page(
    service: &Service,
    account: AccountId,
    view: &View,
    filter: &Filter,
) -> Result<Page, Fault> {
    let activity = service.activity();
    let [principals, persons, targets] = filter.ids(view, account)?;
    let sieve = Sieve { activity, account, filter, view, principals, persons, targets };
    let order = filter.order();
    let receipts = match filter.cursor {
        Some(cursor) => cursor.receipts,
        None => activity.number()?,
    };
    let (mut events, mut examined, mut next) = (Vec::new(), 0, None);
    let mut each = |number: u64, receipt: &Stored<'_>| -> Result<bool, ProjectionError> {
        if number > receipts {
            return Ok(false);
        }
        if events.len() >= filter.limit.clamp(1, LARGEST) || examined >= EXAMINED {
            next = Some(number);
            return Ok(false);
        }
        examined += 1;
        if let Some(outcome) = sieve.passes(receipt)? {
            let entry = entry(activity, view, number, outcome, &receipt.whole()?)?;
            let by_ticket = filter
                .ticket
                .as_ref()
                .is_none_or(|ticket| entry.get("ticket").is_some_and(|found| found == ticket));
            if by_ticket {
                events.push(entry);
            }
        }
        Ok(true)
    };
    match order {
        Order::Newest => {
            let from = filter.cursor.map_or(receipts, |cursor| cursor.at.min(receipts));
            activity.receipts_back(from, &mut each)?;
        }
        Order::Oldest => {
            activity.receipts(filter.cursor.map_or(1, |cursor| cursor.at), &mut each)?;
        }
    }
    let position = view.cut().position;
    let next = next.map(|at| Cursor { order, at, position, receipts });
    Ok(Page { events, next, position, known_since: None })
}

/// A filter made ready.
struct Sieve<'a> {
    activity: &'a ActivityBook,
    account: AccountId,
    filter: &'a Filter,
    view: &'a View,
    principals: Option<Vec<UniqueId>>,
    persons: Option<Vec<UniqueId>>,
    targets: Option<Vec<UniqueId>>,
}

impl Sieve<'_> {
    /// How a request ended, if it is of the sort that is asked for and passes.
    fn passes(&self, receipt: &Stored<'_>) -> Result<Option<&'static str>, ProjectionError> {
        let (sort, outcome) = match receipt.kind {
            Kind::ImplicitDeny => (Sort::Denied, "implicitDeny"),
            Kind::ExplicitDeny => (Sort::Denied, "explicitDeny"),
            Kind::Refused => (Sort::Denied, "refused"),
            Kind::SignInFailed => (Sort::Denied, "signInFailed"),
            Kind::AuditRead => (Sort::Read, "read"),
            _ => return Ok(None),
        };
        if sort != self.filter.sort {
            return Ok(None);
        }
        let (filter, cut) = (self.filter, self.view.cut());
        let among =
            |ids: &Option<Vec<UniqueId>>, id| ids.as_ref().is_none_or(|ids| ids.contains(id));
        // A request comes after the events that its decision saw: it is the next thing to happen.
        let passes = receipt.account == self.account
            && receipt.position <= cut.position
            && cut.time.is_none_or(|time| receipt.at <= time)
            && filter.covers(receipt.position.saturating_add(1), receipt.at)
            && among(&self.principals, &receipt.principal.1)
            && among(&self.targets, &receipt.resource)
            && filter.operation.as_ref().is_none_or(|name| is_operation(receipt.action, name));
        let passes = passes
            && match &self.persons {
                None => true,
                Some(ids) => {
                    let (_, actor) = &receipt.principal;
                    let key = receipt.credential.as_ref();
                    ids.contains(&names::person(self.activity, actor, key)?)
                }
            };
        Ok(passes.then_some(outcome))
    }
}

/// `CreateUser` and `iam:CreateUser` both name the action `iam:CreateUser`.
fn is_operation(action: &str, name: &str) -> bool {
    let bare = action.split_once(':').map_or(action, |(_, bare)| bare);
    action.eq_ignore_ascii_case(name) || bare.eq_ignore_ascii_case(name)
}

/// One receipt in the form of the log's events, its sealed parts opened.
fn entry(
    activity: &ActivityBook,
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
    let person = names::person(activity, actor, receipt.credential.as_ref())?;
    let person_found = match *home == receipt.account {
        true => names::by_id(Directory::new(&then, *home), &person)?,
        false => None,
    };
    Ok(json!({
        "receipt": number,
        "position": receipt.position,
        "recorded_at": receipt.at.to_precise(),
        "happened_at": receipt.at.to_precise(),
        "operation": receipt.action,
        "outcome": outcome,
        "blocked_by": receipt.blocked_by,
        "actor": {
            "id": actor.as_str(),
            "name": found.map(|found| found.called()).or_else(|| key("aws:PrincipalArn")),
        },
        "person": {
            "id": person.as_str(),
            "name": person_found.map(|found| found.called()),
        },
        "source_identity": key("aws:SourceIdentity"),
        "credential": receipt.credential.as_ref().map(UniqueId::as_str),
        "asked": key(ASKED),
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
