//! Decisions about others over loopback: the workload of `tools/evaluators`, asked by AuthZEN with a bearer
//! credential, each decision leaving its two receipts. Every answer is held to the right one before any is
//! timed; two thirds are denials, which come with their reasons.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::http::{CLIENTS, Server, Signed, connect, drive};
use crate::people::Company;
use crate::workload::{self, Answer, SEED, Workload};
use crate::{Extent, Outcome};
use domesday::api::front::Front;

/// Users with five policies of four statements each; an account has 1,500 policies at the most.
pub const USERS: usize = 256;
/// Different questions.
const QUESTIONS: usize = 4_096;
/// The account that the policies of the workload are about.
const ACCOUNT: &str = "111122223333";
const PATH: &str = "/access/v1/evaluation";

/// Decisions a second, and the requests that asked for them.
pub fn measure(extent: &Extent) -> Outcome<(f64, Vec<Vec<Signed>>)> {
    let workload = Workload::new(SEED, USERS, QUESTIONS);
    let company = Company::of_account(ACCOUNT)?;
    let bearer = Builder::new_current_thread().enable_all().build()?.block_on(async {
        hire(&company, &workload).await?;
        credential(&company).await
    })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let service = company.service.clone();
    let server = Server::start(|stop| {
        domesday::api::serve(service, listener, None, Front::default(), stop)
    })?;
    let mut dealt = vec![Vec::new(); CLIENTS];
    let mut each = Vec::new();
    for (client, asked) in (0..CLIENTS).cycle().zip(&workload.requests) {
        let request = question(address, &workload, asked, &bearer)?;
        each.push((request.clone(), asked.expected));
        dealt.get_mut(client).ok_or("no such client")?.push(request);
    }
    Builder::new_current_thread().enable_all().build()?.block_on(check(address, each))?;
    let rate = drive(address, dealt.clone(), true, extent.stretch)?;
    server.stop()?;
    company.close();
    Ok((rate, dealt))
}

/// Makes the users and their policies.
async fn hire(company: &Company, workload: &Workload) -> Outcome<()> {
    let mut running = JoinSet::new();
    for principal in workload.principals.clone() {
        let (service, admins) = (company.service.clone(), company.admins.clone());
        running.spawn(async move {
            let admin = admins.first().ok_or("no administrator")?;
            let name = name(&principal)?;
            service.execute(admin.call(&service, "CreateUser", name)?).await?;
            for policy in &principal.policies {
                let document = policy.document().to_string();
                let made = [("PolicyName", policy.name.as_str()), ("PolicyDocument", &document)];
                service.execute(admin.call_with(&service, "CreatePolicy", &made)?).await?;
                let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{}", policy.name);
                let attached = [("UserName", name), ("PolicyArn", &arn)];
                service.execute(admin.call_with(&service, "AttachUserPolicy", &attached)?).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(hired) = running.join_next().await {
        hired??;
    }
    Ok(())
}

fn name(principal: &workload::Principal) -> Outcome<&str> {
    Ok(principal.arn.rsplit('/').next().ok_or("a user has a name")?)
}

/// A gateway's, which may ask and nothing else.
async fn credential(company: &Company) -> Outcome<String> {
    let service = &company.service;
    let admin = company.admin(0)?;
    let may_ask = json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "domesday:Evaluate", "Resource": "*" },
    });
    let may_ask = may_ask.to_string();
    let put = [("UserName", "gateway"), ("PolicyName", "ask"), ("PolicyDocument", &may_ask)];
    let made = [("UserName", "gateway"), ("ServiceName", "domesday")];
    service.execute(admin.call(service, "CreateUser", "gateway")?).await?;
    service.execute(admin.call_with(service, "PutUserPolicy", &put)?).await?;
    let call = admin.call_with(service, "CreateServiceSpecificCredential", &made)?;
    let answer = service.execute(call).await?;
    let secret = serde_json::to_value(&answer)?
        .pointer("/ServiceSpecificCredential/ServiceCredentialSecret")
        .and_then(Value::as_str)
        .map(str::to_owned);
    secret.ok_or_else(|| "no credential was made".into())
}

fn question(
    address: SocketAddr,
    workload: &Workload,
    asked: &workload::Request,
    bearer: &str,
) -> Outcome<Signed> {
    let principal = workload.principals.get(asked.principal).ok_or("nobody asks")?;
    let body = json!({
        "subject": { "type": "user", "id": name(principal)? },
        "action": { "name": asked.action },
        "resource": { "type": "arn", "id": asked.resource },
        "context": asked.keys,
    });
    let request = Request::post(PATH)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {bearer}"));
    Ok(request.body(Full::from(body.to_string()))?)
}

/// Asks everything once, and believes no answer.
async fn check(address: SocketAddr, each: Vec<(Signed, Answer)>) -> Outcome<()> {
    let mut sender = connect(address).await?;
    for (request, expected) in each {
        sender.ready().await?;
        let question: Bytes = request.clone().into_body().collect().await?.to_bytes();
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        let found: Value = serde_json::from_slice(&answer)?;
        let id = found.pointer("/context/id").and_then(Value::as_str);
        let right = match expected {
            Answer::Allowed => "allowed",
            Answer::ImplicitDeny => "implicitDeny",
            Answer::ExplicitDeny => "explicitDeny",
        };
        let decision = found.get("decision").and_then(Value::as_bool);
        if id != Some(right) || decision != Some(expected == Answer::Allowed) {
            let question = String::from_utf8_lossy(&question).into_owned();
            return Err(format!("{question} is {right}; answered was {found}").into());
        }
    }
    Ok(())
}
