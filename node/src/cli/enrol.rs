//! `enrol`: from an invitation to a vault.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::args::{EnrolArgs, Global};
use super::console::Console;
use super::failure::Failure;
use super::passphrase::{self, Purpose};
use super::{Launcher, output};
use crate::config::NodeConfig;
use crate::vault::Vault;

/// An invitation is a line of two or three kilobytes.
const MAX_INVITATION_BYTES: u64 = 64 * 1024;

pub(super) async fn enrol(
    global: &Global,
    args: EnrolArgs,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = NodeConfig::load(&global.state)?;
    let (invitation, input_is_taken) = invitation(args, console)?;
    // A vault that is there keeps its passphrase: enrolling again heals its certificate.
    let purpose = if Vault::exists(&global.state) {
        Purpose::Open
    } else {
        Purpose::Create
    };
    let unlock = passphrase::unlock(global, console, purpose, input_is_taken)?;
    let report = launcher.enrol(config, invitation, unlock).await?;
    output::enrolled(console, global.json, &report)
}

/// The invitation's text, and whether it came from standard input.
fn invitation(args: EnrolArgs, console: &mut Console) -> Result<(String, bool), Failure> {
    let EnrolArgs {
        invitation,
        invitation_file,
    } = args;
    let (read, taken) = match (invitation.as_deref(), invitation_file.as_deref()) {
        (Some("-"), _) => (bounded(&mut console.input), true),
        (_, Some(path)) if path == Path::new("-") => (bounded(&mut console.input), true),
        (_, Some(path)) => (File::open(path).and_then(bounded), false),
        (Some(text), None) => (Ok(text.to_owned()), false),
        (None, None) => return Err(Failure::usage("give the invitation, or --invitation-file")),
    };
    let text = read.map_err(|error| {
        let place = invitation_file.filter(|_| !taken);
        let place = place.map_or("standard input".to_owned(), |path| {
            path.display().to_string()
        });
        Failure::failed(format!("cannot read the invitation from {place}: {error}"))
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::failed(
            "the invitation is empty; give the whole line that the administrator sent",
        ));
    }
    Ok((text.to_owned(), taken))
}

fn bounded(input: impl Read) -> io::Result<String> {
    let mut text = String::new();
    input
        .take(MAX_INVITATION_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_INVITATION_BYTES {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    Ok(text)
}
