//! The control socket: how the command line asks the node that is serving.
//!
//! One process at a time can hold the vault open. While `serve` runs, it is that one, and the other
//! commands reach it through a Unix socket in the state directory, mode 0600 in a directory of mode
//! 0700: who may open the vault's files may ask, nobody else. Who may do what is judged behind it, by the
//! session that a request shows ([`crate::permissions`]). The talk is in JSON lines, one command a
//! connection:
//!
//! ```text
//! -> {"by":{"reason":"..."},"command":{"command":"records","record_id":null}}
//! <- {"progress":{"stage":"reading","done":1,"total":2}}     any number of times
//! <- {"ok":[]}   or   {"error":{"message":"..."}}            once
//! ```
//!
//! What is asked is never logged.

mod client;
mod server;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::command::Request;
use crate::reports::{Progress, ProgressSink};

pub use client::{call, is_served};
pub use server::{ControlServer, serve};

/// Name of the socket in its directory.
const SOCKET_NAME: &str = "control.sock";

/// `sun_path` has 108 bytes on Linux and 104 on the BSDs, the closing zero among them.
const MAX_SOCKET_PATH_BYTES: usize = 103;

/// Longest request. Commands name files rather than carry them; thousands of ids fit.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// Carries out commands: the engine of the node.
#[async_trait]
pub trait CommandHandler: Send + Sync {
    /// Carries out one request, if whoever asks may, and answers with the JSON of its report.
    async fn handle(&self, request: Request, progress: ProgressSink)
    -> Result<Value, CommandError>;
}

/// Why a command was not carried out, in words for the person who gave it: what, where, and what
/// to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{message}")]
pub struct CommandError {
    /// The words. They may quote what the person typed, so they go to the terminal, not to a log.
    pub message: String,
}

impl CommandError {
    /// An error with these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// One line from the serving node.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Progress(Progress),
    Ok(Value),
    Error(CommandError),
}

/// Where the control socket of a state directory is; both sides ask here.
///
/// Paths of sockets are short by the system's rule. For a state directory that is too deep, the
/// socket goes into a directory of the system's temporary one, named after the state directory; it
/// is refused if it is another user's or open to others, because who owns it could pose as the
/// serving node.
pub fn socket_path(state: &Path) -> io::Result<PathBuf> {
    socket_path_in(state, &std::env::temp_dir())
}

fn socket_path_in(state: &Path, temporary: &Path) -> io::Result<PathBuf> {
    let state = state.canonicalize()?;
    let beside = state.join(SOCKET_NAME);
    if fits(&beside) {
        return Ok(beside);
    }
    let digest = symbolon_core::crypto::sha256(state.as_os_str().as_encoded_bytes()).to_string();
    let name = digest.get(..32).unwrap_or(&digest);
    let directory = temporary.join(format!("symbolon-{name}"));
    let path = directory.join(SOCKET_NAME);
    if !fits(&path) {
        return Err(io::Error::other(format!(
            "{} is too long a path for a socket; set TMPDIR to a shorter directory",
            path.display()
        )));
    }
    match std::fs::symlink_metadata(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(error),
        Ok(found) => {
            let ours = found.is_dir()
                && found.uid() == state.metadata()?.uid()
                && found.mode() & 0o077 == 0;
            if ours {
                Ok(path)
            } else {
                Err(io::Error::other(format!(
                    "{} is not a directory of this user alone; remove it",
                    directory.display()
                )))
            }
        }
    }
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= MAX_SOCKET_PATH_BYTES
}

#[cfg(test)]
mod tests;
