//! A receipt as exports tell it: what changed nothing and still matters - who signed in or tried to, who was
//! given temporary credentials, and what was denied. Its sealed parts are opened.
//!
//! Where a role of another account was assumed, both accounts have a say: the caller's sees its own person,
//! the role's sees only from which account somebody came.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::Ask;
use super::manifest::Output;
use super::told::Teller;
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::directory::{Directory, ERASED};
use crate::projection::{ProjectionError, Reader, sealing};
use crate::service::activity::receipt::{Kind, Receipt};
use crate::service::activity::stored::Stored;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::subject_of;

/// Receipts that are fetched at once.
const STRETCH: usize = 1_000;

/// A receipt, opened.
pub struct Noted {
    /// Its number in the activity book.
    pub number: u64,
    /// Itself.
    pub receipt: Receipt,
    /// The exported account's side of it.
    pub side: Side,
    /// The digits of the caller's account.
    pub caller_digits: String,
    /// The digits of the resource's account.
    pub owner_digits: String,
    /// The caller's ARN, as it stands in policies; `None` if it was nobody.
    pub actor_arn: Option<String>,
    /// The resource's ARN.
    pub resource: String,
    /// The context of the request, opened; empty where the caller was erased.
    pub context: BTreeMap<String, Vec<String>>,
    /// Whether the caller was erased.
    pub erased: bool,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller's account.
    Caller,
    /// The account of the resource, where that is another one.
    Owner,
}

impl Noted {
    /// The first value of a condition key.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.context.get(name)?.first().map(String::as_str)
    }

    /// The service and the operation of the action.
    pub fn action(&self) -> (&str, &str) {
        self.receipt.action.split_once(':').unwrap_or(("", &self.receipt.action))
    }

    /// Whether it was refused, whatever refused it.
    pub fn is_denied(&self) -> bool {
        matches!(self.receipt.kind, Kind::ImplicitDeny | Kind::ExplicitDeny | Kind::Refused)
    }

    /// Whether it crossed from one account into another.
    pub fn is_across(&self) -> bool {
        self.caller_digits != self.owner_digits
    }

    /// How it ended, in the log's words.
    pub fn outcome(&self) -> &'static str {
        match self.receipt.kind {
            Kind::ImplicitDeny => "implicitDeny",
            Kind::ExplicitDeny => "explicitDeny",
            Kind::Refused => "refused",
            Kind::SignInFailed => "signInFailed",
            Kind::Issued => "issued",
            Kind::SignedIn => "signedIn",
            Kind::SignedOut => "signedOut",
            Kind::Allowed | Kind::AuditRead | Kind::Gap => "allowed",
        }
    }

    /// What a denied caller was told, without the part that only the account itself can read.
    pub fn message(&self) -> Option<String> {
        let receipt = &self.receipt;
        let action = &receipt.action;
        let because = match (receipt.kind, &receipt.blocked_by) {
            (Kind::Refused, refusal) => return Some(refusal.clone().unwrap_or_default()),
            (Kind::SignInFailed, _) => return Some("Failed authentication".to_owned()),
            (Kind::ImplicitDeny, Some(noun)) => {
                format!("because no {noun} allows the {action} action")
            }
            (Kind::ExplicitDeny, Some(noun)) => {
                let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                format!("with an explicit deny in {article} {noun}")
            }
            (Kind::ImplicitDeny | Kind::ExplicitDeny, None) => String::new(),
            _ => return None,
        };
        let who = self.actor_arn.as_deref().unwrap_or(ERASED);
        let told = format!(
            "User: {who} is not authorized to perform: {action} on resource: {} {because}",
            self.resource
        );
        Some(told.trim_end().to_owned())
    }

    /// The receipt in the form of the log's entries.
    pub fn plain(&self) -> Value {
        let receipt = &self.receipt;
        let own = self.side == Side::Caller;
        let key = |name| own.then(|| self.key(name)).flatten();
        json!({
            "receipt": self.number,
            "position": receipt.position,
            "recorded_at": receipt.at.to_precise(),
            "operation": receipt.action,
            "outcome": self.outcome(),
            "blocked_by": receipt.blocked_by,
            "actor": {
                "id": own.then(|| receipt.principal.1.as_str()),
                "arn": own.then_some(self.actor_arn.as_deref()).flatten(),
                "account": self.caller_digits,
            },
            "source_identity": key("aws:SourceIdentity"),
            "credential": receipt.credential.as_ref().filter(|_| own).map(UniqueId::as_str),
            "issued": self.key(crate::service::sts::ISSUED_KEY),
            "address": key("aws:SourceIp"),
            "agent": key("aws:UserAgent"),
            "ticket": key("aws:PrincipalTag/ticket"),
            "request": receipt.request,
            "target": { "id": receipt.resource.as_str(), "arn": self.resource },
        })
    }
}

/// The receipts of a range, opened one after the other.
pub struct Notes<'a> {
    teller: &'a Teller<'a>,
    from: Option<Moment>,
    to: Option<Moment>,
    next: u64,
    fetched: VecDeque<(u64, Receipt)>,
}

impl<'a> Notes<'a> {
    /// Those of the range that is asked for.
    pub fn new(teller: &'a Teller<'a>, ask: &Ask) -> Self {
        Notes { teller, from: ask.from, to: ask.to, next: 1, fetched: VecDeque::new() }
    }

    /// When the next one happened.
    ///
    /// # Errors
    /// Whatever keeps the activity book from being read.
    pub fn peek(&mut self) -> Result<Option<Timestamp>, ProjectionError> {
        self.fetch()?;
        Ok(self.fetched.front().map(|(_, receipt)| receipt.at))
    }

    /// The next one.
    ///
    /// # Errors
    /// Whatever keeps the activity book from being read.
    pub fn pop(&mut self) -> Result<Option<(u64, Receipt)>, ProjectionError> {
        self.fetch()?;
        Ok(self.fetched.pop_front())
    }

    fn fetch(&mut self) -> Result<(), ProjectionError> {
        if !self.fetched.is_empty() || self.next == u64::MAX {
            return Ok(());
        }
        let teller = self.teller;
        let (from, to) = (self.from, self.to);
        let (fetched, next) = (&mut self.fetched, &mut self.next);
        let mut over = true;
        teller.activity.receipts(*next, &mut |number, receipt| {
            *next = number + 1;
            if is_told(teller, from, to, receipt) {
                fetched.push_back((number, receipt.whole()?));
            }
            over = fetched.len() < STRETCH;
            Ok(over)
        })?;
        if over {
            *next = u64::MAX;
        }
        Ok(())
    }
}

/// Whether a receipt belongs to an export: what changed nothing and is no mere reading.
fn is_told(
    teller: &Teller<'_>,
    from: Option<Moment>,
    to: Option<Moment>,
    receipt: &Stored<'_>,
) -> bool {
    let kind = matches!(
        receipt.kind,
        Kind::ImplicitDeny
            | Kind::ExplicitDeny
            | Kind::Refused
            | Kind::Issued
            | Kind::SignedIn
            | Kind::SignInFailed
            | Kind::SignedOut
    );
    // A request comes after the events that it saw: it is the next thing to happen.
    let position = receipt.position.saturating_add(1);
    let cut = teller.view.cut();
    kind && (receipt.account == teller.account || receipt.principal.0 == teller.account)
        && receipt.position <= cut.position
        && cut.time.is_none_or(|time| receipt.at <= time)
        && from.is_none_or(|from| {
            from.time.is_none_or(|time| receipt.at >= time)
                && from.position.is_none_or(|first| position > first)
        })
        && to.is_none_or(|to| {
            to.time.is_none_or(|time| receipt.at < time)
                && to.position.is_none_or(|last| position <= last)
        })
        // What a gateway asked about somebody was done by nobody.
        && receipt.asked_by.is_none()
}

/// Opens a receipt.
///
/// # Errors
/// If it does not open, though nobody was erased, or whatever keeps the rows from being read.
pub fn opened(
    teller: &Teller<'_>,
    number: u64,
    receipt: Receipt,
) -> Result<Noted, ProjectionError> {
    let keys = teller.view.keys();
    let (home, actor) = &receipt.principal;
    let sealed = &receipt.personal;
    let personal = sealing::unseal(keys, *home, &subject_of(actor), "receipt context", sealed)?;
    let erased = personal.is_none();
    let personal: BTreeMap<String, Vec<String>> =
        personal.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let resource = sealing::unseal(
        keys,
        receipt.account,
        &subject_of(&receipt.resource),
        "receipt resource",
        &receipt.resource_arn,
    )?;
    let mut context = personal;
    context.extend(receipt.context.iter().cloned());
    let digits = |account: AccountId| match account == teller.account {
        true => Ok(teller.faces.digits().to_owned()),
        false => Directory::new(teller.view, account).digits(),
    };
    let actor_arn = match context.get("aws:PrincipalArn").and_then(|values| values.first()) {
        Some(arn) => Some(arn.clone()),
        // A sign-in has no context of a principal yet.
        None if *home == teller.account => {
            teller.faces.at(receipt.position, actor)?.map(|face| face.arn.clone())
        }
        None => None,
    };
    Ok(Noted {
        number,
        side: if *home == teller.account { Side::Caller } else { Side::Owner },
        caller_digits: digits(*home)?,
        owner_digits: digits(receipt.account)?,
        actor_arn,
        resource: resource.unwrap_or_else(|| ERASED.to_owned()),
        context,
        erased,
        receipt,
    })
}

/// How a format writes a receipt.
pub type Line = dyn Fn(&Teller<'_>, &Noted, &mut Vec<u8>) -> Result<(), Fault>;

/// Writes a file of one receipt a line, and returns how many.
///
/// # Errors
/// Those of [`Notes`], and the sink's.
pub fn write(
    teller: &Teller<'_>,
    ask: &Ask,
    output: &mut Output<'_>,
    path: &str,
    line: &Line,
) -> Result<u64, Fault> {
    output.begin(path)?;
    let mut notes = Notes::new(teller, ask);
    let mut count = 0;
    let mut text = Vec::new();
    while let Some((number, receipt)) = notes.pop()? {
        line(teller, &opened(teller, number, receipt)?, &mut text)?;
        count += 1;
        if text.len() >= 1 << 16 {
            output.write(&text)?;
            text.clear();
        }
    }
    output.write(&text)?;
    output.end()?;
    Ok(count)
}
