//! A whole consortium in one process: a hub and any number of nodes, over real sockets with mutual
//! TLS. Scenario tests and the demo share it.
//!
//! Everything goes the way it goes in the field: founding, invitations, CSRs, a key generation
//! between the nodes, an agreement accepted by each. Only time-outs are watched here ([`eventually`]);
//! nothing sleeps for a fixed while and hopes.

mod administrators;
mod clock;
mod hub;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::agreement::Document;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKind, Name};
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::Quota;
use symbolon_core::sealed_file::Unlock;
use symbolon_hub::Observer;
use symbolon_hub::RunningHub;
use symbolon_hub::admin::Admin;
use symbolon_hub::ca::AdministratorRequest;
use symbolon_hub::founding::{self, FoundingOptions};
use symbolon_node::config::NodeConfig;
use symbolon_node::control;
use symbolon_node::handler::Commands;
use symbolon_node::health;
use symbolon_node::node::Node;
use symbolon_node::{config, enrolment};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::hub::{HubHandle, start_hub};
use crate::ports::free_address;

pub use self::clock::SharedClock;

/// Any failure, as text: this is a harness, and its callers only print it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What every agency of the harness may have evaluated: more than any sample needs.
pub const QUOTA: Quota = Quota {
    initial: 10_000_000,
    per_day: 10_000_000,
};

/// Settings of every node of the harness: rows go at once, since nobody mixes in with them.
const NODE_TOML: &str = "[tokenising]\nbatch_interval_ms = 0\n[comparison]\ndaily_budget = 1000000\nruns_per_pair = 10000\n";

/// How long [`eventually`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where each party of a consortium keeps its state.
#[derive(Clone, Debug)]
pub struct Places {
    base: PathBuf,
}

impl Places {
    /// Everything below one directory.
    pub fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
        }
    }

    /// The hub's state.
    pub fn hub(&self) -> PathBuf {
        self.base.join("hub")
    }

    /// The administrator's directory, off the hub host.
    pub fn admin(&self) -> PathBuf {
        self.base.join("administrator")
    }

    /// The offline root.
    pub fn root(&self) -> PathBuf {
        self.base.join("offline-root")
    }

    /// An agency's node.
    pub fn node(&self, agency: &str) -> PathBuf {
        self.base.join(agency)
    }
}

/// A running consortium.
pub struct Consortium {
    /// What time it is.
    pub clock: Arc<SharedClock>,
    /// Where everybody keeps their state.
    pub places: Places,
    /// The administrator's hands.
    pub admin: Admin,
    nodes: BTreeMap<String, Running>,
    hub: Option<HubHandle>,
    program: Option<PathBuf>,
    observer: Option<Observer>,
    addresses: (SocketAddr, SocketAddr),
    unlock: fn() -> Unlock,
}

/// A node that serves.
struct Running {
    node: Arc<Node>,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Waits until `condition` holds; asks again every few milliseconds until [`PATIENCE`] ends.
pub async fn eventually<T>(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("{what}: not after {} s", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until nobody has a node any more. What a thread computes cannot be cut off; its vault is open
/// until it is done.
async fn gone(node: Arc<Node>) -> Result<(), Failure> {
    let alive = Arc::downgrade(&node);
    drop(node);
    eventually("the node being gone", async || {
        Ok((alive.strong_count() == 0).then_some(()))
    })
    .await
}

impl Consortium {
    /// Founds a consortium below `base` and starts its hub on free ports of the loopback interface.
    pub async fn found(base: &Path, unlock: fn() -> Unlock) -> Result<Self, Failure> {
        Self::found_with(base, unlock, None, None).await
    }

    /// The same, with the hub as a process of its own, started from `program`, or with somebody who
    /// sees what the hub receives.
    pub async fn found_with(
        base: &Path,
        unlock: fn() -> Unlock,
        program: Option<PathBuf>,
        observer: Option<Observer>,
    ) -> Result<Self, Failure> {
        Self::found_by(base, unlock, (program, observer), (&[], 1)).await
    }

    /// The same with further administrators, and as many approvals for each change.
    async fn found_by(
        base: &Path,
        unlock: fn() -> Unlock,
        (program, observer): (Option<PathBuf>, Option<Observer>),
        (others, approvals_needed): (&[AdministratorRequest], u32),
    ) -> Result<Self, Failure> {
        let places = Places::new(base);
        std::fs::create_dir_all(base)?;
        // The hub listens on the same ones for as long as the consortium lives, so that nodes find it
        // again after a restart.
        let addresses = (free_address()?, free_address()?);
        founding::found_with(
            &FoundingOptions {
                consortium: "demo".parse()?,
                administrator: "administrator".parse()?,
                hub_dir: places.hub(),
                admin_dir: places.admin(),
                root_dir: places.root(),
                host_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
                listen: addresses.0.to_string(),
                enrolment_listen: addresses.1.to_string(),
                passphrase: unlock(),
            },
            others,
            approvals_needed,
            symbolon_hub::clock::system().as_ref(),
        )?;
        let clock = Arc::new(SharedClock::default());
        let here = (Arc::clone(&clock), observer.clone());
        let hub = start_hub(&places, addresses, program.as_deref(), here).await?;
        let admin = Admin::open(&places.admin(), &unlock())?.with_clock(clock.clone());
        let (nodes, hub) = (BTreeMap::new(), Some(hub));
        Ok(Self {
            clock,
            places,
            admin,
            nodes,
            hub,
            program,
            observer,
            addresses,
            unlock,
        })
    }

    /// Invites an agency, enrols its node and lets it serve.
    pub async fn enrol(
        &mut self,
        name: &str,
        kind: AgencyKind,
        title: &str,
    ) -> Result<(), Failure> {
        self.enrol_with_quota(name, kind, title, QUOTA).await
    }

    /// The same, with another quota of evaluations.
    pub async fn enrol_with_quota(
        &mut self,
        name: &str,
        kind: AgencyKind,
        title: &str,
        quota: Quota,
    ) -> Result<(), Failure> {
        let (invitation, _) = self
            .admin
            .invite(name.parse()?, kind, title, 3600, quota)
            .await?;
        self.redeem(name, &invitation).await?;
        let state = self.places.node(name);
        std::fs::write(state.join(config::FILE_NAME), NODE_TOML)?;
        self.start_node(name).await
    }

    /// Enrols a node that is not running; gives whether it was enrolled before.
    pub async fn redeem(&self, name: &str, invitation: &str) -> Result<bool, Failure> {
        let (state, unlock) = (self.places.node(name), (self.unlock)());
        let report = enrolment::enrol(&state, invitation, &unlock, self.clock.as_ref()).await?;
        Ok(report.healed)
    }

    /// Starts the node of an enrolled agency.
    pub async fn start_node(&mut self, name: &str) -> Result<(), Failure> {
        let state = self.places.node(name);
        let config = NodeConfig::load(&state)?;
        let (path, unlock) = (state.clone(), (self.unlock)());
        let clock = self.clock.clone();
        let node = tokio::task::spawn_blocking(move || Node::open(&path, config, &unlock, clock));
        let node = node.await??;
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(Arc::clone(&node).serve(shutdown.clone()));
        let commands = Arc::new(Commands(Arc::clone(&node)));
        let (socket, token) = (control::socket_path(&state)?, shutdown.clone());
        let answering = tokio::spawn(async move {
            if let Err(error) = control::serve(&socket, commands, token).await {
                tracing::error!(%error, "no control socket");
            }
        });
        let mut tasks = vec![serving, answering];
        tasks.extend(health::start(&node, &shutdown).await?);
        self.nodes.insert(
            name.to_owned(),
            Running {
                node,
                shutdown,
                tasks,
            },
        );
        Ok(())
    }

    /// Stops an agency's node as SIGTERM would.
    pub async fn stop_node(&mut self, name: &str) -> Result<(), Failure> {
        let running = self.nodes.remove(name).ok_or("no such node")?;
        running.shutdown.cancel();
        for task in running.tasks {
            task.await?;
        }
        gone(running.node).await
    }

    /// Cuts an agency's node off in whatever it is doing: nothing more of it runs.
    pub async fn kill_node(&mut self, name: &str) -> Result<(), Failure> {
        let running = self.nodes.remove(name).ok_or("no such node")?;
        for task in running.tasks {
            task.abort();
            // It was cancelled, or had ended.
            let _ = task.await;
        }
        gone(running.node).await
    }

    /// Stops the hub; nodes keep trying.
    pub async fn stop_hub(&mut self) -> Result<(), Failure> {
        match self.hub.take().ok_or("the hub is not running")? {
            HubHandle::Here(hub, shutdown) => {
                shutdown.cancel();
                Ok(hub.wait().await?)
            }
            // Dropping it kills it, as SIGKILL would in the field.
            HubHandle::Process(child) => {
                drop(child);
                Ok(())
            }
        }
    }

    /// Starts the hub again where it was.
    pub async fn start_hub(&mut self) -> Result<(), Failure> {
        let program = self.program.as_deref();
        let here = (Arc::clone(&self.clock), self.observer.clone());
        self.hub = Some(start_hub(&self.places, self.addresses, program, here).await?);
        Ok(())
    }

    /// Appoints every agency a custodian and waits for the key generation among them.
    pub async fn appoint(&mut self, threshold: u16) -> Result<(), Failure> {
        let names = self.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.appoint_these(threshold, &names).await?;
        self.everybody_attends().await
    }

    /// Appoints some agencies and waits until every node has their key.
    pub async fn appoint_these(&mut self, threshold: u16, names: &[&str]) -> Result<(), Failure> {
        let names: Result<Vec<Name>, _> = names.iter().map(|name| name.parse()).collect();
        self.admin.appoint_custodians(threshold, names?).await?;
        self.everybody("the key generation", |node| {
            let custody = node.status()?.custody;
            Ok(custody.contains(" of ") && !custody.contains("not ready"))
        })
        .await
    }

    /// Waits until every node stands on the custodians' line.
    pub async fn everybody_attends(&self) -> Result<(), Failure> {
        eventually("custodians standing on the line", async || {
            let Some(running) = self.nodes.values().next() else {
                return Ok(Some(()));
            };
            let present = running.node.hub().await?.attendance().await?;
            Ok((present.len() == self.nodes.len()).then_some(()))
        })
        .await
    }

    /// Proposes an agreement among the given members, accepts it at each and waits until it is in
    /// force everywhere.
    pub async fn agree(&mut self, id: &str, members: &[&str]) -> Result<(), Failure> {
        let document = self.document(id, members)?;
        self.admin.propose_agreement(&document).await?;
        for member in members {
            self.node(member)?.accept(id, &[]).await?;
        }
        let (id, members) = (id.to_owned(), members.to_vec());
        self.everybody("the agreement", move |node| {
            let concerned = members.contains(&node.agency().as_str());
            let agreements = node.agreement_views();
            let in_force = agreements
                .iter()
                .any(|a| a.id == id && a.standing == "in force");
            Ok(!concerned || in_force)
        })
        .await
    }

    /// An agreement as this harness proposes it.
    pub fn document(&self, id: &str, members: &[&str]) -> Result<Document, Failure> {
        let schema = Schema::default_schema();
        let members: Result<Vec<Name>, _> = members.iter().map(|name| name.parse()).collect();
        let members = members?;
        Ok(Document {
            consortium: self.admin.genesis(),
            // Everything was approved by the administrators of the genesis.
            roster: 1,
            id: id.parse()?,
            title: "Finding missing children and overlapping cases".to_owned(),
            version: 1,
            replaces: None,
            record_roles: Default::default(),
            response_hours: Default::default(),
            threshold: None,
            lead: members
                .first()
                .cloned()
                .ok_or("an agreement needs members")?,
            members,
            purposes: vec!["safeguarding".to_owned()],
            regime: "UK GDPR and DPA 2018".to_owned(),
            lawful_basis: "public task".to_owned(),
            retention_months: 24,
            common_token_limit: 64,
            schema_version: schema.version,
            schema_digest: Digest(schema.digest()),
            epoch: 1,
        })
    }

    /// The node of an agency.
    pub fn node(&self, name: &str) -> Result<&Arc<Node>, Failure> {
        let running = self.nodes.get(name);
        Ok(&running
            .ok_or_else(|| format!("no node {name} is running"))?
            .node)
    }

    /// Names of the running nodes.
    pub fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// The running hub.
    pub fn hub(&self) -> Result<&RunningHub, Failure> {
        match &self.hub {
            Some(HubHandle::Here(hub, _)) => Ok(hub),
            Some(HubHandle::Process(_)) => Err("the hub is a process of its own".into()),
            None => Err("the hub is not running".into()),
        }
    }

    /// Where the hub listens.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        self.addresses
    }

    /// Waits until every node has taken over all that the hub had for it, and nothing waits.
    pub async fn settle(&self) -> Result<(), Failure> {
        eventually("nodes settling", async || {
            let mut settled = self.hub()?.waiting_deliveries().await? == 0;
            for running in self.nodes.values() {
                settled &= running.node.status()?.waiting == 0;
                // Whoever is away is waited for by its partners, and not here.
                let mut partners = running.node.comparisons_wait_for()?.into_iter();
                settled &= !partners.any(|name| self.nodes.contains_key(name.as_str()));
            }
            Ok(settled.then_some(()))
        })
        .await
    }

    async fn everybody(
        &self,
        what: &str,
        ready: impl Fn(&Node) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        eventually(what, async || {
            for running in self.nodes.values() {
                if !ready(&running.node)? {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Stops every node and the hub.
    pub async fn stop(mut self) -> Result<(), Failure> {
        for name in self.names() {
            self.stop_node(&name).await?;
        }
        if self.hub.is_some() {
            self.stop_hub().await?;
        }
        Ok(())
    }
}
