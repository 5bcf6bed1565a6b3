//! Exports: held against the log, against what was answered, against the schema, and against damage.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use domesday::identity::Event;
use domesday::ledger::note::VerifierKey;
use domesday::ledger::{AccountId, Frame};
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::service::audit::log;
use domesday::service::caller::Caller;
use domesday::service::exports::check;
use domesday::service::exports::sink::{Folder, Sink};
use domesday::service::exports::{Ask, Kind, Manifest, run};
use domesday::service::fault::Fault;
use domesday::service::moment::Moment;
use domesday::service::notary::verifier;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

mod damage;

use super::ocsf_schema;
use super::world::{Authenticator, Key, World};

/// The files of an export, in memory; full after so many bytes.
#[derive(Default)]
pub struct Held {
    files: BTreeMap<String, Vec<u8>>,
    open: String,
    room: Option<usize>,
}

impl Sink for Held {
    fn begin(&mut self, path: &str) -> io::Result<()> {
        path.clone_into(&mut self.open);
        assert!(self.files.insert(path.to_owned(), Vec::new()).is_none(), "{path} twice");
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(room) = &mut self.room {
            let left = room.checked_sub(bytes.len());
            *room = left.ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        self.files.get_mut(&self.open).unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.open.clear();
        Ok(())
    }
}

fn ask(kind: Kind) -> Ask {
    Ask { kind, from: None, to: None, receipts: false }
}

fn to_sink(
    world: &World,
    ask: &Ask,
    at: Option<&str>,
    sink: &mut dyn Sink,
) -> Result<Manifest, Fault> {
    to_sink_as(world, &world.caller(&world.admin).unwrap(), ask, at, sink)
}

fn to_sink_as(
    world: &World,
    caller: &Caller,
    ask: &Ask,
    at: Option<&str>,
    sink: &mut dyn Sink,
) -> Result<Manifest, Fault> {
    let moment = at.map(|text| Moment::parse(text).unwrap());
    run(&world.service, caller, ask, moment, sink)
}

/// The files that somebody is given.
pub fn given_to(
    world: &World,
    caller: &Caller,
    kind: Kind,
) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let mut held = Held::default();
    to_sink_as(world, caller, &ask(kind), None, &mut held)?;
    Ok(held.files)
}

fn held(world: &World, ask: &Ask) -> BTreeMap<String, Vec<u8>> {
    let mut held = Held::default();
    to_sink(world, ask, None, &mut held).unwrap();
    held.files
}

fn to_folder(world: &World, ask: &Ask, place: &Path) -> Manifest {
    let mut folder = Folder::new(place).unwrap();
    let manifest = to_sink(world, ask, None, &mut folder).unwrap();
    folder.finish().unwrap();
    manifest
}

pub fn lines(text: &[u8]) -> Vec<Value> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn unpacked(bytes: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All records of an export of CloudTrail.
pub fn records(files: &BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    let logs = files.iter().filter(|(path, _)| path.contains("/CloudTrail/"));
    let mut records: Vec<Value> = logs
        .flat_map(|(_, bytes)| unpacked(bytes)["Records"].take().as_array().unwrap().clone())
        .collect();
    records.sort_by_key(|record| {
        let data = &record["additionalEventData"];
        (data["ledgerPosition"].as_u64(), data["receipt"].as_u64())
    });
    records
}

/// The ledger's key.
fn key(world: &World) -> VerifierKey {
    verifier(&world.service.checkpoint_keys().unwrap()[0]).unwrap()
}

/// What is wrong with an export.
fn problems(place: &Path, key: &VerifierKey) -> Vec<String> {
    check::check(place, Some(key)).unwrap().problems
}

fn account(world: &World) -> AccountId {
    world.service.now().get(AccountId::SYSTEM, &ACCOUNTS, &world.digits).unwrap().unwrap()
}

const DOCUMENT: &str = "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:Get*\", \"Resource\": \"*\"}]}";
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const PASSWORD: &str = "Correct-Horse-7-battery";

fn trust(world: &World) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}]}}"#,
        world.digits
    )
}

/// A life that has something of everything, over some hours; returns what was answered, by operation.
fn life(world: &World) -> BTreeMap<&'static str, Value> {
    let admin = &world.admin;
    let mut answers = BTreeMap::new();
    let mut do_it = |operation: &'static str, parameters: &[(&str, &str)]| {
        let answer = world.ok(admin, operation, parameters);
        answers.insert(operation, answer.clone());
        answer
    };
    let team = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "=red")];
    let user = [&[("UserName", "alice"), ("Path", "/staff/")][..], &team].concat();
    do_it("CreateUser", &user);
    do_it("CreateGroup", &[("GroupName", "readers")]);
    do_it("AddUserToGroup", &[("GroupName", "readers"), ("UserName", "alice")]);
    let policy = format!("arn:aws:iam::{}:policy/read", world.digits);
    do_it(
        "CreatePolicy",
        &[("PolicyName", "read"), ("PolicyDocument", DOCUMENT), ("Description", "reads")],
    );
    do_it("AttachGroupPolicy", &[("GroupName", "readers"), ("PolicyArn", &policy)]);
    world.clock.advance(7_200);
    do_it(
        "CreatePolicyVersion",
        &[("PolicyArn", &policy), ("PolicyDocument", DOCUMENT), ("SetAsDefault", "true")],
    );
    let trust = trust(world);
    do_it(
        "CreateRole",
        &[
            ("RoleName", "deploy"),
            ("AssumeRolePolicyDocument", &trust),
            ("PermissionsBoundary", &policy),
            ("MaxSessionDuration", "7200"),
        ],
    );
    do_it("DeleteRolePermissionsBoundary", &[("RoleName", "deploy")]);
    do_it(
        "PutRolePolicy",
        &[("RoleName", "deploy"), ("PolicyName", "all"), ("PolicyDocument", ALL)],
    );
    do_it("UpdateRoleDescription", &[("RoleName", "deploy"), ("Description", "deploys")]);
    do_it("CreateInstanceProfile", &[("InstanceProfileName", "machine")]);
    do_it(
        "AddRoleToInstanceProfile",
        &[("InstanceProfileName", "machine"), ("RoleName", "deploy")],
    );
    do_it("CreateAccessKey", &[("UserName", "alice")]);
    do_it(
        "CreateLoginProfile",
        &[("UserName", "alice"), ("Password", PASSWORD), ("PasswordResetRequired", "false")],
    );
    do_it("UpdateLoginProfile", &[("UserName", "alice"), ("PasswordResetRequired", "true")]);
    let device = do_it("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "alice-phone")]);
    let app = Authenticator::of(&device);
    let [one, two] = app.pair(world.service.clock().now());
    do_it(
        "EnableMFADevice",
        &[
            ("UserName", "alice"),
            ("SerialNumber", &app.serial),
            ("AuthenticationCode1", &one),
            ("AuthenticationCode2", &two),
        ],
    );
    do_it("DeactivateMFADevice", &[("UserName", "alice"), ("SerialNumber", &app.serial)]);
    do_it(
        "CreateServiceSpecificCredential",
        &[("UserName", "alice"), ("ServiceName", "codecommit.amazonaws.com")],
    );
    do_it(
        "UpdateAccountPasswordPolicy",
        &[("MinimumPasswordLength", "12"), ("RequireSymbols", "true")],
    );
    world.clock.advance(86_400);
    do_it("CreateAccountAlias", &[("AccountAlias", "example")]);
    do_it("UpdateUser", &[("UserName", "alice"), ("NewUserName", "alina")]);
    // A session of a role acts, and one of a user.
    let role = format!("arn:aws:iam::{}:role/deploy", world.digits);
    let session = world.ok(
        admin,
        "AssumeRole",
        &[
            ("RoleArn", &role),
            ("RoleSessionName", "release-7"),
            ("SourceIdentity", "carol"),
            ("DurationSeconds", "900"),
            ("Tags.member.1.Key", "ticket"),
            ("Tags.member.1.Value", "T-1"),
        ],
    );
    answers.insert("AssumeRole", session.clone());
    let session = Key::of(&session);
    world.ok(&session, "CreateUser", &[("UserName", "made-by-deploy")]);
    world.ok(&session, "DeleteUser", &[("UserName", "made-by-deploy")]);
    let nobody = world.user("nobody-special");
    world.refused(&nobody, "CreateUser", &[("UserName", "eve")], "AccessDenied");
    let token = world.ok(&nobody, "GetSessionToken", &[]);
    world.refused(&Key::of(&token), "DeleteUser", &[("UserName", "alina")], "AccessDenied");
    world.refused(
        &nobody,
        "AssumeRole",
        &[("RoleArn", &role), ("RoleSessionName", "in-vain")],
        "AccessDenied",
    );
    world.ok(admin, "DeleteLoginProfile", &[("UserName", "alina")]);
    answers
}

fn lived(seed: u64) -> (World, BTreeMap<&'static str, Value>) {
    let world = World::new(seed);
    let answers = life(&world);
    (world, answers)
}

#[test]
fn every_line_is_what_the_log_says_and_proves_itself() {
    let (world, _) = lived(501);
    let view = world.service.now();
    let account = account(&world);
    let found = lines(&held(&world, &ask(Kind::Ndjson))["events.ndjson"]);
    let mut expected = Vec::new();
    world
        .service
        .ledger()
        .read(1, &mut |position, frame: &Frame<'_>| {
            if frame.header.account == account {
                let event = Event::decode(frame.body).unwrap();
                expected.push((
                    log::entry(world.service.activity(), &view, position, frame, &event).unwrap(),
                    frame.header.sequence,
                ));
            }
            Ok(true)
        })
        .unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found.len() > 25);
    for (line, (entry, sequence)) in found.iter().zip(&expected) {
        for (name, value) in entry.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name} of {entry}");
        }
        assert_eq!(line["sequence"], *sequence);
    }
    let csv = String::from_utf8(held(&world, &ask(Kind::Csv))["events.csv"].clone()).unwrap();
    assert_eq!(csv.lines().count(), found.len() + 1);
}

/// A field of an answer as CloudTrail writes it.
fn camel(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(camel).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| {
                    let mut letters = name.chars();
                    let first = letters.next().unwrap().to_ascii_lowercase();
                    (format!("{first}{}", letters.as_str()), camel(value))
                })
                .collect(),
        ),
        value => value.clone(),
    }
}

#[test]
fn records_tell_what_was_answered_and_no_secret() {
    let (world, answers) = lived(502);
    let files = held(&world, &Ask { receipts: true, ..ask(Kind::CloudTrail) });
    let records = records(&files);
    let of = |name: &str| {
        let mut found = records.iter().filter(|record| record["eventName"] == name);
        found.next().unwrap_or_else(|| panic!("no record of {name}"))
    };
    for (operation, answer) in &answers {
        let record = of(operation);
        let mut expected = camel(answer);
        if let Some(fields) = expected.as_object_mut() {
            fields.retain(|name, _| {
                ![
                    "packedPolicySize",
                    "sessionTokenSize",
                    "sessionTokenUtilization",
                    "sourceIdentity",
                ]
                .contains(&name.as_str())
            });
        }
        // Dates are written as IAM's records have them, and secrets are left out.
        let secrets = [
            "secretAccessKey",
            "sessionToken",
            "base32StringSeed",
            "qRCodePNG",
            "servicePassword",
            "serviceUserName",
            "serviceCredentialAlias",
            "serviceCredentialSecret",
        ];
        fn same(path: &str, expected: &Value, found: &Value, secrets: &[&str]) {
            match expected {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        let at = format!("{path}.{name}");
                        if secrets.contains(&name.as_str()) {
                            assert!(found.get(name).is_none(), "{at} is told");
                        } else if name.ends_with("Date") || name == "expiration" {
                            let written =
                                found[name].as_str().unwrap_or_else(|| panic!("{at} is missing"));
                            assert!(
                                written.ends_with("AM") || written.ends_with("PM"),
                                "{at}: {written}"
                            );
                        } else {
                            same(&at, value, &found[name], secrets);
                        }
                    }
                }
                other => assert_eq!(other, found, "{path}"),
            }
        }
        if operation.starts_with("UpdateRoleDescription") || *operation == "UpdateRole" {
            assert_eq!(record["responseElements"]["role"]["description"], "deploys");
        } else if expected.is_null() {
            assert!(record["responseElements"].is_null(), "{operation}");
        } else {
            same(operation, &expected, &record["responseElements"], &secrets);
        }
    }
    let user = of("CreateUser");
    assert_eq!(user["eventVersion"], "1.11");
    assert_eq!(user["eventSource"], "iam.amazonaws.com");
    assert_eq!(user["requestParameters"]["tags"], json!([{ "key": "team", "value": "=red" }]));
    assert_eq!(user["userIdentity"]["type"], "IAMUser");
    assert_eq!(user["userIdentity"]["userName"], "admin");
    assert_eq!(user["sourceIPAddress"], "10.1.2.3");
    assert_eq!(user["readOnly"], false);
    assert_eq!(user["recipientAccountId"], world.digits.as_str());
    assert_eq!(of("CreatePolicy")["requestParameters"]["policyDocument"], DOCUMENT);
    assert_eq!(of("CreateRole")["requestParameters"]["maxSessionDuration"], 7200);
    assert_eq!(of("CreateLoginProfile")["requestParameters"]["passwordResetRequired"], false);
    assert_eq!(of("FoundAccount")["userIdentity"]["type"], "AWSService");
    // The session of the role, with the person behind it.
    let by_role = records
        .iter()
        .find(|record| record["requestParameters"]["userName"] == "made-by-deploy")
        .unwrap();
    let identity = &by_role["userIdentity"];
    assert_eq!(identity["type"], "AssumedRole");
    let arn = format!("arn:aws:sts::{}:assumed-role/deploy/release-7", world.digits);
    assert_eq!(identity["arn"], arn.as_str());
    assert!(identity["principalId"].as_str().unwrap().ends_with(":release-7"));
    assert_eq!(identity["sessionContext"]["sessionIssuer"]["userName"], "deploy");
    assert_eq!(identity["sessionContext"]["attributes"]["mfaAuthenticated"], "false");
    assert_eq!(identity["sessionContext"]["sourceIdentity"], "carol");
    assert_eq!(by_role["additionalEventData"]["ticket"], "T-1");
    // What was refused.
    let denied: Vec<&Value> =
        records.iter().filter(|record| record["errorCode"] == "AccessDenied").collect();
    assert_eq!(denied.len(), 3);
    let eve = denied.iter().find(|record| record["eventName"] == "CreateUser").unwrap();
    let told = eve["errorMessage"].as_str().unwrap();
    assert!(told.contains("is not authorized to perform: iam:CreateUser"), "{told}");
    assert!(told.contains("because no identity-based policy allows"), "{told}");
    assert_eq!(eve["userIdentity"]["userName"], "nobody-special");
    let assumed = of("AssumeRole");
    assert_eq!(assumed["requestParameters"]["roleSessionName"], "release-7");
    assert_eq!(assumed["requestParameters"]["durationSeconds"], 900);
    assert_eq!(assumed["resources"][0]["type"], "AWS::IAM::Role");
    assert_eq!(assumed["eventSource"], "sts.amazonaws.com");
    let mut ids: Vec<&str> =
        records.iter().map(|record| record["eventID"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), records.len());
    let all: String = records.iter().map(Value::to_string).collect();
    assert!(!all.contains(PASSWORD));
    let key = answers["CreateAccessKey"]["AccessKey"]["SecretAccessKey"].as_str().unwrap();
    assert!(!all.contains(key));
}

#[test]
fn events_and_receipts_are_valid_by_the_schema() {
    let (world, _) = lived(503);
    let files = held(&world, &Ask { receipts: true, ..ask(Kind::Ocsf) });
    let (events, receipts) =
        (lines(&files["events.ocsf.ndjson"]), lines(&files["receipts.ocsf.ndjson"]));
    for event in events.iter().chain(&receipts) {
        assert_eq!(ocsf_schema::problems(event), Vec::<String>::new(), "{event}");
    }
    let of = |name: &str| {
        let mut all = events.iter().chain(&receipts);
        let found = all.find(|event| event["api"]["operation"] == name).unwrap();
        (found["class_uid"].as_u64().unwrap(), found["activity_id"].as_u64().unwrap(), found)
    };
    let (class, activity, added) = of("AddUserToGroup");
    assert_eq!((class, activity), (3006, 3));
    assert_eq!(added["user"]["name"], "alice");
    assert_eq!(added["group"]["name"], "readers");
    for (name, class, activity) in [
        ("EnableMFADevice", 3001, 10),
        ("UpdateLoginProfile", 3001, 4),
        ("CreateAccessKey", 3004, 1),
        ("AssumeRole", 3002, 7),
        ("CreateUser", 3001, 1),
    ] {
        assert_eq!((of(name).0, of(name).1), (class, activity), "{name}");
    }
    let denied = receipts.iter().find(|event| event["status_id"] == 2).unwrap();
    assert_eq!(denied["status_code"], "AccessDenied");
}

#[test]
fn the_same_range_is_the_same_to_the_byte_and_any_range_is_whole() {
    let (world, _) = lived(504);
    let entries = lines(&held(&world, &ask(Kind::Ndjson))["events.ndjson"]);
    let times: Vec<&str> =
        entries.iter().map(|entry| entry["happened_at"].as_str().unwrap()).collect();
    let positions: Vec<u64> =
        entries.iter().map(|entry| entry["position"].as_u64().unwrap()).collect();
    let at = |text: String| Some(Moment::parse(&text).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (number, kind) in
        [Kind::CloudTrail, Kind::Ocsf, Kind::Ndjson, Kind::Csv].into_iter().enumerate()
    {
        let receipts = kind != Kind::Csv;
        let whole = Ask { receipts, ..ask(kind) };
        assert_eq!(held(&world, &whole), held(&world, &whole), "{kind:?}");
        let last = entries.len() - 1;
        for (first, end) in [(0, last), (3, 9), (7, 7), (9, 3), (last, last)] {
            for by_time in [true, false] {
                let (from, to) = match by_time {
                    true => (times[first].to_owned(), times[end].to_owned()),
                    false => (format!("@{}", positions[first]), format!("@{}", positions[end])),
                };
                let ask = Ask { from: at(from), to: at(to), receipts, kind };
                let place = folder.path().join(format!("{number}-{first}-{end}-{by_time}"));
                let manifest = to_folder(&world, &ask, &place);
                let naive = (0..entries.len())
                    .filter(|at| match by_time {
                        true => times[*at] >= times[first] && times[*at] < times[end],
                        false => {
                            positions[*at] > positions[first] && positions[*at] <= positions[end]
                        }
                    })
                    .count();
                assert_eq!(manifest.events.count, naive as u64, "{ask:?}");
                let checked = check::check(&place, Some(&key(&world))).unwrap();
                assert_eq!(checked.problems, Vec::<String>::new(), "{ask:?}");
                assert_eq!(checked.events, naive as u64);
            }
        }
    }
}

#[test]
fn authorization_details_are_those_of_the_moment() {
    let (world, _) = lived(508);
    let before = world.head();
    let shown = |at: Option<&str>| -> Value {
        let mut held = Held::default();
        to_sink(&world, &ask(Kind::AuthorizationDetails), at, &mut held).unwrap();
        serde_json::from_slice(&held.files["authorization-details.json"]).unwrap()
    };
    let then = shown(None);
    let names = |value: &Value, list: &str, name: &str| -> Vec<String> {
        value[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item[name].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&then, "UserDetailList", "UserName"), ["admin", "alina", "nobody-special"]);
    assert_eq!(names(&then, "RoleDetailList", "RoleName"), ["deploy"]);
    assert_eq!(names(&then, "GroupDetailList", "GroupName"), ["readers"]);
    assert_eq!(names(&then, "Policies", "PolicyName"), ["read", "AdministratorAccess"]);
    let document = &then["Policies"][0]["PolicyVersionList"][0]["Document"];
    assert_eq!(document, &serde_json::from_str::<Value>(DOCUMENT).unwrap());
    assert!(then["UserDetailList"][0]["CreateDate"].as_str().unwrap().ends_with("+00:00"));
    world.ok(&world.admin, "CreateUser", &[("UserName", "later")]);
    assert_ne!(shown(None), then);
    assert_eq!(shown(Some(&format!("@{before}"))), then);
}

#[test]
fn exporting_is_a_permission_of_its_own_and_leaves_a_receipt() {
    let (world, _) = lived(509);
    let clerk = world.user("clerk");
    let export = |kind| {
        let caller = world.caller(&clerk).unwrap();
        run(&world.service, &caller, &ask(kind), None, &mut Held::default())
    };
    assert_eq!(export(Kind::Ndjson).unwrap_err().code, "AccessDenied");
    let resource = format!("arn:aws:domesday::{}:export/ndjson", world.digits);
    world.allow("clerk", "domesday:Export", &resource);
    assert!(export(Kind::Ndjson).is_ok());
    assert_eq!(export(Kind::CloudTrail).unwrap_err().code, "AccessDenied");
    let mut kinds = Vec::new();
    world
        .service
        .activity()
        .receipts(1, &mut |_, receipt| {
            if receipt.action == "domesday:Export" {
                kinds.push(format!("{:?}", receipt.kind));
            }
            Ok(true)
        })
        .unwrap();
    assert_eq!(kinds, ["ImplicitDeny", "AuditRead", "ImplicitDeny"]);
}

#[test]
fn cells_of_csv_are_no_formulas() {
    let world = World::new(510);
    let trust = trust(&world);
    let role = [("RoleName", "r"), ("AssumeRolePolicyDocument", trust.as_str())];
    world.ok(&world.admin, "CreateRole", &role);
    let all = [("RoleName", "r"), ("PolicyName", "all"), ("PolicyDocument", ALL)];
    world.ok(&world.admin, "PutRolePolicy", &all);
    let arn = format!("arn:aws:iam::{}:role/r", world.digits);
    for (number, name) in ["=1+1", "-2+3", "@sum", "+1,2"].into_iter().enumerate() {
        let assumed = [("RoleArn", arn.as_str()), ("RoleSessionName", name)];
        let session = Key::of(&world.ok(&world.admin, "AssumeRole", &assumed));
        world.ok(&session, "CreateUser", &[("UserName", &format!("=user-{number}"))]);
    }
    let text = held(&world, &ask(Kind::Csv))["events.csv"].clone();
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let mut guarded = 0;
    for row in reader.records() {
        for cell in row.unwrap().iter() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            guarded += usize::from(cell.starts_with('\''));
        }
    }
    // The names of sessions; those of users have `user/` before them.
    assert_eq!(guarded, 4);
    let agent = domesday::base::text::csv_cell("=HYPERLINK(\"x\")");
    assert_eq!(agent, "\"'=HYPERLINK(\"\"x\"\")\"");
}
