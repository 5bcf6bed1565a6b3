//! The person's own credentials: password, access keys, MFA devices.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::account;
use super::entrance::{new_password_fields, not_from_here};
use super::frame::{self, Section};
use super::parts::{instant, refusal};
use super::users::{devices, keys};
use super::visit::{Visit, form, keep, pairs};
use super::words;
use crate::service::caller::Identity;
use crate::service::fault::Fault;
use crate::service::operation::Api;
use crate::service::signin::session;

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
                dt { (words::UNTIL) } dd { (super::parts::minute(&session.expires.to_string())) " UTC, " (words::idle(session::IDLE / 60)) }
                dt { (words::MFA) } dd { (if session.mfa == Some(true) { words::YES } else { words::NO }) }
            }
        }
        @if is_role { p { (words::ROLE_HAS_NONE) } }
        @else {
            @if !caller.is_root() {
                section {
                    h2 { (words::PASSWORD) }
                    form.stack method="post" action="/console/me/password" {
                        input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
                        label.field { span { (words::OLD_PASSWORD) } input type="password" name="old" required autocomplete="current-password"; }
                        (new_password_fields(&rules))
                        button.primary type="submit" { (words::SET_PASSWORD) }
                    }
                }
            }
            section { (keys(visit, ("UserName", &name), &access_keys)) }
            section { (devices(visit, ("UserName", if caller.is_root() { "root" } else { &name }), &mfa)) }
        }
    };
    let status = refused.map_or(200, |fault| fault.status);
    frame::page_with(status, visit, Section::Me, words::MY_CREDENTIALS, &body).await
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
    let secure = visit.arrival.source.secure;
    let renewing = move || visit.service.renew(&visit.visitor, &visit.arrival);
    match tokio::task::spawn_blocking(renewing).await.map_err(Fault::internal).and_then(|new| new) {
        Ok(cookie) => {
            let mut response = Redirect::to("/console/me?done=ChangePassword").into_response();
            keep(&mut response, &cookie, secure);
            response
        }
        Err(fault) => frame::failed(&fault),
    }
}
