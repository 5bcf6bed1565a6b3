//! The web console: pages rendered here, for people who sign in with a password.
//!
//! | module | what |
//! |---|---|
//! | `entrance` | signing in and out, switching roles |
//! | `visit` | who looks at a page, at which moment; asking the service on their behalf |
//! | `frame`, `time_bar`, `parts` | what all pages have in common |
//! | `dashboard`, `users`, `groups`, `roles`, `policies`, `account`, `access`, `me` | the pages |
//! | `can`, `ledger`, `diff` | questions, and the ledger |
//! | `history` | the history of one thing, on its own page |
//! | `reports` | reports by name |
//! | `act` | every change that a page offers: an operation of the API, run as it stands in the form |
//! | `sentence` | an event in words |
//! | `since` | since when somebody could |
//! | `words` | every text that people read |
//!
//! A page decides nothing: it asks operations and questions of the service as the person, and shows the
//! answer or the refusal. It works without scripts; the one script there is saves clicks. Nothing comes from
//! elsewhere, as the policy in `headers` tells browsers, and all that is shown is escaped by the templates.
//!
//! Every address may carry `at=MOMENT`, and then shows the past, in a frame of its own and without anything
//! to change.

mod access;
mod account;
mod act;
mod can;
mod dashboard;
mod diff;
mod entrance;
mod frame;
mod groups;
mod history;
mod ledger;
mod me;
mod parts;
mod policies;
mod policy_editor;
mod reports;
mod roles;
mod sentence;
mod since;
mod time_bar;
mod typed_moment;
mod users;
mod visit;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::service::Service;
use crate::service::fault::Fault;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/console.js");
const ICON: &str = include_str!("assets/icon.svg");

/// What a browser may do with these pages. Nothing is loaded from elsewhere, nothing is framed, no script
/// or style stands in a page, forms go back here.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

/// The pages of the console, as the server takes them.
pub fn pages(service: Arc<Service>) -> Router {
    Router::new()
        .route("/console", get(|| async { Redirect::permanent("/console/") }))
        .route("/console/", get(dashboard::page))
        .route(
            "/console/assets/style.css",
            get(|| async { asset("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/console/assets/console.js",
            get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route("/console/assets/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .route("/console/sign-in", get(entrance::page).post(entrance::password))
        .route("/console/sign-in/{account}", get(entrance::page_of))
        .route("/console/sign-in/step/code", post(entrance::code))
        .route("/console/sign-in/step/new-password", post(entrance::new_password))
        .route("/console/recover", get(entrance::recover_page).post(entrance::recover))
        .route("/console/go", get(time_bar::go))
        .route("/console/sign-out", post(entrance::sign_out))
        .route("/console/switch-role", get(entrance::switch_page).post(entrance::switch))
        .route("/console/switch-back", post(entrance::switch_back))
        .route("/console/users", get(users::list))
        .route("/console/users/new", get(users::new_page).post(users::make))
        .route("/console/users/{name}", get(users::page))
        .route("/console/groups", get(groups::list))
        .route("/console/groups/{name}", get(groups::page))
        .route("/console/roles", get(roles::list))
        .route("/console/roles/new", get(roles::new_page))
        .route("/console/roles/{name}", get(roles::page))
        .route("/console/policies", get(policies::list))
        .route("/console/policies/show", get(policies::page))
        .route("/console/policies/edit", get(policy_editor::page).post(policy_editor::submit))
        .route("/console/account", get(account::page))
        .route("/console/me", get(me::page))
        .route("/console/me/password", post(me::change_password))
        .route("/console/me/root", post(me::act_as_root))
        .route("/console/access", get(access::page))
        .route("/console/can", get(can::page))
        .route("/console/ledger", get(ledger::page))
        .route("/console/ledger/{position}", get(ledger::event))
        .route("/console/diff", get(diff::page))
        .route("/console/reports", get(reports::list))
        .route("/console/reports/{name}", get(reports::page))
        .route("/console/reports/{name}/{form}", get(reports::file))
        .route("/console/do", post(act::submit))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, frame::lone(words::NOT_HERE, words::NOT_HERE_WHY))
        })
        .layer(middleware::from_fn(headers))
        .with_state(service)
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// A page in place of the bare sentence by which a request is turned away before it reaches one of ours.
fn legible(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !status.is_client_error()
        || kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
    {
        return response;
    }
    let mut page = (status, frame::lone(words::NOT_HERE, words::NOT_HERE_WHY)).into_response();
    if let Some(allowed) = response.headers().get(header::ALLOW) {
        page.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    page
}

/// The headers of every answer.
async fn headers(request: Request<Body>, next: Next) -> Response {
    let mut response = match request.extensions().get::<Fault>() {
        // The server did not read it to its end.
        Some(fault) => frame::failed(fault),
        None => legible(next.run(request).await),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", CONTENT_POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
