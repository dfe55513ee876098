//! How a record takes part in what is shared, and what a missing person's watch adds to it.
//!
//! The watch lies over the record and changes nothing in it: no import or edit ends it, and when it ends
//! the record stands as it was.

use symbolon_casework::missing::{MissingFile, Stage, risk_words};
use symbolon_core::agreement::Category;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{Record, Risk};
use symbolon_core::payload::Urgency;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::records::category_of;
use crate::tables::StoredRecord;

/// How a record takes part.
pub(crate) struct Part {
    /// Its audience.
    pub agreements: Vec<Name>,
    /// The category by which agreements judge it.
    pub category: Category,
    /// How soon a match with it should be looked at.
    pub urgency: Urgency,
    /// The person is missing.
    pub watched: bool,
}

impl Part {
    /// The category as people see it: none where none was given.
    pub fn word(&self, record: &Record) -> Option<String> {
        let given = self.watched || record.category.is_some();
        given.then(|| self.category.to_string())
    }
}

impl Node {
    /// What the record says, and what the watch asks beside it while the person is missing.
    pub(crate) fn part(&self, stored: &StoredRecord) -> Result<Part, NodeError> {
        let record = &stored.record;
        let risk = record.risk.as_deref().map(str::parse);
        let mut part = Part {
            agreements: stored.agreements.clone(),
            category: category_of(record),
            urgency: risk.and_then(Result::ok).map_or(Urgency::Standard, urgency),
            watched: false,
        };
        let file = self.tables.missing.get(&record.record_id)?;
        let Some(watch) = file.as_ref().and_then(MissingFile::watch) else {
            return Ok(part);
        };
        part.watched = true;
        part.category = Category::Missing;
        part.urgency = part.urgency.max(urgency(watch.risk));
        for agreement in watch.agreements {
            if !part.agreements.contains(agreement) {
                part.agreements.push(agreement.clone());
            }
        }
        Ok(part)
    }

    /// Records whose persons are missing and that have rows waiting to be registered.
    pub(crate) fn watched(&self) -> Result<Vec<String>, NodeError> {
        let mut watched = Vec::new();
        if self.tables.pending.is_empty() {
            return Ok(watched);
        }
        for entry in self.tables.missing.iter() {
            let (id, file) = entry?;
            if file.watch().is_some() {
                watched.push(id);
            }
        }
        Ok(watched)
    }

    /// How it stands with a record's person, for the queue; none if they were never reported missing.
    pub(crate) fn missing_words(&self, record_id: &str) -> Result<Option<String>, NodeError> {
        let file = self.tables.missing.get(&record_id.to_owned())?;
        let Some(last) = file.as_ref().and_then(|file| file.episodes().last()) else {
            return Ok(None);
        };
        Ok(Some(match (last.stage, &last.found) {
            (Stage::Open, _) => format!("missing, {} risk", risk_words(last.details.risk)),
            (_, Some(found)) => format!("found {}, watch withdrawn", rfc3339(found.at)),
            _ => "report of missing cancelled, watch withdrawn".to_owned(),
        }))
    }
}

fn urgency(risk: Risk) -> Urgency {
    match risk {
        Risk::High => Urgency::High,
        Risk::Medium => Urgency::Medium,
        Risk::Low | Risk::VeryLow => Urgency::Standard,
    }
}
