//! The arithmetic of AWS Signature Version 4, as pure functions.
//!
//! A signature binds a secret to one HTTP request, one minute, one region and one service. It comes
//! about in four steps, each a function here:
//!
//! 1. *canonical request*: method, path, query, chosen headers and the body's hash, brought to one
//!    form that client and server reach independently;
//! 2. *string to sign*: algorithm, time, [`Scope`] and the SHA-256 of the canonical request;
//! 3. *signing key*: the secret, pressed through HMAC with each part of the scope;
//! 4. *signature*: HMAC-SHA256 of 2 under 3, in lower-case hexadecimal.
//!
//! The server (which reads a claim and checks it) and the client ([`sign`]) share all four, so that
//! the two sides cannot drift apart. Nothing here reads a clock or decides whom to trust.
//!
//! Source: AWS IAM User Guide, "Create a signed AWS API request"; the published AWS test suite.

use std::fmt;

use super::crypto::{hmac_sha256, sha256};
use super::secret::Secret;
use super::text::{hex, percent_decode, percent_encode};
use super::time::Timestamp;

/// The only algorithm that is accepted and produced.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last element of every credential scope.
pub const TERMINATOR: &str = "aws4_request";

/// What a client may write in place of a body's hash where the body is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A header as it stands on the wire: name in any case, value as bytes without the line end.
pub type Header<'a> = (&'a str, &'a [u8]);

/// One HTTP request, as far as a signature is concerned with it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// `GET`, `POST`, ... in upper case.
    pub method: &'a str,
    /// The path exactly as sent, percent-escapes untouched: `/at/@7`.
    pub path: &'a str,
    /// The query exactly as sent, without the question mark; empty if there is none.
    pub query: &'a str,
    /// All headers, in the order sent.
    pub headers: &'a [Header<'a>],
    /// The whole body.
    pub body: &'a [u8],
}

/// What a signature is good for: one day, one region, one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The day in UTC, `YYYYMMDD`.
    pub date: String,
    /// `us-east-1`, ...
    pub region: String,
    /// `iam`, `sts`, ...
    pub service: String,
}

/// The form that stands in the string to sign: `20150830/us-east-1/iam/aws4_request`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// The path of a canonical request for every service but S3: empty and `.` segments dropped, `..`
/// followed, then each segment percent-encoded *as sent*. An escape that the client wrote is thus
/// encoded twice, and a character that it sent raw (`@`, `:`, `+`) once.
pub fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in &kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() || path.ends_with('/') {
        normal.push('/');
    }
    encode_path(&normal)
}

/// Percent-encodes all of a path but its slashes and the unreserved characters.
fn encode_path(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(|s| percent_encode(s.as_bytes())).collect();
    segments.join("/")
}

/// The parameters of a query or form body, decoded: `+` and `%20` are both a space. A parameter
/// without `=` has an empty value; empty parameters (`a&&b`) are skipped. An escape that cannot be
/// decoded is kept as it stands.
///
/// Requests are signed over what this yields and obeyed by what it yields, so that no rewriting of
/// a signed query can change its meaning.
pub fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    fn decode(text: &str) -> Vec<u8> {
        let spaced = text.replace('+', " ");
        percent_decode(&spaced).unwrap_or_else(|| spaced.into_bytes())
    }
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The query of a canonical request: every parameter but `leave_out`, encoded anew, in byte order.
pub fn canonical_query(query: &str, leave_out: Option<&str>) -> String {
    let mut pairs: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| leave_out.is_none_or(|left_out| name != left_out.as_bytes()))
        .map(|(name, value)| (percent_encode(&name), percent_encode(&value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Step 1. `path` and `query` are already canonical; `signed` are the names of the signed headers
/// in the order in which the client lists them. Values are trimmed, runs of white space become one
/// space, and a header that occurs more than once contributes its values separated by commas.
///
/// The result is bytes because header values need not be UTF-8.
pub fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[Header<'_>],
    signed: &[&str],
    payload_hash: &str,
) -> Vec<u8> {
    let mut out = format!("{method}\n{path}\n{query}\n").into_bytes();
    for name in signed {
        out.extend_from_slice(name.to_ascii_lowercase().as_bytes());
        out.push(b':');
        let values = headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        for (index, (_, value)) in values.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            for (index, word) in words.enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(word);
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("\n{}\n{payload_hash}", signed.join(";")).as_bytes());
    out
}

/// Step 2.
pub fn string_to_sign(time: Timestamp, scope: &Scope, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{}", time.to_basic(), payload_hash(canonical_request))
}

/// Step 3. As good as the secret itself for one day, region and service.
pub fn signing_key(secret: &Secret<String>, scope: &Scope) -> Secret<[u8; 32]> {
    let start = Secret::new(format!("AWS4{}", secret.expose()).into_bytes());
    let date = Secret::new(hmac_sha256(start.expose(), scope.date.as_bytes()));
    let region = Secret::new(hmac_sha256(date.expose(), scope.region.as_bytes()));
    let service = Secret::new(hmac_sha256(region.expose(), scope.service.as_bytes()));
    Secret::new(hmac_sha256(service.expose(), TERMINATOR.as_bytes()))
}

/// Step 4: 64 lower-case hexadecimal digits.
pub fn signature(key: &Secret<[u8; 32]>, string_to_sign: &str) -> String {
    hex(&hmac_sha256(key.expose(), string_to_sign.as_bytes()))
}

/// The SHA-256 of a body, in lower-case hexadecimal.
pub fn payload_hash(body: &[u8]) -> String {
    hex(&sha256(body))
}

/// What a client signs with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `AKIA...` or `ASIA...`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret<String>,
    /// The session token that temporary credentials come with.
    pub session_token: Option<Secret<String>>,
}

/// Signs a request: gives the headers to add to it (`x-amz-date`, `authorization` and, for
/// temporary credentials, `x-amz-security-token`), to be sent as they are.
///
/// Every header of `message` is signed; it must hold `host`, and none of the three above.
pub fn sign(
    message: &Message<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let time = now.to_basic();
    let date = time.chars().take(8).collect();
    let scope = Scope { date, region: region.to_owned(), service: service.to_owned() };
    let mut added = vec![("x-amz-date", time)];
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.expose().clone()));
    }

    let mut headers = message.headers.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let mut names: Vec<String> = headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let signed: Vec<&str> = names.iter().map(String::as_str).collect();

    let request = canonical_request(
        message.method,
        &canonical_path(message.path),
        &canonical_query(message.query, None),
        &headers,
        &signed,
        &payload_hash(message.body),
    );
    let key = signing_key(&credentials.secret_access_key, &scope);
    let signature = signature(&key, &string_to_sign(now, &scope, &request));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        signed.join(";")
    );
    added.push(("authorization", authorization));
    added
}
