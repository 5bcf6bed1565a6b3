//! What the published model demands of an operation's parameters, checked before anything else
//! looks at them.
//!
//! Shapes are Rust, limits are data: lengths, ranges, patterns, enumerations and required members
//! stand in `fixtures/model/`, taken from the description of IAM and STS that AWS publishes. They
//! are checked on the untyped form, so that one answer lists every violation, as AWS does:
//!
//! ```text
//! 2 validation errors detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member
//! must have length greater than or equal to 2; Value null at 'roleArn' failed ...
//! ```
//!
//! Names in messages begin with a small letter; elements of a list of structures are
//! `tags.1.member.key`. A list of plain values is judged as a whole and quotes all that its members
//! must satisfy. Values of sensitive types, and very long ones, are not repeated; IAM, as it answers
//! since 2025, repeats none (`Value at 'userName' failed ...`), STS still does.
//!
//! IAM checks the characters of names and paths elsewhere, after everything else and one at a time,
//! in a sentence of its own (`OWN_SENTENCES`).
//!
//! The same data is the judge of our operations: a test holds their fields, required marks and
//! errors against [`Model`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::fault::Fault;
use super::operation::Api;
use crate::base::form_tree::{Form, FormError};

#[cfg(test)]
mod tests;

/// The longest value that a message repeats, in characters.
const LONGEST_ECHO: usize = 2_048;

/// IAM's own sentences for the patterns of names and paths. Source: answers of IAM as reported by
/// its users (`ValidationError: The specified value for userName is invalid. ...`).
///
/// A prefix of paths has three types in the model, and one sentence (`PREFIX_SENTENCE`).
const OWN_SENTENCES: &[(&str, &str)] = &[
    (r"[\w+=,.@-]+", "It must contain only alphanumeric characters and/or the following: +=,.@_-"),
    (
        r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)",
        "It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    ),
    (
        r"((/[A-Za-z0-9\.,\+@=_-]+)*)/",
        "It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    ),
];

/// What a prefix of paths is refused with, whatever its type: by ListPolicies (aws/aws-sdk 36) as by ListRoles
/// (ansible-collections/amazon.aws 2065).
const PREFIX_SENTENCE: &str = "It must begin with the / character and contain only alphanumeric characters and/or / characters.";

/// IAM's own sentence about a value at `path` that a pattern refuses, where it has one.
fn own_sentence(path: &str, pattern: &str) -> Option<&'static str> {
    if path == "pathPrefix" {
        return Some(PREFIX_SENTENCE);
    }
    OWN_SENTENCES.iter().find(|(own, _)| *own == pattern).map(|(_, sentence)| *sentence)
}

static IAM: LazyLock<Result<Model, String>> =
    LazyLock::new(|| Model::read(include_str!("../../fixtures/model/iam.json")));
static STS: LazyLock<Result<Model, String>> =
    LazyLock::new(|| Model::read(include_str!("../../fixtures/model/sts.json")));

/// The published model of a service.
///
/// # Errors
/// `ServiceFailure` if the data that was built in cannot be read.
pub fn model(api: Api) -> Result<&'static Model, Fault> {
    let read = match api {
        Api::Iam => &*IAM,
        Api::Sts => &*STS,
    };
    read.as_ref().map_err(Fault::internal)
}

/// Holds the parameters of a request against the published model.
///
/// # Errors
/// `ValidationError` with every violation; `MalformedInput` where a parameter has the wrong shape,
/// such as text for a number.
pub fn check(api: Api, operation: &str, form: &Form) -> Result<(), Fault> {
    model(api)?.check(operation, form)
}

/// The published description of one service.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// `iam`, `sts`.
    pub service: String,
    /// The version that requests carry: `2010-05-08`.
    pub version: String,
    /// The XML namespace of the answers.
    pub namespace: String,
    /// By name: `CreateUser`.
    pub operations: BTreeMap<String, Operation>,
    /// By the model's own names: `userNameType`.
    pub types: BTreeMap<String, Type>,
    /// By the code that goes over the wire: `NoSuchEntity`.
    pub errors: BTreeMap<String, DeclaredError>,
    /// Compiled on first use; many types share a pattern.
    #[serde(skip)]
    patterns: BTreeMap<String, OnceLock<Option<Regex>>>,
}

/// One operation: names of types and errors.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// The structure of its parameters; `None` if it takes none.
    pub input: Option<String>,
    /// The structure of its result; `None` if it answers nothing but success.
    pub output: Option<String>,
    /// The codes of the errors that it declares.
    #[serde(default)]
    pub errors: Vec<String>,
    /// The members of the result that come in pages; empty if it does not page.
    #[serde(default)]
    pub pages: Vec<String>,
    /// Whether it is called without a signature.
    #[serde(default)]
    pub unsigned: bool,
}

/// One declared error.
#[derive(Debug, Deserialize)]
pub struct DeclaredError {
    /// The HTTP status.
    pub status: u16,
    /// `Sender` or `Receiver`.
    pub fault: String,
}

/// One type of the model.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Text.
    String(Text),
    /// A whole number.
    Integer(Range),
    /// `true` or `false`.
    Boolean {},
    /// An instant.
    Timestamp {},
    /// Bytes, base64 on the wire.
    Blob {
        /// Whether the value must not be shown.
        #[serde(default)]
        sensitive: bool,
    },
    /// `NAME.member.N`.
    List {
        /// The type of the elements.
        of: String,
        /// How many elements.
        #[serde(flatten)]
        length: Range,
    },
    /// `NAME.entry.N.key` and `.value`.
    Map {
        /// The type of the keys.
        key: String,
        /// The type of the values.
        value: String,
        /// How many entries.
        #[serde(flatten)]
        length: Range,
    },
    /// Named members.
    Structure {
        /// Names and types, in the model's order.
        #[serde(deserialize_with = "in_order")]
        fields: Vec<(String, String)>,
        /// The names of those that must be given.
        #[serde(default)]
        required: BTreeSet<String>,
    },
}

/// Inclusive bounds of a number, or of a length in characters or elements.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub struct Range {
    /// The least.
    pub min: Option<i64>,
    /// The most.
    pub max: Option<i64>,
}

/// What is demanded of a text.
#[derive(Debug, Deserialize)]
pub struct Text {
    /// Its length in characters.
    #[serde(flatten)]
    pub length: Range,
    /// AWS's pattern, for the message.
    pub pattern: Option<String>,
    /// The pattern as our matcher must have it, where it differs.
    matcher: Option<String>,
    /// The only values allowed; empty if any is.
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    /// Whether the value must not be shown.
    #[serde(default)]
    pub sensitive: bool,
}

/// A JSON object whose order matters.
fn in_order<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, String)>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of names and types")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs)
}

impl Text {
    fn matcher(&self) -> Option<&str> {
        self.matcher.as_deref().or(self.pattern.as_deref())
    }
}

impl Model {
    fn read(json: &str) -> Result<Model, String> {
        let mut model: Model = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for shape in model.types.values() {
            if let Type::String(text) = shape
                && let Some(matcher) = text.matcher()
            {
                model.patterns.entry(matcher.to_owned()).or_default();
            }
        }
        Ok(model)
    }

    /// The members of an operation's input, in order: name, type, whether it is required.
    pub fn inputs(&self, operation: &str) -> Vec<(&str, &Type, bool)> {
        self.members(self.operations.get(operation).and_then(|op| op.input.as_deref()))
    }

    /// The members of an operation's result, in order.
    pub fn outputs(&self, operation: &str) -> Vec<(&str, &Type, bool)> {
        self.members(self.operations.get(operation).and_then(|op| op.output.as_deref()))
    }

    fn members(&self, structure: Option<&str>) -> Vec<(&str, &Type, bool)> {
        let Some(Type::Structure { fields, required }) =
            structure.and_then(|name| self.types.get(name))
        else {
            return Vec::new();
        };
        fields
            .iter()
            .filter_map(|(name, of)| {
                Some((name.as_str(), self.types.get(of)?, required.contains(name)))
            })
            .collect()
    }

    /// The parameters of a request that the operation does not know; AWS ignores them.
    pub fn unknown_names<'a>(&self, operation: &str, form: &'a Form) -> Vec<&'a str> {
        let known: BTreeSet<&str> = self.inputs(operation).iter().map(|(name, ..)| *name).collect();
        let protocol = ["Action", "Version"];
        form.names().filter(|name| !known.contains(name) && !protocol.contains(name)).collect()
    }

    fn check(&self, operation: &str, form: &Form) -> Result<(), Fault> {
        let Some(row) = self.operations.get(operation) else {
            return Err(Fault::internal(format!("the model has no operation {operation}")));
        };
        let Some(input) = row.input.as_deref() else { return Ok(()) };
        let mut check = Check { model: self, violations: Vec::new(), own_sentence: None };
        check
            .value(input, form, "")
            .map_err(|malformed| Fault::new("MalformedInput", 400, format!("{malformed}.")))?;
        check.verdict()
    }

    /// Whether a text keeps all its limits.
    fn satisfies(&self, limits: &Text, text: &str) -> bool {
        out_of(limits.length, length(text), "length").is_empty()
            && limits.matcher().is_none_or(|matcher| self.matches(matcher, text))
            && (limits.values.is_empty() || limits.values.iter().any(|value| value == text))
    }

    /// Whether a pattern takes the whole of a text. A pattern that cannot be compiled takes none;
    /// a test compiles all.
    fn matches(&self, matcher: &str, text: &str) -> bool {
        let compile = || Regex::new(&format!(r"\A(?:{matcher})\z")).ok();
        let compiled =
            self.patterns.get(matcher).and_then(|once| once.get_or_init(compile).as_ref());
        compiled.is_some_and(|regex| regex.is_match(text))
    }
}

/// A walk over one request.
struct Check<'a> {
    model: &'a Model,
    violations: Vec<String>,
    own_sentence: Option<String>,
}

/// A parameter that has not the shape of its type.
struct Malformed {
    path: String,
    problem: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value at '{}' is malformed: {}", self.path, self.problem)
    }
}

impl Malformed {
    fn at(path: &str, problem: impl fmt::Display) -> Self {
        Malformed { path: path.to_owned(), problem: problem.to_string() }
    }
}

impl Check<'_> {
    fn verdict(self) -> Result<(), Fault> {
        let count = self.violations.len();
        if count > 0 {
            let errors = if count == 1 { "error" } else { "errors" };
            let all = self.violations.join("; ");
            return Err(Fault::validation(format!("{count} validation {errors} detected: {all}")));
        }
        self.own_sentence.map_or(Ok(()), |sentence| Err(Fault::validation(sentence)))
    }

    /// Whether the service repeats the values that it refuses.
    fn repeats(&self) -> bool {
        self.model.service != "iam"
    }

    /// Records that the value at `path` (quoted unless `None`) breaks `constraint`.
    fn violated(&mut self, value: Option<&str>, path: &str, constraint: &str) {
        let short = |value: &&str| value.chars().nth(LONGEST_ECHO).is_none();
        let value = match value.filter(short).filter(|_| self.repeats()) {
            Some(value) => format!("Value '{value}'"),
            None => "Value".to_owned(),
        };
        self.violations
            .push(format!("{value} at '{path}' failed to satisfy constraint: {constraint}"));
    }

    /// Records that there is no value at `path`, where there must be one.
    fn missing(&mut self, path: &str) {
        let value = if self.repeats() { "Value null" } else { "Value" };
        self.violations.push(format!(
            "{value} at '{path}' failed to satisfy constraint: Member must not be null"
        ));
    }

    fn value(&mut self, of: &str, form: &Form, path: &str) -> Result<(), Malformed> {
        let model = self.model;
        let Some(shape) = model.types.get(of) else {
            return Err(Malformed::at(path, format!("the model has no type {of}")));
        };
        match shape {
            Type::String(text) => self.text(text, leaf(form, path)?, path),
            Type::Integer(range) => {
                let text = leaf(form, path)?;
                let Ok(number) = text.parse::<i64>() else {
                    return Err(Malformed::at(path, "it must be a whole number"));
                };
                for constraint in out_of(*range, number, "value") {
                    self.violated(Some(text), path, &constraint);
                }
            }
            Type::Boolean {} => {
                if !matches!(leaf(form, path)?, "true" | "false") {
                    return Err(Malformed::at(path, "it must be true or false"));
                }
            }
            Type::Timestamp {} | Type::Blob { .. } => {
                leaf(form, path)?;
            }
            Type::List { of, length } => self.list(of, *length, form, path)?,
            Type::Map { key, value, length } => self.map(key, value, *length, form, path)?,
            Type::Structure { fields, required } => {
                if form.text().is_some_and(|text| !text.is_empty()) {
                    return Err(Malformed::at(path, "it must have named parts"));
                }
                for (name, of) in fields {
                    let below = member_path(path, name);
                    match form.get(name) {
                        Some(form) => self.value(of, form, &below)?,
                        None if required.contains(name) => self.missing(&below),
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, limits: &Text, text: &str, path: &str) {
        let shown = (!limits.sensitive).then_some(text);
        for constraint in out_of(limits.length, length(text), "length") {
            self.violated(shown, path, &constraint);
        }
        if let (Some(pattern), Some(matcher)) = (&limits.pattern, limits.matcher())
            && !self.model.matches(matcher, text)
        {
            let own = own_sentence(path, pattern);
            match own.filter(|_| self.model.service == "iam") {
                Some(sentence) => {
                    let sentence = format!("The specified value for {path} is invalid. {sentence}");
                    self.own_sentence.get_or_insert(sentence);
                }
                None => self.violated(shown, path, &pattern_constraint(pattern)),
            }
        }
        if !limits.values.is_empty() && !limits.values.iter().any(|value| value == text) {
            self.violated(shown, path, &enum_constraint(&limits.values));
        }
    }

    fn list(&mut self, of: &str, range: Range, form: &Form, path: &str) -> Result<(), Malformed> {
        let model = self.model;
        let elements = form.elements().map_err(|error| Malformed::at(path, error))?;
        let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        let plain = match model.types.get(of) {
            Some(Type::String(limits)) => Some(limits),
            _ => None,
        };
        let mut shown = None;
        let mut keep = true;
        if let Some(limits) = plain {
            let mut texts = Vec::with_capacity(elements.len());
            for (index, (_, element)) in elements.iter().enumerate() {
                let text = leaf(element, &format!("{path}.{}.member", index + 1))?;
                keep &= model.satisfies(limits, text);
                texts.push(text);
            }
            shown = (!limits.sensitive).then(|| format!("[{}]", texts.join(", ")));
        } else {
            for (index, (_, element)) in elements.iter().enumerate() {
                self.value(of, element, &format!("{path}.{}.member", index + 1))?;
            }
        }
        for constraint in out_of(range, count, "length") {
            self.violated(shown.as_deref(), path, &constraint);
        }
        if let Some(limits) = plain.filter(|_| !keep) {
            let all = format!("Member must satisfy constraint: [{}]", all_constraints(limits));
            self.violated(shown.as_deref(), path, &all);
        }
        Ok(())
    }

    fn map(
        &mut self,
        key: &str,
        value: &str,
        range: Range,
        form: &Form,
        path: &str,
    ) -> Result<(), Malformed> {
        let model = self.model;
        let entries = form.entries().map_err(|error: FormError| Malformed::at(path, error))?;
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        for constraint in out_of(range, count, "length") {
            self.violated(None, path, &constraint);
        }
        if let Some(Type::String(limits)) = model.types.get(key)
            && !entries.iter().all(|(key, _)| model.satisfies(limits, key))
        {
            let all = format!("Map keys must satisfy constraint: [{}]", all_constraints(limits));
            self.violated(None, path, &all);
        }
        for (key, form) in entries {
            self.value(value, form, &format!("{path}.{key}.member"))?;
        }
        Ok(())
    }
}

fn leaf<'a>(form: &'a Form, path: &str) -> Result<&'a str, Malformed> {
    form.text().ok_or_else(|| Malformed::at(path, "it must be a single value"))
}

/// Lengths are counted in characters, not in bytes.
fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// `path.name` with the name's first letter small, as AWS writes it: `userName`, `sAMLAssertion`.
fn member_path(path: &str, name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let name: String = first.into_iter().chain(letters).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The bounds that a number or length (`what`) breaks, in AWS's words.
fn out_of(range: Range, number: i64, what: &str) -> Vec<String> {
    let below = range.min.filter(|min| number < *min);
    let above = range.max.filter(|max| number > *max);
    let below = below.map(|min| at_least(what, min));
    below.into_iter().chain(above.map(|max| at_most(what, max))).collect()
}

fn at_least(what: &str, min: i64) -> String {
    format!("Member must have {what} greater than or equal to {min}")
}

fn at_most(what: &str, max: i64) -> String {
    format!("Member must have {what} less than or equal to {max}")
}

fn pattern_constraint(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn enum_constraint(values: &[String]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// All that is demanded of a list's members, broken or not, as AWS quotes it.
fn all_constraints(limits: &Text) -> String {
    let mut all = Vec::new();
    all.extend(limits.length.max.map(|max| at_most("length", max)));
    all.extend(limits.length.min.map(|min| at_least("length", min)));
    all.extend(limits.pattern.as_deref().map(pattern_constraint));
    if !limits.values.is_empty() {
        all.push(enum_constraint(&limits.values));
    }
    all.push("Member must not be null".to_owned());
    all.join(", ")
}
