//! Every key and every compared feature of twenty people, as they were when the version was given.
//!
//! A change here changes tokens: nodes of before and after would silently never match. So whoever
//! means it raises the normaliser's version (`core/src/linkage/schema/normalisers.rs`) or the
//! schema's, and writes the file anew with `UPDATE_KEYS=1 cargo test -p symbolon-core --features
//! node --test linkage_keys`. The versions stand at the top of it.
#![cfg(feature = "node")]
// Helpers of tests may say what they expect, as tests do.
#![allow(clippy::expect_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use symbolon_core::linkage::{Record, Schema, derive, field_sets};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn people() -> Vec<Record> {
    let mut reader = csv::Reader::from_path(data("people.csv")).expect("the people");
    let columns = reader.headers().expect("a header").clone();
    let rows = reader.records().map(|row| row.expect("a row"));
    let record = |row: csv::StringRecord| Record::from_cells(columns.iter().zip(row.iter()));
    rows.map(|row| record(row).expect("a record").0).collect()
}

fn written() -> String {
    let schema = Schema::default_schema();
    let mut text = format!("schema {}\n", schema.version);
    for (normaliser, version) in schema.normalisers() {
        let _ = writeln!(text, "{normaliser} {version}");
    }
    for record in people() {
        let _ = writeln!(text, "\n{}", record.record_id);
        for key in derive(schema, &record) {
            let kind = schema.kind(key.kind).expect("a kind of the schema");
            let _ = writeln!(
                text,
                "  {}: {}",
                kind.name,
                key.value.replace('\u{1f}', " | ")
            );
        }
        for set in field_sets(schema, &record) {
            let values = set
                .values
                .iter()
                .map(|value| String::from_utf8_lossy(value));
            let values: Vec<_> = values.collect();
            if !values.is_empty() {
                let _ = writeln!(text, "  [{}] {}", set.label, values.join(", "));
            }
        }
    }
    text
}

#[test]
fn the_keys_of_twenty_people_are_those_of_the_version() {
    let file = data("people_keys.txt");
    let now = written();
    assert_eq!(people().len(), 20);
    if std::env::var_os("UPDATE_KEYS").is_some() {
        std::fs::write(&file, &now).expect("written");
    }
    let then = std::fs::read_to_string(&file).expect("the keys of before");
    for (line, (now, then)) in now.lines().zip(then.lines()).enumerate() {
        assert_eq!(
            now,
            then,
            "line {}: raise a version, see the top of this test",
            line + 1
        );
    }
    assert_eq!(now.lines().count(), then.lines().count());
}
