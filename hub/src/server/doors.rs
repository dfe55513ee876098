//! Where the hub listens, and how connections are taken in there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use symbolon_health::{Answer, HEALTH, METRICS};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::HubError;
use crate::clock::Clock;
use crate::config::HubConfig;
use crate::frames;
use crate::health::Watch;
use crate::listener::{self, Incoming, Intake, Observer};
use crate::membership::Directory;
use crate::metrics::{Metrics, Refusals};
use crate::strangers::Strangers;
use crate::tls::{Credentials, TlsError};

/// Watchers of health over gRPC are few.
const MAX_WATCHERS: usize = 16;
/// A connection is closed when nothing came for so many intervals of keep-alive: by then one that is alive
/// has answered.
const QUIET: u32 = 3;

/// Where the hub listens.
#[derive(Clone)]
pub(super) struct Addresses {
    pub listen: SocketAddr,
    pub also: Vec<SocketAddr>,
    pub enrolment: SocketAddr,
    pub health: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
    pub grpc_health: Option<SocketAddr>,
}

/// The listeners.
pub(super) struct Bound {
    pub addresses: Addresses,
    main: Vec<TcpListener>,
    enrolment: TcpListener,
    health: Option<TcpListener>,
    metrics: Option<TcpListener>,
    grpc_health: Option<TcpListener>,
}

/// Connections on their way to the servers.
pub(super) struct Ways {
    pub main: Incoming<TlsStream<TcpStream>>,
    pub enrolment: Incoming<TlsStream<TcpStream>>,
    pub health: Option<Incoming<TcpStream>>,
}

/// Listeners that answer with one page.
pub(super) struct Watchers {
    health: Option<(TcpListener, SocketAddr)>,
    metrics: Option<(TcpListener, SocketAddr)>,
}

impl Bound {
    pub async fn bind(config: &HubConfig) -> Result<Self, HubError> {
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
            bound.map(Some).map_err(HubError::Listen)
        };
        let health = watched(config.health_listen, "health_listen").await?;
        let metrics = watched(config.metrics_listen, "metrics_listen").await?;
        let grpc_health = watched(config.grpc_health_listen, "grpc_health_listen").await?;
        let all = main.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        let (listen, also) = all
            .split_first()
            .ok_or_else(|| HubError::Listen("`listen` in hub.toml names no address".to_owned()))?;
        let addresses = Addresses {
            listen: *listen,
            also: also.to_vec(),
            enrolment: address(&enrolment)?,
            health: health.as_ref().map(address).transpose()?,
            metrics: metrics.as_ref().map(address).transpose()?,
            grpc_health: grpc_health.as_ref().map(address).transpose()?,
        };
        Ok(Self {
            addresses,
            main,
            enrolment,
            health,
            metrics,
            grpc_health,
        })
    }

    /// Begins to accept; what answers with one page is to be started by itself.
    pub fn open(
        self,
        config: &HubConfig,
        (credentials, directory, clock): (&Arc<Credentials>, &Arc<Directory>, &Arc<dyn Clock>),
        (refusals, observer): (Refusals, Option<Observer>),
        shutdown: &CancellationToken,
    ) -> Result<(Ways, Watchers), TlsError> {
        let limits = &config.limits;
        let quiet = Duration::from_secs(limits.keepalive_s) * QUIET;
        let frames = frames::of_members(limits.requests_per_s, limits.requests_burst);
        let intake = |name, tls, members, a_second| Intake {
            name,
            tls: Arc::new(tls),
            outcasts: Arc::default(),
            members,
            places: Arc::new(Semaphore::new(limits.max_connections)),
            strangers: Strangers::new(limits.max_handshakes, limits.max_handshakes_per_address),
            a_second,
            handshake_timeout: Duration::from_secs(limits.handshake_timeout_s),
            quiet,
            frames: Arc::clone(&frames),
            refusals: refusals.clone(),
            observer: observer.clone(),
        };
        let mutual = credentials.mutual(Arc::clone(clock), Arc::clone(directory))?;
        let server_only = credentials.server_only(Arc::clone(clock))?;
        let members = (Arc::clone(directory), limits.max_connections_per_member);
        let mutual = intake("main", mutual, Some(members), listener::MEMBERS_A_SECOND);
        let server_only = intake("enrolment", server_only, None, listener::INVITED_A_SECOND);
        let plain = |listener| listener::accept_watchers(listener, (MAX_WATCHERS, quiet), shutdown);
        let ways = Ways {
            main: listener::accept(self.main, mutual, shutdown),
            enrolment: listener::accept(vec![self.enrolment], server_only, shutdown),
            health: self.grpc_health.map(plain),
        };
        let watchers = Watchers {
            health: self.health.zip(self.addresses.health),
            metrics: self.metrics.zip(self.addresses.metrics),
        };
        Ok((ways, watchers))
    }
}

impl Watchers {
    /// Answers those who watch the machine.
    pub fn answer(
        self,
        watch: Arc<Watch>,
        metrics: Arc<Metrics>,
        shutdown: &CancellationToken,
    ) -> Vec<JoinHandle<Result<(), String>>> {
        let health = move || {
            let watch = Arc::clone(&watch);
            async move { Answer::from(&watch.look().await) }
        };
        let metrics = move || Arc::clone(&metrics).look();
        [
            answer_on(self.health, HEALTH, health, shutdown),
            answer_on(self.metrics, METRICS, metrics, shutdown),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn answer_on<L, F>(
    listener: Option<(TcpListener, SocketAddr)>,
    path: &'static str,
    look: L,
    shutdown: &CancellationToken,
) -> Option<JoinHandle<Result<(), String>>>
where
    L: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let answering = symbolon_health::answer_on(listener?, path, look, shutdown);
    Some(tokio::spawn(async move {
        answering.await;
        Ok(())
    }))
}
