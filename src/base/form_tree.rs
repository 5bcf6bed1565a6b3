//! The untyped tree of a request's parameters, and reading typed values from it.
//!
//! The AWS Query protocol flattens nested input into dotted names. Folded back they make a tree:
//!
//! ```text
//! UserName=alice                      UserName ─ "alice"
//! Tags.member.1.Key=team              Tags ─ member ─ 1 ─┬ Key ─ "team"
//! Tags.member.1.Value=red                                └ Value ─ "red"
//! ```
//!
//! A [`Form`] is one node of it: a text *or* named children. What a node means - list, map,
//! structure, number - only its reader knows: limits are checked against the tree
//! ([`Form::elements`], [`Form::entries`]), then the typed input is read from it
//! ([`Form::read`], by serde). Lists are `member.N`, maps `entry.N.key` and `entry.N.value`; both
//! are ordered by number, and gaps between numbers mean nothing. An empty text is also an empty
//! list, map or structure (`Tags=`).
//!
//! Every bound on what a stranger can make us build stands here; forms may hold passwords, so that
//! neither their `Debug` nor an error shows a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

/// The most dotted parts that a parameter name may have.
pub const MAX_DEPTH: usize = 12;

/// The longest parameter name, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The highest number of a list element or map entry.
pub const MAX_INDEX: usize = 1_000;

/// One node of a request's parameters; the root is the whole request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    text: Option<String>,
    children: BTreeMap<String, Form>,
}

/// Parameters that do not make a tree, or not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A name longer than [`MAX_NAME_BYTES`].
    #[error("a parameter name is longer than {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// A name with more parts than [`MAX_DEPTH`].
    #[error("the parameter name {0} has more than {MAX_DEPTH} parts")]
    TooDeep(String),
    /// A name that is empty, or has an empty part.
    #[error("a parameter name is empty or has an empty part")]
    EmptyName,
    /// The same name twice.
    #[error("the parameter {0} occurs more than once")]
    Repeated(String),
    /// `Tags=x` beside `Tags.member.1=y`.
    #[error("the parameter {0} has both a value and parts")]
    ValueAndParts(String),
    /// The tree is well-formed but holds something else than was expected there.
    #[error("{}", describe(.path, .problem))]
    Unexpected {
        /// Where, dotted; empty for the request as a whole.
        path: String,
        /// What is wrong; never the value itself.
        problem: String,
    },
}

fn describe(path: &str, problem: &str) -> String {
    if path.is_empty() { problem.to_owned() } else { format!("{path}: {problem}") }
}

impl FormError {
    fn unexpected(problem: impl Into<String>) -> Self {
        FormError::Unexpected { path: String::new(), problem: problem.into() }
    }

    /// Says that the error lies below `name`.
    fn below(self, name: &str) -> Self {
        match self {
            FormError::Unexpected { path, problem } => {
                let path = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
                FormError::Unexpected { path, problem }
            }
            other => other,
        }
    }
}

impl Form {
    /// Adds one parameter under its dotted name.
    ///
    /// # Errors
    /// Names that are too long, too deep, empty in part, repeated, or at odds with another.
    pub fn insert(&mut self, name: &str, value: String) -> Result<(), FormError> {
        if name.len() > MAX_NAME_BYTES {
            return Err(FormError::NameTooLong);
        }
        if name.split('.').count() > MAX_DEPTH {
            return Err(FormError::TooDeep(name.to_owned()));
        }
        let mut node = self;
        for part in name.split('.') {
            if part.is_empty() {
                return Err(FormError::EmptyName);
            }
            if node.text.is_some() {
                return Err(FormError::ValueAndParts(name.to_owned()));
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        if !node.children.is_empty() {
            return Err(FormError::ValueAndParts(name.to_owned()));
        }
        if node.text.replace(value).is_some() {
            return Err(FormError::Repeated(name.to_owned()));
        }
        Ok(())
    }

    /// The value, if this node is a leaf.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The child of this name.
    pub fn get(&self, name: &str) -> Option<&Form> {
        self.children.get(name)
    }

    /// The value of the leaf of this name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Form::text)
    }

    /// Removes the child of this name and gives its value, if it was a leaf.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        self.children.remove(name).and_then(|form| form.text)
    }

    /// The names of the children, in order. What an operation does not know of is among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.children.keys().map(String::as_str)
    }

    /// This node as a list: its elements with their numbers, in ascending order.
    ///
    /// # Errors
    /// If the node is no list, or a number is not within 1 to [`MAX_INDEX`].
    pub fn elements(&self) -> Result<Vec<(usize, &Form)>, FormError> {
        self.numbered("member", "a list, written as NAME.member.N")
    }

    /// This node as a map: keys and values, in the order of their numbers.
    ///
    /// # Errors
    /// If the node is no map, a number is out of range, a key or value is missing, or a key
    /// occurs twice.
    pub fn entries(&self) -> Result<Vec<(&str, &Form)>, FormError> {
        let numbered = self.numbered("entry", "a map, written as NAME.entry.N.key and .value")?;
        let mut entries = Vec::with_capacity(numbered.len());
        let mut seen = BTreeSet::new();
        for (_, entry) in numbered {
            let (Some(key), Some(value)) = (entry.text_of("key"), entry.get("value")) else {
                return Err(FormError::unexpected("each entry needs a key and a value"));
            };
            if !seen.insert(key) {
                return Err(FormError::unexpected("a key occurs more than once"));
            }
            entries.push((key, value));
        }
        Ok(entries)
    }

    fn numbered(&self, group: &str, expected: &str) -> Result<Vec<(usize, &Form)>, FormError> {
        if self.is_empty_value() {
            return Ok(Vec::new());
        }
        let Some(numbered) = self.get(group).filter(|_| self.children.len() == 1) else {
            return Err(FormError::unexpected(format!("expected {expected}")));
        };
        let mut found = Vec::with_capacity(numbered.children.len());
        for (name, form) in &numbered.children {
            let plain = !name.starts_with(['0', '+']);
            match name.parse::<usize>() {
                Ok(index) if plain && index <= MAX_INDEX => found.push((index, form)),
                _ => {
                    let problem = format!("elements are numbered 1 to {MAX_INDEX}");
                    return Err(FormError::unexpected(problem).below(group));
                }
            }
        }
        if found.is_empty() {
            return Err(FormError::unexpected(format!("expected {expected}")));
        }
        found.sort_unstable_by_key(|(index, _)| *index);
        Ok(found)
    }

    fn is_empty_value(&self) -> bool {
        self.children.is_empty() && self.text.as_deref().is_none_or(str::is_empty)
    }

    /// Reads a typed value: structures by field name, lists, maps, options (absent is `None`),
    /// enums by name, texts, whole and other numbers, `true` and `false`. Names that the type does
    /// not know are passed over.
    ///
    /// # Errors
    /// [`FormError::Unexpected`], with the dotted name of the parameter at fault.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FormError> {
        T::deserialize(Reader(self))
    }
}

/// Names only.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_some() {
            f.write_str("***")
        } else {
            f.debug_map().entries(&self.children).finish()
        }
    }
}

/// serde's messages, without the values that it would repeat.
impl de::Error for FormError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        FormError::unexpected(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        FormError::unexpected(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        FormError::unexpected(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        FormError::unexpected(format!("expected one of {}", expected.join(", ")))
    }
}

/// A node, as serde reads it.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Form);

impl<'a> Reader<'a> {
    fn leaf(self) -> Result<&'a str, FormError> {
        self.0.text().ok_or_else(|| FormError::unexpected("expected a single value"))
    }

    fn parsed<T: std::str::FromStr>(self, expected: &str) -> Result<T, FormError> {
        let parsed = self.leaf()?.parse();
        parsed.map_err(|_| FormError::unexpected(format!("expected {expected}")))
    }
}

macro_rules! read_numbers {
    ($($method:ident $visit:ident $expected:literal;)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
            visitor.$visit(self.parsed($expected)?)
        }
    )*};
}

impl<'a> de::Deserializer<'a> for Reader<'a> {
    type Error = FormError;

    read_numbers! {
        deserialize_bool visit_bool "true or false";
        deserialize_i8 visit_i8 "a whole number";
        deserialize_i16 visit_i16 "a whole number";
        deserialize_i32 visit_i32 "a whole number";
        deserialize_i64 visit_i64 "a whole number";
        deserialize_u8 visit_u8 "a whole number, not negative";
        deserialize_u16 visit_u16 "a whole number, not negative";
        deserialize_u32 visit_u32 "a whole number, not negative";
        deserialize_u64 visit_u64 "a whole number, not negative";
        deserialize_f32 visit_f32 "a number";
        deserialize_f64 visit_f64 "a number";
        deserialize_char visit_char "one character";
    }

    /// For types that take what comes: a text, or a structure.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        match self.0.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_map(Fields::of(self.0)),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_borrowed_str(self.leaf()?)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_seq(Elements(self.0.elements()?.into_iter()))
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_map(Fields { rest: self.0.entries()?.into_iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        if self.0.text().is_some_and(|text| !text.is_empty()) {
            return Err(FormError::unexpected("expected named parts, found a single value"));
        }
        visitor.visit_map(Fields::of(self.0))
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_enum(self.leaf()?.into_deserializer())
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// Names with nodes: the children of a structure or the entries of a map.
struct Fields<'a> {
    rest: std::vec::IntoIter<(&'a str, &'a Form)>,
    value: Option<(&'a str, &'a Form)>,
}

impl<'a> Fields<'a> {
    fn of(form: &'a Form) -> Self {
        let children: Vec<_> =
            form.children.iter().map(|(name, form)| (name.as_str(), form)).collect();
        Fields { rest: children.into_iter(), value: None }
    }
}

impl<'a> de::MapAccess<'a> for Fields<'a> {
    type Error = FormError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FormError> {
        self.value = self.rest.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, FormError> {
        let Some((name, form)) = self.value.take() else {
            return Err(FormError::unexpected("a value was read before its name"));
        };
        seed.deserialize(Reader(form)).map_err(|error| error.below(name))
    }
}

struct Elements<'a>(std::vec::IntoIter<(usize, &'a Form)>);

impl<'a> de::SeqAccess<'a> for Elements<'a> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FormError> {
        let Some((index, form)) = self.0.next() else { return Ok(None) };
        let read = seed.deserialize(Reader(form));
        read.map(Some).map_err(|error| error.below(&format!("member.{index}")))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Result<Form, FormError> {
        let mut form = Form::default();
        for (name, value) in pairs {
            form.insert(name, (*value).to_owned())?;
        }
        Ok(form)
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        user_name: String,
        max_items: Option<u16>,
        #[serde(default)]
        force: bool,
        #[serde(default)]
        tags: Vec<Tag>,
        #[serde(default)]
        names: BTreeMap<String, String>,
        status: Option<Status>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        value: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Status {
        Active,
        Inactive,
    }

    #[test]
    fn typed_values_are_read_from_the_tree() {
        let form = form(&[
            ("UserName", "alice"),
            ("MaxItems", "10"),
            ("Force", "true"),
            ("Tags.member.10.Key", "last"),
            ("Tags.member.10.Value", ""),
            ("Tags.member.2.Key", "first"),
            ("Tags.member.2.Value", "true"),
            ("Names.entry.1.key", "k"),
            ("Names.entry.1.value", "v"),
            ("Status", "Inactive"),
            ("Unknown.member.1", "passed over"),
        ]);
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        let expected = Input {
            user_name: "alice".to_owned(),
            max_items: Some(10),
            force: true,
            tags: vec![tag("first", "true"), tag("last", "")],
            names: [("k".to_owned(), "v".to_owned())].into(),
            status: Some(Status::Inactive),
        };
        assert_eq!(form.unwrap().read::<Input>(), Ok(expected));
    }

    #[test]
    fn an_empty_text_is_an_empty_list_or_map() {
        let form = form(&[("UserName", ""), ("Tags", ""), ("Names", "")]).unwrap();
        let input: Input = form.read().unwrap();
        assert_eq!((input.user_name.as_str(), input.tags.len(), input.names.len()), ("", 0, 0));
    }

    #[test]
    fn errors_name_the_parameter_and_never_the_value() {
        for (name, value, expected) in [
            ("MaxItems", "s3cret", "MaxItems: expected a whole number, not negative"),
            ("MaxItems", "-1", "MaxItems: expected a whole number, not negative"),
            ("MaxItems.member.1", "1", "MaxItems: expected a single value"),
            ("Force", "True", "Force: expected true or false"),
            ("Status", "s3cret", "Status: expected one of Active, Inactive"),
            ("Tags", "s3cret", "Tags: expected a list, written as NAME.member.N"),
            ("Tags.1.Key", "k", "Tags: expected a list, written as NAME.member.N"),
            ("Tags.member.0.Key", "k", "Tags.member: elements are numbered 1 to 1000"),
            ("Tags.member.01.Key", "k", "Tags.member: elements are numbered 1 to 1000"),
            ("Tags.member.1001.Key", "k", "Tags.member: elements are numbered 1 to 1000"),
            ("Tags.member.-1.Key", "k", "Tags.member: elements are numbered 1 to 1000"),
            ("Tags.member.1.Key", "k", "Tags.member.1: missing field `Value`"),
            (
                "Tags.member.1",
                "s3cret",
                "Tags.member.1: expected named parts, found a single value",
            ),
            ("Names.entry.1.key", "k", "Names: each entry needs a key and a value"),
        ] {
            let form = form(&[("UserName", "alice"), (name, value)]).unwrap();
            assert_eq!(form.read::<Input>().unwrap_err().to_string(), expected, "{name}={value}");
            assert!(!format!("{form:?}").contains("s3cret"));
        }
        let twice = [
            ("UserName", "alice"),
            ("Names.entry.1.key", "k"),
            ("Names.entry.1.value", "v"),
            ("Names.entry.2.key", "k"),
            ("Names.entry.2.value", "w"),
        ];
        let error = form(&twice).unwrap().read::<Input>().unwrap_err();
        assert_eq!(error.to_string(), "Names: a key occurs more than once");
    }

    #[test]
    fn names_that_make_no_tree_are_refused() {
        let deep = vec!["a"; MAX_DEPTH + 1].join(".");
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        let repeated = FormError::Repeated("A".to_owned());
        let both = FormError::ValueAndParts("A.B".to_owned());
        assert_eq!(form(&[("A", "1"), ("A", "1")]), Err(repeated));
        assert_eq!(form(&[("A", "1"), ("A.B", "1")]), Err(both));
        assert_eq!(
            form(&[("A.B", "1"), ("A", "1")]),
            Err(FormError::ValueAndParts("A".to_owned()))
        );
        for name in ["", ".", "A.", ".A", "A..B"] {
            assert_eq!(form(&[(name, "1")]), Err(FormError::EmptyName), "{name}");
        }
        assert_eq!(form(&[(&deep, "1")]), Err(FormError::TooDeep(deep.clone())));
        assert_eq!(form(&[(&deep[2..], "1")]).map(|form| form.names().count()), Ok(1));
        assert_eq!(form(&[(&long, "1")]), Err(FormError::NameTooLong));
    }

    #[test]
    fn single_values_can_be_taken_out() {
        let mut form = form(&[("Action", "ListUsers"), ("PathPrefix", "/")]).unwrap();
        assert_eq!(form.take_text("Action").as_deref(), Some("ListUsers"));
        assert_eq!(form.names().collect::<Vec<_>>(), ["PathPrefix"]);
    }
}
