//! `import ...`: a real AWS account, brought in with its history.
//!
//! The files are read by whoever has the data: this process, or the server that runs on the folder.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::door::{Door, moment};
use super::options::{Common, Output};
use super::{print, progress};

/// `import ...`
#[derive(Subcommand, Debug)]
pub enum ImportCommand {
    /// A snapshot, as `aws iam get-account-authorization-details` prints it: the first begins the history, a later
    /// one says whether the replayed trail came to what is real, and completes it if so
    AuthorizationDetails {
        /// JSON
        file: PathBuf,
        /// When the first snapshot was taken [when the file was last changed]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// The root user's e-mail address, which the snapshot does not tell
        #[arg(long, value_name = "ADDRESS")]
        root_email: Option<String>,
        /// Complete the import in spite of differences, which are recorded
        #[arg(long)]
        accept_drift: bool,
        /// Compare only, and complete nothing
        #[arg(long, conflicts_with = "accept_drift")]
        keep_open: bool,
    },
    /// A trail: files and folders of records of CloudTrail, gzipped or not
    Cloudtrail {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The trail begins with the account itself: there is no snapshot (needs --account)
        #[arg(long)]
        from_empty: bool,
    },
    /// How far an import is, before which records others are missing, and which are doubtful
    Status,
    /// Complete an import without a second snapshot: what happens from now on happens here
    Complete,
    /// Give an import up; its account can be imported anew
    Drop,
}

/// Runs one of them.
pub fn run(common: &Common, command: &ImportCommand) -> Result<u8, Failure> {
    // Whoever imports may begin with nothing: the first account is the imported one.
    let door = Door::of_importer(common)?;
    let outcome = answer(&door, common, command);
    let closed = door.close();
    outcome.and_then(|status| closed.map(|()| status))
}

fn answer(door: &Door, common: &Common, command: &ImportCommand) -> Result<u8, Failure> {
    let mut body = json!({ "account": common.account });
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    let (act, doing) = match command {
        ImportCommand::AuthorizationDetails { file, at, root_email, accept_drift, keep_open } => {
            set("path", json!(absolute(file)?));
            let at = at.as_deref().map(moment).transpose()?;
            let time = at
                .map(|at| at.time.ok_or_else(|| Failure::new("--at is a time here")))
                .transpose()?;
            set("at", json!(time.map(|time| time.to_precise())));
            set("root_email", json!(root_email));
            set("accept_drift", json!(accept_drift));
            set("keep_open", json!(keep_open));
            ("import-authorization-details", "reading the snapshot")
        }
        ImportCommand::Cloudtrail { paths, from_empty } => {
            let paths = paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
            set("paths", json!(paths));
            set("from_empty", json!(from_empty));
            ("import-cloudtrail", "reading and replaying the trail")
        }
        ImportCommand::Status => ("import-status", "reading the history"),
        ImportCommand::Complete => ("import-complete", "completing"),
        ImportCommand::Drop => ("import-drop", "dropping"),
    };
    let answer = progress::watch(doing, || None, || door.act(act, &body))?;
    show(common.output, &answer)?;
    let is_open = answer.get("completed") == Some(&Value::Bool(false));
    let differs = answer.get("differences").and_then(Value::as_u64).is_some_and(|count| count > 0);
    if is_open && differs {
        return Err(Failure::new(
            "the import is not complete: what was replayed is not what is real. Look for missing records, drop the \
             import, or accept the differences by --accept-drift",
        ));
    }
    Ok(0)
}

/// What an answer lists, and the columns of that.
const LISTS: &[(&str, &[&str])] = &[
    ("missing_records", &["at", "record", "operation", "missing"]),
    ("doubtful_records", &["at", "record", "operation", "doubt"]),
    ("drift", &["entity", "field", "replayed", "real"]),
];

/// Fields a line each, and what is listed below them.
fn show(output: Output, answer: &Value) -> Result<(), Failure> {
    if output != Output::Table {
        return print::object(output, answer);
    }
    let mut fields = answer.clone();
    let mut lists = Vec::new();
    for &(name, columns) in LISTS {
        let list = fields.as_object_mut().and_then(|fields| fields.shift_remove(name));
        lists.push((list.and_then(|list| list.as_array().cloned()).unwrap_or_default(), columns));
    }
    print::object(output, &fields)?;
    for (list, columns) in lists {
        if !list.is_empty() {
            print::line("")?;
            print::rows(output, &list, columns)?;
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
