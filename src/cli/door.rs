//! The three ways to a ledger: a server at an endpoint, the socket of a server that runs on a folder, or
//! the folder itself, opened exclusively.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::client::{self, Ask};
use super::files;
use super::options::{Common, Settings};
use crate::base::clock::{Clock, SystemClock};
use crate::base::notice::notice;
use crate::base::random::OsRandom;
use crate::ledger::{AccountId, LedgerError};
use crate::projection::Reader;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCOUNTS, ALIASES};
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::audit::question::is_of_the_store;
use crate::service::audit::{self, Question, evidence};
use crate::service::caller::Caller;
use crate::service::exports;
use crate::service::exports::sink::{Folder, Receiver};
use crate::service::founding::{self, Place};
use crate::service::moment::Moment;

/// Bytes of a parameter that goes into an address.
const LONG: usize = 1_000;

/// A way to a ledger, and where evidence of the answer is to be written.
pub struct Door {
    way: Way,
    evidence: Option<PathBuf>,
    /// Whether the evidence was written.
    written: AtomicBool,
}

/// A way to a ledger.
enum Way {
    /// A server at a URL.
    Endpoint(String),
    /// The socket of a server on this machine, and the account to ask for.
    Socket(PathBuf, Option<String>),
    /// The folder itself.
    Folder(Arc<Service>, Option<String>),
}

/// Where the data is, by flag, variable, or the default.
pub fn place(common: &Common, settings: &Settings) -> Place {
    let data = common.data.clone().or_else(|| settings.get("data"));
    let key = common
        .master_key_file
        .clone()
        .or_else(|| settings.get("master_key_file").map(PathBuf::from));
    Place::new(data.as_deref().unwrap_or("./domesday-data"), key.as_deref())
}

/// Opens a folder as the operator.
pub fn open_folder(place: &Place) -> Result<Arc<Service>, Failure> {
    Ok(founding::open(place, Arc::new(SystemClock), Arc::new(OsRandom), Box::new(lost_sync))?)
}

/// Nothing may be acknowledged after a lost sync; the process ends at once.
pub fn lost_sync(error: &LedgerError) {
    notice(format_args!("stopping, since nobody knows what is on the disk: {error}"));
    std::process::exit(2);
}

/// Whoever runs this process: `uid@host`.
pub fn operator() -> String {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").map_or(0, |found| found.uid());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{uid}@{host}")
}

/// Reads a moment; an age counts back from now.
pub fn moment(text: &str) -> Result<Moment, Failure> {
    Moment::parse_with_age(text, SystemClock.now()).map_err(|error| Failure::new(error.to_string()))
}

fn no_endpoint(common: &Common) -> Result<(), Failure> {
    match &common.endpoint {
        None => Ok(()),
        Some(_) => Err(Failure::new(
            "this is for whoever has the machine: instead of --endpoint give --data, which also reaches a \
             server that runs on the folder",
        )),
    }
}

impl Door {
    /// The way that the options name: an explicit flag first, then `DOMESDAY_ENDPOINT`, then the folder.
    pub fn find(common: &Common) -> Result<Self, Failure> {
        let settings = Settings::read(None, std::env::vars())?;
        let endpoint = common
            .endpoint
            .clone()
            .or_else(|| common.data.is_none().then(|| settings.get("endpoint")).flatten());
        if let Some(endpoint) = endpoint {
            if common.account.is_some() {
                return Err(Failure::new(
                    "over an endpoint the credentials say which account: --account goes with --data",
                ));
            }
            return Ok(Door::new(Way::Endpoint(endpoint), common));
        }
        Door::of_folder(common, &settings, &place(common, &settings))
    }

    /// The way for the acts of whoever has the machine: the folder, or the server that runs on it. A shell
    /// that asks a server by DOMESDAY_ENDPOINT may do them all the same.
    pub fn of_operator(common: &Common) -> Result<Self, Failure> {
        let settings = Settings::read(None, std::env::vars())?;
        no_endpoint(common)?;
        Door::of_folder(common, &settings, &place(common, &settings))
    }

    /// As [`of_operator`](Self::of_operator), for whoever brings in much: the folder may be empty or not there yet,
    /// and what is read of it is not kept in memory for long.
    pub fn of_importer(common: &Common) -> Result<Self, Failure> {
        let settings = Settings::read(None, std::env::vars())?;
        no_endpoint(common)?;
        let place = place(common, &settings).passing();
        if let Place::Folder { data, .. } = &place
            && !data.join("HEAD").exists()
            && !data.join("ledger").exists()
        {
            let way = Way::Folder(open_folder(&place)?, common.account.clone());
            return Ok(Door::new(way, common));
        }
        Door::of_folder(common, &settings, &place)
    }

    /// How far long work is, in thousandths, where that is known here.
    pub fn progress(&self) -> Option<u64> {
        match &self.way {
            Way::Folder(service, _) => service.progress().thousandths(),
            Way::Endpoint(_) | Way::Socket(..) => None,
        }
    }

    /// The socket of a server that runs on the folder, or the folder itself.
    fn of_folder(common: &Common, settings: &Settings, place: &Place) -> Result<Self, Failure> {
        let account = common.account.clone().or_else(|| settings.get("account"));
        if let Place::Folder { data, .. } = place {
            let socket = data.join("admin.sock");
            if UnixStream::connect(&socket).is_ok() {
                return Ok(Door::new(Way::Socket(socket, account), common));
            }
            // A ledger whose HEAD is gone is damaged, not absent.
            if !data.join("HEAD").exists() && !data.join("ledger").exists() {
                return Err(Failure::new(format!(
                    "{} holds no ledger: found one by `domesday init` or `domesday serve`, or name it by \
                     --data",
                    data.display()
                )));
            }
        }
        Ok(Door::new(Way::Folder(open_folder(place)?, account), common))
    }

    fn new(way: Way, common: &Common) -> Self {
        Door { way, evidence: common.evidence.clone(), written: AtomicBool::new(false) }
    }

    /// Asks a question; `at` is a moment as it was written. Evidence, if it was asked for, is written.
    pub fn ask(
        &self,
        name: &str,
        parameters: Vec<(String, String)>,
        at: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut answer = self.ask_bare(name, parameters, at)?;
        let Some(file) = &self.evidence else { return Ok(answer) };
        if self.written.swap(true, Ordering::Relaxed) {
            return Err(Failure::new("evidence is of one question, and this command asks several"));
        }
        let evidence = answer.get("evidence").and_then(Value::as_str);
        let evidence = evidence.ok_or_else(|| Failure::new("the server gave no evidence"))?;
        files::write(file, evidence.as_bytes())?;
        Ok(answer.get_mut("answer").map(Value::take).unwrap_or_default())
    }

    /// Whether evidence is wanted: of one question, so that a command asks no second one.
    pub fn wants_evidence(&self) -> bool {
        self.evidence.is_some()
    }

    fn ask_bare(
        &self,
        name: &str,
        mut parameters: Vec<(String, String)>,
        at: Option<&str>,
    ) -> Result<Value, Failure> {
        let moment = at.map(moment).transpose()?;
        let path = format!("/audit/v1/{name}");
        if let (Way::Endpoint(_) | Way::Socket(..), Some(moment)) = (&self.way, &moment) {
            parameters.push(("at".into(), moment.to_string()));
        }
        if let (Way::Endpoint(_) | Way::Socket(..), Some(_)) = (&self.way, &self.evidence) {
            parameters.push(("evidence".into(), "true".into()));
        }
        // What is too long for an address, such as a policy, goes into a body.
        let (long, mut short): (Vec<_>, Vec<_>) =
            parameters.iter().cloned().partition(|(_, value)| value.len() > LONG);
        let body: Value = long.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        let has_body = short.len() < parameters.len();
        if let Way::Socket(_, Some(account)) = &self.way {
            short.push(("account".into(), account.clone()));
        }
        let asked = Ask {
            method: if has_body { Method::POST } else { Method::GET },
            path: &path,
            parameters: &short,
            body: has_body.then_some(&body),
        };
        match &self.way {
            Way::Endpoint(url) => client::at_endpoint(url, &asked),
            Way::Socket(socket, _) => client::at_socket(socket, &asked),
            Way::Folder(service, account) => {
                let question = Question::parse(name, &parameters)?;
                let caller = match is_of_the_store(name, account.as_deref()) {
                    true => service.operator(&operator(), AccountId::SYSTEM)?,
                    false => caller(service, account.as_deref())?,
                };
                Ok(match self.evidence {
                    None => audit::run(service, &caller, question, moment)?,
                    Some(_) => evidence::run(service, &caller, name, &parameters, moment)?,
                })
            }
        }
    }

    /// Has an export written to a folder; `at` is a moment as it was written.
    pub fn export(
        &self,
        parameters: &[(String, String)],
        at: Option<&str>,
        folder: &mut Folder,
    ) -> Result<(), Failure> {
        let moment = at.map(moment).transpose()?;
        let ask = exports::Ask::parse(parameters)?;
        let mut parameters = parameters.to_vec();
        parameters.extend(moment.map(|moment| ("at".to_owned(), moment.to_string())));
        let mut receiver = Receiver::default();
        let mut take = |bytes: &[u8]| Ok(receiver.take(bytes, folder)?);
        let path = "/audit/v1/exports";
        match &self.way {
            Way::Endpoint(url) => {
                let ask = Ask { method: Method::GET, path, parameters: &parameters, body: None };
                client::stream_at_endpoint(url, &ask, &mut take)?;
            }
            Way::Socket(socket, account) => {
                parameters
                    .extend(account.iter().map(|account| ("account".to_owned(), account.clone())));
                let ask = Ask { method: Method::GET, path, parameters: &parameters, body: None };
                client::stream_at_socket(socket, &ask, &mut take)?;
            }
            Way::Folder(service, account) => {
                let caller = caller(service, account.as_deref())?;
                exports::run(service, &caller, &ask, moment, folder)?;
                return Ok(());
            }
        }
        match receiver.whole {
            true => Ok(()),
            false => Err(Failure::new("the server broke off: nothing of the export was kept")),
        }
    }

    /// Does an operator's act.
    pub fn act(&self, name: &str, body: &Value) -> Result<Value, Failure> {
        match &self.way {
            Way::Endpoint(_) => Err(Failure::new(format!("`{name}` is no question"))),
            Way::Socket(socket, account) => {
                let path = format!("/admin/v1/{name}");
                let parameters: Vec<_> =
                    account.iter().map(|account| ("account".to_owned(), account.clone())).collect();
                client::at_socket(
                    socket,
                    &Ask {
                        method: Method::POST,
                        path: &path,
                        parameters: &parameters,
                        body: Some(body),
                    },
                )
            }
            Way::Folder(service, account) => {
                let of_store = ["verify", "rebuild", "account-create", "key-rotate"]
                    .contains(&name)
                    || name.starts_with("import-");
                let caller = if of_store {
                    service.operator(&operator(), AccountId::SYSTEM)?
                } else {
                    caller(service, account.as_deref())?
                };
                Ok(audit::act(service, &caller, name, body.clone())?)
            }
        }
    }

    /// Closes the folder, if it was opened.
    ///
    /// # Errors
    /// If evidence was asked for and none was written: the command asked nothing.
    pub fn close(self) -> Result<(), Failure> {
        if let Way::Folder(service, _) = self.way {
            service.close();
        }
        match self.evidence.is_some() && !self.written.into_inner() {
            true => Err(Failure::new("there is no evidence for this: it asks no question")),
            false => Ok(()),
        }
    }
}

/// The operator in the account that was named, or in the only one.
fn caller(service: &Arc<Service>, named: Option<&str>) -> Result<Caller, Failure> {
    let view = service.now();
    let account = match named {
        Some(named) => {
            let by_digits = view.get(AccountId::SYSTEM, &ACCOUNTS, &named.to_owned());
            let by_alias = view.get(AccountId::SYSTEM, &ALIASES, &named.to_owned());
            let found = by_digits.and_then(|found| Ok(found.or(by_alias?)));
            found
                .map_err(crate::service::fault::Fault::from)?
                .ok_or_else(|| Failure::new(format!("there is no account {named} here")))?
        }
        None => the_only_account(&view)?,
    };
    let mut caller = service.operator(&operator(), account)?;
    caller.digits =
        Directory::new(&view, account).digits().map_err(crate::service::fault::Fault::from)?;
    Ok(caller)
}

fn the_only_account(reader: &dyn Reader) -> Result<AccountId, Failure> {
    let accounts: Vec<AccountId> = reader
        .list(AccountId::SYSTEM, &ACCOUNTS, &())
        .map_err(crate::service::fault::Fault::from)?;
    match accounts.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new("there is no account here: found one by `domesday init`")),
        _ => Err(Failure::new("there are several accounts here: name one by --account")),
    }
}
