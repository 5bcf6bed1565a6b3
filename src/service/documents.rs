//! Policy documents, parsed once and kept by content hash; and the managed policies that every account
//! shares: AWS's, read from the catalogue that an event of the system account installed, and our own, which the
//! program itself holds ([`Catalogue::OWN`]).

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use parking_lot::RwLock;

use super::fault::Fault;
use crate::base::text::hex;
use crate::base::time::Timestamp;
use crate::identity::Arn;
use crate::identity::change::{DocumentHash, PolicyRef, Trust};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Binding, Document, DocumentKind};
use crate::projection::tables::{
    CATALOGUE, POLICIES, POLICY_VERSIONS, SHARED_POLICIES, SharedPolicyRow,
};
use crate::projection::view::ReadTables;
use crate::projection::{ProjectionError, Reader};

/// Parsed documents that are kept; beyond it all are dropped and parsed again as they are met.
const KEPT: usize = 20_000;
/// The largest catalogue that is unpacked, in bytes.
const CATALOGUE_LIMIT: u64 = 64 << 20;

/// The cache of parsed documents and catalogues.
#[derive(Default)]
pub struct Documents {
    parsed: RwLock<HashMap<(DocumentHash, u64), Arc<Document>>>,
    catalogues: RwLock<HashMap<[u8; 32], Arc<Catalogue>>>,
}

impl Documents {
    /// A stored document of a user, group or role, or a managed policy.
    pub fn identity(
        &self,
        reader: &dyn Reader,
        hash: &DocumentHash,
    ) -> Result<Arc<Document>, Fault> {
        self.cached((*hash, 0), || {
            let text = text_of(reader, hash)?;
            Document::parse(&text, DocumentKind::Identity).map_err(Fault::internal)
        })
    }

    /// A role's trust policy, its principals bound to the unique ids they had when it was saved.
    pub fn trust(&self, reader: &dyn Reader, trust: &Trust) -> Result<Arc<Document>, Fault> {
        let names = trust
            .principals
            .iter()
            .fold(String::new(), |all, (arn, id)| all + arn + "\0" + id.as_str() + "\0");
        let [a, b, c, d, e, f, g, h, ..] = crate::base::crypto::content_hash(names.as_bytes());
        let bound = u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1;
        self.cached((trust.document, bound), || {
            let text = text_of(reader, &trust.document)?;
            let resolve = |arn: &str| {
                let found = trust.principals.iter().find(|(named, _)| named == arn);
                found.map(|(_, id)| Binding::Id(id.to_string()))
            };
            Document::parse_resolved(&text, DocumentKind::Trust, &resolve).map_err(Fault::internal)
        })
    }

    /// A document of the organisation's.
    pub fn organization(
        &self,
        reader: &dyn Reader,
        hash: &DocumentHash,
        kind: DocumentKind,
    ) -> Result<Arc<Document>, Fault> {
        let form = if kind == DocumentKind::Scp { 4 } else { 6 };
        self.cached((*hash, form), || {
            Document::parse(&text_of(reader, hash)?, kind).map_err(Fault::internal)
        })
    }

    /// An inline session policy, as it was passed.
    pub fn session(&self, text: &str) -> Result<Arc<Document>, Fault> {
        let hash = crate::base::crypto::content_hash(text.as_bytes());
        self.cached((hash, 2), || {
            Document::parse(text, DocumentKind::Session).map_err(Fault::internal)
        })
    }

    /// A document of this service's own, a constant of the code.
    pub fn own(&self, text: &str) -> Result<Arc<Document>, Fault> {
        let hash = crate::base::crypto::content_hash(text.as_bytes());
        self.cached((hash, 0), || {
            Document::parse(text, DocumentKind::Identity).map_err(Fault::internal)
        })
    }

    fn cached(
        &self,
        key: (DocumentHash, u64),
        parse: impl FnOnce() -> Result<Document, Fault>,
    ) -> Result<Arc<Document>, Fault> {
        if let Some(document) = self.parsed.read().get(&key) {
            return Ok(document.clone());
        }
        let document = Arc::new(parse()?);
        let mut parsed = self.parsed.write();
        if parsed.len() >= KEPT {
            parsed.clear();
        }
        parsed.insert(key, document.clone());
        Ok(document)
    }

    /// The managed policies that every account shares, as this reader sees them.
    pub fn catalogue(&self, reader: &dyn Reader) -> Result<Option<Arc<Catalogue>>, Fault> {
        let Some(row) = reader.get(AccountId::SYSTEM, &CATALOGUE, &())? else { return Ok(None) };
        if let Some(catalogue) = self.catalogues.read().get(&row.manifest) {
            return Ok(Some(catalogue.clone()));
        }
        let catalogue = Arc::new(Catalogue::unpack(&reader.content(&row.manifest)?)?);
        self.catalogues.write().insert(row.manifest, catalogue.clone());
        Ok(Some(catalogue))
    }

    /// A managed policy that every account shares, as an account has it: as it came in with the account or, if
    /// it did not, as the catalogue has it.
    pub fn shared(
        &self,
        reader: &dyn Reader,
        account: AccountId,
        policy: &PolicyRef,
    ) -> Result<Option<SharedPolicy>, Fault> {
        let Some(row) = reader.get(account, &SHARED_POLICIES, policy)? else {
            let catalogue = self.catalogue(reader)?;
            return Ok(catalogue.and_then(|catalogue| catalogue.get(&policy.0).cloned()));
        };
        Ok(Some(imported(reader, row)?))
    }

    /// All managed policies that every account shares, as [`shared`](Self::shared) has each, in the order of their
    /// ARNs: the catalogue, and what came in with the account in its place or besides.
    pub fn all_shared(
        &self,
        reader: &dyn Reader,
        account: AccountId,
    ) -> Result<Vec<SharedPolicy>, Fault> {
        let mut all = self.catalogue(reader)?.map_or_else(Vec::new, |catalogue| {
            catalogue.iter().cloned().collect::<Vec<SharedPolicy>>()
        });
        for row in reader.list(account, &SHARED_POLICIES, &())? {
            let policy = imported(reader, row)?;
            match all.binary_search_by(|known| known.arn.cmp(&policy.arn)) {
                Ok(place) => all.splice(place..=place, [policy]).for_each(drop),
                Err(place) => all.insert(place, policy),
            }
        }
        Ok(all)
    }

    /// The default version of a managed policy: the parsed document, its version and its ARN.
    pub fn managed(
        &self,
        reader: &dyn Reader,
        account: AccountId,
        digits: &str,
        policy: &PolicyRef,
    ) -> Result<Option<ManagedDocument>, Fault> {
        if policy.is_shared() {
            let Some(shared) = self.shared(reader, account, policy)? else { return Ok(None) };
            let hash = crate::base::crypto::content_hash(shared.document.as_bytes());
            let document = self.cached((hash, 0), || {
                Document::parse(&shared.document, DocumentKind::Identity).map_err(Fault::internal)
            })?;
            return Ok(Some(ManagedDocument {
                arn: shared.arn.clone(),
                version: shared.default_version.clone(),
                document,
            }));
        }
        let Some(id) = UniqueId::parse(&policy.0) else { return Ok(None) };
        let Some(row) = reader.get(account, &POLICIES, &id)? else { return Ok(None) };
        let key = (id, row.default_version);
        let Some(version) = reader.get(account, &POLICY_VERSIONS, &key)? else { return Ok(None) };
        Ok(Some(ManagedDocument {
            arn: crate::identity::arn::iam(digits, "policy", &row.path, &row.name),
            version: format!("v{}", row.default_version),
            document: self.identity(reader, &version.document)?,
        }))
    }
}

/// A managed policy's default version.
#[derive(Clone, Debug)]
pub struct ManagedDocument {
    /// The policy's ARN.
    pub arn: String,
    /// `v3`.
    pub version: String,
    /// The parsed document.
    pub document: Arc<Document>,
}

/// A shared policy as it came in with an account.
fn imported(reader: &dyn Reader, row: SharedPolicyRow) -> Result<SharedPolicy, Fault> {
    let parsed = Arn::parse(&row.policy.0);
    let resource = parsed.map_or(row.policy.0.as_str(), |arn| arn.resource);
    Ok(SharedPolicy {
        name: parsed.map_or(resource, |arn| arn.name()).to_owned(),
        path: parsed.map_or("/", |arn| arn.path()).to_owned(),
        known_id: Some(row.id),
        default_version: row.version,
        created: row.created,
        updated: row.updated,
        document: text_of(reader, &row.document)?,
        arn: row.policy.0,
    })
}

/// The text of a document that is kept.
pub fn text_of(reader: &dyn Reader, hash: &DocumentHash) -> Result<String, Fault> {
    let bytes = reader.content(hash)?;
    String::from_utf8(bytes).map_err(|_| ProjectionError::Content { hash: hex(hash) }.into())
}

/// A managed policy that every account shares.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct SharedPolicy {
    /// `arn:aws:iam::aws:policy/ReadOnlyAccess`.
    pub arn: String,
    /// Its unique id, where it came in with an account.
    #[serde(default)]
    pub known_id: Option<String>,
    /// `ReadOnlyAccess`.
    pub name: String,
    /// `/` or `/service-role/`, ...
    pub path: String,
    /// `v12`.
    pub default_version: String,
    /// When AWS created it.
    #[serde(deserialize_with = "instant")]
    pub created: Timestamp,
    /// When AWS last changed it.
    #[serde(deserialize_with = "instant")]
    pub updated: Timestamp,
    /// The document's text.
    #[serde(deserialize_with = "raw")]
    pub document: String,
}

impl SharedPolicy {
    /// Its unique id. AWS's own ids are not part of the catalogue; there it follows from the ARN.
    pub fn id(&self) -> String {
        if let Some(known) = &self.known_id {
            return known.clone();
        }
        let hash = crate::base::crypto::content_hash(self.arn.as_bytes());
        let text = data_encoding::BASE32_NOPAD.encode(&hash);
        "ANPA".chars().chain(text.chars()).take(21).collect()
    }
}

fn instant<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text: String = serde::Deserialize::deserialize(from)?;
    Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("not an instant"))
}

fn raw<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let raw: Box<serde_json::value::RawValue> = serde::Deserialize::deserialize(from)?;
    Ok(raw.get().to_owned())
}

/// A catalogue, unpacked: one JSON object a line, sorted by ARN, each parsed when it is asked for.
pub struct Catalogue {
    policies: HashMap<String, SharedPolicy>,
    order: Vec<String>,
}

impl Catalogue {
    /// The catalogue that this release ships, gzipped.
    pub const SHIPPED: &'static [u8] =
        include_bytes!("../../fixtures/managed-policies/policies.jsonl.gz");
    /// How many policies are in it (checked by a test).
    pub const SHIPPED_POLICIES: usize = 1582;
    /// Our own managed policies, for auditors and reviewers, in the same form: one JSON object a line. They are in
    /// every catalogue, also in one that an older release installed, so they are there at every moment and no event
    /// tells of them. Nobody could have attached one before a release that has it, so no answer about the past
    /// changes. Once released, a text stays as it is: receipts are decided again by it.
    pub const OWN: &'static str = include_str!("../../fixtures/managed-policies/domesday.jsonl");
    /// Where it came from, in words.
    pub const SHIPPED_SOURCE: &'static str = "shipped with domesday 0.1.0-alpha";

    /// Unpacks a catalogue, and puts our own policies among it.
    pub fn unpack(packed: &[u8]) -> Result<Self, Fault> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed)
            .take(CATALOGUE_LIMIT)
            .read_to_string(&mut text)
            .map_err(Fault::internal)?;
        let mut policies = HashMap::new();
        let mut order = Vec::new();
        for line in text.lines().chain(Self::OWN.lines()) {
            let policy: SharedPolicy = serde_json::from_str(line).map_err(Fault::internal)?;
            order.push(policy.arn.clone());
            policies.insert(policy.arn.clone(), policy);
        }
        order.sort_unstable();
        Ok(Catalogue { policies, order })
    }

    /// Whether an ARN is of a policy of our own.
    pub fn is_own(arn: &str) -> bool {
        let policies = Self::OWN.lines().map(serde_json::from_str::<SharedPolicy>);
        policies.flatten().any(|policy| policy.arn == arn)
    }

    /// A policy by its ARN.
    pub fn get(&self, arn: &str) -> Option<&SharedPolicy> {
        self.policies.get(arn)
    }

    /// All policies in the order of their ARNs.
    pub fn iter(&self) -> impl Iterator<Item = &SharedPolicy> {
        self.order.iter().filter_map(|arn| self.policies.get(arn))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_parses() {
        let catalogue = Catalogue::unpack(Catalogue::SHIPPED).unwrap();
        assert_eq!(catalogue.len(), Catalogue::SHIPPED_POLICIES + Catalogue::OWN.lines().count());
        assert!(catalogue.iter().map(|policy| &policy.arn).is_sorted());
        assert!(catalogue.get("arn:aws:iam::aws:policy/ReadOnlyAccess").is_some());
        for policy in catalogue.iter() {
            let parsed = Document::parse(&policy.document, DocumentKind::Identity);
            assert!(parsed.is_ok(), "{}: {}", policy.arn, parsed.unwrap_err());
            assert_eq!(policy.id().len(), 21);
        }
    }
}
