//! A hub among others over one store: what they changed becomes effective here, members on this hub's
//! lines are woken for what came in there, and evaluations go to custodians on their lines.
//!
//! A look costs the store one or two short questions. It follows a ring of the bell at once, and comes by
//! itself twice a second, since a ring can be lost. Nothing rests on it but time: whoever changes
//! something out of a stale state meets a conflict in the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use symbolon_core::identity::AgencyName;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::certificates::{Certificates, CertificatesError};
use crate::custody::Custody;
use crate::mailbox::{Hint, Lines};
use crate::membership::{Directory, MembershipError};
use crate::store::shared::Shared;
use crate::store::{Store, StoreError, blocking};

/// Between two looks without a ring: half of what a revocation may take.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Error)]
enum SharingError {
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What looks, and on whose behalf.
pub(crate) struct Sharing {
    pub store: Arc<dyn Store>,
    pub directory: Arc<Directory>,
    pub certificates: Arc<Certificates>,
    pub lines: Arc<Lines>,
    pub custody: Arc<Custody>,
}

/// For so long another hub believes that a custodian is on this hub's line; it is said again in good time.
const ATTENDS_S: u64 = 6;
const SAID_AGAIN: Duration = Duration::from_secs(2);

/// What was seen and said at the last look.
#[derive(Default)]
struct Seen {
    attending: Vec<AgencyName>,
    said: Option<Instant>,
    statements: Option<u64>,
    mail: HashMap<AgencyName, u64>,
}

impl Seen {
    /// Says who is on this hub's line, if that is news or is to be said again.
    fn attend(&mut self, shared: &dyn Shared, custodians: &[AgencyName]) -> Result<(), StoreError> {
        let said = self.said.is_some_and(|said| said.elapsed() < SAID_AGAIN);
        let known = self.attending == custodians;
        if !known || (!said && !custodians.is_empty()) {
            shared.attend(custodians, ATTENDS_S)?;
            self.said = Some(Instant::now());
            self.attending = custodians.to_vec();
        }
        Ok(())
    }
}

impl Sharing {
    /// Looks until the hub stops; at once at an end if the hub has its store alone.
    pub async fn follow(self, shutdown: CancellationToken) -> Result<(), String> {
        let this = Arc::new(self);
        let Some(bell) = this.store.shared().map(|shared| shared.bell()) else {
            return Ok(());
        };
        let mut interval = tokio::time::interval(LOOK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut seen, mut failing) = (Seen::default(), false);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = bell.notified() => {}
                _ = interval.tick() => {}
            }
            let looking = Arc::clone(&this);
            let looked = blocking(move || {
                let mut now = seen;
                let done = looking.look(&mut now);
                // What was seen counts even if something later failed.
                Ok::<_, SharingError>((now, done))
            });
            let done;
            (seen, done) = match looked.await {
                Ok((seen, done)) => (seen, done),
                Err(error) => (Seen::default(), Err(error)),
            };
            match done {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    error!(%error, "what other hubs did could not be taken over; it is tried again");
                }
                Err(_) => {}
            }
        }
    }

    fn look(&self, seen: &mut Seen) -> Result<(), SharingError> {
        let Some(shared) = self.store.shared() else {
            return Ok(());
        };
        let listening = self.lines.listening();
        let custodians = self.custody.attendance_here();
        seen.attend(shared, &custodians)?;
        let news = shared.look(&listening, &custodians)?;
        self.custody.attend_elsewhere(news.attending);
        if news.registry {
            self.directory.catch_up()?;
        }
        if news.list > self.certificates.published().number {
            self.certificates.catch_up()?;
        }
        let before = seen.statements.replace(news.statements);
        if before.is_some_and(|before| before != news.statements) {
            self.lines.hint(Hint::Custody);
        }
        let mail: HashMap<AgencyName, u64> = news.mail.into_iter().collect();
        let more = mail
            .iter()
            .filter(|(member, last)| seen.mail.get(*member) != Some(last));
        self.lines.wake(more.map(|(member, _)| member));
        seen.mail = mail;
        if news.asked {
            for asked in shared.take(&custodians)? {
                tokio::spawn(Arc::clone(&self.custody).carry(asked));
            }
        }
        if news.answered {
            for (id, reply) in shared.answers()? {
                self.custody.hear_elsewhere(&id, &reply);
            }
        }
        Ok(())
    }
}
