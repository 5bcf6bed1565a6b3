//! Questions of auditors by the real program: at the folder, through the socket of a server that runs on it, and
//! over HTTP, signed.

use super::program::{Client, KEY, Program, SECRET, command, command_with, data};

#[test]
fn access_and_who_can_are_answered_by_every_door() {
    let folder = tempfile::tempdir().unwrap();
    let path = data(folder.path());
    let path = path.to_str().unwrap();
    let program = Program::start(folder.path());
    let mut client = Client::connect(&program.address).unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","iam:PutUserPolicy"],"Resource":"*"}]}"#;
    let user = ("UserName", "alice");
    for (operation, parameters) in [
        ("CreateUser", &[user][..]),
        ("PutUserPolicy", &[user, ("PolicyName", "p"), ("PolicyDocument", policy)]),
        ("DeleteUserPolicy", &[user, ("PolicyName", "p")]),
        ("PutUserPolicy", &[user, ("PolicyName", "p"), ("PolicyDocument", policy)]),
    ] {
        let (status, body) = client.ask("/", operation, parameters).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    let head: u64 = {
        let (_, told) = command(&["head", "--data", path]);
        told.trim().trim_start_matches('@').parse().unwrap()
    };
    let asked = ["access", "alice", "s3:GetObject", "arn:aws:s3:::b/k"];
    let at_socket = command(&[&asked[..], &["--data", path, "-o", "json"]].concat());
    let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let endpoint = ["--endpoint", &program.url, "-o", "json"];
    let over_http = command_with(&[&asked[..], &endpoint].concat(), &variables);
    assert_eq!((at_socket.0, &at_socket.1), (0, &over_http.1));
    let answer: serde_json::Value = serde_json::from_str(&at_socket.1).unwrap();
    let intervals = answer["intervals"].as_array().unwrap();
    let bounds = |number: usize| {
        let event = |bound: &str| intervals[number][bound]["event"].as_u64();
        (event("opened_by"), event("closed_by"))
    };
    assert_eq!((bounds(0), bounds(1)), ((Some(head - 2), Some(head - 1)), (Some(head), None)));
    assert_eq!(intervals[0]["opened_by"]["address"], "127.0.0.1");
    let window = ["--from", &format!("@{}", head - 2), "--to", &format!("@{}", head - 1)];
    let who = ["who-can", "s3:GetObject", "arn:aws:s3:::b/k", "--data", path];
    let (status, told) = command(&[&who[..], &window].concat());
    assert_eq!(status, 0, "{told}");
    let line = told.lines().find(|line| line.trim_start().starts_with("user/alice"));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains(&format!("@{} PutUserPolicy", head - 2)), "{told}");
    program.stop();

    // And at the folder itself.
    let (status, told) = command(&[&asked[..], &["--data", path]].concat());
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("still") && told.lines().count() == 3, "{told}");
    assert!(told.contains("without MFA"), "{told}");
    let climbs = ["who-can", "iam:DeleteUser", "*", "--escalation", "--data", path];
    let (status, told) = command(&climbs);
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("iam:PutUserPolicy by user/alice"), "{told}");
    let (status, told) = command(&[&asked[..], &["--during", "2026-Q9", "--data", path]].concat());
    assert_eq!(status, 2, "{told}");
    let (status, told) = command(&[&asked[..], &["--during", "1999", "--data", path]].concat());
    assert_eq!((status, told.lines().count()), (0, 1), "{told}");
}

/// A user whom at most one managed policy was attached to: its access key.
fn user(client: &mut Client, name: &str, policy: Option<&str>) -> (String, String) {
    let named = ("UserName", name);
    let mut ask = |operation: &str, parameters: &[(&str, &str)]| {
        let (status, body) = client.ask("/", operation, parameters).unwrap();
        assert_eq!(status, 200, "{body}");
        body
    };
    ask("CreateUser", &[named]);
    if let Some(policy) = policy {
        ask("AttachUserPolicy", &[named, ("PolicyArn", policy)]);
    }
    let made = ask("CreateAccessKey", &[named]);
    let told = |field: &str| {
        let (_, rest) = made.split_once(&format!("<{field}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    (told("AccessKeyId"), told("SecretAccessKey"))
}

#[test]
fn over_http_an_auditor_asks_everything_and_a_user_without_policies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let mut client = Client::connect(&program.address).unwrap();
    let policy = "arn:aws:iam::aws:policy/DomesdayAuditor";
    let auditor = user(&mut client, "auditor", Some(policy));
    let nobody = user(&mut client, "nobody", None);
    let run = |(key, secret): &(String, String), arguments: &[&str]| {
        let variables =
            [("AWS_ACCESS_KEY_ID", key.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
        command_with(&[arguments, &["--endpoint", &program.url]].concat(), &variables)
    };
    let what = ["iam:DeleteUser", "*"];
    // Beside each, whether it ends with 1 to say something.
    let mut questions: Vec<(Vec<&str>, bool)> = vec![
        (vec!["head"], false),
        (vec!["log"], false),
        (vec!["log", "--outcome", "denied"], false),
        (vec!["log", "--at", "@3"], false),
        (vec!["show", "user/auditor"], false),
        (vec!["can", "auditor", what[0], what[1]], true),
        (vec!["access", "auditor", what[0], what[1]], false),
        (vec!["who-can", what[0], what[1], "--escalation"], false),
        (vec!["who-can", what[0], what[1], "--during", "2026"], false),
        (vec!["diff", "--from", "@2"], true),
        (vec!["replay"], false),
        (vec!["what-if", "--detach", policy, "--from", "user/auditor"], true),
        (vec!["organization", "show"], false),
        (vec!["key"], false),
        (vec!["checkpoint"], false),
        (vec!["prove", "2"], false),
    ];
    let reports = [
        "credential",
        "mfa-coverage",
        "keys",
        "dormant",
        "root-usage",
        "privileged",
        "direct-grants",
        "joiner-mover-leaver",
        "password-policy",
    ];
    questions.extend(reports.map(|name| (vec!["report", name], false)));
    let refused = "user/nobody is not authorized to perform: domesday:";
    let evidence = folder.path().join("evidence.json");
    let with_evidence = ["--evidence", evidence.to_str().unwrap()];
    for (question, tells) in &questions {
        let (status, told) = run(&auditor, question);
        assert!(status == 0 || (*tells && status == 1), "{question:?}: {status} {told}");
        let (status, told) = run(&nobody, question);
        assert!(status == 2 && told.contains(refused), "{question:?}: {status} {told}");
    }
    let (status, told) = run(&auditor, &[&questions[6].0[..], &with_evidence].concat());
    assert!(status == 0 && evidence.is_file(), "{told}");
    for kind in ["cloudtrail", "ocsf", "ndjson", "csv", "authorization-details"] {
        let [full, empty] =
            ["full", "empty"].map(|name| folder.path().join(format!("{name}-{kind}")));
        let (status, told) = run(&auditor, &["export", kind, full.to_str().unwrap()]);
        assert!(status == 0 && full.join("MANIFEST.json").is_file(), "{kind}: {told}");
        let (status, told) = run(&nobody, &["export", kind, empty.to_str().unwrap()]);
        assert!(status == 2 && told.contains(refused), "{kind}: {told}");
        assert!(!empty.join("MANIFEST.json").exists());
    }
    program.stop();
}
