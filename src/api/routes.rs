//! Which path means what, and at which moment.
//!
//! `/at/<moment>` may stand before the Query protocol and the JSON questions: it makes any client of AWS
//! read the past. The moment is percent-decoded to be read; signatures cover the path as it was sent.

use super::authzen::Evaluations;
use super::tiles::Resource;
use crate::base::text::percent_decode;
use crate::service::moment::{Moment, NoMoment};

/// What is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS's Query protocol.
    Query,
    /// A question of the audit, by the last part of its path.
    Question(String),
    /// Decisions about others.
    Evaluations(Evaluations),
    /// Where those are asked for.
    Configuration,
    /// An act of the operator, by the last part of its path.
    Act(String),
    /// A checkpoint or tile of the ledger.
    Log(Resource),
    /// Whether the process lives.
    Health,
    /// Whether it can answer.
    Ready,
    /// The counters.
    Metrics,
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is asked of.
    pub endpoint: Endpoint,
    /// The moment before it; `None` for now.
    pub moment: Option<Moment>,
}

/// A path that was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing is served there.
    #[error("Nothing is served at this path.")]
    Unknown,
    /// What should be a moment is none.
    #[error(transparent)]
    Moment(#[from] NoMoment),
}

/// Reads a path, as it was sent.
///
/// # Errors
/// If nothing is served there, or its moment is none.
pub fn route(path: &str) -> Result<Route, NoRoute> {
    let Some(rest) = path.strip_prefix("/at/") else {
        return Ok(Route { endpoint: endpoint(path)?, moment: None });
    };
    let (moment, rest) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let endpoint = endpoint(rest)?;
    if !matches!(endpoint, Endpoint::Query | Endpoint::Question(_) | Endpoint::Evaluations(_)) {
        return Err(NoRoute::Unknown);
    }
    let decoded = percent_decode(moment).and_then(|bytes| String::from_utf8(bytes).ok());
    let moment = Moment::parse(decoded.as_deref().unwrap_or(moment))?;
    Ok(Route { endpoint, moment: Some(moment) })
}

fn endpoint(path: &str) -> Result<Endpoint, NoRoute> {
    let named = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        let known = !name.is_empty() && name.len() <= 64 && name.bytes().all(plain);
        if known { Ok(name.to_owned()) } else { Err(NoRoute::Unknown) }
    };
    match path {
        "/" => Ok(Endpoint::Query),
        "/access/v1/evaluation" => Ok(Endpoint::Evaluations(Evaluations::One)),
        "/access/v1/evaluations" => Ok(Endpoint::Evaluations(Evaluations::Several)),
        "/.well-known/authzen-configuration" => Ok(Endpoint::Configuration),
        "/healthz" => Ok(Endpoint::Health),
        "/readyz" => Ok(Endpoint::Ready),
        "/metrics" => Ok(Endpoint::Metrics),
        _ => {
            if let Some(resource) = Resource::of_path(path) {
                Ok(Endpoint::Log(resource))
            } else if let Some(name) = path.strip_prefix("/audit/v1/reports/") {
                named(name).map(|name| Endpoint::Question(format!("reports/{name}")))
            } else if let Some(name) = path.strip_prefix("/audit/v1/") {
                let proof = name.strip_prefix("proofs/");
                match proof.map(|event| event.trim_start_matches("%40").trim_start_matches('@')) {
                    None => named(name).map(Endpoint::Question),
                    Some(event) if is_number(event) => {
                        Ok(Endpoint::Question(format!("proofs/{event}")))
                    }
                    Some(_) => Err(NoRoute::Unknown),
                }
            } else if let Some(name) = path.strip_prefix("/admin/v1/") {
                named(name).map(Endpoint::Act)
            } else {
                Err(NoRoute::Unknown)
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tile_path::TilePath;

    fn at(path: &str) -> Option<String> {
        route(path).unwrap().moment.map(|moment| moment.to_string())
    }

    #[test]
    fn paths_are_read() {
        let asked = |path: &str| route(path).unwrap().endpoint;
        assert_eq!(asked("/"), Endpoint::Query);
        assert_eq!(asked("/audit/v1/who-can"), Endpoint::Question("who-can".into()));
        let report = Endpoint::Question("reports/mfa-coverage".into());
        assert_eq!(asked("/audit/v1/reports/mfa-coverage"), report);
        assert_eq!(asked("/admin/v1/rebuild"), Endpoint::Act("rebuild".into()));
        assert_eq!(asked("/at/@3/audit/v1/head"), Endpoint::Question("head".into()));
        assert_eq!(asked("/at/@3"), Endpoint::Query);
        assert_eq!(asked("/audit/v1/proofs/7"), Endpoint::Question("proofs/7".into()));
        assert_eq!(asked("/audit/v1/proofs/%407"), Endpoint::Question("proofs/7".into()));
        assert_eq!(asked("/checkpoint"), Endpoint::Log(Resource::Checkpoint));
        let tile = TilePath { level: Some(1), index: 1_234, width: 17 };
        assert_eq!(asked("/tile/1/x001/234.p/17"), Endpoint::Log(Resource::Tile(tile)));
        let several = Endpoint::Evaluations(Evaluations::Several);
        assert_eq!(asked("/at/@3/access/v1/evaluations"), several);
        assert_eq!(asked("/.well-known/authzen-configuration"), Endpoint::Configuration);
        for unknown in [
            "",
            "*",
            "//",
            "/x",
            "/at",
            "/at/@3//",
            "/at/@3/healthz",
            "/at/@3/admin/v1/verify",
            "/at/@3/.well-known/authzen-configuration",
            "/access/v1/evaluation/",
            "/access/v1/search/subject",
            "/audit/v1/",
            "/audit/v1/a/b",
            "/audit/v1/proofs/",
            "/audit/v1/proofs/alice",
            "/tile/0",
            "/tile/0/000/",
            "/tile/8/0/000",
            "/at/@3/checkpoint",
            "/checkpoint/",
            "/audit/v1/reports/",
            "/audit/v1/reports/a/b",
            "/audit/v1/%2e%2e",
            "/console/../../etc/passwd",
            "/at/@1/at/@2/",
        ] {
            assert_eq!(route(unknown), Err(NoRoute::Unknown), "{unknown}");
        }
    }

    #[test]
    fn moments_are_read_raw_and_percent_encoded() {
        let noon = Some("2026-03-01T12:00:00.000000Z".to_owned());
        assert_eq!(at("/"), None);
        assert_eq!(at("/at/@12"), Some("@12".into()));
        assert_eq!(at("/at/%4012/"), Some("@12".into()));
        assert_eq!(at("/at/2026-03-01T12:00:00Z/"), noon);
        assert_eq!(at("/at/2026-03-01T12%3A00%3A00Z"), noon);
        assert_eq!(at("/at/2026-03-01T14:00:00+02:00/audit/v1/show"), noon);
        assert_eq!(at("/at/2026-03-01T14%3A00%3A00%2B02%3A00"), noon);
    }

    #[test]
    fn what_is_no_moment_is_said() {
        for wrong in ["/at/", "/at//", "/at/yesterday", "/at/%00%FF/", "/at/%4", "/at/90d/"] {
            assert!(matches!(route(wrong), Err(NoRoute::Moment(_))), "{wrong}");
        }
    }
}
