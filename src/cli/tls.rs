//! TLS for `--endpoint https://...`, with the roots that other AWS tools use: the file that `AWS_CA_BUNDLE`
//! names, else those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` included).

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Failure;

/// Speaks TLS over a connection, to a server that must prove to be this host.
pub async fn over(stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::new(format!("{host} is no name that a certificate could bear")))?;
    let config = ClientConfig::builder().with_root_certificates(roots()?).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Failure::new(format!("https://{host}: {error}")))
}

fn roots() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let bundle = std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty());
    if let Some(path) = bundle {
        let wrong =
            |why: &dyn std::fmt::Display| Failure::new(format!("AWS_CA_BUNDLE {path}: {why}"));
        for certificate in CertificateDer::pem_file_iter(&path).map_err(|error| wrong(&error))? {
            roots
                .add(certificate.map_err(|error| wrong(&error))?)
                .map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"it holds no certificate"));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Failure::new(
                "no root certificates are here: install ca-certificates, or name a file by AWS_CA_BUNDLE",
            ));
        }
    }
    Ok(roots)
}
