//! Requests of ours, and what came of them.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::disclosure::{Answer, Field, Heard, MAX_FIELDS, Request, RequestId};
use symbolon_casework::lifecycle::{Act, CaseId, FollowUp};
use symbolon_casework::text::Text;
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::Urgency;

use super::{StoredAsked, refused, said};
use crate::casework::StoredCase;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

/// The request that a saying of an agency in a case is: the same at both sides.
pub(super) fn request_id(case: &CaseId, asker: &AgencyName, number: u32) -> RequestId {
    let parts: [&[u8]; 3] = [&case.0.0, asker.as_str().as_bytes(), &number.to_be_bytes()];
    let digest = crypto::digest("symbolon request v1", &parts);
    let mut id = [0; 16];
    let bytes = id.iter_mut().zip(digest.0);
    bytes.for_each(|(to, from)| *to = from);
    RequestId(id)
}

impl Node {
    /// Asks the other agency of a case for fields of its record: one saying in the case.
    pub(super) fn request_disclosure(
        &self,
        acting: &Acting,
        mut case: StoredCase,
        fields: BTreeSet<Field>,
        (lawful_basis, urgency): (Text, Urgency),
    ) -> Result<(RequestId, StoredAsked), NodeError> {
        acting.may(Permission::Judge)?;
        let (purpose, reason) = said(acting)?;
        let request = Request {
            fields,
            purpose: purpose.clone(),
            lawful_basis,
            urgency,
            reason: reason.clone(),
        };
        request.check().map_err(refused)?;
        let follow_up = FollowUp {
            fields: request.fields.iter().map(Field::to_string).collect(),
            purpose: request.purpose.clone(),
            lawful_basis: request.lawful_basis.clone(),
            urgency: request.urgency,
            reason: request.reason.clone(),
        };
        let number = case.case.count(self.side_in(&case)).saturating_add(1);
        let id = request_id(&case.id(), &self.identity.agency, number);
        let stored = StoredAsked {
            case: case.key.clone(),
            heard: request
                .fields
                .iter()
                .map(|field| (field.clone(), Heard::Nothing))
                .collect(),
            request,
            by: acting.who.clone(),
            at: self.clock.now(),
            reasons: BTreeSet::new(),
        };
        case.case
            .view()
            .allows(self.side_in(&case), &Act::Ask(follow_up.clone()))
            .map_err(refused)?;
        // Kept before it goes: an answer to what is not known here is dropped.
        self.tables.disclosures_asked.put(&id, &stored)?;
        self.say_in(acting, &mut case, Act::Ask(follow_up))?;
        self.vault.flush()?;
        Ok((id, stored))
    }

    /// The owner's word on a request of ours. Several words say together what each says, in any order.
    pub(super) fn take_answer_to(
        &self,
        from: &AgencyName,
        case: &MatchKey,
        id: RequestId,
        answer: &Answer,
    ) -> Result<(), NodeError> {
        let known = self.tables.disclosures_asked.get(&id)?;
        let Some(mut stored) = known.filter(|known| known.case == *case) else {
            tracing::warn!(%from, "answer to what was not asked; dropped");
            return Ok(());
        };
        if let Err(error) = answer.check(&stored.request.fields) {
            tracing::warn!(%from, %error, "answer to a request refused");
            return Ok(());
        }
        let before = stored.heard.clone();
        let released = answer.released.0.keys().map(|f| (f, Heard::Released));
        let refused = answer.refused.iter().map(|f| (f, Heard::Refused));
        for (field, heard) in released.chain(refused) {
            if let Some(known) = stored.heard.get_mut(field) {
                *known = (*known).max(heard);
            }
        }
        if stored.reasons.len() < MAX_FIELDS {
            stored.reasons.extend(answer.reason.clone());
        }
        self.keep_received((from, id, case), answer, &before)?;
        self.tables.disclosures_asked.put(&id, &stored)
    }

    /// Keeps what came, apart from own records, each field once.
    pub(super) fn keep_received(
        &self,
        (from, id, case): (&AgencyName, RequestId, &MatchKey),
        answer: &Answer,
        before: &BTreeMap<Field, Heard>,
    ) -> Result<(), NodeError> {
        let Some(terms) = &answer.terms else {
            return Ok(());
        };
        let new = answer.released.0.iter();
        let new: Vec<_> = new
            .filter(|(field, _)| before.get(*field) != Some(&Heard::Released))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.write_down(
            AuditEvent::of_the_node(AuditKind::Disclosure, "disclosure received")
                .record(&case.record_id)
                .case(&self.case_word(case)?)
                .agency(from)
                .fields(new.iter().map(|(field, _)| field.as_str())),
        )?;
        for (field, values) in new {
            self.receive_field((from, id, field), case, values, terms)?;
        }
        Ok(())
    }
}
