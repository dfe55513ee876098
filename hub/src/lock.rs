//! One process for each state directory: a lock on a file that names its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::files::advice;

/// A child that this process has just forked holds the lock of a hub that was closed meanwhile, until it
/// runs its program: so often it is tried again.
const OWN_ATTEMPTS: usize = 200;
/// Between one attempt and the next.
const WAIT: Duration = Duration::from_millis(10);

/// Why the directory could not be taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error(
        "another symbolon-hub (process {process}) already serves {}; stop it first", dir.display()
    )]
    Taken {
        /// Its process number, as it wrote it.
        process: String,
        /// The directory.
        dir: PathBuf,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {source}{}", path.display(), advice(source))]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Held while the hub runs; let go with the file.
#[derive(Debug)]
pub struct StateLock(#[allow(dead_code)] File);

impl StateLock {
    /// Takes the directory or says who has it.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let own = std::process::id().to_string();
        let mut attempts = 0;
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(source) = error {
                return Err(failed(source));
            }
            let mut holder = String::new();
            file.rewind().map_err(failed)?;
            file.read_to_string(&mut holder).map_err(failed)?;
            let process = holder.trim().to_owned();
            if process != own || attempts == OWN_ATTEMPTS {
                let dir = dir.to_owned();
                return Err(LockError::Taken { process, dir });
            }
            attempts += 1;
            std::thread::sleep(WAIT);
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{own}").map_err(failed)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path()).unwrap();
        let told = StateLock::take(dir.path()).unwrap_err().to_string();
        let process = std::process::id();
        assert!(told.starts_with(&format!("another symbolon-hub (process {process})")));
        drop(first);
        assert!(StateLock::take(dir.path()).is_ok());
    }

    #[test]
    fn what_a_child_holds_until_it_runs_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path()).unwrap();
        // As a forked child has it: another handle on the same opened file.
        let childs = first.0.try_clone().unwrap();
        drop(first);
        let child = std::thread::spawn(move || {
            std::thread::sleep(WAIT * 5);
            drop(childs);
        });
        assert!(StateLock::take(dir.path()).is_ok());
        child.join().unwrap();
    }
}
