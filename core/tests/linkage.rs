//! The default schema on people that a seeded generator makes and then writes down badly.
#![cfg(feature = "node")]
// Helpers of tests may say what they expect, as tests do.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

use symbolon_core::linkage::oracle::{self, Pair};
use symbolon_core::linkage::{Record, Schema};

/// A linear congruential generator (Knuth's MMIX constants): the same people on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).expect("31 bits");
        high % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn letter(&mut self, letters: &str) -> char {
        let index = self.below(letters.len());
        letters.chars().nth(index).expect("in range")
    }

    /// Three syllables: as many first three letters as real names have, about 9 bits.
    fn name(&mut self) -> String {
        const END: [&str; 8] = ["rin", "las", "mett", "dano", "vic", "shay", "bert", "lena"];
        let mut name = String::new();
        for _ in 0..2 {
            name.push(self.letter("bcdfghjklmnprstvwz"));
            name.push(self.letter("aeiou"));
        }
        name + END[self.below(END.len())]
    }
}

struct Person {
    given: String,
    surname: String,
    date: (usize, usize, usize),
    town: String,
    postcode: String,
}

impl Person {
    fn born(dice: &mut Dice) -> Self {
        const TOWNS: [&str; 6] = ["London", "Leeds", "Hull", "Cardiff", "Dover", "Derby"];
        let unit = (dice.letter("ABDEFGHJ"), dice.letter("LNPQRSTU"));
        let (district, sector) = (1 + dice.below(29), dice.below(10));
        let postcode = format!("LS{district} {sector}{}{}", unit.0, unit.1);
        Self {
            given: dice.name(),
            surname: dice.name(),
            date: (
                1950 + dice.below(68),
                2 + dice.below(11),
                2 + dice.below(27),
            ),
            town: TOWNS[dice.below(6)].to_owned(),
            postcode,
        }
    }

    fn written(&self, id: &str) -> Record {
        let (year, month, day) = self.date;
        let date = format!("{year}-{month:02}-{day:02}");
        self.cells(id, &self.given, &self.surname, &date)
    }

    /// As another office writes it: each slip about one time in five.
    fn written_badly(&self, id: &str, dice: &mut Dice) -> Record {
        let (year, month, day) = self.date;
        let date = match dice.below(10) {
            0 if day <= 12 => format!("{year}-{day:02}-{month:02}"),
            1 => format!("{year}"),
            2 => String::new(),
            _ => format!("{day}/{month}/{year}"),
        };
        let slip = |name: &str, dice: &mut Dice| {
            let mut letters: Vec<char> = name.chars().collect();
            if dice.one_in(5) {
                letters.remove(3 + dice.below(letters.len() - 3));
            }
            letters.into_iter().collect::<String>().to_uppercase()
        };
        let (given, surname) = (slip(&self.given, dice), slip(&self.surname, dice));
        if dice.one_in(10) {
            self.cells(id, &surname, &given, &date)
        } else {
            self.cells(id, &given, &surname, &date)
        }
    }

    fn cells(&self, id: &str, given: &str, surname: &str, date: &str) -> Record {
        let cells = [
            ("record_id", id),
            ("given_names", given),
            ("surname", surname),
            ("date_of_birth", date),
            ("town", &self.town),
            ("postcode", &self.postcode),
        ];
        let (record, issues) = Record::from_cells(cells).expect("a record");
        assert!(issues.is_empty(), "{issues:?}");
        record
    }
}

#[test]
fn badly_written_people_are_found_and_strangers_are_not() {
    let mut dice = Dice(7);
    let (mut police, mut charity) = (Vec::new(), Vec::new());
    let mut truth: BTreeSet<Pair> = BTreeSet::new();
    for number in 0..1500 {
        let person = Person::born(&mut dice);
        let id = number.to_string();
        police.push((id.clone(), person.written(&id)));
        if number % 3 == 0 {
            charity.push((id.clone(), person.written_badly(&id, &mut dice)));
            let handle = |agency: &str| (agency.to_owned(), id.clone());
            truth.insert((handle("charity"), handle("police")));
        } else {
            let stranger = Person::born(&mut dice);
            charity.push((id.clone(), stranger.written(&id)));
        }
    }
    let agencies = [
        ("police".to_owned(), police),
        ("charity".to_owned(), charity),
    ];
    let found = oracle::join(&agencies, Schema::default_schema());
    let found: BTreeSet<Pair> = found.into_keys().collect();
    let (precision, recall) = oracle::precision_recall(&found, &truth);
    assert!(
        precision >= 0.98 && recall >= 0.95,
        "precision {precision}, recall {recall}"
    );
}

#[test]
fn a_record_survives_serde_and_shows_only_its_id() {
    let mut dice = Dice(9);
    let record = Person::born(&mut dice).written("r1");
    let text = serde_json::to_string(&record).expect("json");
    let back: Record = serde_json::from_str(&text).expect("a record");
    assert_eq!(record, back);
    assert_eq!(format!("{record:?}"), "Record { record_id: \"r1\", .. }");
}
