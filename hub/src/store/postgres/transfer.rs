//! Taking what another store had, and (in `giving`) giving all that is here.
//!
//! Several hubs may use a database, and nothing in it says whether one does. A destination that is not
//! finished is refused by every hub that opens it; a source that changes on the way is found by the
//! comparison at the end.

mod giving;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::GenericClient;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{ExpiryMonth, Row};

use super::PostgresStore;
use super::fault::Fault;
use super::names::{epoch_id, member_id};
use super::rows::Place;
use super::rows::silent::Lot;
use super::tx::{Lines, Needs, Twice, Value, Write, ask, frontier, signed};
use crate::store::fjall::codec::item_value;
use crate::store::transfer::{
    HeldRow, Kind, Link, Mail, Page, Part, Piece, Progress, Transfer, UntoldRow,
};
use crate::store::{IssuedCertificate, Item, Revocation, Statement, Store, StoreError};

const DAMAGED: Fault = Fault::Damaged("something that was to be carried over is malformed");
/// Rows of which owners of silent rows are told in one write.
const TOLD_AT_ONCE: usize = 1_000;

impl Transfer for PostgresStore {
    /// Silent rows leave behind what only this store has ([`super::rows::silent`]), until it is told.
    fn settle(&self) -> Result<(), StoreError> {
        while self.tell(TOLD_AT_ONCE, u64::MAX)?.done > 0 {}
        Ok(())
    }

    fn pieces(&self, kind: Kind, after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let limit = signed(limit as u64);
        self.read(async |client| giving::page(client, &self.names, kind, after, limit).await)
    }

    fn progress(&self) -> Result<Option<Progress>, StoreError> {
        self.read(async |client| progress(client).await)
    }

    fn take(&self, pieces: Vec<Piece>, progress: &Progress) -> Result<(), StoreError> {
        // Where a commit was lost the mark says whether it was done.
        self.write(Twice::IsOnce, &needs(&pieces), async |write| {
            write.take(&pieces, progress).await
        })
    }

    fn finish(&self) -> Result<(), StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            write.run("DELETE FROM transfer WHERE single", &[]).await?;
            Ok(())
        })
    }
}

pub(super) async fn progress(client: &impl GenericClient) -> Result<Option<Progress>, Fault> {
    let lines = ask(client, "SELECT progress FROM transfer WHERE single", &[]).await?;
    let progress = lines.first().map(|line| {
        let text: &str = line.try_get(0)?;
        Ok(serde_json::from_str(text)?)
    });
    progress.transpose()
}

/// Members and epochs that must have their lines before pieces are taken.
fn needs(pieces: &[Piece]) -> Needs<'_> {
    let (mut members, mut epochs) = (BTreeSet::new(), BTreeSet::new());
    for piece in pieces {
        match piece {
            Piece::Row(member, row) => {
                members.insert(member);
                epochs.insert(row.epoch);
            }
            Piece::Link(link) => members.extend([&link.member, &link.other]),
            Piece::Holdings(member, _) | Piece::Mailbox(member, _) => {
                members.insert(member);
            }
            Piece::Mail(mail) => {
                members.insert(&mail.member);
            }
            Piece::Untold(UntoldRow::Stored(member, _)) => {
                members.insert(member);
            }
            Piece::Untold(
                UntoldRow::Asked(member, epoch, ..) | UntoldRow::Gone(member, epoch, ..),
            ) => {
                members.insert(member);
                epochs.insert(*epoch);
            }
            _ => {}
        }
    }
    Needs {
        members: members.into_iter().collect(),
        epochs,
    }
}

/// Lines of one page, by their tables.
struct Taken {
    handles: Lines,
    rows: Lines,
    silent: Lines,
    links: Lines,
    mail: Lines,
    envelopes: Lines,
    /// Open rows of each token.
    live: BTreeMap<Place, i32>,
    /// What came into mailboxes, openly and silently.
    kept: BTreeMap<i64, (i64, i64)>,
    untold: Vec<Lot>,
}

impl Taken {
    fn new() -> Self {
        Self {
            handles: Lines::new(6),
            rows: Lines::new(5),
            silent: Lines::new(5),
            links: Lines::new(5),
            mail: Lines::new(4),
            envelopes: Lines::new(4),
            live: BTreeMap::new(),
            kept: BTreeMap::new(),
            untold: Vec::new(),
        }
    }

    fn row(&mut self, member: &AgencyName, row: &HeldRow) -> Result<(), Fault> {
        let (member, epoch) = (member_id(member), epoch_id(&row.epoch));
        let line = |payload| {
            [
                Value::Bytes(&row.token.0),
                Value::Long(member),
                Value::Bytes(&row.handle.0),
                Value::Long(epoch),
                Value::Bytes(payload),
            ]
        };
        match &row.part {
            Part::Open(payload) => {
                self.rows.push(line(&payload.0));
                *self.live.entry((row.token.0, epoch)).or_default() += 1;
            }
            Part::Silent(payload) => self.silent.push(line(&payload.0)),
            Part::Unwatched => {}
        }
        self.handles.push([
            Value::Long(member),
            Value::Bytes(&row.handle.0),
            Value::Bytes(&row.token.0),
            Value::Long(epoch),
            Value::Int(i32::try_from(row.expiry.0).map_err(|_| DAMAGED)?),
            Value::Bool(!matches!(row.part, Part::Open(_))),
        ]);
        Ok(())
    }

    fn link(&mut self, link: &Link) {
        self.links.push([
            Value::Long(member_id(&link.member)),
            Value::Bytes(&link.own.0),
            Value::Bytes(&link.handle.0),
            Value::Long(member_id(&link.other)),
            Value::Bool(link.other_notified),
        ]);
    }

    fn mail(&mut self, mail: &Mail) {
        let (member, sequence) = (member_id(&mail.member), signed(mail.sequence));
        self.mail.push([
            Value::Long(member),
            Value::Long(sequence),
            Value::Bool(mail.silent),
            Value::Bytes(&item_value(&mail.item)),
        ]);
        let (openly, silently) = self.kept.entry(member).or_default();
        *if mail.silent { silently } else { openly } += 1;
        if let Item::Envelope(envelope) = &mail.item {
            self.envelopes.push([
                Value::Long(member),
                Value::Long(member_id(&envelope.from)),
                Value::Bytes(&envelope.id),
                Value::Long(sequence),
            ]);
        }
    }

    /// Puts a row into the last lot if it is of the same member and kind.
    fn untold(&mut self, row: &UntoldRow) {
        let lot = match row {
            UntoldRow::Stored(member, handle) => Lot::stored(member_id(member), &[*handle]),
            UntoldRow::Asked(member, epoch, token, handle, payload) => {
                let row = Row {
                    agreement_epoch: *epoch,
                    token: *token,
                    handle: *handle,
                    silent: false,
                    expiry: ExpiryMonth(0),
                    payload: *payload,
                };
                Lot::asked(member_id(member), std::iter::once(&row))
            }
            UntoldRow::Gone(member, epoch, token, handle) => {
                let place: Place = (token.0, epoch_id(epoch));
                Lot::gone(member_id(member), std::iter::once((&place, handle)))
            }
        };
        match self.untold.last_mut() {
            Some(last) if last.is_of_one_with(&lot) => last.append(lot),
            _ => self.untold.push(lot),
        }
    }
}

impl Write<'_> {
    async fn take(&mut self, pieces: &[Piece], progress: &Progress) -> Result<(), Fault> {
        let mark = serde_json::to_string(progress)?;
        let held = "SELECT progress FROM transfer WHERE single FOR UPDATE";
        if let Some(line) = self.ask(held, &[]).await?.first()
            && line.try_get::<_, &str>(0)? == mark
        {
            return Ok(());
        }
        let mut taken = Taken::new();
        let mut entries = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Row(member, row) => taken.row(member, row)?,
                Piece::Link(link) => taken.link(link),
                Piece::Mail(mail) => taken.mail(mail),
                Piece::Untold(row) => taken.untold(row),
                Piece::Log(number, entry) => entries.push((*number, entry)),
                Piece::Holdings(member, held) => {
                    self.keep_holdings(member_id(member), held).await?;
                }
                Piece::Mailbox(member, last) => {
                    let kept = "UPDATE mailboxes SET last = $2 WHERE member = $1";
                    self.run(kept, &[&member_id(member), &signed(*last)])
                        .await?;
                }
                of_registry => self.take_of_registry(of_registry).await?,
            }
        }
        self.keep_taken(taken).await?;
        if let Some((first, _)) = entries.first()
            && frontier(&self.tx).await?.size() != *first
        {
            return Err(DAMAGED);
        }
        entries
            .into_iter()
            .for_each(|(_, entry)| self.log(entry.clone()));
        let kept = "INSERT INTO transfer (single, progress) VALUES (true, $1)
            ON CONFLICT (single) DO UPDATE SET progress = excluded.progress";
        self.run(kept, &[&mark]).await?;
        Ok(())
    }

    async fn keep_taken(&mut self, taken: Taken) -> Result<(), Fault> {
        const BINARY: &str = "FROM STDIN WITH (FORMAT binary)";
        let row = "(token, member, handle, epoch, payload)";
        for (into, lines) in [
            (format!("rows {row}"), taken.rows),
            (format!("silent {row}"), taken.silent),
            (
                "handles (member, handle, token, epoch, expiry, silent)".to_owned(),
                taken.handles,
            ),
            (
                "links (member, own, handle, other, other_notified)".to_owned(),
                taken.links,
            ),
            (
                "mail (member, sequence, silent, item)".to_owned(),
                taken.mail,
            ),
            (
                "envelopes (recipient, sender, id, sequence)".to_owned(),
                taken.envelopes,
            ),
        ] {
            self.copy(&format!("COPY {into} {BINARY}"), lines).await?;
        }
        self.count_in(&taken.live).await?;
        let kept = "UPDATE mailboxes SET open = open + $2, silent = silent + $3 WHERE member = $1";
        for (member, (openly, silently)) in taken.kept {
            self.run(kept, &[&member, &openly, &silently]).await?;
        }
        taken.untold.into_iter().for_each(|lot| self.leave(lot));
        Ok(())
    }

    async fn take_of_registry(&mut self, piece: &Piece) -> Result<(), Fault> {
        match piece {
            Piece::Roster(number, entry) => {
                let sql = "INSERT INTO roster (number, entry) VALUES ($1, $2)";
                let value = serde_json::to_vec(entry)?;
                self.run(sql, &[&signed(*number), &value]).await?;
            }
            Piece::Waiting(entry) => {
                let sql = "INSERT INTO waiting (digest, entry) VALUES ($1, $2)";
                let value = serde_json::to_vec(entry)?;
                self.run(sql, &[&entry.digest().0.as_slice(), &value])
                    .await?;
            }
            Piece::Agreement(proposal) => {
                let sql = "INSERT INTO agreements (digest, proposal) VALUES ($1, $2)";
                let value = serde_json::to_vec(proposal)?;
                self.run(sql, &[&proposal.digest().0.as_slice(), &value])
                    .await?;
            }
            Piece::Proposal(proposal) => {
                let sql = "INSERT INTO proposals (digest, proposal) VALUES ($1, $2)";
                let value = serde_json::to_vec(proposal)?;
                self.run(sql, &[&proposal.digest().0.as_slice(), &value])
                    .await?;
            }
            Piece::Acceptance(agreement, agency, acceptance) => {
                let sql = "INSERT INTO acceptances (agreement, agency, acceptance)
                    VALUES ($1, $2, $3)";
                let value = serde_json::to_vec(acceptance)?;
                let agreement = agreement.0.as_slice();
                self.run(sql, &[&agreement, &agency.as_str(), &value])
                    .await?;
            }
            Piece::Declaration(agreement, number, statement) => {
                let sql = "INSERT INTO declarations (agreement, number, statement)
                    VALUES ($1, $2, $3)";
                let value = serde_json::to_vec(statement)?;
                let agreement = agreement.0.as_slice();
                self.run(sql, &[&agreement, &signed(*number), &value])
                    .await?;
            }
            other => self.take_of_trust(other).await?,
        }
        Ok(())
    }

    /// What custodians stated, and certificates.
    async fn take_of_trust(&mut self, piece: &Piece) -> Result<(), Fault> {
        match piece {
            Piece::Statement((epoch, generation), custodian, Statement { body, signature }) => {
                let sql = "INSERT INTO statements
                    (epoch, generation, custodian, body, signature) VALUES ($1, $2, $3, $4, $5)";
                let (epoch, generation) = (i64::from(*epoch), i64::from(*generation));
                let (custodian, signature) = (custodian.as_str(), signature.0.as_slice());
                let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&epoch, &generation, &custodian, body, &signature];
                self.run(sql, &params).await?;
            }
            Piece::Certificate(agency, certificate) => {
                let IssuedCertificate {
                    serial,
                    issued_at,
                    expires_at,
                    chain,
                    request,
                } = certificate;
                let sql = "INSERT INTO certificates
                    (agency, serial, issued_at, expires_at, request, chain)
                    VALUES ($1, $2, $3, $4, $5, $6)";
                let (agency, request) = (agency.as_str(), request.0.as_slice());
                self.run(
                    sql,
                    &[&agency, serial, issued_at, expires_at, &request, chain],
                )
                .await?;
            }
            Piece::Revocation(revocation) => {
                let Revocation {
                    serial,
                    subject,
                    expires_at,
                    at,
                    reason,
                } = revocation;
                let sql = "INSERT INTO revocations (serial, subject, expires_at, at, reason)
                    VALUES ($1, $2, $3, $4, $5)";
                let subject = subject.to_string();
                self.run(sql, &[serial, &subject, expires_at, at, reason])
                    .await?;
            }
            Piece::RevocationList(list) => {
                let sql =
                    "UPDATE revocation_list SET number = $1, at = $2, lists = $3 WHERE single";
                self.run(sql, &[&signed(list.number), &list.at, &list.lists])
                    .await?;
            }
            _ => return Err(DAMAGED),
        }
        Ok(())
    }
}
