//! What the caller says of the circumstances, as condition keys of IAM.
//!
//! | where | name | key |
//! |---|---|---|
//! | anywhere | `aws:SourceIp`, any name with a colon | the same |
//! | `context` | `time` | `aws:CurrentTime` and `aws:EpochTime`, instead of the service's clock |
//! | `context` | `amount`, for an action of `pay` | `pay:amount` |
//! | `subject.properties` | `ip_address` | `aws:SourceIp` |
//! | `subject.properties` | `device_id` | `pay:Subject/device_id` |
//! | `resource.properties` | `region`, `account` | parts of the ARN, see [`super::resource`] |
//! | `resource.properties` | `tags`, an object | `aws:ResourceTag/KEY`, one for each |
//! | `resource.properties` | `owner` | `pay:Resource/owner` |
//! | `action.properties` | `method` | `pay:Action/method` |
//!
//! A value is a string, a number or a boolean, or a list of them (a multi-valued key); `null` says that the
//! key is known to be absent. Other values cannot be keys: they are left out, and the answer lists them.
//!
//! What the service itself establishes - who the subject is, its tags, its session, the time of the
//! request, tags of its own resources - is refused wherever it is said, rather than left aside: a gateway
//! that passes a stranger's attributes on must not be able to believe that they counted. So is a key that
//! is said twice.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::subject::Subject;
use super::{MOST_CHARACTERS, Undecided, malformed};
use crate::base::time::Timestamp;
use crate::policy::Context;

/// The key that names who asks, by unique id; policies of subjects may test it, and receipts of
/// evaluations are known by it.
pub const ASKED_BY: &str = "domesday:AskedBy";

const MOST_KEYS: usize = 100;
const MOST_VALUES: usize = 100;
const MOST_KEY_CHARACTERS: usize = 256;

/// The part of a request that attributes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `context`.
    Context,
    /// `subject.properties`.
    Subject,
    /// `resource.properties`.
    Resource,
    /// `action.properties`.
    Action,
}

/// Attributes on their way into a context.
pub struct Said<'a> {
    subject: &'a Subject,
    service: &'a str,
    /// Whether the resource is one of this service's, whose tags it knows.
    own_resource: bool,
    context: Context<'static>,
    said: HashSet<String>,
    ignored: Vec<String>,
}

impl<'a> Said<'a> {
    /// Adds to what is known of a subject. `service` is the action's.
    pub fn new(
        subject: &'a Subject,
        service: &'a str,
        own_resource: bool,
        known: Context<'static>,
    ) -> Self {
        let (said, ignored) = (HashSet::new(), Vec::new());
        Said { subject, service, own_resource, context: known, said, ignored }
    }

    /// The keys, and the attributes that are none.
    pub fn finish(self) -> (Context<'static>, Vec<String>) {
        (self.context, self.ignored)
    }

    /// Takes the attributes of a part.
    pub fn take(&mut self, part: Part, said: Option<&Map<String, Value>>) -> Result<(), Undecided> {
        for (name, value) in said.into_iter().flatten() {
            match (part, name.as_str()) {
                (Part::Resource, "region" | "account") => {}
                (Part::Resource, "tags") => self.tags(value)?,
                (Part::Context, "time") => self.time(value)?,
                (Part::Subject, "ip_address") => self.key("aws:SourceIp".into(), value)?,
                (_, name) if name.contains(':') => self.key(name.to_owned(), value)?,
                (part, name) => {
                    let service = self.service;
                    let key = match part {
                        Part::Context => format!("{service}:{name}"),
                        Part::Subject => format!("{service}:Subject/{name}"),
                        Part::Resource => format!("{service}:Resource/{name}"),
                        Part::Action => format!("{service}:Action/{name}"),
                    };
                    self.key(key, value)?;
                }
            }
        }
        Ok(())
    }

    fn time(&mut self, value: &Value) -> Result<(), Undecided> {
        let Some(time) = value.as_str().and_then(Timestamp::parse) else {
            return malformed("`context.time` is a time as in RFC 3339.");
        };
        set_time(&mut self.context, time);
        Ok(())
    }

    fn tags(&mut self, value: &Value) -> Result<(), Undecided> {
        let Value::Object(tags) = value else {
            return malformed("`resource.properties.tags` is not an object.");
        };
        tags.iter().try_for_each(|(key, value)| self.key(format!("aws:ResourceTag/{key}"), value))
    }

    fn key(&mut self, name: String, value: &Value) -> Result<(), Undecided> {
        if name.chars().count() > MOST_KEY_CHARACTERS || name.chars().any(char::is_control) {
            return malformed(format!(
                "The name of an attribute has at most {MOST_KEY_CHARACTERS} characters, and no \
                 control characters."
            ));
        }
        let lower = name.to_ascii_lowercase();
        let of_resource =
            lower.starts_with("aws:resourcetag/") || lower.starts_with("iam:resourcetag/");
        if lower == "aws:currenttime" || lower == "aws:epochtime" {
            return malformed("Say the time as `context.time`.");
        }
        if self.subject.keeps(&lower) || (self.own_resource && of_resource) {
            return malformed(format!("{name} is established by this service; it cannot be said."));
        }
        let Some(mut values) = texts(value)? else {
            self.ignored.push(name);
            return Ok(());
        };
        if !self.said.insert(lower) {
            return malformed(format!("{name} is said twice."));
        }
        if self.said.len() > MOST_KEYS {
            return malformed(format!("A request says at most {MOST_KEYS} attributes."));
        }
        match value {
            Value::Null => self.context.set_absent(name),
            Value::Array(_) => self.context.set_many(name, values),
            _ => self.context.set(name, values.pop().unwrap_or_default()),
        }
        Ok(())
    }
}

/// Sets both keys of the time.
pub fn set_time(context: &mut Context<'static>, time: Timestamp) {
    context.set("aws:CurrentTime", time.to_string());
    context.set("aws:EpochTime", time.seconds().to_string());
}

/// The texts of a value; `None` if it cannot be that of a key.
fn texts(value: &Value) -> Result<Option<Vec<String>>, Undecided> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let texts: Option<Vec<String>> = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) if values.len() > MOST_VALUES => {
            return malformed(format!("An attribute has at most {MOST_VALUES} values."));
        }
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    };
    let long = |text: &String| text.chars().count() > MOST_CHARACTERS;
    match texts {
        Some(texts) if texts.iter().any(long) => malformed(format!(
            "The value of an attribute has at most {MOST_CHARACTERS} characters."
        )),
        texts => Ok(texts),
    }
}
