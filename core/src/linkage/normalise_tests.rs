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
            "Abd",
            "al",
            "Abdul",
            "ur",
            "Rahman",
            "de",
            "l",
            "la",
            "Mc",
            "O'",
            "van",
            "Thi",
            "Mr",
            "Muhamed",
            "Ivanova",
            "Kowalska",
            "alotaibi",
            "Юлия",
            "Γιώργος",
            "张伟",
            "nee",
            "la",
            "Dostoevskaya",
            "abdulul",
            "abdss",
            "Đ",
            "ı",
            "bin",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "))
}

/// A rule, and a number that is right by it.
type Checked = (fn(&str) -> Result<String, IssueReason>, String);

/// Numbers whose last place is made to fit, of every identifier that has a check digit.
fn checked_number() -> impl Strategy<Value = Checked> {
    fn with_check(
        rule: fn(&str) -> Result<String, IssueReason>,
        candidates: impl Iterator<Item = String>,
    ) -> Option<Checked> {
        let mut right = candidates.filter(|number| rule(number).is_ok());
        right.next().map(|number| (rule, number))
    }
    let letters = || "ABCDEFGHJKLMNPQRTUVWXYZ".chars();
    (0u8..6, 0u64..1_000_000_000_000).prop_filter_map("no check digit fits", move |(which, n)| {
        let digits = format!("{n:012}");
        let (year, serial) = (&digits[..2], &digits[2..9]);
        match which {
            0 => with_check(
                identifiers::nhs_number,
                (0..10).map(|c| format!("{}{c}", &digits[..9])),
            ),
            1 => with_check(identifiers::upn, letters().map(|c| format!("{c}{digits}"))),
            2 => with_check(
                identifiers::pnc_id,
                letters().map(|c| format!("20{year}/{serial}{c}")),
            ),
            3 => with_check(
                identifiers::cro,
                letters().map(|c| format!("{}/{year}{c}", &serial[..6])),
            ),
            4 => with_check(
                identifiers::cro,
                letters().map(|c| format!("SF{year}/{}{c}", &serial[..6])),
            ),
            _ => with_check(
                identifiers::account,
                (0..100).map(|c| format!("GB{c:02}WEST{digits}34")),
            ),
        }
    })
}

/// The published examples.
#[test]
fn published_numbers_are_right() {
    for (rule, number) in [
        (identifiers::nhs_number as fn(&str) -> _, "943 476 5919"),
        (identifiers::upn, "B801200005001"),
        (identifiers::pnc_id, "2001/0000001Q"),
        (identifiers::account, "GB82 WEST 1234 5698 7654 32"),
        (
            identifiers::passport,
            "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        ),
    ] {
        assert!(rule(number).is_ok(), "{number}");
    }
}

proptest! {
    #[test]
    fn one_wrong_digit_is_refused((rule, number) in checked_number(), at in 0usize..32, by in 1u8..=9) {
        let digits: Vec<usize> = number.char_indices()
            .filter(|(_, c)| c.is_ascii_digit()).map(|(index, _)| index).collect();
        let at = digits[at % digits.len()];
        let mut wrong = number.clone().into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assert!(rule(&number).is_ok());
        prop_assert!(rule(&wrong).is_err(), "{} {}", number, wrong);
    }

    #[test]
    fn one_wrong_digit_of_a_machine_readable_passport_is_refused(
        number in "[A-Z][0-9]{8}", at in 1usize..9, by in 1u8..=9,
    ) {
        let line = |number: &str, check: usize| {
            format!("{number}{check}UTO7408122F1204159ZE184226B<<<<<10")
        };
        let check = (0..10).find(|c| identifiers::passport(&line(&number, *c)).is_ok());
        let check = check.expect("one digit fits");
        let mut wrong = number.into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
        let wrong = String::from_utf8(wrong).unwrap();
        let refused = identifiers::passport(&line(&wrong, check));
        prop_assert_eq!(refused, Err(IssueReason::CheckDigit));
    }

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
        is_idempotent(&written, identifiers::upn)?;
        is_idempotent(&written, identifiers::pnc_id)?;
        is_idempotent(&written, identifiers::cro)?;
        is_idempotent(&written, identifiers::uprn)?;
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
        pnc in "(19|20)?[0-9]{2}/[0-9]{1,7}[A-HJ-NP-RT-Z]",
        cro in "(SF[0-9]{2}/[0-9]{1,6}|[0-9]{1,6}/[0-9]{2})[A-HJ-NP-RT-Z]",
        uprn in "(UPRN:? ?)?0{0,4}[0-9 ]{1,12}",
        iban in "(IBAN:? ?)?[A-Z]{2}[0-9]{2}[0-9 ]{11,20}",
        email in "[A-Za-z.+]{1,8}@[A-Za-zäÄ]{1,8}\\.[a-z]{2,3}\\.?",
    ) {
        is_idempotent(&passport, identifiers::passport)?;
        is_idempotent(&pnc, identifiers::pnc_id)?;
        is_idempotent(&cro, identifiers::cro)?;
        is_idempotent(&uprn, identifiers::uprn)?;
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
