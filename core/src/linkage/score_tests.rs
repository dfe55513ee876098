use super::*;
use proptest::prelude::*;

fn kinds(names: &[&str]) -> BTreeSet<KeyKindId> {
    let schema = Schema::default_schema();
    let of = |name: &&str| {
        let found = schema.kinds().iter().find(|kind| kind.name == *name);
        found.unwrap_or_else(|| panic!("{name}")).id
    };
    names.iter().map(of).collect()
}

fn scored(names: &[&str]) -> Score {
    score(Schema::default_schema(), &kinds(names))
}

#[test]
fn each_field_counts_once_at_its_best() {
    let both = scored(&["names-date", "start-swapped", "two-four-year"]);
    assert_eq!(both, scored(&["names-date"]));
    assert_eq!(
        both.fields,
        [
            (FieldName::Name, Level::BothNames),
            (FieldName::DateOfBirth, Level::Exact)
        ]
    );
    assert!((both.bits - (17.1 + 13.9 - 13.3)).abs() < 1e-9);
}

#[test]
fn fields_add_up() {
    let pair = scored(&["two-four-year", "date-postcode"]);
    assert!((pair.bits - (10.5 + 12.9 + 9.0 - 13.3)).abs() < 1e-9);
    assert_eq!(pair.tier, Some(Tier::Strong));
}

#[test]
fn tiers() {
    assert_eq!(scored(&[]).tier, None);
    assert_eq!(scored(&["nhs-number"]).tier, Some(Tier::Strong));
    assert_eq!(scored(&["phone"]).tier, Some(Tier::Possible));
    assert_eq!(scored(&["date-street"]).tier, Some(Tier::Possible));
    assert_eq!(scored(&["skeleton-year"]).tier, None);
    assert_eq!(scored(&["initials-town-local"]).tier, Some(Tier::Weak));
    assert_eq!(scored(&["names-date"]).tier, Some(Tier::Strong));
    assert_eq!(
        format!("{} {:>9} {}", Tier::Strong, Tier::Possible, Tier::Weak),
        "strong  possible weak"
    );
    assert!(Tier::Weak < Tier::Possible && Tier::Possible < Tier::Strong);
    let is_told = |name| scored(&[name]).is_told();
    assert!(is_told("nhs-number") && is_told("phone"));
    assert!(!is_told("initials-town-local") && !is_told("skeleton-year"));
    let unknown = score(Schema::default_schema(), &[KeyKindId(999)].into());
    assert_eq!(unknown.tier, None);
}

#[test]
fn an_agreement_moves_the_tiers_and_weak_stays_below() {
    let schema = Schema::default_schema();
    let tier = |name: &str, possible, strong| {
        let agreed = ScoreThreshold {
            possible_decibits: possible,
            strong_decibits: strong,
        };
        score_by(schema, &kinds(&[name]), Some(&agreed)).tier
    };
    // 3.7 bits.
    assert_eq!(tier("phone", 30, 100), Some(Tier::Possible));
    assert_eq!(tier("phone", 30, 37), Some(Tier::Strong));
    assert_eq!(tier("phone", 80, 100), Some(Tier::Weak));
    // 1.2 bits, and -0.5: weak by the schema from 1.0 on, or from where the agreement says possible.
    assert_eq!(tier("year-postcode", 80, 100), Some(Tier::Weak));
    assert_eq!(tier("start-house", 80, 100), None);
    assert_eq!(tier("start-house", -5, 100), Some(Tier::Possible));
    assert_eq!(tier("start-house", -4, 100), None);
}

#[test]
fn told_once_and_the_most_telling_first() {
    let schema = Schema::default_schema();
    let told = |names: &[&str]| describe(schema, &score(schema, &kinds(names)));
    assert_eq!(
        told(&[
            "start-swapped",
            "names-date",
            "two-four-year",
            "nhs-number",
            "phone"
        ]),
        ["NHS number", "both names", "phone", "date of birth"]
    );
    assert_eq!(
        told(&["email-starts", "local-end-month"]),
        ["email, nearly", "month and year of birth"]
    );
}

proptest! {
    #[test]
    fn another_agreeing_kind_never_lowers_the_score(picked in prop::collection::vec(0usize..64, 0..8)) {
        let schema = Schema::default_schema();
        let all: Vec<KeyKindId> = schema.kinds().iter().map(|kind| kind.id).collect();
        let mut agreeing = BTreeSet::new();
        let mut before = score(schema, &agreeing);
        for index in picked {
            agreeing.insert(all[index % all.len()]);
            let after = score(schema, &agreeing);
            prop_assert!(after.bits >= before.bits && after.tier >= before.tier);
            prop_assert!((after.bits * 10.0 - (after.bits * 10.0).round()).abs() < 1e-6);
            before = after;
        }
    }
}
