//! The reports that auditors ask for by name: the list of them, each as a page, each as a file.
//!
//! A page shows a part of a report's rows, and everything from which the whole can be generated again. The files
//! are what the command line writes of the same report, to the byte.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Section};
use super::parts::{
    elements, field, minute, or_refusal, pager_of, principal_link, refusal, shortened, text,
};
use super::typed_moment;
use super::visit::{Visit, address, question_of};
use super::words;
use crate::base::cells::{self, cell};
use crate::base::time::Timestamp;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::reports::named::{Name, Window};

/// Rows of a page.
const PAGE: usize = 50;
/// Characters of a cell; the files have the rest.
const CHARACTERS: usize = 160;

/// `GET /console/reports`
pub async fn list(visit: Visit) -> Response {
    let body = html! {
        p { (words::REPORTS_WHY) }
        @for name in Name::ALL {
            section.report {
                h2 { a href=(visit.link(&path(*name), &[])) { (name.title()) } }
                p.quiet { (if name.has_range() { words::REPORT_OF_RANGE } else { words::REPORT_OF_MOMENT }) }
                ul.controls { @for (framework, ids) in name.controls() {
                    li { (framework) ": " (ids.join(", ")) }
                } }
            }
        }
    };
    frame::page(&visit, Section::Reports, words::REPORTS, &body).await
}

/// The address of a report's page.
pub fn path(name: Name) -> String {
    format!("/console/reports/{}", name.text())
}

/// `GET /console/reports/NAME`
pub async fn page(visit: Visit, Path(name): Path<String>) -> Response {
    let name = match Name::parse(&name) {
        Ok(name) => name,
        Err(fault) => {
            let body = refusal(&visit, &fault);
            return frame::page_with(404, &visit, Section::Reports, words::REPORTS, &body).await;
        }
    };
    let page = visit.param("page").parse::<usize>().unwrap_or(0);
    let window = Window { first: page.saturating_mul(size(name)), most: size(name) };
    let answer = answer(&visit, name, Some(window)).await;
    let body = html! {
        p { a href=(visit.link("/console/reports", &[])) { (words::ALL_REPORTS) } }
        (parameters(&visit, name))
        (or_refusal(&visit, &answer, |answer| report(&visit, name, answer)))
    };
    frame::page(&visit, Section::Reports, name.title(), &body).await
}

/// `GET /console/reports/NAME/csv` and `/json`
pub async fn file(visit: Visit, Path((name, form)): Path<(String, String)>) -> Response {
    let is_csv = form == "csv";
    let made = match (Name::parse(&name), is_csv || form == "json") {
        (Ok(name), true) => answer(&visit, name, None).await.map(|answer| (name, answer)),
        (Err(fault), _) => Err(Fault { status: 404, ..fault }),
        (Ok(_), false) => Err(Fault { status: 404, ..Fault::validation(words::NO_SUCH_FORM) }),
    };
    let (name, answer) = match made {
        Ok(made) => made,
        Err(fault) => {
            let body = html! {
                (refusal(&visit, &fault))
                // Whoever may not look at the past may have what is now.
                @if visit.at.is_some() && fault.status == 403 {
                    p { a href=(address(&visit.path, &[])) { (words::FILE_OF_NOW) } }
                }
            };
            let status = fault.status;
            return frame::page_with(status, &visit, Section::Reports, words::REPORTS, &body).await;
        }
    };
    let (media_type, written) = match is_csv {
        true => ("text/csv; charset=utf-8", csv(&answer)),
        false => ("application/json", cells::pretty(&answer) + "\n"),
    };
    let position = cell(&answer, "position");
    let shown = format!("attachment; filename=\"{}-{position}.{form}\"", name.text());
    let mut response = written.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(shown) = HeaderValue::from_str(&shown) {
        headers.insert(header::CONTENT_DISPOSITION, shown);
    }
    response
}

/// A report's rows as `domesday report NAME -o csv` prints them.
fn csv(answer: &Value) -> String {
    let columns = columns(answer);
    let rows = elements(answer, "/rows").iter();
    let lines = std::iter::once(columns.join(","))
        .chain(rows.map(|row| cells::csv_line(row, &columns)))
        .map(|line| line + "\n");
    lines.collect()
}

fn columns(answer: &Value) -> Vec<&str> {
    elements(answer, "/columns").iter().filter_map(Value::as_str).collect()
}

/// Rows of a page; half as many where a row has more than a dozen columns.
fn size(name: Name) -> usize {
    match name {
        Name::Credential | Name::PasswordPolicy => PAGE / 2,
        _ => PAGE,
    }
}

/// Asks for the report that the address names, or for some rows of it.
async fn answer(visit: &Visit, name: Name, window: Option<Window>) -> Result<Value, Fault> {
    let mut given = vec![("activity", visit.param("activity").trim().to_owned())];
    if name.has_days() {
        given.push(("days", visit.param("days").trim().to_owned()));
    }
    if name.has_range() {
        let typed = ["from", "to", "during"].map(|name| visit.param(name));
        let range = typed_moment::range(typed, visit.arrival.at).map_err(Fault::validation)?;
        for (bound, moment) in [("from", range.from), ("to", range.to)] {
            given.push((bound, moment.map(|moment| moment.to_string()).unwrap_or_default()));
        }
    }
    let given: Vec<(&str, &str)> =
        given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let question = question_of(&format!("reports/{}", name.text()), &given)?;
    match window {
        None => visit.put(question, visit.at).await,
        Some(window) => {
            let of = of(visit)?;
            visit.put(question.part(window), visit.at.or(of)).await
        }
    }
}

/// The moment of the page that somebody turned, when that was the present: the pages of a report are of one moment.
/// It is exact, or it would be a look at the past that does not show as one.
fn of(visit: &Visit) -> Result<Option<Moment>, Fault> {
    let (given, activity) = (visit.param("of"), visit.param("activity"));
    if given.is_empty() {
        return Ok(None);
    }
    let exact = |moment: &Moment| moment.position.is_some() && !activity.is_empty();
    let moment = Moment::parse(given).ok().filter(exact);
    moment.map(Some).ok_or_else(|| Fault::validation(words::NO_SUCH_PAGE))
}

/// What a report can be asked for besides its moment, which is the time bar's.
fn parameters(visit: &Visit, name: Name) -> Markup {
    let ask = html! {
        @if visit.at.is_some() { input type="hidden" name="at" value=(visit.moment()); }
        button type="submit" { (words::SHOW) }
    };
    html! {
        @if name.has_range() {
            form.grid method="get" action=(path(name)) {
                (field(words::FROM, "from", visit.param("from"), words::MOMENT_HINT, false))
                (field(words::UNTIL, "to", visit.param("to"), words::MOMENT_HINT, false))
                (field(words::DURING, "during", visit.param("during"), words::DURING_HINT, false))
                (ask)
            }
        }
        @if name.has_days() {
            form.grid method="get" action=(path(name)) {
                (field(words::REPORT_DAYS, "days", visit.param("days"), words::REPORT_DAYS_HINT, false))
                (ask)
            }
        }
    }
}

fn report(visit: &Visit, name: Name, answer: &Value) -> Markup {
    let (columns, rows) = (columns(answer), elements(answer, "/rows"));
    let count = |name: &str| cell(answer, name).parse::<usize>().unwrap_or(0);
    let (size, total) = (size(name), count("row_count"));
    let summary = answer.get("summary").and_then(Value::as_object);
    html! {
        (made_before(visit, name, answer))
        dl {
            dt { (words::AS_OF) } dd { (moment(text(answer, "/as_of"))) }
            @if !text(answer, "/known_since").is_empty() {
                dt { (words::KNOWN_SINCE) } dd { (moment(text(answer, "/known_since"))) }
            }
            @for (label, bound) in [(words::FROM, "/from"), (words::UNTIL, "/to")] {
                @if !text(answer, bound).is_empty() { dt { (label) } dd { (moment(text(answer, bound))) } }
            }
            @for (name, value) in summary.into_iter().flatten() {
                dt { (spaced(name)) } dd { (words_or_none(&cells::text(value))) }
            }
        }
        p {
            a.button href=(file_address(visit, name, answer, "csv")) { (words::DOWNLOAD_CSV) } " "
            a.button href=(file_address(visit, name, answer, "json")) { (words::DOWNLOAD_JSON) }
        }
        @if rows.is_empty() { p.quiet { (words::NO_ROWS) } } @else {
            div.scroll tabindex="0" { table.list.rows {
                thead { tr { @for column in &columns { th scope="col" { (spaced(column)) } } } }
                tbody { @for row in rows {
                    tr { @for column in &columns { td { (value(visit, row, column)) } } }
                } }
            } }
            (turning(visit, name, answer, (total, count("first_row") / size, size)))
        }
        (made_from(name, answer))
    }
}

/// What the report depends on, and how to come by it again.
fn made_from(name: Name, answer: &Value) -> Markup {
    html! {
        section {
            h2 { (words::MADE_FROM) }
            dl {
                dt { (words::ACCOUNT_ID) } dd { (text(answer, "/account")) }
                dt { (words::LEDGER) } dd { "@" (cell(answer, "position")) }
                dt { (words::TREE_ROOT) } dd { code.hash data-copy="" { (text(answer, "/root")) } }
                dt { (words::ACTIVITY_BOOK) } dd { (words::receipts(&cell(answer, "activity"))) }
                dt { (words::GENERATOR) } dd { (text(answer, "/generator")) }
                dt { (words::AGAIN_BY) } dd { code data-copy="" { (text(answer, "/again")) } }
                @for (framework, ids) in name.controls() {
                    dt { (framework) } dd { (ids.join(", ")) }
                }
            }
            h3 { (words::CHECKPOINT) }
            pre.code tabindex="0" { (text(answer, "/checkpoint")) }
        }
    }
}

/// Says of a page that was turned that it is of the report that was made for the first one.
fn made_before(visit: &Visit, name: Name, answer: &Value) -> Markup {
    let is_turned = visit.at.is_none() && !visit.param("of").is_empty();
    let query = ["from", "to", "during", "days"].map(|name| (name, visit.param(name)));
    html! {
        @if is_turned {
            p.quiet { (words::report_made(&minute(text(answer, "/as_of")), &cell(answer, "position"))) " "
                a href=(address(&path(name), &query)) { (words::MAKE_ANEW) } }
        }
    }
}

/// The other pages of exactly this report; for those who may not look at the past, of the present as it is then.
fn turning(
    visit: &Visit,
    name: Name,
    answer: &Value,
    (total, page, size): (usize, usize, usize),
) -> Markup {
    if !visit.may_travel() {
        let asked = ["from", "to", "during", "days", "activity"];
        return pager_of(visit, &asked.map(|name| (name, visit.param(name))), total, page, size);
    }
    let activity = cell(answer, "activity");
    let mut kept = parameters_of(visit, name, answer, &activity).to_vec();
    // A date alone shows what had happened by then of the events that are there, and there may be more by then.
    kept.push((if visit.at.is_none() { "of" } else { "at" }, text(answer, "/at")));
    pager_of(visit, &kept, total, page, size)
}

/// The file of exactly this report: at its moment, after as many receipts.
fn file_address(visit: &Visit, name: Name, answer: &Value, form: &str) -> String {
    let activity = cell(answer, "activity");
    let mut query = parameters_of(visit, name, answer, &activity).to_vec();
    query.push(("at", text(answer, "/at")));
    address(&format!("{}/{form}", path(name)), &query)
}

/// What a report was asked for with, but for its moment.
fn parameters_of<'a>(
    visit: &'a Visit,
    name: Name,
    answer: &'a Value,
    activity: &'a str,
) -> [(&'static str, &'a str); 4] {
    let days = if name.has_days() { visit.param("days").trim() } else { "" };
    let (from, to) = (text(answer, "/from"), text(answer, "/to"));
    [("from", from), ("to", to), ("days", days), ("activity", activity)]
}

/// A cell: times to the minute, with a way to the events and principals that it names.
fn value(visit: &Visit, row: &Value, column: &str) -> Markup {
    let shown = cell(row, column);
    let event = row.get(column).and_then(Value::as_u64).filter(|_| column == "event");
    if let Some(event) = event {
        return html! { a href=(address(&format!("/console/ledger/{event}"), &[])) { "@" (event) } };
    }
    if column == "principal" || column == "user" {
        let (kind, name) = shown.split_once('/').unwrap_or(("user", &shown));
        if ["user", "role"].contains(&kind) && !name.starts_with('<') && name != "root" {
            return principal_link(visit, kind, name);
        }
    }
    match Timestamp::parse(&shown) {
        Some(_) => moment(&shown),
        None => words_or_none(&shown),
    }
}

fn moment(shown: &str) -> Markup {
    match Timestamp::parse(shown) {
        Some(_) => html! { time datetime=(shown) title=(shown) { (minute(shown)) } },
        None => html! { (shortened(shown, CHARACTERS)) },
    }
}

/// `password_set` is shown as two words.
fn spaced(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn words_or_none(text: &str) -> Markup {
    match text {
        "" => html! { span.quiet { "—" } },
        text => html! { (shortened(text, CHARACTERS)) },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_what_the_command_line_prints() {
        let answer = json!({
            "columns": ["user", "steps"],
            "rows": [{ "user": "=a", "steps": ["x", "y"] }, { "user": null, "steps": [] }],
        });
        assert_eq!(csv(&answer), "user,steps\n'=a,\"x, y\"\n,\n");
    }
}
