//! Receipts that are older than the real program is told to keep are gone; the others, and the chain, stay.

use std::sync::Arc;
use std::time::Duration;

use domesday::base::clock::SimulatedClock;
use domesday::base::random::SeededRandom;
use domesday::base::time::Timestamp;
use domesday::service::founding::{Place, open};

use super::program::{Client, Program, command, credentials, data};
use super::world::{Key, World};

/// The denied requests that the log tells of, by the name of the user that was to be made.
fn denied(data: &str) -> Vec<String> {
    let (status, told) = command(&[
        "log",
        "--data",
        data,
        "--outcome",
        "denied",
        "--order",
        "oldest",
        "-o",
        "ndjson",
    ]);
    assert_eq!(status, 0, "{told}");
    let arn = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["target"]["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    told.lines().map(arn).collect()
}

#[test]
fn old_receipts_go_and_the_rest_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = data(folder.path());
    let path = path.to_str().unwrap();
    // Two years of the past, in a service whose clock stands there.
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2021-01-01").unwrap()));
    let random = Arc::new(SeededRandom::new(61));
    let service =
        open(&Place::new(path, None), clock.clone(), random, Box::new(|error| panic!("{error}")));
    let world = World::found(service.unwrap(), clock);
    let alice = world.user("alice");
    let made = world.ok(&world.admin, "CreateAccessKey", &[("UserName", "alice")]);
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap().to_owned();
    let (id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    for (date, name) in [("2021-01-02", "first"), ("2022-01-02", "second")] {
        world.clock.set(Timestamp::parse(date).unwrap());
        let refused = |key: &Key| {
            world.refused(key, "CreateUser", &[("UserName", name)], "AccessDenied");
        };
        refused(&alice);
        // A segment is what was written together: what comes later is in another.
        std::thread::sleep(Duration::from_millis(300));
    }
    drop(world);
    assert_eq!(denied(path), ["first", "second"]);

    let program = Program::try_start_with(path.as_ref(), folder.path(), &["--receipt-days", "90"]);
    let program = program.unwrap();
    let mut client = Client::connect(&program.address).unwrap();
    let ask = |client: &mut Client| {
        let form = "Action=CreateUser&Version=2010-05-08&UserName=third";
        let signed = credentials(&id, &secret, None);
        let (status, body) = client.send("/", "iam", Some(&signed), form).unwrap();
        assert_eq!(status, 403, "{body}");
    };
    ask(&mut client);
    // The old ones go shortly after the new one is there.
    let began = std::time::Instant::now();
    while denied(path) != ["second", "third"] {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", denied(path));
        std::thread::sleep(Duration::from_millis(50));
    }
    program.stop();
    let (status, told) = command(&["verify", "--data", path]);
    assert_eq!(status, 0, "{told}");

    // Without a number of days nothing goes, however old.
    let program = Program::start(folder.path());
    ask(&mut Client::connect(&program.address).unwrap());
    program.stop();
    assert_eq!(denied(path), ["second", "third", "third"]);
}
