//! What can be given to a command: flags beat variables, variables beat the file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::Failure;
use super::import::ImportCommand;
use super::log::LogOptions;
use super::policy::PolicyCommand;
use super::replay::{ReplayOptions, WhatIfOptions};
use super::report::ReportOptions;
use crate::base::secret::Secret;

/// A self-hosted identity and access service on an event-sourced ledger.
#[derive(Parser, Debug)]
#[command(name = "domesday", version, about, propagate_version = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// The data folder, or `memory:` [variable DOMESDAY_DATA; ./domesday-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<String>,
    /// The master key's file [variable DOMESDAY_MASTER_KEY_FILE; DIR.key]
    #[arg(long, global = true, value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// A running server, asked with the usual AWS credentials [variable DOMESDAY_ENDPOINT]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "data")]
    pub endpoint: Option<String>,
    /// The account, where the store has several: 12 digits or alias; 000000000000 is the store's own, for `log`
    /// [variable DOMESDAY_ACCOUNT]
    #[arg(long, global = true, value_name = "ID")]
    pub account: Option<String>,
    /// Write the answer there, too, with proofs that its events are in the ledger (see `check`)
    #[arg(long, global = true, value_name = "FILE")]
    pub evidence: Option<PathBuf>,
    /// How to print the answer
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
}

/// How an answer is printed.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
    /// For CI servers, where it is tests that are answered (policy test).
    Junit,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the AWS IAM and STS protocol
    Serve(ServeOptions),
    /// Found a ledger and its first account without serving
    Init(FoundOptions),
    /// Further accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// The organisation's service and resource control policies over an account
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// How many events there are: @N
    Head(AtMoment),
    /// Who changed what, when, from where
    Log(LogOptions),
    /// One thing as it was: user/alice, role/x, an ARN, an id, @7
    Show {
        /// What to show
        thing: String,
        /// When
        #[command(flatten)]
        at: AtMoment,
    },
    /// May a principal do something, and why (exit 1: no, or it depends)
    Can(CanOptions),
    /// Check policy documents and test them, without server or data
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Recorded decisions, decided again (exit 1: some come out otherwise)
    Replay(ReplayOptions),
    /// What a change of policies would have denied or newly allowed (exit 1: something)
    #[command(disable_version_flag = true)]
    WhatIf(WhatIfOptions),
    /// When a principal could do something, and by whose act: intervals, through roles included
    Access(AccessOptions),
    /// Every principal of the account that could do something, through roles included
    WhoCan(WhoCanOptions),
    /// Permissions gained and lost, and whom roles trust, between two moments, and by which events (exit 1: something
    /// differs, or there was too much to compare)
    Diff(DiffOptions),
    /// The public key by which checkpoints are checked
    Key(KeyOptions),
    /// A signed checkpoint: how many events there are, and the root over them. Keep one for `verify --since`
    Checkpoint(AtMoment),
    /// A proof that an event is in the ledger, with the event (C2SP tlog-proof)
    Prove {
        /// Its position: 7 or @7
        event: String,
        /// Where to write the proof; stdout, if it is left out
        file: Option<PathBuf>,
    },
    /// Check a proof, evidence or an export by a key alone, without ledger and server (exit 1: it does not hold)
    Check(CheckOptions),
    /// A report for auditors, as of any moment
    Report(ReportOptions),
    /// Bring a real AWS account in: a snapshot, and the trail that follows it
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write the history as files for others' tools, with a manifest that proves that nothing is missing
    Export(ExportOptions),
    /// Answer the read-only calls that `aws cloudtrail validate-logs` makes, for an export of CloudTrail
    ServeExport {
        /// The folder of the export
        dir: PathBuf,
        /// Where to listen, on this machine alone; port 0 takes a free one
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:1087")]
        listen: std::net::SocketAddr,
    },
    /// Read every byte and compare rows with events (exit 3: damaged)
    Verify(VerifyOptions),
    /// Fold all rows anew from the events
    Rebuild,
    /// Run a command beside a server in memory, with an administrator's AWS variables set
    Exec {
        /// The command and its arguments, after --
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// New credentials for who lost them
    #[command(subcommand)]
    Recover(RecoverCommand),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// When.
#[derive(Args, Debug, Clone, Default)]
pub struct AtMoment {
    /// A time, a date, a position (@7), both (2026-03-01@7), or an age (90d, 3h)
    #[arg(long, value_name = "MOMENT")]
    pub at: Option<String>,
}

/// `key`
#[derive(Args, Debug, Default)]
pub struct KeyOptions {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Option<KeyCommand>,
}

/// `key ...`
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a new key, which signs from now on; what the old one signed stays good by the old one
    Rotate,
}

/// `check`
#[derive(Args, Debug)]
pub struct CheckOptions {
    /// The file: a proof (`prove`), evidence (`--evidence`) or a checkpoint; or the folder of an export
    pub file: PathBuf,
    /// The ledger's key, as `domesday key` printed it: from elsewhere, not from the file
    #[arg(long, value_name = "VKEY")]
    pub key: String,
    /// The event's bytes, for proofs that do not hold them
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
}

/// `verify`
#[derive(Args, Debug, Default)]
pub struct VerifyOptions {
    /// And that the ledger continues a checkpoint that was kept (exit 3: it is shorter, or another one)
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// The key that signed it; by default those that the ledger records
    #[arg(long, value_name = "VKEY", requires = "since")]
    pub key: Option<String>,
}

/// `diff`
#[derive(Args, Debug)]
pub struct DiffOptions {
    /// The first moment: a time, a date, a position (@7), both, or an age (90d, 3h)
    #[arg(long, value_name = "MOMENT")]
    pub from: String,
    /// The second; now, if it is left out
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<String>,
    /// Of this principal alone
    #[arg(long)]
    pub principal: Option<String>,
}

/// `export`
#[derive(Args, Debug)]
pub struct ExportOptions {
    /// In which format
    #[arg(value_parser = ["cloudtrail", "ocsf", "ndjson", "csv", "authorization-details"])]
    pub kind: String,
    /// Where to: a folder that is not there yet, or empty
    pub dir: PathBuf,
    /// What happened when
    #[command(flatten)]
    pub range: RangeOptions,
    /// Also what changed nothing: sign-ins, temporary credentials, and what was denied
    #[arg(long)]
    pub receipts: bool,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

/// `can`
#[derive(Args, Debug)]
pub struct CanOptions {
    /// alice, user/alice, role/deploy, an ARN, an id, root
    pub principal: String,
    /// iam:CreateUser
    pub action: String,
    /// An ARN, or '*'
    pub resource: String,
    /// A condition key that is known
    #[arg(long, value_name = "KEY=VALUE")]
    pub context: Vec<String>,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

/// A stretch of time.
#[derive(Args, Debug, Clone, Default)]
pub struct RangeOptions {
    /// What touches the time since then: a time, a date, an age (90d, 3h) or a position (@7)
    #[arg(long, value_name = "MOMENT", conflicts_with = "during")]
    pub from: Option<String>,
    /// And the time before then; likewise
    #[arg(long, value_name = "MOMENT", conflicts_with = "during")]
    pub to: Option<String>,
    /// Instead of both, a day, month, quarter or year: 2026-03-01, 2026-03, 2026-Q1, 2026
    #[arg(long, value_name = "STRETCH")]
    pub during: Option<String>,
}

/// `access`
#[derive(Args, Debug)]
pub struct AccessOptions {
    /// alice, user/alice, role/deploy, an ARN, an id, root: whoever bore the name
    pub principal: String,
    /// iam:CreateUser
    pub action: String,
    /// An ARN, or '*'
    pub resource: String,
    /// A condition key that is known
    #[arg(long, value_name = "KEY=VALUE")]
    pub context: Vec<String>,
    /// Only intervals that touch this
    #[command(flatten)]
    pub range: RangeOptions,
    /// As known then
    #[command(flatten)]
    pub at: AtMoment,
}

/// `who-can`
#[derive(Args, Debug)]
pub struct WhoCanOptions {
    /// iam:CreateUser
    pub action: String,
    /// An ARN, or '*'
    pub resource: String,
    /// A condition key that is known
    #[arg(long, value_name = "KEY=VALUE")]
    pub context: Vec<String>,
    /// Who could at any time in it, and when
    #[command(flatten)]
    pub range: RangeOptions,
    /// Also who could after granting itself more, and by which steps: policies, groups, versions, boundaries, trusts and
    /// credentials, new users, roles and policies. Not tried are new groups, tags, other paths, passed roles, and what
    /// is taken away first
    #[arg(long, conflicts_with_all = ["from", "to", "during"])]
    pub escalation: bool,
    /// When
    #[command(flatten)]
    pub at: AtMoment,
}

/// `account ...`
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Found a further account with its root user
    Create {
        /// The root user's e-mail address
        #[arg(long)]
        email: String,
        /// Its display name
        #[arg(long)]
        name: String,
        /// Its 12 digits; made up if left out
        #[arg(long, value_name = "DIGITS")]
        id: Option<String>,
        /// An administrator for daily work; empty makes none
        #[arg(long, default_value = "admin")]
        admin: String,
    },
    /// Close the account that --account names: nothing of it is accepted any more
    Close,
    /// Reopen an account within 90 days after it was closed
    Reopen,
}

/// `organization ...`
#[derive(Subcommand, Debug)]
pub enum OrganizationCommand {
    /// Replace them by those of a file: {"scp": [[POLICY...] for each level], "rcp": ...}
    Set {
        /// JSON; a policy is a document, {"file": PATH} or {"name": ..., "policy": ...}
        file: String,
    },
    /// What they are; in the form that `set` takes
    Show {
        /// When
        #[command(flatten)]
        at: AtMoment,
    },
}

/// `recover ...`
#[derive(Subcommand, Debug)]
pub enum RecoverCommand {
    /// A new access key for an administrator
    Admin {
        /// The user
        #[arg(long, default_value = "admin")]
        user: String,
    },
    /// A one-time code with which the root user sets a new password and loses its multi-factor devices
    Root,
}

/// `serve`
#[derive(Args, Debug, Default)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one [variable DOMESDAY_LISTEN; 127.0.0.1:1086]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// A PEM file with the server's certificate and its chain: serve by TLS. Renewals are noticed
    /// [variable DOMESDAY_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with its private key [variable DOMESDAY_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Listen without TLS where other machines can reach it, such as behind a proxy
    /// [variable DOMESDAY_ALLOW_PLAIN_HTTP=true]
    #[arg(long)]
    pub allow_plain_http: bool,
    /// The URL by which clients reach this server, where it is not the address that they ask:
    /// `https://HOST[:PORT]` [variable DOMESDAY_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where to write url and account once ready, as JSON [variable DOMESDAY_READY_FILE]
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// For how many days receipts of requests are kept at least; a day or two later they are gone. 0 keeps
    /// all [variable DOMESDAY_RECEIPT_DAYS; 0]
    #[arg(long, value_name = "DAYS")]
    pub receipt_days: Option<u32>,
    /// Minutes without use after which a session of the console ends, 5 to 1440
    /// [variable DOMESDAY_CONSOLE_IDLE; 30]
    #[arg(long, value_name = "MINUTES")]
    pub console_idle: Option<u32>,
    /// Minutes after which a session of the console ends in any case, up to 1440
    /// [variable DOMESDAY_CONSOLE_LONGEST; 720]
    #[arg(long, value_name = "MINUTES")]
    pub console_longest: Option<u32>,
    /// What founding uses.
    #[command(flatten)]
    pub found: FoundOptions,
}

/// What `serve` and `init` share.
#[derive(Args, Debug, Default)]
pub struct FoundOptions {
    /// A TOML file with the same keys as the variables, without DOMESDAY_ and in lower case
    /// [variable DOMESDAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Keys of the file, and of the variables with `DOMESDAY_` before them; `true` for secrets, which may
/// also be given as a file.
const KEYS: &[(&str, bool)] = &[
    ("data", false),
    ("master_key_file", false),
    ("endpoint", false),
    ("account", false),
    ("listen", false),
    ("tls_cert", false),
    ("tls_key", false),
    ("allow_plain_http", false),
    ("public_url", false),
    ("ready_file", false),
    ("receipt_days", false),
    ("console_idle", false),
    ("console_longest", false),
    ("config", false),
    ("account_id", false),
    ("account_name", false),
    ("root_email", false),
    ("root_password", true),
    ("root_access_key_id", false),
    ("root_secret_access_key", true),
    ("admin_user", false),
    ("admin_access_key_id", false),
    ("admin_secret_access_key", true),
];

/// Everything that was given, by variable and by file.
#[derive(Default)]
pub struct Settings {
    given: BTreeMap<String, String>,
}

impl Settings {
    /// Reads variables and the file; unknown ones refuse the start and are named.
    pub fn read(
        config: Option<&std::path::Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let mut settings = Settings::default();
        let mut by_variable = BTreeMap::new();
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix("DOMESDAY_") else { continue };
            // Orchestrators inject these for every service that they know.
            if rest.starts_with("PORT") || rest.starts_with("SERVICE_") {
                continue;
            }
            take(&mut by_variable, &rest.to_lowercase(), value)
                .map_err(|why| Failure::new(format!("the variable {name} {why}")))?;
        }
        let config = config.map(std::path::Path::to_owned);
        let config = config.or_else(|| by_variable.get("config").map(PathBuf::from));
        if let Some(path) = config {
            settings.read_file(&path)?;
        }
        settings.given.extend(by_variable);
        Ok(settings)
    }

    fn read_file(&mut self, path: &std::path::Path) -> Result<(), Failure> {
        let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // Only where it is wrong: the line itself may hold a secret.
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().lines().count().max(1);
            wrong(format!("line {line} is not TOML"))
        })?;
        for (key, value) in table {
            let toml::Value::String(value) = value else {
                return Err(wrong(format!("the key {key} takes a text in quotes")));
            };
            take(&mut self.given, &key.replace('-', "_"), value)
                .map_err(|why| wrong(format!("the key {key} {why}")))?;
        }
        Ok(())
    }

    /// A setting that was given.
    pub fn get(&self, key: &str) -> Option<String> {
        self.given.get(key).cloned()
    }

    /// A secret that was given.
    pub fn secret(&self, key: &str) -> Option<Secret<String>> {
        self.get(key).map(Secret::new)
    }
}

/// Takes a setting in, or says why not: it is not known, or given twice. Secrets may be in a file that the
/// setting names. What is empty counts as not given, but for the administrator, whom it turns off.
fn take(given: &mut BTreeMap<String, String>, name: &str, value: String) -> Result<(), String> {
    let known = |key: &str| KEYS.iter().find(|(known, _)| *known == key);
    let secret =
        name.strip_suffix("_file").filter(|key| known(key).is_some_and(|(_, secret)| *secret));
    if secret.is_none() && known(name).is_none() {
        let names: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
        return Err(format!("is not known; known are {}", names.join(", ")));
    }
    if value.is_empty() && name != "admin_user" {
        return Ok(());
    }
    let (key, value) = match secret {
        None => (name, value),
        Some(key) => {
            let text = std::fs::read_to_string(&value)
                .map_err(|error| format!("names {value}, which cannot be read: {error}"))?;
            (key, text.trim_end_matches(['\n', '\r']).to_owned())
        }
    };
    match given.insert(key.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(format!("gives {key} a second time; a secret is given itself or as a file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        pairs.into_iter()
    }

    #[test]
    fn variables_beat_the_file_and_unknown_ones_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "data = \"a\"\nlisten = \"b\"\n").unwrap();
        let settings =
            Settings::read(Some(&file), variables(&[("DOMESDAY_LISTEN", "c"), ("HOME", "x")]));
        let settings = settings.unwrap_or_else(|failure| panic!("{}", failure.message));
        assert_eq!(settings.get("data").as_deref(), Some("a"));
        assert_eq!(settings.get("listen").as_deref(), Some("c"));
        for injected in ["DOMESDAY_PORT", "DOMESDAY_PORT_1086_TCP", "DOMESDAY_SERVICE_HOST"] {
            assert!(Settings::read(None, variables(&[(injected, "x")])).is_ok());
        }
        let refused = Settings::read(None, variables(&[("DOMESDAY_DTA", "x")])).err().unwrap();
        assert!(refused.message.contains("DOMESDAY_DTA"));
        let empty = [("DOMESDAY_ENDPOINT", ""), ("DOMESDAY_ADMIN_USER", "")];
        let settings = Settings::read(None, variables(&empty)).ok().unwrap();
        assert_eq!(settings.get("endpoint"), None);
        assert_eq!(settings.get("admin_user").as_deref(), Some(""));
        std::fs::write(&file, "dta = \"a\"\n").unwrap();
        assert!(Settings::read(Some(&file), variables(&[])).is_err());
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let path = secret.to_str().unwrap();
        let settings =
            Settings::read(None, variables(&[("DOMESDAY_ROOT_PASSWORD_FILE", path)])).ok().unwrap();
        assert_eq!(settings.secret("root_password").unwrap().expose(), "s3cret");
        let twice = [("DOMESDAY_ROOT_PASSWORD_FILE", path), ("DOMESDAY_ROOT_PASSWORD", "other")];
        assert!(Settings::read(None, variables(&twice)).is_err());
        std::fs::write(&file, format!("root-password-file = {path:?}\nready-file = \"r\"\n"))
            .unwrap();
        let settings = Settings::read(Some(&file), variables(&[])).ok().unwrap();
        assert_eq!(settings.secret("root_password").unwrap().expose(), "s3cret");
        assert_eq!(settings.get("ready_file").as_deref(), Some("r"));
    }
}
