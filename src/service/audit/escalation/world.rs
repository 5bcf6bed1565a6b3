//! An account at one moment, as escalation looks at it: everybody with the policies that judge them, and what
//! can be granted.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::identity::arn;
use crate::identity::change::PolicyRef;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Attached, Document, DocumentKind, Label, PolicySet};
use crate::projection::Reader;
use crate::projection::directory::Directory;
use crate::projection::tables::*;
use crate::projection::view::ReadTables;
use crate::service::audit::can::known;
use crate::service::audit::names::Found;
use crate::service::authorize::{Grants, trust_of};
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::mfa;
use crate::service::operations::shapes::policy_arn;
use crate::service::supposed::{Could, Kind, Supposed, set_tags};
use crate::service::target::find_policy;

/// What allows everything.
pub const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// What trusts everybody.
const TRUST_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
/// The shared policy that allows everything.
pub const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Managed policies that may be attached to one user, group or role.
const ATTACHED_QUOTA: usize = 10;
/// Versions that a policy may have.
const VERSIONS_QUOTA: usize = 5;
/// Access keys that a user may have.
const KEYS_QUOTA: usize = 2;
/// Groups that a user may be in.
const MEMBERSHIPS_QUOTA: usize = 10;

/// The root user, a user or a role.
pub struct Member {
    /// Who.
    pub supposed: Supposed,
    /// The policies that judge it.
    pub grants: Rc<Grants>,
    /// Of a role: whom it trusts.
    pub trust: Option<Trust>,
    /// What bounds it.
    pub boundary: Option<PolicyRef>,
}

/// Whom a role trusts.
pub struct Trust {
    /// Its trust policy.
    pub policy: PolicySet,
    named: HashSet<String>,
    others: bool,
}

impl Trust {
    /// Whether somebody might be trusted who has no permission of its own to assume the role.
    pub fn may_name(&self, supposed: &Supposed) -> bool {
        self.others || supposed.id.as_ref().is_some_and(|id| self.named.contains(id.as_str()))
    }
}

/// A managed policy that may be attached, or put as a boundary.
#[derive(Clone)]
pub struct Attachable {
    /// As rows refer to it.
    pub policy: PolicyRef,
    /// Its document, under its ARN.
    pub attached: Attached,
}

impl Attachable {
    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.attached.label.policy
    }
}

/// A user group.
pub struct Group {
    /// Its id.
    pub id: UniqueId,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// A managed policy of the account.
pub struct Managed {
    /// Its ARN.
    pub arn: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Whether it may have one more version.
    pub has_room: bool,
    /// The versions that are not the default one, with their documents.
    pub others: Vec<(u32, Arc<Document>)>,
}

/// What is asked for, and what is known of what it is asked of.
#[derive(Clone, Copy)]
pub struct Deed<'a> {
    /// `iam:PutUserPolicy`
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: &'a str,
    /// The tags of the resource, where they are known.
    pub tags: Option<&'a [(String, String)]>,
    /// Keys that the request itself supplies; without a value, keys that it does not.
    pub keys: &'a [(&'a str, Option<&'a str>)],
    /// The trust policy of the role that it is about.
    pub trust: Option<&'a PolicySet>,
}

/// The account.
pub struct World<'a> {
    /// Parsed documents.
    pub documents: &'a Documents,
    /// The account as it is read.
    pub directory: Directory<'a>,
    /// Everybody: the root user first.
    pub members: Vec<Rc<Member>>,
    /// The groups, by name.
    pub groups: Vec<Group>,
    /// A document that allows everything.
    pub everything: Arc<Document>,
    /// A trust policy that trusts everybody.
    pub trust_all: PolicySet,
    /// A word that is in no name of a user, role or policy: what is made is called by it.
    pub unused: String,
    /// What judges whoever has no policies yet.
    of_nobody: Grants,
    /// Read when somebody is first asked who could make something.
    boundaries: OnceCell<Vec<Attachable>>,
    /// The roles whose trust policies name an id, by number; and those that name others.
    named_by: HashMap<String, Vec<usize>>,
    named_by_all: Vec<usize>,
    given: &'a [(String, String)],
}

impl<'a> World<'a> {
    /// Reads an account.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub fn read(
        documents: &'a Documents,
        reader: &'a dyn Reader,
        account: AccountId,
        given: &'a [(String, String)],
    ) -> Result<Self, Fault> {
        let directory = Directory::new(reader, account);
        let digits = directory.digits()?;
        let root = Supposed::root(&digits);
        let grants = Rc::new(root.grants(documents, &directory)?);
        let of_nobody = Grants { organization: grants.organization.clone(), ..Grants::default() };
        let root = Member { supposed: root, grants, trust: None, boundary: None };
        let mut members = vec![Rc::new(root)];
        let mut add = |found: Found, trust, boundary| -> Result<(), Fault> {
            let Some(supposed) = Supposed::of_found(directory, &digits, &found)? else {
                return Ok(());
            };
            let grants = Rc::new(supposed.grants(documents, &directory)?);
            members.push(Rc::new(Member { supposed, grants, trust, boundary }));
            Ok(())
        };
        for user in directory.all::<UserRow>()? {
            let boundary = user.row.boundary.clone();
            let (name, arn) = (user.name, user.arn);
            add(Found { kind: "user", id: user.row.id, name, arn }, None, boundary)?;
        }
        for role in directory.all::<RoleRow>()? {
            let document = documents.trust(reader, &role.row.trust)?;
            let named = document.named_ids().map(str::to_owned).collect();
            let others = document.names_others();
            let trust = trust_of(&role.arn, Some(document));
            let trust = trust.map(|policy| Trust { policy, named, others });
            let boundary = role.row.boundary.clone();
            let (name, arn) = (role.name, role.arn);
            add(Found { kind: "role", id: role.row.id, name, arn }, trust, boundary)?;
        }
        let mut groups = Vec::new();
        for group in directory.all::<GroupRow>()? {
            let tags = directory.tags(&group.row.id)?;
            groups.push(Group { id: group.row.id, name: group.name, arn: group.arn, tags });
        }
        let trust_all = Document::parse(TRUST_ALL, DocumentKind::Trust).map_err(Fault::internal)?;
        let trust_all = PolicySet::of(trust_all.into(), Label::new("", "", "trust policy"));
        let everything = documents.own(EVERYTHING)?;
        let (mut named_by, mut named_by_all) = (HashMap::<String, Vec<usize>>::new(), Vec::new());
        for (number, trust) in members.iter().map(|member| &member.trust).enumerate() {
            let Some(trust) = trust else { continue };
            for id in &trust.named {
                named_by.entry(id.clone()).or_default().push(number);
            }
            named_by_all.extend(trust.others.then_some(number));
        }
        let mut names: Vec<String> =
            members.iter().map(|member| member.supposed.name.to_ascii_lowercase()).collect();
        let policies = reader.list(account, &POLICIES, &())?;
        names.extend(policies.into_iter().map(|policy| policy.name.to_ascii_lowercase()));
        let words = std::iter::once("new".to_owned()).chain((2_u64..).map(|n| format!("new{n}")));
        let is_unused = |word: &String| !names.iter().any(|name| name.contains(word.as_str()));
        let unused = words.into_iter().find(is_unused).unwrap_or_default();
        Ok(World {
            documents,
            directory,
            members,
            groups,
            everything,
            trust_all,
            unused,
            of_nobody,
            boundaries: OnceCell::new(),
            named_by,
            named_by_all,
            given,
        })
    }

    /// The roles that may trust somebody who has no permission of its own to assume them.
    pub fn may_trust(&self, supposed: &Supposed) -> Vec<usize> {
        let named = supposed.id.as_ref().and_then(|id| self.named_by.get(id.as_str()));
        let named = named.into_iter().flatten();
        named.chain(&self.named_by_all).copied().collect()
    }

    /// A policy that allows everything, under a label.
    pub fn allow_all(&self, policy: &str, version: &str, via: &str) -> Attached {
        Attached::new(self.everything.clone(), Label::new(policy, version, via))
    }

    /// Whether somebody with some policies could do something.
    pub fn could(&self, who: &Supposed, grants: &Grants, deed: Deed<'_>) -> Could {
        let Deed { action, resource, tags, keys, trust } = deed;
        let is_root = who.kind == Kind::Root;
        if trust.is_none() && !is_root && !grants.identity.may_allow(action, resource) {
            return Could::No;
        }
        let mut context = who.context();
        set_tags(&mut context, tags.unwrap_or_default());
        let mut context = known(self.given, context);
        for (key, value) in keys {
            match value {
                Some(value) => context.set((*key).to_owned(), (*value).to_owned()),
                None => context.set_absent((*key).to_owned()),
            }
        }
        let policies = grants.policies_on(action, trust);
        let explored = who.explore((action, resource), &policies, &mut context, tags.is_some());
        Could::of(&explored, &context)
    }

    /// The ARN of a managed policy that bounds somebody.
    pub fn arn(&self, policy: &PolicyRef) -> Result<String, Fault> {
        policy_arn(self.directory, policy)
    }

    /// The groups of a user, by their numbers.
    pub fn groups_of(&self, user: &UniqueId) -> Result<Vec<usize>, Fault> {
        let Directory { reader, account } = self.directory;
        let rows = reader.list(account, &GROUPS_OF, user)?;
        let number = |row: MemberRow| self.groups.iter().position(|group| group.id == row.group);
        Ok(rows.into_iter().filter_map(number).collect())
    }

    /// Whether a user may be in one more group.
    pub fn may_join(&self, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.count(account, &GROUPS_OF, user)? < MEMBERSHIPS_QUOTA)
    }

    /// A user or role that is made under a name, perhaps bounded: it has no policies, and such a role trusts everybody.
    /// `None` if it cannot be called so, or something is.
    pub fn made(
        &self,
        kind: Kind,
        named: &str,
        boundary: Option<&Attachable>,
    ) -> Result<Option<Member>, Fault> {
        let type_name = if kind == Kind::User { "user" } else { "role" };
        let arn = format!("arn:aws:iam::{}:{type_name}/{named}", self.directory.digits()?);
        let Some(mut supposed) =
            Supposed::of_arn(&arn).filter(|one| !arn::is_of_a_service(&one.arn))
        else {
            return Ok(None);
        };
        let is_taken = match kind {
            Kind::User => self.directory.find::<UserRow>(&supposed.name)?.is_some(),
            _ => self.directory.find::<RoleRow>(&supposed.name)?.is_some(),
        };
        if is_taken {
            return Ok(None);
        }
        supposed.session_arn = arn::assumed_role(&supposed.digits, &supposed.name, "session");
        let trust =
            || Trust { policy: self.trust_all.clone(), named: HashSet::new(), others: true };
        let bound = |one: &Attachable| PolicySet::new([one.attached.clone()]);
        let grants = Grants { boundary: boundary.map(bound), ..self.of_nobody.clone() };
        Ok(Some(Member {
            supposed,
            grants: Rc::new(grants),
            trust: (kind == Kind::Role).then(trust),
            boundary: boundary.map(|one| one.policy.clone()),
        }))
    }

    /// Managed policies of the account that a new user or role may have to be bounded by, whatever they allow: a
    /// boundary can be taken away again. At most `most`.
    pub fn boundaries(&self, most: usize) -> Result<&[Attachable], Fault> {
        if let Some(known) = self.boundaries.get() {
            return Ok(known);
        }
        let Directory { reader, account } = self.directory;
        let digits = self.directory.digits()?;
        let rows = reader.list(account, &POLICIES, &())?.into_iter().take(most);
        let arns = rows.map(|row| arn::iam(&digits, "policy", &row.path, &row.name));
        let found: Result<Vec<_>, Fault> =
            arns.filter_map(|arn| self.by_arn(&arn).transpose()).collect();
        let found = found?;
        Ok(self.boundaries.get_or_init(|| found))
    }

    /// A managed policy by its ARN, one of AWS's too; `None` if there is none.
    pub fn by_arn(&self, arn: &str) -> Result<Option<Attachable>, Fault> {
        let Directory { reader, account } = self.directory;
        let Some(policy) = find_policy(&self.directory, arn)? else { return Ok(None) };
        let digits = self.directory.digits()?;
        let managed = self.documents.managed(reader, account, &digits, &policy)?;
        Ok(managed.map(|managed| {
            let label = Label::new(&managed.arn, &managed.version, "");
            Attachable { policy, attached: Attached::new(managed.document, label) }
        }))
    }

    /// The ARN of a policy under a name; `None` if there is one.
    pub fn unused_policy(&self, named: &str) -> Result<Option<String>, Fault> {
        let arn = format!("arn:aws:iam::{}:policy/{named}", self.directory.digits()?);
        let is_there = find_policy(&self.directory, &arn)?.is_some();
        Ok((!is_there).then_some(arn))
    }

    /// Whether one more policy may be attached to somebody; one that is already cannot be again.
    pub fn may_attach(&self, owner: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.count(account, &ATTACHED, owner)? < ATTACHED_QUOTA)
    }

    /// Whether a user may have one more access key.
    pub fn may_have_key(&self, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.count(account, &KEYS_OF, user)? < KEYS_QUOTA)
    }

    /// Whether a password alone lets nobody in as a user: it is asked for a second factor.
    pub fn has_factor(&self, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(mfa::has_any(reader, account, user)?)
    }

    /// Whether a user has a password.
    pub fn has_password(&self, user: &UniqueId) -> Result<bool, Fault> {
        let Directory { reader, account } = self.directory;
        Ok(reader.get(account, &LOGIN_PROFILES, user)?.is_some())
    }

    /// The policies that a group gives.
    pub fn group_grants(&self, group: &Group) -> Result<Grants, Fault> {
        Grants::of_group(self.documents, &self.directory, &group.id)
    }

    /// The account's own policies that are attached to, or bound, a member: to itself or to these groups.
    pub fn managed_of(&self, member: &Member, groups: &[usize]) -> Result<Vec<Managed>, Fault> {
        let Directory { reader, account } = self.directory;
        let own = member.supposed.id.iter();
        let of_groups = groups.iter().filter_map(|number| self.groups.get(*number));
        let owners: Vec<&UniqueId> = own.chain(of_groups.map(|group| &group.id)).collect();
        let mut policies: Vec<PolicyRef> = member.boundary.iter().cloned().collect();
        for owner in owners {
            let rows = reader.list(account, &ATTACHED, owner)?;
            policies.extend(rows.into_iter().map(|row| row.policy));
        }
        policies.sort();
        policies.dedup();
        let mut managed = Vec::new();
        for id in policies.iter().filter_map(|policy| UniqueId::parse(&policy.0)) {
            managed.extend(self.managed(&id)?);
        }
        Ok(managed)
    }

    fn managed(&self, id: &UniqueId) -> Result<Option<Managed>, Fault> {
        let Directory { reader, account } = self.directory;
        let Some(row) = reader.get(account, &POLICIES, id)? else { return Ok(None) };
        let versions = reader.list(account, &POLICY_VERSIONS, id)?;
        let has_room = versions.len() < VERSIONS_QUOTA;
        let mut others = Vec::new();
        for version in versions.iter().filter(|version| version.version != row.default_version) {
            let document = self.documents.identity(reader, &version.document)?;
            others.push((version.version, document));
        }
        let digits = self.directory.digits()?;
        let arn = arn::iam(&digits, "policy", &row.path, &row.name);
        Ok(Some(Managed { arn, tags: self.directory.tags(id)?, has_room, others }))
    }

    /// The managed policies that somebody might attach to come nearer to doing something: the one that allows
    /// everything, and at most `most` of the account's own that say that they allow it.
    pub fn attachable(&self, goal: (&str, &str), most: usize) -> Result<Vec<Attachable>, Fault> {
        let Directory { reader, account } = self.directory;
        let digits = self.directory.digits()?;
        let shared = PolicyRef(ADMINISTRATOR.to_owned());
        let mut found = Vec::new();
        let managed = self.documents.managed(reader, account, &digits, &shared)?;
        found.extend(managed.map(|managed| {
            let label = Label::new(&managed.arn, &managed.version, "");
            Attachable { policy: shared, attached: Attached::new(managed.document, label) }
        }));
        for row in reader.list(account, &POLICIES, &())? {
            if found.len() > most {
                break;
            }
            let policy = PolicyRef(row.id.to_string());
            let managed = self.documents.managed(reader, account, &digits, &policy)?;
            let Some(managed) = managed else { continue };
            let label = Label::new(&managed.arn, &managed.version, "");
            let set = PolicySet::of(managed.document.clone(), label.clone());
            if set.may_allow(goal.0, goal.1) {
                found.push(Attachable { policy, attached: Attached::new(managed.document, label) });
            }
        }
        Ok(found)
    }
}
