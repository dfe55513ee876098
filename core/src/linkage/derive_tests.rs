use super::*;
use proptest::prelude::*;

fn record(cells: &[(&str, &str)]) -> Record {
    let id = [("record_id", "r")];
    Record::from_cells(id.iter().chain(cells).copied())
        .unwrap()
        .0
}

fn keys(cells: &[(&str, &str)]) -> Vec<LinkageKey> {
    derive(Schema::default_schema(), &record(cells))
}

fn shared(one: &[(&str, &str)], other: &[(&str, &str)]) -> Vec<String> {
    let schema = Schema::default_schema();
    let other = keys(other);
    let mut names: Vec<String> = keys(one)
        .iter()
        .filter(|key| other.contains(key))
        .map(|key| schema.kind(key.kind).unwrap().name.clone())
        .collect();
    names.dedup();
    names
}

#[test]
fn no_field_alone_but_an_identifier_makes_a_key() {
    for cells in [
        &[("given_names", "Anna"), ("surname", "Kowalska")][..],
        &[("date_of_birth", "2009-03-05")],
        &[("postcode", "SW1A 1AA")],
        &[("given_names", "Anna"), ("town", "Leeds")],
        &[
            ("town", "Leeds"),
            ("postcode", "LS1 4AP"),
            ("address", "10 Fox Place"),
        ],
        &[
            ("given_names", "Anna"),
            ("surname", "Kowalska"),
            ("sex", "female"),
        ],
        &[("sex", "female"), ("nationality", "VNM")],
        &[("notes", "Anna Kowalska 2009-03-05"), ("shoe_size", "38")],
    ] {
        assert!(keys(cells).is_empty(), "{cells:?}");
    }
    assert_eq!(keys(&[("nhs_number", "943 476 5919")]).len(), 1);
}

#[test]
fn what_is_refused_makes_no_key() {
    assert!(keys(&[("nhs_number", "943 476 5918")]).is_empty());
    assert!(keys(&[("phone", "unknown"), ("email", "n/a")]).is_empty());
    let default_date = [
        ("given_names", "Anna"),
        ("surname", "Kowalska"),
        ("date_of_birth", "1900-01-01"),
    ];
    assert!(keys(&default_date).is_empty());
}

#[test]
fn names_survive_order_nickname_and_spelling() {
    let one = [
        ("given_names", "Elizabeth"),
        ("surname", "Smith"),
        ("date_of_birth", "2009-03-05"),
    ];
    let nickname = [
        ("given_names", "Liz"),
        ("surname", "SMITH"),
        ("date_of_birth", "05/03/2009"),
    ];
    assert!(shared(&one, &nickname).contains(&"names-date".to_owned()));
    let reversed = [
        ("given_names", "Smith"),
        ("surname", "Elizabeth"),
        ("date_of_birth", "2009-05-03"),
    ];
    assert!(shared(&one, &reversed).contains(&"sounds-swapped".to_owned()));
    let other = [
        ("given_names", "Margaret"),
        ("surname", "Jones"),
        ("date_of_birth", "2009-03-05"),
    ];
    assert!(shared(&one, &other).is_empty());
}

#[test]
fn languages_meet_and_near_misses_do_not() {
    let person = |given, surname| {
        [
            ("given_names", given),
            ("surname", surname),
            ("date_of_birth", "2008-07-19"),
        ]
    };
    let names_date = "names-date".to_owned();
    for (one, other) in [
        (("Văn Đức", "Nguyễn"), ("Nguyen", "Duc")),
        (("Thị Mai", "Trần"), ("Mai", "Tran")),
        (("Ștefan", "Ionescu"), ("Stefan", "Ionescu")),
        (("Përparim", "Hoxha"), ("Perparim", "Hoxha")),
        (("Mohammed", "al-Hassan"), ("Muhamad", "Hassan")),
        (("Abd al-Rahman", "Omar"), ("Abdulrahman", "Omar")),
        (("Işıl", "Yıldız"), ("Isil", "Yildiz")),
    ] {
        let found = shared(&person(one.0, one.1), &person(other.0, other.1));
        assert!(found.contains(&names_date), "{one:?} {other:?} {found:?}");
    }
    for (one, other) in [
        (("Văn Đức", "Nguyễn"), ("Thị Mai", "Trần")),
        (("Ștefan", "Ionescu"), ("Andrei", "Popescu")),
        (("Abdulrahman", "Omar"), ("Yusuf", "Khalid")),
    ] {
        let found = shared(&person(one.0, one.1), &person(other.0, other.1));
        assert!(found.is_empty(), "{one:?} {other:?} {found:?}");
    }
    let hassan = shared(&person("Hassan", "Ali"), &person("Hussein", "Ali"));
    assert!(!hassan.contains(&names_date), "{hassan:?}");
}

#[test]
fn keys_are_sorted_unique_and_bounded() {
    let full = [
        ("given_names", "Anna Maria;Ana"),
        ("surname", "Lopez Garcia;Smith-Jones"),
        ("alias", "Lola;Maria Santos"),
        ("date_of_birth", "2009-03-05;2008-03-05;2007"),
        ("postcode", "SW1A 1AA;M1 1AE"),
        ("town", "London;Manchester"),
        ("address", "10 Downing Street;2 Piccadilly"),
        ("phone", "07912345678"),
        ("email", "lola.l@garden-shop.org"),
        ("nhs_number", "9434765919"),
    ];
    let keys = keys(&full);
    assert_eq!(keys.len(), Schema::default_schema().max_keys);
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(keys[0].kind, KeyKindId(1));
    assert!(!format!("{keys:?}").contains("9434765919"));
}

#[test]
fn what_the_bounds_leave_out_is_counted_by_kind() {
    let schema = Schema::default_schema();
    let full = record(&[
        ("given_names", "Anna Maria;Ana"),
        ("surname", "Lopez Garcia;Smith-Jones"),
        ("date_of_birth", "2009-03-05;2008-03-05;2007"),
        ("postcode", "SW1A 1AA;M1 1AE"),
        ("phone", "07912345678"),
    ]);
    let bounded = derive_counted(schema, &full);
    assert_eq!(bounded.keys, derive(schema, &full));
    assert_eq!(bounded.keys.len(), schema.max_keys);
    let wide = Schema {
        max_keys: usize::MAX,
        ..schema.clone()
    };
    let wide = derive_counted(&wide, &full);
    let left_out = |derived: &Derived| derived.left_out.values().sum::<usize>();
    let dropped = wide.keys.len() - bounded.keys.len();
    assert!(dropped > 0);
    assert_eq!(left_out(&bounded), left_out(&wide) + dropped);
    // One kind gives eight keys at most; what it has beyond is left out whatever the others have.
    assert!(left_out(&wide) > 0);
    // Control: a record with a phone number alone loses nothing.
    let few = derive_counted(schema, &record(&[("phone", "07912345678")]));
    assert!(few.keys.len() == 1 && few.left_out.is_empty());
}

#[test]
fn the_input_is_the_documented_bytes() {
    let schema = Schema::default_schema();
    let key = LinkageKey {
        kind: KeyKindId(1),
        value: Zeroizing::new("9434765919".to_owned()),
    };
    let expected =
        b"\x00\x08symbolon\x00\x02\x00\x02\x00\x0didentifiers 2\x00\x0anhs-number\x00\x0a9434765919";
    assert_eq!(key.input(schema).as_slice(), expected);
    let unknown = LinkageKey {
        kind: KeyKindId(999),
        ..key
    };
    assert_ne!(unknown.input(schema).as_slice(), expected);
}

#[test]
fn the_cap_is_the_last_count_allowed() {
    let schema = Schema::default_schema();
    assert!(!over_cap(schema, KeyKindId(4), 16));
    assert!(over_cap(schema, KeyKindId(4), 17));
    assert!(over_cap(schema, KeyKindId(999), 1));
}

fn of_kind(kind: u16, cells: &[(&str, &str)]) -> Vec<LinkageKey> {
    let mut found = keys(cells);
    found.retain(|key| key.kind == KeyKindId(kind));
    found
}

/// Upper case, accents on every vowel, and noise that carries no meaning.
fn disguise(name: &str) -> String {
    let accented = name.chars().map(|c| match c {
        'a' => 'á',
        'e' => 'Ë',
        'i' => 'ì',
        'o' => 'Ö',
        'u' => 'ů',
        's' => 'ș',
        'd' => 'Đ',
        other => other.to_ascii_uppercase(),
    });
    format!("  {}. ", accented.collect::<String>())
}

proptest! {
    #[test]
    fn case_accents_spaces_and_column_never_change_the_keys(
        given in "[a-z]{3,9}", surname in "[a-z]{3,9}",
        year in 1930u16..2020, month in 2u8..=12, day in 2u8..=28,
    ) {
        let iso = format!("{year}-{month:02}-{day:02}");
        let british = format!("{day}/{month}/{year}");
        let one = keys(&[("given_names", &given), ("surname", &surname),
            ("date_of_birth", &iso), ("postcode", "SW1A 1AA")]);
        let other = keys(&[("surname", &disguise(&given)), ("given_names", &disguise(&surname)),
            ("date_of_birth", &british), ("postcode", " sw1a1aa")]);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_swapped_day_and_month_keeps_the_keys_meant_to_survive_it(
        given in "[b-d][a-z]{3,8}", surname in "[f-h][a-z]{3,8}",
        month in 2u8..=12, day in 2u8..=12,
    ) {
        let cells = |date: &str| keys(&[("given_names", &given), ("surname", &surname),
            ("date_of_birth", date), ("postcode", "SW1A 1AA")]);
        let one = cells(&format!("2009-{month:02}-{day:02}"));
        let other = cells(&format!("2009-{day:02}-{month:02}"));
        for kind in [21, 30, 45, 49, 53, 55, 58].map(KeyKindId) {
            let of = |keys: &[LinkageKey]| -> Vec<String> {
                keys.iter().filter(|k| k.kind == kind).map(|k| k.value.to_string()).collect()
            };
            prop_assert_eq!(of(&one), of(&other));
        }
    }

    #[test]
    fn scrambled_letters_keep_the_key_of_all_letters(
        given in "[b-d][a-z]{4,8}", surname in "[f-h][a-z]{4,8}", turn in 1usize..4,
    ) {
        let cells = |given: &str, surname: &str| of_kind(50, &[("given_names", given),
            ("surname", surname), ("town", "Leeds")]);
        let mut letters: Vec<char> = surname.chars().collect();
        letters.rotate_left(turn);
        let scrambled: String = letters.into_iter().collect();
        prop_assume!(!given.contains(&surname) && crate::linkage::normalise::names::tokens(&scrambled) == [scrambled.clone()]);
        prop_assume!(crate::linkage::normalise::names::tokens(&surname) == [surname.clone()]);
        prop_assume!(crate::linkage::normalise::names::tokens(&given) == [given.clone()]);
        prop_assert_eq!(cells(&given, &surname), cells(&given, &scrambled));
    }

    #[test]
    fn other_vowels_keep_the_consonants_and_a_wrong_day_keeps_the_year(
        name in "[bcdfg][aeiou][klmnp][aeiou][rstvw][aeiou]z", day in 2u8..=28, other in 2u8..=28,
    ) {
        let cells = |name: &str, day: u8| of_kind(49, &[("given_names", name),
            ("date_of_birth", &format!("2009-03-{day:02}"))]);
        let vowels = name.replace(['a', 'e', 'i'], "o");
        prop_assert_eq!(cells(&name, day), cells(&vowels, other));
        prop_assert!(!cells(&name, day).is_empty());
    }

    #[test]
    fn a_new_surname_and_a_new_home_keep_the_name_with_the_date(
        given in "[b-d][a-z]{4,8}", one in "[f-h][a-z]{4,8}", other in "[k-m][a-z]{4,8}",
    ) {
        let keys = |surname: &str, postcode: &str| of_kind(45, &[("given_names", &given),
            ("surname", surname), ("date_of_birth", "2009-03-05"), ("postcode", postcode)]);
        let (before, after) = (keys(&one, "SW1A 1AA"), keys(&other, "LS1 4AP"));
        prop_assert!(before.iter().any(|key| after.contains(key)));
    }

    #[test]
    fn different_keys_never_encode_alike(
        kind_a in 0u16..50, kind_b in 0u16..50, a in ".{0,12}", b in ".{0,12}",
    ) {
        let schema = Schema::default_schema();
        let key = |kind, value: &str| LinkageKey {
            kind: KeyKindId(kind),
            value: Zeroizing::new(value.to_owned()),
        };
        let (one, other) = (key(kind_a, &a), key(kind_b, &b));
        prop_assert_eq!(one == other, one.input(schema) == other.input(schema));
    }

    #[test]
    fn parts_longer_than_their_prefix_stay_apart(extra in 0usize..4, more in 0usize..4) {
        let encode = |length: usize, tail: &[u8]| {
            let mut input = Zeroizing::new(Vec::new());
            push_part(&mut input, &vec![b'x'; length]);
            push_part(&mut input, tail);
            input
        };
        let base = usize::from(u16::MAX) - 2;
        let (one, other) = (encode(base + extra, b""), encode(base + more, b""));
        prop_assert_eq!(extra == more, one == other);
        prop_assert!(encode(base + extra, b"x") != encode(base + extra + 1, b""));
    }

    #[test]
    fn no_text_panics_and_no_value_is_long(text in "\\PC{0,40}", column in 0usize..17) {
        const COLUMNS: [&str; 17] = ["given_names", "surname", "alias", "date_of_birth", "sex",
            "nationality", "address", "town", "postcode", "phone", "email", "nhs_number",
            "ni_number", "passport", "vehicle", "account", "risk"];
        let found = keys(&[("surname", "Hill"), ("date_of_birth", "2009-03-05"),
            (COLUMNS[column], &text)]);
        prop_assert!(found.iter().all(|key| key.value.len() < 2048));
    }
}
