//! The private comparison: counts as in clear, and what each kind of cheat meets.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::traits::Identity as _;
use proptest::prelude::*;
use rand_core::OsRng;
use symbolon_core::comparison::{self, ComparisonError, Exponent, Layout, Pair, Side};
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::{FieldSet, counts_in_clear};
use symbolon_core::payload::RecordReference;
use symbolon_core::row::AgreementEpoch;
use zeroize::Zeroizing;

const RUN: Digest = Digest([7; 32]);

fn set(label: &str, slots: u16, values: &[&str]) -> FieldSet {
    let values = values.iter().map(|v| Zeroizing::new(v.as_bytes().to_vec()));
    FieldSet {
        label: label.to_owned(),
        slots,
        values: values.collect(),
    }
}

fn one() -> Vec<FieldSet> {
    vec![
        set("name", 6, &["an", "na", "a$"]),
        set("year", 4, &["2", "0"]),
    ]
}

fn other() -> Vec<FieldSet> {
    vec![
        set("name", 6, &["an", "nn", "na", "b"]),
        set("year", 4, &[]),
    ]
}

fn layout(sets: &[FieldSet]) -> Layout {
    Layout::of(&Digest([1; 32]), sets).unwrap()
}

/// One run with everything that was said in it.
struct Said {
    layout: Layout,
    exponent: Exponent,
    asked: Vec<u8>,
    answer: Vec<u8>,
    closed: Vec<u8>,
    counts: (Vec<u16>, Vec<u16>),
}

fn run(first: &[FieldSet], second: &[FieldSet]) -> Said {
    let layout = layout(first);
    let (exponent, asked) = comparison::ask(&RUN, &layout, first, &mut OsRng).unwrap();
    let answer = comparison::answer(&RUN, &layout, second, &asked, &mut OsRng).unwrap();
    let (counts, closed) = comparison::close(&RUN, &layout, &exponent, &asked, &answer).unwrap();
    let concluded = comparison::conclude(&RUN, &layout, &asked, &answer, &closed).unwrap();
    Said {
        layout,
        exponent,
        asked,
        answer,
        closed,
        counts: (counts, concluded),
    }
}

#[test]
fn both_learn_the_counts_and_messages_have_one_size_whatever_the_records_hold() {
    let said = run(&one(), &other());
    assert_eq!(said.counts, (vec![2, 0], vec![2, 0]));
    let empty = vec![set("name", 6, &[]), set("year", 4, &[])];
    let nothing = run(&empty, &empty);
    assert_eq!(nothing.counts, (vec![0, 0], vec![0, 0]));
    let sizes = |said: &Said| (said.asked.len(), said.answer.len(), said.closed.len());
    assert_eq!(sizes(&said), sizes(&nothing));
    assert_eq!(sizes(&said), (320, 480, 320));
    assert_eq!(said.layout.longest_bytes(), 480);
    let full = one();
    assert_eq!(run(&full, &full).counts.0, [3, 2]);
}

#[test]
fn one_run_says_nothing_in_another() {
    let said = run(&one(), &other());
    let again = run(&one(), &other());
    // The same features, fresh exponents: no point and no tag comes twice.
    assert_ne!(said.asked[..32], again.asked[..32]);
    let elsewhere = Digest([8; 32]);
    let (counts, _) = comparison::close(
        &elsewhere,
        &said.layout,
        &said.exponent,
        &said.asked,
        &said.answer,
    )
    .unwrap();
    assert_eq!(counts, [0, 0], "tags are bound to their run");
    let replayed = comparison::conclude(
        &RUN,
        &said.layout,
        &again.asked,
        &again.answer,
        &said.closed,
    );
    assert_eq!(
        replayed,
        Ok(vec![0, 0]),
        "a close of another run agrees in nothing"
    );
    let kept = Exponent::from_bytes(said.exponent.to_bytes().as_ref()).unwrap();
    let (counts, _) =
        comparison::close(&RUN, &said.layout, &kept, &said.asked, &said.answer).unwrap();
    assert_eq!(counts, said.counts.0, "the exponent survives its bytes");
    assert!(Exponent::from_bytes(&[0; 32]).is_none() && Exponent::from_bytes(&[1; 31]).is_none());
}

#[test]
fn the_run_binds_everything_that_both_must_mean_alike() {
    let side = |agency: &str, n: u8| Side {
        agency: agency.parse().unwrap(),
        reference: RecordReference([n; 16]),
    };
    let (police, refuge) = (side("police", 1), side("refuge", 2));
    let place = (Digest([2; 32]), AgreementEpoch([3; 16]));
    let pair = |one: &Side, other: &Side, place| {
        Pair::of(Digest([1; 32]), place, one.clone(), other.clone())
    };
    let layout = layout(&one());
    let same = pair(&police, &refuge, place);
    assert_eq!(same, pair(&refuge, &police, place));
    assert!(same.is_first(&police) && !same.is_first(&refuge));
    let run = same.run(&layout, 1, &[9; 32]);
    let elsewhere = (place.0, AgreementEpoch([4; 16]));
    let others = [
        same.run(&layout, 2, &[9; 32]),
        same.run(&layout, 1, &[8; 32]),
        same.run(&self::layout(&[set("name", 6, &[])]), 1, &[9; 32]),
        pair(&police, &refuge, elsewhere).run(&layout, 1, &[9; 32]),
        pair(&police, &side("refuge", 5), place).run(&layout, 1, &[9; 32]),
    ];
    assert!(others.iter().all(|other| *other != run));
    // Another schema or size of a field is another layout.
    let of = |schema: u8, slots| {
        let sets = [set("name", slots, &[])];
        Layout::of(&Digest([schema; 32]), &sets).unwrap().digest()
    };
    assert_eq!(of(1, 6), of(1, 6));
    assert!([of(2, 6), of(1, 7)].iter().all(|d| *d != of(1, 6)));
}

#[test]
fn own_features_that_do_not_fit_are_not_sent() {
    let layout = layout(&one());
    let refused = |sets: &[FieldSet]| {
        let asked = comparison::ask(&RUN, &layout, sets, &mut OsRng);
        matches!(asked, Err(ComparisonError::OwnFeatures(_)))
    };
    assert!(!refused(&other()), "control");
    assert!(refused(&[set("name", 6, &["a", "a"]), set("year", 4, &[])]));
    assert!(refused(&[
        set("name", 6, &[]),
        set("year", 4, &["1", "2", "3", "4", "5"])
    ]));
    assert!(refused(&[set("name", 6, &[]), set("year", 5, &[])]));
    assert!(refused(&[set("name", 6, &[])]));
    assert!(Layout::of(&Digest([1; 32]), &[]).is_err());
    assert!(Layout::of(&Digest([1; 32]), &[set("name", 1025, &[])]).is_err());
    assert!(Layout::of(&Digest([1; 32]), &[set("name", 0, &[])]).is_err());
}

/// Every message with what is done to it, and whether it is still taken.
fn refusal(said: &Said, message: &str, bytes: &[u8]) -> Option<ComparisonError> {
    let Said { layout, .. } = said;
    match message {
        "ask" => comparison::answer(&RUN, layout, &other(), bytes, &mut OsRng).err(),
        "answer" => comparison::close(&RUN, layout, &said.exponent, &said.asked, bytes).err(),
        _ => comparison::conclude(&RUN, layout, &said.asked, &said.answer, bytes).err(),
    }
}

#[test]
fn wrong_sizes_bad_points_repeats_and_reflections_are_refused_in_each_message() {
    let said = run(&one(), &other());
    for (message, good) in [
        ("ask", &said.asked),
        ("answer", &said.answer),
        ("close", &said.closed),
    ] {
        assert_eq!(refusal(&said, message, good), None, "control: {message}");
        let refused = |bytes: &[u8]| refusal(&said, message, bytes).unwrap();
        for length in [0, good.len() - 32, good.len() - 1] {
            let error = refused(&good[..length]);
            assert!(
                matches!(error, ComparisonError::WrongSize { .. }),
                "{error}"
            );
        }
        let longer = [good.as_slice(), &[0; 32]].concat();
        assert!(matches!(
            refused(&longer),
            ComparisonError::WrongSize { .. }
        ));

        // The identity is the least encoding, so it stands at its place.
        let mut identity = good.clone();
        identity[..32].copy_from_slice(RistrettoPoint::identity().compress().as_bytes());
        let field = "name".to_owned();
        let bad = |field: &str| {
            let (message, field) = (message_name(message), field.to_owned());
            ComparisonError::BadPoint { message, field }
        };
        assert_eq!(refused(&identity), bad("name"));
        // Above the field's prime: no canonical encoding, and the greatest of all.
        let mut above = good.clone();
        above[9 * 32..10 * 32].fill(0xff);
        assert_eq!(refused(&above), bad("year"));

        let disordered = ComparisonError::Disordered {
            message: message_name(message),
            field,
        };
        let mut repeated = good.clone();
        repeated.copy_within(..32, 32);
        assert_eq!(refused(&repeated), disordered, "a point twice");
        let mut swapped = good.clone();
        swapped[..64].rotate_left(32);
        assert_eq!(
            refused(&swapped),
            disordered,
            "an order that could tell something"
        );
    }
    let mut tags = said.answer.clone();
    tags.copy_within(320..336, 336);
    assert!(matches!(
        refusal(&said, "answer", &tags),
        Some(ComparisonError::Disordered { .. })
    ));
}

fn message_name(message: &str) -> &'static str {
    match message {
        "ask" => "ask",
        "answer" => "answer",
        _ => "close",
    }
}

#[test]
fn points_of_the_other_side_are_not_taken_back() {
    let said = run(&one(), &other());
    let reflected = |message| {
        let field = "name".to_owned();
        Some(ComparisonError::Reflected { message, field })
    };
    // The second side hands the first its own points, the first the second's, or its own once more.
    let answer = [said.asked.as_slice(), &said.answer[320..]].concat();
    assert_eq!(refusal(&said, "answer", &answer), reflected("answer"));
    assert_eq!(
        refusal(&said, "close", &said.answer[..320]),
        reflected("close")
    );
    assert_eq!(refusal(&said, "close", &said.asked), reflected("close"));
}

#[test]
fn a_close_that_is_made_up_agrees_in_nothing() {
    let said = run(&one(), &one());
    assert_eq!(said.counts.1, [3, 2], "control");
    // The first has seen no point of the second's second round, only tags: it has none to hand back.
    let (_, made_up) = comparison::ask(&RUN, &said.layout, &one(), &mut OsRng).unwrap();
    let counts = comparison::conclude(&RUN, &said.layout, &said.asked, &said.answer, &made_up);
    assert_eq!(counts, Ok(vec![0, 0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_are_those_computed_in_clear(
        a in proptest::collection::btree_set("[a-d]{1,2}", 0..9),
        b in proptest::collection::btree_set("[a-d]{1,2}", 0..9),
        c in proptest::collection::btree_set("[0-9]", 0..5),
        d in proptest::collection::btree_set("[0-9]", 0..5),
    ) {
        let sets = |x: &std::collections::BTreeSet<String>, y: &std::collections::BTreeSet<String>| {
            let texts = |s: &std::collections::BTreeSet<String>| -> Vec<String> { s.iter().cloned().collect() };
            let (x, y) = (texts(x), texts(y));
            let x: Vec<&str> = x.iter().map(String::as_str).collect();
            let y: Vec<&str> = y.iter().map(String::as_str).collect();
            vec![set("name", 9, &x), set("year", 5, &y)]
        };
        let (first, second) = (sets(&a, &c), sets(&b, &d));
        let said = run(&first, &second);
        let clear = counts_in_clear(&first, &second);
        prop_assert_eq!(&said.counts.0, &clear);
        prop_assert_eq!(&said.counts.1, &clear);
    }

    #[test]
    fn altered_bytes_never_panic(
        at in 0..480_usize,
        to in any::<u8>(),
        length in 0..600_usize,
        noise in proptest::collection::vec(any::<u8>(), 320),
    ) {
        let said = run(&one(), &other());
        for (message, good) in [("ask", &said.asked), ("answer", &said.answer), ("close", &said.closed)] {
            let mut altered = good.clone();
            if let Some(byte) = altered.get_mut(at) {
                *byte = to;
            }
            altered.resize(length, to);
            let _ = refusal(&said, message, &altered);
            prop_assert!(refusal(&said, message, &noise).is_some());
        }
    }
}
