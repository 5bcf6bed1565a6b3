//! May the caller? Collects the policies that have a say, builds the context, asks the evaluator, and
//! turns a no into AWS's sentence and every answer into a receipt.

use std::sync::Arc;

use super::activity::receipt::{EVALUATOR, Kind, Receipt};
use super::caller::{Caller, Identity};
use super::documents::Documents;
use super::fault::Fault;
use super::organization::{Organization, resource_control_reaches};
use super::password_policy;
use super::standing::Standings;
use super::subject_of;
use super::target::{Check, Target, Value};
use crate::base::random::Random;
use crate::base::text::{base64_url, from_base64_url};
use crate::identity::arn::OF_SERVICES;
use crate::identity::change::{PolicyRef, Sealed};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{
    Attached, Context, Deciding, Decision, Document, Label, Outcome, Policies, PolicySet,
    PolicyType, Request, Values, decide,
};
use crate::projection::directory::Directory;
use crate::projection::fold::same_key;
use crate::projection::tables::{ATTACHED, GroupRow, INLINE_POLICIES, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::projection::{Reader, View, sealing};

/// The policies that judge a principal, whatever it asks for.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Of the user and its groups, or of the role.
    pub identity: PolicySet,
    /// The permissions boundary; `None` if it has none.
    pub boundary: Option<PolicySet>,
    /// The session's policies; `None` if it has none.
    pub session: Option<PolicySet>,
    /// What the organisation has to say in the principal's account.
    pub organization: Organization,
}

/// Collects the policies of an owner: its inline ones and the managed ones attached to it.
fn owned(
    documents: &Documents,
    directory: &Directory<'_>,
    digits: &str,
    owner: &UniqueId,
    via: &str,
) -> Result<Vec<Attached>, Fault> {
    let mut grants = Vec::new();
    for inline in directory.reader.list(directory.account, &INLINE_POLICIES, owner)? {
        let document = documents.identity(directory.reader, &inline.document)?;
        grants.push(Attached::new(document, Label::new(&inline.name, "", via)));
    }
    for attached in directory.reader.list(directory.account, &ATTACHED, owner)? {
        grants.extend(managed(documents, directory, digits, &attached.policy, via)?);
    }
    Ok(grants)
}

fn managed(
    documents: &Documents,
    directory: &Directory<'_>,
    digits: &str,
    policy: &PolicyRef,
    via: &str,
) -> Result<Option<Attached>, Fault> {
    let found = documents.managed(directory.reader, directory.account, digits, policy)?;
    Ok(found
        .map(|found| Attached::new(found.document, Label::new(&found.arn, &found.version, via))))
}

/// A boundary that no longer exists bounds to nothing: it applies and grants nothing.
fn boundary(
    documents: &Documents,
    directory: &Directory<'_>,
    digits: &str,
    policy: Option<&PolicyRef>,
) -> Result<Option<PolicySet>, Fault> {
    let Some(policy) = policy else { return Ok(None) };
    Ok(Some(
        managed(documents, directory, digits, policy, "permissions boundary")?
            .into_iter()
            .collect(),
    ))
}

impl Grants {
    /// The policies of an account's root user: it has none of its own.
    pub fn of_root(documents: &Documents, directory: &Directory<'_>) -> Result<Grants, Fault> {
        let organization = Organization::of(documents, directory.reader, directory.account)?;
        Ok(Grants { organization, ..Grants::default() })
    }

    /// The policies of a user, without those of a session.
    pub fn of_user(
        documents: &Documents,
        directory: &Directory<'_>,
        user: &UniqueId,
    ) -> Result<Grants, Fault> {
        let digits = directory.digits()?;
        let mut grants = Grants::of_root(documents, directory)?;
        let Some(found) = directory.by_id::<UserRow>(user)? else { return Ok(grants) };
        let via = format!("user {}", found.name);
        let mut identity = owned(documents, directory, &digits, user, &via)?;
        for group in directory.groups_of(user)? {
            let via = format!("group {}", group.name);
            identity.extend(owned(documents, directory, &digits, &group.row.id, &via)?);
        }
        identity.extend(password_policy::grant(documents, *directory, user)?);
        grants.identity = PolicySet::new(identity);
        grants.boundary = boundary(documents, directory, &digits, found.row.boundary.as_ref())?;
        Ok(grants)
    }

    /// The policies of a role, without those of a session.
    pub fn of_role(
        documents: &Documents,
        directory: &Directory<'_>,
        role: &UniqueId,
    ) -> Result<Grants, Fault> {
        let digits = directory.digits()?;
        let mut grants = Grants::of_root(documents, directory)?;
        let Some(found) = directory.by_id::<RoleRow>(role)? else { return Ok(grants) };
        let via = format!("role {}", found.name);
        grants.identity = owned(documents, directory, &digits, role, &via)?.into_iter().collect();
        grants.boundary = boundary(documents, directory, &digits, found.row.boundary.as_ref())?;
        if found.row.path.starts_with(OF_SERVICES) {
            grants.organization.scp.clear();
        }
        Ok(grants)
    }

    /// The policies that a group gives to its members.
    pub fn of_group(
        documents: &Documents,
        directory: &Directory<'_>,
        group: &UniqueId,
    ) -> Result<Grants, Fault> {
        let digits = directory.digits()?;
        let mut grants = Grants::of_root(documents, directory)?;
        let Some(found) = directory.by_id::<GroupRow>(group)? else { return Ok(grants) };
        let via = format!("group {}", found.name);
        grants.identity = owned(documents, directory, &digits, group, &via)?.into_iter().collect();
        Ok(grants)
    }

    /// The policies that judge a caller, those of its session included.
    pub fn of_caller(
        documents: &Documents,
        reader: &dyn Reader,
        caller: &Caller,
    ) -> Result<Grants, Fault> {
        let directory = Directory::new(reader, caller.account);
        let mut grants = match &caller.identity {
            Identity::Root { .. } | Identity::Operator { .. } => {
                Grants::of_root(documents, &directory)?
            }
            Identity::User { id, .. } => Grants::of_user(documents, &directory, id)?,
            Identity::RoleSession { role, .. } => Grants::of_role(documents, &directory, role)?,
        };
        if let Some(session) = caller.session()
            && (session.inline_policy.is_some() || !session.managed_policies.is_empty())
        {
            let mut passed = Vec::new();
            if let Some(text) = &session.inline_policy {
                let label = Label::new("session policy", "", "session");
                passed.push(Attached::new(documents.session(text)?, label));
            }
            for policy in &session.managed_policies {
                passed.extend(managed(documents, &directory, &caller.digits, policy, "session")?);
            }
            grants.session = Some(PolicySet::new(passed));
        }
        Ok(grants)
    }

    /// As the evaluator takes them.
    pub fn policies(&self) -> Policies<'_> {
        Policies {
            identity: Some(&self.identity),
            boundary: self.boundary.as_ref(),
            session: self.session.as_ref(),
            scp: &self.organization.scp,
            ..Policies::default()
        }
    }

    /// The same for an action on a resource of the principal's account; with a role's trust where there is
    /// one to ask.
    pub fn policies_on<'a>(&'a self, action: &str, trust: Option<&'a PolicySet>) -> Policies<'a> {
        let mut policies = match trust {
            Some(trust) => self.policies_and_trust(Some(trust)),
            None => self.policies(),
        };
        if resource_control_reaches(action) {
            policies.rcp = &self.organization.rcp;
        }
        policies
    }

    /// The same for what needs a role's trust besides.
    pub fn policies_and_trust<'a>(&'a self, trust: Option<&'a PolicySet>) -> Policies<'a> {
        Policies { resource: trust, resource_must_allow: true, ..self.policies() }
    }
}

/// The trust policy of a role, as the evaluator takes it; `None` trusts nobody.
pub fn trust_of(role: &str, policy: Option<Arc<Document>>) -> Option<PolicySet> {
    policy.map(|document| PolicySet::of(document, Label::new(role, "", "trust policy")))
}

/// The condition keys that follow from the caller and the request, without those of the operation.
pub fn caller_context(reader: &dyn Reader, caller: &Caller) -> Result<Context<'static>, Fault> {
    let mut context = principal_context(reader, caller)?;
    context.set("aws:SecureTransport", if caller.source.secure { "true" } else { "false" });
    context.set("aws:CurrentTime", caller.at.to_string());
    context.set("aws:EpochTime", caller.at.seconds().to_string());
    context.set("aws:RequestedRegion", "us-east-1");
    match caller.source.address {
        Some(address) => context.set("aws:SourceIp", address.to_string()),
        None => context.set_absent("aws:SourceIp"),
    }
    match &caller.source.agent {
        Some(agent) => context.set("aws:UserAgent", agent.clone()),
        None => context.set_absent("aws:UserAgent"),
    }
    if caller.session().is_none() {
        context.set_absent("aws:MultiFactorAuthPresent");
    }
    Ok(context)
}

/// The condition keys that tell who a principal is, wherever it calls from.
pub fn principal_context(reader: &dyn Reader, caller: &Caller) -> Result<Context<'static>, Fault> {
    let mut context = Context::new();
    let directory = Directory::new(reader, caller.account);
    context.set("aws:PrincipalAccount", caller.digits.clone());
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:ViaAWSService", "false");
    context.set("aws:userid", caller.user_id());
    let mut tags = Vec::new();
    match &caller.identity {
        Identity::Root { .. } | Identity::Operator { .. } => {
            context.set("aws:PrincipalType", "Account");
            // The root user's, or the operator's own name: `operator:uid@host`.
            context.set("aws:PrincipalArn", caller.arn());
            context.set_absent("aws:username");
        }
        Identity::User { id, name, arn, .. } => {
            context.set("aws:PrincipalType", "User");
            context.set("aws:PrincipalArn", arn.clone());
            context.set("aws:username", name.clone());
            tags = directory.tags(id)?;
        }
        Identity::RoleSession { role, role_arn, session, .. } => {
            context.set("aws:PrincipalType", "AssumedRole");
            context.set("aws:PrincipalArn", role_arn.clone());
            context.set_absent("aws:username");
            tags = directory.tags(role)?;
            // A session's tags win over the role's of the same key, without regard to case.
            let same_key = |one: &str, other: &str| same_key(role.kind(), one, other);
            tags.retain(|(key, _)| !session.tags.iter().any(|(other, _)| same_key(key, other)));
            tags.extend(session.tags.iter().cloned());
        }
    }
    for (key, value) in tags {
        context.set(format!("aws:PrincipalTag/{key}"), value);
    }
    match caller.session() {
        Some(session) => {
            context.set("aws:TokenIssueTime", session.issued.to_string());
            match session.mfa {
                Some(mfa) => {
                    context.set("aws:MultiFactorAuthPresent", if mfa { "true" } else { "false" })
                }
                None => context.set("aws:MultiFactorAuthPresent", "false"),
            }
            // A session that was begun with a second factor was begun when that was given.
            match session.mfa {
                Some(true) => {
                    let age = caller.at.seconds().saturating_sub(session.issued.seconds());
                    context.set("aws:MultiFactorAuthAge", age.to_string());
                }
                _ => context.set_absent("aws:MultiFactorAuthAge"),
            }
            match &session.source_identity {
                Some(identity) => context.set("aws:SourceIdentity", identity.clone()),
                None => context.set_absent("aws:SourceIdentity"),
            }
        }
        None => {
            for key in ["aws:TokenIssueTime", "aws:SourceIdentity", "aws:MultiFactorAuthAge"] {
                context.set_absent(key);
            }
        }
    }
    Ok(context)
}

/// The values of a key; `None` if it is known to be absent.
fn texts(values: &Values<'_>) -> Option<Vec<String>> {
    match values {
        Values::One(value) => Some(vec![value.to_string()]),
        Values::Many(values) => Some(values.iter().map(ToString::to_string).collect()),
        Values::Absent => None,
    }
}

/// Keys whose values tell of a person; receipts seal them.
fn is_personal(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "aws:sourceip"
            | "aws:useragent"
            | "aws:userid"
            | "aws:username"
            | "aws:principalarn"
            | "aws:sourceidentity"
            | "domesday:question"
            | "sts:rolesessionname"
            | "sts:sourceidentity"
            | "sts:externalid"
            | "aws:referer"
    ) || ["aws:principaltag/", "aws:requesttag/", "aws:resourcetag/", "iam:resourcetag/"]
        .iter()
        .any(|prefix| lower.starts_with(prefix))
}

/// Keys that tell nothing of a person, and the others.
pub type Recorded = (Vec<(String, Vec<String>)>, serde_json::Map<String, serde_json::Value>);

/// A context as receipts keep it: what tells nothing of a person, and the rest. A key that is known to be
/// absent has no values, and is left out unless it matters that it is known.
pub fn recorded(context: &Context<'_>, with_absent: bool) -> Recorded {
    let (mut plain, mut personal) = (Vec::new(), serde_json::Map::new());
    for (key, values) in context.iter() {
        let values = match texts(values) {
            Some(values) => values,
            None if with_absent => Vec::new(),
            None => continue,
        };
        if is_personal(key) {
            personal.insert(key.to_owned(), values.into());
        } else {
            plain.push((key.to_owned(), values));
        }
    }
    (plain, personal)
}

/// The statements that decided, as receipts keep them: policy, version, place in the document.
pub fn deciding_of(decision: &Decision<'_>) -> Vec<(String, String, u32)> {
    let one = |deciding: Deciding<'_>| {
        let index = u32::try_from(deciding.statement.index()).unwrap_or(u32::MAX);
        (deciding.label.policy.to_string(), deciding.label.version.to_string(), index)
    };
    decision.deciding().map(one).collect()
}

/// The outcome of all checks of a request: its receipts, and the refusal if there is one.
pub struct Judgement {
    /// One a check, up to the first that was denied.
    pub receipts: Vec<Receipt>,
    /// The refusal.
    pub refusal: Option<Fault>,
}

/// What judging needs besides the request.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// Parsed documents.
    pub documents: &'a Documents,
    /// Who asked a moment ago, where the present is a view at the head and nothing is staged on it.
    pub standings: Option<(&'a Standings, &'a View)>,
    /// The present, as the caller is judged by it.
    pub reader: &'a dyn Reader,
    /// The events that `reader` shows.
    pub position: u64,
    /// For sealing receipts and encoding denials.
    pub random: &'a dyn Random,
}

impl Judge<'_> {
    /// Judges a caller's request for `action` on a target.
    pub fn judge(
        &self,
        caller: &Caller,
        action: &str,
        target: &Target,
    ) -> Result<Judgement, Fault> {
        let mut judgement = Judgement { receipts: Vec::new(), refusal: None };
        let grants = match self.standings {
            Some((standings, now)) => standings.grants(self.documents, now, caller)?,
            None => Arc::new(Grants::of_caller(self.documents, self.reader, caller)?),
        };
        let base = caller_context(self.reader, caller)?;
        for check in &target.checks {
            let action = check.action.unwrap_or(action);
            self.check(caller, &grants, action, check, &base, &mut judgement)?;
            if judgement.refusal.is_some() {
                break;
            }
        }
        Ok(judgement)
    }

    fn check(
        &self,
        caller: &Caller,
        grants: &Grants,
        action: &str,
        check: &Check,
        base: &Context<'_>,
        judgement: &mut Judgement,
    ) -> Result<(), Fault> {
        let context = with_keys(base, check, &caller.digits);
        let trust = match &check.trust {
            None => None,
            Some(trust) => Some(self.documents.trust(self.reader, trust)?),
        };
        let trust = trust_of(&check.resource, trust);
        let mut policies = match check.needs_trust {
            true => grants.policies_and_trust(trust.as_ref()),
            false => grants.policies(),
        };
        let foreign = match &check.owner {
            Some((owner, _)) if *owner != caller.account => {
                Some(Organization::of(self.documents, self.reader, *owner)?)
            }
            _ => None,
        };
        if resource_control_reaches(action) {
            policies.rcp = &foreign.as_ref().unwrap_or(&grants.organization).rcp;
        }
        let owner = check.owner.as_ref().map(|(_, digits)| digits.as_str());
        let (decision, because) =
            verdict(caller, action, (&check.resource, owner), &policies, &context);
        let receipt = self.receipt(caller, action, check, &context, &decision)?;
        judgement.receipts.push(receipt);
        if decision.is_allowed() {
            return Ok(());
        }
        let is_foreign = check.owner.as_ref().is_some_and(|(_, digits)| *digits != caller.digits);
        let is_trusted = decision.of(PolicyType::Trust) == Some(Outcome::Allowed);
        if check.trust.is_some() && is_foreign && !is_trusted {
            // Nobody learns of another account's role that does not trust them, not even that it exists: the
            // receipt is of what was decided, the answer as if there were no such role.
            let mut told = Judgement { receipts: Vec::new(), refusal: None };
            self.check(caller, grants, action, &check.as_if_missing(), base, &mut told)?;
            judgement.refusal = told.refusal;
            return Ok(());
        }
        judgement.refusal =
            Some(self.refusal(caller, action, check, &context, &decision, because)?);
        Ok(())
    }

    /// A denial, in AWS's words.
    fn refusal(
        &self,
        caller: &Caller,
        action: &str,
        check: &Check,
        context: &Context<'_>,
        decision: &Decision<'_>,
        because: Option<String>,
    ) -> Result<Fault, Fault> {
        let encoded = self.encode(caller, action, check, context, decision)?;
        Ok(Fault::new(
            "AccessDenied",
            403,
            format!(
                "User: {} is not authorized to perform: {action} on resource: {} {} Encoded \
                 authorization failure message: {encoded}",
                caller.arn(),
                check.called.as_ref().unwrap_or(&check.resource),
                because.unwrap_or_default(),
            ),
        ))
    }

    fn receipt(
        &self,
        caller: &Caller,
        action: &str,
        check: &Check,
        context: &Context<'_>,
        decision: &Decision<'_>,
    ) -> Result<Receipt, Fault> {
        let (plain, personal) = recorded(context, false);
        let owner = check.owner.as_ref().map_or(caller.account, |(account, _)| *account);
        let keys = self.reader.keys();
        let seal = |account: AccountId, id: &UniqueId, field: &str, text: &str| {
            sealing::seal(keys, self.random, account, id, field, text)
        };
        Ok(Receipt {
            kind: match decision.outcome {
                Outcome::Allowed => Kind::Allowed,
                Outcome::ImplicitDeny => Kind::ImplicitDeny,
                Outcome::ExplicitDeny => Kind::ExplicitDeny,
            },
            at: caller.at,
            account: owner,
            request: caller.request_id.clone(),
            principal: (caller.account, caller.principal_id()),
            credential: caller.credential.clone(),
            action: action.to_owned(),
            resource: check.id.clone(),
            resource_arn: seal(owner, &subject_of(&check.id), "receipt resource", &check.resource)?,
            context: plain,
            personal: seal(
                caller.account,
                &subject_of(&caller.principal_id()),
                "receipt context",
                &serde_json::Value::Object(personal).to_string(),
            )?,
            position: self.position,
            evaluator: EVALUATOR,
            deciding: deciding_of(decision),
            blocked_by: decision.blocked_by.map(|kind| kind.noun().to_owned()),
        })
    }

    /// The text that DecodeAuthorizationMessage opens: for the caller's account only.
    fn encode(
        &self,
        caller: &Caller,
        action: &str,
        check: &Check,
        context: &Context<'_>,
        decision: &Decision<'_>,
    ) -> Result<String, Fault> {
        let items: Vec<_> = context
            .iter()
            .filter_map(|(key, values)| {
                let values = texts(values)?;
                let values: Vec<_> =
                    values.into_iter().map(|value| serde_json::json!({ "value": value })).collect();
                Some(serde_json::json!({ "key": key, "values": { "items": values } }))
            })
            .collect();
        let statements: Vec<_> = decision
            .deciding()
            .map(|deciding| {
                serde_json::json!({
                    "policy": &*deciding.label.policy,
                    "version": &*deciding.label.version,
                    "statement": deciding.statement.index(),
                    "sid": deciding.statement.sid(),
                })
            })
            .collect();
        let message = serde_json::json!({
            "allowed": false,
            "explicitDeny": decision.outcome == Outcome::ExplicitDeny,
            "matchedStatements": { "items": statements },
            "blockedBy": decision.blocked_by.map(PolicyType::noun),
            "context": {
                "principal": { "id": caller.user_id(), "arn": caller.arn() },
                "action": action,
                "resource": check.resource,
                "conditions": { "items": items },
            },
        });
        let sealed = sealing::seal(
            self.reader.keys(),
            self.random,
            caller.account,
            &UniqueId::root(),
            "authorization message",
            &message.to_string(),
        )?;
        Ok(base64_url(&sealed.0))
    }
}

/// Opens an encoded denial of this account; `None` if it is not one.
pub fn decode_denial(reader: &dyn Reader, account: AccountId, encoded: &str) -> Option<String> {
    let sealed = Sealed(from_base64_url(encoded)?);
    let root = UniqueId::root();
    sealing::unseal(reader.keys(), account, &root, "authorization message", &sealed).ok().flatten()
}

/// Decides a request for an action on a resource, which may be another account's (its digits): the one
/// place, for requests and for replays of them. Also says why, in AWS's words.
pub fn verdict<'a>(
    caller: &Caller,
    action: &str,
    (resource, owner): (&str, Option<&str>),
    policies: &Policies<'a>,
    context: &Context<'_>,
) -> (Decision<'a>, Option<String>) {
    let session_arn = caller.arn();
    let mut request = Request::new(caller.principal(&session_arn), action, resource, context);
    if let Some(digits) = owner {
        request = request.owned_by(digits);
    }
    let mut decision = decide(&request, policies);
    let mut because = decision.because(action);
    if caller.is_operator() {
        decision.outcome = Outcome::Allowed;
        decision.blocked_by = None;
    } else if cannot_call_iam(caller, action) {
        // IAM User Guide, "Compare AWS STS credentials": GetSessionToken without MFA calls neither IAM nor
        // STS, but for AssumeRole and GetCallerIdentity.
        decision.outcome = Outcome::ImplicitDeny;
        decision.blocked_by = Some(PolicyType::Session);
        because = Some(
            "because credentials of GetSessionToken without MFA cannot call this service".into(),
        );
    }
    (decision, because)
}

/// Whether a session of GetSessionToken asks for what those without MFA cannot do, whatever policies say.
pub fn cannot_call_iam(caller: &Caller, action: &str) -> bool {
    let Some(session) = caller.session() else { return false };
    let of_get_session_token =
        matches!(caller.identity, Identity::User { .. } | Identity::Root { .. });
    of_get_session_token
        && !session.console
        && session.mfa != Some(true)
        && !action.eq_ignore_ascii_case("sts:AssumeRole")
        && !action.eq_ignore_ascii_case("sts:GetCallerIdentity")
        && (action.starts_with("iam:") || action.starts_with("sts:"))
}

/// The caller's context with the keys of one check.
fn with_keys<'a>(base: &Context<'a>, check: &'a Check, caller_digits: &str) -> Context<'a> {
    let mut context = base.clone();
    let owner = check.owner.as_ref().map_or(caller_digits, |(_, digits)| digits);
    context.set("aws:ResourceAccount", owner.to_owned());
    for (name, value) in &check.keys {
        match value {
            Value::One(value) => context.set(name.as_str(), value.as_str()),
            Value::Many(values) => {
                context.set_many(name.as_str(), values.iter().map(String::as_str));
            }
            Value::Ambiguous => context.set_absent(name.as_str()),
        }
    }
    context
}
