//! Decisions for others: may this subject do this action on this resource, in this context? What gateways
//! and applications ask by OpenID AuthZEN's Authorization API 1.0; `api::authzen` knows its HTTP.
//!
//! - [`subject`]: who is asked about, and what the service itself knows of them.
//! - [`resource`]: what is asked for, as an ARN.
//! - [`keys`]: what the caller says of the circumstances, as condition keys.
//! - [`decide`]: the decision, its reasons, its receipt, and the same decision again.
//!
//! The caller must be allowed `domesday:Evaluate` on the account's ledger, as for `can`. That is judged
//! once a request, and leaves the caller's own receipt; each evaluation leaves one more, whose principal
//! is the subject and whose context names the caller by [`keys::ASKED_BY`]. Both bear the same request id.
//! Questions about the past are reading, not enforcement: they leave the caller's receipt alone.
//!
//! An evaluation is a yes only if nothing that is unknown could make it a no. Otherwise the answer is no,
//! and says what it hangs on.
//!
//! Source: OpenID Authorization API 1.0, sections 5 to 7.

pub mod decide;
pub mod keys;
pub mod resource;
pub mod subject;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::decide::Evaluation;
use super::activity::receipt::{Kind, Receipt};
use super::activity::usage::Use;
use super::audit::ledger_arn;
use super::authorize::Judge;
use super::caller::Caller;
use super::fault::Fault;
use super::imports;
use super::moment::Moment;
use super::target::Target;
use super::{Service, used};
use crate::identity::id::UniqueId;
use crate::projection::View;

/// The most evaluations of a request.
pub const MOST_EVALUATIONS: usize = 100;
/// The most characters of a type, an id or a name.
pub const MOST_CHARACTERS: usize = 1_024;

/// The condition key that tells in which region something is asked for.
const REQUESTED_REGION: &str = "aws:RequestedRegion";

/// What keeps an evaluation from being decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It is not well formed, or asks what cannot be asked: for a single one, the whole request.
    Malformed(String),
    /// Nobody here is its subject: the answer is no.
    Unknown(String),
    /// Something here went wrong.
    Failed(Fault),
}

impl<F: Into<Fault>> From<F> for Undecided {
    fn from(fault: F) -> Self {
        Undecided::Failed(fault.into())
    }
}

/// Says what is wrong with a request.
fn malformed<T>(what: impl Into<String>) -> Result<T, Undecided> {
    Err(Undecided::Malformed(what.into()))
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

impl Semantic {
    fn of(request: &Map<String, Value>) -> Result<Self, Undecided> {
        let options = match request.get("options") {
            None | Some(Value::Null) => return Ok(Semantic::ExecuteAll),
            Some(Value::Object(options)) => options,
            Some(_) => return malformed("`options` is not an object."),
        };
        match options.get("evaluations_semantic") {
            None => Ok(Semantic::ExecuteAll),
            Some(Value::String(name)) if name == "execute_all" => Ok(Semantic::ExecuteAll),
            Some(Value::String(name)) if name == "deny_on_first_deny" => {
                Ok(Semantic::DenyOnFirstDeny)
            }
            Some(Value::String(name)) if name == "permit_on_first_permit" => {
                Ok(Semantic::PermitOnFirstPermit)
            }
            Some(_) => malformed(
                "`options.evaluations_semantic` is execute_all, deny_on_first_deny or \
                 permit_on_first_permit.",
            ),
        }
    }

    fn ends_with(self, decision: bool) -> bool {
        match self {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !decision,
            Semantic::PermitOnFirstPermit => decision,
        }
    }
}

/// Takes an object apart. Members that the specification does not name are left alone, as it asks.
fn object<'a>(value: Option<&'a Value>, name: &str) -> Result<&'a Map<String, Value>, Undecided> {
    match value {
        Some(Value::Object(members)) => Ok(members),
        Some(_) => malformed(format!("`{name}` is not an object.")),
        None => malformed(format!("`{name}` is missing.")),
    }
}

/// A text member that must be there.
fn text<'a>(members: &'a Map<String, Value>, of: &str, name: &str) -> Result<&'a str, Undecided> {
    match members.get(name) {
        None => malformed(format!("`{of}.{name}` is missing.")),
        Some(Value::String(text)) if text.is_empty() => {
            malformed(format!("`{of}.{name}` is empty."))
        }
        Some(Value::String(text)) if text.chars().count() > MOST_CHARACTERS => {
            malformed(format!("`{of}.{name}` has more than {MOST_CHARACTERS} characters."))
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            malformed(format!("`{of}.{name}` has control characters."))
        }
        Some(Value::String(text)) => Ok(text),
        Some(_) => malformed(format!("`{of}.{name}` is not a string.")),
    }
}

/// An object member that may be left out.
fn properties<'a>(
    members: &'a Map<String, Value>,
    of: &str,
) -> Result<Option<&'a Map<String, Value>>, Undecided> {
    match members.get("properties") {
        None => Ok(None),
        Some(Value::Object(properties)) => Ok(Some(properties)),
        Some(_) => malformed(format!("`{of}.properties` is not an object.")),
    }
}

/// Answers `POST /access/v1/evaluation`, or `/evaluations` where `boxcar` is set. Blocks; not for async
/// threads.
///
/// # Errors
/// Refusals, whatever is wrong with the request as a whole, and failures.
pub fn run(
    service: &Arc<Service>,
    caller: &Caller,
    region: &str,
    request: &Value,
    boxcar: bool,
    moment: Option<Moment>,
) -> Result<Value, Fault> {
    let now = service.now();
    let authorized = authorize(service, caller, region, moment.is_some(), &now);
    if caller.is_root() {
        service.root_counts().request(authorized.is_err());
    }
    authorized?;
    let then = moment.as_ref().map(|moment| service.at(moment)).transpose()?;
    let (view, at) = match &then {
        None => (&now, caller.at),
        Some(view) => (view, service.instant(view, caller)?),
    };
    imports::gate::check(view, caller.account)?;
    let asking = Asking { service, caller, view, at, is_past: then.is_some() };
    let whole = |undecided| match undecided {
        Undecided::Failed(fault) => fault,
        Undecided::Malformed(what) | Undecided::Unknown(what) => Fault::validation(what),
    };
    let request = object(Some(request), "the request").map_err(whole)?;
    let several = match request.get("evaluations") {
        Some(Value::Array(several)) if boxcar => several.as_slice(),
        Some(_) if boxcar => return Err(Fault::validation("`evaluations` is not an array.")),
        _ => &[],
    };
    if several.len() > MOST_EVALUATIONS {
        let most = format!("A request has at most {MOST_EVALUATIONS} evaluations.");
        return Err(Fault::validation(most));
    }
    let semantic =
        if boxcar { Semantic::of(request).map_err(whole)? } else { Semantic::ExecuteAll };
    if several.is_empty() {
        return match asking.evaluate(request, None) {
            Ok(evaluation) => Ok(evaluation.shown()),
            Err(Undecided::Unknown(what)) => Ok(closed(404, &what)),
            Err(undecided) => Err(whole(undecided)),
        };
    }
    let mut answers = Vec::new();
    for one in several {
        let outcome = match one {
            Value::Object(one) => asking.evaluate(one, Some(request)),
            _ => malformed("An evaluation is an object."),
        };
        let (decision, answer) = match outcome {
            Ok(evaluation) => (evaluation.decision, evaluation.shown()),
            Err(Undecided::Unknown(what)) => (false, closed(404, &what)),
            Err(Undecided::Malformed(what)) => (false, closed(400, &what)),
            Err(Undecided::Failed(fault)) => return Err(fault),
        };
        answers.push(answer);
        if semantic.ends_with(decision) {
            break;
        }
    }
    Ok(json!({ "evaluations": answers }))
}

/// An evaluation that could not be decided, as the specification has it: no, and why.
fn closed(status: u16, what: &str) -> Value {
    json!({ "decision": false, "context": { "error": { "status": status, "message": what } } })
}

/// Whether the caller may ask.
fn authorize(
    service: &Service,
    caller: &Caller,
    region: &str,
    past: bool,
    now: &View,
) -> Result<(), Fault> {
    let judge = service.judge(now, now.cut().position);
    let judge = Judge { standings: Some((service.standings(), now)), ..judge };
    let target = Target::on(ledger_arn(&caller.digits), &UniqueId::root());
    let mut judgement = judge.judge(caller, "domesday:Evaluate", &target)?;
    if past && judgement.refusal.is_none() {
        let travel = service.judge_time_travel(&judge, caller)?;
        judgement.receipts.extend(travel.receipts);
        judgement.refusal = travel.refusal;
    }
    let mut used = used(caller, "domesday", region);
    used.extend(judgement.receipts.first().and_then(|own| Use::asked(own, region)));
    for receipt in judgement.receipts {
        let used = std::mem::take(&mut used);
        if past && receipt.kind == Kind::Allowed {
            let receipt = Receipt { kind: Kind::AuditRead, ..receipt };
            service.activity().note_durably(receipt, used)?;
        } else {
            service.activity().note((receipt, used))?;
        }
    }
    judgement.refusal.map_or(Ok(()), Err)
}

/// What all evaluations of a request have in common.
struct Asking<'a> {
    service: &'a Service,
    caller: &'a Caller,
    view: &'a View,
    at: crate::base::time::Timestamp,
    is_past: bool,
}

impl Asking<'_> {
    fn evaluate(
        &self,
        own: &Map<String, Value>,
        defaults: Option<&Map<String, Value>>,
    ) -> Result<Evaluation, Undecided> {
        let given = |name: &str| own.get(name).or_else(|| defaults?.get(name));
        let asked = decide::Asked::read(
            self,
            object(given("subject"), "subject")?,
            object(given("action"), "action")?,
            object(given("resource"), "resource")?,
            given("context").map(|context| object(Some(context), "context")).transpose()?,
        )?;
        let (evaluation, receipt) = asked.decide(self)?;
        if !self.is_past {
            // What the subject asked of the gateway's service, the subject has used; where, if it was said.
            let region =
                receipt.context.iter().find(|(key, _)| key.eq_ignore_ascii_case(REQUESTED_REGION));
            let region = region.and_then(|(_, values)| values.first().cloned()).unwrap_or_default();
            let used = Use::asked(&receipt, &region).into_iter().collect();
            self.service.activity().note((receipt, used))?;
        }
        Ok(evaluation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_semantics_end_where_the_specification_says() {
        let of = |options: Value| Semantic::of(json!({ "options": options }).as_object().unwrap());
        let named = |name: &str| of(json!({ "evaluations_semantic": name })).unwrap();
        assert_eq!(of(json!({ "another": 1 })).unwrap(), Semantic::ExecuteAll);
        assert!(of(json!("execute_all")).is_err());
        assert!(of(json!({ "evaluations_semantic": "first" })).is_err());
        let ends = |name| (named(name).ends_with(false), named(name).ends_with(true));
        assert_eq!(ends("execute_all"), (false, false));
        assert_eq!(ends("deny_on_first_deny"), (true, false));
        assert_eq!(ends("permit_on_first_permit"), (false, true));
    }

    #[test]
    fn texts_have_limits() {
        let of = |value: Value| {
            let members = json!({ "id": value });
            text(members.as_object().unwrap(), "subject", "id").is_ok()
        };
        assert!(of(json!("a")) && of(json!("é".repeat(MOST_CHARACTERS))));
        for wrong in [json!(""), json!(7), json!(null), json!("a\n"), json!("a".repeat(1_025))] {
            assert!(!of(wrong.clone()), "{wrong}");
        }
    }
}
