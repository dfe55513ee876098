//! Sealing from node to node: HPKE (RFC 9180) with a post-quantum hybrid.
//!
//! The KEM is X-Wing (ML-KEM-768 and X25519 together), so that what is disclosed today stays closed
//! to tomorrow's computers; TurboSHAKE128 and ChaCha20-Poly1305 complete the suite. Envelopes are
//! padded to buckets and signed; the agreement key is sealed to members with [`seal_to`].

use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead, kdf, kem};
use zeroize::Zeroizing;

use crate::crypto::{SecretKey, SigningKey, VerifyingKey};
use crate::encoding;
use crate::envelope::{BUCKETS, CONTEXT, Envelope, EnvelopeError, binding};
use crate::identity::{AgencyName, EncryptionKey};

type Kem = kem::XWing;
type Kdf = kdf::KdfTurboShake128;
type Aead = aead::ChaCha20Poly1305;

/// A node's private encryption key, kept as its 32-byte X-Wing seed.
pub struct DecryptionKey {
    seed: SecretKey,
    private: <Kem as hpke::Kem>::PrivateKey,
    public: EncryptionKey,
}

impl DecryptionKey {
    /// Draws a fresh key.
    pub fn random() -> Result<Self, EnvelopeError> {
        Self::from_seed(SecretKey::random().map_err(|_| EnvelopeError::BadKey)?)
    }

    /// The key of a seed (X-Wing keys are their seeds).
    pub fn from_seed(seed: SecretKey) -> Result<Self, EnvelopeError> {
        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(seed.expose())
            .map_err(|_| EnvelopeError::BadKey)?;
        let public = EncryptionKey(Kem::sk_to_pk(&private).to_bytes().to_vec());
        Ok(Self {
            seed,
            private,
            public,
        })
    }

    /// The seed, to seal it in the vault.
    pub fn seed(&self) -> &SecretKey {
        &self.seed
    }

    /// The public half.
    pub fn public(&self) -> &EncryptionKey {
        &self.public
    }
}

impl std::fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DecryptionKey({:?})", self.public)
    }
}

/// HPKE base mode to one recipient: encapsulated key, then ciphertext. `info` binds the use.
pub fn seal_to(
    recipient: &EncryptionKey,
    info: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&recipient.0)
        .map_err(|_| EnvelopeError::BadKey)?;
    let (encapsulated, mut context) =
        hpke::setup_sender::<Aead, Kdf, Kem>(&OpModeS::Base, &public, info)
            .map_err(|_| EnvelopeError::Seal)?;
    let mut out = encapsulated.to_bytes().to_vec();
    out.extend(
        context
            .seal(plaintext, b"")
            .map_err(|_| EnvelopeError::Seal)?,
    );
    Ok(out)
}

/// Opens what [`seal_to`] made for this key and use.
pub fn open_sealed(
    key: &DecryptionKey,
    info: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let size = <<Kem as hpke::Kem>::EncappedKey as Serializable>::size();
    let (encapsulated, ciphertext) = sealed
        .split_at_checked(size)
        .ok_or(EnvelopeError::DoesNotOpen)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated)
        .map_err(|_| EnvelopeError::DoesNotOpen)?;
    let mut context =
        hpke::setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Base, &key.private, &encapsulated, info)
            .map_err(|_| EnvelopeError::DoesNotOpen)?;
    let plaintext = context
        .open(ciphertext, b"")
        .map_err(|_| EnvelopeError::DoesNotOpen)?;
    Ok(Zeroizing::new(plaintext))
}

impl Envelope {
    /// Pads, seals and signs a message.
    pub fn seal(
        from: (&AgencyName, &SigningKey),
        to: (&AgencyName, &EncryptionKey),
        id: [u8; 16],
        message: &[u8],
    ) -> Result<Self, EnvelopeError> {
        let bucket = BUCKETS
            .iter()
            .find(|&&bucket| message.len() + 4 <= bucket)
            .ok_or(EnvelopeError::TooLarge(message.len()))?;
        let mut padded = Zeroizing::new(Vec::with_capacity(*bucket));
        padded.extend_from_slice(&(message.len() as u32).to_be_bytes());
        padded.extend_from_slice(message);
        padded.resize(*bucket, 0);
        let binding = binding(from.0, to.0, &id);
        let sealed = seal_to(to.1, &binding, &padded)?;
        let signature = from.1.sign(CONTEXT, &encoding::parts(&[&binding, &sealed]));
        Ok(Self {
            from: from.0.clone(),
            to: to.0.clone(),
            id,
            sealed,
            signature,
        })
    }

    /// Checks the signature, opens and takes the padding off.
    pub fn open(
        &self,
        sender: &VerifyingKey,
        key: &DecryptionKey,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        self.verify(sender)?;
        let padded = open_sealed(key, &binding(&self.from, &self.to, &self.id), &self.sealed)?;
        let (length, rest) = padded
            .split_first_chunk::<4>()
            .ok_or(EnvelopeError::DoesNotOpen)?;
        let length = u32::from_be_bytes(*length) as usize;
        let message = rest.get(..length).ok_or(EnvelopeError::DoesNotOpen)?;
        Ok(Zeroizing::new(message.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_the_recipient_from_the_sender_only_and_hides_its_length() {
        let (police, refuge): (AgencyName, AgencyName) =
            ("police".parse().unwrap(), "refuge".parse().unwrap());
        let signing = SigningKey::random().unwrap();
        let key = DecryptionKey::random().unwrap();
        let seal = |message: &[u8]| {
            Envelope::seal(
                (&police, &signing),
                (&refuge, key.public()),
                [1; 16],
                message,
            )
            .unwrap()
        };
        let envelope = seal(b"hello");
        let sender = signing.verifying_key();
        assert_eq!(envelope.open(&sender, &key).unwrap().as_slice(), b"hello");
        assert_eq!(envelope.sealed.len(), seal(&[7; 900]).sealed.len());

        let other = DecryptionKey::random().unwrap();
        assert_eq!(
            envelope.open(&sender, &other),
            Err(EnvelopeError::DoesNotOpen)
        );
        let stranger = SigningKey::random().unwrap().verifying_key();
        assert_eq!(
            envelope.open(&stranger, &key),
            Err(EnvelopeError::BadSignature)
        );
        let mut claimed = envelope.clone();
        claimed.from = refuge.clone();
        assert_eq!(
            claimed.open(&sender, &key),
            Err(EnvelopeError::BadSignature)
        );
        let mut altered = envelope.clone();
        altered.sealed[2000] ^= 1;
        assert_eq!(
            altered.open(&sender, &key),
            Err(EnvelopeError::BadSignature)
        );
        let too_large = Envelope::seal(
            (&police, &signing),
            (&refuge, key.public()),
            [1; 16],
            &vec![0; 256 << 10],
        );
        assert_eq!(too_large, Err(EnvelopeError::TooLarge(256 << 10)));
    }

    #[test]
    fn the_key_comes_back_from_its_seed() {
        let key = DecryptionKey::random().unwrap();
        assert_eq!(key.public().0.len(), EncryptionKey::BYTES);
        let again = DecryptionKey::from_seed(key.seed().clone()).unwrap();
        assert_eq!(again.public(), key.public());
    }
}
