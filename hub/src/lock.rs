//! One process for each state directory: a lock on a file that names its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::advice;

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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                file.read_to_string(&mut process).map_err(failed)?;
                return Err(LockError::Taken {
                    process: process.trim().to_owned(),
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
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
}
