//! Ending: retention, erasure, tombstones, and the level at which a record is shared.
//!
//! | Module | Room |
//! |---|---|
//! | `erasure` | one path by which a record goes, whoever asks for it |
//! | `tombstones` | what is signed and told of it, and what others told us |
//! | `receipts` | what was signed, for people and for whoever checks it |
//! | `retention` | review, hold, expiry by itself |
//! | `level` | open, contact, silent; consent that was taken back |

mod erasure;
mod level;
mod receipts;
mod retention;
mod tombstones;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::text::Text;
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;

use super::json;
use crate::error::NodeError;
use crate::node::Node;

pub use receipts::{Checked, ErasureReceipt, ReceivedTombstoneView, RecipientView, TombstoneView};
pub use retention::RetentionLine;
pub use tombstones::EndingLetter;

/// About what ends.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EndingCommand {
    /// What a match tells of a record, from now on.
    Level {
        /// Its id.
        record_id: String,
        /// What.
        level: Level,
    },
    /// Erases records.
    Erase {
        /// Their ids.
        record_ids: Vec<String>,
        /// Why, as far as others are told.
        class: ReasonClass,
    },
    /// What was signed of a record that is no more.
    Receipt {
        /// Its id.
        record_id: String,
    },
    /// Checks a receipt or a tombstone against the roster.
    Verify {
        /// JSON.
        text: String,
    },
    /// What other agencies have ended.
    Received,
    /// Says that what was received of it is dealt with.
    Confirm {
        /// Beginning of the tombstone's digest.
        tombstone: String,
    },
    /// How long records are kept.
    Retention,
    /// Puts a record in a class.
    Class {
        /// Its id.
        record_id: String,
        /// As in `node.toml`.
        class: Name,
    },
    /// Keeps a record until a day.
    Keep {
        /// Its id.
        record_id: String,
        /// Unix seconds.
        until: i64,
    },
    /// Ends a record after its review.
    End {
        /// Its id.
        record_id: String,
    },
    /// Keeps a record whatever its dates say, or no longer.
    Hold {
        /// Its id.
        record_id: String,
        /// Whether it is held.
        held: bool,
    },
}

impl Node {
    pub(super) async fn ending_command(
        self: &Arc<Self>,
        acting: &Acting,
        command: EndingCommand,
    ) -> Result<Value, NodeError> {
        match command {
            EndingCommand::Level { record_id, level } => {
                let line = self.change_level(acting, &record_id, level)?;
                self.carry_out_what_waits().await;
                json(line)
            }
            EndingCommand::Erase { record_ids, class } => {
                json(self.erase(acting, &record_ids, class).await?)
            }
            EndingCommand::Receipt { record_id } => json(self.erasure_receipt(acting, &record_id)?),
            EndingCommand::Verify { text } => json(self.check_receipt(&text)?),
            EndingCommand::Received => json(self.received_tombstones(acting)?),
            EndingCommand::Confirm { tombstone } => {
                json(self.confirm_tombstone(acting, &tombstone)?)
            }
            EndingCommand::Retention => json(self.retention_lines(acting)?),
            EndingCommand::Class { record_id, class } => {
                json(self.set_retention_class(acting, &record_id, &class)?)
            }
            EndingCommand::Keep { record_id, until } => {
                let line = self.keep_until(acting, &record_id, until)?;
                self.carry_out_what_waits().await;
                json(line)
            }
            EndingCommand::End { record_id } => {
                self.kept_record(&record_id)?;
                let ids = [record_id];
                json(self.erase(acting, &ids, ReasonClass::Retention).await?)
            }
            EndingCommand::Hold { record_id, held } => {
                json(self.set_legal_hold(acting, &record_id, held)?)
            }
        }
    }

    /// Rows that wait go now if the hub can be reached; else the serving node sees to it.
    async fn carry_out_what_waits(self: &Arc<Self>) {
        let mut done = crate::tokenise::Done::default();
        if let Ok(hub) = self.hub().await {
            // What could not be done waits, and `status` says why.
            let _ = self
                .work_off(&hub, &crate::tokenise::silent(), &mut done)
                .await;
        }
        self.work_waits.notify_one();
    }

    /// Changes what lies beside a record, as an edit by hand does: the state before becomes a version,
    /// rows follow, the act is written down.
    fn change_dossier(
        &self,
        acting: &Acting,
        record_id: &str,
        act: &'static str,
        change: impl FnOnce(&mut Dossier),
    ) -> Result<RetentionLine, NodeError> {
        acting.may(Permission::KeepRecords)?;
        let stored = self.kept_record(record_id)?;
        let before = self.state_of(&stored)?;
        let mut after = before.clone();
        change(&mut after.dossier);
        let dossier = after.dossier.clone();
        self.change_by_hand(acting, act, &stored, (before, after))?;
        self.retention_line(record_id, &dossier)
    }
}

/// The reason of an act that must have one.
fn reason(acting: &Acting) -> Result<&Text, NodeError> {
    acting.reason.as_ref().ok_or_else(|| {
        NodeError::Request(
            "say why with --reason, in a few words without names; it is written down".to_owned(),
        )
    })
}
