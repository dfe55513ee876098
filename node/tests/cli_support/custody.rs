//! `symbolon-node custody` from arguments to output.

use symbolon_node::command::Command;
use symbolon_node::custody::{
    BackupReport, CustodyCommand, CustodyReport, CustodyStatus, LedgerView,
};
use symbolon_node::tables::Blob;

use crate::cli_support::*;

fn custody(node: &Node) -> CustodyCommand {
    match node.command() {
        Command::Custody(command) => command,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_ledger_is_a_table_or_json() {
    let node = Node::new();
    node.answer(&[LedgerView {
        number: 7,
        at: "2026-03-01T09:04:00Z".to_owned(),
        agency: "northshire-police".to_owned(),
        elements: 1024,
        epoch: 1,
        generation: 2,
    }]);
    let run = node.run(&["custody", "log", "--newest", "10"]).await;
    assert_eq!(run.code, 0, "{}", run.err);
    for cell in [
        "7",
        "2026-03-01 09:04 UTC",
        "northshire-police",
        "1024",
        "1.2",
    ] {
        assert!(run.out.contains(cell), "{cell}: {}", run.out);
    }
    assert!(matches!(custody(&node), CustodyCommand::Log { newest: 10 }));
    let run = node.run(&["custody", "log", "--json"]).await;
    assert_eq!(run.json()[0]["elements"], 1024);
}

#[tokio::test]
async fn status_says_what_is_held_and_what_is_replaced() {
    let node = Node::new();
    node.answer(&CustodyStatus {
        epoch: 2,
        generation: Some(1),
        threshold: 2,
        custodians: vec!["council".to_owned(), "refuge".to_owned()],
        own_index: Some(2),
        own_share: "held".to_owned(),
        refreshing: Some(2),
        problem: Some("something".to_owned()),
        replaces: Some(1),
        rows_made: 40,
        rows_to_make: 2,
        waiting_for: vec!["police".to_owned()],
    });
    let run = node.run(&["custody", "status"]).await;
    for text in [
        "in use, shares of generation 1",
        "share 2, held",
        "shares of generation 2",
        "custody epoch 1: 40 rows made anew, 2 to go, waiting for police",
        "something",
    ] {
        assert!(run.out.contains(text), "{text}: {}", run.out);
    }
    let run = node.run(&["custody", "status", "--json"]).await;
    assert_eq!(run.json()["own_share"], "held");
}

#[tokio::test]
async fn a_backup_goes_to_a_new_file_and_comes_back() {
    let node = Node::new();
    node.answer(&BackupReport {
        epoch: 1,
        generation: 0,
        index: 2,
        sealed: Blob(vec![1, 2, 3]),
    });
    let secret = node.file("secret", "four words and more\n");
    let file = format!("{secret}.backup");
    let options = ["--backup-passphrase-file", &secret];
    let backup = [&["custody", "backup", &file], &options[..]].concat();
    let run = node.run(&backup).await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(std::fs::read(&file).unwrap(), [1, 2, 3]);
    let CustodyCommand::Backup { passphrase } = custody(&node) else {
        panic!("a backup");
    };
    assert_eq!(passphrase.0, b"four words and more");
    // What is there is not written over, and a short passphrase is none.
    let run = node.run(&backup).await;
    assert!(
        run.code == 1 && run.err.contains("is there already"),
        "{}",
        run.err
    );
    let short = node.file("short", "four\n");
    let other = format!("{file}.2");
    let args = [
        "custody",
        "backup",
        &other,
        "--backup-passphrase-file",
        &short,
    ];
    let run = node.run(&args).await;
    assert!(
        run.code == 1 && run.err.contains("too short"),
        "{}",
        run.err
    );
    assert!(!std::path::Path::new(&other).exists());
    // Nobody is there to be asked.
    let run = node.run(&["custody", "backup", &other]).await;
    assert_eq!(run.code, 2);

    node.answer(&CustodyReport {
        done: "It is back.".to_owned(),
    });
    let run = node
        .run(&[&["custody", "restore", &file], &options[..]].concat())
        .await;
    assert_eq!(run.out, "It is back.\n");
    assert!(matches!(
        custody(&node),
        CustodyCommand::Restore { sealed, .. } if sealed.0 == [1, 2, 3]
    ));
    for act in ["refresh", "repair"] {
        let run = node.run(&["custody", act]).await;
        assert_eq!((run.code, run.out.as_str()), (0, "It is back.\n"));
    }
}
