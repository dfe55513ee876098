//! `symbolon-node preview` from arguments to output.

use symbolon_node::command::Command;
use symbolon_node::preview::{
    PreviewAgreement, PreviewIssue, PreviewKeys, PreviewOptions, PreviewRecord, PreviewReport,
    PreviewValue,
};
use symbolon_node::reports::{FileCounts, FileProblem, UnusedValues};

use crate::cli_support::*;

const CSV: &str = "record_id,surname\nR-1,Nowak\n";

fn keys(label: &str, [shared, over_cap, common]: [u64; 3]) -> PreviewKeys {
    PreviewKeys {
        kind: label.replace(' ', "-"),
        label: label.to_owned(),
        shared,
        over_cap,
        common,
        ..PreviewKeys::default()
    }
}

fn told(agreement: &str, reason: Option<&str>) -> PreviewAgreement {
    PreviewAgreement {
        agreement: agreement.to_owned(),
        shared: reason.is_none(),
        reason: reason.map(str::to_owned),
    }
}

fn report() -> PreviewReport {
    PreviewReport {
        found: FileCounts {
            read: 3,
            new: 1,
            changed: 1,
            skipped: vec![FileProblem {
                line: 3,
                column: Some("date_of_birth".to_owned()),
                reason: "is not a date".to_owned(),
            }],
            unused: UnusedValues {
                placeholders: [("surname".to_owned(), 1)].into(),
                ..Default::default()
            },
            ..Default::default()
        },
        unused_columns: vec!["shoe_size".to_owned()],
        keys: vec![keys("NHS number", [2, 0, 0]), keys("phone", [0, 1, 1])],
        shared_with_nobody: 1,
        records: vec![PreviewRecord {
            record_id: "R-1".to_owned(),
            line: 2,
            state: "new".to_owned(),
            category: "missing".to_owned(),
            keys: vec![keys("NHS number", [1, 0, 0]), keys("phone", [0, 1, 1])],
            not_used: vec![PreviewIssue {
                column: "surname".to_owned(),
                reason: "is a placeholder".to_owned(),
                value: None,
            }],
            agreements: vec![
                told("north-missing", None),
                told("south", Some("it is ended")),
            ],
        }],
        not_shown: 1,
    }
}

fn options(node: &Node) -> PreviewOptions {
    match node.command() {
        Command::Preview(options) => options,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_says_record_by_record_what_would_be_shared() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    node.answer(&report());
    let run = node.run(&["preview", &file]).await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(
        run.err,
        format!("{file} line 3: date_of_birth is not a date; row would be skipped\n")
    );
    assert_eq!(
        run.out,
        "R-1  (line 2, new, category missing)\n\
         \x20 1 key  NHS number\n\
         \x20 2 keys  phone; 1 kept back, this agency holds the value too often; 1 kept back, all \
         members together hold the value too often\n\
         \x20 not used: surname is a placeholder\n\
         \x20 shared under north-missing\n\
         \x20 not shared under south: it is ended\n\
         \n\
         1 record not shown; see --all, --limit and --record.\n\
         An import would take 2 records: 1 new, 1 changed, 0 unchanged, 1 skipped.\n\
         They give 2 linkage keys: 2 of NHS number.\n\
         Kept back because this agency holds the same value too often to tell people apart: 1 of \
         phone.\n\
         Kept back because all members together hold the same value too often to tell people \
         apart: 1 of phone.\n\
         Not used for matching: 1 placeholder (1 of surname).\n\
         Columns that are kept here and never used: shoe_size.\n\
         1 record would be shared with nobody.\n\
         Nothing was written and nothing was sent.\n"
    );
    let run = node.run(&["preview", &file, "--json"]).await;
    let json = run.json();
    assert_eq!(json["records"][0]["keys"][1]["over_cap"], 1);
    // Without being asked for, there is not even a place for values.
    assert_eq!(json["records"][0]["keys"][0].get("values"), None);
    assert_eq!(json["records"][0]["not_used"][0].get("value"), None);
}

#[tokio::test]
async fn values_are_shown_where_the_report_has_them() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    let mut with_values = report();
    with_values.records[0].keys[1].values = vec![PreviewValue {
        value: "+447912345678".to_owned(),
        kept_back: true,
    }];
    with_values.records[0].not_used[0].value = Some("unk\u{1b}[2Jnown".to_owned());
    node.answer(&with_values);
    let run = node.run(&["preview", &file, "--show-values"]).await;
    assert!(options(&node).show_values);
    assert!(
        run.out.contains("\n      +447912345678  (kept back)\n"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("surname \"unk\u{fffd}[2Jnown\" is a placeholder"),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn it_takes_what_import_takes_and_how_much_to_show() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    node.answer(&report());
    let import = [
        "preview",
        &file,
        "--agreement",
        "north-missing",
        "--map",
        "surname=alias",
        "--remove-missing",
        "--keep-invalid",
    ];
    node.run(&import).await;
    let given = options(&node);
    assert!(given.import.file.is_absolute());
    assert!(given.import.remove_missing && given.import.keep_invalid);
    assert_eq!(
        given.import.agreements,
        Some(vec!["north-missing".to_owned()])
    );
    assert_eq!(given.import.map["surname"], "alias");
    assert_eq!((given.most, given.record_id), (Some(20), None));
    assert!(!given.show_values);
    for (args, most, record_id) in [
        (&["--all"][..], None, None),
        (&["--limit", "3"], Some(3), None),
        (&["--record", "R-1"], None, Some("R-1".to_owned())),
    ] {
        node.run(&[&["preview", &file], args].concat()).await;
        let given = options(&node);
        assert_eq!((given.most, given.record_id), (most, record_id), "{args:?}");
    }
    for args in [
        &["preview"][..],
        &["preview", &file, "--all", "--limit", "3"],
        &["preview", &file, "--all", "--record", "R-1"],
    ] {
        assert_eq!(node.run(args).await.code, 2, "{args:?}");
    }
}

#[tokio::test]
async fn a_file_without_a_good_row_fails() {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    let mut nothing = report();
    (nothing.found.new, nothing.found.changed) = (0, 0);
    node.answer(&nothing);
    let run = node.run(&["preview", &file]).await;
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("error: no row of ") && run.err.contains("could be imported"),
        "{}",
        run.err
    );
}
