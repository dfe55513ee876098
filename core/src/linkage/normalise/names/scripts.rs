//! Scripts whose letters say more together than one by one: Cyrillic, Greek, Chinese.
//!
//! Other scripts are left to the general transliteration. Cyrillic follows the romanisation of
//! passports (ICAO 9303, Ukrainian where the letters are Ukrainian), Greek follows ELOT 743;
//! what other romanisations write differently is made one by the spellings and by the sound.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// The text with Cyrillic and Greek in Latin letters, and Chinese characters as words.
pub(super) fn latin(written: &str) -> Cow<'_, str> {
    if written.is_ascii() {
        return Cow::Borrowed(written);
    }
    let composed: Vec<char> = written.nfc().flat_map(char::to_lowercase).collect();
    if !composed
        .iter()
        .any(|c| is_cyrillic(*c) || is_greek(*c) || is_chinese(*c))
    {
        return Cow::Borrowed(written);
    }
    let is_ukrainian = composed.iter().any(|c| "іїєґ".contains(*c));
    let mut latin = String::with_capacity(composed.len() * 2);
    let mut rest = composed.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        let mut taken = 1;
        if is_cyrillic(*first) {
            latin.push_str(cyrillic(*first, is_ukrainian));
        } else if is_greek(*first) {
            let is_start = !latin.chars().next_back().is_some_and(char::is_alphabetic);
            taken = push_greek(&mut latin, *first, tail.first().copied(), is_start);
        } else if is_chinese(*first) {
            latin.push(' ');
            latin.push(*first);
            latin.push(' ');
        } else {
            latin.push(*first);
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Cow::Owned(latin)
}

fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{52f}').contains(&c)
}

fn is_greek(c: char) -> bool {
    ('\u{370}'..='\u{3ff}').contains(&c) || ('\u{1f00}'..='\u{1fff}').contains(&c)
}

fn is_chinese(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c)
}

fn cyrillic(letter: char, is_ukrainian: bool) -> &'static str {
    match letter {
        // The hard sign is a vowel in Bulgarian and left out of modern Russian names.
        'а' | 'ъ' => "a",
        'б' => "b",
        'в' => "v",
        'г' if is_ukrainian => "h",
        'г' | 'ґ' => "g",
        'д' => "d",
        'е' | 'ё' | 'э' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' if is_ukrainian => "y",
        'и' | 'і' => "i",
        'й' | 'ї' if is_ukrainian => "i",
        'й' | 'ы' => "y",
        'ї' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' | 'ў' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ю' => "yu",
        'я' => "ya",
        'є' => "ie",
        'ј' => "j",
        'љ' => "lj",
        'њ' => "nj",
        'ђ' => "dj",
        'ћ' => "c",
        'џ' => "dz",
        'ѓ' => "gj",
        'ќ' => "kj",
        'ѕ' => "dz",
        _ => "",
    }
}

/// Writes a letter, or two that are one sound; how many were taken.
fn push_greek(latin: &mut String, letter: char, next: Option<char>, is_start: bool) -> usize {
    let plain = |c: char| c.nfd().next().unwrap_or(c);
    // A diaeresis keeps two vowels apart.
    let next = next
        .filter(|c| !c.nfd().any(|mark| mark == '\u{308}'))
        .map(plain);
    let pair = match (plain(letter), next) {
        ('ο', Some('υ')) => "ou",
        ('ε', Some('υ')) => "ev",
        ('α', Some('υ')) => "av",
        ('μ', Some('π')) if is_start => "b",
        ('μ', Some('π')) => "mp",
        ('ν', Some('τ')) if is_start => "d",
        ('γ', Some('κ')) if is_start => "g",
        ('γ', Some('γ' | 'κ')) => "ng",
        ('γ', Some('χ')) => "nch",
        _ => "",
    };
    if !pair.is_empty() {
        latin.push_str(pair);
        return 2;
    }
    latin.push_str(match plain(letter) {
        'α' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' => "e",
        'ζ' => "z",
        'η' | 'ι' => "i",
        'θ' => "th",
        'κ' => "k",
        'λ' => "l",
        'μ' => "m",
        'ν' => "n",
        'ξ' => "x",
        'ο' | 'ω' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'τ' => "t",
        'υ' => "y",
        'φ' => "f",
        'χ' => "ch",
        'ψ' => "ps",
        _ => "",
    });
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        for (written, expected) in [
            ("Юлия Щербакова", "yuliya shcherbakova"),
            ("Сергій Гриценко", "serhii hrytsenko"),
            ("Фёдор", "fedor"),
            ("Георги", "georgi"),
            ("Γεώργιος Παπαδόπουλος", "georgios papadopoulos"),
            ("Μπακογιάννης Ντάλας", "bakogiannis dalas"),
            ("Ευάγγελος", "evangelos"),
            ("张伟", " 张  伟 "),
            ("Đức", "Đức"),
            ("Anna", "Anna"),
        ] {
            assert_eq!(latin(written), expected, "{written}");
        }
    }
}
