//! Accounts, sessions and the audit log from arguments to output.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;
use symbolon_casework::acting::Role;
use symbolon_node::casework::command::{AccountCommand, AuditCommand};
use symbolon_node::cli::Person;
use symbolon_node::command::Command;
use zeroize::Zeroizing;

use crate::cli_support::*;

/// The token `abc`, as base64url.
const TOKEN: &str = "YWJj";

fn signed_in(node: &Node) {
    node.answer(&json!({
        "who": "ana-nowak", "roles": ["analyst", "supervisor"], "session": TOKEN,
        "ends": "2026-03-01T09:04:00Z", "must_choose_password": false,
    }));
}

fn account(node: &Node) -> AccountCommand {
    match node.command() {
        Command::Account(command) => command,
        other => panic!("{other:?}"),
    }
}

/// Where the token is kept.
fn kept(node: &Node) -> Option<PathBuf> {
    let directory = std::fs::read_dir(node.user_directory().join("symbolon")).ok()?;
    directory.map(|entry| entry.unwrap().path()).next()
}

async fn sign_in(node: &Node) {
    signed_in(node);
    let password = node.file("password", "four or five words\n");
    let run = node
        .run(&["login", "ana-nowak", "--password-file", &password])
        .await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out
            .contains("Signed in as ana-nowak: analyst, supervisor")
    );
    assert!(!run.out.contains(TOKEN), "{}", run.out);
}

#[tokio::test]
async fn a_session_is_kept_for_this_user_alone_and_goes_with_each_command() {
    let node = Node::new();
    // Control: before, nobody is claimed to be anybody.
    node.answer(&json!([]));
    assert_eq!(node.run(&["matches"]).await.code, 0);
    assert!(node.request().by.session.is_none());

    sign_in(&node).await;
    let request = node.request();
    assert!(request.by.session.is_none(), "who signs in is nobody yet");
    let Command::Account(AccountCommand::Login { name, password }) = request.command else {
        panic!("a login");
    };
    assert_eq!(name, "ana-nowak");
    assert_eq!(password.0, b"four or five words");
    let file = kept(&node).unwrap();
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let directory = file.parent().unwrap().metadata().unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);

    node.answer(&json!([]));
    let run = node.run(&["matches", "--purpose", "safeguarding", "--reason", "a call"]);
    assert_eq!(run.await.code, 0);
    let by = node.request().by;
    assert_eq!(by.session.unwrap().0, b"abc");
    assert_eq!(by.purpose.unwrap().as_str(), "safeguarding");
    assert_eq!(by.reason.unwrap().as_str(), "a call");

    // The environment goes before the file.
    let mut given = node.given(&["matches"]);
    given.person = || Person {
        session: Some(Zeroizing::new("ZGVm".to_owned())),
        ..Person::default()
    };
    assert_eq!(given.run().await.code, 0);
    assert_eq!(node.request().by.session.unwrap().0, b"def");

    node.answer(&json!({ "who": "ana-nowak" }));
    assert_eq!(node.run(&["logout"]).await.code, 0);
    assert_eq!(node.request().by.session.unwrap().0, b"abc");
    assert_eq!(kept(&node), None);
}

#[tokio::test]
async fn a_reason_for_the_others_is_written_down_here_too() {
    let node = Node::new();
    node.answer(&agreement(&[]));
    for act in [
        &[
            "agreement",
            "leave",
            "north",
            "--reason",
            "we closed",
            "--yes",
        ][..],
        &["agreement", "decline", "north", "--reason", "we closed"],
    ] {
        node.run(act).await;
        let request = node.request();
        assert_eq!(request.by.reason.unwrap().as_str(), "we closed");
        let (Command::Leave { reason, .. } | Command::Decline { reason, .. }) = request.command
        else {
            panic!("a word on an agreement");
        };
        assert_eq!(reason, "we closed");
    }
}

#[tokio::test]
async fn a_session_that_others_may_read_or_that_is_none_is_not_used() {
    let node = Node::new();
    sign_in(&node).await;
    let file = kept(&node).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = node.run(&["matches"]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("sign in again"), "{}", run.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "not a token!").unwrap();
    let run = node.run(&["matches"]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("holds no session"), "{}", run.err);
}

#[tokio::test]
async fn a_session_can_be_printed_for_a_script_instead() {
    let node = Node::new();
    signed_in(&node);
    let mut given = node.given(&["login", "ana-nowak", "--print-session"]);
    given.person = || Person {
        password: Some(Zeroizing::new("from the environment".to_owned())),
        ..Person::default()
    };
    let run = given.run().await;
    assert_eq!((run.code, run.out.trim()), (0, TOKEN), "{}", run.err);
    assert_eq!(kept(&node), None);
    let AccountCommand::Login { password, .. } = account(&node) else {
        panic!("a login");
    };
    assert_eq!(password.0, b"from the environment");
    // Without either and without a terminal it is told what to give.
    let run = node.run(&["login", "ana-nowak"]).await;
    assert_eq!(run.code, 2);
    assert!(run.err.contains("SYMBOLON_PASSWORD"), "{}", run.err);
}

#[tokio::test]
async fn accounts_are_made_and_listed() {
    let node = Node::new();
    let ana = json!({
        "name": "ana-nowak", "roles": ["analyst", "administrator"], "state": "locked",
        "locked_until": "2026-03-01T09:04:00Z", "failures": 5, "since": "2026-01-01T00:00:00Z",
        "sessions": 0,
    });
    node.answer(&json!({ "account": ana, "first": true }));
    let password = node.file("password", "four or five words\n");
    let add = [
        "account",
        "add",
        "ana-nowak",
        "--role",
        "analyst",
        "--role",
        "administrator",
    ];
    let run = node
        .run(&[&add[..], &["--password-file", &password]].concat())
        .await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out.contains("nobody acts without signing in"),
        "{}",
        run.out
    );
    let AccountCommand::Add {
        name,
        roles,
        password,
    } = account(&node)
    else {
        panic!("a new account");
    };
    assert_eq!(name.as_str(), "ana-nowak");
    assert_eq!(roles, [Role::Analyst, Role::Administrator].into());
    assert_eq!(password.0, b"four or five words");

    node.answer(&json!([ana]));
    let run = node.run(&["account", "list"]).await;
    for cell in [
        "ana-nowak",
        "analyst, administrator",
        "locked until 2026-03-01 09:04 UTC",
    ] {
        assert!(run.out.contains(cell), "{cell}: {}", run.out);
    }
    for wrong in [
        &["account", "add", "Ana Nowak", "--role", "analyst"][..],
        &["account", "add", "ana-nowak"],
        &["account", "add", "ana-nowak", "--role", "boss"],
        &["account", "roles", "ana-nowak"],
    ] {
        assert_eq!(node.run(wrong).await.code, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn ones_own_password_takes_the_present_one_and_another_persons_does_not() {
    let node = Node::new();
    sign_in(&node).await;
    node.answer(&json!({ "who": "ana-nowak" }));
    let present = node.file("present", "four or five words\n");
    let new = node.file("new", "six or seven words\n");
    let args = [
        "account",
        "password",
        "--password-file",
        &present,
        "--new-password-file",
        &new,
    ];
    let run = node.run(&args).await;
    assert_eq!(run.code, 0, "{}", run.err);
    let AccountCommand::ChangePassword { present, new } = account(&node) else {
        panic!("a change");
    };
    assert_eq!(present.0, b"four or five words");
    assert_eq!(new.0, b"six or seven words");
    assert_eq!(kept(&node), None, "the session has ended");

    let first = node.file("first", "eight or nine words\n");
    let run = node
        .run(&["account", "password", "ben", "--password-file", &first])
        .await;
    assert_eq!(run.code, 0, "{}", run.err);
    let AccountCommand::ResetPassword { name, new } = account(&node) else {
        panic!("a reset");
    };
    assert_eq!(
        (name.as_str(), new.0.as_slice()),
        ("ben", &b"eight or nine words"[..])
    );
}

#[tokio::test]
async fn the_log_is_a_table_and_its_filters_are_read() {
    let node = Node::new();
    node.answer(&json!([{
        "number": 7, "at": "2026-03-01T09:04:00Z",
        "event": {
            "who": "ana-nowak", "kind": "consultation", "what": "record shown", "record": "R-1",
            "case": null, "agency": null, "purpose": null, "reason": "a call",
        },
    }]));
    let args = [
        "audit",
        "show",
        "--from",
        "2026-03-01",
        "--to",
        "2026-03-01",
        "--who",
        "ana-nowak",
        "--record",
        "R-1",
        "--kind",
        "consultation",
    ];
    let run = node.run(&args).await;
    assert_eq!(run.code, 0, "{}", run.err);
    for cell in [
        "7",
        "ana-nowak",
        "consultation",
        "record shown",
        "record R-1",
        "a call",
    ] {
        assert!(run.out.contains(cell), "{cell}: {}", run.out);
    }
    let Command::Audit(AuditCommand::Show { filter, newest }) = node.command() else {
        panic!("a look at the log");
    };
    assert_eq!(newest, 50);
    assert_eq!(filter.until.unwrap() - filter.from.unwrap(), 86_400);
    assert_eq!(filter.record.as_deref(), Some("R-1"));
    assert_eq!(
        node.run(&["audit", "show", "--kind", "gossip"]).await.code,
        2
    );
    assert_eq!(node.run(&["audit", "verify", "--head", "7"]).await.code, 2);

    let nothing = node.file("empty.jsonl", "");
    let run = node.run(&["audit", "verify", "--file", &nothing]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("its end was cut off"), "{}", run.err);
}

#[tokio::test]
async fn whoever_is_not_signed_in_sees_the_node_and_nobody_in_it() {
    let node = Node::new();
    node.answer(&status().public());
    let run = node.run(&["status"]).await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("harbour-refuge in north"), "{}", run.out);
    assert!(run.out.contains("Sign in to see more"), "{}", run.out);
    for hidden in ["records", "matches", "349", "north-missing"] {
        assert!(!run.out.contains(hidden), "{hidden}: {}", run.out);
    }
    // Control: whoever is signed in sees them.
    node.answer(&status());
    let run = node.run(&["status"]).await;
    assert!(run.out.contains("349"), "{}", run.out);
}
