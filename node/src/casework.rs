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
//! | `ending` | retention, erasure, what is silent |
//! | `records` | one record with its dossier |

mod acting;
mod audit;
pub mod command;
mod ending;
mod records;

use std::sync::Arc;

use serde_json::Value;

use crate::error::NodeError;
use crate::node::Node;
use command::{CaseworkCommand, CaseworkRequest};

pub use audit::StoredAudit;
pub use ending::*;
pub use records::RecordDetail;

impl Node {
    /// Carries out what a person asked for in casework.
    pub(crate) async fn casework(
        self: &Arc<Self>,
        request: CaseworkRequest,
    ) -> Result<Value, NodeError> {
        let acting = self.acting(&request.by)?;
        let _work = self.work.lock().await;
        match request.command {
            CaseworkCommand::Record(command) => self.record_command(&acting, command),
            CaseworkCommand::Ending(command) => self.ending_command(&acting, command).await,
        }
    }
}

/// A report as the control socket carries it.
fn json<T: serde::Serialize>(report: T) -> Result<Value, NodeError> {
    serde_json::to_value(report).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
