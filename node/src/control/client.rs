//! The asking side of the control socket.

use std::io;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::{CommandError, MAX_REQUEST_BYTES, Reply};
use crate::command::Request;
use crate::reports::ProgressSink;

/// Longest answer: a list of a million records.
const MAX_REPLY_BYTES: u64 = 512 * 1024 * 1024;

/// Asks the serving node.
///
/// `Ok(None)` means that nobody serves: nothing was asked, and the vault can be opened here. Every
/// error is for the person: the node's own answer, or how the talk with it broke.
pub async fn call(
    path: &Path,
    request: &Request,
    progress: ProgressSink,
) -> Result<Option<Value>, CommandError> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(CommandError::new(format!(
                    "cannot reach the serving node at {}: {error}; run as the user that serves",
                    path.display()
                ))),
            };
        }
    };
    // It may hold a password or a session.
    let request = serde_json::to_vec(request).map(Zeroizing::new);
    let mut request = request
        .map_err(|error| CommandError::new(format!("the command cannot be passed on: {error}")))?;
    request.push(b'\n');
    if request.len() > MAX_REQUEST_BYTES {
        return Err(CommandError::new(format!(
            "the command is longer than {MAX_REQUEST_BYTES} bytes; give it in parts"
        )));
    }
    talk(stream, &request, progress).await.map(Some)
}

/// Whether a node serves there.
pub async fn is_served(path: &Path) -> bool {
    UnixStream::connect(path).await.is_ok()
}

async fn talk(
    mut stream: UnixStream,
    request: &[u8],
    progress: ProgressSink,
) -> Result<Value, CommandError> {
    // A node that is busy answers and closes before it has read: its answer is read all the same.
    let written = stream.write_all(request).await;
    let mut lines = BufReader::new(stream.take(MAX_REPLY_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(bytes) if bytes > 0) || !line.ends_with(b"\n") {
            return Err(gone(written.and(read.map(drop)).err()));
        }
        let reply: Reply = serde_json::from_slice(&line).map_err(|error| {
            CommandError::new(format!(
                "the serving node's answer cannot be read: {error}; is it of the same version? \
                 stop it, and start it again with this one"
            ))
        })?;
        match reply {
            Reply::Progress(step) => progress(step),
            Reply::Ok(value) => return Ok(value),
            Reply::Error(error) => return Err(error),
        }
    }
}

fn gone(cause: Option<io::Error>) -> CommandError {
    let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    CommandError::new(format!(
        "the serving node went away before it answered{cause}; part of the work may be done: see \
         `symbolon-node status`"
    ))
}
