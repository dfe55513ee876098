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
fn every_kind_reaches_the_possible_tier_alone() {
    let schema = Schema::default_schema();
    for kind in schema.kinds() {
        let scored = super::super::score(schema, &[kind.id].into());
        assert!(scored.tier.is_some(), "{} {}", kind.name, scored.bits);
    }
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
        refused("version = 1", "version ="),
        SchemaError::Syntax(_)
    ));
    assert!(matches!(
        refused("\"both_names\"", "\"shoe_size\""),
        SchemaError::Syntax(_)
    ));
    assert!(matches!(
        refused("possible = 3.0", "possible = 3.0\nmaybe = 1.0"),
        SchemaError::Syntax(_)
    ));
    assert_eq!(
        refused("version = 1", "version = 0"),
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
    assert_eq!(
        refused("strong = 10.0", "strong = 2.0"),
        SchemaError::Thresholds
    );
}
