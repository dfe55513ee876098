use super::*;
use crate::dossier::Dossier;

fn state() -> RecordState {
    let cells = [
        ("record_id", "a1"),
        ("surname", "Hill"),
        ("phone", "07700 900123;07700 900124"),
        ("risk", "low"),
    ];
    RecordState {
        record: Record::from_cells(cells).unwrap().0,
        dossier: Dossier::default(),
        agreements: vec!["one".parse().unwrap()],
    }
}

fn cells(pairs: &[(&str, &str)]) -> Vec<Cell> {
    let pairs = pairs.iter();
    pairs
        .map(|(c, v)| ((*c).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn columns_are_set_added_to_and_taken_from() {
    let edit = RecordEdit {
        set: cells(&[("surname", "Hall; Hill-Hall"), ("risk", ""), ("shoe", "38")]),
        add: cells(&[("phone", "07700 900125; 07700 900124"), ("alias", "Annie")]),
        remove: cells(&[("phone", "07700 900123")]),
        ..RecordEdit::default()
    };
    let after = edit.apply(&state()).unwrap().record;
    assert_eq!(after.surname, ["Hall", "Hill-Hall"]);
    assert_eq!(after.phone, ["07700 900124", "07700 900125"]);
    assert_eq!(
        (after.alias.as_slice(), after.risk),
        (&["Annie".to_owned()][..], None)
    );
    assert_eq!(after.extra["shoe"], "38");
}

#[test]
fn the_dossier_is_set_and_cleared() {
    let edit = RecordEdit {
        agreements: Some(vec!["two".parse().unwrap(), "two".parse().unwrap()]),
        level: Some(Level::Silent),
        handling: Some("2bc".parse().unwrap()),
        regime: Some("law-enforcement".parse().unwrap()),
        kept_for: Some("investigation".parse().unwrap()),
        lawful_basis: Some("public task".parse().unwrap()),
        contact: Some("desk 4".parse().unwrap()),
        open_fields: Some(vec!["surname".to_owned(), "alias".to_owned()]),
        retention_class: Some("child-protection".parse().unwrap()),
        review: Some("2027-01-01".parse().unwrap()),
        legal_hold: Some("inquest".parse().unwrap()),
        ..RecordEdit::default()
    };
    let after = edit.apply(&state()).unwrap();
    let dossier = &after.dossier;
    assert_eq!(after.agreements.len(), 1);
    assert_eq!(dossier.level, Level::Silent);
    assert_eq!(dossier.handling.unwrap().to_string(), "2BC");
    assert_eq!(dossier.open_fields, ["alias", "surname"]);
    assert_eq!(
        dossier.retention.review_at,
        "2027-01-01".parse::<Day>().ok().map(Day::begins_at)
    );
    let fields = after.fields();
    for field in [
        "kept_for",
        "lawful_basis",
        "contact",
        "retention_class",
        "legal_hold",
    ] {
        assert!(fields.contains_key(field), "{field}");
    }
    let clear = RecordEdit {
        handling: Some("none".parse().unwrap()),
        legal_hold: Some("none".parse().unwrap()),
        review: Some("none".parse().unwrap()),
        agreements: Some(Vec::new()),
        ..RecordEdit::default()
    };
    let cleared = clear.apply(&after).unwrap();
    assert!(cleared.agreements.is_empty());
    assert!(cleared.dossier.handling.is_none() && cleared.dossier.retention.review_at.is_none());
    assert!(cleared.dossier.retention.legal_hold.is_none());
    assert!(cleared.dossier.contact.is_some(), "what is not named stays");
}

#[test]
fn what_cannot_be_is_refused() {
    let set = |pairs| RecordEdit {
        set: cells(pairs),
        ..RecordEdit::default()
    };
    let refused = |edit: RecordEdit| edit.apply(&state()).err().unwrap();
    assert_eq!(refused(RecordEdit::default()), EditError::Nothing);
    assert_eq!(refused(set(&[("record_id", "a2")])), EditError::RecordId);
    let date = refused(set(&[("date_of_birth", "31/02/2009")]));
    assert_eq!(
        date,
        EditError::Value("date_of_birth", IssueReason::NotADate)
    );
    let word = refused(set(&[("category", "neighbour")]));
    assert_eq!(word, EditError::Value("category", IssueReason::UnknownWord));
    let twice = refused(set(&[("surname", "a"), ("surname", "b")]));
    assert_eq!(twice, EditError::Twice("surname".to_owned()));
    let add = RecordEdit {
        add: cells(&[("notes", "x")]),
        ..RecordEdit::default()
    };
    assert_eq!(refused(add), EditError::OneValue("notes".to_owned()));
    let remove = RecordEdit {
        remove: cells(&[("phone", "07700 900199")]),
        ..RecordEdit::default()
    };
    assert_eq!(refused(remove), EditError::NoSuchValue("phone".to_owned()));
    let fields = RecordEdit {
        open_fields: Some(vec!["shoe".to_owned()]),
        ..RecordEdit::default()
    };
    assert_eq!(refused(fields), EditError::NoField("shoe".to_owned()));
    // The control: a value that makes no key goes in, and so does a good date.
    assert!(set(&[("nhs_number", "123")]).apply(&state()).is_ok());
    assert!(
        set(&[("date_of_birth", "2009-02-28")])
            .apply(&state())
            .is_ok()
    );
}
