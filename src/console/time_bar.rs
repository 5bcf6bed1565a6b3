//! The time bar at the top of every page: when things happened, which moment is shown, and the way to
//! another one.
//!
//! It is a form and works as one: the handle moves over time and *Go* shows what it points at. The script
//! moves by the arrow keys from event to event, and goes by itself. Where two moments are compared, a second handle is
//! the first of them.

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{minute, plain};
use super::sentence;
use super::typed_moment;
use super::visit::{Visit, address, next, pairs};
use super::words;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::ledger::{Frame, Ledger};
use crate::projection::ProjectionError;
use crate::service::audit::log;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::overview::timeline::Bar as Stretch;

/// Stretches of time in the histogram.
const STRETCHES: u64 = 120;
/// Its measures, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: u64 = 44;
/// The page that compares two moments.
const COMPARE: &str = "/console/diff";

/// What the bar and the frame around it show.
pub struct Bar {
    /// The account's alias or digits.
    pub account: String,
    stretches: Vec<Stretch>,
    is_counted: bool,
    /// Why there is no histogram, if there is none.
    withheld: Option<String>,
    shown: Timestamp,
    /// Where two moments are compared: since when, if that was said.
    compared: Option<Option<Timestamp>>,
    now: Timestamp,
    before: Option<u64>,
    after: Option<u64>,
    /// The event that the moment shown comes right after, in words.
    sentence: Option<(u64, String)>,
}

/// Gathers it.
///
/// # Errors
/// Whatever keeps the ledger or the activity book from being read.
pub async fn gather(visit: &Visit) -> Result<Bar, Fault> {
    let (at, now) = (visit.at, visit.arrival.at);
    let from = typed_moment::read(visit.param("from"), now).ok().flatten();
    let compares = visit.path == COMPARE;
    visit
        .glance(move |glance| {
            let directory = glance.directory();
            let row = directory.account_row()?;
            let account = row.map(|row| row.alias.unwrap_or(row.digits)).unwrap_or_default();
            let account = if account.is_empty() { glance.caller.digits.clone() } else { account };
            let mut bar = Bar {
                account,
                stretches: Vec::new(),
                is_counted: true,
                withheld: None,
                shown: glance.until(),
                compared: None,
                now,
                before: None,
                after: None,
                sentence: None,
            };
            match glance.may("domesday:ReadLedger") {
                Ok(()) => {}
                Err(fault) if fault.status == 403 => {
                    bar.withheld = Some(fault.message);
                    return Ok(bar);
                }
                Err(fault) => return Err(fault),
            }
            let (view, id) = (&glance.shown, glance.caller.account);
            let service = glance.service;
            (bar.stretches, bar.is_counted) =
                service.timeline().bars(view, service.activity(), id, now, STRETCHES)?;
            let ledger = view.ledger();
            let position = view.position_of(id)?;
            let sequence = ledger.events_of(id, position)?;
            let here = ledger.position(id, sequence)?;
            if compares {
                bar.compared = Some(from.map(|from| time_of(ledger, from)).transpose()?.flatten());
            }
            let is_on_event = at.is_some_and(|at| at.time.is_none() && here == at.position);
            bar.before = match is_on_event {
                true if sequence > 1 => ledger.position(id, sequence - 1)?,
                true => None,
                false => here,
            };
            bar.after = at.and(ledger.position(id, sequence + 1)?);
            if let Some(here) = here.filter(|_| at.is_some()) {
                let bytes = ledger.event(here)?;
                let frame = Frame::read(here, &bytes)?;
                let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
                let entry = log::entry(service.activity(), view, here, &frame, &event)?;
                bar.sentence = Some((here, sentence::of(&entry)));
                if at.is_some_and(|at| at.time.is_none()) {
                    bar.shown = frame.header.recorded_at;
                }
            }
            Ok(bar)
        })
        .await
}

/// When a moment is; `None` of a position that nothing stands at.
fn time_of(ledger: &Ledger, moment: Moment) -> Result<Option<Timestamp>, Fault> {
    let Some(position) = moment.position.filter(|_| moment.time.is_none()) else {
        return Ok(moment.time);
    };
    let found = ledger.event(position).ok();
    let read = |bytes: Vec<u8>| Ok(Frame::read(position, &bytes)?.header.recorded_at);
    found.map(read).transpose()
}

/// A height that shows both one event and ten thousand.
fn height(count: u32, most: u32) -> u64 {
    let scale = |count: u32| f64::from(count).ln_1p();
    let share = scale(count) / scale(most.max(1));
    // Between 0 and the height by construction.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let height = (share * (HEIGHT - 14) as f64).ceil() as u64;
    height
}

/// The histogram: bars of events, the part that changed permissions darker; a diamond above for the root
/// user, a cross below for denials.
fn histogram(bar: &Bar) -> Markup {
    let most = bar.stretches.iter().map(|one| one.counts.events).max().unwrap_or(0);
    let count = u32::try_from(bar.stretches.len().max(1)).unwrap_or(1);
    let width = WIDTH / f64::from(count);
    let x = |index: u32| format!("{:.1}", f64::from(index) * width);
    let middle = |index: u32| format!("{:.1}", (f64::from(index) + 0.5) * width);
    let wide = format!("{:.1}", (width - 1.0).max(1.0));
    let floor = HEIGHT - 7;
    let total = |of: fn(&Stretch) -> u32| bar.stretches.iter().map(of).sum::<u32>();
    let label = words::histogram(
        total(|one| one.counts.events),
        total(|one| one.counts.root),
        total(|one| one.counts.privileged),
        total(|one| one.counts.denied),
    );
    html! {
        svg.histogram role="img" aria-label=(label) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
            @for (index, one) in (0..).zip(&bar.stretches) {
                @let counts = one.counts;
                @if counts.events > 0 {
                    @let tall = height(counts.events, most);
                    rect.all x=(x(index)) y=(floor - tall) width=(wide) height=(tall) {}
                    @if counts.privileged > 0 {
                        @let dark = height(counts.privileged, most).min(tall);
                        rect.privileged x=(x(index)) y=(floor - dark) width=(wide) height=(dark) {}
                    }
                }
                @if counts.root > 0 { path.root d={ "M" (middle(index)) " 0l4 4l-4 4l-4-4z" } {} }
                @if counts.denied > 0 { path.denied d={ "M" (middle(index)) " " (HEIGHT - 3) "m-3-3l6 6m0-6l-6 6" } {} }
            }
        }
    }
}

/// The bar.
pub fn show(visit: &Visit, bar: &Bar) -> Markup {
    let first = bar.stretches.first().map_or(bar.now, |one| one.from);
    let last = bar.stretches.last().map_or(bar.now, |one| one.to);
    let length = last.seconds().saturating_sub(first.seconds());
    let step = length.checked_div(1_000).unwrap_or(1).max(1);
    // Whole steps, since a handle stops nowhere else: its right end can be reached, and is the present.
    let end = first.seconds() + length.div_ceil(step) * step;
    let handle = match visit.at {
        None => end,
        Some(_) => bar.shown.seconds().clamp(first.seconds(), end),
    };
    // Before anything is compared, it is since the beginning.
    let second =
        bar.compared.map(|from| from.unwrap_or(first).seconds().clamp(first.seconds(), end));
    let moment = |position: u64| visit.here_at(&format!("@{position}"));
    let after = match (bar.after, visit.at) {
        (Some(position), _) => Some(moment(position)),
        (None, Some(_)) => Some(visit.here_at("")),
        (None, None) => None,
    };
    let shown = minute(&bar.shown.to_string());
    html! {
        section.time aria-label=(words::TIME) {
            @if let Some(at) = visit.at {
                p.past role="status" {
                    strong { (words::PAST) } " " (words::as_of(&at.to_string())) " "
                    @if let Some((position, sentence)) = &bar.sentence {
                        span { (words::AFTER) " "
                            a href=(address(&format!("/console/ledger/{position}"), &[])) { "@" (position) } ": " (sentence) " " }
                    }
                    a.now href=(visit.here_at("")) { (words::TO_PRESENT) }
                }
            }
            @if let Some(why) = &bar.withheld {
                details.withheld { summary { (words::NO_TIMELINE) } p { (plain(why)) } }
            } @else {
                form method="get" action="/console/go" {
                    input type="hidden" name="to" value=(visit.here_at(""));
                    @for (name, value) in [("end", end), ("step", step), ("stood", handle)] {
                        input type="hidden" name=(name) value=(value);
                    }
                    input type="hidden" name="at" value=(visit.moment());
                    div.track {
                        (histogram(bar))
                        input.handle type="range" name="t" min=(first.seconds()) max=(end)
                            step=(step) value=(handle)
                            aria-label=(if second.is_some() { words::UNTIL } else { words::MOMENT })
                            aria-valuetext={ (shown) " UTC" } list="none";
                    }
                    @if let Some(second) = second {
                        @let from = minute(&Timestamp::from_seconds(second).to_string());
                        input type="hidden" name="from_stood" value=(second);
                        div.track.from {
                            input.handle type="range" name="from" min=(first.seconds()) max=(end) step=(step) value=(second)
                                aria-label=(words::FROM) aria-valuetext={ (from) " UTC" } list="none";
                        }
                    }
                    div.ends aria-hidden="true" {
                        span { (minute(&first.to_string())) } span.legend {
                            span.key.all {} (words::EVENTS_KEY) " " span.key.privileged {} (words::PRIVILEGED_KEY) " "
                            @if second.is_some() { span.key.from { "●" } (words::FROM) " " span.key.until { "●" } (words::UNTIL) " " }
                            span.key.root { "◆" } (words::ROOT_KEY) " " span.key.denied { "✕" } (words::DENIED_KEY)
                        } span { (words::NOW) }
                    }
                    button type="submit" { (words::GO) }
                    @if !bar.is_counted { span.quiet { (words::COUNTING) } }
                }
            }
            form.moment method="get" action=(visit.path) {
                @for (name, value) in visit.timeless() { input type="hidden" name=(name) value=(value); }
                @match bar.before {
                    Some(position) => a.step rel="prev" href=(moment(position)) { (words::PREVIOUS_EVENT) },
                    None => span.step.quiet { (words::PREVIOUS_EVENT) },
                }
                @match &after {
                    Some(address) => a.step rel="next" href=(address) { (words::NEXT_EVENT) },
                    None => span.step.quiet { (words::NEXT_EVENT) },
                }
                label { span.hidden { (words::MOMENT) }
                    input type="text" name="at" value=(visit.moment()) placeholder=(words::MOMENT_HINT) autocomplete="off" size="24"; }
                button type="submit" { (words::SHOW) }
            }
        }
    }
}

/// Where the handles point, and where they and the bar stood when the page was made.
#[derive(Deserialize)]
pub struct Handles {
    to: String,
    /// The moment that the page showed; empty for the present.
    #[serde(default)]
    at: String,
    t: u64,
    stood: Option<u64>,
    from: Option<u64>,
    from_stood: Option<u64>,
    /// The right end of the bar.
    end: Option<u64>,
    #[serde(default)]
    step: u64,
}

impl Handles {
    /// The moment of a handle that was moved; handles stop at whole steps, so that less is no move.
    fn moved(&self, to: u64, stood: Option<u64>) -> Option<String> {
        let is_moved = stood.is_none_or(|stood| to.abs_diff(stood) >= self.step.max(1));
        is_moved.then(|| Timestamp::from_seconds(to).to_string())
    }

    /// The address of the page at where they point.
    fn address(&self) -> String {
        let to = next(&self.to).unwrap_or("/console/");
        let (path, query) = to.split_once('?').unwrap_or((to, ""));
        let mut query = pairs(query.as_bytes());
        if let Some(from) = self.from.and_then(|from| self.moved(from, self.from_stood)) {
            query.retain(|(name, _)| name != "from");
            query.push(("from".to_owned(), from));
        }
        let is_present = self.end.is_some_and(|end| self.t >= end);
        let at = match self.moved(self.t, self.stood) {
            _ if is_present => String::new(),
            Some(moved) => moved,
            None => self.at.clone(),
        };
        query.push(("at".to_owned(), at));
        let query: Vec<_> =
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        address(path, &query)
    }
}

/// Goes to the moment that the handle points at.
pub async fn go(Query(handles): Query<Handles>) -> Response {
    Redirect::to(&handles.address()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_that_did_not_move_keeps_its_moment() {
        let handles = |t, from| Handles {
            to: "/console/diff?principal=alice&from=%407".to_owned(),
            at: "@9".to_owned(),
            t,
            stood: Some(1_000),
            from: Some(from),
            from_stood: Some(500),
            end: Some(2_000),
            step: 10,
        };
        let query = |t, from| handles(t, from).address().split_once('?').unwrap().1.to_owned();
        assert_eq!(query(1_004, 495), "principal=alice&from=%407&at=%409");
        assert_eq!(query(2_000, 500), "principal=alice&from=%407");
        let moved = query(1_100, 600);
        assert!(moved.contains("from=1970-01-01T00%3A10%3A00Z"), "{moved}");
        assert!(
            moved.contains("at=1970-01-01T00%3A18%3A20Z") && !moved.contains("%407"),
            "{moved}"
        );
        // What leads elsewhere leads to the dashboard.
        let elsewhere = Handles { to: "//example.com/".to_owned(), ..handles(2_000, 500) };
        assert_eq!(elsewhere.address(), "/console/");
    }

    #[test]
    fn one_event_is_seen_beside_ten_thousand() {
        assert_eq!(height(0, 10_000), 0);
        assert!(height(1, 10_000) >= 2);
        assert_eq!(height(10_000, 10_000), HEIGHT - 14);
    }
}
