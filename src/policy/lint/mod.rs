//! What is wrong with a document, and what is suspicious in it.
//!
//! Errors are AWS's: what CreatePolicy, or whatever saves a document of that kind, refuses it with.
//! Warnings are ours: a document says more than its author is likely to mean (`principals`, `broad`), or
//! something in it can never match, going by the [catalogue](super::catalogue) (`actions`, `resources`,
//! `conditions`), or one statement makes another idle (`statements`). A warning is given where the matter
//! is certain as far as the catalogue is right; services that it does not have are left alone once
//! they are [named](Options::services).

mod actions;
mod broad;
mod conditions;
mod principals;
mod resources;
mod statements;

use super::document::Document;
use super::error::{DocumentError, Locator, Position};
use super::grammar::{self, DocumentKind, Parts, Rules, Spot, StatementParts};
use super::json::{self, Value};
use actions::Actions;

/// Most findings about one document; what is so wrong is not read to the end.
pub const MOST_FINDINGS: usize = 1_000;
/// The longest document that is searched for what is suspicious, in characters other than white space. No
/// policy of AWS's may be longer.
const LONGEST: usize = 32_768;

/// What a document is for, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A managed or inline policy of a user, group or role.
    Identity,
    /// A role's trust policy.
    Trust,
    /// A policy on any other resource.
    Resource,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
    /// A permissions boundary.
    Boundary,
    /// A policy passed when a session is made.
    Session,
    /// A VPC endpoint policy.
    Endpoint,
}

impl Kind {
    fn document(self) -> DocumentKind {
        match self {
            Kind::Identity | Kind::Boundary => DocumentKind::Identity,
            Kind::Trust => DocumentKind::Trust,
            Kind::Resource => DocumentKind::Resource,
            Kind::Session => DocumentKind::Session,
            Kind::Scp => DocumentKind::Scp,
            Kind::Rcp => DocumentKind::Rcp,
            Kind::Endpoint => DocumentKind::Endpoint,
        }
    }

    /// Whether an Allow grants by itself, rather than bounding what something else grants.
    fn grants(self) -> bool {
        matches!(self, Kind::Identity | Kind::Trust | Kind::Resource)
    }

    /// The name and the number in AWS's refusal of what is too long; white space is not counted. Inline
    /// policies and session policies are shorter; resources have limits of their own.
    fn quota(self) -> Option<(&'static str, usize)> {
        match self {
            Kind::Identity | Kind::Boundary => Some(("PolicySize", 6_144)),
            Kind::Trust => Some(("ACLSizePerRole", 2_048)),
            Kind::Session => Some(("PolicySize", 2_048)),
            Kind::Scp | Kind::Rcp => Some(("PolicySize", 5_120)),
            Kind::Resource | Kind::Endpoint => None,
        }
    }
}

/// What a document is likely to be for: with `Principal` a trust policy, or a resource's policy if it also
/// has `Resource`; otherwise an identity policy.
pub fn guess(text: &str) -> Kind {
    let Ok(json::Node { value: Value::Object(members), .. }) = json::read(text) else {
        return Kind::Identity;
    };
    let mut kind = Kind::Identity;
    let statements = members.iter().filter(|member| member.key == "Statement");
    for node in statements.flat_map(|member| match &member.value.value {
        Value::Array(items) => items.iter().collect(),
        _ => vec![&member.value],
    }) {
        let Value::Object(elements) = &node.value else { continue };
        let has = |name: &str| elements.iter().any(|member| member.key.ends_with(name));
        match (has("Principal"), has("Resource")) {
            (true, true) => return Kind::Resource,
            (true, false) => kind = Kind::Trust,
            (false, _) => {}
        }
    }
    kind
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// AWS refuses the document.
    Error,
    /// It is accepted, and likely not what is meant.
    Warning,
}

impl Severity {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something found in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// What kind of finding it is: AWS's error code, or a name of ours such as `unknown-action`.
    pub code: &'static str,
    /// What is wrong; of an error, AWS's sentence.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// Where.
    pub position: Position,
}

/// How to look at a document.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it is for; `None` guesses.
    pub kind: Option<Kind>,
    /// Services that the catalogue does not have, whose actions and keys are taken on trust; lower case.
    pub services: Vec<String>,
}

/// Everything found in a document, in the order of the text.
pub fn lint(text: &str, options: &Options) -> Vec<Finding> {
    let kind = options.kind.unwrap_or_else(|| guess(text));
    let mut findings = Vec::new();
    let length = text.chars().filter(|character| !character.is_whitespace()).count();
    if let Err(error) = Document::parse_new(text, kind.document()) {
        findings.push(refusal(&error));
    } else if let Some((name, most)) = kind.quota().filter(|(_, most)| length > *most) {
        findings.push(Finding {
            severity: Severity::Error,
            code: "LimitExceeded",
            message: format!("Cannot exceed quota for {name}: {most}"),
            advice: format!("it has {length} characters without white space; split it"),
            position: Position { line: 1, column: 1 },
        });
    }
    // A document that AWS refuses for a rule is searched all the same, if it can be understood.
    if length <= LONGEST
        && let Ok(parts) = grammar::read(text, kind.document(), Rules::Stored)
    {
        let mut linter = Linter { kind, options, found: Vec::new(), suggestions: 0 };
        linter.document(&parts);
        let Linter { mut found, .. } = linter;
        found.sort_by_key(|(at, _)| *at);
        let mut locator = Locator::new(text);
        findings.extend(
            found
                .into_iter()
                .take(MOST_FINDINGS)
                .map(|(at, finding)| Finding { position: locator.seek(at), ..finding }),
        );
    }
    findings
}

fn refusal(error: &DocumentError) -> Finding {
    Finding {
        severity: Severity::Error,
        code: error.code(),
        message: error.message().to_owned(),
        advice: error.detail().to_owned(),
        position: error.position(),
    }
}

/// A search for what is suspicious.
struct Linter<'o> {
    kind: Kind,
    options: &'o Options,
    /// With the byte where it was found.
    found: Vec<(usize, Finding)>,
    suggestions: usize,
}

/// One statement and what its actions stand for.
struct Looked<'p> {
    parts: &'p StatementParts,
    actions: Actions<'p>,
    variables: bool,
}

impl Linter<'_> {
    fn warn(
        &mut self,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let finding = Finding {
            severity: Severity::Warning,
            code,
            message: message.into(),
            advice: advice.into(),
            position: Position::default(),
        };
        if self.found.len() <= MOST_FINDINGS {
            self.found.push((at, finding));
        }
    }

    fn document(&mut self, parts: &Parts) {
        for statement in &parts.statements {
            let actions = self.actions(statement);
            let looked = Looked { parts: statement, actions, variables: parts.variables };
            self.principals(&looked);
            self.broad(&looked);
            self.resources(&looked);
            self.conditions(&looked);
        }
        self.statements(&parts.statements);
    }

    /// Whether nothing is to be said of this service because the user vouches for it.
    fn is_trusted(&self, prefix: &str) -> bool {
        self.options.services.iter().any(|service| service.eq_ignore_ascii_case(prefix))
    }

    /// What to do about a name that is not known: the nearest one, or the sentence given. Looking for near
    /// names takes time, so that only so many are looked for.
    fn suggest<'n>(
        &mut self,
        wrong: &str,
        names: impl Iterator<Item = &'n str>,
        format: impl Fn(&str) -> String,
        otherwise: &str,
    ) -> String {
        const MOST: usize = 100;
        self.suggestions += 1;
        let near =
            (self.suggestions <= MOST).then(|| super::catalogue::nearest(wrong, names)).flatten();
        near.map_or_else(|| otherwise.to_owned(), |name| format!("did you mean {}?", format(name)))
    }
}

/// Whether the text is stars and nothing else: everything.
fn is_all(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'*')
}

/// The first few of several names, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The inner texts of `${...}`; `None` for one without an end.
fn variables(text: &str) -> impl Iterator<Item = Option<&str>> {
    text.split("${").skip(1).map(|rest| rest.split_once('}').map(|(inner, _)| inner))
}

/// Whether `${...}` is a key, rather than a character that would otherwise be a wildcard.
fn is_key(inner: &str) -> bool {
    !matches!(inner, "*" | "?" | "$")
}

impl Linter<'_> {
    /// The variables in a resource or a condition value. `head` is how much of the text no variable can
    /// stand in.
    fn variables(&mut self, spot: &Spot, looked: &Looked<'_>, head: usize) {
        let Spot { text, at } = spot;
        let mut keys = variables(text);
        if !looked.variables {
            if keys.any(|inner| inner.is_none_or(is_key)) {
                self.warn(
                    *at,
                    "variable-in-old-version",
                    format!("in a document of version 2008-10-17, {text} is plain text"),
                    "write \"Version\": \"2012-10-17\" to have variables replaced",
                );
            }
            return;
        }
        if text.get(..head).is_some_and(|head| head.contains("${")) {
            let advice = "name the account or region, or write * there";
            let message =
                format!("only the last field of a resource's ARN can hold variables: {text}");
            self.warn(*at, "variable-out-of-place", message, advice);
            return;
        }
        for inner in keys {
            match inner {
                None => {
                    let message =
                        format!("the variable in {text} has no end, so that it is plain text");
                    self.warn(*at, "open-variable", message, "close it: ${aws:username}");
                }
                Some(inner) if is_key(inner) => {
                    let key = inner.split_once(',').map_or(inner, |(key, _)| key).trim();
                    self.known_key(key, *at);
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
