use super::*;

const DEFAULT_TEXT: &str = include_str!("default_schema.toml");

#[test]
fn the_default_schema_parses() {
    let schema = Schema::parse(DEFAULT_TEXT).unwrap();
    assert_eq!(schema.digest(), Schema::default_schema().digest());
    assert!(Schema::default_schema().kinds().len() > 20);
    assert_eq!(schema.kind(KeyKindId(1)).unwrap().label, "NHS number");
    assert!(schema.kind(KeyKindId(9999)).is_none());
}

#[test]
fn every_kind_is_enough_for_a_comparison() {
    use super::super::{Standing, standing};
    let schema = Schema::default_schema();
    for kind in schema.kinds() {
        assert_ne!(
            standing(schema, &[kind.id].into()),
            Standing::Below,
            "{}",
            kind.name
        );
    }
    assert_eq!(standing(schema, &BTreeSet::new()), Standing::Below);
    let certain = [KeyKindId(1), KeyKindId(20)].into();
    assert_eq!(standing(schema, &certain), Standing::Decided);
}

#[test]
fn a_pair_costs_at_most_what_the_budget_allows() {
    let slots: u16 = Schema::default_schema()
        .sets()
        .iter()
        .map(|set| set.slots)
        .sum();
    assert!(slots <= 104, "{slots}");
}

#[test]
fn a_schema_for_other_normalisers_says_who_must_upgrade() {
    let error = |text: &str| Schema::parse(&DEFAULT_TEXT.replace("dates = 2", text)).unwrap_err();
    let newer = error("dates = 3").to_string();
    assert!(
        newer.contains("dates") && newer.contains("upgrade this program"),
        "{newer}"
    );
    let older = error("dates = 0").to_string();
    assert!(older.contains("newer schema"), "{older}");
    assert!(matches!(error(""), SchemaError::Normaliser { .. }));
}

#[test]
fn what_a_comparison_may_not_be() {
    let refused = |from: &str, to: &str| {
        assert!(DEFAULT_TEXT.contains(from), "{from}");
        Schema::parse(&DEFAULT_TEXT.replacen(from, to, 1)).unwrap_err()
    };
    let twice = refused("label = \"sex\"", "label = \"street\"");
    assert_eq!(twice, SchemaError::ComparedSet("street".to_owned()));
    let unknown = refused("below = { passport = 1 }", "below = { visa = 1 }");
    assert_eq!(unknown, SchemaError::UnknownSet("visa".to_owned()));
    let many = refused("slots = 24", "slots = 240");
    assert!(matches!(many, SchemaError::TooManySlots(..)));
    let last = refused(
        "{ name = \"differ\", bits = -3.0 }",
        "{ name = \"differ\", at_least = { passport = 1 }, bits = -3.0 }",
    );
    assert!(matches!(last, SchemaError::NoLastLevel(_)), "{last}");
    let by_key = "{ name = \"exact\", by_key = true, bits = 24.0, says = \"exact\" }";
    let unsaid = refused(by_key, &by_key.replace(", says = \"exact\"", ""));
    assert_eq!(unsaid, SchemaError::NothingToProve("NHS number".to_owned()));
    let differs = "{ name = \"differ\", bits = -8.0 }";
    let last = refused(
        differs,
        &differs.replace("bits", "by_key = true, says = \"exact\", bits"),
    );
    assert!(matches!(last, SchemaError::NoLastLevel(_)), "{last}");
    assert!(matches!(
        refused("group = \"place\"", "group = \"home\""),
        SchemaError::UnknownSet(_)
    ));
}

#[test]
fn expected_false_matches_follow_from_the_odds() {
    assert!((Schema::false_per_thousand(0.0) - 500.0).abs() < 1e-9);
    assert!((Schema::false_per_thousand(10.0) - 1000.0 / 1025.0).abs() < 1e-9);
}

#[test]
fn the_digest_is_of_the_meaning() {
    let digest = |text: &str| Schema::parse(text).unwrap().digest();
    let commented = DEFAULT_TEXT.replace("prior =", "# a comment\nprior  =");
    assert_eq!(digest(DEFAULT_TEXT), digest(&commented));
    let changed = DEFAULT_TEXT.replace("prior = -13.3", "prior = -13.4");
    assert_ne!(digest(DEFAULT_TEXT), digest(&changed));
}

#[test]
fn what_a_schema_may_not_say() {
    let refused = |from: &str, to: &str| {
        assert!(DEFAULT_TEXT.contains(from), "{from}");
        Schema::parse(&DEFAULT_TEXT.replace(from, to)).unwrap_err()
    };
    assert!(matches!(
        refused("version = 2", "version ="),
        SchemaError::Syntax(_)
    ));
    assert!(matches!(
        refused("\"both_names\"", "\"shoe_size\""),
        SchemaError::Syntax(_)
    ));
    assert!(matches!(
        refused("possible = 1.0", "possible = 1.0\nmaybe = 1.0"),
        SchemaError::Syntax(_)
    ));
    assert_eq!(
        refused("version = 2", "version = 0"),
        SchemaError::Version(0)
    );
    assert_eq!(refused("id = 2\n", "id = 1\n"), SchemaError::DuplicateId(1));
    assert_eq!(
        refused("name = \"ni-number\"", "name = \"nhs-number\""),
        SchemaError::DuplicateName("nhs-number".to_owned())
    );
    assert!(matches!(
        refused("name = \"ni-number\"", "name = \"NI number\""),
        SchemaError::Name(_)
    ));
    assert!(matches!(
        refused("[\"passport\"]", "[]"),
        SchemaError::NoParts(_)
    ));
    assert!(matches!(
        refused("[\"passport\"]", "[\"one_name\", \"both_names\"]"),
        SchemaError::FieldTwice { .. }
    ));
    assert!(matches!(
        refused("passport = { exact = 24.0 }\n", ""),
        SchemaError::NoWeight { .. }
    ));
    assert!(matches!(
        refused("[\"passport\"]", "[\"one_name\"]"),
        SchemaError::TooWeak { .. }
    ));
    assert!(matches!(
        refused("prior = -13.3", "prior = nan"),
        SchemaError::OutOfRange { .. }
    ));
    assert!(matches!(
        refused("max_keys = 32", "max_keys = 0"),
        SchemaError::OutOfRange { .. }
    ));
    for (from, to) in [
        ("strong = 10.0", "strong = 0.5"),
        ("weak = -1.0", "weak = 1.1"),
    ] {
        assert_eq!(refused(from, to), SchemaError::Thresholds);
    }
}
