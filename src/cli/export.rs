//! `export`: the history as files for others' tools.

use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::door::{Door, moment};
use super::options::{Common, ExportOptions, Output};
use super::{Failure, print, progress};
use crate::ledger::note::VerifierKey;
use crate::service::exports::sink::{Folder, MANIFEST};
use crate::service::exports::{self, Manifest};
use crate::service::moment::Range;

/// Writes an export and says what is in it.
pub fn export(common: &Common, options: &ExportOptions) -> Result<u8, Failure> {
    let door = Door::find(common)?;
    let outcome = write(&door, options);
    let closed = door.close();
    let manifest = outcome?;
    closed?;
    if common.output == Output::Table {
        let place = options.dir.display();
        print::line(&format!(
            "{} events and {} receipts in {} files: {place}/{MANIFEST}",
            manifest.events.count,
            manifest.receipts,
            manifest.files.len()
        ))?;
        if let Some(since) = &manifest.known_since {
            print::line(&format!("what is known of the account begins at {since}"))?;
        }
        if manifest.kind == "cloudtrail" {
            print::line(&format!("validate it by: domesday serve-export {place}"))?;
        }
    } else {
        print::object(common.output, &summary(&manifest))?;
    }
    Ok(0)
}

/// Checks the export in a folder, by the ledger's key. Exit 1 if it does not hold.
pub fn check(output: Output, place: &Path, key: &VerifierKey) -> Result<u8, Failure> {
    let checked = exports::check::check(place, Some(key))?;
    let holds = checked.problems.is_empty();
    let manifest = checked.manifest.as_ref();
    if output == Output::Table {
        for problem in &checked.problems {
            print::line(&format!("it does not hold: {problem}"))?;
        }
        if let Some(manifest) = manifest.filter(|_| holds) {
            print::line(&format!(
                "signed by {}: an export ({}) of all {} events of account {} in its range, as of {} events of \
                 the ledger",
                key.name(),
                manifest.kind,
                manifest.events.count,
                manifest.account,
                manifest.ledger.size
            ))?;
            if let Some(since) = &manifest.known_since {
                print::line(&format!("what is known of the account begins at {since}"))?;
            }
        }
    } else {
        let answer = json!({
            "holds": holds,
            "origin": key.name(),
            "problems": checked.problems,
            "export": manifest.map(summary),
        });
        print::object(output, &answer)?;
    }
    Ok(u8::from(!holds))
}

fn write(door: &Door, options: &ExportOptions) -> Result<Manifest, Failure> {
    let mut parameters = vec![("kind".to_owned(), options.kind.clone())];
    let given = |text: &Option<String>| text.as_deref().map(moment).transpose();
    let range = &options.range;
    let range = match &range.during {
        Some(span) => Range::during(span).ok_or_else(|| {
            Failure::new(format!(
                "--during {span:?} is no span of time: write a day (2026-03-01), a month (2026-03), a \
                 quarter (2026-Q1) or a year"
            ))
        })?,
        None => Range { from: given(&range.from)?, to: given(&range.to)? },
    };
    for (name, moment) in [("from", range.from), ("to", range.to)] {
        parameters.extend(moment.map(|moment| (name.to_owned(), moment.to_string())));
    }
    if options.receipts {
        parameters.push(("receipts".to_owned(), "true".to_owned()));
    }
    if options.dir == Path::new("-") {
        return Err(Failure::new(
            "an export is a folder, several files and the manifest that proves them complete: name one. Events alone go \
             into a pipe by `domesday log -o ndjson`",
        ));
    }
    let mut folder = Folder::new(&options.dir)?;
    let far = folder.progress();
    let at = options.at.at.as_deref();
    progress::watch(
        "exporting",
        || Some(far.load(Ordering::Relaxed)),
        || door.export(&parameters, at, &mut folder),
    )?;
    folder.finish()?;
    let text = std::fs::read(options.dir.join(MANIFEST))?;
    serde_json::from_slice(&text).map_err(|error| Failure::new(format!("{MANIFEST}: {error}")))
}

fn summary(manifest: &Manifest) -> Value {
    let end = |event: &Option<crate::service::exports::manifest::Stored>| {
        event.as_ref().map(|event| event.position)
    };
    json!({
        "kind": manifest.kind,
        "account": manifest.account,
        "events": manifest.events.count,
        "receipts": manifest.receipts,
        "known_since": manifest.known_since,
        "first": end(&manifest.events.begins),
        "last": end(&manifest.events.ends),
        "files": manifest.files.len(),
        "bytes": manifest.files.iter().map(|file| file.bytes).sum::<u64>(),
    })
}
