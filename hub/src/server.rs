//! A running hub: it opens the state directory, listens, sweeps, and ends in order.

mod upkeep;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::crypto::{CryptoError, SecretKey, SigningKey};
use symbolon_core::roster::SignedEntry;
use symbolon_health::{Answer, HEALTH, METRICS};
use thiserror::Error;
use tokio::net::TcpListener;
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
use crate::listener::{self, Intake, Observer};
use crate::lock::{LockError, StateLock};
use crate::mailbox::{Lines, Mailbox};
use crate::matching::{Counts, Matching};
use crate::membership::{Directory, MembershipError};
use crate::metrics::{Metrics, Requests};
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
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(&state_dir.join("store"))?);
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
        let Bound {
            main,
            listen,
            also,
            enrolment,
            enrolment_address,
            health,
            metrics,
        } = Bound::bind(&config).await?;
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
        let (mutual, server_only) =
            intakes(&config, &credentials, &directory, &clock, observer.as_ref())?;
        let main = listener::accept(main, mutual, &shutdown);
        let enrolment = listener::accept(vec![enrolment], server_only, &shutdown);
        let ended = CancellationToken::new();
        let mut tasks = upkeep::keep_up(&services, &config, &shutdown);
        let served = (log_key, Arc::clone(&credentials));
        let counted = Arc::new(Metrics::new(&services.matching, &directory));
        let requests = counted.requests.clone();
        let incoming = (main, enrolment);
        let serving = serve(services, served, (incoming, requests), &shutdown, &ended);
        tasks.extend(serving);
        let look = move || {
            let watch = Arc::clone(&watch);
            async move { Answer::from(&watch.look().await) }
        };
        let (health, watching) = answer_on(health, HEALTH, look, &shutdown).unzip();
        tasks.extend(watching);
        let look = move || Arc::clone(&counted).look();
        let (metrics, counting) = answer_on(metrics, METRICS, look, &shutdown).unzip();
        tasks.extend(counting);
        info!(%listen, enrolment = %enrolment_address, "the hub is serving");
        Ok(RunningHub {
            listen,
            also,
            enrolment: enrolment_address,
            health,
            metrics,
            matching,
            state_dir: state_dir.to_owned(),
            credentials,
            directory,
            certificates,
            clock,
            shutdown,
            ended,
            tasks,
            lock,
        })
    }
}

/// Answers watchers on a listener, if there is one; gives where.
fn answer_on<L, F>(
    listener: Option<(TcpListener, SocketAddr)>,
    path: &'static str,
    look: L,
    shutdown: &CancellationToken,
) -> Option<(SocketAddr, JoinHandle<Result<(), String>>)>
where
    L: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = listener?;
    let address = listener.1;
    let answering = symbolon_health::answer_on(listener, path, look, shutdown);
    let task = tokio::spawn(async move {
        answering.await;
        Ok(())
    });
    Some((address, task))
}

/// How connections are taken in on the main port, and on that for enrolment.
fn intakes(
    config: &HubConfig,
    credentials: &Arc<Credentials>,
    directory: &Arc<Directory>,
    clock: &Arc<dyn Clock>,
    observer: Option<&Observer>,
) -> Result<(Intake, Intake), TlsError> {
    let intake = |name, tls, directory| Intake {
        name,
        tls: Arc::new(tls),
        directory,
        max_connections: config.limits.max_connections,
        max_handshakes: config.limits.max_handshakes,
        observer: observer.cloned(),
    };
    let mutual = credentials.mutual(Arc::clone(clock), Arc::clone(directory))?;
    let server_only = credentials.server_only(Arc::clone(clock))?;
    Ok((
        intake("main", mutual, Some(Arc::clone(directory))),
        intake("enrolment", server_only, None),
    ))
}

/// The listeners, and where they are.
struct Bound {
    main: Vec<TcpListener>,
    listen: SocketAddr,
    also: Vec<SocketAddr>,
    enrolment: TcpListener,
    enrolment_address: SocketAddr,
    health: Option<(TcpListener, SocketAddr)>,
    metrics: Option<(TcpListener, SocketAddr)>,
}

impl Bound {
    async fn bind(config: &HubConfig) -> Result<Self, HubError> {
        let address = |bound: &TcpListener| {
            let found = bound.local_addr();
            found.map_err(|error| HubError::Listen(error.to_string()))
        };
        let mut main = Vec::new();
        for address in &config.listen.0 {
            let bound = listener::bind(address, "listen").await;
            main.push(bound.map_err(HubError::Listen)?);
        }
        let enrolment = listener::bind(&config.enrolment_listen, "enrolment_listen").await;
        let enrolment = enrolment.map_err(HubError::Listen)?;
        let watched = async |wanted: Option<SocketAddr>, name: &'static str| {
            let Some(wanted) = wanted else {
                return Ok(None);
            };
            let bound = listener::bind(&wanted.to_string(), name).await;
            let bound = bound.map_err(HubError::Listen)?;
            let address = address(&bound)?;
            Ok::<_, HubError>(Some((bound, address)))
        };
        let health = watched(config.health_listen, "health_listen").await?;
        let metrics = watched(config.metrics_listen, "metrics_listen").await?;
        let addresses = main.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        let (listen, also) = addresses
            .split_first()
            .ok_or_else(|| HubError::Listen("`listen` in hub.toml names no address".to_owned()))?;
        Ok(Self {
            listen: *listen,
            also: also.to_vec(),
            main,
            enrolment_address: address(&enrolment)?,
            enrolment,
            health,
            metrics,
        })
    }
}

type Incoming = tokio::sync::mpsc::Receiver<Result<listener::Accepted, std::io::Error>>;

fn serve(
    services: Services,
    (log_key, credentials): (Arc<SigningKey>, Arc<Credentials>),
    ((main, enrolment), requests): ((Incoming, Incoming), Requests),
    shutdown: &CancellationToken,
    ended: &CancellationToken,
) -> Vec<JoinHandle<Result<(), String>>> {
    let enrolment_handler = rpc::enrolment::Handler {
        enrolment: services.enrolment,
        directory: Arc::clone(&services.directory),
    };
    let members = rpc::MemberServices {
        certificates: rpc::certificates::Handler {
            certificates: services.certificates,
            credentials,
        },
        membership: rpc::membership::Handler {
            directory: Arc::clone(&services.directory),
            log_key,
        },
        directory: services.directory,
        matching: rpc::matching::Handler(services.matching),
        mailbox: rpc::mailbox::Handler(services.mailbox),
        custody: rpc::custody::Handler(services.custody),
    };
    let members = rpc::serve_members(members, main, requests.clone(), shutdown.clone());
    let enrolment = rpc::serve_enrolment(enrolment_handler, enrolment, requests, shutdown.clone());
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
