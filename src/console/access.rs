//! The access advisor: what somebody's policies allow, and when it was last asked for.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::parts::{elements, instant_text, or_refusal, pager, segment, text};
use super::visit::{Visit, form};
use super::words;
use crate::service::fault::Fault;
use crate::service::operation::Api;

/// Services of a page: who may do everything, may do it in hundreds of them.
const PAGE: usize = 50;

/// `GET /console/access?arn=`
pub async fn page(visit: Visit) -> Response {
    let arn = visit.param("arn").to_owned();
    let details = details(&visit, &arn).await;
    let (kind, name) = named(&arn);
    let section = match kind {
        "role" => Section::Roles,
        "group" => Section::Groups,
        "policy" => Section::Policies,
        _ => Section::Users,
    };
    let body = html! {
        p { (words::ACCESS_WHY) }
        p { @match kind {
            "policy" => a href=(visit.link("/console/policies/show", &[("arn", &arn)])) { (arn) },
            _ => a href=(visit.link(&format!("/console/{kind}s/{}", segment(name)), &[])) { (arn) },
        } }
        (or_refusal(&visit, &details, |details| services(&visit, details)))
    };
    frame::page(&visit, section, &format!("{}: {name}", words::ACCESS), &body).await
}

/// Kind and name of an ARN's resource.
fn named(arn: &str) -> (&str, &str) {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let kind = resource.split('/').next().unwrap_or_default();
    let known = ["user", "group", "role", "policy"].into_iter().find(|known| *known == kind);
    (known.unwrap_or("user"), resource.rsplit('/').next().unwrap_or_default())
}

/// The job, begun at the moment shown and fetched: reports are computed when they are fetched, of the moment at which
/// they were begun.
async fn details(visit: &Visit, arn: &str) -> Result<Value, Fault> {
    let begin = form([("Arn", arn), ("Granularity", "ACTION_LEVEL")].into_iter())?;
    let begin =
        visit.run(Api::Iam, "GenerateServiceLastAccessedDetails", begin, visit.at, None).await?;
    let fields = form([("JobId", text(&begin, "/JobId")), ("MaxItems", "1000")].into_iter())?;
    visit.run(Api::Iam, "GetServiceLastAccessedDetails", fields, None, None).await
}

fn services(visit: &Visit, details: &Value) -> Markup {
    let mut services: Vec<&Value> = elements(details, "/ServicesLastAccessed").iter().collect();
    // What was asked for last comes first, what never was in the order of names.
    services.sort_by_key(|one| {
        (std::cmp::Reverse(text(one, "/LastAuthenticated")), text(one, "/ServiceName"))
    });
    let now = visit.arrival.at;
    let last = services.len().saturating_sub(1) / PAGE;
    let page = visit.param("page").parse::<usize>().unwrap_or(0).min(last);
    html! {
        @if services.is_empty() { p.quiet { (words::NOTHING_ALLOWED) } }
        @else { div.scroll tabindex="0" { table.list {
            thead { tr { th scope="col" { (words::SERVICE) } th scope="col" { (words::LAST_ACTIVITY) } th scope="col" { (words::ACTIONS) } } }
            tbody { @for service in services.iter().skip(page * PAGE).take(PAGE) {
                @let last = text(service, "/LastAuthenticated");
                @let actions = elements(service, "/TrackedActionsLastAccessed");
                tr {
                    th scope="row" { (text(service, "/ServiceName")) " " span.quiet { (text(service, "/ServiceNamespace")) } }
                    td { @if last.is_empty() { span.quiet { (words::NOT_ACCESSED) } } @else { (instant_text(last, now)) } }
                    td { @if !actions.is_empty() {
                        details { summary { (words::of_actions(actions)) }
                            ul.plain { @for action in actions {
                                @let at = text(action, "/LastAccessedTime");
                                @if !at.is_empty() { li { (text(action, "/ActionName")) " " (instant_text(at, now)) } }
                            } }
                        }
                    } }
                }
            } }
        } } (pager(visit, services.len(), page, PAGE)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_a_page() {
        assert_eq!(named("arn:aws:iam::123456789012:user/a/alice"), ("user", "alice"));
        assert_eq!(named("arn:aws:iam::123456789012:role/deploy"), ("role", "deploy"));
        assert_eq!(named("nothing"), ("user", ""));
    }
}
