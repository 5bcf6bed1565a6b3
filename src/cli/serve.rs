//! `serve` and `init`: founding what is not there yet, and serving until told to stop.

use std::future::Future;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_rustls::rustls::ServerConfig;

use super::door::{open_folder, operator, place};
use super::first_credentials::{self, Given};
use super::front::Front;
use super::options::{Common, FoundOptions, ServeOptions, Settings};
use super::{Failure, open_files, print};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::ACCOUNTS;
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::founding::{Founded, Founding, Place};
use crate::service::signin::session::Lengths;

/// What ends the serving.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the wire is served; the layers that know HTTP and the console are beside this one, and `main.rs`
/// knows all of them.
pub type ServeWire =
    fn(Arc<Service>, Doors, Stop) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// By which ways a service is reached.
pub struct Doors {
    /// From the network; bound already.
    pub listener: TcpListener,
    /// By TLS alone, if this is set.
    pub tls: Option<Arc<ServerConfig>>,
    /// The URL by which clients know us, if the operator gave one.
    pub public_url: Option<String>,
    /// Where to put the operator's socket, if anywhere.
    pub admin_socket: Option<PathBuf>,
}

/// What is founded with, from variables and file.
pub fn founding(settings: &Settings) -> Result<Founding, Failure> {
    let pair = |id: &str, secret: &str| match (settings.get(id), settings.secret(secret)) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err(Failure::new(format!("{id} and {secret} are given together or not at all"))),
    };
    let admin = settings.get("admin_user").unwrap_or_else(|| "admin".to_owned());
    Ok(Founding {
        digits: settings.get("account_id"),
        name: settings.get("account_name"),
        root_email: settings.get("root_email"),
        root_password: settings.secret("root_password"),
        root_key: pair("root_access_key_id", "root_secret_access_key")?,
        admin: (!admin.is_empty()).then_some(admin),
        admin_key: pair("admin_access_key_id", "admin_secret_access_key")?,
    })
}

/// `domesday init`
pub fn init(common: &Common, options: &FoundOptions) -> Result<u8, Failure> {
    let settings = Settings::read(options.config.as_deref(), std::env::vars())?;
    let place = place(common, &settings);
    if place == Place::Memory {
        return Err(Failure::new(
            "what is in memory ends with this command: name a folder by --data",
        ));
    }
    let front = Front::of(&ServeOptions::default(), &settings)?;
    let founding = founding(&settings)?;
    let given = Given::of(&founding);
    let service = open_folder(&place)?;
    if !service.is_empty() {
        service.close();
        return Err(Failure::new("a ledger is there already; nothing was changed"));
    }
    let founded = service.found(founding, &operator());
    service.close();
    let founded = founded?;
    print::line(&format!("domesday founded  data {}", shown(&place)))?;
    print::line(&format!("Account  {}", founded.digits))?;
    first_credentials::tell(&place, &founded, given, &front.url())?;
    Ok(0)
}

/// `domesday serve`
pub fn serve(common: &Common, options: &ServeOptions, wire: ServeWire) -> Result<u8, Failure> {
    let settings = Settings::read(options.found.config.as_deref(), std::env::vars())?;
    let place = place(common, &settings);
    let founding = founding(&settings)?;
    let given = Given::of(&founding);
    let ready = options.ready_file.clone();
    let ready = ready.or_else(|| settings.get("ready_file").map(PathBuf::from));
    if let Some(path) = &ready {
        unready(path)?;
    }
    let days = number(options.receipt_days, &settings, "receipt_days", "days, 0 for all")?;
    let days = days.unwrap_or(0);
    let lengths = session_lengths(options, &settings)?;
    let front = Front::of(options, &settings)?;
    let tls = front.certificate()?;
    let listener = front.listen()?;
    let url = front.url_of(listener.local_addr()?);
    open_files::raise();
    let service = open_folder(&place)?;
    service.activity().keep_days(days);
    service.set_session_lengths(lengths);
    let founded = match service.is_empty() {
        true => Some(service.found(founding, &operator())?),
        false => None,
    };
    let accounts = match &founded {
        Some(founded) => vec![founded.digits.clone()],
        None => accounts(&service)?,
    };
    let socket = match &place {
        Place::Memory => None,
        Place::Folder { data, .. } => Some(data.join("admin.sock")),
    };

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stop = {
        let _inside = runtime.enter();
        stop_signal()?
    };
    let public_url = front.public_url.clone();
    let doors = Doors { listener, tls, public_url, admin_socket: socket.clone() };
    let serving = runtime.spawn(wire(service.clone(), doors, stop));
    if let Some(socket) = &socket {
        wait_for(socket, &serving);
    }
    // Whoever reads that we are ready finds both doors open.
    let told = match serving.is_finished() {
        true => Ok(()),
        false => {
            let public = front.public_url.as_deref().unwrap_or(&url);
            let urls = (url.as_str(), public);
            tell_ready(&place, urls, &accounts, founded.as_ref(), given, ready.as_deref())
        }
    };
    let served = match &told {
        Ok(()) => {
            runtime.block_on(serving).map_err(std::io::Error::other).and_then(|served| served)
        }
        Err(_) => Ok(()),
    };
    // Requests in flight have been answered; a long act of the operator is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(5));
    service.close();
    told?;
    served?;
    Ok(0)
}

/// A number that was given; what is none is refused, not taken for what holds without it.
fn number(
    option: Option<u32>,
    settings: &Settings,
    name: &str,
    of: &str,
) -> Result<Option<u32>, Failure> {
    match (option, settings.get(name)) {
        (Some(number), _) => Ok(Some(number)),
        (None, None) => Ok(None),
        (None, Some(text)) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Failure::new(format!("{name} is a number of {of}; not {text}"))),
        },
    }
}

/// The shortest time without use that ends a session of the console, and the longest that one lasts, in minutes:
/// uses are kept to the minute, and whoever comes to work the next day signs in.
const SESSION_MINUTES: std::ops::RangeInclusive<i64> = 5..=1_440;

fn session_lengths(options: &ServeOptions, settings: &Settings) -> Result<Lengths, Failure> {
    let seconds = |option, name, usual: i64| -> Result<i64, Failure> {
        let Some(minutes) = number(option, settings, name, "minutes")? else { return Ok(usual) };
        let minutes = i64::from(minutes);
        if !SESSION_MINUTES.contains(&minutes) {
            let (least, most) = (SESSION_MINUTES.start(), SESSION_MINUTES.end());
            return Err(Failure::new(format!(
                "{name} is a number of minutes from {least} to {most}; not {minutes}"
            )));
        }
        Ok(minutes * 60)
    };
    let usual = Lengths::default();
    let longest = seconds(options.console_longest, "console_longest", usual.longest)?;
    let idle = seconds(options.console_idle, "console_idle", usual.idle.min(longest))?;
    if idle > longest {
        return Err(Failure::new("console_idle is no longer than console_longest"));
    }
    Ok(Lengths { longest, idle })
}

/// Waits until the operator's socket takes connections, or the server has ended, for at most ten seconds.
fn wait_for(socket: &Path, serving: &tokio::task::JoinHandle<std::io::Result<()>>) {
    for _ in 0..2_000 {
        if serving.is_finished() || UnixStream::connect(socket).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tells where we are, on this machine and to the clients who paste it.
fn tell_ready(
    place: &Place,
    (url, public): (&str, &str),
    accounts: &[String],
    founded: Option<&Founded>,
    given: Given,
    ready: Option<&Path>,
) -> Result<(), Failure> {
    let new = if founded.is_some() { " (new)" } else { "" };
    print::line(&format!("domesday ready  {url}   data {}{new}", shown(place)))?;
    print::line(&format!("{}   Console  {public}/console/", listed(accounts)))?;
    if let Some(founded) = founded {
        first_credentials::tell(place, founded, given, public)?;
    }
    match ready {
        Some(path) => write_ready(path, url, accounts.first().map_or("", String::as_str)),
        None => Ok(()),
    }
}

fn shown(place: &Place) -> String {
    match place {
        Place::Memory => "memory:".to_owned(),
        Place::Folder { data, .. } => data.display().to_string(),
    }
}

fn stop_signal() -> std::io::Result<Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}

/// `Account  1...`, or the first few of several.
fn listed(accounts: &[String]) -> String {
    const SHOWN: usize = 8;
    match accounts {
        [] => "no account".to_owned(),
        [only] => format!("Account  {only}"),
        several => {
            let shown: Vec<&str> = several.iter().take(SHOWN).map(String::as_str).collect();
            let more = match several.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("Accounts  {}{more}", shown.join("  "))
        }
    }
}

/// The digits of the store's accounts, in their order.
fn accounts(service: &Arc<Service>) -> Result<Vec<String>, Failure> {
    let view = service.now();
    let accounts: Vec<AccountId> =
        view.list(AccountId::SYSTEM, &ACCOUNTS, &()).map_err(Fault::from)?;
    let digits = accounts.into_iter().map(|account| Directory::new(&view, account).digits());
    Ok(digits.collect::<Result<_, _>>().map_err(Fault::from)?)
}

/// A ready file that an earlier run left would tell its address for ours.
fn unready(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("the ready file {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Written beside and moved, so that whoever waits for it never reads half of it.
fn write_ready(path: &Path, url: &str, account: &str) -> Result<(), Failure> {
    let beside = path.with_extension("part");
    let text = format!("{}\n", json!({ "url": url, "account": account }));
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| Failure::new(format!("the ready file {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::read(None, pairs.into_iter()).ok().unwrap()
    }

    #[test]
    fn an_administrator_is_made_unless_turned_off_and_keys_come_in_pairs() {
        assert_eq!(founding(&settings(&[])).ok().unwrap().admin.as_deref(), Some("admin"));
        let none = founding(&settings(&[("DOMESDAY_ADMIN_USER", "")])).ok().unwrap();
        assert_eq!(none.admin, None);
        let half = [("DOMESDAY_ROOT_ACCESS_KEY_ID", "AKIA")];
        let refused = founding(&settings(&half)).err().unwrap();
        assert!(refused.message.contains("together"), "{}", refused.message);
    }

    #[test]
    fn sessions_last_as_long_as_is_said() {
        let lengths = |pairs: &[(&str, &str)]| {
            session_lengths(&ServeOptions::default(), &settings(pairs))
                .map_err(|failure| failure.message)
        };
        assert_eq!(lengths(&[]), Ok(Lengths { longest: 43_200, idle: 1_800 }));
        let (idle, longest) = ("DOMESDAY_CONSOLE_IDLE", "DOMESDAY_CONSOLE_LONGEST");
        assert_eq!(lengths(&[(idle, "15")]), Ok(Lengths { longest: 43_200, idle: 900 }));
        assert_eq!(lengths(&[(longest, "20")]), Ok(Lengths { longest: 1_200, idle: 1_200 }));
        for wrong in [(idle, "4"), (idle, "0"), (idle, "never"), (idle, "-1"), (longest, "1441")] {
            assert!(lengths(&[wrong]).is_err(), "{wrong:?}");
        }
        assert!(lengths(&[(idle, "60"), (longest, "30")]).unwrap_err().contains("no longer"));
    }

    #[test]
    fn several_accounts_are_all_named_or_counted() {
        let accounts = |count| (0..count).map(|n| format!("{n:012}")).collect::<Vec<_>>();
        assert_eq!(listed(&accounts(1)), "Account  000000000000");
        assert_eq!(listed(&accounts(2)), "Accounts  000000000000  000000000001");
        assert!(listed(&accounts(10)).ends_with("000000000007 and 2 more"));
    }

    #[test]
    fn a_stale_ready_file_goes_and_a_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        assert!(unready(&path).is_ok());
        assert!(write_ready(&path, "http://h:1", "1").is_ok());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"url\":\"http://h:1\",\"account\":\"1\"}\n");
        assert!(unready(&path).is_ok() && !path.exists());
    }
}
