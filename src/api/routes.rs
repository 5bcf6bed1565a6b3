//! Which path means what, and at which moment.
//!
//! `/at/<moment>` may stand before the Query protocol and the JSON questions: it makes any client of AWS
//! read the past. The moment is percent-decoded to be read; signatures cover the path as it was sent.

use super::authzen::Evaluations;
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
            if let Some(name) = path.strip_prefix("/audit/v1/") {
                named(name).map(Endpoint::Question)
            } else if let Some(name) = path.strip_prefix("/admin/v1/") {
                named(name).map(Endpoint::Act)
            } else {
                Err(NoRoute::Unknown)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Option<String> {
        route(path).unwrap().moment.map(|moment| moment.to_string())
    }

    #[test]
    fn paths_are_read() {
        let asked = |path: &str| route(path).unwrap().endpoint;
        assert_eq!(asked("/"), Endpoint::Query);
        assert_eq!(asked("/audit/v1/who-can"), Endpoint::Question("who-can".into()));
        assert_eq!(asked("/admin/v1/rebuild"), Endpoint::Act("rebuild".into()));
        assert_eq!(asked("/at/@3/audit/v1/head"), Endpoint::Question("head".into()));
        assert_eq!(asked("/at/@3"), Endpoint::Query);
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
