//! The frame of every page: who looks, where to go, the time bar, the past's own look.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::time_bar::{self, Bar};
use super::visit::Visit;
use super::words;
use crate::service::caller::Identity;
use crate::service::fault::Fault;

/// The parts of the console, as the navigation names them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What to mend first.
    Dashboard,
    /// Users.
    Users,
    /// User groups.
    Groups,
    /// Roles.
    Roles,
    /// Policies.
    Policies,
    /// The history.
    Ledger,
    /// Who may do what.
    Can,
    /// What changed between two moments.
    Diff,
    /// Reports by name.
    Reports,
    /// The account's settings.
    Account,
    /// The person's own credentials.
    Me,
}

const NAVIGATION: &[(Section, &str, &str)] = &[
    (Section::Dashboard, "/console/", words::DASHBOARD),
    (Section::Users, "/console/users", words::USERS),
    (Section::Groups, "/console/groups", words::GROUPS),
    (Section::Roles, "/console/roles", words::ROLES),
    (Section::Policies, "/console/policies", words::POLICIES),
    (Section::Can, "/console/can", words::CAN),
    (Section::Ledger, "/console/ledger", words::LEDGER),
    (Section::Diff, "/console/diff", words::DIFF),
    (Section::Reports, "/console/reports", words::REPORTS),
    (Section::Account, "/console/account", words::ACCOUNT),
];

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · domesday" }
            link rel="stylesheet" href="/console/assets/style.css";
            link rel="icon" href="/console/assets/icon.svg";
            script src="/console/assets/console.js" defer {}
        }
    }
}

/// A page for nobody in particular: sign-in, and what went wrong before anybody was known.
pub fn bare(title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.bare {
                main id="content" {
                    p.brand { img src="/console/assets/icon.svg" alt="" width="28" height="28"; " domesday" }
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    Html(page.into_string()).into_response()
}

/// A page with one sentence.
pub fn lone(title: &str, sentence: &str) -> Response {
    bare(
        title,
        &html! {
            p { (sentence) }
            p { a href="/console/" { (words::TO_DASHBOARD) } }
        },
    )
}

/// A page that says that something failed.
pub fn failed(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, lone(words::FAILED, &fault.message)).into_response()
}

/// A page of the console.
pub async fn page(visit: &Visit, section: Section, title: &str, body: &Markup) -> Response {
    let bar = match time_bar::gather(visit).await {
        Ok(bar) => bar,
        Err(fault) => return failed(&fault),
    };
    let is_past = visit.at.is_some();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.past[is_past] {
                a.skip href="#content" { (words::SKIP) }
                (top(visit, &bar))
                (time_bar::show(visit, &bar))
                div.columns {
                    (navigation(visit, section))
                    main id="content" {
                        @if let Some(done) = words::done(visit.param("done")) {
                            p.done role="status" { (done) }
                        }
                        h1 { (title) }
                        (body)
                    }
                }
            }
        }
    };
    Html(page.into_string()).into_response()
}

/// The same with another status.
pub async fn page_with(
    status: u16,
    visit: &Visit,
    section: Section,
    title: &str,
    body: &Markup,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, page(visit, section, title, body).await).into_response()
}

fn navigation(visit: &Visit, section: Section) -> Markup {
    html! {
        nav.main aria-label=(words::NAVIGATION) {
            ul {
                @for (of, path, label) in NAVIGATION {
                    li { a href=(visit.link(path, &[])) aria-current=[(*of == section).then_some("page")] { (label) } }
                }
            }
        }
    }
}

fn top(visit: &Visit, bar: &Bar) -> Markup {
    let caller = visit.caller();
    let who = match &caller.identity {
        Identity::Root { .. } => words::ROOT_USER.to_owned(),
        Identity::User { name, .. } => name.clone(),
        Identity::RoleSession { role_name, session, .. } => {
            format!("{role_name} / {}", session.name)
        }
        Identity::Operator { name } => name.clone(),
    };
    let is_root = caller.is_root();
    let token = visit.visitor.cookie.form_token();
    html! {
        header.top {
            a.brand href=(visit.link("/console/", &[])) { img src="/console/assets/icon.svg" alt="" width="24" height="24"; " domesday" }
            span.account title=(words::ACCOUNT) { (bar.account) }
            details.who {
                summary { (who) }
                div {
                    p.quiet { (caller.arn()) }
                    p { a href="/console/me" { (words::MY_CREDENTIALS) } }
                    p { a href="/console/switch-role" { (words::SWITCH_ROLE) } }
                    form method="post" action="/console/sign-out" {
                        input type="hidden" name="_token" value=(token);
                        button type="submit" { (words::SIGN_OUT) }
                        button type="submit" name="everywhere" value="1" { (words::SIGN_OUT_EVERYWHERE) }
                    }
                }
            }
        }
        @if is_root { aside.banner.root aria-label=(words::ROOT_USER) { (words::ROOT_BANNER) } }
        @if let Identity::RoleSession { role_name, .. } = &caller.identity {
            aside.banner.role aria-label=(words::SWITCH_ROLE) {
                span { (words::working_as(role_name)) }
                form.inline method="post" action="/console/switch-back" {
                    input type="hidden" name="_token" value=(token);
                    button type="submit" { (words::SWITCH_BACK) }
                }
            }
        }
    }
}
