//! Managed policies: the list, and one policy with its versions.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::history;
use super::parts::*;
use super::visit::Visit;
use super::words;
use crate::service::audit::changed;
use crate::service::overview::lists::PAGE;

/// Bytes of a document that a page shows at first.
const BYTES: usize = 50_000;

/// `GET /console/policies`
pub async fn list(visit: Visit) -> Response {
    let wanted = wanted(&visit);
    let scope = match visit.param("scope") {
        scope @ ("shared" | "attached" | "all") => scope.to_owned(),
        _ => "own".to_owned(),
    };
    let of = scope.clone();
    let policies = visit.glance(move |glance| glance.policies(&wanted, &of)).await;
    let now = visit.arrival.at;
    let body = html! {
        div.bar {
            (search(&visit, words::SEARCH_POLICIES))
            @if visit.may_change() { a.button.primary href="/console/policies/edit" { (words::NEW_POLICY) } }
        }
        nav.tabs aria-label=(words::SCOPE) {
            @for (name, label) in [("own", words::OWN_POLICIES), ("attached", words::ATTACHED_POLICIES), ("shared", words::SHARED_POLICIES), ("all", words::ALL_POLICIES)] {
                a href=(visit.link("/console/policies", &[("scope", name), ("q", visit.param("q"))])) aria-current=[(scope == name).then_some("true")] { (label) }
            }
        }
        (or_refusal(&visit, &policies, |policies| html! {
            div.scroll tabindex="0" { table.list {
                thead { tr {
                    (column(&visit, words::NAME, ""))
                    (column(&visit, words::ATTACHMENTS, "attached"))
                    (column(&visit, words::UPDATED, "updated"))
                } }
                tbody { @for policy in &policies.lines { tr {
                    th scope="row" {
                        a href=(visit.link("/console/policies/show", &[("arn", &policy.arn)])) { (policy.name) }
                        @if policy.is_shared { " " span.badge { (words::SHARED) } }
                    }
                    td { (policy.attached) }
                    td { (instant(policy.updated, now)) }
                } } }
            } }
            @if policies.total == 0 { p.quiet { (words::NO_POLICIES) } }
            (pager(&visit, policies.total, policies.page, PAGE))
        }))
    };
    frame::page(&visit, Section::Policies, words::POLICIES, &body).await
}

/// `GET /console/policies/show?arn=`
pub async fn page(visit: Visit) -> Response {
    let arn = visit.param("arn").to_owned();
    let of = [("PolicyArn", arn.as_str())];
    let policy = match visit.read("GetPolicy", &of).await {
        Ok(policy) => policy,
        Err(fault) => {
            let name = arn.rsplit('/').next().unwrap_or(&arn);
            let body = html! { (refusal(&visit, &fault)) @if !arn.is_empty() { (history::once_there(&visit, "policy", name)) } };
            let title = if arn.is_empty() { words::POLICIES } else { &arn };
            return frame::page_with(fault.status, &visit, Section::Policies, title, &body).await;
        }
    };
    let default = text(&policy, "/Policy/DefaultVersionId").to_owned();
    let version = match visit.param("version") {
        "" => default.clone(),
        version => version.to_owned(),
    };
    let read = async |version: &str| {
        let answer = visit.read("GetPolicyVersion", &[of[0], ("VersionId", version)]).await?;
        Ok(pretty(&document(text(&answer, "/PolicyVersion/Document"))))
    };
    let shown = read(&version).await;
    let other = match visit.param("compare") {
        "" => None,
        other => Some(read(other).await),
    };
    let versions = visit.list("ListPolicyVersions", &of, "Versions").await;
    let entities = visit.read("ListEntitiesForPolicy", &[of[0], ("MaxItems", "1000")]).await;
    let is_own = !arn.starts_with("arn:aws:iam::aws:");
    let policy_tags = match is_own {
        true => visit.list("ListPolicyTags", &of, "Tags").await,
        false => Ok(Vec::new()),
    };
    let name = text(&policy, "/Policy/PolicyName").to_owned();
    let thing = format!("policy/{name}");
    let history = if is_own { history::of(&visit, &thing).await } else { Ok(Vec::new()) };
    let now = visit.arrival.at;
    let here = |version: &str, compare: &str| {
        visit.link(
            "/console/policies/show",
            &[("arn", &arn), ("version", version), ("compare", compare)],
        )
    };
    let body = html! {
        dl {
            dt { (words::ARN) } dd { code data-copy="" { (arn) } }
            dt { (words::DESCRIPTION) } dd { (text(&policy, "/Policy/Description")) }
            dt { (words::CREATED) } dd { (instant_text(text(&policy, "/Policy/CreateDate"), now)) }
            dt { (words::UPDATED) } dd { (instant_text(text(&policy, "/Policy/UpdateDate"), now)) }
        }
        p { a href=(visit.link("/console/access", &[("arn", &arn)])) { (words::ACCESS_ADVISOR) } }
        section {
            h2 { (words::document_of(&version, version == default)) }
            @match (&other, &shown) {
                (Some(Ok(before)), Ok(after)) => {
                    p { (words::compared(visit.param("compare"), &version)) }
                    (difference(changed::lines(before, after).iter().map(String::as_str)))
                }
                (_, Ok(document)) => (text_of(&visit, document)),
                (_, Err(fault)) => (refusal(&visit, fault)),
            }
            @if is_own && visit.may_change() { p { a.button href=(visit.link("/console/policies/edit", &[("arn", &arn)])) { (words::EDIT) } } }
        }
        @if is_own {
            section {
                h2 { (words::VERSIONS) }
                (or_refusal(&visit, &versions, |versions| html! {
                    ul.plain { @for one in versions {
                        @let id = text(one, "/VersionId");
                        @let is_default = one.pointer("/IsDefaultVersion") == Some(&Value::Bool(true));
                        li {
                            a href=(here(id, "")) { (id) } " " (instant_text(text(one, "/CreateDate"), now))
                            @if is_default { " " strong { (words::DEFAULT) } }
                            @else {
                                " " a href=(here(&default, id)) { (words::COMPARE) } " "
                                (button(&visit, words::MAKE_DEFAULT, "SetDefaultPolicyVersion", &[of[0], ("VersionId", id)]))
                                (danger(&visit, words::DELETE, words::DELETE_VERSION_WHY, "DeletePolicyVersion", &[of[0], ("VersionId", id)]))
                            }
                        }
                    } }
                }))
            }
        }
        section {
            h2 { (words::ATTACHED_TO) }
            (or_refusal(&visit, &entities, |entities| entities_of(&visit, entities)))
        }
        @if is_own {
            (tags(&visit, &policy_tags, "Policy", of[0]))
            (history::show(&visit, &thing, &history))
            (danger(&visit, words::DELETE_POLICY, words::DELETE_POLICY_WHY, "DeletePolicy", &[of[0]]))
        }
    };
    frame::page(&visit, Section::Policies, &name, &body).await
}

/// A document; of a long one the beginning, with a way to the rest.
fn text_of(visit: &Visit, document: &str) -> Markup {
    let is_whole = document.len() <= BYTES || !visit.param("whole").is_empty();
    let end = document.bytes().take(BYTES).rposition(|byte| byte == b'\n');
    let (first, rest) = match document.split_at_checked(end.unwrap_or(document.len())) {
        Some(parts) if !is_whole => parts,
        _ => (document, ""),
    };
    let here = visit.parameters().chain([("whole", "1")]).collect::<Vec<_>>();
    html! {
        pre.code tabindex="0" { (first) }
        @if !rest.is_empty() {
            p { a href=(visit.link("/console/policies/show", &here)) { (words::rest_of_document(rest.trim_start().lines().count())) } }
        }
    }
}

fn entities_of(visit: &Visit, entities: &Value) -> Markup {
    let kinds = [("user", "User"), ("group", "Group"), ("role", "Role")];
    let all: Vec<(&str, &str)> = kinds
        .into_iter()
        .flat_map(|(kind, member)| {
            let name = format!("/{member}Name");
            elements(entities, &format!("/Policy{member}s"))
                .iter()
                .map(move |one| (kind, one.pointer(&name).and_then(Value::as_str).unwrap_or("")))
        })
        .collect();
    html! {
        @if all.is_empty() { p.quiet { (words::NOT_ATTACHED) } }
        ul.plain { @for (kind, name) in all { li { (kind) " " (principal_link(visit, kind, name)) } } }
    }
}
