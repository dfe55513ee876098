//! Names, taken apart so that order, accents, particles and spelling matter less.
//!
//! A written name becomes *tokens*: folded to ASCII, split at spaces and hyphens, Arabic particles
//! and the Vietnamese gender middles Van and Thi dropped, the many spellings of Mohammed made one.
//! Which token is a forename and which a surname is not trusted: keys use unordered pairs.

use rphonetic::DoubleMetaphone;

use super::{nicknames, text};
use crate::linkage::record::IssueReason;

/// Words that stand where a name is not known yet, besides the general placeholders.
const NO_NAMES: &[&str] = &[
    "adult", "baby", "boy", "child", "doe", "female", "girl", "infant", "male", "newborn",
    "noname", "person", "surname", "test", "testing", "twin", "victim", "woman", "xx", "xxx",
];

/// Titles that get written into name columns.
const TITLES: &[&str] = &["mr", "mrs", "ms", "miss", "mx", "dr", "master", "madam"];

/// Particles of Arabic names, and the gender middles of Vietnamese ones: each is so common that it
/// tells nobody apart, and each is left out as often as not.
const DROPPED: &[&str] = &[
    "al", "el", "bin", "ibn", "bint", "binti", "bte", "van", "thi", "ul", "ur",
];

/// Particles that are written apart or together: joined to what follows. Le, La, Do and Du are left
/// out, being Vietnamese surnames too.
const JOINED: &[&str] = &[
    "da", "das", "de", "del", "della", "den", "der", "di", "dos", "mac", "mc", "o", "st", "von",
];

const MOHAMMED: &[&str] = &[
    "mahamed",
    "maxamed",
    "mhmd",
    "mohamad",
    "mohamed",
    "mohamet",
    "mohammad",
    "mohammed",
    "mohammod",
    "mohd",
    "muhamad",
    "muhamed",
    "muhamet",
    "muhammad",
    "muhammed",
    "muhammet",
    "mukhammad",
];

/// Names that a large share of a community bears: beside a date they tell nobody apart, so they make
/// no key without a second name. Nguyen alone names more than a third of all Vietnamese.
const TOO_COMMON_ALONE: &[&str] = &[
    "ahmed", "ali", "begum", "bui", "chen", "dang", "hassan", "hoang", "hussain", "huynh", "kaur",
    "khan", "le", "li", "liu", "mohammed", "nguyen", "patel", "pham", "phan", "singh", "tran",
    "vo", "vu", "wang", "zhang",
];

/// "Servant of God": a name of its own, not the start of a longer one.
const ABDULLAH: &[&str] = &[
    "abdala", "abdalla", "abdallah", "abdulah", "abdulla", "abdullah",
];

/// The longest prefix first, so that the article goes with it.
const SERVANT_OF: &[&str] = &[
    "abdoul", "abdul", "abdel", "abdal", "abdur", "abder", "abdar", "abdus", "abdes", "abd",
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
}

/// More tokens than this come from notes in a name column, and each costs keys.
const MAX_TOKENS: usize = 4;

impl PersonName {
    /// Reads the three name columns, leaving out what is a placeholder.
    #[must_use]
    pub fn read(given: &[String], surname: &[String], alias: &[String]) -> Self {
        let mut name = Self::default();
        let usable = |values: &[String]| -> Vec<Vec<String>> {
            let good = values.iter().filter(|v| check(v).is_ok());
            good.map(|v| tokens(v)).collect()
        };
        for token in usable(given).into_iter().flatten() {
            push_new(&mut name.given, token);
        }
        for token in usable(surname).into_iter().flatten() {
            push_new(&mut name.family, token);
        }
        for mut other in usable(alias) {
            match other.len() {
                0 => {}
                1 => push_new(&mut name.given, other.remove(0)),
                _ if name.whole.len() < MAX_TOKENS => name.whole.push(other),
                _ => {}
            }
        }
        name
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

    /// Pairs of a given and a family token; of whole names, the first token with each later one.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for given in &self.given {
            for family in &self.family {
                pairs.push((given, family));
            }
        }
        let lists = self.whole.iter().map(Vec::as_slice);
        let unsorted = match (self.given.is_empty(), self.family.is_empty()) {
            (false, true) => Some(self.given.as_slice()),
            (true, false) => Some(self.family.as_slice()),
            _ => None,
        };
        for list in lists.chain(unsorted) {
            if let Some((first, rest)) = list.split_first() {
                pairs.extend(rest.iter().map(|other| (first.as_str(), other.as_str())));
            }
        }
        pairs.retain(|(a, b)| a != b);
        pairs.truncate(MAX_TOKENS);
        pairs
    }
}

/// Whether so many bear the name that it tells nobody apart by itself.
#[must_use]
pub fn is_too_common(token: &str) -> bool {
    TOO_COMMON_ALONE.contains(&token)
}

fn push_new(tokens: &mut Vec<String>, token: String) {
    if tokens.len() < MAX_TOKENS && !tokens.contains(&token) {
        tokens.push(token);
    }
}

/// Whether a name column's value can be used.
///
/// # Errors
/// Placeholders, and values without a letter.
pub fn check(written: &str) -> Result<(), IssueReason> {
    text::admit(written)?;
    let word = text::letters_and_digits(written);
    if !word.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Err(IssueReason::WrongForm);
    }
    let folded = text::fold(written);
    let mut words = folded.split_whitespace().map(text::letters_and_digits);
    let nothing = |w: &String| NO_NAMES.contains(&w.as_str()) || text::is_placeholder(w);
    if NO_NAMES.contains(&word.as_str())
        || (text::all_equal(&word) && word.len() > 2)
        || words.all(|w| nothing(&w))
    {
        return Err(IssueReason::Placeholder);
    }
    Ok(())
}

/// The tokens of one written name. Normalising them again changes nothing.
#[must_use]
pub fn tokens(written: &str) -> Vec<String> {
    /// Joining can make a particle (`de l`), which then joins in its turn: two or three rounds in
    /// any name, and a bound for what is none.
    const MAX_ROUNDS: usize = 64;
    let folded = text::fold(written);
    let mut words: Vec<String> = folded
        .split(|c: char| c.is_whitespace() || matches!(c, '-' | '/' | ',' | '.' | '_' | '(' | ')'))
        .map(|word| word.chars().filter(char::is_ascii_alphabetic).collect())
        .filter(|word: &String| !word.is_empty())
        .collect();
    for _ in 0..MAX_ROUNDS {
        let kept = without(&without(&words, TITLES), DROPPED);
        let joined = join_prefixes(&kept);
        let next: Vec<String> = joined.iter().map(|word| one_form(word)).collect();
        if next == words {
            break;
        }
        words = next;
    }
    words
}

/// Leaves out the listed words, unless nothing else is there.
fn without(words: &[String], dropped: &[&str]) -> Vec<String> {
    let is_kept = |w: &&String| !dropped.contains(&w.as_str());
    let kept: Vec<String> = words.iter().filter(is_kept).cloned().collect();
    if kept.is_empty() {
        words.to_vec()
    } else {
        kept
    }
}

/// `de souza` and `desouza`, `abd al rahman` and `abdul rahman` are the same name.
fn join_prefixes(words: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut prefix = String::new();
    for (index, word) in words.iter().enumerate() {
        let is_last = index + 1 == words.len();
        let joins = JOINED.contains(&word.as_str()) || SERVANT_OF.contains(&word.as_str());
        prefix.push_str(word);
        if is_last || !joins {
            joined.push(std::mem::take(&mut prefix));
        }
    }
    joined
}

/// One spelling for the names that have many.
fn one_form(word: &str) -> String {
    if MOHAMMED.contains(&word) {
        return "mohammed".to_owned();
    }
    if ABDULLAH.contains(&word) {
        return "abdullah".to_owned();
    }
    for prefix in SERVANT_OF {
        if let Some(rest) = word.strip_prefix(prefix)
            && rest.len() >= 3
        {
            // The article takes on the sound that follows: abd ar-rahman, abdurrahman.
            let rest = match rest.as_bytes() {
                [first, second, ..] if first == second => rest.get(1..).unwrap_or(rest),
                _ => rest,
            };
            return format!("abd{rest}");
        }
    }
    word.to_owned()
}

/// The name that a nickname stands for; any other name stays as it is.
#[must_use]
pub fn root(token: &str) -> &str {
    nicknames::root(token).unwrap_or(token)
}

/// How a name sounds: the primary double metaphone code of its root, with its length bounded.
#[must_use]
pub fn sound(token: &str) -> Option<String> {
    const CODE_LEN: usize = 6;
    let code = DoubleMetaphone::new(Some(CODE_LEN))
        .double_metaphone(root(token))
        .primary();
    (!code.is_empty()).then(|| code.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(written: &str) -> String {
        tokens(written).join(" ")
    }

    #[test]
    fn same_name_in_every_language() {
        for (one, other) in [
            ("Nguyễn Văn Đức", "NGUYEN DUC"),
            ("Trần Thị Mai", "Tran Mai"),
            ("Ștefan Țepeș", "Stefan Ţepeş"),
            ("Çelë Përparim", "Cele Perparim"),
            ("Işıl Yıldız", "Isil Yildiz"),
            ("al-Hassan", "Hassan"),
            ("Abd al-Rahman", "Abdurrahman"),
            ("Abdul Rahman", "Abdelrahman"),
            ("Muhammad bin Salman", "Mohammed Salman"),
            ("Abdalla", "Abdullah"),
            ("De Souza", "DeSouza"),
            ("O'Brien", "OBrien"),
            ("Mc Donald", "McDonald"),
            ("Smith-Jones", "Smith Jones"),
            ("Mr. John", "john"),
        ] {
            assert_eq!(joined(one), joined(other), "{one} / {other}");
        }
    }

    #[test]
    fn near_misses_stay_apart() {
        for (one, other) in [
            ("Abdulrahman", "Abdulrahim"),
            ("Abdullah", "Abdulla Rahim"),
            ("Mohammed", "Mahmoud"),
            ("Ştefan", "Stefania"),
            ("Đức", "Dung"),
            ("Hassan", "Hussein"),
            ("Yıldız", "Yildirim"),
        ] {
            assert_ne!(joined(one), joined(other), "{one} / {other}");
        }
    }

    #[test]
    fn a_particle_alone_is_a_name() {
        assert_eq!(joined("Van"), "van");
        assert_eq!(joined("Thi"), "thi");
        assert_eq!(joined("Abdul"), "abdul");
    }

    #[test]
    fn the_commonest_names_need_a_second_one() {
        let list = |text: &str| vec![text.to_owned()];
        let name = PersonName::read(&list("Lan"), &list("Nguyễn"), &[]);
        assert_eq!(name.singles(), ["lan"]);
        assert_eq!(name.pairs(), [("lan", "nguyen")]);
        assert!(name.telling_pairs().is_empty());
    }

    #[test]
    fn placeholders_are_no_names() {
        for written in [
            "Baby",
            "baby boy",
            "UNKNOWN",
            "xxxx",
            "Unknown Female",
            "n/a",
        ] {
            assert_eq!(check(written), Err(IssueReason::Placeholder), "{written}");
        }
        assert_eq!(check("1234"), Err(IssueReason::WrongForm));
        for written in ["Ng", "Jo", "Babyface Nelson", "Li"] {
            assert_eq!(check(written), Ok(()), "{written}");
        }
    }

    #[test]
    fn nicknames_and_sounds() {
        assert_eq!(root("liz"), root("elizabeth"));
        assert_eq!(root("bill"), root("will"));
        assert_ne!(root("bill"), root("bob"));
        assert_eq!(sound("catherine"), sound("katharine"));
        assert_eq!(sound("smith"), sound("smyth"));
        assert_ne!(sound("smith"), sound("jones"));
    }

    #[test]
    fn pairs_do_not_need_the_right_column() {
        let read = |given: &str, surname: &str, alias: &str| {
            let list = |text: &str| vec![text.to_owned()];
            PersonName::read(&list(given), &list(surname), &list(alias))
        };
        assert_eq!(read("Mai", "Tran", "").pairs(), [("mai", "tran")]);
        assert_eq!(read("Mai Tran", "", "").pairs(), [("mai", "tran")]);
        let aliased = read("Mai", "Tran", "Lily Pham");
        assert_eq!(aliased.pairs(), [("mai", "tran"), ("lily", "pham")]);
    }
}
