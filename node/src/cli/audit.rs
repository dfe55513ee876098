//! `audit`: what can be typed about the log, and how it is printed.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use symbolon_casework::audit::{AuditFilter, AuditKind};
use symbolon_casework::chain::Head;
use symbolon_core::identity::Name;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, Duration, OffsetDateTime, Time};

use super::args::Global;
use super::commands::{ask, enrolled_config};
use super::console::Console;
use super::failure::Failure;
use super::{Launcher, output};
use crate::casework::command::AuditCommand;
use crate::casework::{AuditLine, AuditVerified, ExportVerified, verify_export};
use crate::command::Command;
use crate::vault::write_private;

/// What to do about the audit log.
#[derive(Subcommand)]
pub(super) enum AuditTask {
    /// Show who did what, when and why
    #[command(after_help = "\
Examples:
  symbolon-node audit show --record R-0041
  symbolon-node audit show --from 2026-03-01 --to 2026-03-31 --kind disclosure --newest 1000")]
    Show {
        #[command(flatten)]
        filter: FilterArgs,
        /// How many of the newest entries
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        newest: u64,
    },
    /// Find out whether the log was altered: the node's own, or an exported file
    ///
    /// Prints the log's head. Note it where the keeper of this computer cannot change it, and give it with
    /// --head the next time: that alone shows a log that was made anew. A file is verified without the
    /// node; compare the key that it was signed with with the agency's in the roster.
    #[command(after_help = "\
Examples:
  symbolon-node audit verify
  symbolon-node audit verify --file march.jsonl")]
    Verify {
        /// An exported file instead of the node's own log
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// A head that was noted before: NUMBER:DIGEST
        #[arg(long, value_name = "HEAD")]
        head: Option<Head>,
    },
    /// Write entries as JSON lines that can be verified elsewhere
    ///
    /// Of entries in the period that were not asked for only the place in the chain goes out, nothing of
    /// what was done.
    #[command(after_help = "\
Examples:
  symbolon-node audit export --from 2026-03-01 --to 2026-03-31 --out march.jsonl --reason inspection
  symbolon-node audit export --record R-0041 --reason \"subject access\" > R-0041.jsonl")]
    Export {
        #[command(flatten)]
        filter: FilterArgs,
        /// The file to write, for you alone to read; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which entries.
#[derive(Args)]
pub(super) struct FilterArgs {
    /// From this day or moment on: 2026-03-01 (UTC) or 2026-03-01T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = beginning)]
    from: Option<i64>,
    /// Up to this day, or before this moment
    #[arg(long, value_name = "WHEN", value_parser = end)]
    to: Option<i64>,
    /// By this account, or on it
    #[arg(long, value_name = "NAME")]
    who: Option<Name>,
    /// On this record
    #[arg(long, value_name = "RECORD_ID")]
    record: Option<String>,
    /// collection, alteration, consultation, disclosure, combination, erasure, not-shared, access or
    /// administration
    #[arg(long, value_name = "KIND")]
    kind: Option<AuditKind>,
}

impl From<FilterArgs> for AuditFilter {
    fn from(args: FilterArgs) -> Self {
        let FilterArgs {
            from,
            to,
            who,
            record,
            kind,
        } = args;
        Self {
            from,
            until: to,
            who,
            record,
            kind,
        }
    }
}

fn beginning(text: &str) -> Result<i64, String> {
    moment(text, Duration::ZERO)
}

/// A day counts to its end.
fn end(text: &str) -> Result<i64, String> {
    moment(text, Duration::DAY)
}

fn moment(text: &str, of_a_day: Duration) -> Result<i64, String> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(moment.unix_timestamp());
    }
    let day = Date::parse(text, &Iso8601::DATE).ok();
    let moment = day.and_then(|day| {
        day.with_time(Time::MIDNIGHT)
            .assume_utc()
            .checked_add(of_a_day)
    });
    moment
        .map(OffsetDateTime::unix_timestamp)
        .ok_or_else(|| "write a day as 2026-03-01 or a moment as 2026-03-01T09:00:00Z".to_owned())
}

/// Carries out one of them and prints its report.
pub(super) async fn carry_out(
    global: &Global,
    task: AuditTask,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    if let AuditTask::Verify {
        file: Some(file),
        head,
    } = &task
    {
        return verify_file(global, file, *head, console);
    }
    let config = enrolled_config(global)?;
    let (command, out) = match task {
        AuditTask::Show { filter, newest } => {
            let filter = filter.into();
            (AuditCommand::Show { filter, newest }, None)
        }
        AuditTask::Verify { file: _, head } => (AuditCommand::Verify { noted: head }, None),
        AuditTask::Export { filter, out } => {
            if let Some(file) = out.as_ref().filter(|file| file.exists()) {
                return Err(Failure::failed(format!(
                    "{} is there already; give another name, or move it away",
                    file.display()
                )));
            }
            let filter = filter.into();
            (AuditCommand::Export { filter }, out)
        }
    };
    let print = command.clone();
    let command = Command::Audit(command);
    let value = ask(global, config, command, console, launcher).await?;
    match print {
        AuditCommand::Export { .. } => export(global, console, &value, out.as_deref()),
        _ if global.json => output::print_json(console, &value),
        AuditCommand::Show { .. } => show(console, output::parsed(value)?),
        AuditCommand::Verify { .. } => {
            let AuditVerified { entries, head } = output::parsed(value)?;
            let count = output::count(entries, "entry");
            console.say(&format!("The log holds together: {count}."))?;
            Ok(console.say(&format!("Head {head}"))?)
        }
    }
}

fn show(console: &mut Console, lines: Vec<AuditLine>) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(console.say("The log has no such entry.")?);
    }
    let rows = lines.into_iter().map(|line| {
        let AuditLine { number, at, event } = line;
        let about = [
            ("record", event.record),
            ("case", event.case),
            ("agency", event.agency.map(String::from)),
            ("agreement", event.agreement.map(String::from)),
            ("account", event.account.map(String::from)),
        ];
        let about = about.into_iter();
        let mut about: Vec<String> = about
            .filter_map(|(what, name)| Some(format!("{what} {}", name?)))
            .collect();
        if !event.fields.is_empty() {
            about.push(format!("({})", event.fields.join(", ")));
        }
        let word =
            |text: Option<symbolon_casework::text::Text>| text.map_or(String::new(), String::from);
        vec![
            number.to_string(),
            output::moment(&at),
            event.who.map_or("the node".to_owned(), String::from),
            event.kind.to_string(),
            event.what,
            about.join(", "),
            word(event.purpose),
            word(event.reason),
        ]
    });
    let header = [
        "number", "when", "who", "kind", "what", "about", "purpose", "reason",
    ];
    output::print_table(console, &header, rows)
}

fn export(
    global: &Global,
    console: &mut Console,
    value: &Value,
    out: Option<&Path>,
) -> Result<(), Failure> {
    let mut text = String::new();
    for line in value.as_array().into_iter().flatten() {
        text += &format!("{line}\n");
    }
    let Some(file) = out else {
        return Ok(console.out.write_all(text.as_bytes())?);
    };
    write_private(file, text.as_bytes()).map_err(|error| Failure::failed(error.to_string()))?;
    let lines = value.as_array().map_or(0, Vec::len).saturating_sub(1) as u64;
    if global.json {
        return output::print_json(console, &json!({ "file": file, "entries": lines }));
    }
    Ok(console.say(&format!(
        "Wrote {} to {}, left-out ones among them.",
        output::count(lines, "entry"),
        file.display()
    ))?)
}

fn verify_file(
    global: &Global,
    file: &Path,
    noted: Option<Head>,
    console: &mut Console,
) -> Result<(), Failure> {
    let opened = File::open(file)
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))?;
    let verified = verify_export(BufReader::new(opened), noted)
        .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
    if global.json {
        return output::print_json(console, &verified);
    }
    let ExportVerified {
        agency,
        entries,
        left_out,
        first,
        last,
        head,
        key,
    } = verified;
    let count = output::count(entries, "entry");
    console.say(&format!(
        "The export of {agency} holds together: {count}, {left_out} left out, from number {first} to {} of {}.",
        last.number, head.number
    ))?;
    console.say(&format!("Last {last}"))?;
    let key = serde_json::to_value(key).unwrap_or_default();
    let key = key.as_str().unwrap_or_default();
    Ok(console.say(&format!(
        "Signed with {key}: compare it with {agency}'s signing key in the roster."
    ))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read() {
        assert_eq!(beginning("1970-01-02"), Ok(86_400));
        assert_eq!(end("1970-01-02"), Ok(172_800), "the day counts to its end");
        assert_eq!(end("1970-01-02T00:00:10Z"), Ok(86_410));
        for bad in ["yesterday", "2026-13-01", "01/03/2026"] {
            assert!(beginning(bad).is_err(), "{bad}");
        }
    }
}
