//! The reports by name: the same bytes whenever they are generated from the same positions, and what they say
//! held against a plain walk of the events.

use std::collections::{BTreeMap, BTreeSet};

use domesday::identity::Event;
use domesday::identity::change::Change;
use domesday::ledger::Frame;
use domesday::service::audit::{self, Question};
use domesday::service::reports::named::{Name, Window};
use serde_json::Value;

use super::log::history;
use super::reports::settle;
use super::world::{Authenticator, Key, World};

fn report(world: &World, name: &str, given: &[(&str, &str)], at: Option<&str>) -> Value {
    super::log::ask(world, &format!("reports/{name}"), given, at)
}

fn rows<'a>(report: &'a Value, name: &str, value: &str) -> Vec<&'a Value> {
    let all = report["rows"].as_array().unwrap();
    all.iter().filter(|row| row[name] == value).collect()
}

/// The moment and the length of the activity book in the command that generates a report again.
fn again(report: &Value) -> (String, String) {
    let command = report["again"].as_str().unwrap();
    let after = |flag: &str| {
        let rest = command.split(&format!("{flag} ")).nth(1).unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    let again = (after("--at"), after("--activity"));
    // The fields say the same as the command.
    assert_eq!(report["at"], again.0.as_str());
    assert_eq!(report["activity"].to_string(), again.1);
    again
}

/// A company in which people come, go, sign in and change: every report has something to tell.
fn company(seed: u64) -> World {
    let world = history(seed, 80);
    let admin = world.admin.clone();
    let digits = world.digits.clone();
    let password = |user: &str| {
        world.ok(
            &admin,
            "CreateLoginProfile",
            &[("UserName", user), ("Password", "Correct-Horse-7")],
        );
    };
    for user in ["ann", "ben"] {
        password(user);
    }
    let made = world.ok(&admin, "CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    let phone = Authenticator::of(&made);
    let [one, two] = phone.pair(world.service.clock().now().plus_seconds(1));
    let codes = [("AuthenticationCode1", one.as_str()), ("AuthenticationCode2", two.as_str())];
    let enable = [("UserName", "ann"), ("SerialNumber", phone.serial.as_str()), codes[0], codes[1]];
    world.ok(&admin, "EnableMFADevice", &enable);
    world.ok(&admin, "UpdateAccountPasswordPolicy", &[("MinimumPasswordLength", "14")]);
    world.clock.advance(40 * 86_400);
    world.ok(
        &admin,
        "UpdateAccountPasswordPolicy",
        &[("MinimumPasswordLength", "16"), ("RequireSymbols", "true")],
    );
    world.ok(&admin, "CreateGroup", &[("GroupName", "crew")]);
    for (user, tag) in [("joe", Some("2026-01-02")), ("kim", None)] {
        world.user(user);
        world.ok(&admin, "AddUserToGroup", &[("GroupName", "crew"), ("UserName", user)]);
        if let Some(date) = tag {
            let tag = [("Tags.member.1.Key", "leave-date"), ("Tags.member.1.Value", date)];
            world.ok(&admin, "TagUser", &[("UserName", user), tag[0], tag[1]]);
        }
    }
    // A role that ben could become an administrator by.
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{digits}:user/kim"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    world.ok(&admin, "CreateRole", &[("RoleName", "boss"), ("AssumeRolePolicyDocument", &trust)]);
    let all = "arn:aws:iam::aws:policy/AdministratorAccess";
    world.ok(&admin, "AttachRolePolicy", &[("RoleName", "boss"), ("PolicyArn", all)]);
    settle(&world);
    world
}

fn disable(world: &World, user: &str) {
    let keys = world.ok(&world.admin, "ListAccessKeys", &[("UserName", user)]);
    for key in keys["AccessKeyMetadata"].as_array().unwrap() {
        let key = [("UserName", user), ("AccessKeyId", key["AccessKeyId"].as_str().unwrap())];
        world.ok(&world.admin, "UpdateAccessKey", &[key[0], key[1], ("Status", "Inactive")]);
    }
}

#[test]
fn the_same_positions_give_the_same_bytes_whatever_happens_after() {
    let world = company(340);
    let head = format!("@{}", world.head());
    let mut first: BTreeMap<(&str, &str), (String, String, String)> = BTreeMap::new();
    for name in Name::ALL.iter().map(|name| name.text()) {
        for at in ["now", head.as_str()] {
            let moment = Some(at).filter(|at| *at != "now");
            let made = report(&world, name, &[], moment);
            let (again, activity) = again(&made);
            let twice = report(&world, name, &[("activity", &activity)], Some(&again));
            assert_eq!(made.to_string(), twice.to_string(), "{name} {at}");
            assert_eq!(made["position"], world.head());
            let at = if at == "now" { "now" } else { "head" };
            first.insert((name, at), (again, activity, made.to_string()));
        }
    }
    // Time passes, people use what they have, things change.
    world.clock.advance(3 * 86_400);
    for user in ["ann", "ben"] {
        let key = world.ok(&world.admin, "CreateAccessKey", &[("UserName", user)]);
        let key = Key::long_term(key["AccessKey"]["AccessKeyId"].as_str().unwrap());
        let _ = world.ask(&key, "GetUser", &[("UserName", user)], None);
    }
    disable(&world, "joe");
    world.ok(&world.admin, "DeleteAccountPasswordPolicy", &[]);
    settle(&world);
    for ((name, at), (again, activity, bytes)) in first {
        let made = report(&world, name, &[("activity", &activity)], Some(&again));
        assert_eq!(made.to_string(), bytes, "{name} {at}");
    }
}

#[test]
fn every_report_names_its_controls_and_what_it_was_made_from() {
    let world = company(341);
    for name in Name::ALL {
        let made = report(&world, name.text(), &[], None);
        assert_eq!(made["report"], name.text());
        assert_eq!(made["controls"].as_array().unwrap().len(), name.controls().len());
        let head = world.service.ledger().head();
        assert_eq!(made["root"], domesday::base::text::hex(&head.root));
        assert_eq!(made["account"], world.digits);
        let columns = made["columns"].as_array().unwrap();
        let rows = made["rows"].as_array().unwrap();
        // Nobody is idle for so long, and the root user did nothing.
        let may_be_empty = [Name::Dormant, Name::RootUsage].contains(name);
        assert!(!rows.is_empty() || may_be_empty, "{}", name.text());
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |c| (row, c))) {
            let known =
                *name == Name::PasswordPolicy || row.get(column.as_str().unwrap()).is_some();
            assert!(known, "{}: {row} has no {column}", name.text());
        }
    }
    let caller = world.caller(&world.admin).unwrap();
    let refused = |name: &str, given: &[(&str, &str)]| {
        let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let asked = Question::parse(&format!("reports/{name}"), &given);
        let asked = asked.and_then(|asked| audit::run(&world.service, &caller, asked, None));
        asked.unwrap_err().code
    };
    assert_eq!(refused("everything", &[]), "ValidationError");
    assert_eq!(refused("keys", &[("during", "2026")]), "ValidationError");
    assert_eq!(refused("root-usage", &[("days", "3")]), "ValidationError");
    assert_eq!(refused("keys", &[("activity", "99999999")]), "ValidationError");
}

#[test]
fn the_pages_of_a_report_are_the_report() {
    let world = company(344);
    let caller = world.caller(&world.admin).unwrap();
    for name in Name::ALL {
        let made = report(&world, name.text(), &[], None);
        let (at, activity) = again(&made);
        let all = made["rows"].as_array().unwrap();
        let page = |first: usize| {
            let given = [("activity".to_owned(), activity.clone())];
            let question = Question::parse(&format!("reports/{}", name.text()), &given).unwrap();
            let question = question.part(Window { first, most: 3 });
            audit::run(&world.service, &caller, question, world.moment(&at)).unwrap()
        };
        // Whatever happens meanwhile.
        world.ok(&world.admin, "CreateUser", &[("UserName", &format!("late-{}", name.text()))]);
        for first in (0..all.len().max(1)).step_by(3) {
            let page = page(first);
            assert_eq!(
                (&page["first_row"], &page["row_count"]),
                (&first.into(), &all.len().into())
            );
            for member in ["at", "activity", "root", "checkpoint", "summary", "columns", "again"] {
                assert_eq!(page[member], made[member], "{}", name.text());
            }
            let rows = page["rows"].as_array().unwrap();
            assert_eq!(rows.len(), (all.len() - first).min(3));
            for (row, whole) in rows.iter().zip(&all[first..]) {
                for column in made["columns"].as_array().unwrap() {
                    let column = column.as_str().unwrap();
                    assert_eq!(row.get(column), whole.get(column).or(Some(&Value::Null)));
                }
            }
        }
        // Behind the last page is the last page.
        let last = all.len().saturating_sub(1) / 3 * 3;
        assert_eq!(page(usize::MAX)["first_row"], last);
    }
}

#[test]
fn a_report_is_a_permission_of_its_own() {
    let world = World::new(342);
    let ann = world.user("ann");
    let arn = format!("arn:aws:domesday::{}:report/keys", world.digits);
    world.allow("ann", "domesday:ReadLedger", &arn);
    let ask = |name: &str| {
        let question = Question::parse(&format!("reports/{name}"), &[]).unwrap();
        audit::run(&world.service, &world.caller(&ann).unwrap(), question, None)
    };
    assert!(ask("keys").is_ok());
    assert_eq!(ask("dormant").unwrap_err().code, "AccessDenied");
}

/// All events of the account, decoded.
fn events(world: &World) -> Vec<(u64, Event)> {
    let account = world.caller(&world.admin).unwrap().account;
    let mut all = Vec::new();
    world
        .service
        .ledger()
        .read(1, &mut |position, frame: &Frame<'_>| {
            if frame.header.account == account {
                all.push((position, Event::decode(frame.body).unwrap()));
            }
            Ok(true)
        })
        .unwrap();
    all
}

#[test]
fn direct_grants_and_keys_are_those_that_the_events_leave() {
    let world = company(343);
    let mut grants: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut keys: BTreeMap<String, bool> = BTreeMap::new();
    let mut users = BTreeSet::new();
    for (position, event) in events(&world) {
        for change in event.changes {
            match change {
                Change::UserCreated(c) => drop(users.insert(c.user.to_string())),
                Change::UserDeleted(c) => drop(users.remove(c.user.as_str())),
                Change::PolicyAttached(c) => {
                    grants.insert((c.owner.to_string(), c.policy.0), position);
                }
                Change::PolicyDetached(c) => {
                    grants.remove(&(c.owner.to_string(), c.policy.0));
                }
                Change::InlinePolicyPut(c) => {
                    grants.entry((c.owner.to_string(), c.name)).or_insert(position);
                }
                Change::InlinePolicyDeleted(c) => {
                    grants.remove(&(c.owner.to_string(), c.name));
                }
                Change::AccessKeyCreated(c) => drop(keys.insert(c.key.to_string(), true)),
                Change::AccessKeyStatusSet(c) => drop(keys.insert(c.key.to_string(), c.active)),
                Change::AccessKeyDeleted(c) => drop(keys.remove(c.key.as_str())),
                _ => {}
            }
        }
    }
    grants.retain(|(owner, _), _| users.contains(owner));
    let made = report(&world, "direct-grants", &[], None);
    let mut found: Vec<u64> =
        made["rows"].as_array().unwrap().iter().map(|row| row["event"].as_u64().unwrap()).collect();
    let mut expected: Vec<u64> = grants.values().copied().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let made = report(&world, "keys", &[], None);
    let found: BTreeMap<String, bool> = made["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["access_key"].as_str().unwrap().to_owned(), row["status"] == "active"))
        .collect();
    assert_eq!(found, keys);
}

#[test]
fn keys_age_and_are_overdue_after_ninety_days() {
    let world = World::new(344);
    let ann = world.user("ann");
    let key = |report: &Value| rows(report, "access_key", &ann.id).into_iter().next().cloned();
    let now = key(&report(&world, "keys", &[], None)).unwrap();
    assert_eq!((now["age_days"].as_u64(), now["overdue"].as_bool()), (Some(0), Some(false)));
    assert_eq!(now["last_used"], Value::Null);
    assert!(key(&report(&world, "keys", &[("older-than", "90d")], None)).is_none());
    let _ = world.ask(&ann, "GetUser", &[], None);
    settle(&world);
    world.clock.advance(91 * 86_400);
    let old = key(&report(&world, "keys", &[("older-than", "90d")], None)).unwrap();
    assert_eq!((old["age_days"].as_u64(), old["overdue"].as_bool()), (Some(91), Some(true)));
    assert!(old["last_used"].as_str().unwrap().starts_with("2026-01-01"));
    assert_eq!(old["last_used_service"], "iam");
    // Before it was used, nobody knew of it.
    let at = "2026-01-01T00:00:02Z";
    assert_eq!(key(&report(&world, "keys", &[], Some(at))).unwrap()["last_used"], Value::Null);
    assert_eq!(report(&world, "keys", &[], None)["summary"]["overdue"], 2);
}

#[test]
fn second_factors_count_for_whoever_signs_in() {
    let world = company(345);
    let made = report(&world, "mfa-coverage", &[], None);
    let of = |user: &str| rows(&made, "user", user)[0].clone();
    assert_eq!(of("user/ann")["covered"], true);
    assert!(of("user/ann")["mfa_since"].is_string());
    assert_eq!(of("user/ben")["covered"], false);
    assert_eq!(
        (of("user/kim")["signs_in"].clone(), of("user/kim")["covered"].clone()),
        (false.into(), true.into())
    );
    assert_eq!(of("root")["devices"], 0);
    let before = report(&world, "mfa-coverage", &[], Some("2026-01-01T00:00:30Z"));
    assert_eq!(before["summary"]["with_second_factor"], 0);
}

#[test]
fn the_dormant_are_found_and_when_they_were_disabled() {
    let world = World::new(346);
    let ann = world.user("ann");
    world.user("ben");
    world.user("cleo");
    world.clock.advance(30 * 86_400);
    let _ = world.ask(&ann, "GetUser", &[], None);
    settle(&world);
    disable(&world, "cleo");
    world.clock.advance(30 * 86_400);
    disable(&world, "ben");
    let disabled = world.head();
    world.clock.advance(86_400);
    let made = report(&world, "dormant", &[], None);
    let of = |user: &str| rows(&made, "user", user).into_iter().next();
    assert!(of("user/ann").is_none(), "{made}");
    assert!(of("user/cleo").is_none(), "it was disabled in time");
    let ben = of("user/ben").unwrap();
    assert_eq!((ben["state"].as_str(), ben["idle_days"].as_u64()), (Some("disabled"), Some(60)));
    assert_eq!(
        (ben["event"].as_u64(), ben["disabled_by"].as_str()),
        (Some(disabled), Some("user/admin"))
    );
    let few = report(&world, "dormant", &[("days", "31")], None);
    assert_eq!(rows(&few, "user", "user/ann")[0]["state"], "dormant");
    assert_eq!(rows(&few, "user", "user/ann")[0]["idle_days"], 31);
    assert_eq!(rows(&few, "user", "user/ann")[0]["unused"].as_array().unwrap().len(), 1);
    // Whoever uses one key daily may have another one that nobody uses.
    let second = world.ok(&world.admin, "CreateAccessKey", &[("UserName", "ann")]);
    let second = second["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned();
    world.clock.advance(45 * 86_400);
    let _ = world.ask(&ann, "GetUser", &[], None);
    settle(&world);
    let made = report(&world, "dormant", &[], None);
    let stale = rows(&made, "user", "user/ann").into_iter().next().unwrap();
    assert_eq!(stale["unused"], serde_json::json!([second]), "{made}");
    assert_eq!(stale["idle_days"], 45);
    // Three days ago, ben was dormant.
    let then = report(&world, "dormant", &[], Some("2026-02-28"));
    assert_eq!(rows(&then, "user", "user/ben")[0]["state"], "dormant");
}

#[test]
fn the_rules_for_passwords_are_told_over_time() {
    let world = company(347);
    let made = report(&world, "password-policy", &[], None);
    let lengths: Vec<Option<u64>> =
        made["rows"].as_array().unwrap().iter().map(|row| row["minimum_length"].as_u64()).collect();
    assert_eq!(lengths, [None, Some(14), Some(16)]);
    let second = made["rows"][1]["event"].as_u64().unwrap();
    let later = report(&world, "password-policy", &[("from", &format!("@{second}"))], None);
    assert_eq!(later["rows"][0]["minimum_length"], 14, "what stood at the beginning");
    assert_eq!(later["rows"].as_array().unwrap().len(), 2);
    let earlier = report(&world, "password-policy", &[("to", &format!("@{second}"))], None);
    assert_eq!(earlier["rows"].as_array().unwrap().len(), 2);
    assert_eq!(made["rows"][2]["require_symbols"], true);
    assert_eq!(made["rows"][2]["by"], "user/admin");
}

#[test]
fn what_the_root_user_did_is_told_from_ledger_and_activity_book() {
    use domesday::base::secret::Secret;
    use domesday::service::founding::Founding;
    let world = World::new(350);
    let founding = Founding {
        root_email: Some("root@b.example".into()),
        root_key: Some(("AKIAROOTROOTROOTROOT".into(), Secret::new("s".repeat(40)))),
        ..Founding::default()
    };
    world.service.found(founding, "test").unwrap();
    let root = Key::long_term("AKIAROOTROOTROOTROOT");
    world.ok(&root, "CreateUser", &[("UserName", "ann")]);
    let made = world.head();
    world.ok(&root, "ListUsers", &[]);
    let ask = |given: &[(&str, &str)]| {
        let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let question = Question::parse("reports/root-usage", &given).unwrap();
        let caller = world.caller(&root).unwrap();
        // What was noted before it is on disk once a question was answered.
        audit::run(&world.service, &caller, Question::Head, None).unwrap();
        audit::run(&world.service, &caller, question, None).unwrap()
    };
    let report = ask(&[]);
    let told = |what: &str| -> Vec<String> {
        let rows = rows(&report, "what", what).into_iter();
        rows.map(|row| row["operation"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told("change"), ["CreateUser"]);
    assert_eq!(rows(&report, "what", "change")[0]["event"], made);
    let requests = told("request");
    assert!(requests.contains(&"iam:ListUsers".to_owned()), "{requests:?}");
    assert!(requests.contains(&"iam:CreateUser".to_owned()), "{requests:?}");
    assert_eq!(report["summary"]["access_keys"], 1);
    assert!(report["summary"]["last_used"].is_string());
    let later = ask(&[("from", "2030-01-01")]);
    assert!(later["rows"].as_array().unwrap().is_empty(), "{later}");
}

#[test]
fn whoever_can_become_an_administrator_is_privileged() {
    let world = company(348);
    let made = report(&world, "privileged", &[], None);
    let of = |name: &str| rows(&made, "principal", name).into_iter().next();
    for is in ["root", "user/admin", "user/ann", "role/boss", "role/deploy"] {
        assert_eq!(of(is).unwrap_or_else(|| panic!("{is}: {made}"))["how"], "is", "{is}");
    }
    let kim = of("user/kim").unwrap();
    assert_eq!(kim["how"], "can become");
    let step = kim["steps"][0].as_str().unwrap();
    assert!(step.starts_with("user/kim: sts:AssumeRole on arn:aws:iam::"), "{step}");
    assert!(step.ends_with(":role/boss: acts as role/boss"), "{step}");
    assert!(of("user/joe").is_none());
    let before = world.head() - 1;
    let then = report(&world, "privileged", &[], Some(&format!("@{before}")));
    assert!(rows(&then, "principal", "user/kim").is_empty(), "{then}");
}

#[test]
fn joiners_movers_and_leavers_are_told_with_the_time_to_disable() {
    let world = company(349);
    let from = format!("@{}", world.head());
    world.clock.advance(5 * 3_600);
    let crew = |user| [("GroupName", "crew"), ("UserName", user)];
    world.ok(&world.admin, "RemoveUserFromGroup", &crew("kim"));
    world.clock.advance(2 * 3_600);
    disable(&world, "kim");
    let disabled = world.head();
    disable(&world, "joe");
    world.ok(&world.admin, "RemoveUserFromGroup", &crew("joe"));
    let made = report(&world, "joiner-mover-leaver", &[("from", &from)], None);
    let kim = rows(&made, "user", "user/kim");
    let steps: Vec<&str> = kim.iter().map(|row| row["movement"].as_str().unwrap()).collect();
    assert_eq!(steps, ["moved", "disabled"], "{made}");
    assert_eq!(kim[0]["what"], "- group/crew");
    assert_eq!(kim[1]["event"], disabled);
    assert_eq!(
        (kim[1]["left_by"].as_str(), kim[1]["hours_to_disable"].as_u64()),
        (Some("first revocation"), Some(3))
    );
    let joe = rows(&made, "user", "user/joe");
    assert_eq!(joe[0]["left"], "2026-01-02T00:00:00Z");
    assert_eq!(joe[0]["left_by"], "tag");
    assert!(joe[0]["hours_to_disable"].as_u64().unwrap() > 24 * 30);
    // Over all time, every user that was made has joined.
    let all = report(&world, "joiner-mover-leaver", &[], None);
    let made: u64 = events(&world)
        .iter()
        .flat_map(|(_, event)| &event.changes)
        .filter(|change| matches!(change, Change::UserCreated(_)))
        .count() as u64;
    assert_eq!(all["summary"]["joined"], made);
    let gone = events(&world)
        .iter()
        .flat_map(|(_, event)| &event.changes)
        .filter(|change| matches!(change, Change::UserDeleted(_)))
        .count() as u64;
    assert_eq!(all["summary"]["left"], gone);
}
