//! The administrator's side of agreements: proposing, amending, approving, looking.
//!
//! What the hub shows is verified against the administrator's own reading of the roster before it is
//! shown or signed, as a node does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use symbolon_core::agreement::{Document, Epoch, Line, Papers, Proposal, Standing};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::roster::{Roster, SignedEntry};
use symbolon_proto::membership::{AgreementsRequest, ProposeRequest};

use super::{Admin, AdminError, refused};

/// A proposal on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedVersion {
    /// The agreement.
    pub id: Name,
    /// Its version.
    pub version: u32,
    /// What members accept, and other administrators approve.
    pub digest: Digest,
    /// Administrators who approve it.
    pub approvals: u32,
    /// How many must.
    pub needed: u32,
}

/// One key of an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpochReport {
    /// Its number.
    pub number: u32,
    /// Who made it.
    pub author: AgencyName,
    /// Who has it.
    pub members: Vec<AgencyName>,
    /// Who has made its rows anew under it.
    pub done: BTreeSet<AgencyName>,
    /// `current`, `incoming` or `closed`.
    pub standing: &'static str,
}

/// Where one version of an agreement stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgreementReport {
    /// Its digest.
    pub digest: Digest,
    /// The document.
    pub document: Document,
    /// Who has accepted.
    pub accepted: BTreeSet<AgencyName>,
    /// Who has declined, and why.
    pub declined: BTreeMap<AgencyName, String>,
    /// Who has left, and why.
    pub left: BTreeMap<AgencyName, String>,
    /// It is the version that its members share under.
    pub in_force: bool,
    /// `needs approvals`, `proposed`, `in force`, `replaced`, `ended` or `declined`.
    pub standing: &'static str,
    /// Its keys.
    pub epochs: Vec<EpochReport>,
}

/// Everything that it takes to verify an agreement without a hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgreementExport {
    /// Digest that the roster is verified from.
    pub genesis: Digest,
    /// The roster.
    pub roster: Vec<SignedEntry>,
    /// All versions with what was signed about them.
    pub papers: Vec<Papers>,
}

impl Admin {
    /// Proposes an agreement or a new version of one; gives the digest that its members accept.
    pub async fn propose_agreement(&self, document: &Document) -> Result<Digest, AdminError> {
        Ok(self.propose_version(document).await?.digest)
    }

    /// The same, with what is still missing.
    pub async fn propose_version(
        &self,
        document: &Document,
    ) -> Result<ProposedVersion, AdminError> {
        let proposal = Proposal::new(document, &[self.approval()?])?;
        self.hand_in(proposal).await
    }

    /// Approves what another administrator has proposed.
    pub async fn approve_agreement(&self, digest: &Digest) -> Result<ProposedVersion, AdminError> {
        let (_, pending) = self.papers().await?;
        let found = pending.into_iter().find(|p| p.digest() == *digest);
        let what = || AdminError::NoAgreement(format!("proposal {digest} that lacks approvals"));
        let mut proposal = found.ok_or_else(what)?;
        proposal.approve(self.approval()?);
        self.hand_in(proposal).await
    }

    async fn hand_in(&self, proposal: Proposal) -> Result<ProposedVersion, AdminError> {
        // What the rules refuse is refused here, in words that no hub has a hand in.
        let document = proposal.open_new(&self.roster().await?)?;
        let digest = proposal.digest();
        let request = ProposeRequest {
            proposal: Some(proposal.into()),
        };
        let mut hub = self.hub().await?;
        let reply = hub.propose(request).await.map_err(refused)?.into_inner();
        Ok(ProposedVersion {
            id: document.id,
            version: document.version,
            digest,
            approvals: reply.approvals,
            needed: reply.needed,
        })
    }

    /// The version of an agreement that is in force.
    pub async fn agreement_in_force(&self, id: &Name) -> Result<Standing, AdminError> {
        let roster = self.roster().await?;
        let (papers, _) = self.papers().await?;
        let line = lines(&papers, &roster)?.remove(id);
        let present = line.and_then(|line| line.versions.last().cloned());
        present.ok_or_else(|| AdminError::NoAgreement(format!("agreement {id} in force")))
    }

    /// Every version of every agreement, verified, and the proposals that lack approvals.
    pub async fn agreements(&self) -> Result<Vec<AgreementReport>, AdminError> {
        let roster = self.roster().await?;
        let (papers, pending) = self.papers().await?;
        let mut reports = Vec::new();
        for line in lines(&papers, &roster)?.values() {
            let newest = line.versions.last().map(|version| version.digest);
            for version in &line.versions {
                let word = match Some(version.digest) == newest {
                    true if version.has_ended() => "ended",
                    true => "in force",
                    false => "replaced",
                };
                reports.push(report(version, line, word));
            }
            let open = line.open.iter().map(|open| report(open, line, "proposed"));
            reports.extend(open);
            let dead = line.dead.iter().map(|dead| report(dead, line, "declined"));
            reports.extend(dead);
        }
        for proposal in pending {
            reports.push(AgreementReport {
                digest: proposal.digest(),
                document: proposal.open_new(&roster)?,
                accepted: BTreeSet::new(),
                declined: BTreeMap::new(),
                left: BTreeMap::new(),
                in_force: false,
                standing: "needs approvals",
                epochs: Vec::new(),
            });
        }
        Ok(reports)
    }

    /// Everything that was signed about an agreement, after it was verified.
    pub async fn export_agreement(&self, id: &Name) -> Result<AgreementExport, AdminError> {
        let roster = self.entries().await?;
        let verified = Roster::verify(&roster, &self.genesis())?;
        let (mut papers, _) = self.papers().await?;
        papers.retain(|papers| {
            let document = papers.proposal.document();
            document.is_ok_and(|document| document.id == *id)
        });
        if papers.is_empty() {
            return Err(AdminError::NoAgreement(format!("agreement {id}")));
        }
        Line::verify(&papers, &verified)?;
        Ok(AgreementExport {
            genesis: self.genesis(),
            roster,
            papers,
        })
    }

    async fn papers(&self) -> Result<(Vec<Papers>, Vec<Proposal>), AdminError> {
        let mut hub = self.hub().await?;
        let reply = hub.agreements(AgreementsRequest {}).await;
        let reply = reply.map_err(refused)?.into_inner();
        let papers = reply.agreements.into_iter().map(Papers::try_from);
        let pending = reply.pending.into_iter().map(Proposal::try_from);
        Ok((
            papers.collect::<Result<_, _>>()?,
            pending.collect::<Result<_, _>>()?,
        ))
    }
}

fn lines(papers: &[Papers], roster: &Roster) -> Result<BTreeMap<Name, Line>, AdminError> {
    let mut standings: BTreeMap<Name, Vec<Standing>> = BTreeMap::new();
    for papers in papers {
        let standing = Standing::verify(papers, roster)?;
        let id = standing.document.id.clone();
        standings.entry(id).or_default().push(standing);
    }
    let lines = standings
        .into_iter()
        .map(|(id, all)| Ok((id, Line::of(all)?)));
    lines.collect()
}

fn report(standing: &Standing, line: &Line, word: &'static str) -> AgreementReport {
    let is = |which: Option<(&Standing, &Epoch)>, epoch: &Epoch| {
        which.is_some_and(|(_, it)| it.id == epoch.id)
    };
    let epochs = standing.epochs.iter().map(|epoch| EpochReport {
        number: epoch.number,
        author: epoch.author.clone(),
        members: epoch.members.clone(),
        done: epoch.done.clone(),
        standing: if is(line.current(), epoch) {
            "current"
        } else if is(line.incoming(), epoch) {
            "incoming"
        } else {
            "closed"
        },
    });
    AgreementReport {
        digest: standing.digest,
        document: standing.document.clone(),
        accepted: standing.accepted.clone(),
        declined: standing.declined.clone(),
        left: standing.left.clone(),
        in_force: word == "in force",
        standing: word,
        epochs: epochs.collect(),
    }
}
