//! Puts what was written on the disk: when somebody waits for it, and once a second, so that a crash costs no more
//! of what nobody waits for.
//!
//! sled would do so itself once a second. But its thread uses half of that time to write pages anew whose segments
//! are half empty, of which a large vault can have many: none of the bytes that come into memory with them are
//! counted in [`super::tree`], and its cache evicts only after so many accesses (docs/decisions/0015).
//! Without that thread sled writes one such page anew with each page that is replaced, and the file stays as large.
//!
//! On Linux sled's own flush is `sync_file_range`: bytes are on the disk then, but maybe not that the file has
//! become longer, which a loss of power would undo. So the file is synced after it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
/// Sled's log, below its directory.
const LOG: &str = "db";

/// The database and its file.
struct Log {
    db: sled::Db,
    file: File,
}

impl Log {
    fn flush(&self) -> sled::Result<()> {
        self.db.flush()?;
        Ok(self.file.sync_all()?)
    }
}

/// Flushes, and has a thread for it that ends when this is dropped.
pub(super) struct Flusher {
    log: Arc<Log>,
    /// Nothing once it stops.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// For a database and its directory.
    pub fn start(db: &sled::Db, directory: &Path) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let log = Arc::new(Log {
            db: db.clone(),
            file: File::open(directory.join(LOG))?,
        });
        let flushed = Arc::clone(&log);
        let thread = std::thread::Builder::new().name("flusher".into());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = flushed.flush() {
                    tracing::error!(%error, "what was written to the vault cannot go to the disk");
                }
            }
        })?;
        Ok(Self {
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Puts everything written so far on the disk.
    pub fn flush(&self) -> sled::Result<()> {
        self.log.flush()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use symbolon_core::sealed_file::Unlock;
    use zeroize::Zeroizing;

    use super::*;
    use crate::vault::{Table, Vault};

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
    }

    #[test]
    fn what_nobody_flushes_comes_to_the_disk_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let path = directory.path().join("node");
        let vault = Vault::create(&path, &unlock).unwrap();
        let table: Table<String, u32> = vault.table("t").unwrap();
        vault.flush().unwrap();
        let place = "number".to_owned();
        table.put(&place, &7).unwrap();
        let begun = Instant::now();
        for number in 0.. {
            // What a crash at this moment would leave.
            let left = directory.path().join(number.to_string());
            copy(&path, &left);
            let left = Vault::open(&left, &unlock).unwrap();
            let there: Table<String, u32> = left.table("t").unwrap();
            match there.get(&place).unwrap() {
                Some(value) => return assert_eq!(value, 7),
                None => assert!(begun.elapsed() < Duration::from_secs(60)),
            }
            std::thread::sleep(EVERY / 4);
        }
    }
}
