//! How the vault is unlocked: key file, passphrase file, environment, or a question.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use symbolon_core::sealed_file::Unlock;
use zeroize::Zeroizing;

use super::args::Global;
use super::console::Console;
use super::failure::Failure;

/// Shortest passphrase at enrolment, in characters. Argon2id makes each guess costly.
const MIN_PASSPHRASE_CHARS: usize = 8;

/// Shortest key file: as much as the key that it makes.
const MIN_KEY_FILE_BYTES: usize = 32;

/// Larger files are a mistake.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What the vault is unlocked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new vault: the passphrase is chosen now.
    Create,
    /// One that is there.
    Open,
}

/// Finds or asks for the secret of the vault.
pub(super) fn unlock(
    global: &Global,
    console: &mut Console,
    purpose: Purpose,
    input_is_taken: bool,
) -> Result<Unlock, Failure> {
    let passphrase = match (&global.key_file, &global.passphrase_file) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage(
                "give --key-file or --passphrase-file, not both",
            ));
        }
        (Some(path), None) => return key_file(path, console),
        (None, Some(path)) => first_line(path, "passphrase", console)?,
        (None, None) => match console.passphrase.take().filter(|p| !p.is_empty()) {
            Some(passphrase) => passphrase,
            None => asked(console, purpose, input_is_taken)?,
        },
    };
    if purpose == Purpose::Create {
        check(&passphrase)?;
    }
    Ok(Unlock::Passphrase(passphrase))
}

fn asked(
    console: &mut Console,
    purpose: Purpose,
    input_is_taken: bool,
) -> Result<Zeroizing<String>, Failure> {
    let a_person_is_there =
        console.input_is_terminal || (input_is_taken && console.err_is_terminal);
    if !a_person_is_there {
        return Err(Failure::usage(
            "the vault needs its passphrase and there is no terminal to ask on; give \
             --passphrase-file FILE or --key-file FILE, or set SYMBOLON_PASSPHRASE",
        ));
    }
    let mut ask = |text: &str| {
        (console.prompt)(text).map_err(|error| {
            Failure::failed(format!(
                "cannot ask for the passphrase: {error}; give --passphrase-file FILE"
            ))
        })
    };
    if purpose == Purpose::Open {
        return ask("Passphrase: ");
    }
    let chosen = ask("Choose a passphrase for the vault (it cannot be recovered): ")?;
    check(&chosen)?;
    if ask("The same again: ")? != chosen {
        return Err(Failure::failed(
            "the two passphrases differ; nothing was made, enrol again",
        ));
    }
    Ok(chosen)
}

/// The passphrase of a backup, which need not be the vault's: from a file, or asked for.
pub(super) fn of_backup(
    file: Option<&Path>,
    console: &mut Console,
    purpose: Purpose,
) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| {
        Failure::failed(format!(
            "cannot ask for the backup's passphrase: {error}; give --backup-passphrase-file FILE"
        ))
    };
    let passphrase = match file {
        Some(file) => first_line(file, "passphrase", console)?,
        None if !console.input_is_terminal => {
            return Err(Failure::usage(
                "the backup needs a passphrase and there is no terminal to ask on; give \
                 --backup-passphrase-file FILE",
            ));
        }
        None => (console.prompt)("Passphrase of the backup: ").map_err(failed)?,
    };
    if purpose == Purpose::Open {
        return Ok(passphrase);
    }
    if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
        return Err(Failure::failed(format!(
            "the passphrase is too short: at least {MIN_PASSPHRASE_CHARS} characters, better four \
             or five words; nothing was written"
        )));
    }
    if file.is_none() && (console.prompt)("The same again: ").map_err(failed)? != passphrase {
        return Err(Failure::failed(
            "the two passphrases differ; nothing was written",
        ));
    }
    Ok(passphrase)
}

fn check(passphrase: &str) -> Result<(), Failure> {
    if passphrase.chars().count() >= MIN_PASSPHRASE_CHARS {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the passphrase is too short: at least {MIN_PASSPHRASE_CHARS} characters, better four or \
         five words; nothing was made, enrol again"
    )))
}

/// A secret in the first line of a file.
pub(super) fn first_line(
    path: &Path,
    what: &str,
    console: &mut Console,
) -> Result<Zeroizing<String>, Failure> {
    let bytes = secret_file(path, what, console)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let instead = match what {
            "passphrase" => "; for random bytes give --key-file",
            _ => "",
        };
        Failure::failed(format!(
            "the {what} file {} is not text{instead}",
            path.display()
        ))
    })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::failed(format!(
            "the first line of the {what} file {} is empty; write the {what} there",
            path.display()
        )));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn key_file(path: &Path, console: &mut Console) -> Result<Unlock, Failure> {
    let bytes = secret_file(path, "key", console)?;
    if bytes.len() < MIN_KEY_FILE_BYTES {
        return Err(Failure::failed(format!(
            "the key file {} has {} bytes and must have {MIN_KEY_FILE_BYTES} random ones or more; \
             make one with: head -c 32 /dev/urandom > FILE",
            path.display(),
            bytes.len()
        )));
    }
    Ok(Unlock::KeyFile(bytes))
}

fn secret_file(
    path: &Path,
    what: &str,
    console: &mut Console,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (bytes, mode) = read_bounded(path).map_err(|error| {
        Failure::failed(format!(
            "cannot read the {what} file {}: {error}",
            path.display()
        ))
    })?;
    if mode & 0o077 != 0 {
        console.note(&format!(
            "note: other users of this computer may read the {what} file {}; chmod 600 it",
            path.display()
        ));
    }
    Ok(bytes)
}

fn read_bounded(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // A buffer that never grows leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    // A pipe from a password manager is nobody else's.
    let mode = if metadata.is_file() {
        metadata.mode()
    } else {
        0
    };
    Ok((bytes, mode))
}

#[cfg(test)]
mod tests;
