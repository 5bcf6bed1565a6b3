//! The history: events by day, in words, with the whole of each beside it.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::history;
use super::parts::{difference, elements, field, or_refusal, refusal, text, within};
use super::sentence;
use super::typed_moment;
use super::visit::{Visit, address};
use super::words;
use crate::service::audit::log::{Cursor, Filter, Sort};
use crate::service::fault::Fault;
use crate::service::moment::Range;

/// Events of a page.
const PAGE: usize = 50;

/// The newest events of the account, without what they changed.
///
/// # Errors
/// Refusals, and whatever keeps the ledger from being read.
pub async fn newest(visit: &Visit, limit: usize) -> Result<Vec<Value>, Fault> {
    let filter = Filter { limit, ..Filter::default() };
    visit.glance(move |glance| Ok(glance.log_in_short(&filter)?.events)).await
}

/// Entries, newest first, by day, each with what else is told of it.
pub fn days(entries: &[Value], mut beside: impl FnMut(&Value) -> Markup) -> Markup {
    let day = |entry: &Value| text(entry, "/happened_at").get(..10).unwrap_or("").to_owned();
    html! {
        @for chunk in entries.chunk_by(|one, other| day(one) == day(other)) {
            h3.day { (chunk.first().map(day).unwrap_or_default()) }
            ol.events { @for entry in chunk { (line(entry, &beside(entry))) } }
        }
    }
}

/// A sign beside an event, by form and not by colour alone.
fn mark(entry: &Value) -> (&'static str, &'static str) {
    match text(entry, "/outcome") {
        "success" | "read" if text(entry, "/actor/id") == "root" => ("root", "◆"),
        "success" => ("all", "●"),
        "read" => ("all", "○"),
        _ => ("denied", "✕"),
    }
}

fn line(entry: &Value, beside: &Markup) -> Markup {
    let (class, sign) = mark(entry);
    let position = entry.pointer("/position").map(ToString::to_string).unwrap_or_default();
    // What changed nothing has no page of its own.
    let is_event = text(entry, "/outcome") == "success";
    html! {
        li class=(class) {
            span.mark aria-hidden="true" { (sign) }
            time { (text(entry, "/happened_at").get(11..19).unwrap_or("")) }
            div {
                @if is_event { a href=(address(&format!("/console/ledger/{position}"), &[])) { (sentence::of(entry)) } }
                @else { span { (request(entry)) } }
                span.quiet {
                    @if !text(entry, "/ticket").is_empty() { " · " (words::TICKET) " " (text(entry, "/ticket")) }
                    @if !text(entry, "/address").is_empty() { " · " (text(entry, "/address")) }
                    @if is_event { " · @" (position) }
                }
                (beside)
            }
        }
    }
}

/// The whole of an entry, folded away.
pub fn json(entry: &Value) -> Markup {
    html! {
        details { summary { (words::JSON) }
            pre.code tabindex="0" { (serde_json::to_string_pretty(entry).unwrap_or_default()) } }
    }
}

/// Bytes of a list of events that go to their JSON.
const BYTES: usize = 30_000;

/// The JSON of each event of a list, for as long as there is room; the event's own page always has it.
pub fn json_beside() -> impl FnMut(&Value) -> Markup {
    let mut left = BYTES;
    move |entry| {
        let position = entry.pointer("/position").filter(|_| text(entry, "/outcome") == "success");
        let link = || {
            html! {
                @if let Some(position) = position {
                    " " a href=(address(&format!("/console/ledger/{position}"), &[])) { (words::JSON) }
                }
            }
        };
        match position.is_some() && entry.get("changed").is_none() {
            // It changed more than a page tells of, and its JSON would be longer than there is room for.
            true => link(),
            false => within(&mut left, json(entry), link),
        }
    }
}

/// A request that changed nothing, in words.
fn request(entry: &Value) -> String {
    let (actor, action) = (sentence::actor(entry), text(entry, "/operation"));
    match text(entry, "/outcome") {
        "read" => match text(entry, "/asked") {
            "" => words::has_read(&actor, action),
            asked => words::has_read(&actor, asked),
        },
        _ => words::was_denied(&actor, action),
    }
}

/// `GET /console/ledger`
pub async fn page(visit: Visit) -> Response {
    let given = |name: &str| {
        Some(visit.param(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let sort = match visit.param("outcome") {
        "denied" => Sort::Denied,
        "read" => Sort::Read,
        _ => Sort::Done,
    };
    let now = visit.arrival.at;
    let range = typed_moment::range(["from", "to", "during"].map(|name| visit.param(name)), now);
    let entries = match range {
        Err(why) => Err(Fault::validation(why)),
        Ok(Range { from, to }) => {
            let filter = Filter {
                principal: given("principal"),
                person: given("person"),
                target: given("target"),
                operation: given("operation"),
                sort,
                ticket: given("ticket"),
                from,
                to,
                limit: PAGE,
                cursor: Cursor::parse(visit.param("cursor")),
                ..Filter::default()
            };
            visit.glance(move |glance| glance.log(&filter)).await
        }
    };
    let filters = [
        ("principal", words::WHO, words::WHO_HINT),
        ("target", words::ABOUT, words::WHO_HINT),
        ("person", words::PERSON, words::PERSON_HINT),
        ("operation", words::OPERATION, "CreateUser"),
        ("ticket", words::TICKET, ""),
        ("from", words::FROM, words::MOMENT_HINT),
        ("to", words::UNTIL, words::MOMENT_HINT),
        ("during", words::DURING, words::DURING_HINT),
    ];
    let is_filtered = filters.iter().any(|(name, ..)| given(name).is_some());
    let body = html! {
        details.filters open[is_filtered] {
            summary { (words::FILTERS) }
            form.grid method="get" action="/console/ledger" {
                @for (name, label, hint) in filters { (field(label, name, visit.param(name), hint, false)) }
                label.field { span { (words::OUTCOME) }
                    select name="outcome" {
                        option value="" { (words::DONE) }
                        option value="denied" selected[sort == Sort::Denied] { (words::DENIED) }
                        option value="read" selected[sort == Sort::Read] { (words::READ) }
                    } }
                @if visit.at.is_some() { input type="hidden" name="at" value=(visit.moment()); }
                button type="submit" { (words::SHOW) }
                a href=(visit.link("/console/ledger", &[])) { (words::NO_FILTERS) }
            }
        }
        (or_refusal(&visit, &entries, |page| html! {
            @if page.events.is_empty() {
                p.quiet { @if page.next.is_some() { (words::NO_EVENTS_YET) } @else { (words::NO_EVENTS) } }
            }
            h2.hidden { (words::EVENTS) }
            (days(&page.events, json_beside()))
            @if let Some(next) = page.next {
                p { a href=(older_address(&visit, next)) rel="next" { (words::OLDER) } }
            }
        }))
    };
    frame::page(&visit, Section::Ledger, words::LEDGER, &body).await
}

fn older_address(visit: &Visit, next: Cursor) -> String {
    let next = next.to_string();
    let mut query: Vec<(&str, &str)> = visit
        .query
        .iter()
        .filter(|(name, _)| name != "cursor" && name != "done")
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    query.push(("cursor", &next));
    visit.link("/console/ledger", &query)
}

/// What an event changed: field by field, documents line by line.
fn changed(entry: &Value) -> Markup {
    let all = elements(entry, "/changed");
    let value = |one: &Value, side: &str| match history::value(one, side) {
        None => html! { span.quiet { (words::NOTHING) } },
        Some(text) => html! { (text) },
    };
    let thing = |one: &Value| match text(one, "/entity/name") {
        "" => text(one, "/entity/id").to_owned(),
        name => name.to_owned(),
    };
    html! {
        @if all.is_empty() { p.quiet { (words::CHANGED_NOTHING) } } @else {
            table {
                thead { tr {
                    th scope="col" { (words::CHANGED_THING) } th scope="col" { (words::CHANGED_FIELD) }
                    th scope="col" { (words::CHANGED_BEFORE) } th scope="col" { (words::CHANGED_AFTER) }
                } }
                tbody { @for one in all { tr {
                    td { (thing(one)) } td { (text(one, "/field")) }
                    @match one.get("lines").and_then(Value::as_array) {
                        Some(lines) => td colspan="2" { (difference(lines.iter().filter_map(Value::as_str))) },
                        None => { td { (value(one, "before")) } td { (value(one, "after")) } }
                    }
                } } }
            }
        }
    }
}

/// `GET /console/ledger/N`: one event, with what it changed.
pub async fn event(visit: Visit, Path(position): Path<u64>) -> Response {
    let title = format!("@{position}");
    let entry = match visit.ask_at("show", &[("thing", &title)], None).await {
        Ok(entry) => entry,
        Err(fault) => {
            let body = refusal(&visit, &fault);
            return frame::page_with(fault.status, &visit, Section::Ledger, &title, &body).await;
        }
    };
    let at = format!("@{position}");
    let earlier = format!("@{}", position.saturating_sub(1));
    let body = html! {
        p.sentence { (sentence::of(&entry)) }
        dl {
            dt { (words::RECORDED) } dd { (text(&entry, "/recorded_at")) }
            @for (label, path) in [
                (words::OPERATION, "/operation"), (words::WHO, "/actor/name"), (words::PERSON, "/person/name"),
                (words::SESSION, "/session"),
                (words::ADDRESS, "/address"), (words::AGENT, "/agent"), (words::TICKET, "/ticket"),
                (words::REQUEST_ID, "/request"),
            ] { @if !text(&entry, path).is_empty() { dt { (label) } dd { (text(&entry, path)) } } }
            dt { (words::DIGEST) } dd { code.hash data-copy="" { (text(&entry, "/digest")) } }
            dt { (words::CHAIN) } dd { code.hash data-copy="" { (text(&entry, "/chain")) } }
        }
        p {
            a href=(address("/console/", &[("at", &earlier)])) { (words::JUST_BEFORE) } " · "
            a href=(address("/console/", &[("at", &at)])) { (words::RIGHT_AFTER) }
        }
        section {
            h2 { (words::CHANGED) }
            (changed(&entry))
        }
        (json(&entry))
    };
    frame::page(&visit, Section::Ledger, &title, &body).await
}
