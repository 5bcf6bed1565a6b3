//! Segments of receipts: those of one commit in one row.
//!
//! | part | size | what |
//! |---|---|---|
//! | chain | 32 | BLAKE3 of the chain hash before it (zeros at first) and all that follows |
//! | first | 8 | the number of the first receipt, big-endian |
//! | receipts | | each as its length, u32 big-endian, and its bytes by the codec |
//!
//! The row's key is the number of its last receipt. When old segments are removed, a record keeps where
//! the book begins since: the number before the first receipt that is left, and the chain hash there.

use super::receipt::Receipt;
use super::stored::Stored;
use crate::base::crypto::content_hash_of_parts;
use crate::base::time::Timestamp;
use crate::identity::codec;
use crate::projection::ProjectionError;
use crate::store::{Batch, Cursor, Family, Store, StoreError};

const BEGINS: &[u8] = b"receipts begin after";

/// Where a chain stands: the last receipt's number, and the chain hash there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Receipts so far.
    pub number: u64,
    /// The chain hash.
    pub chain: [u8; 32],
}

fn altered() -> ProjectionError {
    StoreError::Damaged("the activity book's receipts were altered".into()).into()
}

/// Adds receipts to a batch as the segment after `tip`, and returns the new tip.
pub fn write<'a>(
    tip: Tip,
    receipts: impl Iterator<Item = &'a Receipt>,
    batch: &mut Batch,
) -> Result<Tip, ProjectionError> {
    let mut body = (tip.number + 1).to_be_bytes().to_vec();
    let mut number = tip.number;
    for receipt in receipts {
        let bytes = codec::encode(receipt)?;
        let length = u32::try_from(bytes.len()).map_err(|_| altered())?;
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&bytes);
        number += 1;
    }
    if number == tip.number {
        return Ok(tip);
    }
    let chain = link(&tip.chain, &body);
    batch.put(Family::Receipts, number.to_be_bytes(), [chain.as_slice(), &body].concat());
    Ok(Tip { number, chain })
}

fn link(previous: &[u8; 32], body: &[u8]) -> [u8; 32] {
    content_hash_of_parts([previous.as_slice(), body])
}

/// A segment taken apart.
struct Segment<'a> {
    tip: Tip,
    first: u64,
    receipts: Vec<&'a [u8]>,
}

impl Segment<'_> {
    /// Where it stands, and the time that its last receipt bears.
    fn place(&self) -> Result<Place, ProjectionError> {
        let last = self.receipts.last().ok_or_else(altered)?;
        Ok(Place { first: self.first, last: self.tip.number, at: Stored::read(last)?.at })
    }
}

/// Where a segment stands.
#[derive(Clone, Copy)]
struct Place {
    first: u64,
    last: u64,
    at: Timestamp,
}

/// Reads a segment; `previous` is where the chain stands before it, if that is known.
fn parse<'a>(
    key: &[u8],
    value: &'a [u8],
    previous: Option<Tip>,
) -> Result<Segment<'a>, ProjectionError> {
    let last = <[u8; 8]>::try_from(key).map(u64::from_be_bytes).map_err(|_| altered())?;
    let (chain, body) = value.split_first_chunk::<32>().ok_or_else(altered)?;
    let (first, mut rest) = body.split_first_chunk::<8>().ok_or_else(altered)?;
    let first = u64::from_be_bytes(*first);
    if previous.is_some_and(|tip| link(&tip.chain, body) != *chain || tip.number + 1 != first) {
        return Err(altered());
    }
    let mut receipts = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| altered())?;
        let (bytes, after) = after.split_at_checked(length).ok_or_else(altered)?;
        receipts.push(bytes);
        rest = after;
    }
    if !rest.is_empty() || receipts.is_empty() || first + receipts.len() as u64 != last + 1 {
        return Err(altered());
    }
    Ok(Segment { tip: Tip { number: last, chain: *chain }, first, receipts })
}

fn begins(store: &dyn Store) -> Result<Tip, ProjectionError> {
    let Some(bytes) = store.get(Family::Meta, BEGINS)? else { return Ok(Tip::default()) };
    let (number, chain) = bytes.split_first_chunk::<8>().ok_or_else(altered)?;
    let chain = <[u8; 32]>::try_from(chain).map_err(|_| altered())?;
    Ok(Tip { number: u64::from_be_bytes(*number), chain })
}

/// How many receipts were forgotten, since they were old.
pub fn forgotten(store: &dyn Store) -> Result<u64, ProjectionError> {
    begins(store).map(|begins| begins.number)
}

/// Walks segments from the one that holds receipt `from`; `false` stops.
fn walk(
    store: &dyn Store,
    from: u64,
    visit: &mut dyn FnMut(Segment<'_>) -> Result<bool, ProjectionError>,
) -> Result<(), ProjectionError> {
    let mut outcome = Ok(());
    store.walk_through(Family::Receipts, &mut |cursor: &mut dyn Cursor| {
        // Only now: the cursor stands on one state of the book, and segments that are removed meanwhile
        // are still in it.
        let begins = match begins(store) {
            Ok(begins) => begins,
            Err(error) => {
                outcome = Err(error);
                return Ok(());
            }
        };
        let mut previous = (from <= begins.number + 1).then_some(begins);
        cursor.seek(&from.max(begins.number + 1).to_be_bytes())?;
        while let Some((key, value)) = cursor.current() {
            let step = parse(key, value, previous).and_then(|segment| {
                previous = Some(segment.tip);
                visit(segment)
            });
            match step {
                Ok(true) => cursor.advance()?,
                Ok(false) => return Ok(()),
                Err(error) => {
                    outcome = Err(error);
                    return Ok(());
                }
            }
        }
        Ok(())
    })?;
    outcome
}

/// What is done with the bytes of a receipt, by its number; `false` stops.
pub type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<bool, ProjectionError>;

/// Hands out receipts as bytes, in order from a number on, checking the chain; `false` stops.
pub fn read(store: &dyn Store, from: u64, visit: Visit<'_>) -> Result<(), ProjectionError> {
    walk(store, from, &mut |segment| {
        for (number, receipt) in (segment.first..).zip(segment.receipts) {
            if number >= from && !visit(number, receipt)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Reads receipts backwards, from the last with a number of at most `to`, checking the chain; `false` stops.
pub fn read_back(
    store: &dyn Store,
    to: u64,
    visit: &mut dyn FnMut(u64, &Stored<'_>) -> Result<bool, ProjectionError>,
) -> Result<(), ProjectionError> {
    let mut outcome = Ok(());
    store.walk(Family::Receipts, &mut |cursor: &mut dyn Cursor| {
        // Only now, as in `walk`.
        outcome = begins(store).and_then(|begins| back(cursor, begins, to, visit));
        Ok(())
    })?;
    outcome
}

fn back(
    cursor: &mut dyn Cursor,
    begins: Tip,
    to: u64,
    visit: &mut dyn FnMut(u64, &Stored<'_>) -> Result<bool, ProjectionError>,
) -> Result<(), ProjectionError> {
    // The one that holds `to` is the first that ends there or later, or the last there is.
    cursor.seek(&to.to_be_bytes())?;
    if cursor.current().is_none() {
        cursor.seek_back(&u64::MAX.to_be_bytes())?;
    }
    let mut next = cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec()));
    while let Some((key, value)) = next.take() {
        let first = value.get(32..40).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let first = first.map(u64::from_be_bytes).ok_or_else(altered)?;
        // What comes before it is its predecessor, whose end the chain hash attests.
        let previous = match first.checked_sub(1) {
            Some(number) if number > begins.number => {
                cursor.seek_back(&number.to_be_bytes())?;
                let (key, value) = cursor.current().ok_or_else(altered)?;
                let chain = value.first_chunk::<32>().ok_or_else(altered)?;
                next = Some((key.to_vec(), value.to_vec()));
                Tip { number, chain: *chain }
            }
            _ => begins,
        };
        let segment = parse(&key, &value, Some(previous))?;
        let mut number = segment.tip.number;
        for receipt in segment.receipts.into_iter().rev() {
            let is_wanted = number <= to;
            number -= 1;
            if is_wanted && !visit(number + 1, &Stored::read(receipt)?)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The end of the chain as it is stored.
pub fn last(store: &dyn Store) -> Result<Tip, ProjectionError> {
    let found = crate::store::walk(store, Family::Receipts, |cursor| {
        cursor.seek_back(&u64::MAX.to_be_bytes())?;
        Ok(cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec())))
    })?;
    match found {
        None => begins(store),
        Some((key, value)) => Ok(parse(&key, &value, None)?.tip),
    }
}

/// How long a time must have passed before anything is removed for it, in seconds.
const PROOF: i64 = 86_400;

/// Adds to a batch the removal of the oldest segments that are older than so many days, at most `most` of
/// them; the newest segment stays in any case.
///
/// A clock may jump far ahead and come back. So not the clock says what is old but the book: the newest
/// receipt that is a day old by the clock. What was kept before a jump keeps its age until the clock has
/// stood there for a day; and receipts that bear a time that has not come are as old as those after them.
pub fn forget(
    store: &dyn Store,
    now: Timestamp,
    days: i64,
    most: usize,
    batch: &mut Batch,
) -> Result<usize, ProjectionError> {
    let Some(proven) = proven(store, now.plus_seconds(-PROOF))? else { return Ok(0) };
    let limit = proven.plus_seconds(-days * 86_400);
    let newest = last(store)?.number;
    let untimely = untimely(store, now, limit)?;
    let mut gone: Option<Tip> = None;
    let mut count = 0;
    walk(store, 1, &mut |segment| {
        let number = segment.tip.number;
        let old = segment.place()?.at < limit || number <= untimely;
        if !old || number == newest || count >= most {
            return Ok(false);
        }
        batch.delete(Family::Receipts, number.to_be_bytes());
        gone = Some(segment.tip);
        count += 1;
        Ok(true)
    })?;
    if let Some(tip) = gone {
        batch.put(Family::Meta, BEGINS, [tip.number.to_be_bytes().as_slice(), &tip.chain].concat());
    }
    Ok(count)
}

/// The segment that holds a receipt, or the next one there is.
fn holding(store: &dyn Store, number: u64) -> Result<Option<Place>, ProjectionError> {
    let mut found = None;
    walk(store, number, &mut |segment| {
        found = Some(segment.place()?);
        Ok(false)
    })?;
    Ok(found)
}

/// A time up to `until` that a receipt bears and none of those after it disproves by an earlier one. Looks
/// at the newest segment and then ever further back, each time twice as far: near enough, and never too
/// late.
fn proven(store: &dyn Store, until: Timestamp) -> Result<Option<Timestamp>, ProjectionError> {
    let oldest = begins(store)?.number + 1;
    let newest = last(store)?.number;
    let mut least = Timestamp::from_micros(u64::MAX);
    let mut back = 0;
    while let Some(number) = newest.checked_sub(back).filter(|number| *number >= oldest)
        && let Some(segment) = holding(store, number)?
    {
        least = least.min(segment.at);
        if least <= until {
            return Ok(Some(least));
        }
        back = back * 2 + 1;
    }
    Ok(None)
}

/// The last receipt of those that begin the book with times that have not come, if what follows them is of
/// before `limit`; 0 otherwise.
fn untimely(store: &dyn Store, now: Timestamp, limit: Timestamp) -> Result<u64, ProjectionError> {
    let Some(first) = holding(store, 1)?.filter(|segment| segment.at > now) else { return Ok(0) };
    let Some(newest) = holding(store, last(store)?.number)? else { return Ok(0) };
    // Between one whose time has not come and a later one whose time has, there are two such neighbours.
    let (mut before, mut after) = (first.last, newest);
    while after.at <= now && after.first > before + 1 {
        let middle = before + (after.first - before) / 2;
        match holding(store, middle)? {
            Some(segment) if segment.at > now => before = segment.last,
            Some(segment) => after = segment,
            None => return Ok(0),
        }
    }
    Ok(if after.at < limit { after.first - 1 } else { 0 })
}
