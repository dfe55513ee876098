//! What can be asked about records.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use symbolon_casework::day::Day;
use symbolon_casework::edit::RecordEdit;
use symbolon_casework::htcds::Format;
use symbolon_casework::link::{LinkEnd, LinkKind};
use symbolon_casework::text::Text;

/// About records.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecordCommand {
    /// Everything about one.
    Show {
        /// Its id.
        record_id: String,
    },
    /// Adds one.
    Add {
        /// Its id.
        record_id: String,
        /// What is known.
        edit: Box<RecordEdit>,
    },
    /// Changes one.
    Edit {
        /// Its id.
        record_id: String,
        /// What changes.
        edit: Box<RecordEdit>,
    },
    /// Its versions.
    History {
        /// Its id.
        record_id: String,
        /// With what stood there before and after.
        show_values: bool,
    },
    /// Adds a line to its consent ledger.
    Consent {
        /// Its id.
        record_id: String,
        /// The line.
        line: ConsentLine,
    },
    /// Links it.
    Link {
        /// Its id.
        record_id: String,
        /// With what.
        link: NewLink,
    },
    /// Takes a link away.
    Unlink {
        /// Its id.
        record_id: String,
        /// Which, as `show` numbers them.
        number: u32,
    },
    /// Reads a file of the Human Trafficking Case Data Standard.
    ImportHtcds(HtcdsOptions),
    /// Writes records as cases of that standard.
    ExportHtcds {
        /// In which form.
        format: Format,
        /// Which; all if none is named.
        record_ids: Vec<String>,
    },
}

/// What somebody said about a purpose.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentLine {
    /// For what.
    pub purpose: Text,
    /// Given; else withdrawn.
    pub given: bool,
    /// By whom.
    pub by: Text,
    /// How.
    pub how: Text,
}

/// A link that is to be made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// What is at the other end.
    pub kind: LinkKind,
    /// What it is to the person.
    pub role: Text,
    /// The other end.
    pub to: LinkEnd,
    /// Since when.
    pub from: Option<Day>,
    /// Until when.
    pub until: Option<Day>,
    /// Who or what says so.
    pub source: Option<Text>,
}

/// How a file of the standard is read.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HtcdsOptions {
    /// Absolute path.
    pub file: PathBuf,
    /// The field that has the agency's own id; `sym_record_id` if none is named.
    pub id_field: Option<String>,
    /// Agreements that the records take part in; `None` leaves those of known records as they are.
    pub agreements: Option<Vec<String>>,
}
