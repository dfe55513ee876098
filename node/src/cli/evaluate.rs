//! `evaluate` and `calibrate`: how good the linkage is on files whose truth is known, and what
//! weights files whose truth is not known suggest. In clear, in this process alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use symbolon_core::linkage::calibration::calibrate as estimate;
use symbolon_core::linkage::evaluation::{Evaluation, Miss, evaluate as measure};
use symbolon_core::linkage::normalise::nicknames::Nicknames;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::Schema;

use super::console::Console;
use super::failure::Failure;
use super::output::evaluate as print;
use crate::calibrate::RANDOM_PAIRS;
use crate::evaluate::{
    Agencies, EvaluateError, measure_names, read_agencies, read_records, read_truth,
};
use crate::linkage::read_nicknames;

#[derive(Args)]
pub(super) struct EvaluateArgs {
    /// A directory with one CSV file for each agency and truth.csv
    ///
    /// With --markdown it may be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    /// Show the records of missed and false pairs: personal data, for your eyes only
    #[arg(long)]
    show_values: bool,
    /// Print the page docs/linkage-accuracy.md
    #[arg(long, conflicts_with = "show_values")]
    markdown: bool,
    /// For the page: a directory with labelled names, one CSV file for each language
    #[arg(long, value_name = "DIR", requires = "markdown")]
    names: Option<PathBuf>,
    /// A file of nicknames, as `nicknames` in node.toml names one; taken to be every agency's
    #[arg(long, value_name = "FILE", conflicts_with = "markdown")]
    nicknames: Option<PathBuf>,
}

#[derive(Args)]
#[group(multiple = false)]
pub(super) struct CalibrateArgs {
    /// A CSV file of your own records; without it, the records of this node
    ///
    /// People who are in it twice teach it.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// A directory with one CSV file for each agency
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl CalibrateArgs {
    /// Whether no file was named: the node's own records are meant.
    pub(super) fn of_the_node(&self) -> bool {
        self.file.is_none() && self.data.is_none()
    }
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        Self::failed(error.to_string())
    }
}

pub(super) fn evaluate(
    args: &EvaluateArgs,
    as_json: bool,
    console: &mut Console,
) -> Result<(), Failure> {
    let schema = Schema::default_schema();
    if args.markdown {
        return page(args, schema, console);
    }
    let [directory] = args.data.as_slice() else {
        return Err(Failure::usage("several --data need --markdown"));
    };
    let (agencies, found) = run(schema, directory, args.nicknames.as_deref())?;
    let shown = args.show_values.then(|| Values::of(&agencies));
    if as_json {
        return print::json(console, &found, shown.as_ref());
    }
    print::evaluation(console, &found, shown.as_ref())
}

/// The files as they are, and how their linkage comes out.
fn run(
    schema: &Schema,
    directory: &Path,
    nicknames: Option<&Path>,
) -> Result<(Agencies, Evaluation), Failure> {
    // What is wrong with the list is told before the files are read.
    let nicknames = nicknames.map(read_nicknames).transpose();
    let nicknames = nicknames.map_err(|error| Failure::failed(error.to_string()))?;
    let truth = read_truth(directory)?;
    let agencies = read_agencies(directory)?;
    let found = match &nicknames {
        None => measure(schema, &agencies, &truth),
        Some((list, _)) => measure(schema, &with_nicknames(&agencies, list), &truth),
    };
    Ok((agencies, found))
}

fn with_nicknames(agencies: &Agencies, list: &Nicknames) -> Agencies {
    let agencies = agencies.iter().map(|(agency, records)| {
        let records = records.iter();
        let records = records.map(|(id, record)| (id.clone(), list.applied_to(record)));
        (agency.clone(), records.collect())
    });
    agencies.collect()
}

fn page(args: &EvaluateArgs, schema: &Schema, console: &mut Console) -> Result<(), Failure> {
    let mut sets = Vec::new();
    for directory in &args.data {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        sets.push((name.into_owned(), run(schema, directory, None)?.1));
    }
    let names = match &args.names {
        Some(directory) => measure_names(directory)?,
        None => Vec::new(),
    };
    print::page(console, schema, &sets, &names)
}

pub(super) fn calibrate(
    args: &CalibrateArgs,
    as_json: bool,
    console: &mut Console,
) -> Result<(), Failure> {
    let agencies = match (&args.file, &args.data) {
        (Some(file), _) => vec![("records".to_owned(), read_records(file)?)],
        (None, Some(directory)) => read_agencies(directory)?,
        (None, None) => return Err(Failure::usage("no file was named")),
    };
    let found = estimate(Schema::default_schema(), &agencies, RANDOM_PAIRS);
    if found.candidates == 0 {
        let reason = "no two records share a linkage key: there is nothing to learn from";
        return Err(Failure::failed(reason));
    }
    print::calibration(console, as_json, &found)
}

/// The records, to show those of a pair.
pub(super) struct Values<'a>(BTreeMap<(&'a str, &'a str), &'a Record>);

impl<'a> Values<'a> {
    fn of(agencies: &'a Agencies) -> Self {
        let records = agencies.iter().flat_map(|(agency, records)| {
            let each = records.iter();
            each.map(move |(id, record)| ((agency.as_str(), id.as_str()), record))
        });
        Self(records.collect())
    }

    /// Both records of a pair, with the cells that they have.
    pub(super) fn pair(&self, miss: &Miss) -> [Value; 2] {
        let cells = |agency: &str, record: &str| {
            let found = self.0.get(&(agency, record));
            let value = found.and_then(|record| serde_json::to_value(record).ok());
            let Some(Value::Object(mut cells)) = value else {
                return json!({});
            };
            let empty = |v: &Value| matches!(v, Value::Null) || v == &json!([]) || v == &json!({});
            cells.retain(|_, v| !empty(v));
            Value::Object(cells)
        };
        [
            cells(&miss.left_agency, &miss.left_record),
            cells(&miss.right_agency, &miss.right_record),
        ]
    }
}
