//! What the node answers to a person: plain data, printed as a table or as JSON by the command line.
//!
//! These are the contract of `--json`. Nothing here is logged: some fields carry record data, which
//! belongs on the caseworker's own terminal only.

mod comparison;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::Document;
use symbolon_core::crypto::VerifyingKey;
use symbolon_core::linkage::record::{Issue, IssueReason};

pub use comparison::{ComparisonLine, ComparisonRefusal, ComparisonReport, ComparisonView};

/// One step of long work, for a progress bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done: `counting`, `reading`, `registering`, `withdrawing`.
    pub stage: String,
    /// How much is done.
    pub done: u64,
    /// Of how much; 0 if unknown.
    pub total: u64,
}

/// Where progress goes.
pub type ProgressSink = std::sync::Arc<dyn Fn(Progress) + Send + Sync>;

/// A row or a value of a file that could not be used as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblem {
    /// Line of the file, from 1 (the header).
    pub line: u64,
    /// Column, where one is to blame.
    pub column: Option<String>,
    /// What is wrong and what was done, for the terminal; may quote the value.
    pub reason: String,
}

/// How many values of a file make no key, and in which columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedValues {
    /// Words and numbers that stand where nothing is known, by column.
    pub placeholders: BTreeMap<String, u64>,
    /// Values that cannot be right, by column.
    pub invalid: BTreeMap<String, u64>,
}

impl UnusedValues {
    pub(crate) fn add(&mut self, issue: &Issue) {
        let by_column = match issue.reason {
            IssueReason::Placeholder => &mut self.placeholders,
            _ => &mut self.invalid,
        };
        *by_column.entry(issue.column.to_owned()).or_insert(0) += 1;
    }
}

/// What an import found in a file, or a preview of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    /// The file.
    pub file: String,
    /// Rows read, good and bad.
    pub read: u64,
    /// Records that are new.
    pub new: u64,
    /// Records that replace an older version.
    pub changed: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Records withdrawn because the file no longer has them (`--remove-missing`).
    pub removed: u64,
    /// Rows that are skipped.
    pub skipped: Vec<FileProblem>,
    /// Values that make no key, by column.
    #[serde(default)]
    pub unused: UnusedValues,
    /// Keys that records lose because they have more than the schema's bounds allow, by kind.
    #[serde(default)]
    pub left_out: BTreeMap<String, u64>,
    /// What else is to be known.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl FileCounts {
    pub(crate) fn leave_out(&mut self, kind: &str, number: u64) {
        *self.left_out.entry(kind.to_owned()).or_insert(0) += number;
    }

    /// Records that go in, or stay.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.new + self.changed + self.unchanged
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// What it found.
    #[serde(flatten)]
    pub found: FileCounts,
    /// Rows that went in, with a value that could not be used.
    pub warnings: Vec<FileProblem>,
    /// Agreements that the imported records take part in.
    pub agreements: Vec<String>,
    /// Linkage keys of the imported records.
    pub linkage_keys: u64,
    /// Keys not shared because this agency holds the value too often, by kind.
    pub suppressed: BTreeMap<String, u64>,
    /// Keys not shared because all members together hold the value too often, by kind.
    #[serde(default)]
    pub common: BTreeMap<String, u64>,
    /// Records that an agreement's record roles keep out of it, by agreement.
    #[serde(default)]
    pub held_back: BTreeMap<String, u64>,
    /// Records that rest on consent and are kept out of an agreement for want of it, by agreement.
    #[serde(default)]
    pub without_consent: BTreeMap<String, u64>,
    /// Records with edits that stay, since the file says what it said before.
    #[serde(default)]
    pub edits_kept: u64,
    /// Rows registered at the hub by this import.
    pub rows_registered: u64,
    /// Rows withdrawn from the hub by this import.
    pub rows_withdrawn: u64,
    /// Keys that wait in the vault and go on by themselves.
    pub waiting: u64,
    /// Why they wait.
    pub waiting_reason: Option<String>,
}

/// One record in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// The agency's own id.
    pub record_id: String,
    /// Given names and surname as recorded.
    pub name: String,
    /// Dates of birth as recorded.
    pub date_of_birth: String,
    /// Category, if given.
    pub category: Option<String>,
    /// Agreements it takes part in.
    pub agreements: Vec<String>,
    /// Of these, agreements whose record roles keep its category out.
    #[serde(default)]
    pub held_back: Vec<String>,
    /// Linkage keys it gives.
    pub linkage_keys: u64,
    /// Rows of it that are registered at the hub.
    pub rows: u64,
    /// Matches it has.
    pub matches: u64,
}

/// One match in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchView {
    /// Short name of the match, the same on both sides.
    pub id: String,
    /// The agency's own record; for a query, what was asked.
    pub record_id: String,
    /// The other agency.
    pub agency: String,
    /// The other's reference for its record, to say on the telephone.
    pub reference: String,
    /// The agreement under which it was found.
    pub agreement: String,
    /// Kinds of identifier that agreed, most telling first.
    pub agreed: Vec<String>,
    /// Strength of the evidence in bits.
    pub bits: f64,
    /// `strong` or `possible`.
    pub tier: String,
    /// `high`, `medium` or `standard`.
    pub urgency: String,
    /// Whether the other agency asked with a query rather than holding a record.
    pub from_query: bool,
    /// When the first evidence came, RFC 3339.
    pub since: String,
    /// How it stands with the own record's person, if they were ever reported missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The private comparison with the other node; none where keys decide, and for queries.
    #[serde(default)]
    pub comparison: Option<ComparisonView>,
    /// The own record is silent: somebody else holds or asked for this person and knows nothing of this.
    #[serde(default)]
    pub silent: bool,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryReport {
    /// The agreement under which was asked.
    pub agreement: String,
    /// Linkage keys that were asked with.
    pub linkage_keys: u64,
    /// Values that could not be used.
    pub warnings: Vec<String>,
    /// What came back, strong or possible.
    pub matches: Vec<MatchView>,
}

/// What a withdrawal did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawReport {
    /// Records withdrawn.
    pub records: Vec<String>,
    /// Ids that this node does not hold.
    pub unknown: Vec<String>,
    /// Ids that stay because they are under legal hold.
    #[serde(default)]
    pub held: Vec<String>,
    /// Rows deleted at the hub.
    pub rows_withdrawn: u64,
    /// Notices cancelled at other agencies.
    pub notices_cancelled: u64,
    /// Own matches that ended.
    pub matches_ended: u64,
    /// Rows whose deletion waits until the hub can be reached.
    pub waiting: u64,
}

/// One agreement as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementView {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// Its members.
    pub members: Vec<String>,
    /// Purposes.
    pub purposes: Vec<String>,
    /// Regime and lawful basis.
    pub basis: String,
    /// Retention in months.
    pub retention_months: u32,
    /// Who has accepted.
    pub accepted: Vec<String>,
    /// Who has declined, and why.
    pub declined: Vec<String>,
    /// Who has left, and why.
    pub left: Vec<String>,
    /// `proposed`, `accepted` (by us), `declined`, `in force`, `left` (by us), `ended`.
    pub standing: String,
    /// Digest of the document, to compare by telephone.
    pub digest: String,
    /// A new version that waits for acceptances while this one is in force.
    pub open: Option<OpenVersionView>,
    /// Keys that are served: the current one, and the one that members go over to.
    pub epochs: Vec<EpochView>,
    /// Keys that are over, with the count of what was withdrawn.
    pub closed: Vec<ClosureView>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// A version of an agreement that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenVersionView {
    /// Its version.
    pub version: u32,
    /// Digest of the document, to compare by telephone.
    pub digest: String,
    /// Its members.
    pub members: Vec<String>,
    /// Who has accepted.
    pub accepted: Vec<String>,
}

/// A key of an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// Of which version.
    pub version: u32,
    /// Its number.
    pub number: u32,
    /// Who has it.
    pub members: Vec<String>,
    /// Who has made its rows anew under it.
    pub done: Vec<String>,
}

/// A key that is over, and what became of this agency's rows under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosureView {
    /// Its number.
    pub number: u32,
    /// Rows that were registered when it ended, dummies among them.
    pub before: u64,
    /// Of these, deleted at the hub.
    pub withdrawn: u64,
    /// Not yet deleted.
    pub left: u64,
    /// The hub holds exactly the rows that this node knows, none of this key among them.
    pub confirmed: bool,
}

/// An agreement with its terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementDetail {
    /// Where it stands.
    pub summary: AgreementView,
    /// What is agreed.
    pub terms: Document,
    /// What is proposed in its place.
    pub proposed: Option<Document>,
}

/// Whether everything lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// `green`, or `red` while there is still time to act.
    pub state: String,
    /// What is wrong and what to do.
    pub reasons: Vec<String>,
}

/// How the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// This agency.
    pub agency: String,
    /// The consortium.
    pub consortium: String,
    /// The hub's address.
    pub hub: String,
    /// Whether `serve` is running.
    pub serving: bool,
    /// Whether the hub is connected.
    pub connected: bool,
    /// Why not, if not.
    pub connection_error: Option<String>,
    /// When the certificate ends, RFC 3339.
    pub certificate_expires: String,
    /// Red before the certificate, its issuer or the root ends.
    pub health: HealthReport,
    /// Records held.
    pub records: u64,
    /// Rows registered at the hub.
    pub rows: u64,
    /// Keys that wait to be tokenised or registered.
    pub waiting: u64,
    /// Why they wait.
    pub waiting_reason: Option<String>,
    /// How far an import is, or what works off what waits.
    #[serde(default)]
    pub underway: Option<Progress>,
    /// Matches in the queue, strong and possible.
    pub matches: u64,
    /// Private comparisons with other nodes.
    #[serde(default)]
    pub comparisons: ComparisonReport,
    /// `2 of 3, custodian 1 of them`, or why there is no key yet.
    pub custody: String,
    /// Agreements with their standing.
    pub agreements: Vec<AgreementView>,
    /// Entries of the verified roster.
    pub roster_length: u64,
    /// New keys that the roster does not show yet.
    #[serde(default)]
    pub rekey: Option<WaitingRekey>,
}

/// How the node is, for whoever asks: nothing about records, matches or agreements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicStatus {
    /// This agency.
    pub agency: String,
    /// The consortium.
    pub consortium: String,
    /// The hub's address.
    pub hub: String,
    /// Whether `serve` is running.
    pub serving: bool,
    /// Whether the hub is connected.
    pub connected: bool,
    /// Why not, if not.
    pub connection_error: Option<String>,
    /// When the certificate ends, RFC 3339.
    pub certificate_expires: String,
    /// Red before the certificate, its issuer or the root ends.
    pub health: HealthReport,
}

impl StatusReport {
    /// Of it, what is told to whoever is not signed in.
    #[must_use]
    pub fn public(self) -> PublicStatus {
        PublicStatus {
            agency: self.agency,
            consortium: self.consortium,
            hub: self.hub,
            serving: self.serving,
            connected: self.connected,
            connection_error: self.connection_error,
            certificate_expires: self.certificate_expires,
            health: self.health,
        }
    }
}

/// New keys of this agency that the roster does not show yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRekey {
    /// `waiting` for approvals, `overtaken` by another change of the roster, or `not handed in`: in
    /// the last two cases they have to be handed in again.
    pub state: String,
    /// Digest of the roster entry that names them; administrators approve it by its beginning.
    pub entry: String,
    /// Approvals that it needs.
    pub needed: u32,
    /// Who can approve.
    pub administrators: Vec<String>,
}

/// What became of new keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyReport {
    /// `waiting` for approvals, or `done`: the roster shows them and this node uses them.
    pub state: String,
    /// They were made now, and not handed in again.
    pub made: bool,
    /// Digest of the roster entry that names them; administrators approve it by its beginning.
    pub entry: String,
    /// Approvals that it has.
    pub approvals: u32,
    /// Approvals that it needs.
    pub needed: u32,
    /// Who can approve.
    pub administrators: Vec<String>,
    /// The new signing key, as `symbolon-hub admin roster show --json` will show it.
    pub signing_key: VerifyingKey,
}

/// What enrolment gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReport {
    /// This agency.
    pub agency: String,
    /// The consortium.
    pub consortium: String,
    /// Digest of the roster's genesis, to compare with the administrator's.
    pub genesis: String,
    /// When the certificate ends, RFC 3339.
    pub certificate_expires: String,
    /// Where the node keeps its state.
    pub state: String,
    /// The node was enrolled before: its records and keys stay, only the certificate is new.
    pub healed: bool,
}
