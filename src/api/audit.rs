//! The questions of the audit as JSON: `GET /audit/v1/NAME?FLAG=VALUE`, signed for the service
//! `domesday`, with parameters named as the flags of the command line. `at=MOMENT` is the same as
//! `/at/MOMENT` before the path. With `evidence=true` the answer comes as `answer` beside `evidence`, the text of a
//! file that shows what it rests on. What is too long for an address, such as a policy, goes into the body of a
//! `POST`: one JSON object, its members named as the parameters.
//!
//! The service authorizes each question itself and notes its receipts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::metrics::Metrics;
use super::server::Reply;
use super::signed::{self, NotSigned, Received};
use crate::base::text::percent_decode;
use crate::service::Service;
use crate::service::aside;
use crate::service::audit::{self, Question, evidence};
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::moment::Moment;

/// The most parameters of a question.
const MOST_PARAMETERS: usize = 200;

/// Answers a question that came over the network.
pub async fn answer(
    service: &Arc<Service>,
    metrics: &Metrics,
    received: &Arc<Received>,
    name: &str,
    moment: Option<Moment>,
) -> Reply {
    let outcome = match signed::authenticate(service, received, &["domesday"]).await {
        Ok(signed) => ask(service, received, signed.caller, name, moment).await,
        Err(NotSigned { fault, counts }) => {
            if counts {
                metrics.authentication_failed();
            }
            Err(fault)
        }
    };
    reply(outcome, &received.request_id)
}

/// Asks a question for a caller who is known. Parameters that carry a signature or name the account (the
/// admin socket's) are none of the question's.
///
/// # Errors
/// Whatever is wrong with the question, and refusals.
pub async fn ask(
    service: &Arc<Service>,
    received: &Received,
    caller: Caller,
    name: &str,
    moment: Option<Moment>,
) -> Result<Value, Fault> {
    let mut parameters = parameters(&received.query)?;
    match received.method.as_str() {
        "GET" => {}
        "POST" => parameters.extend(members(&received.body)?),
        _ => {
            let why = "Questions are asked by GET, or by POST with a JSON object.";
            return Err(Fault::new("MethodNotAllowed", 405, why));
        }
    }
    parameters.retain(|(key, _)| !key.starts_with("X-Amz-"));
    if caller.is_operator() {
        parameters.retain(|(key, _)| key != "account");
    }
    let moment = take_moment(&mut parameters, moment)?;
    let with_evidence = take_evidence(&mut parameters)?;
    let question = Question::parse(name, &parameters)?;
    let (service, name, is_long) = (service.clone(), name.to_owned(), question.is_long());
    let asking = caller.clone();
    let run = move || match with_evidence {
        true => evidence::run(&service, &caller, &name, &parameters, moment),
        false => audit::run(&service, &caller, question, moment),
    };
    if is_long { aside::in_turn(&asking, run).await } else { aside::run(run).await }
}

/// An answer or a refusal as JSON.
pub fn reply(outcome: Result<Value, Fault>, request_id: &str) -> Reply {
    match outcome {
        Ok(value) => Reply::json(200, &value),
        Err(fault) => Reply::json(
            fault.status,
            &json!({
                "error": { "code": fault.code, "message": fault.message },
                "request_id": request_id,
            }),
        ),
    }
}

/// The parameters of a query, decoded, in their order; one name may occur several times.
///
/// # Errors
/// Escapes that are none, text that is not UTF-8, and too many.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>, Fault> {
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    if pairs.len() > MOST_PARAMETERS {
        return Err(Fault::validation(format!(
            "A question has at most {MOST_PARAMETERS} parameters."
        )));
    }
    let decode = |text: &str| {
        percent_decode(&text.replace('+', " "))
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| Fault::validation("The query is not percent-encoded UTF-8."))
    };
    let pairs = pairs.into_iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}

/// The parameters in a body: texts, numbers and booleans by their names, lists of such for a name that occurs
/// several times, and policy documents as the objects that they are.
///
/// # Errors
/// What is no JSON object, and too many members.
pub fn members(body: &[u8]) -> Result<Vec<(String, String)>, Fault> {
    let wrong = || Fault::validation("The body is one JSON object of parameters.");
    let body: serde_json::Map<String, Value> = serde_json::from_slice(body).map_err(|_| wrong())?;
    let mut found = Vec::new();
    for (name, value) in body {
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                Value::String(text) => text,
                Value::Array(_) | Value::Null => return Err(wrong()),
                other => other.to_string(),
            };
            found.push((name.clone(), text));
        }
        if found.len() > MOST_PARAMETERS {
            return Err(Fault::validation(format!(
                "A question has at most {MOST_PARAMETERS} parameters."
            )));
        }
    }
    Ok(found)
}

/// Takes `at` out of the parameters; it and the path's moment exclude each other.
///
/// # Errors
/// What is no moment, and two of them.
pub fn take_moment(
    parameters: &mut Vec<(String, String)>,
    of_path: Option<Moment>,
) -> Result<Option<Moment>, Fault> {
    let mut moment = of_path;
    for (_, text) in parameters.extract_if(.., |(name, _)| name == "at") {
        let at = Moment::parse(&text).map_err(|error| Fault::validation(error.to_string()))?;
        if moment.replace(at).is_some() {
            return Err(Fault::validation("A question is of one moment: give `at` once."));
        }
    }
    Ok(moment)
}

/// Takes `evidence` out of the parameters: whether the answer comes with it.
fn take_evidence(parameters: &mut Vec<(String, String)>) -> Result<bool, Fault> {
    let given: Vec<String> =
        parameters.extract_if(.., |(name, _)| name == "evidence").map(|(_, value)| value).collect();
    match given.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["false"] => Ok(false),
        ["true"] => Ok(true),
        _ => Err(Fault::validation("`evidence` is `true` or `false`.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_in_order() {
        let read = parameters("context=a%3Db&context=c+d&&flag").unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, [("context", "a=b"), ("context", "c d"), ("flag", "")]);
        assert_eq!(parameters("a=%4").unwrap_err().code, "ValidationError");
        assert_eq!(parameters("a=%FF").unwrap_err().code, "ValidationError");
        assert!(parameters(&"a&".repeat(MOST_PARAMETERS)).is_ok());
        assert!(parameters(&"a&".repeat(MOST_PARAMETERS + 1)).is_err());
    }

    #[test]
    fn a_body_is_an_object_of_parameters() {
        let read = members(br#"{"a":"x","n":3,"l":["p","q"],"d":{"Version":"1"}}"#).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let document = r#"{"Version":"1"}"#;
        assert_eq!(read, [("a", "x"), ("n", "3"), ("l", "p"), ("l", "q"), ("d", document)]);
        for wrong in ["", "[]", "3", r#"{"a":null}"#, r#"{"a":[[]]}"#, "{"] {
            assert_eq!(members(wrong.as_bytes()).unwrap_err().code, "ValidationError", "{wrong}");
        }
        let many: Vec<String> = (0..=MOST_PARAMETERS).map(|n| format!("\"p{n}\":1")).collect();
        assert!(members(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn a_question_is_of_one_moment() {
        let take = |query: &str, of_path: Option<&str>| {
            let mut parameters = parameters(query).unwrap();
            let of_path = of_path.map(|text| Moment::parse(text).unwrap());
            let moment = take_moment(&mut parameters, of_path)?;
            assert!(parameters.iter().all(|(name, _)| name != "at"));
            Ok::<_, Fault>(moment.map(|moment| moment.to_string()))
        };
        assert_eq!(take("a=b", None).unwrap(), None);
        assert_eq!(take("at=%403&a=b", None).unwrap(), Some("@3".into()));
        assert_eq!(take("a=b", Some("@4")).unwrap(), Some("@4".into()));
        assert!(take("at=@3", Some("@4")).is_err());
        assert!(take("at=@3&at=@3", None).is_err());
        assert!(take("at=soon", None).is_err());
    }

    #[test]
    fn refusals_name_their_code_and_request() {
        let reply = reply(Err(Fault::validation("no")), "r-1");
        assert_eq!(reply.status, 400);
        let value: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(value["error"]["code"], "ValidationError");
        assert_eq!(value["request_id"], "r-1");
    }
}
