//! Who signed this request: reading and checking AWS Signature Version 4.
//!
//! In two steps, because the secret is found by what the request itself says:
//!
//! 1. [`parse`] reads either the `Authorization` header or the presigned query parameters, refuses
//!    what is incomplete, and gives a [`Claim`]: "the holder of this access key sent this". Nothing
//!    in it may be believed yet.
//! 2. [`Claim::verify`] checks time and signature against the secret of that access key. Only then
//!    the claim is true.
//!
//! What a signature must cover here, whatever the client says: method, path, query, the real body,
//! `host`, and every `x-amz-*` header present (so the session token too). A query parameter that
//! was added after signing makes the signature wrong by itself.
//!
//! The order of the checks, the codes, the statuses and the messages are AWS's own for Query
//! services, because SDKs retry and correct their clocks by them. Messages repeat single elements
//! of what the client sent, never its signature or token.
//!
//! Source: AWS IAM User Guide, "Create a signed AWS API request" and "Troubleshoot Signature
//! Version 4"; IAM API Reference, "Common errors".

use crate::base::crypto::equal;
use crate::base::secret::Secret;
pub use crate::base::sigv4::Message;
use crate::base::sigv4::{
    ALGORITHM, Header, Scope, TERMINATOR, UNSIGNED_PAYLOAD, canonical_path, canonical_query,
    canonical_request, parameters, payload_hash, signature, signing_key, string_to_sign,
};
use crate::base::time::Timestamp;

mod error;
pub use error::SignatureError;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

/// How far a client's clock may be from ours, in seconds, in either direction.
pub const CLOCK_SKEW: i64 = 15 * 60;

/// The longest life of a presigned request, in seconds: seven days.
pub const LONGEST_PRESIGNED: u32 = 604_800;

/// The most signed headers that are looked at.
const MOST_SIGNED_HEADERS: usize = 100;

/// Who a request says it is from. Not to be believed before [`Claim::verify`].
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose secret to look up; 1 to 128 letters, digits and underscores.
    pub access_key_id: String,
    /// Day, region and service that the signature is good for; the service is one of those given
    /// to [`parse`].
    pub scope: Scope,
    /// The names of the signed headers, in lower case.
    pub signed_headers: Vec<String>,
    /// When the client says it signed.
    pub time: Timestamp,
    /// The session token that came with temporary credentials.
    pub session_token: Option<Secret<String>>,
    /// The life of a presigned request in seconds, 1 to 604,800; `None` in header form, and where
    /// a presigned request names none (then it lives as long as the clock skew).
    pub expires: Option<u32>,
    string_to_sign: String,
    signature: String,
}

/// Reads who a request says it is from. `services` are the signing names that are served here.
///
/// # Errors
/// Everything that makes a signature incomplete or impossible; see [`SignatureError`].
pub fn parse(message: &Message<'_>, services: &[&str]) -> Result<Claim, SignatureError> {
    let query: Vec<(Vec<u8>, Vec<u8>)> = parameters(message.query).collect();
    let presigned = query.iter().any(|(name, _)| name == b"X-Amz-Algorithm");
    let authorization = single_header(message.headers, "authorization")?;
    let elements = match (authorization, presigned) {
        (Some(_), true) => return Err(SignatureError::both_forms()),
        (Some(header), false) => Elements::from_header(header, message.headers)?,
        (None, true) => Elements::from_query(&query, message.headers)?,
        (None, false) => return Err(SignatureError::missing_token()),
    };
    elements.into_claim(message, &query, services)
}

impl Claim {
    /// Checks the claim against the secret of its access key, at the present instant.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch` where the request is too old, from the future, or not signed by
    /// this secret.
    pub fn verify(&self, secret: &Secret<String>, now: Timestamp) -> Result<(), SignatureError> {
        let latest = now.plus_seconds(CLOCK_SKEW);
        if self.time > latest {
            return Err(SignatureError::not_yet_current(self.time, now, CLOCK_SKEW));
        }
        let life = self.expires.map_or(CLOCK_SKEW, i64::from);
        if self.time < now.plus_seconds(-life) {
            return Err(SignatureError::expired(self.time, now, life));
        }
        let expected = signature(&signing_key(secret, &self.scope), &self.string_to_sign);
        if equal(expected.as_bytes(), self.signature.as_bytes()) {
            Ok(())
        } else {
            Err(SignatureError::mismatch())
        }
    }
}

/// The elements of a signature, from whichever of the two forms.
struct Elements {
    credential: String,
    signed_headers: String,
    signature: String,
    time: String,
    token: Option<String>,
    expires: Option<u32>,
    presigned: bool,
}

impl Elements {
    /// `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`, the time from the
    /// `X-Amz-Date` or `Date` header.
    fn from_header(value: &[u8], headers: &[Header<'_>]) -> Result<Self, SignatureError> {
        let text = std::str::from_utf8(value).map_err(|_| SignatureError::missing_token())?.trim();
        let (algorithm, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if !algorithm.starts_with("AWS4-") {
            return Err(SignatureError::missing_token());
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').ok_or_else(|| SignatureError::no_equal_sign(part))?;
            let slot = match key {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            if slot.replace(value.to_owned()).is_some() {
                return Err(SignatureError::repeated(key));
            }
        }
        let mut time = single_text(headers, "x-amz-date")?;
        if time.is_none() {
            time = single_text(headers, "date")?;
        }
        let missing: Vec<&str> = [
            ("Credential", credential.as_deref()),
            ("Signature", signature.as_deref()),
            ("SignedHeaders", signed_headers.as_deref()),
        ]
        .into_iter()
        .filter(|(_, value)| value.is_none_or(str::is_empty))
        .map(|(name, _)| name)
        .collect();
        match (credential, signed_headers, signature, time) {
            (Some(credential), Some(signed_headers), Some(signature), Some(time))
                if missing.is_empty() =>
            {
                check_algorithm(algorithm)?;
                let token = single_text(headers, "x-amz-security-token")?;
                let presigned = false;
                let expires = None;
                Ok(Elements {
                    credential,
                    signed_headers,
                    signature,
                    time,
                    token,
                    expires,
                    presigned,
                })
            }
            (.., time) => Err(SignatureError::incomplete_header(&missing, time.is_none())),
        }
    }

    /// The presigned form: every element is a query parameter.
    fn from_query(
        query: &[(Vec<u8>, Vec<u8>)],
        headers: &[Header<'_>],
    ) -> Result<Self, SignatureError> {
        let element = |name: &'static str| single_parameter(query, name);
        let algorithm = element("X-Amz-Algorithm")?;
        let credential = element("X-Amz-Credential")?;
        let signature = element("X-Amz-Signature")?;
        let signed_headers = element("X-Amz-SignedHeaders")?;
        let time = element("X-Amz-Date")?;
        let missing: Vec<&str> = [
            ("X-Amz-Algorithm", algorithm.as_deref()),
            ("X-Amz-Credential", credential.as_deref()),
            ("X-Amz-Signature", signature.as_deref()),
            ("X-Amz-SignedHeaders", signed_headers.as_deref()),
            ("X-Amz-Date", time.as_deref()),
        ]
        .into_iter()
        .filter(|(_, value)| value.is_none_or(str::is_empty))
        .map(|(name, _)| name)
        .collect();
        let expires = match element("X-Amz-Expires")? {
            None => None,
            Some(text) => match text.parse::<u32>() {
                Ok(seconds) if (1..=LONGEST_PRESIGNED).contains(&seconds) => Some(seconds),
                _ => return Err(SignatureError::expires_out_of_range(&text)),
            },
        };
        let token = element("X-Amz-Security-Token")?;
        if single_header(headers, "x-amz-security-token")?.is_some() {
            return Err(SignatureError::repeated("X-Amz-Security-Token"));
        }
        match (algorithm, credential, signed_headers, signature, time) {
            (
                Some(algorithm),
                Some(credential),
                Some(signed_headers),
                Some(signature),
                Some(time),
            ) if missing.is_empty() => {
                check_algorithm(&algorithm)?;
                let presigned = true;
                Ok(Elements {
                    credential,
                    signed_headers,
                    signature,
                    time,
                    token,
                    expires,
                    presigned,
                })
            }
            _ => Err(SignatureError::incomplete_query(&missing)),
        }
    }

    fn into_claim(
        self,
        message: &Message<'_>,
        query: &[(Vec<u8>, Vec<u8>)],
        services: &[&str],
    ) -> Result<Claim, SignatureError> {
        let time = Timestamp::parse_basic(&self.time)
            .ok_or_else(|| SignatureError::bad_date(&self.time))?;
        let signed_headers: Vec<String> =
            self.signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        check_signed_headers(&signed_headers, message.headers)?;
        let (access_key_id, scope) = read_credential(&self.credential, &self.time, services)?;

        let signed: Vec<&str> = signed_headers.iter().map(String::as_str).collect();
        let request = canonical_request(
            message.method,
            &canonical_path(message.path),
            &canonical_query(message.query, self.presigned.then_some("X-Amz-Signature")),
            message.headers,
            &signed,
            &signed_payload_hash(message, query, self.presigned)?,
        );
        Ok(Claim {
            access_key_id,
            string_to_sign: string_to_sign(time, &scope, &request),
            scope,
            signed_headers,
            time,
            session_token: self.token.map(Secret::new),
            expires: self.expires,
            signature: self.signature,
        })
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), SignatureError> {
    if algorithm == ALGORITHM { Ok(()) } else { Err(SignatureError::unsupported(algorithm)) }
}

/// `host` and every `x-amz-*` header that the request carries must be signed: else whoever stands
/// between could turn the request to another host or session.
fn check_signed_headers(signed: &[String], headers: &[Header<'_>]) -> Result<(), SignatureError> {
    if signed.len() > MOST_SIGNED_HEADERS {
        return Err(SignatureError::too_many_signed_headers(MOST_SIGNED_HEADERS));
    }
    if !signed.iter().any(|name| name == "host" || name == ":authority") {
        return Err(SignatureError::host_not_signed());
    }
    for (name, _) in headers {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !signed.contains(&name) {
            return Err(SignatureError::header_not_signed(&name));
        }
    }
    Ok(())
}

/// Splits `AKID/20150830/us-east-1/iam/aws4_request` and holds it against the request's time and
/// the services served here. All that is wrong is said at once.
fn read_credential(
    credential: &str,
    time: &str,
    services: &[&str],
) -> Result<(String, Scope), SignatureError> {
    let parts: Vec<&str> = credential.trim_end_matches('/').split('/').collect();
    let [key, date, region, service, terminator] = parts.as_slice() else {
        return Err(SignatureError::bad_credential(credential));
    };
    let mut wrong = Vec::new();
    if region.is_empty() {
        wrong.push(format!("Credential should be scoped to a valid region, not '{region}'."));
    }
    if !services.contains(service) {
        let served = services.join("' or '");
        wrong.push(format!("Credential should be scoped to correct service: '{served}'."));
    }
    if *terminator != TERMINATOR {
        wrong.push(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.",
            error::shortened(terminator)
        ));
    }
    let day: String = time.chars().take(8).collect();
    if *date != day {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{day}', from '{time}'.",
            error::shortened(date)
        ));
    }
    if !wrong.is_empty() {
        return Err(SignatureError::wrong_scope(&wrong.join(" ")));
    }
    let plausible = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || key.len() > 128 || !key.chars().all(plausible) {
        return Err(SignatureError::invalid_token_id());
    }
    let owned = |text: &str| text.to_owned();
    Ok((owned(key), Scope { date: day, region: owned(region), service: owned(service) }))
}

/// The payload hash of the canonical request: always that of the real body. A client that states a
/// hash (`x-amz-content-sha256`, as header or presigned parameter) must state the same one; it may
/// state `UNSIGNED-PAYLOAD` only for a presigned GET without body, where there is nothing to hide.
fn signed_payload_hash(
    message: &Message<'_>,
    query: &[(Vec<u8>, Vec<u8>)],
    presigned: bool,
) -> Result<String, SignatureError> {
    let real = payload_hash(message.body);
    let mut stated = single_text(message.headers, "x-amz-content-sha256")?;
    if presigned && stated.is_none() {
        stated = single_parameter(query, "X-Amz-Content-Sha256")?;
    }
    match stated {
        Some(stated) if stated == UNSIGNED_PAYLOAD => {
            if presigned && message.method == "GET" && message.body.is_empty() {
                Ok(stated)
            } else {
                Err(SignatureError::mismatch())
            }
        }
        Some(stated) if stated != real => Err(SignatureError::mismatch()),
        _ => Ok(real),
    }
}

/// The value of a header that may occur once at most.
fn single_header<'a>(
    headers: &[Header<'a>],
    name: &'static str,
) -> Result<Option<&'a [u8]>, SignatureError> {
    let mut values = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
    let first = values.next();
    if values.next().is_some() { Err(SignatureError::repeated(name)) } else { Ok(first) }
}

/// The same as text, trimmed.
fn single_text(
    headers: &[Header<'_>],
    name: &'static str,
) -> Result<Option<String>, SignatureError> {
    let Some(value) = single_header(headers, name)? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| SignatureError::not_text(name))?;
    Ok(Some(text.trim().to_owned()))
}

/// The value of a query parameter that may occur once at most.
fn single_parameter(
    query: &[(Vec<u8>, Vec<u8>)],
    name: &'static str,
) -> Result<Option<String>, SignatureError> {
    let mut values = query.iter().filter(|(n, _)| n == name.as_bytes()).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(SignatureError::repeated(name));
    }
    first
        .map(|value| String::from_utf8(value.clone()).map_err(|_| SignatureError::not_text(name)))
        .transpose()
}
