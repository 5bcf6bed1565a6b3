//! Where a transcript plays: a program of its own or, if `DOMESDAY_TRANSCRIPTS_ENDPOINT` says so, any
//! endpoint that speaks the protocol.

use std::io::Write;
use std::process::{Command, Stdio};

use domesday::base::clock::{Clock, SystemClock};
use domesday::base::sigv4::Credentials;
use domesday::base::text::percent_encode;
use domesday::base::time::Timestamp;

use crate::program::{Client, KEY, Program, ROOT_KEY, SECRET, credentials, headers};

/// An endpoint and the credentials of those who were there before the transcript.
pub struct Place {
    way: Way,
    admin: Credentials,
    root: Option<Credentials>,
}

enum Way {
    /// Our own program, which ends with it.
    Own { client: Client, _program: Program },
    /// An address of somebody else.
    Distant { url: String },
}

/// A form as it is sent.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| percent_encode(text.as_bytes());
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl Place {
    /// With a key of the root user only where it is wanted, since most accounts have none.
    pub fn open(with_root_key: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(url) = variable("DOMESDAY_TRANSCRIPTS_ENDPOINT") else {
            let program = Program::start_in_memory(with_root_key);
            let client = Client::connect(&program.address).unwrap();
            return Place {
                way: Way::Own { client, _program: program },
                admin: credentials(KEY, SECRET, None),
                root: with_root_key.then(|| credentials(ROOT_KEY, SECRET, None)),
            };
        };
        let of = |prefix: &str| {
            let token = variable(&format!("{prefix}SESSION_TOKEN"));
            Some(credentials(
                &variable(&format!("{prefix}ACCESS_KEY_ID"))?,
                &variable(&format!("{prefix}SECRET_ACCESS_KEY"))?,
                token.as_deref(),
            ))
        };
        Place {
            way: Way::Distant { url },
            admin: of("AWS_").expect("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed"),
            root: of("DOMESDAY_TRANSCRIPTS_ROOT_"),
        }
    }

    /// Whoever was there before: `admin`, `root`, or nobody.
    pub fn resident(&self, caller: &str) -> Option<Option<Credentials>> {
        let wrong = "wrong-secret-wrong-secret-wrong-secret-w";
        match caller {
            "admin" => Some(Some(self.admin.clone())),
            "root" => self.root.clone().map(Some),
            "nobody" => Some(None),
            "stranger" => Some(Some(credentials("AKIASTRANGERSTRANGER", wrong, None))),
            "forger" => Some(Some(credentials(&self.admin.access_key_id, wrong, None))),
            _ => None,
        }
    }

    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Status and body of the answer.
    pub fn send(
        &mut self,
        service: &str,
        caller: Option<&Credentials>,
        form: &str,
    ) -> Result<(u16, String), String> {
        match &mut self.way {
            Way::Own { client, .. } => client.send("/", service, caller, form),
            Way::Distant { url } => curl(&url.replace("{service}", service), service, caller, form),
        }
        .map_err(|error| format!("no answer: {error}"))
    }
}

/// By the `curl` of the system, which knows TLS and proxies.
fn curl(
    url: &str,
    service: &str,
    caller: Option<&Credentials>,
    form: &str,
) -> std::io::Result<(u16, String)> {
    let bare = url.split_once("://").map_or(url, |(_, bare)| bare);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let path = format!("/{path}");
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--user-agent",
        "",
        "--max-time",
        "60",
        "--write-out",
        "\n%{http_code}",
    ]);
    // Headers by a file, since credentials on a command line can be seen by others.
    let mut configuration = format!("url = \"{url}\"\n");
    for (name, value) in headers(host, &path, service, caller, form) {
        configuration += &format!("header = \"{name}: {value}\"\n");
    }
    configuration += &format!("data-raw = \"{form}\"\n");
    let mut child = command
        .args(["--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(configuration.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    match status.parse() {
        Ok(status @ 100..) => Ok((status, body.to_owned())),
        _ => Err(std::io::Error::other("curl reached nobody")),
    }
}
