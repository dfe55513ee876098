//! What a record is linked with: other records of this agency, and things in words.

use std::collections::BTreeSet;

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::link::{self, Link, LinkEnd};

use super::change::{ChangeReport, linked_records};
use super::command::NewLink;
use super::with_reason;
use crate::error::NodeError;
use crate::node::Node;

impl Node {
    /// Links a record.
    pub(crate) fn link_record(
        &self,
        acting: &Acting,
        record_id: &str,
        new: NewLink,
    ) -> Result<ChangeReport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let stored = self.kept_record(record_id)?;
        if let LinkEnd::Record(other) = &new.to {
            self.kept_record(other)?;
        }
        let before = self.state_of(&stored)?;
        let mut after = before.clone();
        let NewLink {
            kind,
            role,
            to,
            from,
            until,
            source,
        } = new;
        let link = Link {
            number: 0,
            kind,
            role,
            to,
            from,
            until,
            source,
            noted_at: self.clock.now(),
            noted_by: acting.who.clone(),
        };
        let added = link::add(&mut after.dossier.links, link, record_id);
        added.map_err(|error| NodeError::Request(format!("no link was made: {error}")))?;
        self.change_by_hand(acting, "linked", &stored, (before, after))
    }

    /// Takes a link away.
    pub(crate) fn unlink_record(
        &self,
        acting: &Acting,
        record_id: &str,
        number: u32,
    ) -> Result<ChangeReport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let stored = self.kept_record(record_id)?;
        let before = self.state_of(&stored)?;
        let mut after = before.clone();
        after.dossier.links.retain(|link| link.number != number);
        if after == before {
            return Err(NodeError::Request(format!(
                "{record_id} has no link {number}; `record show {record_id}` numbers them"
            )));
        }
        self.change_by_hand(acting, "unlinked", &stored, (before, after))
    }

    /// Links between records of this agency: who is linked, and how. Links to records that are gone are
    /// passed over.
    pub fn record_links(&self) -> Result<Vec<(String, Link)>, NodeError> {
        let mut links = Vec::new();
        for entry in self.tables.dossiers.iter() {
            let (id, dossier) = entry?;
            for link in dossier.links {
                if let LinkEnd::Record(other) = &link.to
                    && self.tables.records.contains(other)?
                {
                    links.push((id.clone(), link));
                }
            }
        }
        links.sort_by(|a, b| (&a.0, a.1.number).cmp(&(&b.0, b.1.number)));
        Ok(links)
    }

    /// Records whose links name this one.
    pub(super) fn linked_from(&self, record_id: &str) -> Result<Vec<String>, NodeError> {
        let mut found = Vec::new();
        for source in self
            .tables
            .links_to
            .get(&record_id.to_owned())?
            .unwrap_or_default()
        {
            // The list may be longer than what is: it is written first.
            if linked_records(&self.dossier(&source)?.links).contains(record_id) {
                found.push(source);
            }
        }
        Ok(found)
    }

    /// Keeps, for each record, who is linked with it.
    pub(super) fn note_links(
        &self,
        record_id: &str,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
    ) -> Result<(), NodeError> {
        for target in before.symmetric_difference(after) {
            let mut sources = self.tables.links_to.get(target)?.unwrap_or_default();
            if after.contains(target) {
                sources.insert(record_id.to_owned());
            } else {
                sources.remove(record_id);
            }
            if sources.is_empty() {
                self.tables.links_to.remove(target)?;
            } else {
                self.tables.links_to.put(target, &sources)?;
            }
        }
        Ok(())
    }
}
