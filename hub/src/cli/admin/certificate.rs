//! `admin certificate`: which certificates there are, and revoking one.

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::output::{Failure, Output, moment, table};
use crate::admin::{Admin, CertificateReport};

/// Certificates of agencies and administrators.
#[derive(Subcommand)]
pub enum CertificateCommand {
    /// List certificates: whose they are, until when, and which were revoked.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin certificate list")]
    List,
    /// Revoke a certificate; its connections end within a second and it opens none.
    Revoke(Revoke),
}

/// Revoke a certificate.
#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ./admin certificate revoke 4f0c2a... --reason 'the laptop was stolen'

Any one administrator can do it. It cannot be undone: the agency needs a fresh invitation
afterwards, with which `symbolon-node enrol` keeps its records. To shut an agency out whatever its
certificates are, suspend or remove it in the roster.")]
pub struct Revoke {
    /// Its serial number, as `certificate list` shows it.
    #[arg(value_name = "SERIAL")]
    serial: String,
    /// Why, for people.
    #[arg(long)]
    reason: String,
}

impl CertificateCommand {
    pub async fn carry_out(self, admin: &Admin, output: Output) -> Result<(), Failure> {
        match self {
            Self::List => {
                let certificates = admin.certificates().await?;
                output.answer(&certificates, |certificates| {
                    certificate_table(certificates)
                })
            }
            Self::Revoke(Revoke { serial, reason }) => {
                let serial = serial.to_ascii_lowercase();
                admin.revoke_certificate(&serial, &reason).await?;
                output.answer(&json!({ "revoked": serial }), |_| {
                    format!("revoked {serial}")
                })
            }
        }
    }
}

fn certificate_table(certificates: &[CertificateReport]) -> String {
    let header = ["whose", "serial", "issued", "until", "revoked", "why"];
    let rows = certificates.iter().map(|one| {
        vec![
            one.subject.clone(),
            one.serial.clone(),
            moment(one.issued_at),
            moment(one.expires_at),
            moment(one.revoked_at),
            one.reason.clone(),
        ]
    });
    table(&header, rows)
}
