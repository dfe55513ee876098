//! What `import` and `preview` say of values and keys that count for nothing: how many, of which kinds,
//! as text and as JSON, and nothing where there are none.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use symbolon_node::preview::{PreviewKeys, PreviewReport};
use symbolon_node::reports::{FileCounts, ImportReport, UnusedValues};

use crate::cli_support::*;

const CSV: &str = "record_id,surname\nR-1,Nowak\n";

fn by<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    let counts = counts.into_iter();
    counts.map(|(name, n)| (name.to_owned(), n)).collect()
}

fn found() -> FileCounts {
    FileCounts {
        read: 9,
        new: 9,
        unused: UnusedValues {
            placeholders: by([("phone", 1), ("surname", 2)]),
            invalid: by([("nhs_number", 1)]),
        },
        left_out: by([("endings-town", 3), ("names-date", 2)]),
        ..Default::default()
    }
}

const PLACEHOLDERS: &str = "Not used for matching: 3 placeholders (1 of phone, 2 of surname) and 1 wrong value (1 of nhs_number).";
const LEFT_OUT: &str = "Left out because a record has more keys than the schema allows: 3 of endings-town, 2 of names-date.";

/// What one command says of a report, as text and as JSON.
async fn said(command: &str, report: &impl Serialize) -> (String, Value) {
    let node = Node::new();
    let file = node.file("records.csv", CSV);
    node.answer(report);
    let text = node.run(&[command, &file]).await;
    let json = node.run(&[command, &file, "--json"]).await;
    assert_eq!((text.code, json.code), (0, 0));
    (text.out.clone(), json.json())
}

fn assert_json(json: &Value) {
    let placeholders = json!({ "phone": 1, "surname": 2 });
    assert_eq!(json["unused"]["placeholders"], placeholders);
    assert_eq!(json["unused"]["invalid"], json!({ "nhs_number": 1 }));
    let left_out = json!({ "endings-town": 3, "names-date": 2 });
    assert_eq!(json["left_out"], left_out);
}

#[tokio::test]
async fn import_says_what_counts_for_nothing() {
    let report = ImportReport {
        found: found(),
        suppressed: by([("date-postcode", 2), ("phone", 4)]),
        common: by([("vehicle", 1)]),
        ..Default::default()
    };
    let (text, json) = said("import", &report).await;
    let over_cap = "Kept back because this agency holds the same value too often to tell people apart: 2 of date-postcode, 4 of phone.";
    let common = "Kept back because all members together hold the same value too often to tell people apart: 1 of vehicle.";
    for sentence in [PLACEHOLDERS, LEFT_OUT, over_cap, common] {
        assert!(text.contains(sentence), "{text}");
    }
    assert_json(&json);
    assert_eq!(json["common"], json!({ "vehicle": 1 }));
    let suppressed = json!({ "date-postcode": 2, "phone": 4 });
    assert_eq!(json["suppressed"], suppressed);

    // Control: nothing of it, nothing said.
    let (text, json) = said("import", &ImportReport::default()).await;
    for word in ["Kept back", "Left out", "Not used"] {
        assert!(!text.contains(word), "{text}");
    }
    assert_eq!(
        (&json["suppressed"], &json["left_out"]),
        (&json!({}), &json!({}))
    );
}

#[tokio::test]
async fn preview_says_what_would_count_for_nothing() {
    let keys = PreviewKeys {
        kind: "phone".to_owned(),
        label: "phone".to_owned(),
        shared: 5,
        over_cap: 4,
        left_out: 2,
        ..Default::default()
    };
    let report = PreviewReport {
        found: found(),
        keys: vec![keys],
        ..Default::default()
    };
    let (text, json) = said("preview", &report).await;
    let over_cap = "Kept back because this agency holds the same value too often to tell people apart: 4 of phone.";
    for sentence in [PLACEHOLDERS, LEFT_OUT, over_cap] {
        assert!(text.contains(sentence), "{text}");
    }
    assert_json(&json);
    let keys = &json["keys"][0];
    assert_eq!(
        (&keys["over_cap"], &keys["left_out"]),
        (&json!(4), &json!(2))
    );

    let (text, json) = said("preview", &PreviewReport::default()).await;
    for word in ["Kept back", "Left out", "Not used"] {
        assert!(!text.contains(word), "{text}");
    }
    assert_eq!((&json["keys"], &json["left_out"]), (&json!([]), &json!({})));
}
