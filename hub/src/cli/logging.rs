//! Where log lines go: standard error, and a file if one is configured.

use std::fs::OpenOptions;
use std::sync::Mutex;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::output::Failure;
use crate::config::{LogConfig, LogFormat};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging for the rest of the process.
pub fn start(config: &LogConfig) -> Result<(), Failure> {
    let mut layers: Vec<BoxedLayer> = vec![layer(config.format, std::io::stderr)];
    if let Some(path) = &config.file {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| {
            Failure(format!(
                "cannot write the log to {}: {error}; change `log.file` in hub.toml",
                path.display()
            ))
        })?;
        layers.push(layer(config.format, Mutex::new(file)));
    }
    // The store's engine tells of its housekeeping at the level at which we tell of the hub's life.
    let configured = format!("fjall=warn,lsm_tree=warn,{}", config.level);
    let level = std::env::var("RUST_LOG").unwrap_or(configured);
    let filter = EnvFilter::try_new(&level).map_err(|error| {
        Failure(format!(
            "{level} is not a log level ({error}); change `log.level` in hub.toml or RUST_LOG"
        ))
    })?;
    let subscriber = tracing_subscriber::registry().with(layers.with_filter(filter));
    // Already started by a harness: its choice stands.
    let _ = subscriber.try_init();
    Ok(())
}

fn layer<W>(format: LogFormat, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    }
}
