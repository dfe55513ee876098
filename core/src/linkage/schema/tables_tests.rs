//! The tables of `docs/linkage.md` are those of the schema.

use super::super::Schema;
use super::*;

const PAGE: &str = include_str!("../../../../docs/linkage.md");

fn condition_text(schema: &Schema, when: &Condition, by_key: bool) -> String {
    let named = |counts: &[(usize, u16)], sign: &str| -> Vec<String> {
        let label = |set: &usize| &schema.sets()[*set].label;
        let counts = counts.iter();
        counts
            .map(|(set, count)| format!("{} {sign} {count}", label(set)))
            .collect()
    };
    let mut parts = named(&when.at_least, "≥");
    parts.extend(named(&when.below, "<"));
    if by_key {
        parts.push("a key proves it".to_owned());
    }
    if parts.is_empty() {
        return "otherwise".to_owned();
    }
    parts.join(", ")
}

fn rows(schema: &Schema) -> Vec<String> {
    let mut rows = Vec::new();
    for kind in schema.kinds() {
        let cap = kind.frequency_cap;
        rows.push(format!("| {} | `{}` |.*| {cap} |", kind.id.0, kind.name));
    }
    for set in schema.sets() {
        rows.push(format!("| `{}` | {} |.*", set.label, set.slots));
    }
    for field in schema.compared_fields() {
        for level in field.levels.iter().filter(|level| !level.missing) {
            let when = condition_text(schema, &level.when, level.by_key);
            let bits = level.bits();
            rows.push(format!(
                "| {} | {} | {when} | {bits:.1} |",
                field.label, level.name
            ));
        }
    }
    for adjustment in schema.adjustments() {
        let when = condition_text(schema, &adjustment.when, false);
        let bits = adjustment.bits.bits();
        rows.push(format!("| {} | {when} | {bits:.1} |", adjustment.name));
    }
    let tiers = [
        ("strong", schema.strong()),
        ("possible", schema.possible()),
        ("weak", schema.weak()),
    ];
    for (tier, bits) in tiers {
        let wrong = Schema::false_per_thousand(bits);
        rows.push(format!("| {tier} | {bits:.1} bits | {wrong:.0} |"));
    }
    rows
}

/// A row may leave its middle, or its end, to the page: `.*`.
fn is_there(row: &str) -> bool {
    let (start, end) = row.split_once(".*").unwrap_or((row, ""));
    PAGE.lines()
        .any(|line| line.starts_with(start) && line.ends_with(end))
}

#[test]
fn the_page_has_every_row_of_the_schema() {
    let rows = rows(Schema::default_schema());
    let missing: Vec<&String> = rows.iter().filter(|row| !is_there(row)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(rows.len() > 100 && !is_there("| strong | 9.9 bits | 1 |"));
}

#[test]
fn the_page_has_no_level_that_the_schema_lacks() {
    let rows = rows(Schema::default_schema());
    let is_level = |line: &&str| line.starts_with('|') && line.contains(" ≥ ");
    for line in PAGE.lines().filter(is_level) {
        assert!(rows.iter().any(|row| row == line), "{line}");
    }
}
