//! The grammar of policy documents: from text to checked parts, with AWS's errors in AWS's order.
//!
//! Two readings share this module. [`Rules::Stored`] is for documents that are evaluated: whatever
//! could change a decision must be understood, so an unknown key, operator or principal is an error
//! there too. [`Rules::New`] is for documents that somebody saves: it adds the version, the form of
//! resources, and Sids. When a document has several mistakes AWS names one, in this order: shape,
//! version, principals, legacy parsing (the case of `Effect`, dates, ARNs with too few colons),
//! Sids, missing actions, resources, the form of actions, missing resources.

use std::collections::BTreeSet;

use super::condition::Operator;
use super::error::{DocumentError, Position};
use super::json::{self, Member, Node, Value};
use super::principal::Scheme;
use super::resource_form;

/// What a document is for; decides which elements it must and must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A managed or inline policy of a user, group or role; also a permissions boundary.
    Identity,
    /// A role's trust policy: `Principal` compulsory, no `Resource`.
    Trust,
    /// A policy on any other resource.
    Resource,
    /// A policy passed when a session is made.
    Session,
    /// A service control policy.
    Scp,
    /// A resource control policy: `Principal` must be `"*"`.
    Rcp,
    /// A VPC endpoint policy.
    Endpoint,
}

impl DocumentKind {
    /// Whether statements say whom they are about.
    pub(super) fn has_principal(self) -> bool {
        matches!(
            self,
            DocumentKind::Trust
                | DocumentKind::Resource
                | DocumentKind::Rcp
                | DocumentKind::Endpoint
        )
    }
}

/// Whether a statement grants or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Grants, unless something denies.
    Allow,
    /// Denies, whatever grants.
    Deny,
}

/// How strictly a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    New,
    Stored,
}

/// A text and where it stood.
#[derive(Debug)]
pub(super) struct Spot {
    pub text: String,
    pub at: usize,
}

/// An element that comes plain or as its `Not...` form.
#[derive(Debug)]
pub(super) struct Choice<T> {
    pub not: bool,
    pub entries: Vec<T>,
    pub at: usize,
}

/// Everything a document says, checked but not compiled.
#[derive(Debug)]
pub(super) struct Parts {
    /// Version 2012-10-17, in which `${...}` are variables.
    pub variables: bool,
    pub id: Option<String>,
    pub statements: Vec<StatementParts>,
}

#[derive(Debug)]
pub(super) struct StatementParts {
    /// Offsets of the first brace and of the end of the last.
    pub start: usize,
    pub end: usize,
    pub sid: Option<Spot>,
    pub effect: Effect,
    effect_spot: Spot,
    pub principal: Option<Choice<(Scheme, Spot)>>,
    pub action: Option<Choice<Spot>>,
    pub resource: Option<Choice<Spot>>,
    pub conditions: Vec<ConditionParts>,
}

#[derive(Debug)]
pub(super) struct ConditionParts {
    pub operator: Operator,
    pub key: String,
    pub operands: Vec<Spot>,
}

/// Reads and checks a document.
pub(super) fn read(text: &str, kind: DocumentKind, rules: Rules) -> Result<Parts, DocumentError> {
    let reading = Reading { text, kind };
    if rules == Rules::New {
        let foreign = |c: char| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
        if let Some((at, found)) = text.char_indices().find(|(_, c)| foreign(*c)) {
            return Err(
                reading.syntax(at, format!("the character {found:?} is not allowed in documents"))
            );
        }
    }
    let parts = reading.document()?;
    reading.check(&parts, rules)?;
    Ok(parts)
}

struct Reading<'t> {
    text: &'t str,
    kind: DocumentKind,
}

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";

impl Reading<'_> {
    fn error(
        &self,
        at: usize,
        message: impl Into<String>,
        detail: impl Into<String>,
    ) -> DocumentError {
        DocumentError::new(message, detail, Position::of(self.text, at))
    }

    fn syntax(&self, at: usize, detail: impl Into<String>) -> DocumentError {
        self.error(at, SYNTAX, detail)
    }

    fn document(&self) -> Result<Parts, DocumentError> {
        let root = json::read(self.text).map_err(|error| {
            let trust = self.kind == DocumentKind::Trust;
            let message = if trust { "This policy contains invalid Json" } else { SYNTAX };
            self.error(error.at, message, error.detail)
        })?;
        let start = root.start;
        let Value::Object(members) = root.value else {
            return Err(self.syntax(start, "a policy document is a JSON object"));
        };
        let mut parts = Parts { variables: false, id: None, statements: Vec::new() };
        for Member { key, at, value } in members {
            match key.as_str() {
                "Version" => {
                    let version = self.text_of(value, "Version")?;
                    parts.variables = match version.text.as_str() {
                        "2012-10-17" => true,
                        "2008-10-17" => false,
                        other => {
                            let detail = format!("\"{other}\" is no version; write \"2012-10-17\"");
                            return Err(self.syntax(version.at, detail));
                        }
                    };
                }
                "Id" => parts.id = Some(self.text_of(value, "Id")?.text),
                "Statement" => parts.statements = self.statements(value)?,
                other => {
                    let detail = format!(
                        "\"{other}\" is no element of a policy; Version, Id and Statement are"
                    );
                    return Err(self.syntax(at, detail));
                }
            }
        }
        if parts.statements.is_empty() {
            return Err(self.syntax(start, "a policy needs a Statement, and at least one in it"));
        }
        Ok(parts)
    }

    fn statements(&self, node: Node) -> Result<Vec<StatementParts>, DocumentError> {
        match node.value {
            Value::Object(members) => Ok(vec![self.statement(node.start, node.end, members)?]),
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item.value {
                    Value::Object(members) => self.statement(item.start, item.end, members),
                    _ => Err(self.syntax(item.start, "a statement is a JSON object")),
                })
                .collect(),
            _ => Err(self.syntax(node.start, "Statement is an object or an array of objects")),
        }
    }

    fn statement(
        &self,
        start: usize,
        end: usize,
        members: Vec<Member>,
    ) -> Result<StatementParts, DocumentError> {
        let (mut sid, mut effect, mut conditions) = (None, None, Vec::new());
        let (mut principal, mut action, mut resource) = (None, None, None);
        for Member { key, at, value } in members {
            let not = key.starts_with("Not");
            match key.as_str() {
                "Sid" => sid = Some(self.text_of(value, "Sid")?),
                "Effect" => effect = Some(self.text_of(value, "Effect")?),
                "Principal" | "NotPrincipal" => {
                    let choice = Choice { not, entries: self.principals(value)?, at };
                    self.only_one(&mut principal, choice, "Principal")?;
                }
                "Action" | "NotAction" => {
                    let choice = Choice { not, entries: self.texts(value, &key)?, at };
                    self.only_one(&mut action, choice, "Action")?;
                }
                "Resource" | "NotResource" => {
                    let choice = Choice { not, entries: self.texts(value, &key)?, at };
                    self.only_one(&mut resource, choice, "Resource")?;
                }
                "Condition" => conditions = self.conditions(value)?,
                other => {
                    let detail = format!("\"{other}\" is no element of a statement");
                    return Err(self.syntax(at, detail));
                }
            }
        }
        let Some(effect_spot) = effect else {
            return Err(self.syntax(start, "a statement needs Effect: \"Allow\" or \"Deny\""));
        };
        let effect = match effect_spot.text.to_ascii_lowercase().as_str() {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => return Err(self.syntax(effect_spot.at, "Effect is \"Allow\" or \"Deny\"")),
        };
        Ok(StatementParts {
            start,
            end,
            sid,
            effect,
            effect_spot,
            principal,
            action,
            resource,
            conditions,
        })
    }

    fn only_one<T>(
        &self,
        slot: &mut Option<Choice<T>>,
        choice: Choice<T>,
        name: &str,
    ) -> Result<(), DocumentError> {
        let at = choice.at;
        match slot.replace(choice) {
            None => Ok(()),
            Some(_) => Err(self.syntax(at, format!("write either {name} or Not{name}, not both"))),
        }
    }

    fn text_of(&self, node: Node, name: &str) -> Result<Spot, DocumentError> {
        match node.value {
            Value::Text(text) => Ok(Spot { text, at: node.start }),
            _ => Err(self.syntax(node.start, format!("{name} is a text"))),
        }
    }

    /// One text or an array of texts.
    fn texts(&self, node: Node, name: &str) -> Result<Vec<Spot>, DocumentError> {
        match node.value {
            Value::Text(text) => Ok(vec![Spot { text, at: node.start }]),
            Value::Array(items) => items.into_iter().map(|item| self.text_of(item, name)).collect(),
            _ => Err(self.syntax(node.start, format!("{name} is a text or an array of texts"))),
        }
    }

    fn principals(&self, node: Node) -> Result<Vec<(Scheme, Spot)>, DocumentError> {
        let wrong = "Principal is \"*\" or an object of AWS, Service, Federated and CanonicalUser";
        match node.value {
            Value::Text(text) if text == "*" => {
                Ok(vec![(Scheme::Everyone, Spot { text, at: node.start })])
            }
            Value::Object(members) => {
                let mut entries = Vec::new();
                for Member { key, at, value } in members {
                    let scheme = Scheme::parse(&key).ok_or_else(|| self.syntax(at, wrong))?;
                    entries.extend(self.texts(value, &key)?.into_iter().map(|spot| (scheme, spot)));
                }
                Ok(entries)
            }
            _ => Err(self.syntax(node.start, wrong)),
        }
    }

    fn conditions(&self, node: Node) -> Result<Vec<ConditionParts>, DocumentError> {
        let Value::Object(operators) = node.value else {
            return Err(self.syntax(node.start, "Condition is an object of operators"));
        };
        let mut conditions = Vec::new();
        for Member { key: name, at, value } in operators {
            let Value::Object(keys) = value.value else {
                return Err(
                    self.syntax(value.start, "an operator holds an object of condition keys")
                );
            };
            if keys.is_empty() {
                continue; // AWS accepts any name over nothing, and nothing is no condition.
            }
            let Some(operator) = Operator::parse(&name) else {
                return Err(self.syntax(at, format!("\"{name}\" is no condition operator")));
            };
            for Member { key, value, .. } in keys {
                conditions.push(ConditionParts { operator, key, operands: self.operands(value)? });
            }
        }
        Ok(conditions)
    }

    /// Condition values: texts, numbers and booleans, one or several.
    fn operands(&self, node: Node) -> Result<Vec<Spot>, DocumentError> {
        let one = |node: Node| {
            let text = match node.value {
                Value::Text(text) | Value::Number(text) => text,
                Value::Bool(value) => value.to_string(),
                _ => {
                    return Err(self
                        .syntax(node.start, "a condition value is a text, a number or a boolean"));
                }
            };
            Ok(Spot { text, at: node.start })
        };
        match node.value {
            Value::Array(items) => items.into_iter().map(one).collect(),
            _ => Ok(vec![one(node)?]),
        }
    }

    fn check(&self, parts: &Parts, rules: Rules) -> Result<(), DocumentError> {
        let statements = &parts.statements;
        if rules == Rules::New {
            self.version(parts)?;
        }
        for statement in statements {
            self.principal(statement, rules)?;
        }
        for statement in statements {
            self.legacy(statement)?;
        }
        let mut wrong_resource = None;
        if rules == Rules::New {
            wrong_resource = self.resources(statements)?;
            self.sids(statements)?;
        }
        for statement in statements {
            if statement.action.as_ref().is_none_or(|action| action.entries.is_empty()) {
                let detail = "add Action (or NotAction) with at least one entry";
                return Err(self.error(
                    statement.start,
                    "Policy statement must contain actions.",
                    detail,
                ));
            }
        }
        if let Some(error) = wrong_resource {
            return Err(error);
        }
        for spot in
            statements.iter().filter_map(|s| s.action.as_ref()).flat_map(|action| &action.entries)
        {
            self.action(spot)?;
        }
        for statement in statements {
            let missing =
                statement.resource.as_ref().is_none_or(|resource| resource.entries.is_empty());
            if missing && self.kind != DocumentKind::Trust {
                let detail = "add Resource (or NotResource) with at least one entry";
                return Err(self.error(
                    statement.start,
                    "Policy statement must contain resources.",
                    detail,
                ));
            }
        }
        Ok(())
    }

    fn version(&self, parts: &Parts) -> Result<(), DocumentError> {
        let old_is_fine = matches!(
            self.kind,
            DocumentKind::Trust | DocumentKind::Resource | DocumentKind::Endpoint
        );
        if parts.variables || old_is_fine {
            return Ok(());
        }
        let message = "Policy document must be version 2012-10-17 or greater.";
        Err(self.error(0, message, "add \"Version\": \"2012-10-17\""))
    }

    fn principal(&self, statement: &StatementParts, rules: Rules) -> Result<(), DocumentError> {
        let start = statement.start;
        let Some(principal) = &statement.principal else {
            let needed = match self.kind {
                DocumentKind::Trust | DocumentKind::Rcp => true,
                DocumentKind::Resource | DocumentKind::Endpoint => rules == Rules::New,
                _ => false,
            };
            if needed {
                let detail = "say whom the statement is about";
                return Err(self.error(start, "Missing required field Principal", detail));
            }
            return Ok(());
        };
        if !self.kind.has_principal() {
            let detail = "the policy applies to whatever it is attached to; remove the element";
            return Err(self.error(
                principal.at,
                "Policy document should not specify a principal.",
                detail,
            ));
        }
        if principal.entries.is_empty() {
            let detail = "name at least one principal";
            return Err(self.error(
                principal.at,
                "Missing required field Principal cannot be empty!",
                detail,
            ));
        }
        let everyone =
            |(scheme, spot): &(Scheme, Spot)| *scheme == Scheme::Everyone || spot.text == "*";
        if self.kind == DocumentKind::Rcp
            && (principal.not || !principal.entries.iter().all(everyone))
        {
            return Err(
                self.syntax(principal.at, "the Principal of a resource control policy is \"*\"")
            );
        }
        if self.kind == DocumentKind::Trust {
            if let Some(resource) = &statement.resource {
                let detail = "a trust policy is about its own role; remove the element";
                return Err(self.error(resource.at, "Has prohibited field Resource", detail));
            }
            if rules == Rules::New {
                self.trust_actions(statement)?;
            }
        }
        Ok(())
    }

    fn trust_actions(&self, statement: &StatementParts) -> Result<(), DocumentError> {
        let actions = statement.action.iter().flat_map(|action| &action.entries);
        for spot in actions {
            let service = spot.text.split_once(':').map(|(service, _)| service);
            if !service.is_some_and(|service| service.eq_ignore_ascii_case("sts")) {
                let message = "AssumeRole policy may only specify STS AssumeRole actions.";
                return Err(self.error(
                    spot.at,
                    message,
                    format!("\"{}\" is not an sts action", spot.text),
                ));
            }
        }
        Ok(())
    }

    fn legacy(&self, statement: &StatementParts) -> Result<(), DocumentError> {
        let Spot { text, at } = &statement.effect_spot;
        if !matches!(text.as_str(), "Allow" | "Deny") {
            return Err(self.error(
                *at,
                LEGACY,
                "Effect is written \"Allow\" or \"Deny\", in this case",
            ));
        }
        for condition in &statement.conditions {
            for Spot { text, at } in &condition.operands {
                if condition.operator.refuses(text) {
                    let detail =
                        format!("\"{text}\" is no date; write 2026-03-01T12:00:00Z or seconds");
                    return Err(self.error(*at, LEGACY, detail));
                }
            }
        }
        Ok(())
    }

    /// The first mistake in the form of a resource, to be told later; a legacy mistake before it
    /// is told at once.
    fn resources(
        &self,
        statements: &[StatementParts],
    ) -> Result<Option<DocumentError>, DocumentError> {
        for spot in statements.iter().filter_map(|s| s.resource.as_ref()).flat_map(|r| &r.entries) {
            let Spot { text, at } = spot;
            if let Some((message, detail)) = resource_form::mistake(text) {
                return Ok(Some(self.error(*at, message, detail)));
            }
            let short = text != "*" && text.matches(':').count() < 5;
            let rejected =
                matches!(self.kind, DocumentKind::Scp | DocumentKind::Rcp) && !text.ends_with('*');
            if resource_form::fails_legacy(text) || (short && rejected) {
                let detail = format!("\"{text}\" has too few colons; an ARN has six fields");
                return Err(self.error(*at, LEGACY, detail));
            }
        }
        Ok(None)
    }

    fn sids(&self, statements: &[StatementParts]) -> Result<(), DocumentError> {
        let strict = matches!(self.kind, DocumentKind::Identity | DocumentKind::Session);
        let mut seen = BTreeSet::new();
        for Spot { text, at } in statements.iter().filter_map(|statement| statement.sid.as_ref()) {
            if strict && !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                let message = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies \
                               the regular expression [0-9A-Za-z]*";
                return Err(self.error(*at, message, format!("rename \"{text}\"")));
            }
            if !text.is_empty() && !seen.insert(text) {
                let message = "Statement IDs (SID) in a single policy must be unique.";
                return Err(self.error(*at, message, format!("\"{text}\" is used twice")));
            }
        }
        Ok(())
    }

    fn action(&self, spot: &Spot) -> Result<(), DocumentError> {
        let Spot { text, at } = spot;
        if text == "*" {
            return Ok(());
        }
        let Some((vendor, name)) = text.split_once(':') else {
            let message =
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
            return Err(self.error(*at, message, format!("write \"{text}\" as service:Action")));
        };
        if name.contains(':') {
            let detail = format!("\"{text}\" has several");
            return Err(self.error(*at, "Actions/Condition can contain only one colon.", detail));
        }
        let sound = vendor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if !sound && vendor != "*" {
            let detail = "a service prefix has letters, digits, dots and hyphens";
            return Err(self.error(*at, format!("Vendor {vendor} is not valid"), detail));
        }
        Ok(())
    }
}
