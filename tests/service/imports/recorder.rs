//! Writes what is asked of a world as CloudTrail writes it, and what an account looks like as the AWS command line
//! prints it.

use std::collections::BTreeMap;

use domesday::base::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::world::{Key, World};

pub struct Recorder<'a> {
    pub world: &'a World,
    /// Seconds that share a time.
    pub bucket: u64,
    pub records: Vec<Value>,
    number: u64,
}

impl<'a> Recorder<'a> {
    pub fn new(world: &'a World, bucket: u64) -> Self {
        Recorder { world, bucket, records: Vec::new(), number: 0 }
    }

    /// The time that a record of now would have.
    pub fn time(&self) -> Timestamp {
        let seconds = domesday::base::clock::Clock::now(&*self.world.clock).seconds();
        Timestamp::from_seconds(seconds - seconds % self.bucket)
    }

    /// Asks as the administrator and writes the record.
    pub fn ask(&mut self, operation: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let head = self.world.head();
        let outcome = self.world.ask(&self.world.admin, operation, parameters, None);
        self.number += 1;
        // Ids that sort otherwise than they were given.
        let id = format!("{:08x}", self.number.wrapping_mul(2_654_435_761) % (1 << 32));
        let mut asked = Value::Null;
        for (name, value) in parameters.iter().filter(|(name, _)| *name != "Password") {
            put(&mut asked, &name.split('.').collect::<Vec<_>>(), value);
        }
        let caller = self.world.caller(&self.world.admin).unwrap();
        let (error, answered) = match &outcome {
            Ok(answer) => (Value::Null, camel(answer)),
            Err(fault) => (json!(format!("{}Exception", fault.code)), Value::Null),
        };
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": caller.principal_id().as_str(),
                "arn": caller.arn(),
                "accountId": self.world.digits,
                "accessKeyId": self.world.admin.id,
                "userName": "admin",
            },
            "eventTime": self.time().to_string(),
            "eventSource": "iam.amazonaws.com",
            "eventName": operation,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "192.0.2.7",
            "userAgent": "aws-cli/2.0 app/TICKET-1",
            "requestParameters": asked,
            "responseElements": answered,
            "requestID": format!("r-{id}"),
            "eventID": id,
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": self.world.digits,
            "eventCategory": "Management",
        });
        if !error.is_null() {
            record["errorCode"] = error;
        }
        // What was so already is answered with success, and a trail does not tell: before or after which change of
        // the same second it was asked for, nobody could say.
        if outcome.is_err() || self.world.head() != head {
            self.records.push(record);
        }
        outcome.map_err(|fault| {
            assert!(fault.is_sender(), "{operation} {parameters:?}: {fault}");
            fault.code.to_owned()
        })
    }
}

/// `Tags.member.1.Key` as `tags: [{key: ...}]`.
fn put(into: &mut Value, parts: &[&str], value: &str) {
    match parts {
        [] => *into = if value == "true" { json!(true) } else { json!(value) },
        ["member", number, rest @ ..] => {
            if !into.is_array() {
                *into = json!([]);
            }
            let (list, at) = (into.as_array_mut().unwrap(), number.parse::<usize>().unwrap() - 1);
            while list.len() <= at {
                list.push(Value::Null);
            }
            put(&mut list[at], rest, value);
        }
        [name, rest @ ..] => {
            if !into.is_object() {
                *into = json!({});
            }
            put(
                into.as_object_mut().unwrap().entry(small(name)).or_insert(Value::Null),
                rest,
                value,
            );
        }
    }
}

fn small(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().unwrap().to_lowercase().to_string();
    first + characters.as_str()
}

/// An answer as a record has it: small letters first, and no secrets.
fn camel(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let told = fields.iter().filter(|(name, value)| {
                !value.is_null() && !name.contains("Secret") && !name.contains("Seed")
            });
            let fields: Map<String, Value> =
                told.map(|(name, value)| (small(name), camel(value))).collect();
            Value::Object(fields)
        }
        Value::Array(values) => Value::Array(values.iter().map(camel).collect()),
        other => other.clone(),
    }
}

/// The whole account as `aws iam get-account-authorization-details` prints it, at a moment.
pub fn details(world: &World, key: &Key, moment: Option<&str>) -> Value {
    let moment = moment.and_then(|text| world.moment(text));
    let mut whole = json!({});
    let mut marker: Option<String> = None;
    loop {
        let mut parameters = vec![("MaxItems", "1000")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = world.ask(key, "GetAccountAuthorizationDetails", &parameters, moment).unwrap();
        for list in ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"] {
            let more = page[list].as_array().unwrap().clone();
            let all = whole.as_object_mut().unwrap().entry(list).or_insert(json!([]));
            all.as_array_mut().unwrap().extend(more);
        }
        marker = page["Marker"].as_str().map(str::to_owned);
        if marker.is_none() {
            return whole;
        }
    }
}

/// The same without what a trail's rounded times make otherwise, and what nobody knows.
pub fn comparable(details: &Value) -> Value {
    match details {
        Value::Object(fields) => {
            let dated = ["CreateDate", "UpdateDate", "RoleLastUsed", "Description"];
            let fields = fields.iter().filter(|(name, _)| !dated.contains(&name.as_str()));
            let sorted: BTreeMap<_, _> =
                fields.map(|(name, value)| (name.clone(), comparable(value))).collect();
            json!(sorted)
        }
        Value::Array(values) => Value::Array(values.iter().map(comparable).collect()),
        other => other.clone(),
    }
}
