//! What joins the command line to the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::sealed_file::Unlock;
use tokio_util::sync::CancellationToken;

use crate::cli::{Launcher, Ready, SchemaInfo, Serving, turn};
use crate::clock;
use crate::config::NodeConfig;
use crate::control::{self, CommandError, CommandHandler, ControlServer};
use crate::enrolment;
use crate::error::NodeError;
use crate::handler::Commands;
use crate::health;
use crate::node::Node;
use crate::oracle::blocking;
use crate::reports::EnrolReport;

/// The engine of this crate.
pub struct Engine;

#[async_trait]
impl Launcher for Engine {
    async fn enrol(
        &self,
        config: NodeConfig,
        invitation_text: String,
        unlock: Unlock,
    ) -> Result<EnrolReport, CommandError> {
        let clock = clock::system();
        Ok(enrolment::enrol(&config.state, &invitation_text, &unlock, clock.as_ref()).await?)
    }

    async fn open(
        &self,
        config: NodeConfig,
        unlock: Unlock,
    ) -> Result<Arc<dyn CommandHandler>, CommandError> {
        Ok(Arc::new(Commands(open(config, unlock).await?)))
    }

    async fn serve(
        &self,
        config: NodeConfig,
        unlock: Unlock,
        shutdown: CancellationToken,
        ready: Ready,
    ) -> Result<(), CommandError> {
        let state = config.state.clone();
        let node = open(config, unlock).await?;
        let socket = control::socket_path(&state).map_err(|source| NodeError::File {
            path: state.clone(),
            source,
        })?;
        let control = ControlServer::bind(&socket)
            .await
            .map_err(|source| NodeError::File {
                path: socket,
                source,
            })?;
        let healthy = health::start(&node, &shutdown).await?;
        let commands = Arc::new(Commands(Arc::clone(&node)));
        let answering = tokio::spawn(control.run(commands, shutdown.clone()));
        let serving = tokio::spawn(Arc::clone(&node).serve(shutdown.clone()));
        tokio::select! {
            () = node.first_try.notified() => {
                let status = node.status()?;
                ready(Serving {
                    agency: status.agency,
                    consortium: status.consortium,
                    hub: status.hub,
                    connection_error: status.connection_error,
                });
            }
            () = shutdown.cancelled() => {}
        }
        let (served, answered) = tokio::join!(serving, answering);
        served
            .and(answered)
            .map_err(|_| NodeError::Internal("serving was cut off"))?;
        if let Some(healthy) = healthy {
            let ended = healthy.await;
            ended.map_err(|_| NodeError::Internal("answering for health was cut off"))?;
        }
        Ok(())
    }

    fn schema(&self) -> SchemaInfo {
        let schema = Schema::default_schema();
        let kinds = schema.kinds().iter();
        SchemaInfo {
            version: schema.version,
            digest: Digest(schema.digest()).to_string(),
            kinds: kinds
                .map(|kind| (kind.name.clone(), kind.description.clone()))
                .collect(),
        }
    }
}

/// Opens the vault off the asynchronous threads: stretching a passphrase takes a while. Of several who waited for
/// the vault one was quicker: the others wait until it is done, or serves.
async fn open(config: NodeConfig, unlock: Unlock) -> Result<Arc<Node>, NodeError> {
    let state = config.state.clone();
    let (unlock, begun) = (Arc::new(unlock), Instant::now());
    loop {
        let (config, unlock) = (config.clone(), Arc::clone(&unlock));
        let open = move || Node::open(&config.state.clone(), config, &unlock, clock::system());
        let opened = blocking(open).await?;
        let taken = matches!(opened, Err(NodeError::InUse { .. }));
        if !taken || begun.elapsed() > turn::LONGEST || is_served(&state).await {
            return opened;
        }
        tokio::time::sleep(turn::LOOK).await;
    }
}

async fn is_served(state: &Path) -> bool {
    match control::socket_path(state) {
        Ok(socket) => control::is_served(&socket).await,
        Err(_) => false,
    }
}
