//! Names, taken apart so that order, accents, particles and spelling matter less.
//!
//! A written name becomes *tokens*: scripts to Latin letters, folded to ASCII, split at spaces and
//! hyphens, particles dropped or joined, each word in its usual spelling. Which token is a forename
//! and which a surname is not trusted in keys: they use unordered pairs. One written form may stand
//! for several names (Chris, Wong); then the person has each of them.

mod asian;
mod scripts;
mod sounds;
mod spellings;
mod whole;
mod words;

use super::text::ShortWord;
use super::{nicknames, text};
use crate::linkage::record::IssueReason;
use words::Place;

/// Words that stand where a name is not known yet, besides the general placeholders; sorted.
const NO_NAMES: &[&str] = &[
    "adult", "baby", "boy", "child", "doe", "female", "girl", "infant", "male", "newborn",
    "noname", "person", "surname", "test", "testing", "twin", "victim", "woman", "xx", "xxx",
];

/// Names that a large share of a community bears: beside a date they tell nobody apart, so they make
/// no key without a second name. Nguyen alone names more than a third of all Vietnamese.
const TOO_COMMON_ALONE: &[&str] = &[
    "ahmed", "ali", "begum", "bui", "chen", "dang", "hassan", "hoang", "hussain", "huynh", "kaur",
    "khan", "le", "li", "liu", "mohammed", "nguyen", "patel", "pham", "phan", "singh", "tran",
    "vo", "vu", "wang", "zhang",
];

/// One person's name tokens, without repeats and bounded, in the order they were written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersonName {
    /// From the given names, and single-word aliases.
    pub given: Vec<String>,
    /// From the surnames.
    pub family: Vec<String>,
    /// Whole names from the aliases, each with two tokens or more.
    pub whole: Vec<Vec<String>>,
    /// Given name and surname of the whole names.
    whole_pairs: Vec<(String, String)>,
    /// Two surnames that stand in one cell: the father's and the mother's, or a double-barrelled one.
    double: Option<[String; 2]>,
}

/// More tokens than this come from notes in a name column, and each costs keys.
const MAX_TOKENS: usize = 4;
/// Two given names with two surnames, and room for an alias.
const MAX_PAIRS: usize = 6;

impl PersonName {
    /// Reads the three name columns, leaving out what is a placeholder.
    #[must_use]
    pub fn read(given: &[String], surname: &[String], alias: &[String]) -> Self {
        let mut name = Self::default();
        let (given, surname) = (usable(given), usable(surname));
        if given.is_empty() || surname.is_empty() {
            for written in given.iter().chain(&surname) {
                name.add_whole_pairs(whole::read(written).0);
            }
        }
        name.read_columns(&given, &surname);
        for written in usable(alias) {
            let (pairs, tokens) = whole::read(written);
            match tokens.as_slice() {
                [] => {}
                [one] => push_each(&mut name.given, one),
                _ if name.whole.len() < MAX_TOKENS => {
                    name.add_whole_pairs(pairs);
                    name.whole.push(tokens);
                }
                _ => {}
            }
        }
        name
    }

    /// The same whichever column holds what, since columns get changed over.
    fn read_columns(&mut self, given: &[&str], surname: &[&str]) {
        let read = |column: &[&str]| -> Vec<Vec<String>> {
            column.iter().map(|written| tokens(written)).collect()
        };
        let (given, surname) = (read(given), read(surname));
        self.double = surname.iter().find_map(|value| match value.as_slice() {
            [one, other] => Some([one.clone(), other.clone()]),
            _ => None,
        });
        let all = |column: &[Vec<String>], is: fn(&str) -> bool| {
            !column.is_empty() && column.iter().flatten().all(|token| is(token))
        };
        let is_chinese = |column| all(column, |token| !asian::chinese_surnames(token).is_empty());
        let mut tokens = given.iter().chain(&surname).flatten();
        let is_vietnamese = tokens.any(|token| asian::is_vietnamese(token));
        let [given_role, surname_role] = match (is_chinese(&given), is_chinese(&surname)) {
            _ if is_vietnamese => [Role::Any; 2],
            (true, true) => [Role::ChineseEither; 2],
            (true, false) => [Role::ChineseSurname, Role::ChineseGiven],
            (false, true) => [Role::ChineseGiven, Role::ChineseSurname],
            (false, false) => [Role::Any; 2],
        };
        for value in surname {
            push_in_role(&mut self.family, value, surname_role);
        }
        for value in given {
            push_in_role(&mut self.given, without_fillers(value), given_role);
        }
    }

    fn add_whole_pairs(&mut self, pairs: Vec<(String, String)>) {
        for (given, family) in pairs {
            for one in each_name(&given.as_str()) {
                for other in each_name(&family.as_str()) {
                    let pair = ((*one).to_owned(), (*other).to_owned());
                    if self.whole_pairs.len() < MAX_PAIRS && !self.whole_pairs.contains(&pair) {
                        self.whole_pairs.push(pair);
                    }
                }
            }
        }
    }

    /// The given names of the columns, then those of whole names.
    pub(in crate::linkage) fn all_given(&self) -> impl Iterator<Item = &str> {
        let whole = self.whole_pairs.iter().map(|(given, _)| given);
        self.given.iter().chain(whole).map(String::as_str)
    }

    /// The surnames of the columns, then those of whole names.
    pub(in crate::linkage) fn all_families(&self) -> impl Iterator<Item = &str> {
        let whole = self.whole_pairs.iter().map(|(_, family)| family);
        self.family.iter().chain(whole).map(String::as_str)
    }

    /// The two surnames of someone who has two: of the columns, else of the first whole name.
    pub(in crate::linkage) fn two_surnames(&self) -> Option<[&str; 2]> {
        if let Some([one, other]) = &self.double {
            return Some([one, other]);
        }
        let (first, _) = self
            .whole_pairs
            .first()
            .filter(|_| self.family.is_empty())?;
        let beside = self.whole_pairs.iter().filter(|(given, _)| given == first);
        let mut families: Vec<&str> = beside.map(|(_, family)| family.as_str()).collect();
        families.sort_unstable();
        families.dedup();
        match families.as_slice() {
            [one, other] => Some([one, other]),
            _ => None,
        }
    }

    /// Every token that tells the person apart from most others by itself.
    #[must_use]
    pub fn singles(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let whole = self.whole.iter().flatten();
        for token in self.given.iter().chain(&self.family).chain(whole) {
            let tells = token.len() > 1 && !is_too_common(token);
            if tells && !all.contains(&token.as_str()) && all.len() < MAX_TOKENS {
                all.push(token);
            }
        }
        all
    }

    /// The pairs in which neither name is too common: the others need a full date beside them.
    #[must_use]
    pub fn telling_pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = self.pairs();
        pairs.retain(|(a, b)| !is_too_common(a) && !is_too_common(b));
        pairs
    }

    /// Pairs of a given name and a surname, of the columns and of each whole name.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for given in &self.given {
            for family in &self.family {
                pairs.push((given, family));
            }
        }
        // At least one of an alias, however many names the columns hold.
        pairs.truncate(MAX_PAIRS - usize::from(!self.whole_pairs.is_empty()));
        let whole = self.whole_pairs.iter();
        pairs.extend(whole.map(|(given, family)| (given.as_str(), family.as_str())));
        pairs.retain(|(a, b)| a != b);
        pairs.truncate(MAX_PAIRS);
        pairs
    }
}

/// Whether so many bear the name that it tells nobody apart by itself.
#[must_use]
pub fn is_too_common(token: &str) -> bool {
    TOO_COMMON_ALONE.binary_search(&token).is_ok()
}

/// What the words of a column are taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Any,
    ChineseSurname,
    ChineseGiven,
    /// Both columns hold what can be a surname.
    ChineseEither,
}

fn push_in_role(names: &mut Vec<String>, value: Vec<String>, role: Role) {
    if role == Role::Any {
        value.iter().for_each(|token| push_each(names, token));
        return;
    }
    let syllables: Vec<&str> = value.iter().map(String::as_str).collect();
    let are_syllables = syllables.iter().all(|word| asian::is_syllable(word));
    if matches!(role, Role::ChineseSurname | Role::ChineseEither) {
        let surnames = syllables
            .iter()
            .flat_map(|word| asian::chinese_surnames(word));
        surnames.for_each(|surname| push_new(names, (*surname).to_owned()));
    }
    if matches!(role, Role::ChineseGiven | Role::ChineseEither) && are_syllables {
        let given = asian::given_names(&syllables);
        given.into_iter().for_each(|name| push_new(names, name));
    } else if role != Role::ChineseSurname {
        syllables.iter().for_each(|token| push_each(names, token));
    }
}

/// Without initials and the father's name, unless there is nothing else.
fn without_fillers(mut tokens: Vec<String>) -> Vec<String> {
    let is_kept = |token: &String| token.len() > 1 && !spellings::is_patronymic(token);
    if tokens.iter().any(is_kept) {
        tokens.retain(is_kept);
    }
    tokens
}

/// The names that a token stands for: itself, or the several that it is short for.
fn each_name<'a>(token: &'a &'a str) -> &'a [&'a str] {
    match nicknames::roots(token) {
        several @ [_, _, ..] => several,
        _ => std::slice::from_ref(token),
    }
}

fn push_each(tokens: &mut Vec<String>, token: &str) {
    for name in each_name(&token) {
        push_new(tokens, (*name).to_owned());
    }
}

fn push_new(tokens: &mut Vec<String>, token: String) {
    if tokens.len() < MAX_TOKENS && !tokens.contains(&token) {
        tokens.push(token);
    }
}

fn usable(values: &[String]) -> Vec<&str> {
    let values = values.iter().map(String::as_str);
    values.filter(|v| check(v).is_ok()).collect()
}

/// Whether a name column's value can be used.
///
/// # Errors
/// Placeholders, and values without a letter.
pub fn check(written: &str) -> Result<(), IssueReason> {
    text::admit(written)?;
    let plain = text::ascii(written);
    if !plain.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Err(IssueReason::WrongForm);
    }
    let is_no_name = |word: &str| ShortWord::of(word).is_some_and(|word| word.is_in(NO_NAMES));
    let mut words = plain.split_whitespace();
    if is_no_name(&plain)
        || is_one_letter(&plain)
        || words.all(|word| is_no_name(word) || text::is_placeholder(word))
    {
        return Err(IssueReason::Placeholder);
    }
    Ok(())
}

/// One letter or digit, three times or more.
fn is_one_letter(ascii: &str) -> bool {
    let letters = ascii.bytes().filter(u8::is_ascii_alphanumeric);
    let mut letters = letters.map(|b| b.to_ascii_lowercase());
    let first = letters.next();
    let mut others = 0;
    let same = letters.all(|b| {
        others += 1;
        Some(b) == first
    });
    same && others >= 2
}

/// The tokens of one written name. Normalising them again changes nothing.
#[must_use]
pub fn tokens(written: &str) -> Vec<String> {
    let words = words::words(written, Place::Column);
    words.into_iter().map(|word| word.text).collect()
}

/// The name that a nickname stands for; a name of its own, and one short for several, stays as it is.
#[must_use]
pub fn root(token: &str) -> &str {
    match nicknames::roots(token) {
        [root] => root,
        _ => token,
    }
}

/// How a name sounds, when it has letters.
#[must_use]
pub fn sound(token: &str) -> Option<String> {
    sounds::sound(root(token))
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
