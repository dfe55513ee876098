//! `symbolon-node rekey` and what `status` says of keys that wait.

use symbolon_core::crypto::VerifyingKey;
use symbolon_node::command::Command;
use symbolon_node::reports::{RekeyReport, StatusReport, WaitingRekey};

use crate::cli_support::*;

const ENTRY: &str = "5f0c91ab5f0c91ab5f0c91ab5f0c91ab5f0c91ab5f0c91ab5f0c91ab5f0c91ab";

fn report(state: &str, made: bool) -> RekeyReport {
    RekeyReport {
        state: state.to_owned(),
        made,
        entry: ENTRY.to_owned(),
        approvals: 0,
        needed: 1,
        administrators: vec!["ada".to_owned(), "bela".to_owned()],
        signing_key: VerifyingKey([1; 32]),
    }
}

#[tokio::test]
async fn it_says_who_must_approve_and_what_happens_next() {
    let node = Node::new();
    node.answer(&report("waiting", true));
    let run = node.run(&["rekey"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for text in [
        "New keys are made, kept in the vault and handed in.",
        "0 of 1 approvals, by ada, bela",
        "symbolon-hub admin approve 5f0c91ab\n",
        ENTRY,
        "run symbolon-node rekey again",
    ] {
        assert!(run.out.contains(text), "{text}: {}", run.out);
    }
    assert!(matches!(node.command(), Command::Rekey));
    node.answer(&report("waiting", false));
    let run = node.run(&["rekey"]).await;
    assert!(run.out.contains("no others were made"), "{}", run.out);
    node.answer(&report("done", false));
    let run = node.run(&["rekey"]).await;
    assert_eq!(
        run.out,
        "The roster shows the new keys; this node uses them.\n"
    );
    let run = node.run(&["rekey", "--json"]).await;
    assert_eq!(run.json()["state"], "done");
}

#[tokio::test]
async fn the_status_shows_what_waits() {
    let node = Node::new();
    node.answer(&status());
    let run = node.run(&["status"]).await;
    assert!(!run.out.contains("New keys"), "{}", run.out);
    for (state, told) in [
        ("waiting", "wait for the approval of 1 of ada, bela"),
        ("overtaken", "run symbolon-node rekey again"),
        ("not handed in", "made but not handed in"),
    ] {
        let rekey = WaitingRekey {
            state: state.to_owned(),
            entry: ENTRY.to_owned(),
            needed: 1,
            administrators: vec!["ada".to_owned(), "bela".to_owned()],
        };
        node.answer(&StatusReport {
            rekey: Some(rekey),
            ..status()
        });
        let run = node.run(&["status"]).await;
        assert!(run.out.contains(told), "{told}: {}", run.out);
        let run = node.run(&["status", "--json"]).await;
        assert_eq!(run.json()["rekey"]["state"], state);
    }
}
