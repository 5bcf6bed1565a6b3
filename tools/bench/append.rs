//! Durable appends: group commits of the ledger against a plain RocksDB and a plain file that sync the
//! same bytes as often; and CreateUser through the whole service, without the wire.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::figures::{Figure, Figures, Goal, Unit, median};
use crate::people::{self, Company};
use crate::scratch::{Invention, Scratch, open_store};
use crate::{Extent, Outcome, ROUNDS};
use domesday::store::{Batch, Durability, Family, Store};

/// Events in a commit, and tasks that ask at once.
const SIZES: [usize; 4] = [1, 8, 64, 512];
/// Events of one stretch, at most.
const MOST_EVENTS: u64 = 200_000;
/// Users made one after another to see whether the cost grows with them.
const GROWTH: usize = 4_000;

/// The figures of this part.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let mut commits = Vec::new();
    for size in SIZES {
        let (mut ours, mut raw, mut file) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (rate, frames) = append_events(size, extent.stretch, round as u64)?;
            ours.push(rate);
            raw.push(append_raw(size, extent.stretch, &frames)?);
            file.push(append_file(size, extent.stretch, &frames)?);
        }
        let ours = median(&ours);
        commits.push(ours);
        let goal = match size {
            64 => Goal::PartOfFloor(0.35),
            512 => Goal::PartOfFloor(0.2),
            _ => Goal::None,
        };
        let figure = |floor: &str, rates: &[f64], goal| Figure {
            what: format!("append, commits of {size}; floor: {floor}"),
            ours: Some(ours),
            floor: Some(median(rates)),
            unit: Unit::PerSecond,
            goal,
        };
        figures.add(figure("RocksDB, events only", &raw, goal));
        figures.add(figure("a file and fdatasync", &file, Goal::None));
    }
    for (size, commits) in SIZES.into_iter().zip(commits) {
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(people::create_in_process(size, extent)?);
        }
        figures.add(Figure {
            what: format!("CreateUser in process, {size} tasks; floor: commits of {size}"),
            ours: Some(median(&rates)),
            floor: Some(commits),
            unit: Unit::PerSecond,
            goal: Goal::None,
        });
    }
    measure_growth(extent, figures)
}

/// Whether a write costs more when there is more: 64 tasks fill one account.
fn measure_growth(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let users = if extent.accounts < 5 { GROWTH / 4 } else { GROWTH };
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let company = Company::found(1)?;
        let mut tenths = Vec::new();
        for tenth in 0..10 {
            let range = tenth * users / 10..(tenth + 1) * users / 10;
            tenths.push(people::create_users(&company, 64, range, Duration::MAX)?);
        }
        company.close();
        first.extend(tenths.first());
        last.extend(tenths.last());
    }
    figures.add(Figure {
        what: format!("CreateUser, the last tenth of {users} in an account; floor: the first"),
        ours: Some(median(&last)),
        floor: Some(median(&first)),
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
