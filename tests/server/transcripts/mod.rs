//! Transcripts: text tables of sessions with the service - caller, command, status, fields - that are
//! played against a real program, or any endpoint, and compared letter by letter. The tables are in
//! `fixtures/transcripts/`, whose README.md explains them.
//!
//! `DOMESDAY_UPDATE_TRANSCRIPTS=1` writes the answers into the tables instead of comparing them.

mod answer;
mod coverage;
mod names;
mod place;
mod table;
mod xml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use domesday::base::clock::{Clock, SystemClock};
use domesday::base::sigv4::Credentials;
use domesday::base::totp;
use domesday::service::limits::{Model, model};
use domesday::service::operation::Api;

use self::names::Names;
use self::place::Place;
use self::table::{Entry, Row, Times};

macro_rules! transcripts {
    ($( $name:ident )*) => {
        /// Every transcript has a test of its own.
        const FILES: &[&str] = &[$( stringify!($name) ),*];
        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )*
    };
}

transcripts! {
    access_keys account account_details attachments boundaries callers credential_reports denied errors
    groups inline instance_profiles last_accessed login_profiles mfa_devices paging password_policy policies
    quotas roles root
    service_credentials simulation sts tags users versions
}

/// How long an answer that is expected eventually is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether answers are written down rather than compared.
fn updates() -> bool {
    std::env::var("DOMESDAY_UPDATE_TRANSCRIPTS").is_ok_and(|value| value == "1")
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/transcripts"))
}

fn read(name: &str) -> String {
    let path = folder().join(format!("{name}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The service whose operation it is; IAM for what is none.
fn model_of(action: &str) -> (Api, &'static Model) {
    let of = |api| (api, model(api).unwrap());
    let sts = of(Api::Sts);
    if sts.1.operations.contains_key(action) { sts } else { of(Api::Iam) }
}

fn play(name: &str) {
    let text = read(name);
    let before = table::parse(&text).unwrap_or_else(|error| panic!("{name}.txt: {error}"));
    if text.contains(".Code") {
        // All codes of devices are to be of one step: it has just begun.
        let into = SystemClock.now().seconds() % totp::STEP;
        if into > totp::STEP / 3 {
            std::thread::sleep(Duration::from_secs(totp::STEP - into));
        }
    }
    let mut stage = Stage::open(name == "root");
    if name == "root" && stage.place.resident("root").is_none() {
        println!("skipped: there are no credentials of the root user");
        return;
    }
    let found = stage.inventory();
    let mut after = Vec::new();
    let mut differences = Vec::new();
    let mut broken = Vec::new();
    for entry in before {
        let Entry::Row(row) = entry else {
            if let Entry::Let { name, text } = &entry {
                stage.names.define(name, text);
            }
            after.push(entry);
            continue;
        };
        let line = row.line;
        let answer = match stage.play(&row) {
            Ok(answer) => Some(answer),
            Err(error) => {
                broken.push(format!("{name}.txt:{line}: {error}"));
                None
            }
        };
        let played = Row { answer, ..row.clone() };
        if played.answer != row.answer {
            let (row, played) = (row.to_text(), played.to_text());
            differences.push(format!("line {line}\n  written: {row}\n  played:  {played}"));
        }
        after.push(Entry::Row(played));
    }
    let after = table::write(&after);
    if updates() {
        std::fs::write(folder().join(format!("{name}.txt")), &after).unwrap();
    }
    // What breaks the model or cannot be played is never written down as right.
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(stage.inventory(), found, "{name}.txt does not clean up after itself");
    if updates() {
        return;
    }
    assert!(differences.is_empty(), "{name}.txt: {}", differences.join("\n"));
    assert_eq!(after, text, "{name}.txt is not laid out as an update lays it out");
}

/// A transcript being played.
struct Stage {
    place: Place,
    names: Names,
}

impl Stage {
    fn open(with_root_key: bool) -> Self {
        let place = Place::open(with_root_key);
        let names = Names::new(place.now());
        let mut stage = Stage { place, names };
        let body = stage.ask("admin", "GetCallerIdentity", &[]).unwrap().1;
        let part = |name: &str| {
            let after = body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{body}")).1;
            after.split_once('<').unwrap().0.to_owned()
        };
        stage.names.set("account", &part("Account"));
        let admin = part("UserId");
        stage.names.label(&admin, "admin");
        stage.names.bind("admin", "UserId", &admin);
        stage
    }

    /// Counts of what the account holds, with its alias.
    fn inventory(&mut self) -> Vec<String> {
        let summary = self.ask("admin", "GetAccountSummary", &[]).unwrap().1;
        let aliases = self.ask("admin", "ListAccountAliases", &[]).unwrap().1;
        let counted = [
            "Groups",
            "InstanceProfiles",
            "MFADevices",
            "Policies",
            "PolicyVersionsInUse",
            "Roles",
            "Users",
        ];
        let mut found: Vec<String> = counted
            .iter()
            .map(|name| {
                let after = summary.split(&format!("<key>{name}</key><value>")).nth(1).unwrap();
                format!("{} {name}", after.split('<').next().unwrap())
            })
            .collect();
        let alias = aliases.split("<member>").nth(1).map(|rest| rest.split('<').next().unwrap());
        found.extend(alias.map(str::to_owned));
        found
    }

    /// Somebody who was there before, or whose key or session this transcript made.
    fn credentials(&self, caller: &str) -> Result<Option<Credentials>, String> {
        if let Some(resident) = self.place.resident(caller) {
            return Ok(resident);
        }
        for label in [format!("{caller}.key"), caller.to_owned()] {
            let part = |name: &str| self.names.get(&format!("{label}.{name}"));
            if let (Some(key), Some(secret)) = (part("AccessKeyId"), part("SecretAccessKey")) {
                let token = part("SessionToken");
                return Ok(Some(crate::program::credentials(key, secret, token)));
            }
        }
        Err(format!("{caller} has no credentials"))
    }

    fn ask(
        &mut self,
        caller: &str,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<(u16, String), String> {
        let (api, model) = model_of(action);
        let mut form = vec![("Action", action)];
        if parameters.iter().all(|(name, _)| name != "Version") {
            form.push(("Version", model.version.as_str()));
        }
        form.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let credentials = self.credentials(caller)?;
        self.names.now = self.place.now();
        self.place.send(api.prefix(), credentials.as_ref(), &place::form(&form))
    }

    /// Makes a row's call, as often as it says; status and fields of the last answer.
    fn play(&mut self, row: &Row) -> Result<(u16, String), String> {
        let times = match row.times {
            Times::Exactly(times) => times,
            Times::Eventually if updates() => {
                std::thread::sleep(Duration::from_secs(1));
                1
            }
            Times::Eventually => {
                let begun = Instant::now();
                loop {
                    let answer = self.repeat(row, 1)?;
                    if row.answer.as_ref() == Some(&answer) || begun.elapsed() > PATIENCE {
                        return Ok(answer);
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        };
        self.repeat(row, times)
    }

    fn repeat(&mut self, row: &Row, times: usize) -> Result<(u16, String), String> {
        let (action, rest) = row.command.split_once(' ').unwrap_or((&row.command, ""));
        let written = table::pairs(rest)?;
        let mut status = None;
        for number in 1..=times {
            self.names.set("n", &number.to_string());
            let mut parameters = Vec::new();
            for (name, value) in &written {
                parameters.push((name.clone(), self.names.expand(value)?));
            }
            let (found, body) = self.ask(&row.caller, action, &parameters)?;
            if status.is_some_and(|before| before != found) {
                return Err(format!("the call number {number} was answered {found}: {body}"));
            }
            status = Some(found);
            if number == times {
                let parameters: BTreeMap<_, _> = parameters.into_iter().collect();
                let asked = answer::Asked { caller: &row.caller, action, parameters: &parameters };
                let model = model_of(action).1;
                let fields = answer::fields(model, &asked, found, &body, &mut self.names);
                return Ok((found, fields.map_err(|error| format!("{action}: {error}\n{body}"))?));
            }
        }
        Err("a row that is played no time".to_owned())
    }
}
