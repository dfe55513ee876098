//! The log of a process: as the settings say for the serving node, faults only for other commands.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, writer::BoxMakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::failure::Failure;
use crate::config::{LogFormat, LogLevel, NodeConfig};

/// Starts the log of `serve`.
pub(super) fn serving(config: &NodeConfig) -> Result<(), Failure> {
    let writer = match config.log_file() {
        None => BoxMakeWriter::new(io::stderr),
        Some(path) => BoxMakeWriter::new(Arc::new(open(&path)?)),
    };
    start(config.log.level, config.log.format, writer);
    Ok(())
}

/// Starts the log of a command that opens the vault itself: a person reads its answer instead.
pub(super) fn quiet() {
    start(
        LogLevel::Error,
        LogFormat::Text,
        BoxMakeWriter::new(io::stderr),
    );
}

fn open(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path);
    file.map_err(|error| {
        Failure::failed(format!(
            "cannot write the log {}: {error}; see [log] file in node.toml",
            path.display()
        ))
    })
}

fn start(level: LogLevel, format: LogFormat, writer: BoxMakeWriter) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Other crates may write down what they carry from debug on, so they never get that far.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("symbolon_core", level)
        .with_target("symbolon_proto", level)
        .with_target("symbolon_traces", level)
        .with_target("symbolon_node", level);
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    // A log that is there already, as in a test, stays.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
}
