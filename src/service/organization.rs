//! The organisation's policies over an account: service and resource control policies, in levels.
//!
//! Whoever operates the store attaches them, from the root of the organisation down to the account, as one
//! event in the account's own history, so that every past decision sees the levels of its moment. The
//! service does not know organisations beyond that.
//!
//! - **SCPs** bound what the account's principals may do, its root user included; each level must allow, and
//!   a level without policies allows nothing. They do not bind service-linked roles (AWS Organizations User
//!   Guide, "Service control policies").
//! - **RCPs** deny on the account's resources, whoever asks; each level implies `RCPFullAWSAccess`. As in
//!   AWS, they do not reach IAM's own resources: of this service's operations, those of STS on roles.

use std::sync::Arc;

use serde_json::{Value, json};

use super::documents::Documents;
use super::fault::Fault;
use super::root::open_account;
use super::writer::Act;
use super::{Service, origin};
use crate::identity::change::{DocumentHash, OrganizationPoliciesSet};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Attached, Document, DocumentKind, Label, PolicySet};
use crate::projection::Reader;
use crate::projection::tables::{ORGANIZATION, OrganizationRow};
use crate::projection::view::ReadTables;

/// The root, five organisational units below each other, and the account.
const LEVELS: usize = 7;
/// Policies of one kind on one level; the organisation's quota.
const PER_LEVEL: usize = 5;
/// Characters of a document; the organisation's quota.
const CHARACTERS: usize = 5_120;

/// Policies by level, each with its name and the hash of its document.
type Levels = Vec<Vec<(String, DocumentHash)>>;

/// What an organisation has to say in an account, ready for the evaluator.
#[derive(Clone, Debug, Default)]
pub struct Organization {
    /// Service control policies by level, root first.
    pub scp: Vec<PolicySet>,
    /// Resource control policies by level, root first.
    pub rcp: Vec<PolicySet>,
}

impl Organization {
    /// The policies over an account, as this reader sees them.
    pub fn of(
        documents: &Documents,
        reader: &dyn Reader,
        account: AccountId,
    ) -> Result<Self, Fault> {
        let Some(row) = reader.get(account, &ORGANIZATION, &())? else {
            return Ok(Organization::default());
        };
        let compile = |levels: &Levels, kind, word: &str| {
            let level = |(number, policies): (usize, &Vec<(String, DocumentHash)>)| {
                let via = format!("{word}, level {}", number + 1);
                let attach = |(name, hash): &(String, DocumentHash)| {
                    let document = documents.organization(reader, hash, kind)?;
                    Ok(Attached::new(document, Label::new(name, "", &via)))
                };
                policies.iter().map(attach).collect::<Result<PolicySet, Fault>>()
            };
            levels.iter().enumerate().map(level).collect::<Result<Vec<_>, Fault>>()
        };
        Ok(Organization {
            scp: compile(&row.service_control, DocumentKind::Scp, "service control")?,
            rcp: compile(&row.resource_control, DocumentKind::Rcp, "resource control")?,
        })
    }
}

/// Whether RCPs have a say on an action of this service or of one that asks it.
pub fn resource_control_reaches(action: &str) -> bool {
    !action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("iam:"))
}

/// Replaces the policies over an account by those of a JSON object: `scp` and `rcp`, lists of levels of
/// policies with `name` and `document`, the document as text. What is left out goes.
///
/// # Errors
/// Wrong bodies, documents that do not parse, too many or too long ones.
pub fn set(
    service: &Arc<Service>,
    account: AccountId,
    body: &Value,
    operator: &str,
) -> Result<Value, Fault> {
    let known = ["scp", "rcp"];
    if let Some(other) =
        body.as_object().and_then(|body| body.keys().find(|k| !known.contains(&&***k)))
    {
        return Err(Fault::validation(format!("There is no member {other:?}: give scp and rcp.")));
    }
    let scp = levels(body.get("scp"), "scp", DocumentKind::Scp)?;
    let rcp = levels(body.get("rcp"), "rcp", DocumentKind::Rcp)?;
    let counts = json!({ "scp_levels": scp.len(), "rcp_levels": rcp.len() });
    let operator = operator.to_owned();
    service.act(move |service, turn| {
        let caller = service.operator(&operator, account)?;
        let act = Act { account, actor: caller.actor(), happened_at: None };
        turn.perform(&act, |tx| {
            open_account(&*tx, account)?;
            let mut keep = |levels: Vec<Vec<(String, String)>>| -> Levels {
                let mut level = |policies: Vec<(String, String)>| {
                    let kept = policies.into_iter();
                    kept.map(|(name, text)| (name, tx.keep_content(text.as_bytes()))).collect()
                };
                levels.into_iter().map(&mut level).collect()
            };
            let (service_control, resource_control) = (keep(scp), keep(rcp));
            tx.record(OrganizationPoliciesSet { service_control, resource_control })?;
            let root = UniqueId::root();
            Ok(((), origin(tx, &caller, "SetOrganizationPolicies", root, None)?))
        })
    })?;
    Ok(counts)
}

fn levels(
    value: Option<&Value>,
    what: &str,
    kind: DocumentKind,
) -> Result<Vec<Vec<(String, String)>>, Fault> {
    let wrong = |why: String| Fault::validation(format!("{what}: {why}"));
    let levels = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(levels)) if levels.len() <= LEVELS => levels,
        _ => return Err(wrong(format!("a list of at most {LEVELS} levels, root first"))),
    };
    let policy = |policy: &Value| {
        let text = |field: &str| policy.get(field).and_then(Value::as_str);
        let (Some(name), Some(document)) = (text("name"), text("document")) else {
            return Err(wrong("a policy has a name and a document".into()));
        };
        if name.is_empty() || name.chars().count() > 128 {
            return Err(wrong("a name has 1 to 128 characters".into()));
        }
        if document.chars().count() > CHARACTERS {
            return Err(wrong(format!("{name} is longer than {CHARACTERS} characters")));
        }
        Document::parse_new(document, kind).map_err(|error| {
            let at = error.position();
            let (line, column) = (at.line, at.column);
            wrong(format!("{name}, line {line}, column {column}: {error} ({})", error.detail()))
        })?;
        Ok((name.to_owned(), document.to_owned()))
    };
    let level = |level: &Value| match level {
        Value::Array(policies) if policies.len() <= PER_LEVEL => {
            policies.iter().map(policy).collect()
        }
        _ => Err(wrong(format!("a level is a list of at most {PER_LEVEL} policies"))),
    };
    levels.iter().map(level).collect()
}

/// The policies over an account, as JSON.
pub fn show(reader: &dyn Reader, account: AccountId) -> Result<Value, Fault> {
    let row = reader.get(account, &ORGANIZATION, &())?;
    let row = row.unwrap_or_else(OrganizationRow::default);
    let shown = |levels: &Levels| {
        let policy = |(name, hash): &(String, DocumentHash)| {
            let text = super::documents::text_of(reader, hash)?;
            let document: Value = serde_json::from_str(&text).map_err(Fault::internal)?;
            Ok(json!({ "name": name, "policy": document }))
        };
        let level = |level: &Vec<(String, DocumentHash)>| {
            level.iter().map(policy).collect::<Result<Vec<_>, Fault>>()
        };
        levels.iter().map(level).collect::<Result<Vec<_>, Fault>>()
    };
    Ok(json!({ "scp": shown(&row.service_control)?, "rcp": shown(&row.resource_control)? }))
}
