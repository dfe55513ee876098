use proptest::prelude::*;

use super::*;
use crate::linkage::record::IssueReason;

/// A rule that takes its own result, and gives it back unchanged.
fn is_idempotent(
    written: &str,
    rule: impl Fn(&str) -> Result<String, IssueReason>,
) -> Result<(), TestCaseError> {
    if let Ok(once) = rule(written) {
        prop_assert_eq!(rule(&once), Ok(once));
    }
    Ok(())
}

/// Words that the name rules treat specially, among ordinary ones.
fn name() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-zA-Z]{1,8}",
        "\\PC{1,6}",
        proptest::sample::select(vec![
            "Abd", "al", "Abdul", "ur", "Rahman", "de", "l", "la", "Mc", "O'", "van", "Thi", "Mr",
            "Muhamed", "abdulul", "abdss", "Đ", "ı", "bin",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn names_are_normalised_once(written in name()) {
        let once = names::tokens(&written);
        prop_assert_eq!(names::tokens(&once.join(" ")), once);
    }

    #[test]
    fn sounds_and_roots_take_any_token(token in "[a-z]{1,12}") {
        prop_assert_eq!(names::root(names::root(&token)), names::root(&token));
        let _ = names::sound(&token);
    }

    #[test]
    fn text_is_folded_once(written in "\\PC{0,24}") {
        let once = text::fold(&written);
        prop_assert!(once.is_ascii());
        prop_assert_eq!(text::fold(&once), once);
    }

    #[test]
    fn identifiers_are_normalised_once(written in "\\PC{0,24}") {
        is_idempotent(&written, identifiers::nhs_number)?;
        is_idempotent(&written, identifiers::ni_number)?;
        is_idempotent(&written, identifiers::passport)?;
        is_idempotent(&written, identifiers::vehicle)?;
        is_idempotent(&written, identifiers::account)?;
        is_idempotent(&written, |v| emails::parse(v).map(|e| e.address()))?;
        is_idempotent(&written, places::town)?;
        is_idempotent(&written, |v| postcodes::parse(v).map(|p| p.value))?;
    }

    #[test]
    fn likely_identifiers_are_normalised_once(
        passport in "[A-Za-z]{0,4}[ :]?[A-Z]?[0-9]{5,10}",
        account in "(https://)?(www\\.)?[a-z]{0,6}(\\.com)?[:/@ ]{0,2}[A-Za-z_.@/0-9]{1,10}",
        iban in "(IBAN:? ?)?[A-Z]{2}[0-9]{2}[0-9 ]{11,20}",
        email in "[A-Za-z.+]{1,8}@[A-Za-zäÄ]{1,8}\\.[a-z]{2,3}\\.?",
    ) {
        is_idempotent(&passport, identifiers::passport)?;
        is_idempotent(&account, identifiers::account)?;
        is_idempotent(&iban, identifiers::account)?;
        is_idempotent(&email, |v| emails::parse(v).map(|e| e.address()))?;
    }

    #[test]
    fn phones_are_normalised_once(written in "(\\+|00|0)?[0-9]{2}[0-9 ()-]{5,14}") {
        is_idempotent(&written, |v| phones::parse(v).map(|p| p.value))?;
    }

    #[test]
    fn dates_mean_the_same_in_every_form(
        year in 1901u16..=2099, month in 1u8..=12, day in 2u8..=28,
    ) {
        let iso = dates::parse(&format!("{year}-{month:02}-{day:02}"));
        prop_assert!(iso.is_ok());
        for written in [
            format!("{day}/{month}/{year}"),
            format!("{day:02}.{month:02}.{year}"),
            format!("{year}{month:02}{day:02}"),
        ] {
            prop_assert_eq!(dates::parse(&written), iso);
        }
    }
}
