//! A trail: all records of files and folders, sorted and replayed.
//!
//! Everything is read before anything is replayed: a file that is cut short, foreign or hostile is told by line and
//! record, and nothing of the trail has come in. Records of other accounts and services, reads and failed calls are
//! counted; they change nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::enact::is_change;
use super::facts::Facts;
use super::files::Bad;
use super::pieces::{Cut, Cutter};
use super::record::{Parsed, Record, parse};
use super::replay::{Scene, Tally, replay};
use super::sorted::{Sorted, Sorter};
use crate::base::time::Timestamp;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::work;

/// Problems that are told at once.
const TOLD: usize = 100;
/// Records of one commit, or more if they share a second.
const GROUP: usize = 2_000;
/// Bytes of parameters and answers in one commit, about.
const GROUP_BYTES: usize = 4 << 20;
/// Records that are tried together, though more share a second.
const TOGETHER: usize = 10_000;
/// Seconds that a record may be ahead of this machine's clock.
const AHEAD: i64 = 86_400;
/// Operations that are counted by name.
const NAMES: usize = 200;

/// What was found in files.
#[derive(Default)]
pub struct Found {
    /// Files.
    pub files: u64,
    /// Files and linked folders in folders that are not called as trails are, and were not read.
    pub passed_over: u64,
    /// Records.
    pub records: u64,
    /// Those that are replayed.
    pub changes: u64,
    /// Of other services.
    pub other_services: u64,
    /// Of other accounts.
    pub other_accounts: u64,
    /// That only read, or began sessions and signed in.
    pub reads: u64,
    /// That failed.
    pub failed: u64,
    /// Of operations that change what this release does not keep, by name.
    pub not_kept: BTreeMap<String, u64>,
    /// What is wrong, for people.
    wrong: Vec<String>,
    more: u64,
}

impl Found {
    fn wrong(&mut self, path: &Path, bad: &Bad) {
        if self.wrong.len() < TOLD {
            let Bad { line, record, why, .. } = bad;
            self.wrong.push(format!("{}, line {line}, record {record}: {why}", path.display()));
        } else {
            self.more += 1;
        }
    }

    /// As JSON.
    pub fn shown(&self) -> Value {
        json!({
            "files": self.files,
            "passed_over": self.passed_over,
            "records": self.records,
            "changes": self.changes,
            "reads": self.reads,
            "failed": self.failed,
            "other_services": self.other_services,
            "other_accounts": self.other_accounts,
            "not_kept": self.not_kept,
        })
    }
}

/// Reads all records of paths, those of an account sorted.
///
/// # Errors
/// All that is wrong with the files.
pub fn gather(
    service: &Service,
    paths: &[PathBuf],
    digits: &str,
    facts: &mut Facts<'_>,
) -> Result<(Found, Sorted), Fault> {
    let mut found = Found::default();
    let mut sorter = Sorter::new(service.random())?;
    let latest = service.clock().now().plus_seconds(AHEAD);
    let passed_over = Arc::new(AtomicU64::new(0));
    let mut cutter = Cutter::new(paths.to_vec(), passed_over.clone());
    work::in_order(
        move || cutter.next().transpose(),
        |piece| {
            let read = piece.records().map(|record| read(record, latest)).collect::<Vec<_>>();
            Ok((piece, read))
        },
        |(piece, records)| {
            found.files += u64::from(piece.first);
            for record in records {
                let record = match record {
                    Ok(record) => record,
                    Err(Wrong { bad, is_record }) => {
                        found.records += u64::from(is_record);
                        found.wrong(&piece.path, &bad);
                        continue;
                    }
                };
                found.records += 1;
                match record {
                    Parsed::Other => found.other_services += 1,
                    Parsed::Useful(record) if record.account != digits => found.other_accounts += 1,
                    Parsed::Useful(record) => {
                        facts.observe(&record)?;
                        keep(&mut found, &mut sorter, &record)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    found.passed_over = passed_over.load(Ordering::Relaxed);
    if found.files == 0 {
        return Err(Fault::validation(
            "There are no trails there (.json, .json.gz, .jsonl, .ndjson).",
        ));
    }
    if found.wrong.is_empty() {
        return Ok((found, sorter.finish()?));
    }
    if found.more > 0 {
        found.wrong.push(format!("and {} more", found.more));
    }
    Err(Fault::validation(format!(
        "Nothing was replayed, since files are not as they should be:\n  {}",
        found.wrong.join("\n  ")
    )))
}

/// What stands where a record should, or a record that makes no sense.
struct Wrong {
    bad: Bad,
    is_record: bool,
}

fn read(record: Result<Cut<'_>, &Bad>, latest: Timestamp) -> Result<Parsed, Wrong> {
    let cut = record.map_err(|bad| Wrong { bad: bad.clone(), is_record: false })?;
    let parsed = parse(cut.bytes).and_then(|parsed| match parsed {
        Parsed::Useful(record) if record.at > latest => {
            Err(format!("its eventTime is {}, which is still to come", record.at))
        }
        other => Ok(other),
    });
    parsed.map_err(|why| Wrong { bad: cut.bad(why), is_record: true })
}

fn keep(found: &mut Found, sorter: &mut Sorter<'_>, record: &Record) -> Result<(), Fault> {
    if record.error.is_some() {
        found.failed += 1;
    } else if !is_change(record) {
        found.reads += 1;
    } else {
        found.changes += 1;
        let known =
            crate::service::operations::find(crate::service::operation::Api::Iam, &record.name);
        let is_counted = found.not_kept.contains_key(&record.name);
        let linked = record.name.ends_with("ServiceLinkedRole");
        if known.is_none() && !linked && (is_counted || found.not_kept.len() < NAMES) {
            *found.not_kept.entry(record.name.clone()).or_default() += 1;
        }
        sorter.push(record)?;
    }
    Ok(())
}

/// Replays sorted records. Returns what came of them, and the time of the last one.
///
/// # Errors
/// What keeps them from being written; what was written stays, and the same command goes on.
pub fn run(
    service: &Arc<Service>,
    scene: &Scene,
    sorted: Sorted,
) -> Result<(Tally, Option<Timestamp>), Fault> {
    let mut tally = Tally::default();
    let mut last = None;
    let mut group: Vec<Record> = Vec::new();
    let mut bytes = 0;
    for record in sorted {
        let record = record?;
        let same_second =
            group.last().is_some_and(|other| other.at.seconds() == record.at.seconds());
        let is_full = group.len() >= GROUP || bytes >= GROUP_BYTES;
        if is_full && (!same_second || group.len() >= TOGETHER) {
            let (came, waiting) = replay(service, scene, std::mem::take(&mut group), false)?;
            tally.add(came);
            bytes = waiting.iter().map(size).sum();
            group = waiting;
        }
        last = Some(record.at);
        bytes += size(&record);
        group.push(record);
    }
    let (came, _) = replay(service, scene, group, true)?;
    tally.add(came);
    Ok((tally, last))
}

fn size(record: &Record) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    text(&record.asked) + text(&record.answered)
}
