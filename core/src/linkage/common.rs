//! Names and towns that very many people share: agreement on them says less than on others.
//!
//! Both sides of a match must weigh alike, so the lists ship with the product, and a change of them
//! is a change of the schema's version.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::normalise::{names, nicknames};

/// Each listed name, in its usual spelling, and its roots: a name is looked up by any of them.
static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut all = BTreeSet::new();
    for word in words(include_str!("common_names.txt")) {
        for token in names::tokens(word) {
            all.extend(nicknames::roots(&token).iter().map(|r| (*r).to_owned()));
            all.insert(token);
        }
        all.insert(word.to_owned());
    }
    all
});
static TOWNS: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| words(include_str!("large_towns.txt")));

fn words(list: &'static str) -> BTreeSet<&'static str> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
}

/// Whether a forename or surname (a root, see [`names::root`]) is among the common ones.
#[must_use]
pub fn is_common_name(root: &str) -> bool {
    NAMES.contains(root) || names::is_too_common(root)
}

/// Whether a town, as it is normalised, is among the largest.
#[must_use]
pub fn is_large_town(town: &str) -> bool {
    TOWNS.contains(town)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_and_rare() {
        for name in ["smith", "jones", "patel", "james", "oliver", "elizabeth"] {
            assert!(is_common_name(name), "{name}");
        }
        for name in ["zywiec", "featherstonehaugh", "ptolemy"] {
            assert!(!is_common_name(name), "{name}");
        }
        assert!(is_large_town("london") && !is_large_town("penzance"));
    }

    #[test]
    fn the_lists_are_in_the_form_that_is_looked_up() {
        let lower = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(NAMES.iter().all(|name| lower(name)) && TOWNS.iter().all(|town| lower(town)));
        for name in NAMES.iter() {
            assert!(NAMES.contains(names::root(name)), "{name} without its root");
        }
    }
}
