//! The reports that auditors ask for by name, and what they have in common.
//!
//! A report is a function of a length of the ledger, a length of the activity book and its parameters, and of
//! nothing else: no clock, no order in which things were asked. So whoever has both positions, which every
//! report prints, can generate it again to the same bytes. "Now" is only a name of the newest positions and
//! of the second at which it was asked, and is printed as these.
//!
//! Each report is a table in a file of its own, made from a [`Scene`].

use std::sync::Arc;

use serde_json::{Value, json};

use super::kept::Source;
use super::{
    direct_grants, dormant, keys, listing, mfa_coverage, movements, password_history, privileged,
    root_usage,
};
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::Event;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::Directory;
use crate::projection::whole::Whole;
use crate::projection::{Cut, ProjectionError, View};
use crate::service::Service;
use crate::service::activity::facts::AsOf;
use crate::service::audit::faces::Faces;
use crate::service::audit::log::Filter;
use crate::service::audit::names;
use crate::service::fault::Fault;
use crate::service::imports::gate;
use crate::service::moment::{Moment, Range};

/// Rows of a report, at most.
pub const MOST_ROWS: usize = 200_000;
/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// The controls that a report is evidence for: a framework, and its ids.
pub type Controls = &'static [(&'static str, &'static [&'static str])];

macro_rules! reports {
    ($( $(#[$doc:meta])* $name:ident $text:literal $title:literal [ $( $framework:literal $ids:tt )* ] )*) => {
        /// A report's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name { $( $(#[$doc])* $name, )* }

        impl Name {
            /// All of them.
            pub const ALL: &'static [Name] = &[$( Name::$name ),*];

            /// As it is written.
            pub fn text(self) -> &'static str {
                match self { $( Name::$name => $text, )* }
            }

            /// In words.
            pub fn title(self) -> &'static str {
                match self { $( Name::$name => $title, )* }
            }

            /// The controls that it answers.
            pub fn controls(self) -> Controls {
                match self { $( Name::$name => &[$( ($framework, &$ids) ),*], )* }
            }
        }
    };
}

// Sources: CIS AWS Foundations Benchmark 5.0 and 7.0, SOC 2 trust services criteria, ISO/IEC 27001:2022 Annex A,
// PCI DSS 4.0, NIST SP 800-53 revision 5.
reports! {
    /// AWS's credential report.
    Credential "credential" "Credential report: who has which credentials" [
        "CIS AWS Foundations 5.0" ["1.10", "1.12", "1.13"]
        "CIS AWS Foundations 7.0" ["2.12"]
        "SOC 2" ["CC6.1"]
        "PCI DSS 4.0" ["8.6.3"]
    ]
    /// Who signs in with a second factor.
    MfaCoverage "mfa-coverage" "Who signs in with a second factor, and since when" [
        "CIS AWS Foundations 5.0" ["1.9"]
        "CIS AWS Foundations 7.0" ["2.10"]
        "SOC 2" ["CC6.1"]
        "ISO/IEC 27001:2022" ["A.8.5"]
        "PCI DSS 4.0" ["8.4", "8.5"]
    ]
    /// Access keys, their age and use.
    Keys "keys" "Access keys: age, rotation, last use" [
        "CIS AWS Foundations 5.0" ["1.10", "1.12", "1.13"]
        "CIS AWS Foundations 7.0" ["2.12"]
        "SOC 2" ["CC6.1"]
        "PCI DSS 4.0" ["8.6.3"]
    ]
    /// Users who do not use their credentials.
    Dormant "dormant" "Users with a credential that is not used, and when those were disabled who used none" [
        "CIS AWS Foundations 5.0" ["1.11"]
        "CIS AWS Foundations 7.0" ["2.11"]
        "ISO/IEC 27001:2022" ["A.5.18"]
        "PCI DSS 4.0" ["8.2.6"]
        "NIST SP 800-53 r5" ["AC-2(3)"]
    ]
    /// What the root user did.
    RootUsage "root-usage" "What the root user did, and its credentials" [
        "CIS AWS Foundations 5.0" ["1.3", "1.4", "1.5", "1.6"]
        "CIS AWS Foundations 7.0" ["2.4", "2.5", "2.6", "2.7"]
        "PCI DSS 4.0" ["7.2", "8.2.2"]
    ]
    /// Who is, or can become, an administrator.
    Privileged "privileged" "Who is an administrator, or can become one" [
        "CIS AWS Foundations 5.0" ["1.15"]
        "CIS AWS Foundations 7.0" ["2.14"]
        "ISO/IEC 27001:2022" ["A.8.2"]
        "PCI DSS 4.0" ["7.2.5"]
        "NIST SP 800-53 r5" ["AC-6(5)", "AC-6(7)"]
    ]
    /// Policies that users have by themselves.
    DirectGrants "direct-grants" "Policies that users have by themselves, not through groups" [
        "CIS AWS Foundations 5.0" ["1.14"]
        "CIS AWS Foundations 7.0" ["2.13"]
        "SOC 2" ["CC6.3"]
    ]
    /// Who came, changed and left.
    JoinerMoverLeaver "joiner-mover-leaver" "Who joined, what they were given and lost, who left and was disabled when" [
        "SOC 2" ["CC6.2", "CC6.3"]
        "ISO/IEC 27001:2022" ["A.5.15", "A.5.16", "A.5.18"]
        "PCI DSS 4.0" ["8.2.4", "8.2.5"]
        "NIST SP 800-53 r5" ["AC-2", "PS-4", "PS-5"]
    ]
    /// The rules for passwords over time.
    PasswordPolicy "password-policy" "The rules for passwords over time" [
        "CIS AWS Foundations 5.0" ["1.7", "1.8"]
        "CIS AWS Foundations 7.0" ["2.8", "2.9"]
        "ISO/IEC 27001:2022" ["A.5.17"]
        "PCI DSS 4.0" ["8.3.6", "8.3.7"]
    ]
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// `ValidationError`, which lists them.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Name::ALL.iter().copied().find(|name| name.text() == text).ok_or_else(|| {
            let names: Vec<&str> = Name::ALL.iter().map(|name| name.text()).collect();
            Fault::validation(format!(
                "There is no report {text:?}; there are {}.",
                names.join(", ")
            ))
        })
    }

    /// Whether it tells of a stretch of time, and not only of a moment.
    pub fn has_range(self) -> bool {
        matches!(self, Name::RootUsage | Name::JoinerMoverLeaver | Name::PasswordPolicy)
    }

    /// Whether it takes a number of days from which on something is old or not used.
    pub fn has_days(self) -> bool {
        matches!(self, Name::Keys | Name::Dormant)
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which report.
    pub name: Name,
    /// Over which time, of those that tell of some.
    pub range: Range,
    /// Days from which on something is old (`keys`) or not used (`dormant`).
    pub days: Option<u32>,
    /// Receipts of the activity book that count; `None` for all.
    pub activity: Option<u64>,
    /// The rows that are wanted, for whoever shows a part; `None` for all. The answer counts them then.
    pub window: Option<Window>,
}

/// Some rows of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first, from 0.
    pub first: usize,
    /// How many, at most.
    pub most: usize,
}

impl Window {
    /// The same of so many rows: the last ones, where it would begin behind them.
    fn of(self, rows: usize) -> Self {
        let most = self.most.max(1);
        Window { first: self.first.min(rows.saturating_sub(1) / most * most), most }
    }
}

/// The ARN of a report, on which reading it is judged.
pub fn arn(digits: &str, name: Name) -> String {
    format!("arn:aws:domesday::{digits}:report/{}", name.text())
}

/// A report's table.
pub struct Table {
    /// The names of its columns.
    pub columns: &'static [&'static str],
    /// Its rows: objects with these members.
    pub rows: Vec<Value>,
    /// What it comes to.
    pub summary: Value,
}

/// What reports are made from: the account at two positions.
pub struct Scene<'a> {
    /// The service.
    pub service: &'a Service,
    /// Whose report.
    pub account: AccountId,
    /// The account as it was.
    pub view: &'a View,
    /// The same for whoever asks of everybody.
    pub whole: Whole<'a>,
    /// When.
    pub at: Timestamp,
    /// What everybody was called at each position.
    pub faces: Faces,
    /// What was used, as the activity book had it.
    pub facts: AsOf<'a>,
    /// Over which time.
    pub range: Range,
    /// Days from which on something is old or not used.
    pub days: Option<u32>,
}

/// Who did something, when, and for which ticket.
pub struct Act {
    /// The event.
    pub event: u64,
    /// When it happened.
    pub at: Timestamp,
    /// `user/admin`, or an id.
    pub by: String,
    /// The person behind it, as far as that is somebody else.
    pub person: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
}

impl Scene<'_> {
    /// The account.
    pub fn directory(&self) -> Directory<'_> {
        Directory::new(&self.whole, self.account)
    }

    /// Whole days from an instant to that of the report; none if it is later.
    pub fn days_since(&self, at: Timestamp) -> u64 {
        self.at.seconds().saturating_sub(at.seconds()) / DAY
    }

    /// The first and the last position that the range covers.
    pub fn bounds(&self) -> Result<(u64, u64), ProjectionError> {
        let Range { from, to } = self.range;
        Filter { from, to, ..Filter::default() }.bounds(self.view, self.account)
    }

    /// Hands out the account's events between two positions, oldest first.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn events(
        &self,
        (first, last): (u64, u64),
        each: &mut dyn FnMut(u64, &Frame<'_>, Event) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut failed: Option<Fault> = None;
        self.view
            .ledger()
            .read(first, &mut |position, frame| {
                if position > last {
                    return Ok(false);
                }
                if frame.header.account == self.account {
                    let step = Event::decode(frame.body)
                        .map_err(|error| Fault::from(ProjectionError::from(error)))
                        .and_then(|event| each(position, frame, event));
                    failed = step.err();
                }
                Ok(failed.is_none())
            })
            .map_err(ProjectionError::from)?;
        failed.map_or(Ok(()), Err)
    }

    /// Who did what an event tells.
    ///
    /// # Errors
    /// Whatever keeps ledger, rows or activity book from being read.
    pub fn act(&self, position: u64) -> Result<Act, Fault> {
        let bytes = self.view.ledger().event(position).map_err(ProjectionError::from)?;
        let frame = Frame::read(position, &bytes).map_err(ProjectionError::from)?;
        let event = Event::decode(frame.body).map_err(ProjectionError::from)?;
        self.act_of(position, &frame, &event)
    }

    /// The same of an event that was read.
    ///
    /// # Errors
    /// See [`act`](Self::act).
    pub fn act_of(&self, position: u64, frame: &Frame<'_>, event: &Event) -> Result<Act, Fault> {
        let origin = &event.origin;
        let activity = self.service.activity();
        let person = names::person(activity, &origin.actor, origin.credential.as_ref())?;
        let by = self.called(&origin.actor, position)?;
        let person = match person == origin.actor {
            true => None,
            false => Some(self.called(&person, position)?),
        };
        let at = frame.header.happened_at;
        Ok(Act { event: position, at, by, person, ticket: origin.ticket.clone() })
    }

    /// What an id was called when an event happened or, if that ended it, before; the id itself, if it had no name.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn called(&self, id: &UniqueId, position: u64) -> Result<String, Fault> {
        let face = self.faces.at(position, id)?;
        Ok(face.map_or_else(|| id.to_string(), |face| face.called()))
    }
}

/// Generates a report. Blocks; not for async threads.
///
/// # Errors
/// Parameters that the report does not take, positions that are not reached, and whatever keeps ledger or
/// activity book from being read.
pub fn generate(
    service: &Arc<Service>,
    account: AccountId,
    view: &View,
    asked_at: Option<&Moment>,
    ask: &Ask,
) -> Result<Value, Fault> {
    let takes = |given: bool, holds: bool, what: &str| match given && !holds {
        true => Err(Fault::validation(format!("The report {} takes no {what}.", ask.name.text()))),
        false => Ok(()),
    };
    takes(ask.range != Range::default(), ask.name.has_range(), "range of time: give `at`")?;
    takes(ask.days.is_some(), ask.name.has_days(), "days")?;
    let kept = service.activity().number()?;
    let number = ask.activity.unwrap_or(kept);
    if number > kept {
        return Err(Fault::validation(format!(
            "The activity book has {kept} receipts, not {number} yet."
        )));
    }
    let position = view.cut().position;
    let (at, pinned) = instant(service, account, view, asked_at)?;
    let view = &service.projections().at(pinned).passing();
    let known_since = match ask.name.has_range() {
        true => gate::known_of_range(view, account, ask.range.from, ask.range.to)?,
        false => None,
    };
    let digits = Directory::new(view, account).digits()?;
    let (range, days) = (ask.range, ask.days);
    let make = || {
        let facts = AsOf { book: service.activity(), number };
        let whole = Whole::new(view, account);
        let faces = Faces::new(view, account, digits.clone())?;
        table(&Scene { service, account, view, whole, faces, at, facts, range, days }, ask.name)
    };
    let (table, counts) = match ask.window {
        None => (make()?, None),
        Some(window) => {
            let forgotten = service.activity().forgotten()?;
            let name = ask.name;
            let source = Source { account, name, range, days, cut: pinned, at, number, forgotten };
            let packed = service.reports().kept.or_make(source, make)?;
            let window = window.of(packed.len());
            (packed.table(window)?, Some((window.first, packed.len())))
        }
    };
    let moment = Moment { time: pinned.time, position: Some(position) };
    // The same bytes whenever it is asked for, as all of the report.
    let signed = service.checkpoint_at(position)?;
    let controls: Vec<Value> = ask
        .name
        .controls()
        .iter()
        .map(|(framework, ids)| json!({ "framework": framework, "ids": ids }))
        .collect();
    let mut answer = json!({
        "report": ask.name.text(),
        "title": ask.name.title(),
        "generator": concat!("domesday ", env!("CARGO_PKG_VERSION")),
        "account": digits,
        "controls": controls,
        "as_of": at.to_string(),
        "from": range.from.map(|from| from.to_string()),
        "to": range.to.map(|to| to.to_string()),
        "known_since": known_since.map(|since| since.to_precise()),
        "at": moment.to_string(),
        "position": position,
        "activity": number,
        "root": hex(&signed.checkpoint.root),
        "checkpoint": signed.to_string(),
        "again": again(ask, &moment, number),
        "summary": table.summary,
        "columns": table.columns,
        "rows": table.rows,
    });
    if let (Some((first, all)), Value::Object(members)) = (counts, &mut answer) {
        members.insert("first_row".to_owned(), first.into());
        members.insert("row_count".to_owned(), all.into());
    }
    Ok(answer)
}

fn table(scene: &Scene<'_>, name: Name) -> Result<Table, Fault> {
    let table = match name {
        Name::Credential => listing::table(scene)?,
        Name::MfaCoverage => mfa_coverage::table(scene)?,
        Name::Keys => keys::table(scene)?,
        Name::Dormant => dormant::table(scene)?,
        Name::RootUsage => root_usage::table(scene)?,
        Name::Privileged => privileged::table(scene)?,
        Name::DirectGrants => direct_grants::table(scene)?,
        Name::JoinerMoverLeaver => movements::table(scene)?,
        Name::PasswordPolicy => password_history::table(scene)?,
    };
    if table.rows.len() > MOST_ROWS {
        return Err(Fault::validation(format!(
            "The report would have more than {MOST_ROWS} rows: ask for a shorter time."
        )));
    }
    Ok(table)
}

/// The instant of a report, and what it shows: what had happened by then, of the events that are there.
///
/// Of a position it is when its last event happened; of the present the second in which it is asked.
fn instant(
    service: &Service,
    account: AccountId,
    view: &View,
    asked_at: Option<&Moment>,
) -> Result<(Timestamp, Cut), Fault> {
    let cut = view.cut();
    if let Some(time) = cut.time {
        return Ok((time, cut));
    }
    let now = || Timestamp::from_seconds(service.clock().now().seconds());
    let last = |position| -> Result<Timestamp, Fault> {
        let sequence = view.ledger().events_of(account, position).map_err(ProjectionError::from)?;
        let found = view.ledger().position(account, sequence).map_err(ProjectionError::from)?;
        let Some(found) = found else { return Ok(Timestamp::EPOCH) };
        let bytes = view.ledger().event(found).map_err(ProjectionError::from)?;
        let frame = Frame::read(found, &bytes).map_err(ProjectionError::from)?;
        Ok(frame.header.happened_at)
    };
    match asked_at {
        Some(_) => Ok((last(cut.position)?, cut)),
        None => {
            // The newest event may have happened later in this very second.
            let at = now().max(last(cut.position)?);
            Ok((at, Cut { position: cut.position, time: Some(at) }))
        }
    }
}

/// The command that generates the same report.
fn again(ask: &Ask, at: &Moment, activity: u64) -> String {
    let mut command = format!("domesday report {}", ask.name.text());
    for (name, moment) in [("from", ask.range.from), ("to", ask.range.to)] {
        if let Some(moment) = moment {
            command += &format!(" --{name} {moment}");
        }
    }
    match (ask.name, ask.days) {
        (Name::Keys, Some(days)) => command += &format!(" --older-than {days}d"),
        (_, Some(days)) => command += &format!(" --days {days}"),
        (_, None) => {}
    }
    command + &format!(" --at {at} --activity {activity}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_has_a_name_and_controls() {
        for name in Name::ALL {
            assert_eq!(Name::parse(name.text()).unwrap(), *name);
            assert!(!name.controls().is_empty() && !name.title().is_empty());
            assert!(name.controls().iter().all(|(_, ids)| !ids.is_empty()));
        }
        let refused = Name::parse("everything").unwrap_err();
        assert!(refused.message.contains("joiner-mover-leaver"), "{refused}");
    }
}
