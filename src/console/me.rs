//! The person's own credentials: password, access keys, MFA devices.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::account;
use super::entrance::{new_password_fields, not_from_here};
use super::frame::{self, Section};
use super::parts::{instant, refusal};
use super::users::{devices, keys};
use super::visit::{Visit, form, keep, pairs};
use super::words;
use crate::base::secret::Secret;
use crate::service::caller::Identity;
use crate::service::fault::Fault;
use crate::service::operation::Api;

/// `GET /console/me`
pub async fn page(visit: Visit) -> Response {
    shown(&visit, None).await
}

async fn shown(visit: &Visit, refused: Option<&Fault>) -> Response {
    let caller = visit.caller().clone();
    let name = match &caller.identity {
        Identity::User { name, .. } => name.clone(),
        _ => String::new(),
    };
    let own = [("UserName", name.as_str())];
    let of: &[(&str, &str)] = if name.is_empty() { &[] } else { &own };
    let is_role = matches!(caller.identity, Identity::RoleSession { .. });
    let access_keys = visit.list("ListAccessKeys", of, "AccessKeyMetadata").await;
    let mfa = visit.list("ListMFADevices", of, "MFADevices").await;
    let rules = visit.read("GetAccountPasswordPolicy", &[]).await;
    let rules = rules.map(|policy| account::rules(&policy)).unwrap_or_default();
    let session = caller.session().cloned();
    let body = html! {
        @if let Some(fault) = refused { (refusal(visit, fault)) }
        dl {
            dt { (words::ARN) } dd { code data-copy="" { (caller.arn()) } }
            @if let Some(session) = &session {
                dt { (words::SIGNED_IN) } dd { (instant(session.issued, visit.arrival.at)) }
                dt { (words::UNTIL) } dd { (super::parts::minute(&session.expires.to_string())) " UTC, " (words::idle(visit.service.session_lengths().idle / 60)) }
                dt { (words::MFA) } dd { (if session.mfa == Some(true) { words::YES } else { words::NO }) }
            }
        }
        @if is_role { p { (words::ROLE_HAS_NONE) } }
        @else {
            @if caller.is_root() && visit.may_change() { (root_forms(visit, &rules)) }
            @else if visit.may_change() {
                section {
                    h2 { (words::PASSWORD) }
                    form.stack method="post" action="/console/me/password" {
                        input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
                        // Tells password managers whose it is.
                        input type="text" name="_user" value=(name) autocomplete="username" hidden;
                        label.field { span { (words::OLD_PASSWORD) } input type="password" name="old" required autocomplete="current-password"; }
                        (new_password_fields(&rules))
                        button.primary type="submit" { (words::SET_PASSWORD) }
                    }
                }
            }
            section { (keys(visit, ("UserName", &name), &access_keys, words::NO_KEYS)) }
            section { (devices(visit, ("UserName", if caller.is_root() { "root" } else { &name }), &mfa, words::NO_MFA)) }
        }
    };
    let status = refused.map_or(200, |fault| fault.status);
    frame::page_with(status, visit, Section::Me, words::MY_CREDENTIALS, &body).await
}

/// What the root user alone can do: each shows the current password again.
fn root_forms(visit: &Visit, rules: &[String]) -> Markup {
    let form = |act: &str, label: &str, question: Option<&str>, fields: &Markup| {
        html! {
            form.stack method="post" action="/console/me/root" {
                input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
                input type="hidden" name="act" value=(act);
                @if let Some(question) = question { p { (question) } }
                (fields)
                label.field { span { (words::OLD_PASSWORD) } input type="password" name="old" required autocomplete="current-password"; }
                button.danger[question.is_some()].primary[question.is_none()] type="submit" { (label) }
            }
        }
    };
    html! {
        section {
            h2 { (words::PASSWORD) }
            (form("password", words::SET_PASSWORD, None, &new_password_fields(rules)))
        }
        section {
            h2 { (words::EMAIL) }
            (form("email", words::SET_EMAIL, None, &html! {
                label.field { span { (words::NEW_EMAIL) } input type="email" name="email" required autocomplete="off"; }
            }))
        }
        section {
            h2 { (words::CLOSE_ACCOUNT) }
            details.danger {
                summary { (words::CLOSE_ACCOUNT) }
                (form("close", words::CLOSE_ACCOUNT, Some(words::CLOSE_ACCOUNT_WHY), &html! {}))
            }
        }
    }
}

/// `POST /console/me/root`
pub async fn act_as_root(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        let found = sent.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (service, caller) = (&visit.service, visit.caller().clone());
    let old = Secret::new(of("old"));
    let outcome = match of("act").as_str() {
        "password" if of("new") != of("again") => Err(Fault::validation(words::NOT_THE_SAME)),
        "password" => service.change_root_password(caller, old, Secret::new(of("new"))).await,
        "email" => service.change_root_email(caller, old, of("email").trim().to_owned()).await,
        "close" => service.close_account(caller, old).await,
        _ => Err(Fault::validation(words::NOT_HERE)),
    };
    if let Err(fault) = outcome {
        return shown(&visit, Some(&fault)).await;
    }
    match of("act").as_str() {
        "close" => frame::lone(words::CLOSED, words::CLOSED_WHY),
        "password" => renewed(visit).await,
        _ => Redirect::to("/console/me?done=ChangeEmail").into_response(),
    }
}

/// `POST /console/me/password`: ChangePassword. Sessions that began with the old password end; this one goes
/// on with a new token.
pub async fn change_password(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        sent.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    };
    if of("new") != of("again") {
        return shown(&visit, Some(&Fault::validation(words::NOT_THE_SAME))).await;
    }
    let fields = form([("OldPassword", of("old")), ("NewPassword", of("new"))].into_iter());
    let changed = match fields {
        Ok(form) => visit.run(Api::Iam, "ChangePassword", form, None, None).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = changed {
        return shown(&visit, Some(&fault)).await;
    }
    renewed(visit).await
}

/// The old session ended with the old password: this one goes on with a new token.
async fn renewed(visit: Visit) -> Response {
    let secure = visit.arrival.source.secure;
    let service = visit.service.clone();
    let renewing = move || visit.service.renew(&visit.visitor, &visit.arrival);
    match tokio::task::spawn_blocking(renewing).await.map_err(Fault::internal).and_then(|new| new) {
        Ok(cookie) => {
            let mut response = Redirect::to("/console/me?done=ChangePassword").into_response();
            keep(&service, &mut response, &cookie, secure);
            response
        }
        Err(fault) => frame::failed(&fault),
    }
}
