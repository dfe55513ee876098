//! Agreements as this node has verified them, and its word on them.
//!
//! An agreement is usable when every member's acceptance verifies and the lead's key fits its
//! commitment. What the hub shows is checked each time and kept as it was signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_core::agreement::{Acceptance, AcceptanceBody, KeyDelivery, SealedKey, Standing};
use symbolon_core::crypto::SecretKey;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::Roster;
use symbolon_core::sealing;
use symbolon_core::token::AgreementKey;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::reports::AgreementView;
use crate::tables::{Secret, StoredAgreement};

/// One agreement.
#[derive(Clone)]
pub struct Agreement {
    /// Document, digest, acceptances.
    pub standing: Standing,
    /// Its key, once we have accepted and the lead has delivered it.
    pub key: Option<Arc<AgreementKey>>,
}

impl Agreement {
    /// In force, key at hand: rows can be made.
    pub fn usable_key(&self) -> Option<&Arc<AgreementKey>> {
        self.key.as_ref().filter(|_| self.standing.in_force())
    }
}

impl Node {
    pub(super) async fn sync_agreements(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let mut became_usable = false;
        for (proposal, acceptances) in hub.agreements().await? {
            let stored = StoredAgreement {
                proposal,
                acceptances,
            };
            match self.take_agreement(&stored, &roster) {
                Ok(usable) => became_usable |= usable,
                // One bad statement must not cut this node off from its other agreements.
                Err(NodeError::Agreement(error)) => {
                    tracing::error!(%error, "an agreement at the hub is refused");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(became_usable)
    }

    /// The agreements that were known when the node last ran.
    pub(crate) fn load_agreements(&self) -> Result<(), NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        for entry in self.tables.agreements.iter() {
            let (_, stored) = entry?;
            self.take_agreement(&stored, &roster)?;
        }
        Ok(())
    }

    /// Verifies an agreement and keeps it; gives whether it became usable just now.
    fn take_agreement(&self, stored: &StoredAgreement, roster: &Roster) -> Result<bool, NodeError> {
        let standing = Standing::verify(&stored.proposal, &stored.acceptances, roster)?;
        let id = standing.document.id.clone();
        if !standing.document.members.contains(&self.identity.agency) {
            return Ok(false);
        }
        let known = self.membership(|m| m.agreements.get(&id).cloned());
        if known
            .as_ref()
            .is_some_and(|known| known.standing.digest != standing.digest)
        {
            return Err(NodeError::Request(format!(
                "the hub shows another document for agreement {id} than before; do not go on, tell your administrator"
            )));
        }
        let was_usable = known
            .as_ref()
            .is_some_and(|known| known.usable_key().is_some());
        let key = match known.and_then(|known| known.key) {
            Some(key) => Some(key),
            None => self.agreement_key(&standing)?,
        };
        if self.tables.agreements.get(&id)?.as_ref() != Some(stored) {
            self.tables.agreements.put(&id, stored)?;
        }
        let agreement = Agreement { standing, key };
        let became_usable = agreement.usable_key().is_some() && !was_usable;
        self.change_membership(|m| m.agreements.insert(id, agreement));
        Ok(became_usable)
    }

    /// The agreement's key: from the vault, or opened from the lead's delivery, if we accepted.
    fn agreement_key(&self, standing: &Standing) -> Result<Option<Arc<AgreementKey>>, NodeError> {
        if let Some(stored) = self.tables.agreement_keys.get(&standing.digest)? {
            let key = AgreementKey::new(SecretKey::try_from(stored.0.as_slice())?);
            return Ok(Some(Arc::new(key)));
        }
        let Some(delivery) = &standing.key else {
            return Ok(None);
        };
        if !standing.accepted.contains(&self.identity.agency) {
            return Ok(None);
        }
        let missing = || {
            NodeError::Request(format!(
                "the lead of agreement {} sent us no usable key; ask {} to check its node",
                standing.document.id, standing.document.lead
            ))
        };
        let sealed = delivery
            .sealed
            .get(&self.identity.agency)
            .ok_or_else(missing)?;
        let info = key_info(&standing.digest, &self.identity.agency);
        let opened = sealing::open_sealed(&self.identity.decryption, &info, &sealed.0)
            .map_err(|_| missing())?;
        let key = AgreementKey::new(SecretKey::try_from(opened.as_slice())?);
        if key.commitment(&standing.digest) != delivery.commitment {
            return Err(missing());
        }
        self.tables
            .agreement_keys
            .put(&standing.digest, &Secret(opened.to_vec()))?;
        Ok(Some(Arc::new(key)))
    }

    /// Accepts an agreement; as its lead, makes its key and seals it to every member.
    pub async fn accept(&self, id: &str) -> Result<AgreementView, NodeError> {
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let agreement = self.agreement(Some(id))?;
        let standing = &agreement.standing;
        let (document, agency) = (&standing.document, &self.identity.agency);
        let ours = (self.schema.version, Digest(self.schema.digest()));
        check_schema(ours, document)?;
        if !standing.accepted.contains(agency) {
            let key = if document.lead == *agency {
                Some(self.make_agreement_key(standing)?)
            } else {
                None
            };
            let body = AcceptanceBody {
                agency: agency.clone(),
                agreement: standing.digest,
                at: self.clock.now(),
                key,
            };
            let acceptance = Acceptance::new(&body, &self.identity.signing)?;
            hub.accept(&standing.digest, acceptance).await?;
            if self.sync_membership(&hub).await? {
                let _work = self.work.lock().await;
                self.agreement_became_usable()?;
            }
        }
        Ok(self.agreement_view(&self.agreement(Some(id))?))
    }

    fn make_agreement_key(&self, standing: &Standing) -> Result<KeyDelivery, NodeError> {
        // A key that was drawn before a crash is used again: it may already have been delivered.
        let secret = match self.tables.agreement_keys.get(&standing.digest)? {
            Some(stored) => SecretKey::try_from(stored.0.as_slice())?,
            None => SecretKey::random()?,
        };
        let stored = Secret(secret.expose().to_vec());
        self.tables.agreement_keys.put(&standing.digest, &stored)?;
        self.vault.flush()?;
        let roster = self.membership(|m| m.roster.clone());
        let mut sealed = BTreeMap::new();
        for member in &standing.document.members {
            let (_, keys) = roster
                .enrolled(member)
                .ok_or_else(|| NodeError::Request(format!("{member} has not enrolled")))?;
            let info = key_info(&standing.digest, member);
            let bytes = sealing::seal_to(&keys.encryption, &info, secret.expose())?;
            sealed.insert(member.clone(), SealedKey(bytes));
        }
        let commitment = AgreementKey::new(secret).commitment(&standing.digest);
        Ok(KeyDelivery { commitment, sealed })
    }

    /// The agreement of this id; without an id, the only one in force.
    pub fn agreement(&self, id: Option<&str>) -> Result<Agreement, NodeError> {
        self.membership(|m| match id {
            Some(id) => {
                let found = id.parse::<Name>().ok().and_then(|id| m.agreements.get(&id));
                found.cloned().ok_or_else(|| {
                    NodeError::Request(format!(
                        "there is no agreement {id} with this agency in it; `symbolon-node agreement list` shows those there are"
                    ))
                })
            }
            None => {
                let mut usable = m.agreements.values().filter(|a| a.usable_key().is_some());
                match (usable.next(), usable.next()) {
                    (Some(only), None) => Ok(only.clone()),
                    (None, _) => Err(NodeError::Request(
                        "no agreement is in force; `symbolon-node agreement list` shows who still has to accept".into(),
                    )),
                    _ => Err(NodeError::Request(
                        "several agreements are in force; name one with --agreement".into(),
                    )),
                }
            }
        })
    }

    /// Every agreement, for people.
    pub fn agreement_views(&self) -> Vec<AgreementView> {
        let all: Vec<Agreement> = self.membership(|m| m.agreements.values().cloned().collect());
        all.iter()
            .map(|agreement| self.agreement_view(agreement))
            .collect()
    }

    fn agreement_view(&self, agreement: &Agreement) -> AgreementView {
        let Standing {
            document,
            digest,
            accepted,
            ..
        } = &agreement.standing;
        let standing = if agreement.standing.in_force() {
            "in force"
        } else if accepted.contains(&self.identity.agency) {
            "accepted"
        } else {
            "proposed"
        };
        AgreementView {
            id: document.id.to_string(),
            title: document.title.clone(),
            members: document.members.iter().map(Name::to_string).collect(),
            purposes: document.purposes.clone(),
            basis: format!("{}; {}", document.regime, document.lawful_basis),
            retention_months: document.retention_months,
            accepted: accepted.iter().map(Name::to_string).collect(),
            standing: standing.to_owned(),
            digest: digest.to_string(),
        }
    }
}

fn key_info(agreement: &Digest, member: &AgencyName) -> Vec<u8> {
    encoding::parts(&[
        b"symbolon agreement key v1",
        &agreement.0,
        member.as_str().as_bytes(),
    ])
}

fn check_schema(
    ours: (u16, Digest),
    document: &symbolon_core::agreement::Document,
) -> Result<(), NodeError> {
    let theirs = (document.schema_version, document.schema_digest);
    if ours == theirs {
        return Ok(());
    }
    let upgrade = match ours.0.cmp(&theirs.0) {
        std::cmp::Ordering::Less => "upgrade this node",
        std::cmp::Ordering::Greater => {
            "ask the administrator to propose it anew with the newer schema"
        }
        std::cmp::Ordering::Equal => "one of the two was changed; compare `symbolon-node schema`",
    };
    Err(NodeError::Request(format!(
        "agreement {} uses linkage schema {} ({}), this node has {} ({}): they would never match; {upgrade}",
        document.id,
        theirs.0,
        theirs.1.short(),
        ours.0,
        ours.1.short()
    )))
}

/// Whether the schema of this node is the agreement's.
pub fn same_schema(schema: &Schema, agreement: &Agreement) -> bool {
    let ours = (schema.version, Digest(schema.digest()));
    check_schema(ours, &agreement.standing.document).is_ok()
}
