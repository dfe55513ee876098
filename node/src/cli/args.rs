//! What can be typed: commands, options and their help.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use symbolon_casework::text::Text;
use symbolon_core::identity::AgencyName;

use super::casework::RecordTask;
use super::casework::ending::EndingTask;
use super::custody::CustodyTask;
use super::evaluate::{CalibrateArgs, EvaluateArgs};
use super::preview::PreviewArgs;

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
    /// surname, alias, date_of_birth, sex, nationality, address, town, postcode, uprn, phone, email,
    /// nhs_number, ni_number, upn, pnc_id, cro, passport, vehicle, account, category (victim,
    /// missing, suspect, witness or other), risk, case_ref, notes. Several values in a cell are
    /// separated by semicolons; a date may have its status and source in brackets. Other columns are kept with the record and never used. Importing again replaces
    /// records of the same id. A row that cannot be read is listed with its line; the others go in.
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
    /// Show one record with everything that is kept beside it
    #[command(
        subcommand,
        after_help = "Example:\n  symbolon-node record show R-0041"
    )]
    Record(RecordTask),
    #[command(flatten)]
    Ending(EndingTask),
    /// List the matches: which agency to telephone about which of your records, and why
    ///
    /// A match is a reason to talk, not a proof: a person decides.
    #[command(after_help = "Examples:\n  symbolon-node matches\n  symbolon-node matches R-0041")]
    Matches(RecordArgs),
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
    /// It changes nothing. Works on an agency's own file, if some people are in it twice, or on a
    /// directory with files of several agencies.
    #[command(
        after_help = "Examples:\n  symbolon-node calibrate records.csv\n  symbolon-node calibrate --data pilot --json"
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
pub(super) struct QueryArgs {
    /// The agreement to ask under; may be left out where only one is in force
    #[arg(long, value_name = "ID")]
    pub(super) agreement: Option<String>,
    #[command(flatten)]
    pub(super) details: Details,
}

/// What is known of the person; each may be given several times.
#[derive(Args)]
#[group(required = true, multiple = true)]
#[command(next_help_heading = "What you know of the person (at least one; each may be repeated)")]
pub(super) struct Details {
    /// Given names, as in --given-names "Ana Maria"
    #[arg(long, value_name = "NAMES")]
    given_names: Vec<String>,
    /// Family name
    #[arg(long, value_name = "NAME")]
    surname: Vec<String>,
    /// Another name the person goes by
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Date of birth: 2009-04-17 or 17/04/2009
    #[arg(long, value_name = "DATE")]
    date_of_birth: Vec<String>,
    /// Sex
    #[arg(long, value_name = "SEX")]
    sex: Vec<String>,
    /// Nationality
    #[arg(long, value_name = "COUNTRY")]
    nationality: Vec<String>,
    /// House and street
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<String>,
    /// Town
    #[arg(long, value_name = "TOWN")]
    town: Vec<String>,
    /// Postcode
    #[arg(long, value_name = "POSTCODE")]
    postcode: Vec<String>,
    /// Unique property reference number
    #[arg(long, value_name = "NUMBER")]
    uprn: Vec<String>,
    /// Telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Vec<String>,
    /// Email address
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// NHS number
    #[arg(long, value_name = "NUMBER")]
    nhs_number: Vec<String>,
    /// National Insurance number
    #[arg(long, value_name = "NUMBER")]
    ni_number: Vec<String>,
    /// Unique pupil number
    #[arg(long, value_name = "NUMBER")]
    upn: Vec<String>,
    /// Police National Computer identifier
    #[arg(long, value_name = "NUMBER")]
    pnc_id: Vec<String>,
    /// Criminal Records Office number
    #[arg(long, value_name = "NUMBER")]
    cro: Vec<String>,
    /// Passport: issuing country and number
    #[arg(long, value_name = "PASSPORT")]
    passport: Vec<String>,
    /// Vehicle registration mark
    #[arg(long, value_name = "MARK")]
    vehicle: Vec<String>,
    /// Account on a platform: platform and handle
    #[arg(long, value_name = "ACCOUNT")]
    account: Vec<String>,
}

impl Details {
    /// As columns of the CSV contract; several values are joined as they would be in a cell.
    pub(super) fn columns(self) -> BTreeMap<String, String> {
        let Self {
            given_names,
            surname,
            alias,
            date_of_birth,
            sex,
            nationality,
            address,
            town,
            postcode,
            uprn,
            phone,
            email,
            nhs_number,
            ni_number,
            upn,
            pnc_id,
            cro,
            passport,
            vehicle,
            account,
        } = self;
        let columns = [
            ("given_names", given_names),
            ("surname", surname),
            ("alias", alias),
            ("date_of_birth", date_of_birth),
            ("sex", sex),
            ("nationality", nationality),
            ("address", address),
            ("town", town),
            ("postcode", postcode),
            ("uprn", uprn),
            ("phone", phone),
            ("email", email),
            ("nhs_number", nhs_number),
            ("ni_number", ni_number),
            ("upn", upn),
            ("pnc_id", pnc_id),
            ("cro", cro),
            ("passport", passport),
            ("vehicle", vehicle),
            ("account", account),
        ];
        let cells = columns.map(|(column, values)| (column.to_owned(), values.join(";")));
        let given = cells
            .into_iter()
            .filter(|(_, cell)| !cell.trim().is_empty());
        given.collect()
    }
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

/// What to do with agreements.
#[derive(Subcommand)]
pub(super) enum AgreementTask {
    /// List the agreements with their members and standing
    #[command(after_help = "Example:\n  symbolon-node agreement list")]
    List,
    /// Accept an agreement for this agency
    ///
    /// It comes into force when every member has accepted. Compare its digest with the other
    /// members first, by telephone.
    #[command(after_help = "Example:\n  symbolon-node agreement accept north-missing-children")]
    Accept {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// An immigration service that takes part and is accepted as such; one for each
        #[arg(long, value_name = "AGENCY")]
        accept_immigration: Vec<AgencyName>,
    },
    /// Show an agreement: its terms, who accepted, its keys, what was withdrawn
    #[command(after_help = "Example:\n  symbolon-node agreement show north-missing-children")]
    Show {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Decline an agreement that is proposed; it then never comes into force
    #[command(
        after_help = "Example:\n  symbolon-node agreement decline north-missing-children --reason \"no lawful basis here\""
    )]
    Decline {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// Why, for the other members and the administrator
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Leave an agreement that is in force
    ///
    /// What this agency shared under it is deleted at the hub, its matches end, and the members who
    /// remain get a new key that this agency never has.
    #[command(
        after_help = "Example:\n  symbolon-node agreement leave north-missing-children --reason \"we closed\""
    )]
    Leave {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// Why, for the other members and the administrator
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
    /// Print everything that was signed about an agreement, to verify it without a hub
    #[command(
        after_help = "Example:\n  symbolon-node agreement export north-missing-children > agreement.json"
    )]
    Export {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
    },
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

    #[test]
    fn details_are_columns_of_the_contract() {
        let args = [
            "symbolon-node",
            "query",
            "--phone",
            "1",
            "--phone",
            "2",
            "--sex",
            " ",
        ];
        let Task::Query(query) = Cli::try_parse_from(args).ok().unwrap().task else {
            panic!("a query");
        };
        let columns = query.details.columns();
        assert_eq!(columns, [("phone".to_owned(), "1;2".to_owned())].into());

        let mut command = Cli::command();
        command.build();
        let query = command.find_subcommand("query").unwrap();
        let details = query
            .get_groups()
            .find(|g| g.get_id() == "Details")
            .unwrap();
        for id in details.get_args() {
            let column = id.as_str();
            assert!(crate::csv_file::COLUMNS.contains(&column), "{column}");
        }
    }
}
