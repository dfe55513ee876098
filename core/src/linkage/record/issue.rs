//! What is wrong with a cell, said so that the value itself stays out of logs.

use std::fmt;

/// One value that cannot be used as it stands.
///
/// `Display` and `Debug` name the column and the reason, never the value: the value is there for
/// the user's own terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue {
    pub column: &'static str,
    pub reason: IssueReason,
    /// The offending value. Show it to the user who owns the file; do not log it.
    pub value: String,
}

impl Issue {
    pub(super) fn new(column: &'static str, reason: IssueReason, value: &str) -> Self {
        Self {
            column,
            reason,
            value: value.to_owned(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.column, self.reason)
    }
}

impl fmt::Debug for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue")
            .field("column", &self.column)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Issue {}

/// Why a value is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum IssueReason {
    #[error("is missing")]
    Missing,
    #[error("is not a date")]
    NotADate,
    #[error("has a check digit that does not fit")]
    CheckDigit,
    #[error("is a placeholder")]
    Placeholder,
    #[error("does not have the form of such an identifier")]
    WrongForm,
    #[error("is too short to tell people apart")]
    TooShort,
    #[error("is too long")]
    TooLong,
    #[error("is not a word that this column knows")]
    UnknownWord,
}
