//! OCSF: the Open Cybersecurity Schema Framework, version 1.8.0, with its profiles `cloud` and `host`.
//!
//! What an operation is in OCSF stands in [`table`]; here an event or a receipt is put into that form. What
//! has no place in the schema - where it is in the ledger, and what proves it - goes into `unmapped`.

pub mod table;

use serde_json::{Map, Value, json};

use self::table::{ACCOUNT_CHANGE, API, AUTHENTICATION, About, ENTITY, GROUP};
use super::cloudtrail::record::uuid;
use super::cloudtrail::response;
use super::json_line;
use super::noted::{Noted, Side};
use super::told::{Teller, Told};
use crate::base::crypto::content_hash;
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::arn::Arn;
use crate::identity::change::Change;
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::ProjectionError;
use crate::service::activity::receipt::Kind;
use crate::service::fault::Fault;

/// The file of events.
pub const FILE: &str = "events.ocsf.ndjson";
/// The file of receipts.
pub const RECEIPTS: &str = "receipts.ocsf.ndjson";

/// AWS Account, among the types of accounts.
const AWS_ACCOUNT: u32 = 10;
/// Time-based one-time passwords, among the types of factors.
const OTP: u32 = 7;

/// What something is about: a user, a role, a key.
struct Thing {
    about: About,
    id: String,
    name: String,
}

/// What an event and a receipt have in common.
struct Said<'a> {
    class: u32,
    activity: u32,
    at: Timestamp,
    logged: Timestamp,
    uid: String,
    sequence: Option<u64>,
    service: &'a str,
    operation: &'a str,
    request: &'a str,
    asked: Option<Map<String, Value>>,
    failure: Option<(String, String)>,
    actor: Value,
    address: Option<&'a str>,
    agent: Option<&'a str>,
    thing: Thing,
    unmapped: Value,
}

fn millis(at: Timestamp) -> u64 {
    at.micros() / 1_000
}

fn account(digits: &str) -> Value {
    json!({ "uid": digits, "type_id": AWS_ACCOUNT, "type": "AWS Account" })
}

fn user(digits: &str, id: &str, name: &str) -> Value {
    json!({ "uid": id, "name": name, "type_id": 1, "type": "User", "account": account(digits) })
}

/// The parts that every event has.
fn base(digits: &str, said: &Said<'_>) -> Map<String, Value> {
    let class = table::CLASSES.iter().find(|(uid, ..)| *uid == said.class);
    let (_, class_name, category, category_name) =
        class.copied().unwrap_or((said.class, "Unknown", 0, "Unknown"));
    let activity = table::ACTIVITIES
        .iter()
        .find(|(class, activity, _)| (*class, *activity) == (said.class, said.activity));
    let activity_name = activity.map_or("Unknown", |(_, _, name)| name);
    let (status_id, status) = if said.failure.is_some() { (2, "Failure") } else { (1, "Success") };
    let mut metadata = json!({
        "version": table::VERSION,
        "product": { "name": "domesday", "vendor_name": "domesday", "version": env!("CARGO_PKG_VERSION") },
        "profiles": ["cloud", "host"],
        "uid": said.uid,
        "event_code": said.operation,
        "log_name": "domesday",
        "logged_time": millis(said.logged),
        "original_time": said.at.to_precise(),
        "tenant_uid": digits,
    });
    if let (Some(metadata), Some(sequence)) = (metadata.as_object_mut(), said.sequence) {
        metadata.insert("sequence".to_owned(), sequence.into());
    }
    let mut api = json!({
        "operation": said.operation,
        "service": { "name": said.service },
        "request": { "uid": said.request },
    });
    if let (Some(asked), Some(request)) = (&said.asked, api.get_mut("request")) {
        put(request, "data", asked.clone());
    }
    let mut event = json!({
        "activity_id": said.activity,
        "activity_name": activity_name,
        "category_uid": category,
        "category_name": category_name,
        "class_uid": said.class,
        "class_name": class_name,
        "type_uid": said.class * 100 + said.activity,
        "type_name": format!("{class_name}: {activity_name}"),
        "time": millis(said.at),
        "severity_id": 1,
        "severity": "Informational",
        "status_id": status_id,
        "status": status,
        "message": format!("{} {}", said.operation, said.thing.name),
        "metadata": metadata,
        "cloud": { "provider": "domesday", "region": "us-east-1", "account": account(digits) },
        "actor": said.actor,
        "src_endpoint": endpoint(said.address),
        "unmapped": said.unmapped,
    });
    if let Some((code, detail)) = &said.failure {
        put(&mut event, "status_code", code.as_str());
        put(&mut event, "status_detail", detail.as_str());
        put(&mut api, "response", json!({ "error": code, "error_message": detail }));
    }
    if let Some(agent) = said.agent {
        put(&mut event, "http_request", json!({ "user_agent": agent }));
    }
    put(&mut event, "api", api);
    match event {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

/// Where it came from. Whoever has the machine was here.
fn endpoint(address: Option<&str>) -> Value {
    match address.filter(|address| address.parse::<std::net::IpAddr>().is_ok()) {
        Some(address) => json!({ "ip": address, "name": address }),
        None => json!({ "name": "domesday" }),
    }
}

/// The type of a managed entity.
fn entity(digits: &str, thing: &Thing) -> Value {
    let (type_id, kind) = match thing.about {
        About::User => (2, "User"),
        About::Group => (3, "Group"),
        About::Account => (4, "Organization"),
        About::Policy => (5, "Policy"),
        About::Role => (99, "Role"),
        About::Credential => (99, "Credential"),
        About::Device => (99, "MFA Device"),
        About::Profile => (99, "Instance Profile"),
    };
    let mut entity =
        json!({ "uid": thing.id, "name": thing.name, "type_id": type_id, "type": kind });
    match thing.about {
        About::User => put(&mut entity, "user", user(digits, &thing.id, &thing.name)),
        About::Group => put(&mut entity, "group", json!({ "uid": thing.id, "name": thing.name })),
        About::Policy => put(&mut entity, "policy", json!({ "uid": thing.id, "name": thing.name })),
        About::Account => put(&mut entity, "org", json!({ "uid": digits })),
        _ => {}
    }
    entity
}

/// Adds a member to an object.
fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// The policy that a request names.
fn policy(asked: Option<&Map<String, Value>>) -> Option<Value> {
    let text = |name: &str| asked?.get(name)?.as_str();
    match (text("policyArn"), text("policyName")) {
        (Some(arn), _) => {
            let name = Arn::parse(arn).map_or(arn, |parsed| parsed.name());
            Some(json!({ "uid": arn, "name": name }))
        }
        (None, Some(name)) => Some(json!({ "name": name, "type": "inline" })),
        _ => None,
    }
}

/// Adds what the class asks for.
fn of_class(digits: &str, said: &Said<'_>, event: &mut Map<String, Value>) {
    let thing = &said.thing;
    let policy = policy(said.asked.as_ref());
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    match said.class {
        ACCOUNT_CHANGE => {
            put("user", user(digits, &thing.id, &thing.name));
            if let Some(policy) = policy {
                put("policies", vec![policy].into());
            }
            if matches!(said.activity, 10 | 11) {
                let factor =
                    json!({ "factor_type_id": OTP, "factor_type": "OTP", "is_totp": true });
                put("auth_factors", vec![factor].into());
            }
        }
        AUTHENTICATION => {
            put("user", user(digits, &thing.id, &thing.name));
            put("service", json!({ "name": said.service }));
            put("is_remote", true.into());
            if said.activity == 7 {
                put("account_switch_type_id", 2.into());
                put("account_switch_type", "Impersonate".into());
            }
        }
        ENTITY => {
            put("entity", entity(digits, thing));
        }
        GROUP => {
            put("group", json!({ "uid": thing.id, "name": thing.name }));
            let named =
                policy.and_then(|policy| policy.get("uid").or_else(|| policy.get("name")).cloned());
            if let Some(named) = named {
                put("privileges", vec![named].into());
            }
        }
        _ => {
            let resource = json!({ "uid": thing.id, "name": thing.name });
            put("resources", vec![resource].into());
        }
    }
}

/// Class and activity of an operation.
fn classified(operation: &str, status: Option<&str>) -> (u32, u32, About) {
    match table::row(operation) {
        Some((_, class, 0, about)) => {
            let active = status.is_none_or(|status| status == "Active");
            (class, if active { 10 } else { 11 }, about)
        }
        Some((_, class, activity, about)) => (class, activity, about),
        None => (API, table::by_name(operation), About::Account),
    }
}

/// One event.
///
/// # Errors
/// If a document is missing, or whatever keeps the rows from being read.
pub fn line(teller: &Teller<'_>, told: &Told<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    json_line(&of_event(teller, told)?, to)
}

/// One event in the form of the schema.
///
/// # Errors
/// If a document is missing, or whatever keeps the rows from being read.
pub fn of_event(teller: &Teller<'_>, told: &Told<'_>) -> Result<Value, ProjectionError> {
    let (header, origin) = (told.header(), &told.event.origin);
    let digits = teller.faces.digits();
    let asked = response::parameters(teller, told)?;
    let status = asked.as_ref().and_then(|asked| asked.get("status")).and_then(Value::as_str);
    let (class, activity, about) = classified(&origin.operation, status);
    let said = Said {
        class,
        activity,
        at: header.happened_at,
        logged: header.recorded_at,
        uid: uuid(&told.frame.digest),
        sequence: Some(header.sequence),
        service: "iam.amazonaws.com",
        operation: &origin.operation,
        request: &origin.request,
        actor: actor_of_event(teller, told)?,
        address: told.address.as_deref(),
        agent: told.agent.as_deref(),
        thing: thing_of(teller, told, about)?,
        failure: None,
        unmapped: json!({
            "position": told.position,
            "digest": hex(&told.frame.digest),
            "chain": hex(&told.frame.chain),
            "ticket": origin.ticket,
            "changes": told.event.changes.iter().map(Change::name).collect::<Vec<_>>(),
        }),
        asked,
    };
    let mut event = base(digits, &said);
    of_class(digits, &said, &mut event);
    if class == GROUP {
        for change in &told.event.changes {
            let (Change::MemberAdded(_) | Change::MemberRemoved(_)) = change else { continue };
            let member = match change {
                Change::MemberAdded(c) => &c.user,
                Change::MemberRemoved(c) => &c.user,
                _ => continue,
            };
            let face = teller.faces.at(told.position, member)?;
            let name = face.as_ref().map_or(member.as_str(), |face| face.name.as_str());
            event.insert("user".to_owned(), user(digits, member.as_str(), name));
        }
    }
    Ok(Value::Object(event))
}

fn actor_of_event(teller: &Teller<'_>, told: &Told<'_>) -> Result<Value, ProjectionError> {
    let origin = &told.event.origin;
    let digits = origin.actor_account.as_deref().unwrap_or(teller.faces.digits());
    if origin.actor.as_str() == "operator" {
        let name = format!("operator:{}", told.session.as_deref().unwrap_or_default());
        return Ok(json!({
            "app_name": "domesday",
            "user": { "name": name, "type_id": 3, "type": "System" },
        }));
    }
    let name = told.actor.as_ref().map_or(origin.actor.as_str(), |face| face.name.as_str());
    actor(
        teller,
        digits,
        (&origin.actor, name, told.session.as_deref()),
        origin.credential.as_ref(),
    )
}

fn actor(
    teller: &Teller<'_>,
    digits: &str,
    (id, name, session_name): (&UniqueId, &str, Option<&str>),
    credential: Option<&UniqueId>,
) -> Result<Value, ProjectionError> {
    let mut person = match (id.kind(), session_name) {
        (Some(IdKind::Role), Some(session)) => {
            user(digits, &format!("{id}:{session}"), &format!("{name}/{session}"))
        }
        _ if *id == UniqueId::root() => {
            let mut root = user(digits, digits, "root");
            put(&mut root, "type_id", 2);
            put(&mut root, "type", "Admin");
            root
        }
        _ => user(digits, id.as_str(), name),
    };
    let mut actor = json!({});
    if let Some(key) = credential {
        put(&mut person, "credential_uid", key.as_str());
        if let Some(stored) = teller.activity.stored_session(key)? {
            put(
                &mut actor,
                "session",
                json!({
                    "uid": key.as_str(),
                    "created_time": millis(stored.issued),
                    "expiration_time": millis(stored.expires),
                    "is_mfa": stored.mfa == Some(true),
                }),
            );
        }
    }
    put(&mut actor, "user", person);
    Ok(actor)
}

/// What an event is about. A credential's event is about its owner's key, which the changes name.
fn thing_of(teller: &Teller<'_>, told: &Told<'_>, about: About) -> Result<Thing, ProjectionError> {
    let digits = teller.faces.digits();
    let target = &told.event.origin.target;
    let id = match about {
        About::Credential => told.event.changes.iter().find_map(|change| match change {
            Change::AccessKeyCreated(c) => Some(&c.key),
            Change::AccessKeyStatusSet(c) => Some(&c.key),
            Change::AccessKeyDeleted(c) => Some(&c.key),
            Change::ServiceCredentialCreated(c) => Some(&c.credential),
            Change::ServiceCredentialStatusSet(c) => Some(&c.credential),
            Change::ServiceCredentialReset(c) => Some(&c.credential),
            Change::ServiceCredentialDeleted(c) => Some(&c.credential),
            _ => None,
        }),
        _ => None,
    };
    if let Some(id) = id {
        return Ok(Thing { about, id: id.to_string(), name: id.to_string() });
    }
    if about == About::Account || *target == UniqueId::root() {
        let name = if about == About::Account { digits } else { "root" };
        return Ok(Thing { about, id: digits.to_owned(), name: name.to_owned() });
    }
    let face = teller.faces.at(told.position, target)?;
    let name = face.map_or_else(|| target.to_string(), |face| face.name.clone());
    Ok(Thing { about, id: target.to_string(), name })
}

/// One receipt.
///
/// # Errors
/// Whatever keeps the activity book from being read.
pub fn receipt_line(teller: &Teller<'_>, noted: &Noted, to: &mut Vec<u8>) -> Result<(), Fault> {
    json_line(&of_receipt(teller, noted)?, to)
}

/// One receipt in the form of the schema.
///
/// # Errors
/// Whatever keeps the activity book from being read.
pub fn of_receipt(teller: &Teller<'_>, noted: &Noted) -> Result<Value, ProjectionError> {
    let receipt = &noted.receipt;
    let digits = teller.faces.digits();
    let (service, operation) = noted.action();
    let (class, activity, about) = classified(operation, None);
    let own = noted.side == Side::Caller;
    let failed = noted.is_denied() || receipt.kind == Kind::SignInFailed;
    let code = if noted.is_denied() { "AccessDenied" } else { "Failure" };
    let of_signing_in = service == "signin";
    let (_, principal) = &receipt.principal;
    let name = noted.actor_arn.as_deref().and_then(Arn::parse).map_or("unknown", |arn| arn.name());
    let name = if *principal == UniqueId::root() { "root" } else { name };
    let thing = if of_signing_in || operation == "GetSessionToken" {
        Thing { about, id: principal.to_string(), name: name.to_owned() }
    } else {
        let parsed = Arn::parse(&noted.resource);
        let id = match receipt.resource == UniqueId::root() {
            true => noted.resource.clone(),
            false => receipt.resource.to_string(),
        };
        let name = parsed.map_or(noted.resource.as_str(), |arn| arn.name());
        let session = noted.key("sts:RoleSessionName").filter(|_| operation == "AssumeRole");
        match session {
            Some(session) => {
                Thing { about, id: format!("{id}:{session}"), name: format!("{name}/{session}") }
            }
            None => Thing { about, id, name: name.to_owned() },
        }
    };
    let session_name = noted.key("aws:userid").and_then(|id| Some(id.split_once(':')?.1));
    let actor = match own {
        true => {
            let credential = receipt.credential.as_ref().filter(|_| !of_signing_in);
            actor(teller, &noted.caller_digits, (principal, name, session_name), credential)?
        }
        false => json!({ "user": {
            "uid": principal.as_str(),
            "type_id": 0,
            "type": "Unknown",
            "account": account(&noted.caller_digits),
        } }),
    };
    let numbered = format!("receipt\0{}\0{}\0{digits}", noted.number, receipt.request);
    let said = Said {
        class,
        activity,
        at: receipt.at,
        logged: receipt.at,
        uid: uuid(&content_hash(numbered.as_bytes())),
        sequence: None,
        service,
        operation,
        request: &receipt.request,
        asked: None,
        failure: failed.then(|| (code.to_owned(), noted.message().unwrap_or_default())),
        actor,
        address: noted.key("aws:SourceIp").filter(|_| own),
        agent: noted.key("aws:UserAgent").filter(|_| own),
        thing,
        unmapped: json!({
            "receipt": noted.number,
            "position": receipt.position,
            "outcome": noted.outcome(),
            "blocked_by": receipt.blocked_by,
            "resource": noted.resource,
        }),
    };
    let mut event = base(digits, &said);
    of_class(digits, &said, &mut event);
    if class == AUTHENTICATION
        && let Some(key) = receipt.credential.as_ref().filter(|_| of_signing_in)
        && let Some(stored) = teller.activity.stored_session(key)?
    {
        event.insert("is_mfa".to_owned(), (stored.mfa == Some(true)).into());
    }
    Ok(Value::Object(event))
}
