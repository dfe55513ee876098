//! Towns and streets, reduced to what survives being typed twice.

use super::text;
use crate::linkage::record::IssueReason;

/// Words of an address that name no street.
const NOT_STREETS: &[&str] = &[
    "apartment",
    "basement",
    "block",
    "building",
    "bungalow",
    "care",
    "caravan",
    "cottage",
    "court",
    "farm",
    "first",
    "flat",
    "floor",
    "ground",
    "hostel",
    "hotel",
    "house",
    "level",
    "lower",
    "maisonette",
    "room",
    "second",
    "studio",
    "suite",
    "third",
    "tower",
    "unit",
    "upper",
    "villa",
];

/// The town as letters.
///
/// # Errors
/// Placeholders, and what holds no name.
pub fn town(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let mut name = text::letters_and_digits(written);
    name.retain(|c| c.is_ascii_alphabetic());
    if text::is_placeholder(&name) || text::all_equal(&name) {
        return Err(IssueReason::Placeholder);
    }
    if name.len() < 2 {
        return Err(IssueReason::TooShort);
    }
    Ok(name)
}

/// The address, folded, without the words for kinds of building: flats in two streets are not alike.
pub(in crate::linkage) fn without_buildings(written: &str) -> String {
    let folded = text::fold(written);
    let words = folded.split(|c: char| !c.is_ascii_alphanumeric());
    let kept = words.filter(|word| !NOT_STREETS.contains(word));
    kept.collect::<Vec<_>>().join(" ")
}

/// The street's telling word: the first of four letters or more that is not the kind of building.
///
/// # Errors
/// Placeholders, and addresses in which no such word is found.
pub fn street(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let folded = text::fold(written);
    folded
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '/' | '-' | '.'))
        .filter(|word| word.len() >= 4)
        .map(|word| word.chars().filter(char::is_ascii_alphabetic).collect())
        .find(|word: &String| word.len() >= 4 && !NOT_STREETS.contains(&word.as_str()))
        .ok_or(IssueReason::WrongForm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towns_and_streets() {
        assert_eq!(town("Southend-on-Sea"), Ok("southendonsea".to_owned()));
        assert_eq!(town("Iași"), Ok("iasi".to_owned()));
        assert_eq!(town("unknown"), Err(IssueReason::Placeholder));
        assert_eq!(street("Flat 2, 10 Fox-Hill Place"), Ok("hill".to_owned()));
        assert_eq!(street("10 Crozier Circuit"), street("10, crozier cct"));
        assert_eq!(street("No fixed abode"), Err(IssueReason::Placeholder));
        assert_eq!(street("19"), Err(IssueReason::WrongForm));
    }
}
