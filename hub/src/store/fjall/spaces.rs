//! The keyspaces.
//!
//! | Keyspace | Key | Value |
//! |---|---|---|
//! | `places` | token, epoch | live rows; of the first its handle, expiry, payload, member |
//! | `rows` | token, epoch, handle, member, of further ones | silent, expiry, payload |
//! | `silent` | as `rows`, of silent ones | the same |
//! | `watched` | token, epoch; the same and member | silent rows |
//! | `untold` | number | what owners of silent rows may have to be told |
//! | `handles` | member 0 handle | token, epoch, expiry |
//! | `links` | member 0 handle, handle, member | who was notified |
//! | `months` | last month | live rows that end with it |
//! | `holdings` | member | count and digest |
//! | `mail` | member 0 sequence | item |
//! | `silent_mail` | member 0 sequence, of items about silent rows | |
//! | `mailboxes` | member | last sequence, open and silent items kept |
//! | `envelopes` | to 0 from 0 id | sequence |
//! | `waiting` | digest | roster entry that lacks approvals |
//! | `proposals` | digest | a proposal that lacks approvals |
//! | `declarations` | agreement, number | a member's statement |
//! | `certificates` | member 0 serial | certificate |
//! | `revocations` | serial | whom, when, why |
//! | `roster`, `agreements`, `acceptances`, `statements`, `log`, `meta` | | |
//!
//! Names have no zero byte, so that it ends them.

use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::config::{CompressionPolicy, PartitioningPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions};

use super::tx::Space;

/// What a keyspace gathers in memory before it goes to a table: small enough to be searched in the cache.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// The same for what each row goes into: twice as much, so that less is merged again and again. With four times
/// as much again, finding a key's place in memory costs more than is saved.
const ROWS_MEMTABLE_BYTES: u64 = 16 << 20;

/// So many of the tables that what was gathered goes to are merged at once with the level below them. That one
/// holds as many tables of full size, and is written anew: 134 MB each time for 36 of places that came, whose rows
/// lie apart. The engine's own four, and 64 MiB, would write 268 MB anew for 18.
const MERGED_AT_ONCE: u8 = 8;
/// A table's full size. Each is synced when it was written, and whoever stores waits meanwhile.
const TABLE_BYTES: u64 = 16 << 20;

/// A place with a row in it is at least so large; one whose rows lie elsewhere is not.
const ROW_BYTES: u32 = 64;

/// Rows lie in files of their own, and only their places are merged again and again: a third of the bytes, so
/// that what a row costs hardly grows with how many there are. When all places are merged ([`super::tidy`]), a
/// file of which a quarter is no more is written anew without it, be it old or new: withdrawals meet rows of any age.
fn apart() -> KvSeparationOptions {
    KvSeparationOptions::default()
        .compression(CompressionType::None)
        .separation_threshold(ROW_BYTES)
        .age_cutoff(1.0)
}

/// Filters and indexes of tables in parts of some kilobytes, below the first level. Whole ones are a megabyte and
/// more, do not stay in the cache with ten million rows, and would be read and checked for each key.
fn in_parts(options: KeyspaceCreateOptions) -> KeyspaceCreateOptions {
    options
        .filter_block_partitioning_policy(PartitioningPolicy::new([false, true]))
        .index_block_partitioning_policy(PartitioningPolicy::new([false, true]))
}

/// How what each row goes into is merged.
fn merged() -> Arc<Leveled> {
    let strategy = Leveled::default().with_l0_threshold(MERGED_AT_ONCE);
    Arc::new(strategy.with_table_target_size(TABLE_BYTES))
}

/// How many bytes a keyspace gathers in memory.
pub fn gathers(name: &str) -> u64 {
    match name {
        "places" | "handles" => ROWS_MEMTABLE_BYTES,
        _ => MEMTABLE_BYTES,
    }
}

/// Every keyspace by its name.
pub struct Spaces {
    pub places: Space,
    pub rows: Space,
    pub silent: Space,
    pub watched: Space,
    pub untold: Space,
    pub handles: Space,
    pub links: Space,
    pub months: Space,
    pub holdings: Space,
    pub mail: Space,
    pub silent_mail: Space,
    pub mailboxes: Space,
    pub envelopes: Space,
    pub roster: Space,
    pub waiting: Space,
    pub agreements: Space,
    pub acceptances: Space,
    pub statements: Space,
    pub certificates: Space,
    pub revocations: Space,
    pub proposals: Space,
    pub declarations: Space,
    pub log: Space,
    pub meta: Space,
}

impl Spaces {
    /// Opens each, and gives the keyspaces by their numbers.
    pub fn open(db: &Database) -> fjall::Result<(Self, Vec<Keyspace>)> {
        let mut keyspaces = Vec::new();
        let mut space = |name| {
            let options = || {
                // [`super::sealing`] looks after that.
                let options = KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
                let options = match name {
                    // Whoever asks mostly knows from memory that the key is there ([`super::known`]): the last
                    // level needs no filter.
                    "places" | "handles" => in_parts(options)
                        .expect_point_read_hits(true)
                        .compaction_strategy(merged()),
                    "rows" | "silent" | "links" | "mail" => in_parts(options),
                    _ => options,
                };
                let options = match name {
                    "places" => options.with_kv_separation(Some(apart())),
                    _ => options,
                };
                match name {
                    // Random bytes cannot be compressed.
                    "places" | "rows" | "silent" | "handles" | "links" | "untold" | "mail" => {
                        options.data_block_compression_policy(CompressionPolicy::all(
                            CompressionType::None,
                        ))
                    }
                    _ => options,
                }
            };
            let keyspace = db.keyspace(name, options)?;
            let number = keyspaces.len();
            keyspaces.push(keyspace.clone());
            Ok::<_, fjall::Error>(Space { keyspace, number })
        };
        let spaces = Self {
            places: space("places")?,
            rows: space("rows")?,
            silent: space("silent")?,
            watched: space("watched")?,
            untold: space("untold")?,
            handles: space("handles")?,
            links: space("links")?,
            months: space("months")?,
            holdings: space("holdings")?,
            mail: space("mail")?,
            silent_mail: space("silent_mail")?,
            mailboxes: space("mailboxes")?,
            envelopes: space("envelopes")?,
            roster: space("roster")?,
            waiting: space("waiting")?,
            agreements: space("agreements")?,
            acceptances: space("acceptances")?,
            statements: space("statements")?,
            certificates: space("certificates")?,
            revocations: space("revocations")?,
            proposals: space("proposals")?,
            declarations: space("declarations")?,
            log: space("log")?,
            meta: space("meta")?,
        };
        Ok((spaces, keyspaces))
    }
}
