//! How a block of rows is packed: what its rows have in common once, then each row.
//!
//! Numbers are big-endian. A block is sealed by the vault, so that what is read here was written here; a
//! length that does not fit is damage all the same, and no panic.

use symbolon_core::encoding::Digest;
use symbolon_core::payload::Urgency;
use symbolon_core::row::{AgreementEpoch, Handle, Token};
use zeroize::Zeroizing;

use super::{Content, Kept, Spare};
use crate::tables::{KeyTag, Secret, StoredRow};

const VERSION: u8 = 1;
/// Length of a string or a secret.
const LENGTH_BYTES: usize = 2;
/// Handle, numbers of owner and line, kind, tag, flags, token.
const ROW_BYTES: usize = 16 + 2 + 2 + 2 + 16 + 1 + 16;
const LINE_BYTES: usize = 32 + 16 + 4;
/// Custody epoch, tag, length of the root.
const SPARE_BYTES: usize = 4 + 16 + LENGTH_BYTES;
/// Version, numbers of owners, lines, rows and spare roots.
const HEAD_BYTES: usize = 1 + 2 + 2 + 4 + 4;
/// In place of an owner's number: a dummy.
const NOBODY: u16 = u16::MAX;

const REGISTERED: u8 = 4;
const SILENT: u8 = 8;
const WAITS: u8 = 16;
const HAS_TOKEN: u8 = 32;
const HAS_ROOT: u8 = 64;
const HAS_INPUT: u8 = 128;

/// Agreement, epoch and custody epoch, which most rows of a block share.
type Line = (Digest, AgreementEpoch, u32);

/// Packs a block; `None` if there are more of something than a block can have. Nothing of it stays in memory:
/// what is cleared at the end has room for all from the beginning.
pub(super) fn pack(content: &Content) -> Option<Zeroizing<Vec<u8>>> {
    let Content { rows, spare } = content;
    let (mut owners, mut lines) = (Vec::<&str>::new(), Vec::<Line>::new());
    let mut body = Zeroizing::new(Vec::with_capacity(room_for_rows(rows)));
    for Kept { handle, row, waits } in rows {
        let StoredRow {
            record_id,
            agreement,
            epoch,
            custody,
            kind,
            tag,
            urgency,
            input,
            token,
            root,
            registered,
            silent,
        } = row;
        let owner = match record_id {
            Some(id) => number_of(&mut owners, id.as_str())?,
            None => NOBODY,
        };
        let line = number_of(&mut lines, (*agreement, *epoch, *custody))?;
        let flag = |holds: bool, bit: u8| if holds { bit } else { 0 };
        let flags = match urgency {
            Urgency::Standard => 0,
            Urgency::Medium => 1,
            Urgency::High => 2,
        } | flag(*registered, REGISTERED)
            | flag(*silent, SILENT)
            | flag(*waits, WAITS)
            | flag(token.is_some(), HAS_TOKEN)
            | flag(root.is_some(), HAS_ROOT)
            | flag(input.is_some(), HAS_INPUT);
        body.extend_from_slice(&handle.0);
        body.extend_from_slice(&owner.to_be_bytes());
        body.extend_from_slice(&line.to_be_bytes());
        body.extend_from_slice(&kind.to_be_bytes());
        body.extend_from_slice(&tag.0);
        body.push(flags);
        body.extend(token.iter().flat_map(|token| token.0));
        for secret in root.iter().chain(input) {
            put_bytes(&mut body, &secret.0)?;
        }
    }
    let room = room_for_rest(&owners, lines.len(), spare) + body.len();
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.push(VERSION);
    out.extend_from_slice(&u16::try_from(owners.len()).ok()?.to_be_bytes());
    for owner in owners {
        put_bytes(&mut out, owner.as_bytes())?;
    }
    out.extend_from_slice(&u16::try_from(lines.len()).ok()?.to_be_bytes());
    for (agreement, epoch, custody) in lines {
        out.extend_from_slice(&agreement.0);
        out.extend_from_slice(&epoch.0);
        out.extend_from_slice(&custody.to_be_bytes());
    }
    out.extend_from_slice(&u32::try_from(rows.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(&u32::try_from(spare.len()).ok()?.to_be_bytes());
    for Spare { custody, tag, root } in spare {
        out.extend_from_slice(&custody.to_be_bytes());
        out.extend_from_slice(&tag.0);
        put_bytes(&mut out, &root.0)?;
    }
    Some(out)
}

fn room_for_rows(rows: &[Kept]) -> usize {
    let secrets = rows
        .iter()
        .flat_map(|kept| kept.row.root.iter().chain(&kept.row.input));
    let secrets: usize = secrets.map(|secret| LENGTH_BYTES + secret.0.len()).sum();
    rows.len() * ROW_BYTES + secrets
}

fn room_for_rest(owners: &[&str], lines: usize, spare: &[Spare]) -> usize {
    let owners: usize = owners.iter().map(|owner| LENGTH_BYTES + owner.len()).sum();
    let spare: usize = spare
        .iter()
        .map(|spare| SPARE_BYTES + spare.root.0.len())
        .sum();
    HEAD_BYTES + owners + lines * LINE_BYTES + spare
}

fn number_of<T: PartialEq>(known: &mut Vec<T>, item: T) -> Option<u16> {
    let place = known.iter().position(|other| *other == item);
    let place = place.unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    });
    u16::try_from(place).ok().filter(|number| *number != NOBODY)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

/// Reads what [`pack`] wrote; `None` if it did not.
pub(super) fn unpack(bytes: &[u8]) -> Option<Content> {
    let mut reader = Reader(bytes);
    if reader.array::<1>()? != [VERSION] {
        return None;
    }
    let owners: Vec<String> = (0..reader.short()?)
        .map(|_| String::from_utf8(reader.bytes()?.to_vec()).ok())
        .collect::<Option<_>>()?;
    let lines: Vec<Line> = (0..reader.short()?)
        .map(|_| {
            let agreement = Digest(reader.array()?);
            let epoch = AgreementEpoch(reader.array()?);
            Some((agreement, epoch, u32::from_be_bytes(reader.array()?)))
        })
        .collect::<Option<_>>()?;
    let count = u32::from_be_bytes(reader.array()?);
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push(row(&mut reader, &owners, &lines)?);
    }
    let mut spare = Vec::new();
    for _ in 0..u32::from_be_bytes(reader.array()?) {
        spare.push(Spare {
            custody: u32::from_be_bytes(reader.array()?),
            tag: KeyTag(reader.array()?),
            root: Secret(reader.bytes()?.to_vec()),
        });
    }
    reader.0.is_empty().then_some(Content { rows, spare })
}

fn row(reader: &mut Reader<'_>, owners: &[String], lines: &[Line]) -> Option<Kept> {
    let handle = Handle(reader.array()?);
    let record_id = match reader.short()? {
        NOBODY => None,
        owner => Some(owners.get(usize::from(owner))?.clone()),
    };
    let (agreement, epoch, custody) = *lines.get(usize::from(reader.short()?))?;
    let kind = reader.short()?;
    let tag = KeyTag(reader.array()?);
    let [flags] = reader.array()?;
    let has = |bit: u8| flags & bit != 0;
    let urgency = match flags & 3 {
        0 => Urgency::Standard,
        1 => Urgency::Medium,
        2 => Urgency::High,
        _ => return None,
    };
    let token = match has(HAS_TOKEN) {
        true => Some(Token(reader.array()?)),
        false => None,
    };
    let mut secret = |there: bool| match there {
        true => Some(Some(Secret(reader.bytes()?.to_vec()))),
        false => Some(None),
    };
    let root = secret(has(HAS_ROOT))?;
    let input = secret(has(HAS_INPUT))?;
    let row = StoredRow {
        record_id,
        agreement,
        epoch,
        custody,
        kind,
        tag,
        urgency,
        input,
        token,
        root,
        registered: has(REGISTERED),
        silent: has(SILENT),
    };
    Some(Kept {
        handle,
        row,
        waits: has(WAITS),
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.short()?);
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(number: u8, owner: Option<&str>) -> Kept {
        let secret = |there: bool, bytes: &[u8]| there.then(|| Secret(bytes.to_vec()));
        Kept {
            handle: Handle([number; 16]),
            waits: number.is_multiple_of(2),
            row: StoredRow {
                record_id: owner.map(str::to_owned),
                agreement: Digest([number / 3; 32]),
                epoch: AgreementEpoch([number / 3; 16]),
                custody: u32::from(number / 3),
                kind: u16::from(number) * 257,
                tag: KeyTag([number; 16]),
                urgency: [Urgency::Standard, Urgency::Medium, Urgency::High]
                    [usize::from(number) % 3],
                input: secret(number.is_multiple_of(5), b"a value"),
                token: number.is_multiple_of(3).then_some(Token([number; 16])),
                root: secret(number.is_multiple_of(4), &[number; 32]),
                registered: number.is_multiple_of(7),
                silent: number.is_multiple_of(11),
            },
        }
    }

    fn told(content: &Content) -> Vec<String> {
        let rows = content.rows.iter().map(|kept| {
            let row = serde_json::to_string(&kept.row).unwrap();
            format!("{:?} {} {row}", kept.handle.0, kept.waits)
        });
        let spare = content
            .spare
            .iter()
            .map(|spare| format!("{} {:?} {:?}", spare.custody, spare.tag, spare.root.0));
        rows.chain(spare).collect()
    }

    #[test]
    fn what_is_packed_comes_back() {
        let owners = [Some("r-1"), None, Some("r-2"), Some("")];
        let rows: Vec<Kept> = (0..60)
            .map(|n| kept(n, owners[usize::from(n) % 4]))
            .collect();
        for (part, spare) in [(&rows[..], 3), (&rows[..1], 0), (&[], 1)] {
            let spare = (0..spare).map(|number| Spare {
                custody: number,
                tag: KeyTag([9; 16]),
                root: Secret(vec![7; 32]),
            });
            let content = Content {
                rows: part.to_vec(),
                spare: spare.collect(),
            };
            let packed = pack(&content).unwrap();
            // Had it not had room for all, an uncleared copy would have been left behind.
            assert_eq!(packed.capacity(), packed.len());
            assert_eq!(told(&unpack(&packed).unwrap()), told(&content));
            assert!(unpack(&[packed.as_slice(), &[0]].concat()).is_none());
            assert!(unpack(&packed[..packed.len() - 1]).is_none());
        }
        assert!(unpack(&[]).is_none());
    }

    proptest! {
        #[test]
        fn other_bytes_are_told_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes);
        }
    }
}
