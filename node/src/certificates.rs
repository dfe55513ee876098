//! The node's TLS certificate: making requests, renewing in good time, telling how long all of it
//! lasts.
//!
//! A certificate is renewed when two thirds of its life are over, with a fresh key, over a connection
//! with the present one. The new one is kept only once a connection with it stands; the loops of
//! [`crate::serve`] then move over, and what is under way on the old connection ends there.
//!
//! Roots come with each renewal, over a connection that a known root vouches for. That adds no power
//! to the hub: a root lets this node recognise the hub and nothing else, since membership, keys and
//! agreements are verified from the roster's genesis. A root that the hub no longer names is dropped.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};
use symbolon_core::identity::Subject;
use symbolon_health::Lifetime;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::hub_client::{self, Backoff, Credentials, HubClient, HubError};
use crate::node::Node;
use crate::reports::HealthReport;
use crate::tables::{Blob, Secret, StoredIdentity};

/// How often the certificate is looked at; the shortest one lives two minutes.
const LOOK: Duration = Duration::from_secs(1);
/// Roots during a rotation are two; more than a few is not a rotation.
const MAX_ROOTS: usize = 8;

/// A fresh TLS key with the request for its certificate.
pub(crate) struct TlsRequest {
    key: KeyPair,
    /// PKCS #10, DER.
    pub der: Vec<u8>,
}

impl TlsRequest {
    pub fn new(subject: &Subject) -> Result<Self, NodeError> {
        let unusable = |error: rcgen::Error| HubError::Credentials(error.to_string());
        let key = KeyPair::generate().map_err(unusable)?;
        let mut params = CertificateParams::default();
        let uri = subject.to_string().try_into().map_err(unusable)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let request = params.serialize_request(&key).map_err(unusable)?;
        let der = request.der().to_vec();
        Ok(Self { key, der })
    }

    /// PKCS #8, DER.
    pub fn key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.key.serialize_der())
    }
}

/// From when until when a certificate is good, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub from: i64,
    /// Last moment.
    pub until: i64,
}

impl Validity {
    /// Reads it from a certificate.
    pub fn of(der: &[u8]) -> Result<Self, HubError> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der)
            .map_err(|_| HubError::Protocol("a malformed certificate"))?;
        Ok(Self {
            from: certificate.validity().not_before.timestamp(),
            until: certificate.validity().not_after.timestamp(),
        })
    }

    fn contains(self, now: i64) -> bool {
        (self.from..=self.until).contains(&now)
    }
}

/// The credentials in a stored identity.
pub(crate) fn credentials(stored: &StoredIdentity) -> Result<Credentials, NodeError> {
    let roots = std::iter::once(&stored.root).chain(&stored.more_roots);
    let chain: Vec<Vec<u8>> = stored.chain.iter().map(|der| der.0.clone()).collect();
    let leaf = chain.first().ok_or(HubError::Protocol("no certificate"))?;
    let validity = Validity::of(leaf)?;
    // A vault of before renewals does not say when its certificate came.
    let issued_at = Some(stored.issued_at).filter(|at| *at > 0);
    Ok(Credentials {
        validity,
        issued_at: issued_at.unwrap_or(validity.from),
        roots: roots.map(|der| der.0.clone()).collect(),
        chain,
        key: Zeroizing::new(stored.tls_key.0.clone()),
    })
}

impl Credentials {
    /// Two thirds of its life are over.
    fn is_due(&self, now: i64) -> bool {
        let life = self.validity.until - self.issued_at;
        now >= self.issued_at + life / 3 * 2
    }
}

impl Node {
    /// What this node shows now.
    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        let present = self.credentials.read();
        Arc::clone(&present.unwrap_or_else(PoisonError::into_inner))
    }

    /// Connects with the present certificate; says so if it ended, since the hub could not.
    pub(crate) async fn dial(&self) -> Result<HubClient, NodeError> {
        self.dial_with(&self.credentials()).await
    }

    async fn dial_with(&self, credentials: &Credentials) -> Result<HubClient, NodeError> {
        let (now, validity) = (self.clock.now(), credentials.validity);
        if !validity.contains(now) {
            return Err(NodeError::CertificateOutOfTime {
                from: rfc3339(validity.from),
                until: rfc3339(validity.until),
                now: rfc3339(now),
            });
        }
        let (hub, clock) = (&self.identity.hub, &self.clock);
        Ok(hub_client::connect(hub, credentials, clock, &self.traces).await?)
    }

    /// Renews when it is time and moves the line over; ends only if the line cannot be held.
    pub(crate) async fn keep_certificate(
        &self,
        line: &watch::Sender<HubClient>,
    ) -> Result<(), NodeError> {
        let mut backoff = Backoff::new();
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.credentials().is_due(self.clock.now()) {
                continue;
            }
            let hub = line.borrow().clone();
            match self.renew(&hub).await {
                Ok(fresh) => {
                    self.set_line(Ok(fresh.clone()));
                    line.send_replace(fresh);
                    self.set_renewal_error(None);
                    backoff.reset();
                    let until = rfc3339(self.credentials().validity.until);
                    tracing::info!(%until, "the certificate was renewed");
                }
                Err(error) => {
                    tracing::warn!(%error, "the certificate could not be renewed");
                    self.set_renewal_error(Some(error.to_string()));
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    /// A fresh key and certificate; kept once a connection with them stands, which is given back.
    async fn renew(&self, hub: &HubClient) -> Result<HubClient, NodeError> {
        let identity = &self.identity;
        let subject = Subject::Agency(identity.consortium.clone(), identity.agency.clone());
        let request = TlsRequest::new(&subject)?;
        let (chain, roots) = hub.renew(request.der.clone()).await?;
        if roots.is_empty() || roots.len() > MAX_ROOTS {
            return Err(HubError::Protocol("no roots, or too many of them").into());
        }
        let mut stored = self.stored_identity()?;
        let mut roots = roots.into_iter().map(Blob);
        stored.root = roots.next().ok_or(HubError::Protocol("no root"))?;
        stored.more_roots = roots.collect();
        stored.issued_at = self.clock.now();
        stored.chain = chain.into_iter().map(Blob).collect();
        stored.tls_key = Secret(request.key().to_vec());
        let fresh = credentials(&stored)?;
        stored.certificate_expires_at = fresh.validity.until;
        let client = self.dial_with(&fresh).await?;
        // A handshake says nothing of the client's certificate in TLS 1.3: the first answer does.
        client.attendance().await?;
        // Keys may have been exchanged meanwhile: only what belongs to the certificate is written.
        self.change_identity(|present| {
            present.root = stored.root;
            present.more_roots = stored.more_roots;
            present.issued_at = stored.issued_at;
            present.chain = stored.chain;
            present.tls_key = stored.tls_key;
            present.certificate_expires_at = stored.certificate_expires_at;
            Ok(())
        })?;
        let mut present = self
            .credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(fresh);
        Ok(client)
    }

    fn set_renewal_error(&self, error: Option<String>) {
        let mut present = self.renewal_error.lock();
        **present
            .as_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut()) = error;
    }

    /// Whether everything lasts; red in good time before something ends, so that a person can act.
    pub(crate) fn health(&self) -> HealthReport {
        let (now, credentials) = (self.clock.now(), self.credentials());
        let mut reasons = Vec::new();
        let mut look = |what: &str, validity: Validity, todo: &str| {
            let Validity { from, until } = validity;
            reasons.extend(Lifetime { from, until }.trouble(what, todo, now));
        };
        look("the certificate of this node", credentials.validity, HEAL);
        for issuer in credentials.chain.iter().skip(1) {
            if let Ok(validity) = Validity::of(issuer) {
                let todo =
                    "the hub's operator must install a new issuer (symbolon-hub ca new-issuer)";
                look("the hub's issuing certificate", validity, todo);
            }
        }
        let roots = credentials
            .roots
            .iter()
            .filter_map(|der| Validity::of(der).ok());
        // During a rotation the newest root counts.
        if let Some(root) = roots.max_by_key(|validity| validity.until) {
            look(
                "the consortium's root certificate",
                root,
                "the hub's operator must make a new root",
            );
        }
        let renewal = self.renewal_error.lock();
        let renewal = renewal.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(error) = renewal {
            reasons.push(format!("the certificate could not be renewed: {error}"));
        }
        reasons.extend(self.foreign_keys());
        let state = if reasons.is_empty() { "green" } else { "red" };
        HealthReport {
            state: state.to_owned(),
            reasons,
        }
    }
}

/// What a person can do about a certificate that ends.
pub const HEAL: &str = "a serving node renews it by itself; once it has ended, ask your administrator for a fresh invitation and run `symbolon-node enrol` with it: records and keys stay";

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    #[test]
    fn renewal_comes_before_red() {
        let validity = Validity {
            from: 0,
            until: 30 * DAY_S,
        };
        let credentials = Credentials {
            validity,
            issued_at: 0,
            roots: Vec::new(),
            chain: Vec::new(),
            key: Zeroizing::new(Vec::new()),
        };
        assert!(!credentials.is_due(20 * DAY_S - 1) && credentials.is_due(20 * DAY_S));
        // A sixth of a life is 5 days here: red after 25.
        let red = |now| {
            let Validity { from, until } = validity;
            Lifetime { from, until }.trouble("it", "", now).is_some()
        };
        assert!(!red(25 * DAY_S) && red(25 * DAY_S + 1));
        assert!(Validity::of(b"no certificate").is_err());
    }
}
