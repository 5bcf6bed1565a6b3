//! `/checkpoint` and `/tile/...`, as C2SP tlog-tiles serves a ledger: what anybody needs to compute and check
//! proofs. Checkpoint and hashes are public; bundles of events are for who may read all of them.

use std::sync::Arc;

use bytes::Bytes;

use super::metrics::Metrics;
use super::server::Reply;
use super::signed::{self, NotSigned, Received};
use super::{audit, routes::NoRoute};
use crate::ledger::tile_path::TilePath;
use crate::service::Service;
use crate::service::audit::proofs;
use crate::service::caller::Caller;
use crate::service::fault::Fault;

/// Tiles and bundles never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const FOR_EVER_PRIVATE: &str = "private, max-age=31536000, immutable";
/// A new checkpoint may be signed each second.
const A_SECOND: &str = "public, max-age=1";

/// What is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The newest checkpoint.
    Checkpoint,
    /// A tile, or a bundle of events.
    Tile(TilePath),
}

impl Resource {
    /// Reads a path.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/checkpoint" => Some(Resource::Checkpoint),
            path => TilePath::parse(path.strip_prefix("/tile/")?).map(Resource::Tile),
        }
    }
}

/// Answers a request from the network.
pub async fn answer(
    service: &Arc<Service>,
    metrics: &Metrics,
    received: &Arc<Received>,
    resource: Resource,
) -> Reply {
    let caller = match resource {
        Resource::Tile(TilePath { level: None, .. }) => {
            match signed::authenticate(service, received, &["domesday"]).await {
                Ok(signed) => Some(signed.caller),
                Err(NotSigned { fault, counts }) => {
                    if counts {
                        metrics.authentication_failed();
                    }
                    return audit::reply(Err(fault), &received.request_id);
                }
            }
        }
        _ => None,
    };
    answer_to(service, received, resource, caller).await
}

/// Answers a request of a caller who is known, or who need not be.
pub async fn answer_to(
    service: &Arc<Service>,
    received: &Received,
    resource: Resource,
    caller: Option<Caller>,
) -> Reply {
    let reading = ["GET", "HEAD"].contains(&received.method.as_str());
    let service = service.clone();
    let outcome = match reading {
        true => tokio::task::spawn_blocking(move || read(&service, resource, caller))
            .await
            .unwrap_or_else(|error| Err(Fault::internal(error))),
        false => Err(Fault::new("MethodNotAllowed", 405, "This is read by GET.")),
    };
    outcome.unwrap_or_else(|fault| audit::reply(Err(fault), &received.request_id))
}

fn read(
    service: &Arc<Service>,
    resource: Resource,
    caller: Option<Caller>,
) -> Result<Reply, Fault> {
    let none = || Fault::new("NotFound", 404, NoRoute::Unknown.to_string());
    match resource {
        Resource::Checkpoint if service.is_empty() => Err(none()),
        Resource::Checkpoint => {
            let text = service.checkpoint()?.to_string();
            Ok(Reply::text(200, text).with("cache-control", A_SECOND.to_owned()))
        }
        Resource::Tile(TilePath { level: Some(level), index, width }) => {
            let tile = service.ledger().tile(level, index, width)?.ok_or_else(none)?;
            Ok(Reply::bytes(Bytes::from(tile)).with("cache-control", FOR_EVER.to_owned()))
        }
        Resource::Tile(TilePath { level: None, index, width }) => {
            let caller = caller.ok_or_else(|| Fault::internal("events for nobody"))?;
            let bundle = proofs::entries(service, &caller, index, width)?.ok_or_else(none)?;
            Ok(Reply::bytes(Bytes::from(bundle)).with("cache-control", FOR_EVER_PRIVATE.to_owned()))
        }
    }
}
