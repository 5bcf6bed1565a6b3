//! Roles: the list, one role, and a new one.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use super::frame::{self, Section};
use super::history;
use super::parts::*;
use super::users::{attached, boundary_of, inline};
use super::visit::Visit;
use super::words;
use crate::service::overview::lists::PAGE;

/// `GET /console/roles`
pub async fn list(visit: Visit) -> Response {
    let wanted = wanted(&visit);
    let roles = visit.glance(move |glance| glance.roles(&wanted)).await;
    let now = visit.arrival.at;
    let body = html! {
        div.bar {
            (search(&visit, words::SEARCH_ROLES))
            @if visit.may_change() { a.button.primary href="/console/roles/new" { (words::NEW_ROLE) } }
        }
        (or_refusal(&visit, &roles, |roles| html! {
            @if let Some(why) = &roles.withheld { details.withheld { summary { (words::WITHHELD) } p { (plain(why)) } } }
            div.scroll tabindex="0" { table.list {
                thead { tr {
                    (column(&visit, words::NAME, ""))
                    th scope="col" { (words::POLICIES) }
                    th scope="col" { (words::LAST_ACTIVITY) }
                    (column(&visit, words::CREATED, "created"))
                } }
                tbody { @for role in &roles.lines { tr {
                    th scope="row" { (principal_link(&visit, "role", &role.name)) @if role.path != "/" { " " span.quiet { (role.path) } } }
                    @match role.facts {
                        None => { td { "—" } td { "—" } },
                        Some((policies, used)) => { td { (policies) } td { (maybe_instant(used, now)) } }
                    }
                    td { (instant(role.created, now)) }
                } } }
            } }
            @if roles.total == 0 { p.quiet { (words::NO_ROLES) } }
            (pager(&visit, roles.total, roles.page, PAGE))
        }))
    };
    frame::page(&visit, Section::Roles, words::ROLES, &body).await
}

/// `GET /console/roles/new`
pub async fn new_page(visit: Visit) -> Response {
    let trust = pretty(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":"sts:AssumeRole"}}]}}"#,
        visit.caller().digits
    ));
    let body = html! {
        @if visit.may_change() {
            form.stack method="post" action="/console/do" {
                (hidden(&visit, "CreateRole", &[]))
                (field(words::NAME, "RoleName", "", "", true))
                (field(words::PATH, "Path", "/", "", false))
                (field(words::DESCRIPTION, "Description", "", "", false))
                label.field { span { (words::TRUST) }
                    textarea.code name="AssumeRolePolicyDocument" rows="14" spellcheck="false" required { (trust) } }
                (reason())
                button.primary type="submit" { (words::NEW_ROLE) }
            }
        } @else { p.quiet { (words::PAST_IS_READ) } }
    };
    frame::page(&visit, Section::Roles, words::NEW_ROLE, &body).await
}

/// `GET /console/roles/NAME`
pub async fn page(visit: Visit, Path(segment): Path<String>) -> Response {
    let name = named(&segment);
    let of = [("RoleName", name)];
    let role = match visit.read("GetRole", &of).await {
        Ok(role) => role,
        Err(fault) => {
            let body =
                html! { (refusal(&visit, &fault)) (history::once_there(&visit, "role", name)) };
            return frame::page_with(fault.status, &visit, Section::Roles, name, &body).await;
        }
    };
    let managed = visit.list("ListAttachedRolePolicies", &of, "AttachedPolicies").await;
    let own = visit.list("ListRolePolicies", &of, "PolicyNames").await;
    let role_tags = visit.list("ListRoleTags", &of, "Tags").await;
    let history = history::of(&visit, &format!("role/{name}")).await;
    let owner = ("RoleName", name);
    let arn = text(&role, "/Role/Arn");
    let trust = pretty(&document(text(&role, "/Role/AssumeRolePolicyDocument")));
    let now = visit.arrival.at;
    let longest = role.pointer("/Role/MaxSessionDuration").and_then(serde_json::Value::as_u64);
    let body = html! {
        dl {
            dt { (words::ARN) } dd { code data-copy="" { (arn) } }
            dt { (words::UNIQUE_ID) } dd { code { (text(&role, "/Role/RoleId")) } }
            dt { (words::DESCRIPTION) } dd { (text(&role, "/Role/Description")) }
            dt { (words::CREATED) } dd { (instant_text(text(&role, "/Role/CreateDate"), now)) }
            dt { (words::LAST_ACTIVITY) } dd { (instant_text(text(&role, "/Role/RoleLastUsed/LastUsedDate"), now)) }
            dt { (words::LONGEST_SESSION) } dd { (words::minutes(longest.unwrap_or(3_600) / 60)) }
        }
        p {
            a href=(visit.link("/console/can", &[("principal", arn)])) { (words::ask_can(name)) } " · "
            a href=(visit.link("/console/access", &[("arn", arn)])) { (words::ACCESS_ADVISOR) }
            @if visit.may_change() {
                " · " a href=(visit.link("/console/switch-role", &[("role", name)])) { (words::SWITCH_ROLE) }
            }
        }
        section {
            h2 { (words::TRUST) }
            pre.code tabindex="0" { (trust) }
            (opening(&visit, words::CHANGE_TRUST, "UpdateAssumeRolePolicy", &[owner], &html! {
                label.field { span { (words::TRUST) }
                    textarea.code name="PolicyDocument" rows="14" spellcheck="false" required { (trust) } }
            }))
        }
        section {
            h2 { (words::PERMISSIONS) }
            (attached(&visit, "Role", owner, &managed))
            (inline(&visit, "role", owner, &own))
            (boundary_of(&visit, "Role", owner, text(&role, "/Role/PermissionsBoundary/PermissionsBoundaryArn")))
        }
        (tags(&visit, &role_tags, "Role", owner))
        (history::show(&visit, &format!("role/{name}"), &history))
        (danger(&visit, words::DELETE_ROLE, words::DELETE_ROLE_WHY, "DeleteRole", &[owner]))
    };
    frame::page(&visit, Section::Roles, name, &body).await
}
