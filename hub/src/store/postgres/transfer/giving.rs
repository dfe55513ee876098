//! Pages of what is here. What is read whole at every start comes on one page; the rest by its keys.

use deadpool_postgres::GenericClient;
use symbolon_core::agreement::Proposal;
use symbolon_core::crypto::Signature;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Holdings, SealedPayload, Token};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::DAMAGED;
use crate::store::Statement;
use crate::store::fjall::codec::parse_item;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::names::Names;
use crate::store::postgres::registry;
use crate::store::postgres::rows::silent::{self, Left};
use crate::store::postgres::rows::{handle, token};
use crate::store::postgres::tx::{ask, unsigned};
use crate::store::transfer::{HeldRow, Kind, Link, Mail, Page, Part, Piece, UntoldRow};

/// About `limit` pieces of a kind.
pub async fn page(
    client: &impl GenericClient,
    names: &Names,
    kind: Kind,
    after: Option<&[u8]>,
    limit: i64,
) -> Result<Page, Fault> {
    let place = Place::parse(after).ok_or(DAMAGED)?;
    match kind {
        Kind::Rows => rows(client, names, &place, limit).await,
        Kind::Links => links(client, names, &place, limit).await,
        Kind::Holdings | Kind::Mailboxes => members(client, names, kind, &place, limit).await,
        Kind::Mail => mail(client, names, &place, limit).await,
        Kind::Untold => untold(client, names, &place, limit).await,
        Kind::Log => log(client, &place, limit).await,
        small => Ok(Page {
            pieces: whole(client, small).await?,
            next: None,
        }),
    }
}

/// The key after which a page begins: numbers and bytes, as many as the table's key has.
struct Place {
    numbers: [i64; 2],
    bytes: [Vec<u8>; 2],
}

impl Place {
    /// Before everything, if there is nothing to go on from.
    fn parse(after: Option<&[u8]>) -> Option<Self> {
        let Some(after) = after else {
            return Some(Self {
                numbers: [i64::MIN; 2],
                bytes: [Vec::new(), Vec::new()],
            });
        };
        let fields = encoding::split_parts(after)?;
        let [first, second, one, other] = fields.as_slice() else {
            return None;
        };
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
        Some(Self {
            numbers: [number(first)?, number(second)?],
            bytes: [one.to_vec(), other.to_vec()],
        })
    }

    fn of(numbers: [i64; 2], bytes: [&[u8]; 2]) -> Vec<u8> {
        let [first, second] = numbers.map(i64::to_be_bytes);
        let [one, other] = bytes;
        encoding::parts(&[&first, &second, one, other])
    }
}

/// Pieces of lines, and where the next page begins if this one was full.
fn paged(
    lines: &[Row],
    limit: i64,
    piece: impl Fn(&Row) -> Result<Piece, Fault>,
    place: impl Fn(&Row) -> Result<Vec<u8>, Fault>,
) -> Result<Page, Fault> {
    let pieces = lines.iter().map(piece).collect::<Result<Vec<_>, _>>()?;
    let full = lines.len() as u64 >= unsigned(limit);
    let next = lines.last().filter(|_| full).map(place).transpose()?;
    Ok(Page { pieces, next })
}

/// Finds the names that columns of lines stand for.
async fn learn(
    client: &impl GenericClient,
    names: &Names,
    lines: &[Row],
    columns: &[usize],
) -> Result<(), Fault> {
    let mut ids = std::collections::BTreeSet::new();
    for line in lines {
        for column in columns {
            ids.insert(line.try_get::<_, i64>(*column)?);
        }
    }
    names.find_members(client, ids).await
}

async fn rows(
    client: &impl GenericClient,
    names: &Names,
    place: &Place,
    limit: i64,
) -> Result<Page, Fault> {
    let page = "SELECT h.member, h.handle, h.token, e.epoch, h.expiry, r.payload, s.payload
        FROM (SELECT member, handle, token, epoch, expiry FROM handles
            WHERE (member, handle) > ($1, $2) ORDER BY member, handle LIMIT $3) h
        JOIN epochs e ON e.id = h.epoch
        LEFT JOIN rows r ON r.token = h.token AND r.member = h.member AND r.handle = h.handle
        LEFT JOIN silent s ON s.token = h.token AND s.member = h.member AND s.handle = h.handle
        ORDER BY h.member, h.handle";
    let [member, _] = place.numbers;
    let [last, _] = &place.bytes;
    let lines = ask(client, page, &[&member, last, &limit]).await?;
    learn(client, names, &lines, &[0]).await?;
    let payload = |line: &Row, column: usize| -> Result<Option<SealedPayload>, Fault> {
        let bytes: Option<&[u8]> = line.try_get(column)?;
        let payload = bytes.map(SealedPayload::try_from).transpose();
        payload.map_err(|_| DAMAGED)
    };
    let piece = |line: &Row| {
        let epoch: &[u8] = line.try_get(3)?;
        let expiry: i32 = line.try_get(4)?;
        let row = HeldRow {
            epoch: AgreementEpoch::try_from(epoch).map_err(|_| DAMAGED)?,
            token: Token(token(line, 2)?),
            handle: handle(line, 1)?,
            expiry: ExpiryMonth(expiry.unsigned_abs()),
            part: match (payload(line, 5)?, payload(line, 6)?) {
                (Some(open), _) => Part::Open(open),
                (None, Some(silent)) => Part::Silent(silent),
                (None, None) => Part::Unwatched,
            },
        };
        Ok(Piece::Row(names.member(line.try_get(0)?)?, row))
    };
    paged(&lines, limit, piece, |line| {
        Ok(Place::of([line.try_get(0)?, 0], [line.try_get(1)?, &[]]))
    })
}

async fn links(
    client: &impl GenericClient,
    names: &Names,
    place: &Place,
    limit: i64,
) -> Result<Page, Fault> {
    let page = "SELECT member, own, handle, other, other_notified FROM links
        WHERE (member, own, handle, other) > ($1, $2, $3, $4)
        ORDER BY member, own, handle, other LIMIT $5";
    let ([member, other], [own, met]) = (place.numbers, &place.bytes);
    let lines = ask(client, page, &[&member, own, met, &other, &limit]).await?;
    learn(client, names, &lines, &[0, 3]).await?;
    let piece = |line: &Row| {
        Ok(Piece::Link(Link {
            member: names.member(line.try_get(0)?)?,
            own: handle(line, 1)?,
            handle: handle(line, 2)?,
            other: names.member(line.try_get(3)?)?,
            other_notified: line.try_get(4)?,
        }))
    };
    paged(&lines, limit, piece, |line| {
        let numbers = [line.try_get(0)?, line.try_get(3)?];
        Ok(Place::of(numbers, [line.try_get(1)?, line.try_get(2)?]))
    })
}

/// Holdings or mailboxes: every member has a line of both, which says something or does not.
async fn members(
    client: &impl GenericClient,
    names: &Names,
    kind: Kind,
    place: &Place,
    limit: i64,
) -> Result<Page, Fault> {
    let page = match kind {
        Kind::Holdings => {
            "SELECT member, count, digest FROM holdings
            WHERE member > $1 AND (count <> 0 OR digest <> $3) ORDER BY member LIMIT $2"
        }
        _ => {
            "SELECT member, last FROM mailboxes
            WHERE member > $1 AND last > 0 ORDER BY member LIMIT $2"
        }
    };
    let [member, _] = place.numbers;
    let nothing = Holdings::default().digest;
    let nothing = nothing.as_slice();
    let params: [&(dyn ToSql + Sync); 3] = [&member, &limit, &nothing];
    let count = if kind == Kind::Holdings { 3 } else { 2 };
    let lines = ask(client, page, params.get(..count).ok_or(DAMAGED)?).await?;
    learn(client, names, &lines, &[0]).await?;
    let piece = |line: &Row| {
        let member = names.member(line.try_get(0)?)?;
        let number = unsigned(line.try_get(1)?);
        if kind == Kind::Mailboxes {
            return Ok(Piece::Mailbox(member, number));
        }
        let digest: &[u8] = line.try_get(2)?;
        let held = Holdings {
            count: number,
            digest: digest.try_into().map_err(|_| DAMAGED)?,
        };
        Ok(Piece::Holdings(member, held))
    };
    paged(&lines, limit, piece, |line| {
        Ok(Place::of([line.try_get(0)?, 0], [&[], &[]]))
    })
}

async fn mail(
    client: &impl GenericClient,
    names: &Names,
    place: &Place,
    limit: i64,
) -> Result<Page, Fault> {
    let page = "SELECT member, sequence, silent, item FROM mail
        WHERE (member, sequence) > ($1, $2) ORDER BY member, sequence LIMIT $3";
    let [member, sequence] = place.numbers;
    let lines = ask(client, page, &[&member, &sequence, &limit]).await?;
    learn(client, names, &lines, &[0]).await?;
    let piece = |line: &Row| {
        Ok(Piece::Mail(Mail {
            member: names.member(line.try_get(0)?)?,
            sequence: unsigned(line.try_get(1)?),
            silent: line.try_get(2)?,
            item: parse_item(line.try_get(3)?).ok_or(DAMAGED)?,
        }))
    };
    paged(&lines, limit, piece, |line| {
        let numbers = [line.try_get(0)?, line.try_get(1)?];
        Ok(Place::of(numbers, [&[], &[]]))
    })
}

/// Lots, each of which comes whole: as many as hold a page's pieces, but one at least.
async fn untold(
    client: &impl GenericClient,
    names: &Names,
    place: &Place,
    limit: i64,
) -> Result<Page, Fault> {
    let first = "SELECT number, kind, member, done, records FROM untold
        WHERE number > $1 ORDER BY number LIMIT 1";
    let [mut number, _] = place.numbers;
    let mut pieces = Vec::new();
    loop {
        let lines = ask(client, first, &[&number]).await?;
        let Some(line) = lines.first() else {
            return Ok(Page { pieces, next: None });
        };
        learn(client, names, &lines, &[2]).await?;
        number = line.try_get(0)?;
        let member = names.member(line.try_get(2)?)?;
        let (kind, done): (i16, i32) = (line.try_get(1)?, line.try_get(3)?);
        let left = silent::left(kind, done, line.try_get(4)?)?;
        let epochs = left.iter().filter_map(Left::epoch);
        let epochs = names.find_epochs(client, epochs).await?;
        for row in left {
            let member = member.clone();
            let epoch = |id| epochs.get(&id).copied().ok_or(DAMAGED);
            pieces.push(Piece::Untold(match row {
                Left::Stored(handle) => UntoldRow::Stored(member, handle),
                Left::Asked((token, id), handle, payload) => {
                    UntoldRow::Asked(member, epoch(id)?, Token(token), handle, payload)
                }
                Left::Gone((token, id), handle) => {
                    UntoldRow::Gone(member, epoch(id)?, Token(token), handle)
                }
            }));
        }
        if pieces.len() as u64 >= unsigned(limit) {
            let next = Some(Place::of([number, 0], [&[], &[]]));
            return Ok(Page { pieces, next });
        }
    }
}

async fn log(client: &impl GenericClient, place: &Place, limit: i64) -> Result<Page, Fault> {
    let page = "SELECT number, line FROM log WHERE number > $1 ORDER BY number LIMIT $2";
    let [number, _] = place.numbers;
    let lines = ask(client, page, &[&number, &limit]).await?;
    let piece = |line: &Row| {
        let number = unsigned(line.try_get(0)?);
        Ok(Piece::Log(
            number,
            serde_json::from_slice(line.try_get(1)?)?,
        ))
    };
    paged(&lines, limit, piece, |line| {
        Ok(Place::of([line.try_get(0)?, 0], [&[], &[]]))
    })
}

/// What is small.
async fn whole(client: &impl GenericClient, kind: Kind) -> Result<Vec<Piece>, Fault> {
    let sql = match kind {
        Kind::Roster => "SELECT number, entry FROM roster ORDER BY number",
        Kind::Waiting => "SELECT entry FROM waiting",
        Kind::Agreements => "SELECT proposal FROM agreements",
        Kind::Proposals => "SELECT proposal FROM proposals",
        Kind::Acceptances => "SELECT agreement, agency, acceptance FROM acceptances",
        Kind::Declarations => "SELECT agreement, number, statement FROM declarations",
        Kind::Statements => "SELECT epoch, generation, custodian, body, signature FROM statements",
        Kind::Certificates => {
            let all = registry::certificates(client).await?.into_iter();
            return Ok(all
                .map(|(agency, issued)| Piece::Certificate(agency, issued))
                .collect());
        }
        Kind::Revocations => {
            let all = registry::revocations(client).await?.into_iter();
            return Ok(all.map(Piece::Revocation).collect());
        }
        Kind::RevocationList => {
            let list = registry::published(client).await?;
            let list = (list.number > 0).then_some(Piece::RevocationList(list));
            return Ok(list.into_iter().collect());
        }
        _ => return Err(DAMAGED),
    };
    let lines = ask(client, sql, &[]).await?;
    lines.iter().map(|line| small(kind, line)).collect()
}

fn small(kind: Kind, line: &Row) -> Result<Piece, Fault> {
    let json_proposal =
        || -> Result<Proposal, Fault> { Ok(serde_json::from_slice(line.try_get(0)?)?) };
    let agreement = || -> Result<Digest, Fault> {
        let bytes: &[u8] = line.try_get(0)?;
        Ok(Digest(bytes.try_into().map_err(|_| DAMAGED)?))
    };
    let name = |column: usize| -> Result<AgencyName, Fault> {
        let name: &str = line.try_get(column)?;
        name.parse().map_err(|_| DAMAGED)
    };
    Ok(match kind {
        Kind::Roster => {
            let number = unsigned(line.try_get(0)?);
            Piece::Roster(number, serde_json::from_slice(line.try_get(1)?)?)
        }
        Kind::Waiting => Piece::Waiting(serde_json::from_slice(line.try_get(0)?)?),
        Kind::Agreements => Piece::Agreement(json_proposal()?),
        Kind::Proposals => Piece::Proposal(json_proposal()?),
        Kind::Acceptances => {
            let acceptance = serde_json::from_slice(line.try_get(2)?)?;
            Piece::Acceptance(agreement()?, name(1)?, acceptance)
        }
        Kind::Declarations => {
            let statement = serde_json::from_slice(line.try_get(2)?)?;
            Piece::Declaration(agreement()?, unsigned(line.try_get(1)?), statement)
        }
        Kind::Statements => {
            let number = |column: usize| -> Result<u32, Fault> {
                let number: i64 = line.try_get(column)?;
                u32::try_from(number).map_err(|_| DAMAGED)
            };
            let signature: &[u8] = line.try_get(4)?;
            let statement = Statement {
                body: line.try_get(3)?,
                signature: Signature::try_from(signature).map_err(|_| DAMAGED)?,
            };
            Piece::Statement((number(0)?, number(1)?), name(2)?, statement)
        }
        _ => return Err(DAMAGED),
    })
}
