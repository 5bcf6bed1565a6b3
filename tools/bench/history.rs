//! Ledgers of several lengths: a row as of any position, and the replay of all events.
//!
//! A tenth of the events create users, all others move one of them to another path; so each user has
//! ten versions on average, however long the ledger is.

use std::path::Path;
use std::time::Instant;

use crate::figures::{Figure, Figures, Goal, Unit, middle};
use crate::scratch::{ACCOUNT, Invention, Scratch, open_store, user_id};
use crate::{Extent, Outcome, ROUNDS};
use domesday::identity::id::UniqueId;
use domesday::ledger::{Ledger, verify};
use domesday::projection::tables::USERS;
use domesday::projection::view::ReadTables;
use domesday::projection::{Cut, View, rebuild};
use domesday::store::rocks::RocksStore;
use domesday::store::{Batch, Durability, Family, Store};

/// Events of one commit while a ledger is made.
const COMMIT: usize = 5_000;
/// Of a user's row, about.
const PLAIN_ROW_BYTES: usize = 110;
/// Each so many events, one creates a user.
const EVENTS_PER_USER: u64 = 10;

/// The figures of this part.
pub fn measure(extent: &Extent, asof: bool, replay: bool, figures: &mut Figures) -> Outcome<()> {
    let longest = extent.ledgers.last().copied().unwrap_or_default();
    let mut shortest_asof = None;
    for &events in extent.ledgers {
        let scratch = make_ledger(events)?;
        let ledger = scratch.writer.reader();
        if replay && events == longest {
            measure_replay(&scratch, &ledger, figures)?;
        }
        if !asof {
            continue;
        }
        rebuild::fold_aside(&ledger, 1, &mut |_| {})?;
        rebuild::swap(&scratch.projections)?;
        let took = measure_asof(&scratch, &ledger, extent.reads, figures)?;
        match &shortest_asof {
            None => shortest_asof = Some(took),
            Some(shortest) => figures.add(Figure {
                what: format!("the same, {} events; floor: 10 k events", show(events)),
                ours: took,
                floor: shortest.clone(),
                unit: Unit::Micros,
                goal: Goal::TimesFloor(2.0),
            }),
        }
    }
    Ok(())
}

fn make_ledger(events: u64) -> Outcome<Scratch> {
    let mut invention = Invention::new(events);
    let mut scratch = Scratch::new()?;
    let users = events / EVENTS_PER_USER;
    let mut group = Vec::with_capacity(COMMIT);
    for number in 0..events {
        let event = match number {
            _ if number < users => invention.user_created(number)?,
            _ => {
                let user = invention.below(users);
                invention.user_moved(user, number)?
            }
        };
        group.push(event);
        if group.len() == COMMIT || number + 1 == events {
            scratch.commit_alone(&group)?;
            group.clear();
        }
    }
    Ok(scratch)
}

/// One row by its key as of a random position, with making the view, as a request does; and the floor: a
/// plain row of the same size, one a user and no history, in a store of its own with the same options.
/// Medians of single reads.
fn measure_asof(
    scratch: &Scratch,
    ledger: &Ledger,
    reads: usize,
    figures: &mut Figures,
) -> Outcome<Vec<f64>> {
    let head = ledger.head().position;
    let users = head / EVENTS_PER_USER;
    let mut invention = Invention::new(42);
    let folder = tempfile::tempdir()?;
    let plain = plain_rows(folder.path(), users)?;
    let (mut then, mut now) = (Vec::new(), Vec::new());
    // The first round warms the caches for both.
    for round in 0..=ROUNDS {
        let (mut thens, mut nows) = (Vec::new(), Vec::new());
        for _ in 0..reads {
            let user = user_id(invention.below(users))?;
            let position = users + 1 + invention.below(head - users);
            let cut = Cut { position, time: None };
            thens.push(timed(|| read(scratch.projections.at(cut), &user))?);
            let user = user_id(invention.below(users))?;
            nows.push(timed(|| match plain.get(Family::Blobs, user.as_str().as_bytes())? {
                Some(_) => Ok(()),
                None => Err("a plain row is missing".into()),
            })?);
        }
        if round > 0 {
            then.extend(middle(&thens));
            now.extend(middle(&nows));
        }
    }
    figures.add(Figure {
        what: format!("a row as of a random position, {} events; floor: a plain row", show(head)),
        ours: then.clone(),
        floor: now,
        unit: Unit::Micros,
        goal: Goal::TimesFloor(2.0),
    });
    Ok(then)
}

fn plain_rows(folder: &Path, users: u64) -> Outcome<RocksStore> {
    let store = open_store(folder)?;
    let mut batch = Batch::default();
    for number in 0..users {
        batch.put(Family::Blobs, user_id(number)?.as_str().as_bytes(), [7; PLAIN_ROW_BYTES]);
        if batch.rows().len() == COMMIT || number + 1 == users {
            store.commit(&std::mem::take(&mut batch), Durability::Buffered)?;
        }
    }
    Ok(store)
}

fn read(view: View, user: &UniqueId) -> Outcome<()> {
    let row = view.get(ACCOUNT, &USERS, user)?;
    row.map(drop).ok_or_else(|| format!("user {user} is not there at {:?}", view.cut()).into())
}

/// Microseconds.
fn timed(body: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    body()?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

/// Reading all events: plainly, hashing each, verifying, and folding all rows anew.
fn measure_replay(scratch: &Scratch, ledger: &Ledger, figures: &mut Figures) -> Outcome<()> {
    let events = ledger.head().position;
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let taken = [
            timed(|| pass(scratch, events, |_| ()))?,
            timed(|| {
                pass(scratch, events, |frame| {
                    std::hint::black_box(blake3::hash(frame));
                })
            })?,
            timed(|| {
                let verified = verify::verify(ledger, [7; 32], &mut |_, _| Ok(()))?;
                expect(verified.events, events)
            })?,
            timed(|| expect(rebuild::fold_aside(ledger, 1, &mut |_| {})?, events))?,
        ];
        for (rates, micros) in rates.iter_mut().zip(taken) {
            rates.push(events as f64 / micros * 1e6);
        }
    }
    let [plain, hashed, verified, folded] = rates;
    let length = show(events);
    let mut add = |what: &str, ours: &[f64], floor: &[f64], goal| {
        let what = format!("replay of {length} events: {what}");
        let (ours, floor) = (ours.to_vec(), floor.to_vec());
        figures.add(Figure { what, ours, floor, unit: Unit::PerSecond, goal });
    };
    // The verification shares its work among threads: twice as much where there is a second core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shared = Goal::AtLeast(if cores > 1 { 2e6 } else { 1e6 });
    add("an iterator alone", &[], &plain, Goal::None);
    add("iterator and BLAKE3 of each", &[], &hashed, Goal::None);
    add("read, decode, fold, write rows; floor: with BLAKE3", &folded, &hashed, Goal::AtLeast(1e6));
    add("verify all hashes; floor: with BLAKE3", &verified, &hashed, shared);
    Ok(())
}

fn pass(scratch: &Scratch, events: u64, mut each: impl FnMut(&[u8])) -> Outcome<()> {
    let mut seen = 0;
    scratch.store.walk(Family::Events, &mut |cursor| {
        cursor.seek(&[])?;
        while let Some((_, frame)) = cursor.current() {
            each(frame);
            seen += 1;
            cursor.advance()?;
        }
        Ok(())
    })?;
    expect(seen, events)
}

fn expect(seen: u64, events: u64) -> Outcome<()> {
    if seen == events { Ok(()) } else { Err(format!("{seen} of {events} events were seen").into()) }
}

fn show(events: u64) -> String {
    match events {
        1_000_000.. => format!("{} M", events / 1_000_000),
        _ => format!("{} k", events / 1_000),
    }
}
