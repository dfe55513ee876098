//! Enrolment: from an invitation to a node that the hub and the other members know.
//!
//! The node makes its three keys itself (TLS, signing, encryption); only public halves leave it. The
//! roster that the hub shows is verified from the genesis digest in the invitation before anything
//! is signed, and again with our own entry in it before anything is kept.

use std::collections::BTreeMap;
use std::path::Path;

use symbolon_core::identity::Subject;
use symbolon_core::invitation::Invitation;
use symbolon_core::roster::{Change, Roster, RosterError, SignedEntry};
use symbolon_core::sealed_file::Unlock;

use crate::certificates::{TlsRequest, Validity};
use crate::clock::{Clock, rfc3339};
use crate::error::NodeError;
use crate::hub_client::{self, HubClient, HubError};
use crate::keys::KeyPair;
use crate::reports::EnrolReport;
use crate::tables::{Blob, Secret, StoredIdentity, StoredRekey, Tables};
use crate::vault::Vault;

/// Tries when other members enrol at the same moment: each loses at most as often as there are others.
const MAX_TRIES: usize = 64;

/// The name of the one entry of the identity table.
pub const SELF: &str = "self";

/// Redeems an invitation and makes the vault.
///
/// On the vault of the same agency it keeps records and keys and takes a new certificate: that heals a
/// node whose certificate ended while it was off, or was revoked.
pub async fn enrol(
    directory: &Path,
    invitation: &str,
    unlock: &Unlock,
    clock: &dyn Clock,
) -> Result<EnrolReport, NodeError> {
    let invitation = Invitation::parse(invitation, clock.now())?;
    let mut before = if Vault::exists(directory) {
        Before::read(directory, unlock)?
    } else {
        None
    };
    if let Some(before) = &before
        && !before.fits(&invitation)
    {
        return Err(NodeError::AlreadyEnrolled(directory.to_owned()));
    }
    let root = &invitation.root_certificate;
    let hub = hub_client::connect_for_enrolment(&invitation.enrolment, root).await?;
    if let Some(before) = &mut before {
        before.follow(&hub, &invitation).await?;
    }
    let made = Made::new(&invitation, before.as_ref())?;
    let known = before.as_ref().map_or(&[][..], |before| &before.roster);
    let (chain, entries) = redeem(&hub, &invitation, &made, known, clock).await?;
    let identity = made.identity(&invitation, chain, clock.now())?;
    let report = EnrolReport {
        agency: identity.agency.to_string(),
        consortium: identity.consortium.to_string(),
        genesis: identity.genesis.to_string(),
        certificate_expires: rfc3339(identity.certificate_expires_at),
        state: directory.display().to_string(),
        healed: before.is_some(),
    };
    // While the hub was asked the vault was closed: whoever serves it has a fault of its own to tell.
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

/// What an enrolled node already has.
struct Before {
    identity: StoredIdentity,
    roster: Vec<SignedEntry>,
    /// The roster has shown later keys than this vault has: it is an older copy.
    outdated: bool,
}

impl Before {
    fn read(directory: &Path, unlock: &Unlock) -> Result<Option<Self>, NodeError> {
        let vault = Vault::open(directory, unlock)?;
        let tables = Tables::open(&vault)?;
        let Some(identity) = tables.identity.get(&SELF.to_owned())? else {
            return Ok(None);
        };
        let entries: BTreeMap<u64, SignedEntry> = tables.roster.iter().collect::<Result<_, _>>()?;
        let roster = entries.into_values().collect();
        Ok(Some(Self {
            identity,
            roster,
            outdated: false,
        }))
    }

    /// Goes over to new keys that were approved meanwhile.
    async fn follow(&mut self, hub: &HubClient, invitation: &Invitation) -> Result<(), NodeError> {
        let key = invitation.key()?.verifying_key();
        let entries = hub.enrolment_roster(&key).await?;
        let roster = Roster::verify(&entries, &invitation.genesis)?;
        extends(&entries, &self.roster)?;
        self.identity.follow(&roster)?;
        let present = self.identity.pair()?.public();
        let member = roster.members.get(&self.identity.agency);
        self.outdated = member.is_some_and(|member| member.past_keys.contains(&present));
        Ok(())
    }

    fn fits(&self, invitation: &Invitation) -> bool {
        let StoredIdentity {
            agency, genesis, ..
        } = &self.identity;
        *agency == invitation.agency && *genesis == invitation.genesis
    }
}

/// The keys that the node makes for itself; signing and encryption keys it may have already.
struct Made {
    tls: TlsRequest,
    pair: KeyPair,
    /// New keys that wait to be approved.
    rekey: Option<StoredRekey>,
    past_encryption_seeds: Vec<Secret>,
}

impl Made {
    fn new(invitation: &Invitation, before: Option<&Before>) -> Result<Self, NodeError> {
        let subject = Subject::Agency(invitation.consortium.clone(), invitation.agency.clone());
        let tls = TlsRequest::new(&subject)?;
        let Some(Before {
            identity, outdated, ..
        }) = before
        else {
            return Ok(Self {
                tls,
                pair: KeyPair::random()?,
                rekey: None,
                past_encryption_seeds: Vec::new(),
            });
        };
        let mut past_encryption_seeds = identity.past_encryption_seeds.clone();
        let pair = if *outdated {
            // Keys that were given up cannot be bound again.
            past_encryption_seeds.insert(0, identity.encryption_seed.clone());
            KeyPair::random()?
        } else {
            identity.pair()?
        };
        Ok(Self {
            tls,
            pair,
            rekey: identity.rekey.clone(),
            past_encryption_seeds,
        })
    }

    fn identity(
        &self,
        invitation: &Invitation,
        chain: Vec<Vec<u8>>,
        now: i64,
    ) -> Result<StoredIdentity, NodeError> {
        let leaf = chain
            .first()
            .ok_or(HubError::Protocol("no certificate in the reply"))?;
        let (signing_seed, encryption_seed) = self.pair.seeds();
        Ok(StoredIdentity {
            consortium: invitation.consortium.clone(),
            agency: invitation.agency.clone(),
            hub: invitation.hub.clone(),
            genesis: invitation.genesis,
            root: Blob(invitation.root_certificate.clone()),
            more_roots: Vec::new(),
            certificate_expires_at: Validity::of(leaf)?.until,
            issued_at: now,
            chain: chain.into_iter().map(Blob).collect(),
            tls_key: Secret(self.tls.key().to_vec()),
            signing_seed,
            encryption_seed,
            rekey: self.rekey.clone(),
            past_encryption_seeds: self.past_encryption_seeds.clone(),
        })
    }
}

/// Refuses a roster that does not go on from the one that is known.
fn extends(entries: &[SignedEntry], known: &[SignedEntry]) -> Result<(), RosterError> {
    let Some(last) = known.last() else {
        return Ok(());
    };
    let number = known.len() as u64 - 1;
    match entries.get(known.len() - 1) {
        None => Err(RosterError::RolledBack {
            known: number,
            offered: (entries.len() as u64).saturating_sub(1),
        }),
        Some(entry) if entry.digest() != last.digest() => Err(RosterError::BrokenChain { number }),
        Some(_) => Ok(()),
    }
}

/// Signs our `Enrol` entry over the present head; again if another agency was faster.
async fn redeem(
    hub: &HubClient,
    invitation: &Invitation,
    made: &Made,
    known: &[SignedEntry],
    clock: &dyn Clock,
) -> Result<(Vec<Vec<u8>>, Vec<SignedEntry>), NodeError> {
    let key = invitation.key()?;
    let keys = made.pair.public();
    for _ in 0..MAX_TRIES {
        let entries = hub.enrolment_roster(&key.verifying_key()).await?;
        let roster = Roster::verify(&entries, &invitation.genesis)?;
        extends(&entries, known)?;
        if roster.consortium != invitation.consortium {
            return Err(HubError::Protocol("the roster of another consortium").into());
        }
        let change = Change::Enrol {
            agency: invitation.agency.clone(),
            keys: keys.clone(),
        };
        let entry = SignedEntry::new(
            &roster.next_body(clock.now(), change),
            &[&key, &made.pair.signing],
        )?;
        match hub.enrol(entry, made.tls.der.clone()).await {
            Ok((chain, entries)) => {
                let roster = Roster::verify(&entries, &invitation.genesis)?;
                extends(&entries, known)?;
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
