//! One record of a trail: what CloudTrail wrote of a request, as far as it is of use here.
//!
//! The habits of real records that matter: parameters have AWS's names with a small first letter; dates in
//! answers are `Jul 10, 2023 12:23:05 PM`, some with a second comma; what answers nothing has `null`; secrets
//! never appear; `mfaAuthenticated` is a text.

use std::borrow::Cow;

use bincode::{Decode, Encode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::baseline::same_json;
use crate::base::form_tree::Form;
use crate::base::time::Timestamp;
use crate::identity::codec::{self, CodecError};
use crate::identity::id::{IdKind, UniqueId};
use crate::service::fault::Fault;
use crate::service::operation::Api;
use crate::service::operations;

/// Whose records are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// IAM.
    Iam,
    /// STS.
    Sts,
    /// Sign-in to the console.
    SignIn,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// `eventTime`.
    pub at: Timestamp,
    /// `eventID`.
    pub id: String,
    /// `eventSource`.
    pub source: Source,
    /// `eventName`.
    pub name: String,
    /// `awsRegion`.
    pub region: String,
    /// Whether it changed nothing by its nature.
    pub reads: bool,
    /// `errorCode`.
    pub error: Option<String>,
    /// Who asked.
    pub who: Who,
    /// `sourceIPAddress`.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
    /// `recipientAccountId`.
    pub account: String,
    /// `requestParameters`, as JSON.
    pub asked: Option<String>,
    /// `responseElements`, as JSON.
    pub answered: Option<String>,
}

/// `userIdentity`, as far as it is of use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Who {
    /// `type`.
    pub kind: String,
    /// The unique id of whoever acted: of the user, of the role, of whom a session is.
    pub id: Option<String>,
    /// The session's name, or the service that asked.
    pub session: Option<String>,
    /// `arn`.
    pub arn: Option<String>,
    /// `accountId`.
    pub account: Option<String>,
    /// `userName`.
    pub user_name: Option<String>,
    /// `accessKeyId`.
    pub key: Option<String>,
    /// `sourceIdentity`.
    pub source_identity: Option<String>,
    /// `mfaAuthenticated`, where it is told.
    pub mfa: Option<bool>,
}

/// The longest id of a record that is taken.
const LONGEST_ID: usize = 64;
/// What the names of operations that only read begin with.
const READING: [&str; 4] = ["Get", "List", "Generate", "Simulate"];
/// The longest text of the other small fields; longer ones are cut.
const LONGEST_TEXT: usize = 1_024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(rename = "eventID", borrow)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    aws_region: Option<Cow<'a, str>>,
    read_only: Option<Value>,
    #[serde(borrow)]
    error_code: Option<Cow<'a, str>>,
    user_identity: Option<RawWho>,
    #[serde(rename = "sourceIPAddress", borrow)]
    source_ip_address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    recipient_account_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    response_elements: Option<&'a RawValue>,
    /// `aws cloudtrail lookup-events` has the record as a text in this.
    #[serde(rename = "CloudTrailEvent")]
    inner: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawWho {
    #[serde(rename = "type")]
    kind: Option<String>,
    principal_id: Option<String>,
    arn: Option<String>,
    account_id: Option<String>,
    access_key_id: Option<String>,
    user_name: Option<String>,
    invoked_by: Option<String>,
    session_context: Option<RawContext>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawContext {
    session_issuer: Option<RawIssuer>,
    source_identity: Option<String>,
    attributes: Option<RawAttributes>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawAttributes {
    mfa_authenticated: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawIssuer {
    principal_id: Option<String>,
    user_name: Option<String>,
}

/// What the bytes of a record turned out to be.
pub enum Parsed {
    /// A record of use.
    Useful(Box<Record>),
    /// A record of another service.
    Other,
}

/// Reads a record.
///
/// # Errors
/// What is wrong with it, for its place to be told.
pub fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let raw: Raw<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if let Some(inner) = raw.inner.filter(|_| raw.event_time.is_none()) {
        return parse_inner(&inner);
    }
    let missing = |what: &str| format!("it is no record of CloudTrail: it has no {what}");
    let time = raw.event_time.ok_or_else(|| missing("eventTime"))?;
    let at = Timestamp::parse(&time).ok_or_else(|| format!("its eventTime is {:?}", cut(&time)))?;
    let source = raw.event_source.ok_or_else(|| missing("eventSource"))?;
    let name = raw.event_name.ok_or_else(|| missing("eventName"))?;
    let source = match source.as_ref() {
        "iam.amazonaws.com" => Source::Iam,
        "sts.amazonaws.com" => Source::Sts,
        "signin.amazonaws.com" => Source::SignIn,
        _ => return Ok(Parsed::Other),
    };
    let id = raw.event_id.ok_or_else(|| missing("eventID"))?;
    if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("its eventID is {:?}", cut(&id)));
    }
    let who = raw.user_identity.map(who).unwrap_or_default();
    let account = raw.recipient_account_id.map(Cow::into_owned).or_else(|| who.account.clone());
    // Older records do not say; names do. What is known to change something does, whatever its record says.
    let by_name = READING.iter().any(|verb| name.starts_with(verb));
    let reads = match raw.read_only {
        Some(Value::Bool(reads)) => reads,
        Some(Value::String(text)) => text == "true",
        _ => by_name,
    };
    let changes = || !by_name && operations::find(Api::Iam, &name).is_some();
    let reads = reads && !(source == Source::Iam && changes());
    let short = |text: Cow<'_, str>| cut(&text).to_owned();
    let json =
        |raw: Option<&RawValue>| raw.map(|raw| raw.get().to_owned()).filter(|text| text != "null");
    Ok(Parsed::Useful(Box::new(Record {
        at,
        id: id.into_owned(),
        source,
        name: short(name),
        region: raw.aws_region.map(short).unwrap_or_default(),
        reads,
        error: raw.error_code.filter(|code| !code.is_empty()).map(short),
        who,
        address: raw.source_ip_address.map(short),
        agent: raw.user_agent.map(short),
        account: account.unwrap_or_default(),
        asked: json(raw.request_parameters),
        answered: json(raw.response_elements),
    })))
}

fn parse_inner(text: &str) -> Result<Parsed, String> {
    // One level and no more.
    let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if raw.event_time.is_none() {
        return Err("it is no record of CloudTrail: it has no eventTime".to_owned());
    }
    parse(text.as_bytes())
}

fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn who(raw: RawWho) -> Who {
    let context = raw.session_context.unwrap_or_default();
    let issuer = context.session_issuer.unwrap_or_default();
    let own = raw.principal_id.unwrap_or_default();
    let (id, session) = match own.split_once(':') {
        // `AROA...:session`; `ACCOUNT:name` of federated users, whose id is that of who began the session.
        Some((id, session)) => {
            let id = issuer.principal_id.unwrap_or_else(|| id.to_owned());
            (Some(id), Some(session.to_owned()))
        }
        None if own.is_empty() => (issuer.principal_id, None),
        None => (Some(own), None),
    };
    let mfa = context.attributes.and_then(|told| match told.mfa_authenticated? {
        Value::Bool(given) => Some(given),
        Value::String(text) => Some(text == "true"),
        _ => None,
    });
    let kind = raw.kind.unwrap_or_else(|| "Unknown".to_owned());
    let service = raw.invoked_by.filter(|_| kind == "AWSService");
    Who {
        kind,
        id,
        session: session.or(service),
        arn: raw.arn,
        account: raw.account_id,
        user_name: raw.user_name.or(issuer.user_name),
        key: raw.access_key_id,
        source_identity: context.source_identity,
        mfa,
    }
}

impl Record {
    /// Whether another one says the same, however its JSON is written.
    pub fn says_the_same_as(&self, other: &Record) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => same_json(one, other),
            (one, other) => one == other,
        };
        let rest = |record: &Record| Record { asked: None, answered: None, ..record.clone() };
        same(&self.asked, &other.asked)
            && same(&self.answered, &other.answered)
            && rest(self) == rest(other)
    }

    /// What it says, the same however its JSON is written. A hash of these bytes is kept of each record: whatever changes
    /// them makes every record of an earlier import look like another one.
    pub fn said(&self) -> Result<Vec<u8>, CodecError> {
        let sorted = |text: &String| match serde_json::from_str::<Value>(text) {
            Err(_) => text.clone(),
            Ok(mut value) => {
                value.sort_all_objects();
                value.to_string()
            }
        };
        let (asked, answered) = (self.asked.as_ref(), self.answered.as_ref());
        let (asked, answered) = (asked.map(sorted), answered.map(sorted));
        codec::encode(&Record { asked, answered, ..self.clone() })
    }

    /// The parameters as a request over the wire would have them.
    ///
    /// # Errors
    /// If they are none, or more than a request may have.
    pub fn form(&self) -> Result<Form, Fault> {
        let mut form = Form::default();
        let Some(text) = &self.asked else { return Ok(form) };
        let asked: Value = serde_json::from_str(text)
            .map_err(|_| Fault::validation("The record's parameters are not JSON."))?;
        let Value::Object(fields) = asked else {
            return Err(Fault::validation("The record's parameters are no object."));
        };
        for (name, value) in fields {
            insert(&mut form, capital(&name), value)?;
        }
        Ok(form)
    }

    /// What was answered, as JSON; null for nothing.
    pub fn answer(&self) -> Value {
        let parsed = self.answered.as_deref().map(serde_json::from_str);
        parsed.and_then(Result::ok).unwrap_or(Value::Null)
    }

    /// The unique id that an event names as its actor, and whether it is of another account.
    pub fn actor(&self) -> UniqueId {
        let named = |text: &str| UniqueId::parse(text).unwrap_or_else(UniqueId::root);
        let known = |id: &String| {
            UniqueId::parse(id).filter(|id| matches!(id.kind(), Some(IdKind::User | IdKind::Role)))
        };
        match self.who.kind.as_str() {
            "Root" => UniqueId::root(),
            "AWSService" => named("service"),
            _ => self.who.id.as_ref().and_then(known).unwrap_or_else(|| named("unknown")),
        }
    }
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Puts a value of JSON under its dotted name, lists as `member.N`.
fn insert(form: &mut Form, name: String, value: Value) -> Result<(), Fault> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => Ok(form.insert(&name, text)?),
        Value::Bool(_) | Value::Number(_) => Ok(form.insert(&name, value.to_string())?),
        Value::Array(values) => values
            .into_iter()
            .enumerate()
            .try_for_each(|(at, value)| insert(form, format!("{name}.member.{}", at + 1), value)),
        Value::Object(fields) => fields
            .into_iter()
            .try_for_each(|(key, value)| insert(form, format!("{name}.{}", capital(&key)), value)),
    }
}

/// A date as answers in records have it: `Jul 10, 2023 12:23:05 PM`, with a second comma or not, or RFC 3339.
pub fn date(text: &str) -> Option<Timestamp> {
    if let Some(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let plain = text.replace(',', "");
    let mut parts = plain.split_ascii_whitespace();
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, half) = (parts.next()?, parts.next()?);
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    let (hour, rest) = time.split_once(':')?;
    let hour: u8 = hour.parse::<u8>().ok()? % 12 + if half == "PM" { 12 } else { 0 };
    Timestamp::parse(&format!("{year}-{month:02}-{day:02}T{hour:02}:{rest}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers_are_read_with_one_comma_or_two() {
        let at = |text: &str| date(text).unwrap().to_string();
        assert_eq!(at("Jul 10, 2023 12:23:05 PM"), "2023-07-10T12:23:05Z");
        assert_eq!(at("Nov 30, 2024, 8:43:17 PM"), "2024-11-30T20:43:17Z");
        assert_eq!(at("Jan 1, 2024 12:00:00 AM"), "2024-01-01T00:00:00Z");
        assert_eq!(date("yesterday"), None);
    }

    #[test]
    fn what_is_no_record_says_why_and_long_texts_are_cut() {
        let refused = |text: &str| match parse(text.as_bytes()) {
            Err(why) => why,
            Ok(_) => panic!("{text}"),
        };
        assert!(refused("{}").contains("eventTime"));
        assert!(refused(r#"{"eventTime":"soon"}"#).contains("soon"));
        assert!(refused("[1]").len() > 5);
        let of = |source: &str, id: &str| {
            format!(
                r#"{{"eventTime":"2026-01-01T00:00:00Z","eventSource":"{source}","eventName":"X","eventID":"{id}"}}"#
            )
        };
        assert!(matches!(parse(of("s3.amazonaws.com", "a").as_bytes()), Ok(Parsed::Other)));
        assert!(refused(&of("iam.amazonaws.com", &"a".repeat(65))).contains("eventID"));
        assert_eq!(cut(&"é".repeat(1_000)).len(), 1_024);
    }

    #[test]
    fn what_a_record_says_is_the_same_bytes_in_every_release() {
        let said = |asked: &str| {
            let text = format!(
                r#"{{"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"TagUser",
                    "eventID":"a","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","userAgent":"b",
                    "recipientAccountId":"123456789012","userIdentity":{{"type":"IAMUser","userName":"c"}},
                    "requestParameters":{asked},"responseElements":null}}"#
            );
            match parse(text.as_bytes()) {
                Ok(Parsed::Useful(record)) => record.said().unwrap(),
                _ => panic!("{text}"),
            }
        };
        let one = said(r#"{"userName":"d","tags":[{"key":"e","value":"f"}]}"#);
        assert_eq!(one, said(r#"{ "tags": [{ "value": "f", "key": "e" }], "userName": "d" }"#));
        assert_ne!(one, said(r#"{"userName":"d","tags":[{"key":"e","value":"g"}]}"#));
        let frozen = "e6ea5c27d3cadde8b169a0ffc78d7483cf382e99867375d32c81dc218668f586";
        assert_eq!(crate::base::text::hex(&crate::base::crypto::content_hash(&one)), frozen);
    }

    #[test]
    fn a_call_failed_if_it_tells_with_what() {
        let error = |code: &str| {
            let text = format!(
                r#"{{"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"X","eventID":"a","errorCode":{code}}}"#
            );
            match parse(text.as_bytes()) {
                Ok(Parsed::Useful(record)) => record.error,
                _ => panic!("{text}"),
            }
        };
        assert_eq!((error("null"), error("\"\"")), (None, None));
        assert_eq!(error("\"AccessDenied\"").as_deref(), Some("AccessDenied"));
    }

    #[test]
    fn parameters_become_those_of_a_request() {
        let text = r#"{"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser",
            "eventID":"a","readOnly":false,"userIdentity":{"type":"AssumedRole","principalId":"AROAX:s",
            "sessionContext":{"sessionIssuer":{"principalId":"AROAX"}}},
            "requestParameters":{"userName":"alice","tags":[{"key":"k","value":"v"}],"setAsDefault":true,"path":null}}"#;
        let Ok(Parsed::Useful(record)) = parse(text.as_bytes()) else { panic!() };
        let says_that_it_reads = text.replace("\"readOnly\":false", "\"readOnly\":true");
        let Ok(Parsed::Useful(again)) = parse(says_that_it_reads.as_bytes()) else { panic!() };
        assert!(!again.reads, "what it is called is known to change something");
        let form = record.form().unwrap();
        assert_eq!(form.text_of("UserName"), Some("alice"));
        assert_eq!(form.text_of("SetAsDefault"), Some("true"));
        assert_eq!(form.get("Tags").unwrap().elements().unwrap()[0].1.text_of("Key"), Some("k"));
        assert_eq!((record.actor().as_str(), record.who.session.as_deref()), ("AROAX", Some("s")));
        assert!(!record.reads && record.error.is_none());
    }
}
