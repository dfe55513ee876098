//! `symbolon-node matches` and `comparisons` from arguments to output.

use serde_json::json;
use symbolon_core::linkage::score::Tier;
use symbolon_node::command::Command;

use crate::cli_support::*;

#[tokio::test]
async fn matches_are_a_table_or_one_json_value() {
    let node = Node::new();
    node.answer(&[found("R-1", "strong"), found("R-2", "possible")]);
    let run = node.run(&["matches"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let table: Vec<&str> = run.out.lines().collect();
    let columns = [
        "own record",
        "agency",
        "what agreed",
        "bits",
        "tier",
        "compared",
        "agreement",
        "reference",
        "since",
    ];
    let header = table.iter().find(|line| line.contains("own record"));
    let mut rest = *header.unwrap();
    for column in columns {
        let (_, after) = rest.split_once(column).unwrap();
        rest = after;
    }
    let row = table.iter().find(|line| line.contains("R-1")).unwrap();
    let cells = [
        "northshire-police",
        "name, date of birth",
        "31.4",
        "name agrees",
        "09:04",
    ];
    for cell in cells {
        assert!(row.contains(cell), "{row}");
    }
    assert!(run.out.contains("2 matches, 1 strong."), "{}", run.out);
    assert!(!run.out.contains('\u{1b}'), "no colours, no escapes");

    let run = node.run(&["--json", "matches", "R-1"]).await;
    assert_eq!(run.json()[1]["tier"], "possible");
    assert!(matches!(
        node.command(),
        Command::Matches { record_id: Some(id), least: Tier::Possible } if id == "R-1"
    ));
}

#[tokio::test]
async fn comparisons_are_listed_and_refusals_told_by_name() {
    let node = Node::new();
    node.answer(&json!([{
        "at": "2026-03-01T09:04:00Z", "agency": "northshire-police", "record_id": "R-1",
        "reference": "7f3a0000", "what": "answered",
    }]));
    let run = node.run(&["comparisons", "R-1"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for cell in ["northshire-police", "R-1", "7f3a0000", "answered", "09:04"] {
        assert!(run.out.contains(cell), "{}", run.out);
    }
    assert!(matches!(
        node.command(),
        Command::Comparisons { record_id: Some(id) } if id == "R-1"
    ));
    let run = node.run(&["--json", "comparisons"]).await;
    assert_eq!(run.json()[0]["what"], "answered");

    node.answer(&status());
    let run = node.run(&["status"]).await;
    let counted = "2 wait, 1 done, 1 refused, 3 declined by the other node";
    assert!(run.out.contains(counted), "{}", run.out);
    let named = "northshire-police broke the protocol of comparisons (2 times, last";
    assert!(run.out.contains(named), "{}", run.out);
    let run = node.run(&["--json", "status"]).await;
    assert_eq!(run.json()["comparisons"]["waiting"], 2);
    assert_eq!(run.json()["comparisons"]["declined"], 3);
    assert_eq!(run.json()["comparisons"]["refusals"][0]["times"], 2);
}

#[tokio::test]
async fn matches_of_less_sure_tiers_can_be_left_out() {
    let node = Node::new();
    node.answer(&[found("R-1", "strong")]);
    for (word, tier) in [("strong", Tier::Strong), ("possible", Tier::Possible)] {
        let run = node.run(&["matches", "--tier", word]).await;
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        assert!(matches!(
            node.command(),
            Command::Matches { record_id: None, least } if least == tier
        ));
    }
    let run = node.run(&["matches", "--tier", "certain"]).await;
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("possible, strong"), "{}", run.err);
}
