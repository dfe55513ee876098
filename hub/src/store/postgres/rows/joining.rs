//! What follows from a batch and from what was found at its tokens, row by row in the order of the batch.

use std::collections::{BTreeSet, HashMap};

use symbolon_core::identity::AgencyName;
use symbolon_core::row::{Handle, Row};

use super::silent::Lot;
use super::{DAMAGED, Found, Looked, MAX_NOTICES, Met, Place, place_of};
use crate::store::postgres::fault::Fault;
use crate::store::postgres::mail::Counts;
use crate::store::postgres::names::{epoch_id, member_id};
use crate::store::postgres::tx::{Lines, Value, Write};
use crate::store::{Batch, Item, StoreError};

/// What a batch leaves in the tables.
struct New {
    handles: Lines,
    rows: Lines,
    silent: Lines,
    links: Lines,
    /// Open rows of which owners of silent ones may have to be told.
    open: Vec<Handle>,
    /// Silent rows that joined, with their limits.
    watching: Vec<(Handle, u32)>,
}

/// A batch on its way in, with whose it is.
struct Joining<'a> {
    batch: &'a Batch,
    member: i64,
    new: New,
}

impl Write<'_> {
    /// Stores new rows and tells whom their tokens concern.
    pub(super) async fn join(
        &mut self,
        batch: &Batch,
        fresh: &[&Row],
        found: Looked,
    ) -> Result<(), Fault> {
        let mut joining = Joining {
            batch,
            member: member_id(&batch.member),
            new: New {
                handles: Lines::new(6),
                rows: Lines::new(5),
                silent: Lines::new(5),
                links: Lines::new(5),
                open: Vec::new(),
                watching: Vec::new(),
            },
        };
        let Looked { mut at, loud } = found;
        if loud {
            self.hold_concerned(joining.member, &mut at).await?;
        }
        for row in fresh {
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            let limit = limit.ok_or(DAMAGED)?;
            let found = at.get_mut(&place_of(row)).ok_or(DAMAGED)?;
            if row.silent {
                self.join_silently(&mut joining, row, found, limit)?;
            } else {
                self.join_openly(&mut joining, row, found, limit)?;
            }
            joining.new.handles.push([
                Value::Long(joining.member),
                Value::Bytes(&row.handle.0),
                Value::Bytes(&row.token.0),
                Value::Long(epoch_id(&row.agreement_epoch)),
                Value::Int(i32::try_from(row.expiry.0).map_err(|_| DAMAGED)?),
                Value::Bool(row.silent),
            ]);
        }
        self.keep_new(joining.member, joining.new).await
    }

    /// Holds the mailboxes of all who may get mail, and brings what was found into the order in which it
    /// is told.
    async fn hold_concerned(
        &mut self,
        member: i64,
        at: &mut HashMap<Place, Found>,
    ) -> Result<(), Fault> {
        let mut concerned: BTreeSet<i64> = [member].into();
        for found in at.values() {
            concerned.extend(found.others.iter().map(|met| met.member));
            concerned.extend(found.owners.iter().map(|(_, owner)| *owner));
        }
        self.hold_mailboxes(concerned).await?;
        for found in at.values_mut() {
            sort_by_name(self, &mut found.others, |met| (met.handle, met.member))?;
            sort_by_name(self, &mut found.owners, |owner| *owner)?;
        }
        Ok(())
    }

    fn join_openly(
        &mut self,
        joining: &mut Joining<'_>,
        row: &Row,
        found: &mut Found,
        limit: u32,
    ) -> Result<(), Fault> {
        let (member, before) = (joining.member, found.live);
        if before > 0 && before < limit {
            for met in &found.others {
                self.pair(joining, row, met)?;
            }
        } else if before >= limit {
            // The row that takes the token over the limit tells every owner; later ones come alone.
            let mut owners = vec![(row.handle, member)];
            if before == limit {
                owners.append(&mut found.owners);
            }
            for (own_handle, owner) in owners {
                self.post(owner, Counts::Openly, &Item::Common { own_handle })?;
            }
        }
        found.live = before.saturating_add(1);
        if before < limit {
            let place = found
                .owners
                .partition_point(|(handle, _)| *handle < row.handle);
            found.owners.insert(place, (row.handle, member));
            joining.new.open.push(row.handle);
        }
        joining.new.rows.push(row_line(row, member));
        Ok(())
    }

    /// Notifies both owners, and remembers it.
    fn pair(&mut self, joining: &mut Joining<'_>, row: &Row, met: &Met) -> Result<(), Fault> {
        let member = joining.member;
        let agency = self.names.member(met.member)?;
        let notice = notice_of(&row.handle, met, agency);
        self.notify(joining.batch, member, Counts::Openly, &notice)?;
        let notice = Item::Notice {
            own_handle: met.handle,
            handle: row.handle,
            payload: row.payload,
            agency: joining.batch.member.clone(),
            query: false,
        };
        self.notify(joining.batch, met.member, Counts::Openly, &notice)?;
        let (one, other) = ((member, &row.handle), (met.member, &met.handle));
        joining.new.links.push(link_line(one, other, true));
        joining.new.links.push(link_line(other, one, true));
        Ok(())
    }

    fn join_silently(
        &mut self,
        joining: &mut Joining<'_>,
        row: &Row,
        found: &mut Found,
        limit: u32,
    ) -> Result<(), Fault> {
        let member = joining.member;
        let own_handle = row.handle;
        if found.live > limit || found.watching >= limit {
            self.post(member, Counts::Silently, &Item::Common { own_handle })?;
        } else {
            for met in &found.others {
                let agency = self.names.member(met.member)?;
                let notice = notice_of(&own_handle, met, agency);
                self.notify(joining.batch, member, Counts::Silently, &notice)?;
                let (own, met) = ((member, &own_handle), (met.member, &met.handle));
                joining.new.links.push(link_line(own, met, false));
            }
            joining.new.watching.push((own_handle, limit));
        }
        if found.watching < limit {
            found.watching += 1;
            joining.new.silent.push(row_line(row, member));
        }
        Ok(())
    }

    fn notify(
        &mut self,
        batch: &Batch,
        to: i64,
        counts: Counts,
        notice: &Item,
    ) -> Result<(), Fault> {
        if self.is_full(to, counts, batch.mailbox_max_items)? {
            let full = StoreError::MailboxFull(self.names.member(to)?);
            return Err(Fault::Refused(full));
        }
        self.notices += 1;
        if self.notices > MAX_NOTICES {
            return Err(Fault::Refused(StoreError::TooManyNotices(MAX_NOTICES)));
        }
        self.post(to, counts, notice).map(|_| ())
    }

    async fn keep_new(&mut self, member: i64, new: New) -> Result<(), Fault> {
        let New {
            handles,
            rows,
            silent,
            links,
            open,
            watching,
        } = new;
        let columns = "(token, member, handle, epoch, payload) FROM STDIN WITH (FORMAT binary)";
        self.copy(&format!("COPY rows {columns}"), rows).await?;
        self.copy(&format!("COPY silent {columns}"), silent).await?;
        let columns = "(member, handle, token, epoch, expiry, silent)";
        let sql = format!("COPY handles {columns} FROM STDIN WITH (FORMAT binary)");
        self.copy(&sql, handles).await?;
        let columns = "(member, own, handle, other, other_notified)";
        let sql = format!("COPY links {columns} FROM STDIN WITH (FORMAT binary)");
        self.copy(&sql, links).await?;
        self.leave(Lot::stored(member, &open));
        self.leave(Lot::watching(member, &watching));
        Ok(())
    }
}

fn sort_by_name<T>(
    write: &Write<'_>,
    all: &mut [T],
    key: impl Fn(&T) -> (Handle, i64),
) -> Result<(), Fault> {
    let ids: BTreeSet<i64> = all.iter().map(|one| key(one).1).collect();
    let names = ids
        .into_iter()
        .map(|id| Ok((id, write.names.member(id)?)))
        .collect::<Result<HashMap<i64, AgencyName>, Fault>>()?;
    all.sort_by_cached_key(|one| {
        let (handle, id) = key(one);
        (handle, names.get(&id).cloned())
    });
    Ok(())
}

/// A notice of another's row.
pub fn notice_of(own: &Handle, met: &Met, agency: AgencyName) -> Item {
    Item::Notice {
        own_handle: *own,
        handle: met.handle,
        payload: met.payload,
        agency,
        query: false,
    }
}

fn row_line(row: &Row, member: i64) -> [Value<'_>; 5] {
    [
        Value::Bytes(&row.token.0),
        Value::Long(member),
        Value::Bytes(&row.handle.0),
        Value::Long(epoch_id(&row.agreement_epoch)),
        Value::Bytes(&row.payload.0),
    ]
}

fn link_line<'a>(
    (member, own): (i64, &'a Handle),
    (other, handle): (i64, &'a Handle),
    other_notified: bool,
) -> [Value<'a>; 5] {
    [
        Value::Long(member),
        Value::Bytes(&own.0),
        Value::Bytes(&handle.0),
        Value::Long(other),
        Value::Bool(other_notified),
    ]
}
