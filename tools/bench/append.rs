//! Durable appends: group commits of the ledger against a plain RocksDB and a plain file that sync the
//! same bytes as often; and CreateUser through the whole service, without the wire.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::people::{self, Company};
use crate::scratch::{Invention, Scratch, open_store};
use crate::{Extent, Outcome, ROUNDS};
use domesday::store::{Batch, Durability, Family, Store};

/// Events in a commit, and tasks that ask at once.
const SIZES: [usize; 4] = [1, 8, 64, 512];
/// Events of one stretch, at most.
const MOST_EVENTS: u64 = 200_000;
/// Users that fill one account, to see whether the cost grows with them.
const GROWTH: usize = 4_000;

/// The figures of this part.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    for size in SIZES {
        let (mut ours, mut raw, mut file) = (Vec::new(), Vec::new(), Vec::new());
        let mut service = Vec::new();
        for round in 0..ROUNDS {
            let (rate, frames) = append_events(size, extent.stretch, round as u64)?;
            ours.push(rate);
            raw.push(append_raw(size, extent.stretch, &frames)?);
            file.push(append_file(size, extent.stretch, &frames)?);
            service.push(people::create_in_process(size, extent)?);
        }
        let goal = match size {
            64 => Goal::PartOfFloor(0.35),
            512 => Goal::PartOfFloor(0.2),
            _ => Goal::None,
        };
        let mut add = |what: String, ours: &[f64], floor: &[f64], goal| {
            let (ours, floor) = (ours.to_vec(), floor.to_vec());
            figures.add(Figure { what, ours, floor, unit: Unit::PerSecond, goal });
        };
        let what = format!("append, commits of {size}");
        add(format!("{what}; floor: RocksDB, events only"), &ours, &raw, goal);
        add(format!("{what}; floor: a file and fdatasync"), &ours, &file, Goal::None);
        let what = format!("CreateUser in process, {size} tasks; floor: commits of {size}");
        add(what, &service, &ours, Goal::None);
    }
    measure_growth(extent, figures)
}

/// Whether a write costs more when there is more: 64 tasks fill one account by tenths.
fn measure_growth(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let users = if extent.accounts < 5 { GROWTH / 2 } else { GROWTH };
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let company = Company::found(1)?;
        let mut tenths = Vec::new();
        for tenth in 0..10 {
            let range = tenth * users / 10..(tenth + 1) * users / 10;
            tenths.push(people::create_users(&company, 64, range, Duration::MAX)?);
        }
        company.close();
        // The first tenth also warms the service up, which would flatter the last.
        first.extend(tenths.get(1));
        last.extend(tenths.last());
    }
    figures.add(Figure {
        what: format!("CreateUser, the last tenth of {users} in an account; floor: the second"),
        ours: last,
        floor: first,
        unit: Unit::PerSecond,
        goal: Goal::PartOfFloor(0.9),
    });
    Ok(())
}

/// Commits groups until the time is up; events a second, and what was stored.
fn append_events(size: usize, stretch: Duration, seed: u64) -> Outcome<(f64, Vec<Vec<u8>>)> {
    let invention = Invention::new(seed + 1);
    let mut scratch = Scratch::new()?;
    let (mut spent, mut number) = (Duration::ZERO, 0);
    while spent < stretch && number < MOST_EVENTS {
        // Making them up is not part of it.
        let events = (number..number + size as u64).map(|n| invention.user_created(n));
        let events = events.collect::<Outcome<Vec<_>>>()?;
        let began = Instant::now();
        scratch.commit_with_rows(events)?;
        spent += began.elapsed();
        number += size as u64;
    }
    Ok((rate(number, spent), scratch.frames()?))
}

/// The same frames as synced batches, nothing else with them.
fn append_raw(size: usize, stretch: Duration, frames: &[Vec<u8>]) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let store = open_store(folder.path())?;
    let mut frames = frames.iter().cycle();
    let (mut spent, mut number) = (Duration::ZERO, 0_u64);
    while spent < stretch && number < MOST_EVENTS {
        let group: Vec<&Vec<u8>> = frames.by_ref().take(size).collect();
        let began = Instant::now();
        let mut batch = Batch::default();
        for frame in group {
            number += 1;
            batch.put(Family::Events, number.to_be_bytes(), frame.as_slice());
        }
        store.commit(&batch, Durability::Synced)?;
        spent += began.elapsed();
    }
    Ok(rate(number, spent))
}

/// The same frames at the end of a file, synced as often.
fn append_file(size: usize, stretch: Duration, frames: &[Vec<u8>]) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("log"))?;
    let mut frames = frames.iter().cycle();
    let (mut spent, mut number) = (Duration::ZERO, 0_u64);
    while spent < stretch && number < MOST_EVENTS {
        let group: Vec<&[u8]> = frames.by_ref().take(size).map(Vec::as_slice).collect();
        let began = Instant::now();
        file.write_all(&group.concat())?;
        file.sync_data()?;
        spent += began.elapsed();
        number += size as u64;
    }
    Ok(rate(number, spent))
}

fn rate(count: u64, spent: Duration) -> f64 {
    count as f64 / spent.as_secs_f64()
}
