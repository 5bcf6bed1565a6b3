//! What to mend first, and the state of the ledger.

use axum::response::Response;
use maud::{Markup, html};

use super::frame::{self, Section};
use super::ledger;
use super::parts::{or_refusal, segment, text};
use super::reports;
use super::sentence;
use super::visit::{Visit, address};
use super::words;
use crate::service::overview::findings::{Finding, Wrong};
use crate::service::reports::named::Name;

/// `GET /console/`
pub async fn page(visit: Visit) -> Response {
    let findings = visit.glance(|glance| glance.findings()).await;
    let summary = visit.read("GetAccountSummary", &[]).await;
    let head = visit.ask("head", &[]).await;
    let newest = ledger::newest(&visit, 8).await;
    let body = html! {
        section.findings {
            h2 { (words::MEND_FIRST) }
            (or_refusal(&visit, &findings, |findings| html! {
                @if findings.is_empty() { p.done { (words::NOTHING_TO_MEND) } }
                @else { ul.findings { @for finding in findings.iter() { (one(&visit, finding)) } } }
            }))
        }
        section {
            h2 { (words::AT_A_GLANCE) }
            (or_refusal(&visit, &summary, |summary| html! {
                ul.figures {
                    @for (label, key, path, scope) in [
                        (words::USERS, "Users", "/console/users", ""),
                        (words::GROUPS, "Groups", "/console/groups", ""),
                        (words::ROLES, "Roles", "/console/roles", ""),
                        (words::OWN_POLICIES, "Policies", "/console/policies", "own"),
                    ] {
                        li { a href=(visit.link(path, &[("scope", scope)])) {
                            strong { (summary.pointer(&format!("/SummaryMap/{key}")).map(ToString::to_string).unwrap_or_default()) }
                            " " (label) } }
                    }
                }
            }))
        }
        section {
            h2 { (words::LEDGER_STATE) }
            (or_refusal(&visit, &head, |head| html! {
                dl {
                    dt { (words::EVENTS) } dd { "@" (head.pointer("/position").map(ToString::to_string).unwrap_or_default()) }
                    @if !text(head, "/root").is_empty() {
                        dt { (words::TREE_ROOT) } dd { code.hash data-copy="" { (text(head, "/root")) } }
                    }
                }
                p.quiet { (words::KEEP_ROOT) }
            }))
        }
        section {
            h2 { (words::NEWEST) }
            (or_refusal(&visit, &newest, |newest| html! {
                ol.newest {
                    @for entry in newest {
                        @let position = entry.pointer("/position").map(ToString::to_string).unwrap_or_default();
                        li {
                            time.quiet { (super::parts::minute(text(entry, "/recorded_at"))) } " "
                            a href=(address(&format!("/console/ledger/{position}"), &[])) { (sentence::of(entry)) }
                        }
                    }
                }
                p { a href=(visit.link("/console/ledger", &[])) { (words::WHOLE_LEDGER) } }
            }))
        }
    };
    frame::page(&visit, Section::Dashboard, words::DASHBOARD, &body).await
}

/// The report that has all of what a finding is about.
fn report_on(wrong: Wrong) -> Name {
    match wrong {
        Wrong::RootUsed | Wrong::RootWithoutMfa | Wrong::RootKeys => Name::RootUsage,
        Wrong::UsersWithoutMfa => Name::MfaCoverage,
        Wrong::OldKeys => Name::Keys,
        Wrong::UnusedUsers => Name::Dormant,
        Wrong::WidePolicies => Name::Privileged,
    }
}

/// A finding, and the one click to where it is mended.
fn one(visit: &Visit, finding: &Finding) -> Markup {
    let users =
        |sort: &str, order: &str| visit.link("/console/users", &[("sort", sort), ("order", order)]);
    let (is_grave, to) = match finding.wrong {
        Wrong::RootUsed => (true, visit.link("/console/ledger", &[("principal", "root")])),
        Wrong::RootWithoutMfa | Wrong::RootKeys => (true, visit.link("/console/account", &[])),
        Wrong::UsersWithoutMfa => (true, users("mfa", "")),
        Wrong::OldKeys => (false, users("key", "desc")),
        Wrong::UnusedUsers => (false, users("activity", "")),
        Wrong::WidePolicies => (
            true,
            match finding.names.first() {
                Some(arn) if arn.starts_with("arn:") => {
                    visit.link("/console/policies/show", &[("arn", arn)])
                }
                _ => visit.link(
                    "/console/policies",
                    &[("scope", "own"), ("sort", "attached"), ("order", "desc")],
                ),
            },
        ),
    };
    let (title, why) = words::finding(finding.wrong, finding.count);
    let is_of_users =
        [Wrong::UsersWithoutMfa, Wrong::OldKeys, Wrong::UnusedUsers].contains(&finding.wrong);
    html! {
        li.grave[is_grave] {
            span.mark aria-hidden="true" { (if is_grave { "▲" } else { "●" }) }
            div {
                a href=(to) { strong { (title) } }
                p { (why) " " a.report href=(visit.link(&reports::path(report_on(finding.wrong)), &[])) { (words::REPORT) } }
                @if !finding.names.is_empty() && finding.wrong != Wrong::RootUsed {
                    p.quiet {
                        @for name in &finding.names {
                            @if is_of_users {
                                a href=(visit.link(&format!("/console/users/{}", segment(name)), &[])) { (name) } " "
                            } @else { span { (name) } " " }
                        }
                        @if finding.count > finding.names.len() { (words::and_more(finding.count - finding.names.len())) }
                    }
                }
            }
        }
    }
}
