//! Exports by each door: over the network, through the socket of a running server, and from the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::program::{Client, KEY, Program, SECRET, command, command_with, data};

/// The files below a folder, by their paths in it.
fn files(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(place).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn by_each_door_an_export_is_the_same_and_a_refused_one_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let mut client = Client::connect(&program.address).unwrap();
    for number in 0..20 {
        let name = format!("user-{number}");
        assert_eq!(client.ask("/", "CreateUser", &[("UserName", &name)]).unwrap().0, 200);
    }
    let data = data(folder.path());
    let data = data.to_str().unwrap();
    let (_, head) = command(&["head", "--data", data]);
    let head = head.trim();
    let place = |name: &str| folder.path().join(name);
    let credentials = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let kinds = ["cloudtrail", "ocsf", "ndjson", "csv"];
    let export = |kind: &str, door: &[&str], to: &Path, credentials: &[(&str, &str)]| {
        let to = to.to_str().unwrap();
        let arguments = [&["export", kind, to, "--to", head][..], door].concat();
        command_with(&arguments, credentials)
    };
    for kind in kinds {
        let near = place(&format!("{kind}-socket"));
        let (status, told) = export(kind, &["--data", data], &near, &[]);
        assert_eq!(status, 0, "{told}");
        let far = place(&format!("{kind}-endpoint"));
        let (status, told) = export(kind, &["--endpoint", &program.url], &far, &credentials);
        assert_eq!(status, 0, "{told}");
        assert!(told.contains("events and 0 receipts"), "{told}");
        assert_eq!(files(&near), files(&far), "{kind}");
    }
    // Whoever may not, or asks for what there is not, finds nothing that looks finished.
    let nowhere = place("nowhere");
    for (door, credentials, words) in [
        (
            ["--endpoint", &program.url],
            [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "wrong")],
            "signature",
        ),
        (["--endpoint", "http://127.0.0.1:9"], credentials, "is the server running"),
    ] {
        let (status, told) = export("ndjson", &door, &nowhere, &credentials);
        assert_eq!(status, 2, "{told}");
        assert!(told.contains(words), "{told}");
        assert!(!nowhere.exists());
    }
    let (status, told) = export("ndjson", &["--data", data], &place("ndjson-socket"), &[]);
    assert_eq!(status, 2);
    assert!(told.contains("is not empty"), "{told}");
    // It is no stream: a folder of this name would surprise whoever meant one.
    let (status, told) = export("csv", &["--data", data], Path::new("-"), &[]);
    assert!(status == 2 && told.contains("an export is a folder"), "{told}");
    let details = place("details");
    let arguments = ["export", "authorization-details", details.to_str().unwrap(), "--data", data];
    let (status, told) = command(&[&arguments[..], &["--at", head]].concat());
    assert_eq!(status, 0, "{told}");
    let (status, key) = command(&["key", "--data", data]);
    assert_eq!(status, 0, "{key}");
    program.stop();
    for kind in kinds {
        let alone = place(&format!("{kind}-folder"));
        let (status, told) = export(kind, &["--data", data], &alone, &[]);
        assert_eq!(status, 0, "{told}");
        assert_eq!(files(&alone), files(&place(&format!("{kind}-endpoint"))), "{kind}");
        let (status, told) = command(&["check", alone.to_str().unwrap(), "--key", key.trim()]);
        assert_eq!(status, 0, "{told}");
        fs::remove_file(alone.join("MANIFEST.json")).unwrap();
        let (status, told) = command(&["check", alone.to_str().unwrap(), "--key", key.trim()]);
        assert_eq!(status, 1, "{told}");
    }
}
