//! A small disk that is full: writes are refused for now, nothing acknowledged is lost, and when there is
//! room again the same process goes on. Needs a disk of its own to fill: `tools/campaign disk-full`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::campaign::Campaign;
use super::program::{Client, Program, command};

const WRITERS: usize = 8;
/// What is on the disk besides us and can be removed, in bytes; the rest is ours to fill. A verification needs room for
/// the other side of the rows: 60 to 100 MiB here.
const BALLAST: usize = 144 << 20;
/// Refusals in a row after which a writer takes the disk for full.
const REFUSALS: u32 = 25;
/// Reads after which it is enough.
const MOST_READS: usize = 50_000;

/// A disk with a data folder and ballast on it. What the programs say is kept elsewhere.
struct Disk {
    root: PathBuf,
    beside: tempfile::TempDir,
    acknowledged: BTreeSet<String>,
}

impl Disk {
    fn new(root: &Path) -> Self {
        let beside = tempfile::tempdir().unwrap();
        Disk { root: root.to_owned(), beside, acknowledged: BTreeSet::new() }
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// As much as there is room for.
    fn load(&self) {
        let mut file = fs::File::create(self.root.join("ballast")).unwrap();
        let _ = (0..BALLAST >> 16).try_for_each(|_| file.write_all(&[7; 1 << 16]));
    }

    fn unload(&self) {
        fs::remove_file(self.root.join("ballast")).unwrap();
    }

    fn start(&self) -> Result<Program, String> {
        Program::try_start(&self.data(), self.beside.path())
    }

    /// Writes users until all writers are refused for want of space.
    fn fill(&mut self, program: &mut Program, name: &str) {
        let written: Vec<Vec<String>> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (address, name) = (&program.address, format!("{name}-w{writer}"));
                    scope.spawn(move || write_until_full(address, &name))
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert!(!program.has_ended(), "a full disk ended the program");
        for name in written.into_iter().flatten() {
            assert!(self.acknowledged.insert(name));
        }
    }

    /// Writes succeed soon, in the same program.
    fn writes_again(&mut self, program: &mut Program, name: &str) {
        let mut client = program.client();
        soon(|| {
            let (status, body) = create(&mut client, name);
            assert!(!program.has_ended(), "the program ended");
            !is_refused_for_now(status, &body)
        });
        assert!(self.acknowledged.insert(name.to_owned()));
    }

    fn has_all(&self, program: &Program) {
        program.client().has_all(&self.acknowledged);
    }

    fn verify(&self) {
        let (status, output) = command(&["verify", "--data", self.data().to_str().unwrap()]);
        assert_eq!(status, 0, "verify: {output}");
    }
}

/// A user of some 10 KiB, so that a disk is full before a quota is.
fn create(client: &mut Client, name: &str) -> (u16, String) {
    let value = "x".repeat(250);
    let tags: Vec<(String, String)> = (1..=40)
        .flat_map(|number| {
            let field = |what| format!("Tags.member.{number}.{what}");
            [(field("Key"), format!("tag-{number}")), (field("Value"), value.clone())]
        })
        .collect();
    let mut parameters = vec![("UserName", name)];
    parameters.extend(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    client.ask("/", "CreateUser", &parameters).unwrap()
}

/// What is not answered for want of space must say that it may be tried again.
fn is_refused_for_now(status: u16, body: &str) -> bool {
    match status {
        200 => false,
        503 if body.contains("<Code>ServiceUnavailable</Code>") => true,
        _ => {
            let _ =
                std::process::Command::new("sh").arg("-c").arg("cat /tmp/.tmp*/said.txt").status();
            panic!("a request was answered {status}: {body}")
        }
    }
}

fn write_until_full(address: &str, name: &str) -> Vec<String> {
    let mut client = Client::connect(address).unwrap();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0.. {
        let name = format!("{name}-{number}");
        let (status, body) = create(&mut client, &name);
        if is_refused_for_now(status, &body) {
            refused += 1;
            std::thread::sleep(Duration::from_millis(20));
        } else {
            acknowledged.push(name);
            refused = 0;
        }
        // Not the first refusal: another writer's smaller request may still have found room.
        if refused == REFUSALS {
            break;
        }
    }
    acknowledged
}

impl Program {
    fn client(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    /// Whether a read is answered.
    fn reads(&mut self, client: &mut Client) -> bool {
        let (status, body) = client.ask("/", "GetUser", &[("UserName", "a-w0-0")]).unwrap();
        assert!(!self.has_ended(), "the program ended");
        !is_refused_for_now(status, &body)
    }

    /// How many reads are answered before one is refused.
    fn read_until_refused(&mut self) -> usize {
        let mut client = self.client();
        let answered = (0..MOST_READS).take_while(|_| self.reads(&mut client)).count();
        assert!(answered < MOST_READS, "reads are never refused");
        answered
    }
}

/// Something must be so before long.
fn soon(mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "still refused");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One disk's life; what is worth telling of it.
fn fill_and_free(root: &Path) -> String {
    let mut disk = Disk::new(root);
    disk.load();
    let mut program = disk.start().unwrap();
    disk.fill(&mut program, "a");
    // Reads live on the reserve, and are then refused, too.
    let reads = program.read_until_refused();
    assert!(reads > 0, "reads are refused as soon as writes are");
    disk.unload();
    disk.writes_again(&mut program, "b");
    disk.has_all(&program);
    disk.verify();

    // A stop does not wait for room. A start without room reads, or says what to do.
    disk.load();
    disk.fill(&mut program, "c");
    program.stop();
    let start = match disk.start() {
        Ok(mut program) => {
            assert!(program.read_until_refused() > 0, "a start on a full disk does not read");
            program.kill();
            "reads"
        }
        Err(said) => {
            assert!(said.contains("no space left") && said.contains("free some"), "{said}");
            "says what to do"
        }
    };
    disk.unload();
    let mut program = disk.start().unwrap();
    disk.has_all(&program);
    disk.writes_again(&mut program, "d");
    disk.verify();
    program.stop();
    let users = disk.acknowledged.len();
    format!("{users} users kept, {reads} reads when full, a start when full {start}")
}

#[test]
#[ignore = "fills a disk: run it by tools/campaign disk-full"]
fn a_full_disk_is_waited_out() {
    let root = std::env::var("CAMPAIGN_DISK").expect("CAMPAIGN_DISK names a small disk to fill");
    let mut campaign = Campaign::new("full disks", 1, 0);
    let mut last = String::new();
    while campaign.next().is_some() {
        last = fill_and_free(Path::new(&root));
        for entry in fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
    campaign.end(&last);
}
