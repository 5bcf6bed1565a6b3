//! A case of `policy test`: one JSON object, from text to the question that it asks.
//!
//! ```json
//! {"name": "...", "request": {"principal": "arn:...", "action": "s3:GetObject", "resource": "arn:..."},
//!  "policies": {"identity": [DOC, ...]}, "expected": "allowed"}
//! ```
//!
//! `fixtures/policy-tests/README.md` describes every field. The context is what the case says and nothing
//! besides: a policy that asks for `aws:PrincipalArn` needs it there. Whatever is not understood is an
//! error with its place, for a field misspelt would otherwise be a test of something else.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Failure;
use super::policy::text_of;
use crate::policy::lint::{Kind, guess};
use crate::policy::{
    Attached, Context, Document, DocumentKind, Label, Outcome, Policies, PolicySet, Principal,
    Request,
};

/// Most documents of one case, those of all levels together.
const MOST_DOCUMENTS: usize = 500;
/// The longest file that a case can name; longer than any document that can be read.
const MOST_BYTES: u64 = 1 << 20;

/// A case as written.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a case, an object of name, request, policies and expected"
)]
struct Written<'l> {
    name: String,
    request: Asked,
    #[serde(borrow, default)]
    policies: Given<'l>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of principal, action, resource and context")]
struct Asked {
    principal: String,
    /// The unique id of the user, or of the session's role.
    id: Option<String>,
    /// The ARN of the user who began a federated session.
    began_by: Option<String>,
    action: String,
    resource: String,
    resource_account: Option<String>,
    #[serde(default)]
    context: Keys,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "an object of policies by type")]
struct Given<'l> {
    #[serde(borrow)]
    identity: Option<&'l RawValue>,
    #[serde(borrow)]
    boundary: Option<&'l RawValue>,
    #[serde(borrow)]
    resource: Option<&'l RawValue>,
    #[serde(borrow)]
    session: Option<&'l RawValue>,
    #[serde(borrow)]
    scp: Option<&'l RawValue>,
    #[serde(borrow)]
    rcp: Option<&'l RawValue>,
    #[serde(borrow)]
    endpoint: Option<&'l RawValue>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Expected {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
}

/// The context keys, in order; a key given twice, in whatever case, is an error.
#[derive(Default)]
struct Keys(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Keys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of condition keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys: Vec<(String, Value)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if keys.iter().any(|(known, _)| known.eq_ignore_ascii_case(&key)) {
                        return Err(A::Error::custom(format!("the key {key} is given twice")));
                    }
                    let scalar = |value: &Value| {
                        matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
                    };
                    let sound = match &value {
                        Value::Null => true,
                        Value::Array(values) => values.iter().all(scalar),
                        other => scalar(other),
                    };
                    if !sound {
                        let why = format!("the key {key} takes a text, a list of texts or null");
                        return Err(A::Error::custom(why));
                    }
                    keys.push((key, value));
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A case, read.
pub(super) struct Case {
    pub name: String,
    pub expected: Outcome,
    asked: Asked,
    identity: Option<PolicySet>,
    boundary: Option<PolicySet>,
    resource: Option<PolicySet>,
    session: Option<PolicySet>,
    scp: Vec<PolicySet>,
    rcp: Vec<PolicySet>,
    endpoint: Option<PolicySet>,
}

/// Where a case stands, and the texts of the files that cases name.
pub(super) struct Reader<'f> {
    file: &'f Path,
    line: usize,
    text: &'f str,
    files: &'f mut HashMap<PathBuf, String>,
    documents: usize,
}

impl<'f> Reader<'f> {
    /// For a line of a file, counted from 1.
    pub fn new(
        file: &'f Path,
        line: usize,
        text: &'f str,
        files: &'f mut HashMap<PathBuf, String>,
    ) -> Self {
        Reader { file, line, text, files, documents: 0 }
    }

    fn wrong(&self, column: usize, why: impl fmt::Display) -> Failure {
        Failure::new(format!("{}:{}:{column}: {why}", self.file.display(), self.line))
    }

    /// The column at which a part of the line begins.
    fn column(&self, part: &str) -> usize {
        // `part` was borrowed from the line, so that their addresses say where it begins.
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.text.get(..offset).map_or(1, |before| before.chars().count() + 1)
    }

    /// Reads the case.
    ///
    /// # Errors
    /// With file, line and column.
    pub fn case(mut self) -> Result<Case, Failure> {
        let written: Written<'_> = serde_json::from_str(self.text).map_err(|error| {
            let why = error.to_string();
            // The line is always the first one of the text.
            let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
            self.wrong(error.column().max(1), why)
        })?;
        let Written { name, request, policies, expected } = written;
        let action = request.action.to_ascii_lowercase();
        if principal(&request).is_none() {
            let why = format!(
                "{} is no caller: write the ARN of a user, a role, a session or an account's root, a \
                 service such as ec2.amazonaws.com, an identity provider, or \"*\" for nobody in particular",
                request.principal
            );
            return Err(self.wrong(1, why));
        }
        let name_of_action = request.action.split_once(':');
        if name_of_action.is_none_or(|(service, name)| service.is_empty() || name.is_empty()) {
            let why = format!("the action {} is not service:Name", request.action);
            return Err(self.wrong(1, why));
        }
        let digits = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if request.resource_account.as_deref().is_some_and(|account| !digits(account)) {
            return Err(self.wrong(1, "resource_account is 12 digits"));
        }
        let resource = match policies.resource {
            Some(raw) => Some(self.resource(raw, is_assuming(&action))?),
            None => None,
        };
        let expected = match expected {
            Expected::Allowed => Outcome::Allowed,
            Expected::ImplicitDeny => Outcome::ImplicitDeny,
            Expected::ExplicitDeny => Outcome::ExplicitDeny,
        };
        let identity = DocumentKind::Identity;
        Ok(Case {
            name,
            expected,
            identity: self.list("identity", policies.identity, identity)?,
            boundary: self.list("boundary", policies.boundary, identity)?,
            resource,
            session: self.list("session", policies.session, DocumentKind::Session)?,
            scp: self.levels("scp", policies.scp, DocumentKind::Scp)?,
            rcp: self.levels("rcp", policies.rcp, DocumentKind::Rcp)?,
            endpoint: self.list("endpoint", policies.endpoint, DocumentKind::Endpoint)?,
            asked: request,
        })
    }

    fn resource(&mut self, raw: &RawValue, assuming: bool) -> Result<PolicySet, Failure> {
        let kind = |text: &str| {
            let trust = assuming && guess(text) == Kind::Trust;
            if trust { DocumentKind::Trust } else { DocumentKind::Resource }
        };
        Ok(PolicySet::new([self.document("resource".to_owned(), raw, &kind)?]))
    }

    /// A list of documents, or one.
    fn list(
        &mut self,
        what: &str,
        raw: Option<&RawValue>,
        kind: DocumentKind,
    ) -> Result<Option<PolicySet>, Failure> {
        let Some(raw) = raw else { return Ok(None) };
        let items = self.items(raw)?.unwrap_or_else(|| vec![raw]);
        let documents = items
            .into_iter()
            .enumerate()
            .map(|(index, raw)| self.document(format!("{what} {}", index + 1), raw, &|_| kind));
        documents.collect::<Result<_, _>>().map(Some)
    }

    /// Lists of documents by level.
    fn levels(
        &mut self,
        what: &str,
        raw: Option<&RawValue>,
        kind: DocumentKind,
    ) -> Result<Vec<PolicySet>, Failure> {
        let Some(raw) = raw else { return Ok(Vec::new()) };
        let wrong = |reader: &Self, raw: &RawValue| {
            let why = format!("{what} is a list of levels, root first, each a list of documents");
            reader.wrong(reader.column(raw.get()), why)
        };
        let levels = self.items(raw)?.ok_or_else(|| wrong(self, raw))?;
        let mut read = Vec::with_capacity(levels.len());
        for (index, level) in levels.into_iter().enumerate() {
            if !level.get().starts_with('[') {
                return Err(wrong(self, level));
            }
            let what = format!("{what} level {}, policy", index + 1);
            read.push(self.list(&what, Some(level), kind)?.unwrap_or_default());
        }
        Ok(read)
    }

    /// The items of an array; `None` for anything else.
    fn items<'r>(&self, raw: &'r RawValue) -> Result<Option<Vec<&'r RawValue>>, Failure> {
        if !raw.get().starts_with('[') {
            return Ok(None);
        }
        let items = serde_json::from_str(raw.get());
        items.map(Some).map_err(|error| self.wrong(self.column(raw.get()), error))
    }

    fn document(
        &mut self,
        name: String,
        raw: &RawValue,
        kind: &dyn Fn(&str) -> DocumentKind,
    ) -> Result<Attached, Failure> {
        let column = self.column(raw.get());
        self.documents += 1;
        if self.documents > MOST_DOCUMENTS {
            let why = format!("a case has at most {MOST_DOCUMENTS} documents");
            return Err(self.wrong(column, why));
        }
        let members: HashMap<String, &RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| self.wrong(column, "a policy document is a JSON object"))?;
        let text_of_member = |reader: &Self, key: &str| -> Result<Option<String>, Failure> {
            let Some(raw) = members.get(key) else { return Ok(None) };
            let text = serde_json::from_str(raw.get());
            text.map(Some)
                .map_err(|_| reader.wrong(reader.column(raw.get()), format!("{key} is a text")))
        };
        let only = |known: &[&str]| members.keys().all(|key| known.contains(&key.as_str()));
        if let (true, Some(inner)) = (only(&["name", "policy"]), members.get("policy")) {
            let name = text_of_member(self, "name")?.unwrap_or(name);
            let inner_members: HashMap<String, &RawValue> =
                serde_json::from_str(inner.get()).unwrap_or_default();
            if inner_members.contains_key("policy") {
                return Err(self.wrong(column, "a document is not wrapped twice"));
            }
            let Attached { document, .. } = self.document(name.clone(), inner, kind)?;
            return Ok(Attached::new(document, Label::new(&name, "", "")));
        }
        if let (true, Some(file)) = (only(&["file"]), text_of_member(self, "file")?) {
            return self.file(column, &file, kind);
        }
        let document = Document::parse(raw.get(), kind(raw.get())).map_err(|error| {
            // Within the line the document is one line as well.
            let column = column + error.position().column.saturating_sub(1) as usize;
            self.wrong(column, format!("{name}: {error} ({})", error.detail()))
        })?;
        Ok(Attached::new(document.into(), Label::new(&name, "", "")))
    }

    /// A document in a file of its own, named relative to the file of cases.
    fn file(
        &mut self,
        column: usize,
        name: &str,
        kind: &dyn Fn(&str) -> DocumentKind,
    ) -> Result<Attached, Failure> {
        let path = self.file.parent().unwrap_or(Path::new("")).join(name);
        if !self.files.contains_key(&path) {
            if name == "-" {
                return Err(self.wrong(column, "a document in a file needs the file's name"));
            }
            let text = text_of(&path, MOST_BYTES)
                .map_err(|failure| self.wrong(column, failure.message))?;
            self.files.insert(path.clone(), text);
        }
        let text = self.files.get(&path).map(String::as_str).unwrap_or_default();
        let document = Document::parse(text, kind(text)).map_err(|error| {
            let at = error.position();
            Failure::new(format!(
                "{}:{}:{}: {error} ({}); named in {}:{}",
                path.display(),
                at.line,
                at.column,
                error.detail(),
                self.file.display(),
                self.line
            ))
        })?;
        Ok(Attached::new(document.into(), Label::new(name, "", "")))
    }
}

/// Whether the resource's policy is a role's trust policy.
fn is_assuming(lower_action: &str) -> bool {
    lower_action.starts_with("sts:assumerole")
        || matches!(lower_action, "sts:tagsession" | "sts:setsourceidentity" | "sts:setcontext")
}

/// Who asks, and the text that a role's ARN has in it.
fn principal(asked: &Asked) -> Option<(Principal<'_>, Option<String>)> {
    const PROVIDERS: [&str; 4] = [
        "accounts.google.com",
        "www.amazon.com",
        "graph.facebook.com",
        "cognito-identity.amazonaws.com",
    ];
    let arn = asked.principal.as_str();
    let id = asked.id.as_deref().unwrap_or_default();
    if arn == "*" {
        return Some((Principal::Anonymous, None));
    }
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, resource] = fields.as_slice() else {
        let host = arn.contains('.') && !arn.contains([':', '*', '?', ' ']);
        let aws = [".amazonaws.com", ".amazonaws.com.cn", ".aws.internal"];
        let is_service = aws.iter().any(|end| arn.ends_with(end)) && !PROVIDERS.contains(&arn);
        return host.then_some(match is_service {
            true => (Principal::Service(arn), None),
            false => (Principal::Federated(arn), None),
        });
    };
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let caller = match (service, kind) {
        ("iam", "root") if resource == "root" => Principal::Root { account },
        _ if name.is_empty() => return None,
        ("iam", "user") => Principal::User { account, id, arn },
        // Some session of the role, whose name is not given and which no policy names.
        ("iam", "role") => {
            Principal::RoleSession { account, role_id: id, role_arn: arn, session_arn: "" }
        }
        ("sts", "assumed-role") => {
            let (role, _) = name.split_once('/')?;
            let role_arn = format!("arn:{partition}:iam::{account}:role/{role}");
            let caller =
                Principal::RoleSession { account, role_id: id, role_arn: "", session_arn: arn };
            return Some((caller, Some(role_arn)));
        }
        ("sts", "federated-user") => {
            let user_arn = asked.began_by.as_deref().unwrap_or_default();
            let by_root = user_arn.ends_with(":root");
            let user_id = if by_root { account } else { id };
            Principal::FederatedUser { account, user_id, user_arn, arn }
        }
        ("iam", "saml-provider" | "oidc-provider") => Principal::Federated(arn),
        _ => return None,
    };
    Some((caller, None))
}

impl Case {
    /// Puts the question to `decide`, which is handed request and policies.
    pub fn ask<R>(&self, decide: impl FnOnce(&Request<'_>, &Policies<'_>) -> R) -> Option<R> {
        let (caller, role) = principal(&self.asked)?;
        let caller = match (&role, caller) {
            (Some(role_arn), Principal::RoleSession { account, role_id, session_arn, .. }) => {
                Principal::RoleSession { account, role_id, role_arn, session_arn }
            }
            (_, caller) => caller,
        };
        let context = self.context();
        let Asked { action, resource, resource_account, .. } = &self.asked;
        let mut request = Request::new(caller, action, resource, &context);
        if let Some(account) = resource_account {
            request = request.owned_by(account);
        }
        let policies = Policies {
            identity: self.identity.as_ref(),
            boundary: self.boundary.as_ref(),
            resource: self.resource.as_ref(),
            session: self.session.as_ref(),
            scp: &self.scp,
            rcp: &self.rcp,
            endpoint: self.endpoint.as_ref(),
            resource_must_allow: self.resource.is_some() && self.resource_must_allow(),
        };
        Some(decide(&request, &policies))
    }

    /// Trust policies and the policies of KMS keys must allow, whatever else does.
    fn resource_must_allow(&self) -> bool {
        let action = self.asked.action.to_ascii_lowercase();
        let key = self.asked.resource.split(':').nth(2) == Some("kms");
        is_assuming(&action) || (action.starts_with("kms:") && key)
    }

    fn context(&self) -> Context<'_> {
        let mut context = Context::new();
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for (key, value) in &self.asked.context.0 {
            match value {
                Value::Null => context.set_absent(key.as_str()),
                Value::Array(values) => context.set_many(key.as_str(), values.iter().map(text)),
                value => context.set(key.as_str(), text(value)),
            }
        }
        context
    }

    /// What was asked, in words.
    pub fn question(&self) -> String {
        let Asked { principal, action, resource, .. } = &self.asked;
        format!("{principal} {action} {resource}")
    }

    /// What was asked for.
    pub fn action(&self) -> &str {
        &self.asked.action
    }
}
