//! A small strict JSON reader that remembers where every value stood.
//!
//! Policy documents need three things that general readers do not give together: the byte span of
//! each statement (the simulator reports lines and columns), an error for a key written twice (two
//! `Condition` members would otherwise silently become one, and a Deny could vanish), and the
//! source text of numbers (`1.50` is a condition value and stays `1.50`). Depth and length are
//! bounded, because documents come from strangers.

use std::collections::BTreeSet;

/// Longest document in bytes; the service model allows 131,072 characters.
pub(super) const MAX_BYTES: usize = 262_144;
/// Deepest nesting of arrays and objects. The policy grammar itself needs six levels.
const MAX_DEPTH: usize = 32;

/// A value and the byte range `start..end` it filled.
#[derive(Debug)]
pub(super) struct Node {
    pub start: usize,
    pub end: usize,
    pub value: Value,
}

/// A JSON value; numbers keep their source text, objects keep their order.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// One member of an object; `at` is the offset of the key's opening quote.
#[derive(Debug)]
pub(super) struct Member {
    pub key: String,
    pub at: usize,
    pub value: Node,
}

/// What is wrong with the text, and at which byte.
#[derive(Debug)]
pub(super) struct JsonError {
    pub at: usize,
    pub detail: String,
}

/// Reads one JSON value that fills the whole text.
pub(super) fn read(text: &str) -> Result<Node, JsonError> {
    let mut reader = Reader { text, at: 0 };
    if text.len() > MAX_BYTES {
        return Err(reader.error(format!("the document is longer than {MAX_BYTES} bytes")));
    }
    reader.space();
    let node = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("there is text after the end of the document")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn error(&self, detail: impl Into<String>) -> JsonError {
        JsonError { at: self.at, detail: detail.into() }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Consumes `byte`, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(format!("values are nested more than {MAX_DEPTH} levels deep")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(_) => self.word()?,
            None => return Err(self.error("the document ends where a value should stand")),
        };
        Ok(Node { start, end: self.at, value })
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("a value should stand here"))
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or ] should stand here"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in double quotes should stand here"));
            }
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                return Err(JsonError { at, detail: format!("the key \"{key}\" is given twice") });
            }
            self.space();
            if !self.take(b':') {
                return Err(self.error("a colon should stand here"));
            }
            self.space();
            members.push(Member { key, at, value: self.value(depth + 1)? });
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or } should stand here"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.take(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut sound = whole > 0 && !(leading_zero && whole > 1);
        if self.take(b'.') {
            sound &= self.digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            sound &= self.digits() > 0;
        }
        if !sound {
            return Err(JsonError { at: start, detail: "this is not a JSON number".into() });
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(next) = self.rest().chars().next() else {
                return Err(JsonError {
                    at: start,
                    detail: "this text has no closing quote".into(),
                });
            };
            match next {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => {
                    return Err(self.error("a control character must be written as an escape"));
                }
                plain => {
                    self.at += plain.len_utf8();
                    text.push(plain);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let wrong = || JsonError { at: start, detail: "this is not a JSON escape".into() };
        self.at += 1;
        let letter = self.peek().ok_or_else(wrong)?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4().ok_or_else(wrong)?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    let low = (self.take(b'\\') && self.take(b'u')).then(|| self.hex4()).flatten();
                    let low = low.filter(|low| (0xdc00..0xe000).contains(low)).ok_or_else(wrong)?;
                    0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let error = read(text).expect_err(text);
        (error.at, error.detail)
    }

    #[test]
    fn keeps_spans_order_and_the_text_of_numbers() {
        let node = read(" {\"b\" : [1.50, true],\"a\":null} ").unwrap();
        assert_eq!((node.start, node.end), (1, 30));
        let Value::Object(members) = node.value else { panic!("an object") };
        assert_eq!(members[0].key, "b");
        assert_eq!(members[1].key, "a");
        assert_eq!(members[0].at, 2);
        let Value::Array(items) = &members[0].value.value else { panic!("an array") };
        assert!(matches!(&items[0].value, Value::Number(text) if text == "1.50"));
        assert!(matches!(items[1].value, Value::Bool(true)));
        assert_eq!((items[1].start, items[1].end), (15, 19));
    }

    #[test]
    fn reads_escapes() {
        let node = read(r#""a\"\\\/\n\u00e9\ud83d\ude00""#).unwrap();
        assert!(matches!(node.value, Value::Text(text) if text == "a\"\\/\n\u{e9}\u{1f600}"));
        for wrong in
            [r#""\x""#, r#""\u12""#, r#""\u+123""#, r#""\ud800""#, r#""\ud800\u0041""#, "\"\n\""]
        {
            refused(wrong);
        }
    }

    #[test]
    fn refuses_a_key_given_twice() {
        assert_eq!(refused(r#"{"a":1,"\u0061":2}"#), (7, "the key \"a\" is given twice".into()));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for wrong in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{'a':1}",
            "01",
            "1.",
            "-",
            "nul",
            "{} {}",
            "\"open",
            "[1 2]",
            "+1",
            "1e",
        ] {
            refused(wrong);
        }
    }

    #[test]
    fn bounds_depth_and_length() {
        let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nest(MAX_DEPTH)).is_ok());
        assert!(refused(&nest(MAX_DEPTH + 1)).1.contains("nested"));
        assert!(refused(&nest(100_000)).1.contains("nested"));
        assert!(refused(&" ".repeat(MAX_BYTES + 1)).1.contains("longer"));
    }
}
