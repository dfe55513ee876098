//! What a custodian's people can ask of it: how it stands, its ledger, refresh, repair, backup.

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use symbolon_core::oprf::threshold::{CustodyKey, KeyShare};
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};
use zeroize::Zeroizing;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{Blob, Secret, StoredShare};

const BACKUP_LABEL: &str = "symbolon custody share backup";

/// A command about custody.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CustodyCommand {
    /// How custody stands.
    Status,
    /// The ledger of evaluations.
    Log {
        /// How many of the newest lines.
        newest: u64,
    },
    /// New shares of the same key.
    Refresh,
    /// Our lost share, made again by others.
    Repair,
    /// Our share, sealed under a passphrase.
    Backup {
        /// UTF-8.
        passphrase: Secret,
    },
    /// A share from a backup.
    Restore {
        /// What `Backup` gave.
        sealed: Blob,
        /// UTF-8.
        passphrase: Secret,
    },
}

impl CustodyCommand {
    /// Its word on the control socket.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Log { .. } => "log",
            Self::Refresh => "refresh",
            Self::Repair => "repair",
            Self::Backup { .. } => "backup",
            Self::Restore { .. } => "restore",
        }
    }
}

/// How custody stands, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyStatus {
    /// Custody epoch; 0 if nobody was appointed.
    pub epoch: u32,
    /// Generation of the shares that every custodian has stated; `None` if there is no key yet.
    pub generation: Option<u32>,
    /// Custodians needed to evaluate.
    pub threshold: u16,
    /// In order of share index.
    pub custodians: Vec<String>,
    /// Our share index, if we are one of them.
    pub own_index: Option<u16>,
    /// `held`, `lost`, `being made` or `none`.
    pub own_share: String,
    /// Generation that is being made, if one is.
    pub refreshing: Option<u32>,
    /// Why there is no key, or what went wrong last.
    pub problem: Option<String>,
    /// The custody epoch before, while rows are made anew under this one.
    pub replaces: Option<u32>,
    /// Rows of this node that are made under the present epoch and registered.
    pub rows_made: u64,
    /// Rows of this node that still have to be.
    pub rows_to_make: u64,
    /// Members whose rows are not yet all made anew.
    pub waiting_for: Vec<String>,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// From 0, without gaps.
    pub number: u64,
    /// RFC 3339.
    pub at: String,
    /// Who asked.
    pub agency: String,
    /// Elements evaluated.
    pub elements: u64,
    /// Custody epoch.
    pub epoch: u32,
    /// Generation of the shares.
    pub generation: u32,
}

/// What a refresh, a repair or a restoration began or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyReport {
    /// For a person.
    pub done: String,
}

/// A sealed share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Custody epoch.
    pub epoch: u32,
    /// Generation.
    pub generation: u32,
    /// Share index.
    pub index: u16,
    /// To be kept in a file.
    pub sealed: Blob,
}

/// What is sealed in a backup.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    genesis: Digest,
    agency: Name,
    epoch: u32,
    generation: u32,
    share: StoredShare,
}

impl Node {
    /// Carries out a command about custody.
    pub async fn custody(&self, command: CustodyCommand) -> Result<serde_json::Value, NodeError> {
        match command {
            CustodyCommand::Status => report(&self.custody_status().await?),
            CustodyCommand::Log { newest } => report(&self.custody_log(newest)?),
            CustodyCommand::Refresh => report(&self.custody_refresh().await?),
            CustodyCommand::Repair => report(&self.custody_repair().await?),
            CustodyCommand::Backup { passphrase } => report(&self.custody_backup(&passphrase)?),
            CustodyCommand::Restore { sealed, passphrase } => {
                report(&self.custody_restore(&sealed, &passphrase).await?)
            }
        }
    }

    /// How custody stands, after a word with the hub if it can be reached.
    pub async fn custody_status(&self) -> Result<CustodyStatus, NodeError> {
        if let Ok(hub) = self.hub().await {
            self.sync_membership(&hub).await?;
        }
        let (custody, missing) =
            self.membership(|m| (m.roster.custody.clone(), m.custody_missing.clone()));
        let epoch = custody.as_ref().map_or(0, |custody| custody.epoch);
        let agreed = self.agreed(epoch);
        let own_index = custody
            .as_ref()
            .and_then(|custody| custody.index_of(&self.identity.agency));
        let mut refreshing = None;
        for entry in self.tables.runs.iter() {
            let ((of, generation), _) = entry?;
            if of == epoch && generation > 0 {
                refreshing = refreshing.max(Some(generation));
            }
        }
        let held = match &agreed {
            Some(agreed) => self.tables.shares.contains(&(epoch, agreed.generation))?,
            None => self.newest_share(epoch)?.is_some(),
        };
        let own_share = match (own_index, held, &agreed) {
            (None, _, _) => "none",
            (_, true, _) => "held",
            (_, false, Some(_)) => "lost",
            (_, false, None) => "being made",
        };
        let fault = self.custody_fault.lock();
        let fault = fault.unwrap_or_else(std::sync::PoisonError::into_inner);
        let problem = fault.clone().or(missing);
        drop(fault);
        let progress = self.replacement()?;
        Ok(CustodyStatus {
            epoch,
            generation: agreed.map(|agreed| agreed.generation),
            threshold: custody.as_ref().map_or(0, |custody| custody.threshold),
            custodians: custody
                .iter()
                .flat_map(|custody| custody.custodians.iter().map(Name::to_string))
                .collect(),
            own_index,
            own_share: own_share.to_owned(),
            refreshing,
            problem,
            replaces: progress.replaces,
            rows_made: progress.made,
            rows_to_make: progress.to_make,
            waiting_for: progress.waiting_for,
        })
    }

    /// The newest lines of the ledger, oldest first.
    pub fn custody_log(&self, newest: u64) -> Result<Vec<LedgerView>, NodeError> {
        let lines = self.gate.ledger(&self.tables, newest)?;
        let view = |(number, entry): (u64, crate::custodian::gate::LedgerEntry)| LedgerView {
            number,
            at: rfc3339(entry.at),
            agency: entry.requester.to_string(),
            elements: entry.elements,
            epoch: entry.epoch,
            generation: entry.generation,
        };
        Ok(lines.into_iter().map(view).collect())
    }

    async fn custody_refresh(&self) -> Result<CustodyReport, NodeError> {
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let generation = self.begin_refresh()?;
        self.send_now(&hub).await?;
        Ok(CustodyReport {
            done: format!(
                "The refresh to generation {generation} has begun. It is done when every custodian has stated its new share; until then the old ones answer. Tokens stay as they are."
            ),
        })
    }

    async fn custody_repair(&self) -> Result<CustodyReport, NodeError> {
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        let helpers = self.begin_repair(&hub).await?;
        self.send_now(&hub).await?;
        let helpers: Vec<&str> = helpers.iter().map(Name::as_str).collect();
        Ok(CustodyReport {
            done: format!(
                "Asked {} to make the share again. It comes by itself while this node serves, and is taken only if it fits its public share.",
                helpers.join(", ")
            ),
        })
    }

    /// Without `serve` nobody else would send what was posted.
    async fn send_now(&self, hub: &crate::hub_client::HubClient) -> Result<(), NodeError> {
        if self.serving.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(());
        }
        self.empty_outbox(hub).await.map(|_| ())
    }

    /// Our newest share, sealed under a passphrase.
    pub fn custody_backup(&self, passphrase: &Secret) -> Result<BackupReport, NodeError> {
        let none = || NodeError::Request("this node holds no share of the present key".into());
        let (custody, index) = self.own_custody().ok_or_else(none)?;
        let (generation, share) = self.newest_share(custody.epoch)?.ok_or_else(none)?;
        let backup = Backup {
            genesis: self.identity.genesis,
            agency: self.identity.agency.clone(),
            epoch: custody.epoch,
            generation,
            share,
        };
        let plain = serde_json::to_vec(&backup)
            .map_err(|_| NodeError::Internal("a share cannot be serialised"))?;
        let plain = Zeroizing::new(plain);
        let sealed = sealed_file::seal(&passphrase_of(passphrase)?, BACKUP_LABEL, &plain)
            .map_err(backup_error)?;
        Ok(BackupReport {
            epoch: custody.epoch,
            generation,
            index,
            sealed: Blob(sealed),
        })
    }

    async fn custody_restore(
        &self,
        sealed: &Blob,
        passphrase: &Secret,
    ) -> Result<CustodyReport, NodeError> {
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        self.take_backup(sealed, passphrase)
    }

    /// Takes the share of a backup, if it is ours and fits the key that the custodians state now.
    pub(crate) fn take_backup(
        &self,
        sealed: &Blob,
        passphrase: &Secret,
    ) -> Result<CustodyReport, NodeError> {
        let refuse = |reason: String| Err(NodeError::Request(reason));
        let plain = sealed_file::open(&passphrase_of(passphrase)?, BACKUP_LABEL, &sealed.0)
            .map_err(backup_error)?;
        let backup: Backup = serde_json::from_slice(&plain)
            .map_err(|_| NodeError::Request("the backup was written by another version".into()))?;
        let Backup {
            genesis,
            agency,
            epoch,
            generation,
            share,
        } = backup;
        if genesis != self.identity.genesis || agency != self.identity.agency {
            return refuse(format!(
                "the backup is of {agency}, in this consortium or another; it is not this node's"
            ));
        }
        let present = self.own_custody();
        let Some((custody, index)) = present.filter(|(custody, _)| custody.epoch == epoch) else {
            return refuse(format!(
                "the backup is of custody epoch {epoch}, which is not the present one; it would answer nobody"
            ));
        };
        let Some(agreed) = self.agreed(epoch) else {
            return refuse(
                "the custodians' statements of the key are not all there; try again when they are"
                    .into(),
            );
        };
        if generation != agreed.generation {
            return refuse(format!(
                "the backup holds generation {generation} of the shares, the custodians use {}: use `symbolon-node custody repair` instead",
                agreed.generation
            ));
        }
        let secret = KeyShare::from_bytes(index, &share.secret.0)?;
        if !fits(&secret, &share, &agreed.key) {
            return refuse(
                "the share in the backup does not fit its public share; it was not taken".into(),
            );
        }
        let place = (custody.epoch, generation);
        if self.tables.shares.contains(&place)? {
            return refuse("this node has its share; nothing was changed".into());
        }
        let stored = StoredShare {
            transcript: agreed.transcript,
            key: agreed.key,
            ..share
        };
        self.tables.shares.put(&place, &stored)?;
        self.vault.flush()?;
        self.share_made.notify_one();
        Ok(CustodyReport {
            done: format!(
                "Share {index} of custody epoch {epoch}, generation {generation}, is back and fits its public share."
            ),
        })
    }
}

fn fits(secret: &KeyShare, share: &StoredShare, key: &CustodyKey) -> bool {
    share.index == secret.index() && secret.fits(key)
}

fn passphrase_of(passphrase: &Secret) -> Result<Unlock, NodeError> {
    let text = std::str::from_utf8(&passphrase.0)
        .map_err(|_| NodeError::Request("the passphrase is not text".into()))?;
    Ok(Unlock::Passphrase(Zeroizing::new(text.to_owned())))
}

fn backup_error(error: SealedFileError) -> NodeError {
    NodeError::Request(format!("the backup cannot be used: {error}"))
}

fn report<T: Serialize>(value: &T) -> Result<serde_json::Value, NodeError> {
    serde_json::to_value(value).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
