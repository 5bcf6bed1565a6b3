//! Replaying records in an order that makes sense.
//!
//! Times are whole seconds, and more than half of the changes in a real trail share theirs with another. Within a
//! second the records are tried round by round: first what makes things, last what takes them away; whatever cannot
//! be yet, or would change nothing yet, waits for the next round, until a round achieves nothing. What then still
//! changes nothing is taken as it is; what still cannot be waits for the records of the next [`SKEW`] seconds, since
//! clocks differ, and is taken as [`super::missing`] says after that. While somebody is to have a name that another
//! one still has, what is added to that name waits with it: it is meant for the new one. The same records give the
//! same ledger, whatever files they came in.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::enact::{Act, Name};
use super::missing::{self, Taken};
use super::record::Record;
use crate::base::time::Timestamp;
use crate::identity::change::{
    DocumentHash, EvidenceContradicted, LateEvidence, OrderAmbiguous, RecordReplayed, RecordSaid,
};
use crate::identity::id::UniqueId;
use crate::ledger::{AccountId, Actor};
use crate::projection::tables::{IMPORTED_RECORDS, RECORD_CONTENTS, contradiction};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, Transaction, sealing};
use crate::service::fault::Fault;
use crate::service::writer::{self, Turn};
use crate::service::{Service, subject_of};
use crate::store::keys::SubjectKeys;

/// Seconds by which the clocks behind a trail may differ.
pub const SKEW: i64 = 3;
/// Rounds in which the records of a second are tried.
const ROUNDS: usize = 8;

/// Why a record that has another one's id is doubtful.
pub const CONTRADICTED: &str = "another record with this id says something else, and was taken";
/// Why a record is doubtful whose place among others of its second makes a difference and is not told.
pub const AMBIGUOUS: &str = "what came first in its second is not told: a name passed to another one, or two records give \
                             the same thing different values";
/// Why a record is doubtful that came too late.
pub const LATE: &str = "later records had been replayed when it came: it is kept as an event, but what it did is in no state; \
                        begin anew with all records";
/// Missing records that are listed; all are counted.
pub const LISTED: usize = 1_000;
/// The field under which it is sealed what is missing.
pub const MISSING_FIELD: &str = "missing";

/// The account whose history it is.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The account.
    pub account: AccountId,
    /// Its digits.
    pub digits: String,
    /// The time of what it begins with; `None` where it began empty.
    pub baseline: Option<Timestamp>,
    /// When its newest event had happened before this run.
    pub known_until: Timestamp,
    /// Those who acted in this run and are not known: that is told once of each.
    pub strangers: Arc<Mutex<HashSet<UniqueId>>>,
}

/// What came of records.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records that are in the history by now.
    pub replayed: u64,
    /// Those of them that changed nothing, since it was so already.
    pub unchanged: u64,
    /// Those of them that tell of what this release does not keep.
    pub not_kept: u64,
    /// Those that were in the history before.
    pub already: u64,
    /// Those of before what the account begins with.
    pub before: u64,
    /// Those that came too late to be replayed in their place.
    pub late: u64,
    /// Those about credentials of before the history begins.
    pub unknown_credentials: u64,
    /// Those with the id of another one, which say something else.
    pub contradictory: u64,
    /// Those of which it is not told whom they mean.
    pub ambiguous: u64,
    /// Which these are, and why; the first of them.
    pub doubts: Vec<Value>,
    /// Those before which others are missing.
    pub missing: u64,
    /// Which, and what is missing; the first of them.
    pub list: Vec<Value>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Tally) {
        self.replayed += other.replayed;
        self.unchanged += other.unchanged;
        self.not_kept += other.not_kept;
        self.already += other.already;
        self.before += other.before;
        self.late += other.late;
        self.unknown_credentials += other.unknown_credentials;
        self.missing += other.missing;
        self.contradictory += other.contradictory;
        self.ambiguous += other.ambiguous;
        for (list, more) in [(&mut self.list, other.list), (&mut self.doubts, other.doubts)] {
            let room = LISTED.saturating_sub(list.len());
            list.extend(more.into_iter().take(room));
        }
    }

    fn doubt(&mut self, record: &Record, why: &str) {
        if self.doubts.len() < LISTED {
            self.doubts.push(told(record, "doubt", why));
        }
    }
}

/// A record in a list of what is to be looked at.
fn told(record: &Record, why: &str, what: &str) -> Value {
    json!({
        "at": record.at.to_string(), "record": record.id, "operation": record.name, why: what,
    })
}

/// How sure a try of a record is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Only if it changes something.
    Eager,
    /// Also if it changes nothing.
    Settled,
    /// Whatever must have happened before.
    Forced,
}

enum Outcome {
    Done,
    /// For whatever must come before.
    Waits,
    /// For what has its name to go.
    Taken,
}

/// Replays records, which are in the order of their times, in one commit. Those that wait for records to come are
/// given back, unless these are the `last`.
///
/// # Errors
/// Failures of the service; nothing of the batch is durable then.
pub fn replay(
    service: &Arc<Service>,
    scene: &Scene,
    records: Vec<Record>,
    last: bool,
) -> Result<(Tally, Vec<Record>), Fault> {
    let scene = scene.clone();
    service.act(move |service, turn| {
        let mut batch = Batch {
            service,
            turn,
            scene: &scene,
            tally: Tally::default(),
            ids: HashSet::new(),
            others: Vec::new(),
            ambiguous: HashSet::new(),
            made: HashSet::new(),
        };
        let mut waiting: Vec<Act> = Vec::new();
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.next() {
            let second = first.at.seconds();
            let mut acts: Vec<Act> = Vec::new();
            // Clocks may differ, but not by more.
            let held = std::mem::take(&mut waiting);
            let is_due = |act: &Act| act.record.at.plus_seconds(SKEW) < first.at;
            acts.extend(batch.force(held, &is_due)?);
            acts.extend(batch.sift(first)?);
            while let Some(record) = records.next_if(|next| next.at.seconds() == second) {
                acts.extend(batch.sift(record)?);
            }
            waiting = batch.settle(acts)?;
            // Last, since no event is of before the one before it: what contradicts may be of the second's end.
            for record in std::mem::take(&mut batch.others) {
                batch.contradicts(record)?;
            }
            waiting.sort_by_key(|act| act.record.at);
        }
        if last {
            batch.force(std::mem::take(&mut waiting), &|_| true)?;
        }
        let waiting = waiting.into_iter().map(|act| act.record).collect();
        Ok((batch.tally, waiting))
    })
}

/// What a record says, hashed.
fn content(keys: &SubjectKeys, account: AccountId, record: &Record) -> Result<DocumentHash, Fault> {
    let content = sealing::record_content(keys, account, &record.said().map_err(Fault::internal)?)?;
    content.ok_or_else(|| Fault::internal("an account has no key"))
}

/// Keeps what a record says.
fn said(tx: &mut Transaction<'_>, record: &Record) -> Result<(), Fault> {
    let content = content(tx.keys(), tx.account(), record)?;
    Ok(tx.record(RecordSaid { record: record.id.clone(), content })?)
}

/// Whether another record may make right what a record is refused with.
fn can_mend(refusal: &Fault) -> bool {
    ["NoSuchEntity", "EntityAlreadyExists", "DeleteConflict", "LimitExceeded"]
        .contains(&refusal.code)
}

struct Batch<'a, 'w> {
    service: &'a Service,
    turn: &'a mut Turn<'w>,
    scene: &'a Scene,
    tally: Tally,
    /// The ids of the records of this batch.
    ids: HashSet<String>,
    /// The records of this second that contradict others.
    others: Vec<Record>,
    /// The ids of those of which it is not told whom they mean.
    ambiguous: HashSet<String>,
    /// The names of what the records of this second make.
    made: HashSet<Name>,
}

impl Batch<'_, '_> {
    /// The act of a record that is to be replayed; others are counted, and what is late is noted.
    fn sift(&mut self, record: Record) -> Result<Option<Act>, Fault> {
        let scene = self.scene;
        if scene.baseline.is_some_and(|baseline| record.at <= baseline) {
            self.tally.before += 1;
            return Ok(None);
        }
        let known = self.turn.view().get(scene.account, &IMPORTED_RECORDS, &record.id)?;
        let is_again = !self.ids.insert(record.id.clone());
        // Those that are the same are sifted out before, but for what an earlier run replayed.
        let is_other = is_again
            || known.is_some_and(|at| at != record.at || record.at > scene.known_until)
            || known.is_some() && self.says_otherwise(&record)?;
        if is_other {
            self.others.push(record);
            return Ok(None);
        }
        if known.is_some() {
            self.tally.already += 1;
            return Ok(None);
        }
        if record.at > scene.known_until {
            return Ok(Some(Act::of(record)));
        }
        let act = Act::of(record);
        // What waited when a run was broken off is not late.
        if act.record.at.plus_seconds(SKEW) >= scene.known_until {
            return Ok(Some(act));
        }
        self.tally.late += 1;
        self.tally.doubt(&act.record, LATE);
        self.perform(&act, |_, tx| {
            let (record, at) = (act.record.id.clone(), act.record.at);
            tx.record(LateEvidence { record, at })?;
            said(tx, &act.record)?;
            let about = act.about(&*tx, scene.account)?;
            Ok(about.unwrap_or_else(UniqueId::root))
        })?;
        Ok(None)
    }

    /// Keeps, once, that a record says otherwise than the one that has its id.
    fn contradicts(&mut self, record: Record) -> Result<(), Fault> {
        self.tally.contradictory += 1;
        self.tally.doubt(&record, CONTRADICTED);
        let account = self.scene.account;
        let content = content(self.turn.view().keys(), account, &record)?;
        let key = contradiction(&record.id, &content);
        if self.turn.view().get(account, &IMPORTED_RECORDS, &key)?.is_some() {
            return Ok(());
        }
        let act = Act::of(record);
        self.perform(&act, |_, tx| {
            let (record, at) = (act.record.id.clone(), act.record.at);
            tx.record(EvidenceContradicted { record, at, content })?;
            Ok(act.about(&*tx, account)?.unwrap_or_else(UniqueId::root))
        })
    }

    /// Whether the record that was taken under an id says something else. Of what was taken before this was kept,
    /// nobody knows.
    fn says_otherwise(&self, record: &Record) -> Result<bool, Fault> {
        let (view, account) = (self.turn.view(), self.scene.account);
        let Some(said) = view.get(account, &RECORD_CONTENTS, &record.id)? else { return Ok(false) };
        Ok(said != content(view.keys(), account, record)?)
    }

    /// Finds the acts whose place among others of their own time makes a difference and is not told.
    fn find_ambiguous(&mut self, acts: &[Act]) {
        self.find_passed_on(acts);
        let mut set: HashMap<(Timestamp, String), Vec<&Act>> = HashMap::new();
        for act in acts {
            for what in act.sets() {
                set.entry((act.record.at, what)).or_default().push(act);
            }
        }
        for rivals in set.into_values() {
            let [first, others @ ..] = rivals.as_slice() else { continue };
            if others.iter().any(|other| !first.asks_for_the_same_as(other)) {
                self.ambiguous.extend(rivals.iter().map(|act| act.record.id.clone()));
            }
        }
    }

    /// Finds the acts of a second whose name passed from one to another by a renaming at their own time. Who is deleted
    /// has nothing any more, so that what is added to the name of one is its successor's; who is renamed keeps all.
    fn find_passed_on(&mut self, acts: &[Act]) {
        let freed = acts.iter().filter_map(|act| Some((act.renames()?.0, act.record.at)));
        let freed: Vec<(Name, Timestamp)> = freed.collect();
        let taken = acts.iter().filter_map(|act| {
            let name = act.makes().or_else(|| act.renames().map(|(_, new)| new))?;
            Some((name, act.record.at))
        });
        let taken: Vec<(Name, Timestamp)> =
            taken.filter(|(name, _)| freed.iter().any(|(other, _)| other == name)).collect();
        if taken.is_empty() {
            return;
        }
        for act in acts {
            let names = act.names();
            let passes = |(name, at): &(Name, Timestamp)| {
                *at == act.record.at
                    && names.contains(name)
                    && taken.iter().any(|(one, _)| one == name)
            };
            if act.makes().is_none()
                && act.renames().is_none()
                && freed.iter().chain(&taken).any(passes)
            {
                self.ambiguous.insert(act.record.id.clone());
            }
        }
    }

    /// Tries the acts of a second round by round; those that cannot be are given back.
    fn settle(&mut self, mut acts: Vec<Act>) -> Result<Vec<Act>, Fault> {
        self.find_ambiguous(&acts);
        self.made = acts.iter().filter_map(Act::makes).collect();
        acts.sort_by(|one, other| {
            let key = |act: &Act| (act.record.at, act.rank(), act.answered.version);
            key(one).cmp(&key(other)).then_with(|| one.record.id.cmp(&other.record.id))
        });
        // Names of which somebody else is to have them, as soon as who has them is gone.
        let mut taken = HashSet::new();
        for _ in 0..ROUNDS {
            let before = acts.len();
            acts = self.round(acts, Mode::Eager, &mut taken)?;
            if acts.is_empty() || acts.len() == before {
                break;
            }
        }
        self.round(acts, Mode::Settled, &mut taken)
    }

    /// Tries acts, one after the other; those that wait are given back. What is done to a name that is taken is done
    /// to whoever is to have it, and waits; only what takes something away may be about who has it.
    fn round(
        &mut self,
        acts: Vec<Act>,
        mode: Mode,
        taken: &mut HashSet<Name>,
    ) -> Result<Vec<Act>, Fault> {
        let mut rest = Vec::new();
        for act in acts {
            let holds = act.adds() && act.names().iter().any(|name| taken.contains(name));
            let outcome = if holds { Outcome::Waits } else { self.attempt(&act, mode)? };
            match outcome {
                Outcome::Done => {
                    act.makes().map(|name| taken.remove(&name));
                }
                Outcome::Waits => rest.push(act),
                Outcome::Taken => {
                    taken.extend(act.makes());
                    rest.push(act);
                }
            }
        }
        Ok(rest)
    }

    /// Takes acts that are due as they are; the others are given back. What takes a name away comes before what gives
    /// it anew.
    fn force(&mut self, acts: Vec<Act>, is_due: &dyn Fn(&Act) -> bool) -> Result<Vec<Act>, Fault> {
        let (due, mut rest): (Vec<Act>, Vec<Act>) = acts.into_iter().partition(is_due);
        let mut due = VecDeque::from(due);
        while let Some(act) = due.pop_front() {
            if let Some(name) = act.makes() {
                let takes = |other: &Act| other.unmakes().as_ref() == Some(&name);
                let before = match due.iter().position(takes) {
                    Some(at) => due.remove(at),
                    None => rest.iter().position(takes).map(|at| rest.remove(at)),
                };
                before.map(|before| self.attempt(&before, Mode::Forced)).transpose()?;
            }
            self.attempt(&act, Mode::Forced)?;
        }
        Ok(rest)
    }

    fn attempt(&mut self, act: &Act, mode: Mode) -> Result<Outcome, Fault> {
        let (service, scene) = (self.service, self.scene);
        let caller = act.caller(scene.account, &scene.digits);
        let known = act.is_known();
        let is_ambiguous = self.ambiguous.contains(&act.record.id);
        // What the transaction found, told after it went through.
        let mut waits = false;
        let mut taken = false;
        let mut unchanged = false;
        let mut missing: Option<String> = None;
        let mut unknown = false;
        let mut stranger = None;
        let made = std::mem::take(&mut self.made);
        let outcome = self.perform(act, |service_, tx| {
            stranger = missing::stranger(tx, act, &scene.digits)?;
            let name = stranger.as_ref().and_then(|stranger| stranger.name.as_ref());
            if mode == Mode::Eager && name.is_some_and(|name| made.contains(name)) {
                waits = true;
                return Err(Fault::validation("Whoever asks for it is not made yet."));
            }
            let ran = act.run(service_, tx, &caller);
            let about = match ran {
                Ok(_) if mode == Mode::Eager && tx.is_unchanged() && known => {
                    waits = true;
                    return Err(Fault::validation("It changes nothing yet."));
                }
                Ok(about) => {
                    unchanged = tx.is_unchanged();
                    about
                }
                Err(fault) if !fault.is_sender() => return Err(fault),
                // What no other record can mend need not wait.
                Err(fault)
                    if mode == Mode::Eager || (mode == Mode::Settled && can_mend(&fault)) =>
                {
                    waits = true;
                    taken = fault.code == "EntityAlreadyExists";
                    return Err(fault);
                }
                Err(fault) => {
                    match missing::take(service, tx, act, &caller, (&fault, scene.baseline))? {
                        Taken::Missing(what, about) => {
                            missing = Some(what);
                            about
                        }
                        Taken::Unknown(about) => {
                            unknown = true;
                            about
                        }
                    }
                }
            };
            let first = stranger.as_ref().filter(|one| !scene.strangers.lock().contains(&one.id));
            if let Some(stranger) = first {
                let also = missing.as_ref().map_or(String::new(), |what| format!(" {what}"));
                missing = Some(format!("{}{also}", stranger.what));
            }
            let subject = subject_of(&about);
            let sealed = missing.as_ref().map(|what| tx.seal(&subject, MISSING_FIELD, what));
            let (record, at) = (act.record.id.clone(), act.record.at);
            if is_ambiguous {
                tx.record(OrderAmbiguous { record: record.clone() })?;
            }
            tx.record(RecordReplayed { record, at, missing: sealed.transpose()? })?;
            said(tx, &act.record)?;
            Ok(about)
        });
        self.made = made;
        match outcome {
            Ok(()) => scene.strangers.lock().extend(stranger.map(|stranger| stranger.id)),
            Err(_) if taken => return Ok(Outcome::Taken),
            Err(_) if waits => return Ok(Outcome::Waits),
            // It fits into no event: as much of it as does is told.
            Err(fault) if fault.is_sender() => missing = Some(fault.message),
            Err(fault) => return Err(fault),
        }
        self.tally.replayed += 1;
        self.tally.unchanged += u64::from(unchanged && known);
        self.tally.not_kept += u64::from(!known);
        self.tally.unknown_credentials += u64::from(unknown);
        if is_ambiguous {
            self.tally.ambiguous += 1;
            self.tally.doubt(&act.record, AMBIGUOUS);
        }
        if let Some(what) = missing {
            self.tally.missing += 1;
            if self.tally.list.len() < LISTED {
                self.tally.list.push(told(&act.record, "missing", &what));
            }
        }
        Ok(Outcome::Done)
    }

    /// One event of the account, at the time of a record.
    fn perform(
        &mut self,
        act: &Act,
        body: impl FnOnce(&Service, &mut Transaction<'_>) -> Result<UniqueId, Fault>,
    ) -> Result<(), Fault> {
        let (service, digits) = (self.service, &self.scene.digits);
        let actor = Actor::new(act.record.actor().as_str()).unwrap_or_else(Actor::operator);
        let event =
            writer::Act { account: self.scene.account, actor, happened_at: Some(act.record.at) };
        self.turn.repeat(&event, Some(&act.answered), |tx| {
            let about = body(service, tx)?;
            let origin = act.origin(tx, digits, about)?;
            Ok(((), origin))
        })
    }
}
