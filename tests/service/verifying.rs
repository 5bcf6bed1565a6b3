//! Verification beside writes: it holds nobody up, and takes nothing that changes meanwhile for damage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use domesday::base::clock::SimulatedClock;
use domesday::base::random::SeededRandom;
use domesday::base::time::Timestamp;
use domesday::service::audit::verify::{rebuild, verify};
use domesday::service::founding::{Parts, Place, start};
use domesday::store::{Batch, Durability, Family, Row, Store, StoreError, Walk};
use parking_lot::Mutex;

use super::world::{Key, World};

/// A store that does something whenever a verification begins to walk a family.
struct Watched {
    inner: Arc<dyn Store>,
    then: Mutex<Option<Then>>,
}

type Then = Box<dyn Fn(Family) + Send>;

/// Whether a verification is at work in this thread: in its own, or one that it started.
fn verifies() -> bool {
    matches!(std::thread::current().name(), Some(VERIFIER | "verify"))
}

const VERIFIER: &str = "verifier";

/// Does something in a thread of its own, which must not take long.
fn aside(body: impl FnOnce() + Send + 'static) {
    let (done, answered) = mpsc::channel();
    let asking = move || {
        body();
        done.send(()).unwrap();
    };
    std::thread::Builder::new().name("asking".into()).spawn(asking).unwrap();
    answered.recv_timeout(Duration::from_secs(30)).expect("a write waits for the verification");
}

impl Store for Watched {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(family, key)
    }

    fn version(&self, family: Family, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.inner.version(family, key)
    }

    fn walk(&self, family: Family, walk: Walk<'_>) -> Result<(), StoreError> {
        if verifies()
            && let Some(then) = &*self.then.lock()
        {
            then(family);
        }
        self.inner.walk(family, walk)
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.inner.commit(batch, durability)
    }

    fn clear(&self, family: Family) -> Result<(), StoreError> {
        self.inner.clear(family)
    }

    fn cleared(&self, family: Family) -> u64 {
        self.inner.cleared(family)
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn reopen(&self) -> Result<(), StoreError> {
        self.inner.reopen()
    }
}

fn watched_world(folder: &std::path::Path) -> (Arc<World>, Arc<Watched>) {
    let random = Arc::new(SeededRandom::new(51));
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2026-01-01").unwrap()));
    let place = Place::new(folder.join("data").to_str().unwrap(), None);
    let parts = Parts::open(&place, &*random).unwrap();
    let watched = Arc::new(Watched { inner: parts.ledger, then: Mutex::new(None) });
    let parts = Parts { ledger: watched.clone(), ..parts };
    let service = start(parts, clock.clone(), random, Box::new(|error| panic!("{error}"))).unwrap();
    (Arc::new(World::found(service, clock)), watched)
}

/// Verifies in a thread of the watched name.
fn verified(world: &World) -> serde_json::Value {
    let service = world.service.clone();
    let thread = std::thread::Builder::new().name(VERIFIER.into()).spawn(move || verify(&service));
    thread.unwrap().join().unwrap().unwrap()
}

#[test]
fn writes_are_answered_at_every_step_of_a_verification() {
    let folder = tempfile::tempdir().unwrap();
    let (world, watched) = watched_world(folder.path());
    let alice = world.user("alice");
    world.allow("alice", "iam:GetUser", "*");
    let before = world.head();
    let (steps, writes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let writing = {
        let (world, steps, writes) = (world.clone(), steps.clone(), writes.clone());
        move |family| {
            steps.lock().push(family);
            let name = format!("during-{}", writes.fetch_add(1, Ordering::SeqCst));
            let world = world.clone();
            aside(move || {
                // A user comes, and a secret that is there now goes.
                let key = world.user(&name);
                let of = [("UserName", name.as_str()), ("AccessKeyId", key.id.as_str())];
                world.ok(&world.admin, "DeleteAccessKey", &of);
            });
        }
    };
    *watched.then.lock() = Some(Box::new(writing));
    let found = verified(&world);
    *watched.then.lock() = None;
    assert_eq!(found["events"], before, "what came meanwhile is not looked at");
    let steps = steps.lock().clone();
    for family in [Family::Events, Family::Sequences, Family::RowsA, Family::RowsB] {
        assert!(steps.contains(&family), "{family:?} was not read: {steps:?}");
    }
    assert_eq!(world.head(), before + 3 * writes.load(Ordering::SeqCst) as u64);
    assert!(world.caller(&alice).is_ok());
    assert_eq!(verified(&world)["events"], world.head());
}

#[test]
fn a_secret_that_is_dropped_meanwhile_is_no_damage_and_a_lost_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let (world, watched) = watched_world(folder.path());
    let keys: Vec<(String, Key)> =
        ["a", "b", "c"].map(|name| (name.to_owned(), world.user(name))).into();
    let first = Mutex::new(keys.into_iter());
    let dropping = {
        let world = world.clone();
        move |family| {
            // The account's keys were not looked at yet when the index of the events is.
            if family == Family::Sequences
                && let Some((name, key)) = first.lock().next()
            {
                let world = world.clone();
                aside(move || {
                    let of = [("UserName", name.as_str()), ("AccessKeyId", key.id.as_str())];
                    world.ok(&world.admin, "DeleteAccessKey", &of);
                });
            }
        }
    };
    *watched.then.lock() = Some(Box::new(dropping));
    let secrets = verified(&world)["secrets"].as_u64().unwrap();
    *watched.then.lock() = None;
    assert_eq!(verified(&world)["secrets"], secrets);

    let secret = domesday::store::walk(&*watched.inner, Family::Secrets, |cursor| {
        cursor.seek(&[])?;
        Ok(cursor.current().unwrap().0.to_vec())
    });
    let mut batch = Batch::default();
    batch.delete(Family::Secrets, secret.unwrap());
    watched.commit(&batch, Durability::Synced).unwrap();
    let fault = verify(&world.service).unwrap_err();
    assert!(fault.message.contains("is missing"), "{}", fault.message);
}

#[test]
fn verifications_beside_busy_writers_find_everything_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = watched_world(folder.path());
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (world, rounds) = (&world, &rounds);
            scope.spawn(move || {
                for number in 0.. {
                    if rounds.load(Ordering::SeqCst) >= 5 || number >= 1_000 {
                        break;
                    }
                    let name = format!("w{writer}-{number}");
                    let key = world.user(&name);
                    let of = [("UserName", name.as_str()), ("AccessKeyId", key.id.as_str())];
                    world.ok(&world.admin, "DeleteAccessKey", &of);
                    world.ok(&world.admin, "DeleteUser", &of[..1]);
                }
            });
        }
        for _ in 0..5 {
            let found = verify(&world.service);
            rounds.fetch_add(1, Ordering::SeqCst);
            found.unwrap();
        }
        rounds.store(5, Ordering::SeqCst);
    });
    let rebuilt = rebuild(&world.service).unwrap();
    assert_eq!(rebuilt["different"], 0);
}
