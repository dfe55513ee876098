//! What people ask for about disclosures, and what they see.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::disclosure::decision::Word;
use symbolon_casework::disclosure::{Field, Heard, RequestId};
use symbolon_casework::text::Text;
use symbolon_core::payload::Urgency;

use super::owning::{Leaving, Release};
use super::{RequestKey, StoredAsked, StoredRequest, refused};
use crate::casework::json;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::matches::urgency_word;
use crate::node::Node;

/// About disclosures.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DisclosureCommand {
    /// Asks the other agency of a case.
    Request {
        /// The case.
        case: String,
        /// Which fields of its record.
        fields: BTreeSet<Field>,
        /// By which right.
        lawful_basis: Text,
        /// How soon.
        urgency: Urgency,
    },
    /// Lists requests, of both sides.
    List {
        /// Only of this case.
        case: Option<String>,
    },
    /// Shows a request: of another agency, with exactly what would leave.
    Show {
        /// The first digits of its id.
        id: String,
    },
    /// Releases fields of a request.
    Release {
        /// The first digits of its id.
        id: String,
        /// Which.
        fields: BTreeSet<Field>,
        /// Whether the other agency may pass them on.
        onward: bool,
        /// For how many days it may keep them; else as the settings say.
        keep_days: Option<u32>,
        /// Conditions in words.
        conditions: Option<Text>,
    },
    /// Refuses fields of a request.
    Refuse {
        /// The first digits of its id.
        id: String,
        /// Which; all that are undecided or wait, where none is named.
        fields: BTreeSet<Field>,
    },
    /// Agrees, as a second person, to a release that waits.
    Countersign {
        /// The first digits of its id.
        id: String,
    },
    /// Shows what other agencies gave.
    Received {
        /// Only of this case.
        case: Option<String>,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisclosureView {
    /// 32 hexadecimal digits.
    pub id: String,
    /// `asked by us` or `asked of us`.
    pub direction: String,
    /// The other agency.
    pub agency: String,
    /// The case.
    pub case: String,
    /// Own record.
    pub record_id: String,
    /// For what.
    pub purpose: String,
    /// By which right.
    pub lawful_basis: String,
    /// How soon.
    pub urgency: String,
    /// Why.
    pub reason: String,
    /// `open`, `waits for a second person`, `answered`.
    pub state: String,
    /// What waits for a second person: who released it.
    pub released_by: Option<String>,
    /// Why a release takes two people.
    pub takes_two: Vec<String>,
    /// Why nothing may leave, whoever decides.
    pub denied: Option<String>,
    /// Why fields were refused, in the other agency's words.
    pub reasons: Vec<String>,
    /// Field by field.
    pub fields: Vec<FieldView>,
    /// When it was asked, RFC 3339.
    pub at: String,
}

/// One field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldView {
    /// Its name.
    pub field: String,
    /// `undecided`, `waits`, `refused`, `released`; `nothing yet` of what we asked for.
    pub word: String,
    /// Exactly what would leave, or left; shown by `show` of a request that was asked of us.
    pub values: Option<Vec<String>>,
}

/// One field that another agency gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedView {
    /// The case.
    pub case: String,
    /// Own record.
    pub record_id: String,
    /// Whose it is.
    pub agency: String,
    /// The request that it answers, or what it was given under.
    pub request: String,
    /// Its name.
    pub field: String,
    /// What it says; nothing once its time is over.
    pub values: Vec<String>,
    /// Handling code.
    pub handling: Option<String>,
    /// Conditions in words.
    pub conditions: Option<String>,
    /// Whether it may be passed on.
    pub onward: bool,
    /// When it came, RFC 3339.
    pub received_at: String,
    /// Until when it may be kept, RFC 3339.
    pub keep_until: String,
    /// Its time is over.
    pub ended: bool,
}

/// A request of either side.
enum Found {
    Asked(RequestId, StoredAsked),
    OfUs(RequestKey, StoredRequest),
}

impl Node {
    pub(in crate::casework) fn disclosure_command(
        &self,
        acting: &Acting,
        command: DisclosureCommand,
    ) -> Result<Value, NodeError> {
        match command {
            DisclosureCommand::Request {
                case,
                fields,
                lawful_basis,
                urgency,
            } => {
                let case = self.confirmed_case(&case)?;
                let how = (lawful_basis, urgency);
                let (id, stored) = self.request_disclosure(acting, case, fields, how)?;
                json(self.view_of_asked(id, &stored)?)
            }
            DisclosureCommand::List { case } => json(self.disclosures(acting, case.as_deref())?),
            DisclosureCommand::Show { id } => json(self.show_disclosure(acting, &id)?),
            DisclosureCommand::Release {
                id,
                fields,
                onward,
                keep_days,
                conditions,
            } => {
                let (key, mut stored) = self.asked_of_us(&id)?;
                let release = Release {
                    fields,
                    onward,
                    keep_days,
                    conditions,
                };
                self.release_fields(acting, (&key, &mut stored), release)?;
                json(self.view_of_request(&key, &stored, None)?)
            }
            DisclosureCommand::Refuse { id, fields } => {
                let (key, mut stored) = self.asked_of_us(&id)?;
                let fields = match fields.is_empty() {
                    true => stored.decisions.undecided(),
                    false => fields,
                };
                self.refuse_fields(acting, (&key, &mut stored), fields)?;
                json(self.view_of_request(&key, &stored, None)?)
            }
            DisclosureCommand::Countersign { id } => {
                let (key, mut stored) = self.asked_of_us(&id)?;
                self.countersign_release(acting, (&key, &mut stored))?;
                json(self.view_of_request(&key, &stored, None)?)
            }
            DisclosureCommand::Received { case } => json(self.received(acting, case.as_deref())?),
        }
    }

    /// Requests of both sides, the urgent and the old first.
    fn disclosures(
        &self,
        acting: &Acting,
        case: Option<&str>,
    ) -> Result<Vec<DisclosureView>, NodeError> {
        acting.may(Permission::Consult)?;
        let mut views = Vec::new();
        for entry in self.tables.disclosures_asked.iter() {
            let (id, stored) = entry?;
            let place = (stored.request.urgency, stored.at);
            views.push((place, self.view_of_asked(id, &stored)?));
        }
        for entry in self.tables.disclosures_of_us.iter() {
            let (key, stored) = entry?;
            let place = (stored.request.urgency, stored.at);
            views.push((place, self.view_of_request(&key, &stored, None)?));
        }
        self.write_down(AuditEvent::by(
            acting,
            AuditKind::Consultation,
            "requests listed",
        ))?;
        views.retain(|(_, view)| case.is_none_or(|case| view.case == case));
        views.sort_by(|((urgency, at), a), ((other, later), b)| {
            let urgent_first = other.cmp(urgency);
            urgent_first.then(at.cmp(later)).then(a.id.cmp(&b.id))
        });
        Ok(views.into_iter().map(|(_, view)| view).collect())
    }

    fn show_disclosure(&self, acting: &Acting, id: &str) -> Result<DisclosureView, NodeError> {
        acting.may(Permission::Consult)?;
        match self.disclosure_by_id(id)? {
            Found::Asked(id, stored) => self.view_of_asked(id, &stored),
            Found::OfUs(key, mut stored) => {
                let leaving = self.look_at_request(acting, &key, &mut stored)?;
                self.view_of_request(&key, &stored, leaving)
            }
        }
    }

    fn disclosure_by_id(&self, id: &str) -> Result<Found, NodeError> {
        let mut found = Vec::new();
        let fits = |request: &RequestId| id.len() >= 4 && request.to_string().starts_with(id);
        for entry in self.tables.disclosures_asked.iter() {
            let (request, stored) = entry?;
            if fits(&request) {
                found.push(Found::Asked(request, stored));
            }
        }
        for entry in self.tables.disclosures_of_us.iter() {
            let (key, stored) = entry?;
            if fits(&key.1) {
                found.push(Found::OfUs(key, stored));
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(refused(format!(
                "several requests begin with {id}; give more of its digits"
            ))),
            (None, _) => Err(refused(format!(
                "no request begins with {id}; `symbolon-node disclosure list` shows them"
            ))),
        }
    }

    fn asked_of_us(&self, id: &str) -> Result<(RequestKey, StoredRequest), NodeError> {
        match self.disclosure_by_id(id)? {
            Found::OfUs(key, stored) => Ok((key, stored)),
            Found::Asked(..) => Err(refused(
                "this is a request of this agency; the other one decides on it",
            )),
        }
    }

    fn view_of_asked(
        &self,
        id: RequestId,
        stored: &StoredAsked,
    ) -> Result<DisclosureView, NodeError> {
        let fields = stored.heard.iter().map(|(field, heard)| FieldView {
            field: field.to_string(),
            word: match heard {
                Heard::Nothing => "nothing yet",
                Heard::Refused => "refused",
                Heard::Released => "released",
            }
            .to_owned(),
            values: None,
        });
        let open = stored.heard.values().any(|heard| *heard == Heard::Nothing);
        let request = &stored.request;
        Ok(DisclosureView {
            id: id.to_string(),
            direction: "asked by us".to_owned(),
            agency: stored.case.agency.to_string(),
            case: self.case_word(&stored.case)?,
            record_id: stored.case.record_id.clone(),
            purpose: request.purpose.to_string(),
            lawful_basis: request.lawful_basis.to_string(),
            urgency: urgency_word(request.urgency).to_owned(),
            reason: request.reason.to_string(),
            state: if open { "open" } else { "answered" }.to_owned(),
            released_by: None,
            takes_two: Vec::new(),
            denied: None,
            reasons: stored.reasons.iter().map(Text::to_string).collect(),
            fields: fields.collect(),
            at: rfc3339(stored.at),
        })
    }

    fn view_of_request(
        &self,
        key: &RequestKey,
        stored: &StoredRequest,
        leaving: Option<Leaving>,
    ) -> Result<DisclosureView, NodeError> {
        let decisions = &stored.decisions;
        let proposal = decisions.proposal();
        let fields = decisions.words().iter().map(|(field, word)| {
            let waits = proposal.is_some_and(|proposal| proposal.fields.contains(field));
            let word = match word {
                Word::Undecided if waits => "waits",
                Word::Undecided => "undecided",
                Word::Refused => "refused",
                Word::Released => "released",
            };
            let values = leaving.as_ref();
            let values = values.and_then(|leaving| leaving.values.0.get(field).cloned());
            FieldView {
                field: field.to_string(),
                word: word.to_owned(),
                values,
            }
        });
        let state = match (proposal, decisions.is_open()) {
            (Some(_), _) => "waits for a second person",
            (None, true) => "open",
            (None, false) => "answered",
        };
        let second = leaving.as_ref().map_or(&stored.second, |l| &l.second);
        let denied = leaving.as_ref().and_then(|l| l.denied.as_ref());
        let request = &stored.request;
        Ok(DisclosureView {
            id: key.1.to_string(),
            direction: "asked of us".to_owned(),
            agency: key.0.to_string(),
            case: self.case_word(&stored.case)?,
            record_id: stored.case.record_id.clone(),
            purpose: request.purpose.to_string(),
            lawful_basis: request.lawful_basis.to_string(),
            urgency: urgency_word(request.urgency).to_owned(),
            reason: request.reason.to_string(),
            state: state.to_owned(),
            released_by: proposal.map(|proposal| proposal.by.to_string()),
            takes_two: second.iter().map(ToString::to_string).collect(),
            denied: denied.map(ToString::to_string),
            reasons: Vec::new(),
            fields: fields.collect(),
            at: rfc3339(stored.at),
        })
    }
}
