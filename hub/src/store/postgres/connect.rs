//! Ways to the database: what is configured, TLS, and the pool of connections.
//!
//! Certificates of servers are always verified, against roots that the operator gives and by the name
//! in the URL: there is no mode that encrypts for whoever answers. A password is in no error and no log.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::names::Names;
use crate::files;
use crate::store::StoreError;

/// A server that does not answer a connection is passed over after this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What was sent and not confirmed ends a connection after this: a primary whose machine is gone says
/// nothing any more.
const UNCONFIRMED: Duration = Duration::from_secs(10);
/// A silent connection is asked for a sign of life after this.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What a session is told at its beginning. A server that does not know one of them goes on without.
///
/// Batches come as arrays, of which the planner does not know that an index serves each element: it would
/// read whole tables. The time-outs free what a hub holds whose machine is gone.
const SESSION: [&str; 10] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_material = off",
    "SET jit = off",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '20s'",
    "SET tcp_keepalives_idle = 10",
    "SET client_min_messages = warning",
];

/// A database URL, which may hold a password.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub struct Url(Zeroizing<String>);

impl From<String> for Url {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Url> for String {
    /// Without what it must not show.
    fn from(_: Url) -> Self {
        "(not shown)".to_owned()
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Url(not shown)")
    }
}

impl Url {
    /// Whether it names a PostgreSQL database.
    pub fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres://") || self.0.starts_with("postgresql://")
    }
}

/// How the database is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub url: Url,
    /// Roots that vouch for the servers, PEM.
    pub root_certificates: Option<PathBuf>,
    /// A file with the password, if it is not in the URL.
    pub password_file: Option<PathBuf>,
    /// Most connections.
    pub connections: usize,
    /// How long a verb goes on trying to reach the database.
    pub patience: Duration,
}

impl Settings {
    /// The usual ones for a database.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            root_certificates: None,
            password_file: None,
            connections: 8,
            patience: Duration::from_secs(30),
        }
    }
}

/// The way to one database.
pub struct Route {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// What people are told of where it is; without user and password.
    pub place: String,
}

impl Route {
    /// Reads the settings.
    pub fn of(settings: &Settings) -> Result<Self, StoreError> {
        let unusable = |detail: &str| StoreError::Unavailable {
            place: "the database of `store` in hub.toml".to_owned(),
            detail: detail.to_owned(),
            remedy: "correct hub.toml, and start the hub again",
        };
        // Certificates are verified in either mode.
        let text = Zeroizing::new(
            settings
                .url
                .0
                .replace("sslmode=verify-full", "sslmode=require"),
        );
        // The library's words can hold a part of the URL, and a part can be the password.
        let mut config = Config::from_str(&text).map_err(|_| {
            unusable("it is not a URL like postgres://user@host:5432/database?sslmode=require; in a password, signs other than letters and digits are written as %XX")
        })?;
        let named = |host: &Host| *host != Host::Tcp(String::new());
        if !settings.url.is_postgres() || !config.get_hosts().iter().any(named) {
            return Err(unusable("the URL names no host"));
        }
        if let Some(file) = &settings.password_file {
            let password = files::read_text(file).map_err(|error| unusable(&error.to_string()))?;
            config.password(Zeroizing::new(password).trim_end_matches(['\r', '\n']));
        }
        let tls = match &settings.root_certificates {
            Some(file) => Some(connector(file).map_err(|detail| unusable(&detail))?),
            None if config.get_ssl_mode() == SslMode::Require => {
                return Err(unusable(
                    "sslmode=require needs `root_certificates` in [postgres], the file of the root that vouches for the server",
                ));
            }
            None => None,
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNCONFIRMED);
        }
        config.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE));
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE / 2);
            config.keepalives_retries(3);
        }
        if config.get_application_name().is_none() {
            config.application_name("symbolon-hub");
        }
        let place = place(&config);
        if tls.is_none() && !is_near(&config) {
            tracing::warn!(%place, "the connection to the database is not encrypted; give `root_certificates` in [postgres]");
        }
        Ok(Self { config, tls, place })
    }

    /// Hears a channel, and rings a bell for each word on it, until the connection ends.
    pub async fn listen(&self, channel: &str, bell: &Notify) -> Result<(), Fault> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                heard(&client, connection, channel, bell).await
            }
            None => {
                let mut config = self.config.clone();
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await?;
                heard(&client, connection, channel, bell).await
            }
        }
    }

    /// Makes a pool. Each new connection makes the names be learnt anew: it may lead to another server
    /// than the one before.
    pub fn pool(&self, connections: usize, names: Arc<Names>) -> Result<Pool, Fault> {
        let manager = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match &self.tls {
            Some(tls) => Manager::from_config(self.config.clone(), tls.clone(), manager),
            None => {
                let mut config = self.config.clone();
                config.ssl_mode(SslMode::Disable);
                Manager::from_config(config, NoTls, manager)
            }
        };
        let prepared = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            names.forget();
            Box::pin(async move {
                for setting in SESSION {
                    // A refusal is no harm; a lost connection shows at the next statement.
                    let _ = client.batch_execute(setting).await;
                }
                Ok(())
            })
        });
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .post_create(prepared)
            .build()
            .map_err(|error| Fault::NoConnection(error.to_string()))
    }
}

async fn heard<S, T>(
    client: &Client,
    mut connection: Connection<S, T>,
    channel: &str,
    bell: &Notify,
) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    // Of letters, digits and underscores, or of whatever the operator named the schema.
    let listen = format!("LISTEN \"{}\"", channel.replace('"', "\"\""));
    let mut words = futures::stream::poll_fn(move |context| connection.poll_message(context));
    let hearing = async {
        while let Some(word) = words.next().await {
            if let AsyncMessage::Notification(_) = word? {
                bell.notify_one();
            }
        }
        Ok::<_, Fault>(())
    };
    let asking = async {
        client.batch_execute(&listen).await?;
        // What came before it was heard.
        bell.notify_one();
        Ok(())
    };
    futures::try_join!(hearing, asking).map(|_| ())
}

/// A connection from the pool.
pub async fn connection(pool: &Pool) -> Result<Object, Fault> {
    match pool.get().await {
        Ok(client) => Ok(client),
        Err(PoolError::Backend(error)) => Err(Fault::Database(error)),
        Err(error) => Err(Fault::NoConnection(error.to_string())),
    }
}

fn connector(file: &Path) -> Result<MakeRustlsConnect, String> {
    let named = |detail: String| format!("{} cannot be used: {detail}", file.display());
    let bytes = files::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| named(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| named(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(named("it holds no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| named(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate();
    let hosts: Vec<String> = hosts
        .map(|(number, host)| {
            let port = ports.get(number).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user());
    format!(
        "the PostgreSQL database {} on {}",
        database.unwrap_or("of the user"),
        hosts.join(", ")
    )
}

/// Whether every server is on this machine.
fn is_near(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(url: &str) -> Result<Route, StoreError> {
        Route::of(&Settings::new(url.to_owned().into()))
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let secret = "Hu7nter";
        let good = format!(
            "postgres://hub:{secret}@one,two:5433/registry?target_session_attrs=read-write"
        );
        let url: Url = good.clone().into();
        assert!(url.is_postgres());
        let route_of = route(&good).unwrap();
        assert_eq!(
            route_of.place,
            "the PostgreSQL database registry on one:5432, two:5433"
        );
        let mut shown = format!("{url:?} {} {}", String::from(url.clone()), route_of.place);
        for bad in [
            format!("postgres://hub:x@host/x?{secret}=1"),
            format!("postgres://hub:{secret}@host:port/x"),
            format!("postgres://hub:{secret}@host/x?sslmode=require"),
            format!("postgres://hub:{secret}@/x"),
            format!("password={secret}"),
        ] {
            let refused = route(&bad).err().unwrap();
            shown.push_str(&format!("{refused} {refused:?}"));
        }
        assert!(!shown.contains(secret), "{shown}");
    }

    #[test]
    fn encryption_needs_a_root() {
        let refused = route("postgres://hub@db.example/x?sslmode=verify-full").err();
        let told = refused.unwrap().to_string();
        assert!(told.contains("root_certificates"), "{told}");
        assert!(route("postgres://hub@127.0.0.1/x").is_ok());
    }
}
