//! `GET /audit/v1/exports?kind=KIND`: an export as a stream, in the form of `service::exports::sink`. What is
//! refused is refused before the first byte, as JSON like every question; what goes wrong later is the
//! stream's last part.
//!
//! The service writes on a thread of its own and waits for the client; a client that hangs up ends it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use tokio::sync::{Semaphore, mpsc};

use super::audit;
use super::signed::Received;
use crate::service::Service;
use crate::service::caller::Caller;
use crate::service::exports::sink::Stream;
use crate::service::exports::{Ask, MOST_AT_ONCE, run};
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// The question's name.
pub const NAME: &str = "exports";

/// Parts that wait for the client.
const WAITING: usize = 8;

static PLACES: Semaphore = Semaphore::const_new(MOST_AT_ONCE);

/// The body of an answer: whole, or as it is made.
pub enum Answer {
    /// Whole.
    Whole(Full<Bytes>),
    /// As it is made.
    Parts(Parts),
}

/// What arrives from the thread that exports.
pub struct Parts {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Result<Vec<u8>, Fault>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Answer::Whole(body) => Pin::new(body).poll_frame(context),
            Answer::Parts(parts) => {
                if let Some(first) = parts.first.take() {
                    return Poll::Ready(Some(Ok(Frame::data(first))));
                }
                parts.rest.poll_recv(context).map(|part| {
                    // A fault comes first or as a part.
                    let part = part.and_then(Result::ok);
                    part.map(|part| Ok(Frame::data(Bytes::from(part))))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(body) => body.is_end_stream(),
            Answer::Parts(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(body) => body.size_hint(),
            Answer::Parts(_) => SizeHint::default(),
        }
    }
}

/// Begins an export for a caller who is known, and returns once its first part is there.
///
/// # Errors
/// Refusals, and what is wrong with the question.
pub async fn begin(
    service: &Arc<Service>,
    received: &Received,
    caller: Caller,
    moment: Option<Moment>,
) -> Result<Response<Answer>, Fault> {
    let (ask, moment) = asked(received, &caller, moment)?;
    let place = PLACES.try_acquire().map_err(|_| {
        Fault::new(
            "ServiceUnavailable",
            503,
            format!("{MOST_AT_ONCE} exports are being written already. Try again later."),
        )
    })?;
    let (parts, mut rest) = mpsc::channel(WAITING);
    let service = service.clone();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let begun = std::cell::Cell::new(false);
        let mut stream = Stream::new(|part| {
            begun.set(true);
            parts.blocking_send(Ok(part)).map_err(|_| gone())
        });
        // Whoever asked may have gone meanwhile.
        let _ = match run(&service, &caller, &ask, moment, &mut stream) {
            Ok(_) => stream.finish(),
            Err(fault) if begun.get() => stream.fail(fault.code, &fault.message),
            Err(fault) => parts.blocking_send(Err(fault)).map_err(|_| gone()),
        };
    });
    match rest.recv().await {
        Some(Ok(first)) => {
            let first = Some(Bytes::from(first));
            let mut response = Response::new(Answer::Parts(Parts { first, rest }));
            let kind = HeaderValue::from_static("application/vnd.domesday.export");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        Some(Err(fault)) => Err(fault),
        None => Err(Fault::internal("an export was lost")),
    }
}

fn asked(
    received: &Received,
    caller: &Caller,
    moment: Option<Moment>,
) -> Result<(Ask, Option<Moment>), Fault> {
    if received.method != "GET" {
        return Err(Fault::new("MethodNotAllowed", 405, "Questions are asked by GET."));
    }
    let mut parameters = audit::parameters(&received.query)?;
    parameters.retain(|(key, _)| !key.starts_with("X-Amz-"));
    if caller.is_operator() {
        parameters.retain(|(key, _)| key != "account");
    }
    let moment = audit::take_moment(&mut parameters, moment)?;
    Ok((Ask::parse(&parameters)?, moment))
}
