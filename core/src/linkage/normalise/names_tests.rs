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
    assert!(is_too_common("nguyen") && !is_too_common("lan"));
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
    assert_ne!(root("danielle"), root("daniel"));
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
    assert_eq!(read("", "Tran Thi Mai", "").pairs(), [("mai", "tran")]);
    let aliased = read("Mai", "Tran", "Lily Pham");
    assert_eq!(aliased.pairs(), [("mai", "tran"), ("lily", "pham")]);
}

#[test]
fn columns_are_read_as_their_language_has_it() {
    let read = |given: &str, surname: &str| {
        let list = |text: &str| vec![text.to_owned()];
        let name = PersonName::read(&list(given), &list(surname), &[]);
        let pairs = name.pairs().into_iter();
        pairs.map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>()
    };
    for (given, surname, pairs) in [
        (
            "Chris",
            "Hill",
            &["christopher hill", "christian hill", "christine hill"][..],
        ),
        ("Мария Ивановна", "Петрова", &["maria petrov"]),
        ("Anna J.", "Smith-Jones", &["anna smith", "anna jones"]),
        ("Xiao Ming", "Cheung", &["xiaoming zhang"]),
        ("Mei", "Wong", &["mei wang", "mei huang"]),
        ("Văn Lâm", "Nguyễn", &["lam nguyen"]),
        ("J.", "Hill", &["j hill"]),
    ] {
        assert_eq!(read(given, surname), pairs, "{given} {surname}");
    }
}
