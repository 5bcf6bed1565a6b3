//! A real account brought in: what a snapshot and a trail say is what every question answers afterwards.

mod bad_input;
mod company;
mod doubts;
mod histories;
mod order;
mod real_records;
pub mod recorder;
mod replaced;
mod shared;
mod unknown;

use domesday::service::audit::{self, Question};
use domesday::service::caller::Caller;
use domesday::service::fault::Fault;
use domesday::service::moment::Moment;
use serde_json::{Value, json};

use crate::world::{Key, World};

/// A service without accounts, into which one is brought.
pub struct Import {
    pub world: World,
    pub folder: tempfile::TempDir,
}

impl Import {
    pub fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        // What is brought in has its own keys; the world's own account stays beside it.
        world.replays = false;
        world.clock.set(domesday::base::time::Timestamp::parse("2030-01-01").unwrap());
        Import { world, folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn act(&self, name: &str, body: Value) -> Result<Value, Fault> {
        let service = &self.world.service;
        let caller = service.operator("test", domesday::ledger::AccountId::SYSTEM).unwrap();
        audit::act(service, &caller, name, body)
    }

    pub fn snapshot(&self, details: &Value, at: &str) -> Result<Value, Fault> {
        let path = self.file("details.json", details.to_string());
        self.act("import-authorization-details", json!({ "path": path, "at": at }))
    }

    pub fn trail(&self, records: &[Value]) -> Result<Value, Fault> {
        let path = self.file("trail.json", json!({ "Records": records }).to_string());
        self.act("import-cloudtrail", json!({ "paths": [path] }))
    }

    /// The operator in the imported account.
    pub fn operator(&self, digits: &str) -> Caller {
        use domesday::projection::tables::ACCOUNTS;
        use domesday::projection::view::ReadTables;
        let service = &self.world.service;
        let system = domesday::ledger::AccountId::SYSTEM;
        let account = service.now().get(system, &ACCOUNTS, &digits.to_owned()).unwrap().unwrap();
        Caller { digits: digits.to_owned(), ..service.operator("test", account).unwrap() }
    }

    pub fn question(
        &self,
        digits: &str,
        name: &str,
        parameters: &[(&str, &str)],
        at: Option<&str>,
    ) -> Result<Value, Fault> {
        question(&self.world, &self.operator(digits), name, parameters, at)
    }

    /// A key of an administrator of the imported account, made after it is complete.
    pub fn admin(&self, digits: &str) -> Key {
        let account = self.operator(digits).account;
        let (_, key, _) = self.world.service.recover_admin(account, "auditor", "test").unwrap();
        Key::long_term(&key)
    }
}

pub fn question(
    world: &World,
    caller: &Caller,
    name: &str,
    parameters: &[(&str, &str)],
    at: Option<&str>,
) -> Result<Value, Fault> {
    let owned: Vec<_> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let moment = at.map(|text| Moment::parse(text).unwrap());
    audit::run(&world.service, caller, Question::parse(name, &owned)?, moment)
}

/// The events of a history, the oldest first.
pub fn oldest_first(history: &Value) -> Vec<Value> {
    let mut events = history["events"].as_array().unwrap().clone();
    events.sort_by_key(|event| event["position"].as_u64());
    events
}

/// An answer without positions, which differ from ledger to ledger, and without what is said of imports alone.
pub fn without_positions(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let own = ["position", "event", "events", "recorded_at", "assumed"];
            let fields = fields.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            fields.map(|(name, value)| (name.clone(), without_positions(value))).collect()
        }
        Value::Array(values) => Value::Array(values.iter().map(without_positions).collect()),
        other => other.clone(),
    }
}
