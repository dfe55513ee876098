//! Mailboxes: what waits for a member, and the line on which it comes at once.
//!
//! Items are numbered from 1 by the store and stay until acknowledged, so that delivery is at least
//! once and a cursor survives both sides' restarts. A reception reads from the store in pages and
//! sleeps on a wake-up; hints are not kept, carry no number and may be lost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use thiserror::Error;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::caller::{Caller, NotAllowed};
use crate::clock::Clock;
use crate::membership::Directory;
use crate::store::{Item, Store, StoreError, blocking};

/// Items read at a time: the largest envelopes make 8 MiB of them.
const PAGE_ITEMS: usize = 32;
/// Hints that a slow reception may fall behind; it is then told to look at everything.
const HINTS_KEPT: usize = 16;

/// What a member should fetch anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The roster.
    Roster,
    /// The agreements.
    Agreements,
    /// The custodians' statements.
    Custody,
}

/// One thing on its way to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A kept item with its number.
    Item(u64, Box<Item>),
    /// A hint.
    Hint(Hint),
}

/// Why mail is not taken or not given.
#[derive(Debug, Error)]
pub enum MailboxError {
    /// Not for this caller.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// An envelope in another's name.
    #[error("the envelope is not from its sender")]
    OtherSender,
    /// Nobody of this name has enrolled.
    #[error("the recipient has not enrolled")]
    UnknownRecipient,
    /// The signature does not verify.
    #[error("the envelope's signature does not verify")]
    BadSignature,
    /// More than a hub takes.
    #[error("the envelope is too large")]
    TooLarge,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is on the line, and how to wake them.
pub struct Lines {
    members: Mutex<HashMap<AgencyName, MemberLine>>,
    hints: broadcast::Sender<Hint>,
    clock: Arc<dyn Clock>,
}

struct MemberLine {
    wake: watch::Sender<()>,
    reception: CancellationToken,
    last_seen_at: i64,
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// A reception is open.
    pub connected: bool,
    /// Unix seconds of the last request since the hub started; 0 if none.
    pub last_seen_at: i64,
}

impl Lines {
    /// Nobody is there yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            members: Mutex::new(HashMap::new()),
            hints: broadcast::Sender::new(HINTS_KEPT),
            clock,
        }
    }

    /// Tells every reception.
    pub fn hint(&self, hint: Hint) {
        // Nobody listening is no error.
        let _ = self.hints.send(hint);
    }

    /// New mail is there.
    pub fn wake<'a>(&self, members: impl IntoIterator<Item = &'a AgencyName>) {
        let lines = self.lock();
        for member in members {
            if let Some(line) = lines.get(member) {
                line.wake.send_replace(());
            }
        }
    }

    /// Members whose receptions are open.
    pub fn listening(&self) -> Vec<AgencyName> {
        let lines = self.lock();
        let open = lines
            .iter()
            .filter(|(_, line)| !line.reception.is_cancelled());
        open.map(|(member, _)| member.clone()).collect()
    }

    /// A member made a request.
    pub fn seen(&self, member: &AgencyName) {
        let now = self.clock.now();
        self.lock().entry(member.clone()).or_default().last_seen_at = now;
    }

    /// Whether a member is there.
    pub fn presence(&self, member: &AgencyName) -> Presence {
        let lines = self.lock();
        lines
            .get(member)
            .map_or(Presence::default(), |line| Presence {
                connected: !line.reception.is_cancelled(),
                last_seen_at: line.last_seen_at,
            })
    }

    /// Opens a line; the one before it ends, so that a member has one at most.
    fn open(&self, member: &AgencyName, shutdown: &CancellationToken) -> OpenLine {
        let mut lines = self.lock();
        let line = lines.entry(member.clone()).or_default();
        line.reception.cancel();
        line.reception = shutdown.child_token();
        line.last_seen_at = self.clock.now();
        OpenLine {
            wake: line.wake.subscribe(),
            hints: self.hints.subscribe(),
            ended: line.reception.clone(),
            _ends: line.reception.clone().drop_guard(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyName, MemberLine>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemberLine {
    fn default() -> Self {
        let reception = CancellationToken::new();
        reception.cancel();
        Self {
            wake: watch::Sender::new(()),
            reception,
            last_seen_at: 0,
        }
    }
}

struct OpenLine {
    wake: watch::Receiver<()>,
    hints: broadcast::Receiver<Hint>,
    ended: CancellationToken,
    _ends: DropGuard,
}

/// The mailboxes of all members.
pub struct Mailbox {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who may send and receive.
    pub directory: Arc<Directory>,
    /// Who is there.
    pub lines: Arc<Lines>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Most items that wait for one member.
    pub max_items: u64,
    /// Most sealed bytes of an envelope.
    pub max_envelope_bytes: usize,
    /// Ends every reception.
    pub shutdown: CancellationToken,
}

impl Mailbox {
    /// Keeps an envelope for its recipient; a repeated one changes nothing.
    pub async fn send(&self, caller: &Caller, envelope: Envelope) -> Result<(), MailboxError> {
        if *caller.agency()? != envelope.from {
            return Err(MailboxError::OtherSender);
        }
        if envelope.sealed.len() > self.max_envelope_bytes {
            return Err(MailboxError::TooLarge);
        }
        let state = self.directory.state();
        let sender = state.roster.active(&envelope.from);
        let (_, keys) = sender.ok_or(MailboxError::OtherSender)?;
        if state.roster.enrolled(&envelope.to).is_none() {
            return Err(MailboxError::UnknownRecipient);
        }
        envelope
            .verify(&keys.signing)
            .map_err(|_| MailboxError::BadSignature)?;
        let store = Arc::clone(&self.store);
        let (max_items, at) = (self.max_items, self.clock.now());
        let lines = Arc::clone(&self.lines);
        // In one piece, even if the sender hangs up meanwhile: what was stored without a wake-up would
        // lie until the next one.
        blocking(move || {
            if store.send(&envelope, max_items, at)? {
                lines.wake([&envelope.to]);
            }
            Ok::<_, MailboxError>(())
        })
        .await
    }

    /// Opens the caller's line, to receive everything after a cursor.
    pub async fn receive(&self, caller: &Caller, after: u64) -> Result<Reception, MailboxError> {
        let member = caller.agency()?.clone();
        let store = Arc::clone(&self.store);
        let asked = member.clone();
        let last = blocking(move || store.last_sequence(&asked)).await?;
        if after > last {
            return Err(StoreError::CursorAhead(last).into());
        }
        let line = self.lines.open(&member, &self.shutdown);
        Ok(Reception {
            store: Arc::clone(&self.store),
            member,
            after,
            page: VecDeque::new(),
            missed: Vec::new(),
            line,
        })
    }

    /// Deletes what the caller has taken over.
    pub async fn acknowledge(&self, caller: &Caller, up_to: u64) -> Result<(), MailboxError> {
        let member = caller.agency()?.clone();
        let store = Arc::clone(&self.store);
        let at = self.clock.now();
        blocking(move || store.acknowledge(&member, up_to, at).map_err(Into::into)).await
    }
}

/// A member's open line.
pub struct Reception {
    store: Arc<dyn Store>,
    member: AgencyName,
    after: u64,
    page: VecDeque<(u64, Item)>,
    missed: Vec<Hint>,
    line: OpenLine,
}

impl Reception {
    /// The next delivery; `None` when the hub stops or another line of the member took over.
    pub async fn next(&mut self) -> Result<Option<Delivery>, MailboxError> {
        loop {
            if self.line.ended.is_cancelled() {
                return Ok(None);
            }
            if let Some((sequence, item)) = self.page.pop_front() {
                self.after = sequence;
                return Ok(Some(Delivery::Item(sequence, Box::new(item))));
            }
            if let Some(hint) = self.missed.pop() {
                return Ok(Some(Delivery::Hint(hint)));
            }
            // Seen before reading: what comes during the read wakes the wait below.
            self.line.wake.mark_unchanged();
            self.read_page().await?;
            if !self.page.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.line.ended.cancelled() => return Ok(None),
                woken = self.line.wake.changed() => if woken.is_err() { return Ok(None) },
                hint = self.line.hints.recv() => match hint {
                    Ok(hint) => return Ok(Some(Delivery::Hint(hint))),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.missed = vec![Hint::Custody, Hint::Agreements, Hint::Roster];
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
            }
        }
    }

    async fn read_page(&mut self) -> Result<(), MailboxError> {
        let store = Arc::clone(&self.store);
        let (member, after) = (self.member.clone(), self.after);
        let page = blocking(move || store.deliveries(&member, after, PAGE_ITEMS)).await?;
        self.page = page.into();
        Ok(())
    }
}
