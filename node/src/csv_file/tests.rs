//! The file contract: what goes in, what is told, and that no bytes make it fall over.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    pairs.iter().map(owned).collect()
}

fn entries(content: &[u8], pairs: &[(&str, &str)]) -> Vec<Entry> {
    let file = file(content);
    let csv = read(file.path(), &map(pairs)).unwrap();
    csv.map(Result::unwrap).collect()
}

/// Rows as `line:id`, problems as `line!column reason`.
fn told(content: &[u8]) -> Vec<String> {
    let tell = |entry| match entry {
        Entry::Row(row) => format!("{}:{}", row.line, row.record_id()),
        Entry::RowProblem(problem) => format!(
            "{}!{} {}",
            problem.line,
            problem.column.unwrap_or_default(),
            problem.reason
        ),
    };
    entries(content, &[]).into_iter().map(tell).collect()
}

fn refusal(content: &[u8], pairs: &[(&str, &str)]) -> String {
    let file = file(content);
    let error = read(file.path(), &map(pairs)).unwrap_err().to_string();
    error.replace(&file.path().display().to_string(), "FILE")
}

#[test]
fn reads_rows_with_the_contracts_and_other_columns() {
    let content = b"Record_ID , surname,house_style\r\nR-1, Nowak ,blue\r\nR-2,,\r\n";
    let csv_file = file(content);
    let csv = read(csv_file.path(), &BTreeMap::new()).unwrap();
    assert_eq!(csv.columns(), ["record_id", "surname", "house_style"]);
    assert_eq!(csv.unused_columns().collect::<Vec<_>>(), ["house_style"]);
    let rows = entries(content, &[]);
    let cell = |column: &str, cell: &str| (column.to_owned(), cell.to_owned());
    assert_eq!(
        rows,
        [
            Entry::Row(Row {
                line: 2,
                cells: vec![
                    cell("record_id", "R-1"),
                    cell("surname", "Nowak"),
                    cell("house_style", "blue"),
                ],
            }),
            Entry::Row(Row {
                line: 3,
                cells: vec![cell("record_id", "R-2")],
            }),
        ]
    );
}

#[test]
fn lines_are_right_after_quoted_breaks_blank_lines_and_marks() {
    let content = "\u{feff}record_id,notes\nR-1,\"one\ntwo \"\"quoted\"\"\n\"\n\n,\nR-2,x\n";
    assert_eq!(told(content.as_bytes()), ["2:R-1", "7:R-2"]);
    let windows = content.replace('\n', "\r\n");
    assert_eq!(told(windows.as_bytes()), ["2:R-1", "7:R-2"]);
    let old_mac = content.replace('\n', "\r");
    assert_eq!(told(old_mac.as_bytes()), ["2:R-1", "7:R-2"]);
    let no_last_break = content.trim_end();
    assert_eq!(told(no_last_break.as_bytes()), ["2:R-1", "7:R-2"]);
}

#[test]
fn a_broken_row_is_told_and_the_others_go_in() {
    let content = b"record_id,surname\nR-1,a\nR-2\nR-3,b,c\n,d\nR-1,e\nR-4,\xFF\nR-5,f\n";
    assert_eq!(
        told(content),
        [
            "2:R-1",
            "3! it has 1 field where the header has 2",
            "4! it has 3 fields where the header has 2",
            "5!record_id is empty",
            "6!record_id \"R-1\" is already on line 2",
            "7!surname is not UTF-8 text; save the file as \"CSV UTF-8\"",
            "8:R-5",
        ]
    );
}

#[test]
fn an_open_quotation_mark_costs_one_line() {
    let content = b"record_id,notes\nR-1,\"open\nR-2,b\nR-3,c\n";
    assert_eq!(
        told(content),
        [
            "2! a quotation mark is opened and never closed",
            "3:R-2",
            "4:R-3"
        ]
    );
    // Closed by another cell's mark: the rows in between are one.
    let content = b"record_id,notes\nR-1,\"open\nR-2,b\nR-3,\"c, d\"\nR-4,e\n";
    assert_eq!(
        told(content),
        [
            "2! it has 3 fields where the header has 2, and runs on to line 4: look for a stray \
             quotation mark",
            "5:R-4",
        ]
    );
}

#[test]
fn an_endless_record_is_given_up() {
    let mut content = b"record_id,notes\nR-1,\"open\n".to_vec();
    for row in 0..40_000 {
        content.extend_from_slice(format!("S-{row},text\n").as_bytes());
    }
    let told = told(&content);
    assert!(
        told[0].starts_with("2! it runs on for more than 256 KiB"),
        "{}",
        told[0]
    );
    assert_eq!(told.len(), 40_001);
    assert_eq!(told[40_000], "40002:S-39999");

    let mut content = b"record_id,notes\nR-1,".to_vec();
    content.extend(std::iter::repeat_n(b'x', 1_000_000));
    content.extend_from_slice(b"\nR-2,y\n");
    let told = self::told(&content);
    assert!(told[0].starts_with("2! it runs on"), "{}", told[0]);
    assert_eq!(told[1..], ["3:R-2"]);
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_what_to_do() {
    let missing = read(Path::new("no/such/file.csv"), &BTreeMap::new()).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("cannot read no/such/file.csv: ")
    );
    assert!(refusal(b"", &[]).starts_with("FILE is empty; "));
    assert!(refusal(b"\xEF\xBB\xBF\r\n\r\n", &[]).starts_with("FILE is empty; "));
    assert_eq!(
        refusal(b"id,surname\n1,a\n", &[]),
        "FILE line 1: there is no column record_id; the file has id, surname. Say which of them \
         is the record's id with --map NAME=record_id"
    );
    assert!(refusal(b"R-1,Nowak\n", &[]).contains("there is no header row"));
    assert!(refusal(b"record_id;surname\n", &[]).contains("separated by semicolons"));
    assert!(refusal(b"record_id,n\xE9\n", &[]).contains("the header is not UTF-8"));
    assert!(
        refusal(b"\nrecord_id,Surname,surname \n", &[])
            .starts_with("FILE line 2: two columns are named surname")
    );
    assert!(refusal(b"record_id,\"open\nR-1,\n", &[]).starts_with("FILE line 1: a quotation mark"));
}

#[test]
fn columns_are_renamed() {
    let content = b"ID,Given Name\nR-1,Ana\n";
    let pairs = [("id", "record_id"), ("given name", "given_names")];
    let rows = entries(content, &pairs);
    let [Entry::Row(row)] = rows.as_slice() else {
        panic!("one row");
    };
    assert_eq!(row.cell("given_names"), Some("Ana"));
    assert_eq!(
        refusal(content, &[("ident", "record_id")]),
        "--map ident=record_id: the file has no column ident; it has id, given name"
    );
    assert!(
        refusal(content, &[("id", "recordid")])
            .starts_with("--map id=recordid: recordid is not a column of the contract; it has ")
    );
    let twice = [("id", "record_id"), ("given name", "record_id")];
    assert!(refusal(content, &twice).contains("two columns are named record_id"));
}

#[test]
fn what_is_debugged_holds_no_values() {
    let rows = entries(b"record_id,surname\nR-1,Nowak\n", &[]);
    assert_eq!(format!("{rows:?}"), "[Row(Row(line 2, 2 cells))]");
}

/// Records as the csv crate alone would cut them, without blank ones.
fn by_the_crate(content: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(content);
    let records = reader.byte_records().map(Result::unwrap);
    let cells = records.map(|record| record.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
    cells.filter(|cells| !records::is_blank(cells)).collect()
}

proptest! {
    #[test]
    fn no_bytes_make_it_fall_over(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let plain = file(&bytes);
        if let Ok(csv) = read(plain.path(), &BTreeMap::new()) {
            csv.for_each(drop);
        }
        let mut headed = b"record_id,surname\n".to_vec();
        headed.append(&mut bytes);
        let headed = file(&headed);
        let csv = read(headed.path(), &BTreeMap::new()).unwrap();
        prop_assert!(csv.count() <= 401);
    }

    #[test]
    fn records_are_cut_where_the_crate_cuts_them(text in "[ab,\"\r\n]{0,60}") {
        let mut reader = RecordReader::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(piece) = reader.next().unwrap() {
            match piece {
                Piece::Record { cells, .. } if records::is_blank(&cells) => {}
                Piece::Record { cells, .. } => found.push(cells),
                Piece::Broken { .. } => return Ok(()),
            }
        }
        prop_assert_eq!(found, by_the_crate(text.as_bytes()));
    }

    #[test]
    fn what_a_spreadsheet_writes_is_read_back(
        notes in proptest::collection::vec("[a-z\",\n é]{0,12}", 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["record_id", "notes"]).unwrap();
        let mut line = 2;
        let mut expected = Vec::new();
        for (index, note) in notes.iter().enumerate() {
            let id = format!("R-{index}");
            writer.write_record([id.as_str(), note]).unwrap();
            expected.push((line, id, note.trim().to_owned()));
            line += 1 + note.matches('\n').count() as u64;
        }
        let found: Vec<_> = entries(&writer.into_inner().unwrap(), &[])
            .into_iter()
            .map(|entry| match entry {
                Entry::Row(row) => (
                    row.line,
                    row.record_id().to_owned(),
                    row.cell("notes").unwrap_or_default().to_owned(),
                ),
                Entry::RowProblem(problem) => panic!("{problem:?}"),
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}
