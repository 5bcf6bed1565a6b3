//! Exports: an account's history as files that stand alone, in the formats that others read.
//!
//! - [`stretch`](super::stretch): which events; [`told`]: an event opened, `faces`: names as they were; [`noted`]: a receipt
//!   opened. `work`: many threads, one order.
//! - [`cloudtrail`], [`ocsf`], [`ndjson`], [`csv`]: the formats; [`authorization`]: the account's policies as
//!   of a moment.
//! - [`sink`]: a folder or a stream; [`manifest`]: what is in it and why nothing is missing;
//!   [`check`]: holds an export against all of that.
//! - [`keys`]: the key that signs CloudTrail's digest files.
//!
//! An export of the same range of the same ledger is the same to the byte. A caller over the network is
//! authorized for `domesday:Export` on `arn:aws:domesday::ACCOUNT:export/KIND`, an operator is allowed; both
//! leave a durable receipt.

pub mod authorization;
pub mod check;
pub mod cloudtrail;
pub mod csv;
pub mod keys;
pub mod manifest;
pub mod ndjson;
pub mod noted;
pub mod ocsf;
pub mod sink;
pub mod told;

use std::sync::Arc;

pub use self::manifest::Manifest;
use self::manifest::{Output, Proven};
use self::sink::Sink;
use self::told::{Teller, Told};
use super::Service;
use super::audit::authorize;
use super::caller::Caller;
use super::fault::Fault;
use super::imports;
use super::moment::Moment;
use super::stretch::{Placed, Range};
use super::work;
use crate::projection::View;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CloudTrail records in gzip folders with digest files.
    CloudTrail,
    /// OCSF events, one a line.
    Ocsf,
    /// The log's own form, one event a line, with all that proves it.
    Ndjson,
    /// The log's columns.
    Csv,
    /// What `aws iam get-account-authorization-details` prints.
    AuthorizationDetails,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] =
        [Kind::CloudTrail, Kind::Ocsf, Kind::Ndjson, Kind::Csv, Kind::AuthorizationDetails];

    /// Its name: on the command line, in ARNs and manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::CloudTrail => "cloudtrail",
            Kind::Ocsf => "ocsf",
            Kind::Ndjson => "ndjson",
            Kind::Csv => "csv",
            Kind::AuthorizationDetails => "authorization-details",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// In which format.
    pub kind: Kind,
    /// Events that happened at or after this time, or after so many events.
    pub from: Option<Moment>,
    /// Events that happened before this time, or within the first so many events.
    pub to: Option<Moment>,
    /// Also what changed nothing: sign-ins, temporary credentials, and what was denied.
    pub receipts: bool,
}

impl Ask {
    /// Reads what is asked for from parameters named as the flags: `kind`, `from`, `to`, `receipts`.
    ///
    /// # Errors
    /// Unknown parameters and wrong values.
    pub fn parse(parameters: &[(String, String)]) -> Result<Self, Fault> {
        let mut ask = Ask { kind: Kind::Ndjson, from: None, to: None, receipts: false };
        let mut kind = None;
        for (number, (name, value)) in parameters.iter().enumerate() {
            if parameters.iter().take(number).any(|(other, _)| other == name) {
                return Err(Fault::validation(format!("`{name}` is given more than once.")));
            }
            let moment = || {
                let read = Moment::parse(value).map(Some);
                read.map_err(|error| Fault::validation(format!("`{name}`: {error}")))
            };
            match name.as_str() {
                "kind" => kind = Some(Kind::parse(value).ok_or_else(no_kind)?),
                "from" => ask.from = moment()?,
                "to" => ask.to = moment()?,
                "receipts" => ask.receipts = value == "true",
                other => {
                    let why = format!("An export knows no parameter {other:?}.");
                    return Err(Fault::validation(why));
                }
            }
        }
        ask.kind = kind.ok_or_else(no_kind)?;
        if ask.kind == Kind::AuthorizationDetails
            && (ask.from.is_some() || ask.to.is_some() || ask.receipts)
        {
            return Err(Fault::validation(
                "Authorization details are of one moment: give `at` instead of a range.",
            ));
        }
        if ask.receipts && ask.kind == Kind::Csv {
            return Err(Fault::validation("CSV holds events alone: leave `receipts` out."));
        }
        Ok(ask)
    }
}

impl Ask {
    /// In a line, as a command would ask it.
    fn told(&self, at: Option<&Moment>) -> String {
        let mut told = format!("export {}", self.kind.name());
        for (name, moment) in [("from", self.from), ("to", self.to), ("at", at.copied())] {
            told += &moment.map_or(String::new(), |moment| format!(" --{name} {moment}"));
        }
        told + if self.receipts { " --receipts" } else { "" }
    }
}

fn no_kind() -> Fault {
    let names: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
    Fault::validation(format!("`kind` is one of {}.", names.join(", ")))
}

/// The ARN of a kind of export, on which exporting is judged.
pub fn export_arn(digits: &str, kind: Kind) -> String {
    format!("arn:aws:domesday::{digits}:export/{}", kind.name())
}

/// Exports at most so many at once over the network: each holds a thread and a state of the disk.
pub const MOST_AT_ONCE: usize = 2;

/// Writes an export to a sink, its manifest last. `moment` is as of when: later events are not seen.
/// Blocks; not for async threads.
///
/// # Errors
/// Refusals, what is wrong with the range, and failures, the sink's included.
pub fn run(
    service: &Arc<Service>,
    caller: &Caller,
    ask: &Ask,
    moment: Option<Moment>,
    sink: &mut dyn Sink,
) -> Result<Manifest, Fault> {
    let resource = export_arn(&caller.digits, ask.kind);
    let is_past = moment.is_some();
    let asked = ask.told(moment.as_ref());
    authorize(service, caller, ("domesday:Export", &asked), &resource, is_past, &service.now())?;
    let view = match &moment {
        None => service.now(),
        Some(moment) => service.at(moment)?,
    };
    let view = &view.passing();
    // That half a history is complete is no proof of anything.
    imports::gate::check(view, caller.account)?;
    let known_since = match ask.kind {
        Kind::AuthorizationDetails => None,
        _ => imports::gate::known_of_range(view, caller.account, ask.from, ask.to)?,
    };
    let mut output = Output::new(sink);
    let teller = Teller::new(service, view, caller.account)?;
    let range = Range::of(view, caller.account, ask.from, ask.to)?;
    let mut receipts = 0;
    match ask.kind {
        Kind::CloudTrail => {
            let key = keys::signing_key(service)?;
            receipts = cloudtrail::write(service, &teller, &range, ask, &key, &mut output)?;
        }
        Kind::Ocsf => {
            lines(&teller, &range, &mut output, ocsf::FILE, &ocsf::line)?;
            if ask.receipts {
                receipts =
                    noted::write(&teller, ask, &mut output, ocsf::RECEIPTS, &ocsf::receipt_line)?;
            }
        }
        Kind::Ndjson => {
            lines(&teller, &range, &mut output, ndjson::FILE, &ndjson::line)?;
            if ask.receipts {
                receipts = noted::write(
                    &teller,
                    ask,
                    &mut output,
                    ndjson::RECEIPTS,
                    &ndjson::receipt_line,
                )?;
            }
        }
        Kind::Csv => {
            output.begin(csv::FILE)?;
            output.write(csv::heading().as_bytes())?;
            each_line(&teller, &range, &mut output, &csv::line)?;
            output.end()?;
        }
        Kind::AuthorizationDetails => {
            authorization::write(service, caller, view, &mut output)?;
        }
    }
    let proven = Proven::of(service, view, &range, known_since)?;
    output.finish(service, ask, teller.faces.digits(), proven, receipts)
}

/// How a format writes an event: onto the end of what is there.
type Line = dyn Fn(&Teller<'_>, &Told<'_>, &mut Vec<u8>) -> Result<(), Fault> + Sync;

/// Events that are formatted at once.
const PIECE: usize = 1_000;

/// A file of one event a line.
fn lines(
    teller: &Teller<'_>,
    range: &Range,
    output: &mut Output<'_>,
    path: &str,
    line: &Line,
) -> Result<(), Fault> {
    output.begin(path)?;
    each_line(teller, range, output, line)?;
    output.end()
}

fn each_line(
    teller: &Teller<'_>,
    range: &Range,
    output: &mut Output<'_>,
    line: &Line,
) -> Result<(), Fault> {
    let mut frames = range.frames(teller.view.ledger());
    let source = move || {
        let piece = frames.some(PIECE)?;
        Ok((!piece.is_empty()).then_some(piece))
    };
    let work = |piece: Vec<Placed>| {
        let mut text = Vec::with_capacity(piece.len() * 1_024);
        for (position, bytes) in &piece {
            line(teller, &teller.tell(*position, bytes)?, &mut text)?;
        }
        Ok((piece.len() as u64, text))
    };
    let mut done = 0;
    work::in_order(source, work, |(count, text)| {
        done += count;
        output.write(&text)?;
        output.far(done, range.count())
    })
}

/// Writes a value as one line of JSON.
fn json_line(value: &impl serde::Serialize, to: &mut Vec<u8>) -> Result<(), Fault> {
    serde_json::to_writer(&mut *to, value).map_err(Fault::internal)?;
    to.push(b'\n');
    Ok(())
}

/// The view that an export reads, for tests that hold its lines against the log's.
pub fn teller<'a>(
    service: &'a Service,
    view: &'a View,
    account: crate::ledger::AccountId,
) -> Result<Teller<'a>, Fault> {
    Ok(Teller::new(service, view, account)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_whole_or_refused() {
        let parse = |pairs: &[(&str, &str)]| {
            let owned: Vec<_> =
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Ask::parse(&owned)
        };
        let ask = parse(&[("kind", "cloudtrail"), ("from", "@3"), ("receipts", "true")]).unwrap();
        assert_eq!((ask.kind, ask.receipts, ask.to), (Kind::CloudTrail, true, None));
        assert_eq!(ask.from.unwrap().position, Some(3));
        for kind in Kind::ALL {
            assert_eq!(parse(&[("kind", kind.name())]).unwrap().kind, kind);
        }
        for wrong in [
            &[][..],
            &[("kind", "pdf")],
            &[("kind", "csv"), ("kind", "csv")],
            &[("kind", "csv"), ("form", "@3")],
            &[("kind", "csv"), ("from", "soon")],
            &[("kind", "csv"), ("receipts", "true")],
            &[("kind", "authorization-details"), ("to", "@3")],
        ] {
            assert_eq!(parse(wrong).unwrap_err().code, "ValidationError", "{wrong:?}");
        }
    }
}
