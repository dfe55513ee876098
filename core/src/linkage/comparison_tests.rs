use super::*;
use crate::linkage::score::{Score, score_compared};
use crate::linkage::{FieldName, KeyKindId, Tier};
use proptest::prelude::*;

fn record(cells: &[(&str, &str)]) -> Record {
    let id = [("record_id", "r")];
    let cells = id.iter().chain(cells).copied();
    Record::from_cells(cells).unwrap().0
}

fn counts(one: &[(&str, &str)], other: &[(&str, &str)]) -> Vec<u16> {
    let schema = Schema::default_schema();
    let sets = |cells: &[(&str, &str)]| field_sets(schema, &record(cells));
    counts_in_clear(&sets(one), &sets(other))
}

fn count(label: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> u16 {
    let sets = Schema::default_schema().sets();
    let index = sets.iter().position(|set| set.label == label).unwrap();
    counts(one, other)[index]
}

/// As the two nodes would score, by the comparison alone.
fn scored(one: &[(&str, &str)], other: &[(&str, &str)]) -> Score {
    let kinds = [KeyKindId(49)].into();
    let counts = counts(one, other);
    score_compared(Schema::default_schema(), &kinds, Some(&counts), None)
}

fn person<'a>(given: &'a str, surname: &'a str, date: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("given_names", given),
        ("surname", surname),
        ("date_of_birth", date),
    ]
}

const BORN: &str = "2009-03-15";

#[test]
fn a_count_says_how_much_is_unlike() {
    let anna = person("Danuta", "Kowalska", BORN);
    let letters = |other: &[(&str, &str)]| count("name-letters", &anna, other);
    assert_eq!(letters(&anna), 32);
    assert_eq!(letters(&person("Kowalska", "Danuta", BORN)), 32);
    let typo = letters(&person("Danuta", "Kowalksa", BORN));
    assert!((28..32).contains(&typo), "{typo}");
    let other = letters(&person("Beryl", "Higginbottom", BORN));
    assert!(other < 20, "{other}");
}

#[test]
fn what_is_missing_is_not_what_differs() {
    let with = [
        ("given_names", "Danuta"),
        ("surname", "Kowalska"),
        ("town", "Whitby"),
    ];
    let without = [("given_names", "Danuta"), ("surname", "Kowalska")];
    let elsewhere = [
        ("given_names", "Danuta"),
        ("surname", "Kowalska"),
        ("town", "Exmouth"),
    ];
    let (same, missing, other) = (
        scored(&with, &with).bits,
        scored(&with, &without).bits,
        scored(&with, &elsewhere).bits,
    );
    assert!(
        same > missing && missing > other,
        "{same} {missing} {other}"
    );
    assert_eq!(scored(&with, &elsewhere).against, [FieldName::Place]);
    assert!(scored(&with, &without).against.is_empty());
}

#[test]
fn a_rare_name_says_more_than_a_common_one() {
    let bits = |given, surname| {
        let one = person(given, surname, BORN);
        scored(&one, &one).bits
    };
    assert!(bits("Ptolemy", "Zywiec") > bits("James", "Zywiec"));
    assert!(bits("James", "Zywiec") > bits("James", "Smith"));
}

#[test]
fn dates_differ_by_degrees() {
    let bits = |date| {
        scored(
            &person("Danuta", "Kowalska", "2009-03-05"),
            &person("Danuta", "Kowalska", date),
        )
        .bits
    };
    let all = ["2009-03-05", "2009-05-03", "2009-03-06", "1987-11-28"].map(bits);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
    let nickname = scored(
        &person("Liz", "Kowalska", BORN),
        &person("Elizabeth", "Kowalska", BORN),
    );
    assert_eq!(nickname.tier, Some(Tier::Strong));
}

#[test]
fn another_identity_number_pulls_down() {
    let numbered = |number| {
        let [given, surname, date] = person("Danuta", "Kowalska", BORN);
        [given, surname, date, ("nhs_number", number)]
    };
    let same = scored(&numbered("9434765919"), &numbered("943 476 5919"));
    let other = scored(&numbered("9434765919"), &numbered("9434765870"));
    assert!(same.bits > other.bits + 20.0);
    assert!(other.against.contains(&FieldName::NhsNumber));
}

#[test]
fn twins_and_the_rest_of_a_household_are_pulled_down() {
    let child = |given, date| {
        let [given, surname, date] = person(given, "Kowalska", date);
        [
            given,
            surname,
            date,
            ("sex", "F"),
            ("address", "10 Crozier Circuit"),
            ("town", "Whitby"),
            ("postcode", "YO21 3AB"),
        ]
    };
    let danuta = child("Danuta", BORN);
    assert_eq!(scored(&danuta, &danuta).tier, Some(Tier::Strong));
    let typo = scored(&danuta, &child("Dnauta", BORN));
    assert_eq!(typo.tier, Some(Tier::Strong));
    let twin = scored(&danuta, &child("Bogna", BORN));
    assert!(twin.bits < 10.0, "{}", twin.bits);
    let sister = scored(&danuta, &child("Bogna", "2011-10-28"));
    assert_eq!(sister.tier, None, "{}", sister.bits);
}

#[test]
fn the_prior_is_that_of_the_larger_register() {
    let schema = Schema::default_schema();
    let cells = record(&person("Danuta", "Kowalska", BORN));
    let bits = |one: Option<usize>, other: Option<usize>| {
        let sets = |size| field_sets_within(schema, &cells, size);
        let counts = counts_in_clear(&sets(one), &sets(other));
        score_compared(schema, &[KeyKindId(20)].into(), Some(&counts), None).bits
    };
    assert!(bits(Some(500), Some(500)) > bits(Some(500), Some(4000)));
    assert!((bits(Some(500), Some(4000)) - bits(Some(4000), Some(500))).abs() < 1e-9);
    assert!((bits(Some(300), Some(500)) - bits(Some(500), Some(500))).abs() < 1e-9);
    assert!((bits(None, Some(500)) - bits(None, None)).abs() < 1e-9);
    assert!((bits(Some(1000), Some(1000)) - bits(Some(1024), Some(1000)) - 1.0).abs() < 1e-9);
}

#[test]
fn counts_of_another_schema_are_passed_over() {
    let schema = Schema::default_schema();
    let kinds = [KeyKindId(20)].into();
    let by_keys = score_compared(schema, &kinds, None, None);
    assert_eq!(score_compared(schema, &kinds, Some(&[1, 2]), None), by_keys);
}

#[test]
fn debug_shows_no_value() {
    let sets = field_sets(
        Schema::default_schema(),
        &record(&person("Danuta", "Kowalska", BORN)),
    );
    let shown = format!("{sets:?}");
    assert!(
        !shown.contains("anuta") && shown.contains("name-letters"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn sets_fit_their_slots_and_counts_are_the_same_from_both_sides(
        given in "\\PC{0,24}", surname in "\\PC{0,24}", address in "\\PC{0,30}",
        other in "\\PC{0,24}", date in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]",
    ) {
        let schema = Schema::default_schema();
        let cells = |given, surname| [("given_names", given), ("surname", surname),
            ("date_of_birth", &*date), ("address", &*address), ("town", &*other), ("email", &*address)];
        let one = field_sets(schema, &record(&cells(&*given, &*surname)));
        let two = field_sets(schema, &record(&cells(&*other, &*given)));
        for set in one.iter().chain(&two) {
            prop_assert!(set.values.len() <= usize::from(set.slots));
            prop_assert!(set.values.windows(2).all(|pair| pair[0].as_slice() < pair[1].as_slice()));
        }
        prop_assert_eq!(counts_in_clear(&one, &two), counts_in_clear(&two, &one));
        let own: Vec<usize> = counts_in_clear(&one, &one).into_iter().map(usize::from).collect();
        let sizes: Vec<usize> = one.iter().map(|set| set.values.len()).collect();
        prop_assert_eq!(own, sizes);
    }

    #[test]
    fn order_case_and_accents_change_no_set(given in "[a-z]{3,9}", surname in "[a-z]{3,9}") {
        let schema = Schema::default_schema();
        let sets = |given: &str, surname: &str| -> Vec<Vec<Zeroizing<Vec<u8>>>> {
            let cells = [("given_names", given), ("surname", surname)];
            field_sets(schema, &record(&cells)).into_iter().map(|set| set.values).collect()
        };
        let upper = given.to_uppercase().replace('E', "É");
        prop_assert_eq!(sets(&given, &surname), sets(&upper, &surname));
    }
}
