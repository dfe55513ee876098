//! What others rely on: the contract of the files, the truth, and the promised dirt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use time::{Date, Month};

use super::identifiers::nhs_check_digit;
use super::*;

fn demo() -> Sample {
    generate(&SampleSpec::default())
}

fn rows(sample: &Sample) -> impl Iterator<Item = &SampleRow> {
    sample.agencies.iter().flat_map(|(_, rows)| rows)
}

fn values(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';')
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// The phone in its national form without spaces.
fn national(phone: &str) -> String {
    let bare = phone.replace("(0)", "").replace([' ', '-'], "");
    match bare
        .strip_prefix("+44")
        .or_else(|| bare.strip_prefix("0044"))
    {
        Some(rest) => format!("0{rest}"),
        None => bare,
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bytes = |seed| {
        csv_files(&generate(&SampleSpec {
            seed,
            ..SampleSpec::default()
        }))
        .unwrap()
    };
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}

#[test]
fn the_committed_files_are_the_default_sample() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo");
    for (name, content) in csv_files(&demo()).unwrap() {
        let committed = fs::read_to_string(dir.join(&name)).unwrap_or_default();
        assert!(
            committed == content,
            "{name} differs from the generator; if that is meant, run \
             `cargo run -p symbolon-tests --bin sample-data -- --out tests/data/demo`"
        );
    }
}

#[test]
fn the_default_sample_has_the_promised_size() {
    let sample = demo();
    for (agency, rows) in &sample.agencies {
        assert!(
            (300..=400).contains(&rows.len()),
            "{agency} has {} records",
            rows.len()
        );
    }
    assert!(
        (120..=200).contains(&sample.truth.len()),
        "{} true pairs",
        sample.truth.len()
    );
}

#[test]
fn record_ids_are_unique_in_their_agency() {
    for (agency, rows) in demo().agencies {
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.record_id.as_str()).collect();
        assert_eq!(ids.len(), rows.len(), "{agency}");
    }
}

#[test]
fn truth_names_existing_records_of_two_agencies_once_and_in_order() {
    let sample = demo();
    let known: BTreeSet<(&str, &str)> = sample
        .agencies
        .iter()
        .flat_map(|(agency, rows)| {
            rows.iter()
                .map(|row| (agency.as_str(), row.record_id.as_str()))
        })
        .collect();
    for pair in &sample.truth {
        assert!(known.contains(&(pair.left_agency.as_str(), pair.left_record.as_str())));
        assert!(known.contains(&(pair.right_agency.as_str(), pair.right_record.as_str())));
        assert!(pair.left_agency < pair.right_agency);
    }
    assert!(sample.truth.is_sorted_by(|a, b| a < b));
}

#[test]
fn some_people_are_known_to_all_three() {
    let sample = demo();
    let mut partners: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for pair in &sample.truth {
        let left = (pair.left_agency.as_str(), pair.left_record.as_str());
        partners.entry(left).or_default().insert(&pair.right_agency);
    }
    let threes = partners.values().filter(|agencies| agencies.len() == 2);
    assert!(threes.count() >= 5);
}

#[test]
fn every_promised_kind_of_dirt_occurs_and_no_other() {
    let sample = demo();
    let found: Vec<&str> = sample.dirt.keys().copied().collect();
    assert_eq!(found, DIRT);
}

#[test]
fn without_slips_only_the_traps_remain() {
    let spec = SampleSpec {
        slips_percent: 0,
        ..SampleSpec::default()
    };
    let found: Vec<&str> = generate(&spec).dirt.keys().copied().collect();
    let traps = [
        "field_missing",
        "namesake",
        "several_phones",
        "shared_address",
        "shared_phone",
        "shared_vehicle",
        "siblings",
        "twins",
    ];
    assert_eq!(found, traps);
}

#[test]
fn nhs_numbers_are_test_numbers_and_check_but_for_the_broken() {
    let sample = demo();
    let mut broken = 0;
    for (agency, rows) in &sample.agencies {
        let before = broken;
        for row in rows.iter().filter(|row| !row.nhs_number.is_empty()) {
            let digits = row.nhs_number.replace(' ', "");
            assert!(digits.starts_with("999") && digits.len() == 10, "{digits}");
            let check = nhs_check_digit(&digits[..9]).map(|digit| digit.to_string());
            broken += usize::from(check.as_deref() != Some(&digits[9..]));
        }
        assert!(broken > before, "{agency} has no broken number");
    }
    assert_eq!(Some(&broken), sample.dirt.get("nhs_broken"));
}

#[test]
fn dates_of_birth_are_dates_of_the_calendar() {
    for row in rows(&demo()) {
        let cell = row.date_of_birth.as_str();
        let parts: Vec<&str> = cell.split(['-', '/']).collect();
        let [year, month, day] = match parts[..] {
            [year, month, day] if cell.contains('-') => [year, month, day],
            [day, month, year] => [year, month, day],
            _ => {
                assert_eq!(cell, "");
                continue;
            }
        };
        let month = Month::try_from(month.parse::<u8>().unwrap()).unwrap();
        Date::from_calendar_date(year.parse().unwrap(), month, day.parse().unwrap()).unwrap();
    }
}

#[test]
fn contact_details_belong_to_nobody() {
    for row in rows(&demo()) {
        for phone in values(&row.phone).map(national) {
            let drama = [
                "07700900", "02079460", "02896496", "0191498", "02920180", "01632960",
            ];
            let other = ["03069990", "08081570"];
            let city = phone.starts_with("01") && phone.get(4..8) == Some("4960");
            let known = drama
                .iter()
                .chain(&other)
                .any(|range| phone.starts_with(range));
            assert!(city || known || phone == "00000000000", "{phone}");
            assert!(phone.len() == 11, "{phone}");
        }
        for email in values(&row.email).map(str::to_lowercase) {
            let example = ["@example.com", "@example.org", "@example.net"];
            let placeholder = ["n/a", "unknown"].contains(&email.as_str());
            assert!(
                placeholder || example.iter().any(|end| email.ends_with(end)),
                "{email}"
            );
        }
    }
}

#[test]
fn strangers_of_two_agencies_share_phones_and_vehicles() {
    let sample = demo();
    let truth: BTreeSet<[&str; 4]> = sample.truth.iter().map(pair_key).collect();
    let mut holders: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    for (agency, rows) in &sample.agencies {
        for row in rows {
            let vehicle = row.vehicle.replace(' ', "").to_uppercase();
            let shared = values(&row.phone).map(national).chain([vehicle]);
            for value in shared.filter(|value| !value.is_empty() && value != "00000000000") {
                holders
                    .entry(value)
                    .or_default()
                    .push((agency, &row.record_id));
            }
        }
    }
    let strangers = |digits: bool| {
        let mut pairs = 0;
        for (_, held) in holders
            .iter()
            .filter(|(key, _)| key.starts_with('0') == digits)
        {
            for (at, left) in held.iter().enumerate() {
                for right in held[at + 1..].iter().filter(|right| right.0 != left.0) {
                    let (low, high) = (left.min(right), left.max(right));
                    pairs += usize::from(!truth.contains(&[low.0, low.1, high.0, high.1]));
                }
            }
        }
        pairs
    };
    assert!(strangers(true) >= 30, "phones");
    assert!(strangers(false) >= 10, "vehicles");
}

#[test]
fn twins_are_in_different_agencies() {
    let sample = demo();
    let truth: BTreeSet<[&str; 4]> = sample.truth.iter().map(pair_key).collect();
    let mut homes: BTreeMap<[&str; 3], Vec<(&str, &str)>> = BTreeMap::new();
    for (agency, rows) in &sample.agencies {
        for row in rows.iter().filter(|row| !row.address.is_empty()) {
            let home = [row.surname.as_str(), &row.date_of_birth, &row.postcode];
            homes
                .entry(home)
                .or_default()
                .push((agency, &row.record_id));
        }
    }
    let twins = homes.values().filter(|held| match held[..] {
        [left, right] => {
            let (low, high) = (left.min(right), left.max(right));
            low.0 != high.0 && !truth.contains(&[low.0, low.1, high.0, high.1])
        }
        _ => false,
    });
    assert!(twins.count() >= 5);
}

fn pair_key(pair: &TruthPair) -> [&str; 4] {
    [
        &pair.left_agency,
        &pair.left_record,
        &pair.right_agency,
        &pair.right_record,
    ]
}

#[test]
fn headers_are_those_of_the_row_types() {
    for (name, content) in csv_files(&demo()).unwrap() {
        let mut reader = csv::Reader::from_reader(content.as_bytes());
        if name == "truth.csv" {
            let pairs: Vec<TruthPair> = reader.deserialize().map(Result::unwrap).collect();
            assert_eq!(pairs, demo().truth);
        } else {
            let read: Vec<SampleRow> = reader.deserialize().map(Result::unwrap).collect();
            let (_, rows) = demo()
                .agencies
                .into_iter()
                .find(|(agency, _)| format!("{agency}.csv") == name)
                .unwrap();
            assert_eq!(read, rows);
        }
    }
}

#[test]
fn any_number_of_people_and_agencies_will_do() {
    let kinds = [
        AgencyKind::Police,
        AgencyKind::Refuge,
        AgencyKind::ChildrensServices,
    ];
    for (agencies, people) in [(0, 10), (1, 0), (1, 10), (2, 3), (7, 10_000)] {
        let agencies: Vec<AgencySpec> = (0..agencies)
            .map(|at| AgencySpec {
                name: format!("agency-{at}"),
                kind: kinds[at % 3],
            })
            .collect();
        let number = agencies.len();
        let sample = generate(&SampleSpec {
            agencies,
            people,
            ..SampleSpec::default()
        });
        let records = rows(&sample).count();
        assert_eq!(sample.agencies.len(), number);
        assert!(number == 0 || records >= people);
        assert_eq!(csv_files(&sample).unwrap().len(), number + 1);
    }
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    for names in [
        vec!["../escape"],
        vec![""],
        vec!["truth"],
        vec!["twice", "twice"],
    ] {
        let agency = |name: &&str| AgencySpec {
            name: (*name).to_owned(),
            kind: AgencyKind::Police,
        };
        let agencies = names.iter().map(agency).collect();
        let sample = generate(&SampleSpec {
            agencies,
            people: 5,
            ..SampleSpec::default()
        });
        assert!(csv_files(&sample).is_err(), "{names:?}");
    }
}
