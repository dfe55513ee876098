use super::*;
use crate::linkage::oracle::Handle;

fn agency(name: &str, rows: &[[&str; 4]]) -> (String, Vec<(String, Record)>) {
    let records = rows.iter().map(|[id, given, surname, date]| {
        let cells = [
            ("record_id", *id),
            ("given_names", *given),
            ("surname", *surname),
            ("date_of_birth", *date),
        ];
        ((*id).to_owned(), Record::from_cells(cells).unwrap().0)
    });
    (name.to_owned(), records.collect())
}

fn pair(left: (&str, &str), right: (&str, &str)) -> Pair {
    let handle = |(a, r): (&str, &str)| -> Handle { (a.to_owned(), r.to_owned()) };
    (handle(left), handle(right))
}

fn small() -> Vec<(String, Vec<(String, Record)>)> {
    vec![
        agency(
            "charity",
            &[
                ["c1", "Danuta", "Kowalska", "2009-03-15"],
                ["c2", "Bogdan", "Wrona", "2001-07-19"],
                ["c3", "", "", ""],
            ],
        ),
        agency(
            "police",
            &[
                ["p1", "Kowalska", "Dnauta", "2009-03-15"],
                ["p2", "Ignatius", "Featherstone", "1977-11-02"],
                ["p3", "", "", "1977-11-02"],
            ],
        ),
    ]
}

#[test]
fn what_is_found_and_what_is_missed_is_told() {
    let truth = BTreeSet::from([
        pair(("charity", "c1"), ("police", "p1")),
        pair(("charity", "c2"), ("police", "p2")),
        pair(("charity", "c3"), ("police", "p3")),
        pair(("charity", "c9"), ("police", "p9")),
    ]);
    let found = evaluate(Schema::default_schema(), &small(), &truth);
    assert_eq!((found.records, found.truth, found.default.pairs), (6, 4, 1));
    assert!((found.default.precision - 1.0).abs() < 1e-9);
    assert!((found.default.recall - 0.25).abs() < 1e-9);
    assert!((found.candidate_recall - 0.25).abs() < 1e-9);
    assert!((found.recall_at_precision_999 - 0.25).abs() < 1e-9);
    let expected = BTreeMap::from([
        (Reason::NoSuchRecord, 1),
        (Reason::TooLittleKnown, 1),
        (Reason::NoKeyInCommon, 1),
    ]);
    assert_eq!(found.miss_reasons, expected);
    let right: usize = found.keys.iter().map(|key| key.right).sum();
    assert!(right >= 1 && found.false_matches.is_empty());
    let text = serde_json::to_string(&found).unwrap();
    assert!(text.contains("\"default\"") && text.contains("c2") && !text.contains("Wrona"));
}

#[test]
fn a_false_match_is_counted() {
    let found = evaluate(Schema::default_schema(), &small(), &BTreeSet::new());
    assert_eq!(found.default.pairs, 1);
    assert!((found.default.precision - 0.0).abs() < 1e-9);
    assert_eq!(found.false_matches.len(), 1);
}

#[test]
fn nothing_to_find_in_nothing() {
    let found = evaluate(Schema::default_schema(), &[], &BTreeSet::new());
    assert_eq!(
        (found.records, found.candidates, found.default.pairs),
        (0, 0, 0)
    );
}
