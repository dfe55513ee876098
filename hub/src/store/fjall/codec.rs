//! Keys and values as bytes. Reading gives `None` for what was not written here.

use symbolon_core::encoding;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, HANDLE_BYTES, Handle, PAYLOAD_BYTES, Row, SealedPayload,
    TOKEN_BYTES, Token,
};

use crate::store::Item;

/// Token and agreement: where rows that join lie together. The token comes first, since its first bytes
/// tell places apart.
pub type Place = [u8; 16 + TOKEN_BYTES];

pub fn place(epoch: &AgreementEpoch, token: &Token) -> Place {
    let mut out = [0; 16 + TOKEN_BYTES];
    let (front, back) = out.split_at_mut(TOKEN_BYTES);
    front.copy_from_slice(&token.0);
    back.copy_from_slice(&epoch.0);
    out
}

pub fn split_place(place: &Place) -> Option<(AgreementEpoch, Token)> {
    let (token, epoch) = place.split_at_checked(TOKEN_BYTES)?;
    Some((
        AgreementEpoch::try_from(epoch).ok()?,
        Token::try_from(token).ok()?,
    ))
}

pub fn member_prefix(member: &AgencyName) -> Vec<u8> {
    let mut out = member.as_str().as_bytes().to_vec();
    out.push(0);
    out
}

pub fn member_handle(member: &AgencyName, handle: &Handle) -> Vec<u8> {
    [member.as_str().as_bytes(), &[0], &handle.0].concat()
}

pub fn parse_name(bytes: &[u8]) -> Option<AgencyName> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

pub fn parse_member_handle(bytes: &[u8]) -> Option<(AgencyName, Handle)> {
    let (front, handle) = bytes.split_last_chunk::<HANDLE_BYTES>()?;
    let member = parse_name(front.strip_suffix(&[0])?)?;
    Some((member, Handle(*handle)))
}

pub fn row_key(place: &Place, handle: &Handle, member: &AgencyName) -> Vec<u8> {
    let mut out = place.to_vec();
    out.extend_from_slice(&handle.0);
    out.extend_from_slice(member.as_str().as_bytes());
    out
}

/// A stored row, as the join needs it.
#[derive(Clone)]
pub struct StoredRow {
    pub member: AgencyName,
    pub handle: Handle,
    pub payload: SealedPayload,
}

pub fn row_value(row: &Row) -> Vec<u8> {
    let expiry = row.expiry.0.to_be_bytes();
    [&[u8::from(row.silent)], expiry.as_slice(), &row.payload.0].concat()
}

pub fn parse_row(key: &[u8], value: &[u8]) -> Option<StoredRow> {
    let (_, rest) = key.split_first_chunk::<{ 16 + TOKEN_BYTES }>()?;
    let (handle, member) = rest.split_first_chunk::<HANDLE_BYTES>()?;
    // Before the payload: whether it is silent, and the last month.
    let (_, payload) = value.split_first_chunk::<5>()?;
    Some(StoredRow {
        member: parse_name(member)?,
        handle: Handle(*handle),
        payload: SealedPayload::try_from(payload).ok()?,
    })
}

/// Open rows of a place: the first lies here, so that a token that one member has is one pair. Further
/// ones lie in `rows`.
#[derive(Clone)]
pub struct AtPlace {
    /// Open rows, the first among them.
    pub live: u32,
    /// None once it was deleted while others were there.
    pub first: Option<(StoredRow, ExpiryMonth)>,
}

pub fn at_place_value(at: &AtPlace) -> Vec<u8> {
    let live = at.live.to_be_bytes();
    let Some((row, expiry)) = &at.first else {
        return live.to_vec();
    };
    let (expiry, member) = (expiry.0.to_be_bytes(), row.member.as_str().as_bytes());
    let parts: [&[u8]; 5] = [&live, &row.handle.0, &expiry, &row.payload.0, member];
    parts.concat()
}

pub fn parse_at_place(bytes: &[u8]) -> Option<AtPlace> {
    let (live, first) = bytes.split_first_chunk::<4>()?;
    let live = u32::from_be_bytes(*live);
    if first.is_empty() {
        return Some(AtPlace { live, first: None });
    }
    let (handle, rest) = first.split_first_chunk::<HANDLE_BYTES>()?;
    let (expiry, rest) = rest.split_first_chunk::<4>()?;
    let (payload, member) = rest.split_first_chunk::<PAYLOAD_BYTES>()?;
    let row = StoredRow {
        member: parse_name(member)?,
        handle: Handle(*handle),
        payload: SealedPayload(*payload),
    };
    let expiry = ExpiryMonth(u32::from_be_bytes(*expiry));
    Some(AtPlace {
        live,
        first: Some((row, expiry)),
    })
}

/// Where a handle's row lies and until when.
pub struct HandlePlace {
    pub place: Place,
    pub expiry: ExpiryMonth,
}

pub fn handle_value(place: &Place, expiry: ExpiryMonth) -> Vec<u8> {
    [place.as_slice(), &expiry.0.to_be_bytes()].concat()
}

pub fn parse_handle_value(bytes: &[u8]) -> Option<HandlePlace> {
    let (place, expiry) = bytes.split_first_chunk::<{ 16 + TOKEN_BYTES }>()?;
    Some(HandlePlace {
        place: *place,
        expiry: ExpiryMonth(u32::from_be_bytes(expiry.try_into().ok()?)),
    })
}

/// One end of a pair of joined rows.
pub struct Link {
    pub other: AgencyName,
    pub handle: Handle,
    pub own_notified: bool,
    pub other_notified: bool,
}

pub fn link_key(member: &AgencyName, own: &Handle, other: &AgencyName, handle: &Handle) -> Vec<u8> {
    let (member, other) = (member.as_str().as_bytes(), other.as_str().as_bytes());
    [member, &[0], &own.0, &handle.0, other].concat()
}

pub fn link_value(own_notified: bool, other_notified: bool) -> [u8; 1] {
    [u8::from(own_notified) | (u8::from(other_notified) << 1)]
}

/// Reads a link; `prefix` is the length of the member and its own handle in the key.
pub fn parse_link(key: &[u8], prefix: usize, value: &[u8]) -> Option<Link> {
    let (handle, other) = key.get(prefix..)?.split_first_chunk::<HANDLE_BYTES>()?;
    let flags = value.first()?;
    Some(Link {
        other: parse_name(other)?,
        handle: Handle(*handle),
        own_notified: flags & 1 != 0,
        other_notified: flags & 2 != 0,
    })
}

pub fn mail_key(member: &AgencyName, sequence: u64) -> Vec<u8> {
    let mut out = member_prefix(member);
    out.extend_from_slice(&sequence.to_be_bytes());
    out
}

pub fn envelope_key(envelope: &Envelope) -> Vec<u8> {
    let mut out = member_prefix(&envelope.to);
    out.extend_from_slice(&member_prefix(&envelope.from));
    out.extend_from_slice(&envelope.id);
    out
}

pub fn item_value(item: &Item) -> Vec<u8> {
    match item {
        Item::Notice {
            own_handle,
            handle,
            payload,
            agency,
            query,
        } => encoding::parts(&[
            &[b'n', u8::from(*query)],
            &own_handle.0,
            &handle.0,
            &payload.0,
            agency.as_str().as_bytes(),
        ]),
        Item::Cancellation { own_handle, handle } => {
            encoding::parts(&[b"x", &own_handle.0, &handle.0])
        }
        Item::Common { own_handle } => encoding::parts(&[b"c", &own_handle.0]),
        Item::Envelope(envelope) => encoding::parts(&[
            b"e",
            envelope.from.as_str().as_bytes(),
            envelope.to.as_str().as_bytes(),
            &envelope.id,
            &envelope.sealed,
            &envelope.signature.0,
        ]),
    }
}

pub fn parse_item(bytes: &[u8]) -> Option<Item> {
    let fields = encoding::split_parts(bytes)?;
    let handle = |bytes: &[u8]| Handle::try_from(bytes).ok();
    match fields.as_slice() {
        [[b'n', query], own, other, payload, agency] => Some(Item::Notice {
            own_handle: handle(own)?,
            handle: handle(other)?,
            payload: SealedPayload::try_from(*payload).ok()?,
            agency: parse_name(agency)?,
            query: *query == 1,
        }),
        [b"x", own, other] => Some(Item::Cancellation {
            own_handle: handle(own)?,
            handle: handle(other)?,
        }),
        [b"c", own] => Some(Item::Common {
            own_handle: handle(own)?,
        }),
        [b"e", from, to, id, sealed, signature] => Some(Item::Envelope(Envelope {
            from: parse_name(from)?,
            to: parse_name(to)?,
            id: (*id).try_into().ok()?,
            sealed: sealed.to_vec(),
            signature: (*signature).try_into().ok()?,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            key in proptest::collection::vec(any::<u8>(), 0..120),
            value in proptest::collection::vec(any::<u8>(), 0..300),
            prefix in 0..200_usize,
        ) {
            let _ = parse_item(&value);
            let _ = parse_row(&key, &value);
            let _ = parse_at_place(&value);
            let _ = parse_link(&key, prefix, &value);
            let _ = parse_handle_value(&value);
            let _ = parse_member_handle(&key);
            let _ = parse_name(&key);
        }
    }
}
