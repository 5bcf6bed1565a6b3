//! Starts the program on a free port and asks it signed questions over plain sockets.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use domesday::base::clock::{Clock, SystemClock};
use domesday::base::secret::Secret;
use domesday::base::sigv4::{Credentials, Message, sign};
use domesday::base::text::percent_encode;

pub const KEY: &str = "AKIATESTTESTTESTTEST";
pub const ROOT_KEY: &str = "AKIAROOTROOTROOTROOT";
pub const SECRET: &str = "test-secret-test-secret-test-secret-test";

pub struct Program {
    child: Child,
    pub address: String,
    /// As the ready file says.
    pub url: String,
}

impl Program {
    /// Starts the program on a data folder; founding it if it is new.
    pub fn start(folder: &Path) -> Self {
        Program::try_start(&data(folder), folder).unwrap()
    }

    /// As [`start`](Self::start), with the ready file in a folder of its own; what the program said, if it
    /// ends before it is ready.
    pub fn try_start(data: &Path, folder: &Path) -> Result<Self, String> {
        Self::try_start_with(data, folder, &[])
    }

    /// As [`try_start`](Self::try_start), with further arguments.
    pub fn try_start_with(data: &Path, folder: &Path, more: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domesday"));
        command.arg("serve").arg("--data").arg(data).args(more).env_clear();
        Self::await_ready(&mut command, folder)
    }

    /// Starts the program with its data in memory and, if wanted, a key for the root user.
    pub fn start_in_memory(with_root_key: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_domesday"));
        command.args(["serve", "--data", "memory:"]).env_clear();
        if with_root_key {
            command.env("DOMESDAY_ROOT_ACCESS_KEY_ID", ROOT_KEY);
            command.env("DOMESDAY_ROOT_SECRET_ACCESS_KEY", SECRET);
        }
        Self::await_ready(&mut command, folder.path()).unwrap()
    }

    fn await_ready(command: &mut Command, folder: &Path) -> Result<Self, String> {
        let ready = folder.join("ready.json");
        let said = folder.join("said.txt");
        let _ = std::fs::remove_file(&ready);
        let child = command
            .args(["--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready)
            .env("DOMESDAY_ACCOUNT_ID", "123456789012")
            .env("DOMESDAY_ADMIN_ACCESS_KEY_ID", KEY)
            .env("DOMESDAY_ADMIN_SECRET_ACCESS_KEY", SECRET)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let mut program = Program { child, address: String::new(), url: String::new() };
        let begun = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready)
                && let Ok(found) = serde_json::from_str::<serde_json::Value>(&text)
            {
                let url = found["url"].as_str().unwrap();
                program.address = url.split_once("://").unwrap().1.into();
                program.url = url.to_owned();
                return Ok(program);
            }
            if program.has_ended() {
                return Err(std::fs::read_to_string(&said).unwrap());
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the program is not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM; it must end well, and soon.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let began = Instant::now();
        while !self.has_ended() {
            assert!(began.elapsed() < Duration::from_secs(10), "the program does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(self.child.wait().unwrap().success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// A connection that asks signed questions.
pub struct Client<S = TcpStream> {
    address: String,
    stream: S,
}

impl Client {
    pub fn connect(address: &str) -> std::io::Result<Self> {
        Ok(Client { address: address.to_owned(), stream: connect(address)? })
    }
}

/// A connection that does not wait for ever.
pub fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

impl<S: Read + Write> Client<S> {
    /// Over a connection that stands.
    pub fn over(address: &str, stream: S) -> Self {
        Client { address: address.to_owned(), stream }
    }

    /// Asks an IAM operation at a path; status and body.
    pub fn ask(
        &mut self,
        path: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> std::io::Result<(u16, String)> {
        let mut body = format!("Action={operation}&Version=2010-05-08");
        for (name, value) in parameters {
            body += &format!("&{name}={}", percent_encode(value.as_bytes()));
        }
        let admin = credentials(KEY, SECRET, None);
        self.send(path, "iam", Some(&admin), &body)
    }

    /// Fetches a path, unsigned, with headers that only a proxy should send; status and body.
    pub fn get(&mut self, path: &str) -> std::io::Result<(u16, String)> {
        let host = "host: elsewhere.example\r\nx-forwarded-proto: gopher\r\n";
        let request =
            format!("GET {path} HTTP/1.1\r\n{host}x-forwarded-host: evil.example\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    /// Sends a form, signed unless there are no credentials; status and body.
    pub fn send(
        &mut self,
        path: &str,
        service: &str,
        credentials: Option<&Credentials>,
        form: &str,
    ) -> std::io::Result<(u16, String)> {
        let mut request = format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n", form.len());
        for (name, value) in headers(&self.address, path, service, credentials, form) {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += form;
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    /// How often each user is listed.
    pub fn users(&mut self) -> BTreeMap<String, usize> {
        let mut listed: BTreeMap<String, usize> = BTreeMap::new();
        let mut marker = String::new();
        loop {
            let mut parameters = vec![("MaxItems", "1000")];
            if !marker.is_empty() {
                parameters.push(("Marker", &marker));
            }
            let (status, body) = self.ask("/", "ListUsers", &parameters).unwrap();
            assert_eq!(status, 200, "{body}");
            for part in body.split("<UserName>").skip(1) {
                *listed.entry(part.split('<').next().unwrap().to_owned()).or_default() += 1;
            }
            match body.split("<Marker>").nth(1) {
                Some(rest) => marker = rest.split('<').next().unwrap().to_owned(),
                None => return listed,
            }
        }
    }

    /// Every acknowledged user must be there, exactly once.
    pub fn has_all<'a>(&mut self, acknowledged: impl IntoIterator<Item = &'a String>) {
        let listed = self.users();
        for name in acknowledged {
            assert_eq!(listed.get(name), Some(&1), "{name} was acknowledged");
        }
    }

    fn answer(&mut self) -> std::io::Result<(u16, String)> {
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let (head, body) = bytes.split_at(end + 4);
                let head = String::from_utf8_lossy(head);
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().ok())?
                });
                if body.len() >= length.unwrap_or(0usize) {
                    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
                    let body = String::from_utf8_lossy(body).into_owned();
                    return Ok((status.ok_or_else(cut)?, body));
                }
            }
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(cut());
            }
            bytes.extend_from_slice(&chunk[..read]);
        }
    }
}

pub fn credentials(key: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret_access_key: Secret::new(secret.to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    }
}

/// The headers of a form that is posted, with its signature unless there are no credentials.
pub fn headers(
    host: &str,
    path: &str,
    service: &str,
    credentials: Option<&Credentials>,
    form: &str,
) -> Vec<(&'static str, String)> {
    let media_type = "application/x-www-form-urlencoded";
    let headers: [(&str, &[u8]); 2] =
        [("host", host.as_bytes()), ("content-type", media_type.as_bytes())];
    let body = form.as_bytes();
    let message = Message { method: "POST", path, query: "", headers: &headers, body };
    let mut all = vec![("host", host.to_owned()), ("content-type", media_type.to_owned())];
    if let Some(credentials) = credentials {
        all.extend(sign(&message, credentials, "us-east-1", service, SystemClock.now()));
    }
    all
}

/// Runs another command of the program; exit status and output.
pub fn command(arguments: &[&str]) -> (i32, String) {
    command_with(arguments, &[])
}

/// As [`command`], with variables.
pub fn command_with(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domesday"));
    let output =
        command.args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}
