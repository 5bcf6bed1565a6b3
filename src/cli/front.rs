//! How the network reaches `serve`: where it listens, by TLS or without, and under which URL it is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use hyper::Uri;
use tokio_rustls::rustls::ServerConfig;

use super::Failure;
use super::certificate::Certificate;
use super::options::{ServeOptions, Settings};
use crate::base::notice::notice;

const LISTEN: &str = "127.0.0.1:1086";

/// What was given of it.
#[derive(Debug)]
pub struct Front {
    listen: String,
    tls: Option<(PathBuf, PathBuf)>,
    allow_plain_http: bool,
    /// Scheme and authority by which clients reach us; what founding tells to paste, and what answers
    /// link to.
    pub public_url: Option<String>,
}

impl Front {
    /// What `serve` was given.
    pub fn of(options: &ServeOptions, settings: &Settings) -> Result<Self, Failure> {
        let path = |flag: &Option<PathBuf>, key: &str| {
            flag.clone().or_else(|| settings.get(key).map(PathBuf::from))
        };
        let cert = path(&options.tls_cert, "tls_cert");
        let tls = match (cert, path(&options.tls_key, "tls_key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(Failure::new("tls_cert and tls_key are given together or not at all")),
        };
        let allowed = match settings.get("allow_plain_http").as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(other) => {
                let why = format!("allow_plain_http is true or false, not {other}");
                return Err(Failure::new(why));
            }
        };
        let public_url = options.public_url.clone().or_else(|| settings.get("public_url"));
        let listen = options.listen.clone().or_else(|| settings.get("listen"));
        Ok(Front {
            listen: listen.unwrap_or_else(|| LISTEN.to_owned()),
            tls,
            allow_plain_http: options.allow_plain_http || allowed,
            public_url: public_url.map(|text| public(&text)).transpose()?,
        })
    }

    /// Reads the certificate, if there is one.
    pub fn certificate(&self) -> Result<Option<Arc<ServerConfig>>, Failure> {
        let serve = |(cert, key): (PathBuf, PathBuf)| Certificate::serve(cert, key);
        self.tls.clone().map(serve).transpose()
    }

    /// Listens, but not for others than this machine where what they send could be read on the way.
    pub fn listen(&self) -> Result<TcpListener, Failure> {
        let failed = |error| Failure::new(format!("cannot listen on {}: {error}", self.listen));
        let addresses: Vec<SocketAddr> = self.listen.to_socket_addrs().map_err(failed)?.collect();
        self.check(&addresses)?;
        TcpListener::bind(addresses.as_slice()).map_err(failed)
    }

    fn check(&self, addresses: &[SocketAddr]) -> Result<(), Failure> {
        let here = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        let Some(beyond) = addresses.iter().find(|address| !here(address)) else { return Ok(()) };
        if self.tls.is_some() {
            return Ok(());
        }
        if self.allow_plain_http {
            notice(format_args!(
                "{beyond} is served as plain HTTP: credentials and answers can be read on the way \
                 unless a proxy with TLS stands in front"
            ));
            return Ok(());
        }
        Err(Failure::new(format!(
            "{beyond} can be reached from other machines, and plain HTTP shows secrets to whoever listens on \
             the way: give a certificate by --tls-cert and --tls-key, or --allow-plain-http where a proxy \
             with TLS stands in front; or listen on 127.0.0.1"
        )))
    }

    /// Where clients on this machine reach what listens at an address; `0.0.0.0` is no address to connect to.
    pub fn url_of(&self, address: SocketAddr) -> String {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("{}://{}", self.scheme(), SocketAddr::new(ip, address.port()))
    }

    /// The same of an address that nothing listens at yet.
    pub fn url(&self) -> String {
        match (&self.public_url, self.listen.parse()) {
            (Some(url), _) => url.clone(),
            (None, Ok(address)) => self.url_of(address),
            (None, Err(_)) => format!("{}://{}", self.scheme(), self.listen),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Signatures cover paths, so that a proxy cannot put us below one: scheme and authority are all there is.
fn public(text: &str) -> Result<String, Failure> {
    let wrong = || {
        let form = "https://HOST, with :PORT where it needs one, and nothing after it";
        Failure::new(format!("public_url {text:?} is not of the form {form}"))
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    match (scheme, authority) {
        (Some(scheme), Some(authority))
            if uri.path() == "/" && uri.query().is_none() && !text.contains('#') =>
        {
            Ok(format!("{scheme}://{authority}"))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::read(None, pairs.into_iter()).ok().unwrap()
    }

    fn front(pairs: &[(&str, &str)]) -> Result<Front, Failure> {
        Front::of(&ServeOptions::default(), &settings(pairs))
    }

    const TLS: [(&str, &str); 2] = [("DOMESDAY_TLS_CERT", "c"), ("DOMESDAY_TLS_KEY", "k")];

    #[test]
    fn plain_http_stays_on_this_machine_unless_allowed() {
        let check = |pairs: &[(&str, &str)], addresses: &[&str]| {
            let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            front(pairs).unwrap().check(&addresses)
        };
        let beyond = ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"];
        for address in ["127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check(&[], &[address]).is_ok(), "{address}");
            // Every address of a name counts.
            assert!(check(&[], &[address, "10.0.0.1:1"]).is_err(), "{address}");
        }
        for address in beyond {
            let refused = check(&[], &[address]).err().unwrap();
            assert_eq!(refused.status, 2);
            assert!(refused.message.contains("--allow-plain-http"), "{}", refused.message);
            assert!(check(&TLS, &[address]).is_ok(), "{address}");
            assert!(check(&[("DOMESDAY_ALLOW_PLAIN_HTTP", "true")], &[address]).is_ok());
            assert!(check(&[("DOMESDAY_ALLOW_PLAIN_HTTP", "false")], &[address]).is_err());
        }
        assert!(front(&[("DOMESDAY_ALLOW_PLAIN_HTTP", "yes")]).is_err());
        assert!(front(&TLS[..1]).err().unwrap().message.contains("together"));
    }

    #[test]
    fn the_url_can_be_connected_to() {
        let url = |text: &str| front(&[]).unwrap().url_of(text.parse().unwrap());
        assert_eq!(url("0.0.0.0:1086"), "http://127.0.0.1:1086");
        assert_eq!(url("[::]:7"), "http://[::1]:7");
        assert_eq!(url("10.1.2.3:80"), "http://10.1.2.3:80");
        let secure = front(&TLS).unwrap();
        assert_eq!(secure.url_of("0.0.0.0:1".parse().unwrap()), "https://127.0.0.1:1");
        assert_eq!(secure.url(), "https://127.0.0.1:1086");
        let named = front(&[("DOMESDAY_LISTEN", "localhost:7")]).unwrap();
        assert_eq!(named.url(), "http://localhost:7");
        let known = front(&[("DOMESDAY_PUBLIC_URL", "https://iam.example.com/")]).unwrap();
        assert_eq!(known.url(), "https://iam.example.com");
    }

    #[test]
    fn a_public_url_is_scheme_and_authority() {
        for (given, taken) in [
            ("https://iam.example.com", "https://iam.example.com"),
            ("https://iam.example.com:8443/", "https://iam.example.com:8443"),
            ("http://[::1]:1086", "http://[::1]:1086"),
        ] {
            assert_eq!(public(given).ok().unwrap(), taken);
        }
        for wrong in [
            "",
            "iam.example.com",
            "https://",
            "ftp://h",
            "https://h/iam",
            "https://h?a",
            "//h",
            "https://u@h",
            "https://h/#a",
            "https://h h",
            "https://h\n",
            "https:///",
            "h:1",
        ] {
            assert!(public(wrong).is_err(), "{wrong}");
        }
    }
}
