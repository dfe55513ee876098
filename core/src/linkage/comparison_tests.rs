use super::*;
use crate::linkage::score::{Score, score_compared};
use crate::linkage::{FieldName, KeyKindId, Tier, derive};
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
    assert_eq!(letters(&anna), 24);
    assert_eq!(letters(&person("Kowalska", "Danuta", BORN)), 24);
    let typo = letters(&person("Danuta", "Kowalksa", BORN));
    assert!((20..24).contains(&typo), "{typo}");
    let other = letters(&person("Beryl", "Higginbottom", BORN));
    assert!(other < 14, "{other}");
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

/// As the two nodes would score, by the keys that both records make and by the comparison.
fn joined(one: &[(&str, &str)], other: &[(&str, &str)]) -> Score {
    let schema = Schema::default_schema();
    let keys = |cells: &[(&str, &str)]| derive(schema, &record(cells));
    let (left, right) = (keys(one), keys(other));
    let shared = left.iter().filter(|key| right.contains(key));
    let kinds = shared.map(|key| key.kind).collect();
    score_compared(schema, &kinds, Some(&counts(one, other)), None)
}

fn with<'a>(
    person: [(&'a str, &'a str); 3],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    [&person, more].concat()
}

/// Each identity number that is compared, twice as different people have it.
const NUMBERS: [(FieldName, &str, &str, &str); 6] = [
    (
        FieldName::NhsNumber,
        "nhs_number",
        "943 476 5919",
        "9434765870",
    ),
    (FieldName::NiNumber, "ni_number", "AB123456C", "AB123457C"),
    (FieldName::Upn, "upn", "B801200005001", "Q801200005002"),
    (FieldName::PncId, "pnc_id", "2001/0000001Q", "2001/0000002R"),
    (FieldName::Cro, "cro", "265416/21G", "265417/21H"),
    (
        FieldName::Passport,
        "passport",
        "GBR 925665416",
        "FRA 12AB34567",
    ),
];

#[test]
fn another_identity_number_pulls_down() {
    let danuta = person("Danuta", "Kowalska", BORN);
    let without = joined(&danuta, &danuta);
    for (field, column, number, another) in NUMBERS {
        let one = with(danuta, &[(column, number)]);
        let same = joined(&one, &with(danuta, &[(column, number)]));
        assert!(same.bits > without.bits + 20.0, "{column}: {}", same.bits);
        assert!(same.against.is_empty(), "{column}");
        let other = joined(&one, &with(danuta, &[(column, another)]));
        assert!(other.bits < without.bits - 2.0, "{column}: {}", other.bits);
        assert_eq!(other.against, [field]);
        // One side alone says nothing.
        let missing = joined(&one, &danuta);
        assert!((missing.bits - without.bits).abs() < 1e-9, "{column}");
    }
}

#[test]
fn one_shared_number_of_several_agrees() {
    let danuta = person("Danuta", "Kowalska", BORN);
    for (_, column, number, another) in NUMBERS {
        let both = format!("{number};{another}");
        let several = with(danuta, &[(column, both.as_str())]);
        for one in [number, another] {
            let single = with(danuta, &[(column, one)]);
            let score = joined(&several, &single);
            assert!(score.against.is_empty(), "{column}");
            assert!(score.bits >= joined(&single, &single).bits, "{column}");
        }
    }
    let numbered = |numbers| with(danuta, &[("nhs_number", numbers)]);
    let (left, right) = (
        numbered("9434765919;4010232137"),
        numbered("9434765919;9434765870"),
    );
    assert!(joined(&left, &right).against.is_empty());
    let apart = joined(&numbered("4010232137"), &numbered("9434765870"));
    assert_eq!(apart.against, [FieldName::NhsNumber]);
}

#[test]
fn what_matters_most_is_never_left_out_of_a_full_set() {
    let dates = person(
        "Danuta",
        "Kowalska",
        "2009-03-15;2008-01-14;2007-11-13;2006-10-12",
    );
    let first = person("Danuta", "Kowalska", "2006-10-12");
    assert_eq!(count("date-whole", &dates, &first), 2);
    let emails = [("email", "anna@a-shop.org;bert@b-shop.org")];
    assert!(count("email-whole", &emails, &[("email", "carla@c-shop.org")]) >= 1);
    let names = [
        ("given_names", "Danuta Ewa Zofia Iga"),
        ("surname", "Kowalska"),
    ];
    assert_eq!(
        count("given-names", &names, &person("Danuta", "Kowalska", BORN)),
        2
    );
}

/// A child of a household, as an agency has it.
fn child<'a>(
    given: &'a str,
    date: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    const HOME: [(&str, &str); 4] = [
        ("sex", "F"),
        ("address", "10 Crozier Circuit"),
        ("town", "Whitby"),
        ("postcode", "YO21 3AB"),
    ];
    with(person(given, "Kowalska", date), &[&HOME, more].concat())
}

#[test]
fn twins_and_the_rest_of_a_household_are_pulled_down() {
    let danuta = child("Danuta", BORN, &[]);
    assert_eq!(joined(&danuta, &danuta).tier, Some(Tier::Strong));
    for same in ["Dnauta", "Danuta Ewa", "Ewa Danuta"] {
        let same = joined(&danuta, &child(same, BORN, &[]));
        assert_eq!(same.tier, Some(Tier::Strong), "{}", same.bits);
    }
    let twin = joined(&danuta, &child("Bogna", BORN, &[]));
    assert!(twin.bits < 10.0, "{}", twin.bits);
    let sister = joined(&danuta, &child("Bogna", "2011-10-28", &[]));
    assert!(!sister.is_told(), "{}", sister.bits);
    // Whose given name is not known may be anyone of the house.
    let nameless = joined(&danuta, &child("", "2011-10-28", &[]));
    assert!(!nameless.is_told(), "{}", nameless.bits);
    assert!(joined(&danuta, &child("", BORN, &[])).is_told());
}

#[test]
fn a_known_twin_is_told_from_the_other() {
    let mark = [("multiple_birth", "yes")];
    let (danuta, marked) = (child("Danuta", BORN, &[]), child("Danuta", BORN, &mark));
    for one in [&danuta, &marked] {
        assert_eq!(joined(one, &marked).tier, Some(Tier::Strong));
        assert!((joined(one, &marked).bits - joined(&danuta, &danuta).bits).abs() < 1e-9);
        let twin = child("Bogna", BORN, &mark);
        assert!(!joined(one, &twin).is_told(), "{}", joined(one, &twin).bits);
    }
    // The mark says nothing where the dates are far apart, nor where it says no.
    let elder = "2001-10-28";
    let sister = joined(&danuta, &child("Bogna", elder, &[])).bits;
    let marked_sister = joined(&danuta, &child("Bogna", elder, &mark)).bits;
    assert!((sister - marked_sister).abs() < 1e-9);
    let single = [("multiple_birth", "no")];
    let (bogna, unmarked) = (child("Bogna", BORN, &single), child("Bogna", BORN, &[]));
    assert!((joined(&danuta, &bogna).bits - joined(&danuta, &unmarked).bits).abs() < 1e-9);
}

#[test]
fn possible_twins_without_an_address_are_pulled_down() {
    let danuta = person("Danuta", "Featherstone", BORN);
    let twin = joined(&danuta, &person("Bogna", "Featherstone", BORN));
    let stranger_by_keys = score_compared(
        Schema::default_schema(),
        &[KeyKindId(46)].into(),
        None,
        None,
    );
    assert_ne!(twin.tier, Some(Tier::Strong), "{}", twin.bits);
    assert!(twin.bits < stranger_by_keys.bits + 13.9);
    assert_eq!(joined(&danuta, &danuta).tier, Some(Tier::Strong));
}

#[test]
fn another_second_surname_speaks_against() {
    let bits = |surname| {
        let one = person("María", "García López", BORN);
        joined(&one, &person("María", surname, BORN)).bits
    };
    assert!(bits("García López") > bits("García Pérez"));
    assert!(bits("Garcia") > bits("García Pérez"));
    assert!((bits("Garcia-Lopez") - bits("García López")).abs() < 1e-9);
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
    assert!((bits(Some(1000), Some(1000)) - bits(Some(1024), Some(1000)) - 2.0).abs() < 1e-9);
    // However large, a register is not taken for an unknown one.
    assert!(bits(Some(90_000_000), Some(500)) < bits(None, Some(500)));
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
