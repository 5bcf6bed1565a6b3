//! CloudTrail: records in gzip files by hour, and digest files that are chained and signed.
//!
//! ```text
//! AWSLogs/ACCOUNT/CloudTrail/us-east-1/YYYY/MM/DD/ACCOUNT_CloudTrail_us-east-1_YYYYMMDDTHHMMZ_NAME.json.gz
//! AWSLogs/ACCOUNT/CloudTrail-Digest/us-east-1/YYYY/MM/DD/..._YYYYMMDDTHHMMSSZ.json.gz  (and .sig)
//! PUBLIC-KEY.json
//! ```
//!
//! - [`record`]: one record; [`identity`]: who did it; [`response`]: what was answered.
//! - [`digest`]: the digest files, written and checked.
//!
//! The habits are those of real records (eventVersion 1.11): parameters in lower camel case, documents as
//! they were sent, no answer where there was nothing to say. Each record names its event of the ledger in
//! `additionalEventData`. Where a name would be random, it follows from the content.

pub mod digest;
pub mod identity;
pub mod record;
pub mod response;

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use self::digest::{Chain, LogFile};
use super::Ask;
use super::manifest::Output;
use super::noted::{self, Notes};
use super::told::Teller;
use crate::base::crypto::sha256;
use crate::base::rsa::SigningKey;
use crate::base::text::base32;
use crate::base::time::Timestamp;
use crate::ledger::frame;
use crate::projection::ProjectionError;
use crate::service::Service;
use crate::service::activity::receipt::Receipt;
use crate::service::fault::Fault;
use crate::service::stretch::{Frames, Placed, Range};
use crate::service::work;

/// The region that IAM's records bear.
pub const REGION: &str = "us-east-1";
/// The trail that the files are of.
pub const TRAIL: &str = "domesday";
/// The file that holds the public key of the signatures.
pub const PUBLIC_KEY: &str = "PUBLIC-KEY.json";

/// Records in one file at most.
const MOST_RECORDS: usize = 5_000;

/// The bucket that the digest files name.
pub fn bucket(digits: &str) -> String {
    format!("domesday-{digits}")
}

/// The ARN of the trail.
pub fn trail_arn(digits: &str) -> String {
    format!("arn:aws:cloudtrail:{REGION}:{digits}:trail/{TRAIL}")
}

enum Item {
    Event(Placed),
    Receipt(u64, Box<Receipt>),
}

/// The records of one file, not formatted yet.
struct Piece {
    hour: u64,
    items: Vec<Item>,
}

/// Events and receipts in the order of their times, cut where an hour ends.
struct Hours<'a> {
    frames: Frames<'a>,
    notes: Option<Notes<'a>>,
    hour: u64,
}

impl Hours<'_> {
    fn next(&mut self) -> Result<Option<Piece>, ProjectionError> {
        let mut items = Vec::new();
        while items.len() < MOST_RECORDS {
            let event = self.frames.peek()?.map(|(_, bytes)| happened_at(bytes));
            let receipt = match &mut self.notes {
                Some(notes) => notes.peek()?,
                None => None,
            };
            let (at, is_event) = match (event, receipt) {
                (None, None) => break,
                (Some(event), Some(receipt)) => (event.min(receipt), event <= receipt),
                (Some(event), None) => (event, true),
                (None, Some(receipt)) => (receipt, false),
            };
            // What is late goes with what is written now, as CloudTrail does.
            let hour = (at.seconds() / 3_600).max(self.hour);
            if hour != self.hour && !items.is_empty() {
                break;
            }
            self.hour = hour;
            match (is_event, &mut self.notes) {
                (true, _) | (_, None) => items.extend(self.frames.pop()?.map(Item::Event)),
                (false, Some(notes)) => {
                    let next = notes.pop()?;
                    items.extend(
                        next.map(|(number, receipt)| Item::Receipt(number, receipt.into())),
                    );
                }
            }
        }
        Ok((!items.is_empty()).then_some(Piece { hour: self.hour, items }))
    }
}

fn happened_at(frame: &[u8]) -> Timestamp {
    frame::happened_at(frame).unwrap_or_default()
}

/// A file, packed.
struct Packed {
    log: LogFile,
    bytes: Vec<u8>,
    hash: [u8; 32],
    events: u64,
    receipts: u64,
}

/// Writes the export and returns how many receipts are in it.
///
/// # Errors
/// Whatever keeps the ledger or the activity book from being read, and the sink's.
pub fn write(
    service: &Arc<Service>,
    teller: &Teller<'_>,
    range: &Range,
    ask: &Ask,
    key: &SigningKey,
    output: &mut Output<'_>,
) -> Result<u64, Fault> {
    let digits = teller.faces.digits().to_owned();
    let mut chain = Chain::new(&digits, key, service.random());
    output.small(PUBLIC_KEY, &digest::public_key(&key.public())?)?;
    let mut hours = Hours {
        frames: range.frames(teller.view.ledger()),
        notes: ask.receipts.then(|| Notes::new(teller, ask)),
        hour: 0,
    };
    let (mut events, mut receipts) = (0, 0);
    work::in_order(
        move || Ok(hours.next()?),
        |piece| pack(teller, &digits, piece),
        |packed: Packed| {
            events += packed.events;
            receipts += packed.receipts;
            output.whole(&packed.log.path, &packed.bytes, &packed.hash)?;
            chain.add(packed.log, output)?;
            output.far(events, range.count())
        },
    )?;
    chain.finish(output)?;
    Ok(receipts)
}

/// Formats and packs the records of one file.
fn pack(teller: &Teller<'_>, digits: &str, piece: Piece) -> Result<Packed, Fault> {
    let mut text = Vec::with_capacity(piece.items.len() * 1_400);
    text.extend_from_slice(b"{\"Records\":[");
    let (mut oldest, mut newest) = (Timestamp::from_micros(u64::MAX), Timestamp::EPOCH);
    let (mut events, mut receipts) = (0, 0);
    for (number, item) in piece.items.into_iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        let at = match item {
            Item::Event((position, bytes)) => {
                let told = teller.tell(position, &bytes)?;
                let record = record::of_event(teller, &told)?;
                serde_json::to_writer(&mut text, &record).map_err(Fault::internal)?;
                events += 1;
                told.header().happened_at
            }
            Item::Receipt(number, receipt) => {
                let at = receipt.at;
                let noted = noted::opened(teller, number, *receipt)?;
                let record = record::of_receipt(teller, &noted)?;
                serde_json::to_writer(&mut text, &record).map_err(Fault::internal)?;
                receipts += 1;
                at
            }
        };
        (oldest, newest) = (oldest.min(at), newest.max(at));
    }
    text.extend_from_slice(b"]}");
    let plain = sha256(&text);
    let bytes = gzip(&text)?;
    let stamp = digest::basic(newest);
    let minute = stamp.get(..13).unwrap_or_default();
    let unique = base32(&plain);
    let unique = unique.get(..16).unwrap_or_default();
    let day = digest::day(newest);
    let path = format!(
        "AWSLogs/{digits}/CloudTrail/{REGION}/{day}/\
         {digits}_CloudTrail_{REGION}_{minute}Z_{unique}.json.gz"
    );
    let log = LogFile { hour: piece.hour, path, hash: plain, oldest, newest };
    Ok(Packed { hash: sha256(&bytes), log, bytes, events, receipts })
}

/// Packs; the same for the same bytes, since no time or name is noted.
fn gzip(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let packed = Vec::with_capacity(text.len() / 5);
    let mut encoder = GzEncoder::new(packed, Compression::fast());
    encoder.write_all(text).and_then(|()| encoder.finish()).map_err(Fault::internal)
}
