use super::*;

/// People with made-up names and dates; the second file has them again, every third one misspelt.
fn files() -> Vec<(String, Vec<(String, Record)>)> {
    let record = |id: String, given: &str, surname: &str, date: &str| {
        let cells = [
            ("record_id", id.as_str()),
            ("given_names", given),
            ("surname", surname),
            ("date_of_birth", date),
        ];
        let record = Record::from_cells(cells).unwrap().0;
        (id, record)
    };
    let letter = |n: usize| char::from(b'b' + u8::try_from(n % 20).unwrap());
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for n in 0..400 {
        let given: String = [letter(n), 'a', letter(n / 20), 'o', letter(n / 7), 'i']
            .iter()
            .collect();
        let surname: String = [letter(n / 3), 'u', letter(n / 11), 'e', letter(n / 5), 'n']
            .iter()
            .collect();
        let date = format!("{}-{:02}-{:02}", 1950 + n % 60, 1 + n % 12, 2 + n % 26);
        let slip = if n % 3 == 0 {
            format!("{surname}x")
        } else {
            surname.clone()
        };
        one.push(record(format!("a{n}"), &given, &surname, &date));
        two.push(record(format!("b{n}"), &given, &slip, &date));
    }
    vec![("one".to_owned(), one), ("two".to_owned(), two)]
}

fn level<'a>(found: &'a Calibration, field: &str, level: &str) -> &'a LevelEstimate {
    let mut levels = found.levels.iter();
    levels
        .find(|l| l.field == field && l.level == level)
        .unwrap()
}

#[test]
fn what_agrees_weighs_for_and_what_differs_against() {
    let found = calibrate(Schema::default_schema(), &files(), 20_000);
    assert!(found.candidates >= 400 && found.random_pairs == 20_000);
    assert!(level(&found, "date of birth", "exact").bits > 5.0);
    assert!(level(&found, "name", "both, rare").bits > 5.0);
    assert!(level(&found, "name", "differ").bits < 0.0);
    let of_name: f64 = found
        .levels
        .iter()
        .filter(|l| l.field == "name")
        .map(|l| l.m)
        .sum();
    assert!(of_name <= 1.0 + 1e-9, "{of_name}");
}

#[test]
fn the_same_records_give_the_same_estimates() {
    let run = || calibrate(Schema::default_schema(), &files(), 2_000);
    assert_eq!(run(), run());
}

#[test]
fn one_file_is_taken_in_two_halves_and_none_gives_nothing() {
    let mut files = files();
    let (two, one) = (files.pop().unwrap().1, files.pop().unwrap().1);
    let mixed = one.into_iter().zip(two).flat_map(|(a, b)| [a, b]).collect();
    let found = calibrate(
        Schema::default_schema(),
        &[("all".to_owned(), mixed)],
        2_000,
    );
    assert!(found.candidates > 0);
    let none = calibrate(Schema::default_schema(), &[], 2_000);
    assert_eq!((none.candidates, none.random_pairs), (0, 0));
}
