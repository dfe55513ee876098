//! Words that people type, of this agency or of another one: bounded, and safe to show on a terminal.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest text, in characters: a reason is a sentence or a few.
pub const MAX_CHARS: usize = 1000;

/// Whether a character can move a terminal's cursor, or turn the direction of writing and so disguise a
/// text.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of somebody else with a mark in the place of each such character.
#[must_use]
pub fn plain(text: &str) -> String {
    text.replace(steers, "\u{fffd}")
}

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("is empty; say it in a few words")]
    Empty,
    /// Too long.
    #[error("has more than {MAX_CHARS} characters; say it shorter")]
    TooLong,
    /// Control characters can move a terminal's cursor, and bidirectional ones hide what is written.
    #[error("has control characters; write plain text")]
    Control,
}

/// A text of one line that is not empty. A peer's text is checked by the same rule when it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        text.as_str().parse()
    }
}

impl std::str::FromStr for Text {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().count() > MAX_CHARS {
            return Err(TextError::TooLong);
        }
        if text.chars().any(steers) {
            return Err(TextError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_short_and_shows_what_it_says() {
        let parse = |text: &str| text.parse::<Text>();
        assert_eq!(
            parse("  seen at clinic ").unwrap().as_str(),
            "seen at clinic"
        );
        assert_eq!(parse(" \t"), Err(TextError::Empty));
        assert_eq!(parse("a\u{1b}[2Jb"), Err(TextError::Control));
        assert_eq!(parse("a\u{202e}b"), Err(TextError::Control));
        assert!(parse(&"ă".repeat(MAX_CHARS)).is_ok());
        assert_eq!(parse(&"a".repeat(MAX_CHARS + 1)), Err(TextError::TooLong));
        assert!(serde_json::from_str::<Text>("\"\"").is_err());
    }
}
