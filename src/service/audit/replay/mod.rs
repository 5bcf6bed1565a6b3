//! Replay: recorded decisions decided again, at their own positions or on a state of today, and what would
//! become of them if something was changed ([`what_if`]).
//!
//! Receipts are read in their order, in portions that are sorted by the position that each decision saw, so
//! that going through them is going through the ledger: what was gathered for a principal holds until an event
//! touches what it was made from ([`touched`]). Memory is that of one portion and of what is gathered.

pub mod decide;
pub mod touched;
pub mod what_if;

use serde_json::{Value, json};

use self::decide::{Decided, Replayer, decided, kind_of};
pub use self::decide::{Replay, replay};
use self::touched::Events;
use super::log::Filter;
use super::names;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{Cut, ProjectionError, Reader, View, sealing};
use crate::service::activity::receipt::{EVALUATOR, Kind};
use crate::service::activity::stored::Stored;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::{Service, subject_of};

/// Differences that an answer lists if nothing is said, and at most.
pub const USUAL: usize = 100;
/// See [`USUAL`].
pub const LARGEST: usize = 1_000;
/// Receipts that are sorted by position together.
const PORTION: usize = 5_000;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Requests that came at or after this time, or after so many events.
    pub from: Option<Moment>,
    /// Requests that came before this time, or within the first so many events.
    pub to: Option<Moment>,
    /// On the state that the question shows, instead of the one that each decision saw.
    pub now: bool,
    /// Of this principal alone, under whichever id bore the name.
    pub principal: Option<String>,
    /// Differences that are listed.
    pub limit: usize,
}

/// How the decisions came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Receipts within the range.
    pub receipts: u64,
    /// As they were recorded.
    pub same: u64,
    /// Otherwise.
    pub different: u64,
    /// Otherwise, by another version of the evaluator than the one that decided.
    pub evaluator_changed: u64,
    /// Cannot be decided, since somebody was erased.
    pub erased: u64,
    /// Are not of decisions by policies.
    pub without_decision: u64,
    /// Mark an unclean stop, after which receipts may be missing.
    pub gaps: u64,
}

/// Answers the question.
///
/// # Errors
/// Whatever keeps ledger, rows or activity book from being read.
pub fn answer(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
) -> Result<Value, Fault> {
    let mut counts = Counts::default();
    let mut listed = Vec::new();
    let mut first_and_last = None;
    let mut found = |number: u64, receipt: &Stored<'_>, again: Option<Decided>| {
        counts.receipts += 1;
        let (first, last) = first_and_last.unwrap_or((number, number));
        first_and_last = Some((first.min(number), last.max(number)));
        let Some((then, again)) = decided(receipt.kind).zip(again) else {
            counts.without_decision += 1;
            counts.gaps += u64::from(receipt.kind == Kind::Gap);
            return Ok(());
        };
        let again = match again {
            Decided::As(outcome) => Some(kind_of(outcome)),
            // Nobody is allowed anything who is not there any more.
            Decided::Gone if ask.now => None,
            Decided::Gone | Decided::Erased => {
                counts.erased += 1;
                return Ok(());
            }
        };
        if again == Some(then) || (again.is_none() && then != Kind::Allowed) {
            counts.same += 1;
            return Ok(());
        }
        let evaluator_changed = receipt.evaluator != EVALUATOR;
        match evaluator_changed && !ask.now {
            true => counts.evaluator_changed += 1,
            false => counts.different += 1,
        }
        // The first ones; what is decided in portions is not in order within one.
        if listed.len() < ask.limit {
            let mut shown = shown(service, number, receipt)?;
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("then".into(), word(receipt.kind).into());
                fields.insert("again".into(), again.map_or("gone", word).into());
                fields.insert("evaluator_changed".into(), evaluator_changed.into());
            }
            listed.push((number, shown));
        }
        Ok(())
    };
    go_through(service, account, view, ask, &mut found)?;
    listed.sort_by_key(|(number, _)| *number);
    let Counts { receipts, same, different, evaluator_changed, erased, .. } = counts;
    Ok(json!({
        "position": view.cut().position,
        "now": ask.now,
        "evaluator": EVALUATOR,
        "receipts": receipts,
        "first_receipt": first_and_last.map(|(first, _)| first),
        "last_receipt": first_and_last.map(|(_, last)| last),
        "same": same,
        "different": different,
        "evaluator_changed": evaluator_changed,
        "erased": erased,
        "without_decision": counts.without_decision,
        "gaps": counts.gaps,
        "truncated": different + evaluator_changed > listed.len() as u64,
        "differences": listed.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>(),
    }))
}

/// What is done with a receipt: its number, and what it came to if it is of a decision.
type Found<'a> = &'a mut dyn FnMut(u64, &Stored<'_>, Option<Decided>) -> Result<(), Fault>;

/// Decides all receipts of an account that are asked for.
fn go_through(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
    found: Found<'_>,
) -> Result<(), Fault> {
    let wanted = Wanted::new(account, view, ask)?;
    let mut replayer = Replayer::new(service);
    if ask.now {
        return each_portion(service, &wanted, &mut |portion| {
            for (number, receipt) in portion {
                let again = match decided(receipt.kind) {
                    None => None,
                    Some(_) => Some(replayer.decide(view, receipt)?),
                };
                found(*number, receipt, again)?;
            }
            Ok(())
        });
    }
    let mut events: Option<Events<'_>> = None;
    let mut then: Option<View> = None;
    each_portion(service, &wanted, &mut |portion| {
        portion.sort_by_key(|(_, receipt)| receipt.position);
        for (number, receipt) in portion {
            if decided(receipt.kind).is_none() {
                found(*number, receipt, None)?;
                continue;
            }
            let position = receipt.position;
            let events = events.get_or_insert_with(|| Events::after(service.ledger(), position));
            let again = if position < events.position() {
                // One of a portion before came late: what is gathered by now may be too new for it.
                let view = service.projections().at(Cut { position, time: None });
                Replayer::new(service).decide(&view, receipt)?
            } else {
                events.advance(position, &mut |touched| replayer.forget(touched))?;
                if then.as_ref().is_none_or(|view| view.cut().position != position) {
                    then = Some(service.projections().at(Cut { position, time: None }).passing());
                }
                match &then {
                    Some(view) => replayer.decide(view, receipt)?,
                    None => return Err(Fault::internal("no state to decide on")),
                }
            };
            found(*number, receipt, Some(again))?;
        }
        Ok(())
    })
}

/// Which receipts.
pub(super) struct Wanted {
    account: AccountId,
    cut: Cut,
    filter: Filter,
    principals: Option<Vec<UniqueId>>,
}

impl Wanted {
    fn new(account: AccountId, view: &View, ask: &Ask) -> Result<Self, ProjectionError> {
        let principals = match &ask.principal {
            None => None,
            Some(name) => Some(names::all_ids(view, account, name)?),
        };
        let filter = Filter { from: ask.from, to: ask.to, ..Filter::default() };
        Ok(Wanted { account, cut: view.cut(), filter, principals })
    }

    /// Of these principals or, without any, of everybody, from a moment on.
    pub fn of(
        account: AccountId,
        view: &View,
        from: Option<Moment>,
        principals: Option<Vec<UniqueId>>,
    ) -> Self {
        let filter = Filter { from, ..Filter::default() };
        Wanted { account, cut: view.cut(), filter, principals }
    }

    fn is(&self, receipt: &Stored<'_>) -> bool {
        let (home, principal) = &receipt.principal;
        let by_principal = self.principals.as_ref().is_none_or(|ids| {
            (*home == self.account || *home == AccountId::SYSTEM) && ids.contains(principal)
        });
        // A gap belongs to nobody: whoever asks about everybody is told of it.
        let by_account = receipt.account == self.account || receipt.kind == Kind::Gap;
        by_account
            && by_principal
            && receipt.position <= self.cut.position
            && self.cut.time.is_none_or(|time| receipt.at <= time)
            && self.filter.covers(receipt.position.saturating_add(1), receipt.at)
    }
}

/// Some receipts, with their numbers.
pub(super) type Portion<'a> = Vec<(u64, Stored<'a>)>;

/// What is done with each portion.
pub(super) type EachPortion<'a> = &'a mut dyn FnMut(&mut Portion<'_>) -> Result<(), Fault>;

/// Hands out receipts in portions, of which each is read from one piece of memory.
pub(super) fn each_portion(
    service: &Service,
    wanted: &Wanted,
    each: EachPortion<'_>,
) -> Result<(), Fault> {
    let mut next = 1;
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    loop {
        bytes.clear();
        ends.clear();
        service.activity().bytes_of_receipts(next, &mut |number, receipt| {
            bytes.extend_from_slice(receipt);
            ends.push((number, bytes.len()));
            Ok(ends.len() < PORTION)
        })?;
        let Some((last, _)) = ends.last() else { return Ok(()) };
        next = last + 1;
        let mut portion = Portion::with_capacity(ends.len());
        let mut begins = 0;
        for (number, end) in &ends {
            let receipt = bytes.get(begins..*end).unwrap_or_default();
            let receipt = Stored::read(receipt).map_err(ProjectionError::from)?;
            begins = *end;
            if wanted.is(&receipt) {
                portion.push((*number, receipt));
            }
        }
        each(&mut portion)?;
    }
}

/// A receipt of which something is told.
pub(super) fn shown(service: &Service, number: u64, receipt: &Stored<'_>) -> Result<Value, Fault> {
    let (home, principal) = &receipt.principal;
    let keys = service.projections().keys();
    let resource = subject_of(&receipt.resource);
    let arn = receipt.resource_arn;
    let arn = sealing::unseal(keys, receipt.account, &resource, "receipt resource", arn)?;
    let then = service.projections().at(Cut { position: receipt.position, time: None });
    let name = names::by_id(Directory::new(&then as &dyn Reader, *home), principal)?;
    Ok(json!({
        "receipt": number,
        "at": receipt.at.to_precise(),
        "event": receipt.position,
        "request": receipt.request,
        "principal": { "id": principal.as_str(), "name": name.map(|name| name.called()) },
        "action": receipt.action,
        "resource": arn.unwrap_or_else(|| ERASED.to_owned()),
    }))
}

/// What a receipt attests, in a word.
pub fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Allowed => "allowed",
        Kind::ImplicitDeny => "implicitDeny",
        Kind::ExplicitDeny => "explicitDeny",
        Kind::Issued => "issued",
        Kind::AuditRead => "auditRead",
        Kind::Refused => "refused",
        Kind::Gap => "gap",
        Kind::SignedIn => "signedIn",
        Kind::SignInFailed => "signInFailed",
        Kind::SignedOut => "signedOut",
    }
}
