//! Queries: rows that are joined and not stored.
//!
//! Nothing is held but the mailboxes of those who are told: a row that is stored at the same time may be
//! found or not, as if the question had come a little earlier or later.

use std::collections::BTreeSet;

use symbolon_core::row::{Handle, Row};

use super::silent::Lot;
use super::{DAMAGED, Met, Place, arrays, met, place_of, token};
use crate::log::{Event, LogEntry};
use crate::store::postgres::fault::Fault;
use crate::store::postgres::mail::Counts;
use crate::store::postgres::names::member_id;
use crate::store::postgres::tx::Write;
use crate::store::{Batch, Hit, Item, Queried};

impl Write<'_> {
    pub async fn query(&mut self, batch: &Batch) -> Result<Queried, Fault> {
        let member = member_id(&batch.member);
        let places: BTreeSet<Place> = batch.rows.iter().map(place_of).collect();
        let live = self.live_at(places.iter()).await?;
        let mut asked: Vec<&Row> = Vec::new();
        for row in &batch.rows {
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            self.work.lookups += 1;
            if live.get(&place_of(row)).copied().unwrap_or(0) <= limit.ok_or(DAMAGED)? {
                self.work.lookups += 1;
                asked.push(row);
            }
        }
        let found = self.meet(member, &asked).await?;
        self.work.rows_read += found.len() as u64;
        self.hold_mailboxes(found.iter().map(|(_, met)| met.member))
            .await?;
        let mut hits = Vec::new();
        for (number, met) in found {
            let row = asked.get(number).ok_or(DAMAGED)?;
            if let Some(hit) = self.hit(batch, row, met)? {
                hits.push(hit);
            }
        }
        let open = asked.iter().filter(|row| !row.silent);
        let lot = Lot::asked(member, open.copied());
        self.work.left_bytes += lot.bytes();
        self.leave(lot);
        self.log(LogEntry {
            at: batch.at,
            event: Event::Query,
            member: Some(batch.member.clone()),
            count: batch.rows.len() as u64,
            digest: None,
        });
        Ok(Queried {
            hits,
            woken: self.woken.clone(),
            work: self.work,
        })
    }

    /// Rows of others at the places of rows, with the number of the row.
    async fn meet(&self, member: i64, rows: &[&Row]) -> Result<Vec<(usize, Met)>, Fault> {
        let places: Vec<Place> = rows.iter().map(|row| place_of(row)).collect();
        let distinct: BTreeSet<Place> = places.iter().copied().collect();
        let (tokens, epochs) = arrays(distinct.iter());
        let others = "SELECT r.token, r.epoch, r.member, r.handle, r.payload
            FROM unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            CROSS JOIN LATERAL (SELECT token, epoch, member, handle, payload FROM rows
                WHERE token = u.token AND epoch = u.epoch AND member <> $3 /*each*/) r
            ORDER BY r.handle";
        let mut found = Vec::new();
        for line in self.ask(others, &[&tokens, &epochs, &member]).await? {
            let place = (token(&line, 0)?, line.try_get(1)?);
            for (number, own) in places.iter().enumerate() {
                if *own == place {
                    found.push((number, met(&line, 2)?));
                }
            }
        }
        found.sort_by_key(|(number, met)| (*number, met.handle));
        Ok(found)
    }

    /// Tells the owner of a row, and gives it to the asker. Where the owner cannot be told, the asker is
    /// not told either.
    fn hit(&mut self, batch: &Batch, row: &Row, met: Met) -> Result<Option<Hit>, Fault> {
        if self.is_full(met.member, Counts::Openly, batch.mailbox_max_items)? {
            return Ok(None);
        }
        if !row.silent {
            let notice = Item::Notice {
                own_handle: met.handle,
                handle: row.handle,
                payload: row.payload,
                agency: batch.member.clone(),
                query: true,
            };
            self.post(met.member, Counts::Openly, &notice)?;
        }
        let query_handle: Handle = row.handle;
        Ok(Some(Hit {
            query_handle,
            handle: met.handle,
            payload: met.payload,
            agency: self.names.member(met.member)?,
        }))
    }
}
