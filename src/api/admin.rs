//! `admin.sock`: the door for whoever has the machine.
//!
//! The socket lies in the data folder with mode 0600, and only our own user and root are heard. No
//! signature is asked for: the kernel says who is there, and events record `operator:uid@host`. Served
//! are the questions of the audit, for the account that `?account=` names by its digits or alias (by
//! default the only one), and the operator's acts, `POST /admin/v1/NAME` with a JSON object.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::routes::{Endpoint, Route};
use super::server::Reply;
use super::signed::Received;
use super::{audit, tiles};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::{ACCOUNTS, ALIASES};
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::audit::question::is_of_the_store;
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// Acts on the whole store, for which no account need be named.
const ON_THE_STORE: &[&str] = &["account-create", "key-rotate", "rebuild", "verify"];
/// Acts on an account whose history is coming in: which one, they say themselves.
const IMPORTS: &[&str] = &[
    "import-authorization-details",
    "import-cloudtrail",
    "import-complete",
    "import-drop",
    "import-status",
];
/// Acts in an account.
const IN_AN_ACCOUNT: &[&str] =
    &["recover-admin", "recover-root", "organization-set", "account-close", "account-reopen"];

/// The socket file, removed again when dropped.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    /// Our own user, whom the file belongs to.
    pub uid: u32,
    host: String,
}

impl Door {
    /// Makes the socket. One that a crash left behind is replaced: the lock on the data folder says that
    /// no other server uses it.
    ///
    /// # Errors
    /// If another file is in the way, or the path is longer than sockets may have.
    pub fn open(path: &Path) -> io::Result<(Door, UnixListener)> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("admin socket {}: {error}", path.display()))
        };
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(named)?,
            Ok(_) => {
                let error = io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "another file is in its place; move it away",
                );
                return Err(named(error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(error)),
        }
        let listener = UnixListener::bind(path).map_err(named)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(named)?;
        listener.set_nonblocking(true).map_err(named)?;
        // The standard library does not tell our user id, but the file that we just made does.
        let uid = fs::metadata(path).map_err(named)?.uid();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "localhost".to_owned(),
            host => host.chars().take(64).collect(),
        };
        Ok((Door { path: path.to_owned(), uid, host }, listener))
    }

    /// Whether a user is heard.
    pub fn admits(&self, uid: u32) -> bool {
        uid == self.uid || uid == 0
    }

    /// How events name a user.
    pub fn operator_name(&self, uid: u32) -> String {
        format!("{uid}@{}", self.host)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // It may be gone with its folder; nothing depends on it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers a request of the operator.
pub async fn answer(
    service: &Arc<Service>,
    received: &Arc<Received>,
    route: Route,
    operator: &str,
) -> Reply {
    let outcome = match route.endpoint {
        Endpoint::Question(name) => question(service, received, operator, name, route.moment).await,
        Endpoint::Log(resource) => {
            let caller = off_thread(service, received, operator, |service, received, operator| {
                caller(service, received, operator, AccountId::SYSTEM)
            });
            match caller.await {
                Ok(caller) => {
                    return tiles::answer_to(service, received, resource, Some(caller)).await;
                }
                Err(fault) => Err(fault),
            }
        }
        Endpoint::Act(name) => act(service, received, operator, name).await,
        _ => Err(Fault::new(
            "NotFound",
            404,
            "The admin socket serves /audit/v1, /admin/v1, /checkpoint and /tile.",
        )),
    };
    audit::reply(outcome, &received.request_id)
}

async fn question(
    service: &Arc<Service>,
    received: &Arc<Received>,
    operator: &str,
    name: String,
    moment: Option<Moment>,
) -> Result<Value, Fault> {
    let asked = name.clone();
    let caller = off_thread(service, received, operator, move |service, received, operator| {
        let parameters = audit::parameters(&received.query)?;
        let named = parameters.iter().find(|(name, _)| name == "account");
        let account = match is_of_the_store(&asked, named.map(|(_, account)| account.as_str())) {
            true => AccountId::SYSTEM,
            false => account(service, received)?,
        };
        caller(service, received, operator, account)
    });
    audit::ask(service, received, caller.await?, &name, moment).await
}

/// The operator in the account that a request for an export names.
///
/// # Errors
/// If there is no such account, or no only one.
pub async fn exporting(
    service: &Arc<Service>,
    received: &Arc<Received>,
    operator: &str,
) -> Result<Caller, Fault> {
    off_thread(service, received, operator, |service, received, operator| {
        caller(service, received, operator, account(service, received)?)
    })
    .await
}

async fn act(
    service: &Arc<Service>,
    received: &Arc<Received>,
    operator: &str,
    name: String,
) -> Result<Value, Fault> {
    let on_the_store = ON_THE_STORE.contains(&name.as_str()) || IMPORTS.contains(&name.as_str());
    if !on_the_store && !IN_AN_ACCOUNT.contains(&name.as_str()) {
        return Err(Fault::new("NotFound", 404, "The operator has no act of this name."));
    }
    if received.method != "POST" {
        return Err(Fault::new("MethodNotAllowed", 405, "The operator acts by POST."));
    }
    let body: Value = match received.body.as_ref() {
        b"" => Value::Object(serde_json::Map::new()),
        body => serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Fault::validation("The body is not a JSON object."))?,
    };
    off_thread(service, received, operator, move |service, received, operator| {
        let account = if on_the_store { AccountId::SYSTEM } else { account(service, received)? };
        let caller = caller(service, received, operator, account)?;
        crate::service::audit::act(service, &caller, &name, body)
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    service: &Arc<Service>,
    received: &Arc<Received>,
    operator: &str,
    work: impl FnOnce(&Arc<Service>, &Received, &str) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (service, received, operator) = (service.clone(), received.clone(), operator.to_owned());
    tokio::task::spawn_blocking(move || work(&service, &received, &operator))
        .await
        .map_err(Fault::internal)?
}

/// The operator in an account.
fn caller(
    service: &Service,
    received: &Received,
    operator: &str,
    account: AccountId,
) -> Result<Caller, Fault> {
    let digits = match account {
        AccountId::SYSTEM => String::new(),
        account => Directory::new(&service.now(), account).digits()?,
    };
    Ok(Caller {
        digits,
        request_id: received.request_id.clone(),
        source: received.source(),
        ..service.operator(operator, account)?
    })
}

/// The account that a request names, or the only one.
fn account(service: &Service, received: &Received) -> Result<AccountId, Fault> {
    let view = service.now();
    let named: Vec<String> = audit::parameters(&received.query)?
        .into_iter()
        .filter(|(name, _)| name == "account")
        .map(|(_, value)| value)
        .collect();
    match named.as_slice() {
        [] => match view.list(AccountId::SYSTEM, &ACCOUNTS, &())?.as_slice() {
            [only] => Ok(*only),
            [] => {
                Err(Fault::validation("There is no account yet: found one with `domesday init`."))
            }
            _ => Err(Fault::validation(
                "There are several accounts: name one by its 12 digits or its alias (--account).",
            )),
        },
        [name] => {
            let found = match view.get(AccountId::SYSTEM, &ACCOUNTS, name)? {
                None => view.get(AccountId::SYSTEM, &ALIASES, name)?,
                found => found,
            };
            found.ok_or_else(|| Fault::new("NoSuchEntity", 404, "There is no such account."))
        }
        _ => Err(Fault::validation("A request is about one account.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_ours_alone_replaces_a_stale_one_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (door, _listener) = Door::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(door.admits(door.uid) && door.admits(0) && !door.admits(door.uid + 4711));
        assert!(door.operator_name(7).starts_with("7@") && door.operator_name(7).len() > 2);
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "mine").unwrap();
        assert!(Door::open(&path).unwrap_err().to_string().contains("another file"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
