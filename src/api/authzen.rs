//! OpenID AuthZEN: `POST /access/v1/evaluation` and `/access/v1/evaluations`, and the document at
//! `/.well-known/authzen-configuration` that says where they are.
//!
//! A caller signs for the service `domesday`, as for `/audit/v1/`, or sends a service-specific credential
//! for `domesday` as `Authorization: Bearer`. Whether a bearer is unknown, wrong, inactive, expired or
//! another service's is not told. A denial is an answer, with status 200; 401 is for callers who are not
//! believed, 403 for those who may not ask, 400 for what is not well formed, each with its sentence as a
//! JSON string. `X-Request-ID` comes back as it was sent, with every answer (`server` sees to it).
//!
//! Source: OpenID Authorization API 1.0, sections 9 (metadata) and 10 (transport); RFC 6750 for bearers.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, json};

use super::front::Front;
use super::metrics::Metrics;
use super::server::Reply;
use super::signed::{self, NotSigned, Received};
use crate::base::secret::Secret;
use crate::service::Service;
use crate::service::authenticate::{self, Arrival, NoCredential};
use crate::service::caller::Caller;
use crate::service::evaluation;
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// The largest body.
const MOST_BYTES: usize = 256 * 1024;
/// How deep lists and objects may lie in each other.
const MOST_DEPTH: usize = 16;
/// The longest bearer that is looked at.
const MOST_BEARER_BYTES: usize = 512;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluations {
    /// `/access/v1/evaluation`.
    One,
    /// `/access/v1/evaluations`.
    Several,
}

/// Answers a request for decisions.
pub async fn answer(
    service: &Arc<Service>,
    metrics: &Metrics,
    received: &Arc<Received>,
    which: Evaluations,
    moment: Option<Moment>,
) -> Reply {
    match evaluate(service, received, which, moment).await {
        Ok(value) => Reply::json(200, &value),
        Err(NotSigned { fault, counts }) => {
            if counts {
                metrics.authentication_failed();
                return unauthorized(&fault);
            }
            refusal(&fault)
        }
    }
}

/// A refusal, as the specification has it: a status and a sentence.
pub fn refusal(fault: &Fault) -> Reply {
    Reply::json(fault.status, &Value::String(fault.message.clone()))
}

fn unauthorized(fault: &Fault) -> Reply {
    let challenge = "Bearer realm=\"domesday\"".to_owned();
    Reply::json(401, &Value::String(fault.message.clone())).with("www-authenticate", challenge)
}

async fn evaluate(
    service: &Arc<Service>,
    received: &Arc<Received>,
    which: Evaluations,
    moment: Option<Moment>,
) -> Result<Value, NotSigned> {
    if received.method != "POST" {
        return Err(Fault::new("MethodNotAllowed", 405, "Decisions are asked for by POST.").into());
    }
    let by_bearer = bearer(received);
    let signed = match &by_bearer {
        Some(_) => None,
        None => Some(signed::authenticate(service, received, &["domesday"]).await?),
    };
    let (service, received) = (service.clone(), received.clone());
    let work = move || {
        let (caller, region) = match (signed, by_bearer) {
            (Some(signed), _) => (signed.caller, signed.region),
            (None, token) => (known(&service, &received, token)?, String::new()),
        };
        let request = read(&received)?;
        let several = which == Evaluations::Several;
        let answer = evaluation::run(&service, &caller, &region, &request, several, moment)?;
        Ok(answer)
    };
    tokio::task::spawn_blocking(work).await.map_err(Fault::internal)?
}

/// The bearer of a request that sends one, of whatever form.
fn bearer(received: &Received) -> Option<Secret<String>> {
    let header = received.header("authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    let sent = scheme.eq_ignore_ascii_case("bearer");
    sent.then(|| Secret::new(token.get(..MOST_BEARER_BYTES).unwrap_or(token).to_owned()))
}

fn known(
    service: &Service,
    received: &Received,
    token: Option<Secret<String>>,
) -> Result<Caller, NotSigned> {
    let arrival = Arrival {
        at: service.clock().now(),
        request_id: received.request_id.clone(),
        source: received.source(),
    };
    let token = token.unwrap_or_else(|| Secret::new(String::new()));
    authenticate::bearer(&service.now(), &token, arrival).map_err(|error| match error {
        NoCredential::Failed(error) => Fault::from(error).into(),
        NoCredential::Invalid | NoCredential::Expired => NotSigned {
            fault: Fault::new("InvalidToken", 401, "The bearer is not valid."),
            counts: true,
        },
    })
}

/// Reads a body, each member of an object once.
fn read(received: &Received) -> Result<Value, Fault> {
    if received.media_type() != "application/json" {
        return Err(Fault::validation("The body is application/json."));
    }
    if received.body.len() > MOST_BYTES {
        let limit = format!("The request body is larger than {MOST_BYTES} bytes.");
        return Err(Fault::new("RequestEntityTooLarge", 413, limit));
    }
    strict(&received.body)
        .map_err(|error| Fault::validation(format!("The body is no JSON: {error}")))
}

fn strict(body: &[u8]) -> Result<Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = Strict { left: MOST_DEPTH }.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Reads JSON in which no member stands twice - which of the two counts, readers disagree - and nothing
/// lies too deep.
#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        let left = left.ok_or_else(|| E::custom(format!("nested deeper than {MOST_DEPTH}")))?;
        Ok(Strict { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(deeper)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("{name:?} stands twice in one object")));
            }
            members.insert(name, object.next_value_seed(deeper)?);
        }
        Ok(Value::Object(members))
    }
}

/// Says where decisions are asked for: under the URL that the operator gave, or else under the address by
/// which the caller reached this document, which is what it holds the answer against.
pub fn configuration(received: &Received, front: &Front) -> Reply {
    if received.method != "GET" && received.method != "HEAD" {
        return refusal(&Fault::new("MethodNotAllowed", 405, "This document is fetched by GET."));
    }
    let host = received.header("host").filter(|host| is_authority(host));
    let base = match (&front.public_url, host) {
        (Some(url), _) => url.clone(),
        (None, Some(host)) => format!("{}://{host}", front.scheme()),
        (None, None) => {
            return refusal(&Fault::validation("The Host header is missing, or not one."));
        }
    };
    let document = json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{base}/access/v1/evaluations"),
    });
    Reply::json(200, &document)
}

fn is_authority(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    !host.is_empty() && host.len() <= 255 && host.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_strictly() {
        assert_eq!(strict(b"{\"a\":[1,-2,1.5,true,null,\"x\"]}").unwrap()["a"][5], "x");
        for wrong in
            ["{\"a\":1,\"a\":1}", "{\"a\":{\"b\":1,\"b\":2}}", "{} {}", "{", "", "\"\\ud800\""]
        {
            assert!(strict(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(strict(nested(MOST_DEPTH).as_bytes()).is_ok());
        assert!(strict(nested(MOST_DEPTH + 1).as_bytes()).is_err());
        assert!(strict(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn hosts_are_authorities() {
        assert!(is_authority("pdp.example.com") && is_authority("[::1]:1086"));
        for wrong in ["", "a/b", "a@b", "a\"b", "a b"] {
            assert!(!is_authority(wrong), "{wrong}");
        }
    }
}
