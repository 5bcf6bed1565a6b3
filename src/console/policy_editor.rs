//! Writing a policy: the text, what is wrong or doubtful about it by line, who would gain and lose what by
//! it, and saving it.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::act;
use super::diff::consequences;
use super::entrance::not_from_here;
use super::frame::{self, Section};
use super::parts::{document, field, pretty, reason, refusal, segment, text};
use super::visit::{Visit, address, form, pairs};
use super::words;
use crate::base::form_tree::Form;
use crate::policy::lint::{self, Finding, Kind, Options, Severity};
use crate::service::fault::Fault;
use crate::service::operation::Api;

const EMPTY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "",
      "Effect": "Allow",
      "Action": [],
      "Resource": []
    }
  ]
}"#;

/// Characters of a line that are shown before a finding in it, and after.
const AROUND: usize = 80;

/// What is being written.
struct Draft {
    /// `user`, `group` or `role` of an inline policy; empty for a managed one.
    kind: String,
    owner: String,
    /// The managed policy that gets a new version; empty for a new one.
    arn: String,
    name: String,
    description: String,
    text: String,
}

impl Draft {
    fn of(given: impl Fn(&str) -> String) -> Self {
        let kind = given("kind");
        Draft {
            kind: if ["user", "group", "role"].contains(&kind.as_str()) {
                kind
            } else {
                String::new()
            },
            owner: given("owner"),
            arn: given("arn"),
            name: given("name"),
            description: given("description"),
            text: given("document"),
        }
    }

    fn is_inline(&self) -> bool {
        !self.kind.is_empty()
    }

    /// Whether it is one of those that every account shares, and nobody changes.
    fn is_shared(&self) -> bool {
        self.arn.starts_with(crate::identity::arn::AWS_POLICIES)
    }

    fn is_new(&self) -> bool {
        !self.is_inline() && self.arn.is_empty()
    }

    /// `User` of `user`, as operations are called.
    fn member(&self) -> &'static str {
        match self.kind.as_str() {
            "user" => "User",
            "group" => "Group",
            _ => "Role",
        }
    }

    /// The text that is there now.
    async fn read(&mut self, visit: &Visit) -> Result<(), Fault> {
        if self.is_inline() && !self.name.is_empty() {
            let (operation, owner) =
                (format!("Get{}Policy", self.member()), format!("{}Name", self.member()));
            let fields = [(owner.as_str(), self.owner.as_str()), ("PolicyName", &self.name)];
            let answer = visit.read(&operation, &fields).await?;
            self.text = pretty(&document(text(&answer, "/PolicyDocument")));
        } else if !self.arn.is_empty() {
            let policy = visit.read("GetPolicy", &[("PolicyArn", &self.arn)]).await?;
            let version = text(&policy, "/Policy/DefaultVersionId");
            let fields = [("PolicyArn", self.arn.as_str()), ("VersionId", version)];
            let answer = visit.read("GetPolicyVersion", &fields).await?;
            self.text = pretty(&document(text(&answer, "/PolicyVersion/Document")));
        } else {
            self.text = EMPTY.to_owned();
        }
        Ok(())
    }

    /// The operation that saves it, and its parameters.
    fn operation(&self) -> Result<(String, Form), Fault> {
        let owner = format!("{}Name", self.member());
        let operation;
        let fields: Vec<(&str, &str)> = if self.is_inline() {
            operation = format!("Put{}Policy", self.member());
            vec![(&owner, &self.owner), ("PolicyName", &self.name), ("PolicyDocument", &self.text)]
        } else if self.arn.is_empty() {
            operation = "CreatePolicy".to_owned();
            let mut fields =
                vec![("PolicyName", self.name.as_str()), ("PolicyDocument", &self.text)];
            if !self.description.is_empty() {
                fields.push(("Description", &self.description));
            }
            fields
        } else {
            operation = "CreatePolicyVersion".to_owned();
            vec![("PolicyArn", &self.arn), ("PolicyDocument", &self.text), ("SetAsDefault", "true")]
        };
        Ok((operation, form(fields.into_iter())?))
    }

    async fn save(&self, visit: &Visit, reason: &str) -> Result<Value, Fault> {
        let (operation, form) = self.operation()?;
        visit.run(Api::Iam, &operation, form, None, Some(reason)).await
    }

    /// Who would gain and lose what by saving it.
    async fn dry_run(&self, visit: &Visit) -> Result<Value, Fault> {
        let (operation, form) = self.operation()?;
        visit.dry_run(&operation, form).await
    }

    fn title(&self) -> String {
        match (self.is_inline(), self.arn.is_empty()) {
            (true, _) => words::inline_of(&self.kind, &self.owner),
            (false, true) => words::NEW_POLICY.to_owned(),
            (false, false) => {
                words::new_version_of(self.arn.rsplit('/').next().unwrap_or_default())
            }
        }
    }

    fn findings(&self) -> Vec<Finding> {
        lint::lint(&self.text, &Options { kind: Some(Kind::Identity), ..Options::default() })
    }
}

/// `GET /console/policies/edit`
pub async fn page(visit: Visit) -> Response {
    let mut draft = Draft::of(|name| visit.param(name).to_owned());
    if draft.is_shared() {
        // Policies that every account shares can be read, not changed.
        let shown = visit.link("/console/policies/show", &[("arn", &draft.arn)]);
        return Redirect::to(&shown).into_response();
    }
    if let Err(fault) = draft.read(&visit).await {
        let body = refusal(&visit, &fault);
        return frame::page_with(fault.status, &visit, Section::Policies, &draft.title(), &body)
            .await;
    }
    editor(&visit, &draft, None, None, 200).await
}

/// `POST /console/policies/edit`: checks, tries, or saves.
pub async fn submit(visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let sent = pairs(&body);
    if !visit.sent(&headers, &sent) {
        return not_from_here();
    }
    let of = |name: &str| {
        let found = sent.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.replace("\r\n", "\n")).unwrap_or_default()
    };
    let draft = Draft::of(of);
    let findings = draft.findings();
    match of("step").as_str() {
        "save" => {}
        "dry-run" => {
            let tried = match draft.is_new() {
                true => html! { p.note { (words::DRY_RUN_NEW) } },
                false => match draft.dry_run(&visit).await {
                    Ok(answer) => consequences(&visit, &answer),
                    Err(fault) => refusal(&visit, &fault),
                },
            };
            return editor(&visit, &draft, Some(&findings), Some(&tried), 200).await;
        }
        _ => return editor(&visit, &draft, Some(&findings), None, 200).await,
    }
    match draft.save(&visit, &of("_reason")).await {
        Err(fault) => {
            let refused = refusal(&visit, &fault);
            editor(&visit, &draft, Some(&findings), Some(&refused), fault.status).await
        }
        Ok(answer) if draft.is_inline() => {
            drop(answer);
            let owner = format!("/console/{}s/{}", draft.kind, segment(&draft.owner));
            act::done("PutPolicy", &owner)
        }
        Ok(answer) => {
            let made = text(&answer, "/Policy/Arn");
            let arn = if made.is_empty() { draft.arn.as_str() } else { made };
            act::done("PutPolicy", &address("/console/policies/show", &[("arn", arn)]))
        }
    }
}

async fn editor(
    visit: &Visit,
    draft: &Draft,
    findings: Option<&[Finding]>,
    above: Option<&Markup>,
    status: u16,
) -> Response {
    let is_new = draft.is_new();
    let back = match (draft.is_inline(), is_new) {
        (true, _) => format!("/console/{}s/{}", draft.kind, segment(&draft.owner)),
        (_, true) => "/console/policies".to_owned(),
        _ => address("/console/policies/show", &[("arn", &draft.arn)]),
    };
    if !visit.may_change() {
        let body = html! {
            pre.code tabindex="0" { (draft.text) }
            p.quiet { (words::PAST_IS_READ) }
        };
        return frame::page(visit, Section::Policies, &draft.title(), &body).await;
    }
    let body = html! {
        @if let Some(above) = above { (above) }
        form.stack.wide method="post" action="/console/policies/edit" {
            input type="hidden" name="_token" value=(visit.visitor.cookie.form_token());
            @for (name, value) in [("kind", &draft.kind), ("owner", &draft.owner), ("arn", &draft.arn)] {
                input type="hidden" name=(name) value=(value);
            }
            @if is_new || draft.is_inline() { (field(words::POLICY_NAME, "name", &draft.name, "", false)) }
            @if is_new { (field(words::DESCRIPTION, "description", &draft.description, "", false)) }
            label.field { span { (words::DOCUMENT) }
                textarea.code name="document" rows="22" spellcheck="false" aria-describedby="findings" {
                    // Browsers leave the first line end of a field out: lines are counted with it.
                    "\n" (draft.text) } }
            (shown(findings, &draft.text))
            (reason())
            div.row {
                button type="submit" name="step" value="check" { (words::CHECK) }
                button type="submit" name="step" value="dry-run" { (words::DRY_RUN) }
                button.primary type="submit" name="step" value="save" { (words::SAVE) }
                a href=(back) { (words::BACK) }
            }
        }
    };
    frame::page_with(status, visit, Section::Policies, &draft.title(), &body).await
}

/// A part of a line, with the character of a column in it: a whole policy may stand in one line.
fn around(line: &str, column: usize) -> String {
    let first = column.saturating_sub(AROUND);
    let part: String = line.chars().skip(first).take(2 * AROUND).collect();
    let is_cut = line.chars().nth(first + 2 * AROUND).is_some();
    let mark = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{}{}", mark(first > 0), part.trim(), mark(is_cut))
}

/// What is wrong or doubtful, with the line that it stands in.
fn shown(findings: Option<&[Finding]>, written: &str) -> Markup {
    let Some(findings) = findings else { return html! { div id="findings" {} } };
    let line = |finding: &Finding| {
        written
            .lines()
            .nth(finding.position.line.saturating_sub(1) as usize)
            .map_or_else(String::new, |line| around(line, finding.position.column as usize))
    };
    html! {
        div.lint id="findings" role="status" {
            @if findings.is_empty() { p.done { (words::NOTHING_FOUND) } }
            ol.findings { @for finding in findings {
                @let is_error = finding.severity == Severity::Error;
                li.grave[is_error] {
                    span.mark { (if is_error { words::ERROR } else { words::WARNING }) }
                    div {
                        strong { (words::at_line(finding.position.line as usize, finding.position.column as usize)) } " " (finding.message)
                        p { code { (line(finding)) } }
                        @if !finding.advice.is_empty() { p.quiet { (finding.advice) } }
                    }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_line_the_part_around_a_finding_is_shown() {
        assert_eq!(around("  \"Action\": 7", 5), "\"Action\": 7");
        let line = format!("{}ü{}", "a".repeat(500), "b".repeat(500));
        let part = around(&line, 501);
        assert!(part.starts_with("…a") && part.contains("aüb") && part.ends_with("b…"), "{part}");
        assert_eq!(part.chars().count(), 2 * AROUND + 2);
        assert_eq!(around(&line, 5_000), "…");
    }
}
