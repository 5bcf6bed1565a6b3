//! Every change that a page offers: a form that holds an operation of IAM and its parameters, run as it
//! stands under the person's own permissions. Names that begin with `_` are the console's.
//!
//! What is shown once - a secret, a password, the seed of an MFA device - is shown in the answer and kept
//! nowhere; everything else goes back to the page it came from.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::diff::consequences;
use super::entrance::not_from_here;
use super::frame::{self, Section};
use super::parts::{refusal, text};
use super::visit::{Visit, address, form, next, pairs};
use super::words;
use crate::base::random::random_text;
use crate::base::secret::Secret;
use crate::base::text::{base64, from_base64, percent_encode};
use crate::identity::arn;
use crate::service::fault::Fault;
use crate::service::operation::Api;
use crate::service::password_policy;

/// A password that is made up has so many characters of each kind.
const KINDS: [(&[u8], usize); 4] = [
    (b"abcdefghijkmnopqrstuvwxyz", 8),
    (b"ABCDEFGHJKLMNPQRSTUVWXYZ", 5),
    (b"23456789", 5),
    (b"!@#$%^&*_+-=", 3),
];

/// A password that fits every password policy, the account's own length included.
///
/// # Errors
/// If there is no randomness, and whatever keeps the policy from being read.
pub async fn made_up_password(visit: &Visit) -> Result<Secret<String>, Fault> {
    let policy = visit.glance(|glance| Ok(password_policy::of(glance.directory())?)).await?;
    let least = policy.map_or(0, |policy| policy.minimum_length as usize);
    let [letters, rest @ ..] = KINDS;
    let others: usize = rest.iter().map(|(_, count)| count).sum();
    let letters = (letters.0, letters.1.max(least.saturating_sub(others)));
    let mut password = String::new();
    for (alphabet, count) in [letters].into_iter().chain(rest) {
        password.push_str(&random_text(visit.service.random(), alphabet, count)?);
    }
    Ok(Secret::new(password))
}

/// `POST /console/do`
pub async fn submit(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        sent.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    };
    let (operation, back) = (of("_op"), next(of("_back")).unwrap_or("/console/"));
    let mut made_up = None;
    let mut fields: Vec<(&str, &str)> = sent
        .iter()
        // A field that was left empty is not there; but a tag may have an empty value.
        .filter(|(name, value)| !value.is_empty() || is_value_of_tag(name))
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if of("_generate") == "1" {
        match made_up_password(&visit).await {
            Ok(password) => made_up = Some(password),
            Err(fault) => return not_done(&visit, &fault, back).await,
        }
    }
    if let Some(password) = &made_up {
        fields.retain(|(name, _)| *name != "Password");
        fields.push(("Password", password.expose()));
        // A box that is not ticked is not sent: what it was before must not stand.
        if of("PasswordResetRequired").is_empty() {
            fields.push(("PasswordResetRequired", "false"));
        }
    }
    if of("_step") == "dry-run" {
        return tried(&visit, operation, &fields, (of("_reason"), back)).await;
    }
    let reason = Some(of("_reason"));
    let outcome = match form(fields.iter().copied()) {
        Ok(form) => visit.run(Api::Iam, operation, form, None, reason).await,
        Err(fault) => Err(fault),
    };
    let answer = match outcome {
        Ok(answer) => answer,
        Err(fault)
            if fault.code == "InvalidAuthenticationCode" && operation == "EnableMFADevice" =>
        {
            return codes_again(&visit, &fault, (of("UserName"), of("SerialNumber")), back).await;
        }
        Err(fault)
            if fault.code == "EntityAlreadyExists" && operation == "CreateVirtualMFADevice" =>
        {
            return device_is_there(&visit, &fault, of("VirtualMFADeviceName"), back).await;
        }
        Err(fault) => return not_done(&visit, &fault, back).await,
    };
    if operation == "DeactivateMFADevice" {
        // Nobody could have a device of its name before it is gone.
        let serial = [("SerialNumber", of("SerialNumber"))];
        let deleted = match form(serial.into_iter()) {
            Ok(form) => visit.run(Api::Iam, "DeleteVirtualMFADevice", form, None, reason).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = deleted {
            let body = html! {
                p.done { (words::DEVICE_STAYS) }
                (refusal(&visit, &fault))
                p { a href=(back) { (words::BACK) } }
            };
            return frame::page(&visit, Section::Me, words::DEACTIVATED, &body).await;
        }
    }
    if !text(&answer, "/VirtualMFADevice/Base32StringSeed").is_empty() {
        return enrol(&visit, &answer, of("_user"), back).await;
    }
    let shown = match (&made_up, fields.iter().find(|(name, _)| *name == "UserName")) {
        (Some(password), Some((_, user))) => Some(password_once(&visit, user, password)),
        _ => once(&answer),
    };
    match shown {
        Some(shown) => shown_once(&visit, &shown, back).await,
        None => done(operation, back),
    }
}

fn is_value_of_tag(name: &str) -> bool {
    name.starts_with("Tags.member.") && name.ends_with(".Value")
}

/// What a change would do, with the same form again to make it in earnest.
async fn tried(
    visit: &Visit,
    operation: &str,
    fields: &[(&str, &str)],
    (reason, back): (&str, &str),
) -> Response {
    let answer = match form(fields.iter().copied()) {
        Ok(form) => visit.dry_run(operation, form).await,
        Err(fault) => Err(fault),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return not_done(visit, &fault, back).await,
    };
    let body = html! {
        p { (words::DRY_RUN_OF) " " code { (operation) } }
        dl { @for (name, value) in fields { dt { (name) } dd { code { (value) } } } }
        (consequences(visit, &answer))
        form method="post" action="/console/do" {
            input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
            input type="hidden" name="_op" value=(operation);
            input type="hidden" name="_back" value=(back);
            input type="hidden" name="_reason" value=(reason);
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.primary type="submit" { (words::DO_IT) }
            " " a href=(back) { (words::BACK) }
        }
    };
    frame::page(visit, Section::Dashboard, words::DRY_RUN, &body).await
}

/// Back to a page, which says what was done.
pub fn done(operation: &str, back: &str) -> Response {
    let joint = if back.contains('?') { '&' } else { '?' };
    let done = percent_encode(operation.as_bytes());
    Redirect::to(&format!("{back}{joint}done={done}")).into_response()
}

/// A change that was refused.
pub async fn not_done(visit: &Visit, fault: &Fault, back: &str) -> Response {
    let body = html! {
        (refusal(visit, fault))
        p { a href=(back) { (words::BACK) } }
    };
    frame::page_with(fault.status, visit, Section::Dashboard, words::NOT_DONE, &body).await
}

/// The two codes of a device that is to be enabled.
fn codes(visit: &Visit, user: &str, serial: &str, back: &str) -> Markup {
    html! {
        form.stack method="post" action="/console/do" {
            input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
            input type="hidden" name="_op" value="EnableMFADevice";
            input type="hidden" name="_back" value=(back);
            input type="hidden" name="UserName" value=(user);
            input type="hidden" name="SerialNumber" value=(serial);
            @for (name, label) in [("AuthenticationCode1", words::FIRST_CODE), ("AuthenticationCode2", words::SECOND_CODE)] {
                label.field { span { (label) }
                    input type="text" name=(name) inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required autocomplete="off"; }
            }
            button.primary type="submit" { (words::ENABLE) }
        }
    }
}

/// Codes that were wrong: the seed is in the app by now, and is not shown again.
async fn codes_again(
    visit: &Visit,
    fault: &Fault,
    (user, serial): (&str, &str),
    back: &str,
) -> Response {
    let body = html! {
        (refusal(visit, fault))
        p { (words::TWO_CODES) }
        (codes(visit, user, serial, back))
        p { a href=(back) { (words::BACK) } }
    };
    frame::page_with(fault.status, visit, Section::Me, words::NEW_MFA, &body).await
}

/// A device of that name exists, perhaps since somebody began to enrol one and left.
async fn device_is_there(visit: &Visit, fault: &Fault, name: &str, back: &str) -> Response {
    let serial = arn::iam(&visit.caller().digits, "mfa", "/", name);
    let body = html! {
        (refusal(visit, fault))
        p { (words::DEVICE_IS_THERE) }
        form method="post" action="/console/do" {
            input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
            input type="hidden" name="_op" value="DeleteVirtualMFADevice";
            input type="hidden" name="_back" value=(back);
            input type="hidden" name="SerialNumber" value=(serial);
            button.danger type="submit" { (words::DELETE_DEVICE) }
        }
        p { a href=(back) { (words::BACK) } }
    };
    frame::page_with(fault.status, visit, Section::Me, words::NEW_MFA, &body).await
}

/// A new MFA device: its seed, and the two codes that show that somebody has it.
async fn enrol(visit: &Visit, answer: &Value, user: &str, back: &str) -> Response {
    let device = |name: &str| text(answer, &format!("/VirtualMFADevice/{name}"));
    let seed = from_base64(device("Base32StringSeed")).unwrap_or_default();
    let seed = String::from_utf8_lossy(&seed).into_owned();
    let picture = format!("data:image/png;base64,{}", device("QRCodePNG"));
    let serial = device("SerialNumber");
    let body = html! {
        p.once role="alert" { (words::ONCE) }
        ol.steps {
            li { (words::SCAN)
                p { img.qr src=(picture) alt=(words::QR_CODE) width="220" height="220"; }
                dl.once { (secret(words::SEED, &seed)) dt { (words::SERIAL) } dd { code { (serial) } } }
            }
            li { (words::TWO_CODES)
                (codes(visit, user, serial, back))
            }
        }
        p { a href=(back) { (words::BACK) } }
    };
    frame::page(visit, Section::Me, words::NEW_MFA, &body).await
}

/// What is shown this once.
pub async fn shown_once(visit: &Visit, shown: &Markup, back: &str) -> Response {
    let body = html! {
        p.once role="alert" { (words::ONCE) }
        (shown)
        p { a href=(back) { (words::BACK) } }
    };
    frame::page(visit, Section::Dashboard, words::ONCE_TITLE, &body).await
}

/// One secret with a way to copy it.
pub fn secret(label: &str, value: &str) -> Markup {
    html! {
        dt { (label) }
        dd { code.secret data-copy="" { (value) } }
    }
}

/// A file to keep, made here and carried in the link. A cell that a spreadsheet would compute is quoted.
fn csv(name: &str, heads: &[&str], cells: &[&str]) -> Markup {
    let line = |cells: &[&str]| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let safe = cells.iter().map(|cell| match cell.starts_with(['=', '+', '-', '@', '\t']) {
            true => format!("'{cell}"),
            false => (*cell).to_owned(),
        });
        let written = writer.write_record(safe).ok().and_then(|()| writer.into_inner().ok());
        String::from_utf8(written.unwrap_or_default()).unwrap_or_default()
    };
    let file = base64(format!("{}{}", line(heads), line(cells)).as_bytes());
    html! {
        p { a.button download=(name) href={ "data:text/csv;base64," (file) } { (words::DOWNLOAD_CSV) } }
    }
}

pub fn once(answer: &Value) -> Option<Markup> {
    let of = |path: &str| text(answer, path);
    if !of("/AccessKey/SecretAccessKey").is_empty() {
        let (id, key) = (of("/AccessKey/AccessKeyId"), of("/AccessKey/SecretAccessKey"));
        return Some(html! {
            dl.once { (secret(words::ACCESS_KEY_ID, id)) (secret(words::SECRET_ACCESS_KEY, key)) }
            (csv("accessKeys.csv", &["Access key ID", "Secret access key"], &[id, key]))
        });
    }
    let credential = "/ServiceSpecificCredential/";
    let password = ["ServiceCredentialSecret", "ServicePassword"]
        .into_iter()
        .map(|name| text(answer, &format!("{credential}{name}")).to_owned())
        .find(|secret| !secret.is_empty());
    if let Some(password) = password {
        return Some(html! {
            dl.once {
                (secret(words::CREDENTIAL_ID, text(answer, &format!("{credential}ServiceSpecificCredentialId"))))
                (secret(words::SECRET, &password))
            }
        });
    }
    None
}

/// A password that was made up, and where its user signs in.
pub fn password_once(visit: &Visit, user: &str, password: &Secret<String>) -> Markup {
    let account = &visit.caller().digits;
    let sign_in = address(&format!("/console/sign-in/{account}"), &[]);
    html! {
        dl.once {
            dt { (words::SIGN_IN_ADDRESS) } dd { a href=(sign_in) { (sign_in) } }
            (secret(words::USER_NAME, user))
            (secret(words::PASSWORD, password.expose()))
        }
        (csv(
            "credentials.csv",
            &["User name", "Password", "Console sign-in path"],
            &[user, password.expose(), &sign_in],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_be_computed_is_quoted() {
        let file = csv("a.csv", &["User name"], &["=cmd|' /C calc'!A0"]).into_string();
        let data = file.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let text = String::from_utf8(crate::base::text::from_base64(data).unwrap()).unwrap();
        assert!(text.contains("'=cmd"), "{text}");
    }
}
