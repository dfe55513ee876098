//! What was signed of an end, for people and for whoever checks it without this node.

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::tombstone::{Signed, SignedWith, Tombstone};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;

use super::tombstones::refused;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::ReceivedTombstone;

/// Most of a file that is checked, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 512 * 1024;

/// What is left of a record that is no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErasureReceipt {
    /// The record's id, as it was asked for; it stands in nothing that is signed.
    pub record_id: String,
    /// What was signed, oldest first.
    pub tombstones: Vec<TombstoneView>,
    /// Rows of it whose deletion at the hub still waits.
    pub rows_waiting: u64,
}

/// One tombstone of this agency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TombstoneView {
    /// Its digest.
    pub digest: Digest,
    /// As it was signed.
    pub tombstone: Signed,
    /// The agreement under which it was shared, if any.
    pub agreement: Option<String>,
    /// The reference by which others knew it.
    pub reference: Option<String>,
    /// Class of reason.
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
    /// Whom it went to.
    pub recipients: Vec<RecipientView>,
}

/// Who was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecipientView {
    /// The agency.
    pub agency: AgencyName,
    /// What it confirmed, if it did.
    pub confirmation: Option<Signed>,
}

/// A tombstone of another agency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceivedTombstoneView {
    /// Its digest.
    pub digest: Digest,
    /// Whose.
    pub agency: AgencyName,
    /// As it was signed.
    pub tombstone: Signed,
    /// The reference by which it was known here.
    pub reference: Option<String>,
    /// Class of reason.
    pub reason: String,
    /// When it came, RFC 3339.
    pub received: String,
    /// Own records that had met it and are still here.
    pub records: Vec<String>,
    /// Whether this agency has confirmed.
    pub confirmed: bool,
}

/// A signed text that the roster bears out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// Digest of the tombstone.
    pub tombstone: Digest,
    /// `tombstone` or `confirmation`.
    pub what: String,
    /// Who signed.
    pub agency: AgencyName,
    /// Class of reason; of a tombstone.
    pub reason: Option<String>,
    /// When, by its signer's clock, RFC 3339.
    pub at: String,
    /// With which of its keys.
    pub signed_with: SignedWith,
}

/// What can be checked: a receipt, or one tombstone as it was signed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Checkable {
    Receipt { tombstones: Vec<CheckableStone> },
    One(Signed),
}

#[derive(Deserialize)]
struct CheckableStone {
    tombstone: Signed,
    #[serde(default)]
    recipients: Vec<RecipientView>,
}

impl Node {
    /// What was signed of a record that is no more, or of what was shared of it before.
    pub(super) fn erasure_receipt(
        &self,
        acting: &Acting,
        record_id: &str,
    ) -> Result<ErasureReceipt, NodeError> {
        acting.may(Permission::Consult)?;
        let mark = self.mark_of(record_id);
        let mut found: Vec<(Tombstone, TombstoneView)> = Vec::new();
        for entry in self.tables.tombstones.iter() {
            let (digest, stone) = entry?;
            let tombstone = stone.signed.read_tombstone().map_err(refused)?;
            if tombstone.record != self.mark_in(record_id, tombstone.shared_as.as_ref()) {
                continue;
            }
            let recipients = stone.recipients.into_iter();
            let view = TombstoneView {
                digest,
                tombstone: stone.signed,
                agreement: tombstone
                    .shared_as
                    .map(|s| self.agreement_word(&s.agreement)),
                reference: tombstone.shared_as.map(|s| s.reference.short()),
                reason: tombstone.reason.to_string(),
                at: rfc3339(tombstone.at),
                recipients: recipients
                    .map(|(agency, confirmation)| RecipientView {
                        agency,
                        confirmation,
                    })
                    .collect(),
            };
            found.push((tombstone, view));
        }
        if found.is_empty() {
            return Err(NodeError::Request(format!(
                "nothing was signed about a record {record_id}; a receipt is there once it was erased or withdrawn"
            )));
        }
        found.sort_by_key(|(a, _)| (a.at, a.shared_as));
        let mut rows_waiting = 0;
        let named = Some(mark.to_string());
        for entry in self.tables.withdrawals.iter() {
            let (handle, ()) = entry?;
            let row = self.tables.rows.get(&handle)?;
            rows_waiting += u64::from(row.is_some_and(|row| row.record_id == named));
        }
        Ok(ErasureReceipt {
            record_id: record_id.to_owned(),
            tombstones: found.into_iter().map(|(_, view)| view).collect(),
            rows_waiting,
        })
    }

    /// Checks what stands in a file against the roster; one fault refuses it all.
    pub(super) fn check_receipt(&self, text: &str) -> Result<Vec<Checked>, NodeError> {
        let unreadable = || {
            NodeError::Request(
                "the file is neither a receipt as `erasure receipt --json` prints it nor a signed tombstone".to_owned(),
            )
        };
        if text.len() > MAX_FILE_BYTES {
            return Err(unreadable());
        }
        let stones = match serde_json::from_str(text).map_err(|_| unreadable())? {
            Checkable::Receipt { tombstones } => tombstones,
            Checkable::One(tombstone) => vec![CheckableStone {
                tombstone,
                recipients: Vec::new(),
            }],
        };
        if stones.is_empty() {
            return Err(unreadable());
        }
        let roster = self.membership(|m| m.roster.clone());
        let mut checked = Vec::new();
        for stone in stones {
            let signed = &stone.tombstone;
            let digest = signed.digest();
            let verified = signed.verify_tombstone(&roster, &self.identity.genesis);
            let (tombstone, signed_with) = verified.map_err(refused)?;
            checked.push(Checked {
                tombstone: digest,
                what: "tombstone".to_owned(),
                agency: tombstone.agency,
                reason: Some(tombstone.reason.to_string()),
                at: rfc3339(tombstone.at),
                signed_with,
            });
            for recipient in stone.recipients {
                let Some(signed) = recipient.confirmation else {
                    continue;
                };
                let verified = signed.verify_confirmation(&roster, &digest);
                let (word, signed_with) = verified.map_err(refused)?;
                word.must_be_of(&recipient.agency).map_err(refused)?;
                checked.push(Checked {
                    tombstone: digest,
                    what: "confirmation".to_owned(),
                    agency: word.agency,
                    reason: None,
                    at: rfc3339(word.at),
                    signed_with,
                });
            }
        }
        Ok(checked)
    }

    /// What other agencies have ended, what waits for a confirmation first.
    pub(super) fn received_tombstones(
        &self,
        acting: &Acting,
    ) -> Result<Vec<ReceivedTombstoneView>, NodeError> {
        acting.may(Permission::Consult)?;
        let mut views = Vec::new();
        for entry in self.tables.received_tombstones.iter() {
            let (place, received) = entry?;
            views.push(self.received_tombstone_view(&place, &received)?);
        }
        views.sort_by(|a, b| (a.confirmed, &a.received).cmp(&(b.confirmed, &b.received)));
        Ok(views)
    }

    pub(super) fn received_tombstone_view(
        &self,
        (agency, digest): &(AgencyName, Digest),
        received: &ReceivedTombstone,
    ) -> Result<ReceivedTombstoneView, NodeError> {
        let tombstone = received.signed.read_tombstone().map_err(refused)?;
        let mut records = Vec::new();
        for id in &received.records {
            if self.tables.records.contains(id)? {
                records.push(id.clone());
            }
        }
        Ok(ReceivedTombstoneView {
            digest: *digest,
            agency: agency.clone(),
            tombstone: received.signed.clone(),
            reference: tombstone.shared_as.map(|s| s.reference.short()),
            reason: tombstone.reason.to_string(),
            received: rfc3339(received.received_at),
            records,
            confirmed: received.confirmation.is_some(),
        })
    }

    fn agreement_word(&self, line: &Digest) -> String {
        self.membership(|m| {
            let mut known = m.agreements.values();
            let known = known.find(|a| a.standing.document.line() == *line);
            known.map_or_else(|| line.short(), |a| a.standing.document.id.to_string())
        })
    }
}
