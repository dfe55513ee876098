//! What can be typed about retention, erasure and the level of a record.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use symbolon_casework::dossier::Level;
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;
use time::macros::format_description;

use super::super::commands::confirmed;
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::output;
use super::request;
use crate::casework::EndingCommand;
use crate::casework::command::CaseworkCommand;
use crate::command::Command;

/// Largest file that is checked, in bytes: what the node takes, too.
const MAX_FILE_BYTES: u64 = 512 * 1024;

/// What ends, and what is silent: commands of their own beside the others.
#[derive(Subcommand)]
pub(in crate::cli) enum EndingTask {
    /// Say what a match tells another agency of a record
    ///
    /// A silent record tells nothing: whoever asks gets what it gets for somebody whom nobody holds, and
    /// you see who asked. Changing to silent or back makes the record's rows anew; to the others it looks
    /// as if the record had been withdrawn.
    #[command(after_help = "Example:\n  symbolon-node level R-0041 silent")]
    Level(LevelArgs),
    /// How long records are kept: review, legal hold, end
    #[command(subcommand, after_help = "Example:\n  symbolon-node retention list")]
    Retention(RetentionTask),
    /// Erase records for good, at the hub too, and tell whoever was told of them
    ///
    /// What stays is a signed tombstone without a value of the record. A record under legal hold is not
    /// erased. Say why with --reason; it is written down here and told to nobody.
    #[command(
        after_help = "Example:\n  symbolon-node erase R-0041 --class request --reason \"she asked for it\""
    )]
    Erase(EraseArgs),
    /// What was signed about erasures, here and by others
    #[command(
        subcommand,
        after_help = "Example:\n  symbolon-node erasure receipt R-0041"
    )]
    Erasure(ErasureTask),
}

impl EndingTask {
    pub(in crate::cli) fn command(self, console: &mut Console) -> Result<Command, Failure> {
        match self {
            Self::Level(args) => Ok(args.command()),
            Self::Retention(task) => task.command(console),
            Self::Erase(args) => args.command(console),
            Self::Erasure(task) => task.command(),
        }
    }
}

/// How long records are kept.
#[derive(Subcommand)]
pub(in crate::cli) enum RetentionTask {
    /// List what is due for review, what ends when, and what is held
    #[command(after_help = "Example:\n  symbolon-node retention list")]
    List,
    /// Put a record into a class of node.toml, from today on
    #[command(after_help = "Example:\n  symbolon-node retention class R-0041 missing-child")]
    Class {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
        /// The class
        #[arg(value_name = "CLASS")]
        class: Name,
    },
    /// Say what became of a review: the record is kept until a day, or ends now
    #[command(after_help = "\
Examples:
  symbolon-node retention review R-0041 --keep-until 2028-06-30 --reason \"case still open\"
  symbolon-node retention review R-0041 --end --reason \"closed, nothing outstanding\"")]
    Review(ReviewArgs),
    /// Keep a record whatever its dates say: a legal hold
    #[command(
        after_help = "Example:\n  symbolon-node retention hold R-0041 --reason \"court order\""
    )]
    Hold {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
    /// Lift a legal hold
    #[command(
        after_help = "Example:\n  symbolon-node retention release R-0041 --reason \"order ended\""
    )]
    Release {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
}

#[derive(Args)]
pub(in crate::cli) struct ReviewArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// Keep it until this day, as 2028-06-30
    #[arg(long, value_name = "DATE", value_parser = day, required_unless_present = "end", conflicts_with = "end")]
    keep_until: Option<i64>,
    /// End it now
    #[arg(long)]
    end: bool,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

#[derive(Args)]
pub(in crate::cli) struct EraseArgs {
    /// The records
    #[arg(value_name = "RECORD_ID", required = true)]
    record_ids: Vec<String>,
    /// Why, as far as others are told
    #[arg(long, value_enum, default_value_t = ClassWord::Request)]
    class: ClassWord,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

/// What others are told of why something ended.
#[derive(Clone, Copy, ValueEnum)]
enum ClassWord {
    /// the person took consent back
    Consent,
    /// the person asked for it, or a court or regulator did
    Request,
    /// its time was over
    Retention,
    /// it should not have been there
    Mistake,
    /// the agency does not share it any longer
    Withdrawn,
}

impl From<ClassWord> for ReasonClass {
    fn from(word: ClassWord) -> Self {
        match word {
            ClassWord::Consent => Self::Consent,
            ClassWord::Request => Self::Request,
            ClassWord::Retention => Self::Retention,
            ClassWord::Mistake => Self::Mistake,
            ClassWord::Withdrawn => Self::Withdrawn,
        }
    }
}

/// What was signed about erasures.
#[derive(Subcommand)]
pub(in crate::cli) enum ErasureTask {
    /// Show what was signed of a record that is no more, and who confirmed it
    #[command(after_help = "\
Example:
  symbolon-node erasure receipt R-0041 --json > receipt.json")]
    Receipt {
        /// The record's id, as it was
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
    /// Check a receipt, of this agency or of another, against the roster
    #[command(after_help = "Example:\n  symbolon-node erasure verify receipt.json")]
    Verify {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List what other agencies have ended of what they had shared
    #[command(after_help = "Example:\n  symbolon-node erasure received")]
    Received,
    /// Confirm that what you had received of it is dealt with
    #[command(after_help = "Example:\n  symbolon-node erasure confirm 3f9a01c2")]
    Confirm {
        /// The beginning of the tombstone's digest, eight digits or more
        #[arg(value_name = "TOMBSTONE")]
        tombstone: String,
    },
}

#[derive(Args)]
pub(in crate::cli) struct LevelArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// What a match tells the other agency
    #[arg(value_enum)]
    level: LevelWord,
}

/// What a match tells the other agency.
#[derive(Clone, Copy, ValueEnum)]
enum LevelWord {
    /// the fields agreed beforehand, once both have confirmed
    Open,
    /// this agency and whom to call
    Contact,
    /// nothing at all; only this agency is told
    Silent,
}

impl From<LevelWord> for Level {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Open => Self::Open,
            LevelWord::Contact => Self::Contact,
            LevelWord::Silent => Self::Silent,
        }
    }
}

impl RetentionTask {
    pub(in crate::cli) fn command(self, console: &mut Console) -> Result<Command, Failure> {
        let command = match self {
            Self::List => EndingCommand::Retention,
            Self::Class { record_id, class } => EndingCommand::Class { record_id, class },
            Self::Review(args) => match args.keep_until {
                Some(until) => EndingCommand::Keep {
                    record_id: args.record_id,
                    until,
                },
                None => {
                    let ids = std::slice::from_ref(&args.record_id);
                    sure(console, args.yes, ids)?;
                    EndingCommand::End {
                        record_id: args.record_id,
                    }
                }
            },
            Self::Hold { record_id } => EndingCommand::Hold {
                record_id,
                held: true,
            },
            Self::Release { record_id } => EndingCommand::Hold {
                record_id,
                held: false,
            },
        };
        Ok(request(CaseworkCommand::Ending(command)))
    }
}

impl EraseArgs {
    pub(in crate::cli) fn command(self, console: &mut Console) -> Result<Command, Failure> {
        sure(console, self.yes, &self.record_ids)?;
        let command = EndingCommand::Erase {
            record_ids: self.record_ids,
            class: self.class.into(),
        };
        Ok(request(CaseworkCommand::Ending(command)))
    }
}

impl ErasureTask {
    fn command(self) -> Result<Command, Failure> {
        let command = match self {
            Self::Receipt { record_id } => EndingCommand::Receipt { record_id },
            Self::Verify { file } => EndingCommand::Verify { text: read(&file)? },
            Self::Received => EndingCommand::Received,
            Self::Confirm { tombstone } => EndingCommand::Confirm { tombstone },
        };
        Ok(request(CaseworkCommand::Ending(command)))
    }
}

impl LevelArgs {
    pub(in crate::cli) fn command(self) -> Command {
        let command = EndingCommand::Level {
            record_id: self.record_id,
            level: self.level.into(),
        };
        request(CaseworkCommand::Ending(command))
    }
}

fn sure(console: &mut Console, yes: bool, ids: &[String]) -> Result<(), Failure> {
    let question = format!(
        "Erase {} ({}) here, at the hub, and tell whoever was told of it?",
        output::count(ids.len() as u64, "record"),
        ids.join(", ")
    );
    confirmed(console, yes, "erasing cannot be undone", &question)
}

fn read(file: &std::path::Path) -> Result<String, Failure> {
    let failed =
        |reason: String| Failure::failed(format!("cannot read {}: {reason}", file.display()));
    let length = file.metadata().map_err(|e| failed(e.to_string()))?.len();
    if length > MAX_FILE_BYTES {
        return Err(failed(
            "it is larger than 512 KiB, no receipt is".to_owned(),
        ));
    }
    std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))
}

/// The beginning of a day, UTC.
fn day(text: &str) -> Result<i64, String> {
    let form = format_description!("[year]-[month]-[day]");
    let date = time::Date::parse(text, form);
    let date = date.map_err(|_| "write the day as 2028-06-30".to_owned())?;
    Ok(date.midnight().assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_one_way() {
        assert_eq!(day("1970-01-02"), Ok(86_400));
        for bad in ["", "2028-6-30", "30/06/2028", "2028-02-30"] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }
}
