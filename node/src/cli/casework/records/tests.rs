use clap::Parser;

use super::super::super::args::{Cli, Task};
use super::*;

fn typed(args: &[&str]) -> Option<RecordCommand> {
    let words = ["symbolon-node", "record"].iter().chain(args);
    let Task::Record(task) = Cli::try_parse_from(words).ok()?.task else {
        return None;
    };
    let Ok(CaseworkCommand::Record(command)) = task.command() else {
        return None;
    };
    // As it goes through the control socket.
    let text = serde_json::to_string(&command).unwrap();
    serde_json::from_str(&text).ok()
}

#[test]
fn an_edit_says_what_was_typed_and_nothing_else() {
    let args = [
        "edit",
        "R-1",
        "--set",
        "surname=Nowak; Kowalska",
        "--set",
        "notes=",
        "--add",
        "phone=1=2",
        "--no-agreement",
        "--level",
        "silent",
        "--handling",
        "none",
        "--review",
        "2027-03-31",
        "--open-field",
        "none",
    ];
    let Some(RecordCommand::Edit { record_id, edit }) = typed(&args) else {
        panic!("an edit");
    };
    let cell = |column: &str, value: &str| (column.to_owned(), value.to_owned());
    let expected = RecordEdit {
        set: vec![cell("surname", "Nowak; Kowalska"), cell("notes", "")],
        add: vec![cell("phone", "1=2")],
        agreements: Some(Vec::new()),
        level: Some(Level::Silent),
        handling: Some(Setting::None),
        review: Some("2027-03-31".parse().unwrap()),
        open_fields: Some(Vec::new()),
        ..RecordEdit::default()
    };
    assert_eq!(record_id, "R-1");
    assert!(*edit == expected);
}

#[test]
fn what_contradicts_itself_is_refused() {
    for bad in [
        &["edit", "R-1", "--agreement", "a", "--no-agreement"][..],
        &["edit", "R-1", "--set", "surname"],
        &["edit", "R-1", "--handling", "9ZZ"],
        &[
            "edit",
            "R-1",
            "--open-field",
            "none",
            "--open-field",
            "alias",
        ],
        &["consent", "R-1", "--for", "x", "--by", "her", "--how", "so"],
        &[
            "consent",
            "R-1",
            "--for",
            "x",
            "--by",
            "her",
            "--how",
            "so",
            "--given",
            "--withdrawn",
        ],
        &["link", "R-1", "--role", "twin"],
        &[
            "link",
            "R-1",
            "--role",
            "twin",
            "--to-record",
            "R-2",
            "--to",
            "her",
        ],
        &["export"],
    ] {
        assert!(typed(bad).is_none(), "{bad:?}");
    }
    // The controls.
    for good in [
        &["edit", "R-1", "--agreement", "a", "--agreement", "b"][..],
        &[
            "consent",
            "R-1",
            "--for",
            "x",
            "--by",
            "her",
            "--how",
            "so",
            "--withdrawn",
        ],
        &["link", "R-1", "--role", "twin", "--to-record", "R-2"],
        &["export", "--htcds", "--format", "json", "--record", "R-1"],
    ] {
        assert!(typed(good).is_some(), "{good:?}");
    }
}
