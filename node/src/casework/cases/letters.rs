//! What goes to the other side of a case, and what comes from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::lifecycle::{Act, AskedFor, CaseId, HearError, Said};
use symbolon_casework::text::Text;
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;

use super::StoredCase;
use crate::clock::DAY_S;
use crate::error::NodeError;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{KeyTag, MatchKey};

/// A peer that lacks something is sent it again this often, in seconds, and not more.
const RESEND_S: i64 = 60;
/// Sayings that wait for one before them. The hub delivers in order, so a few are enough.
const MAX_EARLY: usize = 64;
/// Cases of one agency that have no match here, at a time.
const MAX_UNMATCHED: usize = 64;
/// For so long, in seconds: a match that has not come by then does not come.
const UNMATCHED_S: i64 = 14 * DAY_S;

/// A letter about a case. It names both records by the references that only the two agencies know.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseLetter {
    /// Line of the agreement.
    agreement: Digest,
    /// The sender's record.
    mine: RecordReference,
    /// The recipient's record.
    yours: RecordReference,
    what: CaseWhat,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CaseWhat {
    /// The sender said something.
    Said(Said),
    /// The sender lacks what the recipient said from this number on.
    Missing { from: u32 },
    /// Whom to call at the sender.
    Contact(Text),
}

impl Node {
    fn write_to(&self, stored: &StoredCase, what: CaseWhat) -> CaseLetter {
        CaseLetter {
            agreement: stored.key.agreement,
            mine: stored.own,
            yours: stored.key.reference,
            what,
        }
    }

    /// Posts what was said and is not in the outbox yet. The case has been stored before.
    pub(super) fn post_sayings(&self, stored: &mut StoredCase) -> Result<(), NodeError> {
        if self.is_mute(stored)? {
            return Ok(());
        }
        let side = self.side_in(stored);
        let waiting = stored.case.said(side).skip(stored.posted as usize);
        let waiting: Vec<Said> = waiting.cloned().collect();
        if waiting.is_empty() {
            return Ok(());
        }
        self.vault.flush()?;
        for said in waiting {
            let id = letter_id(&stored.id(), &self.identity.agency, said.number);
            stored.posted = stored.posted.max(said.number);
            let letter = self.write_to(stored, CaseWhat::Said(said));
            self.post_as(id, &stored.key.agency, &Letter::Case(Box::new(letter)))?;
        }
        self.tables.cases.put(&stored.id(), stored)
    }

    /// Tells the other side whom to call, when that is new.
    pub(super) fn post_contact(&self, stored: &mut StoredCase) -> Result<(), NodeError> {
        let own = self.dossier(&stored.key.record_id)?.contact;
        let Some(contact) = own.or_else(|| self.config.casework.contact.clone()) else {
            return Ok(());
        };
        if stored.contact_sent.as_ref() == Some(&contact) || self.is_mute(stored)? {
            return Ok(());
        }
        let letter = self.write_to(stored, CaseWhat::Contact(contact.clone()));
        self.post(&stored.key.agency, &Letter::Case(Box::new(letter)))?;
        stored.contact_sent = Some(contact);
        self.tables.cases.put(&stored.id(), stored)
    }

    /// Takes in a letter about a case. What is not in order is logged with its sender and dropped.
    pub(crate) fn case_letter(
        &self,
        from: &AgencyName,
        letter: CaseLetter,
    ) -> Result<(), NodeError> {
        let Some(mut stored) = self.case_written_about(from, &letter)? else {
            tracing::warn!(agency = %from, "letter about a case that is not known here; dropped");
            return Ok(());
        };
        // A record that became silent: the other side gets nothing more, and nothing of it is taken.
        if self.is_mute(&stored)? {
            return Ok(());
        }
        match letter.what {
            CaseWhat::Said(said) => self.hear(stored, said),
            CaseWhat::Missing { from } => {
                let now = self.clock.now();
                if now.saturating_sub(stored.resent_at) < RESEND_S {
                    return Ok(());
                }
                stored.resent_at = now;
                stored.posted = stored.posted.min(from.saturating_sub(1));
                self.post_sayings(&mut stored)
            }
            CaseWhat::Contact(contact) => {
                stored.their_contact = Some(contact);
                self.tables.cases.put(&stored.id(), &stored)
            }
        }
    }

    /// The case of a letter: known, or of an own record that the sender's agreement covers. The other
    /// side may have heard of the match first.
    fn case_written_about(
        &self,
        from: &AgencyName,
        letter: &CaseLetter,
    ) -> Result<Option<StoredCase>, NodeError> {
        let id = CaseId::of(&letter.agreement, letter.yours, letter.mine);
        if let Some(stored) = self.tables.cases.get(&id)? {
            let is_theirs = stored.key.agency == *from && stored.own == letter.yours;
            return Ok(is_theirs.then_some(stored));
        }
        let is_party = self.membership(|m| {
            let served = m.agreements.values().flat_map(|a| &a.served);
            let mut of_line = served.filter(|s| s.document.line() == letter.agreement);
            of_line.any(|s| s.members.contains(from))
        });
        if !is_party {
            return Ok(None);
        }
        let Some(record_id) = self.tables.reference_owners.get(&letter.yours)? else {
            return Ok(None);
        };
        let key = MatchKey {
            agreement: letter.agreement,
            record_id,
            agency: from.clone(),
            reference: letter.mine,
        };
        if self.own_reference(&key)? != Some(letter.yours) {
            return Ok(None);
        }
        if !self.has_match(&key)? && !self.takes_unmatched(from, id)? {
            return Ok(None);
        }
        Ok(Some(StoredCase::new(key, letter.yours, self.clock.now())))
    }

    /// Whether a match stands behind a case: not one that a query of the other side made.
    fn has_match(&self, key: &MatchKey) -> Result<bool, NodeError> {
        let found = self.tables.matches.get(key)?;
        Ok(found.is_some_and(|found| !found.query))
    }

    /// Whether another case without a match is taken from an agency. The hub tells of a match before the
    /// other side can write about it, so there are few of them unless somebody makes them up. One whose match
    /// came since counts no more, nor one that is old; that one goes, if nobody here said anything in it.
    fn takes_unmatched(&self, from: &AgencyName, id: CaseId) -> Result<bool, NodeError> {
        let now = self.clock.now();
        let known = self.tables.unmatched_cases.get(from)?.unwrap_or_default();
        let mut kept = BTreeMap::new();
        for (id, since) in known {
            let Some(stored) = self.tables.cases.get(&id)? else {
                continue;
            };
            let was_found = stored.found && !stored.kept_here;
            if was_found || self.has_match(&stored.key)? {
                continue;
            }
            if now.saturating_sub(since) < UNMATCHED_S {
                kept.insert(id, since);
            } else if stored.by.is_empty() {
                let event = AuditEvent::of_the_node(AuditKind::Erasure, "case without match ended");
                let event = event.record(&stored.key.record_id).agency(from);
                self.write_down(event.case(&id.short()))?;
                self.forget_disclosures_of(|key| *key == stored.key)?;
                self.forget_parcels_of(|key| *key == stored.key)?;
                self.tables.cases.remove(&id)?;
            }
        }
        let takes = kept.len() < MAX_UNMATCHED;
        if takes {
            kept.insert(id, now);
        } else {
            tracing::warn!(agency = %from, "it writes about more matches that are not known here than are kept");
        }
        self.tables.unmatched_cases.put(from, &kept)?;
        Ok(takes)
    }

    fn hear(&self, mut stored: StoredCase, said: Said) -> Result<(), NodeError> {
        let side = self.side_in(&stored).other();
        let now = self.clock.now();
        let gap_is_new = stored.early.is_empty();
        let mut arrived = vec![said];
        let mut early = std::mem::take(&mut stored.early);
        let mut asked = Vec::new();
        while let Some(said) = arrived.pop() {
            match stored.case.hear(side, &said) {
                Ok(()) => {
                    stored.heard_at.insert(said.number, now);
                    if let Act::Ask(follow_up) = said.act {
                        asked.push((said.number, follow_up));
                    }
                    // One that waited may be the next now.
                    arrived.append(&mut early);
                }
                Err(HearError::Repeated) => {
                    // A kill may have come between the saying and the request that it makes.
                    let view = stored.case.view();
                    let asks = view.request_to(side.other(), said.number);
                    if let (true, Act::Ask(follow_up)) =
                        (asks.is_some_and(AskedFor::is_open), said.act)
                    {
                        asked.push((said.number, follow_up));
                    }
                }
                Err(HearError::Early { .. }) => {
                    if early.len() < MAX_EARLY && !early.contains(&said) {
                        early.push(said);
                    }
                }
                Err(error) => {
                    let reference = stored.own.short();
                    tracing::warn!(agency = %stored.key.agency, %reference, %error, "a saying about a case is refused");
                }
            }
        }
        stored.early = early;
        stored.note_round(now);
        self.tables.cases.put(&stored.id(), &stored)?;
        for (number, follow_up) in asked {
            self.take_follow_up(&mut stored, number, follow_up)?;
        }
        self.give_open_fields(&stored)?;
        if !gap_is_new || stored.early.is_empty() {
            return Ok(());
        }
        let from = stored.case.count(side).saturating_add(1);
        let letter = self.write_to(&stored, CaseWhat::Missing { from });
        self.post(&stored.key.agency, &Letter::Case(Box::new(letter)))
    }
}

fn letter_id(case: &CaseId, from: &AgencyName, number: u32) -> KeyTag {
    let number = number.to_be_bytes();
    let parts: [&[u8]; 3] = [&case.0.0, from.as_str().as_bytes(), &number];
    let digest = crypto::digest("symbolon case letter v1", &parts);
    let mut id = [0; 16];
    id.iter_mut()
        .zip(digest.0)
        .for_each(|(to, from)| *to = from);
    KeyTag(id)
}
