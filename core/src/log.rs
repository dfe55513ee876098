//! The transparency log: an RFC 9162 Merkle tree over the hub's changes, and its signed checkpoint.
//!
//! Only the right edge of the tree (the roots of its complete subtrees) is needed to append and to
//! compute the root, so the hub keeps at most 64 digests beside the entries. Hashes are those of
//! RFC 9162 section 2.1.1; the checkpoint is the C2SP `tlog-checkpoint` text in a `signed-note`.

use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::Digest;

/// Hash of an entry: `SHA-256(0x00 || entry)` (RFC 9162, section 2.1.1).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut bytes = Vec::with_capacity(entry.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(entry);
    crypto::sha256(&bytes)
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    crypto::sha256(&bytes)
}

/// The right edge of the tree: roots of its complete subtrees, largest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Digest>,
}

impl Frontier {
    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry.
    pub fn append(&mut self, entry: &[u8]) {
        let mut carry = leaf_hash(entry);
        // Each trailing one bit of the size is a complete subtree as high as the carried one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                carry = node_hash(&left, &carry);
            }
        }
        self.roots.push(carry);
        self.size += 1;
    }

    /// The Merkle tree hash; of the empty tree, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else {
            return crypto::sha256(b"");
        };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Bytes for a store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        self.roots
            .iter()
            .for_each(|root| out.extend_from_slice(&root.0));
        out
    }

    /// Reads what [`Frontier::to_bytes`] wrote; `None` if it cannot be a frontier.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (chunks, rest) = rest.as_chunks::<32>();
        // The full tree of 2^64 - 1 entries could not be appended to; no log gets there.
        if !rest.is_empty() || chunks.len() != size.count_ones() as usize || size == u64::MAX {
            return None;
        }
        let roots = chunks.iter().copied().map(Digest).collect();
        Some(Self { size, roots })
    }
}

/// Size and root of the log at one moment, as signed by the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: `symbolon/CONSORTIUM`.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Merkle tree hash.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed (C2SP tlog-checkpoint): origin, size, base64 root, each on a line.
    pub fn text(&self) -> String {
        let root = data_encoding::BASE64.encode(&self.root.0);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// The signed note (C2SP signed-note): text, blank line, signature line.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let signature = key.sign_raw(text.as_bytes());
        let mut coded = key_id(&self.origin, &key.verifying_key()).to_vec();
        coded.extend_from_slice(&signature.0);
        let coded = data_encoding::BASE64.encode(&coded);
        format!("{text}\n\u{2014} {} {coded}\n", self.origin)
    }

    /// Reads a signed note and checks its signature by `key` of `origin`.
    pub fn verify(note: &str, origin: &str, key: &VerifyingKey) -> Option<Self> {
        let (text, signatures) = note.split_once("\n\n")?;
        let text = format!("{text}\n");
        let prefix = format!("\u{2014} {origin} ");
        let coded = signatures
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))?;
        let bytes = data_encoding::BASE64.decode(coded.as_bytes()).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let signature = Signature::try_from(signature).ok()?;
        key.verify_raw(text.as_bytes(), &signature).ok()?;
        let mut lines = text.lines();
        let (named, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if named != origin || *id != key_id(origin, key) || lines.next().is_some() {
            return None;
        }
        let root = data_encoding::BASE64.decode(root.as_bytes()).ok()?;
        let root = Digest(root.try_into().ok()?);
        Some(Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root,
        })
    }
}

/// Key identifier of a signed note: the first four bytes of SHA-256(name, newline, 0x01, key).
fn key_id(origin: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut bytes = origin.as_bytes().to_vec();
    bytes.extend_from_slice(b"\n\x01");
    bytes.extend_from_slice(&key.0);
    let hash = crypto::sha256(&bytes);
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursive definition of RFC 9162 section 2.1.1, against which the frontier is held.
    fn tree_hash(entries: &[Vec<u8>]) -> Digest {
        match entries {
            [] => crypto::sha256(b""),
            [one] => leaf_hash(one),
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(&tree_hash(&many[..split]), &tree_hash(&many[split..]))
            }
        }
    }

    #[test]
    fn the_frontier_agrees_with_the_recursive_definition() {
        let mut frontier = Frontier::default();
        let mut entries = Vec::new();
        for number in 0..70u8 {
            assert_eq!(frontier.root(), tree_hash(&entries), "{number} entries");
            assert_eq!(
                Frontier::from_bytes(&frontier.to_bytes()),
                Some(frontier.clone())
            );
            frontier.append(&[number]);
            entries.push(vec![number]);
        }
    }

    #[test]
    fn the_hash_of_one_empty_entry_is_the_published_one() {
        let mut frontier = Frontier::default();
        frontier.append(b"");
        let published = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(frontier.root().to_string(), published);
    }

    #[test]
    fn a_checkpoint_verifies_for_its_log_and_key_only() {
        let key = SigningKey::random().unwrap();
        let checkpoint = Checkpoint {
            origin: "symbolon/north".into(),
            size: 3,
            root: Digest([5; 32]),
        };
        let note = checkpoint.sign(&key);
        let public = key.verifying_key();
        assert_eq!(
            Checkpoint::verify(&note, "symbolon/north", &public),
            Some(checkpoint)
        );
        assert_eq!(Checkpoint::verify(&note, "symbolon/south", &public), None);
        let altered = note.replacen("\n3\n", "\n4\n", 1);
        assert_eq!(
            Checkpoint::verify(&altered, "symbolon/north", &public),
            None
        );
        let other = SigningKey::random().unwrap().verifying_key();
        assert_eq!(Checkpoint::verify(&note, "symbolon/north", &other), None);
    }
}
