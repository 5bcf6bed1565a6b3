//! The account's settings: alias, password policy, the root user, quotas.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::history;
use super::parts::*;
use super::users::sign_in_address;
use super::visit::Visit;
use super::words;
use crate::projection::tables::PasswordPolicyRow;
use crate::service::fault::Fault;

/// Devices that are nobody's, of which a page shows so many.
const DEVICES: &str = "50";

/// `GET /console/account`
pub async fn page(visit: Visit) -> Response {
    let aliases = visit.list("ListAccountAliases", &[], "AccountAliases").await;
    let policy = visit.read("GetAccountPasswordPolicy", &[]).await;
    let summary = visit.read("GetAccountSummary", &[]).await;
    let unassigned = [("AssignmentStatus", "Unassigned"), ("MaxItems", DEVICES)];
    let devices = visit.read("ListVirtualMFADevices", &unassigned).await;
    // What belongs to the account itself is said of its root user.
    let history = history::of(&visit, "root").await;
    let figure = |name: &str| {
        let path = format!("/SummaryMap/{name}");
        summary.as_ref().ok().and_then(|summary| summary.pointer(&path)).and_then(Value::as_u64)
    };
    let digits = &visit.caller().digits;
    let body = html! {
        dl {
            dt { (words::ACCOUNT_ID) } dd { code data-copy="" { (digits) } }
            dt { (words::SIGN_IN_ADDRESS) } dd { (sign_in_address(digits)) }
        }
        section {
            h2 { (words::ALIAS) }
            (or_refusal(&visit, &aliases, |aliases| html! {
                @if aliases.is_empty() { p.quiet { (words::NO_ALIAS) } }
                @for alias in aliases.iter().filter_map(Value::as_str) {
                    p { strong { (alias) } " · " (sign_in_address(alias)) " "
                        (danger(&visit, words::REMOVE, words::REMOVE_ALIAS_WHY, "DeleteAccountAlias", &[("AccountAlias", alias)])) }
                }
            }))
            (opening(&visit, words::SET_ALIAS, "CreateAccountAlias", &[], &field(words::ALIAS, "AccountAlias", "", words::ALIAS_HINT, true)))
        }
        section id="root" {
            h2 { (words::ROOT_USER) }
            @match figure("AccountMFAEnabled") {
                Some(0) => p.warn { (words::ROOT_NO_MFA) },
                Some(_) => p { (words::ROOT_HAS_MFA) },
                None => {}
            }
            @match figure("AccountAccessKeysPresent") {
                Some(0) => p { (words::ROOT_NO_KEYS) },
                Some(_) => p.warn { (words::ROOT_HAS_KEYS) },
                None => {}
            }
            p.quiet { (words::ROOT_MENDS) }
        }
        section id="password-policy" {
            h2 { (words::PASSWORD_POLICY) }
            (password_policy(&visit, &policy))
        }
        section {
            h2 { (words::QUOTAS) }
            (or_refusal(&visit, &summary, |_| html! {
                div.scroll tabindex="0" { table { tbody {
                    @for (label, used, quota) in [
                        (words::USERS, "Users", "UsersQuota"), (words::GROUPS, "Groups", "GroupsQuota"),
                        (words::ROLES, "Roles", "RolesQuota"), (words::POLICIES, "Policies", "PoliciesQuota"),
                    ] { tr { th scope="row" { (label) } td { (figure(used).unwrap_or(0)) " / " (figure(quota).unwrap_or(0)) } } }
                } } }
            }))
        }
        (nobodys(&visit, &devices))
        (history::show(&visit, "root", &history))
    };
    frame::page(&visit, Section::Account, words::ACCOUNT, &body).await
}

/// Devices that nobody can sign in with, and whose names nobody can have; nothing where there are none.
fn nobodys(visit: &Visit, devices: &Result<Value, Fault>) -> Markup {
    let all = devices.as_ref().map_or(&[][..], |answer| elements(answer, "/VirtualMFADevices"));
    html! {
        @if !all.is_empty() { section {
            h2 { (words::NOBODYS_DEVICES) }
            p { (words::NOBODYS_DEVICES_WHY) }
            ul.plain { @for device in all {
                @let serial = text(device, "/SerialNumber");
                li { code { (serial) } " "
                    (danger(visit, words::DELETE, words::DELETE_DEVICE_WHY, "DeleteVirtualMFADevice", &[("SerialNumber", serial)])) }
            } }
        } }
    }
}

/// The rules of a password policy, in words.
pub fn rules(policy: &Value) -> Vec<String> {
    let of = |name: &str| policy.pointer(&format!("/PasswordPolicy/{name}"));
    let number = |name: &str| of(name).and_then(Value::as_u64).filter(|number| *number > 0);
    let is_on = |name: &str| of(name) == Some(&Value::Bool(true));
    let mut rules = vec![words::at_least(number("MinimumPasswordLength").unwrap_or(8))];
    for (name, rule) in [
        ("RequireUppercaseCharacters", words::UPPER),
        ("RequireLowercaseCharacters", words::LOWER),
        ("RequireNumbers", words::DIGIT),
        ("RequireSymbols", words::SYMBOL),
    ] {
        if is_on(name) {
            rules.push(rule.to_owned());
        }
    }
    rules.extend(number("PasswordReusePrevention").map(words::not_reused));
    rules.extend(number("MaxPasswordAge").map(words::expires));
    rules
}

/// The same of an account whose rules are read before anybody is signed in.
pub fn rules_of(row: Option<&PasswordPolicyRow>) -> Vec<String> {
    let Some(row) = row else { return vec![words::at_least(8), words::THREE_KINDS.to_owned()] };
    rules(&serde_json::json!({ "PasswordPolicy": {
        "MinimumPasswordLength": row.minimum_length,
        "RequireUppercaseCharacters": row.uppercase,
        "RequireLowercaseCharacters": row.lowercase,
        "RequireNumbers": row.numbers,
        "RequireSymbols": row.symbols,
        "PasswordReusePrevention": row.reuse_prevention,
        "MaxPasswordAge": row.max_age_days,
    } }))
}

fn password_policy(visit: &Visit, policy: &Result<Value, Fault>) -> Markup {
    let shown = match policy {
        Ok(policy) => html! { ul { @for rule in rules(policy) { li { (rule) } } } },
        Err(fault) if fault.status == 404 => html! { p { (words::NO_PASSWORD_POLICY) } },
        Err(fault) => refusal(visit, fault),
    };
    let current = policy.as_ref().ok();
    let of =
        |name: &str| current.and_then(|policy| policy.pointer(&format!("/PasswordPolicy/{name}")));
    let number = |label: &str, name: &str, other: &str| {
        let value = of(name).and_then(Value::as_u64).map_or(other.to_owned(), |n| n.to_string());
        html! { label.field { span { (label) } input type="number" name=(name) value=(value) min="0" max="1095"; } }
    };
    let check = |label: &str, name: &str| {
        html! { label.check { input type="checkbox" name=(name) value="true" checked[of(name) == Some(&Value::Bool(true))]; " " (label) } }
    };
    html! {
        (shown)
        (opening(visit, words::SET_PASSWORD_POLICY, "UpdateAccountPasswordPolicy", &[], &html! {
            (number(words::SHORTEST, "MinimumPasswordLength", "14"))
            (check(words::UPPER, "RequireUppercaseCharacters"))
            (check(words::LOWER, "RequireLowercaseCharacters"))
            (check(words::DIGIT, "RequireNumbers"))
            (check(words::SYMBOL, "RequireSymbols"))
            (check(words::MAY_CHANGE, "AllowUsersToChangePassword"))
            (number(words::REUSE, "PasswordReusePrevention", ""))
            (number(words::MAX_AGE, "MaxPasswordAge", ""))
            (check(words::HARD_EXPIRY, "HardExpiry"))
        }))
        @if policy.is_ok() { (danger(visit, words::REMOVE, words::REMOVE_PASSWORD_POLICY_WHY, "DeleteAccountPasswordPolicy", &[])) }
    }
}
