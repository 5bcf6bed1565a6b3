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
pub const SECRET: &str = "test-secret-test-secret-test-secret-test";

pub struct Program {
    child: Child,
    pub address: String,
}

impl Program {
    /// Starts the program on a data folder; founding it if it is new.
    pub fn start(folder: &Path) -> Self {
        Program::try_start(&data(folder), folder).unwrap()
    }

    /// As [`start`](Self::start), with the ready file in a folder of its own; what the program said, if it
    /// ends before it is ready.
    pub fn try_start(data: &Path, folder: &Path) -> Result<Self, String> {
        let ready = folder.join("ready.json");
        let said = folder.join("said.txt");
        let _ = std::fs::remove_file(&ready);
        let child = Command::new(env!("CARGO_BIN_EXE_domesday"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--ready-file")
            .arg(&ready)
            .env_clear()
            .env("DOMESDAY_ACCOUNT_ID", "123456789012")
            .env("DOMESDAY_ADMIN_ACCESS_KEY_ID", KEY)
            .env("DOMESDAY_ADMIN_SECRET_ACCESS_KEY", SECRET)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let mut program = Program { child, address: String::new() };
        let begun = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready)
                && let Ok(found) = serde_json::from_str::<serde_json::Value>(&text)
            {
                let url = found["url"].as_str().unwrap();
                program.address = url.trim_start_matches("http://").trim_end_matches('/').into();
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
pub struct Client {
    address: String,
    stream: TcpStream,
}

impl Client {
    pub fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Client { address: address.to_owned(), stream })
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
        let headers: [(&str, &[u8]); 2] = [
            ("host", self.address.as_bytes()),
            ("content-type", b"application/x-www-form-urlencoded"),
        ];
        let message =
            Message { method: "POST", path, query: "", headers: &headers, body: body.as_bytes() };
        let credentials = Credentials {
            access_key_id: KEY.into(),
            secret_access_key: Secret::new(SECRET.into()),
            session_token: None,
        };
        let added = sign(&message, &credentials, "us-east-1", "iam", SystemClock.now());
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in added {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += &body;
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
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().ok())?
                });
                if body.len() >= length.unwrap_or(0usize) {
                    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
                    return Ok((status.ok_or_else(cut)?, body.to_owned()));
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

/// Runs another command of the program; exit status and output.
pub fn command(arguments: &[&str]) -> (i32, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_domesday")).args(arguments).env_clear().output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}
