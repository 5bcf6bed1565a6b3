//! One record of CloudTrail, eventVersion 1.11.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::noted::{Noted, Side};
use super::super::told::{Teller, Told};
use super::identity::{self, Identity, OPERATOR};
use super::{REGION, response};
use crate::base::crypto::content_hash;
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::arn;
use crate::identity::change::Change;
use crate::projection::ProjectionError;
use crate::service::activity::receipt::Kind;
use crate::service::sts::ISSUED_KEY;

/// The version of the format.
pub const VERSION: &str = "1.11";

/// A record, its fields in the order of the format's description.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    event_version: &'static str,
    user_identity: Identity<'a>,
    event_time: Timestamp,
    event_source: &'a str,
    event_name: &'a str,
    aws_region: &'static str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Cow<'a, str>,
    user_agent: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    request_parameters: Option<Map<String, Value>>,
    response_elements: Option<Value>,
    additional_event_data: Data<'a>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(rename = "eventID")]
    event_id: String,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Resource>>,
    event_type: &'static str,
    management_event: bool,
    recipient_account_id: &'a str,
    #[serde(rename = "sharedEventID", skip_serializing_if = "Option::is_none")]
    shared_event_id: Option<String>,
    event_category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_credential_from_console: Option<&'static str>,
}

/// What CloudTrail has no field for.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Event(OfEvent<'a>),
    Receipt(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfEvent<'a> {
    ledger_position: u64,
    ledger_sequence: u64,
    ledger_digest: String,
    ledger_chain: String,
    recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    /// What no request tells, the changes do.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<&'static str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(rename = "ARN")]
    arn: String,
    account_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Acts that are no operation of IAM, as CloudTrail calls them: our name, source, name and type there.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    ("ChangeRootEmail", SIGN_IN, "EmailUpdated", "AwsConsoleAction"),
    ("ChangeRootPassword", SIGN_IN, "PasswordUpdated", "AwsConsoleAction"),
    ("RecoverRoot", SIGN_IN, "PasswordRecoveryRequested", "AwsConsoleSignIn"),
    ("RedeemRootRecovery", SIGN_IN, "PasswordRecoveryCompleted", "AwsConsoleSignIn"),
    ("CloseAccount", "account.amazonaws.com", "CloseAccount", "AwsApiCall"),
    ("BeginImport", OPERATOR, "BeginImport", "AwsServiceEvent"),
    ("CompleteImport", OPERATOR, "CompleteImport", "AwsServiceEvent"),
    ("DropImport", OPERATOR, "DropImport", "AwsServiceEvent"),
    ("FoundAccount", OPERATOR, "FoundAccount", "AwsServiceEvent"),
    ("ImportAuthorizationDetails", OPERATOR, "ImportAuthorizationDetails", "AwsServiceEvent"),
    ("RecoverAdmin", OPERATOR, "RecoverAdmin", "AwsServiceEvent"),
    ("ReopenAccount", OPERATOR, "ReopenAccount", "AwsServiceEvent"),
    ("SetOrganizationPolicies", OPERATOR, "SetOrganizationPolicies", "AwsServiceEvent"),
];
const SIGN_IN: &str = "signin.amazonaws.com";

/// The bytes of a hash as a UUID: of version 8, whose bits are whoever's makes it.
pub fn uuid(hash: &[u8; 32]) -> String {
    let mut bytes = [0u8; 16];
    for (place, byte) in bytes.iter_mut().zip(hash) {
        *place = *byte;
    }
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    let part = |from, to| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The id of the record that an event came in as, if its history is from elsewhere. One that contradicts another has
/// that one's id, and so none of its own.
fn imported<'a>(told: &'a Told<'_>) -> Option<&'a str> {
    told.event.changes.iter().find_map(|change| match change {
        Change::RecordReplayed(one) => Some(one.record.as_str()),
        Change::LateEvidence(one) => Some(one.record.as_str()),
        _ => None,
    })
}

/// The id of an event's record: its own, or one that follows from the event's digest, so that every export
/// bears the same.
fn event_id(told: &Told<'_>) -> String {
    imported(told).map_or_else(|| uuid(&told.frame.digest), str::to_owned)
}

/// The id of the request; of an imported record none is known.
fn request_id<'a>(told: &'a Told<'_>) -> Option<&'a str> {
    let request = told.event.origin.request.as_str();
    (!request.is_empty() && imported(told).is_none()).then_some(request)
}

/// The record of an event.
///
/// # Errors
/// If a document is missing, or whatever keeps the rows from being read.
pub fn of_event<'a>(
    teller: &'a Teller<'_>,
    told: &'a Told<'_>,
) -> Result<Record<'a>, ProjectionError> {
    let (header, origin) = (told.header(), &told.event.origin);
    let who = identity::of_event(teller, told)?;
    let other = OTHERS.iter().find(|(own, ..)| *own == origin.operation);
    let (source, name, kind) = match other {
        Some((_, source, name, kind)) => (*source, *name, *kind),
        None => ("iam.amazonaws.com", origin.operation.as_str(), "AwsApiCall"),
    };
    let changes = || told.event.changes.iter().map(Change::name).collect();
    let data = OfEvent {
        ledger_position: told.position,
        ledger_sequence: header.sequence,
        ledger_digest: hex(&told.frame.digest),
        ledger_chain: hex(&told.frame.chain),
        recorded_at: header.recorded_at.to_precise(),
        ticket: origin.ticket.as_deref(),
        changes: (kind != "AwsApiCall").then(changes),
    };
    let nowhere = || Cow::Borrowed(OPERATOR);
    Ok(Record {
        event_version: VERSION,
        user_identity: who.identity,
        event_time: header.happened_at,
        event_source: source,
        event_name: name,
        aws_region: REGION,
        source_ip_address: told.address.as_deref().map_or_else(nowhere, Cow::Borrowed),
        user_agent: told.agent.as_deref().map_or_else(nowhere, Cow::Borrowed),
        error_code: None,
        error_message: None,
        request_parameters: response::parameters(teller, told)?,
        response_elements: response::elements(teller, told)?,
        additional_event_data: Data::Event(data),
        request_id: request_id(told),
        event_id: event_id(told),
        read_only: false,
        resources: None,
        event_type: kind,
        management_event: true,
        recipient_account_id: teller.faces.digits(),
        shared_event_id: None,
        event_category: "Management",
        session_credential_from_console: who.console.then_some("true"),
    })
}

/// The source of an action's service.
fn source(service: &str) -> &'static str {
    match service {
        "iam" => "iam.amazonaws.com",
        "sts" => "sts.amazonaws.com",
        "signin" => SIGN_IN,
        _ => OPERATOR,
    }
}

/// Whether an operation only reads, by its name.
fn is_reading(name: &str) -> bool {
    [
        "Get",
        "List",
        "Simulate",
        "Decode",
        "Generate",
        "Read",
        "Search",
        "Evaluate",
        "TimeTravel",
        "Export",
    ]
    .iter()
    .any(|beginning| name.starts_with(beginning))
}

/// What was asked of STS, from the keys that the decision knew.
fn asked(noted: &Noted) -> Option<Map<String, Value>> {
    let mut asked = Map::new();
    if noted.action() == ("sts", "AssumeRole") {
        asked.insert("roleArn".to_owned(), noted.resource.as_str().into());
    }
    for (key, name) in [
        ("sts:RoleSessionName", "roleSessionName"),
        ("sts:ExternalId", "externalId"),
        ("sts:SourceIdentity", "sourceIdentity"),
    ] {
        if let Some(value) = noted.key(key) {
            asked.insert(name.to_owned(), value.into());
        }
    }
    if let Some(seconds) =
        noted.key("sts:DurationSeconds").and_then(|text| text.parse::<u64>().ok())
    {
        asked.insert("durationSeconds".to_owned(), seconds.into());
    }
    let tags: Vec<Value> = noted
        .context
        .iter()
        .filter_map(|(key, values)| {
            let key = key.strip_prefix("aws:RequestTag/")?;
            Some(json!({ "key": key, "value": values.first()? }))
        })
        .collect();
    if !tags.is_empty() {
        asked.insert("tags".to_owned(), tags.into());
    }
    (!asked.is_empty()).then_some(asked)
}

/// The credentials that were issued: whose they are and until when, and nothing that signs.
fn issued(teller: &Teller<'_>, noted: &Noted) -> Result<Option<Value>, ProjectionError> {
    let Some(key) = noted.key(ISSUED_KEY) else { return Ok(None) };
    let stored = match crate::identity::id::UniqueId::parse(key) {
        Some(key) => teller.activity.stored_session(&key)?,
        None => None,
    };
    let mut credentials = json!({ "accessKeyId": key });
    if let (Some(stored), Some(fields)) = (&stored, credentials.as_object_mut()) {
        fields.insert("expiration".to_owned(), response::date(stored.expires).into());
    }
    let mut elements = json!({ "credentials": credentials });
    if noted.action().1 == "AssumeRole"
        && let Some(fields) = elements.as_object_mut()
    {
        let session = noted.key("sts:RoleSessionName").unwrap_or_default();
        let role = arn::Arn::parse(&noted.resource).map_or("", |arn| arn.name());
        let user = json!({
            "assumedRoleId": format!("{}:{session}", noted.receipt.resource),
            "arn": arn::assumed_role(&noted.owner_digits, role, session),
        });
        fields.insert("assumedRoleUser".to_owned(), user);
        if let Some(identity) = noted.key("sts:SourceIdentity") {
            fields.insert("sourceIdentity".to_owned(), identity.into());
        }
    }
    Ok(Some(elements))
}

/// The record of a receipt.
///
/// # Errors
/// Whatever keeps the rows or the activity book from being read.
pub fn of_receipt<'a>(
    teller: &'a Teller<'_>,
    noted: &'a Noted,
) -> Result<Record<'a>, ProjectionError> {
    let receipt = &noted.receipt;
    let who = identity::of_receipt(teller, noted)?;
    let (service, name) = noted.action();
    let of_signing_in = service == "signin";
    let mut data = json!({ "receipt": noted.number, "ledgerPosition": receipt.position });
    if let Some(data) = data.as_object_mut() {
        if let Some(ticket) =
            noted.key("aws:PrincipalTag/ticket").filter(|_| noted.side == Side::Caller)
        {
            data.insert("ticket".to_owned(), ticket.into());
        }
        if name == "ConsoleLogin" {
            let stored = match &receipt.credential {
                Some(key) => teller.activity.stored_session(key)?,
                None => None,
            };
            let used = stored.is_some_and(|stored| stored.mfa == Some(true));
            data.insert("LoginTo".to_owned(), "/console/".into());
            data.insert("MobileVersion".to_owned(), "No".into());
            data.insert("MFAUsed".to_owned(), if used { "Yes" } else { "No" }.into());
        }
    }
    let (error_code, error_message) = match receipt.kind {
        Kind::SignInFailed => (None, noted.message()),
        _ if noted.is_denied() => (Some("AccessDenied"), noted.message()),
        _ => (None, None),
    };
    let response_elements = match receipt.kind {
        Kind::SignedIn => Some(json!({ "ConsoleLogin": "Success" })),
        Kind::SignInFailed => Some(json!({ "ConsoleLogin": "Failure" })),
        Kind::SignedOut => Some(json!({ "Logout": "Success" })),
        Kind::Issued => issued(teller, noted)?,
        _ => None,
    };
    // The two accounts' records of one call are two events with one thing in common.
    let shared =
        content_hash(format!("shared\0{}\0{}", receipt.request, receipt.action).as_bytes());
    let own = content_hash(
        format!("receipt\0{}\0{}\0{}", noted.number, receipt.request, teller.faces.digits())
            .as_bytes(),
    );
    let is_role = receipt.action.starts_with("sts:AssumeRole");
    let resources = (!of_signing_in && noted.resource != "*").then(|| {
        vec![Resource {
            arn: noted.resource.clone(),
            account_id: noted.owner_digits.clone(),
            kind: if is_role { "AWS::IAM::Role" } else { kind_of(&noted.resource) },
        }]
    });
    let foreign = noted.side == Side::Owner;
    let place = |key: &str| match noted.key(key) {
        Some(value) if !foreign => Cow::Borrowed(value),
        // CloudTrail tells the other account where a call came from, but we were told in confidence.
        _ => Cow::Borrowed(OPERATOR),
    };
    Ok(Record {
        event_version: VERSION,
        user_identity: who.identity,
        event_time: receipt.at,
        event_source: source(service),
        event_name: name,
        aws_region: REGION,
        source_ip_address: place("aws:SourceIp"),
        user_agent: place("aws:UserAgent"),
        error_code,
        error_message,
        request_parameters: if noted.is_denied() || of_signing_in { None } else { asked(noted) },
        response_elements,
        additional_event_data: Data::Receipt(data),
        request_id: (!of_signing_in).then_some(receipt.request.as_str()),
        event_id: uuid(&own),
        read_only: !of_signing_in && (is_reading(name) || service == "sts"),
        resources,
        event_type: if of_signing_in { "AwsConsoleSignIn" } else { "AwsApiCall" },
        management_event: true,
        recipient_account_id: teller.faces.digits(),
        shared_event_id: noted.is_across().then(|| uuid(&shared)),
        event_category: "Management",
        session_credential_from_console: who.console.then_some("true"),
    })
}

/// The type of a resource, by its ARN.
fn kind_of(text: &str) -> &'static str {
    let Some(parsed) = arn::Arn::parse(text).filter(|arn| arn.service == "iam") else {
        return "AWS::Domesday::Resource";
    };
    match parsed.kind() {
        "user" => "AWS::IAM::User",
        "group" => "AWS::IAM::Group",
        "role" => "AWS::IAM::Role",
        "policy" => "AWS::IAM::ManagedPolicy",
        "instance-profile" => "AWS::IAM::InstanceProfile",
        "mfa" => "AWS::IAM::VirtualMFADevice",
        _ => "AWS::IAM::Account",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_of_a_uuid() {
        assert_eq!(uuid(&[0xff; 32]), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(uuid(&[0; 32]), "00000000-0000-8000-8000-000000000000");
    }

    #[test]
    fn what_reads_is_known_by_its_name() {
        assert!(
            is_reading("GetUser") && is_reading("ListUsers") && is_reading("SimulateCustomPolicy")
        );
        assert!(!is_reading("CreateUser") && !is_reading("ResyncMFADevice"));
    }
}
