//! AWS's Query protocol: a form in, XML out. IAM 2010-05-08 and STS 2011-06-15 share one endpoint and
//! are told apart by `Version`, with which the service in the signature's scope must agree.
//!
//! A request is refused at the first of: a body in another form than the protocol's; parameters that
//! cannot be read; a signature that proves nothing; a version or an action that does not exist; and then
//! by the service itself.

use std::sync::Arc;

use hyper::header;

use super::form::{self, ParseError};
use super::server::Reply;
use super::signed::{self, NotSigned, Received};
use super::{metrics::Metrics, xml};
use crate::base::form_tree::Form;
use crate::service::fault::{self, DAMAGED, Fault};
use crate::service::moment::Moment;
use crate::service::operation::{Answer, Api};
use crate::service::{Call, Service};

const FORM: &str = "application/x-www-form-urlencoded";

/// The XML namespace of a service's answers.
pub const fn namespace(api: Api) -> &'static str {
    match api {
        Api::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Api::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

/// Answers a request.
pub async fn answer(
    service: &Arc<Service>,
    metrics: &Metrics,
    received: &Arc<Received>,
    moment: Option<Moment>,
) -> Reply {
    let mut api = Api::Iam;
    match run(service, metrics, received, moment, &mut api).await {
        Ok(text) => Reply::xml(200, text),
        Err(fault) => refusal(api, &fault, &received.request_id),
    }
}

/// A refusal in the form of a service. Damage is an internal failure to whoever asks from afar; where it
/// is, is for the operator's log.
pub fn refusal(api: Api, fault: &Fault, request_id: &str) -> Reply {
    let hidden;
    let fault = if fault.code == DAMAGED {
        hidden = Fault::internal(&fault.message);
        &hidden
    } else {
        fault
    };
    let whose = if fault.is_sender() { xml::Fault::Sender } else { xml::Fault::Receiver };
    let text = xml::error(namespace(api), whose, fault.code, &fault.message, request_id);
    Reply::xml(fault.status, text)
}

async fn run(
    service: &Arc<Service>,
    metrics: &Metrics,
    received: &Arc<Received>,
    moment: Option<Moment>,
    api: &mut Api,
) -> Result<String, Fault> {
    check_protocol(received)?;
    let form = read_form(received)?;
    let version = form.text_of("Version").and_then(api_of);
    *api = version.unwrap_or(Api::Iam);
    // Where the version says whose operation it is, a signature for the other service is none.
    let services: &[&str] = match version {
        Some(Api::Iam) => &["iam"],
        Some(Api::Sts) => &["sts"],
        None => &["iam", "sts"],
    };
    let signed = signed::authenticate(service, received, services).await;
    let signed = signed.map_err(|NotSigned { fault, counts }| {
        if counts {
            metrics.authentication_failed();
        }
        fault
    })?;
    let action = form.text_of("Action").unwrap_or_default().to_owned();
    let Some(known) = version else {
        let version = form.text_of("Version").unwrap_or("NO_VERSION_SPECIFIED");
        return Err(fault::INVALID_ACTION.with(&[&shortened(&action), &shortened(version)]));
    };
    // Names as long as a form allows would come back in the answer.
    if action.len() > 128 {
        return Err(fault::INVALID_ACTION.with(&[&shortened(&action), known.version()]));
    }
    let call = Call {
        api: known,
        operation: action.clone(),
        form,
        caller: signed.caller,
        moment,
        region: signed.region,
    };
    let answer = service.execute(call).await?;
    write(known, &action, &received.request_id, &answer)
}

fn write(api: Api, action: &str, request_id: &str, answer: &Answer) -> Result<String, Fault> {
    xml::response(action, namespace(api), request_id, answer.as_ref()).map_err(Fault::internal)
}

/// Whether the request is in the Query protocol's form at all. What is in AWS's JSON or CBOR protocols
/// is for services that are not here.
fn check_protocol(received: &Received) -> Result<(), Fault> {
    let foreign = || {
        let target = received.header("x-amz-target").unwrap_or("UnknownOperation");
        fault::INVALID_ACTION.with(&[&shortened(target), "NO_VERSION_SPECIFIED"])
    };
    match received.method.as_str() {
        _ if received.headers.contains_key("x-amz-target") => Err(foreign()),
        "GET" if received.body.is_empty() => Ok(()),
        "POST" if received.headers.contains_key(header::CONTENT_ENCODING) => Err(foreign()),
        "POST" if received.media_type() == FORM => Ok(()),
        "GET" | "POST" => Err(foreign()),
        _ => Err(Fault::new(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed: use POST, or GET for presigned requests.",
        )),
    }
}

fn read_form(received: &Received) -> Result<Form, Fault> {
    form::parse(&received.query, &received.body)
        .map_err(|error: ParseError| Fault::new(error.code(), error.status(), error.to_string()))
}

fn api_of(version: &str) -> Option<Api> {
    [Api::Iam, Api::Sts].into_iter().find(|api| api.version() == version)
}

fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}
