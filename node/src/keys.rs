//! The keys by which the roster knows this agency: those in use, those that wait, those of before.
//!
//! One pair signs. Several open: what others sealed to a key may arrive after the roster shows another
//! one, and before this node has seen that. Which pair is in use the roster says, see [`crate::rekey`].

use symbolon_core::crypto::{SecretKey, SigningKey, VerifyingKey};
use symbolon_core::envelope::{Envelope, EnvelopeError};
use symbolon_core::identity::AgencyKeys;
use symbolon_core::sealing::{self, DecryptionKey};
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::tables::{Secret, StoredIdentity, StoredRekey};

/// What became of an envelope: its letter, or why not.
pub(crate) type Opened = Result<Zeroizing<Vec<u8>>, EnvelopeError>;

/// The keys of an agency, ready for use.
pub struct Keys {
    /// Signs requests, envelopes, acceptances, statements.
    pub signing: SigningKey,
    /// What the roster shows of the pair in use.
    public: AgencyKeys,
    /// What it will show of the pair that waits.
    waiting: Option<AgencyKeys>,
    /// Open envelopes and agreement keys, in the order in which they are tried: in use, waiting, of
    /// before.
    decryption: Vec<DecryptionKey>,
}

/// A signing and an encryption key that belong together.
pub(crate) struct KeyPair {
    pub signing: SigningKey,
    pub decryption: DecryptionKey,
}

impl KeyPair {
    pub fn random() -> Result<Self, NodeError> {
        Ok(Self {
            signing: SigningKey::random()?,
            decryption: DecryptionKey::random()?,
        })
    }

    pub fn load(signing_seed: &Secret, encryption_seed: &Secret) -> Result<Self, NodeError> {
        Ok(Self {
            signing: SigningKey::from_seed(seed(signing_seed)?)?,
            decryption: decryption(encryption_seed)?,
        })
    }

    /// The seeds, for the vault: of the signing key, of the encryption key.
    pub fn seeds(&self) -> (Secret, Secret) {
        let secret = |seed: &SecretKey| Secret(seed.expose().to_vec());
        (secret(self.signing.seed()), secret(self.decryption.seed()))
    }

    pub fn public(&self) -> AgencyKeys {
        AgencyKeys {
            signing: self.signing.verifying_key(),
            encryption: self.decryption.public().clone(),
        }
    }
}

impl StoredIdentity {
    /// The pair in use.
    pub(crate) fn pair(&self) -> Result<KeyPair, NodeError> {
        KeyPair::load(&self.signing_seed, &self.encryption_seed)
    }
}

impl StoredRekey {
    pub(crate) fn pair(&self) -> Result<KeyPair, NodeError> {
        KeyPair::load(&self.signing_seed, &self.encryption_seed)
    }
}

impl Keys {
    /// The keys of a stored identity.
    pub(crate) fn load(stored: &StoredIdentity) -> Result<Self, NodeError> {
        let present = stored.pair()?;
        let public = present.public();
        let mut decryption_keys = vec![present.decryption];
        let mut waiting = None;
        if let Some(rekey) = &stored.rekey {
            let pair = rekey.pair()?;
            waiting = Some(pair.public());
            decryption_keys.push(pair.decryption);
        }
        for past in &stored.past_encryption_seeds {
            decryption_keys.push(decryption(past)?);
        }
        Ok(Self {
            signing: present.signing,
            public,
            waiting,
            decryption: decryption_keys,
        })
    }

    /// The public halves of the pair in use.
    pub fn public(&self) -> &AgencyKeys {
        &self.public
    }

    /// The public halves of the pair that waits to stand in the roster.
    pub fn waiting(&self) -> Option<&AgencyKeys> {
        self.waiting.as_ref()
    }

    /// Opens what was sealed to any of the keys.
    pub(crate) fn open_sealed(&self, info: &[u8], sealed: &[u8]) -> Opened {
        self.try_each(|key| sealing::open_sealed(key, info, sealed))
    }

    /// Opens an envelope that one of the sender's keys has signed.
    pub(crate) fn open_envelope(&self, envelope: &Envelope, senders: &[VerifyingKey]) -> Opened {
        let signed = senders.iter().find(|key| envelope.verify(key).is_ok());
        let sender = signed.ok_or(EnvelopeError::BadSignature)?;
        self.try_each(|key| envelope.open(sender, key))
    }

    fn try_each(&self, open: impl Fn(&DecryptionKey) -> Opened) -> Opened {
        let mut opened = Err(EnvelopeError::DoesNotOpen);
        for key in &self.decryption {
            opened = open(key);
            if opened.is_ok() {
                break;
            }
        }
        opened
    }
}

fn seed(stored: &Secret) -> Result<SecretKey, NodeError> {
    Ok(SecretKey::try_from(stored.0.as_slice())?)
}

fn decryption(stored: &Secret) -> Result<DecryptionKey, NodeError> {
    Ok(DecryptionKey::from_seed(seed(stored)?)?)
}
