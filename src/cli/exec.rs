//! `domesday exec -- COMMAND...`: a server in memory on a free port, an administrator's variables for the
//! command, and the command's exit status. For CI: one line, no set-up.

use std::net::TcpListener;
use std::process::Command;

use super::Failure;
use super::door::{open_folder, operator};
use super::serve::{ServeWire, Stop};
use crate::service::founding::{Founding, Place};

/// Runs the command.
pub fn exec(command: &[String], wire: ServeWire) -> Result<u8, Failure> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| Failure::new("give a command after --"))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = open_folder(&Place::Memory)?;
    let founding = Founding { admin: Some("admin".to_owned()), ..Founding::default() };
    let founded = service.found(founding, &operator())?;
    let (_, key, secret) =
        founded.admin.ok_or_else(|| Failure::new("no administrator was made"))?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop_future: Stop = Box::pin(async move {
        let _ = stopped.await;
    });
    let server = runtime.spawn(wire(service.clone(), listener, None, stop_future));

    let mut child = Command::new(program);
    child.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("DOMESDAY_") {
            child.env_remove(name);
        }
    }
    for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"] {
        child.env_remove(name);
    }
    for name in ["AWS_ENDPOINT_URL", "DOMESDAY_ENDPOINT"] {
        child.env(name, &url);
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        child.env(name, "us-east-1");
    }
    child.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret.expose());
    if let Some(folder) =
        std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()))
    {
        let mut path = folder.into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        child.env("PATH", path);
    }
    let status = child.status();
    let _ = stop.send(());
    let _ = runtime.block_on(server);
    service.close();
    let status = status.map_err(|error| Failure::new(format!("{program}: {error}")))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))
}
