//! The store in PostgreSQL, or a cluster that speaks its protocol; several hubs may share one.
//!
//! The tables are in `postgres/migrations`, and mean what the keyspaces of the store on disk mean. Rows and
//! tokens lie in parts by the hash of the token, handles by their own hash: what a token needs is in one
//! part. The join runs in the database ([`rows`]), new rows come by binary COPY, and notices are numbered
//! lines that are committed with the rows that made them, so that hubs share them without loss or repeat.
//!
//! The verbs are called on threads that may wait. Connections live on a small runtime of the store's own,
//! so that a verb goes on whatever the hub's is doing.
//!
//! Deliberately absent, since clusters lack them or have them otherwise: triggers, functions in the
//! database, foreign keys, advisory locks, sequences whose order means something.

mod connect;
mod fault;
mod mail;
mod migrate;
mod names;
mod registry;
mod rows;
mod sharing;
mod transfer;
mod tx;

#[cfg(test)]
mod shared_tests;
#[cfg(test)]
pub(crate) mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use symbolon_core::agreement::{self, Acceptance, Proposal};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings};
use tokio::runtime::{Handle as RuntimeHandle, Runtime};
use tokio::sync::Notify;

use self::connect::{Route, connection};
pub use self::connect::{Settings, Url};
use self::fault::Fault;
use self::names::Names;
use self::tx::{Needs, Twice, ask, only};
use super::shared::Shared;
use super::{
    Batch, Dropped, Expired, IssuedCertificate, Item, Queried, Registry, Revocation, Statement,
    Store, StoreError, Submitted, Told, Withdrawn,
};
use crate::certificates::RevocationList;
use crate::log::LogEntry;

/// Nobody has said on what version its state rests.
const NOT_SAID: i64 = -1;

/// The hub's memory in a database.
pub struct PostgresStore {
    place: String,
    pool: Pool,
    names: Arc<Names>,
    patience: Duration,
    /// The version of the registry that this hub's state rests on.
    followed: AtomicI64,
    /// Names this hub among those that share the database; random, new at each start.
    hub: [u8; 16],
    /// The channel of the bell, if the database has one.
    channel: Option<String>,
    bell: Arc<Notify>,
    /// Always there until the end, when it is ended without waiting.
    runtime: Option<Runtime>,
    handle: RuntimeHandle,
}

impl PostgresStore {
    /// Connects, and brings the schema forwards if that is to be done.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        let store = Self::open_for_transfer(settings)?;
        match store.read(async |client| transfer::progress(client).await)? {
            None => Ok(store),
            Some(_) => Err(StoreError::HalfMigrated {
                place: store.place.clone(),
            }),
        }
    }

    /// The same, even if it holds a part of another store only: that is then to be taken over.
    pub fn open_for_transfer(settings: &Settings) -> Result<Self, StoreError> {
        let route = Route::of(settings)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("hub-postgres")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Fault::NoConnection(format!("threads cannot be started: {error}")).name(&route.place)
        })?;
        let names = Arc::new(Names::default());
        let pool = route.pool(settings.connections, Arc::clone(&names));
        let pool = pool.map_err(|fault| fault.name(&route.place))?;
        let hub = symbolon_core::crypto::random()
            .map_err(|error| Fault::NoConnection(error.to_string()).name(&route.place))?;
        let mut store = Self {
            place: route.place.clone(),
            pool,
            names,
            patience: settings.patience,
            followed: AtomicI64::new(NOT_SAID),
            hub,
            channel: None,
            bell: Arc::default(),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        };
        store.channel = store.insist(store.patience, true, async || {
            let mut client = connection(&store.pool).await?;
            let kind = migrate::kind(&client).await?;
            if kind.fences {
                store.names.with_fences();
            }
            migrate::migrate(&mut client, &store.place, kind).await?;
            let schema = "SELECT coalesce(current_schema()::text, '')";
            let schema: String = only(ask(&client, schema, &[]).await?)?.try_get(0)?;
            Ok(kind.rings.then(|| format!("symbolon_{schema}")))
        })?;
        if let Some(channel) = store.channel.clone() {
            let hearing = sharing::hear(route, channel, Arc::clone(&store.bell));
            store.handle.spawn(hearing);
        }
        store.frontier()?;
        Ok(store)
    }

    fn runtime(&self) -> &RuntimeHandle {
        &self.handle
    }

    fn followed(&self) -> Option<i64> {
        let followed = self.followed.load(Ordering::SeqCst);
        (followed != NOT_SAID).then_some(followed)
    }

    /// A change of this hub's own was committed.
    fn follow_own(&self, version: i64) {
        if self.followed().is_some() {
            self.followed.store(version, Ordering::SeqCst);
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // It may be dropped where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What each verb amounts to when it is done twice, because nobody knows whether the first time was
/// committed, stands at the verb.
impl Store for PostgresStore {
    fn registry(&self) -> Result<Registry, StoreError> {
        self.read_at_once(async |tx| registry::read(tx).await)
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }

    fn follow(&self, version: u64) {
        self.followed.store(tx::signed(version), Ordering::SeqCst);
    }

    // A second time would be a conflict with the first one.
    fn append_roster(
        &self,
        number: u64,
        entry: &SignedEntry,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.append_roster(number, entry).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    // As above, and so for every change of the registry: the hub reads it anew when it finds that the
    // version went on.
    fn keep_waiting(&self, entry: &SignedEntry, log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.keep_waiting(entry).await?;
            write.log(log.clone());
            Ok(())
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
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            let issued = (agency, certificate);
            write.enrol(number, entry, issued, superseded).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    fn certify(
        &self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.certify(agency, certificate).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    fn revoke(&self, revocations: &[Revocation], log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.revoke(revocations).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    // A second time is a conflict, and whoever publishes then reads what is published.
    fn publish_list(&self, list: &RevocationList, log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.publish_list(list).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    fn propose(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.propose(proposal).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    fn accept(
        &self,
        agreement: &Digest,
        agency: &AgencyName,
        acceptance: &Acceptance,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.accept(agreement, agency, acceptance).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    // The same words again change nothing, and are taken.
    fn publish(
        &self,
        key: (u32, u32),
        custodian: &AgencyName,
        statement: &Statement,
        log: &LogEntry,
    ) -> Result<bool, StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            write.publish(key, custodian, statement, log).await
        })
    }

    fn statements(&self, epoch: u32) -> Result<Vec<Statement>, StoreError> {
        self.read(async |client| registry::statements(client, epoch).await)
    }

    // Handles that are stored are passed over.
    fn submit(&self, batch: &Batch) -> Result<Submitted, StoreError> {
        self.write(Twice::IsOnce, &needs_of(batch), async |write| {
            write.submit(batch).await
        })
    }

    // Owners would be told twice.
    fn query(&self, batch: &Batch) -> Result<Queried, StoreError> {
        self.write(Twice::IsMore, &needs_of(batch), async |write| {
            write.query(batch).await
        })
    }

    // The lots that were told are gone.
    fn tell(&self, limit: usize, mailbox_max_items: u64) -> Result<Told, StoreError> {
        let left = self.read(async |client| {
            let left = "SELECT EXISTS (SELECT 1 FROM untold)";
            Ok(only(ask(client, left, &[]).await?)?.try_get::<_, bool>(0)?)
        })?;
        if !left {
            return Ok(Told::default());
        }
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            write.tell(limit, mailbox_max_items).await
        })
    }

    // Handles that are not there are passed over. The second answer does not count what the first time
    // withdrew, and only its numbers are of people's interest.
    fn withdraw(
        &self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, StoreError> {
        self.write(Twice::IsOnce, &Needs::member(member), async |write| {
            write.withdraw(member, handles, at).await
        })
    }

    // What expired is gone; the second time takes the next ones.
    fn expire(&self, month: ExpiryMonth, limit: usize, at: i64) -> Result<Expired, StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            write.expire(month, limit, at).await
        })
    }

    fn holdings(&self, member: &AgencyName) -> Result<Holdings, StoreError> {
        self.read(async |client| rows::holdings(client, member).await)
    }

    fn recount(&self, member: &AgencyName) -> Result<Holdings, StoreError> {
        self.read(async |client| rows::recount(client, member).await)
    }

    fn handles(
        &self,
        member: &AgencyName,
        after: Option<Handle>,
        limit: usize,
    ) -> Result<Vec<Handle>, StoreError> {
        self.read(async |client| rows::handles(client, member, after, limit).await)
    }

    // An envelope that waits is found by its name. Only if it was taken over between both times it comes
    // twice, and its recipient knows the name too.
    fn send(&self, envelope: &Envelope, max_items: u64, at: i64) -> Result<bool, StoreError> {
        let needs = Needs {
            members: vec![&envelope.from, &envelope.to],
            ..Needs::default()
        };
        self.write(Twice::IsOnce, &needs, async |write| {
            write.send(envelope, max_items, at).await
        })
    }

    fn deliveries(
        &self,
        member: &AgencyName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Item)>, StoreError> {
        self.read(async |client| mail::deliveries(client, member, after, limit).await)
    }

    fn waiting(&self) -> Result<u64, StoreError> {
        self.read(async |client| mail::waiting(client).await)
    }

    fn last_sequence(&self, member: &AgencyName) -> Result<u64, StoreError> {
        self.read(async |client| mail::last_sequence(client, member).await)
    }

    // What was taken over is gone.
    fn acknowledge(&self, member: &AgencyName, up_to: u64, at: i64) -> Result<(), StoreError> {
        self.write(Twice::IsOnce, &Needs::member(member), async |write| {
            write.acknowledge(member, up_to, at).await
        })
    }

    // Whoever probes wants to know now.
    fn probe(&self) -> Result<(), StoreError> {
        let (now, needs) = (Duration::ZERO, Needs::default());
        self.write_within(now, Twice::IsOnce, &needs, async |write| {
            let word = "UPDATE telling SET probe = probe + 1 WHERE single";
            write.run(word, &[]).await?;
            Ok(())
        })
    }

    // The log would have it twice.
    fn note(&self, log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.log(log.clone());
            Ok(())
        })
    }

    fn frontier(&self) -> Result<Frontier, StoreError> {
        self.read(async |client| tx::frontier(client).await)
    }

    fn log_entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let (from, limit) = (tx::signed(from), tx::signed(limit as u64));
        self.read(async |client| {
            let page = "SELECT line FROM log WHERE number >= $1 ORDER BY number LIMIT $2";
            let lines = ask(client, page, &[&from, &limit]).await?;
            let entries = lines.iter();
            entries
                .map(|line| Ok(serde_json::from_slice(line.try_get(0)?)?))
                .collect()
        })
    }

    fn keep_pending(&self, proposal: &Proposal, log: &LogEntry) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.keep_pending(proposal).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    fn declare(
        &self,
        agreement: &Digest,
        statement: &agreement::Statement,
        log: &LogEntry,
    ) -> Result<(), StoreError> {
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            write.declare(agreement, statement).await?;
            write.log(log.clone());
            Ok(())
        })
    }

    // What was deleted is gone.
    fn drop_epoch(
        &self,
        member: &AgencyName,
        epoch: &AgreementEpoch,
        after: Option<Handle>,
        limit: usize,
        at: i64,
    ) -> Result<Dropped, StoreError> {
        self.write(Twice::IsOnce, &Needs::member(member), async |write| {
            write.drop_epoch(member, epoch, after, limit, at).await
        })
    }
}

fn needs_of(batch: &Batch) -> Needs<'_> {
    let epochs = batch.rows.iter().map(|row| row.agreement_epoch);
    Needs {
        members: vec![&batch.member],
        epochs: epochs.collect(),
    }
}
