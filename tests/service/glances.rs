//! What pages show at a glance is what the operations tell one by one, now and in the past.

use domesday::base::time::Timestamp;
use domesday::service::audit::log::{self, Filter};
use domesday::service::moment::Moment;
use domesday::service::overview::Glance;
use domesday::service::overview::findings::Wrong;
use domesday::service::overview::lists::{UserFacts, UserLine, Wanted};
use serde_json::Value;

use crate::world::{Authenticator, World};

const USERS: usize = 36;
const DAY: i64 = 86_400;

/// Users of all sorts: with and without password, keys, devices and groups, used and unused, old and new.
fn populate(world: &World) {
    let ok = |operation: &str, parameters: &[(&str, &str)]| {
        world.ok(&world.admin, operation, parameters)
    };
    for group in ["few", "many"] {
        ok("CreateGroup", &[("GroupName", group)]);
    }
    for number in 0..USERS {
        // Neither in the order of their names, nor all in one case.
        let name = format!("{}{}", ["b", "A", "c"][number % 3], (number * 7) % USERS);
        let user = ("UserName", name.as_str());
        ok("CreateUser", &[user]);
        if number % 2 == 0 {
            ok("CreateLoginProfile", &[user, ("Password", "The book of 1086")]);
        }
        for key in 0..number % 3 {
            let made = ok("CreateAccessKey", &[user]);
            let id = made["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned();
            if number % 5 == 0 {
                let _ = world.ask(&crate::world::Key::long_term(&id), "GetUser", &[], None);
            }
            if (number + key) % 4 == 0 {
                ok("UpdateAccessKey", &[user, ("AccessKeyId", &id), ("Status", "Inactive")]);
            }
            world.clock.advance(DAY);
        }
        if number % 20 == 0 {
            ok("AddUserToGroup", &[user, ("GroupName", "few")]);
        }
        if number % 4 != 0 {
            ok("AddUserToGroup", &[user, ("GroupName", "many")]);
        }
        if number % 6 == 0 {
            let made = ok("CreateVirtualMFADevice", &[("VirtualMFADeviceName", &name)]);
            let device = Authenticator::of(&made);
            let [first, second] = device.pair(world.service.clock().now());
            let codes = [("AuthenticationCode1", first.as_str()), ("AuthenticationCode2", &second)];
            ok("EnableMFADevice", &[[user, ("SerialNumber", &device.serial)], codes].concat());
        }
        world.clock.advance(5 * DAY);
    }
    ok("RemoveUserFromGroup", &[("UserName", "b0"), ("GroupName", "few")]);
    ok("DeleteLoginProfile", &[("UserName", "b0")]);
    ok("UpdateUser", &[("UserName", "b21"), ("NewUserName", "zoe")]);
}

fn time(value: &Value) -> Option<Timestamp> {
    // Operations tell of seconds.
    value.as_str().map(|text| Timestamp::parse(text).unwrap())
}

/// Every user, by the operations about one thing each, in the order of names.
fn told(world: &World, moment: Option<Moment>) -> Vec<UserLine> {
    let ask = |operation: &str, parameters: &[(&str, &str)]| {
        world.ask(&world.admin, operation, parameters, moment)
    };
    let list = |operation: &str, name: &str, member: &str| -> Vec<Value> {
        ask(operation, &[("UserName", name)]).unwrap()[member].as_array().unwrap().clone()
    };
    let all = ask("ListUsers", &[("MaxItems", "1000")]).unwrap();
    let line = |user: &Value| {
        let name = user["UserName"].as_str().unwrap();
        let keys = list("ListAccessKeys", name, "AccessKeyMetadata");
        let active: Vec<&Value> = keys.iter().filter(|key| key["Status"] == "Active").collect();
        let used = |key: &Value| {
            let id = key["AccessKeyId"].as_str().unwrap();
            let used = ask("GetAccessKeyLastUsed", &[("AccessKeyId", id)]).unwrap();
            time(&used["AccessKeyLastUsed"]["LastUsedDate"])
        };
        UserLine {
            name: name.to_owned(),
            path: user["Path"].as_str().unwrap().to_owned(),
            created: time(&user["CreateDate"]).unwrap(),
            facts: Some(UserFacts {
                groups: list("ListGroupsForUser", name, "Groups").len(),
                mfa: list("ListMFADevices", name, "MFADevices").len(),
                password: ask("GetLoginProfile", &[("UserName", name)]).is_ok(),
                oldest_key: active.iter().filter_map(|key| time(&key["CreateDate"])).min(),
                active_keys: active.len(),
                last_activity: keys.iter().filter_map(used).max(),
                unknown: false,
            }),
        }
    };
    all["Users"].as_array().unwrap().iter().map(line).collect()
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}

/// To the second, as operations tell it.
fn shown(line: &UserLine) -> String {
    let mut line = line.clone();
    line.created = second(line.created);
    if let Some(facts) = &mut line.facts {
        facts.oldest_key = facts.oldest_key.map(second);
        facts.last_activity = facts.last_activity.map(second);
    }
    format!("{line:?}")
}

#[test]
fn a_list_of_users_has_of_each_what_operations_tell_in_every_order() {
    let world = World::new(900);
    populate(&world);
    let caller = world.caller(&world.admin).unwrap();
    let half = world.moment(&format!("@{}", world.head() / 2));
    for moment in [None, half] {
        let told = told(&world, moment);
        assert!(told.len() > 15);
        let glance = Glance::at(&world.service, &caller, moment.as_ref()).unwrap();
        for search in ["", "a", "B1"] {
            for sort in ["", "created", "activity", "mfa", "key", "groups"] {
                for descending in [false, true] {
                    let mut expected: Vec<&UserLine> = told
                        .iter()
                        .filter(|line| line.name.to_lowercase().contains(&search.to_lowercase()))
                        .collect();
                    let facts = |line: &&UserLine| line.facts.clone().unwrap();
                    match sort {
                        "created" => expected.sort_by_key(|line| line.created),
                        "activity" => expected.sort_by_key(|line| facts(line).last_activity),
                        "mfa" => expected.sort_by_key(|line| facts(line).mfa),
                        "key" => expected.sort_by_key(|line| facts(line).oldest_key),
                        "groups" => expected.sort_by_key(|line| facts(line).groups),
                        _ => {}
                    }
                    if descending {
                        expected.reverse();
                    }
                    let (search, sort) = (search.to_owned(), sort.to_owned());
                    let wanted = Wanted { search, sort, descending, page: 0 };
                    let page = glance.users(&wanted).unwrap();
                    let found: Vec<String> = page.lines.iter().map(shown).collect();
                    let expected: Vec<String> = expected.into_iter().map(shown).collect();
                    assert_eq!(found, expected, "{wanted:?} at {moment:?}");
                }
            }
        }
    }
}

#[test]
fn what_to_mend_is_what_operations_tell_of_users() {
    let world = World::new(901);
    populate(&world);
    let caller = world.caller(&world.admin).unwrap();
    let half = world.moment(&format!("@{}", world.head() * 3 / 4));
    for moment in [None, half] {
        let told = told(&world, moment);
        let glance = Glance::at(&world.service, &caller, moment.as_ref()).unwrap();
        let long_ago = glance.until().plus_seconds(-90 * DAY);
        let findings = glance.findings().unwrap();
        // Whom something is wrong with, and since when; longest first.
        type SinceWhen<'a> = &'a dyn Fn(&UserLine, &UserFacts) -> Option<Timestamp>;
        let check = |wrong: Wrong, since: SinceWhen<'_>| {
            let found = told.iter().filter_map(|line| {
                let since = since(line, line.facts.as_ref().unwrap())?;
                Some((since, &line.name))
            });
            let mut found: Vec<(Timestamp, &String)> = found.collect();
            found.sort();
            let names: Vec<&String> = found.into_iter().map(|(_, name)| name).collect();
            let found = findings.iter().find(|finding| finding.wrong == wrong);
            assert!(!names.is_empty(), "{wrong:?} at {moment:?} must be found to be tested");
            let found = found.unwrap();
            assert_eq!(found.count, names.len(), "{wrong:?} at {moment:?}");
            assert!(found.names.iter().eq(names.into_iter().take(5)), "{wrong:?} at {moment:?}");
        };
        check(Wrong::UsersWithoutMfa, &|line, facts| {
            (facts.password && facts.mfa == 0).then_some(line.created)
        });
        check(Wrong::OldKeys, &|_, facts| facts.oldest_key.filter(|at| *at < long_ago));
        check(Wrong::UnusedUsers, &|line, facts| {
            let has_any = facts.password || facts.active_keys > 0;
            let is_old =
                line.created < long_ago && facts.last_activity.is_none_or(|at| at < long_ago);
            (has_any && is_old).then(|| facts.last_activity.unwrap_or(line.created))
        });
    }
}

#[test]
fn lists_follow_every_change_of_what_they_list() {
    let world = World::new(904);
    let caller = world.caller(&world.admin).unwrap();
    let mut before: Vec<(Moment, Vec<String>)> = Vec::new();
    let users = world.ok(&world.admin, "ListUsers", &[]);
    let users = users["Users"].as_array().unwrap().iter();
    let first: Vec<String> =
        users.map(|user| user["UserName"].as_str().unwrap().to_owned()).collect();
    for (operation, parameters, expected) in [
        ("CreateUser", [("UserName", "dave"), ("Path", "/")], "dave"),
        ("CreateUser", [("UserName", "Bob"), ("Path", "/x/")], "Bob dave"),
        ("CreateUser", [("UserName", "carol"), ("Path", "/x/y/")], "Bob carol dave"),
        ("UpdateUser", [("UserName", "carol"), ("NewUserName", "Alice")], "Alice Bob dave"),
        ("UpdateUser", [("UserName", "dave"), ("NewPath", "/x/")], "Alice Bob dave"),
        ("CreateGroup", [("GroupName", "dave"), ("Path", "/")], "Alice Bob dave"),
        ("UpdateUser", [("UserName", "Bob"), ("NewUserName", "zoe")], "Alice dave zoe"),
        ("DeleteUser", [("UserName", "Alice"), ("", "")], "dave zoe"),
    ] {
        let parameters = parameters.into_iter().filter(|(name, _)| !name.is_empty());
        world.ok(&world.admin, operation, &parameters.collect::<Vec<_>>());
        let names = |moment: Option<&Moment>| -> Vec<String> {
            let glance = Glance::at(&world.service, &caller, moment).unwrap();
            let page = glance.users(&Wanted::default()).unwrap();
            page.lines.into_iter().map(|line| line.name).collect()
        };
        let listed = |prefix: &str| -> Vec<(String, String)> {
            let mut found = Vec::new();
            let mut marker: Option<String> = None;
            loop {
                let mut parameters = vec![("PathPrefix", prefix), ("MaxItems", "1")];
                parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
                let page = world.ok(&world.admin, "ListUsers", &parameters);
                let text = |user: &Value, member: &str| user[member].as_str().unwrap().to_owned();
                let users = page["Users"].as_array().unwrap().iter();
                found.extend(users.map(|user| (text(user, "UserName"), text(user, "Path"))));
                marker = page["Marker"].as_str().map(str::to_owned);
                if marker.is_none() {
                    return found;
                }
            }
        };
        for _ in 0..2 {
            let all = listed("/");
            let shown: Vec<&String> = all.iter().map(|(name, _)| name).collect();
            let made = shown.iter().filter(|name| !first.contains(name));
            assert!(made.eq(expected.split(' ').collect::<Vec<_>>().iter()), "after {operation}");
            assert!(shown.into_iter().eq(&names(None)), "after {operation}");
            for prefix in ["/x/", "/x/y/", "/z/"] {
                let under = all.iter().filter(|(_, path)| path.starts_with(prefix)).cloned();
                assert_eq!(listed(prefix), under.collect::<Vec<_>>(), "after {operation}");
            }
        }
        // Each moment again, in a row and one after the other.
        before.push((world.moment(&format!("@{}", world.head())).unwrap(), names(None)));
        for (moment, known) in before.iter().rev().chain(&before) {
            assert_eq!(names(Some(moment)), *known, "{moment} after {operation}");
        }
    }
}

#[test]
fn a_group_has_its_members_in_pages_whether_it_is_large_or_small() {
    let world = World::new(902);
    populate(&world);
    let half = world.moment(&format!("@{}", world.head() / 2));
    for moment in [None, half] {
        let ask = |operation: &str, parameters: &[(&str, &str)]| {
            world.ask(&world.admin, operation, parameters, moment).unwrap()
        };
        let names = |answer: &Value| -> Vec<String> {
            let users = answer["Users"].as_array().unwrap().iter();
            users.map(|user| user["UserName"].as_str().unwrap().to_owned()).collect()
        };
        let all = names(&ask("ListUsers", &[("MaxItems", "1000")]));
        let mut sizes = Vec::new();
        for group in ["few", "many"] {
            let is_in = |name: &&String| {
                let groups = ask("ListGroupsForUser", &[("UserName", name)]);
                let mut groups = groups["Groups"].as_array().unwrap().iter();
                groups.any(|found| found["GroupName"] == group)
            };
            let expected: Vec<String> = all.iter().filter(is_in).cloned().collect();
            let mut found = Vec::new();
            let mut marker: Option<String> = None;
            loop {
                let mut parameters = vec![("GroupName", group), ("MaxItems", "4")];
                if let Some(marker) = &marker {
                    parameters.push(("Marker", marker));
                }
                let page = ask("GetGroup", &parameters);
                assert_eq!(page["IsTruncated"], !page["Marker"].is_null());
                found.extend(names(&page));
                marker = page["Marker"].as_str().map(str::to_owned);
                if marker.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{group} at {moment:?}");
            sizes.push(found.len() * 8 > all.len());
        }
        assert_eq!(sizes, [false, true], "one is sought, the other read at once");
    }
}

#[test]
fn a_page_of_the_log_tells_what_changed_as_far_as_it_is_asked_to() {
    let world = World::new(903);
    populate(&world);
    let account = world.caller(&world.admin).unwrap().account;
    let now = world.service.now();
    let filter = Filter { limit: 20, ..Filter::default() };
    let page = |told| log::page(&world.service, account, &now, &filter, told).unwrap().events;
    let whole = page(usize::MAX);
    assert!(whole.iter().all(|entry| entry["changed"].is_array()));
    for told in [0, 1, 5, 12] {
        let mut left = told;
        for (mut entry, whole) in page(told).into_iter().zip(&whole) {
            let changes = whole["changes"].as_array().unwrap().len();
            if changes <= left {
                left -= changes;
                assert_eq!(&entry, whole);
            } else {
                assert!(entry.get("changed").is_none());
                entry["changed"] = whole["changed"].clone();
                assert_eq!(&entry, whole);
            }
        }
        assert!(left == 0 || told > 1, "{told}");
    }
}
