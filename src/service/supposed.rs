//! Requests that nobody made: what is known of a principal whom somebody else asks about, for `can` and the
//! simulators.
//!
//! The policies, the principal and the context keys that follow from it are what they would be if it asked
//! itself. What depends on the session or on the request (`aws:SourceIp`, `aws:MultiFactorAuthPresent`,
//! `aws:CurrentTime`, the session's tags and name) nobody knows: it is left unknown, so that an answer can
//! say that it hangs on it.

use std::sync::Arc;

use super::audit::names::Found;
use super::authorize::{Grants, trust_of};
use super::documents::Documents;
use super::fault::Fault;
use super::operations::sts::NEED_TRUST;
use super::target::find_policy;
use crate::identity::arn::{self, Arn};
use crate::identity::id::{UniqueId, is_account_digits};
use crate::policy::{
    self, Context, Document, Exploration, Outcome, Policies, PolicySet, PolicyType, Request,
    explore, explore_certain,
};
use crate::projection::directory::{Directory, Named, Principal};
use crate::projection::tables::RoleRow;

/// What kind of principal is supposed to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The account's root user.
    Root,
    /// A user.
    User,
    /// Some session of a role.
    Role,
    /// A user about whom nothing is known but that it is in this group: a group is no principal itself.
    Group,
}

impl Kind {
    /// The kind of an ARN's type: `user`, `group`, `role`.
    pub fn of(arn_type: &str) -> Option<Self> {
        match arn_type {
            "user" => Some(Kind::User),
            "group" => Some(Kind::Group),
            "role" => Some(Kind::Role),
            _ => None,
        }
    }
}

/// A principal that is supposed to ask.
#[derive(Clone, Debug)]
pub struct Supposed {
    /// What it is.
    pub kind: Kind,
    /// The digits of its account.
    pub digits: String,
    /// Its unique id; `None` for one of which only the ARN is known.
    pub id: Option<UniqueId>,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The ARN of the session that a role asks in; empty for any.
    pub session_arn: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

impl Supposed {
    /// The root user.
    pub fn root(digits: &str) -> Self {
        Supposed {
            kind: Kind::Root,
            digits: digits.to_owned(),
            id: Some(UniqueId::root()),
            name: "root".to_owned(),
            arn: arn::root(digits),
            session_arn: String::new(),
            tags: Vec::new(),
        }
    }

    /// A user or role that exists; `None` for a group, which is no principal.
    pub fn of_found(
        directory: Directory<'_>,
        digits: &str,
        found: &Found,
    ) -> Result<Option<Self>, Fault> {
        let Some(untagged) = Supposed::untagged(digits, found) else { return Ok(None) };
        Ok(Some(Supposed { tags: directory.tags(&found.id)?, ..untagged }))
    }

    /// The same where no policy asks for its tags.
    pub fn untagged(digits: &str, found: &Found) -> Option<Self> {
        let kind = Kind::of(found.kind).filter(|kind| *kind != Kind::Group)?;
        Some(Supposed {
            kind,
            digits: digits.to_owned(),
            id: Some(found.id.clone()),
            name: found.name.clone(),
            arn: found.arn.clone(),
            session_arn: arn::assumed_role(digits, &found.name, "session"),
            tags: Vec::new(),
        })
    }

    /// `user/alice`, `role/deploy`, `root`.
    pub fn called(&self) -> String {
        match self.kind {
            Kind::Root => "root".to_owned(),
            Kind::User => format!("user/{}", self.name),
            Kind::Role => format!("role/{}", self.name),
            Kind::Group => format!("group/{}", self.name),
        }
    }

    /// A user, group or role of which the ARN is all that is known; `None` for any other text.
    pub fn of_arn(text: &str) -> Option<Self> {
        let parsed = Arn::parse(text)?;
        let kind = Kind::of(parsed.kind())?;
        let fits = parsed.partition.starts_with("aws")
            && parsed.service == "iam"
            && parsed.region.is_empty()
            && is_account_digits(parsed.account)
            && parsed.resource.contains('/')
            && !parsed.name().is_empty();
        fits.then(|| Supposed {
            kind,
            digits: parsed.account.to_owned(),
            id: None,
            name: parsed.name().to_owned(),
            arn: text.to_owned(),
            session_arn: String::new(),
            tags: Vec::new(),
        })
    }

    /// The one that exists under exactly this ARN, its tags included; as it was given if there is none.
    pub fn looked_up(self, directory: Directory<'_>) -> Result<(Self, bool), Fault> {
        use crate::projection::tables::{GroupRow, RoleRow, UserRow};
        fn exact<P: Principal>(
            directory: Directory<'_>,
            name: &str,
            arn: &str,
        ) -> Result<Option<UniqueId>, Fault> {
            let found: Option<Named<P>> = directory.find(name)?;
            Ok(found.filter(|found| found.arn == arn).map(|found| found.row.id().clone()))
        }
        let (name, arn) = (&self.name, &self.arn);
        let found = match self.kind {
            Kind::User => exact::<UserRow>(directory, name, arn)?,
            Kind::Group => exact::<GroupRow>(directory, name, arn)?,
            Kind::Role => exact::<RoleRow>(directory, name, arn)?,
            Kind::Root => Some(UniqueId::root()),
        };
        let Some(id) = found else { return Ok((self, false)) };
        let tags = directory.tags(&id)?;
        Ok((Supposed { id: Some(id), tags, ..self }, true))
    }

    /// The policies that judge it, without those of a session; none for whom only the ARN is known.
    pub fn grants(
        &self,
        documents: &Documents,
        directory: &Directory<'_>,
    ) -> Result<Grants, Fault> {
        match (&self.id, self.kind) {
            (Some(id), Kind::User) => Grants::of_user(documents, directory, id),
            (Some(id), Kind::Role) => Grants::of_role(documents, directory, id),
            (Some(id), Kind::Group) => Grants::of_group(documents, directory, id),
            (Some(_), Kind::Root) => Grants::of_root(documents, directory),
            (None, _) => Ok(Grants::default()),
        }
    }

    /// Explores a request of it. What this service knows to be absent is marked so in the context, so that no
    /// answer hangs on it: tags that a user does not have and, where `tags` says that those of the resource are
    /// known, tags that that one does not have. A role's session may bring tags of its own. Whom a role of another
    /// account trusts is not known here: where only that has a say yet, it depends.
    pub fn explore<'a>(
        &self,
        (action, resource): (&str, &str),
        policies: &Policies<'a>,
        context: &mut Context<'static>,
        tags: bool,
    ) -> Exploration<'a> {
        // "Roles may not be assumed by root accounts", whomever they trust.
        let nobody = Policies { resource: None, resource_must_allow: true, ..*policies };
        let is_refused = self.kind == Kind::Root && needs_trust(action);
        let policies = if is_refused { &nobody } else { policies };
        let ask = |context: &Context<'_>| {
            let request = Request::new(self.principal(), action, resource, context);
            explore_certain(&request, policies).unwrap_or_else(|| explore(&request, policies))
        };
        let mut explored = ask(context);
        let is_absent = |key: &&&str| {
            let of = |prefix: &str| begins_with(key, prefix);
            matches!(self.kind, Kind::User | Kind::Root) && is_tag_of_principal(key)
                || tags && (of("aws:resourcetag/") || of("iam:resourcetag/"))
        };
        let missing = explored.missing_keys.iter().chain(&explored.missing_organization_keys);
        let absent: Vec<String> = missing.filter(is_absent).map(|key| (*key).to_owned()).collect();
        if !absent.is_empty() {
            absent.into_iter().for_each(|key| context.set_absent(key));
            explored = ask(context);
        }
        let lacks_trust = explored.decision.blocked_by == Some(PolicyType::Resource)
            && explored.decision.outcome == Outcome::ImplicitDeny;
        if lacks_trust && !is_refused && self.is_of_another(action, resource) {
            explored.best = Outcome::Allowed;
        }
        explored
    }

    /// Whether an action takes on a role of another account.
    fn is_of_another(&self, action: &str, resource: &str) -> bool {
        needs_trust(action) && role_arn(resource).is_some_and(|role| role.account != self.digits)
    }

    /// As policies judge it.
    pub fn principal(&self) -> policy::Principal<'_> {
        let account = self.digits.as_str();
        let id = self.id.as_ref().map_or("", UniqueId::as_str);
        match self.kind {
            Kind::Root => policy::Principal::Root { account },
            Kind::User => policy::Principal::User { account, id, arn: &self.arn },
            // Whoever is in the group: no policy can name it, but all name it that name its account.
            Kind::Group => policy::Principal::User { account, id: "", arn: "" },
            Kind::Role => policy::Principal::RoleSession {
                account,
                role_id: id,
                role_arn: &self.arn,
                session_arn: &self.session_arn,
            },
        }
    }

    /// The condition keys that follow from who it is.
    pub fn context(&self) -> Context<'static> {
        let mut context = Context::new();
        context.set("aws:PrincipalAccount", self.digits.clone());
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:ViaAWSService", "false");
        match self.kind {
            Kind::Root => {
                context.set("aws:PrincipalType", "Account");
                context.set("aws:PrincipalArn", self.arn.clone());
                context.set("aws:userid", self.digits.clone());
                context.set_absent("aws:username");
            }
            Kind::User => {
                context.set("aws:PrincipalType", "User");
                context.set("aws:PrincipalArn", self.arn.clone());
                context.set("aws:username", self.name.clone());
                if let Some(id) = &self.id {
                    context.set("aws:userid", id.to_string());
                }
            }
            Kind::Group => context.set("aws:PrincipalType", "User"),
            Kind::Role => {
                context.set("aws:PrincipalType", "AssumedRole");
                context.set("aws:PrincipalArn", self.arn.clone());
                context.set_absent("aws:username");
            }
        }
        for (key, value) in &self.tags {
            context.set(format!("aws:PrincipalTag/{key}"), value.clone());
        }
        context
    }
}

/// Whether a condition key, its name in any case, has one of the tags of whoever asks.
pub fn is_tag_of_principal(key: &str) -> bool {
    begins_with(key, "aws:principaltag/")
}

/// Whether a condition key, its name in any case, tells the principals of an account apart: one of those that follow
/// from who it is ([`Supposed::context`]) and are not the same for all.
pub fn is_of_principal(key: &str) -> bool {
    let known = ["aws:PrincipalArn", "aws:PrincipalType", "aws:userid", "aws:username"];
    known.iter().any(|known| known.eq_ignore_ascii_case(key)) || is_tag_of_principal(key)
}

fn begins_with(key: &str, prefix: &str) -> bool {
    key.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
}

/// What was found of a request that somebody is supposed to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Could {
    /// Policies do not allow it, whatever is unknown.
    No,
    /// It hangs on these keys, which nobody gave.
    Under(Vec<String>),
    /// Policies allow it, whatever is unknown.
    Yes,
}

impl Could {
    /// What an exploration came to. The keys are those that the context lacks of the statements about this
    /// very request.
    pub fn of(explored: &Exploration<'_>, context: &Context<'_>) -> Self {
        match (explored.best, explored.worst) {
            (_, Outcome::Allowed) => Could::Yes,
            (Outcome::Allowed, _) => {
                let open = explored.open.iter().flat_map(|open| open.statement.context_keys());
                let unknown = open.filter(|key| context.get(key).is_none());
                let mut keys: Vec<String> = unknown.map(str::to_owned).collect();
                keys.sort_by_cached_key(|key| key.to_ascii_lowercase());
                keys.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
                Could::Under(keys)
            }
            _ => Could::No,
        }
    }
}

/// The tags of what a request is about, where that is a user, group, role or policy of the directory's account
/// that exists under exactly this ARN; `None` of anything else, whose tags nobody here knows.
pub fn tags_of(
    directory: Directory<'_>,
    resource: &str,
) -> Result<Option<Vec<(String, String)>>, Fault> {
    use crate::projection::tables::{GroupRow, RoleRow, UserRow};
    fn id_of<P: Principal>(
        directory: Directory<'_>,
        (name, arn): (&str, &str),
    ) -> Result<Option<UniqueId>, Fault> {
        let found = directory.find::<P>(name)?.filter(|found| found.arn == arn);
        Ok(found.map(|found| found.row.id().clone()))
    }
    let Some(parsed) = Arn::parse(resource) else { return Ok(None) };
    if !resource.starts_with("arn:aws:iam:") || parsed.account != directory.digits()? {
        return Ok(None);
    }
    let asked = (parsed.name(), resource);
    let id = match parsed.kind() {
        "user" => id_of::<UserRow>(directory, asked)?,
        "group" => id_of::<GroupRow>(directory, asked)?,
        "role" => id_of::<RoleRow>(directory, asked)?,
        "policy" => find_policy(&directory, resource)?
            .filter(|policy| !policy.is_shared())
            .and_then(|policy| UniqueId::parse(&policy.0)),
        _ => None,
    };
    Ok(id.map(|id| directory.tags(&id)).transpose()?)
}

/// Puts what is known of a resource's tags into a context.
pub fn set_tags(context: &mut Context<'static>, tags: &[(String, String)]) {
    for (key, value) in tags {
        context.set(format!("aws:ResourceTag/{key}"), value.clone());
        context.set(format!("iam:ResourceTag/{key}"), value.clone());
    }
}

/// Whether an action is one that a role's trust policy has a say in.
pub fn needs_trust(action: &str) -> bool {
    NEED_TRUST.iter().any(|known| known.eq_ignore_ascii_case(action))
}

/// The ARN of a role, if a text is one.
fn role_arn(text: &str) -> Option<Arn<'_>> {
    Arn::parse(text).filter(|arn| arn.service == "iam" && arn.kind() == "role")
}

/// The trust policy of a role of the directory's account; of other accounts' roles nothing is told.
pub fn trust_policy(
    documents: &Documents,
    directory: Directory<'_>,
    role: &str,
) -> Result<Option<Arc<Document>>, Fault> {
    // By the account's digits: of an account whose history came from elsewhere the list of accounts tells only since
    // it came, and here the past is asked about.
    let Some(arn) =
        role_arn(role).filter(|arn| directory.digits().is_ok_and(|own| own == arn.account))
    else {
        return Ok(None);
    };
    // Nobody takes on a role of a closed account.
    if directory.is_closed()? {
        return Ok(None);
    }
    match directory.find::<RoleRow>(arn.name())?.filter(|found| found.arn == role) {
        None => Ok(None),
        Some(found) => documents.trust(directory.reader, &found.row.trust).map(Some),
    }
}

/// The trust policy that has a say in an action: a role of this account must trust whoever assumes it, and one that
/// is not there trusts nobody; of others nothing is told here.
pub fn trust_on(
    documents: &Documents,
    directory: Directory<'_>,
    action: &str,
    resource: &str,
) -> Result<Option<PolicySet>, Fault> {
    if !needs_trust(action) {
        return Ok(None);
    }
    if let Some(policy) = trust_policy(documents, directory, resource)? {
        return Ok(trust_of(resource, Some(policy)));
    }
    let one = role_arn(resource).filter(|arn| !arn.resource.contains(['*', '?']));
    let is_own = one.is_some_and(|arn| directory.digits().is_ok_and(|own| own == arn.account));
    Ok(is_own.then(|| PolicySet::new([])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_users_groups_and_roles_are_supposed_to_ask() {
        let kind = |text| Supposed::of_arn(text).map(|supposed| supposed.kind);
        assert_eq!(kind("arn:aws:iam::123456789012:user/a/alice"), Some(Kind::User));
        assert_eq!(kind("arn:aws:iam::123456789012:group/g"), Some(Kind::Group));
        assert_eq!(kind("arn:aws:iam::123456789012:role/r"), Some(Kind::Role));
        for wrong in [
            "alice",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::12345678901:user/alice",
            "arn:aws:iam:eu-west-1:123456789012:user/alice",
            "arn:aws:sts::123456789012:assumed-role/r/s",
            "arn:aws:sts::123456789012:federated-user/f",
            "arn:aws:iam::123456789012:policy/p",
        ] {
            assert_eq!(kind(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_known_of_a_user_is_in_the_context() {
        let alice = Supposed::of_arn("arn:aws:iam::123456789012:user/a/alice").unwrap();
        let context = alice.context();
        assert_eq!(context.get("aws:username"), Some(&policy::Values::One("alice".into())));
        assert_eq!(context.get("aws:userid"), None);
        assert_eq!(context.get("aws:SourceIp"), None);
        let role = Supposed::of_arn("arn:aws:iam::123456789012:role/r").unwrap();
        assert_eq!(role.context().get("aws:username"), Some(&policy::Values::Absent));
    }
}
