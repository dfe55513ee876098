//! `record`: records one at a time.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use symbolon_casework::day::Day;
use symbolon_casework::dossier::{HandlingCode, Level, Regime};
use symbolon_casework::edit::{Cell, RecordEdit, Setting};
use symbolon_casework::htcds;
use symbolon_casework::link::{LinkEnd, LinkKind};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;

use super::super::failure::Failure;
use crate::casework::command::{
    CaseworkCommand, ConsentLine, HtcdsOptions, NewLink, RecordCommand,
};

/// About one record.
#[derive(Subcommand)]
pub(in crate::cli) enum RecordTask {
    /// Show a record and what is kept beside it; the look is written down
    #[command(after_help = "Example:\n  symbolon-node record show R-0041")]
    Show {
        /// Its id
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
    /// Add a record by hand; say why with --reason
    #[command(
        after_help = "Example:\n  symbolon-node record add R-0099 --set surname=Nowak --set date_of_birth=2009-04-17 --reason \"self-referral\""
    )]
    Add(Box<EditArgs>),
    /// Change a record, its audience, its handling; say why with --reason
    ///
    /// What is not named stays. The state before is kept as a version. Rows at the hub follow.
    #[command(after_help = "\
Examples:
  symbolon-node record edit R-0041 --add phone=07700900123 --reason \"told by her sister\"
  symbolon-node record edit R-0041 --level silent --handling 1AC --reason \"covert operation\"
  symbolon-node record edit R-0041 --no-agreement --reason \"risk assessment\"")]
    Edit(Box<EditArgs>),
    /// Show who changed what in a record, when and why; the look is written down
    #[command(
        after_help = "Examples:\n  symbolon-node record history R-0041\n  symbolon-node record history R-0041 --show-values"
    )]
    History {
        /// Its id
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
        /// Show what stood there before and after, too
        #[arg(long)]
        show_values: bool,
    },
    /// Write down that somebody consented to a purpose, or took it back; say why with --reason
    ///
    /// Lines are only added; the newest for a purpose holds. A record whose lawful basis is consent is
    /// shared only under agreements with a purpose that stands as given.
    #[command(
        after_help = "Example:\n  symbolon-node record consent R-0041 --for safeguarding --given --by herself --how \"in writing, with an interpreter\" --reason intake"
    )]
    Consent(ConsentArgs),
    /// Link a record with another one, or with a thing, a place, an event, an organisation
    ///
    /// Telephones, vehicles, addresses and accounts are columns of the record; use edit for them.
    #[command(after_help = "\
Examples:
  symbolon-node record link R-0041 --role twin --to-record R-0042 --reason \"birth certificate\"
  symbolon-node record link R-0041 --kind organisation --role employer --to \"car wash, Mill Lane\" --reason interview")]
    Link(LinkArgs),
    /// Take a link away
    #[command(
        after_help = "Example:\n  symbolon-node record unlink R-0041 2 --reason \"mixed up\""
    )]
    Unlink {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
        /// The number that `record show` gives the link
        #[arg(value_name = "NUMBER")]
        number: u32,
    },
    /// Read cases of the Human Trafficking Case Data Standard 2.0, CSV or JSON
    ///
    /// Field names are the standard's. What it has and a record lacks is kept and comes out again;
    /// codes that are not in its lists are told, and kept. For a CSV file of this program's own columns
    /// use `symbolon-node import`.
    #[command(
        after_help = "Example:\n  symbolon-node record import --htcds cases.csv --record-id CaseNo --reason \"monthly import\""
    )]
    Import(ImportArgs),
    /// Write records as cases of the Human Trafficking Case Data Standard 2.0
    ///
    /// Whole records leave the vault, in clear, to standard output. What the standard lacks is in
    /// columns that begin with sym_.
    #[command(
        after_help = "Example:\n  symbolon-node record export --htcds --record R-0041 --reason \"referral\" > cases.csv"
    )]
    Export(ExportArgs),
}

#[derive(Args)]
pub(in crate::cli) struct EditArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// Replace a column; several values are separated by semicolons, COLUMN= empties it
    #[arg(long, value_name = "COLUMN=VALUES", value_parser = cell)]
    set: Vec<Cell>,
    /// Add a value to a column
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = cell)]
    add: Vec<Cell>,
    /// Remove a value from a column
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = cell)]
    remove: Vec<Cell>,
    /// An agreement that it takes part in, and no others than those named; may be repeated
    #[arg(long = "agreement", value_name = "ID", conflicts_with = "no_agreement")]
    agreements: Vec<Name>,
    /// It takes part in no agreement
    #[arg(long)]
    no_agreement: bool,
    /// What a match tells of it: open, contact or silent
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Handling code of the form 3x5x2, as 1AP; none takes it away
    #[arg(long, value_name = "CODE")]
    handling: Option<Setting<HandlingCode>>,
    /// The law that it is kept under: uk-gdpr or law-enforcement; or none
    #[arg(long, value_name = "REGIME")]
    regime: Option<Setting<Regime>>,
    /// For what it is kept, in a few words; or none
    #[arg(long, value_name = "TEXT")]
    kept_for: Option<Setting<Text>>,
    /// The lawful basis; one with the word consent needs consent for each agreement; or none
    #[arg(long, value_name = "TEXT")]
    lawful_basis: Option<Setting<Text>>,
    /// Whom another agency calls about it; none: the agency's own contact point
    #[arg(long, value_name = "TEXT")]
    contact: Option<Setting<Text>>,
    /// A column that goes at once at level open; may be repeated, none: no column
    #[arg(long = "open-field", value_name = "COLUMN")]
    open_fields: Vec<Setting<String>>,
    /// Retention class of the agency's schedule; or none
    #[arg(long, value_name = "CLASS")]
    retention_class: Option<Setting<Name>>,
    /// When a person looks whether it is still needed, as 2027-03-31; or none
    #[arg(long, value_name = "DAY")]
    review: Option<Setting<Day>>,
    /// Why it must not be deleted; none lifts the hold
    #[arg(long, value_name = "TEXT")]
    legal_hold: Option<Setting<Text>>,
}

#[derive(Args)]
pub(in crate::cli) struct ConsentArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// For what, a word of the agency or of an agreement
    #[arg(long = "for", value_name = "PURPOSE")]
    consent_purpose: Text,
    /// Consent was given
    #[arg(
        long,
        required_unless_present = "withdrawn",
        conflicts_with = "withdrawn"
    )]
    given: bool,
    /// Consent was taken back
    #[arg(long)]
    withdrawn: bool,
    /// By whom: the person, a parent, an advocate
    #[arg(long, value_name = "WHO")]
    by: Text,
    /// How: in writing, by word before a witness, with an interpreter
    #[arg(long, value_name = "HOW")]
    how: Text,
}

#[derive(Args)]
pub(in crate::cli) struct LinkArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// What is at the other end: person, object, location, event or organisation
    #[arg(long, value_name = "KIND", default_value = "person")]
    kind: LinkKind,
    /// What it is to the person: twin, sibling, parent, associate, trafficker, employer
    #[arg(long, value_name = "ROLE")]
    role: Text,
    /// Another record of this agency
    #[arg(
        long,
        value_name = "RECORD_ID",
        required_unless_present = "to",
        conflicts_with = "to"
    )]
    to_record: Option<String>,
    /// The other end in words
    #[arg(long, value_name = "WORDS")]
    to: Option<Text>,
    /// Since when, as 2026-03-31
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// Until when
    #[arg(long, value_name = "DAY")]
    until: Option<Day>,
    /// Who or what says so
    #[arg(long, value_name = "TEXT")]
    source: Option<Text>,
}

#[derive(Args)]
pub(in crate::cli) struct ImportArgs {
    /// The file, CSV or JSON
    #[arg(long, value_name = "FILE")]
    htcds: PathBuf,
    /// The field with your own id of each person, if it is not sym_record_id
    #[arg(long, value_name = "FIELD")]
    record_id: Option<String>,
    /// An agreement that the records take part in; may be repeated
    #[arg(long = "agreement", value_name = "ID")]
    agreements: Vec<String>,
}

#[derive(Args)]
pub(in crate::cli) struct ExportArgs {
    /// In the form of the Human Trafficking Case Data Standard
    #[arg(long, required = true)]
    htcds: bool,
    /// The form of the file
    #[arg(long, value_enum, default_value_t)]
    format: FileFormat,
    /// Only this record; may be repeated
    #[arg(long = "record", value_name = "RECORD_ID")]
    records: Vec<String>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum FileFormat {
    /// A header row and a row for each case
    #[default]
    Csv,
    /// A list of objects
    Json,
}

impl RecordTask {
    pub(in crate::cli) fn command(self) -> Result<CaseworkCommand, Failure> {
        Ok(CaseworkCommand::Record(match self {
            Self::Show { record_id } => RecordCommand::Show { record_id },
            Self::Add(args) => {
                let (record_id, edit) = args.edit()?;
                RecordCommand::Add { record_id, edit }
            }
            Self::Edit(args) => {
                let (record_id, edit) = args.edit()?;
                RecordCommand::Edit { record_id, edit }
            }
            Self::History {
                record_id,
                show_values,
            } => RecordCommand::History {
                record_id,
                show_values,
            },
            Self::Consent(args) => RecordCommand::Consent {
                record_id: args.record_id,
                line: ConsentLine {
                    purpose: args.consent_purpose,
                    given: args.given,
                    by: args.by,
                    how: args.how,
                },
            },
            Self::Link(args) => args.command()?,
            Self::Unlink { record_id, number } => RecordCommand::Unlink { record_id, number },
            Self::Import(args) => RecordCommand::ImportHtcds(args.options()?),
            Self::Export(args) => RecordCommand::ExportHtcds {
                format: match args.format {
                    FileFormat::Csv => htcds::Format::Csv,
                    FileFormat::Json => htcds::Format::Json,
                },
                record_ids: args.records,
            },
        }))
    }
}

impl EditArgs {
    fn edit(self) -> Result<(String, Box<RecordEdit>), Failure> {
        let Self {
            record_id,
            set,
            add,
            remove,
            agreements,
            no_agreement,
            level,
            handling,
            regime,
            kept_for,
            lawful_basis,
            contact,
            open_fields,
            retention_class,
            review,
            legal_hold,
        } = self;
        let edit = RecordEdit {
            set,
            add,
            remove,
            agreements: (no_agreement || !agreements.is_empty()).then_some(agreements),
            level,
            handling,
            regime,
            kept_for,
            lawful_basis,
            contact,
            open_fields: columns(open_fields)?,
            retention_class,
            review,
            legal_hold,
        };
        Ok((record_id, Box::new(edit)))
    }
}

/// Columns, or none of them.
fn columns(open_fields: Vec<Setting<String>>) -> Result<Option<Vec<String>>, Failure> {
    if open_fields.is_empty() {
        return Ok(None);
    }
    let count = open_fields.len();
    let named = open_fields.into_iter().filter_map(|field| match field {
        Setting::To(column) => Some(column),
        Setting::None => None,
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() || named.len() == count {
        return Ok(Some(named));
    }
    Err(Failure::usage(
        "--open-field none goes with no other --open-field; give one or the other",
    ))
}

impl LinkArgs {
    fn command(self) -> Result<RecordCommand, Failure> {
        let to = match (self.to_record, self.to) {
            (Some(record), None) => LinkEnd::Record(record),
            (None, Some(words)) => LinkEnd::Words(words),
            _ => return Err(Failure::usage("give --to-record RECORD_ID or --to WORDS")),
        };
        Ok(RecordCommand::Link {
            record_id: self.record_id,
            link: NewLink {
                kind: self.kind,
                role: self.role,
                to,
                from: self.from,
                until: self.until,
                source: self.source,
            },
        })
    }
}

impl ImportArgs {
    fn options(self) -> Result<HtcdsOptions, Failure> {
        // The serving node has another working directory.
        let file = self.htcds.canonicalize().map_err(|error| {
            Failure::failed(format!("cannot read {}: {error}", self.htcds.display()))
        })?;
        Ok(HtcdsOptions {
            file,
            id_field: self.record_id,
            agreements: Some(self.agreements).filter(|ids| !ids.is_empty()),
        })
    }
}

fn cell(text: &str) -> Result<Cell, String> {
    let parts = text.split_once('=');
    let parts = parts.map(|(column, value)| (column.trim().to_owned(), value.trim().to_owned()));
    parts
        .filter(|(column, _)| !column.is_empty())
        .ok_or_else(|| "write the column, =, and the value: surname=Nowak".to_owned())
}

#[cfg(test)]
mod tests;
