//! Mailbox: envelopes and what else waits for a member.

use symbolon_core::envelope;

use crate::{WireError, field};

pub use crate::wire::mailbox::v1::*;

impl TryFrom<Envelope> for envelope::Envelope {
    type Error = WireError;

    fn try_from(wire: Envelope) -> Result<Self, WireError> {
        let Envelope {
            from,
            to,
            id,
            sealed,
            signature,
        } = wire;
        if sealed.len() > envelope::MAX_SEALED_BYTES {
            return Err(WireError::Malformed("envelope.sealed"));
        }
        Ok(Self {
            from: field("envelope.from", from)?,
            to: field("envelope.to", to)?,
            id: field("envelope.id", id)?,
            sealed,
            signature: field("envelope.signature", signature.as_slice())?,
        })
    }
}

impl From<envelope::Envelope> for Envelope {
    fn from(envelope: envelope::Envelope) -> Self {
        let envelope::Envelope {
            from,
            to,
            id,
            sealed,
            signature,
        } = envelope;
        Self {
            from: from.to_string(),
            to: to.to_string(),
            id: id.to_vec(),
            sealed,
            signature: signature.0.to_vec(),
        }
    }
}
