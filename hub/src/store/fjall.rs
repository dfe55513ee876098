//! The store in fjall: one keyspace for each kind of thing, one synced transaction for each verb.
//!
//! Holdings are not recounted on opening, since that reads every row: [`Store::recount`] does it when asked,
//! and the nodes compare theirs anyway.

mod certificates;
pub(super) mod codec;
mod fault;
mod known;
mod mail;
mod numbers;
mod registry;
mod rows;
mod sealing;
mod spaces;
mod tidy;
mod transfer;
mod tx;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{CompressionType, Database, Keyspace, Snapshot};
use parking_lot::{FairMutex, Mutex};
use symbolon_core::agreement::{self, Acceptance, Proposal};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings};

use self::fault::{Fault, name};
use self::known::{Known, Reader};
use self::mail::MailboxState;
use self::sealing::Sealer;
use self::spaces::Spaces;
use self::tx::{Read, Tx};
use super::{
    Batch, Dropped, Expired, IssuedCertificate, Item, Queried, Registry, Revocation, Statement,
    Store, StoreError, Submitted, Told, Withdrawn, Work,
};
use crate::certificates::RevocationList;
use crate::log::LogEntry;

const FORMAT: &[u8] = b"symbolon hub store 4";
/// Rows of one transaction while somebody asks: some two milliseconds, for which a query waits.
const ROWS_BESIDE_QUERIES: usize = 125;
/// And otherwise: each transaction costs a sync, which so many rows share.
const ROWS_AT_ONCE: usize = 10_000;
/// Threads of the engine that write tables and merge them. Of two, one would spin while the other merges.
const WORKERS: usize = 1;
/// For so long after a query another one is expected.
const ASKING: Duration = Duration::from_secs(1);

/// The hub's memory on disk.
pub struct FjallStore {
    dir: PathBuf,
    db: Database,
    spaces: Spaces,
    /// Of every space, by its number.
    keyspaces: Vec<Keyspace>,
    /// Whoever holds it writes. First come, first served: a query between two parts of a large submission is
    /// not to wait for all of it.
    writing: Arc<FairMutex<Known>>,
    /// When somebody asked last.
    asked: Mutex<Option<Instant>>,
    sealer: Sealer,
    /// Stops with the store.
    _reader: Reader,
}

/// One transaction with what it gathers on the way.
struct Write<'a> {
    tx: Tx<'a>,
    spaces: &'a Spaces,
    known: &'a mut Known,
    mailboxes: BTreeMap<AgencyName, MailboxState>,
    woken: BTreeSet<AgencyName>,
    /// Rows more or fewer by their last month.
    months: BTreeMap<ExpiryMonth, i64>,
    notices: usize,
    work: Work,
}

impl FjallStore {
    /// Opens the store in a directory, which is made if it does not exist.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Self::open_for_transfer(dir)?;
        match store.read(transfer::progress)? {
            None => Ok(store),
            Some(_) => Err(StoreError::HalfMigrated {
                place: dir.display().to_string(),
            }),
        }
    }

    /// The same, even if it holds a part of another only: that is then to be taken over.
    pub fn open_for_transfer(dir: &Path) -> Result<Self, StoreError> {
        let refused = |error| name(dir, Fault::Engine(error));
        // The engine asserts on some kinds of damage; the operator gets the same clear words.
        let opened = std::panic::catch_unwind(|| {
            let builder = Database::builder(dir).worker_threads(WORKERS);
            builder.journal_compression(CompressionType::None).open()
        })
        .map_err(|_| {
            name(
                dir,
                Fault::Damaged("the engine stopped while reading its files"),
            )
        })?;
        let db = opened.map_err(refused)?;
        let (spaces, keyspaces) = Spaces::open(&db).map_err(refused)?;
        let writing = Arc::new(FairMutex::new(Known::nothing()));
        let (places, handles) = (&spaces.places.keyspace, &spaces.handles.keyspace);
        let sealer = Sealer::start(&keyspaces).map_err(|error| refused(error.into()))?;
        let reader = Reader::start(&db, places, handles, Arc::clone(&writing));
        let store = Self {
            dir: dir.to_owned(),
            db,
            spaces,
            keyspaces,
            writing,
            asked: Mutex::default(),
            sealer,
            _reader: reader,
        };
        store.write(|write| {
            match write.tx.get(&write.spaces.meta, "format")? {
                None => write.tx.insert(&write.spaces.meta, "format", FORMAT),
                Some(found) if *found == *FORMAT => {}
                Some(_) => return Err(Fault::Damaged("it has another format")),
            }
            Ok(())
        })?;
        store.frontier()?;
        Ok(store)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Snapshot, &Spaces) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let snapshot = self.db.snapshot();
        work(&snapshot, &self.spaces).map_err(|fault| name(&self.dir, fault))
    }

    /// Runs one verb: all of it is written and synced, or nothing.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Write<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut known = self.writing.lock();
        let mut write = Write {
            tx: Tx::begin(&self.db, &self.keyspaces),
            spaces: &self.spaces,
            known: &mut known,
            mailboxes: BTreeMap::new(),
            woken: BTreeSet::new(),
            months: BTreeMap::new(),
            notices: 0,
            work: Work::default(),
        };
        let done = work(&mut write).map_err(|fault| name(&self.dir, fault))?;
        write.keep_mailboxes();
        let kept = write.keep_months();
        kept.map_err(|fault| name(&self.dir, fault))?;
        write.tx.commit().map_err(|fault| name(&self.dir, fault))?;
        self.sealer.look();
        Ok(done)
    }
}

impl Write<'_> {
    fn log(&mut self, entry: &LogEntry) -> Result<(), Fault> {
        let line = entry.line()?;
        let mut frontier = frontier(&self.tx, self.spaces)?;
        let number = frontier.size().to_be_bytes();
        frontier.append(&line);
        self.tx.insert(&self.spaces.log, number, line);
        let meta = &self.spaces.meta;
        self.tx.insert(meta, "frontier", frontier.to_bytes());
        Ok(())
    }
}

fn frontier(read: &impl Read, spaces: &Spaces) -> Result<Frontier, Fault> {
    match read.get(&spaces.meta, "frontier")? {
        None => Ok(Frontier::default()),
        Some(bytes) => {
            Frontier::from_bytes(&bytes).ok_or(Fault::Damaged("the edge of the log is malformed"))
        }
    }
}

impl Store for FjallStore {
    fn registry(&self) -> Result<Registry, StoreError> {
        self.read(registry::read)
    }

    fn append_roster(
        &self,
        number: u64,
        entry: &SignedEntry,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(|write| {
            write.append_roster(number, entry)?;
            write.log(log)
        })
    }

    fn keep_waiting(&self, entry: &SignedEntry, log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| {
            write.keep_waiting(entry)?;
            write.log(log)
        })
    }

    fn enrol(
        &self,
        number: u64,
        entry: &SignedEntry,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
        superseded: &[Revocation],
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(|write| {
            write.append_roster(number, entry)?;
            write.certify(agency, certificate)?;
            write.revoke(superseded);
            write.log(log)
        })
    }

    fn certify(
        &self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(|write| {
            write.certify(agency, certificate)?;
            write.log(log)
        })
    }

    fn revoke(&self, revocations: &[Revocation], log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| {
            write.revoke(revocations);
            write.log(log)
        })
    }

    fn publish_list(&self, list: &RevocationList, log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| {
            write.publish_list(list)?;
            write.log(log)
        })
    }

    fn propose(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| {
            write.propose(proposal)?;
            write.log(log)
        })
    }

    fn accept(
        &self,
        agreement: &Digest,
        agency: &AgencyName,
        acceptance: &Acceptance,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(|write| {
            write.accept(agreement, agency, acceptance)?;
            write.log(log)
        })
    }

    fn publish(
        &self,
        key: (u32, u32),
        custodian: &AgencyName,
        statement: &Statement,
        log: &LogEntry,
    ) -> Result<bool, StoreError> {
        self.write(|write| write.publish(key, custodian, statement, log))
    }

    fn statements(&self, epoch: u32) -> Result<Vec<Statement>, StoreError> {
        self.read(|read, spaces| registry::statements(read, spaces, epoch))
    }

    fn rows_at_once(&self) -> usize {
        let asked = *self.asked.lock();
        if asked.is_some_and(|asked| asked.elapsed() < ASKING) {
            ROWS_BESIDE_QUERIES
        } else {
            ROWS_AT_ONCE
        }
    }

    fn submit(&self, batch: &Batch) -> Result<Submitted, StoreError> {
        self.write(|write| write.submit(batch))
    }

    fn query(&self, batch: &Batch) -> Result<Queried, StoreError> {
        *self.asked.lock() = Some(Instant::now());
        self.write(|write| write.query(batch))
    }

    fn tell(&self, limit: usize, mailbox_max_items: u64) -> Result<Told, StoreError> {
        if self.read(rows::nothing_to_tell)? {
            return Ok(Told::default());
        }
        self.write(|write| write.tell(limit, mailbox_max_items))
    }

    fn withdraw(
        &self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, StoreError> {
        self.write(|write| write.withdraw(member, handles, at))
    }

    fn expire(&self, month: ExpiryMonth, limit: usize, at: i64) -> Result<Expired, StoreError> {
        self.write(|write| write.expire(month, limit, at))
    }

    fn tidy(&self) -> Result<bool, StoreError> {
        self.tidy_from(tidy::WORTH_IT)
    }

    fn holdings(&self, member: &AgencyName) -> Result<Holdings, StoreError> {
        self.read(|read, spaces| rows::holdings(read, spaces, member))
    }

    fn recount(&self, member: &AgencyName) -> Result<Holdings, StoreError> {
        self.read(|read, spaces| rows::recount(read, spaces, member))
    }

    fn handles(
        &self,
        member: &AgencyName,
        after: Option<Handle>,
        limit: usize,
    ) -> Result<Vec<Handle>, StoreError> {
        self.read(|read, spaces| rows::handles(read, spaces, member, after, limit))
    }

    fn send(&self, envelope: &Envelope, max_items: u64, at: i64) -> Result<bool, StoreError> {
        self.write(|write| write.send(envelope, max_items, at))
    }

    fn deliveries(
        &self,
        member: &AgencyName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Item)>, StoreError> {
        self.read(|read, spaces| mail::deliveries(read, spaces, member, after, limit))
    }

    fn waiting(&self) -> Result<u64, StoreError> {
        self.read(mail::waiting)
    }

    fn last_sequence(&self, member: &AgencyName) -> Result<u64, StoreError> {
        self.read(|read, spaces| Ok(MailboxState::read(read, spaces, member)?.last))
    }

    fn acknowledge(&self, member: &AgencyName, up_to: u64, at: i64) -> Result<(), StoreError> {
        self.write(|write| write.acknowledge(member, up_to, at))
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.write(|write| {
            write.tx.insert(&write.spaces.meta, "probe", b"");
            Ok(())
        })
    }

    fn note(&self, log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| write.log(log))
    }

    fn frontier(&self) -> Result<Frontier, StoreError> {
        self.read(frontier)
    }

    fn log_entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|read, spaces| {
            read.range(&spaces.log, from.to_be_bytes()..)
                .take(limit)
                .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
                .collect()
        })
    }

    fn keep_pending(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError> {
        self.write(|write| {
            write.keep_pending(proposal)?;
            write.log(log)
        })
    }

    fn declare(
        &self,
        agreement: &Digest,
        statement: &agreement::Statement,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(|write| {
            write.declare(agreement, statement)?;
            write.log(log)
        })
    }

    fn drop_epoch(
        &self,
        member: &AgencyName,
        epoch: &AgreementEpoch,
        after: Option<Handle>,
        limit: usize,
        at: i64,
    ) -> Result<Dropped, StoreError> {
        self.write(|write| write.drop_epoch(member, epoch, after, limit, at))
    }
}

#[cfg(test)]
mod tests;
