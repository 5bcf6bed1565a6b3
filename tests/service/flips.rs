//! One flipped bit anywhere in a small data folder is detected, or every event, row and secret is what it
//! was. 48 bits here; `tools/campaign flips` does more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domesday::base::random::{SeededRandom, random_bytes};
use domesday::ledger::verify::verify;
use domesday::projection::rebuild;
use domesday::service::founding::{Place, open};
use serde_json::Value;

use super::campaign::Campaign;
use super::world::{Key, World};

const FLIPS: u64 = 48;

/// What must not change: the listings, that the keys work, and the number of receipts.
#[derive(Debug, PartialEq)]
struct Seen {
    head: u64,
    state: BTreeMap<String, Value>,
    receipts: u64,
}

fn look(world: &World, alice: &Key) -> Result<Seen, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let ledger = world.service.ledger();
    // Before anything is asked: questions leave receipts.
    let mut receipts = 0;
    world
        .service
        .activity()
        .receipts(1, &mut |number, receipt| {
            if receipt.kind != domesday::service::activity::receipt::Kind::Gap {
                receipts = number;
            }
            Ok(true)
        })
        .map_err(|error| text(&error))?;
    verify(ledger, [7; 32], &mut |_, _| Ok(())).map_err(|error| text(&error))?;
    let folded = rebuild::fold_aside(ledger, 1, &mut |_| {}).map_err(|error| text(&error))?;
    let comparison = rebuild::compare(ledger, folded).map_err(|error| text(&error))?;
    if comparison.different > 0 {
        return Err("rows differ".into());
    }
    rebuild::discard(ledger).map_err(|error| text(&error))?;
    world.caller(alice)?;
    world.caller(&world.admin)?;
    let state = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.state(None)))
        .map_err(|_| "a question failed".to_owned())?;
    Ok(Seen { head: ledger.head().position, state, receipts })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !(name.starts_with("LOG")
            || name.starts_with("OPTIONS")
            || ["LOCK", "IDENTITY", "reserve"].contains(&name.as_str()))
            && std::fs::metadata(&path).unwrap().len() > 0
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_is_detected_or_harmless() {
    let mut campaign = Campaign::new("flipped bits", FLIPS, 33);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let key = folder.path().join("key");
    let place = |data: &Path| Place::new(data.to_str().unwrap(), Some(&key));
    let world = World::at(31, &place(&data));
    let alice = world.user("alice");
    world.allow("alice", "iam:GetUser", "*");
    let (clock, digits, admin) = (world.clock.clone(), world.digits.clone(), world.admin.clone());
    drop(world);

    let look_at = |data: &Path| -> Result<Seen, String> {
        let random = Arc::new(SeededRandom::new(32));
        let service = open(&place(data), clock.clone(), random, Box::new(|_| {}))
            .map_err(|error| error.to_string())?;
        let (digits, admin) = (digits.clone(), admin.clone());
        let world = World { service, clock: clock.clone(), digits, admin, replays: false };
        let seen = look(&world, &alice);
        world.service.close();
        seen
    };
    let pristine = folder.path().join("pristine");
    copy(&data, &pristine);
    let expected = look_at(&data).unwrap();
    let all = files(&pristine);
    let random = SeededRandom::new(campaign.seed);
    let (mut detected, mut harmless) = (0, 0);
    while let Some(number) = campaign.next() {
        let [a, b, c, d, bit] = random_bytes::<5>(&random).unwrap();
        let file = &all[usize::try_from(number).unwrap() % all.len()];
        let damaged = folder.path().join("damaged");
        let _ = std::fs::remove_dir_all(&damaged);
        copy(&pristine, &damaged);
        let target = damaged.join(file.strip_prefix(&pristine).unwrap());
        let mut bytes = std::fs::read(&target).unwrap();
        let at = u32::from_be_bytes([a, b, c, d]) as usize % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        std::fs::write(&target, bytes).unwrap();
        match look_at(&damaged) {
            Err(_) => detected += 1,
            Ok(seen) => {
                assert_eq!(seen, expected, "{} byte {at} bit {}", target.display(), bit % 8);
                harmless += 1;
            }
        }
    }
    assert!(detected > 0);
    campaign.end(&format!("{detected} detected, {harmless} harmless"));
}
