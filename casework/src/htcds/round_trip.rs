//! Nothing is lost, whichever way and however often.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use symbolon_core::linkage::record::{COLUMNS, Record};

use super::cells::{export, import};
use super::fields::{FIELDS, Kind};
use super::{Case, Cells, Format, read, write};
use crate::dossier::{Consent, Dossier, Retention};
use crate::link::{Link, LinkEnd, LinkKind};
use crate::state::RecordState;

const NOW: i64 = 2_000_000_000;

/// What people type, and what breaks parsers.
fn text() -> impl Strategy<Value = String> {
    let hard = [
        "Ana Maria",
        "O'Neill",
        "a,b",
        "a\"b",
        "[]",
        "[\"x\"]",
        "a; b",
        "a (b",
        "Đặng Thị",
        "x\ny",
        "=1+1",
        "none",
        "{}",
        "0044 113 496 0000",
        "07700 900123",
        "+84 91 234 5678",
        "SW1A 1AA",
    ];
    let letters = "[A-Za-zăđ0-9 ;,()\"'\\[\\]-]{1,12}".prop_map(|text| text.trim().to_owned());
    prop_oneof![
        select(hard.to_vec()).prop_map(str::to_owned),
        letters.prop_filter("blank cells are no cells", |text| !text.is_empty()),
    ]
}

fn cell(kind: Kind) -> BoxedStrategy<String> {
    let code = |list: &'static [&'static str]| select(list).prop_map(str::to_owned);
    let known = match kind {
        Kind::Text => return text().boxed(),
        Kind::Number => (0u32..200).prop_map(|n| n.to_string()).boxed(),
        Kind::Date => select(["2009-03-04", "04/03/2009", "2009", "2009-01-01"].as_slice())
            .prop_map(str::to_owned)
            .boxed(),
        Kind::Checkbox => select(["true", "FALSE", "Yes"].as_slice())
            .prop_map(str::to_owned)
            .boxed(),
        Kind::One(list) => code(list).boxed(),
        Kind::Several(list) => vec(code(list), 1..4).prop_map(|v| v.join(";")).boxed(),
        Kind::Country => code(&["GB", "VN"]).boxed(),
        Kind::Countries => select(["GB", "VN;GB", "VN; GB"].as_slice())
            .prop_map(str::to_owned)
            .boxed(),
        Kind::Language => code(&["eng", "vie"]).boxed(),
    };
    // A bad code is kept like a good one.
    prop_oneof![4 => known, 1 => text()].boxed()
}

/// A case as another program may write it: any fields, and some that nobody knows.
fn case() -> impl Strategy<Value = Cells> {
    let fields: Vec<_> = FIELDS
        .iter()
        .map(|(name, kind)| option::weighted(0.4, cell(*kind)).prop_map(move |cell| (*name, cell)))
        .collect();
    let others = [
        "con_Interview",
        "con_Use",
        "shoe size",
        "sym_unknown",
        "vic_Other",
    ];
    let others = btree_map(select(others.to_vec()), text(), 0..4);
    let ours = [
        ("sym_handling", "1AP"),
        ("sym_handling", "9ZZ"),
        ("sym_category", "neighbour"),
        ("sym_level", "silent"),
        ("sym_phone", "1;2"),
        ("sym_x_shoe", "38"),
        ("sym_sex", "[]"),
        ("sym_review_at", "2027-01-01"),
        ("sym_review_at", "soon"),
    ];
    let ours = vec(select(ours.to_vec()), 0..4);
    (fields, others, ours).prop_map(|(fields, others, ours)| {
        let fields = fields
            .into_iter()
            .filter_map(|(name, cell)| Some((name.to_owned(), cell?)));
        let others = others
            .into_iter()
            .map(|(name, cell)| (name.to_owned(), cell));
        let ours = ours
            .into_iter()
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        let mut cells: Cells = fields.chain(others).chain(ours).collect();
        cells.insert(super::RECORD_ID.to_owned(), "R-1".to_owned());
        cells
    })
}

fn value(column: &'static str) -> BoxedStrategy<String> {
    let words: &'static [&'static str] = match column {
        "sex" => &["female", "F", "male", "x"],
        "date_of_birth" => &[
            "2009-03-04",
            "4 March 2009 (claimed; mother)",
            "2009-01-01",
            "2009",
        ],
        "multiple_birth" => &["yes", "no", "2"],
        "nationality" => &["VN", "GB", "Vietnamese"],
        _ => return text().boxed(),
    };
    prop_oneof![3 => select(words.to_vec()).prop_map(str::to_owned), 1 => text()].boxed()
}

fn record() -> impl Strategy<Value = Record> {
    let lists: Vec<_> = COLUMNS
        .into_iter()
        .filter(|column| Record::has_several(column))
        .map(|column| vec(value(column), 0..4).prop_map(move |values| (column, values)))
        .collect();
    let categories = ["victim", "missing", "suspect", "witness", "other"];
    let category = option::of(select(categories.to_vec()));
    let single = (option::of(text()), option::of(text()), option::of(text()));
    let extra = btree_map("[a-z _]{0,5}[a-z]", text(), 0..3);
    (lists, category, single, extra).prop_map(
        |(lists, category, (risk, case_ref, notes), extra)| {
            let mut record = Record {
                record_id: "R-1".to_owned(),
                risk,
                case_ref,
                notes,
                ..Record::default()
            };
            record.category = category.map(|word| word.parse().unwrap());
            record.extra = extra
                .into_iter()
                .map(|(name, value)| (name.trim().to_owned(), value))
                .collect();
            // What cannot be split again never came out of a cell.
            for (column, values) in lists {
                record.replace(column, values).unwrap();
            }
            record
        },
    )
}

fn consent() -> impl Strategy<Value = Consent> {
    ("[a-z]{1,5}", any::<bool>(), 0..NOW).prop_map(|(purpose, given, at)| Consent {
        purpose: purpose.parse().unwrap(),
        given,
        by: "herself, \"in person\"".parse().unwrap(),
        how: "in writing; read out".parse().unwrap(),
        at,
        noted_by: "ana".parse().unwrap(),
    })
}

fn link() -> impl Strategy<Value = Link> {
    (0..5usize, "[a-z]{1,5}", any::<bool>()).prop_map(|(kind, words, dated)| Link {
        number: 0,
        kind: LinkKind::ALL[kind].0,
        role: "associate".parse().unwrap(),
        to: match kind {
            0 => LinkEnd::Record(words),
            _ => LinkEnd::Words(words.parse().unwrap()),
        },
        from: dated.then(|| "2024-02-29".parse().unwrap()),
        until: None,
        source: dated.then(|| "a; b".parse().unwrap()),
        noted_at: 5,
        noted_by: "ana".parse().unwrap(),
    })
}

fn dossier() -> impl Strategy<Value = Dossier> {
    let words = (
        option::of("[a-z,;]{1,6}"),
        option::of("[a-z ]{0,4}[a-z]"),
        any::<bool>(),
    );
    let handling = option::of(select(["1AP", "2BC", "3EP"].as_slice()));
    let times = (
        option::of(0..NOW),
        option::of((0..20_000i64).prop_map(|day| day * 86_400)),
    );
    let levels = select(["open", "contact", "silent"].as_slice());
    (
        vec(consent(), 0..4),
        vec(link(), 0..4),
        words,
        handling,
        times,
        levels,
    )
        .prop_map(
            |(
                consents,
                links,
                (basis, contact, several),
                handling,
                (review_at, expires_at),
                level,
            )| {
                let mut dossier = Dossier {
                    level: level.parse().unwrap(),
                    handling: handling.map(|code| code.parse().unwrap()),
                    regime: several.then(|| "uk-gdpr".parse().unwrap()),
                    purpose: contact.as_ref().map(|text| text.parse().unwrap()),
                    lawful_basis: basis.map(|text| text.parse().unwrap()),
                    contact: contact.map(|text| text.parse().unwrap()),
                    consents,
                    retention: Retention {
                        class: several.then(|| "child-protection".parse().unwrap()),
                        review_at,
                        expires_at,
                        legal_hold: several.then(|| "inquest; a, b".parse().unwrap()),
                    },
                    ..Dossier::default()
                };
                if several {
                    dossier.open_fields = vec!["alias".to_owned(), "surname".to_owned()];
                    dossier
                        .htcds
                        .insert("cas_CaseOwner".to_owned(), "desk, 4".to_owned());
                    dossier
                        .htcds
                        .insert("prs_Gender".to_owned(), "TransgenderFeminine".to_owned());
                    let status = "ActualVictimOfTrafficking".to_owned();
                    dossier
                        .htcds
                        .insert("vic_TraffickingStatus".to_owned(), status);
                }
                for link in links {
                    let _ = crate::link::add(&mut dossier.links, link, "R-1");
                }
                dossier
            },
        )
}

fn through(format: Format, cells: &Cells) -> Cells {
    // A second case, so that columns are in the file that this one lacks.
    let other = Cells::from([
        ("prs_Title".to_owned(), "x".to_owned()),
        ("sym_phone".to_owned(), "1;2".to_owned()),
    ]);
    let file = write(format, &[cells.clone(), other]).unwrap();
    let cases = read(file.as_bytes()).unwrap();
    let case = cases.into_iter().next().unwrap().unwrap();
    case.cells
}

fn filled(cells: &Cells) -> Cells {
    let filled = cells.iter().filter(|(_, cell)| !cell.is_empty());
    filled
        .map(|(name, cell)| (name.clone(), cell.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// HTCDS -> record -> HTCDS: every cell comes out as it went in, in either form.
    #[test]
    fn a_case_comes_out_as_it_went_in(cells in case(), json in any::<bool>()) {
        let format = if json { Format::Json } else { Format::Csv };
        let there = through(format, &cells);
        prop_assert_eq!(filled(&there), cells.clone());
        let case = Case { place: 2, cells: there };
        let imported = import(&case, "R-1", None, NOW);
        let state = RecordState { record: imported.record, dossier: imported.dossier, agreements: Vec::new() };
        let back = filled(&through(format, &export(&state)));
        // What an extension says more than once, or of what is so anyway, it need not say again.
        let standard = cells.iter().filter(|(name, _)| !name.starts_with(super::EXTENSION) || *name == "sym_unknown");
        for (name, cell) in standard {
            prop_assert_eq!(back.get(name), Some(cell), "{}", name);
        }
        let there = Case { place: 2, cells: back };
        let once_more = import(&there, "R-1", None, NOW);
        prop_assert!(once_more.record == state.record);
        // And the same case a second time, into the record that is there: nothing changes.
        let again = import(&case, "R-1", Some((&state.record, &state.dossier)), NOW);
        prop_assert!(again.record == state.record);
        prop_assert_eq!(again.dossier, state.dossier);
    }

    /// Record -> HTCDS -> record: the same record and the same dossier, in either form.
    #[test]
    fn a_record_comes_back_as_it_was(record in record(), dossier in dossier(), json in any::<bool>()) {
        let format = if json { Format::Json } else { Format::Csv };
        let state = RecordState { record, dossier, agreements: Vec::new() };
        let case = Case { place: 2, cells: through(format, &export(&state)) };
        let back = import(&case, "R-1", None, NOW);
        let state_back = RecordState { record: back.record, dossier: back.dossier, agreements: Vec::new() };
        prop_assert_eq!(state.changes_to(&state_back).into_iter().map(|c| (c.field, c.before, c.after)).collect::<Vec<_>>(), vec![]);
        prop_assert!(state_back == state);
    }
}

#[test]
fn what_is_edited_here_takes_the_place_of_the_cell_that_came() {
    let cells = Cells::from([
        ("prs_FirstName".to_owned(), "Ana".to_owned()),
        ("prs_MiddleName".to_owned(), "Maria".to_owned()),
        ("prs_Gender".to_owned(), "TransgenderFeminine".to_owned()),
        (
            "vic_TraffickingStatus".to_owned(),
            "PossibleVictim".to_owned(),
        ),
    ]);
    let imported = import(&Case { place: 2, cells }, "R-1", None, NOW);
    assert_eq!(imported.record.given_names, ["Ana Maria"]);
    assert!(imported.record.sex.is_empty());
    assert_eq!(imported.record.category.unwrap().to_string(), "victim");
    let mut state = RecordState {
        record: imported.record,
        dossier: imported.dossier,
        agreements: Vec::new(),
    };
    let before = state.record.clone();
    state.record.given_names = vec!["Anna".to_owned()];
    state.record.category = Some("witness".parse().unwrap());
    super::forget_changed(&mut state.dossier, &before, &state.record);
    let out = export(&state);
    assert_eq!(out["prs_FirstName"], "Anna");
    assert!(!out.contains_key("prs_MiddleName"));
    assert_eq!(out["prs_Gender"], "TransgenderFeminine");
    // What somebody decided about the status stays, and the category stands beside it.
    assert_eq!(out["vic_TraffickingStatus"], "PossibleVictim");
    assert_eq!(out["sym_category"], "witness");
}
