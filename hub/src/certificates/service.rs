//! Certificates while the hub runs: renewing, listing and revoking them, and publishing the list of
//! revoked ones.
//!
//! A revocation is in force when it is stored: [`Directory::admit`] and the end of each handshake look
//! at the same state, and the connections that it concerns end in the same step. The published list
//! follows, for the verifier inside TLS and for whoever judges the certificates from outside.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Subject};
use symbolon_health::Lifetime;
use thiserror::Error;
use tracing::{error, info, warn};

use super::{Authority, CertificateError, CheckedRequest, LIST_LIFE_S, Leaf, RevocationList};
use crate::caller::{Caller, NotAllowed};
use crate::clock::{Clock, rfc3339};
use crate::files::{self, FileError};
use crate::log::{Event, LogEntry};
use crate::membership::Directory;
use crate::store::{IssuedCertificate, Revocation, Store, StoreError, blocking};
use crate::tls::{Credentials, TlsError};

/// Certificates of one agency that are good at the same time: a node has two during a renewal, and
/// a few more if it dies between asking and keeping the answer.
const MAX_USABLE: usize = 8;
/// Longest reason of a revocation, in bytes.
const MAX_REASON_BYTES: usize = 500;
/// A new list is published when this much of the last one's life is over.
const LIST_RENEWAL_S: i64 = LIST_LIFE_S / 3;
/// It is late when half of its life is over: the next one has failed for hours.
const LIST_LATE_S: i64 = LIST_LIFE_S / 2;
/// The log warns from so long before the issuing certificate ends.
const WARNED_S: i64 = 60 * 86_400;
/// How often another hub may be faster with a list before it is left to the next look.
const OVERTAKEN: usize = 5;
/// After a failure, so that a full disk does not fill the log.
const RETRY: Duration = Duration::from_secs(30);

/// Why a certificate is not renewed or revoked.
#[derive(Debug, Error)]
pub enum CertificatesError {
    /// Not for this caller.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The request is not what it must be, or nothing can be issued.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Nothing was issued with this serial number.
    #[error("no certificate has the serial number {0}; see: symbolon-hub admin certificate list")]
    Unknown(String),
    /// Too many at once.
    #[error("{0} has {MAX_USABLE} certificates already; revoke some, or wait until they end")]
    TooMany(AgencyName),
    /// A reason must be given.
    #[error("a reason of 1 to {MAX_REASON_BYTES} bytes must be given")]
    Reason,
    /// The list cannot be put into place.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A certificate as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateReport {
    /// Whom it speaks for.
    pub subject: Subject,
    /// Hexadecimal.
    pub serial: String,
    /// Unix seconds; 0 if it is not known any more.
    pub issued_at: i64,
    /// Unix seconds; of an administrator's certificate, when the issuer ends.
    pub expires_at: i64,
    /// Unix seconds; 0 if it is not revoked.
    pub revoked_at: i64,
    /// Why it was revoked.
    pub reason: String,
}

/// Issues, renews, lists and revokes.
pub struct Certificates {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    /// The first issues; those before it only sign lists, until their certificates have ended.
    authorities: RwLock<Arc<Vec<Authority>>>,
    leaf_life_s: i64,
    credentials: Arc<Credentials>,
    list_file: PathBuf,
    published: Mutex<Published>,
}

struct Published {
    list: RevocationList,
    warned_at: i64,
    not_before: Option<Instant>,
}

impl Certificates {
    /// Publishes a first list, so that the verifier has one before anybody comes.
    pub fn open(
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        authorities: Vec<Authority>,
        leaf_life_s: i64,
        credentials: Arc<Credentials>,
        list_file: PathBuf,
    ) -> Result<Self, CertificatesError> {
        let list = store.registry()?.list;
        let certificates = Self {
            store,
            directory,
            clock,
            authorities: RwLock::new(Arc::new(authorities)),
            leaf_life_s,
            credentials,
            list_file,
            published: Mutex::new(Published {
                list,
                warned_at: 0,
                not_before: None,
            }),
        };
        certificates.publish()?;
        Ok(certificates)
    }

    /// Issues a leaf for a checked request; nothing is kept.
    pub fn issue(
        &self,
        request: &CheckedRequest,
        digest: Digest,
        now: i64,
    ) -> Result<IssuedCertificate, CertificateError> {
        let authorities = self.authorities();
        let authority = authorities.first().ok_or(CertificateError::IssuerExpired)?;
        let Leaf {
            serial,
            expires_at,
            chain,
        } = authority.issue(request, now, self.leaf_life_s)?;
        Ok(IssuedCertificate {
            serial,
            issued_at: now,
            expires_at,
            chain,
            request: digest,
        })
    }

    /// Other issuing keys, from now on.
    pub fn exchange_authorities(
        &self,
        authorities: Vec<Authority>,
    ) -> Result<(), CertificatesError> {
        let mut present = self
            .authorities
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(authorities);
        drop(present);
        self.publish()
    }

    /// A fresh certificate for the caller; the very same request again gets the same answer.
    pub async fn renew(
        self: &Arc<Self>,
        caller: &Caller,
        request: Vec<u8>,
    ) -> Result<IssuedCertificate, CertificatesError> {
        let (this, agency) = (Arc::clone(self), caller.agency()?.clone());
        blocking(move || this.renew_now(&agency, &request)).await
    }

    fn renew_now(
        &self,
        agency: &AgencyName,
        request: &[u8],
    ) -> Result<IssuedCertificate, CertificatesError> {
        let digest = crypto::digest("symbolon certificate request v1", &[request]);
        let now = self.clock.now();
        let mut answer = None;
        self.directory.exchange::<CertificatesError>(|state| {
            // What was true when the call was admitted may have changed before it got the lock.
            state.roster.active(agency).ok_or(NotAllowed)?;
            let known = state.certificates.answer_to(agency, &digest);
            if let Some(known) = known.filter(|known| known.expires_at > now) {
                answer = Some(known.clone());
                return Ok(None);
            }
            if state.certificates.usable(agency, now).count() >= MAX_USABLE {
                return Err(CertificatesError::TooMany(agency.clone()));
            }
            let subject = Subject::Agency(state.roster.consortium.clone(), agency.clone());
            let checked = CheckedRequest::check(request, &subject)?;
            let issued = self.issue(&checked, digest, now)?;
            let log = LogEntry {
                at: now,
                event: Event::Renewal,
                member: Some(agency.clone()),
                count: 1,
                digest: Some(crypto::sha256(issued.serial.as_bytes())),
            };
            self.store.certify(agency, &issued, &log)?;
            let mut next = state.clone();
            next.certificates.insert(agency.clone(), issued.clone());
            answer = Some(issued);
            Ok(Some((next, None)))
        })?;
        answer.ok_or(CertificatesError::NotAllowed(NotAllowed))
    }

    /// Every certificate that is remembered, and every revocation.
    pub fn list(&self, caller: &Caller) -> Result<Vec<CertificateReport>, CertificatesError> {
        caller.administrator()?;
        let state = self.directory.state();
        let consortium = &state.roster.consortium;
        let mut reports: Vec<CertificateReport> = state
            .certificates
            .all()
            .map(|(agency, issued)| CertificateReport {
                subject: Subject::Agency(consortium.clone(), agency.clone()),
                serial: issued.serial.clone(),
                issued_at: issued.issued_at,
                expires_at: issued.expires_at,
                revoked_at: 0,
                reason: String::new(),
            })
            .collect();
        for known in self.directory.administrators().iter() {
            reports.push(CertificateReport {
                subject: Subject::Administrator(consortium.clone(), known.name.clone()),
                serial: known.serial.clone(),
                issued_at: 0,
                expires_at: self.issuer_ends(),
                revoked_at: 0,
                reason: String::new(),
            });
        }
        for revocation in state.certificates.revocations() {
            let known = reports
                .iter()
                .position(|one| one.serial == revocation.serial);
            let issued_at = known.map_or(0, |at| reports.swap_remove(at).issued_at);
            reports.push(CertificateReport {
                subject: revocation.subject.clone(),
                serial: revocation.serial.clone(),
                issued_at,
                expires_at: revocation.expires_at,
                revoked_at: revocation.at,
                reason: revocation.reason.clone(),
            });
        }
        reports.sort_by_cached_key(|one| (one.subject.to_string(), one.issued_at));
        Ok(reports)
    }

    /// Revokes one certificate and ends its connections; a revoked one stays as it is.
    pub async fn revoke(
        self: &Arc<Self>,
        caller: &Caller,
        serial: String,
        reason: String,
    ) -> Result<(), CertificatesError> {
        let (this, administrator) = (Arc::clone(self), caller.administrator()?.clone());
        if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
            return Err(CertificatesError::Reason);
        }
        blocking(move || {
            let now = this.clock.now();
            this.directory.exchange::<CertificatesError>(|state| {
                if state.certificates.revocation(&serial).is_some() {
                    return Ok(None);
                }
                let (subject, expires_at) = this
                    .holder(state, &serial)
                    .ok_or_else(|| CertificatesError::Unknown(serial.clone()))?;
                let revocation = Revocation {
                    serial: serial.clone(),
                    subject,
                    expires_at,
                    at: now,
                    reason,
                };
                let log = LogEntry {
                    at: now,
                    event: Event::Revocation,
                    member: Some(administrator),
                    count: 1,
                    digest: Some(crypto::sha256(serial.as_bytes())),
                };
                let revoked = std::slice::from_ref(&revocation);
                this.store.revoke(revoked, &log)?;
                let mut next = state.clone();
                next.certificates.revoke([revocation]);
                Ok(Some((next, None)))
            })?;
            info!(%serial, "a certificate was revoked");
            this.publish_or_tell();
            Ok(())
        })
        .await
    }

    fn holder(&self, state: &crate::membership::State, serial: &str) -> Option<(Subject, i64)> {
        let consortium = &state.roster.consortium;
        let mut issued = state.certificates.all();
        if let Some((agency, one)) = issued.find(|(_, one)| one.serial == serial) {
            let subject = Subject::Agency(consortium.clone(), agency.clone());
            return Some((subject, one.expires_at));
        }
        let administrators = self.directory.administrators();
        let known = administrators.iter().find(|known| known.serial == serial)?;
        let subject = Subject::Administrator(consortium.clone(), known.name.clone());
        Some((subject, self.issuer_ends()))
    }

    /// The list as it was last published.
    pub fn published(&self) -> RevocationList {
        self.lock().list.clone()
    }

    /// Publishes the next list: stored with its number, given to the verifier, written to its file. Where
    /// another hub over the same store published one meanwhile, the next follows that one.
    pub fn publish(&self) -> Result<(), CertificatesError> {
        for _ in 0..OVERTAKEN {
            match self.publish_next() {
                Err(CertificatesError::Store(StoreError::Conflict)) => {
                    let stored = self.store.registry()?.list;
                    self.lock().list = stored;
                }
                done => return done,
            }
        }
        self.publish_next()
    }

    /// Takes over the list that another hub over the same store published.
    pub(crate) fn catch_up(&self) -> Result<(), CertificatesError> {
        let stored = self.store.registry()?.list;
        let mut published = self.lock();
        if stored.number > published.list.number {
            self.credentials.install_lists(&stored.lists)?;
            files::replace_public(&self.list_file, stored.to_pem().as_bytes())?;
            published.list = stored;
            published.not_before = None;
        }
        Ok(())
    }

    fn publish_next(&self) -> Result<(), CertificatesError> {
        let mut published = self.lock();
        let (state, now) = (self.directory.state(), self.clock.now());
        let revocations = state.certificates.revocations();
        let next = published.list.next(&self.authorities(), revocations, now)?;
        let pem = next.to_pem();
        let log = LogEntry {
            at: now,
            event: Event::RevocationList,
            member: None,
            count: next.number,
            digest: Some(crypto::sha256(pem.as_bytes())),
        };
        self.store.publish_list(&next, &log)?;
        self.credentials.install_lists(&next.lists)?;
        published.list = next;
        files::replace_public(&self.list_file, pem.as_bytes())?;
        published.not_before = None;
        Ok(())
    }

    /// The same where nobody waits for the outcome: it is tried again by [`Self::look_after`].
    pub fn publish_or_tell(&self) {
        if let Err(error) = self.publish() {
            error!(%error, "the list of revoked certificates could not be published");
            self.lock().not_before = Some(Instant::now() + RETRY);
        }
    }

    /// Ends connections whose certificates ended; publishes a list in good time.
    pub async fn look_after(self: &Arc<Self>) {
        self.directory.end_refused();
        self.warn_of_the_end();
        if !self.list_is_due() {
            return;
        }
        let this = Arc::clone(self);
        let done: Result<(), StoreError> = blocking(move || {
            this.publish_or_tell();
            Ok(())
        })
        .await;
        if let Err(error) = done {
            error!(%error, "the list of revoked certificates could not be published");
        }
    }

    /// Once a day from sixty days before the issuer ends.
    fn warn_of_the_end(&self) {
        let (now, ends) = (self.clock.now(), self.issuer_ends());
        let mut published = self.lock();
        if ends - now < WARNED_S && now - published.warned_at >= 86_400 {
            published.warned_at = now;
            let ends = rfc3339(ends);
            warn!(%ends, "the issuing certificate ends; make a new one with `symbolon-hub ca new-issuer`");
        }
    }

    fn list_is_due(&self) -> bool {
        let published = self.lock();
        match published.not_before {
            Some(moment) => Instant::now() >= moment,
            None => self.clock.now() >= published.list.at + LIST_RENEWAL_S,
        }
    }

    /// From when until when the present issuing certificate is good.
    pub fn issuer_lifetime(&self) -> Option<Lifetime> {
        self.authorities().first().map(Authority::lifetime)
    }

    /// What is wrong with the published list: whoever comes is refused once it is over.
    pub fn list_trouble(&self, now: i64) -> Option<String> {
        let published = self.lock();
        let ends = published.list.at + LIST_LIFE_S;
        let late = now > published.list.at + LIST_LATE_S;
        (late || published.not_before.is_some()).then(|| {
            let ends = rfc3339(ends);
            format!("the list of revoked certificates ends {ends} and could not be published anew; the hub's log says why")
        })
    }

    /// Whether the published list of revoked certificates still counts.
    pub fn list_is_in_force(&self, now: i64) -> bool {
        now <= self.lock().list.at + LIST_LIFE_S
    }

    /// When the present issuing certificate ends.
    pub fn issuer_ends(&self) -> i64 {
        self.authorities().first().map_or(0, Authority::expires_at)
    }

    fn authorities(&self) -> Arc<Vec<Authority>> {
        let authorities = self
            .authorities
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&authorities)
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
