//! The IAM API over loopback: 64 keep-alive clients whose requests are signed, against an axum server
//! that answers `hello` to the same requests from the same clients, and beside moto's server.
//!
//! Requests are signed before the clock starts. Clients run in two threads of their own, each with a
//! runtime of its own, and share the machine's cores with the server.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::decisions;
use crate::figures::{Figure, Figures, Goal, Unit};
use crate::moto::{self, Moto};
use crate::people::{self, Company, USERS_PER_ACCOUNT};
use crate::{Extent, Outcome, ROUNDS};
use domesday::api::front::Front;
use domesday::base::clock::{Clock, SystemClock};
use domesday::base::sigv4::{Credentials, Message, sign};

pub const CLIENTS: usize = 64;
const CLIENT_THREADS: usize = 2;
/// Users that the reads ask for.
const READ_USERS: usize = 256;

/// A request as it is sent, signed or with a bearer.
pub type Signed = Request<Full<Bytes>>;

/// The figures of this part.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let (mut hellos, mut in_process) = (Vec::new(), Vec::new());
    let (mut moto_reads, mut moto_writes) = (Vec::new(), Vec::new());
    let (mut decisions, mut decision_hellos) = (Vec::new(), Vec::new());
    let installed = moto::install();
    for _ in 0..ROUNDS {
        let (read, write, asked) = measure_ours(extent)?;
        reads.push(read);
        writes.push(write);
        hellos.push(measure_hello(extent, asked)?);
        let (decided, asked) = decisions::measure(extent)?;
        decisions.push(decided);
        decision_hellos.push(measure_hello(extent, asked)?);
        in_process.push(people::create_in_process(CLIENTS, extent)?);
        if let Ok(installed) = &installed {
            let (read, write) = measure_moto(installed, extent)?;
            moto_reads.push(read);
            moto_writes.push(write);
        }
    }
    match installed {
        Ok(_) => {
            for (operation, ours, theirs) in
                [("GetUser", &reads, moto_reads), ("CreateUser", &writes, moto_writes)]
            {
                figures.add(Figure {
                    what: format!(
                        "{operation} over HTTP, {CLIENTS} clients; instead of a floor: {}",
                        moto::PACKAGE
                    ),
                    ours: ours.clone(),
                    floor: theirs,
                    unit: Unit::PerSecond,
                    goal: Goal::PartOfFloor(1.0),
                });
            }
        }
        Err(why) => {
            let skipped = format!("SKIPPED: {} was not measured: {why}", moto::PACKAGE);
            eprintln!("{skipped}");
            figures.note(skipped);
        }
    }
    figures.add(Figure {
        what: format!("GetUser over HTTP, {CLIENTS} clients; floor: axum says hello"),
        ours: reads,
        floor: hellos,
        unit: Unit::PerSecond,
        goal: Goal::PartOfFloor(0.35),
    });
    figures.add(Figure {
        what: format!(
            "decisions over HTTP (AuthZEN), {CLIENTS} clients, {} users with twenty statements each; \
             floor: axum says hello",
            decisions::USERS
        ),
        ours: decisions,
        floor: decision_hellos,
        unit: Unit::PerSecond,
        goal: Goal::None,
    });
    figures.add(Figure {
        what: format!("CreateUser over HTTP, {CLIENTS} clients; floor: in process"),
        ours: writes,
        floor: in_process,
        unit: Unit::PerSecond,
        goal: Goal::PartOfFloor(0.5),
    });
    figures.note(format!(
        "HTTP clients run in {CLIENT_THREADS} threads of the same process and share the machine's \
         cores with the server."
    ));
    Ok(())
}

/// Reads a second, writes a second, and the signed reads.
fn measure_ours(extent: &Extent) -> Outcome<(f64, f64, Vec<Vec<Signed>>)> {
    let company = Company::found(extent.accounts)?;
    people::create_users(&company, CLIENTS, 0..READ_USERS, Duration::MAX)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let service = company.service.clone();
    let server = Server::start(|stop| {
        domesday::api::serve(service, listener, None, Front::default(), stop)
    })?;

    let reads = signed(&company, address, "GetUser", READ_USERS, |number| number)?;
    let read = drive(address, reads.clone(), true, extent.stretch)?;
    let most = extent.accounts * USERS_PER_ACCOUNT;
    let writes = signed(&company, address, "CreateUser", most, |number| number + READ_USERS)?;
    let write = drive(address, writes, false, extent.stretch)?;

    server.stop()?;
    company.close();
    Ok((read, write, reads))
}

/// The same of moto's server: reads a second, writes a second.
fn measure_moto(installed: &Path, extent: &Extent) -> Outcome<(f64, f64)> {
    let company = Company::found(1)?;
    let moto = Moto::start(installed)?;
    let made = signed(&company, moto.address, "CreateUser", READ_USERS, |number| number)?;
    drive(moto.address, made, false, Duration::MAX)?;
    let reads = signed(&company, moto.address, "GetUser", READ_USERS, |number| number)?;
    let read = drive(moto.address, reads, true, extent.stretch)?;
    let most = extent.accounts * USERS_PER_ACCOUNT;
    let writes = signed(&company, moto.address, "CreateUser", most, |number| number + READ_USERS)?;
    let write = drive(moto.address, writes, false, extent.stretch)?;
    company.close();
    Ok((read, write))
}

fn measure_hello(extent: &Extent, requests: Vec<Vec<Signed>>) -> Outcome<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let server = Server::start(|stop| async move {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let router = axum::Router::new().fallback(|| async { "hello" });
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    })?;
    let rate = drive(address, requests, true, extent.stretch)?;
    server.stop()?;
    Ok(rate)
}

/// A server with two threads of its own.
pub struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts what `serve` makes.
    pub fn start<F: Future<Output = std::io::Result<()>>>(
        serve: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> Outcome<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped: Stop = Box::pin(async move {
            // A sender that is gone is a wish to stop as well.
            let _ = stopped.await;
        });
        let thread = std::thread::Builder::new().name("server".into()).spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async { serve(stopped).await })
        })?;
        Ok(Server { stop, thread })
    }

    /// Stops it, and tells how it ended.
    pub fn stop(self) -> Outcome<()> {
        drop(self.stop);
        Ok(self.thread.join().map_err(|_| "the server failed")??)
    }
}

/// What ends a server.
pub type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// `count` requests about users by their administrators, dealt out to the clients.
fn signed(
    company: &Company,
    address: SocketAddr,
    operation: &str,
    count: usize,
    user: impl Fn(usize) -> usize,
) -> Outcome<Vec<Vec<Signed>>> {
    let mut dealt = vec![Vec::new(); CLIENTS];
    for (client, number) in (0..CLIENTS).cycle().zip(0..count) {
        let number = user(number);
        let body = format!("Action={operation}&Version=2010-05-08&UserName=user-{number}");
        let request = sign_request(address, &company.admin(number)?.credentials, body)?;
        if let Some(requests) = dealt.get_mut(client) {
            requests.push(request);
        }
    }
    Ok(dealt)
}

fn sign_request(address: SocketAddr, who: &Credentials, body: String) -> Outcome<Signed> {
    let host = address.to_string();
    let headers: [(&str, &[u8]); 2] = [
        ("host", host.as_bytes()),
        ("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
    ];
    let message =
        Message { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
    let added = sign(&message, who, "us-east-1", "iam", SystemClock.now());
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    for (name, value) in added {
        request = request.header(name, value);
    }
    Ok(request.body(Full::from(body))?)
}

/// Sends each client's requests over one connection, one after another, until the time is up or, unless
/// `again`, they are done; answers a second.
pub fn drive(
    address: SocketAddr,
    requests: Vec<Vec<Signed>>,
    again: bool,
    stretch: Duration,
) -> Outcome<f64> {
    let ready = Arc::new(Barrier::new(CLIENT_THREADS + 1));
    let mut threads = Vec::new();
    let mut shares: Vec<Vec<Vec<Signed>>> = vec![Vec::new(); CLIENT_THREADS];
    for (number, requests) in requests.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(number % CLIENT_THREADS) {
            share.push(requests);
        }
    }
    for share in shares {
        let ready = ready.clone();
        threads.push(std::thread::Builder::new().name("clients".into()).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let connected = runtime.map_err(Into::into).and_then(|runtime| {
                let clients = runtime.block_on(connect_all(address, share))?;
                Outcome::Ok((runtime, clients))
            });
            // Whoever could not connect must not keep the others waiting.
            ready.wait();
            let (runtime, clients) = connected?;
            runtime.block_on(ask_all(address, clients, again, stretch))
        })?);
    }
    ready.wait();
    let began = Instant::now();
    let mut answers = 0;
    for thread in threads {
        answers += thread.join().map_err(|_| "a client thread failed")??;
    }
    Ok(answers as f64 / began.elapsed().as_secs_f64())
}

type Client = (SendRequest<Full<Bytes>>, Vec<Signed>);

async fn connect_all(address: SocketAddr, share: Vec<Vec<Signed>>) -> Outcome<Vec<Client>> {
    let mut clients = Vec::new();
    for requests in share {
        clients.push((connect(address).await?, requests));
    }
    Ok(clients)
}

/// A connection that is kept alive.
pub async fn connect(address: SocketAddr) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask_all(
    address: SocketAddr,
    clients: Vec<Client>,
    again: bool,
    stretch: Duration,
) -> Outcome<u64> {
    let began = Instant::now();
    let mut running = JoinSet::new();
    for (mut sender, requests) in clients {
        running.spawn(async move {
            let mut answers = 0;
            let rounds = if again { usize::MAX } else { 1 };
            for request in std::iter::repeat_n(&requests, rounds).flatten() {
                if began.elapsed() >= stretch {
                    break;
                }
                // moto's server ends each connection after its answer.
                if !ask(&mut sender, request.clone()).await? {
                    sender = connect(address).await?;
                }
                answers += 1;
            }
            Outcome::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(client) = running.join_next().await {
        answers += client??;
    }
    Ok(answers)
}

/// One request and its whole answer, which must be 200; whether the connection stays open.
async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Signed) -> Outcome<bool> {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let closes = response.headers().get("connection").is_some_and(|value| value == "close");
    let stays = response.version() == hyper::Version::HTTP_11 && !closes;
    let body = response.into_body().collect().await?.to_bytes();
    if status.is_success() {
        return Ok(stays);
    }
    let text: String = String::from_utf8_lossy(&body).chars().take(300).collect();
    Err(format!("a request was answered {status}: {text}").into())
}
