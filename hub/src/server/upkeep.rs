//! What goes on beside serving.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Services;
use crate::certificates::Certificates;
use crate::config::HubConfig;
use crate::matching::Matching;
use crate::sharing::Sharing;

/// What goes on beside serving: lists, connections that end, rows that expire or are departed, the room they
/// took, owners of silent rows who are told, what other hubs over the same store did.
pub(super) fn keep_up(
    services: &Services,
    config: &HubConfig,
    shutdown: &CancellationToken,
) -> Vec<JoinHandle<Result<(), String>>> {
    let matching = || Arc::clone(&services.matching);
    let sweep = Duration::from_secs(config.expiry_sweep_s);
    let looking_after = look_after(Arc::clone(&services.certificates), shutdown.clone());
    vec![
        tokio::spawn(looking_after),
        tokio::spawn(expire_regularly(matching(), sweep, shutdown.clone())),
        tokio::spawn(tell_regularly(matching(), shutdown.clone())),
        tokio::spawn(drop_departed(matching(), shutdown.clone())),
        tokio::spawn(tidy_regularly(matching(), shutdown.clone())),
        tokio::spawn(sharing(services).follow(shutdown.clone())),
    ]
}

fn sharing(services: &Services) -> Sharing {
    Sharing {
        store: Arc::clone(&services.matching.store),
        directory: Arc::clone(&services.directory),
        certificates: Arc::clone(&services.certificates),
        lines: Arc::clone(&services.matching.lines),
        custody: Arc::clone(&services.custody),
    }
}

async fn expire_regularly(
    matching: Arc<Matching>,
    every: Duration,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = interval.tick() => {}
        }
        match matching.expire().await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "expired rows were removed"),
            Err(error) => error!(%error, "expired rows could not be removed"),
        }
    }
}

/// Whether room can be given back is looked at so often.
const TIDY: Duration = Duration::from_secs(600);

async fn tidy_regularly(
    matching: Arc<Matching>,
    shutdown: CancellationToken,
) -> Result<(), String> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(TIDY) => {}
        }
        match matching.tidy().await {
            Ok(false) => {}
            Ok(true) => info!("the room that deleted rows took was given back"),
            Err(error) => error!(%error, "the room that deleted rows took could not be given back"),
        }
    }
}

/// Owners of silent rows are told at these times, whatever comes in between: nothing that another member
/// sees follows from it.
const TELL: Duration = Duration::from_millis(250);

async fn tell_regularly(
    matching: Arc<Matching>,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let mut interval = tokio::time::interval(TELL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = interval.tick() => {}
        }
        if let Err(error) = matching.tell().await {
            error!(%error, "owners of silent rows could not be told; it is tried again");
        }
    }
}

/// Connections end within this after their certificate; half of what a revocation may take.
const LOOK: Duration = Duration::from_millis(500);

async fn look_after(
    certificates: Arc<Certificates>,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = interval.tick() => certificates.look_after().await,
        }
    }
}

/// Deletes rows of members that have departed, at the start and after each change of membership.
async fn drop_departed(matching: Arc<Matching>, shutdown: CancellationToken) -> Result<(), String> {
    let mut settled = BTreeSet::new();
    loop {
        match matching.drop_departed(&mut settled).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "rows of departed members were removed"),
            Err(error) => error!(%error, "rows of departed members could not be removed"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = matching.directory.departures.notified() => {}
        }
    }
}
