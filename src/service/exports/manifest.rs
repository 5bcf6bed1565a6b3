//! The manifest: what an export holds, and why nothing of its range is missing.
//!
//! - Every file with its size and SHA-256.
//! - The stretch of the account's sequences, and the chain over it: an account's events bear sequences
//!   without gaps, and each chain hash is the BLAKE3 of the one before and the event's digest. Each record
//!   of the export bears its sequence, digest and chain hash, so that whoever has the export can follow the
//!   chain from the event before the range to its last one. An event that was left out breaks it.
//! - The frames of the first and last event and of their neighbours outside, as they are stored, with proofs
//!   that they stand at their places in the ledger of a checkpoint: their times and positions show that the range
//!   ends where it says.
//!
//! `MANIFEST.sig` is a signed note of the manifest's SHA-256 by the key that signs checkpoints, so that nobody
//! else can write another one. Where no event of the account follows the range yet, that there is none is the signer's
//! word, as of the checkpoint.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sink::{MANIFEST, SIGNATURE, Sink};
use super::{Ask, Kind};
use crate::base::crypto::{Sha256Sum, sha256};
use crate::base::text::{base64, hex};
use crate::base::time::Timestamp;
use crate::ledger::Frame;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::projection::View;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::stretch::Range;

/// The first word of every manifest.
pub const FORMAT: &str = "domesday export 1";

/// A manifest, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The program that wrote it.
    pub written_by: String,
    /// What kind of export.
    pub kind: String,
    /// The account's 12 digits.
    pub account: String,
    /// From when on, as it was asked; `None` from the beginning.
    pub from: Option<String>,
    /// Before when; `None` to the end of what was there.
    pub to: Option<String>,
    /// Since when the account is known, if that is later than the range begins: its history came from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<String>,
    /// The events of the range.
    pub events: Events,
    /// The ledger that they are in.
    pub ledger: LedgerNote,
    /// Receipts in the export.
    pub receipts: u64,
    /// The files, in the order in which they were written.
    pub files: Vec<FileNote>,
}

/// The ledger, as of a checkpoint that all the proofs are by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerNote {
    /// Its name.
    pub origin: String,
    /// Events in it.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// The stretch of events that an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// How many.
    pub count: u64,
    /// The sequence of the first one.
    pub first: u64,
    /// The sequence of the last one; less than `first` if there are none.
    pub last: u64,
    /// Events of the account that were there when the export was made.
    pub seen: u64,
    /// The last event before the range; `None` where the account begins.
    pub before: Option<Stored>,
    /// The first event of the range.
    pub begins: Option<Stored>,
    /// The last event of the range.
    pub ends: Option<Stored>,
    /// The first event after the range; `None` if there was none yet.
    pub after: Option<Stored>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its position in the ledger.
    pub position: u64,
    /// Its sequence in the account.
    pub sequence: u64,
    /// Its digest, hexadecimal.
    pub digest: String,
    /// Its chain hash, hexadecimal.
    pub chain: String,
    /// The whole frame, in base64.
    pub frame: String,
    /// The hashes that prove that it stands at its position, in base64.
    pub inclusion: Vec<String>,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// Its path in the export.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// The text that is signed beside a manifest. Its first line is no ledger's name, so that it is never taken for a
/// checkpoint.
pub fn statement(origin: &str, size: u64, manifest: &[u8]) -> String {
    format!("{FORMAT}\n{origin}\n{size}\n{}\n", base64(&sha256(manifest)))
}

/// What a manifest says of the ledger.
pub struct Proven {
    events: Events,
    known_since: Option<Timestamp>,
    checkpoint: SignedCheckpoint,
}

impl Proven {
    /// The stretch and its ends, proven by the smallest checkpoint that has all of them: as long as the range is
    /// closed, the same whenever it is asked for.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read, and a checkpoint from being signed.
    pub fn of(
        service: &Arc<Service>,
        view: &View,
        range: &Range,
        known_since: Option<Timestamp>,
    ) -> Result<Self, Fault> {
        let ledger = view.ledger();
        let after = range.last + 1;
        let size = match after <= range.seen {
            true => ledger.position(range.account, after)?.unwrap_or(0),
            false => view.cut().position,
        };
        let checkpoint = service.checkpoint_at(size)?;
        let stored = |sequence: u64| -> Result<Option<Stored>, Fault> {
            if sequence == 0 || sequence > range.seen {
                return Ok(None);
            }
            let Some(position) = ledger.position(range.account, sequence)? else { return Ok(None) };
            let bytes = ledger.event(position)?;
            let frame = Frame::read(position, &bytes)?;
            let inclusion = ledger.prove_inclusion(position, size)?;
            Ok(Some(Stored {
                position,
                sequence,
                digest: hex(&frame.digest),
                chain: hex(&frame.chain),
                frame: base64(frame.bytes),
                inclusion: inclusion.iter().map(|hash| base64(hash)).collect(),
            }))
        };
        let some = range.count() > 0;
        let events = Events {
            count: range.count(),
            first: range.first,
            last: range.last,
            seen: range.seen,
            before: stored(range.first - 1)?,
            begins: if some { stored(range.first)? } else { None },
            ends: if some { stored(range.last)? } else { None },
            after: stored(after)?,
        };
        Ok(Proven { events, known_since, checkpoint })
    }
}

/// The files of an export on their way to the sink, noted for the manifest.
pub struct Output<'a> {
    sink: &'a mut dyn Sink,
    files: Vec<FileNote>,
    open: Option<(String, u64, Sha256Sum)>,
}

impl<'a> Output<'a> {
    /// Nothing yet.
    pub fn new(sink: &'a mut dyn Sink) -> Self {
        Output { sink, files: Vec::new(), open: None }
    }

    /// A file whose hash is known.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn whole(&mut self, path: &str, bytes: &[u8], hash: &[u8; 32]) -> Result<(), Fault> {
        let sink = &mut self.sink;
        sink.begin(path)
            .and_then(|()| sink.write(bytes))
            .and_then(|()| sink.end())
            .map_err(failed)?;
        self.note(path.to_owned(), bytes.len() as u64, hash);
        Ok(())
    }

    /// A small file.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn small(&mut self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.whole(path, bytes, &sha256(bytes))
    }

    /// A file begins that comes piece by piece.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn begin(&mut self, path: &str) -> Result<(), Fault> {
        self.open = Some((path.to_owned(), 0, Sha256Sum::default()));
        self.sink.begin(path).map_err(failed)
    }

    /// The next piece of it.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some((_, length, sum)) = &mut self.open {
            *length += bytes.len() as u64;
            sum.update(bytes);
        }
        self.sink.write(bytes).map_err(failed)
    }

    /// It is whole.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.sink.end().map_err(failed)?;
        if let Some((path, length, sum)) = self.open.take() {
            self.note(path, length, &sum.finish());
        }
        Ok(())
    }

    /// How far the export is.
    ///
    /// # Errors
    /// If whoever waits has gone.
    pub fn far(&mut self, done: u64, of: u64) -> Result<(), Fault> {
        let part = done.saturating_mul(1_000).checked_div(of).unwrap_or(1_000);
        self.sink.far(part.min(1_000)).map_err(failed)
    }

    fn note(&mut self, path: String, bytes: u64, hash: &[u8; 32]) {
        self.files.push(FileNote { path, bytes, sha256: hex(hash) });
    }

    /// Writes the manifest, with which the export is whole.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn finish(
        self,
        service: &Arc<Service>,
        ask: &Ask,
        digits: &str,
        proven: Proven,
        receipts: u64,
    ) -> Result<Manifest, Fault> {
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            written_by: format!("domesday {}", env!("CARGO_PKG_VERSION")),
            kind: ask.kind.name().to_owned(),
            account: digits.to_owned(),
            from: ask.from.map(|moment| moment.to_string()),
            to: ask.to.map(|moment| moment.to_string()),
            known_since: proven.known_since.map(|since| since.to_precise()),
            events: proven.events,
            ledger: LedgerNote {
                origin: proven.checkpoint.checkpoint.origin.clone(),
                size: proven.checkpoint.checkpoint.size,
                checkpoint: proven.checkpoint.to_string(),
            },
            receipts,
            files: self.files,
        };
        let mut text = serde_json::to_vec_pretty(&manifest).map_err(Fault::internal)?;
        text.push(b'\n');
        let LedgerNote { origin, size, .. } = &manifest.ledger;
        let signed = service.sign_beside(&proven.checkpoint, statement(origin, *size, &text))?;
        let sink = self.sink;
        let mut put = |path: &str, bytes: &[u8]| {
            sink.begin(path)?;
            sink.write(bytes)?;
            sink.end()
        };
        put(SIGNATURE, signed.to_string().as_bytes()).map_err(failed)?;
        put(MANIFEST, &text).map_err(failed)?;
        Ok(manifest)
    }
}

/// What the caller is told if the sink fails.
pub fn failed(error: io::Error) -> Fault {
    let why = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; nothing of the export was kept: make room and export again"
        }
        io::ErrorKind::BrokenPipe => "; whoever asked for the export has gone",
        _ => "",
    };
    Fault::new("ExportFailed", 500, format!("{error}{why}"))
}

impl Manifest {
    /// What kind of export it is of; `None` if this release knows none such.
    pub fn kind(&self) -> Option<Kind> {
        Kind::parse(&self.kind)
    }
}
