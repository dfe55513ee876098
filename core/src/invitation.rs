//! The one-time invitation: what an agency needs to enrol, as one line of text.
//!
//! It travels outside the system (by hand, by a trusted courier, by telephone in pieces). It holds
//! the private half of the invitation key, so whoever reads it first can enrol in the agency's
//! place: it is short-lived, works once, and a stolen one shows when the rightful agency is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{CryptoError, SecretKey, SigningKey};
use crate::encoding::{self, Digest};
use crate::identity::{AgencyName, Name};

const PREFIX: &str = "symbolon-invitation-1.";

/// Why a text is not a usable invitation.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum InvitationError {
    /// Not the right form.
    #[error("this is not a Symbolon invitation, or it was cut short when copied")]
    Format,
    /// Too late.
    #[error(
        "the invitation for {agency} expired at {expired}; ask the administrator for a fresh one"
    )]
    Expired {
        /// Whom it was for.
        agency: AgencyName,
        /// When, in RFC 3339.
        expired: String,
    },
    /// The seed makes no key.
    #[error(transparent)]
    Key(#[from] CryptoError),
}

/// What an invited agency is told.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The consortium.
    pub consortium: Name,
    /// The agency that is invited.
    pub agency: AgencyName,
    /// `host:port` where enrolled nodes connect.
    pub hub: String,
    /// `host:port` where an invitation is redeemed.
    pub enrolment: String,
    /// The root certificate, DER.
    #[serde(with = "encoding::base64")]
    pub root_certificate: Vec<u8>,
    /// Digest of the roster's genesis entry.
    pub genesis: Digest,
    /// Unix seconds after which it is void.
    pub expires_at: i64,
    #[serde(with = "encoding::base64")]
    seed: [u8; 32],
}

impl Invitation {
    /// Writes an invitation around a fresh invitation key.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        consortium: Name,
        agency: AgencyName,
        hub: String,
        enrolment: String,
        root_certificate: Vec<u8>,
        genesis: Digest,
        expires_at: i64,
        key: &SigningKey,
    ) -> Self {
        let seed = *key.seed().expose();
        Self {
            consortium,
            agency,
            hub,
            enrolment,
            root_certificate,
            genesis,
            expires_at,
            seed,
        }
    }

    /// The one-time key that signs the agency's `Enrol` entry.
    pub fn key(&self) -> Result<SigningKey, CryptoError> {
        SigningKey::from_seed(SecretKey::new(self.seed))
    }

    /// The invitation as one line.
    pub fn to_text(&self) -> Result<String, InvitationError> {
        let json = serde_json::to_vec(self).map_err(|_| InvitationError::Format)?;
        Ok(format!(
            "{PREFIX}{}",
            data_encoding::BASE64URL_NOPAD.encode(&json)
        ))
    }

    /// Reads an invitation and checks that it is still valid at `now` (Unix seconds).
    pub fn parse(text: &str, now: i64) -> Result<Self, InvitationError> {
        let compact: String = text.split_whitespace().collect();
        let coded = compact
            .strip_prefix(PREFIX)
            .ok_or(InvitationError::Format)?;
        let json = data_encoding::BASE64URL_NOPAD
            .decode(coded.as_bytes())
            .map_err(|_| InvitationError::Format)?;
        let invitation: Self =
            serde_json::from_slice(&json).map_err(|_| InvitationError::Format)?;
        if now > invitation.expires_at {
            let expired = time::OffsetDateTime::from_unix_timestamp(invitation.expires_at)
                .ok()
                .and_then(|at| {
                    at.format(&time::format_description::well_known::Rfc3339)
                        .ok()
                })
                .unwrap_or_default();
            return Err(InvitationError::Expired {
                agency: invitation.agency.clone(),
                expired,
            });
        }
        Ok(invitation)
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.seed);
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invitation({}, redacted)", self.agency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_wrapped_in_a_mail_and_expires() {
        let key = SigningKey::random().unwrap();
        let invitation = Invitation::new(
            "north".parse().unwrap(),
            "harbour-refuge".parse().unwrap(),
            "hub:7443".into(),
            "hub:7444".into(),
            vec![1, 2, 3],
            Digest([9; 32]),
            1_000,
            &key,
        );
        let text = invitation.to_text().unwrap();
        let (head, tail) = text.split_at(40);
        let read = Invitation::parse(&format!("  {head}\n {tail}\n"), 1_000).unwrap();
        assert_eq!(read.key().unwrap().verifying_key(), key.verifying_key());
        let late = Invitation::parse(&text, 1_001).unwrap_err();
        assert!(
            late.to_string()
                .contains("harbour-refuge expired at 1970-01-01T00:16:40Z")
        );
        assert_eq!(
            Invitation::parse(head, 0).unwrap_err(),
            InvitationError::Format
        );
        assert_eq!(
            Invitation::parse("hello", 0).unwrap_err(),
            InvitationError::Format
        );
    }
}
