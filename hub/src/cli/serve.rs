//! `serve`: the hub itself.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::output::{Failure, Output};
use super::{logging, runtime};
use crate::clock;
use crate::config::HubConfig;
use crate::server::{Hub, RunningHub};

const EXAMPLES: &str = "\
Examples:
  symbolon-hub serve --state /srv/symbolon/hub
  RUST_LOG=debug symbolon-hub serve --state ./hub

SIGTERM or ctrl-c stops the hub: what is under way gets ten seconds. SIGHUP reads
roots, issuers, the server certificate and administrators.json again. The configuration is hub.toml in the state directory.";

/// Serve members until told to stop.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// Directory that `init` made for the hub.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_HUB_STATE")]
    state: PathBuf,
}

impl Serve {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        let config = HubConfig::load(&self.state.join("hub.toml"))?;
        logging::start(&config.log)?;
        runtime()?.block_on(serve(&self.state, config, output))
    }
}

async fn serve(state: &Path, config: HubConfig, output: Output) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let hub = Hub::start(state, config, clock::system(), shutdown.clone()).await?;
    let addresses = json!({
        "listen": hub.listen,
        "also": hub.also,
        "enrolment_listen": hub.enrolment,
        "health_listen": hub.health,
        "metrics_listen": hub.metrics,
        "grpc_health_listen": hub.grpc_health,
    });
    output.answer(&addresses, |_| {
        let RunningHub {
            listen, enrolment, ..
        } = &hub;
        format!("serving members on {listen}, enrolment on {enrolment}")
    })?;
    let mut ended = std::pin::pin!(hub.ended());
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut ended => break,
            _ = hang_up.recv() => match hub.reload_certificates().await {
                Ok(()) => info!("certificates were read again"),
                Err(error) => error!(%error, "certificates stay as they are"),
            },
        }
    }
    info!("stopping");
    shutdown.cancel();
    Ok(hub.wait().await?)
}
