//! The published AWS vectors and requests captured from a real client, replayed.

use std::path::Path;

use serde::Deserialize;

use super::{CLOCK_SKEW, Message, SignatureError, parse};
use crate::base::secret::Secret;
use crate::base::sigv4::{
    Credentials, Scope, canonical_path, canonical_query, canonical_request, payload_hash, sign,
    signature, signing_key, string_to_sign,
};
use crate::base::text::percent_encode;
use crate::base::time::Timestamp;

fn lines<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A signed request as it went over the wire.
#[derive(Deserialize)]
struct Sent {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn with_message<T>(&self, then: impl FnOnce(&Message<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        then(&Message {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Deserialize)]
struct Published {
    #[serde(flatten)]
    sent: Sent,
    style: String,
    normalize: bool,
    canonical_request: String,
    string_to_sign: String,
    signature: String,
    /// `accept`, or why this server refuses.
    server: String,
    token: Option<String>,
}

const PUBLISHED_KEY: &str = "AKIDEXAMPLE";

fn published_secret() -> Secret<String> {
    Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned())
}

fn published_time() -> Timestamp {
    Timestamp::parse("2015-08-30T12:36:00Z").unwrap()
}

/// The signed headers as the canonical request lists them: its last line but one.
fn listed_headers(canonical: &str) -> Vec<&str> {
    canonical.lines().rev().nth(1).unwrap().split(';').collect()
}

#[test]
fn the_published_vectors_give_each_intermediate_text() {
    let vectors: Vec<Published> = lines("sigv4.jsonl");
    assert_eq!(vectors.len(), 76);
    for vector in vectors {
        let case = format!("{} ({})", vector.sent.name, vector.style);
        let path = if vector.normalize {
            canonical_path(&vector.sent.path)
        } else {
            percent_encode(vector.sent.path.as_bytes()).replace("%2F", "/")
        };
        let mut query = canonical_query(&vector.sent.query, Some("X-Amz-Signature"));
        if vector.style == "query" && vector.token.is_none() {
            // A token that was added after signing is not part of what was signed.
            let kept = query.split('&').filter(|pair| !pair.starts_with("X-Amz-Security-Token="));
            query = kept.collect::<Vec<_>>().join("&");
        }
        let request = vector.sent.with_message(|message| {
            canonical_request(
                message.method,
                &path,
                &query,
                message.headers,
                &listed_headers(&vector.canonical_request),
                &payload_hash(message.body),
            )
        });
        assert_eq!(String::from_utf8(request.clone()).unwrap(), vector.canonical_request, "{case}");
        let scope = Scope {
            date: "20150830".to_owned(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        };
        let text = string_to_sign(published_time(), &scope, &request);
        assert_eq!(text, vector.string_to_sign, "{case}");
        let key = signing_key(&published_secret(), &scope);
        assert_eq!(signature(&key, &text), vector.signature, "{case}");
    }
}

#[test]
fn the_server_judges_the_published_vectors() {
    for vector in lines::<Published>("sigv4.jsonl") {
        let case = format!("{} ({})", vector.sent.name, vector.style);
        let answer = vector.sent.with_message(|message| {
            let claim = parse(message, &["iam", "service"])?;
            assert_eq!(claim.access_key_id, PUBLISHED_KEY, "{case}");
            assert_eq!(claim.scope.service, "service", "{case}");
            assert_eq!(claim.expires, (vector.style == "query").then_some(3600), "{case}");
            let token = claim.session_token.as_ref().map(|token| token.expose().clone());
            if vector.server == "accept" {
                assert_eq!(token, vector.token, "{case}");
            }
            claim.verify(&published_secret(), published_time())
        });
        match vector.server.as_str() {
            "accept" => assert_eq!(answer, Ok(()), "{case}"),
            _ => assert_eq!(answer.unwrap_err().code, "SignatureDoesNotMatch", "{case}"),
        }
    }
}

#[test]
fn our_own_signer_reproduces_the_published_signatures() {
    let mut signed = 0;
    for vector in lines::<Published>("sigv4.jsonl") {
        if vector.style != "header" || vector.server != "accept" {
            continue;
        }
        let ours = ["x-amz-date", "authorization", "x-amz-security-token"];
        let mut unsigned = vector.sent;
        let expected = unsigned.header("authorization").unwrap().to_owned();
        unsigned.headers.retain(|(name, _)| !ours.contains(&name.to_ascii_lowercase().as_str()));
        let credentials = Credentials {
            access_key_id: PUBLISHED_KEY.to_owned(),
            secret_access_key: published_secret(),
            session_token: vector.token.map(Secret::new),
        };
        let added = unsigned.with_message(|message| {
            sign(message, &credentials, "us-east-1", "service", published_time())
        });
        let authorization = added.iter().find(|(name, _)| *name == "authorization").unwrap();
        assert_eq!(authorization.1, expected, "{}", unsigned.name);
        signed += 1;
    }
    assert!(signed >= 28, "only {signed} vectors were signed");
}

#[derive(Deserialize)]
struct Captured {
    #[serde(flatten)]
    sent: Sent,
    service: String,
}

/// The secret that the captured requests were signed with: the one of AWS's documentation.
fn captured_secret() -> Secret<String> {
    Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned())
}

fn check(captured: &Captured, secret: &Secret<String>, later: i64) -> Result<(), SignatureError> {
    captured.sent.with_message(|message| {
        let claim = parse(message, &["iam", "sts"])?;
        assert_eq!(claim.scope.service, captured.service);
        claim.verify(secret, claim.time.plus_seconds(later))
    })
}

#[test]
fn requests_of_a_real_client_are_accepted_and_every_change_to_them_is_not() {
    let vectors: Vec<Captured> = lines("clients.jsonl");
    assert!(vectors.iter().any(|vector| vector.sent.path == "/at/@7"));
    assert!(vectors.iter().any(|vector| vector.sent.path == "/at/@7/"));
    for mut vector in vectors {
        let case = vector.sent.name.clone();
        assert_eq!(check(&vector, &captured_secret(), 0), Ok(()), "{case}");
        assert!(check(&vector, &Secret::new("another".to_owned()), 0).is_err(), "{case}");
        let too_late =
            if vector.sent.query.contains("X-Amz-Expires=120") { 121 } else { CLOCK_SKEW + 1 };
        assert_eq!(check(&vector, &captured_secret(), too_late - 1), Ok(()), "{case}");
        let error = check(&vector, &captured_secret(), too_late).unwrap_err();
        assert!(error.message.starts_with("Signature expired: "), "{case}: {}", error.message);

        let path = vector.sent.path.clone();
        vector.sent.path.push('x');
        assert!(check(&vector, &captured_secret(), 0).is_err(), "{case}: path");
        vector.sent.path = path;

        vector.sent.body.push_str("&Path=/x/");
        assert!(check(&vector, &captured_secret(), 0).is_err(), "{case}: body");
        let added = "&Path=/x/".len();
        vector.sent.body.truncate(vector.sent.body.len() - added);

        vector.sent.query.push_str("&Action=DeleteUser");
        assert!(check(&vector, &captured_secret(), 0).is_err(), "{case}: query");
        let added = "&Action=DeleteUser".len();
        vector.sent.query.truncate(vector.sent.query.len() - added);

        for (name, value) in &mut vector.sent.headers {
            if name.eq_ignore_ascii_case("host") {
                value.push('0');
            }
        }
        assert!(check(&vector, &captured_secret(), 0).is_err(), "{case}: host");
    }
}
