//! A service in memory with a clock that stands still, and callers to ask it.

use std::collections::BTreeMap;
use std::sync::Arc;

use domesday::base::clock::SimulatedClock;
use domesday::base::form_tree::Form;
use domesday::base::random::SeededRandom;
use domesday::base::secret::Secret;
use domesday::base::text::{from_base32, from_base64};
use domesday::base::time::Timestamp;
use domesday::base::totp;
use domesday::service::Service;
use domesday::service::activity::receipt::{Kind, Receipt};
use domesday::service::activity::stored::Stored;
use domesday::service::audit::replay::{Replay, replay};
use domesday::service::authenticate::{Arrival, Credential};
use domesday::service::caller::{Caller, Source};
use domesday::service::fault::Fault;
use domesday::service::founding::{Founding, Place, open};
use domesday::service::moment::Moment;
use domesday::service::operation::Api;
use serde_json::Value;

pub struct World {
    pub service: Arc<Service>,
    pub clock: Arc<SimulatedClock>,
    pub digits: String,
    pub admin: Key,
    /// Whether what was decided is decided again in the end; not where the disk is damaged.
    pub replays: bool,
}

/// An access key, long-term or of a session.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub token: Option<String>,
}

impl Key {
    pub fn long_term(id: &str) -> Self {
        Key { id: id.to_owned(), token: None }
    }

    /// The credentials of an STS answer.
    pub fn of(answer: &Value) -> Self {
        let text = |name: &str| answer["Credentials"][name].as_str().unwrap().to_owned();
        Key { id: text("AccessKeyId"), token: Some(text("SessionToken")) }
    }
}

/// An app that shows the codes of a virtual multi-factor device.
pub struct Authenticator {
    pub serial: String,
    seed: Secret<Vec<u8>>,
}

impl Authenticator {
    /// Set up with the answer to CreateVirtualMFADevice.
    pub fn of(answer: &Value) -> Self {
        let device = &answer["VirtualMFADevice"];
        let seed = from_base64(device["Base32StringSeed"].as_str().unwrap()).unwrap();
        let seed = from_base32(std::str::from_utf8(&seed).unwrap()).unwrap();
        let serial = device["SerialNumber"].as_str().unwrap().to_owned();
        Authenticator { serial, seed: Secret::new(seed) }
    }

    /// The code that it shows so many steps after an instant.
    pub fn code(&self, at: Timestamp, later: i64) -> String {
        totp::code(&self.seed, totp::step_at(at).saturating_add_signed(later))
    }

    /// The last code before an instant, and that of the instant.
    pub fn pair(&self, at: Timestamp) -> [String; 2] {
        [self.code(at, -1), self.code(at, 0)]
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        World::at(seed, &Place::Memory)
    }

    pub fn at(seed: u64, place: &Place) -> Self {
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let clock = Arc::new(SimulatedClock::new(start));
        let random = Arc::new(SeededRandom::new(seed));
        let service =
            open(place, clock.clone(), random, Box::new(|error| panic!("{error}"))).unwrap();
        World::found(service, clock)
    }

    pub fn found(service: Arc<Service>, clock: Arc<SimulatedClock>) -> Self {
        let founding = Founding { admin: Some("admin".into()), ..Founding::default() };
        let founded = service.found(founding, "test").unwrap();
        let (_, id, _) = founded.admin.unwrap();
        let admin = Key::long_term(&id);
        World { service, clock, digits: founded.digits, admin, replays: true }
    }

    /// The caller behind a key, as if its signature had been checked.
    pub fn caller(&self, key: &Key) -> Result<Caller, String> {
        let now = self.service.now();
        let arrival = Arrival {
            at: self.service.clock().now(),
            request_id: self.service.request_id().unwrap(),
            source: Source {
                address: Some("10.1.2.3".parse().unwrap()),
                agent: Some("tests".into()),
                secure: false,
                ticket: None,
            },
        };
        let token = key.token.clone().map(Secret::new);
        let (standings, facts) = (self.service.standings(), self.service.activity());
        standings
            .credential(&now, facts, &key.id, token.as_ref(), arrival)
            .map(|Credential { caller, .. }| caller)
            .map_err(|error| error.to_string())
    }

    pub fn ask(
        &self,
        key: &Key,
        operation: &str,
        parameters: &[(&str, &str)],
        moment: Option<Moment>,
    ) -> Result<Value, Fault> {
        self.clock.advance(1);
        let mut form = Form::default();
        for (name, value) in parameters {
            form.insert(name, (*value).to_owned()).unwrap();
        }
        let sts = [
            "AssumeRole",
            "GetCallerIdentity",
            "GetSessionToken",
            "GetAccessKeyInfo",
            "DecodeAuthorizationMessage",
        ];
        let call = domesday::service::Call {
            api: if sts.contains(&operation) { Api::Sts } else { Api::Iam },
            operation: operation.to_owned(),
            form,
            caller: self.caller(key).map_err(|error| match error.contains("ask again") {
                true => Fault::new("ServiceUnavailable", 503, error),
                false => Fault::new("InvalidClientTokenId", 403, error),
            })?,
            moment,
            region: "us-east-1".into(),
        };
        let answer = self.service.execute_blocking(call)?;
        Ok(answer.map_or(Value::Null, |answer| serde_json::to_value(&*answer).unwrap()))
    }

    /// Asks and expects an answer.
    pub fn ok(&self, key: &Key, operation: &str, parameters: &[(&str, &str)]) -> Value {
        self.ask(key, operation, parameters, None)
            .unwrap_or_else(|fault| panic!("{operation} {parameters:?}: {fault}"))
    }

    /// Asks and expects a refusal with this code.
    pub fn refused(
        &self,
        key: &Key,
        operation: &str,
        parameters: &[(&str, &str)],
        code: &str,
    ) -> String {
        match self.ask(key, operation, parameters, None) {
            Ok(answer) => panic!("{operation} {parameters:?} was answered: {answer}"),
            Err(fault) => {
                assert_eq!(fault.code, code, "{operation} {parameters:?}: {fault}");
                fault.message
            }
        }
    }

    pub fn head(&self) -> u64 {
        self.service.ledger().head().position
    }

    pub fn moment(&self, text: &str) -> Option<Moment> {
        Some(Moment::parse(text).unwrap())
    }

    /// A user with a key.
    pub fn user(&self, name: &str) -> Key {
        self.ok(&self.admin, "CreateUser", &[("UserName", name)]);
        let made = self.ok(&self.admin, "CreateAccessKey", &[("UserName", name)]);
        Key::long_term(made["AccessKey"]["AccessKeyId"].as_str().unwrap())
    }

    pub fn allow(&self, user: &str, action: &str, resource: &str) {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}]}}"#
        );
        let parameters =
            [("UserName", user), ("PolicyName", "allow"), ("PolicyDocument", &document)];
        self.ok(&self.admin, "PutUserPolicy", &parameters);
    }

    /// Everything that the account's listings show at a moment, to compare instants.
    pub fn state(&self, moment: Option<Moment>) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        let ask = |operation: &str, parameters: &[(&str, &str)]| {
            self.ask(&self.admin, operation, parameters, moment).unwrap()
        };
        let users = ask("ListUsers", &[("MaxItems", "1000")]);
        let summary = ask("GetAccountSummary", &[]);
        let counted = users["Users"].as_array().unwrap().len();
        assert_eq!(summary["SummaryMap"]["Users"], counted, "what is counted is what is there");
        for user in users["Users"].as_array().unwrap() {
            let name = user["UserName"].as_str().unwrap();
            let of = [("UserName", name)];
            state.insert(format!("user {name}"), ask("GetUser", &of));
            state.insert(format!("keys {name}"), ask("ListAccessKeys", &of));
            let policies = ask("ListUserPolicies", &of);
            for policy in policies["PolicyNames"].as_array().unwrap() {
                let policy = policy.as_str().unwrap();
                let of = [("UserName", name), ("PolicyName", policy)];
                state.insert(format!("policy {name} {policy}"), ask("GetUserPolicy", &of));
            }
        }
        let mut roles = ask("ListRoles", &[("MaxItems", "1000")]);
        state.insert("roles".into(), roles["Roles"].take());
        state
    }

    /// All receipts that are written, by their numbers.
    pub fn receipts(&self) -> Vec<(u64, Receipt)> {
        let mut receipts = Vec::new();
        let each = &mut |number, receipt: &Stored<'_>| {
            receipts.push((number, receipt.whole()?));
            Ok(true)
        };
        self.service.activity().receipts(1, each).unwrap();
        receipts
    }
}

/// Whatever a test had decided is decided again when it is over: by each receipt, at the position that it
/// saw, to the same end.
impl Drop for World {
    fn drop(&mut self) {
        if !self.replays || std::thread::panicking() {
            return;
        }
        self.service.close();
        for (number, receipt) in self.receipts() {
            let again = replay(&self.service, &receipt).unwrap();
            let signing = [Kind::SignedIn, Kind::SignInFailed, Kind::SignedOut];
            let decides = receipt.kind != Kind::Gap && !signing.contains(&receipt.kind);
            let expected = if decides { Replay::Same } else { Replay::NoDecision };
            assert_eq!(again, expected, "receipt {number}: {receipt:?}");
        }
    }
}
