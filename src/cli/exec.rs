//! `domesday exec -- COMMAND...`: a server in memory on a free port, an administrator's variables for the
//! command, and the command's exit status. For CI: one line, no set-up.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::door::{open_folder, operator};
use super::options::Settings;
use super::serve::{Doors, ServeWire, Stop, founding};
use crate::base::secret::Secret;
use crate::service::founding::{Founding, Place};

/// What would send the command elsewhere, or as somebody else.
const REMOVED: &[&str] = &[
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Runs the command.
///
/// # Errors
/// If the server or the command cannot be started.
pub fn exec(command: Vec<String>, wire: ServeWire) -> Result<u8, Failure> {
    let mut command = command.into_iter();
    let program = command.next().ok_or_else(|| Failure::new("give a command after --"))?;
    let settings = Settings::read(None, std::env::vars())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = open_folder(&Place::Memory)?;
    let found = founding(&settings)?;
    let admin = found.admin.clone().unwrap_or_else(|| "admin".to_owned());
    let founded = service.found(Founding { admin: Some(admin), ..found }, &operator())?;
    let (_, key, secret) =
        founded.admin.ok_or_else(|| Failure::new("no administrator was made"))?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped: Stop = Box::pin(async move {
        let _ = stopped.await;
    });
    let doors = Doors { listener, admin_socket: None, tls: None, public_url: None };
    let server = runtime.spawn(wire(service.clone(), doors, stopped));
    let mut child = Command::new(&program);
    child.args(command);
    surround(&mut child, &url, &key, &secret);
    let status = runtime.block_on(async { run(child.spawn()?).await });
    let _ = stop.send(());
    let served = runtime.block_on(server);
    service.close();
    let status = status.map_err(|error| Failure::new(format!("{program}: {error}")))?;
    served.map_err(std::io::Error::other)??;
    Ok(code(status))
}

/// The variables of the administrator, and no others that matter.
fn surround(child: &mut Command, url: &str, key: &str, secret: &Secret<String>) {
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("DOMESDAY_")) {
        child.env_remove(name);
    }
    for name in REMOVED {
        child.env_remove(name);
    }
    for name in ["AWS_ENDPOINT_URL", "DOMESDAY_ENDPOINT"] {
        child.env(name, url);
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        child.env(name, "us-east-1");
    }
    child.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret.expose());
    let program = std::env::current_exe().ok();
    if let Some(folder) = program.as_deref().and_then(std::path::Path::parent) {
        let mut path = folder.as_os_str().to_owned();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        child.env("PATH", path);
    }
}

/// Waits for the command. What a terminal interrupts it interrupts as well, so that the command decides
/// whether to end; a request to terminate is passed on.
async fn run(mut child: Child) -> std::io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => if let Some(id) = child.id() {
                // The standard library can only kill; every shell can ask.
                let script = ["-c", "kill -TERM \"$1\"", "sh", &id.to_string()];
                let _ = Command::new("/bin/sh").args(script).status().await;
            },
        }
    }
}

/// As shells tell it: 128 and the signal's number for a command that a signal ended.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_commands() {
        // Wait statuses: the exit code in the second byte, or the signal in the first.
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
    }

    #[test]
    fn the_command_sees_the_administrator_and_no_session() {
        let mut child = Command::new("true");
        surround(&mut child, "http://h:1", "AKIA1", &Secret::new("s".to_owned()));
        let seen = |name: &str| {
            let mut set = child.as_std().get_envs().filter(|(key, _)| *key == name);
            set.next().map(|(_, value)| value.map(|value| value.to_string_lossy().into_owned()))
        };
        assert_eq!(seen("AWS_ENDPOINT_URL"), Some(Some("http://h:1".into())));
        assert_eq!(seen("AWS_ACCESS_KEY_ID"), Some(Some("AKIA1".into())));
        assert_eq!(seen("AWS_SESSION_TOKEN"), Some(None));
        assert_eq!(seen("AWS_ENDPOINT_URL_IAM"), Some(None));
    }
}
