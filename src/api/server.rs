//! Listeners and connections: HTTP/1.1 with a limit on everything a stranger can send or hold.
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | open connections | 4,096 | wait in the kernel's queue |
//! | time to shake hands by TLS | 10 s | hung up |
//! | request line and headers | 64 KiB, 100 headers | 431 or 400 |
//! | time to send them, and between two requests | 10 s | hung up |
//! | body | 1 MiB | 413, sent once up to 8 MiB were read and thrown away |
//! | time to send it | 15 s | 408 |
//! | bodies over 64 KiB being read at once | 128 | wait for one another, within those 15 s |
//! | age of a connection | 10 min | closed after the answer under way, at most 15 s later |
//!
//! Stopping is orderly: no new connections, idle ones closed, requests under way answered, for at most
//! 10 s. What the service acknowledged is durable in any case.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::exports::Answer;
use super::form::MAX_BODY_BYTES;
use super::front::{self, Front};
use super::metrics::Metrics;
use super::pages;
use super::routes::{Endpoint, NoRoute, Route, route};
use super::signed::{self, NotSigned, Received};
use super::{admin, audit, authzen, exports, query, tiles};
use crate::base::notice::notice;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::operation::Api;

const MOST_CONNECTIONS: usize = 4_096;
/// Of the admin socket, which are not counted among the others: a flood must not lock the operator out.
const MOST_ADMIN_CONNECTIONS: usize = 32;
const MOST_HEADER_BYTES: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
const HEADER_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(15);
/// Of a body that is refused for its size: a client that is still sending when the connection closes
/// meets a broken pipe and never reads why, so what it is likely to have under way is read and dropped.
const MOST_DROPPED_BYTES: usize = 8 * 1024 * 1024;
const DROP_TIME: Duration = Duration::from_secs(5);
const SMALL_BODY_BYTES: u64 = 64 * 1024;
const MOST_LARGE_BODIES: usize = 128;
const CONNECTION_AGE: Duration = Duration::from_secs(600);
const LAST_ANSWER_TIME: Duration = Duration::from_secs(15);
const STOP_TIME: Duration = Duration::from_secs(10);
const CLIENT_REQUEST_ID: &str = "x-request-id";
/// After a failed accept, such as for want of file descriptors: long enough for some to be freed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An answer before it becomes HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub media_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// An answer in XML.
    pub fn xml(status: u16, body: String) -> Self {
        Reply { status, media_type: "text/xml", body: Bytes::from(body), headers: Vec::new() }
    }

    /// An answer in bytes.
    pub fn bytes(body: Bytes) -> Self {
        Reply { status: 200, media_type: "application/octet-stream", body, headers: Vec::new() }
    }

    /// An answer in JSON.
    pub fn json(status: u16, value: &Value) -> Self {
        Reply { media_type: "application/json", ..Reply::xml(status, value.to_string()) }
    }

    /// An answer in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Reply { media_type: "text/plain; charset=utf-8", ..Reply::xml(status, body.into()) }
    }

    /// With a further header.
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn into_response(self, request_id: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        // Answers may hold secrets; nothing between here and the client keeps them.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }
}

/// What all connections share.
struct Shared {
    service: Arc<Service>,
    front: Front,
    metrics: Metrics,
    large_bodies: Semaphore,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
enum Peer {
    /// Someone on the network.
    Network(IpAddr),
    /// Someone on this machine, under the name that events record.
    Operator(Arc<str>),
}

/// Serves until `stop` comes true, then answers what is under way and returns. `listener` is bound
/// already; `admin_socket` is where to put the operator's socket, if anywhere; `front` is how the network
/// reaches the listener.
///
/// # Errors
/// If the listeners cannot be used. What goes wrong on one connection ends that connection alone.
pub async fn serve(
    service: Arc<Service>,
    listener: std::net::TcpListener,
    admin_socket: Option<PathBuf>,
    front: Front,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let door = match admin_socket {
        None => None,
        Some(path) => {
            let (door, listener) = tokio::task::spawn_blocking(move || admin::Door::open(&path))
                .await
                .map_err(io::Error::other)??;
            Some((Arc::new(door), UnixListener::from_std(listener)?))
        }
    };
    let shared = Arc::new(Shared {
        service,
        front,
        metrics: Metrics::default(),
        large_bodies: Semaphore::new(MOST_LARGE_BODIES),
    });
    let (stopping, stopped) = watch::channel(false);
    let mut listeners = JoinSet::new();
    listeners.spawn(serve_network(shared.clone(), listener, stopped.clone()));
    if let Some((door, listener)) = door {
        listeners.spawn(serve_operators(shared, door, listener, stopped));
    }
    stop.await;
    // Whoever listens to this is gone only when there is nothing left to stop.
    let _ = stopping.send(true);
    while listeners.join_next().await.is_some() {}
    Ok(())
}

async fn serve_network(
    shared: Arc<Shared>,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?, place))
        };
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok(((stream, address), place)) => {
                // Without it small answers wait for the client's acknowledgements.
                let _ = stream.set_nodelay(true);
                let peer = Peer::Network(address.ip().to_canonical());
                connections.spawn(arrived(shared.clone(), stream, peer, stopped.clone(), place));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    finish(connections).await;
}

async fn serve_operators(
    shared: Arc<Shared>,
    door: Arc<admin::Door>,
    listener: UnixListener,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_ADMIN_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            let uid = stream.peer_cred()?.uid();
            Ok::<_, io::Error>((stream, uid, place))
        };
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, uid, place)) if door.admits(uid) => {
                let peer = Peer::Operator(door.operator_name(uid).into());
                connections.spawn(connection(shared.clone(), stream, peer, stopped.clone(), place));
            }
            Ok((_, uid, _)) => {
                notice(format_args!("user {uid} was turned away at the admin socket"))
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    finish(connections).await;
    // The file is removed with the door; that is disk work, though little.
    let _ = tokio::task::spawn_blocking(move || drop(door)).await;
}

async fn finish(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_TIME, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// One connection from the network: first TLS, where that is spoken.
async fn arrived(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: Peer,
    mut stopped: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) {
    let Some(config) = shared.front.tls.clone() else {
        return connection(shared, stream, peer, stopped, place).await;
    };
    let secured = tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => return,
        secured = front::handshake(config, stream) => secured,
    };
    if let Some(stream) = secured {
        connection(shared, stream, peer, stopped, place).await;
    }
}

/// One connection, to its end.
async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: Arc<Shared>,
    stream: S,
    peer: Peer,
    mut stopped: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) {
    let _place = place;
    let _counted = shared.metrics.connected();
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, peer) = (shared.clone(), peer.clone());
        async move { Ok::<_, Infallible>(answer(&shared, &peer, request).await) }
    });
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(MOST_HEADERS)
        .max_header_size(MOST_HEADER_BYTES)
        .max_buf_size(2 * MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    tokio::select! {
        // Errors are the client's: it hung up, or spoke no HTTP.
        _ = http.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = sleep(CONNECTION_AGE) => {}
    }
    http.as_mut().graceful_shutdown();
    match peer {
        // Verifying a large ledger takes its time.
        Peer::Operator(_) if !*stopped.borrow() => {
            let _ = http.await;
        }
        _ => {
            let _ = timeout(LAST_ANSWER_TIME, http).await;
        }
    }
}

async fn answer(shared: &Arc<Shared>, peer: &Peer, request: Request<Incoming>) -> Response<Answer> {
    // AuthZEN's clients name their requests themselves, and find the name in every answer.
    let is_named = request.uri().path().contains("/access/v1/");
    let name = request.headers().get(CLIENT_REQUEST_ID).cloned().filter(|_| is_named);
    if matches!(peer, Peer::Network(_)) && pages::is_visitor(&request) {
        shared.metrics.answered(303);
        return pages::show_in().map(Answer::Whole);
    }
    let (reply, request_id) = match shared.service.request_id() {
        Ok(request_id)
            if matches!(peer, Peer::Network(_)) && pages::is_theirs(request.uri().path()) =>
        {
            let received = receive(shared, peer, request, &request_id).await;
            let mut response = pages::answer(&shared.front, &shared.service, received).await;
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert("x-amzn-requestid", id);
            }
            shared.metrics.answered(response.status().as_u16());
            return response.map(Answer::Whole);
        }
        Ok(request_id) if is_export(request.uri().path()) => {
            match export(shared, peer, request, &request_id).await {
                Ok(mut response) => {
                    if let Ok(id) = HeaderValue::from_str(&request_id) {
                        response.headers_mut().insert("x-amzn-requestid", id);
                    }
                    shared.metrics.answered(200);
                    return response;
                }
                Err(fault) => (audit::reply(Err(fault), &request_id), request_id),
            }
        }
        Ok(request_id) => (dispatch(shared, peer, request, &request_id).await, request_id),
        Err(fault) => (query::refusal(Api::Iam, &fault, ""), String::new()),
    };
    shared.metrics.answered(reply.status);
    let mut response = reply.into_response(&request_id);
    if let Some(name) = name {
        response.headers_mut().insert(CLIENT_REQUEST_ID, name);
    }
    response.map(Answer::Whole)
}

/// Whether a path asks for an export, whose answer is a stream.
fn is_export(path: &str) -> bool {
    route(path).is_ok_and(|route| route.endpoint == Endpoint::Question(exports::NAME.to_owned()))
}

async fn export(
    shared: &Arc<Shared>,
    peer: &Peer,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<Response<Answer>, Fault> {
    let moment = route(request.uri().path()).ok().and_then(|route| route.moment);
    let received = Arc::new(receive(shared, peer, request, request_id).await?);
    let service = &shared.service;
    let caller = match peer {
        Peer::Operator(name) => admin::exporting(service, &received, name).await?,
        Peer::Network(_) => {
            let signed = signed::authenticate(service, &received, &["domesday"]).await;
            signed.map(|signed| signed.caller).map_err(|NotSigned { fault, counts }| {
                if counts {
                    shared.metrics.authentication_failed();
                }
                fault
            })?
        }
    };
    exports::begin(service, &received, caller, moment).await
}

/// Finds out what is asked of, reads the request to its end, and has it answered.
async fn dispatch(
    shared: &Arc<Shared>,
    peer: &Peer,
    request: Request<Incoming>,
    request_id: &str,
) -> Reply {
    let is_authzen = request.uri().path().contains("/access/v1/");
    let path = request.uri().path();
    let is_json = matches!(peer, Peer::Operator(_))
        || path.contains("/audit/v1/")
        || path.starts_with("/tile/");
    let refuse = |fault: Fault| {
        if is_authzen {
            authzen::refusal(&fault)
        } else if is_json {
            audit::reply(Err(fault), request_id)
        } else {
            query::refusal(Api::Iam, &fault, request_id)
        }
    };
    let route = match route(request.uri().path()) {
        Ok(route) => route,
        Err(NoRoute::Moment(error)) => return refuse(Fault::validation(error.to_string())),
        Err(error) => return refuse(Fault::new("NotFound", 404, error.to_string())),
    };
    let received = match receive(shared, peer, request, request_id).await {
        Ok(received) => Arc::new(received),
        Err(fault) => return refuse(fault),
    };
    let Route { endpoint, moment } = match peer {
        Peer::Operator(name) => {
            return admin::answer(&shared.service, &received, route, name).await;
        }
        Peer::Network(_) => route,
    };
    let (service, metrics) = (&shared.service, &shared.metrics);
    match endpoint {
        Endpoint::Query => query::answer(service, metrics, &received, moment).await,
        Endpoint::Question(name) => audit::answer(service, metrics, &received, &name, moment).await,
        Endpoint::Evaluations(which) => {
            authzen::answer(service, metrics, &received, which, moment).await
        }
        Endpoint::Log(resource) => tiles::answer(service, metrics, &received, resource).await,
        Endpoint::Configuration => authzen::configuration(&received, &shared.front),
        // The network has no such door.
        Endpoint::Act(_) => refuse(Fault::new("NotFound", 404, NoRoute::Unknown.to_string())),
        Endpoint::Health => Reply::text(200, "ok\n"),
        Endpoint::Ready => ready(service).await,
        Endpoint::Metrics => Reply {
            media_type: "text/plain; version=0.0.4; charset=utf-8",
            ..Reply::text(
                200,
                metrics.text(service.ledger().head().position, service.root_counts()),
            )
        },
    }
}

/// Reads a request to its end, within the limits.
async fn receive(
    shared: &Shared,
    peer: &Peer,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<Received, Fault> {
    let too_large = || {
        let limit = format!("The request body is larger than {MAX_BODY_BYTES} bytes.");
        Fault::new("RequestEntityTooLarge", 413, limit)
    };
    let (head, mut body) = request.into_parts();
    let size = body.size_hint();
    if size.lower() > u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX) {
        // Who asks first has sent nothing yet.
        if !head.headers.contains_key(header::EXPECT) {
            drop_rest(body).await;
        }
        return Err(too_large());
    }
    let read = async {
        let _turn = match size.upper() {
            Some(bytes) if bytes <= SMALL_BODY_BYTES => None,
            _ => shared.large_bodies.acquire().await.ok(),
        };
        Limited::new(&mut body, MAX_BODY_BYTES).collect().await
    };
    let body = match timeout(BODY_TIME, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            drop_rest(body).await;
            return Err(too_large());
        }
        Ok(Err(_)) => {
            return Err(Fault::new("MalformedInput", 400, "The request body is not well-formed."));
        }
        Err(_) => {
            let late = "The request body did not come in time.";
            return Err(Fault::new("RequestTimeout", 408, late));
        }
    };
    Ok(Received {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        address: match peer {
            Peer::Network(address) => Some(*address),
            Peer::Operator(_) => None,
        },
        secure: matches!(peer, Peer::Network(_)) && shared.front.is_secure(),
        request_id: request_id.to_owned(),
    })
}

/// Reads what is left of a refused body, so far as it comes soon and is not endless.
async fn drop_rest(mut body: Incoming) {
    let read = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > MOST_DROPPED_BYTES {
                return;
            }
        }
    };
    // A client that is slower than this finds out by the closed connection.
    let _ = timeout(DROP_TIME, read).await;
}

/// Whether the newest event can be read: then everything before it was, when the ledger was opened.
async fn ready(service: &Arc<Service>) -> Reply {
    let service = service.clone();
    let outcome = tokio::task::spawn_blocking(move || {
        let head = service.ledger().head().position;
        service.now();
        if head > 0 {
            service.ledger().event(head)?;
        }
        Ok::<_, Fault>(())
    });
    match outcome.await {
        Ok(Ok(())) => Reply::text(200, "ready\n"),
        _ => Reply::text(503, "not ready: the newest event cannot be read\n"),
    }
}
