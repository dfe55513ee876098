//! What can be typed about attachments.

use std::path::PathBuf;

use clap::Subcommand;
use symbolon_casework::parcel::{FileName, MediaType};

use super::super::failure::Failure;
use crate::casework::command::{AttachmentCommand, CaseworkCommand};

/// What to do with attachments.
#[derive(Subcommand)]
pub(in crate::cli) enum AttachmentTask {
    /// Send a file to the other agency of a case
    ///
    /// Needs --purpose and --reason. The file is copied into the vault and goes in chunks, unseen by
    /// the hub; a recipient that is away gets it when it is back. Nothing of a silent record goes, and
    /// nothing to an immigration service. The name of the file is part of what is sent.
    #[command(
        after_help = "Example:\n  symbolon-node attachment send 3fa9c1d2 statement.pdf --purpose safeguarding --reason \"asked by the lead officer\""
    )]
    Send {
        /// The case, as `matches` shows it
        #[arg(value_name = "CASE")]
        case: String,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Its name at the other agency, if not its own
        #[arg(long, value_name = "NAME")]
        name: Option<FileName>,
        /// What kind of file; told from its ending if left out
        #[arg(long, value_name = "TYPE")]
        media_type: Option<MediaType>,
        /// Let the other agency pass it on to others
        #[arg(long)]
        onward: bool,
        /// Days for which the other agency may keep it, instead of received_days in node.toml
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3653))]
        keep_days: Option<u32>,
    },
    /// List what was sent and received, and how far it is
    #[command(after_help = "Example:\n  symbolon-node attachment list --case 3fa9c1d2")]
    List {
        /// Only of this case
        #[arg(long, value_name = "CASE")]
        case: Option<String>,
    },
    /// Write a received file out of the vault; it is never written over another file
    #[command(after_help = "Example:\n  symbolon-node attachment save 9b1c --to received/")]
    Save {
        /// The first digits of its id, four or more
        #[arg(value_name = "ID")]
        id: String,
        /// A directory, or a file that is not there yet
        #[arg(long, value_name = "PATH", default_value = ".")]
        to: PathBuf,
    },
    /// Delete a received file from the vault
    #[command(after_help = "Example:\n  symbolon-node attachment remove 9b1c")]
    Remove {
        /// The first digits of its id, four or more
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl AttachmentTask {
    pub(in crate::cli) fn command(self) -> Result<CaseworkCommand, Failure> {
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|error| {
                Failure::failed(format!("cannot find {}: {error}", path.display()))
            })
        };
        Ok(CaseworkCommand::Attachment(match self {
            Self::Send {
                case,
                file,
                name,
                media_type,
                onward,
                keep_days,
            } => AttachmentCommand::Send {
                case,
                media_type: match media_type {
                    Some(given) => given,
                    None => told_by_ending(&file)?,
                },
                file: absolute(file)?,
                name,
                onward,
                keep_days,
            },
            Self::List { case } => AttachmentCommand::List { case },
            Self::Save { id, to } => AttachmentCommand::Save {
                id,
                to: absolute(to)?,
            },
            Self::Remove { id } => AttachmentCommand::Remove { id },
        }))
    }
}

fn told_by_ending(file: &std::path::Path) -> Result<MediaType, Failure> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let known = match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "json" => "application/json",
        _ => "application/octet-stream",
    };
    known
        .parse()
        .map_err(|_| Failure::failed("the media type is unknown; give it with --media-type"))
}
