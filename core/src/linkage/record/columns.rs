//! Columns of a record one at a time, for whoever corrects one by hand.

use super::{Category, Issue, IssueReason, Record, split_values};

/// Every column of the CSV contract but `record_id`, which names the record. Others take the list from
/// here, so that a new column is nowhere forgotten.
pub const COLUMNS: [&str; 25] = [
    "given_names",
    "surname",
    "alias",
    "date_of_birth",
    "sex",
    "multiple_birth",
    "nationality",
    "address",
    "town",
    "postcode",
    "uprn",
    "phone",
    "email",
    "nhs_number",
    "ni_number",
    "upn",
    "pnc_id",
    "cro",
    "passport",
    "vehicle",
    "account",
    "category",
    "risk",
    "case_ref",
    "notes",
];

/// Columns that hold one value, not a list.
const SINGLE: [&str; 4] = ["category", "risk", "case_ref", "notes"];

impl Record {
    /// Whether a column holds a list of values; a column that the contract does not know holds one.
    #[must_use]
    pub fn has_several(column: &str) -> bool {
        Self::default().values_mut(column).is_some()
    }

    /// Whether the contract knows the column.
    #[must_use]
    pub fn knows(column: &str) -> bool {
        column == "record_id" || COLUMNS.contains(&column)
    }

    /// The values of a column, as they were written.
    #[must_use]
    pub fn values(&self, column: &str) -> Vec<String> {
        let found = self.columns().find(|(name, _)| *name == column);
        let values = found.map(|(_, values)| values).unwrap_or_default();
        values.into_iter().map(str::to_owned).collect()
    }

    /// The values that a cell of this column has: separated by `;` outside brackets where the column
    /// holds several.
    #[must_use]
    pub fn split_cell(column: &str, cell: &str) -> Vec<String> {
        if Self::has_several(column) {
            return split_values(cell).map(str::to_owned).collect();
        }
        let cell = cell.trim();
        (!cell.is_empty())
            .then(|| cell.to_owned())
            .into_iter()
            .collect()
    }

    /// Puts values in the place of those that a column has. Values that cannot be used are told by
    /// [`Record::validate`], as after an import.
    ///
    /// # Errors
    /// The id names the record and is not changed; a category has to be one of the list; and only a
    /// list takes several values.
    pub fn replace(&mut self, column: &str, values: Vec<String>) -> Result<(), Issue> {
        if let Some(place) = self.values_mut(column) {
            *place = values;
            return Ok(());
        }
        let mut values = values.into_iter();
        let value = values.next();
        if column == "record_id" || values.next().is_some() {
            return Err(Issue::new(
                single(column),
                IssueReason::WrongForm,
                value.as_deref().unwrap_or_default(),
            ));
        }
        match column {
            "category" => self.category = value.map(|word| category(&word)).transpose()?,
            "risk" => self.risk = value,
            "case_ref" => self.case_ref = value,
            "notes" => self.notes = value,
            _ => match value {
                Some(value) => {
                    self.extra.insert(column.to_owned(), value);
                }
                None => {
                    self.extra.remove(column);
                }
            },
        }
        Ok(())
    }
}

fn category(word: &str) -> Result<Category, Issue> {
    word.parse()
        .map_err(|reason| Issue::new("category", reason, word))
}

/// The name of a column that takes one value.
fn single(column: &str) -> &'static str {
    let mut known = SINGLE.iter();
    match known.find(|name| **name == column) {
        Some(name) => name,
        None if column == "record_id" => "record_id",
        None => "the column",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_columns_has_every_one_and_no_other() {
        let mut record = Record::default();
        for column in COLUMNS {
            let value = if column == "category" { "missing" } else { "x" };
            record.replace(column, vec![value.to_owned()]).unwrap();
        }
        assert!(record.extra.is_empty(), "{:?}", record.extra);
        let given: Vec<&str> = record.columns().map(|(name, _)| name).collect();
        assert_eq!(given, COLUMNS);
        let single: Vec<&str> = COLUMNS
            .into_iter()
            .filter(|column| !Record::has_several(column))
            .collect();
        assert_eq!(single, SINGLE);
    }

    #[test]
    fn a_column_is_replaced_and_read_back() {
        let mut record = Record {
            record_id: "a1".to_owned(),
            ..Record::default()
        };
        let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        for (column, values) in [
            ("phone", owned(&["07700 900123", "07700 900124"])),
            ("category", owned(&["missing"])),
            ("notes", owned(&["a; b"])),
            ("shoe_size", owned(&["38"])),
        ] {
            record.replace(column, values.clone()).unwrap();
            assert_eq!(record.values(column), values, "{column}");
            record.replace(column, Vec::new()).unwrap();
            assert!(record.values(column).is_empty(), "{column}");
        }
        assert!(record.replace("record_id", owned(&["a2"])).is_err());
        assert!(record.replace("category", owned(&["neighbour"])).is_err());
        assert!(record.replace("notes", owned(&["a", "b"])).is_err());
        assert_eq!(record.record_id, "a1");
    }

    #[test]
    fn a_cell_is_split_where_the_column_takes_several() {
        let dates = Record::split_cell("date_of_birth", "2009-03-02 (documented; passport); 2008");
        assert_eq!(dates, ["2009-03-02 (documented; passport)", "2008"]);
        assert_eq!(Record::split_cell("notes", " a; b "), ["a; b"]);
        assert!(Record::split_cell("phone", " ; ").is_empty());
        assert!(Record::knows("uprn") && Record::knows("notes") && !Record::knows("shoe_size"));
    }
}
