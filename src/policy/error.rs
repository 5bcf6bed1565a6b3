//! What is wrong with a document, in the words of AWS, and where.

/// A place in a document: line and column, both from 1, columns counted in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
}

impl Position {
    /// The position of a byte offset; past the end it is the end.
    pub(super) fn of(text: &str, offset: usize) -> Position {
        Locator::new(text).seek(offset)
    }
}

/// Finds positions of offsets that only grow, in one walk over the text.
#[derive(Debug)]
pub(super) struct Locator<'t> {
    rest: &'t str,
    offset: usize,
    position: Position,
}

impl<'t> Locator<'t> {
    pub fn new(text: &'t str) -> Self {
        Locator { rest: text, offset: 0, position: Position { line: 1, column: 1 } }
    }

    /// The position of a byte offset not before the last one.
    pub fn seek(&mut self, offset: usize) -> Position {
        let mut chars = self.rest.chars();
        while self.offset < offset {
            let Some(next) = chars.next() else { break };
            self.offset += next.len_utf8();
            let Position { line, column } = &mut self.position;
            (*line, *column) = if next == '\n' { (*line + 1, 1) } else { (*line, *column + 1) };
        }
        self.rest = chars.as_str();
        self.position
    }
}

/// A document that is refused. The display form is the sentence AWS answers with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    message: String,
    detail: String,
    position: Position,
}

impl DocumentError {
    pub(super) fn new(
        message: impl Into<String>,
        detail: impl Into<String>,
        position: Position,
    ) -> Self {
        DocumentError { message: message.into(), detail: detail.into(), position }
    }

    /// The refusal of a principal that does not exist; `entry` is the ARN as the document spells
    /// it. For the layer that resolves ARNs when a trust or resource policy is saved.
    pub fn invalid_principal(entry: &str) -> Self {
        DocumentError::new(
            format!("Invalid principal in policy: \"AWS\":\"{entry}\""),
            "no such user or role exists; create it first or name its account",
            Position { line: 1, column: 1 },
        )
    }

    /// The AWS error code, `MalformedPolicyDocument`.
    pub fn code(&self) -> &'static str {
        "MalformedPolicyDocument"
    }

    /// AWS's sentence; several different mistakes share one.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What exactly is wrong and what would be right, in our words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Where it is wrong.
    pub fn position(&self) -> Position {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_lines() {
        let text = "a\u{e9}{\n {";
        assert_eq!(Position::of(text, 3), Position { line: 1, column: 3 });
        assert_eq!(Position::of(text, 6), Position { line: 2, column: 2 });
        assert_eq!(Position::of(text, 99), Position { line: 2, column: 3 });
    }
}
