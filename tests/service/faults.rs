//! Disks that fill up and disks that lose a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domesday::base::clock::SimulatedClock;
use domesday::base::random::SeededRandom;
use domesday::base::time::Timestamp;
use domesday::service::founding::{Parts, Place, start};
use domesday::store::faulty::{FaultyStore, Plan};
use domesday::store::{Store, StoreError};

use super::world::World;

fn world_on_faulty_disk() -> (World, Arc<FaultyStore>, Arc<AtomicUsize>) {
    let random = Arc::new(SeededRandom::new(21));
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2026-01-01").unwrap()));
    let parts = Parts::open(&Place::Memory, &*random).unwrap();
    let disk = Arc::new(FaultyStore::new(parts.ledger));
    let ledger: Arc<dyn Store> = disk.clone();
    let parts = Parts { ledger, ..parts };
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = lost.clone();
    let on_lost_sync = Box::new(move |_: &_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let service = start(parts, clock.clone(), random, on_lost_sync).unwrap();
    (World::found(service, clock), disk, lost)
}

#[test]
fn a_full_disk_refuses_writes_for_now_and_loses_nothing() {
    let (world, disk, lost) = world_on_faulty_disk();
    let alice = world.user("alice");
    let head = world.head();
    disk.plan(Plan::Refuse(StoreError::NoSpace("test".into())));
    for name in ["bob", "carol", "dave"] {
        let fault = world.ask(&world.admin, "CreateUser", &[("UserName", name)], None).unwrap_err();
        assert_eq!((fault.code, fault.status), ("ServiceUnavailable", 503));
        // Reads go on, and see nothing of it.
        world.ok(&world.admin, "GetUser", &[("UserName", "alice")]);
        world.refused(&world.admin, "GetUser", &[("UserName", name)], "NoSuchEntity");
        assert_eq!(world.head(), head);
    }
    disk.plan(Plan::Work);
    world.ok(&world.admin, "CreateUser", &[("UserName", "bob")]);
    assert_eq!(world.head(), head + 1);
    assert!(world.caller(&alice).is_ok());
    domesday::ledger::verify::verify(world.service.ledger(), [7; 32], &mut |_, _| Ok(())).unwrap();
    assert_eq!(lost.load(Ordering::SeqCst), 0);
}

#[test]
fn a_lost_sync_is_never_acknowledged_and_ends_the_process() {
    let (world, disk, lost) = world_on_faulty_disk();
    disk.plan(Plan::WriteAndFail(StoreError::Failed("fsync: input/output error".into())));
    let fault = world.ask(&world.admin, "CreateUser", &[("UserName", "bob")], None).unwrap_err();
    assert_eq!((fault.code, fault.status), ("ServiceFailure", 500));
    disk.plan(Plan::Work);
    // Even if the disk seems to work again, this writer acknowledges nothing more.
    let fault = world.ask(&world.admin, "CreateUser", &[("UserName", "carol")], None).unwrap_err();
    assert_eq!(fault.code, "ServiceFailure");
    assert!(lost.load(Ordering::SeqCst) > 0);
}

#[test]
fn damage_that_a_question_meets_is_told_as_damage() {
    use domesday::service::audit::{Question, run};
    use domesday::service::fault::DAMAGED;
    use domesday::store::{Batch, Durability, Family};
    let (world, disk, _) = world_on_faulty_disk();
    world.user("alice");
    let key = world.head().to_be_bytes();
    let mut frame = disk.get(Family::Events, &key).unwrap().unwrap();
    let middle = frame.len() / 2;
    frame[middle] ^= 1;
    let mut batch = Batch::default();
    batch.put(Family::Events, key, frame);
    disk.commit(&batch, Durability::Synced).unwrap();
    let operator = domesday::service::caller::Caller {
        account: world.caller(&world.admin).unwrap().account,
        ..world.service.operator("1@test", domesday::ledger::AccountId::SYSTEM).unwrap()
    };
    for (name, parameters) in [("events", vec![]), ("show", vec![("thing", "alice")])] {
        let owned: Vec<_> =
            parameters.iter().map(|(k, v): &(&str, &str)| ((*k).into(), (*v).into())).collect();
        let question = Question::parse(name, &owned).unwrap();
        let fault = run(&world.service, &operator, question, None).unwrap_err();
        assert_eq!((fault.code, fault.status), (DAMAGED, 500), "{name}: {}", fault.message);
    }
}

#[test]
fn a_checkpoint_that_is_not_on_the_disk_is_seen_by_nobody() {
    let (world, disk, _) = world_on_faulty_disk();
    let full = || disk.plan(Plan::Refuse(StoreError::NoSpace("test".into())));
    full();
    assert_eq!(world.service.checkpoint().unwrap_err().status, 503);
    disk.plan(Plan::Work);
    let first = world.service.checkpoint().unwrap();
    world.ok(&world.admin, "CreateUser", &[("UserName", "alice")]);
    full();
    // Who wants any has the one before; who needs a longer one is told to wait.
    assert_eq!(world.service.checkpoint().unwrap(), first);
    let fault = world.service.checkpoint_covering(world.head()).unwrap_err();
    assert_eq!((fault.code, fault.status), ("ServiceUnavailable", 503));
    disk.plan(Plan::WriteAndFail(StoreError::Failed("fsync: input/output error".into())));
    assert_eq!(world.service.checkpoint().unwrap_err().status, 500);
    disk.plan(Plan::Work);
    let second = world.service.checkpoint().unwrap();
    assert_eq!((second.checkpoint.size, first.checkpoint.size + 1), (world.head(), world.head()));
}
