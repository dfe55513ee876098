//! A hub in this process, or in one of its own that can be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use symbolon_hub::config::HubConfig;
use symbolon_hub::{Hub, Observer, RunningHub};
use tokio_util::sync::CancellationToken;

use super::{Failure, Places, SharedClock, eventually};

/// The hub, in this process or in one of its own that can be killed.
pub(super) enum HubHandle {
    Here(Box<RunningHub>, CancellationToken),
    Process(Killed),
}

pub(super) async fn start_hub(
    places: &Places,
    addresses: (SocketAddr, SocketAddr),
    program: Option<&Path>,
    (clock, observer): (Arc<SharedClock>, Option<Observer>),
) -> Result<HubHandle, Failure> {
    if let Some(program) = program {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(places.base.join("hub.log"))?;
        let child = Command::new(program)
            .arg("serve")
            .arg("--state")
            .arg(places.hub())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let handle = HubHandle::Process(Killed(child));
        eventually("the hub listening", async || {
            let main = tokio::net::TcpStream::connect(addresses.0).await;
            let enrolment = tokio::net::TcpStream::connect(addresses.1).await;
            Ok((main.is_ok() && enrolment.is_ok()).then_some(()))
        })
        .await?;
        return Ok(handle);
    }
    let mut config = HubConfig::load(&places.hub().join("hub.toml"))?;
    config.listen = addresses.0.to_string().into();
    config.enrolment_listen = addresses.1.to_string();
    let shutdown = CancellationToken::new();
    let hub = Hub::start_observed(&places.hub(), config, clock, shutdown.clone(), observer).await?;
    Ok(HubHandle::Here(Box::new(hub), shutdown))
}

/// A process that does not outlive its handle.
pub(super) struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // A process that is already gone is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
