//! CSV: the columns that the log prints, for spreadsheets.
//!
//! What strangers can choose - names, agents, session names - could begin as a formula does; such cells are
//! guarded so that no spreadsheet computes them.

use super::told::{Teller, Told};
use crate::base::text::{csv_cell, hex};
use crate::service::fault::Fault;

/// The file of events.
pub const FILE: &str = "events.csv";

const COLUMNS: [&str; 18] = [
    "position",
    "sequence",
    "recorded_at",
    "happened_at",
    "operation",
    "actor.id",
    "actor.name",
    "session",
    "source_identity",
    "credential",
    "address",
    "agent",
    "ticket",
    "request",
    "target.id",
    "target.name",
    "digest",
    "chain",
];

/// The first line.
pub fn heading() -> String {
    COLUMNS.join(",") + "\r\n"
}

/// One event.
///
/// # Errors
/// None that are the event's.
pub fn line(_: &Teller<'_>, told: &Told<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (header, origin) = (told.header(), &told.event.origin);
    let numbers = [told.position.to_string(), header.sequence.to_string()];
    let times = [header.recorded_at.to_precise(), header.happened_at.to_precise()];
    let actor = told.actor_name();
    let target = told.target.as_ref().map(|face| face.called());
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let cells: [&str; COLUMNS.len()] = [
        &numbers[0],
        &numbers[1],
        &times[0],
        &times[1],
        &origin.operation,
        origin.actor.as_str(),
        actor.as_deref().unwrap_or_default(),
        &text(&told.session),
        &text(&told.source_identity),
        origin.credential.as_ref().map_or("", |key| key.as_str()),
        &text(&told.address),
        &text(&told.agent),
        &text(&origin.ticket),
        &origin.request,
        origin.target.as_str(),
        target.as_deref().unwrap_or_default(),
        &hex(&told.frame.digest),
        &hex(&told.frame.chain),
    ];
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            to.push(b',');
        }
        to.extend_from_slice(csv_cell(cell).as_bytes());
    }
    to.extend_from_slice(b"\r\n");
    Ok(())
}
