//! What goes wrong when a name or a number is written down: pure functions from right to wrong.
//!
//! Each gives `None` where it does not apply (a name without accents has none to lose). Who slips,
//! and how often, is [`super::record`]'s affair.

use time::{Date, Month};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::random::Random;
use super::words::{NICKNAMES, SPELLINGS, STREET_SHORT};

/// Years that a person on file can have been born in.
const YEARS: std::ops::RangeInclusive<i32> = 1930..=2024;

/// One letter too many.
pub(super) fn insert(random: &mut Random, value: &str) -> Option<String> {
    let mut letters: Vec<char> = value.chars().collect();
    let at = random.between(1, letters.len().max(1));
    let extra = match random.below(2) {
        0 => *letters.get(at.checked_sub(1)?)?,
        _ => random.pick(&['a', 'e', 'i', 'n', 'r', 's', 't']),
    };
    letters.insert(at.min(letters.len()), extra.to_lowercase().next()?);
    Some(letters.into_iter().collect())
}

/// One letter lost.
pub(super) fn delete(random: &mut Random, value: &str) -> Option<String> {
    let mut letters: Vec<char> = value.chars().collect();
    if letters.len() < 4 {
        return None;
    }
    letters.remove(random.between(1, letters.len() - 1));
    Some(letters.into_iter().collect())
}

/// One letter struck for another.
pub(super) fn replace(random: &mut Random, value: &str) -> Option<String> {
    let mut letters: Vec<char> = value.chars().collect();
    if letters.len() < 3 {
        return None;
    }
    let at = random.between(1, letters.len() - 1);
    let other = random.pick(&['a', 'e', 'i', 'o', 'u', 'n', 'm', 'r', 't', 'k', 'h']);
    *letters.get_mut(at)? = other;
    Some(letters.into_iter().collect())
}

/// Two neighbours the wrong way round.
pub(super) fn transpose(random: &mut Random, value: &str) -> Option<String> {
    let mut letters: Vec<char> = value.chars().collect();
    if letters.len() < 4 {
        return None;
    }
    let at = random.between(1, letters.len() - 2);
    letters.swap(at, at + 1);
    Some(letters.into_iter().collect())
}

/// A nickname for one of the words, or the full name for a nickname.
pub(super) fn nickname(random: &mut Random, value: &str) -> Option<String> {
    another_of_the_line(random, value, NICKNAMES)
}

/// Another usual spelling of one of the words.
pub(super) fn spelling(random: &mut Random, value: &str) -> Option<String> {
    another_of_the_line(random, value, SPELLINGS)
}

fn another_of_the_line(random: &mut Random, value: &str, lines: &str) -> Option<String> {
    for word in value.split(' ') {
        let Some(line) = lines
            .lines()
            .find(|line| line.split_whitespace().any(|w| w == word))
        else {
            continue;
        };
        let others: Vec<&str> = line.split_whitespace().filter(|w| *w != word).collect();
        return Some(value.replacen(word, random.pick(&others), 1));
    }
    None
}

/// The letters without their marks, as an old system or an English keyboard leaves them.
pub(super) fn plain_letters(value: &str) -> Option<String> {
    let plain: String = value
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| match c {
            'đ' => 'd',
            'Đ' => 'D',
            'ł' => 'l',
            'Ł' => 'L',
            other => other,
        })
        .collect();
    (plain != value).then_some(plain)
}

/// The same letters as base and combining marks (NFD): looks the same, compares otherwise.
pub(super) fn decomposed(value: &str) -> Option<String> {
    let apart: String = value.nfd().collect();
    (apart != value).then_some(apart)
}

/// Romanian s and t with cedilla, as keyboards before 2007 wrote them, for those with comma below.
pub(super) fn cedilla(value: &str) -> Option<String> {
    let old: String = value
        .chars()
        .map(|c| match c {
            'ș' => 'ş',
            'Ș' => 'Ş',
            'ț' => 'ţ',
            'Ț' => 'Ţ',
            other => other,
        })
        .collect();
    (old != value).then_some(old)
}

/// An Arabic particle written apart, joined, in the other vowel, or left out.
pub(super) fn particle(random: &mut Random, value: &str) -> Option<String> {
    let (article, rest) = value.split_once('-')?;
    let other = match article {
        "Al" => "El",
        "El" => "Al",
        "Bin" => "Ibn",
        _ => return None,
    };
    Some(match random.below(4) {
        0 => format!("{article} {rest}"),
        1 => format!("{article}{}", rest.to_lowercase()),
        2 => format!("{}-{rest}", other.to_lowercase()),
        _ => rest.to_owned(),
    })
}

/// A family-first name read as if the family name came last: `(given, surname)` of the wrong form.
pub(super) fn misread_order(given: &str, family: &str) -> (String, String) {
    match given.rsplit_once(' ') {
        Some((middle, last)) => (format!("{family} {middle}"), last.to_owned()),
        None => (family.to_owned(), given.to_owned()),
    }
}

/// Capitals throughout, or none.
pub(super) fn letter_case(random: &mut Random, value: &str) -> Option<String> {
    let changed = if random.percent(70) {
        value.to_uppercase()
    } else {
        value.to_lowercase()
    };
    (changed != value).then_some(changed)
}

/// Spaces that nobody sees: before, after, doubled.
pub(super) fn stray_spaces(random: &mut Random, value: &str) -> Option<String> {
    Some(match random.below(3) {
        0 => format!(" {value}"),
        1 if value.contains(' ') => value.replacen(' ', "  ", 1),
        _ => format!("{value} "),
    })
}

/// Day and month exchanged, where that is a date and another one.
pub(super) fn day_month_swapped(date: Date) -> Option<Date> {
    let month = Month::try_from(date.day()).ok()?;
    let swapped = Date::from_calendar_date(date.year(), month, u8::from(date.month())).ok()?;
    (swapped != date).then_some(swapped)
}

/// One digit of the date wrong, where that is a date that a person can have been born on.
pub(super) fn one_digit_wrong(random: &mut Random, date: Date) -> Option<Date> {
    let digits = format!(
        "{:04}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    );
    (0..40).find_map(|_| {
        let at = random.between(2, 7);
        let digit = random.below(10).to_string();
        let changed = format!("{}{digit}{}", digits.get(..at)?, digits.get(at + 1..)?);
        let month = Month::try_from(changed.get(4..6)?.parse::<u8>().ok()?).ok()?;
        let year = changed.get(..4)?.parse().ok()?;
        let wrong = Date::from_calendar_date(year, month, changed.get(6..)?.parse().ok()?).ok()?;
        (wrong != date && YEARS.contains(&year)).then_some(wrong)
    })
}

/// 1 January, for someone of whom only the year is known.
pub(super) fn year_only(date: Date) -> Option<Date> {
    let first = Date::from_ordinal_date(date.year(), 1).ok()?;
    (first != date).then_some(first)
}

/// The number as somebody else would write it. Takes the national form.
pub(super) fn phone_form(random: &mut Random, national: &str) -> Option<String> {
    let tail = national.strip_prefix('0')?;
    let squeezed: String = national.split(' ').collect();
    Some(match random.below(6) {
        0 => squeezed,
        1 => format!("+44 {tail}"),
        2 => format!("+44{}", squeezed.strip_prefix('0')?),
        3 => format!("0044 {tail}"),
        4 => national.replace(' ', "-"),
        _ => format!("+44 (0){tail}"),
    })
}

/// The address with its street shortened: `Mill Ln`.
pub(super) fn short_street(address: &str) -> Option<String> {
    STREET_SHORT
        .iter()
        .find(|(long, _)| address.ends_with(long))
        .map(|(long, short)| format!("{}{short}", address.trim_end_matches(long)))
}

/// A postcode in lower case or without its space.
pub(super) fn postcode_form(random: &mut Random, postcode: &str) -> Option<String> {
    Some(match random.below(3) {
        0 => postcode.to_lowercase(),
        1 => postcode.replace(' ', "").to_lowercase(),
        _ => postcode.replace(' ', ""),
    })
}

/// Ten digits in threes and a four, as on a letter: `999 123 4567`.
pub(super) fn nhs_form(number: &str) -> Option<String> {
    Some(format!(
        "{} {} {}",
        number.get(..3)?,
        number.get(3..6)?,
        number.get(6..)?
    ))
}

/// A NI number in pairs, as on a payslip: `XX 12 34 56 A`.
pub(super) fn ni_form(number: &str) -> Option<String> {
    let pairs: Option<Vec<&str>> = (0..4).map(|i| number.get(2 * i..2 * i + 2)).collect();
    Some(format!("{} {}", pairs?.join(" "), number.get(8..)?))
}

/// One digit of a number struck for another.
pub(super) fn digit_wrong(random: &mut Random, number: &str) -> Option<String> {
    let digits: Vec<usize> = number
        .char_indices()
        .filter(|(_, c)| c.is_ascii_digit())
        .map(|(at, _)| at)
        .collect();
    let at = *digits.get(random.below(digits.len()))?;
    Some(format!(
        "{}{}{}",
        number.get(..at)?,
        random.below(10),
        number.get(at + 1..)?
    ))
}

/// The same number with a check digit that cannot be right.
pub(super) fn nhs_broken(number: &str) -> Option<String> {
    let (last, check) = number.char_indices().next_back()?;
    Some(format!(
        "{}{}",
        number.get(..last)?,
        (check.to_digit(10)? + 1) % 10
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_their_marks_and_nothing_else() {
        assert_eq!(
            plain_letters("Đặng Thị Phượng").as_deref(),
            Some("Dang Thi Phuong")
        );
        assert_eq!(plain_letters("Łukasz Żak").as_deref(), Some("Lukasz Zak"));
        assert_eq!(plain_letters("O'Brien"), None);
        assert_eq!(cedilla("Ștefan Niță").as_deref(), Some("Ştefan Niţă"));
    }

    #[test]
    fn a_misread_name_puts_the_given_name_last() {
        let (given, surname) = misread_order("Thị Lan", "Nguyễn");
        assert_eq!((given.as_str(), surname.as_str()), ("Nguyễn Thị", "Lan"));
    }

    #[test]
    fn dates_go_wrong_into_dates() {
        let mut random = Random::new(11);
        let leap_day = Date::from_calendar_date(2004, Month::February, 29).unwrap();
        assert_eq!(day_month_swapped(leap_day), None);
        for _ in 0..200 {
            let wrong = one_digit_wrong(&mut random, leap_day).unwrap();
            assert_ne!(wrong, leap_day);
        }
    }
}
