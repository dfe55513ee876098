//! What was gathered in memory goes to tables.
//!
//! The engine would have its one worker told so with every write beyond the limit, over a channel with 1,000
//! places which only the worker empties. Busy with a merge for some seconds it would come back to a full channel,
//! and wait for good for a place for a message of its own (fjall, pull request 323). So the engine knows of no
//! limit, and a thread of the store seals what is full: one message for each table.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::{AbstractTree as _, Keyspace};

use super::spaces::gathers;

/// With so many sealed and not yet written, what is full gathers on: the worker is busy. Of four, the engine
/// would hold up whoever writes, and with them all who ask.
const SEALED: usize = 2;
/// So many times its size it grows meanwhile, before it is sealed all the same: memory has an end.
const GROWS_TO: u64 = 16;
/// For so long [`write_out`] waits.
const WAITS: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(10);

/// Seals what is full, in a thread of its own.
pub struct Sealer {
    keyspaces: Vec<Keyspace>,
    /// Nothing once it stops.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    /// For these keyspaces.
    pub fn start(keyspaces: &[Keyspace]) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let own = keyspaces.to_vec();
        let thread = std::thread::Builder::new().name("sealing".into());
        let thread = thread.spawn(move || seal_when_woken(&own, &woken))?;
        Ok(Self {
            keyspaces: keyspaces.to_vec(),
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// After a write: something may be full.
    pub fn look(&self) {
        if let (Some(wake), true) = (&self.wake, self.keyspaces.iter().any(is_full)) {
            // Whoever woke it before did so for this write too: it has not looked yet.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
    }
}

fn is_full(keyspace: &Keyspace) -> bool {
    let bytes = keyspace.tree.active_memtable().size();
    let limit = gathers(keyspace.name());
    bytes > limit && (keyspace.tree.sealed_memtable_count() < SEALED || bytes > GROWS_TO * limit)
}

fn seal_when_woken(keyspaces: &[Keyspace], woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        for keyspace in keyspaces.iter().filter(|keyspace| is_full(keyspace)) {
            if let Err(error) = keyspace.rotate_memtable() {
                // Whoever writes next is refused by the engine.
                tracing::error!(%error, "what the index gathered in memory cannot go to the disk");
            }
        }
    }
}

/// Has what is gathered in memory written to tables and waits for that, but not for ever; what comes meanwhile
/// is not waited for.
pub fn write_out(keyspace: &Keyspace) -> fjall::Result<()> {
    let gathered = keyspace.tree.get_highest_memtable_seqno();
    keyspace.rotate_memtable()?;
    let begun = Instant::now();
    while keyspace.tree.get_highest_persisted_seqno() < gathered && begun.elapsed() < WAITS {
        std::thread::sleep(LOOKS_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use symbolon_core::crypto;
    use symbolon_core::row::{Handle, Row, Token};

    use super::*;
    use crate::store::Store as _;
    use crate::store::contract::{batch, row};
    use crate::store::fjall::FjallStore;

    fn store_rows(store: &FjallStore, number: usize) {
        let random = || crypto::random().unwrap();
        let rows = (0..number).map(|_| Row {
            token: Token(random()),
            handle: Handle(random()),
            ..row(1, 1)
        });
        store.submit(&batch("a", rows.collect())).unwrap();
    }

    #[test]
    fn a_worker_that_was_busy_for_long_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = FjallStore::open(dir.path()).unwrap();
        let places = &store.spaces.places.keyspace;
        let stop = AtomicBool::new(false);
        let mut went_on = false;
        std::thread::scope(|threads| {
            let busy = places.tree.get_flush_lock();
            // Whatever the worker takes out of its channel is at once replaced.
            threads.spawn(|| {
                let handles = &store.spaces.handles.keyspace;
                while !stop.load(Ordering::Relaxed) {
                    let key: [u8; 16] = crypto::random().unwrap();
                    handles.insert(key, []).unwrap();
                }
            });
            // Several times what is gathered, and then more writes than the engine's channel has places.
            (0..50).for_each(|_| store_rows(&store, 5_000));
            (0..1_200).for_each(|_| store_rows(&store, 1));
            assert_eq!(places.table_count(), 0, "nothing can be written yet");
            drop(busy);
            let begun = Instant::now();
            while !went_on && begun.elapsed() < Duration::from_secs(20) {
                store_rows(&store, 1_000);
                went_on = places.table_count() > 0 && !is_full(places);
            }
            stop.store(true, Ordering::Relaxed);
        });
        if !went_on {
            // Its worker never ends.
            std::mem::forget(store);
            panic!("nothing is written any more");
        }
    }
}
