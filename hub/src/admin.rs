//! The administrator's side: signing changes with the approval key and bringing them to the hub.
//!
//! The roster that a change is built on is verified from the pinned genesis each time, so that a hub
//! cannot have an administrator sign over a roster of its own making.

mod agreements;
mod certificates;
mod roster;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use symbolon_core::agreement::AgreementError;
use symbolon_core::crypto::{CryptoError, SecretKey, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKind, AgencyName};
use symbolon_core::invitation::{Invitation, InvitationError};
use symbolon_core::log::Checkpoint;
use symbolon_core::roster::{Change, Quota, RosterError};
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};
use symbolon_proto::WireError;
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::membership::{CheckpointRequest, Member, MembersRequest};
use thiserror::Error;
use tokio::sync::OnceCell;
use tonic::transport::Channel;

pub use agreements::{AgreementExport, AgreementReport, EpochReport, ProposedAgreement};
pub use certificates::CertificateReport;
pub use roster::{Proposed, WaitingEntry};

use crate::client::{self, ClientCertificate, ClientError};
use crate::clock::{self, Clock};
use crate::files::{self, FileError};
use crate::founding::{APPROVAL_LABEL, AdminConfig};

/// Agreements of large consortia with their sealed keys.
const MAX_REPLY_BYTES: usize = 64 << 20;

/// Why an administrator's command was not carried out.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The directory lacks a file.
    #[error("{0}; was this directory made by `symbolon-hub init`?")]
    File(#[from] FileError),
    /// `admin.toml` is not what founding wrote.
    #[error("admin.toml cannot be read: {0}")]
    Config(String),
    /// The approval key stays closed.
    #[error("the approval key cannot be opened: {0}")]
    Unlock(#[from] SealedFileError),
    /// The command signs, and the key was not opened.
    #[error("this command needs the passphrase of the approval key")]
    Locked,
    /// A key or randomness failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// No connection.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The hub refused.
    #[error("the hub refused: {0}")]
    Refused(String),
    /// The hub's answer is not what the protocol allows.
    #[error("the hub's answer is malformed: {0}")]
    Answer(#[from] WireError),
    /// The hub's roster does not verify, or refuses the change.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The agreement is not allowed.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// No agreement of this name or digest.
    #[error("there is no {0}; `symbolon-hub admin agreement list` shows those there are")]
    NoAgreement(String),
    /// The invitation cannot be written.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// Nothing of this digest waits.
    #[error(
        "no single entry that waits for approvals begins with this digest; `symbolon-hub admin pending` lists them, and an entry is void once another was appended"
    )]
    NothingWaits,
    /// The hub shows another roster than before.
    #[error(
        "the hub shows another roster than before: entry {0} is not the one that was seen; do not go on, speak to the other administrators"
    )]
    OtherRoster(u64),
    /// The log's checkpoint is not signed by the key in the roster.
    #[error("the checkpoint is not signed by the log key in the roster: do not trust this hub")]
    Checkpoint,
}

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct MemberReport {
    pub agency: String,
    pub kind: String,
    pub title: String,
    pub standing: String,
    pub certificate_serials: Vec<String>,
    pub certificate_expires_at: i64,
    pub last_seen_at: i64,
    pub connected: bool,
    pub custodian_index: u32,
    pub live_rows: u64,
}

/// The hub's signed checkpoint, verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointReport {
    /// Entries.
    pub size: u64,
    /// Merkle tree hash.
    pub root: Digest,
    /// The signed note as it came.
    pub note: String,
}

/// An administrator with a directory that founding made.
pub struct Admin {
    dir: PathBuf,
    config: AdminConfig,
    root_pem: String,
    chain_pem: String,
    key_pem: zeroize::Zeroizing<String>,
    approval: Option<SigningKey>,
    clock: Arc<dyn Clock>,
    channel: OnceCell<Channel>,
}

impl Admin {
    /// Opens the directory and the approval key.
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Self, AdminError> {
        let mut admin = Self::open_read_only(dir)?;
        let sealed = files::read(&dir.join("approval.key"))?;
        let seed = sealed_file::open(unlock, APPROVAL_LABEL, &sealed)?;
        let seed = SecretKey::try_from(seed.as_slice())?;
        admin.approval = Some(SigningKey::from_seed(seed)?);
        Ok(admin)
    }

    /// Opens the directory for commands that sign nothing.
    pub fn open_read_only(dir: &Path) -> Result<Self, AdminError> {
        let text = files::read_text(&dir.join("admin.toml"))?;
        let config =
            toml::from_str(&text).map_err(|error| AdminError::Config(error.to_string()))?;
        let tls = dir.join("tls");
        Ok(Self {
            dir: dir.to_owned(),
            config,
            root_pem: files::read_text(&tls.join("root.pem"))?,
            chain_pem: files::read_text(&tls.join("admin.pem"))?,
            key_pem: files::read_text(&tls.join("admin.key"))?.into(),
            approval: None,
            clock: clock::system(),
            channel: OnceCell::new(),
        })
    }

    /// Takes the time from elsewhere.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Connects, and invites, to other addresses than those in `admin.toml`.
    #[must_use]
    pub fn with_addresses(mut self, hub: String, enrolment: String) -> Self {
        self.config.hub = hub;
        self.config.enrolment = enrolment;
        self
    }

    /// What `admin.toml` says.
    pub fn config(&self) -> &AdminConfig {
        &self.config
    }

    /// The digest that the roster is verified from, which agreements name as their consortium.
    pub fn genesis(&self) -> Digest {
        self.config.genesis
    }

    /// Invites an agency for `ttl_s` seconds, with so many evaluations; the text is a secret on its way to it.
    pub async fn invite(
        &self,
        agency: AgencyName,
        kind: AgencyKind,
        title: &str,
        ttl_s: i64,
        quota: Quota,
    ) -> Result<(String, Proposed), AdminError> {
        let expires_at = self.clock.now().saturating_add(ttl_s);
        let key = SigningKey::random()?;
        let change = Change::Invite {
            agency: agency.clone(),
            kind,
            title: title.to_owned(),
            invitation_key: key.verifying_key(),
            expires_at,
            quota,
        };
        let invitation = Invitation::new(
            self.config.consortium.clone(),
            agency,
            self.config.hub.clone(),
            self.config.enrolment.clone(),
            self.root_der()?,
            self.config.genesis,
            expires_at,
            &key,
        );
        let text = invitation.to_text()?;
        let proposed = self.propose(change).await?;
        Ok((text, proposed))
    }

    /// Appoints the custodians of a new key; gives the custody epoch and what became of the entry.
    pub async fn appoint_custodians(
        &self,
        threshold: u16,
        custodians: Vec<AgencyName>,
    ) -> Result<(u32, Proposed), AdminError> {
        let roster = self.roster().await?;
        let epoch = roster
            .custody
            .as_ref()
            .map_or(1, |custody| custody.epoch + 1);
        let change = Change::Custodians {
            epoch,
            threshold,
            custodians,
        };
        let proposed = self.propose_to(&roster, change).await?;
        Ok((epoch, proposed))
    }

    /// Every agency that was ever invited.
    pub async fn members(&self) -> Result<Vec<MemberReport>, AdminError> {
        let mut hub = self.hub().await?;
        let reply = hub.members(MembersRequest {}).await.map_err(refused)?;
        Ok(reply.into_inner().members.into_iter().map(report).collect())
    }

    /// The log's checkpoint, verified with the key in the roster.
    pub async fn checkpoint(&self) -> Result<CheckpointReport, AdminError> {
        let roster = self.roster().await?;
        let mut hub = self.hub().await?;
        let reply = hub.checkpoint(CheckpointRequest {}).await;
        let note = reply.map_err(refused)?.into_inner().note;
        let origin = format!("symbolon/{}", roster.consortium);
        let checkpoint = Checkpoint::verify(&note, &origin, &roster.log_key);
        let Checkpoint { size, root, .. } = checkpoint.ok_or(AdminError::Checkpoint)?;
        Ok(CheckpointReport { size, root, note })
    }

    async fn hub(&self) -> Result<MembershipClient<Channel>, AdminError> {
        let channel = self.channel().await?;
        Ok(MembershipClient::new(channel).max_decoding_message_size(MAX_REPLY_BYTES))
    }

    async fn channel(&self) -> Result<Channel, AdminError> {
        let certificate = ClientCertificate {
            chain_pem: &self.chain_pem,
            key_pem: &self.key_pem,
        };
        let connect = || async {
            let config = client::tls_config(&self.root_pem, Some(certificate))?;
            client::connect(&self.config.hub, config).await
        };
        Ok(self.channel.get_or_try_init(connect).await?.clone())
    }

    fn approval(&self) -> Result<&SigningKey, AdminError> {
        self.approval.as_ref().ok_or(AdminError::Locked)
    }

    fn root_der(&self) -> Result<Vec<u8>, AdminError> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let root = CertificateDer::from_pem_slice(self.root_pem.as_bytes());
        let root = root.map_err(|error| ClientError::Material(error.to_string()))?;
        Ok(root.to_vec())
    }
}

fn report(member: Member) -> MemberReport {
    let Member {
        agency,
        kind,
        title,
        standing,
        certificate_serials,
        certificate_expires_at,
        last_seen_at,
        connected,
        custodian_index,
        live_rows,
    } = member;
    MemberReport {
        agency,
        kind,
        title,
        standing,
        certificate_serials,
        certificate_expires_at,
        last_seen_at,
        connected,
        custodian_index,
        live_rows,
    }
}

fn refused(status: tonic::Status) -> AdminError {
    AdminError::Refused(status.message().to_owned())
}
