//! What can go wrong inside the database, whether trying again helps, and what an operator is told.
//!
//! Of the server's errors only code and message are passed on: their details can hold values of rows.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// What goes wrong inside a verb, before the database is named.
#[derive(Debug)]
pub enum Fault {
    /// The server refused, or the connection was lost; nothing was committed.
    Database(Error),
    /// The connection was lost while it was committed: it may have been.
    Unknown(Error),
    /// There is no connection.
    NoConnection(String),
    /// A name that was known to be there is not: the database is another one.
    Forgotten,
    /// What is there is not what was written.
    Damaged(&'static str),
    /// The verb is refused.
    Refused(StoreError),
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// The same again: others were in the way.
    Again,
    /// The same again over a new connection, when there is one.
    Reconnect,
    /// Nothing.
    None,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(_: serde_json::Error) -> Self {
        Self::Damaged("a value that is not the JSON it was")
    }
}

impl Fault {
    /// What a failed commit amounts to. Only where the server says that it rolled back nothing was
    /// done: whoever is told that a server shuts down may have been committed before.
    pub fn of_commit(error: Error) -> Self {
        let rolled_back = error.code().is_some_and(|code| {
            let certain = matches!(code.code().get(..2), Some("23" | "25" | "40" | "55"));
            certain && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        });
        if rolled_back {
            Self::Database(error)
        } else {
            Self::Unknown(error)
        }
    }

    /// What helps against it. `repeatable` says that doing it twice is as doing it once.
    pub fn cure(&self, repeatable: bool) -> Cure {
        match self {
            Self::Database(error) => cure(error),
            Self::Unknown(_) if repeatable => Cure::Reconnect,
            Self::NoConnection(_) => Cure::Reconnect,
            Self::Forgotten => Cure::Again,
            Self::Unknown(_) | Self::Damaged(_) | Self::Refused(_) => Cure::None,
        }
    }

    /// What was lost, for the log.
    pub fn lost(&self) -> String {
        match self {
            Self::Database(error) => told(error),
            Self::Unknown(error) => format!("{}, during a commit", told(error)),
            Self::NoConnection(detail) => detail.clone(),
            Self::Forgotten | Self::Damaged(_) | Self::Refused(_) => String::new(),
        }
    }

    /// Gives it the database that it happened in.
    pub fn name(self, place: &str) -> StoreError {
        let place = place.to_owned();
        match self {
            Self::Refused(error) => error,
            Self::Unknown(_) => StoreError::CutOff,
            Self::Damaged(detail) => StoreError::Damaged {
                place,
                detail: detail.to_owned(),
            },
            Self::Forgotten => StoreError::Damaged {
                place,
                detail: "a member's lines are missing".to_owned(),
            },
            Self::NoConnection(detail) => unavailable(place, detail),
            Self::Database(error) => unavailable(place, told(&error)),
        }
    }
}

fn unavailable(place: String, detail: String) -> StoreError {
    StoreError::Unavailable {
        place,
        detail,
        remedy: "look at the database server and at the way to it; the hub goes on when it answers",
    }
}

fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(told) => format!("{} {}", told.code().code(), told.message()),
        None => {
            let source = std::error::Error::source(error);
            source.map_or_else(|| error.to_string(), ToString::to_string)
        }
    }
}

fn cure(error: &Error) -> Cure {
    let Some(code) = error.code() else {
        // Not from the server: the connection is lost, a value is not of its column's type, or the
        // server asks for what is not configured.
        let local = error.to_string();
        let hopeless = ["serializing", "authentication", "configuration"];
        return if hopeless.iter().any(|word| local.contains(word)) {
            Cure::None
        } else {
            Cure::Reconnect
        };
    };
    let again = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    // The server goes down, comes up, has no place, or was made a standby.
    let elsewhere = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    if again.contains(code) {
        Cure::Again
    } else if elsewhere.contains(code) || code.code().starts_with("08") {
        Cure::Reconnect
    } else {
        Cure::None
    }
}
