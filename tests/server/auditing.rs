//! `log`, `replay`, `what-if` and `report` as commands: by an endpoint and by a folder, in every form, with
//! their exit statuses.

use std::path::Path;

use serde_json::Value;

use super::program::{Client, KEY, Program, SECRET, command, command_with, data};

const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}]}"#;
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// A folder with some users, made one after the other, and a file.
fn prepare(folder: &Path) -> Program {
    let program = Program::start(folder);
    let mut client = Client::connect(&program.address).unwrap();
    for user in ["ann", "ben", "cleo"] {
        let (status, body) = client.ask("/", "CreateUser", &[("UserName", user)]).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    std::fs::write(folder.join("deny.json"), DENY).unwrap();
    // Too long for an address.
    let long = NOTHING.replace("\"Effect\"", &format!("{}\"Effect\"", " ".repeat(3_000)));
    std::fs::write(folder.join("nothing.json"), long).unwrap();
    program
}

/// Runs a command on a running server and, when it has stopped, on its folder; both must agree.
struct Both {
    endpoint: Vec<(i32, String)>,
    folder: Vec<(i32, String)>,
}

fn run(commands: &[&[&str]]) -> (tempfile::TempDir, Both) {
    let folder = tempfile::tempdir().unwrap();
    let program = prepare(folder.path());
    let here = |text: &&str| text.replace("FILES", folder.path().to_str().unwrap());
    let commands: Vec<Vec<String>> =
        commands.iter().map(|one| one.iter().map(here).collect()).collect();
    let variables = [
        ("DOMESDAY_ENDPOINT", program.url.as_str()),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let arguments =
        |one: &[String]| one.iter().map(String::as_str).collect::<Vec<_>>().join("\u{0}");
    let run = |one: &Vec<String>, more: &[&str], variables: &[(&str, &str)]| {
        let text = arguments(one);
        let all: Vec<&str> = text.split('\u{0}').chain(more.iter().copied()).collect();
        match variables.is_empty() {
            true => command(&all),
            false => command_with(&all, variables),
        }
    };
    let endpoint = commands.iter().map(|one| run(one, &[], &variables)).collect();
    program.stop();
    let path = data(folder.path());
    let by_folder = ["--data", path.to_str().unwrap()];
    let of_folder = commands.iter().map(|one| run(one, &by_folder, &[])).collect();
    (folder, Both { endpoint, folder: of_folder })
}

fn json(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[test]
fn the_log_comes_in_every_form_and_goes_on_where_it_ended() {
    let create = ["log", "--operation", "CreateUser"];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    let commands = [
        with(&["-o", "json", "--limit", "1"]),
        with(&["-o", "ndjson"]),
        with(&["-o", "csv", "--order", "oldest"]),
        with(&["--during", "1999"]),
        with(&[]),
        vec!["log", "--limit", "many"],
        vec!["log", "--during", "2026", "--from", "@1"],
    ];
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    let (folder, both) = run(&commands);
    for found in [&both.endpoint, &both.folder] {
        let page = json(&found[0].1);
        assert_eq!((found[0].0, page["events"].as_array().unwrap().len()), (0, 1));
        let newest = &page["events"][0];
        assert_eq!(newest["target"]["name"], "user/cleo");
        let changed = newest["changed"].as_array().unwrap();
        let name = changed.iter().find(|one| one["field"] == "name").unwrap();
        assert_eq!((&name["before"], &name["after"]), (&Value::Null, &Value::from("cleo")));
        let lines: Vec<Value> = found[1].1.lines().map(json).collect();
        let names: Vec<&str> =
            lines.iter().map(|one| one["target"]["name"].as_str().unwrap()).collect();
        assert_eq!(names[..3], ["user/cleo", "user/ben", "user/ann"]);
        let csv: Vec<&str> = found[2].1.lines().collect();
        assert!(csv[0].starts_with("position,happened_at,operation,"));
        assert!(csv[csv.len() - 1].contains("user/cleo"), "{csv:?}");
        assert_eq!((found[3].0, found[3].1.lines().count()), (0, 1), "{}", found[3].1);
        assert!(found[4].1.contains("PERSON") && found[4].1.contains("user/admin"));
        assert_eq!((found[5].0, found[6].0), (2, 2));
    }
    // Both name the same event, and the cursor of one is good for the other.
    assert_eq!(json(&both.endpoint[0].1)["events"], json(&both.folder[0].1)["events"]);
    let next = json(&both.endpoint[0].1)["next"].as_str().unwrap().to_owned();
    let path = data(folder.path());
    let path = path.to_str().unwrap();
    let more = ["--cursor", &next, "--data", path, "-o", "json", "--limit", "1"];
    let (status, output) = command(&[&create[..], &more].concat());
    assert_eq!(
        (status, json(&output)["events"][0]["target"]["name"].as_str()),
        (0, Some("user/ben"))
    );
    // The event's own page tells the same, and documents line by line.
    let position = json(&output)["events"][0]["position"].to_string();
    let (status, shown) = command(&["show", &format!("@{position}"), "--data", path, "-o", "json"]);
    assert_eq!(status, 0);
    assert_eq!(json(&shown)["changed"], json(&output)["events"][0]["changed"]);
}

#[test]
fn replay_and_what_if_say_by_their_exit_status_whether_anything_differs() {
    let deny: &[&str] = &["what-if", "--attach", "FILES/deny.json", "--to", "admin"];
    let commands: [&[&str]; 8] = [
        &["replay", "-o", "json"],
        &["replay", "--now"],
        deny,
        &["what-if", "--attach", "FILES/deny.json", "--to", "ann", "-o", "json"],
        &["what-if", "--attach", "FILES/nothing.json", "--to", "admin", "-o", "json"],
        &["what-if", "--attach", "FILES/none.json", "--to", "admin"],
        &["what-if", "--to", "admin"],
        &["what-if", "--attach", "FILES/deny.json", "--to", "admin", "-o", "csv", "--over", "1d"],
    ];
    let (_folder, both) = run(&commands);
    for found in [&both.endpoint, &both.folder] {
        let replay = json(&found[0].1);
        assert_eq!((found[0].0, replay["different"].as_u64()), (0, Some(0)));
        assert!(replay["same"].as_u64().unwrap() >= 3);
        assert_eq!(found[1].0, 0, "{}", found[1].1);
        assert_eq!(found[2].0, 1, "{}", found[2].1);
        assert!(found[2].1.contains("3 would be denied, 0 newly allowed"), "{}", found[2].1);
        assert_eq!((found[3].0, json(&found[3].1)["examined"].as_u64()), (0, Some(0)));
        let nothing = json(&found[4].1);
        assert_eq!((found[4].0, nothing["would_deny"].as_u64()), (0, Some(0)));
        assert!(nothing["examined"].as_u64().unwrap() >= 3);
        assert_eq!((found[5].0, found[6].0), (2, 2));
        let csv: Vec<&str> = found[7].1.lines().collect();
        assert_eq!((found[7].0, csv.len()), (1, 4), "{csv:?}");
        assert!(csv[1].ends_with(",allowed,allowed,explicitDeny"), "{}", csv[1]);
    }
}

#[test]
fn a_report_is_generated_again_by_the_command_that_it_prints() {
    let commands: [&[&str]; 5] = [
        &["report", "mfa-coverage", "-o", "json"],
        &["report", "keys"],
        &["report", "credential", "-o", "csv"],
        &["report", "nothing"],
        &["report", "keys", "--during", "2026"],
    ];
    let (folder, both) = run(&commands);
    for found in [&both.endpoint, &both.folder] {
        let made = json(&found[0].1);
        assert_eq!((found[0].0, made["summary"]["sign_in"].as_u64()), (0, Some(1)));
        assert!(found[1].1.contains("again: domesday report keys --at 20"), "{}", found[1].1);
        assert!(found[1].1.contains("for SOC 2 CC6.1"), "{}", found[1].1);
        assert!(found[2].1.starts_with("user,arn,user_creation_time,"), "{}", found[2].1);
        assert!(found[2].1.contains("<root_account>"));
        assert_eq!((found[3].0, found[4].0), (2, 2));
        let again = made["again"].as_str().unwrap();
        let path = data(folder.path());
        let again: Vec<&str> = again.split(' ').skip(1).collect();
        let more = ["-o", "json", "--data", path.to_str().unwrap()];
        let (status, output) = command(&[&again[..], &more].concat());
        assert_eq!(status, 0, "{output}");
        assert_eq!(output, found[0].1);
    }
}

/// The disk behind both outputs is full: the command says so by its status, and ends by no panic.
#[test]
fn outputs_that_take_nothing_are_a_failure_like_others() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nothing");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_domesday"));
    let asked = command.arg("head").arg("--data").arg(&data).env_clear();
    let status = asked.stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2), "there is no ledger");
}

/// What an operator reads of the whole store stands in the store's own account, by the socket and by the folder.
#[test]
fn who_read_the_store_is_listed_under_its_own_account() {
    let folder = tempfile::tempdir().unwrap();
    let program = prepare(folder.path());
    let data = data(folder.path());
    let data = data.to_str().unwrap();
    let store = ["--data", data, "--account", "000000000000", "-o", "ndjson"];
    let asked = |words: &[&str]| {
        let (status, text) = command(&[words, &store[..]].concat());
        assert_eq!(status, 0, "{text}");
        // That there is more is told beside it.
        let lines = text.lines().filter(|line| line.starts_with("{"));
        let entries = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries
            .map(|entry| entry["asked"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(command(&["head", "--data", data]).0, 0);
    assert_eq!(asked(&["log", "--outcome", "read"]), ["log", "head"]);
    program.stop();
    assert_eq!(command(&["key", "--data", data]).0, 0);
    assert_eq!(asked(&["log", "--outcome", "read", "--limit", "2"]), ["log", "key"]);
    // Of nothing else is it an account.
    let (status, text) = command(&["report", "keys", "--data", data, "--account", "000000000000"]);
    assert_eq!(status, 2, "{text}");
}
