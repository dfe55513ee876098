//! What people do in a case.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::lifecycle::{Act, Outcome, Side, Verdict};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;

use super::StoredCase;
use super::queue::{CaseView, QueueFilter};
use crate::casework::json;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;

/// About the queue and its cases.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CaseCommand {
    /// What is to be done.
    Queue(QueueFilter),
    /// One case with all that was said.
    Show {
        /// First digits of its id.
        case: String,
    },
    /// Takes it on.
    Acknowledge {
        /// First digits of its id.
        case: String,
    },
    /// Says whether it is one person.
    Judge {
        /// First digits of its id.
        case: String,
        /// The word.
        verdict: Verdict,
    },
    /// Says what came of it.
    Conclude {
        /// First digits of its id.
        case: String,
        /// In one word.
        outcome: Outcome,
    },
    /// Ends it.
    Close {
        /// First digits of its id.
        case: String,
    },
    /// Begins it once more.
    Reopen {
        /// First digits of its id.
        case: String,
    },
    /// Gives it to a person, or to nobody.
    Assign {
        /// First digits of its id.
        case: String,
        /// To whom.
        to: Option<Name>,
    },
}

/// One case with all that was said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseDetail {
    /// As in the queue.
    #[serde(flatten)]
    pub case: CaseView,
    /// By the clocks of those who said it.
    pub said: Vec<SaidView>,
}

/// One saying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidView {
    /// Which agency.
    pub agency: String,
    /// Who, if it was somebody of this agency.
    pub by: Option<String>,
    /// When, by its author's clock.
    pub at: String,
    /// Its number among the sayings of its side.
    pub number: u32,
    /// What, in a word.
    pub what: String,
    /// The words given for it.
    pub reason: Option<String>,
}

impl Node {
    pub(in crate::casework) fn case_command(
        &self,
        acting: &Acting,
        command: CaseCommand,
    ) -> Result<Value, NodeError> {
        let reason = || reason_of(acting);
        match command {
            CaseCommand::Queue(filter) => json(self.queue(acting, &filter)?),
            CaseCommand::Show { case } => json(self.case_detail(acting, &case)?),
            CaseCommand::Acknowledge { case } => json(self.say(acting, &case, Act::Acknowledge)?),
            CaseCommand::Judge { case, verdict } => {
                json(self.judge(acting, &case, verdict, reason()?)?)
            }
            CaseCommand::Conclude { case, outcome } => {
                let note = reason()?;
                json(self.say(acting, &case, Act::Conclude { outcome, note })?)
            }
            CaseCommand::Close { case } => {
                let reason = reason()?;
                json(self.say(acting, &case, Act::Close { reason })?)
            }
            CaseCommand::Reopen { case } => {
                let reason = reason()?;
                json(self.say(acting, &case, Act::Reopen { reason })?)
            }
            CaseCommand::Assign { case, to } => json(self.assign(acting, &case, to)?),
        }
    }

    /// Says something in a case for this agency, writes it down and posts it.
    pub(crate) fn say(&self, acting: &Acting, id: &str, act: Act) -> Result<CaseView, NodeError> {
        let permission = match act {
            Act::Answer { .. } => Permission::Disclose,
            _ => Permission::Judge,
        };
        acting.may(permission)?;
        let mut stored = self.find_case(id)?;
        self.say_in(acting, &mut stored, act)?;
        self.case_view(&stored)
    }

    pub(crate) fn say_in(
        &self,
        acting: &Acting,
        stored: &mut StoredCase,
        act: Act,
    ) -> Result<(), NodeError> {
        let kind = match act {
            Act::Judge { .. } => AuditKind::Combination,
            Act::Ask(_) => AuditKind::Consultation,
            _ => AuditKind::Alteration,
        };
        let what = format!("match {}", act.word());
        let (side, now) = (self.side_in(stored), self.clock.now());
        let id = stored.id().short();
        let said = stored.case.say(side, now, act);
        let said = said.map_err(|why| NodeError::Request(format!("case {id}: {why}")))?;
        stored.by.insert(said.number, acting.who.clone());
        stored.note_round(now);
        let event = AuditEvent::by(acting, kind, &what).record(&stored.key.record_id);
        self.write_down(event.case(&id).agency(&stored.key.agency))?;
        self.tables.cases.put(&stored.id(), stored)?;
        self.post_sayings(stored)?;
        self.give_open_fields(stored)
    }

    fn judge(
        &self,
        acting: &Acting,
        id: &str,
        verdict: Verdict,
        reason: Text,
    ) -> Result<CaseView, NodeError> {
        acting.may(Permission::Judge)?;
        let stored = self.find_case(id)?;
        let found = self.tables.matches.get(&stored.key)?;
        let kinds = found.map(|found| found.kinds()).unwrap_or_default();
        let act = Act::Judge {
            verdict,
            reason,
            kinds: kinds.into_iter().map(|kind| kind.0).collect(),
        };
        self.say(acting, &stored.id().0.to_string(), act)
    }

    fn assign(&self, acting: &Acting, id: &str, to: Option<Name>) -> Result<CaseView, NodeError> {
        // Everybody may take or leave work of their own; giving it to others is a supervisor's.
        let own = Some(&acting.who);
        let mut stored = self.find_case(id)?;
        let is_own_matter = to.as_ref().or(own) == own
            && (stored.assigned.is_none() || stored.assigned.as_ref() == own);
        if is_own_matter {
            acting.may(Permission::Judge)?;
        } else {
            acting.may(Permission::Assign)?;
        }
        if let Some(name) = &to {
            self.can_work(name)?;
        }
        stored.assigned = to;
        let event = AuditEvent::by(acting, AuditKind::Alteration, "match assigned");
        let event = event.record(&stored.key.record_id);
        self.write_down(event.case(&stored.id().short()))?;
        self.tables.cases.put(&stored.id(), &stored)?;
        self.case_view(&stored)
    }

    /// Whether somebody of this name can sign in. As long as there is no account, any name will do.
    fn can_work(&self, name: &Name) -> Result<(), NodeError> {
        let account = self.tables.accounts.get(name)?;
        let can = account.is_some_and(|account| !account.disabled);
        if can || self.tables.accounts.is_empty() {
            return Ok(());
        }
        Err(NodeError::Request(format!(
            "{name} has no account that can sign in; `symbolon-node account list` shows who has"
        )))
    }

    fn case_detail(&self, acting: &Acting, id: &str) -> Result<CaseDetail, NodeError> {
        acting.may(Permission::Consult)?;
        let stored = self.find_case(id)?;
        let event = AuditEvent::by(acting, AuditKind::Consultation, "match shown");
        let event = event.record(&stored.key.record_id);
        self.write_down(event.case(&stored.id().short()).agency(&stored.key.agency))?;
        let own_side = self.side_in(&stored);
        let mut said = Vec::new();
        for side in [Side::First, Side::Second] {
            for it in stored.case.said(side) {
                let is_own = side == own_side;
                let (agency, by) = if is_own {
                    (&self.identity.agency, stored.by.get(&it.number))
                } else {
                    (&stored.key.agency, None)
                };
                said.push((it.at, side, it.number, it, agency.to_string(), by));
            }
        }
        said.sort_by_key(|(at, side, number, ..)| (*at, *side, *number));
        let said = said
            .into_iter()
            .map(|(at, _, number, it, agency, by)| SaidView {
                agency,
                by: by.map(ToString::to_string),
                at: rfc3339(at),
                number,
                what: it.act.word().to_owned(),
                reason: it.act.reason().map(ToString::to_string),
            });
        Ok(CaseDetail {
            case: self.case_view(&stored)?,
            said: said.collect(),
        })
    }
}

/// The reason that an act cannot be without.
pub(in crate::casework) fn reason_of(acting: &Acting) -> Result<Text, NodeError> {
    acting.reason.clone().ok_or_else(|| {
        NodeError::Request(
            "this needs a reason, which the other side sees too; give it with --reason TEXT, \
             without names"
                .to_owned(),
        )
    })
}
