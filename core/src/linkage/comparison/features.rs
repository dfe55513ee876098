//! The values of each [`Trait`], made from a normalised record.

use crate::linkage::common;
use crate::linkage::feature::{Prepared, end, start};
use crate::linkage::normalise::names;
use crate::linkage::record::{Record, Sex};

use super::Trait;

/// Sizes of registers that are told apart, as powers of two. The last stands for every larger one too.
pub(super) const REGISTER_POWERS: [u8; 6] = [9, 10, 12, 14, 17, 22];

/// Values without repeats, what matters most first: a set with fewer slots leaves out the last.
#[derive(Default)]
pub(super) struct Values(pub Vec<String>);

impl Values {
    /// Whether it was not there before.
    fn insert(&mut self, value: String) -> bool {
        let is_new = !self.0.contains(&value);
        if is_new {
            self.0.push(value);
        }
        is_new
    }

    fn extend(&mut self, values: impl IntoIterator<Item = String>) {
        for value in values {
            self.insert(value);
        }
    }

    /// One value that says that the record has the field.
    fn known(is_known: bool) -> Self {
        let known = is_known.then(|| "known".to_owned());
        Self(known.into_iter().collect())
    }

    /// Adds a value; one that is there already is numbered, so that a bag counts repeats.
    fn add(&mut self, value: &str) {
        let mut number = 1_u32;
        while !self.insert(format!("{value}#{number}")) {
            number += 1;
        }
    }

    /// Letters and letter pairs of a word and fillers: always `size` values.
    fn fill(&mut self, word: &str, size: usize) {
        let letters: Vec<char> = word.chars().collect();
        let pairs = size / 2;
        let mut count = 0;
        for letter in letters.iter().take(size - pairs) {
            self.add(&format!("l{letter}"));
            count += 1;
        }
        let mut before = '^';
        for letter in letters.iter().take(pairs) {
            self.add(&format!("p{before}{letter}"));
            before = *letter;
            count += 1;
        }
        for number in count..size {
            self.add(&format!("fewer{number}"));
        }
    }
}

/// The values of a set with so many slots. Bags are as large as their slots allow, whatever is in
/// the record: counts of bags mean the same for every pair.
pub(super) fn values(of: Trait, slots: usize, prepared: &Prepared, record: &Record) -> Values {
    match of {
        Trait::NameLetters => name_letters(prepared, slots),
        Trait::NameWhole => name_whole(prepared, slots),
        Trait::NameCount => name_count(prepared),
        Trait::GivenNames => given_names(prepared),
        Trait::Surnames => surnames(prepared),
        Trait::TwoSurnames => two_surnames(prepared),
        // Not of a record: see `register`.
        Trait::RegisterSize => Values::default(),
        Trait::DateKnown | Trait::DateWhole | Trait::DateParts | Trait::DateDigits => {
            date(of, prepared)
        }
        Trait::TownLetters => one_bag(prepared.towns.first().map(String::as_str), slots),
        Trait::TownWhole => town_whole(prepared),
        Trait::Postcode => postcode(prepared),
        Trait::Street => street(record, slots),
        Trait::EmailWhole => email_whole(prepared),
        Trait::EmailLetters => {
            let email = prepared.emails.first();
            let address = email.map(super::super::normalise::emails::Email::address);
            one_bag(address.as_deref(), slots)
        }
        Trait::NhsNumber => Values::known(!prepared.nhs_numbers.is_empty()),
        Trait::NiNumber => Values::known(!prepared.ni_numbers.is_empty()),
        Trait::Upn => Values::known(!prepared.upns.is_empty()),
        Trait::PncId => Values::known(!prepared.pnc_ids.is_empty()),
        Trait::Cro => Values::known(!prepared.cros.is_empty()),
        Trait::Passport => Values::known(!prepared.passports.is_empty()),
        Trait::Sex => sex(record),
        Trait::SingleBirth => Values::known(!record.is_multiple_birth()),
    }
}

fn one_bag(word: Option<&str>, size: usize) -> Values {
    let mut bag = Values::default();
    if let Some(word) = word {
        bag.fill(word, size);
    }
    bag
}

/// One word for a column. Names that a stray space tore apart are put together.
fn one_word(tokens: &[String]) -> Option<String> {
    let torn = tokens.iter().any(|token| token.len() <= 2);
    if torn {
        return Some(tokens.concat());
    }
    tokens.first().cloned()
}

/// A given and a family name; where one column has all, its first and its last name.
fn two_names(prepared: &Prepared) -> Vec<String> {
    let name = &prepared.name;
    let mut two: Vec<String> = [&name.given, &name.family]
        .into_iter()
        .filter(|tokens| !tokens.is_empty())
        .filter_map(|tokens| one_word(tokens))
        .collect();
    if two.len() == 1 {
        let tokens = if name.given.is_empty() {
            &name.family
        } else {
            &name.given
        };
        if tokens.iter().all(|token| token.len() > 2) {
            two.extend(tokens.get(1..).and_then(<[String]>::last).cloned());
        }
    }
    if two.is_empty() {
        let alias = name.whole.first();
        two.extend(alias.and_then(|tokens| tokens.first()).cloned());
        two.extend(alias.and_then(|tokens| tokens.last()).cloned());
    }
    two
}

/// Half of the slots for each of the two names.
fn name_letters(prepared: &Prepared, slots: usize) -> Values {
    let mut bag = Values::default();
    for word in two_names(prepared).into_iter().take(2) {
        bag.fill(&word, slots / 2);
    }
    bag
}

fn name_whole(prepared: &Prepared, slots: usize) -> Values {
    let mut whole = Values::default();
    let name = &prepared.name;
    let torn = two_names(prepared);
    let all = torn.iter().chain(&name.given).chain(&name.family);
    for token in all.chain(name.whole.iter().flatten()) {
        let root = names::root(token);
        if root.len() > 1 && whole.0.len() < slots {
            whole.insert(root.to_owned());
            if !common::is_common_name(root) {
                whole.insert(format!("rare {root}"));
            }
        }
    }
    whole
}

fn name_count(prepared: &Prepared) -> Values {
    let known = two_names(prepared).len();
    let values = ["one", "two"].iter().take(known);
    Values(values.map(|v| (*v).to_owned()).collect())
}

/// That a given name is known, and each, whole, nicknames made one. An initial is none.
fn given_names(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    for token in prepared.name.all_given().filter(|name| name.len() > 1) {
        values.insert("known".to_owned());
        values.insert(format!("name {}", names::root(token)));
    }
    values
}

/// That a surname is known, and each surname, whole.
fn surnames(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    for token in prepared.name.all_families().filter(|name| name.len() > 1) {
        values.insert("known".to_owned());
        values.insert(format!("name {}", names::root(token)));
    }
    values
}

/// That two surnames are known, and both by sound in any order.
fn two_surnames(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    let Some(both) = prepared.name.two_surnames() else {
        return values;
    };
    let mut both = both.map(|name| names::sound(name).unwrap_or_default());
    both.sort_unstable();
    values.insert("known".to_owned());
    values.insert(both.join(" "));
    values
}

/// `fewer than` for each size that the register does not reach: two registers share as many as the
/// larger one has.
pub(super) fn register(records: usize) -> Values {
    let last = REGISTER_POWERS.last();
    let powers = REGISTER_POWERS
        .iter()
        .filter(|power| records < 1 << **power || Some(*power) == last);
    let sizes = powers.map(|power| format!("fewer than 2^{power}"));
    Values(sizes.collect())
}

fn date(of: Trait, prepared: &Prepared) -> Values {
    let mut values = Values::default();
    if of == Trait::DateWhole {
        for date in &prepared.dates {
            if let (Some(month), Some(day)) = (date.month, date.day) {
                let year = date.year;
                values.insert(format!("{year}-{month}-{day}"));
                values.insert(format!("any {year}-{}-{}", month.min(day), month.max(day)));
            }
        }
        return values;
    }
    // The first that is full, as a year alone says less.
    let full = prepared.dates.iter().find(|d| d.day.is_some());
    let Some(date) = full.or(prepared.dates.first()) else {
        return values;
    };
    let year = date.year;
    let parts = [("m", date.month), ("d", date.day)];
    let parts = parts
        .iter()
        .filter_map(|(part, value)| Some((*part, (*value)?)));
    match of {
        Trait::DateKnown => {
            values.insert("date".to_owned());
            values.extend(date.day.map(|_| "day".to_owned()));
        }
        Trait::DateParts => {
            values.insert(format!("y{year}"));
            values.extend(parts.map(|(part, value)| format!("{part}{value}")));
        }
        _ => {
            values.insert(format!("third{}", year / 10 % 10));
            values.insert(format!("fourth{}", year % 10));
            values.insert(format!("even{}", year / 2));
            values.insert(format!("odd{}", year.div_ceil(2)));
            for (part, value) in parts {
                values.insert(format!("{part}tens{}", value / 10));
                values.insert(format!("{part}ones{}", value % 10));
            }
        }
    }
    values
}

fn town_whole(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    for town in prepared.towns.iter().take(1) {
        values.insert("known".to_owned());
        values.insert(town.clone());
        if !common::is_large_town(town) {
            values.insert(format!("rare {town}"));
        }
    }
    values
}

fn postcode(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    let Some(code) = prepared.postcodes.first() else {
        return values;
    };
    let mut sorted: Vec<char> = code.chars().collect();
    sorted.sort_unstable();
    values.insert("known".to_owned());
    values.insert(format!("any {}", sorted.into_iter().collect::<String>()));
    let tail = end(code, 3);
    for (place, letter) in tail.chars().enumerate() {
        values.insert(format!("{place}{letter}"));
    }
    values.insert(format!(
        "out {}",
        code.strip_suffix(tail).unwrap_or_default()
    ));
    values
}

/// That a street is known, the house number, and a bag of the address's letters in what is left.
fn street(record: &Record, slots: usize) -> Values {
    use crate::linkage::normalise::{places, text};
    let mut values = Values::default();
    let Some(address) = record.address.first().filter(|a| text::admit(a).is_ok()) else {
        return values;
    };
    let folded = places::without_buildings(address);
    let digits: String = folded
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    let letters: String = folded.chars().filter(char::is_ascii_alphabetic).collect();
    // A number alone names no street: it is missing.
    if letters.is_empty() {
        return values;
    }
    values.insert("known".to_owned());
    values.fill(&letters, slots.saturating_sub(2));
    if !digits.is_empty() {
        values.insert(format!("number {}", start(&digits, 6)));
    }
    values
}

fn email_whole(prepared: &Prepared) -> Values {
    let mut values = Values::default();
    for email in &prepared.emails {
        values.insert("known".to_owned());
        values.insert(format!("local {}", email.local));
        if !email.is_public_provider() {
            values.insert(format!("domain {}", email.domain));
        }
    }
    values
}

fn sex(record: &Record) -> Values {
    let known = record.sex.iter().filter_map(|s| s.parse::<Sex>().ok());
    let mut values = Values::default();
    for sex in known.filter(|sex| matches!(sex, Sex::Female | Sex::Male)) {
        values.insert("known".to_owned());
        values.insert(format!("{sex:?}"));
    }
    values
}
