//! One evaluation: the question, the decision with its reasons, its receipt - and the decision again.

use serde_json::{Map, Value, json};

use super::keys::{ASKED_BY, Part, Said, set_time};
use super::resource::Wanted;
use super::subject::Subject;
use super::{Asking, Undecided, properties, text};
use crate::identity::arn::Arn;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Context, Exploration, Outcome, Policies, Request, explore, explore_certain};
use crate::projection::directory::Directory;
use crate::projection::tables::{GroupRow, RoleRow, UserRow};
use crate::projection::{Reader, View, sealing};
use crate::service::activity::receipt::{EVALUATOR, Kind, Receipt};
use crate::service::audit::can::{because, shown, word, would_change};
use crate::service::authorize::{Grants, deciding_of, recorded};
use crate::service::fault::Fault;
use crate::service::supposed::trust_on;
use crate::service::{Service, subject_of};

/// What blocked an evaluation that was no because too little was known.
const UNKNOWN_CONTEXT: &str = "unknown context";

/// A question that was understood.
pub(super) struct Asked {
    subject: Subject,
    wanted: Wanted,
    /// The unique id of an IAM resource, or `root`.
    resource: UniqueId,
    context: Context<'static>,
    ignored: Vec<String>,
}

/// An answer.
pub(super) struct Evaluation {
    /// Yes or no.
    pub decision: bool,
    context: Value,
}

impl Evaluation {
    /// As the specification has it.
    pub fn shown(self) -> Value {
        json!({ "decision": self.decision, "context": self.context })
    }
}

/// What came of deciding.
struct Concluded<'a> {
    outcome: Outcome,
    conditional: bool,
    explored: Exploration<'a>,
    /// Set where the credentials of the subject cannot do this at all.
    cannot: bool,
}

impl Asked {
    /// Reads a question.
    pub fn read(
        asking: &Asking<'_>,
        subject: &Map<String, Value>,
        action: &Map<String, Value>,
        resource: &Map<String, Value>,
        context: Option<&Map<String, Value>>,
    ) -> Result<Self, Undecided> {
        let Asking { service, caller, view, at, .. } = asking;
        let named = (text(subject, "subject", "type")?, text(subject, "subject", "id")?);
        let wanted = Wanted::read(action, resource, &caller.digits)?;
        let (of_subject, of_resource) =
            (properties(subject, "subject")?, properties(resource, "resource")?);
        let of_action = properties(action, "action")?;
        let subject = Subject::find(service, view, caller, *at, named)?;
        let directory = Directory::new(*view, caller.account);
        let own = own_resource(directory, &caller.digits, &wanted.arn)?;
        let mut known = subject.context(*view)?;
        set_time(&mut known, *at);
        known.set(ASKED_BY, caller.principal_id().to_string());
        for (key, value) in own.iter().flat_map(|(_, tags)| tags) {
            known.set(format!("aws:ResourceTag/{key}"), value.clone());
            known.set(format!("iam:ResourceTag/{key}"), value.clone());
        }
        let mut said = Said::new(&subject, wanted.service(), own.is_some(), known);
        said.take(Part::Context, context)?;
        said.take(Part::Subject, of_subject)?;
        said.take(Part::Resource, of_resource)?;
        said.take(Part::Action, of_action)?;
        let (mut context, ignored) = said.finish();
        if let Some(account) = Arn::parse(&wanted.arn).map(|arn| arn.account) {
            let owner = if account.is_empty() { &caller.digits } else { account };
            context.set("aws:ResourceAccount", owner.to_owned());
        }
        let resource = own.map_or_else(UniqueId::root, |(id, _)| id);
        Ok(Asked { subject, wanted, resource, context, ignored })
    }

    /// Decides, says why, and writes the receipt.
    pub fn decide(mut self, asking: &Asking<'_>) -> Result<(Evaluation, Receipt), Undecided> {
        let Asking { service, caller, view, .. } = asking;
        let account = self.subject.account();
        let grants = match asking.is_past {
            false => self.subject.grants_now(service, view)?,
            true => self.subject.grants(service, *view)?.into(),
        };
        let (action, arn) = (&self.wanted.action, &self.wanted.arn);
        let directory = Directory::new(*view, account);
        let trust = trust_on(service.documents(), directory, action, arn)?;
        let policies = grants.policies_on(action, trust.as_ref());
        let concluded = conclude(&self.subject, &self.wanted, &policies, &mut self.context);
        let evaluation = self.evaluation(view, &concluded);
        let decision = &concluded.explored.decision;
        let blocked_by = match (concluded.conditional, concluded.outcome) {
            (_, Outcome::Allowed) => None,
            (true, _) => Some(UNKNOWN_CONTEXT.to_owned()),
            (false, _) if concluded.cannot => Some("session policy".to_owned()),
            (false, _) => decision.blocked_by.map(|kind| kind.noun().to_owned()),
        };
        let (plain, personal) = recorded(&self.context, true);
        let keys = service.projections().keys();
        let seal = |id: &UniqueId, field: &str, text: &str| {
            sealing::seal(keys, service.random(), account, &subject_of(id), field, text)
        };
        let principal = self.subject.id();
        let receipt = Receipt {
            kind: kind_of(concluded.outcome),
            at: caller.at,
            account,
            request: caller.request_id.clone(),
            credential: self.subject.credential(),
            action: self.wanted.action.clone(),
            resource_arn: seal(&self.resource, "receipt resource", &self.wanted.arn)?,
            resource: self.resource,
            context: plain,
            personal: seal(&principal, "receipt context", &Value::Object(personal).to_string())?,
            principal: (account, principal),
            position: view.cut().position,
            evaluator: EVALUATOR,
            deciding: deciding_of(decision),
            blocked_by,
        };
        Ok((evaluation, receipt))
    }

    fn evaluation(&self, view: &View, concluded: &Concluded<'_>) -> Evaluation {
        let Concluded { outcome, conditional, explored, cannot } = concluded;
        let missing: &[&str] = if *conditional { &explored.missing_keys } else { &[] };
        let reason = match (conditional, cannot) {
            (true, _) => format!("the answer hangs on {}", missing.join(", ")),
            (false, true) => {
                "credentials of GetSessionToken without MFA cannot call this service".to_owned()
            }
            (false, false) => because(&explored.decision, &self.wanted.action),
        };
        let id = if *conditional { "conditional" } else { word(*outcome) };
        let statements: Vec<Value> = explored.decision.deciding().map(|one| shown(&one)).collect();
        let open: Vec<Value> = explored.open.iter().map(shown).collect();
        let decision = *outcome == Outcome::Allowed;
        let mut context = json!({
            "id": id,
            "reason_admin": { "en": reason },
            "conditional": conditional,
            "missing_context": missing,
            "statements": statements,
            "blocked_by": explored.decision.blocked_by.map(|kind| kind.noun()),
            "subject": self.subject.arn(),
            "action": self.wanted.action,
            "resource": self.wanted.arn,
            "position": view.cut().position,
        });
        if let Value::Object(context) = &mut context {
            if !decision {
                let text = format!("You may not do {} here.", self.wanted.action);
                context.insert("reason_user".into(), json!({ "en": text }));
                let [needs, almost] = would_change(explored, &self.wanted.action, &self.wanted.arn);
                context.insert("needs".into(), json!(needs));
                context.insert("almost".into(), json!(almost));
            }
            if *conditional {
                context.insert("open_statements".into(), open.into());
            }
            if !self.ignored.is_empty() {
                context.insert("ignored_attributes".into(), json!(self.ignored));
            }
        }
        Evaluation { decision, context }
    }
}

/// A unique id and tags.
type Tagged = (UniqueId, Vec<(String, String)>);

/// An IAM user, group or role of the account by its ARN: its unique id and tags, which nobody else says.
fn own_resource(
    directory: Directory<'_>,
    digits: &str,
    arn: &str,
) -> Result<Option<Tagged>, Fault> {
    let Some(parsed) = Arn::parse(arn) else { return Ok(None) };
    if !arn.starts_with("arn:aws:iam:") || parsed.account != digits {
        return Ok(None);
    }
    let name = parsed.name();
    let found = match parsed.kind() {
        "user" => directory.find::<UserRow>(name)?.map(|found| (found.row.id, found.arn)),
        "group" => directory.find::<GroupRow>(name)?.map(|found| (found.row.id, found.arn)),
        "role" => directory.find::<RoleRow>(name)?.map(|found| (found.row.id, found.arn)),
        _ => None,
    };
    match found.filter(|(_, found)| found == arn) {
        Some((id, _)) => Ok(Some((id.clone(), directory.tags(&id)?))),
        None => Ok(None),
    }
}

fn kind_of(outcome: Outcome) -> Kind {
    match outcome {
        Outcome::Allowed => Kind::Allowed,
        Outcome::ImplicitDeny => Kind::ImplicitDeny,
        Outcome::ExplicitDeny => Kind::ExplicitDeny,
    }
}

/// Decides, by the index where nothing that is unknown could matter. Keys that policies ask for, that the service would know, and that the subject does not have are
/// marked as absent in the context, so that the answer does not hang on them.
fn conclude<'a>(
    subject: &Subject,
    wanted: &Wanted,
    policies: &Policies<'a>,
    context: &mut Context<'static>,
) -> Concluded<'a> {
    let arn = subject.arn();
    let ask = |context: &Context<'_>| {
        let principal = subject.principal(&arn);
        let request = Request::new(principal, &wanted.action, &wanted.arn, context);
        let certain = explore_certain(&request, policies);
        certain.unwrap_or_else(|| explore(&request, policies))
    };
    let mut explored = ask(context);
    let settled = |key: &&&str| subject.settles(&key.to_ascii_lowercase());
    let settled: Vec<String> =
        explored.missing_keys.iter().filter(settled).map(|key| (*key).to_owned()).collect();
    if !settled.is_empty() {
        settled.into_iter().for_each(|key| context.set_absent(key));
        explored = ask(context);
    }
    let cannot = subject.cannot(&wanted.action);
    let conditional = explored.is_conditional() && !cannot;
    let outcome = match explored.decision.outcome {
        Outcome::Allowed if conditional || cannot => Outcome::ImplicitDeny,
        outcome => outcome,
    };
    Concluded { outcome, conditional, explored, cannot }
}

/// Decides the evaluation of a receipt again, on the state that a reader shows; the grants are the subject's.
pub fn again(
    service: &Service,
    reader: &dyn Reader,
    account: AccountId,
    (subject, grants): (&Subject, &Grants),
    (action, arn): (&str, &str),
    context: &Context<'static>,
) -> Result<Outcome, Fault> {
    let wanted = Wanted { action: action.to_owned(), arn: arn.to_owned() };
    let directory = Directory::new(reader, account);
    let trust = trust_on(service.documents(), directory, action, arn)?;
    let policies = grants.policies_on(action, trust.as_ref());
    Ok(conclude(subject, &wanted, &policies, &mut context.clone()).outcome)
}
