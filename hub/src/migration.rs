//! Carrying all that a store keeps over to another, and comparing both before it counts.
//!
//! Pages go over one by one, each in one write with a mark of how far it is, so that a migration that was
//! cut off goes on where it stopped. At the end both sides are read through: count and digest of each kind
//! must be the same, each member's rows are counted anew, and the log's tree is built anew over its
//! entries. Only then the mark goes, and with it the destination's refusal to serve a hub.
//!
//! The source is only read, but for what [`Transfer::settle`] does. Whoever calls makes sure that no hub has either store open.

use std::ops::ControlFlow;

use serde::Serialize;
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::row::Holdings;
use thiserror::Error;

use crate::store::StoreError;
use crate::store::transfer::{Kind, Page, Piece, Progress, Tally, Transfer};

/// Pieces of one write: at 250 bytes each and a few copies on the way, some megabytes.
const PAGE: usize = 5_000;

/// Why a migration did not come to its end.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The source cannot be read.
    #[error("the source: {0}")]
    Source(#[source] StoreError),
    /// The destination cannot be written or read.
    #[error("the destination: {0}")]
    Destination(#[source] StoreError),
    /// Somebody uses it.
    #[error("the destination is not empty: it has {0}; give an empty one, nothing was changed")]
    NotEmpty(&'static str),
    /// An earlier migration into it came from elsewhere.
    #[error(
        "the destination holds a part of another store, or of this one as it was before; empty it and begin anew"
    )]
    OtherOrigin,
    /// The two are not the same.
    #[error(
        "{what} differ: {source_has} at the source, {destination_has} at the destination; no hub can serve the destination, empty it and begin anew"
    )]
    Differs {
        /// What.
        what: String,
        /// As people read it.
        source_has: String,
        /// As people read it.
        destination_has: String,
    },
    /// Whoever asked for it wants no more.
    #[error("the migration was interrupted; run it again and it goes on where it stopped")]
    Interrupted,
    /// A piece has no bytes.
    #[error("something cannot be written down: {0}")]
    Encoding(#[from] serde_json::Error),
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Pieces go over.
    Copying,
    /// Both sides are read.
    Comparing,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is being done.
    pub stage: Stage,
    /// With what.
    pub kind: Kind,
    /// How many of it are done.
    pub done: u64,
    /// Out of how many, where that is known beforehand.
    pub total: Option<u64>,
}

/// What was carried over.
#[derive(Debug, Serialize)]
pub struct Migrated {
    /// Of each kind, count and digest, which are those of both sides.
    pub kinds: Vec<(Kind, Tally)>,
    /// Entries of the log.
    pub log_size: u64,
    /// The root of its tree.
    pub log_root: Digest,
    /// Members whose rows were counted anew.
    pub recounted: u64,
    /// Whether it went on where an earlier one stopped.
    pub resumed: bool,
}

/// One of the two stores, and how its faults are told.
struct Side<'a> {
    store: &'a dyn Transfer,
    fault: fn(StoreError) -> MigrationError,
}

/// A migration under way.
struct Migration<'a> {
    source: Side<'a>,
    destination: Side<'a>,
    page: usize,
    observe: Observe<'a>,
    /// The source's members with their rows.
    members: Vec<(AgencyName, Holdings)>,
    frontier: Frontier,
}

/// Is told of each step, and says whether to go on.
pub type Observe<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// Carries everything over and compares.
pub fn migrate(
    source: &dyn Transfer,
    destination: &dyn Transfer,
    observe: Observe<'_>,
) -> Result<Migrated, MigrationError> {
    migrate_in_pages(source, destination, PAGE, observe)
}

/// The same with about so many pieces in one write.
pub(crate) fn migrate_in_pages(
    source: &dyn Transfer,
    destination: &dyn Transfer,
    page: usize,
    observe: Observe<'_>,
) -> Result<Migrated, MigrationError> {
    let source = Side {
        store: source,
        fault: MigrationError::Source,
    };
    let destination = Side {
        store: destination,
        fault: MigrationError::Destination,
    };
    source.of(source.store.settle())?;
    let frontier = source.of(source.store.frontier())?;
    let origin = source.origin(&frontier)?;
    let (progress, resumed) = destination.begin(origin)?;
    let mut migration = Migration {
        members: source.members()?,
        frontier,
        source,
        destination,
        page,
        observe,
    };
    migration.copy(progress)?;
    let migrated = migration.compare(resumed)?;
    let destination = migration.destination;
    destination.of(destination.store.finish())?;
    Ok(migrated)
}

impl Side<'_> {
    fn of<T>(&self, done: Result<T, StoreError>) -> Result<T, MigrationError> {
        done.map_err(self.fault)
    }

    /// Looks at each piece of a kind, page by page.
    fn each(
        &self,
        kind: Kind,
        mut look: impl FnMut(&Piece) -> Result<(), MigrationError>,
    ) -> Result<(), MigrationError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.of(self.store.pieces(kind, after.as_deref(), PAGE))?;
            page.pieces.iter().try_for_each(&mut look)?;
            match page.next {
                None => return Ok(()),
                next => after = next,
            }
        }
    }

    /// Count and digest of a kind.
    fn tally(
        &self,
        kind: Kind,
        total: Option<u64>,
        observe: Observe<'_>,
    ) -> Result<Tally, MigrationError> {
        let mut tally = Tally::default();
        self.each(kind, |piece| {
            if tally.count.is_multiple_of(PAGE as u64) {
                go_on(observe(Step {
                    stage: Stage::Comparing,
                    kind,
                    done: tally.count,
                    total,
                }))?;
            }
            Ok(tally.add(piece)?)
        })?;
        Ok(tally)
    }

    /// What a store is, as far as it can be told without reading all of it: every change of a hub has an
    /// entry in the log or gives a mailbox a new item. What else there might be, the comparison finds.
    fn origin(&self, frontier: &Frontier) -> Result<Digest, MigrationError> {
        let mut tally = Tally::default();
        self.each(Kind::Mailboxes, |piece| Ok(tally.add(piece)?))?;
        let context = "symbolon store migration v1";
        let fields: [&[u8]; 2] = [&frontier.to_bytes(), &tally.digest.0];
        Ok(crypto::digest(context, &fields))
    }

    fn members(&self) -> Result<Vec<(AgencyName, Holdings)>, MigrationError> {
        let mut members = Vec::new();
        self.each(Kind::Holdings, |piece| {
            if let Piece::Holdings(member, held) = piece {
                members.push((member.clone(), *held));
            }
            Ok(())
        })?;
        Ok(members)
    }

    /// Where an earlier migration stopped, or the very beginning in an empty store.
    fn begin(&self, origin: Digest) -> Result<(Progress, bool), MigrationError> {
        if let Some(progress) = self.of(self.store.progress())? {
            if progress.origin != origin {
                return Err(MigrationError::OtherOrigin);
            }
            return Ok((progress, true));
        }
        for kind in Kind::ALL {
            let page = self.of(self.store.pieces(kind, None, 1))?;
            if !page.pieces.is_empty() {
                return Err(MigrationError::NotEmpty(kind.label()));
            }
        }
        let progress = Progress {
            origin,
            kind: Kind::ALL.first().copied(),
            after: None,
        };
        self.of(self.store.take(Vec::new(), &progress))?;
        Ok((progress, false))
    }
}

impl Migration<'_> {
    /// Takes over what is still missing.
    fn copy(&mut self, mut progress: Progress) -> Result<(), MigrationError> {
        while let Some(kind) = progress.kind {
            let mut done = 0;
            self.tell(kind, done)?;
            while progress.kind == Some(kind) {
                let store = self.source.store;
                let page = store.pieces(kind, progress.after.as_deref(), self.page);
                let Page { pieces, next } = self.source.of(page)?;
                done += pieces.len() as u64;
                if next.is_none() {
                    progress.kind = after(kind);
                }
                progress.after = next;
                let taken = self.destination.store.take(pieces, &progress);
                self.destination.of(taken)?;
                self.tell(kind, done)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, kind: Kind, done: u64) -> Result<(), MigrationError> {
        go_on((self.observe)(Step {
            stage: Stage::Copying,
            kind,
            done,
            total: total(&self.members, &self.frontier, kind),
        }))
    }

    /// Reads both sides through.
    fn compare(&mut self, resumed: bool) -> Result<Migrated, MigrationError> {
        let mut kinds = Vec::new();
        for kind in Kind::ALL {
            let total = total(&self.members, &self.frontier, kind);
            let source = self.source.tally(kind, total, self.observe)?;
            let destination = self.destination.tally(kind, total, self.observe)?;
            same(kind.label(), source, destination, |tally| {
                format!("{} with digest {}", tally.count, tally.digest.short())
            })?;
            kinds.push((kind, source));
        }
        self.rebuild_log()?;
        self.recount()?;
        Ok(Migrated {
            kinds,
            log_size: self.frontier.size(),
            log_root: self.frontier.root(),
            recounted: self.members.len() as u64,
            resumed,
        })
    }

    /// Builds the log's tree anew over the entries at the destination.
    fn rebuild_log(&self) -> Result<(), MigrationError> {
        let mut rebuilt = Frontier::default();
        self.destination.each(Kind::Log, |piece| {
            if let Piece::Log(_, entry) = piece {
                rebuilt.append(&entry.line()?);
            }
            Ok(())
        })?;
        let kept = self.destination.of(self.destination.store.frontier())?;
        for frontier in [&rebuilt, &kept] {
            same("log trees", &self.frontier, frontier, |frontier| {
                format!(
                    "{} entries with root {}",
                    frontier.size(),
                    frontier.root().short()
                )
            })?;
        }
        Ok(())
    }

    /// Counts each member's rows anew at the destination, and what it says it has.
    fn recount(&self) -> Result<(), MigrationError> {
        for (member, held) in &self.members {
            let store = self.destination.store;
            for found in [store.holdings(member), store.recount(member)] {
                let found = self.destination.of(found)?;
                let what = format!("the rows of {member}");
                same(&what, *held, found, |held| {
                    format!("{} with digest {}", held.count, Digest(held.digest).short())
                })?;
            }
        }
        Ok(())
    }
}

fn go_on(said: ControlFlow<()>) -> Result<(), MigrationError> {
    match said {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(MigrationError::Interrupted),
    }
}

/// The kind that comes after one.
fn after(kind: Kind) -> Option<Kind> {
    let mut later = Kind::ALL.into_iter().skip_while(|other| *other != kind);
    later.nth(1)
}

/// How many pieces there are of the two kinds that take long, which is known beforehand.
fn total(members: &[(AgencyName, Holdings)], frontier: &Frontier, kind: Kind) -> Option<u64> {
    match kind {
        Kind::Rows => Some(members.iter().map(|(_, held)| held.count).sum()),
        Kind::Log => Some(frontier.size()),
        _ => None,
    }
}

fn same<T: PartialEq>(
    what: &str,
    source: T,
    destination: T,
    show: impl Fn(&T) -> String,
) -> Result<(), MigrationError> {
    if source == destination {
        return Ok(());
    }
    Err(MigrationError::Differs {
        what: what.to_owned(),
        source_has: show(&source),
        destination_has: show(&destination),
    })
}
