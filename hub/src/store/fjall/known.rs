//! Which places and handles there may be, in memory: most rows that come meet nothing, and asking the
//! engine for what is not there costs more than storing it.
//!
//! A filter may say "perhaps" of what is not there, never "no" of what is. What is deleted stays in it until
//! the next start. At a start nothing is known, "perhaps" is the answer to all, and a thread reads through
//! the keys beside the hub's work. Three bytes for each key that there is room for: ten million rows take 132 MB.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use fastbloom::BloomFilter;
use fjall::{Database, Keyspace, Readable as _, Snapshot};
use parking_lot::FairMutex;

use super::Fault;
use super::codec::Place;

/// Keys of the first layer of a filter; each further one takes four times as many.
const FIRST_LAYER: usize = 1 << 20;
/// Bits that a layer has for each key, and sets for it. Each bit is waited for by itself where the filter does
/// not fit the cache: four in more room are as sure as the ten that the least room would need, and say "perhaps"
/// of 6 in 10,000 that are not there.
const BITS: usize = 24;
const HASHES: u32 = 4;
/// Keys that are read between two looks at whether the hub stops; writers wait meanwhile.
const AT_ONCE: usize = 2_000;

/// Which keys of a keyspace there may be.
struct Keys {
    layers: Vec<BloomFilter<RandomState>>,
    /// Keys of the first layer.
    first: usize,
    /// What the last layer still takes.
    room: usize,
    /// One for all layers, so that a key is hashed once. Seeded at random: members choose handles and
    /// tokens.
    hasher: RandomState,
}

impl Keys {
    fn new(first: usize) -> Self {
        Self {
            layers: Vec::new(),
            first,
            room: 0,
            hasher: RandomState::new(),
        }
    }

    fn note(&mut self, key: &[u8]) {
        if self.room == 0 {
            self.room = self.first << (2 * self.layers.len());
            let layer = BloomFilter::with_num_bits(self.room * BITS).hasher(self.hasher.clone());
            self.layers.push(layer.hashes(HASHES));
        }
        let hash = self.hasher.hash_one(key);
        if let Some(layer) = self.layers.last_mut() {
            layer.insert_hash(hash);
            self.room -= 1;
        }
    }

    fn may_have(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        // The last layers are the largest.
        let mut layers = self.layers.iter().rev();
        layers.any(|layer| layer.contains_hash(hash))
    }
}

/// What is known of places and handles.
pub struct Known {
    places: Keys,
    handles: Keys,
    /// Whether all keys of the store are in the filters.
    complete: bool,
}

impl Known {
    /// Of a store in which there may be anything.
    pub fn nothing() -> Self {
        Self {
            places: Keys::new(FIRST_LAYER),
            handles: Keys::new(FIRST_LAYER),
            complete: false,
        }
    }

    #[cfg(test)]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn may_have_place(&self, place: &Place) -> bool {
        !self.complete || self.places.may_have(place)
    }

    pub fn may_have_handle(&self, key: &[u8]) -> bool {
        !self.complete || self.handles.may_have(key)
    }

    /// Brings to hand what the filters hold of some keys: asked one after another, each would be waited for.
    pub fn look_ahead<'k>(&self, keys: impl Iterator<Item = (Place, &'k [u8])>) {
        let perhaps = keys
            .filter(|(place, handle)| self.may_have_place(place) | self.may_have_handle(handle));
        std::hint::black_box(perhaps.count());
    }

    pub fn note_place(&mut self, place: &Place) {
        self.places.note(place);
    }

    pub fn note_handle(&mut self, key: &[u8]) {
        self.handles.note(key);
    }
}

/// The thread that reads through the keys of a store that was opened.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Begins. What is written from now on the writers note themselves.
    pub fn start(
        db: &Database,
        places: &Keyspace,
        handles: &Keyspace,
        known: Arc<FairMutex<Known>>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let snapshot = db.snapshot();
        let (places, handles) = (places.clone(), handles.clone());
        let work = move || {
            let of_places = |known: &mut Known, key: &[u8]| known.places.note(key);
            let of_handles = |known: &mut Known, key: &[u8]| known.handles.note(key);
            let read =
                read_through(&snapshot, &places, &known, &stopped, of_places).and_then(|all| {
                    let rest = read_through(&snapshot, &handles, &known, &stopped, of_handles)?;
                    Ok(all && rest)
                });
            match read {
                Ok(true) => known.lock().complete = true,
                Ok(false) => {}
                // Whoever reads there next tells it; until then the engine is asked each time.
                Err(_) => tracing::warn!("the index could not be read through at the start"),
            }
        };
        let thread = std::thread::Builder::new().name("index keys".into());
        Self {
            stop,
            thread: thread.spawn(work).ok(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
    }
}

/// Notes all keys of a keyspace; false if it was stopped.
fn read_through(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    known: &FairMutex<Known>,
    stopped: &AtomicBool,
    note: impl Fn(&mut Known, &[u8]),
) -> Result<bool, Fault> {
    let mut keys = snapshot.iter(keyspace).map(fjall::Guard::key);
    loop {
        let some = keys
            .by_ref()
            .take(AT_ONCE)
            .collect::<fjall::Result<Vec<_>>>()?;
        if stopped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut known = known.lock();
        some.iter().for_each(|key| note(&mut known, key));
        drop(known);
        if some.len() < AT_ONCE {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_may_be_there_and_most_else_is_not() {
        const FIRST: usize = 1 << 14;
        let mut keys = Keys::new(FIRST);
        let key = |number: usize| {
            let digest = symbolon_core::crypto::sha256(&number.to_be_bytes());
            digest.0
        };
        let many = FIRST * 4;
        (0..many).for_each(|number| keys.note(&key(number)));
        assert!(keys.layers.len() > 1);
        assert!((0..many).all(|number| keys.may_have(&key(number))));
        let wrong = (many..2 * many).filter(|number| keys.may_have(&key(*number)));
        let most = many as f64 * 1e-3 * 2.0 * keys.layers.len() as f64;
        assert!((wrong.count() as f64) < most);
    }

    #[test]
    fn before_all_was_read_everything_may_be_there() {
        let mut known = Known::nothing();
        assert!(known.may_have_place(&[1; 32]) && known.may_have_handle(b"any"));
        known.complete = true;
        assert!(!known.may_have_place(&[1; 32]) && !known.may_have_handle(b"any"));
        known.note_place(&[1; 32]);
        known.note_handle(b"any");
        assert!(known.may_have_place(&[1; 32]) && known.may_have_handle(b"any"));
    }
}
