//! `store`: carrying what a hub keeps over to another store.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Failure, Output, table};
use super::runtime;
use crate::lock::StateLock;
use crate::migration::{Migrated, Stage, Step, migrate};
use crate::store::fjall::FjallStore;
use crate::store::postgres::{PostgresStore, Settings, Url};
use crate::store::transfer::Transfer;

const MIGRATE_EXAMPLES: &str = "\
Examples:
  symbolon-hub store migrate --from fjall:/srv/symbolon/hub \\
      --to postgres://hub@db.example/symbolon?sslmode=require \\
      --password-file /srv/symbolon/password --root-certificates /srv/symbolon/db-root.pem
  symbolon-hub store migrate --from postgres://hub@127.0.0.1/symbolon --to fjall:/srv/symbolon/hub

Stop every hub that uses either store first. A state directory that a hub has open is refused, and
so is a destination that is not empty. Of the source nothing changes, but that a database tells
owners of silent rows what it would tell them next. A migration that was cut off goes on where it
stopped when it is run again; until it has ended no hub serves the destination. At the end both
sides are read through and compared.";

const KNOWN_TOTAL: &str = "{prefix:>28} {bar:30} {pos} of {len}, {eta} left";
const UNKNOWN_TOTAL: &str = "{prefix:>28} {spinner} {pos}";

/// What a hub keeps.
#[derive(Args)]
pub struct StoreCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carry everything over to an empty store, and compare.
    Migrate(Migrate),
}

/// Carry everything over to an empty store, and compare.
#[derive(Args)]
#[command(after_help = MIGRATE_EXAMPLES)]
struct Migrate {
    /// What is carried over: fjall:STATE_DIR or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "STORE")]
    from: Location,
    /// Where to: fjall:STATE_DIR or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "STORE")]
    to: Location,
    /// File with the database's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Roots that vouch for the database's servers, PEM.
    #[arg(long, value_name = "FILE")]
    root_certificates: Option<PathBuf>,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
    /// In the state directory of a hub.
    Fjall(PathBuf),
    /// In a database.
    Postgres(Url),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::from(text.to_owned());
        match text.split_once(':') {
            Some(("fjall", dir)) if !dir.is_empty() => Ok(Self::Fjall(dir.into())),
            _ if url.is_postgres() => Ok(Self::Postgres(url)),
            _ => Err("a store is written fjall:STATE_DIR or postgres://...".to_owned()),
        }
    }
}

/// A store, and what keeps others away from it.
struct Opened {
    store: Box<dyn Transfer>,
    #[expect(dead_code, reason = "it is held")]
    lock: Option<StateLock>,
}

impl Migrate {
    fn source(&self) -> Result<Opened, Failure> {
        match &self.from {
            Location::Fjall(dir) => {
                let store = dir.join("store");
                if !store.is_dir() {
                    let nothing = format!("{} has no store", dir.display());
                    return Err(Failure(nothing));
                }
                Ok(Opened {
                    lock: Some(StateLock::take(dir)?),
                    store: Box::new(FjallStore::open(&store)?),
                })
            }
            Location::Postgres(url) => Ok(Opened {
                lock: None,
                store: Box::new(PostgresStore::open(&self.settings(url))?),
            }),
        }
    }

    fn destination(&self) -> Result<Opened, Failure> {
        match &self.to {
            Location::Fjall(dir) => {
                crate::files::private_dir(dir)?;
                let store = dir.join("store");
                Ok(Opened {
                    lock: Some(StateLock::take(dir)?),
                    store: Box::new(FjallStore::open_for_transfer(&store)?),
                })
            }
            Location::Postgres(url) => {
                let settings = self.settings(url);
                Ok(Opened {
                    lock: None,
                    store: Box::new(PostgresStore::open_for_transfer(&settings)?),
                })
            }
        }
    }

    fn settings(&self, url: &Url) -> Settings {
        Settings {
            password_file: self.password_file.clone(),
            root_certificates: self.root_certificates.clone(),
            ..Settings::new(url.clone())
        }
    }

    fn carry(&self, wanted: &AtomicBool) -> Result<Migrated, Failure> {
        let (source, destination) = (self.source()?, self.destination()?);
        let bar = ProgressBar::no_length();
        let migrated = migrate(&*source.store, &*destination.store, &mut |step| {
            show(&bar, step);
            if wanted.load(Ordering::Relaxed) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        bar.finish_and_clear();
        Ok(migrated?)
    }
}

impl StoreCommand {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        let Command::Migrate(migration) = self.command;
        let migrated = runtime()?.block_on(async {
            let wanted = Arc::new(AtomicBool::new(true));
            let unwanted = Arc::clone(&wanted);
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::spawn(async move {
                interrupt.recv().await;
                unwanted.store(false, Ordering::Relaxed);
            });
            let work = tokio::task::spawn_blocking(move || migration.carry(&wanted));
            work.await?
        })?;
        output.answer(&answer(&migrated), |_| report(&migrated))
    }
}

/// On standard error, if that is a terminal.
fn show(bar: &ProgressBar, step: Step) {
    let stage = match step.stage {
        Stage::Copying => "copying",
        Stage::Comparing => "comparing",
    };
    let prefix = format!("{stage} {}", step.kind.label());
    if bar.prefix() != prefix {
        let template = step.total.map_or(UNKNOWN_TOTAL, |_| KNOWN_TOTAL);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.reset();
        bar.set_prefix(prefix);
    }
    if let Some(total) = step.total {
        bar.set_length(total);
    }
    bar.set_position(step.done);
}

fn answer(migrated: &Migrated) -> Value {
    let kinds = migrated.kinds.iter();
    let kinds: serde_json::Map<_, _> = kinds
        .filter_map(|(kind, tally)| {
            let name = serde_json::to_value(kind).ok()?;
            Some((name.as_str()?.to_owned(), json!(tally)))
        })
        .collect();
    json!({
        "kinds": kinds,
        "log": { "size": migrated.log_size, "root": migrated.log_root },
        "recounted": migrated.recounted,
        "resumed": migrated.resumed,
    })
}

fn report(migrated: &Migrated) -> String {
    let lines = migrated.kinds.iter().map(|(kind, tally)| {
        vec![
            kind.label().to_owned(),
            tally.count.to_string(),
            tally.digest.short(),
        ]
    });
    format!(
        "{}\n{} members' rows counted anew, the log's tree built anew: {} entries, root {}\n\
         done: both stores hold the same; name the new one in hub.toml and keep the old one until the hub \
         has served from it, but never serve from both",
        table(&["what", "how many", "digest"], lines),
        migrated.recounted,
        migrated.log_size,
        migrated.log_root,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_directory_or_a_database() {
        let parsed = |text: &str| text.parse::<Location>();
        assert_eq!(
            parsed("fjall:/srv/hub").unwrap(),
            Location::Fjall("/srv/hub".into())
        );
        let url = "postgres://hub@one,two/registry?target_session_attrs=read-write";
        assert_eq!(
            parsed(url).unwrap(),
            Location::Postgres(url.to_owned().into())
        );
        for bad in ["", "fjall:", "/srv/hub", "sled:x", "postgres"] {
            let told = parsed(bad).unwrap_err();
            assert!(told.contains("fjall:STATE_DIR or postgres://"), "{bad}");
        }
    }

    #[test]
    fn the_bars_are_sound() {
        for template in [KNOWN_TOTAL, UNKNOWN_TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
