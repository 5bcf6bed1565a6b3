//! TLS that the program speaks itself: who is served, who is turned away, renewals, and what it refuses to
//! start with.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::program::{Client, KEY, Program, SECRET, command_with, connect, data};

const LISTING: [(&str, &str); 0] = [];

/// The files of a certificate for this machine and its key.
struct Pair {
    chain: PathBuf,
    key: PathBuf,
}

impl Pair {
    /// Makes one in a folder, which is made if need be.
    fn make(folder: &Path) -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        fs::create_dir_all(folder).unwrap();
        let pair = Pair { chain: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::write(&pair.chain, cert.pem()).unwrap();
        fs::write(&pair.key, signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).unwrap();
        pair
    }

    fn arguments(&self) -> [&str; 4] {
        let [chain, key] = [&self.chain, &self.key].map(|path| path.to_str().unwrap());
        ["--tls-cert", chain, "--tls-key", key]
    }
}

/// A client that believes this certificate alone, or why there is none.
fn over_tls(
    program: &Program,
    root: &Path,
) -> std::io::Result<Client<StreamOwned<ClientConnection, TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = connect(&program.address)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(Client::over(&program.address, StreamOwned::new(session, stream)))
}

#[test]
fn requests_over_tls_are_answered_and_known_to_be_secure() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path());
    let mut more = pair.arguments().to_vec();
    more.extend(["--public-url", "https://iam.example.com/"]);
    let program = Program::try_start_with(&data(folder.path()), folder.path(), &more).unwrap();
    assert_eq!(program.url, format!("https://{}", program.address));

    // The same policy tells the two ways apart.
    let only_insecure = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:ListGroups",
        "Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}"#;
    let policy = [("UserName", "admin"), ("PolicyName", "p"), ("PolicyDocument", only_insecure)];
    let mut client = over_tls(&program, &pair.chain).unwrap();
    let (status, body) = client.ask("/", "PutUserPolicy", &policy).unwrap();
    assert_eq!(status, 200, "{body}");
    let (status, body) = client.ask("/", "ListGroups", &LISTING).unwrap();
    assert!(status == 403 && body.contains("explicit deny"), "{body}");
    let plain_folder = tempfile::tempdir().unwrap();
    let plain = Program::start(plain_folder.path());
    let mut insecure = Client::connect(&plain.address).unwrap();
    assert_eq!(insecure.ask("/", "PutUserPolicy", &policy).unwrap().0, 200);
    assert_eq!(insecure.ask("/", "ListGroups", &LISTING).unwrap().0, 200);
    plain.stop();

    // Our own command line, by the certificate as its root; and nobody who does not trust it.
    let root = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_CA_BUNDLE", pair.chain.to_str().unwrap()),
    ];
    let (status, told) = command_with(&["head", "--endpoint", &program.url], &root);
    assert!(status == 0 && told.starts_with('@'), "{told}");
    let stranger = Pair::make(&folder.path().join("stranger"));
    assert!(over_tls(&program, &stranger.chain).is_err());

    // Where decisions are asked for, whatever headers say.
    let mut stream = over_tls(&program, &pair.chain).unwrap();
    let (status, body) = stream.get("/.well-known/authzen-configuration").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""policy_decision_point":"https://iam.example.com""#), "{body}");
    program.stop();
}

#[test]
fn who_speaks_no_tls_is_hung_up_on_and_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path());
    let program =
        Program::try_start_with(&data(folder.path()), folder.path(), &pair.arguments()).unwrap();
    // As many as there are threads several times over, all of them silent.
    let began = Instant::now();
    let mut silent: Vec<TcpStream> = (0..64).map(|_| connect(&program.address).unwrap()).collect();
    let junk: [&[u8]; 3] = [
        b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n",
        b"\x16\x03\x01\xff\xff junk that says it is a handshake",
        &[0; 4096],
    ];
    for bytes in junk {
        let mut stream = connect(&program.address).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        // An alert at the most.
        assert!(answer.len() <= 7 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let mut client = over_tls(&program, &pair.chain).unwrap();
    assert_eq!(client.ask("/", "ListUsers", &LISTING).unwrap().0, 200);
    // Without a public URL, the address that was asked, by the scheme that is spoken.
    let (_, body) = client.get("/.well-known/authzen-configuration").unwrap();
    assert!(body.contains(r#""policy_decision_point":"https://elsewhere.example""#), "{body}");
    assert!(began.elapsed() < Duration::from_secs(8), "the silent were waited for");
    // They are not kept for ever either; the read gives up after twenty seconds.
    for stream in &mut silent {
        let mut answer = Vec::new();
        assert!(stream.read_to_end(&mut answer).is_ok(), "a silent client was kept");
    }
    assert!(began.elapsed() >= Duration::from_secs(8), "the silent had no time");
    program.stop();
}

#[test]
fn renewals_are_taken_up_and_broken_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    let roots = [Pair::make(&first).chain, Pair::make(&second).chain];
    let swap = |to: &Path| {
        let beside = folder.path().join("new");
        symlink(to, &beside).unwrap();
        fs::rename(&beside, &live).unwrap();
    };
    swap(&first);
    let linked = Pair { chain: live.join("tls.crt"), key: live.join("tls.key") };
    let program =
        Program::try_start_with(&data(folder.path()), folder.path(), &linked.arguments()).unwrap();
    let said = || fs::read_to_string(folder.path().join("said.txt")).unwrap();
    let becomes = |what: &str, is: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: {}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let mut open = over_tls(&program, &roots[0]).unwrap();
    assert_eq!(open.ask("/", "ListUsers", &LISTING).unwrap().0, 200);

    // As Kubernetes does it: one link to both. Connections that stand go on.
    swap(&second);
    becomes("the second", &|| over_tls(&program, &roots[1]).is_ok());
    assert!(over_tls(&program, &roots[0]).is_err());
    assert_eq!(open.ask("/", "ListUsers", &LISTING).unwrap().0, 200);

    // A key of another certificate, put in place by renaming as certbot does.
    fs::copy(first.join("tls.key"), folder.path().join("key")).unwrap();
    fs::rename(folder.path().join("key"), second.join("tls.key")).unwrap();
    becomes("the broken pair", &|| said().contains("stays in use"));
    assert!(over_tls(&program, &roots[1]).is_ok());
    // Its certificate follows, and the pair is whole again.
    fs::copy(&roots[0], folder.path().join("chain")).unwrap();
    fs::rename(folder.path().join("chain"), second.join("tls.crt")).unwrap();
    becomes("the first again", &|| over_tls(&program, &roots[0]).is_ok());
    assert_eq!(said().matches("stays in use").count(), 1, "{}", said());
    program.stop();
}

#[test]
fn what_is_not_safe_to_serve_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path());
    let other = Pair::make(&folder.path().join("other"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (chain, key) = (path(&pair.chain), path(&pair.key));
    let (others, gone) = (path(&other.key), path(&folder.path().join("gone")));
    let refused = |more: &[&str], why: &str| {
        let arguments = [&["serve", "--data", "memory:"], more].concat();
        let (status, told) = command_with(&arguments, &[]);
        assert!(status == 2 && told.contains(why), "{more:?}: {status} {told}");
    };
    let here = ["--listen", "127.0.0.1:0"];
    let tls = |cert: &str, key: &str, why: &str| {
        refused(&[&here[..], &["--tls-cert", cert, "--tls-key", key]].concat(), why);
    };
    tls(&chain, &others, "is not that of the first certificate");
    tls(&chain, &gone, "gone: No such file");
    tls(&gone, &key, "gone: No such file");
    tls(&key, &key, "no certificate");
    tls(&chain, &chain, "no private key");
    tls(&path(folder.path()), &key, "no file");
    refused(&["--listen", "127.0.0.1:0", "--tls-cert", &chain], "together");
    refused(&["--listen", "127.0.0.1:0", "--tls-key", &key], "together");
    refused(&["--listen", "0.0.0.0:0"], "--allow-plain-http");
    refused(&["--listen", "[::]:0"], "--tls-cert");
    refused(&["--listen", "127.0.0.1:0", "--public-url", "https://h/iam"], "public_url");

    // A key that everybody can read is served with, and told of.
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o644)).unwrap();
    let program =
        Program::try_start_with(&data(folder.path()), folder.path(), &pair.arguments()).unwrap();
    let said = fs::read_to_string(folder.path().join("said.txt")).unwrap();
    assert!(said.contains("open to everybody"), "{said}");
    program.stop();
}
