//! What is served below `/console`: pages of another layer, given to the server as a router.
//!
//! The server reads the request to its end, within the limits that hold for everybody, and hands it on with
//! what it knows of its arrival ([`Arrival`], as an extension).

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tower_service::Service as _;

use super::front::Front;
use super::signed::Received;
use crate::service::Service;
use crate::service::authenticate::Arrival;
use crate::service::caller::Source;
use crate::service::fault::Fault;

/// The pages.
pub type Pages = axum::Router;

/// The largest page that is sent.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Whether a path is one of the pages'.
pub fn is_theirs(path: &str) -> bool {
    path == "/console" || path.starts_with("/console/")
}

/// Whether a browser knocks at the front door: whoever speaks the Query protocol asks for no HTML.
pub fn is_visitor<B>(request: &Request<B>) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    request.method() == hyper::Method::GET
        && request.uri().path() == "/"
        && request.uri().query().is_none()
        && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// Shows a visitor to the pages.
pub fn show_in() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/console/"));
    response
}

/// Has a request answered by the pages.
pub async fn answer(
    front: &Front,
    service: &Arc<Service>,
    received: Result<Received, Fault>,
) -> Response<Full<Bytes>> {
    let received = match received {
        Ok(received) => received,
        Err(fault) => return turned_away(front, fault).await,
    };
    let arrival = Arrival {
        at: service.clock().now(),
        request_id: received.request_id.clone(),
        source: Source { secure: front.is_secure_for_browsers(), ..received.source() },
    };
    let uri = match received.query.as_str() {
        "" => received.path.clone(),
        query => format!("{}?{query}", received.path),
    };
    let request = Request::builder().method(received.method.as_str()).uri(uri);
    let Ok(mut request) = request.body(Body::from(received.body)) else {
        return plain(400, "The request is not well-formed.".to_owned());
    };
    *request.headers_mut() = received.headers;
    request.extensions_mut().insert(arrival);
    page(front, request).await
}

/// A request that was not read to its end is answered by a page as well: it comes without what it holds, with the
/// fault in its place.
async fn turned_away(front: &Front, fault: Fault) -> Response<Full<Bytes>> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = hyper::Uri::from_static("/console/");
    request.extensions_mut().insert(fault);
    page(front, request).await
}

async fn page(front: &Front, request: Request<Body>) -> Response<Full<Bytes>> {
    let Ok(response) = front.pages.clone().call(request).await;
    let (head, body) = response.into_parts();
    match Limited::new(body, MAX_PAGE_BYTES).collect().await {
        Ok(body) => Response::from_parts(head, Full::new(body.to_bytes())),
        Err(_) => plain(500, "The page is too large.".to_owned()),
    }
}

fn plain(status: u16, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
