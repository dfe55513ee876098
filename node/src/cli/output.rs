//! How reports are printed: tables and sentences for people, JSON for programs.

mod agreements;
mod casework;
pub(super) mod evaluate;
mod import;
mod lists;
mod preview;
mod rekey;
mod standing;

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, TableComponent, presets};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use symbolon_casework::text::steers;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::console::Console;
use super::failure::Failure;
use super::{SchemaInfo, Serving};
use crate::command::Command;
use crate::config::NodeConfig;
use crate::reports::EnrolReport;

/// Which report is coming, with what of the request its words need.
pub(super) enum Kind {
    Import {
        /// As the person typed it.
        file: PathBuf,
    },
    Preview {
        /// As the person typed it.
        file: PathBuf,
    },
    Records,
    /// Of one record, if it is named.
    Matches(Option<String>),
    Calibrate,
    Comparisons,
    Query,
    Withdraw,
    Status,
    Rekey,
    Agreements,
    Accept,
    /// Of a room whose own module prints its reports.
    Own,
    Decline,
    Leave,
    Agreement,
    ExportAgreement,
    Casework(casework::Room),
}

impl Kind {
    pub(super) fn of(command: &Command, typed_file: Option<PathBuf>) -> Self {
        match command {
            Command::Import(options) => Self::Import {
                file: typed_file.unwrap_or_else(|| options.file.clone()),
            },
            Command::Preview(options) => Self::Preview {
                file: typed_file.unwrap_or_else(|| options.import.file.clone()),
            },
            Command::Records { .. } => Self::Records,
            Command::Calibrate => Self::Calibrate,
            Command::Matches { record_id, .. } => Self::Matches(record_id.clone()),
            Command::Comparisons { .. } => Self::Comparisons,
            Command::Query { .. } => Self::Query,
            Command::Withdraw { .. } => Self::Withdraw,
            Command::Status => Self::Status,
            Command::Rekey => Self::Rekey,
            Command::Agreements => Self::Agreements,
            Command::Accept { .. } => Self::Accept,
            Command::Casework(request) => Self::Casework(casework::Room::of(request)),
            Command::Custody(_) | Command::Account(_) | Command::Audit(_) => Self::Own,
            Command::Decline { .. } => Self::Decline,
            Command::Leave { .. } => Self::Leave,
            Command::Agreement { .. } => Self::Agreement,
            Command::ExportAgreement { .. } => Self::ExportAgreement,
        }
    }
}

/// Prints the answer to a command.
pub(super) fn report(
    console: &mut Console,
    as_json: bool,
    kind: Kind,
    value: Value,
) -> Result<(), Failure> {
    if as_json {
        print_json(console, &value)?;
    }
    if let Kind::Casework(room) = &kind {
        casework::judge(room, &value)?;
    }
    match kind {
        Kind::Import { file } => import::import(console, as_json, &file, &parsed(value)?),
        Kind::Preview { file } => preview::preview(console, as_json, &file, &parsed(value)?),
        Kind::Withdraw => import::withdraw(console, as_json, &parsed(value)?),
        _ if as_json => Ok(()),
        Kind::Calibrate => evaluate::calibration(console, false, &parsed(value)?),
        Kind::Records => lists::records(console, &parsed::<Vec<_>>(value)?),
        Kind::Matches(record) => {
            lists::matches(console, record.as_deref(), &parsed::<Vec<_>>(value)?)
        }
        Kind::Comparisons => lists::comparisons(console, &parsed::<Vec<_>>(value)?),
        Kind::Query => lists::query(console, &parsed(value)?),
        // Whoever is not signed in gets less.
        Kind::Status if value.get("records").is_none() => {
            standing::public_status(console, &parsed(value)?)
        }
        Kind::Status => standing::status(console, &parsed(value)?),
        Kind::Rekey => rekey::report(console, parsed(value)?),
        Kind::Agreements => agreements::list(console, &parsed::<Vec<_>>(value)?),
        Kind::Accept => agreements::accepted(console, &parsed(value)?),
        Kind::Decline => agreements::declined(console, &parsed(value)?),
        Kind::Leave => agreements::left(console, &parsed(value)?),
        Kind::Agreement => agreements::show(console, &parsed(value)?),
        Kind::ExportAgreement => print_json(console, &value),
        Kind::Casework(room) => casework::report(console, room, value),
        Kind::Own => Ok(()),
    }
}

/// Prints what enrolment gave.
pub(super) fn enrolled(
    console: &mut Console,
    as_json: bool,
    report: &EnrolReport,
) -> Result<(), Failure> {
    if as_json {
        return print_json(console, report);
    }
    standing::enrolled(console, report)
}

/// Prints the one line of a node that is up.
pub(super) fn serving(
    console: &mut Console,
    as_json: bool,
    serving: &Serving,
) -> Result<(), Failure> {
    if as_json {
        // One line: the program goes on running.
        let line = serde_json::to_string(serving).map_err(unprintable)?;
        writeln!(console.out, "{line}")?;
    } else {
        let Serving {
            agency,
            consortium,
            hub,
            connection_error,
        } = serving;
        let connection = match connection_error {
            None => format!("connected to {hub}"),
            Some(error) => format!("not connected to {hub} yet ({error}); it keeps trying"),
        };
        console.say(&format!(
            "Serving {agency} in {consortium}, {connection}. Ctrl-C stops it."
        ))?;
    }
    Ok(console.out.flush()?)
}

/// Prints the linkage schema.
pub(super) fn schema(
    console: &mut Console,
    as_json: bool,
    schema: &SchemaInfo,
) -> Result<(), Failure> {
    let SchemaInfo {
        version,
        digest,
        kinds,
    } = schema;
    if as_json {
        let kinds: Vec<Value> = kinds
            .iter()
            .map(|(name, description)| json!({ "name": name, "description": description }))
            .collect();
        let value = json!({ "version": version, "digest": digest, "kinds": kinds });
        return print_json(console, &value);
    }
    console.say(&format!("Linkage schema version {version}"))?;
    console.say(&format!("Digest {digest}"))?;
    let rows = kinds
        .iter()
        .map(|(name, description)| vec![name.clone(), description.clone()]);
    print_table(console, &["kind of key", "what it is made of"], rows)
}

/// Prints version and digest of the schema as the hub's program takes them.
pub(super) fn schema_arguments(console: &mut Console, schema: &SchemaInfo) -> Result<(), Failure> {
    let SchemaInfo {
        version, digest, ..
    } = schema;
    let arguments = format!("--schema-version {version} --schema-digest {digest}");
    Ok(console.say(&arguments)?)
}

/// Prints the explained default settings.
pub(super) fn default_config(console: &mut Console, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(console, &NodeConfig::default());
    }
    Ok(write!(console.out, "{}", NodeConfig::default_toml())?)
}

/// `1 record`, `2 records`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !noun.ends_with("ey") => format!("{number} {stem}ies"),
        _ if noun.ends_with("ch") => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

/// JSON in which what could steer a terminal is escaped: some of it comes from other agencies. Outside
/// of strings there is none of it but line ends.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) && c != '\n' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

pub(super) fn print_json(console: &mut Console, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(unprintable)?;
    Ok(writeln!(console.out, "{}", escaped(&text))?)
}

pub(super) fn print_table(
    console: &mut Console,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    // Rules only above, below and under the header.
    for inner in [
        TableComponent::HorizontalLines,
        TableComponent::MiddleIntersections,
        TableComponent::LeftBorderIntersections,
        TableComponent::RightBorderIntersections,
    ] {
        table.remove_style(inner);
    }
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table.add_rows(rows);
    if console.out_is_terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
    }
    Ok(console.say(&table.trim_fmt())?)
}

pub(super) fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(on_one_line(value)).map_err(|error| {
        Failure::failed(format!(
            "the node's report cannot be read: {error}; is the serving node of the same version? \
             --json prints it as it came"
        ))
    })
}

/// Text of a report without line breaks: a title that another agency wrote must not look like a
/// line of ours.
fn on_one_line(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(['\n', '\r'], " ")),
        Value::Array(values) => values.into_iter().map(on_one_line).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, on_one_line(value)))
            .collect(),
        other => other,
    }
}

fn unprintable(error: serde_json::Error) -> Failure {
    Failure::failed(format!("the result cannot be written as JSON: {error}"))
}

/// An RFC 3339 time for people; what is not one stays as it is.
pub(super) fn moment(text: &str) -> String {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| time.checked_to_offset(time::UtcOffset::UTC))
        .map_or_else(
            || text.to_owned(),
            |time| {
                let (hour, minute, _) = time.to_hms();
                format!("{} {hour:02}:{minute:02} UTC", time.date())
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_cannot_forge_lines() {
        let report: Vec<String> = parsed(json!(["a\r\nEnrolled b"])).unwrap();
        assert_eq!(report, ["a  Enrolled b"]);
    }

    #[test]
    fn json_cannot_steer_a_terminal_and_says_the_same() {
        let value = json!({ "a": "x\u{9b}2J\u{202e}y", "b": [1, "ă"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        assert!(
            text.contains('\u{9b}'),
            "the control: it is there unescaped"
        );
        let shown = escaped(&text);
        assert!(!shown.chars().any(|c| steers(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(0, "record"), "0 records");
        assert_eq!(count(2, "match"), "2 matches");
        assert_eq!(count(3, "linkage key"), "3 linkage keys");
        assert_eq!(count(3, "agency"), "3 agencies");
    }

    #[test]
    fn moments_are_shown_to_the_minute() {
        assert_eq!(
            moment("2026-03-01T10:04:59.5+01:00"),
            "2026-03-01 09:04 UTC"
        );
        assert_eq!(moment("soon"), "soon");
    }
}
