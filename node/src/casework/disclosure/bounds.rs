//! Bounds of what one agency asks: how much is open, what is bulk, and under which name it asked.

use std::collections::BTreeSet;

use symbolon_casework::disclosure::Field;
use symbolon_casework::disclosure::rules::Limits;
use symbolon_core::identity::AgencyName;

use super::{DAY_S, MAX_A_CASE, MAX_OPEN, RequestKey, StoredRequest, refused};
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

/// What one agency asked for within a day.
pub(super) struct ThatDay {
    /// In how many cases.
    pub cases: u32,
    /// Of the record in question.
    pub fields: BTreeSet<Field>,
}

impl Node {
    pub(super) fn limits(&self) -> Limits {
        let settings = &self.config.disclosure;
        Limits {
            fields: settings.bulk_fields,
            cases_a_day: settings.bulk_cases_a_day,
        }
    }

    pub(super) fn takes_request(
        &self,
        from: &AgencyName,
        case: &MatchKey,
    ) -> Result<bool, NodeError> {
        let (mut open, mut of_case) = (0, 0);
        for entry in self.tables.disclosures_of_us.iter() {
            let ((agency, _), stored) = entry?;
            if agency == *from {
                open += usize::from(stored.decisions.is_open());
                of_case += usize::from(stored.case == *case);
            }
        }
        Ok(open < MAX_OPEN && of_case < MAX_A_CASE)
    }

    /// What an agency asked for within the day before a moment and the day after it, this request among
    /// it: a burst is one whichever of its requests is looked at.
    pub(super) fn that_day(
        &self,
        (from, at): (&AgencyName, i64),
        case: &MatchKey,
        asked: &BTreeSet<Field>,
    ) -> Result<ThatDay, NodeError> {
        let (mut cases, mut fields) = (BTreeSet::from([case.clone()]), asked.clone());
        for entry in self.tables.disclosures_of_us.iter() {
            let ((agency, _), stored) = entry?;
            if agency == *from && (stored.at - at).abs() < DAY_S {
                if stored.case.record_id == case.record_id {
                    fields.extend(stored.request.fields);
                }
                cases.insert(stored.case);
            }
        }
        let cases = u32::try_from(cases.len()).unwrap_or(u32::MAX);
        Ok(ThatDay { cases, fields })
    }

    /// What was asked about the reference that a record had before must not be answered under the one that
    /// it has now: it would show that both are one record.
    pub(super) fn asked_as_it_is_now(
        &self,
        key: &RequestKey,
        stored: &StoredRequest,
    ) -> Result<(), NodeError> {
        let case = self.case_id(&stored.case)?;
        let case = case.ok_or_else(|| refused("the record of this case is gone"))?;
        if stored.is_of(key, &case) {
            return Ok(());
        }
        let from = &key.0;
        Err(refused(format!(
            "the record has been silent since, and {from} knows it by another reference now; {from} can ask \
             anew, in the case as it is now"
        )))
    }
}
