//! The manual's commands for roots, issuers and administrators, run as an operator types them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const HUB: &str = env!("CARGO_BIN_EXE_hub-process");
const PASSPHRASE: &str = "correct horse battery staple";

fn run(dir: &Path, line: &str) -> Output {
    let mut command = Command::new(HUB);
    command
        .args(line.split_whitespace())
        .env("SYMBOLON_PASSPHRASE", PASSPHRASE)
        .current_dir(dir);
    command.output().unwrap()
}

fn ok(dir: &Path, line: &str) -> String {
    let done = run(dir, line);
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{line}\n{err}");
    String::from_utf8(done.stdout).unwrap()
}

/// Founds with two administrators; gives the genesis digest.
fn found(dir: &Path) -> String {
    ok(
        dir,
        "admin key new --consortium north --name eve --out eve --request eve.request",
    );
    let init =
        "--json init --consortium north --administrator ada --hub hub --admin ada --root root";
    let taken = run(
        dir,
        &format!("{init} --with eve.request --with eve.request"),
    );
    assert!(!taken.status.success(), "twice the same administrator");
    let founded = ok(dir, &format!("{init} --with eve.request"));
    let founded: Value = serde_json::from_str(&founded).unwrap();
    let genesis = founded["genesis"].as_str().unwrap().to_owned();
    let told = ok(dir, "admin --admin eve key install --reply hub/eve.reply");
    assert!(told.contains(&genesis), "{told}");
    genesis
}

#[test]
fn the_commands_of_the_manual_work_one_after_the_other() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let genesis = found(dir);

    ok(dir, "ca new-issuer --state hub --out issuer.request");
    ok(
        dir,
        "ca sign-issuer --root root --request issuer.request --out issuer.pem",
    );
    let told = ok(
        dir,
        "ca install-issuer --state hub --certificate issuer.pem",
    );
    assert!(told.contains("SIGHUP"), "{told}");
    assert!(
        !run(
            dir,
            "ca install-issuer --state hub --certificate issuer.pem"
        )
        .status
        .success()
    );

    ok(dir, "ca init --consortium north --root root-2");
    assert!(
        !run(dir, "ca init --consortium north --root root-2")
            .status
            .success()
    );
    ok(
        dir,
        "ca trust-root --state hub --certificate root-2/root.pem",
    );
    let roots = std::fs::read_to_string(dir.join("hub/tls/root.pem")).unwrap();
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2);

    let sign = |request: &str, reply: &str| {
        let addresses = "--hub localhost:7443 --enrolment localhost:7444";
        let files = format!("--request {request} --out {reply}");
        ok(
            dir,
            &format!("ca sign-administrator --state hub {files} {addresses} --genesis {genesis}"),
        )
    };
    let made = ok(
        dir,
        "admin key new --consortium north --name bob --out bob --request bob.request",
    );
    let key = made.lines().last().unwrap().trim();
    assert!(
        sign("bob.request", "bob.reply").contains(key),
        "the same key on both sides"
    );
    let told = ok(dir, "admin --admin bob key install --reply bob.reply");
    assert!(told.contains(&genesis), "{told}");
    ok(dir, "admin --admin ada key renew --request ada.request");
    sign("ada.request", "ada.reply");
    let wrong = run(dir, "admin --admin bob key install --reply ada.reply");
    assert!(!wrong.status.success(), "bob has asked for nothing");
    ok(dir, "admin --admin ada key install --reply ada.reply");
}
