//! Where the parties of one process log to.
//!
//! In the field each party has its own standard error. Here the hub's events, told apart by their
//! target, go to a file of their own, which can be searched afterwards for what must not be there;
//! the nodes' events go to another one beside it.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::consortium::Failure;

/// Sends the hub's log to `hub_log`, and everybody else's to `nodes.log` beside it.
///
/// # Errors
/// The files cannot be made, or logging was already set up in this process.
pub fn to_file(hub_log: &Path) -> Result<(), Failure> {
    let hub = File::create(hub_log)?;
    let nodes = File::create(hub_log.with_file_name("nodes.log"))?;
    let level = tracing::Level::DEBUG;
    let of_hub = Targets::new().with_target("symbolon_hub", level);
    let of_nodes = Targets::new().with_target("symbolon_node", level);
    let hub = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(hub));
    let nodes = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(nodes));
    tracing_subscriber::registry()
        .with(hub.with_filter(of_hub))
        .with(nodes.with_filter(of_nodes))
        .try_init()?;
    Ok(())
}
