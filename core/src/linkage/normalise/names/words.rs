//! A written name as words: folded to ASCII, particles dropped or joined, each word in its usual
//! spelling. Doing it again changes nothing.

use super::super::text;
use super::scripts::latin;
use super::spellings::{self, SERVANT_OF};

/// Titles that get written into name columns, and words that announce another name.
const TITLES: &[&str] = &[
    "aka", "dr", "formerly", "madam", "master", "miss", "mr", "mrs", "ms", "mx", "nee",
];

/// Particles of Arabic names: each is left out as often as not.
const DROPPED: &[&str] = &["al", "bin", "bint", "binti", "bte", "el", "ibn", "ul", "ur"];

/// The gender middles of Vietnamese names; as the last word they are given names.
const MIDDLES: &[&str] = &["thi", "van"];

/// Particles that are written apart or together: joined to what follows. Le, La, Do and Du are left
/// out, being Vietnamese surnames too.
const JOINED: &[&str] = &[
    "da", "das", "de", "del", "della", "den", "der", "di", "dos", "mac", "mc", "o", "st", "von",
];

/// Articles that go with a `de` before them: `de la Cruz`.
const AFTER_DE: &[&str] = &["la", "las", "los", "el"];

/// One word, and which words it was written together with by a hyphen.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    /// The same for all words of a double-barrelled name.
    pub group: usize,
}

/// Which column, or part of one, a text comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Given names or surnames alone.
    Column,
    /// A whole name, in which what comes first is never a gender middle.
    Whole,
}

/// The words of a name.
pub(super) fn words(written: &str, place: Place) -> Vec<Word> {
    /// Joining can make a particle (`de l`), which then joins in its turn: two or three rounds in
    /// any name, and a bound for what is none.
    const MAX_ROUNDS: usize = 64;
    let mut words = split(written);
    for _ in 0..MAX_ROUNDS {
        if !round(&mut words, place) {
            break;
        }
    }
    words
}

/// Split at everything that is no letter, but apostrophes; a hyphen keeps its words in one group.
fn split(written: &str) -> Vec<Word> {
    let folded = text::fold(&latin(written));
    let mut words: Vec<Word> = Vec::new();
    let mut text = String::new();
    let mut group = 0;
    for c in folded.chars().chain([' ']) {
        if c.is_ascii_alphabetic() {
            text.push(c);
            continue;
        }
        let ends = c.is_whitespace() || "-/,._()".contains(c);
        if ends && !text.is_empty() {
            words.push(Word {
                text: std::mem::take(&mut text),
                group,
            });
        }
        if ends && c != '-' {
            group = words.len();
        }
    }
    words
}

/// Whether anything changed.
fn round(words: &mut Vec<Word>, place: Place) -> bool {
    let before = words.len();
    if before > 1 {
        leave_out(words, TITLES);
        leave_out(words, DROPPED);
        leave_out_middles(words, place);
        join_prefixes(words);
    }
    let mut changed = words.len() != before;
    for word in words {
        if let Some(usual) = spellings::usual(&word.text) {
            changed |= usual != word.text;
            word.text = usual;
        }
    }
    changed
}

/// Leaves out the listed words, unless nothing else is there.
fn leave_out(words: &mut Vec<Word>, dropped: &[&str]) {
    let is_dropped = |word: &Word| dropped.contains(&word.text.as_str());
    if !words.iter().all(is_dropped) {
        words.retain(|word| !is_dropped(word));
    }
}

fn leave_out_middles(words: &mut Vec<Word>, place: Place) {
    let last = words.len().saturating_sub(1);
    let first = usize::from(place == Place::Whole);
    let mut index = 0;
    words.retain(|word| {
        let is_inside = (first..last).contains(&index);
        index += 1;
        !(is_inside && MIDDLES.contains(&word.text.as_str()))
    });
}

/// `de souza` and `desouza`, `abd al rahman` and `abdul rahman` are the same name.
fn join_prefixes(words: &mut Vec<Word>) {
    let starts = |word: &Word| {
        JOINED.contains(&word.text.as_str()) || SERVANT_OF.contains(&word.text.as_str())
    };
    if !words.iter().any(starts) {
        return;
    }
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    let mut prefix: Option<Word> = None;
    let last = words.len().saturating_sub(1);
    for (index, word) in std::mem::take(words).into_iter().enumerate() {
        let follows_de = prefix.as_ref().is_some_and(|p| p.text == "de");
        let joins = starts(&word) || (follows_de && AFTER_DE.contains(&word.text.as_str()));
        let mut whole = prefix.take().unwrap_or(Word {
            text: String::new(),
            group: word.group,
        });
        whole.text.push_str(&word.text);
        whole.group = word.group;
        if index == last || !joins {
            joined.push(whole);
        } else {
            prefix = Some(whole);
        }
    }
    *words = joined;
}
