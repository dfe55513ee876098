//! `ca`: the offline root, new issuers, certificates for other administrators.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;

use super::output::{Failure, Output, moment};
use super::passphrase::PassphraseOptions;
use crate::ca::{self, AdministratorRequest};
use crate::clock::{Clock, SystemClock};
use crate::files;

/// Roots, issuers and administrators' certificates, by hand.
#[derive(Args)]
pub struct Ca {
    #[command(flatten)]
    passphrase: PassphraseOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make another root key, on a machine that stays offline.
    Init(Init),
    /// Make a new issuing key at the hub; prints the request for its certificate.
    NewIssuer(NewIssuer),
    /// Sign an issuer's request with the root key, where the root is kept.
    SignIssuer(SignIssuer),
    /// Put a signed issuer into use at the hub.
    InstallIssuer(InstallIssuer),
    /// Have the hub, and then the nodes, trust one more root.
    TrustRoot(TrustRoot),
    /// Certify an administrator of another machine, at the hub's host.
    SignAdministrator(SignAdministrator),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca init --consortium north --root /media/offline/root-2

`init` has made the first root already. A new one is trusted with `ca trust-root` at the hub, one
life of an agency's certificate before it signs an issuer.")]
struct Init {
    /// The consortium's name.
    #[arg(long)]
    consortium: Name,
    /// Directory to make for the root key.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca new-issuer --state /srv/symbolon/hub --out issuer.request

Take the file to the root and sign it with `ca sign-issuer`. The issuing key stays here.")]
struct NewIssuer {
    /// The hub's directory.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_HUB_STATE")]
    state: PathBuf,
    /// Write the request to a new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca sign-issuer --root /media/offline/root --request issuer.request --out issuer.pem")]
struct SignIssuer {
    /// Directory of the root key.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// What `ca new-issuer` wrote.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Write the certificate to a new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Days that it lasts; never longer than the root.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=1826))]
    days: u32,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca install-issuer --state /srv/symbolon/hub --certificate issuer.pem
  systemctl reload symbolon-hub      (or: kill -HUP, which a running hub takes it over on)

The hub's own certificate is made anew with it. The issuer before it is kept and signs the list of
revoked certificates while certificates of it may be about.")]
struct InstallIssuer {
    /// The hub's directory.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_HUB_STATE")]
    state: PathBuf,
    /// What `ca sign-issuer` wrote.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca trust-root --state /srv/symbolon/hub --certificate root-2/root.pem

A running hub takes it over on SIGHUP. Nodes learn it with their next renewal; administrators put
the new root.pem beside the old one in their tls directory by hand.")]
struct TrustRoot {
    /// The hub's directory.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_HUB_STATE")]
    state: PathBuf,
    /// The new root's certificate.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub ca sign-administrator --state /srv/symbolon/hub --request bob.request \\
      --hub hub.example:7443 --enrolment hub.example:7444 --genesis 3f0c... --out bob.reply

The request comes from `admin key new` or `admin key renew`. A running hub knows the certificate from
its next SIGHUP on, and takes it only while the roster names this administrator with this approval
key: compare the key's digits with the administrator before you approve it in the roster.")]
struct SignAdministrator {
    /// The hub's directory.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_HUB_STATE")]
    state: PathBuf,
    /// What the administrator handed over.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where members and administrators connect.
    #[arg(long, value_name = "HOST:PORT")]
    hub: String,
    /// Where invitations are redeemed.
    #[arg(long, value_name = "HOST:PORT")]
    enrolment: String,
    /// The genesis digest, as `admin roster show` prints it.
    #[arg(long, value_name = "HEX", value_parser = super::admin::agreement::digest)]
    genesis: Digest,
    /// Write the reply to a new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Ca {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        let Self {
            passphrase,
            command,
        } = self;
        let now = SystemClock.now();
        match command {
            Command::Init(Init { consortium, root }) => {
                let unlock = passphrase.choose("the root key")?;
                let ends = ca::init(&root, &consortium, &unlock, now)?;
                told(output, &root, ends, "the root is in", "keep it offline")
            }
            Command::NewIssuer(NewIssuer { state, out }) => {
                let request = ca::new_issuer(&state)?;
                files::public_file(&out, request.as_bytes())?;
                let next = "sign it where the root is kept: symbolon-hub ca sign-issuer";
                told(output, &out, 0, "the request is in", next)
            }
            Command::SignIssuer(SignIssuer {
                root,
                request,
                out,
                days,
            }) => {
                let unlock = passphrase.ask("the root key")?;
                let request = files::read_text(&request)?;
                let signed = ca::sign_issuer(&root, &unlock, &request, days, now)?;
                files::public_file(&out, signed.as_bytes())?;
                let next = "install it at the hub: symbolon-hub ca install-issuer";
                told(output, &out, 0, "the certificate is in", next)
            }
            Command::InstallIssuer(InstallIssuer { state, certificate }) => {
                let certificate = files::read_text(&certificate)?;
                let ends = ca::install_issuer(&state, &certificate, now)?;
                let next = "send the running hub a SIGHUP, or start it again";
                told(output, &state, ends, "the issuer is installed in", next)
            }
            Command::TrustRoot(TrustRoot { state, certificate }) => {
                let ends = ca::trust_root(&state, &files::read_text(&certificate)?)?;
                let next = "send the running hub a SIGHUP, or start it again";
                told(
                    output,
                    &state,
                    ends,
                    "the root is trusted by the hub in",
                    next,
                )
            }
            Command::SignAdministrator(options) => sign_administrator(options, output, now),
        }
    }
}

fn sign_administrator(options: SignAdministrator, output: Output, now: i64) -> Result<(), Failure> {
    let SignAdministrator {
        state,
        request,
        hub,
        enrolment,
        genesis,
        out,
    } = options;
    if out.exists() {
        let out = out.display();
        return Err(Failure(format!(
            "{out} already exists; choose another file"
        )));
    }
    let request: AdministratorRequest = serde_json::from_slice(&files::read(&request)?)?;
    let reply = ca::sign_administrator(&state, &request, (hub, enrolment, genesis), now)?;
    files::public_file(&out, &serde_json::to_vec_pretty(&reply)?)?;
    let answer = json!({
        "administrator": request.name,
        "approval_key": request.approval_key,
        "file": out,
    });
    output.answer(&answer, |answer| {
        format!(
            "the reply for {} is in {}\n  approval key {}\nnext: send the running hub a SIGHUP; the roster must name this administrator with this key",
            request.name,
            out.display(),
            answer["approval_key"].as_str().unwrap_or_default(),
        )
    })
}

fn told(output: Output, path: &Path, ends: i64, what: &str, next: &str) -> Result<(), Failure> {
    let answer = json!({ "path": path, "expires_at": (ends > 0).then_some(ends) });
    output.answer(&answer, |_| {
        let until = if ends > 0 {
            format!(", until {}", moment(ends))
        } else {
            String::new()
        };
        format!("{what} {}{until}\nnext: {next}", path.display())
    })
}
