//! `admin key`: the keys of an administrator on a machine of its own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::identity::Name;

use super::super::output::{Failure, Output};
use super::super::passphrase::PassphraseOptions;
use crate::ca::{self, AdministratorReply, AdministratorRequest};
use crate::files;

/// An administrator's own keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make an approval key and a TLS key, and a request to hand over at the hub's host.
    New(New),
    /// Make a fresh TLS key and a request, before the certificate ends; the approval key stays.
    Renew(Renew),
    /// Take over the reply to a request.
    Install(Install),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin key new --consortium north --name bob --out ~/symbolon-admin \\
      --request bob.request

Hand the request over in a way that is trusted. Two things follow: the administrators name bob and
his approval key in the roster, and the hub's operator signs the request with
`symbolon-hub ca sign-administrator`; `admin key install` takes the reply.")]
pub struct New {
    /// The consortium.
    #[arg(long)]
    consortium: Name,
    /// The administrator's name.
    #[arg(long)]
    name: Name,
    /// Directory to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write the request to a new file.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ./admin key renew --request ada.request

The first administrator's certificate ends with the issuer that founding made: renew it after a new
issuer is in use.")]
pub struct Renew {
    /// Write the request to a new file.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ~/symbolon-admin key install --reply bob.reply

Compare the genesis digest that it prints with another administrator's, by telephone: every roster
is verified from it.")]
pub struct Install {
    /// What `ca sign-administrator` wrote.
    #[arg(long, value_name = "FILE")]
    reply: PathBuf,
}

impl KeyCommand {
    pub fn run(
        self,
        dir: Option<&Path>,
        passphrase: &PassphraseOptions,
        output: Output,
    ) -> Result<(), Failure> {
        let admin = || {
            let missing = "give the administrator's directory with --admin or SYMBOLON_ADMIN";
            dir.ok_or_else(|| Failure(missing.to_owned()))
        };
        match self {
            Self::New(New {
                consortium,
                name,
                out,
                request,
            }) => {
                let unlock = passphrase.choose("the approval key")?;
                let made = ca::new_administrator(&out, &consortium, &name, &unlock)?;
                hand_over(&made, &request, output)
            }
            Self::Renew(Renew { request }) => {
                let unlock = passphrase.ask("the approval key")?;
                let made = ca::renew_administrator(admin()?, &unlock)?;
                hand_over(&made, &request, output)
            }
            Self::Install(Install { reply }) => {
                let reply: AdministratorReply = serde_json::from_slice(&files::read(&reply)?)?;
                ca::install_administrator(admin()?, &reply)?;
                let genesis = reply.config.genesis;
                output.answer(&json!({ "genesis": genesis }), |_| {
                    format!("installed\n  genesis {genesis}\nCompare it with another administrator's, by telephone.")
                })
            }
        }
    }
}

fn hand_over(made: &AdministratorRequest, path: &Path, output: Output) -> Result<(), Failure> {
    files::public_file(path, &serde_json::to_vec_pretty(made)?)?;
    let answer = json!({ "name": made.name, "approval_key": made.approval_key, "request": path });
    output.answer(&answer, |answer| {
        format!(
            "the request of {} is in {}\n  approval key {}",
            made.name,
            path.display(),
            answer["approval_key"].as_str().unwrap_or_default(),
        )
    })
}
