//! The history of one thing, on its own page: its newest events, and what each of them changed.
//!
//! What changed is told by `service::audit::changed`, as on the event's own page and in the log. Here it is
//! short: a line a field, of a document the lines around those that differ, and nothing more once the page has
//! enough of it. The event's page always has the whole.

use maud::{Markup, html};
use serde_json::Value;

use super::ledger;
use super::parts::{self, difference, elements, or_refusal, shortened, text};
use super::visit::{Visit, address};
use super::words;
use crate::service::audit::changed;
use crate::service::audit::log::Filter;
use crate::service::fault::Fault;

/// Events of a page.
const RECENT: usize = 10;
/// Fields that are shown of one event.
const FIELDS: usize = 8;
/// Characters of a value, and of a line of a document.
const CHARACTERS: usize = 120;
/// Lines that are shown of a document, and those around one that differs.
const LINES: usize = 40;
const AROUND: usize = 1;
/// Bytes of a page that go to what changed.
const BYTES: usize = 30_000;

/// The newest events about one thing, and what they changed.
///
/// # Errors
/// Refusals, and whatever keeps the ledger from being read.
pub async fn of(visit: &Visit, thing: &str) -> Result<Vec<Value>, Fault> {
    let filter = Filter { target: Some(thing.to_owned()), limit: RECENT, ..Filter::default() };
    visit
        .glance(move |glance| {
            let mut events = glance.log(&filter)?.events;
            for entry in &mut events {
                if let Some(Value::Array(changed)) = entry.get_mut("changed") {
                    changed::with_lines(&glance.shown, changed)?;
                }
            }
            Ok(events)
        })
        .await
}

/// The section of a thing's page that shows them.
pub fn show(visit: &Visit, thing: &str, entries: &Result<Vec<Value>, Fault>) -> Markup {
    html! {
        section id="history" {
            h2 { (words::HISTORY) }
            (or_refusal(visit, entries, |entries| {
                let mut left = BYTES;
                html! {
                    @if entries.is_empty() { p.quiet { (words::NO_EVENTS) } }
                    (ledger::days(entries, |entry| within(&mut left, thing, entry)))
                    p { a href=(visit.link("/console/ledger", &[("target", thing)])) { (words::WHOLE_HISTORY) } }
                }
            }))
        }
    }
}

/// Where to look for what is not there now.
pub fn once_there(visit: &Visit, kind: &str, name: &str) -> Markup {
    let thing = format!("{kind}/{name}");
    html! {
        p { (words::ONCE_THERE) " " a href=(visit.link("/console/ledger", &[("target", &thing)])) { (words::WHOLE_HISTORY) } }
    }
}

/// What an event changed, or how much, if the page has no room left for it.
fn within(left: &mut usize, thing: &str, entry: &Value) -> Markup {
    let fields = || elements(entry, "/changed").len();
    if entry.get("changed").is_none() {
        return html! { p { (more(entry, 0)) } };
    }
    parts::within(left, changes(thing, entry), || html! { p { (more(entry, fields())) } })
}

/// What an event changed: which field, from what, to what; and of which thing, where it is another one.
fn changes(thing: &str, entry: &Value) -> Markup {
    let all = elements(entry, "/changed");
    html! {
        @if !all.is_empty() {
            ul.changes {
                @for one in all.iter().take(FIELDS) { li { (change(thing, entry, one)) } }
                @if all.len() > FIELDS { li { (more(entry, all.len() - FIELDS)) } }
            }
        }
    }
}

fn change(thing: &str, entry: &Value, one: &Value) -> Markup {
    let of = match text(one, "/entity/name") {
        "" => text(one, "/entity/id"),
        name => name,
    };
    let label =
        html! { @if of != thing { span.quiet { (cut(of)) } " " } (cut(text(one, "/field"))) };
    match one.get("lines").and_then(Value::as_array) {
        Some(lines) => {
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            let count = |sign| lines.iter().filter(|line| line.starts_with(sign)).count();
            let short = short(&lines);
            html! {
                details {
                    summary { (label) ": " (words::lines(count('+'), count('-'))) }
                    (difference(short.iter().take(LINES).map(String::as_str)))
                    @if short.len() > LINES { p { (more(entry, 0)) } }
                }
            }
        }
        None => html! {
            (label) ": "
            @match value(one, "before") {
                Some(before) => del { (cut(&before)) },
                None => span.quiet { (words::NOTHING) },
            }
            " → "
            @match value(one, "after") {
                Some(after) => ins { (cut(&after)) },
                None => span.quiet { (words::NOTHING) },
            }
        },
    }
}

/// One side of a change as a text; `None` where there was nothing.
pub fn value(one: &Value, side: &str) -> Option<String> {
    match one.get(side) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}

/// The way to the event's own page, which has the whole.
fn more(entry: &Value, fields: usize) -> Markup {
    let position = entry.pointer("/position").and_then(Value::as_u64).unwrap_or_default();
    html! { a href=(address(&format!("/console/ledger/{position}"), &[])) { (words::more_changed(fields)) } }
}

/// A text that is not longer than a line.
fn cut(text: &str) -> String {
    shortened(text, CHARACTERS)
}

/// The lines that differ and those around them; what is left out between is an ellipsis.
fn short(lines: &[&str]) -> Vec<String> {
    let differs = |line: &&str| line.starts_with(['+', '-']);
    let is_near = |index: usize| {
        let from = index.saturating_sub(AROUND);
        lines.iter().skip(from).take(index - from + AROUND + 1).any(differs)
    };
    let mut short = Vec::new();
    let mut is_gap = false;
    for (index, line) in lines.iter().enumerate() {
        match is_near(index) {
            true => short.push(cut(line)),
            false if is_gap => {}
            false => short.push("  …".to_owned()),
        }
        is_gap = !is_near(index);
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(changed: &Value) -> Value {
        json!({ "position": 7, "changed": changed })
    }

    fn of(field: &str, before: Value, after: Value) -> Value {
        json!({ "entity": { "name": "user/a" }, "field": field, "before": before, "after": after })
    }

    #[test]
    fn fields_are_told_from_what_to_what_and_escaped() {
        let path = of("path", json!("/a/"), json!("/\"><script>/"));
        let added = of("tag <b>", Value::Null, json!(3));
        let shown = changes("user/b", &entry(&json!([path, added]))).into_string();
        assert!(shown.contains("<del>/a/</del> → <ins>"), "{shown}");
        assert!(shown.contains("nothing</span> → <ins>3</ins>"), "{shown}");
        assert!(!shown.contains("<script>") && !shown.contains("<b>"), "{shown}");
        assert_eq!(changes("user/b", &entry(&json!([]))).into_string(), "");
        // Whose it is goes without saying on the thing's own page.
        let path = entry(&json!([of("path", json!("/a/"), json!("/b/"))]));
        assert!(changes("user/b", &path).into_string().contains("user/a"));
        assert!(!changes("user/a", &path).into_string().contains("user/a"));
    }

    #[test]
    fn documents_show_what_differs_and_little_around_it() {
        let lines = ["  a", "  b", "  c", "- d", "+ e", "  f", "  g"];
        assert_eq!(short(&lines), ["  …", "  c", "- d", "+ e", "  f", "  …"]);
        assert_eq!(short(&["  a", "  b"]), ["  …"]);
        let mut document = of("inline policy p", Value::Null, json!("0123"));
        document["lines"] = json!(lines);
        let shown = changes("user/b", &entry(&json!([document]))).into_string();
        assert!(
            shown.contains("<details><summary>") && shown.contains("1 line in, 1 out"),
            "{shown}"
        );
    }

    #[test]
    fn a_page_has_room_for_so_much_and_the_events_page_for_all() {
        let long = "<".repeat(5_000);
        let fields: Vec<Value> =
            (0..20).map(|n| of(&format!("tag {n}"), json!(long), json!(long))).collect();
        let entry = entry(&json!(fields));
        let mut left = BYTES;
        let shown: Vec<String> =
            (0..RECENT).map(|_| within(&mut left, "user/b", &entry).into_string()).collect();
        assert!(shown.iter().map(String::len).sum::<usize>() < BYTES + RECENT * 200);
        assert!(shown.first().unwrap().contains("…"));
        assert!(shown.iter().all(|one| one.contains("/console/ledger/7")));
        assert!(shown.first().unwrap().contains("12 more") && shown.last().unwrap().contains("20"));
        // A single long document, too, ends somewhere.
        let mut document = of("trust", Value::Null, json!("0123"));
        document["lines"] = json!(vec![format!("+ {long}"); 500]);
        let shown = changes("user/b", &super::tests::entry(&json!([document]))).into_string();
        assert!(shown.len() < BYTES && shown.contains("/console/ledger/7"), "{}", shown.len());
    }
}
