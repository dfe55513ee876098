//! The audit log outside of the node: JSON lines that verify by themselves.
//!
//! An export is one piece of the chain. Entries that were not asked for stand in it by their links only, so
//! that nothing is told of them and nothing can be taken out unseen. The last line says how far it goes and
//! is signed with the agency's key: whose key that is, the roster says.

use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize};
use symbolon_casework::audit::AuditFilter;
use symbolon_casework::chain::{ChainFault, Entry, Head, Link, Walk};
use symbolon_core::crypto::{Signature, VerifyingKey};
use symbolon_core::identity::AgencyName;

use crate::error::NodeError;
use crate::node::Node;

/// What a signature under an export says.
const EXPORT: &str = "symbolon audit export v1";
/// Longest line: purpose and reason have a thousand characters each.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// One line of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportLine {
    /// An entry that was asked for.
    Entry(Entry),
    /// One that was not: its place in the chain, without what was done.
    LeftOut(Link),
    /// The last line.
    End(ExportEnd),
}

/// How far an export goes, signed by the agency.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportEnd {
    /// Whose log it is.
    pub agency: AgencyName,
    /// When it was exported, Unix seconds.
    pub at: i64,
    /// Number of the first entry of the export; 0 if there is none.
    pub first: u64,
    /// The last entry of the export; number 0 if there is none.
    pub last: Head,
    /// The end of the log then.
    pub head: Head,
    /// The agency's signing key, as the roster shows it.
    pub key: VerifyingKey,
    /// Of all of the above.
    pub signature: Signature,
}

impl ExportEnd {
    /// Everything but the signature.
    fn signed_bytes(&self) -> Vec<u8> {
        let Self {
            agency,
            at,
            first,
            last,
            head,
            key,
            signature: _,
        } = self;
        symbolon_core::encoding::parts(&[
            agency.as_str().as_bytes(),
            &at.to_be_bytes(),
            &first.to_be_bytes(),
            &last.number.to_be_bytes(),
            &last.digest.0,
            &head.number.to_be_bytes(),
            &head.digest.0,
            &key.0,
        ])
    }
}

/// An export holds together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportVerified {
    /// Whose log it is.
    pub agency: AgencyName,
    /// Entries in it.
    pub entries: u64,
    /// Entries of which only the link is in it.
    pub left_out: u64,
    /// Number of the first, left out or not; 0 if there is none.
    pub first: u64,
    /// The last, left out or not.
    pub last: Head,
    /// Where the log ended when it was exported.
    pub head: Head,
    /// The key that signed it, to be compared with the roster.
    pub key: VerifyingKey,
}

/// Follows an export from its first line to its last.
pub fn verify_export(
    mut file: impl BufRead,
    noted: Option<Head>,
) -> Result<ExportVerified, NodeError> {
    let refused = |reason: &str| NodeError::Request(format!("the export is refused: {reason}"));
    let mut walk: Option<Walk> = None;
    let (mut first, mut entries, mut left_out) = (0, 0, 0);
    let mut line = Vec::new();
    let end = loop {
        line.clear();
        let read = file
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line);
        let read = read.map_err(|error| refused(&format!("it cannot be read: {error}")))?;
        if read == 0 {
            return Err(refused("its last line is missing; its end was cut off"));
        }
        let number = first + entries + left_out;
        let parsed = serde_json::from_slice(&line);
        let parsed =
            parsed.map_err(|_| refused(&format!("what stands for entry {number} is no entry")))?;
        let link = match parsed {
            ExportLine::End(end) => break end,
            ExportLine::Entry(entry) => {
                entries += 1;
                entry.link()
            }
            ExportLine::LeftOut(link) => {
                left_out += 1;
                link
            }
        };
        if walk.is_none() {
            first = link.number;
        }
        walk.get_or_insert_with(|| Walk::new(first <= 1, noted))
            .step(&link)?;
    };
    let more = file.by_ref().take(1).read_until(b'\n', &mut line);
    if !matches!(more, Ok(0)) {
        return Err(refused("something stands behind its last line"));
    }
    let signed = end.key.verify(EXPORT, &end.signed_bytes(), &end.signature);
    signed.map_err(|_| refused("its last line was altered: the signature does not fit"))?;
    if end.first != first {
        return Err(ChainFault::Missing(end.first).into());
    }
    if noted.is_some_and(|noted| !(first..=end.last.number).contains(&noted.number)) {
        return Err(refused(
            "the entry that was noted is not in it; export a period with it",
        ));
    }
    if let Some(walk) = walk {
        walk.end(&end.last)?;
    }
    Ok(ExportVerified {
        agency: end.agency,
        entries,
        left_out,
        first,
        last: end.last,
        head: end.head,
        key: end.key,
    })
}

impl Node {
    /// The period of a filter in one piece, signed; what the filter does not take is left out of it.
    pub fn audit_export(&self, filter: &AuditFilter) -> Result<Vec<ExportLine>, NodeError> {
        let head = self.audit_end();
        let (mut lines, mut waiting) = (Vec::new(), Vec::new());
        let (mut first, mut last) = (0, Head::EMPTY);
        for number in 1..=head.number {
            let entry = self.audit_entry(number)?;
            let link = entry.link();
            let inside = filter.is_in_period(entry.at);
            if !inside && first == 0 {
                continue;
            }
            waiting.push(if inside && filter.takes(&entry.event) {
                ExportLine::Entry(entry)
            } else {
                ExportLine::LeftOut(link.clone())
            });
            // A clock that was set back must not tear the period apart.
            if inside {
                first = if first == 0 { number } else { first };
                last = link.head();
                lines.append(&mut waiting);
            }
        }
        let keys = self.keys();
        let mut end = ExportEnd {
            agency: self.identity.agency.clone(),
            at: self.clock.now(),
            first,
            last,
            head,
            key: keys.signing.verifying_key(),
            signature: Signature([0; 64]),
        };
        end.signature = keys.signing.sign(EXPORT, &end.signed_bytes());
        lines.push(ExportLine::End(end));
        Ok(lines)
    }
}
