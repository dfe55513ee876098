//! Casework at the node: what people do about records and matches.
//!
//! The rules are in the crate `symbolon-casework`; here they meet vault and letters. Each room takes an
//! [`Acting`], asks it for the permission, writes down what was done before it answers, and gives
//! plain data back. The command line is one user of these services; a console can be another.
//!
//! | Module | Room |
//! |---|---|
//! | `acting` | who acts |
//! | `audit` | what is written down |
//! | `command` | what can be asked |
//! | `missing` | who is missing, and the interview on return |
//! | `network` | what joins records |
//! | `records` | one record with its dossier |
//! | `watch` | how a record takes part while its person is missing |

mod acting;
mod audit;
pub mod command;
mod missing;
mod network;
mod records;
mod watch;

use std::sync::Arc;

use serde_json::Value;

use crate::error::NodeError;
use crate::node::Node;
use command::{CaseworkCommand, CaseworkRequest};

pub use audit::StoredAudit;
pub use missing::{
    EpisodeView, HistoryView, InterviewView, MissingDetail, MissingReport, MissingView,
};
pub use records::RecordDetail;
pub(crate) use watch::Part;

impl Node {
    /// Carries out what a person asked for in casework.
    pub(crate) async fn casework(
        self: &Arc<Self>,
        request: CaseworkRequest,
    ) -> Result<Value, NodeError> {
        let acting = self.acting(&request.by)?;
        let work = self.work.lock().await;
        match request.command {
            CaseworkCommand::Record(command) => self.record_command(&acting, command),
            CaseworkCommand::Network(command) => self.network_command(&acting, command),
            // It sends, and lets others work meanwhile.
            CaseworkCommand::Missing(command) => self.missing_command(&acting, command, work).await,
        }
    }
}

/// A report as the control socket carries it.
fn json<T: serde::Serialize>(report: T) -> Result<Value, NodeError> {
    serde_json::to_value(report).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
