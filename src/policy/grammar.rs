//! The grammar of policy documents: from text to parts.
//!
//! Whatever could change a decision must be understood, so an unknown key, operator or principal is
//! an error even in a document that is only evaluated ([`Rules::Stored`]). What else a document has
//! to fulfil, and more when somebody saves it ([`Rules::New`]), is in `rules`.

use super::condition::Operator;
use super::error::{DocumentError, Position};
use super::json::{self, Member, Node, Value};
use super::principal::Scheme;
use super::rules;

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
    /// Just after what stands before it: the bracket or the statement before it, or, where there is but
    /// one and no bracket, its own first brace.
    pub after: usize,
    /// Offsets of the first brace and of the end of the last.
    pub start: usize,
    pub end: usize,
    pub sid: Option<Spot>,
    pub effect: Effect,
    pub effect_spot: Spot,
    pub principal: Option<Choice<(Scheme, Spot)>>,
    pub action: Option<Choice<Spot>>,
    pub resource: Option<Choice<Spot>>,
    pub conditions: Vec<ConditionParts>,
}

#[derive(Debug)]
pub(super) struct ConditionParts {
    pub operator: Operator,
    /// The operator as written.
    pub operator_spot: Spot,
    pub key: String,
    pub key_at: usize,
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
    rules::check(&reading, &parts, rules)?;
    Ok(parts)
}

/// A document being read; makes its errors.
pub(super) struct Reading<'t> {
    text: &'t str,
    pub kind: DocumentKind,
}

const SYNTAX: &str = "Syntax errors in policy.";

impl Reading<'_> {
    pub fn error(
        &self,
        at: usize,
        message: impl Into<String>,
        detail: impl Into<String>,
    ) -> DocumentError {
        DocumentError::new(message, detail, Position::of(self.text, at))
    }

    pub fn syntax(&self, at: usize, detail: impl Into<String>) -> DocumentError {
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
            Value::Object(members) => {
                Ok(vec![self.statement(node.start + 1, (node.start, node.end), members)?])
            }
            Value::Array(items) => {
                let mut before = node.start + 1;
                let each = |item: Node| {
                    let after = std::mem::replace(&mut before, item.end);
                    match item.value {
                        Value::Object(members) => {
                            self.statement(after, (item.start, item.end), members)
                        }
                        _ => Err(self.syntax(item.start, "a statement is a JSON object")),
                    }
                };
                items.into_iter().map(each).collect()
            }
            _ => Err(self.syntax(node.start, "Statement is an object or an array of objects")),
        }
    }

    fn statement(
        &self,
        after: usize,
        (start, end): (usize, usize),
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
            after,
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
            for Member { key, at: key_at, value } in keys {
                let operands = self.operands(value)?;
                let operator_spot = Spot { text: name.clone(), at };
                conditions.push(ConditionParts { operator, operator_spot, key, key_at, operands });
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
}
