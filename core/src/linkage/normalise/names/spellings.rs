//! One spelling for the names that have many, and one form for endings that change with the bearer.

use std::sync::LazyLock;

use super::super::nicknames;
use super::super::tables::Table;

static SPELLINGS: LazyLock<Table<&'static str>> = LazyLock::new(|| {
    let mut spellings = Table::default();
    for line in include_str!("spellings.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let mut names = line.split_whitespace();
        let Some(usual) = names.next() else { continue };
        for name in std::iter::once(usual).chain(names) {
            spellings.entry(name).or_insert(usual);
        }
    }
    spellings
});

/// "Servant of", the longest first, so that the article goes with it.
pub(super) const SERVANT_OF: &[&str] = &[
    "abdoul", "abdul", "abdel", "abdal", "abdur", "abder", "abdar", "abdus", "abdes", "abd",
];

/// Russian, Ukrainian and Polish adjectives as surnames: of a woman, and in other spellings.
const ADJECTIVES: &[(&str, &str)] = &[
    ("skaya", "ski"),
    ("skaia", "ski"),
    ("skaja", "ski"),
    ("ska", "ski"),
    ("skiy", "ski"),
    ("skij", "ski"),
    ("skyi", "ski"),
    ("skyy", "ski"),
    ("skii", "ski"),
    ("sky", "ski"),
    ("cka", "cki"),
    ("dzka", "dzki"),
];

/// Shorter words that end so are no surnames of this kind.
const SHORTEST_WITH_ENDING: usize = 6;

/// Every name that is used for others.
pub(super) fn usual_spellings() -> impl Iterator<Item = &'static str> {
    SPELLINGS.values().copied()
}

/// Whether a name in its usual spelling is known as a forename.
pub(super) fn is_forename(token: &str) -> bool {
    SPELLINGS.contains_key(token) || !nicknames::roots(token).is_empty()
}

/// The usual spelling of a name, where that may be another: a name of its own stays as it is.
pub(super) fn usual(word: &str) -> Option<String> {
    if let Some(usual) = SPELLINGS.get(word) {
        return (*usual != word).then(|| (*usual).to_owned());
    }
    if !nicknames::roots(word).is_empty() {
        return None;
    }
    if word.starts_with("abd") {
        for prefix in SERVANT_OF {
            if let Some(rest) = word.strip_prefix(prefix)
                && rest.len() >= 3
            {
                return Some(format!("abd{}", without_assimilation(rest)));
            }
        }
    }
    if let Some(origin) = of_origin(word) {
        return Some(origin.to_owned());
    }
    masculine(word)
}

/// The article takes on the sound that follows: abd ar-rahman, abdurrahman.
fn without_assimilation(rest: &str) -> &str {
    match rest.as_bytes() {
        [first, second, ..] if first == second => rest.get(1..).unwrap_or(rest),
        _ => rest,
    }
}

/// An Arabic name of origin with its article written together: `alotaibi`, `elmasri`.
fn of_origin(word: &str) -> Option<&str> {
    const SHORTEST: usize = 5;
    let rest = word.strip_prefix("al").or(word.strip_prefix("el"))?;
    (rest.len() >= SHORTEST && rest.ends_with('i') && !rest.ends_with("ski")).then_some(rest)
}

/// Kowalska and Kowalski, Ivanova and Ivanov are one family.
fn masculine(word: &str) -> Option<String> {
    if word.len() < SHORTEST_WITH_ENDING || !word.ends_with(['a', 'y', 'j', 'i']) {
        return None;
    }
    for (ending, usual) in ADJECTIVES {
        if let Some(stem) = word.strip_suffix(ending) {
            return Some(format!("{stem}{usual}"));
        }
    }
    let rest = word.strip_suffix('a')?;
    (rest.ends_with("ov") || rest.ends_with("ev")).then(|| rest.to_owned())
}

/// The father's name in Russian, Ukrainian and Bulgarian forms.
pub(super) fn is_patronymic(word: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "ovich", "evich", "ovych", "evych", "yovych", "iovych", "ovitch", "evitch", "ovna", "evna",
        "ivna", "yivna", "ichna", "inichna",
    ];
    word.len() > SHORTEST_WITH_ENDING && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether a name ends as surnames do, so that it is one even where it comes first.
pub(super) fn looks_like_a_surname(word: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "ov", "ev", "enko", "chuk", "ski", "cki", "dzki", "wicz", "czyk", "escu", "oglu",
        "opoulos", "idis", "akis", "ez",
    ];
    word.len() >= 5 && !is_forename(word) && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_two_groups() {
        let mut seen = std::collections::BTreeSet::new();
        for line in include_str!("spellings.txt").lines() {
            if !line.starts_with('#') {
                for name in line.split_whitespace() {
                    assert!(seen.insert(name), "{name} is in two groups");
                }
            }
        }
    }

    #[test]
    fn endings() {
        for (written, form) in [
            ("kowalska", "kowalski"),
            ("nowicka", "nowicki"),
            ("zawadzka", "zawadzki"),
            ("dostoevskaya", "dostoevski"),
            ("chaykovskiy", "chaykovski"),
            ("ivanova", "ivanov"),
            ("lebedeva", "lebedev"),
            ("alotaibi", "otaibi"),
            // Too short, or another word.
            ("eva", "ewa"),
            ("agnieszka", "agnieszka"),
            ("marina", "marina"),
            ("nowak", "nowak"),
        ] {
            assert_eq!(usual(written).as_deref().unwrap_or(written), form);
        }
    }

    #[test]
    fn fathers_names() {
        for patronymic in ["ivanovna", "petrovich", "serhiyovych", "ilyinichna"] {
            assert!(is_patronymic(patronymic), "{patronymic}");
        }
        for other in ["ivanov", "jovanovic", "anna", "edna"] {
            assert!(!is_patronymic(other), "{other}");
        }
    }
}
