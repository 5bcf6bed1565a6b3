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
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: narrow(line), column: narrow(column) }
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
