//! What is written down of every act: who, what kind of act, on which record, to whom, why; no values.

use serde::{Deserialize, Serialize};
use symbolon_core::identity::{AgencyName, Name};

use crate::acting::Acting;
use crate::text::Text;

/// Kinds of act that are logged: those of section 62 of the Data Protection Act 2018, and what else an
/// inspector asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A record came in.
    Collection,
    /// A record, its handling, or a case was changed.
    Alteration,
    /// Somebody looked or asked.
    Consultation,
    /// Something was released to another agency, or received from one.
    Disclosure,
    /// Two agencies' records were found to belong together, or not to.
    Combination,
    /// A record or what was shared of it was deleted.
    Erasure,
    /// It was decided not to share.
    NotShared,
    /// Accounts, roles, sessions.
    Access,
    /// Agreements, keys, custody.
    Administration,
}

/// An act, as a service hands it to the log. Every word in it is of this program or was typed as purpose
/// or reason; ids are the agency's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Which account; none when the node acts by itself, as for retention.
    pub who: Option<Name>,
    /// Kind of act.
    pub kind: AuditKind,
    /// What was done, a fixed phrase, as `record edited`.
    pub what: String,
    /// The own record's id.
    pub record: Option<String>,
    /// The match's id.
    pub case: Option<String>,
    /// The other agency.
    pub agency: Option<AgencyName>,
    /// Names of fields that it concerned; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// For what.
    pub purpose: Option<Text>,
    /// Why.
    pub reason: Option<Text>,
}

impl AuditEvent {
    /// An act of somebody.
    #[must_use]
    pub fn by(acting: &Acting, kind: AuditKind, what: &str) -> Self {
        Self {
            who: Some(acting.who.clone()),
            purpose: acting.purpose.clone(),
            reason: acting.reason.clone(),
            ..Self::of_the_node(kind, what)
        }
    }

    /// An act of the node itself.
    #[must_use]
    pub fn of_the_node(kind: AuditKind, what: &str) -> Self {
        Self {
            who: None,
            kind,
            what: what.to_owned(),
            record: None,
            case: None,
            agency: None,
            fields: Vec::new(),
            purpose: None,
            reason: None,
        }
    }

    /// On this record.
    #[must_use]
    pub fn record(mut self, id: &str) -> Self {
        self.record = Some(id.to_owned());
        self
    }

    /// In this case.
    #[must_use]
    pub fn case(mut self, id: &str) -> Self {
        self.case = Some(id.to_owned());
        self
    }

    /// With this agency.
    #[must_use]
    pub fn agency(mut self, agency: &AgencyName) -> Self {
        self.agency = Some(agency.clone());
        self
    }

    /// Concerning these fields.
    #[must_use]
    pub fn fields<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.fields = names.into_iter().map(str::to_owned).collect();
        self
    }
}
