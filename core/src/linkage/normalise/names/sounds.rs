//! How a name sounds, across the spellings of several languages.
//!
//! The primary double metaphone code of a respelt name says its consonants. That alone would make
//! Lan, Linh and Long one, and every brother and sister whose names differ in an ending: so the
//! vowels of a short name go with it, and of a longer one its first vowel, roughly, and whether it
//! ends with *a*. Names of up to three letters, the syllables of Chinese and Vietnamese surnames and
//! known names whose codes are the same (Hamid and Hamad) stay as they are written.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rphonetic::DoubleMetaphone;

use super::super::nicknames;
use super::super::tables::Words;
use super::{asian, spellings};

const CODE_LEN: usize = 6;
/// Up to this length a name is its own sound.
const AS_WRITTEN: usize = 3;
/// Up to this length every vowel counts.
const SHORT: usize = 4;

static ENCODER: LazyLock<DoubleMetaphone> = LazyLock::new(|| DoubleMetaphone::new(Some(CODE_LEN)));

/// Known names that would have the code of another known name.
static CONFUSABLE: LazyLock<Words> = LazyLock::new(|| {
    let mut by_code: HashMap<String, HashSet<&'static str>> = HashMap::new();
    let known = spellings::usual_spellings().flat_map(|name| match nicknames::roots(name) {
        [] => vec![name],
        roots => roots.to_vec(),
    });
    for name in known.chain(nicknames::all_roots()) {
        by_code.entry(code(name)).or_default().insert(name);
    }
    let shared = by_code.into_values().filter(|names| names.len() > 1);
    shared.flatten().collect()
});

/// The sound of a name that nicknames and spellings were already taken from.
pub(super) fn sound(name: &str) -> Option<String> {
    if name.len() <= AS_WRITTEN || asian::is_surname(name) {
        return (!name.is_empty()).then(|| name.to_owned());
    }
    let mut code = code(name);
    if CONFUSABLE.contains(name) {
        code.push(':');
        code.push_str(name);
    }
    Some(code)
}

fn code(name: &str) -> String {
    let respelt = respell(name);
    let mut code = ENCODER.double_metaphone(&respelt).primary();
    code.make_ascii_lowercase();
    let vowels = respelt.bytes().filter(|b| b"aeiouy".contains(b));
    if respelt.len() <= SHORT {
        code.push('-');
        code.extend(vowels.map(|b| char::from(if b == b'y' { b'i' } else { b })));
        return code;
    }
    code.push('.');
    if let Some(first) = { vowels }.next() {
        code.push(if b"ou".contains(&first) { 'o' } else { 'e' });
    }
    if respelt.ends_with('a') {
        code.push('a');
    }
    code
}

/// Letters at the beginning of a name that sound like others.
const BEGINNINGS: &[(&str, &str)] = &[
    ("chatzi", "hasi"),
    ("hatzi", "hasi"),
    ("hadji", "hasi"),
    ("tch", "ch"),
    ("mp", "b"),
    ("nt", "d"),
    ("gk", "g"),
    ("ks", "x"),
    ("oi", "i"),
    ("ai", "e"),
    ("ey", "i"),
];

/// Letters anywhere that are one sound in one of the languages, and what they become. The longer
/// stands before the shorter.
const TOGETHER: &[(&str, &str)] = &[
    ("dzh", "j"),
    ("shch", "sh"),
    ("sch", "sh"),
    ("xh", "j"),
    ("gj", "j"),
    ("dj", "j"),
    ("dz", "j"),
    ("zh", "j"),
    ("kh", "h"),
    ("th", "t"),
    ("dh", "d"),
    ("ts", "s"),
    ("tz", "s"),
    ("sz", "sh"),
    ("cz", "ch"),
    ("nj", "ni"),
    ("lj", "li"),
    ("gk", "g"),
    ("ou", "u"),
    ("oo", "u"),
    ("ee", "i"),
    ("ea", "i"),
    ("ei", "i"),
    ("oe", "o"),
    ("ue", "u"),
    ("q", "k"),
    ("w", "v"),
];

/// One spelling for sounds that the languages write differently; doubled letters become single.
fn respell(name: &str) -> String {
    let mut rest = name;
    let mut respelt = String::with_capacity(name.len() + 2);
    if let Some((from, to)) = BEGINNINGS.iter().find(|(from, _)| rest.starts_with(from)) {
        respelt.push_str(to);
        rest = rest.get(from.len()..).unwrap_or_default();
    }
    while let Some(first) = rest.chars().next() {
        let together = TOGETHER.iter().find(|(from, _)| {
            // Most differ in the first letter, which is cheap to see.
            from.as_bytes().first() == rest.as_bytes().first() && rest.starts_with(from)
        });
        let taken = match together {
            Some((from, to)) => {
                respelt.push_str(to);
                from.len()
            }
            None if is_soft_g(rest) => {
                // Greek g before i and another vowel is a y: Karagianni, Karayianni.
                respelt.push('y');
                2
            }
            None => {
                if !respelt.ends_with(first) {
                    respelt.push(first);
                }
                first.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    respelt
}

fn is_soft_g(rest: &str) -> bool {
    match rest.as_bytes() {
        [b'g' | b'y', b'i', next, ..] => b"aeou".contains(next),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sound_in_many_spellings() {
        for (one, other) in [
            ("smith", "smyth"),
            ("hoxha", "hodza"),
            ("kuznetsov", "kusnezow"),
            ("papadopoulos", "papadopulos"),
            ("karagianni", "karayianni"),
            ("oikonomou", "economou"),
            ("chatzis", "hatzis"),
            ("xenos", "ksenos"),
            ("rrustemi", "rustemi"),
            ("khristov", "hristov"),
            ("ntalas", "dalas"),
        ] {
            assert_eq!(sound(one), sound(other), "{one} {other}");
        }
    }

    #[test]
    fn names_that_only_look_alike_sound_different() {
        for (one, other) in [
            ("smith", "jones"),
            ("linh", "long"),
            ("lan", "linh"),
            ("zhang", "zheng"),
            ("andrei", "andreea"),
            ("hamid", "hamad"),
            ("dimitar", "dmitry"),
            ("hassan", "hussain"),
            ("kowalski", "kowalczyk"),
        ] {
            assert_ne!(sound(one), sound(other), "{one} {other}");
        }
    }
}
