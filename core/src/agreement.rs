//! Data sharing agreements: the audience of a record, and the keys that its tokens are made with.
//!
//! An administrator proposes a document; every member accepts its digest with its roster key; the
//! lead member's node makes the agreement key, commits to it in its acceptance and seals it to each
//! member. A version is in force when every member has accepted and none has declined.
//!
//! What follows is said by members, in signed [`Statement`]s that keep their order: a member
//! *leaves*; the first one that remains makes a new *epoch*, with a key that the departed never get;
//! each member says when it has made its rows anew (*done*); when all have, the old epoch is closed.
//! A new version of the document takes over from the one it names in the same way. [`Line`] puts the
//! versions and epochs of one agreement in order, and says which are served.
//!
//! The hub stores and serves these statements and checks them too, but each node decides by its own
//! check. What the roster says of later times (a suspension, other keys, other administrators) takes
//! nothing from what was signed before.

mod acceptance;
mod document;
mod line;
mod proposal;
mod standing;
mod statement;

use thiserror::Error;

use crate::crypto;
use crate::encoding::Digest;
use crate::identity::{AgencyName, Name};
use crate::row::AgreementEpoch;

pub use acceptance::{Acceptance, AcceptanceBody, KeyDelivery, SealedKey};
pub use document::{Category, Document, RecordRole, ResponseHours, ScoreThreshold};
pub use line::Line;
pub use proposal::Proposal;
pub use standing::{Epoch, NextEpoch, Papers, Standing};
pub use statement::{EpochBody, Said, Statement, StatementBody};

/// Largest accepted document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// Largest accepted acceptance or statement, in bytes, beside what it says of each member.
const STATEMENT_BYTES: usize = 8 * 1024;
/// And for each member: its name twice, and a sealing of 1,168 bytes in Base64.
const STATEMENT_BYTES_A_MEMBER: usize = 2 * 1024;
/// Most members of one agreement.
pub const MAX_MEMBERS: usize = 500;
/// Most statements about one version. Each member declines or leaves once and is done once for each
/// epoch, and an epoch takes a departure; no consortium comes near it.
pub const MAX_STATEMENTS: usize = 10_000;
/// Longest reason, in bytes; it is for people.
pub const MAX_REASON_BYTES: usize = 500;

/// What a key of this epoch is bound to: its commitment and its sealings.
pub fn epoch_binding(agreement: &Digest, epoch: u32) -> Digest {
    crypto::digest(
        "symbolon agreement epoch v1",
        &[&agreement.0, &epoch.to_be_bytes()],
    )
}

/// The epoch identifier that rows carry. `origin` is the agreement's digest for the epoch that a
/// version begins with, and the digest of its statement for each later one.
pub fn epoch_id(origin: &Digest, epoch: u32) -> AgreementEpoch {
    let mut id = [0; 16];
    id.copy_from_slice(&epoch_binding(origin, epoch).0[..16]);
    AgreementEpoch(id)
}

/// Why a statement about an agreement is refused.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[allow(missing_docs)]
pub enum AgreementError {
    #[error("the agreement is malformed")]
    Malformed,
    #[error("the proposal lacks the administrators' approvals")]
    NotProposed,
    #[error("the agreement is not allowed: {0}")]
    NotAllowed(String),
    /// A statement that its author did not make, or about something else.
    #[error("the statement that claims to be from {0} is not valid for this agreement")]
    Forged(AgencyName),
    /// The lead equivocates, or its node lost its state and accepted again.
    #[error("{0} leads the agreement and has delivered two different keys for it")]
    TwoKeys(AgencyName),
    #[error("{0} does not accept exactly the immigration services that are members: {1}")]
    Immigration(AgencyName, String),
    #[error("{0} has both accepted and declined the agreement")]
    Contradiction(AgencyName),
    #[error("{0} has already spoken on this")]
    Spoken(AgencyName),
    #[error("the agreement is not in force, so {0} cannot say that")]
    NotInForce(AgencyName),
    #[error("the new epoch is signed by {author}, but it is for {expected} to make it")]
    EpochAuthor {
        author: AgencyName,
        expected: AgencyName,
    },
    #[error(
        "the new epoch of {0} has other members than follow from the roster and from who has left"
    )]
    EpochMembers(AgencyName),
    #[error("the new epoch of {0} does not follow the last one")]
    EpochOrder(AgencyName),
    #[error("the key of the new epoch of {0} does not go to exactly its members")]
    EpochKey(AgencyName),
    #[error("two versions of agreement {0} claim the same place")]
    TwoVersions(Name),
}
