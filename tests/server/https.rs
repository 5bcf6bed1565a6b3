//! The command line over TLS, to a front that ends it before the program: whom it believes, and whom not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::program::{KEY, Program, SECRET, command_with};

/// A front that speaks TLS as `localhost` and hands on to the program; it ends with its runtime.
struct Front {
    port: u16,
    /// The file of its certificate.
    certificate: PathBuf,
    _runtime: Runtime,
}

impl Front {
    fn open(folder: &Path, program: &Program) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = folder.join("front.pem");
        fs::write(&certificate, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = program.address.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, address) = (acceptor.clone(), address.clone());
                tokio::spawn(async move {
                    // Whoever does not trust us breaks off here.
                    let mut client = acceptor.accept(client).await?;
                    let mut program = TcpStream::connect(address).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut program).await
                });
            }
        });
        Front { port, certificate, _runtime: runtime }
    }
}

#[test]
fn questions_go_over_tls_to_who_proves_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let front = Front::open(folder.path(), &program);
    let stranger = folder.path().join("stranger.pem");
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&stranger, other.cert.pem()).unwrap();

    let head = |endpoint: &str, roots: (&str, &Path)| {
        let variables = [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            (roots.0, roots.1.to_str().unwrap()),
        ];
        command_with(&["head", "--endpoint", endpoint], &variables)
    };
    let localhost = format!("https://localhost:{}", front.port);
    let ours = front.certificate.as_path();
    for variable in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
        let (status, told) = head(&localhost, (variable, ours));
        assert_eq!(status, 0, "{variable}: {told}");
        assert!(told.starts_with('@'), "{told}");
        // Another's root proves nothing, nor does the right one of another name.
        let (status, told) = head(&localhost, (variable, &stranger));
        assert_eq!(status, 2, "{told}");
        assert!(told.contains("certificate"), "{told}");
        let (status, told) = head(&format!("https://127.0.0.1:{}", front.port), (variable, ours));
        assert_eq!(status, 2, "{told}");
        assert!(told.contains("certificate"), "{told}");
    }
    // What holds no certificate is no bundle, and a server without TLS none to speak with.
    let nothing = folder.path().join("nothing.pem");
    fs::write(&nothing, "").unwrap();
    let (status, told) = head(&localhost, ("AWS_CA_BUNDLE", &nothing));
    assert!(status == 2 && told.contains("holds no certificate"), "{told}");
    let plain = format!("https://{}", program.address.replace("127.0.0.1", "localhost"));
    let (status, told) = head(&plain, ("SSL_CERT_FILE", ours));
    assert_eq!(status, 2, "{told}");
    program.stop();
}
