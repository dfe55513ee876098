//! The little that the hub reads of requests, statements and refusals.

use serde::Deserialize;
use symbolon_core::crypto::Signature;
use symbolon_core::encoding;
use symbolon_core::identity::AgencyName;

use super::CustodyError;
use crate::store::Statement;

/// Largest request in bytes: 8192 elements of 32 bytes would be as much.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// Longest refusal word; others become `unknown`.
const MAX_WORD_BYTES: usize = 32;

/// What the hub reads of a statement.
#[derive(Deserialize)]
pub(super) struct Head {
    pub custodian: AgencyName,
    pub epoch: u32,
    #[serde(default)]
    pub generation: u32,
}

impl Head {
    pub fn of(statement: &Statement) -> Option<Self> {
        serde_json::from_slice(&statement.body).ok()
    }
}

/// Elements in a request, if it is one and the caller asks in its own name. Its fields are id,
/// requester, epoch, generation, quorum, expiry and elements.
pub(super) fn batch_size(request: &[u8], asking: &AgencyName) -> Option<u64> {
    if request.len() > MAX_REQUEST_BYTES {
        return None;
    }
    let fields = encoding::split_parts(request)?;
    let [_, requester, _, _, _, _, elements] = fields.as_slice() else {
        return None;
    };
    (*requester == asking.as_str().as_bytes()).then_some(elements.len() as u64 / 32)
}

/// A custodian's word, or `unknown`: no free text of a peer goes to another.
pub(super) fn known_word(word: String) -> String {
    let fits = !word.is_empty()
        && word.len() <= MAX_WORD_BYTES
        && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
    if fits { word } else { "unknown".to_owned() }
}

/// Reads the signature that came with a statement.
pub fn statement(body: Vec<u8>, signature: &[u8]) -> Result<Statement, CustodyError> {
    let signature = Signature::try_from(signature).map_err(|_| CustodyError::Malformed)?;
    Ok(Statement { body, signature })
}
