//! An answer held against the published model, and written as fields.
//!
//! Whatever an answer holds must be in the model, of its type; what the model requires must be there.

use std::collections::BTreeMap;

use domesday::base::text::{from_base32, from_base64, percent_decode, percent_encode};
use domesday::base::time::Timestamp;
use domesday::service::limits::{Model, Range, Type};

use super::names::{Names, is_id};
use super::table::quoted;
use super::xml::{self, Element};

/// What was asked: the names of an answer's parts depend on it.
pub struct Asked<'a> {
    pub caller: &'a str,
    pub action: &'a str,
    pub parameters: &'a BTreeMap<String, String>,
}

/// The fields of an answer as the fourth column shows them.
pub fn fields(
    model: &Model,
    asked: &Asked<'_>,
    status: u16,
    body: &str,
    names: &mut Names,
) -> Result<String, String> {
    let root = xml::parse(body)?;
    if root.namespace.as_deref() != Some(&model.namespace) {
        return Err(format!("namespace {:?}", root.namespace));
    }
    if status >= 400 {
        return refusal(model, &root, status, names);
    }
    if root.name != format!("{}Response", asked.action) {
        return Err(format!("the root element is {}", root.name));
    }
    let metadata = root.child("ResponseMetadata").ok_or("no ResponseMetadata")?;
    request_id(metadata)?;
    let operation = model.operations.get(asked.action).ok_or("not in the model")?;
    let result = root.child(&format!("{}Result", asked.action));
    if root.children.len() != 1 + usize::from(result.is_some()) {
        return Err("more than a result and metadata".to_owned());
    }
    match (&operation.output, result) {
        (None, None) => Ok(String::new()),
        (None, Some(_)) => Err("a result that the model has not".to_owned()),
        (Some(_), None) => Err("no result element".to_owned()),
        (Some(of), Some(result)) => {
            let mut walk = Walk { model, asked, names, out: Vec::new() };
            walk.value(of, result, "", "")?;
            Ok(walk.out.join(" "))
        }
    }
}

fn refusal(
    model: &Model,
    root: &Element,
    status: u16,
    names: &mut Names,
) -> Result<String, String> {
    let error = root.child("Error").filter(|_| root.name == "ErrorResponse");
    let error = error.ok_or("no ErrorResponse with an Error")?;
    request_id(root)?;
    let parts: Vec<&str> = error.children.iter().map(|child| child.name.as_str()).collect();
    if parts != ["Type", "Code", "Message"] {
        return Err(format!("an error of {parts:?}"));
    }
    let (code, message) = (error.text_of("Code"), error.text_of("Message"));
    let mut expected = if status < 500 { "Sender" } else { "Receiver" };
    if let Some(declared) = model.errors.get(code) {
        expected = &declared.fault;
        if declared.status != status {
            return Err(format!("{code} has the status {}", declared.status));
        }
    }
    if error.text_of("Type") != expected {
        return Err(format!("{code} is of type {expected}"));
    }
    Ok(format!("{code}: {}", names.reveal(message).replace('\n', "\\n")))
}

fn request_id(parent: &Element) -> Result<(), String> {
    let id = parent.text_of("RequestId");
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    let hex = id.chars().all(|character| character == '-' || character.is_ascii_hexdigit());
    if lengths == [8, 4, 4, 4, 12] && hex { Ok(()) } else { Err(format!("RequestId {id:?}")) }
}

/// The fields that tell what an entity is, and those after which it is called.
const IDENTITIES: &[(&str, &str)] = &[
    ("UserId", "UserName"),
    ("GroupId", "GroupName"),
    ("RoleId", "RoleName"),
    ("PolicyId", "PolicyName"),
    ("InstanceProfileId", "InstanceProfileName"),
    ("AccessKeyId", "UserName"),
    ("ServiceSpecificCredentialId", "UserName"),
];

/// What AWS's simulator answers.
const SOURCE_POLICY_TYPES: &[&str] =
    &["IAM Policy", "Resource Policy", "Permissions Boundary Policy"];

struct Walk<'a> {
    model: &'a Model,
    asked: &'a Asked<'a>,
    names: &'a mut Names,
    out: Vec<String>,
}

impl Walk<'_> {
    /// A value of a type at a path; `label` is what the structure around it is called.
    fn value(&mut self, of: &str, at: &Element, path: &str, label: &str) -> Result<(), String> {
        let model = self.model;
        let shape = model.types.get(of).ok_or_else(|| format!("no type {of}"))?;
        let wrong = |what: &str| Err(format!("{path}: {what}: {at:?}"));
        let leaf = !matches!(shape, Type::List { .. } | Type::Map { .. } | Type::Structure { .. });
        if leaf && !at.children.is_empty() || !leaf && !at.text.is_empty() {
            return wrong("text and elements are mistaken for each other");
        }
        let shown = match shape {
            Type::Structure { fields, required } => {
                if at.children.is_empty() && !path.is_empty() {
                    self.out.push(format!("{path}={{}}"));
                }
                let label = self.label(at, label);
                for (name, of) in fields {
                    let mut found = at.children.iter().filter(|child| child.name == *name);
                    match found.next() {
                        None if required.contains(name) && !self.is_root() => {
                            return wrong(&format!("no {name}"));
                        }
                        None => {}
                        Some(child) => self.value(of, child, &below(path, name), &label)?,
                    }
                    if found.next().is_some() {
                        return wrong(&format!("{name} twice"));
                    }
                }
                let known = |child: &Element| fields.iter().any(|(name, _)| *name == child.name);
                if let Some(child) = at.children.iter().find(|child| !known(child)) {
                    return wrong(&format!("the model has no {}", child.name));
                }
                return Ok(());
            }
            Type::List { of, .. } => {
                if at.children.is_empty() {
                    self.out.push(format!("{path}=[]"));
                }
                for (number, member) in at.children.iter().enumerate() {
                    if member.name != "member" {
                        return wrong("a list of something else than members");
                    }
                    self.value(of, member, &below(path, &(number + 1).to_string()), label)?;
                }
                return Ok(());
            }
            Type::Map { value, .. } => {
                for entry in &at.children {
                    let parts: Vec<_> = entry.children.iter().map(|c| c.name.as_str()).collect();
                    if entry.name != "entry" || parts != ["key", "value"] {
                        return wrong("a map of something else than entries");
                    }
                    let key = below(path, entry.text_of("key"));
                    self.value(value, &entry.children[1], &key, label)?;
                }
                return Ok(());
            }
            Type::Integer(_) => match at.text.parse::<i64>() {
                Ok(_) => at.text.clone(),
                Err(_) => return wrong("no whole number"),
            },
            Type::Boolean {} => match at.text.as_str() {
                "true" | "false" => at.text.clone(),
                _ => return wrong("neither true nor false"),
            },
            Type::Timestamp {} => match Timestamp::parse(&at.text) {
                Some(instant) if instant.to_string() == at.text => {
                    self.instant(&at.name, label, instant)?
                }
                _ => return wrong("no instant to the second in UTC"),
            },
            Type::Blob { .. } => match (at.name.as_str(), from_base64(&at.text)) {
                ("Base32StringSeed", Some(bytes)) => match String::from_utf8(bytes) {
                    Ok(seed) if seed.len() == 64 && from_base32(&seed).is_some() => {
                        self.names.bind(label, &at.name, &seed)
                    }
                    _ => return wrong("no 64 characters of base32"),
                },
                ("QRCodePNG", Some(bytes)) if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => {
                    self.names.bind(label, &at.name, &at.text)
                }
                ("Content", Some(bytes)) => match String::from_utf8(bytes) {
                    Ok(report) => self.names.reveal(&report),
                    Err(_) => return wrong("no text"),
                },
                _ => return wrong("no bytes in base64 that are known"),
            },
            // What a denial meant is told as JSON.
            Type::String(_) if at.name == "DecodedMessage" => {
                let json = serde_json::from_str(&at.text);
                self.json(&json.map_err(|error| format!("{path}: {error}"))?, path);
                return Ok(());
            }
            Type::String(limits) => {
                // The types of a boundary and of simulated policies are others in AWS's answers, whatever
                // the model says.
                let of_aws = match at.name.as_str() {
                    "PermissionsBoundaryType" => at.text == "Policy",
                    "SourcePolicyType" => SOURCE_POLICY_TYPES.contains(&at.text.as_str()),
                    _ => false,
                };
                if !limits.values.is_empty() && !limits.values.contains(&at.text) && !of_aws {
                    return wrong("not one of the values that the model has");
                }
                self.text(at, label, limits.length)?
            }
        };
        self.out.push(format!("{path}={}", quoted(&shown)));
        Ok(())
    }

    fn json(&mut self, value: &serde_json::Value, path: &str) {
        use serde_json::Value;
        let shown = match value {
            Value::Array(values) if !values.is_empty() => {
                for (number, value) in values.iter().enumerate() {
                    self.json(value, &below(path, &(number + 1).to_string()));
                }
                return;
            }
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    self.json(value, &below(path, name));
                }
                return;
            }
            Value::String(text) => quoted(&self.names.reveal(text)),
            other => other.to_string(),
        };
        self.out.push(format!("{path}={shown}"));
    }

    /// The root user has no path, an empty name and a short id, whatever the model requires of users.
    fn is_root(&self) -> bool {
        self.asked.caller == "root"
    }

    /// What a structure is called: by its id or, where it has none, by what it is part of.
    fn label(&mut self, at: &Element, outer: &str) -> String {
        let asked = |name: &str| self.asked.parameters.get(name).map(String::as_str);
        for (id, name) in IDENTITIES {
            let id = at.text_of(id);
            if !is_id(id) {
                continue;
            }
            let name = match at.text_of(name) {
                "" => self.asked.caller.split('.').next().unwrap_or_default(),
                name => name,
            };
            let base = match id.get(..4) {
                Some("AKIA") => format!("{name}.key"),
                Some("ACCA") => format!("{name}.credential"),
                Some("ASIA") => match asked("RoleSessionName") {
                    Some(session) => session.to_owned(),
                    None => format!("{name}.token"),
                },
                _ => name.to_owned(),
            };
            return self.names.label(id, &base);
        }
        let version = at.text_of("VersionId");
        if !version.is_empty() {
            let policy = asked("PolicyArn").and_then(|arn| arn.rsplit('/').next());
            return format!("{}.{version}", policy.unwrap_or(outer));
        }
        match (at.name.as_str(), at.text_of("UserName")) {
            ("LoginProfile", user) => format!("{user}.login"),
            ("VirtualMFADevice", _) => {
                let serial = at.text_of("SerialNumber");
                serial.rsplit('/').next().unwrap_or(outer).to_owned()
            }
            _ if outer.is_empty() => self.asked.caller.to_owned(),
            _ => outer.to_owned(),
        }
    }

    fn instant(&mut self, name: &str, label: &str, value: Timestamp) -> Result<String, String> {
        if name != "CreateDate" {
            return Ok(self.names.instant(value));
        }
        let now = self.names.instant(value) == "$now";
        if self.asked.action.starts_with("Create") && !now {
            return Err(format!("{label} is new, but was created at {value}"));
        }
        Ok(self.names.bind(label, name, &value.to_string()))
    }

    fn text(&mut self, at: &Element, label: &str, length: Range) -> Result<String, String> {
        let (name, text) = (at.name.as_str(), at.text.as_str());
        let wrong = |what: &str| Err(format!("{name}: {what}: {text}"));
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let count = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let fits =
            length.min.is_none_or(|min| count >= min) && length.max.is_none_or(|max| count <= max);
        match name {
            "SecretAccessKey" if text.len() != 40 || !text.chars().all(base64) => {
                wrong("not 40 characters of base64")
            }
            "SessionToken" if text.len() < 64 || !text.chars().all(base64) => {
                wrong("no long text of base64")
            }
            "SecretAccessKey" | "SessionToken" => Ok(self.names.bind(label, name, text)),
            "ServicePassword" | "ServiceCredentialSecret" => {
                if text.len() < 40 {
                    return wrong("too short to be a secret");
                }
                let reset = self.asked.action.starts_with("Reset");
                let part = if reset { format!("{name}.reset") } else { name.to_owned() };
                Ok(self.names.bind(label, &part, text))
            }
            "JobId" => {
                self.names.set("job", text);
                Ok("$job".to_owned())
            }
            "Marker" => {
                self.names.set("marker", text);
                Ok("$marker".to_owned())
            }
            // IAM's documents are percent-encoded; there is one way to do that.
            "PolicyDocument" | "AssumeRolePolicyDocument" | "Document" => {
                let plain = percent_decode(text).and_then(|bytes| String::from_utf8(bytes).ok());
                match plain.filter(|plain| percent_encode(plain.as_bytes()) == text) {
                    Some(plain) => Ok(self.names.reveal(&plain)),
                    None => wrong("not percent-encoded"),
                }
            }
            _ if !fits && !self.is_root() => wrong("longer or shorter than the model has it"),
            _ if IDENTITIES.iter().any(|(id, _)| *id == name) && is_id(text) => {
                Ok(self.names.bind(label, name, text))
            }
            _ => Ok(self.names.reveal(text)),
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
