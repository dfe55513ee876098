//! How the results of `evaluate` and `calibrate` are printed.

use serde::Serialize;
use serde_json::{Value, json};
use symbolon_core::linkage::calibration::Calibration;
use symbolon_core::linkage::evaluation::{Evaluation, Miss, Quality};
use symbolon_core::linkage::languages::LanguageReport;
use symbolon_core::linkage::schema::Schema;

use super::{print_table, unprintable};
use crate::cli::console::Console;
use crate::cli::evaluate::Values;
use crate::cli::failure::Failure;

/// One object on one line, the last of the output.
fn line(console: &mut Console, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(unprintable)?;
    Ok(writeln!(console.out, "{text}")?)
}

pub(in crate::cli) fn json(
    console: &mut Console,
    found: &Evaluation,
    values: Option<&Values>,
) -> Result<(), Failure> {
    let mut value = serde_json::to_value(found).map_err(unprintable)?;
    if let (Some(values), Some(object)) = (values, value.as_object_mut()) {
        let shown = |misses: &[Miss]| -> Value {
            let pairs = misses.iter().map(|miss| json!(values.pair(miss)));
            pairs.collect()
        };
        object.insert("missed_records".to_owned(), shown(&found.misses));
        object.insert("false_records".to_owned(), shown(&found.false_matches));
    }
    line(console, &value)
}

fn word(value: &impl Serialize) -> String {
    let text = serde_json::to_value(value).ok();
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    text.replace('_', " ")
}

pub(in crate::cli) fn evaluation(
    console: &mut Console,
    found: &Evaluation,
    values: Option<&Values>,
) -> Result<(), Failure> {
    let quality = |name: &str, q: &Quality| {
        let share = |x: f64| format!("{x:.4}");
        let mut cells = vec![name.to_owned(), format!("{:.1}", q.threshold)];
        cells.extend([q.precision, q.recall, q.f1].map(share));
        cells.push(q.pairs.to_string());
        cells
    };
    let rows = [
        quality("default", &found.default),
        quality("strong", &found.strong),
        quality("best", &found.best),
    ];
    let header = ["", "from bits", "precision", "recall", "F1", "pairs"];
    print_table(console, &header, rows)?;
    console.say(&format!(
        "{} records, {} true pairs. Recall at precision 0.999: {:.4}.",
        found.records, found.truth, found.recall_at_precision_999
    ))?;
    console.say(&format!(
        "Candidates: recall {:.4}, {:.2} a record, {} compared. Keys: {:.1} a record.",
        found.candidate_recall,
        found.candidates_per_record,
        found.comparisons,
        found.keys_per_record
    ))?;
    let keys = found.keys.iter().filter(|key| key.right + key.wrong > 0);
    let keys = keys.map(|key| {
        let numbers = [key.right, key.wrong, key.only_by_it, key.false_by_it];
        let mut cells = vec![key.kind.clone()];
        cells.extend(numbers.map(|n| n.to_string()));
        cells
    });
    let header = [
        "kind of key",
        "true",
        "false",
        "true by it alone",
        "told falsely by it alone",
    ];
    print_table(console, &header, keys)?;
    let reasons = found.miss_reasons.iter();
    let reasons = reasons.map(|(reason, count)| vec![word(reason), count.to_string()]);
    print_table(console, &["why a true pair was missed", "pairs"], reasons)?;
    let Some(values) = values else { return Ok(()) };
    for (what, misses) in [("missed", &found.misses), ("false", &found.false_matches)] {
        for miss in misses {
            let bits = miss
                .bits
                .map(|b| format!(", {b:.1} bits"))
                .unwrap_or_default();
            console.say(&format!("{what}: {}{bits}", word(&miss.reason)))?;
            for record in values.pair(miss) {
                console.say(&format!("  {record}"))?;
            }
        }
    }
    Ok(())
}

pub(in crate::cli) fn calibration(
    console: &mut Console,
    as_json: bool,
    found: &Calibration,
) -> Result<(), Failure> {
    if as_json {
        return line(console, found);
    }
    console.say(&format!(
        "{} pairs share a key, of which {:.0} ({:.1} in a hundred) are estimated to be one person; {} random pairs.",
        found.candidates,
        found.pairs_of_one_person(),
        100.0 * found.matches,
        found.random_pairs
    ))?;
    let rows = found.levels.iter().map(|level| {
        // What hardly any pair shows is no estimate.
        let seen = level.candidates >= 10;
        let bits = if seen {
            format!("{:.1}", level.bits)
        } else {
            "too few".to_owned()
        };
        vec![
            level.field.clone(),
            level.level.clone(),
            format!("{:.4}", level.m),
            format!("{:.6}", level.u),
            bits,
            format!("{:.1}", level.schema_bits),
        ]
    });
    let header = ["field", "level", "m", "u", "bits", "schema"];
    print_table(console, &header, rows)
}

/// Figures of other systems on the same files: best F1, precision, recall, and how it was tuned.
const REFERENCES: [(&str, &str, &str); 4] = [
    (
        "febrl3",
        "Splink 5.0, sees all in clear, best threshold by the truth",
        ".992 (.993 / .991)",
    ),
    (
        "febrl3",
        "anonlink 0.15 (Bloom filters), best threshold by the truth",
        ".921 (.973 / .875)",
    ),
    (
        "fake1000",
        "Splink 5.0, sees all in clear, best threshold by the truth",
        ".977 (.989 / .966)",
    ),
    (
        "fake1000",
        "anonlink 0.15 (Bloom filters), best threshold by the truth",
        ".855 (.883 / .828)",
    ),
];

const PAGE_HEAD: &str = "\
# Linkage accuracy
Written by `symbolon-node evaluate --markdown --data DIR [--data DIR ...] [--names DIR] > docs/linkage-accuracy.md`; not by hand.

Each set is a directory with one CSV file for each agency and `truth.csv`. The real derivation, caps, candidates, comparison and score run over it in clear. One schema and one threshold serve all sets; weights come from published figures and from `calibrate`, which knows no truth. Figures of other systems were measured on the same files, with the fields given name, surname, date of birth, postcode, town and e-mail.

";

const NAMES_HEAD: &str = "
## Names by language
Hand-written pairs, about half of each list near misses that are not one person's. Two names count as one if both their parts agree as the keys see them, whole or by sound; two dates likewise. The rules of names were written by the same hand as the lists, so the figures say that the rules do what they should.

| List | Pairs | Precision | Recall |
|---|---|---|---|";

/// The page of the docs.
pub(in crate::cli) fn page(
    console: &mut Console,
    schema: &Schema,
    sets: &[(String, Evaluation)],
    names: &[LanguageReport],
) -> Result<(), Failure> {
    let out = &mut console.out;
    write!(out, "{PAGE_HEAD}")?;
    writeln!(out, "Schema version {}.\n", schema.version)?;
    writeln!(
        out,
        "| Set | System | F1 (precision / recall) |\n|---|---|---|"
    )?;
    let three = |q: &Quality| format!("{:.3} ({:.3} / {:.3})", q.f1, q.precision, q.recall);
    for (name, found) in sets {
        writeln!(
            out,
            "| {name} | **Symbolon, default threshold** | **{}** |",
            three(&found.default)
        )?;
        writeln!(
            out,
            "| {name} | Symbolon, strong matches alone | {} |",
            three(&found.strong)
        )?;
        writeln!(
            out,
            "| {name} | Symbolon, best threshold by the truth | {} |",
            three(&found.best)
        )?;
        for (_, system, figures) in REFERENCES.iter().filter(|(set, ..)| set == name) {
            writeln!(out, "| {name} | {system} | {figures} |")?;
        }
    }
    writeln!(
        out,
        "\n| Set | Records | True pairs | Recall at precision .999 | Candidate recall | Candidates a record | Keys a record |\n|---|---|---|---|---|---|---|"
    )?;
    for (name, found) in sets {
        writeln!(
            out,
            "| {name} | {} | {} | {:.3} | {:.3} | {:.2} | {:.1} |",
            found.records,
            found.truth,
            found.recall_at_precision_999,
            found.candidate_recall,
            found.candidates_per_record,
            found.keys_per_record
        )?;
    }
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "{NAMES_HEAD}")?;
    for report in names {
        writeln!(
            out,
            "| {} | {} | {:.3} | {:.3} |",
            report.language, report.pairs, report.precision, report.recall
        )?;
    }
    Ok(())
}
