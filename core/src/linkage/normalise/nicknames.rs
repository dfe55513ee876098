//! English nicknames: one group of names a line in `nicknames.txt`, the first being the root.
//!
//! A short form that belongs to several names (`alex`, `chris`, `sam`) forms a root of its own
//! with all of them, because a key can only hold one value: the loss of telling `alexander` from
//! `alexandra` is small beside surname and date.

use std::collections::HashMap;
use std::sync::LazyLock;

static ROOTS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let mut roots = HashMap::new();
    for line in include_str!("nicknames.txt").lines() {
        let mut names = line.split_whitespace();
        let Some(root) = names.next() else { continue };
        if root.starts_with('#') {
            continue;
        }
        for name in std::iter::once(root).chain(names) {
            roots.entry(name).or_insert(root);
        }
    }
    roots
});

/// The root of a folded name, when it belongs to a group.
#[must_use]
pub fn root(name: &str) -> Option<&'static str> {
    ROOTS.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_its_own_root_and_no_name_is_in_two_groups() {
        let mut seen = std::collections::BTreeSet::new();
        for line in include_str!("nicknames.txt").lines() {
            if line.starts_with('#') {
                continue;
            }
            for name in line.split_whitespace() {
                assert!(seen.insert(name), "{name} is in two groups");
                assert_eq!(root(name).and_then(root), root(name));
            }
        }
        assert!(ROOTS.len() > 300, "{}", ROOTS.len());
    }
}
