//! A damaged data folder: every question that meets the damage ends with 3 and says what is wrong and where,
//! by each of the three ways to a ledger.

use std::path::{Path, PathBuf};

use domesday::projection::row::split_stored;
use domesday::projection::tables::USERS;
use domesday::store::rocks::{Memory, RocksStore};
use domesday::store::{Batch, Durability, Family, Store, walk};

use super::program::{Client, KEY, Program, SECRET, command, command_with, data};

const HEAD: &[&str] = &["head"];
const LOG: &[&str] = &["log"];
const DENIED: &[&str] = &["log", "--outcome", "denied"];
const SHOW: &[&str] = &["show", "user/alice"];
const CAN: &[&str] = &["can", "alice", "iam:CreateUser", "*"];
const ALL: &[&[&str]] = &[HEAD, LOG, DENIED, SHOW, CAN];

/// A folder with an account, and alice, who tried something that she may not.
struct Ledger {
    folder: tempfile::TempDir,
}

impl Ledger {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::start(folder.path());
        let mut client = Client::connect(&program.address).unwrap();
        let of = ("UserName", "alice");
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}"#;
        let policy = [of, ("PolicyName", "p"), ("PolicyDocument", document)];
        for (operation, parameters) in [("CreateUser", &[of][..]), ("PutUserPolicy", &policy)] {
            let (status, body) = client.ask("/", operation, parameters).unwrap();
            assert_eq!(status, 200, "{body}");
        }
        program.stop();
        Ledger { folder }
    }

    fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    fn store(&self) -> RocksStore {
        RocksStore::open(&self.data().join("ledger"), Family::LEDGER, Memory::Serving).unwrap()
    }

    /// Alters or removes rows of a store.
    fn alter(store: &dyn Store, family: Family, of: impl Fn(&[u8]) -> bool, with: Alter) {
        let mut batch = Batch::default();
        let rows = walk(store, family, |cursor| {
            let mut rows = Vec::new();
            cursor.seek(&[])?;
            while let Some((key, value)) = cursor.current() {
                rows.push((key.to_vec(), value.to_vec()));
                cursor.advance()?;
            }
            Ok(rows)
        });
        for (key, mut value) in rows.unwrap().into_iter().filter(|(key, _)| of(key)) {
            match with {
                Alter::Remove => batch.delete(family, key),
                Alter::Cut => {
                    value.pop();
                    batch.put(family, key, value);
                }
                Alter::Flip => {
                    let middle = value.len() / 2;
                    value[middle] ^= 4;
                    batch.put(family, key, value);
                }
            }
        }
        assert!(!batch.is_empty(), "nothing was altered");
        store.commit(&batch, Durability::Synced).unwrap();
    }

    /// Each of these questions of the folder ends with 3 and says so; a server does not even start.
    fn refuses(&self, questions: &[&[&str]], says: &str, starts: bool) {
        for question in questions {
            let (status, told) = self.ask(question);
            assert_eq!(status, 3, "{question:?}: {told}");
            assert!(told.contains(says), "{question:?}: {told}");
        }
        match Program::try_start(&self.data(), self.folder.path()) {
            Ok(_) => assert!(starts, "a server starts"),
            Err(told) => assert!(!starts && told.contains(says), "{told}"),
        }
    }

    fn ask(&self, question: &[&str]) -> (i32, String) {
        let data = self.data();
        command(&[question, &["--data", data.to_str().unwrap()]].concat())
    }
}

#[derive(Clone, Copy)]
enum Alter {
    Remove,
    Cut,
    Flip,
}

fn is_event(position: u64) -> impl Fn(&[u8]) -> bool {
    move |key| key == position.to_be_bytes()
}

#[test]
fn an_altered_event_is_named() {
    let ledger = Ledger::new();
    Ledger::alter(&ledger.store(), Family::Events, is_event(2), Alter::Flip);
    ledger.refuses(ALL, "damaged at event 2: the event does not match its digest", false);
}

#[test]
fn a_short_ledger_says_what_is_missing() {
    let ledger = Ledger::new();
    let (status, head) = ledger.ask(HEAD);
    let head: u64 = head.trim().trim_start_matches('@').parse().unwrap();
    assert_eq!(status, 0);
    Ledger::alter(&ledger.store(), Family::Events, is_event(head), Alter::Remove);
    let says = format!("HEAD says that {head} events were acknowledged, {} are here", head - 1);
    ledger.refuses(ALL, &says, false);
}

#[test]
fn a_gap_is_named() {
    let ledger = Ledger::new();
    Ledger::alter(&ledger.store(), Family::Events, is_event(2), Alter::Remove);
    ledger.refuses(ALL, "damaged at event 2", false);
}

#[test]
fn a_lost_head_and_lost_keys_are_named() {
    for (file, says) in [("HEAD", "HEAD is lost"), ("subjects.keys", "subjects.keys is lost")] {
        let ledger = Ledger::new();
        std::fs::remove_file(ledger.data().join(file)).unwrap();
        ledger.refuses(ALL, says, false);
    }
}

#[test]
fn lost_content_is_named_where_it_is_needed() {
    let ledger = Ledger::new();
    Ledger::alter(&ledger.store(), Family::Blobs, |_| true, Alter::Remove);
    ledger.refuses(&[CAN], "that an event names is missing or altered", true);
}

#[test]
fn altered_receipts_are_named_where_they_are_read() {
    let ledger = Ledger::new();
    let activity =
        RocksStore::open(&ledger.data().join("activity"), Family::ACTIVITY, Memory::Serving)
            .unwrap();
    let newest = walk(&activity, Family::Receipts, |cursor| {
        cursor.seek_back(&u64::MAX.to_be_bytes())?;
        Ok(cursor.current().unwrap().0.to_vec())
    });
    let newest = newest.unwrap();
    Ledger::alter(&activity, Family::Receipts, |key| key == newest, Alter::Flip);
    drop(activity);
    ledger.refuses(&[DENIED], "receipts were altered", true);
}

/// Rows are read as they are asked for: a server runs on them until somebody meets the damage.
#[test]
fn a_damaged_row_is_told_by_the_folder_the_socket_and_the_endpoint() {
    let ledger = Ledger::new();
    let store = ledger.store();
    let alice = |key: &[u8]| key.get(16) == Some(&USERS.number) && newest_of(&store, key);
    Ledger::alter(&store, Family::RowsA, alice, Alter::Cut);
    drop(store);
    let says = "a projection row is damaged (stored bytes do not decode as ";
    let questions: &[&[&str]] = &[LOG, SHOW, CAN];
    ledger.refuses(questions, says, true);

    let program = Program::start(ledger.folder.path());
    let endpoint = format!("http://{}", program.address);
    let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    for question in questions {
        for (way, told) in [
            ("socket", ledger.ask(question)),
            (
                "endpoint",
                command_with(&[question, &["--endpoint", &endpoint][..]].concat(), &variables),
            ),
        ] {
            let (status, told) = told;
            assert_eq!(status, 3, "{way} {question:?}: {told}");
            assert!(told.contains(says) && told.contains("UserRow"), "{way} {question:?}: {told}");
        }
    }
    // What does not meet it is answered; what repairs it is what it says.
    assert_eq!(ledger.ask(HEAD).0, 0);
    assert_eq!(ledger.ask(&["rebuild"]).0, 0);
    assert_eq!(ledger.ask(SHOW).0, 0);
    program.stop();
}

/// Whether a row of users is of the one that was made last.
fn newest_of(store: &dyn Store, key: &[u8]) -> bool {
    let newest = walk(store, Family::RowsA, |cursor| {
        let mut newest = 0;
        cursor.seek(&[])?;
        while let Some((key, _)) = cursor.current() {
            if key.get(16) == Some(&USERS.number) {
                newest = split_stored(key).map_or(newest, |(_, position)| position.max(newest));
            }
            cursor.advance()?;
        }
        Ok(newest)
    });
    split_stored(key).is_some_and(|(_, position)| position == newest.unwrap())
}

/// The path of a folder that is not there is no damage.
#[test]
fn an_absent_folder_is_no_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere: &Path = &folder.path().join("nowhere");
    for question in ALL {
        let (status, told) =
            command(&[question, &["--data", nowhere.to_str().unwrap()][..]].concat());
        assert_eq!(status, 2, "{question:?}: {told}");
    }
}
