//! A running hub: it opens the state directory, listens, sweeps, and ends in order.

mod doors;
mod upkeep;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::crypto::{CryptoError, SecretKey, SigningKey};
use symbolon_core::roster::SignedEntry;
use symbolon_traces::{Traces, TracesError};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ca::{self, CaError};
use crate::certificates::{Authority, Certificates, CertificatesError};
use crate::clock::Clock;
use crate::config::{ConfigError, HubConfig};
use crate::custody::{Custody, Relay};
use crate::enrolment::Enrolment;
use crate::files::{self, FileError};
use crate::health::Watch;
use crate::listener::Observer;
use crate::lock::{LockError, StateLock};
use crate::mailbox::{Lines, Mailbox};
use crate::matching::{Counts, Matching};
use crate::membership::{Directory, MembershipError};
use crate::metrics::{Metrics, Refusals};
use crate::pace::Pace;
use crate::rpc;
use crate::rpc::admission::Admission;
use crate::rpc::counted::Counted;
use crate::rpc::health::Reporter;
use crate::store::{self, StoreError, blocking};
use crate::tls::{Credentials, TlsError};
use doors::{Bound, Ways};

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
    #[error("an issuing certificate or key in tls cannot be used: {0}")]
    Issuer(#[from] CaError),
    /// The list of revoked certificates cannot be published.
    #[error("the list of revoked certificates cannot be published: {0}")]
    Certificates(#[from] CertificatesError),
    /// The log's key cannot be used.
    #[error("log.key cannot be used: {0}")]
    LogKey(#[from] CryptoError),
    /// The stored roster does not verify.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
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
    /// Where else they do.
    pub also: Vec<SocketAddr>,
    /// Where invitations are redeemed.
    pub enrolment: SocketAddr,
    /// Where it answers for its health, if it does.
    pub health: Option<SocketAddr>,
    /// Where it gives its metrics, if it does.
    pub metrics: Option<SocketAddr>,
    /// Where it serves health over gRPC without TLS, if it does.
    pub grpc_health: Option<SocketAddr>,
    /// The join, for sweeping out expired rows at a moment of one's own choosing.
    pub matching: Arc<Matching>,
    state_dir: PathBuf,
    credentials: Arc<Credentials>,
    directory: Arc<Directory>,
    certificates: Arc<Certificates>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    ended: CancellationToken,
    tasks: Vec<JoinHandle<Result<(), String>>>,
    traces: Traces,
    lock: StateLock,
}

/// What `init` put in the state directory.
struct Founded {
    genesis: SignedEntry,
    administrators: Vec<crate::membership::AdministratorCertificate>,
    authorities: Vec<Authority>,
    log_key: SigningKey,
    credentials: Arc<Credentials>,
}

impl Founded {
    fn read(dir: &Path, now: i64) -> Result<Self, HubError> {
        let genesis = json(&dir.join("roster").join("genesis.json"))?;
        let administrators = json(&dir.join("tls").join("administrators.json"))?;
        let seed = zeroize::Zeroizing::new(files::read(&dir.join("log.key"))?);
        Ok(Self {
            genesis,
            administrators,
            authorities: ca::authorities(&dir.join("tls"), now)?,
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
    certificates: Arc<Certificates>,
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
        let store = store::open(state_dir, config.database().as_ref())?;
        let lines = Arc::new(Lines::new(Arc::clone(clock)));
        let directory = Arc::new(Directory::open(
            Arc::clone(&store),
            Arc::clone(clock),
            Arc::clone(&lines),
            &founded.genesis,
            founded.administrators,
        )?);
        let certificates = Arc::new(Certificates::open(
            Arc::clone(&store),
            Arc::clone(&directory),
            Arc::clone(clock),
            founded.authorities,
            config.leaf_life.seconds(),
            founded.credentials,
            state_dir.join("tls").join("crl.pem"),
        )?);
        let limits = &config.limits;
        Ok(Self {
            enrolment: Arc::new(Enrolment {
                store: Arc::clone(&store),
                directory: Arc::clone(&directory),
                certificates: Arc::clone(&certificates),
                clock: Arc::clone(clock),
            }),
            matching: Arc::new(Matching {
                store: Arc::clone(&store),
                directory: Arc::clone(&directory),
                lines: Arc::clone(&lines),
                clock: Arc::clone(clock),
                limits: limits.clone(),
                under_way: Arc::default(),
                counts: Counts::default(),
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
            certificates,
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
        let founded = Founded::read(state_dir, clock.now())?;
        let lock = StateLock::take(state_dir)?;
        let bound = Bound::bind(&config).await?;
        let addresses = bound.addresses.clone();
        let traces = Traces::start(config.traces.as_ref(), "symbolon-hub")?;
        let log_key = Arc::new(SigningKey::from_seed(founded.log_key.seed().clone())?);
        let credentials = Arc::clone(&founded.credentials);
        let services = {
            let (dir, config) = (state_dir.to_owned(), config.clone());
            let (clock, shutdown) = (Arc::clone(&clock), shutdown.clone());
            blocking(move || Services::open(&dir, &config, founded, &clock, &shutdown)).await?
        };
        let directory = Arc::clone(&services.directory);
        let certificates = Arc::clone(&services.certificates);
        let matching = Arc::clone(&services.matching);
        let watch = Arc::new(Watch {
            store: Arc::clone(&matching.store),
            certificates: Arc::clone(&certificates),
            credentials: Arc::clone(&credentials),
            clock: Arc::clone(&clock),
            probed: tokio::sync::Mutex::default(),
        });
        let metrics = Arc::new(Metrics::new(&matching, &directory));
        let keys = (&credentials, &directory, &clock);
        let watched = (metrics.refusals.clone(), observer);
        let (ways, watchers) = bound.open(&config, keys, watched, &shutdown)?;
        let ended = CancellationToken::new();
        let mut tasks = upkeep::keep_up(&services, &config, &shutdown);
        let reporter = Reporter::new().await;
        let serving = Serving {
            config: &config,
            log_key,
            credentials: Arc::clone(&credentials),
            counted: Counted {
                requests: metrics.requests.clone(),
                traces: traces.clone(),
            },
            refusals: metrics.refusals.clone(),
            health: &reporter,
        };
        tasks.extend(serving.start(services, ways, (&shutdown, &ended)));
        tasks.extend(watchers.answer(Arc::clone(&watch), metrics, &shutdown));
        let reporting = reporter.keep(watch, shutdown.clone());
        tasks.push(tokio::spawn(async move {
            reporting.await;
            Ok(())
        }));
        info!(listen = %addresses.listen, enrolment = %addresses.enrolment, "the hub is serving");
        Ok(RunningHub {
            listen: addresses.listen,
            also: addresses.also,
            enrolment: addresses.enrolment,
            health: addresses.health,
            metrics: addresses.metrics,
            grpc_health: addresses.grpc_health,
            matching,
            state_dir: state_dir.to_owned(),
            credentials,
            directory,
            certificates,
            clock,
            shutdown,
            ended,
            tasks,
            traces,
            lock,
        })
    }
}

/// What goes into the servers.
struct Serving<'a> {
    config: &'a HubConfig,
    log_key: Arc<SigningKey>,
    credentials: Arc<Credentials>,
    counted: Counted,
    refusals: Refusals,
    health: &'a Reporter,
}

impl Serving<'_> {
    /// Starts a server for each way in; one that ends ends the hub.
    fn start(
        self,
        services: Services,
        Ways {
            main,
            enrolment,
            health,
        }: Ways,
        (shutdown, ended): (&CancellationToken, &CancellationToken),
    ) -> Vec<JoinHandle<Result<(), String>>> {
        let limits = self.config.limits.clone();
        let directory = Arc::clone(&services.directory);
        let enroller = rpc::enrolment::Handler {
            enrolment: services.enrolment,
            directory: Arc::clone(&directory),
        };
        let members = rpc::MemberServices {
            health: self.health.service(),
            reflects: self.config.grpc_reflection,
            certificates: rpc::certificates::Handler {
                certificates: services.certificates,
                credentials: self.credentials,
            },
            membership: rpc::membership::Handler {
                directory: Arc::clone(&directory),
                log_key: self.log_key,
            },
            matching: rpc::matching::Handler(services.matching),
            mailbox: rpc::mailbox::Handler(services.mailbox),
            custody: rpc::custody::Handler(services.custody),
        };
        let pace = Pace::new(limits.requests_per_s, limits.requests_burst);
        let pace = (pace, limits.max_requests_per_member);
        let admission = Admission::new(directory, pace, self.refusals);
        let counted = self.counted.clone();
        let (own, token) = (limits.clone(), shutdown.clone());
        let mut servers = vec![task(ended, async move {
            rpc::serve_members(members, (main, &own), (counted, admission), token).await
        })];
        let (own, token) = (limits.clone(), shutdown.clone());
        servers.push(task(ended, async move {
            rpc::serve_enrolment(enroller, (enrolment, &own), self.counted, token).await
        }));
        if let Some(incoming) = health {
            let (service, token) = (self.health.service(), shutdown.clone());
            servers.push(task(ended, async move {
                rpc::serve_health(service, (incoming, &limits), token).await
            }));
        }
        servers
    }
}

fn task<E: std::fmt::Display>(
    ended: &CancellationToken,
    serving: impl Future<Output = Result<(), E>> + Send + 'static,
) -> JoinHandle<Result<(), String>> {
    let ends = ended.clone().drop_guard();
    tokio::spawn(async move {
        let _ends = ends;
        serving.await.map_err(|error| error.to_string())
    })
}

impl RunningHub {
    /// Reads roots, issuers, server certificate and administrators' certificates again from the state
    /// directory.
    pub async fn reload_certificates(&self) -> Result<(), HubError> {
        let tls = self.state_dir.join("tls");
        let administrators = json(&tls.join("administrators.json"))?;
        let authorities = ca::authorities(&tls, self.clock.now())?;
        self.credentials.reload(&tls)?;
        self.directory.exchange_administrators(administrators);
        let certificates = Arc::clone(&self.certificates);
        blocking(move || Ok(certificates.exchange_authorities(authorities)?)).await
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
            traces,
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
        traces.stop().await;
        drop(lock);
        info!("the hub has stopped");
        end
    }
}
