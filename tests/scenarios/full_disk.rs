//! A full disk: hub and node say what is wrong and what to do, and lose nothing that was there.
//!
//! The disk is a small file system in memory, which the kernel lets a process mount in a name space
//! of its own. Where it does not, as in some containers, the test says so and proves nothing.

use std::process::{Command, Output};

const HUB: &str = env!("CARGO_BIN_EXE_hub-process");
const NODE: &str = env!("CARGO_BIN_EXE_node-process");

/// Runs a shell script as root of its own mount name space, with a disk of `size` at `disk`.
fn with_disk(place: &std::path::Path, size: &str, script: &str) -> Output {
    let disk = place.join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let script = format!(
        "set -u; mount -t tmpfs -o size={size} none {disk} || exit 99; cd {disk}; {script}",
        disk = disk.display()
    );
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env("HUB", HUB)
        .env("NODE", NODE)
        .env("SYMBOLON_PASSPHRASE", "correct horse battery staple")
        .output()
        .unwrap_or_else(|error| panic!("unshare is not installed: {error}"))
}

fn can_mount(place: &std::path::Path) -> bool {
    let tried = Command::new("unshare").arg("--version").output();
    tried.is_ok() && with_disk(place, "1m", "true").status.success()
}

const FOUND: &str = "$HUB init --consortium north --hub hub --admin admin --root root \
    --listen 127.0.0.1:0 --enrolment-listen 127.0.0.1:0 >/dev/null || exit 98;";

/// Serves until the line of the address comes or the process ends; prints both outputs.
const SERVE: &str = "timeout 20 $HUB serve --state hub >out 2>/dev/shm/err-$$ & hub=$!; \
    while kill -0 $hub 2>/dev/null && ! [ -s out ]; do sleep 0.05; done; \
    kill $hub 2>/dev/null; wait $hub; code=$?; cat /dev/shm/err-$$ >&2; rm -f /dev/shm/err-$$; ";

#[test]
fn a_hub_on_a_full_disk_says_so_and_works_again_when_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    if !can_mount(place.path()) {
        println!("skipped: this kernel does not let a test mount a small disk");
        return;
    }
    let full = with_disk(
        place.path(),
        "80m",
        &format!("{FOUND} cat /dev/zero >filler 2>/dev/null; {SERVE} exit $code"),
    );
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(said.contains("free disk space"), "{said}");
    // Positive control: the same with the room given back.
    let freed = with_disk(
        place.path(),
        "80m",
        &format!(
            "{FOUND} cat /dev/zero >filler 2>/dev/null; rm filler; {SERVE} [ -s out ] || exit 97; exit $code"
        ),
    );
    let said = String::from_utf8_lossy(&freed.stderr);
    assert_eq!(freed.status.code(), Some(0), "{said}");
}
