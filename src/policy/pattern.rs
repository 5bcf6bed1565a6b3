//! Wildcards, variables and ARN fields, compiled once when a document is parsed.
//!
//! `*` stands for any run of characters, `?` for exactly one, everything else for itself: there are
//! no regular expressions underneath, so a dot is a dot. In documents of version 2012-10-17
//! `${key}` and `${key, 'default'}` are replaced by the request's value for that key, and what is
//! put in is literal: a `*` inside a user's name is not a wildcard. A key that is missing, or that
//! has several values, makes the pattern match nothing; an entry of NotResource then excludes nothing.
//! A default stands for a missing key, but where nobody said that it is missing, the match is open.
//!
//! Matching walks the pieces without allocating, and steps back to the last `*` only, so that its
//! cost is at most pieces times characters.

use super::context::{Context, Key, Lookup};

/// Whether something holds, and whether another value of a key that nobody supplied might turn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truth {
    pub holds: bool,
    pub open: bool,
}

impl Truth {
    pub const YES: Truth = Truth { holds: true, open: false };
    pub const NO: Truth = Truth { holds: false, open: false };

    pub fn and(self, other: Truth) -> Truth {
        if self == Truth::NO || other == Truth::NO {
            return Truth::NO;
        }
        Truth { holds: self.holds && other.holds, open: self.open || other.open }
    }

    pub fn or(self, other: Truth) -> Truth {
        self.not().and(other.not()).not()
    }

    pub fn not(self) -> Truth {
        Truth { holds: !self.holds, open: self.open }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Truth {
        Truth { holds, open: false }
    }
}

/// Which characters of a pattern's text are special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub wildcards: bool,
    pub variables: bool,
}

/// One step of a pattern.
#[derive(Debug)]
pub(super) enum Piece {
    Text(Box<str>),
    /// `*`
    Run,
    /// `?`
    One,
    Variable(Variable),
}

/// `${key}` or `${key, 'default'}`; without a key it was malformed and never resolves.
#[derive(Debug)]
pub(super) struct Variable {
    key: Option<Key>,
    default: Option<Box<str>>,
}

impl Variable {
    fn parse(inner: &str) -> Variable {
        let (name, default) = match inner.split_once(',') {
            None => (inner, None),
            Some((name, default)) => (name, Some(default.trim())),
        };
        let name = name.trim();
        let default = match default {
            None => Ok(None),
            Some(quoted) => quoted
                .strip_prefix('\'')
                .and_then(|rest| rest.strip_suffix('\''))
                .map(|text| Some(text.into()))
                .ok_or(()),
        };
        match default {
            Ok(default) if !name.is_empty() => Variable { key: Some(Key::new(name)), default },
            _ => Variable { key: None, default: None },
        }
    }

    /// The text to put in, if there is one, and whether another request might put in another one.
    fn resolve<'v>(&'v self, context: &'v Context<'_>) -> (Option<&'v str>, bool) {
        let Some(key) = &self.key else { return (None, false) };
        match context.look(key) {
            Lookup::One(value) => (Some(value), false),
            Lookup::Many(_) => (None, false),
            Lookup::Missing { open } => (self.default.as_deref(), open),
        }
    }
}

/// A compiled pattern over one text.
#[derive(Debug)]
pub(super) enum Glob {
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    Pieces(Box<[Piece]>),
}

impl Glob {
    pub fn compile(text: &str, syntax: Syntax) -> Glob {
        let mut pieces = split(text, syntax);
        match pieces.as_slice() {
            [] => Glob::Exact("".into()),
            [Piece::Run] => Glob::Any,
            [Piece::Text(_)] | [Piece::Text(_), Piece::Run] => {
                let exact = pieces.len() == 1;
                match pieces.swap_remove(0) {
                    Piece::Text(text) if exact => Glob::Exact(text),
                    Piece::Text(text) => Glob::Prefix(text),
                    other => Glob::Pieces([other].into()),
                }
            }
            _ => Glob::Pieces(pieces.into()),
        }
    }

    /// The literal text that every match begins with.
    pub fn literal(&self) -> &str {
        match self {
            Glob::Any => "",
            Glob::Exact(text) | Glob::Prefix(text) => text,
            Glob::Pieces(pieces) => match pieces.first() {
                Some(Piece::Text(text)) => text,
                _ => "",
            },
        }
    }

    /// The pattern as it could have been written.
    pub fn written(&self) -> String {
        let pieces = match self {
            Glob::Any => return "*".to_owned(),
            Glob::Exact(text) => return text.to_string(),
            Glob::Prefix(text) => return format!("{text}*"),
            Glob::Pieces(pieces) => pieces,
        };
        let mut written = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => written.push_str(text),
                Piece::Run => written.push('*'),
                Piece::One => written.push('?'),
                Piece::Variable(variable) => {
                    let name = variable.key.as_ref().map_or("", |key| &key.name);
                    let default = variable.default.as_ref();
                    let default = default.map_or(String::new(), |text| format!(", '{text}'"));
                    written.push_str(&format!("${{{name}{default}}}"));
                }
            }
        }
        written
    }

    /// Where nothing but literal text and `*` follows the literal beginning: the texts after each `*`,
    /// the last of them empty where the pattern ends with `*`.
    pub fn runs(&self) -> Option<Vec<&str>> {
        let Glob::Pieces(pieces) = self else { return None };
        let mut texts: Vec<&str> = Vec::new();
        for piece in pieces {
            match (piece, texts.last_mut()) {
                (Piece::Run, _) => texts.push(""),
                // The literal beginning.
                (Piece::Text(_), None) => {}
                (Piece::Text(text), Some(last)) => *last = text,
                (Piece::One | Piece::Variable(_), _) => return None,
            }
        }
        Some(texts)
    }

    pub fn matches(&self, text: &str, context: &Context<'_>) -> Truth {
        match self {
            Glob::Any => Truth::YES,
            Glob::Exact(exact) => (**exact == *text).into(),
            Glob::Prefix(prefix) => text.starts_with(&**prefix).into(),
            Glob::Pieces(pieces) => walk(pieces, text, context, false),
        }
    }

    /// As [`Glob::matches`], without regard to case, in any alphabet.
    pub fn matches_ignoring_case(&self, text: &str, context: &Context<'_>) -> Truth {
        match self {
            Glob::Any => Truth::YES,
            Glob::Exact(exact) => (strip(text, exact, true) == Some("")).into(),
            Glob::Prefix(prefix) => strip(text, prefix, true).is_some().into(),
            Glob::Pieces(pieces) => walk(pieces, text, context, true),
        }
    }

    /// The keys of the variables, as spelled.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let pieces: &[Piece] = match self {
            Glob::Pieces(pieces) => pieces,
            _ => &[],
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => variable.key.as_ref(),
            _ => None,
        })
    }
}

fn split(text: &str, syntax: Syntax) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let after = rest.strip_prefix(next).unwrap_or_default();
        let variable = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let special = match (next, variable) {
            ('$', Some((inner, tail))) if syntax.variables => {
                rest = tail;
                if matches!(inner, "*" | "?" | "$") {
                    literal.push_str(inner);
                    continue;
                }
                Piece::Variable(Variable::parse(inner))
            }
            ('*', _) if syntax.wildcards => {
                rest = after;
                Piece::Run
            }
            ('?', _) if syntax.wildcards => {
                rest = after;
                Piece::One
            }
            _ => {
                rest = after;
                literal.push(next);
                continue;
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
        }
        // Two stars in a row say no more than one.
        if !matches!((&special, pieces.last()), (Piece::Run, Some(Piece::Run))) {
            pieces.push(special);
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal.into()));
    }
    pieces
}

fn walk(pieces: &[Piece], text: &str, context: &Context<'_>, ignore_case: bool) -> Truth {
    let (mut pieces, mut text) = (pieces, text);
    let mut last_run: Option<(&[Piece], &str)> = None;
    // Whether a variable was reached that another request might give another value.
    let mut open = false;
    loop {
        let rest = match pieces.split_first() {
            None if text.is_empty() => return Truth { holds: true, open },
            None => None,
            Some((Piece::Run, [])) => return Truth { holds: true, open },
            Some((Piece::Run, [Piece::Text(end)])) if !ignore_case => {
                return Truth { holds: text.ends_with(&**end), open };
            }
            Some((Piece::Run, after)) => {
                last_run = Some((after, text));
                pieces = after;
                continue;
            }
            Some((Piece::One, after)) => next_char(text).map(|rest| (after, rest)),
            Some((Piece::Text(literal), after)) => {
                strip(text, literal, ignore_case).map(|rest| (after, rest))
            }
            Some((Piece::Variable(variable), after)) => {
                let (value, may_differ) = variable.resolve(context);
                let Some(value) = value else { return Truth { holds: false, open: may_differ } };
                open |= may_differ;
                strip(text, value, ignore_case).map(|rest| (after, rest))
            }
        };
        match (rest, last_run) {
            (Some((after, rest)), _) => (pieces, text) = (after, rest),
            (None, Some((after, from))) => match next_char(from) {
                Some(from) => {
                    last_run = Some((after, from));
                    (pieces, text) = (after, from);
                }
                None => return Truth { holds: false, open },
            },
            (None, None) => return Truth { holds: false, open },
        }
    }
}

fn next_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

fn strip<'t>(text: &'t str, literal: &str, ignore_case: bool) -> Option<&'t str> {
    if !ignore_case {
        return text.strip_prefix(literal);
    }
    let mut chars = text.chars();
    for expected in literal.chars() {
        let found = chars.next()?;
        if found != expected && !found.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
    }
    Some(chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern: &str, text: &str) -> bool {
        let syntax = Syntax { wildcards: true, variables: true };
        let mut context = Context::new();
        context.set("aws:username", "a*b");
        context.set("aws:Empty", "");
        context.set_many("aws:TagKeys", ["one"]);
        Glob::compile(pattern, syntax).matches(text, &context).holds
    }

    #[test]
    fn wildcards() {
        for (pattern, text) in [
            ("*", ""),
            ("**", "x"),
            ("a", "a"),
            ("a*", "a"),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("a?c", "abc"),
            ("?", "\u{e9}"),
            ("*ab*ab", "abab"),
            ("*a?", "aaab"),
            ("a.c", "a.c"),
            ("", ""),
            ("x*y*z", "x1y2y3z"),
            ("[a]+", "[a]+"),
        ] {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "A"),
            ("a?", "a"),
            ("??", "\u{e9}"),
            ("a.c", "abc"),
            ("*ab*ab", "ab"),
            ("a*c", "acb"),
            ("", "a"),
            ("x*y*z", "xz"),
            ("[a]+", "aa"),
            ("?*", ""),
        ] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn variables_are_literal_and_missing_ones_never_match() {
        assert!(like("home/${aws:UserName}/*", "home/a*b/x"));
        assert!(!like("home/${aws:username}/*", "home/axb/x"));
        assert!(like("${aws:nobody, 'some*one'}", "some*one"));
        assert!(!like("${aws:nobody, 'some*one'}", "someone"));
        assert!(like("x${aws:Empty}y", "xy"));
        assert!(like("${*}${?}${$}", "*?$"));
        assert!(!like("${*}", "x"));
        assert!(like("cost $5 ${open", "cost $5 ${open"));
        for never in ["*${aws:nobody}*", "${aws:TagKeys}", "${aws:nobody, unquoted}", "${}"] {
            assert!(!like(never, "one"), "{never}");
            assert!(!like(never, never), "{never}");
        }
    }

    #[test]
    fn plain_text_in_old_documents() {
        let old = Glob::compile("${aws:username}", Syntax { wildcards: true, variables: false });
        assert!(old.matches("${aws:username}", &Context::new()).holds);
        let exact = Glob::compile("a*", Syntax { wildcards: false, variables: false });
        assert!(
            exact.matches("a*", &Context::new()).holds
                && !exact.matches("ab", &Context::new()).holds
        );
    }

    #[test]
    fn only_a_missing_key_is_open() {
        let syntax = Syntax { wildcards: true, variables: true };
        let glob = Glob::compile("a/${aws:username}", syntax);
        assert_eq!(glob.matches("a/x", &Context::new()), Truth { holds: false, open: true });
        assert_eq!(glob.matches("b/x", &Context::new()), Truth::NO);
        // A default says nothing of the requests that carry a value.
        let with_default = Glob::compile("a/${aws:username, 'x'}/*", syntax);
        let open = |holds| Truth { holds, open: true };
        assert_eq!(with_default.matches("a/x/1", &Context::new()), open(true));
        assert_eq!(with_default.matches("a/y/1", &Context::new()), open(false));
        assert_eq!(with_default.matches("b/x/1", &Context::new()), Truth::NO);
        let mut known = Context::new();
        known.set("aws:username", "y");
        assert_eq!(with_default.matches("a/y/1", &known), Truth::YES);
        assert_eq!(glob.keys().map(|key| &*key.name).collect::<Vec<_>>(), ["aws:username"]);
    }
}
