//! Documents whose commands a person types, run as they are written: the README's walk by hand and the
//! administrator's runbook.
//!
//! Every `sh` block is carried out in order, line by line, with the built programs on the path.
//! `serve` lines are left running, as they would be on terminals of their own. The one thing changed
//! is the port, so that the test does not meet a hub that somebody is running.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const README: &str = include_str!("../../README.md");
const RUNBOOK: &str = include_str!("../../docs/administrator.md");
/// How long a program may take to say that it serves.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served(Vec<Child>);

impl Drop for Served {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The command lines of a text, with continued lines joined.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let (block, _) = block.split_once("```").expect("the block ends");
        let joined = block.replace("\\\n", " ");
        lines.extend(joined.lines().map(|line| line.trim().to_owned()));
    }
    lines.retain(|line| !line.is_empty() && !line.starts_with('#'));
    lines
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A directory with `symbolon-hub` and `symbolon-node` in it, as the README builds them.
fn programs(place: &Path) -> PathBuf {
    let programs = place.join("target/release");
    std::fs::create_dir_all(&programs).unwrap();
    let hub = env!("CARGO_BIN_EXE_hub-process");
    let node = env!("CARGO_BIN_EXE_node-process");
    std::os::unix::fs::symlink(hub, programs.join("symbolon-hub")).unwrap();
    std::os::unix::fs::symlink(node, programs.join("symbolon-node")).unwrap();
    programs
}

/// What was said by the commands, and what still serves.
struct Run {
    said: String,
    served: Served,
}

/// Carries the lines out in `place`, with `exports` before each.
fn run(lines: Vec<String>, place: &Path, mut exports: String) -> Run {
    programs(place);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(manifest, place.join("tests")).unwrap();
    let (main, enrolment) = (free_port().to_string(), free_port().to_string());
    let mut served = Served(Vec::new());
    let mut said = String::new();
    for line in lines {
        let listens = " --listen 127.0.0.1:7443 --enrolment-listen 127.0.0.1:7444";
        let line = if line.starts_with("symbolon-hub init") && !line.contains("--listen") {
            line + listens
        } else {
            line
        };
        let line = line.replace("7443", &main).replace("7444", &enrolment);
        if line.starts_with("cargo build") {
            continue; // The programs of this test run are those that it would build.
        }
        if line.starts_with("export ") {
            exports += &format!("{line}\n");
            continue;
        }
        let script = format!("{exports}exec {line}").replace("exec mkdir", "mkdir");
        let mut command = Command::new("bash");
        command.arg("-c").arg(&script).current_dir(place);
        command.stdin(Stdio::null());
        if line.contains(" serve") {
            let output = place.join(format!("serve-{}.out", served.0.len()));
            let file = File::create(&output).unwrap();
            let child = command.stdout(file).stderr(Stdio::null()).spawn().unwrap();
            served.0.push(child);
            wait_for_line(&output, &line);
            continue;
        }
        let done = command.output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{line}\n{out}\n{err}");
        said += &format!("$ {line}\n{out}\n");
    }
    Run { said, served }
}

#[test]
fn the_readme_works_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let (_, walk) = README
        .split_once("\n## By hand\n")
        .expect("the README has a walk");
    let walk = walk.split("\n## ").next().unwrap_or_default();
    let Run { said, served } = run(lines(walk), place.path(), String::new());
    assert_eq!(served.0.len(), 3, "a hub and two nodes serve");
    for expected in [
        "strong",
        "harbour-refuge",
        "in force",
        "rows deleted",
        "records",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

#[test]
fn the_administrators_runbook_works_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let exports = "export PATH=\"$PWD/target/release:$PATH\"\n\
        export SYMBOLON_PASSPHRASE='correct horse battery staple'\n\
        export SYMBOLON_ADMIN=run/admin\n";
    std::fs::create_dir(place.path().join("run")).unwrap();
    let Run { said, served } = run(lines(RUNBOOK), place.path(), exports.to_owned());
    assert_eq!(served.0.len(), 3, "a hub and two nodes serve");
    for expected in [
        "generate the key of custody epoch 1",
        "child-protection version 1: in force",
        "New keys are made, kept in the vault and handed in.",
        "approved by nobody (0 of 1)",
        "the entry is approved and part of the roster",
        "harbour-refuge is suspended",
        "harbour-refuge is a member again",
        "harbour-refuge is removed",
        "nothing waits for approvals",
        "revoked ",
        "the issuer is installed",
        "the roster verifies",
        "entries are in run/roster.json",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

fn wait_for_line(output: &Path, line: &str) {
    let started = Instant::now();
    while std::fs::metadata(output).unwrap().len() == 0 {
        assert!(
            started.elapsed() < PATIENCE,
            "{line} does not say that it serves"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
