//! The command line: one file a group of subcommands.
//!
//! - [`options`]: what can be given, by flag, variable or file, and in which order they count.
//! - [`door`]: the three ways to a ledger: `--endpoint`, the socket of a running server, the folder itself.
//! - [`client`]: questions over HTTP, `tls` below it. [`mod@print`]: answers as tables, JSON, NDJSON or CSV.
//! - [`policy`]: `policy lint` and `policy test`, which need neither; `policy_case` reads a test's cases.
//! - `check`: files with proofs and evidence, checked by a key alone; `files`: reading and writing them.
//! - [`ask`]: the questions and acts; `access`, `diff` those with answers of their own shape; `proofs` those about
//!   checkpoints and proofs. [`mod@log`]: the history; [`replay`]: recorded decisions, decided again; [`report`]:
//!   reports by name. [`import`]: a real account with its history. [`serve`], [`exec`]: the server, and a command
//!   beside one.
//! - [`front`]: where a server listens, by TLS or without; [`certificate`]: what it shows then.
//! - `export`: the history as files; `serve_export`: such files to the AWS command line.
//! - `progress`: how far long work is. `open_files`: the limit that a server needs raised.
//! - [`first_credentials`]: what founding made up, told once.
//!
//! Exit status: 0 fine; 1 only for questions whose answer is no; 2 wrong use or failure; 3 the ledger is
//! damaged, short or not the one expected.

mod access;
pub mod ask;
pub mod certificate;
mod check;
pub mod client;
mod diff;
pub mod door;
pub mod exec;
mod export;
mod files;
pub mod first_credentials;
pub mod front;
pub mod import;
pub mod log;
mod open_files;
pub mod options;
pub mod organization;
pub mod policy;
mod policy_case;
mod policy_junit;
mod policy_test;
pub mod print;
mod progress;
mod proofs;
pub mod replay;
pub mod report;
pub mod serve;
mod serve_export;
mod tls;

use clap::{CommandFactory, Parser};

use self::options::{Cli, Command, Output};
use self::policy::PolicyCommand;
use crate::base::notice::notice;
use crate::service::fault::{DAMAGED, Fault};
use crate::service::founding::OpenError;

/// How a command ends when it does not end well.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What is told on stderr.
    pub message: String,
}

impl Failure {
    /// Wrong use or failure.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { status: 2, message: message.into() }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let status = if fault.code == DAMAGED { 3 } else { 2 };
        Failure { status, message: fault.message }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Failure { status: if error.is_damage() { 3 } else { 2 }, message: error.to_string() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::new(error.to_string())
    }
}

/// Runs the command of the process's arguments; `serve` is how the wire is served, which this layer does
/// not know.
pub fn run(serve: serve::ServeWire) -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    match dispatch(cli, serve) {
        Ok(status) => status,
        Err(failure) => {
            notice(format_args!("{}", failure.message));
            failure.status
        }
    }
}

fn dispatch(cli: Cli, serve: serve::ServeWire) -> Result<u8, Failure> {
    let Cli { common, command } = cli;
    if common.output == Output::Junit
        && !matches!(command, Command::Policy(PolicyCommand::Test { .. }))
    {
        return Err(Failure::new("only policy test answers as JUnit"));
    }
    let asks_nothing = matches!(
        command,
        Command::Serve(_)
            | Command::Init(_)
            | Command::Policy(_)
            | Command::Exec { .. }
            | Command::Check(_)
            | Command::Export(_)
            | Command::ServeExport { .. }
            | Command::Completions { .. }
    );
    if common.evidence.is_some() && asks_nothing {
        return Err(Failure::new("there is no evidence for this: it asks no question"));
    }
    match command {
        Command::Check(options) => check::check(common.output, &options),
        Command::Serve(options) => serve::serve(&common, &options, serve),
        Command::Init(options) => serve::init(&common, &options),
        Command::Policy(command) => policy::run(&common, &command),
        Command::Import(command) => import::run(&common, &command),
        Command::Exec { command } => exec::exec(command, serve),
        Command::Export(options) => export::export(&common, &options),
        Command::ServeExport { dir, listen } => serve_export::serve(&dir, listen),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "domesday", &mut script);
            print::line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(0)
        }
        other => ask::run(&common, &other),
    }
}
