//! A query: one person asked about under one agreement, with nothing stored anywhere.
//!
//! The owner of a hit learns that a colleague asked. Rows are padded with dummies, so that the hub
//! does not learn how much is known of the person.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_core::crypto;
use symbolon_core::linkage::derive::LinkageKey;
use symbolon_core::linkage::record::Record;
use symbolon_core::payload::{self, Payload, RecordReference, Urgency};
use symbolon_core::row::{Handle, PAYLOAD_BYTES, Row, SealedPayload, Token};
use symbolon_core::token::Root;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::membership::check_schema;
use crate::node::Node;
use crate::reports::QueryReport;

/// Rows of every query: the most that a record gives, filled up with dummies.
const QUERY_ROWS: usize = 64;

impl Node {
    /// Asks under an agreement with the columns of the CSV contract.
    pub async fn query(
        self: &Arc<Self>,
        columns: &BTreeMap<String, String>,
        agreement: Option<&str>,
    ) -> Result<QueryReport, NodeError> {
        self.config.role.refuse_records()?;
        let hub = self.hub().await?;
        let agreement = self.agreement(agreement)?;
        check_schema(self.schema, &agreement.standing.document)?;
        let served = agreement.usable().cloned().ok_or_else(|| {
            NodeError::Request(format!(
                "agreement {} is not in force; `symbolon-node agreement list` shows who still has to accept",
                agreement.standing.document.id
            ))
        })?;
        let cells = columns
            .iter()
            .map(|(name, cell)| (name.as_str(), cell.as_str()));
        let cells = cells.chain([("record_id", "(query)")]);
        let (record, issues) =
            Record::from_cells(cells).map_err(|issue| NodeError::Request(issue.to_string()))?;
        let mut warnings: Vec<String> = issues
            .iter()
            .map(|issue| format!("{} \"{}\" {}", issue.column, issue.value, issue.reason))
            .collect();
        let keys = self.linkage().keys(&record).keys;
        if keys.is_empty() {
            return Err(NodeError::Request(
                "these values give no linkage key; ask with a strong identifier, or with a name and a date of birth".into(),
            ));
        }
        let reference = RecordReference::random()?;
        let epoch = served.id;
        let (mut rows, mut asked) = (Vec::new(), BTreeMap::new());
        for (linkage, root) in self.query_roots(&hub, &keys, &mut warnings).await? {
            let (token, lock) = served.key.derive(&root);
            let handle = Handle::random()?;
            let payload = Payload {
                agency: self.identity.agency.clone(),
                reference,
                kind: linkage.kind.0,
                schema_version: self.schema.version,
                urgency: Urgency::Standard,
                query: true,
            };
            let payload = payload::seal(&payload, &lock, &epoch, &token, &handle)?;
            let expiry = self.last_month(&served.document);
            rows.push(Row {
                agreement_epoch: epoch,
                token,
                handle,
                silent: false,
                expiry,
                payload,
            });
            asked.insert(handle, (token, lock, linkage.kind.0));
        }
        pad(&mut rows)?;
        let hits = hub.query(&rows).await?;
        Ok(QueryReport {
            agreement: agreement.standing.document.id.to_string(),
            linkage_keys: keys.len() as u64,
            warnings,
            matches: self.read_hits(&served, &asked, &hits),
        })
    }
}

impl Node {
    /// Each key with its root under the custody key in use, and while custodians are being replaced
    /// under the one before too: some members have their rows only under that.
    async fn query_roots<'a>(
        self: &Arc<Self>,
        hub: &HubClient,
        keys: &'a [LinkageKey],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(&'a LinkageKey, Root)>, NodeError> {
        let mut all = Vec::new();
        for (position, epoch) in self.row_epochs()?.into_iter().enumerate() {
            match self.roots_of(hub, epoch, keys).await {
                Ok(roots) => all.extend(keys.iter().zip(roots)),
                Err(error) if position == 0 => return Err(error),
                Err(error) => warnings.push(format!(
                    "records that were not yet made anew under the new custody key were not asked: {error}"
                )),
            }
        }
        Ok(all)
    }
}

fn pad(rows: &mut Vec<Row>) -> Result<(), NodeError> {
    let Some(like) = rows.first().cloned() else {
        return Ok(());
    };
    while rows.len() < QUERY_ROWS {
        rows.push(Row {
            token: Token(crypto::random()?),
            handle: Handle::random()?,
            payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>()?),
            ..like.clone()
        });
    }
    rows.sort_by_key(|row| row.handle);
    Ok(())
}
