//! What joins own records to each other and to other agencies' records.
//!
//! The walk is [`symbolon_casework::network`]; here the facts are gathered: identifiers of every own
//! record, and matches by the kinds of key that agree. A match counts if its keys alone show it: that two
//! nodes compared and found two persons takes nothing from the phone that both records hold. Of the other
//! record nothing is read but the agency, the reference and the kinds, and what that agency released, for
//! as long as it may be kept.

use std::collections::BTreeMap;

use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::Level;
use symbolon_casework::link::{LinkEnd, LinkKind};
use symbolon_casework::network::{
    Facts, Graph, Identifier, Kind, MAX_NODES, Other, OwnLink, What, agreed_kinds, identifiers,
};
use symbolon_casework::text::Text;
use symbolon_core::agreement::ScoreThreshold;
use symbolon_core::linkage::derive::{LinkageKey, over_cap};
use symbolon_core::linkage::record::Record;
use zeroize::Zeroizing;

use super::command::NetworkCommand;
use super::json;
use crate::comparison;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{MatchKey, StoredMatch};

/// Records that may name the same thing in their links before it joins nothing any more.
const MAX_LINKED: usize = 64;

impl Node {
    pub(super) fn network_command(
        &self,
        acting: &Acting,
        command: NetworkCommand,
    ) -> Result<Value, NodeError> {
        match command {
            NetworkCommand::Show {
                record_id, depth, ..
            } => json(self.network(acting, &record_id, depth)?),
        }
    }

    /// The network around a record; the look at each own record that it shows is written down.
    pub(crate) fn network(
        &self,
        acting: &Acting,
        record_id: &str,
        depth: u32,
    ) -> Result<Graph, NodeError> {
        acting.may(Permission::Consult)?;
        if !self.tables.records.contains(&record_id.to_owned())? {
            return Err(NodeError::Request(format!(
                "there is no record {record_id}; `symbolon-node records` lists them"
            )));
        }
        let mut graph = self.facts()?.around(record_id, depth, MAX_NODES);
        for node in &mut graph.nodes {
            let What::Record {
                record_id: id,
                name,
                silent,
            } = &mut node.what
            else {
                continue;
            };
            if let Some(stored) = self.tables.records.get(id)? {
                *name = Some(stored.record.full_name()).filter(|name| !name.is_empty());
            }
            *silent = self.dossier(id)?.level == Level::Silent;
            let event = AuditEvent::by(acting, AuditKind::Consultation, "shown in a network");
            self.write_down(event.record(id))?;
        }
        self.write_down_released(acting, &graph)?;
        Ok(graph)
    }

    /// Looks at what others released stand in the log, as where it is shown by itself.
    fn write_down_released(&self, acting: &Acting, graph: &Graph) -> Result<(), NodeError> {
        for node in &graph.nodes {
            let What::Other { other, .. } = &node.what else {
                continue;
            };
            if graph.edges.iter().any(|edge| edge.from == node.id) {
                let what = "received data shown in a network";
                let event = AuditEvent::by(acting, AuditKind::Consultation, what);
                let agency = other.agency.parse();
                let agency = agency.map_err(|_| NodeError::Internal("the name of an agency"))?;
                self.write_down(event.record(&graph.record).agency(&agency))?;
            }
        }
        Ok(())
    }

    /// Everything that joins records. One pass over records and matches: nothing is kept ready, since an
    /// index of identifiers would be one more place that has them.
    fn facts(&self) -> Result<Facts, NodeError> {
        let mut facts = Facts::default();
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            facts.holds(&id, identifiers(&stored.record));
        }
        self.add_links(&mut facts)?;
        self.add_released(&mut facts)?;
        facts.join(|identifier, holders| self.tells(identifier, holders))?;
        let thresholds = self.thresholds();
        let mut agreements = BTreeMap::new();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            if !self.joins(&found, thresholds.get(&key.agreement)) {
                continue;
            }
            let agreement = agreements
                .entry(key.agreement)
                .or_insert_with(|| self.agreement_name(&key.agreement));
            let kinds = agreed_kinds(self.schema, &found.kinds());
            facts.matches(&key.record_id, other(&key, agreement), kinds);
        }
        Ok(facts)
    }

    /// What people said joins records: links from record to record, and organisations, events, places and
    /// things that links of several records name with the same words.
    fn add_links(&self, facts: &mut Facts) -> Result<(), NodeError> {
        for entry in self.tables.dossiers.iter() {
            let (id, dossier) = entry?;
            for link in dossier.links {
                match &link.to {
                    LinkEnd::Record(other) if self.tables.records.contains(other)? => {
                        facts.linked([OwnLink {
                            from: id.clone(),
                            to: other.clone(),
                            what: link.role.to_string(),
                        }]);
                    }
                    LinkEnd::Record(_) => {}
                    LinkEnd::Words(words) => facts.holds(&id, named(link.kind, words)),
                }
            }
        }
        Ok(())
    }

    /// What others released and may still be kept, of records that still match.
    fn add_released(&self, facts: &mut Facts) -> Result<(), NodeError> {
        let now = self.clock.now();
        let mut released: BTreeMap<MatchKey, Record> = BTreeMap::new();
        for entry in self.tables.received.iter() {
            let ((_, _, field), stored) = entry?;
            let over = stored.ended_at.is_some() || stored.terms.keep_until <= now;
            let found = self.tables.matches.get(&stored.case)?;
            if over || found.is_none_or(|found| found.query) {
                continue;
            }
            let record = released.entry(stored.case).or_default();
            let column = match field.as_str() {
                "phone" => &mut record.phone,
                "vehicle" => &mut record.vehicle,
                "account" => &mut record.account,
                "email" => &mut record.email,
                "uprn" => &mut record.uprn,
                "address" => &mut record.address,
                "postcode" => &mut record.postcode,
                _ => continue,
            };
            column.extend(stored.values);
        }
        for (key, record) in released {
            let agreement = self.agreement_name(&key.agreement);
            facts.releases(&other(&key, &agreement), identifiers(&record));
        }
        Ok(())
    }

    /// Whether a match is one that the agreement lets people see, by its keys or after a comparison. Who
    /// asked with a query may hold no record.
    fn joins(&self, found: &StoredMatch, threshold: Option<&ScoreThreshold>) -> bool {
        let by_keys = || comparison::score(self.schema, &found.kinds(), None, threshold);
        let shown = || self.scored(found, threshold).tier.is_some();
        !found.query && (by_keys().tier.is_some() || shown())
    }

    /// Whether a value joins records, or is held by too many: of this agency's, or of all members'.
    fn tells(&self, identifier: &Identifier, holders: usize) -> Result<bool, NodeError> {
        let name = match identifier.kind {
            Kind::Phone => "phone",
            Kind::Vehicle => "vehicle",
            Kind::Account => "account",
            Kind::Email => "email",
            // No key is an address alone; the nearest has its cap.
            Kind::Address => "initial-address",
            Kind::Person => return Ok(false),
            // What people typed into links; no key has it.
            Kind::Organisation | Kind::Event | Kind::Location | Kind::Object => {
                return Ok(holders <= MAX_LINKED);
            }
        };
        let Some(kind) = self.schema.kinds().iter().find(|kind| kind.name == name) else {
            return Ok(false);
        };
        let tag = self.tag(&LinkageKey {
            kind: kind.id,
            value: Zeroizing::new(identifier.value.clone()),
        });
        Ok(!over_cap(self.schema, kind.id, holders) && !self.tables.common.contains(&tag)?)
    }
}

/// The end of a link that is no record, in small letters and single spaces.
fn named(kind: LinkKind, words: &Text) -> Option<Identifier> {
    let kind = match kind {
        LinkKind::Organisation => Kind::Organisation,
        LinkKind::Event => Kind::Event,
        LinkKind::Location => Kind::Location,
        LinkKind::Object => Kind::Object,
        // Two people of one name are not one person.
        LinkKind::Person => return None,
    };
    let words = words.as_str().to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let value = words.join(" ");
    Some(Identifier { kind, value })
}

fn other(key: &MatchKey, agreement: &str) -> Other {
    Other {
        agency: key.agency.to_string(),
        agreement: agreement.to_owned(),
        reference: key.reference.short(),
        key: key.reference.0.iter().map(|b| format!("{b:02x}")).collect(),
    }
}
