//! Holds an export against its manifest, and the manifest against itself: that every file is there and as it
//! was written and none besides; that the records are the account's events without a gap, by the chain; that
//! the range ends where it says, by the events stored on both sides of its ends; and that digest files are
//! signed and linked, the newest one included, which AWS's own validator does not miss.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::Kind;
use super::cloudtrail::digest::{self, Digest, SIGNATURE};
use super::cloudtrail::{PUBLIC_KEY, bucket};
use super::manifest::{FORMAT, FileNote, Manifest, Stored, statement};
use super::sink::{self, MANIFEST, is_plain};
use super::{csv, ndjson, ocsf};
use crate::base::crypto::{Sha256Sum, sha256};
use crate::base::rsa::PublicKey;
use crate::base::text::{from_base64, from_hex, hex};
use crate::base::time::Timestamp;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::frame::{Hash, link};
use crate::ledger::note::{Note, VerifierKey};
use crate::ledger::proof::check_inclusion;
use crate::ledger::tree::leaf_hash;
use crate::ledger::{AccountId, Frame};
use crate::service::imports::files::plain;
use crate::service::moment::Moment;

/// The largest manifest, log file or digest that is read, unpacked, in bytes.
const LARGEST: u64 = 256 << 20;
/// The longest line of a file with one record a line.
const LONGEST_LINE: u64 = 8 << 20;
/// Problems that are told; there may be more.
const MOST_TOLD: usize = 100;

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// The manifest, if it could be read.
    pub manifest: Option<Manifest>,
    /// The text of it.
    pub text: Vec<u8>,
    /// Events whose place in the chain was seen.
    pub events: u64,
    /// What does not hold, one sentence each.
    pub problems: Vec<String>,
}

/// A look at one export.
struct Look<'a> {
    place: &'a Path,
    manifest: &'a Manifest,
    problems: Vec<String>,
    events: u64,
    /// Where the chain stands: the sequence and chain hash of the last record.
    at: Option<(u64, Hash)>,
}

/// Checks the export in a folder. The ledger's key is given, since a key inside the folder would prove nothing;
/// without it only what fits together is seen, and not who wrote it.
///
/// # Errors
/// If the folder itself cannot be read; whatever is wrong with the export is told.
pub fn check(place: &Path, key: Option<&VerifierKey>) -> io::Result<Checked> {
    let mut checked = Checked { manifest: None, text: Vec::new(), events: 0, problems: Vec::new() };
    let path = place.join(MANIFEST);
    match read_limited(&path) {
        Ok(text) => checked.text = text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && place.is_dir() => {
            checked.problems.push(format!(
                "there is no {MANIFEST}: the export was not finished, or it was removed"
            ));
            return Ok(checked);
        }
        Err(error) => return Err(error),
    }
    let manifest: Manifest = match serde_json::from_slice::<Manifest>(&checked.text) {
        Ok(manifest) if manifest.format == FORMAT => manifest,
        Ok(manifest) => {
            let why = format!(
                "{MANIFEST} is of the format {:?}, which this release does not know",
                manifest.format
            );
            checked.problems.push(why);
            return Ok(checked);
        }
        Err(error) => {
            checked.problems.push(format!("{MANIFEST} cannot be read: {error}"));
            return Ok(checked);
        }
    };
    let mut look = Look { place, manifest: &manifest, problems: Vec::new(), events: 0, at: None };
    if let Some(key) = key {
        look.signature(&checked.text, key);
    }
    look.files()?;
    look.ends();
    match manifest.kind() {
        Some(Kind::CloudTrail) => {
            look.trail_records();
            look.digests();
        }
        Some(Kind::Ndjson) => look.lines(ndjson::FILE, &|line| of_ndjson(line)),
        Some(Kind::Ocsf) => look.lines(ocsf::FILE, &|line| of_ocsf(line)),
        Some(Kind::Csv) => look.table(),
        Some(Kind::AuthorizationDetails) => {}
        None => {
            look.says(format!("{:?} is no kind of export that this release knows", manifest.kind))
        }
    }
    if manifest.kind() != Some(Kind::AuthorizationDetails) {
        look.chain_ends();
    }
    (checked.events, checked.problems) = (look.events, look.problems);
    checked.manifest = Some(manifest);
    Ok(checked)
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    plain(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!(
            "{} is larger than an export's files are",
            path.display()
        )));
    }
    Ok(bytes)
}

fn unpacked(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(plain(path)?).take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!(
            "{} is larger than an export's files are",
            path.display()
        )));
    }
    Ok(bytes)
}

/// A record's place in the chain: sequence, digest and chain hash.
type Link = (u64, Hash, Hash);

fn hash_of(value: Option<&Value>) -> Option<Hash> {
    hash_in(value?.as_str()?)
}

fn hash_in(text: &str) -> Option<Hash> {
    from_hex(text).and_then(|bytes| Hash::try_from(bytes).ok())
}

fn of_ndjson(line: &Value) -> Result<Link, String> {
    let missing = || "a line has no sequence, digest or chain".to_owned();
    let sequence = line.get("sequence").and_then(Value::as_u64).ok_or_else(missing)?;
    let digest = hash_of(line.get("digest")).ok_or_else(missing)?;
    let chain = hash_of(line.get("chain")).ok_or_else(missing)?;
    let position = line.get("position").and_then(Value::as_u64).unwrap_or_default();
    let bytes = line.get("frame").and_then(Value::as_str).and_then(from_base64);
    let bytes = bytes.ok_or_else(|| format!("event {sequence} has no frame"))?;
    let frame = Frame::read(position, &bytes).map_err(|error| error.to_string())?;
    let same = frame.header.sequence == sequence && frame.digest == digest && frame.chain == chain;
    let leaf = hash_of(line.get("leaf")) == Some(leaf_hash(&bytes));
    match same && leaf {
        true => Ok((sequence, digest, chain)),
        false => Err(format!("event {sequence} does not say what its frame says")),
    }
}

fn of_ocsf(line: &Value) -> Result<Link, String> {
    let missing =
        || "a line has no metadata.sequence, unmapped.digest or unmapped.chain".to_owned();
    let proof = line.get("unmapped");
    let of = |name: &str| hash_of(proof.and_then(|proof| proof.get(name)));
    let sequence = line.get("metadata").and_then(|metadata| metadata.get("sequence")?.as_u64());
    Ok((
        sequence.ok_or_else(missing)?,
        of("digest").ok_or_else(missing)?,
        of("chain").ok_or_else(missing)?,
    ))
}

/// The place of a record of CloudTrail; `None` for what is no event of the ledger.
fn of_record(record: &Value) -> Result<Option<Link>, String> {
    let Some(data) = record.get("additionalEventData") else {
        return Err("a record has no additionalEventData".to_owned());
    };
    if data.get("receipt").is_some() {
        return Ok(None);
    }
    let link = || {
        let sequence = data.get("ledgerSequence")?.as_u64()?;
        Some((sequence, hash_of(data.get("ledgerDigest"))?, hash_of(data.get("ledgerChain"))?))
    };
    link().map(Some).ok_or_else(|| "a record does not name its event of the ledger".to_owned())
}

impl Look<'_> {
    fn says(&mut self, problem: String) {
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        }
    }

    /// Who wrote the manifest, and whether the events at the ends of the range are in the ledger where it says.
    fn signature(&mut self, text: &[u8], key: &VerifierKey) {
        let manifest = self.manifest;
        let ledger = &manifest.ledger;
        let signed = read_limited(&self.place.join(sink::SIGNATURE)).ok();
        let signed = signed.and_then(|bytes| String::from_utf8(bytes).ok());
        match signed.and_then(|text| text.parse::<Note>().ok()) {
            None => self.says(format!("{} is missing, or no signed note", sink::SIGNATURE)),
            Some(note) => {
                if let Err(error) = key.check(&note) {
                    self.says(format!("{}: {error}", sink::SIGNATURE));
                } else if note.text() != statement(&ledger.origin, ledger.size, text) {
                    self.says(format!("{MANIFEST} is not the one that was signed"));
                }
            }
        }
        let checkpoint = ledger.checkpoint.parse::<SignedCheckpoint>();
        let checked = checkpoint.and_then(|checkpoint| checkpoint.check(key).map(|()| checkpoint));
        let checkpoint = match checked {
            Ok(signed) if signed.checkpoint.size == ledger.size => signed.checkpoint,
            Ok(_) => return self.says("the checkpoint is of another size".to_owned()),
            Err(error) => return self.says(format!("the checkpoint: {error}")),
        };
        let events = &manifest.events;
        let ends = [&events.before, &events.begins, &events.ends, &events.after];
        for stored in ends.into_iter().flatten() {
            let hashes: Option<Vec<Hash>> = stored
                .inclusion
                .iter()
                .map(|hash| from_base64(hash).and_then(|bytes| Hash::try_from(bytes).ok()))
                .collect();
            let frame = from_base64(&stored.frame);
            let (Some(hashes), Some(frame), Some(index)) =
                (hashes, frame, stored.position.checked_sub(1))
            else {
                self.says(format!("event {} has no proof that can be read", stored.sequence));
                continue;
            };
            let leaf = leaf_hash(&frame);
            let proven = check_inclusion(&leaf, index, checkpoint.size, &hashes, &checkpoint.root);
            if let Err(error) = proven {
                self.says(format!("event {} is not in the ledger there: {error}", stored.sequence));
            }
        }
    }

    /// Every file that the manifest names, and no other.
    fn files(&mut self) -> io::Result<()> {
        let mut named = BTreeSet::new();
        for note in &self.manifest.files {
            if !is_plain(&note.path) || !named.insert(note.path.as_str()) {
                self.says(format!(
                    "{MANIFEST} names {:?}, which is no path of an export",
                    note.path
                ));
                continue;
            }
            if let Err(problem) = whole(self.place, note) {
                self.says(problem);
            }
        }
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.place.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let name = path.to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if !named.contains(name.as_str())
                    && name != MANIFEST
                    && name != sink::SIGNATURE
                {
                    self.says(format!(
                        "{name} is no part of the export: {MANIFEST} does not name it"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The events stored at both ends of the range, and outside of it.
    fn ends(&mut self) {
        let events = &self.manifest.events;
        let read = |stored: &Option<Stored>| stored.as_ref().map(read_stored).transpose();
        let found = (|| {
            Ok::<_, String>([
                read(&events.before)?,
                read(&events.begins)?,
                read(&events.ends)?,
                read(&events.after)?,
            ])
        })();
        let [before, begins, ends, after] = match found {
            Ok(found) => found,
            Err(problem) => return self.says(format!("{MANIFEST}: {problem}")),
        };
        let last = events.last;
        let some = events.count > 0;
        let expected = [
            (&before, (events.first > 1).then(|| events.first - 1)),
            (&begins, some.then_some(events.first)),
            (&ends, some.then_some(last)),
            (&after, (events.seen > last).then_some(last + 1)),
        ];
        for (end, sequence) in expected {
            if end.as_ref().map(|end| end.sequence) != sequence {
                self.says(format!("{MANIFEST} does not hold the events at the ends of its range"));
                return;
            }
        }
        if (last + 1).saturating_sub(events.first) != events.count {
            self.says(format!("{MANIFEST} counts other events than its range has"));
        }
        let start = before.as_ref().map_or([0; 32], |before| before.chain);
        if begins.as_ref().is_some_and(|begins| link(&start, &begins.digest) != begins.chain) {
            self.says("the first event does not follow from the one before the range".to_owned());
        }
        let follows = |one: &End, other: &End| link(&one.chain, &other.digest) == other.chain;
        if let (Some(last), Some(after)) = (ends.as_ref().or(before.as_ref()), &after)
            && !follows(last, after)
        {
            self.says("the event after the range does not follow from its last one".to_owned());
        }
        let mut accounts =
            [&before, &begins, &ends, &after].into_iter().flatten().map(|end| end.account);
        if let Some(first) = accounts.next()
            && accounts.any(|other| other != first)
        {
            self.says(format!("{MANIFEST} holds events of several accounts"));
        }
        let moment = |text: &Option<String>| text.as_deref().map(Moment::parse).transpose();
        let (Ok(from), Ok(to)) = (moment(&self.manifest.from), moment(&self.manifest.to)) else {
            return self.says(format!("{MANIFEST} says no range that can be read"));
        };
        let inside = |end: &End| covers(from, to, end);
        let right = before.as_ref().is_none_or(|end| !inside(end))
            && after.as_ref().is_none_or(|end| !inside(end))
            && begins.as_ref().is_none_or(inside)
            && ends.as_ref().is_none_or(inside);
        if !right {
            self.says(
                "the range does not end where it says: events are missing or too many".to_owned(),
            );
        }
        let sequence = events.first.saturating_sub(1);
        self.at = Some((sequence, start));
    }

    /// The next record of the chain.
    fn follow(&mut self, (sequence, digest, chain): Link) {
        let Some((last, before)) = self.at else { return };
        if sequence != last + 1 {
            self.says(format!(
                "after event {last} comes event {sequence}: what lies between is missing"
            ));
            self.at = None;
        } else if link(&before, &digest) != chain {
            self.says(format!(
                "event {sequence} does not follow from the one before: the chain is broken"
            ));
            self.at = None;
        } else {
            self.events += 1;
            self.at = Some((sequence, chain));
        }
    }

    /// Whether the records went on to the range's last event.
    fn chain_ends(&mut self) {
        let Some((sequence, chain)) = self.at else { return };
        let events = &self.manifest.events;
        let expected = events.ends.as_ref().map(|end| end.chain.as_str());
        if sequence != events.last.max(events.first - 1)
            || expected.is_some_and(|expected| expected != hex(&chain))
        {
            self.says(format!(
                "the records end with event {sequence}, the range with {}",
                events.last
            ));
        }
    }

    /// A file of one record a line.
    fn lines(&mut self, path: &str, of: &dyn Fn(&Value) -> Result<Link, String>) {
        let Ok(file) = plain(&self.place.join(path)) else { return };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return self.says(format!("{path}: {error}")),
            }
            let link = serde_json::from_slice(&line).map_err(|error| error.to_string());
            match link.and_then(|line| of(&line)) {
                Ok(link) => self.follow(link),
                Err(problem) => {
                    self.at = None;
                    return self.says(format!("{path}: {problem}"));
                }
            }
        }
    }

    /// The rows of a CSV file.
    fn table(&mut self) {
        let Ok(mut reader) = ::csv::Reader::from_path(self.place.join(csv::FILE)) else { return };
        let mut links = Vec::new();
        for row in reader.records() {
            let link = row.ok().and_then(|row| {
                let (sequence, width) = (row.get(1)?.parse().ok()?, row.len());
                Some((sequence, hash_in(row.get(width - 2)?)?, hash_in(row.get(width - 1)?)?))
            });
            match link {
                Some(link) => links.push(link),
                None => {
                    self.says(format!("{}: a row is not one of an export", csv::FILE));
                    break;
                }
            }
            if links.len() >= 10_000 {
                std::mem::take(&mut links).into_iter().for_each(|link| self.follow(link));
            }
        }
        links.into_iter().for_each(|link| self.follow(link));
    }

    /// The records of the log files, in the order in which they were written.
    fn trail_records(&mut self) {
        let manifest = self.manifest;
        for note in manifest.files.iter().filter(|note| is_log(&note.path)) {
            let read = unpacked(&self.place.join(&note.path)).map_err(|error| error.to_string());
            let parsed = read.and_then(|text| {
                serde_json::from_slice::<Value>(&text).map_err(|error| error.to_string())
            });
            let records = parsed.map(|mut parsed| parsed.get_mut("Records").map(Value::take));
            match records {
                Ok(Some(Value::Array(records))) => {
                    for record in records {
                        match of_record(&record) {
                            Ok(Some(link)) => self.follow(link),
                            Ok(None) => {}
                            Err(problem) => self.says(format!("{}: {problem}", note.path)),
                        }
                    }
                }
                Ok(_) => self.says(format!("{}: there are no records in it", note.path)),
                Err(problem) => self.says(format!("{}: {problem}", note.path)),
            }
        }
    }

    /// The digest files: each signed and linked, and every log file in one.
    fn digests(&mut self) {
        let manifest = self.manifest;
        let Some(key) = public_key(self.place) else {
            return self.says(format!("{PUBLIC_KEY} cannot be read"));
        };
        let bucket = bucket(&manifest.account);
        let mut logged: BTreeMap<String, String> = BTreeMap::new();
        let mut previous: Option<(String, String, String)> = None;
        for note in manifest.files.iter().filter(|note| is_digest(&note.path)) {
            let path = self.place.join(&note.path);
            let signature =
                fs::read_to_string(self.place.join(format!("{}{SIGNATURE}", note.path)));
            let (Ok(text), Ok(signature)) = (unpacked(&path), signature) else {
                self.says(format!("{}: the digest or its signature is missing", note.path));
                previous = None;
                continue;
            };
            let Ok(digest) = serde_json::from_slice::<Digest>(&text) else {
                self.says(format!("{}: it is no digest", note.path));
                previous = None;
                continue;
            };
            if digest.digest_s3_object != note.path || digest.digest_s3_bucket != bucket {
                self.says(format!("{}: the digest was moved", note.path));
            }
            if !digest::verifies(&key, &digest, &text, &signature) {
                self.says(format!("{}: the signature is not of this digest", note.path));
            }
            let named = (
                digest.previous_digest_s3_object.clone(),
                digest.previous_digest_hash_value.clone(),
                digest.previous_digest_signature.clone(),
            );
            let expected = match &previous {
                Some((path, hash, signature)) => {
                    (Some(path.clone()), Some(hash.clone()), Some(signature.clone()))
                }
                None => (None, None, None),
            };
            if named != expected {
                self.says(format!("{}: it does not continue the digest before", note.path));
            }
            logged.extend(
                digest.log_files.iter().map(|log| (log.s3_object.clone(), log.hash_value.clone())),
            );
            previous = Some((note.path.clone(), hex(&sha256(&text)), signature.trim().to_owned()));
        }
        for note in manifest.files.iter().filter(|note| is_log(&note.path)) {
            let Some(expected) = logged.remove(&note.path) else {
                self.says(format!(
                    "{}: no digest names it; the newest digest is missing",
                    note.path
                ));
                continue;
            };
            let found = unpacked(&self.place.join(&note.path)).map(|text| hex(&sha256(&text)));
            if found.is_ok_and(|found| found != expected) {
                self.says(format!("{}: it is not what its digest says", note.path));
            }
        }
        for path in logged.into_keys() {
            self.says(format!("{path}: a digest names it, and {MANIFEST} does not"));
        }
    }
}

fn is_log(path: &str) -> bool {
    path.contains("/CloudTrail/") && path.ends_with(".json.gz")
}

fn is_digest(path: &str) -> bool {
    path.contains("/CloudTrail-Digest/") && path.ends_with(".json.gz")
}

fn public_key(place: &Path) -> Option<PublicKey> {
    let listed: Value =
        serde_json::from_slice(&read_limited(&place.join(PUBLIC_KEY)).ok()?).ok()?;
    PublicKey::from_der(&from_base64(listed.get("Value")?.as_str()?)?)
}

/// Whether a file is as the manifest says.
fn whole(place: &Path, note: &FileNote) -> Result<(), String> {
    let path = place.join(&note.path);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("{} is missing", note.path),
        _ => format!("{}: {error}", note.path),
    };
    let mut file = plain(&path).map_err(failed)?;
    let (mut sum, mut length) = (Sha256Sum::default(), 0u64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        sum.update(buffer.get(..read).unwrap_or_default());
    }
    match length == note.bytes && hex(&sum.finish()) == note.sha256 {
        true => Ok(()),
        false => Err(format!("{} was altered since the export", note.path)),
    }
}

/// An event of the manifest, its frame read.
struct End {
    account: AccountId,
    position: u64,
    sequence: u64,
    happened_at: Timestamp,
    digest: Hash,
    chain: Hash,
}

fn read_stored(stored: &Stored) -> Result<End, String> {
    let bytes = from_base64(&stored.frame).ok_or("a frame is not in base64")?;
    let frame = Frame::read(stored.position, &bytes).map_err(|error| error.to_string())?;
    let header = frame.header;
    let same = header.sequence == stored.sequence
        && hex(&frame.digest) == stored.digest
        && hex(&frame.chain) == stored.chain;
    match same {
        true => Ok(End {
            account: header.account,
            position: stored.position,
            sequence: header.sequence,
            happened_at: header.happened_at,
            digest: frame.digest,
            chain: frame.chain,
        }),
        false => Err(format!("event {} is not what its frame says", stored.sequence)),
    }
}

/// Whether an event is within the range.
fn covers(from: Option<Moment>, to: Option<Moment>, end: &End) -> bool {
    from.is_none_or(|from| {
        from.time.is_none_or(|time| end.happened_at >= time)
            && from.position.is_none_or(|first| end.position > first)
    }) && to.is_none_or(|to| {
        to.time.is_none_or(|time| end.happened_at < time)
            && to.position.is_none_or(|last| end.position <= last)
    })
}
