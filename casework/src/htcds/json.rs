//! Cases as JSON: a list of objects with the names of fields. A list of codes is an array, a number a
//! number, a checkbox true or false; everything else is text.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::fields::{self, Kind, canonical};
use super::{BadCase, Case, Cells, HtcdsError, ReadCase};

/// Reads the cases of a file.
pub(super) fn read(text: &str) -> Result<Vec<ReadCase>, HtcdsError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| HtcdsError::NotJson(at(&error)))?;
    let Value::Array(cases) = value else {
        return Err(HtcdsError::NotAList);
    };
    let places = 1u64..;
    let cases = places.zip(cases).map(|(place, case)| match case {
        Value::Object(fields) => read_case(place, fields),
        _ => Err(bad(place, None, "it is not an object with fields")),
    });
    Ok(cases.collect())
}

/// Where the text goes wrong, without a piece of it.
fn at(error: &serde_json::Error) -> String {
    format!("look at line {}, column {}", error.line(), error.column())
}

fn bad(place: u64, column: Option<String>, reason: &str) -> BadCase {
    BadCase {
        place,
        column,
        reason: reason.to_owned(),
    }
}

fn read_case(place: u64, fields: Map<String, Value>) -> ReadCase {
    let (mut cells, mut seen) = (Cells::new(), BTreeSet::new());
    for (name, value) in fields {
        let name = canonical(&name);
        if !seen.insert(name.clone()) {
            return Err(bad(place, Some(name), "it has this field twice"));
        }
        let Some(cell) = cell(&value) else {
            let reason = "is not a text, a number, true, false, null or a list of these; several values go \
                 into a list";
            return Err(bad(place, Some(name), reason));
        };
        cells.insert(name, cell.trim().to_owned());
    }
    Ok(Case { place, cells })
}

fn cell(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let single = values.iter().map(|value| match value {
                Value::Array(_) | Value::Object(_) | Value::Null => None,
                single => cell(single),
            });
            single.collect::<Option<Vec<String>>>()?.join(";")
        }
        Value::Object(_) => return None,
    })
}

/// Writes cases.
pub(super) fn write(cases: &[Cells]) -> Result<String, HtcdsError> {
    let cases: Vec<Value> = cases
        .iter()
        .map(|cells| {
            let fields = cells.iter();
            let fields = fields.map(|(name, cell)| (name.clone(), value(name, cell)));
            Value::Object(fields.collect())
        })
        .collect();
    let text = serde_json::to_string_pretty(&cases);
    let text = text.map_err(|error| HtcdsError::Unwritable(error.to_string()))?;
    Ok(text + "\n")
}

/// A cell as its field is written, if reading it again gives the same cell; else as text.
fn value(name: &str, cell: &str) -> Value {
    let text = || Value::String(cell.to_owned());
    let typed = match fields::kind(name) {
        Some(Kind::Number) => cell
            .parse::<Number>()
            .map_or_else(|_| text(), Value::Number),
        Some(Kind::Checkbox) => cell.parse::<bool>().map_or_else(|_| text(), Value::Bool),
        Some(kind) if kind.is_list() => {
            let values = cell.split(';').map(|value| Value::String(value.to_owned()));
            Value::Array(values.collect())
        }
        _ => text(),
    };
    let same = self::cell(&typed).is_some_and(|again| again == cell);
    if same { typed } else { text() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_cells_and_written_as_their_fields_are() {
        let text = r#"[
            {"prs_FirstName": "Ana", "vic_AgeWhenTrafficked": 16, "prs_Deceased": false,
             "prs_Citizenship": ["VN", "GB"], "cas_CaseComment": null},
            {"prs_FirstName": {"x": 1}}, 7
        ]"#;
        let cases = super::super::read(text.as_bytes()).unwrap();
        let first = cases[0].as_ref().ok().unwrap();
        assert_eq!(first.cells["prs_Citizenship"], "VN;GB");
        assert_eq!(first.cells["vic_AgeWhenTrafficked"], "16");
        assert_eq!(first.cells["cas_CaseComment"], "");
        let bad: Vec<u64> = cases[1..]
            .iter()
            .map(|c| c.as_ref().err().unwrap().place)
            .collect();
        assert_eq!(bad, [2, 3]);
        let written = write(std::slice::from_ref(&first.cells)).unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(written[0]["prs_Citizenship"][1], "GB");
        assert_eq!(written[0]["vic_AgeWhenTrafficked"], 16);
        assert_eq!(written[0]["prs_Deceased"], false);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let read = |text: &str| super::super::read(text.as_bytes()).err();
        let broken = read("[{\"prs_FirstName\": \"secret\" x]").unwrap();
        assert!(matches!(&broken, HtcdsError::NotJson(why) if !why.contains("secret")));
        assert_eq!(read("{}"), Some(HtcdsError::NotAList));
        assert_eq!(read("[]"), None);
    }
}
