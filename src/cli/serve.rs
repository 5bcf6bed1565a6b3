//! `serve` and `init`: founding what is not there yet, and serving until told to stop.

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::json;

use super::Failure;
use super::door::{open_folder, operator, place};
use super::options::{Common, FoundOptions, ServeOptions, Settings};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::tables::ACCOUNTS;
use crate::projection::view::ReadTables;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::founding::{Founded, Founding, Place};

/// What ends the serving.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the wire is served; the layer that knows HTTP is beside this one, and `main.rs` knows both.
pub type ServeWire = fn(
    Arc<Service>,
    TcpListener,
    Option<PathBuf>,
    Stop,
) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

const LISTEN: &str = "127.0.0.1:1086";

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
    let founding = founding(&settings)?;
    let service = open_folder(&place)?;
    if !service.is_empty() {
        service.close();
        return Err(Failure::new("a ledger is there already; nothing was changed"));
    }
    let founded = service.found(founding, &operator());
    service.close();
    let founded = founded?;
    tell_founded(&place, &founded, None)?;
    Ok(0)
}

/// `domesday serve`
pub fn serve(common: &Common, options: &ServeOptions, wire: ServeWire) -> Result<u8, Failure> {
    let settings = Settings::read(options.found.config.as_deref(), std::env::vars())?;
    let place = place(common, &settings);
    let founding = founding(&settings)?;
    let address = options.listen.clone().or_else(|| settings.get("listen"));
    let address = address.as_deref().unwrap_or(LISTEN);
    let listener = TcpListener::bind(address)
        .map_err(|error| Failure::new(format!("cannot listen on {address}: {error}")))?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = open_folder(&place)?;
    let founded = match service.is_empty() {
        true => Some(service.found(founding, &operator())?),
        false => None,
    };
    let account = match &founded {
        Some(founded) => founded.digits.clone(),
        None => first_account(&service)?,
    };
    let data = match &place {
        Place::Memory => "memory:".to_owned(),
        Place::Folder { data, .. } => data.display().to_string(),
    };
    println!(
        "domesday ready  {url}   data {data}{}",
        if founded.is_some() { " (new)" } else { "" }
    );
    println!("Account  {account}");
    if let Some(founded) = &founded {
        tell_founded(&place, founded, Some(&url))?;
    }
    let _ = std::io::stdout().flush();
    let ready =
        options.ready_file.clone().or_else(|| settings.get("ready_file").map(PathBuf::from));
    if let Some(path) = ready {
        write_ready(&path, &url, &account)?;
    }
    let socket = match &place {
        Place::Memory => None,
        Place::Folder { data, .. } => Some(data.join("admin.sock")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let stop = stop_signal()?;
        wire(service.clone(), listener, socket, stop).await
    });
    // Requests in flight have been answered; a long act of the operator is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    service.close();
    served?;
    Ok(0)
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

/// The digits of an account of the store, the first by its digits.
fn first_account(service: &Arc<Service>) -> Result<String, Failure> {
    let view = service.now()?;
    let accounts: Vec<AccountId> =
        view.list(AccountId::SYSTEM, &ACCOUNTS, &()).map_err(Fault::from)?;
    match accounts.first() {
        None => Ok(String::new()),
        Some(account) => Ok(Directory::new(&view, *account).digits().map_err(Fault::from)?),
    }
}

/// Written beside and moved, so that whoever waits for it never reads half of it.
fn write_ready(path: &Path, url: &str, account: &str) -> Result<(), Failure> {
    let beside = path.with_extension("part");
    std::fs::write(&beside, format!("{}\n", json!({ "url": url, "account": account })))?;
    std::fs::rename(&beside, path)?;
    Ok(())
}

/// The lines to paste: on a terminal once; elsewhere into a file of its own, since stdout is a log there.
fn tell_founded(place: &Place, founded: &Founded, url: Option<&str>) -> Result<(), Failure> {
    let lines = credential_lines(founded, url);
    if std::io::stdout().is_terminal() {
        if let Some(password) = &founded.root_password {
            println!(
                "Root     {}  one-time password {}  (not for daily work)",
                founded.root_email,
                password.expose()
            );
        }
        println!("Paste in another terminal (shown once; lost: domesday recover admin):");
        for line in lines {
            println!("  {line}");
        }
        return Ok(());
    }
    let Place::Folder { data, .. } = place else { return Ok(()) };
    let path = data.join("first-credentials.env");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    if let Some(password) = &founded.root_password {
        writeln!(file, "# Root {} one-time password {}", founded.root_email, password.expose())?;
    }
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.sync_all()?;
    println!("First credentials  {}  (move them to a safe place)", path.display());
    Ok(())
}

fn credential_lines(founded: &Founded, url: Option<&str>) -> Vec<String> {
    let mut lines = vec!["unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned()];
    if let Some(url) = url {
        let folder = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
        let path = folder.map_or(String::new(), |folder| {
            format!("PATH='{}':\"$PATH\" ", folder.display().to_string().replace('\'', "'\\''"))
        });
        lines.push(format!("export {path}AWS_ENDPOINT_URL={url} DOMESDAY_ENDPOINT={url}"));
    }
    lines.push("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1".to_owned());
    if let Some((_, key, secret)) = &founded.admin {
        lines.push(format!(
            "export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY='{}'",
            secret.expose()
        ));
    }
    lines
}
