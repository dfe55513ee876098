//! What can go wrong inside the engine, and what an operator is told of it.

use std::path::Path;

use super::super::StoreError;

const REMEDY: &str = "free disk space, check the disk, and start the hub again";

/// What goes wrong inside a verb, before the directory is named.
#[derive(Debug)]
pub(super) enum Fault {
    Engine(fjall::Error),
    Damaged(&'static str),
    Refused(StoreError),
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(_: serde_json::Error) -> Self {
        Self::Damaged("a value that is not the JSON it was")
    }
}

/// Gives a fault the directory that it happened in.
pub(super) fn name(dir: &Path, fault: Fault) -> StoreError {
    let place = dir.display().to_string();
    match fault {
        Fault::Refused(error) => error,
        Fault::Damaged(detail) => StoreError::Damaged {
            place,
            detail: detail.to_owned(),
        },
        Fault::Engine(fjall::Error::Io(error)) if is_environment(&error) => {
            StoreError::Unavailable {
                place,
                detail: error.to_string(),
                remedy: REMEDY,
            }
        }
        Fault::Engine(fjall::Error::Poisoned) => StoreError::Unavailable {
            place,
            detail: "an earlier write failed".to_owned(),
            remedy: REMEDY,
        },
        Fault::Engine(fjall::Error::Locked) => StoreError::Unavailable {
            place,
            detail: "another process has it open".to_owned(),
            remedy: REMEDY,
        },
        Fault::Engine(error) => StoreError::Damaged {
            place,
            detail: error.to_string(),
        },
    }
}

fn is_environment(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, WriteZero,
    };
    matches!(
        error.kind(),
        PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull | WriteZero
    )
}
