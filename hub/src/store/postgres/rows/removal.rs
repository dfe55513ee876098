//! Rows that go: withdrawn, expired, of an epoch that is over.
//!
//! The lines of the tokens are held before links are read: whoever joined one of the rows meanwhile has
//! committed by then, and its link is seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{self, AgreementEpoch, ExpiryMonth, Handle, Holdings, Token};

use super::silent::Lot;
use super::{DAMAGED, Place, arrays, handle, handles, token};
use crate::log::{Event, LogEntry};
use crate::store::postgres::fault::Fault;
use crate::store::postgres::mail::Counts;
use crate::store::postgres::names::{epoch_id, member_id};
use crate::store::postgres::tx::{ByMember, Write, signed};
use crate::store::{Dropped, Expired, Item, Withdrawn};

/// A row by its owner and the owner's name for it.
type Key = (i64, Handle);

/// A row that goes.
struct Gone {
    key: Key,
    place: Place,
    silent: bool,
}

/// One end of a pair of joined rows.
struct Link {
    other: Key,
    other_notified: bool,
}

/// What the removal of some rows did, by their owners.
#[derive(Default)]
struct Removed {
    counts: ByMember<u64>,
    cancelled: u64,
}

impl Write<'_> {
    pub async fn withdraw(
        &mut self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, Fault> {
        let id = member_id(member);
        let mut held = self.hold(&[id]).await?;
        let keys: Vec<Key> = handles.iter().map(|handle| (id, *handle)).collect();
        let removed = self.remove(&keys, false, &mut held).await?;
        self.note(Event::Withdrawal, &removed, &held, at).await?;
        Ok(Withdrawn {
            holdings: *held.get(&id).ok_or(DAMAGED)?,
            withdrawn: removed.counts.values().sum(),
            cancelled: removed.cancelled,
            woken: self.woken.clone(),
        })
    }

    pub async fn expire(
        &mut self,
        month: ExpiryMonth,
        limit: usize,
        at: i64,
    ) -> Result<Expired, Fault> {
        // What goes in between, by another hub, is passed over below.
        let due = "SELECT member, handle FROM handles WHERE expiry < $1 ORDER BY expiry LIMIT $2";
        let month = i32::try_from(month.0).unwrap_or(i32::MAX);
        let lines = self.ask(due, &[&month, &signed(limit as u64)]).await?;
        let due = lines
            .iter()
            .map(|line| Ok((line.try_get(0)?, handle(line, 1)?)));
        let due = due.collect::<Result<Vec<Key>, Fault>>()?;
        let members: BTreeSet<i64> = due.iter().map(|(member, _)| *member).collect();
        let members: Vec<i64> = members.into_iter().collect();
        self.names
            .find_members(&self.tx, members.iter().copied())
            .await?;
        let mut held = self.hold(&members).await?;
        let removed = self.remove(&due, true, &mut held).await?;
        self.note(Event::Expiry, &removed, &held, at).await?;
        Ok(Expired {
            more: due.len() >= limit,
            removed: removed.counts.values().sum(),
            woken: self.woken.clone(),
        })
    }

    pub async fn drop_epoch(
        &mut self,
        member: &AgencyName,
        epoch: &AgreementEpoch,
        after: Option<Handle>,
        limit: usize,
        at: i64,
    ) -> Result<Dropped, Fault> {
        let (id, epoch) = (member_id(member), epoch_id(epoch));
        let mut held = self.hold(&[id]).await?;
        let seen = handles(&self.tx, member, after, limit).await?;
        let bytes: Vec<&[u8]> = seen.iter().map(|handle| handle.0.as_slice()).collect();
        let of_it = "SELECT h.handle FROM unnest($2::bytea[]) AS u(handle)
            CROSS JOIN LATERAL (SELECT handle FROM handles
                WHERE member = $1 AND handle = u.handle AND epoch = $3 /*each*/) h
            ORDER BY h.handle";
        let lines = self.ask(of_it, &[&id, &bytes, &epoch]).await?;
        let keys = lines.iter().map(|line| Ok((id, handle(line, 0)?)));
        let keys = keys.collect::<Result<Vec<Key>, Fault>>()?;
        let removed = self.remove(&keys, false, &mut held).await?;
        self.note(Event::Departure, &removed, &held, at).await?;
        Ok(Dropped {
            removed: removed.counts.values().sum(),
            after: seen.last().copied().filter(|_| seen.len() == limit),
            woken: self.woken.clone(),
        })
    }

    /// Keeps what members hold now, with an entry for each whose rows went.
    async fn note(
        &mut self,
        event: Event,
        removed: &Removed,
        held: &ByMember<Holdings>,
        at: i64,
    ) -> Result<(), Fault> {
        let mut named = BTreeMap::new();
        for (member, count) in &removed.counts {
            let holdings = held.get(member).ok_or(DAMAGED)?;
            self.keep_holdings(*member, holdings).await?;
            named.insert(self.names.member(*member)?, (*count, holdings.digest));
        }
        for (member, (count, digest)) in named {
            self.log(LogEntry {
                at,
                event,
                member: Some(member),
                count,
                digest: Some(Digest(digest)),
            });
        }
        Ok(())
    }

    /// Deletes rows with their links; tells the other sides, and the owners too if `both`. The owners'
    /// holdings are held, and change.
    async fn remove(
        &mut self,
        keys: &[Key],
        both: bool,
        held: &mut ByMember<Holdings>,
    ) -> Result<Removed, Fault> {
        let gone = self.remove_handles(keys).await?;
        if gone.is_empty() {
            return Ok(Removed::default());
        }
        self.lower(&gone).await?;
        self.remove_rows("rows", gone.iter().filter(|gone| !gone.silent))
            .await?;
        self.remove_rows("silent", gone.iter().filter(|gone| gone.silent))
            .await?;
        let links = self.remove_links(&gone).await?;
        let told = links.iter().flat_map(|((own, _), links)| {
            let others = links.iter().filter(|link| link.other_notified);
            let own = both.then_some(*own);
            others.map(|link| link.other.0).chain(own)
        });
        let told: BTreeSet<i64> = told.collect();
        self.hold_mailboxes(told).await?;
        let epochs = gone.iter().map(|gone| gone.place.1);
        let epochs = self.names.find_epochs(&self.tx, epochs).await?;
        let mut removed = Removed {
            cancelled: self.cancel(&gone, &links, both)?,
            ..Removed::default()
        };
        let mut open: ByMember<Vec<&Gone>> = BTreeMap::new();
        for gone in &gone {
            let (member, handle) = &gone.key;
            let (token, epoch) = &gone.place;
            let epoch = epochs.get(epoch).ok_or(DAMAGED)?;
            let fingerprint = row::fingerprint(epoch, &Token(*token), handle);
            held.get_mut(member).ok_or(DAMAGED)?.remove(&fingerprint);
            *removed.counts.entry(*member).or_default() += 1;
            if !gone.silent {
                open.entry(*member).or_default().push(gone);
            }
        }
        for (member, gone) in open {
            let rows = gone.iter().map(|gone| (&gone.place, &gone.key.1));
            self.leave(Lot::gone(member, rows));
        }
        Ok(removed)
    }

    /// Tells of what does not hold any more, in the order of the rows; says how many others knew.
    fn cancel(
        &mut self,
        gone: &[Gone],
        links: &HashMap<Key, Vec<Link>>,
        both: bool,
    ) -> Result<u64, Fault> {
        let mut cancelled = 0;
        // Where both rows of a pair go, the first one tells both sides.
        let mut told: HashSet<(Key, Key)> = HashSet::new();
        for Gone { key, silent, .. } in gone {
            for link in links.get(key).into_iter().flatten() {
                if told.contains(&(*key, link.other)) {
                    continue;
                }
                told.insert((link.other, *key));
                if link.other_notified {
                    let cancellation = Item::Cancellation {
                        own_handle: link.other.1,
                        handle: key.1,
                    };
                    self.post(link.other.0, Counts::Openly, &cancellation)?;
                    cancelled += 1;
                }
                if both {
                    let cancellation = Item::Cancellation {
                        own_handle: key.1,
                        handle: link.other.1,
                    };
                    let counts = if *silent {
                        Counts::Silently
                    } else {
                        Counts::Openly
                    };
                    self.post(key.0, counts, &cancellation)?;
                }
            }
        }
        Ok(cancelled)
    }

    /// Deletes the lines of handles that are there; gives them in the order that was asked for.
    async fn remove_handles(&self, keys: &[Key]) -> Result<Vec<Gone>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (members, handles) = key_arrays(keys.iter());
        let removed = "DELETE FROM handles h
            USING unnest($1::bigint[], $2::bytea[]) AS u(member, handle)
            WHERE h.member = u.member AND h.handle = u.handle
            RETURNING h.member, h.handle, h.token, h.epoch, h.silent";
        let mut removed_of: HashMap<Key, Gone> = HashMap::new();
        for line in self.ask(removed, &[&members, &handles]).await? {
            let key = (line.try_get(0)?, handle(&line, 1)?);
            let gone = Gone {
                key,
                place: (token(&line, 2)?, line.try_get(3)?),
                silent: line.try_get(4)?,
            };
            removed_of.insert(key, gone);
        }
        Ok(keys
            .iter()
            .filter_map(|key| removed_of.remove(key))
            .collect())
    }

    /// Takes rows off the counts of their tokens, whose lines are held, rising.
    async fn lower(&self, gone: &[Gone]) -> Result<(), Fault> {
        let mut taken: BTreeMap<Place, i32> = BTreeMap::new();
        for gone in gone.iter().filter(|gone| !gone.silent) {
            *taken.entry(gone.place).or_default() -= 1;
        }
        if taken.is_empty() {
            return Ok(());
        }
        self.raise(&taken).await?;
        let (tokens, epochs) = arrays(taken.keys());
        let empty = "DELETE FROM tokens t
            USING unnest($1::bytea[], $2::bigint[]) AS u(token, epoch)
            WHERE t.token = u.token AND t.epoch = u.epoch AND t.live <= 0";
        self.run(empty, &[&tokens, &epochs]).await?;
        Ok(())
    }

    async fn remove_rows<'a>(
        &self,
        table: &str,
        gone: impl Iterator<Item = &'a Gone>,
    ) -> Result<(), Fault> {
        let gone: Vec<&Gone> = gone.collect();
        if gone.is_empty() {
            return Ok(());
        }
        let tokens: Vec<&[u8]> = gone.iter().map(|gone| gone.place.0.as_slice()).collect();
        let (members, handles) = key_arrays(gone.iter().map(|gone| &gone.key));
        let removed = format!(
            "DELETE FROM {table} r
            USING unnest($1::bytea[], $2::bigint[], $3::bytea[]) AS u(token, member, handle)
            WHERE r.token = u.token AND r.member = u.member AND r.handle = u.handle"
        );
        self.run(&removed, &[&tokens, &members, &handles]).await?;
        Ok(())
    }

    /// Deletes the links of rows, from both sides.
    async fn remove_links(&self, gone: &[Gone]) -> Result<HashMap<Key, Vec<Link>>, Fault> {
        let (members, handles) = key_arrays(gone.iter().map(|gone| &gone.key));
        let removed = "DELETE FROM links l
            USING unnest($1::bigint[], $2::bytea[]) AS u(member, own)
            WHERE l.member = u.member AND l.own = u.own
            RETURNING l.member, l.own, l.other, l.handle, l.other_notified";
        let mut links: HashMap<Key, Vec<Link>> = HashMap::new();
        for line in self.ask(removed, &[&members, &handles]).await? {
            let key = (line.try_get(0)?, handle(&line, 1)?);
            links.entry(key).or_default().push(Link {
                other: (line.try_get(2)?, handle(&line, 3)?),
                other_notified: line.try_get(4)?,
            });
        }
        if links.is_empty() {
            return Ok(links);
        }
        for links in links.values_mut() {
            links.sort_by_key(|link| (link.other.1, link.other.0));
        }
        let pairs = links
            .iter()
            .flat_map(|(own, links)| links.iter().map(move |link| (own, &link.other)));
        let (own, others): (Vec<&Key>, Vec<&Key>) = pairs.unzip();
        let (members, handles) = key_arrays(own.into_iter());
        let (other_members, other_handles) = key_arrays(others.into_iter());
        let reverse = "DELETE FROM links l
            USING unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
                AS u(member, own, handle, other)
            WHERE l.member = u.member AND l.own = u.own AND l.handle = u.handle
                AND l.other = u.other";
        let ends: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&other_members, &other_handles, &handles, &members];
        self.run(reverse, &ends).await?;
        Ok(links)
    }
}

fn key_arrays<'a>(keys: impl Iterator<Item = &'a Key>) -> (Vec<i64>, Vec<&'a [u8]>) {
    keys.map(|(member, handle)| (*member, handle.0.as_slice()))
        .unzip()
}
