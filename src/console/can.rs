//! May she? A question, its answer, the order in which it was found, what would change it and, if that is asked
//! too, since when it is so.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::parts::{document, elements, field, pretty, refusal, text};
use super::visit::{Visit, address};
use super::{since, words};

/// `GET /console/can`
pub async fn page(visit: Visit) -> Response {
    let of = |name: &str| visit.param(name).trim().to_owned();
    let (principal, action, resource) = (of("principal"), of("action"), of("resource"));
    let resource = if resource.is_empty() { "*".to_owned() } else { resource };
    let is_asked = !principal.is_empty() && !action.is_empty();
    let context = visit.param("context").to_owned();
    let mut parameters =
        vec![("principal", principal.as_str()), ("action", &action), ("resource", &resource)];
    parameters.extend(context.lines().map(str::trim).map(|line| ("context", line)));
    let answer = match is_asked {
        true => Some(visit.ask("can", &parameters).await),
        false => None,
    };
    let since = match is_asked && visit.param("since") == "1" {
        true => Some(visit.ask("access", &parameters).await),
        false => None,
    };
    let texts = match &answer {
        Some(Ok(answer)) => texts_of(&visit, answer).await,
        _ => Vec::new(),
    };
    let body = html! {
        form.grid method="get" action="/console/can" {
            (field(words::PRINCIPAL, "principal", &principal, words::PRINCIPAL_HINT, true))
            (field(words::ACTION, "action", &action, "iam:CreateUser", true))
            (field(words::RESOURCE, "resource", &resource, words::RESOURCE_HINT, false))
            label.field { span { (words::CONTEXT) }
                textarea name="context" rows="2" spellcheck="false" placeholder="aws:MultiFactorAuthPresent=true" { (context) }
                small { (words::CONTEXT_HINT) } }
            @if visit.at.is_some() { input type="hidden" name="at" value=(visit.moment()); }
            button.primary type="submit" { (words::ASK) }
            " "
            button type="submit" name="since" value="1" { (words::SINCE_WHEN) }
        }
        @match &answer {
            None => {}
            Some(Err(fault)) => (refusal(&visit, fault)),
            Some(Ok(answer)) => (answered(&visit, answer, &texts)),
        }
        @if let Some(since) = &since { (since::section(&visit, since)) }
    };
    frame::page(&visit, Section::Can, words::CAN, &body).await
}

/// The texts of the policies whose statements decided, as far as the person may read them.
async fn texts_of(visit: &Visit, answer: &Value) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    for statement in elements(answer, "/statements") {
        texts.push(text_of(visit, statement).await);
    }
    texts
}

async fn text_of(visit: &Visit, statement: &Value) -> Option<String> {
    let (policy, version) = (text(statement, "/policy"), text(statement, "/version"));
    if policy.starts_with("arn:") && !version.is_empty() {
        let fields = [("PolicyArn", policy), ("VersionId", version)];
        let answer = visit.read("GetPolicyVersion", &fields).await.ok()?;
        return Some(document(text(&answer, "/PolicyVersion/Document")));
    }
    let (kind, name) = text(statement, "/via").split_once(' ')?;
    let member = match kind {
        "user" => "User",
        "group" => "Group",
        "role" => "Role",
        _ => return None,
    };
    let owner = format!("{member}Name");
    let fields = [(owner.as_str(), name), ("PolicyName", policy)];
    let answer = visit.read(&format!("Get{member}Policy"), &fields).await.ok()?;
    Some(document(text(&answer, "/PolicyDocument")))
}

fn answered(visit: &Visit, answer: &Value, texts: &[Option<String>]) -> Markup {
    let decision = text(answer, "/decision");
    let is_conditional = answer.pointer("/conditional") == Some(&Value::Bool(true));
    let (class, mark, said) = match (decision, is_conditional) {
        ("allowed", false) => ("allowed", "✓", words::ALLOWED),
        (_, true) => ("conditional", "?", words::CONDITIONAL),
        ("explicitDeny", _) => ("denied", "✕", words::EXPLICITLY_DENIED),
        _ => ("denied", "✕", words::NOT_ALLOWED),
    };
    html! {
        section.answer class=(class) aria-live="polite" {
            p.verdict { span.mark aria-hidden="true" { (mark) } " " strong { (said) } }
            p { (text(answer, "/because")) }
            @if !elements(answer, "/missing_context").is_empty() {
                p { (words::HANGS_ON) }
                ul { @for key in elements(answer, "/missing_context").iter().filter_map(Value::as_str) { li { code { (key) } } } }
            }
        }
        @let assumed = elements(answer, "/assumed");
        @if !assumed.is_empty() {
            section { p.warn { (words::ASSUMED) } ul { @for arn in assumed.iter().filter_map(Value::as_str) { li { code { (arn) } } } } }
        }
        @let statements = elements(answer, "/statements");
        @if !statements.is_empty() {
            section {
                h2 { (words::DECIDING) }
                @for (statement, text_of_it) in statements.iter().zip(texts) { (one(visit, statement, text_of_it.as_deref())) }
            }
        }
        @for (heading, path) in [(words::WOULD_CHANGE, "/needs"), (words::ALMOST, "/almost")] {
            @if !elements(answer, path).is_empty() {
                section { h2 { (heading) } ul { @for need in elements(answer, path).iter().filter_map(Value::as_str) { li { (need) } } } }
            }
        }
        section {
            h2 { (words::ORDER) }
            ol.order { @for (step, why) in words::STEPS { li { strong { (step) } " " span.quiet { (why) } } } }
        }
    }
}

/// A statement that decided, marked in the text of its policy.
fn one(visit: &Visit, statement: &Value, written: Option<&str>) -> Markup {
    let policy = text(statement, "/policy");
    let number = |path: &str| statement.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let event = statement.pointer("/event").and_then(Value::as_u64);
    html! {
        article {
            p {
                (text(statement, "/policy_type")) ": "
                @if policy.starts_with("arn:") { a href=(visit.link("/console/policies/show", &[("arn", policy)])) { (policy) } } @else { strong { (policy) } }
                " " (text(statement, "/version")) " · " (words::via(text(statement, "/via"))) " · " (words::at_line(number("/line") as usize, number("/column") as usize))
                @if let Some(event) = event { " · " a href=(address(&format!("/console/ledger/{event}"), &[])) { (words::brought_by(event)) } }
            }
            @if let Some(written) = written { (marked(written, number("/line"), number("/column"))) }
        }
    }
}

/// A document with the statement marked whose opening brace stands right before a line and column. What comes on one line is shown
/// indented, and its statement alone.
fn marked(written: &str, line: u64, column: u64) -> Markup {
    let Some((from, to)) = span(written, line, column) else { return html! {} };
    let (before, rest) = written.split_at(from);
    let (statement, after) = rest.split_at(to - from);
    if !written.contains('\n') {
        return html! { pre.code tabindex="0" { mark { (pretty(statement)) } } };
    }
    html! { pre.code tabindex="0" { (before) mark { (statement) } (after) } }
}

/// The bytes of the object whose opening brace stands right before a line and column, both from 1.
fn span(written: &str, line: u64, column: u64) -> Option<(usize, usize)> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(2)?).ok()?;
    let start: usize = written.split_inclusive('\n').take(line).map(str::len).sum();
    let within = written.get(start..)?;
    let from = start + within.char_indices().nth(column).map(|(at, _)| at)?;
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in written.get(from..)?.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((from, from + at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_marked_to_its_end() {
        let written = "{\n \"Statement\": [\n  {\"Sid\": \"a}\\\"\"},\n  {\"Sid\": \"<b>\"}\n ]\n}";
        let (from, to) = span(written, 4, 4).unwrap();
        assert_eq!(&written[from..to], "{\"Sid\": \"<b>\"}");
        let (from, to) = span(written, 3, 4).unwrap();
        assert_eq!(&written[from..to], "{\"Sid\": \"a}\\\"\"}");
        assert!(span(written, 9, 2).is_none() && span(written, 0, 0).is_none());
        let shown = marked(written, 4, 4).into_string();
        assert!(shown.contains("<mark>") && !shown.contains("<b>"), "{shown}");
    }
}
