//! Both sides of the control socket, with a handler that does as it is told.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::command::{Command, ImportOptions};

/// Tells of each command and answers by its kind.
struct Fake {
    begun: mpsc::UnboundedSender<String>,
    ended: mpsc::UnboundedSender<()>,
    go_on: Notify,
}

#[async_trait]
impl CommandHandler for Fake {
    async fn handle(
        &self,
        request: Request,
        progress: ProgressSink,
    ) -> Result<Value, CommandError> {
        self.begun.send(format!("{request:?}")).unwrap();
        let answer = match request.command {
            Command::Import(options) => {
                for done in 1..=2 {
                    progress(Progress {
                        stage: "reading".to_owned(),
                        done,
                        total: 2,
                    });
                }
                Ok(json!({ "file": options.file }))
            }
            Command::Accept { agreement, .. } => {
                Err(CommandError::new(format!("no agreement {agreement}")))
            }
            Command::Status => {
                self.go_on.notified().await;
                Ok(json!("late"))
            }
            Command::Agreements => panic!("a fault of the engine"),
            _ => Ok(json!([])),
        };
        self.ended.send(()).unwrap();
        answer
    }
}

struct Serving {
    state: tempfile::TempDir,
    path: PathBuf,
    handler: Arc<Fake>,
    begun: mpsc::UnboundedReceiver<String>,
    ended: mpsc::UnboundedReceiver<()>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

async fn serving_with(change: impl FnOnce(&mut ControlServer)) -> Serving {
    let state = tempfile::tempdir().unwrap();
    let path = socket_path(state.path()).unwrap();
    let (begun_sender, begun) = mpsc::unbounded_channel();
    let (ended_sender, ended) = mpsc::unbounded_channel();
    let handler = Arc::new(Fake {
        begun: begun_sender,
        ended: ended_sender,
        go_on: Notify::new(),
    });
    let shutdown = CancellationToken::new();
    let mut server = ControlServer::bind(&path).await.unwrap();
    change(&mut server);
    let server = tokio::spawn(server.run(handler.clone(), shutdown.clone()));
    Serving {
        state,
        path,
        handler,
        begun,
        ended,
        shutdown,
        server,
    }
}

async fn serving() -> Serving {
    serving_with(|_| {}).await
}

fn no_progress() -> ProgressSink {
    Arc::new(|_| {})
}

async fn ask(path: &Path, command: Command) -> Result<Option<Value>, CommandError> {
    call(path, &command.into(), no_progress()).await
}

/// Sends bytes and reads what comes until the server closes.
async fn raw(path: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn progress_comes_before_the_answer() {
    let node = serving().await;
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = steps.clone();
    let sink: ProgressSink = Arc::new(move |step| seen.lock().unwrap().push(step.done));
    let options = ImportOptions {
        file: "/data/records.csv".into(),
        ..ImportOptions::default()
    };
    let answer = call(&node.path, &Command::Import(options).into(), sink).await;
    assert_eq!(answer, Ok(Some(json!({ "file": "/data/records.csv" }))));
    assert_eq!(*steps.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn every_command_travels() {
    let mut node = serving().await;
    let commands = [
        Command::Records { record_id: None },
        Command::Matches {
            least: crate::command::least_shown(),
            record_id: Some("R-1".to_owned()),
        },
        Command::Withdraw {
            record_ids: vec!["R-1".to_owned()],
        },
        Command::Query {
            columns: [("surname".to_owned(), "Nowak".to_owned())].into(),
            agreement: None,
        },
    ];
    for command in commands {
        let name = format!("{command:?}");
        assert_eq!(ask(&node.path, command).await, Ok(Some(json!([]))));
        assert_eq!(node.begun.recv().await, Some(name));
    }
}

#[tokio::test]
async fn an_error_answer_is_not_nobody() {
    let node = serving().await;
    let accept = Command::Accept {
        agreement: "x".to_owned(),
        immigration: Vec::new(),
    };
    assert_eq!(
        ask(&node.path, accept).await,
        Err(CommandError::new("no agreement x"))
    );
    let fault = ask(&node.path, Command::Agreements).await.unwrap_err();
    assert!(fault.message.contains("the node failed"), "{fault}");

    let nobody = node.state.path().join("none.sock");
    assert_eq!(ask(&nobody, Command::Status).await, Ok(None));
}

#[tokio::test]
async fn unknown_and_oversize_requests_are_refused_clearly() {
    let node = serving().await;
    let unknown = raw(
        &node.path,
        b"{\"by\":{},\"command\":{\"command\":\"dance\"}}\n",
    )
    .await;
    assert!(unknown.starts_with("{\"error\":{\"message\":"), "{unknown}");
    assert!(unknown.contains("unknown variant `dance`"), "{unknown}");
    assert!(unknown.ends_with("}}\n"), "{unknown}");

    let big = vec![b'x'; MAX_REQUEST_BYTES + 10];
    let oversize = raw(&node.path, &big).await;
    assert!(oversize.contains("longer than 1048576 bytes"), "{oversize}");

    let record_ids = vec!["x".repeat(MAX_REQUEST_BYTES)];
    let refused = ask(&node.path, Command::Withdraw { record_ids }).await;
    assert!(refused.unwrap_err().message.contains("give it in parts"));
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_told_and_let_go() {
    let node = serving_with(|server| server.patience.client = Duration::from_millis(1)).await;
    let answer = raw(&node.path, b"").await;
    assert!(answer.contains("no command within 1ms"), "{answer}");
}

#[tokio::test]
async fn work_goes_on_when_its_client_leaves() {
    let mut node = serving().await;
    let mut stream = UnixStream::connect(&node.path).await.unwrap();
    stream
        .write_all(b"{\"by\":{},\"command\":{\"command\":\"status\"}}\n")
        .await
        .unwrap();
    assert_eq!(node.begun.recv().await.as_deref(), Some("status"));
    drop(stream);
    node.handler.go_on.notify_one();
    assert_eq!(node.ended.recv().await, Some(()));
}

#[tokio::test]
async fn commands_in_hand_are_bounded() {
    let mut node = serving().await;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let path = node.path.clone();
        waiting.push(tokio::spawn(
            async move { ask(&path, Command::Status).await },
        ));
    }
    for _ in 0..16 {
        node.begun.recv().await.unwrap();
    }
    let refused = ask(&node.path, Command::Records { record_id: None }).await;
    let refused = refused.unwrap_err().message;
    assert!(refused.contains("16 commands in hand"), "{refused}");
    for _ in 0..16 {
        node.handler.go_on.notify_one();
        node.ended.recv().await.unwrap();
    }
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), Ok(Some(json!("late"))));
    }
}

#[tokio::test]
async fn a_shutdown_lets_commands_finish_and_removes_the_socket() {
    let mut node = serving().await;
    let path = node.path.clone();
    let asked = tokio::spawn(async move { ask(&path, Command::Status).await });
    node.begun.recv().await.unwrap();
    node.shutdown.cancel();
    node.handler.go_on.notify_one();
    assert_eq!(asked.await.unwrap(), Ok(Some(json!("late"))));
    node.server.await.unwrap();
    assert!(!node.path.exists());
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_does_not_finish() {
    let mut node = serving_with(|server| server.patience.drain = Duration::from_millis(1)).await;
    let path = node.path.clone();
    let asked = tokio::spawn(async move { ask(&path, Command::Status).await });
    node.begun.recv().await.unwrap();
    node.shutdown.cancel();
    node.server.await.unwrap();
    let gone = asked.await.unwrap().unwrap_err();
    assert!(gone.message.contains("went away"), "{gone}");
}

#[tokio::test]
async fn a_live_socket_is_refused_and_a_stale_one_replaced() {
    let node = serving().await;
    let second = ControlServer::bind(&node.path).await.err().unwrap();
    assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    assert!(second.to_string().contains("stop it first"));

    // A killed process leaves the file behind with nobody to answer.
    let stale = node.state.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert_eq!(ask(&stale, Command::Status).await, Ok(None));
    ControlServer::bind(&stale).await.unwrap();

    let file = node.state.path().join("file.sock");
    std::fs::write(&file, "not a socket").unwrap();
    let refused = ControlServer::bind(&file).await.err().unwrap();
    assert!(refused.to_string().contains("in the way"));
    assert!(file.exists());
}

#[tokio::test]
async fn only_the_owner_may_ask() {
    let node = serving().await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&node.path), 0o600);
    assert_eq!(mode(node.state.path()), 0o700);
}

#[tokio::test]
async fn a_deep_state_directory_has_its_socket_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let path = socket_path_in(&deep, temporary.path()).unwrap();
    assert!(path.starts_with(temporary.path()) && fits(&path));
    let server = ControlServer::bind(&path).await.unwrap();
    assert_eq!(socket_path_in(&deep, temporary.path()).unwrap(), path);
    drop(server);

    // Open to others, it could be anyone's.
    let directory = path.parent().unwrap();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = socket_path_in(&deep, temporary.path()).unwrap_err();
    assert!(refused.to_string().contains("remove it"), "{refused}");

    let missing = socket_path_in(&root.path().join("none"), temporary.path()).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}
