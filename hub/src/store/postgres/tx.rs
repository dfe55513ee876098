//! How a verb becomes a transaction, and what is tried again.
//!
//! **Locks.** Isolation is `READ COMMITTED`: each statement sees what was committed before it. Whoever
//! must not miss what another does at the same time holds a line until its commit, always in this order,
//! so that two hubs do not wait for each other: the registry, or whoever tells; holdings of the members
//! whose rows change, rising; lines of tokens, rising; silent rows; mailboxes, rising; the head of the log.
//! Where a cluster's own order comes in between, it finds the deadlock and one of both tries again.
//!
//! **What is tried again.** A transaction that was not committed did nothing, so it is done again: at
//! once where others were in the way, and for a bounded time where the connection was lost. Where the
//! connection was lost *during* the commit it may have been done: only verbs that are as good done twice
//! are repeated then, the others fail as [`StoreError::CutOff`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::{Duration, Instant};

use deadpool_postgres::{GenericClient, Object, Transaction};
use futures::SinkExt;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::row::AgreementEpoch;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use super::PostgresStore;
use super::connect::connection;
use super::fault::{Cure, Fault};
use super::mail::Mailboxes;
use super::names::Names;
use super::rows::silent::Lot;
use crate::log::LogEntry;
use crate::store::{StoreError, Work};

/// How often a verb gives way to others before it fails; each time it waits twice as long, from
/// [`FIRST_PAUSE`] on, a second and a half in all.
const GIVES_WAY: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(6);
/// The longest pause between two looks for a database that is away: failover takes seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What it means to do a verb twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// The same as once.
    IsOnce,
    /// Something else.
    IsMore,
}

/// What has to have lines before a verb begins.
#[derive(Default)]
pub struct Needs<'a> {
    pub members: Vec<&'a AgencyName>,
    pub epochs: BTreeSet<AgreementEpoch>,
}

impl<'a> Needs<'a> {
    pub fn member(member: &'a AgencyName) -> Self {
        Self {
            members: vec![member],
            epochs: BTreeSet::new(),
        }
    }
}

/// One transaction with what it gathers on the way.
pub struct Write<'a> {
    pub tx: Transaction<'a>,
    pub names: &'a Names,
    /// The version of the registry that the verb's state rests on, if it was said.
    pub followed: Option<i64>,
    /// The version that it makes.
    pub version: Option<i64>,
    pub mailboxes: Mailboxes,
    pub woken: BTreeSet<AgencyName>,
    pub notices: usize,
    pub work: Work,
    pub lots: Vec<Lot>,
    pub entries: Vec<LogEntry>,
    /// Where the bell is rung, if there is one.
    pub channel: Option<&'a str>,
    /// There is news that no other field shows.
    pub news: bool,
}

/// Asks with a prepared statement.
pub async fn ask(
    client: &impl GenericClient,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

/// A line that is always there.
pub fn only(lines: Vec<Row>) -> Result<Row, Fault> {
    let line = lines.into_iter().next();
    line.ok_or(Fault::Damaged("a line that every verb needs is missing"))
}

impl PostgresStore {
    /// Runs a verb that changes something: all of it is committed, or nothing.
    pub(super) fn write<T>(
        &self,
        twice: Twice,
        needs: &Needs<'_>,
        verb: impl AsyncFn(&mut Write<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_within(self.patience, twice, needs, verb)
    }

    /// The same with its own time in which the database must be reached.
    pub(super) fn write_within<T>(
        &self,
        patience: Duration,
        twice: Twice,
        needs: &Needs<'_>,
        verb: impl AsyncFn(&mut Write<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let attempt = async || {
            let mut client = connection(&self.pool).await?;
            let done = self.transact(&mut client, needs, &verb).await;
            keep_or_drop(client, done.as_ref().err());
            done
        };
        self.insist(patience, twice == Twice::IsOnce, attempt)
    }

    /// Runs a verb that only reads.
    pub(super) fn read<T>(
        &self,
        verb: impl AsyncFn(&Object) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let attempt = async || {
            let client = connection(&self.pool).await?;
            let done = verb(&client).await;
            keep_or_drop(client, done.as_ref().err());
            done
        };
        self.insist(self.patience, true, attempt)
    }

    /// The same where all that is read must be of one moment.
    pub(super) fn read_at_once<T>(
        &self,
        verb: impl AsyncFn(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let attempt = async || {
            let mut client = connection(&self.pool).await?;
            let done = async {
                let tx = client.build_transaction().read_only(true);
                let tx = tx.isolation_level(IsolationLevel::RepeatableRead);
                let tx = tx.start().await?;
                let done = verb(&tx).await?;
                tx.commit().await?;
                Ok(done)
            };
            let done = done.await;
            keep_or_drop(client, done.as_ref().err());
            done
        };
        self.insist(self.patience, true, attempt)
    }

    async fn transact<T>(
        &self,
        client: &mut Object,
        needs: &Needs<'_>,
        verb: &impl AsyncFn(&mut Write<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let names = self.names.as_ref();
        names.learn(&*client, &needs.members, &needs.epochs).await?;
        let tx = client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted);
        let mut write = Write {
            tx: tx.start().await?,
            names,
            followed: self.followed(),
            version: None,
            mailboxes: Mailboxes::default(),
            woken: BTreeSet::new(),
            notices: 0,
            work: Work::default(),
            lots: Vec::new(),
            entries: Vec::new(),
            channel: self.channel.as_deref(),
            news: false,
        };
        let done = verb(&mut write).await?;
        write.finish().await?;
        let version = write.version;
        write.tx.commit().await.map_err(Fault::of_commit)?;
        if let Some(version) = version {
            self.follow_own(version);
        }
        Ok(done)
    }

    /// Tries until it is done, refused, or hopeless.
    pub(super) fn insist<T>(
        &self,
        patience: Duration,
        repeatable: bool,
        attempt: impl AsyncFn() -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let (begun, mut gave_way, mut lost) = (Instant::now(), 0, 0);
        let insisting = async {
            loop {
                let fault = match attempt().await {
                    Ok(done) => return Ok(done),
                    Err(fault) => fault,
                };
                let pause = match fault.cure(repeatable) {
                    Cure::Again if gave_way < GIVES_WAY => {
                        gave_way += 1;
                        FIRST_PAUSE * 2u32.saturating_pow(gave_way - 1)
                    }
                    Cure::Reconnect if begun.elapsed() < patience => {
                        lost += 1;
                        let pause = FIRST_PAUSE * 2u32.saturating_pow(lost.min(10));
                        pause.min(LONGEST_PAUSE)
                    }
                    _ => return Err(fault.name(&self.place)),
                };
                if lost == 1 {
                    let (place, detail) = (&self.place, fault.lost());
                    tracing::warn!(%place, %detail, "the database was lost; trying to reach it again");
                }
                if matches!(fault, Fault::Forgotten) {
                    self.names.forget();
                }
                tokio::time::sleep(pause).await;
            }
        };
        self.runtime().block_on(insisting)
    }
}

/// A connection over which something was lost leads nowhere, or to a server that became a standby.
fn keep_or_drop(client: Object, fault: Option<&Fault>) {
    let spoilt = match fault {
        None | Some(Fault::Refused(_) | Fault::Damaged(_) | Fault::Forgotten) => false,
        Some(Fault::Database(_)) => fault.is_some_and(|f| f.cure(true) == Cure::Reconnect),
        Some(Fault::Unknown(_) | Fault::NoConnection(_)) => true,
    };
    if spoilt {
        drop(Object::take(client));
    }
}

impl Write<'_> {
    /// Asks inside the transaction.
    pub async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        ask(&self.tx, &self.names.in_full(sql), params).await
    }

    /// Changes; says how many lines.
    pub async fn run(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Fault> {
        let statement = self.tx.prepare_cached(sql).await?;
        Ok(self.tx.execute(&statement, params).await?)
    }

    /// Sends lines by binary COPY.
    pub async fn copy(&self, sql: &str, lines: Lines) -> Result<(), Fault> {
        if lines.count == 0 {
            return Ok(());
        }
        let statement = self.tx.prepare_cached(sql).await?;
        let sink = self.tx.copy_in(&statement).await?;
        let mut sink = pin!(sink);
        for piece in lines.finish() {
            sink.send(std::io::Cursor::new(piece)).await?;
        }
        sink.finish().await?;
        Ok(())
    }

    /// Writes an entry of the log at the end, when nothing else is waited for any more.
    pub fn log(&mut self, entry: LogEntry) {
        self.entries.push(entry);
    }

    async fn finish(&mut self) -> Result<(), Fault> {
        self.leave_lots().await?;
        self.keep_mail().await?;
        self.ring().await?;
        self.keep_entries().await
    }

    async fn keep_entries(&mut self) -> Result<(), Fault> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let head = "SELECT frontier FROM log_head WHERE single FOR UPDATE";
        let mut frontier = frontier_of(&only(self.ask(head, &[]).await?)?)?;
        let (mut numbers, mut lines) = (Vec::new(), Vec::new());
        for entry in std::mem::take(&mut self.entries) {
            let line = entry.line()?;
            numbers.push(signed(frontier.size()));
            frontier.append(&line);
            lines.push(line);
        }
        let bytes = frontier.to_bytes();
        let kept = "INSERT INTO log (number, line) SELECT * FROM unnest($1::bigint[], $2::bytea[])";
        self.run(kept, &[&numbers, &lines]).await?;
        let moved = "UPDATE log_head SET frontier = $1 WHERE single";
        self.run(moved, &[&bytes]).await?;
        Ok(())
    }
}

/// The right edge of the log.
pub async fn frontier(client: &impl GenericClient) -> Result<Frontier, Fault> {
    let head = "SELECT frontier FROM log_head WHERE single";
    frontier_of(&only(ask(client, head, &[]).await?)?)
}

fn frontier_of(line: &Row) -> Result<Frontier, Fault> {
    Frontier::from_bytes(line.try_get(0)?).ok_or(Fault::Damaged("the edge of the log is malformed"))
}

/// A number as the database holds it; none of ours comes near its end.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that the database held.
pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Lines on their way by binary COPY, in pieces.
///
/// The library's writer sends a message for every four thousand bytes and takes each value through a
/// virtual call; this one writes the same format, of the types that our tables have, in larger pieces.
pub struct Lines {
    columns: i16,
    count: usize,
    pieces: Vec<Vec<u8>>,
    piece: Vec<u8>,
}

/// A value of a line.
pub enum Value<'a> {
    Bytes(&'a [u8]),
    Long(i64),
    Int(i32),
    Bool(bool),
}

/// Large enough that the messages cost nothing, small enough to be sent while the next is made.
const PIECE_BYTES: usize = 256 << 10;

impl Lines {
    /// Lines of so many columns.
    pub fn new(columns: i16) -> Self {
        // Signature, flags, length of the extension.
        let mut piece = b"PGCOPY\n\xff\r\n\0".to_vec();
        piece.extend_from_slice(&[0; 8]);
        Self {
            columns,
            count: 0,
            pieces: Vec::new(),
            piece,
        }
    }

    /// One more.
    pub fn push<const N: usize>(&mut self, values: [Value<'_>; N]) {
        self.count += 1;
        self.piece.extend_from_slice(&self.columns.to_be_bytes());
        for value in values {
            match value {
                Value::Bytes(bytes) => self.field(bytes),
                Value::Long(number) => self.field(&number.to_be_bytes()),
                Value::Int(number) => self.field(&number.to_be_bytes()),
                Value::Bool(truth) => self.field(&[u8::from(truth)]),
            }
        }
        if self.piece.len() >= PIECE_BYTES {
            let next = Vec::with_capacity(PIECE_BYTES + 1024);
            self.pieces.push(std::mem::replace(&mut self.piece, next));
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        // Nothing of ours comes near two gigabytes; a length that did not fit would be refused as such.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.piece.extend_from_slice(&length.to_be_bytes());
        self.piece.extend_from_slice(bytes);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.piece.extend_from_slice(&(-1i16).to_be_bytes());
        self.pieces.push(self.piece);
        self.pieces
    }
}

/// Pairs by whose they are.
pub type ByMember<T> = BTreeMap<i64, T>;
