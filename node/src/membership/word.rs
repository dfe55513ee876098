//! This agency's word on agreements: accepting, declining, leaving. Whoever runs the node gives it,
//! and the node signs it with the agency's roster key.

use std::collections::BTreeSet;

use symbolon_core::agreement::{
    Acceptance, AcceptanceBody, Document, Said, Standing, Statement, StatementBody,
};
use symbolon_core::identity::{AgencyName, Name};

use super::Agreement;
use super::agreements::{check_schema, other_schema};
use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::reports::{AgreementDetail, AgreementView, ClosureView, EpochView, OpenVersionView};
use crate::tokenise::{Done, silent};

impl Node {
    /// Accepts the version that is proposed; as its lead, makes its key and seals it to every member.
    /// Each other member that is an immigration service must be named.
    pub async fn accept(
        &self,
        id: &str,
        immigration: &[AgencyName],
    ) -> Result<AgreementView, NodeError> {
        self.config.role.refuse_agreements()?;
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let agreement = self.agreement(Some(id))?;
        let standing = match &agreement.line.open {
            Some(open) if open.document.members.contains(&self.identity.agency) => open,
            _ => &agreement.standing,
        };
        let (document, agency) = (&standing.document, &self.identity.agency);
        check_schema(self.schema, document)?;
        if !standing.accepted.contains(agency) {
            let immigration = self.named_immigration(document, immigration)?;
            let key = if document.lead == *agency {
                Some(self.make_agreement_key(standing)?)
            } else {
                None
            };
            let body = AcceptanceBody {
                agency: agency.clone(),
                agreement: standing.digest,
                at: self.clock.now(),
                immigration,
                key,
            };
            let acceptance = Acceptance::new(&body, &self.keys().signing)?;
            hub.accept(&standing.digest, acceptance).await?;
            self.take_changes(&hub).await?;
        }
        Ok(self.agreement_view(&self.agreement(Some(id))?))
    }

    /// The immigration services among the other members, if exactly they were named.
    fn named_immigration(
        &self,
        document: &Document,
        named: &[AgencyName],
    ) -> Result<BTreeSet<AgencyName>, NodeError> {
        let agency = &self.identity.agency;
        let members = self.membership(|m| document.immigration(&m.roster, agency));
        let named: BTreeSet<AgencyName> = named.iter().cloned().collect();
        if let Some(other) = named.difference(&members).next() {
            return Err(NodeError::Request(format!(
                "{other} is no immigration service in agreement {}; nothing was accepted",
                document.id
            )));
        }
        let unnamed: Vec<String> = members
            .difference(&named)
            .map(|name| format!("--accept-immigration {name}"))
            .collect();
        if unnamed.is_empty() {
            return Ok(members);
        }
        Err(NodeError::Request(format!(
            "immigration enforcement takes part in agreement {} and could match with your records; if that is meant, accept with {}",
            document.id,
            unnamed.join(" ")
        )))
    }

    /// Declines the version that is proposed; it then never comes into force.
    pub async fn decline(&self, id: &str, reason: &str) -> Result<AgreementView, NodeError> {
        self.config.role.refuse_agreements()?;
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let agreement = self.agreement(Some(id))?;
        let open = agreement.line.open.as_ref();
        let open = open.filter(|open| !open.accepted.contains(&self.identity.agency));
        let open = open.ok_or_else(|| {
            NodeError::Request(format!(
                "no version of agreement {id} waits for this agency's word; one in force can be left with `symbolon-node agreement leave {id}`"
            ))
        })?;
        let said = Said::Decline {
            reason: reason.to_owned(),
        };
        self.declare(&hub, open, said).await?;
        self.take_changes(&hub).await?;
        Ok(self.agreement_view(&self.agreement(Some(id))?))
    }

    /// Leaves the agreement: our rows go, and the others get a new key.
    pub async fn leave(
        self: &std::sync::Arc<Self>,
        id: &str,
        reason: &str,
    ) -> Result<AgreementView, NodeError> {
        self.config.role.refuse_agreements()?;
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let agreement = self.agreement(Some(id))?;
        let present = agreement.line.versions.last();
        let present = present.filter(|present| {
            let agency = &self.identity.agency;
            present.document.members.contains(agency) && !present.departed.contains(agency)
        });
        let present = present.ok_or_else(|| {
            NodeError::Request(format!(
                "agreement {id} is not in force for this agency; one that is proposed can be declined with `symbolon-node agreement decline {id}`"
            ))
        })?;
        let said = Said::Leave {
            reason: reason.to_owned(),
        };
        self.declare(&hub, present, said).await?;
        self.take_changes(&hub).await?;
        let _work = self.work.lock().await;
        // What cannot be withdrawn now waits; the hub deletes it in any case.
        if let Err(error) = self.work_off(&hub, &silent(), &mut Done::default()).await {
            tracing::info!(%error, "the rows are withdrawn later");
        }
        self.confirm_closures(&hub).await?;
        Ok(self.agreement_view(&self.agreement(Some(id))?))
    }

    /// Signs a statement about a version and hands it in.
    pub(super) async fn declare(
        &self,
        hub: &HubClient,
        version: &Standing,
        said: Said,
    ) -> Result<(), NodeError> {
        let body = StatementBody {
            agency: self.identity.agency.clone(),
            agreement: version.digest,
            at: self.clock.now(),
            said,
        };
        let statement = Statement::new(&body, &self.keys().signing)?;
        Ok(hub.declare(&version.digest, statement).await?)
    }

    /// Fetches what changed and brings the records in line with it.
    async fn take_changes(&self, hub: &HubClient) -> Result<(), NodeError> {
        if self.sync_membership(hub).await? {
            let _work = self.work.lock().await;
            self.agreement_became_usable()?;
        }
        Ok(())
    }

    /// Every agreement, for people.
    pub fn agreement_views(&self) -> Vec<AgreementView> {
        let all: Vec<Agreement> = self.membership(|m| m.agreements.values().cloned().collect());
        all.iter()
            .map(|agreement| self.agreement_view(agreement))
            .collect()
    }

    /// One agreement with its terms.
    pub fn agreement_detail(&self, id: &str) -> Result<AgreementDetail, NodeError> {
        let agreement = self.agreement(Some(id))?;
        let open = agreement.line.open.as_ref();
        Ok(AgreementDetail {
            summary: self.agreement_view(&agreement),
            terms: agreement.standing.document.clone(),
            proposed: open.map(|open| open.document.clone()),
        })
    }

    /// Everything that was signed about an agreement, to verify it without a hub.
    pub fn export_agreement(&self, id: &str) -> Result<serde_json::Value, NodeError> {
        let id = self.agreement(Some(id))?.standing.document.id;
        let mut papers = Vec::new();
        for entry in self.tables.agreements.iter() {
            let (_, version) = entry?;
            if version.proposal.document()?.id == id {
                papers.push(version);
            }
        }
        let roster: std::collections::BTreeMap<u64, _> =
            self.tables.roster.iter().collect::<Result<_, _>>()?;
        let entries: Vec<_> = roster.into_values().collect();
        Ok(serde_json::json!({
            "genesis": self.identity.genesis,
            "roster": entries,
            "papers": papers,
        }))
    }

    pub(super) fn agreement_view(&self, agreement: &Agreement) -> AgreementView {
        let standing = &agreement.standing;
        let document = &standing.document;
        let texts = |names: &BTreeSet<Name>| names.iter().map(Name::to_string).collect();
        let reasons = |said: &std::collections::BTreeMap<Name, String>| {
            said.iter()
                .map(|(who, why)| format!("{who}: {why}"))
                .collect()
        };
        let open = agreement.line.open.as_ref();
        let open = open.filter(|open| open.digest != standing.digest);
        let closures = self.closures_of(&document.id).unwrap_or_default();
        let word = self.standing_word(agreement);
        let counts = matches!(word, "proposed" | "accepted" | "in force");
        let other_schema = other_schema(self.schema, document).filter(|_| counts);
        let other_schema = other_schema.map(|why| format!("it {why}"));
        AgreementView {
            id: document.id.to_string(),
            title: document.title.clone(),
            version: document.version,
            members: document.members.iter().map(Name::to_string).collect(),
            purposes: document.purposes.clone(),
            basis: format!("{}; {}", document.regime, document.lawful_basis),
            retention_months: document.retention_months,
            accepted: texts(&standing.accepted),
            declined: reasons(&standing.declined),
            left: reasons(&standing.left),
            standing: word.to_owned(),
            digest: standing.digest.to_string(),
            open: open.map(|open| OpenVersionView {
                version: open.document.version,
                digest: open.digest.to_string(),
                members: open.document.members.iter().map(Name::to_string).collect(),
                accepted: texts(&open.accepted),
            }),
            epochs: agreement
                .line
                .served()
                .iter()
                .map(|(version, epoch)| EpochView {
                    version: version.document.version,
                    number: epoch.number,
                    members: epoch.members.iter().map(Name::to_string).collect(),
                    done: texts(&epoch.done),
                })
                .collect(),
            closed: closures,
            trouble: agreement.trouble.clone().or(other_schema),
        }
    }

    fn standing_word(&self, agreement: &Agreement) -> &'static str {
        let (standing, agency) = (&agreement.standing, &self.identity.agency);
        if agreement.line.versions.is_empty() {
            return if !standing.declined.is_empty() {
                "declined"
            } else if standing.accepted.contains(agency) {
                "accepted"
            } else {
                "proposed"
            };
        }
        let gone =
            standing.departed.contains(agency) || !standing.document.members.contains(agency);
        if gone && agreement.served.is_empty() {
            "left"
        } else if standing.has_ended() {
            "ended"
        } else {
            "in force"
        }
    }

    fn closures_of(&self, id: &Name) -> Result<Vec<ClosureView>, NodeError> {
        let mut views = Vec::new();
        for entry in self.tables.closures.iter() {
            let (_, closure) = entry?;
            if closure.agreement == *id {
                views.push(ClosureView {
                    number: closure.number,
                    before: closure.before,
                    withdrawn: closure.withdrawn,
                    left: closure.before.saturating_sub(closure.withdrawn),
                    confirmed: closure.confirmed,
                });
            }
        }
        views.sort_by_key(|view| view.number);
        Ok(views)
    }
}
