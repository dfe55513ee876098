//! The line to the hub: mutual TLS, typed calls, errors that say what to do.
//!
//! This and its submodules are the only places of the node that name tonic. Calls take and give
//! domain types. A [`HubClient`] is cheap to clone; the connection under it reconnects by itself,
//! and the loops that hold streams back off (see [`Backoff`]).

mod calls;
mod line;
mod tls;

use std::time::Duration;

use symbolon_core::crypto;
use thiserror::Error;

use self::line::Line;

pub use calls::{Answer, Delivered, Delivery, Foreign, Hint, Task};
pub use tls::{Credentials, connect, connect_for_enrolment};

/// A connected client.
#[derive(Clone)]
pub struct HubClient {
    line: Line,
}

/// Largest message either way; a batch of 10,000 rows takes 2.2 MiB.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Why the hub did not do what was asked.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HubError {
    #[error(
        "the hub at {address} cannot be reached: {reason}; check the network and that the hub runs, this node keeps trying while it serves"
    )]
    Unreachable { address: String, reason: String },
    #[error(
        "the hub did not accept this node: {0}; ask your administrator whether the certificate or the membership ended"
    )]
    NotAccepted(String),
    #[error("the hub refused: {0}")]
    Refused(String),
    #[error("the hub cannot do it now: {0}; it will be tried again")]
    Unavailable(String),
    #[error("the hub's roster moved on; fetch it and try again")]
    Stale,
    #[error("the mailbox of the recipient is full; the letter is kept and tried again")]
    MailboxFull,
    #[error(
        "the hub sent something that the protocol does not allow: {0}; tell your administrator"
    )]
    Protocol(&'static str),
    #[error("the certificate or key of this node cannot be used: {0}")]
    Credentials(String),
}

impl HubError {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Unavailable(_) | Self::MailboxFull
        )
    }
}

impl From<tonic::Status> for HubError {
    fn from(status: tonic::Status) -> Self {
        use tonic::Code;
        if let Some(reason) = told_by_alert(&status) {
            return Self::NotAccepted(reason.to_owned());
        }
        let message = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Self::NotAccepted(message),
            Code::Aborted => Self::Stale,
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal => Self::Unavailable(message),
            _ => Self::Refused(message),
        }
    }
}

/// Why TLS ended the connection. With TLS 1.3 a client hears of it with its first request; what the
/// transport keeps of the alert is its name in a text.
fn told_by_alert(status: &tonic::Status) -> Option<&'static str> {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text += &error.to_string();
        cause = error.source();
    }
    let (_, alert) = text.split_once("received fatal alert: ")?;
    let told = [
        (
            "CertificateExpired",
            "by the hub's clock, the certificate of this node is not good now; compare the clocks",
        ),
        (
            "CertificateRevoked",
            "the certificate of this node was revoked",
        ),
        ("AccessDenied", "this agency is not an active member"),
        ("", "the hub does not know the certificate of this node"),
    ];
    let found = told.iter().find(|(name, _)| alert.starts_with(name));
    found.map(|(_, words)| *words)
}

impl From<symbolon_proto::WireError> for HubError {
    fn from(_: symbolon_proto::WireError) -> Self {
        Self::Protocol("a malformed field")
    }
}

/// Exponential back-off with jitter, 0.2 s to 15 s.
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    const FIRST_MS: u64 = 200;
    const LAST_MS: u64 = 15_000;

    /// Starts at the shortest wait.
    pub fn new() -> Self {
        Self { attempt: 0 }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = Self::LAST_MS.min(Self::FIRST_MS << self.attempt.min(10));
        self.attempt += 1;
        // Half fixed, half random, so that nodes that lost the hub together do not return together.
        let random = crypto::random::<2>().map_or(0, u16::from_be_bytes);
        let jitter = ceiling / 2 * u64::from(random) / u64::from(u16::MAX);
        Duration::from_millis(ceiling / 2 + jitter)
    }

    /// Back to the shortest wait, after a success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}
