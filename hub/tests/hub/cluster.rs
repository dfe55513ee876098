//! Two PostgreSQL servers under Patroni with etcd, started and killed by `tests/postgres/cluster.sh`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `1` runs what needs a cluster, `0` leaves it to somebody else.
const SWITCH: &str = "SYMBOLON_TEST_CLUSTER";

/// A cluster that is stopped, and its data removed, at the end.
pub struct Cluster {
    dir: PathBuf,
    url: String,
}

/// Whether a test that needs a cluster shall run. If not, it says so where nobody overlooks it; and with
/// `CI=true` it fails, unless it was left out on purpose.
pub fn wanted(test: &str) -> bool {
    match std::env::var(SWITCH).as_deref() {
        Ok("1") => return true,
        Ok("0") => {}
        _ => assert!(
            !std::env::var("CI").is_ok_and(|ci| ci == "true"),
            "{test} was not run: set {SWITCH}=1, or 0 to leave it out"
        ),
    }
    // Written past what the test harness holds back of tests that pass.
    let mut shown = std::io::stderr();
    let _ = writeln!(
        shown,
        "SKIPPED {test}: it starts two PostgreSQL servers under Patroni; set {SWITCH}=1 to run it"
    );
    false
}

impl Cluster {
    /// Starts one in a directory of its own.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("symbolon-cluster-")
            .tempdir();
        let mut cluster = Self {
            // The script removes it, with what belongs to the database's user.
            dir: dir.unwrap().keep(),
            url: String::new(),
        };
        cluster.url = cluster.tell("start").unwrap();
        cluster
    }

    /// The URL of both servers, of which the client finds the primary.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// SIGKILL for the primary and what watches over it; gives its name.
    pub fn kill_primary(&self) -> String {
        self.tell("kill-primary").unwrap()
    }

    /// Brings the killed one back and waits until it follows.
    pub fn restart(&self) {
        self.tell("restart").unwrap();
    }

    fn tell(&self, command: &str) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres/cluster.sh");
        let done = Command::new(script)
            .args([command, "--dir"])
            .arg(&self.dir)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| error.to_string())?;
        if !done.status.success() {
            return Err(format!(
                "`cluster.sh {command}` failed; what it said is above"
            ));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nothing is left to be done where this fails; the script has said why.
        let _ = self.tell("stop");
    }
}
