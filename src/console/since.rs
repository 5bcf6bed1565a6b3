//! Since when? The intervals in which somebody could, with links to the events that opened and closed them.

use maud::{Markup, html};
use serde_json::Value;

use super::parts::{elements, refusal, text};
use super::visit::{Visit, address};
use super::words;
use crate::service::fault::Fault;

/// The section under an answer to "can she?".
pub fn section(visit: &Visit, answer: &Result<Value, Fault>) -> Markup {
    html! {
        section {
            h2 { (words::SINCE_WHEN) }
            @match answer {
                Err(fault) => (refusal(visit, fault)),
                Ok(answer) => (told(answer)),
            }
        }
    }
}

fn told(answer: &Value) -> Markup {
    let intervals = elements(answer, "/intervals").iter();
    let all: Vec<&Value> = intervals.chain(elements(answer, "/through_roles")).collect();
    html! {
        @if all.is_empty() { p.quiet { (words::NEVER) } }
        @else {
            table {
                thead { tr { @for heading in words::INTERVAL_COLUMNS { th scope="col" { (heading) } } } }
                tbody { @for interval in all { (row(interval)) } }
            }
        }
    }
}

fn row(interval: &Value) -> Markup {
    let via = elements(interval, "/via").iter().filter_map(Value::as_str);
    let via: Vec<&str> = via.collect();
    let missing = elements(interval, "/missing_context").iter().filter_map(Value::as_str);
    let missing: Vec<&str> = missing.collect();
    html! {
        tr {
            td { (text(interval, "/from")) br; (bound(interval, "/opened_by")) }
            td {
                @if interval.pointer("/still") == Some(&Value::Bool(true)) { (words::STILL) }
                @else { (text(interval, "/to")) br; (bound(interval, "/closed_by")) }
            }
            td {
                (text(interval, "/state"))
                @if !missing.is_empty() { " · " code { (missing.join(", ")) } }
            }
            td { @if via.is_empty() { (words::BY_ITSELF) } @else { (via.join(" → ")) } }
        }
    }
}

/// The event, with who did it, or the conditions that turned.
fn bound(interval: &Value, path: &str) -> Markup {
    let of = |name: &str| format!("{path}{name}");
    let conditions = elements(interval, &of("/conditions")).iter().filter_map(Value::as_str);
    html! {
        small {
            @if let Some(event) = interval.pointer(&of("/event")).and_then(Value::as_u64) {
                a href=(address(&format!("/console/ledger/{event}"), &[])) { "@" (event) }
                " " (text(interval, &of("/operation"))) " " (text(interval, &of("/actor/name")))
            } @else { (conditions.collect::<Vec<_>>().join(", ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn intervals_link_to_their_events_and_names_are_escaped() {
        let opened =
            json!({ "event": 7, "operation": "PutUserPolicy", "actor": { "name": "user/<b>" } });
        let closed = json!({ "conditions": ["DateLessThan aws:CurrentTime of statement 0 of p"] });
        let interval = json!({
            "from": "2026-01-01", "to": "2026-02-01", "still": false, "state": "allowed",
            "via": [], "missing_context": [], "opened_by": opened, "closed_by": closed,
        });
        let shown = told(&json!({ "intervals": [interval], "through_roles": [] })).into_string();
        assert!(shown.contains("/console/ledger/7") && shown.contains("DateLessThan"), "{shown}");
        assert!(!shown.contains("<b>"), "{shown}");
        let none = told(&json!({ "intervals": [], "through_roles": [] })).into_string();
        assert!(none.contains(words::NEVER));
    }
}
