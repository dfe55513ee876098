//! What can go wrong at a node, as its people read it: what, where, and what to do next.

use std::path::PathBuf;

use symbolon_core::agreement::AgreementError;
use symbolon_core::crypto::CryptoError;
use symbolon_core::custody::CustodyError;
use symbolon_core::envelope::EnvelopeError;
use symbolon_core::oprf::OprfError;
use symbolon_core::oprf::dkg::DkgError;
use symbolon_core::payload::PayloadError;
use symbolon_core::roster::RosterError;
use thiserror::Error;

use crate::hub_client::HubError;

/// Any failure of the engine.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum NodeError {
    #[error("{0} holds no enrolled node; run `symbolon-node enrol` with your invitation first")]
    NotEnrolled(PathBuf),
    #[error(
        "{0} already holds an enrolled node of another agency or consortium than the invitation's; choose another directory with --state"
    )]
    AlreadyEnrolled(PathBuf),
    #[error(
        "the certificate of this node is good from {from} to {until}, and by this machine's clock it is {now}; if the clock is right, ask your administrator for a fresh invitation and run `symbolon-node enrol` with it: records and keys stay"
    )]
    CertificateOutOfTime {
        from: String,
        until: String,
        now: String,
    },
    #[error(
        "wrong passphrase or key file for the vault in {0}; nothing was changed, try again (there is no way to recover a lost passphrase)"
    )]
    WrongPassphrase(PathBuf),
    #[error("the vault in {path} was sealed with a {way}; unlock it the same way")]
    OtherUnlock { path: PathBuf, way: &'static str },
    #[error(
        "another symbolon-node (process {process}) already uses {path}; stop it first, or leave it and use its commands"
    )]
    InUse { path: PathBuf, process: String },
    #[error(
        "the vault in {path} cannot be used: {reason}; if the disk is full free some space, if it is damaged restore your backup of the directory"
    )]
    Vault { path: PathBuf, reason: String },
    #[error("cannot use {path}: {source}{}", advice(source))]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "cannot answer for health on {address}: {source}; change `health_listen` in node.toml, or stop what listens there"
    )]
    HealthListen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    Traces(#[from] symbolon_traces::TracesError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Invitation(#[from] symbolon_core::invitation::InvitationError),
    #[error("the hub's roster is refused: {0}; do not go on, tell your administrator")]
    Roster(#[from] RosterError),
    #[error("the agreement is refused: {0}; tell your administrator")]
    Agreement(#[from] AgreementError),
    #[error("{0}")]
    Custody(#[from] CustodyError),
    #[error("key generation failed: {0}; tell your administrator")]
    Dkg(#[from] DkgError),
    #[error("the evaluation is refused: {0}")]
    Oprf(#[from] OprfError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error(transparent)]
    Csv(#[from] crate::csv_file::CsvError),
    #[error(
        "cannot use the nicknames in {path}: {reason}; a line has a name and its nicknames, separated by spaces; correct it, or take `nicknames` out of node.toml"
    )]
    Nicknames { path: PathBuf, reason: String },
    #[error("private comparison: {0}")]
    Comparison(#[from] symbolon_core::comparison::ComparisonError),
    #[error("repair of the share failed: {0}")]
    Repair(#[from] symbolon_core::oprf::repair::RepairError),
    /// A custodian evaluates no more for us for a while.
    #[error("{}", over_quota(custodian, *retry_at))]
    OverQuota {
        custodian: symbolon_core::identity::AgencyName,
        /// Unix seconds; `None` if the quota as it is never allows it.
        retry_at: Option<i64>,
    },
    /// Work that goes on by itself once the reason is gone.
    #[error("{0}")]
    Waiting(String),
    #[error(transparent)]
    NotPermitted(#[from] symbolon_casework::acting::NotPermitted),
    #[error(transparent)]
    NotSaid(#[from] symbolon_casework::acting::NotSaid),
    #[error("nobody is signed in here; sign in with: symbolon-node login NAME")]
    NotSignedIn,
    #[error(
        "the session has ended: {} minutes without use, {} hours in all, or an administrator ended it; sign in again with: symbolon-node login NAME",
        symbolon_casework::accounts::IDLE_S / 60,
        symbolon_casework::accounts::LONGEST_SESSION_S / 3600
    )]
    SessionOver,
    #[error(
        "an administrator set the password of {0}; choose one that only you know first: symbolon-node account password"
    )]
    PasswordNotOwn(symbolon_core::identity::Name),
    /// One message for every reason, so that it tells nobody which names there are.
    #[error(
        "not signed in: the name or the password is wrong, or the account is disabled, or locked for a while after wrong passwords; an administrator sees which with `symbolon-node account list`"
    )]
    SignInRefused,
    #[error(transparent)]
    Account(#[from] symbolon_casework::accounts::AccountError),
    #[error("{0}; nothing was changed")]
    Password(#[from] symbolon_casework::password::PasswordError),
    #[error(
        "the audit log does not hold together: {0}; somebody changed the vault past this program, or the disk is damaged. Keep a copy of the state directory as it is, and tell whoever answers for data protection"
    )]
    AuditChain(#[from] symbolon_casework::chain::ChainFault),
    #[error("`{0}` stands in no rule of who may do what, and is not carried out; tell the makers")]
    NoRule(String),
    /// A wrong request of the person, with what to do.
    #[error("{0}")]
    Request(String),
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// What to do about an error of the operating system, to be put behind its words.
pub fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "; free disk space and try again, nothing was lost",
        PermissionDenied | ReadOnlyFilesystem => {
            "; check who owns the directory and may write there"
        }
        _ => "",
    }
}

fn over_quota(custodian: &symbolon_core::identity::AgencyName, retry_at: Option<i64>) -> String {
    match retry_at {
        Some(at) => format!(
            "the quota of this agency at custodian {custodian} is used up until {}; the keys wait and go on by themselves then",
            crate::clock::rfc3339(at)
        ),
        None => format!(
            "the quota of this agency at custodian {custodian} is used up and no time fills it; ask your administrator for a larger one, the keys wait"
        ),
    }
}

impl From<NodeError> for crate::control::CommandError {
    fn from(error: NodeError) -> Self {
        Self::new(error.to_string())
    }
}
