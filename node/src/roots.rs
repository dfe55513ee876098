//! From linkage keys to roots: what is cached, what has to be evaluated, and how much at a time.
//!
//! A batch is never larger than the agency's quota could ever allow. A custodian that has not enough
//! left for it is asked for half, and half of that, before the keys wait for the time that it names:
//! so what is left is used, and a small refill is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use symbolon_core::linkage::derive::LinkageKey;
use symbolon_core::row::Handle;
use symbolon_core::token::Root;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::config::MAX_BATCH;
use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::oracle::{Oracle, Unanswered, blinded, blocking};
use crate::pace::Pace;
use crate::pipeline::Run;
use crate::questions::Asked;
use crate::rows::Block;
use crate::tables::{KeyTag, Secret};

/// A batch is not halved below this: the refusals would cost more than the wait.
const SMALLEST_ASKED: usize = 16;

/// Requests to the custodians under way at a time: one is computed there while this node blinds the next
/// and finalises the one before.
const IN_FLIGHT: usize = 3;

/// Requests grow to so many times the size of the settings.
const GROWS_TO: usize = 4;

/// Roots that are gathered before they are written down as shared.
const GATHERED: usize = 1_000;

/// How one pass asks the custodians of one epoch.
pub(crate) struct Asking {
    epoch: u32,
    /// The quorum, once chosen.
    oracle: Option<Arc<Oracle>>,
    pace: Pace,
    /// Questions are written down.
    written: bool,
    /// Those of before that have no answer come first.
    again: bool,
}

impl Asking {
    pub fn new(epoch: u32, batch: usize) -> Self {
        let most = (batch * GROWS_TO).min(MAX_BATCH as usize);
        Self {
            epoch,
            oracle: None,
            pace: Pace::new(batch, SMALLEST_ASKED.min(batch), most),
            written: false,
            again: false,
        }
    }

    /// Questions are written down, and those of before that have no answer are asked again first.
    pub fn for_good(mut self) -> Self {
        (self.written, self.again) = (true, true);
        self
    }

    /// The custody epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

type Input = Zeroizing<Vec<u8>>;

/// A key without a root, and the rows that wait for it.
pub(crate) struct Missing {
    pub tag: KeyTag,
    pub input: Input,
    pub handles: Vec<Handle>,
}

/// One request, when it has ended.
struct Ended {
    part: Vec<Missing>,
    took: Duration,
    asked: Result<Answered, Unanswered>,
}

/// A question with its roots.
type Answered = (Option<Asked>, Vec<Root>);

impl Node {
    /// Evaluates what has no root yet in a window and keeps roots as they come.
    pub(crate) async fn find_roots(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        blocks: &[Block],
        run: &mut Run<'_, '_>,
    ) -> Result<(), NodeError> {
        let epoch = asking.epoch;
        if std::mem::take(&mut asking.again) {
            self.ask_again(hub, epoch).await?;
        }
        let mut missing = self.missing(epoch, blocks).await?;
        if missing.len() > 2 * asking.pace.size() {
            let lost = self.ask_side_by_side(hub, asking, &mut missing, run);
            if lost.await? {
                self.ask_again(hub, epoch).await?;
                missing = self.missing(epoch, blocks).await?;
            }
        }
        while !missing.is_empty() {
            let part = self.next_part(asking, &mut missing).await?;
            let size = part.len();
            if part.is_empty() {
                continue;
            }
            match self.ask_quorum(hub, asking, &part).await? {
                Some((asked, roots)) => {
                    self.keep_roots(epoch, (part, roots), asked.as_ref())
                        .await?;
                }
                // Another quorum was chosen, or half as much is asked for.
                None => {
                    part.into_iter()
                        .rev()
                        .for_each(|one| missing.push_front(one));
                    asking.pace.limit((size / 2).max(SMALLEST_ASKED));
                }
            }
            run.between_batches().await;
        }
        Ok(())
    }

    /// Asks with several requests under way, until all is asked or one has failed: what is missing then is
    /// asked for one by one, by the one who knows what to do about refusals. Gives whether an answer was
    /// lost on its way: then the question is to be asked again as it was.
    async fn ask_side_by_side(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        missing: &mut VecDeque<Missing>,
        run: &mut Run<'_, '_>,
    ) -> Result<bool, NodeError> {
        let oracle = self.ready_oracle(hub, asking).await?;
        let mut requests: JoinSet<Ended> = JoinSet::new();
        let (mut failed, mut lost) = (false, false);
        loop {
            while !failed && requests.len() < IN_FLIGHT && !missing.is_empty() {
                let part = self.next_part(asking, missing).await?;
                if part.is_empty() {
                    continue;
                }
                let (node, hub, oracle) = (Arc::clone(self), hub.clone(), Arc::clone(&oracle));
                let written = asking.written;
                requests.spawn(async move {
                    let begun = Instant::now();
                    let asked = node.ask_for(&hub, oracle, &part, written).await;
                    let took = begun.elapsed();
                    Ended { part, took, asked }
                });
            }
            let Some(ended) = requests.join_next().await else {
                return Ok(lost);
            };
            let Ended { part, took, asked } =
                ended.map_err(|_| NodeError::Internal("a request was cut off"))?;
            match asked {
                Ok((asked, roots)) => {
                    asking.pace.answered(part.len(), took);
                    let found = (part, roots);
                    self.keep_roots(asking.epoch, found, asked.as_ref()).await?;
                }
                Err(unanswered) => {
                    let error = unanswered.error;
                    tracing::debug!(%error, "a request failed; what is missing is asked for one by one");
                    failed = true;
                    lost |= unanswered.lost;
                    asking.pace.failed();
                    asking.oracle = None;
                    part.into_iter()
                        .rev()
                        .for_each(|one| missing.push_front(one));
                }
            }
            run.between_batches().await;
        }
    }

    /// The next keys to ask for, as many as go in one request.
    async fn next_part(
        self: &Arc<Self>,
        asking: &Asking,
        missing: &mut VecDeque<Missing>,
    ) -> Result<Vec<Missing>, NodeError> {
        let size = self.at_most(asking.pace.size()).min(missing.len());
        let (node, part) = (Arc::clone(self), missing.drain(..size).collect());
        blocking(move || node.still_missing(part)).await?
    }

    /// Asks for roots, with the question written down or not.
    async fn ask_for(
        self: &Arc<Self>,
        hub: &HubClient,
        oracle: Arc<Oracle>,
        keys: &[Missing],
        written: bool,
    ) -> Result<Answered, Unanswered> {
        let inputs = keys.iter().map(|key| key.input.clone()).collect();
        let (batch, inputs) = blinded(inputs).await?;
        let asked = match written {
            true => Some(self.write_question(&oracle, &batch, keys).await?),
            false => None,
        };
        let answers = match self.answers(hub, &oracle, batch.wire()).await {
            Ok(answers) => self.finalised(&oracle, batch, inputs, answers).await,
            Err(unanswered) if unanswered.lost => return Err(unanswered),
            Err(unanswered) => Err(unanswered.error),
        };
        match answers {
            Ok(roots) => Ok((asked, roots)),
            Err(error) => {
                // What was refused, or answered wrongly, is asked for anew.
                if let Some(asked) = asked {
                    self.forget_question(&asked.name())?;
                }
                Err(error.into())
            }
        }
    }

    async fn missing(
        self: &Arc<Self>,
        epoch: u32,
        blocks: &[Block],
    ) -> Result<VecDeque<Missing>, NodeError> {
        let (node, blocks) = (Arc::clone(self), blocks.to_vec());
        let missing = blocking(move || node.missing_roots(&blocks, epoch)).await??;
        Ok(VecDeque::from(missing))
    }

    /// Keys of waiting rows that have no root, each once, in the order of the rows; rows whose root another
    /// record has get it.
    fn missing_roots(&self, blocks: &[Block], epoch: u32) -> Result<Vec<Missing>, NodeError> {
        let mut places: HashMap<KeyTag, usize> = HashMap::new();
        let (mut missing, mut known) = (Vec::<Missing>::new(), Vec::new());
        for live in self.live_rows(blocks, epoch)? {
            let (handle, row) = (live.handle, live.row);
            if row.root.is_some() {
                continue;
            }
            if let Some(one) = places.get(&row.tag).and_then(|at| missing.get_mut(*at)) {
                one.handles.push(handle);
                continue;
            }
            // Of a key that nobody else holds there is no other root.
            if self.counted(|tally| tally.of(&row.tag))? > 1
                && let Some(root) = self.tables.roots.get(&(epoch, row.tag))?
            {
                known.push((handle, root));
                continue;
            }
            let input = row.input.as_ref();
            let input = input.ok_or(NodeError::Internal("a waiting row without input"))?;
            places.insert(row.tag, missing.len());
            missing.push(Missing {
                tag: row.tag,
                input: Zeroizing::new(input.0.clone()),
                handles: vec![handle],
            });
        }
        self.give_roots(known)?;
        Ok(missing)
    }

    fn give_roots(&self, roots: Vec<(Handle, Secret)>) -> Result<(), NodeError> {
        self.tables.rows.change_each(roots, |row, waits, root| {
            // A record that was erased meanwhile gets none.
            if row.input.is_some() {
                (row.root, row.input) = (Some(root), None);
            }
            waits
        })
    }

    /// Keeps roots with the rows that wait for them, and for other records that hold the same key. The
    /// question has its answer then.
    pub(crate) async fn keep_roots(
        self: &Arc<Self>,
        epoch: u32,
        (part, roots): (Vec<Missing>, Vec<Root>),
        asked: Option<&Asked>,
    ) -> Result<(), NodeError> {
        let (node, name) = (Arc::clone(self), asked.map(Asked::name));
        let kept = blocking(move || {
            let (mut given, mut shared) = (Vec::new(), Vec::new());
            for (missing, root) in part.into_iter().zip(roots) {
                let root = Secret(root.expose().to_vec());
                if node.counted(|tally| tally.of(&missing.tag))? > 1 {
                    shared.push(((epoch, missing.tag), root.clone()));
                }
                given.extend(
                    missing
                        .handles
                        .into_iter()
                        .map(|handle| (handle, root.clone())),
                );
            }
            let shared = shared.iter().map(|(place, root)| (place, root));
            node.tables.roots.put_many(shared)?;
            node.give_roots(given)?;
            if let Some(name) = name {
                node.forget_question(&name)?;
            }
            node.vault.flush()
        });
        kept.await?
    }

    /// Roots of keys that a second record has come to hold since they were evaluated: they lie with the
    /// rows of the first, or were left by such. One look at all rows finds them, if there may be any.
    pub(crate) fn gather_shared_roots(&self) -> Result<(), NodeError> {
        let newly: HashSet<KeyTag> = self.counted(|tally| tally.take_newly_shared())?;
        if newly.is_empty() {
            return Ok(());
        }
        let mut found: Vec<((u32, KeyTag), Secret)> = Vec::new();
        for entry in self.tables.rows.roots() {
            let (place, root) = entry?;
            if newly.contains(&place.1) {
                found.push((place, root));
            }
            if found.len() == GATHERED {
                let some = std::mem::take(&mut found);
                let some = some.iter().map(|(place, root)| (place, root));
                self.tables.roots.put_many(some)?;
            }
        }
        let rest = found.iter().map(|(place, root)| (place, root));
        self.tables.roots.put_many(rest)
    }

    async fn ready_oracle(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
    ) -> Result<Arc<Oracle>, NodeError> {
        Ok(match &asking.oracle {
            Some(ready) => Arc::clone(ready),
            None => {
                let chosen = Arc::new(self.oracle(hub, asking.epoch).await?);
                Arc::clone(asking.oracle.insert(chosen))
            }
        })
    }

    /// Asks a quorum; `None` if a custodian has not enough quota left for so many and may have for
    /// half. One that has not even enough for a few is left alone until it has.
    async fn ask_quorum(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        keys: &[Missing],
    ) -> Result<Option<Answered>, NodeError> {
        let size = keys.len();
        let ready = self.ready_oracle(hub, asking).await?;
        match self.ask_for(hub, ready, keys, asking.written).await {
            Ok(answered) => Ok(Some(answered)),
            Err(Unanswered { error, .. }) => {
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
