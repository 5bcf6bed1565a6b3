//! The line of an account's time: who somebody was along it, and when it could do something.
//!
//! A principal is looked at through a [`History`], at the positions at which anything that was read of it -
//! its row, groups, policies and their versions, boundary, tags, the organisation's policies, the catalogue -
//! is another: between two of them it is one [`Epoch`]. So is the resource, of which a role's trust policy and
//! the tags of users, groups, roles and policies are known ([`Ground`]). Where the two overlap, the decision
//! turns with the clock alone, and policies tell at which seconds ([`Policies::clock`](crate::policy::Policies::clock)).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::span::{Bound, Cause, Held, Point, Span};
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Frame};
use crate::policy::{Clock, Deciding, Exploration, PolicySet, Turn};
use crate::projection::History;
use crate::projection::directory::Directory;
use crate::service::Service;
use crate::service::audit::can::{because, known};
use crate::service::audit::names;
use crate::service::authorize::Grants;
use crate::service::evaluation::keys::set_time;
use crate::service::fault::Fault;
use crate::service::imports::gate;
use crate::service::moment::{Moment, Range};
use crate::service::supposed::{Could, Kind, Supposed, set_tags, tags_of, trust_on};

/// The seconds that a year of four digits can name; no condition turns later.
const LAST_SECOND: i64 = 253_402_300_799;

/// Somebody as policies saw it.
pub struct Someone {
    /// Who.
    pub supposed: Supposed,
    /// The policies, which are the same in many an epoch.
    pub grants: Rc<Grants>,
}

/// The positions over which a principal stayed the same.
pub struct Epoch {
    /// The first.
    pub from: u64,
    /// The first after it; `None` up to the end.
    pub until: Option<u64>,
    /// Who it was; `None` while it did not exist, or its account was closed.
    pub someone: Option<Someone>,
}

/// The positions over which what is known of a resource stayed the same.
pub struct Ground {
    from: u64,
    until: Option<u64>,
    trust: Option<PolicySet>,
    tags: Option<Vec<(String, String)>>,
}

/// What is asked of somebody: an action on a resource, in a context.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// `s3:GetObject`
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: &'a str,
    /// Keys and values that are known.
    pub given: &'a [(String, String)],
}

/// An account's time.
pub struct Line<'v> {
    /// Whose documents are read.
    pub service: &'v Service,
    /// The rows.
    pub history: &'v History<'v>,
    /// The account.
    pub account: AccountId,
    /// Before this point nothing is known: the baseline of an account that was imported.
    known_since: Option<Point>,
    /// The positions that are looked at: from the first, to the last if there is one.
    window: (u64, Option<u64>),
    /// The last instant.
    horizon: Timestamp,
    times: RefCell<HashMap<u64, Timestamp>>,
}

impl<'v> Line<'v> {
    /// The time of an account up to the cut of a view. At the head it goes on to the present.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn new(
        service: &'v Service,
        history: &'v History<'v>,
        account: AccountId,
    ) -> Result<Self, Fault> {
        let view = history.view();
        let times = RefCell::default();
        // A history that came in begins with its last event of that instant: all of them are one state.
        let since = gate::known_since(view, account)?;
        let point = |at| -> Result<Point, Fault> {
            let position = view.ledger().cut_at(account, at, view.cut().position)?;
            Ok(Point { position, at })
        };
        let known_since = since.map(point).transpose()?;
        let (horizon, window) = (Timestamp::EPOCH, (0, None));
        let mut line = Line { service, history, account, known_since, window, horizon, times };
        let last = line.time_of(view.position_of(account)?)?;
        let is_head = view.cut().position == view.ledger().head().position;
        line.horizon = match view.cut().time {
            Some(time) => time,
            None if is_head => service.clock().now().max(last),
            None => last,
        };
        Ok(line)
    }

    /// The same, of an account about which nothing is known before a point.
    pub fn known_since(self, point: Point) -> Self {
        Line { known_since: Some(point), ..self }
    }

    /// The point before which nothing is known.
    pub fn baseline(&self) -> Option<Point> {
        self.known_since
    }

    /// The same, of which no more is looked at than it takes to see who could do something within a range: what
    /// lasts where that begins seems to begin there.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn within(self, range: &Range) -> Result<Self, Fault> {
        let cut = self.history.view().cut().position;
        let position = |moment: &Option<Moment>| -> Result<Option<u64>, Fault> {
            let Some(Moment { time, position }) = moment else { return Ok(None) };
            let ledger = self.history.view().ledger();
            let by_time = time.map(|time| ledger.cut_at(self.account, time, cut)).transpose()?;
            Ok(match (*position, by_time) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            })
        };
        let window = (position(&range.from)?.unwrap_or(0), position(&range.to)?);
        Ok(Line { window, ..self })
    }

    /// The first position that is looked at.
    fn first(&self) -> u64 {
        self.known_since.map_or(0, |point| point.position).max(self.window.0)
    }

    /// A position, if it is not beyond what is looked at.
    fn looked_at(&self, position: Option<u64>) -> Option<u64> {
        position.filter(|position| self.window.1.is_none_or(|last| *position <= last))
    }

    /// When the event of a position took effect. One of the system account counts from when it happened, but
    /// not before what happened in this account before it, nor after what did after it.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn time_of(&self, position: u64) -> Result<Timestamp, Fault> {
        if position == 0 {
            return Ok(Timestamp::EPOCH);
        }
        if let Some(time) = self.times.borrow().get(&position) {
            return Ok(*time);
        }
        let ledger = self.history.view().ledger();
        let header = |position: u64| {
            let bytes = ledger.event(position)?;
            Ok::<_, Fault>(Frame::read(position, &bytes)?.header)
        };
        let own = header(position)?;
        let mut time = own.happened_at;
        if own.account != self.account {
            let sequence = ledger.events_of(self.account, position)?;
            let near = |sequence: u64| -> Result<Option<Timestamp>, Fault> {
                let position = ledger.position(self.account, sequence)?;
                position.map(|position| Ok(header(position)?.happened_at)).transpose()
            };
            time = time.max(near(sequence)?.unwrap_or_default());
            time = near(sequence + 1)?.map_or(time, |next| next.min(time));
        }
        self.times.borrow_mut().insert(position, time);
        Ok(time)
    }

    /// Who a principal was, over time; empty for one that never existed.
    ///
    /// # Errors
    /// Whatever keeps its rows from being read.
    pub fn epochs(&self, id: &UniqueId) -> Result<Vec<Epoch>, Fault> {
        let mut epochs = Vec::new();
        let mut next = Some(self.first());
        let mut gathered: Option<(Option<u64>, Rc<Grants>)> = None;
        while let Some(from) = next {
            let past = self.history.at(from);
            let supposed = self.supposed(Directory::new(&past, self.account), id)?;
            let mut until = past.until();
            let someone = match supposed {
                None => None,
                Some(supposed) => {
                    let holds = |(end, _): &(Option<u64>, _)| end.is_none_or(|end| end > from);
                    let (end, grants) = match gathered.take().filter(holds) {
                        Some(gathered) => gathered,
                        None => self.gather(&supposed, from)?,
                    };
                    until =
                        until.map_or(end, |until| Some(end.map_or(until, |end| end.min(until))));
                    gathered = Some((end, grants.clone()));
                    Some(Someone { supposed, grants })
                }
            };
            next = self.looked_at(until);
            epochs.push(Epoch { from, until, someone });
        }
        Ok(match epochs.iter().any(|epoch| epoch.someone.is_some()) {
            true => epochs,
            false => Vec::new(),
        })
    }

    fn supposed(&self, directory: Directory<'_>, id: &UniqueId) -> Result<Option<Supposed>, Fault> {
        let Some(account) = directory.account_row()? else { return Ok(None) };
        if account.closed.is_some() {
            return Ok(None);
        }
        if *id == UniqueId::root() {
            return Ok(Some(Supposed::root(&account.digits)));
        }
        match names::by_id(directory, id)? {
            None => Ok(None),
            Some(found) => Supposed::of_found(directory, &account.digits, &found),
        }
    }

    /// The policies of somebody at a position, and until when they stay.
    fn gather(&self, supposed: &Supposed, from: u64) -> Result<(Option<u64>, Rc<Grants>), Fault> {
        let past = self.history.at(from);
        let directory = Directory::new(&past, self.account);
        let grants = supposed.grants(self.service.documents(), &directory)?;
        Ok((past.until(), Rc::new(grants)))
    }

    /// What was known of a resource, over time.
    ///
    /// # Errors
    /// Whatever keeps its rows from being read.
    pub fn grounds(&self, action: &str, resource: &str) -> Result<Vec<Ground>, Fault> {
        let mut grounds = Vec::new();
        let mut next = Some(self.first());
        while let Some(from) = next {
            let past = self.history.at(from);
            let ground = self.ground(Directory::new(&past, self.account), action, resource)?;
            next = self.looked_at(past.until());
            grounds.push(Ground { from, until: past.until(), ..ground });
        }
        Ok(grounds)
    }

    /// What a directory knows of a resource, for good.
    ///
    /// # Errors
    /// Whatever keeps its rows from being read.
    pub fn ground(
        &self,
        directory: Directory<'_>,
        action: &str,
        resource: &str,
    ) -> Result<Ground, Fault> {
        let trust = trust_on(self.service.documents(), directory, action, resource)?;
        Ok(Ground { from: 0, until: None, trust, tags: tags_of(directory, resource)? })
    }

    /// When a principal could do something, in order.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn spans(
        &self,
        epochs: &[Epoch],
        grounds: &[Ground],
        asked: Asked<'_>,
    ) -> Result<Vec<Span>, Fault> {
        let mut sweep = Sweep { line: self, asked, spans: Vec::new(), open: None };
        if let Some(point) = self.known_since {
            let bound = |point, because: &str| Bound {
                point,
                cause: Cause::Baseline,
                because: because.to_owned(),
            };
            let start = Point { position: 0, at: Timestamp::EPOCH };
            let unknown = "nothing is known before the account was imported";
            let (from, to) = (bound(start, unknown), bound(point, "the account was imported"));
            sweep.spans.push(Span { from, to: Some(to), held: Held::Unknown });
        }
        let (mut who, mut what) = (epochs.iter().peekable(), grounds.iter().peekable());
        while let (Some(epoch), Some(ground)) = (who.peek(), what.peek()) {
            let from = epoch.from.max(ground.from);
            let until = match (epoch.until, ground.until) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            };
            sweep.segment(epoch, ground, from, until)?;
            let (epoch, ground) = (epoch.until, ground.until);
            if self.looked_at(until).is_none() {
                break;
            }
            if epoch == until {
                who.next();
            }
            if ground == until {
                what.next();
            }
        }
        Ok(sweep.finish())
    }

    /// Decides for somebody at an instant, if that is to be known, and gives what came of it to `then`.
    pub fn decide<T>(
        &self,
        someone: &Someone,
        ground: &Ground,
        asked: Asked<'_>,
        at: Option<Timestamp>,
        then: impl FnOnce(Could, &Exploration<'_>) -> T,
    ) -> T {
        let mut context = someone.supposed.context();
        if let Some(at) = at {
            set_time(&mut context, at);
        }
        set_tags(&mut context, ground.tags.as_deref().unwrap_or_default());
        let mut context = known(asked.given, context);
        let policies = someone.grants.policies_on(asked.action, ground.trust.as_ref());
        let wanted = (asked.action, asked.resource);
        let is_known = ground.tags.is_some();
        let explored = someone.supposed.explore(wanted, &policies, &mut context, is_known);
        then(Could::of(&explored, &context), &explored)
    }
}

impl Ground {
    /// What the policies that have a say have to do with the time.
    pub fn clock<'a>(&'a self, someone: &'a Someone, asked: Asked<'_>) -> Clock<'a> {
        someone.grants.policies_on(asked.action, self.trust.as_ref()).clock(asked.action)
    }

    /// Whether a request of somebody could be allowed at all; a yes may be mistaken.
    fn may(&self, someone: &Someone, asked: Asked<'_>) -> bool {
        self.trust.is_some()
            || someone.supposed.kind == Kind::Root
            || someone.grants.identity.may_allow(asked.action, asked.resource)
    }
}

/// A way along the line, with the span that is open.
struct Sweep<'l, 'v, 'a> {
    line: &'l Line<'v>,
    asked: Asked<'a>,
    spans: Vec<Span>,
    open: Option<(Bound, Held)>,
}

impl Sweep<'_, '_, '_> {
    /// Positions in which only the clock moves.
    fn segment(
        &mut self,
        epoch: &Epoch,
        ground: &Ground,
        from: u64,
        until: Option<u64>,
    ) -> Result<(), Fault> {
        let start = Point { position: from, at: self.line.time_of(from)? };
        let cause = Cause::Event(from);
        let Some(someone) = &epoch.someone else {
            self.turn(start, cause, Could::No, || "it is not there".to_owned());
            return Ok(());
        };
        if !ground.may(someone, self.asked) {
            let asked = self.asked;
            self.turn(start, cause, Could::No, || {
                format!("because no identity-based policy allows the {} action", asked.action)
            });
            return Ok(());
        }
        let clock = ground.clock(someone, self.asked);
        let at = (!clock.is_opaque).then_some(start.at);
        self.decide(someone, ground, at, start, cause);
        if clock.is_opaque {
            return Ok(());
        }
        let end = match until {
            Some(until) => self.line.time_of(until)?,
            None => Timestamp::from_micros(self.line.horizon.micros().saturating_add(1)),
        };
        let turns: Vec<&Turn<'_>> = clock.turns.iter().collect();
        for together in turns.chunk_by(|one, other| one.second == other.second) {
            let Some(at) = together.first().and_then(|turn| instant(turn.second)) else { continue };
            if at <= start.at || at >= end {
                continue;
            }
            let cut = self.line.history.view().cut().position;
            let position = self.line.history.view().ledger().cut_at(self.line.account, at, cut)?;
            let point = Point { position: position.max(from), at };
            let conditions = together.iter().map(|turn| condition(turn)).collect();
            self.decide(someone, ground, Some(at), point, Cause::Clock(conditions));
        }
        Ok(())
    }

    fn decide(
        &mut self,
        someone: &Someone,
        ground: &Ground,
        at: Option<Timestamp>,
        point: Point,
        cause: Cause,
    ) {
        let (line, asked) = (self.line, self.asked);
        line.decide(someone, ground, asked, at, |could, explored| {
            self.turn(point, cause, could, || because(&explored.decision, asked.action));
        });
    }

    /// Notes what holds from a point on.
    fn turn(&mut self, point: Point, cause: Cause, could: Could, why: impl FnOnce() -> String) {
        let held = Held::of(&could);
        if self.open.as_ref().map(|(_, held)| held) == held.as_ref() {
            return;
        }
        let bound = Bound { point, cause, because: why() };
        if let Some((from, held)) = self.open.take() {
            self.spans.push(Span { from, to: Some(bound.clone()), held });
        }
        self.open = held.map(|held| (bound, held));
    }

    fn finish(mut self) -> Vec<Span> {
        let last = self.open.take().map(|(from, held)| Span { from, to: None, held });
        self.spans.extend(last);
        self.spans
    }
}

/// An instant that a clock can show.
fn instant(second: i64) -> Option<Timestamp> {
    let second = u64::try_from(second).ok().filter(|_| second < LAST_SECOND)?;
    Some(Timestamp::from_seconds(second))
}

/// `DateLessThan aws:CurrentTime of statement 0 of p`
fn condition(turn: &Turn<'_>) -> String {
    let Deciding { label, statement, .. } = &turn.statement;
    let version = if label.version.is_empty() { "" } else { " " };
    let (condition, index) = (&turn.condition, statement.index());
    format!("{condition} of statement {index} of {}{version}{}", label.policy, label.version)
}
