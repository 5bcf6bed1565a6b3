//! Pages of the console over an account of ten thousand users: how long the server takes for each, and how
//! large it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower_service::Service as _;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::{Outcome, ROUNDS, people, reports};
use domesday::base::text::percent_encode;
use domesday::console;

/// What is looked at; the paths of a person who looks around.
const PAGES: &[(&str, &str)] = &[
    ("dashboard", "/console/"),
    ("users", "/console/users"),
    ("users, searched and sorted", "/console/users?q=99&sort=key&order=desc"),
    ("one user", "/console/users/user-5000"),
    ("groups", "/console/groups"),
    ("a group of all", "/console/groups/everybody"),
    ("policies", "/console/policies?scope=all"),
    ("can she?", "/console/can?principal=user-7&action=s3:GetObject&resource=arn:aws:s3:::a/b"),
    ("ledger", "/console/ledger"),
    ("users by last activity", "/console/users?sort=activity"),
    ("users in the past", "/console/users?at=@5000"),
    ("dashboard of the past", "/console/?at=@9000"),
    ("compare", "/console/diff?from=@9900"),
];
/// A report, of which the second page is looked at: the first one makes it, which takes as long as there are users.
const REPORT: &str = "/console/reports/keys";
const TURNED: &str = "a report, its page turned";
/// What would become of everybody is computed, not looked at: it has the time of a comparison.
const TRIED: &[(&str, &str)] = &[
    ("a dry run over all", r#"{"Effect":"Allow","Action":["s3:Get*","ec2:*"],"Resource":"*"}"#),
    (
        "a dry run over all, under conditions",
        r#"{"Effect":"Allow","Action":["s3:*","ec2:*","iam:Get*"],"Resource":["arn:aws:s3:::${aws:username}/*","*"],
            "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"aws:PrincipalTag/team":"red"}}}"#,
    ),
];
const HOST: &str = "127.0.0.1:1086";

/// The figures of this part.
pub fn measure(figures: &mut Figures) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    reports::populate(&folder, reports::MANY)?;
    let service = people::open(&people::place(&folder)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut pages = console::pages(Arc::clone(&service));
    let mut millis: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut kilobytes: BTreeMap<&str, f64> = BTreeMap::new();
    runtime.block_on(async {
        let cookie = sign_in(&mut pages).await?;
        for round in 0..=ROUNDS {
            let first = look(&mut pages, REPORT, &cookie).await?;
            let turned = second_page(&first).ok_or("the report has one page")?;
            for (name, path) in PAGES.iter().copied().chain([(TURNED, turned.as_str())]) {
                let began = Instant::now();
                let size = look(&mut pages, path, &cookie).await?.len();
                // The first round reads what the others find in memory, as a person's first page does.
                if round > 0 {
                    millis.entry(name).or_default().push(began.elapsed().as_secs_f64() * 1e3);
                }
                kilobytes.insert(name, size as f64 / 1e3);
            }
            let token = token(&first).ok_or("the report's page has no form")?;
            for (name, statement) in TRIED.iter().copied() {
                let began = Instant::now();
                let size = dry_run(&mut pages, statement, &token, &cookie).await?.len();
                if round > 0 {
                    millis.entry(name).or_default().push(began.elapsed().as_secs_f64() * 1e3);
                }
                kilobytes.insert(name, size as f64 / 1e3);
            }
        }
        Outcome::Ok(())
    })?;
    service.close();
    let looked_at = PAGES.iter().map(|(name, _)| *name).chain([TURNED]);
    let tried = TRIED.iter().map(|(name, _)| (*name, 2_000.0));
    for (name, goal) in looked_at.map(|name| (name, 50.0)).chain(tried) {
        figures.add(Figure {
            what: format!("page, 10 k users: {name}"),
            ours: millis.remove(name).unwrap_or_default(),
            floor: Vec::new(),
            unit: Unit::Millis,
            goal: Goal::AtMost(goal),
        });
        figures.add(Figure {
            what: format!("page, 10 k users: {name}: size"),
            ours: kilobytes.remove(name).into_iter().collect(),
            floor: Vec::new(),
            unit: Unit::Kilobytes,
            goal: Goal::AtMost(100.0),
        });
    }
    Ok(())
}

/// The address of the second page of a list.
fn second_page(page: &str) -> Option<String> {
    let addresses = page.split("href=\"").filter_map(|after| after.split('"').next());
    let second = addresses.filter(|address| address.contains("page=1")).last()?;
    Some(second.replace("&amp;", "&"))
}

async fn send(pages: &mut Router, request: Request<Body>) -> Outcome<(Response<()>, String)> {
    let (parts, body) = pages.call(request).await?.into_parts();
    let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    Ok((Response::from_parts(parts, ()), text))
}

/// Signs the root user in; its cookie.
async fn sign_in(pages: &mut Router) -> Outcome<String> {
    let encoded = |text: &str| percent_encode(text.as_bytes());
    let body = format!(
        "as=root&email={}&password={}",
        encoded(&reports::root_email(reports::MANY)),
        encoded(reports::ROOT_PASSWORD)
    );
    let request = Request::post("/console/sign-in")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))?;
    let (response, _) = send(pages, request).await?;
    let cookies: Vec<&str> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .filter(|cookie| !cookie.ends_with('='))
        .collect();
    match response.status() {
        StatusCode::SEE_OTHER => Ok(cookies.join("; ")),
        status => Err(format!("signing in was answered {status}").into()),
    }
}

/// The token of the forms of a page.
fn token(page: &str) -> Option<String> {
    let (_, after) = page.split_once("name=\"_token\" value=\"")?;
    after.split('"').next().map(str::to_owned)
}

/// The page that says what a policy of the group of all would do.
async fn dry_run(
    pages: &mut Router,
    statement: &str,
    token: &str,
    cookie: &str,
) -> Outcome<String> {
    let encoded = |text: &str| percent_encode(text.as_bytes());
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let body = format!(
        "_token={}&kind=group&owner=everybody&name=tried&step=dry-run&document={}",
        encoded(token),
        encoded(&document)
    );
    let request = Request::post("/console/policies/edit")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookie)
        .body(Body::from(body))?;
    let (response, text) = send(pages, request).await?;
    match response.status() {
        StatusCode::OK if !text.contains("class=\"refusal\"") => Ok(text),
        status => Err(format!("a dry run was answered {status}").into()),
    }
}

/// The text of a page.
async fn look(pages: &mut Router, path: &str, cookie: &str) -> Outcome<String> {
    let request = Request::get(path)
        .header(header::HOST, HOST)
        .header(header::COOKIE, cookie)
        .body(Body::empty())?;
    let (response, text) = send(pages, request).await?;
    match response.status() {
        StatusCode::OK => Ok(text),
        status => Err(format!("{path} was answered {status}").into()),
    }
}
