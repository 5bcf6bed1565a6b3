//! Signing in and out, and switching roles.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::account::rules_of;
use super::frame::{self, Section};
use super::parts::{field, refusal, text};
use super::visit::{
    SESSION, STEP, Visit, address, arrival, cookie, fields, form, is_from_here, keep, next,
    set_cookie,
};
use super::words;
use crate::base::secret::Secret;
use crate::identity::id::UniqueId;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::operation::Api;
use crate::service::signin::session::{Cookie, Pass};
use crate::service::signin::{Refusal, Step, Who};

/// Seconds that the cookie between two steps lasts.
const STEP_TIME: i64 = 300;

/// What a sign-in page shows again.
#[derive(Default)]
struct Typed {
    as_root: bool,
    account: String,
    name: String,
    email: String,
    next: String,
}

/// `GET /console/sign-in`
pub async fn page(request: Request) -> Response {
    let query = super::visit::fields(request.uri().query().unwrap_or_default().as_bytes());
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    first(
        &Typed {
            as_root: of("as") == "root",
            account: of("account"),
            next: of("next"),
            ..Typed::default()
        },
        None,
    )
}

/// `GET /console/sign-in/ALIAS`: an account's own address.
pub async fn page_of(Path(account): Path<String>) -> Response {
    first(&Typed { account, ..Typed::default() }, None)
}

fn first(typed: &Typed, wrong: Option<&str>) -> Response {
    let other = if typed.as_root { "" } else { "root" };
    let next = next(&typed.next).unwrap_or("");
    frame::bare(
        words::SIGN_IN,
        &html! {
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stack method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                @if typed.as_root {
                    input type="hidden" name="as" value="root";
                    p.quiet { (words::ROOT_HINT) }
                    label.field { span { (words::EMAIL) }
                        input type="email" name="email" value=(typed.email) required autocomplete="username" autofocus; }
                } @else {
                    label.field { span { (words::ACCOUNT_FIELD) }
                        input type="text" name="account" value=(typed.account) required autocomplete="organization" autofocus[typed.account.is_empty()]; }
                    label.field { span { (words::USER_NAME) }
                        input type="text" name="name" value=(typed.name) required autocomplete="username" spellcheck="false" autofocus[!typed.account.is_empty()]; }
                }
                label.field { span { (words::PASSWORD) }
                    input type="password" name="password" required autocomplete="current-password"; }
                button.primary type="submit" { (words::SIGN_IN) }
            }
            p { a href=(address("/console/sign-in", &[("as", other), ("next", next)])) {
                (if typed.as_root { words::AS_USER } else { words::AS_ROOT }) } }
            @if typed.as_root { p.quiet { (words::FORGOT_ROOT) " " a href="/console/recover" { (words::HAVE_CODE) } } }
        },
    )
}

/// `POST /console/sign-in`
pub async fn password(State(service): State<Arc<Service>>, parts: Parts, body: Bytes) -> Response {
    if !is_from_here(&parts.headers) {
        return not_from_here();
    }
    let sent = fields(&body);
    let of = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let typed = Typed {
        as_root: of("as") == "root",
        account: of("account"),
        name: of("name"),
        email: of("email"),
        next: of("next"),
    };
    let who = match typed.as_root {
        true => Who::Root { email: typed.email.clone() },
        false => Who::User { account: typed.account.clone(), name: typed.name.clone() },
    };
    let arrival = arrival(&parts);
    let secure = arrival.source.secure;
    match service.sign_in(who, Secret::new(of("password")), arrival).await {
        Ok(step) => taken(&service, step, &typed.next, secure).await,
        Err(refused) => {
            let (status, words) = refused_words(&refused);
            (status, first(&typed, Some(&words))).into_response()
        }
    }
}

/// What comes after a step that was right.
async fn taken(service: &Arc<Service>, step: Step, to: &str, secure: bool) -> Response {
    let mut response;
    match step {
        Step::In(cookie) => {
            response = Redirect::to(next(to).unwrap_or("/console/")).into_response();
            set_cookie(&mut response, STEP, None, 0, secure);
            keep(service, &mut response, &cookie, secure);
        }
        Step::Code(token) => {
            response = code_page(to, None);
            set_cookie(&mut response, STEP, Some(&token), STEP_TIME, secure);
        }
        Step::NewPassword(token) => {
            response = new_password_page(service, &token, to, None).await;
            set_cookie(&mut response, STEP, Some(&token), STEP_TIME, secure);
        }
    }
    response
}

fn code_page(to: &str, wrong: Option<&str>) -> Response {
    frame::bare(
        words::CODE_TITLE,
        &html! {
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stack method="post" action="/console/sign-in/step/code" {
                input type="hidden" name="next" value=(next(to).unwrap_or(""));
                label.field { span { (words::CODE) }
                    input type="text" name="code" inputmode="numeric" pattern="[0-9 ]*" maxlength="8" required
                        autocomplete="one-time-code" autofocus;
                    small { (words::CODE_HINT) } }
                button.primary type="submit" { (words::GO_ON) }
            }
            p { a href="/console/sign-in" { (words::AGAIN) } }
        },
    )
}

/// The two fields of a new password, with the account's rules beside them.
pub fn new_password_fields(rules: &[String]) -> Markup {
    html! {
        label.field { span { (words::NEW_PASSWORD) }
            input type="password" name="new" required autocomplete="new-password" data-rules="new-password-rules"; }
        label.field { span { (words::NEW_PASSWORD_AGAIN) }
            input type="password" name="again" required autocomplete="new-password"; }
        @if !rules.is_empty() {
            ul.rules id="new-password-rules" { @for rule in rules { li { (rule) } } }
        }
    }
}

async fn new_password_page(
    service: &Arc<Service>,
    token: &Secret<String>,
    to: &str,
    wrong: Option<&str>,
) -> Response {
    let (service, token) = (service.clone(), token.clone());
    let reading = tokio::task::spawn_blocking(move || service.sign_in_rules(&token));
    let (user, rules) = match reading.await.map_err(Fault::internal).and_then(|rules| rules) {
        Ok((user, row)) => (user, rules_of(row.as_ref())),
        Err(fault) => return frame::failed(&fault),
    };
    frame::bare(
        words::NEW_PASSWORD_TITLE,
        &html! {
            p { (words::NEW_PASSWORD_WHY) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stack method="post" action="/console/sign-in/step/new-password" {
                input type="hidden" name="next" value=(next(to).unwrap_or(""));
                @if let Some(user) = &user {
                    label.field { span { (words::USER_NAME) }
                        input type="text" value=(user) readonly autocomplete="username"; }
                }
                (new_password_fields(&rules))
                button.primary type="submit" { (words::SET_PASSWORD) }
            }
            p { a href="/console/sign-in" { (words::AGAIN) } }
        },
    )
}

/// `POST /console/sign-in/step/code`
pub async fn code(State(service): State<Arc<Service>>, parts: Parts, body: Bytes) -> Response {
    let (arrival, sent) = (arrival(&parts), fields(&body));
    let secure = arrival.source.secure;
    if !is_from_here(&parts.headers) {
        return not_from_here();
    }
    let of = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let Some(token) = cookie(&parts.headers, STEP, secure) else { return late() };
    let code = of("code").chars().filter(char::is_ascii_digit).collect();
    match service.sign_in_code(token, Secret::new(code), arrival).await {
        Ok(step) => taken(&service, step, &of("next"), secure).await,
        Err(Refusal::Late) => late(),
        Err(refused) => {
            let (status, words) = refused_words(&refused);
            (status, code_page(&of("next"), Some(&words))).into_response()
        }
    }
}

/// `POST /console/sign-in/step/new-password`
pub async fn new_password(
    State(service): State<Arc<Service>>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let (arrival, sent) = (arrival(&parts), fields(&body));
    let secure = arrival.source.secure;
    if !is_from_here(&parts.headers) {
        return not_from_here();
    }
    let of = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let Some(token) = cookie(&parts.headers, STEP, secure) else { return late() };
    if of("new") != of("again") {
        let page =
            new_password_page(&service, &token, &of("next"), Some(words::NOT_THE_SAME)).await;
        return (StatusCode::BAD_REQUEST, page).into_response();
    }
    match service.sign_in_new_password(token.clone(), Secret::new(of("new")), arrival).await {
        Ok(step) => taken(&service, step, &of("next"), secure).await,
        Err(Refusal::Late) => late(),
        Err(refused) => {
            let (status, words) = refused_words(&refused);
            let page = new_password_page(&service, &token, &of("next"), Some(&words)).await;
            (status, page).into_response()
        }
    }
}

fn late() -> Response {
    (StatusCode::BAD_REQUEST, first(&Typed::default(), Some(words::LATE))).into_response()
}

/// A form that did not come from a page of ours.
pub fn not_from_here() -> Response {
    (StatusCode::FORBIDDEN, frame::lone(words::FORGED, words::FORGED_WHY)).into_response()
}

fn refused_words(refused: &Refusal) -> (StatusCode, String) {
    match refused {
        Refusal::Wrong => (StatusCode::FORBIDDEN, words::WRONG.to_owned()),
        Refusal::WrongCode => (StatusCode::FORBIDDEN, words::WRONG_CODE.to_owned()),
        Refusal::Late => (StatusCode::BAD_REQUEST, words::LATE.to_owned()),
        Refusal::Wait(seconds) => (StatusCode::TOO_MANY_REQUESTS, words::wait(*seconds)),
        Refusal::Expired => (StatusCode::FORBIDDEN, words::EXPIRED.to_owned()),
        Refusal::NewPassword(why) => (StatusCode::BAD_REQUEST, why.clone()),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, words::BUSY.to_owned()),
        Refusal::Failed(fault) => {
            let status = StatusCode::from_u16(fault.status);
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), fault.message.clone())
        }
    }
}

/// `GET /console/recover`: a forgotten password of the root user.
pub async fn recover_page() -> Response {
    recovery("", None)
}

fn recovery(email: &str, wrong: Option<&str>) -> Response {
    frame::bare(
        words::RECOVER,
        &html! {
            p { (words::RECOVER_WHY) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stack method="post" action="/console/recover" {
                label.field { span { (words::EMAIL) }
                    input type="email" name="email" value=(email) required autocomplete="username"; }
                label.field { span { (words::RECOVERY_CODE) }
                    input type="text" name="code" required autocomplete="off" spellcheck="false"; }
                (new_password_fields(&[]))
                button.primary type="submit" { (words::SET_PASSWORD) }
            }
            p { a href="/console/sign-in?as=root" { (words::AS_ROOT) } }
        },
    )
}

/// `POST /console/recover`
pub async fn recover(State(service): State<Arc<Service>>, parts: Parts, body: Bytes) -> Response {
    if !is_from_here(&parts.headers) {
        return not_from_here();
    }
    let sent = fields(&body);
    let of = |name: &str| sent.get(name).cloned().unwrap_or_default();
    if of("new") != of("again") {
        let page = recovery(&of("email"), Some(words::NOT_THE_SAME));
        return (StatusCode::BAD_REQUEST, page).into_response();
    }
    let (code, new) = (Secret::new(of("code").trim().to_owned()), Secret::new(of("new")));
    match service.redeem_root_recovery(arrival(&parts), of("email"), code, new).await {
        Ok(()) => first(&Typed { as_root: true, email: of("email"), ..Typed::default() }, None),
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status);
            let page = recovery(&of("email"), Some(&fault.message));
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), page).into_response()
        }
    }
}

/// `POST /console/sign-out`
pub async fn sign_out(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = super::visit::pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let everywhere = sent.iter().any(|(name, _)| name == "everywhere");
    let secure = visit.arrival.source.secure;
    let ending = move || match everywhere {
        true => visit.service.sign_out_everywhere(&visit.visitor, &visit.arrival),
        false => visit.service.sign_out(&visit.visitor, &visit.arrival),
    };
    let ended = tokio::task::spawn_blocking(ending).await;
    if let Err(fault) = ended.map_err(Fault::internal).and_then(|ended| ended) {
        return frame::failed(&fault);
    }
    let mut response = Redirect::to("/console/sign-in").into_response();
    set_cookie(&mut response, SESSION, None, 0, secure);
    response
}

/// `GET /console/switch-role`
pub async fn switch_page(visit: Visit) -> Response {
    switch_form(&visit, None).await
}

async fn switch_form(visit: &Visit, refused: Option<&Fault>) -> Response {
    let digits = &visit.visitor.person.digits;
    let given = |name: &str, other: &str| match visit.param(name) {
        "" => other.to_owned(),
        given => given.to_owned(),
    };
    let body = html! {
        p { (words::SWITCH_WHY) }
        @if let Some(fault) = refused { (refusal(visit, fault)) }
        @if !visit.may_change() { p.quiet { (words::PAST_IS_READ) } }
        @else { form.stack method="post" action="/console/switch-role" {
            input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
            (field(words::ACCOUNT_ID, "account", &given("account", digits), "", true))
            (field(words::ROLE, "role", &given("role", ""), words::ROLE_HINT, true))
            (field(words::SESSION_NAME, "session", "", words::SESSION_NAME_HINT, false))
            button.primary type="submit" { (words::SWITCH_ROLE) }
        } }
    };
    let status = refused.map_or(200, |fault| fault.status);
    frame::page_with(status, visit, Section::Me, words::SWITCH_ROLE, &body).await
}

/// `POST /console/switch-role`: AssumeRole, as the person.
pub async fn switch(mut visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = super::visit::pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        sent.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.trim())
    };
    // One role at a time: switching begins with the person.
    visit.visitor.caller = visit.visitor.person.clone();
    let arn = match of("role") {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => format!("arn:aws:iam::{}:role/{name}", of("account")),
    };
    let own = visit.caller().own_user().map(|(_, arn)| arn.to_owned()).unwrap_or_default();
    let session = match of("session") {
        "" => own.rsplit('/').next().filter(|name| name.len() > 1).unwrap_or("console").to_owned(),
        session => session.to_owned(),
    };
    let assume = form([("RoleArn", arn.as_str()), ("RoleSessionName", &session)].into_iter());
    let answer = match assume {
        Ok(form) => visit.run(Api::Sts, "AssumeRole", form, None, None).await,
        Err(fault) => Err(fault),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => {
            visit.query = vec![
                ("account".into(), of("account").to_owned()),
                ("role".into(), of("role").to_owned()),
            ];
            return switch_form(&visit, Some(&fault)).await;
        }
    };
    let Some(key) = UniqueId::parse(text(&answer, "/Credentials/AccessKeyId")) else {
        return frame::failed(&Fault::internal("a session without a key"));
    };
    let token = Secret::new(text(&answer, "/Credentials/SessionToken").to_owned());
    let cookie = Cookie { role: Some(Pass { key, token }), ..visit.visitor.cookie.clone() };
    let mut response = Redirect::to("/console/").into_response();
    keep(&visit.service, &mut response, &cookie, visit.arrival.source.secure);
    response
}

/// `POST /console/switch-back`
pub async fn switch_back(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    if !visit.sent(&headers, &super::visit::pairs(&body)) {
        return not_from_here();
    }
    let mut response = Redirect::to("/console/").into_response();
    let cookie = Cookie { role: None, ..visit.visitor.cookie.clone() };
    keep(&visit.service, &mut response, &cookie, visit.arrival.source.secure);
    response
}
