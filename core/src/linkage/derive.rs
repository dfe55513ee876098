//! From a record to its linkage keys.
//!
//! A key's input to the oblivious function binds the schema's version, those of the normalisers and the
//! kind: a phone number and an account that read alike never meet, nor do two software versions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

use super::feature::{Features, Prepared};
use super::record::Record;
use super::schema::{KeyKind, KeyKindId, Schema};

/// One derived key: a plain identifier, so it never leaves the node.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkageKey {
    pub kind: KeyKindId,
    pub value: Zeroizing<String>,
}

impl Ord for LinkageKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_kind = self.kind.cmp(&other.kind);
        by_kind.then_with(|| self.value.as_str().cmp(other.value.as_str()))
    }
}

impl PartialOrd for LinkageKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for LinkageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.value.as_str().hash(state);
    }
}

impl fmt::Debug for LinkageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkageKey")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl LinkageKey {
    /// What is tokenised: ("symbolon", schema version, normalisers of the kind's parts with their
    /// versions, kind name, value), each part after its length as a big-endian u16, so that
    /// different keys never encode alike.
    #[must_use]
    pub fn input(&self, schema: &Schema) -> Zeroizing<Vec<u8>> {
        let (unknown, none);
        let (kind, normalisers) = match schema.kind(self.kind) {
            Some(kind) => (kind.name.as_str(), kind.normalisers.as_str()),
            // No name in a schema has this form.
            None => {
                unknown = format!("#{}", self.kind.0);
                none = String::new();
                (unknown.as_str(), none.as_str())
            }
        };
        let mut input = Zeroizing::new(Vec::with_capacity(32 + kind.len() + self.value.len()));
        push_part(&mut input, b"symbolon");
        push_part(&mut input, &schema.version.to_be_bytes());
        push_part(&mut input, normalisers.as_bytes());
        push_part(&mut input, kind.as_bytes());
        push_part(&mut input, self.value.as_bytes());
        input
    }
}

/// A part of exactly 65535 bytes says that another piece of it follows. Derived values are far
/// shorter; this keeps the encoding injective for every value.
fn push_part(input: &mut Vec<u8>, part: &[u8]) {
    let (piece, rest) = part
        .split_at_checked(usize::from(u16::MAX))
        .unwrap_or((part, &[]));
    let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
    input.extend_from_slice(&length.to_be_bytes());
    input.extend_from_slice(piece);
    if length == u16::MAX {
        push_part(input, rest);
    }
}

/// Between the parts of a composite value; no normalised value holds it.
const PART_SEPARATOR: char = '\u{1f}';

/// The keys of a record, and how many it has beyond the bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// Without repeats, sorted by kind and value.
    pub keys: Vec<LinkageKey>,
    /// Keys left out because the record has more than a kind or `schema.max_keys` allows.
    pub left_out: BTreeMap<KeyKindId, usize>,
}

/// The keys of a record, without repeats, sorted by kind and value.
///
/// There are at most `schema.max_keys`: when a record has more, the kinds that the schema lists
/// first are kept.
#[must_use]
pub fn derive(schema: &Schema, record: &Record) -> Vec<LinkageKey> {
    derive_counted(schema, record).keys
}

/// The same, with a count of what the bounds left out.
#[must_use]
pub fn derive_counted(schema: &Schema, record: &Record) -> Derived {
    /// What most records have at most.
    const USUAL: usize = 48;
    let prepared = Prepared::read(record);
    let features = Features::of(&prepared);
    let mut keys = Vec::with_capacity(USUAL.min(schema.max_keys));
    let mut left_out = BTreeMap::new();
    for kind in &schema.kinds {
        let room = schema.max_keys.saturating_sub(keys.len());
        let missed = push_combinations(&mut keys, kind, &features, room);
        if missed > 0 {
            left_out.insert(kind.id, missed);
        }
    }
    keys.sort_unstable();
    Derived { keys, left_out }
}

/// Every combination of the values of a kind's parts, the last part changing first; gives how many
/// there was no room for.
fn push_combinations(
    keys: &mut Vec<LinkageKey>,
    kind: &KeyKind,
    features: &Features<'_>,
    room: usize,
) -> usize {
    /// Eight values a part would make 512 of three parts; one kind may not crowd out the others.
    const MAX_PER_KIND: usize = 8;
    let sizes = kind.parts.iter().map(|part| features.values(*part).len());
    let all = sizes.fold(1, usize::saturating_mul);
    let taken = all.min(MAX_PER_KIND).min(room);
    for number in 0..taken {
        // The number in the mixed base of the sizes says which value of each part is taken.
        let mut of_the_rest = all;
        let chosen = kind.parts.iter().map(move |part| {
            let values = features.values(*part);
            of_the_rest = of_the_rest.checked_div(values.len()).unwrap_or_default();
            let digit = number.checked_div(of_the_rest).unwrap_or_default();
            let index = digit.checked_rem(values.len()).unwrap_or_default();
            values.get(index).map_or("", |value| value.as_str())
        });
        keys.push(LinkageKey {
            kind: kind.id,
            value: joined(chosen),
        });
    }
    all - taken
}

/// The parts with a separator between them, written once into as much memory as they need: a value
/// that has to move leaves a copy behind.
fn joined<'a>(parts: impl Iterator<Item = &'a str> + Clone) -> Zeroizing<String> {
    let length: usize = parts.clone().map(|part| part.len() + 1).sum();
    let mut value = Zeroizing::new(String::with_capacity(length));
    for (index, part) in parts.enumerate() {
        if index > 0 {
            value.push(PART_SEPARATOR);
        }
        value.push_str(part);
    }
    value
}

/// Whether an agency's own file holds a value too often for it to tell people apart.
///
/// `count` is the number of the agency's records that hold the value. A value over the cap is
/// suppressed before it is tokenised. A kind that the schema does not have is over any cap.
#[must_use]
pub fn over_cap(schema: &Schema, kind: KeyKindId, count: usize) -> bool {
    schema
        .kind(kind)
        .is_none_or(|kind| count > kind.frequency_cap)
}

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
