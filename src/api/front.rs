//! What the network meets before HTTP: TLS, where it is spoken, and the address under which we are known.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::pages::Pages;

/// As long as the headers of a request may take, and more than slow networks need.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How the network reaches a server.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// With this, every connection from the network begins with TLS; without it, none does.
    pub tls: Option<Arc<ServerConfig>>,
    /// Scheme and authority by which clients reach us, without a final slash; `None` where nobody said.
    /// Headers that a proxy may have set are not asked for it: a client can set them as well.
    pub public_url: Option<String>,
    /// What is served below `/console`.
    pub pages: Pages,
}

impl Front {
    /// Whether what comes from the network comes over TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether browsers reach us over TLS, which may end in a proxy that the operator named by the public
    /// URL.
    pub fn is_secure_for_browsers(&self) -> bool {
        let url = self.public_url.as_deref().unwrap_or_default();
        self.is_secure() || url.starts_with("https://")
    }

    /// The scheme that clients of our own listener speak.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }
}

/// Shakes hands, in bounded time. `None` is the client's doing: it spoke no TLS (it is sent an alert), does
/// not trust us, or is slow.
pub async fn handshake(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await.ok()?.ok()
}
