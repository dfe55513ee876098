//! Silent rows: their owner learns of others, nobody learns of them.
//!
//! As in the store on disk, an answer looks at no silent row of another member: it leaves behind a *lot*
//! of what was stored, asked with or deleted, and [`Write::tell`] works lots off at times that follow
//! from no request. One hub tells at a time.
//!
//! There are several writers here. A silent row may be stored while an open one that it would meet is
//! not committed yet, or is just being deleted; and the lot of that one may be worked off before the
//! silent row is there to be seen. So a silent row leaves a lot of its own, which is told after it was
//! committed and looks at both again. Holding the token's line would do it too, and would make an open
//! submission wait for a silent one, which its owner could notice.

use symbolon_core::row::{Handle, SealedPayload};
mod lots;

use super::joining::notice_of;
use super::{DAMAGED, MAX_NOTICES, Met, handle};
use crate::store::postgres::fault::Fault;
use crate::store::postgres::mail::Counts;
use crate::store::postgres::tx::{Write, signed};
use crate::store::{Item, Told};

use lots::{Kind, Record, parse};
pub use lots::{Left, Lot, left};

/// What is told of a silent row.
enum Word {
    /// It met a row.
    Met(Met),
    /// Somebody asked, and stored nothing.
    Asked(Met),
    /// The row of which it was told is no more.
    Gone { other: i64, handle: Handle },
}

/// A silent row, by its owner and its handle.
type Silent = (i64, Handle);

impl Write<'_> {
    /// Leaves a lot behind, to be told later.
    pub fn leave(&mut self, lot: Lot) {
        if !lot.records.is_empty() {
            self.lots.push(lot);
        }
    }

    pub async fn leave_lots(&mut self) -> Result<(), Fault> {
        let left = "INSERT INTO untold (kind, member, done, records) VALUES ($1, $2, 0, $3)";
        for Lot {
            kind,
            member,
            records,
        } in std::mem::take(&mut self.lots)
        {
            self.run(left, &[&(kind as i16), &member, &records]).await?;
        }
        Ok(())
    }

    /// Tells owners of silent rows about at most `limit` of what was left behind.
    pub async fn tell(&mut self, limit: usize, most: u64) -> Result<Told, Fault> {
        let alone = "SELECT 1 FROM telling WHERE single FOR UPDATE";
        self.ask(alone, &[]).await?;
        let first = "SELECT number, kind, member, done, length(records) FROM untold
            ORDER BY number LIMIT 1";
        let first = self.ask(first, &[]).await?;
        let Some(line) = first.first() else {
            return Ok(Told::default());
        };
        let (number, done): (i64, i32) = (line.try_get(0)?, line.try_get(3)?);
        let (member, length): (i64, i32) = (line.try_get(2)?, line.try_get(4)?);
        let kind = Kind::of(line.try_get(1)?).ok_or(DAMAGED)?;
        let records = self.records(number, kind, done, limit).await?;
        let words = match kind {
            Kind::Stored => self.words_of_stored(member, &records).await?,
            Kind::Asked => self.words_of_asked(member, &records).await?,
            Kind::Gone => self.words_of_gone(member, &records).await?,
            Kind::Watching => self.words_of_watching(member, &records).await?,
        };
        self.say(words, most).await?;
        let told = records.len();
        let done = done.saturating_add(i32::try_from(told).map_err(|_| DAMAGED)?);
        let whole = usize::try_from(length).map_err(|_| DAMAGED)? / kind.record_bytes();
        if told == 0 || usize::try_from(done).is_ok_and(|done| done >= whole) {
            self.run("DELETE FROM untold WHERE number = $1", &[&number])
                .await?;
        } else {
            let moved = "UPDATE untold SET done = $2 WHERE number = $1";
            self.run(moved, &[&number, &done]).await?;
        }
        Ok(Told {
            // A lot that was deleted is something that was done, even if nothing was left in it.
            done: told.max(1) as u64,
            woken: self.woken.clone(),
        })
    }

    async fn records(
        &self,
        number: i64,
        kind: Kind,
        done: i32,
        limit: usize,
    ) -> Result<Vec<Record>, Fault> {
        let size = kind.record_bytes();
        let bytes_of = |count: usize| i32::try_from(count.saturating_mul(size));
        let done = usize::try_from(done).map_err(|_| DAMAGED)?;
        let from = bytes_of(done).map_err(|_| DAMAGED)?.saturating_add(1);
        let length = bytes_of(limit).unwrap_or(i32::MAX);
        let part = "SELECT substring(records FROM $2 FOR $3) FROM untold WHERE number = $1";
        let lines = self.ask(part, &[&number, &from, &length]).await?;
        let bytes: &[u8] = lines.first().ok_or(DAMAGED)?.try_get(0)?;
        let records = bytes.chunks(size);
        records
            .map(|record| parse(kind, record).ok_or(DAMAGED))
            .collect()
    }

    /// Open rows were stored; some may have gone again meanwhile, and silent rows that came in between
    /// have been told already.
    async fn words_of_stored(
        &self,
        member: i64,
        records: &[Record],
    ) -> Result<Vec<(Silent, Word)>, Fault> {
        let handles: Vec<&[u8]> = records.iter().map(|r| r.handle.0.as_slice()).collect();
        let met = "SELECT s.member, s.handle, r.handle, r.payload
            FROM unnest($1::bytea[]) WITH ORDINALITY AS u(handle, place)
            CROSS JOIN LATERAL (SELECT member, token, epoch, handle FROM handles
                WHERE member = $2 AND handle = u.handle /*each*/) h
            JOIN rows r ON r.token = h.token AND r.member = h.member AND r.handle = h.handle
            JOIN silent s ON s.token = h.token AND s.epoch = h.epoch
            WHERE s.member <> $2 AND NOT EXISTS (SELECT 1 FROM links l WHERE
                l.member = s.member AND l.own = s.handle AND l.handle = r.handle AND l.other = $2)
            ORDER BY u.place, s.handle, s.member FOR UPDATE OF s";
        let lines = self.ask(met, &[&handles, &member]).await?;
        let words = lines.iter().map(|line| {
            let payload: &[u8] = line.try_get(3)?;
            let met = Met {
                member,
                handle: handle(line, 2)?,
                payload: SealedPayload::try_from(payload).map_err(|_| DAMAGED)?,
            };
            Ok(((line.try_get(0)?, handle(line, 1)?), Word::Met(met)))
        });
        words.collect()
    }

    async fn words_of_asked(
        &self,
        member: i64,
        records: &[Record],
    ) -> Result<Vec<(Silent, Word)>, Fault> {
        let (tokens, epochs) = places(records)?;
        let met = "SELECT u.place, s.member, s.handle
            FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS u(token, epoch, place)
            JOIN silent s ON s.token = u.token AND s.epoch = u.epoch
            WHERE s.member <> $3 ORDER BY u.place, s.handle, s.member FOR UPDATE OF s";
        let lines = self.ask(met, &[&tokens, &epochs, &member]).await?;
        let words = lines.iter().map(|line| {
            let record = record_at(records, line.try_get(0)?)?;
            let met = Met {
                member,
                handle: record.handle,
                payload: record.payload.ok_or(DAMAGED)?,
            };
            Ok(((line.try_get(1)?, handle(line, 2)?), Word::Asked(met)))
        });
        words.collect()
    }

    async fn words_of_gone(
        &self,
        member: i64,
        records: &[Record],
    ) -> Result<Vec<(Silent, Word)>, Fault> {
        let (tokens, epochs) = places(records)?;
        let handles: Vec<&[u8]> = records.iter().map(|r| r.handle.0.as_slice()).collect();
        let known = "SELECT u.handle, s.member, s.handle
            FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) WITH ORDINALITY
                AS u(token, epoch, handle, place)
            JOIN silent s ON s.token = u.token AND s.epoch = u.epoch
            JOIN links l ON l.member = s.member AND l.own = s.handle AND l.handle = u.handle
                AND l.other = $4
            ORDER BY u.place, s.handle, s.member FOR UPDATE OF s";
        let lines = self
            .ask(known, &[&tokens, &epochs, &handles, &member])
            .await?;
        let words = lines.iter().map(|line| {
            let gone = Word::Gone {
                other: member,
                handle: handle(line, 0)?,
            };
            Ok(((line.try_get(1)?, handle(line, 2)?), gone))
        });
        words.collect()
    }

    /// Silent rows were stored: what came or went while they were on their way.
    async fn words_of_watching(
        &self,
        member: i64,
        records: &[Record],
    ) -> Result<Vec<(Silent, Word)>, Fault> {
        let handles: Vec<&[u8]> = records.iter().map(|r| r.handle.0.as_slice()).collect();
        let limits: Vec<i32> = records.iter().map(|r| r.limit).collect();
        let missed = "SELECT s.handle, r.member, r.handle, r.payload
            FROM unnest($1::bytea[], $2::integer[]) WITH ORDINALITY AS u(handle, most, place)
            CROSS JOIN LATERAL (SELECT member, token, epoch, handle FROM handles
                WHERE member = $3 AND handle = u.handle /*each*/) h
            JOIN silent s ON s.token = h.token AND s.member = h.member AND s.handle = h.handle
            JOIN tokens t ON t.token = h.token AND t.epoch = h.epoch AND t.live <= u.most
            JOIN rows r ON r.token = h.token AND r.epoch = h.epoch
            WHERE r.member <> $3 AND NOT EXISTS (SELECT 1 FROM links l WHERE
                l.member = $3 AND l.own = s.handle AND l.handle = r.handle AND l.other = r.member)
            ORDER BY u.place, r.handle, r.member LIMIT $4 FOR UPDATE OF s";
        let most = signed(MAX_NOTICES as u64);
        let lines = self
            .ask(missed, &[&handles, &limits, &member, &most])
            .await?;
        let words = lines.iter().map(|line| {
            let word = Word::Met(super::met(line, 1)?);
            Ok(((member, handle(line, 0)?), word))
        });
        let mut words = words.collect::<Result<Vec<(Silent, Word)>, Fault>>()?;
        let lost = "SELECT s.handle, l.other, l.handle
            FROM unnest($1::bytea[]) WITH ORDINALITY AS u(handle, place)
            CROSS JOIN LATERAL (SELECT member, token, epoch, handle FROM handles
                WHERE member = $2 AND handle = u.handle /*each*/) h
            JOIN silent s ON s.token = h.token AND s.member = h.member AND s.handle = h.handle
            JOIN links l ON l.member = $2 AND l.own = u.handle
            WHERE NOT EXISTS (SELECT 1 FROM handles o
                WHERE o.member = l.other AND o.handle = l.handle)
            ORDER BY u.place, l.handle, l.other FOR UPDATE OF s";
        for line in self.ask(lost, &[&handles, &member]).await? {
            let gone = Word::Gone {
                other: line.try_get(1)?,
                handle: handle(&line, 2)?,
            };
            words.push(((member, handle(&line, 0)?), gone));
        }
        Ok(words)
    }

    /// Puts words into the mailboxes of owners of silent rows, where there is room, and remembers whom
    /// they know of.
    async fn say(&mut self, words: Vec<(Silent, Word)>, most: u64) -> Result<(), Fault> {
        let owners: Vec<i64> = words.iter().map(|((owner, _), _)| *owner).collect();
        let others = words.iter().map(|(_, word)| match word {
            Word::Met(met) | Word::Asked(met) => met.member,
            Word::Gone { other, .. } => *other,
        });
        self.names.find_members(&self.tx, others).await?;
        self.hold_mailboxes(owners).await?;
        let linked = "INSERT INTO links (member, own, handle, other, other_notified)
            VALUES ($1, $2, $3, $4, false) ON CONFLICT DO NOTHING";
        let unlinked = "DELETE FROM links
            WHERE member = $1 AND own = $2 AND handle = $3 AND other = $4";
        for ((owner, own), word) in words {
            let full = self.is_full(owner, Counts::Silently, most)?;
            match word {
                Word::Met(_) | Word::Asked(_) if full => {}
                Word::Met(met) => {
                    let agency = self.names.member(met.member)?;
                    let notice = notice_of(&own, &met, agency);
                    self.post(owner, Counts::Silently, &notice)?;
                    let (own, other) = (own.0.as_slice(), met.handle.0.as_slice());
                    self.run(linked, &[&owner, &own, &other, &met.member])
                        .await?;
                }
                Word::Asked(met) => {
                    let notice = Item::Notice {
                        own_handle: own,
                        handle: met.handle,
                        payload: met.payload,
                        agency: self.names.member(met.member)?,
                        query: true,
                    };
                    self.post(owner, Counts::Silently, &notice)?;
                }
                Word::Gone { other, handle } => {
                    let cancellation = Item::Cancellation {
                        own_handle: own,
                        handle,
                    };
                    self.post(owner, Counts::Silently, &cancellation)?;
                    let (own, handle) = (own.0.as_slice(), handle.0.as_slice());
                    self.run(unlinked, &[&owner, &own, &handle, &other]).await?;
                }
            }
        }
        Ok(())
    }
}

fn places(records: &[Record]) -> Result<(Vec<&[u8]>, Vec<i64>), Fault> {
    let places = records.iter().map(|record| {
        let (token, epoch) = record.place.as_ref().ok_or(DAMAGED)?;
        Ok((token.as_slice(), *epoch))
    });
    let places = places.collect::<Result<Vec<_>, Fault>>()?;
    Ok(places.into_iter().unzip())
}

fn record_at(records: &[Record], ordinal: i64) -> Result<&Record, Fault> {
    let at = usize::try_from(ordinal - 1).map_err(|_| DAMAGED)?;
    records.get(at).ok_or(DAMAGED)
}
