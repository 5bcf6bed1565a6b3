//! Subject keys: one random key for each person or thing whose data can be erased, kept outside the
//! database, each wrapped by the master key, which itself lives outside the data folder.
//!
//! A subject is an account and a unique id in it. Erasing a subject is overwriting its record; no
//! backup of the ledger holds it. The file is a row of records of 128 bytes:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 4 | `DSK1` |
//! | 4 | 16 | account |
//! | 20 | 24 | unique id, ASCII, padded with zeros |
//! | 44 | 72 | the key, sealed under the master key with bytes 4 to 43 as associated data |
//! | 116 | 12 | the first bytes of BLAKE3 of bytes 0 to 115 |
//!
//! A record cut short at the end is a crash before its sync: nothing that needs it was acknowledged.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

use super::StoreError;
use crate::base::crypto::{self, SecretKey, content_hash};
use crate::base::random::Random;
use crate::base::secret::Secret;

const MAGIC: &[u8; 4] = b"DSK1";
const RECORD: usize = 128;
const SUMMED: usize = 116;

/// A subject: account (16 bytes) and unique id (24 bytes, padded with zeros).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject(pub [u8; 40]);

impl Subject {
    /// The subject of a unique id of at most 24 ASCII characters; longer ones are cut.
    pub fn new(account: &[u8; 16], id: &str) -> Self {
        let mut bytes = [0; 40];
        for (place, byte) in bytes.iter_mut().zip(account.iter().copied().chain(id.bytes())) {
            *place = byte;
        }
        Subject(bytes)
    }
}

/// The keys of all subjects.
pub struct SubjectKeys {
    master: SecretKey,
    file: Option<(PathBuf, File)>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    sealed: HashMap<Subject, Sealed>,
    opened: HashMap<Subject, SecretKey>,
    records: u64,
    /// Records that were written and not yet synced, by their places.
    unsynced: Vec<(u64, Vec<u8>)>,
    /// Whether a sync failed since: what it was to make durable may be nowhere, and is written again.
    lost: bool,
}

type Sealed = [u8; 72];

/// Keys that are kept opened; beyond it they are opened again when needed.
const OPENED_KEPT: usize = 20_000;

impl State {
    fn keep_key(&mut self, subject: &Subject, key: &SecretKey) {
        if self.opened.len() >= OPENED_KEPT {
            self.opened.clear();
        }
        self.opened.insert(*subject, key.clone());
    }
}

impl SubjectKeys {
    /// Keys that live and die with the process.
    pub fn in_memory(master: SecretKey) -> Self {
        SubjectKeys { master, file: None, state: RwLock::new(State::default()) }
    }

    /// Opens or makes the file.
    pub fn open(path: &Path, master: SecretKey) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| failure(path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        let mut state = State::default();
        let (records, tail) = bytes.as_chunks::<RECORD>();
        for (number, record) in records.iter().enumerate() {
            match decode(record) {
                Some((subject, sealed)) => {
                    state.sealed.insert(subject, sealed);
                }
                // Never synced, or erased: all zeros.
                None if record.iter().all(|byte| *byte == 0) => {}
                None if number + 1 == records.len() && tail.is_empty() => break,
                None => {
                    return Err(StoreError::Damaged(format!(
                        "record {number} of {} was altered: restore the file from a backup",
                        path.display()
                    )));
                }
            }
            state.records += 1;
        }
        let keys =
            SubjectKeys { master, file: Some((path.to_owned(), file)), state: RwLock::new(state) };
        keys.try_one()?;
        Ok(keys)
    }

    /// A wrong master key must be noticed now and not at the first name that does not open.
    fn try_one(&self) -> Result<(), StoreError> {
        let state = self.state.read();
        match state.sealed.iter().next() {
            None => Ok(()),
            Some((subject, sealed)) => self.unwrap_key(subject, sealed).map(|_| ()),
        }
    }

    fn unwrap_key(&self, subject: &Subject, sealed: &Sealed) -> Result<SecretKey, StoreError> {
        let plain = crypto::open(&self.master, &subject.0, sealed).ok();
        let plain = plain.and_then(|plain| <[u8; 32]>::try_from(plain.as_slice()).ok());
        plain.map(Secret::new).ok_or_else(|| {
            StoreError::Damaged(
                "a subject key does not open: this is not the master key that the data folder was \
                 founded with"
                    .into(),
            )
        })
    }

    /// The key of a subject; `None` if it has none or was erased.
    pub fn get(&self, subject: &Subject) -> Result<Option<SecretKey>, StoreError> {
        if let Some(key) = self.state.read().opened.get(subject) {
            return Ok(Some(key.clone()));
        }
        let Some(key) = self.get_once(subject)? else { return Ok(None) };
        self.state.write().keep_key(subject, &key);
        Ok(Some(key))
    }

    /// Whether a subject has a key: it was not erased.
    pub fn has(&self, subject: &Subject) -> bool {
        let state = self.state.read();
        state.opened.contains_key(subject) || state.sealed.contains_key(subject)
    }

    /// As [`get`](Self::get), but that it is not kept opened: for whoever goes through all subjects once.
    pub fn get_once(&self, subject: &Subject) -> Result<Option<SecretKey>, StoreError> {
        let sealed = {
            let state = self.state.read();
            if let Some(key) = state.opened.get(subject) {
                return Ok(Some(key.clone()));
            }
            match state.sealed.get(subject) {
                None => return Ok(None),
                Some(sealed) => *sealed,
            }
        };
        self.unwrap_key(subject, &sealed).map(Some)
    }

    /// The key of a subject, made if it has none. It is durable after the next [`sync`](Self::sync).
    pub fn get_or_create(
        &self,
        subject: &Subject,
        random: &dyn Random,
    ) -> Result<SecretKey, StoreError> {
        if let Some(key) = self.get(subject)? {
            return Ok(key);
        }
        let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
        let key = crypto::new_key(random).map_err(|error| failed(&error))?;
        let sealed = crypto::seal(&self.master, &subject.0, key.expose(), random)
            .map_err(|error| failed(&error))?;
        let sealed = Sealed::try_from(sealed.as_slice()).map_err(|error| failed(&error))?;
        let mut state = self.state.write();
        if state.sealed.contains_key(subject) {
            // Another thread was first; with two keys, what one of them sealed would not open.
            drop(state);
            return self.get(subject)?.ok_or_else(|| failed(&"a subject key is gone"));
        }
        if let Some((path, file)) = &self.file {
            let (place, record) = (state.records * RECORD as u64, encode(subject, &sealed));
            file.write_all_at(&record, place).map_err(|error| failure(path, &error))?;
            state.unsynced.push((place, record));
        }
        state.records += 1;
        state.sealed.insert(*subject, sealed);
        state.keep_key(subject, &key);
        Ok(key)
    }

    /// Makes the keys created so far durable. Nothing sealed with them may be acknowledged before.
    pub fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.state.write();
        let Some((path, file)) = &self.file else { return Ok(()) };
        if state.unsynced.is_empty() {
            return Ok(());
        }
        let again: &[(u64, Vec<u8>)] = if state.lost { &state.unsynced } else { &[] };
        let written =
            again.iter().try_for_each(|(place, record)| file.write_all_at(record, *place));
        state.lost = true;
        written.and_then(|()| file.sync_data()).map_err(|error| failure(path, &error))?;
        state.lost = false;
        state.unsynced.clear();
        Ok(())
    }
}

fn encode(subject: &Subject, sealed: &Sealed) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD);
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&subject.0);
    record.extend_from_slice(sealed);
    let sum = content_hash(&record);
    record.extend(sum.into_iter().take(RECORD - SUMMED));
    record
}

fn decode(record: &[u8; RECORD]) -> Option<(Subject, Sealed)> {
    let (summed, sum) = record.split_at_checked(SUMMED)?;
    if !content_hash(summed).starts_with(sum) {
        return None;
    }
    let rest = summed.strip_prefix(MAGIC)?;
    let (subject, sealed) = rest.split_first_chunk::<40>()?;
    Some((Subject(*subject), Sealed::try_from(sealed).ok()?))
}

fn failure(path: &Path, error: &std::io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::NoSpace(text)
        }
        _ => StoreError::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn keys_survive_reopening_under_the_right_master_only() {
        let random = SeededRandom::new(5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subjects.keys");
        let master = crypto::new_key(&random).unwrap();
        let subject = |n: u8| Subject::new(&[n; 16], "AIDAEXAMPLE");
        let keys = SubjectKeys::open(&path, master.clone()).unwrap();
        assert!(keys.get(&subject(1)).unwrap().is_none());
        let first = keys.get_or_create(&subject(1), &random).unwrap();
        let second = keys.get_or_create(&subject(2), &random).unwrap();
        keys.sync().unwrap();
        assert!(first != second);
        assert!(keys.get_or_create(&subject(1), &random).unwrap() == first);
        drop(keys);

        let keys = SubjectKeys::open(&path, master.clone()).unwrap();
        assert!(keys.get(&subject(1)).unwrap().unwrap() == first);
        let wrong = crypto::new_key(&random).unwrap();
        assert!(matches!(SubjectKeys::open(&path, wrong), Err(StoreError::Damaged(_))));

        let bytes = std::fs::read(&path).unwrap();
        // A torn last record is a crash before the sync; an altered earlier one is damage.
        std::fs::write(&path, &bytes[..RECORD + 50]).unwrap();
        let keys = SubjectKeys::open(&path, master.clone()).unwrap();
        assert!(keys.get(&subject(2)).unwrap().is_none());
        keys.get_or_create(&subject(3), &random).unwrap();
        drop(keys);
        assert!(
            SubjectKeys::open(&path, master.clone()).unwrap().get(&subject(3)).unwrap().is_some()
        );
        let mut altered = bytes;
        altered[60] ^= 1;
        std::fs::write(&path, altered).unwrap();
        assert!(SubjectKeys::open(&path, master).is_err());
    }

    #[test]
    fn keys_that_are_kept_opened_are_bounded() {
        let random = SeededRandom::new(7);
        let keys = SubjectKeys::in_memory(crypto::new_key(&random).unwrap());
        let subject = |number: usize| Subject::new(&[1; 16], &format!("AIDA{number}"));
        let first = keys.get_or_create(&subject(0), &random).unwrap();
        for number in 1..=OPENED_KEPT {
            keys.get_or_create(&subject(number), &random).unwrap();
        }
        assert!((1..=OPENED_KEPT).contains(&keys.state.read().opened.len()));
        // What is not kept is opened again.
        assert!(keys.get(&subject(0)).unwrap().unwrap() == first);
        assert!(keys.has(&subject(1)) && !keys.has(&subject(OPENED_KEPT + 1)));
    }

    #[test]
    fn what_a_failed_sync_may_have_lost_is_written_again() {
        let random = SeededRandom::new(6);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subjects.keys");
        let keys = SubjectKeys::open(&path, crypto::new_key(&random).unwrap()).unwrap();
        let subject = Subject::new(&[1; 16], "AIDAEXAMPLE");
        keys.get_or_create(&subject, &random).unwrap();
        let written = std::fs::read(&path).unwrap();
        // The pages of a sync that failed are gone, and the next sync would find nothing to do.
        std::fs::write(&path, vec![0; RECORD]).unwrap();
        keys.state.write().lost = true;
        keys.sync().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), written);
        assert!(keys.state.read().unsynced.is_empty() && !keys.state.read().lost);
    }

    #[test]
    fn threads_that_are_first_at_once_get_one_key() {
        let random = crate::base::random::OsRandom;
        let keys = SubjectKeys::in_memory(crypto::new_key(&random).unwrap());
        for number in 0..200u8 {
            let subject = Subject::new(&[number; 16], "AIDAEXAMPLE");
            let barrier = std::sync::Barrier::new(4);
            let made = std::thread::scope(|scope| {
                let make = || {
                    barrier.wait();
                    keys.get_or_create(&subject, &random).unwrap()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            let kept = keys.get(&subject).unwrap().unwrap();
            assert!(made.iter().all(|key| *key == kept));
        }
    }
}
