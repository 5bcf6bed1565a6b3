//! Standings: what requests need to know of a caller, gathered once and kept while nothing in its account
//! changes.
//!
//! Key, owner, groups and policies take some fifteen rows and as many opened seals to gather. The same
//! caller asks again a moment later, and in between nothing has changed that could matter: everything a
//! standing is made from belongs to the caller's account or, as key indexes and shared policies do, to the
//! system account. So a standing gathered at position `p` holds for every view from `p` on, until a commit
//! touches one of the two. Inside the writer, where others' changes are staged but not yet committed,
//! standings are not used.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::activity::facts::Facts;
use super::authenticate::{self, Arrival, Credential, NoCredential};
use super::authorize::Grants;
use super::caller::{Caller, Identity};
use super::documents::Documents;
use super::fault::Fault;
use crate::base::secret::Secret;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::projection::View;

/// Standings that are kept; beyond it all are dropped and gathered again.
const KEPT: usize = 10_000;

/// The standings of callers who asked a moment ago, by the access key that signed.
#[derive(Default)]
pub struct Standings(Mutex<HashMap<UniqueId, Arc<Standing>>>);

struct Standing {
    position: u64,
    account: AccountId,
    digits: String,
    identity: Identity,
    secret: Secret<String>,
    grants: OnceLock<Arc<Grants>>,
}

impl Standing {
    fn holds_for(&self, view: &View) -> bool {
        let unchanged = |account| view.projections().unchanged_since(account, self.position);
        self.position <= view.cut().position
            && unchanged(self.account)
            && unchanged(AccountId::SYSTEM)
    }
}

impl Standings {
    /// As [`authenticate::find`]; `now` is a view at the head.
    pub fn credential(
        &self,
        now: &View,
        facts: &dyn Facts,
        key: &str,
        token: Option<&Secret<String>>,
        arrival: Arrival,
    ) -> Result<Credential, NoCredential> {
        let standing = UniqueId::parse(key).and_then(|key| self.of(&key, now));
        if let Some(standing) = standing {
            authenticate::check_token(&standing.identity, token, arrival.at)?;
            let caller = Caller {
                account: standing.account,
                digits: standing.digits.clone(),
                identity: standing.identity.clone(),
                credential: UniqueId::parse(key),
                at: arrival.at,
                request_id: arrival.request_id,
                source: arrival.source,
            };
            return Ok(Credential { secret: standing.secret.clone(), caller });
        }
        let found = authenticate::find(now, facts, key, token, arrival)?;
        if let Some(key) = &found.caller.credential {
            let standing = Standing {
                position: now.cut().position,
                account: found.caller.account,
                digits: found.caller.digits.clone(),
                identity: found.caller.identity.clone(),
                secret: found.secret.clone(),
                grants: OnceLock::new(),
            };
            let mut standings = self.0.lock();
            if standings.len() >= KEPT {
                standings.clear();
            }
            standings.insert(key.clone(), Arc::new(standing));
        }
        Ok(found)
    }

    /// As [`Grants::of_caller`]; `now` is a view at the head.
    pub fn grants(
        &self,
        documents: &Documents,
        now: &View,
        caller: &Caller,
    ) -> Result<Arc<Grants>, Fault> {
        let gather = || Grants::of_caller(documents, now, caller).map(Arc::new);
        let Some(standing) = caller.credential.as_ref().and_then(|key| self.of(key, now)) else {
            return gather();
        };
        if let Some(grants) = standing.grants.get() {
            return Ok(grants.clone());
        }
        let grants = gather()?;
        // What was gathered at this view is what it was at the standing's: nothing changed in between.
        Ok(standing.grants.get_or_init(|| grants).clone())
    }

    fn of(&self, key: &UniqueId, now: &View) -> Option<Arc<Standing>> {
        let standing = self.0.lock().get(key).cloned()?;
        standing.holds_for(now).then_some(standing)
    }
}
