//! moto's server under the same requests, for comparison: what people who test against IAM run today.
//!
//! It is installed from PyPI beside the build results, once. It keeps users in memory, checks no signature,
//! decides nothing and records nothing: no floor, but what a user would have had otherwise.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// What is installed; the figures are of this version.
pub const PACKAGE: &str = "moto[server]==5.2.5";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a process of its own; ended when dropped.
pub struct Moto {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Moto {
    /// Starts the server of an installation, without any users.
    pub fn start(installed: &Path) -> Outcome<Self> {
        // Freed again at once: nobody else is given it so soon.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let child = Command::new(installed.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut moto = Moto { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = moto.child.try_wait()? {
                return Err(format!("moto_server ended: {status}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err("moto_server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The virtual environment beside the build results, made if it is not there or was not finished.
///
/// # Errors
/// Where Python or PyPI is out of reach.
pub fn install() -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).ok_or("this program is in no target folder")?;
    let folder = target.join("bench-moto");
    let done = folder.join("installed.txt");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == PACKAGE) {
        return Ok(folder);
    }
    eprintln!("installing {PACKAGE} from PyPI into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
    run(Command::new(folder.join("bin/python")).args(pip))?;
    std::fs::write(&done, PACKAGE)?;
    Ok(folder)
}

fn run(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", said.lines().last().unwrap_or("it failed and said nothing")).into())
}
