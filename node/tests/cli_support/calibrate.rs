//! `symbolon-node calibrate`: of the node's own records without a file, of files with one.

use symbolon_core::linkage::calibration::{Calibration, LevelEstimate};
use symbolon_node::command::Command;

use crate::cli_support::*;

#[tokio::test]
async fn without_a_file_the_node_is_asked() {
    let node = Node::new();
    let level = LevelEstimate {
        field: "name".to_owned(),
        level: "differ".to_owned(),
        m: 0.01,
        u: 0.5,
        bits: -5.6,
        schema_bits: -6.5,
        candidates: 40,
        random: 900,
    };
    node.answer(&Calibration {
        candidates: 400,
        random_pairs: 1000,
        matches: 0.5,
        iterations: 7,
        levels: vec![level],
    });
    let run = node.run(&["calibrate"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(matches!(node.command(), Command::Calibrate));
    let stands_on = "400 pairs share a key, of which 200 (50.0 in a hundred) are estimated to be one person; 1000 random pairs.";
    assert!(run.out.contains(stands_on), "{}", run.out);
    assert!(run.out.contains("-5.6") && run.out.contains("-6.5"));
    let run = node.run(&["calibrate", "--json"]).await;
    assert_eq!(run.json()["levels"][0]["schema_bits"], -6.5);
    node.command();

    node.refuse("too few to learn from");
    let run = node.run(&["calibrate"]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("too few to learn from"), "{}", run.err);
    node.command();

    // A file is read here, and the node is not asked.
    let file = node.file("records.csv", "record_id,surname\nR-1,Nowak\n");
    let args = ["calibrate", file.as_str()];
    let mut given = node.given(&args);
    given.passphrase = None;
    let run = given.run().await;
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("no two records share a linkage key"),
        "{}",
        run.err
    );
    assert!(node.commands_so_far().is_empty());
    let run = node.run(&["calibrate", &file, "--data", "somewhere"]).await;
    assert_eq!(run.code, 2, "{}", run.err);
}
