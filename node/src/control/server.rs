//! The answering side of the control socket.
//!
//! Work that a client began goes on when the client leaves: an import that is cut off by a closed
//! terminal would leave the file half in. The number of commands in hand is bounded instead.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::{CommandError, CommandHandler, MAX_REQUEST_BYTES, Reply};
use crate::command::Request;
use crate::reports::{Progress, ProgressSink};

/// Commands in hand at once: a few people and scripts of one agency.
const MAX_CONNECTIONS: usize = 16;

/// Steps of progress that wait for a slow terminal; further ones are left out.
const MAX_WAITING_PROGRESS: usize = 64;

/// How long the server waits for others.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For a client to send its request, or to take in an answer.
    pub(super) client: Duration,
    /// For commands in hand, when the node is told to stop.
    pub(super) drain: Duration,
}

const PATIENCE: Patience = Patience {
    client: Duration::from_secs(10),
    drain: Duration::from_secs(30),
};

/// A bound control socket.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    pub(super) patience: Patience,
}

/// Binds and answers until `shutdown`.
pub async fn serve(
    path: &Path,
    handler: Arc<dyn CommandHandler>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    ControlServer::bind(path)
        .await?
        .run(handler, shutdown)
        .await;
    Ok(())
}

impl ControlServer {
    /// Binds the socket, in place of one that a killed process left.
    ///
    /// # Errors
    /// `AddrInUse` if a process answers there; whatever the system says otherwise.
    pub async fn bind(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            make_private(directory)?;
        }
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path).await?;
                UnixListener::bind(path)?
            }
            other => other?,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            patience: PATIENCE,
        })
    }

    /// Answers until `shutdown`; then commands in hand have a while to finish.
    pub async fn run(self, handler: Arc<dyn CommandHandler>, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, mostly: wait for some to close.
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (reader, writer) = stream.into_split();
            let mut client = Client {
                reader: Some(reader),
                writer,
                patience: self.patience.client,
                present: true,
            };
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                let busy = CommandError::new(format!(
                    "the node has {MAX_CONNECTIONS} commands in hand; try again when one is done"
                ));
                client.try_send(&Reply::Error(busy));
                continue;
            };
            let work = answer(client, handler.clone(), permit);
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(work).await });
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "cannot remove the control socket");
        }
        drop(self.listener);
        tasks.close();
        if timeout(self.patience.drain, tasks.wait()).await.is_err() {
            tracing::warn!("commands in hand are cut off by the shutdown");
            stop.cancel();
            tasks.wait().await;
        }
    }
}

/// Makes a directory of this user alone, or an existing one so.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    match builder.mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let mode = directory.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{} is in the way and not a socket; remove it",
                path.display()
            ),
        ));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "another process already serves at {}; stop it first",
                path.display()
            ),
        )),
    }
}

/// One connection: a command, its progress, its answer.
async fn answer(
    mut client: Client,
    handler: Arc<dyn CommandHandler>,
    permit: OwnedSemaphorePermit,
) {
    let request = match client.request().await {
        Ok(Some(request)) => request,
        // Connected and left, as a second `serve` does to see whether the first lives.
        Ok(None) => return,
        Err(error) => return client.send(&Reply::Error(error)).await,
    };
    tracing::debug!(command = ?request, "control command");
    let (sender, mut steps) = mpsc::channel(MAX_WAITING_PROGRESS);
    let sink: ProgressSink = Arc::new(move |step: Progress| {
        // A step that does not fit is overtaken by the next one.
        let _ = sender.try_send(step);
    });
    let mut work = AbortOnDrop(tokio::spawn(
        async move { handler.handle(request, sink).await },
    ));
    let outcome = loop {
        tokio::select! {
            // The handler's last steps go out before its answer.
            biased;
            Some(step) = steps.recv() => client.send(&Reply::Progress(step)).await,
            done = &mut work.0 => break done,
        }
    };
    while let Ok(step) = steps.try_recv() {
        client.send(&Reply::Progress(step)).await;
    }
    let answered: Result<Value, CommandError> = outcome.unwrap_or_else(|error| {
        tracing::error!(%error, "a command's task ended without an answer");
        Err(CommandError::new(
            "the node failed while it worked on this; its log says more. See `symbolon-node \
             status` for what is done",
        ))
    });
    let reply = answered.map_or_else(Reply::Error, Reply::Ok);
    client.send(&reply).await;
    drop(permit);
}

/// Work ends with the connection's task, which ends early at a shutdown only.
struct AbortOnDrop(JoinHandle<Result<Value, CommandError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The other end, for as long as it listens.
struct Client {
    reader: Option<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    patience: Duration,
    present: bool,
}

impl Client {
    /// Reads the request line; `None` if the client left without one.
    async fn request(&mut self) -> Result<Option<Request>, CommandError> {
        let Some(reader) = self.reader.take() else {
            return Ok(None);
        };
        // It may hold a password or a session.
        let mut line = Zeroizing::new(Vec::new());
        let mut bounded = BufReader::new(reader.take(MAX_REQUEST_BYTES as u64));
        let read = timeout(self.patience, bounded.read_until(b'\n', &mut line)).await;
        match read {
            Err(_) => {
                return Err(CommandError::new(format!(
                    "no command within {:?}; connect again",
                    self.patience
                )));
            }
            Ok(Err(_) | Ok(0)) => return Ok(None),
            Ok(Ok(_)) => {}
        }
        if line.len() >= MAX_REQUEST_BYTES && !line.ends_with(b"\n") {
            return Err(CommandError::new(format!(
                "the command is longer than {MAX_REQUEST_BYTES} bytes; give it in parts"
            )));
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| {
            CommandError::new(format!(
                "the serving node does not know this command: {error}; is it of the same version? \
                 stop it, and start it again with this one"
            ))
        })
    }

    /// Sends a line; after a failure the client counts as gone.
    async fn send(&mut self, reply: &Reply) {
        let Some(line) = line(reply).filter(|_| self.present) else {
            return;
        };
        let sent = timeout(self.patience, self.writer.write_all(&line)).await;
        self.present = matches!(sent, Ok(Ok(())));
    }

    /// Sends a short line without waiting: the socket's buffer is empty and takes it.
    fn try_send(&mut self, reply: &Reply) {
        if let Some(line) = line(reply) {
            self.present = self.writer.try_write(&line).is_ok();
        }
    }
}

fn line(reply: &Reply) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)
        .inspect_err(|error| tracing::error!(%error, "a reply cannot be written as JSON"))
        .ok()?;
    line.push(b'\n');
    Some(line)
}
