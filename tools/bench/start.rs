//! Start, memory and size: of a service in this process, and of the program beside this one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::people::{self, Admin};
use crate::{Outcome, ROUNDS};
use domesday::base::clock::{Clock, SystemClock};
use domesday::base::random::{OsRandom, random_bytes};
use domesday::base::secret::Secret;
use domesday::base::sigv4::{Credentials, Message, sign};
use domesday::base::text::hex;

/// How long a program may take to answer before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for; the figures are this coarse.
const LOOK: Duration = Duration::from_micros(200);
/// How long it is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(1);
/// The most of an answer that is read.
const MOST_ANSWER: u64 = 64 << 20;

/// The figures of this part.
pub fn measure(figures: &mut Figures) -> Outcome<()> {
    let (mut founding, mut reopening) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (founded, reopened) = start_in_process()?;
        founding.push(founded);
        reopening.push(reopened);
    }
    figures.add(millis("found and first answer, in process", founding, Goal::AtMost(120.0)));
    figures.add(millis("open again, in process", reopening, Goal::AtMost(40.0)));

    let Some(program) = program().filter(|program| program.exists()) else {
        figures.note(
            "The program is not built, so that its start, memory and size were not measured: \
             cargo build --release --bin domesday",
        );
        return Ok(());
    };
    let (mut first, mut second, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        let (took, running) = Running::start(&program, &folder)?;
        first.push(took);
        running.stop()?;
        let (took, running) = Running::start(&program, &folder)?;
        second.push(took);
        std::thread::sleep(IDLE);
        memory.push(running.memory()?);
        running.stop()?;
    }
    let founded = "domesday serve: from nothing to a signed first answer";
    figures.add(millis(founded, first, Goal::AtMost(120.0)));
    let again = "domesday serve: again, to a signed first answer";
    figures.add(millis(again, second, Goal::AtMost(40.0)));
    figures.add(Figure {
        what: "domesday serve: resident memory, idle".into(),
        ours: memory,
        floor: Vec::new(),
        unit: Unit::Mebibytes,
        goal: Goal::AtMost(30.0),
    });
    figures.add(Figure {
        what: "size of the program".into(),
        ours: vec![std::fs::metadata(&program)?.len() as f64 / 1e6],
        floor: Vec::new(),
        unit: Unit::Megabytes,
        goal: Goal::AtMost(40.0),
    });
    Ok(())
}

fn millis(what: &str, ours: Vec<f64>, goal: Goal) -> Figure {
    Figure { what: what.to_owned(), ours, floor: Vec::new(), unit: Unit::Millis, goal }
}

fn since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds until a new folder is founded and a question answered, and until it is open again.
fn start_in_process() -> Outcome<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let place = people::place(&folder)?;
    let began = Instant::now();
    let service = people::open(&place)?;
    let admin = Admin::found(&service, 0, None)?;
    service.execute_blocking(admin.call(&service, "GetUser", "admin")?)?;
    let founded = since(began);
    service.close();
    drop(service);
    let began = Instant::now();
    let service = people::open(&place)?;
    service.execute_blocking(admin.call(&service, "GetUser", "admin")?)?;
    let reopened = since(began);
    service.close();
    Ok((founded, reopened))
}

/// The program beside this one: `target/release/domesday` for `target/release/examples/bench`.
pub fn program() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    Some(here.parent()?.parent()?.join("domesday"))
}

/// A server in a process of its own; ended when dropped.
pub struct Running {
    child: Child,
    address: String,
}

impl Running {
    /// Starts it; milliseconds until it answered a signed question.
    pub fn start(program: &Path, folder: &TempDir) -> Outcome<(f64, Self)> {
        let ready = folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let who = credentials(folder)?;
        let began = Instant::now();
        let child = Command::new(program)
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .env("DOMESDAY_ADMIN_ACCESS_KEY_ID", &who.access_key_id)
            .env("DOMESDAY_ADMIN_SECRET_ACCESS_KEY", who.secret_access_key.expose())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Running { child, address: String::new() };
        let url = running.wait_for(&ready, began)?;
        let address = url.strip_prefix("http://").ok_or("the ready file holds no address")?;
        running.address = address.to_owned();
        running.ask(&who, "sts", "Action=GetCallerIdentity&Version=2011-06-15")?;
        Ok((since(began), running))
    }

    /// The address in the ready file, once it is there.
    fn wait_for(&mut self, ready: &Path, began: Instant) -> Outcome<String> {
        loop {
            if let Ok(text) = std::fs::read_to_string(ready) {
                let value: serde_json::Value = serde_json::from_str(&text)?;
                let url = value.get("url").and_then(serde_json::Value::as_str);
                return Ok(url.ok_or("the ready file holds no url")?.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the program ended before it was ready: {status}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err("the program was not ready in time".into());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// MiB that are resident.
    pub fn memory(&self) -> Outcome<f64> {
        self.status("VmRSS:")
    }

    /// MiB that were resident at most.
    pub fn peak(&self) -> Outcome<f64> {
        self.status("VmHWM:")
    }

    /// Begins to look for the most anew, from what is resident now.
    pub fn forget_peak(&self) -> Outcome<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    fn status(&self, name: &str) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kibibytes.ok_or("the system does not tell the program's memory")? / 1024.0)
    }

    /// Asks something; the answer, which must be 200.
    pub fn ask(&self, who: &Credentials, service: &str, body: &str) -> Outcome<String> {
        let address = &self.address;
        let headers: [(&str, &[u8]); 2] = [
            ("host", address.as_bytes()),
            ("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let message = Message {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        let mut text = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded; charset=utf-8\r\n",
            body.len()
        );
        for (name, value) in sign(&message, who, "us-east-1", service, SystemClock.now()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(body);
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.take(MOST_ANSWER).read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            return Ok(answer);
        }
        let answer: String = answer.chars().take(300).collect();
        Err(format!("the program answered: {answer}").into())
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Outcome<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                return Err("the program did not stop in time".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The administrator's credentials, the same for all starts in a folder.
pub fn credentials(folder: &TempDir) -> Outcome<Credentials> {
    let path = folder.path().join("secret");
    if !path.exists() {
        std::fs::write(&path, hex(&random_bytes::<20>(&OsRandom)?))?;
    }
    Ok(Credentials {
        access_key_id: "AKIABENCHMARKBENCHMA".to_owned(),
        secret_access_key: Secret::new(std::fs::read_to_string(&path)?),
        session_token: None,
    })
}
