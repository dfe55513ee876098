//! The values of each [`Trait`], made from a normalised record.

use std::collections::BTreeSet;

use crate::linkage::common;
use crate::linkage::feature::{Prepared, end, start};
use crate::linkage::normalise::names;
use crate::linkage::record::{Record, Sex};

use super::Trait;

/// Features of one name in a bag: eight letters and as many pairs.
const NAME_BAG: usize = 16;
const TOWN_BAG: usize = 12;
const STREET_BAG: usize = 10;
const EMAIL_BAG: usize = 14;

/// Sizes of registers that are told apart, as powers of two.
pub(super) const REGISTER_POWERS: [u8; 10] = [9, 10, 11, 12, 13, 14, 16, 18, 20, 22];

type Values = BTreeSet<String>;

pub(super) fn values(of: Trait, prepared: &Prepared, record: &Record) -> Values {
    match of {
        Trait::NameLetters => name_letters(prepared),
        Trait::NameWhole => name_whole(prepared),
        Trait::NameCount => name_count(prepared),
        Trait::GivenStart => given_start(prepared),
        // Not of a record: see `register`.
        Trait::RegisterSize => Values::new(),
        Trait::DateKnown | Trait::DateWhole | Trait::DateParts | Trait::DateDigits => {
            date(of, prepared)
        }
        Trait::TownLetters => one_bag(prepared.towns.first().map(String::as_str), TOWN_BAG),
        Trait::TownWhole => town_whole(prepared),
        Trait::Postcode => postcode(prepared),
        Trait::Street => street(record),
        Trait::EmailWhole => email_whole(prepared),
        Trait::EmailLetters => {
            let email = prepared
                .emails
                .first()
                .map(super::super::normalise::emails::Email::address);
            one_bag(email.as_deref(), EMAIL_BAG)
        }
        Trait::NhsNumber => identifier(&prepared.nhs_numbers),
        Trait::NiNumber => identifier(&prepared.ni_numbers),
        Trait::Passport => identifier(&prepared.passports),
        Trait::Sex => sex(record),
    }
}

/// Adds a value; one that is there already is numbered, so that a bag counts repeats.
fn add(bag: &mut Values, value: &str) {
    let mut number = 1_u32;
    while !bag.insert(format!("{value}#{number}")) {
        number += 1;
    }
}

/// Letters and letter pairs of a word and fillers: always `size` values.
fn fill(bag: &mut Values, word: &str, size: usize) {
    let letters: Vec<char> = word.chars().collect();
    let pairs = size / 2;
    let mut count = 0;
    for letter in letters.iter().take(size - pairs) {
        add(bag, &format!("l{letter}"));
        count += 1;
    }
    let mut before = '^';
    for letter in letters.iter().take(pairs) {
        add(bag, &format!("p{before}{letter}"));
        before = *letter;
        count += 1;
    }
    for number in count..size {
        add(bag, &format!("fewer{number}"));
    }
}

fn one_bag(word: Option<&str>, size: usize) -> Values {
    let mut bag = Values::new();
    if let Some(word) = word {
        fill(&mut bag, word, size);
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

fn name_letters(prepared: &Prepared) -> Values {
    let mut bag = Values::new();
    for word in two_names(prepared) {
        fill(&mut bag, &word, NAME_BAG);
    }
    bag
}

fn name_whole(prepared: &Prepared) -> Values {
    let mut whole = Values::new();
    let name = &prepared.name;
    let torn = two_names(prepared);
    let all = torn.iter().chain(&name.given).chain(&name.family);
    for token in all.chain(name.whole.iter().flatten()) {
        let root = names::root(token);
        if root.len() > 1 && whole.len() < 6 {
            whole.insert(root.to_owned());
            if !common::is_common_name(root) {
                whole.insert(format!("rare {root}"));
            }
        }
    }
    whole
}

fn name_count(prepared: &Prepared) -> Values {
    let values: &[&str] = match two_names(prepared).len() {
        0 => &[],
        1 => &["one", "no second"],
        _ => &["one", "second", "two"],
    };
    values.iter().map(|v| (*v).to_owned()).collect()
}

fn given_start(prepared: &Prepared) -> Values {
    let mut values = Values::new();
    for token in prepared.name.given.iter().take(2) {
        values.insert("known".to_owned());
        values.insert(format!("start {}", start(names::root(token), 2)));
    }
    values
}

/// `fewer than` for each size that the register does not reach: two registers share as many as the
/// larger one has.
pub(super) fn register(records: usize) -> Values {
    let powers = REGISTER_POWERS
        .iter()
        .filter(|power| records < 1 << **power);
    powers
        .map(|power| format!("fewer than 2^{power}"))
        .collect()
}

fn date(of: Trait, prepared: &Prepared) -> Values {
    let mut values = Values::new();
    if of == Trait::DateWhole {
        for date in prepared.dates.iter().take(3) {
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
    let mut values = Values::new();
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
    let mut values = Values::new();
    let Some(code) = prepared.postcodes.first() else {
        return values;
    };
    let mut sorted: Vec<char> = code.chars().collect();
    sorted.sort_unstable();
    values.insert("known".to_owned());
    values.insert(format!("whole {code}"));
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

/// House number and a bag of the address's letters, without the words that most addresses have.
fn street(record: &Record) -> Values {
    use crate::linkage::normalise::text;
    let mut values = Values::new();
    let Some(address) = record.address.first().filter(|a| text::admit(a).is_ok()) else {
        return values;
    };
    let folded = text::fold(address);
    let digits: String = folded
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    if !digits.is_empty() {
        values.insert(format!("number {}", start(&digits, 6)));
    }
    let letters: String = folded.chars().filter(char::is_ascii_alphabetic).collect();
    if letters.is_empty() {
        return values;
    }
    values.insert("known".to_owned());
    fill(&mut values, &letters, STREET_BAG);
    values
}

fn email_whole(prepared: &Prepared) -> Values {
    let mut values = Values::new();
    for email in prepared.emails.iter().take(2) {
        values.insert("known".to_owned());
        values.insert(email.address());
        values.insert(format!("local {}", email.local));
        if !email.is_public_provider() {
            values.insert(format!("domain {}", email.domain));
        }
    }
    values
}

fn identifier(held: &[String]) -> Values {
    let mut values: Values = held.iter().take(3).cloned().collect();
    if !held.is_empty() {
        values.insert("known".to_owned());
    }
    values
}

fn sex(record: &Record) -> Values {
    let known = record.sex.iter().filter_map(|s| s.parse::<Sex>().ok());
    let mut values = Values::new();
    for sex in known.filter(|sex| matches!(sex, Sex::Female | Sex::Male)) {
        values.insert("known".to_owned());
        values.insert(format!("{sex:?}"));
    }
    values
}
