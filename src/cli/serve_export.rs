//! `serve-export`: what `aws cloudtrail validate-logs` asks of AWS, answered from the folder of an export.
//!
//! | call | answer |
//! |---|---|
//! | CloudTrail DescribeTrails | the one trail |
//! | CloudTrail ListPublicKeys | the key in the folder |
//! | S3 GetBucketLocation | us-east-1 |
//! | S3 ListObjects (the first version) | the files below `AWSLogs/` |
//! | S3 GetObject, HeadObject | a file; a digest with its signature as metadata |
//!
//! Anything else is refused. Nothing is written, signatures of requests are not looked at, and so it listens
//! on this machine alone: whoever may connect may read the folder as it is.

use std::convert::Infallible;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Failure, print};
use crate::base::crypto::sha256;
use crate::base::text::{from_base64, hex, percent_decode};
use crate::base::time::Timestamp;
use crate::ledger::Frame;
use crate::service::exports::Manifest;
use crate::service::exports::cloudtrail::digest::{ALGORITHM, SIGNATURE};
use crate::service::exports::cloudtrail::{PUBLIC_KEY, REGION, TRAIL, bucket, trail_arn};
use crate::service::exports::sink::{MANIFEST, is_plain};

const MOST_CONNECTIONS: usize = 64;
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Keys of one page of a listing.
const PAGE: usize = 1_000;
/// The folder in which the objects are.
const OBJECTS: &str = "AWSLogs";

/// An export that is served.
struct Export {
    place: PathBuf,
    digits: String,
    bucket: String,
    key: Value,
}

impl Export {
    fn open(place: &Path) -> Result<(Self, Manifest), Failure> {
        let read = |name: &str| {
            let path = place.join(name);
            fs::read(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        };
        let manifest: Manifest = serde_json::from_slice(&read(MANIFEST)?)
            .map_err(|error| Failure::new(format!("{MANIFEST}: {error}")))?;
        if manifest.kind != "cloudtrail" {
            let why = format!("this is an export of the kind {}, not of CloudTrail", manifest.kind);
            return Err(Failure::new(why));
        }
        let mut key: Value = serde_json::from_slice(&read(PUBLIC_KEY)?)
            .map_err(|error| Failure::new(format!("{PUBLIC_KEY}: {error}")))?;
        if let Some(fields) = key.as_object_mut() {
            // Good for whichever time is asked of.
            fields.insert("ValidityStartTime".to_owned(), 0.into());
            fields.insert("ValidityEndTime".to_owned(), 4_102_444_800u64.into());
        }
        let digits = manifest.account.clone();
        let export = Export { place: place.to_owned(), bucket: bucket(&digits), digits, key };
        Ok((export, manifest))
    }
}

/// Serves an export until the process is stopped.
pub fn serve(place: &Path, listen: SocketAddr) -> Result<u8, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::new(format!(
            "{listen}: no signatures are checked here, so it listens on this machine alone (127.0.0.1)"
        )));
    }
    let (export, manifest) = Export::open(place)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Failure::new(format!("{listen}: {error}")))?;
        let address = listener.local_addr()?;
        print::line(&format!("serving {} at http://{address}; in another terminal:", place.display()))?;
        print::line(&format!(
            "  AWS_ENDPOINT_URL=http://{address} aws cloudtrail validate-logs --region {REGION} \\\n    \
             --trail-arn {} --start-time {}",
            trail_arn(&export.digits),
            beginning(&manifest)
        ))?;
        let export = Arc::new(export);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let place = places.clone().acquire_owned().await;
            let Ok((stream, _)) = listener.accept().await else { continue };
            let export = export.clone();
            tokio::spawn(async move {
                let _place = place;
                let answer = service_fn(|request: Request<Incoming>| {
                    let export = export.clone();
                    async move { Ok::<_, Infallible>(answer(export, request).await) }
                });
                // Errors are the client's: it hung up, or spoke no HTTP.
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    })
}

/// A time before everything in the export.
fn beginning(manifest: &Manifest) -> String {
    let first = manifest.events.begins.as_ref().and_then(|event| {
        let bytes = from_base64(&event.frame)?;
        Frame::read(event.position, &bytes).ok().map(|frame| frame.header.happened_at)
    });
    let first = first.unwrap_or(Timestamp::from_seconds(86_400));
    first.plus_seconds(-3_600).to_string()
}

/// An answer before it becomes HTTP.
struct Reply {
    status: u16,
    media_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn xml(status: u16, body: &str) -> Self {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}").into_bytes();
        Reply { status, media_type: "application/xml", headers: Vec::new(), body }
    }

    fn json(value: &Value) -> Self {
        let body = value.to_string().into_bytes();
        Reply { status: 200, media_type: "application/x-amz-json-1.1", headers: Vec::new(), body }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (escape(code), escape(message));
        Reply::xml(
            status,
            &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

async fn answer(export: Arc<Export>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let call = target.and_then(|target| target.rsplit('.').next()).map(str::to_owned);
    let is_head = head.method == Method::HEAD;
    let reply = match (head.method, head.uri.path()) {
        (Method::POST, "/") => {
            // What is asked with it changes nothing in the answer, but is read to its end.
            let read = Limited::new(body, MOST_BODY_BYTES).collect().await;
            match (read, call.as_deref()) {
                (Err(_), _) => {
                    Reply::error(413, "RequestEntityTooLarge", "The request is too large.")
                }
                (Ok(_), Some("DescribeTrails")) => Reply::json(&trails(&export)),
                (Ok(_), Some("ListPublicKeys")) => {
                    Reply::json(&json!({ "PublicKeyList": [export.key] }))
                }
                _ => refused(),
            }
        }
        (Method::GET | Method::HEAD, path) => {
            let (path, query) = (path.to_owned(), head.uri.query().unwrap_or_default().to_owned());
            let looked = tokio::task::spawn_blocking(move || object(&export, &path, &query)).await;
            looked.unwrap_or_else(|_| {
                Reply::error(500, "InternalError", "The folder cannot be read.")
            })
        }
        _ => refused(),
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", reply.media_type)
        .header("content-length", reply.body.len());
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = if is_head { Bytes::new() } else { Bytes::from(reply.body) };
    response.body(Full::new(body)).unwrap_or_default()
}

fn refused() -> Reply {
    Reply::error(
        400,
        "InvalidAction",
        "Only what aws cloudtrail validate-logs asks is answered here.",
    )
}

fn trails(export: &Export) -> Value {
    json!({ "trailList": [{
        "Name": TRAIL,
        "TrailARN": trail_arn(&export.digits),
        "S3BucketName": export.bucket,
        "HomeRegion": REGION,
        "IncludeGlobalServiceEvents": true,
        "IsMultiRegionTrail": false,
        "IsOrganizationTrail": false,
        "LogFileValidationEnabled": true,
        "HasCustomEventSelectors": false,
        "HasInsightSelectors": false,
    }] })
}

/// Answers what is asked of S3, by path: `/BUCKET` or `/BUCKET/KEY`.
fn object(export: &Export, path: &str, query: &str) -> Reply {
    let parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode =
                |text: &str| String::from_utf8(percent_decode(&text.replace('+', " "))?).ok();
            Some((decode(name)?, decode(value)?))
        })
        .collect();
    let given = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let decoded = percent_decode(path).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(rest) = decoded.as_deref().and_then(|path| path.strip_prefix('/')) else {
        return refused();
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket != export.bucket {
        return Reply::error(404, "NoSuchBucket", "The specified bucket does not exist");
    }
    if !key.is_empty() {
        return get(export, key);
    }
    if given("location").is_some() {
        let none = "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>";
        return Reply::xml(200, none);
    }
    if given("list-type").is_some() || given("delimiter").is_some_and(|text| !text.is_empty()) {
        return refused();
    }
    let text = |name| given(name).map(String::as_str).unwrap_or_default();
    let most = given("max-keys").and_then(|text| text.parse().ok()).unwrap_or(PAGE).min(PAGE);
    match list(export, text("prefix"), text("marker"), most) {
        Ok(body) => Reply::xml(200, &body),
        Err(error) => Reply::error(500, "InternalError", &error.to_string()),
    }
}

/// Whether a path is that of an object: a log or a digest, but not the signature beside it.
fn is_object(path: &str) -> bool {
    is_plain(path) && path.starts_with("AWSLogs/") && !path.ends_with(SIGNATURE)
}

fn list(export: &Export, prefix: &str, marker: &str, most: usize) -> std::io::Result<String> {
    let mut keys: Vec<(String, u64)> = Vec::new();
    let mut folders = vec![OBJECTS.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(export.place.join(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && is_object(&path)
                && path.starts_with(prefix)
                && path.as_str() > marker
            {
                keys.push((path, entry.metadata()?.len()));
            }
        }
    }
    keys.sort();
    let truncated = keys.len() > most;
    keys.truncate(most);
    let mut body = format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{}</Name>\
         <Prefix>{}</Prefix><Marker>{}</Marker><MaxKeys>{most}</MaxKeys>\
         <IsTruncated>{truncated}</IsTruncated>",
        escape(&export.bucket),
        escape(prefix),
        escape(marker)
    );
    for (key, size) in keys {
        body += &format!(
            "<Contents><Key>{}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>\
             <Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            escape(&key)
        );
    }
    Ok(body + "</ListBucketResult>")
}

fn get(export: &Export, key: &str) -> Reply {
    let missing = || Reply::error(404, "NoSuchKey", "The specified key does not exist.");
    if !is_object(key) {
        return missing();
    }
    let path = export.place.join(key);
    // A link could lead out of the folder.
    let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    let Some(body) = is_file.then(|| fs::read(&path).ok()).flatten() else { return missing() };
    let mut headers = vec![("etag", format!("\"{}\"", hex(&sha256(&body))))];
    if let Ok(signature) = fs::read_to_string(export.place.join(format!("{key}{SIGNATURE}"))) {
        // What could not stand in a header was no signature.
        if signature.trim().bytes().all(|byte| byte.is_ascii_hexdigit()) {
            headers.push(("x-amz-meta-signature", signature.trim().to_owned()));
            headers.push(("x-amz-meta-signature-algorithm", ALGORITHM.to_owned()));
        }
    }
    Reply { status: 200, media_type: "application/octet-stream", headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(place: &Path) -> Export {
        Export {
            place: place.to_owned(),
            digits: "123456789012".into(),
            bucket: bucket("123456789012"),
            key: json!({}),
        }
    }

    #[test]
    fn only_objects_of_the_export_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("export");
        fs::create_dir_all(place.join("AWSLogs/a")).unwrap();
        for (path, text) in [
            ("AWSLogs/a/1.json.gz", "one"),
            ("AWSLogs/a/2.json.gz", "two"),
            ("MANIFEST.json", "{}"),
        ] {
            fs::write(place.join(path), text).unwrap();
        }
        fs::write(place.join("AWSLogs/a/2.json.gz.sig"), "00ff\n").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), place.join("AWSLogs/link"))
            .unwrap();
        let export = export(&place);
        let ask = |path: &str, query: &str| object(&export, path, query);
        let name = "/domesday-123456789012";
        let one = ask(&format!("{name}/AWSLogs/a/1.json.gz"), "");
        assert_eq!((one.status, one.body.as_slice(), one.headers.len()), (200, &b"one"[..], 1));
        let two = ask(&format!("{name}/AWSLogs/a/2.json.gz"), "");
        assert!(two.headers.contains(&("x-amz-meta-signature", "00ff".to_owned())));
        for hidden in [
            "AWSLogs/../../secret",
            "AWSLogs/%2e%2e/%2e%2e/secret",
            "../secret",
            "%2e%2e%2fsecret",
            "AWSLogs/link",
            "AWSLogs/a",
            "AWSLogs/a/2.json.gz.sig",
            "MANIFEST.json",
            "AWSLogs//a/1.json.gz",
            "/etc/passwd",
        ] {
            assert_eq!(ask(&format!("{name}/{hidden}"), "").status, 404, "{hidden}");
        }
        assert_eq!(ask("/other/AWSLogs/a/1.json.gz", "").status, 404);
        let listed = |query: &str| String::from_utf8(ask(name, query).body).unwrap();
        let all = listed("prefix=AWSLogs%2Fa&encoding-type=url");
        assert!(
            all.contains("AWSLogs/a/1.json.gz") && all.contains("AWSLogs/a/2.json.gz"),
            "{all}"
        );
        assert!(
            !all.contains(".sig") && !all.contains("link") && all.contains("<IsTruncated>false")
        );
        let first = listed("max-keys=1");
        assert!(first.contains("1.json.gz") && !first.contains("2.json.gz"), "{first}");
        assert!(first.contains("<IsTruncated>true"));
        let second = listed("max-keys=1&marker=AWSLogs/a/1.json.gz");
        assert!(second.contains("2.json.gz") && !second.contains("<Key>AWSLogs/a/1.json.gz"));
        assert!(listed("location").contains("LocationConstraint"));
        assert_eq!(ask(name, "list-type=2").status, 400);
        assert_eq!(
            ask(name, "acl").status,
            200,
            "what is not known is a listing, which tells nothing more"
        );
    }

    #[test]
    fn nothing_but_this_machine_is_served() {
        let refused = serve(Path::new("."), "0.0.0.0:0".parse().unwrap()).unwrap_err();
        assert!(refused.message.contains("127.0.0.1"), "{}", refused.message);
    }
}
