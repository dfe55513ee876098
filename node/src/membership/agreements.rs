//! Agreements as this node has verified them, and the keys that it holds under them.
//!
//! All versions of an agreement, with everything that members said of them, are verified together
//! each time something is new, and kept as they were signed. The hub may add to what it has shown,
//! and take nothing back. A key is used when it fits the commitment of the member that made it.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_core::agreement::{
    Document, Epoch, KeyDelivery, Line, Papers, SealedKey, Standing, epoch_binding,
};
use symbolon_core::crypto::SecretKey;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::Roster;
use symbolon_core::row::AgreementEpoch;
use symbolon_core::sealing;
use symbolon_core::token::AgreementKey;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::tables::Secret;

/// One agreement.
#[derive(Clone)]
pub struct Agreement {
    /// The version in force; before there is one, the one that is proposed.
    pub standing: Standing,
    /// All versions and epochs.
    pub line: Line,
    /// The epochs that are served and whose key we hold, the current one first.
    pub served: Vec<Arc<ServedEpoch>>,
    /// What is wrong with it, if anything.
    pub trouble: Option<String>,
    /// Length of the roster by which it was verified.
    verified_at: u64,
}

/// An epoch under which rows can be made.
pub struct ServedEpoch {
    /// What rows carry.
    pub id: AgreementEpoch,
    /// Its version's terms.
    pub document: Document,
    /// Who has its key.
    pub members: Vec<AgencyName>,
    /// The key.
    pub key: AgreementKey,
}

impl Agreement {
    /// The epoch to ask under: in force, key at hand.
    pub fn usable(&self) -> Option<&Arc<ServedEpoch>> {
        self.served.first()
    }
}

impl Node {
    pub(super) async fn sync_agreements(&self, hub: &HubClient) -> Result<bool, NodeError> {
        self.take_agreements(hub.agreements().await?)
    }

    /// Takes in what a hub shows, as far as it verifies; gives whether records have to be brought in
    /// line with it.
    pub fn take_agreements(&self, shown: Vec<Papers>) -> Result<bool, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let mut offered: BTreeMap<Name, Vec<Papers>> = BTreeMap::new();
        for papers in shown {
            match papers.proposal.document() {
                Ok(document) => offered.entry(document.id).or_default().push(papers),
                Err(error) => tracing::error!(%error, "an agreement at the hub is refused"),
            }
        }
        self.check_past(&offered)?;
        self.change_membership(|m| m.refused.clear());
        for (id, papers) in offered {
            match self.take_agreement(&id, &papers, &roster) {
                Ok(()) => {}
                // One bad statement must not cut this node off from its other agreements.
                Err(NodeError::Agreement(error)) => {
                    tracing::error!(agreement = %id, %error, "what the hub shows is refused");
                    let trouble = format!("what the hub shows is refused: {error}");
                    self.change_membership(|m| match m.agreements.get_mut(&id) {
                        Some(known) => known.trouble = Some(trouble),
                        None => {
                            m.refused.insert(id, trouble);
                        }
                    });
                }
                Err(error) => return Err(error),
            }
        }
        self.audiences_changed()
    }

    /// The agreements that were known when the node last ran.
    pub(crate) fn load_agreements(&self) -> Result<(), NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let mut known: BTreeMap<Name, Vec<Papers>> = BTreeMap::new();
        for entry in self.tables.agreements.iter() {
            let (_, papers) = entry?;
            let id = papers.proposal.document()?.id;
            known.entry(id).or_default().push(papers);
        }
        for (id, papers) in known {
            self.take_agreement(&id, &papers, &roster)?;
        }
        Ok(())
    }

    /// What the hub has shown it must go on showing: acceptances all, statements in their order.
    fn check_past(&self, offered: &BTreeMap<Name, Vec<Papers>>) -> Result<(), NodeError> {
        for entry in self.tables.agreements.iter() {
            let (digest, known) = entry?;
            let id = known.proposal.document()?.id;
            let mut versions = offered.get(&id).into_iter().flatten();
            let same = versions.find(|papers| papers.proposal.digest() == digest);
            let goes_on = same.is_some_and(|papers| {
                let mut acceptances = known.acceptances.iter();
                papers.statements.starts_with(&known.statements)
                    && acceptances.all(|known| papers.acceptances.contains(known))
            });
            if !goes_on {
                return Err(NodeError::Request(format!(
                    "the hub shows another past of agreement {id} than before; do not go on, tell your administrator"
                )));
            }
        }
        Ok(())
    }

    /// Verifies an agreement and keeps it.
    fn take_agreement(
        &self,
        id: &Name,
        papers: &[Papers],
        roster: &Roster,
    ) -> Result<(), NodeError> {
        let mut fresh = Vec::new();
        for version in papers {
            let digest = version.proposal.digest();
            if self.tables.agreements.get(&digest)?.as_ref() != Some(version) {
                fresh.push((digest, version));
            }
        }
        let known_at = self.membership(|m| {
            let known = m.agreements.get(id).filter(|a| a.trouble.is_none());
            known.map(|known| known.verified_at)
        });
        if fresh.is_empty() && known_at == Some(roster.length) {
            return Ok(());
        }
        let line = Line::verify(papers, roster)?;
        let Some(standing) = line.standing().cloned() else {
            return Ok(());
        };
        for (digest, version) in fresh {
            self.tables.agreements.put(&digest, version)?;
        }
        let (mut served, mut trouble) = (Vec::new(), None);
        for (version, epoch) in line.served() {
            if !line.admits(&self.identity.agency, &epoch.id) {
                continue;
            }
            match self.epoch_key(version, epoch)? {
                Some(key) => served.push(Arc::new(ServedEpoch {
                    id: epoch.id,
                    document: version.document.clone(),
                    members: epoch.members.clone(),
                    key,
                })),
                None => {
                    trouble = Some(format!(
                        "{} sent us no usable key for epoch {}; ask it to check its node",
                        epoch.author, epoch.number
                    ));
                }
            }
        }
        if let Some(why) = other_schema(self.schema, &standing.document) {
            tracing::warn!(agreement = %id, "it {why}");
        }
        let agreement = Agreement {
            standing,
            line,
            served,
            trouble,
            verified_at: roster.length,
        };
        self.change_membership(|m| m.agreements.insert(id.clone(), agreement));
        Ok(())
    }

    /// The key of an epoch: from the vault, or opened from its maker's delivery.
    fn epoch_key(
        &self,
        version: &Standing,
        epoch: &Epoch,
    ) -> Result<Option<AgreementKey>, NodeError> {
        if let Some(stored) = self.tables.agreement_keys.get(&epoch.digest)? {
            let key = AgreementKey::new(SecretKey::try_from(stored.0.as_slice())?);
            if key.commitment(&epoch.binding) == epoch.key.commitment {
                return Ok(Some(key));
            }
        }
        let agency = &self.identity.agency;
        let Some(sealed) = epoch.key.sealed.get(agency) else {
            return Ok(None);
        };
        let info = key_info(&epoch.binding, agency);
        let Ok(opened) = self.keys().open_sealed(&info, &sealed.0) else {
            tracing::error!(agreement = %version.document.id, maker = %epoch.author, "the key does not open");
            return Ok(None);
        };
        let Ok(secret) = SecretKey::try_from(opened.as_slice()) else {
            return Ok(None);
        };
        let key = AgreementKey::new(secret);
        if key.commitment(&epoch.binding) != epoch.key.commitment {
            tracing::error!(agreement = %version.document.id, maker = %epoch.author, "the key is not the one that was committed to");
            return Ok(None);
        }
        let stored = Secret(opened.to_vec());
        self.tables.agreement_keys.put(&epoch.digest, &stored)?;
        Ok(Some(key))
    }

    /// As its lead, the key of a version that waits.
    pub(super) fn make_agreement_key(&self, standing: &Standing) -> Result<KeyDelivery, NodeError> {
        // A key that was drawn before a crash is used again: it may already have been delivered.
        let secret = match self.tables.agreement_keys.get(&standing.digest)? {
            Some(stored) => SecretKey::try_from(stored.0.as_slice())?,
            None => SecretKey::random()?,
        };
        let stored = Secret(secret.expose().to_vec());
        self.tables.agreement_keys.put(&standing.digest, &stored)?;
        self.vault.flush()?;
        let document = &standing.document;
        let binding = epoch_binding(&standing.digest, document.epoch);
        self.seal_key(secret, &binding, &document.members)
    }

    /// Seals an agreement key to members by the encryption keys that the roster gives them now.
    pub(super) fn seal_key(
        &self,
        secret: SecretKey,
        binding: &Digest,
        members: &[AgencyName],
    ) -> Result<KeyDelivery, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let mut sealed = BTreeMap::new();
        for member in members {
            let (_, keys) = roster
                .enrolled(member)
                .ok_or_else(|| NodeError::Request(format!("{member} has not enrolled")))?;
            let info = key_info(binding, member);
            let bytes = sealing::seal_to(&keys.encryption, &info, secret.expose())?;
            sealed.insert(member.clone(), SealedKey(bytes));
        }
        let commitment = AgreementKey::new(secret).commitment(binding);
        Ok(KeyDelivery { commitment, sealed })
    }

    /// The agreement of this id; without an id, the only one in force.
    pub fn agreement(&self, id: Option<&str>) -> Result<Agreement, NodeError> {
        self.membership(|m| match id {
            Some(id) => {
                let name = id.parse::<Name>().ok();
                let found = name.as_ref().and_then(|name| m.agreements.get(name));
                let refused = name.as_ref().and_then(|name| m.refused.get(name));
                found.cloned().ok_or_else(|| {
                    NodeError::Request(match refused {
                        Some(trouble) => format!(
                            "agreement {id} cannot be used: {trouble}; do not go on, tell your administrator"
                        ),
                        None => format!(
                            "there is no agreement {id} with this agency in it; `symbolon-node agreement list` shows those there are"
                        ),
                    })
                })
            }
            None => {
                let mut usable = m.agreements.values().filter(|a| a.usable().is_some());
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

    /// The served epoch of this identifier, if we hold its key.
    pub(crate) fn served_epoch(&self, epoch: &AgreementEpoch) -> Option<Arc<ServedEpoch>> {
        self.membership(|m| {
            let mut all = m.agreements.values().flat_map(|a| &a.served);
            all.find(|served| served.id == *epoch).cloned()
        })
    }
}

fn key_info(binding: &Digest, member: &AgencyName) -> Vec<u8> {
    encoding::parts(&[
        b"symbolon agreement key v1",
        &binding.0,
        member.as_str().as_bytes(),
    ])
}

/// What is wrong if an agreement uses another linkage schema than this node, and who must upgrade.
pub(super) fn other_schema(schema: &Schema, document: &Document) -> Option<String> {
    let ours = (schema.version, Digest(schema.digest()));
    let theirs = (document.schema_version, document.schema_digest);
    if ours == theirs {
        return None;
    }
    let upgrade = match ours.0.cmp(&theirs.0) {
        std::cmp::Ordering::Less => "upgrade this node",
        std::cmp::Ordering::Greater => {
            "upgrade the other members' nodes and ask the administrator to propose it anew with the newer schema"
        }
        std::cmp::Ordering::Equal => "one of the two was changed; compare `symbolon-node schema`",
    };
    Some(format!(
        "uses linkage schema {} ({}), this node has {} ({}): they would never match; {upgrade}",
        theirs.0,
        theirs.1.short(),
        ours.0,
        ours.1.short()
    ))
}

/// Refuses an agreement with another linkage schema.
pub(crate) fn check_schema(schema: &Schema, document: &Document) -> Result<(), NodeError> {
    match other_schema(schema, document) {
        None => Ok(()),
        Some(why) => Err(NodeError::Request(format!(
            "agreement {} {why}",
            document.id
        ))),
    }
}

/// Whether the schema of this node is the agreement's.
pub fn same_schema(schema: &Schema, document: &Document) -> bool {
    other_schema(schema, document).is_none()
}
