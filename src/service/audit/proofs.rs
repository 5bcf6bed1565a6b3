//! Proofs: that an event is in the ledger, the checkpoints that they stand on, and the events themselves in
//! bundles, as C2SP tlog-tiles serves them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{authorize, ledger_arn};
use crate::base::text::base64;
use crate::ledger::checkpoint::ProofFile;
use crate::ledger::{AccountId, Frame};
use crate::projection::View;
use crate::projection::tables::ACCOUNTS;
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::caller::Caller;
use crate::service::fault::Fault;

/// The digits in the ARN of the ledger that holds the events of all accounts.
pub const SYSTEM_DIGITS: &str = "000000000000";

/// Reads the position in `proofs/7` or `proofs/@7`.
///
/// # Errors
/// If there is none.
pub fn position(name: &str) -> Result<u64, Fault> {
    let text = name.strip_prefix("proofs/").unwrap_or(name);
    let digits = text.strip_prefix('@').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|position| *position > 0 && plain).ok_or_else(|| {
        Fault::validation(format!("{text:?} names no event: write its position, as 7 or @7."))
    })
}

/// The newest checkpoint; for a moment of the past, that of the events that it knows.
pub fn checkpoint(service: &Arc<Service>, view: &View, past: bool) -> Result<Value, Fault> {
    let signed = match past {
        true => service.checkpoint_at(view.cut().position)?,
        false => service.checkpoint_covering(view.cut().position)?,
    };
    Ok(json!({
        "origin": signed.checkpoint.origin,
        "size": signed.checkpoint.size,
        "root": base64(&signed.checkpoint.root),
        "checkpoint": signed.to_string(),
    }))
}

/// A proof file of one event, with its frame.
pub fn proof(
    service: &Arc<Service>,
    caller: &Caller,
    view: &View,
    position: u64,
) -> Result<Value, Fault> {
    let head = view.cut().position;
    if position > head {
        return Err(Fault::validation(format!(
            "Event @{position} has not happened yet: the ledger has {head} events."
        )));
    }
    let frame = service.ledger().event(position)?;
    let owner = Frame::read(position, &frame)?.header.account;
    if owner != caller.account && !(owner == AccountId::SYSTEM && sees_all(caller, view)?) {
        return Err(Fault::new(
            "NoSuchEntity",
            404,
            format!("Event @{position} is none of this account."),
        ));
    }
    let checkpoint = service.checkpoint_covering(head)?;
    let size = checkpoint.checkpoint.size;
    let hashes = service.ledger().prove_inclusion(position, size)?;
    let file = ProofFile { entry: Some(frame), index: position - 1, hashes, checkpoint };
    Ok(json!({
        "event": position,
        "index": file.index,
        "size": size,
        "proof": file.to_string(),
    }))
}

/// Whether the events of the store are all the caller's: the operator's, or those of the only account.
fn sees_all(caller: &Caller, view: &View) -> Result<bool, Fault> {
    Ok(caller.is_operator() || view.count(AccountId::SYSTEM, &ACCOUNTS, &())? == 1)
}

/// A bundle of events, for a caller who may read those of all accounts; `None` if there are fewer.
///
/// # Errors
/// Refusals, and those of the disk.
pub fn entries(
    service: &Arc<Service>,
    caller: &Caller,
    index: u64,
    width: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let now = service.now();
    // The whole ledger is the only account's, or the system account's: then it is foreign to every caller but
    // the operator, and no policy of an account can speak for another one.
    let is_own = !caller.is_operator() && sees_all(caller, &now)?;
    let digits = if is_own { &caller.digits } else { SYSTEM_DIGITS };
    let asked = format!("tile/entries/{index}");
    let asked = ("domesday:ReadLedger", asked.as_str());
    authorize(service, caller, asked, &ledger_arn(digits), false, &now)?;
    Ok(service.ledger().entries(index, width)?)
}
