//! How a command ends when it does not end well.

use std::io;

use crate::config::ConfigError;
use crate::control::CommandError;
use crate::csv_file::CsvError;

/// Why a command failed, by exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Exit code 2: it was not asked rightly.
    Usage(String),
    /// Exit code 1, with the reason.
    Failed(String),
    /// Exit code 1; what there was to say is said, or nobody listens.
    Quiet,
}

impl Failure {
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Failed(error.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<CsvError> for Failure {
    fn from(error: CsvError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Errors of the output stream; those of files are told with the file's name.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Quiet;
        }
        Self::Failed(format!("cannot write the result: {error}"))
    }
}
