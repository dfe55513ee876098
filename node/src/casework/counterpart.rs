//! With whom a case is, as letters about what goes with it see it.

use symbolon_casework::disclosure::rules::Asker;
use symbolon_casework::lifecycle::{CaseId, Verdict};
use symbolon_core::identity::AgencyName;

use super::cases::StoredCase;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

impl Node {
    /// The name of a case; none once the own record is gone.
    pub(crate) fn case_id(&self, key: &MatchKey) -> Result<Option<CaseId>, NodeError> {
        let own = self.own_reference(key)?;
        Ok(own.map(|own| CaseId::of(&key.agreement, own, key.reference)))
    }

    /// The same for lists and the log.
    pub(crate) fn case_word(&self, key: &MatchKey) -> Result<String, NodeError> {
        let case = self.case_id(key)?;
        Ok(case.map_or_else(|| "(ended)".to_owned(), |case| case.short()))
    }

    /// The case that a letter names, if it is with the sender and nobody else.
    pub(crate) fn case_of_letter(
        &self,
        from: &AgencyName,
        case: &CaseId,
    ) -> Result<Option<StoredCase>, NodeError> {
        let stored = self.tables.cases.get(case)?;
        Ok(stored.filter(|stored| stored.key.agency == *from))
    }

    /// The case that a person names, if something may go to its other side: both are taken to know one
    /// person, the match stands, and the own record is not silent.
    pub(crate) fn confirmed_case(&self, id: &str) -> Result<StoredCase, NodeError> {
        let stored = self.find_case(id)?;
        let refuse = |why: &str| Err(NodeError::Request(format!("case {id}: {why}")));
        if !self.tables.matches.contains(&stored.key)? {
            return refuse("the match has ended");
        }
        if self.is_mute(&stored)? {
            return refuse(
                "the other side must not hear of it: the own record is silent, or only a query was asked",
            );
        }
        if stored.case.view().verdict() != Some(Verdict::Confirmed) {
            return refuse("confirm it first: `symbolon-node case` has how");
        }
        Ok(stored)
    }

    /// An agency that asks, or is to be given something, by the roster and the settings.
    pub(crate) fn asker(
        &self,
        agency: &AgencyName,
        cases_that_day: u32,
    ) -> Result<Asker, NodeError> {
        let kind = self.membership(|m| m.roster.members.get(agency).map(|member| member.kind));
        let kind = kind.ok_or_else(|| {
            NodeError::Request(format!("{agency} is no member of the consortium any more"))
        })?;
        let admitted = &self.config.disclosure.immigration_services;
        Ok(Asker {
            kind,
            admitted: admitted.contains(agency),
            cases_that_day,
        })
    }
}
