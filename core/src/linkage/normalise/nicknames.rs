//! Nicknames: one group of names a line in `nicknames.txt`, the first being the root.
//!
//! A short form that belongs to several names (`alex`, `chris`, `sam`) has several roots, and a
//! person who is called so makes the keys of each: `sam` meets `samuel` and `samantha`, which do not
//! meet each other.
//!
//! An agency may have nicknames of its own, in a file of the same form: [`Nicknames`]. They only
//! ever *add* names to a record, so that a counterpart without the file still finds all that it
//! would find otherwise, and one that writes the root finds the record too. They are therefore no
//! part of the schema or of a normaliser's version.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::names;
use super::tables::Table;
use crate::linkage::record::Record;

static ROOTS: LazyLock<Table<Vec<&'static str>>> = LazyLock::new(|| {
    let mut roots: Table<Vec<_>> = Table::default();
    for group in groups(include_str!("nicknames.txt")) {
        let Some(root) = group.first() else { continue };
        for name in &group {
            roots.entry(*name).or_default().push(*root);
        }
    }
    roots
});

fn groups(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().map(str::trim);
    let groups = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    groups.map(|line| line.split_whitespace().collect())
}

/// The roots of a name in its usual spelling; none when it belongs to no group.
#[must_use]
pub fn roots(name: &str) -> &'static [&'static str] {
    ROOTS.get(name).map_or(&[], Vec::as_slice)
}

/// Every root, for what must know them all.
pub(super) fn all_roots() -> impl Iterator<Item = &'static str> {
    ROOTS.values().flatten().copied()
}

/// A list of nicknames beside the one that ships with the product.
#[derive(Clone, Debug, Default)]
pub struct Nicknames {
    roots: HashMap<String, Vec<String>>,
}

/// Why a list of nicknames is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NicknamesError {
    #[error("line {0} has only one name; a group is a root and its nicknames")]
    Alone(usize),
    #[error("line {line}: {word} is not one name in letters")]
    NotAName { line: usize, word: String },
    #[error("the list has more than {0} lines")]
    TooLong(usize),
}

impl Nicknames {
    /// More lines than any language has names.
    const MAX_LINES: usize = 100_000;
    /// Names that one record gains; each costs keys.
    const MAX_ADDED: usize = 2;

    /// Reads a list: one group a line, the root first, names separated by spaces, `#` for comments.
    ///
    /// # Errors
    /// The first line that is no group.
    pub fn parse(text: &str) -> Result<Self, NicknamesError> {
        let mut roots: HashMap<String, Vec<String>> = HashMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            if line > Self::MAX_LINES {
                return Err(NicknamesError::TooLong(Self::MAX_LINES));
            }
            let content = content.split('#').next().unwrap_or_default();
            let mut group = Vec::new();
            for word in content.split_whitespace() {
                match <[String; 1]>::try_from(names::tokens(word)) {
                    Ok([name]) => group.push(name),
                    Err(_) => {
                        let word = word.to_owned();
                        return Err(NicknamesError::NotAName { line, word });
                    }
                }
            }
            match group.split_first() {
                None => {}
                Some((_, [])) => return Err(NicknamesError::Alone(line)),
                Some((root, nicknames)) => {
                    for nickname in nicknames {
                        let known = roots.entry(nickname.clone()).or_default();
                        if nickname != root && !known.contains(root) {
                            known.push(root.clone());
                        }
                    }
                }
            }
        }
        Ok(Self { roots })
    }

    /// The record with the roots of its given names beside them; nothing is taken away.
    ///
    /// Give what comes out to [`derive`](crate::linkage::derive()) and keep the record as it was.
    #[must_use]
    pub fn applied_to(&self, record: &Record) -> Record {
        let mut record = record.clone();
        if self.roots.is_empty() {
            return record;
        }
        let written = record
            .given_names
            .iter()
            .filter(|v| names::check(v).is_ok());
        let tokens: Vec<String> = written.flat_map(|v| names::tokens(v)).collect();
        let roots = tokens.iter().filter_map(|token| self.roots.get(token));
        let added: Vec<String> = roots.flatten().take(Self::MAX_ADDED).cloned().collect();
        record.given_names.extend(added);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::{LinkageKey, Schema, derive};

    #[test]
    fn a_root_stands_in_its_own_group_only() {
        for root in all_roots() {
            assert_eq!(roots(root), [root]);
        }
        assert!(ROOTS.len() > 500, "{}", ROOTS.len());
    }

    #[test]
    fn every_name_is_in_its_usual_spelling() {
        for name in ROOTS.keys() {
            assert_eq!(names::tokens(name), [*name]);
        }
    }

    #[test]
    fn a_name_of_several_meets_each() {
        assert_eq!(roots("sam"), ["samuel", "samantha"]);
        assert_eq!(roots("samuel"), ["samuel"]);
        assert!(roots("zywiec").is_empty());
    }

    #[test]
    fn an_agency_s_own_list_only_adds_keys() {
        let list = Nicknames::parse("# Welsh\nmargaret  mared megs\n\nllywelyn llew # both\n");
        let list = list.unwrap();
        let record = |given: &str| {
            let cells = [
                ("record_id", "r"),
                ("given_names", given),
                ("surname", "Hughes"),
                ("date_of_birth", "2009-03-05"),
            ];
            Record::from_cells(cells).unwrap().0
        };
        let keys = |record: &Record| derive(Schema::default_schema(), record);
        let (nickname, root) = (record("Llew"), record("Llywelyn"));
        let (plain, applied) = (keys(&nickname), keys(&list.applied_to(&nickname)));
        assert!(plain.iter().all(|key| applied.contains(key)));
        let shared = |one: &[LinkageKey]| {
            let other = keys(&root);
            one.iter().filter(|key| other.contains(key)).count()
        };
        assert!(shared(&applied) > shared(&plain));
        assert_eq!(keys(&list.applied_to(&root)), keys(&root));
    }

    #[test]
    fn a_broken_list_names_its_line() {
        assert_eq!(
            Nicknames::parse("a b\nalone").err(),
            Some(NicknamesError::Alone(2))
        );
        let word = "12".to_owned();
        assert_eq!(
            Nicknames::parse("anna 12").err(),
            Some(NicknamesError::NotAName { line: 1, word })
        );
    }
}
