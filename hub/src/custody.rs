//! Custody: the relay between nodes and custodians, and the custodians' statements.
//!
//! Each custodian holds one line, on which requests come down and answers go up. Custodians who were
//! replaced keep theirs while nodes make their rows anew. The hub reads no more of a request than who
//! asks and how many elements it has; signature, quota and replay are the custodian's to check.
//! Statements are kept as they came: only nodes can verify them.

mod elsewhere;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt};
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_traces::Parent;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::words::{Head, batch_size, known_word};
use crate::caller::{Caller, NotAllowed};
use crate::clock::Clock;
use crate::log::{Event, LogEntry};
use crate::mailbox::{Hint, Lines};
use crate::membership::Directory;
use crate::store::{Statement, Store, StoreError, blocking};

pub use self::words::statement;

/// Largest statement in bytes: 32 public shares take about 4 KiB.
const MAX_STATEMENT_BYTES: usize = 64 * 1024;
/// How many generations of shares may be stated beyond the last one that all custodians have stated:
/// refreshes that failed. Bounds what a custodian can make the hub keep.
const MAX_GENERATIONS_AHEAD: u32 = 16;

/// One request on its way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Names it in the answer.
    pub number: u64,
    /// As the agency encoded it.
    pub request: Vec<u8>,
    /// By the agency's roster key.
    pub signature: Vec<u8>,
    /// Whose child the custodian's span is, if the hub makes spans.
    pub parent: Option<Parent>,
}

/// What a custodian says to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Elements and their proof.
    Evaluated {
        /// 32 bytes each.
        elements: Vec<u8>,
        /// 64 bytes.
        proof: Vec<u8>,
    },
    /// One word, and when the quota allows it; 0 for no time.
    Refused {
        /// Its word.
        word: String,
        /// Unix seconds.
        retry_at: i64,
    },
}

/// Why there is no evaluation, or a statement is not taken.
#[derive(Debug, Error)]
pub enum CustodyError {
    /// Not for this caller.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Only custodians may, the present ones and those who were replaced.
    #[error("{0} is not a custodian")]
    NotACustodian(AgencyName),
    /// It is not on the line, or went off it.
    #[error("custodian {0} is not connected")]
    NotConnected(AgencyName),
    /// It did not answer in time.
    #[error("custodian {0} did not answer in time")]
    Late(AgencyName),
    /// Too many evaluations are under way.
    #[error("too many evaluations are under way for {0}")]
    Busy(AgencyName),
    /// Not a request or a statement of the caller.
    #[error("the request or statement is malformed")]
    Malformed,
    /// It stated something else before.
    #[error("custodian {0} has already stated another key for this epoch")]
    StatedOtherwise(AgencyName),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The relay.
pub struct Custody {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who is a custodian.
    pub directory: Arc<Directory>,
    /// Whom to tell of a statement.
    pub lines: Arc<Lines>,
    /// For the log.
    pub clock: Arc<dyn Clock>,
    /// How long a custodian may take.
    pub timeout: Duration,
    /// Most evaluations under way for one custodian.
    pub in_flight_per_custodian: usize,
    /// Most evaluations under way for one asking agency.
    pub in_flight_per_agency: usize,
    /// Ends every line.
    pub shutdown: CancellationToken,
    /// Who is on the line.
    pub relay: Arc<Relay>,
}

/// The lines and what is under way on them.
#[derive(Default)]
pub struct Relay(Mutex<Board>);

#[derive(Default)]
struct Board {
    last_number: u64,
    /// Present lines.
    custodians: HashMap<AgencyName, Line>,
    /// What is under way, by its number, on present lines and on those that were replaced.
    waiting: HashMap<u64, Waiting>,
    asking: HashMap<AgencyName, usize>,
    /// Custodians on other hubs' lines, as of the last look.
    attending_elsewhere: Vec<AgencyName>,
    /// Who waits for another hub's reply.
    elsewhere: HashMap<[u8; 16], oneshot::Sender<Vec<u8>>>,
}

struct Line {
    number: u64,
    ended: CancellationToken,
    tasks: mpsc::Sender<Task>,
}

/// An evaluation under way. A line that was replaced lives until it has none: a custodian that comes
/// over a new connection finishes on the old one what it was asked there.
struct Waiting {
    line: u64,
    line_ended: CancellationToken,
    custodian: AgencyName,
    answer: oneshot::Sender<Outcome>,
}

impl Board {
    fn is_present(&self, line: u64) -> bool {
        self.custodians
            .values()
            .any(|present| present.number == line)
    }

    /// Ends a replaced line that has nothing under way any more.
    fn end_if_drained(&self, line: u64, ended: &CancellationToken) {
        let busy = self.waiting.values().any(|waiting| waiting.line == line);
        if !busy && !self.is_present(line) {
            ended.cancel();
        }
    }

    /// One thing less is under way for an asking agency.
    fn asks_no_more(&mut self, asking: &AgencyName) {
        if let Some(count) = self.asking.get_mut(asking) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.asking.remove(asking);
            }
        }
    }

    fn under_way(&self, custodian: &AgencyName) -> usize {
        let all = self.waiting.values();
        all.filter(|waiting| waiting.custodian == *custodian)
            .count()
    }
}

impl Relay {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, line: u64, number: u64, outcome: Outcome) {
        let mut board = self.lock();
        let asked = board.waiting.get(&number);
        if asked.is_none_or(|waiting| waiting.line != line) {
            return; // Not asked, not of this line, or too late.
        }
        if let Some(waiting) = board.waiting.remove(&number) {
            // Whoever asked may have gone: nothing is lost.
            let _ = waiting.answer.send(outcome);
            board.end_if_drained(line, &waiting.line_ended);
        }
    }
}

/// What is under way for one asking agency, until dropped.
struct UnderWay {
    relay: Arc<Relay>,
    asking: AgencyName,
    number: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut board = self.relay.lock();
        board.asks_no_more(&self.asking);
        if let Some(waiting) = board.waiting.remove(&self.number) {
            board.end_if_drained(waiting.line, &waiting.line_ended);
        }
    }
}

/// A custodian's line, until it is dropped or another takes over.
pub struct Attendance {
    tasks: mpsc::Receiver<Task>,
    ended: CancellationToken,
}

impl Attendance {
    /// The next task; `None` when the line has ended.
    pub async fn next(&mut self) -> Option<Task> {
        tokio::select! {
            () = self.ended.cancelled() => return None,
            task = self.tasks.recv() => if task.is_some() { return task },
        }
        // Replaced: no more tasks come, but the line stays until the last answer is in.
        self.ended.cancelled().await;
        None
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl Custody {
    /// Opens the caller's line. The one before it gets no more tasks and ends with the last answer
    /// that is under way on it. `answers` are taken until the line ends.
    pub fn attend(
        &self,
        caller: &Caller,
        answers: impl Stream<Item = (u64, Outcome)> + Send + 'static,
    ) -> Result<Attendance, CustodyError> {
        let custodian = self.custodian(caller.agency()?)?;
        let (sender, tasks) = mpsc::channel(self.in_flight_per_custodian);
        let ended = self.shutdown.child_token();
        let mut board = self.relay.lock();
        board.last_number += 1;
        let number = board.last_number;
        let line = Line {
            number,
            ended: ended.clone(),
            tasks: sender,
        };
        if let Some(before) = board.custodians.insert(custodian.clone(), line) {
            board.end_if_drained(before.number, &before.ended);
        }
        drop(board);
        let relay = Arc::clone(&self.relay);
        let line_ended = ended.clone();
        tokio::spawn(async move {
            let mut answers = std::pin::pin!(answers);
            loop {
                tokio::select! {
                    () = line_ended.cancelled() => break,
                    answer = answers.next() => match answer {
                        Some((task, outcome)) => relay.answer(number, task, outcome),
                        None => break,
                    },
                }
            }
            hang_up(&relay, &custodian, number);
            line_ended.cancel();
        });
        Ok(Attendance { tasks, ended })
    }

    /// Custodians on the line, and on those of other hubs over the same store.
    pub fn attendance(&self) -> Vec<AgencyName> {
        let mut names = self.attendance_here();
        names.extend(self.relay.lock().attending_elsewhere.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// Custodians on this hub's line.
    pub(crate) fn attendance_here(&self) -> Vec<AgencyName> {
        let board = self.relay.lock();
        let on_line = board.custodians.iter();
        let mut names: Vec<AgencyName> = on_line
            .filter(|(_, line)| !line.ended.is_cancelled())
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// Has one custodian evaluate a batch; gives what it says.
    pub async fn evaluate(
        &self,
        caller: &Caller,
        custodian: &AgencyName,
        request: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Outcome, CustodyError> {
        let asking = caller.agency()?;
        let size = batch_size(&request, asking).ok_or(CustodyError::Malformed)?;
        if signature.len() != 64 {
            return Err(CustodyError::Malformed);
        }
        self.custodian(custodian)
            .map_err(|_| CustodyError::NotConnected(custodian.clone()))?;
        let digest = crypto::digest("symbolon oracle request v1", &[&request]);
        let outcome = if self.is_on_line(custodian) {
            self.relay_here(asking, custodian, request, signature).await
        } else {
            self.evaluate_elsewhere(asking, custodian, (request, signature))
                .await
        };
        match outcome? {
            evaluated @ Outcome::Evaluated { .. } => {
                let log = LogEntry {
                    at: self.clock.now(),
                    event: Event::Evaluation,
                    member: Some(asking.clone()),
                    count: size,
                    digest: Some(digest),
                };
                let store = Arc::clone(&self.store);
                blocking(move || store.note(&log)).await?;
                Ok(evaluated)
            }
            Outcome::Refused { word, retry_at } => Ok(Outcome::Refused {
                word: known_word(word),
                retry_at,
            }),
        }
    }

    /// Keeps the caller's statement of the key of the present custody; the same again changes nothing.
    pub async fn publish(&self, caller: &Caller, statement: Statement) -> Result<(), CustodyError> {
        let agency = self.custodian(caller.agency()?)?;
        if statement.body.len() > MAX_STATEMENT_BYTES {
            return Err(CustodyError::Malformed);
        }
        let head = Head::of(&statement).ok_or(CustodyError::Malformed)?;
        let state = self.directory.state();
        let epoch = state.roster.custody.as_ref().map(|custody| custody.epoch);
        if head.custodian != agency || Some(head.epoch) != epoch {
            return Err(CustodyError::Malformed);
        }
        let agreed = self.agreed_generation(&self.all_statements(head.epoch).await?);
        if head.generation > agreed.saturating_add(MAX_GENERATIONS_AHEAD) {
            return Err(CustodyError::Malformed);
        }
        let log = LogEntry {
            at: self.clock.now(),
            event: Event::Statement,
            member: Some(agency.clone()),
            count: 1,
            digest: Some(crypto::sha256(&statement.body)),
        };
        let store = Arc::clone(&self.store);
        let (stated, key) = (agency.clone(), (head.epoch, head.generation));
        let lines = Arc::clone(&self.lines);
        blocking(move || {
            if !store.publish(key, &stated, &statement, &log)? {
                return Err(CustodyError::StatedOtherwise(stated));
            }
            lines.hint(Hint::Custody);
            Ok(())
        })
        .await
    }

    /// Statements of one epoch that still matter: a reply holds no more than the bounds say.
    pub async fn statements(&self, epoch: u32) -> Result<Vec<Statement>, CustodyError> {
        let mut statements = self.all_statements(epoch).await?;
        let agreed = self.agreed_generation(&statements);
        statements.retain(|s| Head::of(s).is_some_and(|head| head.generation >= agreed));
        Ok(statements)
    }

    async fn all_statements(&self, epoch: u32) -> Result<Vec<Statement>, CustodyError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.statements(epoch).map_err(Into::into)).await
    }

    /// The newest generation that every custodian of these statements' epoch has stated; 0 if none.
    /// Nodes decide by the signatures; here it only bounds what is kept and sent.
    fn agreed_generation(&self, statements: &[Statement]) -> u32 {
        let heads: Vec<Head> = statements.iter().filter_map(Head::of).collect();
        let state = self.directory.state();
        let epoch = heads.first().map(|head| head.epoch);
        let Some(custody) = epoch.and_then(|epoch| state.roster.custody_of(epoch)) else {
            return 0;
        };
        let stated_by_all = |generation: u32| {
            custody.custodians.iter().all(|custodian| {
                let mut own = heads.iter().filter(|head| head.custodian == *custodian);
                own.any(|head| head.generation == generation)
            })
        };
        let generations = heads.iter().map(|head| head.generation);
        generations.filter(|g| stated_by_all(*g)).max().unwrap_or(0)
    }

    fn custodian(&self, agency: &AgencyName) -> Result<AgencyName, CustodyError> {
        let state = self.directory.state();
        let mut custodies = state.roster.custodies();
        if custodies.any(|custody| custody.index_of(agency).is_some()) {
            Ok(agency.clone())
        } else {
            Err(CustodyError::NotACustodian(agency.clone()))
        }
    }

    fn dispatch(
        &self,
        asking: &AgencyName,
        custodian: &AgencyName,
        request: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<(UnderWay, oneshot::Receiver<Outcome>), CustodyError> {
        let mut board = self.relay.lock();
        board.last_number += 1;
        let number = board.last_number;
        if board.asking.get(asking).copied().unwrap_or(0) >= self.in_flight_per_agency {
            return Err(CustodyError::Busy(asking.clone()));
        }
        if board.under_way(custodian) >= self.in_flight_per_custodian {
            return Err(CustodyError::Busy(custodian.clone()));
        }
        let line = board
            .custodians
            .get(custodian)
            .filter(|line| !line.ended.is_cancelled())
            .ok_or_else(|| CustodyError::NotConnected(custodian.clone()))?;
        let task = Task {
            number,
            request,
            signature,
            parent: symbolon_traces::present(),
        };
        line.tasks.try_send(task).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CustodyError::Busy(custodian.clone()),
            mpsc::error::TrySendError::Closed(_) => CustodyError::NotConnected(custodian.clone()),
        })?;
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting {
            line: line.number,
            line_ended: line.ended.clone(),
            custodian: custodian.clone(),
            answer: sender,
        };
        board.waiting.insert(number, waiting);
        *board.asking.entry(asking.clone()).or_default() += 1;
        let under_way = UnderWay {
            relay: Arc::clone(&self.relay),
            asking: asking.clone(),
            number,
        };
        Ok((under_way, answer))
    }
}

/// Takes a line off the board; whoever waits for an answer on it waits in vain.
fn hang_up(relay: &Relay, custodian: &AgencyName, line: u64) {
    let mut board = relay.lock();
    if board.is_present(line) {
        board.custodians.remove(custodian);
    }
    board.waiting.retain(|_, waiting| waiting.line != line);
}

#[cfg(test)]
#[path = "custody/tests.rs"]
mod tests;
