//! What can be typed: commands, options and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use symbolon_casework::text::Text;

use super::agreement::AgreementTask;
use super::audit::AuditTask;
use super::casework::ending::EndingTask;
use super::casework::{
    AttachmentTask, CaseTask, DisclosureTask, MissingTask, NetworkTask, QueueArgs, RecordTask,
};
use super::custody::CustodyTask;
use super::evaluate::{CalibrateArgs, EvaluateArgs};
use super::matches::MatchesArgs;
use super::people::{AccountTask, LoginArgs};
use super::preview::PreviewArgs;
use super::query::QueryArgs;

const FIRST_STEPS: &str = "\
First steps:
  1. symbolon-node enrol INVITATION        once, with the administrator's invitation
  2. symbolon-node serve                   in a window of its own, or as a service
  3. symbolon-node agreement list          then: agreement accept ID
  4. symbolon-node import records.csv --agreement ID
  5. symbolon-node matches                 who else holds something on the same person

Exit codes: 0 done, 1 failed (the reason is printed), 2 wrong usage.";

/// Finds out which other agencies hold records on the same person, without showing yours.
///
/// Your records stay on this computer, encrypted. Other agencies learn that you hold something on
/// a person only if they hold something on the same person, under an agreement that both accepted,
/// and then they learn whom to telephone: never what is in the record.
#[derive(Parser)]
#[command(
    name = "symbolon-node",
    version,
    after_help = FIRST_STEPS,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) task: Task,
}

/// Options that every command takes.
#[derive(Args)]
#[command(next_help_heading = "Options for every command")]
pub(super) struct Global {
    /// The directory where this node keeps its keys, records and settings
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SYMBOLON_STATE",
        hide_env_values = true,
        default_value = "./symbolon-node"
    )]
    pub(super) state: PathBuf,
    /// Print the result as one JSON value, for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Read the passphrase from the first line of this file instead of asking for it
    ///
    /// Without this, the environment variable SYMBOLON_PASSPHRASE is used if it is set; otherwise
    /// you are asked.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Open the vault with this key file (at least 32 random bytes) instead of a passphrase
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// For what you act, in a few words; written down with the act
    #[arg(long, global = true, value_name = "TEXT")]
    pub(super) purpose: Option<Text>,
    /// Why you act, in a few words without names; written down with the act
    #[arg(long, global = true, value_name = "TEXT")]
    pub(super) reason: Option<Text>,
}

/// The commands.
#[derive(Subcommand)]
pub(super) enum Task {
    /// Join the consortium with the invitation that the administrator gave you
    ///
    /// Makes this agency's keys, redeems the invitation and creates the vault, the encrypted store
    /// for your records. You choose the passphrase that opens it: it cannot be recovered. Compare
    /// the printed roster digest with the administrator, by telephone.
    #[command(after_help = "\
Example:
  symbolon-node enrol --invitation-file invitation.txt

On the state directory of an enrolled node of the same agency, a fresh invitation keeps records and
keys and takes a new certificate: for a node whose certificate ended while it was off, or was
revoked. Stop the node first if it serves.")]
    Enrol(EnrolArgs),
    /// Run the node: stay connected, find matches as they come
    ///
    /// Runs until Ctrl-C or SIGTERM. Other commands given meanwhile are carried out by it.
    #[command(after_help = "Example:\n  symbolon-node serve --key-file vault.key")]
    Serve,
    /// Read a CSV file of records into the vault, and share what you say
    ///
    /// The first line names the columns; record_id is required, the others are: given_names,
    /// surname, alias, date_of_birth, sex, multiple_birth, nationality, address, town, postcode, uprn,
    /// phone, email, nhs_number, ni_number, upn, pnc_id, cro, passport, vehicle, account, category (victim,
    /// missing, suspect, witness or other), risk, case_ref, notes. Several values in a cell are
    /// separated by semicolons; a date may have its status and source in brackets. Other columns are
    /// kept with the record and never used. Importing again changes, in records of the same id, the
    /// columns that the file has. A row that cannot be read is listed with its line; the others go in.
    #[command(after_help = "\
Examples:
  symbolon-node import records.csv --agreement north-missing-children
  symbolon-node import export.csv --map CaseNo=record_id --map Forename=given_names")]
    Import(ImportArgs),
    /// Show what an import of a CSV file would share, before anything leaves
    ///
    /// Reads the file as import does, with the same options. Shows of each record how many linkage
    /// keys of which kinds it gives, which values would be kept back or make no key and why, and
    /// under which agreements it would be shared. Writes nothing and sends nothing, the hub is not
    /// asked: agreements are taken as this node last saw them. Values are shown only on request.
    #[command(after_help = "\
Examples:
  symbolon-node preview records.csv --agreement north-missing-children
  symbolon-node preview records.csv --record R-0041 --show-values")]
    Preview(PreviewArgs),
    /// List your records, or show one
    #[command(after_help = "Examples:\n  symbolon-node records\n  symbolon-node records R-0041")]
    Records(RecordArgs),
    /// List what is to be done: matches by risk and clock, with whom to call
    ///
    /// Whoever has it shown has seen the matches in it: the other agency sees that somebody did.
    #[command(
        after_help = "Examples:\n  symbolon-node queue\n  symbolon-node queue --overdue --json"
    )]
    Queue(QueueArgs),
    /// Work on a match: take it on, confirm or refute it, say what came of it
    ///
    /// What you say and the reason go to the other agency's node; both show the same state.
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node case acknowledge 3f2a\n  symbolon-node case confirm 3f2a --reason 'same scar, same school'"
    )]
    Case(CaseTask),
    /// Keep records one at a time: show, edit, history, consent, links, HTCDS files
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node record show R-0041\n  symbolon-node record history R-0041"
    )]
    Record(RecordTask),
    /// Ask the other agency of a case for fields of its record; release or refuse what it asks for
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node disclosure list\n  symbolon-node disclosure show 5d2f"
    )]
    Disclosure(DisclosureTask),
    /// Send a file with a case, and save what the other agency sent
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node attachment list\n  symbolon-node attachment save 9b1c --to ."
    )]
    Attachment(AttachmentTask),
    /// Report who is missing, keep it up, and end it: others are told at once
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node missing report R-0041 --risk high --circumstances TEXT\n  symbolon-node missing list"
    )]
    Missing(MissingTask),
    /// Show what joins records: shared phones, vehicles, addresses, accounts
    #[command(
        subcommand,
        after_help = "Example:\n  symbolon-node network show R-0041 --format svg > network.svg"
    )]
    Network(NetworkTask),
    #[command(flatten)]
    Ending(EndingTask),
    /// List the matches: which agency to telephone about which of your records, and why
    ///
    /// A match is a reason to talk, not a proof: a person decides.
    #[command(
        after_help = "Examples:\n  symbolon-node matches\n  symbolon-node matches R-0041\n  symbolon-node matches --tier strong"
    )]
    Matches(MatchesArgs),
    /// List the private comparisons: when, with which agency, of which of your records
    ///
    /// What keys leave open, the two nodes compare field by field; each learns how many features
    /// agree. `matches` shows what came of it.
    #[command(
        after_help = "Examples:\n  symbolon-node comparisons\n  symbolon-node comparisons R-0041"
    )]
    Comparisons(RecordArgs),
    /// Ask about one person now, without keeping a record
    ///
    /// Give everything that you know: two or three details together find more than one. The other
    /// agency learns that you asked. Details typed here may stay in your shell's history.
    #[command(
        override_usage = "symbolon-node query [OPTIONS] WHAT_YOU_KNOW...",
        after_help = "\
Examples:
  symbolon-node query --given-names Ana --surname Nowak --date-of-birth 2009-04-17
  symbolon-node query --phone 07700900123 --phone 07700900456 --agreement north-missing-children"
    )]
    Query(Box<QueryArgs>),
    /// Delete records here and what was shared of them
    ///
    /// What the hub holds of them is deleted, other agencies' matches with them end, and the
    /// records leave the vault.
    #[command(after_help = "Example:\n  symbolon-node withdraw R-0041 R-0042")]
    Withdraw(WithdrawArgs),
    /// Show how this node is: connection, certificate, records, matches
    #[command(after_help = "Example:\n  symbolon-node status")]
    Status,
    /// Exchange this agency's signing and encryption keys for new ones
    ///
    /// Makes the keys, keeps them in the vault and hands them in to the roster. They wait there until
    /// administrators approve; the node goes over to them by itself when it sees them in the roster,
    /// and uses the present ones until then. Given again while keys wait, it makes no others and hands
    /// the same ones in again. Records, rows, matches and agreements stay as they are.
    #[command(
        after_help = "Example:\n  symbolon-node rekey\n\nWhat waits is shown by: symbolon-node status"
    )]
    Rekey,
    /// List the data sharing agreements, accept, decline or leave one
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node agreement list\n  symbolon-node agreement show ID\n  symbolon-node agreement accept ID"
    )]
    Agreement(AgreementTask),
    /// Make, list and change the accounts of this agency's people
    ///
    /// As long as there is none, the node is being set up and whoever can open it may do everything.
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node account add ana-nowak --role administrator\n  symbolon-node account list"
    )]
    Account(AccountTask),
    /// Sign in; your next commands are yours
    ///
    /// The session is kept in a file that only you can read, symbolon/session-... in the directory that
    /// XDG_RUNTIME_DIR names, else XDG_CONFIG_HOME, else ~/.config: one for each state directory. The
    /// environment variable SYMBOLON_SESSION goes before it. A session ends 30 minutes after its last use,
    /// and after 12 hours.
    #[command(after_help = "\
Examples:
  symbolon-node login ana-nowak
  export SYMBOLON_SESSION=$(symbolon-node login ana-nowak --print-session)")]
    Login(LoginArgs),
    /// Sign out
    #[command(after_help = "Example:\n  symbolon-node logout")]
    Logout,
    /// Say who is signed in
    #[command(after_help = "Example:\n  symbolon-node whoami")]
    Whoami,
    /// Show, verify or export the log of who did what and why
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node audit show --record R-0041\n  symbolon-node audit verify"
    )]
    Audit(AuditTask),
    /// Show and tend this agency's share of the consortium's key, if it is a custodian
    #[command(
        subcommand,
        after_help = "Examples:\n  symbolon-node custody status\n  symbolon-node custody log"
    )]
    Custody(CustodyTask),
    /// Show the version and digest of the linkage schema, to compare with the administrator's
    #[command(
        after_help = "Examples:\n  symbolon-node schema\n  symbolon-hub admin agreement propose ... $(symbolon-node schema --arguments)"
    )]
    Schema(SchemaArgs),
    /// Measure the linkage on files whose truth is known, in clear on this computer
    ///
    /// Runs what nodes run: keys, caps, candidates, comparison of the candidates, score. The
    /// directory has one CSV file for each agency, as import takes them, and truth.csv with the
    /// columns left_agency, left_record, right_agency, right_record: the pairs that are one person.
    /// Nothing goes to the hub or into the vault.
    #[command(
        after_help = "Examples:\n  symbolon-node evaluate --data pilot\n  symbolon-node evaluate --data pilot --json"
    )]
    Evaluate(EvaluateArgs),
    /// Estimate weights of the linkage from records whose truth nobody knows
    ///
    /// Shows, beside the schema's own, what each level of agreement would weigh by these records.
    /// It changes nothing. Works on the records of this node or on a file of your own, if some people
    /// are in it twice, or on a directory with files of several agencies. Says on how many pairs the
    /// figures stand; of a node's records at least a hundred pairs must be one person.
    #[command(
        after_help = "Examples:\n  symbolon-node calibrate\n  symbolon-node calibrate records.csv\n  symbolon-node calibrate --data pilot --json"
    )]
    Calibrate(CalibrateArgs),
    /// Print every setting with its explanation, to start a node.toml from
    #[command(after_help = "Example:\n  symbolon-node default-config > symbolon-node/node.toml")]
    DefaultConfig,
}

#[derive(Args)]
pub(super) struct SchemaArgs {
    /// Print version and digest as the arguments that `symbolon-hub admin agreement propose` takes
    #[arg(long)]
    pub arguments: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct EnrolArgs {
    /// The invitation, one line of text; - reads it from standard input
    #[arg(value_name = "INVITATION")]
    pub(super) invitation: Option<String>,
    /// A file with the invitation; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    pub(super) invitation_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The CSV file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// An agreement that the records take part in; may be given several times
    ///
    /// Without it, new records take part in the default_agreements of node.toml (none unless you
    /// changed it), and known records stay as they are.
    #[arg(long = "agreement", value_name = "ID")]
    pub(super) agreements: Vec<String>,
    /// A column of the file under another name: FILE_COLUMN=COLUMN; may be given several times
    #[arg(long, value_name = "A=B", value_parser = renaming)]
    pub(super) map: Vec<(String, String)>,
    /// Withdraw records that the file no longer has
    #[arg(long)]
    pub(super) remove_missing: bool,
    /// Keep rows whose date of birth cannot be read, without the date
    #[arg(long)]
    pub(super) keep_invalid: bool,
}

#[derive(Args)]
pub(super) struct RecordArgs {
    /// Only this record
    #[arg(value_name = "RECORD_ID")]
    pub(super) record_id: Option<String>,
}

#[derive(Args)]
pub(super) struct WithdrawArgs {
    /// The records
    #[arg(value_name = "RECORD_ID", required = true)]
    pub(super) record_ids: Vec<String>,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    pub(super) yes: bool,
}

fn renaming(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    let parts = parts.map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()));
    parts
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .ok_or_else(|| {
            "write the file's column, =, and the column of the contract: Forename=given_names"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
