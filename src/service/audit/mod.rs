//! The questions of those who audit, and the acts of whoever has the machine.
//!
//! - [`log`]: who changed what, when, from where; [`denied`]: who tried what in vain.
//! - [`show`]: one thing as it was, and the events that made it so.
//! - [`can`]: may a principal do something, and why; [`who_can`]: who may.
//! - [`diff`]: which permissions were gained and lost between two moments, by which events.
//! - [`replay`]: recorded decisions, decided again.
//! - [`verify`]: reads every byte and compares rows with events.
//! - [`names`]: what people call a principal, resolved, also of the past.
//!
//! A caller over the network is authorized by policies like everybody else and leaves a durable receipt;
//! an operator is not judged.

pub mod can;
pub mod denied;
pub mod diff;
pub mod log;
pub mod names;
pub mod replay;
pub mod show;
pub mod verify;
pub mod who_can;

use std::sync::Arc;

use serde_json::{Value, json};

use super::activity::receipt::{Kind, Receipt};
use super::activity::usage::Use;
use super::caller::Caller;
use super::fault::Fault;
use super::founding::Founding;
use super::moment::Moment;
use super::target::Target;
use super::{Service, used};
use super::{organization, root};
use crate::base::text::hex;
use crate::identity::id::UniqueId;
use crate::projection::View;

/// The ARN of an account's ledger, on which reading the history and the past is judged.
pub fn ledger_arn(digits: &str) -> String {
    format!("arn:aws:domesday::{digits}:ledger")
}

/// A question, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How long the ledger is, and its root.
    Head,
    /// Events, filtered.
    Events(log::Filter),
    /// One thing.
    Show {
        /// `user/alice`, an ARN, an id, `@7`.
        thing: String,
    },
    /// May a principal do something?
    Can(can::Ask),
    /// Who could do something?
    WhoCan(who_can::Ask),
    /// What was gained and lost?
    Diff(diff::Ask),
    /// The organisation's policies over the account.
    Organization,
}

impl Question {
    /// Reads a question from the last part of its path and its parameters, named as the flags.
    ///
    /// # Errors
    /// Unknown questions and parameters, and missing ones.
    pub fn parse(name: &str, parameters: &[(String, String)]) -> Result<Self, Fault> {
        let mut read = Parameters { left: parameters.to_vec() };
        let question = match name {
            "head" => Question::Head,
            "events" => Question::Events(log::Filter {
                principal: read.take("principal")?,
                person: read.take("person")?,
                target: read.take("target")?,
                operation: read.take("operation")?,
                denied: match read.take("outcome")?.as_deref() {
                    None | Some("success") => false,
                    Some("denied") => true,
                    Some(_) => {
                        return Err(Fault::validation("`outcome` is `success` or `denied`."));
                    }
                },
                ticket: read.take("ticket")?,
                from: read.take_moment("from")?,
                to: read.take_moment("to")?,
                limit: match read.take("limit")? {
                    None => log::LIMIT,
                    Some(text) => text
                        .parse::<usize>()
                        .map_err(|_| Fault::validation("`limit` is a number."))?
                        .min(log::LIMIT),
                },
            }),
            "show" => Question::Show { thing: read.need("thing")? },
            "can" => Question::Can(can::Ask {
                principal: read.need("principal")?,
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
            }),
            "who-can" => Question::WhoCan(who_can::Ask {
                action: read.need("action")?,
                resource: read.need("resource")?,
                context: read.take_all_pairs("context")?,
            }),
            "diff" => Question::Diff(diff::Ask {
                from: read
                    .take_moment("from")?
                    .ok_or_else(|| Fault::validation("`from` is missing."))?,
                to: read.take_moment("to")?,
                principal: read.take("principal")?,
            }),
            "organization" => Question::Organization,
            other => {
                return Err(Fault::new(
                    "InvalidAction",
                    400,
                    format!("There is no question {other:?} in this release."),
                ));
            }
        };
        match read.left.first() {
            None => Ok(question),
            Some((name, _)) => {
                Err(Fault::validation(format!("The question knows no parameter {name:?}.")))
            }
        }
    }

    /// What the caller must be allowed.
    fn action(&self) -> &'static str {
        match self {
            Question::Can(_) => "domesday:Evaluate",
            Question::WhoCan(_) | Question::Diff(_) => "domesday:SearchAccess",
            _ => "domesday:ReadLedger",
        }
    }
}

struct Parameters {
    left: Vec<(String, String)>,
}

impl Parameters {
    fn take(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let mut found: Vec<String> =
            self.left.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect();
        match (found.pop(), found.is_empty()) {
            (value, true) => Ok(value),
            _ => Err(Fault::validation(format!("`{name}` is given more than once."))),
        }
    }

    fn need(&mut self, name: &str) -> Result<String, Fault> {
        self.take(name)?.ok_or_else(|| Fault::validation(format!("`{name}` is missing.")))
    }

    fn take_moment(&mut self, name: &str) -> Result<Option<Moment>, Fault> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        Moment::parse(&text)
            .map(Some)
            .map_err(|error| Fault::validation(format!("`{name}`: {error}")))
    }

    fn take_all_pairs(&mut self, name: &str) -> Result<Vec<(String, String)>, Fault> {
        self.left
            .extract_if(.., |(key, _)| key == name)
            .map(|(_, pair)| {
                pair.split_once('=')
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .ok_or_else(|| Fault::validation(format!("`{name}` is KEY=VALUE.")))
            })
            .collect()
    }
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
    let now = service.now();
    if !caller.is_operator() {
        let is_past = moment.is_some() || matches!(question, Question::Diff(_));
        let outcome = authorize(service, caller, &question, is_past, &now);
        if caller.is_root() {
            service.root_counts().request(outcome.is_err());
        }
        outcome?;
    }
    let view = match &moment {
        None => now,
        Some(moment) => service.at(moment)?,
    };
    match question {
        Question::Head => head(service, &view),
        Question::Events(filter) if filter.denied => {
            denied::attempts(service, caller.account, &view, &filter)
        }
        Question::Events(filter) => log::events(service.activity(), caller.account, &view, &filter),
        Question::Show { thing } => show::show(service, caller.account, &view, &thing),
        Question::Can(ask) => can::can(service, caller.account, &view, &ask),
        Question::WhoCan(ask) => who_can::who_can(service, caller.account, &view, &ask),
        Question::Diff(ask) => diff::diff(service, caller.account, &view, &ask),
        Question::Organization => organization::show(&view, caller.account),
    }
}

fn authorize(
    service: &Service,
    caller: &Caller,
    question: &Question,
    past: bool,
    now: &View,
) -> Result<(), Fault> {
    let judge = service.judge(now, now.cut().position);
    let target = Target::on(ledger_arn(&caller.digits), &UniqueId::root());
    let mut judgement = judge.judge(caller, question.action(), &target)?;
    if past && judgement.refusal.is_none() {
        let travel = service.judge_time_travel(&judge, caller)?;
        judgement.receipts.extend(travel.receipts);
        judgement.refusal = travel.refusal;
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
        "verify" => verify::verify(service),
        "rebuild" => verify::rebuild(service),
        other => Err(Fault::validation(format!("There is no act {other:?}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, parameters: &[(&str, &str)]) -> Result<Question, Fault> {
        let owned: Vec<_> =
            parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Question::parse(name, &owned)
    }

    #[test]
    fn questions_are_read_whole_or_refused() {
        assert_eq!(parse("head", &[]).unwrap(), Question::Head);
        let can = [("principal", "alice"), ("action", "iam:GetUser"), ("resource", "*")];
        assert!(matches!(parse("can", &can).unwrap(), Question::Can(_)));
        assert_eq!(parse("can", &can[..2]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("head", &[("x", "y")]).unwrap_err().code, "ValidationError");
        assert_eq!(parse("access", &[]).unwrap_err().code, "InvalidAction");
        assert!(parse("events", &[("from", "soon")]).is_err());
        assert!(parse("events", &[("outcome", "maybe")]).is_err());
        let range = [("from", "@3"), ("to", "2026-03-01"), ("outcome", "denied")];
        let Question::Events(filter) = parse("events", &range).unwrap() else { panic!() };
        assert!(filter.denied && filter.from.unwrap().position == Some(3));
        assert!(parse("show", &[("thing", "a"), ("thing", "b")]).is_err());
    }
}
