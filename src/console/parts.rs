//! Small pieces that pages are made of.

use maud::{Markup, html};
use serde_json::Value;

use super::visit::{Visit, address};
use super::words;
use crate::base::time::Timestamp;
use crate::service::caller::Identity;
use crate::service::dry_run::can_be_tried;
use crate::service::fault::Fault;
use crate::service::overview::lists::Wanted;

/// A text inside an answer, by its path (`/User/Arn`); empty if it is not there.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// A list inside an answer; empty if it is not there.
pub fn elements<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text of at most so many characters, with an ellipsis if there were more.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// An instant, to the minute, and how long ago it was.
pub fn instant(at: Timestamp, now: Timestamp) -> Markup {
    let whole = at.to_string();
    html! { time datetime=(whole) title=(whole) { (minute(&whole)) " " span.quiet { "(" (ago(at, now)) ")" } } }
}

/// An instant that may not be there.
pub fn maybe_instant(at: Option<Timestamp>, now: Timestamp) -> Markup {
    match at {
        Some(at) => instant(at, now),
        None => html! { span.quiet { (words::NEVER) } },
    }
}

/// An instant as an answer spells it.
pub fn instant_text(text: &str, now: Timestamp) -> Markup {
    match Timestamp::parse(text) {
        Some(at) => instant(at, now),
        None => html! { span.quiet { (words::NEVER) } },
    }
}

/// `2026-11-24 18:05`
pub fn minute(whole: &str) -> String {
    whole.get(..16).unwrap_or(whole).replace('T', " ")
}

/// How long ago, in one unit.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.seconds().saturating_sub(at.seconds());
    let (count, unit) = match seconds {
        0..60 => return words::JUST_NOW.to_owned(),
        60..3_600 => (seconds / 60, words::MINUTE),
        3_600..86_400 => (seconds / 3_600, words::HOUR),
        _ => (seconds / 86_400, words::DAY),
    };
    words::ago(count, unit)
}

/// Why something is not shown: what one may not do is explained, not hidden.
pub fn refusal(visit: &Visit, fault: &Fault) -> Markup {
    let is_denied = fault.status == 403;
    html! {
        div.refusal role="note" {
            p { strong { (if is_denied { words::DENIED } else { words::FAILED }) } }
            p { (plain(&fault.message)) }
            @if let Some(action) = denied_action(&fault.message).filter(|_| is_denied) {
                @let is_explicit = fault.message.contains("with an explicit deny");
                p { @if action == "sts:AssumeRole" { (words::NO_SUCH_ROLE_FOR_YOU) }
                    @else { (words::what_to_do(action, is_explicit)) } }
                @let principal = principal_of(visit);
                @let resource = denied_resource(&fault.message).unwrap_or("*");
                // A link that ends at another refusal explains nothing.
                @if visit.may_ask() { p {
                    a href=(visit.link("/console/can", &[
                        ("principal", &principal), ("action", action), ("resource", resource),
                    ])) { (words::WHY_DENIED) }
                } } @else {
                    p { (words::WHOM_TO_ASK) }
                    p { code data-copy="" { (principal) " " (action) " " (resource) } }
                }
            }
        }
    }
}

/// Who acts, as questions call it: a session stands for its role.
fn principal_of(visit: &Visit) -> String {
    match &visit.caller().identity {
        Identity::Root { .. } | Identity::Operator { .. } => "root".to_owned(),
        Identity::User { arn, .. } => arn.clone(),
        Identity::RoleSession { role_arn, .. } => role_arn.clone(),
    }
}

/// A message without the encoded part that AWS adds for DecodeAuthorizationMessage.
pub fn plain(message: &str) -> &str {
    message.split(" Encoded authorization failure message: ").next().unwrap_or(message)
}

/// The action in AWS's sentence of a denial: `... is not authorized to perform: iam:CreateUser on ...`.
pub fn denied_action(message: &str) -> Option<&str> {
    message.split("to perform: ").nth(1)?.split_ascii_whitespace().next()
}

/// The resource in it, where it is called by its ARN.
fn denied_resource(message: &str) -> Option<&str> {
    let resource = message.split(" on resource: ").nth(1)?.split_ascii_whitespace().next()?;
    resource.starts_with("arn:").then_some(resource)
}

/// What is shown of an answer, or why it is not.
pub fn or_refusal<T>(
    visit: &Visit,
    answer: &Result<T, Fault>,
    show: impl FnOnce(&T) -> Markup,
) -> Markup {
    match answer {
        Ok(answer) => show(answer),
        Err(fault) => refusal(visit, fault),
    }
}

/// The hidden fields of a form that changes something.
pub fn hidden(visit: &Visit, operation: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
        input type="hidden" name="_op" value=(operation);
        input type="hidden" name="_back" value=(visit.here());
        @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
    }
}

/// A field with its label.
pub fn field(label: &str, name: &str, value: &str, hint: &str, is_required: bool) -> Markup {
    html! {
        label.field {
            span { (label) }
            input type="text" name=(name) value=(value) required[is_required]
                autocomplete="off" spellcheck="false";
            @if !hint.is_empty() { small { (hint) } }
        }
    }
}

/// The optional reason of a change.
pub fn reason() -> Markup {
    html! {
        label.field {
            span { (words::REASON) }
            input type="text" name="_reason" maxlength="128" autocomplete="off"
                placeholder=(words::REASON_HINT);
        }
    }
}

/// A button that runs one operation as it stands.
pub fn button(visit: &Visit, label: &str, operation: &str, fields: &[(&str, &str)]) -> Markup {
    if !visit.may_change() {
        return html! {};
    }
    html! {
        form.inline method="post" action="/console/do" {
            (hidden(visit, operation, fields))
            button type="submit" { (label) }
        }
    }
}

/// The same, behind a question: it takes something away.
pub fn danger(
    visit: &Visit,
    label: &str,
    question: &str,
    operation: &str,
    fields: &[(&str, &str)],
) -> Markup {
    if !visit.may_change() {
        return html! {};
    }
    html! {
        details.danger {
            summary { (label) }
            form method="post" action="/console/do" {
                (hidden(visit, operation, fields))
                p { (question) }
                (reason())
                button.danger type="submit" { (label) }
                (try_first(operation))
            }
        }
    }
}

/// A second way to send a form whose operation changes who may do what: it says what would change.
fn try_first(operation: &str) -> Markup {
    html! {
        @if can_be_tried(operation) {
            " " button type="submit" name="_step" value="dry-run" { (words::DRY_RUN) }
        }
    }
}

/// A form behind a heading that opens it.
pub fn opening(
    visit: &Visit,
    label: &str,
    operation: &str,
    fields: &[(&str, &str)],
    body: &Markup,
) -> Markup {
    if !visit.may_change() {
        return html! {};
    }
    html! {
        details.opening {
            summary { (label) }
            form method="post" action="/console/do" {
                (hidden(visit, operation, fields))
                (body)
                (reason())
                button.primary type="submit" { (label) }
                (try_first(operation))
            }
        }
    }
}

/// What the address of a list asks for.
pub fn wanted(visit: &Visit) -> Wanted {
    Wanted {
        search: visit.param("q").trim().to_owned(),
        sort: visit.param("sort").to_owned(),
        descending: visit.param("order") == "desc",
        page: visit.param("page").parse().unwrap_or(0),
    }
}

/// The head of a column that sorts.
pub fn column(visit: &Visit, label: &str, sort: &str) -> Markup {
    let is_sorted = visit.param("sort") == sort;
    let is_descending = visit.param("order") == "desc";
    let order = if is_sorted && !is_descending { "desc" } else { "" };
    let query = [
        ("q", visit.param("q")),
        ("scope", visit.param("scope")),
        ("sort", sort),
        ("order", order),
    ];
    let direction = match (is_sorted, is_descending) {
        (false, _) => None,
        (true, false) => Some("ascending"),
        (true, true) => Some("descending"),
    };
    html! {
        th scope="col" aria-sort=[direction] {
            a href=(visit.link(&visit.path, &query)) { (label) }
            @match direction {
                Some("ascending") => span aria-hidden="true" { " ▲" },
                Some(_) => span aria-hidden="true" { " ▼" },
                None => {},
            }
        }
    }
}

/// The search above a list.
pub fn search(visit: &Visit, label: &str) -> Markup {
    html! {
        form.search method="get" action=(visit.path) role="search" {
            label {
                span.hidden { (label) }
                input type="search" name="q" value=(visit.param("q")) placeholder=(label);
            }
            @for name in ["sort", "order", "scope"] {
                @if !visit.param(name).is_empty() {
                    input type="hidden" name=(name) value=(visit.param(name));
                }
            }
            @if visit.at.is_some() { input type="hidden" name="at" value=(visit.moment()); }
            button type="submit" { (words::SEARCH) }
        }
    }
}

/// What a page shows if it has so many bytes left for it, and something short otherwise.
pub fn within(left: &mut usize, whole: Markup, otherwise: impl FnOnce() -> Markup) -> Markup {
    match left.checked_sub(whole.0.len()) {
        Some(rest) => {
            *left = rest;
            whole
        }
        None => otherwise(),
    }
}

/// The way through the pages of a list, each of so many lines.
pub fn pager(visit: &Visit, total: usize, page: usize, size: usize) -> Markup {
    let kept = ["q", "sort", "order", "scope", "arn", "from", "to", "during", "days"];
    let mut kept = kept.map(|name| (name, visit.param(name))).to_vec();
    let moment = visit.moment();
    kept.push(("at", &moment));
    pager_of(visit, &kept, total, page, size)
}

/// The same of addresses with exactly these parameters, the moment among them.
pub fn pager_of(
    visit: &Visit,
    kept: &[(&str, &str)],
    total: usize,
    page: usize,
    size: usize,
) -> Markup {
    let last = total.saturating_sub(1) / size.max(1);
    let to = |page: usize| {
        let page = page.to_string();
        let mut query = kept.to_vec();
        query.push(("page", &page));
        address(&visit.path, &query)
    };
    html! {
        nav.pager aria-label=(words::PAGES) {
            span { (words::shown(total, page, last)) }
            @if page > 0 { a href=(to(page - 1)) rel="prev" { (words::PREVIOUS) } }
            @if page < last { a href=(to(page + 1)) rel="next" { (words::NEXT) } }
        }
    }
}

/// Tags of something, with forms to set and remove them.
pub fn tags(
    visit: &Visit,
    tags: &Result<Vec<Value>, Fault>,
    kind: &str,
    owner: (&str, &str),
) -> Markup {
    let (set, remove) = (format!("Tag{kind}"), format!("Untag{kind}"));
    html! {
        section {
            h2 { (words::TAGS) }
            (or_refusal(visit, tags, |tags| html! {
                @if tags.is_empty() { p.quiet { (words::NO_TAGS) } }
                @else {
                    div.scroll tabindex="0" { table {
                        thead { tr { th scope="col" { (words::KEY) } th scope="col" { (words::VALUE) } th { span.hidden { (words::ACTIONS) } } } }
                        tbody {
                            @for tag in tags {
                                tr {
                                    th scope="row" { (text(tag, "/Key")) }
                                    td { (text(tag, "/Value")) }
                                    td { (danger(visit, words::REMOVE, words::REMOVE_TAG, &remove, &[owner, ("TagKeys.member.1", text(tag, "/Key"))])) }
                                }
                            }
                        }
                    } }
                }
            }))
            (opening(visit, words::ADD_TAG, &set, &[owner], &html! {
                (field(words::KEY, "Tags.member.1.Key", "", "", true))
                (field(words::VALUE, "Tags.member.1.Value", "", "", false))
            }))
        }
    }
}

/// A JSON text, indented; what is no JSON stays as it is.
pub fn pretty(text: &str) -> String {
    serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| text.to_owned())
}

/// A policy document as an answer spells it: percent-encoded.
pub fn document(encoded: &str) -> String {
    let bytes = crate::base::text::percent_decode(encoded).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lines of which the first letters say whether they were taken out, put in, or stayed.
pub fn difference<'a>(lines: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        pre.diff tabindex="0" {
            @for line in lines {
                @match line.as_bytes().first() {
                    Some(b'-') => del { (line) "\n" },
                    Some(b'+') => ins { (line) "\n" },
                    _ => { (line) "\n" },
                }
            }
        }
    }
}

/// A link to a user, group or role; at the moment shown.
pub fn principal_link(visit: &Visit, kind: &str, name: &str) -> Markup {
    let path = address(&format!("/console/{kind}s/{}", segment(name)), &[]);
    html! { a href=(visit.link(&path, &[])) { (name) } }
}

/// Names that an address of their own would not lead to: `new` is a form, and browsers take out the others, however
/// they are spelled.
const ELSEWHERE: [&str; 3] = ["new", ".", ".."];
/// What such a name begins with in an address; no name has it.
const APART: char = '~';

/// A name as a part of a path.
pub fn segment(name: &str) -> String {
    let encoded = crate::base::text::percent_encode(name.as_bytes());
    if ELSEWHERE.contains(&name) { format!("{APART}{encoded}") } else { encoded }
}

/// The name that a part of a path means.
pub fn named(segment: &str) -> &str {
    segment.strip_prefix(APART).unwrap_or(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_address_of_its_own() {
        for name in ["new", ".", "..", "alice", "new.", "a+b=c@d", "...", "New"] {
            let path = segment(name);
            assert!(!ELSEWHERE.contains(&path.as_str()), "{path}");
            let read = crate::base::text::percent_decode(&path).unwrap();
            assert_eq!(named(std::str::from_utf8(&read).unwrap()), name);
        }
    }

    #[test]
    fn a_denial_names_its_action() {
        let message = "User: arn:aws:iam::1:user/a is not authorized to perform: iam:CreateUser on \
                       resource: arn:aws:iam::1:user/b because no identity-based policy allows it";
        assert_eq!(denied_action(message), Some("iam:CreateUser"));
        assert_eq!(denied_resource(message), Some("arn:aws:iam::1:user/b"));
        assert_eq!(denied_action("no"), None);
    }

    #[test]
    fn ages_have_one_unit() {
        let now = Timestamp::from_seconds(1_000_000);
        let of = |seconds: i64| ago(now.plus_seconds(-seconds), now);
        assert_eq!(
            [of(5), of(60), of(7_300), of(200_000)],
            ["just now", "1 minute ago", "2 hours ago", "2 days ago"]
        );
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let lines = ["- <script>", "+ \"><img src=x>"];
        let shown = difference(lines.into_iter()).into_string();
        assert!(!shown.contains("<script>") && !shown.contains("<img"), "{shown}");
    }
}
