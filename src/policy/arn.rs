//! ARNs: a request's, cut into fields once, and the patterns that documents hold.

use super::context::{Context, Key};
use super::pattern::{Glob, Syntax, Truth};

/// The text of an ARN cut into its six fields once, so that each pattern only compares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub text: &'a str,
    pub fields: [&'a str; 6],
}

impl<'a> Arn<'a> {
    /// `None` for a text that is no ARN, such as `*`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut colons = memchr::memchr_iter(b':', text.as_bytes());
        let mut fields = [""; 6];
        let mut from = 0;
        for field in fields.iter_mut().take(5) {
            let colon = colons.next()?;
            *field = text.get(from..colon)?;
            from = colon + 1;
        }
        let [scheme, .., last] = &mut fields;
        *last = text.get(from..)?;
        (*scheme == "arn").then_some(Arn { text, fields })
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

/// What the literal text that a pattern begins with says about the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Everything fits, a request on no resource in particular too.
    Any,
    /// Nothing fits.
    Never,
    /// Only the text itself fits.
    Exact,
    /// Whatever begins with the text fits.
    Prefix,
    /// What fits begins with the text, and goes on as [`ArnGlob::runs`] says.
    Runs,
    /// What fits begins with the text; the pattern has to be asked.
    Ask,
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

    /// The literal text that every ARN that fits begins with, and what that says.
    pub fn literal(&self) -> (String, Fit) {
        match self {
            ArnGlob::Any => (String::new(), Fit::Any),
            ArnGlob::Never => (String::new(), Fit::Never),
            ArnGlob::Exact(text) => (text.to_string(), Fit::Exact),
            ArnGlob::Tail(head, tail) => {
                let fit = match tail {
                    Glob::Any | Glob::Prefix(_) => Fit::Prefix,
                    Glob::Exact(_) => Fit::Exact,
                    Glob::Pieces(_) if self.runs().is_some() => Fit::Runs,
                    Glob::Pieces(_) => Fit::Ask,
                };
                (format!("{head}{}", tail.literal()), fit)
            }
            ArnGlob::Fields(globs) => {
                let mut text = String::new();
                for glob in globs.iter() {
                    text.push_str(glob.literal());
                    if !matches!(glob, Glob::Exact(_)) {
                        break;
                    }
                    text.push(':');
                }
                (text, Fit::Ask)
            }
        }
    }

    /// The pattern as it could have been written, with all its fields.
    pub fn written(&self) -> String {
        match self {
            ArnGlob::Any => "*".to_owned(),
            ArnGlob::Never => String::new(),
            ArnGlob::Exact(text) => text.to_string(),
            ArnGlob::Tail(head, tail) => format!("{head}{}", tail.written()),
            ArnGlob::Fields(globs) => globs.iter().map(Glob::written).collect::<Vec<_>>().join(":"),
        }
    }

    /// After the literal beginning and a `*`: the texts that must follow, each after a `*` but the
    /// last, with which everything ends. `None` for a pattern of another form.
    pub fn runs(&self) -> Option<Vec<&str>> {
        match self {
            ArnGlob::Tail(_, tail) => tail.runs(),
            _ => None,
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
