//! Rules that stand before any decision: level, consent, firewall, and when it takes two people.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::AgencyKind;
use symbolon_core::linkage::record::Record;
use thiserror::Error;

use super::{Field, Values};
use crate::dossier::{Dossier, Level};
use crate::text::Text;

/// From when on a request, or an agency's requests of a day, are bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fields of one record, within a day, that are not yet too many.
    pub fields: u32,
    /// Cases in which one agency may ask within a day before it is too many.
    pub cases_a_day: u32,
}

/// Who asks, and how much it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its kind, by the roster.
    pub kind: AgencyKind,
    /// Whether this agency has said that it may be given anything; asked of immigration services only.
    pub admitted: bool,
    /// In how many cases it asked within a day of the request, this one among them.
    pub cases_that_day: u32,
}

/// Why a release takes a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
pub enum Second {
    /// The record is silent.
    #[error("the record is silent")]
    Silent,
    /// Many fields of the record, or many cases, within a day.
    #[error("it is a bulk request")]
    Bulk,
    /// The other agency is an immigration service.
    #[error("the other agency is an immigration service")]
    Immigration,
}

/// Why a release takes a second person, if it does. `asked` is what its agency asked for of this record
/// within a day.
#[must_use]
pub fn second_person(
    level: Level,
    asked: &BTreeSet<Field>,
    asker: &Asker,
    limits: &Limits,
) -> BTreeSet<Second> {
    let many_fields = asked.len() > limits.fields as usize;
    let many_cases = asker.cases_that_day > limits.cases_a_day;
    let reasons = [
        (level == Level::Silent, Second::Silent),
        (many_fields || many_cases, Second::Bulk),
        (
            asker.kind == AgencyKind::ImmigrationService,
            Second::Immigration,
        ),
    ];
    let those = reasons.into_iter().filter(|(holds, _)| *holds);
    those.map(|(_, reason)| reason).collect()
}

/// Why nothing of a record may leave, whoever decides.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// The firewall.
    #[error(
        "the other agency is an immigration service, and this node gives them nothing; who may be given \
         something is named under [disclosure] immigration_services in node.toml"
    )]
    Immigration,
    /// The record rests on consent, and there is none for this purpose.
    #[error(
        "the record rests on consent, and there is none for the purpose {0:?}; with consent, write it \
         down for that purpose first"
    )]
    NoConsent(String),
}

/// Whether anything of a record may leave to this agency for this purpose.
pub fn may_leave(dossier: &Dossier, purpose: &Text, asker: &Asker) -> Result<(), Denied> {
    if asker.kind == AgencyKind::ImmigrationService && !asker.admitted {
        return Err(Denied::Immigration);
    }
    if rests_on_consent(dossier) && !dossier.consents_to(purpose.as_str()) {
        return Err(Denied::NoConsent(purpose.to_string()));
    }
    Ok(())
}

/// Whether the lawful basis of a record is consent, in whatever words: `consent`, `explicit consent`,
/// `consent (Art. 6(1)(a))`. A basis that only speaks of consent is taken for it: that asks for more.
#[must_use]
pub fn rests_on_consent(dossier: &Dossier) -> bool {
    let basis = dossier.lawful_basis.as_ref();
    basis.is_some_and(|basis| basis.as_str().to_lowercase().contains("consent"))
}

/// What goes at once when both sides have confirmed: at level open the fields that the owner named
/// beforehand and the record has; at every other level, and to an immigration service, nothing.
#[must_use]
pub fn at_once(record: &Record, dossier: &Dossier, purpose: &Text, asker: &Asker) -> Values {
    let open = dossier.level == Level::Open
        && asker.kind != AgencyKind::ImmigrationService
        && may_leave(dossier, purpose, asker).is_ok();
    if !open {
        return Values::default();
    }
    let named = dossier.open_fields.iter().filter_map(|f| f.parse().ok());
    let named: BTreeSet<Field> = named.take(super::MAX_FIELDS).collect();
    let mut values = Values::of(&named, record, dossier);
    values.0.retain(|_, values| !values.is_empty());
    values
}

/// Whether the other side is told anything at all without a person's decision: where to call, for
/// instance. Of a silent record it is told nothing, not even that it was refused.
#[must_use]
pub fn may_be_told(level: Level) -> bool {
    level != Level::Silent
}
