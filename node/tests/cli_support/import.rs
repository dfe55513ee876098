//! `symbolon-node import` from arguments to output.

use symbolon_node::command::Command;
use symbolon_node::reports::{FileCounts, FileProblem, ImportReport, UnusedValues};

use crate::cli_support::*;

const CSV: &str = "record_id,surname\nR-1,Nowak\nR-2,Ionescu\n";

fn problem(line: u64, reason: &str) -> FileProblem {
    FileProblem {
        line,
        column: Some("date_of_birth".to_owned()),
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn imports_and_lists_what_was_wrong() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    node.answer(&ImportReport {
        found: FileCounts {
            read: 3,
            new: 1,
            changed: 1,
            skipped: vec![problem(41, "\"31/02/2009\" is not a date")],
            unused: UnusedValues {
                placeholders: [("phone".to_owned(), 1), ("surname".to_owned(), 2)].into(),
                invalid: [("date_of_birth".to_owned(), 1)].into(),
            },
            ..FileCounts::default()
        },
        warnings: vec![problem(42, "\"?\" is not a date; the record has none")],
        agreements: vec!["north-missing".to_owned()],
        linkage_keys: 12,
        suppressed: [("postcode".to_owned(), 4)].into(),
        rows_registered: 12,
        waiting: 1,
        waiting_reason: Some("the custodians are out of reach".to_owned()),
        ..ImportReport::default()
    });
    let args = [
        "import",
        &file,
        "--agreement",
        "north-missing",
        "--map",
        "surname=alias",
        "--remove-missing",
    ];
    let run = node.run(&args).await;
    assert_eq!(run.code, 0, "{}", run.err);
    let told = format!(
        "{file} line 41: date_of_birth \"31/02/2009\" is not a date; row skipped, 2 others \
         imported\n{file} line 42: date_of_birth \"?\" is not a date; the record has none\n"
    );
    assert_eq!(run.err, told);
    assert_eq!(
        run.out,
        "Imported 2 records: 1 new, 1 changed, 0 unchanged, 1 skipped.\n\
         They take part in north-missing and give 12 linkage keys; 12 rows registered at the \
         hub, 0 withdrawn.\n\
         Not used for matching: 3 placeholders (1 of phone, 2 of surname) and 1 wrong value (1 \
         of date_of_birth).\n\
         Kept back because this agency holds the same value too often to tell people apart: 4 \
         of postcode.\n\
         1 key waits (the custodians are out of reach) and goes on without you while the node \
         serves.\n"
    );
    let Command::Import(options) = node.command() else {
        panic!("an import");
    };
    assert!(options.file.is_absolute());
    assert_eq!(options.agreements, Some(vec!["north-missing".to_owned()]));
    assert_eq!(
        options.map,
        [("surname".to_owned(), "alias".to_owned())].into()
    );
    assert!(options.remove_missing && !options.keep_invalid);

    let run = node.run(&["import", &file, "--json"]).await;
    assert_eq!(run.json()["linkage_keys"], 12);
    assert_eq!(run.json()["unused"]["placeholders"]["surname"], 2);
    assert!(run.err.contains("line 41"));
    let Command::Import(options) = node.command() else {
        panic!("an import");
    };
    assert_eq!(options.agreements, None);
}

#[tokio::test]
async fn an_import_of_nothing_fails() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    node.answer(&ImportReport {
        found: FileCounts {
            read: 1,
            skipped: vec![problem(2, "is wrong")],
            ..FileCounts::default()
        },
        ..ImportReport::default()
    });
    let run = node.run(&["import", &file]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("error: no row of "), "{}", run.err);
    assert!(run.out.contains("They take part in no agreement"));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_before_the_passphrase() {
    let node = Node::new();
    let headless = node.file("bad.csv", "id,surname\n1,a\n");
    for (file, reason) in [
        ("no-such.csv", "cannot read no-such.csv: "),
        (headless.as_str(), "there is no column record_id"),
        ("/dev/null", "/dev/null is not a file"),
    ] {
        let args = ["import", file];
        let mut given = node.given(&args);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!(run.code, 1);
        assert!(run.err.contains(reason), "{}", run.err);
    }
    let args = [
        "import",
        &headless,
        "--map",
        "id=record_id",
        "--map",
        "id=alias",
    ];
    let run = node.run(&args).await;
    assert_eq!(run.code, 2, "{}", run.err);
}
