//! A running hub: it opens the state directory, listens, sweeps, and ends in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::crypto::{CryptoError, SecretKey, SigningKey};
use symbolon_core::roster::SignedEntry;
use thiserror::Error;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::certificates::{Authority, CertificateError};
use crate::clock::Clock;
use crate::config::{ConfigError, HubConfig};
use crate::custody::{Custody, Relay};
use crate::enrolment::Enrolment;
use crate::files::{self, FileError};
use crate::listener::{self, Intake, Observer};
use crate::lock::{LockError, StateLock};
use crate::mailbox::{Lines, Mailbox};
use crate::matching::Matching;
use crate::membership::{Directory, MembershipError};
use crate::rpc;
use crate::store::fjall::FjallStore;
use crate::store::{Store, StoreError, blocking};
use crate::tls::{Credentials, TlsError};

/// What is still under way when the hub is told to stop gets this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Why a hub does not start, or ended in disorder.
#[derive(Debug, Error)]
pub enum HubError {
    /// Something else has the address.
    #[error("{0}")]
    Listen(String),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the state directory is missing or cannot be read.
    #[error("{0}; was this directory made by `symbolon-hub init`?")]
    File(#[from] FileError),
    /// A file of the state directory is not what it must be.
    #[error("{} is not what `symbolon-hub init` wrote; restore it from the backup", .0.display())]
    Malformed(PathBuf),
    /// Another process serves the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The issuing certificate or key cannot be used.
    #[error("issuer.pem or issuer.key cannot be used: {0}")]
    Issuer(#[from] CertificateError),
    /// The log's key cannot be used.
    #[error("log.key cannot be used: {0}")]
    LogKey(#[from] CryptoError),
    /// The stored roster does not verify.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server ended by itself.
    #[error("the server stopped: {0}")]
    Transport(String),
}

/// A hub that can be started.
pub struct Hub;

/// A hub at work.
pub struct RunningHub {
    /// Where members connect.
    pub listen: SocketAddr,
    /// Where invitations are redeemed.
    pub enrolment: SocketAddr,
    /// The join, for sweeping out expired rows at a moment of one's own choosing.
    pub matching: Arc<Matching>,
    state_dir: PathBuf,
    credentials: Arc<Credentials>,
    shutdown: CancellationToken,
    ended: CancellationToken,
    tasks: Vec<JoinHandle<Result<(), String>>>,
    lock: StateLock,
}

/// What `init` put in the state directory.
struct Founded {
    genesis: SignedEntry,
    administrators: Vec<crate::membership::AdministratorCertificate>,
    authority: Authority,
    log_key: SigningKey,
    credentials: Arc<Credentials>,
}

impl Founded {
    fn read(dir: &Path) -> Result<Self, HubError> {
        let genesis = json(&dir.join("roster").join("genesis.json"))?;
        let administrators = json(&dir.join("tls").join("administrators.json"))?;
        let issuer = files::read_text(&dir.join("tls").join("issuer.pem"))?;
        let key = files::read_text(&dir.join("tls").join("issuer.key"))?;
        let key = zeroize::Zeroizing::new(key);
        let seed = zeroize::Zeroizing::new(files::read(&dir.join("log.key"))?);
        Ok(Self {
            genesis,
            administrators,
            authority: Authority::from_pem(&issuer, &key)?,
            log_key: SigningKey::from_seed(SecretKey::try_from(seed.as_slice())?)?,
            credentials: Credentials::load(&dir.join("tls"))?,
        })
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, HubError> {
    let bytes = files::read(path)?;
    serde_json::from_slice(&bytes).map_err(|_| HubError::Malformed(path.to_owned()))
}

/// The domain of a running hub.
struct Services {
    directory: Arc<Directory>,
    enrolment: Arc<Enrolment>,
    matching: Arc<Matching>,
    mailbox: Arc<Mailbox>,
    custody: Arc<Custody>,
}

impl Services {
    fn open(
        state_dir: &Path,
        config: &HubConfig,
        founded: Founded,
        clock: &Arc<dyn Clock>,
        shutdown: &CancellationToken,
    ) -> Result<Self, HubError> {
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(&state_dir.join("store"))?);
        let lines = Arc::new(Lines::new(Arc::clone(clock)));
        let directory = Arc::new(Directory::open(
            Arc::clone(&store),
            Arc::clone(clock),
            Arc::clone(&lines),
            &founded.genesis,
            founded.administrators,
        )?);
        let limits = &config.limits;
        Ok(Self {
            enrolment: Arc::new(Enrolment {
                store: Arc::clone(&store),
                directory: Arc::clone(&directory),
                authority: Arc::new(founded.authority),
                clock: Arc::clone(clock),
                leaf_days: config.leaf_days,
            }),
            matching: Arc::new(Matching {
                store: Arc::clone(&store),
                directory: Arc::clone(&directory),
                lines: Arc::clone(&lines),
                clock: Arc::clone(clock),
                limits: limits.clone(),
                under_way: RwLock::default(),
            }),
            mailbox: Arc::new(Mailbox {
                store: Arc::clone(&store),
                directory: Arc::clone(&directory),
                lines: Arc::clone(&lines),
                clock: Arc::clone(clock),
                max_items: limits.mailbox_max_items,
                max_envelope_bytes: limits.max_envelope_bytes,
                shutdown: shutdown.clone(),
            }),
            custody: Arc::new(Custody {
                store,
                directory: Arc::clone(&directory),
                lines,
                clock: Arc::clone(clock),
                timeout: Duration::from_secs(limits.evaluate_timeout_s),
                in_flight_per_custodian: limits.in_flight_per_custodian,
                in_flight_per_agency: limits.in_flight_per_agency,
                shutdown: shutdown.clone(),
                relay: Arc::new(Relay::default()),
            }),
            directory,
        })
    }
}

impl Hub {
    /// Starts a hub on a directory that founding made. It serves until `shutdown` is cancelled.
    pub async fn start(
        state_dir: &Path,
        config: HubConfig,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Result<RunningHub, HubError> {
        Self::start_observed(state_dir, config, clock, shutdown, None).await
    }

    /// The same, with somebody who sees every byte that members send.
    pub async fn start_observed(
        state_dir: &Path,
        config: HubConfig,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
        observer: Option<Observer>,
    ) -> Result<RunningHub, HubError> {
        config.check()?;
        let founded = Founded::read(state_dir)?;
        let lock = StateLock::take(state_dir)?;
        let main = listener::bind(&config.listen, "listen").await;
        let main = main.map_err(HubError::Listen)?;
        let enrolment = listener::bind(&config.enrolment_listen, "enrolment_listen").await;
        let enrolment = enrolment.map_err(HubError::Listen)?;
        let address = |bound: &tokio::net::TcpListener| {
            let found = bound.local_addr();
            found.map_err(|error| HubError::Listen(error.to_string()))
        };
        let (listen, enrolment_address) = (address(&main)?, address(&enrolment)?);

        let log_key = Arc::new(SigningKey::from_seed(founded.log_key.seed().clone())?);
        let credentials = Arc::clone(&founded.credentials);
        let services = {
            let (dir, config) = (state_dir.to_owned(), config.clone());
            let (clock, shutdown) = (Arc::clone(&clock), shutdown.clone());
            blocking(move || Services::open(&dir, &config, founded, &clock, &shutdown)).await?
        };
        let intake = |name, tls, members_only| Intake {
            name,
            tls: Arc::new(tls),
            members_only,
            max_connections: config.limits.max_connections,
            max_handshakes: config.limits.max_handshakes,
            observer: observer.clone(),
        };
        let mutual = intake("main", credentials.mutual(Arc::clone(&clock))?, true);
        let server_only = credentials.server_only(clock)?;
        let server_only = intake("enrolment", server_only, false);
        let main = listener::accept(main, mutual, shutdown.clone());
        let enrolment = listener::accept(enrolment, server_only, shutdown.clone());
        let matching = Arc::clone(&services.matching);
        let sweep = Duration::from_secs(config.expiry_sweep_s);
        let ended = CancellationToken::new();
        let mut tasks = serve(services, log_key, (main, enrolment), &shutdown, &ended);
        tasks.push(tokio::spawn(expire_regularly(
            Arc::clone(&matching),
            sweep,
            shutdown.clone(),
        )));
        tasks.push(tokio::spawn(drop_departed(
            Arc::clone(&matching),
            shutdown.clone(),
        )));
        info!(%listen, enrolment = %enrolment_address, "the hub is serving");
        Ok(RunningHub {
            listen,
            enrolment: enrolment_address,
            matching,
            state_dir: state_dir.to_owned(),
            credentials,
            shutdown,
            ended,
            tasks,
            lock,
        })
    }
}

type Incoming = tokio::sync::mpsc::Receiver<Result<listener::Accepted, std::io::Error>>;

fn serve(
    services: Services,
    log_key: Arc<SigningKey>,
    (main, enrolment): (Incoming, Incoming),
    shutdown: &CancellationToken,
    ended: &CancellationToken,
) -> Vec<JoinHandle<Result<(), String>>> {
    let enrolment_handler = rpc::enrolment::Handler {
        enrolment: services.enrolment,
        directory: Arc::clone(&services.directory),
    };
    let members = rpc::MemberServices {
        membership: rpc::membership::Handler {
            directory: Arc::clone(&services.directory),
            log_key,
        },
        directory: services.directory,
        matching: rpc::matching::Handler(services.matching),
        mailbox: rpc::mailbox::Handler(services.mailbox),
        custody: rpc::custody::Handler(services.custody),
    };
    let members = rpc::serve_members(members, main, shutdown.clone());
    let enrolment = rpc::serve_enrolment(enrolment_handler, enrolment, shutdown.clone());
    let (one, other) = (ended.clone().drop_guard(), ended.clone().drop_guard());
    vec![
        tokio::spawn(async move {
            let _ends = one;
            members.await.map_err(|error| error.to_string())
        }),
        tokio::spawn(async move {
            let _ends = other;
            enrolment.await.map_err(|error| error.to_string())
        }),
    ]
}

async fn expire_regularly(
    matching: Arc<Matching>,
    every: Duration,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = interval.tick() => {}
        }
        match matching.expire().await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "expired rows were removed"),
            Err(error) => error!(%error, "expired rows could not be removed"),
        }
    }
}

/// Deletes rows of members that have departed, at the start and after each change of membership.
async fn drop_departed(matching: Arc<Matching>, shutdown: CancellationToken) -> Result<(), String> {
    let mut settled = BTreeSet::new();
    loop {
        match matching.drop_departed(&mut settled).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "rows of departed members were removed"),
            Err(error) => error!(%error, "rows of departed members could not be removed"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = matching.directory.departures.notified() => {}
        }
    }
}

impl RunningHub {
    /// Reads verifier and server certificate again from the state directory.
    pub fn reload_certificates(&self) -> Result<(), HubError> {
        Ok(self.credentials.reload(&self.state_dir.join("tls"))?)
    }

    /// Returns when a server has ended, whether told to or not.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.ended.clone().cancelled_owned()
    }

    /// Items that wait in all mailboxes together.
    pub async fn waiting_deliveries(&self) -> Result<u64, HubError> {
        let store = Arc::clone(&self.matching.store);
        blocking(move || store.waiting().map_err(Into::into)).await
    }

    /// Waits until the hub has stopped: after shutdown, what is under way gets ten seconds.
    pub async fn wait(self) -> Result<(), HubError> {
        let Self {
            shutdown,
            ended,
            tasks,
            lock,
            ..
        } = self;
        tokio::select! {
            () = shutdown.cancelled() => {}
            // One listener without the other is no hub.
            () = ended.cancelled() => shutdown.cancel(),
        }
        let deadline = tokio::time::Instant::now() + DRAIN;
        let mut end = Ok(());
        for mut task in tasks {
            match tokio::time::timeout_at(deadline, &mut task).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(detail))) => end = Err(HubError::Transport(detail)),
                Ok(Err(error)) => end = Err(HubError::Transport(error.to_string())),
                Err(_) => {
                    warn!("requests were still under way and are cut off");
                    task.abort();
                    // Aborted, or finished at the last moment: it is gone either way.
                    let _ = task.await;
                }
            }
        }
        drop(lock);
        info!("the hub has stopped");
        end
    }
}
