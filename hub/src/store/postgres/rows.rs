//! Rows: the join, in the database. Withdrawal and expiry are in `removal`, silent rows in `silent`.
//!
//! A batch raises the counts of its tokens by one statement, in their order, and holds their lines from
//! there on. The counts that come back say which tokens somebody else has, usually few; only the rows of
//! those are read, after the lines are held. So of two batches with one token, whichever hub they come
//! through, the second sees the first one's rows, and no pair is missed. The new rows themselves then go
//! by binary COPY into the tables where they stay.
//!
//! What follows from counts and rows is decided row by row in the order of the batch, as in the store on
//! disk. No statement here reads silent rows of other members.

mod joining;
mod query;
mod removal;
pub mod silent;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use deadpool_postgres::GenericClient;
use futures::TryStreamExt;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{
    self, AgreementEpoch, Handle, Holdings, Row, SealedPayload, TOKEN_BYTES, Token,
};

use super::fault::Fault;
use super::names::{epoch_id, member_id};
use super::tx::{ByMember, Write, ask, signed, unsigned};
use crate::log::{Event, LogEntry};
use crate::store::{Batch, StoreError, Submitted};

/// Most notices of one batch: at about 250 bytes each and two for a pair, 50 MB in memory.
pub const MAX_NOTICES: usize = 200_000;

pub const DAMAGED: Fault = Fault::Damaged("a row is malformed");

/// Token and epoch: where rows that join lie together.
pub type Place = ([u8; TOKEN_BYTES], i64);

/// The place of a row.
pub fn place_of(row: &Row) -> Place {
    (row.token.0, epoch_id(&row.agreement_epoch))
}

/// A stored row of another member.
pub struct Met {
    pub member: i64,
    pub handle: Handle,
    pub payload: SealedPayload,
}

/// What a batch finds at its places.
#[derive(Default)]
struct Looked {
    at: HashMap<Place, Found>,
    /// Somebody may get mail of it: if not, no mailbox needs to be held.
    loud: bool,
}

/// What a batch finds at one place, and what it puts there.
#[derive(Default)]
struct Found {
    /// Open rows, those of the batch that went before included.
    live: u32,
    /// Rows of others, if there are so few that they are told of each other.
    others: Vec<Met>,
    /// Whose rows they all are, if a row of the batch makes the token common.
    owners: Vec<(Handle, i64)>,
    /// Silent rows of the member itself.
    watching: u32,
}

pub async fn holdings(client: &impl GenericClient, member: &AgencyName) -> Result<Holdings, Fault> {
    let line = "SELECT count, digest FROM holdings WHERE member = $1";
    match ask(client, line, &[&member_id(member)]).await?.first() {
        None => Ok(Holdings::default()),
        Some(line) => parse_holdings(line, 0),
    }
}

fn parse_holdings(line: &tokio_postgres::Row, column: usize) -> Result<Holdings, Fault> {
    let digest: &[u8] = line.try_get(column + 1)?;
    Ok(Holdings {
        count: unsigned(line.try_get(column)?),
        digest: digest.try_into().map_err(|_| DAMAGED)?,
    })
}

pub async fn recount(client: &impl GenericClient, member: &AgencyName) -> Result<Holdings, Fault> {
    let all = "SELECT h.token, h.handle, e.epoch FROM handles h JOIN epochs e ON e.id = h.epoch
        WHERE h.member = $1";
    let statement = client.prepare_cached(all).await?;
    let lines = client.query_raw(&statement, [member_id(member)]).await?;
    let mut lines = std::pin::pin!(lines);
    let mut counted = Holdings::default();
    while let Some(line) = lines.try_next().await? {
        let epoch = AgreementEpoch::try_from(line.try_get::<_, &[u8]>(2)?);
        let epoch = epoch.map_err(|_| DAMAGED)?;
        counted.add(&row::fingerprint(
            &epoch,
            &Token(token(&line, 0)?),
            &handle(&line, 1)?,
        ));
    }
    Ok(counted)
}

pub async fn handles(
    client: &impl GenericClient,
    member: &AgencyName,
    after: Option<Handle>,
    limit: usize,
) -> Result<Vec<Handle>, Fault> {
    let page = "SELECT handle FROM handles WHERE member = $1 AND handle > $2
        ORDER BY handle LIMIT $3";
    // No handle is empty.
    let after: &[u8] = after.as_ref().map_or(&[], |handle| &handle.0);
    let limit = signed(limit as u64);
    let lines = ask(client, page, &[&member_id(member), &after, &limit]).await?;
    lines.iter().map(|line| handle(line, 0)).collect()
}

/// A handle in a column.
pub fn handle(line: &tokio_postgres::Row, column: usize) -> Result<Handle, Fault> {
    Handle::try_from(line.try_get::<_, &[u8]>(column)?).map_err(|_| DAMAGED)
}

/// A token in a column.
pub fn token(line: &tokio_postgres::Row, column: usize) -> Result<[u8; TOKEN_BYTES], Fault> {
    let bytes: &[u8] = line.try_get(column)?;
    bytes.try_into().map_err(|_| DAMAGED)
}

fn met(line: &tokio_postgres::Row, column: usize) -> Result<Met, Fault> {
    let payload: &[u8] = line.try_get(column + 2)?;
    Ok(Met {
        member: line.try_get(column)?,
        handle: handle(line, column + 1)?,
        payload: SealedPayload::try_from(payload).map_err(|_| DAMAGED)?,
    })
}

/// Places as two arrays.
pub fn arrays<'a>(places: impl Iterator<Item = &'a Place>) -> (Vec<&'a [u8]>, Vec<i64>) {
    places
        .map(|(token, epoch)| (token.as_slice(), *epoch))
        .unzip()
}

impl Write<'_> {
    /// Holds the lines of members whose rows change, until the commit, and gives what they hold.
    pub async fn hold(&self, members: &[i64]) -> Result<ByMember<Holdings>, Fault> {
        let held = "SELECT member, count, digest FROM holdings WHERE member = ANY($1)
            ORDER BY member FOR UPDATE";
        let lines = self.ask(held, &[&members]).await?;
        let held = lines
            .iter()
            .map(|line| Ok((line.try_get(0)?, parse_holdings(line, 1)?)));
        let held = held.collect::<Result<ByMember<Holdings>, Fault>>()?;
        if members.iter().all(|member| held.contains_key(member)) {
            Ok(held)
        } else {
            Err(Fault::Forgotten)
        }
    }

    pub async fn keep_holdings(&self, member: i64, holdings: &Holdings) -> Result<(), Fault> {
        let kept = "UPDATE holdings SET count = $2, digest = $3 WHERE member = $1";
        let (count, digest) = (signed(holdings.count), holdings.digest.as_slice());
        self.run(kept, &[&member, &count, &digest]).await?;
        Ok(())
    }

    pub async fn submit(&mut self, batch: &Batch) -> Result<Submitted, Fault> {
        let member = member_id(&batch.member);
        let held = self.hold(&[member]).await?;
        let mut holdings = *held.get(&member).ok_or(DAMAGED)?;
        let fresh = self.fresh(member, batch).await?;
        if !fresh.is_empty() {
            let found = self.look(batch, member, &fresh).await?;
            self.join(batch, &fresh, found).await?;
            for row in &fresh {
                holdings.add(&row.fingerprint());
            }
            self.keep_holdings(member, &holdings).await?;
            self.log(LogEntry {
                at: batch.at,
                event: Event::Submission,
                member: Some(batch.member.clone()),
                count: fresh.len() as u64,
                digest: Some(Digest(holdings.digest)),
            });
        }
        Ok(Submitted {
            holdings,
            woken: self.woken.clone(),
        })
    }

    /// Rows whose handles are not stored, each once, in the order of the batch.
    async fn fresh<'b>(&self, member: i64, batch: &'b Batch) -> Result<Vec<&'b Row>, Fault> {
        let handles: Vec<&[u8]> = batch
            .rows
            .iter()
            .map(|row| row.handle.0.as_slice())
            .collect();
        let known = "SELECT h.handle FROM unnest($2::bytea[]) AS u(handle)
            CROSS JOIN LATERAL (SELECT handle FROM handles
                WHERE member = $1 AND handle = u.handle /*each*/) h";
        let lines = self.ask(known, &[&member, &handles]).await?;
        let known = lines.iter().map(|line| handle(line, 0));
        let mut known = known.collect::<Result<HashSet<Handle>, Fault>>()?;
        let fresh = batch.rows.iter().filter(|row| known.insert(row.handle));
        Ok(fresh.collect())
    }

    /// Raises and holds the counts of the batch's tokens, then reads what lies there.
    async fn look(&self, batch: &Batch, member: i64, fresh: &[&Row]) -> Result<Looked, Fault> {
        let mut limits: HashMap<Place, u32> = HashMap::new();
        // Rising, as their lines are held.
        let mut added: BTreeMap<Place, i32> = BTreeMap::new();
        let mut watched: BTreeSet<Place> = BTreeSet::new();
        for row in fresh {
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            let place = place_of(row);
            limits.insert(place, limit.ok_or(DAMAGED)?);
            if row.silent {
                watched.insert(place);
            } else {
                *added.entry(place).or_default() += 1;
            }
        }
        let mut found = self.live_before(&watched).await?;
        found.extend(self.raise(&added).await?);
        self.count_own_silent(member, &watched, &mut found).await?;
        let limit_of = |place: &Place| limits.get(place).copied().unwrap_or(0);
        let told: Vec<Place> = found
            .iter()
            .filter(|(place, at)| {
                let most = limit_of(place);
                let most = if watched.contains(*place) {
                    most + 1
                } else {
                    most
                };
                (1..most).contains(&at.live)
            })
            .map(|(place, _)| *place)
            .collect();
        self.read_others(member, &told, &mut found).await?;
        let mut loud = !told.is_empty() || !watched.is_empty();
        let mut common = Vec::new();
        for (place, added) in &added {
            let (before, limit) = (found.get(place).map_or(0, |at| at.live), limit_of(place));
            let after = before.saturating_add(added.unsigned_abs());
            loud |= after > limit;
            if before >= 1 && (before..after).contains(&limit) {
                common.push(*place);
            }
        }
        self.read_owners(&common, &mut found).await?;
        Ok(Looked { at: found, loud })
    }

    /// Live rows at places, which are not held.
    async fn live_before(&self, places: &BTreeSet<Place>) -> Result<HashMap<Place, Found>, Fault> {
        let mut found: HashMap<Place, Found> = HashMap::new();
        for place in places {
            found.insert(*place, Found::default());
        }
        if !places.is_empty() {
            for (place, live) in self.live_at(places.iter()).await? {
                found.entry(place).or_default().live = live;
            }
        }
        Ok(found)
    }

    async fn live_at<'a>(
        &self,
        places: impl Iterator<Item = &'a Place>,
    ) -> Result<HashMap<Place, u32>, Fault> {
        let (tokens, epochs) = arrays(places);
        let live = "SELECT t.token, t.epoch, t.live
            FROM unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            CROSS JOIN LATERAL (SELECT token, epoch, live FROM tokens
                WHERE token = u.token AND epoch = u.epoch /*each*/) t";
        let lines = self.ask(live, &[&tokens, &epochs]).await?;
        let live = lines.iter().map(|line| {
            let live: i32 = line.try_get(2)?;
            Ok((
                (token(line, 0)?, line.try_get(1)?),
                live.max(0).unsigned_abs(),
            ))
        });
        live.collect()
    }

    /// Adds to the counts of tokens whose rows come by another way than a batch.
    pub async fn count_in(&self, added: &BTreeMap<Place, i32>) -> Result<(), Fault> {
        self.raise(added).await.map(|_| ())
    }

    /// Adds to the counts of tokens, rising, and holds their lines; gives what was there before.
    async fn raise(&self, added: &BTreeMap<Place, i32>) -> Result<HashMap<Place, Found>, Fault> {
        if added.is_empty() {
            return Ok(HashMap::new());
        }
        let (tokens, epochs) = arrays(added.keys());
        let counts: Vec<i32> = added.values().copied().collect();
        let raised = "INSERT INTO tokens (token, epoch, live)
            SELECT u.token, u.epoch, u.live
            FROM unnest($1::bytea[], $2::bigint[], $3::integer[]) AS u(token, epoch, live)
            ORDER BY u.token, u.epoch
            ON CONFLICT (token, epoch) DO UPDATE SET live = tokens.live + excluded.live
            RETURNING token, epoch, live";
        let lines = self.ask(raised, &[&tokens, &epochs, &counts]).await?;
        let found = lines.iter().map(|line| {
            let place = (token(line, 0)?, line.try_get(1)?);
            let live: i32 = line.try_get(2)?;
            let before = live - added.get(&place).copied().unwrap_or(0);
            let found = Found {
                live: before.max(0).unsigned_abs(),
                ..Found::default()
            };
            Ok((place, found))
        });
        found.collect()
    }

    /// The member's own silent rows, whose number only it can change, and it is held.
    async fn count_own_silent(
        &self,
        member: i64,
        watched: &BTreeSet<Place>,
        found: &mut HashMap<Place, Found>,
    ) -> Result<(), Fault> {
        if watched.is_empty() {
            return Ok(());
        }
        let (tokens, epochs) = arrays(watched.iter());
        let own = "SELECT s.token, s.epoch, count(*)
            FROM unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            CROSS JOIN LATERAL (SELECT token, epoch FROM silent
                WHERE token = u.token AND epoch = u.epoch AND member = $3 /*each*/) s
            GROUP BY s.token, s.epoch";
        for line in self.ask(own, &[&tokens, &epochs, &member]).await? {
            let count: i64 = line.try_get(2)?;
            let place = (token(&line, 0)?, line.try_get(1)?);
            let watching = u32::try_from(count).map_err(|_| DAMAGED)?;
            found.entry(place).or_default().watching = watching;
        }
        Ok(())
    }

    /// Reads rows of others at places. Each would make two notices for an open row, one for a silent
    /// one: more than the bound are not read.
    async fn read_others(
        &self,
        member: i64,
        places: &[Place],
        found: &mut HashMap<Place, Found>,
    ) -> Result<(), Fault> {
        if places.is_empty() {
            return Ok(());
        }
        let (tokens, epochs) = arrays(places.iter());
        let others = "SELECT r.token, r.epoch, r.member, r.handle, r.payload
            FROM unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            CROSS JOIN LATERAL (SELECT token, epoch, member, handle, payload FROM rows
                WHERE token = u.token AND epoch = u.epoch AND member <> $3 /*each*/) r
            LIMIT $4";
        let most = signed(MAX_NOTICES as u64 + 1);
        let lines = self
            .ask(others, &[&tokens, &epochs, &member, &most])
            .await?;
        if lines.len() > MAX_NOTICES {
            return Err(Fault::Refused(StoreError::TooManyNotices(MAX_NOTICES)));
        }
        for line in lines {
            let place = (token(&line, 0)?, line.try_get(1)?);
            found.entry(place).or_default().others.push(met(&line, 2)?);
        }
        Ok(())
    }

    /// Reads whose rows lie at places that become common.
    async fn read_owners(
        &self,
        places: &[Place],
        found: &mut HashMap<Place, Found>,
    ) -> Result<(), Fault> {
        if places.is_empty() {
            return Ok(());
        }
        let (tokens, epochs) = arrays(places.iter());
        let owners = "SELECT r.token, r.epoch, r.handle, r.member
            FROM unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            CROSS JOIN LATERAL (SELECT token, epoch, handle, member FROM rows
                WHERE token = u.token AND epoch = u.epoch /*each*/) r";
        for line in self.ask(owners, &[&tokens, &epochs]).await? {
            let place = (token(&line, 0)?, line.try_get(1)?);
            let owner = (handle(&line, 2)?, line.try_get(3)?);
            found.entry(place).or_default().owners.push(owner);
        }
        Ok(())
    }
}
