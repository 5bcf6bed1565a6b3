//! Laws over random histories: the view at every position is the state that was; rebuilt rows are the
//! live rows; a decision of the past is the decision that was made.

use domesday::base::random::{Random, SeededRandom, random_bytes};
use domesday::ledger::AccountId;
use domesday::projection::whole::FEW;
use domesday::projection::{Cut, History, Projections, Reader, Whole, rebuild};

use super::world::World;

/// One random act; refused ones are part of it.
fn act(world: &World, random: &dyn Random) {
    let [what, who, which] = random_bytes::<3>(random).unwrap();
    let name = format!("u{}", who % 5);
    let policy = format!("p{}", which % 3);
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:Get*","Resource":"*","Sid":"s{which}"}}]}}"#
    );
    let user = ("UserName", name.as_str());
    let operations: [(&str, &[(&str, &str)]); 7] = [
        ("CreateUser", &[user, ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", &policy)]),
        ("CreateUser", &[user, ("Path", "/a/")]),
        ("PutUserPolicy", &[user, ("PolicyName", &policy), ("PolicyDocument", &document)]),
        ("DeleteUserPolicy", &[user, ("PolicyName", &policy)]),
        ("DeleteUser", &[user]),
        ("UpdateUser", &[user, ("NewUserName", &policy)]),
        ("CreateAccessKey", &[user]),
    ];
    let (operation, parameters) = operations[usize::from(what) % operations.len()];
    // Most refusals are honest; a fault of the service is not.
    if let Err(fault) = world.ask(&world.admin, operation, parameters, None) {
        assert!(fault.is_sender(), "{operation}: {fault}");
    }
}

/// Every row that a view shows, asked for in scans and one by one.
fn rows(view: &dyn Reader, account: AccountId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in 0..96 {
        let scan = &mut |key: &[u8], row: &[u8]| {
            rows.push((key.to_vec(), row.to_vec()));
            Ok(true)
        };
        view.scan(account, &[table], scan).unwrap();
    }
    for (key, row) in &rows {
        assert_eq!(view.row(account, key).unwrap().as_ref(), Some(row));
        let part = key.iter().position(|byte| *byte == 0).map_or(key.len(), |end| end + 1);
        let mut found = false;
        let begins = &mut |other: &[u8], _: &[u8]| {
            found |= other == key;
            Ok(true)
        };
        view.scan(account, &key[..part], begins).unwrap();
        assert!(found);
    }
    rows
}

#[test]
fn rows_at_hand_are_the_stored_rows_after_every_commit_and_at_every_earlier_cut() {
    for seed in 0..3 {
        let world = World::new(200 + seed);
        let random = SeededRandom::new(seed);
        let at_hand = world.service.projections();
        let account = world.caller(&world.admin).unwrap().account;
        for _ in 0..60 {
            act(&world, &random);
            let (ledger, keys) = (world.service.ledger().clone(), at_hand.keys().clone());
            let stored = Projections::new(ledger, keys).unwrap();
            for account in [account, AccountId::SYSTEM] {
                // The past first: what it reads must not be taken for the present.
                let back = u64::from(random_bytes::<1>(&random).unwrap()[0]) % 4;
                let cut = Cut { position: world.head() - back, time: None };
                assert_eq!(rows(&at_hand.at(cut), account), rows(&stored.at(cut), account));
                let now = rows(&at_hand.now(), account);
                assert!(!now.is_empty());
                assert_eq!(now, rows(&stored.now(), account), "seed {seed}");
            }
        }
    }
}

#[test]
fn an_account_read_whole_is_what_its_reader_reads_however_often_it_is_asked() {
    let world = World::new(302);
    let random = SeededRandom::new(32);
    for _ in 0..60 {
        act(&world, &random);
    }
    let own = world.caller(&world.admin).unwrap().account;
    for position in [world.head(), world.head() / 2] {
        let view = world.service.projections().at(Cut { position, time: None });
        let whole = Whole::new(&view, own);
        for account in [own, AccountId::SYSTEM] {
            let expected = rows(&view, account);
            assert!(!expected.is_empty());
            // First it passes questions on, then it has the tables.
            for _ in 0..=FEW {
                assert_eq!(rows(&whole, account), expected, "@{position}");
            }
            for (key, _) in &expected {
                for other in [[key.as_slice(), b"x"].concat(), vec![key[0], b'~', 0]] {
                    assert_eq!(whole.row(account, &other).unwrap(), None);
                    let never = &mut |_: &[u8], _: &[u8]| panic!("nothing begins so");
                    whole.scan(account, &other, never).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_history_reads_at_every_position_what_a_view_reads_there_and_knows_until_when() {
    let world = World::new(301);
    let random = SeededRandom::new(31);
    for _ in 0..60 {
        act(&world, &random);
    }
    let account = world.caller(&world.admin).unwrap().account;
    let (projections, now) = (world.service.projections(), world.service.now());
    let history = History::new(&now);
    for account in [account, AccountId::SYSTEM] {
        let at = |position| rows(&projections.at(Cut { position, time: None }), account);
        for position in 0..=world.head() {
            assert_eq!(rows(&history.at(position), account), at(position), "@{position}");
            // Table by table: it stays the same up to where it is said to change.
            for table in [3, 8, 14] {
                let (past, mut read) = (history.at(position), Vec::new());
                let scan = &mut |key: &[u8], row: &[u8]| {
                    read.push((key.to_vec(), row.to_vec()));
                    Ok(true)
                };
                past.scan(account, &[table], scan).unwrap();
                let until = past.until().unwrap_or(world.head() + 1);
                let of = |position| -> Vec<(Vec<u8>, Vec<u8>)> {
                    at(position).into_iter().filter(|(key, _)| key[0] == table).collect()
                };
                assert!(until > position);
                assert_eq!(of(until - 1), read, "table {table}, @{position} to @{until}");
            }
        }
    }
}

#[test]
fn every_view_is_the_state_that_was_and_rebuilt_is_live() {
    for seed in 0..4 {
        let world = World::new(100 + seed);
        let random = SeededRandom::new(seed);
        let mut states = vec![(world.head(), world.state(None))];
        for _ in 0..40 {
            act(&world, &random);
            if states.last().unwrap().0 != world.head() {
                states.push((world.head(), world.state(None)));
            }
        }
        for (position, state) in &states {
            let moment = world.moment(&format!("@{position}"));
            assert_eq!(&world.state(moment), state, "seed {seed}, @{position}");
        }
        let ledger = world.service.ledger();
        let folded = rebuild::fold_aside(ledger, 1, &mut |_| {}).unwrap();
        assert_eq!(folded, world.head());
        let comparison = rebuild::compare(ledger, folded).unwrap();
        assert_eq!(comparison.different, 0, "seed {seed}: {comparison:?}");
        assert!(comparison.rows > 0);
        rebuild::swap(world.service.projections()).unwrap();
        let (position, state) = states.last().unwrap();
        assert_eq!(&world.state(world.moment(&format!("@{position}"))), state);
        // And the ledger goes on from there.
        act(&world, &random);
        domesday::ledger::verify::verify(ledger, [7; 32], &mut |_, _| Ok(())).unwrap();
    }
}

#[test]
fn verifications_and_rebuilds_at_once_leave_every_answer_right() {
    use domesday::service::audit::verify;
    let world = World::new(55);
    let alice = world.user("alice");
    world.allow("alice", "iam:GetUser", "*");
    let old = world.service.now();
    let service = &world.service;
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for _ in 0..10 {
                    match worker % 2 {
                        0 => verify::verify(service).unwrap(),
                        _ => verify::rebuild(service).unwrap(),
                    };
                }
            });
        }
        for number in 0..60 {
            // What is asked meanwhile is answered rightly, or the caller is told to ask again.
            match world.ask(&alice, "GetUser", &[("UserName", "alice")], None) {
                Ok(answer) => assert_eq!(answer["User"]["UserName"], "alice"),
                Err(fault) => assert_eq!(fault.status, 503, "{fault}"),
            }
            let name = format!("n{number}");
            match world.ask(&world.admin, "CreateUser", &[("UserName", &name)], None) {
                Ok(_) => {}
                Err(fault) => assert_eq!(fault.status, 503, "{fault}"),
            }
        }
    });
    let found = verify::verify(service).unwrap();
    assert_eq!(found["events"], world.head());
    // A view from before knows that its rows are gone, rather than finding nothing.
    use domesday::identity::id::UniqueId;
    use domesday::projection::view::ReadTables;
    use domesday::projection::{ProjectionError, tables::USERS};
    let account = world.caller(&alice).unwrap().account;
    let nobody = UniqueId::parse("AIDANOBODY").unwrap();
    assert!(matches!(old.get(account, &USERS, &nobody), Err(ProjectionError::Outlived)));
}

#[test]
fn rows_aside_are_folded_on_only_where_they_end() {
    let world = World::new(56);
    let ledger = world.service.ledger();
    let head = rebuild::fold_aside(ledger, 1, &mut |_| {}).unwrap();
    world.user("alice");
    rebuild::discard(ledger).unwrap();
    assert!(rebuild::fold_aside(ledger, head + 1, &mut |_| {}).is_err());
    assert!(rebuild::swap(world.service.projections()).is_err());
}

#[test]
fn a_changed_row_is_found_by_the_comparison() {
    use domesday::store::{Batch, Durability, Family};
    let world = World::new(77);
    world.user("alice");
    let ledger = world.service.ledger();
    let store = ledger.store();
    let mut first = None;
    store
        .walk(Family::RowsA, &mut |cursor| {
            cursor.seek(&[])?;
            first = cursor.current().map(|(key, value)| (key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    let (key, mut value) = first.unwrap();
    *value.last_mut().unwrap() ^= 1;
    let mut batch = Batch::default();
    batch.put(Family::RowsA, key, value);
    store.commit(&batch, Durability::Synced).unwrap();
    let folded = rebuild::fold_aside(ledger, 1, &mut |_| {}).unwrap();
    assert_eq!(rebuild::compare(ledger, folded).unwrap().different, 1);
    rebuild::discard(ledger).unwrap();
}

#[test]
fn a_folder_opens_again_with_all_it_acknowledged() {
    use domesday::service::founding::Place;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let place = Place::new(data.to_str().unwrap(), None);
    let world = World::at(5, &place);
    world.user("alice");
    let (head, state, admin) = (world.head(), world.state(None), world.admin.clone());
    let (clock, digits) = (world.clock.clone(), world.digits.clone());
    drop(world);
    let random = std::sync::Arc::new(SeededRandom::new(6));
    let open = || {
        domesday::service::founding::open(&place, clock.clone(), random.clone(), Box::new(|_| {}))
    };
    let service = open().unwrap();
    let again = World { service, clock: clock.clone(), digits, admin, replays: true };
    assert_eq!(again.head(), head);
    assert_eq!(again.state(None), state);
    again.user("bob");
    // A second opening is refused, and a folder short of its HEAD is.
    assert!(open().is_err());
    drop(again);
    // Nor does one open that lost HEAD, the subject keys or the activity book's HEAD.
    for name in ["HEAD", "subjects.keys", "ACTIVITY"] {
        let (kept, aside) = (data.join(name), folder.path().join(name));
        std::fs::rename(&kept, &aside).unwrap();
        let error = open().err().unwrap();
        assert!(error.is_damage(), "{name}: {error}");
        std::fs::rename(&aside, &kept).unwrap();
    }
    open().unwrap().close();
    std::fs::remove_dir_all(data.join("ledger")).unwrap();
    assert!(open().err().unwrap().is_damage());
}
