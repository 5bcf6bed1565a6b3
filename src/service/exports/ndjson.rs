//! NDJSON: one event a line, as `domesday log -o ndjson` prints it, and after that all that proves it:
//! sequence, digest, chain hash, the leaf of the tree, and the frame itself as it is stored.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::json_line;
use super::noted::Noted;
use super::told::{Teller, Told};
use crate::base::text::{base64, hex};
use crate::identity::change::Change;
use crate::identity::id::UniqueId;
use crate::ledger::tree::leaf_hash;
use crate::service::audit::names;
use crate::service::fault::Fault;

/// The file of events.
pub const FILE: &str = "events.ndjson";
/// The file of receipts.
pub const RECEIPTS: &str = "receipts.ndjson";

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    recorded_at: String,
    happened_at: String,
    operation: &'a str,
    outcome: &'static str,
    actor: Named<'a>,
    person: Person<'a>,
    session: &'a Option<String>,
    source_identity: &'a Option<String>,
    credential: Option<&'a str>,
    address: &'a Option<String>,
    agent: &'a Option<String>,
    ticket: &'a Option<String>,
    request: &'a str,
    target: Target<'a>,
    parameters: &'a Option<Value>,
    changes: Vec<&'static str>,
    sequence: u64,
    digest: String,
    chain: String,
    leaf: String,
    frame: String,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    name: Option<Cow<'a, str>>,
    account: &'a Option<String>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    name: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Target<'a> {
    id: &'a str,
    name: Option<String>,
}

/// One event.
///
/// # Errors
/// Whatever keeps the activity book or the rows from being read.
pub fn line(teller: &Teller<'_>, told: &Told<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (header, origin) = (told.header(), &told.event.origin);
    let person = names::person(teller.activity, &origin.actor, origin.credential.as_ref())?;
    let person_name = match person == origin.actor {
        true => told.actor_name(),
        false => teller.faces.at(told.position, &person)?.map(|face| Cow::Owned(face.called())),
    };
    // The log names principals and their devices.
    let target = told.target.as_ref().filter(|face| face.kind != "policy");
    let line = Line {
        position: told.position,
        recorded_at: header.recorded_at.to_precise(),
        happened_at: header.happened_at.to_precise(),
        operation: &origin.operation,
        outcome: "success",
        actor: Named {
            id: origin.actor.as_str(),
            name: told.actor_name(),
            account: &origin.actor_account,
        },
        person: Person { id: person.as_str(), name: person_name },
        session: &told.session,
        source_identity: &told.source_identity,
        credential: origin.credential.as_ref().map(UniqueId::as_str),
        address: &told.address,
        agent: &told.agent,
        ticket: &origin.ticket,
        request: &origin.request,
        target: Target { id: origin.target.as_str(), name: target.map(|face| face.called()) },
        parameters: &told.parameters,
        changes: told.event.changes.iter().map(Change::name).collect(),
        sequence: header.sequence,
        digest: hex(&told.frame.digest),
        chain: hex(&told.frame.chain),
        leaf: hex(&leaf_hash(told.frame.bytes)),
        frame: base64(told.frame.bytes),
    };
    json_line(&line, to)
}

/// One receipt.
///
/// # Errors
/// None that are the receipt's.
pub fn receipt_line(_: &Teller<'_>, noted: &Noted, to: &mut Vec<u8>) -> Result<(), Fault> {
    json_line(&noted.plain(), to)
}
