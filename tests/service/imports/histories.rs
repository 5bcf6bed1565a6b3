//! Random histories of an ordinary account, written as a trail and brought into a fresh one: state and answers are
//! the same, at every time.

use std::collections::{BTreeSet, HashSet};

use domesday::base::random::{Random, SeededRandom, random_bytes};
use domesday::base::time::Timestamp;
use serde_json::{Value, json};

use super::recorder::{Recorder, comparable, details};
use super::{Import, oldest_first, question, without_positions};
use crate::world::World;

const SHARED: &str = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";

/// One random act. Within a bucket nothing is written twice in a way of which a trail does not tell the order.
fn act(recorder: &mut Recorder<'_>, random: &dyn Random, touched: &mut HashSet<String>) {
    let [what, one, two, three] = random_bytes::<4>(random).unwrap();
    let digits = recorder.world.digits.clone();
    let user = format!("u{}", one % 5);
    let group = format!("g{}", one % 3);
    let role = format!("r{}", one % 3);
    let policy = format!("p{}", two % 3);
    let own = format!("arn:aws:iam::{digits}:policy/{policy}");
    let any = if three % 2 == 0 { SHARED.to_owned() } else { own.clone() };
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["iam:Get*","s3:G{three}"],"Resource":"*"}}]}}"#
    );
    let principal = match three % 3 {
        0 => format!("arn:aws:iam::{digits}:root"),
        _ => format!("arn:aws:iam::{digits}:user/u{}", two % 5),
    };
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let (u, g, r) =
        (("UserName", user.as_str()), ("GroupName", group.as_str()), ("RoleName", role.as_str()));
    let p = ("PolicyArn", any.as_str());
    let inline = ("PolicyName", policy.as_str());
    let text = ("PolicyDocument", document.as_str());
    let tag = ("Tags.member.1.Value", policy.as_str());
    type Act<'a> = (&'a str, String, &'a [(&'a str, &'a str)]);
    let acts: [Act<'_>; 27] = [
        (
            "CreateUser",
            format!("make {user}"),
            &[u, ("Path", "/a/"), ("Tags.member.1.Key", "k"), tag],
        ),
        ("CreateUser", format!("make {user}"), &[u]),
        ("DeleteUser", String::new(), &[u]),
        ("AttachUserPolicy", String::new(), &[u, p]),
        ("DetachUserPolicy", String::new(), &[u, p]),
        ("PutUserPolicy", format!("put {user} {policy}"), &[u, inline, text]),
        ("DeleteUserPolicy", format!("put {user} {policy}"), &[u, inline]),
        ("CreateGroup", format!("make {group}"), &[g]),
        ("DeleteGroup", String::new(), &[g]),
        ("AddUserToGroup", String::new(), &[g, ("UserName", "u1")]),
        ("RemoveUserFromGroup", String::new(), &[g, ("UserName", "u1")]),
        ("AttachGroupPolicy", String::new(), &[g, p]),
        ("DetachGroupPolicy", String::new(), &[g, p]),
        ("CreateRole", format!("make {role}"), &[r, ("AssumeRolePolicyDocument", trust.as_str())]),
        (
            "UpdateAssumeRolePolicy",
            format!("make {role}"),
            &[r, ("PolicyDocument", trust.as_str())],
        ),
        ("DeleteRole", String::new(), &[r]),
        ("AttachRolePolicy", String::new(), &[r, p]),
        ("DetachRolePolicy", String::new(), &[r, p]),
        ("CreatePolicy", format!("make {policy}"), &[inline, text]),
        (
            "CreatePolicyVersion",
            format!("make {policy}"),
            &[("PolicyArn", own.as_str()), text, ("SetAsDefault", "true")],
        ),
        (
            "DeletePolicyVersion",
            format!("make {policy}"),
            &[("PolicyArn", own.as_str()), ("VersionId", "v1")],
        ),
        ("DeletePolicy", format!("make {policy}"), &[("PolicyArn", own.as_str())]),
        ("TagUser", format!("tag {user}"), &[u, ("Tags.member.1.Key", "k"), tag]),
        ("UntagUser", format!("tag {user}"), &[u, ("TagKeys.member.1", "k")]),
        (
            "PutUserPermissionsBoundary",
            format!("bound {user}"),
            &[u, ("PermissionsBoundary", SHARED)],
        ),
        ("DeleteUserPermissionsBoundary", format!("bound {user}"), &[u]),
        ("CreateAccessKey", String::new(), &[u]),
    ];
    let (operation, once, parameters) = &acts[usize::from(what) % acts.len()];
    // What a trust policy is bound to hangs on when exactly the user was made.
    if principal.contains(":user/") && parameters.iter().any(|(name, _)| name.contains("Document"))
    {
        let name = principal.rsplit('/').next().unwrap();
        let is_trust = matches!(*operation, "CreateRole" | "UpdateAssumeRolePolicy");
        if is_trust
            && (touched.contains(&format!("make {name}"))
                || touched.contains(&format!("gone {name}")))
        {
            return;
        }
        if is_trust {
            touched.insert(format!("make {name}"));
            touched.insert(format!("gone {name}"));
        }
    }
    let gone = format!("gone {user}");
    if *operation == "DeleteUser" && !touched.insert(gone) {
        return;
    }
    // Tags and boundaries that a user is made with are written then.
    let written = once.is_empty() || touched.insert(once.clone());
    if written {
        let _ = recorder.ask(operation, parameters);
    }
    if operation.starts_with("Create") && *operation == "CreateUser" {
        touched.insert(format!("tag {user}"));
    }
}

/// A history in buckets: the position and time at the end of each.
fn live(recorder: &mut Recorder<'_>, random: &dyn Random, buckets: usize) -> Vec<(u64, String)> {
    let mut ends = Vec::new();
    for _ in 0..buckets {
        let time = recorder.time();
        let mut touched = HashSet::new();
        while recorder.time() == time {
            act(recorder, random, &mut touched);
            // Each act takes a second: the next one would be of another time.
            let now = domesday::base::clock::Clock::now(&*recorder.world.clock).seconds();
            if now % recorder.bucket == recorder.bucket - 1 {
                break;
            }
        }
        ends.push((recorder.world.head(), time.to_string()));
        while recorder.time() == time {
            recorder.world.clock.advance(1);
        }
    }
    ends
}

/// Gives what was made after an instant the time that its record has: that of its bucket.
fn date_as_recorded(details: &mut Value, after: &str, bucket: u64) {
    match details {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| date_as_recorded(item, after, bucket))
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let made = field.as_str().filter(|_| name == "CreateDate").map(str::to_owned);
                match made.and_then(|made| Timestamp::parse(&made)) {
                    Some(made) if made > Timestamp::parse(after).unwrap() => {
                        let recorded = made.seconds() / bucket * bucket;
                        *field = Timestamp::from_seconds(recorded).to_string().into();
                    }
                    _ => date_as_recorded(field, after, bucket),
                }
            }
        }
        _ => {}
    }
}

fn shuffled(records: &[Value], random: &dyn Random) -> Vec<Value> {
    let mut keyed: Vec<(u64, Value)> = records
        .iter()
        .map(|record| (u64::from_be_bytes(random_bytes(random).unwrap()), record.clone()))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, record)| record).collect()
}

#[test]
fn a_history_that_was_brought_in_answers_as_the_account_did() {
    for seed in 0..3 {
        let source = World::new(500 + seed);
        let random = SeededRandom::new(seed);
        let mut recorder = Recorder::new(&source, 12);
        live(&mut recorder, &random, 6);
        let from = details(&source, &source.admin, None);
        let snapshot_at = recorder.time().plus_seconds(-1).to_string();
        recorder.records.clear();
        let ends = live(&mut recorder, &random, 25);
        let records = recorder.records.clone();
        let mut until = details(&source, &source.admin, None);
        date_as_recorded(&mut until, &snapshot_at, recorder.bucket);

        let import = Import::new(900 + seed);
        let begun = import.snapshot(&from, &snapshot_at).unwrap();
        assert_eq!(begun["state"], "based");
        // Whatever order the records are in.
        let report = import.trail(&shuffled(&records, &random)).unwrap();
        let failed = records.iter().filter(|record| record.get("errorCode").is_some()).count();
        assert_eq!(report["missing"], 0, "seed {seed}: {report:#}");
        assert_eq!(report["found"]["failed"], failed);
        assert_eq!(report["replayed"], records.len() - failed);
        let done = import.snapshot(&until, "2029-01-01").unwrap();
        assert_eq!(
            (&done["differences"], &done["completed"]),
            (&0.into(), &true.into()),
            "{done:#}"
        );

        let admin = import.admin(&source.digits);
        let operator = import.operator(&source.digits);
        let original = source.caller(&source.admin).unwrap();
        let mut actions = BTreeSet::new();
        for (position, time) in &ends {
            let then = details(&source, &source.admin, Some(&format!("@{position}")));
            let now = details(&import.world, &admin, Some(time));
            assert_eq!(comparable(&now), comparable(&then), "seed {seed}, {time}");
            for (action, resource) in [("iam:GetUser", "*"), ("s3:G7", "arn:aws:s3:::b/k")] {
                let asked = [("action", action), ("resource", resource)];
                let there =
                    question(&source, &original, "who-can", &asked, Some(&format!("@{position}")));
                let here = question(&import.world, &operator, "who-can", &asked, Some(time));
                let (there, here) = (there.unwrap(), here.unwrap());
                assert_eq!(
                    without_positions(&here),
                    without_positions(&there),
                    "seed {seed}, {time}"
                );
                actions.insert(here["principals"].as_array().unwrap().len());
                for user in ["u0", "u1", "u2"] {
                    let asked = [("principal", user), asked[0], asked[1]];
                    let there =
                        question(&source, &original, "can", &asked, Some(&format!("@{position}")));
                    let here = question(&import.world, &operator, "can", &asked, Some(time));
                    match (here, there) {
                        (Ok(here), Ok(there)) => {
                            assert_eq!(without_positions(&here), without_positions(&there));
                        }
                        (Err(here), Err(there)) => assert_eq!(here.code, there.code),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert!(actions.len() > 1, "the answers are not always the same: {actions:?}");
        for pair in ends.windows(9) {
            let ((one, from), (other, to)) = (&pair[0], &pair[8]);
            let there = [("from", format!("@{one}")), ("to", format!("@{other}"))];
            let there = there.each_ref().map(|(name, text)| (*name, text.as_str()));
            let here = [("from", from.as_str()), ("to", to.as_str())];
            let there = question(&source, &original, "diff", &there, None).unwrap();
            let here = question(&import.world, &operator, "diff", &here, None).unwrap();
            assert_eq!(changes(&here), changes(&there), "seed {seed}, {from} to {to}");
        }
        // Every byte is sound, and the rows are those of the events.
        domesday::service::audit::verify::verify(&import.world.service).unwrap();
    }
}

/// What was gained and lost, without the moments' own names.
fn changes(diff: &Value) -> Value {
    let mut plain = without_positions(diff);
    for side in ["from", "to"] {
        plain.as_object_mut().unwrap().remove(side);
    }
    plain
}

#[test]
fn records_tell_who_did_what_when_and_nothing_comes_in_twice() {
    let source = World::new(41);
    let mut recorder = Recorder::new(&source, 1);
    source.clock.advance(100);
    let from = details(&source, &source.admin, None);
    let at = recorder.time().to_string();
    source.clock.advance(10);
    recorder.ask("CreateUser", &[("UserName", "alice")]).unwrap();
    let made = recorder.time().to_string();
    recorder.ask("AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", SHARED)]).unwrap();
    let _ = recorder.ask("CreateUser", &[("UserName", "alice")]);
    let import = Import::new(42);
    import.snapshot(&from, &at).unwrap();
    let report = import.trail(&recorder.records).unwrap();
    assert_eq!((&report["replayed"], &report["found"]["failed"]), (&2.into(), &1.into()));
    let head = import.world.head();
    // The same again, and with one more.
    let again = import.trail(&recorder.records).unwrap();
    assert_eq!((&again["replayed"], &again["already_in"]), (&0.into(), &2.into()));
    assert_eq!(import.world.head(), head);
    recorder.ask("DeleteUserPolicy", &[("UserName", "alice"), ("PolicyName", "none")]).unwrap_err();
    recorder
        .ask(
            "TagUser",
            &[("UserName", "alice"), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")],
        )
        .unwrap();
    let more = import.trail(&recorder.records).unwrap();
    assert_eq!((&more["replayed"], &more["already_in"]), (&1.into(), &2.into()));
    assert_eq!(import.world.head(), head + 1);

    // Nothing is answered yet, whatever moment is asked for; what happened can be listed.
    let digits = source.digits.as_str();
    let asked = [("principal", "alice"), ("action", "iam:GetUser"), ("resource", "*")];
    let answer = import.question(digits, "can", &asked, None).unwrap();
    assert_eq!(answer["decision"], "unknown");
    let refused = import.question(digits, "who-can", &asked[1..], Some(&made)).unwrap_err();
    assert_eq!(refused.code, "ImportIncomplete");
    let account = import.operator(digits).account;
    let refused = import.world.service.recover_admin(account, "x", "test").unwrap_err();
    assert_eq!(refused.code, "ImportIncomplete");
    let log = import.question(digits, "events", &[("target", "alice")], None).unwrap();
    let events = oldest_first(&log);
    assert_eq!(events.len(), 3);
    let first = &events[0];
    assert_eq!(first["operation"], "CreateUser");
    assert_eq!(first["happened_at"], format!("{}.000000Z", made.trim_end_matches('Z')));
    assert_eq!(first["actor"]["name"], "user/admin");
    assert_eq!((&first["address"], &first["ticket"]), (&"192.0.2.7".into(), &"TICKET-1".into()));
    assert_eq!(first["request"], recorder.records[0]["eventID"]);

    let done = import.snapshot(&details(&source, &source.admin, None), &made).unwrap();
    assert_eq!(done["completed"], true);
    assert_eq!(import.question(digits, "can", &asked, None).unwrap()["decision"], "allowed");
    assert_eq!(
        import.question(digits, "can", &asked, Some(&made)).unwrap()["decision"],
        "implicitDeny"
    );
    let before = import.question(digits, "can", &asked, Some("2020-01-01")).unwrap();
    assert_eq!(before["decision"], "unknown");
    let refused = import.question(digits, "who-can", &asked[1..], Some("2020-01-01")).unwrap_err();
    assert_eq!(refused.code, "BeforeBaseline");
    // As it was known at a position from before it was complete, it is not known.
    let at = format!("@{head}");
    assert_eq!(import.question(digits, "can", &asked, Some(&at)).unwrap()["decision"], "unknown");
    let admin = import.admin(digits);
    let refused = import.world.ask(&admin, "ListUsers", &[], import.world.moment("2020-01-01"));
    assert_eq!(refused.unwrap_err().code, "BeforeBaseline");
    import.act("import-status", json!({})).unwrap();
    let used = import.world.service.activity();
    let key = domesday::identity::UniqueId::parse(&source.admin.id).unwrap();
    let now = domesday::base::time::Timestamp::parse("2029-01-01").unwrap();
    assert!(used.last_used(&key, now).unwrap().is_some(), "the use of a key is known");
    // A complete account takes no more records.
    assert!(import.trail(&recorder.records).unwrap_err().message.contains("over"));
}
