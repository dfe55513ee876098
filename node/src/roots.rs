//! From linkage keys to roots: what is cached, what has to be evaluated, and how much at a time.
//!
//! A batch is never larger than the agency's quota could ever allow. A custodian that has not enough
//! left for it is asked for half, and half of that, before the keys wait for the time that it names:
//! so what is left is used, and a small refill is.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_core::linkage::derive::LinkageKey;
use symbolon_core::row::Handle;
use symbolon_core::token::Root;
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::oracle::Oracle;
use crate::tables::{KeyTag, Secret, StoredRow};

/// A batch is not halved below this: the refusals would cost more than the wait.
const SMALLEST_ASKED: usize = 16;

/// How one pass asks the custodians of one epoch.
pub(crate) struct Asking {
    epoch: u32,
    /// The quorum, once chosen.
    oracle: Option<Arc<Oracle>>,
    /// Most keys in one request.
    most: usize,
}

impl Asking {
    pub fn new(epoch: u32, batch: usize) -> Self {
        let (oracle, most) = (None, batch);
        Self {
            epoch,
            oracle,
            most,
        }
    }
}

type Input = Zeroizing<Vec<u8>>;

/// Waiting rows with their handles.
pub(crate) type Batch = Vec<(Handle, StoredRow)>;

impl Node {
    /// Evaluates what has no root yet and caches it as it comes.
    pub(crate) async fn find_roots(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        batch: &[(Handle, StoredRow)],
    ) -> Result<(), NodeError> {
        let mut missing: BTreeMap<KeyTag, Input> = BTreeMap::new();
        for (_, row) in batch {
            let place = (asking.epoch, row.tag);
            if !missing.contains_key(&row.tag) && !self.tables.roots.contains(&place)? {
                let input = row.input.as_ref();
                let input = input.ok_or(NodeError::Internal("a waiting row without input"))?;
                missing.insert(row.tag, Zeroizing::new(input.0.clone()));
            }
        }
        let mut missing: Vec<(KeyTag, Input)> = missing.into_iter().collect();
        while !missing.is_empty() {
            let size = self.at_most(asking.most).min(missing.len());
            let part = missing.get(..size).unwrap_or_default();
            let inputs = part.iter().map(|(_, input)| input.clone()).collect();
            match self.ask_quorum(hub, asking, inputs).await? {
                Some(roots) => {
                    let places: Vec<_> = part.iter().map(|(tag, _)| (asking.epoch, *tag)).collect();
                    let roots: Vec<Secret> = roots
                        .iter()
                        .map(|root| Secret(root.expose().to_vec()))
                        .collect();
                    self.tables.roots.put_many(places.iter().zip(&roots))?;
                    missing.drain(..size);
                }
                // Another quorum was chosen, or half as much is asked for.
                None => asking.most = (size / 2).max(SMALLEST_ASKED),
            }
        }
        Ok(())
    }

    /// Asks a quorum; `None` if a custodian has not enough quota left for so many and may have for
    /// half. One that has not even enough for a few is left alone until it has.
    async fn ask_quorum(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        inputs: Vec<Input>,
    ) -> Result<Option<Vec<Root>>, NodeError> {
        let size = inputs.len();
        let ready = match &asking.oracle {
            Some(ready) => Arc::clone(ready),
            None => {
                let chosen = Arc::new(self.oracle(hub, asking.epoch).await?);
                Arc::clone(asking.oracle.insert(chosen))
            }
        };
        match self.evaluate(hub, ready, inputs).await {
            Ok(roots) => Ok(Some(roots)),
            Err(error) => {
                // The next try chooses its quorum anew: this one may have lost a custodian.
                asking.oracle = None;
                match error {
                    NodeError::OverQuota { .. } if size > SMALLEST_ASKED => Ok(None),
                    NodeError::OverQuota {
                        custodian,
                        retry_at,
                    } => {
                        self.pauses.set(&custodian, retry_at, self.clock.now());
                        // Another quorum may do without it; if not, choosing one says until when.
                        asking.oracle = Some(Arc::new(self.oracle(hub, asking.epoch).await?));
                        Ok(None)
                    }
                    error => Err(error),
                }
            }
        }
    }

    /// No more than our quota could ever allow at once: a larger batch would wait for ever.
    fn at_most(&self, wanted: usize) -> usize {
        let quota = self.membership(|m| {
            let own = m.roster.members.get(&self.identity.agency);
            own.map(|member| member.quota.capacity())
        });
        let capacity = quota.map_or(usize::MAX, |q| usize::try_from(q).unwrap_or(usize::MAX));
        wanted.min(capacity).max(1)
    }

    /// The rows of a batch that have their roots.
    pub(crate) fn with_roots(&self, batch: Batch) -> Result<Batch, NodeError> {
        let mut ready = Vec::new();
        for (handle, row) in batch {
            if self.tables.roots.contains(&(row.custody, row.tag))? {
                ready.push((handle, row));
            }
        }
        Ok(ready)
    }

    /// Roots of linkage keys under one custody epoch, cached or evaluated: for a query.
    pub(crate) async fn roots_of(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        keys: &[LinkageKey],
    ) -> Result<Vec<Root>, NodeError> {
        let mut roots: Vec<Option<Root>> = Vec::new();
        let mut missing = Vec::new();
        for key in keys {
            let cached = self.tables.roots.get(&(epoch, self.tag(key)))?;
            if cached.is_none() {
                missing.push(key.input(self.schema));
            }
            roots.push(cached.map(|root| Root::from_bytes(&root.0)).transpose()?);
        }
        if !missing.is_empty() {
            // What was asked is not cached: a query leaves nothing behind in the vault.
            let oracle = Arc::new(self.oracle(hub, epoch).await?);
            let mut evaluated = self.evaluate(hub, oracle, missing).await?.into_iter();
            for root in roots.iter_mut().filter(|root| root.is_none()) {
                *root = evaluated.next();
            }
        }
        roots
            .into_iter()
            .collect::<Option<_>>()
            .ok_or(NodeError::Internal("fewer roots than linkage keys"))
    }
}
