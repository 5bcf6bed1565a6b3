//! Checkpoints, proofs and evidence: what is signed, when, by which key, and what a file proves by itself.

use std::sync::Arc;

use domesday::base::clock::SimulatedClock;
use domesday::base::random::SeededRandom;
use domesday::base::text::{base64, from_base64};
use domesday::base::time::Timestamp;
use domesday::ledger::Frame;
use domesday::ledger::checkpoint::{ProofFile, SignedCheckpoint};
use domesday::ledger::note::{Note, VerifierKey};
use domesday::ledger::tree::leaf_hash;
use domesday::service::audit::evidence::check::{CheckError, Proven, check};
use domesday::service::audit::evidence::{self, named};
use domesday::service::audit::{self, Question, proofs, verify};
use domesday::service::caller::Caller;
use domesday::service::fault::{DAMAGED, Fault};
use domesday::service::founding::{Founding, Parts, Place, start};
use domesday::service::moment::Moment;
use domesday::store::{Batch, Durability, Family};
use serde_json::Value;

use super::world::World;

/// A few changes by an administrator.
fn lived(seed: u64) -> World {
    let world = World::new(seed);
    world.user("alice");
    world.allow("alice", "s3:GetObject", "*");
    world.user("bob");
    world
}

fn admin(world: &World) -> Caller {
    world.caller(&world.admin).unwrap()
}

fn ask(world: &World, name: &str, moment: Option<&str>) -> Result<Value, Fault> {
    let moment = moment.map(|text| Moment::parse(text).unwrap());
    audit::run(&world.service, &admin(world), Question::parse(name, &[])?, moment)
}

fn keys(world: &World) -> Vec<VerifierKey> {
    let found = ask(world, "key", None).unwrap();
    let keys = found["keys"].as_array().unwrap().iter();
    let keys: Vec<VerifierKey> =
        keys.map(|key| key["vkey"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(found["vkey"], keys.last().unwrap().to_string());
    keys
}

#[test]
fn a_checkpoint_is_of_the_head_signed_once_a_second_and_on_the_disk() {
    let world = lived(101);
    let key = keys(&world).pop().unwrap();
    let first = world.service.checkpoint().unwrap();
    assert_eq!(first.check(&key), Ok(()));
    let head = world.service.ledger().head();
    assert_eq!((first.checkpoint.size, first.checkpoint.root), (head.position, head.root));
    // The clock of these tests goes on by a second with each request.
    world.ok(&world.admin, "CreateGroup", &[("GroupName", "g")]);
    let second = world.service.checkpoint().unwrap();
    assert_eq!(second.checkpoint.size, first.checkpoint.size + 1);
    world.ok(&world.admin, "CreateGroup", &[("GroupName", "h")]);
    world.clock.advance(-1);
    assert_eq!(world.service.checkpoint().unwrap(), second, "the second has not passed");
    let covering = world.service.checkpoint_covering(second.checkpoint.size + 1).unwrap();
    assert_eq!(covering.checkpoint.size, second.checkpoint.size + 1, "who needs it gets it");
    let stored = world.service.ledger().store().get(Family::Meta, b"checkpoint").unwrap();
    assert_eq!(String::from_utf8(stored.unwrap()).unwrap(), covering.to_string());
    assert_eq!(verify::verify(&world.service).unwrap()["checkpoint"], covering.checkpoint.size);
}

#[test]
fn every_earlier_size_has_one_checkpoint_whatever_happens_later() {
    let world = lived(102);
    let at = |size: u64| world.service.checkpoint_at(size).unwrap();
    let before: Vec<SignedCheckpoint> = (0..=world.head()).map(at).collect();
    let old = keys(&world).pop().unwrap();
    let rotated = world.head() + 1;
    let operator = world.service.operator("test", domesday::ledger::AccountId::SYSTEM).unwrap();
    audit::act(&world.service, &operator, "key-rotate", Value::Null).unwrap();
    assert_eq!(world.head(), rotated, "the rotation is an event");
    world.user("carol");
    let all = keys(&world);
    assert_eq!((all.len(), &all[0], all[0].name()), (2, &old, all[1].name()));
    assert_eq!((0..rotated).map(at).collect::<Vec<_>>(), before);
    for size in 0..=world.head() {
        let signer = &all[usize::from(size >= rotated)];
        let other = &all[usize::from(size < rotated)];
        assert_eq!(at(size).check(signer), Ok(()), "size {size}");
        assert!(at(size).check(other).is_err(), "size {size}");
    }
    assert!(world.service.checkpoint_at(world.head() + 1).is_err());
    verify::verify(&world.service).unwrap();
    // The roots are those of the first so many events.
    let mut tree = domesday::ledger::tree::Tree::default();
    for size in 0..=world.head() {
        assert_eq!(at(size).checkpoint.root, tree.root());
        if size < world.head() {
            let frame = world.service.ledger().event(size + 1).unwrap();
            tree.append(leaf_hash(&frame), &mut Batch::default());
        }
    }
}

#[test]
fn a_proof_file_stands_alone_and_is_for_the_accounts_own_events() {
    let world = lived(103);
    let key = keys(&world).pop().unwrap();
    for position in 1..=world.head() {
        let answer = ask(&world, &format!("proofs/{position}"), None).unwrap();
        let file: ProofFile = answer["proof"].as_str().unwrap().parse().unwrap();
        assert_eq!((answer["event"].as_u64(), file.index + 1), (Some(position), position));
        let frame = world.service.ledger().event(position).unwrap();
        assert_eq!(file.entry.as_ref(), Some(&frame));
        assert_eq!(file.check(&frame, &key), Ok(()));
        let other = world.service.ledger().event(position % world.head() + 1).unwrap();
        assert!(file.check(&other, &key).is_err());
    }
    assert_eq!(ask(&world, "proofs/999", None).unwrap_err().code, "ValidationError");
    // With a second account, neither its events nor those of the whole store are the first one's.
    let founding = Founding {
        digits: Some("999999999999".into()),
        root_email: Some("other@example.com".into()),
        ..Founding::default()
    };
    world.service.found(founding, "test").unwrap();
    let account = admin(&world).account;
    for position in 1..=world.head() {
        let frame = world.service.ledger().event(position).unwrap();
        let own = Frame::read(position, &frame).unwrap().header.account == account;
        let answer = ask(&world, &format!("proofs/{position}"), None);
        assert_eq!(answer.err().map(|fault| fault.code), (!own).then_some("NoSuchEntity"));
    }
}

#[test]
fn bundles_of_events_are_for_who_may_read_all_of_them() {
    let world = lived(104);
    let key = world.user("reader");
    let reader = || world.caller(&key).unwrap();
    let (service, head) = (&world.service, world.head() as usize);
    let refused = |caller: &Caller| proofs::entries(service, caller, 0, 3).unwrap_err().code;
    assert_eq!(refused(&reader()), "AccessDenied");
    let ledger = format!("arn:aws:domesday::{}:ledger", world.digits);
    world.allow("reader", "domesday:ReadLedger", &ledger);
    let bundle = proofs::entries(service, &reader(), 0, head).unwrap().unwrap();
    let mut rest = bundle.as_slice();
    for position in 1..=head as u64 {
        let (length, after) = rest.split_first_chunk::<2>().unwrap();
        let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
        assert_eq!(entry, world.service.ledger().event(position).unwrap());
        let tile = service.ledger().tile(0, 0, position as usize).unwrap().unwrap();
        assert!(tile.ends_with(&leaf_hash(entry)));
        rest = after;
    }
    assert!(rest.is_empty());
    assert_eq!(proofs::entries(service, &reader(), 0, 256).unwrap(), None);
    assert_eq!(service.ledger().tile(0, 0, 256).unwrap(), None);
    assert_eq!(service.ledger().tile(1, 0, 1).unwrap(), None);
    assert_eq!(service.ledger().tile(63, u64::MAX, 1).unwrap(), None);
    let founding = Founding { root_email: Some("b@example.com".into()), ..Founding::default() };
    service.found(founding, "test").unwrap();
    world.allow("reader", "*", "*");
    assert_eq!(refused(&reader()), "AccessDenied", "no account speaks for another one");
    let operator = service.operator("test", domesday::ledger::AccountId::SYSTEM).unwrap();
    assert!(proofs::entries(service, &operator, 0, 3).unwrap().is_some());
}

/// Worlds of one seed are one ledger, for as long as the same happens in them.
#[test]
fn a_ledger_that_was_rolled_back_or_rewritten_is_not_the_one_that_was_signed() {
    let longer = lived(105);
    let common = longer.service.checkpoint().unwrap().to_string();
    longer.user("carol");
    let kept = longer.service.checkpoint().unwrap().to_string();
    let key = keys(&longer).pop().unwrap().to_string();
    assert_eq!(longer.service.check_since(&common, None).unwrap().size, longer.head() - 2);
    assert_eq!(longer.service.check_since(&kept, Some(&key)).unwrap().size, longer.head());

    let shorter = lived(105);
    assert_eq!(shorter.service.checkpoint().unwrap().to_string(), common);
    let fault = shorter.service.check_since(&kept, None).unwrap_err();
    assert_eq!(fault.code, DAMAGED);
    assert!(fault.message.contains("rolled back"), "{fault}");
    // As long as the other, and something else happened.
    shorter.user("mallory");
    let fault = shorter.service.check_since(&kept, None).unwrap_err();
    assert_eq!(fault.code, DAMAGED);
    assert!(fault.message.contains("rewritten"), "{fault}");
    assert_eq!(shorter.service.check_since(&common, None).unwrap().size, shorter.head() - 2);

    // Another ledger has another key; a text that nobody signed is none of anybody's.
    let other = lived(106);
    assert_eq!(other.service.check_since(&kept, None).unwrap_err().code, DAMAGED);
    let altered = kept.replacen("\n1", "\n2", 1);
    let code = |text: &str, key| longer.service.check_since(text, key).unwrap_err().code;
    assert_eq!(code(&altered, None), if altered == kept { "" } else { DAMAGED });
    assert_eq!(code(&altered, Some(&*key)), "ValidationError");
    assert_eq!(code("no note", None), "ValidationError");
    assert_eq!(code(&kept, Some("no key")), "ValidationError");

    // Nor does a store sign or verify that has a checkpoint of its own that it does not continue.
    for text in [kept.as_str(), &altered, "no note"] {
        let store = other.service.ledger().store();
        let mut batch = Batch::default();
        batch.put(Family::Meta, *b"checkpoint", text);
        store.commit(&batch, Durability::Synced).unwrap();
        assert_eq!(verify::verify(&other.service).unwrap_err().code, DAMAGED);
        assert_eq!(other.service.checkpoint().unwrap_err().code, DAMAGED);
    }
}

#[test]
fn a_signed_checkpoint_outlives_the_process_and_guards_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let place = Place::new(data.to_str().unwrap(), None);
    let world = World::at(107, &place);
    world.user("alice");
    let signed = world.service.checkpoint().unwrap();
    let kept = keys(&world);
    drop(world);
    let random = Arc::new(SeededRandom::new(1));
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2026-02-01").unwrap()));
    let parts = Parts::open(&place, &*random).unwrap();
    let service = start(parts, clock, random, Box::new(|error| panic!("{error}"))).unwrap();
    assert_eq!(service.checkpoint().unwrap(), signed);
    let vkey = service.verification_keys().unwrap()["vkey"].clone();
    assert_eq!(vkey, kept[0].to_string());
    service.close();
}

fn evidence_of(world: &World, name: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let answer = evidence::run(&world.service, &admin(world), name, &parameters, None).unwrap();
    let bare = Question::parse(name, &parameters).unwrap();
    let bare = audit::run(&world.service, &admin(world), bare, None).unwrap();
    assert_eq!(without_receipts(&answer["answer"]), without_receipts(&bare), "with and without");
    answer["evidence"].as_str().unwrap().to_owned()
}

/// A report says how many receipts it saw, and asking for it makes one more.
fn without_receipts(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| name != "activity" && name != "again");
    }
    answer
}

fn proven(text: &str, key: &VerifierKey) -> Proven {
    check(text, key).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn evidence_of_every_question_is_checked_by_the_key_alone() {
    let world = lived(108);
    let key = keys(&world).pop().unwrap();
    let can = [("principal", "alice"), ("action", "s3:GetObject"), ("resource", "*")];
    for (name, parameters, least) in [
        ("head", &[][..], 1),
        ("key", &[], 1),
        ("events", &[], 5),
        ("show", &[("thing", "user/alice")], 1),
        ("can", &can, 1),
        ("who-can", &can[1..], 1),
        ("diff", &[("from", "@3")], 2),
        ("proofs/5", &[], 1),
        ("reports/keys", &[], 1),
        ("reports/privileged", &[], 1),
        ("organization", &[], 0),
    ] {
        let proven = proven(&evidence_of(&world, name, parameters), &key);
        assert_eq!(proven.question, name);
        assert!(proven.events.len() >= least, "{name}: {:?}", proven.events);
        let seen: Vec<u64> = proven.events.iter().map(|event| event.event).collect();
        assert_eq!(named(&proven.answer).into_iter().collect::<Vec<_>>(), seen, "{name}");
        assert!(proven.events.iter().all(|event| event.shown.is_some()));
        assert_eq!((proven.account.as_str(), proven.cut), (world.digits.as_str(), world.head()));
    }
    let events = proven(&evidence_of(&world, "events", &[]), &key).events;
    let operations: Vec<String> =
        events.into_iter().map(|event| event.shown.unwrap().operation.unwrap()).collect();
    assert!(operations.contains(&"CreateUser".to_owned()), "{operations:?}");
}

#[test]
fn no_part_of_evidence_can_be_altered() {
    let world = lived(109);
    let key = keys(&world).pop().unwrap();
    world.service.checkpoint().unwrap();
    world.user("carol");
    let text = evidence_of(&world, "events", &[("limit", "4")]);
    proven(&text, &key);
    assert!(matches!(check(&text, &keys(&lived(110))[0]), Err(CheckError::Broken(_))));
    // Any character but white space at the end.
    let characters: Vec<char> = text.trim_end().chars().collect();
    for place in (0..characters.len()).step_by(3) {
        let mut altered = characters.clone();
        altered[place] = if altered[place] == '1' { '2' } else { '1' };
        let altered: String = altered.into_iter().collect();
        assert!(check(&altered, &key).is_err(), "at {place}: {:.80}", &altered[place..]);
    }
    for length in (0..text.trim_end().len()).step_by(7).filter(|at| text.is_char_boundary(*at)) {
        assert!(check(&text[..length], &key).is_err());
    }
    // Whole parts replaced by others that are sound in themselves.
    let mut parts: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let other: Value = serde_json::from_str(&evidence_of(&world, "events", &[])).unwrap();
    let earlier = world.service.checkpoint_at(3).unwrap().to_string();
    for (name, value) in [
        ("question", other["question"].clone()),
        ("answer", other["answer"].clone()),
        ("statement", other["statement"].clone()),
        ("checkpoint", Value::from(earlier)),
        ("statement", parts["checkpoint"].clone()),
        ("checkpoint", parts["statement"].clone()),
        ("events", Value::Array(vec![])),
    ] {
        let kept = parts.insert(name.into(), value).unwrap();
        let altered = serde_json::to_string(&parts).unwrap();
        assert!(check(&altered, &key).is_err(), "{name}");
        parts.insert(name.into(), kept);
    }
    proven(&serde_json::to_string(&parts).unwrap(), &key);
    // An event of the account's own whose frame was taken out, and its hash put in.
    let mut hidden = parts.clone();
    let event = &mut hidden["events"][0];
    let frame = from_base64(event["frame"].as_str().unwrap()).unwrap();
    event["leaf"] = base64(&leaf_hash(&frame)).into();
    event.as_object_mut().unwrap().remove("frame");
    let outcome = check(&serde_json::to_string(&hidden).unwrap(), &key);
    assert!(matches!(outcome, Err(CheckError::Broken(_))), "{outcome:?}");
    // A statement is no checkpoint, though the same key signs both.
    assert!(parts["statement"].as_str().unwrap().parse::<SignedCheckpoint>().is_err());
    assert_eq!(key.check(&parts["statement"].as_str().unwrap().parse::<Note>().unwrap()), Ok(()));
}

#[test]
fn evidence_shows_events_of_other_accounts_by_their_hash_alone() {
    let world = lived(111);
    let key = keys(&world).pop().unwrap();
    let founding = Founding { root_email: Some("b@example.com".into()), ..Founding::default() };
    world.service.found(founding, "test").unwrap();
    // A head that is another account's event.
    let proven = proven(&evidence_of(&world, "head", &[]), &key);
    assert_eq!(proven.events.len(), 1);
    assert_eq!(proven.events[0].shown, None);
    let text = evidence_of(&world, "head", &[]);
    let frame = world.service.ledger().event(world.head()).unwrap();
    assert!(!text.contains(&base64(&frame)[..40]));
    let file: Value = serde_json::from_str(&text).unwrap();
    let leaf = from_base64(file["events"][0]["leaf"].as_str().unwrap()).unwrap();
    assert_eq!(leaf, leaf_hash(&frame));
}
