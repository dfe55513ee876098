//! The command line: `init`, `serve`, `admin ...`, `ca ...`, `store ...`,
//! `default-config`.
//!
//! Answers go to standard output, as text or with `--json` as one JSON value; everything else goes to
//! standard error. Exit codes: 0 done, 1 failed with a reason, 2 wrong usage.

mod admin;
mod ca;
mod custody;
mod init;
mod logging;
mod output;
mod passphrase;
mod serve;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::HubConfig;
use output::{Failure, Output};

const ABOUT: &str = "\
The hub of Symbolon: it tells agencies that they hold something in common.

It joins random-looking tokens and relays sealed messages. It never sees a record, and it cannot
admit an agency: that takes the administrator's approval key, which is kept off the hub's host.";

const EXAMPLES: &str = "\
A consortium from nothing:
  symbolon-hub init --consortium north --administrator ada --host hub.example \\
      --listen 0.0.0.0:7443 --enrolment-listen 0.0.0.0:7444 \\
      --hub /srv/symbolon/hub --admin ~/symbolon-admin --root /media/offline/root
  symbolon-hub serve --state /srv/symbolon/hub
  symbolon-hub admin --admin ~/symbolon-admin invite harbour-refuge --kind ngo --title 'Harbour Refuge'

Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.";

#[derive(Parser)]
#[command(name = "symbolon-hub", version, about = ABOUT, after_help = EXAMPLES)]
struct Cli {
    /// Answer with one JSON value.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Found a consortium: directories, keys and certificates.
    Init(init::Init),
    /// Serve members until told to stop (SIGTERM or ctrl-c).
    Serve(serve::Serve),
    /// Invite agencies, appoint custodians, propose agreements, look at the consortium.
    Admin(admin::Admin),
    /// The offline root, new issuers, certificates for other administrators.
    Ca(ca::Ca),
    /// Carry what a hub keeps over to another store.
    Store(store::StoreCommand),
    /// Print hub.toml with every default and what it means.
    DefaultConfig,
}

/// Reads the arguments, carries out the command, says how it went.
pub fn main() -> ExitCode {
    // Whoever runs the program cannot act on a trace of ours; the message is for a report.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("symbolon-hub: internal error, please report it: {panic}");
    }));
    let Cli { json, command } = Cli::parse();
    let output = Output { json };
    let done = match command {
        Command::Init(init) => init.run(output),
        Command::Serve(serve) => serve.run(output),
        Command::Admin(admin) => admin.run(output),
        Command::Ca(ca) => ca.run(output),
        Command::Store(store) => store.run(output),
        Command::DefaultConfig => output.text(HubConfig::default_toml().trim_end()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(reason)) => {
            eprintln!("symbolon-hub: {}", output::harmless(&reason));
            ExitCode::FAILURE
        }
    }
}

/// The runtime that a command runs in.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| Failure(format!("cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            if command.get_subcommands().next().is_none() && name != "default-config" {
                let help = command.get_after_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                assert!(help.contains("symbolon-hub"), "{name} shows no example");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
