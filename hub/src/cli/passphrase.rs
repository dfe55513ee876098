//! The passphrase: from a file, from the environment, or asked for.

use std::path::PathBuf;

use clap::Args;
use symbolon_core::sealed_file::Unlock;
use zeroize::Zeroizing;

use super::output::Failure;
use crate::files;

const VARIABLE: &str = "SYMBOLON_PASSPHRASE";
/// A passphrase that is guessed offline, at Argon2id's pace.
const MIN_CHARACTERS: usize = 12;

/// Where the passphrase comes from.
#[derive(Args)]
pub struct PassphraseOptions {
    /// File whose first line is the passphrase. Without it the variable SYMBOLON_PASSPHRASE is used,
    /// and without that it is asked for.
    #[arg(long, value_name = "FILE", global = true)]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseOptions {
    /// The passphrase of something that is sealed already.
    pub fn ask(&self, of: &str) -> Result<Unlock, Failure> {
        if let Some(given) = self.given()? {
            return Ok(Unlock::Passphrase(given));
        }
        prompt(&format!("Passphrase of {of}: ")).map(Unlock::Passphrase)
    }

    /// A new passphrase, asked for twice.
    pub fn choose(&self, of: &str) -> Result<Unlock, Failure> {
        let chosen = match self.given()? {
            Some(given) => given,
            None => {
                let first = prompt(&format!("New passphrase for {of}: "))?;
                let second = prompt("The same again: ")?;
                if *first != *second {
                    return Err(Failure("the two passphrases differ; try again".to_owned()));
                }
                first
            }
        };
        if chosen.chars().count() < MIN_CHARACTERS {
            return Err(Failure(format!(
                "the passphrase is too short; use at least {MIN_CHARACTERS} characters"
            )));
        }
        Ok(Unlock::Passphrase(chosen))
    }

    fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.passphrase_file {
            let text = Zeroizing::new(files::read_text(path)?);
            let line = text.lines().next().unwrap_or_default();
            return Ok(Some(Zeroizing::new(line.to_owned())));
        }
        Ok(std::env::var(VARIABLE).ok().map(Zeroizing::new))
    }
}

fn prompt(text: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(text).map_err(|error| {
        Failure(format!(
            "cannot ask for the passphrase ({error}); give --passphrase-file or set {VARIABLE}"
        ))
    })?;
    Ok(Zeroizing::new(typed))
}
