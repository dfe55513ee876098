//! Whose turn it is: one process at a time has the vault. A command that comes while another is at work, or
//! while a serving node is still starting, waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::args::Global;
use super::console::Console;
use crate::control;
use crate::vault::Vault;

/// Longer than this no command but an import is at work; whoever waits longer is told who it is.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// A short wait needs no words.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Waits until the vault is free, or somebody serves. Several may find it free at once: who is not the first is
/// refused by the vault itself, and waits on ([`crate::launcher`]).
pub(super) async fn wait(global: &Global, console: &mut Console, socket: &Path) {
    let begun = Instant::now();
    let mut told = false;
    while Vault::in_use(&global.state) && !control::is_served(socket).await {
        let waited = begun.elapsed();
        if waited > LONGEST {
            return;
        }
        if waited > TOLD_AFTER && !std::mem::replace(&mut told, true) {
            console
                .note("another command is at work here, or the node is starting; waiting for it");
        }
        tokio::time::sleep(LOOK).await;
    }
}
