//! The program, run on files: what it prints, and how it exits.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run came to.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn run(folder: &Path, arguments: &[&str], stdin: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_domesday"))
        .arg("policy")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy-tests")
}

fn suite_files() -> Vec<String> {
    let entries = std::fs::read_dir(suite()).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    files.sort();
    files
}

#[test]
fn the_suite_holds() {
    let files = suite_files();
    let mut arguments = vec!["test", "-o", "ndjson"];
    arguments.extend(files.iter().map(String::as_str));
    let ran = run(&suite(), &arguments, "");
    let rows: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wrong: Vec<&Value> = rows.iter().filter(|row| row["passed"] != true).collect();
    assert!(wrong.is_empty() && ran.status == 0, "{} {wrong:#?} {}", wrong.len(), ran.stderr);
    assert!(rows.len() >= 300, "{} cases", rows.len());
    // It would be no table of semantics if one answer were always right.
    for outcome in ["allowed", "implicitDeny", "explicitDeny"] {
        assert!(rows.iter().filter(|row| row["decision"] == outcome).count() > 30, "{outcome}");
    }
    // What decided is said: of an explicit denial, the statement; of an implicit one, the gate.
    for row in &rows {
        let statements = row["statements"].as_array().unwrap();
        match row["decision"].as_str().unwrap() {
            "explicitDeny" => assert!(
                statements.iter().all(|one| one["effect"] == "Deny") && !statements.is_empty()
            ),
            "implicitDeny" => assert!(row["because"].as_str().unwrap().starts_with("because no ")),
            _ => assert!(row["because"].is_null()),
        }
    }
}

const DIFFERS: &str = concat!(
    r#"{"name":"may read","request":{"principal":"arn:aws:iam::111122223333:user/a","action":"s3:GetObject","resource":"arn:aws:s3:::b/x"},"#,
    r#""policies":{"identity":[{"name":"readers","policy":{"Version":"2012-10-17","Statement":{"Sid":"One","Effect":"Allow","Action":"s3:*","Resource":"*"}}}]},"expected":"allowed"}"#,
    "\n\n",
    r#"{"name":"may not <write>","request":{"principal":"arn:aws:iam::111122223333:user/a","action":"s3:PutObject","resource":"arn:aws:s3:::b/x"},"#,
    r#""policies":{"identity":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}}},"expected":"allowed"}"#,
    "\n",
);

#[test]
fn a_difference_is_told_with_both_answers() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["test", "-"], DIFFERS);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let expected = "\
ok  may read: allowed by identity-based policy readers, statement 1 (One)
NO  may not <write>: implicitDeny, but expected allowed
    -:3: arn:aws:iam::111122223333:user/a s3:PutObject arn:aws:s3:::b/x
    implicitDeny because no identity-based policy allows the s3:PutObject action
    identity-based policy identity 1, statement 1 would allow, but for Bool aws:ViaAWSService
    asked for and not in the context: aws:ViaAWSService
2 cases, 1 differs
";
    assert_eq!(ran.stdout, expected);
    let ran = run(folder.path(), &["test", "-o", "junit", "-"], DIFFERS);
    assert_eq!(ran.status, 1);
    assert!(
        ran.stdout.contains("<testsuites name=\"domesday policy test\" tests=\"2\" failures=\"1\"")
    );
    assert!(
        ran.stdout.contains("name=\"may not &lt;write&gt;\" classname=\"-\" file=\"-\" line=\"3\"")
    );
    assert!(ran.stdout.contains("<failure message=\"implicitDeny, but expected allowed\""));
    let ran = run(folder.path(), &["test", "-o", "csv", "-"], DIFFERS);
    assert!(ran.stdout.starts_with("file,line,name,passed,decision,expected,because,decided_by,"));
    assert_eq!(ran.stdout.lines().count(), 3);
    let ran = run(folder.path(), &["test", "-o", "json", "-"], DIFFERS);
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(rows[0]["statements"][0]["sid"], "One");
    assert_eq!(rows[1]["missing_context"][0], "aws:ViaAWSService");
}

#[test]
fn wrong_cases_end_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.json"), "{\n  \"Statement\": []\n}").unwrap();
    std::fs::write(
        folder.path().join("good.json"),
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    )
    .unwrap();
    let case = |request: &str, policies: &str, expected: &str| {
        format!(
            r#"{{"name":"x","request":{{{request}}},"policies":{{{policies}}},"expected":"{expected}"}}"#
        )
    };
    let plain =
        r#""principal":"arn:aws:iam::111122223333:user/a","action":"s3:GetObject","resource":"*""#;
    let good = case(plain, r#""identity":{"file":"good.json"}"#, "allowed");
    let ran = run(folder.path(), &["test", "-"], &good);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    for (text, told) in [
        ("".to_owned(), "-: there is no case in it"),
        ("{".to_owned(), "-:1:1: EOF"),
        (format!("{good}\nnull"), "-:2:4: invalid type: null"),
        (case(plain, "", "perhaps"), "unknown variant `perhaps`"),
        (good.replacen("name", "nam", 1), "-:1:6: unknown field `nam`"),
        (case(plain, r#""identiy":[]"#, "allowed"), "unknown field `identiy`"),
        (case(&plain.replace("user/a", "userx"), "", "allowed"), "is no caller"),
        (case(&plain.replace("1111", "11"), "", "allowed"), "is no caller"),
        (case(&plain.replace("s3:", ""), "", "allowed"), "is not service:Name"),
        (case(&format!(r#"{plain},"resource_account":"12""#), "", "allowed"), "12 digits"),
        (
            case(&format!(r#"{plain},"context":{{"a:b":"1","A:B":"2"}}"#), "", "allowed"),
            "given twice",
        ),
        (case(&format!(r#"{plain},"context":{{"a:b":{{}}}}"#), "", "allowed"), "takes a text"),
        (case(plain, r#""scp":[{"Statement":[]}]"#, "allowed"), "list of levels"),
        (case(plain, r#""scp":{}"#, "allowed"), "list of levels"),
        (case(plain, r#""identity":["x"]"#, "allowed"), "a policy document is a JSON object"),
        (
            case(plain, r#""identity":{"file":"bad.json"}"#, "allowed"),
            "bad.json:1:1: Syntax errors in policy.",
        ),
        (case(plain, r#""identity":{"file":"none.json"}"#, "allowed"), "none.json: No such file"),
        (case(plain, r#""identity":{"policy":{"policy":{}}}"#, "allowed"), "not wrapped twice"),
        (
            case(
                plain,
                r#""identity":[{"Statement":{"Effect":"Allow","Action":"x","Resource":"*"}}]"#,
                "allowed",
            ),
            "-:1:175: identity 1: Actions/Conditions must be prefaced by a vendor",
        ),
        (
            case(
                plain,
                &format!(r#""identity":[{}]"#, vec![r#"{"file":"good.json"}"#; 501].join(",")),
                "allowed",
            ),
            "at most 500 documents",
        ),
    ] {
        let ran = run(folder.path(), &["test", "-"], &text);
        assert_eq!(ran.status, 2, "{text}: {}", ran.stdout);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(told), "{text}\n{}", ran.stderr);
    }
    assert_eq!(run(folder.path(), &["test", "none.jsonl"], "").status, 2);
    assert_eq!(run(folder.path(), &["test"], "").status, 2);
}

#[test]
fn lint_tells_errors_and_warnings_and_exits_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.json", "{\n \"Version\": \"2012-10-17\"\n}\n");
    write(
        "slip.json",
        "{\n \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\",\n  \"Action\": [\"s3:GetObjct\"], \"Resource\": \"*\"}\n}\n",
    );
    write(
        "fine.json",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}"#,
    );
    let ran = run(folder.path(), &["lint", "broken.json", "slip.json", "fine.json"], "");
    assert_eq!(ran.status, 1);
    let expected = "\
broken.json:1:1: error MalformedPolicyDocument: Syntax errors in policy.
    a policy needs a Statement, and at least one in it
slip.json:4:14: warning unknown-action: \"s3:GetObjct\" matches nothing: s3 has no such action
    did you mean s3:GetObject?
3 files: 1 error, 1 warning
";
    assert_eq!(ran.stdout, expected);
    assert_eq!(run(folder.path(), &["lint", "slip.json"], "").status, 0);
    assert_eq!(run(folder.path(), &["lint", "--strict", "slip.json"], "").status, 1);
    assert_eq!(run(folder.path(), &["lint", "--strict", "fine.json"], "").status, 0);
    let ran = run(folder.path(), &["lint", "-o", "json", "slip.json"], "");
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&rows[0]["line"], &rows[0]["column"]), (&Value::from(4), &Value::from(14)));
    let ran = run(folder.path(), &["lint", "-o", "csv", "slip.json"], "");
    assert!(
        ran.stdout.starts_with("file,line,column,severity,code,message,advice\nslip.json,4,14,")
    );
    assert_eq!(run(folder.path(), &["lint", "-o", "ndjson", "fine.json"], "").stdout, "");
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}"#;
    assert_eq!(run(folder.path(), &["lint", "--strict", "-"], trust).status, 0);
    let ran = run(folder.path(), &["lint", "--kind", "identity", "-"], trust);
    assert!(ran.status == 1 && ran.stdout.contains("should not specify a principal"));
    for (arguments, told) in [
        (vec!["lint", "none.json"], "none.json: No such file"),
        (vec!["lint", "-o", "junit", "fine.json"], "only policy test answers as JUnit"),
        (vec!["lint", "--kind", "none", "fine.json"], "invalid value"),
    ] {
        let ran = run(folder.path(), &arguments, "");
        assert!(ran.status == 2 && ran.stderr.contains(told), "{arguments:?} {}", ran.stderr);
    }
    std::fs::write(folder.path().join("latin"), b"\"\xe9\"").unwrap();
    assert!(run(folder.path(), &["lint", "latin"], "").stderr.contains("not UTF-8 from byte 1 on"));
}
