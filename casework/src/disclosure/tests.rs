use proptest::prelude::*;
use symbolon_core::identity::{AgencyKind, Name};

use super::decision::{DecisionError, Decisions, Outcome, Word};
use super::rules::{Asker, Denied, Limits, Second, at_once, may_leave, second_person};
use super::*;
use crate::dossier::{Consent, Level};

fn fields(names: &[&str]) -> BTreeSet<Field> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn record() -> Record {
    let cells = [
        ("record_id", "R1"),
        ("given_names", "Ana; Anna"),
        ("surname", "Nowak"),
        ("phone", "07700 900123"),
        ("notes", "seen at the docks"),
        ("shoe_size", "38"),
    ];
    Record::from_cells(cells).unwrap().0
}

fn name(name: &str) -> Name {
    name.parse().unwrap()
}

fn terms() -> Terms {
    Terms {
        handling: Some("1AP".parse().unwrap()),
        keep_until: 1_000,
        onward: false,
        conditions: None,
    }
}

fn asker(kind: AgencyKind) -> Asker {
    Asker {
        kind,
        admitted: false,
        cases_that_day: 1,
    }
}

const LIMITS: Limits = Limits {
    fields: 3,
    cases_a_day: 2,
};

#[test]
fn what_would_leave_is_what_was_asked_for_and_nothing_else() {
    let asked = fields(&["given_names", "shoe_size", "vic_TraffickingStatus", "email"]);
    let mut dossier = Dossier::default();
    dossier.htcds.insert(
        "vic_TraffickingStatus".to_owned(),
        "PossibleVictim".to_owned(),
    );
    let leaving = Values::of(&asked, &record(), &dossier);
    assert_eq!(leaving.fields(), asked);
    let value = |name: &str| leaving.0[&name.parse().unwrap()].clone();
    assert_eq!(value("given_names"), ["Ana", "Anna"]);
    assert_eq!(value("shoe_size"), ["38"]);
    assert_eq!(value("vic_TraffickingStatus"), ["PossibleVictim"]);
    assert!(value("email").is_empty());
    // The agency's own reference never leaves.
    let id = fields(&["record_id"]);
    assert!(
        Values::of(&id, &record(), &dossier)
            .0
            .values()
            .all(Vec::is_empty)
    );
    assert!(!format!("{leaving:?}").contains("Ana"));
}

#[test]
fn one_person_decides_field_by_field_after_a_look() {
    let asked = fields(&["given_names", "phone", "notes"]);
    let leaving = Values::of(&asked, &record(), &Dossier::default());
    let mut decisions = Decisions::begin(&asked);
    let ana = name("ana");
    let names = fields(&["given_names"]);
    let release = |decisions: &mut Decisions, leaving: &Values, fields: &BTreeSet<Field>| {
        decisions.release(&ana, fields, (&terms(), leaving), false)
    };
    let unseen = release(&mut decisions, &leaving, &names);
    assert_eq!(unseen, Err(DecisionError::NotSeen));
    decisions.look(&ana, &leaving);
    let mut changed = record();
    changed.phone = vec!["07700 900999".to_owned()];
    let changed = Values::of(&asked, &changed, &Dossier::default());
    let stale = release(&mut decisions, &changed, &names);
    assert_eq!(stale, Err(DecisionError::Changed));
    for wrong in [fields(&[]), fields(&["given_names", "email"])] {
        let refused = release(&mut decisions, &leaving, &wrong);
        assert!(matches!(refused, Err(DecisionError::NotAsked(_))));
    }
    let Ok(Outcome::Leaves(values)) = release(&mut decisions, &leaving, &names) else {
        panic!("it leaves");
    };
    assert_eq!(values.fields(), names);
    decisions.refuse(&fields(&["notes"])).unwrap();
    assert!(decisions.is_open());
    assert_eq!(decisions.undecided(), fields(&["phone"]));
    // What left is final; what was refused is not.
    assert!(matches!(
        decisions.refuse(&names),
        Err(DecisionError::Released(_))
    ));
    assert!(release(&mut decisions, &leaving, &fields(&["notes", "phone"])).is_ok());
    assert!(!decisions.is_open());
}

#[test]
fn two_people_are_two_people_who_saw_the_same() {
    let asked = fields(&["given_names", "phone"]);
    let leaving = Values::of(&asked, &record(), &Dossier::default());
    let mut decisions = Decisions::begin(&asked);
    let (ana, ben) = (name("ana"), name("ben"));
    assert_eq!(
        decisions.countersign(&ben, &leaving),
        Err(DecisionError::NothingWaits)
    );
    decisions.look(&ana, &leaving);
    let phone = fields(&["phone"]);
    let waits = decisions.release(&ana, &phone, (&terms(), &leaving), true);
    assert_eq!(waits, Ok(Outcome::Waits));
    assert_eq!(
        decisions.words()[&"phone".parse().unwrap()],
        Word::Undecided
    );
    assert_eq!(
        decisions.countersign(&ana, &leaving),
        Err(DecisionError::SamePerson(ana.clone()))
    );
    assert_eq!(
        decisions.countersign(&ben, &leaving),
        Err(DecisionError::NotSeen)
    );
    let again = decisions.release(&ana, &asked, (&terms(), &leaving), false);
    assert_eq!(again, Err(DecisionError::Waits(ana.clone())));
    let mut changed = record();
    changed.phone.clear();
    let changed = Values::of(&asked, &changed, &Dossier::default());
    decisions.look(&ben, &changed);
    assert_eq!(
        decisions.countersign(&ben, &changed),
        Err(DecisionError::ChangedSince(ana.clone()))
    );
    decisions.look(&ben, &leaving);
    let (values, proposal) = decisions.countersign(&ben, &leaving).unwrap();
    assert_eq!((values.fields(), proposal.by), (phone.clone(), ana.clone()));
    assert_eq!(decisions.words()[&"phone".parse().unwrap()], Word::Released);
    assert!(decisions.countersign(&ben, &leaving).is_err(), "once");
    // Either may refuse what waits.
    let names = fields(&["given_names"]);
    decisions
        .release(&ana, &names, (&terms(), &leaving), true)
        .unwrap();
    decisions.refuse(&names).unwrap();
    assert_eq!(
        decisions.countersign(&ben, &leaving),
        Err(DecisionError::NothingWaits)
    );
}

#[test]
fn silent_records_bulk_and_immigration_take_two() {
    let few = fields(&["given_names", "surname", "phone"]);
    let many = fields(&["given_names", "surname", "phone", "email"]);
    let police = asker(AgencyKind::LawEnforcement);
    let none = second_person(Level::Contact, &few, &police, &LIMITS);
    assert!(none.is_empty());
    let why = second_person(Level::Silent, &few, &police, &LIMITS);
    assert_eq!(why, [Second::Silent].into());
    let why = second_person(Level::Contact, &many, &police, &LIMITS);
    assert_eq!(why, [Second::Bulk].into());
    let busy = Asker {
        cases_that_day: 3,
        ..police
    };
    let why = second_person(Level::Open, &few, &busy, &LIMITS);
    assert_eq!(why, [Second::Bulk].into());
    let why = second_person(
        Level::Open,
        &few,
        &asker(AgencyKind::ImmigrationService),
        &LIMITS,
    );
    assert_eq!(why, [Second::Immigration].into());
}

#[test]
fn consent_and_the_firewall_come_before_any_decision() {
    let housing: Text = "housing".parse().unwrap();
    let police = asker(AgencyKind::LawEnforcement);
    let immigration = asker(AgencyKind::ImmigrationService);
    let mut dossier = Dossier::default();
    assert_eq!(may_leave(&dossier, &housing, &police), Ok(()));
    assert_eq!(
        may_leave(&dossier, &housing, &immigration),
        Err(Denied::Immigration)
    );
    let admitted = Asker {
        admitted: true,
        ..immigration
    };
    assert_eq!(may_leave(&dossier, &housing, &admitted), Ok(()));
    dossier.lawful_basis = Some("Explicit consent".parse().unwrap());
    let refused = Err(Denied::NoConsent("housing".to_owned()));
    for asker in [police, admitted] {
        assert_eq!(may_leave(&dossier, &housing, &asker), refused);
    }
    let mut consent = Consent {
        purpose: "Housing".parse().unwrap(),
        given: true,
        by: "herself".parse().unwrap(),
        how: "in writing".parse().unwrap(),
        at: 1,
        noted_by: name("ana"),
    };
    dossier.consents.push(consent.clone());
    assert_eq!(may_leave(&dossier, &housing, &police), Ok(()));
    assert!(may_leave(&dossier, &"arrest".parse().unwrap(), &police).is_err());
    consent.given = false;
    dossier.consents.push(consent);
    assert_eq!(may_leave(&dossier, &housing, &police), refused);
}

#[test]
fn only_open_records_give_at_once_and_only_the_fields_that_were_named() {
    let purpose: Text = "safeguarding".parse().unwrap();
    let mut dossier = Dossier {
        open_fields: vec!["given_names".to_owned(), "email".to_owned()],
        ..Dossier::default()
    };
    let gives =
        |dossier: &Dossier, kind| at_once(&record(), dossier, &purpose, &asker(kind)).fields();
    let police = AgencyKind::LawEnforcement;
    assert!(gives(&dossier, police).is_empty(), "contact is the default");
    dossier.level = Level::Silent;
    assert!(gives(&dossier, police).is_empty());
    dossier.level = Level::Open;
    assert_eq!(gives(&dossier, police), fields(&["given_names"]));
    assert!(gives(&dossier, AgencyKind::ImmigrationService).is_empty());
    dossier.lawful_basis = Some("consent".parse().unwrap());
    assert!(gives(&dossier, police).is_empty());
}

#[test]
fn an_answer_says_no_more_than_was_asked() {
    let asked = fields(&["given_names", "phone"]);
    let names = Values::of(&fields(&["given_names"]), &record(), &Dossier::default());
    let good = Answer {
        released: names,
        refused: fields(&["phone"]),
        terms: Some(terms()),
        reason: Some("not for this".parse().unwrap()),
    };
    assert_eq!(good.check(&asked), Ok(()));
    assert_eq!(good.check(&fields(&["phone"])), Err(BadAnswer::NotAsked));
    assert_eq!(
        good.check(&fields(&["given_names"])),
        Err(BadAnswer::NotAsked)
    );
    let both = Answer {
        refused: asked.clone(),
        ..good.clone()
    };
    assert_eq!(both.check(&asked), Err(BadAnswer::Contradiction));
    let no_terms = Answer {
        terms: None,
        ..good.clone()
    };
    assert_eq!(no_terms.check(&asked), Err(BadAnswer::Contradiction));
    let mut huge = good.clone();
    let value = vec!["x".repeat(MAX_VALUE_BYTES + 1)];
    huge.released
        .0
        .insert("given_names".parse().unwrap(), value);
    assert_eq!(huge.check(&asked), Err(BadAnswer::TooLarge));
    assert_eq!(good.check_unasked(), Err(BadAnswer::Contradiction));
}

#[derive(Clone, Debug)]
enum Act {
    Look(bool),
    Release(bool, u8, bool),
    Countersign(bool),
    Refuse(u8),
    Change,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(Act::Look),
        (any::<bool>(), any::<u8>(), any::<bool>()).prop_map(|(w, f, t)| Act::Release(w, f, t)),
        any::<bool>().prop_map(Act::Countersign),
        any::<u8>().prop_map(Act::Refuse),
        Just(Act::Change),
    ]
}

proptest! {
    /// Any sequence of acts: what leaves was asked for, is what the record says at that moment, leaves
    /// once, and with two people where it takes two.
    #[test]
    fn nothing_leaves_but_what_was_asked_for_and_seen(acts in proptest::collection::vec(act(), 0..40)) {
        let people = [name("ana"), name("ben")];
        let person = |first: bool| people[usize::from(!first)].clone();
        // The last two were not asked for.
        let all: Vec<Field> = ["given_names", "surname", "phone", "notes", "shoe_size"]
            .iter().map(|f| f.parse().unwrap()).collect();
        let asked: BTreeSet<Field> = all[..3].iter().cloned().collect();
        let pick = |bits: u8| -> BTreeSet<Field> {
            let chosen = all.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            chosen.map(|(_, field)| field.clone()).collect()
        };
        let mut record = record();
        let mut decisions = Decisions::begin(&asked);
        let mut saw: BTreeMap<Name, Values> = BTreeMap::new();
        let mut left: BTreeSet<Field> = BTreeSet::new();
        for (round, act) in acts.into_iter().enumerate() {
            let now = Values::of(&asked, &record, &Dossier::default());
            let released = match act {
                Act::Look(first) => {
                    decisions.look(&person(first), &now);
                    saw.insert(person(first), now.clone());
                    None
                }
                Act::Release(first, bits, two) => {
                    let outcome = decisions.release(&person(first), &pick(bits), (&terms(), &now), two);
                    match outcome {
                        Ok(Outcome::Leaves(values)) => {
                            prop_assert!(!two);
                            prop_assert_eq!(saw.get(&person(first)), Some(&now));
                            Some(values)
                        }
                        _ => None,
                    }
                }
                Act::Countersign(first) => decisions.countersign(&person(first), &now).ok().map(|(values, proposal)| {
                    assert_ne!(proposal.by, person(first));
                    assert_eq!(saw.get(&person(first)), Some(&now));
                    values
                }),
                Act::Refuse(bits) => {
                    let _ = decisions.refuse(&pick(bits));
                    None
                }
                Act::Change => {
                    record.phone = vec![format!("07700 {round:06}")];
                    None
                }
            };
            if let Some(values) = released {
                prop_assert!(values.fields().is_subset(&asked));
                prop_assert_eq!(&values, &now.only(&values.fields()));
                prop_assert!(values.fields().is_disjoint(&left), "once");
                left.extend(values.fields());
            }
            for (field, word) in decisions.words() {
                prop_assert_eq!(left.contains(field), *word == Word::Released);
            }
        }
    }
}
