//! The command line's help and the default configurations, as snapshots.

use std::process::Command;

const HUB: &str = env!("CARGO_BIN_EXE_hub-process");
const NODE: &str = env!("CARGO_BIN_EXE_node-process");

/// Every command with a help page: the words before `--help`.
const HUB_COMMANDS: &[&str] = &[
    "",
    "init",
    "serve",
    "default-config",
    "admin",
    "admin invite",
    "admin custody",
    "admin custody appoint",
    "admin custody replace",
    "admin agreement",
    "admin agreement propose",
    "admin agreement amend",
    "admin agreement approve",
    "admin agreement list",
    "admin agreement show",
    "admin agreement export",
    "admin member",
    "admin member list",
    "admin member suspend",
    "admin member reinstate",
    "admin member remove",
    "admin member quota",
    "admin propose",
    "admin pending",
    "admin approve",
    "admin certificate",
    "admin certificate list",
    "admin certificate revoke",
    "admin key",
    "admin key new",
    "admin key renew",
    "admin key install",
    "admin roster",
    "admin roster show",
    "admin roster verify",
    "admin roster export",
    "admin log checkpoint",
    "ca",
    "ca init",
    "ca new-issuer",
    "ca sign-issuer",
    "ca install-issuer",
    "ca trust-root",
    "ca sign-administrator",
    "store",
    "store migrate",
];
const NODE_COMMANDS: &[&str] = &[
    "",
    "enrol",
    "serve",
    "import",
    "preview",
    "records",
    "disclosure",
    "disclosure request",
    "disclosure list",
    "disclosure show",
    "disclosure release",
    "disclosure refuse",
    "disclosure countersign",
    "disclosure received",
    "attachment",
    "attachment send",
    "attachment list",
    "attachment save",
    "attachment remove",
    "record",
    "record show",
    "record add",
    "record edit",
    "record history",
    "record consent",
    "record link",
    "record unlink",
    "record import",
    "record export",
    "query",
    "matches",
    "queue",
    "case",
    "case show",
    "case acknowledge",
    "case confirm",
    "case refute",
    "case inconclusive",
    "case outcome",
    "case close",
    "case reopen",
    "case assign",
    "missing",
    "missing report",
    "missing update",
    "missing found",
    "missing interview",
    "missing cancel",
    "missing list",
    "missing show",
    "network",
    "network show",
    "withdraw",
    "level",
    "retention",
    "retention list",
    "retention class",
    "retention review",
    "retention hold",
    "erase",
    "erasure",
    "erasure receipt",
    "erasure verify",
    "status",
    "rekey",
    "agreement",
    "agreement accept",
    "agreement show",
    "agreement decline",
    "agreement leave",
    "agreement export",
    "account",
    "account add",
    "account list",
    "account roles",
    "account disable",
    "account enable",
    "account unlock",
    "account password",
    "login",
    "logout",
    "whoami",
    "audit",
    "audit show",
    "audit verify",
    "audit export",
    "custody",
    "custody status",
    "custody log",
    "custody refresh",
    "custody repair",
    "custody backup",
    "custody restore",
    "schema",
    "evaluate",
    "calibrate",
    "default-config",
];

fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program)
        .args(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    // The programs are named as their users know them, not as this test's copies.
    let text = String::from_utf8(done.stdout).unwrap();
    text.replace("hub-process", "symbolon-hub")
        .replace("node-process", "symbolon-node")
}

fn pages(program: &str, commands: &[&str]) -> String {
    let mut all = String::new();
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        all += &format!("===== {command} --help\n{}\n", output(program, &arguments));
    }
    all
}

#[test]
fn hub_help() {
    insta::assert_snapshot!(pages(HUB, HUB_COMMANDS));
}

#[test]
fn node_help() {
    insta::assert_snapshot!(pages(NODE, NODE_COMMANDS));
}

#[test]
fn default_configurations() {
    insta::assert_snapshot!("hub_toml", output(HUB, &["default-config"]));
    insta::assert_snapshot!("node_toml", output(NODE, &["default-config"]));
}

#[test]
fn wrong_usage_exits_with_2() {
    for (program, arguments) in [(HUB, ["admin", "fly"]), (NODE, ["import", "--nonsense"])] {
        let done = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        assert!(done.stdout.is_empty() && !done.stderr.is_empty());
    }
}
