//! Requests of others: look at what would leave, release, refuse, countersign.

use std::collections::BTreeSet;

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::disclosure::decision::{Decisions, Outcome, Word};
use symbolon_casework::disclosure::rules::{
    Denied, Second, at_once, may_be_told, may_leave, second_person,
};
use symbolon_casework::disclosure::{
    Answer, Field, LONGEST_KEPT_S, MAX_VALUE_BYTES, Request, Terms, Values,
};
use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::lifecycle::{Act, Answer as CaseAnswer, FollowUp, MAX_SAID, Side, Verdict};
use symbolon_casework::text::Text;
use symbolon_core::identity::AgencyName;

use super::asking::request_id;
use super::letter::Step;
use super::{DAY_S, RequestKey, StoredRequest, refused, said};
use crate::casework::StoredCase;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

/// What the firewall says to an immigration service, by itself.
const FIREWALL: &str = "this agency gives nothing to immigration services";
/// What this node says by itself to a request that it does not keep.
const NOT_TAKEN: &str =
    "this node did not take the request: too many are open, or a field has no name";
/// What the other side hears while a release waits.
const SECOND_PERSON: &str = "a second person decides";

/// How fields are released.
pub(super) struct Release {
    pub fields: BTreeSet<Field>,
    pub onward: bool,
    pub keep_days: Option<u32>,
    pub conditions: Option<Text>,
}

impl Node {
    /// Another agency asks for something in a case, which the caller has stored with that saying.
    pub(in crate::casework) fn take_follow_up(
        &self,
        case: &mut StoredCase,
        number: u32,
        follow_up: FollowUp,
    ) -> Result<(), NodeError> {
        let from = case.key.agency.clone();
        let key = (from.clone(), request_id(&case.id(), &from, number));
        if self.tables.disclosures_of_us.contains(&key)? {
            return Ok(());
        }
        let fields = follow_up.fields.iter().map(|field| field.parse());
        let request = fields.collect::<Result<_, _>>().ok().map(|fields| Request {
            fields,
            purpose: follow_up.purpose,
            lawful_basis: follow_up.lawful_basis,
            urgency: follow_up.urgency,
            reason: follow_up.reason,
        });
        let Some(request) = request.filter(|request| request.check().is_ok()) else {
            return self.turn_down(case, number);
        };
        if !self.takes_request(&from, &case.key)? {
            return self.turn_down(case, number);
        }
        let now = self.clock.now();
        let that_day = self.that_day((&from, now), &case.key, &request.fields)?;
        let asker = self.asker(&from, that_day.cases)?;
        let dossier = self.dossier(&case.key.record_id)?;
        let mut stored = StoredRequest {
            second: second_person(dossier.level, &that_day.fields, &asker, &self.limits()),
            decisions: Decisions::begin(&request.fields),
            case: case.key.clone(),
            number,
            request,
            at: now,
        };
        self.write_down(
            self.event(AuditKind::Consultation, "disclosure asked for", &stored)?
                .fields(stored.request.fields.iter().map(Field::as_str)),
        )?;
        let denied = may_leave(&dossier, &stored.request.purpose, &asker);
        if denied == Err(Denied::Immigration) {
            self.turn_away(&key, (&mut stored, case), dossier.level)?;
        }
        self.tables.disclosures_of_us.put(&key, &stored)
    }

    /// What cannot be decided on here is refused at once, so that nobody waits for it.
    fn turn_down(&self, case: &mut StoredCase, number: u32) -> Result<(), NodeError> {
        // A peer must not fill our own list with refusals.
        if case.case.count(self.side_in(case)) as usize >= MAX_SAID / 2 {
            return Ok(());
        }
        tracing::warn!(from = %case.key.agency, "a request was not taken: malformed, or too many");
        let reason: Text = NOT_TAKEN
            .parse()
            .map_err(|_| NodeError::Internal("the words of a refusal"))?;
        let act = Act::Answer {
            request: number,
            answer: CaseAnswer::Refused { reason },
        };
        self.say_by_node(case, act)
    }

    /// The firewall refuses by itself.
    fn turn_away(
        &self,
        key: &RequestKey,
        (stored, case): (&mut StoredRequest, &mut StoredCase),
        level: Level,
    ) -> Result<(), NodeError> {
        let fields = stored.request.fields.clone();
        self.write_down(
            self.event(AuditKind::NotShared, "refused by the firewall", stored)?
                .fields(fields.iter().map(Field::as_str)),
        )?;
        let reason: Text = FIREWALL
            .parse()
            .map_err(|_| NodeError::Internal("the words of the firewall"))?;
        self.tell_refusal(key, stored, (&fields, &reason), level)?;
        stored.decisions.refuse(&fields).map_err(refused)?;
        let act = Act::Answer {
            request: stored.number,
            answer: CaseAnswer::Refused { reason },
        };
        self.say_by_node(case, act)
    }

    /// An event about a request of another agency.
    fn event(
        &self,
        kind: AuditKind,
        what: &str,
        stored: &StoredRequest,
    ) -> Result<AuditEvent, NodeError> {
        self.about(AuditEvent::of_the_node(kind, what), stored)
    }

    fn about(&self, event: AuditEvent, stored: &StoredRequest) -> Result<AuditEvent, NodeError> {
        let case = &stored.case;
        let event = event.record(&case.record_id).agency(&case.agency);
        Ok(event.case(&self.case_word(case)?))
    }

    /// The own record of a request, what it would give, and who asks.
    pub(super) fn leaving(
        &self,
        (from, stored): (&AgencyName, &StoredRequest),
    ) -> Result<Leaving, NodeError> {
        let record = self.tables.records.get(&stored.case.record_id)?;
        let record = record.ok_or_else(|| {
            refused("the record of this request is gone; nothing of it can be released")
        })?;
        let dossier = self.dossier(&stored.case.record_id)?;
        let values = Values::of(&stored.request.fields, &record.record, &dossier);
        let fields = &stored.request.fields;
        let that_day = self.that_day((from, stored.at), &stored.case, fields)?;
        let asker = self.asker(from, that_day.cases)?;
        let mut second = second_person(dossier.level, &that_day.fields, &asker, &self.limits());
        second.extend(stored.second.iter().copied());
        let denied = may_leave(&dossier, &stored.request.purpose, &asker).err();
        Ok(Leaving {
            values,
            second,
            denied,
            dossier,
        })
    }

    /// Somebody looks at what would leave.
    pub(super) fn look_at_request(
        &self,
        acting: &Acting,
        key: &RequestKey,
        stored: &mut StoredRequest,
    ) -> Result<Option<Leaving>, NodeError> {
        self.write_down(self.about(
            AuditEvent::by(acting, AuditKind::Consultation, "request shown"),
            stored,
        )?)?;
        if !self.tables.records.contains(&stored.case.record_id)? {
            return Ok(None);
        }
        let leaving = self.leaving((&key.0, stored))?;
        stored.decisions.look(&acting.who, &leaving.values);
        self.tables.disclosures_of_us.put(key, stored)?;
        self.vault.flush()?;
        Ok(Some(leaving))
    }

    /// Somebody releases fields. Gives whether they left; else they wait for a second person.
    pub(super) fn release_fields(
        &self,
        acting: &Acting,
        (key, stored): (&RequestKey, &mut StoredRequest),
        release: Release,
    ) -> Result<bool, NodeError> {
        acting.may(Permission::Disclose)?;
        said(acting)?;
        let leaving = self.leaving((&key.0, stored))?;
        if let Some(why) = &leaving.denied {
            return Err(refused(why));
        }
        self.asked_as_it_is_now(key, stored)?;
        let terms = self.terms(&leaving.dossier, &release);
        let outcome = stored.decisions.release(
            &acting.who,
            &release.fields,
            (&terms, &leaving.values),
            !leaving.second.is_empty(),
        );
        match outcome.map_err(refused)? {
            Outcome::Waits => {
                self.write_down(
                    self.about(
                        AuditEvent::by(acting, AuditKind::Consultation, "release proposed"),
                        stored,
                    )?
                    .fields(release.fields.iter().map(Field::as_str)),
                )?;
                self.tables.disclosures_of_us.put(key, stored)?;
                self.answer_in_case(acting, (key, stored))?;
                self.vault.flush()?;
                Ok(false)
            }
            Outcome::Leaves(values) => {
                self.let_leave(acting, (key, stored), (values, terms))?;
                Ok(true)
            }
        }
    }

    /// Until when another agency may keep what goes to it now.
    pub(in crate::casework) fn kept_until(&self, days: Option<u32>) -> i64 {
        let days = days.unwrap_or(self.config.disclosure.received_days);
        let keep_s = i64::from(days).saturating_mul(DAY_S).min(LONGEST_KEPT_S);
        self.clock.now().saturating_add(keep_s)
    }

    fn terms(&self, dossier: &Dossier, release: &Release) -> Terms {
        Terms {
            handling: dossier.handling,
            keep_until: self.kept_until(release.keep_days),
            onward: release.onward,
            conditions: release.conditions.clone(),
        }
    }

    /// A second person agrees.
    pub(super) fn countersign_release(
        &self,
        acting: &Acting,
        (key, stored): (&RequestKey, &mut StoredRequest),
    ) -> Result<(), NodeError> {
        acting.may(Permission::CountersignDisclosure)?;
        said(acting)?;
        let leaving = self.leaving((&key.0, stored))?;
        if let Some(why) = &leaving.denied {
            return Err(refused(why));
        }
        self.asked_as_it_is_now(key, stored)?;
        let agreed = stored.decisions.countersign(&acting.who, &leaving.values);
        let (values, proposal) = agreed.map_err(refused)?;
        self.let_leave(acting, (key, stored), (values, proposal.terms))
    }

    /// The log first, then the letter, then the mark: after a crash in between it leaves once more and
    /// counts once.
    fn let_leave(
        &self,
        acting: &Acting,
        (key, stored): (&RequestKey, &StoredRequest),
        (values, terms): (Values, Terms),
    ) -> Result<(), NodeError> {
        if values.bytes() > MAX_VALUE_BYTES {
            return Err(refused(format!(
                "these fields have more than {MAX_VALUE_BYTES} bytes; release fewer at a time"
            )));
        }
        let case = self.case_id(&stored.case)?;
        let case = case.ok_or_else(|| refused("the record of this case is gone"))?;
        self.write_down(
            self.about(
                AuditEvent::by(acting, AuditKind::Disclosure, "fields released"),
                stored,
            )?
            .fields(values.0.keys().map(Field::as_str)),
        )?;
        let answer = Answer {
            released: values,
            refused: BTreeSet::new(),
            terms: Some(terms),
            reason: None,
        };
        self.post_disclosure(&key.0, case, (key.1, Step::Answer(answer)))?;
        self.tables.disclosures_of_us.put(key, stored)?;
        self.answer_in_case(acting, (key, stored))?;
        self.vault.flush()
    }

    /// The word in the case: escalated while a release waits for a second person, and the last one when
    /// every field has been decided on. A field that is released later changes it no more.
    fn answer_in_case(
        &self,
        acting: &Acting,
        (key, stored): (&RequestKey, &StoredRequest),
    ) -> Result<(), NodeError> {
        let decisions = &stored.decisions;
        let of_word = |word| {
            let words = decisions.words().iter();
            let those = words.filter(move |(_, known)| **known == word);
            those.map(|(field, _)| field.to_string()).collect()
        };
        let fields: BTreeSet<String> = of_word(Word::Released);
        let answer = match (decisions.proposal(), decisions.is_open()) {
            (Some(_), _) => CaseAnswer::Escalated {
                reason: SECOND_PERSON
                    .parse()
                    .map_err(|_| NodeError::Internal("the words of an escalation"))?,
            },
            (None, true) => return Ok(()),
            (None, false) if !fields.is_empty() => CaseAnswer::Granted { fields },
            (None, false) => CaseAnswer::Refused {
                reason: said(acting)?.1.clone(),
            },
        };
        let Some(mut case) = self.case_of(&stored.case)? else {
            return Ok(());
        };
        // In the case as it is now this number is another request's.
        if !stored.is_of(key, &case.id()) {
            return Ok(());
        }
        let act = Act::Answer {
            request: stored.number,
            answer,
        };
        let side = self.side_in(&case);
        // It is answered already, or the case has moved on: the values speak for themselves.
        if case.case.view().allows(side, &act).is_err() {
            return Ok(());
        }
        self.say_in(acting, &mut case, act)
    }

    /// Somebody refuses fields; that it was decided not to share is written down.
    pub(super) fn refuse_fields(
        &self,
        acting: &Acting,
        (key, stored): (&RequestKey, &mut StoredRequest),
        fields: BTreeSet<Field>,
    ) -> Result<(), NodeError> {
        acting.may(Permission::Disclose)?;
        let (_, reason) = said(acting)?;
        stored.decisions.refuse(&fields).map_err(refused)?;
        self.write_down(
            self.about(
                AuditEvent::by(acting, AuditKind::NotShared, "fields refused"),
                stored,
            )?
            .fields(fields.iter().map(Field::as_str)),
        )?;
        let level = self.dossier(&stored.case.record_id)?.level;
        self.tell_refusal(key, stored, (&fields, reason), level)?;
        self.tables.disclosures_of_us.put(key, stored)?;
        self.answer_in_case(acting, (key, stored))?;
        self.vault.flush()
    }

    /// Of a silent record nothing is told, not even this; of one that is gone nothing can be.
    fn tell_refusal(
        &self,
        key: &RequestKey,
        stored: &StoredRequest,
        (fields, reason): (&BTreeSet<Field>, &Text),
        level: Level,
    ) -> Result<(), NodeError> {
        let case = self.case_id(&stored.case)?;
        let case = case.filter(|case| may_be_told(level) && stored.is_of(key, case));
        let Some(case) = case else {
            return Ok(());
        };
        let answer = Answer {
            released: Values::default(),
            refused: fields.clone(),
            terms: None,
            reason: Some(reason.clone()),
        };
        self.post_disclosure(&key.0, case, (key.1, Step::Answer(answer)))
    }

    /// What goes at once when both sides have confirmed a case: at level open, the fields that were named
    /// beforehand; once for each round.
    pub(in crate::casework) fn give_open_fields(&self, case: &StoredCase) -> Result<(), NodeError> {
        let view = case.case.view();
        let both = [Side::First, Side::Second].map(|side| view.word(side).map(|w| w.verdict));
        let (key, id) = (&case.key, case.id());
        let dossier = self.dossier(&key.record_id)?;
        if both != [Some(Verdict::Confirmed); 2] || dossier.level != Level::Open {
            return Ok(());
        }
        if self.tables.open_fields_given.get(&id)? >= Some(view.round) || self.is_mute(case)? {
            return Ok(());
        }
        // A late word about a match that has ended opens nothing.
        let found = self.tables.matches.get(key)?;
        if found.is_none_or(|found| found.query) {
            return Ok(());
        }
        let (Some(record), Some(purpose)) = (
            self.tables.records.get(&key.record_id)?,
            self.agreed_purpose(key),
        ) else {
            return Ok(());
        };
        let asker = self.asker(&key.agency, 1)?;
        let values = at_once(&record.record, &dossier, &purpose, &asker);
        if values.0.is_empty() || values.bytes() > MAX_VALUE_BYTES {
            return Ok(());
        }
        let release = Release {
            fields: values.fields(),
            onward: false,
            keep_days: None,
            conditions: None,
        };
        let terms = self.terms(&dossier, &release);
        let event = AuditEvent::of_the_node(AuditKind::Disclosure, "open fields released");
        self.write_down(
            event
                .record(&key.record_id)
                .case(&id.short())
                .agency(&key.agency)
                .fields(values.0.keys().map(Field::as_str)),
        )?;
        let answer = Answer {
            released: values,
            refused: BTreeSet::new(),
            terms: Some(terms),
            reason: None,
        };
        let given = request_id(&id, &self.identity.agency, 0);
        self.post_disclosure(&key.agency, id, (given, Step::Given(answer)))?;
        self.tables.open_fields_given.put(&id, &view.round)
    }

    /// The first purpose of the agreement that a match was found under.
    fn agreed_purpose(&self, key: &MatchKey) -> Option<Text> {
        self.membership(|m| {
            let documents = m.agreements.values().map(|a| &a.standing.document);
            let mut of_line = documents.filter(|document| document.line() == key.agreement);
            let purpose = of_line.next()?.purposes.first()?;
            purpose.parse().ok()
        })
    }
}

/// What would leave, and what stands in its way.
pub(super) struct Leaving {
    pub values: Values,
    pub second: BTreeSet<Second>,
    pub denied: Option<Denied>,
    dossier: Dossier,
}
