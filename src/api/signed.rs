//! From a request's signature to the caller whom the service will judge.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;

use super::sigv4::{self, Message, SignatureError};
use crate::projection::View;
use crate::service::Service;
use crate::service::activity::facts::{AtHand, Facts};
use crate::service::authenticate::{Arrival, NoCredential};
use crate::service::caller::{Caller, Source};
use crate::service::fault::Fault;

/// The most characters of a `User-Agent` header that are kept.
const AGENT_CHARACTERS: usize = 512;

/// A request that was read to its end.
#[derive(Debug)]
pub struct Received {
    /// Its method, in upper case.
    pub method: String,
    /// Its path, as it was sent.
    pub path: String,
    /// Its query, as it was sent, without the question mark.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
    /// The address it came from; `None` for the admin socket.
    pub address: Option<IpAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The id that the answer bears.
    pub request_id: String,
}

impl Received {
    /// A header's value, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The media type of the body, in lower case, without parameters.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Where it came from, as receipts and conditions see it.
    pub fn source(&self) -> Source {
        let agent = self.headers.get("user-agent").map(|value| {
            String::from_utf8_lossy(value.as_bytes()).chars().take(AGENT_CHARACTERS).collect()
        });
        Source { address: self.address, agent, secure: self.secure, ticket: None }
    }
}

/// A caller whose signature is right.
pub struct Signed {
    /// Who it is.
    pub caller: Caller,
    /// The region in the signature's scope.
    pub region: String,
    /// The service in it; one of those asked for.
    pub service: String,
}

/// Why nobody could be believed to have sent a request.
#[derive(Debug)]
pub struct NotSigned {
    /// What to answer.
    pub fault: Fault,
    /// Whether it is the sender's doing, and to be counted.
    pub counts: bool,
}

impl From<SignatureError> for NotSigned {
    fn from(error: SignatureError) -> Self {
        NotSigned { fault: Fault::new(error.code, error.status, error.message), counts: true }
    }
}

impl From<Fault> for NotSigned {
    fn from(fault: Fault) -> Self {
        NotSigned { fault, counts: false }
    }
}

/// Finds out who signed a request for one of these services: on this thread if the credential is in
/// memory, else off the async threads.
///
/// # Errors
/// Whatever is wrong with signature or credential, with AWS's code, status and sentence.
pub async fn authenticate(
    service: &Arc<Service>,
    received: &Arc<Received>,
    services: &'static [&'static str],
) -> Result<Signed, NotSigned> {
    let at_hand = &service.projections().at_hand();
    match authenticate_by(service, received, services, at_hand, &AtHand(service.activity())) {
        Err(NotSigned { fault, .. }) if fault.is_not_at_hand() => {}
        outcome => return outcome,
    }
    let (service, received) = (service.clone(), received.clone());
    tokio::task::spawn_blocking(move || {
        let (now, facts) = (&service.now(), service.activity());
        authenticate_by(&service, &received, services, now, facts)
    })
    .await
    .map_err(|lost| NotSigned::from(Fault::internal(lost)))?
}

fn authenticate_by(
    service: &Service,
    received: &Received,
    services: &[&str],
    view: &View,
    facts: &dyn Facts,
) -> Result<Signed, NotSigned> {
    let headers: Vec<(&str, &[u8])> =
        received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let message = Message {
        method: &received.method,
        path: &received.path,
        query: &received.query,
        headers: &headers,
        body: &received.body,
    };
    let claim = sigv4::parse(&message, services)?;
    let now = service.clock().now();
    let arrival =
        Arrival { at: now, request_id: received.request_id.clone(), source: received.source() };
    let found = service.standings().credential(
        view,
        facts,
        &claim.access_key_id,
        claim.session_token.as_ref(),
        arrival,
    );
    let credential = match found {
        Ok(credential) => credential,
        Err(NoCredential::Invalid) => return Err(SignatureError::invalid_token_id().into()),
        Err(NoCredential::Expired) => return Err(SignatureError::expired_token().into()),
        Err(NoCredential::Failed(error)) => return Err(Fault::from(error).into()),
    };
    claim.verify(&credential.secret, now)?;
    Ok(Signed {
        caller: credential.caller,
        region: claim.scope.region.clone(),
        service: claim.scope.service.clone(),
    })
}
