//! Questions over HTTP/1.1, to an endpoint (signed; also over TLS) or to the socket of a running server.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use super::{Failure, tls};
use crate::base::clock::{Clock, SystemClock};
use crate::base::secret::Secret;
use crate::base::sigv4::{Credentials, Message, sign};
use crate::base::text::percent_encode;
use crate::service::fault::DAMAGED;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 256 << 20;
const CONNECT: Duration = Duration::from_secs(10);

/// A request without its signature.
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: Method,
    /// The path.
    pub path: &'a str,
    /// The parameters.
    pub parameters: &'a [(String, String)],
    /// A JSON body.
    pub body: Option<&'a Value>,
}

fn query(parameters: &[(String, String)]) -> String {
    let encode = |text: &str| percent_encode(text.as_bytes());
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Asks a server at `http://HOST:PORT` or `https://HOST`, signed with the usual AWS credentials for the
/// service `domesday`.
pub fn at_endpoint(endpoint: &str, ask: &Ask<'_>) -> Result<Value, Failure> {
    runtime()?.block_on(async { whole(to_endpoint(endpoint, ask).await?).await })
}

/// Asks through the socket of a running server.
pub fn at_socket(socket: &Path, ask: &Ask<'_>) -> Result<Value, Failure> {
    runtime()?.block_on(async { whole(to_socket(socket, ask).await?).await })
}

/// Takes what a server answers as it arrives.
type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// As [`at_endpoint`], for an answer that is taken as it arrives, however long it is.
pub fn stream_at_endpoint(endpoint: &str, ask: &Ask<'_>, take: Take<'_>) -> Result<(), Failure> {
    runtime()?.block_on(async { pieces(to_endpoint(endpoint, ask).await?, take).await })
}

/// As [`at_socket`], for an answer that is taken as it arrives, however long it is.
pub fn stream_at_socket(socket: &Path, ask: &Ask<'_>, take: Take<'_>) -> Result<(), Failure> {
    runtime()?.block_on(async { pieces(to_socket(socket, ask).await?, take).await })
}

async fn to_endpoint(endpoint: &str, ask: &Ask<'_>) -> Result<Response<Incoming>, Failure> {
    let (port, rest) = match endpoint.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some(("https", rest)) => (443, rest),
        _ => {
            let why = format!("{endpoint}: an endpoint begins with http:// or https://");
            return Err(Failure::new(why));
        }
    };
    let (authority, base) = match rest.split_once('/') {
        Some((authority, base)) => (authority, format!("/{}", base.trim_end_matches('/'))),
        None => (rest, String::new()),
    };
    let base = if base == "/" { String::new() } else { base };
    let path = format!("{base}{}", ask.path);
    let query = query(ask.parameters);
    let body = ask.body.map(ToString::to_string).unwrap_or_default();
    let host = [("host", authority.as_bytes())];
    let message = Message {
        method: ask.method.as_str(),
        path: &path,
        query: &query,
        headers: &host,
        body: body.as_bytes(),
    };
    let added = sign(&message, &credentials()?, &region(), "domesday", SystemClock.now());
    // An IPv6 address has colons of its own, within brackets.
    let named = authority.rfind(':').filter(|at| authority.rfind(']').is_none_or(|end| end < *at));
    let (address, host) = match named {
        Some(at) => (authority.to_owned(), authority.get(..at).unwrap_or_default()),
        None => (format!("{authority}:{port}"), authority),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect(&address)).await;
    let stream = connected
        .map_err(|_| Failure::new(format!("{endpoint}: no connection within 10 seconds")))?
        .map_err(|error| Failure::new(format!("{endpoint}: {error}; is the server running?")))?;
    if port == 443 {
        let stream = tls::over(stream, host).await?;
        return send(stream, ask, authority, &path, &query, body, added).await;
    }
    send(stream, ask, authority, &path, &query, body, added).await
}

async fn to_socket(socket: &Path, ask: &Ask<'_>) -> Result<Response<Incoming>, Failure> {
    let query = query(ask.parameters);
    let body = ask.body.map(ToString::to_string).unwrap_or_default();
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| Failure::new(format!("{}: {error}", socket.display())))?;
    send(stream, ask, "localhost", ask.path, &query, body, Vec::new()).await
}

async fn send<S>(
    stream: S,
    ask: &Ask<'_>,
    host: &str,
    path: &str,
    query: &str,
    body: String,
    headers: Vec<(&'static str, String)>,
) -> Result<Response<Incoming>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut request =
        Request::builder().method(ask.method.clone()).uri(target).header("host", host);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if ask.body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| failed(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the server: {error}"))
}

/// The whole answer, as JSON.
async fn whole(answer: Response<Incoming>) -> Result<Value, Failure> {
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), LARGEST)
        .collect()
        .await
        .map_err(|error| failed(&error))?
        .to_bytes();
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Failure::new(format!("the server answered {status} without JSON")))?;
    if status.is_success() {
        return Ok(value);
    }
    let error = |field: &str| value.get("error").and_then(|error| error.get(field)?.as_str());
    Err(Failure {
        status: if error("code") == Some(DAMAGED) { 3 } else { 2 },
        message: error("message").unwrap_or(status.as_str()).to_owned(),
    })
}

/// The answer as it arrives; a refusal is read whole.
async fn pieces(answer: Response<Incoming>, take: Take<'_>) -> Result<(), Failure> {
    if !answer.status().is_success() {
        return whole(answer).await.map(drop);
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        if let Some(bytes) = frame.data_ref() {
            take(bytes)?;
        }
    }
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn region() -> String {
    variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| "us-east-1".to_owned())
}

/// The usual chain: variables, then the profile in the shared credentials file.
fn credentials() -> Result<Credentials, Failure> {
    if let (Some(id), Some(secret)) =
        (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        return Ok(Credentials {
            access_key_id: id,
            secret_access_key: Secret::new(secret),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
        });
    }
    let profile = variable("AWS_PROFILE")
        .or_else(|| variable("AWS_DEFAULT_PROFILE"))
        .unwrap_or_else(|| "default".to_owned());
    let file = |name: &str, default: &str| {
        let path = variable(name).or_else(|| Some(format!("{}/{default}", variable("HOME")?)))?;
        std::fs::read_to_string(path).ok().map(Secret::new)
    };
    // In the configuration file sections are called `profile NAME`, but for the default one.
    let section = format!("profile {profile}");
    let section = if profile == "default" { &profile } else { &section };
    file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
        .and_then(|text| of_profile(text.expose(), &profile))
        .or_else(|| of_profile(file("AWS_CONFIG_FILE", ".aws/config")?.expose(), section))
        .ok_or_else(|| {
            Failure::new(format!(
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile \
                 {profile} in ~/.aws/credentials; or use --data on the machine itself"
            ))
        })
}

fn of_profile(text: &str, profile: &str) -> Option<Credentials> {
    let mut inside = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == profile;
        } else if inside && let Some((key, value)) = line.split_once('=') {
            let value = Some(value.trim().to_owned());
            match key.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(Credentials {
        access_key_id: id?,
        secret_access_key: Secret::new(secret?),
        session_token: token.map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[x]\n\
                    aws_access_key_id=C\naws_secret_access_key = D\naws_session_token = E\n";
        assert_eq!(of_profile(text, "default").unwrap().access_key_id, "A");
        let other = of_profile(text, "x").unwrap();
        assert_eq!(other.secret_access_key.expose(), "D");
        assert!(other.session_token.is_some());
        assert!(of_profile(text, "none").is_none());
    }

    #[test]
    fn parameters_are_encoded() {
        let pairs = [("a".to_owned(), "x y&z".to_owned())];
        assert_eq!(query(&pairs), "a=x%20y%26z");
    }
}
