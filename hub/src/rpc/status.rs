//! Domain errors as gRPC statuses: the one place that builds a `Status`.
//!
//! A peer learns what it can act on and nothing about others; the log gets the detail. Unexpected
//! failures of the store are all "unavailable": nothing was acknowledged, and trying again is right.

use std::time::Duration;

use symbolon_proto::{RETRY_HINT, WireError};
use tonic::Status;
use tonic::metadata::MetadataValue;
use tracing::{error, info, warn};

use crate::caller::NotAllowed;
use crate::certificates::{CertificateError, CertificatesError, Peer};
use crate::custody::CustodyError;
use crate::enrolment::EnrolmentError;
use crate::mailbox::MailboxError;
use crate::matching::MatchingError;
use crate::membership::{MembershipError, NotAdmitted};
use crate::store::StoreError;

/// A batch of evaluations takes a custodian about this long.
const BUSY: Duration = Duration::from_millis(100);

/// A request without a member behind it.
pub fn nobody() -> Status {
    Status::unauthenticated("no member is behind this connection")
}

/// A certificate that opens nothing.
pub fn not_admitted(peer: &Peer, reason: NotAdmitted) -> Status {
    warn!(subject = %peer.subject, serial = %peer.serial, %reason, "a request was not admitted");
    Status::permission_denied("the certificate is not accepted")
}

/// A caller that has to wait. The hint is that of gRPC's retry design (gRFC A6): milliseconds from now on.
pub fn too_fast(wait: Duration) -> Status {
    later("too many calls; come again later", wait)
}

fn later(reason: &str, wait: Duration) -> Status {
    let mut status = Status::resource_exhausted(reason);
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let hint = MetadataValue::from(millis.saturating_add(1));
    status.metadata_mut().insert(RETRY_HINT, hint);
    status
}

/// Bytes that are not what the protocol allows.
pub fn malformed(error: &WireError) -> Status {
    info!(%error, "a request was malformed");
    Status::invalid_argument(error.to_string())
}

fn not_allowed(error: NotAllowed) -> Status {
    Status::permission_denied(error.to_string())
}

/// The store's refusals.
pub fn store(error: &StoreError) -> Status {
    match error {
        StoreError::Conflict => Status::aborted("roster moved on"),
        StoreError::MailboxFull(member) => {
            warn!(%member, "a mailbox is full");
            Status::resource_exhausted("a mailbox is full; try again later")
        }
        StoreError::TooManyNotices(_) => {
            Status::resource_exhausted("the batch makes too many notices; send smaller ones")
        }
        StoreError::CursorAhead(_) => Status::failed_precondition("cursor ahead"),
        StoreError::Damaged { .. }
        | StoreError::Unavailable { .. }
        | StoreError::Newer { .. }
        | StoreError::HalfMigrated { .. }
        | StoreError::CutOff => {
            error!(%error, "the store failed");
            Status::unavailable("unavailable")
        }
    }
}

impl From<MatchingError> for Status {
    fn from(error: MatchingError) -> Self {
        match error {
            MatchingError::NotAllowed(error) => not_allowed(error),
            MatchingError::Store(error) => store(&error),
            refused @ (MatchingError::TooMany { .. }
            | MatchingError::NoAgreement { .. }
            | MatchingError::Expiry { .. }) => {
                info!(error = %refused, "a batch was refused");
                Status::invalid_argument(refused.to_string())
            }
        }
    }
}

impl From<MailboxError> for Status {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::NotAllowed(error) => not_allowed(error),
            MailboxError::Store(error) => store(&error),
            refused @ (MailboxError::OtherSender | MailboxError::BadSignature) => {
                warn!(error = %refused, "an envelope was refused");
                Status::permission_denied(refused.to_string())
            }
            refused @ MailboxError::UnknownRecipient => Status::not_found(refused.to_string()),
            refused @ MailboxError::TooLarge => Status::invalid_argument(refused.to_string()),
        }
    }
}

impl From<MembershipError> for Status {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::NotAllowed(error) => not_allowed(error),
            MembershipError::Store(error) => store(&error),
            MembershipError::Roster(
                refused @ symbolon_core::roster::RosterError::BrokenChain { .. },
            ) => {
                info!(error = %refused, "a roster entry came too late");
                Status::aborted("roster moved on")
            }
            MembershipError::Unknown(_) => Status::not_found("there is no such agreement"),
            MembershipError::TooMany | MembershipError::TooManyWaiting => {
                Status::resource_exhausted(error.to_string())
            }
            MembershipError::OtherConsortium | MembershipError::Rewritten => {
                error!(%error, "membership is inconsistent");
                Status::unavailable("unavailable")
            }
            // What administrators and members sign is theirs to see: the reason goes back to them.
            refused @ (MembershipError::Roster(_)
            | MembershipError::Agreement(_)
            | MembershipError::Enrolment
            | MembershipError::Closed
            | MembershipError::AcceptedOtherwise(_)) => {
                info!(error = %refused, "a change of membership was refused");
                Status::failed_precondition(refused.to_string())
            }
        }
    }
}

impl From<EnrolmentError> for Status {
    fn from(error: EnrolmentError) -> Self {
        warn!(%error, "an enrolment was refused");
        match error {
            EnrolmentError::Unknown => Status::permission_denied("invitation unknown"),
            EnrolmentError::Expired => Status::permission_denied("invitation expired"),
            EnrolmentError::Used => Status::permission_denied("invitation already used"),
            EnrolmentError::MovedOn => Status::aborted("roster moved on"),
            EnrolmentError::NotAnEnrolment | EnrolmentError::Roster(_) => {
                Status::invalid_argument("the entry is not a valid enrolment")
            }
            EnrolmentError::Certificate(error) => certificate(&error),
            EnrolmentError::Store(error) => store(&error),
        }
    }
}

fn certificate(error: &CertificateError) -> Status {
    match error {
        CertificateError::IssuerExpired
        | CertificateError::Make(_)
        | CertificateError::Crypto(_) => {
            error!(%error, "no certificate can be issued");
            Status::unavailable("unavailable")
        }
        _ => Status::invalid_argument("the certificate request is not valid"),
    }
}

impl From<CertificatesError> for Status {
    fn from(error: CertificatesError) -> Self {
        match error {
            CertificatesError::NotAllowed(error) => not_allowed(error),
            CertificatesError::Store(error) => store(&error),
            CertificatesError::Certificate(error) => {
                warn!(%error, "a certificate was not renewed");
                certificate(&error)
            }
            refused @ CertificatesError::TooMany(_) => {
                warn!(error = %refused, "a certificate was not renewed");
                Status::resource_exhausted("there are too many certificates of this agency")
            }
            refused @ CertificatesError::Unknown(_) => Status::not_found(refused.to_string()),
            refused @ CertificatesError::Reason => Status::invalid_argument(refused.to_string()),
            CertificatesError::File(_) | CertificatesError::Tls(_) => {
                error!(%error, "the list of revoked certificates could not be published");
                Status::unavailable("unavailable")
            }
        }
    }
}

impl From<CustodyError> for Status {
    fn from(error: CustodyError) -> Self {
        match error {
            CustodyError::NotAllowed(error) => not_allowed(error),
            CustodyError::Store(error) => store(&error),
            CustodyError::NotACustodian(_) => Status::permission_denied(error.to_string()),
            CustodyError::NotConnected(_) | CustodyError::Late(_) => {
                Status::unavailable(error.to_string())
            }
            CustodyError::Busy(_) => {
                later("too many evaluations are under way; try again later", BUSY)
            }
            CustodyError::Malformed => Status::invalid_argument(error.to_string()),
            CustodyError::StatedOtherwise(_) => {
                warn!(%error, "a custody statement was refused");
                Status::failed_precondition(error.to_string())
            }
        }
    }
}
