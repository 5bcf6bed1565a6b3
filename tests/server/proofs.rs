//! The ledger as others see it: a public log of hashes, proofs and evidence that stand alone, and a folder
//! that was rolled back.

use std::io::{Read, Write};
use std::path::Path;

use domesday::base::clock::{Clock, SystemClock};
use domesday::base::sigv4::{Message, sign};
use domesday::base::text::base64;
use domesday::ledger::checkpoint::SignedCheckpoint;
use domesday::ledger::note::VerifierKey;
use domesday::ledger::tree::{Tree, leaf_hash};
use domesday::store::Batch;

use super::program::{
    Client, KEY, Program, SECRET, command, command_with, connect, credentials, data,
};

/// Status, head and body of a path.
fn fetch(program: &Program, method: &str, path: &str, signed: bool) -> (u16, String, Vec<u8>) {
    let mut stream = connect(&program.address).unwrap();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", program.address);
    if signed {
        let headers = [("host", program.address.as_bytes())];
        let message = Message { method, path, query: "", headers: &headers, body: b"" };
        let admin = credentials(KEY, SECRET, None);
        for (name, value) in sign(&message, &admin, "us-east-1", "domesday", SystemClock.now()) {
            request += &format!("{name}: {value}\r\n");
        }
    }
    stream.write_all((request + "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

fn create_users(program: &Program, names: std::ops::Range<u32>) {
    let mut client = Client::connect(&program.address).unwrap();
    for number in names {
        let name = format!("user{number}");
        let (status, body) = client.ask("/", "CreateUser", &[("UserName", &name)]).unwrap();
        assert_eq!(status, 200, "{body}");
    }
}

#[test]
fn the_log_is_served_at_the_paths_of_c2sp() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    create_users(&program, 0..300);
    let (status, head, body) = fetch(&program, "GET", "/checkpoint", false);
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("cache-control: public, max-age=1"), "{head}");
    let signed: SignedCheckpoint = String::from_utf8(body).unwrap().parse().unwrap();
    let (_, key) = command(&["key", "--data", data(folder.path()).to_str().unwrap()]);
    signed.check(&key.trim().parse::<VerifierKey>().unwrap()).unwrap();
    let size = signed.checkpoint.size;
    assert!((300..310).contains(&size));

    let mut tree = Tree::default();
    let partial = size - 256;
    for path in ["/tile/0/000".to_owned(), format!("/tile/0/001.p/{partial}")] {
        let (status, head, tile) = fetch(&program, "GET", &path, false);
        assert_eq!(status, 200, "{path}");
        assert!(head.contains("content-type: application/octet-stream"), "{head}");
        assert!(head.contains("immutable"), "{head}");
        for leaf in tile.as_chunks::<32>().0 {
            tree.append(*leaf, &mut Batch::default());
        }
    }
    assert_eq!((tree.size(), tree.root()), (size, signed.checkpoint.root));
    let (status, _, above) = fetch(&program, "GET", "/tile/1/000.p/1", false);
    assert_eq!((status, above.len()), (200, 32));
    for wrong in [
        "/tile/0/001",
        "/tile/0/002.p/1",
        "/tile/1/000",
        "/tile/1/000.p/2",
        "/tile/2/000.p/1",
        "/tile/0/001.p/256",
        "/tile/0/1",
        "/tile/8/0/000",
        "/tile/0/x000/001",
        "/tile/63/999",
        "/tile/data/000",
    ] {
        assert_eq!(fetch(&program, "GET", wrong, false).0, 404, "{wrong}");
    }
    assert_eq!(fetch(&program, "POST", "/checkpoint", false).0, 405);

    // Events are for who may read them.
    assert_eq!(fetch(&program, "GET", "/tile/entries/000", false).0, 403);
    let (status, head, bundle) = fetch(&program, "GET", "/tile/entries/000", true);
    assert_eq!(status, 200);
    assert!(head.contains("cache-control: private"), "{head}");
    let (mut rest, mut leaves) = (bundle.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
        leaves.extend(leaf_hash(entry));
        rest = after;
    }
    assert_eq!(leaves, fetch(&program, "GET", "/tile/0/000", false).2);
    program.stop();
}

struct Files<'a>(&'a Path);

impl Files<'_> {
    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

#[test]
fn proofs_and_evidence_are_made_by_every_way_and_checked_by_none() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    create_users(&program, 0..3);
    let files = Files(folder.path());
    let data = data(folder.path()).to_str().unwrap().to_owned();
    let by_endpoint: [&str; 2] = ["--endpoint", &program.url];
    let by_socket = ["--data", data.as_str()];
    let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let run =
        |way: &[&str], arguments: &[&str]| command_with(&[arguments, way].concat(), &variables);
    let key = |way: &[&str]| run(way, &["key"]).1.trim().to_owned();
    let vkey = key(&by_socket);
    assert_eq!(vkey, key(&by_endpoint));
    let check = |file: &str, key: &str| command(&["check", file, "--key", key]);
    for (name, way) in [("endpoint", by_endpoint), ("socket", by_socket)] {
        let proof = files.path(&format!("{name}.tlog-proof"));
        assert_eq!(run(&way, &["prove", "@5", &proof]), (0, String::new()));
        let (status, said) = check(&proof, &vkey);
        assert_eq!(status, 0, "{said}");
        assert!(
            said.contains("event @5 is in the ledger") && said.contains("CreateUser"),
            "{said}"
        );
        let (_, printed) = run(&way, &["prove", "5"]);
        assert_eq!(check(&files.write("printed", &printed), &vkey).0, 0);

        let evidence = files.path(&format!("{name}.json"));
        let with = |command: &[&str]| run(&way, &[command, &["--evidence", &evidence]].concat());
        let (status, said) = with(&["can", "user1", "iam:GetUser", "*"]);
        assert!(status == 1 && said.starts_with("no: "), "{said}");
        let (status, said) = check(&evidence, &vkey);
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("not shown by any hash"), "{said}");
        let (_, log) = with(&["log", "-o", "json"]);
        assert_eq!(log, run(&way, &["log", "-o", "json"]).1);
        let (status, said) = check(&evidence, &vkey);
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("CreateUser by "), "{said}");
        // Of another answer, by another key, and a part of one.
        let text = files.read(&format!("{name}.json"));
        let altered = files.write("altered", &text.replace("user1", "user9"));
        assert_eq!(check(&altered, &vkey).0, 1);
        let cut = files.write("cut", &text[..text.len() / 2]);
        assert_eq!(check(&cut, &vkey).0, 2);
    }
    let other = vkey.replacen("domesday/", "domesday/0", 1);
    assert_eq!(check(&files.path("socket.json"), &other).0, 2, "its id is not of that name");
    let stranger = VerifierKey::new(vkey.split('+').next().unwrap(), [1; 32]).unwrap().to_string();
    for file in ["socket.json", "socket.tlog-proof"] {
        let (status, said) = check(&files.path(file), &stranger);
        assert!(status == 1 && said.contains("does not hold"), "{said}");
    }
    assert_eq!(check(&files.path("none"), &vkey).0, 2);
    assert_eq!(check(&files.write("text", "hello"), &vkey).0, 2);
    let proof = files.read("socket.tlog-proof");
    let flipped = proof.replacen("index 4", "index 3", 1);
    assert_eq!(check(&files.write("flipped", &flipped), &vkey).0, 1);
    // Without the event in it, its bytes are given.
    let entry = proof.lines().find_map(|line| line.strip_prefix("extra ")).unwrap();
    let bare = files.write("bare", &proof.replacen(&format!("extra {entry}\n"), "", 1));
    assert_eq!(check(&bare, &vkey).0, 2);
    let bytes = domesday::base::text::from_base64(entry).unwrap();
    std::fs::write(files.path("event"), &bytes).unwrap();
    let with_event =
        |key: &str| command(&["check", &bare, "--key", key, "--event", &files.path("event")]);
    assert_eq!(with_event(&vkey).0, 0);
    std::fs::write(files.path("event"), &bytes[1..]).unwrap();
    assert_eq!(with_event(&vkey).0, 1);

    // Evidence is of questions, and no file is left where there is none.
    for wrong in [
        &["verify", "--data", &data][..],
        &["policy", "lint", "x.json"],
        &["show", "user/nobody", "--data", &data],
    ] {
        let file = files.path("wrong.json");
        let (status, said) = command(&[wrong, &["--evidence", &file]].concat());
        assert_eq!(status, 2, "{said}");
        assert!(!Path::new(&file).exists());
    }
    let (status, said) = command_with(
        &["log", "--endpoint", &program.url, "--evidence", &files.path("none/x.json")],
        &variables,
    );
    assert!(status == 2 && said.contains("none/x.json"), "{said}");
    program.stop();
    // And with the folder itself.
    let evidence = files.path("folder.json");
    assert_eq!(command(&["log", "--data", &data, "--evidence", &evidence]).0, 0);
    assert_eq!(check(&evidence, &vkey).0, 0);
}

#[test]
fn a_rotated_key_and_a_folder_that_was_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path());
    let program = Program::start(folder.path());
    create_users(&program, 0..3);
    let live = data(folder.path()).to_str().unwrap().to_owned();
    let ok = |arguments: &[&str]| {
        let (status, said) = command(&[arguments, &["--data", &live]].concat());
        assert_eq!(status, 0, "{arguments:?}: {said}");
        said
    };
    let old = ok(&["key"]).trim().to_owned();
    let first = files.write("first", &ok(&["checkpoint"]));
    ok(&["prove", "4", &files.path("old.tlog-proof")]);
    program.stop();
    // A backup: the folder and its key, as they are.
    let backup = files.path("backup");
    assert!(
        std::process::Command::new("cp").args(["-r", &live, &backup]).status().unwrap().success()
    );
    std::fs::copy(format!("{live}.key"), format!("{backup}.key")).unwrap();

    let program = Program::start(folder.path());
    let new = ok(&["key", "rotate"]).trim().to_owned();
    assert!(old != new && ok(&["key"]).trim() == new);
    create_users(&program, 3..6);
    let second = files.write("second", &ok(&["checkpoint"]));
    let check = |file: &str, key: &str| command(&["check", file, "--key", key]).0;
    assert_eq!([check(&first, &old), check(&first, &new)], [0, 1]);
    assert_eq!([check(&second, &old), check(&second, &new)], [1, 0]);
    let proof = files.path("old.tlog-proof");
    assert_eq!([check(&proof, &old), check(&proof, &new)], [0, 1]);
    for (file, key) in [(&first, &old), (&second, &new)] {
        assert!(ok(&["verify", "--since", file]).contains("continues the checkpoint of"));
        ok(&["verify", "--since", file, "--key", key]);
    }
    program.stop();
    let since = |data: &str, file: &str| command(&["verify", "--data", data, "--since", file]);
    assert_eq!(since(&live, &second).0, 0);
    assert_eq!(since(&backup, &first).0, 0);
    let (status, said) = since(&backup, &second);
    assert_eq!(status, 3, "{said}");
    let (status, said) = command(&["verify", "--data", &backup, "--since", &second, "--key", &new]);
    assert!(status == 3 && said.contains("rolled back"), "{said}");
    assert_eq!(since(&live, &files.write("text", "hello")).0, 2);
    assert_eq!(since(&live, &files.path("none")).0, 2);
    let with_wrong_key = ["verify", "--data", &live, "--since", &second, "--key", &old];
    assert_eq!(command(&with_wrong_key).0, 2);
    // A root that somebody made up, which nobody signed.
    let text = files.read("second");
    let root = text.lines().nth(2).unwrap();
    let forged = files.write("forged", &text.replacen(root, &base64(&[7; 32]), 1));
    assert_eq!(since(&live, &forged).0, 3);
}
