//! What a preview is asked for and what it answers.
//!
//! Values of records are in it only if they were asked for: they are for the person's own terminal.

use serde::{Deserialize, Serialize};

use crate::command::ImportOptions;
use crate::reports::FileCounts;

/// How a file is previewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewOptions {
    /// How it would be imported.
    pub import: ImportOptions,
    /// Show this record only; the totals are of the whole file all the same.
    pub record_id: Option<String>,
    /// Show at most this many records; `None` shows all.
    pub most: Option<u64>,
    /// Give the values too.
    pub show_values: bool,
}

/// What an import of the file would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReport {
    /// What an import would find.
    #[serde(flatten)]
    pub found: FileCounts,
    /// Columns of the file that are kept with the record and never used.
    pub unused_columns: Vec<String>,
    /// Linkage keys of all records, by kind.
    pub keys: Vec<PreviewKeys>,
    /// Records of which nothing would be shared with anybody.
    pub shared_with_nobody: u64,
    /// The records that are shown, in the order of the file.
    pub records: Vec<PreviewRecord>,
    /// Records that are not shown.
    pub not_shown: u64,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRecord {
    /// The agency's own id.
    pub record_id: String,
    /// Line of the file, from 1 (the header).
    pub line: u64,
    /// `new`, `changed` or `unchanged`.
    pub state: String,
    /// The category by which agreements judge it; a record without one counts as other.
    pub category: String,
    /// Its linkage keys, by kind.
    pub keys: Vec<PreviewKeys>,
    /// Values that would make no key.
    pub not_used: Vec<PreviewIssue>,
    /// Agreements that it would take part in, and the others in force.
    pub agreements: Vec<PreviewAgreement>,
}

/// Linkage keys of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewKeys {
    /// Name of the kind in the schema.
    pub kind: String,
    /// What a person is told that agreed.
    pub label: String,
    /// Keys that may be tokenised.
    pub shared: u64,
    /// Keys kept back because this agency would hold the value too often.
    pub over_cap: u64,
    /// Keys kept back because all members together hold the value too often.
    pub common: u64,
    /// Keys that are not made because the record has more than the schema's bounds allow.
    #[serde(default)]
    pub left_out: u64,
    /// The values, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<PreviewValue>,
}

/// The normalised value of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewValue {
    /// Its parts, separated by ` | `.
    pub value: String,
    /// It would be kept back.
    pub kept_back: bool,
}

/// A value that would make no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewIssue {
    /// Its column.
    pub column: String,
    /// What is wrong with it.
    pub reason: String,
    /// The value as it stands in the file, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What would become of a record under one agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewAgreement {
    /// Its id.
    pub agreement: String,
    /// Whether anything of the record would be shared under it.
    pub shared: bool,
    /// Why not.
    pub reason: Option<String>,
}
