//! SIGKILL at any moment: every acknowledged event is there after the restart, none is there twice, and
//! the ledger verifies. `DOMESDAY_KILLS` sets the number of kills (50; `tools/kill-campaign` runs more).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domesday::base::random::{OsRandom, Random, random_bytes};

use super::program::{Client, Program, command, data};

const WRITERS: usize = 8;

/// Writes users until the connection dies; the names whose creation was acknowledged.
fn write_until_killed(
    address: &str,
    round: usize,
    writer: usize,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut client) = Client::connect(address) else { return acknowledged };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("r{round}-w{writer}-{number}");
        match client.ask("/", "CreateUser", &[("UserName", &name)]) {
            Ok((200, _)) => acknowledged.push(name),
            Ok((409, body)) if body.contains("LimitExceeded") => break,
            Ok((status, body)) => panic!("CreateUser was answered {status}: {body}"),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let kills = std::env::var("DOMESDAY_KILLS").ok().and_then(|text| text.parse().ok());
    let kills: usize = kills.unwrap_or(50);
    let random: &dyn Random = &OsRandom;
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, ()> = BTreeMap::new();
    let mut total = 0;
    for round in 0..kills {
        // A fresh folder now and then, so that founding is killed too and quotas are not reached.
        if round % 10 == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        let program = Program::start(folder.path());
        check(&program.address, &acknowledged);
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (address, stop) = (program.address.clone(), stop.clone());
                std::thread::spawn(move || write_until_killed(&address, round, writer, &stop))
            })
            .collect();
        let [low, high] = random_bytes::<2>(random).unwrap();
        let delay = u64::from(u16::from_be_bytes([low, high])) % 150;
        std::thread::sleep(Duration::from_millis(delay));
        program.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            for name in writer.join().unwrap() {
                assert!(acknowledged.insert(name, ()).is_none());
                total += 1;
            }
        }
        if round % 10 == 9 || round + 1 == kills {
            let program = Program::start(folder.path());
            check(&program.address, &acknowledged);
            program.kill();
            let path = data(folder.path());
            let (status, output) = command(&["verify", "--data", path.to_str().unwrap()]);
            assert_eq!(status, 0, "verify: {output}");
        }
    }
    assert!(total > 0, "no write was ever acknowledged");
    println!("{kills} kills, {total} acknowledged users, none lost");
}

/// Every acknowledged user is listed exactly once.
fn check(address: &str, acknowledged: &BTreeMap<String, ()>) {
    let mut client = Client::connect(address).unwrap();
    let mut listed: BTreeMap<String, usize> = BTreeMap::new();
    let mut marker = String::new();
    loop {
        let mut parameters = vec![("MaxItems", "1000")];
        if !marker.is_empty() {
            parameters.push(("Marker", &marker));
        }
        let (status, body) = client.ask("/", "ListUsers", &parameters).unwrap();
        assert_eq!(status, 200, "{body}");
        for part in body.split("<UserName>").skip(1) {
            let name = part.split('<').next().unwrap();
            *listed.entry(name.to_owned()).or_default() += 1;
        }
        match body.split("<Marker>").nth(1) {
            Some(rest) => marker = rest.split('<').next().unwrap().to_owned(),
            None => break,
        }
    }
    for name in acknowledged.keys() {
        assert_eq!(listed.get(name), Some(&1), "{name} was acknowledged");
    }
}
