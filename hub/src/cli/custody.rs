//! `admin custody`: appointing custodians, and replacing them.

use clap::Args;
use serde_json::json;
use symbolon_core::identity::AgencyName;

use super::admin::told;
use super::output::{Failure, Output};
use crate::admin::{Admin, Proposed};

/// Who shall be custodians.
#[derive(Args)]
pub(super) struct Custodians {
    /// Custodians needed to evaluate.
    #[arg(long)]
    threshold: u16,
    /// Enrolled agencies, in the order of their shares.
    #[arg(required = true)]
    custodians: Vec<AgencyName>,
}

/// Appoints the first custodians.
pub(super) async fn appoint(
    admin: &Admin,
    options: Custodians,
    output: Output,
) -> Result<(), Failure> {
    if admin.roster().await?.custody.is_some() {
        return Err(Failure(
            "there are custodians already; `admin custody replace` appoints others and starts a new key"
                .to_owned(),
        ));
    }
    let (epoch, proposed) = new_key(admin, options).await?;
    let answer = json!({ "custody_epoch": epoch, "proposed": proposed });
    output.answer(&answer, |_| {
        let done = format!("appointed; their nodes now generate the key of custody epoch {epoch}");
        told(&proposed, &done)
    })
}

/// Appoints others in their place.
pub(super) async fn replace(
    admin: &Admin,
    options: Custodians,
    output: Output,
) -> Result<(), Failure> {
    if admin.roster().await?.custody.is_none() {
        return Err(Failure(
            "there are no custodians that could be replaced; use `admin custody appoint`"
                .to_owned(),
        ));
    }
    let (epoch, proposed) = new_key(admin, options).await?;
    let answer = json!({ "custody_epoch": epoch, "proposed": proposed });
    output.answer(&answer, |_| {
        let done = format!(
            "appointed; their nodes now generate the key of custody epoch {epoch}, and members then \
             make their rows anew. Keep the custodians before them serving until `symbolon-node \
             custody status` of every member no longer says `replaces`"
        );
        told(&proposed, &done)
    })
}

async fn new_key(admin: &Admin, options: Custodians) -> Result<(u32, Proposed), Failure> {
    let Custodians {
        threshold,
        custodians,
    } = options;
    Ok(admin.appoint_custodians(threshold, custodians).await?)
}
