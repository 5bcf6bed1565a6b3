//! What changed between two moments: the permissions gained and lost, and the events that did it.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::ledger;
use super::parts::{elements, field, or_refusal, pager, segment, text, within};
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
/// Bytes of what was gained and lost that a page holds besides the events, or the policy that is tried.
const BYTES: usize = 60_000;
/// The same of one principal alone.
const ALONE: usize = 2_000_000;
/// Actions of one permission that are shown before the rest is folded away.
const ACTIONS: usize = 12;
/// Characters of the conditions of one permission.
const CONDITIONS: usize = 600;

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
            // In the past nothing is later than what is shown.
            let to = to.or(visit.at);
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
            @if visit.at.is_some() { input type="hidden" name="at" value=(visit.moment()); }
            button.primary type="submit" { (words::COMPARE_MOMENTS) }
        }
        @if let Some(answer) = &answer { (or_refusal(&visit, answer, |answer| differences(&visit, answer))) }
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

/// Who gained and lost what: a page of principals, and of each the first actions. A principal's own comparison has
/// the rest.
fn differences(visit: &Visit, answer: &Value) -> Markup {
    let principals = elements(answer, "/principals");
    let last = principals.len().saturating_sub(1) / PAGE;
    let page = visit.param("page").parse::<usize>().unwrap_or(0).min(last);
    // One alone is shown whole, if a browser can show it.
    let mut left = if visit.param("principal").is_empty() { BYTES } else { ALONE };
    html! {
        section.differences {
            h2 { (words::DIFFERENCES) }
            @if principals.is_empty() { p.done { (words::NO_DIFFERENCE) } }
            (limits(answer))
            @for principal in principals.iter().skip(page * PAGE).take(PAGE) {
                (within(&mut left, one(visit, principal), || html! {
                    article {
                        h3 { (named(visit, text(principal, "/name"))) }
                        p { a href=(own(visit, principal)) { (words::WHOLE_DIFFERENCE) } }
                    }
                })) }
            @if principals.len() > PAGE { (pager(visit, principals.len(), page, PAGE)) }
        }
    }
}

/// Who would gain and lose what, as a dry run answers it: those together who gain and lose the same. As much of it as a
/// page holds.
pub fn consequences(visit: &Visit, answer: &Value) -> Markup {
    let together = elements(answer, "/together");
    let mut left = BYTES;
    html! {
        section.differences {
            h2 { (words::DIFFERENCES) }
            @if together.is_empty() { p.done { (words::NO_DIFFERENCE) } }
            (limits(answer))
            @for alike in together.iter().take(PAGE) { (those(visit, alike, &mut left)) }
            @if together.len() > PAGE { p.warn { (words::others_too(together.iter().skip(PAGE).map(|alike| elements(alike, "/names").len()).sum())) } }
        }
    }
}

/// What an answer does not tell.
fn limits(answer: &Value) -> Markup {
    let is_truncated = answer.pointer("/truncated") == Some(&Value::Bool(true));
    html! {
        @if is_truncated { p.warn { (words::TRUNCATED) } }
        p.quiet { (words::AS_WRITTEN) }
    }
}

fn named(visit: &Visit, name: &str) -> Markup {
    let (kind, short) = name.split_once('/').unwrap_or(("user", name));
    html! { a href=(visit.link(&format!("/console/{kind}s/{}", segment(short)), &[])) { (name) } }
}

/// Principals who gain and lose the same.
fn those(visit: &Visit, alike: &Value, left: &mut usize) -> Markup {
    let names: Vec<&str> = elements(alike, "/names").iter().filter_map(Value::as_str).collect();
    let rest = names.len().saturating_sub(PAGE);
    let folded = |first: &str, rest: &[&str]| {
        let more = words::and_more(rest.len());
        html! {
            code { (first) }
            @if !rest.is_empty() {
                (within(left, html! { details { summary { (more) } code { (rest.join(", ")) } } }, || html! { " " (more) }))
            }
        }
    };
    let table = permissions(alike, folded);
    let first = || {
        html! { p { @for (number, name) in names.iter().take(PAGE).enumerate() {
        @if number > 0 { ", " } (named(visit, name)) }
        @if rest > 0 { " " (words::and_more(rest)) } } }
    };
    html! {
        article {
            @if let [name] = names.as_slice() { h3 { (named(visit, name)) } } @else {
                h3 { (words::principals(names.len())) }
                (within(left, first(), || html! {}))
            }
            (within(left, table, || html! { p.warn { (words::TOO_LONG) } }))
        }
    }
}

/// The comparison of one principal alone.
fn own(visit: &Visit, principal: &Value) -> String {
    let [from, to] = ["from", "to"].map(|name| visit.param(name));
    let query = [("from", from), ("to", to), ("principal", text(principal, "/name"))];
    visit.link("/console/diff", &query)
}

fn one(visit: &Visit, principal: &Value) -> Markup {
    let name = text(principal, "/name");
    let events: Vec<u64> =
        elements(principal, "/events").iter().filter_map(Value::as_u64).collect();
    // The comparison of this principal alone holds everything.
    let is_alone = !visit.param("principal").is_empty();
    let folded = |first: &str, rest: &[&str]| {
        let more = words::and_more(rest.len());
        html! {
            code { (first) }
            @if !rest.is_empty() {
                @if is_alone { details { summary { (more) } code { (rest.join(", ")) } } }
                @else { " " a href=(own(visit, principal)) { (more) } }
            }
        }
    };
    html! {
        article {
            h3 { (named(visit, name)) }
            (permissions(principal, folded))
            @if !events.is_empty() {
                @let most = if is_alone { events.len() } else { EVENTS };
                p.quiet { (words::BY_EVENTS) " "
                    @for event in events.iter().take(most) {
                        a href=(address(&format!("/console/ledger/{event}"), &[])) { "@" (event) } " " }
                    @if events.len() > most { (words::and_more(events.len() - most)) } }
            }
        }
    }
}

/// On what a permission hangs on one side; long lists of values are cut.
fn conditions(permission: &Value, side: &str) -> String {
    let all: Vec<&str> = elements(permission, side).iter().filter_map(Value::as_str).collect();
    let all = all.join("; ");
    match all.char_indices().nth(CONDITIONS) {
        Some((end, _)) => format!("{}…", all.get(..end).unwrap_or_default()),
        None => all,
    }
}

/// What was gained and lost; `folded` writes the first actions of a permission, and what there is of the others.
fn permissions(of: &Value, mut folded: impl FnMut(&str, &[&str]) -> Markup) -> Markup {
    let mut actions = |permission: &Value| {
        let names: Vec<&str> =
            elements(permission, "/actions").iter().filter_map(Value::as_str).collect();
        let (first, rest) = names.split_at(names.len().min(ACTIONS));
        folded(&first.join(", "), rest)
    };
    html! {
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { (words::CHANGE) } th scope="col" { (words::ACTIONS) } th scope="col" { (words::RESOURCE_PATTERN) } } }
            tbody {
                @for (member, sign, label, class) in [("/gained", "+", words::GAINED, "gained"), ("/lost", "−", words::LOST, "lost")] {
                    @for permission in elements(of, member) {
                        tr class=(class) {
                            th scope="row" { span.mark aria-hidden="true" { (sign) } " " (label)
                                @if permission.pointer("/conditional") == Some(&Value::Bool(true)) { " " span.badge { (words::UNDER_CONDITIONS) } } }
                            td { (actions(permission)) }
                            td { code { (text(permission, "/resource")) } }
                        }
                    }
                }
                @for permission in elements(of, "/changed") {
                    tr {
                        th scope="row" { span.mark aria-hidden="true" { "≠" } " " (words::OTHER_CONDITIONS) }
                        td { (actions(permission)) }
                        td { code { (text(permission, "/resource")) }
                            @for (member, label) in [("/before", words::CHANGED_BEFORE), ("/after", words::CHANGED_AFTER)] {
                                p.quiet { (label) ": " code { (conditions(permission, member)) } } } }
                    }
                }
            }
        } }
    }
}
