//! Files that only their owner may read, and directories likewise.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file operation that failed, with what and where.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    pub source: std::io::Error,
}

/// What to do about an error of the operating system, to be put behind its words.
pub(crate) fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "; free disk space and try again, nothing was lost",
        PermissionDenied | ReadOnlyFilesystem => {
            "; check who owns the directory and may write there"
        }
        _ => "",
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    move |source| FileError {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Makes a directory, and those above it, that only the owner may enter.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("create", path))
}

/// Writes a new file that only the owner may read; never overwrites.
pub fn private_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    new_file(path, bytes, 0o600)
}

/// Writes a new file that others may read; never overwrites.
pub fn public_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    new_file(path, bytes, 0o644)
}

fn new_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("create", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// Puts a file that only the owner may read in place of another, whole or not at all.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    private_file(&beside, bytes)?;
    std::fs::rename(&beside, path).map_err(failed("replace", path))
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(failed("read", path))
}

/// Reads a whole file of text.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(failed("read", path))
}
