//! The three ways to a ledger: a server at an endpoint, the socket of a server that runs on a folder, or
//! the folder itself, opened exclusively.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::client::{self, Ask};
use super::options::{Common, Settings};
use crate::base::clock::{Clock, SystemClock};
use crate::base::random::OsRandom;
use crate::ledger::{AccountId, LedgerError};
use crate::projection::Reader;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCOUNTS, ALIASES};
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::audit::{self, Question};
use crate::service::caller::Caller;
use crate::service::founding::{self, Place};
use crate::service::moment::Moment;

/// A way to a ledger.
pub enum Door {
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
    eprintln!("domesday: stopping, since nobody knows what is on the disk: {error}");
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
            return Ok(Door::Endpoint(endpoint));
        }
        Door::of_folder(common, &settings)
    }

    /// The way for the acts of whoever has the machine: the folder, or the server that runs on it. A shell
    /// that asks a server by DOMESDAY_ENDPOINT may do them all the same.
    pub fn of_operator(common: &Common) -> Result<Self, Failure> {
        if common.endpoint.is_some() {
            return Err(Failure::new(
                "this is for whoever has the machine: instead of --endpoint give --data, which also reaches a \
                 server that runs on the folder",
            ));
        }
        Door::of_folder(common, &Settings::read(None, std::env::vars())?)
    }

    /// How far long work is, in thousandths, where that is known here.
    pub fn progress(&self) -> Option<u64> {
        match self {
            Door::Folder(service, _) => service.progress().thousandths(),
            Door::Endpoint(_) | Door::Socket(..) => None,
        }
    }

    /// The socket of a server that runs on the folder, or the folder itself.
    fn of_folder(common: &Common, settings: &Settings) -> Result<Self, Failure> {
        let account = common.account.clone().or_else(|| settings.get("account"));
        let place = place(common, settings);
        if let Place::Folder { data, .. } = &place {
            let socket = data.join("admin.sock");
            if UnixStream::connect(&socket).is_ok() {
                return Ok(Door::Socket(socket, account));
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
        Ok(Door::Folder(open_folder(&place)?, account))
    }

    /// Asks a question; `at` is a moment as it was written.
    pub fn ask(
        &self,
        name: &str,
        mut parameters: Vec<(String, String)>,
        at: Option<&str>,
    ) -> Result<Value, Failure> {
        let moment = at.map(moment).transpose()?;
        let path = format!("/audit/v1/{name}");
        if let (Door::Endpoint(_) | Door::Socket(..), Some(moment)) = (self, &moment) {
            parameters.push(("at".into(), moment.to_string()));
        }
        let get = |parameters: &[(String, String)]| match self {
            Door::Endpoint(url) => client::at_endpoint(
                url,
                &Ask { method: Method::GET, path: &path, parameters, body: None },
            ),
            Door::Socket(socket, _) => client::at_socket(
                socket,
                &Ask { method: Method::GET, path: &path, parameters, body: None },
            ),
            Door::Folder(service, account) => {
                let question = Question::parse(name, parameters)?;
                let caller = match (&question, account) {
                    // The head is the whole store's: no account need be named where there are several.
                    (Question::Head, None) => service.operator(&operator(), AccountId::SYSTEM)?,
                    (_, account) => caller(service, account.as_deref())?,
                };
                Ok(audit::run(service, &caller, question, moment)?)
            }
        };
        if let Door::Socket(_, Some(account)) = self {
            parameters.push(("account".into(), account.clone()));
        }
        get(&parameters)
    }

    /// Does an operator's act.
    pub fn act(&self, name: &str, body: &Value) -> Result<Value, Failure> {
        match self {
            Door::Endpoint(_) => Err(Failure::new(format!("`{name}` is no question"))),
            Door::Socket(socket, account) => {
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
            Door::Folder(service, account) => {
                let of_store = ["verify", "rebuild", "account-create"].contains(&name);
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
    pub fn close(self) {
        if let Door::Folder(service, _) = self {
            service.close();
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
