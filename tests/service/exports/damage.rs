//! Exports that were damaged, or never finished.

use std::fs;
use std::path::{Path, PathBuf};

use domesday::ledger::note::VerifierKey;
use domesday::service::exports::check;
use domesday::service::exports::sink::{Folder, MANIFEST, Sink};
use domesday::service::exports::{Ask, Kind, Manifest};

use super::{Held, ask, held, key, lived, problems, to_folder, to_sink};
use crate::world::World;

/// The key of another ledger.
fn key_of_another() -> VerifierKey {
    key(&World::new(7))
}

fn files_below(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn each_kind_of_damage_is_seen() {
    let (world, _) = lived(505);
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    to_folder(&world, &ask(Kind::CloudTrail), &sound);
    let key = key(&world);
    assert_eq!(problems(&sound, &key), Vec::<String>::new());
    let stranger = key_of_another();
    let told = problems(&sound, &stranger);
    assert!(told.iter().any(|problem| problem.contains("MANIFEST.sig")), "{told:?}");
    let files = files_below(&sound);
    let of = |part: &str| -> Vec<&PathBuf> {
        let is = |path: &&PathBuf| {
            path.to_str().unwrap().contains(part) && path.extension().unwrap() == "gz"
        };
        files.iter().filter(is).collect()
    };
    let (logs, digests) = (of("/CloudTrail/"), of("/CloudTrail-Digest/"));
    assert!(logs.len() >= 3 && digests.len() >= 3, "{files:?}");
    let manifest = sound.join(MANIFEST);
    type Damage<'a> = Box<dyn Fn(&dyn Fn(&Path) -> PathBuf) + 'a>;
    let remove = |path: &Path| -> Damage<'_> {
        let path = path.to_owned();
        Box::new(move |copy| fs::remove_file(copy(&path)).unwrap())
    };
    let flip = |path: &Path| -> Damage<'_> {
        let path = path.to_owned();
        Box::new(move |copy| {
            let mut bytes = fs::read(copy(&path)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(copy(&path), bytes).unwrap();
        })
    };
    let other_signature = |path: &Path| -> Damage<'_> {
        let path = path.to_owned();
        Box::new(move |copy| {
            // As whoever alters a log and its digest would: the manifest fits, the signature does not.
            let signature = format!("{}.sig", copy(&path).display());
            fs::write(&signature, "00".repeat(256)).unwrap();
        })
    };
    let edit = |from: &'static str, to: &'static str| -> Damage<'_> {
        let path = manifest.clone();
        Box::new(move |copy| {
            let text = fs::read_to_string(copy(&path)).unwrap();
            assert!(text.contains(from));
            fs::write(copy(&path), text.replacen(from, to, 1)).unwrap();
        })
    };
    let damages: Vec<(&str, Damage<'_>, &str)> = vec![
        ("a changed log", flip(logs[1]), "was altered"),
        ("a removed log", remove(logs[1]), "is missing"),
        ("a changed digest", flip(digests[1]), "was altered"),
        ("a removed digest in the middle", remove(digests[1]), "is missing"),
        ("the newest digest removed", remove(digests[digests.len() - 1]), "is missing"),
        ("another signature", other_signature(digests[0]), "was altered"),
        ("no manifest", remove(&manifest), "there is no MANIFEST.json"),
        (
            "a file besides",
            Box::new(|copy| fs::write(copy(&sound).join("AWSLogs/x.json"), "{}").unwrap()),
            "is no part",
        ),
        ("a manifest of fewer events", edit("\"first\": 1", "\"first\": 2"), "MANIFEST.json"),
        ("a manifest of another end", edit("\"seen\": ", "\"seen\": 1"), "MANIFEST.json"),
        ("a manifest with another hash", edit("\"sha256\": \"", "\"sha256\": \"0"), "was altered"),
        ("no signature", remove(&sound.join("MANIFEST.sig")), "MANIFEST.sig is missing"),
        (
            "a manifest of another ledger's size",
            edit("\"receipts\": 0", "\"receipts\": 1"),
            "is not the one that was signed",
        ),
        ("another range", edit("\"from\": null", "\"from\": \"@9\""), "does not end where it says"),
    ];
    for (number, (name, damage, words)) in damages.into_iter().enumerate() {
        let place = folder.path().join(number.to_string());
        for path in &files {
            let to = place.join(path.strip_prefix(&sound).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(path, to).unwrap();
        }
        damage(&|path: &Path| place.join(path.strip_prefix(&sound).unwrap()));
        let found = problems(&place, &key);
        assert!(found.iter().any(|problem| problem.contains(words)), "{name}: {found:?}");
    }
    assert!(check::check(&folder.path().join("nowhere"), None).is_err());
}

#[test]
fn an_event_that_was_left_out_breaks_the_chain_even_if_all_files_fit() {
    let (world, _) = lived(506);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("export");
    to_folder(&world, &ask(Kind::Ndjson), &place);
    let path = place.join("events.ndjson");
    let text = fs::read_to_string(&path).unwrap();
    let without = |left_out: usize| -> String {
        let kept = text.lines().enumerate().filter(|(number, _)| *number != left_out);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let manifest = fs::read_to_string(place.join(MANIFEST)).unwrap();
    for left_out in [0, 5, text.lines().count() - 1] {
        let fewer = without(left_out);
        let mut read: Manifest = serde_json::from_str(&manifest).unwrap();
        read.files[0].bytes = fewer.len() as u64;
        read.files[0].sha256 =
            domesday::base::text::hex(&domesday::base::crypto::sha256(fewer.as_bytes()));
        fs::write(&path, &fewer).unwrap();
        fs::write(place.join(MANIFEST), serde_json::to_vec(&read).unwrap()).unwrap();
        let found = check::check(&place, None).unwrap().problems;
        assert!(
            found.iter().any(
                |problem| problem.contains("is missing") || problem.contains("the records end")
            ),
            "{left_out}: {found:?}"
        );
    }
}

#[test]
fn a_full_disk_leaves_nothing_that_looks_finished() {
    let (world, _) = lived(507);
    let kinds = [Kind::CloudTrail, Kind::Ocsf, Kind::Ndjson, Kind::Csv, Kind::AuthorizationDetails];
    for kind in kinds {
        let whole = held(&world, &ask(kind));
        let size: usize = whole.values().map(Vec::len).sum();
        for part in 0..10 {
            let mut full = Held { room: Some(size * part / 10), ..Held::default() };
            let fault = to_sink(&world, &ask(kind), None, &mut full).unwrap_err();
            assert_eq!(fault.code, "ExportFailed", "{kind:?}");
            assert!(fault.message.contains("make room"), "{}", fault.message);
            let manifest = full.files.get(MANIFEST);
            assert!(manifest.is_none_or(|text| serde_json::from_slice::<Manifest>(text).is_err()));
        }
    }
    // A folder in which nothing can be made.
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("export");
    let mut sink = Folder::new(&place).unwrap();
    sink.begin("a.json").unwrap();
    drop(sink);
    assert!(!place.exists());
}

/// An export that an earlier build wrote: it still checks, and the stock validator is tried on it
/// (`fixtures/clients/exports_check.py`). To make it anew, remove the folder and set
/// `DOMESDAY_UPDATE_EXPORTS=1`.
#[test]
fn an_export_of_an_earlier_build_still_checks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/exports");
    let place = folder.join("cloudtrail");
    if std::env::var_os("DOMESDAY_UPDATE_EXPORTS").is_some() {
        let (world, _) = lived(511);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cloudtrail.key"), key(&world).to_string()).unwrap();
        to_folder(&world, &Ask { receipts: true, ..ask(Kind::CloudTrail) }, &place);
    }
    let key: VerifierKey =
        fs::read_to_string(folder.join("cloudtrail.key")).unwrap().trim().parse().unwrap();
    let checked = check::check(&place, Some(&key)).unwrap();
    assert_eq!(checked.problems, Vec::<String>::new());
    assert!(checked.events > 25 && checked.manifest.unwrap().receipts >= 5);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for() {
    let (world, _) = lived(506);
    let folder = tempfile::tempdir().unwrap();
    for name in ["events.ndjson", "MANIFEST.sig"] {
        let place = folder.path().join(name.replace('.', "-"));
        to_folder(&world, &ask(Kind::Ndjson), &place);
        let path = place.join(name);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let told = problems(&place, &key(&world));
        assert!(told.iter().any(|problem| problem.contains(name)), "{name}: {told:?}");
    }
}
