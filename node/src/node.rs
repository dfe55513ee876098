//! The node: an open vault, the verified membership, and a line to the hub when there is one.
//!
//! The other modules of this crate add what it does: [`crate::import`] and [`crate::records`] fill
//! the vault, [`crate::tokenise`] turns linkage keys into rows, [`crate::matches`] takes in what the
//! hub reports, [`crate::custodian`] holds a share, [`crate::serve`] keeps it all going.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::SignedEntry;
use symbolon_core::sealed_file::Unlock;
use symbolon_traces::Traces;
use tokio::sync::Notify;

use crate::casework::Parcels;
use crate::casework::{AuditLog, People};
use crate::certificates;
use crate::clock::Clock;
use crate::comparison::Comparisons;
use crate::config::NodeConfig;
use crate::counts::Counts;
use crate::custodian::answers::Answers;
use crate::custodian::gate::Gate;
use crate::enrolment::SELF;
use crate::error::NodeError;
use crate::hub_client::{Credentials, HubClient};
use crate::keys::Keys;
use crate::letters;
use crate::linkage::Linkage;
use crate::membership::{Membership, load_roster};
use crate::pauses::Pauses;
use crate::questions::Questions;
use crate::reports::Progress;
use crate::tables::{StoredIdentity, Tables};
use crate::vault::Vault;

/// Who this node is, as long as it is enrolled; its keys are in [`Keys`].
pub struct Identity {
    /// Its name.
    pub agency: AgencyName,
    /// Its consortium.
    pub consortium: Name,
    /// Pinned at enrolment.
    pub genesis: Digest,
    /// `host:port`.
    pub hub: String,
}

impl Identity {
    fn load(stored: &StoredIdentity, config: &NodeConfig) -> Self {
        Self {
            agency: stored.agency.clone(),
            consortium: stored.consortium.clone(),
            genesis: stored.genesis,
            hub: config.hub.clone().unwrap_or_else(|| stored.hub.clone()),
        }
    }
}

/// Where the line to the hub stands.
#[derive(Default)]
pub(crate) struct Line {
    pub client: Option<HubClient>,
    pub error: Option<String>,
}

/// What the way from records to rows at the hub needs at hand.
#[derive(Default)]
pub(crate) struct Stream {
    /// How many own records hold each key.
    pub counts: Counts,
    /// Whoever registers what waits holds this, also while others work between two of its batches: two who
    /// did would have the same keys evaluated.
    pub registering: tokio::sync::Mutex<()>,
    /// Held, with others, by whoever puts rows beside a record and then names them in it. Whoever has it alone
    /// sees which rows no record names.
    pub naming: RwLock<()>,
    /// What is being asked of custodians.
    pub questions: Questions,
    /// What long work has come to, for whoever asks.
    pub underway: Mutex<Option<Progress>>,
    /// Why keys wait, if they do.
    pub waiting_reason: Mutex<Option<String>>,
}

/// An open node.
pub struct Node {
    pub(crate) vault: Vault,
    pub(crate) tables: Tables,
    pub(crate) identity: Identity,
    /// What it signs and opens with; exchanged when the roster shows new ones.
    keys: RwLock<Arc<Keys>>,
    /// Whoever changes the stored identity holds this.
    identity_changes: Mutex<()>,
    pub(crate) config: NodeConfig,
    /// Off unless the settings say where spans go.
    pub(crate) traces: Traces,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) schema: &'static Schema,
    /// What makes keys of records; exchanged when the file of nicknames changes.
    pub(crate) linkage: RwLock<Arc<Linkage>>,
    membership: RwLock<Membership>,
    /// What TLS shows and trusts; exchanged at each renewal.
    pub(crate) credentials: RwLock<Arc<Credentials>>,
    /// Why the last renewal failed, if it did.
    pub(crate) renewal_error: Mutex<Option<String>>,
    pub(crate) line: Mutex<Line>,
    /// What turns records into rows at the hub.
    pub(crate) stream: Stream,
    /// Whoever fetches and verifies what is new of the membership holds this: an answer that was given
    /// earlier must not be taken in after a later one.
    pub(crate) syncing: tokio::sync::Mutex<()>,
    /// Whoever changes records, rows or matches holds this.
    pub(crate) work: tokio::sync::Mutex<()>,
    /// Rung when rows wait to be registered or withdrawn.
    pub(crate) work_waits: Notify,
    /// Rung when this node has got a share of the custody key.
    pub(crate) share_made: Notify,
    /// Rung when the first attempt to connect has ended, well or badly.
    pub(crate) first_try: Notify,
    /// What this custodian has answered, and what each agency has left.
    pub(crate) gate: Gate,
    /// The answers that it gave last.
    pub(crate) answers: Answers,
    /// What private comparisons need at hand.
    pub(crate) comparisons: Comparisons,
    /// Where the audit log ends.
    pub(crate) audit: AuditLog,
    /// What changes to accounts and sessions hold.
    pub(crate) people: People,
    /// Custodians who will not evaluate for us until a time.
    pub(crate) pauses: Pauses,
    /// Whoever changes runs or shares of custody keys holds this.
    pub(crate) custody_runs: Mutex<()>,
    /// What went wrong in making shares, for a person to read.
    pub(crate) custody_fault: Mutex<Option<String>>,
    /// When the hub last confirmed that our roster is its whole roster, Unix seconds.
    pub(crate) roster_confirmed_at: std::sync::atomic::AtomicI64,
    /// Number of the next letter that is posted.
    pub(crate) next_letter: std::sync::atomic::AtomicU64,
    /// Attachments under way.
    pub(crate) parcels: Parcels,
    /// When received data is next looked through for what has ended, Unix seconds.
    pub(crate) next_received_sweep: std::sync::atomic::AtomicI64,
    /// Rung when an envelope waits to be sent.
    pub(crate) outbox_waits: Notify,
    /// Registered rows that the hub turned out to have lost; stays 0 unless its store was damaged.
    pub(crate) lost_rows: std::sync::atomic::AtomicU64,
    /// How many let their rows wait for others to be mixed with.
    pub(crate) gathering: std::sync::atomic::AtomicUsize,
    /// Lines to the hub since this process began; moving over to a renewed certificate makes none.
    pub(crate) lines_begun: std::sync::atomic::AtomicU64,
    /// Whether `serve` keeps this node going.
    pub(crate) serving: std::sync::atomic::AtomicBool,
}

impl Node {
    /// Opens the vault of an enrolled node and verifies what it knows.
    pub fn open(
        directory: &Path,
        config: NodeConfig,
        unlock: &Unlock,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, NodeError> {
        let vault = Vault::open(directory, unlock)?;
        let tables = Tables::open(&vault)?;
        let mut stored = tables
            .identity
            .get(&SELF.to_owned())?
            .ok_or_else(|| NodeError::NotEnrolled(directory.to_owned()))?;
        let identity = Identity::load(&stored, &config);
        let entries: BTreeMap<u64, SignedEntry> = tables.roster.iter().collect::<Result<_, _>>()?;
        let entries: Vec<SignedEntry> = entries.into_values().collect();
        let membership = Membership {
            roster: load_roster(&entries, &identity.genesis)?,
            custody_keys: BTreeMap::new(),
            custody_missing: Some("not yet asked the hub".to_owned()),
            agreements: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        // A kill came between the roster's word and ours.
        if stored.follow(&membership.roster)? {
            tables.identity.put(&SELF.to_owned(), &stored)?;
            vault.flush()?;
        }
        let keys = Keys::load(&stored)?;
        let credentials = certificates::credentials(&stored)?;
        let (gate, answers) = (Gate::open(&tables)?, Answers::open(&tables)?);
        let audit = AuditLog::open(&tables)?;
        let next_letter = letters::next_number(&tables)?.into();
        let schema = Schema::default_schema();
        let linkage = Linkage::load(schema, &config)?;
        let comparisons = Comparisons::open(schema, &tables)?;
        let traces = Traces::start(config.traces.as_ref(), "symbolon-node")?;
        let node = Self {
            gate,
            answers,
            next_letter,
            comparisons,
            audit,
            people: People::default(),
            pauses: Pauses::default(),
            custody_runs: Mutex::default(),
            custody_fault: Mutex::default(),
            roster_confirmed_at: i64::MIN.into(),
            vault,
            tables,
            identity,
            keys: RwLock::new(Arc::new(keys)),
            identity_changes: Mutex::default(),
            config,
            traces,
            clock,
            schema,
            linkage: RwLock::new(Arc::new(linkage)),
            membership: RwLock::new(membership),
            credentials: RwLock::new(Arc::new(credentials)),
            renewal_error: Mutex::default(),
            line: Mutex::default(),
            stream: Stream::default(),
            syncing: tokio::sync::Mutex::default(),
            work: tokio::sync::Mutex::default(),
            work_waits: Notify::new(),
            share_made: Notify::new(),
            first_try: Notify::new(),
            parcels: Parcels::default(),
            next_received_sweep: i64::MIN.into(),
            outbox_waits: Notify::new(),
            lost_rows: 0.into(),
            gathering: 0.into(),
            lines_begun: 0.into(),
            serving: false.into(),
        };
        node.take_up()?;
        Ok(Arc::new(node))
    }

    /// Finishes what a kill left unfinished.
    fn take_up(&self) -> Result<(), NodeError> {
        self.index_references()?;
        self.load_agreements()?;
        self.derive_anew()?;
        self.finish_interrupted_import()?;
        self.finish_interrupted_erasures()
    }

    /// Its name.
    pub fn agency(&self) -> &AgencyName {
        &self.identity.agency
    }

    /// What it signs and opens with now.
    pub fn keys(&self) -> Arc<Keys> {
        let present = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }

    /// Changes the stored identity in one write; the keys in use follow it.
    pub(crate) fn change_identity<T>(
        &self,
        change: impl FnOnce(&mut StoredIdentity) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let _one_at_a_time = self
            .identity_changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut stored = self.stored_identity()?;
        let outcome = change(&mut stored)?;
        let keys = Keys::load(&stored)?;
        self.tables.identity.put(&SELF.to_owned(), &stored)?;
        self.vault.flush()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(outcome)
    }

    pub(crate) fn stored_identity(&self) -> Result<StoredIdentity, NodeError> {
        let stored = self.tables.identity.get(&SELF.to_owned())?;
        stored.ok_or(NodeError::Internal("a node without an identity"))
    }

    /// Registered rows that the hub turned out to have lost, since this process began.
    pub fn lost_rows(&self) -> u64 {
        self.lost_rows.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How often this process had to make its line to the hub anew.
    pub fn lines_begun(&self) -> u64 {
        self.lines_begun.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Reads the membership.
    pub(crate) fn membership<T>(&self, read: impl FnOnce(&Membership) -> T) -> T {
        read(
            &self
                .membership
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn change_membership<T>(&self, change: impl FnOnce(&mut Membership) -> T) -> T {
        change(
            &mut self
                .membership
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The line to the hub; connects if there is none.
    pub async fn hub(&self) -> Result<HubClient, NodeError> {
        if let Some(client) = self.current_line() {
            return Ok(client);
        }
        let client = self.dial().await?;
        // A line counts once something came over it: with TLS 1.3 a client whose certificate is refused
        // hears so only with its first request.
        self.sync_membership(&client).await?;
        self.set_line(Ok(client.clone()));
        Ok(client)
    }

    pub(crate) fn current_line(&self) -> Option<HubClient> {
        self.line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .client
            .clone()
    }

    pub(crate) fn set_line(&self, line: Result<HubClient, String>) {
        let mut current = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        *current = match line {
            Ok(client) => Line {
                client: Some(client),
                error: None,
            },
            Err(error) => Line {
                client: None,
                error: Some(error),
            },
        };
    }

    pub(crate) fn set_waiting(&self, reason: Option<String>) {
        *self
            .stream
            .waiting_reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub(crate) fn waiting(&self) -> Option<String> {
        self.stream
            .waiting_reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
