//! `serve`: runs the node until it is told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::args::Global;
use super::console::Console;
use super::failure::Failure;
use super::passphrase::{self, Purpose};
use super::{Launcher, Serving, commands, logging, output, turn};
use crate::control;

pub(super) async fn serve(
    global: &Global,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = commands::enrolled_config(global)?;
    let socket = commands::socket(global)?;
    turn::wait(global, console, &socket).await;
    if control::is_served(&socket).await {
        return Err(Failure::failed(format!(
            "the node in {} is serving already, in another process; see: symbolon-node status",
            global.state.display()
        )));
    }
    let unlock = passphrase::unlock(global, console, Purpose::Open, false)?;
    logging::serving(&config)?;
    let mut stop = Stop::new()?;
    let shutdown = CancellationToken::new();
    let (up, mut is_up) = oneshot::channel::<Serving>();
    let ready = Box::new(move |serving| {
        // A node that stops before it is up has nobody to tell.
        let _ = up.send(serving);
    });
    let mut work = launcher.serve(config, unlock, shutdown.clone(), ready);
    let mut waiting = true;
    loop {
        tokio::select! {
            biased;
            serving = &mut is_up, if waiting => {
                waiting = false;
                if let Ok(serving) = serving {
                    output::serving(console, global.json, &serving)?;
                }
            }
            done = &mut work => return Ok(done?),
            () = stop.asked() => {
                if shutdown.is_cancelled() {
                    return Err(Failure::failed("stopped at once; work in hand was cut off"));
                }
                console.note("stopping when the work in hand is done; once more stops at once");
                shutdown.cancel();
            }
        }
    }
}

/// Ctrl-C, or what a service manager sends.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::failed(format!("cannot listen for the signal to stop: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
