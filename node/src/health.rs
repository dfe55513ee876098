//! Answering `GET /healthz` while the node serves, if `health_listen` in `node.toml` says where.
//!
//! It tells what `health` in `status --json` tells and nothing else: see [`Node::health`].

use std::sync::Arc;

use symbolon_health::{Answer, HEALTH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;
use crate::node::Node;

/// Listens, if the settings say so, until shutdown.
pub async fn start(
    node: &Arc<Node>,
    shutdown: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, NodeError> {
    let Some(address) = node.config.health_listen else {
        return Ok(None);
    };
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|source| NodeError::HealthListen { address, source })?;
    let node = Arc::clone(node);
    let look = move || std::future::ready(Answer::from(&node.health().reasons.into()));
    let answering = symbolon_health::answer_on((listener, address), HEALTH, look, shutdown);
    Ok(Some(tokio::spawn(answering)))
}
