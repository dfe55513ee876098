//! Where commands arrive, from the command line in this process or through the control socket: each is let
//! in or refused, carried out, and written down.
//!
//! What was written down is on the disk before anybody has the answer. Looks are written down before they
//! are answered, deletions before they are done (in their own modules), acts about agreements and keys when
//! they are done: those leave traces of their own at the hub and in the roster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_core::identity::AgencyName;
use symbolon_core::linkage::record::Record;

use crate::casework::command::{AccountCommand, Claim};
use crate::command::{Command, Request};
use crate::control::{CommandError, CommandHandler};
use crate::custody::CustodyCommand;
use crate::error::NodeError;
use crate::node::Node;
use crate::reports::{ProgressSink, QueryReport};

/// A node as the command line sees it.
pub struct Commands(pub Arc<Node>);

#[async_trait::async_trait]
impl CommandHandler for Commands {
    async fn handle(
        &self,
        request: Request,
        progress: ProgressSink,
    ) -> Result<Value, CommandError> {
        let Request { by, command } = request;
        let answer = self.0.admitted(&by, command, &progress).await;
        self.0.vault.flush()?;
        Ok(answer?)
    }
}

impl Node {
    async fn admitted(
        self: &Arc<Self>,
        by: &Claim,
        command: Command,
        progress: &ProgressSink,
    ) -> Result<Value, NodeError> {
        let acting = self.admit(by, &command)?;
        match (command, acting) {
            (Command::Status, None) => json(self.fresh_status().await?.public()),
            (Command::Account(AccountCommand::Login { name, password }), _) => {
                self.sign_in(&name, &password).await
            }
            (command, Some(acting)) => self.carry_out(&acting, by, command, progress).await,
            (_, None) => Err(NodeError::NotSignedIn),
        }
    }

    async fn carry_out(
        self: &Arc<Self>,
        acting: &Acting,
        by: &Claim,
        command: Command,
        progress: &ProgressSink,
    ) -> Result<Value, NodeError> {
        match command {
            Command::Import(options) => json(self.import(acting, &options, progress).await?),
            Command::Preview(options) => json(self.preview(&options).await?),
            Command::Records { record_id } => {
                let records = self.records(record_id.as_deref())?;
                self.looked(
                    acting,
                    "records listed",
                    "record shown in the list",
                    record_id,
                )?;
                json(records)
            }
            Command::Query { columns, agreement } => {
                let report = self.asked(acting, &columns, agreement.as_deref()).await?;
                json(report)
            }
            Command::Calibrate => json(self.calibrate().await?),
            Command::Matches { record_id, least } => {
                let matches = self.matches_from(record_id.as_deref(), least)?;
                self.looked(
                    acting,
                    "matches listed",
                    "matches of a record listed",
                    record_id,
                )?;
                json(matches)
            }
            Command::Comparisons { record_id } => {
                let lines = self.comparison_lines(record_id.as_deref())?;
                let what = ("comparisons listed", "comparisons of a record listed");
                self.looked(acting, what.0, what.1, record_id)?;
                json(lines)
            }
            Command::Withdraw { record_ids } => {
                json(self.withdraw(acting, &record_ids, progress).await?)
            }
            Command::Status => json(self.fresh_status().await?),
            Command::Rekey => {
                let report = self.rekey().await?;
                self.administered(acting, "new keys handed in", None)?;
                json(report)
            }
            Command::Casework(command) => self.act(acting, command).await,
            Command::Account(command) => self.account_command(acting, by, command).await,
            Command::Audit(command) => self.audit(acting, command).await,
            Command::Custody(command) => self.custody_by(acting, command).await,
            about_an_agreement => self.agreement_by(acting, about_an_agreement).await,
        }
    }

    async fn agreement_by(
        self: &Arc<Self>,
        acting: &Acting,
        command: Command,
    ) -> Result<Value, NodeError> {
        match command {
            Command::Agreements => json(self.fresh_agreements().await?),
            Command::Agreement { agreement } => {
                self.fresh_agreements().await?;
                json(self.agreement_detail(&agreement)?)
            }
            Command::ExportAgreement { agreement } => {
                self.fresh_agreements().await?;
                json(self.export_agreement(&agreement)?)
            }
            Command::Accept {
                agreement,
                immigration,
            } => {
                let report = self.accept(&agreement, &immigration).await?;
                self.administered(acting, "agreement accepted", Some(&agreement))?;
                json(report)
            }
            Command::Decline { agreement, reason } => {
                let report = self.decline(&agreement, &reason).await?;
                self.administered(acting, "agreement declined", Some(&agreement))?;
                json(report)
            }
            Command::Leave { agreement, reason } => {
                let report = self.leave(&agreement, &reason).await?;
                self.administered(acting, "agreement left", Some(&agreement))?;
                json(report)
            }
            _ => Err(NodeError::Internal("a command that nobody carries out")),
        }
    }

    async fn custody_by(
        &self,
        acting: &Acting,
        command: CustodyCommand,
    ) -> Result<Value, NodeError> {
        let what = match command {
            CustodyCommand::Status | CustodyCommand::Log { .. } => None,
            CustodyCommand::Refresh => Some("new shares of the custody key begun"),
            CustodyCommand::Repair => Some("repair of the custody share begun"),
            CustodyCommand::Backup { .. } => Some("custody share backed up"),
            CustodyCommand::Restore { .. } => Some("custody share restored"),
        };
        let answer = self.custody(command).await?;
        if let Some(what) = what {
            self.administered(acting, what, None)?;
        }
        Ok(answer)
    }

    fn administered(
        &self,
        acting: &Acting,
        what: &str,
        agreement: Option<&str>,
    ) -> Result<(), NodeError> {
        let event = AuditEvent::by(acting, AuditKind::Administration, what);
        let agreement = agreement.and_then(|id| id.parse().ok());
        self.write_down(match &agreement {
            Some(id) => event.agreement(id),
            None => event,
        })
    }

    /// Writes a look down: at everything, or at one record. An id that no record has is not kept.
    fn looked(
        &self,
        acting: &Acting,
        all: &str,
        one: &str,
        record_id: Option<String>,
    ) -> Result<(), NodeError> {
        let event = |what| AuditEvent::by(acting, AuditKind::Consultation, what);
        let known = match record_id {
            Some(id) => Some((self.tables.records.contains(&id)?, id)),
            None => None,
        };
        self.write_down(match known {
            Some((true, id)) => event(one).record(&id),
            Some((false, _)) => event(one),
            None => event(all),
        })
    }

    /// A query: that it is asked stands in the log before it is, and who answered with a hit after.
    async fn asked(
        self: &Arc<Self>,
        acting: &Acting,
        columns: &BTreeMap<String, String>,
        agreement: Option<&str>,
    ) -> Result<QueryReport, NodeError> {
        // Only names of the contract: what else a program sends as a name may be a value.
        let known = columns.keys().map(String::as_str);
        let known = known.filter(|name| Record::knows(name));
        let event = AuditEvent::by(acting, AuditKind::Consultation, "query asked").fields(known);
        let named = agreement.and_then(|id| id.parse().ok());
        self.write_down(match &named {
            Some(id) => event.agreement(id),
            None => event,
        })?;
        self.vault.flush()?;
        let report = self.query(columns, agreement).await?;
        let owners: BTreeSet<&str> = report.matches.iter().map(|m| m.agency.as_str()).collect();
        let owners: BTreeSet<AgencyName> = owners.into_iter().flat_map(str::parse).collect();
        for owner in &owners {
            let event = AuditEvent::by(acting, AuditKind::Combination, "query hit");
            self.write_down(event.agency(owner))?;
        }
        Ok(report)
    }
}

fn json<T: serde::Serialize>(report: T) -> Result<Value, NodeError> {
    serde_json::to_value(report).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
