//! Health of the hub: whether it can write, and how long its certificates and lists last.
//!
//! Red while there is still time to act ([`Lifetime`]). Nothing of members, rows or traffic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use symbolon_health::{Health, Lifetime};
use tokio::sync::Mutex;
use tracing::error;

use crate::certificates::{Certificates, lifetime};
use crate::clock::Clock;
use crate::store::{Store, blocking};
use crate::tls::Credentials;

/// The store is tried at most so often, however often somebody asks.
const PROBE: Duration = Duration::from_secs(10);

/// Looks after the hub.
pub struct Watch {
    pub store: Arc<dyn Store>,
    pub certificates: Arc<Certificates>,
    pub credentials: Arc<Credentials>,
    pub clock: Arc<dyn Clock>,
    /// When the store was tried, and whether it could be written.
    pub probed: Mutex<Option<(Instant, bool)>>,
}

impl Watch {
    /// How the hub is.
    pub async fn look(self: Arc<Self>) -> Health {
        let mut reasons = Vec::new();
        if !self.is_writable().await {
            reasons.push("the store cannot be written; the hub's log says why".to_owned());
        }
        let now = self.clock.now();
        let mut last = |what: &str, lifetime: Option<Lifetime>, todo: &str| {
            let trouble = match lifetime {
                Some(lifetime) => lifetime.trouble(what, todo, now),
                None => Some(format!("{what} cannot be read; {todo}")),
            };
            reasons.extend(trouble);
        };
        let todo = "make a new issuer (symbolon-hub ca new-issuer)";
        let issuer = self.certificates.issuer_lifetime();
        last("the issuing certificate", issuer, todo);
        let server = self.credentials.server_certificate();
        let server = server.and_then(|der| lifetime(&der).ok());
        last("the hub's own certificate", server, todo);
        // During a rotation the newest root counts.
        let roots = self.credentials.roots();
        let roots = roots.iter().filter_map(|der| lifetime(der).ok());
        let root = roots.max_by_key(|lifetime| lifetime.until);
        let todo = "make a new root (symbolon-hub ca init)";
        last("the root certificate", root, todo);
        reasons.extend(self.certificates.list_trouble(now));
        reasons.into()
    }

    /// Whether members are served now. Unlike [`Watch::look`] this says nothing of what ends later: whoever
    /// asks takes the hub out of use if it does not.
    pub async fn serves(self: Arc<Self>) -> bool {
        let now = self.clock.now();
        let lasts = |der: &Vec<u8>| {
            lifetime(der).is_ok_and(|lifetime| (lifetime.from..=lifetime.until).contains(&now))
        };
        // Without any of these no member gets past the handshake.
        let server = self.credentials.server_certificate();
        server.is_some_and(|der| lasts(&der))
            && self.credentials.roots().iter().any(lasts)
            && self.certificates.list_is_in_force(now)
            && self.is_writable().await
    }

    async fn is_writable(&self) -> bool {
        let mut probed = self.probed.lock().await;
        if let Some((at, writable)) = *probed
            && at.elapsed() < PROBE
        {
            return writable;
        }
        let store = Arc::clone(&self.store);
        let done = blocking(move || store.probe()).await;
        if let Err(error) = &done {
            error!(%error, "the store cannot be written");
        }
        *probed = Some((Instant::now(), done.is_ok()));
        done.is_ok()
    }
}
