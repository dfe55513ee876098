//! What the hub keeps, as verbs of the domain: no transaction leaks out of an implementation.
//!
//! Each verb that changes something commits it together with its entry of the transparency log, in
//! one atomic write that is synced before the verb returns. Writers are serialised inside.
//!
//! The join (`submit`) lives behind this trait because it must see the rows and write the notices in
//! one atomic step. What each implementation must do is fixed by the contract suite.

#[cfg(test)]
pub(crate) mod contract;
pub mod fjall;
pub mod postgres;
pub mod shared;
pub mod transfer;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use symbolon_core::agreement::{self, Acceptance, Papers, Proposal};
use symbolon_core::crypto::Signature;
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::{AgencyName, Subject};
use symbolon_core::log::Frontier;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings, Row, SealedPayload};
use thiserror::Error;

use crate::certificates::RevocationList;
use crate::log::LogEntry;

/// Why a verb was not carried out; nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What is on disk is not what was written.
    #[error(
        "the store in {place} is damaged ({detail}); restore the backup or move it aside and let the nodes send their rows again"
    )]
    Damaged {
        /// A directory or a database.
        place: String,
        /// What was found.
        detail: String,
    },
    /// The disk is full, the store stopped after a failed write, or a database does not answer.
    #[error("the store in {place} cannot be used ({detail}); {remedy}")]
    Unavailable {
        /// A directory or a database.
        place: String,
        /// Why.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A newer program wrote it.
    #[error(
        "the store in {place} has version {found} of its schema, and this program knows {known}; start the newer symbolon-hub, since there is no way back"
    )]
    Newer {
        /// A database.
        place: String,
        /// Of the schema.
        found: u32,
        /// Of the schema.
        known: u32,
    },
    /// Somebody else changed it first.
    #[error("the roster moved on")]
    Conflict,
    /// The mailbox of this member is full.
    #[error("the mailbox of {0} is full")]
    MailboxFull(AgencyName),
    /// One batch would make more notices than one atomic write may hold.
    #[error("the batch makes more than {0} notices")]
    TooManyNotices(usize),
    /// The thread that carried the verb out is gone; what it did is not known.
    #[error("a store operation was cut off")]
    CutOff,
    /// What lies there is a part of another store.
    #[error(
        "the store in {place} holds a part of another: a migration into it has not ended; run `symbolon-hub store migrate` again, with the same source"
    )]
    HalfMigrated {
        /// A directory or a database.
        place: String,
    },
    /// A cursor that this hub never gave out.
    #[error("the cursor is ahead of the mailbox, which ends at {0}")]
    CursorAhead(u64),
}

/// Everything about membership, as it is read at start.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Counts its changes, where several hubs share the store.
    pub version: u64,
    /// The roster, from the genesis on.
    pub entries: Vec<SignedEntry>,
    /// Entries that wait for approvals.
    pub waiting: Vec<SignedEntry>,
    /// Agreements in order of their digests, with all that members said of them.
    pub agreements: Vec<Papers>,
    /// Proposals that still lack approvals.
    pub pending: Vec<Proposal>,
    /// Certificates that agencies were given and that did not end long ago.
    pub certificates: Vec<(AgencyName, IssuedCertificate)>,
    /// Every revocation there ever was.
    pub revocations: Vec<Revocation>,
    /// The list of revoked certificates that was published last.
    pub list: RevocationList,
}

/// A certificate as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// Leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// Digest of the request that it answers, so that a repeated one gets the same answer.
    pub request: Digest,
}

/// A certificate that opens nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Hexadecimal.
    pub serial: String,
    /// Whom it spoke for.
    pub subject: Subject,
    /// Unix seconds at which it would have ended.
    pub expires_at: i64,
    /// Unix seconds.
    pub at: i64,
    /// For people.
    pub reason: String,
}

/// A custodian's statement, which only nodes can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// JSON.
    pub body: Vec<u8>,
    /// By the custodian's roster key.
    pub signature: Signature,
}

/// Rows of one member with the rules that apply to them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose.
    pub member: AgencyName,
    /// Already checked against the agreements.
    pub rows: Vec<Row>,
    /// Most live rows of a token that still make notices, by agreement.
    pub common_limits: HashMap<AgreementEpoch, u32>,
    /// Most items that may wait for one member.
    pub mailbox_max_items: u64,
    /// Unix seconds.
    pub at: i64,
}

impl Batch {
    /// Keeps the first `count` rows and gives the others.
    pub fn split_off(&mut self, count: usize) -> Self {
        Self {
            member: self.member.clone(),
            rows: self.rows.split_off(self.rows.len().min(count)),
            common_limits: self.common_limits.clone(),
            mailbox_max_items: self.mailbox_max_items,
            at: self.at,
        }
    }
}

/// What a submission did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The member's rows after it.
    pub holdings: Holdings,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
}

/// A stored row that has the token of a query row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Of the row that was asked with.
    pub query_handle: Handle,
    /// Of the stored row.
    pub handle: Handle,
    /// Of the stored row.
    pub payload: SealedPayload,
    /// Whose row it is.
    pub agency: AgencyName,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queried {
    /// In no particular order.
    pub hits: Vec<Hit>,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
    /// What it took to answer.
    pub work: Work,
}

/// What a verb did inside before it answered: the same for a miss and for a silent hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Places that were looked up.
    pub lookups: u64,
    /// Rows of others that were read.
    pub rows_read: u64,
    /// Items that went into mailboxes.
    pub items_posted: u64,
    /// Bytes left behind for owners of silent rows.
    pub left_bytes: u64,
}

/// What telling owners of silent rows did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows that were looked at; none if nothing is left.
    pub done: u64,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
}

/// What a withdrawal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The member's rows after it.
    pub holdings: Holdings,
    /// Rows that were deleted.
    pub withdrawn: u64,
    /// Notices that were cancelled at other members whom the withdrawing one knew of.
    pub cancelled: u64,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
}

/// What one sweep for expired rows did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Whether there may be more to look through.
    pub more: bool,
    /// Rows that were deleted.
    pub removed: u64,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
}

/// What looking through some rows of a member for those of one epoch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Rows that were deleted.
    pub removed: u64,
    /// Where to go on; none at the end.
    pub after: Option<Handle>,
    /// Who has new mail.
    pub woken: BTreeSet<AgencyName>,
}

/// What waits for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Another's row has the token of one of the member's rows.
    Notice {
        /// The member's row.
        own_handle: Handle,
        /// The other's row.
        handle: Handle,
        /// The other's payload.
        payload: SealedPayload,
        /// The other.
        agency: AgencyName,
        /// The other asked and stored nothing.
        query: bool,
    },
    /// A notice no longer holds.
    Cancellation {
        /// The member's row.
        own_handle: Handle,
        /// The other's row.
        handle: Handle,
    },
    /// A row of the member has a token that too many rows share.
    Common {
        /// The member's row.
        own_handle: Handle,
    },
    /// A message of another member.
    Envelope(Envelope),
}

/// Opens the store of a state directory: the embedded one, or a database.
pub fn open(
    state_dir: &Path,
    database: Option<&postgres::Settings>,
) -> Result<Arc<dyn Store>, StoreError> {
    let embedded = state_dir.join("store");
    let Some(settings) = database else {
        return Ok(Arc::new(fjall::FjallStore::open(&embedded)?));
    };
    if embedded.exists() {
        tracing::warn!(directory = %embedded.display(), "the embedded store is there and not used, since hub.toml names a database");
    }
    Ok(Arc::new(postgres::PostgresStore::open(settings)?))
}

/// Carries out store verbs on a thread where waiting for a disk stops nobody else.
pub async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::CutOff.into()),
    }
}

/// The hub's memory.
pub trait Store: Send + Sync {
    /// Roster, agreements and certificates.
    fn registry(&self) -> Result<Registry, StoreError>;
    /// Says on what version of the registry this hub's state rests. From then on a change of the registry
    /// is a [`StoreError::Conflict`] if another hub made one that this one has not read.
    fn follow(&self, _version: u64) {}
    /// How hubs that share the store hear of each other; nothing if a hub has it alone.
    fn shared(&self) -> Option<&dyn shared::Shared> {
        None
    }
    /// Appends the roster entry of this number; [`StoreError::Conflict`] if it is not the next. What
    /// waited for approvals is void with it, as it is with an enrolment.
    fn append_roster(
        &self,
        number: u64,
        entry: &SignedEntry,
        log: &LogEntry,
    ) -> Result<(), StoreError>;
    /// Keeps an entry that waits for approvals, in place of the same one with fewer.
    fn keep_waiting(&self, entry: &SignedEntry, log: &LogEntry) -> Result<(), StoreError>;
    /// Appends an `Enrol` entry, keeps the certificate that goes with it, and revokes those that it
    /// supersedes.
    fn enrol(
        &self,
        number: u64,
        entry: &SignedEntry,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
        superseded: &[Revocation],
        log: &LogEntry,
    ) -> Result<(), StoreError>;
    /// Keeps a further certificate of an agency; forgets those of it that ended long before.
    fn certify(
        &self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
        log: &LogEntry,
    ) -> Result<(), StoreError>;
    /// Keeps revocations, for good.
    fn revoke(&self, revocations: &[Revocation], log: &LogEntry) -> Result<(), StoreError>;
    /// Keeps the list that is published now; [`StoreError::Conflict`] if its number is not the next.
    fn publish_list(&self, list: &RevocationList, log: &LogEntry) -> Result<(), StoreError>;
    /// Keeps a proposal that has its approvals.
    fn propose(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError>;
    /// Keeps an acceptance.
    fn accept(
        &self,
        agreement: &Digest,
        agency: &AgencyName,
        acceptance: &Acceptance,
        log: &LogEntry,
    ) -> Result<(), StoreError>;

    /// Keeps a custodian's statement of a custody epoch and a generation of its shares; false if a
    /// one of other words is already there. The same words signed anew change nothing.
    fn publish(
        &self,
        key: (u32, u32),
        custodian: &AgencyName,
        statement: &Statement,
        log: &LogEntry,
    ) -> Result<bool, StoreError>;
    /// All statements of one custody epoch, of every generation.
    fn statements(&self, epoch: u32) -> Result<Vec<Statement>, StoreError>;

    /// Rows that one submission should bring at most: where writers go one at a time, all others wait for it.
    fn rows_at_once(&self) -> usize {
        usize::MAX
    }
    /// Stores new rows and joins each with the stored rows of other members.
    fn submit(&self, batch: &Batch) -> Result<Submitted, StoreError>;
    /// Joins rows with the stored rows of other members and stores none.
    fn query(&self, batch: &Batch) -> Result<Queried, StoreError>;
    /// Tells owners of silent rows about at most `limit` rows that were stored, asked with or deleted
    /// since. No other verb looks at a silent row of another member.
    fn tell(&self, limit: usize, mailbox_max_items: u64) -> Result<Told, StoreError>;
    /// Deletes rows and cancels what came from them.
    fn withdraw(
        &self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, StoreError>;
    /// Deletes at most `limit` rows whose last month is before `month`, and goes on where it stopped; rows
    /// that are due may be left until nothing more is to be looked through.
    fn expire(&self, month: ExpiryMonth, limit: usize, at: i64) -> Result<Expired, StoreError>;
    /// Gives back the room on the disk that deleted rows took, where the store does not do it by itself and if it
    /// is worth it; whether it was. It may take minutes, and others go on meanwhile.
    fn tidy(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
    /// Count and digest of a member's live rows.
    fn holdings(&self, member: &AgencyName) -> Result<Holdings, StoreError>;
    /// The same, counted anew from the rows.
    fn recount(&self, member: &AgencyName) -> Result<Holdings, StoreError>;
    /// A member's handles after one, rising.
    fn handles(
        &self,
        member: &AgencyName,
        after: Option<Handle>,
        limit: usize,
    ) -> Result<Vec<Handle>, StoreError>;

    /// Keeps an envelope for its recipient; false if it is already there.
    fn send(&self, envelope: &Envelope, max_items: u64, at: i64) -> Result<bool, StoreError>;
    /// At most `limit` items after a cursor.
    fn deliveries(
        &self,
        member: &AgencyName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Item)>, StoreError>;
    /// Items that wait, for all members together.
    fn waiting(&self) -> Result<u64, StoreError>;
    /// The number of the last item that ever came for a member; 0 before the first.
    fn last_sequence(&self, member: &AgencyName) -> Result<u64, StoreError>;
    /// Deletes what a member has taken over; [`StoreError::CursorAhead`] past the last item.
    fn acknowledge(&self, member: &AgencyName, up_to: u64, at: i64) -> Result<(), StoreError>;

    /// Writes and syncs a word that means nothing and is never read, to see whether writing works.
    fn probe(&self) -> Result<(), StoreError>;
    /// Logs something that changes nothing else.
    fn note(&self, log: &LogEntry) -> Result<(), StoreError>;
    /// The right edge of the log.
    fn frontier(&self) -> Result<Frontier, StoreError>;
    /// Entries of the log from a number on.
    fn log_entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Keeps a proposal that still lacks approvals, in place of an older copy.
    fn keep_pending(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError>;
    /// Appends a statement to those about an agreement.
    fn declare(
        &self,
        agreement: &Digest,
        statement: &agreement::Statement,
        log: &LogEntry,
    ) -> Result<(), StoreError>;
    /// Looks at `limit` rows of a member after a handle and deletes those of one epoch; the other
    /// side's notices are cancelled, the member itself is not told.
    fn drop_epoch(
        &self,
        member: &AgencyName,
        epoch: &AgreementEpoch,
        after: Option<Handle>,
        limit: usize,
        at: i64,
    ) -> Result<Dropped, StoreError>;
}
