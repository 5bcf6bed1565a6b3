//! The history: filters in every combination held against reading all events, pages that stay what they are,
//! and what each event changed held against the states around it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use domesday::base::random::{SeededRandom, random_bytes};
use domesday::identity::Event;
use domesday::identity::change;
use domesday::ledger::{AccountId, Frame};
use domesday::service::audit::{self, Question, proofs};
use domesday::service::caller::Caller;
use domesday::service::exports;
use domesday::service::exports::sink::Sink;
use serde_json::Value;

use super::world::{Key, World};

pub fn ask(world: &World, question: &str, parameters: &[(&str, &str)], at: Option<&str>) -> Value {
    let given: Vec<_> =
        parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let question = Question::parse(question, &given).unwrap();
    let caller = world.caller(&world.admin).unwrap();
    audit::run(&world.service, &caller, question, at.and_then(|at| world.moment(at))).unwrap()
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|one| one["position"].as_u64().unwrap()).collect()
}

/// All pages of so many, one after the other.
fn pages(world: &World, parameters: &[(&str, &str)], limit: &str) -> Vec<u64> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut given = parameters.to_vec();
        given.push(("limit", limit));
        given.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = ask(world, "events", &given, None);
        assert!(page["events"].as_array().unwrap().len() <= limit.parse().unwrap());
        all.extend(positions(&page));
        match page["next"].as_str() {
            None => return all,
            Some(next) => cursor = Some(next.to_owned()),
        }
    }
}

const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*","Sid":"SID"}]}"#;

/// A history of several people, some of whom act through roles, for tickets; names are given again.
pub fn history(seed: u64, acts: usize) -> World {
    let world = World::new(seed);
    let random = SeededRandom::new(seed);
    let admin = world.admin.clone();
    let everything = DOCUMENT.replace("iam:Get*", "*");
    for role in ["deploy", "audit"] {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#,
            world.digits
        );
        let made = [("RoleName", role), ("AssumeRolePolicyDocument", trust.as_str())];
        world.ok(&admin, "CreateRole", &made);
        let put = [("RoleName", role), ("PolicyName", "all"), ("PolicyDocument", &everything)];
        world.ok(&admin, "PutRolePolicy", &put);
    }
    let mut keys: Vec<Key> = vec![admin.clone()];
    for user in ["ann", "ben"] {
        keys.push(world.user(user));
        world.allow(user, "*", "*");
    }
    for act in 0..acts {
        let [who, what, whom, which] = random_bytes::<4>(&random).unwrap();
        let key = keys[usize::from(who) % keys.len()].clone();
        let user = format!("u{}", whom % 4);
        let policy = format!("p{}", which % 3);
        let role = if which % 2 == 0 { "deploy" } else { "audit" };
        let arn = format!("arn:aws:iam::{}:role/{role}", world.digits);
        let ticket = format!("T-{}", which % 3);
        let document = DOCUMENT.replace("SID", &format!("s{act}"));
        let shared = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
        let name = ("UserName", user.as_str());
        let assume = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "work"),
            ("Tags.member.1.Key", "ticket"),
            ("Tags.member.1.Value", ticket.as_str()),
        ];
        let operations: [(&str, &[(&str, &str)]); 9] = [
            (
                "CreateUser",
                &[name, ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", &ticket)],
            ),
            ("PutUserPolicy", &[name, ("PolicyName", &policy), ("PolicyDocument", &document)]),
            ("DeleteUserPolicy", &[name, ("PolicyName", &policy)]),
            ("AttachUserPolicy", &[name, ("PolicyArn", shared)]),
            ("DetachUserPolicy", &[name, ("PolicyArn", shared)]),
            ("UpdateUser", &[name, ("NewUserName", &policy)]),
            ("TagUser", &[name, ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", &user)]),
            ("DeleteUser", &[name]),
            ("AssumeRole", &assume),
        ];
        let (operation, parameters) = operations[usize::from(what) % operations.len()];
        match world.ask(&key, operation, parameters, None) {
            Ok(answer) if operation == "AssumeRole" && keys.len() < 9 => {
                keys.push(Key::of(&answer))
            }
            Ok(_) => {}
            Err(fault) => assert!(fault.is_sender(), "{operation}: {fault}"),
        }
        if which % 16 == 0 {
            world.clock.advance(86_400 / 4);
        }
        if which % 5 == 0 {
            // Sessions of an hour end on the way: others take their places.
            keys.retain(|key| world.caller(key).is_ok());
        }
    }
    world
}

/// An event as somebody reads it who knows no index.
struct Plain {
    position: u64,
    at: String,
    entry: Value,
    /// Its body, to look for ids.
    body: Vec<u8>,
}

fn plain(world: &World) -> Vec<Plain> {
    let account = world.caller(&world.admin).unwrap().account;
    let mut all = Vec::new();
    world
        .service
        .ledger()
        .read(1, &mut |position, frame: &Frame<'_>| {
            if frame.header.account == account {
                let event = Event::decode(frame.body).unwrap();
                let mut body = event.origin.target.as_str().as_bytes().to_vec();
                event.changes.iter().for_each(|one| change::write(one, &mut body).unwrap());
                let at = frame.header.happened_at.to_precise();
                all.push(Plain { position, at, entry: Value::Null, body });
            }
            Ok(true)
        })
        .unwrap();
    for one in &mut all {
        let thing = format!("@{}", one.position);
        one.entry = ask(world, "show", &[("thing", &thing)], None);
    }
    all
}

/// Every id that bore a name, by what requests said.
fn bearers(all: &[Plain]) -> BTreeMap<String, BTreeSet<String>> {
    let mut bearers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in all {
        let parameters = &one.entry["parameters"];
        let name = match one.entry["operation"].as_str().unwrap() {
            "CreateUser" => &parameters["UserName"],
            "UpdateUser" => &parameters["NewUserName"],
            "CreateRole" => &parameters["RoleName"],
            _ => continue,
        };
        let id = one.entry["target"]["id"].as_str().unwrap();
        bearers.entry(name.as_str().unwrap().to_owned()).or_default().insert(id.to_owned());
    }
    bearers
}

#[test]
fn every_combination_of_filters_is_what_a_plain_reading_finds() {
    let world = history(301, 160);
    let all = plain(&world);
    let bearers = bearers(&all);
    let none = BTreeSet::new();
    let ids = |name: &str| bearers.get(name.rsplit('/').next().unwrap()).unwrap_or(&none);
    let middle = &all[all.len() / 2];
    let from = format!("@{}", all[20].position);
    let (at, early) = (middle.at.clone(), all[10].at.clone());
    let day = at[..10].to_owned();
    let random = SeededRandom::new(5);
    let choices: [(&str, Vec<Option<&str>>); 7] = [
        (
            "principal",
            vec![None, None, Some("ann"), Some("user/ben"), Some("role/deploy"), Some("nobody")],
        ),
        ("person", vec![None, None, None, Some("ann"), Some("ben"), Some("role/audit")]),
        ("target", vec![None, None, Some("u1"), Some("user/p0"), Some("role/audit")]),
        ("operation", vec![None, None, Some("createuser"), Some("PutUserPolicy"), Some("Never")]),
        ("ticket", vec![None, None, None, Some("T-1"), Some("T-9")]),
        ("from", vec![None, None, Some(&from), Some(&early), Some(&at)]),
        ("to", vec![None, None, Some(&at), Some("@99999")]),
    ];
    let mut found_some = 0;
    for round in 0..400u32 {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for (name, values) in &choices {
            let pick = random_bytes::<1>(&random).unwrap()[0];
            if let Some(value) = values[usize::from(pick) % values.len()] {
                given.push((name, value));
            }
        }
        if round % 7 == 0 {
            given.retain(|(name, _)| *name != "from" && *name != "to");
            given.push(("during", if round % 2 == 0 { &day } else { "2026" }));
        }
        let of = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let passes = |one: &&Plain| {
            let text = |path: &str| one.entry.pointer(path).and_then(Value::as_str).unwrap_or("");
            let within = |from: &str| match from.strip_prefix('@') {
                Some(position) => one.position > position.parse().unwrap(),
                None => one.at.as_str() >= from,
            };
            let during = of("during").is_none_or(|during| one.at.starts_with(during));
            let names_one = |name: &str| {
                ids(name)
                    .iter()
                    .any(|id| one.body.windows(id.len()).any(|window| window == id.as_bytes()))
            };
            during
                && of("principal").is_none_or(|name| ids(name).contains(text("/actor/id")))
                && of("person").is_none_or(|name| ids(name).contains(text("/person/id")))
                && of("target").is_none_or(names_one)
                && of("operation").is_none_or(|name| text("/operation").eq_ignore_ascii_case(name))
                && of("ticket").is_none_or(|ticket| text("/ticket") == ticket)
                && of("from").is_none_or(within)
                && of("to").is_none_or(|to| to == "@99999" || !within(to))
        };
        let mut expected: Vec<u64> = all.iter().filter(passes).map(|one| one.position).collect();
        found_some += usize::from(!expected.is_empty());
        let order = if round % 3 == 0 { "oldest" } else { "newest" };
        if order == "newest" {
            expected.reverse();
        }
        given.push(("order", order));
        let limit = ["1", "3", "1000"][round as usize % 3];
        assert_eq!(pages(&world, &given, limit), expected, "{given:?}");
    }
    assert!(found_some > 40, "{found_some}");
}

#[test]
fn a_page_stays_what_it_is_while_the_ledger_grows_and_names_change_hands() {
    let world = history(302, 120);
    for order in ["newest", "oldest"] {
        let given = [("target", "u1"), ("order", order), ("limit", "1")];
        let first = ask(&world, "events", &given, None);
        let next = first["next"].as_str().unwrap().to_owned();
        let with = [given[0], given[2], ("cursor", next.as_str())];
        let before = ask(&world, "events", &with, None);
        assert!(!before["events"].as_array().unwrap().is_empty());
        // Somebody else takes the name: of the pages that were begun it is not the name.
        world.ok(&world.admin, "CreateUser", &[("UserName", &format!("new-{order}"))]);
        let tags = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
        let user = ["u1", "p0", "p1", "p2", "u0", "u2", "u3"]
            .into_iter()
            .find(|user| world.ask(&world.admin, "GetUser", &[("UserName", user)], None).is_ok());
        if let Some(user) = user {
            world.ok(&world.admin, "TagUser", &[("UserName", user), tags[0], tags[1]]);
        }
        assert_eq!(ask(&world, "events", &with, None), before);
        let at = [("limit", "1"), ("cursor", next.as_str())];
        assert!(ask(&world, "events", &at, None)["events"][0]["position"].is_u64());
    }
}

#[test]
fn denied_requests_come_in_pages_too() {
    let world = World::new(303);
    let [ann, ben] = [world.user("ann"), world.user("ben")];
    for round in 0..5 {
        let name = format!("x{round}");
        world.refused(&ann, "CreateUser", &[("UserName", &name)], "AccessDenied");
        world.refused(&ben, "DeleteUser", &[("UserName", "ann")], "AccessDenied");
    }
    super::reports::settle(&world);
    let denied = ("outcome", "denied");
    let receipts = |given: &[(&str, &str)], limit: &str| {
        let (mut all, mut cursor): (Vec<u64>, Option<String>) = (Vec::new(), None);
        loop {
            let mut given = given.to_vec();
            given.push(("limit", limit));
            given.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = ask(&world, "events", &given, None);
            let found = page["events"].as_array().unwrap();
            all.extend(found.iter().map(|one| one["receipt"].as_u64().unwrap()));
            match page["next"].as_str() {
                None => return all,
                Some(next) => cursor = Some(next.to_owned()),
            }
        }
    };
    let newest = receipts(&[denied], "3");
    assert_eq!(newest.len(), 10);
    assert!(newest.is_sorted_by(|one, other| one > other));
    let mut oldest = receipts(&[denied, ("order", "oldest")], "4");
    oldest.reverse();
    assert_eq!(newest, oldest);
    assert_eq!(receipts(&[denied, ("principal", "ann")], "2").len(), 5);
    assert_eq!(
        receipts(&[denied, ("operation", "iam:DeleteUser"), ("principal", "ben")], "9").len(),
        5
    );
    assert!(receipts(&[denied, ("from", "2026-06-01")], "9").is_empty());
    let page = ask(&world, "events", &[denied, ("limit", "1")], None);
    assert_eq!(page["events"][0]["person"]["name"], "user/ben");
}

#[test]
fn whoever_reads_the_history_is_read_of_the_operator_too() {
    let world = World::new(87);
    let me = world.caller(&world.admin).unwrap();
    let mut operator = world.service.operator("7@host", me.account).unwrap();
    operator.digits.clone_from(&world.digits);
    let (service, head) = (&world.service, world.service.ledger().head());
    let question = |name: &str| Question::parse(name, &[]).unwrap();
    let past = world.moment("@3");
    audit::run(service, &operator, question("head"), past).unwrap();
    audit::run(service, &operator, question("reports/keys"), None).unwrap();
    let ask = exports::Ask::parse(&[("kind".to_owned(), "ndjson".to_owned())]).unwrap();
    exports::run(service, &operator, &ask, None, &mut Nowhere).unwrap();
    // What belongs to no account: the whole store.
    let of_store = service.operator("7@host", AccountId::SYSTEM).unwrap();
    audit::run(service, &of_store, question("key"), None).unwrap();
    assert!(proofs::entries(service, &of_store, 0, 1).unwrap().is_some());

    let read = |caller: &Caller, parameters: &[(&str, &str)]| {
        let mut all = vec![("outcome".to_owned(), "read".to_owned())];
        all.extend(parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let asked = Question::parse("events", &all).unwrap();
        audit::run(service, caller, asked, None).unwrap()["events"].as_array().unwrap().clone()
    };
    let told = |entries: &[Value]| -> Vec<[String; 3]> {
        let text =
            |entry: &Value, at: &str| entry.pointer(at).unwrap().as_str().unwrap().to_owned();
        let one = |entry: &Value| {
            let on = text(entry, "/target/name");
            let on = on.rsplit_once(':').unwrap().1.to_owned();
            [text(entry, "/actor/name"), text(entry, "/operation"), on]
        };
        entries.iter().map(one).collect()
    };
    // The newest first, and the very question at the top of its answer.
    let by_me = ["user/admin", "domesday:ReadLedger", "ledger"].map(str::to_owned);
    let by_operator = [
        ["operator:7@host", "domesday:Export", "export/ndjson"],
        ["operator:7@host", "domesday:ReadLedger", "report/keys"],
        ["operator:7@host", "domesday:TimeTravel", "ledger"],
        ["operator:7@host", "domesday:ReadLedger", "ledger"],
    ]
    .map(|one| one.map(str::to_owned));
    let mut all = vec![by_me];
    all.extend(by_operator.clone());
    assert_eq!(told(&read(&me, &[])), all);
    let asked: Vec<String> = read(&me, &[("principal", "operator")])
        .iter()
        .map(|entry| entry["asked"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(asked, ["export ndjson", "report keys", "", "head --at @3"]);
    assert_eq!(told(&read(&me, &[("principal", "operator")])), by_operator);
    assert_eq!(read(&me, &[("operation", "Export")]).len(), 1);
    assert_eq!(told(&read(&of_store, &[])).len(), 3, "of the store, by nobody of an account");
    // Reading is no event.
    assert_eq!(service.ledger().head(), head);
}

struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_an_event_changed_is_what_the_states_around_it_say() {
    let world = history(304, 120);
    let mut seen = BTreeSet::new();
    for one in plain(&world) {
        let changed = one.entry["changed"].as_array().unwrap();
        assert!(!changed.is_empty(), "{}", one.entry);
        for change in changed {
            let field = change["field"].as_str().unwrap();
            let name = change["entity"]["name"].as_str().unwrap_or_default().to_owned();
            seen.insert(field.split(' ').next().unwrap().to_owned());
            assert_ne!(change["before"], change["after"]);
            let kind = change["entity"]["kind"].as_str().unwrap();
            if !["user", "role"].contains(&kind) {
                continue;
            }
            let id = change["entity"]["id"].as_str().unwrap();
            for (side, position) in [("before", one.position - 1), ("after", one.position)] {
                let at = format!("@{position}");
                let question = Question::parse("show", &[("thing".into(), id.into())]).unwrap();
                let caller = world.caller(&world.admin).unwrap();
                let shown = audit::run(&world.service, &caller, question, world.moment(&at));
                let shown = shown.unwrap_or(Value::Null);
                let value = &change[side];
                let has = |list: &str, item: &Value| {
                    shown[list].as_array().is_some_and(|list| list.contains(item))
                };
                match field.split_once(' ') {
                    Some(("attached", _)) if !value.is_null() => {
                        assert!(has("attached_policies", value), "{name} {at}")
                    }
                    Some(("tag", key)) => {
                        let tag = serde_json::json!({ "key": key, "value": value });
                        assert_eq!(has("tags", &tag), !value.is_null(), "{name} {at}");
                    }
                    Some(("inline", rest)) => {
                        let policy = rest.strip_prefix("policy ").unwrap();
                        let inline = shown["inline_policies"].as_array();
                        let found =
                            inline.and_then(|all| all.iter().find(|one| one["name"] == policy));
                        assert_eq!(found.is_some(), !value.is_null(), "{name} {policy} {at}");
                    }
                    None if field == "name" && !shown.is_null() && shown["kind"] != "gone" => {
                        assert_eq!(&shown["name"], value, "{at}")
                    }
                    _ => {}
                }
            }
            // A document is told line by line.
            if field.starts_with("inline policy") {
                let lines = change["lines"].as_array().unwrap();
                assert!(lines.iter().any(|line| line.as_str().unwrap().contains("Effect")));
            }
        }
    }
    for field in ["name", "path", "attached", "inline", "tag", "trust"] {
        assert!(seen.contains(field), "{field}: {seen:?}");
    }
}

#[test]
fn a_policy_that_every_account_shares_is_a_target_and_so_are_policies_keys_and_devices() {
    let world = World::new(305);
    let ann = world.user("ann");
    let shared = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let attach = [("UserName", "ann"), ("PolicyArn", shared)];
    world.ok(&world.admin, "AttachUserPolicy", &attach);
    let attached = world.head();
    let made = [("PolicyName", "mine"), ("PolicyDocument", DOCUMENT)];
    let made = world.ok(&world.admin, "CreatePolicy", &made);
    let arn = made["Policy"]["Arn"].as_str().unwrap();
    let own = world.head();
    let found = |target: &str| positions(&ask(&world, "events", &[("target", target)], None));
    assert_eq!(found(shared), [attached]);
    assert_eq!(found(arn), [own]);
    assert_eq!(found("policy/mine"), [own]);
    assert_eq!(found(&ann.id).len(), 1);
    assert!(found("arn:aws:iam::aws:policy/Nothing").is_empty());
}

#[test]
fn postings_are_made_anew_by_a_rebuild_and_missed_by_a_verification() {
    use domesday::service::audit::verify;
    use domesday::store::{Batch, Durability};
    let world = history(306, 30);
    let before = pages(&world, &[("principal", "ann")], "1000");
    verify::verify(&world.service).unwrap();
    let rebuilt = verify::rebuild(&world.service).unwrap();
    assert_eq!(rebuilt["different"], 0);
    assert_eq!(pages(&world, &[("principal", "ann")], "1000"), before);
    // One posting less: table 240 of the live side.
    let store = world.service.ledger().store().clone();
    let side = world.service.projections().live_side();
    let mut gone = None;
    store
        .walk(side, &mut |cursor| {
            cursor.seek(&[])?;
            while let Some((key, _)) = cursor.current() {
                if key.get(16) == Some(&240) {
                    gone = Some(key.to_vec());
                    break;
                }
                cursor.advance()?;
            }
            Ok(())
        })
        .unwrap();
    let mut batch = Batch::default();
    batch.delete(side, gone.unwrap());
    store.commit(&batch, Durability::Synced).unwrap();
    let fault = verify::verify(&world.service).unwrap_err();
    assert!(fault.message.contains("rebuild"), "{fault}");
    verify::rebuild(&world.service).unwrap();
    verify::verify(&world.service).unwrap();
}
