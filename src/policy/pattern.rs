//! Wildcards, variables and ARN fields, compiled once when a document is parsed.
//!
//! `*` stands for any run of characters, `?` for exactly one, everything else for itself: there are
//! no regular expressions underneath, so a dot is a dot. In documents of version 2012-10-17
//! `${key}` and `${key, 'default'}` are replaced by the request's value for that key, and what is
//! put in is literal: a `*` inside a user's name is not a wildcard. A key that is missing, or that
//! has several values, makes the pattern match nothing.
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

    /// The text to put in, or whether the lack of it is open.
    fn resolve<'v>(&'v self, context: &'v Context<'_>) -> Result<&'v str, bool> {
        let Some(key) = &self.key else { return Err(false) };
        match (context.look(key), &self.default) {
            (Lookup::One(value), _) => Ok(value),
            (Lookup::Many(_), _) => Err(false),
            (Lookup::Missing { .. }, Some(default)) => Ok(default),
            (Lookup::Missing { open }, None) => Err(open),
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
    loop {
        let rest = match pieces.split_first() {
            None if text.is_empty() => return Truth::YES,
            None => None,
            Some((Piece::Run, [])) => return Truth::YES,
            Some((Piece::Run, after)) => {
                last_run = Some((after, text));
                pieces = after;
                continue;
            }
            Some((Piece::One, after)) => next_char(text).map(|rest| (after, rest)),
            Some((Piece::Text(literal), after)) => {
                strip(text, literal, ignore_case).map(|rest| (after, rest))
            }
            Some((Piece::Variable(variable), after)) => match variable.resolve(context) {
                Ok(value) => strip(text, value, ignore_case).map(|rest| (after, rest)),
                Err(open) => return Truth { holds: false, open },
            },
        };
        match (rest, last_run) {
            (Some((after, rest)), _) => (pieces, text) = (after, rest),
            (None, Some((after, from))) => match next_char(from) {
                Some(from) => {
                    last_run = Some((after, from));
                    (pieces, text) = (after, from);
                }
                None => return Truth::NO,
            },
            (None, None) => return Truth::NO,
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

/// The text of an ARN cut into its six fields once, so that each pattern only compares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub text: &'a str,
    pub fields: [&'a str; 6],
}

impl<'a> Arn<'a> {
    /// `None` for a text that is no ARN, such as `*`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut fields = [""; 6];
        for field in &mut fields {
            *field = parts.next()?;
        }
        let [scheme, ..] = fields;
        (scheme == "arn").then_some(Arn { text, fields })
    }
}

/// A pattern over a whole ARN. Each of the first five fields is matched against its own field and
/// no wildcard reaches over their colons; in the sixth, `*` spans `/` and `:` alike.
#[derive(Debug)]
pub(super) enum ArnGlob {
    /// `*`, and with it also a request on no resource in particular.
    Any,
    Never,
    /// No wildcards and no variables.
    Exact(Box<str>),
    /// Literal up to and with the fifth colon.
    Tail(Box<str>, Glob),
    Fields(Box<[Glob; 6]>),
}

/// What to do with an ARN pattern of fewer than six fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// Identity-based policies: the missing fields are `*`.
    Padded,
    /// Policies on resources: only where the author wrote a final `*`.
    PaddedAfterStar,
}

impl ArnGlob {
    /// An entry of `Resource` or `NotResource`. Variables are replaced in the sixth field only.
    pub fn resource(text: &str, variables: bool, short: Short) -> ArnGlob {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return ArnGlob::Any;
        }
        let plain = Syntax { wildcards: true, variables: false };
        let mut parts = text.splitn(6, ':');
        let head: Vec<&str> = parts.by_ref().take(5).collect();
        let tail = match parts.next() {
            Some(tail) => tail,
            None if short == Short::Padded || text.ends_with('*') => "*",
            None => return ArnGlob::Never,
        };
        let tail = Glob::compile(tail, Syntax { wildcards: true, variables });
        if head.len() == 5 && !head.iter().any(|field| field.contains(['*', '?'])) {
            let head = format!("{}:", head.join(":"));
            return match tail {
                Glob::Exact(tail) => ArnGlob::Exact(format!("{head}{tail}").into()),
                tail => ArnGlob::Tail(head.into(), tail),
            };
        }
        let mut head = head.into_iter();
        let mut field = || head.next().map_or(Glob::Any, |text| Glob::compile(text, plain));
        ArnGlob::Fields(Box::new([field(), field(), field(), field(), field(), tail]))
    }

    /// An operand of an `Arn...` condition: exactly six fields, variables in any of them.
    pub fn operand(text: &str, variables: bool) -> ArnGlob {
        let syntax = Syntax { wildcards: true, variables };
        let mut fields = Vec::with_capacity(6);
        let mut rest = text;
        while fields.len() < 5 {
            let Some(at) = colon(rest, variables) else { return ArnGlob::Never };
            let Some((field, after)) = rest.split_at_checked(at) else { return ArnGlob::Never };
            fields.push(Glob::compile(field, syntax));
            rest = after.strip_prefix(':').unwrap_or_default();
        }
        fields.push(Glob::compile(rest, syntax));
        match <[Glob; 6]>::try_from(fields) {
            Ok(fields) => ArnGlob::Fields(Box::new(fields)),
            Err(_) => ArnGlob::Never,
        }
    }

    /// `arn` is `None` when the text in question is no ARN; then only `*` matches.
    pub fn matches(&self, arn: Option<&Arn<'_>>, context: &Context<'_>) -> Truth {
        match (self, arn) {
            (ArnGlob::Any, _) => Truth::YES,
            (ArnGlob::Never, _) | (_, None) => Truth::NO,
            (ArnGlob::Exact(exact), Some(arn)) => (**exact == *arn.text).into(),
            (ArnGlob::Tail(head, tail), Some(arn)) => match arn.text.strip_prefix(&**head) {
                Some(rest) => tail.matches(rest, context),
                None => Truth::NO,
            },
            (ArnGlob::Fields(globs), Some(arn)) => {
                let mut all = Truth::YES;
                for (glob, field) in globs.iter().zip(arn.fields) {
                    all = all.and(glob.matches(field, context));
                    if all == Truth::NO {
                        return all;
                    }
                }
                all
            }
        }
    }

    /// The keys of the variables.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let globs = match self {
            ArnGlob::Tail(_, tail) => std::slice::from_ref(tail),
            ArnGlob::Fields(globs) => globs.as_slice(),
            _ => &[],
        };
        globs.iter().flat_map(Glob::keys)
    }
}

/// The first colon that is not inside `${...}`.
fn colon(text: &str, variables: bool) -> Option<usize> {
    let mut inside = false;
    let mut previous = ' ';
    for (at, next) in text.char_indices() {
        match next {
            '{' if variables && previous == '$' => inside = true,
            '}' => inside = false,
            ':' if !inside => return Some(at),
            _ => {}
        }
        previous = next;
    }
    None
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
        assert_eq!(glob.keys().map(|key| &*key.name).collect::<Vec<_>>(), ["aws:username"]);
    }

    #[test]
    fn arns_keep_their_fields_apart() {
        let matches = |pattern: &str, arn: &str| {
            let glob = ArnGlob::resource(pattern, true, Short::Padded);
            glob.matches(Arn::parse(arn).as_ref(), &Context::new()).holds
        };
        let user = "arn:aws:iam::123456789012:user/a:b/c";
        for pattern in [
            "*",
            "arn:*",
            "arn:aws:iam::*",
            "arn:aws:iam:*",
            "arn:aws:iam::*:user/*",
            "arn:aws:iam::123456789012:*",
            "arn:aws:*:*:*:*/c",
            user,
            "arn:a?s:iam::1*2:user/a*c",
            "arn:aws:iam",
        ] {
            assert!(matches(pattern, user), "{pattern}");
        }
        for pattern in [
            "arn:aws:s3:*",
            "arn:*:user/*",
            "arn:aws:iam::*a:b/c",
            "arn:aws:iam:?:*:*",
            "arn:aws:iam:::user/*",
            "arn:aws:IAM::*:*",
            "arn:aws:iam::123456789012:user/a",
        ] {
            assert!(!matches(pattern, user), "{pattern}");
        }
        assert!(matches("*", "*") && matches("**", "*"));
        assert!(!matches("arn:aws:iam::*:*", "*") && !matches("arn:*", "*") && !matches("?", "*"));
    }

    #[test]
    fn short_arns_on_resources_need_a_star() {
        let arn = Arn::parse("arn:aws:s3:::bucket");
        let glob = |text| ArnGlob::resource(text, true, Short::PaddedAfterStar);
        assert!(glob("arn:aws:s3:*").matches(arn.as_ref(), &Context::new()).holds);
        assert!(!glob("arn:aws:s3").matches(arn.as_ref(), &Context::new()).holds);
    }
}
