//! Users: the list, one user, and a new one.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::act;
use super::entrance::not_from_here;
use super::frame::{self, Section};
use super::history;
use super::parts::*;
use super::visit::{Visit, address, form, pairs};
use super::words;
use crate::base::time::Timestamp;
use crate::service::fault::Fault;
use crate::service::operation::Api;
use crate::service::overview::findings::OLD;
use crate::service::overview::lists::{PAGE, UserLine};

/// `GET /console/users`
pub async fn list(visit: Visit) -> Response {
    let wanted = wanted(&visit);
    let users = visit.glance(move |glance| glance.users(&wanted)).await;
    let now = visit.arrival.at;
    let body = html! {
        div.bar {
            (search(&visit, words::SEARCH_USERS))
            @if visit.may_change() { a.button.primary href="/console/users/new" { (words::NEW_USER) } }
        }
        (or_refusal(&visit, &users, |users| html! {
            @if let Some(why) = &users.withheld { details.withheld { summary { (words::WITHHELD) } p { (plain(why)) } } }
            div.scroll tabindex="0" { table.list {
                thead { tr {
                    (column(&visit, words::NAME, ""))
                    (column(&visit, words::GROUPS, "groups"))
                    (column(&visit, words::LAST_ACTIVITY, "activity"))
                    (column(&visit, words::MFA, "mfa"))
                    (column(&visit, words::KEY_AGE, "key"))
                    th scope="col" { (words::PASSWORD) }
                    (column(&visit, words::CREATED, "created"))
                } }
                tbody { @for user in &users.lines { (line(&visit, user, now)) } }
            } }
            @if users.total == 0 { p.quiet { (words::NO_USERS) } }
            (pager(&visit, users.total, users.page, PAGE))
        }))
    };
    frame::page(&visit, Section::Users, words::USERS, &body).await
}

fn unknown() -> Markup {
    html! { span.quiet { (words::UNKNOWN) } }
}

fn line(visit: &Visit, user: &UserLine, now: Timestamp) -> Markup {
    let withheld = || html! { span.quiet { "—" } };
    html! {
        tr {
            th scope="row" { (principal_link(visit, "user", &user.name)) @if user.path != "/" { " " span.quiet { (user.path) } } }
            @match &user.facts {
                None => { td { (withheld()) } td { (withheld()) } td { (withheld()) } td { (withheld()) } td { (withheld()) } },
                Some(facts) => {
                    td { (facts.groups) }
                    td { @if facts.unknown && facts.last_activity.is_none() { (unknown()) } @else { (maybe_instant(facts.last_activity, now)) } }
                    td { @if facts.mfa > 0 { (words::YES) } @else if facts.unknown { (unknown()) } @else if facts.password { span.warn { (words::NO) } } @else { span.quiet { (words::NO) } } }
                    td {
                        @match facts.oldest_key {
                            None if facts.unknown => (unknown()),
                            None => span.quiet { (words::NO_KEY) },
                            Some(created) => {
                                @let days = now.seconds().saturating_sub(created.seconds()) / 86_400;
                                span.warn[days > u64::try_from(OLD).unwrap_or(90)] { (words::days(days)) }
                            }
                        }
                    }
                    td { @if !facts.password && facts.unknown { (unknown()) } @else { (if facts.password { words::YES } else { words::NO }) } }
                }
            }
            td { (instant(user.created, now)) }
        }
    }
}

/// What a user's page asks for.
struct User {
    user: Value,
    groups: Result<Vec<Value>, Fault>,
    attached: Result<Vec<Value>, Fault>,
    inline: Result<Vec<Value>, Fault>,
    tags: Result<Vec<Value>, Fault>,
    keys: Result<Vec<Value>, Fault>,
    devices: Result<Vec<Value>, Fault>,
    password: Result<Value, Fault>,
    /// Whether it may have credentials that are not known.
    unknown: bool,
}

impl User {
    async fn read(visit: &Visit, name: &str) -> Result<Self, Fault> {
        let (of, called) = ([("UserName", name)], name.to_owned());
        Ok(User {
            user: visit.read("GetUser", &of).await?,
            groups: visit.list("ListGroupsForUser", &of, "Groups").await,
            attached: visit.list("ListAttachedUserPolicies", &of, "AttachedPolicies").await,
            inline: visit.list("ListUserPolicies", &of, "PolicyNames").await,
            tags: visit.list("ListUserTags", &of, "Tags").await,
            keys: visit.list("ListAccessKeys", &of, "AccessKeyMetadata").await,
            devices: visit.list("ListMFADevices", &of, "MFADevices").await,
            password: visit.read("GetLoginProfile", &of).await,
            unknown: visit.glance(move |glance| glance.has_unknown_credentials(&called)).await?,
        })
    }
}

/// `GET /console/users/NAME`
pub async fn page(visit: Visit, Path(segment): Path<String>) -> Response {
    let name = named(&segment);
    let user = match User::read(&visit, name).await {
        Ok(user) => user,
        Err(fault) => {
            let body =
                html! { (refusal(&visit, &fault)) (history::once_there(&visit, "user", name)) };
            return frame::page_with(fault.status, &visit, Section::Users, name, &body).await;
        }
    };
    let history = history::of(&visit, &format!("user/{name}")).await;
    let arn = text(&user.user, "/User/Arn");
    let boundary = text(&user.user, "/User/PermissionsBoundary/PermissionsBoundaryArn");
    let owner = ("UserName", name);
    let now = visit.arrival.at;
    let body = html! {
        dl {
            dt { (words::ARN) } dd { code data-copy="" { (arn) } }
            dt { (words::UNIQUE_ID) } dd { code { (text(&user.user, "/User/UserId")) } }
            dt { (words::CREATED) } dd { (instant_text(text(&user.user, "/User/CreateDate"), now)) }
            dt { (words::PASSWORD_LAST_USED) } dd { @let used = text(&user.user, "/User/PasswordLastUsed"); @if user.unknown && used.is_empty() { (unknown()) } @else { (instant_text(used, now)) } }
        }
        p {
            a href=(visit.link("/console/can", &[("principal", arn)])) { (words::ask_can(name)) } " · "
            a href=(visit.link("/console/access", &[("arn", arn)])) { (words::ACCESS_ADVISOR) }
        }
        section id="permissions" {
            h2 { (words::PERMISSIONS) }
            (attached(&visit, "User", owner, &user.attached))
            (inline(&visit, "user", owner, &user.inline))
            (boundary_of(&visit, "User", owner, boundary))
            h3 { (words::GROUPS) }
            (or_refusal(&visit, &user.groups, |groups| html! {
                @if groups.is_empty() { p.quiet { (words::NO_GROUPS) } }
                ul.plain { @for group in groups {
                    @let group = text(group, "/GroupName");
                    li { (principal_link(&visit, "group", group)) " "
                        (danger(&visit, words::REMOVE, words::LEAVE_GROUP, "RemoveUserFromGroup", &[owner, ("GroupName", group)])) }
                } }
            }))
            (opening(&visit, words::ADD_TO_GROUP, "AddUserToGroup", &[owner], &field(words::GROUP, "GroupName", "", "", true)))
        }
        (credentials(&visit, name, &user))
        (tags(&visit, &user.tags, "User", owner))
        (history::show(&visit, &format!("user/{name}"), &history))
        (danger(&visit, words::DELETE_USER, words::DELETE_USER_WHY, "DeleteUser", &[owner]))
    };
    frame::page(&visit, Section::Users, name, &body).await
}

/// Managed policies of an owner.
pub fn attached(
    visit: &Visit,
    kind: &str,
    owner: (&str, &str),
    policies: &Result<Vec<Value>, Fault>,
) -> Markup {
    let (attach, detach) = (format!("Attach{kind}Policy"), format!("Detach{kind}Policy"));
    html! {
        h3 { (words::ATTACHED) }
        (or_refusal(visit, policies, |policies| html! {
            @if policies.is_empty() { p.quiet { (words::NO_ATTACHED) } }
            ul.plain { @for policy in policies {
                @let arn = text(policy, "/PolicyArn");
                li { a href=(visit.link("/console/policies/show", &[("arn", arn)])) { (text(policy, "/PolicyName")) } " "
                    (danger(visit, words::DETACH, words::DETACH_WHY, &detach, &[owner, ("PolicyArn", arn)])) }
            } }
        }))
        (opening(visit, words::ATTACH, &attach, &[owner], &field(words::POLICY_ARN, "PolicyArn", "", words::POLICY_ARN_HINT, true)))
    }
}

/// Inline policies of an owner.
pub fn inline(
    visit: &Visit,
    kind: &str,
    owner: (&str, &str),
    policies: &Result<Vec<Value>, Fault>,
) -> Markup {
    let edit = |policy: &str| {
        visit
            .link("/console/policies/edit", &[("kind", kind), ("owner", owner.1), ("name", policy)])
    };
    html! {
        h3 { (words::INLINE) }
        (or_refusal(visit, policies, |policies| html! {
            @if policies.is_empty() { p.quiet { (words::NO_INLINE) } }
            ul.plain { @for policy in policies.iter().filter_map(Value::as_str) {
                li { a href=(edit(policy)) { (policy) } }
            } }
        }))
        @if visit.may_change() { p { a.button href=(edit("")) { (words::WRITE_INLINE) } } }
    }
}

/// The permissions boundary of an owner.
pub fn boundary_of(visit: &Visit, kind: &str, owner: (&str, &str), boundary: &str) -> Markup {
    let (put, delete) =
        (format!("Put{kind}PermissionsBoundary"), format!("Delete{kind}PermissionsBoundary"));
    html! {
        h3 { (words::BOUNDARY) }
        @if boundary.is_empty() { p.quiet { (words::NO_BOUNDARY) } }
        @else {
            p { a href=(visit.link("/console/policies/show", &[("arn", boundary)])) { (boundary) } " "
                (danger(visit, words::REMOVE, words::UNBOUND_WHY, &delete, &[owner])) }
        }
        (opening(visit, words::SET_BOUNDARY, &put, &[owner], &field(words::POLICY_ARN, "PermissionsBoundary", boundary, "", true)))
    }
}

/// Password, keys and MFA devices of a user.
fn credentials(visit: &Visit, name: &str, user: &User) -> Markup {
    let owner = ("UserName", name);
    let generated = html! {
        p { (words::MADE_UP) }
        label.check { input type="checkbox" name="PasswordResetRequired" value="true" checked; " " (words::MUST_CHANGE) }
        input type="hidden" name="_generate" value="1";
    };
    let digits = &visit.caller().digits;
    html! {
        section id="credentials" {
            h2 { (words::CREDENTIALS) }
            @if user.unknown { p.warn { (words::UNKNOWN_CREDENTIALS) } }
            h3 { (words::PASSWORD) }
            @match &user.password {
                Ok(profile) => {
                    p { (words::HAS_PASSWORD) " " (instant_text(text(profile, "/LoginProfile/CreateDate"), visit.arrival.at))
                        @if profile.pointer("/LoginProfile/PasswordResetRequired") == Some(&Value::Bool(true)) { " " strong { (words::MUST_CHANGE_NOW) } } }
                    p { (words::SIGNS_IN_AT) " " (sign_in_address(digits)) }
                    (opening(visit, words::RESET_PASSWORD, "UpdateLoginProfile", &[owner], &generated))
                    (danger(visit, words::REMOVE_PASSWORD, words::REMOVE_PASSWORD_WHY, "DeleteLoginProfile", &[owner]))
                }
                Err(fault) if fault.status == 404 => {
                    p.quiet { (if user.unknown { words::UNKNOWN } else { words::NO_PASSWORD }) }
                    (opening(visit, words::GIVE_PASSWORD, "CreateLoginProfile", &[owner], &generated))
                }
                Err(fault) => (refusal(visit, fault)),
            }
            (keys(visit, owner, &user.keys, if user.unknown { words::UNKNOWN } else { words::NO_KEYS }))
            @if visit.caller().is_root() && owner.1 == "root" { p.quiet { (words::ROOT_IS_YOU) } }
            @else { (devices(visit, owner, &user.devices, if user.unknown { words::UNKNOWN } else { words::NO_MFA })) }
        }
    }
}

/// Where people sign in: a link, whose address can be sent to them.
pub fn sign_in_address(account: &str) -> Markup {
    let path = format!("/console/sign-in/{account}");
    html! { a href=(path) data-copy="" { (path) } }
}

/// Access keys of a user; `none` says that there are none.
pub fn keys(
    visit: &Visit,
    owner: (&str, &str),
    keys: &Result<Vec<Value>, Fault>,
    none: &str,
) -> Markup {
    html! {
        h3 { (words::ACCESS_KEYS) }
        (or_refusal(visit, keys, |keys| html! {
            @if keys.is_empty() { p.quiet { (none) } }
            @else { div.scroll tabindex="0" { table {
                thead { tr { th scope="col" { (words::ACCESS_KEY_ID) } th scope="col" { (words::STATUS) } th scope="col" { (words::CREATED) } th { span.hidden { (words::ACTIONS) } } } }
                tbody { @for key in keys {
                    @let id = text(key, "/AccessKeyId");
                    @let is_active = text(key, "/Status") == "Active";
                    tr {
                        th scope="row" { code { (id) } }
                        td { (if is_active { words::ACTIVE } else { words::INACTIVE }) }
                        td { (instant_text(text(key, "/CreateDate"), visit.arrival.at)) }
                        td {
                            @if is_active { (button(visit, words::DEACTIVATE, "UpdateAccessKey", &[owner, ("AccessKeyId", id), ("Status", "Inactive")])) }
                            @else {
                                (button(visit, words::ACTIVATE, "UpdateAccessKey", &[owner, ("AccessKeyId", id), ("Status", "Active")]))
                                (danger(visit, words::DELETE, words::DELETE_KEY_WHY, "DeleteAccessKey", &[owner, ("AccessKeyId", id)]))
                            }
                        }
                    }
                } }
            } } }
        }))
        (opening(visit, words::NEW_KEY, "CreateAccessKey", &[owner], &html! { p { (words::NEW_KEY_WHY) } }))
    }
}

/// MFA devices of a user; `none` says that there are none.
pub fn devices(
    visit: &Visit,
    owner: (&str, &str),
    devices: &Result<Vec<Value>, Fault>,
    none: &str,
) -> Markup {
    html! {
        h3 { (words::MFA_DEVICES) }
        (or_refusal(visit, devices, |devices| html! {
            @if devices.is_empty() { p.warn { (none) } }
            ul.plain { @for device in devices {
                @let serial = text(device, "/SerialNumber");
                li { code { (serial) } " " (instant_text(text(device, "/EnableDate"), visit.arrival.at)) " "
                    (danger(visit, words::REMOVE, words::REMOVE_MFA_WHY, "DeactivateMFADevice", &[owner, ("SerialNumber", serial)])) }
            } }
        }))
        (opening(visit, words::ADD_MFA, "CreateVirtualMFADevice", &[("_user", owner.1)], &html! {
            p { (words::ADD_MFA_WHY) }
            (field(words::DEVICE_NAME, "VirtualMFADeviceName", owner.1, "", true))
        }))
    }
}

/// `GET /console/users/new`
pub async fn new_page(visit: Visit) -> Response {
    let body = html! {
        @if visit.may_change() {
            form.stack method="post" action="/console/users/new" {
                input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
                (field(words::USER_NAME, "name", "", "", true))
                (field(words::PATH, "path", "/", "", false))
                (field(words::GROUPS, "groups", "", words::GROUPS_HINT, false))
                label.check { input type="checkbox" name="console" value="1" checked; " " (words::CONSOLE_ACCESS) }
                label.check { input type="checkbox" name="reset" value="1" checked; " " (words::MUST_CHANGE) }
                label.check { input type="checkbox" name="key" value="1"; " " (words::WITH_KEY) }
                (reason())
                button.primary type="submit" { (words::NEW_USER) }
            }
        } @else { p.quiet { (words::PAST_IS_READ) } }
    };
    frame::page(&visit, Section::Users, words::NEW_USER, &body).await
}

/// `POST /console/users/new`: the same operations as one would run one after the other; each says what came
/// of it.
pub async fn make(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        sent.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.trim())
    };
    let name = of("name");
    let path = if of("path").is_empty() { "/" } else { of("path") };
    let created =
        run(&visit, "CreateUser", &[("UserName", name), ("Path", path)], of("_reason")).await;
    if let Err(fault) = created {
        return act::not_done(&visit, &fault, "/console/users/new").await;
    }
    let mut steps: Vec<(String, Result<Value, Fault>)> = Vec::new();
    for group in of("groups").split(',').map(str::trim).filter(|group| !group.is_empty()) {
        let fields = [("UserName", name), ("GroupName", group)];
        let joined = run(&visit, "AddUserToGroup", &fields, of("_reason")).await;
        steps.push((words::joined(group), joined));
    }
    let mut password = None;
    if of("console") == "1" {
        let given = match act::made_up_password(&visit).await {
            Ok(made_up) => {
                let reset = if of("reset") == "1" { "true" } else { "false" };
                let fields = [
                    ("UserName", name),
                    ("Password", made_up.expose().as_str()),
                    ("PasswordResetRequired", reset),
                ];
                let given = run(&visit, "CreateLoginProfile", &fields, of("_reason")).await;
                password = given.is_ok().then_some(made_up);
                given
            }
            Err(fault) => Err(fault),
        };
        steps.push((words::GIVE_PASSWORD.to_owned(), given));
    }
    let mut key = None;
    if of("key") == "1" {
        let made = run(&visit, "CreateAccessKey", &[("UserName", name)], of("_reason")).await;
        key = made.as_ref().ok().cloned();
        steps.push((words::NEW_KEY.to_owned(), made));
    }
    let to = address(&format!("/console/users/{}", segment(name)), &[]);
    if steps.iter().all(|(_, outcome)| outcome.is_ok()) && password.is_none() && key.is_none() {
        return act::done("CreateUser", &to).into_response();
    }
    let shown = html! {
        p.done { (words::made_user(name)) }
        ul.plain { @for (step, outcome) in &steps {
            li { (step) ": " @match outcome { Ok(_) => (words::DONE), Err(fault) => (refusal(&visit, fault)) } }
        } }
        @if let Some(password) = &password { (act::password_once(&visit, name, password)) }
        @if let Some(key) = &key { (act::once(key).unwrap_or_default()) }
    };
    act::shown_once(&visit, &shown, &to).await
}

async fn run(
    visit: &Visit,
    operation: &str,
    fields: &[(&str, &str)],
    reason: &str,
) -> Result<Value, Fault> {
    visit.run(Api::Iam, operation, form(fields.iter().copied())?, None, Some(reason)).await
}
