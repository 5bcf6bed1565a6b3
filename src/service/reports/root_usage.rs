//! What the root user did in a stretch of time: its changes, from the ledger, and its requests and sign-ins,
//! from the activity book as far as receipts are kept; and which credentials it has.

use serde_json::{Value, json};

use super::named::{Scene, Table};
use super::people::{self, or_unknown};
use crate::identity::Event;
use crate::identity::id::UniqueId;
use crate::ledger::Frame;
use crate::projection::ProjectionError;
use crate::projection::postings::{Of, Order, Sought, Term};
use crate::service::activity::receipt::Kind;
use crate::service::activity::stored::Stored;
use crate::service::audit::log::Filter;
use crate::service::audit::replay::word;
use crate::service::fault::Fault;

const COLUMNS: &[&str] = &["at", "what", "operation", "outcome", "event", "receipt", "request"];

/// What is not told where the account's history came from elsewhere.
const OF_A_TRAIL: &str = "of a history that was imported, changes and the last use are told alone, not each sign-in and \
                          request; who had which credentials when it begins is not known";

/// Makes the table.
///
/// # Errors
/// Whatever keeps ledger or activity book from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let mut rows = changes(scene)?;
    let made = rows.len();
    let kept_from = requests(scene, &mut rows)?;
    rows.sort_by_cached_key(|row| {
        let number = |name: &str| row.get(name).and_then(Value::as_u64);
        (
            row.get("at").and_then(Value::as_str).map(str::to_owned),
            number("event"),
            number("receipt"),
        )
    });
    let root = people::root(scene)?;
    let last_used = root.last_used(scene, &people::used(scene, std::slice::from_ref(&root))?);
    let keys = (!root.unknown || !root.keys.is_empty()).then_some(root.keys.len());
    let summary = json!({
        "changes": made,
        "requests": rows.len() - made,
        "receipts_kept_from": kept_from,
        "access_keys": or_unknown(keys),
        "mfa_devices": or_unknown(root.device_count()),
        "has_password": or_unknown(root.signs_in),
        "last_used": last_used.map(|at| at.to_string()),
        "note": root.unknown.then_some(OF_A_TRAIL),
    });
    Ok(Table { columns: COLUMNS, rows, summary })
}

fn changes(scene: &Scene<'_>) -> Result<Vec<Value>, Fault> {
    let (first, last) = scene.bounds()?;
    let root = UniqueId::root();
    let all = [vec![Term::new(Of::Actor, root.as_str())]];
    let sought = Sought { all: &all, first, last, order: Order::Oldest, steps: u64::MAX };
    let mut rows = Vec::new();
    scene.view.postings(scene.account, &sought, &mut |position| {
        let bytes = scene.view.ledger().event(position)?;
        let frame = Frame::read(position, &bytes)?;
        let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
        // The root users of other accounts have the same id.
        let is_own = event.origin.actor_account.is_none();
        if is_own && frame.header.actor.as_str() == root.as_str() {
            rows.push(json!({
                "at": frame.header.happened_at.to_string(),
                "what": "change",
                "operation": event.origin.operation,
                "outcome": "success",
                "event": position,
                "receipt": null,
                "request": event.origin.request,
            }));
        }
        Ok(true)
    })?;
    Ok(rows)
}

/// Adds the root user's requests; returns the number of the first receipt that is kept.
fn requests(scene: &Scene<'_>, rows: &mut Vec<Value>) -> Result<Option<u64>, Fault> {
    let root = UniqueId::root();
    let filter = Filter { from: scene.range.from, to: scene.range.to, ..Filter::default() };
    let cut = scene.view.cut();
    let mut kept_from = None;
    let mut each = |number: u64, receipt: &Stored<'_>| {
        if number > scene.facts.number {
            return Ok(false);
        }
        kept_from.get_or_insert(number);
        let is_by_root = receipt.principal == (scene.account, root.clone())
            && receipt.kind != Kind::Gap
            && receipt.position <= cut.position
            && receipt.at <= scene.at
            && filter.covers(receipt.position.saturating_add(1), receipt.at);
        if is_by_root {
            rows.push(json!({
                "at": receipt.at.to_string(),
                "what": if receipt.action.starts_with("signin:") { "sign-in" } else { "request" },
                "operation": receipt.action,
                "outcome": word(receipt.kind),
                "event": null,
                "receipt": number,
                "request": receipt.request,
            }));
        }
        Ok(true)
    };
    scene.service.activity().receipts(1, &mut each)?;
    Ok(kept_from)
}
