//! `init`: founding a consortium.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use serde_json::json;
use symbolon_core::identity::Name;

use super::output::{Failure, Output, moment};
use super::passphrase::PassphraseOptions;
use crate::ca::AdministratorRequest;
use crate::clock::SystemClock;
use crate::files;
use crate::founding::{self, FoundingOptions};

const EXAMPLES: &str = "\
Examples:
  symbolon-hub init --consortium north --administrator ada --host hub.example \\
      --listen 0.0.0.0:7443 --enrolment-listen 0.0.0.0:7444 \\
      --hub /srv/symbolon/hub --admin ~/symbolon-admin --root /media/offline/root
  symbolon-hub init --consortium north --administrator ada --with bob.request --approvals-needed 2 \\
      --hub hub --admin admin --root root
  symbolon-hub init --consortium trial --administrator ada --hub hub --admin admin --root root

Three directories are made, for three places:
  HUB    certificates, the issuing key, the log's key; the store will be in it
  ADMIN  the administrator's certificate and the sealed approval key, off the hub's host
  ROOT   the sealed root key: take it offline; it is needed when the issuer ends, after a year
With --with, each further administrator stands in the genesis, and its reply (NAME.reply in HUB) is for
its `admin key install`. With --approvals-needed 2, everything from the first invitation on takes two
administrators; one is enough if it is not given.
Nothing is ever overwritten. The passphrase seals the approval key and the root key.";

/// Found a consortium.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// Name of the consortium; it stands in every certificate.
    #[arg(long)]
    consortium: Name,
    /// Name of the first administrator.
    #[arg(long, default_value = "administrator")]
    administrator: Name,
    /// Directory to make for the hub.
    #[arg(long, value_name = "DIR")]
    hub: PathBuf,
    /// Directory to make for the administrator.
    #[arg(long, value_name = "DIR")]
    admin: PathBuf,
    /// Directory to make for the root key.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// DNS name or address by which the hub is reached; may be given several times.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Where members connect.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7443")]
    listen: String,
    /// Where invitations are redeemed.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7444")]
    enrolment_listen: String,
    /// Request of a further administrator, made with `admin key new`; may be given several times.
    #[arg(long = "with", value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Administrators who must approve each change, from 1 to as many as there are.
    #[arg(long, value_name = "N", default_value_t = 1)]
    approvals_needed: u32,
    #[command(flatten)]
    passphrase: PassphraseOptions,
}

impl Init {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        self.refuse_unattainable();
        let keys = "the approval key and the root key";
        let options = FoundingOptions {
            consortium: self.consortium,
            administrator: self.administrator,
            hub_dir: self.hub,
            admin_dir: self.admin,
            root_dir: self.root,
            host_names: self.hosts,
            listen: self.listen,
            enrolment_listen: self.enrolment_listen,
            passphrase: self.passphrase.choose(keys)?,
        };
        let others = self.with.iter().map(|path| {
            let request: AdministratorRequest = serde_json::from_slice(&files::read(path)?)?;
            Ok(request)
        });
        let others = others.collect::<Result<Vec<_>, Failure>>()?;
        let founded = founding::found_with(&options, &others, self.approvals_needed, &SystemClock)?;
        let answer = json!({
            "consortium": options.consortium,
            "genesis": founded.genesis,
            "approvals_needed": self.approvals_needed,
            "hub": founded.hub,
            "enrolment": founded.enrolment,
            "issuer_expires_at": founded.issuer_expires_at,
        });
        output.answer(&answer, |_| {
            let FoundingOptions {
                hub_dir,
                admin_dir,
                root_dir,
                ..
            } = &options;
            format!(
                "The consortium {} is founded.\n  genesis    {}\n  members    {}\n  enrolment  {}\n  issuer ends {}\n\n\
                 Next: keep {} offline, keep {} off the hub's host, and\n  symbolon-hub serve --state {}",
                options.consortium,
                founded.genesis,
                founded.hub,
                founded.enrolment,
                moment(founded.issuer_expires_at),
                root_dir.display(),
                admin_dir.display(),
                hub_dir.display(),
            )
        })
    }

    /// Wrong usage: more approvals than there are administrators, or none.
    fn refuse_unattainable(&self) {
        let administrators = self.with.len() + 1;
        let needed = usize::try_from(self.approvals_needed).unwrap_or(usize::MAX);
        if !(1..=administrators).contains(&needed) {
            let reason = format!(
                "--approvals-needed must be from 1 to {administrators}, the number of administrators: the first one and each --with"
            );
            let mut command = super::Cli::command();
            command.error(ErrorKind::ValueValidation, reason).exit();
        }
    }
}
