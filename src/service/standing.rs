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
use std::hash::Hash;
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

/// Of each kind; beyond it all are dropped and gathered again.
const KEPT: usize = 10_000;

/// The standings of callers who asked a moment ago, by the access key that signed; and the policies of others
/// about whom was asked, or who came with no key that signs, by credential or principal.
#[derive(Default)]
pub struct Standings {
    callers: Mutex<HashMap<UniqueId, Arc<Standing>>>,
    others: Mutex<HashMap<(AccountId, UniqueId), Gathered>>,
}

/// Policies, and where they were gathered.
struct Gathered {
    position: u64,
    grants: Arc<Grants>,
}

/// Whether what was gathered from an account at a position holds for a view.
fn holds_for(view: &View, account: AccountId, position: u64) -> bool {
    let unchanged = |account| view.projections().unchanged_since(account, position);
    position <= view.cut().position && unchanged(account) && unchanged(AccountId::SYSTEM)
}

struct Standing {
    position: u64,
    account: AccountId,
    digits: String,
    identity: Identity,
    secret: Secret<String>,
    grants: OnceLock<Arc<Grants>>,
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
            keep(&self.callers, key.clone(), Arc::new(standing));
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
        let gather = || Grants::of_caller(documents, now, caller);
        let Some(standing) = caller.credential.as_ref().and_then(|key| self.of(key, now)) else {
            // What a session was passed goes with its key.
            let key = caller.credential.clone().unwrap_or_else(|| caller.principal_id());
            return self.gathered(now, caller.account, &key, gather);
        };
        if let Some(grants) = standing.grants.get() {
            return Ok(grants.clone());
        }
        let grants = Arc::new(gather()?);
        // What was gathered at this view is what it was at the standing's: nothing changed in between.
        Ok(standing.grants.get_or_init(|| grants).clone())
    }

    /// What `gather` gives, or gave a moment ago: the policies of whom `key` stands for in an account. `now`
    /// is a view at the head.
    pub fn gathered(
        &self,
        now: &View,
        account: AccountId,
        key: &UniqueId,
        gather: impl FnOnce() -> Result<Grants, Fault>,
    ) -> Result<Arc<Grants>, Fault> {
        let of = (account, key.clone());
        let found = self.others.lock().get(&of).map(|found| (found.position, found.grants.clone()));
        if let Some((position, grants)) = found
            && holds_for(now, account, position)
        {
            return Ok(grants);
        }
        let grants = Arc::new(gather()?);
        let position = now.cut().position;
        keep(&self.others, of, Gathered { position, grants: grants.clone() });
        Ok(grants)
    }

    fn of(&self, key: &UniqueId, now: &View) -> Option<Arc<Standing>> {
        let standing = self.callers.lock().get(key).cloned()?;
        holds_for(now, standing.account, standing.position).then_some(standing)
    }
}

fn keep<K: Eq + Hash, V>(kept: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut kept = kept.lock();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(key, value);
}
