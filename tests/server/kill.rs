//! SIGKILL at any moment: every acknowledged event is there after the restart, none is there twice, and
//! the ledger verifies. 50 kills here; `tools/campaign kill` does more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domesday::base::random::{OsRandom, Random, SeededRandom, random_bytes};
use tempfile::TempDir;

use super::campaign::Campaign;
use super::program::{Client, Program, command, data};

const KILLS: u64 = 50;
const WRITERS: usize = 8;
/// Kills in one folder: fresh ones, so that founding is killed too and quotas are not reached.
const IN_ONE_FOLDER: u64 = 10;
/// The longest that writers write before the kill, in milliseconds.
const LONGEST: u64 = 150;

/// Writes users until the connection dies; the names whose creation was acknowledged.
fn write_until_killed(address: &str, round: u64, writer: usize, stop: &AtomicBool) -> Vec<String> {
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

/// A data folder, and whose creation in it was acknowledged.
struct Story {
    folder: TempDir,
    acknowledged: BTreeSet<String>,
}

impl Story {
    fn new() -> Self {
        Story { folder: tempfile::tempdir().unwrap(), acknowledged: BTreeSet::new() }
    }

    /// A start with everything that was acknowledged, writers, and a kill after a while.
    fn kill(&mut self, round: u64, random: &dyn Random) {
        let program = self.checked();
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (address, stop) = (program.address.clone(), stop.clone());
                std::thread::spawn(move || write_until_killed(&address, round, writer, &stop))
            })
            .collect();
        let delay = u64::from_be_bytes(random_bytes(random).unwrap()) % LONGEST;
        std::thread::sleep(Duration::from_millis(delay));
        program.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            for name in writer.join().unwrap() {
                assert!(self.acknowledged.insert(name));
            }
        }
    }

    /// The last look, and a verification; how many were acknowledged.
    fn end(self) -> usize {
        self.checked().kill();
        let path = data(self.folder.path());
        let (status, output) = command(&["verify", "--data", path.to_str().unwrap()]);
        assert_eq!(status, 0, "verify: {output}");
        self.acknowledged.len()
    }

    fn checked(&self) -> Program {
        let program = Program::start(self.folder.path());
        Client::connect(&program.address).unwrap().has_all(&self.acknowledged);
        program
    }
}

/// The seed decides when the kills come; what the writers have done by then is the machine's affair.
#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let seed = u64::from(u32::from_be_bytes(random_bytes(&OsRandom).unwrap()));
    let mut campaign = Campaign::new("kills under 8 writers", KILLS, seed);
    let random = SeededRandom::new(campaign.seed);
    let mut story = Story::new();
    let mut total = 0;
    while let Some(round) = campaign.next() {
        if round > 0 && round % IN_ONE_FOLDER == 0 {
            total += std::mem::replace(&mut story, Story::new()).end();
        }
        story.kill(round, &random);
    }
    total += story.end();
    assert!(total > 0, "no write was ever acknowledged");
    campaign.end(&format!("{total} acknowledged users, none lost"));
}
