//! The document: what the members agree on, and the rules for it to be acceptable at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AgreementError, MAX_MEMBERS, STATEMENT_BYTES, STATEMENT_BYTES_A_MEMBER};
use crate::crypto;
use crate::encoding::Digest;
use crate::identity::{AgencyKind, AgencyName, Name};
use crate::roster::Roster;

/// What a person is to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Category {
    Victim,
    Missing,
    Suspect,
    Witness,
    Other,
}

impl Category {
    /// Every category with its word.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Victim, "victim"),
        (Self::Missing, "missing"),
        (Self::Suspect, "suspect"),
        (Self::Witness, "witness"),
        (Self::Other, "other"),
    ];

    /// The category of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(_, known)| *known == word).map(|(it, _)| *it)
    }

    fn every() -> BTreeSet<Self> {
        Self::ALL.iter().map(|(category, _)| *category).collect()
    }
}

impl std::fmt::Display for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = Self::ALL.iter().find(|(category, _)| category == self);
        f.write_str(word.map_or("", |(_, word)| word))
    }
}

/// Which records a member may bring into an agreement, and which of the others' it may find out about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRole {
    /// Categories of its own records that take part.
    pub submit: BTreeSet<Category>,
    /// Categories of others' records that it may match with.
    pub receive: BTreeSet<Category>,
}

impl RecordRole {
    /// Every category, both ways: the role of a member that the document gives none.
    pub fn every() -> Self {
        Self {
            submit: Category::every(),
            receive: Category::every(),
        }
    }
}

/// Within how many hours a match is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseHours {
    /// For a record of high urgency.
    pub high: u32,
    /// Of medium urgency.
    pub medium: u32,
    /// Of any other.
    pub standard: u32,
    /// After the first answer.
    pub follow_up: u32,
}

impl Default for ResponseHours {
    fn default() -> Self {
        Self {
            high: 1,
            medium: 24,
            standard: 72,
            follow_up: 168,
        }
    }
}

/// From how much evidence on a match is shown, in tenths of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreThreshold {
    /// As possible.
    pub possible_decibits: i32,
    /// As strong.
    pub strong_decibits: i32,
}

/// What the members agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Genesis of the roster whose members these are: what is signed here holds in no other one.
    pub consortium: Digest,
    /// Length of the roster when it was proposed, which says who could approve it.
    pub roster: u64,
    /// Its short name, by which it is called on the command line; the same in all its versions.
    pub id: Name,
    /// Its title, for people.
    pub title: String,
    /// Its version, from 1.
    pub version: u32,
    /// Digest of the version that it replaces; none in the first.
    pub replaces: Option<Digest>,
    /// Whose tokens are compared.
    pub members: Vec<AgencyName>,
    /// The member whose node makes the agreement key.
    pub lead: AgencyName,
    /// What matches may be used for.
    pub purposes: Vec<String>,
    /// The legal regime, for example "UK GDPR and DPA 2018 Part 3".
    pub regime: String,
    /// The lawful basis.
    pub lawful_basis: String,
    /// Members that may not submit or receive every category of record.
    pub record_roles: BTreeMap<AgencyName, RecordRole>,
    /// Whole months that a row stays at the hub unless it is withdrawn sooner.
    pub retention_months: u32,
    /// How soon matches are answered.
    pub response_hours: ResponseHours,
    /// What is shown as strong and as possible; none: what the schema says.
    pub threshold: Option<ScoreThreshold>,
    /// A token with more live rows than this is common and makes no notices.
    pub common_token_limit: u32,
    /// Version of the linkage schema.
    pub schema_version: u16,
    /// Digest of the linkage schema: nodes with another one refuse to take part.
    pub schema_digest: Digest,
    /// The key epoch that this version begins with, from 1.
    pub epoch: u32,
}

impl Document {
    /// What stays the same over all versions: references and matches are kept under it.
    pub fn line(&self) -> Digest {
        crypto::digest(
            "symbolon agreement line v1",
            &[&self.consortium.0, self.id.as_str().as_bytes()],
        )
    }

    /// Largest acceptance or statement about it, in bytes. A member can say little more than it has
    /// to, or others would have to fetch it for ever.
    pub(super) fn most_statement_bytes(&self) -> usize {
        STATEMENT_BYTES + STATEMENT_BYTES_A_MEMBER * self.members.len()
    }

    /// What a member may submit and receive.
    pub fn role(&self, member: &AgencyName) -> RecordRole {
        let role = self.record_roles.get(member).cloned();
        role.unwrap_or_else(RecordRole::every)
    }

    /// Categories of a member's records that take part: those that it may submit and every other
    /// member may receive. Tokens can be compared by all members, so that a record cannot be kept
    /// from one of them but by leaving it out.
    pub fn shared_by(&self, member: &AgencyName) -> BTreeSet<Category> {
        let mut shared = self.role(member).submit;
        for other in self.members.iter().filter(|other| *other != member) {
            let receives = self.role(other).receive;
            shared.retain(|category| receives.contains(category));
        }
        shared
    }

    /// Members that are immigration services, but for `agency` itself: it must accept each by name.
    pub fn immigration(&self, roster: &Roster, agency: &AgencyName) -> BTreeSet<AgencyName> {
        let enforces = |name: &&AgencyName| {
            let member = roster.members.get(*name);
            member.is_some_and(|member| member.kind == AgencyKind::ImmigrationService)
        };
        let others = self.members.iter().filter(|name| *name != agency);
        others.filter(enforces).cloned().collect()
    }

    /// The rule for a document to be acceptable at all.
    pub fn check(&self, roster: &Roster) -> Result<(), AgreementError> {
        let refuse = |reason: &str| Err(AgreementError::NotAllowed(reason.to_owned()));
        if self.consortium != roster.genesis {
            return refuse("the agreement belongs to another consortium");
        }
        let distinct: BTreeSet<&AgencyName> = self.members.iter().collect();
        if distinct.len() != self.members.len() || !(2..=MAX_MEMBERS).contains(&distinct.len()) {
            return refuse("an agreement needs 2 to 500 distinct members");
        }
        if !distinct.contains(&self.lead) {
            return refuse("the lead must be a member of the agreement");
        }
        if let Some(stranger) = self.record_roles.keys().find(|m| !distinct.contains(m)) {
            return refuse(&format!("{stranger} has a record role and is no member"));
        }
        let blank = |text: &String| text.trim().is_empty();
        if self.purposes.is_empty() || self.purposes.iter().any(blank) {
            return refuse("an agreement needs at least one purpose");
        }
        if blank(&self.regime) || blank(&self.lawful_basis) {
            return refuse("an agreement needs a regime and a lawful basis");
        }
        self.check_numbers()?;
        for agency in &self.members {
            if roster.enrolled(agency).is_none() {
                return refuse(&format!("{agency} has not enrolled"));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), AgreementError> {
        let refuse = |reason: &str| Err(AgreementError::NotAllowed(reason.to_owned()));
        if !(1..=120).contains(&self.retention_months) {
            return refuse("retention must be 1 to 120 months");
        }
        if !(2..=10_000).contains(&self.common_token_limit) {
            return refuse("the common-token limit must be 2 to 10000");
        }
        let hours = &self.response_hours;
        let all = [hours.high, hours.medium, hours.standard, hours.follow_up];
        if all.iter().any(|hours| !(1..=8_760).contains(hours)) {
            return refuse("response clocks must be 1 to 8760 hours");
        }
        if hours.high > hours.medium || hours.medium > hours.standard {
            return refuse("a more urgent match cannot have the longer response clock");
        }
        if let Some(threshold) = &self.threshold {
            let (possible, strong) = (threshold.possible_decibits, threshold.strong_decibits);
            if !(-600..=600).contains(&possible) || !(possible..=600).contains(&strong) {
                return refuse(
                    "the score threshold must be -60 to 60 bits, strong not below possible",
                );
            }
        }
        if self.version == 0 || self.epoch == 0 {
            return refuse("versions and epochs are counted from 1");
        }
        if (self.version == 1) != self.replaces.is_none() || (self.version == 1 && self.epoch != 1)
        {
            return refuse(
                "a first version replaces none and begins at epoch 1; each later one names the one it replaces",
            );
        }
        Ok(())
    }
}
