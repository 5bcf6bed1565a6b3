//! What judges everybody of an account, told by hashes before anything is compiled.
//!
//! Questions about all principals compile the policies of few: of those whom some document may allow what is asked,
//! or whose documents are not those of another moment. So what a principal stands on is first a list of [`Ground`]s:
//! which documents, read and parsed once for all who have them. [`authorize::Grants`](super::authorize::Grants)
//! collects the same of one principal, with what an answer says about where each document comes from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::authorize::Grants;
use super::documents::Documents;
use super::fault::Fault;
use super::organization::Organization;
use super::password_policy;
use super::supposed::is_tag_of_principal;
use crate::base::crypto::content_hash;
use crate::identity::arn::OF_SERVICES;
use crate::identity::change::{DocumentHash, PolicyRef};
use crate::identity::id::UniqueId;
use crate::policy::{Attached, Document, Label, PolicySet};
use crate::projection::directory::Directory;
use crate::projection::tables::{
    ATTACHED, GROUPS_OF, INLINE_POLICIES, POLICIES, POLICY_VERSIONS, RoleRow, UserRow,
};
use crate::projection::view::ReadTables;

/// A document that has a say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ground {
    /// The document of this hash.
    Document(DocumentHash),
    /// What lets a user change its own password.
    OwnPassword,
    /// A managed policy that is gone: it grants nothing, and bounds to nothing.
    Gone(PolicyRef),
}

/// What a principal stands on; equal grounds decide alike, but for what conditions and variables make of its name
/// and tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Its own and its groups', each once, in order.
    pub identity: Vec<Ground>,
    /// What bounds it.
    pub boundary: Option<Ground>,
    /// Whether service control policies do not reach it.
    pub is_service_linked: bool,
}

/// What an owner of policies has of its own.
#[derive(Default)]
struct Owned {
    grounds: Vec<Ground>,
    /// The account's own policies among them.
    policies: Vec<UniqueId>,
}

/// A document, and whether the tags of whoever asks have a say in it.
#[derive(Clone)]
struct Parsed {
    document: Arc<Document>,
    reads_tags: bool,
}

impl Parsed {
    fn new(document: Arc<Document>) -> Self {
        let reads_tags = document.context_keys().any(is_tag_of_principal);
        Parsed { document, reads_tags }
    }
}

/// Reads the grounds of an account's principals at one moment.
pub struct Gathering<'a> {
    documents: &'a Documents,
    directory: Directory<'a>,
    digits: String,
    organization: Organization,
    /// Whether the tags of whoever asks have a say in the organisation's policies.
    organization_reads_tags: bool,
    label: Label,
    managed: RefCell<HashMap<PolicyRef, Ground>>,
    groups: RefCell<HashMap<UniqueId, Arc<Owned>>>,
    parsed: RefCell<HashMap<Ground, Option<Parsed>>>,
}

impl<'a> Gathering<'a> {
    /// Nothing is gathered yet.
    ///
    /// # Errors
    /// Whatever keeps the organisation's policies from being read.
    pub fn new(documents: &'a Documents, directory: Directory<'a>) -> Result<Self, Fault> {
        let organization = Organization::of(documents, directory.reader, directory.account)?;
        let controls = organization.scp.iter().chain(&organization.rcp);
        let mut controls = controls.flat_map(|set| set.attached());
        let organization_reads_tags =
            controls.any(|one| one.document.context_keys().any(is_tag_of_principal));
        Ok(Gathering {
            documents,
            directory,
            digits: directory.digits()?,
            organization,
            organization_reads_tags,
            label: Label::default(),
            managed: RefCell::default(),
            groups: RefCell::default(),
            parsed: RefCell::default(),
        })
    }

    /// The account as it is read.
    pub fn directory(&self) -> Directory<'a> {
        self.directory
    }

    /// The account's 12 digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The grounds of a user. The ids that it came by, its own, its groups' and its policies', go to `closure`.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read; as for all that follow.
    pub fn of_user(&self, user: &UserRow, closure: &mut Vec<UniqueId>) -> Result<Grounds, Fault> {
        let Directory { reader, account } = self.directory;
        let mut own = self.owned(&user.id)?;
        for member in reader.list(account, &GROUPS_OF, &user.id)? {
            let group = self.group(&member.group)?;
            own.grounds.extend(group.grounds.iter().cloned());
            closure.extend(group.policies.iter().cloned());
            closure.push(member.group);
        }
        if password_policy::may_change_own(self.directory, &user.id)? {
            own.grounds.push(Ground::OwnPassword);
        }
        let boundary = self.boundary(user.boundary.as_ref(), closure)?;
        Ok(together(&user.id, own, boundary, closure))
    }

    /// The grounds of a role; as [`of_user`](Self::of_user).
    pub fn of_role(&self, role: &RoleRow, closure: &mut Vec<UniqueId>) -> Result<Grounds, Fault> {
        let own = self.owned(&role.id)?;
        let boundary = self.boundary(role.boundary.as_ref(), closure)?;
        let grounds = together(&role.id, own, boundary, closure);
        Ok(Grounds { is_service_linked: role.path.starts_with(OF_SERVICES), ..grounds })
    }

    /// The document of a ground; `None` for one that is gone.
    pub fn document(&self, ground: &Ground) -> Result<Option<Arc<Document>>, Fault> {
        Ok(self.parsed(ground)?.map(|parsed| parsed.document))
    }

    /// Whether the tags of whoever stands on these grounds have a say.
    pub fn reads_tags(&self, grounds: &Grounds) -> Result<bool, Fault> {
        let mut reads = self.organization_reads_tags;
        for ground in grounds.identity.iter().chain(&grounds.boundary) {
            reads |= self.parsed(ground)?.is_some_and(|parsed| parsed.reads_tags);
        }
        Ok(reads)
    }

    fn parsed(&self, ground: &Ground) -> Result<Option<Parsed>, Fault> {
        if let Some(parsed) = self.parsed.borrow().get(ground) {
            return Ok(parsed.clone());
        }
        let document = match ground {
            Ground::Document(hash) => Some(self.documents.identity(self.directory.reader, hash)?),
            Ground::OwnPassword => Some(password_policy::own_password(self.documents)?),
            Ground::Gone(_) => None,
        };
        let parsed = document.map(Parsed::new);
        self.parsed.borrow_mut().insert(ground.clone(), parsed.clone());
        Ok(parsed)
    }

    /// The policies of some grounds, compiled. Where they come from is not told.
    pub fn grants(&self, grounds: &Grounds) -> Result<Grants, Fault> {
        let mut grants = Grants {
            identity: self.compiled(&grounds.identity)?,
            organization: self.organization.clone(),
            ..Grants::default()
        };
        if let Some(boundary) = &grounds.boundary {
            grants.boundary = Some(self.compiled(std::slice::from_ref(boundary))?);
        }
        if grounds.is_service_linked {
            grants.organization.scp.clear();
        }
        Ok(grants)
    }

    fn compiled(&self, grounds: &[Ground]) -> Result<PolicySet, Fault> {
        let mut attached = Vec::with_capacity(grounds.len());
        for ground in grounds {
            let document = self.document(ground)?;
            attached.extend(document.map(|document| Attached::new(document, self.label.clone())));
        }
        Ok(PolicySet::new(attached))
    }

    fn group(&self, group: &UniqueId) -> Result<Arc<Owned>, Fault> {
        if let Some(owned) = self.groups.borrow().get(group) {
            return Ok(owned.clone());
        }
        let owned = Arc::new(self.owned(group)?);
        self.groups.borrow_mut().insert(group.clone(), owned.clone());
        Ok(owned)
    }

    fn owned(&self, owner: &UniqueId) -> Result<Owned, Fault> {
        let Directory { reader, account } = self.directory;
        let mut owned = Owned::default();
        for inline in reader.list(account, &INLINE_POLICIES, owner)? {
            owned.grounds.push(Ground::Document(inline.document));
        }
        for attached in reader.list(account, &ATTACHED, owner)? {
            owned.grounds.push(self.managed(&attached.policy)?);
            owned.policies.extend(UniqueId::parse(&attached.policy.0));
        }
        Ok(owned)
    }

    fn boundary(
        &self,
        policy: Option<&PolicyRef>,
        closure: &mut Vec<UniqueId>,
    ) -> Result<Option<Ground>, Fault> {
        closure.extend(policy.and_then(|policy| UniqueId::parse(&policy.0)));
        policy.map(|policy| self.managed(policy)).transpose()
    }

    /// What a managed policy says.
    fn managed(&self, policy: &PolicyRef) -> Result<Ground, Fault> {
        if let Some(ground) = self.managed.borrow().get(policy) {
            return Ok(ground.clone());
        }
        let ground =
            self.read_managed(policy)?.map_or(Ground::Gone(policy.clone()), Ground::Document);
        self.managed.borrow_mut().insert(policy.clone(), ground.clone());
        Ok(ground)
    }

    fn read_managed(&self, policy: &PolicyRef) -> Result<Option<DocumentHash>, Fault> {
        let Directory { reader, account } = self.directory;
        if policy.is_shared() {
            let shared = self.documents.shared(reader, account, policy)?;
            let Some(text) = shared.map(|shared| shared.document) else { return Ok(None) };
            let hash = content_hash(text.as_bytes());
            // Its text is not kept under its hash, but in the catalogue.
            let document = self.documents.own(&text)?;
            self.parsed.borrow_mut().insert(Ground::Document(hash), Some(Parsed::new(document)));
            return Ok(Some(hash));
        }
        let Some(id) = UniqueId::parse(&policy.0) else { return Ok(None) };
        let Some(row) = reader.get(account, &POLICIES, &id)? else { return Ok(None) };
        let version = reader.get(account, &POLICY_VERSIONS, &(id, row.default_version))?;
        Ok(version.map(|version| version.document))
    }
}

fn together(
    id: &UniqueId,
    own: Owned,
    boundary: Option<Ground>,
    closure: &mut Vec<UniqueId>,
) -> Grounds {
    let Owned { grounds: mut identity, policies } = own;
    identity.sort_unstable();
    identity.dedup();
    closure.extend(policies);
    closure.push(id.clone());
    Grounds { identity, boundary, is_service_linked: false }
}
