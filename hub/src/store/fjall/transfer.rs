//! Giving all that is here, and taking what another store had.

use std::ops::Bound::{Excluded, Unbounded};

use fjall::Snapshot;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{Holdings, PAYLOAD_BYTES, Row, SealedPayload};

use super::codec::{
    envelope_key, item_value, link_key, link_value, mail_key, parse_handle_value, parse_item,
    parse_link, parse_member_handle, parse_name, parse_row, place, row_key, split_place,
};
use super::mail::{Counts, MailboxState};
use super::registry::{parse_statement, statement_value};
use super::rows::{UNSAID, Untold, done_of, held, places};
use super::tx::Space;
use super::{FjallStore, Read, Spaces, Write, certificates, fault::Fault, frontier};
use crate::log::LogEntry;
use crate::store::transfer::{
    HeldRow, Kind, Link, Mail, Page, Part, Piece, Progress, Transfer, UntoldRow,
};
use crate::store::{Item, StoreError};

/// How far a migration into this store is.
const PROGRESS: &str = "migration";

const DAMAGED: Fault = Fault::Damaged("something that was to be carried over is malformed");

impl Transfer for FjallStore {
    fn pieces(&self, kind: Kind, after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        self.read(|read, spaces| page(read, spaces, kind, after, limit))
    }

    fn progress(&self) -> Result<Option<Progress>, StoreError> {
        self.read(progress)
    }

    fn take(&self, pieces: Vec<Piece>, progress: &Progress) -> Result<(), StoreError> {
        self.write(|write| {
            let mut untold = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Untold(row) => gather(&mut untold, lot_of(row)),
                    piece => write.take(piece)?,
                }
            }
            for lot in &untold {
                write.tell_later(lot)?;
            }
            let meta = &write.spaces.meta;
            write
                .tx
                .insert(meta, PROGRESS, serde_json::to_vec(progress)?);
            Ok(())
        })
    }

    fn finish(&self) -> Result<(), StoreError> {
        self.write(|write| {
            write.tx.remove(&write.spaces.meta, PROGRESS);
            Ok(())
        })
    }
}

pub(super) fn progress(read: &impl Read, spaces: &Spaces) -> Result<Option<Progress>, Fault> {
    let value = read.get(&spaces.meta, PROGRESS)?;
    Ok(value
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()?)
}

/// The keyspace in which pieces of a kind lie; the published list has none of its own.
fn space(spaces: &Spaces, kind: Kind) -> Option<&Space> {
    Some(match kind {
        Kind::Roster => &spaces.roster,
        Kind::Waiting => &spaces.waiting,
        Kind::Agreements => &spaces.agreements,
        Kind::Acceptances => &spaces.acceptances,
        Kind::Declarations => &spaces.declarations,
        Kind::Proposals => &spaces.proposals,
        Kind::Statements => &spaces.statements,
        Kind::Certificates => &spaces.certificates,
        Kind::Revocations => &spaces.revocations,
        Kind::RevocationList => return None,
        Kind::Rows => &spaces.handles,
        Kind::Links => &spaces.links,
        Kind::Holdings => &spaces.holdings,
        Kind::Mailboxes => &spaces.mailboxes,
        Kind::Mail => &spaces.mail,
        Kind::Untold => &spaces.untold,
        Kind::Log => &spaces.log,
    })
}

fn page(
    read: &Snapshot,
    spaces: &Spaces,
    kind: Kind,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Page, Fault> {
    let Some(space) = space(spaces, kind) else {
        let list = certificates::list(read, spaces)?;
        let pieces = (list.number > 0).then_some(Piece::RevocationList(list));
        return Ok(Page {
            pieces: pieces.into_iter().collect(),
            next: None,
        });
    };
    let from = after.map_or(Unbounded, |key| Excluded(key.to_vec()));
    let mut pieces = Vec::new();
    for pair in read.range::<Vec<u8>>(space, (from, Unbounded)) {
        let (key, value) = pair?;
        if kind == Kind::Untold {
            // A lot is one entry, and comes whole.
            let mut lot = Untold::parse(&value).ok_or(DAMAGED)?;
            lot.split(done_of(read, spaces, &key)?);
            let rows = untold_rows(read, spaces, lot)?;
            pieces.extend(rows.into_iter().map(Piece::Untold));
        } else {
            pieces.extend(piece(read, spaces, kind, &key, &value)?);
        }
        if pieces.len() >= limit {
            let next = Some(key.to_vec());
            return Ok(Page { pieces, next });
        }
    }
    Ok(Page { pieces, next: None })
}

/// A piece, or nothing for a line that says what no line would say.
fn piece(
    read: &Snapshot,
    spaces: &Spaces,
    kind: Kind,
    key: &[u8],
    value: &[u8],
) -> Result<Option<Piece>, Fault> {
    let piece = match kind {
        Kind::Roster => Piece::Roster(number(key)?, serde_json::from_slice(value)?),
        Kind::Waiting => Piece::Waiting(serde_json::from_slice(value)?),
        Kind::Agreements => Piece::Agreement(serde_json::from_slice(value)?),
        Kind::Proposals => Piece::Proposal(serde_json::from_slice(value)?),
        Kind::Acceptances => {
            let (agreement, agency) = key.split_first_chunk().ok_or(DAMAGED)?;
            let agency = parse_name(agency).ok_or(DAMAGED)?;
            Piece::Acceptance(Digest(*agreement), agency, serde_json::from_slice(value)?)
        }
        Kind::Declarations => {
            let (agreement, place) = key.split_first_chunk().ok_or(DAMAGED)?;
            let statement = serde_json::from_slice(value)?;
            Piece::Declaration(Digest(*agreement), number(place)?, statement)
        }
        Kind::Statements => {
            let (epoch, rest) = key.split_first_chunk().ok_or(DAMAGED)?;
            let (generation, custodian) = rest.split_first_chunk().ok_or(DAMAGED)?;
            let key = (u32::from_be_bytes(*epoch), u32::from_be_bytes(*generation));
            let custodian = parse_name(custodian).ok_or(DAMAGED)?;
            Piece::Statement(key, custodian, parse_statement(value)?)
        }
        Kind::Certificates => {
            let (agency, certificate) = certificates::parse(key, value).ok_or(DAMAGED)?;
            Piece::Certificate(agency, certificate)
        }
        Kind::Revocations => {
            Piece::Revocation(certificates::parse_revocation(key, value).ok_or(DAMAGED)?)
        }
        Kind::Rows => held_row(read, spaces, key, value)?,
        Kind::Links => link(key, value)?,
        Kind::Holdings => {
            let held = Holdings::from_bytes(value).ok_or(DAMAGED)?;
            if held == Holdings::default() {
                return Ok(None);
            }
            Piece::Holdings(parse_name(key).ok_or(DAMAGED)?, held)
        }
        Kind::Mailboxes => {
            let member = parse_name(key).ok_or(DAMAGED)?;
            let last = MailboxState::read(read, spaces, &member)?.last;
            if last == 0 {
                return Ok(None);
            }
            Piece::Mailbox(member, last)
        }
        Kind::Mail => {
            let (member, sequence) = key.split_last_chunk().ok_or(DAMAGED)?;
            let member = member.strip_suffix(&[0]).and_then(parse_name);
            Piece::Mail(Mail {
                member: member.ok_or(DAMAGED)?,
                sequence: u64::from_be_bytes(*sequence),
                silent: read.contains_key(&spaces.silent_mail, key)?,
                item: parse_item(value).ok_or(DAMAGED)?,
            })
        }
        Kind::Log => Piece::Log(number(key)?, serde_json::from_slice(value)?),
        Kind::RevocationList | Kind::Untold => return Err(DAMAGED),
    };
    Ok(Some(piece))
}

fn number(key: &[u8]) -> Result<u64, Fault> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| DAMAGED)?))
}

fn held_row(read: &Snapshot, spaces: &Spaces, key: &[u8], value: &[u8]) -> Result<Piece, Fault> {
    let (member, handle) = parse_member_handle(key).ok_or(DAMAGED)?;
    let held = parse_handle_value(value).ok_or(DAMAGED)?;
    let (epoch, token) = split_place(&held.place).ok_or(DAMAGED)?;
    let key = row_key(&held.place, &handle, &member);
    let payload = |value: &[u8]| Ok::<_, Fault>(parse_row(&key, value).ok_or(DAMAGED)?.payload);
    let part = if let Some(row) = places::stored(read, spaces, &held.place, &handle, &member)? {
        Part::Open(row.payload)
    } else if let Some(value) = read.get(&spaces.silent, &key)? {
        Part::Silent(payload(&value)?)
    } else {
        Part::Unwatched
    };
    let row = HeldRow {
        epoch,
        token,
        handle,
        expiry: held.expiry,
        part,
    };
    Ok(Piece::Row(member, row))
}

fn link(key: &[u8], value: &[u8]) -> Result<Piece, Fault> {
    let end = key.iter().position(|byte| *byte == 0).ok_or(DAMAGED)?;
    let prefix = end + 1 + symbolon_core::row::HANDLE_BYTES;
    let own = key.get(..prefix).and_then(parse_member_handle);
    let (member, own) = own.ok_or(DAMAGED)?;
    let link = parse_link(key, prefix, value).ok_or(DAMAGED)?;
    // A link is made when its owner is told.
    if !link.own_notified {
        return Err(DAMAGED);
    }
    Ok(Piece::Link(Link {
        member,
        own,
        other: link.other,
        handle: link.handle,
        other_notified: link.other_notified,
    }))
}

/// Of stored rows those that lie where they did: whoever takes them over goes by the handle, and of others nobody
/// is to be told.
fn untold_rows(read: &Snapshot, spaces: &Spaces, lot: Untold) -> Result<Vec<UntoldRow>, Fault> {
    let split = |place| split_place(&place).ok_or(DAMAGED);
    match lot {
        Untold::Stored { member, rows } => {
            let mut lie = Vec::new();
            for (place, handle) in rows {
                let found = held(read, spaces, &member, &handle)?;
                if place == UNSAID || found.is_some_and(|held| held.place == place) {
                    lie.push(UntoldRow::Stored(member.clone(), handle));
                }
            }
            Ok(lie)
        }
        Untold::Asked { member, rows } => rows
            .into_iter()
            .map(|(place, handle, payload)| {
                let (epoch, token) = split(place)?;
                Ok(UntoldRow::Asked(
                    member.clone(),
                    epoch,
                    token,
                    handle,
                    payload,
                ))
            })
            .collect(),
        Untold::Gone { member, rows } => rows
            .into_iter()
            .map(|(place, handle)| {
                let (epoch, token) = split(place)?;
                Ok(UntoldRow::Gone(member.clone(), epoch, token, handle))
            })
            .collect(),
    }
}

fn lot_of(row: UntoldRow) -> Untold {
    match row {
        UntoldRow::Stored(member, handle) => {
            let rows = vec![(UNSAID, handle)];
            Untold::Stored { member, rows }
        }
        UntoldRow::Asked(member, epoch, token, handle, payload) => {
            let rows = vec![(place(&epoch, &token), handle, payload)];
            Untold::Asked { member, rows }
        }
        UntoldRow::Gone(member, epoch, token, handle) => {
            let rows = vec![(place(&epoch, &token), handle)];
            Untold::Gone { member, rows }
        }
    }
}

/// Joins a lot to the last one if it is of the same member and kind, so that each is told of in one write.
fn gather(lots: &mut Vec<Untold>, lot: Untold) {
    match (lots.last_mut(), lot) {
        (
            Some(Untold::Stored { member, rows }),
            Untold::Stored {
                member: of,
                rows: more,
            },
        )
        | (
            Some(Untold::Gone { member, rows }),
            Untold::Gone {
                member: of,
                rows: more,
            },
        ) if *member == of => {
            rows.extend(more);
        }
        (
            Some(Untold::Asked { member, rows }),
            Untold::Asked {
                member: of,
                rows: more,
            },
        ) if *member == of => {
            rows.extend(more);
        }
        (_, lot) => lots.push(lot),
    }
}

impl Write<'_> {
    fn take(&mut self, piece: Piece) -> Result<(), Fault> {
        match piece {
            Piece::Roster(number, entry) => self.append_roster(number, &entry),
            Piece::Waiting(entry) => self.keep_waiting(&entry),
            Piece::Agreement(proposal) => self.propose(&proposal),
            Piece::Acceptance(agreement, agency, acceptance) => {
                self.accept(&agreement, &agency, &acceptance)
            }
            Piece::Declaration(agreement, number, statement) => {
                let key = [&agreement.0[..], &number.to_be_bytes()].concat();
                let value = serde_json::to_vec(&statement)?;
                self.tx.insert(&self.spaces.declarations, key, value);
                Ok(())
            }
            Piece::Proposal(proposal) => self.keep_pending(&proposal),
            Piece::Statement((epoch, generation), custodian, statement) => {
                let (epoch, generation) = (epoch.to_be_bytes(), generation.to_be_bytes());
                let key = [&epoch[..], &generation, custodian.as_str().as_bytes()].concat();
                let value = statement_value(&statement);
                self.tx.insert(&self.spaces.statements, key, value);
                Ok(())
            }
            Piece::Certificate(agency, certificate) => {
                self.keep_certificate(&agency, &certificate);
                Ok(())
            }
            Piece::Revocation(revocation) => {
                self.revoke(&[revocation]);
                Ok(())
            }
            Piece::RevocationList(list) => {
                self.keep_list(&list);
                Ok(())
            }
            Piece::Row(member, row) => self.take_row(&member, row),
            Piece::Link(link) => {
                self.take_link(&link);
                Ok(())
            }
            Piece::Holdings(member, held) => {
                self.keep_holdings(&member, &held);
                Ok(())
            }
            Piece::Mailbox(member, last) => {
                self.mailbox(&member)?.last = last;
                Ok(())
            }
            Piece::Mail(mail) => self.take_mail(&mail),
            Piece::Untold(_) => Err(DAMAGED),
            Piece::Log(number, entry) => self.take_entry(number, &entry),
        }
    }

    fn take_row(&mut self, member: &AgencyName, held: HeldRow) -> Result<(), Fault> {
        let (silent, payload) = match held.part {
            Part::Open(payload) => (false, Some(payload)),
            Part::Silent(payload) => (true, Some(payload)),
            Part::Unwatched => (true, None),
        };
        let row = Row {
            agreement_epoch: held.epoch,
            token: held.token,
            handle: held.handle,
            silent,
            expiry: held.expiry,
            payload: payload.unwrap_or(SealedPayload([0; PAYLOAD_BYTES])),
        };
        if silent {
            if payload.is_some() {
                self.watch(member, &row)?;
            }
        } else {
            let place = place(&row.agreement_epoch, &row.token);
            let at = self.at(&place)?;
            self.add_open(&place, at, member, &row);
        }
        self.keep_handle(member, &row);
        Ok(())
    }

    fn take_link(&mut self, link: &Link) {
        let key = link_key(&link.member, &link.own, &link.other, &link.handle);
        let value = link_value(true, link.other_notified);
        self.tx.insert(&self.spaces.links, key, value);
    }

    fn take_mail(&mut self, mail: &Mail) -> Result<(), Fault> {
        let (counts, key) = (
            if mail.silent {
                Counts::Silently
            } else {
                Counts::Openly
            },
            mail_key(&mail.member, mail.sequence),
        );
        *self.mailbox(&mail.member)?.kept(counts) += 1;
        let spaces = self.spaces;
        if let Item::Envelope(envelope) = &mail.item {
            let sequence = mail.sequence.to_be_bytes();
            self.tx
                .insert(&spaces.envelopes, envelope_key(envelope), sequence);
        }
        if mail.silent {
            self.tx.insert(&spaces.silent_mail, key.clone(), []);
        }
        self.tx.insert(&spaces.mail, key, item_value(&mail.item));
        Ok(())
    }

    fn take_entry(&mut self, number: u64, entry: &LogEntry) -> Result<(), Fault> {
        if frontier(&self.tx, self.spaces)?.size() != number {
            return Err(DAMAGED);
        }
        self.log(entry)
    }
}
