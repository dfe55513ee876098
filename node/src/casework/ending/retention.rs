//! Retention: what is due for review, what ends when, what is held; and the keeper that ends what is over.
//!
//! A class in `node.toml` gives a record its dates once, from the day on which it was put into the class (or
//! first seen in it). The keeper of a serving node looks at least every hour of its clock, and when the next
//! record is over. It ends a few records at a time and lets others work in between; what it did not get
//! to, it finds again. A record under legal hold is not ended, whatever its dates say. It also ends what is
//! over under an agreement ([`crate::sharing`]).

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::{Dossier, Retention};
use symbolon_casework::retention::{State, state};
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;
use symbolon_core::row::ExpiryMonth;
use tokio_util::sync::CancellationToken;

use super::reason;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::oracle::blocking;
use crate::records::Crossed;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often everything is looked through, by the clock.
const LOOK_THROUGH_S: i64 = 3600;
/// Records in one turn; then others may work.
const AT_ONCE: usize = 16;

/// How long one record is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RetentionLine {
    /// The record.
    pub record_id: String,
    /// What a match tells of it.
    pub level: String,
    /// Its class, if it has one.
    pub class: Option<String>,
    /// When somebody looks at it, RFC 3339.
    pub review: Option<String>,
    /// When it ends, RFC 3339.
    pub ends: Option<String>,
    /// Why it must not end, if it is held.
    pub legal_hold: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Agreements under which its time is over: its rows are gone there.
    pub over_under: Vec<String>,
    /// For whom a change of its level waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

impl Node {
    /// How long records are kept: those of which anything is said, what needs somebody first.
    pub(super) fn retention_lines(&self, acting: &Acting) -> Result<Vec<RetentionLine>, NodeError> {
        acting.may(Permission::Consult)?;
        let mut lines = Vec::new();
        for entry in self.tables.records.iter() {
            let (id, _) = entry?;
            let dossier = self.dossier(&id)?;
            let line = self.retention_line(&id, &dossier)?;
            if dossier.retention != Retention::default() || !line.over_under.is_empty() {
                lines.push(line);
            }
        }
        lines.sort_by(|a, b| {
            let place =
                |line: &RetentionLine| (line.state, line.ends.clone(), line.record_id.clone());
            place(a).cmp(&place(b))
        });
        Ok(lines)
    }

    pub(super) fn retention_line(
        &self,
        id: &str,
        dossier: &Dossier,
    ) -> Result<RetentionLine, NodeError> {
        let retention = &dossier.retention;
        let stored = self.tables.records.get(&id.to_owned())?;
        let over_under = stored.map_or_else(Vec::new, |stored| {
            self.membership(|m| {
                let documents = m.agreements.values().map(|a| &a.standing.document);
                let over = documents.filter(|d| self.is_over(&stored, &d.line()));
                over.map(|document| document.id.to_string()).collect()
            })
        });
        Ok(RetentionLine {
            record_id: id.to_owned(),
            level: dossier.level.to_string(),
            class: retention.class.as_ref().map(Name::to_string),
            review: retention.review_at.map(rfc3339),
            ends: retention.expires_at.map(rfc3339),
            legal_hold: retention.legal_hold.as_ref().map(ToString::to_string),
            state: state(retention, self.clock.now()),
            over_under,
            waits: None,
        })
    }

    pub(super) fn set_retention_class(
        &self,
        acting: &Acting,
        id: &str,
        class: &Name,
    ) -> Result<RetentionLine, NodeError> {
        let Some(known) = self.config.retention.get(class) else {
            let known: Vec<&str> = self.config.retention.keys().map(Name::as_str).collect();
            return Err(NodeError::Request(format!(
                "there is no retention class {class} in node.toml; there are: {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        };
        let now = self.clock.now();
        self.change_dossier(acting, id, "put into a retention class", |dossier| {
            let retention = &mut dossier.retention;
            retention.class = Some(class.clone());
            (retention.review_at, retention.expires_at) = (None, None);
            known.date(now, retention);
        })
    }

    /// Keeps a record until a day, after somebody has looked at it.
    pub(super) fn keep_until(
        &self,
        acting: &Acting,
        id: &str,
        until: i64,
    ) -> Result<RetentionLine, NodeError> {
        reason(acting)?;
        let now = self.clock.now();
        if until <= now {
            return Err(NodeError::Request(format!(
                "{} is not ahead; name a later day, or end the record with --end",
                rfc3339(until)
            )));
        }
        let classes = &self.config.retention;
        self.change_dossier(acting, id, "reviewed and kept", |dossier| {
            let retention = &mut dossier.retention;
            let class = retention
                .class
                .as_ref()
                .and_then(|class| classes.get(class));
            (retention.review_at, retention.expires_at) = (None, Some(until));
            if let Some(class) = class {
                class.date(now, retention);
            }
            // A review after the end would never be held.
            retention.review_at = retention.review_at.filter(|at| *at < until);
        })
    }

    pub(super) fn set_legal_hold(
        &self,
        acting: &Acting,
        id: &str,
        held: bool,
    ) -> Result<RetentionLine, NodeError> {
        let why = reason(acting)?.clone();
        let act = if held {
            "put under legal hold"
        } else {
            "let out of legal hold"
        };
        self.change_dossier(acting, id, act, |dossier| {
            dossier.retention.legal_hold = held.then_some(why);
        })
    }

    /// Ends what is over, until the node stops serving.
    pub(crate) async fn keep_retention(self: &Arc<Self>, shutdown: &CancellationToken) {
        let (mut look_at, mut month) = (i64::MIN, None);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = self.clock.now();
            // A clock that was set back does not put the next look off.
            look_at = look_at.min(now.saturating_add(LOOK_THROUGH_S));
            if now < look_at {
                continue;
            }
            match self.end_what_is_over(&mut month).await {
                Ok(next) => look_at = next,
                Err(error) => {
                    tracing::error!(%error, "what is over could not be ended; it is tried again");
                    look_at = now.saturating_add(60);
                }
            }
        }
    }

    /// Ends what is over now; gives when to look again.
    async fn end_what_is_over(
        self: &Arc<Self>,
        month: &mut Option<ExpiryMonth>,
    ) -> Result<i64, NodeError> {
        let present = self.present_month();
        let (node, new_month) = (Arc::clone(self), *month != Some(present));
        // On a thread of its own: with a million records this takes a minute, and the line to the hub must not wait.
        let (over, next) = blocking(move || node.what_is_over(new_month)).await??;
        *month = Some(present);
        for part in over.chunks(AT_ONCE) {
            let _work = self.work.lock().await;
            self.change_records(|crossed| {
                part.iter().try_for_each(|id| self.end_if_over(id, crossed))
            })?;
            self.work_waits.notify_one();
        }
        Ok(next)
    }

    /// Records that are over, in a new month those too whose time under an agreement is; and when to look again.
    fn what_is_over(&self, new_month: bool) -> Result<(Vec<String>, i64), NodeError> {
        let now = self.clock.now();
        let mut next = now.saturating_add(LOOK_THROUGH_S);
        let mut over = Vec::new();
        for entry in self.tables.dossiers.iter() {
            let (id, dossier) = entry?;
            let undated = dossier.retention.class.is_some()
                && dossier.retention.expires_at.is_none()
                && dossier.retention.review_at.is_none();
            if undated || state(&dossier.retention, now) == State::Over {
                over.push(id);
            } else if let Some(at) = dossier.retention.expires_at.filter(|at| *at > now) {
                next = next.min(at);
            }
        }
        if new_month {
            for entry in self.tables.records.iter() {
                let (id, stored) = entry?;
                let mut lines = stored.shared_until.keys();
                if lines.any(|line| self.is_over(&stored, line)) {
                    over.push(id);
                }
            }
        }
        Ok((over, next))
    }

    /// Somebody may have kept or held it meanwhile: it is looked at once more.
    fn end_if_over(&self, id: &str, crossed: &mut Crossed) -> Result<(), NodeError> {
        if !self.tables.records.contains(&id.to_owned())? {
            return Ok(());
        }
        let mut dossier = self.dossier(id)?;
        let before = dossier.retention.clone();
        let class = before.class.as_ref();
        if let Some(class) = class.and_then(|class| self.config.retention.get(class))
            && before.expires_at.is_none()
            && before.review_at.is_none()
        {
            class.date(self.clock.now(), &mut dossier.retention);
            self.tables.dossiers.put(&id.to_owned(), &dossier)?;
        }
        if state(&dossier.retention, self.clock.now()) != State::Over {
            return self.reconcile(id, &self.audiences());
        }
        let mark = self.mark_of(id).to_string();
        let event = AuditEvent::of_the_node(AuditKind::Erasure, "record ended by retention");
        self.write_down(event.record(&mark))?;
        self.erase_record(id, ReasonClass::Retention, crossed)?;
        Ok(())
    }
}
