//! User groups: the list, and one group.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use super::frame::{self, Section};
use super::history;
use super::parts::*;
use super::users::{attached, inline};
use super::visit::Visit;
use super::words;
use crate::service::overview::lists::PAGE;

/// Members of a page.
const MEMBERS: &str = "50";

/// `GET /console/groups`
pub async fn list(visit: Visit) -> Response {
    let wanted = wanted(&visit);
    let groups = visit.glance(move |glance| glance.groups(&wanted)).await;
    let now = visit.arrival.at;
    let body = html! {
        (search(&visit, words::SEARCH_GROUPS))
        (or_refusal(&visit, &groups, |groups| html! {
            @if let Some(why) = &groups.withheld { details.withheld { summary { (words::WITHHELD) } p { (plain(why)) } } }
            div.scroll tabindex="0" { table.list {
                thead { tr {
                    (column(&visit, words::NAME, ""))
                    th scope="col" { (words::MEMBERS) }
                    th scope="col" { (words::POLICIES) }
                    (column(&visit, words::CREATED, "created"))
                } }
                tbody { @for group in &groups.lines { tr {
                    th scope="row" { (principal_link(&visit, "group", &group.name)) @if group.path != "/" { " " span.quiet { (group.path) } } }
                    @match group.facts {
                        None => { td { "—" } td { "—" } },
                        Some((members, policies)) => { td { (members) } td { (policies) } }
                    }
                    td { (instant(group.created, now)) }
                } } }
            } }
            @if groups.total == 0 { p.quiet { (words::NO_GROUPS_YET) } }
            (pager(&visit, groups.total, groups.page, PAGE))
        }))
        (opening(&visit, words::NEW_GROUP, "CreateGroup", &[], &html! {
            (field(words::NAME, "GroupName", "", "", true))
            (field(words::PATH, "Path", "/", "", false))
        }))
    };
    frame::page(&visit, Section::Groups, words::GROUPS, &body).await
}

/// `GET /console/groups/NAME`
pub async fn page(visit: Visit, Path(segment): Path<String>) -> Response {
    let name = named(&segment);
    let of = [("GroupName", name)];
    let mut fields = of.to_vec();
    fields.push(("MaxItems", MEMBERS));
    let marker = visit.param("marker");
    if !marker.is_empty() {
        fields.push(("Marker", marker));
    }
    let group = match visit.read("GetGroup", &fields).await {
        Ok(group) => group,
        Err(fault) => {
            let body =
                html! { (refusal(&visit, &fault)) (history::once_there(&visit, "group", name)) };
            return frame::page_with(fault.status, &visit, Section::Groups, name, &body).await;
        }
    };
    let managed = visit.list("ListAttachedGroupPolicies", &of, "AttachedPolicies").await;
    let own = visit.list("ListGroupPolicies", &of, "PolicyNames").await;
    let history = history::of(&visit, &format!("group/{name}")).await;
    let owner = ("GroupName", name);
    let members = elements(&group, "/Users");
    let body = html! {
        dl {
            dt { (words::ARN) } dd { code data-copy="" { (text(&group, "/Group/Arn")) } }
            dt { (words::UNIQUE_ID) } dd { code { (text(&group, "/Group/GroupId")) } }
            dt { (words::CREATED) } dd { (instant_text(text(&group, "/Group/CreateDate"), visit.arrival.at)) }
        }
        p { a href=(visit.link("/console/access", &[("arn", text(&group, "/Group/Arn"))])) { (words::ACCESS_ADVISOR) } }
        section {
            h2 { (words::MEMBERS) }
            @if members.is_empty() { p.quiet { (words::NO_MEMBERS) } }
            ul.plain { @for user in members {
                @let user = text(user, "/UserName");
                li { (principal_link(&visit, "user", user)) " "
                    (danger(&visit, words::REMOVE, words::LEAVE_GROUP, "RemoveUserFromGroup", &[owner, ("UserName", user)])) }
            } }
            nav.pager aria-label=(words::PAGES) {
                @if !marker.is_empty() { a href=(visit.link(&visit.path, &[])) { (words::FROM_THE_START) } }
                @if !text(&group, "/Marker").is_empty() {
                    a href=(visit.link(&visit.path, &[("marker", text(&group, "/Marker"))])) rel="next" { (words::NEXT) }
                }
            }
            (opening(&visit, words::ADD_MEMBER, "AddUserToGroup", &[owner], &field(words::USER_NAME, "UserName", "", "", true)))
        }
        section {
            h2 { (words::PERMISSIONS) }
            (attached(&visit, "Group", owner, &managed))
            (inline(&visit, "group", owner, &own))
        }
        (history::show(&visit, &format!("group/{name}"), &history))
        (danger(&visit, words::DELETE_GROUP, words::DELETE_GROUP_WHY, "DeleteGroup", &[owner]))
    };
    frame::page(&visit, Section::Groups, name, &body).await
}
