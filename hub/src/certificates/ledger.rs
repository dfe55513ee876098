//! What the hub remembers of the certificates that it issued: who has which, and what was revoked.
//!
//! An agency may have several at once: the one before a renewal stays good until it ends, so that the
//! old connection works until the new one stands.

use std::collections::BTreeMap;

use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;

use crate::store::{IssuedCertificate, Revocation};

/// How long an ended certificate is remembered, so that a clock that was set back finds it again.
pub const REMEMBERED_S: i64 = 2 * 86_400;

/// Certificates and revocations.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By agency, in the order in which they were issued.
    agencies: BTreeMap<AgencyName, Vec<IssuedCertificate>>,
    /// By serial number.
    revoked: BTreeMap<String, Revocation>,
}

impl Ledger {
    /// What a store holds.
    pub fn new(
        certificates: impl IntoIterator<Item = (AgencyName, IssuedCertificate)>,
        revoked: impl IntoIterator<Item = Revocation>,
    ) -> Self {
        let mut ledger = Self::default();
        for (agency, certificate) in certificates {
            ledger.agencies.entry(agency).or_default().push(certificate);
        }
        for issued in ledger.agencies.values_mut() {
            issued.sort_by_key(|certificate| certificate.issued_at);
        }
        ledger.revoke(revoked);
        ledger
    }

    /// The certificate that an agency was given last.
    pub fn get(&self, agency: &AgencyName) -> Option<&IssuedCertificate> {
        self.agencies.get(agency)?.last()
    }

    /// The certificate of this serial number, if it was issued to this agency.
    pub fn of(&self, agency: &AgencyName, serial: &str) -> Option<&IssuedCertificate> {
        let mut issued = self.agencies.get(agency)?.iter();
        issued.find(|certificate| certificate.serial == serial)
    }

    /// The answer that a certificate request got before.
    pub fn answer_to(&self, agency: &AgencyName, request: &Digest) -> Option<&IssuedCertificate> {
        let mut issued = self.agencies.get(agency)?.iter().rev();
        issued.find(|certificate| {
            certificate.request == *request && !self.revoked.contains_key(&certificate.serial)
        })
    }

    /// Certificates of an agency that still open the door.
    pub fn usable<'a>(
        &'a self,
        agency: &AgencyName,
        now: i64,
    ) -> impl Iterator<Item = &'a IssuedCertificate> {
        let issued = self.agencies.get(agency).into_iter().flatten();
        issued.filter(move |certificate| {
            certificate.expires_at >= now && !self.revoked.contains_key(&certificate.serial)
        })
    }

    /// Serial numbers of an agency's certificates that have not ended, revoked or not, newest first.
    pub fn serials(&self, agency: &AgencyName, now: i64) -> Vec<String> {
        let issued = self.agencies.get(agency).into_iter().flatten().rev();
        let lasting = issued.filter(|certificate| certificate.expires_at >= now);
        lasting
            .map(|certificate| certificate.serial.clone())
            .collect()
    }

    /// Everything that is remembered.
    pub fn all(&self) -> impl Iterator<Item = (&AgencyName, &IssuedCertificate)> {
        let agencies = self.agencies.iter();
        agencies.flat_map(|(agency, issued)| issued.iter().map(move |one| (agency, one)))
    }

    /// Why a serial number is refused, if it is.
    pub fn revocation(&self, serial: &str) -> Option<&Revocation> {
        self.revoked.get(serial)
    }

    /// Everything that was revoked.
    pub fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.revoked.values()
    }

    /// Takes in a certificate; forgets those of the agency that ended long ago.
    pub fn insert(&mut self, agency: AgencyName, certificate: IssuedCertificate) {
        let ended = certificate.issued_at - REMEMBERED_S;
        let issued = self.agencies.entry(agency).or_default();
        issued.retain(|known| known.expires_at >= ended);
        issued.push(certificate);
    }

    /// Takes in revocations.
    pub fn revoke(&mut self, revoked: impl IntoIterator<Item = Revocation>) {
        for revocation in revoked {
            self.revoked.insert(revocation.serial.clone(), revocation);
        }
    }
}
