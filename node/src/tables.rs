//! What the vault holds: one type for each table.
//!
//! A crash between two writes must never lose a row or a record; the order of writes is said where
//! it matters. `rows` is the truth about what is, or shall be, at the hub.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use symbolon_casework::accounts::{Account, Session};
use symbolon_casework::chain::{Entry, Head};
use symbolon_casework::disclosure::RequestId;
use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::lifecycle::CaseId;
use symbolon_casework::missing::MissingFile;
use symbolon_casework::parcel::ParcelId;
use symbolon_casework::tombstone::{ReasonClass, Signed};
use symbolon_core::agreement::Papers;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::KeyKindId;
use symbolon_core::oprf::dkg::{Bytes, Dkg, Outgoing};
use symbolon_core::oprf::threshold::CustodyKey;
use symbolon_core::payload::{RecordReference, Urgency};
use symbolon_core::quota::Bucket;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, Handle, Token};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::casework::{
    ChunkKey, ReceivedKey, RequestKey, StoredAsked, StoredCase, StoredIncoming, StoredOutgoing,
    StoredReceived, StoredRequest, StoredVersion,
};
use crate::comparison::{ComparisonEntry, Spent, StoredAsk, StoredComparison, StoredRefusal};
use crate::custodian::answers::{Slot, StoredAnswer};
use crate::custodian::gate::LedgerEntry;
use crate::error::NodeError;
use crate::questions::StoredQuestion;
use crate::rows::{self, Pending, Rows};
use crate::vault::{Grouped, Table, Vault};

/// That somebody wants to open a silent record.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredOpening {
    /// Who.
    pub by: Name,
    /// To which level.
    pub to: Level,
    /// When, Unix seconds.
    pub at: i64,
}

/// Secret bytes in the vault: zeroised when dropped, redacted when shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secret(#[serde(with = "encoding::base64")] pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Public bytes in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob(#[serde(with = "encoding::base64")] pub Vec<u8>);

/// The vault's name for a linkage key: an HMAC of its input, under the vault's own key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct KeyTag(#[serde(with = "encoding::base64")] pub [u8; 16]);

/// Who this node is.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredIdentity {
    pub consortium: Name,
    pub agency: AgencyName,
    pub hub: String,
    pub genesis: Digest,
    pub root: Blob,
    /// Further roots, during a rotation.
    #[serde(default)]
    pub more_roots: Vec<Blob>,
    pub chain: Vec<Blob>,
    /// When the certificate came, by this node's clock.
    #[serde(default)]
    pub issued_at: i64,
    pub certificate_expires_at: i64,
    pub tls_key: Secret,
    pub signing_seed: Secret,
    pub encryption_seed: Secret,
    /// Keys that shall stand in the roster in place of these.
    #[serde(default)]
    pub rekey: Option<StoredRekey>,
    /// Encryption keys of before, newest first: they open what was sealed to them.
    #[serde(default)]
    pub past_encryption_seeds: Vec<Secret>,
}

/// New keys of this agency that the roster does not show yet.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRekey {
    pub signing_seed: Secret,
    pub encryption_seed: Secret,
    /// The roster entry that names them, for the place where it was last handed in.
    pub entry: SignedEntry,
    /// The hub has taken the entry.
    pub handed_in: bool,
}

/// A custodian's share, and the public key that goes with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredShare {
    pub index: u16,
    pub secret: Secret,
    pub transcript: Digest,
    pub key: CustodyKey,
}

/// A key generation or a refresh that not every custodian has stated yet.
#[derive(Serialize, Deserialize)]
pub struct StoredRun {
    /// For a refresh: the generation of shares that it starts from.
    pub base: u32,
    /// What our share is made from; gone once it is made.
    pub dkg: Option<Dkg>,
    /// Every message of ours. Kept with the state that made them: a state that was lost after its
    /// messages went would be drawn anew and look like a cheat. And kept after our share is made:
    /// whoever lacks one gets it again.
    pub messages: Outgoing,
}

/// A repair of one custodian's share, from one party's side.
#[derive(Serialize, Deserialize)]
pub struct StoredRepair {
    /// Names the repair; drawn by the one who lost its share.
    pub run: KeyTag,
    pub generation: u32,
    pub helpers: Vec<u16>,
    /// Values so far, by the sender's share index.
    pub received: BTreeMap<u16, Bytes>,
    /// Values that may not be in the outbox yet; kept for the reason that a run's are.
    pub unsent: Vec<(u16, Bytes)>,
}

/// A record and what was made of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRecord {
    pub record: Record,
    /// Its audience.
    pub agreements: Vec<Name>,
    /// Its random name under each agreement, by the agreement's line: the same in all versions.
    pub references: BTreeMap<Digest, RecordReference>,
    /// Its linkage keys: kind and tag.
    pub keys: Vec<(u16, KeyTag)>,
    /// Kinds of which it has more keys than the schema's bounds allow, and how many more.
    #[serde(default)]
    pub left_out: Vec<(u16, u32)>,
    /// Its rows, waiting or registered; they lie in its block ([`crate::rows`]).
    pub rows: Vec<Handle>,
    pub imported_at: i64,
    /// As the last file had it, where it was edited since.
    #[serde(default)]
    pub as_imported: Option<Record>,
    /// The last month in which it is shared under each agreement, by line; see [`crate::sharing`].
    #[serde(default)]
    pub shared_until: BTreeMap<Digest, u32>,
}

/// A row that is, or shall be, at the hub.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRow {
    /// The record; `None` for a dummy.
    pub record_id: Option<String>,
    /// Line of the agreement.
    pub agreement: Digest,
    pub epoch: AgreementEpoch,
    /// The custody epoch of the key that its token was, or will be, made with.
    #[serde(default = "first_custody")]
    pub custody: u32,
    pub kind: u16,
    pub tag: KeyTag,
    pub urgency: Urgency,
    /// The linkage key's input, until it has a root.
    pub input: Option<Secret>,
    /// The key's root under the custody epoch, once it was evaluated.
    #[serde(default)]
    pub root: Option<Secret>,
    /// Set when the row was built; what was submitted can be submitted again only the same.
    pub token: Option<Token>,
    /// The hub has acknowledged it.
    pub registered: bool,
    /// Only its owner is told of what it meets.
    #[serde(default)]
    pub silent: bool,
}

/// The custody epoch of rows from before rows named one.
fn first_custody() -> u32 {
    1
}

/// Which match: one own record, one record of another agency, under one agreement.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MatchKey {
    pub agreement: Digest,
    pub record_id: String,
    pub agency: AgencyName,
    pub reference: RecordReference,
}

/// Who knows of a record, and by what names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTold {
    /// The own record's references that the other side has seen.
    pub ours: BTreeSet<RecordReference>,
    /// References of the other side's records that met it.
    pub theirs: BTreeSet<RecordReference>,
}

/// Why and when something ends; what is signed of it follows from this, before and after a kill.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct StoredEnd {
    /// Why, as far as others are told.
    pub reason: ReasonClass,
    /// Unix seconds.
    pub at: i64,
    /// Length of the roster then.
    pub roster: u64,
}

/// What this agency has ended.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredTombstone {
    /// As it was signed.
    pub signed: Signed,
    /// Whom it went to, with each one's confirmation.
    pub recipients: BTreeMap<AgencyName, Option<Signed>>,
}

/// What another agency has ended.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReceivedTombstone {
    /// As it was signed.
    pub signed: Signed,
    /// Unix seconds.
    pub received_at: i64,
    /// Own records that had met it.
    pub records: BTreeSet<String>,
    /// What this agency has confirmed.
    pub confirmation: Option<Signed>,
}

/// The evidence of a match.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredMatch {
    /// Agreeing keys: own handle, the other's handle, kind.
    pub evidence: Vec<(Handle, Handle, u16)>,
    pub urgency: Urgency,
    pub query: bool,
    pub since: i64,
    /// How many features of each field agree, once the two nodes have compared.
    #[serde(default)]
    pub counts: Option<Vec<u16>>,
    /// That it is shown stands in the audit log.
    #[serde(default)]
    pub written_down: bool,
    /// The other side knows nothing of it: the own record is silent.
    #[serde(default)]
    pub silent: bool,
}

impl StoredMatch {
    /// The kinds of key that agree.
    pub(crate) fn kinds(&self) -> BTreeSet<KeyKindId> {
        let kinds = self.evidence.iter();
        kinds.map(|(_, _, kind)| KeyKindId(*kind)).collect()
    }
}

/// The end of an epoch: what proves that nothing of it is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredClosure {
    pub agreement: Name,
    pub number: u32,
    /// Rows of ours that were registered when it ended, dummies among them.
    pub before: u64,
    /// Of these, deleted at the hub.
    pub withdrawn: u64,
    /// Afterwards the hub held exactly the rows that we know, none of this epoch among them.
    pub confirmed: bool,
}

/// An envelope that the hub has not yet taken.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredEnvelope {
    /// Letters go in this order.
    #[serde(default)]
    pub number: u64,
    pub to: AgencyName,
    pub message: Secret,
}

/// The tables.
pub struct Tables {
    pub identity: Table<String, StoredIdentity>,
    /// Small numbers: `cursor`.
    pub numbers: Table<String, u64>,
    pub roster: Table<u64, SignedEntry>,
    /// Versions of agreements as last seen, by digest.
    pub agreements: Table<Digest, Papers>,
    /// Keys of agreements, by the digest of their epoch.
    pub agreement_keys: Table<Digest, Secret>,
    /// Epochs that ended.
    pub closures: Table<AgreementEpoch, StoredClosure>,
    /// By custody epoch and generation.
    pub shares: Table<(u32, u32), StoredShare>,
    /// By custody epoch and generation; 0 is the key generation.
    pub runs: Table<(u32, u32), StoredRun>,
    /// By custody epoch and the share index that is repaired.
    pub repairs: Table<(u32, u16), StoredRepair>,
    /// Requests that this custodian has answered, and until when each is remembered.
    pub answered: Table<(AgencyName, KeyTag), i64>,
    /// Answers that this custodian gave last.
    pub answers: Table<Slot, StoredAnswer>,
    /// Number and question of each: to know them, no answer has to be read.
    pub answer_slots: Table<Slot, (u64, Digest)>,
    /// Questions to custodians that have no answer yet.
    pub questions: Table<KeyTag, StoredQuestion>,
    /// What each agency has left under each custody epoch.
    pub quotas: Table<(u32, AgencyName), Bucket>,
    /// What this custodian has evaluated; entries are only added.
    pub ledger: Table<u64, LedgerEntry>,
    pub outbox: Table<KeyTag, StoredEnvelope>,
    pub records: Table<String, StoredRecord>,
    /// Which record has a reference.
    pub reference_owners: Grouped<RecordReference, String>,
    /// Under `records`: names the schema and the nicknames that their keys were made with.
    pub derivations: Table<String, Digest>,
    pub rows: Rows,
    /// Those of them that wait to be registered.
    pub pending: Pending,
    /// Handles of rows that wait to be deleted at the hub.
    pub withdrawals: Table<Handle, ()>,
    /// Roots of keys that several records hold; those of all keys lie with their rows. By custody epoch, so
    /// that a root of one key never passes for one of another.
    pub roots: Grouped<(u32, KeyTag), Secret>,
    /// Keys that the hub called common.
    pub common: Table<KeyTag, ()>,
    pub matches: Table<MatchKey, StoredMatch>,
    /// Own handle and the other's handle -> the match they are evidence of.
    pub evidence: Table<(Handle, Handle), MatchKey>,
    pub comparisons: Table<MatchKey, StoredComparison>,
    /// The pair's name in letters -> the pair.
    pub comparison_pairs: Table<Digest, MatchKey>,
    /// Asks that wait, by sender and the pair's name.
    pub comparison_asks: Table<(AgencyName, Digest), StoredAsk>,
    /// Pairs to be looked at, and not before when.
    pub comparison_due: Table<MatchKey, i64>,
    /// Records that changed, whose pairs are to be looked at.
    pub comparison_records: Table<String, ()>,
    pub comparison_budget: Table<AgencyName, Spent>,
    pub comparison_refusals: Table<AgencyName, StoredRefusal>,
    /// Who was compared with; entries are only added.
    pub comparison_log: Table<u64, ComparisonEntry>,
    /// What is kept beside a record, by its id.
    pub dossiers: Table<String, Dossier>,
    /// Earlier states of records, by record and number; kept until the record is erased.
    pub versions: Table<(String, u64), StoredVersion>,
    /// A record -> the records whose links name it.
    pub links_to: Table<String, BTreeSet<String>>,
    pub cases: Table<CaseId, StoredCase>,
    /// Matches whose cases are to be looked at.
    pub case_due: Table<MatchKey, ()>,
    /// Cases of an agency that had no match here when they began, and since when.
    pub unmatched_cases: Table<AgencyName, BTreeMap<CaseId, i64>>,
    /// Who went missing, by the record's id.
    pub missing: Table<String, MissingFile>,
    /// Attachments of ours.
    pub parcels_out: Table<ParcelId, StoredOutgoing>,
    /// Those of them that are under way.
    pub parcels_to_go: Table<ParcelId, ()>,
    /// Attachments of others.
    pub parcels_in: Table<(AgencyName, ParcelId), StoredIncoming>,
    pub parcel_chunks: Table<ChunkKey, Secret>,
    /// What we asked others for.
    pub disclosures_asked: Table<RequestId, StoredAsked>,
    /// What others asked us for.
    pub disclosures_of_us: Table<RequestKey, StoredRequest>,
    /// Cases whose open fields were given at once, and in which round.
    pub open_fields_given: Table<CaseId, u32>,
    /// What others gave, apart from own records.
    pub received: Table<ReceivedKey, StoredReceived>,
    /// What people did, by number from 1; entries are only added.
    pub audit: Table<u64, Entry>,
    /// Where the log ends, kept apart from it: `head`.
    pub audit_head: Table<String, Head>,
    /// Accounts of this agency's people; none is ever deleted.
    pub accounts: Table<Name, Account>,
    /// Who is signed in, by the digest of the session's token.
    pub sessions: Table<Digest, Session>,
    /// What this agency has ended, by digest.
    pub tombstones: Table<Digest, StoredTombstone>,
    /// What other agencies have ended of what they had told us.
    pub received_tombstones: Table<(AgencyName, Digest), ReceivedTombstone>,
    /// Who was told of which own record under which line, and as what.
    pub told: Table<(String, AgencyName, Digest), StoredTold>,
    /// Which own records met a record of another agency.
    pub met: Table<(AgencyName, Digest, RecordReference), BTreeSet<String>>,
    /// Silent records that one person wants to open.
    pub openings: Table<String, StoredOpening>,
    /// Records whose erasure has begun, and why.
    pub erasing: Table<String, StoredEnd>,
}

impl Tables {
    /// Opens every table.
    pub fn open(vault: &Vault) -> Result<Self, NodeError> {
        let (rows, pending) = rows::open(vault)?;
        Ok(Self {
            identity: vault.table("identity")?,
            numbers: vault.table("numbers")?,
            roster: vault.table("roster")?,
            agreements: vault.table("agreements")?,
            agreement_keys: vault.table("agreement-keys")?,
            closures: vault.table("closures")?,
            shares: vault.table("shares")?,
            runs: vault.table("runs")?,
            repairs: vault.table("repairs")?,
            answered: vault.table("answered")?,
            answers: vault.table("answers")?,
            answer_slots: vault.table("answer-slots")?,
            questions: vault.table("questions")?,
            quotas: vault.table("quotas")?,
            ledger: vault.table("ledger")?,
            outbox: vault.table("outbox")?,
            records: vault.table("records")?,
            reference_owners: vault.grouped("owners of references")?,
            derivations: vault.table("derivations")?,
            rows,
            pending,
            withdrawals: vault.table("withdrawals")?,
            roots: vault.grouped("shared roots")?,
            common: vault.table("common")?,
            matches: vault.table("matches")?,
            evidence: vault.table("evidence")?,
            comparisons: vault.table("comparisons")?,
            comparison_pairs: vault.table("comparison-pairs")?,
            comparison_asks: vault.table("comparison-asks")?,
            comparison_due: vault.table("comparison-due")?,
            comparison_records: vault.table("comparison-records")?,
            comparison_budget: vault.table("comparison-budget")?,
            comparison_refusals: vault.table("comparison-refusals")?,
            comparison_log: vault.table("comparison-log")?,
            dossiers: vault.table("dossiers")?,
            versions: vault.table("versions")?,
            links_to: vault.table("links-to")?,
            cases: vault.table("cases")?,
            case_due: vault.table("case-due")?,
            unmatched_cases: vault.table("unmatched-cases")?,
            missing: vault.table("missing")?,
            audit: vault.table("audit")?,
            parcels_out: vault.table("parcels-out")?,
            parcels_to_go: vault.table("parcels-to-go")?,
            parcels_in: vault.table("parcels-in")?,
            parcel_chunks: vault.table("parcel-chunks")?,
            disclosures_asked: vault.table("disclosures-asked")?,
            disclosures_of_us: vault.table("disclosures-of-us")?,
            open_fields_given: vault.table("open-fields-given")?,
            received: vault.table("received")?,
            audit_head: vault.table("audit-head")?,
            accounts: vault.table("accounts")?,
            sessions: vault.table("sessions")?,
            tombstones: vault.table("tombstones")?,
            received_tombstones: vault.table("received-tombstones")?,
            told: vault.table("told")?,
            met: vault.table("met")?,
            openings: vault.table("openings")?,
            erasing: vault.table("erasing")?,
        })
    }
}
