//! Whole names in one column: which words are given names and which are surnames.
//!
//! Nobody says in which order a whole name stands, so the words are judged: known forenames, the
//! surnames of languages in which they come first, endings, a comma, hyphens. Where that says
//! nothing the last word is the surname. A pair of two given names is never made: Maria Elena
//! Popescu and Maria Elena Ionescu are two people.

use super::asian;
use super::spellings::{is_forename, is_patronymic, looks_like_a_surname};
use super::words::{Place, Word, words};

/// A name of more words than this is a sentence.
const MAX_WORDS: usize = 8;

/// Pairs of a given name and a surname, the likeliest first; and every word.
pub(super) fn read(written: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (name, former) = split_former(written);
    let (mut pairs, mut all) = match name.split_once(',') {
        Some((surname, given)) if has_letters(surname) && has_letters(given) => {
            in_columns(words(surname, Place::Column), words(given, Place::Column))
        }
        _ => in_one(words(name, Place::Whole)),
    };
    // The name of before goes with the same given names.
    let given: Vec<String> = pairs.iter().map(|(given, _)| given.clone()).collect();
    for word in words(former, Place::Column).into_iter().take(2) {
        pairs.extend(given.iter().map(|g| (g.clone(), word.text.clone())));
        all.push(word.text);
    }
    (pairs, all)
}

fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// `Sarah Whitfield (née Barlow)`: the name, and the one of before.
fn split_former(written: &str) -> (&str, &str) {
    let Some((name, bracketed)) = written.split_once('(') else {
        return (written, "");
    };
    let inner = bracketed.split(')').next().unwrap_or_default().trim();
    let former = inner.split_once(char::is_whitespace);
    match former {
        Some((word, former)) if is_former(word) => (name, former),
        _ => (written, ""),
    }
}

fn is_former(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':']).to_lowercase();
    [
        "née", "nee", "né", "ne", "born", "formerly", "geb", "z domu", "maiden",
    ]
    .contains(&word.as_str())
}

type Read = (Vec<(String, String)>, Vec<String>);

fn in_columns(surname: Vec<Word>, given: Vec<Word>) -> Read {
    let all = texts(&surname).chain(texts(&given)).map(str::to_owned);
    let all = all.take(MAX_WORDS).collect();
    let surname: Vec<&str> = texts(&surname).take(MAX_WORDS).collect();
    let given: Vec<&str> = texts(&given).filter(|w| !is_patronymic(w)).collect();
    let given = given.get(..given.len().min(MAX_WORDS)).unwrap_or_default();
    if let [family] = *surname.as_slice() {
        if asian::is_vietnamese_among(family, given)
            && let Some(last) = given.last()
        {
            return (vec![pair(last, family)], all);
        }
        if let Some(pairs) = chinese(family, given) {
            return (pairs, all);
        }
    }
    (product(given, &surname), all)
}

fn texts(words: &[Word]) -> impl Iterator<Item = &str> {
    words.iter().map(|word| word.text.as_str())
}

fn pair(given: &str, family: &str) -> (String, String) {
    (given.to_owned(), family.to_owned())
}

fn product(given: &[&str], family: &[&str]) -> Vec<(String, String)> {
    let pairs = given.iter().flat_map(|g| family.iter().map(|f| pair(g, f)));
    pairs.collect()
}

/// The name of a person in one run of words.
fn in_one(mut words: Vec<Word>) -> Read {
    words.truncate(MAX_WORDS);
    drop_while_two_remain(&mut words, |word| word.text.len() == 1);
    if words.len() > 2 {
        drop_while_two_remain(&mut words, |word| is_patronymic(&word.text));
    }
    let all: Vec<String> = texts(&words).map(str::to_owned).collect();
    let list: Vec<&str> = texts(&words).collect();
    let pairs = vietnamese_whole(&list)
        .or_else(|| chinese_whole(&list))
        .unwrap_or_else(|| european(&words));
    (pairs, all)
}

fn drop_while_two_remain(words: &mut Vec<Word>, is_dropped: impl Fn(&Word) -> bool) {
    if words.iter().filter(|word| !is_dropped(word)).count() >= 2 {
        words.retain(|word| !is_dropped(word));
    }
}

/// Family, middle, given: the last word is the name that the person is called by. Turned round by
/// a clerk, it is the first word or the one before the surname.
fn vietnamese_whole(words: &[&str]) -> Option<Vec<(String, String)>> {
    let [first, .., last] = words else {
        return None;
    };
    if asian::is_vietnamese_among(first, words) && !asian::is_vietnamese(last)
        || asian::is_vietnamese(first)
    {
        return Some(vec![pair(last, first)]);
    }
    if !asian::is_vietnamese_among(last, words) {
        return None;
    }
    let before = words.iter().rev().nth(1)?;
    Some(vec![pair(first, last), pair(before, last)])
}

fn chinese_whole(words: &[&str]) -> Option<Vec<(String, String)>> {
    if let [first, second, rest @ ..] = words
        && asian::is_surname_of_two(first, second)
        && !rest.is_empty()
    {
        let family = format!("{first}{second}");
        let given = asian::given_names(rest);
        return Some(given.into_iter().map(|g| (g, family.clone())).collect());
    }
    let (first, after) = words.split_first()?;
    let (last, before) = words.split_last()?;
    chinese(first, after).or_else(|| chinese(last, before))
}

/// A Chinese surname with the given name beside it, in every reading.
fn chinese(family: &str, given: &[&str]) -> Option<Vec<(String, String)>> {
    let families = asian::chinese_surnames(family);
    let fits = match given {
        [] => false,
        [one] => !is_forename(one) || asian::is_syllable(one),
        more => more.len() <= 3 && more.iter().all(|word| asian::is_syllable(word)),
    };
    if families.is_empty() || !fits {
        return None;
    }
    let given = asian::given_names(given);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    Some(product(&given, families))
}

fn european(words: &[Word]) -> Vec<(String, String)> {
    let [first, .., last] = words else {
        return Vec::new();
    };
    let known = |word: &Word| is_forename(&word.text);
    let is_reversed = (!known(first) && known(last))
        || (looks_like_a_surname(&first.text) && !looks_like_a_surname(&last.text));
    let (given, family): (Vec<&str>, Vec<&str>) = if is_reversed {
        let is_family = |word: &&Word| word.group == first.group || !known(word);
        let count = words
            .iter()
            .take_while(is_family)
            .count()
            .min(words.len() - 1);
        let (family, given) = words.split_at(count);
        (texts(given).collect(), texts(family).collect())
    } else {
        let is_given =
            |word: &&Word| word.group != last.group && (word.group == first.group || known(word));
        let count = words.iter().take_while(is_given).count().max(1);
        let (given, family) = words.split_at(count);
        (texts(given).collect(), texts(family).collect())
    };
    let mut pairs = vec![pair(&first.text, &last.text)];
    if is_reversed {
        pairs = Vec::new();
    }
    // A second forename goes with the surname that all agree on, the first with every one.
    let (head, tail) = given.split_at(given.len().min(1));
    pairs.extend(product(head, &family));
    let main = match (is_reversed, last.group == first.group) {
        (true, _) => family.as_slice(),
        (false, true) => &family,
        (false, false) => {
            let count = words.iter().filter(|w| w.group == last.group).count();
            family
                .get(family.len().saturating_sub(count)..)
                .unwrap_or_default()
        }
    };
    pairs.extend(product(tail, main));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(written: &str) -> Vec<String> {
        let mut pairs: Vec<String> = read(written)
            .0
            .into_iter()
            .map(|(given, family)| format!("{given} {family}"))
            .collect();
        pairs.sort();
        pairs.dedup();
        pairs
    }

    #[test]
    fn given_names_and_surnames_are_told_apart() {
        for (written, expected) in [
            (
                "Thomas Edward Bright",
                &["edward bright", "thomas bright"][..],
            ),
            ("Bright, Thomas Edward", &["edward bright", "thomas bright"]),
            ("BRIGHT THOMAS", &["thomas bright"]),
            ("Anna Smith-Jones", &["anna jones", "anna smith"]),
            (
                "Sarah Whitfield (née Barlow)",
                &["sarah barlow", "sarah whitfield"],
            ),
            ("Ana-Maria Șerban", &["anna serban", "maria serban"]),
            ("María García López", &["maria garcia", "maria lopez"]),
            ("García López María", &["maria garcia", "maria lopez"]),
            ("Иванов Сергей Петрович", &["sergey ivanov"]),
            ("Ivanov S. Sergey", &["sergey ivanov"]),
            ("Đỗ Thị Thu Hương", &["huong do"]),
            ("Ngô Thanh Vân", &["van ngo"]),
            ("Van Ngo", &["van ngo"]),
            ("Zhang Xiao Ming", &["xiaoming zhang"]),
            ("Xiaoming Zhang", &["xiaoming zhang"]),
            ("张晓明", &["xiaoming zhang"]),
            ("Wong Li Hua", &["lihua huang", "lihua wang"]),
            ("Ou Yang Feng", &["feng ouyang"]),
            ("Madonna", &[]),
        ] {
            assert_eq!(pairs(written), expected, "{written}");
        }
    }
}
