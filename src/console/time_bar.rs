//! The time bar at the top of every page: when things happened, which moment is shown, and the way to
//! another one.
//!
//! It is a form and works as one: the handle moves over time and *Go* shows what it points at. The script
//! moves by the arrow keys from event to event, and goes by itself.

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{minute, plain};
use super::sentence;
use super::visit::{Visit, address, next};
use super::words;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::ledger::Frame;
use crate::projection::ProjectionError;
use crate::service::audit::log;
use crate::service::fault::Fault;
use crate::service::overview::timeline::Bar as Stretch;

/// Stretches of time in the histogram.
const STRETCHES: u64 = 120;
/// Its measures, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: u64 = 44;

/// What the bar and the frame around it show.
pub struct Bar {
    /// The account's alias or digits.
    pub account: String,
    stretches: Vec<Stretch>,
    is_counted: bool,
    /// Why there is no histogram, if there is none.
    withheld: Option<String>,
    shown: Timestamp,
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
                    input type="hidden" name="end" value=(end);
                    div.track {
                        (histogram(bar))
                        input.handle type="range" name="t" min=(first.seconds()) max=(end)
                            step=(step) value=(handle)
                            aria-label=(words::MOMENT) aria-valuetext={ (shown) " UTC" } list="none";
                    }
                    div.ends aria-hidden="true" {
                        span { (minute(&first.to_string())) } span.legend {
                            span.key.all {} (words::EVENTS_KEY) " " span.key.privileged {} (words::PRIVILEGED_KEY) " "
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

/// Where the handle points.
#[derive(Deserialize)]
pub struct Handle {
    to: String,
    t: u64,
    /// The right end of the bar, where it stood when the page was made.
    end: Option<u64>,
}

/// Goes to the moment that the handle points at.
pub async fn go(Query(handle): Query<Handle>) -> Response {
    let to = next(&handle.to).unwrap_or("/console/");
    if handle.end.is_some_and(|end| handle.t >= end) {
        return Redirect::to(to).into_response();
    }
    let at = Timestamp::from_seconds(handle.t).to_string();
    let joint = if to.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{to}{joint}{}", address("", &[("at", &at)]).trim_start_matches('?')))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_seen_beside_ten_thousand() {
        assert_eq!(height(0, 10_000), 0);
        assert!(height(1, 10_000) >= 2);
        assert_eq!(height(10_000, 10_000), HEIGHT - 14);
    }
}
