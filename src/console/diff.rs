//! What changed between two moments: the permissions gained and lost, and the events that did it.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::ledger;
use super::parts::{elements, field, or_refusal, pager, text};
use super::typed_moment;
use super::visit::{Visit, address};
use super::words;
use crate::service::audit::log::Filter;
use crate::service::fault::Fault;

/// Events shown at most; the ledger's own pages have the rest.
const MOST: usize = 40;
/// Principals of a page.
const PAGE: usize = 20;
/// Events of one principal that are named on it.
const EVENTS: usize = 20;
/// Actions of one permission that are shown before the rest is folded away.
const ACTIONS: usize = 12;

/// `GET /console/diff`
pub async fn page(visit: Visit) -> Response {
    let (from, to) = (visit.param("from").to_owned(), visit.param("to").to_owned());
    let principal = visit.param("principal").trim().to_owned();
    let now = visit.arrival.at;
    let read = |text: &str| match text.trim() {
        "" => Ok(None),
        text => typed_moment::read(text, now),
    };
    let (mut answer, mut entries) = (None, None);
    match (read(&from), read(&to)) {
        (Ok(Some(from)), Ok(to)) => {
            let [first, second] = [Some(from), to].map(|moment| moment.map(|at| at.to_string()));
            let parameters = [
                ("from", first.as_deref().unwrap_or("")),
                ("to", second.as_deref().unwrap_or("")),
                ("principal", principal.as_str()),
            ];
            answer = Some(visit.ask_at("diff", &parameters, None).await);
            let filter = Filter { from: Some(from), to, limit: MOST, ..Filter::default() };
            entries = Some(visit.glance(move |glance| Ok(glance.log(&filter)?.events)).await);
        }
        (Err(why), _) | (_, Err(why)) => answer = Some(Err(Fault::validation(why))),
        _ => {}
    }
    let body = html! {
        p { (words::DIFF_WHY) }
        form.grid method="get" action="/console/diff" {
            (field(words::FROM, "from", &from, words::MOMENT_HINT, true))
            (field(words::UNTIL, "to", &to, words::NOW, false))
            (field(words::ONLY, "principal", &principal, words::WHO_HINT, false))
            button.primary type="submit" { (words::COMPARE_MOMENTS) }
        }
        @if let Some(answer) = &answer { (or_refusal(&visit, answer, |answer| differences(&visit, answer, Shown::Page))) }
        @if let Some(entries) = &entries {
            section {
                h2 { (words::EVENTS_BETWEEN) }
                (or_refusal(&visit, entries, |entries| html! {
                    @if entries.is_empty() { p.quiet { (words::NO_EVENTS) } }
                    (ledger::days(entries, ledger::json_beside()))
                    @if entries.len() == MOST {
                        p { a href=(visit.link("/console/ledger", &[("from", &from), ("to", &to)])) { (words::WHOLE_HISTORY) } }
                    }
                }))
            }
        }
    };
    frame::page(&visit, Section::Diff, words::DIFF, &body).await
}

/// How much of an answer a page holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// The principals of a page, and of each the first actions; a principal's own comparison has the rest.
    Page,
}

/// Who gained and lost what, as a question or a dry run answers it.
pub fn differences(visit: &Visit, answer: &Value, shown: Shown) -> Markup {
    let principals = elements(answer, "/principals");
    let last = principals.len().saturating_sub(1) / PAGE;
    let page = visit.param("page").parse::<usize>().unwrap_or(0).min(last);
    let (first, most) = match shown {
        Shown::Page => (page * PAGE, PAGE),
        Shown::Whole => (0, principals.len()),
    };
    html! {
        section.differences {
            h2 { (words::DIFFERENCES) }
            @if principals.is_empty() { p.done { (words::NO_DIFFERENCE) } }
            @if answer.pointer("/truncated") == Some(&Value::Bool(true)) { p.warn { (words::TRUNCATED) } }
            @for principal in principals.iter().skip(first).take(most) { (one(visit, principal, shown)) }
            @if shown == Shown::Page && principals.len() > PAGE { (pager(visit, principals.len(), page, PAGE)) }
        }
    }
}

fn one(visit: &Visit, principal: &Value, shown: Shown) -> Markup {
    let name = text(principal, "/name");
    let (kind, short) = name.split_once('/').unwrap_or(("user", name));
    let events: Vec<u64> =
        elements(principal, "/events").iter().filter_map(Value::as_u64).collect();
    // The comparison of this principal alone holds everything.
    let shown = if visit.param("principal").is_empty() { shown } else { Shown::Whole };
    html! {
        article {
            h3 { a href=(visit.link(&format!("/console/{kind}s/{}", super::parts::segment(short)), &[])) { (name) } }
            div.scroll tabindex="0" { table {
                thead { tr { th scope="col" { (words::CHANGE) } th scope="col" { (words::ACTIONS) } th scope="col" { (words::RESOURCE_PATTERN) } } }
                tbody {
                    @for (member, sign, label, class) in [("/gained", "+", words::GAINED, "gained"), ("/lost", "−", words::LOST, "lost")] {
                        @for permission in elements(principal, member) {
                            tr class=(class) {
                                th scope="row" { span.mark aria-hidden="true" { (sign) } " " (label)
                                    @if permission.pointer("/conditional") == Some(&Value::Bool(true)) { " " span.badge { (words::UNDER_CONDITIONS) } } }
                                td { (actions(visit, name, elements(permission, "/actions"), shown)) }
                                td { code { (text(permission, "/resource")) } }
                            }
                        }
                    }
                }
            } }
            @if !events.is_empty() {
                @let most = if shown == Shown::Whole { events.len() } else { EVENTS };
                p.quiet { (words::BY_EVENTS) " "
                    @for event in events.iter().take(most) {
                        a href=(address(&format!("/console/ledger/{event}"), &[])) { "@" (event) } " " }
                    @if events.len() > most { (words::and_more(events.len() - most)) } }
            }
        }
    }
}

fn actions(visit: &Visit, principal: &str, actions: &[Value], shown: Shown) -> Markup {
    let names: Vec<&str> = actions.iter().filter_map(Value::as_str).collect();
    let (first, rest) = names.split_at(names.len().min(ACTIONS));
    let more = words::and_more(rest.len());
    let here = || {
        let [from, to] = ["from", "to"].map(|name| visit.param(name));
        visit.link("/console/diff", &[("from", from), ("to", to), ("principal", principal)])
    };
    html! {
        code { (first.join(", ")) }
        @if !rest.is_empty() {
            @match shown {
                Shown::Whole => details { summary { (more) } code { (rest.join(", ")) } },
                Shown::Page => { " " a href=(here()) { (more) } },
            }
        }
    }
}
