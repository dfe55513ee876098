//! A record with all that is beside it, at one moment; and which fields differ between two.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Record;

use crate::day::Day;
use crate::dossier::{Consent, Dossier, Retention};
use crate::link::{Link, LinkEnd};

/// Everything about a record that a person can change.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordState {
    /// The record as it is written.
    pub record: Record,
    /// What is beside it.
    pub dossier: Dossier,
    /// Its audience.
    pub agreements: Vec<Name>,
}

/// One field that differs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// A column of the record, or a word of the dossier.
    pub field: String,
    /// Its values before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Its values after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl RecordState {
    /// Every field that has values, by name, as people read them.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Vec<String>> {
        let Self {
            record,
            dossier,
            agreements,
        } = self;
        let mut fields: BTreeMap<String, Vec<String>> = record
            .columns()
            .map(|(name, values)| {
                (
                    name.to_owned(),
                    values.into_iter().map(str::to_owned).collect(),
                )
            })
            .collect();
        for (name, values) in dossier_fields(dossier) {
            fields.entry(name).or_default().extend(values);
        }
        let agreements: Vec<String> = agreements.iter().map(Name::to_string).collect();
        if !agreements.is_empty() {
            fields
                .entry("agreements".to_owned())
                .or_default()
                .extend(agreements);
        }
        fields
    }

    /// What differs in `after`, by field.
    #[must_use]
    pub fn changes_to(&self, after: &Self) -> Vec<FieldChange> {
        let (before, after) = (self.fields(), after.fields());
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let pairs = names.into_iter().map(|field| FieldChange {
            field: field.clone(),
            before: before.get(field).cloned().unwrap_or_default(),
            after: after.get(field).cloned().unwrap_or_default(),
        });
        pairs
            .filter(|change| change.before != change.after)
            .collect()
    }
}

/// The words by which people know the parts of a dossier. A part that is new breaks the build here.
fn dossier_fields(dossier: &Dossier) -> Vec<(String, Vec<String>)> {
    let Dossier {
        level,
        handling,
        regime,
        purpose,
        lawful_basis,
        contact,
        open_fields,
        consents,
        retention,
        htcds,
        links,
    } = dossier;
    let Retention {
        class,
        review_at,
        expires_at,
        legal_hold,
    } = retention;
    let day = |at: &i64| Day::of(*at).map_or_else(|| at.to_string(), |day| day.to_string());
    let single = [
        ("level", Some(level.to_string())),
        ("handling", handling.map(|code| code.to_string())),
        ("regime", regime.map(|regime| regime.to_string())),
        ("kept_for", purpose.as_ref().map(ToString::to_string)),
        (
            "lawful_basis",
            lawful_basis.as_ref().map(ToString::to_string),
        ),
        ("contact", contact.as_ref().map(ToString::to_string)),
        ("retention_class", class.as_ref().map(ToString::to_string)),
        ("review", review_at.as_ref().map(day)),
        ("expires", expires_at.as_ref().map(day)),
        ("legal_hold", legal_hold.as_ref().map(ToString::to_string)),
    ];
    let single = single.into_iter();
    let mut fields: Vec<(String, Vec<String>)> = single
        .filter_map(|(name, value)| Some((name.to_owned(), vec![value?])))
        .collect();
    let several: [(&str, Vec<String>); 3] = [
        ("open_fields", open_fields.clone()),
        ("consent", consents.iter().map(consent_line).collect()),
        ("links", links.iter().map(link_line).collect()),
    ];
    let several = several.into_iter().filter(|(_, values)| !values.is_empty());
    fields.extend(several.map(|(name, values)| (name.to_owned(), values)));
    let htcds = htcds.iter();
    fields.extend(htcds.map(|(name, value)| (name.clone(), vec![value.clone()])));
    fields
}

/// A line of the consent ledger in words.
#[must_use]
pub fn consent_line(line: &Consent) -> String {
    let Consent {
        purpose,
        given,
        by,
        how,
        at,
        noted_by,
    } = line;
    let word = if *given { "given" } else { "withdrawn" };
    let day = Day::of(*at).map(|day| day.to_string()).unwrap_or_default();
    format!("{purpose}: {word} by {by}, {how}, noted by {noted_by} on {day}")
}

/// A link in words.
#[must_use]
pub fn link_line(link: &Link) -> String {
    let Link {
        number,
        kind,
        role,
        to,
        from,
        until,
        source,
        noted_at: _,
        noted_by: _,
    } = link;
    let to = match to {
        LinkEnd::Record(id) => format!("record {id}"),
        LinkEnd::Words(words) => words.to_string(),
    };
    let mut line = format!("{number}: {} {role}: {to}", kind.word());
    if let Some(from) = from {
        line += &format!(", from {from}");
    }
    if let Some(until) = until {
        line += &format!(", until {until}");
    }
    if let Some(source) = source {
        line += &format!(" (source: {source})");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_field() {
        let before = RecordState {
            record: Record {
                record_id: "a1".to_owned(),
                surname: vec!["Hill".to_owned()],
                ..Record::default()
            },
            dossier: Dossier::default(),
            agreements: vec!["one".parse().unwrap()],
        };
        assert!(before.changes_to(&before).is_empty());
        let mut after = before.clone();
        after.record.phone.push("1".to_owned());
        after.dossier.handling = "1AP".parse().ok();
        after.dossier.retention.review_at = Some(86_400);
        after.agreements.clear();
        let changes = before.changes_to(&after);
        let told: Vec<(&str, String, String)> = changes
            .iter()
            .map(|c| (c.field.as_str(), c.before.join(";"), c.after.join(";")))
            .collect();
        let told: Vec<(&str, &str, &str)> = told
            .iter()
            .map(|(f, b, a)| (*f, b.as_str(), a.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("agreements", "one", ""),
                ("handling", "", "1AP"),
                ("phone", "", "1"),
                ("review", "", "1970-01-02"),
            ]
        );
    }
}
