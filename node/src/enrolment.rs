//! Enrolment: from an invitation to a node that the hub and the other members know.
//!
//! The node makes its three keys itself (TLS, signing, encryption); only public halves leave it. The
//! roster that the hub shows is verified from the genesis digest in the invitation before anything
//! is signed, and again with our own entry in it before anything is kept.

use std::path::Path;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};
use symbolon_core::crypto::SigningKey;
use symbolon_core::identity::{AgencyKeys, Subject};
use symbolon_core::invitation::Invitation;
use symbolon_core::roster::{Change, Roster, SignedEntry};
use symbolon_core::sealed_file::Unlock;
use symbolon_core::sealing::DecryptionKey;

use crate::clock::{Clock, rfc3339};
use crate::error::NodeError;
use crate::hub_client::{self, HubClient, HubError};
use crate::reports::EnrolReport;
use crate::tables::{Blob, Secret, StoredIdentity, Tables};
use crate::vault::Vault;

/// Tries when other members enrol at the same moment: each loses at most as often as there are others.
const MAX_TRIES: usize = 64;

/// The name of the one entry of the identity table.
pub const SELF: &str = "self";

/// Redeems an invitation and makes the vault.
pub async fn enrol(
    directory: &Path,
    invitation: &str,
    unlock: &Unlock,
    clock: &dyn Clock,
) -> Result<EnrolReport, NodeError> {
    if Vault::exists(directory) && is_enrolled(directory, unlock)? {
        return Err(NodeError::AlreadyEnrolled(directory.to_owned()));
    }
    let invitation = Invitation::parse(invitation, clock.now())?;
    let root = &invitation.root_certificate;
    let hub = hub_client::connect_for_enrolment(&invitation.enrolment, root).await?;
    let made = Made::new(&invitation)?;
    let (chain, entries) = redeem(&hub, &invitation, &made, clock).await?;
    let identity = made.identity(&invitation, chain)?;
    let report = EnrolReport {
        agency: identity.agency.to_string(),
        consortium: identity.consortium.to_string(),
        genesis: identity.genesis.to_string(),
        certificate_expires: rfc3339(identity.certificate_expires_at),
        state: directory.display().to_string(),
    };
    let vault = if Vault::exists(directory) {
        Vault::open(directory, unlock)?
    } else {
        Vault::create(directory, unlock)?
    };
    let tables = Tables::open(&vault)?;
    for (number, entry) in entries.iter().enumerate() {
        tables.roster.put(&(number as u64), entry)?;
    }
    // Last, since this is what makes the directory an enrolled node.
    tables.identity.put(&SELF.to_owned(), &identity)?;
    vault.flush()?;
    Ok(report)
}

fn is_enrolled(directory: &Path, unlock: &Unlock) -> Result<bool, NodeError> {
    let vault = Vault::open(directory, unlock)?;
    let tables = Tables::open(&vault)?;
    tables.identity.contains(&SELF.to_owned())
}

/// The keys that the node makes for itself.
struct Made {
    tls: KeyPair,
    request: Vec<u8>,
    signing: SigningKey,
    encryption: DecryptionKey,
}

impl Made {
    fn new(invitation: &Invitation) -> Result<Self, NodeError> {
        let unusable = |error: rcgen::Error| HubError::Credentials(error.to_string());
        let tls = KeyPair::generate().map_err(unusable)?;
        let mut params = CertificateParams::default();
        let subject = Subject::Agency(invitation.consortium.clone(), invitation.agency.clone());
        let uri = subject.to_string().try_into().map_err(unusable)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let request = params
            .serialize_request(&tls)
            .map_err(unusable)?
            .der()
            .to_vec();
        let (signing, encryption) = (SigningKey::random()?, DecryptionKey::random()?);
        Ok(Self {
            tls,
            request,
            signing,
            encryption,
        })
    }

    fn identity(
        &self,
        invitation: &Invitation,
        chain: Vec<Vec<u8>>,
    ) -> Result<StoredIdentity, NodeError> {
        let leaf = chain
            .first()
            .ok_or(HubError::Protocol("no certificate in the reply"))?;
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| HubError::Protocol("a malformed certificate"))?;
        Ok(StoredIdentity {
            consortium: invitation.consortium.clone(),
            agency: invitation.agency.clone(),
            hub: invitation.hub.clone(),
            genesis: invitation.genesis,
            root: Blob(invitation.root_certificate.clone()),
            certificate_expires_at: certificate.validity().not_after.timestamp(),
            chain: chain.into_iter().map(Blob).collect(),
            tls_key: Secret(self.tls.serialize_der()),
            signing_seed: Secret(self.signing.seed().expose().to_vec()),
            encryption_seed: Secret(self.encryption.seed().expose().to_vec()),
        })
    }
}

/// Signs our `Enrol` entry over the present head; again if another agency was faster.
async fn redeem(
    hub: &HubClient,
    invitation: &Invitation,
    made: &Made,
    clock: &dyn Clock,
) -> Result<(Vec<Vec<u8>>, Vec<SignedEntry>), NodeError> {
    let key = invitation.key()?;
    let keys = AgencyKeys {
        signing: made.signing.verifying_key(),
        encryption: made.encryption.public().clone(),
    };
    for _ in 0..MAX_TRIES {
        let entries = hub.enrolment_roster(&key.verifying_key()).await?;
        let roster = Roster::verify(&entries, &invitation.genesis)?;
        if roster.consortium != invitation.consortium {
            return Err(HubError::Protocol("the roster of another consortium").into());
        }
        let change = Change::Enrol {
            agency: invitation.agency.clone(),
            keys: keys.clone(),
        };
        let entry = SignedEntry::new(
            &roster.next_body(clock.now(), change),
            &[&key, &made.signing],
        )?;
        match hub.enrol(entry, made.request.clone()).await {
            Ok((chain, entries)) => {
                let roster = Roster::verify(&entries, &invitation.genesis)?;
                if roster.enrolled(&invitation.agency).map(|(_, known)| known) != Some(&keys) {
                    return Err(HubError::Protocol("a roster without our keys").into());
                }
                return Ok((chain, entries));
            }
            Err(HubError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(HubError::Stale.into())
}
