//! What a change of policies would have done: the recorded requests of those it is about, decided on the
//! account as it is, without the change and with it.
//!
//! The change is folded on a transaction that nobody commits. What differs, differs by the change alone: the
//! requests are taken with the context that they came with, and both times by the same state.

use serde_json::{Value, json};

use super::decide::{Decided, Replayer, decided, kind_of};
use super::{Wanted, each_portion, shown, word};
use crate::identity::change::{
    InlinePolicyDeleted, InlinePolicyPut, PolicyAttached, PolicyDetached, PolicyRef,
    PolicyVersionCreated,
};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Document, DocumentKind};
use crate::projection::directory::Directory;
use crate::projection::fold::Meta;
use crate::projection::sealing::NameKind;
use crate::projection::tables::{ATTACHED, INLINE_POLICIES, MEMBERS, POLICIES};
use crate::projection::view::ReadTables;
use crate::projection::{Overlay, Reader, Transaction, View};
use crate::service::Service;
use crate::service::audit::names::{self, Found};
use crate::service::fault::{self, Fault};
use crate::service::moment::Moment;
use crate::service::target::find_policy;

/// Under which name a document is tried that has none.
const TRIED: &str = "what-if";

/// A change that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A policy, by its ARN or as a document, would be attached to somebody.
    Attach {
        /// The ARN, or the document's text.
        policy: String,
        /// A user, group or role.
        to: String,
    },
    /// A policy, by its ARN or, of an inline policy, its name, would be taken from somebody.
    Detach {
        /// The ARN or the name.
        policy: String,
        /// A user, group or role.
        from: String,
    },
    /// A policy would get another default version.
    Version {
        /// The document's text.
        document: String,
        /// The policy's ARN.
        of: String,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is tried.
    pub candidate: Candidate,
    /// Requests since then; `None` for all that are kept.
    pub over: Option<Moment>,
    /// Decisions that are listed.
    pub limit: usize,
}

/// Answers the question.
///
/// # Errors
/// Names that are nobody's, policies that are none or do not parse, and whatever keeps ledger, rows or activity
/// book from being read.
pub fn answer(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
) -> Result<Value, Fault> {
    let staged = Overlay::default();
    let position = view.cut().position;
    let meta = Meta { account, position: position + 1, at: service.clock().now() };
    let mut tx = Transaction::new(view, &staged, service.random(), meta);
    let affected = record(&mut tx, Directory::new(view, account), &ask.candidate)?;
    let wanted = Wanted::of(account, view, ask.over, affected);
    let (mut without, mut with) = (Replayer::new(service), Replayer::new(service));
    let (mut examined, mut erased, mut gone, mut denied, mut allowed) =
        (0u64, 0u64, 0u64, 0u64, 0u64);
    let mut listed = Vec::new();
    each_portion(service, &wanted, &mut |portion| {
        for (number, receipt) in portion.iter().filter(|(_, one)| decided(one.kind).is_some()) {
            examined += 1;
            let now = match without.decide(view, receipt)? {
                Decided::As(now) => kind_of(now),
                Decided::Erased => {
                    erased += 1;
                    continue;
                }
                Decided::Gone => {
                    gone += 1;
                    continue;
                }
            };
            let Decided::As(then) = with.decide(&tx, receipt)? else { continue };
            let then = kind_of(then);
            let is_allowed = |kind| kind == crate::service::activity::receipt::Kind::Allowed;
            match (is_allowed(now), is_allowed(then)) {
                (true, false) => denied += 1,
                (false, true) => allowed += 1,
                _ => continue,
            }
            if listed.len() < ask.limit {
                let mut one = shown(service, *number, receipt)?;
                if let Some(fields) = one.as_object_mut() {
                    fields.insert("recorded".into(), word(receipt.kind).into());
                    fields.insert("without".into(), word(now).into());
                    fields.insert("with".into(), word(then).into());
                }
                listed.push(one);
            }
        }
        Ok(())
    })?;
    Ok(json!({
        "position": position,
        "over": ask.over.map(|over| over.to_string()),
        "examined": examined,
        "would_deny": denied,
        "would_allow": allowed,
        "erased": erased,
        "gone": gone,
        "truncated": denied + allowed > listed.len() as u64,
        "decisions": listed,
    }))
}

/// Folds the change; returns whose requests it may matter for: `None` where anybody's.
fn record(
    tx: &mut Transaction<'_>,
    directory: Directory<'_>,
    candidate: &Candidate,
) -> Result<Option<Vec<UniqueId>>, Fault> {
    match candidate {
        Candidate::Attach { policy, to } => {
            let owner = principal(directory, to)?;
            if policy.starts_with("arn:") {
                let policy = managed(tx, directory, policy)?;
                tx.record(PolicyAttached { owner: owner.id.clone(), policy })?;
            } else {
                Document::parse_new(policy, DocumentKind::Identity)?;
                let document = tx.keep_content(policy.as_bytes());
                let owner = owner.id.clone();
                tx.record(InlinePolicyPut { owner, name: unused(directory, to)?, document })?;
            }
            affected(directory, &owner).map(Some)
        }
        Candidate::Detach { policy, from } => {
            let owner = principal(directory, from)?;
            detach(tx, directory, policy, &owner)?;
            affected(directory, &owner).map(Some)
        }
        Candidate::Version { document, of } => {
            Document::parse_new(document, DocumentKind::Identity)?;
            let policy = find_policy(&directory, of)?.filter(|policy| !policy.is_shared());
            let id = policy.and_then(|policy| UniqueId::parse(&policy.0));
            let id = id.ok_or_else(|| fault::NO_POLICY.with(&[of.as_str()]))?;
            let row = directory.reader.get(directory.account, &POLICIES, &id)?;
            let row = row.ok_or_else(|| fault::NO_POLICY.with(&[of.as_str()]))?;
            let document = tx.keep_content(document.as_bytes());
            let version = row.latest_version + 1;
            tx.record(PolicyVersionCreated { policy: id, version, document, default: true })?;
            // Attached, as a boundary, or passed to some session: whoever asks is looked at.
            Ok(None)
        }
    }
}

fn principal(directory: Directory<'_>, name: &str) -> Result<Found, Fault> {
    let found = names::one(directory, name)?;
    match ["user", "group", "role"].contains(&found.kind) {
        true => Ok(found),
        false => Err(Fault::validation(format!("{name:?} is no user, group or role."))),
    }
}

/// A policy by its ARN; one that every account shares must be in the catalogue.
fn managed(tx: &Transaction<'_>, directory: Directory<'_>, arn: &str) -> Result<PolicyRef, Fault> {
    let found = find_policy(&directory, arn)?;
    let found = found.ok_or_else(|| fault::NO_POLICY.with(&[arn]))?;
    if found.is_shared() {
        let row = tx.get(AccountId::SYSTEM, &crate::projection::tables::CATALOGUE, &())?;
        let catalogue = row.map(|row| tx.content(&row.manifest)).transpose()?;
        let catalogue = catalogue
            .map(|bytes| crate::service::documents::Catalogue::unpack(&bytes))
            .transpose()?;
        if catalogue.is_none_or(|catalogue| catalogue.get(arn).is_none()) {
            return Err(fault::NO_POLICY.with(&[arn]));
        }
    }
    Ok(found)
}

/// A name that no inline policy of the owner has.
fn unused(directory: Directory<'_>, owner: &str) -> Result<String, Fault> {
    let id = principal(directory, owner)?.id;
    let taken = directory.reader.list(directory.account, &INLINE_POLICIES, &id)?;
    let mut name = TRIED.to_owned();
    while taken.iter().any(|row| row.name == name) {
        name.push('-');
    }
    Ok(name)
}

fn detach(
    tx: &mut Transaction<'_>,
    directory: Directory<'_>,
    policy: &str,
    owner: &Found,
) -> Result<(), Fault> {
    let Directory { reader, account } = directory;
    let by_name = || -> Result<Option<PolicyRef>, Fault> {
        let name = policy.strip_prefix("policy/").unwrap_or(policy);
        let id = directory.find_id(NameKind::Policy, name)?;
        Ok(id.map(|id| PolicyRef(id.to_string())))
    };
    let found = match policy.starts_with("arn:") {
        true => find_policy(&directory, policy)?,
        false => by_name()?,
    };
    if let Some(found) = found {
        let key = (owner.id.clone(), found.clone());
        if reader.get(account, &ATTACHED, &key)?.is_some() {
            let owner = owner.id.clone();
            return Ok(tx.record(PolicyDetached { owner, policy: found })?);
        }
    }
    let key = (owner.id.clone(), policy.to_owned());
    match reader.get(account, &INLINE_POLICIES, &key)? {
        Some(row) => {
            let owner = owner.id.clone();
            Ok(tx.record(InlinePolicyDeleted { owner, name: row.name })?)
        }
        None => Err(Fault::new(
            "NoSuchEntity",
            404,
            format!("{} has no policy {policy:?}.", owner.called()),
        )),
    }
}

/// Whose requests a change of an owner's policies matters for.
fn affected(directory: Directory<'_>, owner: &Found) -> Result<Vec<UniqueId>, Fault> {
    if owner.kind != "group" {
        return Ok(vec![owner.id.clone()]);
    }
    let members = directory.reader.list(directory.account, &MEMBERS, &owner.id)?;
    Ok(members.into_iter().map(|member| member.user).collect())
}
