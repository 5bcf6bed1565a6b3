//! A server in this process, asked over a real socket by a client that signs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::base::clock::{Clock, SystemClock};
use crate::base::random::OsRandom;
use crate::base::secret::Secret;
use crate::base::sigv4::{Credentials, Message, sign};
use crate::service::Service;
use crate::service::founding::{Founding, Place, open};

const FORM: &str = "application/x-www-form-urlencoded";
const IAM: &str = "Version=2010-05-08";
const DIGITS: &str = "123456789012";

struct Running {
    address: SocketAddr,
    admin: Credentials,
    service: Arc<Service>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

/// What was answered: status, request id, body.
struct Answer(u16, String, String);

impl Answer {
    fn expect(self, status: u16, part: &str) -> Self {
        let Answer(found, id, body) = &self;
        assert!(*found == status && body.contains(part), "{status} {part}: {found} {body}");
        assert_eq!(id.len(), 36, "a request id");
        assert!(body.contains(id) || !body.contains("RequestId"), "{id} in {body}");
        self
    }
}

fn credentials(key: &str, secret: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret_access_key: Secret::new(secret.to_owned()),
        session_token: None,
    }
}

async fn start(admin_socket: Option<PathBuf>) -> Running {
    let lost = Box::new(|error: &crate::ledger::LedgerError| eprintln!("{error}"));
    let service = open(&Place::Memory, Arc::new(SystemClock), Arc::new(OsRandom), lost).unwrap();
    let founding = Founding {
        digits: Some(DIGITS.into()),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let founder = service.clone();
    let founded = tokio::task::spawn_blocking(move || founder.found(founding, "test"));
    let (_, key, secret) = founded.await.unwrap().unwrap().admin.unwrap();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let front = super::front::Front::default();
    let serving = super::serve(service.clone(), listener, admin_socket, front, async {
        let _ = stopped.await;
    });
    let ended = tokio::spawn(serving);
    Running { address, admin: credentials(&key, secret.expose()), service, stop, ended }
}

impl Running {
    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        exchange(TcpStream::connect(self.address).await.unwrap(), request).await
    }

    /// Signs as the SDKs do: the path is sent as it is and signed percent-encoded.
    async fn signed(
        &self,
        who: &Credentials,
        service: &str,
        (method, path): (&str, &str),
        (media_type, body): (&str, &[u8]),
    ) -> Answer {
        let host = self.address.to_string();
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let headers: [(&str, &[u8]); 2] =
            [("host", host.as_bytes()), ("content-type", media_type.as_bytes())];
        let message = Message { method, path: bare, query, headers: &headers, body };
        let added = sign(&message, who, "eu-central-1", service, SystemClock.now());
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in added {
            request = request.header(name, value);
        }
        self.send(request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()).await
    }

    async fn form(&self, who: &Credentials, service: &str, path: &str, body: &str) -> Answer {
        self.signed(who, service, ("POST", path), (FORM, body.as_bytes())).await
    }

    async fn iam(&self, body: &str) -> Answer {
        self.form(&self.admin, "iam", "/", &format!("{IAM}&{body}")).await
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("host", self.address.to_string());
        self.send(request.body(Full::default()).unwrap()).await
    }

    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
        self.service.close();
    }
}

async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Answer {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer(status, id, String::from_utf8(body.to_vec()).unwrap())
}

/// The text of the first element of this name.
fn element(body: &str, name: &str) -> String {
    let (_, rest) = body.split_once(&format!("<{name}>")).unwrap();
    rest.split_once("</").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_writes_reads_and_travels() {
    let server = start(None).await;
    let before = server.service.ledger().head().position;
    let made = server.iam("Action=CreateUser&UserName=alice&Path=%2Fteam%2F").await;
    let made = made
        .expect(200, "<CreateUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">");
    assert_eq!(element(&made.2, "Arn"), format!("arn:aws:iam::{DIGITS}:user/team/alice"));
    let got = server.iam("Action=GetUser&UserName=alice").await.expect(200, "<GetUserResult>");
    assert_eq!(element(&got.2, "UserId"), element(&made.2, "UserId"));
    server.iam("Action=CreateUser&UserName=alice").await.expect(409, "EntityAlreadyExists");
    let missing = server.iam("Action=GetUser&UserName=bob").await;
    missing.expect(404, "<Type>Sender</Type><Code>NoSuchEntity</Code>");

    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let who = server.form(&server.admin, "sts", "/", who).await;
    who.expect(200, "https://sts.amazonaws.com/doc/2011-06-15/");

    let list = ("GET", "/?Action=ListUsers&Version=2010-05-08&PathPrefix=%2Fteam%2F");
    let listed = server.signed(&server.admin, "iam", list, ("text/plain", b"")).await;
    listed.expect(200, "<UserName>alice</UserName>");
    let head = server.service.ledger().head().position.to_string();
    let audit = ("GET", "/audit/v1/head");
    let asked = server.signed(&server.admin, "domesday", audit, ("text/plain", b"")).await;
    asked.expect(200, &head);
    let asked = server.signed(&server.admin, "iam", audit, ("text/plain", b"")).await;
    asked.expect(403, "\"code\":\"SignatureDoesNotMatch\"");

    // The past, with the moment raw and percent-encoded, with and without final slash.
    let ask = format!("{IAM}&Action=GetUser&UserName=alice");
    for (path, status, part) in [
        (format!("/at/@{before}/"), 404, "<Code>NoSuchEntity</Code>"),
        (format!("/at/@{before}"), 404, "<Code>NoSuchEntity</Code>"),
        (format!("/at/%40{before}"), 404, "<Code>NoSuchEntity</Code>"),
        ("/at/@1".into(), 404, "did not exist at that moment"),
        ("/at/@999999".into(), 400, "has not happened yet"),
        ("/at/2099-01-01T00:00:00+01:00/".into(), 200, "<GetUserResult>"),
        ("/at/soon/".into(), 400, "<Code>ValidationError</Code>"),
    ] {
        server.form(&server.admin, "iam", &path, &ask).await.expect(status, part);
    }
    let write = format!("{IAM}&Action=CreateUser&UserName=carol");
    let write = server.form(&server.admin, "iam", "/at/@9999", &write).await;
    write.expect(403, "<Code>AccessDenied</Code>");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_policies_is_denied() {
    let server = start(None).await;
    server.iam("Action=CreateUser&UserName=alice").await.expect(200, "alice");
    let key =
        server.iam("Action=CreateAccessKey&UserName=alice").await.expect(200, "<SecretAccessKey>");
    let alice = credentials(&element(&key.2, "AccessKeyId"), &element(&key.2, "SecretAccessKey"));
    let list = format!("{IAM}&Action=ListUsers");
    let denied =
        server.form(&alice, "iam", "/", &list).await.expect(403, "<Code>AccessDenied</Code>");
    assert!(denied.2.contains("iam:ListUsers"), "{}", denied.2);
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    server.form(&alice, "sts", "/", who).await.expect(200, ":user/alice");

    let impostor = credentials(&alice.access_key_id, "wrong");
    let refused = server.form(&impostor, "iam", "/", &list).await;
    refused.expect(403, "<Code>SignatureDoesNotMatch</Code>");
    let stranger = credentials("AKIAIOSFODNN7EXAMPLE", "wrong");
    let refused = server.form(&stranger, "iam", "/", &list).await;
    refused.expect(403, "<Code>InvalidClientTokenId</Code>");
    let refused = server.form(&alice, "sts", "/", &list).await;
    refused.expect(403, "<Code>SignatureDoesNotMatch</Code>");

    let counted =
        server.get("/metrics").await.expect(200, "domesday_failed_authentications_total 3\n");
    let head = format!("domesday_head_position {}\n", server.service.ledger().head().position);
    assert!(counted.2.contains(&head), "{}", counted.2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_is_refused_in_the_protocols_form() {
    let server = start(None).await;
    let admin = &server.admin;
    let before = server.service.ledger().head().position;
    let create = format!("{IAM}&Action=CreateUser&UserName=a").into_bytes();
    let with = |more: &[u8]| [create.as_slice(), more].concat();
    for (media_type, body, status, code) in [
        (FORM, with(b"%FF"), 400, "MalformedQueryString"),
        (FORM, with(b"\xff"), 400, "MalformedQueryString"),
        (FORM, with(b"%z"), 400, "MalformedQueryString"),
        (FORM, with(b"&UserName=b"), 400, "MalformedInput"),
        (FORM, with(&b"&p=1".repeat(5000)), 400, "MalformedInput"),
        (FORM, with(&vec![b'a'; 1 << 20]), 413, "RequestEntityTooLarge"),
        // Larger than what fits between two sockets: the client reads why, not a broken pipe.
        (FORM, vec![b'a'; 7 << 20], 413, "RequestEntityTooLarge"),
        (FORM, b"".to_vec(), 400, "InvalidAction"),
        (FORM, b"Version=2010-05-08".to_vec(), 400, "InvalidAction"),
        (FORM, b"Action=CreateUser&Version=1999-01-01".to_vec(), 400, "InvalidAction"),
        (FORM, b"Action=%3Cb%3E&Version=2010-05-08".to_vec(), 400, "&lt;b&gt;"),
        ("application/x-amz-json-1.1", b"{}".to_vec(), 400, "InvalidAction"),
        ("text/plain", create.clone(), 400, "InvalidAction"),
    ] {
        let answer = server.signed(admin, "iam", ("POST", "/"), (media_type, &body)).await;
        answer.expect(status, code).expect(status, "<Type>Sender</Type>");
    }
    let put = server.signed(admin, "iam", ("PUT", "/"), (FORM, &create)).await;
    put.expect(405, "<Code>MethodNotAllowed</Code>");
    server
        .get("/?Action=ListUsers&Version=2010-05-08")
        .await
        .expect(403, "MissingAuthenticationToken");
    server.get("/?Action=%zz").await.expect(400, "MalformedQueryString");
    server.get("/consoles/").await.expect(404, "<Code>NotFound</Code>");
    server.get("/admin/v1/rebuild").await.expect(404, "<Code>NotFound</Code>");
    server
        .get("/audit/v1/head")
        .await
        .expect(403, "{\"error\":{\"code\":\"MissingAuthenticationToken\"");
    server.get("/at/x/audit/v1/head").await.expect(400, "{\"error\":{\"code\":\"ValidationError\"");

    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert!(server.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let huge = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(80_000));
    let huge = server.raw(huge.as_bytes()).await;
    assert!(huge.is_empty() || huge.starts_with("HTTP/1.1 431"), "{huge}");
    let torn = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let torn = server.raw(torn).await;
    assert!(torn.is_empty() || torn.starts_with("HTTP/1.1 400"), "{torn}");
    assert_eq!(server.service.ledger().head().position, before);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_asks_through_the_socket_and_it_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let server = start(Some(path.clone())).await;
    server.get("/healthz").await.expect(200, "ok");
    server.get("/readyz").await.expect(200, "ready");
    let ask = async |method: &str, uri: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(uri).header("host", "admin.sock");
        let request = request.body(Full::from(body)).unwrap();
        exchange(UnixStream::connect(&path).await.unwrap(), request).await
    };
    let head = server.service.ledger().head().position.to_string();
    ask("GET", "/audit/v1/head", "").await.expect(200, &head);
    ask("GET", &format!("/audit/v1/head?account={DIGITS}"), "").await.expect(200, &head);
    ask("GET", "/audit/v1/head?account=999999999999", "").await.expect(404, "NoSuchEntity");
    ask("GET", "/admin/v1/verify", "").await.expect(405, "MethodNotAllowed");
    ask("POST", "/admin/v1/verify", "[]").await.expect(400, "ValidationError");
    ask("POST", "/admin/v1/format-disk", "{}").await.expect(404, "NotFound");
    ask("POST", "/", "").await.expect(404, "NotFound");

    // An idle connection does not hold up the stop; a new one finds nobody.
    let idle = TcpStream::connect(server.address).await.unwrap();
    let address = server.address;
    tokio::time::timeout(std::time::Duration::from_secs(5), server.stop()).await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!path.exists());
}

const QUESTION: &str = r#"{"subject":{"type":"user","id":"alice"},"action":{"name":"docs:Read"},"resource":{"type":"document","id":"7"}}"#;

impl Running {
    /// Asks with these headers for a decision: status, headers, body.
    async fn decide(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, hyper::HeaderMap, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::post(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_asks_with_a_bearer_or_a_signature() {
    let server = start(None).await;
    server.iam("Action=CreateUser&UserName=alice").await.expect(200, "alice");
    let (one, several) = ("/access/v1/evaluation", "/access/v1/evaluations");
    let json = ("application/json", QUESTION.as_bytes());
    let signed = server.signed(&server.admin, "domesday", ("POST", one), json).await;
    signed.expect(200, "\"decision\":false");
    let signed =
        server.signed(&server.admin, "domesday", ("POST", "/at/@3/access/v1/evaluation"), json);
    signed.await.expect(200, "There is no user");

    let made = "Action=CreateServiceSpecificCredential&UserName=admin&ServiceName=domesday";
    let made = server.iam(made).await.expect(200, "domesday_ACCA");
    let token = element(&made.2, "ServiceCredentialSecret");
    let bearer = format!("Bearer {token}");
    let media = ("content-type", "application/json");
    let named = ("x-request-id", "bfe9eb29 \u{7e}any");
    let known = [("authorization", bearer.as_str()), media, named];
    let (status, headers, body) = server.decide(one, &known, QUESTION).await;
    assert_eq!((status, &headers["x-request-id"].as_bytes()), (200, &named.1.as_bytes()));
    assert_eq!(headers["content-type"], "application/json");
    assert!(body.contains("\"decision\":false") && body.contains("implicitDeny"), "{body}");
    let boxcar = QUESTION.replacen('{', "{\"evaluations\":[{},{}],", 1);
    let (status, _, body) = server.decide(several, &known, &boxcar).await;
    assert!(status == 200 && body.matches("\"decision\":false").count() == 2, "{body}");

    // Who is not believed is told so in one way, whatever is wrong.
    let mut told = Vec::new();
    let almost = format!("{bearer}x");
    let stranger = token.replace("_ACCA", "_ACCB");
    for wrong in [
        almost.as_str(),
        &format!("Bearer {stranger}"),
        "Bearer",
        "Bearer ",
        "bearer x",
        "Basic YQ==",
    ] {
        let sent = [("authorization", wrong), media, named];
        let (status, headers, body) = server.decide(one, &sent, QUESTION).await;
        assert_eq!(status, 401, "{wrong}");
        assert_eq!(headers["www-authenticate"], "Bearer realm=\"domesday\"");
        assert_eq!(headers["x-request-id"].as_bytes(), named.1.as_bytes());
        told.push(body);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(server.decide(one, &[media], QUESTION).await.0, 401);
    // It opens nothing else.
    let elsewhere = [("authorization", bearer.as_str())];
    for (path, body) in [("/audit/v1/head", ""), ("/", "Action=ListUsers&Version=2010-05-08")] {
        let (status, _, body) = server.decide(path, &elsewhere, body).await;
        assert!(status == 400 || status == 403, "{path}: {status} {body}");
    }

    // What is not well formed is refused as a whole, in a sentence.
    for wrong in ["", "[]", "{}", "{\"subject\":1}", "{\"subject\":{},\"subject\":{}}", "\u{0}"] {
        let (status, headers, body) = server.decide(one, &known, wrong).await;
        assert_eq!((status, body.starts_with('"')), (400, true), "{wrong}: {body}");
        assert!(headers.contains_key("x-request-id"));
    }
    let form = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    assert_eq!(server.decide(one, &form, QUESTION).await.0, 400);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(300_000));
    assert_eq!(server.decide(one, &known, &large).await.0, 413);
    server.get(one).await.expect(405, "POST");

    let found = server.get("/.well-known/authzen-configuration").await;
    let base = format!("http://{}", server.address);
    let expected = format!("\"access_evaluations_endpoint\":\"{base}{several}\"");
    found.expect(200, &expected);

    // Whoever may not ask is told who it is and what it lacks.
    server.iam("Action=CreateUser&UserName=gate").await.expect(200, "gate");
    let made = "Action=CreateServiceSpecificCredential&UserName=gate&ServiceName=domesday";
    let made = server.iam(made).await.expect(200, "domesday_ACCA");
    let bearer = format!("Bearer {}", element(&made.2, "ServiceCredentialSecret"));
    let (status, _, body) =
        server.decide(one, &[("authorization", &bearer), media], QUESTION).await;
    assert!(status == 403 && body.contains("domesday:Evaluate"), "{body}");
    server.stop().await;
}
