//! Where the token of a session lies: in `SYMBOLON_SESSION`, or in a file of the user's own.
//!
//! One file for each state directory, mode 0600, below the user's runtime directory or, without one, the
//! configuration directory. A file that others may read is not used: who reads it acts as this person.

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use symbolon_core::crypto;
use zeroize::Zeroizing;

use super::args::Global;
use super::console::Console;
use super::failure::Failure;
use crate::casework::command::Claim;
use crate::tables::Secret;
use crate::vault::write_private;

/// A token is 43 characters.
const MAX_FILE_BYTES: u64 = 256;

/// Who acts, as far as this user has signed in.
pub(super) fn claim(global: &Global, console: &Console) -> Result<Claim, Failure> {
    let token = match &console.person.session {
        Some(token) => Some((token.clone(), "SYMBOLON_SESSION".to_owned())),
        None => kept(global, console)?,
    };
    let session = token.map(|(token, place)| {
        let bytes = BASE64URL_NOPAD.decode(token.trim().as_bytes());
        bytes.map(Secret).map_err(|_| {
            Failure::failed(format!(
                "{place} holds no session; sign in again with: symbolon-node login NAME"
            ))
        })
    });
    Ok(Claim {
        session: session.transpose()?,
        ..nobody(global)
    })
}

/// Somebody who is not signed in.
pub(super) fn nobody(global: &Global) -> Claim {
    Claim {
        session: None,
        purpose: global.purpose.clone(),
        reason: global.reason.clone(),
    }
}

/// Keeps a token for this user's next commands; gives where.
pub(super) fn keep(global: &Global, console: &Console, token: &str) -> Result<PathBuf, Failure> {
    let Some(path) = place(global, console)? else {
        return Err(Failure::failed(
            "there is no place to keep the session: neither XDG_RUNTIME_DIR nor HOME is set; give \
             --print-session and set SYMBOLON_SESSION",
        ));
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.map_err(|error| failed(directory, &error))?;
    write_private(&path, token.as_bytes()).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(path)
}

/// Forgets the token that was kept, if there is one.
pub(super) fn forget(global: &Global, console: &Console) -> Result<(), Failure> {
    let Some(path) = place(global, console)? else {
        return Ok(());
    };
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
        _ => Ok(()),
    }
}

fn kept(
    global: &Global,
    console: &Console,
) -> Result<Option<(Zeroizing<String>, String)>, Failure> {
    let Some(path) = place(global, console)? else {
        return Ok(None);
    };
    let file = match fs::File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed(&path, &error))?,
    };
    let mode = file
        .metadata()
        .map_err(|error| failed(&path, &error))?
        .mode();
    if mode & 0o077 != 0 {
        return Err(Failure::failed(format!(
            "other users of this computer may read the session in {}, so it is not used; delete the file \
             and sign in again",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
    read.map_err(|error| failed(&path, &error))?;
    Ok(Some((text, path.display().to_string())))
}

fn place(global: &Global, console: &Console) -> Result<Option<PathBuf>, Failure> {
    let Some(directory) = &console.person.directory else {
        return Ok(None);
    };
    let state = global.state.canonicalize();
    let state = state.map_err(|error| failed(&global.state, &error))?;
    let digest = crypto::sha256(state.as_os_str().as_encoded_bytes()).to_string();
    let name = digest.get(..32).unwrap_or(&digest);
    Ok(Some(
        directory.join("symbolon").join(format!("session-{name}")),
    ))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot use {}: {error}", path.display()))
}
