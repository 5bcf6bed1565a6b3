//! The questions of those who audit, and the acts of whoever has the machine.
//!
//! - [`question`]: which questions there are, and how their parameters are read; [`asked`]: one as its receipt tells it.
//! - [`log`]: who changed what, when, from where; [`requests`]: who tried what in vain, and who read.
//! - [`changed`]: what an event changed, before and after.
//! - [`show`]: one thing as it was, and the events that made it so.
//! - [`access`]: when could a principal do something, and by whose act.
//! - [`can`]: may a principal do something, and why; [`who_can`]: who may; [`outsiders`]: who of other accounts may.
//! - [`assumed`]: on which texts of today these answers stand, where an import does not tell them.
//! - [`diff`]: which permissions were gained and lost between two moments, by which events.
//! - [`proofs`]: that an event is in the ledger, checkpoints, and the keys that sign them.
//! - [`evidence`]: an answer with everything that shows that its events are in the ledger.
//! - [`escalation`]: what somebody could come to do by granting itself more.
//! - [`replay`]: recorded decisions, decided again.
//! - [`verify`]: reads every byte and compares rows with events.
//! - [`names`]: what people call a principal, resolved, also of the past.
//!
//! A caller over the network is authorized by policies like everybody else; an operator, who has the disk, is
//! allowed whatever they say. Both leave a durable receipt before the answer: who read is asked as who changed.

pub mod access;
pub mod asked;
pub mod assumed;
pub mod can;
pub mod changed;
pub mod diff;
pub mod escalation;
pub mod evidence;
pub mod faces;
pub mod log;
pub mod names;
pub mod outsiders;
pub mod proofs;
pub mod question;
pub mod replay;
pub mod requests;
pub mod show;
pub mod verify;
pub mod who_can;

use std::sync::Arc;

use serde_json::{Value, json};

pub use question::Question;

use super::activity::receipt::{Kind, Receipt};
use super::activity::usage::Use;
use super::caller::Caller;
use super::fault::Fault;
use super::founding::Founding;
use super::moment::Moment;
use super::reports::named;
use super::target::Target;
use super::{Service, used};
use super::{imports, organization, root};
use crate::base::text::hex;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::View;
use crate::projection::directory::Directory;

/// The ARN of an account's ledger, on which reading the history and the past is judged.
pub fn ledger_arn(digits: &str) -> String {
    format!("arn:aws:domesday::{digits}:ledger")
}

/// Answers a question. Blocks; not for async threads.
///
/// # Errors
/// Refusals, unknown names, and failures.
pub fn run(
    service: &Arc<Service>,
    caller: &Caller,
    question: Question,
    moment: Option<Moment>,
) -> Result<Value, Fault> {
    Ok(answer(service, caller, question, moment)?.0)
}

/// As [`run`]; tells besides how many events the answer was made of.
fn answer(
    service: &Arc<Service>,
    caller: &Caller,
    question: Question,
    moment: Option<Moment>,
) -> Result<(Value, u64), Fault> {
    let now = service.now();
    let is_past = moment.is_some() || question.is_of_the_past();
    let resource = match &question {
        Question::Report(ask) => named::arn(&caller.digits, ask.name),
        _ => ledger_arn(digits_of(caller)),
    };
    let asked = asked::line(&question, moment.as_ref());
    authorize(service, caller, (question.action(), &asked), &resource, is_past, &now)?;
    let view = match &moment {
        None => now,
        Some(moment) => service.at(moment)?,
    };
    if let Some(unknown) = unknown(service, caller, &question, &view)? {
        return Ok((unknown, view.cut().position));
    }
    if question.is_of_the_account()
        && Directory::new(&view, caller.account).account_row()?.is_none()
    {
        return Err(Fault::new(
            "NoSuchEntity",
            404,
            "There was no such account at that moment yet.",
        ));
    }
    let of_texts = match &question {
        Question::Can(ask) => Some(Some(ask.principal.clone())),
        Question::Access(_) | Question::WhoCan(_) => Some(None),
        _ => None,
    };
    let answer = match question {
        Question::Head => head(service, &view),
        Question::Events(filter) => {
            Ok(log::page(service, caller.account, &view, &filter, usize::MAX)?.shown())
        }
        Question::Show { thing } => show::show(service, caller.account, &view, &thing),
        Question::Can(ask) => can::can(service, caller.account, &view, &ask),
        Question::Access(ask) => access::access(service, caller.account, &view, &ask),
        Question::WhoCan(ask) => who_can::who_can(service, caller.account, &view, &ask),
        Question::Diff(ask) => diff::diff(service, caller.account, &view, &ask),
        Question::Replay(ask) => replay::answer(service, caller.account, &view, &ask),
        Question::WhatIf(ask) => replay::what_if::answer(service, caller.account, &view, &ask),
        Question::Report(ask) => {
            named::generate(service, caller.account, &view, moment.as_ref(), &ask)
        }
        Question::Organization => organization::show(&view, caller.account),
        Question::Key => service.verification_keys(),
        Question::Checkpoint => proofs::checkpoint(service, &view, moment.is_some()),
        Question::Proof(position) => proofs::proof(service, caller, &view, position),
    };
    let mut answer = answer?;
    if let Some(principal) = of_texts {
        assumed::note(&view, caller.account, principal.as_deref(), &mut answer)?;
    }
    Ok((answer, view.cut().position))
}

/// Refuses what asks of an account of which, at that moment, only a part is known: it would be answered wrongly.
/// What happened can be listed all the same. Whether somebody may do something is answered by "unknown".
fn unknown(
    service: &Service,
    caller: &Caller,
    question: &Question,
    view: &View,
) -> Result<Option<Value>, Fault> {
    match question {
        Question::Head
        | Question::Events(_)
        | Question::Key
        | Question::Checkpoint
        | Question::Proof(_) => Ok(None),
        Question::Can(ask) => {
            let unknown = imports::gate::unknown(view, caller.account)?;
            Ok(unknown.map(|unknown| can::unknown(ask, view, &unknown)))
        }
        Question::Diff(ask) => {
            for moment in ask.to.iter().chain([&ask.from]) {
                imports::gate::check(&service.at(moment)?, caller.account)?;
            }
            imports::gate::check(view, caller.account).map(|()| None)
        }
        _ => imports::gate::check(view, caller.account).map(|()| None),
    }
}

/// The digits of the account that somebody asks about; an operator may ask about the whole store.
fn digits_of(caller: &Caller) -> &str {
    match caller.account {
        AccountId::SYSTEM => proofs::SYSTEM_DIGITS,
        _ => &caller.digits,
    }
}

/// Under which key a receipt tells what was asked. No policy needs to know it.
pub const ASKED: &str = "domesday:Question";

/// Judges a question of the audit, by the action that it takes, and leaves its receipts durably, with what was `asked`.
pub(super) fn authorize(
    service: &Service,
    caller: &Caller,
    (action, asked): (&str, &str),
    resource: &str,
    past: bool,
    now: &View,
) -> Result<(), Fault> {
    let judge = service.judge(now, now.cut().position);
    let target = Target::on(resource, &UniqueId::root()).key(ASKED, asked);
    let mut judgement = judge.judge(caller, action, &target)?;
    if past && judgement.refusal.is_none() {
        let travel = service.judge_time_travel(&judge, caller)?;
        judgement.receipts.extend(travel.receipts);
        judgement.refusal = travel.refusal;
    }
    if caller.is_root() {
        service.root_counts().request(judgement.refusal.is_some());
    }
    let mut used = used(caller, "domesday", "");
    used.extend(judgement.receipts.first().and_then(|own| Use::asked(own, "")));
    for receipt in judgement.receipts {
        let kind = if receipt.kind == Kind::Allowed { Kind::AuditRead } else { receipt.kind };
        let used = std::mem::take(&mut used);
        service.activity().note_durably(Receipt { kind, ..receipt }, used)?;
    }
    judgement.refusal.map_or(Ok(()), Err)
}

/// The head, or the position that a moment cuts at; the root only of the head itself.
fn head(service: &Service, view: &View) -> Result<Value, Fault> {
    let head = service.ledger().head();
    let cut = view.cut();
    if cut.time.is_none() && cut.position == head.position {
        return Ok(json!({ "position": head.position, "root": hex(&head.root) }));
    }
    Ok(json!({ "position": cut.position }))
}

/// An operator's act. Blocks; not for async threads.
///
/// # Errors
/// Unknown acts, wrong bodies, and failures.
pub fn act(
    service: &Arc<Service>,
    caller: &Caller,
    name: &str,
    body: Value,
) -> Result<Value, Fault> {
    if !caller.is_operator() {
        return Err(Fault::new(
            "AccessDenied",
            403,
            "Only the operator of the machine may do this.",
        ));
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let operator = caller.arn();
    let operator = operator.trim_start_matches("operator:");
    match name {
        "account-create" => {
            let founding = Founding {
                digits: text("account"),
                name: text("name"),
                root_email: text("email"),
                admin: text("admin").filter(|name| !name.is_empty()),
                ..Founding::default()
            };
            let founded = service.found(founding, operator)?;
            let admin = founded.admin.map(|(user, key, secret)| {
                json!({ "user": user, "access_key_id": key, "secret_access_key": secret.expose() })
            });
            Ok(json!({
                "account": founded.digits,
                "root_email": founded.root_email,
                "root_password": founded.root_password.as_ref().map(|secret| secret.expose()),
                "admin": admin,
            }))
        }
        "recover-admin" => {
            let user = text("user").unwrap_or_else(|| "admin".to_owned());
            let (user, key, secret) = service.recover_admin(caller.account, &user, operator)?;
            Ok(json!({
                "user": user,
                "access_key_id": key,
                "secret_access_key": secret.expose(),
            }))
        }
        "recover-root" => {
            let recovery = service.issue_root_recovery(caller.account, operator)?;
            Ok(json!({
                "account": caller.digits,
                "email": recovery.email,
                "code": recovery.code.expose(),
                "expires": recovery.expires.to_string(),
            }))
        }
        "account-close" => {
            let closed = service.close_account_by_operator(caller.account, operator)?;
            let until = closed.plus_seconds(root::REOPENABLE_DAYS * 86_400);
            Ok(json!({
                "account": caller.digits,
                "closed": closed.to_string(),
                "reopenable_until": until.to_string(),
            }))
        }
        "account-reopen" => {
            let reopened = service.reopen_account(caller.account, operator)?;
            Ok(json!({ "account": caller.digits, "reopened": reopened.to_string() }))
        }
        "organization-set" => organization::set(service, caller.account, &body, operator),
        name if name.starts_with("import-") => imports::act(service, caller, name, &body),
        "verify" => {
            let since = text("since");
            let since = since.map(|note| service.check_since(&note, text("key").as_deref()));
            let since = since.transpose()?;
            let mut found = verify::verify(service)?;
            if let (Some(since), Some(fields)) = (since, found.as_object_mut()) {
                fields.insert("since".to_owned(), json!(since.size));
            }
            Ok(found)
        }
        "key-rotate" => service.rotate_checkpoint_key(operator),
        "rebuild" => verify::rebuild(service),
        other => Err(Fault::validation(format!("There is no act {other:?}."))),
    }
}
