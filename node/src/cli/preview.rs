//! `preview`: what can be typed. It takes what `import` takes, and how much is to be shown.

use clap::Args;

use super::args::ImportArgs;
use super::commands;
use super::failure::Failure;
use crate::preview::PreviewOptions;

/// Records that are shown unless more are asked for.
const RECORDS_SHOWN: u64 = 20;

#[derive(Args)]
pub(super) struct PreviewArgs {
    #[command(flatten)]
    pub(super) import: ImportArgs,
    /// Show this record only; the totals are of the whole file
    #[arg(long, value_name = "RECORD_ID")]
    record: Option<String>,
    /// Show at most this many records; 0 shows the totals alone
    #[arg(long, value_name = "N", default_value_t = RECORDS_SHOWN)]
    limit: u64,
    /// Show every record
    #[arg(long, conflicts_with_all = ["limit", "record"])]
    all: bool,
    /// Show the normalised values too: personal data, for your eyes only
    #[arg(long)]
    show_values: bool,
}

impl PreviewArgs {
    pub(super) fn options(self) -> Result<PreviewOptions, Failure> {
        let Self {
            import,
            record,
            limit,
            all,
            show_values,
        } = self;
        Ok(PreviewOptions {
            import: commands::import(import)?,
            // The one that was asked for is always shown.
            most: (!all && record.is_none()).then_some(limit),
            record_id: record,
            show_values,
        })
    }
}
