//! `admin custody`: appointing custodians, and replacing them.

use clap::Args;
use serde_json::json;
use symbolon_core::identity::AgencyName;

use super::output::{Failure, Output};
use crate::admin::Admin;

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
    let epoch = new_key(admin, options).await?;
    output.answer(&json!({ "custody_epoch": epoch }), |_| {
        format!("appointed; their nodes now generate the key of custody epoch {epoch}")
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
    let epoch = new_key(admin, options).await?;
    output.answer(&json!({ "custody_epoch": epoch }), |_| {
        format!(
            "appointed; their nodes now generate the key of custody epoch {epoch}, and members then \
             make their rows anew. Keep the custodians before them serving until `symbolon-node \
             custody status` of every member no longer says `replaces`"
        )
    })
}

async fn new_key(admin: &Admin, options: Custodians) -> Result<u32, Failure> {
    let Custodians {
        threshold,
        custodians,
    } = options;
    Ok(admin.appoint_custodians(threshold, custodians).await?)
}
