//! A trail of CloudTrail brought in by the program itself: records a second, and how much more memory ten times the
//! trail needs at most.
//!
//! The trail is of two kinds: of changes alone, which is the most work that there can be, and mixed as real trails of
//! IAM, STS and sign-in are, of which nine records in ten read. Reading, sorting, replaying, syncing and the start and
//! end of the process all count.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::start::program;
use crate::{Outcome, ROUNDS};

const ACCOUNT: &str = "123456789012";
/// Records of a file.
const FILE: usize = 5_000;
/// Users, however long the trail is: what a name costs is another matter.
const USERS: usize = 1_000;
/// The day that the trail begins, in seconds since the epoch.
const BEGINS: u64 = 1_767_225_600;

/// The figures of this part; `records` are those of the larger trail.
pub fn measure(records: usize, figures: &mut Figures) -> Outcome<()> {
    let Some(program) = program().filter(|program| program.exists()) else {
        figures.note(
            "The program is not built, so that imports were not measured: cargo build --release --bin domesday",
        );
        return Ok(());
    };
    for (what, reads) in [("changes alone", 0), ("nine in ten read", 9)] {
        let folder = tempfile::tempdir()?;
        let (small, large) = (folder.path().join("small"), folder.path().join("large"));
        write_trail(&small, records / 10, reads)?;
        write_trail(&large, records, reads)?;
        let (mut rates, mut few, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            few.push(import(&program, &small)?.1);
            let (took, peak) = import(&program, &large)?;
            rates.push(records as f64 / took.as_secs_f64());
            many.push(peak);
        }
        figures.add(Figure {
            what: format!("import of {records} records, {what}"),
            ours: rates,
            floor: Vec::new(),
            unit: Unit::PerSecond,
            goal: Goal::AtLeast(50_000.0),
        });
        figures.add(Figure {
            what: format!("its memory at most, {what}; floor: a tenth of the records"),
            ours: many,
            floor: few,
            unit: Unit::Mebibytes,
            goal: Goal::TimesFloor(1.2),
        });
    }
    Ok(())
}

/// A trail of users who come, and whose policies and tags change from then on.
fn write_trail(folder: &Path, records: usize, reads: usize) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    let mut number = 0;
    for file in 0..records.div_ceil(FILE) {
        let path = folder.join(format!("{file:06}.json.gz"));
        let mut packed = GzEncoder::new(std::fs::File::create(path)?, Compression::fast());
        packed.write_all(b"{\"Records\":[")?;
        for place in 0..FILE.min(records - file * FILE) {
            let before = if place == 0 { "" } else { "," };
            write!(packed, "{before}{}", record(number, reads))?;
            number += 1;
        }
        packed.write_all(b"]}")?;
        packed.finish()?;
    }
    Ok(())
}

fn record(number: usize, reads: usize) -> serde_json::Value {
    let is_read = !number.is_multiple_of(reads + 1);
    let change = number / (reads + 1);
    let user = change % USERS;
    let name = format!("user-{user}");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b{change}"}}]}}"#
    );
    let (operation, asked, answered) = match (is_read, change / USERS) {
        (true, _) => ("GetUser", json!({ "userName": name }), json!(null)),
        (_, 0) => (
            "CreateUser",
            json!({ "userName": name, "tags": [{ "key": "team", "value": "shop" }] }),
            json!({ "user": { "userName": name, "userId": format!("AIDA{user:017}"), "path": "/" } }),
        ),
        (_, turn) => match turn % 4 {
            1 => (
                "AttachUserPolicy",
                json!({ "userName": name, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess" }),
                json!(null),
            ),
            2 => (
                "PutUserPolicy",
                json!({ "userName": name, "policyName": "own", "policyDocument": policy }),
                json!(null),
            ),
            3 => (
                "TagUser",
                json!({ "userName": name, "tags": [{ "key": "cost", "value": change.to_string() }] }),
                json!(null),
            ),
            _ => (
                "DetachUserPolicy",
                json!({ "userName": name, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess" }),
                json!(null),
            ),
        },
    };
    let second = BEGINS + (number / 3) as u64;
    let time = domesday::base::time::Timestamp::from_seconds(second).to_string();
    json!({
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDAADMIN{:012}", change % 50), "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/admin-{}", change % 50),
            "accessKeyId": format!("AKIAADMIN{:011}", change % 50), "userName": format!("admin-{}", change % 50),
        },
        "eventTime": time, "eventSource": "iam.amazonaws.com", "eventName": operation, "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11",
        "requestParameters": asked, "responseElements": answered,
        "requestID": format!("{number:08}-1111-4111-8111-111111111111"),
        "eventID": format!("{number:08}-2222-4222-8222-222222222222"),
        "readOnly": is_read, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": { "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": "iam.amazonaws.com" },
    })
}

/// Brings a trail into a fresh folder: how long it took, and the memory at most in MiB.
fn import(program: &Path, trail: &Path) -> Outcome<(Duration, f64)> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let mut child = Command::new(program)
        .args([
            "import",
            "cloudtrail",
            "--from-empty",
            "--account",
            ACCOUNT,
            "-o",
            "json",
            "--data",
        ])
        .arg(folder.path().join("data"))
        .arg(trail)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes =
            line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0.0) / 1024.0);
        if let Some(ended) = child.try_wait()? {
            let took = began.elapsed();
            return match ended.success() {
                true => Ok((took, peak)),
                false => Err("the import failed".into()),
            };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
