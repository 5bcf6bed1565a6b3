//! What a record changes: the operation that it tells of, run again.
//!
//! It is the same code that answers requests; the transaction hands out the ids that were given, takes what was
//! allowed for allowed, and makes up no secrets.

use serde_json::Value;

use super::baseline::{number, trust};
use super::record::{Record, Source};
use crate::base::form_tree::Form;
use crate::base::text::percent_decode;
use crate::identity::arn::Arn;
use crate::identity::change::{RoleCreated, RoleDeleted};
use crate::identity::event::Origin;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::sealing::{self, NameKind};
use crate::projection::tables::RoleRow;
use crate::projection::view::ReadTables;
use crate::projection::{Answered, Reader, Transaction};
use crate::service::caller::{Caller, Identity, Source as Place};
use crate::service::fault::Fault;
use crate::service::operation::{Api, Prepared, Writing};
use crate::service::operations::shapes::need;
use crate::service::operations::{self};
use crate::service::target::find_policy;
use crate::service::{Service, app_id, limits, mfa, parameters, subject_of};

/// A record made ready to be run.
pub struct Act {
    /// The record.
    pub record: Record,
    /// Its parameters, as a request has them.
    pub form: Form,
    /// What was answered.
    pub answered: Answered,
    /// The role of an answer, where one was made without being asked for by its parameters.
    role: Option<Value>,
    /// How it is refused before it is run.
    pub refusal: Option<Fault>,
}

/// A name that an act is about: of what, and in lower case.
pub type Name = (NameKind, String);

/// Parameters that a record does not tell, since they are secret, and what stands for them.
const NEVER_TOLD: &[(&str, &str, &str)] = &[
    ("CreateLoginProfile", "Password", "not told"),
    ("UpdateLoginProfile", "Password", "not told"),
    ("ChangePassword", "OldPassword", "not told"),
    ("ChangePassword", "NewPassword", "not told, another"),
    ("EnableMFADevice", "AuthenticationCode1", "000000"),
    ("EnableMFADevice", "AuthenticationCode2", "000000"),
    ("ResyncMFADevice", "AuthenticationCode1", "000000"),
    ("ResyncMFADevice", "AuthenticationCode2", "000000"),
];

/// What an answer calls what was made, and its id.
const MADE: &[(&str, &str, &str)] = &[
    ("CreateUser", "user", "userId"),
    ("CreateGroup", "group", "groupId"),
    ("CreateRole", "role", "roleId"),
    ("CreateServiceLinkedRole", "role", "roleId"),
    ("CreatePolicy", "policy", "policyId"),
    ("CreateInstanceProfile", "instanceProfile", "instanceProfileId"),
    ("CreateAccessKey", "accessKey", "accessKeyId"),
    ("CreateServiceSpecificCredential", "serviceSpecificCredential", "serviceSpecificCredentialId"),
];

impl Act {
    /// Reads what a record asked and was answered. What does not make sense is refused when it is run.
    pub fn of(record: Record) -> Self {
        let answer = record.answer();
        let mut answered = Answered::default();
        let mut refusal = None;
        let mut form = record.form().unwrap_or_else(|fault| {
            refusal = Some(fault);
            Form::default()
        });
        if let Some((_, thing, id)) = MADE.iter().find(|(name, ..)| *name == record.name) {
            let given = answer.get(thing).and_then(|made| made.get(id)).and_then(Value::as_str);
            match given.and_then(UniqueId::parse) {
                Some(given) => answered.ids.push(given),
                None => {
                    refusal =
                        Some(Fault::validation("The record does not tell which id was given."))
                }
            }
        }
        let version = answer.get("policyVersion").and_then(|made| made.get("versionId"));
        answered.version = version.and_then(Value::as_str).and_then(number);
        // Of what users make for themselves the answer tells the name.
        for thing in ["accessKey", "loginProfile"] {
            let name = answer.get(thing).and_then(|made| made.get("userName")?.as_str());
            if let Some(name) = name.filter(|_| form.text_of("UserName").is_none()) {
                let _ = form.insert("UserName", name.to_owned());
            }
        }
        for (_, name, value) in NEVER_TOLD.iter().filter(|(of, ..)| *of == record.name) {
            form.take_text(name);
            let _ = form.insert(name, (*value).to_owned());
        }
        let role = answer.get("role").cloned();
        Act { record, form, answered, role, refusal }
    }

    /// The parameter of a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.form.text_of(name)
    }

    /// Whether this release knows what it changes.
    pub fn is_known(&self) -> bool {
        operations::find(Api::Iam, &self.record.name).is_some() || self.is_service_linked()
    }

    fn is_service_linked(&self) -> bool {
        matches!(self.record.name.as_str(), "CreateServiceLinkedRole" | "DeleteServiceLinkedRole")
    }

    /// The names that it is about, each once.
    pub fn names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        for (parameter, kind) in [
            ("UserName", NameKind::User),
            ("GroupName", NameKind::Group),
            ("RoleName", NameKind::Role),
            ("InstanceProfileName", NameKind::InstanceProfile),
        ] {
            names.extend(self.text(parameter).map(|name| (kind, name.to_lowercase())));
        }
        let made = self.text("PolicyName").filter(|_| self.record.name == "CreatePolicy");
        let arn = self.text("PolicyArn").and_then(Arn::parse);
        let policy = made.or(arn.filter(|arn| !arn.account.is_empty()).map(|arn| arn.name()));
        names.extend(policy.map(|name| (NameKind::Policy, name.to_lowercase())));
        names
    }

    /// The name of what it makes.
    pub fn makes(&self) -> Option<Name> {
        self.name_after("Create")
    }

    /// The name of what it takes away.
    pub fn unmakes(&self) -> Option<Name> {
        self.name_after("Delete")
    }

    /// The name that it takes from who has it, and the one that it gives instead.
    pub fn renames(&self) -> Option<(Name, Name)> {
        let (kind, old, new) = match self.record.name.as_str() {
            "UpdateUser" => (NameKind::User, "UserName", "NewUserName"),
            "UpdateGroup" => (NameKind::Group, "GroupName", "NewGroupName"),
            _ => return None,
        };
        let name = |parameter| Some((kind, self.text(parameter)?.to_lowercase()));
        Some((name(old)?, name(new)?)).filter(|(old, new)| old != new)
    }

    fn name_after(&self, verb: &str) -> Option<Name> {
        let kind = match self.record.name.strip_prefix(verb)? {
            "User" => NameKind::User,
            "Group" => NameKind::Group,
            "Role" => NameKind::Role,
            "Policy" => NameKind::Policy,
            "InstanceProfile" => NameKind::InstanceProfile,
            _ => return None,
        };
        self.names().into_iter().find(|(of, _)| *of == kind)
    }

    /// Whether it adds to, or changes, what is there: it neither makes something with a name nor takes anything, or its
    /// name, away.
    pub fn adds(&self) -> bool {
        self.makes().is_none() && self.renames().is_none() && self.rank() < 3
    }

    /// What it gives a value, or takes one from: of two acts of one second that give the same thing different values, it
    /// is not told which of them stands.
    pub fn sets(&self) -> Vec<String> {
        let name = self.record.name.as_str();
        let of = |parameter: &str| self.text(parameter).unwrap_or_default();
        let owner = self.names().first().map(|(kind, name)| format!("{kind:?} {name}"));
        let owner = owner.unwrap_or_default();
        match name {
            "PutUserPolicy" | "PutGroupPolicy" | "PutRolePolicy" => {
                vec![format!("policy {} of {owner}", of("PolicyName"))]
            }
            "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
                vec![format!("boundary of {owner}")]
            }
            "UpdateAssumeRolePolicy" => vec![format!("trust of {owner}")],
            "SetDefaultPolicyVersion" => vec![format!("version of {}", of("PolicyArn"))],
            "UpdateAccessKey" => vec![format!("status of {}", of("AccessKeyId"))],
            "TagUser" | "UntagUser" | "TagRole" | "UntagRole" | "TagPolicy" | "UntagPolicy" => {
                self.tag_keys().into_iter().map(|key| format!("tag {key} of {owner}")).collect()
            }
            _ => Vec::new(),
        }
    }

    fn tag_keys(&self) -> Vec<String> {
        let asked = self.record.asked.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let asked: Value = asked.unwrap_or_default();
        let list =
            |name: &str| asked.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let keys = list("tags").into_iter().filter_map(|tag| Some(tag.get("key")?.clone()));
        let keys = keys.chain(list("tagKeys"));
        keys.filter_map(|key| key.as_str().map(str::to_lowercase)).collect()
    }

    /// Whether it asks for the same as another one.
    pub fn asks_for_the_same_as(&self, other: &Act) -> bool {
        self.record.name == other.record.name && self.form == other.form
    }

    /// Whether what it made is there already, by its id: it was in what the account begins with.
    pub fn is_there(&self, reader: &dyn Reader, account: AccountId) -> Result<bool, Fault> {
        use crate::projection::tables::{GROUPS, INSTANCE_PROFILES, POLICIES, ROLES, USERS};
        let Some(id) = self.answered.ids.first() else { return Ok(false) };
        Ok(match id.kind() {
            Some(IdKind::User) => reader.get(account, &USERS, id)?.is_some(),
            Some(IdKind::Group) => reader.get(account, &GROUPS, id)?.is_some(),
            Some(IdKind::Role) => reader.get(account, &ROLES, id)?.is_some(),
            Some(IdKind::Policy) => reader.get(account, &POLICIES, id)?.is_some(),
            Some(IdKind::InstanceProfile) => reader.get(account, &INSTANCE_PROFILES, id)?.is_some(),
            _ => false,
        })
    }

    /// Whom it is about, as things stand before it.
    pub fn about(
        &self,
        reader: &dyn Reader,
        account: AccountId,
    ) -> Result<Option<UniqueId>, Fault> {
        let directory = Directory::new(reader, account);
        for (parameter, kind) in [
            ("GroupName", NameKind::Group),
            ("UserName", NameKind::User),
            ("InstanceProfileName", NameKind::InstanceProfile),
            ("RoleName", NameKind::Role),
            ("PolicyName", NameKind::Policy),
        ] {
            let Some(name) = self.text(parameter) else { continue };
            if kind != NameKind::Policy || self.record.name == "CreatePolicy" {
                return Ok(directory.find_id(kind, name)?);
            }
        }
        if let Some(serial) = self.text("SerialNumber") {
            return Ok(mfa::by_serial(directory, serial)?.map(|device| device.row.id));
        }
        let policy = self.text("PolicyArn").map(|arn| find_policy(&directory, arn)).transpose()?;
        Ok(policy.flatten().and_then(|policy| UniqueId::parse(&policy.0)))
    }

    /// Records what it changed. Whom it is about comes back.
    ///
    /// # Errors
    /// What the operation is refused with, as things stand.
    pub fn run(
        &self,
        service: &Service,
        tx: &mut Transaction<'_>,
        caller: &Caller,
    ) -> Result<UniqueId, Fault> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let account = tx.account();
        let about = self.about(&*tx, account)?;
        if !self.is_known() {
            return Ok(about.unwrap_or_else(UniqueId::root));
        }
        if self.is_there(&*tx, account)? {
            let made = self.answered.ids.first().cloned().unwrap_or_else(UniqueId::root);
            // Of a service's own role the request tells no name.
            if self.makes().is_some() && about.as_ref() != Some(&made) {
                let why = format!("The id that it was given, {made}, is another one's here.");
                return Err(Fault::validation(why));
            }
            return Ok(made);
        }
        if self.is_service_linked() {
            return self.run_service_linked(tx);
        }
        let name = &self.record.name;
        limits::check(Api::Iam, name, &self.form)?;
        let row = operations::find(Api::Iam, name)
            .ok_or_else(|| Fault::internal("an operation that is known is not there"))?;
        let Prepared::Write(operation) = (row.prepare)(&self.form)? else {
            return Err(Fault::validation(format!("{name} changes nothing.")));
        };
        let (documents, facts) = (service.documents(), service.activity());
        let mut writing = Writing { tx, caller, documents, facts, concerns: None };
        operation.run(&mut writing)?;
        Ok(writing.concerns.take().or(about).unwrap_or_else(UniqueId::root))
    }

    /// Roles that a service makes for itself: all that is known of one stands in the answer.
    fn run_service_linked(&self, tx: &mut Transaction<'_>) -> Result<UniqueId, Fault> {
        let account = tx.account();
        if self.record.name == "DeleteServiceLinkedRole" {
            let name = self.text("RoleName").unwrap_or_default();
            let role = need::<RoleRow>(Directory::new(&*tx, account), name)?.row.id;
            super::missing::strip(tx, &role)?;
            tx.record(RoleDeleted { role: role.clone() })?;
            return Ok(role);
        }
        let told = |field: &str| self.role.as_ref().and_then(|role| role.get(field)?.as_str());
        let untold = || Fault::validation("The record does not tell which role was made.");
        let (name, document) =
            told("roleName").zip(told("assumeRolePolicyDocument")).ok_or_else(untold)?;
        let role = self.answered.ids.first().cloned().ok_or_else(untold)?;
        if Directory::new(&*tx, account).find_id(NameKind::Role, name)?.is_some() {
            return Err(crate::service::fault::ROLE_EXISTS.with(&[name]));
        }
        let text = percent_decode(document).and_then(|text| String::from_utf8(text).ok());
        let trust = trust(tx, &text.ok_or_else(untold)?)?;
        let description = told("description").map(|text| tx.seal(&role, "description", text));
        tx.record(RoleCreated {
            role: role.clone(),
            path: told("path").unwrap_or("/").to_owned(),
            name: tx.seal(&role, "name", name)?,
            name_tag: tx.name_tag(NameKind::Role, name)?,
            trust,
            description: description.transpose()?,
            max_session: 3_600,
        })?;
        Ok(role)
    }

    /// The caller that the operation sees: who asks matters to those alone that are about oneself.
    pub fn caller(&self, account: AccountId, digits: &str) -> Caller {
        let record = &self.record;
        let who = &record.who;
        let is_own = who.account.as_deref() == Some(digits);
        let identity = match (who.kind.as_str(), &who.arn, &who.user_name) {
            ("Root", ..) if is_own => Identity::Root { session: None },
            ("IAMUser", Some(arn), Some(name)) if is_own => Identity::User {
                id: record.actor(),
                name: name.clone(),
                arn: arn.clone(),
                session: None,
            },
            _ => Identity::Operator { name: "import".to_owned() },
        };
        Caller {
            account,
            digits: digits.to_owned(),
            identity,
            credential: who.key.as_deref().and_then(UniqueId::parse),
            at: record.at,
            request_id: record.id.clone(),
            source: Place::default(),
        }
    }

    /// The origin of the event: the record's own id takes the place of a request's.
    ///
    /// # Errors
    /// If the keys cannot be read.
    pub fn origin(
        &self,
        tx: &Transaction<'_>,
        digits: &str,
        target: UniqueId,
    ) -> Result<Origin, Fault> {
        let record = &self.record;
        let who = &record.who;
        let actor = record.actor();
        let subject = subject_of(&actor);
        let seal = |field: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => {
                let (keys, random) = (tx.keys(), tx.random());
                sealing::seal(keys, random, tx.account(), &subject, field, text).map(Some)
            }
        };
        let asked = parameters::recorded(&self.form);
        let foreign = who.account.as_deref().filter(|account| *account != digits);
        Ok(Origin {
            operation: record.name.clone(),
            request: record.id.clone(),
            credential: who.key.as_deref().and_then(UniqueId::parse),
            actor_account: foreign.map(|account| account.chars().take(12).collect()),
            address: seal("address", &record.address)?,
            agent: seal("agent", &record.agent)?,
            session: seal("session", &who.session)?,
            source_identity: seal("source identity", &who.source_identity)?,
            ticket: record.agent.as_deref().and_then(app_id),
            parameters: Some(tx.seal(&subject_of(&target), "parameters", &asked)?),
            actor,
            target,
        })
    }

    /// In which order acts of one second are tried: what is made comes before what is done with it, what gets another
    /// name after what is done to it by the one that it has, and what goes comes last.
    pub fn rank(&self) -> u8 {
        let name = self.record.name.as_str();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match name {
            "CreatePolicyVersion"
            | "CreateAccessKey"
            | "CreateLoginProfile"
            | "CreateServiceSpecificCredential" => 1,
            "DeleteUser"
            | "DeleteGroup"
            | "DeleteRole"
            | "DeletePolicy"
            | "DeleteInstanceProfile"
            | "DeleteVirtualMFADevice"
            | "DeleteServiceLinkedRole" => 5,
            _ if self.renames().is_some() => 4,
            _ if starts(&["Create", "Upload"]) => 0,
            _ if starts(&["Detach", "Remove", "Untag", "Deactivate", "Delete"]) => 3,
            _ if starts(&["Update", "Set", "Change", "Reset", "Resync"]) => 2,
            _ => 1,
        }
    }
}

/// Whether a record tells of a change of IAM that was made.
pub fn is_change(record: &Record) -> bool {
    record.source == Source::Iam && !record.reads && record.error.is_none()
}
