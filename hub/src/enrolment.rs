//! Enrolment: an invitation is redeemed for a place in the roster and a certificate, once.
//!
//! The holder proves possession of the invitation key by approving its `Enrol` entry with it, and of
//! its TLS key by signing the certificate request. Entry, certificate and log entry are stored in
//! one write under the directory's lock: of many who use one invitation at once, one succeeds.

use std::sync::Arc;

use symbolon_core::crypto::{self, VerifyingKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Subject};
use symbolon_core::roster::{Change, EntryBody, Member, RosterError, SignedEntry};
use thiserror::Error;

use crate::certificates::{Authority, CertificateError, CheckedRequest};
use crate::clock::Clock;
use crate::log::{Event, LogEntry};
use crate::mailbox::Hint;
use crate::membership::{Directory, State};
use crate::store::{IssuedCertificate, Store, StoreError, blocking};

/// Why nobody enrols.
#[derive(Debug, Error)]
pub enum EnrolmentError {
    /// No invitation has this key.
    #[error("invitation unknown")]
    Unknown,
    /// Too late.
    #[error("invitation expired")]
    Expired,
    /// The agency has its keys.
    #[error("invitation already used")]
    Used,
    /// The roster moved on since the caller fetched it.
    #[error("roster moved on")]
    MovedOn,
    /// An entry of another kind, or one that nobody can read.
    #[error("the entry is not an enrolment")]
    NotAnEnrolment,
    /// The roster refuses the entry.
    #[error(transparent)]
    Roster(RosterError),
    /// The request is not what it must be.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The store refused.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for EnrolmentError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::MovedOn,
            other => Self::Store(other),
        }
    }
}

/// Redeems invitations.
pub struct Enrolment {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// The roster.
    pub directory: Arc<Directory>,
    /// Issues the certificate.
    pub authority: Arc<Authority>,
    /// Whether an invitation is still valid.
    pub clock: Arc<dyn Clock>,
    /// Life of the certificate.
    pub leaf_days: u32,
}

impl Enrolment {
    /// The roster, for whoever knows the public key of a usable invitation.
    pub fn roster(&self, invitation: &VerifyingKey) -> Result<Vec<SignedEntry>, EnrolmentError> {
        let state = self.directory.state();
        let mut members = state.roster.members.values();
        let member = members.find(|member| member.invitation == *invitation);
        self.usable(member)?;
        Ok(self.directory.entries(0))
    }

    /// Binds the agency's keys and issues its certificate; the very same request again gets the
    /// same answer.
    pub async fn enrol(
        self: &Arc<Self>,
        entry: SignedEntry,
        request: Vec<u8>,
    ) -> Result<IssuedCertificate, EnrolmentError> {
        let this = Arc::clone(self);
        blocking(move || this.enrol_now(&entry, &request)).await
    }

    fn enrol_now(
        &self,
        entry: &SignedEntry,
        request: &[u8],
    ) -> Result<IssuedCertificate, EnrolmentError> {
        let body: EntryBody =
            serde_json::from_slice(&entry.body).map_err(|_| EnrolmentError::NotAnEnrolment)?;
        let Change::Enrol { agency, .. } = body.change else {
            return Err(EnrolmentError::NotAnEnrolment);
        };
        let digest = request_digest(entry, request);
        let mut answer = None;
        self.directory.change_if::<EnrolmentError>(|state| {
            if let Some(known) = state.certificates.get(&agency)
                && known.request == digest
            {
                answer = Some(known.clone());
                return Ok(None);
            }
            let (next, issued) = self.admit(state, &agency, entry, request, digest)?;
            answer = Some(issued);
            Ok(Some((next, Hint::Roster)))
        })?;
        answer.ok_or(EnrolmentError::MovedOn)
    }

    fn admit(
        &self,
        state: &State,
        agency: &AgencyName,
        entry: &SignedEntry,
        request: &[u8],
        digest: Digest,
    ) -> Result<(State, IssuedCertificate), EnrolmentError> {
        self.usable(state.roster.members.get(agency))?;
        let roster = state.roster.apply(entry).map_err(|error| match error {
            RosterError::BrokenChain { .. } => EnrolmentError::MovedOn,
            RosterError::Approvals { .. } => EnrolmentError::Unknown,
            other => EnrolmentError::Roster(other),
        })?;
        let subject = Subject::Agency(roster.consortium.clone(), agency.clone());
        let checked = CheckedRequest::check(request, &subject)?;
        let now = self.clock.now();
        let leaf = self.authority.issue(&checked, now, self.leaf_days)?;
        let issued = IssuedCertificate {
            serial: leaf.serial,
            expires_at: leaf.expires_at,
            chain: leaf.chain,
            request: digest,
        };
        let log = LogEntry {
            at: now,
            event: Event::Enrolment,
            member: Some(agency.clone()),
            count: 1,
            digest: Some(roster.head),
        };
        self.store
            .enrol(state.roster.length, entry, agency, &issued, &log)?;
        let mut next = state.clone();
        next.roster = roster;
        next.entries.push(entry.clone());
        next.waiting.clear();
        next.certificates.insert(agency.clone(), issued.clone());
        Ok((next, issued))
    }

    fn usable(&self, member: Option<&Member>) -> Result<(), EnrolmentError> {
        let member = member.ok_or(EnrolmentError::Unknown)?;
        if !member.invitation_open {
            return Err(EnrolmentError::Used);
        }
        if self.clock.now() > member.invitation_expires_at {
            return Err(EnrolmentError::Expired);
        }
        Ok(())
    }
}

fn request_digest(entry: &SignedEntry, request: &[u8]) -> Digest {
    let mut fields: Vec<&[u8]> = vec![request, &entry.body];
    for approval in &entry.approvals {
        fields.push(&approval.key.0);
        fields.push(&approval.signature.0);
    }
    crypto::digest("symbolon enrolment request v1", &fields)
}
