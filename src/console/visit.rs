//! Who looks at a page, at which moment; and asking the service on their behalf.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

use super::frame;
use super::typed_moment;
use super::words;
use crate::base::crypto;
use crate::base::form_tree::Form;
use crate::base::secret::Secret;
use crate::base::text::percent_encode;
use crate::identity::id::UniqueId;
use crate::service::audit::{self, Question};
use crate::service::authenticate::{Arrival, NoCredential};
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::moment::Moment;
use crate::service::operation::Api;
use crate::service::overview::Glance;
use crate::service::signin::session::{self, Cookie, Visitor};
use crate::service::target::Target;
use crate::service::{Call, Service, aside, used};

/// The most characters of a reason.
const REASON: usize = 128;
/// The most characters that a list is searched for: no name has more.
const SEARCHED: usize = 128;

/// A signed-in person's request for a page.
pub struct Visit {
    /// The service.
    pub service: Arc<Service>,
    /// Who it is.
    pub visitor: Visitor,
    /// When and from where.
    pub arrival: Arrival,
    /// The moment shown; `None` is now.
    pub at: Option<Moment>,
    /// The path.
    pub path: String,
    /// The parameters of the address, `at` left out.
    pub query: Vec<(String, String)>,
    /// What they may do.
    may: May,
}

/// The arrival of any request.
pub fn arrival(parts: &Parts) -> Arrival {
    parts.extensions.get::<Arrival>().cloned().unwrap_or_default()
}

/// The name of a cookie. Under TLS its prefix makes browsers hold it to that (RFC 6265bis, 4.1.3).
fn cookie_name(name: &str, secure: bool) -> String {
    if secure { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie of the request.
pub fn cookie(headers: &HeaderMap, name: &str, secure: bool) -> Option<Secret<String>> {
    let name = cookie_name(name, secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| Secret::new(value.to_owned()))
}

/// Sets a cookie, or takes it away. It ends with the browser, or after `seconds`.
pub fn set_cookie(
    response: &mut Response,
    name: &str,
    value: Option<&Secret<String>>,
    seconds: i64,
    secure: bool,
) {
    let name = cookie_name(name, secure);
    let path = if secure { "/" } else { "/console" };
    let secure = if secure { "; Secure" } else { "" };
    let (value, age) = value.map_or(("", 0), |value| (value.expose(), seconds));
    let text =
        format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, text);
    }
}

/// The cookie of a session.
pub const SESSION: &str = "domesday";
/// The cookie between two steps of signing in.
pub const STEP: &str = "domesday-step";

/// Puts a session into the browser, which keeps it no longer than we do.
pub fn keep(service: &Service, response: &mut Response, cookie: &Cookie, secure: bool) {
    let seconds = service.session_lengths().longest;
    set_cookie(response, SESSION, Some(&cookie.value()), seconds, secure);
}

/// The parameters of an address or a form, in their order.
pub fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded(text).into_iter().take(500).collect()
}

fn form_urlencoded(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        let bytes =
            crate::base::text::percent_decode(&spaced).unwrap_or_else(|| spaced.into_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// An address with parameters.
pub fn address(path: &str, query: &[(&str, &str)]) -> String {
    let encode = |text: &str| percent_encode(text.as_bytes());
    let pairs: Vec<String> = query
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// Whether a form was sent by a page of ours: browsers tell where a form stood.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let of_origin = origin.split_once("://").map_or("", |(_, rest)| rest);
    of_origin.eq_ignore_ascii_case(host) && site.is_none_or(|site| site == "same-origin")
}

/// An address of the console to go to next; anything else is none.
pub fn next(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'"');
    let ours = text.starts_with("/console/") && !text.starts_with("/console/sign-");
    // Browsers take out `.` and `..`, spelled either way: what begins here would end elsewhere.
    let path = text.split(['?', '#']).next().unwrap_or(text).to_ascii_lowercase();
    let stays = !path.replace("%2e", ".").split('/').any(|part| part == "." || part == "..");
    (plain && ours && stays && text.len() <= 2_000).then_some(text)
}

impl FromRequestParts<Arc<Service>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Response> {
        let arrival = arrival(parts);
        let secure = arrival.source.secure;
        let path = parts.uri.path().to_owned();
        let to_sign_in = || {
            let here = parts.uri.path_and_query().map_or("", |here| here.as_str());
            let here = if parts.method == "GET" { next(here).unwrap_or("") } else { "" };
            Redirect::to(&address("/console/sign-in", &[("next", here)])).into_response()
        };
        let found = cookie(&parts.headers, SESSION, secure);
        let Some(cookie) = found.and_then(|text| Cookie::read(text.expose())) else {
            return Err(to_sign_in());
        };
        let visitor = {
            let (service, arrival) = (service.clone(), arrival.clone());
            let open = move || {
                let now = service.now();
                let visitor = match session::visitor(&service, &now, cookie.clone(), &arrival) {
                    Err(NoCredential::Failed(error)) => {
                        return Err(NoCredential::Failed(error).into());
                    }
                    Err(_) if cookie.role.is_some() => {
                        let own = Cookie { role: None, ..cookie };
                        session::visitor(&service, &now, own.clone(), &arrival)?;
                        return Err(Opening::RoleIsOver(own));
                    }
                    found => found?,
                };
                if visitor.cookie.role.is_some() {
                    // Whoever works as a role is still there.
                    let person = used(&visitor.person, session::SIGN_IN, session::REGION);
                    service.activity().note_used(person).map_err(Opening::Fault)?;
                }
                let may = may(&service, &visitor.caller).map_err(Opening::Fault)?;
                Ok((visitor, may))
            };
            tokio::task::spawn_blocking(open).await
        };
        let (visitor, may) = match visitor {
            Ok(Ok(opened)) => opened,
            Ok(Err(Opening::None(NoCredential::Failed(error)))) => {
                return Err(frame::failed(&error.into()));
            }
            Ok(Err(Opening::RoleIsOver(cookie))) => {
                let mut response = frame::lone(words::ROLE_IS_OVER, words::ROLE_IS_OVER_WHY);
                *response.status_mut() = StatusCode::FORBIDDEN;
                keep(service, &mut response, &cookie, secure);
                return Err(response);
            }
            Ok(Err(Opening::None(_))) => {
                let mut response = to_sign_in();
                set_cookie(&mut response, SESSION, None, 0, secure);
                return Err(response);
            }
            Ok(Err(Opening::Fault(fault))) => return Err(frame::failed(&fault)),
            Err(lost) => return Err(frame::failed(&Fault::internal(lost))),
        };
        let mut query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        for (_, value) in query.iter_mut().filter(|(name, _)| name == "q") {
            // A page repeats what is searched for in many places.
            *value = value.chars().take(SEARCHED).collect();
        }
        let typed: Vec<String> =
            query.extract_if(.., |(name, _)| name == "at").map(|(_, value)| value).collect();
        let at = match typed.iter().find(|text| !text.trim().is_empty()) {
            None => None,
            Some(text) => match typed_moment::read(text, arrival.at) {
                Ok(moment) => moment,
                Err(why) => {
                    let page = frame::lone(words::NO_MOMENT, &why);
                    return Err((StatusCode::BAD_REQUEST, page).into_response());
                }
            },
        };
        Ok(Visit { service: service.clone(), visitor, arrival, at, path, query, may })
    }
}

enum Opening {
    None(NoCredential),
    /// The role that somebody works as is gone, or its session ended; the person is still signed in, by this cookie.
    RoleIsOver(Cookie),
    Fault(Fault),
}

impl From<NoCredential> for Opening {
    fn from(none: NoCredential) -> Self {
        Opening::None(none)
    }
}

/// A question of the audit by its name and parameters; empty ones are none.
///
/// # Errors
/// Unknown questions and parameters, and missing ones.
pub fn question_of(name: &str, parameters: &[(&str, &str)]) -> Result<Question, Fault> {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let given: Vec<(String, String)> =
        given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Question::parse(name, &given)
}

/// What somebody may do who looks at pages.
struct May {
    /// Ask why something is denied.
    ask: bool,
    /// Look at the past.
    travel: bool,
}

/// Nothing is asked yet, so no receipt is kept.
fn may(service: &Service, caller: &Caller) -> Result<May, Fault> {
    let now = service.now();
    let judge = service.judge(&now, now.cut().position);
    let ledger = Target::on(audit::ledger_arn(&caller.digits), &UniqueId::root());
    let ask = judge.judge(caller, "domesday:Evaluate", &ledger)?.refusal.is_none();
    let travel = service.judge_time_travel(&judge, caller)?.refusal.is_none();
    Ok(May { ask, travel })
}

impl Visit {
    /// Whether whoever looks may ask, at the moment shown, why something is denied.
    pub fn may_ask(&self) -> bool {
        self.may.ask && (self.at.is_none() || self.may.travel)
    }

    /// Whether whoever looks may look at the past.
    pub fn may_travel(&self) -> bool {
        self.may.travel
    }

    /// A parameter of the address; empty if it is not there.
    pub fn param(&self, name: &str) -> &str {
        self.query.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Whether the page may offer changes: only the present can be changed.
    pub fn may_change(&self) -> bool {
        self.at.is_none()
    }

    /// The moment shown, as an address carries it; empty for now.
    pub fn moment(&self) -> String {
        self.at.map(|moment| moment.to_string()).unwrap_or_default()
    }

    /// An address at the moment shown.
    pub fn link(&self, path: &str, query: &[(&str, &str)]) -> String {
        let moment = self.moment();
        let mut query = query.to_vec();
        query.push(("at", &moment));
        address(path, &query)
    }

    /// The parameters of this address but for its moment, and for what was just done.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        query.filter(|(name, _)| *name != "done")
    }

    /// Those that mean the same at any moment.
    pub fn timeless(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters().filter(|(name, _)| !["of", "activity"].contains(name))
    }

    /// This address at another moment; empty for now.
    pub fn here_at(&self, moment: &str) -> String {
        let query: Vec<_> = self.timeless().chain([("at", moment)]).collect();
        address(&self.path, &query)
    }

    /// This very address.
    pub fn here(&self) -> String {
        let moment = self.moment();
        let query: Vec<_> = self.parameters().chain([("at", moment.as_str())]).collect();
        address(&self.path, &query)
    }

    /// Who acts.
    pub fn caller(&self) -> &Caller {
        &self.visitor.caller
    }

    /// Asks an operation of IAM that only reads, at the moment shown.
    ///
    /// # Errors
    /// The operation's own, refusals included.
    pub async fn read(&self, operation: &str, fields: &[(&str, &str)]) -> Result<Value, Fault> {
        self.run(Api::Iam, operation, form(fields.iter().copied())?, self.at, None).await
    }

    /// All elements of a list that comes in pages, up to a thousand or so.
    ///
    /// # Errors
    /// The operation's own.
    pub async fn list(
        &self,
        operation: &str,
        fields: &[(&str, &str)],
        member: &str,
    ) -> Result<Vec<Value>, Fault> {
        let mut fields = fields.to_vec();
        fields.push(("MaxItems", "1000"));
        let mut answer = self.read(operation, &fields).await?;
        match answer.get_mut(member).map(Value::take) {
            Some(Value::Array(elements)) => Ok(elements),
            _ => Ok(Vec::new()),
        }
    }

    /// Runs an operation.
    ///
    /// # Errors
    /// The operation's own.
    pub async fn run(
        &self,
        api: Api,
        operation: &str,
        form: Form,
        moment: Option<Moment>,
        reason: Option<&str>,
    ) -> Result<Value, Fault> {
        let mut caller = self.visitor.caller.clone();
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        caller.source.ticket = reason.map(|reason| reason.chars().take(REASON).collect());
        let call = Call {
            api,
            operation: operation.to_owned(),
            form,
            caller,
            moment,
            region: session::REGION.to_owned(),
        };
        match self.service.execute(call).await? {
            None => Ok(Value::Null),
            Some(answer) => serde_json::to_value(&answer).map_err(Fault::internal),
        }
    }

    /// Asks a question of the audit, at the moment shown.
    ///
    /// # Errors
    /// The question's own, refusals included.
    pub async fn ask(&self, question: &str, parameters: &[(&str, &str)]) -> Result<Value, Fault> {
        self.ask_at(question, parameters, self.at).await
    }

    /// The same at a moment of its own.
    ///
    /// # Errors
    /// The question's own, refusals included.
    pub async fn ask_at(
        &self,
        question: &str,
        parameters: &[(&str, &str)],
        moment: Option<Moment>,
    ) -> Result<Value, Fault> {
        self.put(question_of(question, parameters)?, moment).await
    }

    /// The same of a question that was read.
    ///
    /// # Errors
    /// The question's own, refusals included.
    pub async fn put(&self, question: Question, moment: Option<Moment>) -> Result<Value, Fault> {
        let (service, caller) = (self.service.clone(), self.visitor.caller.clone());
        let is_long = question.is_long();
        let ask = move || audit::run(&service, &caller, question, moment);
        if is_long { aside::in_turn(self.caller(), ask).await } else { aside::run(ask).await }
    }

    /// Asks what an operation would do.
    ///
    /// # Errors
    /// The operation's own, refusals included.
    pub async fn dry_run(&self, operation: &str, form: Form) -> Result<Value, Fault> {
        let call = Call {
            api: Api::Iam,
            operation: operation.to_owned(),
            form,
            caller: self.visitor.caller.clone(),
            moment: None,
            region: session::REGION.to_owned(),
        };
        let service = self.service.clone();
        aside::in_turn(self.caller(), move || service.dry_run(&call)).await
    }

    /// Looks at the account at a glance, at the moment shown.
    ///
    /// # Errors
    /// Whatever `look` says.
    pub async fn glance<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Glance<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (service, caller, at) = (self.service.clone(), self.visitor.caller.clone(), self.at);
        aside::run(move || look(&Glance::at(&service, &caller, at.as_ref())?)).await
    }

    /// Whether a form was sent by a page of this session.
    pub fn sent(&self, headers: &HeaderMap, fields: &[(String, String)]) -> bool {
        let token = fields.iter().find(|(name, _)| name == "_token").map_or("", |(_, value)| value);
        let own = self.visitor.cookie.form_token();
        is_from_here(headers) && crypto::equal(own.as_bytes(), token.as_bytes())
    }
}

/// The form of an operation's parameters.
///
/// # Errors
/// Names that make no tree.
pub fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Form, Fault> {
    let mut form = Form::default();
    for (name, value) in fields {
        form.insert(name, value.to_owned())
            .map_err(|error| Fault::validation(error.to_string()))?;
    }
    Ok(form)
}

/// Fields by their names; the last of a name counts.
pub fn fields(body: &[u8]) -> HashMap<String, String> {
    pairs(body).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_come_next() {
        for ours in ["/console/", "/console/users/alice?at=%402", "/console/policies/show?arn=a"] {
            assert_eq!(next(ours), Some(ours));
        }
        for other in [
            "",
            "/",
            "//evil.example/console/",
            "https://evil.example/console/",
            "/console//\\evil.example",
            "/console",
            "/console/sign-in",
            "/console/\nSet-Cookie: a=b",
            "/console/../admin",
            "/console/users/%2E%2e/../x?q=1",
            "/console/./sign-in",
            "javascript:alert(1)",
        ] {
            assert_eq!(next(other), None, "{other}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_told() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_from_here(&headers)
        };
        let host = ("host", "127.0.0.1:1086");
        let here = ("origin", "http://127.0.0.1:1086");
        assert!(with(&[host, here]));
        assert!(with(&[host, here, ("sec-fetch-site", "same-origin")]));
        assert!(!with(&[host, here, ("sec-fetch-site", "cross-site")]));
        assert!(!with(&[host, ("origin", "http://127.0.0.1:1087")]));
        assert!(!with(&[host, ("origin", "null")]));
        assert!(!with(&[host]));
    }

    #[test]
    fn addresses_are_encoded() {
        assert_eq!(address("/a", &[("q", "x&y=<>"), ("none", "")]), "/a?q=x%26y%3D%3C%3E");
        assert_eq!(
            pairs(b"q=x%26y&z=a+b"),
            [("q".into(), "x&y".into()), ("z".into(), "a b".into())]
        );
    }
}
