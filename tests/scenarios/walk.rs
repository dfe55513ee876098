//! The README's walk by hand, run as it is written.
//!
//! Every `sh` block under "By hand" is carried out in order, line by line, with the built programs on
//! the path. `serve` lines are left running, as they would be on terminals of their own. The one thing
//! changed is the port, so that the test does not meet a hub that somebody is running.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const README: &str = include_str!("../../README.md");
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

/// The walk's command lines, with continued lines joined.
fn lines() -> Vec<String> {
    let (_, walk) = README
        .split_once("\n## By hand\n")
        .expect("the README has a walk");
    let walk = walk.split("\n## ").next().unwrap_or_default();
    let mut lines = Vec::new();
    for block in walk.split("```sh\n").skip(1) {
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

#[test]
fn the_readme_works_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    programs(place.path());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(manifest, place.path().join("tests")).unwrap();
    let (main, enrolment) = (free_port().to_string(), free_port().to_string());
    let mut served = Served(Vec::new());
    let mut exports = String::new();
    let mut said = String::new();
    for line in lines() {
        let line = line.replace("7443", &main).replace("7444", &enrolment);
        if line.starts_with("cargo build") {
            continue; // The programs of this test run are those that it would build.
        }
        if line.starts_with("export ") {
            exports += &format!("{line}\n");
            continue;
        }
        let script = format!("{exports}exec {line}");
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(&script)
            .current_dir(place.path())
            .stdin(Stdio::null());
        if line.contains(" serve") {
            let output = place.path().join(format!("serve-{}.out", served.0.len()));
            let file = File::create(&output).unwrap();
            let child = command.stdout(file).stderr(Stdio::null()).spawn().unwrap();
            served.0.push(child);
            wait_for_line(&output, &line);
            continue;
        }
        let script = script.replace("exec mkdir", "mkdir");
        let done = Command::new("bash")
            .arg("-c")
            .arg(&script)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{line}\n{out}\n{err}");
        said += &format!("$ {line}\n{out}\n");
    }
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
