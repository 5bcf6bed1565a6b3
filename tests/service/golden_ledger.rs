//! A whole ledger, frozen: its events, contents, secrets and keys as an earlier build wrote them, and what
//! they must be read as for ever. `DOMESDAY_UPDATE_GOLDEN=1` writes it anew, which is allowed until 0.1.0
//! and never after.
//!
//! One line a thing: `event`, `content` and `secret` rows in hexadecimal, the subject keys and the master
//! key that opens them, HEAD, and `state @N` with everything that listings show at a position.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use domesday::base::clock::{Clock, SimulatedClock};
use domesday::base::crypto::content_hash;
use domesday::base::random::SeededRandom;
use domesday::base::text::{from_hex, hex};
use domesday::base::time::Timestamp;
use domesday::ledger::Frame;
use domesday::ledger::book::sequence_key;
use domesday::ledger::tree::{Tree, leaf_hash};
use domesday::service::audit::verify;
use domesday::service::documents::Catalogue;
use domesday::service::founding::{Parts, Place, start};
use domesday::store::head::Head;
use domesday::store::{Batch, Durability, Family};
use serde_json::Value;

use super::world::{Authenticator, Key, World};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden/ledger-0.1.0-alpha.txt");
const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"ALICE"},"Action":"sts:AssumeRole"}]}"#;

/// A year in the life of an account: every kind of change, at least once.
fn live(world: &World) -> Vec<u64> {
    let mut positions = Vec::new();
    let arn = |rest: &str| format!("arn:aws:iam::{}:{rest}", world.digits);
    let trust = TRUST.replace("ALICE", &arn("user/team/alice"));
    let (policy, shared) = (arn("policy/team"), "arn:aws:iam::aws:policy/ReadOnlyAccess");
    let act = |operation: &str, parameters: &[(&str, &str)]| {
        world.clock.advance(86_400);
        world.ok(&world.admin, operation, parameters)
    };
    let alice = ("UserName", "alice");
    let (admins, deploy) = (("GroupName", "admins"), ("RoleName", "deploy"));
    let (profile, document) = (("InstanceProfileName", "web"), ("PolicyDocument", DOCUMENT));
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "blue")];
    act("CreateAccountAlias", &[("AccountAlias", "acme")]);
    act("CreateUser", &[alice, ("Path", "/team/"), tag[0], tag[1]]);
    let key = act("CreateAccessKey", &[alice])["AccessKey"]["AccessKeyId"].clone();
    let key = ("AccessKeyId", key.as_str().unwrap());
    act("UpdateAccessKey", &[alice, key, ("Status", "Inactive")]);
    act("CreateLoginProfile", &[alice, ("Password", "Correct-Horse-7")]);
    act("UpdateLoginProfile", &[alice, ("PasswordResetRequired", "true")]);
    act("UpdateAccountPasswordPolicy", &[("MaxPasswordAge", "90"), ("RequireNumbers", "true")]);
    for number in 0..24 {
        act("UpdateLoginProfile", &[alice, ("Password", &format!("Battery-Staple-{number}"))]);
    }
    act("DeleteAccountPasswordPolicy", &[]);
    enable_and_resync(world, act);
    act("CreateGroup", &[admins]);
    act("AddUserToGroup", &[admins, alice]);
    act("PutGroupPolicy", &[admins, ("PolicyName", "get"), document]);
    positions.push(world.head());
    act("CreatePolicy", &[("PolicyName", "team"), document, ("Description", "What teams may")]);
    act("CreatePolicyVersion", &[("PolicyArn", &policy), document, ("SetAsDefault", "true")]);
    act("SetDefaultPolicyVersion", &[("PolicyArn", &policy), ("VersionId", "v1")]);
    act("DeletePolicyVersion", &[("PolicyArn", &policy), ("VersionId", "v2")]);
    act("AttachUserPolicy", &[alice, ("PolicyArn", &policy)]);
    act("AttachGroupPolicy", &[admins, ("PolicyArn", shared)]);
    act("PutUserPermissionsBoundary", &[alice, ("PermissionsBoundary", &policy)]);
    act("CreateRole", &[deploy, ("AssumeRolePolicyDocument", &trust), tag[0], tag[1]]);
    act("UpdateRole", &[deploy, ("Description", "Ships"), ("MaxSessionDuration", "7200")]);
    act("UpdateAssumeRolePolicy", &[deploy, ("PolicyDocument", &trust)]);
    act("CreateInstanceProfile", &[profile]);
    act("AddRoleToInstanceProfile", &[profile, deploy]);
    positions.push(world.head());
    act("UpdateUser", &[alice, ("NewUserName", "alicia"), ("NewPath", "/")]);
    let alicia = ("UserName", "alicia");
    act("UpdateGroup", &[admins, ("NewGroupName", "owners")]);
    let owners = ("GroupName", "owners");
    act("UntagUser", &[alicia, ("TagKeys.member.1", "TEAM")]);
    act("DeleteUserPermissionsBoundary", &[alicia]);
    act("DetachUserPolicy", &[alicia, ("PolicyArn", &policy)]);
    act("DetachGroupPolicy", &[owners, ("PolicyArn", shared)]);
    act("DeletePolicy", &[("PolicyArn", &policy)]);
    act("DeleteGroupPolicy", &[owners, ("PolicyName", "get")]);
    act("RemoveUserFromGroup", &[owners, alicia]);
    act("DeleteGroup", &[owners]);
    act("RemoveRoleFromInstanceProfile", &[profile, deploy]);
    act("DeleteInstanceProfile", &[profile]);
    act("DeleteRole", &[deploy]);
    act("DeleteAccountAlias", &[("AccountAlias", "acme")]);
    positions.push(world.head());
    act("DeleteLoginProfile", &[alicia]);
    act("DeleteAccessKey", &[alicia, key]);
    act("DeleteUser", &[alicia]);
    positions.push(world.head());
    positions
}

/// A multi-factor device's life.
fn enable_and_resync(world: &World, act: impl Fn(&str, &[(&str, &str)]) -> Value) {
    let made = act("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    let device = Authenticator::of(&made);
    let (alice, serial) = (("UserName", "alice"), ("SerialNumber", device.serial.as_str()));
    for operation in ["EnableMFADevice", "ResyncMFADevice"] {
        // The clock goes on by a day and a second before it is asked.
        let [first, second] = device.pair(world.clock.now().plus_seconds(86_401));
        let codes = [("AuthenticationCode1", &*first), ("AuthenticationCode2", &*second)];
        act(operation, &[alice, serial, codes[0], codes[1]]);
    }
    act("DeactivateMFADevice", &[alice, serial]);
    act("DeleteVirtualMFADevice", &[serial]);
}

fn states(world: &World, positions: &[u64]) -> BTreeMap<u64, Value> {
    let state = |position: &u64| {
        let state = world.state(world.moment(&format!("@{position}")));
        (*position, serde_json::to_value(state).unwrap())
    };
    positions.iter().map(state).collect()
}

/// Lives the year in a folder and writes down what is in it afterwards.
fn make(folder: &Path) -> String {
    let data = folder.join("data");
    let place = Place::new(data.to_str().unwrap(), None);
    let world = World::at(1086, &place);
    let positions = live(&world);
    let mut lines = vec![
        format!("# Written by domesday {}", env!("CARGO_PKG_VERSION")),
        format!("account {} {}", world.digits, world.admin.id),
    ];
    for (position, state) in states(&world, &positions) {
        lines.push(format!("state @{position} {state}"));
    }
    drop(world);
    let read = |path: &Path| std::fs::read(path).unwrap();
    let master = String::from_utf8(read(&folder.join("data.key"))).unwrap();
    lines.push(format!("master {}", master.trim()));
    lines.push(format!("subjects {}", hex(&read(&data.join("subjects.keys")))));
    let parts = Parts::open(&place, &SeededRandom::new(1)).unwrap();
    let head = parts.head.read().unwrap().unwrap();
    lines.push(format!("head {} {} {}", head.position, hex(&head.root), hex(&head.tip)));
    let families =
        [("event", Family::Events), ("content", Family::Blobs), ("secret", Family::Secrets)];
    for (name, family) in families {
        let each = &mut |cursor: &mut dyn domesday::store::Cursor| {
            cursor.seek(&[])?;
            while let Some((key, value)) = cursor.current() {
                // The catalogue is half a megabyte, and in the program. When that one changes, this
                // file needs its own copy.
                let shipped = value == Catalogue::SHIPPED;
                let value = if shipped { "shipped".to_owned() } else { hex(value) };
                lines.push(format!("{name} {} {value}", hex(key)));
                cursor.advance()?;
            }
            Ok(())
        };
        parts.ledger.walk(family, each).unwrap();
    }
    lines.join("\n") + "\n"
}

/// Puts the frozen rows into a new folder, as a copy of the old one would hold them, but for what is
/// derived: that is made anew.
fn open(text: &str, folder: &Path) -> (World, BTreeMap<u64, Value>) {
    let fields = |name: &str| {
        let rest = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        rest.map(|rest| rest.split(' ').collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let bytes = |text: &str| from_hex(text).unwrap();
    let hash = |text: &str| <[u8; 32]>::try_from(bytes(text).as_slice()).unwrap();
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(folder.join("data.key"), fields("master")[0][0]).unwrap();
    std::fs::write(data.join("subjects.keys"), bytes(fields("subjects")[0][0])).unwrap();
    let random = Arc::new(SeededRandom::new(2));
    let parts = Parts::open(&Place::new(data.to_str().unwrap(), None), &*random).unwrap();
    let mut batch = Batch::default();
    let mut tree = Tree::default();
    for (position, row) in (1u64..).zip(fields("event")) {
        let frame = bytes(row[1]);
        let header = Frame::read(position, &frame).unwrap().header;
        let sequence = sequence_key(header.account, header.sequence);
        batch.put(Family::Sequences, sequence, position.to_be_bytes());
        tree.append(leaf_hash(&frame), &mut batch);
        batch.put(Family::Events, bytes(row[0]), frame);
    }
    for (name, family) in [("content", Family::Blobs), ("secret", Family::Secrets)] {
        for row in fields(name) {
            let shipped = row[1] == "shipped";
            let value = if shipped { Catalogue::SHIPPED.to_vec() } else { bytes(row[1]) };
            assert!(name == "secret" || content_hash(&value) == hash(row[0]));
            batch.put(family, bytes(row[0]), value);
        }
    }
    parts.ledger.commit(&batch, Durability::Synced).unwrap();
    let head = &fields("head")[0];
    let position = head[0].parse().unwrap();
    let head = Head { position, root: hash(head[1]), tip: hash(head[2]) };
    parts.head.write(&head).unwrap();
    let states = fields("state").into_iter().map(|state| {
        let position = state[0].strip_prefix('@').unwrap().parse().unwrap();
        (position, serde_json::from_str(&state[1..].join(" ")).unwrap())
    });
    let states = states.collect();
    let account = &fields("account")[0];
    let (digits, admin) = (account[0].to_owned(), Key::long_term(account[1]));
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2027-06-01").unwrap()));
    let lost = Box::new(|error: &_| panic!("{error}"));
    let service = start(parts, clock.clone(), random, lost).unwrap();
    (World { service, clock, digits, admin, replays: true }, states)
}

#[test]
fn a_ledger_of_an_earlier_build_opens_verifies_and_shows_what_it_showed() {
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("DOMESDAY_UPDATE_GOLDEN").is_some() {
        std::fs::write(FILE, make(&folder.path().join("made"))).unwrap();
    }
    let text = std::fs::read_to_string(FILE).unwrap();
    let (world, expected) = open(&text, folder.path());
    assert_eq!(verify::verify(&world.service).unwrap()["events"], world.head());
    let positions: Vec<u64> = expected.keys().copied().collect();
    assert_eq!(positions.len(), 4);
    for (position, state) in states(&world, &positions) {
        let expected = &expected[&position];
        for (name, shown) in state.as_object().unwrap() {
            assert_eq!(shown, &expected[name], "{name} at @{position}");
        }
        assert_eq!(&state, expected);
    }
    // And it goes on, with a key for checkpoints once one is asked for.
    world.user("bob");
    let head = world.head();
    let signed = world.service.checkpoint().unwrap();
    assert_eq!((signed.checkpoint.size, world.head()), (head + 1, head + 1));
    verify::verify(&world.service).unwrap();
}
